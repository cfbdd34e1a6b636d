# SPDX-License-Identifier: Apache-2.0
"""matmul and linear by numpy.matmul in long double."""

import numpy as np
from gguf import GGMLQuantizationType, quants
from values import FLOATS, Typed, random

L = np.longdouble


def bound(K):
    # A term is rounded once as a product, in at most ⌈K/16⌉ − 1 additions to its partial sum and 4 of the tree; one
    # more stands for the bias, one for the second order.
    return f"sum:{-(-K // 16) + 6}"


def case(oracle, x: Typed, w: Typed, line="y0 = matmul(x0, x1)", bias=None, w_values=None, stored=None, **more):
    a, b = x.values.astype(L), (w.values if w_values is None else w_values).astype(L)
    if "transpose_w" in line:
        b = np.swapaxes(b, -1, -2)
    y, scale = np.matmul(a, b), np.matmul(np.abs(a), np.abs(b))
    inputs = [x] if stored else [x, w]
    if bias is not None:
        y, scale = y + bias.values.astype(L), scale + np.abs(bias.values.astype(L))
        inputs.append(bias)
    oracle.case(line, inputs, [Typed(x.dtype, y.astype("f8"))], bound(x.shape[-1]),
                scale=[np.nan_to_num(scale.astype("f8"))], weights={"w": w} if stored else None, **more)


def weight(oracle, dtype: str, rows: int, columns: int, transposed: bool, like: str = "f32"):
    """A package tensor whose blocks run along `columns`; transposed: the operator sees (columns, rows)."""
    rng = oracle.rng
    if dtype in FLOATS:
        t = random(rng, dtype, (rows, columns))
        raw, values = t.raw, t.values
    elif dtype == "f8e5m2":
        byte = (rng.integers(0, 256, (rows, columns)) & 0x9f | 0x30).astype("u1")  # of size 1/8 … 28
        raw = byte.tobytes()
        values = np.where(byte & 128, -1.0, 1.0) * (4 + (byte & 3)) * 2.0**((byte >> 2 & 31) - 17.0)
    else:
        kind = GGMLQuantizationType[dtype.upper()]
        block, size = quants.GGML_QUANT_SIZES[kind]
        values = (rng.standard_normal((rows, columns)) * 0.5).astype("f4")
        if dtype in ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0"):
            data = quants.quantize(values, kind)
        else:
            data = rng.integers(0, 256, (rows, columns // block * size), dtype="u1")
            at = {"q4_k": (0, 2), "q6_k": (208,)}[dtype]
            for b in range(columns // block):
                for offset in at:
                    data[:, b * size + offset:b * size + offset + 2] = rng.uniform(.001, .01, (rows, 1)).astype("f2").view("u1")
        raw, values = data.tobytes(), quants.dequantize(data, kind)
    logical = values.T if transposed else values
    w = Typed(dtype, raw, logical.shape, transposed=transposed)
    x = random(rng, like, (3, logical.shape[0]))
    case(oracle, x, w, "y0 = matmul(x0, @w)", w_values=np.ascontiguousarray(logical), stored=True)


def cases(oracle):
    rng = oracle.rng
    for dtype in FLOATS:
        case(oracle, random(rng, dtype, (3, 37)), random(rng, dtype, (37, 5)))
        case(oracle, random(rng, dtype, (3, 16)), random(rng, dtype, (5, 16)), "y0 = matmul(x0, x1, transpose_w=true)")
    case(oracle, random(rng, "f64", (2, 9)), random(rng, "f32", (9, 2)))
    case(oracle, random(rng, "f32", (2, 9)), random(rng, "bf16", (9, 2)))
    shapes = [((1, 1), (1, 1)), ((5,), (5, 3)), ((5,), (4, 5, 3)), ((2, 3, 5), (5, 4)), ((2, 3, 5), (2, 5, 4)),
              ((2, 1, 3, 5), (4, 5, 2)), ((3, 5), (2, 1, 5, 2)), ((1, 3, 5), (2, 5, 4)), ((2, 3, 5), (1, 5, 4)),
              ((33, 129), (129, 67)), ((1, 1000), (1000, 3)), ((0, 5), (5, 3)), ((3, 5), (5, 0)), ((2, 0, 5), (2, 5, 1))]
    for x, w in shapes:
        case(oracle, random(rng, "f32", x), random(rng, "f32", w))
    case(oracle, random(rng, "f32", (2, 3, 5)), random(rng, "f32", (2, 4, 5)), "y0 = matmul(x0, x1, transpose_w=true)")
    oracle.case("y0 = matmul(x0, x1)", [np.zeros((2, 0), "f4"), np.zeros((0, 3), "f4")], [np.zeros((2, 3), "f4")])
    case(oracle, random(rng, "f32", (3, 8)), random(rng, "f32", (8, 5)), dims=["N"], shapes=[("N", 8), (8, 5)],
         out_shapes=[("N", 5)])
    special(oracle)
    for dtype in ("f32", "f16", "bf16", "f8e5m2", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"):
        weight(oracle, dtype, 5, 64, True)
        weight(oracle, dtype, 5, 64, False)
    for dtype in ("q4_k", "q6_k"):
        weight(oracle, dtype, 3, 512, True)
        weight(oracle, dtype, 2, 256, False)
    for like in ("f16", "bf16", "f64"):
        weight(oracle, "q8_0", 5, 64, True, like)
    weight(oracle, "f64", 5, 17, True, "f64")
    for dtype in FLOATS:
        case(oracle, random(rng, dtype, (3, 21)), random(rng, dtype, (21, 5)), "y0 = linear(x0, x1, x2)", random(rng, "f32", 5))
    case(oracle, random(rng, "f32", (2, 3, 21)), random(rng, "f32", (21, 1)), "y0 = linear(x0, x1, x2)", random(rng, "f16", 1))
    case(oracle, random(rng, "f16", 21), random(rng, "f16", (21, 4)), "y0 = linear(x0, x1, x2)", random(rng, "f64", 4))


def special(oracle):
    inf, nan, tiny = np.inf, np.nan, 2.0**-149
    x = Typed("f32", [[1, 2, nan], [inf, 1, 1], [-inf, inf, 0], [0, -0.0, 0], [tiny, 0, 0], [3e38, 3e38, 0]])
    case(oracle, x, Typed("f32", [[1, 0, 2], [1, 1, 0], [1, 0, 0]]))
    case(oracle, Typed("f16", [[65504, 65504, -65504]]), Typed("f16", [[1], [1], [1]]))  # the sum fits, its parts do not
    case(oracle, Typed("f16", [[65504, 65504]]), Typed("f16", [[1], [1]]))  # infinite only when rounded
