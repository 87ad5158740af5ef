#!/bin/sh
# people.sh -- who may change what decides, what acts and who is who; and what the record says of it.
# usage: people.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { # SQL
    psql "$(reeve db uri)" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"
}
is() { # WHAT EXPECTED SQL
    found=$(ask "$3")
    if [ "$found" = "$2" ]; then
        echo "ok    $1"
    else
        echo "FAIL  $1: \"$found\" instead of \"$2\""
        failures=$((failures + 1))
    fi
}
bundle() { # FILE RULES
    printf 'return bundle{ name="t",\n%s }\n' "$2" >"$state/$1"
}
bundle open.lua 'permit{id="all", persons=role "admin", action=any_of{"policy.load","agent.publish"}}'
bundle shut.lua 'permit{id="all", persons=role "admin", action=any_of{"policy.load","agent.publish"}},
 forbid{id="never", action=any_of{"policy.load","agent.publish"}}'
bundle wrong.lua 'permit{id="a", agents="*", action="invoice.hodl"}'

# ---- what decides and what acts ----
gives 0 "a company" reeve company create acme
is "is on the record with its first person" "company.create acme console" \
    "SELECT concat_ws(' ', body::jsonb->>'what', body::jsonb->>'name', body::jsonb->>'person')
     FROM audit_record WHERE kind = 'admin'"
gives 0 "once" reeve company create acme
is "and no second time" 1 "SELECT count(*) FROM audit_record"
gives 3 "without a policy no agent is published" reeve agent publish agents/bank_line/agent.lua
has err "no_active_policy"
gives 0 "a clerk" reeve person add clerk --roles clerk
gives 3 "a clerk does not load the first policy" reeve policy load "$state/open.lua" --as clerk
has err "has not the role admin"
is "and there is none" 0 "SELECT count(*) FROM policy_active"
gives 2 "a bundle with an error is not loaded" reeve policy load "$state/wrong.lua"
has out "wrong.lua:2: error: rule \"a\": unknown-action"
has err "the bundle has 1 error"
is "there is still none" 0 "SELECT count(*) FROM policy_active"
gives 0 "an admin loads the first" reeve policy load "$state/open.lua"
is "it is on the record" 1 \
    "SELECT count(*) FROM audit_record WHERE kind = 'admin' AND body::jsonb->>'what' = 'policy.load'"
gives 3 "from then on the policy decides, not a role" reeve policy load policies/default.lua --as clerk
has err "no_permit"
gives 0 "the person whom it permits publishes" reeve agent publish agents/bank_line/agent.lua
is "and the decision is on the record" "agent.publish allow" \
    "SELECT concat_ws(' ', body::jsonb->>'action', body::jsonb->>'verdict') FROM audit_record
     WHERE kind = 'decision' AND body::jsonb->>'action' = 'agent.publish' ORDER BY seq DESC LIMIT 1"
gives 0 "the next bundle" reeve policy load "$state/shut.lua"
has err "none of the 2 people here may load the next one"
active=$(ask "SELECT hash FROM policy_active")
gives 3 "it forbids every further one" reeve policy load policies/default.lua
has err 'rule "never" (forbid) does not allow "policy.load"'
gives 3 "and every further agent" reeve agent publish agents/quantity_variance/agent.lua
has err 'rule "never" (forbid) does not allow "agent.publish"'
is "the policy is as it was" "$active" "SELECT hash FROM policy_active"
is "the agents are as they were" bank_line "SELECT string_agg(name, ',') FROM agent"
is "both refusals are on the record" 2 \
    "SELECT count(*) FROM audit_record WHERE kind = 'decision' AND body::jsonb->>'verdict' = 'deny'
     AND body::jsonb->>'rules' LIKE '%never%'"

