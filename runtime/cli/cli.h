/* cli.h -- what a command of the program is, and what it is given.
 *
 * `reeve NOUN VERB ARGUMENTS --options`.  Dispatch, help, the checking of arguments and the
 * suggestions for typing mistakes all come from one table (commands.c).  To add a command: write
 * `int cmd_x_y(struct cli *cli)` in a cmd_*.c, declare it below, add its row with its options.
 *
 * Output: data to standard output (--json: JSON, one object a line for lists), talk to standard
 * error. Exit status: 0 done, 1 failed, 2 wrong usage, 3 denied, 4 something needed is not
 * available, 5 imported into quarantine.
 *
 * Lifetime of everything: one command.  Nothing is opened before a command asks for it (place.h),
 * so that `reeve help` works where nothing else does.  Thread: the main thread.
 */
#ifndef REEVE_RUNTIME_CLI_CLI_H
#define REEVE_RUNTIME_CLI_CLI_H

#include "runtime/cli/node.h"
#include "runtime/cli/output.h"
#include "runtime/config/config.h"

enum {
    CLI_WORDS_MAX = 4096, /* file names from a shell pattern */
    CLI_OPTIONS_MAX = 128 /* options given, repeats counted */
};

struct cli_option {
    const char *name;  /* "limit" for --limit; NULL ends a table */
    const char *value; /* what it takes, as help shows it: "N"; NULL: a switch */
    const char *doc;   /* what it does, without a full stop */
};

struct cli;

struct cli_command {
    const char *noun; /* NULL ends the table */
    const char *verb; /* NULL: the noun alone */
    /* "ID [COMMENT]", "FILE...": for the usage line, and how many there must and may be */
    const char *arguments;
    const char *summary;              /* half a line, lower case: "runs, newest first" */
    int (*run)(struct cli *cli);      /* gives the exit status */
    const struct cli_option *options; /* NULL: none of its own */
    const char *details;              /* more for `reeve help NOUN VERB`; NULL: nothing more */
};
extern const struct cli_command cli_commands[];
extern const struct cli_option cli_global_options[];

struct cli_given {
    const char *name; /* of the option, borrowed from its table */
    const char *value;
};

struct cli {
    struct rv_config *config;
    struct cli_output output;
    const char *uri;       /* of the database, as the runtime uses it; see place_database */
    bool is_private;       /* ... and that is reeve's own PostgreSQL */
    bool is_current;       /* ... and it was found to have this program's schema */
    const char *owner_uri; /* as who may migrate and back it up; NULL: nobody said, or not yet */
    const char *state_dir; /* absolute */
    const char *audit_key;
    const char *hook_key;
    const char *cluster_key;
    const char *as;      /* the person who asks: --as, default "console" */
    const char *company; /* --company NAME; default the only one */
    bool json;
    bool tty; /* talk goes to a terminal: one line may be rewritten */
    int argc; /* arguments after noun and verb, options removed */
    char **argv;
    struct rv_arena *arena;
    /* of the frame: */
    const struct cli_command *command;
    struct cli_given given[CLI_OPTIONS_MAX];
    int given_count;
    char *words[CLI_WORDS_MAX + 1];
    int word_count;
};

/* Runs the program; gives its exit status. */
int cli_main(int argc, char **argv);

/* Prints the error with its hint (JSON: {"error":{...}}) and gives its exit status. */
int cli_fail(const struct cli *cli, const struct rv_error *err);
int cli_usage(const struct cli *cli, const char *text);

/* ---- what was typed (option.c) ---- */

/* Value of "--name", the last one given; NULL when absent.  Asking for an option that the command
 * does not declare is a wrong program. */
const char *cli_option(const struct cli *cli, const char *name);
bool cli_flag(const struct cli *cli, const char *name);
/* A whole number between the bounds; RV_INVALID naming option and bounds. */
RV_MUST enum rv_code cli_integer(const struct cli *cli, const char *name, int64_t otherwise,
                                 int64_t least, int64_t most, int64_t *out, struct rv_error *err);
/* A JSON object, typed or in a file of that name; new reference, NULL where it is not given. */
RV_MUST enum rv_code cli_object(const struct cli *cli, const char *name, json_t **out,
                                struct rv_error *err);
/* Of the frame: the global options and the words; then, knowing the command, all. */
RV_MUST enum rv_code cli_read_words(struct cli *cli, int argc, char **argv, struct rv_error *err);
RV_MUST enum rv_code cli_read_all(struct cli *cli, int argc, char **argv, struct rv_error *err);

