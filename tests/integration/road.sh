#!/bin/sh
# shellcheck disable=SC1010,SC2034,SC2181  # "reeve do" is a command, a counter is only counted
# road.sh -- the whole road with the real program and its own PostgreSQL.
# usage: road.sh REEVE chain|demo|deny|crash|serve|person      (from the repository root)
set -u
reeve_program=$1
part=$2
here=$(pwd)
state=$(mktemp -d /tmp/rv-road-XXXXXX)
export REEVE_STATE="$state"
unset REEVE_DATABASE
trap '"$reeve_program" db stop >/dev/null 2>&1; [ -n "${ROAD_KEEP:-}" ] || rm -rf "$state"' EXIT
reeve() { "$reeve_program" "$@"; }
failures=0
check() { # WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then
        echo "ok    $1"
    else
        echo "FAIL  $1: expected \"$2\", found \"$3\""
        failures=$((failures + 1))
    fi
}
ask() { # SQL as the owner sees it
    psql "$(reeve db uri)" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"
}
finish() {
    [ "$failures" = 0 ] || echo "$failures checks failed"
    [ "$failures" = 0 ]
    exit $?
}
setup() { # COMPANY CURRENCY
    reeve company create "$1" --currency "$2" >/dev/null || exit 1
    reeve policy load policies/default.lua >/dev/null || exit 1
    reeve agent publish agents/*/agent.lua >/dev/null || exit 1
    reeve person add manager --roles ap.manager >/dev/null || exit 1
    reeve person add controller --roles controller >/dev/null || exit 1
}
proof() {
    reeve ledger check >/dev/null
    check "the ledger balances" 0 $?
    reeve audit verify >/dev/null
    check "the audit record is green" 0 $?
    key=$(reeve audit key)
    rm -f "$state/record"
    reeve audit export "$state/record" >/dev/null
    check "it is exported" 0 $?
    reeve audit verify --from-file "$state/record" --key "$key" --state "$state/nowhere" >/dev/null
    check "the export is green with the public key alone" 0 $?
    reeve audit prove 3 >"$state/proof" && reeve audit verify --proof "$state/proof" --key "$key" --state "$state/nowhere" >/dev/null
    check "and so is the proof of one record" 0 $?
    sed 's/"kind":"decision"/"kind":"decisioN"/' "$state/record" >"$state/spoiled"
    reeve audit verify --from-file "$state/spoiled" --key "$key" --state "$state/nowhere" | grep -q "was edited"
    check "an edited export is found" 0 $?
    check "every executed action of a run has its audit records" 0 "$(ask "
        SELECT count(*) FROM journal j WHERE j.kind IN (7, 10) AND NOT EXISTS (SELECT FROM audit_record a
         WHERE a.run_id = j.run_id AND a.step = j.seq AND a.kind = 'outcome')")"
    check "no command id has two effects" 0 "$(ask "
        SELECT count(*) - count(DISTINCT command_id) FROM command_log")"
    check "no effect without its log" 0 "$(ask "
        SELECT count(*) FROM event e WHERE NOT EXISTS (SELECT FROM command_log c WHERE c.command_id = e.command_id)")"
    check "events are without a gap" 0 "$(ask "SELECT coalesce(max(seq), 0) - count(*) FROM event")"
}

case "$part" in
chain)
    export REEVE_MODEL_PATH=none # the road of the rules alone; "demo" takes the shipped model's
    chain=$here/../shared/data/erp/chain-oasis20
    [ -d "$chain" ] || { echo "SKIP: the shared documents are not here"; exit 77; }
    setup oasis GBP
    reeve import scripts/demo/chart.json >/dev/null || exit 1
    reeve import "$chain"/*.xml >/dev/null || exit 1
    reeve exception run >/dev/null 2>&1
    check "exactly the five discrepancies" "F01 F02 F09 F10 F19 " \
        "$(reeve exception list open --json | sed 's/.*"type":"\([^"]*\)".*/\1/' | sort | tr '\n' ' ')"
    reeve exception run >/dev/null 2>&1
    check "a second run raises nothing twice" 5 "$(ask "SELECT count(*) FROM exception")"
    check "a second run starts nothing twice" 5 "$(ask "SELECT count(*) FROM run")"
    asked=$(ask "SELECT count(*) FROM approval WHERE status = 'requested'")
    [ "$asked" -gt 0 ]
    check "people are asked" 0 $?
    for id in $(ask "SELECT id FROM approval WHERE status = 'requested'"); do
        reeve approval approve "$id" --as console >/dev/null 2>&1
        check "the owner of an agent may not approve" 3 $?
        reeve approval approve "$id" --as manager --digest 00 >/dev/null 2>&1
        check "a wrong digest is refused" 1 $?
        reeve approval approve "$id" --as manager >/dev/null 2>&1
        check "another person may" 0 $?
        reeve approval approve "$id" --as manager >/dev/null 2>&1
        [ $? != 0 ]
        check "but only once" 0 $?
    done
    reeve run work >/dev/null 2>&1
    # the first approval changed the invoice: what was asked about it before is void and asked again
    reeve run work >/dev/null 2>&1
    for _ in 1 2 3; do
        for id in $(ask "SELECT id FROM approval WHERE status = 'requested'"); do
            reeve approval approve "$id" --as manager >/dev/null 2>&1
            reeve approval approve "$id" --as controller >/dev/null 2>&1
        done
        reeve run work >/dev/null 2>&1
    done
    check "nothing waits any more" 0 "$(ask "SELECT count(*) FROM approval WHERE status = 'requested'")"
    check "each approval was used once or became void" 0 \
        "$(ask "SELECT count(*) FROM approval WHERE status NOT IN ('consumed', 'void')")"
    check "each approved action executed exactly once" "$(ask "SELECT count(*) FROM approval WHERE status = 'consumed'")" \
        "$(ask "SELECT count(*) FROM approval a JOIN command_log c ON c.name = a.action AND c.outcome = 'applied'
             AND c.command_id LIKE 'run:' || a.run_id || ':%' WHERE a.status = 'consumed'")"
    run=$(ask "SELECT id FROM run WHERE agent = 'quantity_variance' LIMIT 1")
    reeve explain "r_$run" | grep -q "asked the gate for credit_note.request"
    check "explain tells the story" 0 $?
    reeve import "$chain"/*.xml | grep -q "^imported"
    check "importing again adds nothing" 1 $?
    [ "$(ask "SELECT count(*) FROM jl")" -gt 0 ]
    check "the books have entries" 0 $?
    proof
    finish
    ;;
demo)
    setup ahrenbeck EUR
    company=scripts/demo/company
    reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml \
        "$company"/creditnotes/*.xml "$company"/statements/*.xml >"$state/import" || { cat "$state/import"; exit 1; }
    check "everything is imported" 0 "$(grep -vc '^imported' "$state/import")"
    reeve exception run >"$state/table" 2>&1
    # what scripts/demo/README.md says a careful clerk would find; bank lines are told apart by the agents
    for code in F01:5 F02:3 F04:3 F07:2 F08:2 F09:1 F10:3 F12:2 F19:1 F21:1 F23:1; do
        check "${code%%:*} is found ${code##*:} times" "${code##*:}" "$(ask "
            SELECT count(*) FROM exception WHERE type = '${code%%:*}'")"
    done
    check "payments that settle one invoice exactly are matched without people" 17 \
        "$(ask "SELECT count(*) FROM bank_line WHERE state = 'matched'")"
    check "the bank's charges are proposed for their account" 3 \
        "$(ask "SELECT count(*) FROM approval WHERE action = 'bank_line.post_to'")"
    check "only exact duplicates are rejected without people" 2 \
        "$(ask "SELECT count(*) FROM invoice WHERE state = 'rejected'")"
    check "those that only look like one are held, and a person is asked" 2 "$(ask "
        SELECT count(*) FROM approval WHERE status = 'requested' AND action = 'invoice.reject'
           AND agent = 'duplicate_invoice'")"
    check "every question escalates before it ends" 0 \
        "$(ask "SELECT count(*) FROM approval WHERE escalate_at >= expires_at")"
    before=$(ask "SELECT count(*) FROM run")
    reeve exception run >/dev/null 2>&1
    check "the same facts start no further runs" "$before" "$(ask "SELECT count(*) FROM run")"
    check "the invoice that instructs the model got no money moved" 0 "$(ask "
        SELECT count(*) FROM payment")"
    check "no payment was released by an agent" 0 "$(ask "SELECT count(*) FROM approval WHERE action = 'payment.release'")"
    proof
    finish
    ;;
deny)
    reeve company create nobody >/dev/null || exit 1
    reeve do tolerance.set '{"key":"PP","pct_bp":100,"amount":100,"days":0}' >"$state/out" 2>"$state/err"
    check "with no policy nothing is allowed, whoever asks" 3 $?
    grep -q no_active_policy "$state/err"
    check "and the reason is named" 0 $?
    printf 'return bundle{ name = "empty" }\n' >"$state/empty.lua"
    reeve policy load "$state/empty.lua" >/dev/null
    denied() { # ACTION ARGS
        reeve do "$1" "$2" >/dev/null 2>&1
        check "an empty policy denies $1" 3 $?
    }
    denied tolerance.set '{"key":"PP","pct_bp":100,"amount":100,"days":0}'
    denied exception.detect '{}'
    denied account.register '{"number":"1200","name":"Bank","kind":"asset"}'
    denied party.register '{"kind":"supplier","name":"Anybody"}'
    denied journal.post '{"date":"2026-01-05","memo":"by hand","lines":[
        {"account":"1200","amount_minor":100,"currency":"EUR"},{"account":"4000","amount_minor":-100,"currency":"EUR"}]}'
    for action in $(reeve agent check --actions --json | sed 's/.*"\(action\|name\)":"\([^"]*\)".*/\2/'); do
        reeve do "$action" '{}' >/dev/null 2>&1
        [ $? != 0 ]
        check "an empty policy lets nobody do $action" 0 $?
    done
    check "nothing was written but the record" "0 0" \
        "$(ask "SELECT (SELECT count(*) FROM event) || ' ' || (SELECT count(*) FROM je)")"
    [ "$(ask "SELECT count(*) FROM audit_record WHERE kind = 'decision'")" -gt 0 ]
    check "denials are on the record" 0 $?
    reeve do no.such.action '{}' >/dev/null 2>&1
    check "an unknown action is not found" 1 $?
    reeve do tolerance.set '{"key":5}' >/dev/null 2>&1
    check "wrong arguments are usage" 2 $?
    reeve frobnicate >/dev/null 2>&1
    check "an unknown command is usage" 2 $?
    reeve audit verify >/dev/null
    check "the audit record is green" 0 $?
    finish
    ;;
crash)
    kills=${ROAD_KILLS:-12}
    setup ahrenbeck EUR
    company=scripts/demo/company
    reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml \
        "$company"/creditnotes/*.xml "$company"/statements/*.xml >/dev/null
    data=$(reeve db status | sed -n 's/^log *//p' | xargs dirname)
    i=0
    while [ "$i" -lt "$kills" ]; do
        i=$((i + 1))
        reeve exception run >/dev/null 2>&1 &
        victim=$!
        sleep "0.$((i * 37 % 90 + 5))"
        if [ $((i % 4)) = 0 ]; then # every fourth time the database dies, without warning
            pkill -QUIT -f "postgres -D $data" 2>/dev/null || pkill -QUIT -o -f "$data" 2>/dev/null
        else
            pkill -KILL -P "$victim" 2>/dev/null
            kill -KILL "$victim" 2>/dev/null
        fi
        wait "$victim" 2>/dev/null
    done
    before=$(date +%s%N)
    reeve exception run >"$state/table" 2>&1
    finished=$?
    recover_ms=$((($(date +%s%N) - before) / 1000000))
    if [ -n "${ROAD_FIGURES:-}" ]; then # for reeve-bench crash
        duplicate=$(ask "SELECT (SELECT count(*) - count(DISTINCT command_id) FROM command_log)
            + (SELECT count(*) FROM (SELECT bank_line FROM match WHERE state = 'active' GROUP BY 1 HAVING count(*) > 1) x)
            + (SELECT count(*) FROM (SELECT doc_kind, doc_id FROM je WHERE doc_id IS NOT NULL AND reverses IS NULL
                 AND reversed_by IS NULL AND doc_kind = 'invoice' GROUP BY 1, 2 HAVING count(*) > 1) y)")
        missing=$(ask "SELECT (SELECT count(*) FROM journal j WHERE j.kind = 7
             AND convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'result' = 'executed'
             AND NOT EXISTS (SELECT FROM command_log c WHERE c.command_id = 'run:' || j.run_id || ':' || j.seq))
            + (SELECT count(*) FROM run WHERE status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'waiting'))")
        unaudited=$(ask "SELECT count(*) FROM journal j WHERE j.kind IN (7, 10) AND NOT EXISTS (SELECT FROM audit_record a
             WHERE a.run_id = j.run_id AND a.step = j.seq AND a.kind = 'outcome')")
        echo "figures $duplicate $missing $unaudited $recover_ms"
        exit 0
    fi
    (exit "$finished")
    check "after $kills kills the run finishes by itself" 0 $?
    check "nothing is left half done" 0 "$(ask "
        SELECT count(*) FROM run WHERE status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'waiting')")"
    check "every exception has at most one open run" 0 "$(ask "
        SELECT count(*) FROM (SELECT business_key FROM run WHERE status = 'waiting' GROUP BY 1 HAVING count(*) > 1) x")"
    check "no bank line is matched twice" 0 "$(ask "
        SELECT count(*) FROM (SELECT bank_line FROM match WHERE state = 'active' GROUP BY 1 HAVING count(*) > 1) x")"
    proof
    finish
    ;;
