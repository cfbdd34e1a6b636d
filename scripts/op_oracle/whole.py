# SPDX-License-Identifier: Apache-2.0
"""floor ceil round trunc, floor_div rem (by exact fractions), xor shl shr popcount, recip sign clamp, is_nan is_inf
is_finite is_neg. All exact: what is computed at all is rounded once."""

import math
from fractions import Fraction

import numpy as np
from values import BROADCASTS, FLOATS, INTEGERS, NUMBERS, SIGNED, Typed, exactly, pairs, random, special

KNOWN = {"f64": 2**51, "f32": 2**22, "f16": 2**22, "bf16": 2**22}  # quotients whose units a remainder can tell


def halves(oracle, dtype):
    """Specials, whole numbers and what lies between and beside them."""
    near = [0.5, 1.5, 2.5, 0.49999997, 0.9999999, 8388607.5, 8388608, 4194303.75, 2.0**52 + 1, 2.0**53]
    values = np.concatenate([special(dtype).f64, near, np.negative(near), oracle.rng.standard_normal(60) * 30])
    return Typed(dtype, values)


def rounding(oracle):
    for name, f in (("floor", np.floor), ("ceil", np.ceil), ("round", np.rint), ("trunc", np.trunc)):
        for dtype in FLOATS:
            x = halves(oracle, dtype)
            oracle.case(f"y0 = {name}(x0)", [x], [Typed(dtype, f(x.f64))])
        x = random(oracle.rng, "f32", (2, 3, 5))
        oracle.case(f"y0 = {name}(x0)", [x], [Typed("f32", f(x.f64))])


def divided(dtype, a, b):
    """⌊a / b⌋ and what is left, each rounded once to what the dtype is computed in."""
    wide = np.float64 if dtype == "f64" else np.float32
    if not (math.isfinite(a) and math.isfinite(b)) or b == 0:
        if math.isfinite(a) and math.isinf(b):
            beyond = a != 0 and (a < 0) != (b < 0)
            return (-1.0, b) if beyond else (float(wide(a) / wide(b)), a)
        return float(np.floor(wide(a) / wide(b))), math.nan
    rounded = wide(a) / wide(b)
    if abs(rounded) >= KNOWN[dtype]:
        return float(np.floor(rounded)), math.nan
    whole = math.floor(Fraction(a) / Fraction(b))
    left = Fraction(a) - whole * Fraction(b)
    quotient = float(whole) if whole != 0 else math.copysign(0.0, rounded)
    # A zero that is left is +0; a itself where nothing was taken from it.
    return quotient, float(exactly(dtype, [left])[0]) if left != 0 else a if a == 0 else 0.0


def dividing(oracle, dtype, a, b):
    if dtype in FLOATS:
        both = [divided(dtype, x, y) for x, y in zip(a.f64.tolist(), b.f64.tolist())]
        wanted = [Typed(dtype, np.array([v[k] for v in both], "f8")) for k in (0, 1)]
    else:
        wanted = [Typed(dtype, np.floor_divide(a.values, b.values)), Typed(dtype, np.remainder(a.values, b.values))]
    oracle.case(["y0 = floor_div(x0, x1)", "y1 = rem(x0, x1)"], [a, b], wanted)


def division(oracle):
    for dtype in NUMBERS:
        dividing(oracle, dtype, *pairs(special(dtype), special(dtype)))
        if dtype in FLOATS:
            a = Typed(dtype, oracle.rng.standard_normal(300) * np.exp2(oracle.rng.integers(-3, 12, 300)))
            b = Typed(dtype, oracle.rng.standard_normal(300) * 2)
            dividing(oracle, dtype, a, b)
            quarters = oracle.rng.integers(-64, 64, (2, 300)) / 4  # many quotients are whole
            dividing(oracle, dtype, Typed(dtype, quarters[0]), Typed(dtype, quarters[1]))
        else:
            dividing(oracle, dtype, random(oracle.rng, dtype, (200,)), Typed(dtype, random(oracle.rng, dtype, (200,)).values % 17))
    for sa, sb in BROADCASTS:
        a, b = (Typed("i32", oracle.rng.integers(-50, 50, s)) for s in (sa, sb))
        oracle.case("y0 = floor_div(x0, x1)", [a, b], [Typed("i32", np.floor_divide(a.values, b.values))])
    x = random(oracle.rng, "i32", (3, 5))
    oracle.case("y0 = rem(x0, 7)", [x], [Typed("i32", x.values % 7)], dims=["N"], shapes=[("N", 5)], out_shapes=[("N", 5)])


