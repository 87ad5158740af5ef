/* adapter.h -- a LoRA adapter file, read and checked against its model.
 *
 * Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): a product W x becomes
 * W x + (alpha / rank) B (A x).  In GGUF: general.type "adapter", adapter.type "lora",
 * adapter.lora.alpha, and for a weight NAME the tensors NAME.lora_a [rank rows of its input] and
 * NAME.lora_b [its output rows of rank].
 *
 * Private to kernels/model.
 */
#ifndef REEVE_KERNELS_MODEL_ADAPTER_H
#define REEVE_KERNELS_MODEL_ADAPTER_H

#include "kernels/model/model.h"

struct kernel_adapter_part {
    uint32_t layer;
    enum kernel_part part;
    const struct kernel_tensor *a, *b;
    uint32_t rank;
    float scale;
};

struct kernel_adapter_file {
    struct kernel_gguf *file;
    struct kernel_adapter_part *parts;
    uint32_t count;
};

enum kernel_status kernel_adapter_file_open(const char *path, const struct kernel_model *model,
                                            struct kernel_adapter_file *out,
                                            struct kernel_error *error);
void kernel_adapter_file_close(struct kernel_adapter_file *adapter); /* all zeros is fine */

#endif
