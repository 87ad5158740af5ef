/* kernel_ops_pick.c -- a backend that takes tokens out of rows by itself, against the host's
 * sampler: see kernel_ops.h.
 *
 * The most probable token, counts of numbers that are not finite, and alternatives must be equal.
 * A drawn token must be the host's, or one that the definition, computed here once more in double,
 * allows within 2^-40 of a border. */
#include "tests/support/kernel_ops_inner.h"

#include "kernels/base/fail.h"
#include "kernels/model/forward.h"
#include "kernels/serve/sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 6, PICKS = 24 };
static const double border = 0x1p-40;

/* ---- what is asked ---- */

struct question {
    struct kernel_sampling sampling;
    uint64_t position;
    struct kernel_pick pick;
};

static void fill_row(struct ops *ops, float *row, uint32_t vocabulary)
{
    static const float spreads[] = {0.01F, 1, 4, 30};
    float spread = spreads[ops_draw(ops) % 4];
    bool ties = ops_draw(ops) % 3 == 0;
    bool same = ops_draw(ops) % 12 == 0;
    for (uint32_t i = 0; i < vocabulary; i++) {
        float value = same ? -2.5F : spread * ops_number(ops);
        row[i] = ties ? roundf(value * 2) / 2 : value; /* 0 and -0 among them */
    }
    if (ops_draw(ops) % 5 == 0) {
        static const float bad[] = {NAN, INFINITY, -INFINITY};
        for (uint64_t n = 1 + ops_draw(ops) % 3; n > 0; n--) {
            row[ops_draw(ops) % vocabulary] = bad[ops_draw(ops) % 3];
        }
    }
}

static uint64_t *make_mask(struct ops *ops, uint32_t vocabulary)
{
    uint32_t words = (vocabulary + 63) / 64;
    uint64_t *mask = kernel_allocate(words, sizeof *mask);
    uint64_t kind = ops_draw(ops) % 4; /* one; none; a half; few */
    for (uint32_t i = 0; i < vocabulary && kind >= 2; i++) {
        bool may = ops_draw(ops) % (kind == 2 ? 2 : 97) == 0;
        mask[i / 64] |= (uint64_t)may << (i % 64);
    }
    if (kind == 0) {
        uint64_t only = ops_draw(ops) % vocabulary;
        mask[only / 64] |= UINT64_C(1) << (only % 64);
    }
    return mask;
}

static void make_question(struct ops *ops, struct question *question, const uint64_t *mask)
{
    static const double temperatures[] = {0, 0.2, 0.7, 1, 1, 5};
    static const uint32_t top_ks[] = {0, 0, 1, 2, 40, 256, 257, 5000};
    static const double top_ps[] = {0, 0, 0.1, 0.5, 0.9, 0.99, 1};
    static const double min_ps[] = {0, 0, 0.05, 1};
    static const uint32_t alternatives[] = {0, 0, 1, 5, KERNEL_ALTERNATIVES_MAX};
    static const double measured[] = {0, 0.3, 1, 4};
    struct kernel_sampling *sampling = &question->sampling;
    *sampling = (struct kernel_sampling){.temperature = temperatures[ops_draw(ops) % 6],
                                         .top_p = top_ps[ops_draw(ops) % 7],
                                         .min_p = min_ps[ops_draw(ops) % 4],
                                         .top_k = top_ks[ops_draw(ops) % 8],
                                         .seed = ops_draw(ops)};
    question->position = ops_draw(ops) % 10000;
    kernel_pick_make(sampling, question->position, mask, &question->pick);
    question->pick.row = (uint32_t)(ops_draw(ops) % ROWS);
    question->pick.alternatives = alternatives[ops_draw(ops) % 5];
    question->pick.measured = measured[ops_draw(ops) % 4];
}

/* ---- the definition ---- */

struct ranked {
    float value;
    uint32_t id;
};

static int by_rank(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;
    if (a->value != b->value) {
        return a->value < b->value ? 1 : -1;
    }
    return (a->id > b->id) - (a->id < b->id);
}

struct candidates {
    struct ranked *at;
    double *weight;
    uint32_t count;
    double all;
};

