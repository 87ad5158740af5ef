#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# children.sh -- runs that start runs, with the real program: permission, families, hand-off, replay, and
# kill -9 at any instant.
# usage: children.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = ${tenant:-1}; $1"; }

# dispatch takes every exception and lets others work: two it awaits, one it leaves behind, the fourth
# kind it hands over; worker notes what it saw; ping and pong hand one exception to each other.
mkdir -p "$state/dispatch" "$state/worker" "$state/pong"
cat >"$state/dispatch/agent.lua" <<'LUA'
local agent = { name = "dispatch", version = "1", handles = { "F01", "F02", "F04", "F07", "F08", "F09", "F10", "F12" },
  uses = { "exception.note" }, limits = { steps = 100 } }
function agent.plan(ctx, exception)
  if exception.code == "F12" then ctx:handoff("pong", nil, { reason = "bank details are for pong" }) end
  local first, why, code = ctx:start("worker", exception, { close = "wait", as = "first" })
  if not first then return ctx:plan():summary(code .. ": " .. why) end
  local second = ctx:start("worker", { key = exception.key, code = exception.code, again = true })
  local left = ctx:start("worker", { key = exception.key, code = exception.code, slow = true }, { close = "abandon" })
  local one, two = ctx:await(first), ctx:await(second)
  return ctx:plan():add("exception.note", { key = exception.key, text = "children: " .. one.status .. ", " .. two.status },
      { reason = "what they said", evidence = { one.summary, two.summary, left.run } }):summary("dispatched")
end
return agent
LUA
cat >"$state/worker/agent.lua" <<'LUA'
local agent = { name = "worker", version = "1", handles = {}, uses = { "exception.note" } }
function agent.plan(ctx, exception)
  if exception.slow then ctx:sleep(1) end
  local text = "worker " .. ctx.run
  return ctx:plan():add("exception.note", { key = exception.key, text = text }, { reason = "seen" }):summary(text)
end
return agent
LUA
cat >"$state/pong/agent.lua" <<'LUA'
local agent = { name = "pong", version = "1", handles = {}, uses = { "exception.note" } }
function agent.plan(ctx, exception)
  local _, why = ctx:handoff("dispatch", exception, { reason = "not mine" })
  return ctx:plan():add("exception.note", { key = exception.key, text = why }, { reason = "nobody takes it" })
end
return agent
LUA
sed 's/^return bundle { name = "default", schema = "erp.v1",/&\
  permit { id = "dispatch.starts", agents = "dispatch", action = "run.start",\
    when = any { arg.agent:eq "worker", arg.agent:eq "pong" } },\
  permit { id = "pong.starts", agents = "pong", action = "run.start", when = arg.agent:eq "dispatch" },/' \
    policies/default.lua >"$state/families.lua"

