# SPDX-License-Identifier: Apache-2.0
"""rope: rotations in long double of the f32 angles that ops.h defines, and once more as transformers computes it."""

import numpy as np
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb
from values import FLOATS, Typed, random

L, F = np.longdouble, np.float32


def frequencies(r, theta=10000.0, scaling="none", factor=1.0, low=1.0, high=4.0, context=8192):
    f = (np.float64(theta) ** (-2.0 * np.arange(r // 2) / r)).astype(F)
    if scaling == "linear":
        return f / F(factor)
    if scaling == "llama3":
        wavelength = F(2 * F(np.pi)) / f
        smooth = (F(context) / wavelength - F(low)) / (F(high) - F(low))
        blend = (F(1) - smooth) * (f / F(factor)) + smooth * f
        f = np.where(wavelength < F(context) / F(high), f, np.where(wavelength > F(context) / F(low), f / F(factor), blend))
    return f


def quoted(v):
    return f'"{v}"' if isinstance(v, str) else v


def case(oracle, x: Typed, pos, head_dim, rotary=0, **options):
    r = rotary or head_dim
    angle = (np.array(pos, "i4").astype(F)[:, None] * frequencies(r, **options)).astype(L)[:, None, :]
    heads = x.values.reshape(x.shape[0], -1, head_dim).astype(L)
    a, b, c, s = heads[..., :r // 2], heads[..., r // 2:r], np.cos(angle), np.sin(angle)
    y = np.concatenate([a * c - b * s, b * c + a * s, heads[..., r:]], -1).reshape(x.shape)
    scale = np.concatenate([np.abs(a * c) + np.abs(b * s), np.abs(b * c) + np.abs(a * s), np.abs(heads[..., r:])], -1)
    text = f"head_dim={head_dim}" + (f", rotary_dim={rotary}" if rotary else "")
    names = {"low": "low_freq_factor", "high": "high_freq_factor", "context": "original_context"}
    text += "".join(f", {names.get(k, k)}={quoted(v)}" for k, v in options.items())
    # Cosine and sine: 1 ULP (2 eps); a product and the sum: 1 each; one for the second order.
    oracle.case(f"y0 = rope(x0, pos=x1, {text})", [x, np.array(pos, "i4")], [Typed(x.dtype, y.astype("f8"))], "sum:5",
                scale=[np.nan_to_num(scale.reshape(x.shape).astype("f8"))])


def as_transformers(oracle, pos, head_dim, heads, theta, scaling):
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
    options = "".join(f", {names.get(k, k)}={quoted(v)}" for k, v in (scaling or {}).items())
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
