#!/bin/sh
# schedules_http.sh -- schedules and calendars through HTTP: what the command line can, by the same rules, with the
# same record; with the real program and PostgreSQL.
# usage: schedules_http.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
wrong() { # WHAT STATUS FIELD METHOD PATH BODY
    same "$1" "$2" "$(send "$4" "$5" "$6")"
    has out "\"field\":\"$3\""
    has out '"hint":"'
}
# the newest record of an act, without who and when: the same whichever way it came
record() { ask "SELECT body::jsonb - '{seq,at_us,channel,person}'::text[] FROM audit_record WHERE body::jsonb->>'what' = '$1' ORDER BY seq DESC LIMIT 1"; }
# of what people asked: fires go on meanwhile, and their runs have records of their own
records() { ask "SELECT count(*) FROM audit_record WHERE kind = 'admin'"; }

company operator:operator clerk:clerk
serve
token=$(token_of operator)

# ---- schedules: add, show, set ----
same "a schedule is made" 201 "$(send POST /v1/schedules '{"name":"nightly","cron":"0 2 * * 1-5","zone":"Europe/Berlin",
    "overlap":"buffer_one","jitter_s":30,"pause_after":3}')"
has out '"next_at":"2'
by_http=$(record schedule.add)
same "twice is once" 409 "$(send POST /v1/schedules '{"name":"nightly","cron":"0 3 * * *"}')"
same "it is shown" 200 "$(send GET '/v1/schedules/nightly?next=3')"
has out '"zone":"Europe/Berlin"'
has out '"pause_after":3'
has out '"failures":0'
has out '"last_fires":[]'
same "with as many next times as asked for" 3 "$(jq '.next | length' "$state/out")"
same "as the command line shows it" "$(reeve schedule show nightly --next 3 --json | jq -S .)" "$(jq -S . "$state/out")"
gives 0 "the same by the command line" reeve schedule remove nightly
reeve schedule add nightly --cron "0 2 * * 1-5" --tz Europe/Berlin --overlap buffer_one --jitter 30 --pause-after 3 \
    >/dev/null || failures=$((failures + 1))
same "has the same record" "$by_http" "$(record schedule.add)"
same "the record of HTTP says so" "http operator" \
    "$(ask "SELECT concat(body::jsonb->>'channel', ' ', body::jsonb->>'person') FROM audit_record WHERE body::jsonb ? 'channel' ORDER BY seq LIMIT 1")"
same "it is changed in place" 200 "$(send PATCH /v1/schedules/nightly '{"cron":"0 3 * * *","catch_up_window_s":60}')"
same "and stands so" "0 3 * * * 60" "$(ask "SELECT cron || ' ' || catch_up_window_s FROM schedule")"

