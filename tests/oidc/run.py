#!/usr/bin/env python3
"""Signs in at a real OpenID Connect provider (oidc-provider-mock), in both shapes and in a real browser.

    run.py BINARY [--shape embedded|clustered] [--no-browser]

What a provider must never get through is made by changing how the mock signs. The clustered shape needs TEST_DATABASE_URL
and TEST_REDIS_URL, the browser chromium and chromedriver; scripts/test sees to all of them.
"""

import argparse
import contextlib
import http.client
import json
import pathlib
import sys
import tempfile
import threading
import time
import urllib.parse

import flask
import oidc_provider_mock
import werkzeug.serving
from authlib import jose
from oidc_provider_mock import _app as mock
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

REDIS_DATABASE = 13
CLIENT = "millpond-client"
PASSWORD = "correct horse battery"


class Provider:
    """The mock, and how its tokens are bent: `claims` and `key` change what is signed and with what."""

    def __init__(self):
        self.claims, self.key, self.discoveries, self.challenges = {}, None, 0, []
        self.app = oidc_provider_mock.app(require_nonce=True, user_claims=[
            oidc_provider_mock.User(sub="sub-willow", claims={"preferred_username": "willow", "email": "member@example.org"}),
            oidc_provider_mock.User(sub="sub-nameless", claims={}),
        ])
        self.app.before_request(self.observe)
        self.server = werkzeug.serving.make_server("127.0.0.1", 0, self.app, threaded=True)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        plain = mock.OpenIDCode.encode_id_token
        provider = self

        def bent(code, token, request):
            if not provider.claims and not provider.key:
                return plain(code, token, request)
            config = code.get_jwt_config(None)
            now = int(time.time())
            claims = {"iss": config["iss"], "aud": [CLIENT], "iat": now, "exp": now + 600, "sub": request.user.sub}
            claims |= {"nonce": request.authorization_code.nonce} | request.user.claims | provider.claims
            key = provider.key or config["key"]
            header = {"alg": "HS256" if isinstance(key, str) else "RS256"}
            if not isinstance(key, str):
                header["kid"] = jose.JsonWebKey.import_key(key).as_dict(add_kid=True)["kid"]
            return jose.jwt.encode(header, claims, key).decode()

        mock.OpenIDCode.encode_id_token = bent

    def observe(self):
        if flask.request.path.endswith("/openid-configuration"):
            self.discoveries += 1
        if flask.request.path.endswith("/oauth2/token"):
            self.challenges.append(flask.request.form.get("code_verifier"))

    def rotate(self):
        """New keys, as providers make them now and then. The mock keeps its key in a storage of each app."""
        with self.app.test_request_context():
            self.app.preprocess_request()
            mock.storage.jwk = jose.RSAKey.generate_key(is_private=True)

    def authorize(self, address, sub="sub-willow"):
        """What a person's browser does at the provider: the address that it is sent back to."""
        url = urllib.parse.urlsplit(address)
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
        with contextlib.closing(connection):
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"{url.path}?{url.query}", urllib.parse.urlencode({"sub": sub}), form)
            answer = connection.getresponse()
            answer.read()
            return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["location"]).query))

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


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


def call(server, method, path, body=None, cookie=None, token=None):
    """One call: status, JSON, and the cookie that was set."""
    url = urllib.parse.urlsplit(server.base_url)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    headers |= {"Cookie": cookie} if cookie else {}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
    return answer.status, json.loads(text), (answer.headers.get("set-cookie") or "").split(";")[0]


def sign_in(server, provider, sub="sub-willow", change=None):
    """The whole round: the callback's status and body."""
    _, begun, cookie = call(server, "GET", "/api/auth/oidc/test-id/login")
    address = begun["authorization_url"]
    returned = provider.authorize(change(address) if change else address, sub)
    return call(server, "POST", "/api/auth/oidc/test-id/callback", returned, cookie)[:2]


