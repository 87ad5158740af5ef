#!/bin/sh
# run_model.sh -- a run that waits for the model longer than a second is found by that, and says so, for exactly as
# long as it does: the engine's process stands still, goes on, or everything around it ends.
# usage: run_model.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
owner() { psql "$uri" -Atqc "SET reeve.tenant = 1; $1"; }
names() { reeve run list "$@" --json 2>"$state/names" | sed 's/.*"run":"\([^"]*\)".*/\1/'; }
until_same() { # WHAT EXPECTED COMMAND...
    what=$1
    expected=$2
    shift 2
    for _ in $(seq 600); do
        found=$("$@")
        [ "$found" = "$expected" ] && break
        sleep 0.1
    done
    same "$what" "$expected" "$found"
}
status_of() { ask "SELECT status FROM run WHERE id = ${1#r_}"; }
http() { # TARGET  -> the answer's body
    curl -s -H "Authorization: Bearer $token" "$base$1"
}
serve() {
    : >"$state/served"
    "$reeve_program" serve --listen 127.0.0.1:0 --json >"$state/served" 2>"$state/log" &
    served=$!
    for _ in $(seq 600); do [ -s "$state/served" ] && break; sleep 0.1; done
    base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
}
engine=
engine_of() { # the engine's process: a child of the node
    for _ in $(seq 600); do
        engine=$(pgrep -P "$served" -f 'model engine' | head -1)
        [ -n "$engine" ] && break
        sleep 0.1
    done
}
trap '[ -z "$engine" ] || kill -CONT "$engine" 2>/dev/null; [ -z "$served" ] || kill "$served" 2>/dev/null
      reeve db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
begin() { # -> the run's name
    reeve run start asker --input "{\"n\":$1}" --json 2>/dev/null | grep -o 'r_[0-9]*' | head -1
}

export REEVE_MODEL_BACKEND=cpu REEVE_MODEL_DEADLINE="${WAIT_DEADLINE:-20s}"
reeve model make --shape tiny-llama --quant Q8_0 --seed 7 --out "$state/tiny.gguf" >/dev/null 2>&1 || exit 1
export REEVE_MODEL_PATH="$state/tiny.gguf"
gives 0 "a company" reeve company create acme
uri=$(reeve db uri --owner)
gives 0 "a policy" reeve policy load policies/default.lua
reeve person add boss --roles admin,operator >/dev/null
token=$(reeve token make boss 2>/dev/null | grep -o 'rvt_[A-Za-z0-9_-]*')
mkdir -p "$state/asker"
cat >"$state/asker/agent.lua" <<'LUA'
-- asker: asks the model once
local agent = { name = "asker", version = "1", handles = {}, uses = { "exception.note" }, limits = { steps = 50 } }
function agent.plan(ctx, input)
  ctx.llm.decide { question = "Is " .. input.n .. " even?", options = { "yes", "no" }, max_tokens = 32 }
end
return agent
LUA
gives 0 "an agent that asks" reeve agent publish "$state/asker/agent.lua" --owner boss
serve
engine_of
same "the engine works" yes "$([ -n "$engine" ] && echo yes)"
quick=$(begin 1)
until_same "a run is answered" "done" status_of "$quick"
same "at once, so that nothing is noted" 0 "$(owner "SELECT count(*) FROM model_wait")"
gives 0 "none waits for the model" reeve run list --waiting-on model
same "as the list says" "" "$(cat "$state/out")"

# it stands still
kill -STOP "$engine"
slow=$(begin 2)
until_same "a run that waits for it is found" "$slow" names --waiting-on model
gives 0 "and says for which" reeve run list --waiting-on model
has out "model tiny.gguf since 20"
same "it works as before, by its status" planning "$(status_of "$slow")"
gives 0 "it is shown" reeve run show "$slow"
has out '"waiting_on": "model"'
has out '"waits": "model tiny.gguf since 20'
gives 0 "and explained" reeve explain "$slow"
has out "waits for model tiny.gguf since 20"
says "the API finds it" "\"id\": \"${slow#r_}\"" http "/v1/runs?waiting_on=model"
has out '"waiting_on": "model"'
has out '"waits": "model tiny.gguf since 20'
says "with other filters, too" "\"id\": \"${slow#r_}\"" http "/v1/runs?waiting_on=model&status=planning&agent=asker"
says "and not with those that do not hold" '"items": []' http "/v1/runs?waiting_on=model&agent=asker&key=order"
says "and shows it" '"waiting_on": "model"' http "/v1/runs/${slow#r_}"
owner "UPDATE run SET changed_at = now() - interval '5 minutes' WHERE id = ${slow#r_}"
same "whatever it takes: it could not move" "" "$(names stuck)"
same "it is the only one" 1 "$(names --waiting-on model | wc -l | tr -d ' ')"
kill -CONT "$engine"
until_same "it goes on" "" names --waiting-on model
until_same "to its end" "done" status_of "$slow"

# whoever asked dies: what was noted holds no longer, and the next one to ask notes it anew
kill -STOP "$engine"
lost=$(begin 3)
until_same "another one waits" "$lost" names --waiting-on model
before=$(owner "SELECT since FROM model_wait WHERE run_id = ${lost#r_}")
kill -9 "$served"
wait "$served" 2>/dev/null
kill -CONT "$engine" 2>/dev/null
engine=
served=
until_same "with its node it waits for the model no longer" "" names --waiting-on model
same "though it is open" planning "$(status_of "$lost")"
same "and what was noted is there still" 1 "$(owner "SELECT count(*) FROM model_wait WHERE run_id = ${lost#r_}")"
serve
until_same "another node takes it up and is answered" "done" status_of "$lost"
same "nothing is said of it" "" "$(names --waiting-on model)"

# it is asked to stop while it waits: it does with the answer; what was noted before is swept away
engine_of
kill -STOP "$engine"
last=$(begin 4)
until_same "a last one waits" "$last" names --waiting-on model
same "only that is kept" "${last#r_}" "$(owner "SELECT run_id FROM model_wait")"
gives 0 "nobody wants it" reeve run cancel "$last" --yes
sleep 3 # its node has heard of it by then: else the answer is the end
kill -CONT "$engine"
until_same "it has ended" cancelled status_of "$last"
same "and waits no more" "" "$(names --waiting-on model)"

# it waits when the node stops in good order
engine_of
kill -STOP "$engine"
open=$(begin 5)
until_same "one waits" "$open" names --waiting-on model
kill -TERM "$served"
wait "$served"
same "while the node ends in good order" 0 $?
served=
kill -CONT "$engine" 2>/dev/null
engine=
same "nothing waits then" "" "$(names --waiting-on model)"
same "the steps are one for each run" "" \
    "$(owner "SELECT run_id FROM journal WHERE name = 'llm.decide' GROUP BY run_id HAVING count(*) > 1")"
gives 0 "and a replay asks nobody" reeve run replay "$slow"
[ -n "$before" ]
same "it was noted since when" 0 $?
gives 0 "the record is whole" reeve audit verify

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