# ---- wrong input ----
before=$(ask "SELECT md5(string_agg(s::text, ',')) FROM schedule s")
wrong "a window of nothing" 422 catch_up_window_s POST /v1/schedules '{"name":"w","cron":"0 2 * * *","catch_up_window_s":0}'
wrong "nothing to catch up" 422 catch_up_max POST /v1/schedules '{"name":"w","cron":"0 2 * * *","catch_up_max":0}'
wrong "more than a backfill" 422 catch_up_max PATCH /v1/schedules/nightly '{"catch_up_max":10001}'
wrong "a cron expression" 422 cron POST /v1/schedules '{"name":"w","cron":"0 2 * 13 *"}'
has out 'month'
wrong "one that never fires" 422 cron POST /v1/schedules '{"name":"w","cron":"0 0 31 2 *"}'
wrong "a zone" 422 zone POST /v1/schedules '{"name":"w","cron":"0 2 * * *","zone":"Europe/Berlim"}'
wrong "a calendar" 422 calendar POST /v1/schedules '{"name":"w","cron":"0 2 * * *","calendar":"none-such"}'
wrong "an agent" 422 agent POST /v1/schedules '{"name":"w","cron":"0 2 * * *","agent":"nobody"}'
wrong "a name" 422 name POST /v1/schedules '{"name":"Not A Name","cron":"0 2 * * *"}'
wrong "a policy" 422 overlap POST /v1/schedules '{"name":"w","cron":"0 2 * * *","overlap":"both"}'
wrong "a policy in a change" 422 gap PATCH /v1/schedules/nightly '{"gap":"jump"}'
wrong "an agent in a change" 422 agent PATCH /v1/schedules/nightly '{"agent":"nobody"}'
wrong "an input in a change, without an agent" 422 input PATCH /v1/schedules/nightly '{"input":{}}'
wrong "a date" 422 except PATCH /v1/schedules/nightly '{"except":"2026-02-30"}'
same "an input without an agent" 422 "$(send POST /v1/schedules '{"name":"w","cron":"0 2 * * *","input":{}}')"
has out '"field":"input"'
same "a number out of range" 422 "$(send POST /v1/schedules '{"name":"w","cron":"0 2 * * *","jitter_s":86401}')"
has out '"field":"jitter_s"'
same "a number that is none" 422 "$(send PATCH /v1/schedules/nightly '{"pause_after":"3"}')"
has out '"field":"pause_after"'
same "no cron" 422 "$(send POST /v1/schedules '{"name":"w"}')"
has out '"field":"cron"'
same "a field that nobody knows" 400 "$(send POST /v1/schedules '{"name":"w","cron":"0 2 * * *","tz":"UTC"}')"
has out '"field":"tz"'
same "... of a pause" 400 "$(send POST /v1/schedules/nightly/pause '{"because":"x"}')"
has out '"field":"because"'
same "no JSON" 400 "$(send POST /v1/schedules '{')"
head -c 70000 /dev/zero | tr '\0' 'x' >"$state/large"
same "a body that is too large" 413 "$(send POST /v1/schedules "@$state/large")"
same "a path that is no text" 404 "$(send DELETE /v1/schedules/%ff%fe)"
same "one that is not there" 404 "$(send GET /v1/schedules/none-such)"
same "... cannot be paused" 404 "$(send POST /v1/schedules/none-such/pause '{}')"
same "... nor removed" 404 "$(send DELETE /v1/schedules/none-such)"
same "what is removed says how many run" 201 "$(send POST /v1/schedules '{"name":"away","cron":"0 2 * * *"}')"
same "none of this one" 200 "$(send DELETE /v1/schedules/away)"
same "here" '{"done":"removed","running":0,"schedule":"away"}' "$(jq -cS . "$state/out")"
same "more next times than there may be" 422 "$(send GET '/v1/schedules/nightly?next=1000')"
same "wrong input changes nothing" "$before" "$(ask "SELECT md5(string_agg(s::text, ',')) FROM schedule s")"
same "what failed is on record" "invalid" "$(ask "SELECT body::jsonb->>'failed' FROM audit_record
    WHERE body::jsonb->>'what' = 'schedule.add' AND body::jsonb->>'name' = 'w' ORDER BY seq DESC LIMIT 1")"

wrong "a zone of no area" 422 zone POST /v1/schedules '{"name":"moon","cron":"0 2 * * *","zone":"Mars/Base"}'
has out "knows no zone"

