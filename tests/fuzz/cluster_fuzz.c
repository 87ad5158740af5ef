/* cluster_fuzz.c -- any bytes as a message between nodes: never accepted without the key; and as
 * the records inside one: read to the end or refused with a sentence, without a step outside.
 *
 * The same bytes are then sealed, which must open again and give the same records. */
#include "runtime/base/check.h"
#include "runtime/cluster/wire.h"

#include <sodium.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct rv_wire_key key = {{9}};

/* A number that depends on everything that was read. */
static uint64_t read_all(const void *body, size_t length)
{
    struct rv_wire_record record;
    struct rv_error err = {.code = RV_OK};
    size_t at = 0;
    size_t before = 0;
    uint64_t sum = 0;
    enum rv_code code = RV_OK;
    while ((code = rv_wire_next(body, length, &at, &record, &err)) == RV_OK) {
        RV_ASSERT(at > before && at <= length);
        before = at;
        RV_ASSERT(record.kind != RV_WIRE_WAKE || record.tenant > 0);
        sum = sum * 31 + record.kind + (uint64_t)record.tenant + record.call + record.length;
        for (size_t i = 0; i < record.length; i++) {
            sum += (uint8_t)record.text[i];
        }
    }
    RV_ASSERT(code == RV_NOT_FOUND || (code == RV_PROTOCOL && err.message[0] != '\0'));
    return sum * 2 + (code == RV_PROTOCOL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RV_ASSERT(sodium_init() >= 0);
    struct rv_buf opened;
    struct rv_buf message;
    struct rv_wire_head head;
    rv_buf_init(&opened, RV_WIRE_MESSAGE_MAX);
    rv_buf_init(&message, RV_WIRE_MESSAGE_MAX);
    RV_ASSERT(rv_wire_open(&key, data, size, &opened, NULL) != RV_OK);
    (void)(rv_wire_head(data, size, &head, NULL) == RV_OK);
    uint64_t plain = read_all(data, size);
    if (size <= RV_WIRE_BODY_MAX) {
        struct rv_wire_head said = {.from = 1, .to = 2, .sequence = 3};
        rv_wire_seal(&key, &said, data, size, &message);
        RV_ASSERT(rv_wire_open(&key, message.data, message.length, &opened, NULL) == RV_OK);
        RV_ASSERT(opened.length == size && read_all(opened.data, opened.length) == plain);
    }
    rv_buf_fini(&opened);
    rv_buf_fini(&message);
    return 0;
}
