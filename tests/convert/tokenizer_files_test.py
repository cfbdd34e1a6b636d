# SPDX-License-Identifier: Apache-2.0
"""tokenizer.model, vocab.txt and vocab.json with merges.txt -> the tokenizer section."""
import struct
import time
import unittest

import checkpoints as c
import numpy as np
from checkpoints import safetensors
from openinfer_convert import spm_file
from openinfer_convert.json_file import parse_json

SLOW = 3.0  # seconds of this process: 0.2 is usual, ten and more where every entry is compared with all


def message(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value & (1 << 64) - 1)


def piece(text: str, score: float = 0.0, kind: int | None = None) -> bytes:
    return message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + (number(3, kind) if kind else b""))


PIECES = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("<0x0A>", 0, 6) + piece("\u2581a", -1.5) + piece("<t>", 0, 4)


class Files(c.Case):
    def setUp(self):
        super().setUp()
        safetensors.numpy.save_file({"a": np.zeros(1)}, self.folder / "model.safetensors")
        c.write_json(self.folder, "config.json", {"model_type": "llama-like"})

    def section(self, **files) -> dict:
        for name, value in files.items():
            c.write_json(self.folder, name + ".json", value)
        return self.convert(self.folder, arch="none").tokenizer

    def sentencepiece(self, blob: bytes, **files) -> dict:
        (self.folder / "tokenizer.model").write_bytes(blob)
        return self.section(**files)

    def test_sentencepiece_bpe(self):
        t = self.sentencepiece(PIECES + message(2, number(3, 2) + number(35, 1) + number(43, -1)) + message(3, number(4, 0) + message(2, b"\x01\x02")))
        self.assertEqual((t["model"], t["normalizer"], t["tokens"][4:], t["token_types"].tolist()), ("spm", "sentencepiece", ["\u2581a", "<t>"], [2, 3, 3, 6, 1, 4]))
        self.assertEqual((t["scores"].tolist()[4], t["unk_id"], t["bos_id"], t["eos_id"], "pad_id" in t), (-1.5, 0, 1, 2, False))
        self.assertEqual([t[k] for k in ("byte_fallback", "add_space_prefix", "remove_extra_whitespaces", "escape_whitespaces", "whitespace_suffix")],
                         [True, True, False, True, False])
        self.assertEqual((t["charsmap"].tolist(), t["add_bos"], self.report.tokenizer), ([1, 2], False, "with a spm tokenizer"))

    def test_unigram_is_the_default(self):
        t = self.sentencepiece(PIECES, config={"model_type": "t5", "vocab_size": 120})
        self.assertEqual((t["model"], t["remove_extra_whitespaces"], t["add_eos"], t["add_bos"]), ("unigram", True, True, False))
        self.assertEqual((len(t["tokens"]), t["tokens"][6], t["tokens"][105], t["tokens"][106]), (120, "<extra_id_99>", "<extra_id_0>", "[PAD106]"))

    def test_begin_by_kind_and_settings(self):
        self.assertTrue(self.sentencepiece(PIECES, config={"model_type": "mistral"})["add_bos"])
        self.assertFalse(self.section(tokenizer_config={"add_bos_token": False})["add_bos"])

    def test_added_tokens(self):
        t = self.sentencepiece(PIECES, added_tokens={"<new>": 6}, tokenizer_config={"added_tokens_decoder": {
            "1": {"content": "<s>", "special": True}, "8": {"content": "<x>", "special": True, "lstrip": True}}})
        self.assertEqual((t["tokens"][6:], t["token_types"].tolist()[6:], t["added_ids"].tolist(), t["added_lstrip"].tolist()),
                         (["<new>", "[PAD7]", "<x>"], [4, 5, 3], [8], [True]))
        c.write_json(self.folder, "added_tokens.json", {"other": 4})
        self.refused(self.folder, "'other' and '\u2581a' both have the id 4", arch="none")
        c.write_json(self.folder, "added_tokens.json", {"far": 1 << 40})
        self.refused(self.folder, "'far' has the id 1099511627776", arch="none")
        for number in ([1], {"a": 1}, "6", 6.0, True, None):
            c.write_json(self.folder, "added_tokens.json", {"odd": number})
            self.refused(self.folder, "the added token 'odd' has the id .*: a number is needed", arch="none")

    def test_many_added_tokens(self):
        """With gaps; names of what is not there are looked for once, not for each."""
        count = 40_000
        start = time.process_time()
        t = self.sentencepiece(PIECES, added_tokens={f"<{i}>": i for i in range(6, count, 2)})
        self.assertLess(time.process_time() - start, SLOW)
        self.assertEqual((len(t["tokens"]), t["tokens"][6:9], t["token_types"].tolist()[6:9]), (count - 1, ["<6>", "[PAD7]", "<8>"], [4, 5, 4]))

    def test_ids_that_are_not_the_files(self):
        self.assertEqual(self.sentencepiece(PIECES, config={"model_type": "xlm-roberta"}), {})
        self.assertIn("tokenizer.json is needed", self.report.notes[0])

    def test_hostile_files(self):
        for blob, message_ in ((b"", "it has no pieces"), (b"\x0a\xff\xff\xff\xff\x7f", "a field of"), (b"\x0a" + b"\xff" * 12, "cut off or too long"), (b"\x0b", "wire type 3"),
                               (b"\x08\x01", "a number where a message belongs"), (piece("a", 0, 9), "has the type 9"),
                               (message(1, message(1, b"\xff")), "a piece is not UTF-8")):
            (self.folder / "tokenizer.model").write_bytes(blob)
            self.refused(self.folder, message_, arch="none")
        for cut in range(1, len(PIECES)):
            try:
                spm_file.parse(PIECES[:cut], "x")
            except c.ConvertError:
                pass

    def test_vocab_txt(self):
        (self.folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n", "utf-8")
        t = self.section(tokenizer_config={"do_lower_case": False})
        self.assertEqual((t["model"], t["pre"], t["tokens"][5], t["token_types"].tolist()), ("wordpiece", "bert", "##b", [3, 3, 3, 3, 1, 1]))
        self.assertEqual([t[f"{k}_id"] for k in ("pad", "unk", "cls", "sep", "bos", "eos")], [0, 1, 2, 3, 2, 3])
        self.assertEqual((t["add_bos"], t["add_eos"], t["template_pair"].tolist()), (True, True, [2, -1, 3, -2, 3]))
        self.assertIn('"lowercase": false', t["normalizer"])
        (self.folder / "vocab.txt").write_text("a\na\n", "utf-8")
        self.refused(self.folder, "'a' is there twice", arch="none")
        (self.folder / "vocab.txt").write_text("a\n\nb\n\n", "utf-8")
        self.refused(self.folder, "'' is there twice", arch="none")

    def test_repeated_entries_are_found_in_one_pass(self):
        names = [f"token{i}" for i in range(30_000)]
        names.append(names[-1])
        (self.folder / "vocab.txt").write_text("\n".join(names), "utf-8")
        start = time.process_time()
        self.refused(self.folder, "'token29999' is there twice", arch="none")
        text = ",".join(f'"{n}":0' for n in names)
        with self.assertRaisesRegex(c.ConvertError, "x: the key 'token29999' is there twice"):
            parse_json(f"{{{text}}}".encode(), "x")
        self.assertLess(time.process_time() - start, SLOW)

    def test_vocab_json_and_merges(self):
        (self.folder / "merges.txt").write_text("#version: 0.2\na b\n", "utf-8")
        t = self.section(vocab={"a": 0, "b": 1, "ab": 2, "<s>": 3, "</s>": 4}, config={"model_type": "roberta", "bos_token_id": 3, "eos_token_id": 4})
        self.assertEqual((t["model"], t["pre"], t["merges"], t["token_types"].tolist()), ("bpe", "gpt2", ["a b"], [1, 1, 1, 3, 3]))
        self.assertEqual((t["add_bos"], t["add_eos"], t["template_pair"].tolist()), (True, True, [3, -1, 4, 4, -2, 4]))
        t = self.section(config={"model_type": "qwen2"})
        self.assertEqual((t["pre"], t["normalizer"], t["add_bos"]), ("qwen2", "nfc", False))


if __name__ == "__main__":
    unittest.main()
