/* sse.c -- see sse.h. */
#include "runtime/http/sse.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <string.h>

void rv_sse_event(struct rv_buf *out, int64_t id, const char *event, const char *data)
{
    RV_ASSERT(strpbrk(event, "\r\n") == NULL);
    if (id != 0) {
        rv_buf_printf(out, "id: %" PRId64 "\n", id);
    }
    rv_buf_printf(out, "event: %s\n", event);
    for (;;) {
        size_t length = strcspn(data, "\r\n");
        rv_buf_str(out, "data: ");
        rv_buf_add(out, data, length);
        rv_buf_char(out, '\n');
        data += length;
        if (*data == '\0') {
            break;
        }
        data += data[0] == '\r' && data[1] == '\n' ? 2 : 1;
    }
    rv_buf_char(out, '\n');
}

void rv_sse_comment(struct rv_buf *out, const char *text)
{
    rv_buf_printf(out, ": %s\n\n", text);
}

void rv_sse_begin(struct rv_buf *out, int64_t id, int retry_ms)
{
    rv_buf_printf(out, "id: %" PRId64 "\nretry: %d\n\n", id, retry_ms);
}
