/* votes.c -- a small real implementation of the voting port over the tables; see votes.h. */
#include "tests/support/votes.h"

#include "runtime/base/check.h"

#include "test_http_sql.h"

#include <string.h>

struct rv_approvals {
    struct rv_db *db;
};

struct vote {
    void (*done)(void *data, enum rv_code code, const json_t *status, const struct rv_error *err);
    void *data;
};

struct rv_approvals *test_votes_create(struct rv_db *db)
{
    struct rv_approvals *approvals = rv_alloc(sizeof *approvals);
    approvals->db = db;
    return approvals;
}

void test_votes_destroy(struct rv_approvals *approvals)
{
    rv_free(approvals);
}

static void on_voted(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct vote *vote = data;
    struct rv_error failure = {.code = RV_OK};
    json_t *status = NULL;
    if (code == RV_OK && rv_result_rows(result) == 0) {
        code = rv_fail(&failure, RV_NOT_FOUND, "no such approval");
        err = &failure;
    } else if (code == RV_OK) {
        status = rv_result_json(result, 0, 0);
        const char *word = rv_json_str(status, "code", "");
        if (strcmp(word, "ok") != 0) {
            code = rv_fail(&failure, rv_code_from_name(word), "this vote does not count");
            err = &failure;
        }
    }
    vote->done(vote->data, code, code == RV_OK ? status : NULL, err);
    json_decref(status);
    rv_free(vote);
}

void rv_approval_vote(struct rv_approvals *approvals, const struct rv_vote *asked,
                      void (*done)(void *data, enum rv_code code, const json_t *status,
                                   const struct rv_error *err),
                      void *data)
{
    struct vote *vote = rv_alloc(sizeof *vote);
    struct rv_args *args = rv_args_create(&rv_sql_fixture_vote);
    *vote = (struct vote){done, data};
    rv_args_i32(args, 1, asked->tenant);
    rv_args_i64(args, 2, asked->approval);
    rv_args_text(args, 3, asked->person);
    rv_args_bool(args, 4, asked->approve);
    rv_args_text(args, 5, asked->comment);
    rv_args_text(args, 6, asked->channel);
    rv_args_text(args, 7, asked->digest_hex);
    rv_db_query(approvals->db, asked->tenant, &rv_sql_fixture_vote, args, on_voted, vote);
}
