# SPDX-License-Identifier: Apache-2.0
"""eq ne lt le gt ge, and or not, select. All exact: no number is computed."""

import numpy as np
from values import BROADCASTS, INTEGERS, PLAIN, Typed, pairs, random, special

COMPARISONS = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
               "ge": np.greater_equal}


def cases(oracle):
    for name, f in COMPARISONS.items():
        for dtype in PLAIN:
            a, b = pairs(special(dtype), special(dtype))
            oracle.case(f"y0 = {name}(x0, x1)", [a, b], [Typed("bool", f(a.values, b.values))])
    for sa, sb in BROADCASTS:
        a, b = (Typed("i8", oracle.rng.integers(-2, 3, s)) for s in (sa, sb))
        oracle.case("y0 = le(x0, x1)", [a, b], [Typed("bool", np.less_equal(a.values, b.values))])
    for name, f in (("and", np.bitwise_and), ("or", np.bitwise_or)):
        for dtype in INTEGERS + ("bool",):
            a, b = pairs(special(dtype), special(dtype))
            oracle.case(f"y0 = {name}(x0, x1)", [a, b], [Typed(dtype, f(a.values, b.values))])
        a, b = random(oracle.rng, "bool", (3, 1)), random(oracle.rng, "bool", (4,))
        oracle.case(f"y0 = {name}(x0, x1)", [a, b], [Typed("bool", f(a.values, b.values))])
    for dtype in INTEGERS + ("bool",):
        x = special(dtype)
        oracle.case("y0 = not(x0)", [x], [Typed(dtype, np.invert(x.values))])
    select(oracle)


def select(oracle):
    def case(condition, a, b, **more):
        oracle.case("y0 = select(x0, x1, x2)", [condition, a, b],
                    [Typed(a.dtype, np.where(condition.values, a.values, b.values))], **more)

    for dtype in PLAIN:
        a = special(dtype)
        b = Typed(dtype, a.values[::-1])
        case(random(oracle.rng, "bool", a.shape), a, b)
    for shapes in (((), (2, 3), (3,)), ((3, 1), (1, 4), ()), ((2, 3), (), ()), ((0,), (1,), (1,)), ((), (), ())):
        condition = random(oracle.rng, "bool", shapes[0])
        case(condition, *(random(oracle.rng, "f32", s) for s in shapes[1:]))
    case(random(oracle.rng, "bool", (3, 5)), random(oracle.rng, "i32", (5,)), random(oracle.rng, "i32", (3, 1)),
         dims=["N"], shapes=[("N", 5), (5,), ("N", 1)], out_shapes=[("N", 5)])
