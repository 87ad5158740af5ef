/* served.h -- the real program serving a prepared database, for benchmarks that start, kill and
 * wait for it.
 *
 * Companies are made by the program; runs are laid into the database in the very rows the program
 * writes: a prototype run is driven to where it waits, then copied.  The database is reeve's own
 * PostgreSQL in a fresh folder below /tmp, with fsync on; a mistake ends the program.
 */
#ifndef REEVE_TESTS_BENCH_SERVED_H
#define REEVE_TESTS_BENCH_SERVED_H

#include "tests/bench/bench.h"

#include <libpq-fe.h>
#include <sys/types.h>

struct served {
    const char *bench;
    char program[1024];
    char state[64];
    char uri[512];
    PGconn *conn;     /* as the owner of the schema: sees all companies */
    pid_t pid;        /* of the serving process; 0 none */
    long said_before; /* length of the log when it was started */
};

void served_open(struct served *served, const char *bench);
void served_close(struct served *served);

/* Company number `tenant` (1, 2, 3 in this order) with the shipped policy and one agent: its Lua
 * text. */
void served_company(struct served *served, int tenant, const char *agent);
/* The policy of that company is this Lua text from now on. */
void served_policy(struct served *served, int tenant, const char *policy);
/* The small chart of accounts of the demonstration: journal.post has where to post to. */
void served_chart(struct served *served, int tenant);
/* A new person of the company who has that role, and the person's token. */
void served_person(struct served *served, int tenant, const char *name, const char *role,
                   char *token, size_t size);
/* The program with these words, separated by spaces: what it prints, cut to `size`, and its exit
 * status. */
int served_answer(const struct served *served, const char *words, char *out, size_t size);
void served_start(struct served *served);
/* Beside one that serves: a node of that name. */
void served_start_as(struct served *served, const char *name);
void served_kill(struct served *served, int signal); /* and waits for its end */
/* CPU time so far of the serving process and of all of PostgreSQL; microseconds. */
int64_t served_cpu_us(struct served *served);
/* Until the word stands in what the program has said since it was started; false after `within_s`.
 */
bool served_said(struct served *served, const char *word, int within_s);
int served_port(struct served *served);               /* where it answers HTTP; waits for that */
bool served_lives(struct served *served);             /* the serving process */
int64_t served_rss(const struct served *served);      /* bytes */
int64_t served_rss_peak(const struct served *served); /* the most it ever had */

/* PostgreSQL stops without warning, as pg_ctl stop -m immediate does it, and is gone when this
 * returns; `conn` is closed. */
void served_database_stop(struct served *served);
/* And is there again; `conn` is a new one. */
void served_database_start(struct served *served);

void served_do(struct served *served, const char *sql);
int64_t served_number(struct served *served, const char *sql);
/* Until the number is at least `least`; microseconds it took.  Gives up after `within_s`: -1. */
int64_t served_until(struct served *served, const char *sql, int64_t least, int within_s);

/* `count` fresh runs (created) of the company's agent, numbered from `first`. */
void served_fresh_runs(struct served *served, int tenant, int64_t first, int count);
/* `count` copies of run `from` with all its rows, numbered from `first`. */
void served_copy_runs(struct served *served, int tenant, int64_t from, int64_t first, int count);

int64_t served_now_us(void);
void served_nap(int ms);

#endif
