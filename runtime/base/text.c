/* text.c -- see text.h. */
#include "runtime/base/text.h"

#include <string.h>

/* Bytes of the character that begins here; 0: none does.  Table 3-7 of the Unicode standard. */
static size_t character(const unsigned char *at, size_t left)
{
    unsigned char least = 0x80; /* of the second byte */
    unsigned char most = 0xBF;
    size_t length = 0;
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] >= 0xC2 && at[0] <= 0xDF) {
        length = 2;
    } else if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        length = 3;
        least = at[0] == 0xE0 ? 0xA0 : 0x80;
        most = at[0] == 0xED ? 0x9F : 0xBF; /* above: surrogates */
    } else if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        length = 4;
        least = at[0] == 0xF0 ? 0x90 : 0x80;
        most = at[0] == 0xF4 ? 0x8F : 0xBF;
    }
    if (length == 0 || length > left || at[1] < least || at[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* Where it is no UTF-8; `length` where it is. */
static size_t wrong_at(const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t here = character((const unsigned char *)bytes + at, length - at);
        if (here == 0) {
            return at;
        }
        at += here;
    }
    return length;
}

bool rv_text_utf8(const char *bytes, size_t length)
{
    return wrong_at(bytes, length) == length;
}

void rv_text_mend(char *text)
{
    size_t length = strlen(text);
    for (size_t at = wrong_at(text, length); at < length; at += wrong_at(text + at, length - at)) {
        text[at] = '?';
    }
}

enum rv_code rv_text_check(const char *what, const char *text, struct rv_error *err)
{
    size_t length = strlen(text);
    size_t at = wrong_at(text, length);
    if (at == length) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "%s is not valid UTF-8: byte %zu is 0x%02X", what, at + 1,
            (unsigned char)text[at]);
    rv_hint(err, "Write it in UTF-8; a terminal that sends another encoding says so in `locale`.");
    return RV_INVALID;
}
