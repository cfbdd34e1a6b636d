# SPDX-License-Identifier: Apache-2.0
"""`openinfer run` on what convert.py makes of each tiny checkpoint of families/, without a flag that says what it is, against the
logits stored there. Prints each family's largest error as a share of its output's scale."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "convert"))
import checkpoints  # noqa: E402
import families_test as conversion  # noqa: E402
import family_models  # noqa: E402
import numpy as np  # noqa: E402
import safetensors.numpy  # noqa: E402

COMMAND = os.environ["OPENINFER_COMMAND"]
FAMILIES = HERE / "families"
GRAPHS = ("llama2", "llama3", "llama-bias-linear", "llama-yarn", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2", "phi3", "phi3-longrope", "mixtral", "qwen3moe", "gpt-oss", "gpt-oss-mxfp4")
T5 = ("t5", "t5-gated")  # two texts in: tensors by name, and a prompt for the encoder
ENCODERS = ("bert", "roberta")  # which give no logits: tests/cli/embed_test.py
# Of the scale. float32's own error is at most 2.1e-6 (families/README.md), and another order of sums has one of that size.
TOLERANCE = 2e-5


class Case(unittest.TestCase):
    BACKEND = ""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    def package(self, name: str, source=None) -> pathlib.Path:
        path = self.folder / f"{name}.oinf"
        done = checkpoints.command(source or FAMILIES / name, "-o", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def with_rope(self, name: str, **changed) -> pathlib.Path:
        """That checkpoint with other rope parameters."""
        source = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        config = json.loads((FAMILIES / name / "config.json").read_text())
        config["rope_parameters"] |= changed
        (source / "config.json").write_text(json.dumps(config))
        shutil.copy(FAMILIES / name / "model.safetensors", source)
        return self.package(source.name, source)

    def run_cli(self, *arguments):
        return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=600, check=False)

    def works(self, *arguments) -> str:
        done = self.run_cli(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def logits(self, package, ids) -> np.ndarray:
        path = self.folder / "logits.npy"
        self.works("run", package, "--backend", self.BACKEND, "-n", 0, "--prompt-ids", ",".join(map(str, ids)), "--logits", path)
        return np.load(path)

    def close(self, name: str, found: np.ndarray, wanted: np.ndarray):
        self.assertEqual(found.shape, wanted.shape)
        scale = np.abs(wanted).max()
        error = np.abs(found - wanted).max() / scale
        print(f"| {name} | {self.BACKEND} | {error:.1e} |", file=sys.stderr)
        self.assertLessEqual(error, TOLERANCE, name)  # a NaN is not

    def check(self, name: str):
        package, ids = self.package(name), np.load(FAMILIES / name / "tokens.npy").tolist()
        self.close(name, self.logits(package, ids), np.load(FAMILIES / name / "logits.npy"))
        if (FAMILIES / name / "short_tokens.npy").exists():  # a session that stays within the original context
            short = np.load(FAMILIES / name / "short_tokens.npy").tolist()
            self.close(f"{name}, short", self.logits(package, short), np.load(FAMILIES / name / "short_logits.npy"))
        self.check_decoding(package, ids[:10])

    def check_t5(self, name: str):
        """One step of both texts: the encoder's last hidden state and every logit of the decoder."""
        tokens, source = (np.load(FAMILIES / name / f"{n}.npy") for n in ("tokens", "source"))
        N, S = len(tokens), len(source)
        inputs = {"tok": tokens, "pos": np.arange(N), "slot": np.zeros(N), "rows": np.arange(N), "source": source, "source_slot": np.array(0),
                  "source_end": np.full(N, S - 1)}
        arguments = ["--dim", f"ctx={N}", "--dim", f"src={S}", "--dim", "slots=1"]
        for key, value in inputs.items():
            np.save(self.folder / f"{key}.npy", value.astype("<i4"))
            arguments += ["--input", f"{key}={self.folder / key}.npy"]
        outputs = ("logits", "hidden")
        for key in outputs:
            arguments += ["--output", f"{key}={self.folder / key}.npy"]
        package = self.package(name)
        self.works("run", package, "--backend", self.BACKEND, *arguments)
        for key in outputs:
            self.close(f"{name}, {key}", np.load(self.folder / f"{key}.npy"), np.load(FAMILIES / name / f"{key}.npy"))
        self.check_answers(package, source.tolist(), np.load(FAMILIES / name / "answers.npy").tolist())

    def check_answers(self, package, source, answers):
        """A prompt goes through the encoder; the ids are transformers'."""
        for count, answer in zip((24, 9, 3), answers, strict=True):
            prompt = ",".join(map(str, source[:count]))
            out = self.works("run", package, "--backend", self.BACKEND, "-n", len(answer) - 1, "--prompt-ids", prompt, "--ignore-eos", "--ids")
            self.assertEqual([int(i) for i in out.split(",")], answer[1:])

    def check_decoding(self, package, prompt):
        """One token at a time, past the windows: each is the best one behind what is before it, but for twice the error."""
        out = self.works("run", package, "--backend", self.BACKEND, "-n", 12, "--prompt-ids", ",".join(map(str, prompt)), "--ignore-eos", "--ids")
        answer = [int(i) for i in out.split(",")]
        self.assertEqual(len(answer), 12)
        rows = self.logits(package, prompt + answer[:-1])[len(prompt) - 1 :]
        for row, chosen in zip(rows, answer):
            self.assertGreaterEqual(row[chosen], row.max() - 2 * TOLERANCE * np.abs(rows).max())


