#!/usr/bin/env python3
# constraint_validate.py FILE -- asks python3-jsonschema whether every instance satisfies its schema.
# Each line is [schema, "instance as text"]; exit status 77: the validator is not installed.
import importlib
import json
import re
import sys
import types

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed: answers are not checked independently")
    sys.exit(77)


def ecma(pattern):
    """Patterns are ECMA-262: "$" is the very end, "." no line end at all, \\d and \\w are ASCII."""
    out = ""
    in_class = False
    at = 0
    while at < len(pattern):
        one = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        at += len(one)
        if not in_class and one == "$":
            one = r"\Z"
        elif not in_class and one == ".":
            one = "[^\\n\\r\u2028\u2029]"
        in_class = one == "[" or (in_class and one != "]")
        out += one
    return out


def search(pattern, text, flags=0):
    return re.search(ecma(pattern), text, flags | re.ASCII)


for name in ("_keywords", "_validators", "_utils"):
    try:
        module = importlib.import_module("jsonschema." + name)
        module.re = types.SimpleNamespace(search=search, compile=re.compile, match=re.match)
    except ImportError:
        pass


def no_double_keys(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a key twice: %r" % keys)
    return dict(pairs)


Draft = jsonschema.Draft202012Validator  # its own formats, not those of draft 3 ("time")
formats = getattr(Draft, "FORMAT_CHECKER", None) or jsonschema.draft202012_format_checker
compiled = {}
count = 0
wrong = 0
for line in open(sys.argv[1], encoding="utf-8"):
    text, instance = json.loads(line)
    count += 1
    try:
        if text not in compiled:
            compiled[text] = Draft(json.loads(text), format_checker=formats)
        value = json.loads(instance, object_pairs_hook=no_double_keys)
        errors = [error.message for error in compiled[text].iter_errors(value)]
    except ValueError as error:
        errors = [str(error)]
    if errors:
        wrong += 1
        if wrong <= 5:
            print("INVALID %s\n  schema %s\n  %s" % (instance[:400], text[:800], errors[0][:300]))
print("%d answers under %d schemas, %d invalid" % (count, len(compiled), wrong))
sys.exit(1 if wrong else 0)
