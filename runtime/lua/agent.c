/* agent.c -- loading an agent: compile, run its text once, read and check the manifest. */
#include "lua_assets.h"
#include "runtime/base/check.h"
#include "runtime/base/words.h"
#include "runtime/lua/engine.h"
#include "runtime/lua/flow_rules.h"
#include "runtime/lua/source.h"
#include "runtime/lua/values.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

enum {
    HANDLES_MAX = 64,
    USES_MAX = 64,
    TEXT_MAX = 64,
    SUMMARY_MAX = 500,
    UPDATES_MAX = 32,
    MONEY_MAX = 8,     /* currencies; RV_BUDGET_MONEY_MAX of the gate */
    PRIORITY_MAX = 100 /* RV_CLAIM_PRIORITY_MAX of the run room */
};

/* So that a deadline, in microseconds, can be said for any beginning: the most that a raise may
 * add.
 */
static const int64_t wall_ms_max = INT64_C(1) << 53;

/* ---- compiling ---- */

static int write_code(lua_State *lua, const void *bytes, size_t length, void *data)
{
    (void)lua;
    rv_buf_add(data, bytes, length);
    return 0;
}

struct compiling {
    struct rv_agent *agent;
    const struct rv_buf *prelude; /* as source_read made them */
    const struct rv_buf *text;
};

static void compile_text(lua_State *lua, const char *text, size_t length, const char *chunk,
                         struct rv_buf *out, bool strip)
{
    if (luaL_loadbufferx(lua, text, length, chunk, "t") != LUA_OK) {
        lua_error(lua);
    }
    lua_dump(lua, write_code, out, strip);
    lua_pop(lua, 1);
}

static int compile(lua_State *lua)
{
    struct compiling *compiling = lua_touserdata(lua, 1);
    struct rv_agent *agent = compiling->agent;
    if (compiling->prelude->length > 0) {
        compile_text(lua, compiling->prelude->data, compiling->prelude->length, "=(reeve)",
                     &agent->prelude->code, true);
    }
    char chunk[ENGINE_NAME_BYTES + 2];
    snprintf(chunk, sizeof chunk, "=%s", agent->name);
    compile_text(lua, compiling->text->data, compiling->text->length, chunk, &agent->code,
                 false); /* with names and lines: messages need them */
    return 0;
}

static enum rv_code compile_read(struct compiling *compiling, struct rv_error *err)
{
    struct rv_agent *agent = compiling->agent;
    struct sealed sealed;
    sealed_open(&sealed, RV_PLAN_MEMORY_MAX, RV_PLAN_INSTRUCTIONS_MAX);
    lua_pushcfunction(sealed.lua, compile);
    lua_pushlightuserdata(sealed.lua, compiling);
    int status = lua_pcall(sealed.lua, 1, 0, 0);
    enum rv_code code = status == LUA_OK
                            ? rv_buf_ok(&agent->code, "the compiled agent", err)
                            : sealed_failure(&sealed, sealed.lua, status, agent->name, err);
    sealed_close(&sealed);
    return code;
}

static enum rv_code compile_agent(struct rv_agent *agent, size_t length, struct rv_error *err)
{
    const struct rv_asset *asset = rv_asset_find(rv_lua_assets, "prelude.lua");
    RV_ASSERT(asset != NULL);
    struct rv_buf prelude; /* empty: it is compiled already */
    struct rv_buf text;
    rv_buf_init(&prelude, ENGINE_CODE_MAX);
    rv_buf_init(&text, ENGINE_CODE_MAX);
    struct compiling compiling = {agent, &prelude, &text};
    enum rv_code code = RV_OK;
    if (agent->prelude->code.length == 0) {
        code = source_read(asset->bytes, rv_asset_size(asset), "prelude.lua", &prelude, err);
    }
    code = code == RV_OK ? source_read(agent->source, length, agent->name, &text, err) : code;
    code = code == RV_OK ? compile_read(&compiling, err) : code;
    rv_buf_fini(&prelude);
    rv_buf_fini(&text);
    return code;
}

/* ---- the manifest ---- */

