# SPDX-License-Identifier: Apache-2.0
"""floor_div and rem where a rounded quotient is beside a whole number, on every backend, by exact fractions and NumPy."""

import math
import unittest
from fractions import Fraction

import numpy as np

import tiny_llama
from harness import BACKENDS, Case

# Bits of the significand, and beyond which quotient no remainder is told.
FORMATS = {"f32": (np.float32, 24, 2**22), "f64": (np.float64, 53, 2**51)}


def pairs(real, digits, limit):
    """a = n · b to nearest and up to two numbers beside it, for whole n up to the limit, and b of all sizes."""
    random = np.random.default_rng(5)
    largest = 1000 if real is np.float64 else 100
    found = []
    with np.errstate(all="ignore"):
        for exponent in (0, 1, -1, 20, -20, largest - digits, -largest // 2, digits - largest):
            for n in [1, 2, 3, 7, *(int(limit * 2.0 ** -random.uniform(0, digits - 3)) + 1 for _ in range(40))]:
                b = real(math.ldexp(random.choice([1.0, 3.0, 1 + 2.0 ** (1 - digits), 2 - 2.0 ** (1 - digits), random.uniform(1, 2)]), int(exponent)))
                a = real(n) * b
                for step in range(-2, 3):
                    near = a
                    for _ in range(abs(step)):
                        near = np.nextafter(near, real(math.copysign(np.inf, step)))
                    found += [(s * near, t * b) for s in (1, -1) for t in (1, -1)]
                found.append((b, a))  # a quotient below one
    found += [(real(a), real(b)) for a in (-1e-30, 1e-30, 0.0, 5.5) for b in (1, -1, 3e30)]
    usual = [(a, b) for a, b in found if np.isfinite(a) and a != 0 and abs(Fraction(float(a)) / Fraction(float(b))) < limit // 2]
    return (np.array([p[i] for p in usual], real) for i in range(2))


class FloorDiv(Case):
    def test_beside_whole_numbers(self):
        tiny_llama.write(self.path("m.oinf"))
        for dtype, (real, digits, limit) in FORMATS.items():
            a, b = pairs(real, digits, limit)
            np.save(self.path("a.npy"), a), np.save(self.path("b.npy"), b)
            self.write("g.oig", f"oig 1\ndim 0 <= N <= 100000\ngraph (a: {dtype}[N], b: {dtype}[N]) -> (q: {dtype}[N], r: {dtype}[N]) {{\n"
                       "  q = floor_div(a, b)\n  r = rem(a, b)\n  return q, r\n}\n")
            exact = [(Fraction(float(x)), Fraction(float(y))) for x, y in zip(a, b)]
            whole = [math.floor(x / y) for x, y in exact]
            quotient = np.array([float(n) for n in whole], real)
            remainder = np.array([real(float(x - n * y)) if real is np.float64 else rounded_f32(x - n * y) for n, (x, y) in zip(whole, exact)], real)
            self.assertGreater((np.floor(a / b) != quotient).sum(), 100, "quotients that are rounded up to whole numbers")
            np.testing.assert_array_equal(quotient, np.floor_divide(a, b))
            np.testing.assert_array_equal(remainder, np.remainder(a, b))
            for backend in BACKENDS:
                with self.subTest(dtype=dtype, backend=backend):
                    self.works("run", "m.oinf", "--graph", "g.oig", "--backend", backend, "--threads", "2", "--input", "a=a.npy", "--input", "b=b.npy",
                               "--output", "q=q.npy", "--output", "r=r.npy")
                    np.testing.assert_array_equal(np.load(self.path("q.npy")), quotient)
                    np.testing.assert_array_equal(np.load(self.path("r.npy")), remainder)


def rounded_f32(x):
    """To nearest, once: a double between two floats' middle and x would be rounded twice."""
    near = np.float32(float(x))
    around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    return min(around, key=lambda f: (abs(Fraction(float(f)) - x), int(np.float32(f).view(np.uint32)) & 1))


if __name__ == "__main__":
    unittest.main()
