#!/bin/sh
# event_export.sh -- the log of the demonstration company, in each form, read again and compared.
# usage: event_export.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
company=scripts/demo/company
gives 0 "a company" reeve company create acme
for person in manager:ap.manager controller:controller treasurer:treasurer buyer:buyer; do
    reeve person add "${person%%:*}" --roles "${person##*:}" >/dev/null || failures=$((failures + 1))
done
gives 0 "its policy" reeve policy load policies/default.lua
gives 0 "its agents" reeve agent publish agents/*/agent.lua
gives 0 "its documents" reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml \
    "$company"/invoices/*.xml "$company"/statements/*.xml
gives 0 "its exceptions" reeve exception run
asked=$(reeve approval list --json | grep -o '"id":"[0-9]*"' | head -1 | tr -dc 0-9)
gives 0 "a person says no" reeve approval reject "$asked" --as manager --comment "not this one"

for format in jsonl csv ocel xes; do
    gives 0 "$format" reeve event export "$state/log.$format" --format $format
    has out "events in"
done
gives 0 "invoices only" reeve event export "$state/invoices.xes" --format xes --case invoice
gives 1 "an existing file stays" reeve event export "$state/log.csv" --format csv
gives 2 "an unknown form is refused" reeve event export --format pnml
has err "ocel"
gives 2 "a day that is none" reeve event export --since 2026-02-30
has err "--since"
gives 0 "before there was anything" reeve event export --until 2020-01-01
same "there is nothing" "" "$(cat "$state/out")"
gives 0 "to standard output" reeve event export --format csv --since 2020-01-01 --case invoice
cp "$state/out" "$state/invoices.csv"

cat >"$state/read.py" <<'PY'
import csv, json, sys
import xml.etree.ElementTree as xml
folder = sys.argv[1]
failed = 0
def check(what, ok):
    global failed
    failed += not ok
    print("ok   " if ok else "FAIL ", what)
lines = [json.loads(line) for line in open(f"{folder}/log.jsonl")]
pairs = [(e["id"], o["type"], o["id"]) for e in lines for o in e["objects"]]
check("events are told in the order of time", lines == sorted(lines, key=lambda e: e["time"]) and len(lines) > 300)
check("each once", len({e["id"] for e in lines}) == len(lines))
check("each touches something", all(e["objects"] for e in lines))
kinds = {e["type"] for e in lines}
check("questions to people and their answers are there",
      {"approval.asked", "approval.vote_reject", "approval.rejected", "invoice.registered", "invoice.held"} <= kinds)
text = open(f"{folder}/log.jsonl").read()
check("no bank details, no names", "DE" + "25994400501704554370" not in text and "GmbH" not in text and "not this one" not in text)
rows = list(csv.DictReader(open(f"{folder}/log.csv", newline="")))
check("csv has a row for each event and object", sorted((r["event"], r["object_type"], r["object_id"]) for r in rows) == sorted(pairs))
check("... or for those of a type", {r["object_type"] for r in csv.DictReader(open(f"{folder}/invoices.csv", newline=""))} == {"invoice"})
log = json.load(open(f"{folder}/log.ocel"))
check("ocel: the same events", [e["id"] for e in log["events"]] == [e["id"] for e in lines])
named = {o["id"]: o["type"] for o in log["objects"]}
check("ocel: every object is declared", all(r["objectId"] in named for e in log["events"] for r in e["relationships"]))
check("ocel: with its type", set(named.values()) == {t["name"] for t in log["objectTypes"]})
declared = {t["name"]: {a["name"] for a in t["attributes"]} for t in log["eventTypes"]}
check("ocel: every attribute is declared", all({a["name"] for a in e["attributes"]} <= declared[e["type"]] for e in log["events"]))
check("ocel: all relationships", sorted((e["id"], r["objectId"]) for e in log["events"] for r in e["relationships"])
      == sorted((event, f"{kind}:{id}") for event, kind, id in pairs))
x = "{http://www.xes-standard.org/}"
def traces(name):
    out = {}
    for trace in xml.parse(f"{folder}/{name}").getroot().iter(x + "trace"):
        value = lambda e, key: next(c.get("value") for c in e if c.get("key") == key)
        out[value(trace, "concept:name")] = [(value(e, "id"), value(e, "time:timestamp")) for e in trace.iter(x + "event")]
    return out
all_traces = traces("log.xes")
check("xes: a trace for each object", set(all_traces) == set(named))
check("xes: all of its events", sorted((e[0], name) for name, events in all_traces.items() for e in events)
      == sorted((event, f"{kind}:{id}") for event, kind, id in pairs))
check("xes: in order", all(events == sorted(events, key=lambda e: e[1]) for events in all_traces.values()))
check("xes: of invoices", set(traces("invoices.xes")) == {n for n, t in named.items() if t == "invoice"})
sys.exit(failed > 0)
PY
python3 "$state/read.py" "$state" || failures=$((failures + 1))
[ "$failures" = 0 ] || exit 1
