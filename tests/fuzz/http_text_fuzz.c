/* http_text_fuzz.c -- paths, credentials, keys, signatures and event text from anybody. */
#include "runtime/hooks/sign.h"
#include "runtime/http/credential.h"
#include "runtime/http/router.h"
#include "runtime/http/sse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct rv_route table[] = {
    {.method = "GET", .pattern = "/v1/approvals/{}"},
    {.method = "POST", .pattern = "/v1/hooks/deliveries/{}/{}"},
    {.method = "GET", .pattern = "/{*}"},
    {.method = NULL},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct rv_route_match match;
    struct rv_buf out;
    memcpy(text, data, size);
    text[size] = '\0';
    rv_route_find(table, "GET", text, &match);
    rv_credential_read(text, NULL);
    rv_credential_read(NULL, text);
    rv_permissions_of(text);
    struct rv_hook_keys keys = {.secret = data, .secret_length = size < 64 ? size : 64};
    struct rv_hook_message message = {"id", "1", text, strlen(text)};
    rv_hook_verify(&keys, &message, text);
    rv_hook_is_fresh(text, (int64_t)size);
    rv_buf_init(&out, 1 << 20);
    rv_sse_event(&out, 1, "e", text);
    rv_buf_fini(&out);
    free(text);
    return 0;
}
