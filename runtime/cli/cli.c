/* cli.c -- the frame: from argv to a command, and from its error to what is said. */
#include "runtime/cli/cli.h"

#include "erp/domain/money.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/cli/place.h"
#include "runtime/cli/table.h"

#include <errno.h>
#include <libxml/parser.h>
#include <string.h>
#include <sys/stat.h>

enum { COMMAND_ARENA_BYTES = 512 << 20, ROWS_SHOWN_MAX = 2000, COLUMNS_MAX = 32 };

static int run(struct cli *cli, int argc, char **argv);
static int say_without_command(const struct cli *cli);

int cli_main(int argc, char **argv)
{
    struct cli *cli = rv_alloc(sizeof *cli);
    cli->arena = rv_arena_create("command line", COMMAND_ARENA_BYTES);
    cli_output_init(&cli->output, stdout, stderr, true);
    xmlInitParser();
    int status = run(cli, argc, argv);
    xmlCleanupParser();
    rv_config_destroy(cli->config);
    rv_arena_destroy(cli->arena);
    rv_free(cli);
    if (fflush(stdout) != 0 && status == 0) {
        fprintf(stderr, "reeve: could not write to standard output: %s\n", strerror(errno));
        status = 1;
    }
    return status;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct rv_error err = {.code = RV_OK};
    if (cli_read_words(cli, argc, argv, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    const char *noun = cli->word_count > 0        ? cli->words[0]
                       : cli_flag(cli, "version") ? "version"
                                                  : NULL;
    cli->command = noun != NULL ? cli_command_find(noun, cli->word_count > 1 ? cli->words[1] : NULL)
                                : cli_command_find("help", NULL);
    if (cli->command == NULL) {
        return say_without_command(cli);
    }
    enum rv_code code = cli_read_all(cli, argc, argv, &err);
    cli->json = cli_flag(cli, "json");
    if (cli_flag(cli, "no-color")) {
        cli_output_init(&cli->output, stdout, stderr, false);
    }
    cli->output.json = cli->json;
    cli->output.quiet = cli_flag(cli, "quiet");
    cli->tty = cli->output.talk_terminal;
    cli->company = cli_option(cli, "company");
    cli->as = cli_option(cli, "as");
    const char *level = cli_option(cli, "log");
    rv_log_level(level != NULL ? rv_log_level_from_name(level) : RV_LOG_ERROR);
    if (code == RV_OK && cli_flag(cli, "help") &&
        noun != NULL) { /* `reeve --help` is `reeve help` */
        cli->output.json = false;
        cli_help_command(&cli->output, cli->command);
        return 0;
    }
    if (code == RV_OK) {
        code = cli_load_settings(cli, &cli->config, &err);
    }
    if (code == RV_OK) {
        code = place_find(cli, &err);
    }
    return code == RV_OK ? cli->command->run(cli) : cli_fail(cli, &err);
}

/* The words are no command: a noun that needs a verb, or a mistake. */
static int say_without_command(const struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    const char *verb = cli->word_count > 1 ? cli->words[1] : NULL;
    bool only_noun = verb == NULL && cli_noun_exists(cli->words[0]);
    struct cli_output output = cli->output;
    if (only_noun && cli_flag(cli, "help")) {
        cli_help_noun(&output, cli->words[0]);
        return 0;
    }
    cli_command_unknown(cli->words[0], verb, &err);
    int status = cli_fail(cli, &err);
    if (only_noun) {
        output.data = output.talk; /* it was not what was asked for: no data */
        cli_help_noun(&output, cli->words[0]);
    }
    return status;
}

enum rv_code cli_load_settings(const struct cli *cli, struct rv_config **out, struct rv_error *err)
{
    /* options that are short for --set */
    static const struct {
        const char *option, *setting;
    } shortcuts[] = {
        {"state", "state.dir"}, {"database", "database.uri"}, {"listen", "http.listen"}};
    struct rv_config_flag flags[CLI_OPTIONS_MAX];
    int count = 0;
    for (int i = 0; i < cli->given_count; i++) {
        const char *value = cli->given[i].value;
        for (size_t k = 0; k < RV_COUNT(shortcuts); k++) {
            if (strcmp(cli->given[i].name, shortcuts[k].option) == 0) {
                flags[count++] = (struct rv_config_flag){shortcuts[k].setting, value};
            }
        }
        if (strcmp(cli->given[i].name, "set") == 0) {
            const char *equals = strchr(value, '=');
            if (equals == NULL) {
                rv_fail(err, RV_INVALID, "--set: \"%s\" is not KEY=VALUE", value);
                rv_hint(err, "Write it as in --set log.level=debug.");
                return RV_INVALID;
            }
            flags[count++] = (struct rv_config_flag){
                rv_arena_strndup(cli->arena, value, (size_t)(equals - value)), equals + 1};
        }
    }
    struct rv_config_options options = {
        .file = cli_option(cli, "config"), .flags = flags, .flag_count = count};
    enum rv_code code = rv_config_load(&options, out, err);
    for (int i = 0; code == RV_OK && rv_config_warning(*out, i) != NULL; i++) {
        cli_say(&cli->output, "warning: %s", rv_config_warning(*out, i));
    }
    return code;
}

/* ---- for commands ---- */

int cli_fail(const struct cli *cli, const struct rv_error *err)
{
    cli_print_error(&cli->output, err);
    return rv_code_exit_status(err->code);
}

int cli_usage(const struct cli *cli, const char *text)
{
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_INVALID, "the command needs something else");
    rv_hint(&err, "Usage: reeve %s", text);
    return cli_fail(cli, &err);
}

struct query {
    const struct cli *cli;
    struct cli_column columns[COLUMNS_MAX];
    int source[COLUMNS_MAX]; /* of the result, for each column */
    struct cli_table *table;
    size_t column_count;
    int rows;
};

static json_t *row_json(const struct rv_result *result, int row)
{
    json_t *object = json_object();
    for (int c = 0; c < rv_result_columns(result); c++) {
        json_object_set_new(object, rv_result_column_name(result, c),
                            rv_result_value(result, row, c));
    }
    return object;
}

/* A column "amount_minor" beside "currency" is money: people see one column "amount" with both. */
static bool is_money(const char *name)
{
    static const char ending[] = "_minor";
    size_t length = strlen(name);
    return length > sizeof ending - 1 && strcmp(name + length - (sizeof ending - 1), ending) == 0;
}

static void make_columns(struct query *query, const struct rv_result *result)
{
    int count = rv_result_columns(result);
    bool money = false;
    RV_ASSERT(count <= COLUMNS_MAX);
    for (int c = 0; c < count; c++) {
        money = money || is_money(rv_result_column_name(result, c));
    }
    for (int c = 0; c < count; c++) {
        const char *name = rv_result_column_name(result, c);
        if (money && strcmp(name, "currency") == 0) {
            continue;
        }
        bool is = is_money(name);
        name =
            rv_arena_strndup(query->cli->arena, name, strlen(name) - (is ? strlen("_minor") : 0));
        query->source[query->column_count] = c;
        query->columns[query->column_count++] =
            (struct cli_column){.key = name, .title = name, .right = is, .elastic = !is};
    }
    query->table = cli_table_create(query->columns, query->column_count);
}

static void put_cell(struct query *query, const struct rv_result *result, int row, int column)
{
    char money[ERP_MONEY_TEXT];
    if (is_money(rv_result_column_name(result, column)) &&
        !rv_result_is_null(result, row, column)) {
        int currency = rv_result_column(result, "currency");
        erp_money_format(rv_result_i64(result, row, column), rv_result_text(result, row, currency),
                         money);
        cli_table_text(query->table, money);
    } else {
        cli_table_text(query->table, rv_result_text(result, row, column));
    }
}

static enum rv_code take_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    struct query *query = data;
    if (query->cli->json) {
        cli_print_json(&query->cli->output, row_json(result, row));
        query->rows++;
        return RV_OK;
    }
    if (query->table == NULL) {
        make_columns(query, result);
    }
    for (size_t c = 0; c < query->column_count && query->rows < ROWS_SHOWN_MAX; c++) {
        put_cell(query, result, row, query->source[c]);
    }
    query->rows++;
    return RV_OK;
}