/* The line where the source sets a field, for messages; 1 when it does not. */
static int line_of(const char *source, const char *field)
{
    int line = 1;
    size_t length = strcspn(field, "["); /* "flow[2]" stands where flow does */
    for (const char *at = source; *at != '\0'; at++) {
        if (*at == '\n') {
            line++;
        } else if (strncmp(at, field, length) == 0 &&
                   at[length + strspn(at + length, " ")] == '=') {
            return line;
        }
    }
    return 1;
}

static enum rv_code bad_field(const struct rv_agent *agent, const char *field, const char *rule,
                              struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "%s:%d: field \"%s\" %s", agent->name, line_of(agent->source, field),
            field, rule);
    rv_hint(err, "See agents/README.md for the manifest.");
    return RV_INVALID;
}

static bool is_text(const json_t *value, size_t most)
{
    return json_is_string(value) && json_string_length(value) > 0 &&
           json_string_length(value) <= most;
}

/* A list of different short texts. */
/* Lua's {} may be either. */
static void empty_lists(json_t *manifest)
{
    static const char *const lists[] = {"handles", "uses"};
    for (size_t i = 0; i < RV_COUNT(lists); i++) {
        json_t *list = json_object_get(manifest, lists[i]);
        if (json_is_object(list) && json_object_size(list) == 0) {
            json_object_set_new(manifest, lists[i], json_array());
        }
    }
}

static bool is_text_list(const json_t *list, size_t most)
{
    if (!json_is_array(list) || json_array_size(list) > most) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!is_text(json_array_get(list, i), TEXT_MAX)) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (json_equal(json_array_get(list, i), json_array_get(list, j))) {
                return false;
            }
        }
    }
    return true;
}

/* { EUR = 500000, USD = 100000 }: minor units by currency. */
static bool is_money(const json_t *money)
{
    const char *currency;
    json_t *value;
    if (!json_is_object(money) || json_object_size(money) == 0 ||
        json_object_size(money) > MONEY_MAX) {
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)money, currency, value)
    {
        if (strlen(currency) != 3 || strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3 ||
            !json_is_integer(value) || json_integer_value(value) < 0) {
            return false;
        }
    }
    return true;
}

static bool are_limits(const json_t *limits)
{
    static const char *const known[] = {"steps",       "calls",   "tokens", "risk",
                                        "money_minor", "wall_ms", "depth",  "children"};
    const char *key;
    json_t *value;
    if (limits != NULL && !json_is_object(limits)) {
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)limits, key, value)
    {
        bool is_known = false;
        if (strcmp(key, "money") == 0) {
            /* one limit a currency; money_minor is the same for the company's own */
            if (!is_money(value) || json_object_get(limits, "money_minor") != NULL) {
                return false;
            }
            continue;
        }
        for (size_t i = 0; i < RV_COUNT(known); i++) {
            is_known = is_known || strcmp(known[i], key) == 0;
        }
        if (!is_known || !json_is_integer(value) || json_integer_value(value) < 0) {
            return false;
        }
    }
    return true;
}

/* { deliver = { type = "object", ... } }: what a schema may say is checked where it is used. */
static bool are_updates(const json_t *updates)
{
    const char *name;
    json_t *schema;
    if (updates == NULL || (json_is_array(updates) && json_array_size(updates) == 0)) {
        return true;
    }
    if (!json_is_object(updates) || json_object_size(updates) > UPDATES_MAX) {
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)updates, name, schema)
    {
        if (name[0] == '\0' || name[0] == '$' || strlen(name) > TEXT_MAX ||
            !json_is_object(schema)) {
            return false;
        }
    }
    return true;
}

static bool is_one_of(const json_t *value, const char *words)
{
    return value == NULL ||
           (json_is_string(value) && rv_words_have(words, json_string_value(value)));
}

