/* store_load.c -- runs as they stand in the database, many at once.
 *
 * What is asked within one turn of the loop goes as one statement per company: its row, its plan
 * and its journal of each run, in one snapshot.  After a crash ten thousand runs come back by some
 * tens of statements; a run that is asked for alone is one statement, too.  A plan's text comes
 * once per statement, however many of its runs do.
 */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/journal/journal.h"
#include "runtime/run/store_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOADS_MAX = 128, /* of one statement: what is in memory twice for a moment */
    ROW_RUN = 1,     /* what a row is, see run_images */
    ROW_PLAN,
    ROW_STEP
};

/* One run that somebody waits for. */
struct load {
    struct load *next;
    int32_t tenant;
    int64_t run;
    struct rv_run_image *image;
    int capacity; /* of its steps */
    enum rv_code code;
    struct rv_error why; /* only where the code is not RV_OK */
    void (*done)(void *data, enum rv_code code, struct rv_run_image *image,
                 const struct rv_error *err);
    void *data;
};

struct plan_text {
    struct rv_hash hash;
    const char *text; /* in the result */
    size_t length;
    bool right;
};

/* One statement. */
struct loading {
    struct rv_store *store;
    struct load *loads[LOADS_MAX]; /* by run */
    int count;
    struct plan_text plans[LOADS_MAX];
    int plan_count;
};

static void send_all(void *data);
static void on_images(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err);

void rv_store_load(void *self, int32_t tenant, int64_t run,
                   void (*done)(void *data, enum rv_code code, struct rv_run_image *image,
                                const struct rv_error *err),
                   void *data)
{
    struct rv_store *store = self;
    struct load *load = rv_alloc(sizeof *load);
    *load = (struct load){.tenant = tenant, .run = run, .done = done, .data = data, .code = RV_OK};
    if (store->loads == NULL) {
        store->loads_end = &store->loads;
        rv_loop_post(store->options.loop, send_all, store);
    }
    *store->loads_end = load;
    store->loads_end = &load->next;
}

/* ---- asking ---- */

static int by_run(const void *a, const void *b)
{
    int64_t left = (*(struct load *const *)a)->run;
    int64_t right = (*(struct load *const *)b)->run;
    return (left > right) - (left < right);
}

static bool has(const struct loading *loading, int64_t run)
{
    int i = 0;
    while (i < loading->count && loading->loads[i]->run != run) {
        i++;
    }
    return i < loading->count;
}

/* The first load's company, as many as one statement takes; a run that is asked for twice (its
 * actor failed meanwhile) is in two. */
static void send_some(struct rv_store *store)
{
    struct loading *loading = rv_alloc(sizeof *loading);
    loading->store = store;
    int32_t tenant = store->loads->tenant;
    struct load **link = &store->loads;
    while (*link != NULL && loading->count < LOADS_MAX) {
        struct load *load = *link;
        if (load->tenant != tenant || has(loading, load->run)) {
            link = &load->next;
            continue;
        }
        *link = load->next;
        loading->loads[loading->count++] = load;
    }
    qsort(loading->loads, (size_t)loading->count, sizeof(struct load *), by_run);
    struct rv_args *args = rv_args_create(&rv_sql_run_images);
    for (int i = 0; i < loading->count; i++) {
        rv_args_i64(args, 2, loading->loads[i]->run);
    }
    rv_db_query(store->options.db, tenant, &rv_sql_run_images, args, on_images, loading);
}

static void send_all(void *data)
{
    struct rv_store *store = data;
    while (store->loads != NULL) {
        send_some(store);
    }
}

/* ---- reading ---- */

static struct load *load_of(struct loading *loading, int64_t run)
{
    struct load key = {.run = run};
    struct load *wanted = &key;
    struct load **found =
        bsearch(&wanted, loading->loads, (size_t)loading->count, sizeof(struct load *), by_run);
    RV_ASSERT(found != NULL); /* nothing else was asked for */
    return *found;
}

static void take_run(struct load *load, const struct rv_result *result, int row)
{
    struct rv_run_image *image = rv_alloc(sizeof *image);
    load->image = image;
    image->state = rv_run_state_from_name(rv_result_text(result, row, 4));
    RV_ASSERT(image->state < RV_RUN_STATE_COUNT);
    image->agent = rv_strdup(rv_result_text(result, row, 5));
    image->owner = rv_strdup(rv_result_text(result, row, 6));
    RV_ASSERT(rv_result_bytes(result, row, 7, image->plan_hash.bytes, RV_HASH_BYTES) ==
              RV_HASH_BYTES);
    image->input = rv_result_json(result, row, 9);
    image->budget = rv_result_json(result, row, 10);
    image->created_us = rv_result_time_us(result, row, 11);
    image->depth = (int)rv_result_i64(result, row, 2);
    image->epoch = rv_result_i64(result, row, 3);
    image->parent = rv_result_i64(result, row, 12);
}

