#!/bin/sh
# ask.sh -- an agent whose claim is "ask" wants a key that another run holds: people decide which of the two has it, from
# the command line and through HTTP, with the real program and PostgreSQL, whatever happens to the two runs meanwhile.
# usage: ask.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
until_approval() { until_is "$1" "$2" "SELECT status FROM approval WHERE id = $3"; }
question_of() { ask "SELECT max(id) FROM approval WHERE run_id = ${1#r_}"; }
stop_hard() {
    kill -9 "$served"
    wait "$served" 2>/dev/null
    served=
}
agent() { # NAME FIELDS
    mkdir -p "$state/$1"
    cat >"$state/$1/agent.lua" <<LUA
-- $1: waits for the word to end
local agent = { name = "$1", version = "1", handles = {}, uses = { "exception.note" }, limits = { steps = 50 }, $2 }
function agent.plan(ctx, input)
  if input.wait then ctx:signal("end", input.wait) end
end
return agent
LUA
}

company operator:operator asker:operator owner:controller decider:controller second:controller \
    boss:clerk,ap.manager,buyer,treasurer chief:clerk,ap.manager,buyer,treasurer
sed '/approve { id = "key.ask"/,/escalate/d' policies/default.lua >"$state/silent.lua"
sed '/id = "key.ask"/,/escalate/s/role = "controller" }/role = "controller", n = 2 }/' \
    policies/default.lua >"$state/two.lua"
gives 0 "a policy that names nobody" reeve policy load "$state/silent.lua"
agent plain 'summary = "first"'
agent asks 'claims = "ask"'
agent ranked 'claims = "priority", priority = 3'
for name in plain asks ranked; do gives 0 "agent $name" reeve agent publish "$state/$name/agent.lua" --owner owner; done
serve
asker=$(token_of asker)
decider=$(token_of decider)
call() { # TOKEN METHOD PATH [BODY]
    curl -s -m 20 -o "$state/out" -w '%{http_code}' -X "$2" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \
        ${4:+-d "$4"} "$base$3"
}
start() { call "$asker" POST /v1/runs "$1"; }
held() { # KEY: a run of the agent `plain` has it
    same "one has $1" 202 "$(start "{\"agent\":\"plain\",\"input\":{\"wait\":3600},\"key\":\"$1\"}")"
    holder=$(id_of)
    until_status "and waits" "waiting signal" "$holder"
}
wanted() { # KEY: a run of the agent `asks` wants it
    same "another one wants $1" 202 "$(start "{\"agent\":\"asks\",\"input\":{\"wait\":3600},\"key\":\"$1\"}")"
    next=$(id_of)
    question=$(question_of "$next")
    same "and waits" "waiting lock" "$(ask "SELECT status || ' ' || waiting_on FROM run WHERE id = $next")"
}
ends() { gives 0 "r_$1 is told to end" reeve run signal "r_$1" end --as operator; }

# ---- whom to ask ----
held k:0
same "where no rule says who decides" 409 "$(start '{"agent":"asks","key":"k:0"}')"
has out "no rule of the policy says who decides"
has out "r_$holder of agent plain"
same "a free key needs nobody" 202 "$(start '{"agent":"asks","key":"free"}')"
gives 0 "a policy with such a rule" reeve policy load policies/default.lua
[ "$failures" = 0 ] || exit 1

# ---- what people see, and who may decide ----
wanted k:0
has out "\"waiting_on\":\"lock\",\"approval\":\"$question\""
has out "\"holder\":{\"run\":\"r_$holder\",\"agent\":\"plain\""
gives 0 "it is in the list" reeve approval list
has out "run.start"
has out "k:0"
gives 0 "and shows both" reeve approval show "$question"
has out "\"begun_by\": \"person:asker\""
same "each with who began it" "person:asker person:asker" \
    "$(reeve approval show "$question" --json | jq -r '"\(.facts.holder.begun_by) \(.facts.wants.begun_by)"')"
