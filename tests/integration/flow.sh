#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# flow.sh -- how many runs go on at once and how many begin in a while, as their agents say: with the real program and
# PostgreSQL, several writers at once, also when it is killed under way.
# usage: flow.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
status_sql() { echo "SELECT status || coalesce(' ' || waiting_on, '') FROM run WHERE id = ${1#r_}"; }
until_status() { until_is "$1" "$2" "$(status_sql "$3")"; }
agent() { # NAME FIELDS: waits for the word "end" where its input says wait, starts its like where it says nest
    mkdir -p "$state/$1"
    cat >"$state/$1/agent.lua" <<LUA
local agent = { name = "$1", version = "1", handles = {}, uses = { "exception.note" }, limits = { steps = 200 }, $2 }
function agent.plan(ctx, input)
  if input.nest then
    local child = ctx:start(input.nest, { wait = input.deep }, { as = "one like it" })
    local ended = ctx:await(child, 30)
    ctx:publish("heard", ended and ended.status .. ": " .. (ended.error and ended.error.message or "") or "nothing")
  elseif input.wait then
    ctx:signal("end", input.wait)
  end
end
return agent
LUA
}
published() { # NAME FIELDS
    agent "$1" "$2"
    gives 0 "agent $1" reeve agent publish "$state/$1/agent.lua"
}
start() { # AGENT INPUT [OPTION...]: its number in $run
    start_agent=$1
    start_input=$2
    shift 2
    reeve run start "$start_agent" --as operator --input "$start_input" "$@" >"$state/out" 2>"$state/err" ||
        { cat "$state/err"; failures=$((failures + 1)); }
    run=$(run_of)
}
end() { gives 0 "$1" reeve run signal "$2" end --as operator --body '{}'; }
count_sql() { echo "SELECT count(*) FROM run WHERE agent = '$1' AND status = 'waiting' AND waiting_on = '$2'"; }

company operator:operator
sed 's/^  permit { id = "operator.runs"/  permit { id = "agents.start", agents = "*", action = "run.start" },\n&/' \
    policies/default.lua >"$state/policy.lua"
gives 0 "its policy, and agents may start others" reeve policy load "$state/policy.lua"

# ---- what is no rule ----
wrong() { # FIELD WORDS
    agent wrong "flow = $1"
    gives 1 "$1" reeve agent check "$state/wrong/agent.lua"
    has err "$2"
}
wrong '3' 'field "flow" must be a list of at most 8 rules'
wrong '{ 3 }' 'field "flow[1]" must be a rule like { at_once = 3 }'
wrong '{ { at_once = 1 }, { at_most = 3 } }' 'field "flow[2]" has "at_most", which is none of at_once'
wrong '{ { at_once = 0 } }' 'field "flow[1].at_once" must be a number from 1 to 10000'
wrong '{ { at_once = 3, starts = 3, seconds = 1 } }' 'field "flow[1]" must have either at_once, or starts and seconds'
wrong '{ { by = "party" } }' 'field "flow[1]" must have either at_once, or starts and seconds'
wrong '{ { starts = 3 } }' 'field "flow[1].seconds" must be a number from 1 to 2678400'
wrong '{ { at_once = 3, seconds = 3 } }' 'field "flow[1].seconds" belongs to starts'
wrong '{ { at_once = 3, by = "a b" } }' 'field "flow[1].by" must be a field of the input'
wrong '{ { at_once = 3, name = "a/b" } }' 'field "flow[1].name" must be a short name'
wrong '{ { at_once = 3 }, { at_once = 3 } }' 'field "flow[2]" is there twice'
has err 'agent.lua:1: field'

# every run that begins or ends, in the order of the commits: all are under the lock of the company's head
psql "$uri" -qc "CREATE TABLE seen (n bigserial, run bigint, agent text, key text, begins boolean, at timestamptz DEFAULT clock_timestamp());
    GRANT ALL ON seen TO reeve_app; GRANT ALL ON seen_n_seq TO reeve_app;
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
        IF OLD.status = 'waiting' AND OLD.waiting_on IN ('slot', 'rate') AND NEW.status = 'created' THEN
            INSERT INTO seen (run, agent, key, begins) VALUES (NEW.id, NEW.agent, NEW.business_key, true);
        ELSIF NEW.status IN ('done', 'failed', 'cancelled') AND OLD.status NOT IN ('done', 'failed', 'cancelled') THEN
            INSERT INTO seen (run, agent, key, begins) SELECT NEW.id, NEW.agent, NEW.business_key, false
             WHERE EXISTS (SELECT FROM seen s WHERE s.run = NEW.id);
        END IF;
        RETURN NULL; END \$\$;
    CREATE TRIGGER see AFTER UPDATE ON run FOR EACH ROW EXECUTE FUNCTION see()"
