/* db.c -- the reader pool: queues of queries, a handful of links; see db.h.
 *
 * Tenants take turns: each that waits has a queue, and the next free connection serves the next
 * queue, so that what one company piles up does not delay another's question.
 *
 * A query is one round trip: BEGIN, tenant, statement, COMMIT, sync, all sent at once.  `done` runs
 * at the sync, when the transaction is over.
 */
#include "runtime/db/db.h"

#include "db_sql.h"
#include "runtime/base/check.h"
#include "runtime/db/link.h"

#include <stdio.h>
#include <string.h>

enum {
    DB_CONNECTIONS_DEFAULT = 4,
    DB_CONNECTIONS_MAX = 32,
    DB_TIMEOUT_DEFAULT_MS = 30000,
    DB_SWEEP_MS = 250,
    DB_GRACE_MS = 1000, /* the server ends a statement at its deadline; a dead server cannot */
    DB_TRIES_MAX = 2,   /* a cached plan that went stale is worth one more try */
    TAG_RESULT = 0
};

struct query {
    struct query *next;
    int32_t tenant;
    const struct rv_statement *statement;
    struct rv_args *args;
    rv_db_done done;
    void *data;
    int64_t deadline_us;
    int tries;
    PGresult *kept; /* the rows, until the transaction is over */
    enum rv_code code;
    struct rv_error err;
};

/* What one tenant waits for; there is none without queries. */
struct lane {
    struct lane *next;
    int32_t tenant;
    struct query *first;
    struct query **last;
};

struct member {
    struct rv_db *db;
    struct rv_link *link;
    struct query *current;
    bool stale_plan;
};

struct rv_db {
    struct rv_loop *loop;
    struct member members[DB_CONNECTIONS_MAX];
    int member_count;
    int closing;
    int64_t timeout_ms;
    struct lane *lanes; /* round robin: the first is next */
    struct rv_timer *sweep;
    struct rv_args *set_args;
    void (*closed)(void *data);
    void *closed_data;
};

static void dispatch(struct rv_db *db);
static void on_up(void *data);
static void on_down(void *data, const struct rv_error *err);
static void on_result(void *data, int tag, const struct rv_result *result);
static void on_failed(void *data, int tag, enum rv_code code, const char *state,
                      const struct rv_error *err);
static void on_synced(void *data);
static void on_sweep(void *data);

struct rv_db *rv_db_create(const struct rv_db_options *options)
{
    static const struct rv_link_events events = {.up = on_up,
                                                 .down = on_down,
                                                 .result = on_result,
                                                 .failed = on_failed,
                                                 .synced = on_synced};
    struct rv_db *db = rv_alloc(sizeof *db);
    db->loop = options->loop;
    db->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : DB_TIMEOUT_DEFAULT_MS;
    db->member_count = options->connections > 0 ? options->connections : DB_CONNECTIONS_DEFAULT;
    RV_ASSERT(db->member_count <= DB_CONNECTIONS_MAX);
    for (int i = 0; i < db->member_count; i++) {
        db->members[i].db = db;
        db->members[i].link = rv_link_create(db->loop, options->uri, &events, &db->members[i]);
    }
    db->set_args = rv_args_create(&rv_sql_db_set_tenant_and_limit);
    db->sweep = rv_timer_create(db->loop, on_sweep, db);
    rv_timer_start(db->sweep, DB_SWEEP_MS);
    return db;
}

static void query_end(struct query *query, enum rv_code code, const struct rv_error *err)
{
    struct rv_result result = {query->kept};
    query->done(query->data, code, code == RV_OK ? &result : NULL, err);
    PQclear(query->kept);
    rv_args_destroy(query->args);
    rv_free(query);
}

static void member_closed(void *data)
{
    struct rv_db *db = data;
    if (--db->closing == 0) {
        if (db->closed != NULL) {
            db->closed(db->closed_data);
        }
        rv_args_destroy(db->set_args);
        rv_free(db);
    }
}

/* ---- the queues ---- */

