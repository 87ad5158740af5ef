/* frame.c -- see frame.h. */
#include "runtime/model/frame.h"

#include "runtime/base/check.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 4 };

/* As far as it matters: at most one more than the limit. */
static int depth_of(const json_t *value, int left)
{
    int most = 0;
    if (left == 0 || !(json_is_array(value) || json_is_object(value))) {
        return json_is_array(value) || json_is_object(value);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        int one = depth_of(json_array_get(value, i), left - 1);
        most = one > most ? one : most;
    }
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        int one = depth_of(member, left - 1);
        most = one > most ? one : most;
    }
    return 1 + most;
}

enum rv_code rv_frame_put(struct rv_buf *out, const json_t *frame, struct rv_error *err)
{
    if (depth_of(frame, RV_FRAME_DEPTH_MAX) > RV_FRAME_DEPTH_MAX) {
        return rv_fail(err, RV_LIMIT, "it is nested deeper than %d levels", RV_FRAME_DEPTH_MAX);
    }
    char *text = json_dumps(frame, JSON_COMPACT);
    RV_ASSERT(text != NULL);
    size_t length = strlen(text);
    enum rv_code code = RV_OK;
    if (length > RV_FRAME_MAX) {
        code = rv_fail(err, RV_LIMIT, "it is %zu bytes long: at most %d", length, RV_FRAME_MAX);
    } else if (out->max - out->length < HEAD_BYTES + length) {
        code = rv_fail(err, RV_UNAVAILABLE, "too much is on its way already");
    } else {
        rv_buf_be32(out, (uint32_t)length);
        rv_buf_add(out, text, length);
    }
    free(text);
    return code;
}

/* Its text begins with the number, whatever follows. */
static int64_t number_of(const char *text, size_t length)
{
    static const char begin[] = "{\"id\":";
    size_t at = sizeof begin - 1;
    int64_t id = 0;
    if (length < at || memcmp(text, begin, at) != 0) {
        return 0;
    }
    while (at < length && text[at] >= '0' && text[at] <= '9' && id < INT64_MAX / 100) {
        id = id * 10 + (text[at++] - '0');
    }
    return at < length && (text[at] == ',' || text[at] == '}') ? id : 0;
}

/* jansson has a limit of its own, 2048 levels; ours is looked at where frames are made, since only
 * we make them. */
static json_t *read_object(const char *text, size_t length)
{
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(value)) {
        return value;
    }
    json_decref(value);
    return NULL;
}

enum rv_code rv_frame_take(struct rv_buf *in, json_t **out, int64_t *id, struct rv_error *err)
{
    *out = NULL;
    *id = 0;
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
    *out = read_object(in->data + HEAD_BYTES, length);
    *id = number_of(in->data + HEAD_BYTES, length);
    rv_buf_consume(in, HEAD_BYTES + length);
    return *out != NULL ? RV_OK : rv_fail(err, RV_INVALID, "a frame is no JSON object");
}
