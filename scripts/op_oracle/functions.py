# SPDX-License-Identifier: Apache-2.0
"""exp log sqrt rsqrt sin cos tanh erf sigmoid silu gelu gelu_tanh, in x86's 80-bit long double (erf: f64) and rounded
once. f16 and bf16 are computed in f32 and rounded: within one number of the correctly rounded result."""

import math

import numpy as np
from values import FLOATS, LARGEST, Typed, random, special

L = np.longdouble
erf = np.vectorize(math.erf, otypes=["f8"])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    return x / 2 * (1 + erf((x * np.sqrt(L(0.5))).astype("f8")))


def gelu_tanh(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / L(math.pi)) * (x + L("0.044715") * x * x * x)))


# name: (definition, allowed distance in f32 and f64). The C library's functions: below 1 ULP, tanh 2 (glibc's manual,
# "Known Maximum Errors in Math Functions"); what is built of them adds half a ULP for each further rounding.
FUNCTIONS = {"exp": (np.exp, 1), "log": (np.log, 1), "sqrt": (np.sqrt, 0), "rsqrt": (lambda x: 1 / np.sqrt(x), 2),
             "sin": (np.sin, 1), "cos": (np.cos, 1), "tanh": (np.tanh, 2), "erf": (erf, 2), "sigmoid": (sigmoid, 4),
             "silu": (silu, 4)}


def inputs(oracle, dtype):
    """Specials, and magnitudes from 2^-20 to the range where functions saturate."""
    spread = oracle.rng.standard_normal(90) * np.exp2(oracle.rng.integers(-20, 8, 90))
    return Typed(dtype, np.concatenate([special(dtype).f64, spread, np.linspace(-12, 12, 49)]))


def computed(f, x, distance):
    """In long double; what is exact (sqrt) in f64, where IEEE 754 rounds it once."""
    return f(x.f64) if distance == 0 else f(x.values.astype(L)).astype("f8")


def rule(name, dtype, distance):
    distance = distance if dtype in ("f64", "f32") else 1
    # exp(−x) overflows where x < −log(largest): the result is then 0 instead of a number below |x| / largest.
    largest = LARGEST["f64"] if dtype == "f64" else LARGEST["f32"]
    floor = {"sigmoid": 1 / largest, "silu": math.log(largest) / largest}.get(name)
    if distance == 0:
        return "exact"
    return f"ulp:{distance}" + (f":{float(floor * 1.01)!r}" if floor else "")


def cases(oracle):
    for name, (f, distance) in FUNCTIONS.items():
        for dtype in FLOATS:
            x = inputs(oracle, dtype)
            oracle.case(f"y0 = {name}(x0)", [x], [Typed(dtype, computed(f, x, distance))],
                        rule(name, dtype, distance if name != "sqrt" or dtype in ("f64", "f32") else 1))
        for shape in ((), (1,), (0,), (2, 3)):
            x = Typed("f32", np.abs(random(oracle.rng, "f32", shape).f64) + 0.1)
            oracle.case(f"y0 = {name}(x0)", [x], [Typed("f32", f(x.values.astype(L)).astype("f8"))], rule(name, "f32", distance or 1))
    for name, f in (("gelu", gelu), ("gelu_tanh", gelu_tanh)):
        for dtype in FLOATS:
            x = inputs(oracle, dtype)
            # 1 + erf cancels for x < 0: the error is relative to x/2 · 1, of which erf (2 ULP), its argument, the
            # sum and the products each lose a few eps; tanh's argument loses four roundings on the way.
            oracle.case(f"y0 = {name}(x0)", [x], [Typed(dtype, f(x.values.astype(L)).astype("f8"))], "sum:4", scale=[np.abs(x.f64)])
    x = random(oracle.rng, "f32", (3, 5))
    oracle.case(["a = x0 * 2", "y0 = silu(a)"], [x], [Typed("f32", silu(x.values.astype(L) * 2).astype("f8"))], "ulp:4",
                dims=["N"], shapes=[("N", 5)], out_shapes=[("N", 5)])
