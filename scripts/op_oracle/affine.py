# SPDX-License-Identifier: Apache-2.0
"""affine by NumPy in float32: a difference and a product, each rounded once; exact."""

import numpy as np
from values import INTEGERS, Typed, random, special

BITS = {"i1": 1, "i2": 2, "i4": 4, "u1": 1, "u2": 2, "u4": 4}


def packed(rng, dtype: str, shape, transposed=False) -> tuple[Typed, np.ndarray]:
    """Random elements; `shape` is the stored one, the numbers are too."""
    bits = BITS[dtype]
    codes = rng.integers(0, 2**bits, shape)
    raw = (codes.reshape(-1, 8 // bits) << bits * np.arange(8 // bits)).sum(-1).astype("u1")
    numbers = np.where((codes >= 2 ** (bits - 1)) & (dtype[0] == "i"), codes - 2**bits, codes)
    logical = shape[:-2] + (shape[-1], shape[-2]) if transposed else shape
    return Typed(dtype, raw.tobytes(), logical, transposed=transposed), numbers


def spread(scale: np.ndarray, shape, axis: int, group: int) -> np.ndarray:
    """One for each element of a tensor stored in that shape."""
    if scale.ndim == 0:
        return np.broadcast_to(scale, shape)
    if group:
        return np.repeat(scale, group, axis)
    return np.broadcast_to(scale.reshape([-1 if d == axis else 1 for d in range(len(shape))]), shape)


def numbers(q, scale, zero, shape, axis, group) -> np.ndarray:
    q, scale = np.asarray(q).astype("f4").reshape(shape), spread(scale.f64.astype("f4").reshape(scale.shape), shape, axis, group)
    return (q if zero is None else q - spread(zero.f64.astype("f4").reshape(zero.shape), shape, axis, group)) * scale


def line(of: str, names, axis: int, group: int) -> str:
    options = [f"{k}={v}" for k, v in (("axis", axis), ("group", group)) if v]
    return f"y0 = affine({', '.join([of, *names, *options])})"


def scale_shape(shape, axis, group):
    if axis is None:
        return ()
    return tuple(n // group if d == axis else n for d, n in enumerate(shape)) if group else (shape[axis],)


def case(oracle, q: Typed, axis, group, scale="f32", zero="i8"):
    shape = scale_shape(q.shape, axis, group)
    s = random(oracle.rng, scale, shape)
    z = random(oracle.rng, zero, shape) if zero else None
    wanted = numbers(q.values, s, z, q.shape, axis or 0, group)
    oracle.case(line("x0", ["x1"] + (["zero=x2"] if zero else []), axis or 0, group), [q, s] + ([z] if zero else []), [Typed("f32", wanted)])


def weight(oracle, dtype: str, shape, axis, group, transposed):
    """A package tensor of that stored shape; the operator counts its axis there."""
    w, q = packed(oracle.rng, dtype, shape, transposed)
    of = scale_shape(shape, axis, group)
    s, z = random(oracle.rng, "f16", of), random(oracle.rng, "u8", of)
    wanted = numbers(q, s, z, shape, axis or 0, group)
    wanted = np.swapaxes(wanted, -1, -2) if transposed else wanted
    oracle.case(line("@w", ["x0", "zero=x1"], axis or 0, group), [s, z], [Typed("f32", np.ascontiguousarray(wanted))], weights={"w": w})


FORMS = [(None, 0), (0, 0), (1, 0), (0, 4), (1, 5)]


def cases(oracle):
    rng = oracle.rng
    for dtype in INTEGERS:
        case(oracle, special(dtype), None, 0, zero=dtype)
        for axis, group in FORMS:
            case(oracle, random(rng, dtype, (8, 15)), axis, group)
    for scale in ("f16", "bf16", "f32", "f64"):
        for zero in (None, "f32", "f16", "u8", "i64"):
            case(oracle, random(rng, "i8", (6, 4)), 1, 2, scale, zero)
    for shape, axis, group in (((), None, 0), ((5,), 0, 0), ((6,), 0, 3), ((2, 6, 4), 0, 0), ((2, 6, 4), 1, 3), ((2, 6, 4), 2, 2), ((3, 0), 0, 0), ((4, 2, 3, 2), 1, 2)):
        case(oracle, random(rng, "i16", shape), axis, group)
    for value in (3e38, 1e-45, 2.0**-126, np.inf, np.nan, -0.0, 0.0):  # of a scale
        s = Typed("f32", np.array(value))
        q = Typed("i8", np.array([-128, -1, 0, 1, 127]))
        oracle.case("y0 = affine(x0, x1)", [q, s], [Typed("f32", numbers(q.values, s, None, q.shape, 0, 0))])
    for dtype in BITS:
        for transposed in (False, True):
            for axis, group in FORMS:
                weight(oracle, dtype, (8, 40), axis, group, transposed)
    weight(oracle, "u4", (3, 8, 10), 1, 4, True)
    weight(oracle, "i2", (3, 8, 12), 2, 6, True)
