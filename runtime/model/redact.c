/* redact.c -- see redact.h. */
#include "runtime/model/redact.h"

#include "runtime/base/check.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { IBAN_MIN = 15, IBAN_MAX = 34, CARD_MIN = 13, CARD_MAX = 19, NAME_MIN = 3, TOKEN_MAX = 24 };

struct entry {
    char *text;
    char token[TOKEN_MAX];
};

struct rv_redaction {
    const json_t *names;
    struct entry entries[RV_REDACTIONS_MAX];
    int count;
};

struct rv_redaction *rv_redaction_create(const json_t *names)
{
    struct rv_redaction *redaction = rv_alloc(sizeof *redaction);
    redaction->names = names;
    return redaction;
}

void rv_redaction_destroy(struct rv_redaction *redaction)
{
    if (redaction != NULL) {
        for (int i = 0; i < redaction->count; i++) {
            rv_free(redaction->entries[i].text);
        }
        rv_free(redaction);
    }
}

int rv_redaction_count(const struct rv_redaction *redaction)
{
    return redaction->count;
}

static const char *token_for(struct rv_redaction *redaction, const char *type, const char *text,
                             size_t length)
{
    for (int i = 0; i < redaction->count; i++) {
        if (strlen(redaction->entries[i].text) == length &&
            memcmp(redaction->entries[i].text, text, length) == 0) {
            return redaction->entries[i].token;
        }
    }
    if (redaction->count == RV_REDACTIONS_MAX) {
        return NULL;
    }
    struct entry *entry = &redaction->entries[redaction->count++];
    entry->text = rv_strndup(text, length);
    snprintf(entry->token, sizeof entry->token, "<%s_%d>", type, redaction->count);
    return entry->token;
}

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* ISO 7064 mod 97-10 over the moved and lettered number. */
static bool iban_valid(const char *digits, size_t length)
{
    unsigned int rest = 0;
    for (size_t i = 0; i < length; i++) {
        char c = digits[(i + 4) % length];
        unsigned int value = isdigit((unsigned char)c) ? (unsigned int)(c - '0')
                                                       : (unsigned int)(toupper((unsigned char)c) - 'A' + 10);
        rest = (value >= 10 ? rest * 100 + value : rest * 10 + value) % 97;
    }
    return rest == 1;
}

/* Length in the text of the longest valid IBAN that starts here, spaces in groups allowed; 0 none. */
static size_t iban_at(const char *text, size_t length)
{
    char compact[IBAN_MAX];
    size_t count = 0;
    size_t best = 0;
    if (length < IBAN_MIN || !isalpha((unsigned char)text[0]) || !isalpha((unsigned char)text[1]) ||
        !isdigit((unsigned char)text[2]) || !isdigit((unsigned char)text[3])) {
        return 0;
    }
    for (size_t i = 0; i < length && count < IBAN_MAX; i++) {
        if (text[i] == ' ' && i > 0 && text[i - 1] != ' ') {
            continue;
        }
        if (!isalnum((unsigned char)text[i])) {
            break;
        }
        compact[count++] = text[i];
        bool ends = i + 1 == length || !isalnum((unsigned char)text[i + 1]);
        if (count >= IBAN_MIN && ends && iban_valid(compact, count)) {
            best = i + 1;
        }
    }
    return best;
}

static size_t card_at(const char *text, size_t length)
{
    int digits[CARD_MAX];
    int count = 0;
    size_t end = 0;
    for (size_t i = 0; i < length && count < CARD_MAX; i++) {
        if (isdigit((unsigned char)text[i])) {
            digits[count++] = text[i] - '0';
            end = i + 1;
        } else if ((text[i] != ' ' && text[i] != '-') || i == 0) {
            break;
        }
    }
    if (count < CARD_MIN || (end < length && isdigit((unsigned char)text[end]))) {
        return 0;
    }
    int sum = 0;
    for (int i = 0; i < count; i++) { /* Luhn */
        int digit = digits[count - 1 - i] * (i % 2 == 1 ? 2 : 1);
        sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 == 0 ? end : 0;
}

static size_t email_at(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length && (isalnum((unsigned char)text[i]) || strchr("._%+-", text[i]) != NULL) &&
           text[i] != '\0') {
        i++;
    }
    if (i == 0 || i == length || text[i] != '@') {
        return 0;
    }
    size_t start = ++i;
    size_t dot = 0;
    while (i < length && (isalnum((unsigned char)text[i]) || text[i] == '.' || text[i] == '-')) {
        dot = text[i] == '.' ? i : dot;
        i++;
    }
    return dot > start && i > dot + 2 ? i : 0;
}

static size_t name_at(const struct rv_redaction *redaction, const char *text, size_t length)
{
    size_t best = 0;
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)redaction->names, i, item)
    {
        size_t size = json_string_length(item);
        if (size >= NAME_MIN && size <= length && size > best &&
            strncasecmp(text, json_string_value(item), size) == 0 &&
            (size == length || !word_char(text[size]))) {
            best = size;
        }
    }
    return best;
}

enum rv_code rv_redact(struct rv_redaction *redaction, const char *text, size_t length,
                       struct rv_buf *out, struct rv_error *err)
{
    size_t i = 0;
    while (i < length) {
        bool starts = i == 0 || !word_char(text[i - 1]);
        const char *type = NULL;
        size_t found = 0;
        if (starts) {
            const struct {
                const char *type;
                size_t length;
            } kinds[] = {{"NAME", name_at(redaction, text + i, length - i)},
                         {"IBAN", iban_at(text + i, length - i)},
                         {"EMAIL", email_at(text + i, length - i)},
                         {"CARD", card_at(text + i, length - i)}};
            for (size_t k = 0; k < RV_COUNT(kinds); k++) {
                if (kinds[k].length > found) {
                    type = kinds[k].type;
                    found = kinds[k].length;
                }
            }
        }
        if (found == 0) {
            /* to the end of the word in one go: nothing can start inside it */
            size_t end = i + 1;
            while (end < length && word_char(text[end - 1]) && word_char(text[end])) {
                end++;
            }
            rv_buf_add(out, text + i, end - i);
            i = end;
            continue;
        }
        const char *token = token_for(redaction, type, text + i, found);
        if (token == NULL) {
            return rv_fail(err, RV_LIMIT, "a prompt holds more than %d names and numbers to hide",
                           RV_REDACTIONS_MAX);
        }
        rv_buf_str(out, token);
        i += found;
    }
    return RV_OK;
}

void rv_restore(const struct rv_redaction *redaction, const char *text, size_t length,
                struct rv_buf *out)
{
    for (size_t i = 0; i < length;) {
        bool replaced = false;
        for (int k = 0; text[i] == '<' && k < redaction->count && !replaced; k++) {
            size_t size = strlen(redaction->entries[k].token);
            if (size <= length - i && memcmp(text + i, redaction->entries[k].token, size) == 0) {
                rv_buf_str(out, redaction->entries[k].text);
                i += size;
                replaced = true;
            }
        }
        if (!replaced) {
            rv_buf_char(out, text[i++]);
        }
    }
}
