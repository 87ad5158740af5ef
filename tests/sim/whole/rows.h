/* rows.h -- the tables of the simulated database, as far as the statements use their columns. Every
 * row begins with `gone`; texts and JSON live as long as the base. */
#ifndef REEVE_TESTS_SIM_WHOLE_ROWS_H
#define REEVE_TESTS_SIM_WHOLE_ROWS_H

#include "runtime/base/hash.h"
#include "runtime/base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct tenant_row {
    bool gone;
    int32_t tenant;
    const char *name;
    json_t *company;
};
struct node_row {
    bool gone;
    int64_t node, lease_until_us;
    const char *name, *link, *link_mark;
    int64_t pid, boot;
    bool serves, present;
    int process;      /* incarnation that it is; for the rules, not for the statements */
    int64_t ended_us; /* its lock was free, and its lease ended early; for the rules */
};
struct placement_row {
    bool gone;
    int32_t tenant;
    float load;
    int64_t moving_to; /* 0: NULL */
    int64_t moving_since_us;
    int64_t moved_us; /* INT64_MIN: -infinity */
};
struct head_row {
    bool gone;
    int32_t tenant;
    int64_t owner; /* 0: NULL */
    int64_t epoch, last_batch, event_seq;
    uint8_t event_hash[RV_HASH_BYTES];
    int64_t audit_size;
    uint8_t frontier[64 * RV_HASH_BYTES];
    int frontier_bytes;
    int64_t checkpoint_size;
    int64_t checkpoint_at_us; /* INT64_MIN: -infinity */
};
struct writer_row {
    bool gone;
    int64_t writer, last_batch;
};
struct plan_row {
    bool gone;
    int32_t tenant;
    uint8_t hash[RV_HASH_BYTES];
    const char *agent, *version;
    json_t *manifest;
    const char *source;
};
struct agent_row {
    bool gone;
    int32_t tenant;
    const char *name;
    uint8_t hash[RV_HASH_BYTES];
    const char *owner;
    bool enabled;
    uint8_t canary[RV_HASH_BYTES];
    int percent; /* 0: no canary */
};
struct run_row {
    bool gone;
    int32_t tenant;
    int64_t id;
    const char *agent;
    uint8_t plan[RV_HASH_BYTES];
    const char *status;
    const char *waiting_on; /* NULL */
    bool has_wake;
    int64_t wake_us;
    const char *key;   /* NULL */
    int64_t parent;    /* 0: NULL */
    const char *close; /* NULL */
    bool claims;
    int depth, steps, attempt, priority;
    const char *error_code, *error_text; /* NULL */
    int64_t created_us, changed_us;
};
struct flow_row {
    bool gone;
    int32_t tenant;
    int64_t run;
    int place;
    const char *key;
    int most, seconds; /* 0: NULL, a slot */
    int64_t turn;
    bool waits, holds, has_until;
    int64_t until_us;
};
struct input_row {
    bool gone;
    int32_t tenant;
    int64_t run;
    bool near; /* in the run's row, not one of run_input */
    json_t *input, *budget;
};
struct result_row {
    bool gone;
    int32_t tenant;
    int64_t run;
    json_t *result;
};
struct step_row {
    bool gone;
    int32_t tenant;
    int64_t run;
    int32_t seq;
    int kind;
    const char *name;
    uint8_t digest[16];
    const uint8_t *out; /* as stored: a version byte and JSON */
    size_t out_length;
    json_t *json;
    int64_t at_us;       /* when it was written, by the server; for the rules */
    int64_t copied_from; /* the run that it goes on for; 0: its own; for the rules */
};
struct signal_row {
    bool gone;
    int32_t tenant;
    int64_t run, id;
    const char *name, *sent_by;
    json_t *body;
    int consumed_seq; /* 0: NULL */
};
struct update_row {
    bool gone;
    int32_t tenant;
    int64_t run, signal;
    const char *id, *name, *sent_by;
    uint8_t digest[RV_HASH_BYTES];
};
struct revival_row {
    bool gone;
    int32_t tenant;
    int64_t of_run, run;
};
struct memory_row {
    bool gone;
    int32_t tenant;
    const char *agent, *key;
    json_t *value;
    int64_t run;
};
struct exception_row {
    bool gone;
    int32_t tenant;
    uint8_t key[RV_HASH_BYTES];
    const char *type, *subject, *resource, *summary, *state;
    json_t *evidence;
    int64_t opened_seq, found_seq;
};
struct policy_row {
    bool gone;
    int32_t tenant;
    uint8_t hash[RV_HASH_BYTES];
    const char *name, *source;
    bool active;
};
struct event_row {
    bool gone;
    int32_t tenant;
    int64_t seq;
    const char *stream;
    int32_t version;
    const char *type;
    int64_t occurred_day, recorded_us;
    const char *actor, *command;
    json_t *body;
    uint8_t body_hash[RV_HASH_BYTES], hash[RV_HASH_BYTES];
};
struct log_row {
    bool gone;
    int32_t tenant;
    const char *command, *name;
    uint8_t args_hash[RV_HASH_BYTES];
    const char *outcome;
    int64_t first, last; /* 0: NULL */
    json_t *answer;
};
struct limit_row {
    bool gone;
    int32_t tenant;
    const char *rule, *key;
    int64_t bucket_us, used, held;
};
struct approval_row {
    bool gone;
    int32_t tenant;
    int64_t id, run; /* run 0: NULL */
    int32_t seq;
    const char *status, *action;
    json_t *args;
    const char *resource;
    int32_t version;
    uint8_t digest[RV_HASH_BYTES], policy[RV_HASH_BYTES];
    json_t *rules, *stages, *never, *evidence, *facts, *effect, *limits;
    const char *agent, *requested_by, *reason, *escalate_to, *command;
    bool has_exception;
    uint8_t exception[RV_HASH_BYTES];
    int64_t expires_us;
    bool has_escalate, escalated;
    int64_t escalate_us;
};
struct vote_row {
    bool gone;
    int32_t tenant;
    int64_t approval;
    const char *person, *role, *decision, *comment, *channel;
    int64_t at_us;
};
struct person_row {
    bool gone;
    int32_t tenant;
    const char *name;
    json_t *roles;
    bool enabled;
};
struct outbox_row {
    bool gone;
    int32_t tenant;
    int64_t id;
    const char *event;
    json_t *body;
    int64_t at_us;
    bool fanned_out;
};
struct audit_row {
    bool gone;
    int32_t tenant;
    int64_t seq, at_us;
    const char *kind;
    int64_t run;  /* 0: NULL */
    int32_t step; /* -1: NULL */
    const char *body;
    uint8_t leaf[RV_HASH_BYTES];
};
struct checkpoint_row {
    bool gone;
    int32_t tenant;
    int64_t size;
    uint8_t root[RV_HASH_BYTES];
    const char *note;
};
struct endpoint_row {
    bool gone;
    int32_t tenant;
    int64_t id;
    const char *url;
    uint8_t secret[256];
    int secret_length;
    const char *disabled; /* NULL: enabled */
    int64_t created_us;
};
struct delivery_row {
    bool gone;
    int32_t tenant;
    int64_t outbox, endpoint;
    const char *status;
    int attempt;
    int64_t next_us;
};
struct schedule_row {
    bool gone;
    int32_t tenant;
    const char *name, *status, *cron, *zone, *gap, *fold, *overlap, *action, *reason, *tzdata;
    int window_s, jitter_s, most, pause_after, failures;
    json_t *input;
    bool has_paused, has_next, has_due, has_last, has_backfill;
    int64_t paused_us, next_us, due_us, last_us, backfill_us;
};
struct fire_row {
    bool gone;
    int32_t tenant;
    int64_t id;
    const char *schedule;
    int64_t instant_us;
    bool manual, backfill, exclusive, stop;
    const char *state, *reason;
    const char *overlap; /* of a backfill: its own policy; NULL */
    int gap_ms;          /* of a backfill with a rate; 0: NULL */
    int attempt, losses;
    bool has_lease;
    int64_t lease_us;
};
/* of the catalogue in books.c */
struct line_row {
    bool gone;
    int32_t tenant;
    int64_t event;
    const char *reference, *account;
    int64_t minor;
};
struct posting_row { /* what has been posted or paid under a reference */
    bool gone;
    int32_t tenant;
    const char *subject, *reference, *kind; /* "entry" "payment" */
    int64_t minor;
    bool reversed;
};

enum base_table {
    T_TENANT,
    T_NODE,
    T_PLACEMENT,
    T_HEAD,
    T_WRITER,
    T_PLAN,
    T_AGENT,
    T_RUN,
    T_FLOW,
    T_INPUT,
    T_RESULT,
    T_STEP,
    T_SIGNAL,
    T_UPDATE,
    T_ONCE,
    T_REVIVAL,
    T_MEMORY,
    T_EXCEPTION,
    T_POLICY,
    T_EVENT,
    T_LOG,
    T_LIMIT,
    T_APPROVAL,
    T_VOTE,
    T_PERSON,
    T_OUTBOX,
    T_AUDIT,
    T_CHECKPOINT,
    T_ENDPOINT,
    T_DELIVERY,
    T_SCHEDULE,
    T_FIRE,
    T_CONNECTOR,
    T_INTENT,
    T_EFFECT_LOG,
    T_LINE,
    T_POSTING,
    T_COUNT
};

#endif
