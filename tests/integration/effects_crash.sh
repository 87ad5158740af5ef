#!/bin/sh
# shellcheck disable=SC1010,SC2154,SC2012  # "done" is an outcome; variables of the sourced files; plain names
# effects_crash.sh -- kill -9 at any instant while agents act outside: no request is done twice, none is sent
# again without asking, no file is missing, and everything is on the record.
# usage: effects_crash.sh REEVE RECEIVER      (from the repository root)
set -u
runs=12
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
# shellcheck source=tests/support/effects.sh
. tests/support/effects.sh
url="http://127.0.0.1:$http"
reeve connector add asked --url "$url" --allow-private --timeout 1500 --backoff 100 --attempts 20 --reconcile status \
    --status "/status/{key}" >/dev/null
reeve connector add dropping --url "$url" --allow-private --timeout 1500 --backoff 100 --attempts 20 --reconcile repeat >/dev/null
reeve connector add unknown --url "$url" --allow-private --timeout 1500 >/dev/null
reeve connector add out --kind file --directory "$state/files" --attempts 20 >/dev/null
say http.request '{ connector = "asked", path = "/soon", body = { n = 1 } }' '
    :add("file.write", { connector = "out", name = ctx.run .. ".xml", text = "<run>" .. ctx.run .. "</run>" }, { reason = "a file" })
    :add("http.request", { connector = "dropping", path = "/once-soon" }, { reason = "once more" })
    :add("http.request", { connector = "unknown", path = "/soon" }, { reason = "and where nobody can be asked" })'
for _ in $(seq "$runs"); do begin; done
open() { ask "SELECT count(*) FROM run WHERE status NOT IN ('done', 'failed')"; }
kills=0
rounds=0
while [ "$(open)" != 0 ] && [ "$rounds" -lt 30 ]; do
    rounds=$((rounds + 1))
    "$reeve_program" run work --set runtime.lease=2s >/dev/null 2>&1 &
    worker=$!
    # until something is on its way, then a moment that is never the same
    for _ in $(seq 60); do
        [ "$(ask "SELECT count(*) FROM effect_intent WHERE state = 'attempting'")" != 0 ] && break
        kill -0 "$worker" 2>/dev/null || break
        sleep 0.1
    done
    sleep "0.$(od -An -N1 -tu1 /dev/urandom | tr -d ' ' | sed 's/^/00/; s/.*\(...\)$/\1/')"
    if [ "$kills" -lt 8 ]; then
        kill -9 "$worker" 2>/dev/null && kills=$((kills + 1))
    fi
    wait "$worker" 2>/dev/null
    # what only a person can know: he looks at the receiver
    for each in $(ask "SELECT 'r_' || run_id || ':' || seq || ':' || key FROM effect_intent WHERE state = 'person'"); do
        word=failed
        grep -q "^DID ${each##*:}$" "$log" && word=done
        reeve intent resolve "${each%:*}" $word --reason "the receiver says so" >/dev/null
    done
done
[ "$kills" -ge 5 ]
same "it was killed often enough ($kills)" 0 $?
same "all runs came to an end" 0 "$(ask "SELECT count(*) FROM run WHERE status NOT IN ('done', 'failed')")"
same "each request was done at most once" "" "$(grep '^DID ' "$log" | sort | uniq -d)"
same "what is said to be done was done, once" "" "$(ask "SELECT key FROM effect_intent WHERE state = 'done' AND action = 'http.request'" | while read -r key; do
    [ "$(grep -c "^DID $key$" "$log")" = 1 ] || echo "$key"; done)"
same "what is said to have failed was not" "" "$(ask "SELECT key FROM effect_intent WHERE state = 'failed'" | while read -r key; do
    grep "^DID $key$" "$log"; done)"
same "nothing blind: one attempt where nobody can be asked" 0 \
    "$(ask "SELECT count(*) FROM effect_intent WHERE connector = 'unknown' AND attempt > 1")"
same "and one request" "" "$(ask "SELECT key FROM effect_intent WHERE connector = 'unknown'" | while read -r key; do
    [ "$(grep -c "^TRY .* $key " "$log")" -le 1 ] || echo "$key"; done)"
same "all files are there, whole" "$runs" "$(grep -l "^<run>r_.*</run>$" "$state/files"/*.xml | wc -l)"
same "and nothing beside them" "$runs" "$(ls -A "$state/files" | wc -l)"
same "each attempt is on the record" "$(ask "SELECT sum(attempt) FROM effect_intent")" \
    "$(ask "SELECT count(*) FROM audit_record WHERE kind = 'effect' AND body::jsonb->>'what' = 'begin'")"
gives 0 "the record verifies" reeve audit verify
for number in $(ask "SELECT id FROM run"); do
    reeve run replay "r_$number" >"$state/out" || same "replay of $number" "" "$(cat "$state/out")"
done

# the run is cancelled after the kill: the wish is noted, and what has no outcome still goes by its rule
while IFS='|' read -r connector path tries end; do
    say http.request "{ connector = \"$connector\", path = \"$path\" }" '
    :add("http.request", { connector = "unknown", path = "/ok" }, { reason = "this one is not reached" })'
    begin
    "$reeve_program" run work --set runtime.lease=2s >/dev/null 2>&1 &
    worker=$!
    for _ in $(seq 100); do
        [ "$(did)" = 1 ] && break
        sleep 0.1
    done
    kill -9 "$worker" 2>/dev/null
    wait "$worker" 2>/dev/null
    reeve run cancel "r_$run" --yes >/dev/null
    for _ in $(seq 30); do
        case "$(status)" in cancelled* | "waiting intent"*) break ;; esac
        work
        sleep 0.3
    done
    same "$connector: killed, then cancelled: its end" "$end" "$(status), $(intents)"
    same "$connector: requests, done, begun" "$tries 1 $tries" "$(tried) $(did) $(ask "SELECT count(*) FROM audit_record WHERE kind = 'effect' AND run_id = $run AND body::jsonb->>'what' = 'begin'")"
done <<CASES
unknown|/soon|1|waiting intent, person 1 -
asked|/soon|1|cancelled canceled, done 1 status
dropping|/once-soon|2|cancelled canceled, done 2 answer
CASES
grep -c "^LOOK" "$log" | sed 's/^/times the receiver was asked: /'
[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
