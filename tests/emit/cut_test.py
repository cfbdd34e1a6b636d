# SPDX-License-Identifier: Apache-2.0
"""A package that is cut while an emitted program computes on it: one line, exit code 1, no output file."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
import cutting  # noqa: E402
from emitted import NAME, Emitted, build  # noqa: E402


class Cut(Emitted):
    @classmethod
    def setUpClass(cls):
        graph = os.path.join(cls.enterClassContext(tempfile.TemporaryDirectory()), "g.oig")
        emit = cls.make("--graph", graph, "--name", NAME)
        with open(graph, "w", encoding="utf-8") as file:
            file.write(cutting.GRAPH)
        cutting.write_package(cls.package)
        emit()
        build(cls.project, os.path.join(cls.project, "b"))

    def test_within_a_step(self):
        cutting.write_input(self.path("x.npy"))
        command = [os.path.join(self.project, "b", "model"), self.package, "--input", "x=x.npy", "--output", "y=y.npy", *map(str, self.FLAGS)]
        code, out, err = cutting.cut_while_running(command, self.package, self.folder)
        self.assertEqual((code, out, err.count("\n")), (1, b"", 1), err)
        self.assertRegex(err, rf"^model: error: .*{self.package}.*\bcut\b.* while (it was )?open")
        self.assertEqual(self.files(), [self.path("x.npy")])


if __name__ == "__main__":
    unittest.main()
