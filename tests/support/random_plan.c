/* random_plan.c -- see random_plan.h.  Statements are drawn from a list; each may nest others. */
#include "tests/support/random_plan.h"

#include "runtime/base/buf.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    PLAN_BYTES_MAX = 64 << 10,
    STATEMENTS = 24,
    DEPTH = 3, /* of statements, and of expressions */
    TABLES = 3,
    NUMBERS = 4,
    TEXTS = 3
};

struct writer {
    struct rv_random random;
    struct rv_buf out;
    int depth;
};

static int below(struct writer *writer, int bound)
{
    return (int)rv_random_below(&writer->random, (uint64_t)bound);
}

static void integer(struct writer *writer, int depth);
static void fraction(struct writer *writer, int depth);
static void text(struct writer *writer, int depth);
static void statement(struct writer *writer);

/* "%i" an integer, "%f" a fraction, "%t" a text, "%k" a key, "%T" a table, "%N" a number's name,
 * "%S" a text's name, "%b" a block, "%d" an int of the caller's, "%%" a percent sign. */
static void put(struct writer *writer, int depth, const char *format, ...);

static void key(struct writer *writer)
{
    switch (below(writer, 6)) {
    case 0:
    case 1: rv_buf_printf(&writer->out, "%d", 1 + below(writer, 24)); break;
    case 2: rv_buf_printf(&writer->out, "'k%d'", below(writer, 30)); break;
    case 3: rv_buf_printf(&writer->out, "('x' .. %d)", below(writer, 12)); break;
    case 4: rv_buf_printf(&writer->out, "%d.5", below(writer, 9)); break;
    default: rv_buf_str(&writer->out, below(writer, 2) == 0 ? "true" : "false");
    }
}

static void put_one(struct writer *writer, int depth, char letter)
{
    switch (letter) {
    case 'i': integer(writer, depth); break;
    case 'f': fraction(writer, depth); break;
    case 't': text(writer, depth); break;
    case 'k': key(writer); break;
    case 'T': rv_buf_printf(&writer->out, "t%d", 1 + below(writer, TABLES)); break;
    case 'N': rv_buf_printf(&writer->out, "n%d", 1 + below(writer, NUMBERS)); break;
    case 'S': rv_buf_printf(&writer->out, "s%d", 1 + below(writer, TEXTS)); break;
    case 'b': {
        int count = writer->depth < DEPTH ? 1 + below(writer, 3) : 0;
        writer->depth++;
        for (int i = 0; i < count; i++) {
            statement(writer);
        }
        writer->depth--;
        break;
    }
    default: rv_buf_char(&writer->out, letter);
    }
}

static void put(struct writer *writer, int depth, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (const char *at = format; *at != '\0'; at++) {
        if (*at != '%') {
            rv_buf_char(&writer->out, *at);
        } else if (*++at == 'd') {
            rv_buf_printf(&writer->out, "%d", va_arg(arguments, int));
        } else {
            put_one(writer, depth, *at);
        }
    }
    va_end(arguments);
}

/* ---- expressions ---- */

static void integer(struct writer *writer, int depth)
{
    static const char *const leaves[] = {
        "%N", "%d", "#%T", "#%S", "math.random(%d)", "ctx.now", "math.mininteger", "-%d", "0x%d"};
    static const char *const branches[] = {"(%i + %i)",
                                           "(%i - %i)",
                                           "(%i * %i)",
                                           "(%i // %i)",
                                           "(%i %% %i)",
                                           "(%i & %i)",
                                           "(%i ~ %i)",
                                           "(%i << (%i & 7))",
                                           "(%i >> 3)",
                                           "math.max(%i, %i)",
                                           "whole(%f)",
                                           "(utf8.len(%t) or 0)",
                                           "(%t):len()",
                                           "((%t):byte(%i) or -1)",
                                           "select('#', list(%T))",
                                           "(tonumber(%t) or %i)",
                                           "math.abs(%i)"};
    bool leaf = depth <= 0 || below(writer, 3) == 0;
    put(writer, depth - 1,
        leaf ? leaves[below(writer, (int)RV_COUNT(leaves))]
             : branches[below(writer, (int)RV_COUNT(branches))],
        1 + below(writer, 100));
}

