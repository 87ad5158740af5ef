/* cluster.c -- see cluster.h. */
#include "runtime/cluster/cluster.h"

#include "cluster_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORD_MAX = 128,
    RECORD_BYTES = RV_WIRE_RECORD_BYTES + RV_WIRE_CALL_BYTES,
    GONE_MAX = 2 * RV_CLUSTER_PEERS_MAX,
    SAY_EVERY_US = 10 * 1000 * 1000, /* a stranger must not fill the log */
    REFRESH_LEAST_US = 200 * 1000,   /* nor keep us reading the table */
    SILENT_US = 10 * 1000 * 1000     /* a node that died is not listed by then */
};

struct peer {
    struct rv_cluster *cluster;
    int64_t boot;
    char name[WORD_MAX];
    char link[WORD_MAX];
    struct rv_line_peer *line; /* NULL: its key is another one, or its address is none */
    bool sending;
    bool leases; /* to say */
    int32_t wakes[RV_CLUSTER_WAKES_MAX];
    int wake_count;
    struct rv_buf texts;          /* records ASK and ANSWER that wait */
    uint64_t sequence;            /* of what went there */
    struct rv_wire_window window; /* of what came from there */
    int64_t sent, lost, received, heard_us;
    int64_t unreached_us; /* monotonic: nothing got there since; 0: the last one did */
    bool reached;         /* something has got there */
    bool told;            /* ... that nothing does */
    bool listed;          /* by the refresh under way */
};

/* A peer that the table did not have.  A late heartbeat does that, and when it is there again the
 * numbers go on: from 1 it would not be believed, and what it said before would be believed again.
 */
struct gone {
    int64_t boot; /* 0: free */
    uint64_t sequence;
    struct rv_wire_window window;
};

struct asking {
    uint64_t call; /* 0: free */
    int64_t boot;
    struct rv_timer *timer;
    struct rv_cluster *cluster;
    void (*answered)(void *data, enum rv_code code, const json_t *answer,
                     const struct rv_error *err);
    void *data;
};

struct rv_cluster {
    struct rv_cluster_options options;
    struct rv_cluster_key key;
    struct rv_line *line;
    struct rv_timer *timer;
    struct peer *peers[RV_CLUSTER_PEERS_MAX];
    int peer_count;
    struct gone gone[GONE_MAX]; /* the oldest makes room */
    int gone_next;
    struct asking *asks[RV_CLUSTER_ASKS_MAX];
    uint64_t calls;
    bool refreshing;
    bool stopped;
    int64_t refreshed_us;
    int64_t said_us; /* when something refused was last logged */
    struct rv_buf body, message, opened;
    struct rv_cluster_stats stats;
};

struct rv_cluster_question {
    struct rv_cluster *cluster;
    int64_t boot;
    uint64_t call;
};

static void flush(struct peer *peer);
static void refresh(void *data);

static int64_t mono_us(const struct rv_cluster *cluster)
{
    return rv_mono_us(rv_loop_clock(cluster->options.loop));
}

static struct peer *peer_of(const struct rv_cluster *cluster, int64_t boot)
{
    for (int i = 0; i < cluster->peer_count; i++) {
        if (cluster->peers[i]->boot == boot) {
            return cluster->peers[i];
        }
    }
    return NULL;
}

/* ---- questions ---- */

static void end_asking(struct rv_cluster *cluster, int slot, enum rv_code code,
                       const json_t *answer, const struct rv_error *err)
{
    struct asking *asking = cluster->asks[slot];
    cluster->asks[slot] = NULL;
    rv_timer_close(asking->timer);
    asking->answered(asking->data, code, answer, err);
    rv_free(asking);
}

static int slot_of(const struct rv_cluster *cluster, uint64_t call)
{
    for (int i = 0; i < RV_CLUSTER_ASKS_MAX; i++) {
        if (cluster->asks[i] != NULL && cluster->asks[i]->call == call) {
            return i;
        }
    }
    return -1;
}

