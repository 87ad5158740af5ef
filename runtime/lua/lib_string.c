/* lib_string.c -- string: patterns with a budget, and no function that shows an address.
 *
 * No hook runs inside C, so Lua's own find can be made to run for hours by a page of text. Matching
 * is done by pattern.c, which stops when the run's work is spent; what it spent is charged like
 * instructions.
 */
#include "runtime/base/check.h"
#include "runtime/lua/libs.h"
#include "runtime/lua/pattern.h"
#include "runtime/lua/sealed.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <string.h>

enum {
    STEPS_PER_WORK = 1,       /* a step of the matcher takes about as long as an instruction */
    BYTES_PER_WORK = 4,       /* memmem looks at that many in the same time */
    WORK_PER_CONVERSION = 150 /* "%99.99f" of a large number writes 400 digits */
};

/* ---- matching ---- */

/* The compiled pattern lives in a userdata that is pushed: garbage like everything else. */
static const struct pattern *compile(lua_State *lua, int index)
{
    size_t length = 0;
    const char *text = luaL_checklstring(lua, index, &length);
    if (length > PATTERN_LENGTH_MAX) {
        luaL_argerror(lua, index, "the pattern is longer than 256 characters");
    }
    struct pattern *pattern = lua_newuserdatauv(lua, pattern_size(length), 0);
    const char *problem = pattern_compile(text, length, pattern);
    if (problem != NULL) {
        luaL_argerror(lua, index, lua_pushfstring(lua, "malformed pattern: %s", problem));
    }
    return pattern;
}

struct subject {
    const char *text;
    size_t length;
};

static bool search(lua_State *lua, const struct pattern *pattern, struct subject subject,
                   size_t from, size_t barred, struct pattern_match *match)
{
    int64_t budget = sealed_left(sealed_of(lua)) * STEPS_PER_WORK;
    int64_t steps = budget;
    enum pattern_result result =
        pattern_find(pattern, subject.text, subject.length, from, barred, &steps, match);
    /* one more than there was, when all was spent: the charge raises */
    sealed_charge(lua, (budget - steps) / STEPS_PER_WORK + (result == PATTERN_SPENT));
    return result == PATTERN_YES;
}

static void push_capture(lua_State *lua, const struct pattern *pattern, struct subject subject,
                         const struct pattern_match *match, int number)
{
    if (number == 0 && pattern->capture_count == 0) {
        lua_pushlstring(lua, subject.text + match->start, match->end - match->start);
        return;
    }
    const struct pattern_capture *capture = &match->captures[number];
    if (capture->position) {
        lua_pushinteger(lua, (lua_Integer)capture->start + 1);
    } else {
        lua_pushlstring(lua, subject.text + capture->start, capture->length);
    }
}

/* All captures; the whole match when there are none. */
static int push_captures(lua_State *lua, const struct pattern *pattern, struct subject subject,
                         const struct pattern_match *match)
{
    int count = pattern->capture_count > 0 ? pattern->capture_count : 1;
    luaL_checkstack(lua, count, "too many captures");
    for (int i = 0; i < count; i++) {
        push_capture(lua, pattern, subject, match, i);
    }
    return count;
}

static struct subject check_subject(lua_State *lua)
{
    struct subject subject = {0};
    subject.text = luaL_checklstring(lua, 1, &subject.length);
    return subject;
}

/* The place where a search begins, from 0; beyond the end when there is none. */
static size_t check_init(lua_State *lua, int index, size_t length)
{
    lua_Integer init = luaL_optinteger(lua, index, 1);
    if (init > 0) {
        return (size_t)init - 1;
    }
    return init == 0 || init < -(lua_Integer)length ? 0 : length + (size_t)init;
}

/* ---- find, match, gmatch ---- */

static int find_plain(lua_State *lua, struct subject subject, size_t from)
{
    size_t length = 0;
    const char *wanted = luaL_checklstring(lua, 2, &length);
    sealed_charge(lua, (int64_t)(subject.length - from) / BYTES_PER_WORK);
    const char *at = memmem(subject.text + from, subject.length - from, wanted, length);
    if (at == NULL) {
        lua_pushnil(lua);
        return 1;
    }
    lua_pushinteger(lua, at - subject.text + 1);
    lua_pushinteger(lua, at - subject.text + (lua_Integer)length);
    return 2;
}

