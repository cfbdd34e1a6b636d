# SPDX-License-Identifier: Apache-2.0
"""PyTorch state dicts -> packages, bit for bit what NumPy sees; hostile ones are refused by name and run nothing."""
import json
import os
import pickle
import random
import struct
import unittest
import zipfile
from unittest import mock

import checkpoints as c
import numpy as np
import torch_files as t
from openinfer_convert import pickle_values, zip_file


class Reads(c.Case):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "model.pt"
        self.rng = np.random.default_rng(3)

    def written(self, value: bytes, storages: dict, **options) -> c.Package:
        t.archive(self.path, t.pickled(value), storages, **options)
        return self.convert(self.path)

    def test_every_typed_dtype(self):
        arrays = {form: self.rng.integers(0, 2, (3, 5)).astype(form) for form in t.STORAGE} | {"bf16": self.rng.integers(0, 1 << 16, (3, 5)).astype("<u2")}
        t.save(self.path, arrays)
        p = self.convert(self.path)
        for key, array in arrays.items():
            made = p.tensors[c.opnf.escape_key(key)]
            expected = {"bf16": "bf16", "|b1": "bool"}.get(key) or c.opnf_format._dtype_of_numpy(array)
            self.assertEqual((made.dtype, made.shape, p.bytes(c.opnf.escape_key(key)).tobytes()), (expected, (3, 5), array.tobytes()))

    def test_dtypes_of_untyped_storages(self):
        """torch.save keeps these as bytes beside a dtype (torch/_tensor.py, _rebuild_tensor_v3)."""
        for label, dtype, size in (("float8_e4m3fn", "f8e4m3", 1), ("float8_e5m2", "f8e5m2", 1), ("uint16", "u16", 2), ("uint32", "u32", 4), ("uint64", "u64", 8)):
            raw = self.rng.bytes(6 * size)
            p = self.written(t.dictionary({"x": t.tensor("0", "storage.UntypedStorage", len(raw), (2, 2), offset=2, dtype=label)}), {"0": raw})
            self.assertEqual((p.tensors["x"].dtype, p.bytes("x").tobytes()), (dtype, raw[2 * size :]))

    def test_offsets_strides_and_shared_storage(self):
        base = self.rng.standard_normal(240).astype("<f4")
        element = base.itemsize
        views = {"whole": ((12, 20), (20, 1), 0), "transposed": ((20, 12), (1, 20), 0), "part": ((3, 4), (20, 1), 45), "column": ((12,), (20,), 7),
                 "every_other": ((6, 10), (40, 2), 1), "deep": ((2, 5, 3), (120, 2, 20), 4), "expanded": ((4, 20), (0, 1), 60), "scalar": ((), (), 239),
                 "one": ((1, 1, 1), (7, 9, 11), 3), "empty": ((0, 20), (20, 1), 240), "far": ((2, 2), (238, 1), 0)}
        value = t.dictionary({k: t.tensor("0", "FloatStorage", 240, shape, strides, offset) for k, (shape, strides, offset) in views.items()})
        p = self.written(value, {"0": base.tobytes()})
        for key, (shape, strides, offset) in views.items():
            expected = np.lib.stride_tricks.as_strided(base[offset:], shape, [s * element for s in strides])
            self.assertEqual((p.tensors[key].shape, p.bytes(key).tobytes()), (shape, np.ascontiguousarray(expected).tobytes()), key)

    def test_views_larger_than_a_chunk_and_than_a_window(self):
        base = self.rng.integers(-128, 128, 6 << 20, dtype="i1")
        views = {"transposed": ((2048, 3072), (1, 2048)), "thin": ((3, 700), (2 << 20, 2999)), "long": ((2 << 20,), (3,))}
        value = t.dictionary({k: t.tensor("0", "CharStorage", base.size, *view) for k, view in views.items()})
        p = self.written(value, {"0": base.tobytes()})
        for key, (shape, strides) in views.items():
            self.assertEqual(p.bytes(key).tobytes(), np.lib.stride_tricks.as_strided(base, shape, strides).tobytes(), key)

    def test_tied_tensors_are_one(self):
        raw = self.rng.bytes(32)
        p = self.written(t.dictionary({k: t.tensor("0", "FloatStorage", 8, shape) for k, shape in (("a", (2, 4)), ("b", (2, 4)), ("c", (8,)))}), {"0": raw})
        self.assertEqual((p.tensors["b"].target, p.tensors["c"].target), ("a", None))
        self.assertEqual((p.bytes("b").tobytes(), p.bytes("c").tobytes()), (raw, raw))

    def test_parameters_wrappers_and_nested_dicts(self):
        raw = self.rng.bytes(8)
        one = t.tensor("0", "FloatStorage", 2, (2,))
        inner = t.dictionary({"w": t.parameter(one), "step": t.number(7)}, ordered=True)
        for key in ("state_dict", "model", "model_state_dict"):
            p = self.written(t.dictionary({"epoch": t.number(3), key: inner}), {"0": raw})
            self.assertEqual((list(p.tensors), p.bytes("w").tobytes()), (["w"], raw))
            self.assertEqual(self.report.notes, [f"1 value of {self.path} that is no tensor left out: step"])
        p = self.written(t.dictionary({"encoder": t.dictionary({"w": one}), "top": one}), {"0": raw})
        self.assertEqual(set(p.tensors), {"encoder.w", "top"})
        subclass = t.name("torch._tensor", "_rebuild_from_type_v2") + b"(" + t.name("torch._utils", "_rebuild_parameter") + t.name("torch.nn.parameter", "Parameter") + b"(" + one + b"\x88" + t.EMPTY_ORDERED + b"t}tR"
        self.assertEqual(self.written(t.dictionary({"w": subclass}), {"0": raw}).bytes("w").tobytes(), raw)

    def test_what_newer_protocols_write(self):
        """Protocol 4: frames, memos by order, globals from the stack."""
        def short(s: str) -> bytes:
            return b"\x8c" + bytes([len(s)]) + s.encode() + b"\x94"
        pid = b"(" + short("storage") + short("torch") + short("FloatStorage") + b"\x93\x94" + short("0") + short("cpu") + b"K\x02t\x94Q"
        call = short("torch._utils") + short("_rebuild_tensor_v2") + b"\x93\x94(" + pid + b"K\x00K\x02\x85\x94K\x01\x85\x94\x89" + short("collections") + short("OrderedDict") + b"\x93\x94)R\x94t\x94R\x94"
        body = b"}\x94" + short("w") + call + b"s."
        raw = self.rng.bytes(8)
        t.archive(self.path, b"\x80\x04\x95" + struct.pack("<Q", len(body)) + body, {"0": raw})
        self.assertEqual(self.convert(self.path).bytes("w").tobytes(), raw)

    def test_compressed_entries(self):
        array = np.zeros((300, 500), "<f4")
        array[7] = self.rng.standard_normal(500)
        t.save(self.path, {"w": array, "v": array[:9]}, compression=zipfile.ZIP_DEFLATED)
        p = self.convert(self.path)
        self.assertEqual((p.bytes("w").tobytes(), p.bytes("v").tobytes()), (array.tobytes(), array[:9].tobytes()))

    def test_files_without_checksums(self):
        raw = self.rng.bytes(8)
        t.archive(self.path, t.pickled(t.dictionary({"w": t.tensor("0", "FloatStorage", 2, (2,))})), {"0": raw})
        t.without_checksums(self.path)
        with zipfile.ZipFile(self.path) as z:
            self.assertEqual({e.CRC for e in z.infolist()}, {0})
        self.assertEqual(self.convert(self.path).bytes("w").tobytes(), raw)

    def test_a_storages_checksum_is_looked_at_once(self):
        """However many tensors take parts of it, in whatever order."""
        base = self.rng.integers(0, 256, 3 << 20, dtype="u1")
        parts = {"end": ((1 << 20,), (1,), 2 << 20), "begin": ((1 << 20,), (1,), 0), "every_third": ((1 << 10,), (3,), 5), "turned": ((1024, 2048), (1, 1024))}
        value = t.dictionary({k: t.tensor("0", "ByteStorage", base.size, *part) for k, part in parts.items()})
        original, checked = zip_file.StoredFile._check, []
        with mock.patch.object(zip_file.StoredFile, "_check", lambda file: (checked.append(file._name), original(file))):
            p = self.written(value, {"0": base.tobytes()})
        self.assertEqual((p.bytes("end").tobytes(), p.bytes("begin").tobytes()), (base[2 << 20 :].tobytes(), base[: 1 << 20].tobytes()))
        self.assertEqual(sorted(checked), ["archive/byteorder", "archive/data.pkl", "archive/data/0"])

    def test_memory(self):
        """48 MiB read through, and turned around: a chunk, and the tensor itself."""
        for strides, limit in (((3072, 1), 110 << 20), ((1, 4096), 180 << 20)):
            value = t.pickled(t.dictionary({"w": t.tensor("0", "FloatStorage", 4096 * 3072, (4096, 3072), strides)}))
            t.archive(self.path, value, {"0": bytes(4 * 4096 * 3072)})
            result = c.command(self.path, "-o", self.folder / "big.oinf", "--json")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertLess(json.loads(result.stdout)["peak_resident_bytes"], limit)  # Python and its libraries take about 45 MiB

    def test_folder_whole_and_in_parts(self):
        weights = c.llama_weights()
        c.write_config(self.folder)
        t.save(self.folder / "pytorch_model.bin", weights)
        (self.folder / "training_args.bin").write_bytes(b"never looked at")
        whole = self.convert(self.folder)
        self.assertEqual(set(whole.tensors), set(c.NAMES) | {"lm_head"})
        names = list(weights)
        (self.folder / "pytorch_model.bin").unlink()
        parts = {f"pytorch_model-{i:05}-of-00003.bin": names[i - 1 :: 3] for i in (1, 2, 3)}
        for file, part in parts.items():
            t.save(self.folder / file, {n: weights[n] for n in part})
        checksums = lambda p: {k: v.checksum for k, v in p.tensors.items()}  # noqa: E731
        self.assertEqual(checksums(self.convert(self.folder)), checksums(whole))
        c.write_json(self.folder, "pytorch_model.bin.index.json", {"weight_map": {n: file for file, part in parts.items() for n in part}})
        self.assertEqual(checksums(self.convert(self.folder)), checksums(whole))
        (self.folder / "pytorch_model-00002-of-00003.bin").unlink()
        self.refused(self.folder, "pytorch_model-00002-of-00003.bin: missing; pytorch_model.bin.index.json names it")

    def test_a_bare_file_and_what_lies_beside_it(self):
        weights = c.llama_weights()
        t.save(self.path, weights)
        self.assertEqual(set(self.convert(self.path).tensors), set(weights))
        self.assertEqual((self.report.table, self.report.name), ("", "model"))
        self.refused(self.path, r"n_layers \(num_hidden_layers\) is missing", arch="llama")
        c.write_config(self.folder)
        self.assertEqual(set(self.convert(self.path).tensors), set(c.NAMES) | {"lm_head"})
        self.assertEqual(set(self.convert(self.path, arch="none").tensors), set(weights))


