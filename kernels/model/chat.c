/* chat.c -- messages as the model was taught to read them: see chat.h.
 *
 * A format is a row: what stands before and behind a message of each role, and what begins the
 * answer.  The rows follow the models' published chat templates as llama.cpp renders them; those
 * that think (deepseek-r1, qwen3) follow the templates themselves, which leave earlier thinking
 * out.  In a row's own texts the vocabulary's special tokens are found by name; a message's text is
 * only ever text.
 */
#include "kernels/model/chat.h"

#include "kernels/base/fail.h"
#include "kernels/model/gguf.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRIM = 1,           /* white space around every message goes */
    TRIM_ANSWERS = 2,   /* around the assistant's only */
    KEEP_SYSTEM = 4,    /* the system's text is put in front of the next message of a person */
    DROP_THINKING = 8,  /* of the assistant's messages only what comes behind </think> */
    BEGIN_THINKING = 16 /* `answer` ends inside the thinking */
};
enum {
    NEEDS_MAX = 3,
    CHAT_BYTES_MAX = 1 << 28 /* of all messages: more than any context holds */
};

struct frame {
    const char *before, *behind;
};
struct kernel_chat {
    const char *name;
    const char *turn;     /* in front of the first message, and of the first one behind an answer */
    struct frame role[4]; /* by enum kernel_role */
    const char *answer;   /* begins the assistant's turn */
    unsigned flags;
    const char *needs[NEEDS_MAX]; /* special tokens without which it cannot be written */
};

/* clang-format off */
#define CHATML(role) "<|im_start|>" role "\n"
#define CHATML_END "<|im_end|>\n"
#define CHATML_NEEDS {"<|im_start|>", "<|im_end|>", NULL}
#define HEADER(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"
#define TURN(role) "<start_of_turn>" role "\n"
#define QWEN3_ROLES {{CHATML("system"), CHATML_END}, {CHATML("user"), CHATML_END}, \
        {CHATML("assistant"), CHATML_END}, \
        {CHATML("user") "<tool_response>\n", "\n</tool_response>" CHATML_END}}
#define LLAMA2(sys, behind_sys) {{sys, behind_sys}, {"", " [/INST]"}, {"", "</s>"}, {"", " [/INST]"}}

static const struct kernel_chat chats[] = {
    {"chatml", "",
     {{CHATML("system"), CHATML_END}, {CHATML("user"), CHATML_END}, {CHATML("assistant"), CHATML_END},
      {CHATML("tool"), CHATML_END}},
     CHATML("assistant"), 0, CHATML_NEEDS},
    {"qwen3", "", QWEN3_ROLES, CHATML("assistant"), DROP_THINKING, CHATML_NEEDS},
    {"qwen3-thinking", "", QWEN3_ROLES, CHATML("assistant") "<think>\n",
     DROP_THINKING | BEGIN_THINKING, {"<|im_start|>", "<|im_end|>", "<think>"}},
    {"llama2", "[INST] ", LLAMA2("", "\n"), "", 0, {"</s>", NULL, NULL}},
    {"llama2-sys", "[INST] ", LLAMA2("<<SYS>>\n", "\n<</SYS>>\n\n"), "", 0, {"</s>", NULL, NULL}},
    {"llama2-sys-bos", "<s>[INST] ", LLAMA2("<<SYS>>\n", "\n<</SYS>>\n\n"), "", 0, {"</s>", "<s>", NULL}},
    {"llama2-sys-strip", "[INST] ", LLAMA2("<<SYS>>\n", "\n<</SYS>>\n\n"), "", TRIM, {"</s>", NULL, NULL}},
    {"llama3", "",
     {{HEADER("system"), "<|eot_id|>"}, {HEADER("user"), "<|eot_id|>"}, {HEADER("assistant"), "<|eot_id|>"},
      {HEADER("ipython"), "<|eot_id|>"}},
     HEADER("assistant"), TRIM, {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}},
    {"mistral-v1", " [INST] ",
     {{"", "\n\n"}, {"", " [/INST]"}, {" ", "</s>"}, {"", " [/INST]"}}, "", 0, {"</s>", NULL, NULL}},
    {"mistral-v3", "[INST] ",
     {{"", "\n\n"}, {"", "[/INST]"}, {" ", "</s>"}, {"", "[/INST]"}}, "", TRIM_ANSWERS,
     {"[INST]", "[/INST]", "</s>"}},
    {"mistral-v3-tekken", "[INST]",
     {{"", "\n\n"}, {"", "[/INST]"}, {"", "</s>"}, {"", "[/INST]"}}, "", 0,
     {"[INST]", "[/INST]", "</s>"}},
    {"mistral-v7", "",
     {{"[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]"}, {"[INST] ", "[/INST]"}, {" ", "</s>"},
      {"[INST] ", "[/INST]"}},
     "", 0, {"[INST]", "[/INST]", "</s>"}},
    {"deepseek2", "",
     {{"", "\n\n"}, {"User: ", "\n\n"}, {"Assistant: ", "<｜end▁of▁sentence｜>"}, {"User: ", "\n\n"}},
     "Assistant:", 0, {"<｜end▁of▁sentence｜>", NULL, NULL}},
    {"deepseek3", "",
     {{"", "\n\n"}, {"<｜User｜>", ""}, {"<｜Assistant｜>", "<｜end▁of▁sentence｜>"}, {"<｜User｜>", ""}},
     "<｜Assistant｜>", 0, {"<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"}},
    {"deepseek-r1", "",
     {{"", ""}, {"<｜User｜>", ""}, {"<｜Assistant｜>", "<｜end▁of▁sentence｜>"}, {"<｜User｜>", ""}},
     "<｜Assistant｜><think>\n", DROP_THINKING | BEGIN_THINKING,
     {"<｜User｜>", "<｜Assistant｜>", "<think>"}},
    {"gemma", "",
     {{"", "\n\n"}, {TURN("user"), "<end_of_turn>\n"}, {TURN("model"), "<end_of_turn>\n"},
      {TURN("user"), "<end_of_turn>\n"}},
     TURN("model"), TRIM | KEEP_SYSTEM, {"<start_of_turn>", "<end_of_turn>", NULL}},
    {"phi3", "",
     {{"<|system|>\n", "<|end|>\n"}, {"<|user|>\n", "<|end|>\n"}, {"<|assistant|>\n", "<|end|>\n"},
      {"<|user|>\n", "<|end|>\n"}},
     "<|assistant|>\n", 0, {"<|user|>", "<|assistant|>", "<|end|>"}},
};

