# SPDX-License-Identifier: Apache-2.0
"""Hostile and damaged files: each is one ConvertError that names the file and what is wrong, before anything is written.
The last tests damage good files at random: nothing but a ConvertError may come of it."""
import json
import os
import random
import struct
import unittest

import checkpoints as c
import numpy as np

U32, F32, STR, ARR, BOOL = 4, 6, 8, 9, 7


class Gguf(c.Case):
    def bad(self, raw: bytes, message: str):
        path = self.folder / "bad.gguf"
        path.write_bytes(raw)
        with self.subTest(message):
            self.refused(path, message)

    def test_header(self):
        self.bad(b"", "not a GGUF file")
        self.bad(b"GGUF\3\0\0\0", "not a GGUF file")
        self.bad(b"OINF" + bytes(60), "is a package already")
        self.bad(c.g_file(version=1), "GGUF version 1: 2 and 3 are known")
        self.bad(c.g_file(version=0x03000000), "big-endian")
        self.bad(c.g_file(counts=(2**60, 0)), "claims 1152921504606846976 tensors, more than a file of 32 bytes")
        self.bad(c.g_file(counts=(0, 2**63)), "metadata entries, more than")
        self.bad(c.g_file(), "holds no tensor")

    def test_metadata(self):
        for fields, message in (([struct.pack("<Q", 2**63)], "a metadata key at byte 24 claims"), ([struct.pack("<Q", 60000)], "needs 60000 bytes, the file ends after"),
                                ([c.g_field("k", U32, bytes(4))] * 2, "key 'k' is there twice"), ([c.g_field("", U32, bytes(4))], "key '' is empty"),
                                ([c.g_field("k", 77, bytes(4))], "k has the unknown type 77"), ([c.g_field("k", STR, struct.pack("<Q", 2**40))], "metadata k at byte .* claims 1099511627776"),
                                ([c.g_field("k", STR, c.g_string(b"\xff"))], "is not UTF-8"), ([c.g_field("k", BOOL, b"\2")], "neither 0 nor 1"),
                                ([c.g_field("k", ARR, struct.pack("<IQ", U32, 2**62))], "needs 18446744073709551616 bytes"),
                                ([c.g_field("k", ARR, struct.pack("<IQ", STR, 2**61))], "needs 18446744073709551616 bytes"),
                                ([c.g_field("k", ARR, struct.pack("<IQIQ", ARR, 1, ARR, 1))], "array of arrays"), ([c.g_field("k", ARR, struct.pack("<IQ", 99, 1))], "unknown type 99"),
                                ([c.g_field("general.alignment", U32, struct.pack("<I", 0))], "general.alignment is 0"), ([c.g_field("general.alignment", U32, struct.pack("<I", 24))], "general.alignment is 24"),
                                ([c.g_field("general.alignment", STR, c.g_string("32"))], "general.alignment is 32: a power of two .u32. is needed")):
            self.bad(c.g_file(fields, [c.g_tensor("t", (8,), 0, 0)], bytes(64)), message)

    def test_tensors(self):
        t = c.g_tensor
        for tensors, message in (([t("t", (8, 2**61), 0, 0)], r"2\^63 bytes or elements"), ([t("t", (2**63, 2), 0, 0)], "at most 8 dimensions, none negative"), ([t("t", (2**32, 2**32), 2, 0)], r"2\^63"),
                                 ([t("t", (8,) * 5, 0, 0)], "has 5 dimensions"), ([t("t", (30,), 2, 0)], "multiple of 32"), ([t("t", (0,), 2, 2**62)], "ends at byte"),
                                 ([t("t", (8,), 0, 16)], "offset 16, which is no multiple of the alignment 32"), ([t("t", (8,), 0, 2**64 - 32)], "ends at byte .*, the file has"),
                                 ([t("t", (17,), 0, 0)], r"t \(f32 \(17,\)\) ends at byte 132, the file has 128: it is cut"), ([t("", (8,), 0, 0)], "a name, are needed"),
                                 ([t("t", (8,), 0, 0), t("t", (8,), 0, 32)], "tensor t is there twice"), ([t("a", (16,), 0, 0), t("b", (8,), 0, 32)], "tensors a and b overlap"),
                                 ([t("a", (8,), 0, 0), t("b", (8,), 0, 0)], "overlap"), ([t(b"\xc3", (8,), 0, 0)], "not UTF-8"), ([t("ü" * 100, (8,), 0, 0)], "longer than 255")):
            self.bad(c.g_file((), tensors, bytes(64)), message)

    def test_control_characters_do_not_reach_the_terminal(self):
        (self.folder / "bad.gguf").write_bytes(c.g_file((), [c.g_tensor("\x1b[31mred\n" + "x" * 500, (2,), 99, 0)], bytes(8)))
        with self.assertRaises(c.ConvertError) as e:
            self.convert(self.folder / "bad.gguf")
        self.assertIn("\\x1b[31mred\\x0a", str(e.exception))
        self.assertLess(len(str(e.exception)), 500)

    def test_every_truncation(self):
        c.gguf_llama(self.folder / "m.gguf", c.llama_weights())
        raw = (self.folder / "m.gguf").read_bytes()
        end_of_data = max(r.offset + r.nbytes for r in c.package.open_source(str(self.folder / "m.gguf")).tensors.values())
        for size in [*range(0, 4000, 7), *range(4000, end_of_data, 9973), end_of_data - 1]:
            (self.folder / "cut.gguf").write_bytes(raw[:size])
            with self.assertRaises(c.ConvertError, msg=str(size)) as e:
                c.package.open_source(str(self.folder / "cut.gguf"))
            self.assertIn("cut.gguf", str(e.exception))

    def test_a_file_that_shrinks_while_it_is_read(self):
        path = self.folder / "m.gguf"
        path.write_bytes(c.g_file((), [c.g_tensor("t", (1024,), 0, 0)], bytes(4096)))
        rows = c.package.open_source(str(path)).tensors["t"]
        with open(path, "r+b") as f:
            f.truncate(1000)
        with self.assertRaisesRegex(c.ConvertError, "ended at byte 1000 while it was read"):
            list(rows.chunks())


    def test_numbers_that_are_no_integers(self):
        for key in ("split.count", "llama.block_count", "llama.context_length", "llama.attention.head_count"):
            for value in (float("inf"), float("-inf"), float("nan"), 1.5):
                with self.subTest(key=key, value=value):
                    fields = {"general.architecture": "llama", key: value}
                    raw = [c.g_field(k, STR, c.g_string(v)) if isinstance(v, str) else c.g_field(k, F32, struct.pack("<f", v)) for k, v in fields.items()]
                    self.bad(c.g_file(raw, [c.g_tensor("token_embd.weight", (8,), 0, 0)], bytes(32)), f"{key} is not an integer" if key == "split.count" else "")