def check_round_trip(checks, server, provider):
    status, begun, _ = call(server, "GET", "/api/auth/oidc/test-id/login")
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(begun["authorization_url"]).query))
    checks.expect("login", 200, status)
    checks.expect("PKCE", ("S256", 43), (query.get("code_challenge_method"), len(query.get("code_challenge", ""))))
    checks.expect("nonce and scope", (43, "openid profile"), (len(query.get("nonce", "")), query.get("scope")))
    status, answer = sign_in(server, provider)
    checks.expect("sign-in", (200, "willow"), (status, answer.get("user", {}).get("username")))
    checks.expect("verifier sent", True, len(provider.challenges[-1] or "") >= 43)
    status, me, _ = call(server, "GET", "/api/auth/me", token=answer["access_token"])
    checks.expect("me", (200, "willow"), (status, me.get("username")))
    checks.expect("the same person again", answer["user"]["id"], sign_in(server, provider)[1]["user"]["id"])
    checks.expect("discovery is kept", 1, provider.discoveries)
    checks.expect("a person without a name", (200, "user"), (lambda s, a: (s, a["user"]["username"]))(*sign_in(server, provider, "sub-nameless")))
    listed = call(server, "GET", "/api/auth/providers")[1]["data"]
    checks.expect("providers", [{"name": "test-id", "label": "Test ID", "kind": "oidc", "login_path": "/api/auth/oidc/test-id/login"}], listed)


def check_states(checks, server, provider):
    _, begun, cookie = call(server, "GET", "/api/auth/oidc/test-id/login")
    returned = provider.authorize(begun["authorization_url"])
    path = "/api/auth/oidc/test-id/callback"
    checks.expect("no cookie", 400, call(server, "POST", path, returned)[0])
    checks.expect("used up by that", 400, call(server, "POST", path, returned, cookie)[0])
    _, begun, cookie = call(server, "GET", "/api/auth/oidc/test-id/login")
    first = provider.authorize(begun["authorization_url"])
    _, begun, cookie = call(server, "GET", "/api/auth/oidc/test-id/login")
    second = provider.authorize(begun["authorization_url"])
    # Somebody else's code in one's own sign-in: its verifier and nonce are not this one's.
    mixed = {"code": first["code"], "state": second["state"]}
    checks.expect("an injected code", 400, call(server, "POST", path, mixed, cookie)[0])
    checks.expect("an unknown provider", 404, call(server, "GET", "/api/auth/oidc/nowhere/login")[0])


def check_bent_tokens(checks, server, provider):
    refused = {
        "wrong nonce": {"nonce": "made-up"},
        "no nonce": {"nonce": None},
        "wrong audience": {"aud": ["another-client"]},
        "one audience too many": {"aud": [CLIENT, "another-client"]},
        "another party": {"azp": "another-client"},
        "expired": {"exp": 1_500_000_000},
        "issued in the future": {"iat": 4_000_000_000, "exp": 4_000_000_600},
        "another issuer": {"iss": "http://127.0.0.1:1"},
        "no subject": {"sub": ""},
    }
    # What is bent is good otherwise, so each of the refusals below has one reason only.
    provider.claims = {"preferred_username": "straight"}
    checks.expect("not bent", 200, sign_in(server, provider, "sub-straight")[0])
    for what, claims in refused.items():
        provider.claims = claims
        checks.expect(what, 400, sign_in(server, provider, "sub-bent")[0])
    provider.claims = {}
    provider.key = "millpond-secret"
    checks.expect("signed with the client secret", 400, sign_in(server, provider, "sub-bent")[0])
    provider.key = jose.RSAKey.generate_key(is_private=True).as_dict(is_private=True)
    checks.expect("signed by somebody else", 400, sign_in(server, provider, "sub-bent")[0])
    provider.key = None
    checks.expect("another nonce asked for", 400, sign_in(server, provider, "sub-bent", lambda url: url.replace("nonce=", "nonce=x"))[0])


def check_rotation(checks, server, provider):
    before = provider.discoveries
    provider.rotate()
    checks.expect("after a rotation", 200, sign_in(server, provider)[0])
    checks.expect("keys read again once", before + 1, provider.discoveries)
    checks.expect("and then kept", (200, before + 1), (sign_in(server, provider)[0], provider.discoveries))