/* The first row whose texts are all in the template; `\n` is there as two characters. */
static const struct sign {
    const char *name;
    const char *texts[3];
} signs[] = {
    {"", {"<|im_start|>", "<|im_sep|>", NULL}}, /* another family */
    {"qwen3-thinking", {"<|im_start|>assistant\\n<think>", NULL, NULL}},
    {"qwen3", {"<|im_start|>", "</think>", NULL}},
    {"chatml", {"<|im_start|>", NULL, NULL}},
    {"mistral-v7", {"[INST]", "[SYSTEM_PROMPT]", NULL}},
    {"mistral-v1", {"' [INST] ' + system_message", NULL, NULL}},
    {"mistral-v1", {" [INST]", "[AVAILABLE_TOOLS]", NULL}},
    {"mistral-v3-tekken", {"\"[INST]\"", "[AVAILABLE_TOOLS]", NULL}},
    {"mistral-v3", {"[INST]", "[AVAILABLE_TOOLS]", NULL}},
    {"llama2-sys-strip", {"[INST]", "content.strip()", NULL}},
    {"llama2-sys-bos", {"[INST]", "bos_token + '[INST]", NULL}},
    {"llama2-sys", {"[INST]", "<<SYS>>", NULL}},
    {"llama2", {"[INST]", NULL, NULL}},
    {"phi3", {"<|assistant|>", "<|end|>", NULL}},
    {"gemma", {"<start_of_turn>", NULL, NULL}},
    {"llama3", {"<|start_header_id|>", "<|end_header_id|>", NULL}},
    {"deepseek2", {"'Assistant: ' + message['content'] + eos_token", NULL, NULL}},
    {"deepseek-r1", {"<｜Assistant｜>", "<｜User｜>", "</think>"}},
    {"deepseek3", {"<｜Assistant｜>", "<｜User｜>", "<｜end▁of▁sentence｜>"}},
};
/* clang-format on */

enum { CHATS = sizeof chats / sizeof chats[0], SIGNS = sizeof signs / sizeof signs[0] };

/* ---- which format ---- */

static const struct kernel_chat *chat_named(const char *name)
{
    for (size_t i = 0; i < CHATS; i++) {
        if (strcmp(chats[i].name, name) == 0) {
            return &chats[i];
        }
    }
    return NULL;
}

static const struct kernel_chat *recognise(struct kernel_text text)
{
    for (size_t i = 0; i < SIGNS; i++) {
        bool all = true;
        for (size_t k = 0; k < 3 && signs[i].texts[k] != NULL; k++) {
            const char *sign = signs[i].texts[k];
            all = all && memmem(text.bytes, text.length, sign, strlen(sign)) != NULL;
        }
        if (all) {
            return chat_named(signs[i].name);
        }
    }
    return NULL;
}

