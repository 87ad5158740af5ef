#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# fork.sh -- new runs from where others once were: what is copied, what is done again, what is refused.
# usage: fork.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
status() { ask "SELECT status FROM run WHERE id = ${1#r_}"; }
seq_of() { ask "SELECT min(seq) FROM journal WHERE run_id = ${1#r_} AND kind = $2"; }
forked() { sed -n 's/.*"new_run":"\([^"]*\)".*/\1/p' "$state/out"; }

mkdir "$state/agents"
agent() { # NAME VERSION CODE LINES...
    cat >"$state/agents/$1-$2.lua" <<LUA
local agent = { name = "$1", version = "$2", handles = { "$3" }, uses = { "invoice.hold", "invoice.link_order", "invoice.reject", "exception.note" } }
function agent.plan(ctx, exception)
$4
end
return agent
LUA
}
# holds the invoice and another one; chance and time are in its notes
holder='  local mine = exception.evidence.invoice
  ctx:note("seed " .. math.random(1000000) .. " at " .. ctx.now .. " in " .. ctx.run)
  local other
  for _, row in ipairs(erp.find("invoice", { state = "registered" }, { limit = 20 })) do
    if row.id ~= mine then other = other or row.id end
  end
  ctx:note("VERSION " .. exception.code)
  return ctx:plan()
    :add("invoice.hold", { invoice = mine, code = "other", reason = "mine" }, { reason = "VERSION" })
    :add("invoice.hold", { invoice = other, code = "other", reason = "other" }, { reason = "both" }):summary("VERSION")'
agent holder 1 F12 "$(echo "$holder" | sed 's/VERSION/one/')"
agent holder 2 F12 "$(echo "$holder" | sed 's/VERSION "/one "/; s/VERSION/two/')"
agent waiter 1 F04 '  ctx:signal("go", 864000)
  return ctx:plan()'
agent turner 1 F01 '  return ctx:plan()
    :add("invoice.link_order", { invoice = exception.evidence.invoice, order = 0, reason = "first" }, { reason = "first" })
    :add("invoice.reject", { invoice = 999999, reason = "there is none" }, { reason = "second" })'
reeve company create acme >/dev/null && reeve policy load policies/default.lua >/dev/null || exit 1
for name in holder-1 waiter-1 turner-1; do reeve agent publish "$state/agents/$name.lua" >/dev/null || exit 1; done
uri=$(reeve db uri)
company=scripts/demo/company
reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml >/dev/null || exit 1
reeve exception run --no-post >/dev/null 2>&1
reeve agent publish "$state/agents/holder-2.lua" --owner console >/dev/null || exit 1
run=$(ask "SELECT 'r_' || min(id) FROM run WHERE agent = 'holder' AND status = 'done'")
open=$(ask "SELECT 'r_' || min(id) FROM run WHERE agent = 'waiter'")
back=$(ask "SELECT 'r_' || min(id) FROM run WHERE agent = 'turner' AND status = 'compensated'")
if [ -z "$run" ] || [ -z "$open" ] || [ -z "$back" ]; then
    echo "FAIL  the runs to fork: $run $open $back"
    ask "SELECT agent, status, error_text FROM run"
    exit 1
fi
plan=$(seq_of "$run" 6)
action=$(seq_of "$run" 7)
outcome=$(seq_of "$run" 9)

