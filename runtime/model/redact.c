/* redact.c -- see redact.h. */
#include "runtime/model/redact.h"

#include "runtime/base/check.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    IBAN_MIN = 15,
    IBAN_MAX = 34,
    CARD_MIN = 13,
    CARD_MAX = 19,
    NAME_MIN = 3,
    EMAIL_LOCAL_MAX = 64, /* RFC 5321; also keeps the scan linear */
    EMAIL_DOMAIN_MAX = 255,
    PHONE_DIGITS_MIN = 7,
    PHONE_DIGITS_MAX = 15, /* E.164 */
    TOKEN_MAX = 24,
    TOKEN_LETTERS_MAX = 8,
    NAME_BYTES_MAX = 256,
    NAME_WORDS_MAX = 8, /* of a name; also what keeps looking for names linear */
    KEPT_MAX = 64       /* bytes of a word that stays */
};

struct entry {
    char *text;
    int64_t
        number; /* its digits, where it has nothing but these and signs between; -1: no number */
    char token[TOKEN_MAX];
};

/* A name as it is compared: letters and digits only, small. */
struct name {
    struct name *next; /* of the same bucket */
    uint32_t hash;
    size_t length;
    char text[];
};

struct rv_redaction {
    struct name **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    struct entry entries[RV_REDACTIONS_MAX];
    int count;
    json_t *kept; /* object: each word true; NULL: none */
};

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Small letters, also those of Latin-1 in UTF-8 (C3 80..9E): `before` is the byte before. */
static char small(char before, char c)
{
    unsigned char byte = (unsigned char)c;
    if ((unsigned char)before == 0xc3 && byte >= 0x80 && byte <= 0x9e && byte != 0x97) {
        return (char)(byte | 0x20);
    }
    return (char)(byte < 0x80 ? tolower(byte) : byte);
}

static const uint32_t HASH_FIRST = 0x811c9dc5U;

static uint32_t hash_more(uint32_t hash, char c)
{
    return (hash ^ (unsigned char)c) * 16777619U; /* FNV-1a */
}
static void add_name(struct rv_redaction *redaction, const char *text)
{
    size_t length = 0;
    struct name *name = rv_alloc(sizeof *name + strlen(text) + 1);
    name->hash = HASH_FIRST;
    char before = 0;
    for (const char *at = text; *at != '\0'; before = *at++) {
        if (word_char(*at)) {
            name->text[length] = small(before, *at);
            name->hash = hash_more(name->hash, name->text[length]);
            length++;
        }
    }
    name->length = length;
    if (length < NAME_MIN) {
        rv_free(name);
        return;
    }
    struct name **bucket = &redaction->buckets[name->hash & (redaction->bucket_count - 1)];
    name->next = *bucket;
    *bucket = name;
}

struct rv_redaction *rv_redaction_create(const json_t *names)
{
    struct rv_redaction *redaction = rv_alloc(sizeof *redaction);
    size_t i;
    json_t *item;
    if (json_array_size(names) > 0) {
        redaction->bucket_count = 1;
        while (redaction->bucket_count < 2 * json_array_size(names)) {
            redaction->bucket_count *= 2;
        }
        redaction->buckets = rv_alloc_array(redaction->bucket_count, sizeof(struct name *));
    }
    json_array_foreach((json_t *)(uintptr_t)names, i, item)
    {
        if (json_is_string(item)) {
            add_name(redaction, json_string_value(item));
        }
    }
    return redaction;
}

void rv_redaction_destroy(struct rv_redaction *redaction)
{
    if (redaction == NULL) {
        return;
    }
    for (size_t i = 0; i < redaction->bucket_count; i++) {
        while (redaction->buckets[i] != NULL) {
            struct name *name = redaction->buckets[i];
            redaction->buckets[i] = name->next;
            rv_free(name);
        }
    }
    rv_free(redaction->buckets);
    json_decref(redaction->kept);
    for (int i = 0; i < redaction->count; i++) {
        rv_free(redaction->entries[i].text);
    }
    rv_free(redaction);
}

void rv_redaction_keep(struct rv_redaction *redaction, const json_t *words)
{
    size_t i;
    json_t *word;
    redaction->kept = redaction->kept != NULL ? redaction->kept : json_object();
    json_array_foreach((json_t *)(uintptr_t)words, i, word)
    {
        if (json_is_string(word)) {
            json_object_set_new(redaction->kept, json_string_value(word), json_true());
        }
    }
}

