/* peers.h -- other actor runtimes, for bench_actors: which of them are here, built, and asked.
 *
 * A peer is one source file beside this one (actors.erl, .go, .rs, .cpp) with the same programs as
 * bench_actors.c: PROGRAM AMOUNT does AMOUNT units several times and prints the best rate, units a
 * second; "idle" prints bytes of resident memory for each.  It is what Debian 12 ships of that
 * runtime, used as its people use it, optimised as they do, with two threads.  What has to be
 * compiled goes to the folder "peers" beside reeve-bench, again only when the source is newer. None
 * of it is needed to build, test or run reeve.
 */
#ifndef REEVE_TESTS_BENCH_PEERS_H
#define REEVE_TESTS_BENCH_PEERS_H

#include "tests/bench/bench.h"

enum { PEERS = 4 }; /* a set of them is a bit for each */

int peer_named(const char *name); /* "erlang", "go", "tokio", "caf"; -1: there is none */
const char *peer_name(int peer);
/* How much more than Erlang/OTP it does in the same time, about: so that rounds are equally long.
 */
int peer_pace(int peer);
/* Those of `wanted` that can be asked, built where need be.  The versions are facts of the run, and
 * so is in one line why another one cannot, with the Debian package that is missing. */
unsigned peers_ready(const struct bench_run *run, unsigned wanted);
/* What that program says; 0 when it says nothing. */
double peer_ask(int peer, const char *program, int64_t amount);

#endif
