/* placement.c -- see placement.h. */
#include "runtime/journal/placement.h"

#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MACHINE_TEXT = 96,
    NAME_POLL_MS = 100, /* a living node beats every fifth of its lease */
    NAME_SLACK_MS = 200 /* a lease that has grown by less: two clocks were read */
};

struct move {
    struct rv_placement *placement;
    int32_t tenant; /* 0: free */
    int64_t epoch;
    int64_t node; /* as who */
    int64_t since_us;
};

struct rv_placement {
    struct rv_placement_options options;
    int64_t served_as;  /* the lease's identity that the others have been told of */
    int64_t serving_as; /* ... that is on its way to them */
    bool looking;       /* comparing what we drive with what we own */
    bool again;
    int64_t looked_as;
    int64_t looked_changes;
    bool proposing;
    bool stopped;
    int beats;
    struct move moves[RV_PLACEMENT_MOVES_MAX];
    struct rv_lease_held held[RV_LEASE_TENANTS_MAX];
};

static void on_served(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err);
static void on_held(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err);
static void on_sampled(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err);
static void on_proposed(void *data, enum rv_code code, const struct rv_result *result,
                        const struct rv_error *err);
static void on_passed(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err);

struct rv_placement *rv_placement_create(const struct rv_placement_options *options)
{
    struct rv_placement *placement = rv_alloc(sizeof *placement);
    placement->options = *options;
    return placement;
}

void rv_placement_stop(struct rv_placement *placement)
{
    placement->stopped = true;
}

void rv_placement_destroy(struct rv_placement *placement)
{
    rv_free(placement);
}

static int64_t me(const struct rv_placement *placement)
{
    return rv_lease_node(placement->options.lease);
}

static void complain(const char *id, const struct rv_error *err)
{
    rv_log(RV_LOG_WARN, "lease", id, "%s", err->message);
}

/* ---- who we are ---- */

/* Two processes with the same text see each other's numbers: boot of the kernel and namespace of
 * process numbers.  "": it cannot be told. */
