/* main.c -- `reeve NOUN VERB …`: finds the command, opens nothing by itself.
 *
 * Where to read next: node.c puts the machine together; cmd_*.c are the commands; the path of a run is
 * runtime/run/orchestrator.c > run_actor.c > store.c > runtime/gate/gate.c > erp/command.
 */
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/place.h"

#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_command cli_commands[] = {
    {"company", "create", "NAME [--currency EUR] [--timezone Europe/Berlin]", "make a company (tenant) with its console person", cmd_company_create},
    {"company", "list", "", "companies of this database", cmd_company_list},
    {"person", "add", "NAME --roles a,b [--password-stdin]", "add or change a person", cmd_person_add},
    {"person", "list", "", "people and their roles", cmd_person_list},
    {"token", "make", "PERSON [--label TEXT] [--days 30]", "an API token that acts as a person", cmd_token_make},
    {"hook", "add", "URL [--events a,b] [--person NAME] [--allow-private]", "announce events to a receiver", cmd_hook_add},
    {"policy", "load", "FILE", "check, test and activate a policy bundle", cmd_policy_load},
    {"policy", "check", "FILE", "what is wrong or doubtful in a bundle", cmd_policy_check},
    {"policy", "test", "FILE", "run the tests a bundle carries", cmd_policy_test},
    {"policy", "explain", "FILE QUESTION.json", "why a question is allowed, held or denied", cmd_policy_explain},
    {"agent", "publish", "FILE... [--owner PERSON]", "check and activate agents", cmd_agent_publish},
    {"agent", "list", "", "active agents", cmd_agent_list},
    {"import", NULL, "FILE...", "read orders, receipts, invoices, statements (UBL, camt.053)", cmd_import},
    {"do", NULL, "ACTION ARGS.json|'{...}' [--id ID] [--dry-run]", "ask the gate for one ERP command", cmd_do},
    {"exception", "run", "[--no-detect] [--no-post]", "find discrepancies and let agents handle them", cmd_exception_run},
    {"exception", "list", "[STATE]", "discrepancies (open, resolved, auto_closed, snoozed)", cmd_exception_list},
    {"run", "list", "[STATUS]", "runs, newest first", cmd_run_list},
    {"run", "show", "RUN", "one run with its journal", cmd_run_show},
    {"run", "work", "", "drive runs that can move until all wait or are over", cmd_run_work},
    {"explain", NULL, "RUN", "the story of a run: facts, rules, people, effects", cmd_explain},
    {"approval", "list", "[STATUS]", "what waits for people", cmd_approval_list},
    {"approval", "show", "ID", "facts, reasons and exactly what would happen", cmd_approval_show},
    {"approval", "approve", "ID --as PERSON [--comment TEXT]", "say yes", cmd_approval_approve},
    {"approval", "reject", "ID --as PERSON [--comment TEXT]", "say no", cmd_approval_reject},
    {"audit", "verify", "[--checkpoint FILE]", "prove that the record was not touched", cmd_audit_verify},
    {"ledger", "check", "", "debits equal credits, per currency", cmd_ledger_check},
    {"schedule", "add", "NAME --cron \"0 2 * * 1-5\" [--tz Europe/Berlin] ...", "run the exception handling at these times", cmd_schedule_add},
    {"schedule", "list", "", "schedules with their next and last time", cmd_schedule_list},
    {"schedule", "next", "NAME", "the next five times, in UTC", cmd_schedule_next},
    {"schedule", "pause", "NAME [--reason TEXT]", "stop it until somebody resumes it", cmd_schedule_pause},
    {"schedule", "resume", "NAME", "go on; what was missed is not caught up", cmd_schedule_resume},
    {"schedule", "remove", "NAME", "forget it", cmd_schedule_remove},
    {"schedule", "run", "NAME", "due at once", cmd_schedule_run},
    {"serve", NULL, "[--listen 127.0.0.1:8700]", "the inbox, the API, runs and web hooks", cmd_serve},
    {"db", "migrate", "", "bring the database to this program's schema", cmd_db_migrate},
    {"db", "start", "", "start reeve's own PostgreSQL", cmd_db_start},
    {"db", "stop", "", "stop it", cmd_db_stop},
    {"db", "status", "", "is it there, and where", cmd_db_status},
    {"doctor", NULL, "", "what is missing or degraded, and what to do", cmd_doctor},
    {"bench", NULL, "NAME [--json]", "measure (runs reeve-bench)", cmd_bench},
    {"help", NULL, "", "this list", cmd_help},
    {NULL, NULL, NULL, NULL, NULL},
};

