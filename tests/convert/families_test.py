# SPDX-License-Identifier: Apache-2.0
"""Every family's tables: the checkpoints of tests/models/families against NumPy, key by key, and against GGUF files of the same weights,
named by the gguf library's own map of names and changed as llama.cpp's converter (convert_hf_to_gguf.py) changes them."""
import json
import pathlib
import re
import unittest

import checkpoints as c
import family_models
import numpy as np
from checkpoints import G, gguf

FAMILIES = pathlib.Path(__file__).resolve().parents[1] / "models" / "families"
A = gguf.MODEL_ARCH
ARCHITECTURES = {"llama": A.LLAMA, "mistral": A.LLAMA, "mixtral": A.LLAMA, "qwen2": A.QWEN2, "qwen3": A.QWEN3, "qwen3_moe": A.QWEN3MOE, "gemma2": A.GEMMA2,
                 "gemma3_text": A.GEMMA3, "phi3": A.PHI3, "gpt2": A.GPT2, "gpt_oss": A.GPT_OSS, "bert": A.BERT, "roberta": A.BERT, "t5": A.T5}
# GGUF's key, and config.json's
FIELDS = {"block_count": ("num_hidden_layers", "n_layer", "num_layers"), "embedding_length": ("hidden_size", "n_embd", "d_model"), "feed_forward_length": ("intermediate_size", "d_ff"),
          "attention.head_count": ("num_attention_heads", "n_head", "num_heads"), "attention.head_count_kv": ("num_key_value_heads",), "attention.key_length": ("head_dim", "d_kv"),
          "context_length": ("max_position_embeddings", "n_positions"), "attention.sliding_window": ("sliding_window",), "attn_logit_softcapping": ("attn_logit_softcapping",),
          "final_logit_softcapping": ("final_logit_softcapping",), "expert_count": ("num_local_experts", "num_experts"), "expert_used_count": ("num_experts_per_tok",),
          "expert_feed_forward_length": ("moe_intermediate_size",), "attention.layer_norm_rms_epsilon": ("rms_norm_eps",), "attention.layer_norm_epsilon": ("layer_norm_epsilon", "layer_norm_eps"),
          "decoder_block_count": ("num_decoder_layers",), "attention.relative_buckets_count": ("relative_attention_num_buckets",), "decoder_start_token_id": ("decoder_start_token_id",)}
REALS = {"attn_logit_softcapping", "final_logit_softcapping", "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"}


def names() -> list:
    return sorted(p.name for p in FAMILIES.iterdir() if p.is_dir())


