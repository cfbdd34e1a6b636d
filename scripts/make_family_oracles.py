#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/models/families: a tiny random checkpoint of each model family, and what transformers (float32, eager
attention) answers to it. Weights are bf16 numbers, so that a small file holds exactly what was computed with; biases, norms,
sinks and scales are away from their defaults, sequences are longer than windows and original contexts.

usage: make_family_oracles.py [NAME …]     by hand, never in CI: needs torch and transformers. Versions: oracle.json beside the data.
"""
import json
import math
import pathlib
import shutil
import sys

import numpy as np
import safetensors.torch
import torch
import transformers
from transformers import AutoConfig

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "models" / "families"
TOKENS, VOCAB = 24, 64
SIZES = {"vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None, "tie_word_embeddings": False}


def rope(kind: str, theta: float = 500.0, **more) -> dict:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **more}}


SCALED = {"original_max_position_embeddings": 12, "factor": 4.0}
LONG = {"short_factor": [1.0, 1.25], "long_factor": [1.5, 3.0], "original_max_position_embeddings": 16, "partial_rotary_factor": 0.5}
GEMMA = SIZES | {"head_dim": 16, "tie_word_embeddings": True, "query_pre_attn_scalar": 24, "sliding_window": 7}
MOE = {"num_experts_per_tok": 2, "num_local_experts": 6}
BERT = {"vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "type_vocab_size": 2, "layer_norm_eps": 1e-6}
T5 = {"vocab_size": VOCAB, "d_model": 32, "d_kv": 12, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4, "relative_attention_num_buckets": 8,
      "relative_attention_max_distance": 20, "decoder_start_token_id": 0, "layer_norm_epsilon": 1e-5}
# folder: (model_type, its settings)
FAMILIES = {
    "llama2": ("llama", SIZES | rope("default")),
    "llama-bias-linear": ("llama", SIZES | rope("linear", factor=4.0) | {"attention_bias": True, "head_dim": 12, "tie_word_embeddings": True}),
    "llama3": ("llama", SIZES | rope("llama3", low_freq_factor=1.0, high_freq_factor=4.0, **SCALED)),
    "llama-yarn": ("llama", SIZES | rope("yarn", beta_fast=1.0, beta_slow=0.25, **SCALED)),
    "mistral": ("mistral", SIZES | rope("default") | {"head_dim": 12, "sliding_window": 7}),
    "mixtral": ("mixtral", SIZES | rope("default") | MOE | {"intermediate_size": 32}),
    "qwen2": ("qwen2", SIZES | rope("default") | {"num_hidden_layers": 3, "use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}),
    "qwen3": ("qwen3", SIZES | rope("default") | {"head_dim": 12, "tie_word_embeddings": True}),
    "qwen3moe": ("qwen3_moe", SIZES | rope("default") | {"head_dim": 12, "num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 24, "norm_topk_prob": True}),
    "gemma2": ("gemma2", GEMMA | rope("default") | {"num_hidden_layers": 3, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 4.0}),
    "gemma3": ("gemma3_text", GEMMA | {"num_hidden_layers": 4, "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
               "rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 100.0}, "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5000.0}}}),
    "phi3": ("phi3", SIZES | rope("default") | {"sliding_window": 7, "original_max_position_embeddings": 64}),
    "phi3-longrope": ("phi3", SIZES | rope("longrope", **LONG) | {"original_max_position_embeddings": 16}),
    "gpt2": ("gpt2", {"vocab_size": VOCAB, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40, "layer_norm_epsilon": 1e-4, "bos_token_id": None, "eos_token_id": None}),
    "gpt-oss": ("gpt_oss", SIZES | MOE | {"swiglu_alpha": 1.25, "swiglu_limit": 1.0, "head_dim": 16, "intermediate_size": 32, "num_hidden_layers": 2, "sliding_window": 7,
                **rope("yarn", beta_fast=1.0, beta_slow=0.25, truncate=False, **SCALED)}),
    "gpt-oss-mxfp4": ("gpt_oss", SIZES | MOE | {"head_dim": 16, "intermediate_size": 32, "num_hidden_layers": 2, "sliding_window": 7,
                      **rope("yarn", beta_fast=1.0, beta_slow=0.25, truncate=False, **SCALED)}),
    "bert": ("bert", BERT | {"max_position_embeddings": 40}),
    "roberta": ("roberta", BERT | {"max_position_embeddings": 42, "type_vocab_size": 1, "pad_token_id": 1}),
    "t5": ("t5", T5),
    "t5-gated": ("t5", T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
}
HEADS = {"bert": transformers.BertModel, "roberta": transformers.RobertaModel, "t5": transformers.T5ForConditionalGeneration,
         "gemma3_text": transformers.Gemma3ForCausalLM}
E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0]


def fill(model, kind: str, generator: torch.Generator):
    """Every parameter a random bf16 number, of a size that keeps activations near 1."""
    plus_one = kind.startswith("gemma")
    with torch.no_grad():
        for name, p in model.named_parameters():
            value = torch.randn(p.shape, generator=generator)
            last = name.split(".")[-2 if name.endswith((".weight", ".bias")) else -1].lower()
            if name.endswith("bias") and "relative_attention_bias" not in name:
                value *= 0.3
            elif p.ndim == 1 and ("norm" in last or last.startswith("ln_")):
                value = 0.3 * value + (0.0 if plus_one else 1.0)
            elif p.ndim >= 2 and not any(w in name for w in ("embed", "shared", "wte", "wpe", "relative_attention_bias", "router", "gate.weight")):
                fan_in = p.shape[-2] if "experts" in name and kind == "gpt_oss" or kind == "gpt2" and "lm_head" not in name else p.shape[-1]
                value *= 1.3 / math.sqrt(fan_in)
                if kind == "t5" and name.endswith(".q.weight"):  # its attention has no scale of its own
                    value /= math.sqrt(model.config.d_kv)
            elif kind.startswith("gemma") and "embed" in name:
                value *= 0.5
            p.copy_(value.to(torch.bfloat16).float())


def mxfp4(shape: tuple, generator: torch.Generator):
    """Random blocks of elements 2j and 2j + 1 in byte j, scales near 2^-4, and what they stand for: (E, out, in)."""
    blocks = torch.randint(0, 256, (*shape[:-1], shape[-1] // 32, 16), generator=generator, dtype=torch.uint8)
    scales = torch.randint(122, 125, blocks.shape[:-1], generator=generator, dtype=torch.uint8)
    table = torch.tensor(E2M1)
    pairs = torch.stack((table[(blocks & 15).long()], table[(blocks >> 4).long()]), dim=-1).flatten(-2)
    return blocks, scales, (pairs * torch.exp2(scales.float() - 127)[..., None]).flatten(-2)


def to_mxfp4(model, generator: torch.Generator) -> dict:
    """Puts MXFP4 numbers into the experts; returns the tensors that a checkpoint has in their place."""
    stored = {}
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(("gate_up_proj", "down_proj")):
                stored[name + "_blocks"], stored[name + "_scales"], values = mxfp4((p.shape[0], p.shape[2], p.shape[1]), generator)
                p.copy_(values.transpose(1, 2))
    return stored


def untie(model, generator: torch.Generator) -> dict:
    """A head of its own, which this version of transformers ties whatever the configuration says (T5 1.1 has one)."""
    head = (torch.randn(model.lm_head.weight.shape, generator=generator) / 3).to(torch.bfloat16)
    model.lm_head.weight = torch.nn.Parameter(head.float(), requires_grad=False)
    return {"lm_head.weight": head}


def greedy(model, source: torch.Tensor) -> torch.Tensor:
    """Ids that generate() gives to the first 24, 9 and 3 tokens of the source, the start token included; end tokens are as
    others. Refuses near ties: the tolerance of logits is 2e-5 of their scale."""
    return torch.stack([answer(model, source[:, :count]) for count in (TOKENS, 9, 3)], 1)


def answer(model, source: torch.Tensor) -> torch.Tensor:
    made = model.generate(input_ids=source, attention_mask=torch.ones_like(source), max_new_tokens=20, do_sample=False, use_cache=False, eos_token_id=None,
                          output_scores=True, return_dict_in_generate=True)
    best = torch.stack(made.scores).topk(2, dim=-1).values
    if (margin := (best[..., 0] - best[..., 1]).min()) < 1e-4 * best.abs().max():
        sys.exit(f"an answer passes a near tie: {margin:.1e}; take another seed")
    return made.sequences


def answers(model, kind: str, generator: torch.Generator) -> dict:
    """Inputs and outputs by file name."""
    def ids(count: int) -> torch.Tensor:
        return torch.randint(2, VOCAB, (1, count), generator=generator)

    with torch.no_grad():
        if kind == "t5":
            source, tokens = ids(TOKENS), torch.cat((torch.zeros(1, 1, dtype=torch.long), ids(13)), 1)
            out = model(input_ids=source, decoder_input_ids=tokens)
            return {"source": source, "tokens": tokens, "hidden": out.encoder_last_hidden_state, "logits": out.logits, "answers": greedy(model, source)}
        tokens = ids(TOKENS)
        if kind in ("bert", "roberta"):
            types = torch.randint(0, model.config.type_vocab_size, tokens.shape, generator=generator)
            out = model(input_ids=tokens, token_type_ids=types)
            return {"tokens": tokens, "types": types, "hidden": out.last_hidden_state, "pooled": out.pooler_output}
        made = {"tokens": tokens, "logits": model(input_ids=tokens).logits}
        if (model.config.rope_parameters if hasattr(model.config, "rope_parameters") else {}).get("rope_type") == "longrope":
            made |= {"short_tokens": tokens[:, :12], "short_logits": model(input_ids=tokens[:, :12]).logits}
        return made


def save(folder: pathlib.Path, model, replaced: dict):
    """As save_pretrained writes it, weights as bf16."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights = {n: t if t.dtype == torch.uint8 else t.to(torch.bfloat16) for n, t in weights.items() if f"{n}_blocks" not in replaced and n not in replaced} | replaced
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    if "lm_head.weight" in replaced:
        config["tie_word_embeddings"] = False
    elif replaced:
        config["quantization_config"] = {"quant_method": "mxfp4"}
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def make(name: str, seed: int):
    kind, settings = FAMILIES[name]
    config = AutoConfig.for_model(kind, **settings)
    config._attn_implementation = config._experts_implementation = "eager"
    model = HEADS[kind](config) if kind in HEADS else transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model = model.float().eval()
    generator = torch.Generator().manual_seed(seed)
    fill(model, kind, generator)
    replaced = to_mxfp4(model, generator) if name.endswith("mxfp4") else untie(model, generator) if name == "t5-gated" else {}
    save(ROOT / name, model, replaced)
    state = generator.get_state()
    found = answers(model, kind, generator)
    generator.set_state(state)
    wide = answers(model.double(), kind, generator)
    outputs = {k: found[k] for k in found if not k.endswith(("tokens", "types", "source", "answers"))}
    about = {"scale": {k: float(v.abs().max()) for k, v in outputs.items()},
             "double_difference": {k: float((v - wide[k]).abs().max() / v.abs().max()) for k, v in outputs.items()},
             "torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    for key, value in found.items():
        np.save(ROOT / name / f"{key}.npy", value[0].numpy().astype("<f4" if value.is_floating_point() else "<i4"))
    (ROOT / name / "oracle.json").write_text(json.dumps(about, indent=1) + "\n")
    size = sum(p.stat().st_size for p in (ROOT / name).iterdir())
    print(f"{name:18} {size / 1024:6.1f} KiB  {about['scale']}  double: {about['double_difference']}")


def main():
    unknown = set(sys.argv[1:]) - set(FAMILIES)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    torch.set_num_threads(1)
    for seed, name in enumerate(FAMILIES):
        if name in (sys.argv[1:] or FAMILIES):
            make(name, seed)


if __name__ == "__main__":
    main()
