# SPDX-License-Identifier: Apache-2.0
"""A tiny random llama as a package, and its logits computed by NumPy in float64.

write(path) makes the package; every keyword changes one thing, to make broken ones. Always the same bytes.
"""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "scripts"))
import opnf  # noqa: E402

LAYERS, D, HEADS, KV_HEADS, HEAD_DIM, FF, CTX = 2, 32, 4, 2, 8, 64, 1024
NUMPY = {"f32": "<f4", "f16": "<f2", "i32": "<i4"}
THETA, EPS = 10000.0, 1e-5
SPECIAL = ["<|im_start|>", "<|im_end|>"]
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or"]
TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def byte_alphabet():
    """GPT-2's spelling of the 256 bytes."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in plain]
    spelt = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}
    return [spelt[b] for b in range(256)]


TOKENS = byte_alphabet() + [m.replace(" ", "") for m in MERGES] + SPECIAL
VOCAB = len(TOKENS)
IM_START, IM_END = VOCAB - 2, VOCAB - 1


def weights():
    """Key -> float32 array; matrices as checkpoints store them, (out, in)."""
    random = np.random.default_rng(7)
    w = {"tok_embeddings": 0.2 * random.normal(size=(VOCAB, D))}  # small: the layers decide, not the tied head
    for layer in range(LAYERS):
        for name, out, into in (("Wq", HEADS * HEAD_DIM, D), ("Wk", KV_HEADS * HEAD_DIM, D), ("Wv", KV_HEADS * HEAD_DIM, D),
                                ("Wo", D, HEADS * HEAD_DIM), ("Wgate", FF, D), ("Wup", FF, D), ("Wdown", D, FF)):
            w[f"{name}.{layer}"] = 2 * random.normal(size=(out, into)) / np.sqrt(into)
        for name in ("attn_norm", "mlp_norm"):
            w[f"{name}.{layer}"] = random.uniform(0.5, 1.5, D)
    w["final_norm"] = random.uniform(0.5, 1.5, D)
    return {key: value.astype(np.float32) for key, value in w.items()}


def matrices():
    return [key for key, value in weights().items() if value.ndim == 2 and key != "tok_embeddings"]


def q8_0(value):
    """ggml's blocks of 32 along the last axis: a scale in f16, then 32 bytes."""
    rows = value.reshape(-1, 32)
    scale = (np.abs(rows).max(axis=1, keepdims=True) / 127).astype("<f2")
    quants = np.rint(rows / scale.astype("f4")).astype("i1")
    return np.concatenate([scale.view("u1"), quants.view("u1")], axis=1)


def stored(key, value):
    """Half of the matrices are f16, so that a family mixes dtypes."""
    return "f16" if key.endswith(".1") and value.ndim == 2 else "f32"


def write(path, *, leave_out=(), dtypes=None, tokenizer=True, architecture="llama", graph=None, tokens=TOKENS, merges=MERGES, broken=None):
    w = opnf.Writer(path)
    for key, value in {"general.architecture": architecture, "general.name": "tiny", "n_layers": LAYERS, "n_heads": HEADS,
                       "n_kv_heads": KV_HEADS, "head_dim": HEAD_DIM, "d_model": D, "d_ff": FF, "vocab_size": VOCAB,
                       "ctx_len": CTX, "rope_dim": HEAD_DIM, "rope_theta": THETA, "rms_norm_eps": EPS}.items():
        w.meta(key, value)
    w.dim("n_layers", LAYERS)
    w.dim("ctx", 1, CTX)
    w.dim("slots", 1, 16)
    w.kv_cache("kv", layers="n_layers", slots="slots", heads=KV_HEADS, capacity="ctx", head_dim=HEAD_DIM)
    if tokenizer:
        for key, value in {"model": "bpe", "pre": "gpt2", "tokens": tokens, "merges": merges, "chat_template": TEMPLATE,
                           "add_bos": False, "add_eos": False}.items():
            if value is not None:
                w.tokenizer(key, value)
        w.tokenizer("token_types", [1] * (len(tokens) - 2) + [3, 3], "i32")
        w.tokenizer("eos_id", len(tokens) - 1, "i32")
        w.tokenizer("eos_ids", [len(tokens) - 1], "i32")
    if graph is not None:
        w.graph("main", graph)
    for key, value in weights().items():
        if key in leave_out:
            continue
        if key == broken:
            value = np.full_like(value, np.nan)
        dtype = (dtypes or {}).get(key, stored(key, value))
        matrix = value.ndim == 2 and key != "tok_embeddings"
        w.tensor(key, dtype, value.shape[::-1] if matrix else value.shape, q8_0(value) if dtype == "q8_0" else value.astype(NUMPY[dtype]), transposed=matrix)
    if "lm_head" not in leave_out:
        w.alias("lm_head", "tok_embeddings", shape=(D, VOCAB), transposed=True)
    w.write()


def norm(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * weight


def rotate(x):
    """Rotary positions over (T, heads, HEAD_DIM), pairs (i, i + HEAD_DIM / 2)."""
    half = HEAD_DIM // 2
    angle = np.arange(len(x))[:, None] * THETA ** (-np.arange(half) / half)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def attention(q, k, v):
    T = len(q)
    k, v = (np.repeat(x, HEADS // KV_HEADS, axis=1) for x in (k, v))
    scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(HEAD_DIM)
    scores = np.where(np.tril(np.ones((T, T), bool)), scores, -np.inf)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hts,shd->thd", p / p.sum(-1, keepdims=True), v).reshape(T, -1)


def logits(ids):
    """(T, VOCAB) in float64, over the weights as stored."""
    w = {key: value.astype(np.float16 if stored(key, value) == "f16" else np.float32).astype(np.float64)
         for key, value in weights().items()}
    x = w["tok_embeddings"][ids]
    for layer in range(LAYERS):
        h = norm(x, w[f"attn_norm.{layer}"])
        q, k, v = ((h @ w[f"{name}.{layer}"].T).reshape(len(ids), -1, HEAD_DIM) for name in ("Wq", "Wk", "Wv"))
        x = x + attention(rotate(q), rotate(k), v) @ w[f"Wo.{layer}"].T
        h = norm(x, w[f"mlp_norm.{layer}"])
        gate = h @ w[f"Wgate.{layer}"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w[f"Wup.{layer}"].T)) @ w[f"Wdown.{layer}"].T
    return norm(x, w["final_norm"]) @ w["tok_embeddings"].T


def greedy(ids, count):
    ids = list(ids)
    for _ in range(count):
        ids.append(int(logits(ids)[-1].argmax()))
    return ids[-count:]


if __name__ == "__main__":
    write(sys.argv[1])
