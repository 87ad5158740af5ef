#!/bin/sh
# registry.sh -- versions of a model: loaded, tried by one company, promoted, rolled back under a serving
# reeve; adapters that only their company can ask for; and everything that is refused.
# usage: registry.sh REEVE MAKE_ADAPTER      (from the repository root)
set -u
make_adapter=$2
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
command -v curl >/dev/null || { echo "SKIP: curl is not installed"; exit 77; }
export REEVE_MODEL_BACKEND=ref REEVE_MODEL_PATH=none REEVE_MODEL_DEADLINE=300s
reeve company create acme >/dev/null 2>&1 && reeve company create globex >/dev/null 2>&1 || exit 1
for seed in 1 2; do
    reeve model make --shape tiny-llama --quant Q8_0 --seed $seed --out "$state/$seed.gguf" >/dev/null 2>&1 || exit 1
done
cp kernels/nano/nano.gguf "$state/nano.gguf"
hash() { sha256sum "$1" | cut -c1-64; }
state_of() { reeve model list --json | sed -n "s/.*\"name\":\"$1\",\"version\":$2,\"state\":\"\([^\"]*\)\".*/\1/p"; }

# ---- load
gives 0 "the shipped model is loaded" reeve model load "$state/nano.gguf" --name clerk --company acme --json
has out '"version":1'
has out "$(hash "$state/nano.gguf")"
gives 1 "the same file is no new version" reeve model load "$state/nano.gguf" --name clerk --company acme
has err "already"
gives 0 "another file is" reeve model load "$state/1.gguf" --name clerk --company acme
has out "clerk@2 is a candidate"
gives 0 "and a third" reeve model load "$state/2.gguf" --name clerk --company acme
head -c 5000 "$state/1.gguf" >"$state/cut.gguf"
gives 1 "a truncated file is refused" reeve model load "$state/cut.gguf" --name clerk --company acme
gives 1 "a text is refused" reeve model load README.md --name clerk --company acme
has err "README.md"
gives 1 "a file that is not there" reeve model load "$state/none.gguf" --name clerk --company acme
has err "none.gguf"
gives 2 "a name with a blank" reeve model load "$state/1.gguf" --name "a b" --company acme
has err "is no name for a model"
gives 2 "a name that is taken" reeve model load "$state/1.gguf" --name reeve --company acme
gives 2 "no name" reeve model load "$state/1.gguf" --company acme
has err "--name is missing"
REEVE_MODEL_BACKEND=cuda gives 4 "an engine that cannot work fails the health check" \
    reeve model load "$state/1.gguf" --name other --company acme
has err "health check failed"
reeve person add clerk --roles clerk --company acme >/dev/null
gives 3 "who is no admin may not" reeve model promote clerk 1 --company acme --as clerk
same "nothing of it was recorded" 3 "$(reeve model list --json | grep -c '"name"')"

# ---- wrong words
gives 1 "a version that is none" reeve model promote clerk 9 --company acme
has err "there is no model clerk@9"
gives 2 "a version that is no number" reeve model promote clerk x --company acme
has err "is no version"
gives 1 "nothing is active to be rolled back" reeve model rollback clerk --company acme
has err "no version of clerk is active"
gives 2 "a canary needs a company" reeve model canary clerk 2
has err "--company is missing"
gives 1 "a company that is none" reeve model canary clerk 2 --company nobody

# ---- the journal says which version answered
reeve policy load policies/default.lua --company acme >/dev/null 2>&1
reeve agent publish agents/missing_order/agent.lua --company acme >/dev/null 2>&1
demo=scripts/demo/company
reeve import --company acme "$demo/master.json" "$demo"/orders/*.xml "$demo"/invoices/*.xml >/dev/null 2>&1
gives 0 "a version is promoted" reeve model promote clerk 2 --company acme
reeve exception run --company acme >/dev/null 2>&1
found=
for run in $(reeve run list --json --company acme --agent missing_order | sed 's/.*"run":"\([^"]*\)".*/\1/'); do
    reeve explain "$run" --company acme >"$state/story" 2>/dev/null
    grep -q "asked the model, which chose" "$state/story" && found=$run && break
done
# what the model said may be many lines
sed -n '/asked the model, which chose/,$p' "$state/story" | tr -d '\n' |
    grep -aq "clerk@2.*sha256 $(hash "$state/1.gguf" | cut -c1-12)"
same "the journal has the version and its hash" 0 $?
gives 0 "and replay reads them" reeve run replay "$found" --company acme
gives 0 "before it was the setting" reeve model rollback clerk --company acme
has out "model.path answers again"

