# SPDX-License-Identifier: Apache-2.0
"""sdpa, one row at a time in long double; checked here against torch's own in float64 where that has the form."""

import numpy as np
import torch
from values import FLOATS, Typed, random

L = np.longdouble


def row(q, k, v, allowed, added, scale, softcap, sink=-np.inf):
    """One query over keys (n, D): the result and what its error is proportional to."""
    s = scale * (k @ q)
    size = scale * (np.abs(k) @ np.abs(q))
    if softcap:
        s = softcap * np.tanh(s / softcap)
    s = s + added
    allowed = allowed & (s != -np.inf)
    if not allowed.any():
        return np.zeros(v.shape[1], L), np.zeros(v.shape[1], L)
    s, v, size = s[allowed], v[allowed], size[allowed]
    top = max(s.max(), sink)  # a sink is one key more, of the value 0
    lost = size + 4 * np.abs(s) + np.abs(s - top)  # in eps: of the scores, softcap's and the mask's roundings
    p = np.exp(s - top)
    p = p / (p.sum() + np.exp(sink - top))
    y = p @ v
    return y, (p * (1 + lost)) @ np.abs(v) + np.abs(y) * (1 + p @ lost)


def broadcast(mask, shape):
    """(allowed, added) of a mask, broadcast to the scores."""
    if mask is None:
        return np.ones(shape, bool), np.zeros(shape, L)
    m = np.broadcast_to(mask.values, shape)
    if mask.dtype in ("bool", "u8"):
        return m != 0, np.zeros(shape, L)
    return np.ones(shape, bool), m.astype(L)


def rule(D, n):
    # A score: D/16 + 6 roundings, all in proportion to Σ|q·k|; a sum over n keys: n/16 + 6; exp, product, division: 5.
    return f"sum:{D // 16 + n // 16 + 20}"


def text(options):
    return "".join(f", {k}={str(v).lower()}" for k, v in options.items())


def sloped(slopes, distance, shape):
    """What is added to scores of heads × distances."""
    if slopes is None:
        return np.zeros(shape, L)
    heads = slopes.values.astype(L)
    return np.broadcast_to(heads[:, None, None] * distance if distance.ndim == 2 else heads[:, None] * distance, shape)


def sink_of(sinks, head):
    return L(-np.inf) if sinks is None else sinks.values.astype(L)[head]


def with_operands(inputs, **named):
    """Keyword operands that are there, as inputs and as text."""
    words = ""
    for name, value in named.items():
        if value is not None:
            words += f", {name}=x{len(inputs)}"
            inputs.append(value if isinstance(value, Typed) else np.array(value, "i4"))
    return inputs, words


def dense(oracle, q, k, v, mask=None, causal=False, window=0, softcap=0.0, scale=0.0, sinks=None, slopes=None, **more):
    B, H, T, D = q.shape
    Hk, n = k.shape[1], k.shape[2]
    Q, K, V = (t.values.astype(L) for t in (q, k, v))
    allowed, added = broadcast(mask, (B, H, T, n))
    i, j = np.arange(T)[:, None] + n - T, np.arange(n)[None, :]
    allowed = allowed & ((j <= i) | (not (causal or window))) & ((j > i - window) | (not window))
    added = added + sloped(slopes, j - i, (B, H, T, n))
    y, size = np.zeros(q.shape, L), np.zeros(q.shape, L)
    for b in range(B):
        for h in range(H):
            for t in range(T):
                g = h * Hk // H
                y[b, h, t], size[b, h, t] = row(Q[b, h, t], K[b, g], V[b, g], allowed[b, h, t], added[b, h, t],
                                                L(scale) if scale else 1 / np.sqrt(L(D)), L(softcap), sink_of(sinks, h))
    options = {k: v for k, v in dict(causal=causal, window=window, softcap=softcap, scale=scale).items() if v}
    if sinks is None and slopes is None and not window and not softcap and y.size and (mask is None or mask.dtype == "bool") and not (causal and T != n) \
            and np.isfinite(V).all():  # torch multiplies masked values by zero, we leave them out
        as_torch(q, k, v, mask, causal, scale, y)
    inputs, words = with_operands([q, k, v], mask=mask, sinks=sinks, slopes=slopes)
    oracle.case(f"y0 = sdpa(x0, x1, x2{words}{text(options)})", inputs,
                [Typed(q.dtype, y.astype("f8"))], rule(D, n), scale=[np.nan_to_num(size.astype("f8"))], **more)