static void fraction(struct writer *writer, int depth)
{
    static const char *const leaves[] = {"0.1", "1e15", "-2.5", "1e300", "3.0", "0.3333333333333"};
    static const char *const branches[] = {"(%i / %i)",  "(%f * %f)",          "(%f + %i)",
                                           "(%f - 0.1)", "(%f %% 0.7)",        "(%f // 1)",
                                           "(-%f)",      "math.fmod(%f, 1.3)", "(%i + 0.0)"};
    bool leaf = depth <= 0 || below(writer, 3) == 0;
    put(writer, depth - 1,
        leaf ? leaves[below(writer, (int)RV_COUNT(leaves))]
             : branches[below(writer, (int)RV_COUNT(branches))]);
}

static void text(struct writer *writer, int depth)
{
    static const char *const leaves[] = {"%S",         "'abc def'", "'Zoë'",     "'10'",
                                         "'0x1F'",     "ctx.run",   "ctx.today", "''",
                                         "'a,b,,c,d'", "uuid()",    "[[# ^ --]]"};
    static const char *const branches[] = {
        "tostring(%i)",
        "tostring(%f)",
        "tostring(%T)",
        "tostring(%i < %f)",
        "(%t .. %t):sub(1, 60)",
        "(%i .. '|' .. %f)",
        "(%t):upper()",
        "(%t):reverse():sub(-9)",
        "(%t):rep(%d % 4, '-'):sub(1, 40)",
        "('%5d|%x|%s'):format(%i, %i, %t)",
        "('%.3f|%g|%-8s|%q'):format(%f, %f, %t, %t)",
        "(%t):gsub('%a', string.upper, 3)",
        "(%t):gsub('(%w)(%w)', '%2%1')",
        "(%t):gsub('%w', { a = 'A', b = false, ['1'] = 'one' })",
        "(%t):gsub('.', function(c) %N = (%N + c:byte()) % 65536 return c end)",
        "table.concat(words(%T), ',')",
        "((%t):match('(%w+)%s*(.*)') or 'none')",
        "math.type(%N)"};
    bool leaf = depth <= 0 || below(writer, 3) == 0;
    if (leaf) {
        put(writer, depth - 1, leaves[below(writer, (int)RV_COUNT(leaves))]);
        return;
    }
    /* the formats of these have percent signs of their own: only our words are replaced */
    const char *branch = branches[below(writer, (int)RV_COUNT(branches))];
    rv_buf_char(&writer->out, '(');
    bool quoted = false;
    for (const char *at = branch; *at != '\0'; at++) {
        quoted = *at == '\'' ? !quoted : quoted;
        if (*at == '%' && !quoted && strchr("iftTNd", at[1]) != NULL) {
            at++;
            if (*at == 'd') {
                rv_buf_printf(&writer->out, "%d", below(writer, 9));
            } else {
                put_one(writer, depth - 1, *at);
            }
        } else {
            rv_buf_char(&writer->out, *at);
        }
    }
    rv_buf_char(&writer->out, ')');
}

/* ---- statements ---- */

