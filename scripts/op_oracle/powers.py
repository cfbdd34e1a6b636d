# SPDX-License-Identifier: Apache-2.0
"""log1p expm1 softplus pow, in x86's 80-bit long double and rounded once. f16 and bf16 are computed in f32 and rounded:
within one number of the correctly rounded result."""

import numpy as np
from values import FLOATS, Typed, pairs, random, special

L = np.longdouble


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# The C library's functions stay below 2 ULP (glibc's manual, "Known Maximum Errors in Math Functions"); softplus adds
# the exponential's, which log1p hands on, and a sum's.
FUNCTIONS = {"log1p": (np.log1p, 2), "expm1": (np.expm1, 2), "softplus": (softplus, 4)}


def inputs(oracle, dtype):
    """Specials, and magnitudes from 2^-30 to the range where functions saturate."""
    spread = oracle.rng.standard_normal(90) * np.exp2(oracle.rng.integers(-30, 8, 90))
    ends = [-1, -1 + 2.0**-12, -0.5, 0.34657, -0.34657, 20, -20, 88.7, -104, 2.0**24]
    return Typed(dtype, np.concatenate([special(dtype).f64, spread, np.linspace(-12, 12, 49), ends]))


def cases(oracle):
    for name, (f, distance) in FUNCTIONS.items():
        for dtype in FLOATS:
            x = inputs(oracle, dtype)
            rule = f"ulp:{distance if dtype in ('f64', 'f32') else 1}"
            oracle.case(f"y0 = {name}(x0)", [x], [Typed(dtype, f(x.values.astype(L)).astype("f8"))], rule)
        x = random(oracle.rng, "f32", (2, 3))
        oracle.case(f"y0 = {name}(x0)", [x], [Typed("f32", f(x.values.astype(L)).astype("f8"))], f"ulp:{distance}")
    for dtype in FLOATS:
        rule = "ulp:1"  # the C library's pow stays below 1 ULP
        bases = np.concatenate([special(dtype).f64, [-1, -2, -8, 1.5, 1 + 2.0**-7, 10]])
        powers = np.concatenate([special(dtype).f64, [-1, -2, 3, 1 / 3, 0.5, 2.5, -7, 101, 127]])
        a, b = pairs(Typed(dtype, bases), Typed(dtype, powers))
        oracle.case("y0 = pow(x0, x1)", [a, b], [Typed(dtype, np.power(a.values.astype(L), b.values.astype(L)).astype("f8"))], rule)
        a = Typed(dtype, np.exp(oracle.rng.standard_normal(300) * 3))
        b = Typed(dtype, oracle.rng.standard_normal(300) * 6)
        oracle.case("y0 = pow(x0, x1)", [a, b], [Typed(dtype, np.power(a.values.astype(L), b.values.astype(L)).astype("f8"))], rule)
    x = Typed("f32", np.abs(random(oracle.rng, "f32", (3, 5)).f64))
    oracle.case("y0 = pow(x0, 0.5)", [x], [Typed("f32", np.sqrt(x.f64))], "ulp:1",
                dims=["N"], shapes=[("N", 5)], out_shapes=[("N", 5)])