/* The settings as they stand now in file, environment and what was typed. */
RV_MUST enum rv_code cli_load_settings(const struct cli *cli, struct rv_config **out,
                                       struct rv_error *err);

/* ---- help (help.c) ---- */

/* NULL when there is none.  `verb` may be NULL. */
const struct cli_command *cli_command_find(const char *noun, const char *verb);
bool cli_noun_exists(const char *noun);
/* What to say about words that are no command: RV_INVALID with the nearest command. */
enum rv_code cli_command_unknown(const char *noun, const char *verb, struct rv_error *err);
void cli_help_overview(const struct cli_output *output);
void cli_help_noun(const struct cli_output *output, const char *noun);
void cli_help_command(const struct cli_output *output, const struct cli_command *command);

/* ---- help for commands ---- */

/* The company of --company (or the only one). */
RV_MUST enum rv_code cli_tenant(const struct cli *cli, struct rv_db_session *session,
                                int32_t *tenant, struct rv_error *err);
/* The roles of --as; an array in the arena's care. */
RV_MUST enum rv_code cli_person(const struct cli *cli, struct rv_db_session *session,
                                int32_t tenant, struct rv_principal *out, struct rv_error *err);
/* For rv_db_session_query: the JSON of the first column into the `json_t *` that data points to. */
RV_MUST enum rv_code cli_take_json(void *data, const struct rv_result *result, int row,
                                   struct rv_error *err);
/* Runs one statement and prints its rows: a table for people, one JSON object a row with --json. */
RV_MUST enum rv_code cli_print_query(const struct cli *cli, struct rv_db_session *session,
                                     int32_t tenant, const struct rv_statement *statement,
                                     struct rv_args *args, int *rows, struct rv_error *err);
/* One request that a command waits for: `done` of rv_run_begin_for and its like, data is this. */
struct cli_asked {
    bool done;
    enum rv_code code;
    int64_t id;
    struct rv_error err; /* when code is not RV_OK */
    json_t *claim;       /* of rv_run_begin_with: what became of a key that is held; or NULL */
};
void cli_on_asked(void *data, enum rv_code code, int64_t id, const struct rv_error *err);
/* The number of a run from its name, "r_42" or "42". */
RV_MUST enum rv_code cli_run_id(const char *text, int64_t *out, struct rv_error *err);
/* A run as one document (runtime/run/history.h); new reference. */
RV_MUST enum rv_code cli_run_history(struct cli *cli, const char *name, json_t **out,
                                     struct rv_error *err);
RV_MUST enum rv_code cli_read_file(const char *path, size_t max_bytes, struct rv_arena *arena,
                                   const char **text, size_t *length, struct rv_error *err);

/* ---- the commands (cmd_*.c) ---- */

