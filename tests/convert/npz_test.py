# SPDX-License-Identifier: Apache-2.0
""".npz files -> packages, bit for bit what NumPy reads; and zip archives that lie."""
import io
import json
import random
import struct
import unittest
import zipfile

import checkpoints as c
import numpy as np
import torch_files


class Reads(c.Case):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "weights.npz"

    def same(self, arrays: dict):
        p = self.convert(self.path)
        self.assertEqual(set(p.tensors), {c.opnf.escape_key(k) for k in arrays})
        for key, array in arrays.items():
            made = p.tensors[c.opnf.escape_key(key)]
            self.assertEqual((made.dtype, made.shape, p.bytes(c.opnf.escape_key(key)).tobytes()),
                             (c.opnf_format._dtype_of_numpy(array), array.shape, array.tobytes()), key)

    def test_every_dtype_stored_and_deflated(self):
        rng = np.random.default_rng(1)
        arrays = {f"layer/{f[1:]}": rng.integers(0, 2, (3, 4)).astype(f) for f in ("<f8", "<f4", "<f2", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "|b1")}
        arrays |= {"scalar": np.array(1.5), "empty": np.zeros((0, 4), "<f4"), "fortran": np.asfortranarray(rng.standard_normal((5, 7, 3))), "vector": np.arange(9)}
        for save in (np.savez, np.savez_compressed):
            save(self.path, **arrays)
            with np.load(self.path) as loaded:
                self.same({k: loaded[k] for k in loaded.files})
        self.assertEqual((self.report.table, self.report.name), ("", "weights"))

    def test_arrays_beyond_a_chunk(self):
        rng = np.random.default_rng(2)
        arrays = {"plain": rng.standard_normal((3000, 1000)).astype("<f4"), "fortran": np.asfortranarray(rng.integers(0, 9, (2500, 1500)).astype("i2"))}
        for save in (np.savez, np.savez_compressed):
            save(self.path, **arrays)
            self.same(arrays)

    def test_shape_changes_by_quantisation_as_from_any_source(self):
        weights = {"w": np.random.default_rng(3).standard_normal((4, 64)).astype("<f4")}
        np.savez(self.path, **weights)
        p = self.convert(self.path, quantize=["q8_0"])
        self.assertEqual(p.bytes("w").tobytes(), c.gguf.quantize(weights["w"], c.G.Q8_0).tobytes())

    def test_config_beside_it(self):
        np.savez(self.path, **c.llama_weights())
        c.write_config(self.folder)
        self.assertEqual(set(self.convert(self.path).tensors), set(c.NAMES) | {"lm_head"})


