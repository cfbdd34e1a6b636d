# SPDX-License-Identifier: Apache-2.0
"""cast between all plain dtypes, by exact fractions; casts of stored formats, by the gguf library or their formulas."""

import math
from fractions import Fraction

import numpy as np
from gguf import GGMLQuantizationType, quants
from values import FLOATS, NUMPY, PLAIN, Typed, random, special

DIGITS = {"f64": (53, -1074, 1024), "f32": (24, -149, 128), "f16": (11, -24, 16), "bf16": (8, -133, 128)}
DIGITS_8 = {"f8e4m3": (4, -9, 448, math.nan), "f8e5m2": (3, -16, 57344, math.inf)}  # and the largest, what is beyond


def to_float(dtype: str, q: Fraction) -> float:
    """Nearest, ties to even, as a float64; 2^1024 and what rounds to it are infinite."""
    digits, lowest, highest = DIGITS[dtype]
    if q == 0:
        return 0.0
    exponent = abs(q.numerator).bit_length() - (q.denominator.bit_length() - 1)  # the denominator is a power of two
    unit = Fraction(2) ** max(exponent - digits, lowest)
    rounded = round(q / unit) * unit  # Python rounds fractions to even
    return math.copysign(math.inf if abs(rounded) >= Fraction(2) ** highest else float(abs(rounded)), q)


def cast(value, source: str, dtype: str):
    if source in FLOATS and not np.isfinite(value):
        if dtype == "bool":
            return True
        if dtype in FLOATS:
            return float(value)
        i = np.iinfo(NUMPY[dtype])
        return 0 if np.isnan(value) else i.max if value > 0 else i.min
    q = Fraction(int(value)) if source not in FLOATS else Fraction(float(value))
    if dtype == "bool":
        return q != 0
    if dtype in FLOATS:
        return math.copysign(0.0, value) if source in FLOATS and q == 0 else to_float(dtype, q)
    i = np.iinfo(NUMPY[dtype])
    whole = math.trunc(q)
    if source in FLOATS:
        return min(max(whole, i.min), i.max)
    return (whole - int(i.min)) % 2 ** i.bits + int(i.min)


def to_8_bits(value, source: str, dtype: str) -> float:
    """Nearest, ties to even; what is beyond the largest once rounded, and infinities: f8e4m3 NaN, f8e5m2 infinite."""
    digits, lowest, largest, beyond = DIGITS_8[dtype]
    if source in FLOATS and not np.isfinite(value):
        return math.nan if np.isnan(value) else math.copysign(beyond, value)
    q = Fraction(int(value)) if source not in FLOATS else Fraction(float(value))
    if q == 0:
        return math.copysign(0.0, value) if source in FLOATS else 0.0
    exponent = abs(q.numerator).bit_length() - q.denominator.bit_length() + 1
    exponent -= abs(q) < Fraction(2) ** (exponent - 1)
    unit = Fraction(2) ** max(exponent - digits, lowest)
    rounded = round(abs(q) / unit) * unit
    return math.copysign(float(rounded) if rounded <= largest else beyond, q)


def case_8_bits(oracle, x: Typed, dtype: str):
    """There and back: all 8-bit floats are elements of f32."""
    wanted = np.array([to_8_bits(v, x.dtype, dtype) for v in x.values.ravel()]).reshape(x.shape)
    oracle.case([f"a = cast(x0, dtype={dtype})", "y0 = cast(a, dtype=f32)"], [x], [Typed("f32", wanted)])


def between_8_bits(dtype: str) -> np.ndarray:
    """Every finite element, what lies halfway to the next, and the doubles beside that."""
    digits, lowest, largest, _ = DIGITS_8[dtype]
    values = {0.0}
    for exponent in range(lowest, 16):
        values |= {m * 2.0**exponent for m in range(2**digits)}
    values = sorted(v for v in values if v <= largest) + [largest + 2.0 ** (8 - digits + 1), 1e6]
    middle = [(a + b) / 2 for a, b in zip(values, values[1:])]
    return np.array(values + middle + [np.nextafter(m, 0) for m in middle] + [np.nextafter(m, 1e9) for m in middle])


def case(oracle, x: Typed, dtype: str):
    out = [cast(v, x.dtype, dtype) for v in x.values.ravel()]
    wanted = np.array(out, NUMPY[dtype] if dtype not in FLOATS else "f8").reshape(x.shape)
    # Exact: every conversion is one rounding, or none.
    oracle.case(f"y0 = cast(x0, dtype={dtype})", [x], [Typed(dtype, wanted)])


def halfway(dtype: str) -> Typed:
    """Values that lie between, and just beside, two neighbours of a smaller dtype."""
    if dtype in FLOATS:
        v = [1 + 2.0**-11, 1 + 3 * 2.0**-11, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 65519.9, 65520, 2.0**-25, 2.0**-24 * 1.5,
             0.999999, 127.5, 128.5, 255.5, -0.5, -1.5, 2.0**31, 2.0**32, 2.0**63, 2.0**64, 3.4e38, 9.2e-41]
        if dtype == "f64":
            v += [1 + 2.0**-11 + 2.0**-50, 1 + 2.0**-8 - 2.0**-50, 1 + 2.0**-24, 1 + 2.0**-24 + 2.0**-52, 2.0**-25 + 2.0**-70,
                  3.402823669e38, 2.0**-150, 1e-300]
        with np.errstate(over="ignore"):
            return Typed(dtype, np.array(v + [-x for x in v]))
    i = np.iinfo(NUMPY[dtype])
    v = [2**k + d for k in (8, 9, 11, 12, 16, 24, 25, 32, 53, 54, 62, 63) for d in (-1, 0, 1, 2**max(k - 9, 0),
         2**max(k - 9, 0) + 1, 2**max(k - 9, 0) * 3 - 1)]
    v = [s * x for x in v for s in (1, -1) if i.min <= s * x <= i.max]
    return Typed(dtype, np.array(v or [0], NUMPY[dtype]))


