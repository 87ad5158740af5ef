/* store_private.h -- what the files of the store share.
 *
 *   store.c         reads, writes, actions through the gate, questions to the model
 *   store_load.c    runs as they stand, many at once
 *   store_child.c   child runs
 *   store_blob.c    slices of what is too large to hold
 */
#ifndef REEVE_RUNTIME_RUN_STORE_PRIVATE_H
#define REEVE_RUNTIME_RUN_STORE_PRIVATE_H

#include "runtime/run/store.h"

struct rv_store {
    struct rv_store_options options;
    struct rv_agents *agents;
    struct rv_run_port port;
    struct load *loads; /* asked for, not sent yet: store_load.c */
    struct load **loads_end;
    struct ask_op *asks;    /* questions to the model whose answers may take long: store.c */
    struct ask_line *lines; /* of companies with open questions: store.c */
    bool stopped;
    bool timed;       /* the database has said what time it is */
    int64_t ahead_us; /* its clock against our monotonic one */
};

/* The database said that it is `database_us`. */
void rv_store_note_time(struct rv_store *store, int64_t database_us);

/* Operations of the port; `self` is the store. */
int64_t rv_store_now(void *self);
void rv_store_load(void *self, int32_t tenant, int64_t run,
                   void (*done)(void *data, enum rv_code code, struct rv_run_image *image,
                                const struct rv_error *err),
                   void *data);
void rv_store_write(void *self, const struct rv_run_write *write, rv_port_done done, void *data);
void rv_store_start(void *self, const struct rv_run_act *act, rv_port_done done, void *data);
void rv_store_child(void *self, int32_t tenant, int64_t run, rv_port_done done, void *data);
void rv_store_blob_read(struct rv_store *store, int32_t tenant, const json_t *args,
                        rv_port_done done, void *data);

/* What a plan hears instead of a value: {"ok":false,"code","message"}; new reference. */
json_t *rv_store_no(const char *code, const char *message);

#endif