static void list_candidates(const struct kernel_pick *pick, const float *row, uint32_t vocabulary,
                            bool in_order, struct candidates *list)
{
    double top = -INFINITY;
    *list = (struct candidates){.at = kernel_allocate(vocabulary, sizeof *list->at),
                                .weight = kernel_allocate(vocabulary, sizeof *list->weight)};
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < vocabulary; i++) {
            if (pick->mask != NULL && (pick->mask[i / 64] >> (i % 64) & 1) == 0) {
                continue;
            }
            if (pass == 0) {
                top = fmax(top, (double)row[i]);
            } else if (((double)row[i] - top) / pick->temperature >= pick->least) {
                list->at[list->count++] = (struct ranked){row[i], i};
            }
        }
    }
    if (in_order) {
        qsort(list->at, list->count, sizeof *list->at, by_rank);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        list->weight[i] = exp(((double)list->at[i].value - top) / pick->temperature);
        list->all += list->weight[i];
    }
}

/* How many are left when the best are to reach `top_p` of all, and `slack` more. */
static uint32_t cut(const struct kernel_pick *pick, const struct candidates *list, double slack)
{
    uint32_t kept = pick->top_k == 0 || pick->top_k >= list->count ? list->count : pick->top_k;
    double all = 0;
    double sum = 0;
    for (uint32_t i = 0; i < kept; i++) {
        all += list->weight[i];
    }
    for (uint32_t i = 0; i < kept && pick->top_p > 0; i++) {
        sum += list->weight[i];
        if (sum >= pick->top_p * all + slack) {
            return i + 1;
        }
    }
    return kept;
}

/* Of what is left when it is cut after one of those whole weights allow, in the order of ids. */
static bool drawn_well(const struct kernel_pick *pick, const float *row, uint32_t vocabulary,
                       int32_t token)
{
    bool in_order = pick->top_k > 0 || pick->top_p > 0;
    struct candidates list;
    list_candidates(pick, row, vocabulary, in_order, &list);
    double slack = list.count / KERNEL_PICK_WEIGHT; /* half a unit each, in both sums */
    uint32_t least = cut(pick, &list, -slack);
    uint32_t most = cut(pick, &list, slack);
    double before = 0;
    double own = 0;
    double sum = 0;
    bool good = false;
    for (uint32_t i = 0; i < most && !good; i++) {
        before += (int32_t)list.at[i].id < token ? list.weight[i] : 0;
        own += (int32_t)list.at[i].id == token ? list.weight[i] : 0;
        sum += list.weight[i];
        double at = pick->chance * sum;
        good = i + 1 >= least && own > 0 && at >= before - border * sum &&
               at <= before + own + border * sum;
    }
    free(list.at);
    free(list.weight);
    return good;
}

/* ---- comparison ---- */

static void check_alternatives(struct ops *ops, const struct question *question, const float *row,
                               uint32_t vocabulary, const struct kernel_picked *picked,
                               const char *what)
{
    uint32_t count = question->pick.alternatives;
    struct kernel_logprob truth[KERNEL_ALTERNATIVES_MAX];
    count = count < vocabulary ? count : vocabulary;
    if (count == 0 || picked->token < 0) {
        return;
    }
    kernel_top(row, vocabulary, count, truth);
    double own = (double)row[picked->token] - kernel_log_sum(row, vocabulary);
    bool good = fabs((double)picked->logprob - own) <= 1e-6 * (1 + fabs(own));
    for (uint32_t i = 0; i < count; i++) {
        double difference = (double)picked->best[i].logprob - (double)truth[i].logprob;
        good = good && picked->best[i].token == truth[i].token &&
               fabs(difference) <= 1e-6 * (1 + fabs((double)truth[i].logprob));
    }
    if (!good) {
        printf("%s: other alternatives\n", what);
        ops->complaints++;
    }
}

static void check_measured(struct ops *ops, const struct kernel_pick *pick, const float *row,
                           uint32_t vocabulary, const struct kernel_picked *picked,
                           const char *what)
{
    double truth = pick->measured > 0 && picked->token >= 0
                       ? kernel_log_p(row, vocabulary, picked->token, pick->measured)
                       : 0;
    if (!(fabs(picked->measured - truth) <= 1e-9 * (1 + fabs(truth)))) {
        printf("%s: measured %.17g at %g, the host says %.17g\n", what, picked->measured,
               pick->measured, truth);
        ops->complaints++;
    }
}

