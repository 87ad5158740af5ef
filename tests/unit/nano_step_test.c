/* nano_step_test.c -- the trainer's network in C (kernels/nano/step.c): its gradient is that of its
 * loss.
 *
 * Along random directions the loss changes as the gradient says, within what 16-bit factors allow;
 * cases together give what they give alone; and what cannot be taken is refused.  Skipped where the
 * processor has no AMX.  That the network is the same as PyTorch's, train.py looks at before each
 * training.
 */
#include "kernels/nano/step.c" /* NOLINT(bugprone-suspicious-include): its sizes are looked at */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    VOCAB = 64,
    WIDTH = 64,
    LAYERS = 2,
    HEADS = 2,
    HIDDEN = 96,
    CONTEXT = 256,
    PREFIX = 7,
    SKIPPED = 77
};
static const int32_t prefix[PREFIX] = {3, 1, 4, 1, 5, 9, 2};

static uint64_t state = 1;

static float uniform(void) /* -1 to 1; splitmix64 */
{
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (float)(int64_t)(z ^ z >> 31) / 9223372036854775808.0F;
}

static void expect(int right, const char *what)
{
    printf("%s %s\n", right ? "ok  " : "FAIL", what);
    if (!right) {
        exit(1);
    }
}

/* Cases of awkward lengths; the loss looks at some places of the second half. */
static int cases(const int *lengths, int count, int32_t *tokens, float *weights, int32_t *counts)
{
    int at = 0;
    for (int c = 0; c < count; c++) {
        counts[c] = lengths[c];
        for (int t = 0; t < lengths[c]; t++, at++) {
            tokens[at] = (int32_t)((uniform() + 1) / 2 * (VOCAB - 1));
            weights[at] = t > lengths[c] / 2 && t % 3 != 0 ? 1.0F : 0.0F;
        }
        weights[at - 1] = 1;
    }
    return at;
}

static double loss_at(struct step *step, const float *flat, const int32_t *tokens,
                      const float *weights, const int32_t *counts, int count, float *grad)
{
    step_weights(step, flat);
    return step_rows(step, tokens, weights, counts, count, 1, grad);
}

int main(void)
{
    __builtin_cpu_init();
    FILE *info = fopen("/proc/cpuinfo", "r");
    char line[8192];
    int has = 0;
    while (info && !has && fgets(line, sizeof line, info)) {
        has = strstr(line, " amx_bf16") != NULL;
    }
    if (info) {
        fclose(info);
    }
    struct step *step =
        has ? step_new(VOCAB, WIDTH, LAYERS, HEADS, HIDDEN, CONTEXT, 10000, 1e-5, prefix, PREFIX)
            : NULL;
    if (step == NULL) {
        printf("SKIP: no AMX here\n");
        return SKIPPED;
    }
    size_t n = step->weights;
    float *flat = malloc(n * 4), *moved = malloc(n * 4), *way = malloc(n * 4), *grad = calloc(n, 4),
          *one = calloc(n, 4), *none = calloc(n, 4);
    for (size_t i = 0; i < n; i++) {
        flat[i] = uniform() * 0.2F;
    }
    for (int l = 0; l <= LAYERS; l++) {
        size_t at = l == LAYERS ? step->output_norm : step->block[l].attn_norm;
        for (int i = 0; i < WIDTH; i++) {
            flat[at + i] = 1 + uniform() * 0.1F;
            if (l < LAYERS) {
                flat[step->block[l].ffn_norm + i] = 1 + uniform() * 0.1F;
            }
        }
    }
    static int32_t tokens[4096], counts[32];
    static float weights[4096];
    const int lengths[] = {2, 33, 64, 65, 40, 90, 129, 31};
    enum { COUNT = sizeof lengths / sizeof *lengths };
    cases(lengths, COUNT, tokens, weights, counts);

    double loss = loss_at(step, flat, tokens, weights, counts, COUNT, grad), alone = 0;
    for (int c = 0, at = 0; c < COUNT; at += counts[c++]) {
        alone += step_rows(step, tokens + at, weights + at, counts + c, 1, 1, one);
    }
    double off = 0, length = 0;
    for (size_t i = 0; i < n; i++) {
        off += (grad[i] - one[i]) * (grad[i] - one[i]);
        length += grad[i] * grad[i];
    }
    printf("loss %.4f, one by one %.4f; gradients %.2g apart of %.3g\n", loss, alone, sqrt(off),
           sqrt(length));
    expect(fabs(loss - alone) < 1e-3 * loss && sqrt(off) < 1e-3 * sqrt(length),
           "cases together give what they give alone");

    for (int trial = 0; trial < 6; trial++) {
        double slope = 0;
        const float far = 0.0005F;
        for (size_t i = 0; i < n; i++) {
            /* half towards the gradient, so that the slope is well above the noise */
            way[i] = uniform() + 10 * grad[i] / (float)sqrt(length) * (trial % 2 ? 1 : -1) *
                                     sqrtf((float)n) / 40;
            slope += (double)way[i] * grad[i];
        }
        double at[2];
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < n; i++) {
                moved[i] = flat[i] + (side ? far : -far) * way[i];
            }
            memset(none, 0, n * 4);
            at[side] = loss_at(step, moved, tokens, weights, counts, COUNT, none);
        }
        double measured = (at[1] - at[0]) / (2 * far);
        printf("slope %.4f, measured %.4f\n", slope, measured);
        expect(fabs(slope - measured) < 0.05 * fabs(slope),
               "the loss changes as the gradient says");
    }

    step_weights(step, flat);
    memset(one, 0, n * 4);
    int32_t too_long = CONTEXT + 1;
    expect(step_rows(step, tokens, weights, &too_long, 1, 1, one) == -1,
           "a case beyond the context is refused");
    memset(weights, 0, sizeof weights);
    expect(step_rows(step, tokens, weights, counts, 1, 1, one) == -1,
           "and so is one that asks nothing");
    for (size_t i = 0; i < n; i++) {
        if (one[i] != 0) {
            expect(0, "without a gradient");
        }
    }
    step_free(step);
    float *all[] = {flat, moved, way, grad, one, none};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
    return 0;
}
