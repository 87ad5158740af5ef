/* run_message.c -- what a plan tells and answers while it goes on: publish, update, reply, refuse.
 *
 *   publish        one entry "publish.NAME": {"ok":true,"value":true,"published":...}
 *   update         two entries, as a signal: the wait, then what came (run_ask.c)
 *   reply, refuse  one entry "reply.ID": {"ok":true,"value":true,"state":"answered","result":...}
 *
 * The entry is all there is: who asks from outside reads the newest "publish.NAME" and the first
 * "reply.ID" of the journal (sql/message.sql), so nothing can be told twice, and nothing that the
 * journal does not hold.  What is too large is journaled as a refusal, without the name or id.
 */
#include "runtime/base/text.h"
#include "runtime/run/run_actor_private.h"
#include "runtime/run/update.h"

#include <stdio.h>
#include <string.h>

const char *run_signal_name(const struct rv_plan_request *request, char out[RUN_NAME_TEXT])
{
    bool update = strcmp(request->name, "update") == 0;
    snprintf(out, RUN_NAME_TEXT, "%s%s", update ? RV_UPDATE_SIGNAL : "",
             rv_json_str(request->args, "name", ""));
    rv_text_mend(out); /* journals of before hold waits for names that are cut here */
    return out;
}

enum rv_code run_signal_check(const struct rv_plan_request *request, struct rv_error *err)
{
    bool update = strcmp(request->name, "update") == 0;
    const char *name = rv_json_str(request->args, "name", "");
    size_t most = update ? RV_UPDATE_NAME_MAX : RV_SIGNAL_NAME_MAX;
    _Static_assert((int)RUN_NAME_TEXT > (int)sizeof RV_UPDATE_SIGNAL + RV_SIGNAL_NAME_MAX &&
                       (int)RV_SIGNAL_NAME_MAX >= (int)RV_UPDATE_NAME_MAX,
                   "a name that may be sent is whole");
    if (!update && strcmp(request->name, "signal") != 0) {
        return RV_OK;
    }
    if (strlen(name) > most) {
        return rv_fail(err, RV_INVALID, "ctx:%s: name must have 1 to %zu bytes", request->name,
                       most);
    }
    if (name[0] == '$') {
        return rv_fail(err, RV_INVALID,
                       "ctx:%s: name must not begin with \"$\": those are reeve's own",
                       request->name);
    }
    return RV_OK;
}

/* What of the arguments is told, and how much of it may be. */
static const json_t *told(const struct rv_plan_request *request, size_t *most)
{
    *most = RV_RUN_VALUE_MAX;
    return json_object_get(request->args, strcmp(request->name, "publish") == 0 ? "value"
                                          : strcmp(request->name, "reply") == 0 ? "result"
                                                                                : "reason");
}

static bool fits(const struct rv_plan_request *request)
{
    size_t most = 0;
    const json_t *value = told(request, &most);
    return value == NULL || json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) <= most;
}

const char *run_message_step(const struct rv_plan_request *request, char out[RUN_NAME_TEXT])
{
    bool publish = strcmp(request->name, "publish") == 0;
    const char *about = rv_json_str(request->args, publish ? "name" : "id", "");
    if (fits(request)) {
        snprintf(out, RUN_NAME_TEXT, "%s.%s", publish ? "publish" : "reply", about);
    } else {
        snprintf(out, RUN_NAME_TEXT, "%s", publish ? "publish" : "reply");
    }
    rv_text_mend(out);
    return out;
}

void run_ask_message(struct run *run, int kind)
{
    const struct rv_plan_request *request = &run->request;
    char name[RUN_NAME_TEXT];
    size_t most = 0;
    json_t *value = (json_t *)(uintptr_t)told(request, &most);
    json_t *out = NULL;
    if (!fits(request)) {
        char text[96];
        snprintf(text, sizeof text,
                 "it is larger than %zu bytes as JSON: put it with blob.put and give the handle",
                 most);
        out = json_pack("{s:b,s:s,s:s}", "ok", 0, "code", "limit", "message", text);
    } else if (kind == RV_STEP_PUBLISH) {
        out = json_pack("{s:b,s:b,s:O}", "ok", 1, "value", 1, "published", value);
    } else {
        bool refuse = strcmp(request->name, "refuse") == 0;
        out = json_pack("{s:b,s:b,s:s,s:O?}", "ok", 1, "value", 1, "state",
                        refuse ? "refused" : "answered", refuse ? "reason" : "result", value);
    }
    RV_ASSERT(out != NULL);
    run_write_step(run,
                   run_make_step(run, kind, run_message_step(request, name), request->args, out),
                   NULL, 0, NULL);
}
