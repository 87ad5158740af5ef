#!/bin/sh
# retention.sh -- journals by period: made ahead, shown, held by open runs, dropped by the owner alone, and what is
# said of them afterwards.
# usage: retention.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
owner() { psql "$owner_uri" -Atq -v ON_ERROR_STOP=1 -c "SET ROLE reeve_owner" -c "SET TimeZone = 'UTC'" -c "$1"; }

cat >"$state/small.lua" <<'LUA'
local agent = { name = "small", version = "1", summary = "notes, and maybe a word", handles = { "F22" }, uses = {} }
function agent.plan(ctx, exception)
  for i = 1, 5 do ctx:note("step " .. i) end
  if exception.wait then ctx:signal("go", 864000) end
  return ctx:plan():summary("five notes")
end
return agent
LUA
for company in acme globex; do
    reeve company create $company >/dev/null && reeve policy load policies/default.lua --company $company >/dev/null &&
        reeve agent publish "$state/small.lua" --company $company >/dev/null || exit 1
done
uri=$(reeve db uri)
owner_uri=$(reeve db uri --owner)

# ---- made ahead ----
same "a new database has this month and three more" 4 "$(owner "SELECT count(*) FROM journal_period WHERE made_at IS NOT NULL")"
same "and the next ones are there already" "" "$(ask "SELECT reeve_journal_ahead('month', 3)")"
owner "BEGIN; DROP TABLE $(owner "SELECT max(name) FROM journal_period"); DELETE FROM journal_period WHERE name = (SELECT max(name) FROM journal_period); COMMIT"
same "one that is missing is made by the login that serves" "$(date -u -d "$(date -u +%Y-%m-01) +3 months" +journal_%Y_%m)" "$(ask "SELECT reeve_journal_ahead('month', 3)")"
same "with the wall of every table" "t t 2" "$(owner "SELECT c.relrowsecurity, c.relforcerowsecurity, (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) FROM pg_class c WHERE c.relname = (SELECT max(name) FROM journal_period)" | tr '|' ' ')"
same "and its rows are for ever" 1 "$(owner "SELECT count(*) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE g.tgname = 'append_only' AND c.relname = (SELECT max(name) FROM journal_period)")"

# ---- runs of two years ago ----
owner "SELECT reeve_journal_make('journal_2024_01', '2024-01-01', '2024-02-01'), reeve_journal_make('journal_2024_02', '2024-02-01', '2024-03-01')" >/dev/null
begin() { # COMPANY DAY COUNT INPUT
    psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = $1;
        WITH ids AS (SELECT reeve_run_bound('$2') + g AS id FROM generate_series(1, $3) g),
        input AS (INSERT INTO run_input (tenant_id, run_id, input) SELECT $1, id, '{\"exception\": $4}' FROM ids)
        INSERT INTO run (tenant_id, id, agent, plan_hash, status) SELECT $1, ids.id, a.name, a.active_hash, 'created' FROM ids, agent a"
}
begin 1 2024-01-10 3 '{}'
begin 2 2024-01-11 2 '{}'
begin 1 2024-02-10 1 '{"wait": true}'
old=$(ask "SELECT min(id) FROM run")
waiting=$(ask "SELECT max(id) FROM run")
ask "INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by) VALUES (1, $old, 1, 'late', '{}', 'test')"
reeve run work --company acme >/dev/null 2>&1
reeve run work --company globex >/dev/null 2>&1
same "they lie in the period of their beginning" 35 "$(owner "SELECT count(*) FROM journal_2024_01")"
reeve run export "r_$old" "$state/kept.json" --company acme >/dev/null

# ---- what may go ----
gives 0 "periods are shown" reeve retention show
has out "journal_2024_01"
has err "kept for ever"
gives 2 "without a limit nothing is ever past" reeve retention preview
has err "retention.journal_months"
past="--set retention.journal_months=12"
# shellcheck disable=SC2086
gives 0 "what is past is counted" reeve retention preview $past
has out "journal_2024_01 (2024-01-01 to 2024-02-01): 5 runs, 35 steps"
has out "r_$waiting of acme is open"
# shellcheck disable=SC2086
gives 0 "without --yes it is only said" reeve retention apply $past --company acme
has err "nothing was dropped"
same "it is all there" 35 "$(owner "SELECT count(*) FROM journal_2024_01")"
reeve person add clerk --roles ap.clerk --company acme >/dev/null
# shellcheck disable=SC2086
gives 3 "not everybody may" reeve retention apply $past --yes --company acme --as clerk
psql "$uri" -Atqc "SELECT reeve_journal_drop('journal_2024_01', 12, 'nobody', '[]')" >/dev/null 2>"$state/err"
same "the serving login may not, whoever asks" 1 "$(grep -c "permission denied\|must be owner" "$state/err")"

