/* Any bytes through the one entry, so that detection, both passes and the statement sums are seen:
 * never a crash; a refused file made no call; what pass 1 counted is what pass 2 hands on. */
#include "erp/exchange/import.h"
#include "runtime/base/check.h"
#include "tests/support/memory_source.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

struct seen {
    int64_t promised;
    int64_t lines;
    int calls;
};

static enum rv_code on_call(void *self, const struct erp_exchange_call *call, struct rv_error *err)
{
    (void)err;
    struct seen *seen = self;
    seen->calls++;
    free(rv_json_text(call->args));
    if (strcmp(call->command, "bank_statement.import") == 0) {
        seen->promised += rv_json_int(call->args, "entry_count", -1);
    } else if (strcmp(call->command, "bank_statement.lines") == 0) {
        seen->lines += (int64_t)json_array_size(json_object_get(call->args, "lines"));
    }
    return RV_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct memory_source memory;
    struct erp_exchange_report report;
    struct seen seen = {0};
    struct erp_exchange_sink sink = {.call = on_call, .self = &seen};
    struct rv_error err = {.code = RV_OK};
    struct erp_source *source = memory_source(&memory, "fuzz", bytes, length);
    enum rv_code code = erp_exchange_read(source, &sink, &report, &err);
    if (code == RV_OK) {
        RV_ASSERT(seen.promised == seen.lines);
    } else {
        RV_ASSERT(seen.calls == 0 && err.message[0] != '\0');
    }
    return 0;
}
