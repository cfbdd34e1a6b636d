# SPDX-License-Identifier: Apache-2.0
"""The Python writer against the golden files, its errors, and the strict Python reader against the same files."""

import errno
import os
import pathlib
import resource
import shutil
import signal
import struct
import sys
import tempfile
import unittest
import unittest.mock

try:
    import numpy as np
    import xxhash  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}; scripts/setup.sh makes an environment that has it")
    sys.exit(77)

import describe
from opnf import OpnfError, Quantisation, Writer, escape_key, unescape_key
from opnf_reader import Package

GOLDEN = pathlib.Path(__file__).parent / "golden"


class Folder(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = pathlib.Path(self._folder.name)

    def writer(self, **options):
        return Writer(self.folder / "m.oinf", **options)

    def fails(self, message, call, *args, **named):
        with self.assertRaisesRegex(OpnfError, message):
            call(*args, **named)


class Golden(Folder):
    def test_the_python_writer_makes_the_golden_bytes(self):
        describe.write_all(self.folder)
        names = sorted(p.name for p in GOLDEN.glob("*.oin[fs]"))
        self.assertEqual(sorted(os.listdir(self.folder)), names)
        for name in names:
            self.assertEqual((self.folder / name).read_bytes(), (GOLDEN / name).read_bytes(), name)

    def test_the_python_reader_reads_them(self):
        p = Package(GOLDEN / "small.oinf")
        self.assertEqual((p.metadata["n_layers"], p.metadata["umlauts"], p.metadata["tied"]), (2, "äöü €", True))
        self.assertEqual(p.metadata["table"].shape, (2, 3))
        self.assertEqual(p.types["array/bf16"], "bf16[]")
        self.assertEqual(p.tokenizer["tokens"], ["<s>", "</s>", "a", "b", "ab"])
        self.assertEqual(p.states["kv"], ("kv_cache", "f32", ["2", "1", "3", "ctx", "64"]))
        self.assertEqual(p.dims["ctx"], (1, 128))
        self.assertEqual(p.tensors["head"].target, "embedding")
        self.assertEqual(bytes(p.bytes("head")), describe.pattern("f16", 8, 48))
        self.assertEqual(p.tensors["q/group"].quant, Quantisation("q/scale.group", "q/zero.group", "group", 1, 4))
        for dtype, (code, _, size) in describe.DTYPES.items():
            self.assertEqual(bytes(p.bytes(f"all/{dtype}")), describe.pattern(dtype, code, 6 * size))
        self.assertEqual(len(Package(GOLDEN / "sharded.oinf").tensors), 5)
        self.assertEqual(Package(GOLDEN / "empty.oinf").tensors, {})

    def test_the_python_reader_refuses_any_flipped_bit_of_an_index(self):
        raw = (GOLDEN / "small.oinf").read_bytes()
        for at in range(0, 12000, 311):
            (self.folder / "m.oinf").write_bytes(raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :])
            self.fails("", Package, self.folder / "m.oinf")


class Errors(Folder):
    def test_keys_and_values(self):
        w = self.writer()
        self.fails("key ''", w.meta, "", 1)
        self.fails("key 'a b'", w.meta, "a b", 1)
        w.meta("a", 1)
        self.fails("has 'a' already", w.meta, "a", 2)
        self.fails("type", w.meta, "b", None)
        self.fails("type", w.meta, "b", [1, "x"])
        self.fails("empty list", w.meta, "b", [])
        self.fails("mixes", w.meta, "b", [True, 2])
        self.fails("value of 'b'", w.meta, "b", 1 << 70)
        self.fails("value of 'b'", w.meta, "b", 300, "u8")
        self.fails("16777217 bytes", w.meta, "b", "x" * ((1 << 24) + 1))
        self.fails("alignment", self.writer, alignment=100)

    def test_tensors(self):
        w = self.writer()
        w.tensor("t", "f32", (2, 3), np.zeros((2, 3), "f4"))
        self.fails("already", w.tensor, "t", "f32", (1,), bytes(4))
        self.fails("unknown dtype", w.tensor, "x", "f12", (1,), b"")
        self.fails("multiple of 32", w.tensor, "x", "q4_0", (33,), b"")
        self.fails("two dimensions", w.tensor, "x", "f32", (2,), bytes(8), transposed=True)
        self.fails("panel16", w.tensor, "x", "q4_0", (15, 32), b"", layout="panel16")
        self.fails("2\\^63", w.tensor, "x", "f32", (1 << 40, 1 << 40), b"")
        self.fails("a block of f32 has 4 bytes", w.splat, "y", "f32", (1,), b"")

    def test_what_only_the_end_shows(self):
        for message, prepare in (
            ("leads back", lambda w: (w.alias("a", "b"), w.alias("b", "a"))),
            ("does not exist", lambda w: w.alias("a", "b")),
            ("stored shape", lambda w: w.alias("a", "t", shape=(3, 2))),
            ("not declared", lambda w: w.tensor_state("s", "f32", ["n"])),
            ("no tensor 'scale'", lambda w: w.tensor("q", "i8", (2,), bytes(2), quant=Quantisation("scale"))),
            ("not an integer", lambda w: w.tensor("q", "f32", (2,), bytes(8), quant=Quantisation("t"))),
            ("needs 8 bytes, the source gave 4", lambda w: w.tensor("u", "f32", (2,), bytes(4))),
            ("needs 8 bytes, the source gave 12", lambda w: w.tensor("u", "f32", (2,), lambda: iter([bytes(8), bytes(4)]))),
        ):
            w = self.writer()
            w.tensor("t", "f32", (2, 3), bytes(24))
            prepare(w)
            self.fails(message, w.write)
            self.assertEqual(os.listdir(self.folder), [])


