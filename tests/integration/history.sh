#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# history.sh -- a run of twenty thousand steps and two thousand signals, and one that is killed on its way.
# usage: history.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }

# an agent that works in rounds: notes, signals that are there already, and a new beginning
mkdir -p "$state/rounds/cases"
cat >"$state/rounds/agent.lua" <<'LUA'
local agent = { name = "rounds", version = "1", handles = { "F12" }, uses = { "exception.note" },
  limits = { steps = 100000 } }
function agent.plan(ctx, exception)
  local state = ctx.state or { round = 0, heard = 0, last = 0 }
  if state.round < 100 then
    state.round = state.round + 1
    for i = 1, 150 do ctx:note(state.round .. ":" .. i) end
    for _ = 1, 20 do
      local told = ctx:signal("n", 86400)
      assert(told.n == state.last + 1, "signals come in their order")
      state.heard, state.last = state.heard + 1, told.n
    end
    ctx:checkpoint(state)
  end
  return ctx:plan():add("exception.note", { key = exception.key, text = state.heard .. " heard in " .. state.round },
    { reason = "all of them" }):summary(state.heard .. " heard in " .. state.round)
end
return agent
LUA
cat >"$state/rounds/cases/rounds.lua" <<'LUA'
return {
  { name = "the state is what the plan begins anew with", exception = { key = ("0c"):rep(32), code = "F12" },
    answers = (function()
      local answers = {}
      for i = 1, 150 do answers[i] = { ask = "note", value = { text = "1:" .. i } } end
      for i = 1, 20 do answers[150 + i] = { ask = "signal", value = { n = i } } end
      answers[171] = { ask = "checkpoint", args = { state = { round = 1, heard = 20, last = 20 } } }
      answers[172] = { ask = "note", args = { text = "2:1" } }
      return answers
    end)(), fails = "nothing more" },
}
LUA
reeve company create acme >/dev/null && reeve policy load policies/default.lua >/dev/null &&
    reeve agent publish "$state/rounds/agent.lua" >/dev/null || exit 1
uri=$(reeve db uri)
company=scripts/demo/company
reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml >/dev/null || exit 1
reeve agent test "$state/rounds" >"$state/out" 2>&1
grep -q "request 172" "$state/out" || grep -q "request 173" "$state/out"
same "a case goes on after a checkpoint" 0 $?

reeve exception run --no-post >/dev/null 2>&1
run=$(ask "SELECT min(id) FROM run WHERE agent = 'rounds'")
[ -n "$run" ] || { echo "FAIL  no run has begun"; exit 1; }
same "it waits for signals" "waiting signal" "$(ask "SELECT status || ' ' || waiting_on FROM run WHERE id = $run")"
for other in $(ask "SELECT 'r_' || id FROM run WHERE id <> $run AND status = 'waiting'"); do
    reeve run cancel "$other" --yes >/dev/null
done
ask "INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by)
     SELECT 1, $run, g, 'n', jsonb_build_object('n', g), 'test' FROM generate_series(1, 2000) g"
# nothing here is about the disk: twenty thousand transactions one after the other need not wait for it
psql "$(reeve db uri --owner)" -q -c "ALTER SYSTEM SET synchronous_commit = off" -c "SELECT pg_reload_conf()" >/dev/null

# killed at any instant it goes on, from its newest checkpoint
for pause in 0.3 0.7 0.5; do
    "$reeve_program" serve --listen 127.0.0.1:0 >/dev/null 2>"$state/log" &
    served=$!
    sleep "$pause"
    kill -9 "$served" 2>/dev/null
    wait "$served" 2>/dev/null
    served=
done
"$reeve_program" serve --listen 127.0.0.1:0 >/dev/null 2>"$state/log" &
served=$!
for _ in $(seq 500); do
    [ "$(ask "SELECT status FROM run WHERE id = $run")" = done ] && break
    sleep 0.3
done
same "a killed run goes on to its end" done "$(ask "SELECT status FROM run WHERE id = $run")"
same "a hundred rounds" 100 "$(ask "SELECT count(*) FROM journal WHERE run_id = $run AND kind = 20")"
same "no step is missing, none is there twice" "t t" "$(ask "SELECT (count(*) = max(seq)) || ' ' || (max(seq) > 19000) FROM journal WHERE run_id = $run" | sed 's/true/t/g')"
same "every signal was heard once" 2000 "$(ask "SELECT count(DISTINCT consumed_seq) FROM run_signal WHERE run_id = $run")"
same "what was remembered is in the plan" "2000 heard in 100" \
    "$(ask "SELECT convert_from(substr(out, 2), 'UTF8')::jsonb->>'summary' FROM journal WHERE run_id = $run AND kind = 6")"
gives 0 "it replays, all of it" reeve run replay "$run"
has out "the same"
gives 0 "and says what it was" reeve explain "$run"
has out "checkpoint"

