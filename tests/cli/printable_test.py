# SPDX-License-Identifier: Apache-2.0
"""Names and texts that steer a terminal (escape sequences, line ends) are printed as \\x1b."""

import os
import pty
import re
import shutil
import subprocess
import unittest

import tiny_llama  # its import of opnf finds scripts/
import opnf
from harness import COMMAND, Case

EVIL = "a\x1b[31m\x9b2J\x7f\r\nb"
SHOWN = r"a\x1b[31m\xc2\x9b2J\x7f\x0d\nb"
GRAPH = 'oig 1\ngraph (x: f32[2]) -> (y: f32[2]) {\n  y = exp(x) at "\x9b[31mfile\x07":7\n  return y\n}\n'


class Printable(Case):
    def quiet(self, *arguments, code=0, env=None):
        """What it says; nothing of it steers a terminal."""
        got, out, err = self.run_cli(*arguments, env=env)
        self.assertEqual(got, code, err)
        said = out.decode() + err
        self.assertFalse([c for c in said if not c.isprintable() and c not in "\n\t"], said)
        return said

    def test_names_of_files(self):
        name = EVIL + ".oinf"
        tiny_llama.write(self.path(name))
        for command in (["inspect", name], ["verify", name], ["run", name, "--prompt-ids", "1", "-n", "1", "--backend", "sim", "--ids", "--trace", name], ["verify", name + "2"]):
            code = 0 if name in command[1:] and "--trace" not in command else 2 if "--trace" in command else 1
            said = self.quiet(*command, code=code)
            self.assertTrue(SHOWN in said or SHOWN.replace(r"\n", " ") in said, said)  # an error is one line anyhow
        self.quiet("pack", name, "-o", "q\x1b[1m.oinf")
        self.quiet("emit", name, "--device", "x86-64-v3", "-o", "q\x1b[1m", "--name", "m")
        self.assertIn(r"\x1b", self.quiet("convert", "absent\x1b[1m", "-o", "o.oinf", code=1))

    def test_texts_of_a_package(self):
        w = opnf.Writer(self.path("m.oinf"))
        w.meta("general.name", EVIL)
        w.meta("notes", [EVIL, "b"])
        w.dim("N", 1, 2)
        w.write()
        self.assertIn("a\\x1b[31m\\xc2\\x9b2J", self.quiet("inspect", "m.oinf"))

    def test_graphs(self):
        self.write("\x1b.oig", GRAPH.replace("exp", "frob"))
        self.assertIn("\\x1b.oig:3", self.quiet("graph", "--graph", "\x1b.oig", code=1))
        self.write("g.oig", GRAPH)
        text = self.quiet("graph", "--graph", "g.oig")
        self.assertIn("\\xc2\\x9b[31mfile\\x07", text)
        self.write("h.oig", text)
        self.assertEqual(self.quiet("graph", "--graph", "h.oig"), text)
        self.quiet("graph", "--graph", "g.oig", "--dot")

    def test_readme_of_a_project(self):
        """Its commands, as a shell takes them, name the package."""
        for name in ("m.oinf", "my model.oinf", "it's `$(touch x)` \\ \"a\".oinf", "two\nlines\x1b[1m8``.oinf", "-n.oinf", "MODEL_NAME.oinf"):
            tiny_llama.write(self.path(name))
            self.works("emit", f"./{name}", "--device", "x86-64-v3", "--check-data", "-o", "p", "--name", "q")
            readme = self.read("p/README.md").decode()
            self.assertEqual([c for c in readme if not c.isprintable() and c != "\n"], [])
            blocks = re.findall(r"^```\n(b/model .*)\n```$", readme, re.MULTILINE)
            self.assertEqual(len(blocks), 2)
            for block in blocks:
                said = subprocess.run(["bash", "-c", 'mkdir -p b; printf "#!/bin/sh\\nprintf %%s \\"\\$1\\"" > b/model; chmod +x b/model; ' + block], cwd=self.folder, capture_output=True, check=True)
                self.assertEqual(said.stdout.decode().removeprefix("./"), name)
            [string] = re.findall(r'Model::open\("(.*)"\)', readme)
            self.assertEqual(re.sub(r"\\([0-7]{3}|.)", lambda m: chr(int(m[1], 8)) if len(m[1]) == 3 else m[1], string), name)
            self.assertEqual(self.read("p/plan.txt").splitlines()[2], b"")
            self.assertNotIn("x", os.listdir(self.folder))
            shutil.rmtree(self.path("p"))

    def test_what_a_model_says(self):
        """Byte for byte, but on a terminal."""
        tokens = [*tiny_llama.TOKENS]
        tokens[70] = "\x1b[2J"
        tiny_llama.write(self.path("m.oinf"), tokens=tokens)
        self.assertEqual(self.works("detokenize", "m.oinf", "70"), b"\x1b[2J")
        master, terminal = pty.openpty()
        subprocess.run([COMMAND, "detokenize", self.path("m.oinf"), "70"], stdout=terminal, check=True)
        self.assertEqual(os.read(master, 100), b"\\x1b[2J\r\n")
        os.close(master), os.close(terminal)


if __name__ == "__main__":
    unittest.main()
