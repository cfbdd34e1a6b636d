# SPDX-License-Identifier: Apache-2.0
"""add sub mul div min max fma neg abs relu. All exact: IEEE 754 rounds + − × ÷ and fma once, and f32 has more than twice
the digits of f16 and bf16, so that rounding its result again gives the correctly rounded one (Figueroa 1995)."""

from fractions import Fraction

import numpy as np
from values import BROADCASTS, FLOATS, INTEGERS, NUMBERS, SIGNED, Typed, exactly, pairs, random, special


def smaller(a, b):
    return np.where((b < a) | (b != b), b, a)  # of −0 and +0 the first


def larger(a, b):
    return np.where((a < b) | (b != b), b, a)


BINARY = {"add": ("x0 + x1", np.add, NUMBERS), "sub": ("x0 - x1", np.subtract, NUMBERS),
          "mul": ("x0 * x1", np.multiply, NUMBERS), "div": ("x0 / x1", np.divide, FLOATS),
          "min": ("min(x0, x1)", smaller, NUMBERS), "max": ("max(x0, x1)", larger, NUMBERS)}
UNARY = {"neg": np.negative, "abs": np.abs, "relu": lambda x: np.where(x < 0, x.dtype.type(0), x)}


def computed(f, dtype, *operands):
    """f in the dtype's own arithmetic; bf16 in f64, which rounds once at the end."""
    return Typed(dtype, np.asarray(f(*(x.values for x in operands))))


def cases(oracle):
    for name, (text, f, dtypes) in BINARY.items():
        for dtype in dtypes:
            a, b = pairs(special(dtype), special(dtype))
            oracle.case(f"y0 = {text}", [a, b], [computed(f, dtype, a, b)])
            a, b = random(oracle.rng, dtype, (4, 19)), random(oracle.rng, dtype, (4, 19))
            oracle.case(f"y0 = {text}", [a, b], [computed(f, dtype, a, b)])
        for sa, sb in BROADCASTS:
            a, b = random(oracle.rng, "f32", sa), random(oracle.rng, "f32", sb)
            oracle.case(f"y0 = {text}", [a, b], [computed(f, "f32", a, b)])
        a, b = random(oracle.rng, "f32", (3, 1, 5)), random(oracle.rng, "f32", (7, 5))
        oracle.case(f"y0 = {text}", [a, b], [computed(f, "f32", a, b)], dims=["M", "N"],
                    shapes=[("N", 1, 5), ("M", 5)], out_shapes=[("N", "M", 5)])
    for name, f in UNARY.items():
        for dtype in FLOATS + SIGNED:
            x = special(dtype)
            oracle.case(f"y0 = {name}(x0)", [x], [computed(f, dtype, x)])
        for shape in ((), (1,), (0,), (3, 0, 2), (2, 3, 5)):
            x = random(oracle.rng, "f32", shape)
            oracle.case(f"y0 = {name}(x0)", [x], [computed(f, "f32", x)])
    fma(oracle)
    literals(oracle)


def fma(oracle):
    def one(a, b, c, dtype):
        if not all(map(np.isfinite, (a, b, c))) or a == 0 or b == 0:
            return np.float64(a) * np.float64(b) + np.float64(c)  # no rounding to lose: NaN, infinities, zeros
        q = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        if q == 0:
            return 0.0  # exact cancellation is +0
        try:
            return exactly(dtype, [q])[0]
        except OverflowError:
            return np.inf if q > 0 else -np.inf

    for dtype in FLOATS:
        values = special(dtype).f64
        a, b, c = (Typed(dtype, oracle.rng.choice(values, 300)) for _ in range(3))
        oracle.case("y0 = fma(x0, x1, x2)", [a, b, c],
                    [Typed(dtype, [one(*v, dtype) for v in zip(a.f64, b.f64, c.f64)])])
        a, b = random(oracle.rng, dtype, 60), random(oracle.rng, dtype, 60)
        c = Typed(dtype, -(a.f64 * b.f64) * (1 + oracle.rng.standard_normal(60) * 1e-3))  # cancels: one rounding shows
        oracle.case("y0 = fma(x0, x1, x2)", [a, b, c],
                    [Typed(dtype, [one(*v, dtype) for v in zip(a.f64, b.f64, c.f64)])])
    for shapes in (((3, 1), (1, 4), ()), ((2, 3), (3,), (2, 1)), ((0,), (1,), ()), ((), (), ())):
        a, b, c = (random(oracle.rng, "f32", s) for s in shapes)
        wide = np.broadcast_arrays(a.f64, b.f64, c.f64)
        want = np.array([one(*v, "f32") for v in zip(*(w.ravel() for w in wide))], "f8").reshape(wide[0].shape)
        oracle.case("y0 = fma(x0, x1, x2)", [a, b, c], [Typed("f32", want)])


def literals(oracle):
    """A number takes the dtype of the operand beside it."""
    for dtype in FLOATS:
        x = random(oracle.rng, dtype, (5,))
        oracle.case("y0 = x0 * 0.5", [x], [Typed(dtype, x.f64 * 0.5)])
        oracle.case("y0 = 1 - x0", [x], [computed(lambda v: 1 - v, dtype, x)])
    for dtype in INTEGERS:
        x = random(oracle.rng, dtype, (5,))
        oracle.case("y0 = x0 + 3", [x], [computed(lambda v: v + v.dtype.type(3), dtype, x)])
