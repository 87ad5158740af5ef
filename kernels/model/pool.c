/* pool.c -- an embedding from hidden states: their mean, scaled to length 1.
 *
 * The count of rows cancels in the scaling, so a sum is all that is kept.  Row by row in the order
 * of the text: the vector does not depend on how the text was cut.
 */
#include "kernels/model/forward.h"

#include <math.h>

void kernel_pool_add(double *sum, const float *hidden, uint32_t rows, uint32_t width)
{
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t i = 0; i < width; i++) {
            sum[i] += (double)hidden[(size_t)r * width + i];
        }
    }
}

void kernel_pool_finish(const double *sum, uint32_t width, float *out)
{
    double square = 0;
    for (uint32_t i = 0; i < width; i++) {
        square += sum[i] * sum[i];
    }
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (uint32_t i = 0; i < width; i++) {
        out[i] = (float)(sum[i] * scale);
    }
}