for version in 1 2 1; do
    gives 0 "forth and back" reeve model promote clerk $version --company acme
done
gives 0 "promoting the one before was going back" reeve model rollback clerk --company acme
has out "model.path answers again"

# ---- a serving reeve takes every change over
secret() { # COMPANY
    reeve --company "$1" person add app --roles operator,admin >/dev/null 2>&1
    reeve --company "$1" token make app --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/'
}
acme=$(secret acme)
globex=$(secret globex)
serve
ask() { # TOKEN MODEL [MORE]: the status; the answer is in $state/answer
    curl -s -o "$state/answer" -w '%{http_code}' -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \
        -d "{\"model\":\"$2\",\"prompt\":\"The order says\",\"temperature\":0,\"max_tokens\":16${3:-}}" "$base/v1/completions"
}
text() { sed 's/.*"text":"\(.*\)","logprobs".*/\1/' "$state/answer"; }
print() { sed 's/.*"system_fingerprint":"fp_\([0-9a-f]*\)".*/\1/' "$state/answer"; }
until_answered_by() { # WHAT TOKEN FILE
    wanted=$(hash "$3" | cut -c1-12)
    for _ in $(seq 600); do
        [ "$(ask "$2" reeve)" = 200 ] && [ "$(print)" = "$wanted" ] && break
        sleep 0.1
    done
    same "$1" "$wanted" "$(print)"
}
models() { curl -s -H "Authorization: Bearer $1" "$base/v1/models" | grep -o '"id":"[^"]*"' | tr '\n' ' '; }
same "no model, no answer" 404 "$(ask "$acme" reeve)"
same "and none is listed" "" "$(models "$acme")"
gives 0 "the first is promoted" reeve model promote clerk 1 --company acme --json
has out '"before":"model.path"'
until_answered_by "it answers acme" "$acme" "$state/nano.gguf"
until_answered_by "and globex" "$globex" "$state/nano.gguf"
gives 1 "twice is once" reeve model promote clerk 1 --company acme
has err "active already"
gives 0 "globex tries the second" reeve model canary clerk 2 --company globex
has out "clerk@2 answers globex from now on"
same "it is a canary" canary "$(state_of clerk 2)"
until_answered_by "it answers globex" "$globex" "$state/1.gguf"
ask "$acme" reeve >/dev/null
same "and acme has the first still" "$(hash "$state/nano.gguf" | cut -c1-12)" "$(print)"
same "acme may use" '"id":"reeve" "id":"clerk" "id":"clerk@1" ' "$(models "$acme")"
same "globex may use" '"id":"reeve" "id":"clerk" "id":"clerk@2" ' "$(models "$globex")"
same "by its name" 200 "$(ask "$acme" clerk)"
same "by its version" 200 "$(ask "$globex" clerk@2)"
same "not by another company's" 404 "$(ask "$acme" clerk@2)"
grep -q "/v1/models" "$state/answer"
same "which says what to do" 0 $?
gives 1 "trying it twice is trying it once" reeve model canary clerk 2 --company globex
gives 0 "both companies try the third" reeve model canary clerk 3 --company globex --company acme
same "the second is a candidate again" candidate "$(state_of clerk 2)"
until_answered_by "the third answers acme" "$acme" "$state/2.gguf"
gives 0 "no longer" reeve model canary clerk 3 --company acme --company globex --end
until_answered_by "acme is back with the first" "$acme" "$state/nano.gguf"
gives 1 "nobody tries it" reeve model canary clerk 3 --company acme --end
has err "does not try"

# ---- an answer in flight ends on the version that began it
curl -s -N -H "Authorization: Bearer $acme" -H 'Content-Type: application/json' \
    -d '{"model":"reeve","prompt":"A long story","temperature":0,"max_tokens":400,"stream":true}' \
    "$base/v1/completions" >"$state/stream" &
