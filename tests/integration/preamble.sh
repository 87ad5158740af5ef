# shellcheck shell=sh
# preamble.sh -- sourced by the tests of the program: a state folder and a PostgreSQL of its own, and the words
# `gives`, `has`, `says` and `same`.  $1 is REEVE; afterwards: $reeve_program, $state, reeve, failures.
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
