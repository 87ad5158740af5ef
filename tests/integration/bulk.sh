#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# bulk.sh -- cancel, retry and fork of many runs through HTTP, and of one: a preview says which and why not, the act is
# what the command line's is, with the same record; with the real program and PostgreSQL.
# usage: bulk.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
bulk() { send POST /v1/runs/bulk "$1"; }
wrong() { # WHAT FIELD BODY
    same "$1" 400 "$(bulk "$3")"
    has out "\"field\":\"$2\""
    has out '"hint":"'
}
names() { reeve run list "$@" --json | sed -n 's/.*"run":"\([^"]*\)".*/\1/p'; }
count() { jq -r "$1" "$state/out"; }
agent() { # NAME HANDLES BODY
    mkdir -p "$state/$1"
    cat >"$state/$1/agent.lua" <<LUA
local agent = { name = "$1", version = "1", handles = { $2 }, uses = { "exception.note" }, limits = { steps = 50 } }
function agent.plan(ctx, input)
$3
end
return agent
LUA
    reeve agent publish "$state/$1/agent.lua" --owner console >/dev/null || failures=$((failures + 1))
}
audited() { ask "SELECT count(*) FROM audit_record WHERE body::jsonb->>'action' = '$1' AND body::jsonb->>'verdict' = 'allow'"; }
last_record() { # ACTION: of a decision, without who, when and about which run
    ask "SELECT body::jsonb - '{seq,at_us,run,step,run_id,key,digest,resource,args_hash,id,decision}'::text[] FROM audit_record
         WHERE body::jsonb->>'action' = '$1' ORDER BY seq DESC LIMIT 1"
}

company operator:operator clerk:clerk looker:auditor manager:ap.manager controller:controller treasurer:treasurer buyer:buyer
gives 0 "its policy" reeve policy load policies/default.lua
agent waiter "" '  ctx:signal("go", 864000)'
agent sleeper "" '  ctx:signal("go", 864000)'
agent quick "" '  ctx:publish("had", input)'
agent breaker '"F12", "F04"' '  local nothing = nil
  return nothing.there'
