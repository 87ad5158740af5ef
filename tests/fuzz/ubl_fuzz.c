/* Any bytes as a business document: never a crash, and an error always has words. */
#include "erp/exchange/ubl.h"
#include "runtime/base/check.h"
#include "tests/support/memory_source.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct memory_source memory;
    struct erp_ubl_result result;
    struct rv_error err = {.code = RV_OK};
    struct erp_source *source = memory_source(&memory, "fuzz", bytes, length);
    enum rv_code code = erp_ubl_read(source, &result, &err);
    if (code == RV_OK) {
        RV_ASSERT(result.document != NULL || result.skipped != NULL);
        if (result.document != NULL) {
            free(rv_json_text(result.document));
        }
        json_decref(result.document);
    } else {
        RV_ASSERT(err.code == code && err.message[0] != '\0' && result.document == NULL);
    }
    return 0;
}
