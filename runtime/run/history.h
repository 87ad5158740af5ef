/* history.h -- one run as one self-contained document: what it was given, what it did, what came of
 * it.
 *
 *   {"format": "reeve-run/1", "run": "r_…", "agent", "owner", "plan": hex, "source": Lua text,
 *    "input", "created_us", "depth", "parent"?, "budget"? (of a child), "status", "error_code"?,
 * "error_text"?, "result"?, "redacted", "journal": [{"seq", "kind", "name", "digest": hex, "out"}],
 * "sha256": hex}
 *
 * `sha256` is of the compact text of everything else with sorted keys: it finds damage, it proves
 * nothing (that is what the audit record is for).  The document replays anywhere (replay.h): plan,
 * input and answers are in it, and nothing else has a say in what a plan does.
 *
 * Redaction replaces personal and payment data by tokens, the same one for the same text, then lets
 * the plan go its way again over the redacted answers: a redacted document replays byte-equal, too.
 */
#ifndef REEVE_RUNTIME_RUN_HISTORY_H
#define REEVE_RUNTIME_RUN_HISTORY_H

#include "runtime/run/port.h"

enum {
    RV_HISTORY_BYTES_MAX = 64 << 20, /* of a file: a run with some thousand large answers */
    RV_HISTORY_STEPS_MAX = 1 << 20,
    RV_HISTORY_DIGEST = 2 * RV_STEP_DIGEST_BYTES + 1 /* in hexadecimal digits, with NUL */
};

/* Sets "sha256". */
void rv_history_seal(json_t *history);
/* Whether it is one and undamaged: RV_INVALID or RV_CORRUPT, naming the field. */
RV_MUST enum rv_code rv_history_check(const json_t *history, struct rv_error *err);
/* The same in parts: everything but journal and seal, one entry, and what to say of a wrong seal.
 */
RV_MUST enum rv_code rv_history_check_head(const json_t *history, struct rv_error *err);
RV_MUST enum rv_code rv_history_check_entry(const json_t *entry, int64_t seq, struct rv_error *err);
enum rv_code rv_history_unsealed(struct rv_error *err);
/* The run as a run actor loads it; rv_run_image_free.  `history` was checked; its answers are
 * shared with the image, so both belong to one thread. */
struct rv_run_image *rv_history_image(const json_t *history);
/* One more entry at the end of its journal. */
void rv_history_take(struct rv_run_image *image, const json_t *entry);
int64_t rv_history_run(const json_t *history);
void rv_history_digest_hex(const uint8_t digest[RV_STEP_DIGEST_BYTES], char out[RV_HISTORY_DIGEST]);
/* One journal entry; takes `out`. */
json_t *rv_history_step(int32_t seq, int kind, const char *name,
                        const uint8_t digest[RV_STEP_DIGEST_BYTES], json_t *out);

/* A redacted and sealed copy; new reference.  `known`, what else is known of the run, may be NULL:
 * {"people": names of those who had to do with it, "ids": the words that reeve made for it}.
 * Hidden are people and companies where they are named (by key: "by", "supplier", ...; by `known`;
 * the owner), and wherever a text has these names, or a number is one that a text has; not hidden
 * are the names of agents, what reeve calls itself, and reeve's own ids: the run, its parent, its
 * children, `known.ids`. RV_CONFLICT: the plan decides by what would be hidden and goes another way
 * without it; RV_LIMIT: more to hide than one document can have. */
RV_MUST enum rv_code rv_history_redact(const json_t *history, const json_t *known, json_t **out,
                                       struct rv_error *err);
/* The plan's source is never changed: another text is another plan.  How many of its lines show
 * what is hidden elsewhere or looks like it, and the first of them (0: none). */
RV_MUST enum rv_code rv_history_source_shows(const json_t *history, const json_t *known, int *lines,
                                             int *first, struct rv_error *err);

#endif
