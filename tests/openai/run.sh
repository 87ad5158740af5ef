#!/bin/sh
# run.sh REEVE -- the openai client and hostile requests against a serving reeve with a tiny model of
# random weights, or says why it cannot (status 77).
set -u
here=$(dirname "$0")
reeve_program=$1
command -v node >/dev/null 2>&1 || { echo "skipped: node is not installed"; exit 77; }
if [ ! -d "$here/node_modules/openai" ]; then
    (cd "$here" && npm ci --no-audit --no-fund >/dev/null 2>&1) ||
        { echo "skipped: the openai client is not installed (run npm ci in tests/openai)"; exit 77; }
fi
state=$(mktemp -d /tmp/rv-openai-XXXXXX)
export REEVE_STATE="$state" REEVE_MODEL_PATH="$state/tiny.gguf" REEVE_MODEL_BACKEND=ref
export REEVE_MODEL_TOKENS_PER_TENANT_PER_DAY=150000
unset REEVE_DATABASE
serving=""
trap '[ -z "$serving" ] || kill "$serving" 2>/dev/null; wait; "$reeve_program" db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
reeve() { "$reeve_program" "$@"; }
reeve model make --shape tiny-llama --quant Q8_0 --seed 7 --out "$state/tiny.gguf" >/dev/null 2>&1 || exit 1
reeve company create acme >/dev/null 2>&1 || exit 1
reeve company create other >/dev/null 2>&1 || exit 1
reeve company create third >/dev/null 2>&1 || exit 1
token() { # COMPANY
    reeve --company "$1" person add app --roles operator,admin >/dev/null 2>&1
    reeve --company "$1" token make app --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/'
}
OPENAI_API_KEY=$(token acme)
OTHER_KEY=$(token other)
THIRD_KEY=$(token third)
METRICS_TOKEN=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n') # the whole is the operator's
(umask 077 && echo "$METRICS_TOKEN" >"$state/metrics-token")
export OPENAI_API_KEY OTHER_KEY THIRD_KEY METRICS_TOKEN
"$reeve_program" serve --listen 127.0.0.1:0 --set "metrics.token_file=$state/metrics-token" >"$state/serve.txt" 2>"$state/serve.log" &
serving=$!
export SERVING=$serving
for _ in $(seq 100); do
    grep -q "inbox is at" "$state/serve.txt" && grep -q ENGINE-READY "$state/serve.log" && break
    sleep 0.1
done
url=$(sed -n 's/^the inbox is at //p' "$state/serve.txt")
[ -n "$url" ] || { cat "$state/serve.log"; exit 1; }
node "$here/openai.test.mjs" "${url}v1" || { tail -20 "$state/serve.log"; exit 1; }