def stored(oracle, weight: Typed, values: np.ndarray, targets=("f32",)):
    for dtype in targets:
        out = [cast(np.float64(v), "f32", dtype) for v in values.ravel()]
        wanted = np.array(out, NUMPY[dtype] if dtype not in FLOATS else "f8").reshape(weight.shape)
        oracle.case(f"y0 = cast(@w, dtype={dtype})", [], [Typed(dtype, wanted)], weights={"w": weight})


def stored_formats(oracle):
    rng = oracle.rng
    for name in ("q4_0", "q8_0", "q6_k"):
        kind = GGMLQuantizationType[name.upper()]
        block, size = quants.GGML_QUANT_SIZES[kind]
        raw = rng.integers(0, 256, (3, 2 * size), dtype="u1")
        for b in range(2):  # ordinary scales
            at = b * size + (208 if name == "q6_k" else 0)
            raw[:, at:at + 2] = rng.uniform(0.01, 1, (3, 1)).astype("f2").view("u1")
        values = quants.dequantize(raw, kind)
        stored(oracle, Typed(name, raw.tobytes(), (3, 2 * block)), values, ("f32", "f16", "bf16", "f64", "i8"))
        stored(oracle, Typed(name, raw.tobytes(), (2 * block, 3), transposed=True), np.ascontiguousarray(values.T), ("f32", "i16"))
    for bits in (1, 2, 4):
        raw = rng.integers(0, 256, (3, 2), dtype="u1")
        codes = np.stack([raw >> (bits * i) & (2**bits - 1) for i in range(8 // bits)], -1).reshape(3, -1).astype("i4")
        stored(oracle, Typed(f"u{bits}", raw.tobytes(), codes.shape), codes, ("f32", "u8", "bool"))
        signed = np.where(codes >= 2**(bits - 1), codes - 2**bits, codes)
        stored(oracle, Typed(f"i{bits}", raw.tobytes(), codes.shape), signed, ("f32", "i64"))
    digits = rng.integers(0, 3, (2, 10))
    t1 = (digits.reshape(2, 2, 5) * 3 ** np.arange(5)).sum(-1).astype("u1")
    stored(oracle, Typed("t1", t1.tobytes(), (2, 10)), digits - 1, ("f32", "i8"))
    digits = rng.integers(0, 3, (2, 8))
    t2 = (digits.reshape(2, 2, 4) << 2 * np.arange(4)).sum(-1).astype("u1")
    stored(oracle, Typed("t2", t2.tobytes(), (2, 8)), digits - 1, ("f16",))
    byte = np.arange(256)
    e, m, sign = byte >> 3 & 15, byte & 7, np.where(byte & 128, -1.0, 1.0)
    e4m3 = sign * np.where(e > 0, (8 + m) * 2.0**(e - 10.0), m * 2.0**-9)
    e4m3[(byte & 127) == 127] = np.nan
    stored(oracle, Typed("f8e4m3", byte.astype("u1").tobytes(), (16, 16)), e4m3, ("f32", "f16"))
    e, m = byte >> 2 & 31, byte & 3
    e5m2 = sign * np.where(e > 0, (4 + m) * 2.0**(e - 17.0), m * 2.0**-16)
    e5m2[e == 31] = np.where(m[e == 31] > 0, np.nan, sign[e == 31] * np.inf)
    stored(oracle, Typed("f8e5m2", byte.astype("u1").tobytes(), (16, 16)), e5m2, ("f32", "i32"))
    for name, values in (("f8e4m3", e4m3), ("f8e5m2", e5m2)):  # from one to the other, and to itself
        weight = Typed(name, byte.astype("u1").tobytes(), (16, 16))
        for dtype in DIGITS_8:
            wanted = np.array([to_8_bits(v, "f32", dtype) for v in values]).reshape(16, 16)
            wanted = values.reshape(16, 16) if dtype == name else wanted
            oracle.case([f"a = cast(@w, dtype={dtype})", "y0 = cast(a, dtype=f32)"], [], [Typed("f32", wanted)], weights={"w": weight})


def cases(oracle):
    for source in PLAIN:
        for dtype in PLAIN:
            case(oracle, special(source), dtype)
            if source != "bool":
                case(oracle, halfway(source), dtype)
    for dtype in DIGITS_8:
        for source in PLAIN:
            case_8_bits(oracle, special(source), dtype)
            if source != "bool":
                case_8_bits(oracle, halfway(source), dtype)
        for source in ("f64", "f32"):
            case_8_bits(oracle, Typed(source, between_8_bits(dtype)), dtype)
            case_8_bits(oracle, Typed(source, -between_8_bits(dtype)), dtype)
    case(oracle, random(oracle.rng, "f32", (3, 5)), "f16")
    case(oracle, random(oracle.rng, "f32", (3, 1, 7)), "i8")
    for shape in ((), (1,), (0, 4)):
        case(oracle, random(oracle.rng, "f64", shape), "bf16")
    case(oracle, Typed("f32", np.zeros((2, 0))), "i32")
    x = random(oracle.rng, "f32", (3, 4))
    oracle.case("y0 = cast(x0, dtype=f64)", [x], [Typed("f64", x.values)], dims=["N"], shapes=[("N", 4)], out_shapes=[("N", 4)])
    stored_formats(oracle)
