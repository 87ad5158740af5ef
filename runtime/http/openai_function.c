/* openai_function.c -- see openai_function.h. */
#include "runtime/http/openai_function.h"

#include "runtime/base/json.h"

#include <string.h>

enum { HELD_MAX = 8 << 20 };

void rv_openai_function_init(struct rv_openai_function *function)
{
    *function = (struct rv_openai_function){0};
    rv_buf_init(&function->held, HELD_MAX);
}

void rv_openai_function_fini(struct rv_openai_function *function)
{
    rv_buf_fini(&function->held);
}

static void decide(struct rv_openai_function *function)
{
    static const char content[] = "{\"content\":\"";
    static const char name[] = "{\"name\":\"";
    static const char arguments[] = "\",\"arguments\":";
    struct rv_buf *held = &function->held;
    if (strncmp(held->data, content, sizeof content - 1) == 0) {
        function->form = RV_OPENAI_CONTENT;
        rv_buf_consume(held, sizeof content - 1);
        return;
    }
    const char *begin = held->data + sizeof name - 1;
    const char *end =
        strncmp(held->data, name, sizeof name - 1) == 0 ? strstr(begin, arguments) : NULL;
    if (end != NULL && (size_t)(end - begin) < sizeof function->name) {
        function->form = RV_OPENAI_FUNCTION;
        memcpy(function->name, begin, (size_t)(end - begin));
        rv_buf_consume(held, (size_t)(end - held->data) + sizeof arguments - 1);
    }
}

/* How much of the inside of a JSON string can be read by itself: no escape in it is cut, nor a pair
 * of them that is one character. */
static size_t readable(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length && text[at] != '"') {
        size_t step = text[at] != '\\' ? 1 : at + 1 < length && text[at + 1] != 'u' ? 2 : 6;
        bool high = step == 6 && length - at >= 6 && strchr("dD", text[at + 2]) != NULL &&
                    strchr("89abAB", text[at + 3]) != NULL;
        step = high ? 12 : step;
        if (length - at < step) {
            break;
        }
        at += step;
    }
    return at;
}

static void tell_content(struct rv_buf *held, struct rv_buf *out)
{
    size_t length = readable(held->data, held->length);
    struct rv_buf quoted;
    rv_buf_init(&quoted, HELD_MAX + 2);
    rv_buf_char(&quoted, '"');
    rv_buf_add(&quoted, held->data, length);
    rv_buf_char(&quoted, '"');
    json_t *text = json_loadb(quoted.data, quoted.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    rv_buf_add(out, json_string_value(text), json_string_length(text));
    json_decref(text);
    rv_buf_fini(&quoted);
    rv_buf_consume(held, length);
}

/* The last brace may be the call's own. */
static void tell_arguments(struct rv_buf *held, struct rv_buf *out)
{
    size_t length = held->length;
    length -= length > 0 && held->data[length - 1] == '}';
    rv_buf_add(out, held->data, length);
    rv_buf_consume(held, length);
}

void rv_openai_function_take(struct rv_openai_function *function, const char *piece, size_t length,
                             struct rv_buf *out)
{
    rv_buf_add(&function->held, piece, length);
    if (function->form == RV_OPENAI_UNDECIDED) {
        decide(function);
    }
    if (function->form == RV_OPENAI_CONTENT) {
        tell_content(&function->held, out);
    } else if (function->form == RV_OPENAI_FUNCTION) {
        tell_arguments(&function->held, out);
    }
}
