/* audit_test.c -- whatever is done to the record behind reeve's back is found and named. */
#include "runtime/base/check.h"
#include "tests/support/audit_world.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>
#include <pthread.h>

/* Empty when all is well, else the first finding. */
static char *verify(const struct audit_world *world, const char *outside)
{
    json_t *report = NULL;
    struct rv_error err = {.code = RV_OK};
    const struct rv_audit_kept kept = {.checkpoints = outside};
    enum rv_code code = rv_audit_verify(world->uri, 1, world->trust, &kept, &report, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    const json_t *first = json_array_get(json_object_get(report, "findings"), 0);
    char *text = rv_strdup(rv_json_str(first, "finding", ""));
    ck_assert(rv_json_bool(report, "ok", false) == (*text == '\0'));
    json_decref(report);
    return text;
}

static void found(const struct audit_world *world, const char *outside, const char *words)
{
    char *text = verify(world, outside);
    ck_assert_msg(strstr(text, words) != NULL, "\"%s\" does not say \"%s\"", text, words);
    rv_free(text);
}

TEST(an_untouched_record_verifies)
{
    struct audit_world world = {.left = 0};
    audit_world_make(&world);
    audit_world_append(&world, 2500);
    char *text = verify(&world, NULL);
    ck_assert_str_eq(text, "");
    rv_free(text);
    audit_world_end(&world);
}

/* One unit of all: appends what no record can hold, after something that it can. */
struct odd {
    struct rv_unit unit;
    struct audit_world *world;
    bool broken;
};

static enum rv_code odd_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    const struct odd *odd = (struct odd *)unit;
    char *text = rv_alloc((1 << 20) + 1);
    memset(text, '"', 1 << 20);
    (void)err;
    json_t *body = json_pack("{s:f,s:{s:s}}", "rate", 1.5, "answer", "text", text);
    ck_assert_int_ge(rv_audit_append(batch, "test", 3, 4, body), 0);
    json_decref(body);
    if (odd->broken) {
        body = json_pack("{s:s}", "why", "cut \xE2\x82");
        ck_assert_int_eq(rv_audit_append(batch, "test", 3, 5, body), -1);
        json_decref(body);
    }
    rv_free(text);
    return RV_OK;
}

static void odd_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct odd *odd = (struct odd *)unit;
    ck_assert_int_eq(code, odd->broken ? RV_INVALID : RV_OK);
    ck_assert(!odd->broken || strstr(err->message, "not UTF-8") != NULL);
    if (--odd->world->left == 0) {
        rv_loop_stop(odd->world->loop);
    }
    rv_free(odd);
}

TEST(no_data_ends_the_process_and_what_cannot_be_recorded_is_refused_alone)
{
    struct audit_world world = {.left = 30};
    audit_world_make(&world);
    for (int i = 0; i < 30; i++) {
        struct odd *odd = rv_alloc(sizeof *odd);
        *odd = (struct odd){.world = &world, .broken = i % 10 == 0};
        odd->unit = (struct rv_unit){
            .tenant = 1, .needs_head = true, .decide = odd_decide, .done = odd_done};
        rv_commit(world.committer, &odd->unit);
    }
    rv_loop_run(world.loop);
    audit_world_append(&world, 3);
    json_t *report = NULL;
    const struct rv_audit_kept kept = {.checkpoints = NULL};
    ck_assert_int_eq(rv_audit_verify(world.uri, 1, world.trust, &kept, &report, NULL), RV_OK);
    ck_assert(rv_json_bool(report, "ok", false));
    ck_assert_int_eq(rv_json_int(report, "records", 0), 30); /* 27 of the 30, and 3 */
    json_decref(report);
    audit_world_end(&world);
}

static int64_t records_sealed(const struct audit_world *world)
{
    struct rv_error err = {.code = RV_OK};
    json_t *report = NULL;
    const struct rv_audit_kept kept = {.checkpoints = NULL};
    ck_assert_int_eq(rv_audit_verify(world->uri, 1, world->trust, &kept, &report, &err), RV_OK);
    int64_t sealed = rv_json_int(report, "sealed", -1);
    json_decref(report);
    return sealed;
}