has out "\"run\": \"r_$holder\""
has out "\"run\": \"r_$next\""
has out "r_$holder of agent plain is asked to stop"
has out "r_$holder keeps the key and goes on; r_$next does not begin"
same "also through HTTP" 200 "$(call "$decider" GET "/v1/approvals/$question")"
has out "\"facts\": {\"wants\": {\"run\": \"r_$next\""
same "with who began the holder" person:asker "$(jq -r .facts.holder.begun_by "$state/out")"
digest=$(grep -o '"digest": "[0-9a-f]*"' "$state/out" | cut -d'"' -f4)
same "and by web hook" 1 "$(ask "SELECT count(*) FROM outbox WHERE event = 'approval.requested' AND body->>'approval' = '$question'")"
gives 0 "the run says what it waits for" reeve run list --waiting-on lock
has out "lock of r_$holder asked of controller"
for asked in people "--waiting-on person" "--role controller" "--waiting-on controller"; do
    # shellcheck disable=SC2086  # words are wanted
    gives 0 "it is among those that wait for people: $asked" reeve run list $asked
    has out "r_$next"
done
gives 0 "and asks nobody else" reeve run list --role treasurer
same "so that it is not in their list" "" "$(grep "r_$next" "$state/out")"
gives 3 "whoever asked may not decide" reeve approval approve "$question" --as asker
has err "own request"
gives 3 "nor whoever owns the agent" reeve approval approve "$question" --as owner
has err "own agent"
gives 3 "nor somebody without the role" reeve approval approve "$question" --as boss
same "a second one that asks is refused" 409 "$(start '{"agent":"asks","key":"k:0"}')"
has out "another run waits for it already"
same "what was seen must be what is decided" 409 \
    "$(call "$decider" POST "/v1/approvals/$question/decision" "{\"decision\":\"approve\",\"comment\":\"\",\"digest\":\"$(echo "$digest" | tr '0-9a-f' '1-9a-f0')\"}")"

# ---- yes ----
same "the key is handed over" 200 \
    "$(call "$decider" POST "/v1/approvals/$question/decision" "{\"decision\":\"approve\",\"comment\":\"it is urgent\",\"digest\":\"$digest\"}")"
has out '"status":"consumed"'
until_status "the holder stops" cancelled "$holder"
same "and says why" "decider has given key k:0 to r_$next of agent asks (approval $question)" \
    "$(ask "SELECT error_text FROM run WHERE id = $holder")"
until_status "the other one has begun" "waiting signal" "$next"
same "with the key" t "$(ask "SELECT claims FROM run WHERE id = $next")"
gives 1 "a decision counts once" reeve approval approve "$question" --as second
has err "is consumed already"
same "it is announced" "approval.decided approval.executed" \
    "$(ask "SELECT string_agg(event, ' ' ORDER BY event) FROM outbox WHERE body->>'approval' = '$question' AND event <> 'approval.requested'")"

# ---- no ----
held k:1
wanted k:1
gives 0 "somebody says no" reeve approval reject "$question" --as decider --comment "month end first"
has out '"status":"rejected"'
until_status "who wanted it never begins" cancelled "$next"
same "and is told who and why" "r_$holder of agent plain keeps key k:1: decider has decided so: month end first (approval $question)" \
    "$(ask "SELECT regexp_replace(error_text, ', since [^,]*,', '') FROM run WHERE id = $next")"
until_status "the holder goes on" "waiting signal" "$holder"

# ---- no answer ----
wanted k:1
psql "$uri" -Atqc "SET reeve.tenant = 1; UPDATE approval SET expires_at = clock_timestamp() - interval '1 second' WHERE id = $question"
until_approval "no answer in time" expired "$question"
until_status "is a no" cancelled "$next"
same "which says so" 1 "$(ask "SELECT count(*) FROM run WHERE id = $next AND error_text LIKE '%nobody has decided in time%'")"
until_status "the holder still has it" "waiting signal" "$holder"

# ---- nothing to decide any more ----
wanted k:1
ends "$holder"
until_status "the holder ends by itself" "done" "$holder"
until_status "the other one simply begins" "waiting signal" "$next"
until_approval "and the question is void" void "$question"
gives 1 "which nobody can decide" reeve approval approve "$question" --as decider
holder=$next
wanted k:1
gives 0 "who wanted it does not any more" reeve run cancel "r_$next" --as operator --yes
until_status "and never begins" cancelled "$next"
until_approval "the question is void" void "$question"
until_status "the holder goes on" "waiting signal" "$holder"

