/* audit_export_test.c -- what an auditor takes away: an export and proofs that are checked with the
 * public key alone, and what a kept checkpoint or export finds when an intruder with all rights in
 * the database covered every trace there.
 */
#include "runtime/base/check.h"
#include "runtime/journal/commit.h"
#include "tests/support/audit_world.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>

enum { RECORDS = 1100, FILE_MAX = 8 << 20 };

static char *export_text(const struct audit_world *world, bool sign)
{
    char *text = NULL;
    size_t length = 0;
    json_t *report = NULL;
    struct rv_error err = {.code = RV_OK};
    FILE *file = open_memstream(&text, &length);
    enum rv_code code = rv_audit_export(world->uri, 1, "one", sign ? world->audit : NULL,
                                        world->trust, file, &report, &err);
    fclose(file);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    json_decref(report);
    return text;
}

/* The first finding about an export; "" when there is none. */
static char *verify_text(const struct audit_world *world, char *text,
                         const struct rv_audit_kept *kept)
{
    json_t *report = NULL;
    struct rv_error err = {.code = RV_OK};
    FILE *file = fmemopen(text, strlen(text), "r");
    enum rv_code code = rv_audit_verify_export(file, world->trust, kept, &report, &err);
    fclose(file);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    const json_t *first = json_array_get(json_object_get(report, "findings"), 0);
    char *finding = rv_strdup(rv_json_str(first, "finding", ""));
    ck_assert(rv_json_bool(report, "ok", false) == (*finding == '\0'));
    json_decref(report);
    return finding;
}

static char *verify_database(const struct audit_world *world, const struct rv_audit_kept *kept)
{
    json_t *report = NULL;
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_audit_verify(world->uri, 1, world->trust, kept, &report, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    const json_t *first = json_array_get(json_object_get(report, "findings"), 0);
    char *finding = rv_strdup(rv_json_str(first, "finding", ""));
    json_decref(report);
    return finding;
}

static void says(char *finding, const char *words)
{
    ck_assert_msg(*words == '\0' ? *finding == '\0' : strstr(finding, words) != NULL,
                  "\"%s\" does not say \"%s\"", finding, words);
    rv_free(finding);
}

/* ---- changes of an export, by line ---- */

/* Where the line with record `seq` begins. */
static char *record_line(char *text, int seq)
{
    char words[40];
    snprintf(words, sizeof words, "\"seq\":%d,", seq);
    char *at = strstr(text, words);
    ck_assert_ptr_nonnull(at);
    while (at[-1] != '\n') {
        at--;
    }
    return at;
}

static char *line_end(char *line)
{
    return strchr(line, '\n') + 1;
}

static char *last_line(char *text)
{
    char *at = text + strlen(text) - 1;
    while (at[-1] != '\n') {
        at--;
    }
    return at;
}

static void drop(char *from, const char *to)
{
    memmove(from, to, strlen(to) + 1);
}

static void edit(char *text)
{
    char *at = strstr(record_line(text, 7), "\"number\":7");
    at[9] = '8';
}

static void edit_with_leaf(char *text)
{
    char *line = record_line(text, 7);
    char *body = strstr(line, "\"record\":") + 9;
    edit(text);
    struct rv_hash leaf = rv_merkle_leaf(body, (size_t)(line_end(line) - 2 - body));
    char hex[RV_HASH_HEX];
    rv_hash_hex(&leaf, hex);
    memcpy(line + 9, hex, 64);
}

static void delete_one(char *text)
{
    char *line = record_line(text, 7);
    drop(line, line_end(line));
}

static void delete_tail(char *text)
{
    drop(record_line(text, 1090), last_line(text));
}

static void delete_tail_and_checkpoint(char *text)
{
    *record_line(text, 1090) = '\0';
}

static void swap_two(char *text)
{
    char *first = record_line(text, 8);
    char *second = line_end(first);
    size_t first_length = (size_t)(second - first);
    size_t second_length = (size_t)(line_end(second) - second);
    char *copy = rv_strndup(first, first_length);
    memmove(first, second, second_length);
    memcpy(first + second_length, copy, first_length);
    rv_free(copy);
}

static void insert_one(char *text)
{
    char *line = record_line(text, 8);
    size_t length = (size_t)(line_end(line) - line);
    memmove(line + length, line, strlen(line) + 1);
}

static void spoil_signature(char *text)
{
    char *at = strstr(last_line(text), "\\n\"}") - 8;
    *at = *at == 'A' ? 'B' : 'A';
}

static void spoil_stored_signature(char *text)
{
    char *at = strstr(line_end(text), "\\n\"}") - 8;
    *at = *at == 'A' ? 'B' : 'A';
}

static void drop_closing(char *text)
{
    *last_line(text) = '\0';
}

static void spoil_line(char *text)
{
    record_line(text, 9)[0] = 'x';
}

TEST(an_export_verifies_with_the_public_key_and_every_change_of_it_is_named)
{
    static const struct {
        void (*change)(char *text);
        const char *finding;
    } cases[] = {
        {edit, "record 7 was edited"},
        {edit_with_leaf, "records 0 to"},
        {delete_one, "record 7 is missing"},
        {delete_tail, "the tail is cut: the head knows 1100 records, 1090 are here"},
        {delete_tail_and_checkpoint, "the tail is cut"},
        {swap_two, "record 8 is missing"},
        {insert_one, "record 8 is there twice"},
        {spoil_signature, "checkpoint at size 1100"},
        {spoil_stored_signature, "the signature of checkpoint"},
        {drop_closing, "on are under no checkpoint of this export"},
        {spoil_line, "is no record"},
    };
    struct audit_world world = {.left = 0};
    audit_world_make(&world);
    audit_world_append(&world, RECORDS);
    char *text = export_text(&world, true);
    says(verify_text(&world, text, NULL), "");
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char *copy = rv_alloc(FILE_MAX);
        memcpy(copy, text, strlen(text) + 1);
        cases[i].change(copy);
        says(verify_text(&world, copy, NULL), cases[i].finding);
        rv_free(copy);
    }
    /* without the node's key it ends with the newest stored checkpoint */
    char *unsigned_text = export_text(&world, false);
    says(verify_text(&world, unsigned_text, NULL), "");
    ck_assert_uint_lt(strlen(unsigned_text), strlen(text));
    /* a key that is not trusted proves nothing */
    struct rv_audit_trust *trust = NULL;
    ck_assert_int_eq(rv_audit_trust_read("reeve-x+00000000+AQ==", &trust, NULL), RV_INVALID);
    free(text);
    free(unsigned_text);
    audit_world_end(&world);
}