def check_browser(checks, server):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ["headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-dev-shm-usage",
                 "disable-background-networking", "disable-component-update", "disable-sync"]:
        options.add_argument(f"--{flag}")
    with tempfile.TemporaryDirectory(prefix="millpond-browser-", ignore_cleanup_errors=True) as profile:
        options.add_argument(f"--user-data-dir={profile}")
        browser = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
        # The front end's part is played on the page that Millpond answers with, whose policy lets no script call anything.
        browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
        try:
            browser.set_script_timeout(30)
            browser.get(f"{server.base_url}/api/auth/oidc/test-id/login")
            WebDriverWait(browser, 30).until(lambda b: b.find_element(By.NAME, "sub")).send_keys("sub-willow")
            browser.find_element(By.XPATH, "//button[.='Authorize']").click()
            WebDriverWait(browser, 30).until(lambda b: "#handover=" in b.current_url)
            checks.expect("back home", True, browser.current_url.startswith(f"{server.base_url}/#handover="))
            checks.expect("the cookie is no script's", "", browser.execute_script("return document.cookie"))
            answer = browser.execute_async_script("""
                const done = arguments[arguments.length - 1];
                const code = location.hash.slice('#handover='.length);
                fetch('/api/auth/handover', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({code})})
                    .then(answer => answer.json())
                    .then(tokens => fetch('/api/auth/me', {headers: {Authorization: 'Bearer ' + tokens.access_token}}))
                    .then(answer => answer.json()).then(done, error => done({error: String(error)}));
            """)
            checks.expect("who the browser is", "willow", answer.get("username", answer))
            # A link that somebody sends: a browser that never began a sign-in doesn't end one.
            browser.get(f"{server.base_url}/api/auth/oidc/test-id/callback?code=x&state={'A' * 43}")
            checks.expect("a planted callback", True, "invalid_oauth_state" in browser.page_source)
        finally:
            browser.quit()


@contextlib.contextmanager
def shape_settings(shape):
    if shape == "embedded":
        yield {}
        return
    with harness.database("millpond_oidc") as database_url, harness.redis_database(REDIS_DATABASE) as redis_url:
        yield {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


class OidcServer(harness.Server):
    """A server that knows its own address before it starts, because the provider must send browsers back to it."""

    def __init__(self, binary, home, settings):
        port = harness.free_port()
        redirect = f"http://127.0.0.1:{port}/api/auth/oidc/test-id/callback"
        super().__init__(binary, home, settings | {"OIDC_REDIRECT_URI": redirect}, port)


def check_shape(binary, shape, with_browser):
    checks, provider = Checks(), Provider()
    oidc = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": "millpond-secret",
            "OIDC_NAME": "Test ID", "SIGN_IN_TIMEOUT_SECONDS": "5", "LOG_LEVEL": "WARNING"}
    with shape_settings(shape) as settings, tempfile.TemporaryDirectory(prefix="millpond-") as home:
        server = OidcServer(binary, home, settings | oidc)
        try:
            server.wait_until_ready()
            # Names and addresses match nobody: this member's are those of the person at the provider.
            server.command("user", "create", "member", "--password-stdin", text=PASSWORD)
            check_round_trip(checks, server, provider)
            check_states(checks, server, provider)
            check_bent_tokens(checks, server, provider)
            check_rotation(checks, server, provider)
            if with_browser:
                check_browser(checks, server)
            provider.stop()
            status, answer, _ = call(server, "GET", "/api/auth/oidc/test-id/login")
            checks.expect("an old description does while the provider is away", 200, status)
            server.stop()
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()
    print(f"{shape}: {checks.passed} passed, {checks.failed} failed")
    return not checks.failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--shape", choices=["embedded", "clustered"])
    parser.add_argument("--no-browser", action="store_true")
    arguments = parser.parse_args()
    shapes = [arguments.shape] if arguments.shape else ["embedded", "clustered"]
    # One shape is enough for the browser: it can't see which one it talks to.
    results = [check_shape(arguments.binary, shape, shape == shapes[0] and not arguments.no_browser) for shape in shapes]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
