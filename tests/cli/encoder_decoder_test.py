# SPDX-License-Identifier: Apache-2.0
"""run on a T5: a prompt is the encoder's text, and the answer stands behind the token that the package names. What it answers is
held to transformers' in tests/models/family_graphs_test.py."""

import json
import shutil
import unittest

import numpy as np
import tiny_bert
from harness import BACKENDS, Case

FOLDER = tiny_bert.FAMILIES / "t5-gated"
VOCAB = ["<pad>", "</s>", "<unk>", *tiny_bert.LETTERS, *("##" + letter for letter in tiny_bert.LETTERS)]
TOKENIZER = tiny_bert.BARE | {
    "added_tokens": [{"id": i, "content": VOCAB[i], "special": True, "normalized": False, "single_word": False, "lstrip": False, "rstrip": False} for i in range(3)],
    "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                       "pair": [], "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
    "model": tiny_bert.BARE["model"] | {"unk_token": "<unk>", "vocab": {token: i for i, token in enumerate(VOCAB)}}}
SOURCE = np.load(FOLDER / "source.npy")
ANSWER = np.load(FOLDER / "answers.npy")[0].tolist()  # to all of SOURCE


def joined(ids):
    return ",".join(map(str, ids))


class EncoderDecoder(Case):
    def setUp(self):
        super().setUp()
        tiny_bert.convert(FOLDER, self.path("m.oinf"))
        self.ids = ["run", "m.oinf", "--prompt-ids", joined(SOURCE), "--ignore-eos", "--ids"]

    def with_tokenizer(self):
        source = self.path("source")
        shutil.copytree(FOLDER, source, ignore=shutil.ignore_patterns("*.npy", "oracle.json"))
        with open(source + "/tokenizer.json", "w", encoding="utf-8") as file:
            json.dump(TOKENIZER, file)
        tiny_bert.convert(source, self.path("text.oinf"))
        return "text.oinf"

    def test_prompt_is_the_source(self):
        for backend in BACKENDS:
            for more in ([], ["--max-context", 21], ["--kv-dtype", "f16"]):
                self.assertEqual(self.text(*self.ids, "-n", 20, "--backend", backend, *more), joined(ANSWER[1:]) + "\n")
        self.assertIn("prompt 25 tokens", self.stderr)  # the source and the start token

    def test_text_and_its_end_token(self):
        package = self.with_tokenizer()
        source = [VOCAB.index(token) for token in ("s", "##e", "##a", "d", "##o")] + [1]
        self.assertEqual(self.text("tokenize", package, "sea do"), joined(source) + "\n")
        answer = self.text("run", package, "sea do", "-n", 6, "--ignore-eos", "--ids")
        self.assertEqual(answer, self.text("run", package, "--prompt-ids", joined(source), "-n", 6, "--ignore-eos", "--ids"))
        self.assertNotEqual(answer, self.text("run", package, "--prompt-ids", joined(source[:-1]), "-n", 6, "--ignore-eos", "--ids"))
        text = self.text("detokenize", package, answer.strip())
        self.assertEqual(self.text("run", package, "sea do", "-n", 6, "--ignore-eos").strip(), text.strip())

    def test_first_logits(self):
        self.works(*self.ids, "-n", 0, "--logits", "l.npy")
        logits = np.load(self.path("l.npy"))
        self.assertEqual(logits.shape, (1, 64))
        self.assertEqual(int(logits.argmax()), ANSWER[1])

    def test_saved_state_holds_the_source(self):
        for backend in BACKENDS:
            context = ["--max-context", 21, "--backend", backend]
            first = self.text(*self.ids, "-n", 8, "--save-state", "s.state", *context).strip()
            rest = self.text("run", "m.oinf", "--load-state", "s.state", "-n", 12, "--ignore-eos", "--ids", *context).strip()
            self.assertEqual(f"{first},{rest}", joined(ANSWER[1:]))
        self.fails(*self.ids, "--load-state", "s.state", says=["holds a text", "leave out the prompt"])

    def test_refusals(self):
        self.fails("run", "m.oinf", "--prompt-ids", joined([2] * 513), "--ids", says=["513 tokens", "at most 512"])
        self.fails("run", "m.oinf", "--prompt-ids", "64", "--ids", says=["token id 64", "vocabulary of 64"])
        self.fails(*self.ids, "--max-context", 513, says=["--max-context 513", "at most 512"])
        package = self.with_tokenizer()
        self.fails("run", package, "--chat", "sea", says=["[run --chat]", "encoder-decoder"])
        self.write("t.txt", "sea do sea")
        self.fails("eval", package, "--text", "t.txt", says=["[eval]", "encoder-decoder"])

    def test_context_ends(self):
        self.assertEqual(self.text(*self.ids, "-n", 20, "--max-context", 3), joined(ANSWER[1:4]) + "\n")
        self.assertIn("the context of 3 is full; --max-context gives up to 512", self.stderr)


if __name__ == "__main__":
    unittest.main()
