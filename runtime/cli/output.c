/* output.c -- see output.h. */
#include "runtime/cli/output.h"

#include "runtime/base/check.h"
#include "runtime/config/config.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1 << 20, REPLACEMENT = 0xFFFD };

static const char *const styles[] = {"\033[0m",  "\033[1m",  "\033[2m",
                                     "\033[32m", "\033[33m", "\033[31m"};

void cli_output_init(struct cli_output *output, FILE *data, FILE *talk, bool may_color)
{
    const char *term = rv_environment("TERM");
    bool color = may_color && rv_environment("NO_COLOR") == NULL && term != NULL &&
                 strcmp(term, "dumb") != 0;
    bool data_terminal = isatty(fileno(data)) == 1;
    struct winsize size = {0};
    *output = (struct cli_output){.data = data, .talk = talk};
    output->talk_terminal = isatty(fileno(talk)) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    output->data_color = color && data_terminal;
    output->talk_color = color && output->talk_terminal;
    if (data_terminal && ioctl(fileno(data), TIOCGWINSZ, &size) == 0) {
        output->width = size.ws_col;
    }
}

const char *cli_style(const struct cli_output *output, enum cli_style style)
{
    return output->data_color ? styles[style] : "";
}

static const char *style_talk(const struct cli_output *output, enum cli_style style)
{
    return output->talk_color ? styles[style] : "";
}

void cli_print(const struct cli_output *output, const char *format, ...)
{
    RV_ASSERT(!output->json);
    va_list values;
    va_start(values, format);
    vfprintf(output->data, format, values);
    va_end(values);
    fputc('\n', output->data);
}

void cli_print_json(const struct cli_output *output, json_t *value)
{
    char *text = rv_json_text(value);
    fprintf(output->data, "%s\n", text);
    rv_free(text);
    json_decref(value);
}

void cli_say(const struct cli_output *output, const char *format, ...)
{
    if (output->quiet) {
        return;
    }
    fflush(output->data); /* in the order in which it was said, also into one file */
    va_list values;
    va_start(values, format);
    vfprintf(output->talk, format, values);
    va_end(values);
    fputc('\n', output->talk);
    fflush(output->talk);
}

void cli_print_error(const struct cli_output *output, const struct rv_error *err)
{
    if (output->json) {
        cli_print_json(output, json_pack("{s:{s:s,s:s,s:s,s:s}}", "error", "code",
                                         rv_code_name(err->code), "message", err->message, "detail",
                                         err->detail, "hint", err->hint));
        return;
    }
    struct rv_buf line;
    rv_buf_init(&line, LINE_MAX_BYTES);
    rv_buf_printf(&line, "%serror:%s ", style_talk(output, CLI_BAD), style_talk(output, CLI_PLAIN));
    cli_clean(&line, err->message);
    if (err->detail[0] != '\0') {
        rv_buf_str(&line, "\n       ");
        cli_clean(&line, err->detail);
    }
    if (err->hint[0] != '\0') {
        rv_buf_str(&line, "\n    -> ");
        cli_clean(&line, err->hint);
    }
    fprintf(output->talk, "%s\n", line.data);
    rv_buf_fini(&line);
}

/* ---- text on a terminal ---- */

/* Decodes one character strictly (no overlong forms, no surrogates); gives its length, 1 for a byte
 * that is none, with REPLACEMENT. */
static size_t decode(const char *text, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)text;
    size_t length = at[0] < 0x80 ? 1 : at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    uint32_t c = length == 1 ? at[0] : at[0] & (0x7Fu >> length);
    if (length > 1 && (at[0] < 0xC2 || at[0] > 0xF4)) {
        *out = REPLACEMENT;
        return 1;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            *out = REPLACEMENT;
            return 1;
        }
        c = (c << 6) | (at[i] & 0x3F);
    }
    if (c < least[length] && length > 1) {
        c = REPLACEMENT;
    }
    *out = c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? REPLACEMENT : c;
    return length;
}

