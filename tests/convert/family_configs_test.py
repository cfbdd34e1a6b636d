# SPDX-License-Identifier: Apache-2.0
"""Configurations of the families that a graph would get wrong, that leave things unsaid, or that are damaged."""
import json
import os
import random
import unittest

import checkpoints as c
import numpy as np
import torch_files
from bad_input_test import put, walk
from checkpoints import safetensors
from families_test import FAMILIES, load, logical, names


class Configurations(c.Case):
    def changed(self, name: str, **settings):
        config, _ = load(name)
        folder = self.folder / "changed"
        folder.mkdir(exist_ok=True)
        (folder / "model.safetensors").write_bytes((FAMILIES / name / "model.safetensors").read_bytes())
        c.write_json(folder, "config.json", config | settings)
        return folder

    def test_what_a_graph_would_get_wrong(self):
        for name, settings, message in (("qwen2", {"layer_types": ["full_attention", "chunked_attention", "full_attention"], "use_sliding_window": True}, "the kinds of its layers are"),
                                        ("gemma2", {"layer_types": ["sliding_attention"]}, "full_attention or sliding_attention for each of 3"), ("gemma2", {"hidden_activation": "relu"}, "hidden_activation is relu"),
                                        ("mistral", {"sliding_window": "seven"}, "the size of the window is seven: one number"), ("mistral", {"sliding_window": -7}, "whole number from 0"),
                                        ("qwen3moe", {"mlp_only_layers": [1]}, "mlp_only_layers is .1."), ("qwen3moe", {"norm_topk_prob": "yes"}, "norm_topk .* is yes: true or false"),
                                        ("gpt2", {"activation_function": "mish"}, "activation .* is mish: one of"), ("gpt2", {"activation_function": ["x"]}, "activation .* one of"), ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
                                        ("roberta", {"pad_token_id": 50}, "ctx_len .* is -9: a whole number from 1"), ("phi3-longrope", {"rope_parameters": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}, "has 1 short_factors, rope_dim 8 needs 4"),
                                        ("phi3-longrope", {"rope_parameters": {"rope_type": "longrope", "short_factor": ["a", 1]}}, "short_factors is no list of positive numbers"),
                                        ("llama-yarn", {"rope_parameters": {"rope_type": "yarn", "factor": 4, "truncate": "no"}}, "truncate is no, not true or false"), ("llama-yarn", {"rope_parameters": "yarn"}, "rope_parameters is yarn: an object"),
                                        ("llama-yarn", {"rope_scaling": "x"}, "rope_scaling is x: an object"), ("llama-yarn", {"rope_parameters": {"rope_type": "yarn"}}, "rope scaling yarn has no factor"),
                                        ("t5", {"feed_forward_proj": "gated-mish"}, "activation .* is gated-mish"), ("gpt-oss-mxfp4", {"quantization_config": {"quant_method": "awq"}}, "quant_method is awq")):
            with self.subTest(message):
                self.refused(self.changed(name, **settings), message)

    def test_null_is_not_silence(self):
        p = self.convert(self.changed("gemma2", attn_logit_softcapping=None, sliding_window=None))
        self.assertEqual((p.metadata["attn_softcap"], p.metadata["windows"].tolist()), (0.0, [0, 0, 0]))
        config = load("gemma2")[0]
        del config["attn_logit_softcapping"], config["sliding_window"], config["layer_types"], config["query_pre_attn_scalar"]
        c.write_json(self.folder / "changed", "config.json", config)
        p = self.convert(self.folder / "changed")
        self.assertEqual((p.metadata["attn_softcap"], p.metadata["windows"].tolist(), p.metadata["attn_scale"]), (50.0, [4096, 0, 4096], 1 / 16))

    def test_gemma3_of_a_multimodal_checkpoint(self):
        config, weights = load("gemma3")
        weights = {"model.language_model." + k.removeprefix("model."): v for k, v in weights.items()} | {"vision_tower.x": np.zeros(2, "<f4"), "model.multi_modal_projector.y": np.zeros(2, "<f4")}
        folder = self.folder / "both"
        folder.mkdir()
        safetensors.numpy.save_file(weights, folder / "model.safetensors")
        c.write_json(folder, "config.json", {"model_type": "gemma3", "text_config": config})
        p = self.convert(folder)
        self.assertEqual((self.report.own_names, sorted(self.report.ignored)), ([], ["model.multi_modal_projector.y", "vision_tower.x"]))
        np.testing.assert_array_equal(logical(p, "Wup.3"), weights["model.language_model.layers.3.mlp.up_proj.weight"].T)
        self.assertEqual(p.metadata["rope_local_theta"], 100.0)

    def test_gemma3_by_the_defaults_of_its_library(self):
        """gemma-3-4b's config.json leaves heads, their size and the vocabulary to transformers' defaults."""
        folder = self.folder / "sparse"
        folder.mkdir()
        d, heads, kv, size = 16, 8, 4, 256
        shapes = {"embed_tokens": (5, d), "norm": (d,), "layers.0.self_attn.q_proj": (heads * size, d), "layers.0.self_attn.k_proj": (kv * size, d), "layers.0.self_attn.v_proj": (kv * size, d),
                  "layers.0.self_attn.o_proj": (d, heads * size), "layers.0.self_attn.q_norm": (size,), "layers.0.self_attn.k_norm": (size,), "layers.0.mlp.gate_proj": (8, d), "layers.0.mlp.up_proj": (8, d), "layers.0.mlp.down_proj": (d, 8)}
        shapes |= {f"layers.0.{n}_layernorm": (d,) for n in ("input", "post_attention", "pre_feedforward", "post_feedforward")}
        safetensors.numpy.save_file({f"language_model.model.{k}.weight": np.zeros(v, "<f4") for k, v in shapes.items()}, folder / "model.safetensors")
        c.write_json(folder, "config.json", {"model_type": "gemma3", "text_config": {"hidden_size": d, "intermediate_size": 8, "model_type": "gemma3_text", "num_hidden_layers": 1,
                                             "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}})
        m = self.convert(folder).metadata
        self.assertEqual({k: m[k] for k in ("n_heads", "n_kv_heads", "head_dim", "vocab_size", "rope_theta", "rope_local_theta", "rope_scaling.type", "rope_scaling.factor")},
                         {"n_heads": 8, "n_kv_heads": 4, "head_dim": 256, "vocab_size": 5, "rope_theta": 1e6, "rope_local_theta": 1e4, "rope_scaling.type": "linear", "rope_scaling.factor": 8.0})
        self.assertEqual(m["windows"].tolist(), [1024])

    def test_names_of_old_bert_files(self):
        _, weights = load("bert")
        old = {"bert." + k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v for k, v in weights.items()} | {"cls.predictions.bias": np.zeros(2, "<f4"), "bert.embeddings.position_ids": np.arange(4)}
        folder = self.folder / "old"
        folder.mkdir()
        (folder / "config.json").write_bytes((FAMILIES / "bert" / "config.json").read_bytes())
        torch_files.save(folder / "pytorch_model.bin", old)
        p, q = self.convert(folder), self.convert(FAMILIES / "bert", out="new.oinf")
        self.assertEqual(set(p.tensors), set(q.tensors))
        for key in p.tensors:
            np.testing.assert_array_equal(logical(p, key), logical(q, key), key)

    def test_sentence_transformers(self):
        folder = self.changed("bert")
        (folder / "1_Pooling").mkdir()
        for modes, wanted in ((["mean_tokens"], "mean"), (["cls_token"], "cls"), (["mean_tokens", "cls_token"], "custom"), ([], "none")):
            c.write_json(folder / "1_Pooling", "config.json", {f"pooling_mode_{m}": m in modes for m in ("mean_tokens", "cls_token", "max_tokens")})
            c.write_json(folder, "modules.json", [{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Normalize"}])
            c.write_json(folder, "sentence_bert_config.json", {"max_seq_length": 20})
            m = self.convert(folder).metadata
            self.assertEqual((m["pooling"], m["normalize"], m["max_tokens"]), (wanted, True, 20))
        m = self.convert(FAMILIES / "bert").metadata
        self.assertEqual((m["pooling"], m["normalize"], m["max_tokens"]), ("none", False, 40))
        (folder / "modules.json").write_text("{")
        self.refused(folder, "modules.json: not JSON")
        c.write_json(folder, "modules.json", 3)
        c.write_json(folder, "sentence_bert_config.json", {"max_seq_length": "x"})
        self.refused(folder, "max_tokens .* is x: one number")

    def test_damaged_configurations(self):
        """Any value of config.json replaced by one of another kind: converted, or one ConvertError. Seeded, a share of all."""
        others = [None, True, 0, -1, 1.5, 2**70, float("nan"), float("inf"), "", "x\x00y", [], [[]], {}, {"a": {"b": []}}, [None], ["\ud800"], [1] * 70]
        rng, share = random.Random(11), float(os.environ.get("OPENINFER_DAMAGE_SHARE", "0.05"))
        for name in names():
            config, folder = load(name)[0], self.changed(name)
            for path, _ in walk(config):
                for other in others:
                    if rng.random() > share:
                        continue
                    damaged = json.loads(json.dumps(config))
                    put(damaged, path, other)
                    c.write_json(folder, "config.json", damaged)
                    try:
                        c.package.build(c.package.open_source(str(folder)), c.opnf.Writer(self.folder / "o.oinf"), c.Choice.parse([]), None, None)
                    except (c.ConvertError, c.opnf_format.OpnfError):
                        pass
                    except Exception as e:
                        raise AssertionError(f"{name} {path} = {other!r}: {type(e).__name__}: {e}") from e

    def test_damaged_mxfp4(self):
        folder = self.changed("gpt-oss-mxfp4")
        raw = (folder / "model.safetensors").read_bytes()
        _, weights = load("gpt-oss-mxfp4")
        scales = weights["model.layers.0.mlp.experts.down_proj_scales"].tobytes()
        at = raw.index(scales)
        (folder / "model.safetensors").write_bytes(raw[:at] + b"\xff" + raw[at + 1 :])
        self.refused(folder, r"block 0 \(mxfp4\) has a scale that is NaN")


if __name__ == "__main__":
    unittest.main()
