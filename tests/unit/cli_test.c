/* cli_test.c -- reading of arguments, help's table, text on terminals, tables. */
#include "runtime/cli/cli.h"
#include "runtime/base/check.h"
#include "runtime/cli/progress.h"
#include "runtime/cli/table.h"
#include "tests/support/test.h"

#include <signal.h>

static struct cli cli;
static struct rv_error err;

static enum rv_code read_line(const char *line, const struct cli_command *command)
{
    static char copy[512];
    char *argv[32] = {(char[]){"reeve"}};
    int argc = 1;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    cli = (struct cli){.command = command};
    rv_error_clear(&err);
    return command == NULL ? cli_read_words(&cli, argc, argv, &err)
                           : cli_read_all(&cli, argc, argv, &err);
}

static const struct cli_option options[] = {
    {"limit", "N", "how many"}, {"all", NULL, "everything"}, {NULL, NULL, NULL}};
static const struct cli_command one = {"thing", "list", "NAME [STATE]", "", NULL, options, NULL};
static const struct cli_command many = {"read", NULL, "FILE...", "", NULL, NULL, NULL};

TEST(words_are_found_behind_global_options)
{
    ck_assert_int_eq(read_line("--json --company acme run list --limit 5", NULL), RV_OK);
    ck_assert_int_eq(cli.word_count, 2);
    ck_assert_str_eq(cli.words[0], "run");
    ck_assert_str_eq(cli.words[1], "list");
    ck_assert_int_eq(read_line("--limit 5 run list", NULL), RV_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "before the command"));
}

TEST(options_are_read_with_and_without_equals)
{
    ck_assert_int_eq(read_line("thing list a --limit=7 --all", &one), RV_OK);
    ck_assert_str_eq(cli_option(&cli, "--limit"), "7");
    ck_assert(cli_flag(&cli, "--all"));
    ck_assert(!cli_flag(&cli, "--json"));
    ck_assert_int_eq(cli.argc, 1);
    ck_assert_str_eq(cli.argv[0], "a");
    ck_assert_int_eq(read_line("thing list --limit 7 a --limit 8 b", &one), RV_OK);
    ck_assert_str_eq(cli_option(&cli, "--limit"), "8");
    ck_assert_str_eq(cli.argv[1], "b");
    ck_assert_int_eq(read_line("thing list -- --all", &one), RV_OK);
    ck_assert_str_eq(cli.argv[0], "--all");
    int64_t number = 0;
    ck_assert_int_eq(read_line("thing list a --limit 70", &one), RV_OK);
    ck_assert_int_eq(cli_integer(&cli, "--limit", 1, 1, 50, &number, &err), RV_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "from 1 to 50"));
}

TEST(mistakes_are_named)
{
    ck_assert_int_eq(read_line("thing list a --lmit 7", &one), RV_INVALID);
    ck_assert_str_eq(err.hint, "Did you mean --limit?");
    ck_assert_int_eq(read_line("thing list a --n 7", &one), RV_INVALID);
    ck_assert_str_eq(err.hint, "Did you mean --limit?"); /* whose value is an N */
    ck_assert_int_eq(read_line("thing list a --limit", &one), RV_INVALID);
    ck_assert_str_eq(err.message, "--limit needs a value");
    ck_assert_int_eq(read_line("thing list a --all=yes", &one), RV_INVALID);
    ck_assert_int_eq(read_line("thing list a -x", &one), RV_INVALID);
    ck_assert_int_eq(read_line("thing list", &one), RV_INVALID);
    ck_assert_str_eq(err.hint, "Usage: reeve thing list NAME [STATE]");
    ck_assert_int_eq(read_line("thing list a b c", &one), RV_INVALID);
    ck_assert_int_eq(read_line("read a b c d e", &many), RV_OK);
    ck_assert_int_eq(cli.argc, 5);
    ck_assert_int_eq(read_line("read", &many), RV_INVALID);
}

TEST_DIES(asking_for_an_undeclared_option_is_a_wrong_program, SIGABRT)
{
    ck_assert_int_eq(read_line("thing list a", &one), RV_OK);
    cli_option(&cli, "--nothing");
}

TEST(every_command_has_what_help_needs)
{
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        ck_assert_ptr_nonnull(at->arguments);
        ck_assert_ptr_nonnull(at->summary);
        ck_assert_ptr_nonnull(at->run);
        ck_assert_ptr_eq(cli_command_find(at->noun, at->verb), at);
        for (const struct cli_option *option = at->options; option != NULL && option->name != NULL;
             option++) {
            ck_assert_int_ne(option->name[0], '-');
            for (const struct cli_option *global = cli_global_options; global->name != NULL;
                 global++) {
                ck_assert_str_ne(option->name, global->name);
            }
        }
    }
}

