#!/bin/sh
# cli.sh -- the program as a person or a script meets it: exit statuses, streams, its own database.
# usage: cli.sh REEVE
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"

gives 0 "without words it helps" reeve
has out "Exit status"
gives 2 "an unknown command is usage" reeve db strat
has err "reeve db start"
gives 2 "so is an unknown option" reeve db status --jsno
has err "--json"
gives 2 "and a missing argument" reeve run show
has err "Usage: reeve run show RUN"
gives 2 "and a noun alone" reeve db
has err "db migrate"
gives 0 "help explains one" reeve help db start
has out "never as root"
gives 0 "--help too" reeve db start --help
gives 0 "the version" reeve version --build
has out "libpq"
gives 2 "an unknown setting is usage" reeve config show --set http.lisen=1
has err "http.listen"
gives 0 "settings tell their origin" env REEVE_LOG_LEVEL=warn "$reeve_program" config show log.level --json
has out '"origin":"environment","place":"REEVE_LOG_LEVEL"'
gives 4 "a database that does not run" reeve db status
has out "absent"
gives 0 "a pattern's next times need none" reeve schedule next --cron "30 2 * 3 SUN#L" --tz Europe/Berlin --gap shift --next 2
same "by its policy" "2 2" "$(wc -l <"$state/out") $(grep -c 'T01:30:00Z$' "$state/out")"
gives 0 "and the other one" reeve schedule next --cron "30 2 * 3 SUN#L" --tz Europe/Berlin --json
has out 'T01:00:00Z"'
has out '"zone":"Europe/Berlin"'
gives 2 "a time that every year leaves out never comes" reeve schedule next --cron "30 2 * 3 SUN#L" --tz Europe/Berlin --gap skip
gives 2 "a bad pattern is said as when it is added" reeve schedule next --cron "0 2 * *" --tz UTC
has err "fewer than five fields"
gives 1 "so is a bad zone" reeve schedule next --cron "0 2 * * *" --tz Europe/Berln
has err "no zone \"Europe/Berln\""
gives 2 "a stored one has its own zone" reeve schedule next nightly --tz UTC
gives 2 "one or the other" reeve schedule next nightly --cron "0 2 * * *" --tz UTC
gives 4 "and still there is no database" reeve db status
has out "absent"
gives 0 "it starts" reeve db start
has out "postgresql:///reeve"
gives 0 "and is at this program's schema" reeve db migrate
has out "0 migrations applied"
gives 0 "the doctor is content" reeve doctor --json
has out '"check":"schema","health":"ok"'
gives 0 "a person makes the keys" reeve audit key
mv "$REEVE_STATE/audit.key" "$state/kept.key"
gives 1 "a lost audit key is missed" reeve doctor
has out "is gone, its public half is there"
gives 1 "and no new one takes its place" reeve audit key
mv "$state/kept.key" "$REEVE_STATE/audit.key"
chmod 644 "$REEVE_STATE/audit.key"
gives 1 "one that others may read, too" reeve doctor
has out "chmod 600"
chmod 600 "$REEVE_STATE/audit.key"
gives 0 "and then all is well" reeve doctor
has out "audit key in order"
gives 0 "it runs" reeve db status --json
has out '"state":"running"'
uri=$(reeve db uri)
gives 0 "the URI is good for others" reeve db status --database "$uri"
has out "reachable"
gives 2 "somebody else's server is not ours to stop" reeve db stop --database "$uri"
# what the README shows is what the program takes
awk -v want=1 '/^```lua/ {n++; on = (n == want); next} /^```/ {on = 0} on' README.md >"$state/agent.lua"
awk -v want=2 '/^```lua/ {n++; on = (n == want); next} /^```/ {on = 0} on' README.md >"$state/policy.lua"
# policies: tests, findings and explanations need no database
gives 0 "the shipped policy passes its tests and cases" reeve policy test policies/default.lua
has out "policies/cases/people.lua"
printf 'return cases { test { "wrong", agent = "a", action = "invoice.hold", expect = "deny" } }' >"$state/wrong.lua"
gives 1 "a case that fails is status 1" reeve policy test policies/default.lua "$state/wrong.lua"
has out "allow by agents.propose"
gives 1 "in JSON too" reeve policy test policies/default.lua "$state/wrong.lua" --json
has out '"name":"wrong","line":1,"ok":false'
gives 2 "a bundle is no file of cases" reeve policy test policies/default.lua policies/default.lua
has err "does not return cases"
gives 0 "the shipped policy has no findings" reeve policy check policies/default.lua
printf 'return bundle{ name="t",\n permit{id="a", agents="*", action="invoice.hold", wehn=1} }' >"$state/field.lua"
gives 2 "a wrong field is named with its line" reeve policy check "$state/field.lua"
has err 'field.lua:2: rule "a": field "wehn"'
printf 'return bundle{ name="t",\n permit{id="a", agents="*", action="invoice.hodl"} }' >"$state/action.lua"
gives 1 "an action that does not exist is an error" reeve policy check "$state/action.lua"
has out 'action.lua:2: error: rule "a": unknown-action'
printf 'local s = "x" while true do s = s .. s end' >"$state/bomb.lua"
gives 1 "a bomb is refused by its cap" reeve policy check "$state/bomb.lua"
has err "bomb.lua: the bundle needs a text longer than 64 KiB"
echo '{"agent":"price_variance","action":"invoice.accept_variance","args":{"amount":"80 EUR"}}' >"$state/question"
gives 0 "why a question is held" reeve policy explain policies/default.lua "$state/question"
has out "variance.manager (approve, policies/default.lua:"
has out "arg.amount > 50.00 EUR; found 80.00 EUR"
has out "what would change it: allow if arg.amount were 50.00 EUR"
gives 0 "in JSON" reeve policy explain policies/default.lua "$state/question" --json
has out '"verdict":"hold"'
echo '{"agnet":"price_variance","action":"invoice.hold"}' >"$state/question"
gives 2 "a question's wrong field is named" reeve policy explain policies/default.lua "$state/question"
has err 'field "agnet"'
gives 2 "a decision is somebody's" reeve approval approve 1
has err "--as PERSON is missing"
gives 0 "a company can be made" reeve company create readme
gives 0 "the README's policy is good" reeve policy load "$state/policy.lua"
gives 0 "the README's agent is good" reeve agent publish "$state/agent.lua"
# SIGHUP: live settings are taken up, others named, nonsense refused; the node goes on
printf '[http]\nlisten = 127.0.0.1:0\n[log]\nlevel = warn\n[node]\nname = first\n' >"$state/live.conf"
env --default-signal=PIPE "$reeve_program" serve --config "$state/live.conf" >"$state/served" 2>"$state/log" &
served=$!
for _ in $(seq 600); do grep -q inbox "$state/served" && break; sleep 0.1; done
awaits() { # WHAT TEXT-IN-LOG
    for _ in $(seq 600); do grep -qF -- "$2" "$state/log" && break; sleep 0.1; done
    gives 0 "$1" grep -F -- "$2" "$state/log"
}
for _ in $(seq 600); do psql "$uri" -Atqc 'SELECT host FROM node' | grep -qx first && break; sleep 0.1; done # a beat
gives 0 "the node's name stands where its lease does" sh -c "psql '$uri' -Atqc 'SELECT host FROM node' | grep -qx first"
printf '[http]\nlisten = 127.0.0.1:0\n[log]\nlevel = debug\n[hooks]\ntimeout = 3s\n[node]\nname = second\n' >"$state/live.conf"
port=$(sed -n 's/.*:\([0-9]*\)\/$/\1/p' "$state/served")
for _ in $(seq 20); do # a hundred questions, and gone before the answers
    bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && for _ in $(seq 100); do
        printf "GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n" >&3; done' "$port" 2>/dev/null
