# SPDX-License-Identifier: Apache-2.0
"""top_k sort cumsum, and what moves by place: flip scatter."""

import numpy as np
from values import FLOATS, INTEGERS, NUMBERS, PLAIN, Typed, random, special

L = np.longdouble


def places(x: Typed, axis, descending):
    """NumPy's stable sort puts NaN last; descending is the order of the reversed axis, turned around."""
    v = x.values.astype("f8") if x.dtype == "bf16" else x.values
    if not descending:
        return np.argsort(v, axis=axis, kind="stable")
    n = v.shape[axis]
    back = np.argsort(np.flip(v, axis), axis=axis, kind="stable")
    return np.flip(n - 1 - back, axis)


def taken(x: Typed, at, axis):
    return Typed(x.dtype, np.take_along_axis(x.values, at, axis)), Typed("i32", at)


def sort(oracle, x, axis, descending, **more):
    text = ", descending=true" if descending else ""
    oracle.case(f"y0, y1 = sort(x0, axis={axis}{text})", [x], taken(x, places(x, axis, descending), axis), **more)


def top_k(oracle, x, k, axis, **more):
    at = np.take(places(x, axis, True), np.arange(k), axis)
    oracle.case(f"y0, y1 = top_k(x0, k={k}, axis={axis})", [x], taken(x, at, axis), **more)


def cumsum(oracle, x, axis, **more):
    if x.dtype in INTEGERS:
        want = Typed(x.dtype, np.cumsum(x.values, axis=axis, dtype=x.values.dtype))
        return oracle.case(f"y0 = cumsum(x0, axis={axis})", [x], [want], **more)
    wide = x.values.astype(L)
    want = Typed(x.dtype, np.cumsum(wide, axis=axis).astype("f8"))
    # One addition after the other: each rounding is at most eps of a partial sum, and that at most Σ|x| so far.
    scale = np.cumsum(np.abs(wide), axis=axis).astype("f8")
    oracle.case(f"y0 = cumsum(x0, axis={axis})", [x], [want], f"sum:{x.shape[axis]}", scale=[scale], **more)


def flip(oracle, x, axes, **more):
    text = ", ".join(map(str, axes))
    oracle.case(f"y0 = flip(x0, axes=[{text}])", [x], [Typed(x.dtype, np.flip(x.values, axes))], **more)


def scatter(oracle, x, ids, updates, axis, add=False, **more):
    ids = Typed(ids[0], ids[1])
    want = np.moveaxis(x.values.astype("f8") if add and x.dtype in FLOATS else x.values.copy(), axis, 0)
    flat = ids.values.reshape(-1)
    u = updates.values.reshape(x.shape[:axis % len(x.shape)] + (flat.size,) + x.shape[axis % len(x.shape) + 1:])
    u = np.moveaxis(u, axis % len(x.shape), 0)
    for j, row in enumerate(flat):
        want[row] = want[row] + u[j].astype(want.dtype) if add else u[j]
    text = f"axis={axis}" + (", add=true" if add else "")
    oracle.case(f"y0 = scatter(x0, x1, x2, {text})", [x, ids, updates], [Typed(x.dtype, np.moveaxis(want, 0, axis))],
                **more)


def cases(oracle):
    ordering(oracle)
    sums(oracle)
    moves(oracle)
    scatters(oracle)