most_at_once() { # WHERE
    psql "$uri" -Atqc "SELECT coalesce(max(c), 0) FROM (SELECT sum(CASE WHEN begins THEN 1 ELSE -1 END) OVER (ORDER BY n) AS c
        FROM seen WHERE $1) AS x"
}

# ---- slots ----
published two 'flow = { { at_once = 2 } }, priority = 0'
serve
for n in 1 2 3 4 5; do
    start two '{"wait": 3600}'
    eval "run$n=\$run"
done
# shellcheck disable=SC2154
until_status "the first has begun" "waiting signal" "$run1"
# shellcheck disable=SC2154
until_status "so has the second" "waiting signal" "$run2"
# shellcheck disable=SC2154
until_status "the third waits" "waiting slot" "$run3"
same "so do the others" 3 "$(ask "$(count_sql two slot)")"
gives 0 "they are found by that" reeve run list --waiting-on slot
has out "$run3"
has out "slot agent:two (2 of 2)"
gives 0 "and it is said" reeve run show "$run3"
has out "slot agent:two (2 of 2)"
end "one ends" "$run1"
until_status "and the third begins" "waiting signal" "$run3"
# shellcheck disable=SC2154
gives 0 "the fourth is not wanted any more" reeve run cancel "$run4" --as operator --yes
until_status "and never began" cancelled "$run4"
gives 0 "nor is the second" reeve run cancel "$run2" --as operator --yes
# shellcheck disable=SC2154
until_status "so the fifth begins" "waiting signal" "$run5"
start two '{"wait": 3600}'
last=$run
until_status "the next one waits" "waiting slot" "$last"
kill -9 "$served"
wait "$served" 2>/dev/null
end "while nobody drives it, one is told to end" "$run3"
start two '{}'
serve
until_status "after a kill it ends" done "$run3"
until_status "and the next one begins" "waiting signal" "$last"
end "it ends" "$last"
end "and the other one" "$run5"
until_is "then all are over" 0 "SELECT count(*) FROM run WHERE status NOT IN ('done', 'cancelled')"
same "never more than two" 2 "$(most_at_once "agent = 'two'")"
same "nothing is kept of them" 0 "$(ask "SELECT count(*) FROM run_flow")"

# ---- by a value, and for all ----
published narrow 'flow = { { at_once = 2 }, { at_once = 1, by = "supplier.id" } }'
start narrow '{"wait": 3600, "supplier": {"id": 7}}'
first=$run
start narrow '{"wait": 3600, "supplier": {"id": 7}}'
second=$run
start narrow '{"wait": 3600, "supplier": {"id": 8}}'
third=$run
until_status "of one supplier one begins" "waiting signal" "$first"
until_status "its second waits" "waiting slot" "$second"
until_status "and is passed by another supplier's" "waiting signal" "$third"
says "in the list" "slot agent:narrow supplier.id=7 (1 of 1)" reeve run list --waiting-on slot
start narrow '{"wait": 3600}'
none=$run
until_status "one without a supplier waits for the agent" "waiting slot" "$none"
gives 0 "for the agent's own" reeve run show "$none"
has out "slot agent:narrow (2 of 2)"
end "the first ends" "$first"
until_status "the second, which came earlier, has its supplier and its place" "waiting signal" "$second"
same "the other one waits on" "waiting slot" "$(ask "$(status_sql "$none")")"
end "one ends" "$third"
until_status "and it begins" "waiting signal" "$none"
for one in $second $none; do end "$one ends" "$one"; done

# ---- a resource of several agents, and who weighs more ----
published portal 'flow = { { at_once = 1, name = "bank-portal" } }'
published urgent 'flow = { { at_once = 1, name = "bank-portal" } }, priority = 10'
start portal '{"wait": 3600}'
first=$run
until_status "one has the portal" "waiting signal" "$first"
start portal '{"wait": 3600}'
second=$run
start urgent '{"wait": 3600}'
third=$run
until_status "another agent's waits for it, too" "waiting slot" "$third"
until_status "and the second" "waiting slot" "$second"
end "it is free" "$first"
until_status "who weighs more is next" "waiting signal" "$third"
same "the other one waits on" "waiting slot" "$(ask "$(status_sql "$second")")"
gives 0 "the portal's fails to go on" reeve run cancel "$third" --as operator --yes
until_status "then it is its turn" "waiting signal" "$second"
end "it ends" "$second"