TEST(mistyped_commands_get_the_nearest)
{
    static const char *const cases[][3] = {
        {"db", "strat", "Did you mean `reeve db start`?"},
        {"dotcor", NULL, "Did you mean `reeve doctor`?"},
        {"aproval", "list", "Did you mean `reeve approval list`?"},
        {"xyzzy", NULL, "`reeve help` shows what there is."},
        {"db", "xyzzy", "`reeve help db` shows what there is."},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        rv_error_clear(&err);
        ck_assert_int_eq(cli_command_unknown(cases[i][0], cases[i][1], &err), RV_INVALID);
        ck_assert_str_eq(err.hint, cases[i][2]);
    }
}

/* ---- text ---- */

static void cleans(const char *text, const char *expected)
{
    struct rv_buf out;
    rv_buf_init(&out, 4096);
    cli_clean(&out, text);
    ck_assert_str_eq(out.data, expected);
    rv_buf_fini(&out);
}

TEST(hostile_text_cannot_drive_the_terminal)
{
    cleans("M\xC3\xBCller & S\xC3\xB6hne", "M\xC3\xBCller & S\xC3\xB6hne");
    cleans("a\033[2Jb", "a\xEF\xBF\xBD[2Jb");
    cleans("a\nb\tc", "a b c");
    cleans("\xE2\x80\xAE"
           "evil",
           "\xEF\xBF\xBD"
           "evil"); /* right-to-left override */
    cleans("\xC2\x9B"
           "31m",
           "\xEF\xBF\xBD"
           "31m"); /* one-character escape sequence */
    cleans("\xFF\xC3", "\xEF\xBF\xBD\xEF\xBF\xBD");
    cleans("\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"); /* overlong */
    cleans("\xED\xA0\x80", "\xEF\xBF\xBD");         /* a surrogate */
}

TEST(lines_of_others_do_not_look_like_ours)
{
    json_t *said = json_pack("{s:s,s:[s,i],s:n}", "reason",
                             "too dear:\r\n\n  12 took back\033[2J\n", "a\nb", "one", 7, "none");
    json_t *clean = cli_clean_json(said);
    ck_assert_str_eq(rv_json_str(clean, "reason", ""),
                     "too dear:\\n\\n  12 took back\xEF\xBF\xBD[2J");
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(clean, "a b"), 1)), 7);
    ck_assert(json_is_null(json_object_get(clean, "none")));
    json_decref(clean);
    json_decref(said);
}

TEST(columns_are_counted_as_a_terminal_does)
{
    ck_assert_int_eq(cli_columns("abc"), 3);
    ck_assert_int_eq(cli_columns("M\xC3\xBCller"), 6);
    ck_assert_int_eq(cli_columns("u\xCC\x88"), 1);                /* combining */
    ck_assert_int_eq(cli_columns("\xE6\x97\xA5\xE6\x9C\xAC"), 4); /* wide */
    ck_assert_int_eq((int)cli_head("M\xC3\xBCller", 2), 3);
    ck_assert_int_eq((int)cli_head("\xE6\x97\xA5\xE6\x9C\xAC", 3), 3);
}

static const char *printed(const struct cli_table *table, bool json, int width)
{
    static char text[4096];
    FILE *file = fmemopen(text, sizeof text, "w");
    struct cli_output output = {.data = file, .talk = file, .json = json, .width = width};
    cli_table_print(table, &output, "nothing");
    fclose(file);
    return text;
}

static const struct cli_column columns[] = {
    {"name", "NAME", false, true}, {"count", "COUNT", true, false}, {"good", "GOOD", false, false}};

TEST(tables_align_cut_and_speak_json)
{
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    ck_assert_str_eq(printed(table, false, 0), "nothing\n");
    cli_table_text(table, "M\xC3\xBCller Maschinenbau");
    cli_table_integer(table, 7);
    cli_table_bool(table, true);
    cli_table_text(table, NULL);
    cli_table_integer(table, 12345);
    cli_table_bool(table, false);
    ck_assert_str_eq(printed(table, false, 0), "NAME                 COUNT  GOOD\n"
                                               "M\xC3\xBCller Maschinenbau      7  yes\n"
                                               "                     12345  no\n");
    ck_assert_str_eq(printed(table, false, 25), "NAME          COUNT  GOOD\n"
                                                "M\xC3\xBCller Masc…      7  yes\n"
                                                "              12345  no\n");
    ck_assert_str_eq(printed(table, true, 25),
                     "{\"name\":\"M\xC3\xBCller Maschinenbau\",\"count\":7,\"good\":true}\n"
                     "{\"name\":null,\"count\":12345,\"good\":false}\n");
    cli_table_destroy(table);
}

TEST(progress_is_plain_where_no_terminal_is)
{
    char text[1024] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    struct cli_output output = {.data = file, .talk = file};
    struct cli_progress progress;
    cli_progress_begin(&progress, &output, "importing", 10);
    cli_progress_at(&progress, 5, "a.xml"); /* too early for a log */
    cli_progress_end(&progress, "imported %d files", 10);
    fclose(file);
    ck_assert_ptr_null(strchr(text, '\r'));
    ck_assert_ptr_nonnull(strstr(text, "importing ...\nimported 10 files ("));
}

TEST_MAIN()