/* Length of the word to keep that starts here; 0 for none. */
static size_t kept_at(const struct rv_redaction *redaction, const char *text, size_t length)
{
    char word[KEPT_MAX];
    size_t i = 0;
    if (json_object_size(redaction->kept) == 0) {
        return 0;
    }
    while (i < length && i < sizeof word - 1 && (word_char(text[i]) || text[i] == '_')) {
        word[i] = text[i];
        i++;
    }
    word[i] = '\0';
    bool ends = i == length || !word_char(text[i]);
    return ends && json_object_get(redaction->kept, word) != NULL ? i : 0;
}

static int64_t number_of(const char *text, size_t length)
{
    int64_t number = -1;
    for (size_t i = 0; i < length; i++) {
        if (isdigit((unsigned char)text[i])) {
            number = number < 0 ? 0 : number;
            if (__builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, text[i] - '0', &number)) {
                return -1;
            }
        } else if (word_char(text[i])) {
            return -1;
        }
    }
    return number;
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
    entry->number = number_of(text, length);
    snprintf(entry->token, sizeof entry->token, "<%s_%d>", type, redaction->count);
    return entry->token;
}

/* ISO 7064 mod 97-10 over the moved and lettered number. */
static bool iban_valid(const char *digits, size_t length)
{
    unsigned int rest = 0;
    for (size_t i = 0; i < length; i++) {
        char c = digits[(i + 4) % length];
        unsigned int value = isdigit((unsigned char)c)
                                 ? (unsigned int)(c - '0')
                                 : (unsigned int)(toupper((unsigned char)c) - 'A' + 10);
        rest = (value >= 10 ? rest * 100 + value : rest * 10 + value) % 97;
    }
    return rest == 1;
}

/* Length in the text of the longest valid IBAN that starts here, spaces in groups allowed; 0 none.
 */
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
    while (i < length && i <= EMAIL_LOCAL_MAX && text[i] != '\0' &&
           (isalnum((unsigned char)text[i]) || strchr("._%+-", text[i]) != NULL)) {
        i++;
    }
    if (i == 0 || i == length || text[i] != '@') {
        return 0;
    }
    size_t start = ++i;
    size_t dot = 0;
    while (i < length && i - start < EMAIL_DOMAIN_MAX &&
           (isalnum((unsigned char)text[i]) || text[i] == '.' || text[i] == '-')) {
        dot = text[i] == '.' ? i : dot;
        i++;
    }
    if (i == dot + 1) { /* the full stop of a sentence */
        size_t end = dot;
        for (dot = start; end > start && text[--end] != '.';) {
        }
        return text[end] == '.' && end > start && i - 1 > end + 2 ? i - 1 : 0;
    }
    return dot > start && i > dot + 2 ? i : 0;
}

/* 31.12.2026, 31-12-2026, 2026-12-31, 31/12/2026: groups of 2-2-4 or 4-2-2 digits. */
static bool is_date(const char *text, size_t length)
{
    static const char *const forms[] = {"dd-dd-dddd", "dddd-dd-dd"};
    for (size_t f = 0; f < RV_COUNT(forms) && length == 10; f++) {
        bool fits = true;
        for (size_t i = 0; i < length; i++) {
            bool digit = isdigit((unsigned char)text[i]) != 0;
            fits = fits && (forms[f][i] == 'd' ? digit : !digit);
        }
        if (fits) {
            return true;
        }
    }
    return false;
}

/* "+49 211 123456", "0049 (0)211/123456", "0211-123456", "(0211) 123456". */
static size_t phone_at(const char *text, size_t length)
{
    size_t i = 0;
    size_t end = 0;
    int digits = 0;
    int breaks = 0;
    bool plus = text[0] == '+';
    i += plus || text[0] == '(';
    if (i >= length || !isdigit((unsigned char)text[i]) || (!plus && text[i] != '0')) {
        return 0;
    }
    bool abroad = plus || (i + 2 < length && text[i + 1] == '0' && text[i + 2] != '0');
    for (; i < length && digits <= PHONE_DIGITS_MAX; i++) {
        if (isdigit((unsigned char)text[i])) {
            digits++;
            end = i + 1;
        } else if (strchr(" -/()", text[i]) != NULL && text[i] != '\0' && i > end - 1 &&
                   i - end < 2) {
            breaks += i == end; /* at most two signs between groups */
        } else {
            break;
        }
    }
    bool ends = end == length || !word_char(text[end]);
    if (digits < PHONE_DIGITS_MIN + (abroad ? 1 : 0) || digits > PHONE_DIGITS_MAX || !ends ||
        is_date(text, end)) {
        return 0;
    }
    return plus || (abroad && (breaks > 0 || digits >= PHONE_DIGITS_MIN + 4)) || breaks > 0 ? end
                                                                                            : 0;
}

