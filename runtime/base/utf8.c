/* utf8.c -- see utf8.h. */
#include "runtime/base/utf8.h"

#include <stdbool.h>

void rv_utf8_repair(char *text)
{
    unsigned char *at = (unsigned char *)text;
    while (*at != '\0') {
        int more = *at < 0x80                  ? 0
                   : *at >= 0xC2 && *at < 0xE0 ? 1
                   : *at >= 0xE0 && *at < 0xF0 ? 2
                                               : 3;
        bool ok = *at < 0x80 || (*at >= 0xC2 && *at <= 0xF4);
        for (int i = 1; ok && i <= more; i++) {
            ok = (at[i] & 0xC0) == 0x80; /* also stops at the end of the text */
        }
        if (ok && more == 2) {
            ok = !(at[0] == 0xE0 && at[1] < 0xA0) && !(at[0] == 0xED && at[1] >= 0xA0);
        } else if (ok && more == 3) {
            ok = !(at[0] == 0xF0 && at[1] < 0x90) && !(at[0] == 0xF4 && at[1] >= 0x90);
        }
        if (!ok) {
            *at = '?';
            more = 0;
        }
        at += more + 1;
    }
}
