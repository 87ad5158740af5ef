/* trace_header.c -- the trace that a request carries out of here; see post.h. */
#include "runtime/base/hash.h"
#include "runtime/hooks/post.h"

#include <stdio.h>
#include <string.h>

void rv_trace_header(const char *trace, const char *what, char out[RV_TRACE_HEADER_MAX])
{
    char hex[RV_HASH_HEX];
    struct rv_hash hash = rv_sha256(what, strlen(what));
    rv_hash_hex(&hash, hex);
    snprintf(out, RV_TRACE_HEADER_MAX, "traceparent: 00-%.32s-%.16s-01", trace, hex);
}
