/* tensor.c -- names and sizes of the tensor types of GGUF. */
#include "kernels/model/tensor.h"

#include <strings.h>

static const struct kernel_type_facts types[] = {
    {KERNEL_F32, "F32", 1, 4},       {KERNEL_F16, "F16", 1, 2},
    {KERNEL_BF16, "BF16", 1, 2},     {KERNEL_Q8_0, "Q8_0", 32, 34},
    {KERNEL_Q4_0, "Q4_0", 32, 18},   {KERNEL_Q4_1, "Q4_1", 32, 20},
    {KERNEL_Q5_0, "Q5_0", 32, 22},   {KERNEL_Q5_1, "Q5_1", 32, 24},
    {KERNEL_Q4_K, "Q4_K", 256, 144}, {KERNEL_Q5_K, "Q5_K", 256, 176},
    {KERNEL_Q6_K, "Q6_K", 256, 210},
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

const struct kernel_type_facts *kernel_type_facts(uint32_t type)
{
    for (int i = 0; i < TYPE_COUNT; i++) {
        if (types[i].type == type) {
            return &types[i];
        }
    }
    return NULL;
}

const struct kernel_type_facts *kernel_type_named(const char *name)
{
    for (int i = 0; i < TYPE_COUNT; i++) {
        if (strcasecmp(types[i].name, name) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

const char *kernel_type_guess(uint32_t type)
{
    static const char *const others[] = {
        [9] = "Q8_1",    [10] = "Q2_K",    [11] = "Q3_K",  [15] = "Q8_K",   [16] = "IQ2_XXS",
        [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S",
        [22] = "IQ2_S",  [23] = "IQ4_XS",  [24] = "I8",    [25] = "I16",    [26] = "I32",
        [27] = "I64",    [28] = "F64",     [29] = "IQ1_M", [34] = "TQ1_0",  [35] = "TQ2_0",
        [39] = "MXFP4",
    };
    return type < sizeof others / sizeof others[0] && others[type] != NULL ? others[type] : "?";
}
