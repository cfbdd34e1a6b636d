# SPDX-License-Identifier: Apache-2.0
"""SmolLM2 compiled, by `run` and emitted, for this CPU and for lavapipe: the simulator's tokens (README.md: the margin rule)."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
COMMAND = os.environ["OPENINFER_COMMAND"]
PACKAGE = os.environ.get("OPENINFER_SMOLLM2", os.path.join(HERE, "../../build/models/smollm2.oinf"))
with open(os.path.join(HERE, "smollm2_oracle.json"), encoding="utf-8") as file:
    ORACLE = json.load(file)
PROMPTS = {prompt["name"]: prompt for prompt in ORACLE["prompts"]}


def command(*arguments):
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=1500, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


def ids(tokens):
    return ",".join(map(str, tokens))


class Compiled(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        cls.home = home.name

    def logits(self, prompt, *run):
        """Logits behind the prompt and behind each token of the answer but the last, in one pass."""
        path = os.path.join(self.home, "l.npy")
        command(*run, "--prompt-ids", ids(prompt["prompt_ids"] + prompt["tokens"][:-1]), "--logits", path)
        logits = np.load(path)
        self.assertEqual(len(logits), len(prompt["prompt_ids"]) + len(prompt["tokens"]) - 1)
        return logits

    def simulated(self, prompt):
        """Once for all tests of this process: a file, since the largest has 88 MB."""
        path = os.path.join(tempfile.gettempdir(), f"compiled_test.{os.getpid()}.{prompt['name']}.npy")
        if not os.path.exists(path):
            command(COMMAND, "run", PACKAGE, "--backend", "sim", "-n", 0, "--prompt-ids", ids(prompt["prompt_ids"] + prompt["tokens"][:-1]), "--logits", path)
            unittest.addModuleCleanup(os.remove, path)
        return np.load(path)

    def check_pass(self, prompt, *run):
        """Every token of the answer is the best one behind what is before it, and no margin is near the error."""
        found, simulated = self.logits(prompt, *run), self.simulated(prompt)
        error = np.abs(found - simulated).max()
        # The oracle's own tolerance: float32 in another order, 1e-4 in any logit, and five times that for angles.
        self.assertLess(error, ORACLE["logit_tolerance"])
        answer = slice(len(prompt["prompt_ids"]) - 1, None)
        self.assertEqual(simulated[answer].argmax(1).tolist(), prompt["tokens"])
        # Tokens must agree where the best two logits are more than ten errors apart. They are, everywhere.
        self.assertGreater(min(prompt["margins"]), 10 * error)
        self.assertEqual(found[answer].argmax(1).tolist(), prompt["tokens"])
        print(f"{prompt['name']}: {len(found)} positions, largest difference of a logit {error:.1e}", file=sys.stderr)

    def check_decoding(self, prompt, count, *run):
        out = command(*run, "--prompt-ids", ids(prompt["prompt_ids"]), "--ignore-eos", "--ids")
        self.assertEqual(out.strip(), ids(prompt["tokens"][:count]))

    def emitted(self, device):
        project = os.path.join(self.home, "project")
        command(COMMAND, "emit", PACKAGE, "--device", device, "-o", project)
        command("cmake", "-S", project, "-B", os.path.join(project, "b"))
        command("cmake", "--build", os.path.join(project, "b"), "-j2")
        return [os.path.join(project, "b/model"), PACKAGE]


class Cpu(Compiled):
    RUN = [COMMAND, "run", PACKAGE, "--backend", "cpu", "-n"]

    def test_every_position(self):
        for name, prompt in PROMPTS.items():
            with self.subTest(name):
                self.check_pass(prompt, *self.RUN, 0)

    def test_decoding(self):
        for name, prompt in PROMPTS.items():
            with self.subTest(name):
                self.check_decoding(prompt, 64, *self.RUN, 64)

    def test_emitted(self):
        model = self.emitted("this-cpu")
        self.check_pass(PROMPTS["multilingual"], *model, "--generate", 0)
        self.check_decoding(PROMPTS["chat"], 64, *model, "--generate", 64)


class Vulkan(Compiled):
    RUN = [COMMAND, "run", PACKAGE, "--backend", "vulkan", "-n"]

    def test_every_position(self):
        for name, prompt in PROMPTS.items():
            with self.subTest(name):
                self.check_pass(prompt, *self.RUN, 0)

    def test_decoding(self):
        for name, prompt in PROMPTS.items():
            with self.subTest(name):
                self.check_decoding(prompt, 64, *self.RUN, 64)

    def test_emitted(self):
        model = self.emitted("lavapipe")
        self.check_pass(PROMPTS["multilingual"], *model, "--generate", 0)
        for name, prompt in PROMPTS.items():
            with self.subTest(name):
                self.check_decoding(prompt, 64, *model, "--generate", 64)


class VulkanShort(Compiled):
    """What every run of the tests has time for; class Vulkan is the whole of it."""

    def test_one_prompt(self):
        self.check_pass(PROMPTS["short"], *Vulkan.RUN, 0)


if __name__ == "__main__":
    unittest.main()
