/* bench_actors.c -- how fast actors talk, begin and end, and what an idle one weighs.
 *
 * The programs are those that actor runtimes are usually measured with (Imam and Sarkar, "Savina",
 * 2014; skynet for the tree).  Cores are threads of this process, at most two.
 *
 * Each case is done REPEATS times in each of ROUNDS rounds, each time a fraction of a second, and
 * the best is reported.  With --vs-erlang, --vs-go, --vs-tokio, --vs-caf the same program of each
 * of these (peers.h) follows in each round, as often and about as long, and its best is reported
 * too. The best, for all alike, because what else a machine does only ever takes time away, and
 * more from two threads that wait for each other than from one; in turn, so that a busy minute hits
 * all of them.  A ratio is best to best.
 *
 *   ping_pong        two actors of one core        ping_pong_cross  of two cores
 *   counting         one sends, one counts         ring_1000(_100)  1,000 in a ring, 1 (100) tokens
 *                    (with at most 64 unanswered)
 *   fan_in_100       100 on all cores send to one, each with at most 64 unanswered
 *   spawn_100k       100,000 actors: begin, one message, its answer, end
 *   tree_1m          1,000,000 leaves below ten each; every one reports to its parent
 *   idle             bytes of resident memory per actor of 1,000,000 that do nothing
 */
#include "runtime/actor/actor.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "tests/bench/peers.h"

#include <malloc.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROUNDS = 3,
    REPEATS = 4, /* as in the programs of the peers */
    CORES = 2,
    RING = 1000,
    TOKENS = 100,
    SENDERS = 100,
    WINDOW = 64, /* messages a sender has under way */
    TREE_FAN = 10,
    IDLE_ACTORS = 1000000,
    NURSERY_CHUNK = 64 /* actors made in one turn */
};

enum { GO = RV_MESSAGE_USER, PEER, TOKEN, DATA, LAST, ANSWER };

struct job {
    struct rv_loop *loops[CORES];
    struct rv_loop_thread *threads[CORES];
    struct rv_actors *actors;
    atomic_int open; /* ends still to come */
    sem_t over;
};

struct player {
    struct job *job;
    struct rv_ref peer;
    int64_t left;
    int64_t sum;
};

struct player_start {
    struct job *job;
    struct rv_ref peer;
    int64_t left;
};

static void finish(struct job *job)
{
    if (atomic_fetch_sub(&job->open, 1) == 1) {
        sem_post(&job->over);
    }
}

static enum rv_code start(struct rv_actor *self, void *state, const void *argument,
                          struct rv_error *err)
{
    (void)self;
    (void)err;
    const struct player_start *with = argument;
    *(struct player *)state =
        (struct player){.job = with->job, .peer = with->peer, .left = with->left};
    return RV_OK;
}

static void tell(struct rv_actor *self, struct rv_ref to, uint32_t kind, int64_t number)
{
    struct rv_message message = rv_message_of(kind);
    message.body.numbers[0] = number;
    rv_actor_send(self, to, &message);
}

/* ---- tokens: ping-pong and rings ---- */

static enum rv_code pass_on(struct rv_actor *self, void *state, struct rv_message *message,
                            struct rv_error *err)
{
    (void)err;
    struct player *me = state;
    if (message->kind == PEER) {
        me->peer.id = (uint64_t)message->body.numbers[0];
    } else if (message->body.numbers[0] == 0) {
        finish(me->job);
    } else {
        tell(self, me->peer, TOKEN, message->body.numbers[0] - 1);
    }
    return RV_OK;
}

/* ---- counting ---- */

static enum rv_code count(struct rv_actor *self, void *state, struct rv_message *message,
                          struct rv_error *err)
{
    (void)err;
    struct player *me = state;
    me->sum += message->body.numbers[0];
    if (message->kind == LAST) {
        tell(self, message->from, GO, 0);
    }
    if (--me->left == 0) {
        finish(me->job);
    }
    return RV_OK;
}

/* A window of messages, the last of which is answered by the next one's GO. */

static enum rv_code send_window(struct rv_actor *self, void *state, struct rv_message *message,
                                struct rv_error *err)
{
    (void)message;
    (void)err;
    struct player *me = state;
    for (int i = 1; i <= WINDOW && me->left > 0; i++) {
        tell(self, me->peer, i == WINDOW ? LAST : DATA, me->left--);
    }
    return RV_OK;
}

/* ---- spawning ---- */

static enum rv_code answer_and_end(struct rv_actor *self, void *state, struct rv_message *message,
                                   struct rv_error *err)
{
    (void)state;
    (void)err;
    tell(self, message->from, ANSWER, 1);
    rv_actor_exit(self, RV_EXIT_NORMAL);
    return RV_OK;
}

