#!/bin/sh
# top.sh -- reeve top and /v1/actors against a serving node of two cores and two companies.
# usage: top.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
for company in one two; do
    gives 0 "company $company" reeve company create "$company"
done
gives 0 "an auditor" reeve person add reader --roles auditor --company one
secret() { reeve token make "$1" --company one --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/'; }
admin=$(secret console)
reader=$(secret reader)
gives 2 "a token is needed" reeve top
has err "reeve token make"
export REEVE_TOKEN="$admin"
gives 4 "nobody serves" reeve top --url http://127.0.0.1:9
has err "reeve serve"
for wrong in 1=65 1=0 x=2 1 1=2x "1=2,," 0=2; do
    gives 2 "the weights $wrong" reeve serve --listen 127.0.0.1:0 --set "runtime.weights=$wrong"
    has err "NUMBER=WEIGHT"
done
gives 2 "two weights of one company" reeve serve --listen 127.0.0.1:0 --set "runtime.weights=5=3, 7=1, 5=4"
has err "company 5 has two weights"
for wrong in 1=4 1=-1 x=2 1 1=2x "1=2,," 0=2; do
    gives 2 "the tiers $wrong" reeve serve --listen 127.0.0.1:0 --set "model.tiers=$wrong"
    has err "NUMBER=TIER"
done
"$reeve_program" serve --listen 127.0.0.1:0 --set runtime.loops=2 --set "runtime.weights=1=5, 9=2" --json >"$state/served" 2>"$state/log" &
served=$!
for _ in $(seq 600); do [ -s "$state/served" ] && break; sleep 0.1; done
base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
for _ in $(seq 600); do # until the companies are driven
    reeve top --url "$base" --interval 1 >"$state/out" 2>"$state/err"
    grep -q orchestrator "$state/out" && break
done
gives 0 "an admin sees it" reeve top --url "$base/" --interval 1
has out "CORE  ACTORS"
has out "COMPANY"
has out "orchestrator"
has out "lookout"
has out "1 others"
gives 0 "as JSON" reeve top --url "$base" --interval 1 --json
check() { # WHAT EXPRESSION of the JSON `d`
    if python3 -c "import json,sys; d=json.load(open('$state/out')); sys.exit(0 if $2 else 1)"; then
        echo "ok    $1"
    else
        echo "FAIL  $1"
        cat "$state/out"
        failures=$((failures + 1))
    fi
}
check "both cores answer" "[c['core'] for c in d['cores']] == [0, 1] and all(c['answers'] for c in d['cores'])"
check "the actors are of this company and of reeve" "{a['tenant'] for a in d['actors']} == {0, 1}"
check "the orchestrator is one" "sum(a['actor'] == 'orchestrator' for a in d['actors']) == 1"
check "its company has the weight that was set" "[t['weight'] for t in d['tenants'] if t['tenant'] == 1] == [5]"
check "every core counts turns" "all(c['turns'] > 0 for c in d['cores'])"
check "memory is told" "all(a['bytes'] > 0 for a in d['actors']) and all(c['bytes'] > 0 for c in d['cores'])"
check "the other company has a row without a name" "any(t['tenant'] is None and t['actors'] > 0 for t in d['tenants'])"
check "nothing is stuck" "d['stuck'] == []"
check "dead letters have a reason" "all(l['reason'] and l['to'] for l in d['dead_letters'])"
curl -s -H "Authorization: Bearer $admin" "$base/v1/actors/dead-letters" >"$state/out"
check "the letters have a path of their own" "isinstance(d['dead_letters'], list)"
gives 3 "an auditor does not" env REEVE_TOKEN="$reader" "$reeve_program" top --url "$base"
has err "role admin"
gives 3 "a wrong token is refused" env REEVE_TOKEN=rvt_wrong "$reeve_program" top --url "$base"
printf '%s\n' "$admin" >"$state/token"
gives 0 "the token may be in a file" env -u REEVE_TOKEN "$reeve_program" top --url "$base" --interval 1 --token-file "$state/token"
gives 2 "a wrong interval" reeve top --url "$base" --interval 0
if command -v script >/dev/null; then
    TERM=xterm timeout -s INT 4 script -qec "'$reeve_program' top --url $base --interval 1" /dev/null >"$state/out" 2>&1 </dev/null
    if [ "$(grep -c 'Ctrl-C ends' "$state/out")" -ge 2 ]; then
        echo "ok    on a terminal it goes on"
    else
        echo "FAIL  on a terminal it does not go on"
        cat "$state/out"
        failures=$((failures + 1))
    fi
fi
serve_ends
gives 4 "and afterwards nobody answers" reeve top --url "$base" --interval 1
[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
