#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# begin.sh -- runs that no exception asks for: begun from the command line, through HTTP and by schedules; with the
# real program and PostgreSQL, also when it is killed under way.
# usage: begin.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"

mkdir "$state/closer"
cat >"$state/closer/agent.lua" <<'LUA'
-- closes a period: publishes what it was given, waits when it is told to, fails when it is told to
local agent = { name = "closer", version = "1", handles = {}, uses = { "exception.note" }, limits = { steps = 50 } }
function agent.plan(ctx, input)
  ctx:publish("given", input)
  if input.wait then ctx:publish("told", ctx:signal("go", 3600)) end
  if input.fail then error("asked to fail") end
  ctx:note("period " .. tostring(input.period))
end
return agent
LUA

company operator:operator clerk:clerk manager:ap.manager controller:controller treasurer:treasurer buyer:buyer
gives 0 "its policy" reeve policy load policies/default.lua
gives 0 "the agent" reeve agent publish "$state/closer/agent.lua"

# ---- the command line ----
gives 0 "a run with an input is begun and driven to its end" \
    reeve run start closer --as operator --input '{"period": "2026-10"}' --key period:2026-10 --wait 30
has out "  done"
run=$(run_of)
gives 0 "the plan got the input" reeve run query "$run"
has out 'given = {"period":"2026-10"}'
printf '{"period": "2026-11", "wait": true}' >"$state/input.json"
gives 0 "an input from a file" reeve run start closer --as operator --input "$state/input.json" --key period:2026-11
run=$(run_of)
gives 1 "while a run has the key no second one begins" reeve run start closer --as operator --key period:2026-11
has err "$run"
has err "agent closer"
gives 0 "it waits" reeve run work
gives 2 "signals with a dollar are reeve's own" reeve run signal "$run" "\$cancel"
gives 0 "a signal" reeve run signal "$run" go --as operator --body '{"word": "on"}'
gives 0 "wakes it" reeve run work
gives 0 "and the plan has taken it" reeve run query "$run"
has out 'told = {"word":"on"}'
gives 1 "a run that is over takes none" reeve run signal "$run" go --as operator
has err "is over: done"
gives 1 "a run that fails says so" reeve run start closer --as operator --input '{"fail": true}' --wait 30
has out "  failed: "
gives 1 "and why, for programs, too" reeve run start closer --as operator --input '{"fail": true}' --wait 30 --json
same "in a sentence" string "$(jq -r '.error | type' "$state/out")"
gives 0 "runs of a status by the option" reeve run list --status failed
cp "$state/out" "$state/listed"
gives 0 "or the argument" reeve run list failed
same "are the same" "$(cat "$state/listed")" "$(cat "$state/out")"
gives 2 "but not both" reeve run list failed --status done
gives 2 "nothing to replay" reeve run replay
has err "name a RUN, or a --file"
audit=$(ask "SELECT audit_size FROM tenant_head")
runs=$(ask "SELECT count(*) FROM run")
printf '{"lines": [{}, {"text": "%0300000d"}]}' 0 >"$state/large.json"
gives 2 "what no plan can be given is refused" reeve run start closer --as operator --input "$state/large.json"
has err "input/lines/1/text: 300000 bytes of text; a plan takes at most 262080 in one piece"
has err "reeve blob put"
gives 2 "nor told" reeve run signal "$run" go --as operator --body "$state/large.json"
has err "--body/lines/1/text: 300000 bytes"
gives 2 "an input that is no object" reeve run start closer --input '{"a":'
gives 1 "a file that is not there" reeve run start closer --input nothing.json
has err "or the name of a file"
gives 2 "neither an agent nor an exception" reeve run start
gives 2 "both" reeve run start closer --exception ab --key x
gives 2 "a key of reeve's own" reeve run start closer --as operator --key exception:ab
has err "reeve's own"
gives 1 "an agent that is not there" reeve run start nobody --as operator
has err "no active agent is named nobody"
same "wrong input leaves no run and no record" "$audit $runs" \
    "$(ask "SELECT audit_size || ' ' || (SELECT count(*) FROM run) FROM tenant_head")"
