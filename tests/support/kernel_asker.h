/* kernel_asker.h -- asks an engine and waits: what came back, in one place.  For tests and benches.
 */
#ifndef REEVE_TESTS_SUPPORT_KERNEL_ASKER_H
#define REEVE_TESTS_SUPPORT_KERNEL_ASKER_H

#include "kernels/kernel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ASKED_OPTIONS_MAX = 64, ASKED_LOGPROBS_MAX = 4096 };

struct asked {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended, failed;
    enum kernel_status status; /* of submit, or of the failure */
    char message[256];
    int64_t retry_ms;
    char *text; /* without thoughts */
    size_t length;
    uint32_t pieces;
    char *thoughts;
    struct kernel_usage usage;
    enum kernel_finish finish;
    int32_t choice;
    double probability[ASKED_OPTIONS_MAX];
    uint32_t option_count;
    struct kernel_logprob logprobs[ASKED_LOGPROBS_MAX];
    uint32_t logprob_count;
    float *vector;
    uint32_t width;
    uint64_t id;
    int64_t first_us, end_us; /* of the first piece, of the end */
};

static inline int64_t asked_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline char *asked_append(char *text, const char *more, size_t length)
{
    size_t before = text != NULL ? strlen(text) : 0;
    text = realloc(text, before + length + 1);
    memcpy(text + before, more, length);
    text[before + length] = '\0';
    return text;
}

static inline void asked_event(void *data, const struct kernel_event *event)
{
    struct asked *asked = data;
    pthread_mutex_lock(&asked->lock);
    if (event->kind == KERNEL_PIECE) {
        asked->first_us = asked->pieces++ == 0 ? asked_now_us() : asked->first_us;
        char **to = event->thinking ? &asked->thoughts : &asked->text;
        *to = asked_append(*to, event->text.bytes, event->text.length);
        for (uint32_t i = 0; i < event->logprob_count; i++) {
            if (asked->logprob_count < ASKED_LOGPROBS_MAX) {
                asked->logprobs[asked->logprob_count++] = event->logprobs[i];
            }
        }
    } else {
        asked->ended = true;
        asked->failed = event->kind == KERNEL_FAILED;
        asked->usage = event->usage;
        asked->finish = event->finish;
        asked->choice = event->choice;
        asked->end_us = asked_now_us();
        if (asked->failed) {
            asked->status = event->error->status;
            memcpy(asked->message, event->error->message, sizeof asked->message);
        }
        for (uint32_t i = 0; event->probability != NULL && i < asked->option_count; i++) {
            asked->probability[i] = event->probability[i];
        }
        if (event->vector != NULL && asked->width > 0) {
            asked->vector = malloc(asked->width * sizeof(float));
            memcpy(asked->vector, event->vector, asked->width * sizeof(float));
        }
        pthread_cond_broadcast(&asked->changed);
    }
    pthread_mutex_unlock(&asked->lock);
}

/* Submits; `asked` is fresh.  Its status says whether it was taken. */
static inline bool ask(struct kernel_engine *engine, const struct kernel_request *request,
                       struct asked *asked)
{
    uint32_t width = asked->width;
    memset(asked, 0, sizeof *asked);
    asked->width = width;
    pthread_mutex_init(&asked->lock, NULL);
    pthread_cond_init(&asked->changed, NULL);
    asked->text = calloc(1, 1);
    asked->option_count = request->option_count;
    struct kernel_error error;
    enum kernel_status status =
        kernel_submit(engine, request, asked_event, asked, &asked->id, &error);
    if (status != KERNEL_OK) { /* else the events say it, and may have */
        asked->status = status;
        asked->ended = asked->failed = true;
        memcpy(asked->message, error.message, sizeof asked->message);
        asked->retry_ms = error.retry_ms;
    }
    return status == KERNEL_OK;
}

static inline void asked_wait(struct asked *asked)
{
    pthread_mutex_lock(&asked->lock);
    while (!asked->ended) {
        pthread_cond_wait(&asked->changed, &asked->lock);
    }
    asked->length = strlen(asked->text);
    pthread_mutex_unlock(&asked->lock);
}

static inline void asked_free(struct asked *asked)
{
    free(asked->text);
    free(asked->thoughts);
    free(asked->vector);
    asked->text = asked->thoughts = NULL;
    asked->vector = NULL;
}

#endif
