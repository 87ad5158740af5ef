/* effect.h -- what decide functions are written with: emitting events, building balanced entries,
 * refusing with reasons.  Private to erp/command; pure, memory from the context's arena. */
#ifndef REEVE_ERP_COMMAND_EFFECT_H
#define REEVE_ERP_COMMAND_EFFECT_H

#include "erp/command/command.h"

/* "invoice:4711" */
char *erp_stream(struct rv_arena *arena, const char *kind, int64_t id);
/* Appends one event; takes `body`. */
void erp_emit(struct erp_outcome *outcome, const char *stream, int64_t version, const char *type,
              int64_t occurred_on, json_t *body);
/* Sets the answer; takes `answer`. */
void erp_answer(struct erp_outcome *outcome, json_t *answer);

/* Borrowed members of a state; an absent or null one gives NULL. */
const json_t *erp_part(const json_t *state, const char *key);
/* Copies a member when it is there and not null. */
void erp_copy(json_t *to, const char *to_key, const json_t *from, const char *from_key);
void erp_set_str(json_t *object, const char *key, const char *text); /* NULL: left out */
void erp_set_int(json_t *object, const char *key, int64_t value);

/* The day the command is about: args[key] when given, else today. */
int64_t erp_day(const struct erp_context *context, const json_t *args, const char *key);
json_t *erp_date_json(int64_t days);

/* RV_CONFLICT unless state[what].state is one of the words (NULL-terminated list). */
RV_MUST enum rv_code erp_need_state(const json_t *subject, const char *what, const char *verb,
                                    struct rv_error *err, ...);

/* The compensation of a fact: there is none. */
bool erp_irreversible(const json_t *args, const json_t *answer, const char **name,
                      json_t **out_args);

/* ---- keys ---- */
/* `kind`:args[member], as the resource of a command. */
int erp_key_id(const json_t *args, const char *member, const char *kind, struct rv_arena *arena,
               const char *out[ERP_KEYS_MAX]);

/* ---- entries ---- */

/* One ledger entry in the making. */
struct erp_posting {
    const struct erp_context *context;
    struct erp_outcome *outcome;
    int64_t id;
    int64_t day;
    const char *doc_kind; /* "invoice", "manual", ... */
    int64_t doc_id;       /* 0 none */
    const char *memo;
    int64_t reverses; /* 0 none */
    json_t *lines;
    json_t *books;
};
void erp_posting_open(struct erp_posting *posting, const struct erp_context *context,
                      struct erp_outcome *outcome, int64_t id, int64_t day, const char *doc_kind,
                      int64_t doc_id, const char *memo);
/* Debit positive, credit negative; a zero amount makes no line. */
void erp_posting_line(struct erp_posting *posting, const char *account, const char *name,
                      int64_t amount, const char *currency, int64_t party, const char *tax_code);
/* The same on the account that has `role` in state.roles; RV_NOT_FOUND when the chart has none. */
RV_MUST enum rv_code erp_posting_role(struct erp_posting *posting, const json_t *state,
                                      const char *role, int64_t amount, const char *currency,
                                      int64_t party, struct rv_error *err);
/* Checks that the entry is not empty, that every currency sums to zero and that the period of
 * `class` is open, then emits journal.posted.v1 and adds to the books.  Frees the lines also on
 * failure. */
RV_MUST enum rv_code erp_posting_close(struct erp_posting *posting, const json_t *locks,
                                       const char *class, struct rv_error *err);
void erp_posting_drop(struct erp_posting *posting);

/* Emits the entry that takes back `je` with lines [{account,name,amount,currency,party,tax_code}],
 * and journal.reversed.v1 on the old one. */
RV_MUST enum rv_code erp_reverse(const struct erp_context *context, struct erp_outcome *outcome,
                                 int64_t id, int64_t day, const json_t *je, const json_t *lines,
                                 const json_t *locks, const char *class, const char *reason,
                                 struct rv_error *err);

/* ---- parties in documents ---- */

/* The supplier of a document: the known one, or a new party with status "unverified" (emitted),
 * whose id is context->first_id + 1. */
RV_MUST enum rv_code erp_document_party(const struct erp_context *context, const json_t *doc,
                                        const json_t *state, struct erp_outcome *outcome,
                                        int64_t *party, struct rv_error *err);
/* Keys of a document: "<kind>:<supplier>:<number>", "supplier:<name>", "vat:<id>". */
int erp_document_keys(const json_t *doc, const char *kind, struct rv_arena *arena,
                      const char *out[ERP_KEYS_MAX]);
/* The same file again: true after answering {<kind>: id, changed: false}. */
bool erp_document_known(const json_t *doc, const json_t *state, const char *kind,
                        struct erp_outcome *outcome);

#endif
