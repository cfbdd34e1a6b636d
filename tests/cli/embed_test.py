# SPDX-License-Identifier: Apache-2.0
"""embed, and run of encoders: transformers' answers for the tiny checkpoints, NumPy's embeddings, and what users do wrong."""

import json
import os
import pty
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
import tiny_bert
import tiny_llama
from harness import BACKENDS, COMMAND, Case

TOLERANCE = 2e-5  # of the scale: tests/models/families/README.md


class Embed(Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.packages = folder.name
        for name, options in {"m": {}, "cls": {"pooling": "cls", "normalize": False}, "bare": {"tokenizer": "bare"}, "plain": {"pooling": None},
                              "roberta": {"family": "roberta", "tokenizer": None}}.items():
            tiny_bert.write(os.path.join(folder.name, name + ".oinf"), **options)

    def package(self, name="m"):
        return os.path.join(self.packages, name + ".oinf")

    def embeddings(self, *arguments, name="m", **keywords):
        return np.array(json.loads(self.text("embed", self.package(name), "--json", *arguments, **keywords))["embeddings"])

    def expected(self, tokens, pooling=lambda rows: rows.mean(0), normalize=True):
        vector = pooling(tiny_bert.hidden(self.package(), tokens))
        return vector / np.linalg.norm(vector) if normalize else vector

    def close(self, found, expected):
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())

    def test_answers_of_transformers(self):
        for family, name in (("bert", "m"), ("roberta", "roberta")):
            answers = tiny_bert.FAMILIES / family
            for backend in BACKENDS:
                self.works("run", self.package(name), "--backend", backend, "--input", f"tok={answers}/tokens.npy", "--input", f"types={answers}/types.npy",
                           "--output", "hidden=h.npy", "--output", "pooled=p.npy")
                self.close(np.load(self.path("h.npy")), np.load(answers / "hidden.npy"))
                self.close(np.load(self.path("p.npy")), np.load(answers / "pooled.npy"))

    def test_logits_are_the_last_hidden_state(self):
        tokens = tiny_bert.ids("abc d")
        for backend in BACKENDS:
            flags = ["run", self.package(), "--backend", backend]
            self.works(*flags, "abc d", "--logits", "text.npy")
            self.works(*flags, "--prompt-ids", ",".join(map(str, tokens)), "--logits", "ids.npy")
            np.testing.assert_array_equal(np.load(self.path("text.npy")), np.load(self.path("ids.npy")))
            self.close(np.load(self.path("ids.npy")), tiny_bert.hidden(self.package(), tokens))

    def test_embeddings(self):
        texts = ["abc d", "x", "", "the quick brown"]
        for backend in BACKENDS:
            found = self.embeddings(*texts, "--backend", backend, "--threads", 1)
            self.assertIn(f"backend {backend}", self.stderr)
            self.close(found, np.array([self.expected(tiny_bert.ids(text)) for text in texts]))
            np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)

    def test_pooling(self):
        """The package's, or the flag's; of length 1 whatever the package says, but with --raw."""
        tokens = tiny_bert.ids("abc d")
        first = self.expected(tokens, lambda rows: rows[0], normalize=False)
        self.close(self.embeddings("abc d", name="cls"), [first / np.linalg.norm(first)])
        self.close(self.embeddings("abc d", "--raw", name="cls"), [first])
        for pooling, rows_to_one in (("cls", lambda rows: rows[0]), ("max", lambda rows: rows.max(0)), ("last", lambda rows: rows[-1]), ("mean", lambda rows: rows.mean(0))):
            self.close(self.embeddings("abc d", "--pooling", pooling), [self.expected(tokens, rows_to_one)])
            self.close(self.embeddings("abc d", "--pooling", pooling, name="plain"), [self.expected(tokens, rows_to_one)])
            self.close(self.embeddings("abc d", "--pooling", pooling, "--raw"), [self.expected(tokens, rows_to_one, normalize=False)])

    def test_lines_of_standard_input(self):
        expected = self.embeddings("abc d", "", "x", "--backend", "sim")
        for text in (b"abc d\n\nx", b"abc d\n\nx\n", b"abc d\r\n\r\nx\r\n"):
            np.testing.assert_array_equal(self.embeddings("--backend", "sim", stdin=text), expected)
        plain = self.text("embed", self.package(), "--backend", "sim", stdin=b"abc d\n\nx")
        np.testing.assert_array_equal(np.array([[float(number) for number in line.split(", ")] for line in plain.splitlines()]), expected)
        self.assertEqual(self.text("embed", self.package(), "--json"), '{"embeddings": []}\n')

    def test_texts_are_taken_as_they_stand(self):
        """Brackets and braces, which a parser of arguments may take for lists, names of commands, and what looks like a flag."""
        texts = ["[a,b]", "[c]", "{}", "run", "-5", "", "a"]
        expected = self.embeddings("--backend", "sim", stdin="\n".join(texts).encode())
        self.assertEqual(len(expected), len(texts))
        np.testing.assert_array_equal(self.embeddings("--backend", "sim", *texts), expected)
        np.testing.assert_array_equal(self.embeddings("--backend", "sim", "--", *texts), expected)
        self.assertEqual(len(self.embeddings("--backend", "sim", "--", "-x", "--json", "--")), 3)

    def test_numbers_read_back_as_the_same_floats(self):
        """In f32's digits, not f64's: the first row as it is, which --logits writes too."""
        flags = ["abc d", "--backend", "sim"]
        found = self.embeddings(*flags, "--raw", name="cls")
        self.works("run", self.package("cls"), *flags, "--logits", "h.npy")
        np.testing.assert_array_equal(found[0].astype("f4"), np.load(self.path("h.npy"))[0])
        self.assertLess(max(len(repr(number)) for number in found[0].tolist()), 16)

    def test_a_text_that_is_too_long_loses_its_end(self):
        found = self.embeddings("ab " * 15, "x")
        self.assertIn(f"text 1 has 32 tokens, the model takes {tiny_bert.MAX_TOKENS}: its end is cut off", self.stderr)
        self.assertNotIn("text 2", self.stderr)
        self.close(found[:1], [self.expected(tiny_bert.ids("ab " * 9))])

    def test_a_text_that_is_not_utf_8(self):
        package = self.package()
        given = self.text("tokenize", package, os.fsdecode(b"\xff\xfe hello"))
        self.assertIn("warning: the text is not UTF-8", self.stderr)
        self.assertEqual(given, self.text("tokenize", package, "hello"))
        self.assertEqual(self.stderr, "")

    def test_packages_that_are_refused(self):
        tiny_llama.write(self.path("llama.oinf"))
        self.fails("embed", "llama.oinf", "x", says=["llama.oinf is no encoder", "(tok, types: i32[N]) -> (hidden: f32[N, D])", "bert and roberta", "logits: f32[R,"])
        self.fails("embed", self.package("roberta"), "x", says=["[embed]", "has no tokenizer"])
        self.fails("embed", self.package("plain"), "x", says=["plain.oinf does not say how rows become one vector", "--pooling mean"])
        self.fails("embed", self.package("bare"), "x", "", says=["text 2 has no tokens"])

    def test_eval_of_an_encoder(self):
        self.write("t.txt", "hello world")
        self.fails("eval", self.package(), "--text", "t.txt", says=["[eval]", "m.oinf is an encoder, which predicts no next token", "openinfer embed"])

    def test_run_of_an_encoder(self):
        package = self.package()
        self.fails("run", package, "x", says=["m.oinf is an encoder", "openinfer embed", "--logits F.npy"])
        self.fails("run", package, "--chat", "x", "--logits", "l.npy", says=["is an encoder"])
        self.fails("run", package, "ab " * 30, "--logits", "l.npy", says=["62 tokens do not fit", "at most 40"])
        self.fails("run", self.package("bare"), "", "--logits", "l.npy", says=["the prompt has no tokens"])
        self.fails("run", package, "--prompt-ids", "64", "--logits", "l.npy", "--backend", "sim", says=["64"])

    def test_wrong_usage(self):
        for arguments, says in ((["x", "--pooling", "sum"], ["embed: --pooling", "sum", "mean"]), (["x", "--threads", "-1"], ["embed: --threads", "-1"]),
                                (["x", "--backend", "cuda"], ["embed: --backend", "cuda"]), (["x", "--jsno"], ["embed: there is no flag --jsno", "--json"]), (["--threads"], ["embed: --threads needs"])):
            self.fails("embed", "absent.oinf", *arguments, says=says, code=2)
        self.fails("embed", "absent.oinf", "a", "-x", says=["embed: there is no flag -x"], code=2)
        self.fails("embed", "absent.oinf", "a", "--", "-x", says=["embed: there is no flag -x"], code=2)
        self.fails("embed", "absent.oinf", "x", "--gpu", "y", says=["embed: --gpu", "--backend vulkan"], code=2)
        self.fails("embed", says=["embed: M"], code=2)
        self.fails("embed", "absent.oinf", "x", says=["absent.oinf", "No such file"])

    def test_no_text_on_a_terminal(self):
        master, terminal = pty.openpty()
        done = subprocess.run([COMMAND, "embed", "absent.oinf"], stdin=terminal, capture_output=True, text=True, check=False)
        os.close(master), os.close(terminal)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("embed: give TEXT…, or one text a line on standard input", done.stderr)

    def test_graph_as_text(self):
        """The graph is found for both names, reads back, and runs from a package that carries it."""
        for name in ("m", "roberta"):
            text = self.text("graph", self.package(name))
            self.assertIn("sdpa(", text)
        shutil.copy(self.package(), self.path("m.oinf"))
        self.works("pack", "m.oinf", "-o", "packed.oinf")
        np.testing.assert_array_equal(self.embeddings("abc", "--backend", "sim"), np.array(json.loads(self.text("embed", "packed.oinf", "abc", "--json", "--backend", "sim"))["embeddings"]))
        self.assertIn("graph of the package", self.stderr)


if __name__ == "__main__":
    unittest.main()
