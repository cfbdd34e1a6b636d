# SPDX-License-Identifier: Apache-2.0
"""rope: rotations in long double of the f32 angles that ops.h defines, and once more as transformers computes it."""

import numpy as np
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb
from values import FLOATS, Typed, random

L, F = np.longdouble, np.float32


def frequencies(r, theta=10000.0, scaling="none", factor=1.0, low=1.0, high=4.0, context=8192, beta_fast=32.0, beta_slow=1.0, truncate=True, **_):
    f = (np.float64(theta) ** (-2.0 * np.arange(r // 2) / r)).astype(F)
    if scaling == "yarn":
        ends = [r * np.log(context / (b * 2 * np.pi)) / (2 * np.log(theta)) for b in (beta_fast, beta_slow)]
        first, last = (np.floor(ends[0]), np.ceil(ends[1])) if truncate else ends
        first, last = max(first, 0), min(last, r - 1)
        ramp = np.clip((np.arange(r // 2) - first) / (last + (0.001 if first == last else 0) - first), 0, 1).astype(F)
        return f / F(factor) * ramp + f * (F(1) - ramp)
    if scaling == "linear":
        return f / F(factor)
    if scaling == "llama3":
        wavelength = F(2 * F(np.pi)) / f
        smooth = (F(context) / wavelength - F(low)) / (F(high) - F(low))
        blend = (F(1) - smooth) * (f / F(factor)) + smooth * f
        f = np.where(wavelength < F(context) / F(high), f, np.where(wavelength > F(context) / F(low), f / F(factor), blend))
    return f


def quoted(v):
    return f'"{v}"' if isinstance(v, str) else str(v).lower() if isinstance(v, bool) else v


def case(oracle, x: Typed, pos, head_dim, rotary=0, given=None, context=None, **options):
    """given: frequencies (r/2) as an input, or (2, r/2), of which context > original_context chooses."""
    r = rotary or head_dim
    if context is not None and given is None:
        options["context"] = context
    f = frequencies(r, **options) if given is None else given if given.ndim == 1 else given[int(context > options["original_context"])]
    angle = (np.array(pos, "i4").astype(F)[:, None] * f).astype(L)[:, None, :]
    heads = x.values.reshape(x.shape[0], -1, head_dim).astype(L)
    scaled = L(options.get("attention_factor", 1.0))
    a, b, c, s = heads[..., :r // 2], heads[..., r // 2:r], np.cos(angle) * scaled, np.sin(angle) * scaled
    y = np.concatenate([a * c - b * s, b * c + a * s, heads[..., r:]], -1).reshape(x.shape)
    scale = np.concatenate([np.abs(a * c) + np.abs(b * s), np.abs(b * c) + np.abs(a * s), np.abs(heads[..., r:])], -1)
    text = f"head_dim={head_dim}" + (f", rotary_dim={rotary}" if rotary else "")
    names = {"low": "low_freq_factor", "high": "high_freq_factor", "context": "original_context"}
    text += "".join(f", {names.get(k, k)}={quoted(v)}" for k, v in options.items())
    inputs = [x, np.array(pos, "i4")]
    if given is not None:
        inputs.append(given)
        text = "frequencies=x2, " + text + (f", context={context}" if given.ndim == 2 else "")
    # Cosine and sine: 1 ULP (2 eps); a product and the sum: 1 each; one for the second order, one for a factor.
    oracle.case(f"y0 = rope(x0, pos=x1, {text})", inputs, [Typed(x.dtype, y.astype("f8"))],
                "sum:6" if "attention_factor" in options else "sum:5", scale=[np.nan_to_num(scale.reshape(x.shape).astype("f8"))])


def as_transformers(oracle, pos, head_dim, heads, theta, scaling, more=""):
    """Frequencies are f32 powers there: 4 roundings more in f, which move an angle by as much times itself."""
    config = LlamaConfig(hidden_size=head_dim * heads, num_attention_heads=heads, max_position_embeddings=131072,
                         rope_theta=theta, rope_scaling=scaling and dict(scaling))
    x = oracle.rng.standard_normal((len(pos), heads, head_dim)).astype("f4")
    q = torch.tensor(x).transpose(0, 1)[None]  # (1, H, N, D)
    cos, sin = LlamaRotaryEmbedding(config)(q, torch.tensor([pos]))
    y = apply_rotary_pos_emb(q, q, cos, sin)[0][0].transpose(0, 1).numpy().reshape(len(pos), -1)
    angle = np.array(pos, "f8")[:, None] * np.concatenate([frequencies(head_dim, theta)] * 2)
    half = head_dim // 2
    size = np.abs(x) + np.abs(np.concatenate([x[..., half:], x[..., :half]], -1))
    scale = (size * (1 + angle[:, None, :])).reshape(len(pos), -1)
    names = {"rope_type": "scaling", "original_max_position_embeddings": "original_context"}
    options = "".join(f", {names.get(k, k)}={quoted(v)}" for k, v in (scaling or {}).items()) + more
    oracle.case(f"y0 = rope(x0, pos=x1, head_dim={head_dim}, theta={theta}{options})",
                [x.reshape(len(pos), -1), np.array(pos, "i4")], [y], "sum:10", scale=[scale])


def cases(oracle):
    rng = oracle.rng
    for dtype in FLOATS:
        case(oracle, random(rng, dtype, (4, 24)), [0, 1, 17, 4000], 8)
        case(oracle, random(rng, dtype, (3, 2, 6)), [5, 0, 99], 6, 4)
    case(oracle, random(rng, "f32", (2, 64)), [8191, 131071], 64, theta=100000.0)
    case(oracle, random(rng, "f32", (1, 2)), [3], 2)
    case(oracle, random(rng, "f32", (1, 3)), [3], 3, 2)
    case(oracle, random(rng, "f32", (3, 16)), [-5, -1, 1], 16)
    case(oracle, random(rng, "f32", (3, 16)), [0, 100, 5000], 16, scaling="linear", factor=4.0)
    case(oracle, random(rng, "f64", (3, 64)), [0, 100, 90000], 64, theta=500000.0, scaling="llama3", factor=8.0, low=1.0,
         high=4.0, context=8192)
    oracle.case("y0 = rope(x0, pos=x1, head_dim=4)", [np.zeros((0, 8), "f4"), np.zeros(0, "i4")], [np.zeros((0, 8), "f4")])
    inf, nan = np.inf, np.nan
    case(oracle, Typed("f32", [[nan, 1, 2, 3], [1e-45, -0.0, 0.0, 1e-45], [3e38, 1, -3e38, 0]]), [1, 0, 2], 4)
    case(oracle, Typed("f32", [[inf, 1, 2, 3]]), [1], 4)
    as_transformers(oracle, [0, 3, 500, 8000], 64, 2, 10000.0, None)
    as_transformers(oracle, [1, 700, 30000], 32, 1, 10000.0, {"rope_type": "linear", "factor": 4.0})
    llama3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 8192}
    as_transformers(oracle, [0, 5, 1000, 100000], 64, 2, 500000.0, llama3)
    as_transformers(oracle, [0, 5, 1000, 100000], 64, 2, 10000.0,
                    {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096},
                    f", attention_factor={float(0.1 * np.log(32.0) + 1)!r}")
    for truncate in (True, False):
        case(oracle, random(rng, "f32", (3, 32)), [0, 100, 5000], 32, scaling="yarn", factor=4.0, context=1024, theta=500.0,
             beta_fast=8.0, beta_slow=0.5, truncate=truncate, attention_factor=1.25)
    case(oracle, random(rng, "f32", (3, 16)), [0, 100, 5000], 8, given=rng.random(4).astype("f4"))
    two = rng.random((2, 2)).astype("f4")
    for context in (16, 17):
        case(oracle, random(rng, "f32", (3, 12)), [0, 3, 15], 6, 4, given=two, context=context, original_context=16, attention_factor=0.75)
