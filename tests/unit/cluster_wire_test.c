/* cluster_wire_test.c -- sealed messages between nodes: what opens, what is refused, and why. */
#include "runtime/cluster/wire.h"
#include "tests/support/test.h"

#include "runtime/base/random.h"

#include <sodium.h>

static const struct rv_wire_key key = {{1, 2, 3}};
static const struct rv_wire_key other = {{1, 2, 4}};
static const struct rv_wire_head head = {.from = 7000000000000000001, .to = 42, .sequence = 9};

struct bufs {
    struct rv_buf body, message, opened;
};

static struct bufs bufs_make(void)
{
    struct bufs bufs;
    ck_assert_int_ge(sodium_init(), 0);
    rv_buf_init(&bufs.body, RV_WIRE_BODY_MAX);
    rv_buf_init(&bufs.message, RV_WIRE_MESSAGE_MAX);
    rv_buf_init(&bufs.opened, RV_WIRE_MESSAGE_MAX);
    return bufs;
}

static void bufs_free(struct bufs *bufs)
{
    rv_buf_fini(&bufs->body);
    rv_buf_fini(&bufs->message);
    rv_buf_fini(&bufs->opened);
}

TEST(what_was_said_is_heard)
{
    struct bufs bufs = bufs_make();
    struct rv_error err = {.code = RV_OK};
    struct rv_wire_head found;
    struct rv_wire_record record;
    size_t at = 0;
    rv_wire_put_leases(&bufs.body);
    rv_wire_put_wake(&bufs.body, 2147483647);
    rv_wire_put_text(&bufs.body, RV_WIRE_ASK, UINT64_MAX, "{}", 2);
    rv_wire_put_text(&bufs.body, RV_WIRE_ANSWER, 1, "", 0);
    rv_wire_seal(&key, &head, bufs.body.data, bufs.body.length, &bufs.message);
    ck_assert_int_eq(rv_wire_head(bufs.message.data, bufs.message.length, &found, &err), RV_OK);
    ck_assert_int_eq(found.from, head.from);
    ck_assert_int_eq(found.to, 42);
    ck_assert_uint_eq(found.sequence, 9);
    ck_assert_int_eq(rv_wire_open(&key, bufs.message.data, bufs.message.length, &bufs.opened, &err),
                     RV_OK);
    const char *body = bufs.opened.data;
    size_t length = bufs.opened.length;
    ck_assert_uint_eq(length, bufs.body.length);
    ck_assert_int_eq(rv_wire_next(body, length, &at, &record, &err), RV_OK);
    ck_assert_int_eq(record.kind, RV_WIRE_LEASES);
    ck_assert_int_eq(rv_wire_next(body, length, &at, &record, &err), RV_OK);
    ck_assert_int_eq(record.kind, RV_WIRE_WAKE);
    ck_assert_int_eq(record.tenant, 2147483647);
    ck_assert_int_eq(rv_wire_next(body, length, &at, &record, &err), RV_OK);
    ck_assert_uint_eq(record.call, UINT64_MAX);
    ck_assert_uint_eq(record.length, 2);
    ck_assert_int_eq(memcmp(record.text, "{}", 2), 0);
    ck_assert_int_eq(rv_wire_next(body, length, &at, &record, &err), RV_OK);
    ck_assert_int_eq(record.kind, RV_WIRE_ANSWER);
    ck_assert_uint_eq(record.length, 0);
    ck_assert_int_eq(rv_wire_next(body, length, &at, &record, &err), RV_NOT_FOUND);
    bufs_free(&bufs);
}

TEST(a_message_that_was_touched_anywhere_does_not_open)
{
    struct bufs bufs = bufs_make();
    rv_wire_put_wake(&bufs.body, 3);
    rv_wire_seal(&key, &head, bufs.body.data, bufs.body.length, &bufs.message);
    for (size_t i = 0; i < bufs.message.length; i++) {
        bufs.message.data[i] = (char)(bufs.message.data[i] ^ 1);
        ck_assert_int_ne(
            rv_wire_open(&key, bufs.message.data, bufs.message.length, &bufs.opened, NULL), RV_OK);
        ck_assert_uint_eq(bufs.opened.length, 0);
        bufs.message.data[i] = (char)(bufs.message.data[i] ^ 1);
    }
    for (size_t length = 0; length < bufs.message.length; length++) {
        ck_assert_int_ne(rv_wire_open(&key, bufs.message.data, length, &bufs.opened, NULL), RV_OK);
    }
    ck_assert_int_eq(rv_wire_open(&key, bufs.message.data, bufs.message.length, &bufs.opened, NULL),
                     RV_OK);
    bufs_free(&bufs);
}