# ---- pause and resume ----
same "it is paused" 200 "$(send POST /v1/schedules/nightly/pause '{"reason":"stocktaking","until":"2099-12-25"}')"
by_http=$(record schedule.pause)
same "who, why, until when" 200 "$(send GET /v1/schedules/nightly)"
has out '"status":"paused"'
has out '"paused_by":"operator"'
has out '"reason":"stocktaking"'
has out '"paused_until":"2099-12-24 23:00:00+00"'
same "and when it will be the next time, after that" 2099-12-25 "$(jq -r '.next[0][:10]' "$state/out")"
gives 0 "as the command line says" reeve schedule next nightly
same "so, too" 2099-12-25 "$(head -c 10 "$state/out")"
gives 0 "the command line pauses it, too" reeve schedule pause nightly --reason stocktaking --until 2099-12-25 --as operator
same "with the same record" "$by_http" "$(record schedule.pause)"
gives 0 "and says by whom" reeve schedule show nightly
has out "by operator: stocktaking"
gives 0 "it may end at the instant of a fire" reeve schedule pause nightly --until 2099-12-25T03:00 --as operator
same "which happens" "2099-12-25 02:00:00+00" "$(ask "SELECT next_at FROM schedule WHERE name = 'nightly'")"
gives 0 "as is shown" reeve schedule next nightly
has out 2099-12-25T02:00:00Z
same "changed meanwhile, too" 200 "$(send PATCH /v1/schedules/nightly '{"catch_up_window_s":61}')"
has out '"next_at":"2099-12-25T02:00:00Z"'
wrong "an end that is past" 422 until POST /v1/schedules/nightly/pause '{"until":"2020-01-01"}'
same "an end that is none" 422 "$(send POST /v1/schedules/nightly/pause '{"until":"soon"}')"
has out '"field":"until"'
wrong "a reason without words" 422 reason POST /v1/schedules/nightly/pause '{"reason":""}'
same "it goes on" 200 "$(send POST /v1/schedules/nightly/resume '{}')"
same "once" 409 "$(send POST /v1/schedules/nightly/resume '{}')"
same "nobody has paused it now" 200 "$(send GET /v1/schedules/nightly)"
has out '"paused_by":null'

# ---- backfill and trigger ----
body='"from":"2026-01-05","to":"2026-01-08"'
before=$(records)
same "what a backfill would make" 200 "$(send POST /v1/schedules/nightly/backfill "{$body,\"preview\":true}")"
same "three fires" 3 "$(jq .count "$state/out")"
has out '"2026-01-05T01:00:00Z"'
same "as the command line says" "$(jq -S . "$state/out")" \
    "$(reeve schedule backfill nightly --from 2026-01-05 --to 2026-01-08 --preview --json | jq -S .)"
same "a preview makes none and is not on record" "0 $before" "$(ask "SELECT count(*) FROM schedule_fire") $(records)"
same "a backfill" 202 "$(send POST /v1/schedules/nightly/backfill "{$body,\"rate\":1}")"
has out '"made":3'
same "again makes none" 202 "$(send POST /v1/schedules/nightly/backfill "{$body}")"
has out '"made":0'
same "a preview neither" 200 "$(send POST /v1/schedules/nightly/backfill "{$body,\"preview\":true}")"
has out '"count":0'
wrong "one of the future" 422 to POST /v1/schedules/nightly/backfill '{"from":"2026-01-05","to":"2099-01-01"}'
wrong "one that ends before it begins" 422 from POST /v1/schedules/nightly/backfill '{"from":"2026-01-08","to":"2026-01-05"}'
wrong "a rate" 422 rate POST /v1/schedules/nightly/backfill "{$body,\"rate\":0}"
wrong "a policy that would drop them" 422 overlap POST /v1/schedules/nightly/backfill "{$body,\"overlap\":\"cancel_other\"}"
same "a preview that is no word" 422 "$(send POST /v1/schedules/nightly/backfill "{$body,\"preview\":1}")"
same "a time that is missing" 422 "$(send POST /v1/schedules/nightly/backfill '{"from":"2026-01-05"}')"
has out '"field":"to"'
same "a schedule that runs side by side" 201 "$(send POST /v1/schedules '{"name":"now","cron":"0 0 29 2 *","overlap":"allow_all"}')"
same "is due at once" 202 "$(send POST /v1/schedules/now/trigger '{"id":"ticket-17"}')"
fire=$(jq -r .fire "$state/out")
same "the same request again" 202 "$(send POST /v1/schedules/now/trigger '{"id":"ticket-17"}')"
same "gives the same fire" "$fire" "$(jq -r .fire "$state/out")"
same "and made one" 1 "$(ask "SELECT count(*) FROM schedule_fire WHERE schedule = 'now'")"
same "without a name it makes another" 202 "$(send POST /v1/schedules/now/trigger '{}')"
same "so that there are two" 2 "$(ask "SELECT count(*) FROM schedule_fire WHERE schedule = 'now'")"
wrong "a name that is too long" 422 id POST /v1/schedules/now/trigger "{\"id\":\"$(printf '%0101d' 0)\"}"
same "its last fires are shown" 200 "$(send GET /v1/schedules/now)"
same "both" 2 "$(jq '.last_fires | length' "$state/out")"