static const char *const statements[] = {
    "%N = clip(%i)\n",
    "%N = %f\n",
    "%S = (%t):sub(1, 80)\n",
    "say(%i, %f, %t)\n",
    "%T[%k] = %i\n",
    "%T[%k] = nil\n",
    "%T[%i % 30] = %t\n",
    "for i = 1, %d do %T[i * 7 % 23 + 1] = i %T['k' .. i % 13] = i end\n",
    "for i = 1, %d, 3 do %T[i] = nil %T['k' .. i] = nil end\nsay(#%T, #%T)\n",
    "for k, v in pairs(%T) do say(k, v) end\n",
    "do local t = {} for i = 1, %d * 4 do local c, k = math.random(4), math.random(40)\n"
    "  if c == 1 then t[k] = i elseif c == 2 then t['k' .. k] = i elseif c == 3 then t[k] = nil\n"
    "  else t['k' .. k] = nil end\n"
    "  if #t > 0 or i % 5 == 0 then say(#t) end end end\n",
    "do local t = %T for k, v in pairs(t) do if math.random(3) == 1 then t[k] = nil end say(k) end "
    "end\n",
    "do local t = %T for k in pairs(t) do t['y' .. tostring(k)] = k if #t > 40 then break end end "
    "end\n",
    "for i, v in ipairs(%T) do say(i, v) end\n",
    "table.insert(%T, %i)\n",
    "do local t = %T table.insert(t, math.random(#t + 1), %t) end\n",
    "do local t = %T say(table.remove(t, math.random(#t + 1))) end\n",
    "do local rows = {} for i = 1, %d + 110 do rows[i] = { k = math.random(5), i = i } end\n"
    "  table.sort(rows, function(a, b) return a.k < b.k end)\n"
    "  for i = 1, #rows, 7 do say(rows[i].i) end end\n",
    "do local w = words(%T) table.sort(w) say(table.concat(w, ' ')) end\n",
    "do local w = words(%T) table.sort(w, function(a, b) return #a > #b end)"
    " say(table.concat(w, ' ')) end\n",
    "do local w = words(%T) table.sort(w, function() return math.random(2) == 1 end)"
    " say(table.concat(w, ' ')) end\n",
    "say(pcall(function() %b error(%t) end))\n",
    "say(pcall(function() local x = %T[%k] return x.y.z end))\n",
    "say(pcall(function() return %T .. 'x', #%N end))\n",
    "say(pcall(table.sort, { 3, 1, 2 }, function(a, b) return erp.get('invoice', a) and a < b "
    "end))\n",
    "say(xpcall(function() error({ %i }) end, function(m) return type(m) .. tostring(m) end))\n",
    "do local set, o = {}, {} for i = 1, %d do o[i] = {} set[o[i]] = i set[i * 2] = i end\n"
    "  for i = 1, #o, 2 do set[o[i]] = nil end say(#set, set[o[2]]) end\n",
    "do local count = 0 local function up(by) count = count + by return count end\n"
    "  local fs = {} for i = 1, 5 do fs[i] = function(x) return up(i) + x end end\n"
    "  for i = 1, #fs do say(fs[i](%d)) end end\n",
    "for w, at in (%t):gmatch('(%a+)()') do say(w, at) end\n",
    "say((%t):find(%t, 1, true))\n",
    "for i = 1, %d % 6 do %b if math.random(4) == 1 then break end end\n",
    "if %i < %f then %b else %b end\n",
    "while math.random(3) ~= 1 do %b end\n",
    "do local function f(n) if n < 2 then return n end return f(n - 1) + f(n - 2) end"
    " say(f(%d % 12)) end\n",
    "say(math.random(%d), math.random(0, 1 << 40), ctx:uuid())\n",
    "say(tostring(0 / 0), 1 / 0, -(0.0), 2 << 62, 1e100, 7 // -2, 7 % -3, 3 == 3.0)\n",
    "walk(erp.get('invoice', clip(%i)))\n",
    "walk(erp.find('invoice', { supplier = clip(%i), b = %t, open = true }, { limit = %d }))\n",
    "walk(llm.decide { question = 'which', options = { 'a', 'b' }, facts = plain(%T) })\n",
    "walk(memory.get('k%d'))\n",
    "walk(memory.set('k%d', plain(%T)))\n",
    "ctx:sleep(%d)\n",
    "walk(ctx:signal('s%d', 60))\n",
};

static void statement(struct writer *writer)
{
    const char *form = statements[below(writer, (int)RV_COUNT(statements))];
    bool quoted = false;
    for (const char *at = form; *at != '\0'; at++) {
        quoted = *at == '\'' ? !quoted : quoted;
        if (*at != '%' || strchr("iftkTNSbd", at[1]) == NULL || (quoted && at[1] != 'd')) {
            rv_buf_char(&writer->out, *at);
        } else if (*++at == 'd') {
            rv_buf_printf(&writer->out, "%d", 1 + below(writer, 20));
        } else {
            put_one(writer, DEPTH - 1, *at);
        }
    }
}

