/* audit_tree_test.c -- the tree and the signed note by themselves: known answers, the definition,
 * and every way to spoil a note.
 */
#include "runtime/audit/audit.h"
#include "runtime/audit/audit_private.h"
#include "runtime/audit/note.h"
#include "runtime/audit/proof.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "tests/support/key_file.h"
#include "tests/support/test.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- what a record can hold ---- */

/* The text of a record about `value`; caller frees. */
static char *record_about(json_t *value)
{
    struct rv_buf text;
    struct rv_error err = {.code = RV_OK};
    json_t *body = json_pack("{s:s,s:{s:o,s:s}}", "what", "attempt", "detail", "answer", value,
                             "verdict", "happened");
    json_t *before = json_deep_copy(body);
    rv_buf_init(&text, AUDIT_BODY_MAX);
    ck_assert_msg(audit_record_text(body, &text, &err) == RV_OK, "%s", err.message);
    ck_assert(json_equal(body, before)); /* others hold parts of it */
    json_decref(before);
    json_decref(body);
    char *taken = rv_buf_take(&text);
    rv_buf_fini(&text);
    return taken;
}

static void records(json_t *value, const char *expected)
{
    char *text = record_about(value);
    char whole[512];
    snprintf(whole, sizeof whole,
             "{\"detail\":{\"answer\":%s,\"verdict\":\"happened\"},\"what\":\"attempt\"}",
             expected);
    ck_assert_str_eq(text, whole);
    rv_free(text);
}

static json_t *many(char c, size_t count)
{
    char *text = rv_alloc(count + 1);
    memset(text, c, count);
    json_t *value = json_stringn(text, count);
    rv_free(text);
    return value;
}

TEST(a_record_holds_texts_for_fractions_and_digests_for_what_is_large)
{
    records(json_pack("{s:f}", "rate", 1.5), "{\"rate\":\"1.5\"}");
    records(json_pack("[f,i]", 0.25, 3), "[\"0.25\",3]");
    records(json_integer(7), "7");
    static const struct {
        char c;
        int width; /* of it in canonical JSON */
    } kinds[] = {{'x', 1}, {'"', 2}, {'\\', 2}, {1, 6}};
    static const size_t sizes[] = {RV_AUDIT_VALUE_MAX, AUDIT_BODY_MAX - 76, AUDIT_BODY_MAX,
                                   8 << 20};
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        for (size_t k = 0; k < RV_COUNT(sizes); k++) {
            char bytes[64];
            char *text = record_about(
                json_pack("{s:o,s:i}", "text", many(kinds[i].c, sizes[k]), "status", 200));
            snprintf(bytes, sizeof bytes, "{\"bytes\":%zu,\"sha256\":\"",
                     sizes[k] * (size_t)kinds[i].width + 2);
            ck_assert_ptr_nonnull(strstr(text, bytes));
            ck_assert_ptr_nonnull(strstr(text, "\"status\":200")); /* what is small stays */
            ck_assert_int_lt((int)strlen(text), 300);
            rv_free(text);
        }
    }
    json_t *wide = json_object();
    for (int i = 0; i < 5000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        json_object_set_new(wide, key, json_real(i + 0.5));
    }
    char *text = record_about(wide);
    ck_assert_ptr_nonnull(strstr(text, "\"answer\":{\"bytes\":"));
    rv_free(text);
}

TEST(what_is_no_json_is_no_record)
{
    struct rv_buf text;
    struct rv_error err = {.code = RV_OK};
    rv_buf_init(&text, AUDIT_BODY_MAX);
    ck_assert_int_eq(audit_record_text(json_pack("{s:s}", "why", "a\xC3"), &text, &err),
                     RV_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "not UTF-8"));
    rv_buf_fini(&text);
}

/* ---- the tree ---- */

/* RFC 6962 2.1 by its recursive definition: MTH({}) = SHA-256(), MTH({d}) = SHA-256(0 || d),
 * MTH(D[n]) = SHA-256(1 || MTH(D[0:k]) || MTH(D[k:n])), k the largest power of two below n. */
