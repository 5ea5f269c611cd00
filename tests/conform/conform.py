#!/usr/bin/env python3
"""Checks that a server answers as recordings of AntiHub say.

    conform.py --base-url URL --vars vars.json recording.json ...      prints differences, exit 1 if any

A recording is {"name", "steps": [...]}. A step: name, method, path, headers, json | body, save {var: "json.path"},
recorded {status, content_type, json | text}, exact ["json.path", ...] (values that must be equal, not only alike),
skip "why" (never checked), and differs {"why", "status"?, "content_type"?} where Millpond is meant to answer otherwise:
then only what `differs` names is checked. "{var}" in path, headers and bodies is filled from the vars and earlier saves.

Alike means: the same status and content type, every member that was recorded is there and has the same JSON type. Null is
like anything, and additional members are welcome. Only Python's standard library is used.
"""

import argparse
import collections
import http.client
import json
import re
import sys
import urllib.parse

Tally = collections.Counter


def fill(value, variables):
    if isinstance(value, str):
        whole = re.fullmatch(r"\{(\w+)\}", value)
        if whole and whole[1] in variables:
            return variables[whole[1]]
        return re.sub(r"\{(\w+)\}", lambda match: str(variables.get(match[1], match[0])), value)
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, variables) for key, item in value.items()}
    return value


def at(document, path):
    for part in path.split("."):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def call(base_url, step, variables):
    url = urllib.parse.urlsplit(base_url)
    headers = fill(step.get("headers", {}), variables)
    body = step.get("body")
    if "json" in step:
        body = json.dumps(fill(step["json"], variables), ensure_ascii=False)
        headers.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    try:
        connection.request(step["method"], fill(step["path"], variables), body.encode() if body else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    finally:
        connection.close()
    found = {"status": answer.status, "content_type": (answer.headers.get("content-type") or "").split(";")[0]}
    try:
        found["json"] = json.loads(text)
    except ValueError:
        found["text"] = text
    return found


def kind(value):
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def differences(expected, found, path, exact):
    """What `found` lacks of `expected`, one sentence each."""
    if path in exact and expected != found:
        yield f"{path}: expected {expected!r}, found {found!r}"
    if expected is None or found is None:
        return
    if kind(expected) != kind(found):
        yield f"{path}: expected {kind(expected)} like {expected!r}, found {kind(found)} {found!r}"
    elif isinstance(expected, dict):
        for key, value in expected.items():
            here = f"{path}.{key}" if path else key
            if key not in found:
                yield f"{here}: missing"
            else:
                yield from differences(value, found[key], here, exact)
    elif isinstance(expected, list) and expected and found:
        yield from differences(expected[0], found[0], f"{path}.0" if path else "0", exact)


def events(text):
    """The data of each server-sent event, in order."""
    return [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]


def compare_streams(expected, found):
    want, have = events(expected), events(found)
    if want and not have:
        yield "no event came"
    elif want and want[-1] != have[-1] and "[DONE]" in (want[-1], have[-1]):
        yield f"the stream ends with {have[-1][:80]!r}, not {want[-1][:80]!r}"
    elif want and want[0].startswith("{"):
        yield from differences(json.loads(want[0]), json.loads(have[0]), "event", set())


def compare(step, found):
    expected, differs = step["recorded"], step.get("differs")
    if differs:
        for field in ("status", "content_type"):
            if field in differs and differs[field] != found[field]:
                yield f"{field}: meant to be {differs[field]!r} ({differs['why']}), found {found[field]!r}"
        return
    for field in ("status", "content_type"):
        if expected[field] != found[field]:
            body = str(found.get("json", found.get("text")))[:300]
            yield f"{field}: expected {expected[field]!r}, found {found[field]!r}: {body}"
            return
    if "json" in expected:
        if "json" not in found:
            yield "the body is not JSON"
        else:
            yield from differences(expected["json"], found["json"], "", set(step.get("exact", [])))
    elif expected["content_type"] == "text/event-stream":
        yield from compare_streams(expected["text"], found.get("text", ""))


def check(base_url, recording, variables):
    """Replays one recording, prints what differs, and counts steps as passed, failed or skipped."""
    tally, variables = Tally(), dict(variables)
    for step in recording["steps"]:
        if step.get("skip"):
            tally["skipped"] += 1
            continue
        found = call(base_url, step, variables)
        for variable, path in step.get("save", {}).items():
            try:
                variables[variable] = at(found["json"], path)
            except (KeyError, IndexError, TypeError):
                pass  # the comparison says what was missing
        problems = list(compare(step, found))
        tally["failed" if problems else "passed"] += 1
        for problem in problems:
            print(f"{recording['name']} / {step['name']}: {problem}")
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--vars", required=True, type=argparse.FileType())
    parser.add_argument("recordings", nargs="+", type=argparse.FileType())
    arguments = parser.parse_args()
    variables = json.load(arguments.vars)
    tally = Tally()
    for file in arguments.recordings:
        tally += check(arguments.base_url, json.load(file), variables)
    print(f"{tally['passed']} passed, {tally['failed']} failed, {tally['skipped']} skipped")
    sys.exit(1 if tally["failed"] else 0)


if __name__ == "__main__":
    main()
