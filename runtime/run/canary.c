/* canary.c -- see canary.h. */
#include "runtime/run/canary.h"

#include "runtime/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool rv_manifest_handles(const json_t *manifest, const char *type)
{
    size_t i;
    json_t *code;
    json_array_foreach(json_object_get(manifest, "handles"), i, code)
    {
        if (strcmp(json_string_value(code), type) == 0) {
            return true;
        }
    }
    return false;
}

/* 0 to 99. */
static unsigned int draw(const char *agent, const char *key, int64_t run)
{
    char text[512];
    int length = key[0] != '\0' ? snprintf(text, sizeof text, "%.100s %.300s", agent, key)
                                : snprintf(text, sizeof text, "%.100s r_%" PRId64, agent, run);
    struct rv_hash hash = rv_sha256(text, (size_t)length);
    unsigned int number = 0; /* the same on every machine, whatever its byte order */
    for (int i = 0; i < 3; i++) {
        number = number << 8 | hash.bytes[i];
    }
    return number % 100;
}

const json_t *rv_canary_pick(const json_t *agent, const char *key, int64_t run, const char *type)
{
    const json_t *canary = json_object_get(agent, "canary");
    if (!json_is_object(canary) ||
        (type != NULL && !rv_manifest_handles(json_object_get(canary, "manifest"), type))) {
        return agent;
    }
    int64_t percent = rv_json_int(canary, "percent", 0);
    return draw(rv_json_str(agent, "name", ""), key, run) < percent ? canary : agent;
}