static void take_plan(struct loading *loading, const struct rv_result *result, int row)
{
    struct plan_text *plan = &loading->plans[loading->plan_count++];
    RV_ASSERT(rv_result_bytes(result, row, 7, plan->hash.bytes, RV_HASH_BYTES) == RV_HASH_BYTES);
    plan->text = rv_result_text(result, row, 4);
    plan->length = rv_result_length(result, row, 4);
    struct rv_hash found = rv_sha256(plan->text, plan->length);
    plan->right = rv_hash_equal(&found, &plan->hash);
}

/* Steps come in any order, mostly the right one. */
static void take_step(struct load *load, const struct rv_result *result, int row)
{
    struct rv_run_image *image = load->image;
    RV_ASSERT(image != NULL); /* runs come first */
    if (image->step_count == load->capacity) {
        load->capacity = load->capacity == 0 ? 4 : load->capacity * 2;
        image->steps = rv_realloc(image->steps, (size_t)load->capacity * sizeof *image->steps);
    }
    struct rv_step *step = &image->steps[image->step_count++];
    *step = (struct rv_step){.seq = (int32_t)rv_result_i64(result, row, 2),
                             .kind = (int)rv_result_i64(result, row, 3),
                             .name = rv_strdup(rv_result_text(result, row, 4))};
    rv_result_bytes(result, row, 7, step->digest, sizeof step->digest);
    if (load->code == RV_OK) {
        load->code = rv_journal_out_decode(result, row, 8, &step->out, &load->why);
    }
}

static int by_seq(const void *a, const void *b)
{
    int32_t left = ((const struct rv_step *)a)->seq;
    int32_t right = ((const struct rv_step *)b)->seq;
    return (left > right) - (left < right);
}

static void order_steps(struct rv_run_image *image)
{
    bool ordered = true;
    for (int i = 1; i < image->step_count; i++) {
        ordered = ordered && image->steps[i - 1].seq < image->steps[i].seq;
    }
    if (!ordered) {
        qsort(image->steps, (size_t)image->step_count, sizeof *image->steps, by_seq);
    }
}

/* Version notes are numbered but are no step of the plan. */
static void take_notes_out(struct rv_run_image *image)
{
    int count = 0;
    for (int i = 0; i < image->step_count; i++) {
        struct rv_step *step = &image->steps[i];
        if (rv_step_is_version(step)) {
            rv_free(step->name);
            json_decref(step->out);
            image->notes++;
        } else {
            image->steps[count++] = *step;
        }
    }
    image->step_count = count;
}

/* Is everything there?  Then the image gets its plan. */
static enum rv_code complete(const struct loading *loading, struct load *load)
{
    struct rv_run_image *image = load->image;
    if (image == NULL) {
        return rv_fail(&load->why, RV_NOT_FOUND, "no run r_%" PRId64, load->run);
    }
    order_steps(image);
    if (image->step_count > 0 && image->steps[0].kind == RV_STEP_CHECKPOINT) {
        image->base = image->steps[0].seq - 1;
    }
    for (int i = 0; i < image->step_count; i++) {
        if (image->steps[i].seq != image->base + i + 1) {
            return rv_fail(&load->why, RV_CORRUPT,
                           "the journal of run r_%" PRId64 " has a hole at %d", load->run,
                           (int)image->base + i + 1);
        }
    }
    take_notes_out(image);
    for (int i = 0; i < loading->plan_count; i++) {
        const struct plan_text *plan = &loading->plans[i];
        if (rv_hash_equal(&plan->hash, &image->plan_hash) && plan->right) {
            image->source = rv_strndup(plan->text, plan->length);
            image->source_length = plan->length;
            return RV_OK;
        }
    }
    return rv_fail(&load->why, RV_CORRUPT, "the plan of run r_%" PRId64 " does not match its hash",
                   load->run);
}

static void load_end(struct load *load, enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK) {
        rv_run_image_free(load->image);
        load->image = NULL;
    }
    load->done(load->data, code, load->image, err);
    rv_free(load);
}

static void on_images(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct loading *loading = data;
    for (int row = 0; code == RV_OK && row < rv_result_rows(result); row++) {
        int what = (int)rv_result_i64(result, row, 0);
        if (what == ROW_PLAN) {
            take_plan(loading, result, row);
        } else if (what == ROW_RUN) {
            take_run(load_of(loading, rv_result_i64(result, row, 1)), result, row);
            rv_store_note_time(loading->store, rv_result_time_us(result, row, 13));
        } else {
            take_step(load_of(loading, rv_result_i64(result, row, 1)), result, row);
        }
    }
    for (int i = 0; i < loading->count; i++) {
        struct load *load = loading->loads[i];
        if (code == RV_OK && load->code == RV_OK) {
            load->code = complete(loading, load);
        }
        load_end(load, code != RV_OK ? code : load->code, code != RV_OK ? err : &load->why);
    }
    rv_free(loading);
}
