#!/usr/bin/env python3
"""Reads the templates for device management as their consumers do, and checks that names in them lead somewhere.

  managed.py templates FOLDER          checks every template, and prints the number of settings in each
  managed.py schema SCHEMA FILE...     validates files of settings, and prints `valid` or `invalid` for each
"""
import json
import plistlib
import re
import sys
import tomllib
import xml.etree.ElementTree as xml
from pathlib import Path

import jsonschema

POLICY = "{http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions}"
ANDROID = "{http://schemas.android.com/apk/res/android}"
TYPES = {"string": str, "integer": int, "array": list}


def windows(folder):
    policies = xml.parse(folder / "Vitalsign.admx").getroot()
    referred = set(re.findall(r"\$\((string|presentation)\.(\w+)\)", (folder / "Vitalsign.admx").read_text("utf-8")))
    for language in ("en-US", "de-DE"):
        texts = xml.parse(folder / language / "Vitalsign.adml").getroot()
        known = {("string", it.get("id")) for it in texts.iter(f"{POLICY}string")}
        known |= {("presentation", it.get("id")) for it in texts.iter(f"{POLICY}presentation")}
        assert referred == known, (language, referred ^ known)
        shown = {it.get("refId") for it in texts.iter() if it.get("refId")}
        elements = {it.get("id") for policy in policies.iter(f"{POLICY}elements") for it in policy}
        assert shown == elements, (language, shown ^ elements)
    names = [it.get("valueName") for policy in policies.iter(f"{POLICY}elements") for it in policy]
    assert len(names) == len(set(names))
    return set(names)


def macos(folder):
    manifest = plistlib.loads((folder / "dev.vitalsign.agent.plist").read_bytes())
    keys = {it["pfm_name"]: it for it in manifest["pfm_subkeys"]}
    assert len(keys) == len(manifest["pfm_subkeys"])
    for key in keys.values():
        assert isinstance(key.get("pfm_default", TYPES[key["pfm_type"]]()), TYPES[key["pfm_type"]]), key
        re.compile(key.get("pfm_format", ""))
    names = {name for name in keys if not name.startswith("Payload")}
    jamf = json.loads((folder / "dev.vitalsign.agent.json").read_text("utf-8"))
    assert jamf["__preferencedomain"] == manifest["pfm_domain"]
    assert set(jamf["properties"]) == names
    profile = plistlib.loads((folder / "vitalsign.mobileconfig").read_bytes())
    (payload,) = profile["PayloadContent"]
    assert payload["PayloadType"] == manifest["pfm_domain"]
    for name, value in payload.items():
        assert isinstance(value, TYPES[keys[name]["pfm_type"]]), name
        if "pfm_format" in keys[name] and name not in ("PayloadUUID", "enrolment-token"):
            assert re.search(keys[name]["pfm_format"], value), name
    assert len(names & set(payload)) >= 5
    return names


def ios(folder):
    root = xml.parse(folder / "specfile.xml").getroot()
    names = {it.get("keyName") for it in root.find("dict")}
    assert names == {it.get("keyName") for it in root.find("presentation")}
    return names


def android(folder):
    text = (folder / "res/xml/app_restrictions.xml").read_text("utf-8")
    referred = set(re.findall(r"@(string|array)/(\w+)", text))
    texts = {}
    for values in ("values", "values-de"):
        root = xml.parse(folder / "res" / values / "app_restrictions.xml").getroot()
        texts[values] = {({"string": "string"}.get(it.tag, "array"), it.get("name")) for it in root}
    assert texts["values"] == referred, texts["values"] ^ referred
    assert texts["values-de"] == {it for it in referred if it[0] == "string"}
    return {it.get(f"{ANDROID}key") for it in xml.fromstring(text.encode())}


if sys.argv[1] == "templates":
    root = Path(sys.argv[2])
    found = {read.__name__: read(root / read.__name__) for read in (windows, macos, ios, android)}
    assert found["windows"] == found["macos"] and found["ios"] == found["android"] < found["macos"], found
    print(json.dumps({name: len(settings) for name, settings in found.items()}))
else:
    schema = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for file in sys.argv[3:]:
        settings = tomllib.loads(Path(file).read_text("utf-8"))
        print("valid" if validator.is_valid(settings) else "invalid")
