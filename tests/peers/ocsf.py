#!/usr/bin/env python3
"""Validates events against the published schema of OCSF 1.8.0: one JSON object a line on standard input. Prints the number
of events, or what is wrong."""
import json
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

schema = get_ocsf_schema("1.8.0")
embedded = OcsfJsonSchemaEmbedded(schema)
names = {definition["uid"]: name for name, definition in schema["classes"].items() if "uid" in definition}
validators = {}
count = 0
for line in sys.stdin:
    event = json.loads(line)
    name = names[event["class_uid"]]
    definition = schema["classes"][name]
    profiles = event["metadata"]["profiles"]
    key = (name, *profiles)
    if key not in validators:
        validators[key] = jsonschema.Draft202012Validator(embedded.get_class_schema(name, profiles))
    errors = [f"{list(error.path)}: {error.message}" for error in validators[key].iter_errors(event)]
    # What JSON Schema does not express.
    attributes = definition["attributes"]
    if str(event["activity_id"]) not in attributes["activity_id"]["enum"]:
        errors.append("activity_id")
    elif event["activity_id"] != 99:
        caption = attributes["activity_id"]["enum"][str(event["activity_id"])]["caption"]
        if event["activity_name"] != caption:
            errors.append(f"activity_name: {event['activity_name']} is {caption}")
    if not set(profiles) <= set(definition["profiles"]):
        errors.append("profiles")
    if event["category_uid"] != event["class_uid"] // 1000:
        errors.append("category_uid")
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        errors.append("type_uid")
    alternatives = definition.get("constraints", {}).get("at_least_one", [])
    if alternatives and not set(alternatives) & set(event):
        errors.append(f"one of {alternatives} is missing")
    if errors:
        sys.exit(f"{name} {event}: {errors}")
    count += 1
print(count)
