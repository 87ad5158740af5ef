/* cmd_top.c -- reeve top: asks a serving node twice and shows the difference, again and again on a
 * terminal.  What the node tells is in nodes_api.h. */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/table.h"
#include "runtime/hooks/get.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    URL_MAX = 600,
    TOKEN_FILE_MAX = 4096,
    INTERVAL_DEFAULT_S = 2,
    INTERVAL_MAX_S = 60,
    ROWS_DEFAULT = 15,
    ROWS_MAX = 1000,
    ALMOST_FULL_PERCENT = 80
};

struct top {
    struct cli *cli;
    char url[URL_MAX];
    const char *token;
    const char *ca;
    int64_t interval_s;
    int64_t rows;
    int64_t run;    /* 0: all that the node does */
    json_t *trace;  /* messages of the run */
    json_t *before; /* answers of /v1/actors */
    json_t *now;
    json_t *letters;
};

/* ---- whom to ask ---- */

static void find_url(struct top *top)
{
    const struct cli *cli = top->cli;
    const char *given = cli_option(cli, "url");
    const char *certificate = rv_config_text(cli->config, RV_SET_HTTP_TLS_CERT);
    bool tls = certificate[0] != '\0';
    top->ca = cli_option(cli, "ca");
    if (given != NULL) {
        size_t length = strlen(given);
        snprintf(top->url, sizeof top->url, "%.*s",
                 (int)(length > 0 && given[length - 1] == '/' ? length - 1 : length), given);
        return;
    }
    char address[256];
    int port = 0;
    rv_config_address(cli->config, RV_SET_HTTP_LISTEN, address, &port);
    bool everywhere = strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
    const char *host = everywhere ? "127.0.0.1" : address;
    bool brackets = strchr(host, ':') != NULL;
    snprintf(top->url, sizeof top->url, "%s://%s%s%s:%d", tls ? "https" : "http",
             brackets ? "[" : "", host, brackets ? "]" : "", port);
    if (top->ca == NULL && tls) {
        top->ca = certificate;
    }
}

static enum rv_code find_token(struct top *top, struct rv_error *err)
{
    const struct cli *cli = top->cli;
    const char *file = cli_option(cli, "token-file");
    size_t length = 0;
    if (file != NULL) {
        enum rv_code code =
            cli_read_file(file, TOKEN_FILE_MAX, cli->arena, &top->token, &length, err);
        if (code != RV_OK) {
            return code;
        }
    } else {
        top->token = rv_environment("REEVE_TOKEN");
    }
    if (top->token != NULL) {
        top->token = rv_arena_strndup(cli->arena, top->token, strcspn(top->token, " \r\n"));
    }
    if (top->token == NULL || top->token[0] == '\0') {
        rv_fail(err, RV_INVALID, "an API token of an admin is needed");
        rv_hint(err, "Make one with \"reeve token make PERSON\" and put it in $REEVE_TOKEN or in a "
                     "file for --token-file.");
        return RV_INVALID;
    }
    return RV_OK;
}

static enum rv_code refused(int status, const json_t *answer, struct rv_error *err)
{
    const char *detail = rv_json_str(answer, "detail", rv_json_str(answer, "title", ""));
    switch (status) {
    case 401:
        rv_fail(err, RV_DENIED, "the token is not good: %s", detail);
        rv_hint(err, "\"reeve token list\" shows which are; \"reeve token make\" makes one.");
        break;
    case 403:
        rv_fail(err, RV_DENIED, "%s", detail);
        rv_hint(err, "The token must belong to a person with the role admin.");
        break;
    case 404:
        if (strcmp(rv_json_str(answer, "code", ""), "not_found") == 0) {
            rv_fail(err, RV_NOT_FOUND, "%s", detail);
            rv_hint(err,
                    "The company's runs: reeve run list.  The token says which company it is.");
        } else {
            rv_fail(err, RV_UNAVAILABLE, "what answers there is no reeve, or an older one");
        }
        break;
    default: rv_fail(err, RV_UNAVAILABLE, "the server answered %d: %s", status, detail); break;
    }
    return err->code;
}