static const struct rv_behavior infant = {.name = "infant",
                                          .start = start,
                                          .receive = answer_and_end,
                                          .state_bytes = sizeof(struct player)};

static enum rv_code nurse(struct rv_actor *self, void *state, struct rv_message *message,
                          struct rv_error *err)
{
    struct player *me = state;
    if (message->kind == ANSWER) {
        me->sum++;
        if (me->left == 0 && me->sum == (int64_t)me->peer.id) {
            finish(me->job);
        }
        return RV_OK;
    }
    struct player_start with = {.job = me->job};
    struct rv_spawn spawn = {
        .behavior = &infant, .argument = &with, .argument_bytes = sizeof with, .tenant = 1};
    for (int i = 0; i < NURSERY_CHUNK && me->left > 0; i++) {
        struct rv_ref child = {0};
        if (rv_actor_spawn(self, &spawn, &child, err) != RV_OK) {
            return err->code;
        }
        tell(self, child, DATA, me->left--);
    }
    if (me->left > 0) {
        tell(self, rv_actor_self(self), GO, 0);
    }
    return RV_OK;
}

/* ---- the tree ---- */

static enum rv_code tree_start(struct rv_actor *self, void *state, const void *argument,
                               struct rv_error *err)
{
    enum rv_code code = start(self, state, argument, err);
    const struct player *me = state;
    if (me->left == 1) { /* a leaf */
        tell(self, me->peer, ANSWER, 1);
        rv_actor_exit(self, RV_EXIT_NORMAL);
    } else {
        tell(self, rv_actor_self(self), GO, 0);
    }
    return code;
}

static enum rv_code grow(struct rv_actor *self, void *state, struct rv_message *message,
                         struct rv_error *err);

static const struct rv_behavior branch = {
    .name = "branch", .start = tree_start, .receive = grow, .state_bytes = sizeof(struct player)};

static enum rv_code grow(struct rv_actor *self, void *state, struct rv_message *message,
                         struct rv_error *err)
{
    struct player *me = state; /* left: leaves below it */
    if (message->kind == GO) {
        struct player_start with = {
            .job = me->job, .peer = rv_actor_self(self), .left = me->left / TREE_FAN};
        struct rv_spawn spawn = {
            .behavior = &branch, .argument = &with, .argument_bytes = sizeof with, .tenant = 1};
        for (int i = 0; i < TREE_FAN; i++) {
            struct rv_ref child = {0};
            if (rv_actor_spawn(self, &spawn, &child, err) != RV_OK) {
                return err->code;
            }
        }
        return RV_OK;
    }
    me->sum += message->body.numbers[0];
    if (me->sum == me->left) {
        if (me->peer.id == 0) {
            finish(me->job);
        } else {
            tell(self, me->peer, ANSWER, me->sum);
            rv_actor_exit(self, RV_EXIT_NORMAL);
        }
    }
    return RV_OK;
}

/* ---- a system of its own for each round ---- */

static const struct rv_behavior passer = {
    .name = "passer", .start = start, .receive = pass_on, .state_bytes = sizeof(struct player)};
static const struct rv_behavior sender = {
    .name = "sender", .start = start, .receive = send_window, .state_bytes = sizeof(struct player)};
static const struct rv_behavior counter = {
    .name = "counter", .start = start, .receive = count, .state_bytes = sizeof(struct player)};
static const struct rv_behavior nursery = {
    .name = "nursery", .start = start, .receive = nurse, .state_bytes = sizeof(struct player)};

static void job_open(struct job *job, int cores)
{
    for (int i = 0; i < cores; i++) {
        job->loops[i] = rv_loop_create(rv_clock_system());
    }
    job->actors = rv_actors_create(job->loops, cores, 1);
    RV_ASSERT(sem_init(&job->over, 0, 0) == 0);
}

static struct rv_ref job_spawn(struct job *job, int core, const struct rv_behavior *behavior,
                               struct player_start with, uint32_t mailbox)
{
    with.job = job;
    struct rv_spawn spawn = {.behavior = behavior,
                             .argument = &with,
                             .argument_bytes = sizeof with,
                             .mailbox = mailbox,
                             .tenant = 1};
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_actors_spawn(job->actors, core, &spawn, &ref, &err);
    RV_ASSERT(code == RV_OK);
    return ref;
}

static void job_tell(struct job *job, struct rv_ref to, uint32_t kind, int64_t number)
{
    struct rv_message message = {.kind = kind};
    message.body.numbers[0] = number;
    rv_actors_send(job->actors, to, &message);
}