serve)
    # three loops, four companies: each is pinned to one of them, and the schedules do the main job
    company=scripts/demo/company
    for name in one two three four; do
        reeve company create "$name" --currency EUR >/dev/null || exit 1
        reeve policy load policies/default.lua --company "$name" >/dev/null || exit 1
        reeve agent publish agents/*/agent.lua --company "$name" >/dev/null || exit 1
        reeve person add manager --roles ap.manager --company "$name" >/dev/null || exit 1
        reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml \
            "$company"/invoices/*.xml --company "$name" >/dev/null
        reeve schedule add nightly --cron "0 2 * * 1-5" --tz Europe/Berlin --company "$name" >/dev/null || exit 1
        reeve schedule run nightly --company "$name" >/dev/null || exit 1
    done
    "$reeve_program" serve --set runtime.loops=3 --listen 127.0.0.1:0 >"$state/serve" 2>"$state/serve.err" &
    server=$!
    count() { psql "$(reeve db uri)" -Atqc "SET ROLE reeve_app; SET reeve.tenant = $1; $2"; }
    settled=0
    for _ in $(seq 120); do
        settled=0
        for tenant in 1 2 3 4; do
            [ "$(count $tenant "SELECT count(*) > 3 AND count(*) = count(*) FILTER (WHERE status IN ('done', 'waiting'))
                FROM run")" = t ] && settled=$((settled + 1))
        done
        [ "$settled" = 4 ] && break
        sleep 0.5
    done
    check "every company's nightly job ran, whatever its loop" 4 "$settled"
    check "each has a thread of its own" 2 "$(grep -lsE '^core [12]$' /proc/$server/task/*/comm | wc -l)"
    same=$(for tenant in 1 2 3 4; do count $tenant "SELECT string_agg(type || ' ' || n, ', ' ORDER BY type) FROM (
        SELECT type, count(*) AS n FROM exception GROUP BY type) x"; done | sort -u | wc -l)
    check "the same documents gave the same findings" 1 "$same"
    # what an operator asks of runs over HTTP: cancel one that waits for people, start it again
    if command -v node >/dev/null 2>&1; then
        reeve person add operator --roles operator --company two >/dev/null
        token=$(reeve token make operator --company two | grep -o 'rvt_[A-Za-z0-9_-]*')
        address=$(sed -n 's/.*\(http:[^ ]*\)$/\1/p' "$state/serve")
        run=$(count 2 "SELECT id FROM run WHERE status = 'waiting' AND waiting_on = 'approval' ORDER BY id LIMIT 1")
        key=$(count 2 "SELECT substr(business_key, 11) FROM run WHERE id = $run")
        call() { # METHOD PATH BODY
            node -e 'fetch(process.argv[1], {method: process.argv[2], body: process.argv[3], headers: {authorization:
                "Bearer " + process.argv[4], "content-type": "application/json"}}).then(async (r) =>
                console.log(r.status, await r.text()))' "$address${2#/}" "$1" "$3" "$token"
        }
        check "a run that is asked to stop is accepted" 202 "$(call POST "/v1/runs/$run/cancel" '{"reason":"by hand"}' | cut -c1-3)"
        for _ in $(seq 240); do
            status=$(count 2 "SELECT status FROM run WHERE id = $run")
            case "$status" in cancelled | compensated) status=stopped && break ;; esac
            sleep 0.25
        done
        check "and stops, taking back what it did" stopped "$status"
        check "its approval is void" 0 "$(count 2 "SELECT count(*) FROM approval WHERE run_id = $run AND status = 'requested'")"
        check "a run that is over cannot be stopped" 409 "$(call POST "/v1/runs/$run/cancel" '{}' | cut -c1-3)"
        check "an unknown run is not found" 404 "$(call POST "/v1/runs/4711/signal" '{"name":"x"}' | cut -c1-3)"
        check "an unknown exception is not found" 404 "$(call POST "/v1/runs" '{"exception":"zz"}' | cut -c1-3)"
        check "an exception gets another run" 202 "$(call POST "/v1/runs" "{\"exception\":\"$key\"}" | tee "$state/started" | cut -c1-3)"
        check "only one at a time" 409 "$(call POST "/v1/runs" "{\"exception\":\"$key\"}" | cut -c1-3)"
        for _ in $(seq 240); do
            waiting=$(count 2 "SELECT count(*) FROM run WHERE business_key = 'exception:$key' AND status = 'waiting'")
            [ "$waiting" = 1 ] && break
            sleep 0.25
        done
        check "which asks people again" 1 "$waiting"
    fi
    kill -TERM "$server"
    wait "$server"
    check "asked to stop it stops cleanly" 0 $?
    for name in one two three four; do
        reeve audit verify --company "$name" >/dev/null
        check "the audit record of $name is green" 0 $?
    done
    finish
    ;;
