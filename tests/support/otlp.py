"""otlp.py -- a collector for tests: OTLP/HTTP with JSON on loopback, as strict as the specification.

usage: otlp.py serve FOLDER      writes its port to FOLDER/port, each request to FOLDER/N.json, and to FOLDER/heard a
                                 line "STATUS AUTHORIZATION PROBLEM|-"; answers what FOLDER/answers says, a status a
                                 line and then 200
       otlp.py check FILE        exit status 1 and the problem when FILE is no ExportTraceServiceRequest
       otlp.py spans FOLDER|FILE...   prints one span a line: trace span parent kind status name {attributes}

The fields are those of opentelemetry-proto 1.x (collector/trace/v1, trace/v1, common/v1, resource/v1) in protobuf's
JSON mapping with OTLP's two exceptions: ids are hexadecimal, enums are numbers.
"""
import glob
import http.server
import json
import os
import re
import sys

INT64 = ("text of digits", lambda v: isinstance(v, str) and re.fullmatch(r"-?[0-9]+", v) is not None)
TIME = ("time in nanoseconds as text", lambda v: isinstance(v, str) and re.fullmatch(r"[0-9]{19}", v) is not None)
TEXT = ("text", lambda v: isinstance(v, str))
COUNT = ("number", lambda v: isinstance(v, int) and v >= 0)
BOOL = ("boolean", lambda v: isinstance(v, bool))
TRACE_ID = ("32 hexadecimal digits", lambda v: isinstance(v, str) and re.fullmatch(r"[0-9a-f]{32}", v) and set(v) != {"0"})
SPAN_ID = ("16 hexadecimal digits", lambda v: isinstance(v, str) and re.fullmatch(r"[0-9a-f]{16}", v) and set(v) != {"0"})
KIND = ("SpanKind", lambda v: isinstance(v, int) and 0 <= v <= 5)
STATUS = ("StatusCode", lambda v: isinstance(v, int) and 0 <= v <= 2)

MESSAGES = {
    "Request": {"resourceSpans": ["ResourceSpans"]},
    "ResourceSpans": {"resource": "Resource", "scopeSpans": ["ScopeSpans"], "schemaUrl": TEXT},
    "Resource": {"attributes": ["KeyValue"], "droppedAttributesCount": COUNT},
    "ScopeSpans": {"scope": "Scope", "spans": ["Span"], "schemaUrl": TEXT},
    "Scope": {"name": TEXT, "version": TEXT, "attributes": ["KeyValue"], "droppedAttributesCount": COUNT},
    "Span": {"traceId": TRACE_ID, "spanId": SPAN_ID, "traceState": TEXT, "parentSpanId": SPAN_ID, "flags": COUNT, "name": TEXT,
             "kind": KIND, "startTimeUnixNano": TIME, "endTimeUnixNano": TIME, "attributes": ["KeyValue"],
             "droppedAttributesCount": COUNT, "events": ["Event"], "droppedEventsCount": COUNT, "links": ["Link"],
             "droppedLinksCount": COUNT, "status": "Status"},
    "Event": {"timeUnixNano": TIME, "name": TEXT, "attributes": ["KeyValue"], "droppedAttributesCount": COUNT},
    "Link": {"traceId": TRACE_ID, "spanId": SPAN_ID, "traceState": TEXT, "attributes": ["KeyValue"], "flags": COUNT},
    "Status": {"message": TEXT, "code": STATUS},
    "KeyValue": {"key": TEXT, "value": "AnyValue"},
    "AnyValue": {"stringValue": TEXT, "boolValue": BOOL, "intValue": INT64, "arrayValue": "ArrayValue"},
    "ArrayValue": {"values": ["AnyValue"]},
}
NEEDED = {"Span": ["traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"], "KeyValue": ["key", "value"],
          "Event": ["timeUnixNano", "name"]}


