/* http_router_test.c -- routes, roles, credentials, limits and event text. */
#include "runtime/http/credential.h"
#include "runtime/http/limiter.h"
#include "runtime/http/router.h"
#include "runtime/http/sse.h"
#include "tests/support/test.h"

static const struct rv_route table[] = {
    {.method = "GET", .pattern = "/v1/approvals"},
    {.method = "GET", .pattern = "/v1/approvals/{}"},
    {.method = "POST", .pattern = "/v1/approvals/{}/decision"},
    {.method = "GET", .pattern = "/{*}"},
    {.method = NULL},
};

static int find(const char *method, const char *path, struct rv_route_match *match)
{
    rv_route_find(table, method, path, match);
    return match->route != NULL ? (int)(match->route - table) : -1;
}

TEST(routes_match_by_segment)
{
    struct rv_route_match match;
    ck_assert_int_eq(find("GET", "/v1/approvals", &match), 0);
    ck_assert_int_eq(find("HEAD", "/v1/approvals", &match), 0);
    ck_assert_int_eq(find("GET", "/v1/approvals/42", &match), 1);
    ck_assert_str_eq(match.parts[0], "42");
    ck_assert_int_eq(find("POST", "/v1/approvals/4%32/decision", &match), 2);
    ck_assert_str_eq(match.parts[0], "42");
    ck_assert_int_eq(find("GET", "/v1/approvals/", &match), 3);
    ck_assert_int_eq(find("GET", "/", &match), 3);
    ck_assert_str_eq(match.parts[0], "");
    ck_assert_int_eq(find("GET", "/a/b.js", &match), 3);
    ck_assert_str_eq(match.parts[0], "a/b.js");
    ck_assert_int_eq(find("GET", "/v1/approvals/%zz", &match), -1);
}

TEST(a_wrong_method_lists_the_right_ones)
{
    struct rv_route_match match;
    ck_assert_int_eq(find("DELETE", "/v1/approvals/42", &match), -1);
    ck_assert_str_eq(match.allowed, "GET");
    ck_assert_int_eq(find("GET", "/v1/approvals/42/decision", &match), -1); /* no page either */
    ck_assert_str_eq(match.allowed, "POST");
    ck_assert_int_eq(find("HEAD", "/v1/approvals/42/decision", &match), -1);
    ck_assert_int_eq(find("POST", "/v1/nothing", &match), -1);
    ck_assert_str_eq(match.allowed, "");
}

TEST(roles_give_permissions)
{
    ck_assert_uint_eq(rv_permissions_of(""), RV_MAY_SIGNED_IN);
    ck_assert_uint_eq(rv_permissions_of("auditor"), RV_MAY_SIGNED_IN | RV_MAY_READ);
    ck_assert_uint_eq(rv_permissions_of("controller"),
                      RV_MAY_SIGNED_IN | RV_MAY_READ | RV_MAY_DECIDE);
    ck_assert_uint_eq(rv_permissions_of("admin") & RV_MAY_DECIDE, 0);
    ck_assert_uint_eq(rv_permissions_of("operator,controller") & (RV_MAY_DECIDE | RV_MAY_OPERATE),
                      RV_MAY_DECIDE | RV_MAY_OPERATE);
}

TEST(credentials_round_trip)
{
    char text[RV_CREDENTIAL_TEXT], header[RV_CREDENTIAL_TEXT + 32];
    struct rv_hash hash;
    rv_credential_make_token(7, INT64_C(9000000000000000001), text, &hash);
    snprintf(header, sizeof header, "Bearer %s", text);
    struct rv_credential read = rv_credential_read(header, NULL);
    ck_assert_int_eq(read.kind, RV_CREDENTIAL_TOKEN);
    ck_assert_int_eq(read.tenant, 7);
    ck_assert(read.id == INT64_C(9000000000000000001));
    ck_assert(rv_hash_equal(&read.hash, &hash));
    rv_credential_make_session(12, text, &hash);
    snprintf(header, sizeof header, "a=b; reeve_session=%s; c=d", text);
    read = rv_credential_read(NULL, header);
    ck_assert_int_eq(read.kind, RV_CREDENTIAL_SESSION);
    ck_assert_int_eq(read.tenant, 12);
    ck_assert(rv_hash_equal(&read.hash, &hash));
}