# ---- the policy changes while people are asked ----
wanted k:1
gives 0 "two have to agree from now on" reeve policy load "$state/two.lua"
gives 0 "one says yes to what was asked before" reeve approval approve "$question" --as decider
has out '"status":"void"'
until_status "it counts for nothing" cancelled "$next"
same "and says so" 1 "$(ask "SELECT count(*) FROM run WHERE id = $next AND error_text LIKE '%the policy is another one%'")"
wanted k:1
gives 0 "one of two" reeve approval approve "$question" --as decider
has out '"status":"requested"'
until_status "is not enough" "waiting signal" "$holder"
gives 0 "the second one" reeve approval approve "$question" --as second --comment "$(printf 'it is\nurgent \033[7m')"
gives 0 "the story of the run shows what they wrote" reeve explain "r_$next"
has out 'it is\nurgent'
same "and no control character of theirs" 0 "$(tr -cd '\033' <"$state/out" | wc -c)"
until_status "is" cancelled "$holder"
until_status "and it begins" "waiting signal" "$next"
gives 0 "one is enough again" reeve policy load policies/default.lua

# ---- somebody with a higher priority ----
held k:2
wanted k:2
same "one of a higher priority stops the holder" 202 "$(start '{"agent":"ranked","input":{"wait":3600},"key":"k:2"}')"
higher=$(id_of)
until_status "and has the key" "waiting signal" "$higher"
until_approval "the question is void" void "$question"
until_status "who asked waits" "waiting lock" "$next"
ends "$higher"
until_status "and is next" "waiting signal" "$next"
ends "$next"

# ---- nobody drives the company ----
held k:3
wanted k:3
stop_hard
gives 0 "a decision while nobody drives it" reeve approval approve "$question" --as decider
serve
until_status "the holder stops all the same" cancelled "$holder"
until_status "and the other one begins" "waiting signal" "$next"
holder=$next
wanted k:3
stop_hard
gives 0 "the holder is stopped by hand" reeve run cancel "r_$holder" --as operator --yes
gives 1 "so there is nothing to decide" reeve approval reject "$question" --as decider
has err "nothing to decide any more"
gives 0 "another one waits without a question" reeve run start plain --as operator --key other
serve
until_status "it stops" cancelled "$holder"
until_status "who asked begins" "waiting signal" "$next"
until_approval "the question is void" void "$question"
holder=$next
wanted k:3
stop_hard
gives 0 "a no while nobody drives it" reeve approval reject "$question" --as decider
serve
until_status "is a no" cancelled "$next"
until_status "the holder goes on" "waiting signal" "$holder"

# ---- at the same moment ----
for turn in 1 2 3 4 5 6 7 8; do
    held "k:4"
    wanted "k:4"
    case $turn in
        *[13]) reeve run signal "r_$holder" end --as operator >/dev/null 2>&1 & ;;
        *[57]) reeve run cancel "r_$next" --as operator --yes >/dev/null 2>&1 & ;;
        *2) reeve run cancel "r_$holder" --as operator --yes >/dev/null 2>&1 & ;;
        *) reeve approval approve "$question" --as second >/dev/null 2>&1 & ;;
    esac
    other=$!
    decision=approve
    [ $((turn % 2)) = 0 ] && decision=reject
    reeve approval "$decision" "$question" --as decider >/dev/null 2>&1
    wait "$other"
    until_is "turn $turn: one of the two is there, or none" t "SELECT count(*) <= 1 AND bool_and(claims) IS NOT FALSE FROM run
        WHERE business_key = 'k:4' AND status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')"
    until_is "its question is answered or void" t \
        "SELECT status IN ('consumed', 'rejected', 'void') FROM approval WHERE id = $question"
    for run in "$holder" "$next"; do
        reeve run signal "r_$run" end --as operator >/dev/null 2>&1
        until_is "and it ends" t "SELECT status IN ('done', 'cancelled') FROM run WHERE id = $run"
    done
done
same "nobody was second" 0 "$(ask "SELECT count(*) FROM (SELECT FROM run WHERE claims AND status NOT IN
    ('done', 'failed', 'cancelled', 'compensated', 'diverged') GROUP BY business_key HAVING count(*) > 1) AS x")"
gives 0 "the record is whole" reeve audit verify
serve_ends
[ "$failures" = 0 ]
