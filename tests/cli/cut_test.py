# SPDX-License-Identifier: Apache-2.0
"""A package that is cut while the command computes on it: one line, exit code 1, no output file, whatever runs the step."""

import unittest

import cutting
from harness import COMMAND, Case


class Cut(Case):
    def cut(self, *flags):
        cutting.write_package(self.path("m.oinf"))
        cutting.write_input(self.path("x.npy"))
        self.write("g.oig", cutting.GRAPH)
        command = [COMMAND, "run", "m.oinf", "--graph", "g.oig", "--input", "x=x.npy", "--output", "y=y.npy", "--threads", "2", *flags]
        code, out, err = cutting.cut_while_running(command, self.path("m.oinf"), self.folder)
        self.assertEqual((code, out), (1, b""), err)
        errors = [line for line in err.splitlines() if "error" in line]
        self.assertEqual(len(errors), 1, err)
        # A page that is gone (the signal), or a length that is found out before the next page.
        self.assertRegex(errors[0], r"^openinfer: error: .*\bm\.oinf\b.*\bcut\b.* while (it was )?open")
        self.assertNotIn(self.path("y.npy"), self.files())

    def test_in_the_simulator(self):
        self.cut("--backend", "sim")

    def test_in_compiled_kernels(self):
        self.cut("--backend", "cpu")


if __name__ == "__main__":
    unittest.main()
