/* values.c -- see values.h.
 *
 * lua_next gives keys in an order that differs from start to start; fields are collected, sorted
 * and then put into the object, so that equal tables give equal bytes and equal complaints.
 */
#include "runtime/lua/values.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/lua/length.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Arrays carry this metatable, so that an empty one keeps its kind; its place in the registry. */
static const char array_mark = 'a';

enum { PATH_BYTES = 128, PROBLEM_BYTES = VALUES_PROBLEM_BYTES, STACK_PER_LEVEL = 6 };

struct walk {
    lua_State *lua;
    char path[PATH_BYTES];
    char *problem; /* PROBLEM_BYTES */
    int items;
    size_t bytes;
};

static json_t *to_json(struct walk *walk, int index, int depth);

static json_t *complain_whole(struct walk *walk, const char *text)
{
    snprintf(walk->problem, PROBLEM_BYTES, "the value %s", text);
    return NULL;
}

static json_t *complain(struct walk *walk, const char *text)
{
    if (walk->path[0] == '\0') {
        complain_whole(walk, text);
    } else {
        snprintf(walk->problem, PROBLEM_BYTES, "field \"%s\" %s", walk->path, text);
    }
    return NULL;
}

/* Appends a name to the path; gives what to cut it back to. */
static size_t enter(struct walk *walk, const char *name)
{
    size_t length = strlen(walk->path);
    snprintf(walk->path + length, sizeof walk->path - length, "%s%s", length > 0 ? "." : "", name);
    return length;
}

/* ---- tables ---- */

static bool is_array(lua_State *lua, int index)
{
    bool marked = false;
    if (lua_getmetatable(lua, index) != 0) {
        lua_rawgetp(lua, LUA_REGISTRYINDEX, &array_mark);
        marked = lua_rawequal(lua, -1, -2) != 0;
        lua_pop(lua, 2);
    }
    return marked || length_of(lua, index) > 0;
}

static lua_Integer count_keys(lua_State *lua, int index)
{
    lua_Integer count = 0;
    for (lua_pushnil(lua); lua_next(lua, index) != 0; lua_pop(lua, 1)) {
        count++;
    }
    return count;
}

static json_t *array_to_json(struct walk *walk, int index, int depth)
{
    lua_State *lua = walk->lua;
    lua_Integer length = length_of(lua, index);
    if (count_keys(lua, index) != length) {
        return complain(walk, "mixes a list with names, or has holes");
    }
    json_t *array = json_array();
    for (lua_Integer i = 1; i <= length; i++) {
        char name[24];
        snprintf(name, sizeof name, "%lld", (long long)i);
        size_t back = enter(walk, name);
        lua_rawgeti(lua, index, i);
        json_t *item = to_json(walk, lua_gettop(lua), depth + 1);
        lua_pop(lua, 1);
        if (item == NULL) {
            json_decref(array);
            return NULL;
        }
        walk->path[back] = '\0';
        json_array_append_new(array, item);
    }
    return array;
}

struct field {
    const char *name; /* alive while the table holds the key */
    json_t *value;
};

static int compare_fields(const void *x, const void *y)
{
    return strcmp(((const struct field *)x)->name, ((const struct field *)y)->name);
}

/* The value on top of the stack with its key below; NULL after a complaint. */
static json_t *read_field(struct walk *walk, int depth, const char **name)
{
    size_t length = 0;
    if (lua_type(walk->lua, -2) != LUA_TSTRING) {
        return complain(walk, "has a key that is no text");
    }
    *name = lua_tolstring(walk->lua, -2, &length);
    if (strlen(*name) != length) {
        return complain(walk, "has a name with the character U+0000");
    }
    if (!rv_text_utf8(*name, length)) {
        return complain(walk, "has a name that is not valid UTF-8");
    }
    walk->bytes += length;
    size_t back = enter(walk, *name);
    json_t *value = to_json(walk, lua_gettop(walk->lua), depth + 1);
    if (value != NULL) {
        walk->path[back] = '\0';
    }
    return value;
}

