#!/bin/sh
# shellcheck disable=SC2154  # variables of the sourced files
# effects_nodes.sh -- a node stops, or loses a company, while its request is on the way: the answer is kept, another
# node goes on with it, nobody has to be asked and nothing is sent twice.
# usage: effects_nodes.sh REEVE RECEIVER      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
# shellcheck source=tests/support/effects.sh
. tests/support/effects.sh
trap 'for each in $pids; do kill -9 "$each" 2>/dev/null; done; kill "$receiver_pid" 2>/dev/null; reeve db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
pids=
start() { # NAME
    "$reeve_program" serve --listen 127.0.0.1:0 --set node.name="$1" --set cluster.listen=127.0.0.1:0 \
        --set runtime.loops=1 >/dev/null 2>"$state/log.$1" &
    pid=$!
    pids="$pids $pid"
}
until_is() { # SECONDS EXPECTED COMMAND...
    tries=$(($1 * 10))
    expected=$2
    shift 2
    while [ "$tries" -gt 0 ] && [ "$("$@")" != "$expected" ]; do
        sleep 0.1
        tries=$((tries - 1))
    done
    [ "$tries" -gt 0 ]
}
owner=$(reeve db uri --owner)
owned() { psql "$owner" -Atqc "SELECT n.host FROM tenant_head h JOIN node n ON n.node_id = h.owner_node WHERE h.tenant_id = 1"; }
attempting() { ask "SELECT count(*) FROM effect_intent WHERE run_id = $run AND state = 'attempting'"; }

# no rule for what has no outcome: it would go to a person, after the 15 seconds of the attempt
reeve connector add slow --url "http://127.0.0.1:$http" --allow-private --timeout 15000 >/dev/null
say http.request '{ connector = "slow", path = "/slow" }'
start first
first=$pid
until_is 15 first owned
same "the first node drives the company" first "$(owned)"
start second
second=$pid
until_is 15 2 psql "$owner" -Atqc "SELECT count(*) FROM node WHERE serves AND lease_until > clock_timestamp()"

begin
until_is 10 1 attempting
same "a request is on its way" 1 "$(attempting)"
kill "$first"
wait "$first"
same "the node stops well meanwhile" 0 $?
until_is 10 "done" status
same "the other one goes on with the answer" "done" "$(status)"
same "which is that of the attempt" "done 1 answer" "$(intents)"
same "one request" "1 1" "$(tried) $(did)"
same "the other one drives the company" second "$(owned)"

start third
until_is 15 2 psql "$owner" -Atqc "SELECT count(*) FROM node WHERE serves AND lease_until > clock_timestamp()"
begin
until_is 10 1 attempting
psql "$owner" -Atqc "UPDATE tenant_head SET owner_node = (SELECT node_id FROM node WHERE host = 'third'), epoch = epoch + 1 WHERE tenant_id = 1"
same "still on its way, and the company is another's" 1 "$(attempting)"
until_is 10 "done 1 answer" intents
until_is 8 "done" status # its next look by itself would be later
same "the answer comes from the node that has lost it, and is taken up at once" "done" "$(status)"
same "and is that of the attempt" "done 1 answer" "$(intents)"
same "one request again" "1 1" "$(tried) $(did)"
gives 0 "the record verifies" reeve audit verify
kill "$second" "$pid"
wait "$second"
same "the second stops well" 0 $?
wait "$pid"
same "and the third" 0 $?
[ "$failures" = 0 ] || { echo "$failures failed"; cat "$state"/log.*; exit 1; }
