# SPDX-License-Identifier: Apache-2.0
"""GGUF -> package: every block type unchanged, llama's names, orientation, rope rows and metadata, split files."""
import unittest

import checkpoints as c
import numpy as np
from checkpoints import G, gguf

OWN_SIZES = {"q8_1": (32, 36), "q8_k": (256, 292)}  # ggml-common.h; the library's table has q8_1's former 40 bytes
NOT_IN_PACKAGES = {"NVFP4", "Q1_0"}
STORED = [k for k in G if k.name not in NOT_IN_PACKAGES]


def blocks(kind, rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Random blocks without NaN or infinity wherever the format has its scale: exponents never have their top bit."""
    block, size = OWN_SIZES.get(kind.name.lower(), gguf.GGML_QUANT_SIZES[kind])
    raw = np.random.default_rng(seed + kind).integers(0, 256, (rows, columns // block * size), dtype="u1")
    return raw & 0xBF


def one_tensor(kind, raw: np.ndarray, columns: int) -> bytes:
    return c.g_file(tensors=[c.g_tensor("t.weight", (columns, len(raw)), int(kind), 0)], data=raw.tobytes())


class EveryType(c.Case):
    def test_bytes_are_unchanged(self):
        for kind in STORED:
            with self.subTest(kind.name):
                raw = blocks(kind, 3, 512)
                (self.folder / "a.gguf").write_bytes(one_tensor(kind, raw, 512))
                p = self.convert(self.folder / "a.gguf")
                t = p.tensors["t.weight"]
                self.assertEqual((t.dtype, t.shape, t.transposed, t.layout), (kind.name.lower(), (3, 512), False, "rows"))
                self.assertEqual(p.bytes("t.weight").tobytes(), raw.tobytes())

    def test_several_types_in_one_file_by_the_librarys_writer(self):
        kinds = [k for k in STORED if k.name.lower() not in OWN_SIZES and k >= G.F16 and k not in (G.I8, G.I16, G.I32, G.I64, G.F64)]
        w = gguf.GGUFWriter(self.folder / "a.gguf", "several")
        for kind in kinds:
            raw = blocks(kind, 2, 256)
            w.add_tensor(kind.name, raw.view("<f2") if kind == G.F16 else raw, raw_dtype=None if kind == G.F16 else kind)
        c.close(w)
        p = self.convert(self.folder / "a.gguf")
        self.assertEqual(len(p.tensors), len(kinds))
        for kind in kinds:
            self.assertEqual(p.bytes(kind.name).tobytes(), blocks(kind, 2, 256).tobytes(), kind.name)

    def test_types_without_a_dtype_are_refused_by_name(self):
        for name in NOT_IN_PACKAGES:
            (self.folder / "a.gguf").write_bytes(one_tensor(G[name], np.zeros((2, 4096), "u1"), 512))
            self.refused(self.folder / "a.gguf", f"t.weight has type {name}")
        (self.folder / "a.gguf").write_bytes(one_tensor(77, np.zeros((2, 4096), "u1"), 512))
        self.refused(self.folder / "a.gguf", "t.weight has type number 77")

    def test_nan_scale_is_refused_where_the_library_dequantises_to_nan(self):
        found = set()
        for kind in STORED:
            if gguf.GGML_QUANT_SIZES[kind][0] == 1 or kind.name.lower() in OWN_SIZES or kind == G.MXFP4:
                continue
            size = gguf.GGML_QUANT_SIZES[kind][1]
            for at in range(0, size - 1, 2):
                raw = blocks(kind, 2, 512)
                raw[1, size * (len(raw[1]) // size - 1) + at :][:2] = (0x00, 0xFE)  # an f16 NaN
                with np.errstate(all="ignore"):
                    bad = not np.isfinite(gguf.dequantize(raw, kind)).all()
                (self.folder / "a.gguf").write_bytes(one_tensor(kind, raw, 512))
                rows = c.package.open_source(str(self.folder / "a.gguf")).tensors["t.weight"]
                with self.subTest(kind=kind.name, at=at):
                    if bad:
                        found.add(kind)
                        with self.assertRaisesRegex(c.ConvertError, rf"t.weight: block {2 * (raw.shape[1] // size) - 1} \({kind.name.lower()}, at byte \d+\) has a scale"):
                            list(rows.chunks())
                    else:
                        self.assertEqual(b"".join(rows.chunks()), raw.tobytes())
        self.assertEqual({k.name for k in STORED if gguf.GGML_QUANT_SIZES[k][0] > 1} - {k.name for k in found},
                         {"Q8_1", "Q8_K", "MXFP4", "IQ1_M"})  # no dequantisation; E8M0; a scale in four pieces

    def test_nan_scale_of_the_formats_that_the_library_cannot_judge(self):
        for kind, at, value in ((G.MXFP4, 0, b"\xff"), (G.Q8_1, 2, b"\x00\x7c"), (G.Q8_K, 0, b"\x00\x00\xc0\x7f"), (G.IQ1_M, 48, bytes.fromhex("00f000f000f000f0"))):
            raw = blocks(kind, 2, 512)
            raw[0, at : at + len(value)] = list(value)
            (self.folder / "a.gguf").write_bytes(one_tensor(kind, raw, 512))
            self.refused(self.folder / "a.gguf", rf"block 0 \({kind.name.lower()}")

    def test_scale_of_iq1_m_in_four_pieces(self):
        for words, bad in (("00000000004000f0", False), ("00f000f0007000f0", False), ("0000000000c00070", True), ("0000000000e000f0", True), ("ff0fff0fff0fff0f", False)):
            raw = blocks(G.IQ1_M, 1, 256)
            raw[0, 48:] = list(bytes.fromhex(words))
            with np.errstate(all="ignore"):
                self.assertEqual(not np.isfinite(gguf.dequantize(raw, G.IQ1_M)).all(), bad, words)
            (self.folder / "a.gguf").write_bytes(one_tensor(G.IQ1_M, raw, 256))
            if bad:
                self.refused(self.folder / "a.gguf", "has a scale that is NaN or infinite")
            else:
                self.convert(self.folder / "a.gguf")


class Llama(c.Case):
    def setUp(self):
        super().setUp()
        self.weights = c.llama_weights()
        self.path = self.folder / "tiny.gguf"

    def test_names_orientation_and_rope_rows(self):
        for kind in (None, G.F16, G.BF16, G.Q8_0, G.Q4_1, G.Q5_0):
            c.gguf_llama(self.path, self.weights, kind)
            p = self.convert(self.path)
            self.assertEqual(set(p.tensors), set(c.NAMES) | {"lm_head"})
            for key, (hf, _) in c.NAMES.items():
                expected = self.weights[hf]
                if p.tensors[key].dtype != "f32":
                    expected = gguf.dequantize(gguf.quantize(expected, kind), kind)
                np.testing.assert_array_equal(c.values(p, key), expected, key)
                matrix = key[0] == "W"
                self.assertEqual((p.tensors[key].shape, p.tensors[key].transposed), (expected.shape[::-1] if matrix else expected.shape, matrix))

    def test_tied_head_is_an_alias(self):
        c.gguf_llama(self.path, self.weights, G.Q8_0)
        head = self.convert(self.path).tensors["lm_head"]
        self.assertEqual((head.target, head.shape, head.transposed), ("tok_embeddings", (c.D, c.VOCAB), True))

    def test_hyperparameters_dims_and_state(self):
        c.gguf_llama(self.path, self.weights)
        p = self.convert(self.path)
        expected = {"n_layers": 2, "d_model": 64, "d_ff": 96, "n_heads": 4, "n_kv_heads": 2, "head_dim": 16, "rope_dim": 16, "ctx_len": 128,
                    "vocab_size": 40, "rope_theta": 10000.0, "rms_norm_eps": float(np.float32(1e-5)), "rope_scaling.type": "none",
                    "general.architecture": "llama", "general.source": "gguf", "general.name": "tiny", "source/llama.block_count": 2}
        self.assertEqual({k: p.metadata.get(k) for k in expected}, expected)
        self.assertEqual((p.types["n_layers"], p.types["rope_theta"]), ("i64", "f64"))
        self.assertEqual((p.dims["ctx"], p.dims["slots"], p.dims["n_layers"]), ((1, 128), (1, 16), (2, 2)))
        self.assertEqual(p.states["kv"], ("kv_cache", "f32", ["2", "slots", "2", "ctx", "16"]))

    def test_bias_rows_move_with_their_matrices(self):
        bias = np.arange(c.HEADS * c.HEAD_DIM, dtype="<f4")
        w = gguf.GGUFWriter(self.folder / "b.gguf", "llama")
        c.gguf_llama(self.path, self.weights)
        reader = gguf.GGUFReader(self.path)
        for field in list(reader.fields.values())[3:]:
            if field.name != "general.architecture":
                (w.add_float32 if field.types[0] == gguf.GGUFValueType.FLOAT32 else w.add_uint32)(field.name, field.contents())
        for t in reader.tensors:
            w.add_tensor(t.name, np.array(t.data))
        w.add_tensor("blk.1.attn_q.bias", c.permuted(bias, c.HEADS))
        c.close(w)
        p = self.convert(self.folder / "b.gguf")
        np.testing.assert_array_equal(c.values(p, "bq.1"), bias)

    def test_partial_rope_moves_the_rotated_rows_only(self):
        c.gguf_llama(self.path, self.weights, **{"llama.rope.dimension_count": 8})
        p = self.convert(self.path)
        stored = c.permuted(self.weights["model.layers.0.self_attn.k_proj.weight"], c.KV_HEADS).reshape(c.KV_HEADS, c.HEAD_DIM, c.D)
        expected = stored.copy()
        expected[:, :4], expected[:, 4:8] = stored[:, 0:8:2], stored[:, 1:8:2]
        np.testing.assert_array_equal(c.values(p, "Wk.0"), expected.reshape(-1, c.D))

    def test_linear_rope_scaling(self):
        c.gguf_llama(self.path, self.weights, **{"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0})
        p = self.convert(self.path)
        self.assertEqual((p.metadata["rope_scaling.type"], p.metadata["rope_scaling.factor"]), ("linear", 4.0))

    def test_the_attention_factor_beside_yarn_comes_on_top_of_the_papers(self):
        # YaRN, arXiv:2309.00071: sqrt(1/t) = 0.1 ln(s) + 1, as transformers (_compute_yarn_parameters) has it where no attention_factor is given;
        # llama.cpp (rope_yarn) starts from the file's attn_factor and multiplies it by that
        yarn = {"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 4.0, "llama.rope.scaling.original_context_length": 32}
        for factor in (4.0, 1.0):
            paper = 0.1 * np.log(factor) + 1
            for given, expected in (({}, paper), ({"attn_factor": 0.5}, 0.5 * paper), ({"yarn_attn_factor": 0.75}, 0.75 * paper),
                                    ({"attn_factor": 1.25, "yarn_attn_factor": 0.75}, 1.25 * paper)):
                with self.subTest(factor=factor, given=given):
                    c.gguf_llama(self.path, self.weights, **yarn | {"llama.rope.scaling.factor": factor} | {f"llama.rope.scaling.{k}": v for k, v in given.items()})
                    p = self.convert(self.path)
                    scaling = {k[13:]: v for k, v in p.metadata.items() if k.startswith("rope_scaling.")}
                    self.assertAlmostEqual(scaling.pop("attention_factor"), expected, places=12)
                    self.assertEqual(scaling, {"type": "yarn", "factor": factor, "original_ctx_len": 32, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": True})

    def llama3(self, factors) -> c.Package:
        c.gguf_llama(self.path, self.weights | {"f": factors})
        c.NAMES["rope"] = ("f", "rope_freqs.weight")
        try:
            c.gguf_llama(self.path, self.weights | {"f": factors})
        finally:
            del c.NAMES["rope"]
        return self.convert(self.path)

    def test_llama3_rope_factors_become_their_four_numbers(self):
        # transformers, modeling_rope_utils._compute_llama3_parameters, as llama.cpp's converter stores it
        frequency = 10000.0 ** -(np.arange(0, 16, 2) / 16)
        wavelength = 2 * np.pi / frequency
        smooth = (8192 / wavelength - 1) / 3
        factors = np.where(wavelength < 8192 / 4, 1, np.where(wavelength > 8192, 32, 1 / ((1 - smooth) / 32 + smooth))).astype("<f4")
        self.assertGreater(len(set(factors.tolist())), 2)
        p = self.llama3(factors)
        self.assertEqual({k[13:]: v for k, v in p.metadata.items() if k.startswith("rope_scaling.")},
                         {"type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_ctx_len": 8192})
        self.assertNotIn("rope_freqs.weight", p.tensors)

    def test_other_rope_factors_are_kept_and_named(self):
        p = self.llama3(np.linspace(1, 9, 8, dtype="<f4"))
        self.assertEqual(p.metadata["rope_scaling.type"], "factors")
        self.assertIn("rope_freqs.weight", p.tensors)

    def test_one_of_two_rope_factors_alone(self):
        for name in ("rope_factors_short.weight", "rope_factors_long.weight"):
            c.NAMES["rope"] = ("f", name)
            try:
                c.gguf_llama(self.path, self.weights | {"f": np.ones(8, "<f4")})
            finally:
                del c.NAMES["rope"]
            self.refused(self.path, f"has the tensor {name} alone: rope_factors_short.weight and rope_factors_long.weight belong together")

    def test_what_does_not_fit_is_refused(self):
        for extra, message in (({"llama.block_count": 3}, "has no tensor blk.2.attn_norm.weight"), ({"llama.block_count": 1000}, "n_layers is 1000, but"),
                               ({"llama.embedding_length": 32}, r"is \(40, 64\) as tok_embeddings, the hyperparameters say \(40, 32\)"),
                               ({"llama.attention.head_count": None}, "n_heads .llama.attention.head_count. is missing"),
                               ({"llama.attention.head_count": "four"}, "n_heads .* is four: one number is needed"),
                               ({"llama.expert_count": 8}, "n_experts_used .llama.expert_used_count. is missing")):
            c.gguf_llama(self.path, self.weights, **extra)
            self.refused(self.path, message)

    def test_arch_none_keeps_names(self):
        c.gguf_llama(self.path, self.weights, **{"llama.expert_count": 8})
        p = self.convert(self.path, arch="none")
        self.assertIn("blk.0.attn_q.weight", p.tensors)
        self.assertEqual((p.dims, p.states), ({}, {}))
        self.assertNotIn("general.architecture", p.metadata)
        self.assertEqual(p.metadata["source/general.architecture"], "llama")

    def test_unknown_architecture_converts_with_escaped_names(self):
        w = gguf.GGUFWriter(self.folder / "u.gguf", "made-up")
        w.add_tensor("a b:c", np.zeros((2, 3, 4), "<f4"))
        c.close(w)
        p = self.convert(self.folder / "u.gguf")
        self.assertEqual((list(p.tensors), p.metadata["general.architecture"]), (["a-x20b-x3Ac"], "made-up"))
        self.assertEqual(p.tensors["a-x20b-x3Ac"].shape, (2, 3, 4))

    def test_tensors_beyond_the_table_keep_their_names(self):
        c.NAMES["extra"] = ("extra", "blk.0.extra.weight")
        try:
            c.gguf_llama(self.path, self.weights | {"extra": np.ones(3, "<f4")})
        finally:
            del c.NAMES["extra"]
        self.assertIn("blk.0.extra.weight", self.convert(self.path).tensors)
        self.assertEqual(self.report.own_names, ["blk.0.extra.weight"])


class Split(c.Case):
    def write(self, count=2, numbers=None, total=None):
        for i in range(count):
            fields = [c.g_field("split.no", 2, (i if numbers is None else numbers[i]).to_bytes(2, "little")), c.g_field("split.count", 2, count.to_bytes(2, "little")),
                      c.g_field("split.tensors.count", 5, (total or count).to_bytes(4, "little"))]
            (self.folder / f"m-{i + 1:05}-of-{count:05}.gguf").write_bytes(c.g_file(fields, [c.g_tensor(f"t{i}", (4,), 0, 0)], bytes([i] * 16)))

    def test_all_parts_are_read(self):
        self.write()
        for given in (1, 2):
            p = self.convert(self.folder / f"m-{given:05}-of-00002.gguf")
            self.assertEqual([p.bytes(k).tobytes() for k in ("t0", "t1")], [bytes(16), bytes([1] * 16)])
            self.assertEqual(self.report.name, "m")

    def test_missing_and_wrong_parts(self):
        self.write(total=5)
        self.refused(self.folder / "m-00001-of-00002.gguf", "split.tensors.count is 5, the parts have 2")
        self.write(numbers=[0, 0])
        self.refused(self.folder / "m-00001-of-00002.gguf", "says that it is part 1 of 2")
        (self.folder / "m-00002-of-00002.gguf").unlink()
        self.refused(self.folder / "m-00001-of-00002.gguf", "m-00002-of-00002.gguf: missing; the checkpoint has 2 parts")
        self.write(count=3)
        (self.folder / "m-00001-of-00003.gguf").unlink()
        self.refused(self.folder / "m-00003-of-00003.gguf", "m-00001-of-00003.gguf: missing; the checkpoint has 3 parts")
        (self.folder / "renamed.gguf").write_bytes((self.folder / "m-00002-of-00003.gguf").read_bytes())
        self.refused(self.folder / "renamed.gguf", "is one of 3 parts but not named")


class Vocabulary(c.Case):
    def convert_tokenizer(self, **changes) -> dict:
        w = gguf.GGUFWriter(self.folder / "t.gguf", "made-up")
        w.add_tokenizer_model(changes.get("model", "gpt2"))
        w.add_tokenizer_pre(changes.get("pre", "smollm"))
        w.add_token_list(changes.get("tokens", ["a", "Ġ", "<|end|>", "日"]))
        w.add_token_types(changes.get("types", [1, 1, 3, 1]))
        w.add_token_merges(["a Ġ"])
        w.add_eos_token_id(changes.get("eos", 2))
        w.add_eot_token_id(3)
        w.add_chat_template("{{ x }}")
        w.add_tensor("t", np.zeros(4, "<f4"))
        c.close(w)
        return self.convert(self.folder / "t.gguf").tokenizer

    def test_section(self):
        t = self.convert_tokenizer()
        self.assertEqual((t["model"], t["pre"], t["tokens"], t["merges"]), ("bpe", "smollm", ["a", "Ġ", "<|end|>", "日"], ["a Ġ"]))
        self.assertEqual((t["token_types"].tolist(), t["eos_id"], t["eos_ids"].tolist(), t["chat_template"]), ([1, 1, 3, 1], 2, [2, 3], "{{ x }}"))
        self.assertEqual((t["add_bos"], t["add_eos"], t["add_space_prefix"]), (False, False, False))
        self.assertNotIn("bos_id", t)

    def test_defaults_of_the_kinds(self):
        self.assertTrue(self.convert_tokenizer(pre="llama-bpe")["add_bos"])
        t = self.convert_tokenizer(model="llama")
        self.assertEqual((t["model"], t["add_bos"], t["add_space_prefix"], t["normalizer"]), ("spm", True, True, "sentencepiece"))
        self.assertEqual((t["byte_fallback"], "pre" in t), (False, False))
        self.assertTrue(self.convert_tokenizer(model="llama", types=[1, 6, 3, 1])["byte_fallback"])

    def test_wordpiece_is_spelt_as_bert_does(self):
        t = self.convert_tokenizer(model="bert", tokens=["▁a", "b", "[SEP]", "▁日"])
        self.assertEqual((t["model"], t["tokens"], t["pre"], t["normalizer"]), ("wordpiece", ["a", "##b", "[SEP]", "日"], "bert", "bert"))
        self.assertEqual((t["add_eos"], t["eos_id"]), (True, 2))

    def test_ids_and_lengths_are_checked(self):
        with self.assertRaisesRegex(c.ConvertError, "eos_token_id is 4, the vocabulary has 4 tokens"):
            self.convert_tokenizer(eos=4)
        with self.assertRaisesRegex(c.ConvertError, "token_type is not a number for each of the 4 tokens"):
            self.convert_tokenizer(types=[1, 1, 3])


if __name__ == "__main__":
    unittest.main()
