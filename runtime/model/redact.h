/* redact.h -- personal and payment data out of a prompt, and back into the answer.
 *
 * Found by form and checksum: IBANs (ISO 13616, mod 97), payment card numbers (Luhn), e-mail addresses;
 * and by name: the texts the caller lists (names of the company's own parties).  Each becomes a typed
 * token, the same one for the same text: <IBAN_1>, <NAME_2>.  Linear time; pure.
 */
#ifndef REEVE_RUNTIME_MODEL_REDACT_H
#define REEVE_RUNTIME_MODEL_REDACT_H

#include "runtime/base/buf.h"
#include "runtime/base/json.h"

struct rv_redaction;

enum { RV_REDACTIONS_MAX = 512 }; /* distinct texts in one prompt; more is refused as RV_LIMIT */

/* `names`: array of strings or NULL; borrowed for the life of the redaction. */
struct rv_redaction *rv_redaction_create(const json_t *names);
void rv_redaction_destroy(struct rv_redaction *redaction);
/* Appends `text` with everything found replaced. */
RV_MUST enum rv_code rv_redact(struct rv_redaction *redaction, const char *text, size_t length,
                               struct rv_buf *out, struct rv_error *err);
/* Appends `text` with the tokens of this redaction put back. */
void rv_restore(const struct rv_redaction *redaction, const char *text, size_t length,
                struct rv_buf *out);
int rv_redaction_count(const struct rv_redaction *redaction);

#endif
