#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# revive.sh -- dead letters that go on through HTTP, and with another message than the one that they could not digest;
# with the real program and PostgreSQL.
# usage: revive.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$state/out"; }
status_of() { echo "SELECT status FROM run WHERE id = ${1#r_}"; }
messages() { ask "SELECT string_agg(concat(name, ' ', body, ' ', sent_by), ', ' ORDER BY id) FROM run_signal WHERE run_id = ${1#r_}"; }
# a run that took the message and died of it
died() { # AGENT BODY [INPUT]
    reeve run start "$1" --as operator --input "${3:-{\}}" --wait 1 >"$state/out" 2>&1
    found=$(sed -n 's/^\(r_[0-9]*\)  .*/\1/p' "$state/out")
    reeve run signal "$found" go --as operator --body "$2" >/dev/null && reeve run work >/dev/null 2>&1
    [ "$(ask "$(status_of "$found")")" = failed ] || echo "FAIL  $1 $found is $(ask "$(status_of "$found")")" >&2
    echo "$found"
}

mkdir "$state/teller" "$state/starter"
cat >"$state/teller/agent.lua" <<'LUA'
-- says what it is told, and cannot say everything
local agent = { name = "teller", version = "1", handles = {}, uses = { "exception.note" }, limits = { steps = 50 } }
function agent.plan(ctx, input)
  ctx:publish("given", input)
  local told = ctx:signal("go", 3600)
  ctx:publish("told", told)
  if input.fail then error("asked to fail") end
  ctx:note("it says " .. told.word)
end
return agent
LUA
sed -e 's/"teller"/"starter"/' -e 's/  ctx:publish("told", told)/  ctx:start("teller", {}, { close = "abandon" })/' \
    "$state/teller/agent.lua" >"$state/starter/agent.lua"

company operator:operator clerk:clerk manager:ap.manager controller:controller treasurer:treasurer buyer:buyer
sed 's/^  permit { id = "integrator.publish"/  permit { id = "starter.starts", agents = "starter", action = "run.start" },\n&/' \
    policies/default.lua >"$state/policy.lua"
gives 0 "its policy" reeve policy load "$state/policy.lua"
gives 0 "an agent" reeve agent publish "$state/teller/agent.lua"
gives 0 "another one" reeve agent publish "$state/starter/agent.lua"
gives 0 "those that handle nothing are listed as well" reeve agent list
has out teller

# ---- another message, by the command line ----
run=$(died teller '{"wort":"well"}')
gives 0 "a run died of its message" reeve run dead "$run"
step=$(sed -n 's/.*"step": \([0-9]*\).*/\1/p' "$state/out")
gives 1 "as it is it would die again" reeve run revive "$run" --yes --as operator
has out "it would fail again"
has err "--message"
gives 2 "a message without a value" reeve run revive "$run" --message "$step" --reason typo
gives 2 "a value without a message" reeve run revive "$run" --value '{}' --reason typo
gives 2 "for all runs at once" reeve run revive --class plan --message "$step" --value '{}' --reason typo
gives 2 "without a reason" reeve run revive "$run" --message "$step" --value '{"word":"well"}'
has err "who replaced what, and why"
gives 2 "a value that is none" reeve run revive "$run" --message "$step" --value '{"word":' --reason typo
gives 1 "a step that took no message" reeve run revive "$run" --message 1 --value '{"word":"well"}' --reason typo
has out "took no message at step 1"
many=$(seq -s, 1 20000)
gives 1 "a value that no plan can be given" reeve run revive "$run" --message "$step" --value "{\"word\":[$many]}" --reason typo
has out "message/word"
gives 0 "a preview" reeve run revive "$run" --message "$step" --value '{"word":"well"}' --reason typo
has out "would go on after step 1"
same "makes nothing" 1 "$(ask "SELECT count(*) FROM run")"
gives 0 "it goes on with another message" reeve run revive "$run" --message "$step" --value '{"word":"well"}' --reason typo \
    --yes --json --as operator
