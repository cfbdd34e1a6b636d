# SPDX-License-Identifier: Apache-2.0
"""--quantize: the gguf library's bytes, whatever the chunks; which tensors; what is refused. And the transforms."""
import unittest

import checkpoints as c
import numpy as np
from checkpoints import G, gguf
from openinfer_convert import rows as r
from openinfer_convert import quantize as q

TYPES = {"f16": G.F16, "bf16": G.BF16, "q8_0": G.Q8_0, "q4_0": G.Q4_0, "q4_1": G.Q4_1, "q5_0": G.Q5_0, "q5_1": G.Q5_1}


class ArrayRows(r.Rows):
    """An f32 array as a tensor."""

    def __init__(self, array, granule=1):
        super().__init__("f32", array.shape, granule=granule)
        self.array = array

    def read(self, first, count):
        return self.array.reshape(self.count, -1)[first : first + count].astype("<f4").view("u1")


def all_bytes(rows: r.Rows) -> bytes:
    return b"".join(np.ascontiguousarray(chunk).tobytes() for chunk in rows.chunks())


class Which(c.Case):
    def test_a_pattern_counts_as_one_where_the_bare_type_is_the_same(self):
        c.gguf_llama(self.folder / "m.gguf", c.llama_weights())
        for quantize in (["norm=f16"], ["f16", "norm=f16"], ["norm=f16", "f16"], ["q8_0", "norm=f16"]):
            p = self.convert(self.folder / "m.gguf", quantize=quantize)
            self.assertEqual({p.tensors[k].dtype for k in ("final_norm", "attn_norm.0")}, {"f16"}, quantize)
        p = self.convert(self.folder / "m.gguf", quantize=["f16"])
        self.assertEqual(p.tensors["final_norm"].dtype, "f32")


