// actors.cpp -- the programs of bench_actors.c with CAF 0.17: actors-caf NAME AMOUNT
// prints units of AMOUNT a second, the best of repeats ("idle": bytes of resident memory per actor).
//
// Event-based actors on CAF's work-stealing scheduler with two threads.  Each program has the shape
// of ours: the same actors, windows and messages.  ping_pong_cross detaches its two actors, which
// gives each a thread of its own.
#include <caf/all.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using peer_atom = caf::atom_constant<caf::atom("peer")>;
using token_atom = caf::atom_constant<caf::atom("token")>;
using data_atom = caf::atom_constant<caf::atom("data")>;
using last_atom = caf::atom_constant<caf::atom("last")>;
using go_atom = caf::atom_constant<caf::atom("go")>;
using answer_atom = caf::atom_constant<caf::atom("answer")>;
using over_atom = caf::atom_constant<caf::atom("over")>;

constexpr int repeats = 4;
constexpr size_t cores = 2;
constexpr int64_t window = 64;
constexpr int64_t ring = 1000;
constexpr int64_t senders = 100;
constexpr int64_t fan = 10;
constexpr int64_t chunk = 64; // actors begun in one go

caf::behavior pass_on(caf::event_based_actor *self, caf::actor peer, caf::actor boss)
{
    auto next = std::make_shared<caf::actor>(std::move(peer));
    return {
        [=](peer_atom, const caf::actor &other) { *next = other; },
        [=](token_atom, int64_t n) {
            if (n == 0) {
                self->send(boss, over_atom::value);
            } else {
                self->send(*next, token_atom::value, n - 1);
            }
        },
    };
}

void wait(caf::scoped_actor &self, size_t times)
{
    size_t i = 0;
    self->receive_for(i, times)([](over_atom) {});
}

template <caf::spawn_options How>
void ping_pong(caf::actor_system &system, int64_t n)
{
    caf::scoped_actor self{system};
    auto boss = caf::actor_cast<caf::actor>(self);
    auto a = system.spawn<How>(pass_on, caf::actor{}, boss);
    auto b = system.spawn<How>(pass_on, a, boss);
    self->send(a, peer_atom::value, b);
    self->send(a, token_atom::value, n);
    wait(self, 1);
    self->send_exit(a, caf::exit_reason::user_shutdown);
    self->send_exit(b, caf::exit_reason::user_shutdown);
}

void ring_of(caf::actor_system &system, int64_t n, int64_t tokens)
{
    caf::scoped_actor self{system};
    auto boss = caf::actor_cast<caf::actor>(self);
    std::vector<caf::actor> all;
    all.push_back(system.spawn(pass_on, caf::actor{}, boss));
    for (int64_t i = 1; i < ring; i++) {
        all.push_back(system.spawn(pass_on, all.back(), boss)); // each sends to the one before it
    }
    self->send(all.front(), peer_atom::value, all.back());
    for (int64_t i = 0; i < tokens; i++) {
        self->send(all[static_cast<size_t>(i * ring / tokens)], token_atom::value, n / tokens);
    }
    wait(self, static_cast<size_t>(tokens));
    for (auto &one : all) {
        self->send_exit(one, caf::exit_reason::user_shutdown);
    }
}

struct counter_state {
    int64_t left = 0;
    int64_t sum = 0;
};

caf::behavior count(caf::stateful_actor<counter_state> *self, int64_t n, caf::actor boss)
{
    self->state.left = n;
    auto add = [=](int64_t x) {
        self->state.sum += x;
        if (--self->state.left == 0) {
            self->send(boss, over_atom::value);
            self->quit();
        }
    };
    return {
        [=](data_atom, int64_t x) { add(x); },
        [=](last_atom, int64_t x) {
            self->send(caf::actor_cast<caf::actor>(self->current_sender()), go_atom::value);
            add(x);
        },
    };
}

struct sender_state {
    int64_t left = 0;
};

caf::behavior send_windows(caf::stateful_actor<sender_state> *self, int64_t n, caf::actor to)
{
    self->state.left = n;
    return {
        [=](go_atom) {
            int64_t &left = self->state.left;
            for (int64_t i = 1; i <= window && left > 0; i++, left--) {
                if (i == window) {
                    self->send(to, last_atom::value, left);
                } else {
                    self->send(to, data_atom::value, left);
                }
            }
            if (left == 0) {
                self->quit();
            }
        },
    };
}

void fan_in(caf::actor_system &system, int64_t n, int64_t from)
{
    caf::scoped_actor self{system};
    int64_t each = n / from;
    auto to = system.spawn(count, each * from, caf::actor_cast<caf::actor>(self));
    for (int64_t i = 0; i < from; i++) {
        self->send(system.spawn(send_windows, each, to), go_atom::value);
    }
    wait(self, 1);
}