static enum rv_code get(const struct top *top, const char *path, json_t **out, struct rv_error *err)
{
    char url[URL_MAX + 64];
    snprintf(url, sizeof url, "%s%s", top->url, path);
    struct rv_buf body;
    rv_buf_init(&body, RV_GET_ANSWER_MAX);
    int status = 0;
    json_t *answer = NULL;
    enum rv_code code = rv_get(
        &(struct rv_get){.url = url, .token = top->token, .ca_file = top->ca}, &status, &body, err);
    if (code != RV_OK) {
        rv_hint(err, "Is reeve serve running there?  --url says where.");
    } else if (rv_json_parse(body.data, body.length, "the answer", &answer, err) != RV_OK) {
        code = rv_fail(err, RV_UNAVAILABLE, "what answers at %s is no reeve", top->url);
    } else if (status != 200) {
        code = refused(status, answer, err);
    }
    rv_buf_fini(&body);
    if (code != RV_OK) {
        json_decref(answer);
        return code;
    }
    json_decref(*out);
    *out = answer;
    return RV_OK;
}

/* The messages of one run: what the node has of its trace. */
static enum rv_code look_at_run(struct top *top, struct rv_error *err)
{
    char path[128];
    json_t *run = NULL;
    snprintf(path, sizeof path, "/v1/runs/%" PRId64, top->run);
    enum rv_code code = get(top, path, &run, err);
    if (code == RV_OK) {
        snprintf(path, sizeof path, "/v1/traces/%s?run=%" PRId64, rv_json_str(run, "trace_id", ""),
                 top->run);
        code = get(top, path, &top->trace, err);
    }
    if (code == RV_OK) {
        json_object_set_new(top->trace, "url", json_string(top->url));
        json_object_set(top->trace, "run", json_object_get(run, "id"));
        json_object_set(top->trace, "status", json_object_get(run, "status"));
    }
    json_decref(run);
    return code;
}

static enum rv_code look(struct top *top, struct rv_error *err)
{
    if (top->run != 0) {
        return look_at_run(top, err);
    }
    json_decref(top->before);
    top->before = top->now;
    top->now = NULL;
    enum rv_code code = get(top, "/v1/actors", &top->now, err);
    return code != RV_OK ? code : get(top, "/v1/actors/dead-letters", &top->letters, err);
}

/* ---- the difference of two looks ---- */

static double seconds(const struct top *top)
{
    int64_t us = rv_json_int(top->now, "at_us", 0) - rv_json_int(top->before, "at_us", 0);
    return us > 0 ? (double)us / 1e6 : 1;
}

static int64_t rate(const struct top *top, const json_t *now, const json_t *before, const char *key)
{
    if (before == NULL) {
        return 0;
    }
    int64_t more = rv_json_int(now, key, 0) - rv_json_int(before, key, 0);
    return more > 0 ? (int64_t)((double)more / seconds(top) + 0.5) : 0;
}

/* The row of `rows` in which both keys have the values of `row`; NULL: it was not there. */
static const json_t *same_row(const json_t *rows, const json_t *row, const char *one,
                              const char *two)
{
    size_t i;
    json_t *other;
    json_array_foreach((json_t *)(uintptr_t)rows, i, other)
    {
        if (json_equal(json_object_get(other, one), json_object_get(row, one)) &&
            json_equal(json_object_get(other, two), json_object_get(row, two))) {
            return other;
        }
    }
    return NULL;
}

static void add_rate(const struct top *top, json_t *row, const json_t *before, const char *key,
                     const char *name)
{
    json_object_set_new(row, name, json_integer(rate(top, row, before, key)));
}

static void say_stuck(json_t *stuck, const json_t *row, const char *why)
{
    json_array_append_new(
        stuck, json_pack("{s:O,s:O*,s:O*,s:O*,s:s}", "core", json_object_get(row, "core"), "actor",
                         json_object_get(row, "actor"), "ref", json_object_get(row, "ref"),
                         "tenant", json_object_get(row, "tenant"), "why", why));
}

/* Who has this reference in the last look that its core answered: what a core that does not answer
 * tells is a number. */
