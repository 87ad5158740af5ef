#!/bin/sh
# shellcheck disable=SC2154  # variables by eval and of the sourced file
# nodes.sh -- several nodes as an operator meets them: what is wrong is said at the start, reeve node list, the
# doctor's line, lines with TLS, and nodes in network namespaces whose cable is pulled.
# usage: nodes.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
pids=
spaces=
finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null; done
    # shellcheck disable=SC2086  # a list of process ids
    [ -z "$pids" ] || wait $pids 2>/dev/null
    for space in $spaces; do ip netns del "$space" 2>/dev/null; done
    reeve db stop >/dev/null 2>&1
    rm -rf "$state"
}
trap finish EXIT
same() { # WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then
        echo "ok    $1"
    else
        echo "FAIL  $1: expected \"$2\", found \"$3\""
        cat "$state"/log.* 2>/dev/null
        failures=$((failures + 1))
    fi
}
start() { # NAME SETTING...: in the namespace $space, if any; its address in $url
    node_name=$1
    shift
    sets=
    for one in "$@"; do sets="$sets --set $one"; done
    : >"$state/served.$node_name"
    # shellcheck disable=SC2086  # words
    ${space:+ip netns exec "$space"} "$reeve_program" serve --listen 127.0.0.1:0 --set node.name="$node_name" --set runtime.loops=1 \
        $sets --json >"$state/served.$node_name" 2>>"$state/log.$node_name" &
    pid=$!
    pids="$pids $pid"
    for _ in $(seq 600); do [ -s "$state/served.$node_name" ] && break; sleep 0.1; done
    url=$(grep -o 'http://[0-9.:]*' "$state/served.$node_name" | head -1)
}
stop() { # PID
    kill "$1" && wait "$1"
    same "it stops well" 0 $?
    pids=$(echo "$pids" | sed "s/ $1\$//; s/ $1 / /")
}
until_true() { # SECONDS COMMAND...
    tries=$(($1 * 10))
    shift
    while [ "$tries" -gt 0 ]; do
        "$@" && return 0
        sleep 0.1
        tries=$((tries - 1))
    done
    return 1
}
owned() { psql "$uri" -Atqc "SELECT count(*) FROM tenant_head h JOIN node n ON n.node_id = h.owner_node WHERE n.host = '$1'"; }
owns() { [ "$(owned "$1")" = "$2" ]; }
linked() { # URL: it has heard from another node, or its messages have left
    curl -s -H "Authorization: Bearer $admin" "$1/v1/nodes" >"$state/nodes"
    python3 -c "import json,sys; d=json.load(open('$state/nodes')); sys.exit(0 if any(l['sent'] > l['lost'] or l['received'] for l in d['lines']) else 1)"
}