/* Of several mistakes the one with the first name is told, whatever order they are met in. */
static json_t *object_to_json(struct walk *walk, int index, int depth)
{
    size_t count = (size_t)count_keys(walk->lua, index);
    if (count > VALUES_ITEMS_MAX) {
        return complain_whole(walk, "holds too many values");
    }
    struct field *fields = rv_alloc_array(count + 1, sizeof *fields);
    char first_problem[PROBLEM_BYTES] = "";
    const char *first_wrong = NULL;
    size_t back = strlen(walk->path);
    size_t read = 0;
    for (lua_pushnil(walk->lua); lua_next(walk->lua, index) != 0; lua_pop(walk->lua, 1)) {
        const char *name = "";
        json_t *value = read_field(walk, depth, &name);
        if (value != NULL) {
            fields[read++] = (struct field){name, value};
        } else if (first_wrong == NULL || strcmp(name, first_wrong) < 0) {
            first_wrong = name;
            snprintf(first_problem, sizeof first_problem, "%s", walk->problem);
        }
        walk->path[back] = '\0';
    }
    qsort(fields, read, sizeof *fields, compare_fields);
    json_t *object = first_wrong == NULL ? json_object() : NULL;
    for (size_t i = 0; i < read; i++) {
        if (object != NULL) {
            json_object_set_new_nocheck(object, fields[i].name, fields[i].value);
        } else {
            json_decref(fields[i].value);
        }
    }
    rv_free(fields);
    if (object == NULL) {
        snprintf(walk->problem, PROBLEM_BYTES, "%s", first_problem);
    }
    return object;
}

/* ---- one value ---- */

static json_t *text_to_json(struct walk *walk, int index)
{
    size_t length = 0;
    const char *text = lua_tolstring(walk->lua, index, &length);
    walk->bytes += length;
    if (walk->bytes > VALUES_BYTES_MAX) {
        return complain_whole(walk, "is too much text: more than 256 KiB in all");
    }
    if (memchr(text, '\0', length) != NULL) {
        return complain(walk, "is text with the character U+0000");
    }
    json_t *string = json_stringn(text, length);
    return string != NULL ? string : complain(walk, "is text that is not valid UTF-8");
}

static json_t *to_json(struct walk *walk, int index, int depth)
{
    lua_State *lua = walk->lua;
    if (depth > VALUES_DEPTH_MAX || lua_checkstack(lua, STACK_PER_LEVEL) == 0) {
        return complain(walk, "is nested too deep");
    }
    if (++walk->items > VALUES_ITEMS_MAX) {
        return complain_whole(walk, "holds too many values");
    }
    switch (lua_type(lua, index)) {
    case LUA_TNIL: return json_null();
    case LUA_TBOOLEAN: return json_boolean(lua_toboolean(lua, index));
    case LUA_TNUMBER:
        return lua_isinteger(lua, index)
                   ? json_integer(lua_tointeger(lua, index))
                   : complain(walk, "is a fraction: use integers in minor units, or text");
    case LUA_TSTRING: return text_to_json(walk, index);
    case LUA_TTABLE:
        return is_array(lua, index) ? array_to_json(walk, index, depth)
                                    : object_to_json(walk, index, depth);
    default: {
        char text[64];
        snprintf(text, sizeof text, "is a %s, not plain data", luaL_typename(lua, index));
        return complain(walk, text);
    }
    }
}

json_t *values_to_json(lua_State *lua, int index, char problem[VALUES_PROBLEM_BYTES])
{
    struct walk walk = {.lua = lua, .problem = problem};
    return to_json(&walk, lua_absindex(lua, index), 0);
}

/* ---- from JSON ---- */

void values_open(lua_State *lua)
{
    lua_createtable(lua, 0, 1);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &array_mark);
}

void values_mark_array(lua_State *lua)
{
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &array_mark);
    lua_setmetatable(lua, -2);
}

static void push_array(lua_State *lua, const json_t *array)
{
    size_t i;
    json_t *item;
    lua_createtable(lua, (int)json_array_size(array), 0);
    json_array_foreach((json_t *)(uintptr_t)array, i, item)
    {
        if (json_is_null(item)) {
            lua_pushboolean(lua, 0);
        } else {
            values_push(lua, item);
        }
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    values_mark_array(lua);
}

static void push_object(lua_State *lua, const json_t *object)
{
    const char *key;
    json_t *item;
    lua_createtable(lua, 0, (int)json_object_size(object));
    json_object_foreach((json_t *)(uintptr_t)object, key, item)
    {
        if (!json_is_null(item)) {
            values_push(lua, item);
            lua_setfield(lua, -2, key);
        }
    }
}

void values_push(lua_State *lua, const json_t *value)
{
    luaL_checkstack(lua, STACK_PER_LEVEL, "a value is nested too deep");
    switch (value == NULL ? JSON_NULL : json_typeof(value)) {
    case JSON_OBJECT: push_object(lua, value); break;
    case JSON_ARRAY: push_array(lua, value); break;
    case JSON_STRING:
        lua_pushlstring(lua, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER: lua_pushinteger(lua, json_integer_value(value)); break;
    case JSON_REAL: { /* from elsewhere: text keeps what arithmetic would lose */
        char text[RV_JSON_REAL_TEXT];
        rv_json_real_text(json_real_value(value), text);
        lua_pushstring(lua, text);
        break;
    }
    case JSON_TRUE:
    case JSON_FALSE: lua_pushboolean(lua, json_is_true(value)); break;
    case JSON_NULL: lua_pushnil(lua); break;
    }
}