class Refuses(c.Case):
    def bad(self, name: str, raw: bytes, message: str):
        path = self.folder / "bad.npz"
        with zipfile.ZipFile(path, "w") as z:
            z.writestr(name, raw)
        with self.subTest(message):
            self.refused(path, message)

    def npy(self, array=None, header: str | None = None, version=(1, 0), data: bytes = b"") -> bytes:
        if array is not None:
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array, allow_pickle=True)
            return stream.getvalue()
        raw = header.encode()
        return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version < (2, 0) else "<I", len(raw)) + raw + data

    def test_arrays(self):
        good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"
        self.bad("a.txt", b"", "entry a.txt is no .npy")
        self.bad("a.npy", b"", "is no .npy file")
        self.bad("a.npy", self.npy(header=good.replace("<f4", "nope"), data=bytes(8)), "has dtype nope")
        self.bad("a.npy", self.npy(np.array([{}], dtype=object)), "holds pickled Python objects, which are never loaded")
        self.bad("a.npy", self.npy(np.zeros(2, ">f4")), "has dtype >f4, which packages do not have; store it in little-endian order")
        self.bad("a.npy", self.npy(np.zeros(2, "c8")), "has dtype <c8, which packages do not have")
        self.bad("a.npy", self.npy(np.array(["x"])), "has dtype <U1")
        self.bad("a.npy", self.npy(np.zeros(2, [("x", "<f4")])), r"has dtype \[\('x', '<f4'\)\], which")
        self.bad("a.npy", self.npy(header=good, data=bytes(7)), r"f32 \(2,\) takes 8 bytes, its entry has 7")
        self.bad("a.npy", self.npy(header=good, version=(9, 0)), "version 9.0")
        self.bad("a.npy", self.npy(header=good)[:20], "bad header")
        for header in ("", "[]", "{", "__import__('os')", "{'descr': '<f4'}", good.replace("(2,)", "(-2,)"), good.replace("(2,)", "(True,)"), good.replace("(2,)", "2"), "{1}", "(" * 9000):
            self.bad("a.npy", self.npy(header=header, data=bytes(8)), "bad header")
        self.bad("a.npy", self.npy(header=good.replace("(2,)", f"({1 << 61}, 8)"), data=bytes(8)), r"2\^63|bad header")
        self.bad("a.npy", self.npy(header=" " * 20000 + good, data=bytes(8)), "bad header|no .npy")

    def test_names(self):
        for name in ("../a.npy", "a/../../b.npy", "/etc/a.npy", "C:/a.npy", "a\\b.npy"):
            self.bad(name, self.npy(np.zeros(1)), "a plain relative name is needed")

    def zip_bad(self, message: str, change):
        torch_files.damaged_zip(self.folder / "bad.npz", change)
        with self.subTest(message):
            self.refused(self.folder / "bad.npz", message)

    def test_directories_that_lie(self):
        def put(at: int, form: str, value):
            return lambda raw, central: struct.pack_into("<" + form, raw, central + at, value)
        self.zip_bad("is encrypted", put(8, "H", 1))
        self.zip_bad("packed by method 14", put(10, "H", 14))
        self.zip_bad("is stored, but has 63 bytes", put(20, "I", 63))
        self.zip_bad("is stored, but has 64 bytes for a content of 2147483647", put(24, "I", 2**31 - 1))
        self.zip_bad("longer than the rest", put(28, "H", 9999))
        self.zip_bad("longer than the rest", put(32, "H", 9999))
        self.zip_bad("has no header at byte 1", put(42, "I", 1))
        self.zip_bad("has no header at byte 4294967295", put(42, "I", 0xFFFFFFFF))
        self.zip_bad("ends after 0 of 1 entries", put(0, "I", 0))
        self.zip_bad("another name where its content is", lambda raw, central: raw.__setitem__(30, ord("b")))
        self.zip_bad("ends at byte .*, the directory begins", lambda raw, central: (struct.pack_into("<II", raw, central + 20, 65, 65)))
        end = lambda form, at, value: lambda raw, central: struct.pack_into("<" + form, raw, len(raw) - 22 + at, value)  # noqa: E731
        self.zip_bad("is one part of a zip archive of several", end("H", 4, 1))
        self.zip_bad("is one part of a zip archive of several", end("H", 10, 9))
        self.zip_bad("beyond its own end record", end("I", 12, 2**31))
        self.zip_bad("beyond its own end record", end("I", 16, 2**31))
        self.zip_bad("claims 999 entries", lambda raw, central: struct.pack_into("<HH", raw, len(raw) - 14, 999, 999))
        self.zip_bad("has no zip directory", lambda raw, central: raw.__delitem__(slice(-1, None)))
        self.zip_bad("has no zip directory", lambda raw, central: raw.__delitem__(slice(10, None)))
        self.zip_bad("has no zip directory", lambda raw, central: raw.clear())
        self.zip_bad("zip64 directory is not at byte", lambda raw, central: raw.__setitem__(slice(-22, -22), b"PK\6\7" + struct.pack("<IQI", 0, 7, 1)))

    def test_zip64(self):
        """Sizes and places in 64 bits, in the directory and in its end record."""
        path = self.folder / "wide.npz"
        np.savez(path, a=np.arange(3, dtype="<f4"))
        raw = path.read_bytes()
        at, end = raw.rfind(b"PK\1\2"), raw.rfind(b"PK\5\6")
        head, (packed, size, name_size) = bytearray(raw[at:end]), struct.unpack_from("<IIH", raw, at + 20)
        struct.pack_into("<IIHH", head, 20, 0xFFFFFFFF, 0xFFFFFFFF, name_size, 28)
        struct.pack_into("<I", head, 42, 0xFFFFFFFF)
        directory = bytes(head[: 46 + name_size]) + struct.pack("<HHQQQ", 1, 24, size, packed, 0)
        record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, len(directory), at)
        locator = b"PK\6\7" + struct.pack("<IQI", 0, at + len(directory), 1)
        tail = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        path.write_bytes(raw[:at] + directory + record + locator + tail)
        with np.load(path) as loaded:
            self.assertEqual(self.convert(path).bytes("a").tobytes(), loaded["a"].tobytes())

    def test_two_entries_over_the_same_bytes(self):
        def overlap(raw, central):
            entry = raw[central:-22]
            raw[-22:-22] = entry
            raw[len(raw) - 22 - len(entry) + 46] = ord("b")
            struct.pack_into("<HHI", raw, len(raw) - 14, 2, 2, 2 * len(entry))
        self.zip_bad("entries [ab].npy and [ab].npy overlap", overlap)
        def twice(raw, central):  # noqa: E306
            entry = raw[central:-22]
            raw[-22:-22] = entry
            struct.pack_into("<HHI", raw, len(raw) - 14, 2, 2, 2 * len(entry))
        self.zip_bad("entry a.npy is there twice", twice)

    def deflated(self, change) -> None:
        path = self.folder / "bad.npz"
        np.savez_compressed(path, a=np.arange(5000, dtype="<f4"))
        raw = bytearray(path.read_bytes())
        change(raw, raw.rfind(b"PK\1\2"))
        path.write_bytes(raw)

    def test_deflated_entries_that_lie(self):
        path = self.folder / "bad.npz"
        for message, change in (("more than deflate can: it is hostile", lambda raw, at: struct.pack_into("<I", raw, at + 24, 2**31)),
                                ("takes 20000 bytes, its entry has 20001", lambda raw, at: struct.pack_into("<I", raw, at + 24, 20129)),
                                ("its checksum is wrong", lambda raw, at: struct.pack_into("<I", raw, at + 16, 1)),
                                ("cannot be inflated|checksum is wrong|fewer than", lambda raw, at: raw.__setitem__(slice(300, 340), bytes(40)))):
            self.deflated(change)
            with self.subTest(message):
                self.refused(path, message)
        self.deflated(lambda raw, at: struct.pack_into("<I", raw, at + 20, struct.unpack_from("<I", raw, at + 20)[0] // 2))
        self.refused(path, "inflates to fewer than the 20128 bytes that it claims")

    def test_flipped_bits_of_stored_entries(self):
        path, arrays = self.folder / "bad.npz", {"a": np.arange(400000, dtype="<f4"), "f": np.asfortranarray(np.arange(6000.0).reshape(60, 100)), "e": np.zeros((0, 7), "<f4")}
        with io.BytesIO() as stream:
            np.savez(stream, **arrays)
            good = stream.getvalue()
        for name, at in (("a", 0), ("a", 999_999), ("a", 1_599_999), ("f", 3), ("f", 47_999)):
            raw = bytearray(good)
            raw[raw.find(arrays[name].tobytes("A")) + at] ^= 0x40
            path.write_bytes(raw)
            self.refused(path, rf"entry {name}\.npy has the checksum [0-9a-f]{{8}}, its directory says [0-9a-f]{{8}}: it is corrupt")
        for old, new in ((b"(0, 7)", b"(0, 5)"), (b"(60, 100)", b"(20, 300)"), (b"(400000,)", b"(8,50000)"), (b"'<f4', 'fortran_order': False, 'shape': (4", b"'<i4', 'fortran_order': False, 'shape': (4")):
            self.assertEqual(good.count(old), 1)
            path.write_bytes(good.replace(old, new.ljust(len(old))))
            self.refused(path, "has the checksum|bad header")
        path.write_bytes(good)
        self.assertEqual(set(self.convert(path).tensors), set(arrays))

    def test_a_bomb_is_read_as_a_stream(self):
        """32 MiB of zeros in 32 KiB: as many bytes as it says, a chunk at a time; a disk that is too small is known before."""
        path, out = self.folder / "bomb.npz", self.folder / "out.oinf"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z, z.open("a.npy", "w", force_zip64=True) as f:
            f.write(self.npy(header="{'descr': '<f4', 'fortran_order': False, 'shape': (8388608,), }\n"))
            for _ in range(32):
                f.write(bytes(1 << 20))
        self.assertLess(path.stat().st_size, 64 << 10)
        result = c.command(path, "-o", out, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        doc = json.loads(result.stdout)
        self.assertEqual(doc["tensor_bytes"], 32 << 20)
        self.assertLess(doc["peak_resident_bytes"], 110 << 20)

    def test_damaged_at_random(self):
        path = self.folder / "weights.npz"
        np.savez_compressed(path, a=np.arange(40, dtype="<f4").reshape(5, 8), b=np.asfortranarray(np.ones((3, 4), "<i2")), c=np.array(True))
        good, rng, refused = path.read_bytes(), random.Random(4), 0
        for i in range(1500):
            raw = bytearray(good)
            for _ in range(rng.choice((1, 1, 2, 6))):
                raw[rng.randrange(len(raw))] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
            path.write_bytes(raw[: rng.randrange(len(raw))] if rng.random() < 0.1 else raw)
            try:
                for rows in c.package.open_source(str(path)).tensors.values():
                    list(rows.chunks())
            except (c.ConvertError, c.opnf_format.OpnfError):
                refused += 1
            except Exception as e:
                raise AssertionError(f"round {i}: {type(e).__name__}: {e}") from e
        self.assertGreater(refused, 300)


if __name__ == "__main__":
    unittest.main()