new=$(field new_run)
gives 0 "is driven" reeve run work
same "and is done" done "$(ask "$(status_of "$new")")"
gives 0 "it was told the other thing" reeve run query "$new" told
has out '{"word":"well"}'
same "the first one keeps what it was told" 'go {"wort": "well"} operator' "$(messages "$run")"
same "the new one has its own, from who said so" 'go {"word": "well"} operator' "$(messages "$new")"
same "who, why, which, and what instead is on record" "operator typo $run $step {\"word\": \"well\"}" \
    "$(ask "SELECT concat_ws(' ', body::jsonb->>'person', body::jsonb->>'reason', body::jsonb->>'of', body::jsonb#>>'{message,step}',
        body::jsonb#>>'{message,body}') FROM audit_record WHERE body::jsonb->>'what' = 'run.revive'")"
gives 0 "both replay" reeve run replay "$run"
gives 0 "the new one, too" reeve run replay "$new"
gives 1 "not twice" reeve run revive "$run" --message "$step" --value '{"word":"well"}' --reason typo --yes --as operator
has out "goes on for $run already"
run=$(died starter '{"wort":"well"}')
gives 0 "a run that had started another one" reeve run dead "$run"
step=$(sed -n 's/.*"step": \([0-9]*\).*/\1/p' "$state/out")
gives 1 "would start it twice" reeve run revive "$run" --message "$step" --value '{"word":"well"}' --reason typo --yes --as operator
has out "stands, and would be done twice"

# ---- through HTTP ----
run=$(died teller '{"wort":"well"}')
late=$(died teller '{"word":"well"}' '{"fail":true}')
serve
token=$(token_of operator)
path=/v1/runs/${run#r_}/revive
same "a dead letter" 200 "$(send GET "/v1/dead-letters/${run#r_}")"
step=$(jq .message.step "$state/out")
same "with its message" '{"wort":"well"}' "$(jq -c .message.body "$state/out")"
same "the list has it" 200 "$(send GET '/v1/dead-letters?class=plan')"
has out "\"$run\""
runs=$(ask "SELECT count(*) FROM run")
same "a field that nobody knows" 400 "$(send POST "$path" '{"note":"x"}')"
has out '"field":"note"'
same "... of the message" 422 "$(send POST "$path" '{"message":{"step":3,"text":1},"reason":"typo"}')"
has out '"field":"text"'
same "a message without a step" 422 "$(send POST "$path" '{"message":{"body":1},"reason":"typo"}')"
has out '"field":"message.step"'
same "... without a body" 422 "$(send POST "$path" '{"message":{"step":3},"reason":"typo"}')"
has out '"field":"message.body"'
same "... without a reason" 422 "$(send POST "$path" "{\"message\":{\"step\":$step,\"body\":1}}")"
has out '"field":"reason"'
same "a step that took none" 422 "$(send POST "$path" '{"message":{"step":1,"body":1},"reason":"typo"}')"
has out '"field":"message"'
same "a message that is none" 422 "$(send POST "$path" '{"message":[],"reason":"typo"}')"
same "an input that is none" 422 "$(send POST "$path" '{"input":[]}')"
has out '"field":"input"'
same "a reason without words" 422 "$(send POST "$path" '{"reason":""}')"
head -c 1100000 /dev/zero | tr '\0' 'x' >"$state/large"
same "a body that is too large" 413 "$(send POST "$path" "@$state/large")"
same "as it is it would die again" 409 "$(send POST "$path" '{}')"
has out "it would fail again"
same "what is no dead letter" 404 "$(send POST "/v1/runs/${new#r_}/revive" '{}')"
same "nor is that shown" 404 "$(send GET "/v1/dead-letters/${new#r_}")"
same "a run that is not there" 404 "$(send POST /v1/runs/42/revive '{}')"
wish="{\"reason\":\"typo\",\"message\":{\"step\":$step,\"body\":{\"word\":\"better\"}}"
same "a preview" 200 "$(send POST "$path" "$wish,\"preview\":true}")"
has out '"revived":false'
token=$(token_of clerk)
same "a clerk may look" 200 "$(send GET "/v1/dead-letters/${run#r_}")"
same "but not revive" 403 "$(send POST "$path" "$wish}")"
same "none of this made a run" "$runs" "$(ask "SELECT count(*) FROM run")"
token=$(token_of operator)
same "it goes on with another message" 202 "$(send POST "$path" "$wish}")"
new=$(field new_run)
until_is "and is done" done "$(status_of "$new")"
same "having heard that" 200 "$(send GET "/v1/runs/${new#r_}/values/told")"
has out '"better"'
same "the first one keeps what it was told" 'go {"wort": "well"} operator' "$(messages "$run")"
same "again is a conflict" 409 "$(send POST "$path" "$wish}")"
has out "goes on for $run already"
same "another one with another input" 202 "$(send POST "/v1/runs/${late#r_}/revive" '{"input":{"fail":false},"reason":"now it may"}')"
new=$(field new_run)
until_is "is done, its message carried along" done "$(status_of "$new")"
same "with the reason on the record" "operator now it may" "$(ask "SELECT concat(body::jsonb->>'person', ' ', body::jsonb->>'reason')
    FROM audit_record WHERE body::jsonb->>'what' = 'run.revive' AND run_id = ${new#r_}")"
# ---- dead before its first step ----
mkdir "$state/stumbler"
cat >"$state/stumbler/agent.lua" <<'LUA'
-- fails before it has done anything
local agent = { name = "stumbler", version = "1", handles = {}, uses = {} }
function agent.plan()
  local nothing = nil
  return nothing.there
end
return agent
LUA
gives 0 "an agent with a mistake" reeve agent publish "$state/stumbler/agent.lua"
reeve run start stumbler --as operator --wait 5 >"$state/out" 2>&1
stumbled=$(sed -n 's/^\(r_[0-9]*\)  .*/\1/p' "$state/out")
gives 0 "its run dies at once" reeve run dead "$stumbled"
gives 1 "it would die again, and is not begun" reeve run revive "$stumbled" --yes --as operator
has out "it would fail again"
gives 0 "it replays to its end" reeve run replay "$stumbled"
has out failed

same "its name is as good as its number" 200 "$(send GET "/v1/runs/$stumbled")"

# ---- whose it is ----
gives 0 "another company" reeve company create other
gives 0 "its operator" reeve person add stranger --roles operator --company other
token=$(token_of stranger other)
same "another company's dead letter is not there" 404 "$(send GET "/v1/dead-letters/${run#r_}")"
same "nor revived" 404 "$(send POST "$path" '{}')"
gives 0 "the record is whole" reeve audit verify --company acme
serve_ends
[ "$failures" = 0 ]
