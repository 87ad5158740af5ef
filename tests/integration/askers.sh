#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# askers.sh -- beside 300 runs that wait for a model that does not answer, more than a company has rooms, a run that
# asks nobody goes on within two seconds; then the model answers, and each of them has asked once.
# (The answer is that 16 tokens are too few, so that 300 of them take no minutes on the slowest engine.)
# usage: askers.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
command -v curl >/dev/null 2>&1 || { echo "SKIP: curl is not installed"; exit 77; }
engine=
trap '[ -z "$engine" ] || kill -CONT "$engine" 2>/dev/null; [ -z "$served" ] || kill "$served" 2>/dev/null
      reeve db stop >/dev/null 2>&1; rm -rf "$state"' EXIT

export REEVE_MODEL_BACKEND=ref REEVE_MODEL_DEADLINE="${WAIT_DEADLINE:-90s}"
reeve model make --shape tiny-llama --quant Q8_0 --seed 7 --out "$state/tiny.gguf" >/dev/null 2>&1 || exit 1
export REEVE_MODEL_PATH="$state/tiny.gguf"
mkdir "$state/asker" "$state/quick"
cat >"$state/asker/agent.lua" <<'LUA'
local agent = { name = "asker", version = "1", handles = {}, uses = {}, limits = { steps = 20 } }
function agent.plan(ctx, input)
  ctx:note("before")
  ctx.llm.decide { question = "Is it even?", options = { "yes", "no" }, max_tokens = 16 }
  ctx:note("after")
end
return agent
LUA
cat >"$state/quick/agent.lua" <<'LUA'
local agent = { name = "quick", version = "1", handles = {}, uses = {}, limits = { steps = 20 } }
function agent.plan(ctx, input)
  ctx:note("was here")
end
return agent
LUA
company operator:operator
gives 0 "its policy" reeve policy load policies/default.lua
for name in asker quick; do
    reeve agent publish "$state/$name/agent.lua" >/dev/null || exit 1
done
serve
token=$(token_of operator)
for _ in $(seq 150); do
    engine=$(pgrep -P "$served" -f 'model engine' | head -1)
    [ -n "$engine" ] && break
    sleep 0.1
done
same "the engine works" yes "$([ -n "$engine" ] && echo yes)"

kill -STOP "$engine"
for _ in $(seq 300); do
    echo "url = \"$base/v1/runs\""
    echo "output = \"/dev/null\""
done >"$state/many"
curl -s -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{"agent":"asker","input":{}}' \
    -K "$state/many"
same "many that ask" 300 "$(ask "SELECT count(*) FROM run WHERE agent = 'asker'")"
patience=20
until_is "as many as the model takes wait for it" t "SELECT count(DISTINCT run_id) >= 256 FROM journal"
before=$(date +%s%N)
same "a run that does not" 202 "$(send POST /v1/runs '{"agent":"quick","input":{}}')"
quick=$(id_of)
patience=10
until_is "goes on beside them" "done" "SELECT status FROM run WHERE id = $quick"
took=$((($(date +%s%N) - before) / 1000000))
[ "$took" -lt 2000 ]
same "within two seconds: $took ms" 0 $?
until_is "each of them has begun" 301 "SELECT count(DISTINCT run_id) FROM journal"
same "nobody was answered" 0 "$(ask "SELECT count(*) FROM journal WHERE name = 'llm.decide'")"
stopped=$(ask "SELECT min(id) FROM run WHERE agent = 'asker'")
same "a wish to stop" 202 "$(send POST "/v1/runs/$stopped/cancel" '{"reason":"enough"}')"
until_is "is heard, though no answer has come" cancelled "SELECT status FROM run WHERE id = $stopped"

kill -CONT "$engine"
patience=120
until_is "all are over" 0 "SELECT count(*) FROM run WHERE agent = 'asker' AND status NOT IN ('done', 'cancelled')"
same "each but one was answered, once" "299 299" \
    "$(ask "SELECT count(*) || ' ' || count(DISTINCT run_id) FROM journal WHERE name = 'llm.decide'")"
uri=$(reeve db uri --owner)
same "and had asked once: the door let 300 questions pass" 300 "$(psql "$uri" -Atqc "SET reeve.tenant = 1;
    SELECT count(*) FROM audit_record WHERE kind = 'decision' AND body LIKE '%llm.decide%'")"
gives 0 "a replay asks nobody" reeve run replay "r_$(ask "SELECT max(id) FROM run WHERE agent = 'asker'")"
gives 0 "the record is whole" reeve audit verify


[ "$failures" = 0 ] && echo "all is well"
[ "$failures" = 0 ] || echo "$failures checks failed"
exit "$failures"
