/* masks.c -- which tokens may come next, found out while the forward pass runs.
 *
 * One worker thread.  The mask of a sequence depends on what it has said so far, which is known
 * before its next logits are: so both are made at the same time, and the engine waits for the
 * later.
 */
#include "kernels/serve/serve.h"

#include <stdlib.h>

struct masks {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sequence **sequences;
    uint32_t count;
    bool busy, stopping;
    uint64_t us, made;
};

void mask_make(struct sequence *sequence)
{
    kernel_constraint_mask(sequence->constraint, sequence->mask);
    sequence->mask_ready = true;
}

static void *work(void *data)
{
    struct masks *masks = data;
    pthread_mutex_lock(&masks->lock);
    for (;;) {
        while (!masks->busy && !masks->stopping) {
            pthread_cond_wait(&masks->changed, &masks->lock);
        }
        if (masks->stopping) {
            break;
        }
        pthread_mutex_unlock(&masks->lock);
        uint64_t made = 0;
        int64_t begin_us = serve_now_us();
        for (uint32_t i = 0; i < masks->count; i++) {
            struct sequence *sequence = masks->sequences[i];
            if (sequence->constraint != NULL && !sequence->thinking && !sequence->mask_ready &&
                sequence->computed + sequence->chunk - sequence->drafts == sequence->tokens.count) {
                mask_make(sequence);
                made++;
            }
        }
        pthread_mutex_lock(&masks->lock);
        masks->us += (uint64_t)(serve_now_us() - begin_us);
        masks->made += made;
        masks->busy = false;
        pthread_cond_broadcast(&masks->changed);
    }
    pthread_mutex_unlock(&masks->lock);
    return NULL;
}

struct masks *masks_create(void)
{
    struct masks *masks = kernel_allocate(1, sizeof *masks);
    pthread_mutex_init(&masks->lock, NULL);
    pthread_cond_init(&masks->changed, NULL);
    KERNEL_ASSERT(pthread_create(&masks->thread, NULL, work, masks) == 0);
    return masks;
}

void masks_destroy(struct masks *masks)
{
    if (masks == NULL) {
        return;
    }
    pthread_mutex_lock(&masks->lock);
    masks->stopping = true;
    pthread_cond_broadcast(&masks->changed);
    pthread_mutex_unlock(&masks->lock);
    pthread_join(masks->thread, NULL);
    pthread_mutex_destroy(&masks->lock);
    pthread_cond_destroy(&masks->changed);
    free(masks);
}

void masks_begin(struct masks *masks, struct sequence **sequences, uint32_t count)
{
    pthread_mutex_lock(&masks->lock);
    masks->sequences = sequences;
    masks->count = count;
    masks->busy = true;
    pthread_cond_broadcast(&masks->changed);
    pthread_mutex_unlock(&masks->lock);
}

void masks_wait(struct masks *masks, uint64_t *us, uint64_t *made)
{
    pthread_mutex_lock(&masks->lock);
    while (masks->busy) {
        pthread_cond_wait(&masks->changed, &masks->lock);
    }
    *us += masks->us;
    *made += masks->made;
    masks->us = masks->made = 0;
    pthread_mutex_unlock(&masks->lock);
}
