/* spell.c -- see spell.h. */
#include "kernels/serve/spell.h"

#include "kernels/base/fail.h"

#include <string.h>

uint32_t spell_read_utf8(struct kernel_text text, size_t *at)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)text.bytes[(*at)++];
    if (first < 0x80) {
        return first;
    }
    uint32_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    uint32_t point = first & (0xffu >> (length + 1));
    if (first < 0xc2 || first > 0xf4 || *at + length - 1 > text.length) {
        return 0xfffd;
    }
    for (uint32_t i = 1; i < length; i++) {
        uint8_t byte = (uint8_t)text.bytes[*at + i - 1];
        if ((byte & 0xc0) != 0x80) {
            return 0xfffd;
        }
        point = point << 6 | (byte & 0x3fu);
    }
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
        return 0xfffd;
    }
    *at += length - 1;
    return point;
}

uint32_t spell_utf8(uint32_t point, char *out)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    uint32_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (uint32_t i = length; i-- > 1;) {
        out[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    out[0] = (char)(lead[length] | point);
    return length;
}

static uint32_t read_hex(struct kernel_text text, size_t *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4 && *at < text.length; i++) {
        uint8_t byte = (uint8_t)text.bytes[(*at)++];
        value = value << 4 | (byte <= '9' ? byte - 0x30u : (byte | 0x20u) - 0x57u);
    }
    return value & 0xffff;
}

uint32_t spell_read_json(struct kernel_text text, size_t *at)
{
    if (text.bytes[*at] != '\\' || *at + 1 >= text.length) {
        return spell_read_utf8(text, at);
    }
    char kind = text.bytes[*at + 1];
    *at += 2;
    switch (kind) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'u': break;
    default: return (uint8_t)kind;
    }
    uint32_t point = read_hex(text, at);
    if (point >= 0xd800 && point < 0xdc00 && *at + 6 <= text.length) {
        *at += 2;
        point = 0x10000 + ((point - 0xd800) << 10) + (read_hex(text, at) - 0xdc00);
    }
    return point;
}

uint32_t spell_json(uint32_t point, char *out)
{
    static const char shorts[] = "\b\f\n\r\t\"\\";
    static const char letters[] = "bfnrt\"\\";
    static const char digits[] = "0123456789abcdef";
    const char *found = point > 0 && point < 0x80 ? strchr(shorts, (int)point) : NULL;
    if (found != NULL) {
        out[0] = '\\';
        out[1] = letters[found - shorts];
        return 2;
    }
    if (point >= 0x20) {
        return spell_utf8(point, out);
    }
    memcpy(out, "\\u00", 4);
    out[4] = digits[point >> 4];
    out[5] = digits[point & 15];
    return 6;
}

void spell_add(struct spell_bytes *bytes, const void *data, size_t length)
{
    if (bytes->length + length > bytes->room) {
        bytes->room = (bytes->length + length) * 2;
        bytes->at = kernel_resize(bytes->at, bytes->room, 1);
    }
    if (length > 0) {
        memcpy(bytes->at + bytes->length, data, length);
    }
    bytes->length += length;
}

void spell_add_quoted(struct spell_bytes *bytes, struct kernel_text text)
{
    spell_add(bytes, "\"", 1);
    for (size_t at = 0; at < text.length;) {
        char out[8];
        spell_add(bytes, out, spell_json(spell_read_utf8(text, &at), out));
    }
    spell_add(bytes, "\"", 1);
}