caf::behavior infant(caf::event_based_actor *self)
{
    return {
        [=](data_atom, int64_t) {
            self->send(caf::actor_cast<caf::actor>(self->current_sender()), answer_atom::value,
                       int64_t{1});
            self->quit();
        },
    };
}

struct nurse_state {
    int64_t left = 0;
    int64_t missing = 0;
};

caf::behavior nurse(caf::stateful_actor<nurse_state> *self, int64_t n, caf::actor boss)
{
    self->state.left = n;
    self->state.missing = n;
    return {
        [=](go_atom) {
            int64_t &left = self->state.left;
            for (int64_t i = 0; i < chunk && left > 0; i++, left--) {
                self->send(self->spawn(infant), data_atom::value, left);
            }
            if (left > 0) {
                self->send(self, go_atom::value);
            }
        },
        [=](answer_atom, int64_t x) {
            self->state.missing -= x;
            if (self->state.missing == 0) {
                self->send(boss, over_atom::value);
                self->quit();
            }
        },
    };
}

void spawn(caf::actor_system &system, int64_t n)
{
    caf::scoped_actor self{system};
    auto boss = caf::actor_cast<caf::actor>(self);
    for (size_t i = 0; i < cores; i++) {
        self->send(system.spawn(nurse, n / static_cast<int64_t>(cores), boss), go_atom::value);
    }
    wait(self, cores);
}

struct grow_state {
    int64_t sum = 0;
};

caf::behavior grow(caf::stateful_actor<grow_state> *self, int64_t n, caf::actor boss)
{
    if (n == 1) {
        self->send(boss, answer_atom::value, int64_t{1});
        return {};
    }
    auto me = caf::actor_cast<caf::actor>(self);
    for (int64_t i = 0; i < fan; i++) {
        self->spawn(grow, n / fan, me);
    }
    return {
        [=](answer_atom, int64_t x) {
            self->state.sum += x;
            if (self->state.sum == n) {
                self->send(boss, answer_atom::value, n);
                self->quit();
            }
        },
    };
}

void tree(caf::actor_system &system, int64_t n)
{
    caf::scoped_actor self{system};
    system.spawn(grow, n, caf::actor_cast<caf::actor>(self));
    self->receive([](answer_atom, int64_t) {});
}

int64_t resident()
{
    int64_t size = 0;
    int64_t pages = 0;
    std::ifstream{"/proc/self/statm"} >> size >> pages;
    return pages * sysconf(_SC_PAGESIZE);
}

double idle(caf::actor_system &system, int64_t n)
{
    caf::scoped_actor self{system};
    auto boss = caf::actor_cast<caf::actor>(self);
    std::vector<caf::actor> all;
    all.reserve(static_cast<size_t>(n));
    int64_t before = resident();
    for (int64_t i = 0; i < n; i++) {
        all.push_back(system.spawn(pass_on, caf::actor{}, boss));
    }
    self->send(all.back(), token_atom::value, int64_t{0}); // the last one has begun
    wait(self, 1);
    return static_cast<double>(resident() - before) / static_cast<double>(n);
}

bool run(caf::actor_system &system, const std::string &name, int64_t n)
{
    if (name == "ping_pong") {
        ping_pong<caf::no_spawn_options>(system, n);
    } else if (name == "ping_pong_cross") {
        ping_pong<caf::detached>(system, n);
    } else if (name == "counting") {
        fan_in(system, n, 1);
    } else if (name == "ring_1000") {
        ring_of(system, n, 1);
    } else if (name == "ring_1000_100") {
        ring_of(system, n, 100);
    } else if (name == "fan_in_100") {
        fan_in(system, n, senders);
    } else if (name == "spawn_100k") {
        spawn(system, n);
    } else if (name == "tree_1m") {
        tree(system, n);
    } else {
        return false;
    }
    return true;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc == 2 && std::strcmp(argv[1], "version") == 0) {
        std::printf("%d.%d.%d\n", CAF_MAJOR_VERSION, CAF_MINOR_VERSION, CAF_PATCH_VERSION);
        return 0;
    }
    if (argc != 3) {
        std::fprintf(stderr, "usage: actors-caf NAME AMOUNT\n");
        return 2;
    }
    int64_t n = std::strtoll(argv[2], nullptr, 10);
    caf::actor_system_config config;
    config.set("scheduler.max-threads", cores);
    caf::actor_system system{config};
    if (std::strcmp(argv[1], "idle") == 0) {
        std::printf("%.1f\n", idle(system, n));
    } else {
        double best = 0;
        for (int i = 0; i < repeats; i++) {
            auto began = std::chrono::steady_clock::now();
            if (!run(system, argv[1], n)) {
                std::fprintf(stderr, "there is no program %s\n", argv[1]);
                return 2;
            }
            std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
            best = std::max(best, static_cast<double>(n) / took.count());
        }
        std::printf("%.1f\n", best);
    }
    std::fflush(stdout);
    std::_Exit(0); // without taking everything apart
}