/* Runs what was told, until it has ended `ends` times; seconds. */
static double job_run(struct job *job, int cores, int ends)
{
    atomic_store(&job->open, ends);
    int64_t began_us = rv_mono_us(rv_clock_system());
    for (int i = 0; i < cores; i++) {
        job->threads[i] = rv_loop_thread_start(job->loops[i], "bench");
    }
    while (sem_wait(&job->over) != 0) {
    }
    int64_t took_us = rv_mono_us(rv_clock_system()) - began_us;
    for (int i = 0; i < cores; i++) {
        rv_loop_thread_join(job->threads[i]);
    }
    rv_actors_destroy(job->actors);
    for (int i = 0; i < cores; i++) {
        rv_loop_destroy(job->loops[i]);
    }
    sem_destroy(&job->over);
    return (double)took_us / 1e6;
}

static double ping_pong_on(int64_t messages, int core)
{
    struct job job = {.actors = NULL};
    job_open(&job, core + 1);
    struct rv_ref a = job_spawn(&job, 0, &passer, (struct player_start){0}, 0);
    struct rv_ref b = job_spawn(&job, core, &passer, (struct player_start){.peer = a}, 0);
    job_tell(&job, a, PEER, (int64_t)b.id);
    job_tell(&job, a, TOKEN, messages);
    return job_run(&job, core + 1, 1);
}

static double ping_pong(int64_t messages)
{
    return ping_pong_on(messages, 0);
}

static double ping_pong_cross(int64_t messages)
{
    return ping_pong_on(messages, 1);
}

static double counting(int64_t messages)
{
    struct job job = {.actors = NULL};
    job_open(&job, 1);
    struct rv_ref to = job_spawn(&job, 0, &counter, (struct player_start){.left = messages}, 0);
    struct player_start with = {.peer = to, .left = messages};
    job_tell(&job, job_spawn(&job, 0, &sender, with, 0), GO, 0);
    return job_run(&job, 1, 1);
}

/* Many tokens keep all cores busy: each core has an arc of the ring. */
static double ring_of(int64_t messages, int tokens, int cores)
{
    struct job job = {.actors = NULL};
    job_open(&job, cores);
    struct rv_ref ring[RING];
    struct rv_ref first = job_spawn(&job, 0, &passer, (struct player_start){0}, 0);
    struct rv_ref last = first;
    for (int i = RING - 1; i > 0; i--) {
        last = job_spawn(&job, i * cores / RING, &passer, (struct player_start){.peer = last}, 0);
        ring[i] = last;
    }
    ring[0] = first;
    job_tell(&job, first, PEER, (int64_t)last.id);
    while (rv_actors_step(job.actors, 0)) { /* a token of the other core must not come before */
    }
    for (int i = 0; i < tokens; i++) {
        job_tell(&job, ring[i * RING / tokens], TOKEN, messages / tokens);
    }
    return job_run(&job, cores, tokens);
}

static double ring_1000(int64_t messages)
{
    return ring_of(messages, 1, 1);
}

static double ring_1000_100(int64_t messages)
{
    return ring_of(messages, TOKENS, CORES);
}

static double fan_in_100(int64_t messages)
{
    struct job job = {.actors = NULL};
    job_open(&job, CORES);
    int64_t each = messages / SENDERS;
    struct rv_ref to = job_spawn(&job, 0, &counter, (struct player_start){.left = each * SENDERS},
                                 SENDERS * WINDOW);
    for (int i = 0; i < SENDERS; i++) {
        struct player_start with = {.peer = to, .left = each};
        job_tell(&job, job_spawn(&job, i % CORES, &sender, with, 0), GO, 0);
    }
    return job_run(&job, CORES, 1);
}

static double spawn_100k(int64_t actors)
{
    struct job job = {.actors = NULL};
    job_open(&job, CORES);
    for (int core = 0; core < CORES; core++) {
        struct player_start with = {.left = actors / CORES,
                                    .peer.id = (uint64_t)(actors / CORES)}; /* peer: all of them */
        job_tell(&job, job_spawn(&job, core, &nursery, with, (uint32_t)actors), GO, 0);
    }
    return job_run(&job, CORES, CORES);
}

static double tree_1m(int64_t leaves)
{
    struct job job = {.actors = NULL};
    job_open(&job, CORES);
    for (int core = 0; core < CORES; core++) {
        for (int i = 0; i < TREE_FAN / CORES; i++) {
            job_spawn(&job, core, &branch, (struct player_start){.left = leaves / TREE_FAN}, 0);
        }
    }
    return job_run(&job, CORES, TREE_FAN);
}

/* ---- memory ---- */

