# SPDX-License-Identifier: Apache-2.0
"""emit --memory-budget: a program that streams its weights answers as the one that maps them, with the bits of `run`."""

import os
import re
import subprocess
import unittest

from emitted import COMMAND, NAME, Emitted, build, tiny_llama

PROMPT = "3,99,7,200,41,5,6,77,12,260,9,31,8,150,2"


def q8_0_matrices(path):
    """A tied head, siblings, a family of which half is f16: with panels and without."""
    dtypes = {key: "q8_0" for key in tiny_llama.matrices() if not key.startswith(("Wv", "Wo"))}
    tiny_llama.write(path, dtypes=dtypes)


class Budget(Emitted):
    @classmethod
    def setUpClass(cls):
        emit = cls.make("--name", NAME, "--max-context", "64", "--memory-budget", "200KiB")
        q8_0_matrices(cls.package)
        emit()
        build(cls.project, os.path.join(cls.project, "b"), at_once=True)
        cls.free = os.path.join(cls.home.name, "free")
        subprocess.run([COMMAND, "emit", cls.package, "--device", "this-cpu", "-o", cls.free, "--name", NAME, "--max-context", "64"], check=True, capture_output=True)
        build(cls.free, os.path.join(cls.free, "b"))

    def logits(self, project, package, *flags):
        done = subprocess.run([os.path.join(project, "b", "model"), package, "--prompt-ids", PROMPT, "--generate", "20", "--ignore-eos", "--ids",
                               "--logits", "l.npy", *flags], cwd=self.folder, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, self.read("l.npy")

    def test_same_answer_and_bits(self):
        """Prompts go in the pieces that fit, and to the bit as in one piece, here and in `run`."""
        ids, free = self.logits(self.free, self.package)
        self.works("run", self.package, "--backend", "cpu", "--prompt-ids", PROMPT, "-n", "0", "--max-context", "64", "--logits", "run.npy", "--memory-budget", "200KiB")
        for threads in ("1", "3"):
            found, bound = self.logits(self.project, self.package, "--threads", threads)
            self.assertEqual(found, ids)
            self.assertEqual(bound, self.read("run.npy"))
            self.assertEqual(bound, free)

    def test_plan_says_what_is_streamed(self):
        with open(os.path.join(self.project, "plan.txt"), encoding="utf-8") as file:
            plan = file.read()
        taken = re.search(r"memory budget 204800 B, of which (\d+) B are taken", plan)
        self.assertLessEqual(int(taken[1]), 204800)
        self.assertIn("streamed: lm_head in tiles of", plan)
        self.assertIn("looked up: rows of tok_embeddings", plan)
        self.assertRegex(plan, r"weight +attn_norm.* resident\n")
        explained = self.text("explain", self.project, "matmul_lm_head")
        self.assertIn("matmul", explained)

    def test_a_package_that_is_cut_while_it_is_open_is_an_error(self):
        """Half of the weights are gone before the first step; mapped bytes would be a signal."""
        with open(self.package, "rb") as file:
            whole = file.read()
        cut = self.write("cut.oinf", whole)
        os.truncate(cut, len(whole) - 4096)
        code, _, err = self.model("--prompt-ids", PROMPT, "--generate", "2", package=cut)
        self.assertEqual((code, err.count("\n")), (1, 1), err)


if __name__ == "__main__":
    unittest.main()
