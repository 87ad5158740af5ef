#!/bin/sh
# shellcheck disable=SC1010,SC2154  # "done" is an outcome; variables of the sourced files
# story.sh -- what a run says of itself afterwards: the story in words, the redacted file, and the effects that stand
# because they could not be taken back; with the real program and somebody else's machine.
# usage: story.sh REEVE RECEIVER      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
rules='\
  permit { id = "operators", persons = "*", action = any_of { "run.start", "run.signal", "run.update", "run.cancel" } },'
# shellcheck source=tests/support/effects.sh
. tests/support/effects.sh
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$state/out" | head -1; }
lacks() { # out TEXT: also in other words for the same name
    if grep -qi -- "$2" "$1"; then
        echo "FAIL  \"$2\" is in $1: $(grep -io -- ".\{40\}$2.\{20\}" "$1" | head -3)"
        failures=$((failures + 1))
    else
        echo "ok    no \"$2\""
    fi
}

# ---- a run begun with an input, that people talk to ----
cat >"$state/desk.lua" <<'LUA'
local agent = { name = "desk", version = "1", handles = {}, uses = {}, limits = { steps = 100 },
  updates = { ask = { type = "object", required = { "n" }, properties = { n = { type = "integer" } } } } }
function agent.plan(ctx, input)
  local signal = ctx:signal("go", 86400)
  ctx:note("heard " .. signal.word)
  local none = ctx:signal("never", 1)
  ctx:publish("state", { heard = signal.word })
  local update = ctx:update("ask", 86400)
  ctx:reply(update, { twice = 2 * update.body.n, for_whom = update.by })
  return ctx:plan():summary("told " .. update.by)
end
return agent
LUA
for person in max.mustermann erika; do
    reeve person add "$person" --roles operator,admin,controller >/dev/null || exit 1
