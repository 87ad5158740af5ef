/* wire.c -- see wire.h. */
#include "runtime/cluster/wire.h"

#include "runtime/base/check.h"

#include <sodium.h>
#include <string.h>

static const uint8_t mark[4] = {'r', 'v', 'L', '1'};

_Static_assert((int)RV_WIRE_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert((int)RV_WIRE_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert((int)RV_WIRE_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");

static uint64_t get_be(const uint8_t *bytes, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* ---- messages ---- */

void rv_wire_seal(const struct rv_wire_key *key, const struct rv_wire_head *head, const void *body,
                  size_t length, struct rv_buf *out)
{
    RV_ASSERT(length <= RV_WIRE_BODY_MAX);
    uint8_t nonce[RV_WIRE_NONCE_BYTES];
    randombytes_buf(nonce, sizeof nonce);
    rv_buf_reset(out);
    rv_buf_add(out, mark, sizeof mark);
    rv_buf_be64(out, (uint64_t)head->from);
    rv_buf_be64(out, (uint64_t)head->to);
    rv_buf_be64(out, head->sequence);
    rv_buf_add(out, nonce, sizeof nonce);
    size_t before = out->length;
    rv_buf_add(out, body, length);
    static const uint8_t tag[RV_WIRE_TAG_BYTES];
    rv_buf_add(out, tag, sizeof tag); /* room for it */
    RV_ASSERT(!out->overflowed);
    uint8_t *text = (uint8_t *)out->data + before; /* sealed where it stands */
    crypto_aead_xchacha20poly1305_ietf_encrypt(text, NULL, text, length, (uint8_t *)out->data,
                                               RV_WIRE_HEAD_BYTES, NULL, nonce, key->bytes);
}

enum rv_code rv_wire_head(const void *message, size_t length, struct rv_wire_head *out,
                          struct rv_error *err)
{
    const uint8_t *bytes = message;
    if (length < RV_WIRE_HEAD_BYTES + RV_WIRE_NONCE_BYTES + RV_WIRE_TAG_BYTES ||
        length > RV_WIRE_MESSAGE_MAX || memcmp(bytes, mark, sizeof mark) != 0) {
        return rv_fail(err, RV_PROTOCOL, "this is no message of a reeve node");
    }
    *out = (struct rv_wire_head){.from = (int64_t)get_be(bytes + 4, 8),
                                 .to = (int64_t)get_be(bytes + 12, 8),
                                 .sequence = get_be(bytes + 20, 8)};
    return RV_OK;
}

enum rv_code rv_wire_open(const struct rv_wire_key *key, const void *message, size_t length,
                          struct rv_buf *body, struct rv_error *err)
{
    struct rv_wire_head head;
    enum rv_code code = rv_wire_head(message, length, &head, err);
    if (code != RV_OK) {
        return code;
    }
    const uint8_t *nonce = (const uint8_t *)message + RV_WIRE_HEAD_BYTES;
    const uint8_t *sealed = nonce + RV_WIRE_NONCE_BYTES;
    size_t sealed_length = length - RV_WIRE_HEAD_BYTES - RV_WIRE_NONCE_BYTES;
    rv_buf_reset(body);
    rv_buf_add(body, sealed, sealed_length); /* opened where it stands */
    code = rv_buf_ok(body, "message of a node", err);
    if (code == RV_OK && crypto_aead_xchacha20poly1305_ietf_decrypt(
                             (uint8_t *)body->data, NULL, NULL, sealed, sealed_length, message,
                             RV_WIRE_HEAD_BYTES, nonce, key->bytes) != 0) {
        rv_fail(err, RV_DENIED, "a message does not open with this node's cluster key");
        rv_hint(err, "All nodes of a database need the same file cluster.key_file.");
        code = RV_DENIED;
    }
    body->length = code == RV_OK ? sealed_length - RV_WIRE_TAG_BYTES : 0;
    body->data[body->length] = '\0';
    return code;
}

bool rv_wire_fresh(struct rv_wire_window *window, uint64_t sequence)
{
    if (sequence == 0) {
        return false;
    }
    if (sequence > window->newest) {
        uint64_t step = sequence - window->newest;
        window->seen = step < RV_WIRE_WINDOW ? window->seen << step | 1 : 1;
        window->newest = sequence;
        return true;
    }
    uint64_t age = window->newest - sequence;
    if (age >= RV_WIRE_WINDOW || (window->seen >> age & 1) != 0) {
        return false;
    }
    window->seen |= UINT64_C(1) << age;
    return true;
}

/* ---- records ---- */

static void put_record(struct rv_buf *body, enum rv_wire_kind kind, size_t length)
{
    rv_buf_char(body, (char)kind);
    rv_buf_be32(body, (uint32_t)length);
}

void rv_wire_put_wake(struct rv_buf *body, int32_t tenant)
{
    put_record(body, RV_WIRE_WAKE, 4);
    rv_buf_be32(body, (uint32_t)tenant);
}

void rv_wire_put_leases(struct rv_buf *body)
{
    put_record(body, RV_WIRE_LEASES, 0);
}

void rv_wire_put_text(struct rv_buf *body, enum rv_wire_kind kind, uint64_t call, const char *text,
                      size_t length)
{
    RV_ASSERT(kind == RV_WIRE_ASK || kind == RV_WIRE_ANSWER);
    put_record(body, kind, RV_WIRE_CALL_BYTES + length);
    rv_buf_be64(body, call);
    rv_buf_add(body, text, length);
}

enum rv_code rv_wire_next(const void *body, size_t length, size_t *at, struct rv_wire_record *out,
                          struct rv_error *err)
{
    const uint8_t *bytes = body;
    while (*at < length) {
        const uint8_t *record = bytes + *at;
        size_t left = length - *at;
        size_t size = left >= RV_WIRE_RECORD_BYTES ? (size_t)get_be(record + 1, 4) : 0;
        if (left < RV_WIRE_RECORD_BYTES || size > left - RV_WIRE_RECORD_BYTES) {
            return rv_fail(err, RV_PROTOCOL, "a record of a node's message is cut off");
        }
        const uint8_t *payload = record + RV_WIRE_RECORD_BYTES;
        *at += RV_WIRE_RECORD_BYTES + size;
        *out = (struct rv_wire_record){.kind = record[0]};
        switch (out->kind) {
        case RV_WIRE_WAKE:
            out->tenant = size == 4 ? (int32_t)get_be(payload, 4) : 0;
            if (out->tenant <= 0) {
                return rv_fail(err, RV_PROTOCOL, "a wake-up names no company");
            }
            return RV_OK;
        case RV_WIRE_LEASES: return RV_OK;
        case RV_WIRE_ASK:
        case RV_WIRE_ANSWER:
            if (size < RV_WIRE_CALL_BYTES) {
                return rv_fail(err, RV_PROTOCOL, "a question or answer of a node has no number");
            }
            out->call = get_be(payload, RV_WIRE_CALL_BYTES);
            out->text = (const char *)payload + RV_WIRE_CALL_BYTES;
            out->length = size - RV_WIRE_CALL_BYTES;
            return RV_OK;
        default: break; /* of a newer version */
        }
    }
    return RV_NOT_FOUND;
}