def check(value, message, at):
    if not isinstance(value, dict):
        raise ValueError(f"{at} is no {message}")
    for name in NEEDED.get(message, []):
        if name not in value:
            raise ValueError(f"{at} has no {name}")
    if message == "AnyValue" and len(value) != 1:
        raise ValueError(f"{at} has {len(value)} values")
    for name, member in value.items():
        what = MESSAGES[message].get(name)
        if what is None:
            raise ValueError(f"{at}.{name}: {message} has no such field")
        if isinstance(what, str):
            check(member, what, f"{at}.{name}")
        elif isinstance(what, list):
            if not isinstance(member, list):
                raise ValueError(f"{at}.{name} is no list")
            for i, one in enumerate(member):
                check(one, what[0], f"{at}.{name}[{i}]")
        elif not what[1](member):
            raise ValueError(f"{at}.{name} is no {what[0]}: {member!r}")
    if message == "Span" and int(value["endTimeUnixNano"]) < int(value["startTimeUnixNano"]):
        raise ValueError(f"{at} ends before it begins")
    keys = [a["key"] for a in value.get("attributes", [])]
    if len(keys) != len(set(keys)):
        raise ValueError(f"{at} has an attribute twice")


def check_request(text):
    request = json.loads(text)
    check(request, "Request", "request")
    found = [s for r in request["resourceSpans"] for c in r["scopeSpans"] for s in c["spans"]]
    names = [a["value"].get("stringValue") for r in request["resourceSpans"] for a in r["resource"]["attributes"]
             if a["key"] == "service.name"]
    if names != ["reeve"]:
        raise ValueError("no resource says that its service.name is reeve")
    if not found:
        raise ValueError("no span")
    ids = [s["spanId"] for s in found]
    if len(ids) != len(set(ids)):
        raise ValueError("two spans have one id")
    return found


class Collector(http.server.BaseHTTPRequestHandler):
    folder, number, protocol_version = "", 0, "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(f"{self.folder}/answers", encoding="utf-8") as file:
            answers = file.read().split()
        status = int(answers[Collector.number]) if Collector.number < len(answers) else 200
        problem = "-"
        try:
            check_request(body)
            if self.headers["Content-Type"] != "application/json" or self.path != "/v1/traces":
                problem = f"{self.path} {self.headers['Content-Type']}"
        except (ValueError, KeyError) as error:
            problem = str(error)
        Collector.number += 1
        with open(f"{self.folder}/{Collector.number}.{status}.json", "wb") as file:
            file.write(body)
        with open(f"{self.folder}/heard", "a", encoding="utf-8") as file:
            file.write(f"{status} {self.headers['Authorization']} {problem}\n")
        answer = b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"as told"}}' if status == 202 else b"{}"
        self.send_response(200 if status == 202 else status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format, *args):
        pass


def plain(value):
    if "arrayValue" in value:
        return [plain(v) for v in value["arrayValue"]["values"]]
    return int(value["intValue"]) if "intValue" in value else next(iter(value.values()))


def main():
    if sys.argv[1] == "serve":
        Collector.folder = sys.argv[2]
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
        with open(f"{sys.argv[2]}/new", "w", encoding="utf-8") as file:
            file.write(f"{server.server_port}\n")
        os.rename(f"{sys.argv[2]}/new", f"{sys.argv[2]}/port")
        server.serve_forever()
    files = [f for name in sys.argv[2:] for f in (sorted(glob.glob(f"{name}/*.200.json")) if os.path.isdir(name) else [name])]
    for name in files:
        with open(name, encoding="utf-8") as file:
            spans = check_request(file.read())
        for s in spans if sys.argv[1] == "spans" else []:
            what = {a["key"]: plain(a["value"]) for a in s["attributes"]}
            what["events"] = [e["name"] for e in s["events"]]
            print(s["traceId"], s["spanId"], s.get("parentSpanId", "-"), s["kind"], s.get("status", {}).get("code", 0),
                  s["name"].replace(" ", "_"), json.dumps(what, sort_keys=True))


try:
    main()
except ValueError as error:
    sys.exit(f"otlp.py: {error}")