/* ---- an intruder who covers every trace in the database ---- */

static struct rv_hash leaf_of(const struct audit_world *world, int seq)
{
    char *uri = test_postgres_superuser(world->uri);
    char query[128];
    PGconn *conn = PQconnectdb(uri);
    snprintf(query, sizeof query, "SELECT body FROM audit_record WHERE seq = %d", seq);
    PGresult *result = PQexec(conn, query);
    struct rv_hash leaf =
        rv_merkle_leaf(PQgetvalue(result, 0, 0), strlen(PQgetvalue(result, 0, 0)));
    PQclear(result);
    PQfinish(conn);
    rv_free(uri);
    return leaf;
}

/* Makes head and leaves agree with the first `count` records as they are now. */
static void cover(const struct audit_world *world, int count)
{
    struct rv_hash frontier[64];
    int64_t size = 0;
    int used = 0;
    char *uri = test_postgres_superuser(world->uri);
    PGconn *conn = PQconnectdb(uri);
    PGresult *result = PQexec(conn, "SELECT body FROM audit_record ORDER BY seq");
    ck_assert_int_ge(PQntuples(result), count);
    for (int i = 0; i < count; i++) {
        struct rv_hash leaf =
            rv_merkle_leaf(PQgetvalue(result, i, 0), strlen(PQgetvalue(result, i, 0)));
        rv_merkle_push(&size, frontier, &used, &leaf);
    }
    PQclear(result);
    PQfinish(conn);
    rv_free(uri);
    struct rv_buf sql;
    rv_buf_init(&sql, 1 << 16);
    rv_buf_printf(&sql,
                  "DELETE FROM audit_record WHERE seq >= %d; "
                  "DELETE FROM audit_checkpoint WHERE size > %d; "
                  "UPDATE audit_record SET leaf = sha256('\\x00'::bytea || body::bytea); "
                  "UPDATE tenant_head SET audit_size = %d, checkpoint_size = coalesce((SELECT "
                  "max(size) FROM audit_checkpoint), 0), audit_frontier = '\\x",
                  count, count, count);
    for (int i = 0; i < used; i++) {
        char hex[RV_HASH_HEX];
        rv_hash_hex(&frontier[i], hex);
        rv_buf_str(&sql, hex);
    }
    rv_buf_str(&sql, "'");
    audit_world_sql(world, sql.data);
    rv_buf_fini(&sql);
}

TEST(a_rollback_that_leaves_no_trace_is_found_with_a_newer_checkpoint_that_was_kept)
{
    struct audit_world world = {.left = 0};
    char note[RV_AUDIT_NOTE_TEXT];
    audit_world_make(&world);
    audit_world_append(&world, RECORDS);
    ck_assert_int_eq(rv_audit_checkpoint(world.uri, 1, world.audit, note, NULL), RV_OK);
    const struct rv_audit_kept kept = {.checkpoints = note};
    says(verify_database(&world, &kept), "");
    cover(&world, 1050);
    says(verify_database(&world, NULL), ""); /* nothing in the database can tell */
    says(verify_database(&world, &kept), "only 1050 records are here");
    audit_world_end(&world);
}

