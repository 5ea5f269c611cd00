"""Starts the binary under test, and gives it databases of its own. Used by the Python parts of scripts/test.

TEST_DATABASE_URL and TEST_REDIS_URL say where throw-away servers are; scripts/test starts them. Nothing about what
Millpond answers belongs here: that is in the parts.
"""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import redis

START_SECONDS = 60
STOP_SECONDS = 40


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(home, settings):
    """Only what is given, so that the settings of whoever runs the tests don't leak in."""
    own = {"PATH": os.environ["PATH"], "HOME": str(home), "HOST": "127.0.0.1", "DATA_DIR": str(pathlib.Path(home) / "data")}
    return own | settings


def request(base_url, method, path, token=None, body=None):
    """One call: the status and the JSON of the answer (None if it isn't JSON)."""
    url = urllib.parse.urlsplit(base_url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, None


class Server:
    """`millpond serve` in a directory of its own."""

    def __init__(self, binary, home, settings, port=None):
        self.binary, self.home = pathlib.Path(binary).resolve(), pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        port = port or free_port()
        self.base_url = f"http://127.0.0.1:{port}"
        self.environment = environment(self.home, settings | {"PORT": str(port)})
        self.log = self.home / "server.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve"], cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log_tail()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if request(self.base_url, "GET", "/readyz")[0] == 200:
                    return self
            time.sleep(0.05)
        raise RuntimeError(f"the server was not ready within {START_SECONDS} s:\n{self.log_tail()}")

    def command(self, *arguments, text=None):
        """Runs another command of the binary with this server's settings."""
        done = subprocess.run(
            [self.binary, *arguments], cwd=self.home, env=self.environment, input=text or "", capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"millpond {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def log_tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def stop(self):
        """Asks it to end as an operator would, and insists on an orderly end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server did not stop on SIGTERM:\n{self.log_tail()}") from None
        if status:
            raise RuntimeError(f"the server ended with {status} on SIGTERM:\n{self.log_tail()}")


@contextlib.contextmanager
def serving(binary, settings, instances=1):
    """Servers that share `settings`, all started before the first is waited for. They must end in order, too."""
    with tempfile.TemporaryDirectory(prefix="millpond-") as home:
        servers = [Server(binary, pathlib.Path(home) / str(number), settings) for number in range(instances)]
        try:
            for server in servers:
                server.wait_until_ready()
            yield servers[0] if instances == 1 else servers
            for server in servers:
                server.stop()
        finally:
            for server in servers:
                if server.process.poll() is None:
                    server.process.kill()
                    server.process.wait()


def sql(url, *arguments):
    """psql, which stops at the first error."""
    command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", f"--dbname={url}"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"psql: {done.stderr}")
    return done.stdout.strip()


@contextlib.contextmanager
def database(name):
    """The URL of an empty database that goes away again."""
    server = os.environ["TEST_DATABASE_URL"]
    unique = f"{name}_{os.getpid()}"
    sql(server, f"--command=create database {unique}")
    try:
        yield urllib.parse.urlsplit(server)._replace(path=f"/{unique}").geturl()
    finally:
        sql(server, f"--command=drop database {unique}")


@contextlib.contextmanager
def redis_database(number):
    """The URL of one of the Redis server's numbered databases, emptied before and after."""
    url = urllib.parse.urlsplit(os.environ["TEST_REDIS_URL"])._replace(path=f"/{number}").geturl()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        try:
            yield url
        finally:
            client.flushdb()