static void on_deadline(void *data)
{
    struct asking *asking = data;
    struct rv_cluster *cluster = asking->cluster;
    struct rv_error err = {.code = RV_OK};
    bool there = peer_of(cluster, asking->boot) != NULL;
    enum rv_code code = there ? RV_TIMEOUT : RV_NOT_FOUND;
    rv_fail(&err, code, there ? "the other node did not answer" : "there is no line to that node");
    end_asking(cluster, slot_of(cluster, asking->call), code, NULL, &err);
}

/* What cannot be asked is answered by the timer too: never inside the call. */
void rv_cluster_ask(struct rv_cluster *cluster, int64_t boot, const json_t *body,
                    int64_t timeout_ms,
                    void (*answered)(void *data, enum rv_code code, const json_t *answer,
                                     const struct rv_error *err),
                    void *data)
{
    int slot = 0;
    while (slot < RV_CLUSTER_ASKS_MAX && cluster->asks[slot] != NULL) {
        slot++;
    }
    if (slot == RV_CLUSTER_ASKS_MAX || cluster->stopped) {
        struct rv_error err = {.code = RV_OK};
        enum rv_code code = cluster->stopped ? RV_CANCELED : RV_LIMIT;
        rv_fail(&err, code,
                cluster->stopped ? "this node is stopping"
                                 : "too many questions to other nodes at once");
        answered(data, code, NULL, &err);
        return;
    }
    struct asking *asking = rv_alloc(sizeof *asking);
    *asking = (struct asking){.call = ++cluster->calls,
                              .boot = boot,
                              .cluster = cluster,
                              .answered = answered,
                              .data = data};
    asking->timer = rv_timer_create(cluster->options.loop, on_deadline, asking);
    cluster->asks[slot] = asking;
    struct peer *peer = peer_of(cluster, boot);
    char *text = rv_json_text(body);
    size_t length = strlen(text);
    bool fits = peer != NULL && peer->line != NULL &&
                peer->texts.length + length + RECORD_BYTES < RV_WIRE_BODY_MAX / 2;
    rv_timer_start(asking->timer, fits ? timeout_ms : 0);
    if (fits) {
        rv_wire_put_text(&peer->texts, RV_WIRE_ASK, asking->call, text, length);
        flush(peer);
    }
    rv_free(text);
}

void rv_cluster_answer(struct rv_cluster_question *question, const json_t *answer,
                       const struct rv_error *err)
{
    struct rv_cluster *cluster = question->cluster;
    struct peer *peer = cluster->stopped ? NULL : peer_of(cluster, question->boot);
    json_t *whole = answer != NULL ? json_pack("{s:O}", "answer", (json_t *)(uintptr_t)answer)
                                   : json_pack("{s:{s:s,s:s}}", "error", "code",
                                               rv_code_name(err->code), "message", err->message);
    char *text = rv_json_text(whole);
    size_t length = strlen(text);
    if (peer != NULL && peer->line != NULL &&
        peer->texts.length + length + RECORD_BYTES < RV_WIRE_BODY_MAX - RV_CLUSTER_WAKES_ROOM) {
        rv_wire_put_text(&peer->texts, RV_WIRE_ANSWER, question->call, text, length);
        flush(peer);
    } /* else whoever asked hears nothing in time */
    rv_free(text);
    json_decref(whole);
    rv_free(question);
}

static void on_answer(struct rv_cluster *cluster, const struct peer *peer,
                      const struct rv_wire_record *record)
{
    int slot = slot_of(cluster, record->call);
    json_t *whole = NULL;
    struct rv_error err = {.code = RV_OK};
    if (slot < 0 || cluster->asks[slot]->boot != peer->boot) {
        return; /* too late */
    }
    enum rv_code code =
        rv_json_parse(record->text, record->length, "answer of a node", &whole, &err);
    const json_t *refusal = code == RV_OK ? json_object_get(whole, "error") : NULL;
    if (refusal != NULL) {
        code = rv_code_from_name(rv_json_str(refusal, "code", ""));
        rv_fail(&err, code == RV_OK ? RV_PROTOCOL : code, "%s",
                rv_json_str(refusal, "message", "refused"));
        code = err.code;
    }
    end_asking(cluster, slot, code, code == RV_OK ? json_object_get(whole, "answer") : NULL, &err);
    json_decref(whole);
}