def load(name: str) -> tuple:
    """config.json, and name -> f32 (u8 stays)."""
    raw = (FAMILIES / name / "model.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    out = {}
    for key, entry in json.loads(raw[8 : 8 + size]).items():
        if key != "__metadata__":
            begin, end = (8 + size + o for o in entry["data_offsets"])
            bits = np.frombuffer(raw[begin:end], "u1" if entry["dtype"] == "U8" else "<u2").reshape(entry["shape"])
            out[key] = bits if entry["dtype"] == "U8" else (bits.astype("<u4") << 16).view("<f4")
    return json.loads((FAMILIES / name / "config.json").read_text()), out


def logical(p: c.Package, key: str) -> np.ndarray:
    """A tensor as a graph sees it."""
    t = p.tensors[key]
    stored = c.values(p, key)
    return stored.swapaxes(-1, -2) if t.transposed else stored


def ggml_mxfp4(blocks: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """What the numbers are, by the gguf library, from what llama.cpp's converter makes of them."""
    low, high = blocks & 15, blocks >> 4
    elements = np.stack((low, high), -1).reshape(*blocks.shape[:-1], 32)
    raw = np.concatenate((scales[..., None], elements[..., :16] | elements[..., 16:] << 4), -1)
    return raw.reshape(*blocks.shape[:-2], -1)


class FromHuggingFace(c.Case):
    """Values that a graph multiplies with, by formulas of their own."""

    def package(self, name: str):
        config, weights = load(name)
        p = self.convert(FAMILIES / name)
        self.assertEqual(self.report.own_names, [], name)
        return config, weights, p

    def same(self, p, key: str, expected: np.ndarray):
        np.testing.assert_array_equal(logical(p, key), expected, key)

    def test_every_checkpoint_is_used_up(self):
        """Every tensor of the checkpoint is in the package or named as left out; every key has its dimensions."""
        for name in names():
            with self.subTest(name):
                config, weights, p = self.package(name)
                used = {n for t in self.report.tensors for n in t.names} | set(self.report.ignored)
                self.assertEqual(used, set(weights))
                self.assertEqual(p.metadata["general.architecture"], self.report.table)
                self.assertFalse({"partial_rotary_factor", "max_window_layers", "query_pre_attn_scalar", "pad_token_id"} & set(p.metadata))

    def test_llama_like(self):
        for name in ("llama2", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "gpt-oss"):
            with self.subTest(name):
                config, w, p = self.package(name)
                for l in range(config["num_hidden_layers"]):
                    at = f"model.layers.{l}."
                    for key in "qkvo":
                        self.same(p, f"W{key}.{l}", w[at + f"self_attn.{key}_proj.weight"].T)
                        self.assertEqual(f"b{key}.{l}" in p.tensors, at + f"self_attn.{key}_proj.bias" in w)
                        if f"b{key}.{l}" in p.tensors:
                            self.same(p, f"b{key}.{l}", w[at + f"self_attn.{key}_proj.bias"])
                    if name != "gpt-oss":
                        for key in ("gate", "up", "down"):
                            self.same(p, f"W{key}.{l}", w[at + f"mlp.{key}_proj.weight"].T)
                self.same(p, "tok_embeddings", w["model.embed_tokens.weight"])
                self.same(p, "lm_head", w.get("lm_head.weight", w["model.embed_tokens.weight"]).T)

    def test_norms(self):
        _, w, p = self.package("gemma3")
        for key, name in (("attn_norm", "input_layernorm"), ("attn_post_norm", "post_attention_layernorm"), ("mlp_norm", "pre_feedforward_layernorm"),
                          ("mlp_post_norm", "post_feedforward_layernorm"), ("q_norm", "self_attn.q_norm"), ("k_norm", "self_attn.k_norm")):
            self.same(p, f"{key}.2", w[f"model.layers.2.{name}.weight"] + np.float32(1))
        self.same(p, "final_norm", w["model.norm.weight"] + np.float32(1))
        _, w, p = self.package("qwen3")
        self.same(p, "q_norm.1", w["model.layers.1.self_attn.q_norm.weight"])

    def test_fused_projections(self):
        config, w, p = self.package("phi3")
        qkv, gate_up = w["model.layers.1.self_attn.qkv_proj.weight"], w["model.layers.1.mlp.gate_up_proj.weight"]
        for key, part in zip("qkv", np.split(qkv, [32, 48])):
            self.same(p, f"W{key}.1", part.T)
        for key, part in zip(("gate", "up"), np.split(gate_up, 2)):
            self.same(p, f"W{key}.1", part.T)
        config, w, p = self.package("gpt2")
        for key, part, bias in zip("qkv", np.split(w["transformer.h.1.attn.c_attn.weight"], 3, axis=1), np.split(w["transformer.h.1.attn.c_attn.bias"], 3)):
            self.same(p, f"W{key}.1", part)  # (in, out) there; here as from any other source
            self.assertTrue(p.tensors[f"W{key}.1"].transposed)
            self.same(p, f"b{key}.1", bias)
        self.same(p, "Wdown.0", w["transformer.h.0.mlp.c_proj.weight"])
        self.same(p, "attn_norm_bias.0", w["transformer.h.0.ln_1.bias"])

    def test_experts(self):
        _, w, p = self.package("mixtral")
        for key, name in (("gate", "w1"), ("up", "w3"), ("down", "w2")):
            self.same(p, f"W{key}_exps.1", np.stack([w[f"model.layers.1.block_sparse_moe.experts.{e}.{name}.weight"].T for e in range(6)]))
        self.same(p, "Wrouter.0", w["model.layers.0.block_sparse_moe.gate.weight"].T)
        _, w, p = self.package("qwen3moe")
        self.same(p, "Wdown_exps.0", np.stack([w[f"model.layers.0.mlp.experts.{e}.down_proj.weight"].T for e in range(6)]))
        self.assertIs(p.metadata["norm_topk"], True)
        _, w, p = self.package("gpt-oss")
        at = "model.layers.1.mlp.experts."
        for part, key in enumerate(("gate", "up")):
            self.same(p, f"W{key}_exps.1", w[at + "gate_up_proj"][..., part::2])
            self.same(p, f"b{key}_exps.1", w[at + "gate_up_proj_bias"][..., part::2])
        self.same(p, "Wdown_exps.1", w[at + "down_proj"])
        self.same(p, "sinks.1", w["model.layers.1.self_attn.sinks"])
        self.same(p, "brouter.1", w["model.layers.1.mlp.router.bias"])

    def test_mxfp4(self):
        """Blocks and scales apart, as gpt-oss ships: the numbers by E2M1's table, one by one."""
        _, w, p = self.package("gpt-oss-mxfp4")
        table = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], "<f4")
        for l in range(2):
            at = f"model.layers.{l}.mlp.experts."
            for name, keys in (("gate_up_proj", ("gate", "up")), ("down_proj", ("down",))):
                blocks, scales = w[at + name + "_blocks"], w[at + name + "_scales"]
                numbers = np.stack((table[blocks & 15], table[blocks >> 4]), -1).reshape(*scales.shape, 32) * np.exp2(scales.astype("<f4") - 127)[..., None]
                numbers = numbers.reshape(*scales.shape[:-1], -1)
                for part, key in enumerate(keys):
                    self.assertEqual(p.tensors[f"W{key}_exps.{l}"].dtype, "mxfp4")
                    self.same(p, f"W{key}_exps.{l}", numbers[:, part :: len(keys)].swapaxes(1, 2))

    def test_encoders(self):
        _, w, p = self.package("roberta")
        self.assertEqual(p.metadata["ctx_len"], 40)  # position n is row n: the two of padding are left out
        self.same(p, "pos_embeddings", w["embeddings.position_embeddings.weight"][2:])
        self.same(p, "Wpool", w["pooler.dense.weight"].T)
        for name in ("roberta", "bert"):
            _, w, p = self.package(name)
            at = "encoder.layer.1."
            for key, of in (("q", "attention.self.query"), ("k", "attention.self.key"), ("v", "attention.self.value"), ("o", "attention.output.dense"), ("up", "intermediate.dense"), ("down", "output.dense")):
                self.same(p, f"W{key}.1", w[at + of + ".weight"].T)
                self.same(p, f"b{key}.1", w[at + of + ".bias"])
            self.same(p, "mlp_norm_bias.1", w[at + "output.LayerNorm.bias"])
            self.assertEqual((p.metadata["activation"], p.states), ("gelu", {}))

    def test_t5(self):
        for name, gated in (("t5", False), ("t5-gated", True)):
            _, w, p = self.package(name)
            self.same(p, "dec.cross_Wk.2", w["decoder.block.2.layer.1.EncDecAttention.k.weight"].T)
            self.same(p, "enc.rel_bias", w["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"])
            self.same(p, "dec.mlp_norm.2", w["decoder.block.2.layer.2.layer_norm.weight"])
            self.same(p, "dec.Wup.0", w["decoder.block.0.layer.2.DenseReluDense.wi" + "_1" * gated + ".weight"].T)
            self.assertEqual(("enc.Wgate.0" in p.tensors, p.metadata["activation"]), (gated, "gelu_tanh" if gated else "relu"))
            self.assertEqual((p.metadata["n_layers"], p.metadata["n_dec_layers"], p.metadata["logit_scale"]), (2, 3, 1.0 if gated else 32**-0.5))
            self.same(p, "lm_head", w["lm_head.weight" if gated else "shared.weight"].T)
            self.assertEqual(set(p.states), {"kv", "cross_kv"})

    def test_hyperparameters(self):
        expected = {
            "mistral": {"windows": [7, 7], "head_dim": 12}, "mixtral": {"windows": [0, 0], "n_experts": 6, "n_experts_used": 2, "d_expert": 32}, "qwen2": {"windows": [0, 7, 7]}, "qwen3": {"windows": [0, 0]},
            "gemma2": {"windows": [7, 0, 7], "attn_softcap": 5.0, "logit_softcap": 4.0, "attn_scale": 24**-0.5, "embed_scale": 32**0.5, "rope_scaling.type": "none"},
            "gemma3": {"windows": [7, 7, 0, 7], "attn_softcap": 0.0, "logit_softcap": 0.0, "rope_theta": 5000.0, "rope_local_theta": 100.0, "rope_scaling.type": "linear", "rope_scaling.factor": 4.0},
            "phi3": {"windows": [7, 7], "rope_dim": 8}, "gpt-oss": {"windows": [7, 0], "swiglu_alpha": 1.25, "swiglu_limit": 1.0, "rope_scaling.truncate": False, "rope_scaling.attention_factor": 0.1 * np.log(4) + 1},
            "phi3-longrope": {"rope_dim": 4, "rope_scaling.type": "longrope", "rope_scaling.short_factors": [1.0, 1.25], "rope_scaling.long_factors": [1.5, 3.0], "rope_scaling.original_ctx_len": 16,
                              "rope_scaling.attention_factor": (1 + np.log(4) / np.log(16)) ** 0.5},
            "llama-yarn": {"rope_scaling.type": "yarn", "rope_scaling.factor": 4.0, "rope_scaling.original_ctx_len": 12, "rope_scaling.beta_fast": 1.0, "rope_scaling.beta_slow": 0.25, "rope_scaling.truncate": True},
            "llama3": {"rope_scaling.type": "llama3", "rope_scaling.original_ctx_len": 12}, "gpt2": {"norm_eps": 1e-4, "activation": "gelu_tanh", "d_ff": 128, "ctx_len": 40},
            "bert": {"norm_eps": 1e-6, "n_types": 2}, "t5": {"n_buckets": 8, "max_distance": 20, "decoder_start_id": 0, "head_dim": 12}}
        for name, wanted in expected.items():
            _, _, p = self.package(name)
            found = {k: p.metadata.get(k) for k in wanted}
            found = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}
            self.assertEqual(found, {k: float(v) if isinstance(v, np.floating) else v for k, v in wanted.items()}, name)


