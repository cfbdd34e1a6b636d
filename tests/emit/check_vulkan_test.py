# SPDX-License-Identifier: Apache-2.0
"""--check on a Vulkan device: faults planted in emitted shaders are found at their node and in their file."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
sys.path.insert(0, os.path.dirname(__file__))
import tiny_llama  # noqa: E402
from check_test import some_of  # noqa: E402
from emitted import NAME, build  # noqa: E402
from harness import COMMAND  # noqa: E402
import opnf  # noqa: E402  (tiny_llama knows where it is)

# As in check_test.py: what is wrong, where, the text, what takes its place, the node that must be named.
FAULTS = [
    ("a sign", "rope_kv_write", r"a \* cosine - b \* sine", "a * cosine + b * sine", "kv.keys = kv_write"),
    ("f16 rounded towards zero", "rope_kv_write", r"float16_t\(narrow_f16\((v\[.*?\])\)\)",
     r"float16_t(uintBitsToFloat(floatBitsToUint(\1) & 0xffffe000u))", "kv.values = kv_write"),
    ("eps is dropped", "rms_norm_attn_norm", r" \+ 1e-05", "", "attn_norm = rms_norm"),
    ("the scale of scores", "attention", r"0\.35355338", "0.3535", "attention = sdpa"),
    ("the causal mask off by one", "attention", r"min\(position \+ 1, ctx\)", "min(position + 2, ctx)", "attention = sdpa"),
    ("one subgroup's part is left out", "attention", r"s = 0; s < 4; \+\+s\) \{\n      all \+=", "s = 1; s < 4; ++s) {\n      all +=", "attention = sdpa"),
    ("a residual is missing, in the second layer", "matmul_Wo_4", r"x\[at_2 \+ x_start\] \+ total\[m\]", "total[m]", "residual = add"),
    ("a sign in silu", "matmul_Wgate_Wup_3", r"exp_f32\(-", "exp_f32(", "mul = mul"),
    ("the first column of each lane", "matmul_lm_head", r"k = lane;", "k = lane + 8;", "logits = matmul"),
]


# A place that the graph computes: nobody looks at it before the step, and kernels take the nearest that there is.
COMPUTED = """oig 1
dim 1 <= N <= 6
weight @table : f32[10, 64]
graph (x: f32[N, 10]) -> (y: f32[N, 64]) {
  ids = argmax(x)
  y = gather(@table, ids)
  return y
}
"""


class Project(unittest.TestCase):
    """An emitted project whose shaders can be replaced one by one."""

    @classmethod
    def make(cls, home, *arguments):
        cls.project = os.path.join(home, "p")
        subprocess.run([COMMAND, "emit", cls.package, "--device", "lavapipe", "--check-data", "--name", NAME, "-o", cls.project,
                        *arguments], check=True, capture_output=True)
        cls.build_folder = os.path.join(cls.project, "b")
        build(cls.project, cls.build_folder)

    def check(self, *more):
        done = subprocess.run([os.path.join(self.build_folder, "model"), self.package, "--check", "--validate", *more], capture_output=True,
                              text=True, timeout=300, check=False)
        return done.returncode, done.stdout, done.stderr

    def plant(self, kernel, text):
        """The build compiles the shader."""
        shader = os.path.join(self.project, "device", kernel)
        with open(shader + ".comp", "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run(["cmake", "--build", self.build_folder], check=True, capture_output=True)


class Planted(Project):
    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        cls.package = os.path.join(home.name, "tiny.oinf")
        tiny_llama.write(cls.package)
        cls.make(home.name, "--kv-dtype", "f16", "--max-context", "40")

    def test_every_fault(self):
        code, out, err = self.check()
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"check: \d+ nodes, \d+ values within bounds\n$")
        self.assertEqual(self.check("--timings"), (2, "", "model: error: --timings needs --prompt-ids, --output or --bench\n"))
        for what, kernel, old, new, node in some_of(FAULTS):
            with self.subTest(what, kernel=kernel):
                shader = os.path.join(self.project, "device", kernel)
                shutil.copy(shader + ".spv.inc", shader + ".kept")
                with open(shader + ".comp", encoding="utf-8") as file:
                    text = file.read()
                changed = re.sub(old, new, text)
                self.assertNotEqual(changed, text, f"{kernel}.comp has no {old}")
                try:
                    self.plant(kernel, changed)
                    code, _, err = self.check()
                finally:
                    with open(shader + ".comp", "w", encoding="utf-8") as file:
                        file.write(text)
                    os.replace(shader + ".kept", shader + ".spv.inc")
                    os.utime(shader + ".spv.inc")  # newer than what was built with the fault
                self.assertEqual(code, 1, f"{what} was not found in {kernel}")
                self.assertRegex(err, r"^model: error: check: first out of bounds: .* at llama\.h:\d+, .*: off by .*\n$")
                self.assertIn(f"first out of bounds: {node}", err)
                self.assertIn(f"device/{kernel}.comp", err)


class ComputedPlaces(Project):
    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        cls.package, graph = os.path.join(home.name, "t.oinf"), os.path.join(home.name, "t.oig")
        with open(graph, "w", encoding="utf-8") as file:
            file.write(COMPUTED)
        w = opnf.Writer(cls.package)
        w.tensor("table", "f32", (10, 64), np.random.default_rng(1).normal(size=(10, 64)).astype("<f4"))
        w.write()
        cls.make(home.name, "--graph", graph)

    def test_one_out_of_range_is_reported(self):
        code, _, err = self.check()
        self.assertEqual((code, err), (0, ""))
        with open(os.path.join(self.project, "device/argmax_ids.comp"), encoding="utf-8") as file:
            text = file.read()
        self.assertIn("= -first;", text)
        self.plant("argmax_ids", text.replace("= -first;", "= 10 - first;"))
        code, _, err = self.check()
        self.assertEqual(code, 1)
        self.assertRegex(err, r"^model: error: check: first out of bounds: ids = argmax at t\.oig:5, device/argmax_ids\.comp: off by 10, bound 0")


if __name__ == "__main__":
    unittest.main()
