# SPDX-License-Identifier: Apache-2.0
"""gather, by numpy.take: exact, since it only moves elements or decodes them."""

import numpy as np
from gguf import GGMLQuantizationType, quants
from values import PLAIN, Typed, random, special


def take(table: Typed, ids, axis=0) -> Typed:
    y = Typed.__new__(Typed)
    y.dtype, y.transposed = table.dtype, False
    bits = table.bits.reshape(table.shape) if table.dtype == "bf16" else table.values
    out = np.array(np.take(bits, ids, axis=axis), order="C")
    y.shape, y.raw = out.shape, out.tobytes()
    return y


def case(oracle, table: Typed, ids, axis=0, ids_dtype="i32", **more):
    ids = np.array(ids, {"i32": "i4", "i64": "i8"}[ids_dtype])
    suffix = f", axis={axis}" if axis else ""
    oracle.case(f"y0 = gather(x0, x1{suffix})", [table, ids], [take(table, ids, axis)], **more)


def weight(oracle, dtype, ids, rows, transposed=False):
    """A package tensor (V, D), stored as it is or as (D, V)."""
    rng = oracle.rng
    ids = np.array(ids, "i4")
    if dtype.startswith("q"):
        kind = GGMLQuantizationType[dtype.upper()]
        block, size = quants.GGML_QUANT_SIZES[kind]
        raw = rng.integers(0, 256, (rows, 2 * size), dtype="u1")
        for b in range(2):
            raw[:, b * size:b * size + 2] = rng.uniform(0.01, 1, (rows, 1)).astype("f2").view("u1")
        stored, values = raw.tobytes(), quants.dequantize(raw, kind)
    else:
        t = random(rng, dtype, (rows, 6))
        stored, values = t.raw, t.values
    logical = values.T if transposed else values
    w = Typed(dtype, stored, logical.shape, transposed=transposed)
    out = "f32" if dtype.startswith("q") else dtype
    oracle.case("y0 = gather(@w, x0)", [ids], [Typed(out, np.take(logical, ids, axis=0))], weights={"w": w})


def cases(oracle):
    rng = oracle.rng
    for dtype in PLAIN:
        case(oracle, random(rng, dtype, (5, 3)), [4, 0, 0, 2])
        values = special(dtype)
        case(oracle, values, np.arange(values.values.size)[::-1], ids_dtype="i64")
    for shape, axis in (((7,), 0), ((2, 5), 1), ((2, 5, 3), 1), ((2, 5, 3), -1), ((2, 5, 3), 0), ((1, 1), 0), ((4, 1, 6), 2)):
        v = shape[axis]
        for ids_shape in ((3,), (), (2, 2), (0,), (1, 1, 2)):
            case(oracle, random(rng, "f32", shape), rng.integers(0, v, ids_shape), axis)
    case(oracle, Typed("f32", np.zeros((3, 0))), [2, 1])
    case(oracle, Typed("f32", np.zeros((0, 3))), np.zeros(0, "i4"))
    case(oracle, random(rng, "f32", (5, 3)), [1, 4], dims=["N"], shapes=[(5, 3), ("N",)], out_shapes=[("N", 3)])
    for dtype in ("f32", "bf16", "i16", "q4_0", "q4_1", "q8_0"):
        for transposed in (False, True):
            weight(oracle, dtype, [2, 0, 2, 1], 3, transposed)
    weight(oracle, "q4_0", [[63, 31], [32, 0]], 5, True)