static enum rv_code check_manifest(const struct rv_agent *agent, struct rv_error *err)
{
    const json_t *manifest = agent->manifest;
    const json_t *summary = json_object_get(manifest, "summary");
    if (!is_text(json_object_get(manifest, "name"), TEXT_MAX - 1)) {
        return bad_field(agent, "name", "must be a short text", err);
    }
    if (!is_text(json_object_get(manifest, "version"), TEXT_MAX)) {
        return bad_field(agent, "version", "must be a text like \"1.0\"", err);
    }
    if (summary != NULL && !is_text(summary, SUMMARY_MAX)) {
        return bad_field(agent, "summary", "must be a sentence", err);
    }
    if (!is_text_list(json_object_get(manifest, "handles"), HANDLES_MAX)) {
        return bad_field(agent, "handles", "must be a list of exception codes like {\"F01\"}", err);
    }
    if (!is_text_list(json_object_get(manifest, "uses"), USES_MAX)) {
        return bad_field(agent, "uses", "must be a list of actions like {\"invoice.hold\"}", err);
    }
    if (!are_limits(json_object_get(manifest, "limits"))) {
        return bad_field(
            agent, "limits",
            "may hold steps, calls, tokens, risk, wall_ms, depth and children, each an "
            "integer >= 0, and money by currency, e.g. { EUR = 500000 } in minor units, or "
            "money_minor, which is the company's own currency",
            err);
    }
    if (rv_json_int(json_object_get(manifest, "limits"), "wall_ms", 0) > wall_ms_max) {
        return bad_field(
            agent, "limits",
            "may give wall_ms at most 9007199254740992 (2^53): leave it out, or 0, for "
            "no limit",
            err);
    }
    const char *overrun = rv_json_str(manifest, "overrun", "stop");
    if ((json_object_get(manifest, "overrun") != NULL &&
         !json_is_string(json_object_get(manifest, "overrun"))) ||
        (strcmp(overrun, "stop") != 0 && strcmp(overrun, "degrade") != 0 &&
         strcmp(overrun, "ask") != 0)) {
        return bad_field(agent, "overrun", "must be \"stop\", \"degrade\" or \"ask\"", err);
    }
    if (!is_one_of(json_object_get(manifest, "claims"), "first merge priority ask")) {
        return bad_field(agent, "claims", "must be \"first\", \"merge\", \"priority\" or \"ask\"",
                         err);
    }
    const json_t *priority = json_object_get(manifest, "priority");
    if (priority != NULL && (!json_is_integer(priority) || json_integer_value(priority) < 0 ||
                             json_integer_value(priority) > PRIORITY_MAX)) {
        return bad_field(agent, "priority", "must be a number from 0 to 100", err);
    }
    char field[40];
    char rule[160];
    const char *problem = flow_rules_problem(json_object_get(manifest, "flow"), field, sizeof field,
                                             rule, sizeof rule);
    if (problem != NULL) {
        return bad_field(agent, field, problem, err);
    }
    if (!are_updates(json_object_get(manifest, "updates"))) {
        return bad_field(agent, "updates",
                         "must give a schema for each name (at most 32, of 1 to 64 bytes, none "
                         "begins with \"$\"), like { deliver = { type = \"object\", properties = "
                         "{ day = { type = \"string\", format = \"date\" } } } }",
                         err);
    }
    return RV_OK;
}

/* Takes a field of the agent's table (on top of the stack) into the manifest. */
static enum rv_code take_field(struct rv_agent *agent, lua_State *lua, const char *field,
                               struct rv_error *err)
{
    char problem[VALUES_PROBLEM_BYTES];
    lua_pushstring(lua, field);
    lua_rawget(lua, -2);
    if (!lua_isnil(lua, -1)) {
        json_t *value = values_to_json(lua, -1, problem);
        if (value == NULL) {
            return bad_field(agent, field, problem, err);
        }
        json_object_set_new(agent->manifest, field, value);
    }
    lua_pop(lua, 1);
    return RV_OK;
}

static bool has_function(lua_State *lua, const char *field)
{
    lua_pushstring(lua, field);
    bool found = lua_rawget(lua, -2) == LUA_TFUNCTION;
    lua_pop(lua, 1);
    return found;
}

struct reading {
    struct rv_agent *agent;
    struct rv_error *err;
    enum rv_code code;
};