static void machine_text(char out[MACHINE_TEXT])
{
    char boot[40] = "";
    char space[40] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    bool read = file != NULL && fgets(boot, sizeof boot, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    read = readlink("/proc/self/ns/pid", space, sizeof space - 1) > 0 && read;
    boot[strcspn(boot, "\n")] = '\0';
    out[0] = '\0';
    if (read) {
        snprintf(out, MACHINE_TEXT, "%s %s", boot, space);
    }
}

static void serve(struct rv_placement *placement)
{
    const struct rv_node_face *face = &placement->options.face;
    char machine[MACHINE_TEXT];
    machine_text(machine);
    placement->serving_as = me(placement);
    struct rv_args *args = rv_args_create(&rv_sql_node_serve);
    rv_args_i64(args, 1, placement->serving_as);
    rv_args_i64(args, 2, face->boot);
    rv_args_i64(args, 3, placement->options.lease_ms);
    rv_args_text(args, 4, face->link);
    rv_args_text(args, 5, face->link_mark);
    rv_args_text(args, 6, face->api);
    rv_args_text(args, 7, face->version);
    rv_args_text(args, 8, machine);
    rv_db_query(placement->options.db, 0, &rv_sql_node_serve, args, on_served, placement);
}

static void name_taken(struct rv_error *err, const char *name, int64_t pid, const char *since)
{
    rv_fail(err, RV_CONFLICT, "a node named \"%s\" serves this database already", name);
    rv_detail(err, "process %" PRId64 ", since %s", pid, since);
    rv_hint(err,
            "Give this one a name of its own (node.name, --set node.name=NAME), or stop the other; "
            "`reeve node list` shows both.");
}

static void on_served(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct rv_placement *placement = data;
    int64_t as = placement->serving_as;
    placement->serving_as = 0;
    if (placement->stopped) {
        return;
    }
    if (code != RV_OK) {
        complain("SERVE-FAILED", err);
        return;
    }
    if (!rv_result_is_null(result, 0, 0)) {
        json_t *other = rv_result_json(result, 0, 0);
        struct rv_error why = {.code = RV_OK};
        name_taken(&why, rv_json_str(other, "name", ""), rv_json_int(other, "pid", 0),
                   rv_json_str(other, "since", ""));
        json_decref(other);
        placement->options.refused(placement->options.data, &why);
        return;
    }
    placement->served_as = as;
}

/* ---- what we own ---- */

static void look(struct rv_placement *placement)
{
    placement->looking = true;
    placement->again = false;
    placement->looked_as = me(placement);
    placement->looked_changes = rv_lease_changes(placement->options.lease);
    struct rv_args *args = rv_args_create(&rv_sql_lease_held);
    rv_args_i64(args, 1, placement->looked_as);
    rv_db_query(placement->options.db, 0, &rv_sql_lease_held, args, on_held, placement);
}

static bool moves(const struct rv_placement *placement, int32_t tenant)
{
    for (int i = 0; i < RV_PLACEMENT_MOVES_MAX; i++) {
        if (placement->moves[i].tenant == tenant) {
            return true;
        }
    }
    return false;
}

/* Both lists are ordered by company.  What is on its way out is left alone. */
static void settle(struct rv_placement *placement, const struct rv_result *result)
{
    struct rv_lease *lease = placement->options.lease;
    struct rv_lease_held *held = placement->held;
    int count = rv_lease_held(lease, held);
    int at = 0;
    for (int row = 0; row < rv_result_rows(result); row++) {
        int32_t tenant = (int32_t)rv_result_i64(result, row, 0);
        int64_t epoch = rv_result_i64(result, row, 1);
        while (at < count && held[at].tenant < tenant) {
            if (!moves(placement, held[at].tenant)) {
                rv_lease_drop(lease, held[at].tenant, held[at].epoch);
            }
            at++;
        }
        at += at < count && held[at].tenant == tenant;
        if (!moves(placement, tenant)) {
            rv_lease_adopt(lease, tenant, epoch);
        }
    }
    for (; at < count; at++) {
        if (!moves(placement, held[at].tenant)) {
            rv_lease_drop(lease, held[at].tenant, held[at].epoch);
        }
    }
}

static void on_held(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct rv_placement *placement = data;
    placement->looking = false;
    if (placement->stopped) {
        return;
    }
    if (code != RV_OK) {
        complain("LOOK-FAILED", err);
        return;
    }
    /* an answer about who we were, or from before something came or went, is none */
    if (placement->looked_as == me(placement) &&
        placement->looked_changes == rv_lease_changes(placement->options.lease)) {
        settle(placement, result);
    } else {
        placement->again = true;
    }
    if (placement->again) {
        look(placement);
    }
}

void rv_placement_look(struct rv_placement *placement)
{
    if (placement->stopped || placement->served_as != me(placement)) {
        return;
    }
    if (placement->looking) {
        placement->again = true;
    } else {
        look(placement);
    }
}

/* ---- what it weighs, and what goes ---- */

static void sample(struct rv_placement *placement)
{
    const struct rv_placement_options *options = &placement->options;
    struct rv_args *args = rv_args_create(&rv_sql_placement_sample);
    rv_args_i64(args, 1, me(placement));
    for (int i = 0; i < options->weight_count; i++) {
        rv_args_i32(args, 2, options->weighted[i]);
        rv_args_i32(args, 3, options->weights[i]);
    }
    rv_db_query(options->db, 0, &rv_sql_placement_sample, args, on_sampled, placement);
}

static void on_sampled(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    (void)data;
    (void)result;
    if (code != RV_OK) {
        complain("SAMPLE-FAILED", err);
    }
}

static struct move *free_move(struct rv_placement *placement, int *count)
{
    struct move *found = NULL;
    *count = 0;
    for (int i = 0; i < RV_PLACEMENT_MOVES_MAX; i++) {
        if (placement->moves[i].tenant == 0) {
            found = &placement->moves[i];
            ++*count;
        }
    }
    return found;
}

static void propose(struct rv_placement *placement)
{
    int room = 0;
    if (free_move(placement, &room) == NULL) {
        return;
    }
    placement->proposing = true;
    struct rv_args *args = rv_args_create(&rv_sql_placement_propose);
    rv_args_i64(args, 1, me(placement));
    rv_args_i32(args, 2, room);
    rv_db_query(placement->options.db, 0, &rv_sql_placement_propose, args, on_proposed, placement);
}

static void on_drained(void *data)
{
    struct move *move = data;
    struct rv_placement *placement = move->placement;
    if (placement->stopped) {
        move->tenant = 0; /* the lease gives everything back */
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_lease_pass);
    rv_args_i32(args, 1, move->tenant);
    rv_args_i64(args, 2, move->node);
    rv_args_i64(args, 3, move->epoch);
    rv_db_query(placement->options.db, 0, &rv_sql_lease_pass, args, on_passed, move);
}

static void on_proposed(void *data, enum rv_code code, const struct rv_result *result,
                        const struct rv_error *err)
{
    struct rv_placement *placement = data;
    placement->proposing = false;
    if (code != RV_OK) {
        complain("PROPOSE-FAILED", err);
        return;
    }
    for (int row = 0; row < rv_result_rows(result) && !placement->stopped; row++) {
        int room = 0;
        int32_t tenant = (int32_t)rv_result_i64(result, row, 0);
        int64_t epoch = rv_lease_epoch(placement->options.lease, tenant);
        struct move *move = free_move(placement, &room);
        if (epoch == 0 || move == NULL || moves(placement, tenant)) {
            continue;
        }
        *move = (struct move){placement, tenant, epoch, me(placement),
                              rv_mono_us(rv_loop_clock(placement->options.loop))};
        placement->options.drain(placement->options.data, tenant, on_drained, move);
    }
}

/* Whether it was passed or not: our actors are gone.  If it is still ours, the next look says so.
 */
static void on_passed(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct move *move = data;
    struct rv_placement *placement = move->placement;
    int32_t tenant = move->tenant;
    move->tenant = 0;
    if (code != RV_OK) {
        complain("PASS-FAILED", err);
    }
    if (placement->stopped) {
        return;
    }
    rv_lease_drop(placement->options.lease, tenant, move->epoch);
    if (code == RV_OK && !rv_result_is_null(result, 0, 0)) {
        int64_t to = rv_result_i64(result, 0, 0);
        int64_t took = rv_mono_us(rv_loop_clock(placement->options.loop)) - move->since_us;
        rv_log(RV_LOG_INFO, "lease", "PASSED", "tenant=%d to=%" PRId64 " took_ms=%" PRId64, tenant,
               to, took / 1000);
        placement->options.passed(placement->options.data, to);
    }
}

void rv_placement_beaten(struct rv_placement *placement)
{
    if (placement->stopped) {
        return;
    }
    if (placement->served_as != me(placement)) {
        if (placement->serving_as == 0) {
            serve(placement);
        }
        return;
    }
    rv_placement_look(placement);
    if (placement->beats++ % RV_PLACEMENT_SAMPLE_BEATS == 0) {
        sample(placement);
    } else if (!placement->proposing) {
        propose(placement);
    }
}

/* ---- before the start ---- */

struct named {
    bool found;
    int64_t pid;
    int64_t since_us;
    int64_t left_ms;
    int64_t node;
    char machine[MACHINE_TEXT];
};

static enum rv_code take_named(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    struct named *named = data;
    *named = (struct named){.found = true,
                            .pid = rv_result_i64(result, row, 0),
                            .since_us = rv_result_time_us(result, row, 1),
                            .left_ms = rv_result_i64(result, row, 2),
                            .node = rv_result_i64(result, row, 3)};
    snprintf(named->machine, sizeof named->machine, "%s", rv_result_text(result, row, 4));
    return RV_OK;
}

/* It ran here, and no process has its number: it was killed.  What it still has on its way to the
 * database is refused by the epoch, as after the end of its lease. */
static bool died_here(const struct named *named)
{
    char machine[MACHINE_TEXT];
    machine_text(machine);
    return machine[0] != '\0' && strcmp(machine, named->machine) == 0 && named->pid > 0 &&
           kill((pid_t)named->pid, 0) != 0 && errno == ESRCH;
}

/* As if it had stopped: its companies go to who serves, or are free. */
static enum rv_code bury(struct rv_db_session *session, int64_t node, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_lease_release);
    rv_args_i64(args, 1, node);
    return rv_db_session_query(session, 0, &rv_sql_lease_release, args, NULL, NULL, err);
}

