#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/ops/oracle/<name>.oinf from scripts/op_oracle/<name>.py: what operators must compute, by NumPy or
PyTorch. The layout is written down in scripts/op_oracle/README.md.

    scripts/make_op_oracle.py            all
    scripts/make_op_oracle.py norm cast  these
"""

import importlib
import pathlib
import sys
import zlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE / "op_oracle"))
import opnf  # noqa: E402
from values import Typed, typed  # noqa: E402

OUT = HERE.parent / "tests" / "ops" / "oracle"


def dims_text(shape) -> str:
    return "[" + ", ".join(str(d) for d in shape) + "]"


class Oracle:
    """Collects the cases of one package."""

    def __init__(self, name: str):
        self.name, self.cases = name, []
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))

    def case(self, line, inputs=(), outputs=(), rule="exact", *, scale=None, dims=(), shapes=None, out_shapes=None,
             weights=None, declare=()):
        """One case; see README.md. `declare`: further lines before `graph`."""
        i = len(self.cases)
        inputs = [typed(x) for x in inputs]
        outputs = [typed(y) for y in outputs]
        weights = {k: typed(w) for k, w in (weights or {}).items()}
        text = ["oig 1"]
        text += [f"dim 0 <= {n} <= 64" for n in dims]
        text += [f"weight @case.{i}.{k} : {w.dtype}{dims_text(w.shape)}" for k, w in weights.items()]
        text += list(declare)
        shapes = shapes or [x.shape for x in inputs]
        out_shapes = out_shapes or [y.shape for y in outputs]
        params = ", ".join(f"x{k}: {x.dtype}{dims_text(s)}" for k, (x, s) in enumerate(zip(inputs, shapes)))
        results = ", ".join(f"y{k}: {y.dtype}{dims_text(s)}" for k, (y, s) in enumerate(zip(outputs, out_shapes)))
        lines = [line] if isinstance(line, str) else list(line)
        text += [f"graph ({params}) -> ({results}) {{"]
        text += ["  " + statement.replace("@w", f"@case.{i}.w") for statement in lines]
        text += ["  return " + ", ".join(f"y{k}" for k in range(len(outputs))), "}"]
        scales = [np.broadcast_to(np.asarray(s, "f8"), y.shape) for s, y in zip(scale or [], outputs)]
        if rule.startswith("sum:") != bool(scales):
            raise ValueError(f"{self.name} case {i}: the rule {rule} and scale do not belong together")
        self.cases.append(("\n".join(text) + "\n", rule, inputs, outputs, scales, weights))

    def write(self):
        OUT.mkdir(parents=True, exist_ok=True)
        w = opnf.Writer(OUT / f"{self.name}.oinf", alignment=64)
        w.meta("cases", len(self.cases))
        for i, (text, rule, inputs, outputs, scales, weights) in enumerate(self.cases):
            w.meta(f"case.{i}.graph", text)
            w.meta(f"case.{i}.rule", rule)
            named = [(f"x{k}", x) for k, x in enumerate(inputs)] + [(f"y{k}", y) for k, y in enumerate(outputs)]
            named += [(f"scale{k}", Typed("f64", s)) for k, s in enumerate(scales)] + list(weights.items())
            for name, t in named:
                w.tensor(f"case.{i}.{name}", t.dtype, t.shape, t.raw, transposed=t.transposed)
        w.write()
        return (OUT / f"{self.name}.oinf").stat().st_size


def main(names):
    known = sorted(p.stem for p in (HERE / "op_oracle").glob("*.py") if p.stem != "values")
    for name in names or known:
        if name not in known:
            sys.exit(f"no scripts/op_oracle/{name}.py; there are {', '.join(known)}")
        oracle = Oracle(name)
        # Infinities, NaNs and wrapping are what the cases are about.
        with np.errstate(all="ignore"):
            importlib.import_module(name).cases(oracle)
        print(f"{name}: {len(oracle.cases)} cases, {oracle.write()} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