enum rv_code cli_take_json(void *data, const struct rv_result *result, int row,
                           struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

enum rv_code cli_print_query(const struct cli *cli, struct rv_db_session *session, int32_t tenant,
                             const struct rv_statement *statement, struct rv_args *args, int *rows,
                             struct rv_error *err)
{
    struct query query = {.cli = cli};
    enum rv_code code =
        rv_db_session_query(session, tenant, statement, args, take_row, &query, err);
    if (query.table != NULL) {
        cli_table_print(query.table, &cli->output, "");
    }
    if (query.table != NULL && query.rows > ROWS_SHOWN_MAX) {
        cli_say(&cli->output, "... and %d more rows; --json shows all",
                query.rows - ROWS_SHOWN_MAX);
    }
    cli_table_destroy(query.table);
    if (rows != NULL) {
        *rows = query.rows;
    }
    return code;
}

enum rv_code cli_read_file(const char *path, size_t max_bytes, struct rv_arena *arena,
                           const char **text, size_t *length, struct rv_error *err)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return rv_fail_errno(err, errno, "open \"%s\"", path);
    }
    struct stat status;
    if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode)) {
        fclose(file);
        rv_fail(err, RV_INVALID, "\"%s\" is a folder", path);
        rv_hint(err, "Give the path of a file.");
        return RV_INVALID;
    }
    struct rv_buf bytes;
    char part[16384];
    size_t got = 0;
    rv_buf_init(&bytes, max_bytes);
    while (!bytes.overflowed && (got = fread(part, 1, sizeof part, file)) > 0) {
        rv_buf_add(&bytes, part, got);
    }
    enum rv_code code = ferror(file) ? rv_fail_errno(err, errno, "read \"%s\"", path)
                                     : rv_buf_ok(&bytes, path, err);
    fclose(file);
    if (code == RV_OK) {
        *length = bytes.length;
        *text = rv_arena_strndup(arena, bytes.data, bytes.length);
    }
    rv_buf_fini(&bytes);
    return code;
}

void cli_on_asked(void *data, enum rv_code code, int64_t id, const struct rv_error *err)
{
    struct cli_asked *asked = data;
    asked->done = true;
    asked->code = code;
    asked->id = id;
    if (code != RV_OK) {
        asked->err = *err;
    }
}
