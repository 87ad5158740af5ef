/* kernels_adapter_test.c -- adapters that are loaded and unloaded by many threads at once: a load
 * that said OK is there, no place is lost, and who has heard an answer may unload what it used. */
#include "kernels/kernel.h"
#include "tests/support/kernel_asker.h"
#include "tests/support/kernel_file.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <unistd.h>

enum { PLACES = 64, RANK = 4, LOADERS = 4, ROUNDS = 20 };

static struct kernel_model *model;
static struct kernel_engine *engine;
static char path[64];
static pthread_barrier_t barrier;

static void begin(void)
{
    struct kernel_error error;
    struct kernel_engine_options options = {
        .backend = KERNEL_CPU, .threads = 1, .context_max = 256, .cache_bytes = 1 << 20};
    ck_assert_int_eq(kernel_model_make("tiny-llama", "Q8_0", 7, &model, &error), KERNEL_OK);
    snprintf(path, sizeof path, "/tmp/reeve-adapter-%d.gguf", getpid());
    kernel_file_write_adapter(path, "llama", &model->shape, RANK, (1U << KERNEL_PARTS) - 1, 3);
    ck_assert_int_eq(kernel_engine_create(model, &options, &engine, &error), KERNEL_OK);
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, LOADERS), 0);
}

static void end(void)
{
    pthread_barrier_destroy(&barrier);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
    remove(path);
}

static bool put(const char *adapter, struct asked *asked)
{
    struct kernel_message message = {KERNEL_USER, {"hello", 5}};
    struct kernel_request request = {.kind = KERNEL_COMPLETE,
                                     .messages = &message,
                                     .message_count = 1,
                                     .answer_max = 4,
                                     .adapter = adapter};
    return ask(engine, &request, asked);
}

static void answers(const char *adapter)
{
    struct asked asked = {0};
    ck_assert_msg(put(adapter, &asked), "%s", asked.message);
    asked_wait(&asked);
    ck_assert_msg(!asked.failed, "%s", asked.message);
    asked_free(&asked);
}

struct loader {
    pthread_t thread;
    char name[16];
    enum kernel_status status;
};

static void *load(void *data)
{
    struct loader *loader = data;
    struct kernel_error error;
    pthread_barrier_wait(&barrier);
    loader->status = kernel_adapter_load(engine, loader->name, path, &error);
    return NULL;
}

static void *load_and_unload(void *data)
{
    struct loader *loader = data;
    struct kernel_error error;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < ROUNDS && loader->status == KERNEL_OK; i++) {
        loader->status = kernel_adapter_load(engine, loader->name, path, &error);
        if (loader->status == KERNEL_OK) {
            loader->status = kernel_adapter_unload(engine, loader->name, &error);
        }
    }
    return NULL;
}

static void run_all(struct loader loaders[LOADERS], void *(*work)(void *data))
{
    for (int i = 0; i < LOADERS; i++) {
        ck_assert_int_eq(pthread_create(&loaders[i].thread, NULL, work, &loaders[i]), 0);
    }
    for (int i = 0; i < LOADERS; i++) {
        pthread_join(loaders[i].thread, NULL);
    }
}

TEST(adapters_that_are_loaded_at_once_all_answer)
{
    struct kernel_error error;
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        struct loader loaders[LOADERS] = {0};
        for (int i = 0; i < LOADERS; i++) {
            snprintf(loaders[i].name, sizeof loaders[i].name, "a%d", i);
        }
        run_all(loaders, load);
        for (int i = 0; i < LOADERS; i++) {
            ck_assert_int_eq(loaders[i].status, KERNEL_OK);
            answers(loaders[i].name);
            ck_assert_int_eq(kernel_adapter_unload(engine, loaders[i].name, &error), KERNEL_OK);
        }
    }
    end();
}

TEST(a_name_is_loaded_once)
{
    struct kernel_error error;
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        struct loader loaders[LOADERS] = {0};
        int loaded = 0;
        for (int i = 0; i < LOADERS; i++) {
            strcpy(loaders[i].name, "same");
        }
        run_all(loaders, load);
        for (int i = 0; i < LOADERS; i++) {
            loaded += loaders[i].status == KERNEL_OK;
        }
        ck_assert_int_eq(loaded, 1);
        answers("same");
        ck_assert_int_eq(kernel_adapter_unload(engine, "same", &error), KERNEL_OK);
        ck_assert_int_eq(kernel_adapter_unload(engine, "same", &error), KERNEL_INVALID);
    }
    end();
}

TEST(no_place_is_lost)
{
    struct loader loaders[LOADERS] = {0};
    struct kernel_error error;
    char name[16];
    begin();
    for (int i = 0; i < LOADERS; i++) {
        snprintf(loaders[i].name, sizeof loaders[i].name, "a%d", i);
    }
    run_all(loaders, load_and_unload);
    for (int i = 0; i < LOADERS; i++) {
        ck_assert_int_eq(loaders[i].status, KERNEL_OK);
    }
    ck_assert_int_eq(kernel_adapter_load(engine, "absent", "/nowhere/x.gguf", &error), KERNEL_IO);
    for (int i = 0; i < PLACES; i++) {
        snprintf(name, sizeof name, "b%d", i);
        ck_assert_msg(kernel_adapter_load(engine, name, path, &error) == KERNEL_OK, "%d: %s", i,
                      error.message);
    }
    ck_assert_int_eq(kernel_adapter_load(engine, "b64", path, &error), KERNEL_LIMIT);
    end();
}

struct heard {
    int end; /* 1 done, 2 failed */
    bool busy;
};

static void tell_end(void *data, const struct kernel_event *event)
{
    struct heard *heard = data;
    struct kernel_error error;
    if (event->kind == KERNEL_PIECE) {
        heard->busy = kernel_adapter_unload(engine, "used", &error) == KERNEL_BUSY;
        return;
    }
    __atomic_store_n(&heard->end, event->kind == KERNEL_DONE ? 1 : 2, __ATOMIC_RELEASE);
    usleep(20000); /* whoever heard it acts, while this listener has not returned */
}

TEST(who_has_heard_the_end_may_unload_what_it_used)
{
    struct kernel_error error;
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        struct heard heard = {0};
        uint64_t id = 0;
        struct kernel_message message = {KERNEL_USER, {"hello", 5}};
        struct kernel_request request = {.kind = KERNEL_COMPLETE,
                                         .messages = &message,
                                         .message_count = 1,
                                         .answer_max = 4,
                                         .adapter = "used"};
        ck_assert_int_eq(kernel_adapter_load(engine, "used", path, &error), KERNEL_OK);
        ck_assert_int_eq(kernel_submit(engine, &request, tell_end, &heard, &id, &error), KERNEL_OK);
        while (__atomic_load_n(&heard.end, __ATOMIC_ACQUIRE) == 0) {
            usleep(100);
        }
        ck_assert_int_eq(heard.end, 1);
        ck_assert(heard.busy);
        ck_assert_msg(kernel_adapter_unload(engine, "used", &error) == KERNEL_OK, "%s",
                      error.message);
    }
    end();
}

TEST_MAIN()
