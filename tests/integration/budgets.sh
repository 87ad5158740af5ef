#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# budgets.sh -- what a run may spend, with the real program: plans that go on without, runs that ask a person for more
# (command line and HTTP), and a thousand children that try to spend more than their family has.
# usage: budgets.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = ${tenant:-1}; $1"; }
said="convert_from(substr(j.out, 2), 'UTF8')::jsonb"
made="j.kind IN (1, 2) AND NOT ($said ? 'budget')" # reads and questions that were made

mkdir -p "$state/careful" "$state/thrifty" "$state/boss" "$state/mob" "$state/imp"
cat >"$state/careful/agent.lua" <<'LUA'
local agent = { name = "careful", version = "1", handles = { "F01" }, uses = { "exception.note" },
  limits = { calls = 2 }, overrun = "ask" }
function agent.plan(ctx, exception)
  for i = 1, 5 do erp.get("invoice", i) end
  return ctx:plan():add("exception.note", { key = exception.key, text = "read five" }, { reason = "all read" })
end
return agent
LUA
cat >"$state/thrifty/agent.lua" <<'LUA'
local agent = { name = "thrifty", version = "1", handles = { "F02", "F04", "F07", "F08", "F09", "F10", "F12" },
  uses = { "exception.note" }, limits = { calls = 2 }, overrun = "degrade" }
function agent.plan(ctx, exception)
  local without = 0
  for i = 1, 5 do
    local _, _, code = erp.get("invoice", i)
    if code == "limit" then without = without + 1 end
  end
  return ctx:plan():add("exception.note", { key = exception.key, text = "without " .. without }, { reason = "as far as it went" })
end
return agent
LUA
# the boss gives each child a little; every child then tries to read, ask, start and hand over far beyond it
cat >"$state/boss/agent.lua" <<'LUA'
local agent = { name = "boss", version = "1", handles = { "F09" }, uses = { "exception.note" },
  limits = { steps = 12000, calls = 701, tokens = 100000, children = 1000, depth = 2 } }
function agent.plan(ctx, exception)
  local started, refused = 0, 0
  for i = 1, 1020 do
    local child = ctx:start("mob", { n = i, code = exception.code },
      { close = "abandon", budget = { steps = 9, calls = i <= 350 and 2 or 0, tokens = 50 } })
    if child then started = started + 1 else refused = refused + 1 end
  end
  return ctx:plan():add("exception.note", { key = exception.key, text = started .. " " .. refused }, { reason = "all are off" })
end
return agent
LUA
cat >"$state/mob/agent.lua" <<'LUA'
local agent = { name = "mob", version = "1", handles = {}, uses = { "exception.note" }, overrun = "degrade",
  limits = { steps = 100000, calls = 100000, tokens = 100000, children = 100000, depth = 100 } }
