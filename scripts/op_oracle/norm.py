# SPDX-License-Identifier: Apache-2.0
"""softmax rms_norm layer_norm, in long double; errors are bounded to first order (Higham 2002, chapter 3)."""

import numpy as np
from values import FLOATS, Typed, random, special

L = np.longdouble
SHAPES = [(1,), (5,), (3, 1), (2, 17), (2, 3, 35), (0, 4), (1, 64), (4, 576)]


def softmax(oracle, x, axis, **more):
    wide = x.values.astype(L)
    away = wide - np.max(wide, axis=axis, keepdims=True) if x.values.size else wide
    e = np.exp(away)
    y = e / np.sum(e, axis=axis, keepdims=True)
    # x − max loses eps · |x − max|, which is a relative error of its exponential; the sum loses n/16 + 4 roundings
    # and its terms' errors in proportion; exp and the division are below 2 ULP.
    lost = np.where(e > 0, np.abs(away), 0)
    scale = np.nan_to_num(y * (1 + lost + np.sum(y * lost, axis=axis, keepdims=True)))
    n = x.shape[axis]
    oracle.case(f"y0 = softmax(x0, axis={axis})", [x], [Typed(x.dtype, y.astype("f8"))], f"sum:{n // 16 + 8}",
                scale=[scale.astype("f8")], **more)


def rms_norm(oracle, x, w, eps=1e-5, **more):
    wide = x.values.astype(L)
    y = wide / np.sqrt(np.mean(wide * wide, axis=-1, keepdims=True) + L(eps)) * w.values.astype(L)
    # Σx² has n/16 + 6 roundings, of which the root halves the effect; mean, + eps, root, division, two products: 6.
    oracle.case(f"y0 = rms_norm(x0, x1, eps={eps})", [x, w], [Typed(x.dtype, y.astype("f8"))],
                f"sum:{x.shape[-1] // 32 + 9}", scale=[np.nan_to_num(np.abs(y)).astype("f8")], **more)


def layer_norm(oracle, x, w, b=None, eps=1e-5, **more):
    wide = x.values.astype(L)
    d = wide - np.mean(wide, axis=-1, keepdims=True)
    r = 1 / np.sqrt(np.mean(d * d, axis=-1, keepdims=True) + L(eps))
    wb, bb = w.values.astype(L), b.values.astype(L) if b else L(0)
    y = d * r * wb + bb
    # The mean is off by eps · mean|x| times its roundings; that moves d, and 1/σ by as much relative to σ.
    off = np.mean(np.abs(wide), axis=-1, keepdims=True)
    scale = np.abs(wb) * r * (np.abs(d) + off * (1 + np.abs(d) * r)) + np.abs(bb)
    oracle.case(f"y0 = layer_norm(x0, x1{', x2' if b else ''}, eps={eps})", [x, w, b] if b else [x, w], [Typed(x.dtype, y.astype("f8"))],
                f"sum:{x.shape[-1] // 16 + 12}", scale=[np.nan_to_num(scale).astype("f8")], **more)


def cases(oracle):
    for dtype in FLOATS:
        x = random(oracle.rng, dtype, (3, 37), 4)
        softmax(oracle, x, -1)
        for wtype in FLOATS:
            w, b = random(oracle.rng, wtype, 37), random(oracle.rng, wtype, 37)
            rms_norm(oracle, x, w)
            layer_norm(oracle, x, w, b)
    for shape in SHAPES:
        x = random(oracle.rng, "f32", shape)
        w, b = random(oracle.rng, "f32", shape[-1:]), random(oracle.rng, "f32", shape[-1:])
        softmax(oracle, x, -1)
        rms_norm(oracle, x, w)
        layer_norm(oracle, x, w, b)
    for shape, axis in (((3, 5), 0), ((2, 3, 4), 1), ((2, 3, 4), -3), ((0, 3), 0), ((3, 0), 1)):
        x = random(oracle.rng, "f32", shape)
        if 0 in shape:
            oracle.case(f"y0 = softmax(x0, axis={axis})", [x], [x])
        else:
            softmax(oracle, x, axis)
    special_rows(oracle)
    x, w, b = (random(oracle.rng, "f32", s) for s in ((3, 8), 8, 8))
    symbolic = dict(dims=["N"], shapes=[("N", 8), (8,), (8,)], out_shapes=[("N", 8)])
    layer_norm(oracle, x, w, b, 1e-6, **symbolic)
    softmax(oracle, x, 0, dims=["N"], shapes=[("N", 8)], out_shapes=[("N", 8)])
    for dtype in FLOATS:
        layer_norm(oracle, random(oracle.rng, dtype, (3, 37), 4), random(oracle.rng, dtype, 37))


def special_rows(oracle):
    inf, nan, tiny = np.inf, np.nan, 2.0**-149
    x = Typed("f32", [[1, nan, 3, 0], [inf, 1, 2, 0], [-inf, -inf, -inf, -inf], [-inf, 0, 1, -inf], [3e38, -3e38, 0, 1],
                      [tiny, 0, -tiny, tiny], [1000, 1001, 1002, 999], [-0.0, 0.0, -0.0, 0.0], [0, -87, -100, -104]])
    softmax(oracle, x, -1)
    softmax(oracle, Typed("f16", [[65504, -65504, 60000, 0], [11, 0, -5, -17]]), -1)
    w, b = Typed("f32", [1, -2, 0.5, 0]), Typed("f32", [0, 1, -1, 0.25])
    rows = Typed("f32", [[1, nan, 3, 0], [tiny, 0, -tiny, tiny], [1e18, -1e18, 1e17, 0], [0, 0, 0, 0], [-0.0, 0, 1e-20, 1],
                         [5, 5, 5, 5]])
    rms_norm(oracle, rows, w)
    # Not the denormals: their mean is rounded to a multiple of 2^-149, which is no relative error.
    layer_norm(oracle, Typed("f32", np.delete(rows.values, 1, 0)), w, b)
    rms_norm(oracle, rows, Typed("f32", [inf, nan, 1, 1]), 1e-12)
    rms_norm(oracle, Typed("f16", [[65504, 65504, -65504, 1]]), w)  # squares leave f16, not f32