done
gives 0 "an agent with an owner" reeve agent publish "$state/desk.lua" --owner max.mustermann
gives 0 "a run with an input" reeve run start desk --input '{"order":4711,"why":"asked by phone"}' --key "desk:4711" --as erika --json
desk=$(field run)
word=$(printf 'first\n  99  asked the gate for invoice.pay: executed\033[31m')
gives 0 "a signal" reeve run signal "$desk" go --body "$(jq -nc --arg w "$word" '{word: $w}')" --as max.mustermann
reeve run work >/dev/null 2>&1
sleep 1.2
reeve run work >/dev/null 2>&1
gives 0 "an update" reeve run update "$desk" ask --body '{"n":21}' --as max.mustermann
reeve run work >/dev/null 2>&1
same "it is done" "done" "$(ask "SELECT status FROM run WHERE id = ${desk#r_}")"
gives 0 "its story" reeve explain "$desk"
has out "because person:erika asked for it"
has out 'for the key "desk:4711"'
has out 'with {"order":4711,"why":"asked by phone"}'
has out 'waits for the signal "go", until 2'
has out 'got the signal "go" from max.mustermann: {"word":"first\n  99'
has out 'notes: heard first\n  99  asked the gate'
has out "no signal came in time (timeout)"
has out 'tells "state": {"heard":"first'
has out 'got the update "ask" u_'
has out ' from max.mustermann: {"n":21}'
has out 'answered the update u_'
has out '{"for_whom":"max.mustermann","twice":42}'
same "no line of it is forged" 0 "$(grep -c '^ *99 ' "$state/out")"
same "and no control character is in it" 0 "$(tr -cd '\033' <"$state/out" | wc -c)"
gives 0 "who sent what is data, too" reeve run show "$desk"
same "with name and person" "go max.mustermann" "$(jq -r '.signals[0] | "\(.name) \(.sent_by)"' "$state/out")"
same "and who began it" "person:erika desk:4711" "$(jq -r '.run | "\(.begun_by) \(.business_key)"' "$state/out")"

# ---- the redacted file names nobody ----
gives 0 "it is exported" reeve run export "$desk" "$state/full.json"
gives 0 "without names, too" reeve run export "$desk" "$state/hidden.json" --redact
grep -q "warning: line" "$state/err"
same "nor does its source, so that nothing is said of it" 1 $?
grep -q max.mustermann "$state/full.json"
same "the whole one has them" 0 $?
lacks "$state/hidden.json" mustermann
lacks "$state/hidden.json" erika
update=$(ask "SELECT id FROM run_update LIMIT 1")
grep -q "$update" "$state/hidden.json"
same "the update's own id stays" 0 $?
gives 0 "the redacted one replays" reeve run replay --file "$state/hidden.json"
there=$(REEVE_STATE="$state/nowhere" "$reeve_program" run replay --file "$state/hidden.json" --json)
gives 0 "and can be imported" env REEVE_STATE="$state/nowhere" "$reeve_program" run import "$state/hidden.json"
kept=$(ls "$state"/nowhere/runs/"$desk"-*.json)
same "as the same, byte for byte" "$there" "$(REEVE_STATE="$state/nowhere" "$reeve_program" run replay --file "$kept" --json)"
cmp -s "$state/hidden.json" "$kept"
same "the file is" 0 $?

# ---- a schedule began it ----
gives 0 "a schedule" reeve schedule add nightly --cron '0 3 * * *' --agent desk --input '{"order":1}'
gives 0 "runs at once" reeve schedule run nightly
"$reeve_program" serve --listen 127.0.0.1:0 >"$state/serve" 2>&1 &
served=$!
timed=""
for _ in $(seq 300); do
    timed=$(ask "SELECT 'r_' || max(id) FROM run WHERE agent = 'desk' AND id <> ${desk#r_}")
    [ -n "$timed" ] && break
    sleep 0.1
done
serve_ends
gives 0 "its story" reeve explain "$timed"
has out 'because the schedule "nightly" was due at 2'
has out 'with {"order":1,"schedule":{'

# ---- what could not be taken back stands ----
reeve connector add bank --url "http://127.0.0.1:$http" --allow-private --timeout 1000 --backoff 50 --attempts 2 >/dev/null || exit 1
undo() { # PATH UNDO
    printf '{ connector = "bank", path = "%s", compensate = { action = "http.request", args = { connector = "bank", path = "%s" } } }' "$1" "$2"
}
saga() { # UNDO: of the second of three; the fourth fails
    say http.request "$(undo /ok/1 '/ok/undo1/{key}')" "
    :add(\"http.request\", $(undo /ok/2 "$1"), { reason = \"second\" })
    :add(\"http.request\", $(undo /ok/3 '/ok/undo3/{key}'), { reason = \"third\" })
    :add(\"http.request\", $(undo /no '/ok/undo4/{key}'), { reason = \"fourth\" })"
    begin
    work
}
saga '/ok/undo2/{key}'
same "all of it was taken back" "compensated invalid" "$(status)"
gives 0 "nothing stands" reeve run show "r_$run"
same "and the field says so" "[]" "$(jq -c .run.effects_standing "$state/out")"
saga /no
same "one undo was refused" "failed invalid" "$(status)"
gives 0 "a dead letter says what stands" reeve run dead "r_$run" --json
same "where, and why" 'standing 1 2 http.request bank failed invalid true' \
    "$(jq -r '"\(.class) \(.effects_standing | length)" + (.effects_standing[0] | " \(.number) \(.action) \(.connector) \(.undo) \(.code) \(.reason | length > 0)")' "$state/out")"
gives 0 "also in words" reeve run dead "r_$run"
has err "1 effect stands and could not be taken back:"
has err "action 2, http.request through bank, key reeve-1-r$run-"
gives 0 "and in the table" reeve run dead --class standing
has out "1 effect stands (bank); "
gives 0 "the story says it first" reeve explain "r_$run"
has out "1 effect stands and could not be taken back:"
has out "undo failed: "
gives 0 "show has it as data" reeve run show "r_$run"
same "the same" bank "$(jq -r '.run.effects_standing[0].connector' "$state/out")"
gives 0 "such runs can be found" reeve run list standing --json
same "this one, and no other" "r_$run" "$(jq -r .run "$state/out")"
gives 0 "by a flag as well" reeve run list --standing --agent outside
has out "r_$run"
gives 0 "and of another agent there are none" reeve run list --standing --agent desk --json
same "no line" "" "$(cat "$state/out")"
same "a monitor reads the number" 1 "$(ask "SELECT value FROM reeve_backlog(1000) WHERE name = 'runs_standing'")"
gives 0 "and it replays" reeve run replay "r_$run"
# ... until a person has dealt with it outside
gives 2 "who says so says how" reeve run settle "r_$run"
reeve person add clerk --roles clerk >/dev/null
gives 3 "a clerk does not say so" reeve run settle "r_$run" --reason "called the bank" --as clerk
gives 1 "of a run that left nothing" reeve run settle "$desk" --reason "called the bank"
gives 0 "an operator does" reeve run settle "r_$run" --reason "called the bank" --json
same "who" "console called the bank" "$(jq -r '.settled_by + " " + .reason' "$state/out")"
gives 1 "once" reeve run settle "r_$run" --reason again
has err "is settled already, by console"
gives 0 "it is no dead letter any more" reeve run dead --json
grep -q "r_$run" "$state/out"
same "..." 1 $?
gives 0 "but where all are asked for" reeve run dead --revived --class standing
has out "r_$run"
gives 0 "nor in the list" reeve run list standing --json
same "no line of it" "" "$(cat "$state/out")"
same "nor in the number" 0 "$(ask "SELECT value FROM reeve_backlog(1000) WHERE name = 'runs_standing'")"
gives 0 "its own letter says who" reeve run dead "r_$run"
has err "settled by console at 2"
gives 0 "and its story" reeve explain "r_$run"
has out ": called the bank"
same "it is on the record, with what was refused" 4 "$(ask "SELECT count(*) FROM audit_record WHERE body::jsonb->>'what' = 'run.settle'")"
same "and stays as it was said" "ERROR:  permission denied for table run_settled" "$(ask "DELETE FROM run_settled" 2>&1)"
gives 0 "the record is whole" reeve audit verify

# ... through HTTP
saga /no
same "another one" "failed invalid" "$(status)"
gives 1 "what stands would be done twice" reeve run revive "r_$run" --yes
has out "a run that goes on from there would do the same again"
reeve person add operator --roles operator >/dev/null
serve
token=$(token_of operator)
path=/v1/runs/$run/settle
same "how is to be said" 422 "$(send POST "$path" '{}')"
has out '"field":"reason"'
same "and nothing else" 400 "$(send POST "$path" '{"reason":"called the bank","by":"erika"}')"
same "of what is no dead letter" 404 "$(send POST "/v1/runs/${desk#r_}/settle" '{"reason":"called the bank"}')"
same "an operator says so" 200 "$(send POST "$path" '{"reason":"called the bank"}')"
same "and is named" "r_$run operator" "$(jq -r '"\(.run) \(.settled_by)"' "$state/out")"
same "once" 409 "$(send POST "$path" '{"reason":"called the bank"}')"
has out "is settled already, by operator"
token=$(token_of clerk)
same "a clerk does not say so" 403 "$(send POST "$path" '{"reason":"called the bank"}')"
serve_ends
gives 0 "the record is whole" reeve audit verify

[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
