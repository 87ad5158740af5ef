#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# sleepers.sh -- beside 400 runs that mostly sleep, a second at a time: each of them moves, a run that got a signal or
# an update goes on, one of another agent begins, and one that is asked to stop does, all within seconds.
# usage: sleepers.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
command -v curl >/dev/null 2>&1 || { echo "SKIP: curl is not installed"; exit 77; }
patience=10 # that it takes no longer is what is tested

mkdir "$state/sleeper" "$state/waiter" "$state/quick"
cat >"$state/sleeper/agent.lua" <<'LUA'
local agent = { name = "sleeper", version = "1", handles = {}, uses = {}, limits = { steps = 200 } }
function agent.plan(ctx, input)
  for i = 1, 60 do
    ctx:note("n" .. i)
    ctx:sleep(1)
  end
end
return agent
LUA
cat >"$state/waiter/agent.lua" <<'LUA'
local agent = { name = "waiter", version = "1", handles = {}, uses = {}, limits = { steps = 20 },
  updates = { tell = { type = "object" } } }
function agent.plan(ctx, input)
  if input.update then
    ctx:reply(ctx:update("tell", 3600), { heard = true })
  else
    ctx:signal("go", 3600)
  end
  ctx:note("went on")
end
return agent
LUA
cat >"$state/quick/agent.lua" <<'LUA'
local agent = { name = "quick", version = "1", handles = {}, uses = {}, limits = { steps = 20 } }
function agent.plan(ctx, input)
  ctx:note("was here")
end
return agent
LUA
company operator:operator
gives 0 "its policy" reeve policy load policies/default.lua
for name in sleeper waiter quick; do
    reeve agent publish "$state/$name/agent.lua" >/dev/null || exit 1
done
serve
token=$(token_of operator)

same "one that waits for a signal" 202 "$(send POST /v1/runs '{"agent":"waiter","input":{}}')"
signalled=$(id_of)
same "one that waits for an update" 202 "$(send POST /v1/runs '{"agent":"waiter","input":{"update":true}}')"
updated=$(id_of)
until_is "both do" 2 "SELECT count(*) FROM run WHERE status = 'waiting' AND waiting_on = 'signal'"
for _ in $(seq 400); do
    echo "url = \"$base/v1/runs\""
    echo "output = \"/dev/null\""
done >"$state/many"
curl -s -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{"agent":"sleeper","input":{}}' \
    -K "$state/many"
same "many sleepers" 400 "$(ask "SELECT count(*) FROM run WHERE agent = 'sleeper'")"
stopped=$(ask "SELECT max(id) FROM run WHERE agent = 'sleeper'")

before=$(date +%s%N)
same "a run of another agent" 202 "$(send POST /v1/runs '{"agent":"quick","input":{}}')"
quick=$(id_of)
same "a signal" 202 "$(send POST "/v1/runs/$signalled/signal" '{"name":"go","body":{}}')"
same "an update" 200 "$(send POST "/v1/runs/$updated/updates?wait_s=10" '{"name":"tell","body":{}}')"
same "a wish to stop" 202 "$(send POST "/v1/runs/$stopped/cancel" '{"reason":"enough"}')"
until_is "who waited and who is new are over, and so is who was asked to stop" "cancelled done done done" \
    "SELECT string_agg(status, ' ' ORDER BY status) FROM run WHERE id IN ($quick, $signalled, $updated, $stopped)"
took=$((($(date +%s%N) - before) / 1000000))
[ "$took" -lt 5000 ]
same "within some seconds: $took ms" 0 $?
until_is "every sleeper has begun" 0 "SELECT count(*) FROM run WHERE agent = 'sleeper' AND steps = 0"
until_is "and goes on" t "SELECT bool_and(steps >= 6) FROM run WHERE agent = 'sleeper' AND status <> 'cancelled'"
same "none is over before its time" 0 "$(ask "SELECT count(*) FROM run
    WHERE agent = 'sleeper' AND status <> 'cancelled' AND changed_at - created_at < interval '1 second' * (steps / 2 - 1)")"

[ "$failures" = 0 ] && echo "all is well"
[ "$failures" = 0 ] || echo "$failures checks failed"
exit "$failures"
