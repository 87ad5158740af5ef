/* run_trace.c -- see run_trace.h. */
#include "runtime/run/run_trace.h"

#include "runtime/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* version "-" trace-id "-" parent-id "-" flags; later versions may have more behind it */
enum { ID_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, PARENT_LENGTH = 55, HALF = 16 };

static const char digits[] = "0123456789abcdef";

static bool are_digits(const char *text, size_t count)
{
    return strspn(text, digits) >= count;
}

static bool read_id(const char *text, struct rv_trace *out)
{
    char half[HALF + 1];
    snprintf(half, sizeof half, "%.*s", HALF, text);
    out->high = strtoull(half, NULL, 16);
    snprintf(half, sizeof half, "%.*s", HALF, text + HALF);
    out->low = strtoull(half, NULL, 16);
    return rv_trace_is(*out);
}

bool rv_trace_from_text(const char *text, struct rv_trace *out)
{
    return strlen(text) == RV_TRACE_TEXT - 1 && are_digits(text, RV_TRACE_TEXT - 1) &&
           read_id(text, out);
}

bool rv_trace_from_parent(const char *traceparent, struct rv_trace *out)
{
    static const char nobody[] = "0000000000000000";
    size_t length = strlen(traceparent);
    if (length < PARENT_LENGTH || !are_digits(traceparent, 2) ||
        strncmp(traceparent, "ff", 2) == 0 || traceparent[ID_AT - 1] != '-' ||
        traceparent[PARENT_AT - 1] != '-' || traceparent[FLAGS_AT - 1] != '-' ||
        !are_digits(traceparent + ID_AT, RV_TRACE_TEXT - 1) ||
        !are_digits(traceparent + PARENT_AT, HALF) || !are_digits(traceparent + FLAGS_AT, 2) ||
        strncmp(traceparent + PARENT_AT, nobody, HALF) == 0) {
        return false;
    }
    if (length > PARENT_LENGTH &&
        (strncmp(traceparent, "00", 2) == 0 || traceparent[PARENT_LENGTH] != '-')) {
        return false;
    }
    return read_id(traceparent + ID_AT, out);
}

void rv_trace_caller(const char *traceparent, char out[RV_TRACE_CALLER])
{
    snprintf(out, RV_TRACE_CALLER, "%.*s", HALF, traceparent + PARENT_AT);
}

void rv_trace_text(struct rv_trace trace, char out[RV_TRACE_TEXT])
{
    snprintf(out, RV_TRACE_TEXT, "%016" PRIx64 "%016" PRIx64, trace.high, trace.low);
}

struct rv_trace rv_run_trace(int32_t tenant, int64_t run, const json_t *input)
{
    struct rv_trace trace = {0, 0};
    char text[64];
    if (rv_trace_from_text(rv_json_str(input, "trace", ""), &trace)) {
        return trace;
    }
    snprintf(text, sizeof text, "reeve run %" PRId32 " %" PRId64, tenant, run);
    struct rv_hash hash = rv_sha256(text, strlen(text));
    char hex[RV_HASH_HEX];
    rv_hash_hex(&hash, hex);
    read_id(hex, &trace);
    return trace;
}
