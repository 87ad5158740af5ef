#!/bin/sh
# shellcheck disable=SC1010,SC2154  # "done" is an outcome; variables of the sourced files
# effects.sh -- what agents do outside, with the real program and somebody else's machine: connectors, intents,
# answers of all kinds, mail, files, approval, taking back, people who say what nobody else knows.
# usage: effects.sh REEVE RECEIVER      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
# shellcheck source=tests/support/effects.sh
. tests/support/effects.sh
once() { # WHAT STATUS INTENTS: one run of the agent as it is
    begin
    work
    same "$1: the run" "$2" "$(status)"
    same "$1: the intent" "$3" "$(intents)"
}
http() { say http.request "{ connector = \"$1\", path = \"$2\", body = { amount_minor = 5, to = \"x\" } }" "${3:-}"; }

# connectors
echo "sesame-1234" >"$state/secret"
url="http://127.0.0.1:$http"
gives 2 "plain http needs a word" reeve connector add bank --url "$url"
has err "must start with https://"
gives 2 "an address with a login is refused" reeve connector add bank --url "https://me:pw@bank.example/x"
gives 2 "a rule must fit" reeve connector add bank --url https://bank.example/x --reconcile look
gives 2 "a status needs its place for the key" reeve connector add bank --url https://b.example --reconcile status --status /x
gives 2 "a mail connector says to whom" reeve connector add post --kind mail --url smtps://mail.example --from a@b.example
gives 1 "a directory must be there" reeve connector add out --kind file --directory "$state/nowhere"
gives 0 "a connector is added" reeve connector add bank --url "$url" --allow-private --secret-file "$state/secret" \
    --timeout 1000 --backoff 100 --attempts 3 --reconcile status --status "/status/{key}"
gives 1 "but once" reeve connector add bank --url "$url" --allow-private
reeve connector add plain --url "$url" --allow-private --timeout 1000 --backoff 100 --attempts 2 >/dev/null
reeve connector add twice --url "$url" --allow-private --timeout 1000 --backoff 100 --attempts 4 --reconcile repeat >/dev/null
reeve connector add closed --url "http://127.0.0.1:1" --allow-private --timeout 1000 --backoff 50 --attempts 2 >/dev/null
reeve connector add outer --url "https://127.0.0.1:$http" --timeout 1000 --attempts 2 >/dev/null
reeve connector add out --kind file --directory "$state/files" --backoff 50 --attempts 2 >/dev/null
reeve connector add post --kind mail --url "smtp://127.0.0.1:$smtp" --allow-private --from reeve@company.example \
    --to "*@partner.example,one@other.example" --timeout 2000 --backoff 50 --attempts 2 >/dev/null
gives 0 "they are listed" reeve connector list
has out "bank"
gives 0 "as JSON, too" reeve connector list --json
has out '"reconcile":"status"'
same "no secret in the database" 0 "$(ask "SELECT count(*) FROM connector WHERE secret IS NOT NULL AND position('sesame' IN encode(secret, 'escape')) > 0")"
reeve person add clerk --roles clerk >/dev/null
gives 3 "who adds one must be an admin" reeve connector add more --url https://x.example --as clerk
has err "has not the role"

