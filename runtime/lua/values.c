/* values.c -- see values.h. */
#include "runtime/lua/values.h"

#include "runtime/base/check.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* Arrays carry this metatable, so that an empty one keeps its kind. */
static const char array_name[] = "reeve.array";

struct walk {
    char path[128];
    char *problem;
    size_t problem_size;
    int items;
};

static json_t *to_json(lua_State *lua, int index, int depth, struct walk *walk);

static json_t *complain(struct walk *walk, const char *text)
{
    snprintf(walk->problem, walk->problem_size, "field \"%s\" %s",
             walk->path[0] != '\0' ? walk->path : "(value)", text);
    return NULL;
}

static size_t enter(struct walk *walk, const char *name)
{
    size_t length = strlen(walk->path);
    snprintf(walk->path + length, sizeof walk->path - length, "%s%s", length > 0 ? "." : "", name);
    return length;
}

static bool is_array(lua_State *lua, int index)
{
    bool marked = false;
    if (lua_getmetatable(lua, index) != 0) {
        luaL_getmetatable(lua, array_name);
        marked = lua_rawequal(lua, -1, -2) != 0;
        lua_pop(lua, 2);
    }
    return marked || lua_rawlen(lua, index) > 0;
}

static json_t *array_to_json(lua_State *lua, int index, int depth, struct walk *walk)
{
    json_t *array = json_array();
    lua_Integer length = (lua_Integer)lua_rawlen(lua, index);
    for (lua_Integer i = 1; i <= length; i++) {
        char name[24];
        snprintf(name, sizeof name, "%lld", (long long)i);
        size_t back = enter(walk, name);
        lua_rawgeti(lua, index, i);
        json_t *item = to_json(lua, lua_gettop(lua), depth + 1, walk);
        lua_pop(lua, 1);
        if (item == NULL) {
            json_decref(array);
            return NULL;
        }
        walk->path[back] = '\0';
        json_array_append_new(array, item);
    }
    lua_Integer keys = 0;
    for (lua_pushnil(lua); lua_next(lua, index) != 0; lua_pop(lua, 1)) {
        keys++;
    }
    if (keys != length) {
        json_decref(array);
        return complain(walk, "mixes a list with names, or has holes");
    }
    return array;
}

static json_t *object_to_json(lua_State *lua, int index, int depth, struct walk *walk)
{
    json_t *object = json_object();
    lua_pushnil(lua);
    while (lua_next(lua, index) != 0) {
        json_t *item = NULL;
        if (lua_type(lua, -2) != LUA_TSTRING) {
            complain(walk, "has a key that is no text");
        } else {
            const char *key = lua_tostring(lua, -2);
            size_t back = enter(walk, key);
            item = to_json(lua, lua_gettop(lua), depth + 1, walk);
            if (item != NULL) {
                walk->path[back] = '\0';
                if (json_object_set_new(object, key, item) != 0) {
                    complain(walk, "has a key that is not UTF-8");
                    item = NULL;
                }
            }
        }
        lua_pop(lua, 1);
        if (item == NULL) {
            lua_pop(lua, 1);
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *to_json(lua_State *lua, int index, int depth, struct walk *walk)
{
    if (depth > VALUES_DEPTH_MAX || lua_checkstack(lua, 6) == 0) {
        return complain(walk, "is nested too deep");
    }
    if (++walk->items > VALUES_ITEMS_MAX) {
        return complain(walk, "holds too many values");
    }
    switch (lua_type(lua, index)) {
    case LUA_TNIL:
        return json_null();
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(lua, index));
    case LUA_TNUMBER:
        return lua_isinteger(lua, index)
                   ? json_integer(lua_tointeger(lua, index))
                   : complain(walk, "is a fraction: use integers in minor units, or text");
    case LUA_TSTRING: {
        size_t length = 0;
        const char *text = lua_tolstring(lua, index, &length);
        json_t *string = memchr(text, '\0', length) != NULL ? NULL : json_stringn(text, length);
        return string != NULL ? string : complain(walk, "is text that is not valid UTF-8");
    }
    case LUA_TTABLE:
        return is_array(lua, index) ? array_to_json(lua, index, depth, walk)
                                    : object_to_json(lua, index, depth, walk);
    default: {
        char text[64];
        snprintf(text, sizeof text, "is a %s, not plain data", luaL_typename(lua, index));
        return complain(walk, text);
    }
    }
}

json_t *values_to_json(lua_State *lua, int index, char *problem, size_t problem_size)
{
    struct walk walk = {.problem = problem, .problem_size = problem_size};
    return to_json(lua, lua_absindex(lua, index), 0, &walk);
}

void values_mark_array(lua_State *lua)
{
    luaL_newmetatable(lua, array_name);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
}

void values_push(lua_State *lua, const json_t *value)
{
    luaL_checkstack(lua, 6, "a value is nested too deep");
    switch (value == NULL ? JSON_NULL : json_typeof(value)) {
    case JSON_OBJECT: {
        const char *key;
        json_t *item;
        lua_createtable(lua, 0, (int)json_object_size(value));
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            values_push(lua, item);
            lua_setfield(lua, -2, key);
        }
        break;
    }
    case JSON_ARRAY: {
        size_t i;
        json_t *item;
        lua_createtable(lua, (int)json_array_size(value), 0);
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            values_push(lua, item);
            lua_rawseti(lua, -2, (lua_Integer)i + 1);
        }
        values_mark_array(lua);
        break;
    }
    case JSON_STRING:
        lua_pushlstring(lua, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        lua_pushinteger(lua, json_integer_value(value));
        break;
    case JSON_REAL: /* from elsewhere: text keeps what arithmetic would lose */
        lua_pushfstring(lua, "%f", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(lua, json_is_true(value));
        break;
    case JSON_NULL:
        lua_pushnil(lua);
        break;
    }
}
