#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# runs.sh -- time travel and search with real runs of the demonstration company: replay, diff, export,
# import, list by how runs stand, cancel and retry of many.
# usage: runs.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
owner() { psql "$owner_uri" -Atqc "$1"; }
names() { reeve run list "$@" --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/'; }
nowhere() { env REEVE_STATE="$state/nowhere" "$reeve_program" "$@"; } # another machine: no database

reeve company create acme >/dev/null && reeve policy load policies/default.lua >/dev/null &&
    reeve agent publish agents/*/agent.lua >/dev/null 2>&1 &&
    reeve person add manager --roles ap.manager >/dev/null || exit 1
uri=$(reeve db uri)
owner_uri=$(reeve db uri --owner)
company=scripts/demo/company
reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml \
    "$company"/creditnotes/*.xml "$company"/statements/*.xml >/dev/null || exit 1
reeve exception run >/dev/null 2>&1 || exit 1
for id in $(ask "SELECT id FROM approval WHERE status = 'requested' AND stages::text LIKE '%ap.manager%' ORDER BY id LIMIT 2"); do
    reeve approval approve "$id" --as manager >/dev/null 2>&1
done
for id in $(ask "SELECT id FROM approval WHERE status = 'requested' AND stages::text LIKE '%ap.manager%' ORDER BY id LIMIT 1"); do
    reeve approval reject "$id" --as manager >/dev/null 2>&1
done
reeve run work >/dev/null 2>&1

# every run of the company does the same again, and nothing happens by it
before=$(ask "SELECT event_seq, audit_size FROM tenant_head")
for run in $(names); do
    reeve run replay "$run" >"$state/out" || { echo "FAIL  replay of $run:"; cat "$state/out"; failures=$((failures + 1)); }
done
same "replays have no effect" "$before" "$(ask "SELECT event_seq, audit_size FROM tenant_head")"
same "several kinds of ends were among them" t \
    "$(ask "SELECT count(DISTINCT status) >= 3 FROM run")"

# who comes second hears who has it, and what began that
key=$(ask "SELECT substr(business_key, 11) FROM run WHERE status = 'waiting' AND business_key LIKE 'exception:%' ORDER BY id LIMIT 1")
gives 1 "a second run for an exception" reeve run start --exception "$key"
has err "(begun by the exception that was found), which "

# a file replays elsewhere, byte for byte, also when it is redacted
for run in $(names); do
    if ! reeve run export "$run" "$state/$run.json" >/dev/null ||
        ! reeve run export "$run" "$state/$run.hidden.json" --redact >/dev/null; then
        echo "FAIL  export of $run"
        failures=$((failures + 1))
    fi
    here=$(reeve run replay "$run" --json)
    there=$(nowhere run replay --file "$state/$run.json" --json)
    [ "$here" = "$there" ] || { echo "FAIL  $run elsewhere: $there, here: $here"; failures=$((failures + 1)); }
    nowhere run replay --file "$state/$run.hidden.json" >"$state/out" ||
        { echo "FAIL  $run redacted:"; cat "$state/out"; failures=$((failures + 1)); }
done
[ ! -e "$state/nowhere/postgres" ]
same "without a database" 0 $?
supplier=$(owner "SELECT name FROM party WHERE name IN (SELECT evidence->>'counterparty' FROM exception) LIMIT 1")
[ -n "$supplier" ] && grep -qlF -- "$supplier" "$state"/r_*[0-9].json
same "exports have names" 0 $?
grep -qF -- "$supplier" "$state"/*.hidden.json
same "redacted ones do not" 1 $?
grep -q "<NAME_1>" "$state"/*.hidden.json
same "but something in their place" 0 $?
run=$(names done --agent bank_details | head -1)
gives 2 "an export does not overwrite" reeve run export "$run" "$state/$run.json"
has err "exists already"
has err "Name another one, or remove it."
gives 0 "an export can be imported" nowhere run import "$state/$run.json"
has out "reeve run replay --file"
gives 0 "and is kept" sh -c "ls '$state'/nowhere/runs/$run-*.json"
gives 0 "what was kept replays" nowhere run replay --file "$(ls "$state"/nowhere/runs/"$run"-*.json)"
gives 0 "a run and its file are the same" reeve run diff "$run" "$state/$run.json"
sed 's/"status": *"done"/"status":"failed"/' "$state/$run.json" >"$state/changed.json"
gives 1 "a changed file is refused" nowhere run import "$state/changed.json"
has err "sha256"
echo '{"format":"x"}' >"$state/x.json"
gives 2 "so is another one" nowhere run replay --file "$state/x.json"
has err "reeve run export"
head -c 500 "$state/$run.json" >"$state/half.json"
gives 2 "and half a one" nowhere run replay --file "$state/half.json"
# what has no end, or nobody who writes it, is no file
mkfifo "$state/pipe"
gives 2 "a device is no file" timeout 20 "$reeve_program" run import /dev/zero
has err "regular file"
gives 2 "nor to replay" timeout 20 "$reeve_program" run replay --file /dev/zero
gives 2 "nor is a pipe" timeout 20 "$reeve_program" run import "$state/pipe"
gives 2 "nor a content to keep" timeout 20 "$reeve_program" blob put "$state/pipe"
has err "regular file"
gives 2 "nor what is not there" nowhere run import "$state/nope.json"
has err "->"
head -c 80000000 /dev/zero | tr '\0' x >"$state/wide.json"
gives 1 "a line that is too long is not read" timeout 60 "$reeve_program" run import "$state/wide.json"
rm "$state/wide.json"
gives 2 "replay wants one run" reeve run replay
gives 2 "with a run's name" reeve run replay all
gives 1 "that is there" reeve run replay r_42

# differences are said
sed 's/Money must not follow/Money shall not follow/' agents/bank_details/agent.lua >"$state/agent.lua"
gives 1 "another plan differs" reeve run replay "$run" --agent "$state/agent.lua"
has out "actions[0].reason"
has out "Money shall not follow"
sed 's/erp.get("invoice"/erp.history("invoice"/' agents/bank_details/agent.lua >"$state/agent.lua"
gives 1 "another question, too" reeve run replay "$run" --agent "$state/agent.lua" --json
has out '"verdict":"differs"'
has out '"step":1'
echo 'nonsense' >"$state/agent.lua"
gives 2 "a plan that is none is named" reeve run replay "$run" --agent "$state/agent.lua"
# a plan that failed must fail the same way again; where it stands in the text does not matter
fails() { # FILE WHAT
    printf 'local agent = { name = "quick", version = "1", handles = { "F22" }, uses = {}, limits = { steps = 9 } }\nfunction agent.plan(ctx)\n  ctx:publish("at", 1)\n  %s\nend\nreturn agent\n' "$2" >"$state/$1.lua"
}
fails quick 'error("boom")'
fails placed '

  error("boom")'
fails note 'ctx:note("other")'
fails bang 'error("bang")'
fails plan 'return ctx:plan():summary("well")'
gives 0 "an agent that fails" reeve agent publish "$state/quick.lua"
quick=$(reeve run start quick --json 2>/dev/null | sed -n 's/.*"run":"\([^"]*\)".*/\1/p')
reeve run work >/dev/null 2>&1
same "its run failed" failed "$(ask "SELECT status FROM run WHERE id = ${quick#r_}")"
gives 0 "a run that failed replays" reeve run replay "$quick"
has out "the same"
gives 0 "with the error elsewhere in the text, too" reeve run replay "$quick" --agent "$state/placed.lua"
gives 1 "another error differs" reeve run replay "$quick" --agent "$state/bang.lua"
has out "at step 2"
has out "bang"
gives 1 "so does a plan that goes on" reeve run replay "$quick" --agent "$state/note.lua"
has out "at step 2"
gives 1 "and one that does not fail" reeve run replay "$quick" --agent "$state/plan.lua" --json
has out '"step":2'
fails quick 'error("bang")'
sed -i 's/version = "1"/version = "2"/' "$state/quick.lua"
reeve agent publish "$state/quick.lua" >/dev/null 2>&1
bang=$(reeve run start quick --json 2>/dev/null | sed -n 's/.*"run":"\([^"]*\)".*/\1/p')
reeve run work >/dev/null 2>&1
gives 1 "two runs that failed differently differ" reeve run diff "$quick" "$bang"
has out "bang"
other=$(names people --agent price_variance | head -1)
gives 1 "two runs differ" reeve run diff "$run" "$other"
has out "from step"
gives 1 "in JSON" reeve run diff "$run" "$other" --json
has out '"parted_at":'
psql "$owner_uri" -q >/dev/null <<SQL
ALTER TABLE journal_default DISABLE TRIGGER ALL; ALTER TABLE journal DISABLE TRIGGER ALL;
SET reeve.tenant = 1;
UPDATE journal SET digest = decode('00000000000000000000000000000000', 'hex') WHERE run_id = ${run#r_} AND seq = 1;
SQL
gives 1 "a journal that was tampered with differs" reeve run replay "$run"
has out "at step 1"

# search
waits() { ask "SELECT count(DISTINCT run_id) FROM approval WHERE status = 'requested' AND stages::text LIKE '%\"$1\"%'"; }
same "waiting on a role" "$(waits clerk)" "$(names --waiting-on clerk | wc -l | tr -d ' ')"
same "the same, as a question" "$(waits clerk)" "$(names --waiting-on person --role clerk | wc -l | tr -d ' ')"
gives 2 "nobody has that role: it is a mistake" reeve run list --role nobody
has err '--role: "nobody" is no role of this company'
has err "ap.manager"
gives 2 "so is what is neither a kind nor a role" reeve run list --waiting-on nonsense
has err '--waiting-on: "nonsense" is neither something that runs wait for nor a role of this company'
has err "person people approval timer retry signal"
gives 2 "also when it is kept" reeve run list --waiting-on nonsense --save wrong
has err "nonsense"
gives 2 "or runs shall stop" reeve run cancel --waiting-on nonsense --yes
has err "nonsense"
gives 0 "a role that only the policy names is one" reeve run list --waiting-on treasurer
reeve person add mate --roles night.watch >/dev/null
gives 0 "and one that only a person has" reeve run list --role night.watch
same "waiting for people" "$(ask "SELECT count(*) FROM run WHERE waiting_on = 'approval' AND status = 'waiting'")" \
    "$(names people | wc -l | tr -d ' ')"
same "of one agent" "$(ask "SELECT count(*) FROM run WHERE agent = 'bank_line'")" "$(names --agent bank_line | wc -l | tr -d ' ')"
key=$(ask "SELECT business_key FROM run WHERE agent = 'bank_line' ORDER BY id LIMIT 1")
same "of one exception" 1 "$(names --key "$key" | wc -l | tr -d ' ')"
same "or its beginning" "$(ask "SELECT count(*) FROM run WHERE business_key LIKE 'exception:%'")" "$(names --key exception: | wc -l | tr -d ' ')"
gives 0 "what they have used" reeve run list --agent price_variance --json
has out '"calls":3'
has out '"attempt":1'
gives 0 "money, too, in the table" reeve run list over --agent bank_line
has out ' EUR '
gives 0 "a view" reeve run list people --role clerk --save clerks
gives 3 "is not made by everybody" reeve run list people --save mine --as manager
same "finds the same" "$(waits clerk)" "$(names --view clerks | wc -l | tr -d ' ')"
same "and less with more" 0 "$(names --view clerks --error limit | wc -l | tr -d ' ')"
gives 0 "it is listed" reeve run views
has out clerks
gives 2 "a view is not made of another" reeve run list --view clerks --save more
gives 1 "nor found where there is none" reeve run list --view mine
has err "reeve run views"
same "young ones are not older" 0 "$(names --older 1d | wc -l | tr -d ' ')"
same "nothing is stuck" 0 "$(names stuck | wc -l | tr -d ' ')"
owner "SET reeve.tenant = 1; UPDATE run SET status = 'executing', waiting_on = NULL, changed_at = now() - interval '5 minutes'
    WHERE id = ${other#r_}"
same "a run that could move and does not is stuck" "$other" "$(names stuck)"
same "said in another way" "$other" "$(names --stuck --agent price_variance)"
gives 2 "not two at once" reeve run list done --stuck
has err "at the same time"
same "and older" "$other" "$(names stuck --older 1s)" # the number of a run tells when it began
same "but not so old" "" "$(names stuck --older 1d)"
owner "SET reeve.tenant = 1; UPDATE run SET status = 'waiting', waiting_on = 'approval' WHERE id = ${other#r_}"
gives 2 "a wrong age" reeve run list --older soon
has err "--older 30d"
gives 2 "a wrong word" reeve run list stcuk
has err "stuck"

# cancel many, with a preview, through the gate
before=$(ask "SELECT audit_size FROM tenant_head")
gives 2 "not all of them by accident" reeve run cancel --yes
gives 0 "a preview, by a view" reeve run cancel --view clerks
has out "would be asked to stop"
gives 0 "a preview" reeve run cancel --waiting-on clerk
has out "would be asked to stop"
has err "add --yes"
same "does nothing" "$before" "$(ask "SELECT audit_size FROM tenant_head")"
gives 3 "who may not is refused" reeve run cancel --waiting-on clerk --yes --as manager
has out "run.cancel"
count=$(names --waiting-on clerk | wc -l | tr -d ' ')
gives 0 "who may is not" reeve run cancel --waiting-on clerk --yes --reason "wrong month"
has err "$count of $count runs asked to stop" # which they have not done yet
asked=$(names --waiting-on clerk | head -1)
same "and are not stuck at once" "" "$(names stuck)"
owner "SET reeve.tenant = 1; UPDATE run_signal SET sent_at = now() - interval '2 minutes' WHERE run_id = ${asked#r_} AND name = '\$cancel'"
same "but when nobody has stopped it for a minute" "$asked" "$(names stuck)"
same "with a filter, too" "$asked" "$(names --stuck --waiting-on clerk)"
gives 0 "it says so" reeve run list --waiting-on clerk --json
same "in the list" 1 "$(grep -c "\"run\":\"$asked\".*\"status\":\"stuck\"" "$state/out")"
gives 0 "and by itself" reeve run show "$asked"
has out '"standing": "stuck"'
gives 0 "and in words" reeve explain "$asked"
has out "; stuck: it could move since"
gives 0 "they end" reeve run work
same "and are stuck no longer" "" "$(names stuck)"
same "as cancelled, all of them" "$count" "$(names cancelled --error canceled | wc -l | tr -d ' ')"
same "none waits for that role" 0 "$(names --waiting-on clerk | wc -l | tr -d ' ')"
gives 1 "one that is over cannot be cancelled" reeve run cancel "$run" --yes
has err "run $run is over: done"
gives 1 "nor one that is cancelled" reeve run cancel "$asked"
has err "run $asked is over: cancelled, wrong month"
gives 1 "nor one that never was" reeve run cancel r_42 --yes
has err "no run r_42"
gives 1 "one that is done cannot be retried" reeve run retry "$run" --yes
has err "run $run is done"

# retry of failed runs: agents whose limit is too small, then the good ones
gives 2 "retry wants to know which" reeve run retry --yes
has err "--error CODE"
same "without an option that it has not" 0 "$(grep -c -- --status "$state/err")"
failed=$(names cancelled --error canceled | head -2)
for one in $failed; do
    owner "SET reeve.tenant = 1; UPDATE run SET status = 'failed', error_code = 'limit', changed_at = now() WHERE id = ${one#r_}"
done
same "found by their error" 2 "$(names failed --error limit | wc -l | tr -d ' ')"
gives 0 "a preview" reeve run retry --error limit
has out "would be retried"
gives 0 "they are retried" reeve run retry --error limit --yes --json
has out '"new_run":"r_'
same "as new runs" 2 "$(names retrying | wc -l | tr -d ' ')"
gives 0 "at their second attempt" reeve run list --retrying --json
has out '"attempt":2'
gives 0 "one may explain itself" reeve explain "$(names --retrying | head -1)"
has out "attempt 2"
gives 1 "once" reeve run retry --error limit --yes
has out "a run is working on it already: r_"
has out "of agent"
gives 0 "that work" reeve run work
# a plan that tries something again is retrying, too
mkdir "$state/again"
cat >"$state/again/agent.lua" <<'LUA'
local agent = { name = "again", version = "1", handles = {}, uses = {} }
function agent.plan(ctx, input)
  return ctx:retry({ max = 4, backoff = 8, on = { "unavailable" } }, function(n)
    ctx:note("attempt " .. n)
    return nil, "no luck", "unavailable"
  end)
end
return agent
LUA
gives 0 "an agent that tries again" reeve agent publish "$state/again/agent.lua"
reeve person add again.op --roles operator >/dev/null
gives 0 "begins" reeve run start again --as again.op --wait 2 --json
again=$(grep -o 'r_[0-9]*' "$state/out" | head -1)
same "it is found" "$again" "$(names retrying | grep "$again")"
same "by what it waits for" "$again" "$(names --waiting-on retry)"
gives 0 "and says which attempt, after what" reeve run list --waiting-on retry
has out "retry: attempt 2 after unavailable, at 2"
gives 0 "as retrying" reeve run list retrying --agent again --json
has out '"status":"retrying"'
same "no timer" "" "$(names --waiting-on timer | grep "$again")"
gives 0 "it is replayed" reeve run replay "$again"
sleep 8
gives 0 "its next attempt" reeve run work
gives 0 "fails as well" reeve run list --waiting-on retry
has out "retry: attempt 3 after unavailable, at 2"
gives 0 "one that tries again can be stopped" reeve run cancel "$again" --yes
gives 0 "and is" reeve run work
same "it tries no more" "" "$(names retrying | grep "$again")"
gives 0 "a view can be forgotten" reeve run forget clerks
gives 1 "once" reeve run forget clerks
has err 'no view "clerks": it is forgotten already'
same "waits are what the approvals say" "$(ask "SELECT count(DISTINCT run_id) FROM approval WHERE status = 'requested' AND run_id IS NOT NULL")" \
    "$(ask "SELECT count(DISTINCT run_id) FROM approval_wait")"
gives 0 "the ledger balances" reeve ledger check
gives 0 "and the record is whole" reeve audit verify

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
