# SPDX-License-Identifier: Apache-2.0
"""--memory-budget: the same answers, a refusal that names the smallest budget, and what it is not for."""

import re
import unittest

import numpy as np

import tiny_llama
from harness import Case

PROMPT = "3,99,7,200,41,5,6,77,12,260,9,31,8,150,2"


class MemoryBudget(Case):
    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"))

    def run_flags(self, backend, *more):
        return ["run", "m.oinf", "--backend", backend, "--prompt-ids", PROMPT, "--max-context", "64", "--threads", "2", *more]

    def smallest(self, backend, *more):
        code, out, err = self.run_cli(*self.run_flags(backend, "--memory-budget", "1", *more))
        self.assertEqual((code, out, err.count("\n")), (1, b"", 1), err)
        return int(re.search(r"1 bytes are too few; the smallest memory budget that works is (\d+) \(states \d+", err)[1])

    def test_same_answers(self):
        for backend in ("sim", "cpu"):
            flags = self.run_flags(backend, "-n", "12", "--ids", "--ignore-eos", "--logits", "l.npy")
            ids, logits = self.works(*flags), self.read("l.npy")
            smallest = self.smallest(backend, "-n", "12")
            for budget in (smallest, 2 * smallest, "64MiB"):
                self.assertEqual(self.works(*flags, "--memory-budget", budget), ids)
                self.assertEqual(self.read("l.npy"), logits)

    def test_one_byte_less_is_refused(self):
        for backend in ("sim", "cpu"):
            smallest = self.smallest(backend)
            self.fails(*self.run_flags(backend, "--memory-budget", smallest - 1),
                       says=[f"{smallest - 1} bytes are too few", f"works is {smallest} ("])
            self.works(*self.run_flags(backend, "-n", "1", "--memory-budget", smallest))

    def test_a_larger_cache_needs_more(self):
        """Twice 48 positions of two layers, keys and values, two heads of eight."""
        for backend in ("sim", "cpu"):
            small = self.smallest(backend)
            code, _, err = self.run_cli("run", "m.oinf", "--backend", backend, "--prompt-ids", PROMPT, "--max-context", "112", "--threads", "2", "--memory-budget", "1")
            self.assertEqual(code, 1)
            more = int(re.search(r"works is (\d+)", err)[1]) - small
            self.assertGreaterEqual(more, 48 * 2 * 2 * 2 * 8 * 4)
            self.assertLess(more, 48 * 2 * 2 * 2 * 8 * 4 + 20000)

    def test_values_that_are_no_sizes(self):
        for value in ("0", "-1", "many", "64MB", "1.5", "MiB", "1e9GiB"):
            self.fails("run", "m.oinf", "x", f"--memory-budget={value}", says=["run: --memory-budget", "no size such as 64MiB, 1.5GiB or 4096"], code=2)
            self.fails("emit", "m.oinf", "--device", "this-cpu", "-o", "p", f"--memory-budget={value}",
                       says=["emit: --memory-budget", "no size such as 64MiB, 1.5GiB or 4096"], code=2)

    def test_devices_that_have_none(self):
        self.fails("emit", "m.oinf", "--device", "lavapipe", "-o", "p", "--memory-budget", "1GiB", says=["lavapipe", "a memory budget (--memory-budget) is for CPUs"])
        self.fails("emit", "m.oinf", "--device", "this-cpu", "-o", "p", "--memory-budget", "1KiB", says=["1024 bytes are too few", "smallest memory budget that works is"])

    def test_any_graph(self):
        self.write("g.oig", "oig 1\ndim 1 <= N <= 40\nweight @tok_embeddings : f32[265, 32]\nweight @Wup.0 : f32[32, 64]\n"
                   "graph (ids: i32[N]) -> (y: f32[N, 64]) {\n  x = gather(@tok_embeddings, ids)\n  y = matmul(x, @Wup.0)\n  return y\n}\n")
        np.save(self.path("ids.npy"), np.arange(40, dtype="<i4") * 6)
        for backend in ("sim", "cpu"):
            flags = ["run", "m.oinf", "--graph", "g.oig", "--backend", backend, "--input", "ids=ids.npy", "--output", "y=y.npy", "--threads", "2"]
            self.works(*flags)
            expected = self.read("y.npy")
            code, _, err = self.run_cli(*flags, "--memory-budget", "1")
            self.assertEqual(code, 1)
            smallest = int(re.search(r"works is (\d+)", err)[1])
            code, _, err = self.run_cli(*flags, "--memory-budget", str(smallest))
            self.assertEqual(code, 1, "one row fits, not forty")
            self.assertIn("[budget]", err)
            self.assertIn("N = ", err)
            self.works(*flags, "--memory-budget", "1MiB")
            self.assertEqual(self.read("y.npy"), expected)


if __name__ == "__main__":
    unittest.main()