int cmd_company_create(struct cli *cli);
int cmd_company_list(struct cli *cli);
int cmd_company_check(struct cli *cli);
int cmd_company_rebuild(struct cli *cli);
int cmd_person_add(struct cli *cli);
int cmd_person_list(struct cli *cli);
int cmd_person_disable(struct cli *cli);
int cmd_person_enable(struct cli *cli);
int cmd_token_make(struct cli *cli);
int cmd_token_list(struct cli *cli);
int cmd_token_revoke(struct cli *cli);
int cmd_hook_add(struct cli *cli);
int cmd_hook_list(struct cli *cli);
int cmd_hook_rotate(struct cli *cli);
int cmd_hook_enable(struct cli *cli);
int cmd_hook_disable(struct cli *cli);
int cmd_hook_redrive(struct cli *cli);
int cmd_connector_add(struct cli *cli);
int cmd_connector_list(struct cli *cli);
int cmd_connector_enable(struct cli *cli);
int cmd_connector_disable(struct cli *cli);
int cmd_connector_remove(struct cli *cli);
int cmd_intent_list(struct cli *cli);
int cmd_intent_show(struct cli *cli);
int cmd_intent_resolve(struct cli *cli);
int cmd_policy_load(struct cli *cli);
int cmd_policy_check(struct cli *cli);
int cmd_policy_test(struct cli *cli);
int cmd_policy_explain(struct cli *cli);
int cmd_agent_check(struct cli *cli);
int cmd_agent_test(struct cli *cli);
int cmd_agent_publish(struct cli *cli);
int cmd_agent_activate(struct cli *cli);
int cmd_agent_canary(struct cli *cli);
int cmd_agent_promote(struct cli *cli);
int cmd_agent_rollback(struct cli *cli);
int cmd_agent_versions(struct cli *cli);
int cmd_agent_list(struct cli *cli);
int cmd_import(struct cli *cli);
int cmd_do(struct cli *cli);
int cmd_exception_run(struct cli *cli);
int cmd_exception_list(struct cli *cli);
int cmd_event_export(struct cli *cli);
int cmd_retention_show(struct cli *cli);
int cmd_retention_preview(struct cli *cli);
int cmd_retention_apply(struct cli *cli);
int cmd_run_list(struct cli *cli);
int cmd_run_views(struct cli *cli);
int cmd_run_forget(struct cli *cli);
int cmd_run_show(struct cli *cli);
int cmd_run_work(struct cli *cli);
int cmd_run_replay(struct cli *cli);
int cmd_run_diff(struct cli *cli);
int cmd_run_export(struct cli *cli);
int cmd_run_import(struct cli *cli);
int cmd_run_trace(struct cli *cli);
int cmd_run_cancel(struct cli *cli);
int cmd_run_raise(struct cli *cli);
int cmd_run_fork(struct cli *cli);
int cmd_run_start(struct cli *cli);
int cmd_run_signal(struct cli *cli);
int cmd_run_query(struct cli *cli);
int cmd_run_update(struct cli *cli);
int cmd_run_dead(struct cli *cli);
int cmd_run_revive(struct cli *cli);
int cmd_run_settle(struct cli *cli);
int cmd_blob_put(struct cli *cli);
int cmd_blob_get(struct cli *cli);
int cmd_blob_list(struct cli *cli);
int cmd_run_retry(struct cli *cli);
int cmd_explain(struct cli *cli);
int cmd_approval_list(struct cli *cli);
int cmd_approval_show(struct cli *cli);
int cmd_approval_approve(struct cli *cli);
int cmd_approval_reject(struct cli *cli);
int cmd_audit_verify(struct cli *cli);
int cmd_audit_key(struct cli *cli);
int cmd_audit_checkpoint(struct cli *cli);
int cmd_audit_export(struct cli *cli);
int cmd_audit_prove(struct cli *cli);
int cmd_ledger_check(struct cli *cli);
int cmd_calendar_add(struct cli *cli);
int cmd_calendar_set(struct cli *cli);
int cmd_calendar_import(struct cli *cli);
int cmd_calendar_list(struct cli *cli);
int cmd_calendar_show(struct cli *cli);
int cmd_calendar_remove(struct cli *cli);
int cmd_schedule_add(struct cli *cli);
int cmd_schedule_set(struct cli *cli);
int cmd_schedule_backfill(struct cli *cli);
int cmd_schedule_list(struct cli *cli);
int cmd_schedule_show(struct cli *cli);
int cmd_schedule_next(struct cli *cli);
int cmd_schedule_pause(struct cli *cli);
int cmd_schedule_resume(struct cli *cli);
int cmd_schedule_remove(struct cli *cli);
int cmd_schedule_run(struct cli *cli);
int cmd_node_list(struct cli *cli);
int cmd_serve(struct cli *cli);
int cmd_model_list(struct cli *cli);
int cmd_model_load(struct cli *cli);
int cmd_model_canary(struct cli *cli);
int cmd_model_promote(struct cli *cli);
int cmd_model_rollback(struct cli *cli);
int cmd_adapter_load(struct cli *cli);
int cmd_adapter_list(struct cli *cli);
int cmd_adapter_use(struct cli *cli);
int cmd_adapter_remove(struct cli *cli);
int cmd_model_check(struct cli *cli);
int cmd_model_make(struct cli *cli);
int cmd_model_chat(struct cli *cli);
int cmd_top(struct cli *cli);
int cmd_db_migrate(struct cli *cli);
int cmd_help(struct cli *cli);
int cmd_db_start(struct cli *cli);
int cmd_db_stop(struct cli *cli);
int cmd_db_remove(struct cli *cli);
int cmd_db_status(struct cli *cli);
int cmd_db_uri(struct cli *cli);
int cmd_config_show(struct cli *cli);
int cmd_config_list(struct cli *cli);
int cmd_config_sample(struct cli *cli);
int cmd_doctor(struct cli *cli);
int cmd_bench(struct cli *cli);
int cmd_version(struct cli *cli);

#endif