class FromGguf(c.Case):
    """The same weights as llama.cpp's converter stores them give the same package."""

    def fields(self, writer, config: dict, arch: str, kind: str):
        for key, of in FIELDS.items():
            value = next((config[k] for k in of if config.get(k) is not None), None)
            if value is None or (key == "attention.sliding_window" and config.get("use_sliding_window") is False):
                continue
            if kind == "roberta" and key == "context_length":
                value -= config["pad_token_id"] + 1
            (writer.add_float32 if key in REALS else writer.add_uint32)(f"{arch}.{key}", float(value) if key in REALS else int(value))
        if kind == "gpt2":
            writer.add_uint32(f"{arch}.feed_forward_length", 4 * config["n_embd"])
        rope = config.get("rope_parameters") or {}
        glob = rope.get("full_attention", rope)
        if glob:
            writer.add_float32(f"{arch}.rope.freq_base", glob["rope_theta"])
            head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
            writer.add_uint32(f"{arch}.rope.dimension_count", int(head_dim * glob.get("partial_rotary_factor", 1)))
        if "sliding_attention" in rope:
            writer.add_float32(f"{arch}.rope.freq_base_swa", rope["sliding_attention"]["rope_theta"])
            writer.add_array(f"{arch}.attention.sliding_window_pattern", [t == "sliding_attention" for t in config["layer_types"]])
        if glob.get("rope_type") in ("linear", "yarn"):
            writer.add_string(f"{arch}.rope.scaling.type", glob["rope_type"])
            writer.add_float32(f"{arch}.rope.scaling.factor", glob["factor"])
        if "original_max_position_embeddings" in glob:
            writer.add_uint32(f"{arch}.rope.scaling.original_context_length", glob["original_max_position_embeddings"])
        for key in ("beta_fast", "beta_slow"):
            if key in glob:
                writer.add_float32(f"{arch}.rope.scaling.yarn_{key}", glob[key])
        if kind == "phi3" and glob.get("rope_type") == "longrope":
            for key in ("short", "long"):
                writer.add_tensor(f"rope_factors_{key}.weight", np.array(glob[f"{key}_factor"], "<f4"))

    def tensors(self, config: dict, kind: str, weights: dict, layers: int) -> dict:
        """As convert_hf_to_gguf.py's modify_tensors: which tensors become which, under their Hugging Face names."""
        out = {}
        for name, w in weights.items():
            if name == "pooler.dense.weight" or name == "pooler.dense.bias":
                continue
            if kind in ("llama", "mistral", "mixtral") and ("q_proj" in name or "k_proj" in name):
                w = c.permuted(w, config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"])
            if kind.startswith("gemma") and name.endswith("norm.weight"):
                w = w + np.float32(1)
            if kind == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
                w = np.ascontiguousarray(w.T)
            if kind == "roberta" and name == "embeddings.position_embeddings.weight":
                w = w[config["pad_token_id"] + 1 :]
            if ".experts." in name and kind in ("mixtral", "qwen3_moe"):
                out.setdefault(re.sub(r"\.experts\.\d+\.", ".experts.", name), []).append(w)
            elif kind == "gpt_oss" and ".experts.gate_up_proj" in name and not name.endswith(("_blocks", "_scales")):
                w = w if name.endswith("bias") else w.swapaxes(1, 2)
                for part, new in enumerate(("gate_proj", "up_proj")):
                    out[name.replace("gate_up_proj", new).replace("_bias", ".bias")] = np.ascontiguousarray(w[:, part::2])
            elif kind == "gpt_oss" and name.endswith("experts.down_proj"):
                out[name] = np.ascontiguousarray(w.swapaxes(1, 2))
            elif name.endswith("_blocks"):
                raw = ggml_mxfp4(w, weights[name.replace("_blocks", "_scales")])
                if "gate_up" in name:
                    for part, new in enumerate(("gate_proj", "up_proj")):
                        out[name.replace("gate_up_proj_blocks", new)] = np.ascontiguousarray(raw[:, part::2])
                else:
                    out[name.removesuffix("_blocks")] = raw
            elif not name.endswith("_scales"):
                out[name.replace("down_proj_bias", "down_proj.bias")] = w
        return {n: np.stack(w) if isinstance(w, list) else w for n, w in out.items()}

    def written(self, name: str) -> pathlib.Path:
        config, weights = load(name)
        kind, path = config["model_type"], self.folder / f"{name}.gguf"
        arch = gguf.MODEL_ARCH_NAMES[ARCHITECTURES[kind]]
        layers = max(config[k] for k in ("num_hidden_layers", "n_layer", "num_layers", "num_decoder_layers") if k in config)
        map_ = gguf.get_tensor_name_map(ARCHITECTURES[kind], layers)
        w = gguf.GGUFWriter(path, arch)
        self.fields(w, config, arch, kind)
        for key, array in self.tensors(config, kind, weights, layers).items():
            to = map_.get_name(key, try_suffixes=(".weight", ".bias"))
            self.assertIsNotNone(to, key)
            if "." not in to.rsplit("_exps", 1)[-1] and not to.endswith((".weight", ".bias")):
                to += ".weight"
            w.add_tensor(to, array, raw_dtype=G.MXFP4 if array.dtype == np.uint8 else None)
        c.close(w)
        return path

    def test_same_package(self):
        for name in names():
            if name == "llama3":  # tests/convert/gguf_test.py: its factors have published numbers only
                continue
            with self.subTest(name):
                hf, g = self.convert(FAMILIES / name), self.convert(self.written(name), out="g.oinf")
                self.assertEqual(self.report.own_names, [])
                table = "llama" if name == "mistral" else hf.metadata["general.architecture"].replace("roberta", "bert")
                self.assertEqual(g.metadata["general.architecture"], table)
                self.assertEqual(set(g.tensors), set(hf.tensors) - {"Wpool", "bpool"})
                for key in g.tensors:
                    self.assertEqual(g.tensors[key].transposed, hf.tensors[key].transposed, key)
                    np.testing.assert_array_equal(logical(g, key), logical(hf, key), key)
                self.same_metadata(name, hf, g)

    def same_metadata(self, name: str, hf, g):
        """What GGUF does not say: the kind of BERT's activation and T5's greatest distance are defaults there; windows of qwen2
        and mistral, gpt-oss's constants, and Gemma's scale where it is not 1/sqrt(head_dim)."""
        silent = {"max_distance", "attn_scale", "norm_topk", "source"} | ({"windows"} if name in ("mistral", "qwen2") else {"swiglu_alpha", "swiglu_limit"} if name == "gpt-oss" else set())
        own = lambda p: {k: v for k, v in p.metadata.items() if not k.startswith(("source/", "general.")) and k not in silent}  # noqa: E731
        a, b = own(hf), own(g)
        self.assertEqual(set(a) - ({"windows"} if name == "mistral" else set()), set(b))
        for key in b:
            if isinstance(a[key], (float, np.ndarray)):  # GGUF's numbers are f32
                np.testing.assert_allclose(a[key], b[key], rtol=1e-7, err_msg=key)
            else:
                self.assertEqual(a[key], b[key], key)

    def test_experts_one_by_one(self):
        """Mixtral's GGUF files of before experts were merged."""
        config, weights = load("mixtral")
        path = self.written("mixtral")
        reader = gguf.GGUFReader(path)
        w = gguf.GGUFWriter(self.folder / "old.gguf", "llama")
        self.fields(w, config, "llama", "mixtral")
        for t in reader.tensors:
            if "_exps" in t.name:
                for e in range(6):
                    w.add_tensor(t.name.replace("_exps", "").replace(".weight", f".{e}.weight"), np.array(t.data[e]))
            else:
                w.add_tensor(t.name, np.array(t.data))
        c.close(w)
        p, hf = self.convert(self.folder / "old.gguf"), self.convert(FAMILIES / "mixtral", out="hf.oinf")
        np.testing.assert_array_equal(logical(p, "Wup_exps.1"), logical(hf, "Wup_exps.1"))

    def test_blocks_of_experts_and_heads_pass_unchanged(self):
        """iq4_nl and mxfp4 through a table with transforms: not one block is touched."""
        config, weights = load("qwen3")
        path = self.written("qwen3")
        rng, blocks = np.random.default_rng(5), {}
        w = gguf.GGUFWriter(self.folder / "q.gguf", "qwen3")
        self.fields(w, config, "qwen3", "qwen3")
        for t in gguf.GGUFReader(path).tensors:
            if t.data.ndim == 2 and t.data.shape[1] % 32 == 0:
                kind = (G.IQ4_NL, G.MXFP4, G.Q4_1)[len(blocks) % 3]
                size = gguf.GGML_QUANT_SIZES[kind][1]
                blocks[t.name] = (kind, rng.integers(0, 256, (t.data.shape[0], t.data.shape[1] // 32 * size), dtype="u1") & 0xBF)
                w.add_tensor(t.name, blocks[t.name][1], raw_dtype=kind)
            else:
                w.add_tensor(t.name, np.array(t.data))
        c.close(w)
        p = self.convert(self.folder / "q.gguf")
        for key, name in (("tok_embeddings", "token_embd"), ("Wq.0", "blk.0.attn_q"), ("Wk.1", "blk.1.attn_k"), ("Wgate.1", "blk.1.ffn_gate"), ("Wdown.0", "blk.0.ffn_down")):
            kind, raw = blocks[name + ".weight"]
            self.assertEqual((p.tensors[key].dtype, p.bytes(key).tobytes()), (kind.name.lower(), raw.tobytes()), key)


class Answers(c.Case):
    """What a graph computes by the keys and formulas of scripts/architectures/README.md is what transformers answers."""

    def close(self, name: str, package, prefix: str = ""):
        folder = FAMILIES / name
        inputs = {k: np.load(folder / f"{prefix}{k}.npy") for k in ("tokens", "types", "source") if (folder / f"{prefix}{k}.npy").exists()}
        for key, made in family_models.run(package, logical, inputs).items():
            wanted = np.load(folder / f"{prefix}{key}.npy")
            # Beside float64, transformers' float32 is off by at most 2.1e-6 of the scale (oracle.json).
            np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max(), err_msg=f"{name} {key}")

    def test_from_hugging_face(self):
        for name in names():
            with self.subTest(name):
                p = self.convert(FAMILIES / name)
                self.close(name, p)
                if (FAMILIES / name / "short_logits.npy").exists():
                    self.close(name, p, "short_")

    def test_blocks_of_a_quantised_package(self):
        """--quantize changes answers, but not by much: the tables' orientation holds for blocks too."""
        p = self.convert(FAMILIES / "llama2", quantize=["q8_0"])
        made = family_models.run(p, logical, {"tokens": np.load(FAMILIES / "llama2" / "tokens.npy")})["logits"]
        wanted = np.load(FAMILIES / "llama2" / "logits.npy")
        self.assertLess(np.abs(made - wanted).max(), 0.1 * np.abs(wanted).max())
        self.assertGreater(np.abs(made - wanted).max(), 1e-4 * np.abs(wanted).max())


    def test_what_a_bare_quantize_leaves(self):
        p = self.convert(FAMILIES / "mixtral", quantize=["q8_0"])
        self.assertEqual((p.tensors["Wrouter.0"].dtype, p.tensors["Wup_exps.0"].dtype, self.report.stayed["Wrouter.0"]), ("bf16", "q8_0", "is small and decides much"))
        self.assertEqual(self.convert(FAMILIES / "mixtral", quantize=["q8_0", "router=q4_0"]).tensors["Wrouter.0"].dtype, "q4_0")


if __name__ == "__main__":
    unittest.main()