TEST(a_quiet_company_can_be_sealed_without_another_write)
{
    struct audit_world world = {.left = 0};
    audit_world_make(&world);
    audit_world_append(&world, 5); /* the first write ever seals at once, the next ones wait */
    audit_world_append(&world, 5);
    ck_assert_int_lt(records_sealed(&world), 10);
    rv_audit_seal_soon(world.committer, 1);
    for (int i = 0; i < 500 && records_sealed(&world) < 10; i++) {
        rv_loop_run_once(world.loop, 10);
    }
    ck_assert_int_eq(records_sealed(&world), 10);
    audit_world_end(&world);
}

TEST(every_kind_of_tampering_is_found)
{
    static const struct {
        const char *change;
        const char *finding;
    } cases[] = {
        {"UPDATE audit_record SET body = replace(body, '\"number\":7,', '\"number\":8,') WHERE seq "
         "= 7",
         "record 7 was edited"},
        {"UPDATE audit_record SET body = replace(body, 'number', 'Number'), leaf = "
         "sha256('\\x00'::bytea || "
         "replace(body, 'number', 'Number')::bytea) WHERE seq = 9",
         "records 0 to"},
        {"UPDATE audit_record SET kind = 'admin' WHERE seq = 5", "record 5 has columns"},
        {"UPDATE audit_record SET run_id = 99 WHERE seq = 6", "record 6 has columns"},
        {"UPDATE audit_record SET step = 3 WHERE seq = 6", "record 6 has columns"},
        {"UPDATE audit_record SET at = at - interval '1 day' WHERE seq = 8",
         "record 8 has columns"},
        {"UPDATE audit_record SET body = 'x', leaf = sha256('\\x0078'::bytea) WHERE seq = 8",
         "record 8 is no JSON"},
        {"UPDATE audit_record SET leaf = leaf || '\\x00'::bytea WHERE seq = 11",
         "record 11 was edited"},
        {"DELETE FROM audit_record WHERE seq = 0", "record 0 is missing"},
        {"DELETE FROM audit_record WHERE seq BETWEEN 20 AND 30", "records 20 to 30 are missing"},
        {"UPDATE audit_record SET seq = 9000000000000000000 WHERE seq = 40",
         "record 40 is missing"},
        {"INSERT INTO audit_record SELECT tenant_id, 1500, at, kind, run_id, step, "
         "replace(body, '\"seq\":1499,', '\"seq\":1500,'), sha256('\\x00'::bytea || "
         "replace(body, '\"seq\":1499,', '\"seq\":1500,')::bytea) FROM audit_record WHERE seq = "
         "1499",
         "records from 1500 on were added"},
        {"UPDATE tenant_head SET audit_size = audit_size - 1",
         "do not give the tree that the head holds"},
        {"UPDATE tenant_head SET audit_frontier = overlay(audit_frontier PLACING "
         "'\\x00000000'::bytea FROM 1)",
         "do not give the tree that the head holds"},
        {"DELETE FROM audit_checkpoint WHERE size = (SELECT max(size) FROM audit_checkpoint)",
         "is gone"},
        {"UPDATE audit_checkpoint SET size = size + 1 WHERE size = (SELECT max(size) FROM "
         "audit_checkpoint)",
         "note is for size"},
        {"DELETE FROM audit_record WHERE seq = 1200", "record 1200 is missing"},
        {"DELETE FROM audit_record WHERE seq >= 1490", "the tail is cut"},
        {"UPDATE audit_record SET seq = -1 WHERE seq = 3; UPDATE audit_record SET seq = 3 WHERE "
         "seq = 4; "
         "UPDATE audit_record SET seq = 4 WHERE seq = -1",
         "record 3 stands in another's place"},
        {"UPDATE audit_record SET seq = -seq - 2 WHERE seq >= 5; UPDATE audit_record SET seq = "
         "-seq - 1 WHERE seq < 0; INSERT INTO audit_record SELECT tenant_id, 5, at, kind, run_id, "
         "step, body, leaf FROM audit_record WHERE seq = 4",
         "record 5 stands in another's place"},
        {"UPDATE audit_checkpoint SET note = left(note, -4) || 'AA=' || chr(10)", "signature"},
        {"UPDATE audit_checkpoint SET note = replace(note, 'reeve/tenant/1', 'reeve/tenant/2')",
         "company"},
        {"UPDATE audit_checkpoint SET note = regexp_replace(note, '\\n[0-9]+\\n', E'\\n77\\n')",
         "signature"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct audit_world world = {.left = 0};
        audit_world_make(&world);
        audit_world_append(&world, 1500);
        audit_world_sql(&world, cases[i].change);
        found(&world, NULL, cases[i].finding);
        audit_world_end(&world);
    }
}

/* Verification of a record that grows meanwhile finds nothing. */
static void *verify_again_and_again(void *data)
{
    const struct audit_world *world = data;
    for (int i = 0; i < 20; i++) {
        char *text = verify(world, NULL);
        ck_assert_str_eq(text, "");
        rv_free(text);
    }
    return NULL;
}

TEST(a_record_that_grows_meanwhile_verifies)
{
    struct audit_world world = {.left = 0};
    pthread_t thread;
    audit_world_make(&world);
    audit_world_append(&world, 1000);
    ck_assert_int_eq(pthread_create(&thread, NULL, verify_again_and_again, &world), 0);
    for (int i = 0; i < 30; i++) {
        audit_world_append(&world, 300);
    }
    pthread_join(thread, NULL);
    audit_world_end(&world);
}

TEST(a_rolled_back_database_is_found_with_a_checkpoint_kept_elsewhere)
{
    struct audit_world world = {.left = 0};
    audit_world_make(&world);
    audit_world_append(&world, 1500);
    char *uri = test_postgres_superuser(world.uri);
    PGconn *conn = PQconnectdb(uri);
    PGresult *result = PQexec(conn, "SELECT note FROM audit_checkpoint ORDER BY size DESC LIMIT 1");
    char *note = rv_strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(conn);
    rv_free(uri);
    audit_world_sql(
        &world, "DELETE FROM audit_record; DELETE FROM audit_checkpoint; UPDATE tenant_head SET "
                "audit_size = 0, "
                "audit_frontier = '', checkpoint_size = 0");
    char *text = verify(&world, NULL);
    ck_assert_str_eq(text, ""); /* by itself an empty record looks whole */
    rv_free(text);
    found(&world, note, "only 0 records are here");
    rv_free(note);
    audit_world_end(&world);
}

/* RFC 6962 2.1 by its recursive definition, independent of the frontier. */
static struct rv_hash recursive_root(const struct rv_hash *leaves, int count)
{
    if (count == 1) {
        return leaves[0];
    }
    int k = 1;
    while (k * 2 < count) {
        k *= 2;
    }
    struct rv_hash left = recursive_root(leaves, k);
    struct rv_hash right = recursive_root(leaves + k, count - k);
    unsigned char bytes[65] = {1};
    memcpy(bytes + 1, left.bytes, 32);
    memcpy(bytes + 33, right.bytes, 32);
    return rv_sha256(bytes, sizeof bytes);
}

TEST(the_frontier_gives_the_root_of_the_definition)
{
    enum { MOST = 300 };
    struct rv_hash leaves[MOST];
    struct rv_hash frontier[64];
    int count = 0;
    int64_t size = 0;
    for (int i = 0; i < MOST; i++) {
        leaves[i] = rv_merkle_leaf(&i, sizeof i);
        rv_merkle_push(&size, frontier, &count, &leaves[i]);
        struct rv_hash root = rv_merkle_root(frontier, count);
        struct rv_hash expected = recursive_root(leaves, i + 1);
        ck_assert(rv_hash_equal(&root, &expected));
    }
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