class Atomic(Folder):
    def check_untouched(self):
        self.assertEqual(os.listdir(self.folder), ["m.oinf"])
        self.assertEqual((self.folder / "m.oinf").read_text(), "before")

    def test_a_failing_source_leaves_the_folder_as_it_was(self):
        (self.folder / "m.oinf").write_text("before")
        for error in (ValueError, KeyboardInterrupt):
            for shard_size in (None, 1):
                def source():
                    yield bytes(4)
                    raise error("source failed")

                w = self.writer(shard_size=shard_size)
                w.tensor("a", "f32", (1,), bytes(4))
                w.tensor("t", "f32", (2,), source)
                with self.assertRaises(error):
                    w.write()
                self.check_untouched()

    def test_no_space(self):
        (self.folder / "m.oinf").write_text("before")
        limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
        try:
            w = self.writer()
            w.tensor("a", "u8", (4 << 20,), bytes(4 << 20))
            with self.assertRaises(OSError):
                w.write()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)
        self.check_untouched()

    def test_progress_counts_to_the_end(self):
        seen, w = [], self.writer()
        w.tensor("a", "u8", (10,), lambda: (bytes(4), bytes(6)))
        w.tensor("b", "u8", (5,), bytes(5))
        w.write(progress=lambda done, total: seen.append((done, total)))
        self.assertEqual(seen, [(4, 15), (10, 15), (15, 15)])


class Replace(Folder):
    """A package written over another one: before and after each call that changes the folder, one of them is there, whole."""

    def package(self, value, shard_size):
        w = self.writer(shard_size=shard_size)
        for key in "abcd":  # a is the same in all
            w.tensor(key, "f32", (8,), struct.pack("<f", 1 if key == "a" else value) * 8)
        return w

    def value(self):
        path = self.folder / "m.oinf"
        return struct.unpack_from("<f", Package(path).bytes("d"))[0] if path.exists() else None

    def write(self, old, shard_size, failing):
        """Writes 3 over `old`. The failing-th call fails. Returns how many there were."""
        calls = 0

        def watched(call):
            def at_a_moment(*args, **named):
                nonlocal calls
                self.assertIn(self.value(), (old, 3))
                calls += 1
                if calls - 1 == failing:
                    raise OSError(errno.EIO, "failed by the test")
                call(*args, **named)
                self.assertIn(self.value(), (old, 3))
            return at_a_moment

        with unittest.mock.patch("os.replace", watched(os.replace)), unittest.mock.patch("os.link", watched(os.link)):
            self.package(3, shard_size).write()
        return calls

    def test_at_every_moment(self):
        for old, before, after in ((2, 1, 1), (2, 1, 4500), (2, 4500, 1), (2, 1, None), (2, None, 1), (2, None, None), (None, None, 1)):
            failing, calls = -1, 0
            while failing < calls:
                for path in self.folder.iterdir():
                    path.unlink()
                if old:
                    self.package(old, before).write()
                names = sorted(os.listdir(self.folder))
                with self.subTest(old=old, before=before, after=after, failing=failing):
                    if failing < 0:
                        calls = self.write(old, after, failing)
                        self.assertEqual(self.value(), 3)
                        left = sorted(os.listdir(self.folder))
                        self.assertEqual(left, sorted(["m.oinf", *self.new_shards(after)]))
                    else:
                        with self.assertRaisesRegex(OSError, "failed by the test"):
                            self.write(old, after, failing)
                        self.assertEqual(self.value(), old)
                        self.assertEqual(sorted(os.listdir(self.folder)), names)
                failing += 1

    def new_shards(self, shard_size):
        w = self.package(3, shard_size)
        w.write()
        return w.shards

    def test_only_shards_of_the_package_that_is_replaced_are_removed(self):
        w = Writer(self.folder / "other.oinf", shard_size=1)
        w.tensor("t", "f32", (1,), bytes(4))
        w.write()
        shutil.copy(self.folder / "other.oinf", self.folder / "m.oinf")  # names other's shards
        self.package(3, None).write()
        self.assertEqual(Package(self.folder / "other.oinf").bytes("t").tobytes(), bytes(4))


class Keys(unittest.TestCase):
    def test_escapes_are_reversible(self):
        for name in ("plain.weight", "a b", "ä/€", "-x41", "x-xy--x", "model[0]:w", "\udcff", "-", "--x"):
            key = escape_key(name)
            self.assertRegex(key, r"\A[A-Za-z0-9._/-]+\Z")
            self.assertEqual(unescape_key(key), name)
        self.assertEqual(escape_key("plain.weight"), "plain.weight")


if __name__ == "__main__":
    unittest.main()
