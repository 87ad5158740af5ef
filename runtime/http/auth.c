/* auth.c -- identify (one query), sign in (limits, look-up, password on the pool, session). */
#include "runtime/http/auth.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/http/limiter.h"

#include "http_sql.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { CSRF_BYTES = 16, KEY_TEXT = 400, NETWORK_TEXT = 80, ROLES_TEXT = 1024 };

struct rv_auth {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_limiter *limiter;
    int checks; /* passwords being checked */
    /* what an unknown person's password is compared with, so that it takes as long */
    char nobody[crypto_pwhash_STRBYTES];
};

static const struct rv_auth_refusal none_shown = {
    .status = 401,
    .code = "unauthenticated",
    .title = "no credential was shown",
    .hint = "Sign in with POST /v1/session, or send an API token as \"Authorization: Bearer "
            "rvt_...\"."};
static const struct rv_auth_refusal not_valid = {
    .status = 401,
    .code = "unauthenticated",
    .title = "the credential is not valid",
    .hint = "It may be expired or revoked; sign in again or ask an admin for a new token."};
static const struct rv_auth_refusal wrong_password = {
    .status = 401,
    .code = "unauthenticated",
    .title = "tenant, name or password is wrong",
    .hint = "Check all three; an admin can set a new password with \"reeve person add NAME "
            "--roles A,B --password-stdin\"."};
static const struct rv_auth_refusal away = {.status = 503,
                                            .code = "unavailable",
                                            .title = "the database cannot be asked who you are",
                                            .hint = "Try again in a moment.",
                                            .retry_after_s = 2};

/* A hash in the form of those that are stored, of no password: to verify one against it takes as
 * long, and it did not have to be computed (60 ms and 64 MiB at each start). */
