/* doubt.c -- see doubt.h. */
#include "runtime/run/doubt.h"

#include "runtime/base/buf.h"

#include <string.h>

enum {
    DOUBT_LINE_MAX = 4096,
    DOUBT_OPTION_MAX = 120, /* bytes of an option that people see; a choice is named shorter */
    DOUBT_MARGIN_MAX = 100
};

json_t *rv_doubt_of(const json_t *args, const json_t *out)
{
    const json_t *value = json_object_get(out, "value");
    int64_t margin = rv_json_int(value, "margin", 0);
    json_t *choice = json_object_get(value, "choice");
    bool decided = json_is_array(json_object_get(args, "options")) &&
                   rv_json_bool(out, "ok", false) && json_is_string(choice);
    if (!decided || margin < 1 || margin > DOUBT_MARGIN_MAX) {
        return NULL;
    }
    return json_pack("{s:I,s:O,s:O*}", "margin", (json_int_t)margin, "choice", choice,
                     "probability", json_object_get(value, "probability"));
}

int rv_doubt_margin(const json_t *doubt)
{
    return (int)rv_json_int(doubt, "margin", 0);
}

void rv_doubt_join(json_t **doubt, const json_t *other)
{
    int margin = rv_doubt_margin(other);
    if (margin > 0 && (*doubt == NULL || margin < rv_doubt_margin(*doubt))) {
        json_decref(*doubt);
        *doubt = json_incref((json_t *)(uintptr_t)other);
    }
}

/* Cut at a character. */
static void add_option(struct rv_buf *line, const char *text)
{
    size_t length = strlen(text);
    size_t end = length < DOUBT_OPTION_MAX ? length : DOUBT_OPTION_MAX;
    while (end < length && ((unsigned char)text[end] & 0xC0) == 0x80) {
        end--;
    }
    rv_buf_add(line, text, end);
    rv_buf_str(line, end < length ? "..." : "");
}

json_t *rv_doubt_evidence(const json_t *doubt, const json_t *evidence)
{
    if (rv_doubt_margin(doubt) == 0) {
        return json_incref((json_t *)(uintptr_t)evidence);
    }
    struct rv_buf line;
    rv_buf_init(&line, DOUBT_LINE_MAX);
    int margin = rv_doubt_margin(doubt);
    rv_buf_printf(&line, "least sure answer of the model, by %d point%s: ", margin,
                  margin == 1 ? "" : "s");
    add_option(&line, rv_json_str(doubt, "choice", ""));
    const char *between = " (";
    const char *option;
    json_t *probability;
    json_object_foreach(json_object_get(doubt, "probability"), option, probability)
    {
        rv_buf_str(&line, between);
        add_option(&line, option);
        rv_buf_printf(&line, " %s", json_string_value(probability));
        between = ", ";
    }
    rv_buf_str(&line, between[0] == ',' ? ")" : "");
    json_t *out = json_pack("[s#]", line.data, (int)line.length);
    rv_buf_fini(&line);
    json_array_extend(out, (json_t *)(uintptr_t)evidence);
    return out;
}