local function reads(from) for i = from, from + 2 do erp.get("invoice", i) end end
local ways = {
  function(ctx) reads(1) end,
  function(ctx) while true do erp.get("invoice", math.random(1000)) end end,
  function(ctx) for i = 1, 3 do ctx:start("imp", { n = i }, { budget = { steps = 3, calls = 1 } }) end reads(1) end,
  function(ctx) for i = 1, 3 do ctx:start("imp", { n = i }) end reads(1) end,
  function(ctx) reads(1) ctx:handoff("imp", { n = 0 }, { reason = "somebody else" }) end,
  function(ctx) for i = 1, 4 do llm.decide { question = "q" .. i, options = { "a", "b" }, max_tokens = 30 } end end,
}
function agent.plan(ctx, exception)
  ways[exception.n % #ways + 1](ctx)
  return ctx:plan()
end
return agent
LUA
sed -e 's/name = "mob"/name = "imp"/' -e 's/overrun = "degrade"/overrun = "stop"/' "$state/mob/agent.lua" >"$state/imp/agent.lua"
sed 's/^return bundle { name = "default", schema = "erp.v1",/&\
  permit { id = "starts", agents = any_of { "boss", "mob", "imp", "par", "gran" }, action = "run.start" },/' \
    policies/default.lua >"$state/families.lua"
grep -q 'id = "starts"' "$state/families.lua" || exit 1

company() { # NAME POLICY AGENTS...
    name=$1
    policy=$2
    shift 2
    reeve company create "$name" --currency EUR >/dev/null &&
        reeve policy load "$policy" --company "$name" >/dev/null &&
        reeve agent publish "$@" --company "$name" >/dev/null &&
        reeve import scripts/demo/company/master.json scripts/demo/company/orders/*.xml scripts/demo/company/receipts/*.xml \
            scripts/demo/company/invoices/*.xml --company "$name" >/dev/null || exit 1
}

# going on without; asking
company one policies/default.lua "$state/careful/agent.lua" "$state/thrifty/agent.lua"
uri=$(reeve db uri)
reeve exception run --no-post --company one >"$state/out" 2>&1
same "a plan that goes on without ends well" t "$(ask "SELECT count(*) > 0 AND bool_and(status = 'done') FROM run WHERE agent = 'thrifty'")"
same "and was answered \"limit\" instead of read" "2 3" "$(ask "SELECT DISTINCT
    count(*) FILTER (WHERE $made) || ' ' || count(*) FILTER (WHERE NOT ($made)) FROM journal j JOIN run r ON r.id = j.run_id
    WHERE r.agent = 'thrifty' AND j.kind = 1 GROUP BY r.id")"
same "the careful ones wait" "waiting budget" "$(ask "SELECT DISTINCT status || ' ' || waiting_on FROM run WHERE agent = 'careful'")"
same "each tells its receivers once" t "$(ask "SELECT count(*) = (SELECT count(*) FROM run WHERE agent = 'careful') AND bool_and(
    body->>'run' IN (SELECT id::text FROM run WHERE agent = 'careful')) FROM outbox WHERE event = 'run.needs_budget'")"
run=r_$(ask "SELECT min(id) FROM run WHERE agent = 'careful'")
says "the list shows for what" "budget calls" reeve run list --waiting-on budget --company one
says "show, too" '"waiting_on": "budget"' reeve run show "$run" --company one
says "a raise has a reason" "reason must have" reeve run raise "$run" --calls 1 --company one
says "and an amount" "nothing is raised" reeve run raise "$run" --reason x --company one
says "too little does not help" "raised" reeve run raise "$run" --calls 1 --reason "one more" --company one
reeve run work --company one >/dev/null 2>&1
same "it read one more and waits again" "3 waiting" "$(ask "SELECT (SELECT count(*) FROM journal j WHERE 'r_' || j.run_id = '$run' AND j.kind = 1)
    || ' ' || status FROM run WHERE 'r_' || id = '$run'")"
for more in "the rest" "more" "and more"; do
    reeve run raise "$run" --calls 10 --reason "$more" --company one >/dev/null
done
reeve run work --company one >/dev/null 2>&1
same "with enough it ends" "done 5" "$(ask "SELECT status || ' ' || (SELECT count(*) FROM journal j WHERE 'r_' || j.run_id = '$run' AND j.kind = 1)
    FROM run WHERE 'r_' || id = '$run'")"
reeve run dead --company one --json >"$state/out" 2>&1
grep -qF "\"$run\"" "$state/out"
same "a raise that was not needed is no dead letter" 1 $?
same "each raise is on the record" 4 "$(ask "SELECT count(*) FROM audit_record
    WHERE 'r_' || run_id = '$run' AND kind = 'decision' AND body LIKE '%\"run.raise\"%'")"
says "what is over cannot be raised" "-> Nothing was written" reeve run raise "$run" --calls 1 --reason x --company one
for each in $(ask "SELECT 'r_' || id FROM run"); do
    reeve run replay "$each" --company one >"$state/out" || same "replay of $each" "" "$(cat "$state/out")"
done
# what was given to a run was given to no other: a fork asks for itself
new=$(reeve run fork "$run" --at-step 1 --yes --company one --json 2>/dev/null | sed "s/.*\"new_run\":\"\([^\"]*\)\".*/\1/")
same "a fork has none of its raises" "1 0" "$(ask "SELECT count(*) || ' ' || (SELECT count(*) FROM run_signal s
    WHERE 'r_' || s.run_id = '$new' AND s.name = '\$budget') FROM run WHERE 'r_' || id = '$new'")"
reeve run cancel "$new" --yes --company one >/dev/null 2>&1
# wall time stands still while it waits for a person
mkdir "$state/night"
cat >"$state/night/agent.lua" <<'LUA'
local agent = { name = "night", version = "1", handles = {}, uses = {}, limits = { calls = 1, wall_ms = 6000 }, overrun = "ask" }
function agent.plan(ctx, input)
  if not ctx.state then
    erp.get("invoice", 1)
    erp.get("invoice", 2)
    ctx:checkpoint({ read = 2 }) -- what was given, and how long it took, goes along
  end
  ctx:signal("go")
  erp.get("invoice", 3)
end
return agent
LUA
reeve person add op --roles operator --company one >/dev/null 2>&1
reeve agent publish "$state/night/agent.lua" --company one >/dev/null || exit 1
night=$(reeve run start night --as op --wait 20 --company one --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/')
same "it waits" "waiting budget" "$(ask "SELECT status || ' ' || waiting_on FROM run WHERE 'r_' || id = '$night'")"
sleep 7
reeve run raise "$night" --calls 5 --reason "good morning" --company one >/dev/null
reeve run work --company one >/dev/null 2>&1
until_is "a night of waiting is no time of its own" "waiting signal" "SELECT status || ' ' || waiting_on FROM run WHERE 'r_' || id = '$night'"
reeve run signal "$night" go --company one >/dev/null
reeve run work --company one >/dev/null 2>&1
same "also behind a checkpoint" "done" "$(ask "SELECT status FROM run WHERE 'r_' || id = '$night'")"
gives 0 "it is replayed from its journal" reeve run replay "$night" --company one
# what is given before it is needed counts when it is, also where the run asks nobody
for way in stop degrade; do
    mkdir "$state/r$way"
    cat >"$state/r$way/agent.lua" <<LUA
local agent = { name = "r$way", version = "1", handles = {}, uses = {}, limits = { calls = 2 }, overrun = "$way" }
function agent.plan(ctx, input)
  ctx:signal("go")
  local n = 0
  for i = 1, 9 do if erp.get("invoice", i) then n = n + 1 end end
  ctx:publish("read", n)
end
return agent
LUA
    reeve agent publish "$state/r$way/agent.lua" --company one >/dev/null || exit 1
    early=$(reeve run start "r$way" --as op --wait 3 --company one --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/')
    for more in 3 2; do reeve run raise "$early" --calls $more --reason early --company one >/dev/null; done
    reeve run signal "$early" go --as op --company one >/dev/null
    reeve run work --company one >/dev/null 2>&1
    ended=$([ "$way" = stop ] && echo "failed limit" || echo "done ")
    same "$way: what was given early was used, and no more" "$ended 7" "$(ask "SELECT status || ' ' || coalesce(error_code, '') || ' '
        || (SELECT count(*) FROM journal j WHERE j.run_id = r.id AND j.kind = 1 AND $made) FROM run r WHERE 'r_' || id = '$early'")"
    gives 0 "$way: replayed" reeve run replay "$early" --company one
    more=$(reeve run start "r$way" --as op --wait 3 --company one --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/')
    reeve run raise "$more" --calls 7 --reason early --company one >/dev/null
    reeve run signal "$more" go --as op --company one >/dev/null
    reeve run work --company one >/dev/null 2>&1
    same "$way: with enough it reads all" "done 9" "$(ask "SELECT status || ' '
        || (SELECT count(*) FROM journal j WHERE j.run_id = r.id AND j.kind = 1 AND $made) FROM run r WHERE 'r_' || id = '$more'")"
    gives 0 "$way: replayed" reeve run replay "$more" --company one
done
says "a comma stands between" "minor units by currency" reeve run raise "$more" --money EUR=5, --reason x --company one
# time that no clock can say
mkdir "$state/aeon"
cat >"$state/aeon/agent.lua" <<'LUA'
local agent = { name = "aeon", version = "1", handles = {}, uses = {}, limits = { calls = 1, wall_ms = WALL }, overrun = "ask" }
function agent.plan(ctx, input)
  for i = 1, 4 do erp.get("invoice", i) end
end
return agent
LUA
for wall in math.maxinteger 9007199254740993; do
    sed "s/WALL/$wall/" "$state/aeon/agent.lua" >"$state/aeon/long.lua"
    says "no deadline so far away: $wall" "wall_ms at most" reeve agent publish "$state/aeon/long.lua" --company one
done
sed "s/WALL/9007199254740992/" "$state/aeon/agent.lua" >"$state/aeon/long.lua"
reeve agent publish "$state/aeon/long.lua" --company one >/dev/null || exit 1
aeon=$(reeve run start aeon --as op --wait 3 --company one --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/')
for _ in 1 2 3; do
    reeve run raise "$aeon" --calls 1 --wall-ms 9007199254740992 --reason "for ever" --company one >/dev/null
    reeve run work --company one >/dev/null 2>&1
done
same "time given again and again is no less" "done" "$(ask "SELECT status FROM run WHERE 'r_' || id = '$aeon'")"
# money: the company's own currency has two names, and what has no limit is not raised
mkdir "$state/home"
cat >"$state/home/agent.lua" <<'LUA'
local agent = { name = "home", version = "1", handles = {}, uses = { "journal.post" }, limits = { LIMIT }, overrun = "ask" }
function agent.plan(ctx, input)
  return ctx:plan():add("journal.post", { memo = "t", lines = { { account = "4970", amount_minor = 1500, currency = "EUR" },
    { account = "1490", amount_minor = -1500, currency = "EUR" } } }, { reason = "r" })
end
return agent
LUA
home() { # LIMIT: publishes an agent with it, starts a run; $home
    sed "s/LIMIT/$1/" "$state/home/agent.lua" >"$state/home/now.lua"
    reeve agent publish "$state/home/now.lua" --company one >/dev/null || exit 1
    home=$(reeve run start home --as op --wait 3 --company one --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/')
}
stands="SELECT status || ' ' || waiting_on FROM run WHERE 'r_' || id"
home "money_minor = 1000"
same "it waits for money" "waiting budget" "$(ask "$stands = '$home'")"
says "no limit of time to raise" "wall_ms: run $home has no limit" reeve run raise "$home" --wall-ms 5 --reason x --company one
reeve run raise "$home" --money EUR=500 --reason x --company one >/dev/null
reeve run work --company one >/dev/null 2>&1
same "money_minor is raised by its currency" f "$(ask "SELECT coalesce(waiting_on, '') = 'budget' FROM run WHERE 'r_' || id = '$home'")"
home "money = { EUR = 1000 }"
same "it waits for money" "waiting budget" "$(ask "$stands = '$home'")"
reeve run raise "$home" --money-minor 500 --reason x --company one >/dev/null
reeve run work --company one >/dev/null 2>&1
same "and the other way round" f "$(ask "SELECT coalesce(waiting_on, '') = 'budget' FROM run WHERE 'r_' || id = '$home'")"
home "risk = 3"
says "it waits for risk" "budget risk" reeve run list --waiting-on budget --company one
same "no points were spent" 'budget "risk" is exhausted: 0 used, 5 asked, limit 3' "$(ask "SELECT $said->>'message' FROM journal j
    WHERE 'r_' || run_id = '$home' AND kind = 7")"
says "no limit of money to raise beside it" "money: run $home has no limit" reeve run raise "$home" --money EUR=5 --reason x --company one
says "points are an amount" "risk" reeve run raise "$home" --risk 0 --reason x --company one
reeve run raise "$home" --risk 1 --reason "not enough" --company one >/dev/null
reeve run work --company one >/dev/null 2>&1
same "it waits again" "waiting budget" "$(ask "$stands = '$home'")"
reeve run raise "$home" --risk 1 --reason "enough" --company one >/dev/null
reeve run work --company one >/dev/null 2>&1
same "risk is raised" f "$(ask "SELECT coalesce(waiting_on, '') = 'budget' FROM run WHERE 'r_' || id = '$home'")"
gives 0 "and it is replayed" reeve run replay "$home" --company one
home "steps = 1"
says "no limit of risk to raise" "risk: run $home has no limit" reeve run raise "$home" --risk 5 --reason x --company one
says "no limit of money to raise" "money: run $home has no limit" reeve run raise "$home" --money EUR=5 --reason x --company one
# a question that names no max_tokens needs room for the usual 256
mkdir "$state/short"
cat >"$state/short/agent.lua" <<'LUA'
local agent = { name = "short", version = "1", handles = {}, uses = {}, limits = { steps = 9, tokens = 255 } }
function agent.plan(ctx, input)
  ctx:note("asks")
  llm.decide { question = "which?", options = { "a", "b" }, max_tokens = input.most }
end
return agent
LUA
reeve person add op --roles operator --company one >/dev/null 2>&1
reeve agent publish "$state/short/agent.lua" --company one >/dev/null || exit 1
says "without room" "failed" reeve run start short --as op --wait 20 --company one
says "with room" "done" reeve run start short --as op --input '{"most": 255}' --wait 20 --company one
same "only the second was asked" "failed 0 done 1" "$(ask "SELECT string_agg(status || ' ' || (SELECT count(*) FROM journal j
    WHERE j.run_id = r.id AND j.kind = 2), ' ' ORDER BY r.id) FROM run r WHERE agent = 'short'")"
same "its failure is told" "1 limit" "$(ask "SELECT count(*) || ' ' || min(o.body->>'code') FROM outbox o JOIN run r
    ON o.body->>'run' = r.id::text WHERE o.event = 'run.failed' AND r.agent = 'short'")"
reeve audit verify --company one >/dev/null
same "the audit record is green" 0 $?

# by HTTP, while it is served
reeve person add op --roles operator --company one >/dev/null 2>&1
token=$(reeve token make op --company one --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/')
run=$(ask "SELECT min(id) FROM run WHERE status = 'waiting' AND waiting_on = 'budget'")
serve
call() { # METHOD PATH [BODY]
    curl -sS -X "$1" "$base$2" -H "Authorization: Bearer $token" ${3:+-H "Content-Type: application/json" -d "$3"}
}
says "the API finds it" '"waiting_on": "budget"' call GET "/v1/runs?waiting_on=budget"
says "and says which budget" '"waits": "budget calls"' call GET "/v1/runs?waiting_on=budget"
says "an amount that is none names its field" '"field":"calls"' call POST "/v1/runs/$run/budget" '{"calls":0,"reason":"x"}'
says "points of risk, too" '"field":"risk"' call POST "/v1/runs/$run/budget" '{"risk":-1,"reason":"x"}'
says "a run without a limit of risk" "risk: run r_$run has no limit" call POST "/v1/runs/$run/budget" '{"risk":5,"reason":"x"}'
says "an unknown budget, too" '"field":"lunch"' call POST "/v1/runs/$run/budget" '{"lunch":1,"reason":"x"}'
says "a currency that is none" '"field":"money"' call POST "/v1/runs/$run/budget" '{"money":{"euro":1},"reason":"x"}'
says "no run of that name" '"code":"not_found"' call POST "/v1/runs/42/budget" '{"calls":1,"reason":"x"}'
says "a raise is taken" '"id"' call POST "/v1/runs/$run/budget" '{"calls":9,"reason":"by HTTP"}'
for _ in $(seq 600); do [ "$(ask "SELECT status FROM run WHERE id = $run")" = done ] && break; sleep 0.1; done
same "and the run goes on by itself" done "$(ask "SELECT status FROM run WHERE id = $run")"
serve_ends

# what people give a child is not its parent's: nor its grandparent's
mkdir "$state/par" "$state/kid" "$state/gran"
cat >"$state/par/agent.lua" <<'LUA'
local agent = { name = "par", version = "1", handles = {}, uses = {}, limits = { calls = 20, steps = 60 } }
function agent.plan(ctx, input)
  local child = ctx:start("kid", {}, { budget = { calls = 5, steps = 20 } })
  ctx:await(child)
  for i = 1, 2 do erp.get("invoice", i) end
end
return agent
LUA
sed -e 's/"par"/"gran"/' -e 's/"kid", {}, .*/"par", {}, { budget = { calls = 7, steps = 40 } })/' "$state/par/agent.lua" >"$state/gran/agent.lua"
cat >"$state/kid/agent.lua" <<'LUA'
local agent = { name = "kid", version = "1", handles = {}, uses = {}, limits = { calls = 50, steps = 100 }, overrun = "ask" }
function agent.plan(ctx, input)
  for i = 1, 40 do erp.get("invoice", i) end
end
return agent
LUA
company family "$state/families.lua" "$state/kid/agent.lua" "$state/par/agent.lua" "$state/gran/agent.lua"
tenant=2
reeve person add op --roles operator --company family >/dev/null 2>&1
for each in par gran; do
    top=$(reeve run start "$each" --as op --wait 3 --company family --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/')
    kid=r_$(ask "SELECT max(id) FROM run WHERE agent = 'kid'")
    same "the child asks" "waiting budget" "$(ask "SELECT status || ' ' || waiting_on FROM run WHERE 'r_' || id = '$kid'")"
    says "no limit of money that its parent gave" "money: run $kid has no limit" reeve run raise "$kid" --money EUR=5 --reason x --company family
    says "nor of risk" "risk: run $kid has no limit" reeve run raise "$kid" --risk 5 --reason x --company family
    says "nor of time" "wall_ms: run $kid has no limit" reeve run raise "$kid" --wall-ms 5 --reason x --company family
    reeve run raise "$kid" --calls 100 --steps 100 --reason more --company family >/dev/null
    for _ in 1 2 3; do reeve run work --company family >/dev/null 2>&1; done
    same "it used what it was given, and its parents go on" "done 40 done" "$(ask "SELECT (SELECT status FROM run WHERE 'r_' || id = '$top') || ' '
        || (SELECT count(*) FROM journal WHERE 'r_' || run_id = '$kid' AND kind = 1) || ' ' || (SELECT status FROM run WHERE 'r_' || id = '$kid')")"
    same "what counts is what its parent gave" 5 "$(ask "SELECT result->'spent'->>'calls' FROM run_result WHERE 'r_' || run_id = '$kid'")"
    gives 0 "it is replayed" reeve run replay "$kid" --company family
    gives 0 "its parent, too" reeve run replay "$top" --company family
done
tenant=1

# a thousand children of one budget
company two "$state/families.lua" "$state/boss/agent.lua" "$state/mob/agent.lua" "$state/imp/agent.lua"
tenant=3
began=$(date +%s)
reeve exception run --no-post --company two >"$state/out" 2>&1
reeve run work --company two >/dev/null 2>&1
seconds=$(($(date +%s) - began))
boss="SELECT r.id FROM run r WHERE r.agent = 'boss'"
below="WITH RECURSIVE f AS (SELECT r.id, r.id AS top, r.agent FROM run r WHERE r.agent = 'boss'
    UNION ALL SELECT c.id, f.top, c.agent FROM f JOIN run c ON c.parent = f.id)"
families=$(ask "SELECT count(*) FROM run WHERE agent = 'boss'")
same "there is a family" t "$([ "$families" -ge 1 ] && echo t)"
same "all have ended" 0 "$(ask "SELECT count(*) FROM run WHERE status NOT IN ('done', 'failed', 'cancelled')")"
same "each boss started a thousand, and not one more" "$families 1000" "$(ask "SELECT count(*) || ' ' || max(n) FROM
    (SELECT count(*) AS n FROM run c WHERE c.parent IN ($boss) GROUP BY c.parent) x WHERE n = 1000")"
same "no family has made more calls than its boss was given" 0 "$(ask "$below SELECT count(*) FROM
    (SELECT f.top FROM f JOIN journal j ON j.run_id = f.id WHERE $made GROUP BY 1 HAVING count(*) > 700) x")"
same "the calls that were given were made" "$families" "$(ask "$below SELECT count(*) FROM
    (SELECT f.top FROM f JOIN journal j ON j.run_id = f.id WHERE $made GROUP BY 1 HAVING count(*) > 300) x")"
same "nor more steps" 0 "$(ask "$below SELECT count(*) FROM
    (SELECT f.top FROM f JOIN journal j ON j.run_id = f.id WHERE j.kind IN (1, 2, 3, 7, 13, 20) GROUP BY 1 HAVING count(*) > 12000) x")"
same "no run has made more calls, or steps, than it was given" 0 "$(ask "SELECT count(*) FROM
    (SELECT j.run_id, i.budget FROM journal j JOIN run_input i ON i.run_id = j.run_id WHERE i.budget ? 'calls'
      GROUP BY 1, 2 HAVING count(*) FILTER (WHERE $made) > (i.budget->>'calls')::int
          OR count(*) FILTER (WHERE j.kind IN (1, 2, 3, 7, 13, 20)) > (i.budget->>'steps')::int) x")"
same "none stands deeper than it may" 0 "$(ask "SELECT count(*) FROM run WHERE depth > 2")"
same "budgets of children sum up to no more than their parent had" 0 "$(ask "SELECT count(*) FROM run p JOIN run_input i ON i.run_id = p.id
    WHERE i.budget ? 'calls' AND (i.budget->>'calls')::int < (SELECT coalesce(sum((ci.budget->>'calls')::int), 0)
        FROM run c JOIN run_input ci ON ci.run_id = c.id WHERE c.parent = p.id)")"
ask "SELECT 'runs ' || count(*) || ', imps ' || count(*) FILTER (WHERE agent = 'imp') || ', failed ' || count(*) FILTER (WHERE status = 'failed') FROM run"
echo "      $(ask "SELECT count(*) FROM journal j WHERE $made") calls of $((families * 700)) in $families families, $seconds s"
reeve audit verify --company two >/dev/null
same "the audit record is green" 0 $?
# what is given before an action needs it: enough, too little; also behind a checkpoint
mkdir "$state/paid"
# only the journal of agents is held for people
sed '/id = "journal.controller", agents/s/agents = "\*"/agents = "nobody"/' "$state/families.lua" >"$state/paid.lua"
grep -q 'agents = "nobody"' "$state/paid.lua" || exit 1
for way in stop degrade; do
    mkdir "$state/paid/$way"
    cat >"$state/paid/$way/agent.lua" <<LUA
local agent = { name = "paid$way", version = "1", handles = {}, uses = { "journal.post", "journal.reverse" }, overrun = "$way",
  limits = { steps = 40, money = { EUR = 2000 } } }
function agent.plan(ctx, input)
  if input.again and not ctx.state then ctx:checkpoint({ n = 1 }) end
  ctx:signal("go")
  local p = ctx:plan()
  for i = 1, 3 do
    p:add("journal.post", { memo = "m" .. i, lines = { { account = "4970", amount_minor = 1500, currency = "EUR" },
      { account = "1490", amount_minor = -1500, currency = "EUR" } } }, { reason = "r" })
  end
  return p
end
return agent
LUA
    sed -e "s/paid$way/risky$way/" -e 's/money = { EUR = 2000 }/risk = 7/' "$state/paid/$way/agent.lua" >"$state/paid/$way/risky.lua"
done
company paid "$state/paid.lua" "$state"/paid/*/*.lua
tenant=4
reeve person add op --roles operator --company paid >/dev/null 2>&1
posted() { # AGENT INPUT MORE: how it ended, and how many were posted
    r=$(reeve run start "$1" --as op --input "$2" --company paid --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/')
    [ -z "$3" ] || reeve run raise "$r" "$3" --reason early --company paid >/dev/null
    reeve run signal "$r" go --as op --company paid >/dev/null
    reeve run work --company paid >/dev/null 2>&1
    ask "SELECT status || ' ' || coalesce(error_code, '') || ' ' || (SELECT count(*) FROM journal j WHERE j.run_id = r.id AND j.kind = 7
        AND $said->>'result' = 'executed') FROM run r WHERE 'r_' || id = '$r'"
    reeve run replay "$r" --company paid >"$state/replayed" 2>&1 || cat "$state/replayed"
}
for way in stop degrade; do
    for input in '{}' '{"again":true}'; do
        same "$way: without more what it did is taken back" "compensated limit 1" "$(posted paid$way "$input" "")"
        same "$way: nor with too little" "compensated limit 1" "$(posted paid$way "$input" --money=EUR=900)"
        same "$way: nor with a little more" "compensated limit 2" "$(posted paid$way "$input" --money=EUR=1000)"
        same "$way: enough, and it is done" "done  3" "$(posted paid$way "$input" --money=EUR=2500)"
        same "$way: of risk, what it did is taken back beyond its points" "compensated limit 1" "$(posted risky$way "$input" "")"
        same "$way: too few more" "compensated limit 1" "$(posted risky$way "$input" --risk=2)"
        same "$way: for one more" "compensated limit 2" "$(posted risky$way "$input" --risk=3)"
        same "$way: for all" "done  3" "$(posted risky$way "$input" --risk=8)"
    done
done
r=r_$(ask "SELECT max(id) FROM run WHERE agent = 'riskydegrade'")
says "what it used is shown" '"risk": 15' reeve run show "$r" --company paid
says "in words, too" "15 points of risk" reeve explain "$r" --company paid
says "and in the list" '"risk":15' reeve run list --company paid --json
reeve audit verify --company paid >/dev/null
same "the audit record is green" 0 $?
r=$(reeve run start paidstop --as op --wait 3 --company paid --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/')
many=$(printf '%s=1,' USD GBP CHF SEK NOK DKK PLN CZK)
says "more currencies than a run can count" "money: run $r would have limits in more than 8 currencies" \
    reeve run raise "$r" --money "${many%,}" --reason x --company paid
tenant=1
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
