#!/bin/sh
# shellcheck disable=SC1010,SC2181
# model.sh REEVE -- an agent decides with a model of random weights, explain says how sure it was and
# what answered, replay asks nobody, and without a model all is as before.
set -u
reeve_program=$1
state=$(mktemp -d /tmp/rv-model-XXXXXX)
export REEVE_STATE="$state" REEVE_MODEL_BACKEND=ref REEVE_MODEL_DEADLINE=300s
unset REEVE_DATABASE
trap '"$reeve_program" db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
reeve() { "$reeve_program" "$@"; }
failures=0
check() { # WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then
        echo "ok    $1"
    else
        echo "FAIL  $1: expected \"$2\", found \"$3\""
        failures=$((failures + 1))
    fi
}
reeve model make --shape tiny-llama --quant Q8_0 --seed 7 --out "$state/tiny.gguf" >/dev/null 2>&1 || exit 1
reeve model check "$state/tiny.gguf" --json | grep -q '"architecture":"llama"'
check "a file is explained" 0 $?
head -c 1000 "$state/tiny.gguf" >"$state/cut.gguf"
reeve model check "$state/cut.gguf" >/dev/null 2>&1
check "a truncated one is refused" 1 $?
: >"$state/empty.gguf"
check "an empty one is named once" "error: $state/empty.gguf: the file is empty" \
    "$(reeve model check "$state/empty.gguf" 2>&1)"
reeve model make --shape tiny-llama --out "$state/tiny.gguf" >/dev/null 2>&1
[ $? != 0 ]
check "nothing is overwritten" 0 $?
echo hello | reeve model chat "$state/tiny.gguf" --tokens 4 --json | grep -q '"answer":4'
check "a word with it" 0 $?
for wrong in nope "$state/cut.gguf"; do
    reeve model chat "$wrong" </dev/null >"$state/out" 2>"$state/err"
    check "a chat about nothing with $(basename "$wrong") is an error" no "$([ $? = 0 ] && echo yes || echo no)"
done
reeve model chat nope </dev/null 2>&1 | grep -q "nope: No such file.*"
check "that says what is missing" 0 $?
reeve model chat nope </dev/null 2>&1 | grep -q "shipped.*reeve model list"
check "and which models there are" 0 $?
reeve model chat --help | grep -q "FILE is .*shipped"
check "as the help does" 0 $?
reeve model chat shipped </dev/null
check "shipped is the model that reeve brings" 0 $?
reeve model chat "$state/tiny.gguf" </dev/null
check "a chat about nothing with a model is none" 0 $?
head -c 70000 /dev/zero | tr '\0' 'a' | reeve model chat "$state/tiny.gguf" --tokens 4 >"$state/out" 2>"$state/long"
check "a line that is too long is not cut" 2 $?
check "and nothing was answered" "" "$(cat "$state/out")"
grep -q "longer than 65536 bytes" "$state/long"
check "it says so" 0 $?
printf 'abc\0 and more\n' | reeve model chat "$state/tiny.gguf" --tokens 4 >/dev/null 2>&1
check "nor is one with a byte 0" 2 $?
reeve bench lua --case nonsense >"$state/out" 2>&1
check "a case that does not exist is said not to" 2 $?
reeve bench claims --runs 5x >/dev/null 2>&1
check "the options of reeve-bench are those of reeve bench" 2 $?
export REEVE_MODEL_PATH="$state/tiny.gguf"
reeve company create acme >/dev/null 2>&1 || exit 1
reeve doctor 2>/dev/null | grep -q "engine works"
check "doctor says that it works" 0 $?
company=scripts/demo/company
reeve policy load policies/default.lua >/dev/null 2>&1
reeve agent publish agents/missing_order/agent.lua >/dev/null 2>&1
reeve import "$company/master.json" "$company"/orders/*.xml "$company"/invoices/*.xml >/dev/null 2>&1
reeve exception run >"$state/table" 2>&1
run=""
for one in $(reeve run list --json --agent missing_order | sed 's/.*"run":"\([^"]*\)".*/\1/'); do
    reeve explain "$one" >"$state/story" 2>/dev/null
    if grep -q "asked the model, which chose" "$state/story"; then
        run=$one
        break
    fi
done
check "an agent was answered" yes "$([ -n "$run" ] && echo yes)"
grep -A6 "asked the model, which chose" "$state/story"
grep -A6 "asked the model, which chose" "$state/story" | grep -q " - [01]\.[0-9]* "
check "explain says how sure it was" 0 $?
grep -A9 "asked the model, which chose" "$state/story" | grep -q "sha256 [0-9a-f]*, greedy, seed"
check "and what answered" 0 $?
rm "$state/tiny.gguf"
reeve run replay "$run" >/dev/null 2>&1
check "replay asks nobody: the model is gone" 0 $?
export REEVE_MODEL_PATH=none
reeve doctor 2>/dev/null | grep -q "no model: agents decide by their rules"
check "without one doctor says so" 0 $?
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
