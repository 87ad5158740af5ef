/* config_test.c -- four places in rising order of right; mistakes are named with place and remedy.
 */
#include "runtime/config/config.h"
#include "runtime/base/check.h"
#include "runtime/config/suggest.h"
#include "runtime/config/value.h"
#include "tests/support/test.h"

#include <unistd.h>

static char path[64];
static struct rv_error err;

static struct rv_config *load(const char *text, char *const *environment,
                              const struct rv_config_flag *flags, int count)
{
    static char *nothing[] = {NULL};
    struct rv_config_options options = {.flags = flags,
                                        .flag_count = count,
                                        .environment = environment != NULL ? environment : nothing};
    if (text != NULL) {
        snprintf(path, sizeof path, "/tmp/rvc-XXXXXX");
        int fd = mkstemp(path);
        ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
        close(fd);
        options.file = path;
    }
    struct rv_config *config = NULL;
    rv_error_clear(&err);
    enum rv_code code = rv_config_load(&options, &config, &err);
    if (text != NULL) {
        unlink(path);
    }
    ck_assert_int_eq(code == RV_OK, config != NULL);
    return config;
}

static void refuse(const char *text, const char *message, const char *hint)
{
    ck_assert_ptr_null(load(text, NULL, NULL, 0));
    ck_assert_int_eq(err.code, RV_INVALID);
    ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
    ck_assert_msg(strstr(err.hint, hint) != NULL, "%s", err.hint);
}

TEST(without_a_word_everything_has_its_default)
{
    struct rv_config *config = load(NULL, NULL, NULL, 0);
    ck_assert_str_eq(rv_config_text(config, RV_SET_DATABASE_URI), "");
    ck_assert_int_eq(rv_config_integer(config, RV_SET_DATABASE_READERS), 4);
    ck_assert_int_eq(rv_config_integer(config, RV_SET_DATABASE_TIMEOUT), 30000);
    char host[256];
    int port = 0;
    rv_config_address(config, RV_SET_HTTP_LISTEN, host, &port);
    ck_assert_str_eq(host, "127.0.0.1");
    ck_assert_int_eq(port, 8700);
    ck_assert_int_eq(rv_config_origin(config, RV_SET_HTTP_LISTEN), RV_ORIGIN_DEFAULT);
    ck_assert_str_ne(rv_config_node_name(config), "");
    rv_config_destroy(config);
}

TEST(flag_beats_environment_beats_file_beats_default)
{
    char *environment[] = {(char[]){"REEVE_DATABASE_READERS=7"}, (char[]){"REEVE_LOG_LEVEL=warn"},
                           NULL};
    struct rv_config_flag flags[] = {{"log.level", "debug"}};
    struct rv_config *config =
        load("[database]\nreaders = 5\ntimeout = 5s\n[log]\nlevel=error\n", environment, flags, 1);
    ck_assert_msg(config != NULL, "%s", err.message);
    ck_assert_int_eq(rv_config_integer(config, RV_SET_DATABASE_TIMEOUT), 5000);
    ck_assert_int_eq(rv_config_origin(config, RV_SET_DATABASE_TIMEOUT), RV_ORIGIN_FILE);
    ck_assert_ptr_nonnull(strstr(rv_config_place(config, RV_SET_DATABASE_TIMEOUT), ":3"));
    ck_assert_int_eq(rv_config_integer(config, RV_SET_DATABASE_READERS), 7);
    ck_assert_str_eq(rv_config_place(config, RV_SET_DATABASE_READERS), "REEVE_DATABASE_READERS");
    ck_assert_str_eq(rv_config_text(config, RV_SET_LOG_LEVEL), "debug");
    ck_assert_int_eq(rv_config_origin(config, RV_SET_LOG_LEVEL), RV_ORIGIN_FLAG);
    rv_config_destroy(config);
}

TEST(an_unknown_key_is_refused_with_the_nearest_name)
{
    refuse("[database]\nreader = 5\n", "\"database.reader\"", "database.readers");
    refuse("\n\n[htpp]\nlisten = x:1\n", ":4: there is no setting \"htpp.listen\"", "http.listen");
    refuse("[zzz]\nqqq = 1\n", "zzz.qqq", "reeve config list");
}

TEST(values_out_of_their_rules_are_refused)
{
    refuse("[database]\nreaders = 0\n", "out of bounds", "from 1 to 32");
    refuse("[database]\nreaders = many\n", "not a whole number", "readers = 4");
    refuse("[database]\nreaders = 4 \n timeout = 3\n", ":3: ", "");
    refuse("[database]\ntimeout = 3\n", "not a number with a unit", "30s");
    refuse("[database]\ntimeout = -3s\n", "not a number with a unit", "30s");
    refuse("[log]\nlevel = loud\n", "debug|info", "list");
    refuse("[log]\nlevel = inf\n", "debug|info", "list");
    refuse("[http]\nlisten = 8080\n", "not an address", "127.0.0.1:8700");
    refuse("[http]\nlisten = ::1:80\n", "not an address", "[::1]");
    refuse("[http]\nlisten = a:99999\n", "not an address", "[::1]");
    refuse("[http]\ntls_cert = /x\n", "without http.tls_key", "both");
}

