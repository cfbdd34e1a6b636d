# SPDX-License-Identifier: Apache-2.0
"""sum mean reduce_max argmax, in float64 (f64: long double)."""

import math
import warnings

import numpy as np
from values import FLOATS, INTEGERS, NUMBERS, Typed, random, special

L = np.longdouble
OVER = [((7,), None), ((3, 5), (0,)), ((3, 5), (1,)), ((3, 5), (-1,)), ((3, 5), None), ((2, 3, 4), (0, 2)),
        ((2, 3, 4), (1,)), ((2, 3, 4), (2, 0)), ((1, 1), (0,)), ((), None), ((100,), (0,)), ((2, 37), (1,))]
EMPTY = [((0,), None), ((0, 3), (0,)), ((3, 0), (1,)), ((3, 0), (0,)), ((0, 3), (1,))]


def attributes(axes, keepdims):
    parts = [f"axes=[{', '.join(map(str, axes))}]"] if axes is not None else []
    return "".join(", " + p for p in parts + (["keepdims=true"] if keepdims else []))


def count(shape, axes):
    return math.prod(shape if axes is None else [shape[a] for a in axes])


def summing(oracle, name, x, axes, keepdims=False, **more):
    wide = x.values.astype(L)
    f = np.sum if name == "sum" else np.mean
    if x.dtype in INTEGERS:
        want = Typed(x.dtype, np.sum(x.values, axis=axes, keepdims=keepdims, dtype=x.values.dtype))
        return oracle.case(f"y0 = sum(x0{attributes(axes, keepdims)})", [x], [want], **more)
    # A partial sum adds n/16 numbers, the tree four times more, the mean divides once: each rounding is at most
    # eps of a partial result, and that at most Σ|x|.
    rule = f"sum:{count(x.shape, axes) // 16 + 6}"
    want = Typed(x.dtype, f(wide, axis=axes, keepdims=keepdims).astype("f8"))
    scale = f(np.abs(wide), axis=axes, keepdims=keepdims).astype("f8")
    oracle.case(f"y0 = {name}(x0{attributes(axes, keepdims)})", [x], [want], rule, scale=[scale], **more)


def largest(oracle, x, axes, keepdims=False, **more):
    want = np.max(x.values, axis=axes, keepdims=keepdims)
    oracle.case(f"y0 = reduce_max(x0{attributes(axes, keepdims)})", [x], [Typed(x.dtype, want)], **more)


def argmax(oracle, x, axis, keepdims=False, **more):
    want = np.argmax(x.values, axis=axis, keepdims=keepdims)
    keep = ", keepdims=true" if keepdims else ""
    oracle.case(f"y0 = argmax(x0, axis={axis}{keep})", [x], [Typed("i32", want)], **more)


def cases(oracle):
    warnings.filterwarnings("ignore", "Mean of empty slice")  # NaN is what is wanted
    for dtype in NUMBERS:
        x = random(oracle.rng, dtype, (3, 35))
        summing(oracle, "sum", x, (1,))
        if dtype in FLOATS:
            summing(oracle, "mean", x, (1,))
        largest(oracle, x, (1,))
        argmax(oracle, x, -1)
        largest(oracle, special(dtype), None)
        argmax(oracle, special(dtype), 0)
    for i, (shape, axes) in enumerate(OVER):
        x = random(oracle.rng, "f32", shape)
        for keepdims in (False, True):
            summing(oracle, "sum", x, axes, keepdims)
            summing(oracle, "mean", x, axes, keepdims)
            largest(oracle, x, axes, keepdims)
            if axes is not None and len(axes) == 1:
                argmax(oracle, x, axes[0], keepdims)
    for shape, axes in EMPTY:
        x = random(oracle.rng, "f32", shape)
        summing(oracle, "sum", x, axes)
        summing(oracle, "mean", x, axes)
        if 0 in np.sum(x.values, axis=axes).shape:  # nothing in, nothing out; otherwise an error
            largest(oracle, x, axes)
            argmax(oracle, x, axes[0])
    special_rows(oracle)
    x = random(oracle.rng, "f32", (3, 5))
    symbolic = dict(dims=["N"], shapes=[("N", 5)])
    summing(oracle, "sum", x, (0,), **symbolic, out_shapes=[(5,)])
    summing(oracle, "mean", x, (1,), True, **symbolic, out_shapes=[("N", 1)])
    largest(oracle, x, (1,), **symbolic, out_shapes=[("N",)])
    argmax(oracle, x, 0, **symbolic, out_shapes=[(5,)])


def special_rows(oracle):
    """NaN in, NaN out; opposite infinities; ties; denormals, which are not flushed."""
    inf, nan, tiny = np.inf, np.nan, 2.0**-149
    x = Typed("f32", [[1, nan, 3], [inf, 1, 2], [inf, -inf, 0], [-inf, -inf, -inf], [tiny, tiny, tiny], [-0.0, -0.0, -0.0]])
    summing(oracle, "mean", Typed("f32", x.values[:4]), (1,))
    summing(oracle, "sum", Typed("f32", x.values[:5]), (1,))
    largest(oracle, x, (1,))
    argmax(oracle, Typed("f32", [[1, 2, 2], [nan, 5, nan], [1, nan, nan], [-inf, -inf, -inf], [0, -0.0, 0]]), 1)
    large = Typed("f32", np.full((1, 32), 3e38))
    summing(oracle, "sum", Typed("f16", np.full((1, 32), 3e4)), (1,))  # f32 holds the sum, f16 does not
    oracle.case("y0 = sum(x0, axes=[1])", [large], [Typed("f32", [np.inf])])
