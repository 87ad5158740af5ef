/* norm.c -- see norm.h. */
#include "erp/domain/norm.h"

#include <string.h>

char *erp_norm(struct rv_arena *arena, const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    char *out = rv_arena_strdup(arena, text);
    char *end = out;
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c >= 'a' && c <= 'z') {
            *end++ = (char)(c - 'a' + 'A');
        } else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80) {
            *end++ = (char)c;
        }
    }
    *end = '\0';
    return out;
}

char *erp_norm_number(struct rv_arena *arena, const char *text)
{
    char *norm = erp_norm(arena, text);
    if (norm == NULL) {
        return NULL;
    }
    char *first = norm + strspn(norm, "0");
    return *first == '\0' && first != norm ? first - 1 : first;
}