void kernel_chat_list(char out[KERNEL_CHAT_LIST])
{
    size_t used = 0;
    for (size_t i = 0; i < CHATS; i++) {
        size_t length = strlen(chats[i].name);
        KERNEL_ASSERT(used + length + 2 < KERNEL_CHAT_LIST);
        memcpy(out + used, chats[i].name, length);
        memcpy(out + used + length, ", ", 3);
        used += length + 2;
    }
    out[used - 2] = '\0';
}

const char *kernel_chat_format(uint32_t i)
{
    return i < CHATS ? chats[i].name : NULL;
}

enum kernel_status kernel_chat_find(const struct kernel_gguf *file,
                                    const struct kernel_vocab *vocab, const char *name,
                                    const struct kernel_chat **out, struct kernel_error *error)
{
    static const char key[] = "tokenizer.chat_template";
    struct kernel_text text = {.bytes = "", .length = 0};
    const struct kernel_chat *chat = NULL;
    if (name[0] != '\0') {
        char list[KERNEL_CHAT_LIST];
        chat = chat_named(name);
        kernel_chat_list(list);
        if (chat == NULL) {
            return kernel_fail(error, KERNEL_UNSUPPORTED,
                               "chat format %.20s: unknown; name one: %s", name, list);
        }
    } else if (!kernel_gguf_has(file, key)) {
        return kernel_fail(error, KERNEL_UNSUPPORTED, "no key %s in the file", key);
    } else if (!kernel_gguf_text(file, key, &text) || (chat = recognise(text)) == NULL) {
        return kernel_fail(error, KERNEL_UNSUPPORTED, "key %s: unknown", key);
    }
    for (size_t i = 0; i < NEEDS_MAX && chat->needs[i] != NULL; i++) {
        if (kernel_vocab_special(vocab, chat->needs[i]) == KERNEL_TOKEN_NONE) {
            return kernel_fail(error, KERNEL_UNSUPPORTED,
                               "chat format %s needs the special token %s: the vocabulary has none",
                               chat->name, chat->needs[i]);
        }
    }
    *out = chat;
    return KERNEL_OK;
}

const char *kernel_chat_name(const struct kernel_chat *chat)
{
    return chat->name;
}

void kernel_chat_thinking(const struct kernel_chat *chat, const struct kernel_vocab *vocab,
                          int32_t *begin, int32_t *end, bool *begun)
{
    *begin = kernel_vocab_special(vocab, "<think>");
    *end = kernel_vocab_special(vocab, "</think>");
    if (*begin == KERNEL_TOKEN_NONE || *end == KERNEL_TOKEN_NONE) {
        *begin = KERNEL_TOKEN_NONE;
        *end = KERNEL_TOKEN_NONE;
    }
    *begun = *end != KERNEL_TOKEN_NONE && (chat->flags & BEGIN_THINKING) != 0;
}

/* ---- writing: text gathers until a mark comes, so that it is encoded in one piece ---- */

struct writer {
    const struct kernel_vocab *vocab; /* NULL: everything stays text */
    struct kernel_tokens *tokens;
    char *text;
    size_t length, room;
};

static void write_text(struct writer *writer, struct kernel_text text)
{
    if (writer->length + text.length > writer->room) {
        writer->room = 2 * (writer->length + text.length);
        writer->text = kernel_resize(writer->text, writer->room, 1);
    }
    if (text.length > 0) {
        memcpy(writer->text + writer->length, text.bytes, text.length);
        writer->length += text.length;
    }
}

static void flush(struct writer *writer)
{
    if (writer->length > 0) {
        kernel_vocab_encode(writer->vocab, (struct kernel_text){writer->text, writer->length},
                            false, writer->tokens);
        writer->length = 0;
    }
}

/* The format's own: its special tokens are tokens. */
static void write_marks(struct writer *writer, const char *marks)
{
    struct kernel_text text = {marks, strlen(marks)};
    size_t at = 0;
    size_t found = 0;
    size_t length = 0;
    while (writer->vocab != NULL && at < text.length) {
        int32_t token = kernel_vocab_find_special(writer->vocab, text, at, &found, &length);
        if (token == KERNEL_TOKEN_NONE) {
            break;
        }
        write_text(writer, (struct kernel_text){text.bytes + at, found - at});
        flush(writer);
        kernel_tokens_push(writer->tokens, token);
        at = found + length;
    }
    write_text(writer, (struct kernel_text){text.bytes + at, text.length - at});
}