TEST(a_rewritten_past_is_found_with_an_older_checkpoint_and_named_with_an_export)
{
    struct audit_world world = {.left = 0};
    char note[RV_AUDIT_NOTE_TEXT];
    audit_world_make(&world);
    audit_world_append(&world, 50);
    ck_assert_int_eq(rv_audit_checkpoint(world.uri, 1, world.audit, note, NULL), RV_OK);
    audit_world_append(&world, 50);
    char *export = export_text(&world, true);
    struct rv_hash before = leaf_of(&world, 9);
    audit_world_sql(&world, "DELETE FROM audit_checkpoint; UPDATE audit_record SET body = "
                            "replace(body, '\"number\":9,', '\"number\":7,') WHERE seq = 9");
    cover(&world, 100);
    struct rv_hash after = leaf_of(&world, 9);
    ck_assert(!rv_hash_equal(&before, &after));
    says(verify_database(&world, NULL), "");
    struct rv_audit_kept kept = {.checkpoints = note};
    says(verify_database(&world, &kept), "records 0 to 49 do not give the root");
    kept = (struct rv_audit_kept){.export = fmemopen(export, strlen(export), "r")};
    says(verify_database(&world, &kept), "record 9 was edited: it differs from the export");
    fclose(kept.export);
    free(export);
    audit_world_end(&world);
}

/* ---- proofs ---- */

static bool proven(const struct audit_world *world, const json_t *proof,
                   const struct rv_audit_kept *kept)
{
    json_t *report = NULL;
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_audit_verify_proof(proof, world->trust, kept, &report, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    bool ok = rv_json_bool(report, "ok", false);
    json_decref(report);
    return ok;
}

TEST(one_record_is_proven_without_the_others)
{
    struct audit_world world = {.left = 0};
    audit_world_make(&world);
    audit_world_append(&world, 300);
    for (int seq = 0; seq < 300; seq += 23) {
        json_t *proof = NULL;
        ck_assert_int_eq(rv_audit_prove_record(world.uri, 1, seq, world.audit, &proof, NULL),
                         RV_OK);
        ck_assert(proven(&world, proof, NULL));
        json_t *other = json_deep_copy(proof);
        json_object_set_new(other, "seq", json_integer(seq + 1));
        ck_assert(!proven(&world, other, NULL));
        json_decref(other);
        other = json_deep_copy(proof);
        json_object_set_new(other, "record", json_string("{\"seq\":1,\"tenant\":1}"));
        ck_assert(!proven(&world, other, NULL));
        json_decref(other);
        other = json_deep_copy(proof);
        json_array_remove(json_object_get(other, "path"), 0);
        ck_assert(!proven(&world, other, NULL));
        json_decref(other);
        json_decref(proof);
    }
    json_t *proof = NULL;
    ck_assert_int_eq(rv_audit_prove_record(world.uri, 1, 300, world.audit, &proof, NULL),
                     RV_NOT_FOUND);
    audit_world_sql(&world, "DELETE FROM audit_record WHERE seq = 5");
    ck_assert_int_eq(rv_audit_prove_record(world.uri, 1, 1, world.audit, &proof, NULL), RV_CORRUPT);
    audit_world_end(&world);
}

TEST(growth_is_proven_between_two_checkpoints)
{
    struct audit_world world = {.left = 0};
    struct audit_world stranger = {.left = 0};
    char first[RV_AUDIT_NOTE_TEXT];
    char foreign[RV_AUDIT_NOTE_TEXT];
    json_t *proof = NULL;
    audit_world_make(&world);
    audit_world_append(&world, 77);
    ck_assert_int_eq(rv_audit_checkpoint(world.uri, 1, world.audit, first, NULL), RV_OK);
    audit_world_append(&world, 200);
    ck_assert_int_eq(
        rv_audit_prove_growth(world.uri, 1, first, world.audit, world.trust, &proof, NULL), RV_OK);
    ck_assert(proven(&world, proof, NULL));
    const struct rv_audit_kept kept = {.checkpoints = first};
    ck_assert(proven(&world, proof, &kept));
    /* with another beginning it is no proof */
    audit_world_make(&stranger);
    audit_world_append(&stranger, 78);
    ck_assert_int_eq(rv_audit_checkpoint(stranger.uri, 1, world.audit, foreign, NULL), RV_OK);
    json_t *other = json_deep_copy(proof);
    json_object_set_new(other, "from", json_string(foreign));
    ck_assert(!proven(&world, other, NULL));
    json_decref(other);
    /* a stranger's key is not believed */
    ck_assert(!proven(&stranger, proof, NULL));
    json_decref(proof);
    cover(&world, 60);
    ck_assert_int_eq(
        rv_audit_prove_growth(world.uri, 1, first, world.audit, world.trust, &proof, NULL),
        RV_CORRUPT);
    audit_world_end(&stranger);
    audit_world_end(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