class Compiled(Case):
    def check_all(self, names):
        for name in names:
            with self.subTest(name):
                self.check_t5(name) if name in T5 else self.check(name)

    def deep(self, n_layers: int, full: int) -> tuple:
        """gemma3's layers again and again, each `full`-th one without a window: package and float64's logits by its keys (what
        those formulas are worth, families_test.py of tests/convert asks)."""
        config, weights = conversion.load("gemma3")
        layers = config["num_hidden_layers"]
        config |= {"num_hidden_layers": n_layers, "layer_types": ["full_attention" if l % full == full - 1 else "sliding_attention" for l in range(n_layers)]}
        of = lambda key, l: key.replace(".layers.{}.", f".layers.{l}.")  # noqa: E731
        stacked = {key: w for key, w in weights.items() if ".layers." not in key}
        for key in {re.sub(r"\.layers\.\d+\.", ".layers.{}.", key) for key in weights if ".layers." in key}:
            stacked |= {of(key, l): weights[of(key, l % layers)].copy() for l in range(n_layers)}
        source = self.folder / f"deep{n_layers}"
        source.mkdir()
        safetensors.numpy.save_file(stacked, source / "model.safetensors")
        (source / "config.json").write_text(json.dumps(config))
        package = self.package(f"deep{n_layers}", source)
        ids = np.load(FAMILIES / "gemma3" / "tokens.npy")
        return package, ids.tolist(), family_models.run(checkpoints.Package(package), conversion.logical, {"tokens": ids})["logits"]

    def check_deep(self):
        package, ids, wanted = self.deep(10, 3)
        self.close("gemma3, 10 layers", self.logits(package, ids), wanted)
        self.check_decoding(package, ids[:10])


class Sim(Compiled):
    BACKEND = "sim"

    def test_logits(self):
        self.check_all((*GRAPHS, *T5))

    def test_windows_that_repeat_are_one_loop(self):
        self.check_deep()
        loops = lambda n: len(re.findall(r"^ *for ", self.works("graph", self.deep(n, 3)[0], "--text"), re.MULTILINE))  # noqa: E731
        self.assertEqual([loops(n) for n in (9, 13, 31)], [1, 2, 2])

    def test_every_checkpoint_is_named(self):
        self.assertEqual(sorted([*GRAPHS, *ENCODERS, *T5]), conversion.names())

    def refused(self, package, *says):
        done = self.run_cli("run", package, "--prompt-ids", "1,2", "--ids")
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1), done.stderr)
        for part in (str(package), *says):
            self.assertIn(part, done.stderr)

    def test_no_such_rope(self):
        self.refused(self.with_rope("llama-yarn", rope_type="ntk"), "a llama, whose graph", "not 'ntk'", "--graph F.oig")

    def test_dynamic_scales_nothing_within_the_checkpoint_s_context(self):
        plain, ids = self.with_rope("llama-yarn", rope_type="default"), np.load(FAMILIES / "llama-yarn" / "tokens.npy").tolist()
        np.testing.assert_array_equal(self.logits(self.with_rope("llama-yarn", rope_type="dynamic"), ids), self.logits(plain, ids))


VULKAN = ("gemma3", "gpt2", "phi3-longrope", "mixtral", "qwen3moe", "gpt-oss", "gpt-oss-mxfp4", "t5-gated")  # each something that no other has
# Of those, what the others do not have; gemma3 is in test_windows_that_repeat.
CPU = ("gpt2", "phi3-longrope", "qwen3moe", "gpt-oss-mxfp4", "t5-gated")


class Cpu(Compiled):
    BACKEND = "cpu"

    def test_logits(self):
        self.check_all(CPU)

    def test_windows_that_repeat(self):
        self.check_deep()


class CpuOthers(Compiled):
    BACKEND = "cpu"

    def test_logits(self):
        self.check_all([name for name in (*GRAPHS, *T5) if name not in CPU])


class Vulkan(Compiled):
    BACKEND = "vulkan"

    def test_logits(self):
        self.check_all(VULKAN)

    def test_windows_that_repeat(self):
        self.check_deep()


class VulkanOthers(Compiled):
    BACKEND = "vulkan"

    def test_logits(self):
        self.check_all([name for name in (*GRAPHS, *T5) if name not in VULKAN])


if __name__ == "__main__":
    unittest.main()
