# SPDX-License-Identifier: Apache-2.0
"""The formulas of scripts/architectures/README.md in NumPy and float64, over a package's keys and nothing else: what a graph of each
family must compute. Sequences start at position 0."""
import math

import numpy as np

ACTIVATIONS = {"gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))), "relu": lambda x: np.maximum(x, 0), "silu": lambda x: x / (1 + np.exp(-x)),
               "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))}


class Weights:
    """A package as a graph sees it: w[key] in f64 (None if absent), w.meta(key, default)."""

    def __init__(self, package, logical):
        self.package, self.logical = package, logical
        self.layers = package.metadata["n_layers"]

    def __getitem__(self, key: str):
        return self.logical(self.package, key).astype("f8") if key in self.package.tensors else None

    def meta(self, key: str, default=None):
        return self.package.metadata.get(key, default)

    def project(self, x, key: str, bias: str):
        b = self[bias]
        return x @ self[key] + (0 if b is None else b)


def rms_norm(x, w, eps):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * w


def layer_norm(x, w, b, eps):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * w + b


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def frequencies(w: Weights, theta: float, scaled: bool, length: int) -> tuple:
    """f_i, and what cosine and sine are multiplied with."""
    dim = w.meta("rope_dim")
    f = theta ** (-np.arange(0, dim, 2) / dim)
    part = lambda key: w.meta(f"rope_scaling.{key}")  # noqa: E731
    kind = part("type") if scaled else "none"
    if kind == "none":
        return f, 1.0
    if kind == "linear":
        return f / part("factor"), 1.0
    if kind == "longrope":
        return f / np.array(part("long_factors" if length > part("original_ctx_len") else "short_factors")), part("attention_factor")
    if kind == "llama3":
        wavelength, low, high = 2 * np.pi / f, part("low_freq_factor"), part("high_freq_factor")
        smooth = np.clip((part("original_ctx_len") / wavelength - low) / (high - low), 0, 1)
        return (1 - smooth) * f / part("factor") + smooth * f, 1.0
    assert kind == "yarn", kind
    ends = [dim * math.log(part("original_ctx_len") / (2 * math.pi * part(b))) / (2 * math.log(theta)) for b in ("beta_fast", "beta_slow")]
    low, high = (math.floor(ends[0]), math.ceil(ends[1])) if part("truncate") else ends
    low, high = max(low, 0), min(high, dim - 1)
    ramp = np.clip((np.arange(dim // 2) - low) / (high + (0.001 if low == high else 0) - low), 0, 1)
    return f * (1 - ramp) + f / part("factor") * ramp, part("attention_factor")


def rope(x, f, factor):
    """x (T, H, head_dim)."""
    half = len(f)
    angle = np.arange(len(x))[:, None, None] * f
    cos, sin = np.cos(angle) * factor, np.sin(angle) * factor
    a, b = x[..., :half], x[..., half : 2 * half]
    return np.concatenate((a * cos - b * sin, b * cos + a * sin, x[..., 2 * half :]), -1)


def attention(q, k, v, *, scale, causal=True, window=0, softcap=0.0, sinks=None, bias=0.0):
    """q (T, H, D), k and v (S, Hk, D) -> (T, H·D)."""
    k, v = (np.repeat(t, q.shape[1] // t.shape[1], axis=1) for t in (k, v))
    scores = np.einsum("thd,shd->hts", q, k) * scale
    scores = np.tanh(scores / softcap) * softcap if softcap else scores
    back = np.arange(len(q))[:, None] - np.arange(len(k))
    hidden = (back < 0) & causal | ((back >= window) if window else False)
    scores = np.where(hidden, -np.inf, scores + bias)
    if sinks is not None:
        scores = np.concatenate((scores, np.broadcast_to(sinks[:, None, None], (*scores.shape[:2], 1))), -1)
    return np.einsum("hts,shd->thd", softmax(scores)[..., : len(k)], v).reshape(len(q), -1)


def experts(w: Weights, h, l: int):
    kind, used = w.meta("general.architecture"), w.meta("n_experts_used")
    logits = w.project(h, f"Wrouter.{l}", f"brouter.{l}")
    chosen = np.argsort(-logits, axis=-1, kind="stable")[:, :used]
    if kind == "gpt-oss":
        share = softmax(np.take_along_axis(logits, chosen, -1))
    else:
        share = np.take_along_axis(softmax(logits), chosen, -1)
        share = share / share.sum(-1, keepdims=True) if kind == "mixtral" or w.meta("norm_topk") else share
    out = np.zeros_like(h)
    gate_w, up_w, down_w = (w[f"W{n}_exps.{l}"] for n in ("gate", "up", "down"))
    gate_b, up_b, down_b = (w[f"b{n}_exps.{l}"] for n in ("gate", "up", "down"))
    for n, row in enumerate(h):
        for e, p in zip(chosen[n], share[n]):
            gate, up = row @ gate_w[e], row @ up_w[e]
            if kind == "gpt-oss":
                limit = w.meta("swiglu_limit")
                gate, up = np.minimum(gate + gate_b[e], limit), np.clip(up + up_b[e], -limit, limit)
                made = ((up + 1) * gate / (1 + np.exp(-gate * w.meta("swiglu_alpha")))) @ down_w[e] + down_b[e]
            else:
                made = (ACTIVATIONS["silu"](gate) * up) @ down_w[e]
            out[n] += p * made
    return out


def decoder(w: Weights, tokens):
    kind, eps, d = w.meta("general.architecture"), w.meta("rms_norm_eps"), w.meta("head_dim")
    windows = w.meta("windows", [0] * w.layers)
    norm = lambda x, key: rms_norm(x, w[key], eps)  # noqa: E731
    after = lambda x, key: x if w[key] is None else norm(x, key)  # noqa: E731
    act = ACTIVATIONS["gelu_tanh" if kind.startswith("gemma") else "silu"]
    x = w["tok_embeddings"][tokens] * w.meta("embed_scale", 1.0)
    for l in range(w.layers):
        local = kind == "gemma3" and windows[l] > 0
        f = frequencies(w, w.meta("rope_local_theta") if local else w.meta("rope_theta"), not local, len(tokens))
        h = norm(x, f"attn_norm.{l}")
        q, k, v = (w.project(h, f"W{n}.{l}", f"b{n}.{l}").reshape(len(tokens), -1, d) for n in "qkv")
        q, k = after(q, f"q_norm.{l}"), after(k, f"k_norm.{l}")
        a = attention(rope(q, *f), rope(k, *f), v, scale=w.meta("attn_scale", d**-0.5), window=windows[l], softcap=w.meta("attn_softcap", 0.0), sinks=w[f"sinks.{l}"])
        x = x + after(w.project(a, f"Wo.{l}", f"bo.{l}"), f"attn_post_norm.{l}")
        h = norm(x, f"mlp_norm.{l}")
        made = experts(w, h, l) if w[f"Wrouter.{l}"] is not None else (act(h @ w[f"Wgate.{l}"]) * (h @ w[f"Wup.{l}"])) @ w[f"Wdown.{l}"]
        x = x + after(made, f"mlp_post_norm.{l}")
    logits = norm(x, "final_norm") @ w["lm_head"]
    cap = w.meta("logit_softcap", 0.0)
    return {"logits": np.tanh(logits / cap) * cap if cap else logits}


def heads(w: Weights, x, l: int) -> list:
    return [w.project(x, f"W{n}.{l}", f"b{n}.{l}").reshape(len(x), w.meta("n_heads"), -1) for n in "qkv"]


def gpt2(w: Weights, tokens):
    norm = lambda x, key, l="": layer_norm(x, w[key + l], w[f"{key}_bias{l}"], w.meta("norm_eps"))  # noqa: E731
    act, scale = ACTIVATIONS[w.meta("activation")], w.meta("head_dim") ** -0.5
    x = w["tok_embeddings"][tokens] + w["pos_embeddings"][: len(tokens)]
    for l in range(w.layers):
        x = x + w.project(attention(*heads(w, norm(x, "attn_norm", f".{l}"), l), scale=scale), f"Wo.{l}", f"bo.{l}")
        x = x + w.project(act(w.project(norm(x, "mlp_norm", f".{l}"), f"Wup.{l}", f"bup.{l}")), f"Wdown.{l}", f"bdown.{l}")
    return {"logits": norm(x, "final_norm") @ w["lm_head"]}


def bert(w: Weights, tokens, types):
    norm = lambda x, key, l="": layer_norm(x, w[key + l], w[f"{key}_bias{l}"], w.meta("norm_eps"))  # noqa: E731
    act, scale = ACTIVATIONS[w.meta("activation")], w.meta("head_dim") ** -0.5
    x = norm(w["tok_embeddings"][tokens] + w["pos_embeddings"][: len(tokens)] + w["type_embeddings"][types], "embed_norm")
    for l in range(w.layers):
        x = norm(x + w.project(attention(*heads(w, x, l), scale=scale, causal=False), f"Wo.{l}", f"bo.{l}"), "attn_norm", f".{l}")
        x = norm(x + w.project(act(w.project(x, f"Wup.{l}", f"bup.{l}")), f"Wdown.{l}", f"bdown.{l}"), "mlp_norm", f".{l}")
    return {"hidden": x, "pooled": np.tanh(x[0] @ w["Wpool"] + w["bpool"])}


def buckets(back, two_sided: bool, count: int, greatest: int):
    """transformers, T5Attention._relative_position_bucket; back = key - query."""
    out = np.zeros_like(back)
    if two_sided:
        count //= 2
        out += (back > 0) * count
        back = np.abs(back)
    else:
        back = np.maximum(-back, 0)
    exact = count // 2
    far = exact + (np.log(np.maximum(back, 1) / exact) / math.log(greatest / exact) * (count - exact)).astype(int)
    return out + np.where(back < exact, back, np.minimum(far, count - 1))


def t5(w: Weights, tokens, source):
    eps, n_heads, act = w.meta("rms_norm_eps"), w.meta("n_heads"), ACTIVATIONS[w.meta("activation")]

    def stack(side: str, ids, layers: int, memory=None):
        split = lambda x, key: (x @ w[key]).reshape(len(x), n_heads, -1)  # noqa: E731
        x, places = w["tok_embeddings"][ids], np.arange(len(ids))
        bias = w[f"{side}.rel_bias"][buckets(places - places[:, None], side == "enc", w.meta("n_buckets"), w.meta("max_distance"))].transpose(2, 0, 1)
        for l in range(layers):
            h = rms_norm(x, w[f"{side}.attn_norm.{l}"], eps)
            x = x + attention(*(split(h, f"{side}.W{n}.{l}") for n in "qkv"), scale=1, causal=side == "dec", bias=bias) @ w[f"{side}.Wo.{l}"]
            if memory is not None:
                q = split(rms_norm(x, w[f"dec.cross_attn_norm.{l}"], eps), f"dec.cross_Wq.{l}")
                x = x + attention(q, split(memory, f"dec.cross_Wk.{l}"), split(memory, f"dec.cross_Wv.{l}"), scale=1, causal=False) @ w[f"dec.cross_Wo.{l}"]
            h = rms_norm(x, w[f"{side}.mlp_norm.{l}"], eps)
            gate = w[f"{side}.Wgate.{l}"]
            up = h @ w[f"{side}.Wup.{l}"]
            x = x + (act(up) if gate is None else act(h @ gate) * up) @ w[f"{side}.Wdown.{l}"]
        return rms_norm(x, w[f"{side}.final_norm"], eps)

    hidden = stack("enc", source, w.layers)
    return {"hidden": hidden, "logits": stack("dec", tokens, w.meta("n_dec_layers"), hidden) * w.meta("logit_scale") @ w["lm_head"]}


def run(package, logical, inputs: dict) -> dict:
    """Outputs by name."""
    w = Weights(package, logical)
    model = {"gpt2": gpt2, "bert": bert, "roberta": bert, "t5": t5}.get(package.metadata["general.architecture"], decoder)
    return model(w, **inputs)
