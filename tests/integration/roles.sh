#!/bin/sh
# roles.sh REEVE -- the program and who it is in the database: its own PostgreSQL, one that an older reeve made, and
# one of somebody else, made as runtime/README.md says.
set -u
reeve_program=$1
root=$(pwd)
bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort | tail -1)
[ -n "$bin" ] || { echo "SKIP: PostgreSQL is not installed"; exit 77; }
command -v psql >/dev/null || { echo "SKIP: psql is not installed"; exit 77; }
state=$(mktemp -d)
chmod 755 "$state"
unset REEVE_STATE REEVE_STATE_DIR REEVE_DATABASE REEVE_DATABASE_URI REEVE_DATABASE_OWNER_URI REEVE_CONFIG
export REEVE_STATE="$state/s" HOME="$state" XDG_CONFIG_HOME="$state/c"
reeve() { "$reeve_program" "$@"; }
server=$state/server
as_server() { # PostgreSQL refuses root
    if [ "$(id -u)" = 0 ]; then (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); else "$@"; fi
}
finish() {
    reeve db stop >/dev/null 2>&1
    as_server "$bin/pg_ctl" -D "$server/data" -m immediate stop >/dev/null 2>&1
    rm -rf "$state"
}
trap finish EXIT
failures=0
gives() { # STATUS WHAT COMMAND...
    expected=$1
    what=$2
    shift 2
    "$@" >"$state/out" 2>"$state/err"
    found=$?
    if [ "$found" -eq "$expected" ]; then
        echo "ok    $what"
    else
        echo "FAIL  $what: status $found, expected $expected"
        cat "$state/out" "$state/err"
        failures=$((failures + 1))
    fi
}
has() { # out|err TEXT
    grep -qF -- "$2" "$state/$1" || { echo "FAIL  no \"$2\" in:"; cat "$state/$1"; failures=$((failures + 1)); }
}
refused() { # URI SQL
    if ! psql "$1" -qXc "$2" >"$state/out" 2>&1 && grep -q "permission denied\|must be owner\|must be superuser" "$state/out"; then
        echo "ok    refused: $2"
    else
        echo "FAIL  not refused: $2"
        cat "$state/out"
        failures=$((failures + 1))
    fi
}
same() { # WHAT EXPECTED FOUND
    [ "$2" = "$3" ] && { echo "ok    $1"; return; }
    echo "FAIL  $1: expected \"$2\", found \"$3\""
    failures=$((failures + 1))
}
wall() { # URI: what is shut for whoever has the runtime's login; two companies exist
    refused "$1" "SET ROLE reeve_owner"
    refused "$1" "ALTER TABLE event DISABLE ROW LEVEL SECURITY"
    refused "$1" "TRUNCATE event"
    refused "$1" "DELETE FROM audit_record"
    refused "$1" "UPDATE journal SET name = ''"
    refused "$1" "DROP TABLE event"
    refused "$1" "CREATE TABLE mine ()"
    same "without a company nothing is seen" 0 "$(psql "$1" -AtqXc "SELECT count(*) FROM tenant")"
    same "with one, only that" two "$(psql "$1" -AtqXc "SET reeve.tenant = 2; SELECT string_agg(name, ',') FROM tenant")"
}

# ---- reeve's own ----
reeve company create one >/dev/null || exit 1
reeve company create two >/dev/null || exit 1
uri=$(reeve db uri)
owner=$(reeve db uri --owner)
same "the runtime is not the superuser" "reeve f" "$(psql "$uri" -AtqXF' ' -c "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = user")"
wall "$uri"
gives 0 "the superuser's URI makes a backup" sh -c "pg_dump '$owner' | grep -q '^COPY public.tenant '"
gives 0 "the doctor is content" reeve doctor
has out '"reeve" can do no more than reeve must'
gives 0 "migrating again does nothing" reeve db migrate
has out "0 migrations applied"

# ---- as an older reeve left it ----
psql "$owner" -qX -v ON_ERROR_STOP=1 <<'SQL' >/dev/null || exit 1
ALTER ROLE reeve CREATEROLE;
ALTER DATABASE reeve OWNER TO reeve;
REASSIGN OWNED BY reeve_owner TO reeve;
DROP OWNED BY reeve_owner;
DROP ROLE reeve_owner;
DELETE FROM schema_migration WHERE name = '0090_roles';
SQL
gives 0 "an older cluster is noticed" reeve doctor
has out 'owns reeve'
gives 0 "the next command brings it here" reeve company list
has err "1 migrations applied"
wall "$uri"
refused "$uri" "CREATE ROLE mine"
gives 0 "and the doctor is content" reeve doctor
has out '"reeve" can do no more than reeve must'
gives 0 "it goes on working" reeve company create three

# ---- somebody else's ----
mkdir "$server" && chmod 755 "$server"
[ "$(id -u)" = 0 ] && chown postgres "$server"
start_server() {
    as_server "$bin/initdb" -D "$server/data" -A trust -U boss -E UTF8 --locale=C.UTF-8 --no-sync &&
        as_server "$bin/pg_ctl" -D "$server/data" -l "$server/log" -w \
            -o "-c listen_addresses= -c fsync=off -k $server" start
}
start_server >"$state/log" 2>&1 || { cat "$state/log"; exit 1; }
at() { echo "postgresql:///reeve?host=$server&user=$1"; }
awk '/^```sql/ {on = 1; next} /^```/ {on = 0} on' "$root/runtime/README.md" >"$state/roles.sql"
psql "postgresql:///postgres?host=$server&user=boss" -qX -v ON_ERROR_STOP=1 -f "$state/roles.sql" || exit 1
export REEVE_DATABASE
REEVE_DATABASE=$(at reeve)
gives 4 "a database without the schema is said to be so" reeve company list
has err "reeve db migrate"
gives 3 "the runtime's login may not migrate" reeve db migrate
has err "no member of reeve_owner"
has err "database.owner_uri"
gives 2 "there is no owner to print" reeve db uri --owner
REEVE_DATABASE_OWNER_URI=$(at reeve_migrate)
export REEVE_DATABASE_OWNER_URI
gives 0 "the owner's login migrates" reeve db migrate
unset REEVE_DATABASE_OWNER_URI
gives 0 "companies are made" reeve company create one
gives 0 "two" reeve company create two
wall "$REEVE_DATABASE"
gives 0 "the doctor is content" reeve doctor --json
has out 'can do no more than reeve must'
mightier() { # LOGIN WHAT-THE-DOCTOR-SAYS
    gives 0 "the doctor on $1" reeve doctor --database "$(at "$1")"
    has out "$2"
    has out "degraded"
}
psql "$(at boss)" -qX -v ON_ERROR_STOP=1 <<'SQL' || exit 1
CREATE ROLE passes LOGIN BYPASSRLS IN ROLE reeve_app;
CREATE ROLE maker LOGIN CREATEROLE IN ROLE reeve_app;
CREATE ROLE twofold LOGIN IN ROLE reeve_app, reeve_owner;
CREATE ROLE stranger LOGIN;
SQL
mightier boss "is a superuser"
mightier passes "has BYPASSRLS"
mightier maker "may make roles"
mightier twofold "is a member of reeve_owner"
gives 3 "a login that is nobody is told what it lacks" reeve company list --database "$(at stranger)"
has err "GRANT reeve_app TO stranger"

[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
