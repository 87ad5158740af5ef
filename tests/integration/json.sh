#!/bin/sh
# shellcheck disable=SC1010,SC2086  # "reeve do" is a command, a name is noun and verb
# json.sh -- every command of the program gives JSON with --json, or an empty list; a new one too.
# usage: json.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
fail() { echo "FAIL  $1"; failures=$((failures + 1)); }

reeve db start >/dev/null || exit 1
uri=$(reeve db uri)
is_json() { # FILE: one document, or one a line
    content=$(cat "$1")
    printf '%s\n' "\\set content \`cat $1\`" 'SELECT length((:'"'content'"')::jsonb::text) > 0;' |
        psql "$uri" -Atq -v ON_ERROR_STOP=1 >/dev/null 2>&1 && return 0
    while IFS= read -r line; do
        printf '%s' "$line" >"$state/line"
        printf '%s\n' "\\set content \`cat $state/line\`" 'SELECT length((:'"'content'"')::jsonb::text) > 0;' |
            psql "$uri" -Atq -v ON_ERROR_STOP=1 >/dev/null 2>&1 || return 1
    done <"$1"
    [ -n "$content" ]
}
# STATUS "may be empty"|"" COMMAND...
gives() {
    expected=$1
    empty=$2
    shift 2
    reeve "$@" --json >"$state/out" 2>"$state/err" </dev/null
    found=$?
    [ "$found" = "$expected" ] || { fail "reeve $*: status $found instead of $expected"; cat "$state/out" "$state/err"; return; }
    if [ ! -s "$state/out" ]; then
        [ -n "$empty" ] || fail "reeve $* --json says nothing"
    elif is_json "$state/out"; then
        echo "ok    reeve $*"
    else
        fail "reeve $* --json is no JSON:"
        cat "$state/out"
    fi
}

