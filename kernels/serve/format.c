/* format.c -- the formats of JSON Schema as patterns: what is written is always valid, though not
 * everything valid is written (no leap seconds, no lower-case "t", no address literals).
 *
 * Sources: RFC 3339 section 5.6 (and appendix C for leap years), RFC 4122, RFC 5321 section 4.1.2
 * (dot-string at domain), RFC 1123, RFC 3986 appendix A, RFC 2673 section 3.2, RFC 4291.
 */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"
#include "kernels/serve/regex.h"

#include <string.h>

#define YEAR "(000[1-9]|00[1-9]\\d|0[1-9]\\d\\d|[1-9]\\d{3})"
#define LEAP "(\\d\\d(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
#define DATE                                                                                       \
    "((" YEAR "-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|"         \
    "02-(0[1-9]|1\\d|2[0-8])))|" LEAP "-02-29)"
#define TIME  "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
#define OCTET "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define IPV4  OCTET "(\\." OCTET "){3}"
#define H16   "[0-9A-Fa-f]{1,4}"
/* five labels of 49: within the 253 that a name may have without being counted as a whole */
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,47}[A-Za-z0-9])?"
#define ATEXT "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
#define PCT   "%[0-9A-Fa-f]{2}"
#define UNRES "[A-Za-z0-9._~!$&'()*+,;=-]" /* unreserved and sub-delims */
#define PCHAR "([A-Za-z0-9._~!$&'()*+,;=:@-]|" PCT ")"
#define HOST  "(" UNRES "|" PCT ")+"

struct format {
    const char *name;
    const char *pattern;
    const char *also; /* a second one that must hold too */
};
static const struct format formats[] = {
    {"date", "^" DATE "$", NULL},
    {"date-time", "^" DATE "T" TIME "$", NULL},
    {"time", "^" TIME "$", NULL},
    {"uuid", "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$", NULL},
    {"email", "^" ATEXT "+(\\." ATEXT "+)*@" LABEL "(\\." LABEL "){1,4}$", "^[^@]{1,64}@"},
    {"hostname", "^" LABEL "(\\." LABEL "){0,4}$", NULL},
    {"ipv4", "^" IPV4 "$", NULL},
    {"ipv6",
     "^((" H16 ":){7}" H16 "|(" H16 ":){6}" IPV4 "|::|::" H16 "(:" H16 "){0,6}|(" H16
     ":){1,7}:|" H16 "::" H16 "(:" H16 "){0,5}|(" H16 ":){2}:" H16 "(:" H16 "){0,4}|(" H16
     ":){3}:" H16 "(:" H16 "){0,3}|(" H16 ":){4}:" H16 "(:" H16 "){0,2}|(" H16 ":){5}:" H16 "(:" H16
     ")?|(" H16 ":){6}:" H16 ")$",
     NULL},
    {"uri",
     "^[A-Za-z][A-Za-z0-9+.-]*:(//((" UNRES "|:|" PCT ")*@)?" HOST "(:\\d{1,5})?(/" PCHAR
     "*)*|/(" PCHAR "+(/" PCHAR "*)*)?|" PCHAR "+(/" PCHAR "*)*)(\\?(" PCHAR "|[/?])*)?(#(" PCHAR
     "|[/?])*)?$",
     NULL},
};

static const struct format *find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}

bool schema_format_known(const char *name)
{
    return find(name) != NULL;
}

enum kernel_status format_chars(const char *name, struct work *work, struct chars **out,
                                struct kernel_error *error)
{
    const struct format *format = find(name);
    KERNEL_ASSERT(format != NULL);
    *out = NULL;
    struct chars *parts[2] = {NULL, NULL};
    enum kernel_status status = regex_chars(
        (struct kernel_text){format->pattern, strlen(format->pattern)}, work, &parts[0], error);
    if (status != KERNEL_OK || format->also == NULL) {
        *out = parts[0];
        return status;
    }
    status = regex_chars((struct kernel_text){format->also, strlen(format->also)}, work, &parts[1],
                         error);
    if (status == KERNEL_OK) {
        *out = chars_product((const struct chars *const *)parts, 2, false, work);
        status = *out != NULL ? KERNEL_OK
                              : kernel_fail(error, KERNEL_INVALID, "the format is too large");
    }
    chars_destroy(parts[0]);
    chars_destroy(parts[1]);
    return status;
}
