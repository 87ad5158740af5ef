#!/bin/sh
# people.sh -- who may change what decides, what acts and who is who; and what the record says of it.
# usage: people.sh REEVE      (from the repository root)
set -u
reeve_program=$1
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
    { echo "SKIP: PostgreSQL is not installed (package postgresql-15)"; exit 77; }
state=$(mktemp -d /tmp/rvpeople-XXXXXX)
chmod 755 "$state" # root's server, which is another account, has to pass
unset REEVE_STATE REEVE_STATE_DIR REEVE_DATABASE REEVE_DATABASE_URI REEVE_CONFIG
export REEVE_STATE="$state/s" HOME="$state" XDG_CONFIG_HOME="$state/c"
reeve() { "$reeve_program" "$@"; }
served=
trap '[ -z "$served" ] || kill "$served"; reeve db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
failures=0
gives() { # STATUS WHAT COMMAND...   (its output stays in $state/out and $state/err)
    expected=$1
    what=$2
    shift 2
    "$@" >"$state/out" 2>"$state/err" </dev/null
    found=$?
    if [ "$found" = "$expected" ]; then
        echo "ok    $what"
    else
        echo "FAIL  $what: status $found instead of $expected"
        cat "$state/out" "$state/err"
        failures=$((failures + 1))
    fi
}
has() { # out|err TEXT
    grep -qF -- "$2" "$state/$1" || {
        echo "FAIL  \"$2\" is missing in:"
        cat "$state/$1"
        failures=$((failures + 1))
    }
}
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
gives 0 "the record is whole" reeve audit verify

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
