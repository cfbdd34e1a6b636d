# SPDX-License-Identifier: Apache-2.0
"""cast with rounding and saturate, by exact fractions."""

import math
from fractions import Fraction

import numpy as np
from cast import cast, halfway
from values import FLOATS, INTEGERS, LARGEST, NUMBERS, NUMPY, Typed, special


def away(q):
    return math.floor(abs(q) + Fraction(1, 2)) * (1 if q > 0 else -1)


ROUNDINGS = {"trunc": math.trunc, "floor": math.floor, "ceil": math.ceil, "round": round, "away": away}


def rounded(value, rounding, dtype):
    i = np.iinfo(NUMPY[dtype])
    if not np.isfinite(value):
        return 0 if np.isnan(value) else i.max if value > 0 else i.min
    return min(max(int(ROUNDINGS[rounding](Fraction(float(value)))), i.min), i.max)


def saturated(value, source, dtype):
    if source in INTEGERS and dtype in INTEGERS:
        i = np.iinfo(NUMPY[dtype])
        return min(max(int(value), i.min), i.max)
    y = cast(value, source, dtype)
    if dtype in FLOATS and source != dtype and math.isinf(y) and dtype != "f64":
        return math.copysign(LARGEST[dtype], y)
    return y


def case(oracle, x, dtype, text, one):
    out = [one(v) for v in x.values.ravel()]
    wanted = np.array(out, NUMPY[dtype] if dtype not in FLOATS else "f8").reshape(x.shape)
    oracle.case(f"y0 = cast(x0, dtype={dtype}, {text})", [x], [Typed(dtype, wanted)])  # exact: rounded once


def cases(oracle):
    for source in FLOATS:
        near = [0.5, 1.5, 2.5, 0.49999997, 126.5, 127.5, 128.5, 255.5, 32767.5, 8388607.5, 2147483647.5]
        x = Typed(source, np.concatenate([special(source).f64, near, np.negative(near), oracle.rng.standard_normal(40) * 90]))
        for dtype in INTEGERS:
            for rounding in ROUNDINGS:
                case(oracle, x, dtype, f'rounding="{rounding}"', lambda v: rounded(v, rounding, dtype))
    for source in NUMBERS:
        for dtype in NUMBERS:
            if source == dtype or (dtype in FLOATS and source in INTEGERS and dtype != "f16"):
                continue
            for x in (special(source), halfway(source)):
                case(oracle, x, dtype, "saturate=true", lambda v: saturated(v, source, dtype))
    raw = oracle.rng.integers(0, 256, (2, 34), dtype="u1")
    raw[:, :2] = np.array([[0.03]], "f2").view("u1")
    values = raw[:, 2:].view("i1") * np.float32(np.float16(0.03))
    weight = Typed("q8_0", raw.tobytes(), (2, 32))
    wanted = np.array([rounded(v, "round", "i8") for v in values.ravel()], "i1").reshape(2, 32)
    oracle.case('y0 = cast(@w, dtype=i8, rounding="round")', [], [Typed("i8", wanted)], weights={"w": weight})
