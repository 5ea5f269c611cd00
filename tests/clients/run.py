#!/usr/bin/env python3
"""The OpenAPI document is valid, and what generators make of it compiles and works against `millpond demo`.

    run.py BINARY WORK_DIRECTORY

node and npm are on the machine; what they need is installed from package-lock.json in the work directory.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import openapi_spec_validator

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "sdk"))
import demo  # noqa: E402

FROM_HERE = ("package.json", "package-lock.json", "tsconfig.json", "use.ts")


class Clients(demo.DemoCase):
    work = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.work.mkdir(parents=True, exist_ok=True)
        cls.document = cls.work / "openapi.json"
        cls.document.write_bytes(subprocess.run([cls.binary, "openapi"], check=True, stdout=subprocess.PIPE).stdout)

    def command(self, *arguments, **options):
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        self.assertEqual(done.returncode, 0, f"{arguments}:\n{done.stdout}")
        return done.stdout

    def person(self):
        return self.demo["base_url"], self.demo["member"]["username"], self.demo["member"]["password"]

    def test_the_document_is_valid(self):
        openapi_spec_validator.validate(json.loads(self.document.read_text()))

    def test_typescript(self):
        self.install_node_packages()
        # A member of a request with a default may be left out.
        generate = ("openapi-typescript", str(self.document), "-o", "schema.d.ts", "--default-non-nullable=false")
        self.command("npx", "--no-install", *generate, cwd=self.work)
        self.command("npx", "--no-install", "tsc", "--project", ".", cwd=self.work)
        told = self.command("node", "out/use.js", *self.person(), cwd=self.work)
        self.assertIn("works", told)

    def install_node_packages(self):
        for name in FROM_HERE:
            shutil.copy(HERE / name, self.work / name)
        lock, installed = self.work / "package-lock.json", self.work / "installed.json"
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            return
        self.command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=self.work)
        shutil.copy(lock, installed)

    def test_python(self):
        package = self.work / "python" / "millpond_client"
        shutil.rmtree(package, ignore_errors=True)
        package.parent.mkdir(exist_ok=True)
        tools = pathlib.Path(sys.executable).parent
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        told = self.command(
            str(tools / "openapi-python-client"), "generate", "--path", str(self.document), "--meta", "none",
            "--output-path", str(package), "--fail-on-warning", env=environment,
        )
        self.assertNotIn("arning", told, "parts of the document were left out")
        self.command(sys.executable, "-m", "compileall", "-q", str(package))
        used = self.command(
            sys.executable, str(HERE / "use.py"), *self.person(), env={**environment, "PYTHONPATH": str(package.parent)}
        )
        self.assertIn("works", used)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    Clients.work = pathlib.Path(sys.argv.pop(2)).resolve()
    demo.main(Clients, __doc__)