static int find(lua_State *lua)
{
    struct subject subject = check_subject(lua);
    size_t from = check_init(lua, 3, subject.length);
    if (from > subject.length) {
        lua_pushnil(lua);
        return 1;
    }
    if (lua_toboolean(lua, 4)) {
        return find_plain(lua, subject, from);
    }
    struct pattern_match match;
    const struct pattern *pattern = compile(lua, 2);
    if (!search(lua, pattern, subject, from, SIZE_MAX, &match)) {
        lua_pushnil(lua);
        return 1;
    }
    lua_pushinteger(lua, (lua_Integer)match.start + 1);
    lua_pushinteger(lua, (lua_Integer)match.end);
    int captures = pattern->capture_count > 0 ? push_captures(lua, pattern, subject, &match) : 0;
    return 2 + captures;
}

static int match_once(lua_State *lua)
{
    struct subject subject = check_subject(lua);
    size_t from = check_init(lua, 3, subject.length);
    struct pattern_match match;
    const struct pattern *pattern = compile(lua, 2);
    if (from > subject.length || !search(lua, pattern, subject, from, SIZE_MAX, &match)) {
        lua_pushnil(lua);
        return 1;
    }
    return push_captures(lua, pattern, subject, &match);
}

/* Upvalues: subject, compiled pattern, place, where the last match ended or -1. */
static int gmatch_next(lua_State *lua)
{
    struct subject subject = {0};
    subject.text = lua_tolstring(lua, lua_upvalueindex(1), &subject.length);
    const struct pattern *pattern = lua_touserdata(lua, lua_upvalueindex(2));
    size_t from = (size_t)lua_tointeger(lua, lua_upvalueindex(3));
    size_t barred = (size_t)lua_tointeger(lua, lua_upvalueindex(4));
    struct pattern_match match;
    if (from > subject.length || !search(lua, pattern, subject, from, barred, &match)) {
        lua_pushnil(lua);
        return 1;
    }
    lua_pushinteger(lua, (lua_Integer)match.end);
    lua_copy(lua, -1, lua_upvalueindex(3));
    lua_replace(lua, lua_upvalueindex(4));
    return push_captures(lua, pattern, subject, &match);
}

static int gmatch(lua_State *lua)
{
    struct subject subject = check_subject(lua);
    size_t from = check_init(lua, 3, subject.length);
    lua_settop(lua, 2);
    if (compile(lua, 2)->anchored) {
        return luaL_argerror(lua, 2, "\"^\" would match once: use string.match");
    }
    lua_replace(lua, 2);
    lua_pushinteger(lua, (lua_Integer)from);
    lua_pushinteger(lua, -1);
    lua_pushcclosure(lua, gmatch_next, 4);
    return 1;
}

/* ---- gsub ---- */

struct substitution {
    const struct pattern *pattern;
    struct subject subject;
    struct pattern_match match;
    int replacement; /* its type */
};

/* "%0" the match, "%1".."%9" a capture, "%%" a percent sign. */
static void add_text(lua_State *lua, struct substitution *s, luaL_Buffer *out)
{
    size_t length = 0;
    const char *text = lua_tolstring(lua, 3, &length);
    int captures = s->pattern->capture_count > 0 ? s->pattern->capture_count : 1;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c != '%') {
            luaL_addchar(out, c);
            continue;
        }
        c = ++i < length ? text[i] : '\0';
        if (c == '%') {
            luaL_addchar(out, c);
        } else if (c == '0') {
            luaL_addlstring(out, s->subject.text + s->match.start, s->match.end - s->match.start);
        } else if (c >= '1' && c <= '9' && c - '1' < captures) {
            push_capture(lua, s->pattern, s->subject, &s->match, c - '1');
            luaL_addvalue(out);
        } else {
            luaL_error(lua,
                       "gsub: \"%%\" in the replacement must be followed by %%, 0 or the number "
                       "of a capture");
        }
    }
}

static void add_replacement(lua_State *lua, struct substitution *s, luaL_Buffer *out)
{
    if (s->replacement == LUA_TSTRING || s->replacement == LUA_TNUMBER) {
        add_text(lua, s, out);
        return;
    }
    if (s->replacement == LUA_TTABLE) {
        push_capture(lua, s->pattern, s->subject, &s->match, 0);
        lua_gettable(lua, 3);
    } else {
        lua_pushvalue(lua, 3);
        lua_call(lua, push_captures(lua, s->pattern, s->subject, &s->match), 1);
    }
    if (!lua_toboolean(lua, -1)) {
        lua_pop(lua, 1);
        luaL_addlstring(out, s->subject.text + s->match.start, s->match.end - s->match.start);
    } else if (lua_isstring(lua, -1)) {
        luaL_addvalue(out);
    } else {
        luaL_error(lua, "gsub: the replacement is a %s, not text", luaL_typename(lua, -1));
    }
}