static const json_t *actor_of(const struct top *top, const json_t *turn)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(top->before, "actors"), i, row)
    {
        if (json_equal(json_object_get(row, "ref"), json_object_get(turn, "ref"))) {
            return row;
        }
    }
    return NULL;
}

static void judge_core(const struct top *top, json_t *stuck, const json_t *row)
{
    char why[160];
    const json_t *turn = json_object_get(row, "turn");
    if (rv_json_bool(row, "answers", true)) {
        return;
    }
    if (json_is_object(turn)) {
        snprintf(why, sizeof why, "the core does not answer: a turn of %s %s lasts for %.1f s",
                 rv_json_str(actor_of(top, turn), "actor", "actor"), rv_json_str(turn, "ref", ""),
                 (double)rv_json_int(turn, "us", 0) / 1e6);
    } else {
        snprintf(why, sizeof why, "the core does not answer: its loop is busy outside any turn");
    }
    say_stuck(stuck, row, why);
}

static void judge_actor(json_t *stuck, const json_t *row, const json_t *before)
{
    char why[160];
    int64_t waiting = rv_json_int(row, "waiting", 0);
    int64_t mailbox = rv_json_int(row, "mailbox", 1);
    int64_t was = rv_json_int(before, "waiting", 0);
    if (rv_json_bool(row, "suspended", false)) {
        snprintf(why, sizeof why, "begins again after a failure (%" PRId64 " of late)",
                 rv_json_int(row, "restarts", 0));
    } else if (waiting * 100 >= mailbox * ALMOST_FULL_PERCENT) {
        snprintf(why, sizeof why, "its mailbox is full: %" PRId64 " of %" PRId64, waiting, mailbox);
    } else if (before != NULL && was > 0 && waiting > 0 &&
               rv_json_int(row, "handled", 0) == rv_json_int(before, "handled", 0)) {
        snprintf(why, sizeof why, "its mailbox is not read: %" PRId64 " wait", waiting);
    } else if (before != NULL && was > 0 && waiting > was) {
        snprintf(why, sizeof why, "its mailbox grows: %" PRId64 ", %" PRId64, was, waiting);
    } else {
        return;
    }
    say_stuck(stuck, row, why);
}

static int busiest_first(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *)a;
    const json_t *right = *(json_t *const *)b;
    static const char *const keys[] = {"messages_per_s", "waiting", "handled"};
    for (size_t i = 0; i < RV_COUNT(keys); i++) {
        int64_t one = rv_json_int(left, keys[i], 0);
        int64_t other = rv_json_int(right, keys[i], 0);
        if (one != other) {
            return one < other ? 1 : -1;
        }
    }
    return 0;
}

static json_t *in_order(const json_t *rows, int64_t limit)
{
    size_t count = json_array_size(rows);
    json_t **order = rv_alloc_array(count + 1, sizeof(json_t *));
    for (size_t i = 0; i < count; i++) {
        order[i] = json_array_get(rows, i);
    }
    qsort(order, count, sizeof(json_t *), busiest_first);
    json_t *sorted = json_array();
    for (size_t i = 0; i < count && (int64_t)i < limit; i++) {
        json_array_append(sorted, order[i]);
    }
    rv_free(order);
    return sorted;
}

/* {cores, tenants, actors, stuck, dead_letters}: with rates, the busiest actors first. */
static json_t *report(const struct top *top)
{
    json_t *stuck = json_array();
    json_t *cores = json_object_get(top->now, "cores");
    json_t *tenants = json_object_get(top->now, "tenants");
    json_t *actors = json_object_get(top->now, "actors");
    size_t i;
    json_t *row;
    json_array_foreach(cores, i, row)
    {
        const json_t *before = same_row(json_object_get(top->before, "cores"), row, "core", "core");
        add_rate(top, row, before, "turns", "turns_per_s");
        add_rate(top, row, before, "messages", "messages_per_s");
        judge_core(top, stuck, row);
    }
    json_array_foreach(tenants, i, row)
    {
        add_rate(top, row, same_row(json_object_get(top->before, "tenants"), row, "core", "tenant"),
                 "turns", "turns_per_s");
    }
    json_array_foreach(actors, i, row)
    {
        const json_t *before = same_row(json_object_get(top->before, "actors"), row, "core", "ref");
        add_rate(top, row, before, "handled", "messages_per_s");
        judge_actor(stuck, row, before);
    }
    json_t *letters = json_array();
    json_array_foreach(json_object_get(top->letters, "dead_letters"), i, row)
    {
        if ((int64_t)i < top->rows) {
            json_array_append(letters, row);
        }
    }
    json_t *all =
        json_pack("{s:s,s:O,s:O,s:o,s:o,s:o}", "url", top->url, "cores", cores, "tenants", tenants,
                  "actors", in_order(actors, top->rows), "stuck", stuck, "dead_letters", letters);
    json_object_set(all, "node", json_object_get(top->now, "node"));
    json_object_set(all, "owner",
                    json_object_get(top->now, "owner")); /* of several: not this one */
    return all;
}