enum rv_code rv_placement_name_free(struct rv_db_session *session, const char *name,
                                    struct rv_error *err)
{
    struct named first = {.found = false};
    for (;;) {
        struct named now = {.found = false};
        struct rv_args *args = rv_args_create(&rv_sql_node_named);
        rv_args_text(args, 1, name);
        enum rv_code code =
            rv_db_session_query(session, 0, &rv_sql_node_named, args, take_named, &now, err);
        if (code != RV_OK || !now.found) {
            return code;
        }
        if (died_here(&now)) {
            code = bury(session, now.node, err);
            if (code != RV_OK) {
                return code;
            }
            continue;
        }
        if (first.found &&
            (now.node != first.node || now.left_ms > first.left_ms + NAME_SLACK_MS)) {
            char since[RV_TIME_TEXT];
            rv_time_text(now.since_us, since);
            name_taken(err, name, now.pid, since);
            return RV_CONFLICT;
        }
        if (!first.found || now.left_ms < first.left_ms) {
            first = now;
        }
        code = rv_db_session_query(session, 0, &rv_sql_nodes_gone, NULL, NULL, NULL, err);
        if (code != RV_OK) {
            return code;
        }
        nanosleep(&(struct timespec){.tv_nsec = NAME_POLL_MS * 1000000L}, NULL);
    }
}
