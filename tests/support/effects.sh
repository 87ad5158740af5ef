# shellcheck shell=sh disable=SC2154,SC2034
# effects.sh -- sourced after preamble.sh by tests of what happens outside: a receiver ($2), a company whose one
# agent does what the file $state/say.lua returns, and a policy that lets it, with
# $rules beside (of a sed replacement).  Afterwards: ask, ports, log, say.
receiver=$2
log="$state/log"
: >"$log"
"$receiver" "$log" "$state/ports" &
receiver_pid=$!
trap '[ -z "$served" ] || kill -9 "$served" 2>/dev/null; kill "$receiver_pid" 2>/dev/null; reeve db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -s "$state/ports" ] && break
    sleep 0.2
done
# shellcheck disable=SC2034  # for those who source this
read -r http smtp <"$state/ports"
mkdir -p "$state/files"
reeve company create one --currency EUR >/dev/null || exit 1
uri=$(reeve db uri)
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; }
sed '/id = "outside.held"/,/expires = "72h" },/d
     s/^return bundle { name = "default", schema = "erp.v1",/&\
  approve { id = "some.held", agents = "*", action = "http.request", when = arg.path:eq "\/held",\
    stages = { { role = "controller", n = 1 } }, expires = "24h" },'"${rules:-}"'/' policies/default.lua >"$state/outside.lua"
reeve policy load "$state/outside.lua" >/dev/null || exit 1
say() { # ACTION ARGUMENTS(Lua) [MORE ACTIONS(Lua)]: publishes the agent that does this
    cat >"$state/agent.lua" <<LUA
local agent = { name = "outside", version = "$(date +%s%N)", handles = {}, limits = { steps = 50 },
  uses = { "http.request", "mail.send", "file.write" } }
function agent.plan(ctx, exception)
  return ctx:plan():add("$1", $2, { reason = "the test says so" })${3:-}:summary("outside")
end
function agent.review(ctx, outcome)
  local last = outcome.executed[#outcome.executed]
  return { answer = last.answer }
end
return agent
LUA
    reeve agent publish "$state/agent.lua" >/dev/null
}
number=0
begin() { # a new run of the agent; afterwards: $run
    number=$((number + 1))
    run=$((1000000 + number))
    ask "WITH r AS (INSERT INTO run (tenant_id, id, agent, plan_hash, status)
             SELECT 1, $run, name, active_hash, 'created' FROM agent WHERE name = 'outside' RETURNING id)
         INSERT INTO run_input (tenant_id, run_id, input) SELECT 1, id, '{\"exception\": {}}' FROM r"
}
work() { reeve run work >/dev/null 2>"$state/work" || cat "$state/work"; }
status() { ask "SELECT status || coalesce(' ' || waiting_on, '') || coalesce(' ' || error_code, '') FROM run WHERE id = $run"; }
intents() { ask "SELECT string_agg(state || ' ' || attempt || ' ' || coalesce(outcome->>'how', '-'), ', ' ORDER BY seq) FROM effect_intent WHERE run_id = $run"; }
tried() { grep -c "^TRY .* reeve-1-r$run-" "$log"; }
did() { grep -c "^DID reeve-1-r$run-" "$log"; }
same() { # WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then
        echo "ok    $1"
    else
        echo "FAIL  $1: expected \"$2\", found \"$3\""
        failures=$((failures + 1))
    fi
}