static struct rv_hash definition(const struct rv_span *records, int count)
{
    unsigned char bytes[65];
    if (count == 0) {
        return rv_sha256("", 0);
    }
    if (count == 1) {
        bytes[0] = 0;
        const struct rv_span spans[] = {{bytes, 1}, records[0]};
        return rv_sha256_spans(spans, 2);
    }
    int k = 1;
    while (k * 2 < count) {
        k *= 2;
    }
    struct rv_hash left = definition(records, k);
    struct rv_hash right = definition(records + k, count - k);
    bytes[0] = 1;
    memcpy(bytes + 1, left.bytes, 32);
    memcpy(bytes + 33, right.bytes, 32);
    return rv_sha256(bytes, sizeof bytes);
}

/* The eight records and roots that implementations of Certificate Transparency test against. */
TEST(the_known_answers_of_certificate_transparency)
{
    static const struct rv_span records[] = {
        {"", 0},
        {"\x00", 1},
        {"\x10", 1},
        {"\x20\x21", 2},
        {"\x30\x31", 2},
        {"\x40\x41\x42\x43", 4},
        {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
        {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16}};
    static const char *const roots[] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    struct rv_hash frontier[64];
    int64_t size = 0;
    int count = 0;
    for (int i = 0; i <= 8; i++) {
        char hex[RV_HASH_HEX];
        struct rv_hash root = rv_merkle_root(frontier, count);
        rv_hash_hex(&root, hex);
        ck_assert_str_eq(hex, roots[i]);
        struct rv_hash defined = definition(records, i);
        ck_assert(rv_hash_equal(&root, &defined));
        if (i < 8) {
            struct rv_hash leaf = rv_merkle_leaf(records[i].bytes, records[i].length);
            rv_merkle_push(&size, frontier, &count, &leaf);
        }
    }
}

TEST(the_frontier_gives_the_root_of_the_definition_at_every_size)
{
    enum { MOST = 600 };
    struct rv_random random = {5};
    static unsigned char bytes[MOST][40];
    struct rv_span records[MOST];
    struct rv_hash frontier[64];
    int64_t size = 0;
    int count = 0;
    for (int i = 0; i < MOST; i++) {
        size_t length = rv_random_below(&random, sizeof bytes[i]);
        for (size_t k = 0; k < length; k++) {
            bytes[i][k] = (unsigned char)rv_random_next(&random);
        }
        records[i] = (struct rv_span){bytes[i], length};
        struct rv_hash leaf = rv_merkle_leaf(bytes[i], length);
        rv_merkle_push(&size, frontier, &count, &leaf);
        ck_assert_int_eq(size, i + 1);
        ck_assert_int_eq(count, __builtin_popcount((unsigned)i + 1));
        struct rv_hash root = rv_merkle_root(frontier, count);
        struct rv_hash defined = definition(records, i + 1);
        ck_assert(rv_hash_equal(&root, &defined));
    }
}

TEST(a_leaf_cannot_pass_for_a_node)
{
    struct rv_hash a = rv_merkle_leaf("a", 1);
    struct rv_hash b = rv_merkle_leaf("b", 1);
    struct rv_hash pair[] = {a, b};
    struct rv_hash root = rv_merkle_root(pair, 2);
    unsigned char forged[64];
    memcpy(forged, a.bytes, 32);
    memcpy(forged + 32, b.bytes, 32);
    struct rv_hash leaf = rv_merkle_leaf(forged, sizeof forged);
    ck_assert(!rv_hash_equal(&root, &leaf));
}

/* ---- proofs ---- */

TEST(every_record_is_proven_in_every_tree_and_nowhere_else)
{
    enum { MOST = 40 };
    struct rv_hash leaves[MOST];
    for (int i = 0; i < MOST; i++) {
        leaves[i] = rv_merkle_leaf(&i, sizeof i);
    }
    for (int size = 1; size <= MOST; size++) {
        struct rv_hash root = proof_root(leaves, size);
        for (int index = 0; index < size; index++) {
            struct proof proof;
            proof_inclusion(leaves, size, index, &proof);
            for (int claimed = -1; claimed <= size; claimed++) {
                ck_assert(proof_includes(&proof, &leaves[index], claimed, size, &root) ==
                          (claimed == index));
            }
            ck_assert(size == 1 ||
                      !proof_includes(&proof, &leaves[(index + 1) % size], index, size, &root));
            for (int i = 0; i < proof.count; i++) {
                struct proof spoiled = proof;
                spoiled.hashes[i].bytes[3] ^= 1;
                ck_assert(!proof_includes(&spoiled, &leaves[index], index, size, &root));
            }
            if (proof.count > 0) {
                proof.count--;
                ck_assert(!proof_includes(&proof, &leaves[index], index, size, &root));
            }
        }
    }
}

TEST(every_tree_continues_each_earlier_one_and_no_other)
{
    enum { MOST = 40 };
    struct rv_hash leaves[MOST];
    struct rv_hash roots[MOST + 1];
    for (int i = 0; i < MOST; i++) {
        leaves[i] = rv_merkle_leaf(&i, sizeof i);
        roots[i + 1] = proof_root(leaves, i + 1);
    }
    for (int second = 1; second <= MOST; second++) {
        for (int first = 1; first <= second; first++) {
            struct proof proof;
            proof_consistency(leaves, first, second, &proof);
            for (int claimed = 0; claimed <= second; claimed++) {
                ck_assert(proof_consistent(&proof, claimed, &roots[claimed > 0 ? claimed : 1],
                                           second, &roots[second]) == (claimed == first));
            }
            struct rv_hash other = roots[first];
            other.bytes[0] ^= 1;
            ck_assert(!proof_consistent(&proof, first, &other, second, &roots[second]));
            ck_assert(!proof_consistent(&proof, first, &roots[first], second, &other));
            for (int i = 0; i < proof.count; i++) {
                struct proof spoiled = proof;
                spoiled.hashes[i].bytes[9] ^= 1;
                ck_assert(
                    !proof_consistent(&spoiled, first, &roots[first], second, &roots[second]));
            }
        }
    }
}

/* ---- the key ---- */

TEST(a_public_key_is_read_as_it_was_written)
{
    struct note_verifier verifier = {.name = "reeve-0badcafe"};
    struct note_verifier again;
    char text[NOTE_VERIFIER_TEXT];
    memset(verifier.public_key, 7, sizeof verifier.public_key);
    note_verifier_text(&verifier, text);
    ck_assert_int_eq(note_verifier_read(text, &again, NULL), RV_OK);
    ck_assert_str_eq(again.name, verifier.name);
    ck_assert_mem_eq(again.public_key, verifier.public_key, 32);
    for (size_t i = 0; text[i] != '\0'; i++) {
        char spoiled[NOTE_VERIFIER_TEXT];
        memcpy(spoiled, text, sizeof spoiled);
        spoiled[i] ^= 1;
        ck_assert_msg(note_verifier_read(spoiled, &again, NULL) == RV_INVALID, "byte %zu", i);
    }
}

TEST(a_key_that_is_gone_or_exchanged_is_noticed)
{
    char path[KEY_FILE_NAME];
    char public_path[KEY_FILE_NAME + 8];
    struct rv_audit *audit = NULL;
    struct rv_error err = {.code = RV_OK};
    key_file_name(path);
    snprintf(public_path, sizeof public_path, "%s.pub", path);
    ck_assert_int_eq(rv_audit_open(path, &audit, NULL), RV_OK);
    rv_audit_close(audit);
    ck_assert_int_eq(access(public_path, R_OK), 0);
    unlink(path);
    ck_assert_int_eq(rv_audit_open(path, &audit, &err), RV_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "is gone"));
    ck_assert_int_ne(access(path, F_OK), 0); /* no new one was made */
    struct note_key other;
    ck_assert_int_eq(note_key_open(path, &other, NULL), RV_OK); /* somebody else's in its place */
    rv_error_clear(&err);
    ck_assert_int_eq(rv_audit_open(path, &audit, &err), RV_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "is not the one of"));
    key_file_remove(path);
}