struct range {
    uint32_t first, last;
};

static bool within(uint32_t c, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

static bool is_dangerous(uint32_t c)
{
    static const struct range ranges[] = {
        {0x00, 0x1F},     {0x7F, 0x9F}, /* control characters, escape among them */
        {0x061C, 0x061C}, {0x200E, 0x200F}, {0x202A, 0x202E},   {0x2066, 0x2069}, /* direction */
        {0x2028, 0x2029}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F},                   /* lines, tags */
    };
    return within(c, ranges, RV_COUNT(ranges));
}

/* A small table instead of wcwidth, which depends on the locale of whoever runs us. */
static int columns_of(uint32_t c)
{
    static const struct range none[] = {
        {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A},
        {0x064B, 0x065F}, {0x093C, 0x093C}, {0x0E31, 0x0E31}, {0x0E34, 0x0E3A},
        {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200D},
        {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF},
    };
    static const struct range wide[] = {
        {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xAC00, 0xD7A3},
        {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
        {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
    };
    return within(c, none, RV_COUNT(none)) ? 0 : within(c, wide, RV_COUNT(wide)) ? 2 : 1;
}

void cli_clean(struct rv_buf *out, const char *text)
{
    while (*text != '\0') {
        uint32_t c = 0;
        size_t length = decode(text, &c);
        if (c == '\n' || c == '\t') {
            rv_buf_char(out, ' ');
        } else if (c == REPLACEMENT || is_dangerous(c)) {
            rv_buf_str(out, "\xEF\xBF\xBD");
        } else {
            rv_buf_add(out, text, length);
        }
        text += length;
    }
}

static json_t *clean_line(const json_t *text)
{
    struct rv_buf clean;
    char *copy =
        rv_strdup(json_string_value(text)); /* up to a zero byte: no text of ours has one */
    size_t length = strlen(copy);
    rv_buf_init(&clean, SIZE_MAX);
    while (length > 0 && (copy[length - 1] == '\n' || copy[length - 1] == '\r')) {
        copy[--length] = '\0';
    }
    char *rest = copy;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        length = strlen(line);
        if (length > 0 && line[length - 1] == '\r') {
            line[length - 1] = '\0';
        }
        cli_clean(&clean, line);
        rv_buf_str(&clean, rest != NULL ? "\\n" : "");
    }
    rv_free(copy);
    json_t *out = json_stringn(clean.length > 0 ? clean.data : "", clean.length);
    rv_buf_fini(&clean);
    return out;
}

static void set_clean(json_t *object, const char *name, const json_t *value)
{
    struct rv_buf clean;
    rv_buf_init(&clean, RV_JSON_TEXT_MAX);
    cli_clean(&clean, name);
    json_object_set_new(object, clean.data, cli_clean_json(value));
    rv_buf_fini(&clean);
}

json_t *cli_clean_json(const json_t *value)
{
    if (json_is_string(value)) {
        return clean_line(value);
    }
    if (json_is_array(value)) {
        json_t *out = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_array_append_new(out, cli_clean_json(json_array_get(value, i)));
        }
        return out;
    }
    if (json_is_object(value)) {
        json_t *out = json_object();
        const char *name;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)value, name, member)
        {
            set_clean(out, name, member);
        }
        return out;
    }
    return json_incref((json_t *)(uintptr_t)value);
}

int cli_columns(const char *text)
{
    int columns = 0;
    while (*text != '\0') {
        uint32_t c = 0;
        text += decode(text, &c);
        columns += columns_of(c);
    }
    return columns;
}

size_t cli_head(const char *text, int columns)
{
    const char *at = text;
    while (*at != '\0') {
        uint32_t c = 0;
        size_t length = decode(at, &c);
        columns -= columns_of(c);
        if (columns < 0) {
            break;
        }
        at += length;
    }
    return (size_t)(at - text);
}
