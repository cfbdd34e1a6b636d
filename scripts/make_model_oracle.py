#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/models/smollm2_oracle.json: what an independent implementation (transformers, float32,
eager attention) answers on the very GGUF that the model tests convert.

    pip install torch transformers accelerate gguf tokenizers jinja2 numpy
    scripts/make_model_oracle.py SmolLM2-135M-Instruct.Q4_1.gguf

Run by hand, never in CI. It refuses to write unless
  * each loaded weight equals the dequantised tensor of the file (Q and K rows moved back);
  * a float64 forward pass written here, on the file's own row order, agrees within half of TOLERANCE;
  * float64 picks the same tokens, and each top-2 margin exceeds both ten times the measured error
    (when equal tokens may be demanded) and twice TOLERANCE (then logits within it imply the token).
tests/models/README.md describes the fields."""
import argparse
import hashlib
import importlib.metadata
import json
import pathlib
import random

import gguf
import jinja2.sandbox
import numpy as np
import tokenizers
import torch
import transformers

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "models"
GENERATED = 64  # greedy tokens per prompt, through end-of-text
SAMPLED = 512  # vocabulary ids whose logits are kept
TOP = 16
THREADS = 2
TOLERANCE = 1e-3  # between two float32 implementations: make() checks that this one uses less than half of it


class File:
    """The GGUF: metadata by key, tensors dequantised to float32 in the file's row order."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.meta = {k: f.contents() for k, f in reader.fields.items()}
        self.tensors = {t.name: torch.from_numpy(gguf.dequantize(t.data, t.tensor_type).astype(np.float32))
                        for t in reader.tensors}

    def __getitem__(self, key):
        return self.meta["llama." + key]


def build_tokenizer(meta):
    """transformers converts GGUF tokenizers as plain GPT-2; smollm isolates each digit first."""
    if (meta["tokenizer.ggml.model"], meta["tokenizer.ggml.pre"]) != ("gpt2", "smollm"):
        raise SystemExit("this script knows tokenizer.ggml.pre = smollm only")
    tokens = meta["tokenizer.ggml.tokens"]
    merges = [tuple(m.split(" ", 1)) for m in meta["tokenizer.ggml.merges"]]
    tok = tokenizers.Tokenizer(tokenizers.models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    pre = tokenizers.pre_tokenizers
    tok.pre_tokenizer = pre.Sequence([pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False)])
    tok.decoder = tokenizers.decoders.ByteLevel()
    control = [t for t, kind in zip(tokens, meta["tokenizer.ggml.token_type"]) if kind == gguf.TokenType.CONTROL]
    tok.add_special_tokens([tokenizers.AddedToken(t, special=True, normalized=False) for t in control])
    return tok


def prompt_text(prompt, meta):
    if "text" in prompt:
        return prompt["text"]
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = env.from_string(meta["tokenizer.chat_template"])
    return template.render(messages=prompt["messages"], add_generation_prompt=True)


def encode(tok, text, meta):
    ids = tok.encode(text, add_special_tokens=False).ids
    if tok.decode(ids, skip_special_tokens=False) != text:
        raise SystemExit(f"prompt does not survive encoding: {text!r}")
    return [meta["tokenizer.ggml.bos_token_id"]] * bool(meta.get("tokenizer.ggml.add_bos_token", False)) + ids


def file_row_order(weight, heads):
    """transformers pairs rotary rows (i, i + D/2), the file (2i, 2i + 1): the file's order of a loaded weight."""
    return torch.cat([h[torch.arange(len(h)).view(2, -1).T.flatten()] for h in weight.chunk(heads)])


def check_weights(model, file):
    names = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
             "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
             "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
    top = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    heads = {"attn_q": file["attention.head_count"], "attn_k": file["attention.head_count_kv"]}
    loaded = dict(model.state_dict())
    head = loaded.pop("lm_head.weight")
    for name, want in file.tensors.items():
        layer, _, kind = name.removeprefix("blk.").removesuffix(".weight").partition(".")
        got = loaded.pop(top.get(name) or f"model.layers.{layer}.{names[kind]}.weight")
        if not torch.equal(file_row_order(got, heads[kind]) if kind in heads else got, want):
            raise SystemExit(f"{name}: transformers loaded other values than the file holds")
    if loaded or not torch.equal(head, file.tensors["token_embd.weight"]):
        raise SystemExit(f"weights that the file does not hold: {list(loaded) or 'lm_head'}")


@torch.inference_mode()
def greedy(model, ids):
    """(prompt logits (T, V), tokens, logits (GENERATED, V) each token was taken from); a KV cache, row by row."""
    cache = transformers.DynamicCache(config=model.config)
    prompt = model(torch.tensor([ids]), past_key_values=cache, use_cache=True).logits[0]
    rows, tokens = [prompt[-1]], [int(prompt[-1].argmax())]
    while len(tokens) < GENERATED:
        step = model(torch.tensor([tokens[-1:]]), past_key_values=cache, use_cache=True).logits[0, -1]
        rows.append(step)
        tokens.append(int(step.argmax()))
    return prompt, tokens, torch.stack(rows)