# ---- who is who ----
recorded() { # COUNT: the newest acts: what, whom, by whom, and how each ended
    ask "SELECT string_agg(concat_ws(' ', body::jsonb->>'what', coalesce(body::jsonb->>'name',
             body::jsonb->>'token', body::jsonb->>'endpoint', body::jsonb->>'host'), body::jsonb->>'person',
             body::jsonb->>'failed', CASE WHEN body::jsonb ? 'refused' THEN 'refused' END), '; ' ORDER BY seq)
         FROM (SELECT * FROM audit_record WHERE kind = 'admin' ORDER BY seq DESC LIMIT $1) AS r"
}
on_record() { # COUNT EXPECTED
    found=$(recorded "$1")
    [ "$found" = "$2" ] && { echo "ok    recorded: $2"; return; }
    echo "FAIL  the record says \"$found\" instead of \"$2\""
    failures=$((failures + 1))
}
gives 3 "a clerk adds nobody" reeve person add x --roles admin --as clerk
has err "has not the role admin"
is "and nobody is there" 0 "SELECT count(*) FROM person WHERE name = 'x'"
on_record 1 "person.add x clerk refused"
gives 0 "the console does" reeve person add x --roles controller
on_record 1 "person.add x console"
gives 2 "a wrong name is no person" reeve person add "a b" --roles clerk
on_record 1 "person.add a b console invalid"
printf 'correct horse battery staple\n' >"$state/password"
gives 0 "a password" sh -c "'$reeve_program' person add y --roles operator --password-stdin <'$state/password'"
is "is not on the record" 0 "SELECT count(*) FROM audit_record WHERE body LIKE '%horse%' OR body LIKE '%argon2%'"
gives 1 "the last admin stays" reeve person disable console
has err "the last person with the role admin"
gives 1 "and stays an admin" reeve person add console --roles clerk
gives 0 "a second one" reeve person add second --roles clerk,admin
gives 0 "may go" reeve person disable second --as console
gives 3 "a clerk makes no token" reeve token make console --as clerk
is "and there is none" 0 "SELECT count(*) FROM api_token"
gives 0 "the console makes one" reeve token make y --label "a script" --json
token=$(sed 's/.*"token":"\([^"]*\)".*/\1/' "$state/out")
id=$(sed 's/.*"id":\([0-9]*\).*/\1/' "$state/out")
on_record 1 "token.make y console"
is "its secret is not on the record" 0 "SELECT count(*) FROM audit_record WHERE body LIKE '%$token%'"
is "its number is" 1 "SELECT count(*) FROM audit_record WHERE body::jsonb->>'token' = '$id'"
gives 0 "the list shows it" reeve token list
has out "a script"
has out "$id"
gives 1 "without its secret" grep -qF "$token" "$state/out"
serve
answers() { # WHAT STATUS PATH
    found=$(curl -s -o "$state/body" -w '%{http_code}' -H "Authorization: Bearer $token" "$base$3")
    [ "$found" = "$2" ] && { echo "ok    $1"; return; }
    echo "FAIL  $1: $found instead of $2: $(cat "$state/body")"
    failures=$((failures + 1))
}
answers "the token is good" 200 /v1/me
gives 3 "a clerk disables nobody" reeve person disable y --as clerk
answers "it still is" 200 /v1/me
gives 0 "a person is disabled" reeve person disable y
on_record 1 "person.disable y console"
answers "and is nobody at once" 401 /v1/me
gives 0 "the list says why" reeve token list
has out "person disabled"
gives 0 "enabled" reeve person enable y
answers "and is somebody again" 200 /v1/me
gives 3 "a clerk revokes no token" reeve token revoke "$id" --as clerk
answers "it is good" 200 /v1/me
gives 0 "a token is revoked" reeve token revoke "$id"
on_record 1 "token.revoke $id console"
answers "and is worthless at once" 401 /v1/me
gives 0 "the list says so" reeve token list
has out "revoked"
gives 1 "a token that is not there" reeve token revoke 1
has err "reeve token list"
gives 2 "a token is named by its number" reeve token revoke "$token"
gives 1 "a person who is not there" reeve person disable nobody
has err "reeve person list"
serve_ends

