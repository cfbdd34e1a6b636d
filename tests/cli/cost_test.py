# SPDX-License-Identifier: Apache-2.0
"""cost: figures against what the tiny llama's shapes give, the plan that emit writes, and the roofline's definition."""

import json
import os
import re
import unittest

import tiny_llama
from harness import Case
from tiny_llama import CTX, D, FF, HEAD_DIM, HEADS, KV_HEADS, LAYERS, VOCAB

CONTEXT = 40
BRANCHES = """oig 1
graph (x: f32[64], flag: bool[]) -> (y: f32[64]) {
  y = if flag {
    a = exp(x)
    next a
  } else {
    b = sum(x, axes=[0])
    c = x * b
    d = softmax(c)
    next d
  }
  return y
}
"""


class CostCommand(Case):
    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"))
        self.command = ["cost", "m.oinf", "--device", "zen4", "--max-context", CONTEXT]

    def cost(self, *arguments):
        return json.loads(self.works(*(arguments or self.command), "--json"))

    def test_bytes_and_operations(self):
        decode, prefill = self.cost()["entries"]
        self.assertEqual((decode["name"], prefill["name"]), ("decode", "prefill"))
        self.assertEqual(decode["symbols"], {"N": 1, "R": 1, "slots": 1, "ctx": CONTEXT})
        by_node = {node: n for n in decode["nodes"] for node in n["nodes"]}
        head = by_node["logits = matmul"]
        self.assertEqual((head["times"], head["flops"], head["bytes"]), (1, 2 * D * VOCAB, 4 * (D * VOCAB + D + VOCAB)))
        attention = by_node["attention = sdpa"]
        self.assertEqual((attention["times"], attention["flops"]), (LAYERS, 4 * CONTEXT * HEADS * HEAD_DIM))
        self.assertEqual(attention["bytes"], 4 * (2 * CONTEXT * KV_HEADS * HEAD_DIM + 2 * HEADS * HEAD_DIM + 2))
        for entry in (decode, prefill):
            for key in ("bytes", "flops"):
                self.assertEqual(entry[key], sum(n[key] * n["times"] for n in entry["nodes"]))
        self.assertEqual({n["times"] for n in decode["nodes"]}, {1, LAYERS})

    def test_work_is_that_of_the_plan(self):
        """By matrix units of a GPU too, which want no rows of 8 bits."""
        tiny_llama.write(self.path("m.oinf"), dtypes={key: "q8_0" for key in tiny_llama.matrices()})
        for name, *more in (["zen4"], ["ada-lovelace", "--api", "vulkan", "--numerics", "fast"]):
            flags = ["m.oinf", "--device", name, *more, "--max-context", CONTEXT, "--batch", 1]
            self.works("emit", *flags, "-o", name)
            plan = self.read(f"{name}/plan.txt").decode()
            nodes = [n for e in self.cost("cost", *flags)["entries"] for n in e["nodes"]]
            self.assertEqual([(str(int(n["bytes"])), str(int(n["flops"]))) for n in nodes], re.findall(r"work: .* \((\d+) B, (\d+) FLOP\)", plan))

    def test_memory(self):
        memory = self.cost()["memory"]
        tensors = json.loads(self.works("inspect", "m.oinf", "--tensors", "--json"))["tensors"]
        own = sum(t["size_bytes"] for t in tensors if not t.get("alias_of"))
        self.assertEqual(memory["weights_bytes"], own)
        self.assertEqual(memory["states_bytes"], 2 * 4 * LAYERS * KV_HEADS * CONTEXT * HEAD_DIM)
        self.assertEqual(memory["peak_bytes"], sum(memory[f"{part}_bytes"] for part in ("weights", "constants", "states", "values")))
        half = self.cost(*self.command, "--kv-dtype", "f16")["memory"]
        self.assertEqual(2 * half["states_bytes"], memory["states_bytes"])
        self.assertEqual(self.cost(*self.command, "--batch", 3)["memory"]["states_bytes"], 3 * memory["states_bytes"])
        bound = self.cost(*self.command, "--memory-budget", "256KiB")["memory"]
        self.assertLessEqual(bound["peak_bytes"], 256 << 10)
        self.fails(*self.command, "--memory-budget", "10KiB", says=["smallest memory budget that works"])

    def test_roofline(self):
        flags = [*self.command, "--read-gb-per-s", 2, "--f32-gflop-per-s", 5]
        entries = self.cost(*flags)["entries"]
        for entry in entries:
            for n in entry["nodes"]:
                memory, compute = n["bytes"] / 2e9, n["flops"] / 5e9
                self.assertAlmostEqual(n["seconds"], max(memory, compute) * n["times"], delta=1e-15)
                self.assertEqual(n["limit"], "compute" if compute > memory else "memory")
            self.assertAlmostEqual(entry["seconds"], sum(n["seconds"] for n in entry["nodes"]), delta=1e-12)
            self.assertAlmostEqual(sum(n["share"] for n in entry["nodes"]), 1, delta=1e-9)
        self.assertEqual({n["limit"] for e in entries for n in e["nodes"]}, {"memory", "compute"})

    def test_products_of_bf16_have_a_peak_of_their_own(self):
        tiny_llama.write(self.path("m.oinf"), dtypes={key: "q8_0" for key in tiny_llama.matrices()})
        flags = ["cost", "m.oinf", "--device", "zen5", "--read-gb-per-s", 1e9, "--f32-gflop-per-s", 5, "--max-context", CONTEXT, "--numerics"]

        def seconds_at(peaks, *more):
            """Of the prefill: products, also those that a sum is fused into, take as long as their peak lets them; the rest as f32's does."""
            for n in self.cost(*flags, *more)["entries"][1]["nodes"]:
                peak = next((peaks[node] for node in n["nodes"] if node in peaks), 5)
                self.assertAlmostEqual(n["seconds"], max(n["flops"] / peak, n["bytes"] / 1e9) * 1e-9 * n["times"], delta=1e-12, msg=n["nodes"])

        blocks, head = ["Wq = matmul", "Wo = matmul", "Wgate = matmul", "Wdown = matmul"], "logits = matmul"
        seconds_at(dict.fromkeys([*blocks, head], 44236.8), "bf16")
        seconds_at(dict.fromkeys([*blocks, head], 7), "bf16", "--bf16-gflop-per-s", 7)
        seconds_at(dict.fromkeys(blocks, 3) | {head: 44236.8}, "fast", "--int8-gop-per-s", 3)
        self.assertIn("44236.8 in bf16", self.text(*flags, "bf16"))

    def test_no_peaks_no_times(self):
        flags = ["cost", "m.oinf", "--device", "this-cpu"]
        report = self.cost(*flags)
        self.assertEqual(report["peaks"], {"read_gb_per_s": None, "f32_gflop_per_s": None, "int8_gop_per_s": None, "bf16_gflop_per_s": None})
        self.assertEqual({(n["seconds"], n["limit"], n["share"]) for e in report["entries"] for n in e["nodes"]}, {(None, "unknown", None)})
        self.assertIn("no times: the device's row does not know its peaks", self.text(*flags))

    def test_branches_count_the_dearer_side(self):
        self.write("g.oig", BRANCHES)
        entry = self.cost("cost", "m.oinf", "--graph", "g.oig", "--device", "zen4")["entries"][0]
        sides = [n for n in entry["nodes"] if n["in_branch"]]
        first = [n for n in sides if "a = exp" in n["nodes"]]
        self.assertEqual(len(first), 1)
        rest = [n for n in sides if n not in first]
        outside = sum(n["bytes"] for n in entry["nodes"] if not n["in_branch"])
        self.assertEqual(entry["bytes"], outside + sum(n["bytes"] for n in rest))
        self.assertGreater(entry["bytes"], outside + first[0]["bytes"])

    def test_text_and_page(self):
        text = self.text(*self.command, "--html", "c.html")
        self.assertRegex(text, r"(?m)^decode: N = 1, R = 1, slots = 1, ctx = 40: .* KiB, .* kFLOP; .* us$")
        self.assertRegex(text, r"(?m)^ +\d+  attention +2 .* memory .* attention = sdpa$")
        page = self.read("c.html").decode()
        self.assertEqual((page.count("<svg"), page.count("<table>")), (2, 2))
        self.assertEqual(page.count("<circle"), sum(n["flops"] > 0 for e in self.cost()["entries"] for n in e["nodes"]))
        self.assertNotIn("http", page)

    def test_refusals(self):
        self.fails("cost", "m.oinf", "--device", "zen44", says=["zen44", "zen4"])
        self.fails("cost", "m.oinf", "--device", "zen4", "--max-context", CTX + 1, says=["[cost] max_context 1025"])
        self.fails("cost", "m.oinf", "--device", "ada-lovelace", "--memory-budget", "1MiB", says=["[cost]", "for CPUs"])
        self.fails("cost", "m.oinf", says=["--device is required"], code=2)
        self.fails(*self.command, "--html", "m.oinf", says=["would replace the package"], code=2)
        with open("/dev/full", "wb") as full:
            self.assertEqual(self.run_cli(*self.command, "--html", "full.html", stdout=full)[0], 1)
        self.assertFalse(os.path.exists(self.path("full.html")))
        self.fails(*self.command, "--read-gb-per-s", 0, says=["--read-gb-per-s"], code=2)


if __name__ == "__main__":
    unittest.main()
