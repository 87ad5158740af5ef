/* unicode.c -- see unicode.h. */
#include "kernels/model/unicode.h"

enum unicode_kind unicode_kind(uint32_t code)
{
    uint32_t low = 0;
    uint32_t high = unicode_range_count;
    while (low < high) { /* the first range that ends at or behind `code` */
        uint32_t middle = low + (high - low) / 2;
        if (unicode_ranges[middle].last < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == unicode_range_count || unicode_ranges[low].first > code) {
        return UNICODE_OTHER;
    }
    return unicode_ranges[low].kind;
}

int32_t unicode_next(const char *bytes, size_t length, size_t *taken)
{
    unsigned char lead = (unsigned char)bytes[0];
    *taken = 1;
    if (lead < 0x80) {
        return lead;
    }
    if (lead < 0xC2 || lead > 0xF4) { /* a continuation, an overlong or an impossible lead */
        return UNICODE_WRONG;
    }
    size_t whole = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t code = lead & (0x7Fu >> whole);
    /* the second byte excludes overlong forms, surrogates and what is above U+10FFFF */
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i < whole; i++) {
        if (i == length) {
            *taken = i;
            return UNICODE_INCOMPLETE;
        }
        unsigned char byte = (unsigned char)bytes[i];
        if (byte < low || byte > high) {
            *taken = i;
            return UNICODE_WRONG;
        }
        code = code << 6 | (byte & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *taken = whole;
    return (int32_t)code;
}
