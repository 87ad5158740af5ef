#!/bin/sh
# versions.sh -- a new version of an agent beside open runs of the old one: the trial, runs that go over, canary,
# promote and rollback, each on the record and in the runs' own journals.
# usage: versions.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
active() { ask "SELECT encode(active_hash, 'hex') FROM agent WHERE name = 'price_variance'"; }
plans() { ask "SELECT count(*) FROM run WHERE agent = 'price_variance' AND encode(plan_hash, 'hex') = '$1' AND status = 'waiting'"; }
settle() { # what was cancelled takes back what it did
    reeve run work >/dev/null 2>&1
    same "what was cancelled comes to its end" "" "$(ask "SELECT string_agg(status || ' ' || coalesce(waiting_on, '-'), ', ') FROM run WHERE agent = 'price_variance'
        AND status NOT IN ('done', 'failed', 'cancelled', 'compensated')")"
}
number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$state/out"; }
version() { # FILE VERSION [SED]
    sed "s/version = \"1.1\"/version = \"$2\"/; ${3:-}" agents/price_variance/agent.lua >"$state/$1"
}

reeve company create acme >/dev/null && reeve policy load policies/default.lua >/dev/null &&
    reeve agent publish agents/*/agent.lua >/dev/null 2>&1 &&
    reeve person add manager --roles ap.manager >/dev/null &&
    reeve person add reader --roles auditor >/dev/null || exit 1
uri=$(reeve db uri)
company=scripts/demo/company
reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml \
    "$company"/creditnotes/*.xml "$company"/statements/*.xml >/dev/null || exit 1
reeve exception run >/dev/null 2>&1 || exit 1
v1=$(active)
open=$(plans "$v1")
echo "$open open runs of price_variance"
[ "$open" -ge 2 ]
same "some runs wait for people" 0 $?

# the trial changes nothing, and says what would become of every open run
version comment.lua 1.2 '$ a -- nothing but a comment is new'
version question.lua 1.3 's/erp.get("order"/erp.history("order"/'
version reason.lua 1.4 's/difference " .. difference/gap " .. difference/'
version other.lua 1.5 's/handles = { "F01" }/handles = { "F02" }/'
version broken.lua 1.6 's/function agent.review/function agent.reviewed/'
before=$(ask "SELECT event_seq, audit_size FROM tenant_head")
gives 0 "a version that does the same" reeve agent publish --dry-run "$state/comment.lua" --json
same "is safe for all" "$open" "$(number safe)"
gives 1 "one that asks something else" reeve agent publish --dry-run "$state/question.lua" --json
same "diverges for all" "$open" "$(number diverges)"
has out '"step":2'
has out '"expected":"read erp.get"'
has out '"now":"read erp.history, line'
gives 1 "as a table" reeve agent publish --dry-run "$state/question.lua"
has out "read erp.get"
has out "r_"
gives 1 "one that gives another reason" reeve agent publish --dry-run "$state/reason.lua" --json
has out 'with other arguments: actions[0].evidence'
gives 0 "one that handles something else" reeve agent publish --dry-run "$state/other.lua" --json
same "leaves them pinned" "$open" "$(number pinned)"
has out "does not handle F01"
echo 'nonsense' >"$state/x.lua"
gives 2 "no plan at all is named" reeve agent publish --dry-run "$state/x.lua"
same "and nothing was changed" "$before" "$(ask "SELECT event_seq, audit_size FROM tenant_head")"
same "nor kept" 1 "$(ask "SELECT count(*) FROM plan_source WHERE agent = 'price_variance'")"

# who answers for it is somebody, and is changed only by who says so
owner() { ask "SELECT owner FROM agent WHERE name = 'bank_details'"; }
details=agents/bank_details/agent.lua
same "the owner is who published it" console "$(owner)"
gives 2 "nobody is no owner" reeve agent publish "$details" --owner nobody
has err "no person"
gives 2 "nor is a name that is none" reeve agent publish "$details" --owner ''
gives 3 "not everybody may change it" reeve agent publish "$details" --owner reader --as reader
has err "agent.publish"
same "it stays" console "$(owner)"
gives 0 "who may does" reeve agent publish "$details" --owner manager
same "the new one is kept" manager "$(owner)"
same "and is on the record" 1 "$(ask "SELECT count(*) FROM audit_record WHERE kind = 'admin' AND body::jsonb->>'owner' = 'manager'")"
gives 0 "none asked for" reeve agent publish "$details"
same "keeps it" manager "$(owner)"
gives 0 "with a canary" reeve agent publish "$details" --canary 10 --owner reader
same "too" reader "$(owner)"
gives 2 "but where nothing is taken" reeve agent publish "$details" --canary 0 --owner manager
gives 0 "a canary that ends" reeve agent canary bank_details 1.1 --percent 0
same "leaves it" reader "$(owner)"
reeve agent publish "$details" --owner console >/dev/null 2>&1

# publishing says it, too; open runs stay
gives 0 "another question is published" reeve agent publish "$state/question.lua"
has err "$open diverge"
v3=$(active)
same "open runs stay" "$open" "$(plans "$v1")"
gives 3 "not everybody may take it back" reeve agent rollback price_variance --as reader
gives 0 "who may does" reeve agent rollback price_variance --json
same "to the version before" "$v1" "$(active)"
gives 1 "there is none before that" reeve agent rollback price_variance
has err "had no version before"
gives 3 "nor publish" reeve agent activate price_variance 1.3 --as reader
has err "agent.publish"
gives 0 "any version can be active" reeve agent activate price_variance "$(echo "$v3" | cut -c1-8)" --json
has out '"diverges":'
gives 0 "by its name, too" reeve agent activate price_variance 1.1
same "again the first" "$v1" "$(active)"
gives 1 "if it is there" reeve agent activate price_variance 9.9
has err "has no version"
gives 1 "and the agent" reeve agent versions nobody

# runs that are safe go over; their journals say so, and they go on
gives 0 "runs go over" reeve agent publish --migrate-safe "$state/comment.lua" --json
same "all of them" "$open" "$(number migrated)"
v2=$(active)
same "indeed" "$open" "$(plans "$v2")"
run=$(ask "SELECT 'r_' || id FROM run WHERE agent = 'price_variance' AND status = 'waiting' ORDER BY id LIMIT 1")
gives 0 "it is in the run's story" reeve explain "$run"
has out "goes on with version 1.2"
gives 0 "the run replays with it" reeve run replay "$run"
gives 0 "exported, too" reeve run export "$run" "$state/run.json"
gives 0 "elsewhere" reeve run replay --file "$state/run.json"
gives 0 "and redacted" reeve run export "$run" "$state/hidden.json" --redact
gives 0 "the same trial again" reeve agent activate price_variance 1.2 --dry-run --json
same "finds that they have it" "$open" "$(number has_it)"
for id in $(ask "SELECT a.id FROM approval a JOIN run r ON r.id = a.run_id WHERE r.agent = 'price_variance' AND a.status = 'requested'
                  AND a.stages::text LIKE '%ap.manager%' ORDER BY a.id LIMIT 2"); do
    gives 0 "a person decides" reeve approval approve "$id" --as manager
done
gives 0 "the run goes on" reeve run work
same "none diverged, none failed" "" "$(ask "SELECT error_text FROM run WHERE status IN ('diverged', 'failed') AND agent = 'price_variance'")"
[ "$(ask "SELECT count(*) FROM run WHERE agent = 'price_variance' AND status = 'done' AND encode(plan_hash, 'hex') = '$v2'")" -ge 1 ]
same "some came to their end with the new version" 0 $?

# an actor that still has the old version cannot write: the journal has that number already
same "a note's number is taken once" "ERROR" "$(psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1;
    INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out) SELECT tenant_id, run_id, seq, 1, 'x', digest, out FROM journal WHERE name = 'version' LIMIT 1" 2>&1 | cut -c1-5)"

# canary: by the exception's key, the same one always the same way
gives 1 "a canary needs an agent" reeve agent canary nobody 1.3 --percent 10
gives 2 "and a share" reeve agent canary price_variance 1.3
gives 2 "of a hundred" reeve agent canary price_variance 1.3 --percent 101
gives 1 "not the active one" reeve agent canary price_variance 1.2 --percent 10
gives 0 "none" reeve agent canary price_variance 1.3 --percent 100
gives 1 "what is not on trial ends no trial" reeve agent canary price_variance 1.2 --percent 0
has err "is not on trial"
gives 0 "is listed" reeve agent versions price_variance --json
has out '"state":"canary 100%"'
has out '"state":"active"'
runs=$(ask "SELECT string_agg('r_' || id, ' ') FROM run WHERE agent = 'price_variance' AND status = 'waiting'")
# shellcheck disable=SC2086
reeve run cancel $runs --yes >/dev/null 2>&1
settle
psql "$(reeve db uri --owner)" -q -c "SET reeve.tenant = 1; UPDATE run SET status = 'failed', changed_at = now() - interval '1 hour'
    WHERE agent = 'price_variance' AND status IN ('cancelled', 'compensated')"
gives 0 "new runs" reeve exception run
[ "$(ask "SELECT count(*) FROM run WHERE encode(plan_hash, 'hex') = '$v3'")" -ge 1 ]
same "take the canary" 0 $?
same "all of them" 0 "$(plans "$v2")"
gives 0 "which is taken back first" reeve agent rollback price_variance
has out "no new run"
same "the active version stays" "$v2" "$(active)"
gives 1 "without one nothing is promoted" reeve agent promote price_variance
has err "has no canary"
gives 0 "a file can be one" reeve agent publish --canary 5 "$state/reason.lua"
same "and activates nothing" "$v2" "$(active)"
gives 0 "promoted" reeve agent promote price_variance
same "the active one is another" 1.4 "$(ask "SELECT version FROM plan_source p JOIN agent a ON a.active_hash = p.hash WHERE a.name = 'price_variance'")"
gives 0 "v1, v2, v1" reeve agent rollback price_variance
same "is what it was" "$v2" "$(active)"
gives 2 "open runs take no part" reeve agent publish --canary 5 --migrate-safe "$state/reason.lua"
sed 's/name = "[a-z_]*"/name = "newcomer"/' "$state/reason.lua" >"$state/newcomer.lua"
gives 1 "a first version cannot be tried" reeve agent publish --canary 5 "$state/newcomer.lua"
has err "publish it without --canary"

# a plan that goes in a circle is stopped, and the circle is named
version circle.lua 1.7 's/  local plan = ctx:plan()/  for _ = 1, 20 do erp.get("invoice", found.invoice); erp.get("order", found.order) end\n  local plan = ctx:plan()/'
gives 0 "a plan that goes in a circle" reeve agent publish "$state/circle.lua"
runs=$(ask "SELECT string_agg('r_' || id, ' ') FROM run WHERE agent = 'price_variance' AND status = 'waiting'")
# shellcheck disable=SC2086
[ -z "$runs" ] || reeve run cancel $runs --yes >/dev/null 2>&1
settle
psql "$(reeve db uri --owner)" -q -c "SET reeve.tenant = 1; UPDATE run SET status = 'failed', changed_at = now() - interval '1 day'
    WHERE agent = 'price_variance' AND status IN ('cancelled', 'compensated', 'failed')"
reeve exception run >/dev/null 2>&1
gives 0 "is stopped" reeve run list --error limit --json
has out '"agent":"price_variance"'
same "after three rounds, by name" t "$(ask "SELECT bool_and(error_text LIKE 'the plan goes in a circle: read erp.get, read erp.get, 3 times%')
    FROM run r JOIN plan_source p ON p.hash = r.plan_hash WHERE p.version = '1.7'")"
gives 0 "and it says which attempt that was" reeve run list --agent price_variance --error limit --json
has out '"attempt":'

# all of it is on the record
same "every change has its line" "$(ask "SELECT count(*) FROM agent_change WHERE agent = 'price_variance'")" \
    "$(ask "SELECT count(*) FROM audit_record WHERE kind = 'admin' AND body::jsonb->>'name' = 'price_variance'
             AND body::jsonb->>'as' <> 'migrate'")"
gives 0 "and the record is whole" reeve audit verify


# what a run has spent, and what it was told, may be too much for a version that does the same
spender() { # VERSION LIMITS [UPDATE]: an agent that has five entries when it waits
    cat >"$state/spender.lua" <<LUA
local agent = { name = "spender", version = "$1", handles = {}, uses = {}, limits = { $2 },
  updates = { deliver = { type = "object", properties = { ${3:-n} = { type = "integer" } } } } }
function agent.plan(ctx, input)
  for i = 1, 3 do erp.get("invoice", i) end
  ctx:signal("go", 600)
  local update = ctx:update("deliver", 600)
  ctx:reply(update, { ok = true })
  ctx:publish("end", { ok = true })
end
return agent
LUA
}
verdict() { # of the only open run, as the trial of the file finds it
    reeve agent publish "$state/spender.lua" --dry-run --json >"$state/out" 2>"$state/err"
    jq -r '.runs[0] | .verdict + ": " + (.why // "")' "$state/out"
}
spender 1 "steps = 40"
gives 0 "an agent that may do much" reeve agent publish "$state/spender.lua"
gives 0 "begins" reeve run start spender
gives 0 "and waits" reeve run work
spender 2 "steps = 3"
same "too many steps" 'pinned: it has spent what the version lets it: budget "steps" is exhausted: 3 used, 1 asked, limit 3' "$(verdict)"
spender 2 "steps = 40, calls = 2"
same "too many calls" 'pinned: it has spent what the version lets it: budget "calls" is exhausted: 3 used, 0 asked, limit 2' "$(verdict)"
spender 2 "steps = 40, wall_ms = 1"
same "too long" "pinned: limits.wall_ms of the version is over for it" "$(verdict)"
spender 2 "steps = 40, calls = 3"
same "enough" "safe: " "$(verdict)"
run=$(ask "SELECT 'r_' || id FROM run WHERE agent = 'spender'")
gives 0 "an update that it does not take yet" reeve run update "$run" deliver --body '{"n":5}'
spender 2 "steps = 40" day
same "was checked by its own version" "pinned: an update that it has not taken was checked by its own version" "$(verdict)"
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
