/* api_hooks.c -- web hooks for the role admin: endpoints, deliveries (dead letters), sending again.
 */
#include "runtime/hooks/endpoint.h"
#include "runtime/http/call.h"

#include "http_sql.h"

void rv_api_hooks_list(struct rv_call *call)
{
    struct rv_args *args = rv_args_create(&rv_sql_api_hooks);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_call_read(call, &rv_sql_api_hooks, args, "hook endpoint");
}

void rv_api_hook_deliveries(struct rv_call *call)
{
    struct rv_args *args =
        rv_call_page(call, &rv_sql_api_hook_deliveries, "status", rv_hook_delivery_words);
    if (args != NULL) {
        rv_call_read(call, &rv_sql_api_hook_deliveries, args, "delivery");
    }
}

/* Makes a dead or waiting delivery due now; an act of administration, with its record. */
void rv_api_hook_redrive(struct rv_call *call)
{
    int64_t message = rv_call_id(call, 0, "delivery");
    if (message == 0) {
        return;
    }
    int64_t endpoint = rv_call_id(call, 1, "delivery");
    if (endpoint == 0) {
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_api_hook_redrive);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_args_i64(args, 2, message);
    rv_args_i64(args, 3, endpoint);
    json_t *about = json_pack("{s:I,s:I,s:s}", "message", (json_int_t)message, "endpoint",
                              (json_int_t)endpoint, "channel", "http");
    rv_call_act(call, "hook.redrive", about, &rv_sql_api_hook_redrive, args,
                json_pack("{s:s}", "status", "pending"), "undelivered message");
}
