#!/bin/sh
# shellcheck disable=SC1010,SC2154  # "done" is a status; variables of the sourced files
# otlp.sh -- runs as traces of OpenTelemetry: reeve run trace, and a serving node that sends what has ended to a
# collector, which is down, busy, refuses, and takes it.
# usage: otlp.sh REEVE RECEIVER      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
# shellcheck disable=SC2034  # for effects.sh
rules=' permit { id = "starts", agents = "outside", action = "run.start" },'
# shellcheck source=tests/support/effects.sh
. tests/support/effects.sh
otlp() { /usr/bin/python3 tests/support/otlp.py "$@"; }
mkdir -p "$state/one" "$state/two" "$state/collected"
printf '503\n' >"$state/collected/answers" # and then 200
/usr/bin/python3 tests/support/otlp.py serve "$state/collected" >/dev/null 2>&1 &
collector=$!
trap '[ -z "$served" ] || kill -9 "$served" 2>/dev/null; kill "$receiver_pid" "$collector" 2>/dev/null; reeve db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
for _ in $(seq 600); do [ -s "$state/collected/port" ] && break; sleep 0.1; done
read -r port <"$state/collected/port"
reeve connector add plain --url "http://127.0.0.1:$http" --allow-private --timeout 1000 --backoff 100 --attempts 2 >/dev/null
reeve person add clerk --roles clerk,controller >/dev/null 2>&1
cat >"$state/one/agent.lua" <<'LUA'
local agent = { name = "outside", version = "1", handles = {}, uses = { "http.request" } }
function agent.plan(ctx)
  ctx:await(ctx:start("helper", { n = 1 }))
  ctx:sleep(1)
  local told = ctx:signal("go", 3600)
  ctx:note("SECRET-NOTE " .. told.who)
  local choice = llm.decide { question = "SECRET-QUESTION", options = { "a", "b" }, facts = { name = "SECRET-FACT" } }
  return ctx:plan():add("http.request", { connector = "plain", path = "/ok", body = { n = "SECRET-BODY" } }, { reason = "SECRET-REASON" })
    :add("http.request", { connector = "plain", path = "/held", body = { n = 2 } }, { reason = "people are asked" })
