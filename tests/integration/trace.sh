#!/bin/sh
# shellcheck disable=SC1010,SC2154  # "done" is a status; variables of the sourced files
# trace.sh -- one trace from the edge to the edge: who starts a run by HTTP gives it, the messages of its actors, the
# gate, a child, what happens outside and the web hook carry it, and reeve top and /v1/traces answer for it.
# usage: trace.sh REEVE RECEIVER      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
# shellcheck disable=SC2034  # for effects.sh
rules=' permit { id = "starts", agents = "outside", action = "run.start" },'
# shellcheck source=tests/support/effects.sh
. tests/support/effects.sh
url="http://127.0.0.1:$http"
reeve connector add plain --url "$url" --allow-private --timeout 1000 --backoff 100 --attempts 2 >/dev/null
reeve hook add "$url/hook" --allow-private >/dev/null 2>&1
mkdir -p "$state/one" "$state/two"
cat >"$state/one/agent.lua" <<'LUA'
local agent = { name = "outside", version = "1", handles = {}, uses = { "http.request" } }
function agent.plan(ctx)
  ctx:await(ctx:start("helper", { n = 1 }))
  return ctx:plan():add("http.request", { connector = "plain", path = "/ok", body = { n = 1 } }, { reason = "the test says so" })
    :add("http.request", { connector = "plain", path = "/held", body = { n = 2 } }, { reason = "people are asked" })
end
return agent
LUA
cat >"$state/two/agent.lua" <<'LUA'
local agent = { name = "helper", version = "1", handles = {}, uses = {} }
function agent.plan(ctx) erp.get("invoice", 1) return ctx:plan() end
return agent
LUA
reeve agent publish "$state/one/agent.lua" "$state/two/agent.lua" >/dev/null || exit 1
reeve import scripts/demo/company/master.json scripts/demo/company/orders/*.xml scripts/demo/company/receipts/*.xml \
    scripts/demo/company/invoices/*.xml >/dev/null 2>&1
reeve exception detect >/dev/null 2>&1 || reeve do exception.detect '{}' >/dev/null 2>&1
key=$(ask "SELECT encode(key, 'hex') FROM exception WHERE type = 'F01' AND state = 'open' ORDER BY key LIMIT 1")
same "there is an exception" 64 "${#key}"
admin=$(reeve token make console --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/')
"$reeve_program" serve --listen 127.0.0.1:0 --json >"$state/served" 2>"$state/serve.log" &
served=$!
for _ in $(seq 600); do [ -s "$state/served" ] && break; sleep 0.1; done
base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
call() { # METHOD PATH [BODY] [HEADER]: the status; the body in $state/out
    curl -s -X "$1" "$base$2" -H "Authorization: Bearer $admin" ${3:+-H "Content-Type: application/json" -d "$3"} \
        ${4:+-H "$4"} -o "$state/out" -w '%{http_code}'
}
check() { # WHAT EXPRESSION of the JSON `d`
    if python3 -c "import json,sys; d=json.load(open('$state/out')); sys.exit(0 if $2 else 1)"; then
        echo "ok    $1"
    else
        echo "FAIL  $1"
        cat "$state/out"
        failures=$((failures + 1))
    fi
}
trace=4bf92f3577b34da6a3ce929d0e0e4736
same "a run is started with a trace" 202 "$(call POST /v1/runs "{\"exception\":\"$key\",\"agent\":\"outside\"}" "traceparent: 00-$trace-00f067aa0ba902b7-01")"
run=$(sed 's/.*"id":"\([0-9]*\)".*/\1/' "$state/out")
asks() { ask "SELECT status || coalesce(' ' || waiting_on, '') FROM run WHERE id = $run"; }
for _ in $(seq 600); do [ "$(asks)" = "waiting approval" ] && break; sleep 0.1; done
same "it did the first and asks people about the second" "waiting approval" "$(asks)"
for _ in $(seq 600); do grep -q "^TRACE /hook" "$log" && break; sleep 0.1; done
same "the run has it" 200 "$(call GET "/v1/runs/$run")"
check "as its own" "d['trace_id'] == '$trace'"
same "what happens outside carries it" 1 "$(grep -c "^TRACE /ok reeve-1-r$run-[0-9]* 00-$trace-[0-9a-f]\{16\}-01$" "$log")"
grep -q "^TRACE /hook - 00-$trace-[0-9a-f]\{16\}-01$" "$log"
same "the hook, too" 0 $?
same "no hook has another one for this run" 0 "$(grep "^TRACE /hook" "$log" | grep -vc "$trace")"
same "the trace answers" 200 "$(call GET "/v1/traces/$trace")"
check "with the messages of its actors" "len(d['messages']) > 0 and any(m['actor'] == 'run' for m in d['messages'])"
check "its runs, the child, too" "[(r['agent'], r['status']) for r in d['runs']] == [('outside', 'waiting'), ('helper', 'done')]"
check "what passed the gate" "[(s['name'], s['result']) for s in d['steps'] if s['run'] == 'r_$run'] == [('start', 'ok'), ('http.request', 'executed'), ('http.request', 'held')]"
check "the effect from its beginning to its end" "len(d['effects']) >= 2 and all(e['run'] == 'r_$run' for e in d['effects'])"
for _ in $(seq 600); do
    call GET "/v1/traces/$trace" >/dev/null
    grep -q '"delivered"' "$state/out" && break
    sleep 0.1
done
check "and the hook's delivery" "any(e['status'] == 'delivered' for e in d['deliveries'])"
gives 0 "reeve top shows the same" env REEVE_TOKEN="$admin" "$reeve_program" top --url "$base" --run "r_$run"
has out "trace $trace"
has out "helper"
has out "http.request"
has out "delivered"

# a run that nobody gave a trace
own=$(ask "SELECT encode(key, 'hex') FROM exception WHERE type = 'F01' AND state = 'open' AND encode(key, 'hex') <> '$key' ORDER BY key LIMIT 1")
same "one without" 202 "$(call POST /v1/runs "{\"exception\":\"$own\",\"agent\":\"helper\"}")"
other=$(sed 's/.*"id":"\([0-9]*\)".*/\1/' "$state/out")
for _ in $(seq 600); do [ "$(ask "SELECT status FROM run WHERE id = $other")" = done ] && break; sleep 0.1; done
call GET "/v1/runs/$other" >/dev/null
derived=$(python3 -c "import json; print(json.load(open('$state/out'))['trace_id'])")
same "the command line says which it is" "$derived" "$(reeve run show "r_$other" --json 2>/dev/null | grep -o '"trace_id": *"[0-9a-f]*"' | cut -d'"' -f4)"
same "it answers by its number" 200 "$(call GET "/v1/traces/$derived?run=$other")"
check "with its run" "[r['run'] for r in d['runs']] == ['r_$other']"

# what is not there
same "an unknown trace" 404 "$(call GET /v1/traces/00000000000000000000000000000001)"
has out '"code":"not_found"'
has out "GET /v1/runs/{id}"
same "another's run does not show in it" 404 "$(call GET "/v1/traces/00000000000000000000000000000001?run=$run")"
same "what is no trace" 400 "$(call GET /v1/traces/xyz)"
gives 1 "top of a run that is not there" env REEVE_TOKEN="$admin" "$reeve_program" top --url "$base" --run r_42
has err "reeve run list"
serve_ends
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
