/* vocab_decode.c -- tokens to text, a character at a time: see vocab.h. */
#include "kernels/model/vocab_inner.h"

#include "kernels/base/fail.h"
#include "kernels/model/unicode.h"

#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
enum { REPLACEMENT_LENGTH = sizeof replacement - 1 };

/* Takes one more byte; writes what is certain now: no more than kept_count + 1 bytes, each of
 * which is at most a replacement. */
static size_t take_byte(struct kernel_decoder *decoder, char byte, char *out)
{
    size_t written = 0;
    char waiting[sizeof decoder->kept + 1];
    size_t count = decoder->kept_count;
    size_t at = 0;
    memcpy(waiting, decoder->kept, count);
    waiting[count++] = byte;
    while (at < count) {
        size_t taken = 1;
        int32_t code = unicode_next(waiting + at, count - at, &taken);
        if (code == UNICODE_INCOMPLETE) {
            break;
        }
        if (code < 0) {
            memcpy(out + written, replacement, REPLACEMENT_LENGTH);
            written += REPLACEMENT_LENGTH;
        } else {
            memcpy(out + written, waiting + at, taken);
            written += taken;
        }
        at += taken;
    }
    decoder->kept_count = (uint32_t)(count - at);
    memcpy(decoder->kept, waiting + at, count - at);
    return written;
}

size_t kernel_decode(const struct kernel_vocab *vocab, struct kernel_decoder *decoder,
                     int32_t token, char *out)
{
    size_t written = 0;
    if (token == KERNEL_TOKEN_NONE) {
        if (decoder->kept_count > 0) { /* the beginning of one character: one maximal subpart */
            memcpy(out, replacement, REPLACEMENT_LENGTH);
            written = REPLACEMENT_LENGTH;
        }
        *decoder = (struct kernel_decoder){.kept_count = 0};
        return written;
    }
    struct kernel_text bytes = kernel_vocab_bytes(vocab, token);
    size_t first = 0;
    if (!decoder->begun && bytes.length > 0) {
        first = vocab->space_prefix && bytes.bytes[0] == ' ' ? 1 : 0;
        decoder->begun = true;
    }
    for (size_t i = first; i < bytes.length; i++) {
        written += take_byte(decoder, bytes.bytes[i], out + written);
    }
    return written;
}
