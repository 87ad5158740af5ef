/* http_fixture.h -- the real HTTP stack over a real PostgreSQL, with two tenants and their people.
 *
 * Tenant "northwind" has "controller" (role controller), "clerk" (auditor), "operator" (operator,
 * admin) and "treasurer" (treasurer); tenant "other" has "stranger" (controller).
 * Everybody's password is TEST_PASSWORD.
 */
#ifndef REEVE_TESTS_SUPPORT_HTTP_FIXTURE_H
#define REEVE_TESTS_SUPPORT_HTTP_FIXTURE_H

#include "runtime/hooks/vault.h"
#include "runtime/http/api.h"

#define TEST_PASSWORD "correct horse battery"

struct http_fixture {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_db_session *session; /* blocking, for the test's own look */
    struct rv_approvals *approvals;
    struct rv_hook_vault *vault;
    struct rv_hook_callbacks *callbacks;
    struct rv_api *api;
    struct rv_http_server *server;
    char *uri;
    int port;
    int32_t tenant, other;
    int open_parts;
};

/* Needs test_postgres_start before. `port` 0 takes a free one. */
void http_fixture_open(struct http_fixture *fixture, int port);
void http_fixture_close(struct http_fixture *fixture);
/* Adds an approval from JSON text (see fixture.sql). */
void http_fixture_approval(struct http_fixture *fixture, int32_t tenant, const char *text);
/* Runs a statement on the blocking session; the test ends on failure. Takes args. */
void http_fixture_run(struct http_fixture *fixture, int32_t tenant,
                      const struct rv_statement *statement, struct rv_args *args,
                      enum rv_code (*each)(void *data, const struct rv_result *result, int row,
                                           struct rv_error *err),
                      void *data);

#endif