static struct lane *lane_of(struct rv_db *db, int32_t tenant)
{
    struct lane **link = &db->lanes;
    for (; *link != NULL; link = &(*link)->next) {
        if ((*link)->tenant == tenant) {
            return *link;
        }
    }
    struct lane *lane = rv_alloc(sizeof *lane);
    *lane = (struct lane){.tenant = tenant};
    lane->last = &lane->first;
    *link = lane;
    return lane;
}

static void enqueue(struct rv_db *db, struct query *query)
{
    struct lane *lane = lane_of(db, query->tenant);
    query->next = NULL;
    *lane->last = query;
    lane->last = &query->next;
}

/* The oldest query of the lane at `link`, which moves on to the lane after it. */
static struct query *take_from(struct lane **link)
{
    struct lane *lane = *link;
    struct query *query = lane->first;
    lane->first = query->next;
    query->next = NULL;
    if (lane->first == NULL) {
        *link = lane->next;
        rv_free(lane);
    }
    return query;
}

/* The first lane's; that lane goes to the end.  What the node asks for itself (its heartbeat) comes
 * before all of them. */
static struct query *take_next(struct rv_db *db)
{
    for (struct lane **link = &db->lanes; *link != NULL; link = &(*link)->next) {
        if ((*link)->tenant == 0) {
            return take_from(link);
        }
    }
    struct lane *lane = db->lanes;
    bool more = lane->first->next != NULL;
    struct query *query = take_from(&db->lanes);
    if (more && lane->next != NULL) {
        db->lanes = lane->next;
        lane->next = NULL;
        struct lane **end = &db->lanes;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        *end = lane;
    }
    return query;
}

void rv_db_close(struct rv_db *db, void (*closed)(void *data), void *data)
{
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_CANCELED, "the database pool is closing");
    db->closed = closed;
    db->closed_data = data;
    db->closing = db->member_count;
    rv_timer_close(db->sweep);
    while (db->lanes != NULL) {
        query_end(take_from(&db->lanes), RV_CANCELED, &err);
    }
    for (int i = 0; i < db->member_count; i++) {
        struct query *current = db->members[i].current;
        db->members[i].current = NULL;
        if (current != NULL) {
            query_end(current, RV_CANCELED, &err);
        }
        rv_link_close(db->members[i].link, member_closed, db);
    }
}

static void refuse(void *data)
{
    struct query *query = data;
    query_end(query, query->code, &query->err);
}

void rv_db_query(struct rv_db *db, int32_t tenant, const struct rv_statement *statement,
                 struct rv_args *args, rv_db_done done, void *data)
{
    rv_db_query_within(db, tenant, statement, args, db->timeout_ms, done, data);
}

void rv_db_query_within(struct rv_db *db, int32_t tenant, const struct rv_statement *statement,
                        struct rv_args *args, int64_t timeout_ms, rv_db_done done, void *data)
{
    RV_ON_LOOP(db->loop);
    struct query *query = rv_alloc(sizeof *query);
    if (args == NULL && statement->param_count > 0) {
        args = rv_args_create(statement);
    }
    if (args != NULL && !args->items[0].set && strncmp(statement->params, "tenant int4", 11) == 0) {
        rv_args_i32(args, 1, tenant); /* the caller never has to say it twice */
    }
    *query = (struct query){
        .tenant = tenant,
        .statement = statement,
        .args = args,
        .done = done,
        .data = data,
        .deadline_us = rv_mono_us(rv_loop_clock(db->loop)) + timeout_ms * 1000,
    };
    if (db->closing > 0) {
        query->code = rv_fail(&query->err, RV_CANCELED, "the database pool is closing");
        rv_loop_post(db->loop, refuse, query);
        return;
    }
    enqueue(db, query);
    dispatch(db);
}

