/* detect_format.c -- marks at the beginning of a file; see detect_format.h.
 *
 * XML is told apart by the namespace of its root.  To find it the prolog is skipped (declaration,
 * comments, instructions) and the start tag is searched as text, wide characters thinned to bytes:
 * good enough to choose a reader, which then parses properly.
 */
#include "erp/exchange/detect_format.h"

#include <stdint.h>
#include <string.h>

static const struct {
    const char *word;
    const char *remedy;
} formats[] = {
#define X(format, word, remedy) {word, remedy},
    ERP_FORMATS(X)
#undef X
};

enum { TAG_MAX = ERP_FORMAT_SNIFF };

const char *erp_format_name(enum erp_format format)
{
    return formats[format].word;
}

const char *erp_format_remedy(enum erp_format format)
{
    return formats[format].remedy;
}

static bool begins(const char *text, size_t length, const char *mark)
{
    size_t n = strlen(mark);
    return length >= n && memcmp(text, mark, n) == 0;
}

/* The text after the first `mark`, or the end. */
static size_t after(const char *text, size_t length, size_t from, const char *mark)
{
    const char *found =
        from < length ? memmem(text + from, length - from, mark, strlen(mark)) : NULL;
    return found != NULL ? (size_t)(found - text) + strlen(mark) : length;
}

/* The root's start tag: its begin and length within `text`; false when it is not in sight. */
static bool root_tag(const char *text, size_t length, const char **tag, size_t *tag_length)
{
    size_t at = 0;
    while (at < length) {
        const char *next = memchr(text + at, '<', length - at);
        if (next == NULL) {
            return false;
        }
        at = (size_t)(next - text);
        size_t rest = length - at;
        if (begins(next, rest, "<!--")) {
            at = after(text, length, at + 4, "-->");
        } else if (begins(next, rest, "<?")) {
            at = after(text, length, at + 2, "?>");
        } else if (begins(next, rest, "<!")) {
            at = after(text, length, at + 2, ">");
        } else {
            const char *end = memchr(next, '>', rest);
            *tag = next;
            *tag_length = end != NULL ? (size_t)(end - next) : rest;
            return true;
        }
    }
    return false;
}

static bool holds(const char *tag, size_t length, const char *word)
{
    return memmem(tag, length, word, strlen(word)) != NULL;
}

static enum erp_format xml_format(const char *text, size_t length)
{
    const char *tag = NULL;
    size_t n = 0;
    if (!root_tag(text, length, &tag, &n)) {
        return ERP_FORMAT_UNKNOWN;
    }
    static const struct {
        const char *word;
        enum erp_format format;
    } marks[] = {
        {"urn:oasis:names:specification:ubl:schema:xsd:", ERP_FORMAT_UBL},
        {"urn:iso:std:iso:20022:tech:xsd:camt.053.001.", ERP_FORMAT_CAMT_053},
        {"urn:iso:std:iso:20022:tech:xsd:camt.052.001.", ERP_FORMAT_CAMT_052},
        {"urn:iso:std:iso:20022:tech:xsd:camt.054.001.", ERP_FORMAT_CAMT_054},
        {"pain.00", ERP_FORMAT_PAIN}, /* national variants have namespaces of their own */
        {"CrossIndustryInvoice", ERP_FORMAT_CII},
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (holds(tag, n, marks[i].word)) {
            return marks[i].format;
        }
    }
    return ERP_FORMAT_UNKNOWN;
}

/* UTF-16 to bytes, as far as marks are concerned. */
static size_t thin(const unsigned char *bytes, size_t length, char *out, size_t size)
{
    size_t n = 0;
    bool wide =
        length >= 2 && ((bytes[0] == 0xFE && bytes[1] == 0xFF) ||
                        (bytes[0] == 0xFF && bytes[1] == 0xFE) || bytes[0] == 0 || bytes[1] == 0);
    for (size_t i = 0; i < length && n < size; i++) {
        if (!(wide && (bytes[i] == 0 || bytes[i] >= 0xFE))) {
            out[n++] = (char)bytes[i];
        }
    }
    return n;
}

enum erp_format erp_format_detect(const void *bytes, size_t length)
{
    char text[TAG_MAX];
    text[0] = '\0';
    size_t n = thin(bytes, length, text, sizeof text);
    const char *begin = text;
    if (begins(begin, n, "\xEF\xBB\xBF")) {
        begin += 3;
        n -= 3;
    }
    while (n > 0 && strchr(" \t\r\n", *begin) != NULL && *begin != '\0') {
        begin++;
        n--;
    }
    if (n > 0 && *begin == '<') {
        return xml_format(begin, n);
    }
    if (begins(begin, n, "%PDF-")) {
        return ERP_FORMAT_PDF;
    }
    if (begins(begin, n, "PK\x03\x04")) {
        return ERP_FORMAT_ZIP;
    }
    if (begins(begin, n, "ISA")) {
        return ERP_FORMAT_X12;
    }
    if (begins(begin, n, "UNA") || begins(begin, n, "UNB")) {
        return ERP_FORMAT_EDIFACT;
    }
    if (begins(begin, n, "01,")) {
        return ERP_FORMAT_BAI2;
    }
    if (begins(begin, n, "101 ")) {
        return ERP_FORMAT_ACH;
    }
    if (begins(begin, n, "{1:") || holds(begin, n, ":20:")) {
        return ERP_FORMAT_MT940;
    }
    return ERP_FORMAT_UNKNOWN;
}
