/* frame.c -- see frame.h. */
#include "runtime/model/frame.h"

#include "runtime/base/check.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 4 };

bool rv_frame_put(struct rv_buf *out, const json_t *frame)
{
    char *text = json_dumps(frame, JSON_COMPACT);
    RV_ASSERT(text != NULL);
    size_t length = strlen(text);
    bool fits = length <= RV_FRAME_MAX;
    if (fits) {
        rv_buf_be32(out, (uint32_t)length);
        rv_buf_add(out, text, length);
    }
    free(text);
    return fits;
}

enum rv_code rv_frame_take(struct rv_buf *in, json_t **out, struct rv_error *err)
{
    *out = NULL;
    if (in->length < HEAD_BYTES) {
        return RV_OK;
    }
    const unsigned char *head = (const unsigned char *)in->data;
    size_t length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (length > RV_FRAME_MAX) {
        return rv_fail(err, RV_PROTOCOL, "a frame of %zu bytes: at most %d", length, RV_FRAME_MAX);
    }
    if (in->length < HEAD_BYTES + length) {
        return RV_OK;
    }
    enum rv_code code = rv_json_parse(in->data + HEAD_BYTES, length, "frame", out, err);
    if (code == RV_OK && !json_is_object(*out)) {
        code = RV_PROTOCOL;
    }
    if (code != RV_OK) {
        json_decref(*out);
        *out = NULL;
        rv_error_clear(err);
        return rv_fail(err, RV_PROTOCOL, "a frame is no JSON object");
    }
    rv_buf_consume(in, HEAD_BYTES + length);
    return RV_OK;
}
