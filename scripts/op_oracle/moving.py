# SPDX-License-Identifier: Apache-2.0
"""fill iota reshape transpose slice concat broadcast. All exact: elements are moved."""

import numpy as np
from values import FLOATS, NUMBERS, PLAIN, Typed, random, special


def moved(x, f):
    return Typed(x.dtype, f(x.values))


def cases(oracle):
    making(oracle)
    reshape(oracle)
    transpose(oracle)
    slices(oracle)
    concat(oracle)
    broadcast(oracle)


def making(oracle):
    for dtype in PLAIN:
        value = 1 if dtype == "bool" else 100
        oracle.case(f"y0 = fill(shape=[2, 3], value={value}, dtype={dtype})", [], [Typed(dtype, np.full((2, 3), value))])
        for text, shape in (("[]", ()), ("[0]", (0,)), ("[1, 5]", (1, 5))):
            oracle.case(f"y0 = fill(shape={text}, value=0, dtype={dtype})", [], [Typed(dtype, np.zeros(shape))])
    for dtype in FLOATS:
        oracle.case(f"y0 = fill(shape=[2], value=-0.1, dtype={dtype})", [], [Typed(dtype, np.full(2, -0.1))])
    oracle.case("y0 = fill(shape=[3], value=-128, dtype=i8)", [], [Typed("i8", [-128] * 3)])
    oracle.case("y0 = fill(shape=[3], value=255, dtype=u8)", [], [Typed("u8", [255] * 3)])
    oracle.case(["a = fill(shape=[N, 2], value=2.5)", "y0 = x0 + a"], [Typed("f32", np.ones((3, 2)))],
                [Typed("f32", np.full((3, 2), 3.5))], dims=["N"], shapes=[("N", 2)], out_shapes=[("N", 2)])
    for dtype in NUMBERS:
        for axis in (0, 1, -1):
            want = np.moveaxis(np.broadcast_to(np.arange((3, 4)[axis]), (3, 4)[:axis % 2] + (3, 4)[axis % 2 + 1:] + ((3, 4)[axis],)), -1, axis)
            oracle.case(f"y0 = iota(shape=[3, 4], axis={axis}, dtype={dtype})", [], [Typed(dtype, want)])
    oracle.case("y0 = iota(shape=[300], axis=0, dtype=u8)", [], [Typed("u8", np.arange(300) % 256)])
    oracle.case("y0 = iota(shape=[0, 4], axis=1)", [], [Typed("i32", np.zeros((0, 4)))])
    oracle.case("y0 = iota(shape=[2, 1, 3], axis=1)", [], [Typed("i32", np.zeros((2, 1, 3)))])


def reshape(oracle):
    def case(x, text, shape, **more):
        oracle.case(f"y0 = reshape(x0, shape={text})", [x], [moved(x, lambda v: v.reshape(shape))], **more)

    for dtype in PLAIN:
        case(random(oracle.rng, dtype, (2, 6)), "[3, 4]", (3, 4))
    for shape, to in (((), "[1, 1]"), ((1,), "[]"), ((0, 3), "[3, 0]"), ((4, 0), "[0]"), ((2, 3, 5), "[-1]"),
                      ((2, 3, 5), "[5, -1, 3]"), ((12,), "[12]")):
        x = random(oracle.rng, "f32", shape)
        case(x, to, [int(d) for d in to.strip("[]").split(",") if d])
    x = random(oracle.rng, "f32", (3, 8))
    case(x, "[N, 2, 4]", (3, 2, 4), dims=["N"], shapes=[("N", 8)], out_shapes=[("N", 2, 4)])
    case(x, "[-1, 4]", (6, 4), dims=["N"], shapes=[("N", 8)], out_shapes=[("2*N", 4)])
    x = random(oracle.rng, "f32", (4, 3))
    case(x, "[-1, 3]", (4, 3), dims=["N"], shapes=[("N + 1", 3)], out_shapes=[("N + 1", 3)])