static void on_ask(struct rv_cluster *cluster, const struct peer *peer,
                   const struct rv_wire_record *record)
{
    json_t *body = NULL;
    if (rv_json_parse(record->text, record->length, "question of a node", &body, NULL) != RV_OK) {
        cluster->stats.refused++;
        return;
    }
    struct rv_cluster_question *question = rv_alloc(sizeof *question);
    *question = (struct rv_cluster_question){cluster, peer->boot, record->call};
    cluster->options.ask(cluster->options.data, question, body);
    json_decref(body);
}

/* ---- what comes in ---- */

static void refuse(struct rv_cluster *cluster, const char *id, const char *why, int64_t from)
{
    cluster->stats.refused++;
    int64_t now_us = mono_us(cluster);
    if (cluster->said_us == 0 || now_us - cluster->said_us > SAY_EVERY_US) {
        cluster->said_us = now_us;
        rv_log(RV_LOG_WARN, "cluster", id, "%s from=%" PRId64 " refused=%" PRId64, why, from,
               cluster->stats.refused);
    }
}

static void read_records(struct rv_cluster *cluster, struct peer *peer)
{
    struct rv_wire_record record;
    struct rv_error err = {.code = RV_OK};
    size_t at = 0;
    enum rv_code code = RV_OK;
    while ((code = rv_wire_next(cluster->opened.data, cluster->opened.length, &at, &record,
                                &err)) == RV_OK) {
        switch (record.kind) {
        case RV_WIRE_WAKE: cluster->options.wake(cluster->options.data, record.tenant); break;
        case RV_WIRE_LEASES: cluster->options.leases(cluster->options.data); break;
        case RV_WIRE_ASK: on_ask(cluster, peer, &record); break;
        case RV_WIRE_ANSWER: on_answer(cluster, peer, &record); break;
        default: RV_UNREACHABLE("rv_wire_next gives what it knows");
        }
    }
    if (code != RV_NOT_FOUND) {
        refuse(cluster, "NONSENSE", err.message, peer->boot);
    }
}

static void on_received(void *data, const void *message, size_t length)
{
    struct rv_cluster *cluster = data;
    struct rv_wire_head head;
    struct rv_error err = {.code = RV_OK};
    if (rv_wire_head(message, length, &head, &err) != RV_OK) {
        refuse(cluster, "NONSENSE", err.message, 0);
        return;
    }
    if (head.to != cluster->options.boot) {
        refuse(cluster, "NOT-FOR-US", "a message for an earlier start, or a replayed one",
               head.from);
        return;
    }
    if (rv_wire_open(&cluster->key.wire, message, length, &cluster->opened, &err) != RV_OK) {
        refuse(cluster, "NOT-OURS", err.message, head.from);
        return;
    }
    struct peer *peer = peer_of(cluster, head.from);
    if (peer == NULL) { /* it has our key, and the table that we read does not have it yet */
        cluster->stats.refused++;
        refresh(cluster);
        return;
    }
    if (!rv_wire_fresh(&peer->window, head.sequence)) {
        refuse(cluster, "REPLAYED", "a message that was here before", head.from);
        return;
    }
    cluster->stats.received++;
    peer->received++;
    peer->heard_us = mono_us(cluster);
    read_records(cluster, peer);
}

/* ---- what goes out ---- */