person)
    # what a person asks for and others grant executes once, with nobody asking again
    setup ahrenbeck EUR
    company=scripts/demo/company
    for role in clerk treasurer; do reeve person add "$role" --roles "$role" >/dev/null || exit 1; done
    reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml \
        "$company"/invoices/*.xml >/dev/null
    reeve exception run >/dev/null 2>&1
    item=$(ask "SELECT o.id FROM open_item o JOIN invoice i ON i.id = o.doc_id WHERE o.side = 'AP' AND i.state = 'posted'
        AND o.open > 0 ORDER BY o.id LIMIT 1")
    reeve do payment.propose "{\"items\":[{\"open_item\":$item}],\"account\":\"1200\"}" --as clerk --id p1 \
        >"$state/out" 2>&1
    payment=$(ask "SELECT max(id) FROM payment")
    [ -n "$payment" ] || cat "$state/out"
    reeve do payment.release "{\"payment\":$payment}" --as clerk --id p2 >"$state/out" 2>&1
    reeve do payment.release "{\"payment\":$payment}" --as clerk --id p2 >>"$state/out" 2>&1
    check "asking twice with one command id asks people once" 1 \
        "$(ask "SELECT count(*) FROM approval WHERE action = 'payment.release'")"
    reeve do payment.release "{\"payment\":$payment}" --as manager --id p2 >/dev/null 2>&1
    check "another person cannot take over the command id" 1 $?
    approval=$(ask "SELECT id FROM approval WHERE action = 'payment.release'")
    reeve approval approve "$approval" --as clerk >/dev/null 2>&1
    check "who asked may not grant it" 3 $?
    reeve approval approve "$approval" --as treasurer >/dev/null
    check "one of two is not enough" proposed "$(ask "SELECT state FROM payment WHERE id = $payment")"
    reeve approval approve "$approval" --as controller >/dev/null 2>&1
    check "with the second it is executed" released "$(ask "SELECT state FROM payment WHERE id = $payment")"
    check "and the approval is used" consumed "$(ask "SELECT status FROM approval WHERE id = $approval")"
    reeve do payment.release "{\"payment\":$payment}" --as clerk --id p2 >"$state/out" 2>&1
    check "asking once more says that it is done" 1 "$(grep -c repeated "$state/out")"
    check "once" 1 "$(ask "SELECT count(*) FROM command_log WHERE command_id = 'p2'")"

    # time: a question goes to somebody else after a second, and ends in "no" after five
    two='stages = { { role = "treasurer" }, { role = "controller" } }, expires = "48h"'
    one='stages = { { role = "treasurer" } }, expires = "5s", escalate = { after = "1s", to = "ap.manager" }'
    sed "s/$two/$one/" policies/default.lua >"$state/quick.lua"
    reeve policy load "$state/quick.lua" >/dev/null || exit 1
    propose() { # ID: proposes a payment of the next open item, asks for its release; says the payment
        item=$(ask "SELECT o.id FROM open_item o JOIN invoice i ON i.id = o.doc_id WHERE o.side = 'AP'
            AND i.state = 'posted' AND o.open > o.reserved ORDER BY o.id LIMIT 1")
        reeve do payment.propose "{\"items\":[{\"open_item\":$item}],\"account\":\"1200\"}" --as clerk --id "$1a" \
            >/dev/null 2>&1
        payment=$(ask "SELECT max(id) FROM payment")
        reeve do payment.release "{\"payment\":$payment}" --as clerk --id "$1b" >/dev/null 2>&1
        approval=$(ask "SELECT max(id) FROM approval WHERE action = 'payment.release'")
    }
    # WHAT EXPECTED COLUMN TIME: once the time has passed one look does what is due, also when it takes a while
    in_time() {
        for _ in $(seq 100); do
            [ "$(ask "SELECT $4 <= clock_timestamp() FROM approval WHERE id = $approval")" = t ] && break
            sleep 0.1
        done
        ask "WITH held AS MATERIALIZED (SELECT FROM approval WHERE id = $approval FOR UPDATE)
            SELECT pg_sleep(2) FROM held" >/dev/null &
        reeve run work >/dev/null 2>&1
        wait $!
        check "$1" "$2" "$(ask "SELECT $3 FROM approval WHERE id = $approval")"
    }
    propose e
    reeve approval approve "$approval" --as manager >/dev/null 2>&1
    check "before its time the other role may not decide" 3 $?
    in_time "an unanswered question is escalated" t escalated escalate_at
    reeve approval approve "$approval" --as manager >/dev/null 2>&1
    check "then the other role may" released "$(ask "SELECT state FROM payment WHERE id = $payment")"
    propose x
    in_time "nobody answers: no" expired status expires_at
    reeve approval approve "$approval" --as treasurer >/dev/null 2>&1
    check "too late" 1 $?
    check "and nothing was paid" proposed "$(ask "SELECT state FROM payment WHERE id = $payment")"
    proof
    finish
    ;;
*)
    echo "usage: road.sh REEVE chain|demo|deny|crash|serve|person"
    exit 2
    ;;
esac
