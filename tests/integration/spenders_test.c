/* spenders_test.c -- runs that want more than they may have get no more, whatever they try.
 * usage: spenders_test REEVE (from the repository's root) */
#include "tests/support/spenders.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;

static void check(bool good, const char *what)
{
    printf("%s %s\n", good ? "ok  " : "FAIL", what);
    failures += !good;
}

int main(int argc, char **argv)
{
    struct spenders_wish wish = {.runs = 240, .children = 40, .kills = 1, .seed = 7, .quiet = true};
    struct spenders_result got;
    char what[120];
    if (argc != 2) {
        fprintf(stderr, "usage: spenders_test REEVE\n");
        return 2;
    }
    wish.program = argv[1];
    spenders_run(&wish, &got);
    check(got.runs >= wish.runs && got.open == 0, "all runs have ended");
    check(got.family == wish.children,
          "the family has as many children as it may, and not one more");
    check(got.kills == wish.kills, "the program was killed meanwhile");
    for (int i = 0; i < SPENDER_BUDGETS; i++) {
        const char *name = spender_budgets[i];
        snprintf(what, sizeof what, "of %s nobody got past a limit (%" PRId64 ")", name,
                 got.past[i]);
        check(got.past[i] == 0, what);
        snprintf(what, sizeof what, "and it was tried: %" PRId64 " refused, %" PRId64 " spent",
                 got.wanted[i], got.spent[i]);
        check(got.wanted[i] > 0 && got.spent[i] > 0, what);
    }
    printf("spenders: %" PRId64 " runs, %" PRId64 " calls, %" PRId64 " children at once, %.1f s\n",
           got.runs, got.calls, got.family_at_once, got.seconds);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