# ---- schedules and receivers ----
gives 3 "a clerk schedules nothing" reeve schedule add nightly --cron '0 2 * * *' --as clerk
is "and nothing is scheduled" 0 "SELECT count(*) FROM schedule"
gives 0 "an operator does" reeve schedule add nightly --cron '0 2 * * *' --as y
on_record 1 "schedule.add nightly y"
for act in "set nightly --jitter 60" "pause nightly" "resume nightly" "run nightly" "remove nightly" \
    "backfill nightly --from 2026-01-01 --to 2026-01-02"; do
    # shellcheck disable=SC2086  # words
    gives 3 "nor does a clerk schedule $act" reeve schedule $act --as clerk
done
gives 0 "an operator pauses it" reeve schedule pause nightly --reason "a holiday" --as y
is "with the reason on the record" "a holiday" \
    "SELECT body::jsonb->>'reason' FROM audit_record WHERE kind = 'admin' ORDER BY seq DESC LIMIT 1"
gives 3 "a clerk adds no receiver" reeve hook add https://hooks.example.org/hidden-path --as clerk
is "and there is none" 0 "SELECT count(*) FROM hook_endpoint"
gives 2 "nor anybody one for what is never announced" reeve hook add https://hooks.example.org/x --as y --events approval.done
has err 'there is no event "approval.done"'
has err "approval.requested"
gives 0 "an operator does" reeve hook add https://hooks.example.org/hidden-path --as y
is "of its address the record has only the host" 0 "SELECT count(*) FROM audit_record WHERE body LIKE '%hidden-path%'"
secret=$(sed -n 's/^secret *//p' "$state/out")
is "and nothing of its secret" 0 "SELECT count(*) FROM audit_record WHERE body LIKE '%${secret:-audit}%'"
endpoint=$(sed -n 's/^endpoint *//p' "$state/out")
on_record 1 "hook.add $endpoint y"
for act in rotate enable disable redrive; do
    gives 3 "nor does a clerk hook $act" reeve hook "$act" "$endpoint" --as clerk
done
gives 0 "an operator disables it" reeve hook disable "$endpoint" --as y
on_record 1 "hook.disable $endpoint y"

# ---- every administrative write has one record, and no record without its write ----
acts() { ask "SELECT count(*) FROM audit_record WHERE kind = 'admin'"; }
one_record() { # WHAT ARGUMENTS...
    act=$1
    shift
    before=$(acts)
    gives 0 "$*" reeve "$@"
    last=$(ask "SELECT body::jsonb->>'what' FROM audit_record WHERE kind = 'admin' ORDER BY seq DESC LIMIT 1")
    if [ "$(($(acts) - before)) $last" = "1 $act" ]; then
        echo "ok    one record of $act"
    else
        echo "FAIL  $(($(acts) - before)) records instead of one, the last is of $last, not $act"
        failures=$((failures + 1))
    fi
}
one_record person.add person add walker --roles clerk,admin
one_record person.disable person disable walker
one_record person.enable person enable walker
one_record token.make token make walker --label walk --json
walk_token=$(sed 's/.*"token":"\([^"]*\)".*/\1/' "$state/out")
id=$(sed 's/.*"id":\([0-9]*\).*/\1/' "$state/out")
one_record calendar.add calendar add walk
one_record calendar.set calendar set walk --holidays 2026-12-25
printf '2026-12-26 Boxing Day\n' >"$state/days"
one_record calendar.import calendar import walk "$state/days"
one_record calendar.remove calendar remove walk
one_record schedule.add schedule add walk --cron '0 2 * * *'
one_record schedule.set schedule set walk --jitter 60
one_record schedule.pause schedule pause walk --until 2099-12-31
one_record schedule.resume schedule resume walk
one_record schedule.run schedule run walk
one_record schedule.backfill schedule backfill walk --from 2026-01-01 --to 2026-01-03
is "with how many" 2 "SELECT body::jsonb->>'changed' FROM audit_record WHERE kind = 'admin' ORDER BY seq DESC LIMIT 1"
one_record schedule.remove schedule remove walk
one_record hook.add hook add https://hooks.example.org/walk
endpoint=$(sed -n 's/^endpoint *//p' "$state/out")
one_record hook.rotate hook rotate "$endpoint"
one_record hook.disable hook disable "$endpoint"
one_record hook.enable hook enable "$endpoint"
one_record hook.redrive hook redrive
ask "INSERT INTO outbox (tenant_id, id, event, body, fanned_out) VALUES (1, 7, 'walk', '{}', true);
     INSERT INTO hook_delivery (tenant_id, outbox_id, endpoint_id, status, next_at)
     VALUES (1, 7, $endpoint, 'dead', now() + interval '1 day')" >/dev/null