static void make_nobody(char out[crypto_pwhash_STRBYTES])
{
    uint8_t salt[crypto_pwhash_SALTBYTES];
    uint8_t hash[32]; /* Argon2's, as libsodium stores it */
    char salt_text[sodium_base64_ENCODED_LEN(sizeof salt, sodium_base64_VARIANT_ORIGINAL)];
    char hash_text[sodium_base64_ENCODED_LEN(sizeof hash, sodium_base64_VARIANT_ORIGINAL)];
    rv_random_secret(salt, sizeof salt);
    rv_random_secret(hash, sizeof hash);
    sodium_bin2base64(salt_text, sizeof salt_text, salt, sizeof salt,
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    sodium_bin2base64(hash_text, sizeof hash_text, hash, sizeof hash,
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    int length =
        snprintf(out, crypto_pwhash_STRBYTES, "%sv=19$m=%u,t=%u,p=1$%s$%s", crypto_pwhash_STRPREFIX,
                 (unsigned)(crypto_pwhash_MEMLIMIT_INTERACTIVE / 1024),
                 (unsigned)crypto_pwhash_OPSLIMIT_INTERACTIVE, salt_text, hash_text);
    RV_ASSERT(length > 0 && (size_t)length < crypto_pwhash_STRBYTES &&
              crypto_pwhash_str_needs_rehash(out, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                             crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0);
}

struct rv_auth *rv_auth_create(struct rv_loop *loop, struct rv_db *db)
{
    RV_ASSERT(sodium_init() >= 0);
    struct rv_auth *auth = rv_alloc(sizeof *auth);
    auth->loop = loop;
    auth->db = db;
    auth->limiter = rv_limiter_create();
    make_nobody(auth->nobody);
    return auth;
}

void rv_auth_destroy(struct rv_auth *auth)
{
    if (auth != NULL) {
        rv_limiter_destroy(auth->limiter);
        rv_free(auth);
    }
}

static int64_t mono_us(const struct rv_auth *auth)
{
    return rv_mono_us(rv_loop_clock(auth->loop));
}

static struct rv_auth_refusal limited(enum rv_limit limit, int wait_s)
{
    rv_log(RV_LOG_WARN, "http", "HTTP-LIMIT", "limit reached limit=%s wait_s=%d",
           rv_limit_name(limit), wait_s);
    return (struct rv_auth_refusal){.status = 429,
                                    .code = "limit",
                                    .title = "too many attempts",
                                    .hint = "Wait as long as Retry-After says.",
                                    .retry_after_s = wait_s};
}

bool rv_auth_csrf_matches(const struct rv_caller *caller, const char *shown)
{
    return caller->csrf != NULL && shown != NULL && strlen(shown) == strlen(caller->csrf) &&
           sodium_memcmp(shown, caller->csrf, strlen(shown)) == 0;
}

/* ---- identify ---- */

struct identify {
    struct rv_auth *auth;
    struct rv_credential credential;
    char network[NETWORK_TEXT];
    rv_auth_done done;
    void *data;
};

static void refuse_credential(struct identify *ask)
{
    rv_limiter_take(ask->auth->limiter, RV_LIMIT_CREDENTIAL, ask->network, mono_us(ask->auth));
    ask->done(ask->data, NULL, &not_valid);
}

static void on_identified(void *data, enum rv_code code, const struct rv_result *result,
                          const struct rv_error *err)
{
    struct identify *ask = data;
    struct rv_hash stored;
    if (code != RV_OK) {
        rv_log_error("http", "HTTP-AUTH", err);
        ask->done(ask->data, NULL, &away);
    } else if (rv_result_rows(result) != 1 ||
               rv_result_bytes(result, 0, 0, stored.bytes, sizeof stored.bytes) !=
                   sizeof stored.bytes ||
               !rv_hash_equal(&stored, &ask->credential.hash)) {
        refuse_credential(ask);
    } else {
        bool by_session = ask->credential.kind == RV_CREDENTIAL_SESSION;
        struct rv_caller caller = {
            .tenant = ask->credential.tenant,
            .person = rv_result_text(result, 0, 1),
            .roles = rv_result_text(result, 0, 2),
            .permissions = rv_permissions_of(rv_result_text(result, 0, 2)),
            .csrf = by_session ? rv_result_text(result, 0, 3) : NULL,
            .session = ask->credential.hash,
        };
        ask->done(ask->data, &caller, NULL);
    }
    rv_free(ask);
}

void rv_auth_identify(struct rv_auth *auth, const char *authorization, const char *cookies,
                      const char *peer, rv_auth_done done, void *data)
{
    struct identify *ask = rv_alloc(sizeof *ask);
    ask->auth = auth;
    ask->done = done;
    ask->data = data;
    ask->credential = rv_credential_read(authorization, cookies);
    rv_limit_network(peer, ask->network, sizeof ask->network);
    int wait = rv_limiter_wait(auth->limiter, RV_LIMIT_CREDENTIAL, ask->network, mono_us(auth));
    if (ask->credential.kind == RV_CREDENTIAL_NONE) {
        done(data, NULL, &none_shown);
        rv_free(ask);
    } else if (wait > 0) {
        struct rv_auth_refusal refusal = limited(RV_LIMIT_CREDENTIAL, wait);
        done(data, NULL, &refusal);
        rv_free(ask);
    } else if (ask->credential.kind == RV_CREDENTIAL_BAD) {
        refuse_credential(ask);
        rv_free(ask);
    } else if (ask->credential.kind == RV_CREDENTIAL_TOKEN) {
        struct rv_args *args = rv_args_create(&rv_sql_http_token);
        rv_args_i32(args, 1, ask->credential.tenant);
        rv_args_i64(args, 2, ask->credential.id);
        rv_db_query(auth->db, ask->credential.tenant, &rv_sql_http_token, args, on_identified, ask);
    } else {
        struct rv_args *args = rv_args_create(&rv_sql_http_session);
        rv_args_i32(args, 1, ask->credential.tenant);
        rv_args_bytes(args, 2, ask->credential.hash.bytes, RV_HASH_BYTES);
        rv_db_query(auth->db, ask->credential.tenant, &rv_sql_http_session, args, on_identified,
                    ask);
    }
}

bool rv_auth_is_limited(struct rv_auth *auth, const char *peer, struct rv_auth_refusal *refusal)
{
    char network[NETWORK_TEXT];
    rv_limit_network(peer, network, sizeof network);
    int wait = rv_limiter_wait(auth->limiter, RV_LIMIT_CREDENTIAL, network, mono_us(auth));
    if (wait > 0) {
        *refusal = limited(RV_LIMIT_CREDENTIAL, wait);
    }
    return wait > 0;
}

void rv_auth_note_failure(struct rv_auth *auth, const char *peer)
{
    char network[NETWORK_TEXT];
    rv_limit_network(peer, network, sizeof network);
    rv_limiter_take(auth->limiter, RV_LIMIT_CREDENTIAL, network, mono_us(auth));
}

bool rv_auth_records_refusal(struct rv_auth *auth, const struct rv_caller *caller)
{
    char key[KEY_TEXT];
    snprintf(key, sizeof key, "%d/%s", (int)caller->tenant, caller->person);
    return rv_limiter_take(auth->limiter, RV_LIMIT_REFUSAL, key, mono_us(auth)) == 0;
}

/* ---- sign in: limits -> tenant -> person -> password (pool) -> session ---- */

struct sign_in {
    struct rv_auth *auth;
    char person[RV_PERSON_NAME_MAX + 1];
    char password[RV_PASSWORD_MAX + 1];
    char stored[crypto_pwhash_STRBYTES];
    char roles[ROLES_TEXT];
    char csrf[2 * CSRF_BYTES + 1];
    char cookie[RV_CREDENTIAL_TEXT];
    char pair_key[KEY_TEXT];    /* account and network */
    char account_key[KEY_TEXT]; /* account */
    int32_t tenant;             /* 0: unknown */
    bool known;
    bool matches;
    struct rv_hash hash;
    void (*done)(void *data, const struct rv_caller *caller, const char *cookie,
                 const struct rv_auth_refusal *refusal);
    void *data;
};

static void end_sign_in(struct sign_in *ask, const struct rv_auth_refusal *refusal)
{
    if (refusal != NULL) {
        ask->done(ask->data, NULL, NULL, refusal);
    } else {
        struct rv_caller caller = {.tenant = ask->tenant,
                                   .person = ask->person,
                                   .roles = ask->roles,
                                   .permissions = rv_permissions_of(ask->roles),
                                   .csrf = ask->csrf,
                                   .session = ask->hash};
        ask->done(ask->data, &caller, ask->cookie, NULL);
    }
    sodium_memzero(ask, sizeof *ask);
    rv_free(ask);
}

static void on_session_added(void *data, enum rv_code code, const struct rv_result *result,
                             const struct rv_error *err)
{
    (void)result;
    struct sign_in *ask = data;
    if (code != RV_OK) {
        rv_log_error("http", "HTTP-SIGN-IN", err);
        end_sign_in(ask, &away);
        return;
    }
    rv_log(RV_LOG_INFO, "http", "HTTP-SIGN-IN", "signed in tenant=%d", (int)ask->tenant);
    end_sign_in(ask, NULL);
}

static void add_session(struct sign_in *ask)
{
    struct rv_auth *auth = ask->auth;
    unsigned char random[CSRF_BYTES];
    rv_random_secret(random, sizeof random);
    sodium_bin2hex(ask->csrf, sizeof ask->csrf, random, sizeof random);
    rv_credential_make_session(ask->tenant, ask->cookie, &ask->hash);
    struct rv_args *args = rv_args_create(&rv_sql_http_session_add);
    rv_args_i32(args, 1, ask->tenant);
    rv_args_bytes(args, 2, ask->hash.bytes, RV_HASH_BYTES);
    rv_args_text(args, 3, ask->person);
    rv_args_text(args, 4, ask->csrf);
    rv_args_time(args, 5,
                 rv_now_us(rv_loop_clock(auth->loop)) + RV_SESSION_SECONDS * INT64_C(1000000));
    rv_db_query(auth->db, ask->tenant, &rv_sql_http_session_add, args, on_session_added, ask);
}

/* pool thread */
static void check_password(void *data)
{
    struct sign_in *ask = data;
    ask->matches = crypto_pwhash_str_verify(ask->stored, ask->password, strlen(ask->password)) == 0;
}

static void on_password_checked(void *data)
{
    struct sign_in *ask = data;
    struct rv_auth *auth = ask->auth;
    auth->checks--;
    sodium_memzero(ask->password, sizeof ask->password);
    if (ask->known && ask->matches) {
        add_session(ask);
        return;
    }
    rv_limiter_take(auth->limiter, RV_LIMIT_SIGN_IN_PAIR, ask->pair_key, mono_us(auth));
    rv_limiter_take(auth->limiter, RV_LIMIT_SIGN_IN_ACCOUNT, ask->account_key, mono_us(auth));
    end_sign_in(ask, &wrong_password);
}

static void on_person(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct sign_in *ask = data;
    if (code != RV_OK) {
        rv_log_error("http", "HTTP-SIGN-IN", err);
        ask->auth->checks--;
        end_sign_in(ask, &away);
        return;
    }
    ask->known = rv_result_rows(result) == 1;
    snprintf(ask->stored, sizeof ask->stored, "%s",
             ask->known ? rv_result_text(result, 0, 0) : ask->auth->nobody);
    snprintf(ask->roles, sizeof ask->roles, "%s", ask->known ? rv_result_text(result, 0, 1) : "");
    rv_work(ask->auth->loop, check_password, on_password_checked, ask);
}

static void on_tenant(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct sign_in *ask = data;
    if (code != RV_OK) {
        rv_log_error("http", "HTTP-SIGN-IN", err);
        ask->auth->checks--;
        end_sign_in(ask, &away);
        return;
    }
    if (rv_result_rows(result) == 1 && !rv_result_is_null(result, 0, 0)) {
        ask->tenant = (int32_t)rv_result_i64(result, 0, 0);
    }
    struct rv_args *args = rv_args_create(&rv_sql_http_person);
    rv_args_i32(args, 1, ask->tenant); /* 0 finds nobody, and takes as long */
    rv_args_text(args, 2, ask->person);
    rv_db_query(ask->auth->db, ask->tenant, &rv_sql_http_person, args, on_person, ask);
}

static bool is_limited(struct sign_in *ask, const char *network, struct rv_auth_refusal *refusal)
{
    struct rv_limiter *limiter = ask->auth->limiter;
    int64_t now = mono_us(ask->auth);
    int wait = rv_limiter_take(limiter, RV_LIMIT_SIGN_IN_ADDRESS, network, now);
    if (wait > 0) {
        *refusal = limited(RV_LIMIT_SIGN_IN_ADDRESS, wait);
        return true;
    }
    wait = rv_limiter_wait(limiter, RV_LIMIT_SIGN_IN_PAIR, ask->pair_key, now);
    if (wait > 0) {
        *refusal = limited(RV_LIMIT_SIGN_IN_PAIR, wait);
        return true;
    }
    wait = rv_limiter_wait(limiter, RV_LIMIT_SIGN_IN_ACCOUNT, ask->account_key, now);
    if (wait > 0) {
        *refusal = limited(RV_LIMIT_SIGN_IN_ACCOUNT, wait);
        return true;
    }
    if (ask->auth->checks >= RV_PASSWORD_CHECKS_MAX) {
        *refusal = away;
        return true;
    }
    return false;
}

void rv_auth_sign_in(struct rv_auth *auth, const char *tenant, const char *person,
                     const char *password, const char *peer,
                     void (*done)(void *data, const struct rv_caller *caller, const char *cookie,
                                  const struct rv_auth_refusal *refusal),
                     void *data)
{
    struct sign_in *ask = rv_alloc(sizeof *ask);
    struct rv_auth_refusal refusal = wrong_password;
    char network[NETWORK_TEXT];
    ask->auth = auth;
    ask->done = done;
    ask->data = data;
    rv_limit_network(peer, network, sizeof network);
    snprintf(ask->account_key, sizeof ask->account_key, "%.150s/%.150s", tenant, person);
    snprintf(ask->pair_key, sizeof ask->pair_key, "%.150s/%.150s %.79s", tenant, person, network);
    bool too_long = strlen(person) > RV_PERSON_NAME_MAX || strlen(password) > RV_PASSWORD_MAX;
    if (is_limited(ask, network, &refusal) || too_long) {
        end_sign_in(ask, &refusal);
        return;
    }
    snprintf(ask->person, sizeof ask->person, "%s", person);
    snprintf(ask->password, sizeof ask->password, "%s", password);
    auth->checks++;
    struct rv_args *args = rv_args_create(&rv_sql_http_tenant);
    rv_args_text(args, 1, tenant);
    rv_db_query(auth->db, 0, &rv_sql_http_tenant, args, on_tenant, ask);
}

/* ---- sign out ---- */

struct sign_out {
    void (*done)(void *data, enum rv_code code);
    void *data;
};

static void on_session_dropped(void *data, enum rv_code code, const struct rv_result *result,
                               const struct rv_error *err)
{
    (void)result;
    struct sign_out *ask = data;
    if (code != RV_OK) {
        rv_log_error("http", "HTTP-SIGN-OUT", err);
    }
    ask->done(ask->data, code);
    rv_free(ask);
}

void rv_auth_sign_out(struct rv_auth *auth, const struct rv_caller *caller,
                      void (*done)(void *data, enum rv_code code), void *data)
{
    struct sign_out *ask = rv_alloc(sizeof *ask);
    *ask = (struct sign_out){done, data};
    struct rv_args *args = rv_args_create(&rv_sql_http_session_drop);
    rv_args_i32(args, 1, caller->tenant);
    rv_args_bytes(args, 2, caller->session.bytes, RV_HASH_BYTES);
    rv_db_query(auth->db, caller->tenant, &rv_sql_http_session_drop, args, on_session_dropped, ask);
}