@torch.inference_mode()
def forward64(w, file, ids):
    """Logits (T, V) in float64 throughout, from the file's tensors alone: no transformers, no row moves."""
    H, K, D = file["attention.head_count"], file["attention.head_count_kv"], file["rope.dimension_count"]
    T, eps = len(ids), file["attention.layer_norm_rms_epsilon"]
    angle = torch.outer(torch.arange(T, dtype=torch.float64),
                        file["rope.freq_base"] ** (-torch.arange(0, D, 2, dtype=torch.float64) / D))
    turn = torch.polar(torch.ones_like(angle), angle)[:, None]  # (T, 1, D/2)
    hidden = torch.ones(T, T, dtype=torch.bool).triu(1)

    def norm(x, name):
        return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * w[name]

    def rope(x):  # (T, heads, D), neighbours paired
        return torch.view_as_real(torch.view_as_complex(x.reshape(T, -1, D // 2, 2)) * turn).flatten(-2)

    def layer(x, prefix):
        h = norm(x, prefix + "attn_norm.weight")
        q, k, v = ((h @ w[f"{prefix}attn_{n}.weight"].T).view(T, -1, D) for n in "qkv")
        k, v = (t.repeat_interleave(H // K, 1) for t in (rope(k), v))
        score = torch.einsum("ihd,jhd->hij", rope(q), k) / D**0.5
        mixed = torch.einsum("hij,jhd->ihd", score.masked_fill(hidden, -torch.inf).softmax(-1), v)
        x = x + mixed.reshape(T, H * D) @ w[prefix + "attn_output.weight"].T
        h = norm(x, prefix + "ffn_norm.weight")
        gate, up = (h @ w[f"{prefix}ffn_{n}.weight"].T for n in ("gate", "up"))
        return x + (gate * torch.sigmoid(gate) * up) @ w[prefix + "ffn_down.weight"].T

    x = w["token_embd.weight"][ids]
    for index in range(file["block_count"]):
        x = layer(x, f"blk.{index}.")
    return norm(x, "output_norm.weight") @ w["token_embd.weight"].T


def floats(values):
    """The shortest decimals that read back (as double, then float32) as the same float32."""
    values = np.asarray(values, np.float32)
    out = [float(str(v)) for v in values]
    assert (np.array(out, np.float64).astype(np.float32) == values).all()
    return out


def summary(row, sample):
    top, wide = row.topk(TOP), row.double()
    low, high = floats([row.min(), row.max()])
    return {"sample": floats(row[sample]), "top_ids": top.indices.tolist(), "top": floats(top.values),
            "max": high, "min": low, "mean": wide.mean().item(), "l2": wide.norm().item()}


def answer(model, file, tok, wide, prompt, sample):
    """One prompt's entry, the ids of its whole run, and their float64 logits."""
    text = prompt_text(prompt, file.meta)
    ids = encode(tok, text, file.meta)
    prompt_logits, tokens, rows = greedy(model, ids)
    run = ids + tokens[:-1]
    exact = forward64(wide, file, run)
    error = (torch.cat([prompt_logits[:-1], rows]).double() - exact).abs().max().item()
    if exact[len(ids) - 1:].argmax(-1).tolist() != tokens:
        raise SystemExit(f"{prompt['name']}: float64 picks other tokens; change the prompt")
    best = rows.topk(2)
    out = {**prompt, "text": text, "prompt_ids": ids, "tokens": tokens, "second": best.indices[:, 1].tolist(),
           "margins": floats(best.values[:, 0] - best.values[:, 1]),
           "generated_text": tok.decode(tokens, skip_special_tokens=False),
           "first": summary(rows[0], sample), "max_error_float64": error}
    if prompt["name"] == "short":
        out["prompt_sample"] = [floats(r) for r in prompt_logits[:, sample]]
    return out, run, exact


@torch.inference_mode()
def double_difference(model, runs):
    """The same figure from model.double(), which still takes norms, softmax and angles in float32."""
    model = model.double()
    return max((model(torch.tensor([ids])).logits[0] - exact).abs().max().item() for ids, exact in runs)


def load(path):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def make(path, prompts):
    file, model = File(path), load(path)
    check_weights(model, file)
    tok, wide = build_tokenizer(file.meta), {k: v.double() for k, v in file.tensors.items()}
    sample = sorted(random.Random(2).sample(range(file["vocab_size"]), SAMPLED))
    entries, runs = [], []
    for prompt in prompts:
        out, run, exact = answer(model, file, tok, wide, prompt, sample)
        entries.append(out)
        runs.append((run, exact))
        print(f"{out['name']}: {len(out['prompt_ids'])} ids, least margin {min(out['margins']):.4g}, "
              f"error {out['max_error_float64']:.2g}\n  {out['generated_text']!r}")
    error = max(p["max_error_float64"] for p in entries)
    margin = min(min(p["margins"]) for p in entries)
    if error > TOLERANCE / 2 or margin < max(10 * error, 2 * TOLERANCE):
        raise SystemExit(f"no safe oracle: error {error}, least margin {margin}; change the prompt of that margin")
    return {"gguf": path.name, "gguf_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "versions": {p: importlib.metadata.version(p)
                         for p in ("torch", "transformers", "gguf", "tokenizers", "numpy")},
            "settings": {"dtype": "float32", "attention": "eager", "kv_cache": "float32", "greedy": True,
                         "ignore_eos": True, "tokens": GENERATED, "threads": THREADS},
            "logit_tolerance": TOLERANCE, "max_error_float64": error,
            "max_difference_model_double": double_difference(model, runs), "least_margin": margin,
            "sample_ids": sample, "prompts": entries}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("--prompts", type=pathlib.Path, default=TESTS / "prompts.json")
    parser.add_argument("--out", type=pathlib.Path, default=TESTS / "smollm2_oracle.json")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    result = make(args.gguf, json.loads(args.prompts.read_text("utf-8")))
    args.out.write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    print(f"{args.out}: {args.out.stat().st_size} bytes, error {result['max_error_float64']:.3g} "
          f"(model.double(): {result['max_difference_model_double']:.3g}), least margin {result['least_margin']:.4g}")


if __name__ == "__main__":
    main()