static void on_sent(void *data, bool ok)
{
    struct peer *peer = data;
    peer->sending = false;
    peer->lost += !ok;
    peer->cluster->stats.lost += !ok;
    peer->reached = ok;
    if (!ok) {
        peer->unreached_us = peer->unreached_us != 0 ? peer->unreached_us : mono_us(peer->cluster);
    } else {
        peer->unreached_us = 0;
        if (peer->told) {
            rv_log(RV_LOG_INFO, "cluster", "PEER-REACHED", "node \"%s\" at %s", peer->name,
                   peer->link);
        }
        peer->told = false;
    }
    flush(peer);
}

static void flush(struct peer *peer)
{
    struct rv_cluster *cluster = peer->cluster;
    struct rv_buf *body = &cluster->body;
    if (peer->sending || peer->line == NULL ||
        (!peer->leases && peer->wake_count == 0 && peer->texts.length == 0)) {
        return;
    }
    rv_buf_reset(body);
    if (peer->leases) {
        rv_wire_put_leases(body);
    }
    for (int i = 0; i < peer->wake_count; i++) {
        rv_wire_put_wake(body, peer->wakes[i]);
    }
    rv_buf_add(body, peer->texts.data, peer->texts.length);
    RV_ASSERT(!body->overflowed);
    peer->leases = false;
    peer->wake_count = 0;
    rv_buf_reset(&peer->texts);
    rv_wire_seal(&cluster->key.wire,
                 &(struct rv_wire_head){
                     .from = cluster->options.boot, .to = peer->boot, .sequence = ++peer->sequence},
                 body->data, body->length, &cluster->message);
    peer->sending = true;
    peer->sent++;
    cluster->stats.sent++;
    rv_line_send(peer->line, cluster->message.data, cluster->message.length);
}

void rv_cluster_wake(struct rv_cluster *cluster, int32_t tenant)
{
    for (int i = 0; i < cluster->peer_count; i++) {
        struct peer *peer = cluster->peers[i];
        bool known = peer->wake_count == RV_CLUSTER_WAKES_MAX;
        for (int w = 0; w < peer->wake_count && !known; w++) {
            known = peer->wakes[w] == tenant;
        }
        if (!known) {
            peer->wakes[peer->wake_count++] = tenant;
        }
        flush(peer);
    }
}

void rv_cluster_leases(struct rv_cluster *cluster)
{
    for (int i = 0; i < cluster->peer_count; i++) {
        cluster->peers[i]->leases = true;
        flush(cluster->peers[i]);
    }
}

bool rv_cluster_quiet(const struct rv_cluster *cluster)
{
    for (int i = 0; i < cluster->peer_count; i++) {
        if (cluster->peers[i]->sending) {
            return false;
        }
    }
    return true;
}

/* ---- who is there ---- */

static bool parse_link(const char *link, char host[WORD_MAX], int *port)
{
    const char *colon = strrchr(link, ':');
    char *end = NULL;
    if (colon == NULL || colon == link) {
        return false;
    }
    long number = strtol(colon + 1, &end, 10);
    bool brackets = link[0] == '[' && colon[-1] == ']';
    snprintf(host, WORD_MAX, "%.*s", (int)(colon - link) - 2 * brackets, link + brackets);
    *port = (int)number;
    return *end == '\0' && end != colon + 1 && number > 0 && number < 65536 && host[0] != '\0';
}

static void recall(struct rv_cluster *cluster, struct peer *peer)
{
    for (int i = 0; i < GONE_MAX; i++) {
        struct gone *gone = &cluster->gone[i];
        if (gone->boot == peer->boot) {
            peer->sequence = gone->sequence;
            peer->window = gone->window;
            *gone = (struct gone){.boot = 0};
        }
    }
}