TEST(another_key_hears_nothing_and_says_what_to_do)
{
    struct bufs bufs = bufs_make();
    struct rv_error err = {.code = RV_OK};
    rv_wire_put_wake(&bufs.body, 3);
    rv_wire_seal(&key, &head, bufs.body.data, bufs.body.length, &bufs.message);
    ck_assert_int_eq(
        rv_wire_open(&other, bufs.message.data, bufs.message.length, &bufs.opened, &err),
        RV_DENIED);
    ck_assert_ptr_nonnull(strstr(err.hint, "cluster.key_file"));
    bufs_free(&bufs);
}

TEST(the_same_words_look_different_each_time)
{
    struct bufs bufs = bufs_make();
    rv_wire_put_wake(&bufs.body, 3);
    rv_wire_seal(&key, &head, bufs.body.data, bufs.body.length, &bufs.message);
    rv_wire_seal(&key, &head, bufs.body.data, bufs.body.length, &bufs.opened);
    ck_assert_uint_eq(bufs.message.length, bufs.opened.length);
    ck_assert_int_ne(memcmp(bufs.message.data, bufs.opened.data, bufs.message.length), 0);
    bufs_free(&bufs);
}

TEST(a_sequence_is_fresh_once)
{
    struct rv_wire_window window = {0};
    ck_assert(!rv_wire_fresh(&window, 0));
    ck_assert(rv_wire_fresh(&window, 5));
    ck_assert(!rv_wire_fresh(&window, 5));
    ck_assert(rv_wire_fresh(&window, 3)); /* overtaken */
    ck_assert(!rv_wire_fresh(&window, 3));
    ck_assert(rv_wire_fresh(&window, 68));
    ck_assert(!rv_wire_fresh(&window, 4)); /* too old to tell */
    ck_assert(!rv_wire_fresh(&window, 5));
    ck_assert(rv_wire_fresh(&window, 6)); /* 62 ago: not seen */
    ck_assert(rv_wire_fresh(&window, UINT64_MAX));
    ck_assert(!rv_wire_fresh(&window, 68));
    ck_assert(!rv_wire_fresh(&window, UINT64_MAX));
}

TEST(the_window_agrees_with_a_plain_memory_of_everything)
{
    struct rv_random random = {1};
    struct rv_wire_window window = {0};
    static bool seen[4000];
    uint64_t newest = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t base = newest > 80 ? newest - 80 : 0;
        uint64_t sequence = base + 1 + rv_random_below(&random, 90);
        if (sequence >= 4000) {
            break;
        }
        newest = sequence > newest ? sequence : newest;
        bool expected = !seen[sequence] && newest - sequence < RV_WIRE_WINDOW;
        ck_assert_msg(rv_wire_fresh(&window, sequence) == expected, "at %d", i);
        seen[sequence] = true;
    }
}

TEST(records_that_make_no_sense_are_refused_and_unknown_ones_passed_over)
{
    struct rv_wire_record record;
    size_t at = 0;
    const uint8_t newer[] = {99, 0, 0, 0, 2, 1, 2, RV_WIRE_LEASES, 0, 0, 0, 0};
    ck_assert_int_eq(rv_wire_next(newer, sizeof newer, &at, &record, NULL), RV_OK);
    ck_assert_int_eq(record.kind, RV_WIRE_LEASES);
    static const uint8_t wrong[][12] = {
        {RV_WIRE_WAKE, 0, 0, 0, 4, 0, 0, 0, 0},         /* company 0 */
        {RV_WIRE_WAKE, 0, 0, 0, 4, 255, 255, 255, 255}, /* company -1 */
        {RV_WIRE_WAKE, 0, 0, 0, 3, 0, 0, 1},            /* too short */
        {RV_WIRE_ASK, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0}, /* no number */
        {RV_WIRE_ASK, 255, 255, 255, 255, 1, 1},        /* longer than the message */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        at = 0;
        ck_assert_int_eq(rv_wire_next(wrong[i], sizeof wrong[i], &at, &record, NULL), RV_PROTOCOL);
    }
    at = 0;
    ck_assert_int_eq(rv_wire_next(newer, 3, &at, &record, NULL), RV_PROTOCOL);
}

TEST_MAIN()
