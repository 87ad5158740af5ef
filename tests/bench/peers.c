/* peers.c -- see peers.h.  All commands are our own texts: nothing from outside reaches the shell.
 */
#include "tests/bench/peers.h"
#include "runtime/base/check.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the commands $P is the folder of what was compiled; they run in the sources. */
struct peer {
    const char *name;
    int pace;
    const char *packages; /* of Debian 12 */
    const char *have;     /* succeeds where those are */
    const char *version;  /* prints it */
    const char *build;    /* NULL: nothing to compile */
    const char *ask;      /* before PROGRAM AMOUNT */
};

static const struct peer peers[PEERS] = {
    {.name = "erlang",
     .pace = 1,
     .packages = "erlang-base",
     .have = "command -v escript",
     .version = "escript tests/bench/actors.erl version",
     .ask = "escript tests/bench/actors.erl"},
    {.name = "go",
     .pace = 3,
     .packages = "golang-go",
     .have = "command -v go",
     .version = "\"$P\"/actors-go version",
     .build = "test \"$P\"/actors-go -nt tests/bench/actors.go || GOCACHE=\"$P\"/go "
              "go build -o \"$P\"/actors-go tests/bench/actors.go",
     .ask = "\"$P\"/actors-go"},
    {.name = "tokio",
     .pace = 3,
     .packages = "cargo librust-tokio-dev",
     .have = "command -v cargo && ls -d /usr/share/cargo/registry/tokio-1.*",
     .version = "ls /usr/share/cargo/registry | grep -m1 '^tokio-1'",
     /* Debian's compiler, also where another one comes first in the PATH */
     .build =
         "test \"$P\"/actors-tokio -nt tests/bench/actors.rs || { mkdir -p \"$P\"/tokio/src && "
         "cp tests/bench/actors.rs \"$P\"/tokio/src/main.rs && "
         "cp tests/bench/actors.toml \"$P\"/tokio/Cargo.toml && cd \"$P\"/tokio && "
         "PATH=/usr/bin:$PATH CARGO_HOME=\"$P\"/cargo cargo build --release --offline "
         "--config 'source.crates-io.replace-with=\"debian\"' "
         "--config 'source.debian.directory=\"/usr/share/cargo/registry\"' && "
         "cp target/release/actors-tokio \"$P\"/actors-tokio; }",
     .ask = "\"$P\"/actors-tokio"},
    {.name = "caf",
     .pace = 1,
     .packages = "g++ libcaf-dev",
     .have = "command -v g++ && test -e /usr/include/caf/all.hpp",
     .version = "\"$P\"/actors-caf version",
     .build = "test \"$P\"/actors-caf -nt tests/bench/actors.cpp || g++ -std=c++17 -O2 "
              "-o \"$P\"/actors-caf tests/bench/actors.cpp -lcaf_core -lpthread",
     .ask = "\"$P\"/actors-caf"},
};

int peer_named(const char *name)
{
    for (int i = 0; i < PEERS; i++) {
        if (strcmp(peers[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

const char *peer_name(int peer)
{
    return peers[peer].name;
}

int peer_pace(int peer)
{
    return peers[peer].pace;
}

/* The first line that the command prints; false: none. */
static bool first_line(const char *command, char *line, size_t size)
{
    FILE *pipe = popen(command, "r");
    RV_ASSERT(pipe != NULL);
    bool some = fgets(line, (int)size, pipe) != NULL;
    pclose(pipe);
    if (some) {
        line[strcspn(line, "\n")] = '\0';
    }
    return some;
}

static bool succeeds(const char *command, const char *output)
{
    char whole[2048];
    snprintf(whole, sizeof whole, "{ %s; } >%s 2>&1", command, output);
    return system(whole) == 0;
}

/* The folder for what is compiled, as $P. */
static void make_folder(void)
{
    char path[PATH_MAX + sizeof "/peers"];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    RV_ASSERT(length > 0);
    path[length] = '\0';
    snprintf(strrchr(path, '/'), sizeof "/peers", "/peers");
    (void)mkdir(path, 0777); /* there already, or what is built there fails and says so */
    RV_ASSERT(setenv("P", path, 1) == 0);
}

static bool ready(const struct bench_run *run, const struct peer *peer)
{
    char text[PATH_MAX + 256];
    if (!succeeds(peer->have, "/dev/null")) {
        snprintf(text, sizeof text, "not compared: install the Debian package(s) %s",
                 peer->packages);
    } else if (access("tests/bench/peers.h", R_OK) != 0) {
        snprintf(text, sizeof text, "not compared: tests/bench is not here; run in the sources");
    } else if (peer->build != NULL && !succeeds(peer->build, "\"$P\"/build.log")) {
        snprintf(text, sizeof text, "not compared: it does not build, see %s/build.log",
                 getenv("P"));
    } else if (!first_line(peer->version, text, sizeof text)) {
        snprintf(text, sizeof text, "not compared: it does not run");
    } else {
        bench_fact(run, "actors", peer->name, text);
        return true;
    }
    bench_fact(run, "actors", peer->name, text);
    return false;
}

unsigned peers_ready(const struct bench_run *run, unsigned wanted)
{
    unsigned found = 0;
    if (wanted != 0) {
        make_folder();
    }
    for (int i = 0; i < PEERS; i++) {
        if ((wanted & (1U << i)) != 0 && ready(run, &peers[i])) {
            found |= 1U << i;
        }
    }
    return found;
}

double peer_ask(int peer, const char *program, int64_t amount)
{
    char command[512];
    char line[64];
    snprintf(command, sizeof command, "%s %s %lld 2>/dev/null", peers[peer].ask, program,
             (long long)amount);
    return first_line(command, line, sizeof line) ? strtod(line, NULL) : 0;
}