# answers
http bank /ok
once "an answer" "done" "done 1 answer"
same "one request, with key and secret" 1 "$(grep -c "^TRY POST /ok reeve-1-r$run-2 Bearer_sesame-1234$" "$log")"
gives 0 "explain tells of it" reeve explain "r_$run"
has out "http.request outside: done, status 201; key reeve-1-r$run-2, attempts 1, known by answer"
gives 0 "and show" reeve run show "r_$run"
has out '"id": "p-1"'
grep -q sesame "$state/out"
same "without the secret" 1 $?
gives 0 "replay does the same" reeve run replay "r_$run"
same "and sends nothing" 1 "$(tried)"
same "its records: begin and outcome" "begin attempt" "$(ask "SELECT string_agg(body::jsonb->>'what', ' ' ORDER BY seq) FROM audit_record WHERE run_id = $run AND kind = 'effect'")"
gives 0 "the record verifies" reeve audit verify
http bank /busy
once "busy" "done" "done 2 answer"
same "busy: two requests, one deed" "2 1" "$(tried) $(did)"
http plain /busy-ever
once "always busy" "failed unavailable" "failed 2 answer"
http bank /no
once "refused" "failed invalid" "failed 1 answer"
http bank /away
once "a redirect is not followed" "failed invalid" "failed 1 answer"
same "nor done" 0 "$(did)"
http bank /big
once "a large answer" "done" "done 1 answer"
same "is cut" true "$(ask "SELECT outcome#>>'{answer,cut}' FROM effect_intent WHERE run_id = $run")"
http closed /ok
once "nobody there" "failed unavailable" "failed 2 answer"
http outer /ok
once "a private address" "failed denied" "failed 1 answer"

reeve connector add wide --url "$url" --allow-private --timeout 3000 --answer 1048576 >/dev/null
for name in bank wide; do
    http $name /real
    once "an answer with fractions ($name)" "done" "done 1 answer"
    same "reaches the plan as text" 1 "$(ask "SELECT count(*) FROM run_result WHERE run_id = $run AND result::text LIKE '%\"rate\": \"1.5\"%'")"
    same "stands in the journal so" '{"more": [{"x": "1e+300"}, 2], "rate": "1.5"}' \
        "$(ask "SELECT outcome#>'{answer,body}' FROM effect_intent WHERE run_id = $run")"
    same "and in the record" '"1.5"' \
        "$(ask "SELECT body::jsonb#>'{detail,answer,body,rate}' FROM audit_record WHERE run_id = $run AND body::jsonb->>'what' = 'attempt'")"
    gives 0 "replay does the same" reeve run replay "r_$run"
