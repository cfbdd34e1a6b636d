# SPDX-License-Identifier: Apache-2.0
"""explain: from emitted kernels to the lines of the graph's source and back; data from the emitted folder alone."""

import json
import os
import re
import shutil
import unittest

import tiny_llama
from harness import Case

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LLAMA = os.path.join(ROOT, "include", "openinfer", "models", "llama.h")
GRAPH = """oig 1
dim 1 <= N <= 40
state $sum : tensor(f32, shape=[64])
graph (x: f32[N, 64], add: f32[64]) -> (z: f32[N, 64], kept: f32[64]) {
  y = x * 2
  z = tanh(y)
  old = state_read($sum)
  kept = old + add
  state_write($sum, kept)
  return z, kept
}
"""


def line_of(text):
    """The only line of llama.h that holds the text: its number and what it says."""
    with open(LLAMA, encoding="utf-8") as file:
        found = [(number, line.strip()) for number, line in enumerate(file, 1) if text in line]
    assert len(found) == 1, found
    return found[0]


class Explain(Case):
    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"))
        self.works("emit", "m.oinf", "--device", "x86-64-v3", "--name", "tiny", "-o", "p")

    def explain(self, what, *flags):
        return json.loads(self.works("explain", "p", what, "--json", *flags))

    def test_a_kernel_by_its_name_or_file(self):
        number, source = line_of('project(model, a, "o", l)')
        text = self.text("explain", "p", "matmul_Wo", "--source", os.path.dirname(LLAMA))
        self.assertTrue(text.startswith("matmul_Wo: device/matmul_Wo.cpp\n"), text)
        self.assertRegex(text, rf"(?m)^  Wo = matmul +llama.h:{number}  {re.escape(source)}$")
        self.assertRegex(text, rf"(?m)^  residual = add +llama.h:{number}  ")
        self.assertIn("decode, dispatch 6, for l in 0..2 (1 of 2 turns)", text)  # a kernel for each dtype
        self.assertIn("a column's weights lie together", text)
        for name in ("device/matmul_Wo.cpp", "p/device/matmul_Wo.cpp", "matmul_Wo.cpp"):
            self.assertEqual(self.text("explain", "p", name, "--source", os.path.dirname(LLAMA)), text)

    def test_a_kernel_as_json(self):
        found = self.explain("attention")
        self.assertEqual(list(found), ["kernel", "file", "nodes", "dispatches"])
        self.assertEqual(found["file"], "device/attention.cpp")
        self.assertEqual([n["node"] for n in found["nodes"]], ["kv_read, kv_read.1 = kv_read", "attention = sdpa"])
        self.assertEqual([n["source"] for n in found["nodes"]], [None, None])  # no such file here
        (decode,), (prefill,) = found["dispatches"], self.explain("attention_2")["dispatches"]  # a row; tiles of rows
        self.assertEqual(list(decode), ["entry", "number", "inside", "turns", "what", "operands", "bytes", "flops", "reason", "host"])
        self.assertEqual((decode["entry"], prefill["entry"], decode["turns"]), ("decode", "prefill", 2))
        # Two products of 4 heads of 8 over the whole cache; keys and values of one slot, q, y, a position and a slot.
        self.assertEqual(decode["flops"], 4 * 4 * 8 * tiny_llama.CTX)
        self.assertEqual(decode["bytes"], 4 * (2 * 2 * 8 * tiny_llama.CTX + 2 * 32 + 2))
        self.assertEqual(prefill["flops"], 512 * decode["flops"])
        for dispatch, kernel in ((decode, "attention"), (prefill, "attention_2")):
            file, number = dispatch["host"].split(":")
            self.assertIn(f"kernel::{kernel}(", self.read(f"p/{file}").decode().splitlines()[int(number) - 1])
        self.assertNotEqual(decode["host"], prefill["host"])
        self.assertEqual(self.explain(decode["host"])["kernel"], "attention")

    def test_a_line(self):
        number, source = line_of('project(model, h, "gate", l)')
        found = self.explain(f"include/openinfer/models/llama.h:{number}", "--source", ROOT + "/include")
        self.assertEqual((found["line"], found["source"]), (f"llama.h:{number}", source))
        self.assertEqual([d["entry"] for d in found["dispatches"]], ["decode", "prefill"])
        for dispatch in found["dispatches"]:
            self.assertEqual([n["node"] for n in dispatch["nodes"]], ["Wgate = matmul", "gate = silu"])
            self.assertEqual(len(dispatch["kernels"]), 2)
            for kernel in dispatch["kernels"]:
                self.assertTrue(os.path.exists(self.path("p/" + kernel["file"])))
                self.assertIn(f"at llama.h:{number}", self.read("p/" + kernel["file"]).decode())
        text = self.text("explain", "p", f"llama.h:{number}")
        self.assertIn("together with Wup = matmul; mul = mul", text)
        self.assertRegex(text, r"(?m)^    device/matmul_Wgate_Wup.cpp$")
        every = self.text("explain", "p", "llama.h")
        self.assertIn(text, every)
        self.assertIn("decode, dispatch 4, for l in 0..2 (2 times): kv_write\n    together with k = rope\n", every)

    def test_every_line_and_kernel_leads_to_the_other(self):
        for file in sorted(os.listdir(self.path("p/device"))):
            if file.startswith("kernel"):
                continue
            nodes = self.explain("device/" + file)["nodes"]
            self.assertTrue(nodes)
            for node in nodes:
                kernels = [k["file"] for d in self.explain(node["at"])["dispatches"] for k in d["kernels"]]
                self.assertIn("device/" + file, kernels)

    def test_the_example_of_the_help(self):
        """A line that moves takes the example with it."""
        lines = set(re.findall(r"llama\.h:(\d+)", self.text("explain", "--help")))
        self.assertEqual(lines, {str(line_of('project(model, a, "o", l)')[0])})
        text = self.text("explain", "p", f"llama.h:{lines.pop()}", "--source", ROOT + "/include")
        self.assertIn("Wo = matmul", text)

    def test_states_and_copies(self):
        self.write("g.oig", GRAPH)
        self.works("emit", "m.oinf", "--graph", "g.oig", "--device", "x86-64-v3", "-o", "q")
        text = self.text("explain", "q", "g.oig:7")
        self.assertIn("g.oig:7  old = state_read($sum)", text)  # the file lies here
        self.assertIn("copy sum to old, 64 elements", text)
        self.assertIn("512 B", text)
        self.assertEqual(len(json.loads(self.works("explain", "q", "g.oig:5", "--json"))["dispatches"]), 1)

    def test_shaders(self):
        self.works("emit", "m.oinf", "--device", "lavapipe", "-o", "v")
        found = json.loads(self.works("explain", "v", "attention", "--json"))
        self.assertEqual(found["file"], "device/attention.comp")
        file, number = found["dispatches"][0]["host"].split(":")
        self.assertIn("kernels::attention", self.read(f"v/{file}").decode().splitlines()[int(number) - 1])
        self.assertIn("// attention = sdpa  at llama.h:", self.read("v/device/attention.comp").decode())

    def test_the_folder_alone_is_enough(self):
        text = self.text("explain", "p", "rope")
        shutil.move(self.path("p"), self.path("elsewhere"))
        os.remove(self.path("m.oinf"))
        self.assertEqual(self.text("explain", "elsewhere", "rope"), text)

    def test_what_is_not_there(self):
        number = line_of("x = b.loop(")[0]
        self.fails("explain", "absent", "rope", says=["absent: no such folder"])
        self.fails("explain", "m.oinf", "rope", says=["m.oinf: no folder"])
        os.mkdir(self.path("empty"))
        self.fails("explain", "empty", "rope", says=["empty holds no emitted project", "plan.txt"])
        self.fails("explain", "p", "rop", says=["no kernel 'rop'", "rope"])
        self.fails("explain", "p", "attentoin", says=["no kernel 'attentoin'", "did you mean 'attention'"])
        self.fails("explain", "p", "Wgate", says=["there are matmul_Wgate_Wup"])
        self.fails("explain", "p", f"llama.h:{number}", says=[f"no kernel came from llama.h:{number}", f"{number - 1}, {number + 1}"])
        self.fails("explain", "p", "gemma.h:3", says=["nothing in p came from gemma.h", "llama.h"])
        self.fails("explain", "p", "host/model.cpp:1", says=["host/model.cpp:1 calls no kernel"])
        self.fails("explain", "p", says=["explain: KERNEL_OR_LINE is required"], code=2)
        self.fails("explain", "p", "rope", "--source", "absent", says=["--source absent: no such folder"])
        for number in ("abc", "-1", "0"):
            self.fails("explain", "p", "llama.h:" + number, says=[f"'{number}' of 'llama.h:{number}' is no line number"], code=2)
        self.write("p/plan.txt", "nothing\n")
        self.fails("explain", "p", "rope", says=["p/plan.txt", "no plan.txt", "emit the project again"])


if __name__ == "__main__":
    unittest.main()