for company in one two three four; do gives 0 "company $company" reeve company create "$company"; done
uri=$(reeve db uri --owner)
admin=$(reeve token make console --company one --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/')
gives 0 "nobody serves" reeve node list
has err "reeve serve"

# ---- what is wrong is said before anything happens ----
wrong() { # STATUS WHAT TEXT SETTING...
    expected=$1
    what=$2
    text=$3
    shift 3
    sets=
    for one in "$@"; do sets="$sets --set $one"; done
    # shellcheck disable=SC2086  # words
    gives "$expected" "$what" timeout 20 "$reeve_program" serve --listen 127.0.0.1:0 $sets
    has err "$text"
}
wrong 2 "no port" "cluster.listen" cluster.listen=127.0.0.1
wrong 2 "every address, and none to be reached at" "cluster.address" cluster.listen=0.0.0.0:0
wrong 2 "half of TLS" "go together" cluster.listen=127.0.0.1:0 cluster.tls_cert=/x.pem
wrong 1 "a certificate that is not there" "/x.pem" cluster.listen=127.0.0.1:0 cluster.tls_cert=/x.pem \
    cluster.tls_key=/x.key cluster.tls_ca=/x.ca
echo short >"$state/short.key"
chmod 600 "$state/short.key"
wrong 1 "a key that is too short" "32 bytes" cluster.listen=127.0.0.1:0 cluster.key_file="$state/short.key"
chmod 644 "$state/short.key"
wrong 3 "a key that others can read" "chmod 600" cluster.listen=127.0.0.1:0 cluster.key_file="$state/short.key"
same "and nobody has served" 0 "$(psql "$uri" -Atqc 'SELECT count(*) FROM node WHERE serves')"
gives 0 "the doctor looks at it" reeve doctor
has out "no line: cluster.listen is not set"

# ---- without a line there is no port; two such nodes share all the same ----
start plain
plain=$pid
same "a single node opens its one port" 1 "$(ss -Hltnp 2>/dev/null | grep -c "pid=$plain," || true)"
until_true 10 owns plain 4
wrong 1 "a name that a node has that serves" 'a node named "plain" serves this database already' node.name=plain
has err "Give this one a name of its own"
same "takes nothing from it" 4 "$(owned plain)"
start other
until_true 15 owns other 2
same "two without lines share" 2 "$(owned other)"
stop "$pid"
until_true 5 owns plain 4
same "and one has all again" 4 "$(owned plain)"
stop "$plain"

# ---- one that was killed does not keep its own name waiting, however long its lease is ----
start again runtime.lease=60s
until_true 10 owns again 4
kill -9 "$pid"
wait "$pid" 2>/dev/null
pids=$(echo "$pids" | sed "s/ $pid\$//")
start again runtime.lease=60s
same "it serves at once under its name" yes "${url:+yes}"
until_true 5 owns again 4
same "and has its companies" 4 "$(owned again)"
same "of the one before nothing is left" 1 "$(psql "$uri" -Atqc "SELECT count(*) FROM node WHERE host = 'again'")"

# ---- nor one on another machine, whose lock the database has freed ----
present() { [ "$(psql "$uri" -Atqc "UPDATE node SET machine = 'elsewhere' WHERE host = 'again' AND present RETURNING 1")" = 1 ]; }
until_true 5 present
kill -9 "$pid"
wait "$pid" 2>/dev/null
pids=$(echo "$pids" | sed "s/ $pid\$//")
start again runtime.lease=60s
same "it serves at once from another machine" yes "${url:+yes}"
until_true 5 owns again 4
same "and has its companies as well" 4 "$(psql "$uri" -Atqc "SELECT count(*) FROM tenant_head h JOIN node n ON n.node_id = h.owner_node WHERE n.machine <> 'elsewhere'")"
stop "$pid"

# ---- with lines: list, doctor, another key ----
start left cluster.listen=127.0.0.1:0
left=$pid
left_url=$url
start right cluster.listen=127.0.0.1:0
right=$pid
until_true 15 owns right 2
gives 0 "reeve node list" reeve node list
has out "left   serving"
has out "right  serving"
has out "127.0.0.1:"
gives 0 "as JSON" reeve node list --json
same "two lines" 2 "$(wc -l <"$state/out")"
has out '"companies":2'
gives 2 "an argument too many" reeve node list all
until_true 10 linked "$left_url"
same "their line works" 0 $?
gives 0 "the doctor knows them" reeve doctor --set cluster.listen=127.0.0.1:0
has out "key in order, 2 serving"
head -c 32 /dev/urandom >"$state/other.key"
chmod 600 "$state/other.key"
start third cluster.listen=127.0.0.1:0 cluster.key_file="$state/other.key"
third=$pid
until_true 15 owns third 1
until_true 5 grep -q "has another cluster key" "$state/log.left"
same "a node with another key is named" 0 $?
gives 0 "the doctor too" reeve doctor --set cluster.listen=127.0.0.1:0
has out "not all with the same key"
stop "$third"
stop "$right"
stop "$left"

# ---- TLS ----
if (
    cd "$state" && exec 2>/dev/null && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2 &&
        for node in east west; do
            openssl req -newkey rsa:2048 -nodes -keyout $node.key -out $node.csr -subj /CN=$node &&
                openssl x509 -req -in $node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $node.pem -days 2 || exit 1
        done
); then
    chmod 600 "$state"/*.key
    for node in east west; do
        start $node cluster.listen=127.0.0.1:0 cluster.tls_cert="$state/$node.pem" cluster.tls_key="$state/$node.key" \
            cluster.tls_ca="$state/ca.pem"
        eval "$node=$pid ${node}_url=$url"
    done
    until_true 15 owns west 2
    until_true 10 linked "$east_url"
    same "a line with TLS works" 0 $?
    # one without TLS lives and hears nothing: both sides say so
    start plain cluster.listen=127.0.0.1:0
    until_true 25 grep -q 'PEER-SILENT node "plain" lives, and nothing gets through' "$state/log.east"
    same "a node without TLS is named" 0 $?
    until_true 25 grep -q 'PEER-SILENT node "east" lives, and nothing gets through' "$state/log.plain"
    same "... and names the others" 0 $?
    until_true 1 grep -q "PEER-SILENT node .west" "$state/log.east"
    same "one that hears is not" 1 $?
    stop "$pid"
    stop "$west"
    stop "$east"
    # a certificate that the others would refuse without a word
    (
        cd "$state" && exec 2>/dev/null && openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=other -days 2
        openssl x509 -req -in east.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out old.pem -days 0
        openssl x509 -req -in east.csr -CA other.pem -CAkey other.key -CAcreateserial -out foreign.pem -days 2
        openssl x509 -req -in east.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out good.pem -days 60
        chmod 600 other.key east.pem
        sleep 1.1
    )
    while IFS='|' read -r what cert key ca text; do
        wrong 2 "$what" "$text" node.name=east cluster.listen=127.0.0.1:0 cluster.tls_cert="$state/$cert" cluster.tls_key="$state/$key" \
            cluster.tls_ca="$state/$ca"
        reeve doctor --set node.name=east --set cluster.listen=127.0.0.1:0 --set cluster.tls_cert="$state/$cert" \
            --set cluster.tls_key="$state/$key" --set cluster.tls_ca="$state/$ca" >"$state/out" 2>&1
        has out "$text"
    done <<CASES
one that is over|old.pem|east.key|ca.pem|certificate has expired
of another authority|foreign.pem|east.key|ca.pem|the authority of cluster.tls_ca does not vouch for it
another authority's own|east.pem|east.key|other.pem|the authority of cluster.tls_ca does not vouch for it
another node's|west.pem|west.key|ca.pem|it does not name this node, "east"
another key|east.pem|west.key|ca.pem|cluster.tls_key is the key of another one
no certificate|east.key|east.key|ca.pem|it holds no certificate
no key|east.pem|east.pem|ca.pem|it holds no private key
CASES
    reeve doctor --set node.name=east --set cluster.listen=127.0.0.1:0 --set cluster.tls_cert="$state/east.pem" \
        --set cluster.tls_key="$state/east.key" --set cluster.tls_ca="$state/ca.pem" >"$state/out" 2>&1
    has out "is valid for 1 more days"
    reeve doctor --set node.name=east --set cluster.listen=127.0.0.1:0 --set cluster.tls_cert="$state/good.pem" \
        --set cluster.tls_key="$state/east.key" --set cluster.tls_ca="$state/ca.pem" >"$state/out" 2>&1
    has out " with TLS, key "
else
    echo "SKIP: no openssl command to make certificates with"
fi

# ---- two machines and a cable ----
cable=rv$$
if command -v ip >/dev/null && ip netns add "${cable}a" 2>/dev/null && spaces="${cable}a" && ip netns add "${cable}b" 2>/dev/null &&
    spaces="$spaces ${cable}b" && ip link add "${cable}x" netns "${cable}a" type veth peer name "${cable}y" netns "${cable}b" 2>/dev/null; then
    for end in a:x:1 b:y:2; do
        at=${end%%:*}
        device=$cable$(echo "$end" | cut -d: -f2)
        ip -n "$cable$at" link set lo up
        ip -n "$cable$at" addr add "10.99.0.${end##*:}/24" dev "$device"
        ip -n "$cable$at" link set "$device" up
    done
    space=${cable}a
    start here cluster.listen=10.99.0.1:7001
    here=$pid
    space=${cable}b
    start there cluster.listen=10.99.0.2:7001
    there=$pid
    space=
    until_true 15 owns there 2
    same "nodes of two namespaces share" 2 "$(owned there)"
    ask_here() { ip netns exec "${cable}a" curl -s -H "Authorization: Bearer $admin" "$(grep -o 'http://[0-9.:]*' "$state/served.here" | head -1)/v1/actors"; }
    node_of() { ask_here | grep -o '"node":"[a-z]*"' | sort -u | tr -d '\n'; }
    owner=$(psql "$uri" -Atqc "SELECT n.host FROM tenant_head h JOIN node n ON n.node_id = h.owner_node WHERE h.tenant_id = 1")
    if [ "$owner" = here ]; then # the token is one's: have it on the other side of the cable
        psql "$uri" -Atqc "UPDATE tenant_head SET owner_node = CASE tenant_id WHEN 1 THEN (SELECT node_id FROM node WHERE host = 'there')
            ELSE (SELECT node_id FROM node WHERE host = 'here') END, epoch = epoch + 1 WHERE tenant_id = 1
            OR tenant_id = (SELECT min(h.tenant_id) FROM tenant_head h JOIN node n ON n.node_id = h.owner_node WHERE n.host = 'there')"
        sleep 2.5
    fi
    until_true 10 sh -c "ip netns exec ${cable}a curl -s -H 'Authorization: Bearer $admin' '$(grep -o 'http://[0-9.:]*' "$state/served.here" | head -1)/v1/actors' | grep -q '\"node\":\"there\"'"
    same "a question goes over the cable" 0 $?
    ip -n "${cable}b" link set "${cable}y" down
    for _ in $(seq 50); do
        [ "$(node_of)" = '"node":"here""node":"there"' ] && break
        sleep 0.2
    done
    same "with the cable out the owner is named" '"node":"here""node":"there"' "$(node_of)"
    same "and both drive what they drove: the database is there" 2 "$(owned there)"
    ip -n "${cable}b" link set "${cable}y" up
    until_true 30 sh -c "ip netns exec ${cable}a curl -s -H 'Authorization: Bearer $admin' '$(grep -o 'http://[0-9.:]*' "$state/served.here" | head -1)/v1/actors' | grep -qv '\"owner\"'"
    same "with the cable in it is asked again" 0 $?
    stop "$there"
    stop "$here"
else
    echo "SKIP: network namespaces are not permitted here"
fi
same "every company is free" 0 "$(psql "$uri" -Atqc 'SELECT count(*) FROM tenant_head WHERE owner_node IS NOT NULL')"
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
