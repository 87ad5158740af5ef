/* note.h -- signed checkpoints: the text of c2sp.org/tlog-checkpoint in the envelope of
 * c2sp.org/signed-note, with an Ed25519 key.  Private to runtime/audit.
 *
 *     reeve/tenant/1
 *     4711
 *     <base64 of the root>
 *
 *     — <key name> <base64 of 4 bytes key hash and 64 bytes signature>
 */
#ifndef REEVE_RUNTIME_AUDIT_NOTE_H
#define REEVE_RUNTIME_AUDIT_NOTE_H

#include "runtime/base/error.h"
#include "runtime/base/hash.h"

#include <stdbool.h>

enum { NOTE_TEXT_MAX = 1024, NOTE_NAME_MAX = 64, NOTE_VERIFIER_TEXT = 160 };

/* What is needed to check a note: no secret. */
struct note_verifier {
    char name[NOTE_NAME_MAX];
    unsigned char public_key[32];
};

struct note_key {
    struct note_verifier verifier;
    unsigned char secret_key[64];
};

/* A verifier as text, "<name>+<8 hex digits>+<base64>", and back. */
void note_verifier_text(const struct note_verifier *verifier, char out[NOTE_VERIFIER_TEXT]);
RV_MUST enum rv_code note_verifier_read(const char *text, struct note_verifier *out,
                                        struct rv_error *err);

/* Reads the key pair, or makes it (file mode 0600). */
RV_MUST enum rv_code note_key_open(const char *path, struct note_key *out, struct rv_error *err);
void note_key_wipe(struct note_key *key);
void note_sign(const struct note_key *key, int32_t tenant, int64_t size, const struct rv_hash *root,
               char out[NOTE_TEXT_MAX]);
/* Checks shape and that one of the verifiers signed; gives what the note says. */
RV_MUST enum rv_code note_verify(const struct note_verifier *verifiers, int count, int32_t tenant,
                                 const char *note, int64_t *size, struct rv_hash *root,
                                 struct rv_error *err);
/* What the note says, its signature unchecked: for notes that were made a moment ago. */
RV_MUST enum rv_code note_read(const char *note, int64_t *size, struct rv_hash *root,
                               struct rv_error *err);
/* Whether the note is about this tenant, without checking more. */
bool note_is_of(const char *note, int32_t tenant);

#endif