static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    RV_ASSERT(file != NULL && fscanf(file, "%*d %lld", &pages) == 1);
    fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static double idle_bytes(void)
{
    static const struct rv_behavior idler = {
        .name = "idler", .start = start, .receive = pass_on, .state_bytes = sizeof(struct player)};
    malloc_trim(0);
    struct job job = {.actors = NULL};
    job_open(&job, 1);
    int64_t before = resident_bytes();
    for (int i = 0; i < IDLE_ACTORS; i++) {
        job_spawn(&job, 0, &idler, (struct player_start){0}, 0);
    }
    double bytes = (double)(resident_bytes() - before) / IDLE_ACTORS;
    rv_actors_destroy(job.actors);
    rv_loop_destroy(job.loops[0]);
    sem_destroy(&job.over);
    malloc_trim(0);
    return bytes;
}

/* ---- the cases ---- */

struct actors_case {
    const char *name;
    double (*go)(int64_t amount); /* seconds */
    int64_t amount;               /* in a second or less, undisturbed */
    int64_t peer_amount;          /* the same of a peer whose pace is 1 */
    double messages;              /* per unit of amount */
    bool fixed;                   /* the name says how many */
};

static const struct actors_case cases[] = {
    {"ping_pong", ping_pong, 20000000, 2000000, 1, false},
    {"ping_pong_cross", ping_pong_cross, 500000, 200000, 1, false},
    {"counting", counting, 30000000, 4000000, 1, false},
    {"ring_1000", ring_1000, 20000000, 2000000, 1, false},
    {"ring_1000_100", ring_1000_100, 30000000, 4000000, 1, false},
    {"fan_in_100", fan_in_100, 20000000, 4000000, 1, false},
    {"spawn_100k", spawn_100k, 100000, 100000, 2, true},
    {"tree_1m", tree_1m, 1000000, 1000000, 1.11111, true},
};

/* What is done at once. */
static int64_t portion(const struct bench_run *run, const struct actors_case *it, int64_t amount)
{
    return it->fixed ? amount : (int64_t)((double)amount * run->seconds / (ROUNDS * REPEATS));
}

static double better(double a, double b)
{
    return a > b ? a : b;
}

static void report_peer(const struct bench_run *run, const char *name, int peer, const char *metric,
                        double theirs, const char *unit, double ratio)
{
    char text[64];
    snprintf(text, sizeof text, "%s_%s", peer_name(peer), metric);
    bench_report(run, "actors", name, text, theirs, unit);
    snprintf(text, sizeof text, "ratio_vs_%s", peer_name(peer));
    bench_report(run, "actors", name, text, ratio, "x");
}

static void run_case(const struct bench_run *run, const struct actors_case *it, unsigned versus)
{
    double ours = 0;
    double per_us = 0; /* messages in a microsecond of CPU time, of all threads together */
    double theirs[PEERS] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        int64_t amount = portion(run, it, it->amount);
        double messages = (double)amount * it->messages;
        for (int k = 0; k < REPEATS; k++) {
            int64_t cpu_us = bench_cpu_us(0);
            ours = better(ours, messages / it->go(amount));
            per_us = better(per_us, messages / (double)(bench_cpu_us(0) - cpu_us));
        }
        for (int peer = 0; peer < PEERS; peer++) {
            if ((versus & (1U << peer)) != 0) {
                amount = portion(run, it, it->peer_amount * (it->fixed ? 1 : peer_pace(peer)));
                theirs[peer] =
                    better(theirs[peer], it->messages * peer_ask(peer, it->name, amount));
            }
        }
    }
    bench_report(run, "actors", it->name, "msgs_per_s", ours, "1/s");
    bench_report(run, "actors", it->name, "cpu_ns_per_msg", 1000 / per_us, "ns");
    for (int peer = 0; peer < PEERS; peer++) {
        if (theirs[peer] > 0) {
            report_peer(run, it->name, peer, "msgs_per_s", theirs[peer], "1/s",
                        ours / theirs[peer]);
        }
    }
}

static void run_idle(const struct bench_run *run, unsigned versus)
{
    double ours = idle_bytes();
    bench_report(run, "actors", "idle", "bytes_per_actor", ours, "bytes");
    for (int peer = 0; peer < PEERS; peer++) {
        double theirs = (versus & (1U << peer)) != 0 ? peer_ask(peer, "idle", IDLE_ACTORS) : 0;
        if (theirs > 0) {
            report_peer(run, "idle", peer, "bytes_per_actor", theirs, "bytes", theirs / ours);
        }
    }
}

static void run_actors(const struct bench_run *run)
{
    unsigned versus = peers_ready(run, run->versus);
    if (bench_wants(run, "idle")) { /* first: the others leave memory behind */
        run_idle(run, versus);
    }
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        if (bench_wants(run, cases[i].name)) {
            run_case(run, &cases[i], versus);
        }
    }
}

extern const struct bench bench_actors;
const struct bench bench_actors = {
    .name = "actors",
    .summary = "messages, spawns and idle memory of actors; beside Erlang/OTP, Go, Tokio, CAF",
    .run = run_actors};