/* ---- tables ---- */

static void put(struct cli_table *table, const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    if (json_is_integer(value)) {
        cli_table_integer(table, json_integer_value(value));
    } else {
        cli_table_text(table, json_string_value(value));
    }
}

static void put_company(struct cli_table *table, const json_t *row)
{
    const json_t *tenant = json_object_get(row, "tenant");
    if (json_is_integer(tenant) && json_integer_value(tenant) == 0) {
        cli_table_text(table, "reeve");
    } else if (json_is_integer(tenant)) {
        cli_table_integer(table, json_integer_value(tenant));
    } else {
        cli_table_printf(table, "%" PRId64 " others", rv_json_int(row, "companies", 0));
    }
}

static void put_memory(struct cli_table *table, const json_t *row)
{
    int64_t bytes = rv_json_int(row, "bytes", 0);
    if (bytes < 10240) {
        cli_table_printf(table, "%" PRId64 " B", bytes);
    } else if (bytes < 10485760) {
        cli_table_printf(table, "%" PRId64 " KiB", bytes / 1024);
    } else {
        cli_table_printf(table, "%" PRId64 " MiB", bytes / 1048576);
    }
}

static void show(const struct cli *cli, struct cli_table *table, const char *nothing)
{
    if (cli_table_rows(table) > 0 || nothing != NULL) {
        cli_table_print(table, &cli->output, nothing != NULL ? nothing : "");
        cli_print(&cli->output, "%s", "");
    }
    cli_table_destroy(table);
}

static void show_cores(const struct cli *cli, const json_t *rows)
{
    static const struct cli_column columns[] = {
        {"core", "CORE", true, false},       {"live", "ACTORS", true, false},
        {"ready", "READY", true, false},     {"turns", "TURNS/S", true, false},
        {"messages", "MSGS/S", true, false}, {"longest", "LONGEST BOX", true, false},
        {"timers", "TIMERS", true, false},   {"dead", "DEAD", true, false},
        {"refused", "REFUSED", true, false}, {"restarts", "RESTARTS", true, false},
        {"slow", "SLOW TURNS", true, false}, {"memory", "MEMORY", true, false}};
    static const char *const keys[] = {
        "core",   "live",         "ready",   "turns_per_s", "messages_per_s", "longest_mailbox",
        "timers", "dead_letters", "refused", "restarts",    "slow_turns"};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        for (size_t k = 0; k < RV_COUNT(keys); k++) {
            put(table, row, keys[k]);
        }
        put_memory(table, row);
    }
    show(cli, table, NULL);
}

static void show_tenants(const struct cli *cli, const json_t *rows)
{
    static const struct cli_column columns[] = {
        {"tenant", "COMPANY", false, false}, {"core", "CORE", true, false},
        {"weight", "WEIGHT", true, false},   {"actors", "ACTORS", true, false},
        {"ready", "READY", true, false},     {"waiting", "WAITING", true, false},
        {"turns", "TURNS/S", true, false},   {"memory", "MEMORY", true, false}};
    static const char *const keys[] = {"core",  "weight",  "actors",
                                       "ready", "waiting", "turns_per_s"};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        put_company(table, row);
        for (size_t k = 0; k < RV_COUNT(keys); k++) {
            put(table, row, keys[k]);
        }
        put_memory(table, row);
    }
    show(cli, table, NULL);
}

