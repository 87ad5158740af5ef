/* erp_world.h -- the books on a real PostgreSQL, without policies: commands are loaded, decided,
 * chained and projected through the committer exactly as the gate does it.
 *
 * One tenant (1), one loop, one committer.  Everything waits: for tests and benches.  A command
 * with a look is looked at on a reader and committed in portions, as the gate does.
 */
#ifndef REEVE_TESTS_SUPPORT_ERP_WORLD_H
#define REEVE_TESTS_SUPPORT_ERP_WORLD_H

#include "erp/command/command.h"
#include "runtime/journal/commit.h"

struct erp_world {
    struct rv_loop *loop;
    struct rv_committer *committer;
    struct rv_db *db;
    char *uri;
    char *superuser;
    int64_t today;    /* business date of the next commands */
    int64_t commands; /* done so far */
    int64_t pending;
    int64_t refused;
    enum rv_code code;   /* of the last command */
    struct rv_error err; /* of the last refused one */
    json_t *answer;      /* of the last command; NULL when refused */
    json_t *books;
    int events;         /* of the last command */
    int64_t portion_us; /* longest portion of a command with a look, from submission to commit */
    /* Called between the look and the first portion of such a command; what it queues is done
     * before the portion is. */
    void (*looked)(struct erp_world *world, void *data);
    void *looked_data;
    struct act *held; /* private: waits for what `looked` has queued */
    /* Called after each command, before the world counts what is pending: it may queue the next. */
    void (*after)(struct erp_world *world, void *data);
    void *after_data;
};

/* `uri` NULL: a fresh database of the test server (tests/support/postgres.h). */
void erp_world_open(struct erp_world *world);
void erp_world_close(struct erp_world *world);

/* Runs one command and waits; takes args.  Returns the code; the answer is in the world. */
enum rv_code erp_try(struct erp_world *world, const char *command, json_t *args);
/* The same, asserting success; the answer is borrowed until the next command. */
const json_t *erp_do(struct erp_world *world, const char *command, json_t *args);
/* `text` is JSON with ' for ", printf-style. */
json_t *erp_json(const char *format, ...) RV_PRINTF(1, 2);

/* Queues a command without waiting; erp_drain waits for all. `done_us` may be NULL. */
void erp_queue(struct erp_world *world, const char *command, json_t *args, int64_t *done_us);
void erp_drain(struct erp_world *world);

/* One value of a query run as superuser (behind row-level security). */
int64_t erp_number(struct erp_world *world, const char *sql);
char *erp_text(struct erp_world *world, const char *sql); /* rv_free */
void erp_exec(struct erp_world *world, const char *sql);

/* What agents read (erp.get, erp.find, erp.history); takes args, new reference. */
json_t *erp_read(struct erp_world *world, const char *name, json_t *args);

/* The chain and every projection, by runtime/gate/books.h; new reference. */
json_t *erp_check(struct erp_world *world);
void erp_check_green(struct erp_world *world);

#endif