done
http wide /full
once "an answer at the limit, that JSON must escape" "done" "done 1 answer"
same "is whole in the journal" 1048576 "$(ask "SELECT length(outcome#>>'{answer,text}') FROM effect_intent WHERE run_id = $run")"
same "and in the record by its digest" 200 \
    "$(ask "SELECT body::jsonb#>>'{detail,answer,status}' FROM audit_record WHERE run_id = $run AND body::jsonb#>>'{detail,answer,text,sha256}' IS NOT NULL")"
gives 0 "replay does the same" reeve run replay "r_$run"
gives 0 "the record verifies" reeve audit verify

# no answer: the rule
http bank /cut
once "done, and the connection broke" "done" "done 1 status"
same "asked, not repeated" "1 1" "$(tried) $(did)"
http bank /gone
once "lost, and the connection broke" "done" "done 2 answer"
same "asked, then repeated" "2 1" "$(tried) $(did)"
http bank /slow
once "too slow" "done" "done 1 status"
http twice /once
once "a receiver that drops repeats" "done" "done 2 answer"
same "is asked again" "2 1" "$(tried) $(did)"
http twice /cut-busy
once "a repeat that is put off does not say that it was not done" "waiting intent" "person 4 -"
same "and all of its attempts are made" "4 1" "$(tried) $(did)"
reeve intent resolve "r_$run:2" done --reason "seen" >/dev/null
http twice /cut-no
once "nor does one that is refused" "waiting intent" "person 2 -"
same "which is not asked again" "2 1" "$(tried) $(did)"
reeve intent resolve "r_$run:2" done --reason "seen" >/dev/null
http plain /cut
once "nobody knows" "waiting intent" "person 1 -"
same "so it is not repeated" "1 1" "$(tried) $(did)"
gives 0 "it is listed" reeve intent list person
has out "r_$run:2"
gives 0 "and shown" reeve intent show "r_$run:2"
has out '"verdict": "unknown"'
gives 0 "runs that wait for it can be found" reeve run list --waiting-on intent
has out "r_$run"
gives 2 "a reason is needed" reeve intent resolve "r_$run:2" done
gives 2 "and an outcome" reeve intent resolve "r_$run:2" perhaps --reason x
gives 3 "and a role" reeve intent resolve "r_$run:2" done --reason x --as clerk
gives 0 "a person says it" reeve intent resolve "r_$run:2" done --reason "the receiver shows it" --json
has out '"state":"done"'
gives 1 "but once" reeve intent resolve "r_$run:2" failed --reason "no"
has err "does not wait for a person"
gives 1 "and not of what is not there" reeve intent resolve "r_$run:7" failed --reason "no"
gives 2 "nor of nonsense" reeve intent show "r_$run"
work
same "the run goes on" "done" "$(status)"
same "on the record with name and reason" 1 "$(ask "SELECT count(*) FROM audit_record WHERE kind = 'admin' AND body LIKE '%console%the receiver shows it%intent.resolve%'")"
gives 0 "explain says who" reeve explain "r_$run"
has out "known by person console: the receiver shows it"

# what is not permitted, or nonsense, sends nothing
tries=$(wc -l <"$log")
for case in 'http.request|{ connector = "none", path = "/ok" }|failed not_found' \
    'http.request|{ connector = "bank", path = "ok" }|failed invalid' \
    'http.request|{ connector = "bank", path = "/../ok" }|failed invalid' \
    'http.request|{ connector = "bank", path = "/ok", method = "DELETE" }|failed denied' \
    'http.request|{ connector = "bank", path = "/ok", url = "http://x" }|failed invalid' \
    'http.request|{ connector = "post", path = "/ok" }|failed invalid' \
    'mail.send|{ connector = "post", to = { "a@elsewhere.example" }, subject = "s", text = "t" }|failed denied' \
    'file.write|{ connector = "out", name = "../x", text = "t" }|failed invalid'; do
    say "${case%%|*}" "$(echo "$case" | cut -d'|' -f2)"
    begin
    work
    same "$(echo "$case" | cut -d'|' -f2)" "${case##*|}" "$(status)"
done
same "no intent, no request" "$tries 0" "$(wc -l <"$log") $(ask "SELECT count(*) FROM effect_intent WHERE run_id > $run - 8")"
gives 2 "a person cannot do it past an agent" reeve do http.request '{"connector":"bank","path":"/ok"}'
reeve connector disable bank >/dev/null
http bank /ok
begin
work
same "a connector that is off" "failed conflict" "$(status)"
reeve connector enable bank >/dev/null

# held for people, then done
http bank /held
reeve person add boss --roles controller >/dev/null
begin
work
same "held" "waiting approval" "$(status)"
same "nothing is sent before" 0 "$(tried)"
reeve approval approve "$(ask "SELECT id FROM approval WHERE run_id = $run")" --as boss >/dev/null
work
same "approved, done" "done 1 1" "$(status) $(tried) $(did)"

# mail
say mail.send '{ connector = "post", to = { "a@partner.example", "one@other.example" }, subject = "Rückfrage", text = "Grüße" }'
once "a mail" "done" "done 1 answer"
same "arrived once, named by its key" 1 "$(grep -c "^MAIL <reeve@company.example> <one@other.example> <reeve-1-r$run-2@company.example> " "$log")"
say mail.send '{ connector = "post", to = { "refused@partner.example" }, subject = "s", text = "t" }'
once "a mail that is refused" "failed invalid" "failed 1 answer"
say mail.send '{ connector = "post", to = { "later@partner.example" }, subject = "s", text = "t" }'
once "a mail for later" "failed unavailable" "failed 2 answer"
say mail.send '{ connector = "post", to = { "cut@partner.example" }, subject = "s", text = "t" }'
once "a mail of which nobody knows" "waiting intent" "person 1 -"
reeve intent resolve "r_$run:2" failed --reason "the server has no trace of it" >/dev/null
work
same "said to have failed" "failed refused" "$(status)"

# files
say file.write '{ connector = "out", name = "pay-1.xml", text = "<pay/>" }'
once "a file" "done" "done 1 answer"
same "is there" "<pay/>" "$(cat "$state/files/pay-1.xml")"
once "never over another" "failed conflict" "failed 1 answer"
same "and nothing is left beside it" "pay-1.xml" "$(ls -A "$state/files")"

# taking back: what was done outside is taken back by what the plan has named
http bank /ok '
    :add("http.request", { connector = "bank", path = "/no" }, { reason = "this one fails" })'
sed -i 's|body = { amount_minor = 5, to = "x" } }|body = { n = 1 }, compensate = { action = "http.request",\
    args = { connector = "bank", path = "/ok/cancel/{key}" } } }|' "$state/agent.lua"
reeve agent publish "$state/agent.lua" >/dev/null
begin
work
same "taken back" "compensated invalid" "$(status)"
same "by a request about its key" 1 "$(grep -c "^TRY POST /ok/cancel/reeve-1-r$run-2 " "$log")"
gives 0 "and it replays" reeve run replay "r_$run"

# asked to stop: what was not sent is withdrawn, what was sent is waited for
http bank /busy-ever
reeve connector add slowly --url "$url" --allow-private --timeout 1000 --backoff 600000 >/dev/null
http slowly /busy-ever
begin
work
same "waits for the next attempt" "waiting effect" "$(status)"
reeve run cancel "r_$run" --yes >/dev/null
work
same "withdrawn" "cancelled canceled" "$(status)"
same "with its intent" "failed 1 withdrawn" "$(intents)"
http plain /cut '
    :add("http.request", { connector = "plain", path = "/ok" }, { reason = "this one is not reached" })'
begin
work
reeve run cancel "r_$run" --yes >/dev/null
work
same "nobody knows: the wish to stop waits" "waiting intent" "$(status)"
reeve intent resolve "r_$run:2" done --reason "seen" >/dev/null
work
same "then it stops" "cancelled canceled" "$(status)"
same "before the next" "1 1" "$(tried) $(did)"
gives 0 "and it replays" reeve run replay "r_$run"
# over HTTP
http plain /cut
begin
work
"$reeve_program" serve --listen 127.0.0.1:0 >"$state/serve" 2>/dev/null &
served=$!
for _ in $(seq 600); do grep -q http: "$state/serve" && break; sleep 0.1; done
address=$(sed -n 's/.*\(http:[^ ]*\)$/\1/p' "$state/serve")
reeve person add operator --roles operator >/dev/null
token=$(reeve token make operator | grep -o 'rvt_[A-Za-z0-9_-]*')
call() { # METHOD PATH [BODY]: status and answer
    curl -s -X "$1" -H "Authorization: Bearer $token" ${3:+-H "Content-Type: application/json" -d "$3"} \
        -w ' %{http_code}' "${address%/}$2"
}
same "the API lists what waits for people" "$run" "$(call GET '/v1/intents?status=person' | sed 's/.*"run": *"\([0-9]*\)".*/\1/')"
same "and shows it" 200 "$(call GET "/v1/runs/$run/intents/2" | tail -c 3)"
same "a reason is needed there, too" 400 "$(call POST "/v1/runs/$run/intents/2" '{"outcome":"done"}' | tail -c 3)"
same "and a proper outcome" 400 "$(call POST "/v1/runs/$run/intents/2" '{"outcome":"so so","reason":"x"}' | tail -c 3)"
same "a person's word" 200 "$(call POST "/v1/runs/$run/intents/2" '{"outcome":"done","reason":"seen there"}' | tail -c 3)"
same "once" 404 "$(call POST "/v1/runs/$run/intents/2" '{"outcome":"done","reason":"seen there"}' | tail -c 3)"
same "what is not there" 404 "$(call GET "/v1/runs/$run/intents/99" | tail -c 3)"
for _ in $(seq 600); do [ "$(status)" = "done" ] && break; sleep 0.1; done
same "the serving node goes on with the run" "done" "$(status)"
serve_ends
gives 1 "a connector that is waited for stays" reeve connector remove none
gives 0 "others can go" reeve connector remove slowly

[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
