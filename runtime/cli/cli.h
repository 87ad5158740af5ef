/* cli.h -- what every command of the command line is given, and the table they stand in.
 *
 * Output: data to standard output, talk to standard error; `--json` everywhere a table is printed.
 * Exit codes: 0 ok, 1 failed, 2 usage, 3 denied, 4 unavailable.
 */
#ifndef REEVE_RUNTIME_CLI_CLI_H
#define REEVE_RUNTIME_CLI_CLI_H

#include "runtime/cli/node.h"

struct cli {
    const char *uri;       /* of the database, as the runtime uses it */
    bool is_private;       /* ... and that is reeve's own PostgreSQL */
    const char *state_dir;
    const char *audit_key;
    const char *as;        /* the person who asks: --as, default "console" */
    const char *company;   /* --company NAME; default the only one */
    bool json;
    bool tty;
    int argc;              /* arguments after noun and verb, options removed */
    char **argv;
    struct rv_arena *arena;
};

struct cli_command {
    const char *noun;
    const char *verb; /* NULL: the noun alone */
    const char *arguments;
    const char *summary;
    int (*run)(struct cli *cli);
};
extern const struct cli_command cli_commands[]; /* ends with a NULL noun */

/* Prints the error with its hint and gives its exit code. */
int cli_fail(const struct rv_error *err);
int cli_usage(const struct cli *cli, const char *text);

/* The company of --company (or the only one). */
RV_MUST enum rv_code cli_tenant(const struct cli *cli, struct rv_db_session *session,
                                int32_t *tenant, struct rv_error *err);
/* The roles of --as; an array in the arena's care. */
RV_MUST enum rv_code cli_person(const struct cli *cli, struct rv_db_session *session,
                                int32_t tenant, struct rv_principal *out, struct rv_error *err);
/* Value of "--name VALUE" among the arguments, removed from them; NULL when absent. */
const char *cli_option(struct cli *cli, const char *name);
bool cli_flag(struct cli *cli, const char *name);

/* Runs one statement and prints its rows: a table for people, one JSON object a row with --json. */
RV_MUST enum rv_code cli_print_query(const struct cli *cli, struct rv_db_session *session,
                                     int32_t tenant, const struct rv_statement *statement,
                                     struct rv_args *args, int *rows, struct rv_error *err);

/* A gate request, waited for.  `outcome` is a new JSON of what the door said. */
RV_MUST enum rv_code cli_gate(struct node *node, struct rv_gate_request *request, json_t **outcome,
                              struct rv_error *err);

RV_MUST enum rv_code cli_read_file(const char *path, size_t max_bytes, struct rv_arena *arena,
                                   const char **text, size_t *length, struct rv_error *err);

/* cmd_*.c */
int cmd_company_create(struct cli *cli);
int cmd_company_list(struct cli *cli);
int cmd_person_add(struct cli *cli);
int cmd_person_list(struct cli *cli);
int cmd_token_make(struct cli *cli);
int cmd_hook_add(struct cli *cli);
int cmd_policy_load(struct cli *cli);
int cmd_policy_check(struct cli *cli);
int cmd_policy_test(struct cli *cli);
int cmd_policy_explain(struct cli *cli);
int cmd_agent_publish(struct cli *cli);
int cmd_agent_list(struct cli *cli);
int cmd_import(struct cli *cli);
int cmd_do(struct cli *cli);
int cmd_exception_run(struct cli *cli);
int cmd_exception_list(struct cli *cli);
int cmd_run_list(struct cli *cli);
int cmd_run_show(struct cli *cli);
int cmd_run_work(struct cli *cli);
int cmd_explain(struct cli *cli);
int cmd_approval_list(struct cli *cli);
int cmd_approval_show(struct cli *cli);
int cmd_approval_approve(struct cli *cli);
int cmd_approval_reject(struct cli *cli);
int cmd_audit_verify(struct cli *cli);
int cmd_ledger_check(struct cli *cli);
int cmd_schedule_add(struct cli *cli);
int cmd_schedule_list(struct cli *cli);
int cmd_schedule_next(struct cli *cli);
int cmd_schedule_pause(struct cli *cli);
int cmd_schedule_resume(struct cli *cli);
int cmd_schedule_remove(struct cli *cli);
int cmd_schedule_run(struct cli *cli);
int cmd_serve(struct cli *cli);
int cmd_db_migrate(struct cli *cli);
int cmd_help(struct cli *cli);

#endif