stream=$!
gives 0 "the second is promoted" reeve model promote clerk 2 --company acme
until_answered_by "it answers acme" "$acme" "$state/1.gguf"
wait "$stream"
same "a stream that was open ends whole" 1 "$(grep -c '^data: \[DONE\]' "$state/stream")"
same "on the version that began it" "\"system_fingerprint\":\"fp_$(hash "$state/nano.gguf" | cut -c1-12)\"" \
    "$(grep -o '"system_fingerprint":"[^"]*"' "$state/stream" | sort -u)"

# ---- adapters
"$make_adapter" "$state/1.gguf" "$state/tone.gguf" 5 || exit 1
"$make_adapter" "$state/1.gguf" "$state/other.gguf" 6 || exit 1
gives 0 "an adapter of acme" reeve adapter load "$state/tone.gguf" --name tone --company acme
same "the plain answer" 200 "$(ask "$acme" reeve)"
plain=$(text)
same "acme asks with it" 200 "$(ask "$acme" reeve:tone)"
toned=$(text)
[ "$plain" != "$toned" ]
same "it makes a difference" 0 $?
same "by the model's name too" 200 "$(ask "$acme" clerk:tone)"
same "it is listed for acme" '"id":"reeve" "id":"clerk" "id":"clerk@2" "id":"reeve:tone" ' "$(models "$acme")"
same "globex has no such adapter" 404 "$(ask "$globex" reeve:tone)"
grep -q "reeve adapter load" "$state/answer"
same "and is told what to do" 0 $?
same "nor sees it" '"id":"reeve" "id":"clerk" "id":"clerk@2" ' "$(models "$globex")"
gives 0 "globex calls its own the same" reeve adapter load "$state/other.gguf" --name tone --company globex
ask "$globex" reeve:tone >/dev/null
[ "$(text)" != "$toned" ]
same "and gets its own" 0 $?
ask "$acme" reeve:tone >/dev/null
same "acme's is as it was" "$toned" "$(text)"
same "one that is none" 404 "$(ask "$acme" reeve:nothing)"
same "a name that is none" 404 "$(ask "$acme" "reeve:")"
same "a model that is none" 404 "$(ask "$acme" nothing:tone)"
gives 2 "an adapter of another shape is refused" reeve adapter load "$state/nano.gguf" --name odd --company acme
gives 2 "so is a bad name" reeve adapter load "$state/tone.gguf" --name "A:b" --company acme
gives 0 "removed" reeve adapter remove tone --company globex
same "and gone at once" 404 "$(ask "$globex" reeve:tone)"
gives 1 "what is not there cannot be removed" reeve adapter remove tone --company globex

# ---- rollback
gives 0 "back" reeve model rollback clerk --company acme --json
has out '"model":"clerk@1"'
until_answered_by "the first answers again" "$acme" "$state/nano.gguf"
same "the second is retired" retired "$(state_of clerk 2)"
printf 'x' >>"$state/2.gguf"
gives 1 "a file that has changed is not promoted" reeve model promote clerk 3 --company acme
has err "has changed since it was loaded as clerk@3"
gives 1 "nor tried" reeve model canary clerk 3 --company acme
gives 0 "back to the setting" reeve model rollback clerk --company acme
has out "model.path answers again"
for _ in $(seq 600); do [ "$(ask "$acme" reeve)" = 404 ] && break; sleep 0.1; done
same "which names none" 404 "$(ask "$acme" reeve)"

# ---- the record
gives 0 "the records hold" reeve audit verify --company acme
reeve audit export --company acme >"$state/records" 2>/dev/null
for what in model.load model.promote model.canary model.canary_end model.rollback adapter.load; do
    grep -q "\"$what\"" "$state/records"
    same "on the record: $what" 0 $?
done

# ---- a chat template that nobody knows
serve_ends
LC_ALL=C sed "s/'<|im_start|>/'<|im_befor|>/g" "$state/1.gguf" >"$state/odd.gguf"
gives 2 "an unknown chat template is explained and refused" reeve model check "$state/odd.gguf"
has out "chat format   unknown"
has err "key tokenizer.chat_template: unknown; set model.template: chatml, qwen3"
has err "reeve model check, load and chat take --template NAME"
known=$(sed -n 's/.*set model.template: //p' "$state/err" | tr -d ',')
same "all formats are named" 17 "$(echo "$known" | wc -w)"
for format in $known; do
    REEVE_MODEL_TEMPLATE=$format reeve config list >/dev/null 2>&1 || same "the setting knows it" "$format" ""
done
REEVE_MODEL_TEMPLATE=alpaca gives 2 "a format that is none" reeve config list
gives 0 "with its format named it is fine" reeve model check "$state/odd.gguf" --template chatml
has out "chat format   chatml"
gives 2 "not with one that its vocabulary cannot write" reeve model check "$state/odd.gguf" --template gemma
has err "chat format gemma needs the special token <start_of_turn>"
gives 2 "nor with one that is none" reeve model check "$state/odd.gguf" --template alpaca
has err "name one: chatml"
echo hello >"$state/line"
reeve model chat "$state/odd.gguf" --tokens 4 <"$state/line" >/dev/null 2>"$state/err"
same "no chat with it" 2 $?
has err "set model.template: chatml"
reeve model chat "$state/odd.gguf" --tokens 4 --template chatml <"$state/line" >/dev/null 2>&1
same "one with its format named" 0 $?
gives 2 "it is not loaded" reeve model load "$state/odd.gguf" --name odd --company acme
has err "set model.template: chatml"
gives 0 "with its format named it is" reeve model load "$state/odd.gguf" --name odd --template chatml --company acme
gives 1 "the same once more is no new version" reeve model load "$state/odd.gguf" --name odd --template chatml --company acme
REEVE_MODEL_PATH=$state/odd.gguf says "doctor names the remedy" "set model.template: chatml" reeve doctor
chat() { # the status; the answer is in $state/answer
    curl -s -o "$state/answer" -w '%{http_code}' -H "Authorization: Bearer $acme" -H 'Content-Type: application/json' \
        -d '{"model":"reeve","messages":[{"role":"user","content":"hello"}],"max_tokens":4}' "$base/v1/chat/completions"
}
embed() {
    curl -s -o "$state/answer" -w '%{http_code}' -H "Authorization: Bearer $acme" -H 'Content-Type: application/json' \
        -d '{"model":"reeve","input":"hello"}' "$base/v1/embeddings"
}
serve_with() { # SETTINGS...
    : >"$state/served"
    env "$@" "$reeve_program" serve --listen 127.0.0.1:0 --json >"$state/served" 2>"$state/log" &
    served=$!
    for _ in $(seq 100); do [ -s "$state/served" ] && break; sleep 0.1; done
    base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
}
serve_with REEVE_MODEL_PATH="$state/odd.gguf"
same "an unknown template: completions" 200 "$(ask "$acme" reeve)"
same "and embeddings" 200 "$(embed)"
same "but no chat" 400 "$(chat)"
grep -q 'set model.template: chatml.*"param":"/model"' "$state/answer"
same "and the answer says what to do" 0 $?
serve_ends
serve_with REEVE_MODEL_PATH="$state/odd.gguf" REEVE_MODEL_TEMPLATE=chatml
same "with the setting there is one" 200 "$(chat)"
gives 0 "the version that was loaded with its format is promoted" reeve model promote odd 1 --company acme
serve_ends
serve_with REEVE_MODEL_PATH=none
until_answered_by "it answers" "$acme" "$state/odd.gguf"
same "chats too, without the setting" 200 "$(chat)"

# ---- the active version's file is gone at a start: what a rollback would give stands in, and everybody is told
serve_ends
mv "$state/odd.gguf" "$state/away.gguf"
serve_with REEVE_MODEL_PATH="$state/1.gguf"
until_answered_by "model.path stands in" "$acme" "$state/1.gguf"
grep -q "MODEL-STANDS-IN.*wanted=odd@1 now=model.path.*odd.gguf.*reeve model rollback" "$state/log"
same "the log has file and remedy" 0 $?
REEVE_MODEL_PATH=$state/1.gguf says "doctor says what answers" "it is answered by model.path" reeve doctor
REEVE_MODEL_PATH=none says "and where nothing can" "agents decide by their rules" reeve doctor
REEVE_MODEL_PATH=none gives 0 "so does the list" reeve model list
has out "active, no file"
has err "odd.gguf cannot be read here"
mv "$state/away.gguf" "$state/odd.gguf"
until_answered_by "the file is back, and the version with it" "$acme" "$state/odd.gguf"
gives 0 "another one is promoted" reeve model promote clerk 1 --company acme
until_answered_by "it answers" "$acme" "$state/nano.gguf"
gives 0 "globex tries the third" reeve model canary clerk 2 --company globex
until_answered_by "which answers it" "$globex" "$state/1.gguf"
serve_ends
mv "$state/nano.gguf" "$state/away.gguf"
mv "$state/1.gguf" "$state/away1.gguf"
serve_with REEVE_MODEL_PATH="$state/none.gguf"
until_answered_by "the version before stands in" "$acme" "$state/odd.gguf"
until_answered_by "for who tries one as well" "$globex" "$state/odd.gguf"
REEVE_MODEL_PATH=none says "as doctor says" "it is answered by odd@1" reeve doctor
serve_ends
rm "$state/odd.gguf"
serve_with REEVE_MODEL_PATH=none
same "nothing can stand in" 503 "$(ask "$acme" reeve)"
grep -q "nano.gguf" "$state/answer"
same "which says whose file is missing" 0 $?
gives 0 "the records hold" reeve audit verify --company acme
[ "$failures" = 0 ] || { echo "$failures checks failed"; tail -30 "$state/log"; }
[ "$failures" = 0 ]
