# SPDX-License-Identifier: Apache-2.0
"""Emitted projects that sort, place and draw, held to the simulator's bits."""

import os
import tempfile
import unittest

import numpy as np

from emitted import NAME, Emitted, build, write_package

# What orders and places elements; random_below and fixed_exp2 are what tokens are drawn with.
ORDERED = """oig 1
dim 1 <= N <= 9
graph (x: f32[N, 300], ids: i32[2], rows: f32[2, 300], counter: u64[N, 1], seed: u64[], q: i32[N, 300]) -> (sorted: f32[N, 300], places: i32[N, 300], most: f32[N, 7], best: i32[N, 7], back: i32[N, 7], put: f32[7, N], drawn: u64[N, 1], weights: u64[N, 300]) {
  sorted, places = sort(x, descending=true)
  most, best = top_k(x, k=7)
  back = flip(best, axes=[0, 1])
  turned = transpose(most)
  some = slice(rows, axis=1, begin=0, end=1)
  column = broadcast(some, shape=[2, N])
  put = scatter(turned, ids, column)
  whole = fixed_exp2(q)
  wide = cast(whole, dtype=u64)
  weights = cumsum(wide)
  total = slice(weights, axis=1, begin=299, end=300)
  drawn = random_below(counter, seed, total)
  return sorted, places, most, best, back, put, drawn, weights
}
"""


class Order(Emitted):
    """Elements are compared and moved, integers added: every output has the simulator's bits."""
    @classmethod
    def setUpClass(cls):
        cls.graph = os.path.join(tempfile.gettempdir(), f"emit_test.{os.getpid()}.ordered.oig")
        emit = cls.make("--graph", cls.graph, "--name", NAME, "--check-data")
        with open(cls.graph, "w", encoding="utf-8") as file:
            file.write(ORDERED)
        cls.addClassCleanup(os.remove, cls.graph)
        write_package(cls.package)
        emit()
        build(cls.project, os.path.join(cls.project, "b"))

    def arrays(self, rows, ids=(6, 0)):
        random = np.random.default_rng(rows)
        x = random.integers(-40, 40, (rows, 300)) / 8
        x[0, ::50], x[0, 7::90] = np.nan, -np.inf
        arrays = {"x": x.astype("<f4"), "ids": np.array(ids, "<i4"), "rows": random.normal(size=(2, 300)).astype("<f4"),
                  "counter": np.arange(rows, dtype="<u8")[:, None] + (5 << 32), "seed": np.array(2**63 + 9, "<u8"),
                  "q": random.integers(-2**21, 1, (rows, 300)).astype("<i4")}
        for name, array in arrays.items():
            np.save(self.path(name + ".npy"), array)
        return [part for name in arrays for part in ("--input", f"{name}={name}.npy")]

    def test_equals_the_simulator(self):
        names = ("sorted", "places", "most", "best", "back", "put", "drawn", "weights")
        outputs = lambda to: [part for name in names for part in ("--output", f"{name}={name}{to}.npy")]
        for rows in (1, 9):
            inputs = self.arrays(rows)
            self.model_works(*inputs, *outputs(""), *self.FLAGS)
            self.works("run", self.package, "--backend", "sim", "--graph", self.graph, *inputs, *outputs("_sim"))
            for name in names:
                found, expected = np.load(self.path(f"{name}.npy")), np.load(self.path(f"{name}_sim.npy"))
                self.assertEqual(found.dtype, expected.dtype)
                np.testing.assert_array_equal(found, expected, name)

    def test_check(self):
        self.model_works("--check", *self.FLAGS)

    def test_ids_are_checked(self):
        self.model_fails(*self.arrays(2, (0, 7)), "--output", "put=put.npy", says=["ids[1] is 7", "[0, 7)"])


if __name__ == "__main__":
    unittest.main()
