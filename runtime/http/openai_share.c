/* openai_share.c -- see openai_share.h. */
#include "runtime/http/openai_share.h"

#include "runtime/base/check.h"
#include "runtime/http/call.h"

enum {
    AROUND_TEXT = 16, /* tokens of a chat format around a message, at most */
    ROOM_USUAL = 8192 /* where the engine has not said */
};

/* Of one company with something on its way. */
struct rv_openai_share {
    struct rv_openai_share *next;
    int32_t tenant;
    int64_t tokens;
};

/* Of one prompt and n answers, each of which has room behind it. */
static int64_t most_of(int64_t prompt, int64_t answer, int64_t n, int64_t limit)
{
    answer = answer < limit ? answer : limit;
    prompt = prompt < limit - answer ? prompt : limit - answer;
    return prompt + n * answer;
}

int64_t rv_openai_most(const struct rv_openai_ask *ask, int64_t room)
{
    const json_t *messages = json_object_get(ask->question, "messages");
    int64_t limit = room > 0 ? room : ROOM_USUAL;
    int64_t n = (int64_t)ask->n;
    int64_t sum = 0;
    int64_t prompt = 0;
    int64_t answer = ask->question != NULL ? rv_json_int(ask->question, "max", limit) : 0;
    for (size_t i = 0; i < json_array_size(ask->inputs); i++) { /* each has a prompt of its own */
        prompt = (int64_t)json_string_length(json_array_get(ask->inputs, i)) + AROUND_TEXT;
        sum += most_of(prompt, answer, n, limit);
    }
    if (ask->inputs != NULL) {
        return sum;
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *text = json_object_get(json_array_get(messages, i), "text");
        prompt += (int64_t)json_string_length(text) + AROUND_TEXT;
    }
    return most_of(prompt, answer, n, limit);
}

static struct rv_openai_share **find(struct rv_api *api, int32_t tenant)
{
    struct rv_openai_share **at = &api->shares;
    while (*at != NULL && (*at)->tenant != tenant) {
        at = &(*at)->next;
    }
    return at;
}

int64_t rv_openai_kept(const struct rv_api *api, int32_t tenant)
{
    const struct rv_openai_share *share = *find((struct rv_api *)(uintptr_t)api, tenant);
    return share != NULL ? share->tokens : 0;
}

void rv_openai_keep(struct rv_api *api, int32_t tenant, int64_t tokens)
{
    struct rv_openai_share **at = find(api, tenant);
    if (*at == NULL && tokens > 0) {
        *at = rv_alloc(sizeof **at);
        **at = (struct rv_openai_share){.tenant = tenant};
    }
    if (tokens > 0) {
        (*at)->tokens += tokens;
    }
}

void rv_openai_give(struct rv_api *api, int32_t tenant, int64_t tokens)
{
    struct rv_openai_share **at = find(api, tenant);
    if (tokens <= 0) {
        return;
    }
    RV_ASSERT(*at != NULL && (*at)->tokens >= tokens);
    (*at)->tokens -= tokens;
    if ((*at)->tokens == 0) {
        struct rv_openai_share *gone = *at;
        *at = gone->next;
        rv_free(gone);
    }
}

void rv_openai_shares_free(struct rv_api *api)
{
    while (api->shares != NULL) {
        struct rv_openai_share *gone = api->shares;
        api->shares = gone->next;
        rv_free(gone);
    }
}
