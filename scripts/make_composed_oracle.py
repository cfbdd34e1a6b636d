#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/ops/composed_oracle.oinf: what conv1d, conv2d, pooling and einsum must compute, by PyTorch in float64 (whole numbers:
int64). These are functions of C++ that make graphs of other operators, so a case names the function and its settings instead of a graph.

usage: make_composed_oracle.py     by hand, never in CI: needs torch. The same script, NumPy and torch give the same bytes.

For each case i = 0, 1, …, with `cases` (metadata, i64) of them:
  case.<i>.op       conv1d, conv2d, max_pool1d, …, or einsum
  case.<i>.formula  einsum: its formula
  case.<i>.<name>   others: size, stride, padding, dilation (i64[], one or two), groups, count_padding, as far as the function has them
  case.<i>.x<k>     the operands: x, w and bias of a convolution
  case.<i>.y        what is wanted; case.<i>.rule and case.<i>.scale as scripts/op_oracle/README.md has them
"""

import itertools
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE / "op_oracle"))
import opnf  # noqa: E402
from values import FLOATS, INTEGERS, NUMPY, Typed, random  # noqa: E402

OUT = HERE.parent / "tests" / "ops" / "composed_oracle.oinf"
DIGITS = {"f64": 53, "f32": 24, "f16": 11, "bf16": 8}
KIND = {1: (F.conv1d, F.max_pool1d, F.avg_pool1d), 2: (F.conv2d, F.max_pool2d, F.avg_pool2d)}


def wide(x: Typed) -> torch.Tensor:
    return torch.from_numpy(x.f64.copy() if x.dtype in FLOATS else x.values.astype("i8"))


class Cases:
    def __init__(self):
        self.rng, self.all = np.random.default_rng(20250), []

    def draw(self, dtype: str, shape) -> Typed:
        if dtype in FLOATS:
            return random(self.rng, dtype, shape, 1.0)
        low = 0 if dtype.startswith("u") else -9  # products and their sums fit every integer
        return Typed(dtype, self.rng.integers(low, 10, shape).astype(NUMPY[dtype]))

    def add(self, op: str, settings: dict, operands, wanted: torch.Tensor, dtype: str, c: float = 0, scale: torch.Tensor | None = None, roundings: int = 0):
        """`c` roundings of sums of magnitude `scale`; 0: exact. `roundings`: of values as large as `scale` to the dtype of the result on the way."""
        entry = {"op": op, "operands": operands, "settings": settings, "wanted": Typed(dtype, wanted.numpy()), "rule": "exact"}
        if c:
            eps = 2.0 ** -(53 if dtype == "f64" else 24)
            way = roundings * 2.0 ** -DIGITS[dtype] / (c * eps)
            entry |= {"rule": f"sum:{c}", "scale": Typed("f64", scale.double().numpy() * (1 + way))}
        self.all.append(entry)

    def write(self):
        w = opnf.Writer(OUT, alignment=64)
        w.meta("cases", len(self.all))
        for i, case in enumerate(self.all):
            w.meta(f"case.{i}.op", case["op"])
            w.meta(f"case.{i}.rule", case["rule"])
            for key, value in case["settings"].items():
                w.meta(f"case.{i}.{key}", value)
            named = [(f"x{k}", x) for k, x in enumerate(case["operands"])] + [("y", case["wanted"])] + [(n, case[n]) for n in ("scale",) if n in case]
            for name, t in named:
                w.tensor(f"case.{i}.{name}", t.dtype, t.shape, t.raw)
        w.write()


def conv(cases, x_shape, w_shape, dtype="f32", bias=True, groups=1, stride=None, padding=None, dilation=None):
    axes = len(x_shape) - 2
    how = {"stride": stride or [1] * axes, "padding": padding or [0] * axes, "dilation": dilation or [1] * axes}
    x, w = cases.draw(dtype, x_shape), cases.draw(dtype, w_shape)
    b = cases.draw(dtype, w_shape[:1]) if bias else None
    run = lambda f: KIND[axes][0](f(x), f(w), f(b) if bias else None, groups=groups, **{k: tuple(v) for k, v in how.items()})  # noqa: E731
    sizes = run(lambda t: wide(t).abs())
    # Products of `taps` terms in f32 (f64), one rounding each and to add them; the product is rounded before the bias is added.
    taps = int(np.prod(w_shape[1:]))
    cases.add(f"conv{axes}d", how | {"groups": groups}, [x, w] + [b] * bias, run(wide), dtype, taps + 2, sizes, roundings=int(bias))


def pool(cases, shape, dtype="f32", size=None, stride=None, padding=None, dilation=None, count_padding=False, special=False, value=None):
    axes = len(shape) - 2
    size, stride, padding = size or [2] * axes, stride or [0] * axes, padding or [0] * axes
    x = cases.draw(dtype, shape)
    if value is not None:
        x = Typed(dtype, np.full(shape, value))
    if special:
        values = x.f64.copy()
        values.ravel()[::5], values.ravel()[3::7] = -np.inf, np.nan
        x = Typed(dtype, values)
    steps = tuple(s or k for s, k in zip(stride, size))
    how = {"size": size, "stride": stride, "padding": padding, "dilation": dilation or [1] * axes}
    # Whole numbers as doubles: PyTorch has no maximum of int64, and these are small.
    cases.add(f"max_pool{axes}d", how, [x], KIND[axes][1](wide(x).double(), tuple(size), steps, tuple(padding), tuple(how["dilation"])), dtype)
    if dtype in INTEGERS or dilation or special:
        return  # PyTorch's mean has no dilation
    mean = lambda t: KIND[axes][2](t, tuple(size), steps, tuple(padding), count_include_pad=count_padding)  # noqa: E731
    # As above; a sum in the dtype of x may stand before the division.
    taps = int(np.prod(size))
    cases.add(f"avg_pool{axes}d", how | {"count_padding": count_padding}, [x], mean(wide(x)), dtype, taps + 3, mean(wide(x).abs()), roundings=1)


def einsum(cases, formula, shapes, dtype="f32"):
    x = [cases.draw(dtype, s) for s in shapes]
    labels = formula.replace(" ", "").split("->")[0].split(",")
    extents = {c: n for part, shape in zip(labels, shapes) for c, n in zip(part, shape)}
    summed = int(np.prod([n for c, n in extents.items() if c not in formula.split("->")[1]]))
    wanted = torch.einsum(formula, *[wide(t) for t in x])
    if dtype in INTEGERS:
        return cases.add("einsum", {"formula": formula}, x, wanted, dtype)
    # Each of the sums and products on the way rounds to the dtype of the operands.
    cases.add("einsum", {"formula": formula}, x, wanted, dtype, summed + 2 * len(x), torch.einsum(formula, *[wide(t).abs() for t in x]), roundings=2 * len(x))


def convolutions(cases):
    for dtype, axes in itertools.product(FLOATS, (1, 2)):
        conv(cases, (2, 3) + (9, 7)[:axes], (5, 3) + (3, 2)[:axes], dtype, stride=[2, 1][:axes], padding=[1, 2][:axes])
        conv(cases, (1, 4) + (8, 6)[:axes], (6, 2) + (2, 3)[:axes], dtype, bias=False, groups=2, dilation=[2, 1][:axes])
    for stride, padding, dilation, k in itertools.product((1, 2, 3), (0, 1, 4), (1, 3), (1, 2, 5)):
        if 13 + 2 * padding >= dilation * (k - 1) + 1:
            conv(cases, (1, 2, 13), (3, 2, k), bias=k == 2, stride=[stride], padding=[padding], dilation=[dilation])
    for stride, padding, dilation in itertools.product(([1, 1], [2, 3], [3, 1]), ([0, 0], [2, 1], [0, 3]), ([1, 1], [1, 2], [3, 2])):
        conv(cases, (1, 2, 8, 9), (3, 2, 2, 3), bias=False, stride=stride, padding=padding, dilation=dilation)
    for groups, channels, filters in ((1, 6, 4), (2, 6, 4), (3, 6, 6), (6, 6, 6), (6, 6, 12), (1, 1, 1)):
        conv(cases, (2, channels, 7), (filters, channels // groups, 3), groups=groups, padding=[1])
        conv(cases, (1, channels, 5, 4), (filters, channels // groups, 3, 2), groups=groups, padding=[1, 0])
    conv(cases, (0, 3, 5), (2, 3, 3))                       # no rows
    conv(cases, (0, 2, 5, 4), (2, 2, 3, 3), bias=False)
    conv(cases, (1, 1, 1), (1, 1, 1))                       # one of everything
    conv(cases, (3, 1, 1, 1), (2, 1, 1, 1))
    conv(cases, (1, 2, 3), (2, 2, 3))                       # one window
    conv(cases, (1, 2, 1, 1), (2, 2, 3, 3), padding=[1, 1])  # mostly padding
    conv(cases, (1, 17, 33), (19, 17, 5), padding=[2])      # more than a vector of everything
    conv(cases, (1, 5, 1, 35), (7, 5, 1, 11), stride=[1, 2])


def pools(cases):
    for dtype in FLOATS + INTEGERS:
        pool(cases, (2, 3, 9), dtype, size=[3], stride=[2], padding=[1])
        pool(cases, (1, 2, 7, 6), dtype, size=[3, 2], stride=[2, 1], padding=[1, 0])
    for size, stride, padding, count in itertools.product((1, 2, 5), (0, 1, 3), (0, 1, 2), (False, True)):
        if 2 * padding <= size:
            pool(cases, (1, 2, 13), size=[size], stride=[stride], padding=[padding], count_padding=count)
    for size, stride, padding in itertools.product(([2, 3], [1, 4]), ([0, 0], [1, 2]), ([0, 0], [0, 1])):
        pool(cases, (1, 2, 6, 9), size=size, stride=stride, padding=padding, count_padding=stride == [1, 2])
    pool(cases, (1, 2, 13), size=[3], stride=[1], padding=[1], dilation=[2])
    pool(cases, (1, 2, 9, 8), size=[2, 3], stride=[1, 2], padding=[1, 0], dilation=[3, 2])
    pool(cases, (2, 2, 11), size=[3], stride=[1], padding=[1], special=True)
    pool(cases, (1, 2, 5, 7), "f16", size=[3, 2], stride=[1, 1], padding=[1, 1], special=True)
    pool(cases, (0, 2, 5), size=[2])
    pool(cases, (0, 2, 5, 4), size=[2, 2])
    pool(cases, (1, 1, 1), size=[1])
    pool(cases, (1, 1, 1, 1), size=[1, 1])
    pool(cases, (1, 3, 2), size=[2])


FORMULAS = [("ij,jk->ik", [(3, 5), (5, 4)]), ("ij,jk->ki", [(3, 17), (17, 2)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]), ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]),
            ("i,i->", [(9,), (9,)]), ("i,j->ij", [(3,), (4,)]), ("ij->ji", [(3, 4)]), ("ij->", [(3, 4)]), ("ijk->j", [(2, 3, 4)]), ("i->i", [(5,)]),
            ("bhqd,bhkd->bhqk", [(1, 2, 3, 8), (1, 2, 5, 8)]), ("bhqk,bhkd->bqhd", [(1, 2, 3, 5), (1, 2, 5, 8)]), ("ijk,lk->ijl", [(2, 3, 4), (5, 4)]),
            ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 2)]), ("ab,ab,ab->b", [(3, 4)] * 3), ("ij,j->i", [(4, 1), (1,)]), ("ij,jk->ik", [(1, 1), (1, 1)]),
            ("ij,ik->jk", [(0, 3), (0, 2)]), ("ij,jk->ik", [(0, 3), (3, 2)]), ("bi,bi->b", [(3, 0), (3, 0)]), ("ijk,jki->i", [(2, 3, 4), (3, 4, 2)]),
            ("aBc,cB->Ba", [(2, 3, 4), (4, 3)]), ("ij,kl->", [(2, 3), (2, 2)]), (",i->i", [(), (3,)])]


def einsums(cases):
    for formula, shapes in FORMULAS:
        einsum(cases, formula, shapes)
    for dtype in ("f64", "f16", "bf16", "i32", "i64", "u16"):
        for formula, shapes in FORMULAS[:4] + FORMULAS[8:9] + FORMULAS[13:14]:
            einsum(cases, formula, shapes, dtype)


def main():
    torch.set_num_threads(1)
    cases = Cases()
    convolutions(cases)
    pools(cases)
    einsums(cases)
    # A sum beyond f16, a mean within it.
    pool(cases, (1, 2, 9), "f16", size=[3], stride=[1], padding=[1], value=60000)
    pool(cases, (1, 1, 5, 4), "f16", size=[2, 2], stride=[1, 1], padding=[1, 1], value=60000)
    cases.write()
    print(f"{len(cases.all)} cases, {OUT.stat().st_size} bytes, torch {torch.__version__.split('+')[0]}")


if __name__ == "__main__":
    main()