# what is refused costs nothing
before=$(ask "SELECT event_seq, audit_size FROM tenant_head")
gives 2 "a fork says where" reeve run fork "$run"
gives 2 "at a number" reeve run fork "$run" --at-step soon
gives 2 "not beyond the end" reeve run fork "$run" --at-step 99 --yes
has err "has steps 1 to $(ask "SELECT max(seq) FROM journal WHERE run_id = ${run#r_}")"
has err "Step 0 takes over nothing"
gives 2 "nor after the outcome" reeve run fork "$run" --at-step "$outcome" --yes
has err "is decided at step $outcome"
has err "Fork at step $((outcome - 1)), or at an earlier one"
gives 1 "an open run is not forked" reeve run fork "$open" --at-step 1 --yes
has err "is not over"
has err "reeve run cancel"
gives 1 "what was taken back is not true any more" reeve run fork "$back" --at-step "$(seq_of "$back" 7)" --yes
has err "was taken back"
gives 1 "a version that is none" reeve run fork "$run" --at-step 1 --agent-version 9 --yes
has err "no version 9"
gives 1 "a version that has gone another way by then" reeve run fork "$run" --at-step "$plan" --agent-version 2 --yes
has err "would do something else"
gives 2 "an input that is none" reeve run fork "$run" --at-step 1 --input '[1]' --yes
many=$(seq -s, 1 20000)
gives 2 "an input that no plan can be given" reeve run fork "$run" --at-step 1 --input "{\"words\":[$many]}" --yes
has err "input/words"
gives 1 "a run that is none" reeve run fork r_42 --at-step 1 --yes
gives 2 "which ones must be said" reeve run fork --at-step 1 --yes
gives 3 "who may not is refused" sh -c "'$reeve_program' person add nobody --roles auditor >/dev/null; '$reeve_program' run fork '$run' --at-step 1 --yes --as nobody"
gives 0 "a preview" reeve run fork "$run" --at-step 1
has out "would be forked"
has err "add --yes"
same "no run was made, no event written" "$(echo "$before" | cut -d'|' -f1)" "$(ask "SELECT event_seq FROM tenant_head")"
same "by none of it" 0 "$(ask "SELECT count(*) FROM run r CROSS JOIN LATERAL run_given(r.tenant_id, r.id, r.input) i WHERE i.input ? 'forked'")"

# with everything done: nothing is done again
events=$(ask "SELECT count(*) FROM event")
gives 0 "a fork after both actions" reeve run fork "$run" --at-step $((action + 1)) --yes --json
new=$(forked)
gives 0 "comes to its end" reeve run work
same "as the first did" done "$(status "$new")"
same "with no effect again" "$events" "$(ask "SELECT count(*) FROM event")"
same "under its own record" t "$(ask "SELECT count(*) > 0 FROM audit_record WHERE run_id = ${new#r_} AND body LIKE '%\"run.start\"%'")"
gives 0 "it says where it comes from" reeve run show "$new"
has out "\"run\": \"$run\""
gives 0 "it replays" reeve run replay "$new"
same "with the first one's chance, time and name" \
    "$(ask "SELECT digest FROM journal WHERE run_id = ${run#r_} AND seq = 1")" "$(ask "SELECT digest FROM journal WHERE run_id = ${new#r_} AND seq = 1")"

# a fork that fails leaves alone what the first one did
gives 0 "a fork between the actions" reeve run fork "$run" --at-step "$action" --yes --json
new=$(forked)
reeve run work >/dev/null 2>&1
same "the other invoice is held already: it fails" failed "$(status "$new")"
same "and takes nothing back" 0 "$(ask "SELECT count(*) FROM journal WHERE run_id = ${new#r_} AND kind = 10")"
gives 0 "a fork of a fork" reeve run fork "$new" --at-step "$action" --yes --json
new=$(forked)
gives 0 "replays as well" reeve run replay "$new"
gives 1 "two do not work on one business" reeve run fork "$run" --at-step 3 --yes
has out "a run is working on the same business"
reeve run work >/dev/null 2>&1

# another version, from where it may differ; another input
gives 0 "with another version" reeve run fork "$run" --at-step 3 --agent-version 2 --yes --json
new=$(forked)
reeve run work >/dev/null 2>&1
same "it proposes what that proposes" two "$(ask "SELECT convert_from(substr(out, 2), 'UTF8')::jsonb->>'summary' FROM journal WHERE run_id = ${new#r_} AND kind = 6")"
gives 1 "an input that changes what was asked" reeve run fork "$run" --at-step 3 --input '{"code":"F99"}'
has err "would do something else"
gives 0 "one that does not" reeve run fork "$run" --at-step 2 --input '{"code":"F99"}' --yes --json
new=$(forked)
reeve run work >/dev/null 2>&1
same "is seen" "one F99" "$(ask "SELECT convert_from(substr(out, 2), 'UTF8')::jsonb#>>'{value,text}' FROM journal WHERE run_id = ${new#r_} AND seq = 3")"

# many, from a search
count=$(reeve run list done --agent holder --json | wc -l)
gives 0 "a preview of many" reeve run fork --agent holder --status done --at-step 1
has err "$count runs; nothing was done"
gives 0 "and many" reeve run fork --agent holder --status failed --limit 1 --at-step 1 --yes
has err "1 of 1 runs forked"
gives 0 "the record is whole" reeve audit verify

# a file of another version of reeve is named as one
reeve run export "$run" "$state/run.json" >/dev/null
sed 's,"reeve-run/1","reeve-run/9",' "$state/run.json" >"$state/newer.json"
gives 2 "a newer format is refused" reeve run import "$state/newer.json"
has err "another version of reeve"

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
