/* say_step.c -- see say_step.h. */
#include "runtime/cli/say_step.h"

#include "runtime/base/buf.h"
#include "runtime/base/check.h"
#include "runtime/cli/output.h"
#include "runtime/run/update.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { VALUE_SHOWN = 600 }; /* bytes of a value: a line that is read */

void say_json(const json_t *raw)
{
    char *text =
        raw != NULL ? json_dumps(raw, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    struct rv_buf clean;
    rv_buf_init(&clean, SIZE_MAX);
    cli_clean(&clean, text != NULL ? text : "null");
    size_t length = clean.length;
    if (length > VALUE_SHOWN) { /* not within a character */
        for (length = VALUE_SHOWN; length > 0 && (clean.data[length] & 0xC0) == 0x80; length--) {
        }
    }
    printf("%.*s%s", (int)length, clean.data, length < clean.length ? "…" : "");
    rv_buf_fini(&clean);
    rv_free(text);
}

static void say_books(const json_t *books)
{
    size_t i;
    json_t *line;
    json_array_foreach((json_t *)(uintptr_t)books, i, line)
    {
        printf("        %-28s debit %12" PRId64 "  credit %12" PRId64 " %s\n",
               rv_json_str(line, "name", rv_json_str(line, "account", "")),
               rv_json_int(line, "debit", 0), rv_json_int(line, "credit", 0),
               rv_json_str(line, "currency", ""));
    }
}

void say_rules(const json_t *rules)
{
    size_t i;
    json_t *rule;
    json_array_foreach((json_t *)(uintptr_t)rules, i, rule)
    {
        printf("%s\"%s\"", i > 0 ? ", " : "", json_string_value(rule));
    }
}

static void say_plan(const json_t *plan)
{
    size_t i;
    json_t *action;
    json_array_foreach(json_object_get(plan, "actions"), i, action)
    {
        printf("        %zu. %s: %s\n", i + 1, rv_json_str(action, "action", ""),
               rv_json_str(action, "reason", ""));
        size_t k;
        json_t *evidence;
        json_array_foreach(json_object_get(action, "evidence"), k, evidence)
        {
            printf("           - %s\n", json_string_value(evidence));
        }
    }
}

/* What was chosen, how sure it was (measured), and what answered. */
static void say_decision(const json_t *out, const json_t *value)
{
    const json_t *model = json_object_get(out, "model");
    const json_t *adapter = json_object_get(model, "adapter");
    const char *name;
    json_t *share;
    if (json_object_get(value, "choice") != NULL) {
        printf("asked the model, which chose \"%s\": %s\n", rv_json_str(value, "choice", ""),
               rv_json_str(value, "reason", ""));
    } else {
        printf("asked the model, which answered by a schema\n");
    }
    json_object_foreach(json_object_get(value, "probability"), name, share)
    {
        printf("           - %s %s\n", json_string_value(share), name);
    }
    if (rv_json_bool(out, "cut", false)) {
        printf("           - closed at its limit of tokens: it would have said more\n");
    }
    if (rv_json_int(value, "left_out", 0) > 0) {
        printf("           - not shown to it: %" PRId64
               " sentence(s) of outsiders that name an option\n",
               rv_json_int(value, "left_out", 0));
    }
    printf("           - %s, sha256 %.12s, %s, seed %" PRId64 "\n", rv_json_str(model, "name", ""),
           rv_json_str(model, "hash", ""), rv_json_str(model, "sampler", ""),
           rv_json_int(model, "seed", 0));
    if (adapter != NULL) {
        printf("           - adapter %s, sha256 %.12s\n", rv_json_str(adapter, "name", ""),
               rv_json_str(adapter, "hash", ""));
    }
}

static void say_child(const json_t *step, const json_t *out)
{
    const json_t *value = json_object_get(out, "value");
    const char *name = rv_json_str(step, "name", "");
    if (!rv_json_bool(out, "ok", false)) {
        printf("%s: no, %s (%s)\n", name, rv_json_str(out, "message", ""),
               rv_json_str(out, "code", ""));
    } else if (strcmp(name, "await") == 0) {
        printf("%s came to its end: %s\n", rv_json_str(value, "run", ""),
               rv_json_str(value, "status", ""));
    } else {
        const char *as = rv_json_str(value, "as", NULL);
        printf("%s agent %s: %s%s%s\n", strcmp(name, "start") == 0 ? "started" : "handed over to",
               rv_json_str(value, "agent", ""), rv_json_str(value, "run", ""),
               as != NULL ? " as " : "", as != NULL ? as : "");
    }
}

/* An action outside: that it was intended stands before; here is what became of it. */
static void say_effect(const json_t *step, const json_t *out)
{
    const json_t *answer = json_object_get(out, "answer");
    int64_t status = rv_json_int(answer, "status", 0);
    printf("%s outside: ", rv_json_str(step, "name", ""));
    if (rv_json_bool(out, "ok", false)) {
        printf("done");
    } else {
        printf("not done, %s (%s)", rv_json_str(out, "message", ""), rv_json_str(out, "code", ""));
    }
    if (status != 0) {
        printf(", status %" PRId64, status);
    }
    printf("; key %s, attempts %" PRId64 ", known by %s", rv_json_str(out, "key", "-"),
           rv_json_int(out, "attempts", 0), rv_json_str(out, "how", ""));
    if (rv_json_str(out, "person", NULL) != NULL) {
        printf(" %s: %s", rv_json_str(out, "person", ""), rv_json_str(out, "reason", ""));
    }
    putchar('\n');
}

static void say_read(const json_t *step)
{
    const char *name = rv_json_str(step, "name", "");
    const char *what = strncmp(name, "memory.", 7) == 0 ? "looked into its memory"
                       : strncmp(name, "blob.", 5) == 0 ? "read a stored content"
                                                        : "looked at the books";
    printf("%s: %s\n", what, name);
}

static void say_note(const json_t *step, const json_t *out)
{
    const char *name = rv_json_str(step, "name", "");
    const char *text = rv_json_str(json_object_get(out, "value"), "text", NULL);
    if (strcmp(name, "version") == 0) {
        printf("goes on with version %s of its agent (plan %.12s), by %s\n",
               rv_json_str(out, "version", ""), rv_json_str(out, "plan", ""),
               rv_json_str(out, "by", ""));
    } else if (strcmp(name, "end") == 0) {
        printf("comes to its end: %s, %s\n", rv_json_str(out, "code", ""),
               rv_json_str(out, "message", ""));
    } else if (text != NULL) {
        printf("notes: %s\n", text);
    } else {
        printf("note %s\n", name);
    }
}

/* Without the prefix of those that carry updates. */
static const char *message_name(const char *name)
{
    size_t length = strlen(RV_UPDATE_SIGNAL);
    return strncmp(name, RV_UPDATE_SIGNAL, length) == 0 ? name + length : name;
}

static void say_until(const json_t *out)
{
    int64_t until_us = rv_json_int(out, "until_us", 0);
    time_t seconds = (time_t)(until_us / 1000000);
    struct tm utc;
    char text[40];
    if (until_us > 0 && gmtime_r(&seconds, &utc) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0) {
        printf(", until %s", text);
    }
    putchar('\n');
}

static void say_wait(const json_t *step, const json_t *out)
{
    const char *name = rv_json_str(step, "name", "");
    if (strcmp(name, "signal.wait") == 0 || strcmp(name, "update.wait") == 0) {
        printf("waits for %s \"%s\"", strcmp(name, "signal.wait") == 0 ? "the signal" : "an update",
               message_name(rv_json_str(out, "name", "")));
    } else if (strcmp(name, "await.wait") == 0) {
        printf("waits for %s", rv_json_str(out, "run", ""));
    } else {
        printf("%s", strcmp(name, "sleep") == 0 ? "sleeps" : name);
    }
    say_until(out);
}

/* A signal or an update that came, or that did not come in time. */
static void say_message(const json_t *step, const json_t *raw, const json_t *told)
{
    bool update = strcmp(rv_json_str(step, "name", ""), "update") == 0;
    const json_t *out = json_object_get(step, "out");
    const json_t *value = json_object_get(out, "value");
    const json_t *body = json_object_get(raw, "value");
    const char *name = rv_json_str(told, "name", NULL);
    const char *who = rv_json_str(told, "sent_by", update ? rv_json_str(value, "by", NULL) : NULL);
    if (!rv_json_bool(out, "ok", false)) {
        printf("%s (%s)\n", rv_json_str(out, "message", ""), rv_json_str(out, "code", ""));
        return;
    }
    printf("got the %s", update ? "update" : "signal");
    if (name != NULL) {
        printf(" \"%s\"", message_name(name));
    }
    if (update) {
        printf(" %s", rv_json_str(value, "id", ""));
        body = json_object_get(body, "body");
    }
    printf("%s%s: ", who != NULL ? " from " : "", who != NULL ? who : "");
    say_json(body);
    putchar('\n');
}

/* What it published, or answered. */
static void say_told(const json_t *step, const json_t *raw)
{
    const json_t *out = json_object_get(step, "out");
    const char *name = rv_json_str(step, "name", "");
    const char *of = strchr(name, '.');
    if (!rv_json_bool(out, "ok", false)) {
        printf("%s: no, %s (%s)\n", name, rv_json_str(out, "message", ""),
               rv_json_str(out, "code", ""));
        return;
    }
    if (strcmp(rv_json_str(step, "kind", ""), "publish") == 0) {
        printf("tells \"%s\": ", of != NULL ? of + 1 : name);
        say_json(json_object_get(raw, "published"));
    } else {
        bool refused = strcmp(rv_json_str(out, "state", ""), "refused") == 0;
        printf("%s the update %s: ", refused ? "refused" : "answered", of != NULL ? of + 1 : name);
        say_json(json_object_get(raw, refused ? "reason" : "result"));
    }
    putchar('\n');
}

void say_step(const json_t *step, const json_t *raw, const json_t *told)
{
    const char *kind = rv_json_str(step, "kind", "");
    const json_t *out = json_object_get(step, "out");
    printf("  %3" PRId64 "  ", rv_json_int(step, "seq", 0));
    if (strcmp(kind, "read") == 0) {
        say_read(step);
    } else if (strcmp(kind, "model") == 0) {
        const json_t *value = json_object_get(out, "value");
        if (rv_json_bool(out, "ok", false)) {
            say_decision(out, value);
        } else {
            printf("asked the model: %s (%s)\n", rv_json_str(out, "code", ""),
                   rv_json_str(out, "message", ""));
        }
    } else if (strcmp(kind, "plan") == 0) {
        printf("proposed: %s\n", rv_json_str(out, "summary", ""));
        say_plan(out);
    } else if (strcmp(kind, "action") == 0 || strcmp(kind, "compensation") == 0) {
        printf("%s %s: %s", strcmp(kind, "action") == 0 ? "asked the gate for" : "took back by",
               rv_json_str(step, "name", ""), rv_json_str(out, "result", ""));
        if (json_array_size(json_object_get(out, "rules")) > 0) {
            printf(" by rule ");
            say_rules(json_object_get(out, "rules"));
        }
        printf(" %s\n", rv_json_str(out, "message", ""));
        say_books(json_object_get(out, "books"));
    } else if (strcmp(kind, "effect") == 0) {
        say_effect(step, out);
    } else if (strcmp(kind, "start") == 0 || strcmp(kind, "child") == 0) {
        say_child(step, out);
    } else if (strcmp(kind, "approval") == 0) {
        printf("people answered: %s\n", rv_json_str(step, "name", ""));
    } else if (strcmp(kind, "note") == 0) {
        say_note(step, out);
    } else if (strcmp(kind, "timer") == 0) {
        say_wait(step, out);
    } else if (strcmp(kind, "signal") == 0) {
        say_message(step, json_object_get(raw, "out"), told);
    } else if (strcmp(kind, "publish") == 0 || strcmp(kind, "reply") == 0) {
        say_told(step, json_object_get(raw, "out"));
    } else {
        const char *name =
            rv_json_str(step, "name", ""); /* "outcome", "memory.set": says it by itself */
        bool same = strncmp(name, kind, strlen(kind)) == 0;
        printf("%s%s%s\n", same ? "" : kind, same ? "" : " ", name);
    }
}

void say_effects_standing(FILE *to, const json_t *effects, const json_t *settled)
{
    size_t count = json_array_size(effects);
    size_t i;
    json_t *one;
    if (count > 0) {
        fprintf(to, "%zu effect%s and could not be taken back:\n", count,
                count == 1 ? " stands" : "s stand");
    }
    json_array_foreach((json_t *)(uintptr_t)effects, i, one)
    {
        const char *connector = rv_json_str(one, "connector", NULL);
        const char *key = rv_json_str(one, "key", NULL);
        fprintf(to, "  action %" PRId64 ", %s%s%s%s%s: undo %s: %s\n",
                rv_json_int(one, "number", 0), rv_json_str(one, "action", ""),
                connector != NULL ? " through " : "", connector != NULL ? connector : "",
                key != NULL ? ", key " : "", key != NULL ? key : "", rv_json_str(one, "undo", ""),
                rv_json_str(one, "reason", ""));
    }
    if (json_is_object(settled)) {
        fprintf(to, "settled by %s at %.19s: %s\n", rv_json_str(settled, "by", ""),
                rv_json_str(settled, "at", ""), rv_json_str(settled, "reason", ""));
    }
}