serve
post() { # PATH
    curl -s -o "$state/body" -w '%{http_code}' -X POST -H 'Content-Type: application/json' -d '{}' \
        -H "Authorization: Bearer $walk_token" "$base$1"
}
before=$(acts)
is "HTTP: $(post "/v1/hooks/deliveries/7/$endpoint") for a delivery sent again, with its record" \
    "$((before + 1)) hook.redrive walker http" \
    "SELECT concat_ws(' ', (SELECT count(*) FROM audit_record WHERE kind = 'admin'), body::jsonb->>'what',
            body::jsonb->>'person', body::jsonb->>'channel')
     FROM audit_record WHERE kind = 'admin' ORDER BY seq DESC LIMIT 1"
is "HTTP: $(post "/v1/hooks/deliveries/8/$endpoint") for one that is not there, and no record" "$((before + 1))" \
    "SELECT count(*) FROM audit_record WHERE kind = 'admin'"
serve_ends
one_record token.revoke token revoke "$id"
# a record that cannot be written takes its effect with it
psql "$(reeve db uri --owner)" -qc "CREATE FUNCTION no_record() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''the disk is full''; END'; CREATE TRIGGER no_record BEFORE INSERT ON audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION no_record()" >/dev/null
fails() { # ARGUMENTS...
    reeve "$@" >"$state/out" 2>"$state/err" || return 0
    echo "FAIL  without a record: $*"
    failures=$((failures + 1))
}
fails person add ghost --roles clerk
fails hook add https://hooks.example.org/ghost
fails schedule add ghost --cron '0 2 * * *'
fails company create ghost
is "nothing stands without its record" "0 0 0 0" "SELECT concat_ws(' ',
    (SELECT count(*) FROM person WHERE name = 'ghost'), (SELECT count(*) FROM hook_endpoint WHERE url LIKE '%ghost'),
    (SELECT count(*) FROM schedule WHERE name = 'ghost'), (SELECT count(*) FROM reeve_tenants() WHERE name = 'ghost'))"
psql "$(reeve db uri --owner)" -qc "DROP TRIGGER no_record ON audit_record" >/dev/null
gives 0 "the record is whole" reeve audit verify

# ---- an approval that waits for people who are not there; the roles of a vote ----
ask "INSERT INTO approval (tenant_id, id, command_id, status, action, args, digest, policy_hash, rules, stages, never,
         requested_by, expires_at)
     VALUES (1, 5, 'c5', 'requested', 'payment.release', '{}', '\\x00', '\\x00', '{r}',
             '[{\"role\":\"controller\",\"n\":1},{\"role\":\"treasurer\",\"n\":1}]', '[\"person:console\"]',
             'person:console', now() + interval '1 day');
     INSERT INTO approval_vote (tenant_id, approval_id, person, role, decision, digest, channel)
     VALUES (1, 5, 'x', '[\"controller\",\"clerk\"]', 'approve', '\\x00', 'cli'),
            (1, 5, 'w', 'clerk', 'approve', '\\x00', 'cli')"