company() { # NAME POLICY
    reeve company create "$1" --currency EUR >/dev/null &&
        reeve policy load "$2" --company "$1" >/dev/null &&
        reeve agent publish "$state"/*/agent.lua --company "$1" >/dev/null &&
        reeve import scripts/demo/company/master.json scripts/demo/company/orders/*.xml scripts/demo/company/receipts/*.xml \
            scripts/demo/company/invoices/*.xml --company "$1" >/dev/null || exit 1
}
work() { # NAME: until nothing is left, also of what was left behind
    reeve exception run --no-post --company "$1" >/dev/null 2>&1
    reeve run work --company "$1" >/dev/null 2>&1
}
whole() { # what holds in every family, whatever happened
    same "$1: all runs have ended well" 0 "$(ask "SELECT count(*) FROM run WHERE status <> 'done'")"
    same "$1: every start has its child, once, and every child its start" "0 0" "$(ask "
        SELECT (SELECT count(*) FROM journal j WHERE j.kind = 13
                   AND convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'ok' = 'true'
                   AND (SELECT count(*) FROM run c WHERE c.parent = j.run_id
                           AND 'r_' || c.id = convert_from(substr(j.out, 2), 'UTF8')::jsonb#>>'{value,run}') <> 1)
            || ' ' || (SELECT count(*) FROM run c WHERE c.parent IS NOT NULL AND (SELECT count(*) FROM journal j
                 WHERE j.run_id = c.parent AND j.kind = 13
                   AND convert_from(substr(j.out, 2), 'UTF8')::jsonb#>>'{value,run}' = 'r_' || c.id) <> 1)")"
    same "$1: each dispatch has three workers, or has handed over" 0 "$(ask "
        SELECT count(*) FROM run p WHERE p.agent = 'dispatch' AND NOT (
            SELECT count(*) = 3 OR (count(*) = 1 AND bool_and(c.close = 'handoff')) FROM run c WHERE c.parent = p.id)")"
    same "$1: each exception was dispatched once" 0 "$(ask "
        SELECT count(*) FROM (SELECT FROM run WHERE agent = 'dispatch' GROUP BY business_key HAVING count(*) > 1) x")"
    same "$1: each run wrote its note once" "0" "$(ask "
        SELECT count(*) FROM run r WHERE r.agent = 'worker' AND (
            SELECT count(*) FROM command_log c WHERE c.command_id LIKE 'run:' || r.id || ':%' AND c.outcome = 'applied') <> 1")"
    same "$1: each start is on the record" 0 "$(ask "
        SELECT count(*) FROM journal j WHERE j.kind = 13 AND convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'ok' = 'true'
           AND NOT EXISTS (SELECT FROM audit_record a WHERE a.run_id = j.run_id AND a.step = j.seq AND a.kind = 'decision')")"
    same "$1: no step is missing" 0 "$(ask "
        SELECT count(*) FROM (SELECT FROM journal GROUP BY run_id HAVING max(seq) <> count(*)) x")"
}

# without a rule that says so, no agent starts another
company none policies/default.lua
uri=$(reeve db uri)
reeve exception run --no-post --company none >/dev/null 2>&1
same "the default policy lets no agent start another" 0 "$(ask "SELECT count(*) FROM run WHERE parent IS NOT NULL")"
same "the plans hear that it is denied" t "$(ask "SELECT bool_and(convert_from(substr(out, 2), 'UTF8')::jsonb->>'code' = 'denied')
    FROM journal WHERE kind = 13")"

# families
company one "$state/families.lua"
tenant=2
work one
whole one
[ "$(ask "SELECT count(*) FROM run WHERE parent IS NOT NULL")" -gt 10 ]
same "there are many children" 0 $?
run=r_$(ask "SELECT min(p.id) FROM run p JOIN run c ON c.parent = p.id WHERE c.agent = 'worker'")
pong=r_$(ask "SELECT min(id) FROM run WHERE agent = 'pong'")
says "explain shows the tree" "worker done (abandon)" reeve explain "$run" --company one
says "and what was started" "started agent worker" reeve explain "$run" --company one
says "and the hand-off" "dispatch -> pong -> dispatch" reeve explain "$pong" --company one
says "show has the tree" '"close": "wait"' reeve run show "$run" --company one
for each in $(ask "SELECT 'r_' || id FROM run"); do
    reeve run replay "$each" --company one >"$state/out" || same "replay of $each" "" "$(cat "$state/out")"
done
reeve run export "$run" "$state/parent.json" --company one >/dev/null
child=r_$(ask "SELECT min(id) FROM run WHERE parent IS NOT NULL AND agent = 'worker'")
reeve run export "$child" "$state/child.json" --redact --company one >/dev/null
says "a parent replays without its children" "are the same" env REEVE_STATE="$state/nowhere" "$reeve_program" run replay --file "$state/parent.json"
says "and a child without its parent" "are the same" env REEVE_STATE="$state/nowhere" "$reeve_program" run replay --file "$state/child.json"
reeve audit verify --company one >/dev/null
same "the audit record is green" 0 $?

# killed at any instant, each time a little later on average, so that a slow machine gets there too
company two "$state/families.lua"
tenant=3
i=0
hits=0
while [ "$i" -lt "${CHILDREN_KILLS:-14}" ] || { [ "$hits" -lt 3 ] && [ "$i" -lt 60 ]; }; do
    i=$((i + 1))
    reeve exception run --no-post --company two >/dev/null 2>&1 &
    victim=$!
    ms=$((i * 37 % 160 + i * 6 + 60))
    sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
    kill -KILL "$victim" 2>/dev/null
    wait "$victim" 2>/dev/null
    [ "$(ask "SELECT count(*) FROM run WHERE status <> 'done' AND parent IS NOT NULL")" = 0 ] || hits=$((hits + 1))
    [ "$(ask "SELECT count(*) FROM run WHERE status = 'done' AND agent = 'dispatch'")" -lt 20 ] || break # all over
done
echo "      $hits of $i kills met open children"
work two
whole two
same "killed or not, the families are the same" "$(tenant=2 ask "SELECT agent, close, count(*) FROM run GROUP BY 1, 2 ORDER BY 1, 2")" \
    "$(ask "SELECT agent, close, count(*) FROM run GROUP BY 1, 2 ORDER BY 1, 2")"
reeve audit verify --company two >/dev/null
same "the audit record is green" 0 $?
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
