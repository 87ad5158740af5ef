/* policy_hostile_test.c -- bundles and case files that are made to hang or to swell the loader:
 * each is refused by a cap that has a name, with the file in the message, in less than a second.
 */
#include "tests/unit/policy_support.h"

#include "runtime/base/clock.h"

#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LOAD_CPU_US = 10 * 1000000 }; /* checked builds are that much slower */
#else
enum { LOAD_CPU_US = 1000000 };
#endif

enum { MEMORY_KIB = 400 << 10 }; /* the process itself, 64 MiB of Lua and the tree */

#define RETURN " return bundle{ name='t', permit{id='p', agents='*', action='x'} }"

struct bomb {
    const char *source;
    enum rv_code code;
    const char *message;
};

static const struct bomb bombs[] = {
    /* the library is not there, so its bombs are not either */
    {"local s = ('x'):rep(1e9)" RETURN, RV_INVALID, "attempt to index a string"},
    {"local s = string.rep('x', 1e9)" RETURN, RV_INVALID, "no word \"string\""},
    {"local s = ('x'):find(('.-'):rep(50) .. 'y')" RETURN, RV_INVALID, "attempt to index a string"},
    {"local s = ('a'):gsub('(a*)*b', 'x')" RETURN, RV_INVALID, "attempt to index a string"},
    {"local s = ('%d'):format(1)" RETURN, RV_INVALID, "attempt to index a string"},
    {"local t = table.concat({})" RETURN, RV_INVALID, "no word \"table\""},
    {"local c = coroutine.wrap(function() end)" RETURN, RV_INVALID, "no word \"coroutine\""},
    {"local x = setmetatable({}, {})" RETURN, RV_INVALID, "no word \"setmetatable\""},
    /* instructions */
    {"while true do end", RV_LIMIT, "20,000,000 instructions"},
    {"for i = 1, 1e15 do end", RV_LIMIT, "20,000,000 instructions"},
    {"::a:: goto a", RV_LIMIT, "20,000,000 instructions"},
    {"local function f() return f() end f()", RV_LIMIT, "instructions"},
    {"local x = 1e308 while true do x = 1e308 % 5e-324 end", RV_LIMIT,
     "the bundle needs more than"},
    {"local x = 2 while true do x = (x ^ 0.37) ^ 2.9 end", RV_LIMIT, "the bundle needs more than"},
    /* texts */
    {"local s = 'x' while true do s = s .. s end", RV_LIMIT, "text longer than 64 KiB"},
    {"local s = 'x' for i = 1, 15 do s = s .. s end "
     "local n = 0 while true do n = n + 1 local t = s .. n end",
     RV_LIMIT, "the bundle needs more than"},
    {"local s = 'x' for i = 1, 15 do s = s .. s end local a, b = s .. 'a', s .. 'b' "
     "while true do local c = a == b end",
     RV_LIMIT, "the bundle needs more than"},
    {"local s = 'x' for i = 1, 15 do s = s .. s end local a, b = s .. 'a', s .. 'b' "
     "while true do local c = a < b end",
     RV_LIMIT, "the bundle needs more than"},
    {"local s = 'x' for i = 1, 15 do s = s .. s end local t = {} "
     "for i = 1, 1e9 do t[s .. i] = true end",
     RV_LIMIT, "the bundle needs more than"},
    /* memory */
    {"local t = {} for i = 1, 1e9 do t[i] = {i} end", RV_LIMIT, "64 MiB of memory"},
    {"local function f() return 1 + f() end return f()", RV_LIMIT, "64 MiB of memory"},
    {"local t = {} while true do t = {t, t, t, t} end", RV_LIMIT, "64 MiB of memory"},
    /* what is small in Lua and large as data */
    {"local s = 'x' for i = 1, 15 do s = s .. s end local t = {} "
     "for i = 1, 900000 do t[i] = s end return bundle{ name='t', t }",
     RV_LIMIT, "16 MiB of texts"},
    {"local t = {'x'} for i = 1, 30 do t = {t, t} end return bundle{ name='t', t }", RV_LIMIT,
     "1,000,000 values"},
    {"local t = {} t.t = t return bundle{ name='t', t }", RV_INVALID, "nested too deep"},
    {"local t = {} for i = 1, 10001 do t[i] = i end return bundle{ name='t', "
     "permit{id='p', agents='*', action='x', when=arg.n:one_of(t)} }",
     RV_INVALID, "lists more than 10,000 values"},
    {"local a, n = {}, {} for i = 1, 3000 do a[i] = 'a.' .. i n[i] = 'n' .. i end "
     "return bundle{ name='t', permit{id='p', agents=n, action=a} }",
     RV_LIMIT, "actions times names"},
    {"local n, b = {}, {name='t'} for i = 1, 600 do n[i] = 'n' .. i end "
     "for i = 1, 1600 do b[i] = permit{id='p' .. i, agents=n, action='x'} end return bundle(b)",
     RV_OK, ""},
    /* many attributes, many conditions on them: loaded, and soon */
    {"local c = {} for i = 1, 20000 do c[i] = arg['x' .. i % 1000]:eq(i) end "
     "return bundle{ name='t', permit{id='p', agents='*', action='x', when=any(c)} }",
     RV_OK, ""},
    {"local b = {name='t'} for i = 1, 20000 do b[i] = permit{id='p' .. i, agents='*', action='x', "
     "when=all{ arg.n:le(i), arg.s:eq('s' .. i) } } end return bundle(b)",
     RV_OK, ""},
};

