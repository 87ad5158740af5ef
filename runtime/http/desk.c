/* desk.c -- see desk.h. */
#include "runtime/http/desk.h"

#include "runtime/audit/door.h"
#include "runtime/base/check.h"

#include <pthread.h>

struct job;

struct rv_desk {
    struct rv_loop *loop;
    char *uri;
    struct rv_committer *committer;
    struct job *first, **last; /* wait for a place */
    int waiting, working;
    bool stopped, gone;
};

struct job {
    struct job *next;
    struct rv_desk *desk;
    struct rv_asked asked;
    struct rv_door door; /* `about` NULL: it only reads */
    rv_desk_work work;
    enum rv_code code;
    struct rv_error err;
};

static void work(void *data);
static void on_worked(void *data);

/* ---- life ---- */

struct rv_desk *rv_desk_create(struct rv_loop *loop, const char *uri,
                               struct rv_committer *committer)
{
    struct rv_desk *desk = rv_alloc(sizeof *desk);
    *desk = (struct rv_desk){.loop = loop, .uri = rv_strdup(uri), .committer = committer};
    desk->last = &desk->first;
    return desk;
}

static void release(struct rv_desk *desk)
{
    if (desk->gone && desk->working == 0) {
        rv_free(desk->uri);
        rv_free(desk);
    }
}

static void end(struct job *job)
{
    struct rv_call *call = job->asked.call;
    json_t *answer = job->asked.answer;
    if (job->code == RV_OK && job->asked.then != NULL) {
        job->asked.then(call, job->asked.data);
    } else if (job->code == RV_OK) {
        rv_exchange_json(call->exchange, job->asked.status, answer);
    } else {
        rv_desk_refuse(call, &job->err, job->asked.field, job->asked.field_status);
    }
    json_decref(answer);
    json_decref(job->door.about);
    rv_free(job);
}

void rv_desk_stop(struct rv_desk *desk)
{
    desk->stopped = true;
    while (desk->first != NULL) {
        struct job *job = desk->first;
        desk->first = job->next;
        desk->waiting--;
        job->code = rv_fail(&job->err, RV_UNAVAILABLE, "this node is stopping");
        rv_hint(&job->err, "Nothing was changed; ask again, or another node.");
        end(job);
    }
    desk->last = &desk->first;
}

void rv_desk_destroy(struct rv_desk *desk)
{
    if (desk != NULL) {
        RV_ASSERT(desk->stopped);
        desk->gone = true; /* what still works ends without it */
        release(desk);
    }
}

/* ---- a place ---- */

static void fill_places(struct rv_desk *desk)
{
    while (desk->first != NULL && desk->working < RV_DESK_PLACES) {
        struct job *job = desk->first;
        desk->first = job->next;
        desk->last = desk->first == NULL ? &desk->first : desk->last;
        desk->waiting--;
        desk->working++;
        rv_work(desk->loop, work, on_worked, job);
    }
}

static void take(struct rv_call *call, const char *what, json_t *about, rv_desk_work how)
{
    struct rv_desk *desk = call->api->desk;
    struct rv_error err = {.code = RV_OK};
    if (desk->stopped || desk->waiting == RV_DESK_WAITING_MAX) {
        rv_fail(&err, RV_UNAVAILABLE, "%s",
                desk->stopped ? "this node is stopping" : "too many ask at this moment");
        rv_hint(&err, "Nothing was changed; ask again in a few seconds.");
        json_decref(about);
        rv_call_fail(call, &err, NULL);
        return;
    }
    struct job *job = rv_alloc(sizeof *job);
    *job = (struct job){.desk = desk,
                        .work = how,
                        .asked = {.call = call,
                                  .tenant = call->caller->tenant,
                                  .now_us = rv_now_us(rv_loop_clock(desk->loop)),
                                  .status = 200},
                        .door = {.tenant = call->caller->tenant,
                                 .what = what,
                                 .person = call->caller->person,
                                 .about = about}};
    RV_ASSERT(what == NULL || about != NULL);
    *desk->last = job;
    desk->last = &job->next;
    desk->waiting++;
    fill_places(desk);
}

void rv_desk_read(struct rv_call *call, rv_desk_work how)
{
    take(call, NULL, NULL, how);
}

void rv_desk_act(struct rv_call *call, const char *what, json_t *about, rv_desk_work how)
{
    take(call, what, about, how);
}

/* ---- a change: the thread waits for the loop ---- */

struct handing {
    struct rv_desk *desk;
    struct rv_act *act;
    void (*inner)(struct rv_act *act, enum rv_code code, const struct rv_error *err);
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void on_done(struct rv_act *act, enum rv_code code, const struct rv_error *err)
{
    struct handing *handing = act->data;
    handing->inner(act, code, err);
    pthread_mutex_lock(&handing->lock);
    handing->done = true;
    pthread_cond_signal(&handing->changed);
    pthread_mutex_unlock(&handing->lock);
}

static void hand_in(void *data)
{
    struct handing *handing = data;
    struct rv_error err = {.code = RV_OK};
    if (handing->desk->stopped) {
        rv_fail(&err, RV_UNAVAILABLE, "this node is stopping");
        rv_hint(&err, "Nothing was changed; ask again, or another node.");
        on_done(handing->act, err.code, &err);
    } else {
        rv_act_commit(handing->desk->committer, handing->act);
    }
}

static void commit(void *data, struct rv_act *act)
{
    struct job *job = data;
    struct handing handing = {.desk = job->desk, .act = act, .inner = act->done};
    pthread_mutex_init(&handing.lock, NULL);
    pthread_cond_init(&handing.changed, NULL);
    act->data = &handing;
    act->done = on_done;
    rv_loop_post(job->desk->loop, hand_in, &handing);
    pthread_mutex_lock(&handing.lock);
    while (!handing.done) {
        pthread_cond_wait(&handing.changed, &handing.lock);
    }
    pthread_mutex_unlock(&handing.lock);
    pthread_cond_destroy(&handing.changed);
    pthread_mutex_destroy(&handing.lock);
}

/* ---- on the pool thread ---- */

static void work(void *data)
{
    struct job *job = data;
    struct rv_db_session *session = NULL;
    job->code = rv_db_session_open(job->desk->uri, &session, &job->err);
    if (job->code == RV_OK) {
        job->asked.session = session;
        job->door.commit = commit;
        job->door.data = job;
        rv_door_open(&job->door, session);
        job->code = job->work(&job->asked, &job->err);
        job->code = rv_door_close(&job->door, job->code, &job->err);
    }
    rv_db_session_close(session);
}

static void on_worked(void *data)
{
    struct job *job = data;
    struct rv_desk *desk = job->desk;
    desk->working--;
    end(job);
    if (!desk->stopped) {
        fill_places(desk);
    }
    release(desk);
}

/* ---- answers ---- */

void rv_desk_refuse(struct rv_call *call, const struct rv_error *err, const char *field, int status)
{
    bool about_member = field != NULL && (err->code == RV_INVALID || err->code == RV_NOT_FOUND ||
                                          err->code == RV_LIMIT);
    if (about_member) {
        rv_exchange_problem_as(call->exchange, status != 0 ? status : 422, err, field);
    } else {
        rv_call_fail(call, err, NULL);
    }
}