TEST(a_key_is_made_once_and_is_for_its_owner_only)
{
    char path[KEY_FILE_NAME];
    key_file_name(path);
    struct note_key first;
    struct note_key again;
    ck_assert_int_eq(note_key_open(path, &first, NULL), RV_OK);
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    ck_assert_int_eq(note_key_open(path, &again, NULL), RV_OK);
    ck_assert_mem_eq(first.verifier.public_key, again.verifier.public_key, 32);
    ck_assert_mem_eq(first.secret_key, again.secret_key, 64);
    ck_assert_str_eq(first.verifier.name, again.verifier.name);
    ck_assert_int_eq(chmod(path, 0640), 0);
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(note_key_open(path, &again, &err), RV_DENIED);
    ck_assert_ptr_nonnull(strstr(err.hint, "chmod 600"));
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(truncate(path, 63), 0);
    ck_assert_int_eq(note_key_open(path, &again, NULL), RV_CORRUPT);
    key_file_remove(path);
}

/* ---- the note ---- */

static struct note_key make_key(void)
{
    char path[KEY_FILE_NAME];
    struct note_key key;
    key_file_name(path);
    ck_assert_int_eq(note_key_open(path, &key, NULL), RV_OK);
    key_file_remove(path);
    return key;
}

static enum rv_code verify(const struct note_key *key, const char *note)
{
    int64_t size = 0;
    struct rv_hash root;
    return note_verify(&key->verifier, 1, 7, note, &size, &root, NULL);
}

