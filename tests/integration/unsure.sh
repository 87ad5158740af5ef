#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# unsure.sh -- what a model was not sure of goes to people by policy, whatever the plan makes of it: an agent that never
# looks at the margin claims small amounts; each run is held or not as its journal's margin says, also after a kill, a
# replay, a checkpoint, a fork and in a child.
# usage: unsure.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
status() { ask "SELECT status FROM run WHERE id = ${1#r_}"; }
margin() { # the lowest of the run's journal
    ask "SELECT min((convert_from(substr(out, 2), 'UTF8')::jsonb #>> '{value,margin}')::int) FROM journal
         WHERE run_id = ${1#r_} AND kind = 2"
}
approval() { ask "SELECT coalesce(max(id), 0) FROM approval WHERE run_id = ${1#r_} AND status = 'requested'"; }
asked() { # WHAT RUN MARGIN: people are asked, for the one reason, and told of it
    same "$1: it waits for people" waiting "$(status "$2")"
    same "$1: because of the model alone" '{model.unsure}' "$(ask "SELECT rules FROM approval WHERE run_id = ${2#r_}")"
    gives 0 "$1: shown" reeve approval show "$(approval "$2")"
    has out "least sure answer of the model, by $3 point"
}
begin() { # AGENT N  -> the run's name
    reeve run start "$1" --input "{\"n\":$2,\"invoice\":$invoice}" --json 2>"$state/begun" | grep -o 'r_[0-9]*' | head -1
}

unset REEVE_MODEL_PATH # the model that reeve ships
export REEVE_MODEL_BACKEND=cpu REEVE_MODEL_DEADLINE=120s
gives 0 "a company" reeve company create acme
uri=$(reeve db uri --owner)
gives 0 "the default policy" reeve policy load policies/default.lua
reeve person add boss --roles ap.manager,admin,operator >/dev/null
mkdir "$state/agents"
agent() { # NAME BODY: never looks at what the model says of its margin
    cat >"$state/agents/$1.lua" <<LUA
local agent = { name = "$1", version = "1", handles = {}, uses = { "credit_note.request" },
  limits = { steps = 60, calls = 40, tokens = 40000, children = 2 } }
local function decide(input)
  return llm.decide { question = "More was invoiced than received. Wait for the rest of the delivery (invoice.hold), or "
      .. "claim its value now (credit_note.request)?", options = { "invoice.hold", "credit_note.request" },
    facts = { invoiced = tostring(10 + input.n), received = tostring(6 + input.n % 5), missing = tostring(4 + input.n - input.n % 5),
      value = (20 + input.n * 30) .. ".00 EUR", announced_deliveries = input.n % 3 } }
end
local function waver(input) -- questions that nobody can answer
  local pairs = { { "yes", "no" }, { "left", "right" }, { "alpha", "beta" }, { "hold", "claim" }, { "17", "18" } }
  for i = 1, 15 do
    llm.decide { question = "Which of the two for number " .. input.n * 15 + i .. "?", options = pairs[i % #pairs + 1] }
  end
end
local function claim(ctx, input)
  return ctx:plan():add("credit_note.request", { invoice = input.invoice, reason = "number " .. input.n,
    amount = { minor = 100 + input.n, currency = "EUR" } }, { reason = "a claim", evidence = { "number " .. input.n } })
end
function agent.plan(ctx, input)
$2
end
return agent
LUA
    reeve agent publish "$state/agents/$1.lua" --owner console >/dev/null || exit 1
}
agent ignorer '  decide(input)
  return claim(ctx, input)'
agent doubter '  waver(input)
  return claim(ctx, input)'
agent resumer '  if not ctx.state then
    waver(input)
    ctx:checkpoint({ seen = true })
  end
  return claim(ctx, input)'
company=scripts/demo/company
reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml >/dev/null || exit 1
invoice=$(ask "SELECT min(id) FROM invoice WHERE state = 'registered'")
sure=$(begin ignorer 1)
unsure=$(begin doubter 2)
later=$(begin resumer 3)
gives 0 "they work" reeve run work

# how sure it was decides, and the plan has no word in it
low=$(margin "$unsure")
same "the model was sure of one" yes "$([ "$(margin "$sure")" -ge 20 ] && echo yes)"
same "so it is done at once" "done" "$(status "$sure")"
same "it was not of the other" yes "$([ "$low" -lt 20 ] && echo yes)"
asked "an agent that ignores its margin" "$unsure" "$low"
same "the manager is asked" '[{"n": 1, "role": "ap.manager"}]' "$(ask "SELECT stages FROM approval WHERE run_id = ${unsure#r_}")"
same "nothing is done meanwhile" 1 "$(ask "SELECT count(*) FROM credit_request")"

# the same after a beginning in the middle of the plan, which reads nothing of before
asked "behind a checkpoint" "$later" "$(margin "$later")"

# the same when another process takes the run up, and when it is replayed without a model
export REEVE_MODEL_PATH=none
gives 0 "the manager agrees" reeve approval approve "$(approval "$unsure")" --as boss
gives 0 "another process goes on" reeve run work
same "then it is done" "done" "$(status "$unsure")"
same "once" 2 "$(ask "SELECT count(*) FROM credit_request")"
gives 0 "it replays" reeve run replay "$unsure"
gives 0 "and so does one that waits" reeve run replay "$later"
gives 0 "a no" reeve approval reject "$(approval "$later")" --as boss --comment "wait"
gives 0 "is heard" reeve run work
same "and nothing is done" "cancelled 2" "$(status "$later") $(ask "SELECT count(*) FROM credit_request")"

# a fork takes the answers over, and what they leave of doubt
at=$(ask "SELECT max(seq) FROM journal WHERE run_id = ${unsure#r_} AND kind = 2")
gives 0 "a fork behind the answers" reeve run fork "$unsure" --at-step "$at" --yes --json
fork=$(sed -n 's/.*"new_run":"\([^"]*\)".*/\1/p' "$state/out")
gives 0 "works" reeve run work
asked "a fork" "$fork" "$low"
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