static bool is_white(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static struct kernel_text trimmed(struct kernel_text text)
{
    while (text.length > 0 && is_white(text.bytes[0])) {
        text.bytes++;
        text.length--;
    }
    while (text.length > 0 && is_white(text.bytes[text.length - 1])) {
        text.length--;
    }
    return text;
}

static struct kernel_text behind_thinking(struct kernel_text text)
{
    static const char end[] = "</think>";
    enum { END = sizeof end - 1 };
    for (size_t at = text.length; at >= END; at--) {
        if (memcmp(text.bytes + at - END, end, END) == 0) {
            text.bytes += at;
            text.length -= at;
            while (text.length > 0 && text.bytes[0] == '\n') {
                text.bytes++;
                text.length--;
            }
            break;
        }
    }
    return text;
}

static struct kernel_text content_of(const struct kernel_chat *chat,
                                     const struct kernel_message *message)
{
    struct kernel_text text = message->text;
    bool answer = message->role == KERNEL_ASSISTANT;
    if (answer && (chat->flags & DROP_THINKING) != 0) {
        text = behind_thinking(text);
    }
    if ((chat->flags & TRIM) != 0 || (answer && (chat->flags & TRIM_ANSWERS) != 0)) {
        text = trimmed(text);
    }
    return text;
}

static void write_waiting(const struct kernel_chat *chat, const struct kernel_message *messages,
                          uint32_t from, uint32_t end, struct writer *writer)
{
    for (uint32_t i = from; i < end; i++) {
        if (messages[i].role == KERNEL_SYSTEM) {
            write_text(writer, content_of(chat, &messages[i]));
            write_marks(writer, chat->role[KERNEL_SYSTEM].behind);
        }
    }
}

static void write_messages(const struct kernel_chat *chat, const struct kernel_message *messages,
                           uint32_t count, bool generate, struct writer *writer)
{
    bool opened = false;
    uint32_t waiting = 0; /* system messages from here on wait, where the format keeps them */
    for (uint32_t i = 0; i < count; i++) {
        const struct kernel_message *message = &messages[i];
        const struct frame *frame = &chat->role[message->role];
        if (message->role == KERNEL_SYSTEM && (chat->flags & KEEP_SYSTEM) != 0) {
            continue;
        }
        if (!opened) { /* the BOS in front of everything is there already */
            bool first = i == 0 && strncmp(chat->turn, "<s>", 3) == 0;
            write_marks(writer, chat->turn + (first ? 3 : 0));
            opened = true;
        }
        write_marks(writer, frame->before);
        if ((chat->flags & KEEP_SYSTEM) != 0 && message->role != KERNEL_ASSISTANT) {
            write_waiting(chat, messages, waiting, i, writer);
            waiting = i + 1;
        }
        write_text(writer, content_of(chat, message));
        write_marks(writer, frame->behind);
        opened = message->role != KERNEL_ASSISTANT;
    }
    if (generate) {
        write_marks(writer, chat->answer);
    }
}

enum kernel_status kernel_chat_encode(const struct kernel_chat *chat,
                                      const struct kernel_vocab *vocab,
                                      const struct kernel_message *messages, uint32_t count,
                                      struct kernel_tokens *out, struct kernel_error *error)
{
    size_t bytes = 0;
    bool system_is_last = false; /* no user or tool comes behind it */
    if (count == 0) {
        return kernel_fail(error, KERNEL_INVALID, "messages: none, a chat has at least one");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (messages[i].role > KERNEL_TOOL) {
            return kernel_fail(error, KERNEL_INVALID, "messages[%u].role: %d is unknown", i,
                               (int)messages[i].role);
        }
        if (messages[i].text.length > CHAT_BYTES_MAX - bytes) {
            return kernel_fail(error, KERNEL_LIMIT, "messages: more than %d bytes of text",
                               CHAT_BYTES_MAX);
        }
        bytes += messages[i].text.length;
        system_is_last = messages[i].role == KERNEL_SYSTEM ||
                         (system_is_last && messages[i].role == KERNEL_ASSISTANT);
    }
    if ((chat->flags & KEEP_SYSTEM) != 0 && system_is_last) {
        return kernel_fail(error, KERNEL_INVALID,
                           "messages: chat format %s puts the system's in front of the next of a "
                           "user, and there is none",
                           chat->name);
    }
    struct writer writer = {.vocab = vocab, .tokens = out};
    if (kernel_vocab_bos(vocab) != KERNEL_TOKEN_NONE) {
        kernel_tokens_push(out, kernel_vocab_bos(vocab));
    }
    write_messages(chat, messages, count, true, &writer);
    flush(&writer);
    free(writer.text);
    return KERNEL_OK;
}

char *kernel_chat_render(const struct kernel_chat *chat, const struct kernel_message *messages,
                         uint32_t count, bool generate)
{
    struct writer writer = {.vocab = NULL};
    write_messages(chat, messages, count, generate, &writer);
    write_text(&writer, (struct kernel_text){"", 1}); /* the NUL */
    return writer.text;
}
