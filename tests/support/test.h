/* test.h -- the little that reeve adds to Check: tests register themselves.
 *
 *     TEST(a_denied_effect_never_reaches_the_database) { ck_assert(...); }
 *     TEST_DIES(an_illegal_move_is_a_wrong_program, SIGABRT) { ... }
 *     TEST_MAIN()
 *
 * Check runs each test in a process of its own, so assertions that stay on can be tested.
 * `./x_test [substring]` runs only matching tests; CK_FORK=no runs them in one process (gdb).
 */
#ifndef REEVE_TESTS_SUPPORT_TEST_H
#define REEVE_TESTS_SUPPORT_TEST_H

#ifdef REEVE_WITHOUT_TESTS
#    error "this file is built where there is no Check: it must not use test.h"
#endif

#include "tests/support/skip.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_TIMEOUT_S = 60, TEST_MAX = 512 };

struct test_entry {
    const char *name;
    const TTest *test;
    int signal;
};

static struct test_entry test_entries[TEST_MAX];
static int test_count;

#define TEST_REGISTER(id, signal_number)                                                           \
    static void id##_body(void);                                                                   \
    START_TEST(id##_case)                                                                          \
    {                                                                                              \
        id##_body();                                                                               \
    }                                                                                              \
    END_TEST                                                                                       \
    __attribute__((constructor)) static void id##_register(void)                                   \
    {                                                                                              \
        test_entries[test_count++] = (struct test_entry){#id, id##_case, signal_number};           \
    }                                                                                              \
    static void id##_body(void)

#define TEST(id)                     TEST_REGISTER(id, 0)
#define TEST_DIES(id, signal_number) TEST_REGISTER(id, signal_number)

static inline int test_main(int argc, char **argv)
{
    Suite *suite = suite_create(argv[0]);
    for (int i = 0; i < test_count; i++) {
        if (argc > 1 && strstr(test_entries[i].name, argv[1]) == NULL) {
            continue;
        }
        TCase *tcase = tcase_create(test_entries[i].name);
        tcase_set_timeout(tcase, TEST_TIMEOUT_S);
        if (test_entries[i].signal != 0) {
            tcase_add_test_raise_signal(tcase, test_entries[i].test, test_entries[i].signal);
        } else {
            tcase_add_test(tcase, test_entries[i].test);
        }
        suite_add_tcase(suite, tcase);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* For programs that need something started before the tests fork. */
#define TEST_MAIN_WITH(start)                                                                      \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        start;                                                                                     \
        return test_main(argc, argv);                                                              \
    }

#define TEST_MAIN()                                                                                \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return test_main(argc, argv);                                                              \
    }

#endif
