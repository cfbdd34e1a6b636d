# SPDX-License-Identifier: Apache-2.0
"""A package that is cut while an emitted program computes on it: one line, exit code 1, no output file."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
import cutting  # noqa: E402
from emitted import NAME, Emitted, build  # noqa: E402

# Has no handler of SIGBUS, and none comes where the last page keeps its first bytes: only the model can notice.
USER = rf"""
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "{NAME}.h"

int main(int, char** argv) try {{
  auto model = {NAME}::Model::open(argv[1], {{.threads = 1}});
  std::vector<float> x({cutting.SIDE}), y({cutting.SIDE});
  const std::int64_t shape[] = {{1, {cutting.SIDE}}};
  const {NAME}::Input inputs[] = {{{{"x", "f32", shape, x.data()}}}};
  const {NAME}::Output outputs[] = {{{{"y", y.data(), sizeof(float) * y.size()}}}};
  model.run_step("step", inputs, outputs);
  if (::truncate(argv[1], std::atol(argv[2])) != 0) return 1;
  std::puts("cut");
  model.run_step("step", inputs, outputs);
  std::puts("not noticed");
}} catch (const {NAME}::Error& error) {{
  std::puts(error.what());
}}
"""


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

    def test_between_steps(self):
        """By a byte, of which a user's program hears from the model alone."""
        self.write("g.oig", cutting.graph(1))
        cutting.write_package(self.path("m.oinf"))
        self.works("emit", "m.oinf", "--device", self.DEVICE, "--graph", "g.oig", "--name", NAME, "-o", "p")
        self.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES CXX)\nadd_subdirectory(p p/b)\n"
                   f"add_executable(user user.cpp)\ntarget_link_libraries(user {NAME})\n")
        self.write("user.cpp", USER)
        build(self.folder, self.path("b"), target="user")
        size = os.path.getsize(self.path("m.oinf"))
        done = subprocess.run([self.path("b/user"), "m.oinf", str(size - 1)], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, f"cut\nm.oinf: was cut from {size} to {size - 1} bytes while open\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
