# SPDX-License-Identifier: Apache-2.0
"""Hugging Face folder -> package: names, orientation, dtypes, shards, hyperparameters in their old and new spelling."""
import unittest

import checkpoints as c
import numpy as np
from checkpoints import safetensors


class Llama(c.Case):
    def setUp(self):
        super().setUp()
        self.weights = c.llama_weights()
        self.model = self.folder / "model"

    def test_names_orientation_and_bytes(self):
        c.hf_llama(self.model, self.weights)
        p = self.convert(self.model)
        self.assertEqual(set(p.tensors), set(c.NAMES) | {"lm_head"})
        for key, (hf, _) in c.NAMES.items():
            self.assertEqual(p.bytes(key).tobytes(), self.weights[hf].tobytes(), key)
            self.assertEqual(p.tensors[key].transposed, key[0] == "W")
        self.assertEqual(p.tensors["Wdown.0"].shape, (c.FF, c.D))
        self.assertEqual(p.tensors["lm_head"].target, "tok_embeddings")

    def test_same_package_as_from_gguf(self):
        c.hf_llama(self.model, self.weights, rms_norm_eps=float(np.float32(1e-5)), rope_theta=10000.0)
        c.gguf_llama(self.folder / "m.gguf", self.weights)
        a, b = self.convert(self.model), self.convert(self.folder / "m.gguf", out="b.oinf")
        own = lambda p: {k: v for k, v in p.metadata.items() if not k.startswith(("source/", "general."))}  # noqa: E731
        self.assertEqual((own(a), a.dims, a.states), (own(b), b.dims, b.states))
        self.assertEqual({k: (t.shape, t.transposed, t.checksum) for k, t in a.tensors.items()},
                         {k: (t.shape, t.transposed, t.checksum) for k, t in b.tensors.items()})

    def test_untied_head(self):
        head = np.random.default_rng(9).standard_normal((c.VOCAB, c.D)).astype("<f4")
        c.hf_llama(self.model, self.weights | {"lm_head.weight": head}, tie_word_embeddings=None)
        p = self.convert(self.model)
        self.assertEqual((p.tensors["lm_head"].target, p.tensors["lm_head"].shape), (None, (c.D, c.VOCAB)))
        self.assertEqual(p.bytes("lm_head").tobytes(), head.tobytes())
        c.write_config(self.model, tie_word_embeddings=True)  # transformers then ignores the stored head
        self.assertEqual(self.convert(self.model).tensors["lm_head"].target, "tok_embeddings")
        self.assertEqual(self.report.ignored, ["lm_head.weight"])

    def test_missing_head_that_is_not_tied_is_refused(self):
        c.hf_llama(self.model, self.weights, tie_word_embeddings=False)
        self.refused(self.model, "has no tensor lm_head.weight")

    def test_hyperparameters(self):
        c.hf_llama(self.model, self.weights, head_dim=None, rope_theta=None, rope_parameters={"rope_type": "llama3", "rope_theta": 7.5, "factor": 8.0,
                   "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, num_key_value_heads=2)
        p = self.convert(self.model, name="Tiny One")
        expected = {"rope_theta": 7.5, "rope_scaling.type": "llama3", "rope_scaling.factor": 8.0, "rope_scaling.original_ctx_len": 64, "head_dim": 16,
                    "general.name": "Tiny One", "general.source": "huggingface", "source/hidden_act": "silu", "source/tie_word_embeddings": True}
        self.assertEqual({k: p.metadata.get(k) for k in expected}, expected)
        c.write_config(self.model, rope_scaling={"type": "linear", "factor": 2})
        self.assertEqual(self.convert(self.model).metadata["rope_scaling.factor"], 2.0)
        c.write_config(self.model, rope_scaling={"rope_type": "yarn", "factor": 2})
        self.assertEqual(self.convert(self.model).metadata["rope_scaling.type"], "yarn")  # the graph refuses it by name
        c.write_config(self.model, rope_theta=None)
        self.assertEqual(self.convert(self.model).metadata["rope_theta"], 10000.0)

    def test_what_the_table_does_not_know_is_refused(self):
        for config, message in (({"hidden_act": "gelu"}, "hidden_act is gelu"), ({"quantization_config": {"quant_method": "gptq"}}, "quant_method is gptq"),
                                ({"num_hidden_layers": "2"}, "n_layers .* is 2: one number is needed"), ({"num_hidden_layers": 2.5}, "a whole number"),
                                ({"rms_norm_eps": -1}, "a positive number"), ({"num_attention_heads": 3, "num_key_value_heads": 3}, "no multiple of n_heads"),
                                ({"num_attention_heads": 0}, "whole number from 1"), ({"rope_scaling": {"type": "linear"}}, "has no factor"),
                                ({"vocab_size": 41}, r"hyperparameters say \(41, 64\)")):
            c.hf_llama(self.model, self.weights, **config)
            self.refused(self.model, message)

    def test_names_without_a_prefix_and_old_buffers(self):
        weights = {k.removeprefix("model."): v for k, v in self.weights.items()}
        weights["layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(8, "<f4")
        c.hf_llama(self.model, weights)
        self.assertEqual(set(self.convert(self.model).tensors), set(c.NAMES) | {"lm_head"})
        self.assertEqual(self.report.ignored, ["layers.0.self_attn.rotary_emb.inv_freq"])

    def test_arch_by_the_user(self):
        c.hf_llama(self.model, self.weights, model_type="llama-like")
        self.assertIn("model.norm.weight", self.convert(self.model).tensors)
        self.assertIn("final_norm", self.convert(self.model, arch="llama").tensors)

    def test_split_package(self):
        c.hf_llama(self.model, self.weights)
        whole = self.convert(self.model)
        p = self.convert(self.model, shard_size=64 << 10, out="s.oinf")
        self.assertGreater(len(list(self.folder.glob("s.*.oins"))), 1)
        self.assertEqual({k: p.bytes(k).tobytes() for k in p.tensors}, {k: whole.bytes(k).tobytes() for k in whole.tensors})

    def test_same_bytes_again(self):
        c.hf_llama(self.model, self.weights)
        self.convert(self.model, quantize=["q4_0"])
        self.convert(self.model, quantize=["q4_0"], out="again.oinf")
        self.assertEqual((self.folder / "out.oinf").read_bytes(), (self.folder / "again.oinf").read_bytes())


class Files(c.Case):
    def test_every_dtype(self):
        kinds = {"F64": ("f64", 8), "F32": ("f32", 4), "F16": ("f16", 2), "BF16": ("bf16", 2), "F8_E4M3": ("f8e4m3", 1), "F8_E5M2": ("f8e5m2", 1), "I8": ("i8", 1),
                 "I16": ("i16", 2), "I32": ("i32", 4), "I64": ("i64", 8), "U8": ("u8", 1), "U16": ("u16", 2), "U32": ("u32", 4), "U64": ("u64", 8), "BOOL": ("bool", 1)}
        entries, data = {}, b""
        for name, (_, size) in kinds.items():
            raw = np.random.default_rng(size).integers(0, 2, 6 * size, dtype="u1").tobytes()
            entries[name], data = (name, [2, 3], len(data), len(data) + len(raw)), data + raw
        (self.folder / "all.safetensors").write_bytes(c.st_file(entries, data))
        p = self.convert(self.folder / "all.safetensors")
        for name, (dtype, _) in kinds.items():
            self.assertEqual((p.tensors[name].dtype, p.tensors[name].shape), (dtype, (2, 3)))
            begin, end = entries[name][2:]
            self.assertEqual(p.bytes(name).tobytes(), data[begin:end])

    def test_scalars_empty_tensors_and_odd_names(self):
        safetensors.numpy.save_file({"scalar": np.array(2, "<f4"), "empty": np.zeros((0, 4), "<f4"), "-x a%ü": np.zeros(1, "<i8")}, self.folder / "a.safetensors")
        p = self.convert(self.folder / "a.safetensors")
        self.assertEqual({k: t.shape for k, t in p.tensors.items()}, {"scalar": (), "empty": (0, 4), "-x2Dx-x20a-x25-xC3-xBC": (1,)})
        self.assertEqual(c.opnf.unescape_key("-x2Dx-x20a-x25-xC3-xBC"), "-x a%ü")

    def test_parts_by_index_and_without(self):
        parts = [{"a": np.arange(4, dtype="<f4")}, {"b": np.arange(6, dtype="<i4").reshape(2, 3)}]
        for i, part in enumerate(parts, 1):
            safetensors.numpy.save_file(part, self.folder / f"model-{i:05}-of-00002.safetensors")
        self.assertEqual(set(self.convert(self.folder).tensors), {"a", "b"})
        index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
        c.write_json(self.folder, "model.safetensors.index.json", index)
        self.assertEqual(set(self.convert(self.folder).tensors), {"a", "b"})
        c.write_json(self.folder, "model.safetensors.index.json", {"weight_map": index["weight_map"] | {"c": "model-00001-of-00002.safetensors"}})
        self.refused(self.folder, "has no tensor c, which model.safetensors.index.json says")
        for name in ("../model-00001-of-00002.safetensors", "/etc/x.safetensors", "x.bin", ".x.safetensors", 7):
            c.write_json(self.folder, "model.safetensors.index.json", {"weight_map": {"a": name}})
            self.refused(self.folder, "a plain .safetensors name is needed")
        c.write_json(self.folder, "model.safetensors.index.json", index)
        (self.folder / "model-00002-of-00002.safetensors").unlink()
        self.refused(self.folder, "model-00002-of-00002.safetensors: missing; model.safetensors.index.json names it")
        (self.folder / "model.safetensors.index.json").unlink()
        self.refused(self.folder, "1 of the 2 files model-…-of-00002.safetensors are there")

    def test_a_tensor_in_two_files(self):
        for name in ("x", "y"):
            safetensors.numpy.save_file({"a": np.zeros(1)}, self.folder / f"{name}.safetensors")
        self.refused(self.folder, "y.safetensors: tensor a is in an earlier file too")

    def test_metadata_comes_along(self):
        safetensors.numpy.save_file({"a": np.zeros(1)}, self.folder / "model.safetensors")
        c.write_json(self.folder, "config.json", {"model_type": "other", "n": 3, "deep": {"x": [1, 2], "y": None}, "big": 2**63, "huge": 2**70, "mixed": [1, "a"], "many": [0] * 65, "on": True})
        c.write_json(self.folder, "generation_config.json", {"temperature": 0.5})
        m = self.convert(self.folder).metadata
        self.assertEqual((m["general.architecture"], m["source/n"], m["source/big"], m["source/on"], m["source/generation_config.temperature"]), ("other", 3, 2**63, True, 0.5))
        self.assertEqual(m["source/deep.x"].tolist(), [1, 2])
        self.assertFalse({"source/deep.y", "source/huge", "source/mixed", "source/many"} & set(m))
        self.assertEqual(len(self.report.notes), 2)


if __name__ == "__main__":
    unittest.main()