/* What is told goes out as notes, in pieces that a note may have. */
static const char head[] =
    "local agent = { name = 'r', version = '1', handles = {}, uses = { 'invoice.hold' } }\n"
    "function agent.plan(ctx)\n"
    "local out = {}\n"
    "local function flush() if #out > 0 then\n"
    "  ctx:note(table.concat(out, ' '):sub(1, 900):gsub('[^ -~]', '?') .. '.') out = {} end end\n"
    "local function say(...)\n"
    "  local values = table.pack(...)\n"
    "  for i = 1, values.n do out[#out + 1] = tostring(values[i]):sub(1, 200) end\n"
    "  if #out > 60 then flush() end\n"
    "end\n"
    "local function walk(v, message, code)\n"
    "  say(type(v), message, code)\n"
    "  if type(v) ~= 'table' then say(v) return end\n"
    "  for k, x in pairs(v) do say(k) walk(x) end\n"
    "end\n"
    "local function words(t)\n"
    "  local w = {} for k, v in pairs(t) do w[#w + 1] = tostring(v):sub(1, 9) end return w end\n"
    "local function plain(t) local p = {} for k, v in pairs(t) do\n"
    "  p[(tostring(k):gsub('[^ -~]', '?'))] = tostring(v):sub(1, 30):gsub('[^ -~]', '?') end\n"
    "  return p end\n"
    "local function list(t) return table.unpack(t, 1, #t < 100 and #t or 100) end\n"
    "local function whole(f) return math.tointeger(math.floor(f)) or 0 end\n"
    "local function clip(i) return i & 0xffff end\n"
    "local function uuid() return ctx:uuid() end\n"
    "local t1, t2, t3 = {}, { 5, 4, 3, 2, 1, a = 1, b = 2 }, { 'x', 'y', nil, 'z', nil, 'w' }\n"
    "local n1, n2, n3, n4 = 1, -7, 2.5, 1000003\n"
    "local s1, s2, s3 = 'alpha beta', '12.50', 'Größe: 3 x 4'\n";

char *random_plan(uint64_t seed)
{
    struct writer writer = {.random = {.state = seed * UINT64_C(0x9e3779b97f4a7c15)}};
    rv_buf_init(&writer.out, PLAN_BYTES_MAX);
    rv_buf_str(&writer.out, head);
    for (int i = 0; i < STATEMENTS; i++) {
        /* most mistakes are caught and told; now and then one ends the run */
        bool guarded = below(&writer, 12) != 0;
        rv_buf_str(&writer.out, guarded ? "say(pcall(function()\n" : "do\n");
        statement(&writer);
        rv_buf_str(&writer.out, guarded ? "end))\n" : "end\n");
    }
    rv_buf_str(&writer.out, "for i, t in ipairs { t1, t2, t3 } do say(i, #t) walk(t) end\n"
                            "say(n1, n2, n3, n4, s1, s2, s3) flush()\n"
                            "return ctx:plan():add('invoice.hold', plain(t1), { reason = 'r' })\n"
                            "end\nreturn agent\n");
    char *text = rv_buf_take(&writer.out);
    rv_buf_fini(&writer.out);
    return text;
}

json_t *random_plan_input(uint64_t seed)
{
    return json_pack("{s:s,s:I,s:I,s:{}}", "run", "r_1", "seed", (json_int_t)(seed >> 1), "now_us",
                     (json_int_t)(1700000000000000 + (int64_t)(seed % 1000000) * 1000),
                     "exception");
}

/* ---- the world ---- */

static json_t *random_value(struct rv_random *random, int depth)
{
    switch (rv_random_below(random, depth > 0 ? 7 : 5)) {
    case 0: return json_integer((json_int_t)rv_random_below(random, 1000) - 500);
    case 1: return json_integer((json_int_t)(rv_random_next(random) >> 2));
    case 2: return json_sprintf("w%d", (int)rv_random_below(random, 50));
    case 3: return json_boolean(rv_random_below(random, 2));
    case 4: return json_null();
    case 5: {
        json_t *array = json_array();
        for (uint64_t i = rv_random_below(random, 6); i > 0; i--) {
            json_array_append_new(array, random_value(random, depth - 1));
        }
        return array;
    }
    default: {
        json_t *object = json_object();
        for (uint64_t i = rv_random_below(random, 9); i > 0; i--) {
            char name[16];
            snprintf(name, sizeof name, "f%d", (int)rv_random_below(random, 40));
            json_object_set_new(object, name, random_value(random, depth - 1));
        }
        return object;
    }
    }
}

json_t *random_plan_answer(uint64_t seed, int number, const char *request)
{
    struct rv_random random = {.state = seed ^ ((uint64_t)number << 40)};
    bool asks = strncmp(request, "erp.", 4) == 0 || strcmp(request, "llm.decide") == 0 ||
                strcmp(request, "signal") == 0;
    if (asks && rv_random_below(&random, 8) == 0) {
        return json_pack("{s:b,s:s,s:s}", "ok", 0, "code", "unavailable", "message", "not now");
    }
    return json_pack("{s:b,s:o}", "ok", 1, "value",
                     asks || strcmp(request, "memory.get") == 0 ? random_value(&random, 3)
                                                                : json_true());
}