static void show_actors(const struct cli *cli, const json_t *rows)
{
    static const struct cli_column columns[] = {
        {"actor", "ACTOR", false, false},      {"ref", "REF", false, false},
        {"core", "CORE", true, false},         {"tenant", "COMPANY", false, false},
        {"waiting", "WAITING", true, false},   {"mailbox", "OF", true, false},
        {"messages", "MSGS/S", true, false},   {"handled", "MSGS", true, false},
        {"restarts", "RESTARTS", true, false}, {"class", "CLASS", false, false},
        {"memory", "MEMORY", true, false},     {"what", "WHAT", false, true}};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        put(table, row, "actor");
        put(table, row, "ref");
        put(table, row, "core");
        put_company(table, row);
        put(table, row, "waiting");
        put(table, row, "mailbox");
        put(table, row, "messages_per_s");
        put(table, row, "handled");
        put(table, row, "restarts");
        put(table, row, "class");
        put_memory(table, row);
        put(table, row, "what");
    }
    show(cli, table, NULL);
}

static void show_stuck(const struct cli *cli, const json_t *rows)
{
    static const struct cli_column columns[] = {{"core", "STUCK ON CORE", true, false},
                                                {"actor", "ACTOR", false, false},
                                                {"ref", "REF", false, false},
                                                {"why", "WHY", false, true}};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        put(table, row, "core");
        put(table, row, "actor");
        put(table, row, "ref");
        put(table, row, "why");
        cli_table_style(table, CLI_BAD);
    }
    show(cli, table, NULL);
}

static void put_time(struct cli_table *table, const json_t *row, bool exact)
{
    int64_t at_us = rv_json_int(row, "at_us", 0);
    time_t at = (time_t)(at_us / 1000000);
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&at, &utc) != NULL) {
        strftime(text, sizeof text, exact ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &utc);
    }
    if (exact) {
        cli_table_printf(table, "%s.%06d", text, (int)(at_us % 1000000));
    } else {
        cli_table_text(table, text);
    }
}

static void show_messages(const struct top *top)
{
    static const struct cli_column columns[] = {
        {"at", "AT (UTC)", false, false},     {"actor", "ACTOR", false, false},
        {"to", "TO", false, false},           {"from", "FROM", false, false},
        {"kind", "KIND", false, false},       {"what", "WHAT", false, false},
        {"waited", "WAITED US", true, false}, {"took", "TOOK US", true, false},
        {"code", "ANSWER", false, true}};
    const json_t *rows = json_object_get(top->trace, "messages");
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    size_t count = json_array_size(rows);
    for (size_t i = count > (size_t)top->rows ? count - (size_t)top->rows : 0; i < count; i++) {
        const json_t *row = json_array_get(rows, i);
        put_time(table, row, true);
        put(table, row, "actor");
        put(table, row, "to");
        put(table, row, "from");
        put(table, row, "kind");
        put(table, row, "what");
        put(table, row, "waited_us");
        put(table, row, "took_us");
        cli_table_text(table, rv_json_bool(row, "dead", false) ? "dead letter"
                                                               : rv_json_str(row, "code", ""));
    }
    cli_print(&top->cli->output, "run r_%" PRId64 ", %s, trace %s\n", top->run,
              rv_json_str(top->trace, "status", ""), rv_json_str(top->trace, "trace_id", ""));
    show(top->cli, table, "no message of it was handled here of late");
}

/* What is kept of it, whichever node did it. */
static void show_story(const struct top *top)
{
    static const struct cli_column columns[] = {{"run", "RUN", false, false},
                                                {"what", "WHAT", false, false},
                                                {"name", "NAME", false, false},
                                                {"result", "RESULT", false, true}};
    static const struct {
        const char *list, *what, *name, *result;
    } parts[] = {{"runs", "run", "agent", "status"},
                 {"steps", "gate", "name", "result"},
                 {"effects", "effect", "what", "at"},
                 {"deliveries", "hook", "event", "status"}};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    for (size_t k = 0; k < RV_COUNT(parts); k++) {
        size_t i;
        json_t *row;
        json_array_foreach(json_object_get(top->trace, parts[k].list), i, row)
        {
            cli_table_text(table, rv_json_str(row, "run", ""));
            cli_table_text(table, parts[k].what);
            cli_table_text(table, rv_json_str(row, parts[k].name, ""));
            cli_table_text(table, rv_json_str(row, parts[k].result, ""));
        }
    }
    show(top->cli, table, NULL);
}