TEST(lines_that_are_no_settings_are_refused)
{
    refuse("readers = 5\n", "before the first [section]", "");
    refuse("[database]\nreaders = 5\nreaders = 6\n", "set twice, first in line 2", "");
    refuse("[database]\nthis is no setting\n", ":2: neither", "config sample");
    refuse("[database\nreaders=3\n", ":1: neither", "config sample");
    char text[600] = "[state]\ndir = /";
    memset(text + strlen(text), 'x', 400);
    refuse(text, ":2: the line is too long", "--set");
}

TEST(a_named_file_must_be_there)
{
    struct rv_config_options options = {.file = "/nowhere/reeve.conf"};
    struct rv_config *config = NULL;
    struct rv_error error = {.code = RV_OK};
    ck_assert_int_eq(rv_config_load(&options, &config, &error), RV_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.message, "/nowhere/reeve.conf"));
}

TEST(a_variable_nobody_reads_is_a_warning)
{
    char *environment[] = {(char[]){"REEVE_DATABASE_URL=x"}, (char[]){"REEVE_TEST_PG=y"},
                           (char[]){"OTHER=z"}, NULL};
    struct rv_config *config = load(NULL, environment, NULL, 0);
    ck_assert_str_eq(rv_config_warning(config, 0),
                     "REEVE_DATABASE_URL is not read; did you mean REEVE_DATABASE_URI?");
    ck_assert_ptr_null(rv_config_warning(config, 1));
    rv_config_destroy(config);
}

TEST(passwords_are_never_shown)
{
    static const char *const pairs[][2] = {
        {"postgresql://u:se:cr@t@host/db?sslmode=require",
         "postgresql://u:****@host/db?sslmode=require"},
        {"postgresql://u@host:5432/db", "postgresql://u@host:5432/db"},
        {"postgresql://host/db?password=abc&user=x", "postgresql://host/db?password=****&user=x"},
        {"host=h password='a \\' b' user=x", "host=h password=**** user=x"},
        {"host=h password=abc", "host=h password=****"},
        {"", ""},
    };
    for (size_t i = 0; i < RV_COUNT(pairs); i++) {
        char *shown = config_without_password(pairs[i][0]);
        ck_assert_str_eq(shown, pairs[i][1]);
        rv_free(shown);
    }
}

TEST(the_state_directory_follows_the_xdg_rule)
{
    char *environment[] = {(char[]){"HOME=/home/clerk"}, NULL};
    struct rv_config *config = load(NULL, environment, NULL, 0);
    ck_assert_str_eq(rv_config_state_dir(config),
                     geteuid() == 0 ? "/var/lib/reeve" : "/home/clerk/.local/state/reeve");
    rv_config_destroy(config);
    char *given[] = {(char[]){"REEVE_STATE_DIR=/srv/reeve"}, NULL};
    config = load(NULL, given, NULL, 0);
    ck_assert_str_eq(rv_config_state_dir(config), "/srv/reeve");
    rv_config_destroy(config);
}

TEST(the_sample_is_a_legal_file_with_every_setting)
{
    struct rv_buf sample;
    rv_buf_init(&sample, 1 << 16);
    rv_config_sample(&sample);
    struct rv_config *config = load(sample.data, NULL, NULL, 0);
    ck_assert_ptr_nonnull(config);
    rv_config_destroy(config);
    /* and with the marks taken away, where a default is given */
    for (char *at = sample.data; (at = strstr(at, "\n#")) != NULL; at++) {
        char *end = strchr(at + 2, '\n');
        bool has_value = at[2] != ' ' && end[-1] != ' ';
        at[1] = has_value ? ' ' : '#';
        if (has_value) {
            memmove(at + 1, at + 2, strlen(at + 2) + 1);
        }
    }
    config = load(sample.data, NULL, NULL, 0);
    ck_assert_msg(config != NULL, "%s", err.message);
    ck_assert_int_eq(rv_config_origin(config, RV_SET_HTTP_LISTEN), RV_ORIGIN_FILE);
    rv_config_destroy(config);
    rv_buf_fini(&sample);
}

TEST(distances_count_a_swap_as_one)
{
    ck_assert_int_eq(rv_edit_distance("status", "satsus"), 2);
    ck_assert_int_eq(rv_edit_distance("status", "sttaus"), 1);
    ck_assert_int_eq(rv_edit_distance("", "abc"), 3);
    ck_assert_int_eq(rv_edit_distance("kitten", "sitting"), 3);
    struct rv_suggestion suggestion = rv_suggest("xyzzy");
    rv_suggest_try(&suggestion, "start");
    ck_assert_ptr_null(suggestion.best);
}

TEST_MAIN()