static void add_peer(struct rv_cluster *cluster, int64_t boot, const char *name, const char *link,
                     const char *key_mark)
{
    char host[WORD_MAX];
    int port = 0;
    struct rv_error err = {.code = RV_OK};
    if (cluster->peer_count == RV_CLUSTER_PEERS_MAX) {
        return; /* the rest finds its work by looking */
    }
    struct peer *peer = rv_alloc(sizeof *peer);
    *peer = (struct peer){.cluster = cluster, .boot = boot, .listed = true};
    snprintf(peer->name, sizeof peer->name, "%s", name);
    snprintf(peer->link, sizeof peer->link, "%s", link);
    rv_buf_init(&peer->texts, RV_WIRE_BODY_MAX);
    recall(cluster, peer);
    cluster->peers[cluster->peer_count++] = peer;
    if (strcmp(key_mark, cluster->key.mark) != 0) {
        rv_log(RV_LOG_ERROR, "cluster", "OTHER-KEY",
               "node \"%s\" has another cluster key: copy the file cluster.key_file", name);
        return;
    }
    if (!parse_link(link, host, &port)) {
        rv_log(RV_LOG_ERROR, "cluster", "NO-ADDRESS", "node \"%s\" says it is at \"%s\"", name,
               link);
        return;
    }
    if (rv_line_dial(cluster->line, host, port, name, on_sent, peer, &peer->line, &err) != RV_OK) {
        rv_log_error("cluster", "DIAL", &err);
        peer->line = NULL;
        return;
    }
    rv_log(RV_LOG_INFO, "cluster", "PEER", "node \"%s\" at %s", name, link);
}

static void drop_peer(struct rv_cluster *cluster, int index)
{
    struct peer *peer = cluster->peers[index];
    cluster->peers[index] = cluster->peers[--cluster->peer_count];
    cluster->gone[cluster->gone_next] =
        (struct gone){.boot = peer->boot, .sequence = peer->sequence, .window = peer->window};
    cluster->gone_next = (cluster->gone_next + 1) % GONE_MAX;
    if (peer->line != NULL) {
        rv_line_hang_up(peer->line);
    }
    rv_buf_fini(&peer->texts);
    rv_free(peer);
}

/* One that lives and hears nothing is told of: work goes on, and is only found later. */
static void try_peer(struct peer *peer)
{
    struct rv_cluster *cluster = peer->cluster;
    if (peer->line == NULL || peer->reached) {
        return;
    }
    if (!peer->told && peer->unreached_us != 0 &&
        mono_us(cluster) - peer->unreached_us >= SILENT_US) {
        peer->told = true;
        rv_log(RV_LOG_WARN, "cluster", "PEER-SILENT",
               "node \"%s\" lives, and nothing gets through to it at %s: look at the network%s",
               peer->name, peer->link,
               cluster->options.tls.cert_file != NULL
                   ? ", and whether it has cluster.tls_cert of the authority of cluster.tls_ca"
                   : ", and whether it has cluster.tls_cert set and this node has not");
    }
    peer->leases = true; /* to say something: to look at what one owns costs nothing */
    flush(peer);
}

static void on_peers(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct rv_cluster *cluster = data;
    (void)err; /* the database is away: the lines stay as they are */
    cluster->refreshing = false;
    if (code != RV_OK || cluster->stopped) {
        return;
    }
    for (int i = 0; i < cluster->peer_count; i++) {
        cluster->peers[i]->listed = false;
    }
    for (int row = 0; row < rv_result_rows(result); row++) {
        int64_t boot = rv_result_i64(result, row, 0);
        struct peer *peer = peer_of(cluster, boot);
        if (peer != NULL) {
            peer->listed = true;
        } else {
            add_peer(cluster, boot, rv_result_text(result, row, 2), rv_result_text(result, row, 3),
                     rv_result_text(result, row, 4));
        }
    }
    for (int i = cluster->peer_count - 1; i >= 0; i--) {
        if (cluster->peers[i]->listed) {
            try_peer(cluster->peers[i]);
        } else {
            drop_peer(cluster, i);
        }
    }
}