# ---- calendars ----
days='{"day":"2026-12-25","label":"Christmas Day"}'
same "a calendar is made" 201 "$(send PUT /v1/calendars/de-be "{\"holidays\":[$days,{\"day\":\"2026-12-26\"}]}")"
same "it is shown" 200 "$(send GET /v1/calendars/de-be)"
has out '"weekend":"SAT,SUN"'
has out '{"day":"2026-12-25","label":"Christmas Day"}'
same "put again it is as it was put" 200 "$(send PUT /v1/calendars/de-be "{\"weekend\":\"FRI,SAT\",\"holidays\":[$days]}")"
same "one holiday, another weekend" "1 96" "$(ask "SELECT (SELECT count(*) FROM calendar_day) || ' ' || weekend FROM calendar")"
same "the list" 200 "$(send GET /v1/calendars)"
has out '"name":"de-be"'
has out '"schedules":0'
wrong "a weekend" 422 weekend PUT /v1/calendars/de-be '{"weekend":"SATURDAYS"}'
same "a day" 422 "$(send PUT /v1/calendars/de-be "{\"holidays\":[$days,{\"day\":\"2026-02-30\"}]}")"
has out '"field":"holidays[1].day"'
same "a day without a date" 422 "$(send PUT /v1/calendars/de-be '{"holidays":[{"label":"x"}]}')"
same "a field of a day that nobody knows" 422 "$(send PUT /v1/calendars/de-be '{"holidays":[{"day":"2026-12-25","name":"x"}]}')"
has out '"field":"holidays[0].name"'
wrong "a day twice" 422 holidays PUT /v1/calendars/de-be "{\"holidays\":[$days,$days]}"
wrong "a name" 422 name PUT /v1/calendars/DE '{}'
same "a field that nobody knows" 400 "$(send PUT /v1/calendars/de-be '{"days":[]}')"
has out '"field":"days"'
seq 1001 | awk 'BEGIN { printf "{\"holidays\":[" } { printf "%s{\"day\":\"2026-12-25\"}", (NR > 1 ? "," : "") }
    END { print "]}" }' >"$state/many"
wrong "too many days" 422 holidays PUT /v1/calendars/de-be "@$state/many"
same "wrong input changes nothing" "1 96" "$(ask "SELECT (SELECT count(*) FROM calendar_day) || ' ' || weekend FROM calendar")"
same "a schedule with it" 200 "$(send PATCH /v1/schedules/nightly '{"calendar":"de-be","cron":"0 2 B1 * *"}')"
same "keeps it" 409 "$(send DELETE /v1/calendars/de-be)"
same "another one is made" 201 "$(send PUT /v1/calendars/at '{}')"
same "and removed" 200 "$(send DELETE /v1/calendars/at)"
same "once" 404 "$(send DELETE /v1/calendars/at)"
same "and gone" 404 "$(send GET /v1/calendars/at)"

