#!/usr/bin/env python3
"""Holds Millpond against recordings of AntiHub, in both shapes.

    run.py BINARY [--shape embedded|clustered]

The clustered shape needs TEST_DATABASE_URL and TEST_REDIS_URL; scripts/test sets them.
"""

import argparse
import contextlib
import json
import pathlib
import sys

import conform
import standin

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

PASSWORD = "correct horse battery"

# In the order in which they were created for the recordings, which name their numbers.
PEOPLE = [
    ("member",),
    ("other",),
    ("disabled", "--disabled"),
    ("silenced", "--silenced"),
    ("tester", "--beta", "--trust-level", "3"),
    ("ssoonly", "--no-password", "--oauth-id", "990", "--trust-level", "2"),
]

# `keys` comes before `auth`, in which the member joins the beta: AntiHub noticed that only after 30 s, Millpond at once.
RECORDINGS = ["misc", "keys", "auth", "sso", "github"]

REDIS_DATABASE = 14


@contextlib.contextmanager
def shape_settings(shape):
    """The settings that make the shape: none for the embedded one."""
    if shape == "embedded":
        yield {}
        return
    with harness.database("millpond_conform") as database_url, harness.redis_database(REDIS_DATABASE) as redis_url:
        yield {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


def create_people(server):
    for name, *switches in PEOPLE:
        if "--no-password" in switches:
            server.command("user", "create", name, *switches)
        else:
            server.command("user", "create", name, "--password-stdin", *switches, text=PASSWORD)


def check_shape(binary, shape):
    tally = conform.Tally()
    with (
        shape_settings(shape) as settings,
        standin.standing_in() as sign_in,
        harness.serving(binary, settings | sign_in | {"LOG_LEVEL": "WARNING"}) as server,
    ):
        create_people(server)
        for name in RECORDINGS:
            recording = json.loads((HERE / "recordings" / f"{name}.json").read_text())
            tally += conform.check(server.base_url, recording, {"password": PASSWORD})
    print(f"{shape}: {tally['passed']} passed, {tally['failed']} failed, {tally['skipped']} skipped")
    return not tally["failed"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--shape", choices=["embedded", "clustered"])
    arguments = parser.parse_args()
    shapes = [arguments.shape] if arguments.shape else ["embedded", "clustered"]
    results = [check_shape(arguments.binary, shape) for shape in shapes]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
