/* endpoint.c -- see endpoint.h. */
#include "runtime/hooks/endpoint.h"

#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/hooks/column.h"

#include "hooks_sql.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

const char rv_hook_delivery_words[] = "pending delivered dead";

enum { SECRET_BYTES = 32, URL_MAX = 2000 };

static enum rv_code check_url(const struct rv_hook_endpoint *endpoint, struct rv_error *err)
{
    bool https = strncmp(endpoint->url, "https://", 8) == 0;
    bool http = strncmp(endpoint->url, "http://", 7) == 0;
    if (!https && !(http && endpoint->allow_private)) {
        rv_fail(err, RV_INVALID, "url \"%.100s\" must start with https://", endpoint->url);
        rv_hint(err, "Plain http is only allowed together with private addresses.");
        return RV_INVALID;
    }
    if (strlen(endpoint->url) > URL_MAX || strpbrk(endpoint->url, " \t\r\n") != NULL) {
        return rv_fail(err, RV_INVALID, "url must be at most %d bytes without white space",
                       URL_MAX);
    }
    return RV_OK;
}

/* All that is ever announced (rv_outbox_append). */
static const char *const known[] = {"approval.requested", "approval.decided",   "approval.executed",
                                    "approval.expired",   "approval.escalated", "approval.void",
                                    "run.failed",         "run.needs_budget"};

static bool is_known(const char *name, size_t length)
{
    bool whole = length > 2 && strncmp(name + length - 2, ".*", 2) == 0;
    for (size_t i = 0; i < RV_COUNT(known); i++) {
        if (whole ? strncmp(known[i], name, length - 1) == 0
                  : strlen(known[i]) == length && strncmp(known[i], name, length) == 0) {
            return true;
        }
    }
    return false;
}

enum rv_code rv_hook_events_check(const char *events, struct rv_error *err)
{
    const char *at = events;
    while (*events != '\0') {
        size_t length = strcspn(at, ",");
        if (!is_known(at, length)) {
            rv_fail(err, RV_INVALID, "events: there is no event \"%.*s\"",
                    length < 60 ? (int)length : 60, at);
            rv_hint(err, "There are approval.requested, .decided, .executed, .expired, .escalated "
                         "and .void, run.failed and .needs_budget; \"approval.*\" is all of a "
                         "noun.  Write them whole, with commas and without spaces.");
            return RV_INVALID;
        }
        if (at[length] == '\0') {
            break;
        }
        at += length + 1;
    }
    return RV_OK;
}

static void put_sealed(struct rv_args *args, int index, const struct rv_hook_vault *vault,
                       int32_t tenant, int64_t endpoint, enum rv_hook_field field,
                       const uint8_t *secret, size_t length)
{
    uint8_t sealed[RV_HOOK_SEALED_MAX];
    rv_args_bytes(args, index, sealed,
                  rv_hook_seal(vault, tenant, endpoint, field, secret, length, sealed));
}

enum rv_code rv_hook_endpoint_add(struct rv_db_session *session, int32_t tenant,
                                  const struct rv_hook_vault *vault,
                                  const struct rv_hook_endpoint *endpoint, int64_t now_us,
                                  struct rv_hook_endpoint_keys *out, struct rv_error *err)
{
    uint8_t secret[SECRET_BYTES], seed[RV_HOOK_SEED_BYTES], public_key[RV_HOOK_PUBLIC_BYTES];
    enum rv_code code = check_url(endpoint, err);
    if (code == RV_OK) {
        code = rv_hook_events_check(endpoint->events, err);
    }
    if (code != RV_OK) {
        return code;
    }
    rv_random_secret(secret, sizeof secret);
    rv_random_secret(seed, sizeof seed);
    rv_hook_public_key(seed, public_key);
    out->id = rv_id_make(now_us);
    rv_hook_key_text("whsec_", secret, sizeof secret, out->secret);
    rv_hook_key_text("whpk_", public_key, sizeof public_key, out->public_key);
    snprintf(out->callback, sizeof out->callback, "rve_%" PRId32 "_%" PRId64, tenant, out->id);
    struct rv_args *args = rv_args_create(&rv_sql_hook_endpoint_put);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, out->id);
    rv_args_text(args, 3, endpoint->url);
    put_sealed(args, 4, vault, tenant, out->id, RV_HOOK_FIELD_SECRET, secret, sizeof secret);
    put_sealed(args, 5, vault, tenant, out->id, RV_HOOK_FIELD_SEED, seed, sizeof seed);
    rv_args_text(args, 6, endpoint->events);
    rv_args_text(args, 7, endpoint->person);
    rv_args_bool(args, 8, endpoint->allow_private);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(seed, sizeof seed);
    return rv_db_session_change_one(session, tenant, &rv_sql_hook_endpoint_put, args,
                                    "such person for callbacks", err);
}

