/* en16931_internal.h -- the shape of a rule and the helpers its checks share.
 *
 *   en16931.c        the table, running it, plain arithmetic checks without a claim
 *   en16931_basic.c  presence, dates, totals, decimals
 *   en16931_codes.c  identifiers, references, code lists
 *   en16931_tax.c    the nine tax categories, ten rules each, written once
 */
#ifndef REEVE_ERP_EXCHANGE_EN16931_INTERNAL_H
#define REEVE_ERP_EXCHANGE_EN16931_INTERNAL_H

#include "erp/exchange/en16931.h"
#include "erp/exchange/number.h"

enum { EN_PATH = 5, EN_SCALE = 10 };

/* Exact numbers of a document in units of 10^-EN_SCALE. */
typedef __int128 en_number;

struct en_check {
    const struct erp_ubl_node *root;
    bool credit_note;
    const struct en_rule *rule;
    int failures;
    int line; /* of the first failure, 0 when the whole document lacks something */
    char expected[48];
    char found[48];
};

struct en_rule {
    const char *id;
    bool fatal;
    void (*check)(struct en_check *check);
    const char *message;
    enum erp_ubl_name where[EN_PATH]; /* every node there ... */
    enum erp_ubl_name what[EN_PATH];  /* ... must have this */
    const char *with;                 /* what the check wants besides: a code, a list, a category */
};

/* One more place where the rule does not hold. */
void en_fail(struct en_check *check, const struct erp_ubl_node *node);
void en_fail_numbers(struct en_check *check, const struct erp_ubl_node *node, en_number expected,
                     en_number found);

/* Lines of invoices and credit notes answer to the invoice's names. */
bool en_same(enum erp_ubl_name have, enum erp_ubl_name want);
const struct erp_ubl_node *en_at(const struct erp_ubl_node *node, const enum erp_ubl_name *path);
#define EN_AT(node, ...)   en_at((node), (const enum erp_ubl_name[]){__VA_ARGS__, UBL_NONE})
#define EN_TEXT(node, ...) erp_ubl_text(EN_AT(node, __VA_ARGS__))
/* Calls for every node at the end of `path` below `node` (UBL_NONE at once: for `node`). */
void en_each(struct en_check *check, const struct erp_ubl_node *node, const enum erp_ubl_name *path,
             void (*call)(struct en_check *check, const struct erp_ubl_node *node));

/* False when there is no node or its text is no decimal. */
bool en_number_of(const struct erp_ubl_node *node, en_number *out);
en_number en_number_or_zero(const struct erp_ubl_node *node);
en_number en_round(en_number value, int decimals); /* half away from zero */
en_number en_whole(int64_t value);
/* base * percent / 100, rounded to cents; saturates. */
en_number en_percent(en_number base, en_number percent);
en_number en_percent_to(en_number base, en_number percent, int decimals);
bool en_is_vat(const struct erp_ubl_node *category_or_registration);
bool en_is_charge(const struct erp_ubl_node *allowance);
/* The rule's `with` is "allowance" or "charge", and the node is that. */
bool en_meant(const struct en_check *check, const struct erp_ubl_node *allowance);
bool en_in_list(const char *list, const char *code); /* list: "A B C" */
const char *en_number_text(en_number value, char out[48]);

extern const struct en_rule en_basic_rules[];
extern const struct en_rule en_code_rules[];
extern const struct en_rule en_tax_rules[];
extern const int en_basic_count;
extern const int en_code_count;
extern const int en_tax_count;

/* The three tables as one; NULL beyond the last. */
const struct en_rule *en_rule_at(int index);
/* Appends a finding when the document breaks the rule. */
void en_run(const struct erp_ubl *ubl, const struct en_rule *rule, json_t *findings);

#endif
