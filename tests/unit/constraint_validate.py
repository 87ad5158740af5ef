#!/usr/bin/env python3
# constraint_validate.py FILE -- asks python3-jsonschema whether every instance satisfies its schema.
# Each line is [schema, "instance as text"]; exit status 77: the validator is not installed.
import json
import re
import sys

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed: answers are not checked independently")
    sys.exit(77)


def no_double_keys(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a key twice: %r" % keys)
    return dict(pairs)


# patterns are ECMA-262: "$" is the very end, \d \w are ASCII
def search(pattern, text):
    return re.search(re.sub(r"(?<!\\)\$", r"\\Z", pattern), text, re.ASCII)


def pattern(validator, wanted, instance, schema):
    if validator.is_type(instance, "string") and not search(wanted, instance):
        yield jsonschema.ValidationError("%r does not match %r" % (instance, wanted))


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern})
Draft = jsonschema.Draft202012Validator # its own formats, not those of draft 3 ("time")
formats = getattr(Draft, "FORMAT_CHECKER", None) or jsonschema.draft202012_format_checker
compiled = {}
count = 0
wrong = 0
for line in open(sys.argv[1], encoding="utf-8"):
    text, instance = json.loads(line)
    count += 1
    try:
        if text not in compiled:
            compiled[text] = Validator(json.loads(text), format_checker=formats)
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