TEST(bad_credentials_are_bad_and_never_fall_back)
{
    char session[RV_CREDENTIAL_TEXT], cookie[RV_CREDENTIAL_TEXT + 32],
        bearer[RV_CREDENTIAL_TEXT + 32];
    struct rv_hash hash;
    rv_credential_make_session(1, session, &hash);
    snprintf(cookie, sizeof cookie, "reeve_session=%s", session);
    snprintf(bearer, sizeof bearer, "Bearer %s", session);
    ck_assert_int_eq(rv_credential_read(NULL, NULL).kind, RV_CREDENTIAL_NONE);
    ck_assert_int_eq(rv_credential_read(NULL, "other=1").kind, RV_CREDENTIAL_NONE);
    ck_assert_int_eq(rv_credential_read("Basic abc", cookie).kind, RV_CREDENTIAL_BAD);
    ck_assert_int_eq(rv_credential_read(bearer, NULL).kind, RV_CREDENTIAL_BAD);
    static const char *const bad[] = {
        "Bearer ",
        "Bearer rvt_",
        "Bearer rvt_1_2_short",
        "Bearer rvt_0_2_",
        "Bearer rvt_1_x_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "Bearer rvt_99999999999_2_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "Bearer rvt_1_2_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA$",
        "Bearer rvt_1_2_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(rv_credential_read(bad[i], NULL).kind == RV_CREDENTIAL_BAD, "%s", bad[i]);
    }
}

TEST(a_bucket_empties_and_refills)
{
    struct rv_limiter *limiter = rv_limiter_create();
    int64_t now = 1000000;
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(rv_limiter_take(limiter, RV_LIMIT_SIGN_IN_PAIR, "a", now), 0);
    }
    ck_assert_int_eq(rv_limiter_take(limiter, RV_LIMIT_SIGN_IN_PAIR, "a", now), 60);
    ck_assert_int_eq(rv_limiter_take(limiter, RV_LIMIT_SIGN_IN_PAIR, "b", now), 0);
    ck_assert_int_eq(rv_limiter_wait(limiter, RV_LIMIT_SIGN_IN_PAIR, "a", now + 59000000), 1);
    ck_assert_int_eq(rv_limiter_take(limiter, RV_LIMIT_SIGN_IN_PAIR, "a", now + 60000000), 0);
    ck_assert_int_gt(rv_limiter_take(limiter, RV_LIMIT_SIGN_IN_PAIR, "a", now + 60000000), 0);
    rv_limiter_destroy(limiter);
}

TEST(an_ipv6_visitor_is_a_network)
{
    char a[80], b[80];
    rv_limit_network("2001:db8:1:2:3:4:5:6", a, sizeof a);
    rv_limit_network("2001:db8:1:2:ffff::1", b, sizeof b);
    ck_assert_str_eq(a, b);
    rv_limit_network("192.0.2.7", a, sizeof a);
    ck_assert_str_eq(a, "192.0.2.7");
}

TEST(event_text_cannot_be_forged_by_line_breaks)
{
    struct rv_buf text;
    rv_buf_init(&text, 1000);
    rv_sse_event(&text, 42, "approval.requested", "a\nid: 7\r\nevent: x\rb");
    ck_assert_str_eq(text.data, "id: 42\nevent: approval.requested\ndata: a\ndata: id: 7\n"
                                "data: event: x\ndata: b\n\n");
    rv_buf_fini(&text);
    rv_buf_init(&text, 1000);
    rv_sse_begin(&text, 41, 2000);
    ck_assert_str_eq(text.data, "id: 41\nretry: 2000\n\n");
    rv_buf_fini(&text);
}

TEST_MAIN()
