/* kernel_tiny.h -- the smallest engine to ask: a model of random weights that knows nothing, on the
 * backend that the test is compiled for (TEST_BACKEND).  For tests about what holds of any model.
 */
#ifndef REEVE_TESTS_SUPPORT_KERNEL_TINY_H
#define REEVE_TESTS_SUPPORT_KERNEL_TINY_H

#include "kernels/kernel.h"
#include "tests/support/test.h"

#include <string.h>

#ifndef TEST_BACKEND
#    define TEST_BACKEND KERNEL_REF
#endif

static inline struct kernel_model *tiny(void)
{
    struct kernel_model *model = NULL;
    struct kernel_error error;
    ck_assert_msg(kernel_model_make("tiny-llama", "F32", 7, &model, &error) == KERNEL_OK, "%s",
                  error.message);
    return model;
}

/* One thread and 4 MiB of cache where nothing else is said. */
static inline struct kernel_engine *start(struct kernel_model *model,
                                          struct kernel_engine_options options)
{
    struct kernel_engine *engine = NULL;
    struct kernel_error error;
    options.backend = TEST_BACKEND;
    options.threads = options.threads != 0 ? options.threads : 1;
    options.cache_bytes = options.cache_bytes != 0 ? options.cache_bytes : 4 << 20;
    ck_assert_msg(kernel_engine_create(model, &options, &engine, &error) == KERNEL_OK, "%s",
                  error.message);
    return engine;
}

static inline struct kernel_text text_of(const char *text)
{
    return (struct kernel_text){text, strlen(text)};
}

#endif