class Refuses(c.Case):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "model.pt"

    def bad(self, pickle: bytes, message: str, storages=None, **options):
        t.archive(self.path, pickle, {"0": bytes(8)} if storages is None else storages, **options)
        with self.subTest(message):
            self.refused(self.path, message)

    def one(self, *arguments, **options) -> bytes:
        return t.pickled(t.dictionary({"w": t.tensor(*arguments, **options)}))

    def test_globals_by_name_and_nothing_runs(self):
        witness = self.folder / "witness"
        class Evil:  # noqa: E306
            def __reduce__(self):
                return os.system, (f"touch {witness}",)
        for protocol in range(2, 6):
            self.bad(pickle.dumps({"w": Evil()}, protocol), r"names the global posix\.system, which is not loaded")
        self.bad(t.pickled(t.name("builtins", "eval") + b"(" + t.text("1") + b"tR"), r"byte 2, names the global builtins\.eval")
        self.bad(t.pickled(t.name("torch", "load") + b")R"), r"global torch\.load,")
        self.bad(t.pickled(t.name("torch.storage", "_load_from_bytes") + b")R"), r"global torch\.storage\._load_from_bytes,")
        self.bad(t.pickled(t.name("collections.OrderedDict", "__class__") + b")R"), r"global collections\.OrderedDict\.__class__")
        self.bad(t.pickled(t.name("argparse", "Namespace") + b")\x81"), r"global argparse\.Namespace.*save model\.state_dict\(\) alone")
        self.assertFalse(witness.exists())

    def test_opcodes_by_name(self):
        for raw, opcode in ((b"(i__main__\nX\n", "INST"), (b"(o", "OBJ"), (b")\x81", "NEWOBJ"), (b"\x92", "NEWOBJ_EX"), (b"\x82\x01", "EXT1"), (b"P1\n", "PERSID"), (b"}2", "DUP"), (b"}0", "POP"),
                            (b"I1\n", "INT"), (b"L1L\n", "LONG"), (b"F1\n", "FLOAT"), (b"S'a'\n", "STRING"), (b"V1\n", "UNICODE"), (b"\x8f", "EMPTY_SET"), (b"(d", "DICT"), (b"(l", "LIST"), (b"g0\n", "GET"),
                            (b"\x97", "NEXT_BUFFER"), (b"\x8b\x01\0\0\0\0", "LONG4"), (b"T\0\0\0\0", "BINSTRING"), (b"\x96" + bytes(8), "BYTEARRAY8")):
            self.bad(t.pickled(raw), rf"has the opcode {opcode}, which is not run")

    def test_malformed_pickles(self):
        for raw, message in ((b"", "cut or corrupt"), (b"\x80\x02}", "cut or corrupt"), (b"\x80\x02\xff.", "unknown"), (b"\x80\x02.", "no value or several"), (b"\x80\x02}}.", "no value or several"),
                             (b"\x80\x02(.", "no value or several"), (b"\x80\x02h\x07.", "no memo 7"), (b"\x80\x02u.", "there is no mark"), (b"\x80\x02(K\x01u.", "what is no dict"), (b"\x80\x02}(K\x01u.", "no value"),
                             (b"\x80\x02a.", "stack is empty"), (b"\x80\x02K\x01K\x02a.", "what is no list"), (b"\x80\x02}}K\x01s.", "a dict has the key dict"), (b"\x80\x02})K\x01s.", "a dict has the key tuple"),
                             (b"\x80\x02K\x01)R.", "something is called"), (b"\x80\x02X\xff\xff\xff\x7fa.", "cut or corrupt"), (t.pickled(t.text("x") + b"Q"), "persistent id is no storage"),
                             (t.pickled(b"K\x01}b"), "attributes are set"), (t.pickled(t.name("torch", "Size") + b")R"), "wrong number"), (t.pickled(b"\x8a\x04" + bytes(4) + b"\x85" * 3), "holds no state dict, but tuple"),
                             (t.pickled(b"\x80\x02" + b"(" * 100000), "no value or several"), (t.pickled(t.dictionary({})), "holds no state dict"), (t.pickled(t.dictionary({"a": t.number(1)})), "holds no state dict, but a")):
            self.bad(raw, message)

    def test_nested_values_that_cost_nothing_to_write(self):
        def chain(level: bytes, count: int) -> bytes:  # each dict is memo 0 of the next; BUILD takes it from the stack again
            return t.pickled(b"}}q\x00b" + (b"}(" + level + b"uq\x00b") * count + t.text("state_dict") + b"h\x00s")
        self.bad(chain(t.text("a") + b"h\x00" + t.text("b") + b"h\x00", 30), "hold more than 1048576 values")
        self.bad(chain(t.text("a") + b"h\x00", 40), "nest deeper than 32")
        self.bad(t.pickled(b"K\x01" + b"q\x00h\x00\x86" * 40), "holds no state dict, but tuple")
        shape = b")" + b"q\x00h\x00\x86" * 60
        made = t.name("torch._utils", "_rebuild_tensor_v2") + b"(" + t.storage("0", "FloatStorage", 2) + b"K\x00" + shape + b")\x89" + t.EMPTY_ORDERED + b"tR"
        self.bad(t.pickled(made), "a shape is no tuple of sizes")
        self.bad(t.pickled(b"}q\x00" + t.text("self") + b"h\x00s"), "nest deeper than 32")

    def test_copies_of_one_long_list(self):
        """Two bytes name it again, and each call copies it."""
        many, count, message = 1 << 16, 20, r"it makes more than 262144 values \(REDUCE at byte"
        def filled(element: bytes) -> bytes:  # memo 0
            return b"](" + element + b"q\x01" + b"h\x01" * (many - 1) + b"eq\x00"
        with mock.patch.object(pickle_values, "MAX_MADE", 1 << 18):
            for function, element in ((t.name("torch", "Size"), b"K\x01"), (t.name("collections", "OrderedDict"), t.text("a") + b"K\x01\x86")):
                self.bad(t.pickled(filled(element) + function + b"q\x02" + b"h\x02h\x00\x85R" * count), message)
            arguments = b"(" + t.storage("0", "FloatStorage", 2) + b"K\x00h\x00h\x00\x89}tq\x03"
            made = t.name("torch._utils", "_rebuild_tensor_v2") + b"q\x02" + arguments + b"R" + b"h\x02h\x03R" * count
            self.bad(t.pickled(filled(b"K\x01") + made), message)

    def test_opcodes_are_counted(self):
        with mock.patch.object(pickle_values, "MAX_MADE", 1000):
            self.bad(t.pickled(b"(" + b"}" * 2000 + b"t"), r"it makes more than 1000 values \(EMPTY_DICT at byte 100\d\)")

    def test_tensors_with_attributes_within_one_another(self):
        known = b"(" + t.name("torch._tensor", "_rebuild_from_type_v2") + b"q\x00" + t.name("torch", "Tensor") + b"q\x01t"
        inner = b"(" + t.name("torch._utils", "_rebuild_tensor_v2") + b"h\x01(" + t.storage("0", "FloatStorage", 2) + b"K\x00K\x02\x85K\x01\x85\x89}t}t"
        for depth in (1, 5000):
            self.bad(t.pickled(known + b"h\x00" + b"(h\x00h\x01" * depth + inner + b"}t" * depth + b"R"), "a tensor with attributes is made of one with attributes")
        five = t.name("torch._utils", "_rebuild_parameter") + b"(" + t.tensor("0", "FloatStorage", 2, (2,)) + b"K\x01" * 4 + b"tR"
        self.bad(t.pickled(t.dictionary({"w": five})), "a parameter is no tensor")

    def test_long_keys_over_dicts(self):
        w = t.tensor("0", "FloatStorage", 2, (2,))
        self.bad(t.pickled(t.dictionary({"x" * 300: t.dictionary({"y" * 300: w})})), "the name x+… is longer than 512 characters")

    def test_flipped_bits(self):
        raw = np.random.default_rng(8).bytes(3 << 20)
        value = t.pickled(t.dictionary({"a": t.tensor("0", "ByteStorage", len(raw), (100,), offset=7), "b": t.tensor("0", "ByteStorage", len(raw), (50, 2), (2, 1), offset=2 << 20)}))
        for at in (0, 8, len(raw) // 2, (2 << 20) + 99, len(raw) - 1):
            t.archive(self.path, value, {"0": raw})
            t.flipped(self.path, raw, at)
            self.refused(self.path, r"entry archive/data/0 has the checksum [0-9a-f]{8}, its directory says [0-9a-f]{8}: it is corrupt")
        for needle, at in ((t.text("a"), 5), (b"little", 0)):
            t.archive(self.path, value, {"0": raw})
            t.flipped(self.path, needle, at)
            self.refused(self.path, r"entry archive/(data\.pkl|byteorder) has the checksum")

    def test_tensors(self):
        self.bad(self.one("0", "FloatStorage", 2, (3,)), r"w \(f32 \(3,\), strides \(1,\)\) ends at byte 12 of its storage, which has 8")
        self.bad(self.one("0", "FloatStorage", 2, (2,), offset=1), "ends at byte 12")
        self.bad(self.one("0", "FloatStorage", 2, (2, 1 << 40), (1 << 40, 1)), "ends at byte")
        self.bad(self.one("0", "FloatStorage", 2, (1 << 61, 8), (0, 0)), r"2\^63 bytes or elements")
        self.bad(self.one("0", "FloatStorage", 2, (2,), (-1,)), "a stride is no tuple of sizes")
        self.bad(self.one("0", "FloatStorage", 2, (2,), (1, 1)), "has shape .* and strides")
        self.bad(self.one("0", "FloatStorage", 3, (2,)), "storage 0 has 8 bytes, 12 are claimed")
        self.bad(self.one("7", "FloatStorage", 2, (2,)), "its storage 7 is not in the file")
        self.bad(self.one("../version", "FloatStorage", 2, (2,)), "its storage ../version is not in the file")
        self.bad(self.one("0", "ComplexFloatStorage", 1, (1,)), r"global torch\.ComplexFloatStorage")
        self.bad(self.one("0", "UntypedStorage", 8, (2,)), "a tensor has no dtype")
        self.bad(self.one("0", "UntypedStorage", 8, (1,), dtype="complex64"), r"global torch\.complex64")
        self.bad(t.pickled(t.tensor("0", "FloatStorage", 2, (2,))), "holds one tensor without a name")
        self.bad(self.one("0", "FloatStorage", 2, (1,) * 9), "at most 8 dimensions")

    def test_containers(self):
        good = self.one("0", "FloatStorage", 2, (2,))
        self.bad(good, "is a TorchScript program", extra=[("archive/constants.pkl", b"x")])
        self.bad(good, "holds 2 data.pkl", extra=[("other/data.pkl", b"x")])
        self.bad(good, "is not little-endian", byteorder="big")
        self.path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + bytes(600))
        self.refused(self.path, "format of before version 1.6: load it with PyTorch")
        self.path.write_bytes(b"\0" * 257 + b"ustar" + bytes(600))
        self.refused(self.path, "format of before version 1.6")
        self.path.write_bytes(b"")
        self.refused(self.path, "is not what torch.save writes")

    def test_damaged_at_random(self):
        """The archive, whose checksums may notice, and in every other round the pickle before they are computed."""
        t.save(self.path, {"a": np.arange(12, dtype="<f4").reshape(3, 4), "b": np.arange(5, dtype="<i8")}, wrap=lambda d: t.dictionary({"state_dict": d}))
        with zipfile.ZipFile(self.path) as z:
            pickled, storages = z.read("archive/data.pkl"), {key: z.read(f"archive/data/{key}") for key in "01"}
        whole, rng, refused = self.path.read_bytes(), random.Random(5), 0
        for i in range(1500):
            raw = bytearray(pickled if i % 2 else whole)
            for _ in range(rng.choice((1, 1, 2, 6))):
                raw[rng.randrange(len(raw))] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256), ord(rng.choice("()]}QRbtu.chqX"))))
            raw = raw[: rng.randrange(len(raw))] if rng.random() < 0.1 else raw
            if i % 2:
                t.archive(self.path, bytes(raw), storages)
            else:
                self.path.write_bytes(raw)
            try:
                for rows in c.package.open_source(str(self.path)).tensors.values():
                    if rows.nbytes < 1 << 20:  # strides of nothing make tensors of any size
                        list(rows.chunks())
            except (c.ConvertError, c.opnf_format.OpnfError):
                refused += 1
            except Exception as e:
                raise AssertionError(f"round {i}: {type(e).__name__}: {e}") from e
        self.assertGreater(refused, 300)


if __name__ == "__main__":
    unittest.main()
