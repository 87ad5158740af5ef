#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# wake.sh -- what lets a waiting run go on is heard at once: a signal through the serving process, a signal and a
# cancellation by another process, a timer.  Looks for nothing in particular come seconds later.
# usage: wake.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
command -v curl >/dev/null 2>&1 || { echo "SKIP: curl is not installed"; exit 77; }
server=
trap '[ -z "$server" ] || kill "$server"; wait; reeve db stop >/dev/null 2>&1; [ -n "${KEEP:-}" ] || rm -rf "$state"' EXIT
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
until_is() { # WHAT EXPECTED SQL
    found=
    for _ in $(seq 600); do
        found=$(ask "$3")
        [ "$found" = "$2" ] && break
        sleep 0.2
    done
    same "$1" "$2" "$found"
}

mkdir -p "$state/waiter"
cat >"$state/waiter/agent.lua" <<'LUA'
local agent = { name = "waiter", version = "1", handles = { "F01", "F02", "F04", "F07", "F08", "F09", "F10", "F12" },
  uses = {}, limits = { steps = 100 } }
function agent.plan(ctx, exception)
  ctx:sleep(2)
  local go = ctx:signal("go", 864000)
  return ctx:plan():summary("went on with " .. tostring(go and go.word))
end
return agent
LUA
reeve company create one --currency EUR >/dev/null || exit 1
reeve policy load policies/default.lua --company one >/dev/null || exit 1
reeve agent publish "$state/waiter/agent.lua" --company one >/dev/null || exit 1
reeve person add operator --roles operator --company one >/dev/null || exit 1
reeve import scripts/demo/company/master.json scripts/demo/company/orders/*.xml scripts/demo/company/receipts/*.xml \
    scripts/demo/company/invoices/*.xml --company one >/dev/null
uri=$(reeve db uri)
token=$(reeve token make operator --company one | grep -o 'rvt_[A-Za-z0-9_-]*')
: >"$state/served"
"$reeve_program" serve --listen 127.0.0.1:0 --json >"$state/served" 2>"$state/log" &
server=$!
for _ in $(seq 600); do [ -s "$state/served" ] && break; sleep 0.1; done
base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
signal() { # RUN NAME
    curl -s -o "$state/body" -w '%{http_code}' -X POST -H 'Content-Type: application/json' \
        -d "{\"name\":\"$2\",\"body\":{\"word\":\"$2\"}}" -H "Authorization: Bearer $token" "$base/v1/runs/$1/signal"
}
# the detection is committed by another process; the node that serves hears of it
reeve exception run --no-post --company one >"$state/run" 2>&1
until_is "found exceptions get their runs, whose sleep ends by itself" t \
    "SELECT count(*) > 3 AND bool_and(status = 'waiting' AND waiting_on = 'signal') FROM run"
same "none slept much longer than it wanted" 0 "$(ask "SELECT count(*) FROM run
    WHERE changed_at - created_at > interval '12 seconds'")"
one=$(ask "SELECT min(id) FROM run")
two=$(ask "SELECT max(id) FROM run")
sleep 4 # nothing happens: looks are rare now
same "a signal of another name is accepted" 202 "$(signal "$one" stay)"
sleep 1
same "and does not wake the run" waiting "$(ask "SELECT status FROM run WHERE id = $one")"
same "one that it waits for is, too" 202 "$(signal "$one" go)"
until_is "and the run is over" done "SELECT status FROM run WHERE id = $one"
same "having heard it" '"went on with go"' "$(ask "SELECT j.out FROM (SELECT convert_from(substr(out, 2), 'UTF8')::jsonb->'summary' AS out
    FROM journal WHERE run_id = $one AND kind = 6) j")"
same "within some seconds" t "$(ask "SELECT r.changed_at - s.sent_at < interval '8 seconds'
    FROM run r JOIN run_signal s ON s.run_id = r.id AND s.name = 'go' WHERE r.id = $one")"
same "the other one is left in the box" 1 "$(ask "SELECT count(*) FROM run_signal WHERE run_id = $one AND consumed_seq IS NULL")"
sleep 4
reeve run cancel "r_$two" --reason "by another process" --yes --company one >"$state/out" 2>&1 || cat "$state/out"
until_is "another process's word is heard" cancelled "SELECT status FROM run WHERE id = $two"
same "within some seconds, too" t "$(ask "SELECT r.changed_at - s.sent_at < interval '8 seconds'
    FROM run r JOIN run_signal s ON s.run_id = r.id AND s.name = '\$cancel' WHERE r.id = $two")"

# killed, and back at once, although the lease has far to go
kill -9 "$server"
wait "$server" 2>/dev/null
three=$(ask "SELECT min(id) FROM run WHERE status = 'waiting'")
: >"$state/served"
"$reeve_program" serve --listen 127.0.0.1:0 --json --set runtime.lease=600s >"$state/served" 2>"$state/log" &
server=$!
for _ in $(seq 600); do [ -s "$state/served" ] && break; sleep 0.1; done
base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
same "a signal after the restart" 202 "$(signal "$three" go)"
until_is "and its run is over" done "SELECT status FROM run WHERE id = $three"
kill -9 "$server"
wait "$server" 2>/dev/null
four=$(ask "SELECT min(id) FROM run WHERE status = 'waiting'")
: >"$state/served"
"$reeve_program" serve --listen 127.0.0.1:0 --json >"$state/served" 2>"$state/log" &
server=$!
for _ in $(seq 600); do [ -s "$state/served" ] && break; sleep 0.1; done
base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
same "a signal after a restart ten minutes before the lease ends" 202 "$(signal "$four" go)"
until_is "and that run is over" done "SELECT status FROM run WHERE id = $four"
same "the record is whole" ok "$(reeve audit verify --company one >/dev/null 2>&1 && echo ok)"

[ "$failures" = 0 ] && echo "all is well"
[ "$failures" = 0 ] || echo "$failures checks failed"
exit "$failures"
