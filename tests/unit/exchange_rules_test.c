/* The EN 16931 rules against the public unit tests: each fragment names a rule and says whether it
 * must hold or fail.  All fragments are run; ids that are not implemented are printed. */
#include "erp/exchange/en16931.h"
#include "erp/exchange/en16931_internal.h"
#include "tests/support/memory_source.h"
#include "tests/unit/exchange_support.h"

#include <string.h>

struct tally {
    char rule[24];
    int agree;
    int differ;
    bool implemented;
};

struct totals {
    struct tally rules[400];
    int count;
    int fragments;
    int implemented;
    int differ;
};

static struct tally *tally_of(struct totals *totals, const char *rule)
{
    for (int i = 0; i < totals->count; i++) {
        if (strcmp(totals->rules[i].rule, rule) == 0) {
            return &totals->rules[i];
        }
    }
    ck_assert_int_lt(totals->count, 400);
    struct tally *tally = &totals->rules[totals->count++];
    *tally = (struct tally){.agree = 0};
    snprintf(tally->rule, sizeof tally->rule, "%s", rule);
    return tally;
}

static const struct en_rule *rule_of(const char *id)
{
    const struct en_rule *rule = NULL;
    for (int i = 0; (rule = en_rule_at(i)) != NULL && strcmp(rule->id, id) != 0; i++) {
    }
    return rule;
}

/* True when the rule holds for the document. */
static bool holds(const char *xml, size_t length, const char *rule, bool *implemented)
{
    struct memory_source memory;
    struct erp_ubl ubl;
    struct rv_error err = {.code = RV_OK};
    struct rv_arena *arena = rv_arena_create("test", ERP_UBL_ARENA_BYTES);
    struct erp_source *source = memory_source(&memory, rule, xml, length);
    enum rv_code code = erp_ubl_tree_read(source, arena, &ubl, &err);
    ck_assert_msg(code == RV_OK, "%s: %s %s", rule, err.message, err.detail);
    json_t *findings = json_array();
    const struct en_rule *known = rule_of(rule);
    *implemented = known != NULL;
    if (known != NULL) {
        en_run(&ubl, known, findings);
    }
    bool ok = json_array_size(findings) == 0;
    json_decref(findings);
    rv_arena_destroy(arena);
    return ok;
}

/* The inside of the next <test> or <test id="..">. */
static char *next_test(char *from, char **out_end)
{
    char *begin = from;
    do {
        begin = strstr(begin, "<test");
        if (begin == NULL) {
            return NULL;
        }
        begin += strlen("<test");
    } while (*begin != '>' && *begin != ' ');
    begin = strchr(begin, '>') + 1;
    *out_end = strstr(begin, "</test>");
    ck_assert_ptr_nonnull(*out_end);
    return begin;
}

/* Comments would show markup that is not there. */
static void blank_comments(char *text)
{
    for (char *at = strstr(text, "<!--"); at != NULL; at = strstr(at, "<!--")) {
        char *end = strstr(at, "-->");
        ck_assert_ptr_nonnull(end);
        memset(at, ' ', (size_t)(end + 3 - at));
    }
}

static void run_fragment(struct totals *totals, const char *file, char *test, char *end)
{
    char kept = *end;
    *end = '\0';
    char *xml = strstr(test, "</assert>");
    ck_assert_ptr_nonnull(xml);
    char *document = strchr(xml + strlen("</assert>"), '<');
    ck_assert_ptr_nonnull(document);
    static const char *const verdicts[] = {"success", "error", "warning"};
    for (size_t v = 0; v < 3; v++) {
        char open[16];
        char close[16];
        snprintf(open, sizeof open, "<%s", verdicts[v]);
        snprintf(close, sizeof close, "</%s>", verdicts[v]);
        char *at = strstr(test, open);
        while (at != NULL && at < xml) {
            char rule[24];
            char *text = strchr(at, '>') + 1;
            snprintf(rule, sizeof rule, "%.*s", (int)(strstr(text, close) - text), text);
            struct tally *tally = tally_of(totals, rule);
            bool ok = holds(document, strlen(document), rule, &tally->implemented);
            totals->fragments++;
            if (tally->implemented) {
                totals->implemented++;
                bool agree = ok == (v == 0);
                tally->agree += agree;
                tally->differ += !agree;
                totals->differ += !agree;
                if (!agree) {
                    printf("DIFFERS %s: %s must %s\n", file, rule, v == 0 ? "hold" : "fail");
                }
            }
            at = strstr(text, open);
        }
    }
    *end = kept;
}

static void run_file(struct totals *totals, const char *path)
{
    size_t length = 0;
    char *text = file_text(path, &length);
    blank_comments(text);
    char *end = text;
    for (char *test = next_test(text, &end); test != NULL; test = next_test(end, &end)) {
        run_fragment(totals, path, test, end);
    }
    rv_free(text);
}

TEST(every_fragment_of_an_implemented_rule_agrees)
{
    char root[300];
    if (shared_erp(root, sizeof root) == NULL) {
        return;
    }
    static struct totals totals;
    static const char *const folders[] = {"unit-invoice", "unit-creditnote"};
    for (size_t f = 0; f < 2; f++) {
        char folder[400];
        char **names = NULL;
        snprintf(folder, sizeof folder, "%s/invoices/%s", root, folders[f]);
        int count = folder_names(folder, &names);
        ck_assert_int_gt(count, 0);
        for (int i = 0; i < count; i++) {
            char path[700];
            snprintf(path, sizeof path, "%s/%s", folder, names[i]);
            run_file(&totals, path);
        }
        names_free(names, count);
    }
    int full = 0;
    int rules = 0;
    printf("not implemented, but in the unit tests:");
    for (int i = 0; i < totals.count; i++) {
        if (!totals.rules[i].implemented) {
            printf(" %s", totals.rules[i].rule);
        } else {
            rules++;
            full += totals.rules[i].differ == 0;
        }
    }
    printf("\nnot implemented, with reasons:\n");
    for (const struct erp_en16931_gap *gap = erp_en16931_missing; gap->rule != NULL; gap++) {
        printf("  %-22s %s\n", gap->rule, gap->reason);
    }
    int table = 0;
    while (en_rule_at(table) != NULL) {
        table++;
    }
    printf("%d rules in the table; %d of them in the unit tests, %d agree in full; "
           "%d of %d fragments are of implemented rules, %d differ\n",
           table, rules, full, totals.implemented, totals.fragments, totals.differ);
    ck_assert_int_eq(totals.differ, 0);
    ck_assert_int_gt(totals.implemented, 650);
}

TEST(no_id_stands_twice_in_the_table)
{
    for (int i = 0; en_rule_at(i) != NULL; i++) {
        for (int j = 0; j < i; j++) {
            ck_assert_str_ne(en_rule_at(i)->id, en_rule_at(j)->id);
        }
    }
}

TEST_MAIN()