static void check_bomb(const struct bomb *bomb, bool cases)
{
    struct rv_policy *policy = NULL;
    struct rv_error err = {.code = RV_OK};
    int64_t start = rv_thread_cpu_us();
    enum rv_code code;
    if (cases) {
        json_t *results = NULL;
        int failed = 0;
        policy = bundle(PERMIT_X);
        code = rv_policy_test_cases(policy, bomb->source, strlen(bomb->source), "t.lua", &results,
                                    &failed, &err);
        json_decref(results);
    } else {
        code = rv_policy_load(bomb->source, strlen(bomb->source), "t.lua", &policy, &err);
    }
    int64_t took_us = rv_thread_cpu_us() - start;
    rv_policy_destroy(policy);
    ck_assert_msg(took_us < LOAD_CPU_US * (bomb->code == RV_OK ? 2 : 1), "%.200s\ntook %d ms",
                  bomb->source, (int)(took_us / 1000));
    if (bomb->code == RV_OK) {
        ck_assert_msg(cases || code == RV_OK, "%.200s\n%s", bomb->source, err.message);
        return;
    }
    ck_assert_msg(cases ? code != RV_OK : code == bomb->code, "%.200s\n%d %s", bomb->source, code,
                  err.message);
    ck_assert_msg(strstr(err.message, "t.lua") != NULL, "\"%s\" names no file", err.message);
    /* on a slow machine, or under a sanitizer, the cap on processor time may come before the other
     */
    bool slow = code == RV_LIMIT && strstr(err.message, "the bundle needs more than") != NULL;
    ck_assert_msg(cases || slow || strstr(err.message, bomb->message) != NULL,
                  "%.200s\n\"%s\" does not say \"%s\"", bomb->source, err.message, bomb->message);
    ck_assert_msg(*err.hint != '\0', "%.200s\n\"%s\" has no remedy", bomb->source, err.message);
}

TEST(every_bomb_is_refused_by_name_within_a_second)
{
    for (size_t i = 0; i < RV_COUNT(bombs); i++) {
        check_bomb(&bombs[i], false);
    }
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    if (LOAD_CPU_US == 1000000) {
        ck_assert_msg(usage.ru_maxrss < MEMORY_KIB, "%ld KiB were used", usage.ru_maxrss);
    }
}

TEST(a_file_of_cases_has_the_same_caps)
{
    for (size_t i = 0; i < RV_COUNT(bombs); i += 3) { /* the same loader: some are enough */
        check_bomb(&bombs[i], true);
    }
}

/* Source that never runs: nesting, length, and many names. */
TEST(bombs_of_the_parser_are_refused)
{
    static const char *const openers[] = {"{",  "(",    "-", "not ", "function() return ",
                                          "a[", "1 .. "};
    for (size_t i = 0; i < RV_COUNT(openers); i++) {
        struct rv_buf source;
        rv_buf_init(&source, 2 << 20);
        rv_buf_str(&source, "local a = {} return ");
        while (source.length < 900000) {
            rv_buf_str(&source, openers[i]);
        }
        struct rv_policy *policy = NULL;
        struct rv_error err = {.code = RV_OK};
        int64_t start = rv_thread_cpu_us();
        ck_assert_int_ne(rv_policy_load(source.data, source.length, "t.lua", &policy, &err), RV_OK);
        ck_assert_int_lt(rv_thread_cpu_us() - start, LOAD_CPU_US);
        ck_assert_msg(strstr(err.message, "t.lua") != NULL, "%s", err.message);
        rv_buf_fini(&source);
    }
}

TEST_MAIN()