gives 3 "a clerk may not" reeve run start closer --as clerk
same "and that is on the record" "t $runs" \
    "$(ask "SELECT (audit_size > $audit) || ' ' || (SELECT count(*) FROM run) FROM tenant_head" | sed 's/^true/t/')"

# ---- through HTTP ----
serve
token=$(token_of operator)
same "an input through HTTP" 202 "$(send POST /v1/runs '{"agent":"closer","input":{"period":"2026-12"},"key":"period:12"}')"
run=$(sed -n 's/.*"id":"\([0-9]*\)".*/\1/p' "$state/out")
until_is "is run" done "SELECT status FROM run WHERE id = $run"
printf '{"agent": "closer", "input": {"t": "%01048500d"}}' 0 >"$state/large.json"
same "one that no plan can be given" 400 "$(send POST /v1/runs "@$state/large.json")"
has out '"field":"input"'
has out "input/t: 1048500 bytes of text"
same "an input must be an object" 400 "$(send POST /v1/runs '{"agent":"closer","input":[1]}')"
has out '"field":"input"'
same "a key of reeve's own is refused" 400 "$(send POST /v1/runs '{"agent":"closer","key":"exception:ab"}')"
has out '"field":"key"'
same "an exception excludes an input" 400 "$(send POST /v1/runs '{"exception":"ab","input":{}}')"
same "an agent that is not there" 404 "$(send POST /v1/runs '{"agent":"nobody","input":{}}')"
same "waits" 202 "$(send POST /v1/runs '{"agent":"closer","input":{"wait":true},"key":"period:13"}')"
same "a key that is taken" 409 "$(send POST /v1/runs '{"agent":"closer","key":"period:13"}')"
has out "agent closer"

# ---- by schedules ----
gives 1 "a schedule of an agent that is not there" reeve schedule add s --cron '0 2 * * *' --agent nobody
has err "reeve agent list"
gives 2 "an input without an agent" reeve schedule add s --cron '0 2 * * *' --input '{}'
gives 0 "a schedule of an agent" reeve schedule add monthly --cron '0 2 1 * *' --agent closer --input '{"period": "last"}'
gives 0 "is due now" reeve schedule run monthly
until_is "and done when its run is" done "SELECT state FROM schedule_fire WHERE schedule = 'monthly'"
same "the run has the fire's number" done "$(ask "SELECT r.status FROM run r JOIN schedule_fire f ON f.id = r.id")"
gives 0 "the plan knows when it was due" \
    reeve run query "r_$(ask "SELECT id FROM schedule_fire WHERE schedule = 'monthly'")" given
has out '"name":"monthly"'
has out '"period":"last"'
printf '{"lines": [{}, {"text": "%0300000d"}]}' 0 >"$state/large.json"
gives 2 "what no plan can be given is refused" reeve schedule add large --cron '0 0 29 2 *' --agent closer --input "$state/large.json"
has err "input/lines/1/text: 300000 bytes"
gives 0 "another agent and input, in place" reeve schedule set monthly --input '{"period": "first"}'
same "the agent stays" 'closer {"period": "first"} 1' \
    "$(ask "SELECT concat(action, ' ', input, ' ', (SELECT count(*) FROM schedule_rule r WHERE r.schedule = s.name)) FROM schedule s WHERE name = 'monthly'")"
gives 1 "an agent that is not there" reeve schedule set monthly --agent nobody
has err "no active agent is named \"nobody\""
gives 2 "an input that no plan can be given" reeve schedule set monthly --input "$state/large.json"
gives 2 "nor one without an agent" reeve schedule set monthly --agent none --input '{}'
has err "it is for the run of an agent"
gives 0 "exceptions again" reeve schedule set monthly --agent none
same "without an input" 'exceptions.run {}' "$(ask "SELECT concat(action, ' ', input) FROM schedule WHERE name = 'monthly'")"
gives 2 "which needs an agent" reeve schedule set monthly --input '{"period": "first"}'
gives 0 "both at once" reeve schedule set monthly --agent closer --input '{"period": "last"}'
gives 0 "due once more" reeve schedule run monthly
until_is "the newest fire's plan has it" '{"period": "last"}' "SELECT (r.input->'exception') - 'schedule' FROM run r JOIN schedule_fire f
    ON f.id = r.id WHERE f.schedule = 'monthly' AND r.status = 'done' ORDER BY f.id DESC LIMIT 1"