static void check_one(struct ops *ops, const struct question *question, const float *row,
                      uint32_t vocabulary, const struct kernel_picked *picked)
{
    const struct kernel_pick *pick = &question->pick;
    uint32_t bad = kernel_not_finite(row, vocabulary);
    int32_t host = bad > 0 ? KERNEL_PICK_NONE
                           : kernel_sample(row, vocabulary, pick->mask, &question->sampling,
                                           question->position);
    char what[200];
    snprintf(what, sizeof what,
             "pick of %" PRIu32 ", temperature %g, least %g, top_k %" PRIu32 ", top_p %g, chance "
             "%.17g, mask %d",
             vocabulary, pick->temperature, pick->least, pick->top_k, pick->top_p, pick->chance,
             pick->mask != NULL);
    ops->comparisons++;
    bool drawn = pick->temperature > 0 && host >= 0;
    if (picked->not_finite != bad ||
        (picked->token != host && !(drawn && drawn_well(pick, row, vocabulary, picked->token)))) {
        printf("%s: token %" PRId32 ", %" PRIu32 " not finite; the host says %" PRId32 ", %" PRIu32
               "\n",
               what, picked->token, picked->not_finite, host, bad);
        ops->complaints++;
    } else {
        check_alternatives(ops, question, row, vocabulary, picked, what);
        check_measured(ops, pick, row, vocabulary, picked, what);
    }
}

static void pick(struct ops *ops, const struct pair *rows, uint32_t vocabulary,
                 const struct kernel_pick *picks, uint32_t count, struct kernel_picked *out)
{
    struct kernel_error error;
    if (ops->of[TESTED]->pick(ops->state[TESTED], rows->at[TESTED], vocabulary, picks, count, out,
                              &error) != KERNEL_OK) {
        printf("pick: %s\n", error.message);
        ops->complaints++;
    }
}

static void check_picks(struct ops *ops, uint32_t vocabulary)
{
    struct pair rows = ops_pair(ops, (size_t)ROWS * vocabulary, 0);
    float *values = kernel_allocate(rows.floats, sizeof *values);
    uint64_t *masks[3];
    struct question questions[PICKS];
    struct kernel_pick picks[PICKS];
    struct kernel_picked together[PICKS] = {0};
    for (uint32_t r = 0; r < ROWS; r++) {
        fill_row(ops, values + (size_t)r * vocabulary, vocabulary);
    }
    ops->of[TESTED]->upload(ops->state[TESTED], rows.at[TESTED], values, rows.floats);
    for (int m = 0; m < 3; m++) {
        masks[m] = make_mask(ops, vocabulary);
    }
    for (int i = 0; i < PICKS; i++) {
        uint64_t mask = ops_draw(ops) % 4;
        make_question(ops, &questions[i], mask < 3 ? masks[mask] : NULL);
        picks[i] = questions[i].pick;
    }
    pick(ops, &rows, vocabulary, picks, PICKS, together);
    for (int i = 0; i < PICKS; i++) {
        check_one(ops, &questions[i], values + (size_t)picks[i].row * vocabulary, vocabulary,
                  &together[i]);
    }
    for (int i = 0; i < PICKS; i += 5) { /* alone */
        struct kernel_picked alone = {0};
        pick(ops, &rows, vocabulary, &picks[i], 1, &alone);
        uint32_t named = together[i].token >= 0 ? picks[i].alternatives : 0;
        named = named < vocabulary ? named : vocabulary;
        ops->comparisons++;
        if (alone.token != together[i].token || alone.not_finite != together[i].not_finite ||
            memcmp(&alone.logprob, &together[i].logprob, sizeof alone.logprob) != 0 ||
            memcmp(&alone.measured, &together[i].measured, sizeof alone.measured) != 0 ||
            memcmp(alone.best, together[i].best, named * sizeof alone.best[0]) != 0) {
            printf("pick of %" PRIu32 ": another token in other company\n", vocabulary);
            ops->complaints++;
        }
    }
    for (int m = 0; m < 3; m++) {
        free(masks[m]);
    }
    free(values);
    ops_pair_close(ops, &rows);
}

void ops_check_picks(struct ops *ops)
{
    static const uint32_t vocabularies[] = {1, 31, 32, 33, 64, 257, 1000, 1025, 4096, 32003};
    if (ops->of[TESTED]->pick == NULL) {
        return;
    }
    for (size_t v = 0; v < sizeof vocabularies / sizeof vocabularies[0]; v++) {
        for (int round = 0; round < 4; round++) {
            check_picks(ops, vocabularies[v]);
        }
    }
    check_picks(ops, 151000 + (uint32_t)(ops_draw(ops) % 1000));
}