/* Under pcall, because pushing a field's name may need memory.  Stack: reading, agent table. */
static int read_manifest(lua_State *lua)
{
    static const char *const fields[] = {"name",   "version",  "summary", "handles",
                                         "uses",   "limits",   "overrun", "updates",
                                         "claims", "priority", "flow"};
    struct reading *reading = lua_touserdata(lua, 1);
    struct rv_agent *agent = reading->agent;
    agent->manifest = json_object();
    for (size_t i = 0; i < RV_COUNT(fields) && reading->code == RV_OK; i++) {
        reading->code = take_field(agent, lua, fields[i], reading->err);
    }
    if (reading->code != RV_OK) {
        return 0;
    }
    agent->has_review = has_function(lua, "review");
    if (!has_function(lua, "plan")) {
        reading->code = bad_field(agent, "plan", "is missing: function agent.plan(ctx, exception)",
                                  reading->err);
    }
    return 0;
}

static enum rv_code open_manifest(struct rv_agent *agent, struct rv_error *err)
{
    struct rv_plan plan = {0};
    enum rv_code code = engine_open(&plan, agent, err);
    if (code != RV_OK) {
        return code;
    }
    lua_State *lua = plan.sealed.lua;
    struct reading reading = {agent, err, RV_OK};
    lua_pushcfunction(lua, read_manifest);
    lua_pushlightuserdata(lua, &reading);
    lua_pushvalue(lua, 2); /* the agent's table */
    int status = lua_pcall(lua, 2, 0, 0);
    code = status == LUA_OK ? reading.code
                            : sealed_failure(&plan.sealed, lua, status, agent->name, err);
    engine_close(&plan);
    empty_lists(agent->manifest);
    return code == RV_OK ? check_manifest(agent, err) : code;
}

/* ---- life ---- */

static struct prelude *prelude_take(const struct rv_agent *other)
{
    struct prelude *prelude = other != NULL ? other->prelude : NULL;
    if (prelude == NULL) {
        prelude = rv_alloc(sizeof *prelude);
        rv_buf_init(&prelude->code, ENGINE_CODE_MAX);
    }
    prelude->users++;
    return prelude;
}

static void prelude_leave(struct prelude *prelude)
{
    if (--prelude->users == 0) {
        rv_buf_fini(&prelude->code);
        rv_free(prelude);
    }
}

enum rv_code rv_agent_load(const char *source, size_t length, const char *name,
                           struct rv_agent **out, struct rv_error *err)
{
    return rv_agent_load_beside(NULL, source, length, name, out, err);
}

enum rv_code rv_agent_load_beside(const struct rv_agent *other, const char *source, size_t length,
                                  const char *name, struct rv_agent **out, struct rv_error *err)
{
    if (length > RV_AGENT_SOURCE_MAX) {
        return rv_fail(err, RV_LIMIT, "agent \"%s\" is larger than %d bytes", name,
                       RV_AGENT_SOURCE_MAX);
    }
    if (length > 0 && source[0] == LUA_SIGNATURE[0]) {
        return rv_fail(err, RV_INVALID, "agent \"%s\" is bytecode: a plan is text", name);
    }
    struct rv_agent *agent = rv_alloc(sizeof *agent);
    agent->source = rv_strndup(source, length);
    agent->hash = rv_sha256(source, length);
    snprintf(agent->name, sizeof agent->name, "%s", name);
    agent->prelude = prelude_take(other);
    rv_buf_init(&agent->code, ENGINE_CODE_MAX);
    enum rv_code code = compile_agent(agent, length, err);
    if (code == RV_OK) {
        code = open_manifest(agent, err);
    }
    if (code != RV_OK) {
        rv_agent_destroy(agent);
        return code;
    }
    *out = agent;
    return RV_OK;
}

void rv_agent_destroy(struct rv_agent *agent)
{
    if (agent != NULL) {
        json_decref(agent->manifest);
        prelude_leave(agent->prelude);
        rv_buf_fini(&agent->code);
        rv_free(agent->source);
        rv_free(agent);
    }
}

const json_t *rv_agent_manifest(const struct rv_agent *agent)
{
    return agent->manifest;
}

struct rv_hash rv_agent_hash(const struct rv_agent *agent)
{
    return agent->hash;
}

bool rv_agent_has_review(const struct rv_agent *agent)
{
    return agent->has_review;
}