class Bytes(c.Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, r, "CHUNK_BYTES", r.CHUNK_BYTES)
        rng = np.random.default_rng(3)
        self.values = (rng.standard_normal((67, 160)) * 10.0 ** rng.integers(-6, 3, (67, 1))).astype("<f4")
        self.values[3], self.values[4], self.values[5, :64] = 0, -1.25, 7

    def test_equal_the_librarys_for_any_chunk(self):
        for name, kind in TYPES.items():
            expected = gguf.quantize(self.values, kind).tobytes()
            for chunk in (1, 5000, 1 << 20):
                r.CHUNK_BYTES = chunk
                self.assertEqual(all_bytes(q.quantize(ArrayRows(self.values), name, "t")), expected, (name, chunk))

    def test_from_every_readable_type(self):
        self.assertEqual(q.READABLE - set(TYPES) - {"f32", "f64"}, {k.name.lower() for k in G if gguf.GGML_QUANT_SIZES[k][0] > 1} - set(TYPES) - {"nvfp4", "q1_0", "q8_1", "q8_k"})
        for kind in G:
            if kind.name.lower() in q.READABLE and kind not in (G.F64,):
                raw = np.random.default_rng(kind).integers(0, 256, (5, 1024 // gguf.GGML_QUANT_SIZES[kind][0] * gguf.GGML_QUANT_SIZES[kind][1]), dtype="u1") & 0xBF
                (self.folder / "a.gguf").write_bytes(c.g_file(tensors=[c.g_tensor("t", (1024, 5), int(kind), 0)], data=raw.tobytes()))
                p = self.convert(self.folder / "a.gguf", quantize=["bf16"])
                if kind != G.BF16:
                    expected = gguf.quantize(gguf.dequantize(raw, kind), G.BF16)
                    self.assertEqual(p.bytes("t").tobytes(), expected.tobytes(), kind.name)

    def test_blocks_too_small_for_their_scale_are_encoded_as_zeros(self):
        """1/scale would overflow, and what the library then casts to an integer differs between machines."""
        tiny, zeros = np.full((1, 64), 1e-40, "<f4"), np.zeros((1, 64), "<f4")
        tiny[0, 0], tiny[0, 1] = -1e-41, 9e-39
        tiny[0, 32:] = zeros[0, 32:] = 1.0
        for name in ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1"):
            self.assertEqual(all_bytes(q.quantize(ArrayRows(tiny), name, "t")), gguf.quantize(zeros, TYPES[name]).tobytes(), name)

    def test_values_that_do_not_fit(self):
        for name, value, message in (("f16", 1e5, "100000 is beyond f16's 65504: use bf16"), ("q8_0", np.nan, "holds NaN or infinity, which q8_0 cannot"),
                                     ("q4_0", np.inf, "holds NaN or infinity"), ("q4_1", -1e5, "100000 is too large for the f16 scales of q4_1"), ("q8_0", 1e30, ".* is too large")):
            values = np.ones((2, 32), "<f4")
            values[1, 7] = value
            with self.assertRaisesRegex(c.ConvertError, "tensor t: " + message):
                all_bytes(q.quantize(ArrayRows(values), name, "t"))
        kept = np.array([[np.inf, np.nan, -np.inf, 1]], "<f4")
        for name in ("f16", "bf16"):
            self.assertEqual(all_bytes(q.quantize(ArrayRows(kept), name, "t")), gguf.quantize(kept, TYPES[name]).tobytes())


class Choice(c.Case):
    def setUp(self):
        super().setUp()
        c.hf_llama(self.folder / "m", c.llama_weights())

    def dtypes(self, *quantize) -> dict:
        p = self.convert(self.folder / "m", quantize=quantize)
        return {k: t.dtype for k, t in p.tensors.items()}

    def test_bare_takes_matrices(self):
        d = self.dtypes("q8_0")
        self.assertEqual({d["tok_embeddings"], d["lm_head"], d["Wq.0"], d["Wdown.1"]}, {"q8_0"})
        self.assertEqual({d["final_norm"], d["attn_norm.0"]}, {"f32"})
        self.assertEqual(self.report.stayed["final_norm"], "has one dimension")
        self.assertEqual(self.report.quantized["Wq.0"], ("f32", "q8_0"))

    def test_patterns_find_keys_and_names_and_the_last_counts(self):
        d = self.dtypes("q8_0", r"self_attn\.[qk]_proj=q4_0", "Wk=f16", "tok_emb=keep", "norm=bf16")
        self.assertEqual((d["Wq.0"], d["Wk.1"], d["Wv.0"], d["lm_head"], d["final_norm"]), ("q4_0", "f16", "q8_0", "f32", "bf16"))
        self.assertEqual(self.report.stayed["tok_embeddings"], "asked to be kept")

    def test_pattern_alone_leaves_the_rest(self):
        d = self.dtypes("ffn|mlp.*proj=q4_0")
        self.assertEqual((d["Wup.0"], d["Wq.0"]), ("q4_0", "f32"))

    def test_same_type_is_left_alone(self):
        c.gguf_llama(self.folder / "g.gguf", c.llama_weights(), G.Q4_1)
        before = self.convert(self.folder / "g.gguf")
        after = self.convert(self.folder / "g.gguf", quantize=["q4_1"], out="b.oinf")
        self.assertEqual({k: t.checksum for k, t in before.tensors.items()}, {k: t.checksum for k, t in after.tensors.items()})

    def test_rows_that_do_not_divide_stay(self):
        (self.folder / "a.safetensors").write_bytes(c.st_file({"odd": ("F32", [2, 30], 0, 240), "ints": ("I32", [2, 32], 240, 496)}, bytes(496)))
        p = self.convert(self.folder / "a.safetensors", quantize=["q8_0"])
        self.assertEqual((p.tensors["odd"].dtype, p.tensors["ints"].dtype), ("f32", "i32"))
        self.assertEqual(self.report.stayed, {"odd": "rows of 30 are no multiple of 32", "ints": "i32 is not re-encoded"})

    def test_what_cannot_be_understood(self):
        for arguments, message in ((["q9_9"], "'q9_9' is none of f16"), (["keep"], "'keep' is none of"), (["a=b"], "'b' is none of"), (["[=q8_0"], "not a regular expression"), (["f16", "q8_0"], "give one for all")):
            with self.assertRaisesRegex(q.UsageError, message):
                q.Choice.parse(arguments)
        self.refused(self.folder / "m", "--quantize nothing=f16: no tensor has a name with that pattern", quantize=["nothing=f16"])


class Transforms(c.Case):
    def setUp(self):
        super().setUp()
        self.array = np.arange(24 * 32, dtype="<f4").reshape(24, 32)
        self.addCleanup(setattr, r, "CHUNK_BYTES", r.CHUNK_BYTES)

    def same(self, rows: r.Rows, expected: np.ndarray):
        self.assertEqual(rows.shape, expected.shape)
        for chunk in (1, 700, 1 << 20):
            r.CHUNK_BYTES = chunk
            self.assertEqual(all_bytes(rows), expected.astype("<f4").tobytes(), chunk)

    def test_unpermute_rope_undoes_llama_cpps_permutation(self):
        for heads in (1, 2, 3):
            self.same(r.unpermute_rope(ArrayRows(c.permuted(self.array, heads)), heads, 24 // heads), self.array)
        moved = r.unpermute_rope(ArrayRows(c.permuted(self.array, 2)), 2, 12)
        self.assertEqual(moved.read(5, 9).tobytes(), self.array[5:14].tobytes())  # across heads
        vector = np.arange(24, dtype="<f4")
        self.same(r.unpermute_rope(ArrayRows(c.permuted(vector, 2)), 2, 12), vector)

    def test_rows_are_read_once(self):
        reads = []
        base = ArrayRows(self.array)
        base.read = lambda first, count, read=base.read: (reads.extend(range(first, first + count)), read(first, count))[1]
        r.CHUNK_BYTES = 5 * 32 * 4  # five rows: not a whole number of heads
        all_bytes(q.quantize(r.unpermute_rope(base, 2, 12), "q8_0", "t"))
        self.assertEqual(reads, list(range(24)))

    def test_split_stack_add_one(self):
        base = ArrayRows(self.array)
        self.same(r.split(base, [8, 4, 12], 1), self.array[8:12])
        self.same(r.split(ArrayRows(self.array[:, 0]), [8, 16], 1), self.array[8:, 0])
        self.same(r.stack([base, ArrayRows(-self.array)]), np.stack([self.array, -self.array]))
        self.same(r.add_one(base), self.array + 1)
        self.same(r.unpermute_rope(r.split(base, [8, 16], 0), 2, 4), self.array[[0, 2, 1, 3, 4, 6, 5, 7]])

    def test_what_does_not_fit(self):
        base = ArrayRows(self.array)
        for make, message in ((lambda: r.unpermute_rope(base, 5, 4), "24 rows cannot be 5 heads"), (lambda: r.unpermute_rope(base, 2, 13), "cannot turn 13"),
                              (lambda: r.unpermute_rope(base, 2, 3), "cannot turn 3"), (lambda: r.split(base, [8, 8], 0), "cannot be split"),
                              (lambda: r.stack([base, ArrayRows(self.array[:2])]), "differ in dtype or shape"), (lambda: r.add_one(q.quantize(base, "q8_0", "t")), "not q8_0")):
            with self.assertRaisesRegex(c.ConvertError, message):
                make()

    def test_a_table_names_them(self):
        from openinfer_convert import mapping
        table = {"architecture": "x", "ignored": {"gguf": [], "huggingface": []}, "tensors": [
            {"key": "Wk.{l}", "shape": [32, "kv"], "transposed": True, "huggingface": ["l{l}.qkv"], "transforms": {"huggingface": [{"split": {"parts": ["q", "kv", "kv"], "take": 1}}]}},
            {"key": "norm", "shape": [32], "huggingface": ["norm"], "transforms": {"huggingface": [{"add_one": True}]}},
            {"key": "experts.{l}", "shape": ["n", 32, 24], "transposed": True, "huggingface": ["l{l}.e.{e}"], "transforms": {"huggingface": [{"stack": "n"}]}}]}
        source = c.package.Source("file")
        source.kind, source.get = "huggingface", lambda key: None
        source.tensors = {"l0.qkv": ArrayRows(self.array), "norm": ArrayRows(self.array[0]), "l0.e.0": ArrayRows(self.array), "l0.e.1": ArrayRows(-self.array)}
        out = {t.key: t for t in mapping.by_table(source, table, {"n_layers": 1, "q": 16, "kv": 4, "n": 2}, {}).tensors}
        self.assertEqual({k: t.shape for k, t in out.items()}, {"Wk.0": (32, 4), "norm": (32,), "experts.0": (2, 32, 24)})
        self.same(out["Wk.0"].rows, self.array[16:20])
        self.same(out["norm"].rows, self.array[0] + 1)
        self.same(out["experts.0"].rows, np.stack([self.array, -self.array]))


if __name__ == "__main__":
    unittest.main()
