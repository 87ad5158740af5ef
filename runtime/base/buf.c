/* buf.c -- see buf.h. */
#include "runtime/base/buf.h"

#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

enum { BUF_FIRST_BYTES = 64 };

void rv_buf_init(struct rv_buf *buf, size_t max_bytes)
{
    *buf = (struct rv_buf){.max = max_bytes, .capacity = BUF_FIRST_BYTES};
    buf->data = rv_alloc(BUF_FIRST_BYTES);
}

void rv_buf_fini(struct rv_buf *buf)
{
    rv_free(buf->data);
    *buf = (struct rv_buf){.data = NULL};
}

void rv_buf_reset(struct rv_buf *buf)
{
    buf->length = 0;
    buf->overflowed = false;
    buf->data[0] = '\0';
}

static bool make_room(struct rv_buf *buf, size_t length)
{
    RV_ASSERT(buf->data != NULL);
    if (buf->overflowed || length > buf->max || buf->length > buf->max - length) {
        buf->overflowed = true;
        return false;
    }
    size_t needed = buf->length + length + 1;
    if (needed > buf->capacity) {
        size_t capacity = buf->capacity;
        while (capacity < needed) {
            capacity *= 2;
        }
        buf->data = rv_realloc(buf->data, capacity);
        buf->capacity = capacity;
    }
    return true;
}

void rv_buf_add(struct rv_buf *buf, const void *bytes, size_t length)
{
    if (length > 0 && make_room(buf, length)) {
        memcpy(buf->data + buf->length, bytes, length);
        buf->length += length;
        buf->data[buf->length] = '\0';
    }
}

void rv_buf_str(struct rv_buf *buf, const char *text)
{
    rv_buf_add(buf, text, strlen(text));
}

void rv_buf_char(struct rv_buf *buf, char c)
{
    rv_buf_add(buf, &c, 1);
}

void rv_buf_printf(struct rv_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    RV_ASSERT(n >= 0);
    if (make_room(buf, (size_t)n)) {
        vsnprintf(buf->data + buf->length, (size_t)n + 1, format, again);
        buf->length += (size_t)n;
    }
    va_end(again);
}

void rv_buf_json_escape(struct rv_buf *buf, const char *text, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    size_t plain = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        rv_buf_add(buf, text + plain, i - plain);
        plain = i + 1;
        switch (c) {
        case '"': rv_buf_str(buf, "\\\""); break;
        case '\\': rv_buf_str(buf, "\\\\"); break;
        case '\b': rv_buf_str(buf, "\\b"); break;
        case '\f': rv_buf_str(buf, "\\f"); break;
        case '\n': rv_buf_str(buf, "\\n"); break;
        case '\r': rv_buf_str(buf, "\\r"); break;
        case '\t': rv_buf_str(buf, "\\t"); break;
        default: {
            char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            rv_buf_add(buf, escape, sizeof escape);
        }
        }
    }
    rv_buf_add(buf, text + plain, length - plain);
}

void rv_buf_be16(struct rv_buf *buf, uint16_t value)
{
    unsigned char bytes[2] = {(unsigned char)(value >> 8), (unsigned char)value};
    rv_buf_add(buf, bytes, sizeof bytes);
}

void rv_buf_be32(struct rv_buf *buf, uint32_t value)
{
    unsigned char bytes[4];
    for (int i = 0; i < 4; i++) {
        bytes[i] = (unsigned char)(value >> (24 - 8 * i));
    }
    rv_buf_add(buf, bytes, sizeof bytes);
}

void rv_buf_be64(struct rv_buf *buf, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(value >> (56 - 8 * i));
    }
    rv_buf_add(buf, bytes, sizeof bytes);
}

void rv_buf_consume(struct rv_buf *buf, size_t length)
{
    RV_ASSERT(length <= buf->length);
    memmove(buf->data, buf->data + length, buf->length - length);
    buf->length -= length;
    buf->data[buf->length] = '\0';
}

enum rv_code rv_buf_ok(const struct rv_buf *buf, const char *what, struct rv_error *err)
{
    if (buf->overflowed) {
        return rv_fail(err, RV_LIMIT, "%s is larger than %zu bytes", what, buf->max);
    }
    return RV_OK;
}

char *rv_buf_take(struct rv_buf *buf)
{
    char *data = buf->data;
    size_t max = buf->max;
    rv_buf_init(buf, max);
    return data;
}
