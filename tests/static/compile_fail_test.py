# SPDX-License-Identifier: Apache-2.0
"""What the typed layer refuses does not compile, and the compiler says why, on the user's line."""

import pathlib
import re
import shutil
import subprocess
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE / "misfits.inc"
INCLUDE = HERE.parent.parent / "include"


def compilers():
    return [compiler for compiler in ("g++", "clang++") if shutil.which(compiler)]


def compile_with(compiler, fits):
    return subprocess.run([compiler, "-std=c++20", "-fsyntax-only", "-w", "-ferror-limit=0" if compiler == "clang++" else "-fmax-errors=0",
                           f"-DFITS={int(fits)}", f"-I{INCLUDE}", "-x", "c++", str(SOURCE)], capture_output=True, text=True, timeout=300, check=False)


class CompileFail(unittest.TestCase):
    def test_there_is_a_compiler(self):
        self.assertTrue(compilers())

    def test_without_mistakes_it_compiles(self):
        for compiler in compilers():
            done = compile_with(compiler, True)
            self.assertEqual(done.returncode, 0, done.stderr[:4000])

    def test_each_mistake_is_told(self):
        lines = SOURCE.read_text(encoding="utf-8").splitlines()
        mistakes = [(number, re.search(r"// error: (.*)", line)[1].split(" | ")) for number, line in enumerate(lines, 1) if "// error: " in line]
        self.assertGreater(len(mistakes), 9)
        for compiler in compilers():
            done = compile_with(compiler, False)
            self.assertNotEqual(done.returncode, 0)
            said = done.stderr.replace("openinfer::typed::detail::", "").replace("> >", ">>")
            for number, texts in mistakes:
                with self.subTest(compiler=compiler, line=number):
                    self.assertTrue(re.search(rf"misfits\.inc:{number}:\d+: ", said), "the line is not named")
                    for text in texts:
                        self.assertTrue(text in said, text)
            told = len(re.findall(r"static.assert\w* (?:failed|failed due)", done.stderr))
            self.assertGreaterEqual(told, len(mistakes))


if __name__ == "__main__":
    unittest.main()
