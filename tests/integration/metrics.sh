#!/bin/sh
# metrics.sh -- GET /metrics of a serving node, read by Prometheus' own strict parser.
# usage: metrics.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
export REEVE_MODEL_BACKEND=ref REEVE_MODEL_PATH="$state/tiny.gguf"
reeve model make --shape tiny-llama --quant Q8_0 --seed 7 --out "$state/tiny.gguf" >/dev/null 2>&1 || exit 1
mkdir "$state/waiter"
cat >"$state/waiter/agent.lua" <<'LUA'
-- waits until somebody says go
local agent = { name = "waiter", version = "1", handles = {}, uses = {}, limits = { steps = 9 } }
function agent.plan(ctx, input)
  ctx:signal("go", 3600)
  if input.fail then error("asked to fail") end
end
return agent
LUA
gives 0 "a company" reeve company create acme
for person in operator:operator manager:ap.manager controller:controller treasurer:treasurer buyer:buyer; do
    reeve person add "${person%%:*}" --roles "${person##*:}" >/dev/null || failures=$((failures + 1))
done
gives 0 "its policy" reeve policy load policies/default.lua
gives 0 "an agent" reeve agent publish "$state/waiter/agent.lua"
for i in 1 2 3; do
    gives 0 "run $i" reeve run start waiter --as operator --key "k:$i" --input "{\"fail\": $([ $i = 3 ] && echo true || echo false)}"
done
run=$(grep -o 'r_[0-9]*' "$state/out" | head -1)
reader=$(reeve token make operator --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/')
admin=$(reeve token make console --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/')
gives 0 "another company" reeve company create beta
other=$(reeve token make console --company beta --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/')

# the operator's token
serve() { exec "$reeve_program" serve --listen 127.0.0.1:0 --set runtime.loops=2 --set "metrics.token_file=$state/metrics-token" --json; }
tries() { (serve); }
echo "too short" >"$state/metrics-token"
chmod 644 "$state/metrics-token"
gives 3 "a token that others may read" tries
has out "chmod 600"
chmod 600 "$state/metrics-token"
gives 2 "a token that can be guessed" tries
has out "openssl rand"
operator=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
echo "$operator" >"$state/metrics-token"
serve >"$state/served" 2>"$state/log" &
served=$!
for _ in $(seq 600); do [ -s "$state/served" ] && break; sleep 0.1; done
base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)

same "it is for administrators" 403 \
    "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $reader" "$base/metrics")"
same "the operator's token opens nothing else" 401 \
    "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $operator" "$base/v1/nodes")"
same "and one that is nearly it nothing at all" 401 \
    "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer ${operator}0" "$base/metrics")"

# figure NAME [LABEL=VALUE]: its value in $state/page, read strictly; the sum where no label is asked for
cat >"$state/figure.py" <<'PY'
import sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
format, name, *label = sys.argv[2:]
read = openmetrics if format == "openmetrics" else parser
found = [s.value for f in read.text_string_to_metric_families(open(sys.argv[1]).read()) for s in f.samples
         if s.name == name and all(tuple(l.split("=")) in s.labels.items() for l in label)]
print(int(sum(found)) if found else "none")
PY
page() { # FORMAT [TOKEN]: what the operator sees, or whose token it is
    case $1 in openmetrics) accept='application/openmetrics-text;version=1.0.0' ;; *) accept='text/plain' ;; esac
    curl -s -H "Accept: $accept" -H "Authorization: Bearer ${2:-$operator}" "$base/metrics" >"$state/page"
}
figure() { /usr/bin/python3 "$state/figure.py" "$state/page" "$@"; }
for _ in $(seq 600); do
    page plain
    [ "$(figure plain reeve_backlog_runs_open waits=signal)" = 3 ] && break
    sleep 0.1
done
for format in plain openmetrics; do
    page $format
    same "$format: three runs wait for a signal" 3 "$(figure $format reeve_backlog_runs_open waits=signal)"
    same "$format: none is dead" 0 "$(figure $format reeve_backlog_runs_dead)"
    same "$format: the database is there" 1 "$(figure $format reeve_database_up)"
    same "$format: nobody is turned away" 0 "$(figure $format reeve_http_connections_turned_away_total)"
    same "$format: it drives the companies" 2 "$(figure $format reeve_companies_driven)"
    same "$format: commits are counted on each core" "yes yes" \
        "$(for core in 0 1; do [ "$(figure $format reeve_commit_units_total core=$core)" != none ] && echo yes; done | xargs)"
done
before=$(figure openmetrics reeve_commit_units_total)
gives 0 "one is told to go on, and fails" reeve run signal "$run" go --as operator --company acme
for _ in $(seq 600); do
    page openmetrics
    [ "$(figure openmetrics reeve_backlog_runs_dead)" = 1 ] && break
    sleep 0.1
done
same "then one is dead" 1 "$(figure openmetrics reeve_backlog_runs_dead)"
same "and two wait" 2 "$(figure openmetrics reeve_backlog_runs_open waits=signal)"
same "its steps were committed here" yes \
    "$([ "$(figure openmetrics reeve_commit_units_total)" -gt "$before" ] && echo yes)"

# one company's admin learns nothing of another one's questions
models() { page openmetrics "$1"; sed 's/^\(reeve_[a-z_]*\)[{ ].*/\1/' "$state/page" | grep '^reeve_' | sort -u | xargs; }
seen=$(models "$admin")
before=$(cat "$state/page")
same "beta asks the model" 200 "$(curl -s -o "$state/out" -w '%{http_code}' -H "Authorization: Bearer $other" -H 'Content-Type: application/json' \
    -d '{"model":"reeve","max_tokens":4,"prompt":"hello, hello, hello"}' "$base/v1/completions")"
for _ in $(seq 600); do
    page openmetrics "$other"
    [ "$(figure openmetrics reeve_company_model_requests_today)" = 1 ] && break
    sleep 0.1
done
same "and its admin sees that" "1 yes" "$(figure openmetrics reeve_company_model_requests_today) \
$([ "$(figure openmetrics reeve_company_model_prompt_tokens_today)" -gt 0 ] && echo yes)"
same "but not whose runs are open beside" none "$(figure openmetrics reeve_company_runs_open)"
page openmetrics
for _ in $(seq 600); do
    [ "$(figure openmetrics reeve_model_prompt_tokens_total)" != none ] && [ "$(figure openmetrics reeve_model_prompt_tokens_total)" -gt 0 ] && break
    sleep 0.1
    page openmetrics
done
same "the operator sees the engine's tokens" yes "$([ "$(figure openmetrics reeve_model_prompt_tokens_total)" -gt 0 ] && echo yes)"
same "acme's admin sees the same names as before" "$seen" "$(models "$admin")"
same "and the same figures, every one" "$before" "$(cat "$state/page")"
same "its own runs are there" 2 "$(figure openmetrics reeve_company_runs_open waits=signal)"
for name in model_prompt_tokens model_cached_tokens model_requests model_blocks_used model_open commit_units cpu_milliseconds backlog_runs_open; do
    same "nothing of all companies: $name" "" "$(grep -o "^reeve_$name" "$state/page")"
done
[ "$failures" = 0 ] || exit 1