# what the commands work on
reeve company create acme >/dev/null && reeve policy load policies/default.lua >/dev/null &&
    reeve agent publish agents/*/agent.lua >/dev/null 2>&1 &&
    reeve person add manager --roles ap.manager >/dev/null || exit 1
for role in controller treasurer buyer; do reeve person add "$role" --roles "$role" >/dev/null; done
demo=scripts/demo/company
reeve import "$demo/master.json" "$demo"/orders/*.xml "$demo"/receipts/*.xml "$demo"/invoices/*.xml >/dev/null 2>&1
reeve exception run >/dev/null 2>&1
run=$(reeve run list --json | sed -n '1s/.*"run":"\([^"]*\)".*/\1/p')
approval=$(reeve approval list --json | sed -n '1s/.*"id":"\([^"]*\)".*/\1/p')
second=$(reeve approval list --json | sed -n '2s/.*"id":"\([^"]*\)".*/\1/p')
endpoint=$(reeve hook add https://hooks.example.org/a | sed -n 's/^endpoint //p')
token=$(reeve token make manager --json 2>/dev/null | sed 's/.*"id":\([0-9]*\).*/\1/')
reeve schedule add nightly --cron '0 2 * * *' >/dev/null
reeve audit prove 0 >"$state/proof"
echo '{"action":"invoice.post","me":{"kind":"agent","id":"nobody"},"args":{},"res":{},"ctx":{}}' >"$state/question.json"

reeve help --json >"$state/commands"
sed 's/.*"noun":"\([^"]*\)","verb":\(null\|"[^"]*"\).*/\1 \2/; s/ null$//; s/"//g' "$state/commands" >"$state/names"
[ "$(wc -l <"$state/names")" -gt 50 ] || fail "the table of commands is short"
while read -r name; do
    case "$name" in
    "company create") gives 0 "" company create beta; gives 0 "" company create beta ;;
    "company list" | "db start" | "db status" | "db uri" | "db migrate" | "config show" | "config list" | "config sample" | \
        version | help)
        gives 0 "" $name ;;
    doctor) gives 0 "" doctor ;;
    "company check" | "company rebuild") gives 0 "" $name acme ;;
    "person add") gives 0 "" person add clerk --roles clerk --company acme ;;
    "person disable" | "person enable") gives 0 "" $name treasurer --company acme ;;
    "token make") gives 0 "" token make manager --company acme ;;
    "token revoke") gives 0 "" token revoke "$token" --company acme ;;
    "hook add") gives 0 "" hook add https://hooks.example.org/b --company acme ;;
    "hook rotate" | "hook enable" | "hook disable" | "hook redrive") gives 0 "" $name "$endpoint" --company acme ;;
    "connector add") gives 0 "" connector add bank --url https://bank.example.org/x --company acme ;;
    "connector enable" | "connector disable") gives 0 "" $name bank --company acme ;;
    "connector remove") gives 0 "" connector remove bank --company acme ;;
    "intent list") gives 0 "may be empty" intent list all --company acme ;;
    "intent show") gives 1 "" intent show r_1:1 --company acme ;;
    "intent resolve") gives 1 "" intent resolve r_1:1 done --reason seen --company acme ;;
    "policy load") gives 0 "" policy load policies/default.lua --company acme ;;
    "policy check") gives 0 "may be empty" policy check policies/default.lua --company acme ;;
    "policy test") gives 0 "" policy test policies/default.lua --company acme ;;
    "policy explain") gives 3 "" policy explain policies/default.lua "$state/question.json" --company acme ;;
    "agent check" | "agent test") gives 0 "may be empty" $name agents/bank_line/agent.lua --company acme ;;
    "agent publish")
        sed '$ a -- a comment more' agents/bank_line/agent.lua >"$state/agent.lua"
        gives 0 "" agent publish agents/bank_line/agent.lua --company acme
        gives 0 "" agent publish --dry-run "$state/agent.lua" --company acme
        gives 0 "" agent publish --canary 0 "$state/agent.lua" --company acme
        hash=$(sed 's/.*"hash":"\([0-9a-f]*\)".*/\1/' "$state/out") ;;
    "agent canary") gives 0 "" agent canary bank_line "$hash" --percent 5 --company acme ;;
    "agent promote" | "agent rollback" | "agent versions") gives 0 "" $name bank_line --company acme ;;
    "agent activate")
        gives 0 "" agent activate bank_line "$hash" --dry-run --company acme
        gives 0 "" agent activate bank_line "$hash" --company acme
        gives 0 "" agent rollback bank_line --company acme ;;
    "run views") gives 0 "" run list stuck --save late --company acme; gives 0 "" run views --company acme ;;
    "run forget") gives 0 "" run forget late --company acme ;;
    import) gives 0 "" import "$demo/master.json" --company acme ;;
    do) gives 0 "" do tolerance.set '{"key":"PP","pct_bp":100,"amount":500,"days":0}' --dry-run --company acme ;;
    "run replay") gives 0 "" run replay "$run" --company acme ;;
    "run diff") gives 0 "" run diff "$run" "$run" --company acme ;;
    "run trace") gives 0 "" run trace "$run" --company acme; gives 0 "" run trace "$run" "$state/trace.json" --company acme ;;
    "run export") gives 0 "" run export "$run" "$state/run.json" --company acme; gives 0 "" run import "$state/run.json" ;;
    "run import") ;; # with the export
    "run fork") gives 0 "may be empty" run fork --agent bank_line --error void --at-step 1 --company acme; gives 2 "" run fork "$run" --company acme ;;
    "blob put") gives 0 "" blob put "$state/proof" --company acme ;;
    "blob get") gives 0 "" blob get "$(sha256sum "$state/proof" | cut -d' ' -f1)" "$state/proof.back" --company acme ;;
    "retention show") gives 0 "" $name ;;
    "retention preview" | "retention apply") gives 0 "may be empty" $name --set retention.journal_months=1 ;;
    "blob list") gives 0 "" blob list --company acme ;;
    "run cancel") gives 0 "may be empty" run cancel --agent bank_line --error void --company acme; gives 1 "" run cancel --agent nobody --company acme; gives 1 "" run cancel r_1 --company acme ;;
    "run start")
        gives 0 "" run start bank_line --input '{"code":"B01"}' --company acme
        gives 1 "" run start nobody --company acme; gives 2 "" run start --company acme ;;
    "run signal") gives 1 "" run signal r_1 go --company acme; gives 2 "" run signal r_1 "\$go" --company acme ;;
    "run raise") gives 1 "" run raise r_1 --calls 1 --reason more --company acme ;;
    "run query") gives 0 "" run query "$run" --company acme; gives 1 "" run query "$run" none --company acme ;;
    "run update") gives 0 "may be empty" run update "$run" --company acme; gives 1 "" run update r_1 x --company acme ;;
    "run dead") gives 0 "may be empty" run dead --company acme; gives 1 "" run dead r_1 --company acme ;;
    "run settle") gives 1 "" run settle r_1 --reason called --company acme; gives 2 "" run settle r_1 --company acme ;;
    "run revive") gives 0 "may be empty" run revive --agent bank_line --error void --company acme; gives 1 "" run revive --agent nobody --company acme; gives 2 "" run revive --company acme ;;
    "run retry") gives 0 "may be empty" run retry --error void --company acme ;;
    "run show") gives 0 "" run show "$run" --company acme ;;
    explain) gives 0 "" explain "$run" --company acme ;;
    "approval show") gives 0 "" approval show "$approval" --company acme ;;
    "approval approve") gives 0 "" approval approve "$approval" --as manager --company acme ;;
    "approval reject") gives 0 "" approval reject "$second" --as manager --company acme ;;
    "audit verify") gives 0 "" audit verify --company acme; gives 0 "" audit verify --proof "$state/proof" ;;
    "event export") gives 0 "" event export "$state/events" --company acme; gives 0 "may be empty" event export --company acme ;;
    "audit export") gives 0 "" audit export "$state/export" --company acme; gives 0 "" audit export --company acme ;;
    "audit prove") gives 0 "" audit prove 1 --company acme ;;
    "calendar add") gives 0 "" calendar add de-be --company acme ;;
    "calendar set") gives 0 "" calendar set de-be --holidays 2026-12-25,2026-12-26 --label Christmas --company acme ;;
    "calendar import")
        printf '# of Berlin\n2027-01-01 New Year\n' >"$state/holidays"
        gives 0 "" calendar import de-be "$state/holidays" --company acme ;;
    "calendar show") gives 0 "" calendar show de-be --company acme ;;
    "calendar list") gives 0 "" calendar list --company acme ;;
    "calendar remove")
        gives 0 "" schedule add third --cron '0 2 B3 * *' --calendar de-be --company acme
        gives 1 "" calendar remove de-be --company acme
        gives 0 "" schedule remove third --company acme
        gives 0 "" calendar remove de-be --company acme ;;
    "schedule add") gives 0 "" schedule add weekly --cron '0 3 * * 1' --company acme ;;
    "schedule set") gives 0 "" schedule set nightly --jitter 60 --company acme ;;
    "schedule backfill") gives 0 "" schedule backfill nightly --from 2026-01-01 --to 2026-01-03 --company acme ;;
    "schedule next")
        gives 0 "" schedule next nightly --company acme
        gives 0 "" schedule next --cron '0 2 LB * *' --tz Europe/Berlin
        gives 2 "" schedule next --cron nonsense --tz UTC ;;
    "schedule pause" | "schedule resume" | "schedule show") gives 0 "" $name nightly --company acme ;;
    "schedule run") gives 0 "" schedule run nightly --company acme ;;
    "schedule remove") gives 0 "" schedule remove weekly --company acme ;;
    "exception list" | "run list" | "approval list" | "exception run") gives 0 "may be empty" $name --company acme ;;
    "person list" | "token list" | "hook list" | "connector list" | "agent list" | "run work" | "audit key" | "audit checkpoint" | "ledger check" | \
        "schedule list")
        gives 0 "" $name --company acme ;;
    "db stop" | "db remove") ;; # at the end
    top) gives 2 "" top ;;      # asks a serving node: top.sh
    "node list") gives 0 "may be empty" node list; gives 0 "may be empty" node list --all ;;
    "model list") gives 0 "may be empty" model list ;;
    "model load") gives 0 "" model load kernels/nano/nano.gguf --name nano --company acme ;;
    "model canary") gives 0 "" model canary nano 1 --company acme ;;
    "model promote") gives 0 "" model promote nano 1 --company acme ;;
    "model rollback") gives 0 "" model rollback nano --company acme ;;
    "adapter load") gives 1 "" adapter load none.gguf --name tone --company acme ;;
    "adapter use") gives 1 "" adapter use tone --company acme ;;
    "adapter list") gives 0 "may be empty" adapter list --company acme ;;
    "adapter remove") gives 1 "" adapter remove tone --company acme ;;
    "model check") gives 0 "" model check kernels/nano/nano.gguf ;;
    "model make") gives 0 "" model make --shape tiny-llama --quant F32 --seed 1 --out "$state/tiny.gguf" ;;
    "model chat") gives 4 "may be empty" model chat ;; # no model is set
    bench) ;;                   # a program of its own
    serve)
        "$reeve_program" serve --listen 127.0.0.1:0 --json >"$state/out" 2>/dev/null &
        served=$!
        for _ in $(seq 600); do [ -s "$state/out" ] && break; sleep 0.1; done
        kill "$served"
        wait "$served"
        is_json "$state/out" || fail "reeve serve --json is no JSON: $(cat "$state/out")" ;;
    *) fail "this test does not know the command \"$name\": teach it, with --json" ;;
    esac
done <"$state/names"
# errors are JSON as well
gives 1 "" run show r_1 --company acme
gives 2 "" schedule add x --cron nonsense --company acme
reeve db stop --json >"$state/out"
reeve db remove --json | grep -q '"removed":false' || fail "reeve db remove --json"
reeve db remove --yes --json | grep -q '"removed":true' || fail "reeve db remove --yes --json"
reeve db status --json | grep -q '"state":"absent"' || fail "the removed cluster is still there"
grep -q '^{.*}$' "$state/out" || fail "reeve db stop --json: $(cat "$state/out")" # nobody left to parse it

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
