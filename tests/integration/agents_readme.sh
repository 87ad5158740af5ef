#!/bin/sh
# shellcheck disable=SC2015,SC2086  # fail never returns; commands are words
# agents_readme.sh -- agents/README.md as an integrator follows it: every file and every command in it.
# usage: agents_readme.sh REEVE      (from the repository root)
#
# A Lua block begins with "-- file: PATH" and is written there; the lines of sh blocks are run in their
# order.  RUN stands for the newest run of the page's own agent.
set -u
reeve_program=$1
root=$(pwd)
state=$(mktemp -d /tmp/rv-agents-XXXXXX)
chmod 755 "$state" # root's server, which is another account, has to pass
export REEVE_STATE="$state/s" HOME="$state" XDG_CONFIG_HOME="$state/c"
unset REEVE_DATABASE REEVE_DATABASE_URI REEVE_CONFIG
trap '"$reeve_program" db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
reeve() { "$reeve_program" "$@"; }
failures=0
fail() {
    echo "FAIL  $*"
    failures=$((failures + 1))
}
mkdir "$state/w" && cd "$state/w" || exit 1
for folder in agents policies scripts; do
    ln -s "$root/$folder" "$folder"
done

files_of_the_page() {
    awk '/^```lua/ {first = 1; on = 1; next} /^```/ {on = 0}
         on && first {first = 0; print $2 == "file:" ? $3 : "no-file-name"}' "$root/agents/README.md"
}
for path in $(files_of_the_page); do
    mkdir -p "$(dirname "$path")"
    awk -v want="$path" '/^```lua/ {first = 1; on = 1; hit = 0; next} /^```/ {on = 0}
         on && first {first = 0; hit = $3 == want} on && hit' "$root/agents/README.md" >"$path"
done
[ -s my/account_caller/agent.lua ] || fail "the page has no agent"
awk '/^```sh/ {on = 1; next} /^```/ {on = 0} on' "$root/agents/README.md" >commands
[ "$(grep -c . commands)" -ge 9 ] || fail "the page has lost commands"

needs_database=0
while read -r line; do
    case "$line" in
    "reeve company create"*)
        needs_database=1
        ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || break
        ;;
    *RUN*)
        run=$(reeve run list --json | grep '"account_caller"' | head -1 | sed 's/.*"\(r_[0-9]*\)".*/\1/')
        [ -n "$run" ] || fail "the page's agent was not started"
        line=$(echo "$line" | sed "s/RUN/$run/")
        ;;
    esac
    if eval "$line" >out 2>err </dev/null; then
        echo "ok    $line"
    else
        fail "$line: status $?"
        cat out err
    fi
    case "$line" in
    *"agent test my"*) grep -q "3 cases passed, 0 failed" err || fail "the page's cases: $(cat err)" ;;
    "reeve explain"*) grep -q "invoice.hold" out || fail "the run did not hold: $(cat out)" ;;
    esac
done <commands

# what else the page says of the two commands
printf 'local agent = { name = "x", version = "1",\n  handles = { "F12" },\n  uses = "invoice.hold" }\n%s\n' \
    'function agent.plan() end return agent' >wrong.lua
reeve agent check wrong.lua >out 2>err
[ $? = 1 ] || fail "a mistake is status 1"
grep -q 'wrong.lua:3: field "uses" must be a list' err || fail "line and field: $(cat err)"
sed 's/uses = "invoice.hold"/uses = { "invoice.hld" }/' wrong.lua >wrong2.lua
reeve agent check wrong2.lua >out 2>err
[ $? = 1 ] && grep -q 'action that does not exist: "invoice.hld"' err || fail "unknown action: $(cat err)"
sed 's/F12/F99/; s/uses = "invoice.hold"/uses = {}/' wrong.lua >wrong3.lua
reeve agent check wrong3.lua >out 2>err
[ $? = 1 ] && grep -q 'exception that does not exist: "F99"' err || fail "unknown exception: $(cat err)"
printf 'local agent = {\n' >wrong4.lua
reeve agent check wrong4.lua >out 2>err
[ $? = 1 ] && grep -q 'wrong4.lua:2:' err || fail "syntax: $(cat err)"
reeve agent check nothing.lua >out 2>err
[ $? = 2 ] || fail "no such file is status 2"
reeve agent test nothing >out 2>err
[ $? = 2 ] || fail "no such folder is status 2"
reeve agent check --actions | grep -q '^invoice.hold' || fail "the list of actions"
reeve agent check --exceptions | grep -q '^F12' || fail "the list of exceptions"
sed -i 's/actions = { call }/actions = { hold, call }/' my/account_caller/cases/calls.lua
reeve agent test my >out 2>err
[ $? = 1 ] || fail "a case that fails is status 1"
grep -q 'case "a held one is held already: only the call": action 1: expected invoice.hold' out ||
    fail "the difference is told: $(cat out)"
reeve agent test my --json >out 2>err
grep '"result":"failed"' out | grep -q '"difference":".*expected invoice.hold' || fail "as JSON: $(cat out)"
sed -i 's/{ party = invoice.party }/{ currency = "EUR" }/' my/account_caller/agent.lua
sed -i 's/, filter = { party = 5 }//' my/account_caller/cases/calls.lua
reeve agent test my >out 2>err
grep -q "names none of its indexed fields" out || fail "a question without an answer: $(cat out)"
reeve agent test "$root/agents" >out 2>err || fail "the shipped agents: $(cat out err)"
reeve agent test --help | grep -q "what the world answers" || fail "help teaches"
lua5.4 -e 'assert(loadfile(arg[1]))' "$root/agents/types/reeve.lua" || fail "agents/types"

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ] || exit 1
if [ "$needs_database" = 1 ] && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    echo "SKIP: PostgreSQL is not installed (package postgresql-15); what needs no database passed"
    exit 77
fi