TEST(a_note_has_the_form_of_a_checkpoint)
{
    struct note_key key = make_key();
    struct rv_hash root = rv_sha256("root", 4);
    char note[NOTE_TEXT_MAX];
    note_sign(&key, 7, 4711, &root, note);
    const char *third = strchr(strchr(note, '\n') + 1, '\n') + 1;
    ck_assert_int_eq((int)strcspn(third, "\n"), 44); /* base64 of 32 bytes */
    ck_assert_ptr_eq(strstr(note, "reeve/tenant/7\n4711\n"), note);
    ck_assert_ptr_nonnull(strstr(note, key.verifier.name));
    int64_t size = 0;
    struct rv_hash found;
    ck_assert_int_eq(note_verify(&key.verifier, 1, 7, note, &size, &found, NULL), RV_OK);
    ck_assert_int_eq(size, 4711);
    ck_assert(rv_hash_equal(&found, &root));
}

TEST(every_spoiled_byte_of_a_note_is_found)
{
    struct note_key key = make_key();
    struct rv_hash root = rv_sha256("root", 4);
    char note[NOTE_TEXT_MAX];
    note_sign(&key, 7, 4711, &root, note);
    for (size_t i = 0; note[i] != '\0'; i++) {
        for (int bit = 0; bit < 8; bit++) {
            char spoiled[NOTE_TEXT_MAX];
            memcpy(spoiled, note, sizeof spoiled);
            spoiled[i] = (char)(spoiled[i] ^ (1 << bit));
            /* a NUL ends the text early; base64's unused bits have but one spelling */
            ck_assert_msg(verify(&key, spoiled) == RV_CORRUPT, "byte %zu bit %d of\n%s", i, bit,
                          note);
        }
    }
    for (size_t length = 0; length < strlen(note); length++) {
        char cut[NOTE_TEXT_MAX];
        snprintf(cut, sizeof cut, "%.*s", (int)length, note);
        ck_assert_int_eq(verify(&key, cut), RV_CORRUPT);
    }
}

TEST(a_note_of_another_tenant_or_key_is_refused)
{
    struct note_key key = make_key();
    struct note_key other = make_key();
    struct rv_hash root = rv_sha256("root", 4);
    char note[NOTE_TEXT_MAX];
    note_sign(&key, 8, 4711, &root, note);
    ck_assert_int_eq(verify(&key, note), RV_CORRUPT);
    note_sign(&other, 7, 4711, &root, note);
    ck_assert_int_eq(verify(&key, note), RV_CORRUPT);
    memcpy(other.verifier.name, key.verifier.name,
           sizeof other.verifier.name); /* the same name with another key */
    note_sign(&other, 7, 4711, &root, note);
    ck_assert_int_eq(verify(&key, note), RV_CORRUPT);
}

/* A witness adds lines of its own below or above ours; an outside note keeps verifying. */
TEST(a_cosigned_note_verifies)
{
    struct note_key key = make_key();
    struct note_key witness = make_key();
    snprintf(witness.verifier.name, sizeof witness.verifier.name, "witness.example");
    struct rv_hash root = rv_sha256("root", 4);
    char ours[NOTE_TEXT_MAX];
    char theirs[NOTE_TEXT_MAX];
    char both[2 * NOTE_TEXT_MAX];
    note_sign(&key, 7, 4711, &root, ours);
    note_sign(&witness, 7, 4711, &root, theirs);
    snprintf(both, sizeof both, "%s%s", ours, strstr(theirs, "\n\n") + 2);
    ck_assert_int_eq(verify(&key, both), RV_OK);
    snprintf(both, sizeof both, "%s%s", theirs, strstr(ours, "\n\n") + 2);
    ck_assert_int_eq(verify(&key, both), RV_OK);
    ck_assert_int_eq(verify(&key, theirs), RV_CORRUPT);
}

TEST_MAIN()
