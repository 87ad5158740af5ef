/* store_load.c -- runs as they stand in the database, many at once.
 *
 * What is asked within one turn of the loop goes as one statement per company: its row, its plan
 * and its journal of each run, in one snapshot.  After a crash ten thousand runs come back by some
 * tens of statements; a run that is asked for alone is one statement, too.  A plan's text comes
 * once per statement, however many of its runs do.
 *
 * A long journal holds up nobody else: of each run the statement brings the first entries only,
 * the rest comes page by page, of that run alone.  Where a statement fails, each of its runs is
 * asked for again alone, its journal in pages from the start, so that the one that cannot be loaded
 * is the only one that is not.  Between two pages nobody else writes to the run (its company's
 * epoch is ours), except that people may give it another version: then it is read anew.
 */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/journal/journal.h"
#include "runtime/run/store_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOADS_MAX = 128,      /* of one statement: what is in memory twice for a moment */
    STEPS_TOGETHER = 256, /* of each run in it: most have less from their newest checkpoint on */
    STEPS_PAGE = 1000,    /* of a run alone ... */
    BYTES_PAGE = 4 << 20, /* ... with outputs of about so much */
    ROW_RUN = 1,          /* what a row is, see run_images */
    ROW_PLAN,
    ROW_STEP
};

/* One run that somebody waits for. */
struct load {
    struct load *next;
    int32_t tenant;
    int64_t run;
    struct rv_run_image *image;
    struct rv_store *store;
    int capacity; /* of its steps */
    bool alone;   /* a statement with it failed */
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
static void ask_page(struct load *load);
static void on_page(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err);

static void ask(struct rv_store *store, struct load *load)
{
    load->next = NULL;
    if (store->loads == NULL) {
        store->loads_end = &store->loads;
        rv_loop_post(store->options.loop, send_all, store);
    }
    *store->loads_end = load;
    store->loads_end = &load->next;
}

void rv_store_load(void *self, int32_t tenant, int64_t run,
                   void (*done)(void *data, enum rv_code code, struct rv_run_image *image,
                                const struct rv_error *err),
                   void *data)
{
    struct rv_store *store = self;
    struct load *load = rv_alloc(sizeof *load);
    *load = (struct load){
        .tenant = tenant, .run = run, .store = store, .done = done, .data = data, .code = RV_OK};
    ask(store, load);
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
    bool alone = store->loads->alone;
    struct load **link = &store->loads;
    while (*link != NULL && loading->count < (alone ? 1 : LOADS_MAX)) {
        struct load *load = *link;
        if (load->tenant != tenant || load->alone != alone || has(loading, load->run)) {
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
    rv_args_i32(args, 3, alone ? 0 : STEPS_TOGETHER);
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

/* What is wrong with one run is its own error: the others of the statement are well. */
static void take_run(struct load *load, const struct rv_result *result, int row)
{
    struct rv_run_image *image = rv_alloc(sizeof *image);
    load->image = image;
    image->state = rv_run_state_from_name(rv_result_text(result, row, 4));
    if (image->state >= RV_RUN_STATE_COUNT) {
        load->code = rv_fail(&load->why, RV_CORRUPT, "run r_%" PRId64 " has the unknown status %s",
                             load->run, rv_result_text(result, row, 4));
        rv_hint(&load->why, "A newer reeve has written it: do not mix versions that far apart.");
    }
    image->agent = rv_strdup(rv_result_text(result, row, 5));
    image->owner = rv_strdup(rv_result_text(result, row, 6));
    if (rv_result_bytes(result, row, 7, image->plan_hash.bytes, RV_HASH_BYTES) != RV_HASH_BYTES) {
        load->code = rv_fail(&load->why, RV_CORRUPT,
                             "the hash of the plan of run r_%" PRId64 " is not one", load->run);
    }
    image->input = rv_result_json(result, row, 9);
    image->budget = rv_result_json(result, row, 10);
    image->created_us = rv_result_time_us(result, row, 11);
    image->depth = (int)rv_result_i64(result, row, 2);
    image->epoch = rv_result_i64(result, row, 3);
    image->parent = rv_result_i64(result, row, 12);
    image->zone_s = rv_result_i64(result, row, 14);
}

static void take_plan(struct loading *loading, const struct rv_result *result, int row)
{
    struct plan_text *plan = &loading->plans[loading->plan_count];
    if (rv_result_bytes(result, row, 7, plan->hash.bytes, RV_HASH_BYTES) != RV_HASH_BYTES) {
        return; /* whoever has it hears of its own */
    }
    loading->plan_count++;
    plan->text = rv_result_text(result, row, 4);
    plan->length = rv_result_length(result, row, 4);
    struct rv_hash found = rv_sha256(plan->text, plan->length);
    plan->right = rv_hash_equal(&found, &plan->hash);
}

/* One row of an entry; its output stands in column `out`, the digest before it.  Entries come in
 * any order, mostly the right one. */
static void take_step(struct load *load, const struct rv_result *result, int row, int first,
                      int digest, int out)
{
    struct rv_run_image *image = load->image;
    if (image == NULL) {
        return; /* runs come first, and this one is not whole: take_source says so */
    }
    if (image->step_count == load->capacity) {
        load->capacity = load->capacity == 0 ? 4 : load->capacity * 2;
        image->steps = rv_realloc(image->steps, (size_t)load->capacity * sizeof *image->steps);
    }
    struct rv_step *step = &image->steps[image->step_count++];
    *step = (struct rv_step){.seq = (int32_t)rv_result_i64(result, row, first),
                             .kind = (int)rv_result_i64(result, row, first + 1),
                             .name = rv_strdup(rv_result_text(result, row, first + 2))};
    rv_result_bytes(result, row, digest, step->digest, sizeof step->digest);
    if (load->code == RV_OK) {
        load->code = rv_journal_out_decode(result, row, out, &step->out, &load->why);
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

/* The run is there, and its plan's text. */
static enum rv_code take_source(const struct loading *loading, struct load *load)
{
    struct rv_run_image *image = load->image;
    if (image == NULL) {
        return rv_fail(&load->why, RV_NOT_FOUND, "no run r_%" PRId64, load->run);
    }
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

/* Is the journal whole? */
static enum rv_code complete(struct load *load)
{
    struct rv_run_image *image = load->image;
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
    return RV_OK;
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

/* It is asked for anew, by itself. */
static void again_alone(struct load *load)
{
    rv_run_image_free(load->image);
    load->image = NULL;
    load->capacity = 0;
    load->code = RV_OK;
    load->alone = true;
    ask(load->store, load);
}

static void go_on(struct load *load, enum rv_code code)
{
    int together = load->alone ? 0 : STEPS_TOGETHER;
    load->code = load->code == RV_OK ? code : load->code;
    if (load->code == RV_OK && load->image->step_count >= together) {
        ask_page(load);
        return;
    }
    load->code = load->code == RV_OK ? complete(load) : load->code;
    load_end(load, load->code, &load->why);
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
            take_step(load_of(loading, rv_result_i64(result, row, 1)), result, row, 2, 7, 8);
        }
    }
    for (int i = 0; i < loading->count; i++) {
        struct load *load = loading->loads[i];
        if (code == RV_OK) {
            go_on(load, take_source(loading, load));
        } else if (code != RV_CANCELED && !load->alone) {
            again_alone(load);
        } else {
            load_end(load, code, err);
        }
    }
    rv_free(loading);
}

/* ---- the rest of a long journal ---- */

static void ask_page(struct load *load)
{
    const struct rv_run_image *image = load->image;
    struct rv_args *args = rv_args_create(&rv_sql_run_image_page);
    int32_t last = 0;
    for (int i = 0; i < image->step_count; i++) {
        last = image->steps[i].seq > last ? image->steps[i].seq : last;
    }
    rv_args_i64(args, 2, load->run);
    rv_args_i32(args, 3, last);
    rv_args_i32(args, 4, STEPS_PAGE);
    rv_args_i64(args, 5, BYTES_PAGE);
    rv_db_query(load->store->options.db, load->tenant, &rv_sql_run_image_page, args, on_page, load);
}

/* The run stands as it did when its row was read. */
static bool still(const struct rv_run_image *image, const struct rv_result *result, int row)
{
    struct rv_hash plan = {{0}};
    return rv_result_bytes(result, row, 6, plan.bytes, RV_HASH_BYTES) == RV_HASH_BYTES &&
           rv_hash_equal(&plan, &image->plan_hash) &&
           strcmp(rv_result_text(result, row, 5), rv_run_state_name(image->state)) == 0;
}

static void on_page(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct load *load = data;
    int rows = code == RV_OK ? rv_result_rows(result) : 0;
    if (rows > 0 && !still(load->image, result, 0)) {
        again_alone(load);
        return;
    }
    for (int row = 0; row < rows; row++) {
        take_step(load, result, row, 0, 3, 4);
    }
    if (code == RV_OK && load->code == RV_OK && rows > 0 && rv_result_bool(result, rows - 1, 7)) {
        ask_page(load);
        return;
    }
    if (code == RV_OK) {
        code = load->code == RV_OK ? complete(load) : load->code;
        err = &load->why;
    }
    load_end(load, code, err);
}
