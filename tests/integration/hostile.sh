#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# hostile.sh -- whatever a plan says through every call, and whatever people send: the run that says it may fail, with
# words; the process goes on, and so does every other run.
# usage: hostile.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
mkdir "$state/fuzz" "$state/waiter" "$state/taker"
cat >"$state/fuzz/agent.lua" <<'LUA'
-- says one odd thing (input.text) by one call (input.call), without minding an error, and again, minding it
local agent = { name = "fuzz", version = "1", handles = {}, uses = { "exception.note", "http.request" },
  limits = { steps = 200, calls = 100, children = 50 }, updates = { ask = { type = "object" } } }
local wide = { "\195\188", "\226\130\172", "\240\159\141\142", "\239\191\189" }
local texts = { "", "$budget", "$update.ask", "$cancel", "a\255\254", "a\195", "\226\130", "\237\160\128", "a\0b", "\1\31\"\\",
  { "x", 200000 }, { "\1", 60000 }, { "\195\188", 100000 } }
for pad = 0, 3 do
  for _, c in ipairs(wide) do
    for _, size in ipairs { 45, 90, 300 } do texts[#texts + 1] = { c, size, pad } end
  end
end
local numbers = { 1.5, -0.0, 0 / 0, 1 / 0, -1 / 0, 1e300, -1, 0, math.maxinteger, math.mininteger }
for _, number in ipairs(numbers) do texts[#texts + 1] = number end
texts[#texts + 1] = true
texts[#texts + 1] = {}
local function text(i) -- one is made when it is needed: a plan has 8 MiB
  local x = texts[i]
  return type(x) == "table" and x[1] and ("a"):rep(x[3] or 0) .. x[1]:rep(x[2]) or x
end
local calls = {
  note = function(c, x) return c:note(x) end,
  publish_name = function(c, x) return c:publish(x, 1) end,
  publish = function(c, x) return c:publish("a", { x = x }) end,
  signal = function(c, x) return c:signal(x, 0) end,
  signal_time = function(c, x) return c:signal("a", x) end,
  update = function(c, x) return c:update(x, 0) end,
  reply = function(c, x) return c:reply({ id = x }, 1) end,
  reply_value = function(c, x) return c:reply({ id = "u_1" }, { x = x }) end,
  refuse = function(c, x) return c:refuse({ id = "u_2" }, x) end,
  start = function(c, x) return c:start(x, {}) end,
  start_input = function(c, x) return c:start("nobody", { x = x, [tostring(x)] = 1 }) end,
  start_key = function(c, x) return c:start("taker", { key = x }) end,
  start_as = function(c, x) return c:start("nobody", {}, { as = x }) end,
  start_budget = function(c, x) return c:start("nobody", {}, { budget = { steps = x, money = { EUR = x } } }) end,
  handoff = function(c, x) return c:handoff(x, {}, { reason = "r" }) end,
  handoff_reason = function(c, x) return c:handoff("nobody", {}, { reason = x }) end,
  await = function(c, x) return c:await(x, 0) end,
  sleep = function(c, x) return x == math.maxinteger or c:sleep(type(x) == "number" and x > 1 and x < 1e9 and 1 or x) end,
  remember = function(_, x) return memory.set(x, 1) end,
  remember_value = function(_, x) return memory.set("k", x) end,
  recall = function(_, x) return memory.get(x) end,
  put = function(_, x) return blob.put(x) end,
  put_media = function(_, x) return blob.put("x", x) end,
  read = function(_, x) return blob.read({ blob = x }, { from = x }) end,
  get = function(_, x) return erp.get(x, 1) end,
  get_id = function(_, x) return erp.get("supplier", x) end,
  find = function(_, x) return erp.find(x, { party = 1 }) end,
  find_value = function(_, x) return erp.find("invoice", { party = x }) end,
  find_field = function(_, x) return erp.find("invoice", { [x] = 1 }) end,
  history = function(_, x) return erp.history("supplier", x) end,
  decide = function(_, x) return llm.decide { question = x, options = { "a", "b" } } end,
  decide_facts = function(_, x) return llm.decide { question = "q", options = { "a", x }, facts = { x = x } } end,
  decide_adapter = function(_, x) return llm.decide { question = "q", options = { "a", "b" }, adapter = x } end,
  checkpoint = function(c, x) return c.state and c:note("again") or c:checkpoint { x = x } end,
  retry = function(c, x) return c:retry({ max = 2, on = { x } }, function() return nil, x, x end) end,
  fails = function(_, x) error(x) end,
  summary = function(c, x) return c:plan():summary(x) end,
  action = function(c, x) return c:plan():add(x, { x = x }, { reason = "r" }) end,
  arguments = function(c, x) return c:plan():add("exception.note", { key = x, text = x }, { reason = "r" }) end,
  field = function(c, x) return c:plan():add("exception.note", { [x] = 1 }, { reason = "r" }) end,
  reason = function(c, x) return c:plan():add("exception.note", { key = "k", text = "t" }, { reason = x, evidence = { x } }) end,
  request = function(c, x)
    return c:plan():add("http.request", { connector = x, path = x, body = { x = x } }, { reason = "r" })
  end,
  result = function(_, x) return x end,
}
function agent.plan(ctx, input)
  local value = calls[input.call](ctx, text(input.text))
  if type(value) == "table" and input.call ~= "checkpoint" and value.add then return value end
  return ctx:plan():summary("fine")
end
return agent
LUA
cat >"$state/taker/agent.lua" <<'LUA'
local agent = { name = "taker", version = "1", handles = {}, uses = {}, limits = { steps = 20 },
  updates = { any = { type = "object", properties = { v = { type = "data" } } } } }
function agent.plan(ctx, input)
  ctx:publish("given", input)
  local update = ctx:update("any", 3600)
  ctx:publish("told", update.body)
  if input.fail then error("asked to fail: " .. tostring(input.how)) end
  return ctx:plan():summary("fine")
end
return agent
LUA
company operator:operator
sed 's/^  permit { id = "integrator.publish"/  permit { id = "hostile.may", agents = "*", action = any_of { "run.start", "llm.decide", "exception.note",\
    "http.request" } },\
&/' policies/default.lua >"$state/policy.lua"
gives 0 "its policy" reeve policy load "$state/policy.lua"
gives 0 "an agent" reeve agent publish "$state/fuzz/agent.lua"
gives 0 "another one" reeve agent publish "$state/taker/agent.lua"
names=$(sed -n 's/^  \([a-z_]*\) = function.*/\1/p' "$state/fuzz/agent.lua")
same "every call" 43 "$(echo "$names" | wc -w)"
texts=$((13 + 4 * 4 * 3 + 10 + 2))
rows=
for name in $names; do rows="$rows,('$name')"; done
ask "WITH n AS (SELECT row_number() OVER () AS id, call, text FROM (VALUES ${rows#,}) AS c (call), generate_series(1, $texts) AS text),
     r AS (INSERT INTO run (tenant_id, id, agent, plan_hash, status)
           SELECT 1, n.id, name, active_hash, 'created' FROM agent, n WHERE name = 'fuzz' RETURNING id)
     INSERT INTO run_input (tenant_id, run_id, input)
     SELECT 1, n.id, jsonb_build_object('exception', jsonb_build_object('call', call, 'text', text)) FROM n" >/dev/null
for _ in 1 2 3 4 5 6; do
    gives 0 "the process goes on, whatever they say" reeve run work
    [ "$(ask "SELECT count(*) FROM run WHERE agent = 'fuzz' AND status NOT IN ('done', 'failed', 'compensated')")" = 0 ] && break
    sleep 1
done
same "each run is over" 0 "$(ask "SELECT count(*) FROM run WHERE agent = 'fuzz' AND status NOT IN ('done', 'failed', 'compensated')")"
ask "SELECT status, waiting_on, error_code, count(*), min(id) FROM run GROUP BY 1, 2, 3"
same "who failed says why" 0 "$(ask "SELECT count(*) FROM run WHERE status = 'failed' AND coalesce(error_text, '') = ''")"
same "none is interrupted or corrupt" 0 "$(ask "SELECT count(*) FROM run WHERE error_code IN ('corrupt', 'interrupted', 'io')")"
same "names that nobody may send are refused" "fuzz:0: ctx:signal: name must have 1 to 100 bytes" \
    "$(ask "SELECT DISTINCT regexp_replace(error_text, ':[0-9]+:', ':0:') FROM run JOIN run_input ON run_id = id WHERE run_input.input#>>'{exception,call}' = 'signal' AND error_text LIKE '%100 bytes'")"
same "and reeve's own" 3 "$(ask "SELECT count(*) FROM run JOIN run_input ON run_id = id WHERE run_input.input#>>'{exception,call}' = 'signal' AND error_text LIKE '%must not begin with \"\$\"%'")"
replayed=0
for run in $(ask "SELECT min(id) FROM run JOIN run_input ON run_id = id GROUP BY run_input.input#>>'{exception,call}', status, error_code"); do
    reeve run replay "r_$run" >"$state/out" 2>&1 || { echo "FAIL  r_$run"; cat "$state/out"; failures=$((failures + 1)); }
    replayed=$((replayed + 1))
done
echo "ok    $replayed replay"
gives 0 "the record is whole" reeve audit verify

# ---- what people send ----
begin() { # INPUT: a run of the taker that waits
    reeve run start taker --as operator --input "$1" --wait 1 >"$state/out" 2>&1
    run=$(run_of)
    reeve run work >/dev/null 2>&1
}
begin '{"how":1.5,"fail":true}'
gives 0 "an update with a fraction" reeve run update "$run" any --as operator --body '{"v":{"rate":1.5}}' --id u-1
gives 0 "the same again" reeve run update "$run" any --as operator --body '{"v":{"rate":1.5}}' --id u-1
gives 0 "is worked on" reeve run work
gives 0 "as text" reeve run query "$run" told
has out '{"v":{"rate":"1.5"}}'
same "it died" failed "$(ask "SELECT status FROM run WHERE id = ${run#r_}")"
gives 0 "a dead letter goes on with a fraction" reeve run revive "$run" --input '{"how":2.5,"fail":false}' --reason x --yes --json --as operator
new=$(sed -n 's/.*"new_run":"\([^"]*\)".*/\1/p' "$state/out")
same "as text on record" '"2.5"' "$(ask "SELECT body::jsonb#>'{input,how}' FROM audit_record WHERE body::jsonb->>'what' = 'run.revive'")"
gives 0 "it begins" reeve run work
gives 0 "with text" reeve run query "$new" given
has out '"how":"2.5"'
begin '{"fail":true}'
second=$run
reeve run update "$second" any --as operator --body '{"v":1}' >/dev/null
reeve run work >/dev/null 2>&1
serve
token=$(token_of operator)
same "by HTTP, too, and large" 200 "$(printf '{"input":{"fail":false,"how":3.5,"large":"%s"},"reason":"x"}' "$(head -c 200000 /dev/zero | tr '\0' 'x')" >"$state/body"
    send POST "/v1/runs/${second#r_}/revive" "@$state/body" | sed 's/20./200/')"
same "on record by its digest" 200002 "$(ask "SELECT body::jsonb#>>'{input,large,bytes}' FROM audit_record WHERE body::jsonb->>'what' = 'run.revive' AND body::jsonb->>'of' = '$second'")"
same "the node is alive" 200 "$(send GET "/v1/runs/${second#r_}")"
serve_ends
gives 0 "the record is whole" reeve audit verify
[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