end
return agent
LUA
cat >"$state/two/agent.lua" <<'LUA'
local agent = { name = "helper", version = "1", handles = {}, uses = {} }
function agent.plan(ctx, input) if input.fail then error("SECRET-ERROR") end return ctx:plan() end
return agent
LUA
reeve agent publish "$state/one/agent.lua" "$state/two/agent.lua" >/dev/null || exit 1
admin=$(reeve token make console --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/')

# what is wrong with the settings
printf 'Authorization: Bearer SECRET-TOKEN\n' >"$state/header"
chmod 644 "$state/header"
operator=0123456789abcdef0123456789abcdef
(umask 077 && echo "$operator" >"$state/metrics-token")
serve() { exec "$reeve_program" serve --listen 127.0.0.1:0 --json --set "metrics.token_file=$state/metrics-token" --set "telemetry.otlp_endpoint=$1" --set "telemetry.otlp_header_file=$state/header"; }
tries() { (serve "$1"); }
gives 3 "a header that others may read" tries "http://127.0.0.1:$port"
has out "chmod 600"
chmod 600 "$state/header"
gives 2 "an endpoint that is none" tries "127.0.0.1:$port"
has out "telemetry.otlp_endpoint"

serve "http://127.0.0.1:$port" >"$state/served" 2>"$state/serve.log" &
served=$!
for _ in $(seq 600); do [ -s "$state/served" ] && break; sleep 0.1; done
base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
call() { # METHOD PATH [BODY] [HEADER]: the status; the body in $state/out
    curl -s -X "$1" "$base$2" -H "Authorization: Bearer $admin" ${3:+-H "Content-Type: application/json" -d "$3"} \
        ${4:+-H "$4"} -o "$state/out" -w '%{http_code}'
}
until_is() { # WHAT EXPECTED COMMAND...: for 20 seconds
    what=$1 expected=$2
    shift 2
    for _ in $(seq 200); do [ "$("$@")" = "$expected" ] && break; sleep 0.1; done
    same "$what" "$expected" "$("$@")"
}
metric() { curl -s -H "Authorization: Bearer $operator" "$base/metrics" | sed -n "s/^reeve_$1 //p"; }
stands() { ask "SELECT status || coalesce(' ' || waiting_on, '') FROM run WHERE id = $run"; }
trace=4bf92f3577b34da6a3ce929d0e0e4736
caller=00f067aa0ba902b7
same "a run is started with a trace" 202 "$(call POST /v1/runs '{"agent":"outside","input":{"who":"SECRET-INPUT"}}' "traceparent: 00-$trace-$caller-01")"
run=$(sed 's/.*"id":"\([0-9]*\)".*/\1/' "$state/out")
until_is "it waits for a signal" "waiting signal" stands
gives 0 "while it is open, it is a trace, too" reeve run trace "r_$run"
otlp spans "$state/out" >"$state/open" || failures=$((failures + 1))
same "its span is open" 1 "$(grep -c '"reeve.open": true.*"reeve.run": "r_'"$run" "$state/open")"
same "and what it waits for" 1 "$(grep -c 'wait_signal.*"reeve.open": true' "$state/open")"
call POST "/v1/runs/$run/signal" '{"name":"go","body":{"who":"SECRET-PERSON"}}' >/dev/null
until_is "it asks people" "waiting approval" stands
approval=$(ask "SELECT id FROM approval WHERE run_id = $run AND status = 'requested'")
gives 0 "they agree" reeve approval approve "$approval" --as clerk --comment SECRET-COMMENT
until_is "it is over" done stands
until_is "the collector has the run and its child" 2 sh -c "cat '$state'/collected/*.200.json 2>/dev/null | grep -o '\"name\":\"run [a-z]*\"' | wc -l"

# what arrived
same "all that arrived is as the specification says" 0 "$(grep -vc ' -$' "$state/collected/heard")"
same "busy at first, so one came again" 503 "$(head -1 "$state/collected/heard" | cut -d' ' -f1)"
same "with the secret field" 0 "$(grep -vc 'Bearer SECRET-TOKEN' "$state/collected/heard")"
gives 0 "reeve run trace of it" reeve run trace "r_$run" "$state/trace.json"
gives 1 "an existing file stays" reeve run trace "r_$run" "$state/trace.json"
gives 1 "a run that is not there" reeve run trace r_42
has err "reeve run list"
otlp spans "$state/trace.json" | sort >"$state/exported" || failures=$((failures + 1))
otlp spans "$state/collected" | sort >"$state/pushed" || failures=$((failures + 1))
same "the export has the same spans as were sent" "" "$(diff "$state/exported" "$state/pushed")"
same "all of the caller's trace" "$trace" "$(cut -d' ' -f1 "$state/pushed" | sort -u)"
root=$(grep " run_outside " "$state/pushed" | cut -d' ' -f2)
same "the run hangs at the caller" "$caller" "$(grep " run_outside " "$state/pushed" | cut -d' ' -f3)"
same "the child hangs at the run" "$root" "$(grep " run_helper " "$state/pushed" | cut -d' ' -f3)"
same "both ended well" "1 1" "$(grep " run_" "$state/pushed" | cut -d' ' -f5 | xargs)"
parents() { cut -d' ' -f2 "$state/pushed" >"$state/ids"; cut -d' ' -f3 "$state/pushed" | grep -v "$caller" | grep -vcFf "$state/ids"; }
same "every other parent is there" 0 "$(parents)"
for name in wait_sleep wait_signal wait_await start llm.decide approval_http.request; do
    same "there is $name" 1 "$(grep -c " $name" "$state/pushed")"
done
same "two effects outside" 2 "$(grep -c ' http.request_plain .*"reeve.state": "done"' "$state/pushed")"
same "the gate's word, held" 1 "$(grep -c ' http.request {.*"events": \["gate"\].*"reeve.result": "held"' "$state/pushed")"
same "people's votes" 1 "$(grep -c ' approval_http.request .*"events": \["vote"\]' "$state/pushed")"
for path in /ok /held; do
    id=$(sed -n "s|^TRACE $path .* 00-$trace-\([0-9a-f]*\)-01\$|\1|p" "$log" | head -1)
    same "the receiver of $path was told our span" 1 "$(grep -c "^$trace $id .* http.request_plain " "$state/pushed")"
done
same "nothing personal, no secret, no text" "" "$(cat "$state"/collected/*.json "$state/trace.json" | grep -o 'SECRET[-A-Z]*\|clerk' | sort -u)"
same "sent: 2 runs" 2 "$(metric traces_runs_total)"
same "once again" 1 "$(metric traces_retries_total)"
same "none lost" 0 "$(metric traces_dropped_total)"

# a failed one; the collector refuses, and takes a part
start_helper() { call POST /v1/runs "{\"agent\":\"helper\",\"input\":$1}" >/dev/null; }
heard() { wc -l <"$state/collected/heard"; }
n=$(heard)
yes 200 | head -"$n" >"$state/collected/answers"
printf '400\n202\n' >>"$state/collected/answers"
start_helper '{"fail": true}'
until_is "what is refused is dropped" 1 metric traces_dropped_total
same "asked once" $((n + 1)) "$(heard)"
otlp spans "$state/collected/$((n + 1)).400.json" >"$state/refused"
same "it failed, by its code" 1 "$(grep -c ' 2 run_helper .*"reeve.status": "failed"' "$state/refused")"
same "without the text" 0 "$(grep -c SECRET "$state/refused")"
start_helper '{}'
until_is "a part that is refused is counted" 1 metric traces_rejected_total

# the collector is away: work goes on
kill "$collector"
wait "$collector" 2>/dev/null
start_helper '{"n": 3}'
run=$(sed 's/.*"id":"\([0-9]*\)".*/\1/' "$state/out")
until_is "runs end without it" done stands
for _ in $(seq 600); do grep -q TRACES-RETRY "$state/serve.log" && break; sleep 0.1; done
until_is "its trace waits" 1 metric traces_queued
serve_ends
same "and says what it leaves" 1 "$(grep -c "TRACES-LEFT" "$state/serve.log")"
same "its log holds no secret" 0 "$(grep -c SECRET-TOKEN "$state/serve.log")"
served=
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