gives 0 "one that fails" reeve schedule add failing --cron '* * * * * *' --agent closer --input '{"fail": true}' --pause-after 2
until_is "rests after two failures" paused "SELECT status FROM schedule WHERE name = 'failing'"
same "the log has the code that its runs have" "code=$(ask "SELECT DISTINCT error_code FROM run r JOIN schedule_fire f ON f.id = r.id AND f.schedule = 'failing' AND r.status = 'failed'")" \
    "$(grep SCHEDULE-FAILED "$state/log" | grep -o "code=[a-z_]*" | sort -u | head -1)"
gives 0 "and says why" reeve schedule list
has out "asked to fail"
same "as the record does, in the transaction that paused it" "system:schedule t" "$(ask "SELECT concat(a.body::jsonb->>'person',
    ' ', a.xmin = s.xmin AND a.body::jsonb->>'reason' = s.reason) FROM audit_record a JOIN schedule s
    ON s.name = a.body::jsonb->>'name' AND a.body::jsonb->>'what' = 'schedule.pause'")"
gives 0 "one whose runs wait" reeve schedule add waiting --cron '*/2 * * * * *' --agent closer --input '{"wait": true}' \
    --overlap cancel_other
until_is "is cancelled by the next" t \
    "SELECT count(*) > 0 FROM run r JOIN schedule_fire f ON f.id = r.id AND f.schedule = 'waiting' WHERE r.status = 'cancelled'"
same "which is why" "a later fire of its schedule is due (overlap cancel_other)" "$(ask "SELECT DISTINCT s.body->>'reason' FROM run_signal s
    JOIN schedule_fire f ON f.id = s.run_id AND f.schedule = 'waiting' WHERE s.name = '\$cancel'")"
gives 0 "it is due no more" reeve schedule set waiting --cron '0 0 29 2 *'

# ---- removed while its run is open ----
gives 0 "one whose run waits" reeve schedule add away --cron '0 0 29 2 *' --agent closer --input '{"wait": true}'
gives 0 "is due now" reeve schedule run away
until_is "its run waits" waiting "SELECT r.status FROM run r JOIN schedule_fire f ON f.id = r.id WHERE f.schedule = 'away'"
away=$(ask "SELECT id FROM schedule_fire WHERE schedule = 'away'")
gives 0 "is removed" reeve schedule remove away
has out "schedule away: removed; 1 under way, which go on"
sleep 12 # a beat of its node
same "its run goes on" waiting "$(ask "SELECT status FROM run WHERE id = $away")"
gives 0 "and takes its signal" reeve run signal "r_$away" go --as operator --body '{}'
until_is "to its end" done "SELECT status FROM run WHERE id = $away"

# ---- killed while a fire's run is open ----
gives 0 "one more whose run waits" reeve schedule add held --cron '0 0 29 2 *' --agent closer --input '{"wait": true}'
gives 0 "is due now" reeve schedule run held
until_is "its run waits" waiting "SELECT r.status FROM run r JOIN schedule_fire f ON f.id = r.id WHERE f.schedule = 'held'"
fire=$(ask "SELECT id FROM schedule_fire WHERE schedule = 'held'")
kill -9 "$served"
wait "$served" 2>/dev/null
psql "$uri" -qc "UPDATE schedule_fire SET lease_until = now() WHERE state = 'running'" # do not wait half a minute
serve
gives 0 "after a kill the run is told" reeve run signal "r_$fire" go --as operator
until_is "and the fire ends with it" "done done" \
    "SELECT f.state || ' ' || r.status FROM schedule_fire f JOIN run r ON r.id = f.id WHERE f.id = $fire"
same "no fire began two runs" 0 "$(ask "SELECT count(*) FROM run r WHERE r.id <> $away AND NOT EXISTS (SELECT FROM schedule_fire f WHERE f.id = r.id)
    AND EXISTS (SELECT FROM run_given(r.tenant_id, r.id, r.input) i WHERE i.input->'exception' ? 'schedule')")"
gives 0 "the record is whole" reeve audit verify
serve_ends
[ "$failures" = 0 ]