# ---- dropped ----
# shellcheck disable=SC2086
gives 0 "the past goes, what is open stays" reeve retention apply $past --yes --company acme
has err "1 periods dropped"
same "the table is gone" "" "$(owner "SELECT to_regclass('journal_2024_01')")"
same "that of the open run is not" 6 "$(owner "SELECT count(*) FROM journal_2024_02")"
# shellcheck disable=SC2086
gives 0 "it is shown as dropped" reeve retention show $past
has out "by console"
has out "past, held by open runs"
for tenant in 1 2; do
    same "company $tenant has it on its record, before and after" "retention.apply retention.dropped" \
        "$(psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = $tenant; SELECT string_agg(body::jsonb->>'what', ' ' ORDER BY seq) FROM audit_record WHERE body::jsonb->>'what' LIKE 'retention.%' AND NOT body::jsonb ? 'refused'")"
done
gone="journal past its retention, dropped on $(date -u +%Y-%m-%d) by console"
gives 0 "the run is still known" reeve run show "r_$old" --company acme
has out '"journal_dropped"'
gives 0 "its story says where the steps are" reeve explain "r_$old" --company acme
has out "$gone"
gives 1 "no replay" reeve run replay "r_$old" --company acme
has err "$gone"
gives 1 "no export" reeve run export "r_$old" "$state/x.json" --company acme
has err "$gone"
gives 1 "no fork" reeve run fork "r_$old" --company acme --at-step 1
has err "$gone"
gives 0 "what was exported before replays" reeve run replay --file "$state/kept.json"
gives 0 "the record is whole" reeve audit verify --company acme
has out "3 runs: $gone"
gives 0 "so are the books" reeve company check acme
has out "3 runs: $gone"
made() { # AT: an answer of the API was made then
    ask "INSERT INTO model_answer SELECT tenant_id, 'chatcmpl-' || gen_random_uuid(), 0, $1, 'stop', 'm', '', NULL, NULL, '', '', 1, 1, 1, 1, 1 FROM tenant LIMIT 1" >/dev/null
}
made "now()"
made "now() - interval '10 years'"
same "signals of a run without a journal go" 1 "$(ask "SELECT reeve_journal_sweep(100)")"
for _ in 1 2 3 4 5; do [ "$(ask "SELECT count(*) FROM model_answer")" = 1 ] || ask "SELECT reeve_journal_sweep(100)" >/dev/null; done
same "what made answers of the API goes as journals do" "1" "$(ask "SELECT count(*) FROM model_answer")"
same "and then there is nothing left" "0 0" "$(ask "SELECT reeve_journal_sweep(100)") $(ask "SELECT count(*) FROM run_signal")"
reeve run cancel "r_$waiting" --yes --company acme >/dev/null 2>&1
reeve run work --company acme >/dev/null 2>&1
# shellcheck disable=SC2086
gives 0 "when the open run is over, its period goes too" reeve retention apply $past --yes --company acme
has err "1 periods dropped"

# ---- what an older reeve left ----
reset() { # the journal as it was: one default partition with rows
    owner "BEGIN; DELETE FROM journal_drop; SELECT 1 FROM journal_period; DO \$\$ DECLARE n text; BEGIN
        FOR n IN SELECT name FROM journal_period WHERE to_regclass(name) IS NOT NULL LOOP EXECUTE format('DROP TABLE %I', n); END LOOP; END \$\$;
        DELETE FROM journal_period;
        INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out) SELECT 1, reeve_run_bound(now() - interval '40 days') + g, 1, 12, 'n', '', '\\x017b7d' FROM generate_series(1, 1000) g; COMMIT" >/dev/null
}
reset
same "a small one becomes a period at once" "settled" "$(ask "SELECT reeve_journal_ahead('month', 3)")"
same "with all its rows" "1000 0" "$(owner "SELECT (SELECT count(*) FROM journal_before), (SELECT count(*) FROM journal_default)" | tr '|' ' ')"
same "and the next months come after it" 3 "$(for _ in 1 2 3 4; do ask "SELECT reeve_journal_ahead('month', 3)"; done | grep -c journal_)"
owner "BEGIN; DELETE FROM journal_period WHERE name <> 'journal_before'; DO \$\$ DECLARE n text; BEGIN FOR n IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'journal'::regclass LOOP EXECUTE format('DROP TABLE %I', n); END LOOP; END \$\$; DELETE FROM journal_period; CREATE TABLE journal_default PARTITION OF journal DEFAULT; COMMIT"
reset
same "a large one in three steps, each with a short lock" "bounded checked settled" \
    "$(for _ in 1 2 3; do owner "SELECT reeve_journal_settle(0)"; done | tr '\n' ' ' | sed 's/ $//')"
same "nothing is lost" "1000" "$(owner "SELECT count(*) FROM journal")"
same "and no run is in the way of a bound" 0 "$(owner "SELECT count(*) FROM pg_constraint WHERE conname = 'journal_before_bound'")"

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