enum rv_code rv_hook_endpoint_rotate(struct rv_db_session *session, int32_t tenant,
                                     const struct rv_hook_vault *vault, int64_t id,
                                     int32_t overlap_s, char secret[RV_HOOK_KEY_TEXT],
                                     struct rv_error *err)
{
    uint8_t bytes[SECRET_BYTES];
    if (overlap_s < 0 || overlap_s > RV_HOOK_OVERLAP_MAX_S) {
        return rv_fail(err, RV_INVALID, "the overlap must be from 0 to %d seconds",
                       RV_HOOK_OVERLAP_MAX_S);
    }
    rv_random_secret(bytes, sizeof bytes);
    rv_hook_key_text("whsec_", bytes, sizeof bytes, secret);
    struct rv_args *args = rv_args_create(&rv_sql_hook_endpoint_rotate);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, id);
    put_sealed(args, 3, vault, tenant, id, RV_HOOK_FIELD_SECRET, bytes, sizeof bytes);
    rv_args_i32(args, 4, overlap_s);
    sodium_memzero(bytes, sizeof bytes);
    return rv_db_session_change_one(session, tenant, &rv_sql_hook_endpoint_rotate, args,
                                    "such hook endpoint", err);
}

/* ---- what an earlier version stored bare ---- */

struct sealing {
    const struct rv_hook_vault *vault;
    int32_t tenant;
    struct rv_args **changes; /* one per endpoint that has something bare */
    int count;
    int64_t unopened; /* an endpoint whose sealed secret is not ours; 0 none */
};

/* Puts the sealed form of a column into `args`; SQL NULL leaves the column as it is. */
static bool seal_column(struct sealing *sealing, const struct rv_result *result, int row,
                        int column, enum rv_hook_field field, struct rv_args *args, int index)
{
    uint8_t stored[RV_HOOK_STORED_MAX];
    uint8_t opened[RV_HOOK_SECRET_MAX];
    int64_t endpoint = rv_result_i64(result, row, 0);
    size_t length = rv_hook_column_stored(result, row, column, stored);
    bool bare = length > 0 && length <= RV_HOOK_SECRET_MAX;
    if (bare) {
        put_sealed(args, index, sealing->vault, sealing->tenant, endpoint, field, stored, length);
    } else {
        rv_args_null(args, index);
        if (length > 0 && rv_hook_unseal(sealing->vault, sealing->tenant, endpoint, field, stored,
                                         length, opened) == 0) {
            sealing->unopened = endpoint;
        }
    }
    sodium_memzero(stored, sizeof stored);
    sodium_memzero(opened, sizeof opened);
    return bare;
}

static enum rv_code take_secrets(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    struct sealing *sealing = data;
    struct rv_args *args = rv_args_create(&rv_sql_hook_secrets_put);
    rv_args_i32(args, 1, sealing->tenant);
    rv_args_i64(args, 2, rv_result_i64(result, row, 0));
    bool secret = seal_column(sealing, result, row, 1, RV_HOOK_FIELD_SECRET, args, 3);
    bool old = seal_column(sealing, result, row, 2, RV_HOOK_FIELD_SECRET, args, 4);
    bool seed = seal_column(sealing, result, row, 3, RV_HOOK_FIELD_SEED, args, 5);
    if (!secret && !old && !seed) {
        rv_args_destroy(args);
        return RV_OK;
    }
    sealing->changes =
        rv_realloc(sealing->changes, (size_t)(sealing->count + 1) * sizeof(struct rv_args *));
    sealing->changes[sealing->count++] = args;
    return RV_OK;
}

enum rv_code rv_hook_endpoints_seal(struct rv_db_session *session, int32_t tenant,
                                    const struct rv_hook_vault *vault, int *count,
                                    struct rv_error *err)
{
    struct sealing sealing = {.vault = vault, .tenant = tenant};
    struct rv_args *args = rv_args_create(&rv_sql_hook_secrets);
    rv_args_i32(args, 1, tenant);
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_hook_secrets, args,
                                            take_secrets, &sealing, err);
    *count = 0;
    for (int i = 0; i < sealing.count; i++) {
        if (code == RV_OK) {
            code = rv_db_session_change_one(session, tenant, &rv_sql_hook_secrets_put,
                                            sealing.changes[i], "such hook endpoint", err);
            *count += code == RV_OK;
        } else {
            rv_args_destroy(sealing.changes[i]);
        }
    }
    rv_free(sealing.changes);
    if (code == RV_OK && sealing.unopened != 0) {
        code = rv_fail(err, RV_CORRUPT,
                       "the secret of hook endpoint %" PRId64 " does not open with this hook key",
                       sealing.unopened);
        rv_hint(err,
                "Restore the hook key from its backup, or make a new secret: "
                "`reeve hook rotate %" PRId64 "`, and give it to the receiver.",
                sealing.unopened);
    }
    return code;
}

enum rv_code rv_hook_endpoint_enable(struct rv_db_session *session, int32_t tenant, int64_t id,
                                     bool enabled, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_hook_endpoint_enable);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, id);
    rv_args_bool(args, 3, enabled);
    return rv_db_session_change_one(session, tenant, &rv_sql_hook_endpoint_enable, args,
                                    "such hook endpoint", err);
}

enum rv_code rv_hook_redrive(struct rv_db_session *session, int32_t tenant, int64_t endpoint,
                             int *count, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_hook_redrive);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, endpoint);
    return rv_db_session_change_rows(session, tenant, &rv_sql_hook_redrive, args, count, err);
}