class Safetensors(c.Case):
    def bad(self, raw: bytes, message: str):
        path = self.folder / "bad.safetensors"
        path.write_bytes(raw)
        with self.subTest(message):
            self.refused(path, message)

    def test_header(self):
        good = {"a": ("F32", [2], 0, 8)}
        self.bad(b"", "has 0 bytes")
        self.bad(c.st_file(good, bytes(8), size=2**63), "claims a header of 9223372036854775808 bytes")
        self.bad(c.st_file(good, bytes(8), size=1000), "claims a header of 1000 bytes")
        self.bad(c.st_file({}, raw=b"{"), "not JSON")
        self.bad(c.st_file({}, raw=b"\xff\xfe"), "not JSON: .*utf-8")
        self.bad(c.st_file({}, raw=b"[]"), "holds no JSON object")
        self.bad(c.st_file({}, raw=b"[" * 100000), "nested too deep")
        self.bad(c.st_file({}, bytes(16), raw=b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}'), "key 'a' is there twice")

    def test_entries(self):
        for entry, message in ((("F32", [2], 0, 12), "takes 8 bytes, its range has 12"), (("F32", [2], 8, 0), "is not a range"), (("F32", [2], -8, 0), "not a list of sizes"),
                               (("F32", [2.0], 0, 8), "shape is not a list of sizes"), (("F32", [True], 0, 4), "shape is not"), (("F32", "2", 0, 8), "shape is not"), (("F32", [2**40, 2**40], 0, 8), r"2\^63"),
                               (("C64", [1], 0, 8), "dtype C64, which packages do not have"), ((7, [1], 0, 8), "has no dtype"), (("F32", [2**63], 0, 8), "shape is not"), (("F32", [1] * 9, 0, 4), "at most 8")):
            self.bad(c.st_file({"a": entry}, bytes(max(0, entry[3]))), message)
        self.bad(c.st_file({"a": ("F32", [2], 0, 8)}, bytes(7)), "its tensors end at byte 77, the file has 76: it is cut")
        self.bad(c.st_file({"a": ("F32", [2], 0, 8)}, bytes(9)), "the file has .*: it is cut or corrupt")
        self.bad(c.st_file({"a": ("F32", [2], 0, 8), "b": ("F32", [2], 4, 12)}, bytes(12)), "overlap|nvalid")
        self.bad(c.st_file({"a": ("F32", [2], 0, 8), "b": ("F32", [2], 12, 20)}, bytes(20)), "nvalid")


class Folder(c.Case):
    def test_what_a_folder_lacks(self):
        self.refused(self.folder / "none", "no such file or folder")
        self.refused(self.folder, "holds no .safetensors file")
        (self.folder / "model.safetensors").symlink_to(self.folder / "gone")
        self.refused(self.folder, "model.safetensors: No such file")

    def test_a_pipe_in_a_folder_is_not_waited_for(self):
        c.hf_llama(self.folder, c.llama_weights())
        for name in ("config.json", "tokenizer.json", "model.safetensors"):
            path = self.folder / name
            kept = path.read_bytes() if path.exists() else None
            path.unlink(missing_ok=True)
            os.mkfifo(path)
            self.refused(self.folder, f"{name}: is not a regular file")
            path.unlink()
            if kept is not None:
                path.write_bytes(kept)

    def test_json(self):
        c.hf_llama(self.folder, c.llama_weights())
        for raw, message in ((b"", "config.json: not JSON"), (b"[1]", "config.json: holds no JSON object"), (b'{"a":1,"a":2}', "key 'a' is there twice"), (b'{"a":' * 100000, "nested too deep"), (b"\xff", "not JSON")):
            (self.folder / "config.json").write_bytes(raw)
            self.refused(self.folder, message)

    def test_json_that_falls_together_when_flat(self):
        c.hf_llama(self.folder, c.llama_weights())
        config = json.loads((self.folder / "config.json").read_text())
        for more in ({"rope": {"theta": 1}, "rope.theta": 2}, {"rope.theta": None, "rope": {"theta": 1}}, {"a": {"b.c": 1, "b": {"c": None}}}):
            for name in ("config.json", "generation_config.json"):
                c.write_json(self.folder, "config.json", config)
                c.write_json(self.folder, name, (config if name == "config.json" else {}) | more)
                self.refused(self.folder, f"{name}: the key '(rope.theta|a.b.c)' is there twice, as it stands and nested")
                c.write_json(self.folder, "generation_config.json", {})


class AtRandom(c.Case):
    """Seeded, so that a failure comes back."""

    def hammer(self, path, good: bytes, rounds: int, convert):
        rng = random.Random(7)
        refused = 0
        for i in range(rounds):
            raw = bytearray(good)
            for _ in range(rng.choice((1, 1, 2, 8))):
                at = rng.randrange(len(raw))
                raw[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, raw[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
            if rng.random() < 0.2:
                at = rng.randrange(len(raw))
                raw[at : at + rng.randrange(1, 9)] = rng.randbytes(rng.randrange(9))
            path.write_bytes(raw)
            try:
                convert()
            except (c.ConvertError, c.opnf_format.OpnfError) as e:
                refused += 1
                self.assertTrue(str(e))
            except Exception as e:
                raise AssertionError(f"round {i}: {type(e).__name__}: {e}") from e
        self.assertGreater(refused, rounds // 10)

    def build(self, source):
        """All but the tensor data: a package's index would be written now."""
        c.package.build(c.package.open_source(str(source)), c.opnf.Writer(self.folder / "o.oinf"), c.Choice.parse(["q8_0"]), None, None)

    def test_gguf(self):
        path = self.folder / "m.gguf"
        c.gguf_llama(path, c.llama_weights(), **{"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a", "b"], "tokenizer.ggml.scores": [1.0, 2.0], "tokenizer.ggml.eos_token_id": 1,
                     "split.count": 1, "tokenizer.ggml.add_bos_token": 0, "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 2.0})
        self.assertRaises(c.ConvertError, self.build, path)  # add_bos_token is a number here
        raw = path.read_bytes().replace(b"add_bos_token", b"add_bos_tokem")
        path.write_bytes(raw)
        self.build(path)
        self.hammer(path, raw[:8192], 10, lambda: self.build(path))  # cut as well
        index = 3 << 10
        self.hammer(path, raw, 200, lambda: self.build(path))
        head, data = raw[:index], raw[index:]
        rng = random.Random(8)
        for _ in range(600):
            damaged = bytearray(head)
            for _ in range(rng.choice((1, 2, 3))):
                damaged[rng.randrange(index)] = rng.choice((0, 1, 8, 9, 0x80, 0xFF, rng.randrange(256)))
            path.write_bytes(damaged + data)
            try:
                self.build(path)
            except (c.ConvertError, c.opnf_format.OpnfError):
                pass

    def test_safetensors(self):
        path = self.folder / "m.safetensors"
        raw = c.st_file({"a": ("F32", [2, 2], 0, 16), "b": ("BF16", [3], 16, 22), "c": ("BOOL", [], 22, 23)}, bytes(23))
        self.hammer(path, raw, 600, lambda: self.build(path))

    def test_configuration_and_tokenizer(self):
        """Values replaced by others of the wrong kind."""
        c.hf_llama(self.folder, c.llama_weights(), rope_scaling={"type": "linear", "factor": 2.0}, eos_token_id=[1], quantization_config=None)
        files = {"config.json": json.loads((self.folder / "config.json").read_text()),
                 "tokenizer.json": {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"], "unk_token": "a"}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "x"}},
                                    "normalizer": {"type": "NFC"}, "added_tokens": [{"id": 2, "content": "c", "special": True}],
                                    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "c"}}, {"Sequence": {"id": "A"}}]}},
                 "tokenizer_config.json": {"bos_token": {"content": "c"}, "chat_template": [{"name": "default", "template": "x"}]},
                 "generation_config.json": {"eos_token_id": [2]}}
        deep = []
        for _ in range(600):
            deep = [deep] if len(str(deep)) % 4 else {"a": deep}
        others = [None, True, 0, -1, 1.5, 2**70, 10**400, float("nan"), float("inf"), "", "x\x00y", [], [[]], {}, {"a": {"b": []}}, [None], ["\ud800"], deep]
        self.put_in_everywhere(files, others)
        files["tokenizer.json"] = {"model": {"type": "Unigram", "vocab": [["a", -1.5], ["b", 0]], "unk_id": 0}}
        self.put_in_everywhere(files, others, ("tokenizer.json",))

    def put_in_everywhere(self, files: dict, others: list, names=None):
        for name, value in files.items():
            if names and name not in names:
                continue
            for path, original in walk(value):
                for other in others:
                    damaged = json.loads(json.dumps(value))
                    put(damaged, path, other)
                    for each, content in files.items():
                        c.write_json(self.folder, each, damaged if each == name else content)
                    try:
                        self.build(self.folder)
                    except (c.ConvertError, c.opnf_format.OpnfError):
                        pass
                    except Exception as e:
                        raise AssertionError(f"{name} {path} = {other!r}: {type(e).__name__}: {e}") from e


def walk(value, path=()):
    if path:
        yield path, value
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from walk(item, (*path, key))


def put(value, path, new):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


if __name__ == "__main__":
    unittest.main()
