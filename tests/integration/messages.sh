#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# messages.sh -- published values, updates that are checked and answered, dead letters that go on; with the real
# program and PostgreSQL, from the command line and through HTTP.
# usage: messages.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
status() { ask "SELECT status FROM run WHERE id = ${1#r_}"; }
counts() { ask "SELECT (SELECT count(*) FROM run_update) || ' ' || (SELECT count(*) FROM run_signal) || ' ' || (SELECT audit_size FROM tenant_head)"; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$state/out"; }

mkdir -p "$state/desk" "$state/broken" "$state/holder" "$state/saver" "$state/thrifty"
cat >"$state/desk/agent.lua" <<'LUA'
-- tells how it stands, and takes deliveries until the last one
local agent = { name = "desk", version = "1", handles = { "F04" }, uses = { "exception.note" }, limits = { steps = 400 },
  updates = {
    deliver = { type = "object", required = { "day", "items" }, properties = {
      day = { type = "string", format = "date" },
      items = { type = "array", maxItems = 3, items = { type = "integer", minimum = 1 } },
      last = { type = "boolean" }, note = { type = "string", maxLength = 100000 } } },
  } }
function agent.plan(ctx, exception)
  local seen = 0
  local ok, why, code = ctx:publish("big", ("x"):rep(70000))
  ctx:publish("state", { phase = "waits", seen = seen, big = tostring(ok) .. " " .. tostring(code) })
  while true do
    local update, problem = ctx:update("deliver", 86400)
    if not update then break end
    if update.body.day < "2026-01-01" then
      ctx:refuse(update, "before this year")
    else
      for _, item in ipairs(update.body.items) do seen = seen + item end
      ctx:publish("state", { phase = "waits", seen = seen })
      ctx:publish("last", update.body.day)
      if update.body.last then
        ctx:signal("end", 86400)
        if update.body.note ~= "silent" then ctx:reply(update, { seen = seen, by = update.by }) end
        break
      end
      local told, _, why = ctx:reply(update, { seen = seen, by = update.by })
      if not told then ctx:refuse(update, "my answer was refused: " .. why) end
    end
  end
  ctx:publish("state", { phase = "over", seen = seen })
  return ctx:plan():add("exception.note", { key = exception.key, text = "seen " .. seen },
    { reason = "told", evidence = { "seen " .. seen } })
end
return agent
LUA
# acts, then is refused: what it did is taken back
cat >"$state/broken/agent.lua" <<'LUA'
local agent = { name = "broken", version = "1", handles = { "F12" }, uses = { "exception.note", "invoice.reject" } }
function agent.plan(ctx, exception)
  local told = ctx:signal("go", 86400)
  ctx:note("went " .. told.word)
  local invoice = exception.invoice or told.invoice
  return ctx:plan():add("exception.note", { key = exception.key, text = "first" }, { reason = "first" })
    :add("invoice.reject", { invoice = invoice, reason = "there is none" }, { reason = "second" }):summary("of " .. invoice)
end
return agent
LUA
# fails where it stands, always
cat >"$state/holder/agent.lua" <<'LUA'
local agent = { name = "holder", version = "1", handles = { "F02" }, uses = { "exception.note" } }
function agent.plan(ctx, exception)
  ctx:note("looked")
  ctx:note("at " .. exception.code)
  if exception.code ~= "FIXED" then error("this plan cannot do " .. exception.code) end
  return ctx:plan():add("exception.note", { key = exception.key, text = "done at last" }, { reason = "done" }):summary("at last")
end
return agent
LUA
sed -e 's/version = "1"/version = "2"/' -e 's/exception.code ~= "FIXED"/false/' "$state/holder/agent.lua" >"$state/holder-2.lua"
# has five steps to spend, and each thing it tells is one
cat >"$state/thrifty/agent.lua" <<'LUA'
local agent = { name = "thrifty", version = "1", handles = { "F01" }, uses = { "exception.note" }, limits = { steps = 5 } }
function agent.plan(ctx, exception)
  for n = 1, 20 do ctx:publish("n", n) end
  return ctx:plan()
end
return agent
LUA
reeve company create acme >/dev/null && reeve policy load policies/default.lua >/dev/null || exit 1
for name in desk broken holder thrifty; do
    reeve agent publish "$state/$name/agent.lua" >/dev/null || exit 1
done
uri=$(reeve db uri)
company=scripts/demo/company
reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml >/dev/null || exit 1
reeve exception run --no-post >/dev/null 2>&1
run=$(ask "SELECT 'r_' || min(id) FROM run WHERE agent = 'desk'")
broken=$(ask "SELECT 'r_' || min(id) FROM run WHERE agent = 'broken'")
holder=$(ask "SELECT 'r_' || min(id) FROM run WHERE agent = 'holder'")
thrifty=$(ask "SELECT 'r_' || min(id) FROM run WHERE agent = 'thrifty'")
if [ -z "$run" ] || [ -z "$broken" ] || [ -z "$holder" ] || [ -z "$thrifty" ]; then
    echo "FAIL  the runs: $run $broken $holder $thrifty"
    ask "SELECT agent, status, error_text FROM run"
    exit 1
fi

# a manifest whose schema is none is refused at its place
sed 's/maxItems = 3, //; s/type = "boolean"/type = "maybe"/' "$state/desk/agent.lua" >"$state/bad.lua"
gives 1 "a schema that is none" reeve agent check "$state/bad.lua"
has err "\"/properties/last/type\" \"maybe\" is not a type"
gives 2 "is not published either" reeve agent publish "$state/bad.lua"
# shellcheck disable=SC2016  # the name is "$x"
sed 's/updates = {/updates = { ["$x"] = { type = "data" },/' "$state/desk/agent.lua" >"$state/bad.lua"
gives 1 "nor a name of reeve's own" reeve agent check "$state/bad.lua"

mkdir "$state/desk/cases"
cat >"$state/desk/cases/told.lua" <<'LUA'
local function update(id, body) return { ask = "update", args = { name = "deliver" }, value = { id = id, body = body, by = "x" } } end
local function state(phase, seen) return { ask = "publish", args = { name = "state", value = { phase = phase, seen = seen } }, value = true } end
local first = { { ask = "publish", args = { name = "big" }, error = "limit" }, state("waits", 0) }
local last = { { ask = "update", error = "timeout" } }
local note = { { action = "exception.note" } }
local function all(...)
  local list = {}
  for _, part in ipairs { ... } do for _, answer in ipairs(part) do list[#list + 1] = answer end end
  return list
end
return {
  { name = "an update is answered, another refused", exception = { key = ("0"):rep(64), code = "F04" },
    answers = all(first, { update("a", { day = "2026-01-02", items = { 2 } }), state("waits", 2), { ask = "publish", value = true },
      { ask = "reply", args = { id = "a", result = { seen = 2 } }, value = true },
      update("b", { day = "2025-01-02", items = { 2 } }), { ask = "refuse", args = { id = "b" }, value = true } },
      last, { state("over", 2) }), actions = note },
  { name = "an answer that is too long is no answer", exception = { key = ("0"):rep(64), code = "F04" },
    answers = all(first, { update("a", { day = "2026-01-02", items = { 2 } }), state("waits", 2), { ask = "publish", value = true },
      { ask = "reply", error = "limit" }, { ask = "refuse", args = { id = "a", reason = "my answer was refused: limit" }, value = true } },
      last, { state("over", 2) }), actions = note },
  { name = "the same update is answered once", exception = { key = ("0"):rep(64), code = "F04" },
    answers = all(first, { update("a", { day = "2025-01-02", items = {} }), { ask = "refuse", value = true },
      update("a", { day = "2025-01-02", items = {} }) }), fails = 'update "a" was answered before' },
}
LUA
gives 0 "cases of what is told" reeve agent test "$state/desk"
has err '3 cases passed'

# values
before=$(ask "SELECT changed_at FROM run WHERE id = ${run#r_}")
gives 0 "values of a run that waits" reeve run query "$run"
has out 'state = {'
has out '"phase":"waits"'
has out '"big":"nil limit"'
gives 0 "one of them" reeve run query "$run" state --json
has out '"seen":0'
gives 1 "one that is none" reeve run query "$run" nothing
has err 'has published "nothing"'
gives 1 "what was too large is none" reeve run query "$run" big
gives 1 "a run that is none" reeve run query r_42
gives 2 "a name that is none" reeve run query what
same "nobody was woken" "$before" "$(ask "SELECT changed_at FROM run WHERE id = ${run#r_}")"
same "each thing that is told is a step" failed "$(status "$thrifty")"
gives 0 "and what was told stays" reeve run query "$thrifty" n
has out 5
same "of five" 5 "$(ask "SELECT count(*) FROM journal WHERE run_id = ${thrifty#r_} AND kind = 21")"

# updates that are wrong cost nothing
before=$(counts)
good='{"day":"2026-02-03","items":[1,2]}'
gives 2 "a name that is no text" reeve run update "$run" "$(printf '\377')" --body "$good"
gives 2 "an update that the agent does not take" reeve run update "$run" change --body "$good"
has err 'takes no update "change"'
has err 'It takes: deliver'
gives 2 "a body without what is required" reeve run update "$run" deliver --body '{"day":"2026-02-03"}'
has err '"/items" is required'
gives 2 "a wrong type" reeve run update "$run" deliver --body '{"day":"2026-02-03","items":["a"]}'
has err '"/items/0" is not of type integer'
gives 2 "a wrong format" reeve run update "$run" deliver --body '{"day":"tomorrow","items":[1]}'
has err 'is no date'
gives 2 "too many" reeve run update "$run" deliver --body '{"day":"2026-02-03","items":[1,2,3,4]}'
gives 2 "a field that is unknown" reeve run update "$run" deliver --body '{"day":"2026-02-03","items":[1],"colour":"red"}'
gives 2 "a body that is no object" reeve run update "$run" deliver --body '[1]'
gives 2 "a body that is no JSON" reeve run update "$run" deliver --body '{'
gives 2 "an id with a blank" reeve run update "$run" deliver --id 'a b' --body "$good"
gives 1 "one that is too large" reeve run update "$run" deliver --body "{\"day\":\"2026-02-03\",\"items\":[1],\"note\":\"$(head -c 70000 /dev/zero | tr '\0' x)\"}"
has err 'at most 65536 are allowed'
gives 1 "a run that is none" reeve run update r_42 deliver --body "$good"
gives 1 "a run that is over" reeve run update "$thrifty" deliver --body "$good"
has err 'is over: failed'
gives 2 "a wait that is too long" reeve run update "$run" deliver --body "$good" --wait 61
same "nothing was written" "$before" "$(counts)"
gives 3 "who may not is refused" sh -c "'$reeve_program' person add nobody --roles auditor >/dev/null; '$reeve_program' run update '$run' deliver --body '$good' --as nobody"
same "and nothing was sent" 0 "$(ask "SELECT count(*) FROM run_update")"

# accepted once, answered
gives 0 "an update, with its answer" reeve run update "$run" deliver --body "$good" --id one --wait 30 --json
has out '"state":"answered"'
has out '"seen":3'
has out '"by":"console"'
gives 0 "the same again" reeve run update "$run" deliver --body "$good" --id one --json
has out '"seen":3'
same "was sent once" 1 "$(ask "SELECT count(*) FROM run_signal WHERE name = '\$update.deliver'")"
gives 1 "the id for something else" reeve run update "$run" deliver --body '{"day":"2026-02-04","items":[1]}' --id one
has err 'was used for another update'
gives 1 "what the run refuses" reeve run update "$run" deliver --body '{"day":"2025-02-03","items":[1]}' --id old --wait 30
has out 'refused: before this year'
gives 0 "one is read later" reeve run update "$run" --id one
has out 'answered'
gives 1 "one that is none" reeve run update "$run" --id none
gives 0 "accepted, without waiting" reeve run update "$run" deliver --body '{"day":"2026-03-01","items":[4]}' --id two --json
has out '"state":"accepted"'
reeve run work >/dev/null 2>&1
gives 0 "and answered by the time it works" reeve run update "$run" --id two --json
has out '"seen":7'
gives 0 "all of a run" reeve run update "$run"
has out "one  deliver  answered"
gives 0 "what it published meanwhile" reeve run query "$run" state
has out '"seen":7'
same "on the record" t "$(ask "SELECT count(*) >= 3 FROM audit_record WHERE run_id = ${run#r_} AND body LIKE '%\"run.update\"%'")"
gives 0 "a run that is open replays" reeve run replay "$run"

# through HTTP, and at the end
reeve person add op --roles operator >/dev/null 2>&1
token=$(reeve token make op --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/')
serve
http() { # METHOD PATH [BODY]: the status, then the body, in $state/out
    curl -s -X "$1" "$base$2" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
        ${3:+--data "$3"} -w '\n%{http_code}\n' >"$state/out" 2>&1
    tail -1 "$state/out"
}
same "values through HTTP" 200 "$(http GET "/v1/runs/${run#r_}/values")"
has out '"phase"'
same "one of them" 200 "$(http GET "/v1/runs/${run#r_}/values/state")"
same "one that is none" 404 "$(http GET "/v1/runs/${run#r_}/values/none")"
same "an update that is wrong" 400 "$(http POST "/v1/runs/${run#r_}/updates" '{"name":"deliver","body":{"day":"2026-02-03"}}')"
has out '"field"'
has out 'is required'
same "without a name" 400 "$(http POST "/v1/runs/${run#r_}/updates" '{"body":{}}')"
same "with a member that is none" 400 "$(http POST "/v1/runs/${run#r_}/updates" '{"name":"deliver","bdoy":{}}')"
same "with an id that is no text" 400 "$(http POST "/v1/runs/${run#r_}/updates" '{"name":"deliver","id":1,"body":{}}')"
same "a wait that is no number" 400 "$(http POST "/v1/runs/${run#r_}/updates?wait_s=soon" '{"name":"deliver","body":{}}')"
same "an update with its answer" 200 "$(http POST "/v1/runs/${run#r_}/updates?wait_s=30" '{"name":"deliver","id":"three","body":{"day":"2026-03-02","items":[3]}}')"
has out '"answered"'
same "read by its id" 200 "$(http GET "/v1/runs/${run#r_}/updates/three")"
same "one that is none" 404 "$(http GET "/v1/runs/${run#r_}/updates/none")"
same "the last one, taken and not answered yet" 202 "$(http POST "/v1/runs/${run#r_}/updates?wait_s=2" '{"name":"deliver","id":"last","body":{"day":"2026-03-03","items":[1],"last":true,"note":"silent"}}')"
has out '"taken"'
same "one that comes too late" 202 "$(http POST "/v1/runs/${run#r_}/updates" '{"name":"deliver","id":"late","body":{"day":"2026-03-04","items":[1]}}')"
same "the end" 202 "$(http POST "/v1/runs/${run#r_}/signal" '{"name":"end"}')"
same "is heard by who waits for the late one" 200 "$(http GET "/v1/runs/${run#r_}/updates/late?wait_s=30")"
has out 'the run ended before it answered: done'
same "and for the one that was never answered" 200 "$(http GET "/v1/runs/${run#r_}/updates/last")"
has out '"refused"'
same "the run is done" done "$(status "$run")"
same "an update of a run that is over" 409 "$(http POST "/v1/runs/${run#r_}/updates" '{"name":"deliver","body":{"day":"2026-03-02","items":[3]}}')"
same "a signal to a run that is over" 409 "$(http POST "/v1/runs/${run#r_}/signal" '{"name":"end"}')"
has out "run $run is over: done"
has out "reeve explain $run"
same "its values stay" 200 "$(http GET "/v1/runs/${run#r_}/values/state")"
has out '"over"'
same "dead letters through HTTP" 200 "$(http GET "/v1/dead-letters")"
has out "$thrifty"
same "of a class" 200 "$(http GET "/v1/dead-letters?class=unread")"
has out "$run"
same "the next signal" 202 "$(http POST "/v1/runs/${broken#r_}/signal" '{"name":"go","body":{"word":"well","invoice":999999}}')"
for _ in $(seq 600); do
    [ "$(status "$broken")" = waiting ] || break
    sleep 0.1
done
serve_ends
gives 0 "the run replays" reeve run replay "$run" --json
has out '"verdict":"same"'
transcript=$(field transcript)
reeve run export "$run" "$state/run.json" >/dev/null
gives 0 "elsewhere, too" reeve run replay --file "$state/run.json" --json
same "byte for byte" "$transcript" "$(field transcript)"
same "and nothing was told twice" "$(ask "SELECT count(*) FROM journal WHERE run_id = ${run#r_} AND kind = 21")" \
    "$(ask "SELECT count(DISTINCT seq) FROM journal WHERE run_id = ${run#r_} AND kind = 21")"
reeve run work >/dev/null 2>&1

# dead letters
gives 0 "dead letters" reeve run dead
has out budget
has out "$thrifty"
gives 0 "for programs" reeve run dead --json --agent holder
has out '"class":"plan"'
has out '"attempts":1'
has out 'cannot do F02'
has out '"input":{'
gives 2 "a class that is none" reeve run dead --class sad
gives 0 "with its message" reeve run dead "$broken"
has out '"word": "well"'
gives 1 "what is none" reeve run dead r_42
gives 2 "which ones must be said" reeve run revive
gives 1 "an input that is none" reeve run revive "$holder" --input '[1]'
before=$(ask "SELECT count(*) FROM run")
gives 1 "what would fail again is not begun" reeve run revive "$holder" --yes
has out "it would fail again after step 2"
has err "agent-version"
gives 1 "what ended well is not revived" reeve run revive "$run" --yes
gives 0 "a preview" reeve run revive "$holder" --input '{"code":"FIXED"}'
has out "would go on after step 0, from the start"
has err "add --yes"
same "makes no run" "$before" "$(ask "SELECT count(*) FROM run")"
printf '{"code":"FIXED"}' >"$state/input.json"
gives 0 "with another input, from the start" reeve run revive "$holder" --input "$state/input.json" --reason "the code was wrong" --yes --json
new=$(field new_run)
reeve run work >/dev/null 2>&1
same "it is done" done "$(status "$new")"
same "with the reason on the record" t "$(ask "SELECT count(*) > 0 FROM audit_record WHERE run_id = ${new#r_} AND body LIKE '%the code was wrong%'")"
gives 1 "not twice" reeve run revive "$holder" --input '{"code":"FIXED"}' --yes
has out "goes on for $holder already"
gives 0 "it is no dead letter any more" reeve run dead --json
if grep -q "\"run\":\"$holder\"" "$state/out"; then same "no dead letter" gone there; fi
gives 0 "but is there when asked for" reeve run dead --revived --json
has out "\"revived\":\"$new\""

# what was done stands, and is done once; the signal that was taken stays taken
reeve run dead --revived --json >"$state/all"
notes=$(ask "SELECT count(*) FROM event WHERE type LIKE 'exception.note%'")
gives 0 "from the last good step" reeve run revive "$broken" --json
at=$(sed -n 's/.*"at_step":\([0-9]*\).*/\1/p' "$state/out")
gives 0 "begun" reeve run revive "$broken" --yes --reason "again" --json
new=$(field new_run)
same "it has those answers" "$at" "$(ask "SELECT count(*) FROM journal WHERE run_id = ${new#r_}")"
same "and no signal that was taken by then" 0 "$(ask "SELECT count(*) FROM run_signal WHERE run_id = ${new#r_}")"
reeve run work >/dev/null 2>&1
same "what had been done was not done again" "$notes" "$(ask "SELECT count(*) FROM event WHERE type LIKE 'exception.note%'")"
gives 0 "it replays" reeve run replay "$new"

# many, with a version that can
reeve agent publish "$state/holder-2.lua" >/dev/null
gives 0 "the others with a better version" reeve run revive --class plan --agent holder --agent-version 2 --yes
gives 0 "a filter that finds none" reeve run revive --class permission --yes
has err "no such runs"

# a plan that is over reads nothing any more, however long its run waits for a child
mkdir -p "$state/kid" "$state/deaf"
cat >"$state/kid/agent.lua" <<'LUA'
local agent = { name = "kid", version = "1", handles = {}, uses = { "exception.note" } }
function agent.plan(ctx) ctx:signal("go", 86400) end
return agent
LUA
cat >"$state/deaf/agent.lua" <<'LUA'
local agent = { name = "deaf", version = "1", handles = {}, uses = { "exception.note" }, limits = { children = 2 },
  updates = { set = { type = "object" } } }
function agent.plan(ctx)
  assert(ctx:start("kid", {}, { close = "wait" }))
  ctx:update("set", 3600)
  error("zero")
end
return agent
LUA
sed 's/^return bundle { name = "default", schema = "erp.v1",/&\
  permit { id = "deaf.starts", agents = "deaf", action = "run.start", when = arg.agent:eq "kid" },/' \
    policies/default.lua >"$state/families.lua"
reeve person add all --roles controller,buyer,treasurer,ap.manager >/dev/null
reeve person add both --roles controller,treasurer >/dev/null
reeve policy load "$state/families.lua" >/dev/null || exit 1
reeve agent publish "$state/kid/agent.lua" >/dev/null && reeve agent publish "$state/deaf/agent.lua" >/dev/null
serve
gives 0 "a run with a child" reeve run start deaf --input '{}' --json
deaf=$(field run)
for _ in $(seq 600); do
    [ "$(ask "SELECT waiting_on FROM run WHERE id = ${deaf#r_}")" = signal ] && break
    sleep 0.1
done
gives 0 "its plan fails at the update" reeve run update "$deaf" set --body '{}' --id z
for _ in $(seq 600); do
    [ -n "$(ask "SELECT error_code FROM run WHERE id = ${deaf#r_}")" ] && break
    sleep 0.1
done
same "it waits for its child" waiting "$(status "$deaf")"
before=$(counts)
gives 1 "no update any more" reeve run update "$deaf" set --body '{}' --id after
has err "the plan of run $deaf is over"
gives 1 "no signal" reeve run signal "$deaf" go
has err "the plan of run $deaf is over"
gives 1 "no more budget" reeve run raise "$deaf" --steps 5 --reason more
has err "the plan of run $deaf is over"
same "nothing of it was written" "$before" "$(counts)"
gives 0 "it can be cancelled" reeve run cancel "$deaf" --yes
serve_ends
gives 0 "the record is whole" reeve audit verify

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