# ---- below a run that has a slot ----
published outer 'flow = { { at_once = 1, name = "shared" } }'
published inner 'flow = { { at_once = 1, name = "shared" } }'
start outer '{"nest": "inner"}' --wait 30
gives 0 "a run that starts one for which there is no place" reeve run query "$run"
has out "cancelled: flow: no place is free (slot shared)"
published nested 'flow = { { at_once = 1 } }'
start nested '{"nest": "narrow"}' --wait 30
gives 0 "starts another agent's" reeve run query "$run"
has out "done: "
published free 'summary = "no rules"'
start nested '{"wait": 3600}'
first=$run
until_status "one has the slot" "waiting signal" "$first"
start free '{"nest": "nested"}'
second=$run
until_is "one below a run without a slot waits" 1 "$(count_sql nested slot)"
end "the slot is free" "$first"
until_status "and all come to their end" done "$second"

# ---- a key and a slot ----
published ranked 'claims = "priority", flow = { { at_once = 1 } }'
start ranked '{"wait": 3600}'
first=$run
start ranked '{"wait": 3600}' --key k:1
second=$run
until_status "it has its key and waits for a slot" "waiting slot" "$second"
start ranked '{"wait": 3600}' --key k:1 --priority 5
third=$run
until_status "whoever takes the key ends it" cancelled "$second"
until_status "and waits for the slot" "waiting slot" "$third"
end "which is free then" "$first"
until_status "so it begins" "waiting signal" "$third"
end "and ends" "$third"

# ---- tokens ----
published rated 'flow = { { starts = 3, seconds = 5 } }'
kill -9 "$served"
wait "$served" 2>/dev/null
for _ in 1 2 3 4 5 6 7; do start rated '{}'; done
serve
until_is "some wait for a token" t "SELECT count(*) > 0 FROM run WHERE agent = 'rated' AND waiting_on = 'rate'"
gives 0 "which is said" reeve run list --waiting-on rate
has out "rate/5 agent:rated (3 of 3) until 20"
kill -9 "$served"
wait "$served" 2>/dev/null
serve
until_is "all begin in the end" 7 "SELECT count(*) FROM run WHERE agent = 'rated' AND status = 'done'"
same "never more than three in five seconds" t "$(psql "$uri" -Atqc "SELECT min(gap) >= interval '4.9 seconds' FROM (
    SELECT at - lag(at, 3) OVER (ORDER BY n) AS gap FROM seen WHERE agent = 'rated' AND begins) AS x")"
same "first come, first served" t "$(psql "$uri" -Atqc "SELECT bool_and(run > before) FROM (
    SELECT run, lag(run) OVER (ORDER BY n) AS before FROM seen WHERE agent = 'rated' AND begins) AS x WHERE before IS NOT NULL")"

# ---- many at once, from two writers ----
published crowd 'flow = { { at_once = 3 }, { at_once = 1, by = "n" } }'
cat >"$state/many.sh" <<'SH'
for n in $(seq 40); do "$1" run start crowd --as operator --input "{\"n\": $((n % 5))}" >/dev/null 2>&1 || echo "no $n"; done
SH
sh "$state/many.sh" "$reeve_program" >"$state/many1" &
many=$!
sh "$state/many.sh" "$reeve_program" >"$state/many2"
wait "$many"
same "each could be started" "" "$(cat "$state/many1" "$state/many2")"
until_is "all of them end" 80 "SELECT count(*) FROM run WHERE agent = 'crowd' AND status = 'done'"
same "never more than three at once" t "$(psql "$uri" -Atqc "SELECT max(c) <= 3 FROM (SELECT sum(CASE WHEN begins THEN 1 ELSE -1 END)
    OVER (ORDER BY n) AS c FROM seen WHERE agent = 'crowd') AS x")"
same "and one of a value" 1 "$(psql "$uri" -Atqc "SELECT max(c) FROM (SELECT sum(CASE WHEN begins THEN 1 ELSE -1 END)
    OVER (PARTITION BY r.input->'exception'->>'n' ORDER BY s.n) AS c FROM seen s JOIN run r ON r.id = s.run
    WHERE s.agent = 'crowd') AS x")"
same "each began once" 80 "$(psql "$uri" -Atqc "SELECT count(DISTINCT run) FROM seen WHERE agent = 'crowd' AND begins HAVING count(*) = 80")"
same "and nothing is kept but tokens that count" 0 "$(ask "SELECT count(*) FROM run_flow WHERE until IS NULL")"

# ---- a fork waits like the first ----
start nested '{"wait": 3600}'
first=$run
until_status "one has the slot" "waiting signal" "$first"
over=$(ask "SELECT 'r_' || max(id) FROM run WHERE agent = 'nested' AND status = 'done'")
gives 0 "one that is over is forked" reeve run fork "$over" --at-step 0 --as operator --yes
until_is "the fork waits" 1 "$(count_sql nested slot)"
end "the slot is free" "$first"
until_is "and it goes on" 0 "SELECT count(*) FROM run WHERE agent = 'nested' AND status NOT IN ('done', 'cancelled')"
gives 0 "the record is whole" reeve audit verify
serve_ends
[ "$failures" = 0 ]
