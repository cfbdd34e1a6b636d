# SPDX-License-Identifier: Apache-2.0
"""prod reduce_min any all logsumexp, argmin and argmax with and without select_first, log_softmax l2_norm group_norm, in
long double; products factor by factor."""

import functools
import math

import numpy as np
from reduction import EMPTY, OVER, attributes, count
from values import FLOATS, INTEGERS, NUMBERS, Typed, random, special

L = np.longdouble


def prod(oracle, x, axes, keepdims=False, **more):
    # One factor after the other, row-major, each product rounded to what the dtype is computed in: exact.
    compute = {"f64": "f8", "f32": "f4", "f16": "f4", "bf16": "f4"}.get(x.dtype, x.values.dtype)
    axes_ = tuple(range(len(x.shape))) if axes is None else tuple(sorted(a % len(x.shape) for a in axes))
    kept = [d for d in range(len(x.shape)) if d not in axes_]
    rows = np.transpose(x.values, kept + list(axes_)).reshape([x.shape[d] for d in kept] + [count(x.shape, axes)])
    one = np.ones(rows.shape[:-1], compute)
    want = functools.reduce(lambda y, k: (y * rows[..., k].astype(compute)).astype(compute), range(rows.shape[-1]), one)
    shape = [1 if d in axes_ else n for d, n in enumerate(x.shape)] if keepdims else want.shape
    oracle.case(f"y0 = prod(x0{attributes(axes, keepdims)})", [x], [Typed(x.dtype, want.reshape(shape))], **more)


def smallest(oracle, x, axes, keepdims=False, **more):
    want = np.min(x.values, axis=axes, keepdims=keepdims)
    oracle.case(f"y0 = reduce_min(x0{attributes(axes, keepdims)})", [x], [Typed(x.dtype, want)], **more)


def truth(oracle, x, axes, keepdims=False, **more):
    for name, f in (("any", np.any), ("all", np.all)):
        want = f(x.values, axis=axes, keepdims=keepdims)
        oracle.case(f"y0 = {name}(x0{attributes(axes, keepdims)})", [x], [Typed("bool", want)], **more)


def place(oracle, name, x, axis, keepdims=False, first=True, **more):
    f = np.argmin if name == "argmin" else np.argmax
    if first:
        want = f(x.values, axis=axis)
    else:
        want = x.shape[axis] - 1 - f(np.flip(x.values, axis), axis=axis)
    want = np.expand_dims(want, axis) if keepdims else want
    text = f"axis={axis}" + (", keepdims=true" if keepdims else "") + ("" if first else ", select_first=false")
    oracle.case(f"y0 = {name}(x0, {text})", [x], [Typed("i32", want)], **more)


def log_of_sum(wide, axes, keepdims):
    top = np.max(wide, axis=axes, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    y = np.log(np.sum(np.exp(wide - top), axis=axes, keepdims=True)) + top
    return y if keepdims else y.reshape(np.sum(wide, axis=axes).shape)


def logsumexp(oracle, x, axes, keepdims=False, **more):
    y = log_of_sum(x.values.astype(L), axes, keepdims)
    # Σ e^(x-m) loses n/16 + 5 roundings, exp 1 ULP and its argument eps · |x-m|, weighted by e^(x-m) below 1/e: all
    # relative to the sum, so absolute in its logarithm, which is below ln n and loses 2 more; then the sum with m.
    scale = 1 + np.abs(np.nan_to_num(y, posinf=0, neginf=0)) + np.log(max(count(x.shape, axes), 1))
    oracle.case(f"y0 = logsumexp(x0{attributes(axes, keepdims)})", [x], [Typed(x.dtype, y.astype("f8"))],
                f"sum:{count(x.shape, axes) // 16 + 12}", scale=[scale.astype("f8")], **more)


def log_softmax(oracle, x, axis, **more):
    wide = x.values.astype(L)
    below = wide - np.max(wide, axis=axis, keepdims=True) if x.values.size else wide
    y = below - np.log(np.sum(np.exp(below), axis=axis, keepdims=True))
    scale = 1 + np.abs(np.nan_to_num(y, posinf=0, neginf=0)) + np.log(max(x.shape[axis], 1))
    oracle.case(f"y0 = log_softmax(x0, axis={axis})", [x], [Typed(x.dtype, y.astype("f8"))], f"sum:{x.shape[axis] // 16 + 12}",
                scale=[scale.astype("f8")], **more)


def l2_norm(oracle, x, axis, eps=1e-12, **more):
    wide = x.values.astype(L)
    y = wide / np.maximum(np.sqrt(np.sum(wide * wide, axis=axis, keepdims=True)), L(eps))
    # Σx² has n/16 + 6 roundings, of which the root halves the effect; root, eps and division: 3.
    oracle.case(f"y0 = l2_norm(x0, axis={axis}, eps={eps})", [x], [Typed(x.dtype, y.astype("f8"))],
                f"sum:{x.shape[axis] // 32 + 7}", scale=[np.nan_to_num(np.abs(y)).astype("f8")], **more)


def group_norm(oracle, x, groups, w, b, eps=1e-5, **more):
    wide = x.values.astype(L).reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups)
    d = wide - np.mean(wide, axis=-1, keepdims=True)
    r = 1 / np.sqrt(np.mean(d * d, axis=-1, keepdims=True) + L(eps))
    each = (1, x.shape[1]) + (1,) * (len(x.shape) - 2)
    wb, bb = w.values.astype(L).reshape(each), b.values.astype(L).reshape(each)
    y = (d * r).reshape(x.shape) * wb + bb
    # As layer_norm's (norm.py).
    off = np.mean(np.abs(wide), axis=-1, keepdims=True)
    scale = np.abs(wb) * (r * (np.abs(d) + off * (1 + np.abs(d) * r))).reshape(x.shape) + np.abs(bb)
    oracle.case(f"y0 = group_norm(x0, x1, x2, groups={groups}, eps={eps})", [x, w, b], [Typed(x.dtype, y.astype("f8"))],
                f"sum:{wide.shape[-1] // 16 + 12}", scale=[np.nan_to_num(scale).astype("f8")], **more)


