# SPDX-License-Identifier: Apache-2.0
"""Arrays with a dtype of ours, and the values that cases are made of."""

from fractions import Fraction

import numpy as np

FLOATS = ("f64", "f32", "f16", "bf16")
SIGNED = ("i8", "i16", "i32", "i64")
UNSIGNED = ("u8", "u16", "u32", "u64")
INTEGERS = SIGNED + UNSIGNED
NUMBERS = FLOATS + INTEGERS
PLAIN = NUMBERS + ("bool",)
NUMPY = {"f64": "f8", "f32": "f4", "f16": "f2", "i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8", "u8": "u1",
         "u16": "u2", "u32": "u4", "u64": "u8", "bool": "?"}
LARGEST = {"f64": np.finfo("f8").max, "f32": float(np.finfo("f4").max), "f16": 65504.0, "bf16": 255 * 2.0**120}
SMALLEST = {"f64": 2.0**-1074, "f32": 2.0**-149, "f16": 2.0**-24, "bf16": 2.0**-133}  # denormal
NORMAL = {"f64": 2.0**-1022, "f32": 2.0**-126, "f16": 2.0**-14, "bf16": 2.0**-126}
# Unit roundoff of the type that sums are made in.
SUM_EPS = {"f64": 2.0**-53, "f32": 2.0**-24, "f16": 2.0**-24, "bf16": 2.0**-24}


def to_odd_f32(x) -> np.ndarray:
    """float64 to float32, inexact values to the neighbour with an odd last bit: rounding again then rounds once."""
    x = np.asarray(x, "f8")
    near = x.astype("f4")
    inexact = np.isfinite(x) & (near.astype("f8") != x)
    toward_zero = np.where(np.abs(near.astype("f8")) > np.abs(x), np.nextafter(near, np.float32(0)), near)
    return np.where(inexact, (toward_zero.view("u4") | 1).view("f4"), near).astype("f4")


def bf16_bits(x) -> np.ndarray:
    bits = to_odd_f32(x).view("u4").astype("u8")
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(x), 0x7FC0, rounded).astype("u2")


class Typed:
    """An array of `dtype`. Float64 input is rounded once, to nearest-even. `bytes` with a shape are taken as stored."""

    def __init__(self, dtype: str, values, shape=None, transposed=False):
        self.dtype, self.transposed = dtype, transposed
        if isinstance(values, (bytes, bytearray)):
            self.shape, self.raw = tuple(shape), bytes(values)
            return
        values = np.asarray(values)
        self.shape = values.shape
        if dtype == "bf16":
            self.bits = bf16_bits(values.astype("f8"))
            self.values = (self.bits.astype("u4") << 16).view("f4").astype("f8").reshape(self.shape)
            self.raw = np.ascontiguousarray(self.bits).tobytes()
        else:
            self.values = np.array(values.astype(NUMPY[dtype]), order="C")
            self.raw = self.values.tobytes()

    @property
    def f64(self):
        return self.values.astype("f8")


def typed(x) -> Typed:
    if isinstance(x, Typed):
        return x
    x = np.asarray(x)
    return Typed(next(k for k, v in NUMPY.items() if np.dtype(v) == x.dtype), x)


def exactly(dtype: str, fractions) -> np.ndarray:
    """Fractions rounded once to f64, f32; to f16, bf16 by way of f32 (as the library defines fma)."""
    def one(q: Fraction) -> float:
        near = float(q)
        if dtype == "f64" or Fraction(near) == q:
            return near
        lower = near if abs(Fraction(near)) < abs(q) else np.nextafter(near, 0)
        return float((np.array([lower]).view("u8") | 1).view("f8")[0])
    values = np.array([one(q) for q in fractions], "f8")
    return values if dtype == "f64" else values.astype("f4").astype("f8")


def special(dtype: str) -> Typed:
    """Zeros, ones, infinities, NaN, denormals, the extremes; for integers the ends and the middle."""
    if dtype == "bool":
        return Typed(dtype, [False, True])
    if dtype in FLOATS:
        tiny, small, large = SMALLEST[dtype], NORMAL[dtype], LARGEST[dtype]
        values = [0.0, 1.0, 0.5, 2.0, 3.0, tiny, 3 * tiny, small - tiny, small, large, large / 2, np.inf]
        return Typed(dtype, [s * v for v in values for s in (1, -1)] + [np.nan])
    i = np.iinfo(NUMPY[dtype])
    values = sorted({i.min, i.min + 1, i.max // 2, i.max - 1, i.max, 0, 1, 2, 3, 7, *((-1, -2) if i.min < 0 else ())})
    return Typed(dtype, np.array(values, NUMPY[dtype]))


def pairs(x: Typed, y: Typed):
    """All pairs of elements of both."""
    i, j = np.meshgrid(np.arange(x.values.size), np.arange(y.values.size), indexing="ij")
    return Typed(x.dtype, x.values[i.ravel()]), Typed(y.dtype, y.values[j.ravel()])


def random(rng, dtype: str, shape, scale=2.0) -> Typed:
    if dtype == "bool":
        return Typed(dtype, rng.random(shape) < 0.5)
    if dtype in FLOATS:
        return Typed(dtype, rng.standard_normal(shape) * scale)
    i = np.iinfo(NUMPY[dtype])
    return Typed(dtype, rng.integers(i.min, i.max, size=shape, dtype=NUMPY[dtype], endpoint=True))


# Pairs of shapes that broadcast: odd sizes, size 1, scalars, leading dimensions, empty.
BROADCASTS = [((3, 5), (3, 5)), ((3, 5), (5,)), ((5,), (3, 5)), ((3, 1), (3, 7)), ((3, 7), (3, 1)), ((2, 1, 3), (4, 1)),
              ((), (2, 3)), ((2, 3), ()), ((), ()), ((1,), (1, 1)), ((0, 3), (3,)), ((0,), (1,)), ((2, 0), (2, 1)),
              ((1, 3, 1, 5), (2, 1, 4, 1)), ((17,), (17,))]
