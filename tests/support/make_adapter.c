/* make_adapter.c -- make_adapter MODEL OUT SEED: a LoRA adapter of random weights that fits the
 * model, for tests of the program. */
#include "kernels/kernel.h"
#include "tests/support/kernel_file.h"

#include <stdio.h>
#include <stdlib.h>

enum { RANK = 4 };

int main(int argc, char **argv)
{
    struct kernel_model *model = NULL;
    struct kernel_error error = {.status = KERNEL_OK};
    if (argc != 4) {
        fprintf(stderr, "usage: make_adapter MODEL OUT SEED\n");
        return 2;
    }
    if (kernel_model_open(argv[1], &model, &error) != KERNEL_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    kernel_file_write_adapter(argv[2], model->arch->name, &model->shape, RANK,
                              (1U << KERNEL_PARTS) - 1, strtoull(argv[3], NULL, 10));
    kernel_model_close(model);
    return 0;
}
