# SPDX-License-Identifier: Apache-2.0
"""SmolLM2 under 32 MiB, a third of its weights: the same tokens, and the whole process stays below 32 + 48 MiB."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
COMMAND = os.environ["OPENINFER_COMMAND"]
PACKAGE = os.environ.get("OPENINFER_SMOLLM2", os.path.join(HERE, "../../build/models/smollm2.oinf"))
sys.path.insert(0, os.path.join(HERE, "..", "emit"))
from emitted import build  # noqa: E402

MiB = 1 << 20
TEXT = ("The sea is salt because rivers carry it there, grain by grain, and the sun takes only the water away. " * 7).strip()


class Budget(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_prompt(self, *arguments):
        """Ids and peak_resident_bytes of a prompt of more than a hundred tokens and an answer."""
        stats = os.path.join(self.folder, "stats.json")
        done = subprocess.run([*map(str, arguments), "--stats", stats, "--ids"], capture_output=True, text=True, timeout=1200, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(stats, encoding="utf-8") as file:
            return done.stdout, json.load(file)["peak_resident_bytes"]

    def prompt_ids(self):
        done = subprocess.run([COMMAND, "tokenize", PACKAGE, TEXT, "--json"], capture_output=True, text=True, check=True)
        ids = json.loads(done.stdout)["ids"]
        self.assertGreater(len(ids), 100)
        return ",".join(map(str, ids))

    def check(self, backend):
        flags = [COMMAND, "run", PACKAGE, "--backend", backend, "--prompt-ids", self.prompt_ids(), "-n", 12, "--ignore-eos", "--max-context", 256]
        expected, free = self.run_prompt(*flags)
        found, bound = self.run_prompt(*flags, "--memory-budget", "32MiB")
        self.assertEqual(found, expected)
        self.assertLess(bound, (32 + 48) * MiB)
        self.assertGreater(free, bound + 20 * MiB)  # or there was nothing to save

    def test_simulator(self):
        self.check("sim")

    def test_cpu(self):
        self.check("cpu")

    def test_emitted(self):
        ids, expected = self.prompt_ids(), None
        for name, flags in (("free", []), ("bound", ["--memory-budget", "32MiB"])):
            project = os.path.join(self.folder, name)
            subprocess.run([COMMAND, "emit", PACKAGE, "--device", "this-cpu", "-o", project, "--max-context", "256", *flags], check=True, capture_output=True)
            build(project, os.path.join(project, "b"), at_once=True)
            run = [os.path.join(project, "b", "model"), PACKAGE, "--prompt-ids", ids, "--generate", 12, "--ignore-eos"]
            found, peak = self.run_prompt(*run)
            expected = expected or found
            self.assertEqual(found, expected)
        self.assertLess(peak, (32 + 48) * MiB)


if __name__ == "__main__":
    unittest.main()