static void refresh(void *data)
{
    struct rv_cluster *cluster = data;
    int64_t now_us = mono_us(cluster);
    if (cluster->stopped || cluster->refreshing ||
        (cluster->refreshed_us != 0 && now_us - cluster->refreshed_us < REFRESH_LEAST_US)) {
        return;
    }
    cluster->refreshed_us = now_us;
    cluster->refreshing = true;
    struct rv_args *args = rv_args_create(&rv_sql_cluster_peers);
    rv_args_i64(args, 1, cluster->options.boot);
    rv_db_query(cluster->options.db, 0, &rv_sql_cluster_peers, args, on_peers, cluster);
}

static void on_timer(void *data)
{
    struct rv_cluster *cluster = data;
    rv_timer_start(cluster->timer, RV_CLUSTER_PEERS_MS);
    refresh(cluster);
}

/* ---- beginning and end ---- */

enum rv_code rv_cluster_open(const struct rv_cluster_options *options, struct rv_cluster **out,
                             struct rv_error *err)
{
    struct rv_cluster *cluster = rv_alloc(sizeof *cluster);
    cluster->options = *options;
    cluster->key = *options->key;
    cluster->options.key = NULL;
    enum rv_code code = rv_line_open(&(struct rv_line_options){.loop = options->loop,
                                                               .host = options->host,
                                                               .port = options->port,
                                                               .tls = options->tls,
                                                               .message_max = RV_WIRE_MESSAGE_MAX,
                                                               .received = on_received,
                                                               .data = cluster},
                                     &cluster->line, err);
    if (code != RV_OK) {
        rv_cluster_key_wipe(&cluster->key);
        rv_free(cluster);
        return code;
    }
    rv_buf_init(&cluster->body, RV_WIRE_BODY_MAX);
    rv_buf_init(&cluster->message, RV_WIRE_MESSAGE_MAX);
    rv_buf_init(&cluster->opened, RV_WIRE_MESSAGE_MAX);
    cluster->timer = rv_timer_create(options->loop, on_timer, cluster);
    rv_timer_start(cluster->timer, 0);
    *out = cluster;
    return RV_OK;
}

int rv_cluster_port(const struct rv_cluster *cluster)
{
    return rv_line_port(cluster->line);
}

void rv_cluster_stop(struct rv_cluster *cluster)
{
    if (cluster->stopped) {
        return;
    }
    cluster->stopped = true;
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_CANCELED, "this node is stopping");
    for (int slot = 0; slot < RV_CLUSTER_ASKS_MAX; slot++) {
        if (cluster->asks[slot] != NULL) {
            end_asking(cluster, slot, RV_CANCELED, NULL, &err);
        }
    }
    while (cluster->peer_count > 0) {
        drop_peer(cluster, cluster->peer_count - 1);
    }
    rv_timer_close(cluster->timer);
    rv_line_close(cluster->line);
}

void rv_cluster_destroy(struct rv_cluster *cluster)
{
    if (cluster == NULL) {
        return;
    }
    RV_ASSERT(cluster->stopped);
    rv_buf_fini(&cluster->body);
    rv_buf_fini(&cluster->message);
    rv_buf_fini(&cluster->opened);
    rv_cluster_key_wipe(&cluster->key);
    rv_free(cluster);
}

/* ---- for people ---- */

json_t *rv_cluster_peers(const struct rv_cluster *cluster)
{
    json_t *list = json_array();
    for (int i = 0; i < cluster->peer_count; i++) {
        const struct peer *peer = cluster->peers[i];
        json_array_append_new(
            list,
            json_pack("{s:s,s:o,s:s,s:b,s:I,s:I,s:I,s:o}", "name", peer->name, "boot",
                      json_sprintf("%" PRId64, peer->boot), "link", peer->link, "same_key",
                      (int)(peer->line != NULL), "sent", (json_int_t)peer->sent, "lost",
                      (json_int_t)peer->lost, "received", (json_int_t)peer->received, "heard_ms",
                      peer->heard_us == 0
                          ? json_null()
                          : json_integer((mono_us(cluster) - peer->heard_us) / 1000)));
    }
    return list;
}

void rv_cluster_stats(const struct rv_cluster *cluster, struct rv_cluster_stats *out)
{
    *out = cluster->stats;
}
