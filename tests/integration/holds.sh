#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# holds.sh -- an invoice that an agent has held stays held until somebody has decided: when the approval of what was to
# come after it expires or becomes void, and when the run is cancelled or fails.  Who refuses has decided: it is released.
# usage: holds.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
status() { ask "SELECT status FROM run WHERE id = $1"; }
waiting() { # AGENT: one that has held and waits for people
    ask "SELECT min(r.id) FROM run r WHERE r.agent = '$1' AND r.status = 'waiting' AND r.waiting_on = 'approval'
         AND EXISTS (SELECT FROM journal j WHERE j.run_id = r.id AND j.kind = 7 AND j.name = 'invoice.hold')"
}
begin() { # AGENT -> run, approval, invoice, key
    run=$(waiting "$1")
    approval=$(ask "SELECT max(id) FROM approval WHERE run_id = $run AND status = 'requested'")
    key=$(ask "SELECT substr(business_key, 11) FROM run WHERE id = $run")
    invoice=$(ask "SELECT evidence->>'invoice' FROM exception WHERE encode(key, 'hex') = '$key'")
    same "$1 holds its invoice and asks" held "$(ask "SELECT state FROM invoice WHERE id = $invoice")"
}
ended() { # WHAT STATUS STATE: how the run and its invoice are, and that the exception is where people look
    gives 0 "$1" reeve run work
    same "$1: the run" "$2" "$(status "$run")"
    same "$1: the invoice" "$3" "$(ask "SELECT state FROM invoice WHERE id = $invoice")"
    same "$1: the exception is open" open "$(ask "SELECT state FROM exception WHERE encode(key, 'hex') = '$key'")"
    gives 0 "$1: people see it" reeve exception list --json
    has out "\"state\":\"open\",\"key\":\"$(echo "$key" | cut -c1-12)\""
    gives 0 "$1: it replays" reeve run replay "r_$run"
}

gives 0 "a company" reeve company create acme
uri=$(reeve db uri --owner)
gives 0 "its policy" reeve policy load policies/default.lua
for role in controller treasurer buyer clerk; do reeve person add "$role" --roles "$role" >/dev/null; done
reeve person add boss --roles ap.manager,admin,operator >/dev/null
mkdir "$state/agents"
cat >"$state/agents/faller.lua" <<'LUA'
local agent = { name = "faller", version = "1", handles = { "F02" }, uses = { "invoice.hold", "invoice.reject" } }
function agent.plan(ctx, exception)
  return ctx:plan()
    :add("invoice.hold", { invoice = exception.evidence.invoice, code = "quantity", reason = "first" }, { reason = "first" })
    :add("invoice.reject", { invoice = 999999, reason = "there is none" }, { reason = "second" })
end
return agent
LUA
for agent in agents/duplicate_invoice/agent.lua agents/price_variance/agent.lua "$state/agents/faller.lua"; do
    reeve agent publish "$agent" >/dev/null || exit 1
done
company=scripts/demo/company
reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml >/dev/null || exit 1
reeve exception run --no-post >/dev/null 2>&1

# nobody answers in time
begin duplicate_invoice
ask "UPDATE approval SET expires_at = clock_timestamp() - interval '1 second' WHERE id = $approval"
ended "nobody answered" cancelled held
same "its outcome says that the hold stays" true "$(ask "SELECT convert_from(substr(out, 2), 'UTF8')::jsonb #>> '{executed,0,stays}'
    FROM journal WHERE run_id = $run AND kind = 9")"
gives 0 "a person may still decide" reeve do invoice.release "{\"invoice\":$invoice,\"reason\":\"compared\"}" --as boss

# somebody says no: that is a decision
begin duplicate_invoice
gives 0 "a manager says no" reeve approval reject "$approval" --as boss --comment "another delivery"
ended "it was refused" compensated registered

# the run is cancelled: about the invoice nobody has said anything
begin price_variance
gives 0 "it is cancelled" reeve run cancel "r_$run" --as boss --yes
ended "the run was cancelled" cancelled held

# what people say counts for nothing: each time the policy asks for more by then
begin price_variance
more=
for role in controller treasurer buyer clerk; do
    [ "$(status "$run")" = waiting ] || break
    approval=$(ask "SELECT max(id) FROM approval WHERE run_id = $run AND status = 'requested'")
    more="$more\\
  approve { id = \"more.$role\", agents = \"*\", action = \"credit_note.request\", stages = { { role = \"$role\" } },\\
    expires = \"72h\" },"
    sed "s/^  approve { id = \"credit.manager\"/$more\\
&/" policies/default.lua >"$state/policy.lua"
    reeve policy load "$state/policy.lua" >/dev/null || echo "FAIL  the policy of $role"
    for person in boss controller treasurer buyer; do
        reeve approval approve "$approval" --as "$person" >/dev/null 2>&1
    done
    reeve run work >/dev/null 2>&1
done
same "they were asked again and again" "void void void" "$(ask "SELECT string_agg(status, ' ') FROM approval WHERE run_id = $run")"
ended "every approval was void" failed held

# a later action fails
run=$(ask "SELECT min(id) FROM run WHERE agent = 'faller'")
key=$(ask "SELECT substr(business_key, 11) FROM run WHERE id = $run")
invoice=$(ask "SELECT evidence->>'invoice' FROM exception WHERE encode(key, 'hex') = '$key'")
ended "a later action failed" failed held

# an action that is about nothing that another one could be about: what people approved is done, once
cat >"$state/agents/writer.lua" <<'LUA'
local agent = { name = "writer", version = "1", handles = {}, uses = { "journal.post" } }
function agent.plan(ctx, input)
  return ctx:plan():add("journal.post", { memo = "accrual", lines = {
    { account = "4970", amount_minor = 100, currency = "EUR" },
    { account = "1490", amount_minor = -100, currency = "EUR" } } }, { reason = "the month ends" })
end
return agent
LUA
gives 0 "an agent that writes entries" reeve agent publish "$state/agents/writer.lua"
gives 0 "is begun" reeve run start writer --json
run=$(sed -n 's/.*"run":"r_\([0-9]*\)".*/\1/p' "$state/out" | head -1)
gives 0 "and asks" reeve run work
approval=$(ask "SELECT id FROM approval WHERE run_id = $run AND status = 'requested'")
gives 0 "people agree" reeve approval approve "$approval" --as controller
gives 0 "it goes on" reeve run work
same "and is done" done "$(status "$run")"
same "with one entry, asked for once" "1 1" "$(ask "SELECT count(*) FROM je WHERE memo = 'accrual'") $(ask "SELECT count(*) FROM approval WHERE run_id = $run")"
gives 0 "it replays" reeve run replay "r_$run"
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
