"""`millpond demo` for the tests of SDKs: started once a class, ended with it."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402

# A call is on record before the last byte leaves; reading it takes a moment.
RECORD_SECONDS = 5


class DemoCase(unittest.TestCase):
    binary = None

    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory(prefix="millpond-")
        cls.addClassCleanup(cls.home.cleanup)
        cls.log = open(pathlib.Path(cls.home.name) / "demo.log", "w+")
        cls.addClassCleanup(cls.log.close)
        cls.process = subprocess.Popen(
            [cls.binary, "demo", "--port", "0", "--json"],
            cwd=cls.home.name,
            env=harness.environment(cls.home.name, {}),
            stdout=subprocess.PIPE,
            stderr=cls.log,
            text=True,
        )
        cls.addClassCleanup(cls.stop)
        line = cls.process.stdout.readline()
        if not line:
            cls.log.seek(0)
            raise RuntimeError(f"the demo did not start:\n{cls.log.read()}")
        cls.demo = json.loads(line)

    @classmethod
    def stop(cls):
        cls.process.send_signal(signal.SIGINT)
        try:
            status = cls.process.wait(harness.STOP_SECONDS)
        except subprocess.TimeoutExpired:
            cls.process.kill()
            cls.process.wait()
            raise
        finally:
            cls.process.stdout.close()
        if status not in (0, 130):
            raise RuntimeError(f"the demo ended with {status} on Ctrl-C")

    def rows(self, endpoint):
        """The rows of an endpoint, newest first, as soon as there is one."""
        status, answer = harness.request(self.demo["base_url"], "POST", "/api/auth/login", body=self.demo["member"])
        self.assertEqual(status, 200, answer)
        deadline = time.monotonic() + RECORD_SECONDS
        while True:
            token = answer["access_token"]
            status, logs = harness.request(self.demo["base_url"], "GET", "/api/usage/logs?limit=100", token)
            self.assertEqual(status, 200, logs)
            rows = [row for row in logs["data"] if row["endpoint"].endswith(endpoint)]
            if rows:
                return rows
            self.assertLess(time.monotonic(), deadline, f"no row of {endpoint}")
            time.sleep(0.1)


def main(case, description):
    if len(sys.argv) < 2:
        sys.exit(description)
    case.binary = str(pathlib.Path(sys.argv.pop(1)).resolve())
    # A proxy of the machine has no business between the SDK and a server on it.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    unittest.main(verbosity=2)