def ordering(oracle):
    for dtype in NUMBERS:
        x = random(oracle.rng, dtype, (3, 35))
        sort(oracle, x, -1, False)
        sort(oracle, x, 0, True)
        top_k(oracle, x, 5, -1)
        top_k(oracle, x, 2, 0)
        ends = special(dtype)
        sort(oracle, ends, 0, False)
        sort(oracle, ends, 0, True)
        top_k(oracle, ends, ends.shape[0], 0)
    # Ties keep their order; zeros of both signs are ties; NaNs are largest and ties.
    nan = np.nan
    ties = Typed("f32", [[1, 2, 1, 2, 1, 0], [0.0, -0.0, 0.0, -0.0, 1, -1], [nan, 1, nan, np.inf, -np.inf, nan]])
    for dtype in ("f32", "f16", "bf16", "f64"):
        x = Typed(dtype, ties.values)
        for descending in (False, True):
            sort(oracle, x, 1, descending)
        for k in (1, 3, 6):
            top_k(oracle, x, k, 1)
    few = Typed("i8", oracle.rng.integers(0, 3, (2, 200)))
    sort(oracle, few, 1, False)
    sort(oracle, few, 1, True)
    top_k(oracle, few, 100, 1)
    for shape, axis in (((1,), 0), ((0,), 0), ((3, 0), 1), ((0, 4), 1), ((2, 3, 4), 1), ((2, 3, 4), -3), ((2, 129), 1),
                        ((1, 1000), 1)):
        sort(oracle, random(oracle.rng, "f32", shape), axis, False)
    for shape, axis, k in (((1,), 0, 1), ((0, 4), 1, 4), ((2, 3, 4), 1, 2), ((2, 3, 4), -3, 1), ((1, 1000), 1, 40)):
        top_k(oracle, random(oracle.rng, "f32", shape), k, axis)
    x = random(oracle.rng, "f32", (3, 8))
    top_k(oracle, x, 2, 1, dims=["N"], shapes=[("N", 8)], out_shapes=[("N", 2), ("N", 2)])
    top_k(oracle, x, 2, 0, declare=["dim 2 <= N <= 64"], shapes=[("N", 8)], out_shapes=[(2, 8), (2, 8)])
    sort(oracle, x, 0, True, dims=["N"], shapes=[("N", 8)], out_shapes=[("N", 8), ("N", 8)])


def sums(oracle):
    for dtype in NUMBERS:
        cumsum(oracle, random(oracle.rng, dtype, (3, 35)), -1)
        cumsum(oracle, random(oracle.rng, dtype, (3, 35)), 0)
    for shape, axis in (((1,), 0), ((0,), 0), ((3, 0), 1), ((0, 4), 1), ((2, 3, 4), 1), ((2, 3, 4), -3), ((1, 1000), 1)):
        cumsum(oracle, random(oracle.rng, "f32", shape), axis)
    cumsum(oracle, Typed("f32", [[1, np.inf, 2, -np.inf, 1], [1, 2, np.nan, 3, 4]]), 1)
    cumsum(oracle, random(oracle.rng, "f32", (3, 5)), 0, dims=["N"], shapes=[("N", 5)], out_shapes=[("N", 5)])


def moves(oracle):
    for dtype in PLAIN:
        flip(oracle, random(oracle.rng, dtype, (3, 5)), (1,))
    for shape, axes in (((7,), (0,)), ((), ()), ((1,), (0,)), ((0, 3), (0, 1)), ((2, 3, 4), (0, 2)), ((2, 3, 4), (-2,)),
                        ((2, 3, 4), (2, 1, 0)), ((2, 3), ())):
        flip(oracle, random(oracle.rng, "f32", shape), axes)
    flip(oracle, random(oracle.rng, "f16", (3, 5)), (0,), dims=["N"], shapes=[("N", 5)], out_shapes=[("N", 5)])


def scatters(oracle):
    for dtype in PLAIN:
        for ids in ("i32", "i64"):
            scatter(oracle, random(oracle.rng, dtype, (5, 3)), (ids, [4, 0, 4]), random(oracle.rng, dtype, (3, 3)), 0)
    for dtype in INTEGERS:
        scatter(oracle, random(oracle.rng, dtype, (5, 3)), ("i32", [4, 0, 4]), random(oracle.rng, dtype, (3, 3)), 0, True)
    for dtype in FLOATS:  # quarters: sums that every dtype holds
        x, u = (Typed(dtype, oracle.rng.integers(-16, 16, s) / 4) for s in ((5, 3), (3, 3)))
        scatter(oracle, x, ("i32", [4, 0, 4]), u, 0, True)
    for shape, ids, axis in (((4,), [[1, 2], [3, 1]], 0), ((2, 4, 3), [3, 3], 1), ((2, 4, 3), [0], -1),
                             ((2, 4, 3), [], 1), ((0, 3), [], 0), ((3, 0), [1], 0), ((2, 5), 3, 1)):
        ids = np.array(ids, "i4")
        d = axis % len(shape)
        u = random(oracle.rng, "f32", shape[:d] + ids.shape + shape[d + 1:])
        scatter(oracle, random(oracle.rng, "f32", shape), ("i32", ids), u, axis)
    scatter(oracle, random(oracle.rng, "f32", (3, 5)), ("i32", [2, 0]), random(oracle.rng, "f32", (2, 5)), 0,
            declare=["dim 1 <= N <= 64", "dim 0 <= M <= 64"], shapes=[("N", 5), ("M",), ("M", 5)], out_shapes=[("N", 5)])