int cmd_help(struct cli *cli)
{
    (void)cli;
    printf("reeve runs software agents against an ERP under governance.\n\n"
           "usage: reeve NOUN [VERB] ARGUMENTS [--company NAME] [--as PERSON] [--json]\n"
           "       --database URI   another PostgreSQL than reeve's own (or REEVE_DATABASE)\n"
           "       --state DIR      where reeve keeps its own things (or REEVE_STATE)\n\n");
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        printf("  %-10s %-8s %s\n      %s\n", at->noun, at->verb != NULL ? at->verb : "", at->arguments,
               at->summary);
    }
    printf("\nexit codes: 0 ok, 1 failed, 2 usage, 3 denied, 4 unavailable\n");
    return 0;
}

/* ---- arguments ---- */

static void remove_arguments(struct cli *cli, int at, int count)
{
    for (int i = at; i + count < cli->argc; i++) {
        cli->argv[i] = cli->argv[i + count];
    }
    cli->argc -= count;
}

const char *cli_option(struct cli *cli, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; i < cli->argc; i++) {
        if (strcmp(cli->argv[i], name) == 0 && i + 1 < cli->argc) {
            const char *value = cli->argv[i + 1];
            remove_arguments(cli, i, 2);
            return value;
        }
        if (strncmp(cli->argv[i], name, length) == 0 && cli->argv[i][length] == '=') {
            const char *value = cli->argv[i] + length + 1;
            remove_arguments(cli, i, 1);
            return value;
        }
    }
    return NULL;
}

bool cli_flag(struct cli *cli, const char *name)
{
    for (int i = 0; i < cli->argc; i++) {
        if (strcmp(cli->argv[i], name) == 0) {
            remove_arguments(cli, i, 1);
            return true;
        }
    }
    return false;
}

static int distance(const char *a, const char *b)
{
    int row[64];
    int n = (int)strlen(b);
    if (n >= 63) {
        return 99;
    }
    for (int j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (int i = 1; a[i - 1] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int substitution = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int best = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            row[j] = substitution < best ? substitution : best;
        }
    }
    return row[n];
}

static int unknown(const char *noun)
{
    const char *nearest = "help";
    int best = 4;
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        int d = distance(noun, at->noun);
        if (d < best) {
            best = d;
            nearest = at->noun;
        }
    }
    fprintf(stderr, "reeve: no command \"%s\"; did you mean `reeve %s`?\n", noun, nearest);
    return 2;
}

static int list_verbs(const char *noun)
{
    fprintf(stderr, "usage:\n");
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        if (strcmp(at->noun, noun) == 0) {
            fprintf(stderr, "  reeve %s %s %s   %s\n", at->noun, at->verb != NULL ? at->verb : "",
                    at->arguments, at->summary);
        }
    }
    return 2;
}

static int dispatch(struct cli *cli)
{
    bool help = cli_flag(cli, "--help") || cli_flag(cli, "-h");
    const char *noun = cli->argc > 0 ? cli->argv[0] : "help";
    bool noun_known = false;
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        if (strcmp(at->noun, noun) != 0) {
            continue;
        }
        noun_known = true;
        if (help) {
            return list_verbs(noun) == 2 ? 0 : 1;
        }
        int used = at->verb == NULL ? 1 : 2;
        if (at->verb == NULL || (cli->argc > 1 && strcmp(cli->argv[1], at->verb) == 0)) {
            cli->argv += used;
            cli->argc = cli->argc >= used ? cli->argc - used : 0;
            return at->run(cli);
        }
    }
    return noun_known ? list_verbs(noun) : unknown(noun);
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .argc = argc - 1,
        .argv = argv + 1,
        .tty = isatty(STDOUT_FILENO) != 0 && getenv("NO_COLOR") == NULL,
        .arena = rv_arena_create("command line", 512 << 20),
    };
    rv_log_level(RV_LOG_ERROR);
    const char *level = cli_option(&cli, "--log");
    if (level != NULL) {
        rv_log_level(rv_log_level_from_name(level));
    }
    cli.json = cli_flag(&cli, "--json");
    cli.company = cli_option(&cli, "--company");
    cli.as = cli_option(&cli, "--as");
    xmlInitParser();
    struct rv_error err = {.code = RV_OK};
    const char *database = cli_option(&cli, "--database");
    const char *state = cli_option(&cli, "--state");
    int status = place_find(&cli, database, state, &err) == RV_OK ? dispatch(&cli) : cli_fail(&err);
    xmlCleanupParser();
    rv_arena_destroy(cli.arena);
    return status;
}