gives 0 "the list says that nobody can decide" reeve approval list
has out "nobody who may decide holds the role treasurer"
gives 0 "so does the approval" reeve approval show 5
has out '"blocked": "nobody can decide this: '
is "the roles of a vote are an array" '["clerk"] ["controller", "clerk"]' \
    "SELECT string_agg(v->>'role', ' ' ORDER BY v->>'role') FROM jsonb_array_elements('$(tr -d '\n' <"$state/out")'::jsonb->'votes') v"
gives 0 "a treasurer comes" reeve person add cash --roles treasurer
gives 0 "and it can be decided" reeve approval show 5
has out '"blocked": null'

# ---- one word for one role ----
gives 2 "administrator is no role" reeve person add z --roles administrator
has err 'its word is "admin"'

# ---- policies that ask for people who are not there ----
gives 0 "a second company" reeve company create asks
bundle asks.lua 'permit{id="all", persons="*", action="*"},
 approve{id="two", persons="*", action="payment.release", stages={{role="treasurer", n=2}}, expires="2h"}'
gives 0 "its first policy is loaded before its people come" reeve policy load "$state/asks.lua" --company asks
has err "nobody holds the role"
has err "reeve person add NAME --roles ROLE"
gives 1 "the check says it" reeve policy check "$state/asks.lua" --company asks
has out "unknown-members"
gives 1 "a later one is refused" reeve policy load "$state/asks.lua" --company asks
has err "could never be given"
gives 0 "one treasurer" reeve person add t1 --roles treasurer --company asks
gives 1 "is not two" reeve policy load "$state/asks.lua" --company asks
has err "fewer people hold the role"
gives 0 "another" reeve person add t2 --roles treasurer --company asks
gives 0 "is two" reeve policy load "$state/asks.lua" --company asks
gives 1 "a company that is not there is an error" reeve policy check "$state/asks.lua" --company nowhere

# ---- are the books what the events say ----
gives 0 "a company with books" reeve company create books
gives 0 "its policy" reeve policy load policies/default.lua --company books
number=$(ask "SELECT tenant_id FROM reeve_tenants() WHERE name = 'books'")
books() { # SQL
    psql "$(reeve db uri)" -Atqc "SET ROLE reeve_app; SET reeve.tenant = $number; $1"
}
gives 0 "the master data of the demonstration" reeve import scripts/demo/company/master.json --company books
gives 0 "the books are what the events say" reeve company check books
has out "green: "
books "INSERT INTO tolerance VALUES ($number, 'made.up', 0, 0, 0, 1); DELETE FROM party WHERE id = (SELECT min(id) FROM party)"
gives 1 "rows that were changed by hand are found" reeve company check books
has out "DIFFERENT: 2 rows; the first: party lacks a row that events made"
has out "no such row"
gives 0 "a clerk" reeve person add clerk --roles clerk --company books
gives 3 "a clerk does not rebuild" reeve company rebuild books --as clerk
gives 0 "an admin does" reeve company rebuild books
has out "2 rows rebuilt"
found=$(books "SELECT concat_ws(' ', body::jsonb->>'person', body::jsonb->>'rows') FROM audit_record
     WHERE body::jsonb->>'what' = 'company.rebuild' ORDER BY seq DESC LIMIT 1")
[ "$found" = "console 2" ] || { echo "FAIL  the rebuild on the record: \"$found\""; failures=$((failures + 1)); }
gives 0 "and now they are" reeve company check books
gives 0 "a second rebuild changes nothing" reeve company rebuild books
has out "0 rows rebuilt"
gives 1 "a company that is not there is an error" reeve company check nowhere
has err "reeve company create"
gives 0 "the record is whole" reeve audit verify --company books

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
