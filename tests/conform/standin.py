"""Stands in for Linux.do and GitHub.

Any code `ok-<id>-<name>-<level>` is accepted and yields that person; `html` answers HTML; every other code is refused.
"""

import contextlib
import http.server
import json
import threading
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, content_type="application/json"):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        code = dict(urllib.parse.parse_qsl(body)).get("code", "")
        if code == "html":
            self.answer(200, "<html>maintenance</html>", "text/html")
        elif code.startswith("ok-"):
            tokens = {"access_token": f"at-{code}", "refresh_token": f"rt-{code}", "token_type": "bearer", "expires_in": 3600}
            self.answer(200, tokens)
        elif self.path.startswith("/login"):
            description = "The code passed is incorrect or expired."
            self.answer(200, {"error": "bad_verification_code", "error_description": description})
        else:
            self.answer(400, {"error": "invalid_grant"})

    def do_GET(self):
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        parts = token.removeprefix("at-").split("-")
        if not token.startswith("at-ok-") or len(parts) != 4:
            return self.answer(401, {"message": "Bad credentials"})
        number, name, level = int(parts[1]), parts[2], int(parts[3])
        person = {"id": number, "name": name.title(), "avatar_url": f"https://avatars.example/{number}"}
        if self.path == "/user":
            return self.answer(200, person | {"login": name, "email": None})
        linux_do = {"username": name, "avatar_template": "/u/{size}", "active": True, "trust_level": level, "silenced": False}
        return self.answer(200, person | linux_do)


@contextlib.contextmanager
def standing_in():
    """The settings of a Millpond that signs people in at the stand-in, which runs meanwhile on a free port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield {
            "OAUTH_CLIENT_ID": "linuxdo-client",
            "OAUTH_CLIENT_SECRET": "linuxdo-secret",
            "OAUTH_REDIRECT_URI": "http://localhost:8000/api/auth/callback",
            "OAUTH_AUTHORIZATION_ENDPOINT": f"{base}/oauth2/authorize",
            "OAUTH_TOKEN_ENDPOINT": f"{base}/oauth2/token",
            "OAUTH_USER_INFO_ENDPOINT": f"{base}/api/user",
            "GITHUB_CLIENT_ID": "github-client",
            "GITHUB_CLIENT_SECRET": "github-secret",
            "GITHUB_REDIRECT_URI": "http://localhost:3000/api/auth/github/callback",
            "GITHUB_TOKEN_URL": f"{base}/login/oauth/access_token",
            "GITHUB_USER_API_URL": f"{base}/user",
        }
    finally:
        server.shutdown()
        server.server_close()
