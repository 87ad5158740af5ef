/* api_exceptions.c -- exceptions: reads only; commands change them. */
#include "runtime/http/call.h"
#include "runtime/run/search.h"

#include "http_sql.h"

void rv_api_exceptions_list(struct rv_call *call)
{
    struct rv_args *args =
        rv_call_page(call, &rv_sql_api_exceptions, "state", rv_run_exception_words);
    if (args != NULL) {
        rv_call_read(call, &rv_sql_api_exceptions, args, "exception");
    }
}

void rv_api_exception_show(struct rv_call *call)
{
    struct rv_hash key;
    if (!rv_hash_from_hex(call->match.parts[0], &key)) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_NOT_FOUND, "no such exception in your tenant");
        rv_hint(&err, "The key of an exception is 64 hexadecimal digits.");
        rv_call_fail(call, &err, NULL);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_api_exception);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_args_bytes(args, 2, key.bytes, sizeof key.bytes);
    rv_call_read(call, &rv_sql_api_exception, args, "exception");
}