# ---- who may ----
before=$(records)
token=$(token_of clerk)
same "a clerk may look" 200 "$(send GET /v1/schedules/nightly)"
same "... at calendars" 200 "$(send GET /v1/calendars/de-be)"
before=$(records)
for way in "POST /v1/schedules" "PATCH /v1/schedules/nightly" "POST /v1/schedules/nightly/pause" \
    "POST /v1/schedules/nightly/resume" "POST /v1/schedules/nightly/trigger" "POST /v1/schedules/nightly/backfill" \
    "PUT /v1/calendars/de-be"; do
    same "but not $way" 403 "$(send "${way%% *}" "${way##* }" '{}')"
done
same "nor remove a schedule" 403 "$(send DELETE /v1/schedules/nightly)"
same "nor a calendar" 403 "$(send DELETE /v1/calendars/de-be)"
same "and changed nothing" "$((before + 9)) nightly" "$(records) $(ask "SELECT name FROM schedule WHERE name = 'nightly' AND status = 'active'")"
gives 0 "another company" reeve company create other
gives 0 "its operator" reeve person add stranger --roles operator --company other
token=$(token_of stranger other)
same "another company's schedule is not there" 404 "$(send GET /v1/schedules/nightly)"
same "... and cannot be paused" 404 "$(send POST /v1/schedules/nightly/pause '{}')"
same "... changed" 404 "$(send PATCH /v1/schedules/nightly '{"cron":"0 9 * * *"}')"
same "... triggered" 404 "$(send POST /v1/schedules/nightly/trigger '{}')"
same "... filled" 404 "$(send POST /v1/schedules/nightly/backfill "{$body}")"
same "... removed" 404 "$(send DELETE /v1/schedules/nightly)"
same "its calendars neither" '404 404' "$(send GET /v1/calendars/de-be) $(send DELETE /v1/calendars/de-be)"
same "the list is empty" 200 "$(send GET /v1/calendars)"
has out '"items":[]'
token=rvt_1_2_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
same "who has no credential sees nothing" 401 "$(send GET /v1/schedules/nightly)"

# ---- who names no zone means the company's ----
gives 0 "a company far away" reeve company create far --timezone Asia/Tokyo
gives 0 "a schedule of it" reeve schedule add morning --cron "0 8 * * *" --company far --as console
has err "Asia/Tokyo, the company's zone"
has out "T23:00:00Z"
gives 0 "its pattern stored nowhere" reeve schedule next --cron "0 8 * * *" --next 1 --company far
has out "T23:00:00Z"
gives 0 "the command line says which, to programs too" reeve schedule add evening --cron "0 18 * * *" --company far --json
has out '"zone":"Asia/Tokyo"'
gives 0 "an operator there" reeve person add far --roles operator --company far
token=$(token_of far far)
same "by HTTP, too" 201 "$(send POST /v1/schedules '{"name":"noon","cron":"0 12 * * *"}')"
has out '"zone":"Asia/Tokyo"'
has out 'T03:00:00Z"'
same "unless it is named" 201 "$(send POST /v1/schedules '{"name":"utc","cron":"0 12 * * *","zone":"UTC"}')"
has out '"zone":"UTC"'
gives 0 "which needs no explanation" reeve schedule add other --cron "0 8 * * *" --tz UTC --company far
grep -q "company's zone" "$state/err"
same "..." 1 $?
gives 0 "as it is shown" reeve schedule show noon --company far
has out "Asia/Tokyo"

# ---- many at once: few work, the others wait for a place ----
token=$(token_of operator acme)
asks=
for n in $(seq 24); do
    curl -s -o "$state/many.$n" -w '%{http_code}\n' -X PATCH -H "Authorization: Bearer $token" \
        -H 'Content-Type: application/json' -d "{\"jitter_s\":$n}" "$base/v1/schedules/nightly" >"$state/status.$n" &
    asks="$asks $!"
done
# shellcheck disable=SC2086
wait $asks
same "all are answered" 24 "$(cat "$state"/status.* | grep -c '^200$')"
same "a schedule is removed" 200 "$(send DELETE /v1/schedules/nightly)"
same "and gone" 404 "$(send GET /v1/schedules/nightly)"
gives 0 "the record is whole" reeve audit verify --company acme
gives 0 "that of the other company, too" reeve audit verify --company other
serve_ends
[ "$failures" = 0 ]