def cases(oracle):
    for dtype in NUMBERS:
        x = random(oracle.rng, dtype, (3, 35))
        prod(oracle, random(oracle.rng, dtype, (3, 9)), (1,))
        smallest(oracle, x, (1,))
        smallest(oracle, special(dtype), None)
        for name in ("argmin", "argmax"):
            equal = Typed(dtype, x.values if dtype in FLOATS else x.values % 3)
            for first in (True, False):
                place(oracle, name, equal, -1, first=first)
                place(oracle, name, special(dtype), 0, first=first)
    for dtype in FLOATS:
        logsumexp(oracle, random(oracle.rng, dtype, (3, 35), 5), (1,))
        log_softmax(oracle, random(oracle.rng, dtype, (3, 35), 5), -1)
        l2_norm(oracle, random(oracle.rng, dtype, (3, 35)), -1)
        for wtype in FLOATS:
            w, b = random(oracle.rng, wtype, 6), random(oracle.rng, wtype, 6)
            group_norm(oracle, random(oracle.rng, dtype, (2, 6, 5)), 3, w, b)
    for shape, axes in OVER:
        x, t = random(oracle.rng, "f32", shape), random(oracle.rng, "bool", shape)
        for keepdims in (False, True):
            prod(oracle, Typed("f32", 1 + x.f64 / 8), axes, keepdims)
            smallest(oracle, x, axes, keepdims)
            logsumexp(oracle, x, axes, keepdims)
            truth(oracle, t, axes, keepdims)
            if axes is not None and len(axes) == 1:
                place(oracle, "argmin", x, axes[0], keepdims)
                place(oracle, "argmin", x, axes[0], keepdims, first=False)
    for shape, axes in EMPTY:
        prod(oracle, random(oracle.rng, "f32", shape), axes)
        truth(oracle, random(oracle.rng, "bool", shape), axes)
        if 0 in np.sum(np.zeros(shape), axis=axes).shape:  # nothing in, nothing out
            smallest(oracle, random(oracle.rng, "f32", shape), axes)
    for dtype in ("i8", "u16", "i32"):
        prod(oracle, random(oracle.rng, dtype, (2, 3, 4)), (0, 2))
    norms(oracle)
    special_rows(oracle)
    x = random(oracle.rng, "f32", (3, 5))
    symbolic = dict(dims=["N"], shapes=[("N", 5)])
    prod(oracle, x, (0,), **symbolic, out_shapes=[(5,)])
    smallest(oracle, x, (1,), **symbolic, out_shapes=[("N",)])
    logsumexp(oracle, x, (1,), True, **symbolic, out_shapes=[("N", 1)])
    place(oracle, "argmin", x, 0, **symbolic, out_shapes=[(5,)])


def norms(oracle):
    for shape, axis in (((5,), 0), ((3, 5), 0), ((2, 3, 4), 1), ((2, 37), -1), ((0, 3), 1), ((3, 1), -1)):
        x = random(oracle.rng, "f32", shape)
        log_softmax(oracle, x, axis)
        l2_norm(oracle, x, axis)
    l2_norm(oracle, Typed("f32", [[0, 0], [1e-3, 0]]), -1, 0.5)
    for shape, groups in (((2, 6), 2), ((1, 4, 3), 4), ((2, 8, 3, 5), 1), ((3, 2, 40), 2), ((0, 4, 2), 2)):
        w, b = random(oracle.rng, "f32", shape[1]), random(oracle.rng, "f32", shape[1])
        group_norm(oracle, random(oracle.rng, "f32", shape), groups, w, b)
    x, w, b = random(oracle.rng, "f32", (2, 6, 3)), random(oracle.rng, "f32", 6), random(oracle.rng, "f32", 6)
    group_norm(oracle, x, 2, w, b, dims=["N"], shapes=[("N", 6, 3), (6,), (6,)], out_shapes=[("N", 6, 3)])


def special_rows(oracle):
    """NaN in, NaN out; infinities; ties."""
    inf, nan = np.inf, np.nan
    x = Typed("f32", [[1, nan, 3], [inf, 1, 2], [inf, -inf, 0], [-inf, -inf, -inf], [1, 1, 1], [88, 89, 1000]])
    logsumexp(oracle, x, (1,))
    log_softmax(oracle, x, 1)
    smallest(oracle, x, (1,))
    for name in ("argmin", "argmax"):
        for first in (True, False):
            place(oracle, name, Typed("f32", [[1, 2, 2], [nan, 5, nan], [1, nan, nan], [-inf, -inf, -inf], [0, -0.0, 0]]), 1,
                  first=first)
    large = Typed("f16", np.full((1, 32), 200.0))
    logsumexp(oracle, large, (1,))
    l2_norm(oracle, large, -1)  # f32 holds the squares' sum, f16 does not