# read by pages, whatever its length
reeve --json run replay "$run" >"$state/live.json"
gives 0 "it is exported" reeve run export "$run" "$state/long.json"
gives 0 "the file replays" reeve --json run replay --file "$state/long.json"
same "to the same transcript" "$(grep -o '"transcript": *"[^"]*"' "$state/live.json")" "$(grep -o '"transcript": *"[^"]*"' "$state/out")"
gives 0 "run and file are the same" reeve run diff "$run" "$state/long.json"
has out "steps and outcome"
gives 0 "it is imported" reeve run import "$state/long.json"
tr -d '\n' <"$state/long.json" >"$state/whole.json"
sed '9000s/"out":{/"out":{"more":1,/' "$state/long.json" >"$state/bad.json"
gives 0 "one written by another tool replays, too" reeve --json run replay --file "$state/whole.json"
same "to that transcript" "$(grep -o '"transcript": *"[^"]*"' "$state/live.json")" "$(grep -o '"transcript": *"[^"]*"' "$state/out")"
gives 1 "a file that was changed is none" reeve run replay --file "$state/bad.json"
sed 's/heard = 0, last = 0/heard = 0, last = 0, more = 1/' "$state/rounds/agent.lua" >"$state/other.lua"
gives 1 "another plan differs where it does" reeve run replay "$run" --agent "$state/other.lua"
has out "at step 191"

# a journal that cannot be read holds up nobody else
serve_ends
cat >"$state/waits.lua" <<'LUA'
local agent = { name = "waits", version = "1", handles = { "F13" }, uses = {}, limits = { steps = 100000 } }
function agent.plan(ctx, exception)
  for i = 1, exception.notes or 1 do ctx:note("n" .. i) end
  ctx:signal("go", 864000)
  return ctx:plan()
end
return agent
LUA
reeve agent publish "$state/waits.lua" >/dev/null
ask "WITH ids AS (SELECT 1000 + n AS id FROM generate_series(1, 20) n),
     input AS (INSERT INTO run_input (tenant_id, run_id, input)
               SELECT 1, id, jsonb_build_object('exception', jsonb_build_object('notes', CASE id WHEN 1001 THEN 3000 ELSE 2 END)) FROM ids)
     INSERT INTO run (tenant_id, id, agent, plan_hash, status) SELECT 1, ids.id, a.name, a.active_hash, 'created' FROM ids, agent a WHERE a.name = 'waits'"
reeve run work >/dev/null 2>&1
same "twenty runs wait" 20 "$(ask "SELECT count(*) FROM run WHERE agent = 'waits' AND status = 'waiting'")"
ask "INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out) SELECT 1, 1002, steps + 1, 12, 'x', '', '' FROM run WHERE id = 1002;
     INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by) SELECT 1, id, 1, 'go', '{}', 'test' FROM run WHERE agent = 'waits';
     UPDATE run SET wake_at = clock_timestamp() WHERE agent = 'waits'"
"$reeve_program" serve --listen 127.0.0.1:0 >/dev/null 2>"$state/log" &
served=$!
for _ in $(seq 300); do
    [ "$(ask "SELECT count(*) FROM run WHERE agent = 'waits' AND status = 'done'")" = 19 ] && break
    sleep 0.2
done
same "nineteen go on, one of them with three thousand entries" "19 done" "$(ask "SELECT count(*) || ' done' FROM run WHERE agent = 'waits' AND status = 'done'")"
same "the one that is damaged does not" waiting "$(ask "SELECT status FROM run WHERE id = 1002")"

# the company's day, where no two clocks of the world agree on it: at the beginning and after a checkpoint
mkdir "$state/dated"
cat >"$state/dated/agent.lua" <<'LUA'
local agent = { name = "dated", version = "1", handles = {}, uses = {} }
function agent.plan(ctx, input)
  if not ctx.state then ctx:checkpoint({ began = ctx.today }) end
  ctx:publish("days", { ctx.state.began, ctx.today })
end
return agent
LUA
for zone in Pacific/Kiritimati Pacific/Pago_Pago; do
    name=$(basename "$zone")
    reeve company create "$name" --timezone "$zone" >/dev/null && reeve policy load policies/default.lua --company "$name" >/dev/null 2>&1 &&
        reeve person add op --roles operator --company "$name" >/dev/null && reeve agent publish "$state/dated/agent.lua" --company "$name" >/dev/null
    until same_day=$(TZ=$zone date +%F) # not over midnight
        dated=$(reeve run start dated --as op --wait 20 --company "$name" --json 2>/dev/null | sed 's/.*"run":"\([^"]*\)".*/\1/')
        [ "$(TZ=$zone date +%F)" = "$same_day" ]; do :; done
    says "$zone: its own date" "days = [\"$same_day\",\"$same_day\"]" reeve run query "$dated" --company "$name"
    gives 0 "$zone: it replays" reeve run replay "$dated" --company "$name"
done

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
