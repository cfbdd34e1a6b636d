# SPDX-License-Identifier: Apache-2.0
"""expert_matmul by numpy.matmul in long double, one row and choice at a time."""

import numpy as np
from gguf import GGMLQuantizationType, quants
from matmul import bound
from values import FLOATS, Typed, random

L = np.longdouble


def case(oracle, x: Typed, w: Typed, ids, w_values=None, **more):
    ids = np.array(ids, "i4")
    a, b = x.values.astype(L), (w.values if w_values is None else w_values).astype(L)
    rows = np.repeat(a[:, None], ids.shape[1], 1) if a.ndim == 2 else a
    y, scale = (np.einsum("njk,njkm->njm", p, q[ids]) for p, q in ((rows, b), (np.abs(rows), np.abs(b))))
    stored = w_values is not None
    line = f"y0 = expert_matmul(x0, {'@w' if stored else 'x1'}, ids={'x1' if stored else 'x2'})"
    oracle.case(line, [x, ids] if stored else [x, w, ids], [Typed(x.dtype, y.astype("f8"))], bound(x.shape[-1]), scale=[scale.astype("f8")],
                weights={"w": w} if stored else None, **more)


def stored(oracle, dtype: str, transposed: bool, like: str = "f32"):
    """Experts of a package, (5, out, in) or (5, in, out) as they lie."""
    rng = oracle.rng
    if dtype in FLOATS:
        t = random(rng, dtype, (5, 7, 18))
        raw, values = t.raw, t.values
    else:
        kind = GGMLQuantizationType[dtype.upper()]
        data = quants.quantize((rng.standard_normal((5, 7, 64)) * 0.5).astype("f4"), kind)
        raw, values = data.tobytes(), quants.dequantize(data, kind)
    logical = np.swapaxes(values, 1, 2) if transposed else values
    w = Typed(dtype, raw, logical.shape, transposed=transposed)
    K = logical.shape[1]
    case(oracle, random(rng, like, (3, K)), w, [[0, 4], [2, 2], [4, 0]], np.ascontiguousarray(logical))
    case(oracle, random(rng, like, (2, 3, K)), w, [[1, 0, 4], [1, 3, 2]], np.ascontiguousarray(logical))


def cases(oracle):
    rng = oracle.rng
    for dtype in FLOATS:
        case(oracle, random(rng, dtype, (3, 37)), random(rng, dtype, (4, 37, 5)), [[3, 0], [0, 1], [2, 3]])
        case(oracle, random(rng, dtype, (3, 2, 16)), random(rng, "f32", (4, 16, 5)), [[3, 0], [0, 1], [2, 3]])
        stored(oracle, dtype if dtype != "f64" else "f32", True, dtype)
    for dtype in ("f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_1"):
        stored(oracle, dtype, True)
        stored(oracle, dtype, False)
    case(oracle, random(rng, "f32", (1, 1)), random(rng, "f32", (1, 1, 1)), [[0]])
    case(oracle, random(rng, "f32", (0, 5)), random(rng, "f32", (2, 5, 3)), np.zeros((0, 2)))
    case(oracle, random(rng, "f32", (2, 5)), random(rng, "f32", (2, 5, 3)), np.zeros((2, 0)))
    case(oracle, random(rng, "f32", (2, 8)), random(rng, "f32", (3, 8, 70)), [[1, 2], [0, 1]], dims=["N"], shapes=[("N", 8), (3, 8, 70), ("N", 2)],
         out_shapes=[("N", 2, 70)])