done
gives 0 "clients that go before their answers end nothing" kill -0 "$served"
kill -HUP "$served"
awaits "SIGHUP takes up live settings" "log.level=debug hooks.timeout=3000ms"
awaits "and names those that wait" "node.name takes effect at the next start"
printf '[log]\nlevel = loud\n' >"$state/live.conf"
kill -HUP "$served"
awaits "what cannot be read is refused" "RELOAD-REFUSED"
for _ in $(seq 500); do kill "$served" 2>/dev/null || break; sleep 0.005; done # an impatient supervisor
wait "$served"
gives 0 "and it still stops by itself, however often it is told to" test $? = 0
gives 2 "what an option is called by its value" reeve schedule add nightly --cron "0 2 * * *" --zone Europe/Berlin
has err "Did you mean --tz?"
gives 0 "it stops" reeve db stop
gives 0 "once" reeve db stop
has out "was not running"
gives 4 "a database that is away is status 4" reeve company list --database "$uri"
has err "->"
gives 4 "also as JSON" reeve company list --database "$uri" --json
has out '{"error":{"code":"unavailable"'
printf '[http]\nlisten = nowhere\n' >"$state/bad.conf"
gives 2 "a bad file is usage" reeve config show --config "$state/bad.conf"
has err "bad.conf:2"
gives 1 "a full disk is noticed" sh -c "'$reeve_program' help >/dev/full"

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
