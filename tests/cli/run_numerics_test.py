# SPDX-License-Identifier: Apache-2.0
"""run: what other numerics and caches change, on a tiny llama."""

import json
import os
import re
import tempfile
import unittest
from unittest import mock

import numpy as np
import run_case
import tiny_llama


class Numerics(run_case.RunCase):
    def test_prompt_alone_takes_the_kernels_of_longer_runs(self):
        with tempfile.TemporaryDirectory() as cache, mock.patch.dict(os.environ, XDG_CACHE_HOME=cache):
            for count in (1, 0):
                self.works("run", "m.oinf", "--prompt-ids", "1", "--ids", "-n", count)
                self.assertEqual(len(os.listdir(os.path.join(cache, "openinfer"))), 1)

    def test_fast(self):
        """Products of blocks in integers. Each rounds its activations to 127 steps of the largest of 32: 1/127/√12 of it, 0.7 % of a typical
        element, and so of each product; some ten of them in a row, whose errors add as squares, and a softmax: 2 to 3 %. Logits reach 5.4;
        measured are 0.063 in the mean of squares and 0.66 at most, where attention looks elsewhere."""
        tiny_llama.write(self.path("m.oinf"), dtypes={key: "q8_0" for key in tiny_llama.matrices()})
        prompt = np.random.default_rng(2).integers(0, tiny_llama.VOCAB, 200).tolist()
        flags = ["-n", 0, "--logits"]
        self.run_ids(*flags, "strict.npy", "--backend", "cpu", prompt=prompt)
        self.run_ids(*flags, "fast.npy", "--numerics", "fast", prompt=prompt)
        self.assertIn("backend cpu (compiled for this machine)", self.stderr)
        strict, fast = (np.load(self.path(f)).astype("f8") for f in ("strict.npy", "fast.npy"))
        error = np.sqrt(np.mean((fast - strict) ** 2))
        self.assertLess(error, 0.15)
        self.assertGreater((strict.argmax(1) == fast.argmax(1)).mean(), 0.85)
        here = json.loads(self.text("devices", "this-cpu", "--json"))
        if here["dot4"] != "none":
            self.assertGreater(error, 0.005)  # or nothing was rounded

    def test_fast_is_what_the_device_has(self):
        tiny_llama.write(self.path("m.oinf"), dtypes={key: "q8_0" for key in tiny_llama.matrices()})
        for device, why in (("zen4", "int8 dot: the device has dot4 us"), ("haswell", "int8 dot: the device has dot4 us_sat16"),
                            ("neoverse-v2", "int8 dot: the device has dot4 ss"), ("x86-64-v2", "f32: the device has no integer dot product")):
            self.works("emit", "m.oinf", "--device", device, "--numerics", "fast", "-o", device)
            with open(self.path(f"{device}/plan.txt"), encoding="utf-8") as file:
                plan = file.read()
            self.assertIn(why, plan)
            self.assertIn("f32: f32 has no bytes for integer dot products" if "int8" in why else why, plan)  # the head
            self.assertRegex(plan, r"kv_keys +f16")
        self.works("emit", "m.oinf", "--device", "zen4", "--numerics", "fast", "--kv-dtype", "f32", "-o", "wide")
        with open(self.path("wide/plan.txt"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"kv_keys +f32")

    def test_fast_of_a_packed_graph_has_the_cache_of_fast(self):
        self.works("pack", "m.oinf", "--layout", "panel16", "-o", "packed.oinf")
        self.works("graph", "packed.oinf", "--text", "-o", "own.oig")
        with open(self.path("own.oig"), encoding="utf-8") as file:
            text = file.read()
        self.write("own.oig", text.replace("silu(", "sigmoid("))  # somebody's own graph says itself what its cache is
        self.works("pack", "m.oinf", "--graph", "own.oig", "-o", "own.oinf")
        for package, flags, dtype in (("packed", [], "f16"), ("packed", ["--kv-dtype", "f32"], "f32"), ("own", [], "f32")):
            self.works("emit", f"{package}.oinf", "--device", "zen4", "--numerics", "fast", *flags, "-o", f"{package}{dtype}")
            self.assertTrue(re.search(rf"kv_keys +{dtype}", self.read(f"{package}{dtype}/plan.txt").decode()), package)
        self.fails("emit", "own.oinf", "--device", "zen4", "--kv-dtype", "f16", "-o", "none", says=["the graph of the package declares $kv as f32"])
        ids = [self.run_ids("-n", 8, "--ignore-eos", "--numerics", "fast", "--backend", "cpu"),
               self.text("run", "packed.oinf", "--prompt-ids", "1,2,3", "--ids", "-n", 8, "--ignore-eos", "--numerics", "fast", "--backend", "cpu")]
        self.assertEqual(ids[0], ids[1])

    def test_bf16(self):
        """Both operands of products of many rows are off by at most 2^-8 of themselves, by a third of that on average: 0.2 % of each of some
        ten products in a row, and a softmax; logits reach 5.4. Measured: 0.006 in the mean of squares."""
        tiny_llama.write(self.path("m.oinf"), dtypes={key: "q8_0" for key in tiny_llama.matrices()})
        prompt = np.random.default_rng(2).integers(0, tiny_llama.VOCAB, 200).tolist()
        flags = ["-n", 0, "--logits"]
        self.run_ids(*flags, "strict.npy", "--backend", "cpu", prompt=prompt)
        self.run_ids(*flags, "bf16.npy", "--numerics", "bf16", prompt=prompt)
        self.assertIn("backend cpu (compiled for this machine)", self.stderr)
        strict, bf16 = (np.load(self.path(f)).astype("f8") for f in ("strict.npy", "bf16.npy"))
        error = np.sqrt(np.mean((bf16 - strict) ** 2))
        self.assertLess(error, 0.03)
        self.assertGreater((strict.argmax(1) == bf16.argmax(1)).mean(), 0.95)
        here = json.loads(self.text("devices", "this-cpu", "--json"))
        if here["bf16_dot"] or "16x16x32:bf16:f32" in here["mma"]:
            self.assertGreater(error, 1e-4)  # or nothing was rounded

    def test_bf16_is_what_the_device_has(self):
        tiny_llama.write(self.path("m.oinf"), dtypes={key: "q8_0" for key in tiny_llama.matrices()})
        for device, why in (("zen5", "why: pairs of bf16 with sums in f32"), ("sapphire-rapids", "why: matrix units, 32x32x32 bf16"),
                            ("haswell", "f32: no kernel for the device multiplies bf16 faster than f32"),
                            ("ada-lovelace", "f32: no kernel for the device multiplies bf16 faster than f32")):
            self.works("emit", "m.oinf", "--device", device, "--numerics", "bf16", "-o", device)
            plan = self.read(f"{device}/plan.txt").decode()
            self.assertIn(why, plan)
            self.assertRegex(plan, r"kv_keys +f32")
            self.assertNotIn("int8", plan)

    def test_f16_cache_differs_a_little(self):
        self.run_ids("-n", 0, "--logits", "a.npy")
        self.run_ids("-n", 0, "--logits", "b.npy", "--kv-dtype", "f16")
        difference = np.abs(np.load(self.path("a.npy")) - np.load(self.path("b.npy"))).max()
        self.assertTrue(0 < difference < 0.05, difference)


if __name__ == "__main__":
    unittest.main()
