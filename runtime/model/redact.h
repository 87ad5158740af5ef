/* redact.h -- personal and payment data out of a prompt, and back into the answer.
 *
 * Found by form and checksum: IBANs (ISO 13616, mod 97), payment card numbers (Luhn), e-mail
 * addresses, telephone numbers (international with + or 00; national where a leading 0 and a break
 * say so); and by name: the texts that the caller lists (names of the company's own parties),
 * whatever their case and punctuation.  Each becomes a typed token, the same one for the same text:
 * <IBAN_1>, <NAME_2>.  A text that looks like a token is hidden itself, so that nobody can write
 * one and have it filled in.
 *
 * What is not found: a name that nobody listed, an address, a number without its form.
 * Time: linear in the text for any number of names.  Pure; one thread at a time.
 */
#ifndef REEVE_RUNTIME_MODEL_REDACT_H
#define REEVE_RUNTIME_MODEL_REDACT_H

#include "runtime/base/buf.h"
#include "runtime/base/json.h"

struct rv_redaction;

enum { RV_REDACTIONS_MAX = 512 }; /* distinct texts in one prompt; more is refused as RV_LIMIT */

/* `names`: array of strings or NULL; copied.  Names of less than three letters or more than eight
 * words are not looked for. */
struct rv_redaction *rv_redaction_create(const json_t *names);
void rv_redaction_destroy(struct rv_redaction *redaction);
/* These words of the caller's own, like the number of a run, are no number to hide: where one
 * stands as a whole word, it stays.  `words`: array of strings of letters, digits and '_'; copied.
 */
void rv_redaction_keep(struct rv_redaction *redaction, const json_t *words);
/* Appends `text` with everything found replaced. */
RV_MUST enum rv_code rv_redact(struct rv_redaction *redaction, const char *text, size_t length,
                               struct rv_buf *out, struct rv_error *err);
/* The token of a number that was hidden as a text before, "0211-123456" as 211123456; NULL: of
 * none.
 */
const char *rv_redaction_number(const struct rv_redaction *redaction, int64_t number);
/* Appends `text` with the tokens of this redaction put back. */
void rv_restore(const struct rv_redaction *redaction, const char *text, size_t length,
                struct rv_buf *out);
/* Length of the token of this redaction that `at` (NUL-terminated) begins with; 0 for none. */
size_t rv_redaction_token(const struct rv_redaction *redaction, const char *at);

#endif