def transpose(oracle):
    def case(x, order, **more):
        text = f", order=[{', '.join(map(str, order))}]" if order else ""
        swapped = tuple(range(x.values.ndim - 2)) + (x.values.ndim - 1, x.values.ndim - 2)
        oracle.case(f"y0 = transpose(x0{text})", [x], [moved(x, lambda v: v.transpose(order or swapped))], **more)

    for dtype in PLAIN:
        case(random(oracle.rng, dtype, (3, 5)), None)
    for shape, order in (((2, 3, 4), None), ((2, 3, 4), (2, 0, 1)), ((2, 3, 4), (0, 1, 2)), ((2, 3, 4), (2, 1, 0)),
                         ((7,), (0,)), ((1, 5), None), ((0, 3), None), ((2, 1, 3, 2), (3, 1, 0, 2))):
        case(random(oracle.rng, "f32", shape), order)
    case(random(oracle.rng, "f16", (3, 2, 5)), (1, 0, 2), dims=["N"], shapes=[("N", 2, 5)], out_shapes=[(2, "N", 5)])


def slices(oracle):
    def case(x, axis, begin, end, step=1, text=None, **more):
        at = [slice(None)] * x.values.ndim
        at[axis] = slice(begin, end, step)
        text = text or f"begin={begin}, end={end}"
        oracle.case(f"y0 = slice(x0, axis={axis}, {text}, step={step})", [x], [moved(x, lambda v: v[tuple(at)])], **more)

    for dtype in PLAIN:
        case(random(oracle.rng, dtype, (4, 5)), 1, 1, 4)
    for shape, axis, begin, end, step in (((9,), 0, 0, 9, 2), ((9,), 0, 1, 8, 3), ((9,), 0, 4, 4, 1), ((9,), 0, 9, 9, 5),
                                          ((3, 4, 5), 0, 1, 3, 1), ((3, 4, 5), 1, 0, 4, 3), ((3, 4, 5), -1, 2, 5, 2),
                                          ((2, 0, 3), 2, 0, 1, 1), ((1, 1), 0, 0, 1, 1)):
        case(random(oracle.rng, "f32", shape), axis, begin, end, step)
    x = random(oracle.rng, "f32", (6, 2))
    case(x, 0, 1, 6, 1, "begin=1, end=2*N", declare=["dim 1 <= N <= 64"], shapes=[("2*N", 2)], out_shapes=[("2*N - 1", 2)])
    case(x, 0, 0, 6, 2, "begin=0, end=2*N", dims=["N"], shapes=[("2*N", 2)], out_shapes=[("N", 2)])


def concat(oracle):
    def case(parts, axis, **more):
        names = ", ".join(f"x{i}" for i in range(len(parts)))
        want = Typed(parts[0].dtype, np.concatenate([p.values for p in parts], axis))
        oracle.case(f"y0 = concat({names}, axis={axis})", parts, [want], **more)

    for dtype in PLAIN:
        case([random(oracle.rng, dtype, (2, 3)), random(oracle.rng, dtype, (1, 3))], 0)
    for shapes, axis in ((((2, 3), (2, 5), (2, 1)), 1), (((2, 3), (2, 3)), -1), (((4,),), 0), (((0, 2), (3, 2)), 0),
                         (((2, 0), (2, 3)), 1), (((2, 1, 3), (2, 4, 3)), 1), (((0,), (0,)), 0)):
        case([random(oracle.rng, "f32", s) for s in shapes], axis)
    case([random(oracle.rng, "f32", (3, 2)), random(oracle.rng, "f32", (1, 2))], 0, dims=["N"],
         shapes=[("N", 2), (1, 2)], out_shapes=[("N + 1", 2)])


def broadcast(oracle):
    def case(x, shape, text=None, **more):
        oracle.case(f"y0 = broadcast(x0, shape={text or list(shape)})", [x],
                    [moved(x, lambda v: np.broadcast_to(v, shape))], **more)

    for dtype in PLAIN:
        case(random(oracle.rng, dtype, (3, 1)), (2, 3, 4))
    for shape, to in (((), ()), ((), (2, 3)), ((5,), (5,)), ((1,), (0,)), ((5,), (2, 5)), ((1, 1), (3, 3)), ((0,), (4, 0))):
        case(random(oracle.rng, "f32", shape), to)
    case(random(oracle.rng, "f32", (3, 1)), (2, 3, 4), "[2, N, 4]", dims=["N"], shapes=[("N", 1)], out_shapes=[(2, "N", 4)])
