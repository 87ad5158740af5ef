/* search.c -- see search.h. */
#include "runtime/run/search.h"

#include "run_sql.h"
#include "runtime/base/words.h"

#include <stdio.h>

const char rv_run_status_words[] =
    "open over stuck standing retrying people created planning executing "
    "waiting reviewing compensating done failed cancelled "
    "compensated diverged";
/* as the function run_find knows them */
const char rv_run_wait_words[] =
    "person people approval timer retry signal model child run effect intent "
    "budget lock slot rate";

/* those of enum rv_code but "ok", what people and reconciliation rules say, and the two that only a
 * reading of the journal finds */
const char rv_run_error_words[] =
    "invalid not_found conflict denied limit timeout canceled io protocol unavailable corrupt "
    "refused rejected expired void interrupted diverged";

const char rv_run_dead_words[] = "budget plan permission books passing version standing unread";
const char rv_run_exception_words[] = "open resolved auto_closed snoozed";

enum rv_code rv_run_no_role(const char *parameter, const char *word, bool waits, const char *roles,
                            struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "%s: \"%.80s\" is %s", parameter, word,
            waits ? "neither something that runs wait for nor a role of this company"
                  : "no role of this company");
    rv_hint(err, "Write one of: %s%s%.200s.", waits ? rv_run_wait_words : "",
            waits ? "; or a role: " : "", roles);
    return RV_INVALID;
}

enum rv_code rv_run_no_agent(const char *parameter, const char *name, struct rv_error *err)
{
    rv_fail(err, RV_NOT_FOUND, "%s: there is no agent \"%.80s\", and never was", parameter, name);
    rv_hint(err, "See the agents: reeve agent list.");
    return RV_NOT_FOUND;
}

/* ---- whether the company has them ---- */

static enum rv_code take_known(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    *(bool *)data = rv_result_bool(result, row, 0);
    return RV_OK;
}

enum rv_code rv_run_need_agent(struct rv_db_session *session, int32_t tenant, const char *parameter,
                               const char *name, struct rv_error *err)
{
    bool known = false;
    if (name == NULL || name[0] == '\0') {
        return RV_OK;
    }
    struct rv_args *args = rv_args_create(&rv_sql_run_agent_known);
    rv_args_text(args, 2, name);
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_run_agent_known, args,
                                            take_known, &known, err);
    return code != RV_OK || known ? code : rv_run_no_agent(parameter, name, err);
}

struct role_answer {
    bool known;
    char roles[256];
};

static enum rv_code take_role(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    struct role_answer *answer = data;
    answer->known = rv_result_bool(result, row, 0);
    snprintf(answer->roles, sizeof answer->roles, "%s", rv_result_text(result, row, 1));
    return RV_OK;
}

/* A role that the company does not have is a mistake, and not one for which nothing waits. */
static enum rv_code need_role(struct rv_db_session *session, int32_t tenant, const char *parameter,
                              const char *word, bool waits, struct rv_error *err)
{
    struct role_answer answer = {.known = false};
    if (word[0] == '\0' || (waits && rv_words_have(rv_run_wait_words, word))) {
        return RV_OK;
    }
    struct rv_args *args = rv_args_create(&rv_sql_run_role_known);
    rv_args_text(args, 2, word);
    enum rv_code code =
        rv_db_session_query(session, tenant, &rv_sql_run_role_known, args, take_role, &answer, err);
    return code != RV_OK || answer.known
               ? code
               : rv_run_no_role(parameter, word, waits, answer.roles, err);
}

enum rv_code rv_run_filter_check(struct rv_db_session *session, int32_t tenant,
                                 const json_t *filter, const struct rv_run_filter_names *names,
                                 const char **field, struct rv_error *err)
{
    const char *wrong = names->waiting_on;
    enum rv_code code = need_role(session, tenant, names->waiting_on,
                                  rv_json_str(filter, "waiting_on", ""), true, err);
    if (code == RV_OK) {
        wrong = names->role;
        code = need_role(session, tenant, names->role, rv_json_str(filter, "role", ""), false, err);
    }
    if (code == RV_OK) {
        wrong = names->agent;
        code = rv_run_need_agent(session, tenant, names->agent, rv_json_str(filter, "agent", NULL),
                                 err);
    }
    if (field != NULL && (code == RV_INVALID || code == RV_NOT_FOUND)) {
        *field = wrong;
    }
    return code;
}