static void send_query(struct member *member, struct query *query)
{
    struct rv_link *link = member->link;
    char tenant[16] = "";
    if (query->tenant != 0) {
        snprintf(tenant, sizeof tenant, "%d", query->tenant);
    }
    int64_t left_ms = (query->deadline_us - rv_mono_us(rv_loop_clock(member->db->loop))) / 1000;
    char limit[24];
    snprintf(limit, sizeof limit, "%lld", (long long)(left_ms > 1 ? left_ms : 1));
    struct rv_args *set = member->db->set_args;
    rv_args_reset(set);
    rv_args_text(set, 1, tenant);
    rv_args_text(set, 2, limit);
    member->current = query;
    query->code = RV_OK;
    query->tries++;
    rv_link_send(link, &rv_sql_db_begin, NULL, -1);
    rv_link_send(link, &rv_sql_db_set_tenant_and_limit, set, -1);
    rv_link_send(link, query->statement, query->args, TAG_RESULT);
    rv_link_send(link, &rv_sql_db_commit, NULL, -1);
    rv_link_sync(link);
}

static void dispatch(struct rv_db *db)
{
    for (int i = 0; i < db->member_count && db->lanes != NULL; i++) {
        struct member *member = &db->members[i];
        if (member->current == NULL && rv_link_is_up(member->link)) {
            send_query(member, take_next(db));
        }
    }
}

/* ---- what the links tell ---- */

static void on_up(void *data)
{
    struct member *member = data;
    dispatch(member->db);
}

static void requeue(struct rv_db *db, struct query *query)
{
    struct lane *lane = lane_of(db, query->tenant);
    query->next = lane->first;
    lane->first = query;
    if (query->next == NULL) {
        lane->last = &query->next;
    }
}

static void on_down(void *data, const struct rv_error *err)
{
    struct member *member = data;
    struct query *query = member->current;
    member->current = NULL;
    if (query == NULL) {
        return;
    }
    if (member->stale_plan && query->tries < DB_TRIES_MAX) {
        member->stale_plan = false;
        PQclear(query->kept);
        query->kept = NULL;
        requeue(member->db, query);
        return;
    }
    query_end(query, RV_UNAVAILABLE, err);
}

static void on_result(void *data, int tag, const struct rv_result *result)
{
    (void)tag;
    struct member *member = data;
    /* The link clears its own result: keep a copy that lives until the commit. */
    member->current->kept = PQcopyResult(result->pg, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
    RV_ASSERT(member->current->kept != NULL);
}

static void on_failed(void *data, int tag, enum rv_code code, const char *state,
                      const struct rv_error *err)
{
    (void)tag;
    struct member *member = data;
    if (member->current == NULL) {
        return;
    }
    member->current->code = code;
    member->current->err = *err;
    member->stale_plan = strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0;
    if (member->stale_plan) {
        rv_link_kill(member->link, "a prepared statement went stale");
    }
}

static void on_synced(void *data)
{
    struct member *member = data;
    struct query *query = member->current;
    member->current = NULL;
    if (query != NULL) {
        query_end(query, query->code, &query->err);
    }
    dispatch(member->db);
}

static void on_sweep(void *data)
{
    struct rv_db *db = data;
    int64_t now_us = rv_mono_us(rv_loop_clock(db->loop));
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_UNAVAILABLE, "the database did not answer in %lld ms",
            (long long)db->timeout_ms);
    rv_hint(&err, "Run `reeve db status` and `reeve doctor`.");
    rv_timer_start(db->sweep, DB_SWEEP_MS);
    struct query *late = NULL; /* first taken out, then told: who hears it may ask again */
    for (struct lane **link = &db->lanes; *link != NULL;) {
        struct lane *lane = *link;
        if (lane->first->deadline_us < now_us) {
            struct query *query = take_from(link);
            query->next = late;
            late = query;
        } else {
            link = &lane->next;
        }
    }
    while (late != NULL) {
        struct query *query = late;
        late = query->next;
        query_end(query, RV_UNAVAILABLE, &err);
    }
    for (int i = 0; i < db->member_count; i++) {
        struct member *member = &db->members[i];
        if (member->current != NULL && member->current->deadline_us + DB_GRACE_MS * 1000 < now_us) {
            rv_link_kill(member->link, "a query passed its deadline");
        }
    }
}
