# SPDX-License-Identifier: Apache-2.0
"""Runs the command that OPENINFER_COMMAND names and looks at its exit code, output and the files it leaves."""

import os
import re
import subprocess
import tempfile
import unittest

COMMAND = os.environ["OPENINFER_COMMAND"]
# Vulkan where the command was built with it: ctest says so.
BACKENDS = ("sim", "cpu") + (("vulkan",) if os.environ.get("OPENINFER_VULKAN") == "1" else ())


class Case(unittest.TestCase):
    """Each test has an empty folder of its own, which is the working directory."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def run_cli(self, *arguments, stdin=b"", stdout=subprocess.PIPE, **options):
        done = subprocess.run([COMMAND, *map(str, arguments)], input=stdin, stdout=stdout, stderr=subprocess.PIPE, cwd=self.folder, timeout=300, **options)
        # Whether a compiler was started depends on what the cache holds already.
        return done.returncode, done.stdout, re.sub(r"(?m)^openinfer: compiling the kernels .*\n", "", done.stderr.decode())

    def works(self, *arguments, stdin=b""):
        """Standard output, as bytes; stderr is kept in self.stderr."""
        code, out, self.stderr = self.run_cli(*arguments, stdin=stdin)
        self.assertEqual(code, 0, self.stderr)
        return out

    def text(self, *arguments, **keywords):
        return self.works(*arguments, **keywords).decode()

    def fails(self, *arguments, says, stdin=b"", code=1):
        """One line of error with all of `says`, nothing on stdout, no new file; `code` is 1, or 2 for wrong usage."""
        before = self.files()
        got, out, err = self.run_cli(*arguments, stdin=stdin)
        self.assertEqual((got, out), (code, b""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("openinfer: error: "), err)
        for part in says:
            self.assertIn(part, err)
        self.assertEqual(self.files(), before)

    def files(self):
        return sorted(os.path.join(root, name) for root, _, names in os.walk(self.folder) for name in names)
