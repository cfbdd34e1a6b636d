# SPDX-License-Identifier: Apache-2.0
"""eval: every figure against NumPy, from the logits that `run --logits` writes for the same windows."""

import json
import os
import pty
import subprocess

import numpy as np
import tiny_llama
from harness import BACKENDS, COMMAND, Case

TEXT = "hello world, hello; the world or a hell of words?\n\tWorlds of words. " * 5
# The same logits in two ways: steps of other lengths sum in another order. 1e-6 of logits up to 6, and sums of them in f64.
TOLERANCE = 1e-5


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def words(raw):
    return len(raw.split())


class Eval(Case):
    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"))
        self.write("t.txt", TEXT)
        self.ids = [int(i) for i in self.text("tokenize", "m.oinf", stdin=TEXT.encode()).strip().split(",")]

    def logits(self, ids, *flags):
        self.works("run", "m.oinf", "--prompt-ids", ",".join(map(str, ids)), "--ids", "-n", 0, "--logits", "l.npy", *flags)
        return np.load(self.path("l.npy")).astype(np.float64)

    def rows(self, window, overlap, *flags):
        """(logits, next token) of each scored row, and the span of tokens that each window scores."""
        logits, targets, spans = [], [], []
        begins = range(0, len(self.ids) - 1, window // 2) if overlap else range(0, len(self.ids) - window + 1, window)
        done = 1
        for begin in begins:
            part = self.ids[begin:begin + window]
            if overlap and begin + len(part) <= done:
                break
            first = done - begin if overlap else window // 2 + 1  # the first token that is scored
            logits.append(self.logits(part, *flags)[first - 1:-1])
            targets += part[first:]
            spans.append((begin, begin + first, begin + len(part)))
            done = begin + len(part)
        return np.concatenate(logits), np.array(targets), spans

    def measure(self, *flags):
        return json.loads(self.text("eval", "m.oinf", "--text", "t.txt", "--json", *flags))

    def check(self, found, window, overlap, *flags):
        logits, targets, spans = self.rows(window, overlap, *flags)
        nll = -log_softmax(logits)[np.arange(len(targets)), targets]
        self.assertEqual((found["tokens"], found["window"], found["windows"], found["scored_tokens"]), (len(self.ids), window, len(spans), len(targets)))
        raw = [self.works("detokenize", "m.oinf", ",".join(map(str, self.ids[begin:end]))) for begin, _, end in spans]
        before = [self.works("detokenize", "m.oinf", ",".join(map(str, self.ids[begin:first]))) for begin, first, _ in spans]
        count_bytes = sum(map(len, raw)) - sum(map(len, before))
        count_words = sum(map(words, raw)) - sum(map(words, before))
        self.assertEqual((found["scored_bytes"], found["scored_words"]), (count_bytes, count_words))
        error = np.std(nll) / np.sqrt(len(nll) - 1)
        for key, expected in (("nll", nll.mean()), ("perplexity", np.exp(nll.mean())), ("perplexity_error", np.exp(nll.mean()) * error), ("word_perplexity", np.exp(nll.sum() / count_words)),
                              ("byte_perplexity", np.exp(nll.sum() / count_bytes)), ("bits_per_byte", nll.sum() / np.log(2) / count_bytes)):
            np.testing.assert_allclose(found[key], expected, rtol=TOLERANCE, err_msg=key)

    def test_side_by_side(self):
        for window in (32, 64):
            found = self.measure("--max-context", window, "--backend", "sim")
            self.assertIn("backend sim", self.stderr)
            self.check(found, window, False, "--backend", "sim")

    def test_overlapping(self):
        for window in (32, 50):
            found = self.measure("--max-context", window, "--backend", "sim", "--overlap")
            self.check(found, window, True, "--backend", "sim")
            self.assertEqual(found["scored_tokens"], len(self.ids) - 1)
            self.assertEqual(found["scored_words"], words(TEXT.encode()) - 1)  # the first begins with the token that nothing is before

    def test_compiled_in_several_steps(self):
        """A window of more rows than one step takes, and a text of one window."""
        self.write("t.txt", TEXT * 4)
        self.ids = [int(i) for i in self.text("tokenize", "m.oinf", stdin=(TEXT * 4).encode()).strip().split(",")]
        self.assertGreater(len(self.ids), 700)
        found = self.measure("--max-context", 700)
        self.assertIn("backend cpu", self.stderr)
        self.check(found, 700, False)
        found = self.measure("--max-context", 1024, "--overlap", "--backend", "sim")
        if len(self.ids) <= 1024:
            self.assertEqual((found["windows"], found["scored_tokens"]), (1, len(self.ids) - 1))

    def test_against_itself_there_is_no_difference(self):
        found = self.measure("--max-context", 64, "--backend", "cpu", "--against", "cpu")["against"]
        self.assertEqual((found["backend"], found["numerics"], found["kl_mean"], found["kl_max"], found["top1_agreement"], found["logit_error_max"]), ("cpu", "strict", 0, 0, 1, 0))

    def test_strict_backends_agree(self):
        """As run_test.py holds compiled logits: 2e-4."""
        for backend in BACKENDS:
            found = self.measure("--max-context", 64, "--backend", backend, "--against", "sim")["against"]
            self.assertLess(found["logit_error_max"], 2e-4, backend)
            self.assertLess(found["kl_max"], 1e-7, backend)

    def test_bf16_is_between_strict_and_fast(self):
        tiny_llama.write(self.path("m.oinf"), dtypes={key: "q8_0" for key in tiny_llama.matrices()})
        against = ["--max-context", 64, "--against", "cpu", "--backend", "cpu", "--kv-dtype", "f32", "--numerics"]
        bf16, fast = (self.measure(*against, numerics)["against"] for numerics in ("bf16", "fast"))
        here = json.loads(self.text("devices", "this-cpu", "--json"))
        if here["bf16_dot"]:
            self.assertGreater(bf16["kl_mean"], 0)
            self.assertLess(bf16["kl_mean"], fast["kl_mean"] / 4)
        itself = self.measure("--max-context", 64, "--backend", "cpu", "--numerics", "bf16", "--against", "cpu:bf16")["against"]
        self.assertEqual((itself["numerics"], itself["kl_max"]), ("bf16", 0))

    def test_against_another_backend(self):
        tiny_llama.write(self.path("m.oinf"), dtypes={key: "q8_0" for key in tiny_llama.matrices()})
        window = 64
        found = self.measure("--max-context", window, "--backend", "cpu", "--numerics", "fast", "--against", "sim")
        other, targets, _ = self.rows(window, False, "--backend", "cpu", "--numerics", "fast")
        reference, _, _ = self.rows(window, False, "--backend", "sim")
        p, q = log_softmax(reference), log_softmax(other)
        kl = (np.exp(p) * (p - q)).sum(-1)
        nll = -p[np.arange(len(targets)), targets]
        same = (reference.argmax(-1) == other.argmax(-1)).mean()
        against = found["against"]
        self.assertEqual((against["backend"], against["numerics"], found["backend"], found["numerics"]), ("sim", "strict", "cpu", "fast"))
        self.assertGreater(kl.mean(), 1e-6)  # or there is nothing to compare
        # Fast rounds what it reads: a row of another step's length may round otherwise, which strict ones cannot show.
        for key, expected in (("kl_mean", kl.mean()), ("kl_max", kl.max()), ("kl_99_percent", np.percentile(kl, 99, method="inverted_cdf")), ("kl_mean_error", np.std(kl) / np.sqrt(len(kl) - 1)),
                              ("perplexity", np.exp(nll.mean())), ("logit_error_max", np.abs(reference - other).max()), ("logit_max", np.abs(reference).max())):
            np.testing.assert_allclose(against[key], expected, rtol=1e-3, err_msg=key)
        self.assertAlmostEqual(against["top1_agreement"], same, delta=1.5 / len(kl))

    def test_help_names_every_backend_with_its_numerics(self):
        text = self.run_cli("eval", "--help")[1].decode()
        for numerics in ("bf16", "fast"):
            for backend in ("cpu", "vulkan"):
                self.assertIn(f"{backend}:{numerics}", text)

    def test_begin_token(self):
        """Of each window instead of its first token, which side by side is never scored."""
        import opnf
        source = self.path("m.oinf")
        tiny_llama.write(source)
        writer_tokenizer = opnf.Writer.tokenizer
        def with_begin(writer, key, value, *rest):
            writer_tokenizer(writer, key, True if key == "add_bos" else value, *rest)
            if key == "add_bos":
                writer_tokenizer(writer, "bos_id", tiny_llama.IM_START, "i32")
        opnf.Writer.tokenizer = with_begin
        try:
            tiny_llama.write(source)
        finally:
            opnf.Writer.tokenizer = writer_tokenizer
        ids = [int(i) for i in self.text("tokenize", "m.oinf", stdin=TEXT.encode()).strip().split(",")]
        self.assertEqual(ids, [tiny_llama.IM_START, *self.ids])
        found = self.measure("--max-context", 64, "--backend", "sim")
        rows = []
        for begin in range(0, len(ids) - 63, 64):
            part = [tiny_llama.IM_START, *ids[begin + 1:begin + 64]]
            rows += list(-log_softmax(self.logits(part, "--backend", "sim"))[np.arange(63), part[1:]][32:])
        np.testing.assert_allclose(found["nll"], np.mean(rows), rtol=TOLERANCE)

    def test_for_people(self):
        out = self.text("eval", "m.oinf", "--text", "t.txt", "--max-context", "64", "--backend", "sim", "--against", "cpu")
        found = self.measure("--max-context", "64", "--backend", "sim", "--against", "cpu")
        for part in (f"windows of 64; of each the second half is scored, of the last {len(self.ids) % 64} tokens none", f"perplexity {found['perplexity']:.4f} ± ", "per byte of",
                     "against cpu (strict): perplexity", "KL divergence", "same most probable   100.000 ±", "largest logit error"):
            self.assertIn(part, out)
        self.assertNotIn("\r", self.stderr)  # no terminal, no bar

    def test_progress_on_a_terminal(self):
        leader, follower = pty.openpty()
        command = [COMMAND, "eval", self.path("m.oinf"), "--text", self.path("t.txt"), "--backend", "sim", "--max-context", "16"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=follower, check=False)
        os.close(follower)
        shown = os.read(leader, 1 << 16).decode()
        os.close(leader)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(shown, r"\r.*window \d+ of \d+: perplexity [0-9.]+ ± ")

    def test_refused(self):
        self.write("short.txt", "h")
        self.write("empty.txt", "")
        for name, tokens in (("short.txt", 1), ("empty.txt", 0)):
            self.fails("eval", "m.oinf", "--text", name, says=[name, f"{tokens} tokens", "a longer text"])
        self.fails("eval", "m.oinf", "--text", "t.txt", "--max-context", 2, says=["score none", "--max-context"])
        self.fails("eval", "m.oinf", "--text", "t.txt", "--max-context", 5000, says=["5000", str(tiny_llama.CTX)])
        self.fails("eval", "m.oinf", "--text", "absent.txt", says=["absent.txt", "No such file"])
        self.fails("eval", "m.oinf", says=["eval: --text"], code=2)
        self.assertIn("{sim,cpu,cpu:bf16,cpu:fast,vulkan,vulkan:bf16,vulkan:fast}", self.text("eval", "--help"))
        for wrong in ("gpu", "cpu:quick", "cpu:", "sim:fast:"):
            self.fails("eval", "m.oinf", "--text", "t.txt", "--against", wrong, says=[f"'{wrong}' is not BACKEND[:NUMERICS]"], code=2)
        self.fails("eval", "m.oinf", "--text", "t.txt", "--against", "sim:fast", says=["eval: --against", "simulator is the reference"], code=2)
        self.fails("eval", "m.oinf", "--text", "t.txt", "--against", "sim:bf16", says=["eval: --against", "simulator is the reference"], code=2)
        tiny_llama.write(self.path("bare.oinf"), tokenizer=False)
        self.fails("eval", "bare.oinf", "--text", "t.txt", says=["has no tokenizer"])


if __name__ == "__main__":
    import unittest
    unittest.main()
