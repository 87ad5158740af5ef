#!/bin/sh
# agent_adapters.sh -- an agent asks the model with an adapter: one that it names, or its company's; the journal has it
# with its hash, a replay asks nobody, and what is not there is said with what to do about it.
# usage: agent_adapters.sh REEVE MAKE_ADAPTER      (from the repository root)
set -u
make_adapter=$2
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
export REEVE_MODEL_BACKEND=ref REEVE_MODEL_PATH="$state/model.gguf" REEVE_MODEL_DEADLINE=300s
hash() { sha256sum "$1" | cut -c1-64; }
run_of() { sed -n 's/^\(r_[0-9]*\)  .*/\1/p' "$state/out"; }
asks() { # COMPANY INPUT: a run of the adviser; its story is in $state/story, its answer in $state/out
    reeve run start adviser --company "$1" --as operator --input "$2" --wait 120 >"$state/out" 2>"$state/err" || {
        echo "FAIL  a run of $1 with $2"
        cat "$state/out" "$state/err"
        failures=$((failures + 1))
    }
    run=$(run_of)
    reeve explain "$run" --company "$1" >"$state/story" 2>&1
    reeve run query "$run" --company "$1" 2>&1 | grep "^answer = " >"$state/told"
    sed 's/,"tokens":{[^}]*}//' "$state/told" >"$state/out" # how much of it was cached differs
}
adapter() { sed -n 's/.*- adapter \([^,]*\), sha256 \(.*\)/\1 \2/p' "$state/story" | tr -d '\n'; }

mkdir "$state/adviser"
cat >"$state/adviser/agent.lua" <<'LUA'
-- asks one question, with the adapter that its input names
local agent = { name = "adviser", version = "1", handles = {}, uses = { "exception.note" }, limits = { steps = 50 } }
function agent.plan(ctx, input)
  local answer, message, code = llm.decide {
    question = "Hold it?", options = { "yes", "no" }, adapter = input.adapter, max_tokens = 64 }
  ctx:publish("answer", answer and { choice = answer.choice, share = answer.probability.yes, tokens = answer.tokens } or { code = code, message = message })
end
return agent
LUA
reeve model make --shape tiny-llama --quant Q8_0 --seed 1 --out "$state/model.gguf" >/dev/null 2>&1 || exit 1
"$make_adapter" "$state/model.gguf" "$state/tone.gguf" 5 || exit 1
"$make_adapter" "$state/model.gguf" "$state/other.gguf" 6 || exit 1
for company in acme globex; do
    gives 0 "company $company" reeve company create $company
    reeve person add operator --roles operator --company $company >/dev/null 2>&1 || exit 1
    reeve policy load policies/default.lua --company $company >/dev/null 2>&1 || exit 1
    gives 0 "its adviser" reeve agent publish "$state/adviser/agent.lua" --company $company
done

# ---- an agent names one
asks acme '{}'
same "without one" "" "$(adapter)"
plain=$(cat "$state/out")
asks acme '{"adapter": "tone"}'
has out '"code":"invalid"'
has out 'no adapter \"tone\"'
has out "reeve adapter load"
gives 0 "acme has one" reeve adapter load "$state/tone.gguf" --name tone --company acme
asks acme '{"adapter": "tone"}'
toned=$run
same "the journal has it and its hash" "tone $(hash "$state/tone.gguf" | cut -c1-12)" "$(adapter)"
[ "$plain" != "$(cat "$state/out")" ]
same "it makes a difference" 0 $?
answer=$(cat "$state/out")
sed -n 's/.*"tokens":{\([^}]*\)}.*/\1/p' "$state/told" | tr ',' '\n' >"$state/counts"
same "it is told the tokens" 4 "$(grep -c -E '^"(prompt|answer)":[1-9][0-9]*$|^"(cached|thinking)":[0-9]+$' "$state/counts")"
asks globex '{"adapter": "tone"}'
has out 'no adapter \"tone\"'
asks acme '{"adapter": ""}'
has out 'reeve adapter list'

# ---- a company names one for its agents
gives 1 "not one that it does not have" reeve adapter use other --company acme
has err "such adapter"
gives 1 "nor another company's" reeve adapter use tone --company globex
gives 1 "none is used yet" reeve adapter use none --company acme
gives 0 "a second one" reeve adapter load "$state/other.gguf" --name other --company acme
reeve person add clerk --roles clerk --company acme >/dev/null
gives 3 "who is no admin may not" reeve adapter use tone --company acme --as clerk
gives 0 "its agents use it" reeve adapter use other --company acme
asks acme '{}'
same "an agent that names none" "other $(hash "$state/other.gguf" | cut -c1-12)" "$(adapter)"
asks acme '{"adapter": "tone"}'
same "an agent that names another" "tone $(hash "$state/tone.gguf" | cut -c1-12)" "$(adapter)"
same "has the answer that it had" "$answer" "$(cat "$state/out")"
asks acme '{"adapter": "none"}'
same "an agent that wants none" "" "$(adapter)"
same "has the plain answer" "$plain" "$(cat "$state/out")"
gives 0 "now another" reeve adapter use tone --company acme --json
has out '"state":"used"'
gives 0 "the list says which" reeve adapter list --company acme --json
has out '"name":"tone","agents":"yes"'
asks acme '{}'
same "it is taken up" "tone $(hash "$state/tone.gguf" | cut -c1-12)" "$(adapter)"
asks globex '{}'
same "globex has none" "" "$(adapter)"

# ---- its file
cp "$state/tone.gguf" "$state/kept.gguf"
printf 'x' >>"$state/tone.gguf"
asks acme '{"adapter": "tone"}'
has out "has changed since it was loaded"
cp "$state/kept.gguf" "$state/tone.gguf"
gives 0 "an adapter that is used goes" reeve adapter remove tone --company acme
asks acme '{}'
same "and nobody uses it" "" "$(adapter)"
gives 2 "none is no name for one" reeve adapter load "$state/other.gguf" --name none --company acme

# ---- replay asks nobody: neither model nor adapter are there any more
rm "$state/tone.gguf" "$state/model.gguf"
gives 0 "a run is replayed without either" reeve run replay "$toned" --company acme
gives 0 "the records hold" reeve audit verify --company acme
reeve audit export --company acme >"$state/records" 2>/dev/null
grep -q '"adapter.use"' "$state/records"
same "what was used is on the record" 0 $?
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