demo=scripts/demo/company
reeve import "$demo/master.json" "$demo"/orders/*.xml "$demo"/receipts/*.xml "$demo"/invoices/*.xml >/dev/null 2>&1
for _ in 1 2 3; do reeve run start waiter --as operator >/dev/null; done
reeve run start sleeper --as operator >/dev/null
reeve run start quick --as operator --input '{"n":1}' >/dev/null
reeve exception run --no-post >/dev/null 2>&1
serve
token=$(token_of operator)
until_is "runs that wait" 4 "SELECT count(*) FROM run WHERE status = 'waiting' AND waiting_on = 'signal'"
failed=$(names failed --agent breaker | wc -l | tr -d ' ')
[ "$failed" -gt 1 ] || { echo "FAIL  only $failed runs have failed"; failures=$((failures + 1)); }

# ---- what is wrong ----
wrong "no act" act '{"filter":{"agent":"waiter"}}'
wrong "an act that is none" act '{"act":"stop","filter":{"agent":"waiter"}}'
has out 'cancel retry fork'
wrong "no runs at all" filter '{"act":"cancel"}'
has out '\"status\":\"open\"'
wrong "a filter that says nothing" filter '{"act":"retry","filter":{}}'
has out '\"status\":\"failed\"'
wrong "a filter that is none" filter '{"act":"cancel","filter":"waiter"}'
wrong "a filter that nobody knows" filter.colour '{"act":"cancel","filter":{"colour":"red"}}'
wrong "a status that is none" filter.status '{"act":"cancel","filter":{"status":"opne"}}'
wrong "a status that the act is not about" filter.status '{"act":"cancel","filter":{"status":"done"}}'
wrong "... a retry" filter.status '{"act":"retry","filter":{"status":"open"}}'
wrong "... a fork" filter.status '{"act":"fork","at_step":0,"filter":{"status":"waiting"}}'
wrong "a role that is none" filter.role '{"act":"cancel","filter":{"role":"king"}}'
wrong "nothing that is waited for" filter.waiting_on '{"act":"cancel","filter":{"waiting_on":"king"}}'
wrong "an agent that never was" filter.agent '{"act":"cancel","filter":{"agent":"nobody"}}'
has out 'reeve agent list'
wrong "an error that is none" filter.error '{"act":"retry","filter":{"error":"oops"}}'
has out 'limit timeout canceled'
wrong "an age that is none" filter.older '{"act":"cancel","filter":{"older":"1d"}}'
wrong "an age of nothing" filter.older '{"act":"cancel","filter":{"older":0}}'
wrong "a text without text" filter.key '{"act":"cancel","filter":{"key":""}}'
wrong "a limit of none" limit '{"act":"cancel","filter":{"status":"open"},"limit":0}'
wrong "a limit that is too high" limit '{"act":"cancel","filter":{"status":"open"},"limit":1001}'
wrong "a limit that is none" limit '{"act":"cancel","filter":{"status":"open"},"limit":"all"}'
wrong "a preview that is none" preview '{"act":"cancel","filter":{"status":"open"},"preview":"yes"}'
wrong "runs that are none" runs '{"act":"cancel","runs":[]}'
wrong "a run that is none" 'runs[1]' '{"act":"cancel","runs":["r_1","all"]}'
wrong "a step of a cancel" at_step '{"act":"cancel","filter":{"status":"open"},"at_step":1}'
wrong "a reason of a retry" reason '{"act":"retry","filter":{"status":"failed"},"reason":"why"}'
wrong "a fork without a step" at_step '{"act":"fork","filter":{"status":"over"}}'
wrong "an input that is none" input '{"act":"fork","filter":{"status":"over"},"at_step":0,"input":[]}'
same "a member that nobody knows" 400 "$(bulk '{"act":"cancel","filter":{"status":"open"},"all":true}')"
has out '"field":"all"'
same "none of it was asked of the gate" 0 "$(audited run.cancel)"

# ---- a preview ----
runs=$(ask "SELECT count(*) FROM run")
same "a preview" 200 "$(bulk '{"act":"cancel","filter":{"agent":"waiter"},"preview":true,"limit":2}')"
same "says how many there are" 3 "$(count .matched)"
same "how many it would be" 2 "$(count .would)"
same "and which" "$(names --agent waiter | head -2 | tr '\n' ' ')" "$(count '[.items[].run] | join(" ") + " "')"
same "as the command line does" "$(reeve run cancel --agent waiter --limit 2 --json | jq -cS . | tr '\n' ' ')" \
    "$(jq -cS '.items[]' "$state/out" | tr '\n' ' ')"
over=$(names done --agent quick)
open=$(names --agent sleeper)
same "of runs by name" 200 "$(bulk "{\"act\":\"cancel\",\"runs\":[\"$open\",\"${over#r_}\",\"r_42\"],\"preview\":true}")"
same "why others would not" "conflict not_found" "$(count '[.items[] | select(.code) | .code] | join(" ")')"
has out "run $over is over: done"
has out "no run r_42"
same "that is all" "1 2" "$(count '"\(.would) \(.refused)"')"
same "nothing waits for it" 200 "$(bulk '{"act":"cancel","filter":{"agent":"waiter","waiting_on":"timer"},"preview":true}')"
same "which is no mistake" 0 "$(count .matched)"
same "a preview of a retry" 200 "$(bulk '{"act":"retry","filter":{"agent":"breaker"},"preview":true}')"
same "has all" "$failed $failed" "$(count '"\(.matched) \(.would)"')"
same "one that waits is none of them" 200 "$(bulk "{\"act\":\"retry\",\"runs\":[\"$open\"],\"preview\":true}")"
same "" "0 conflict" "$(count '"\(.would) \(.items[0].code)"')"
same "a preview of a fork" 200 "$(bulk '{"act":"fork","at_step":99,"filter":{"agent":"quick"},"preview":true}')"
same "says that there is no such step" "0 invalid" "$(count '"\(.would) \(.items[0].code)"')"
same "a run without an exception has nothing to retry" conflict \
    "$(psql "$uri" -Atqc "SET reeve.tenant = 1; UPDATE run SET status = 'failed' WHERE id = ${over#r_}" && send POST "/v1/runs/$over/retry" '{"preview":true}' >/dev/null && count .code)"
has out "was not begun for an exception"
psql "$uri" -Atqc "SET reeve.tenant = 1; UPDATE run SET status = 'done' WHERE id = ${over#r_}"
same "no preview has done anything" "$runs 0" "$(ask "SELECT count(*) FROM run") $(audited run.cancel)"

# ---- who may ----
token=$(token_of looker)
same "who reads may not" 403 "$(bulk '{"act":"cancel","filter":{"agent":"waiter"},"preview":true}')"
token=$(token_of clerk)
same "nor may a clerk" 403 "$(bulk '{"act":"cancel","filter":{"agent":"waiter"}}')"
same "retry one" 403 "$(send POST "/v1/runs/$open/retry" '{}')"
same "or fork one" 403 "$(send POST "/v1/runs/$open/fork" '{"at_step":0}')"
token=$(token_of operator)
sed 's/"run.cancel", "run.signal"/"run.signal"/' policies/default.lua >"$state/strict.lua"
gives 0 "a policy without cancels" reeve policy load "$state/strict.lua"
same "the gate is asked" 202 "$(bulk '{"act":"cancel","filter":{"agent":"waiter"}}')"
same "for each of them" "0 3 denied" "$(count '"\(.done) \(.refused) \(.items[0].code)"')"
gives 3 "as by the command line" reeve run cancel --agent waiter --yes --as operator
gives 0 "the policy of before" reeve policy load policies/default.lua

# ---- cancel ----
gives 0 "one, by the command line" reeve run cancel "$(names --agent waiter | tail -1)" --yes --as operator --reason "wrong month"
by_line=$(last_record run.cancel)
before=$(audited run.cancel)
until_is "is cancelled" 1 "SELECT count(*) FROM run WHERE status = 'cancelled'"
same "the others" 202 "$(bulk '{"act":"cancel","filter":{"agent":"waiter","waiting_on":"signal"},"reason":"wrong month"}')"
same "are asked to stop" "2 2 0 true" "$(count '"\(.matched) \(.done) \(.refused) \(.items[0].asked_to_stop)"')"
until_is "and stop" 3 "SELECT count(*) FROM run WHERE status = 'cancelled' AND error_text LIKE '%wrong month%'"
same "each is on the record" $((before + 2)) "$(audited run.cancel)"
same "with the same words" "$by_line" "$(last_record run.cancel)"
same "the other agent's run is left alone" waiting "$(ask "SELECT status FROM run WHERE id = ${open#r_}")"

# ---- retry ----
agent breaker '"F12", "F04"' '  ctx:note("it is well again")'
one=$(names failed --agent breaker | head -1)
same "one is retried" 202 "$(send POST "/v1/runs/$one/retry" '{}')"
same "as a new run" "$one true" "$(count '"\(.run) \(.retried)"')"
new=$(count .new_run)
same "with its number" "$new" "r_$(count .id)"
until_is "that is well" done "SELECT status FROM run WHERE id = ${new#r_}"
same "one that is not there" 404 "$(send POST /v1/runs/r_42/retry '{}')"
same "one that is done" 409 "$(send POST "/v1/runs/$new/retry" '{}')"
same "a member that nobody knows" 400 "$(send POST "/v1/runs/$one/retry" '{"agent":"x"}')"
same "some" 202 "$(bulk '{"act":"retry","filter":{"agent":"breaker","older":1},"limit":1000}')"
same "are retried" true "$(count '.done > 0 and ([.items[] | select(.retried) | .new_run] | length) == .done')"
until_is "and are well, the first one's exception for the second time" $((failed + 1)) "SELECT count(*) FROM run WHERE agent = 'breaker' AND status = 'done'"

# ---- fork ----
same "one is forked" 202 "$(send POST "/v1/runs/$over/fork" '{"at_step":0}')"
new=$(count .new_run)
same "" "$over true r_$(count .id)" "$(count '"\(.run) \(.forked) \(.new_run)"')"
until_is "and goes its way" done "SELECT status FROM run WHERE id = ${new#r_}"
same "a preview of one" 200 "$(send POST "/v1/runs/$over/fork" '{"at_step":0,"preview":true}')"
same "forks none" false "$(count .forked)"
same "a step that is not there" 400 "$(send POST "/v1/runs/$over/fork" '{"at_step":99}')"
has out '"field":"at_step"'
same "no step" 400 "$(send POST "/v1/runs/$over/fork" '{}')"
has out '"field":"at_step"'
same "an open one" 409 "$(send POST "/v1/runs/$open/fork" '{"at_step":0}')"
same "one that is not there" 404 "$(send POST /v1/runs/42/fork '{"at_step":0}')"
same "with another input" 202 "$(bulk "{\"act\":\"fork\",\"at_step\":0,\"runs\":[\"$over\",\"$open\"],\"input\":{\"n\":2}}")"
same "the open one is not" "1 1 conflict" "$(count '"\(.done) \(.refused) \([.items[].code // empty] | join(" "))"')"
new=$(count '.items[] | select(.forked) | .new_run')
until_is "the other one is" '{"n": 2}' "SELECT i.input->'exception' FROM run r CROSS JOIN LATERAL run_given(r.tenant_id, r.id, r.input) i WHERE r.id = ${new#r_} AND r.status = 'done'"
same "each is on the record" 2 "$(ask "SELECT count(DISTINCT run_id) FROM audit_record a JOIN run r ON r.tenant_id = 1 AND r.id = a.run_id
    CROSS JOIN LATERAL run_given(r.tenant_id, r.id, r.input) i WHERE i.input ? 'forked'
     AND a.body::jsonb @> '{\"action\":\"run.start\",\"kind\":\"decision\",\"principal\":\"person:operator\",\"verdict\":\"allow\"}'")"

# ---- a name that never was, elsewhere ----
same "a list of an agent that never was" 400 "$(send GET '/v1/runs?agent=nobody')"
has out '"field":"agent"'
has out 'reeve agent list'
same "of one that is" 200 "$(send GET '/v1/runs?agent=quick&status=failed')"
same "of which none is such" 0 "$(count '.items | length')"
gives 1 "by the command line" reeve run list --agent nobody
has err 'no agent "nobody", and never was'
has err 'reeve agent list'
gives 1 "nothing is cancelled, either" reeve run cancel --agent nobody --yes
gives 1 "nor revived" reeve run revive --agent nobody
gives 1 "no view is kept of it" reeve run list --agent nobody --save none
gives 0 "none of one that is" reeve run list failed --agent quick
# ---- texts that are not UTF-8 ----
for list in 'runs?agent' 'runs?key' 'runs?role' 'runs?waiting_on' 'dead-letters?agent'; do
    same "GET $list" 400 "$(send GET "/v1/$list=m%fcller")"
    has out 'is not valid UTF-8'
    has out "\"field\":\"${list#*\?}\""
done
for path in runs/7/values/m%fcller models/m%fcller exceptions/%ff; do
    same "GET $path" 404 "$(send GET "/v1/$path")"
    has out 'not valid UTF-8'
done
same "a text with U+0000" 400 "$(send POST /v1/runs '{"agent":"a\u0000b"}')"
has out 'the character U+0000'

# ---- words that a list does not know ----
errors="invalid not_found conflict denied limit timeout canceled io protocol unavailable corrupt refused rejected expired void interrupted diverged"
for word in $errors; do
    same "runs whose error is $word" "200 200" "$(send GET "/v1/runs?error=$word") $(send GET "/v1/dead-letters?error=$word")"
done
for list in runs dead-letters; do
    same "$list whose error is none" 400 "$(send GET "/v1/$list?error=cancelled")"
    has out '"field":"error"'
    has out "$errors"
done
for command in "run list" "run cancel" "run retry" "run fork --at-step 0" "run dead" "run revive"; do
    # shellcheck disable=SC2086 # words
    gives 2 "$command: an error that is none" reeve $command --error cancelled
    has err "$errors"
done
gives 2 "no view is kept of it" reeve run list --error oops --save none
same "what runs have ended by is one of them" "invalid" "$(ask "SELECT string_agg(DISTINCT error_code, ' ') FROM run
    WHERE status = 'failed'")"
for word in budget plan permission books passing version standing unread; do
    same "dead letters of class $word" 200 "$(send GET "/v1/dead-letters?class=$word")"
done
same "... of one that is none" 400 "$(send GET '/v1/dead-letters?class=dead')"
has out '"field":"class"'
has out 'budget plan permission books passing version standing unread'
for word in active paused ended broken; do
    same "schedules that are $word" 200 "$(send GET "/v1/schedules?status=$word")"
done
same "... that are idle" 400 "$(send GET '/v1/schedules?status=idle')"
has out '"field":"status"'
has out 'active paused ended broken'
same "... revived or not" 400 "$(send GET '/v1/dead-letters?revived=yes')"
has out '"field":"revived"'
for list in "approval list open" "exception list closed" "intent list idle" "run list opne" "run dead --class dead"; do
    # shellcheck disable=SC2086
    gives 2 "$list" reeve $list
    has err 'Write one of: '
done
gives 0 "all intents" reeve intent list all

# ---- whose they are ----
gives 0 "another company" reeve company create other
gives 0 "its operator" reeve person add stranger --roles operator --company other
psql "$uri" -q <<'SQL' >/dev/null
SET reeve.tenant = 2;
INSERT INTO run (tenant_id, id, agent, plan_hash, status) SELECT 2, n, 'many', '\x00', 'done' FROM generate_series(1, 50000) AS n;
ANALYZE run;
SQL
same "a name that never was is looked up in an index, however many runs there are" "run_agent" "$(psql "$uri" -Atq <<'SQL' | grep -o 'Seq Scan on run\|run_agent\|Sort' | tr '\n' ' ' | sed 's/ $//'
SET ROLE reeve_app; SET reeve.tenant = 2; SET plan_cache_mode = force_generic_plan;
PREPARE known (int, text) AS SELECT true FROM run r WHERE r.tenant_id = $1 AND r.agent = $2 ORDER BY r.span DESC LIMIT 1;
EXPLAIN EXECUTE known (2, 'nobody');
SQL
)"
token=$(token_of stranger other)
same "another company's run is not there" 404 "$(send POST "/v1/runs/$over/fork" '{"at_step":0}')"
same "nor among many" 200 "$(bulk "{\"act\":\"cancel\",\"runs\":[\"$open\"],\"preview\":true}")"
same "" not_found "$(count '.items[0].code')"
gives 0 "the record is whole" reeve audit verify --company acme
kill "$served"
wait "$served"
same "it stops in order" 0 $?
served=
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