static bool is_name(const struct rv_redaction *redaction, const char *norm, size_t length,
                    uint32_t hash)
{
    const struct name *name = redaction->buckets[hash & (redaction->bucket_count - 1)];
    for (; name != NULL; name = name->next) {
        if (name->hash == hash && name->length == length && memcmp(name->text, norm, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Length in the text of the longest listed name that starts here: looked up after each of its
 * words; punctuation is stepped over, a line break is not. */
static size_t name_at(const struct rv_redaction *redaction, const char *text, size_t length)
{
    char norm[NAME_BYTES_MAX];
    uint32_t hash = HASH_FIRST;
    size_t count = 0;
    size_t best = 0;
    int words = 0;
    char before = 0;
    if (redaction->bucket_count == 0 || !word_char(text[0])) {
        return 0;
    }
    for (size_t i = 0; i < length && count < NAME_BYTES_MAX; before = text[i++]) {
        if (!word_char(text[i])) {
            if (text[i] == '<' || text[i] == '\n') {
                break;
            }
            continue;
        }
        norm[count] = small(before, text[i]);
        hash = hash_more(hash, norm[count]);
        count++;
        if (i + 1 == length || !word_char(text[i + 1])) {
            best = count >= NAME_MIN && is_name(redaction, norm, count, hash) ? i + 1 : best;
            if (++words == NAME_WORDS_MAX) {
                break;
            }
        }
        if (i > NAME_BYTES_MAX * 2) {
            break; /* more signs than letters */
        }
    }
    return best;
}

/* "<NAME_1>" in the text itself, of whatever kind. */
static size_t token_like(const char *text, size_t length)
{
    size_t i = 1;
    while (i < length && i <= TOKEN_LETTERS_MAX && isupper((unsigned char)text[i])) {
        i++;
    }
    if (text[0] != '<' || i == 1 || i >= length || text[i] != '_') {
        return 0;
    }
    size_t first = ++i;
    while (i < length && i < TOKEN_MAX && isdigit((unsigned char)text[i])) {
        i++;
    }
    return i > first && i < length && text[i] == '>' ? i + 1 : 0;
}

enum rv_code rv_redact(struct rv_redaction *redaction, const char *text, size_t length,
                       struct rv_buf *out, struct rv_error *err)
{
    size_t i = 0;
    while (i < length) {
        bool starts = i == 0 || !word_char(text[i - 1]);
        bool whole = starts && (i == 0 || text[i - 1] != '_');
        size_t kept = whole ? kept_at(redaction, text + i, length - i) : 0;
        const char *type = NULL;
        size_t found = 0;
        if (kept > 0) {
            rv_buf_add(out, text + i, kept);
            i += kept;
            continue;
        }
        if (text[i] == '<') {
            found = token_like(text + i, length - i);
            type = "TEXT";
        } else if (starts) {
            const struct {
                const char *type;
                size_t length;
            } kinds[] = {{"NAME", name_at(redaction, text + i, length - i)},
                         {"IBAN", iban_at(text + i, length - i)},
                         {"EMAIL", email_at(text + i, length - i)},
                         {"CARD", card_at(text + i, length - i)},
                         {"PHONE", phone_at(text + i, length - i)}};
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

const char *rv_redaction_number(const struct rv_redaction *redaction, int64_t number)
{
    for (int k = 0; k < redaction->count && number >= 0; k++) {
        if (redaction->entries[k].number == number) {
            return redaction->entries[k].token;
        }
    }
    return NULL;
}

size_t rv_redaction_token(const struct rv_redaction *redaction, const char *at)
{
    for (int k = 0; k < redaction->count; k++) {
        size_t size = strlen(redaction->entries[k].token);
        if (strncmp(at, redaction->entries[k].token, size) == 0) {
            return size;
        }
    }
    return 0;
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
