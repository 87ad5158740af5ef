/* endpoint.c -- see endpoint.h. */
#include "runtime/hooks/endpoint.h"

#include "runtime/base/check.h"
#include "runtime/base/random.h"

#include "hooks_sql.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { SECRET_BYTES = 32, URL_MAX = 2000 };

static enum rv_code check_url(const struct rv_hook_endpoint *endpoint, struct rv_error *err)
{
    bool https = strncmp(endpoint->url, "https://", 8) == 0;
    bool http = strncmp(endpoint->url, "http://", 7) == 0;
    if (!https && !(http && endpoint->allow_private)) {
        rv_fail(err, RV_INVALID, "url \"%.100s\" must start with https://", endpoint->url);
        return rv_hint(err, "Plain http is only allowed together with private addresses.");
    }
    if (strlen(endpoint->url) > URL_MAX || strpbrk(endpoint->url, " \t\r\n") != NULL) {
        return rv_fail(err, RV_INVALID, "url must be at most %d bytes without white space",
                       URL_MAX);
    }
    return RV_OK;
}

static enum rv_code count_row(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)result;
    (void)row;
    (void)err;
    int *rows = data;
    (*rows)++;
    return RV_OK;
}

static enum rv_code change(struct rv_db_session *session, int32_t tenant,
                           const struct rv_statement *statement, struct rv_args *args,
                           const char *missing, struct rv_error *err)
{
    int rows = 0;
    enum rv_code code =
        rv_db_session_query(session, tenant, statement, args, count_row, &rows, err);
    if (code == RV_OK && rows == 0) {
        return rv_fail(err, RV_NOT_FOUND, "no such %s in this tenant", missing);
    }
    return code;
}

enum rv_code rv_hook_endpoint_add(struct rv_db_session *session, int32_t tenant,
                                  const struct rv_hook_endpoint *endpoint, int64_t now_us,
                                  struct rv_hook_endpoint_keys *out, struct rv_error *err)
{
    uint8_t secret[SECRET_BYTES], seed[RV_HOOK_SEED_BYTES], public_key[RV_HOOK_PUBLIC_BYTES];
    enum rv_code code = check_url(endpoint, err);
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
    rv_args_bytes(args, 4, secret, sizeof secret);
    rv_args_bytes(args, 5, seed, sizeof seed);
    rv_args_text(args, 6, endpoint->events);
    rv_args_text(args, 7, endpoint->person);
    rv_args_bool(args, 8, endpoint->allow_private);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(seed, sizeof seed);
    return change(session, tenant, &rv_sql_hook_endpoint_put, args, "person for callbacks", err);
}

enum rv_code rv_hook_endpoint_rotate(struct rv_db_session *session, int32_t tenant, int64_t id,
                                     char secret[RV_HOOK_KEY_TEXT], struct rv_error *err)
{
    uint8_t bytes[SECRET_BYTES];
    rv_random_secret(bytes, sizeof bytes);
    rv_hook_key_text("whsec_", bytes, sizeof bytes, secret);
    struct rv_args *args = rv_args_create(&rv_sql_hook_endpoint_rotate);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, id);
    rv_args_bytes(args, 3, bytes, sizeof bytes);
    rv_args_i32(args, 4, RV_HOOK_OVERLAP_S);
    sodium_memzero(bytes, sizeof bytes);
    return change(session, tenant, &rv_sql_hook_endpoint_rotate, args, "hook endpoint", err);
}

enum rv_code rv_hook_endpoint_enable(struct rv_db_session *session, int32_t tenant, int64_t id,
                                     bool enabled, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_hook_endpoint_enable);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, id);
    rv_args_bool(args, 3, enabled);
    return change(session, tenant, &rv_sql_hook_endpoint_enable, args, "hook endpoint", err);
}

enum rv_code rv_hook_redrive(struct rv_db_session *session, int32_t tenant, int64_t endpoint,
                             int *count, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_hook_redrive);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, endpoint);
    *count = 0;
    return rv_db_session_query(session, tenant, &rv_sql_hook_redrive, args, count_row, count, err);
}

enum rv_code rv_hook_list(struct rv_db_session *session, int32_t tenant,
                          enum rv_code (*each)(void *data, const struct rv_result *result, int row,
                                               struct rv_error *err),
                          void *data, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_hook_list);
    rv_args_i32(args, 1, tenant);
    return rv_db_session_query(session, tenant, &rv_sql_hook_list, args, each, data, err);
}
