/* json.h -- the only includer of jansson; what reeve adds to it.
 *
 * Values are jansson's `json_t` with jansson's words for ownership: new, borrowed, stolen.
 * Parsing refuses duplicate keys, NUL in strings, input above a limit and nesting above a depth.
 * The canonical form is RFC 8785 (JCS) over integers, strings, booleans, null, arrays and objects;
 * a real number makes it fail (money and quantities are integers or strings, never floats);
 * rv_json_plain makes texts of those that come from outside.
 */
#ifndef REEVE_RUNTIME_BASE_JSON_H
#define REEVE_RUNTIME_BASE_JSON_H

#include "runtime/base/buf.h"
#include "runtime/base/error.h"

#include <jansson.h>

enum {
    RV_JSON_TEXT_MAX = 64 << 20, /* a document or request body; larger things stream */
    RV_JSON_DEPTH_MAX = 64       /* deeper input is an attack, no ERP document needs it */
};

/* New reference in `out`.  Errors name `what`, line and column. */
RV_MUST enum rv_code rv_json_parse(const char *text, size_t length, const char *what, json_t **out,
                                   struct rv_error *err);
RV_MUST enum rv_code rv_json_canonical(const json_t *value, struct rv_buf *out,
                                       struct rv_error *err);
/* Compact text, keys in insertion order; caller frees with rv_free. Never NULL. */
char *rv_json_text(const json_t *value);

enum { RV_JSON_REAL_TEXT = 40 };
/* A number with a fraction as the text that stands for it wherever reeve takes it in. */
void rv_json_real_text(double number, char out[RV_JSON_REAL_TEXT]);
/* Steals `value` (nobody else holds it or its parts); gives it back with every number with a
 * fraction as text. */
json_t *rv_json_plain(json_t *value);

/* Borrowed reads with a default; a missing key or another type gives the default. */
const char *rv_json_str(const json_t *object, const char *key, const char *otherwise);
int64_t rv_json_int(const json_t *object, const char *key, int64_t otherwise);
bool rv_json_bool(const json_t *object, const char *key, bool otherwise);
/* Required reads: RV_INVALID naming `what` and the key. */
RV_MUST enum rv_code rv_json_need_str(const json_t *object, const char *what, const char *key,
                                      const char **out, struct rv_error *err);
/* Nothing but these: `fields` are names separated by spaces, texts unless a "*" stands before.
 * RV_INVALID naming `what` and the key, which `field` (may be NULL) then points to in `object`. */
RV_MUST enum rv_code rv_json_only(const json_t *object, const char *what, const char *fields,
                                  const char **field, struct rv_error *err);
RV_MUST enum rv_code rv_json_need_int(const json_t *object, const char *what, const char *key,
                                      int64_t *out, struct rv_error *err);

#endif
