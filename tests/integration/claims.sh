#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# claims.sh -- two pieces of work want one business key: the second is refused, merged or waits for it, as its agent
# says; from the command line and through HTTP, with the real program and PostgreSQL, also when it is killed under way.
# usage: claims.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
status_of() { ask "SELECT status || coalesce(' ' || waiting_on, '') FROM run WHERE id = ${1#r_}"; }
agent() { # NAME FIELDS
    mkdir -p "$state/$1"
    cat >"$state/$1/agent.lua" <<LUA
-- $1: takes its input and what is merged into it until nothing more comes, and says what it had
local agent = { name = "$1", version = "1", handles = {}, uses = { "exception.note" }, limits = { steps = 200 }, $2 }
function agent.plan(ctx, input)
  local had = { input.n or 0 }
  ctx:publish("had", had)
  while input.wait do
    local more = ctx:signal("merge", input.wait)
    if not more then break end
    had[#had + 1] = more.n
    ctx:publish("had", had)
    if more.last then break end
  end
end
return agent
LUA
}

company operator:operator
sed 's/^  permit { id = "operator.runs"/  permit { id = "agents.start", agents = "*", action = "run.start" },\n&/' \
    policies/default.lua >"$state/policy.lua"
gives 0 "its policy, and agents may start others" reeve policy load "$state/policy.lua"
agent plain 'summary = "first"'
agent other 'claims = "first", priority = 5'
agent merger 'claims = "merge"'
agent second 'claims = "merge"'
agent ranked 'claims = "priority", priority = 3'
for name in plain other merger second ranked; do
    gives 0 "agent $name" reeve agent publish "$state/$name/agent.lua"
done
mkdir "$state/starter"
cat >"$state/starter/agent.lua" <<'LUA'
-- starter: starts a run for an exception, and says what it heard
local agent = { name = "starter", version = "1", handles = {}, uses = { "exception.note" }, limits = { steps = 20 } }
function agent.plan(ctx, input)
  local child, why, code = ctx:start("plain", { key = ("0c"):rep(32), wait = 3600 }, { close = "abandon" })
  ctx:publish("heard", child and "begun" or code .. ": " .. why)
end
return agent
LUA
gives 0 "an agent that starts others" reeve agent publish "$state/starter/agent.lua"
agent wrong 'claims = "draw"'
gives 2 "a word that is none" reeve agent publish "$state/wrong/agent.lua"
has err 'field "claims" must be "first", "merge", "priority" or "ask"'
agent wrong 'priority = 101'
gives 2 "a priority that is too high" reeve agent publish "$state/wrong/agent.lua"
has err 'field "priority" must be a number from 0 to 100'
gives 2 "a priority without a key" reeve run start plain --as operator --priority 3
has err "it is that of a key"
gives 2 "a priority that is no number of a priority" reeve run start plain --as operator --key k --priority 101

serve
token=$(token_of operator)
post() { # PATH BODY
    curl -s -o "$state/out" -w '%{http_code}' -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
        -d "$2" "$base$1"
}
start() { post /v1/runs "$1"; }

# ---- first ----
same "one begins" 202 "$(start '{"agent":"plain","input":{"wait":3600},"key":"k:1"}')"
holder=$(id_of)
until_status "and waits" "waiting signal" "$holder"
same "the second is refused" 409 "$(start '{"agent":"plain","key":"k:1"}')"
has out "\"holder\":{\"run\":\"r_$holder\",\"agent\":\"plain\",\"since\":\"20"
has out '"status":"waiting","waiting_on":"signal","waits":"signal","priority":0,"begun_by":"person:operator"}'
has out "r_$holder of agent plain since 20"
has out "(begun by person:operator), which waits for signal"
gives 1 "also on the command line" reeve run start plain --as operator --key k:1
has err "r_$holder of agent plain since 20"
has err "(begun by person:operator), which waits for signal"
same "an agent merges into its own runs only" 409 "$(start '{"agent":"merger","input":{"n":2},"key":"k:1"}')"
has out "an agent merges only into its own runs"
same "wrong priority" 400 "$(start '{"agent":"plain","key":"k:1","priority":101}')"
has out '"field":"priority"'

gives 0 "a plan that starts one for an exception" reeve run start starter --as operator --wait 30
gives 0 "has begun it" reeve run query "$(run_of)"
has out 'heard = "begun"'
child=$(ask "SELECT id FROM run WHERE parent IS NOT NULL")
parent=$(ask "SELECT parent FROM run WHERE id = $child")
until_status "which waits" "waiting signal" "$child"
gives 0 "the next such plan" reeve run start starter --as operator --wait 30
gives 0 "hears who has it" reeve run query "$(run_of)"
has out "conflict: "
has out "r_$child of agent plain since 20"
has out "(begun by r_$parent), which waits for signal"

# ---- merge ----
same "one that merges begins" 202 "$(start '{"agent":"merger","input":{"n":1,"wait":3600},"key":"k:2"}')"
holder=$(id_of)
until_status "and waits" "waiting signal" "$holder"
same "the second is merged" 202 "$(start '{"agent":"merger","input":{"n":2},"key":"k:2"}')"
same "and its caller gets the holder" "{\"id\":\"$holder\",\"merged\":true}" "$(cat "$state/out")"
gives 0 "also on the command line" reeve run start merger --as operator --key k:2 --input '{"n": 3}'
has out "r_$holder  merged"
until_is "it has all of them" '[1,2,3]' \
    "SELECT replace((convert_from(substr(out, 2), 'UTF8')::jsonb->'published')::text, ' ', '') FROM journal
      WHERE run_id = $holder AND kind = 21 ORDER BY seq DESC LIMIT 1"
same "another agent's are refused" 409 "$(start '{"agent":"second","input":{"n":2},"key":"k:2"}')"
same "so is what the agent of another policy wants" 409 "$(start '{"agent":"plain","key":"k:2"}')"
kill -9 "$served"
wait "$served" 2>/dev/null
gives 0 "while nobody drives it" reeve run start merger --as operator --key k:2 --input '{"n": 4, "last": true}'
has out "r_$holder  merged"
gives 0 "two more" reeve run start merger --as operator --key k:2 --input '{"n": 5}'
gives 0 "than it takes" reeve run start merger --as operator --key k:2 --input '{"n": 6}'
serve
until_status "after a kill it goes on to its end" done "$holder"
until_is "what it did not take is a run of its own, one after the other" "done done done" \
    "SELECT string_agg(status, ' ' ORDER BY id) FROM run WHERE business_key = 'k:2'"
same "with each of them once" "5 6" "$(ask "SELECT string_agg(i.input->'exception'->>'n', ' ' ORDER BY r.id) FROM run r
    JOIN run_input i ON i.run_id = r.id WHERE r.business_key = 'k:2' AND r.id <> $holder")"
same "and nothing of it is left" 0 "$(ask "SELECT count(*) FROM run_signal WHERE name = 'merge' AND consumed_seq IS NULL")"

# ---- priority ----
same "one of priority 5 begins" 202 "$(start '{"agent":"other","input":{"wait":3600},"key":"k:3"}')"
holder=$(id_of)
until_status "and waits" "waiting signal" "$holder"
same "one of priority 3 is refused" 409 "$(start '{"agent":"ranked","key":"k:3"}')"
has out "its priority is as high or higher"
has out '"priority":5,'
same "one of 5, too" 409 "$(start '{"agent":"ranked","key":"k:3","priority":5}')"
kill -9 "$served"
wait "$served" 2>/dev/null
gives 0 "one of 6 waits" reeve run start ranked --as operator --key k:3 --priority 6 --input '{"wait":3600}'
has out "  waiting"
has err "it waits for its key; r_$holder has it and was asked to stop"
next=$(run_of)
gives 1 "another one of 6 is refused" reeve run start ranked --as operator --key k:3 --priority 6
has err "one of as high a priority or higher waits for it"
gives 0 "one of 7 waits, too" reeve run start ranked --as operator --key k:3 --priority 7 --input '{"wait":3600}' --json
has out '"waiting_on":"lock"'
first=$(grep -o 'r_[0-9]*' "$state/out" | head -1)
gives 0 "one of 8, too" reeve run start ranked --as operator --key k:3 --priority 8
last=$(run_of)
gives 0 "which does not want it any more" reeve run cancel "$last" --as operator --yes
same "they wait for the lock" "waiting lock waiting lock" "$(status_of "$next") $(status_of "$first")"
gives 0 "and are found by that" reeve run list --waiting-on lock
has out "$next"
has out "$first"
gives 0 "with who has it" reeve run show "$next"
says "in the list" "lock of r_$holder" reeve run list --waiting-on lock
serve
until_status "after a kill the holder stops" cancelled "$holder"
same "and says for whom" "r_" "$(ask "SELECT substr(error_text, 1, 2) FROM run WHERE id = $holder")"
until_status "one that was cancelled while it waited never began" cancelled "$last"
same "not one entry but its end" 1 "$(ask "SELECT count(*) FROM journal WHERE run_id = ${last#r_} AND kind IN (12, 21)")"
until_status "the highest has the key" "waiting signal" "$first"
same "the other one still waits" "waiting lock" "$(status_of "$next")"
gives 0 "the first ends" reeve run signal "$first" merge --as operator --body '{"last": true, "n": 1}'
until_status "well" done "$first"
until_status "and the next one goes on at once" "waiting signal" "$next"
gives 0 "it ends, too" reeve run cancel "$next" --as operator --yes
until_status "as it was asked to" cancelled "$next"
same "the key is free" 202 "$(start '{"agent":"plain","key":"k:3"}')"
same "nobody was second" 0 "$(ask "SELECT count(*) FROM (SELECT FROM run WHERE claims AND status NOT IN
    ('done', 'failed', 'cancelled', 'compensated', 'diverged') GROUP BY business_key HAVING count(*) > 1) AS x")"
gives 0 "the record is whole" reeve audit verify
serve_ends
[ "$failures" = 0 ]