static void show_letters(const struct cli *cli, const json_t *rows)
{
    static const struct cli_column columns[] = {{"at", "DEAD LETTER AT (UTC)", false, false},
                                                {"core", "CORE", true, false},
                                                {"kind", "KIND", false, false},
                                                {"to", "TO", false, false},
                                                {"from", "FROM", false, false},
                                                {"actor", "OF", false, false},
                                                {"reason", "REASON", false, true}};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        put_time(table, row, false);
        put(table, row, "core");
        cli_table_printf(table, "%s %" PRId64, rv_json_str(row, "kind", ""),
                         rv_json_int(row, "number", 0));
        put(table, row, "to");
        put(table, row, "from");
        put(table, row, "actor");
        put(table, row, "reason");
    }
    show(cli, table, NULL);
}

static void show_all(const struct top *top, bool live)
{
    const struct cli *cli = top->cli;
    json_t *all = top->run != 0 ? json_incref(top->trace) : report(top);
    if (cli->json) {
        cli_print_json(&cli->output, all);
        return;
    }
    if (live) {
        fputs("\x1b[H\x1b[J", cli->output.data);
        cli_print(&cli->output, "%s, every %" PRId64 " s; Ctrl-C ends\n", top->url,
                  top->interval_s);
    }
    const json_t *owner = json_object_get(all, "owner");
    cli_say(&cli->output, "node %s", rv_json_str(all, "node", ""));
    if (owner != NULL) {
        cli_say(&cli->output, "the company is driven by node %s (%s), which could not be asked",
                rv_json_str(owner, "node", ""), rv_json_str(owner, "api", ""));
    }
    if (top->run != 0) {
        show_messages(top);
        show_story(top);
        fflush(cli->output.data);
        json_decref(all);
        return;
    }
    show_cores(cli, json_object_get(all, "cores"));
    show_tenants(cli, json_object_get(all, "tenants"));
    show_actors(cli, json_object_get(all, "actors"));
    show_stuck(cli, json_object_get(all, "stuck"));
    show_letters(cli, json_object_get(all, "dead_letters"));
    fflush(cli->output.data);
    json_decref(all);
}

/* ---- the command ---- */

/* False: somebody pressed Ctrl-C. */
static bool wait_for_next(const struct top *top, const sigset_t *ends)
{
    struct timespec time = {.tv_sec = (time_t)top->interval_s};
    return sigtimedwait(ends, NULL, &time) < 0;
}

static enum rv_code watch(struct top *top, bool live, struct rv_error *err)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    enum rv_code code = look(top, err);
    if (code == RV_OK && top->run != 0) { /* there is no difference to wait for */
        show_all(top, live);
        if (!live) {
            return RV_OK;
        }
    }
    while (code == RV_OK && wait_for_next(top, &ends)) {
        code = look(top, err);
        if (code == RV_OK) {
            show_all(top, live);
        }
        if (!live) {
            break;
        }
    }
    return code;
}

int cmd_top(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct top top = {.cli = cli};
    bool live = isatty(fileno(cli->output.data)) == 1 && !cli->json && !cli_flag(cli, "once");
    find_url(&top);
    enum rv_code code =
        cli_integer(cli, "interval", INTERVAL_DEFAULT_S, 1, INTERVAL_MAX_S, &top.interval_s, &err);
    if (code == RV_OK) {
        code = cli_integer(cli, "limit", ROWS_DEFAULT, 1, ROWS_MAX, &top.rows, &err);
    }
    if (code == RV_OK && cli_option(cli, "run") != NULL) {
        code = cli_run_id(cli_option(cli, "run"), &top.run, &err);
    }
    if (code == RV_OK) {
        code = find_token(&top, &err);
    }
    if (code == RV_OK) {
        code = watch(&top, live, &err);
    }
    json_decref(top.before);
    json_decref(top.now);
    json_decref(top.letters);
    json_decref(top.trace);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
