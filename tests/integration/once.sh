#!/bin/sh
# once.sh -- a run begun, and a run told something, under a key of the request: through HTTP and from the command line,
# again, with another body, by another person, at the same moment, and after a day; with the real program and PostgreSQL.
# usage: once.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
once() { # KEY PATH BODY [TOKEN]: the status; the answer in $state/out
    curl -s -o "$state/out" -w '%{http_code}' -X POST -H "Authorization: Bearer ${4:-$token}" \
        -H 'Content-Type: application/json' -H "Idempotency-Key: $1" --data "$3" "$base$2"
}
runs() { ask "SELECT count(*) FROM run WHERE agent = 'waiter'"; }
signals() { ask "SELECT count(*) FROM run_signal"; }

company operator:operator second:operator
gives 0 "its policy" reeve policy load policies/default.lua
mkdir -p "$state/waiter"
cat >"$state/waiter/agent.lua" <<'LUA'
local agent = { name = "waiter", version = "1", handles = {}, uses = { "exception.note" }, limits = { steps = 50 },
    claims = "merge" }
function agent.plan(ctx, input)
  ctx:signal("go", 864000)
end
return agent
LUA
gives 0 "an agent" reeve agent publish "$state/waiter/agent.lua" --owner console
serve
token=$(token_of operator)
second=$(token_of second)

# ---- beginning ----
same "begun" 202 "$(once '"a-1"' /v1/runs '{"agent":"waiter","input":{"n":1,"share":0.5}}')"
cp "$state/out" "$state/first"
run=$(jq -r .id "$state/first")
same "the same again" 202 "$(once '"a-1"' /v1/runs '{"input":{"share":0.5,"n":1},"agent":"waiter"}')"
same "gives the same answer" "$(cat "$state/first")" "$(cat "$state/out")"
same "and without quotes" 202 "$(once a-1 /v1/runs '{"agent":"waiter","input":{"n":1,"share":0.5}}')"
same "it is the same key" "$(cat "$state/first")" "$(cat "$state/out")"
same "begins nothing" 1 "$(runs)"
same "another body" 409 "$(once '"a-1"' /v1/runs '{"agent":"waiter","input":{"n":2}}')"
has out 'was used for another request'
same "begins nothing, either" 1 "$(runs)"
same "another person's key is another" 202 "$(once '"a-1"' /v1/runs '{"agent":"waiter","input":{"n":2}}' "$second")"
same "and begins" 2 "$(runs)"
same "no key: each begins" "202 202" "$(send POST /v1/runs '{"agent":"waiter"}') $(send POST /v1/runs '{"agent":"waiter"}')"
same "so there are" 4 "$(runs)"
same "what was refused" 404 "$(once '"a-2"' /v1/runs '{"agent":"nobody"}')"
same "leaves the key free" 202 "$(once '"a-2"' /v1/runs '{"agent":"waiter"}')"
for key in '""' '"a' '"a"b' "$(head -c 300 /dev/zero | tr '\0' x)"; do
    same "a key that is none: $(printf %.9s "$key")" 400 "$(once "$key" /v1/runs '{"agent":"waiter"}')"
    has out '"field":"Idempotency-Key"'
    has out '"hint":"'
done
before=$(runs)
same "merged into the run of a key" "202 202" "$(once m-0 /v1/runs '{"agent":"waiter","key":"desk"}') $(once m-1 /v1/runs '{"agent":"waiter","key":"desk","input":{"n":3}}')"
has out '"merged":true'
cp "$state/out" "$state/first"
told=$(signals)
same "the same again" 202 "$(once m-1 /v1/runs '{"agent":"waiter","key":"desk","input":{"n":3}}')"
same "says so, too" "$(cat "$state/first")" "$(cat "$state/out")"
same "and merges nothing" "$told" "$(signals)"
before=$(runs)
for i in 1 2 3 4 5 6 7 8; do
    curl -s -o "$state/double$i" -X POST -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
        -H 'Idempotency-Key: "double"' --data '{"agent":"waiter","input":{"n":9}}' "$base/v1/runs" &
    pids="${pids:-} $!"
done
# shellcheck disable=SC2086
wait $pids
same "eight at the same moment begin one" $((before + 1)) "$(runs)"
same "and have one answer" 1 "$(cat "$state"/double? | jq -c . | sort -u | wc -l | tr -d ' ')"
has double1 '"id"'

# ---- telling ----
told=$(signals)
same "told" 202 "$(once s-1 "/v1/runs/$run/signal" '{"name":"note","body":{"n":1}}')"
cp "$state/out" "$state/first"
same "the same again" 202 "$(once s-1 "/v1/runs/$run/signal" '{"name":"note","body":{"n":1}}')"
same "gives the same answer" "$(cat "$state/first")" "$(cat "$state/out")"
same "and tells nothing" $((told + 1)) "$(signals)"
same "another body" 409 "$(once s-1 "/v1/runs/$run/signal" '{"name":"note","body":{"n":2}}')"
same "another request" 409 "$(once s-1 /v1/runs '{"agent":"waiter"}')"

# ---- from the command line ----
gives 0 "begun" reeve run start waiter --id c-1 --as operator --json
cp "$state/out" "$state/first"
before=$(runs)
gives 0 "the same again" reeve run start waiter --id c-1 --as operator --json
same "is the same run" "$(cat "$state/first")" "$(cat "$state/out")"
same "and begins nothing" "$before" "$(runs)"
gives 1 "another request" reeve run start waiter --input '{"n":1}' --id c-1 --as operator
has err 'was used for another request'
gives 2 "an id that is none" reeve run start waiter --id "" --as operator
gives 0 "told" reeve run signal "$run" note --id c-2 --as operator --json
cp "$state/out" "$state/first"
told=$(signals)
gives 0 "the same again" reeve run signal "$run" note --id c-2 --as operator --json
same "has the same answer" "$(cat "$state/first")" "$(cat "$state/out")"
same "and tells nothing" "$told" "$(signals)"

# ---- a day later ----
owner() { psql "$uri" -Atqc "$1"; }
owner "UPDATE run_once SET at = now() - interval '25 hours' WHERE key = 'a-1'"
owner "SELECT reeve_journal_sweep(1000)" >/dev/null
before=$(runs)
same "the key is free again" 202 "$(once '"a-1"' /v1/runs '{"agent":"waiter","input":{"n":7}}')"
same "and begins" $((before + 1)) "$(runs)"
serve_ends
[ "$failures" = 0 ] || { echo "$failures failures"; exit 1; }
