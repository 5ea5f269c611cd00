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
import provider
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

# The owner in `plugin.json`: signed in once before, with an account of which four fifths are left for every model.
OWNER_CODE = "ok-501-rowan-2"
ALLOWED_TOKENS = 100_000
USED_TOKENS = 20_000
# Who shared nothing had no quota in the recorded system.
POOL_SETTINGS = {
    "ALLOW_PRIVATE_UPSTREAMS": "127.0.0.1",
    "SHARED_UPSTREAM_HOSTS": "127.0.0.1",
    "POLICY_BASE_QUOTA": "0",
}
# Their answers depend on translation between dialects, which the recorded system did, or belong to its own providers.
NOT_REPLAYED = ("/v1/messages", "/v1beta", "/api/kiro")

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


def expect(status, answered):
    found, answer = answered
    if found != status:
        raise RuntimeError(f"expected {status}, found {found}: {answer}")
    return answer


def create_account(server, base_url):
    """Brings the owner and their account into the state in which `plugin.json` begins."""

    def ask(status, method, path, token=None, body=None):
        return expect(status, harness.request(server.base_url, method, path, token, body))

    state = ask(200, "GET", "/api/auth/sso/initiate")["state"]
    access = ask(200, "GET", f"/api/auth/sso/callback?code={OWNER_CODE}&state={state}")["access_token"]
    allowance = {"limit": ALLOWED_TOKENS, "unit": "tokens", "window": "30d"}
    account = {
        "name": "first",
        "provider": "openai",
        "base_url": base_url,
        "credential": "sk-pond",
        "models": provider.MODELS,
        "allowances": [allowance | {"models": [model]} for model in provider.MODELS],
    }
    cookie = ask(201, "POST", "/api/plugin-api/accounts", access, account)["data"]["cookie_id"]
    for model in provider.MODELS:
        messages = [{"role": "user", "content": f"{provider.USE}{USED_TOKENS}"}]
        call = {"model": model, "messages": messages, "max_tokens": 10}
        ask(200, "POST", "/v1/chat/completions", access, call)
    rows = ask(200, "GET", f"/api/plugin-api/accounts/{cookie}/quotas", access)["data"]
    left = {row["model_name"]: row["quota"] for row in rows}
    if left != dict.fromkeys(provider.MODELS, "0.8000"):
        raise RuntimeError(f"the account is not in the recorded state: {left}")


def without(recording, paths):
    """The recording without the steps whose paths begin so."""
    steps = [step for step in recording["steps"] if not step["path"].startswith(paths)]
    return recording | {"steps": steps}


def check_shape(binary, shape):
    tally = conform.Tally()
    with (
        shape_settings(shape) as settings,
        standin.standing_in() as sign_in,
        provider.serving() as provider_url,
        harness.serving(binary, settings | sign_in | POOL_SETTINGS | {"LOG_LEVEL": "WARNING"}) as server,
    ):
        create_people(server)
        for name in RECORDINGS:
            recording = json.loads((HERE / "recordings" / f"{name}.json").read_text())
            tally += conform.check(server.base_url, recording, {"password": PASSWORD})
        create_account(server, provider_url)
        recording = json.loads((HERE / "recordings" / "plugin.json").read_text())
        tally += conform.check(server.base_url, without(recording, NOT_REPLAYED), {})
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
