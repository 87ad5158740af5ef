# shellcheck shell=sh
# preamble.sh -- sourced by the tests of the program: a state folder and a PostgreSQL of its own, and the words that they
# share: what a command gives and says, a company with people, a node that serves it, what its database has, and waiting
# for that.  $1 is REEVE; afterwards: $reeve_program, $state, reeve, failures.  A test may have its own word of the name.
reeve_program=$1
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
    { echo "SKIP: PostgreSQL is not installed (package postgresql-15)"; exit 77; }
state=$(mktemp -d "/tmp/rv-$(basename "$0" .sh)-XXXXXX")
chmod 755 "$state" # root's server, which is another account, has to pass
unset REEVE_STATE REEVE_STATE_DIR REEVE_DATABASE REEVE_DATABASE_URI REEVE_CONFIG
export REEVE_STATE="$state/s" HOME="$state" XDG_CONFIG_HOME="$state/c"
export REEVE_MODEL_PATH=none # agents decide by their rules, unless a test says otherwise
reeve() { "$reeve_program" "$@"; }
served= # a `reeve serve` that ends with the test
trap '[ -z "$served" ] || kill "$served" 2>/dev/null; reeve db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
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
same() { # WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then
        echo "ok    $1"
    else
        echo "FAIL  $1: expected \"$2\", found \"$3\""
        failures=$((failures + 1))
    fi
}
says() { # WHAT TEXT COMMAND...
    what=$1
    text=$2
    shift 2
    "$@" >"$state/out" 2>&1
    if grep -qF -- "$text" "$state/out"; then
        echo "ok    $what"
    else
        echo "FAIL  $what: \"$text\" is missing in:"
        cat "$state/out"
        failures=$((failures + 1))
    fi
}
serve_ends() { # the `reeve serve` of $served is told to stop, and does so in order
    kill "$served"
    wait "$served"
    same "the node stops in order" 0 $?
    served=
}

# ---- a company, and a node that serves it ----
company() { # PERSON:ROLES...: acme; its people; $uri, its database as the superuser sees it
    gives 0 "a company" reeve company create acme
    uri=$(reeve db uri --owner)
    for person in "$@"; do
        reeve person add "${person%%:*}" --roles "${person##*:}" >/dev/null || failures=$((failures + 1))
    done
}
serve() { # $served, and its address $base as soon as it answers there; its log is $state/log
    : >"$state/served"
    "$reeve_program" serve --listen 127.0.0.1:0 --json >"$state/served" 2>"$state/log" &
    served=$!
    for _ in $(seq 600); do
        [ -s "$state/served" ] && break
        kill -0 "$served" 2>/dev/null || break
        sleep 0.1
    done
    base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
    [ -n "$base" ] || { echo "FAIL  the node does not serve:"; cat "$state/log"; exit 1; }
}
token_of() { reeve token make "$1" ${2:+--company "$2"} | grep -o 'rvt_[A-Za-z0-9_-]*'; } # PERSON [COMPANY]
token= # of whoever asks by HTTP
send() { # METHOD PATH [BODY]: with $token; the answer stays in $state/out, its status is printed
    if [ $# -gt 2 ]; then
        curl -s -o "$state/out" -w '%{http_code}' -X "$1" -H "Authorization: Bearer $token" \
            -H 'Content-Type: application/json' --data-binary "$3" "$base$2"
    else
        curl -s -o "$state/out" -w '%{http_code}' -X "$1" -H "Authorization: Bearer $token" "$base$2"
    fi
}
run_of() { sed -n 's/^\(r_[0-9]*\)  .*/\1/p' "$state/out"; } # the run that a command has begun
id_of() { sed -n 's/.*"id":"\([0-9]*\)".*/\1/p' "$state/out"; } # the run that `send` has begun

# ---- what its database has ----
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"; } # SQL, as a node sees it
patience=60 # seconds; a test whose subject is the time that something takes says less
until_is() { # WHAT EXPECTED SQL: as soon as it is, at the latest when $patience ends
    until=$(($(date +%s) + patience))
    found=$(ask "$3")
    while [ "$found" != "$2" ] && [ "$(date +%s)" -le "$until" ]; do
        sleep 0.1
        found=$(ask "$3")
    done
    same "$1" "$2" "$found"
}
until_status() { # WHAT EXPECTED RUN: "waiting signal", "done"
    until_is "$1" "$2" "SELECT status || coalesce(' ' || waiting_on, '') FROM run WHERE id = ${3#r_}"
}
