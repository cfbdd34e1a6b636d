# SPDX-License-Identifier: Apache-2.0
"""--check of models with experts, and of an encoder-decoder: the tiny checkpoints of tests/models/families pass as emitted, and faults in
how a row takes its experts are found at their nodes."""

import functools
import os
import pathlib
import sys
import unittest

import check_test

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "convert"))
from checkpoints import command  # noqa: E402

FAMILIES = pathlib.Path(__file__).resolve().parent.parent / "models" / "families"
FAULTS = [
    ("another expert", "expert_matmul_Wup_exps", r"min\(ids\[first_row\], 5\)", "min(ids[first_row] + 1, 5)", "mul = mul"),
    ("the first expert's rows for all", "expert_matmul_Wdown_exps", r"at = expert \* 32", "at = expert % 2 * 32", "mul.1 = mul"),
    ("a row's weights are left out", "expert_matmul_Wdown_exps", r"total \* reshape\[first_row\]", "total", "mul.1 = mul"),
    ("the first expert instead of the best", "top_k_top_k", r"indices\[to\] = at", "indices[to] = 0", "top_k.1 = top_k"),
    ("weights that do not sum to 1", "div", r"top_k_value / sum|/ sum", "* 1.0f / 0.9f / sum", "div = div"),
]


def convert(family, path):
    done = command(FAMILIES / family, "-o", path)
    if done.returncode != 0:
        raise AssertionError(done.stderr)


class Experts(check_test.Planted):
    test_operators_of_many_kinds = test_llama = test_fast = None

    def program(self, family, *arguments):
        return check_test.Program(self.home, family, functools.partial(convert, family), "--max-context", "40", *arguments)

    def test_mixtral(self):
        self.every_fault(self.program("mixtral"), FAULTS)

    def test_others_pass(self):
        for family, nodes in (("qwen3moe", 52), ("gpt-oss-mxfp4", 116), ("t5-gated", 104)):
            with self.subTest(family):
                program = self.program(family)
                code, out, err = program.check(program.objects + "/model")
                self.assertEqual((code, err), (0, ""))
                self.assertRegex(out, rf"check: {nodes} nodes, \d+ values within bounds\n$")


if __name__ == "__main__":
    unittest.main()