static int gsub(lua_State *lua)
{
    struct substitution s = {.subject = check_subject(lua), .replacement = lua_type(lua, 3)};
    luaL_argexpected(lua,
                     s.replacement == LUA_TSTRING || s.replacement == LUA_TNUMBER ||
                         s.replacement == LUA_TTABLE || s.replacement == LUA_TFUNCTION,
                     3, "text, a table or a function");
    lua_Integer most = luaL_optinteger(lua, 4, LUA_MAXINTEGER);
    s.pattern = compile(lua, 2);
    size_t from = 0;
    size_t barred = SIZE_MAX;
    lua_Integer count = 0;
    luaL_Buffer out;
    luaL_buffinit(lua, &out);
    while (count < most && search(lua, s.pattern, s.subject, from, barred, &s.match)) {
        luaL_addlstring(&out, s.subject.text + from, s.match.start - from);
        add_replacement(lua, &s, &out);
        from = barred = s.match.end;
        count++;
        if (s.pattern->anchored) {
            break;
        }
    }
    luaL_addlstring(&out, s.subject.text + from, s.subject.length - from);
    luaL_pushresult(&out);
    lua_pushinteger(lua, count);
    return 2;
}

/* ---- rep, format ---- */

static lua_CFunction stock(lua_State *lua)
{
    return lua_tocfunction(lua, lua_upvalueindex(1));
}

static int rep(lua_State *lua)
{
    size_t length = 0;
    size_t separator = 0;
    luaL_checklstring(lua, 1, &length);
    lua_Integer times = luaL_checkinteger(lua, 2);
    luaL_optlstring(lua, 3, "", &separator);
    if (times > 0 && length + separator > 0 &&
        (lua_Unsigned)times > LIBS_TEXT_MAX / (length + separator)) {
        return luaL_error(lua, "rep: the text would be longer than %d bytes", LIBS_TEXT_MAX);
    }
    return stock(lua)(lua);
}

/* %p would show an address, %a is spelled as the machine likes, tables and functions have only an
 * address to show; the rest is Lua's. */
static int format(lua_State *lua)
{
    size_t length = 0;
    const char *text = luaL_checklstring(lua, 1, &length);
    int argument = 1;
    for (const char *at = text; at < text + length; at++) {
        if (*at != '%') {
            continue;
        }
        if (*++at == '%') {
            continue;
        }
        at += strspn(at, "-+ #0123456789.");
        if (*at == '\0' || strchr("cdioxXeEfgGqsu", *at) == NULL) {
            char letter[2] = {*at, '\0'};
            return luaL_error(lua, "format: \"%%%s\" is not offered; %%d %%s %%q %%x %%f %%g are",
                              letter);
        }
        int type = lua_type(lua, ++argument);
        if (type >= LUA_TTABLE || type == LUA_TLIGHTUSERDATA) {
            return luaL_error(lua, "format: argument %d is a %s, not text or a number",
                              argument - 1, lua_typename(lua, type));
        }
        if (type == LUA_TNUMBER && isnan(lua_tonumber(lua, argument))) {
            lua_pushnumber(lua, copysign(NAN, 1)); /* its sign differs by machine */
            lua_replace(lua, argument);
        }
    }
    sealed_charge(lua, (int64_t)length / BYTES_PER_WORK + (argument - 1) * WORK_PER_CONVERSION);
    return stock(lua)(lua);
}

/* ---- the table ---- */

static const struct libs_function string_functions[] = {
    {"byte", NULL},    {"char", NULL},     {"find", find}, /* pattern functions: as the manual says,
                                                              patterns up to 256 characters */
    {"format", NULL},  {"gmatch", gmatch}, /* a pattern that begins with ^ is refused */
    {"gsub", gsub},    {"len", NULL},      {"lower", NULL}, {"match", match_once},
    {"rep", NULL}, /* up to 256 KiB */
    {"reverse", NULL}, {"sub", NULL},      {"upper", NULL}, {NULL, NULL}};

static void wrap(lua_State *lua, const char *name, lua_CFunction around)
{
    lua_getfield(lua, -1, name);
    RV_ASSERT(lua_iscfunction(lua, -1));
    lua_pushcclosure(lua, around, 1);
    lua_setfield(lua, -2, name);
}

/* Texts get methods from our table and nothing else: no arithmetic on texts ("10" + 1 would turn a
 * quantity into a float without a word). */
void libs_push_string(lua_State *lua)
{
    luaL_requiref(lua, LUA_STRLIBNAME, luaopen_string, 0);
    libs_select(lua, string_functions);
    wrap(lua, "rep", rep);
    wrap(lua, "format", format);
    lua_pushliteral(lua, "");
    lua_createtable(lua, 0, 2);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
}
