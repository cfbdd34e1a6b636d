# SPDX-License-Identifier: Apache-2.0
"""tokenizer.json and its companions -> the tokenizer section."""
import json
import unittest

import checkpoints as c
import numpy as np
from checkpoints import safetensors
from openinfer_convert import pre_tokenizers

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
# As the published tokenizer.json files of Llama 3 and Qwen 2 have them.
LLAMA3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
QWEN2 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"


def split(regex: str) -> dict:
    return {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False},
                                                  BYTE_LEVEL | {"use_regex": False}]}


def added(number: int, content: str, **flags) -> dict:
    return {"id": number, "content": content, "special": True, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False} | flags


class Tokenizer(c.Case):
    def setUp(self):
        super().setUp()
        safetensors.numpy.save_file({"a": np.zeros(1)}, self.folder / "model.safetensors")
        self.spec = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}, "pre_tokenizer": BYTE_LEVEL,
                     "added_tokens": [added(3, "<s>"), added(5, "<t>", special=False)]}

    def section(self, config=None, **files) -> dict:
        c.write_json(self.folder, "tokenizer.json", self.spec)
        c.write_json(self.folder, "config.json", {"model_type": "other"} | (config or {}))
        for name, value in files.items():
            c.write_json(self.folder, name + ".json", value)
        return self.convert(self.folder).tokenizer

    def test_vocabulary_types_and_merges(self):
        t = self.section(config={"vocab_size": 8})
        self.assertEqual(t["tokens"], ["a", "b", "ab", "<s>", "[PAD4]", "<t>", "[PAD6]", "[PAD7]"])
        self.assertEqual(t["token_types"].tolist(), [1, 1, 1, 3, 5, 4, 5, 5])
        self.assertEqual((t["model"], t["merges"], t["add_bos"]), ("bpe", ["a b"], False))
        self.assertNotIn("added_ids", t)

    def test_flags_of_added_tokens(self):
        self.spec["added_tokens"][0]["lstrip"] = True
        self.spec["added_tokens"].append(added(6, "<u>", normalized=True, single_word=True, rstrip=True))
        t = self.section()
        self.assertEqual(t["added_ids"].tolist(), [3, 6])
        self.assertEqual({k: t[f"added_{k}"].tolist() for k in ("lstrip", "rstrip", "single_word", "normalized")},
                         {"lstrip": [1, 0], "rstrip": [0, 1], "single_word": [0, 1], "normalized": [0, 1]})

    def test_merges_as_pairs(self):
        self.spec["model"]["merges"] = [["a", "b"]]
        self.assertEqual(self.section()["merges"], ["a b"])
        self.spec["model"]["merges"] = [["a ", "b"]]
        t = self.section()
        self.assertEqual((t["pre"], t.get("merges")), ("custom", None))

    def test_pre_tokenizers(self):
        digits = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL]}
        for pre, ignore_merges, expected in ((BYTE_LEVEL, False, "gpt2"), (digits, False, "smollm"), (split(LLAMA3), True, "llama-bpe"), (split(QWEN2), False, "qwen2"),
                                             (split(LLAMA3), False, "cl100k"), (split(LLAMA3 + "|x"), True, "custom"), (BYTE_LEVEL | {"add_prefix_space": True}, False, "custom"),
                                             (split(pre_tokenizers.O200K), False, "gpt-4o"), (split(pre_tokenizers.O200K), True, "granite-embed-multi-97m"),
                                             ({"type": "Whitespace"}, False, "custom"), (None, False, "none"), ({"type": "BertPreTokenizer"}, False, "bert")):
            self.spec["pre_tokenizer"], self.spec["model"]["ignore_merges"] = pre, ignore_merges
            t = self.section()
            self.assertEqual(t["pre"], expected, pre)
            self.assertEqual(json.loads(t.get("pre_json", "0")), pre if expected == "custom" else 0)
            self.assertEqual(t.get("ignore_merges"), True if ignore_merges and expected == "custom" else None)
        self.spec["pre_tokenizer"], self.spec["model"]["ignore_merges"] = split(QWEN2), True
        self.assertEqual((self.section()["pre"], self.section()["ignore_merges"]), ("qwen2", True))

    def test_the_patterns_are_those_of_the_cpp_side(self):
        header = (c.SCRIPTS.parent / "lib" / "text" / "pre_tokenizer_kinds.h").read_text("utf-8")
        self.assertEqual(header, pre_tokenizers.header(), "run scripts/make_text_oracle.py kinds")

    def test_the_summary_says_what_text_commands_know(self):
        self.section()
        self.assertEqual(self.report.tokenizer, "with a bpe tokenizer")
        self.spec["model"]["merges"] = [["a ", "b"]]
        self.section()
        self.assertEqual(self.report.tokenizer, "with a bpe tokenizer of pre-tokenizer custom, which text commands refuse")
        self.spec["model"] = {"type": "Other", "vocab": {"a": 0}}
        self.section()
        self.assertTrue(self.report.tokenizer.startswith("with a other tokenizer, which text commands refuse"))

    def test_settings_of_the_model(self):
        self.spec["model"] |= {"byte_fallback": True, "fuse_unk": True, "continuing_subword_prefix": "##", "end_of_word_suffix": "</w>", "unk_token": "b"}
        self.spec["pre_tokenizer"] = None
        t = self.section()
        self.assertEqual([t[k] for k in ("byte_fallback", "fuse_unk", "continuing_prefix", "word_suffix", "unk_id")], [True, True, "##", "</w>", 1])
        self.spec["model"]["unk_token"] = None  # named elsewhere, but the model drops what it does not know
        self.assertNotIn("unk_id", self.section(special_tokens_map={"unk_token": "a"}))

    def test_other_models(self):
        self.spec["model"] = {"type": "Unigram", "vocab": [["a", -1.5], ["b", -2]], "unk_id": 1}
        t = self.section()
        self.assertEqual((t["model"], t["tokens"][:2], t["scores"].tolist()[:3], t["unk_id"]), ("unigram", ["a", "b"], [-1.5, -2.0, 0.0], 1))
        self.assertEqual(t["scores"].dtype, "f4")
        self.spec["model"]["vocab"][0][1] = -0.1
        self.assertEqual((self.section()["scores"].dtype, self.section()["scores"][0]), ("f8", -0.1))
        self.spec["model"]["unk_id"] = 77
        c.write_json(self.folder, "tokenizer.json", self.spec)
        self.refused(self.folder, "the unknown token's id is 77, the vocabulary has 6 tokens")
        self.spec["model"] = {"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a", "max_input_chars_per_word": 7, "continuing_subword_prefix": "##"}
        t = self.section()
        self.assertEqual((t["model"], t["unk_id"], t["max_word_chars"], "continuing_prefix" in t), ("wordpiece", 0, 7, False))

    def test_normalizer(self):
        self.assertNotIn("normalizer", self.section())
        self.spec["normalizer"] = {"type": "NFC"}
        self.assertEqual(self.section()["normalizer"], "nfc")
        self.spec["normalizer"] = {"type": "Lowercase"}
        self.assertEqual(self.section()["normalizer"], "lowercase")
        self.spec["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": "AAEC"}, {"type": "Strip"}]}
        t = self.section()
        self.assertEqual(json.loads(t["normalizer"]), {"type": "Sequence", "normalizers": [{"type": "Precompiled"}, {"type": "Strip"}]})
        self.assertEqual(t["charsmap"].tolist(), [0, 1, 2])
        self.spec["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "?"}
        c.write_json(self.folder, "tokenizer.json", self.spec)
        self.refused(self.folder, "precompiled_charsmap is not base64")

    def test_decoder(self):
        self.spec["decoder"] = {"type": "ByteLevel"}
        self.assertNotIn("decoder", self.section())
        self.spec["decoder"] = {"type": "Metaspace"}
        self.assertEqual(json.loads(self.section()["decoder"]), {"type": "Metaspace"})

    def test_special_ids(self):
        t = self.section(config={"eos_token_id": 1, "pad_token_id": 99, "unk_token_id": 0}, generation_config={"eos_token_id": [5, 1]},
                         special_tokens_map={"eos_token": "<t>"}, tokenizer_config={"eos_token": {"content": "<s>"}, "bos_token": "a"})
        self.assertEqual((t["bos_id"], t["eos_id"], t["unk_id"], t.get("pad_id"), t["eos_ids"].tolist()), (0, 3, 0, None, [1, 3, 5]))

    def test_begin_and_end_by_the_post_processor(self):
        def single(*ids):
            return {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}} if i == "A" else {"SpecialToken": {"id": i, "type_id": 0}} for i in ids]}

        self.spec["post_processor"] = {"type": "Sequence", "processors": [{"type": "ByteLevel"}, single("<s>", "A")]}
        t = self.section()
        self.assertEqual((t["add_bos"], t["bos_id"], t["add_eos"]), (True, 3, False))
        self.spec["post_processor"] = single("<s>", "A", "<t>")
        t = self.section()
        self.assertEqual((t["add_bos"], t["bos_id"], t["add_eos"], t["eos_id"], t["pre"]), (True, 3, True, 5, "gpt2"))
        self.spec["post_processor"] = single("<s>", "a", "A")
        t = self.section()
        self.assertEqual((t["add_bos"], t["template_single"].tolist(), t["template_single_types"].tolist()), (False, [3, 0, -1], [0, 0, 0]))
        self.spec["post_processor"] = single("nowhere", "A")
        c.write_json(self.folder, "tokenizer.json", self.spec)
        self.refused(self.folder, "the post-processor's token 'nowhere' has the id None")

    def test_pairs(self):
        self.spec["post_processor"] = {"type": "BertProcessing", "cls": ["<s>", 3], "sep": ["<t>", 5]}
        t = self.section()
        self.assertEqual((t["bos_id"], t["eos_id"]), (3, 5))
        self.assertEqual((t["template_pair"].tolist(), t["template_pair_types"].tolist()), ([3, -1, 5, -2, 5], [0, 0, 0, 1, 1]))
        self.spec["post_processor"]["type"] = "RobertaProcessing"
        self.assertEqual(self.section()["template_pair"].tolist(), [3, -1, 5, 5, -2, 5])

    def test_chat_template(self):
        self.assertEqual(self.section(tokenizer_config={"chat_template": "{{ 1 }}"})["chat_template"], "{{ 1 }}")
        several = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
        self.assertEqual(self.section(tokenizer_config={"chat_template": several})["chat_template"], "d")
        (self.folder / "chat_template.jinja").write_text("{{ 'ü' }}\n", "utf-8")
        self.assertEqual(self.section()["chat_template"], "{{ 'ü' }}\n")

    def test_byte_order_marks(self):
        """Editors put them in front of a text; none is part of it."""
        plain = self.section(tokenizer_config={"chat_template": "{{ 1 }}"})
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (self.folder / name).write_bytes(b"\xef\xbb\xbf" + (self.folder / name).read_bytes())
        (self.folder / "chat_template.jinja").write_bytes(b"\xef\xbb\xbf{{ 1 }}")
        self.assertEqual(self.section().keys(), plain.keys())
        self.assertEqual(self.section()["chat_template"], "{{ 1 }}")

    def test_hostile_vocabularies(self):
        for vocab, message in (({"a": -1}, "token 'a' has the id -1"), ({"a": 2**40}, "a number below"), ({"a": "0"}, "has the id 0"), ({"a": True}, "has the id True"),
                               ({"a": 0, "b": 0}, "'b' and 'a' both have the id 0"), (7, "no model with a vocabulary")):
            self.spec["model"]["vocab"] = vocab
            c.write_json(self.folder, "tokenizer.json", self.spec)
            self.refused(self.folder, message)
        self.spec["model"] = {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b c"]}
        c.write_json(self.folder, "tokenizer.json", self.spec)
        self.refused(self.folder, "the merge 'a b c' is not a pair")

    def test_no_tokenizer(self):
        self.assertEqual(self.convert(self.folder).tokenizer, {})


if __name__ == "__main__":
    unittest.main()
