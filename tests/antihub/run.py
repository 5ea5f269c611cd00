#!/usr/bin/env python3
"""Starts Millpond on a real AntiHub database and its Redis: every token and key must behave as before the switch.

    run.py BINARY

`postgres.sql`, `redis.jsonl` and `env` were taken from a running AntiHub, `expected.json` says what must hold. All secrets
in them are throw-away ones. Needs TEST_DATABASE_URL and TEST_REDIS_URL; scripts/test sets them.
"""

import argparse
import json
import pathlib
import sys

import redis

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

REDIS_DATABASE = 15

# What AntiHub wrote must be untouched by the migration.
FINGERPRINT = """
    select (select count(*) from users), (select count(*) from usage_logs), (select count(*) from api_keys),
           (select md5(string_agg(id || username || coalesce(password_hash, '') || is_active, ',' order by id)) from users),
           (select md5(string_agg(id || key || is_active, ',' order by id)) from api_keys)
"""


def load_redis(url):
    """Writes each line of the dump with its time to live. AntiHub keeps nothing but strings."""
    with redis.Redis.from_url(url) as client:
        for line in (HERE / "redis.jsonl").read_text().splitlines():
            entry = json.loads(line)
            client.set(entry["key"], entry["value"], ex=entry["ttl_s"])


def settings(database_url, redis_url):
    lines = (HERE / "env").read_text().splitlines()
    recorded = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    # AntiHub's spelling of the URL names the Python driver; operators keep it.
    return recorded | {"DATABASE_URL": database_url.replace("postgresql:", "postgresql+asyncpg:", 1), "REDIS_URL": redis_url}


class Checks:
    """Counts what holds and tells what doesn't."""

    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, what, wanted, found):
        if wanted == found:
            self.passed += 1
        else:
            self.failed += 1
            print(f"{what}: expected {wanted!r}, found {found!r}")


def owner(label):
    """`tester, refreshed` is a token of tester."""
    return label.split(",")[0]


def me(server, token):
    """Whom the token signs in, or the status that refused it."""
    status, answer = harness.request(server.base_url, "GET", "/api/auth/me", token)
    return answer["username"] if status == 200 else status


def refresh(server, token):
    return harness.request(server.base_url, "POST", "/api/auth/refresh", body={"refresh_token": token})


def check_access_tokens(checks, server, tokens):
    for label, token in tokens["alive"].items():
        checks.expect(f"access token of {label}", owner(label), me(server, token))
    for label, token in tokens["dead"].items():
        checks.expect(f"dead access token of {label}", 401, me(server, token))


def check_refresh_tokens(checks, server, tokens):
    for label, token in tokens["alive"].items():
        status, answer = refresh(server, token)
        checks.expect(f"refresh token of {label}", 200, status)
        if status == 200:
            checks.expect(f"new access token of {label}", owner(label), me(server, answer["access_token"]))
            checks.expect(f"new refresh token of {label}", 200, refresh(server, answer["refresh_token"])[0])
    for label, token in tokens["dead"].items():
        checks.expect(f"dead refresh token of {label}", 401, refresh(server, token)[0])


def check_keys(checks, server, keys):
    for label, key in keys["alive"].items():
        checks.expect(f"key of {label}", 200, harness.request(server.base_url, "GET", "/v1/models", key)[0])
    for label, key in keys["dead"].items():
        checks.expect(f"dead key of {label}", 401, harness.request(server.base_url, "GET", "/v1/models", key)[0])


def check_password(checks, server, password):
    body = {"username": "member", "password": password}
    status, _ = harness.request(server.base_url, "POST", "/api/auth/login", body=body)
    checks.expect("sign-in of member", 200, status)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    arguments = parser.parse_args()
    expected = json.loads((HERE / "expected.json").read_text())
    checks = Checks()
    with harness.database("millpond_antihub") as database_url, harness.redis_database(REDIS_DATABASE) as redis_url:
        harness.sql(database_url, f"--file={HERE / 'postgres.sql'}")
        load_redis(redis_url)
        before = harness.sql(database_url, f"--command={FINGERPRINT}")
        # Two instances at once: the migration must happen once, and both must know every token.
        with harness.serving(arguments.binary, settings(database_url, redis_url), instances=2) as servers:
            checks.expect("AntiHub's rows", before, harness.sql(database_url, f"--command={FINGERPRINT}"))
            for server in servers:
                check_access_tokens(checks, server, expected["access_tokens"])
                check_keys(checks, server, expected["api_keys"])
            check_refresh_tokens(checks, servers[0], expected["refresh_tokens"])
            check_password(checks, servers[1], expected["password"])
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
