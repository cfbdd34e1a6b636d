# SPDX-License-Identifier: Apache-2.0
"""Emitted programs under ThreadSanitizer, kernels as well: workers that share a step, that lay weights out and that stream them."""

import os
import subprocess
import sys
import unittest

from budget_test import PROMPT, q8_0_matrices
from emitted import Emitted, build

SANITIZED = "-DCMAKE_CXX_FLAGS=-fsanitize=thread -g1"


def is_there() -> bool:
    """Some systems have the compiler's runtime library in a package of its own."""
    compiler = os.environ.get("CXX", "c++").split()
    return subprocess.run([*compiler, "-fsanitize=thread", "-x", "c++", "-", "-o", os.devnull], input=b"int main() {}", capture_output=True, check=False).returncode == 0


class Threads(Emitted):
    def emitted(self, name, *flags, fault=None):
        q8_0_matrices(self.path("m.oinf"))
        self.works("emit", "m.oinf", "--device", "this-cpu", "--name", "sanitized", "--max-context", "64", "-o", name, *flags)
        if fault:
            file, right, wrong = fault
            text = self.read(os.path.join(name, "host", file)).decode()
            self.assertEqual(text.count(right), 1)
            self.write(os.path.join(name, "host", file), text.replace(right, wrong).encode())
        build(self.path(name), self.path(name + "/b"), SANITIZED)
        return self.path(name + "/b/model")

    def generated(self, program, threads):
        return subprocess.run([program, "m.oinf", "--prompt-ids", PROMPT, "--generate", "12", "--ignore-eos", "--ids", "--threads", str(threads)],
                              cwd=self.folder, capture_output=True, text=True, timeout=600, check=False)

    def ids(self, program, threads):
        done = self.generated(program, threads)
        self.assertEqual((done.returncode, "ThreadSanitizer" in done.stderr), (0, False), done.stderr)
        return done.stdout

    def no_races(self, program):
        alone = self.ids(program, 1)
        self.assertRegex(alone, r"^(\d+,){11}\d+$")
        for threads in (2, 5):
            self.assertEqual(self.ids(program, threads), alone)

    def test_weights_laid_out(self):
        self.no_races(self.emitted("rows"))

    def test_weights_streamed(self):
        self.no_races(self.emitted("streamed", "--memory-budget", "200KiB"))

    def test_finds_a_share_that_is_not_waited_for(self):
        program = self.emitted("wrong", fault=("thread_pool.h", "undone_.fetch_sub(done)", "undone_.fetch_sub(done, std::memory_order_relaxed)"))
        # One thread may have run all groups of a loop, where the other had no processor: a run or two may have no race.
        runs = (self.generated(program, 2) for _ in range(30))
        self.assertTrue(any(run.returncode == 66 and "ThreadSanitizer" in run.stderr for run in runs))  # what it ends with


if __name__ == "__main__":
    if not is_there():
        print("skipped: the compiler has no ThreadSanitizer")
        sys.exit(77)
    unittest.main()