def bits(oracle):
    for dtype in INTEGERS + ("bool",):
        a, b = pairs(special(dtype), special(dtype))
        oracle.case("y0 = xor(x0, x1)", [a, b], [Typed(dtype, np.bitwise_xor(a.values, b.values))])
    for dtype in INTEGERS:
        width = np.iinfo(special(dtype).values.dtype).bits
        amounts = [0, 1, 2, width - 1, width, width + 1, 31, 32, 63, 64, 100] + ([-1, -width, -100] if dtype in SIGNED else [])
        a, n = pairs(special(dtype), Typed(dtype, np.array(amounts)))
        # NumPy: an amount that the dtype does not have, negative ones too, shifts everything out.
        oracle.case("y0 = shl(x0, x1)", [a, n], [Typed(dtype, np.left_shift(a.values, n.values))])
        oracle.case("y0 = shr(x0, x1)", [a, n], [Typed(dtype, np.right_shift(a.values, n.values))])
        x = Typed(dtype, np.concatenate([special(dtype).values, random(oracle.rng, dtype, (100,)).values]))
        count = np.unpackbits(x.values.view("u1").reshape(x.values.size, -1), axis=1).sum(1)
        oracle.case("y0 = popcount(x0)", [x], [Typed(dtype, count.astype(x.values.dtype))])


def predicates(oracle):
    for name, f, dtypes in (("is_nan", np.isnan, FLOATS), ("is_inf", np.isinf, FLOATS), ("is_finite", np.isfinite, FLOATS),
                            ("is_neg", lambda x: x < 0, FLOATS + SIGNED)):
        for dtype in dtypes:
            x = special(dtype)
            oracle.case(f"y0 = {name}(x0)", [x], [Typed("bool", f(x.values))])
    x = random(oracle.rng, "f32", (3, 5))
    oracle.case("y0 = is_neg(x0)", [x], [Typed("bool", x.values < 0)], dims=["N"], shapes=[("N", 5)], out_shapes=[("N", 5)])


def choices(oracle):
    def sign(x):
        return np.where(x > 0, x.dtype.type(1), np.where(x < 0, x.dtype.type(-1 if x.dtype.kind != "u" else 0), x))

    def clamp(x, low, high):
        least = np.where((x < low) | (low != low), low, x)
        return np.where((high < least) | (high != high), high, least)

    for dtype in FLOATS + SIGNED:
        x = special(dtype)
        oracle.case("y0 = sign(x0)", [x], [Typed(dtype, sign(x.values))])
    for dtype in FLOATS:
        x = special(dtype)
        oracle.case("y0 = recip(x0)", [x], [Typed(dtype, 1 / x.values)])
    for dtype in NUMBERS:
        x, low, high = (random(oracle.rng, dtype, (200,)) for _ in range(3))
        oracle.case("y0 = clamp(x0, x1, x2)", [x, low, high], [Typed(dtype, clamp(x.values, low.values, high.values))])
        a, b = pairs(special(dtype), special(dtype))
        oracle.case("y0 = clamp(x0, x1, x2)", [a, b, b], [Typed(dtype, clamp(a.values, b.values, b.values))])
    x = random(oracle.rng, "f32", (3, 5))
    oracle.case("y0 = clamp(x0, -0.5, 1)", [x], [Typed("f32", np.clip(x.values, np.float32(-0.5), np.float32(1)))],
                dims=["N"], shapes=[("N", 5)], out_shapes=[("N", 5)])


def cases(oracle):
    rounding(oracle)
    division(oracle)
    bits(oracle)
    predicates(oracle)
    choices(oracle)