def as_torch(q, k, v, mask, causal, scale, y):
    Q, K, V = (torch.tensor(t.values.astype("f8")) for t in (q, k, v))
    K, V = (t.repeat_interleave(Q.shape[1] // t.shape[1], 1) for t in (K, V))
    m = None
    if mask is not None:
        m = torch.tensor(np.broadcast_to(mask.values, (*q.shape[:3], k.shape[2])).copy())
        if causal:
            m = m & torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril()
    out = torch.nn.functional.scaled_dot_product_attention(Q, K, V, attn_mask=m, is_causal=causal and m is None,
                                                           scale=scale or None).numpy()
    out[np.isnan(out) & (y == 0)] = 0  # a row that may attend to nothing is NaN there, zero here
    assert np.allclose(out, y.astype("f8"), rtol=1e-10, atol=1e-12, equal_nan=True), "not what torch computes"


def rows(oracle, q, k, v, pos=None, slot=None, mask=None, window=0, softcap=0.0, sinks=None, slopes=None, **more):
    S, Hk, C, D = k.shape
    N, H = q.shape[0], q.shape[1] // D
    Q, K, V = (t.values.astype(L) for t in (q, k, v))
    allowed, added = broadcast(mask, (N, H, 1, C))
    y, size = np.zeros((N, H, D), L), np.zeros((N, H, D), L)
    for n in range(N):
        own = C - 1 if pos is None else pos[n]
        s = slot[n] if slot is not None else n if pos is None else 0
        keys = (np.arange(C) <= own) & ((np.arange(C) > own - window) | (not window))
        back = sloped(slopes, np.arange(C) - own, (H, C))
        for h in range(H):
            seen = np.flatnonzero(keys)
            g = h * Hk // H
            y[n, h], size[n, h] = row(Q[n].reshape(H, D)[h], K[s, g, seen], V[s, g, seen], allowed[n, h, 0, seen],
                                      added[n, h, 0, seen] + back[h, seen], 1 / np.sqrt(L(D)), L(softcap), sink_of(sinks, h))
    inputs, words = with_operands([q, k, v], mask=mask, pos=pos, slot=slot, sinks=sinks, slopes=slopes)
    options = {k: v for k, v in dict(window=window, softcap=softcap).items() if v}
    oracle.case(f"y0 = sdpa(x0, x1, x2{words}{text(options)})", inputs, [Typed(q.dtype, y.reshape(N, H * D).astype("f8"))],
                rule(D, C), scale=[np.nan_to_num(size.reshape(N, H * D).astype("f8"))], **more)


def cases(oracle):
    rng = oracle.rng
    for dtype in FLOATS:
        q, k, v = (random(rng, dtype, (2, 4, 5, 8)), random(rng, dtype, (2, 2, 7, 8)), random(rng, dtype, (2, 2, 7, 8)))
        dense(oracle, q, k, v)
        dense(oracle, q, k, v, causal=True, window=3, softcap=2.5, scale=0.25)
        q = random(rng, dtype, (3, 24))
        for cache in FLOATS:
            k, v = random(rng, cache, (2, 1, 9, 8)), random(rng, cache, (2, 1, 9, 8))
            rows(oracle, q, k, v, [8, 0, 6], [1, 0, 1])
    q, k, v = (random(rng, "f32", (2, 6, 5, 4)), random(rng, "f32", (2, 3, 5, 4)), random(rng, "f32", (2, 3, 5, 4)))
    dense(oracle, q, k, v, causal=True)
    masks = [Typed("bool", rng.random((5, 5)) < 0.6), Typed("u8", rng.integers(0, 3, (2, 1, 5, 5)) * 100),
             Typed("bool", rng.random((1, 6, 1, 5)) < 0.7), random(rng, "f32", (2, 6, 5, 5)), random(rng, "f16", (5,)),
             random(rng, "bf16", (6, 5, 1)), random(rng, "f64", (2, 1, 1, 1)), Typed("bool", np.zeros((5, 5), bool)),
             Typed("f32", np.where(rng.random((5, 5)) < 0.5, -np.inf, 0.5))]
    for mask in masks:
        dense(oracle, q, k, v, mask)
        dense(oracle, q, k, v, mask, causal=True)
    for shape, n in (((1, 1, 1, 1), 1), ((1, 1, 3, 16), 130), ((1, 2, 3, 32), 65), ((1, 1, 4, 3), 2)):
        B, H, T, D = shape
        k, v = random(rng, "f32", (B, 1, n, D)), random(rng, "f32", (B, 1, n, D))
        dense(oracle, random(rng, "f32", shape), k, v)
        dense(oracle, random(rng, "f32", shape), k, v, causal=True)
        dense(oracle, random(rng, "f32", shape), k, v, window=2)
    q, k = random(rng, "f32", (1, 2, 3, 4)), Typed("f32", np.zeros((1, 2, 0, 4)))
    oracle.case("y0 = sdpa(x0, x1, x2)", [q, k, k], [np.zeros((1, 2, 3, 4), "f4")])
    oracle.case("y0 = sdpa(x0, x1, x2)", [Typed("f32", np.zeros((0, 2, 3, 4))), Typed("f32", np.zeros((0, 1, 5, 4))),
                                         Typed("f32", np.zeros((0, 1, 5, 4)))], [np.zeros((0, 2, 3, 4), "f4")])
    cache_rows(oracle)
    special(oracle)
    sinks_and_slopes(oracle)


def cache_rows(oracle):
    rng = oracle.rng
    k, v = random(rng, "f32", (2, 1, 70, 16)), random(rng, "f32", (2, 1, 70, 16))
    rows(oracle, random(rng, "f32", (3, 32)), k, v, [69, 64, 1])
    rows(oracle, random(rng, "f32", (3, 32)), k, v, [69, 15, 16], [0, 1, 1], window=17)
    k, v = random(rng, "f32", (3, 2, 19, 4)), random(rng, "f32", (3, 2, 19, 4))
    q = random(rng, "f32", (3, 16))
    rows(oracle, q, k, v)
    rows(oracle, q, k, v, window=5, softcap=1.5)
    rows(oracle, q, k, v, [17, 2, 18], [0, 0, 2], Typed("bool", rng.random((3, 1, 1, 19)) < 0.5))
    rows(oracle, q, k, v, [17, 2, 18], [0, 0, 2], random(rng, "f32", (4, 1, 19)), softcap=3.0)
    rows(oracle, Typed("f32", np.zeros((0, 16))), k, v, np.zeros(0, "i4"), np.zeros(0, "i4"))
    unwritten = np.array(k.values)
    unwritten[:, :, 9:] = np.nan  # what lies beyond a row's position is not looked at
    rows(oracle, q, Typed("f32", unwritten), v, [8, 3, 0])
    rows(oracle, q, k, v, [5, 6, 7], [0, 1, 2], dims=["N"], shapes=[("N", 16), k.shape, v.shape, ("N",), ("N",)],
         out_shapes=[("N", 16)])


def sinks_and_slopes(oracle):
    rng = oracle.rng
    for dtype in FLOATS:
        q, k, v = (random(rng, "f32", (2, 4, 5, 8)), random(rng, "f32", (2, 2, 7, 8)), random(rng, "f32", (2, 2, 7, 8)))
        dense(oracle, q, k, v, causal=True, sinks=random(rng, dtype, 4))
        dense(oracle, q, k, v, slopes=random(rng, dtype, 4, 0.5))
    k, v, q = random(rng, "f32", (3, 2, 19, 4)), random(rng, "f32", (3, 2, 19, 4)), random(rng, "f32", (3, 16))
    sinks, slopes = Typed("f32", [30.0, -30.0, 0.0, -np.inf]), Typed("f32", [0.25, 0.0, -0.5, 2.0])
    rows(oracle, q, k, v, sinks=sinks, slopes=slopes)
    rows(oracle, q, k, v, [17, 2, 18], [0, 0, 2], window=5, softcap=1.5, sinks=sinks, slopes=slopes)
    rows(oracle, q, k, v, [17, 2, 18], [0, 0, 2], Typed("bool", np.zeros((3, 1, 1, 19), bool)), sinks=sinks)  # nothing but the sink
    rows(oracle, q, k, v, [17, 2, 18], [0, 0, 2], random(rng, "f32", (4, 1, 19)), slopes=slopes)


def special(oracle):
    inf, nan = np.inf, np.nan
    q, v = Typed("f32", [[[[1, 0], [0, 1], [2, 1]]]]), Typed("f32", [[[[1, 2], [3, 4], [-0.0, 8]]]])
    for k in ([[1, nan], [0, 1], [1, 1]], [[30, 0], [-30, 0], [0, 60]], [[1e-40, 0], [0, 1e-40], [0, 0]]):
        dense(oracle, q, Typed("f32", [[k]]), v)
    k = Typed("f32", [[[[1, 0], [0, 1], [1, 1]]]])
    dense(oracle, q, k, Typed("f32", [[[[1, nan], [3, 4], [5, 6]]]]), Typed("bool", [False, True, True]))  # masked NaN
    dense(oracle, q, k, Typed("f32", [[[[inf, 1], [3, 4], [5, 6]]]]))
