# SPDX-License-Identifier: Apache-2.0
"""random_below, against Philox4x32-10 in Python's own integers, and fixed_exp2."""

import numpy as np
from values import SIGNED, UNSIGNED, NUMPY, Typed, random, special

LOW = 0xFFFFFFFF


def philox(counter, key):
    """Four words from four and two: Salmon et al. 2011."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & LOW, (p0 >> 32) ^ c[3] ^ k[1], p0 & LOW]
        k = [(k[0] + 0x9E3779B9) & LOW, (k[1] + 0xBB67AE85) & LOW]
    return c


# Known answers of Random123 1.14 (kat_vectors).
assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox([LOW] * 4, [LOW] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
assert philox([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]) == [
    0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def below(counter, seed, limit):
    word = philox([counter & LOW, counter >> 32, 0, 0], [seed & LOW, seed >> 32])[0]
    return word * limit >> 32


def draw(oracle, counter, seed, limit, **more):
    columns = [[int(n) for n in a.ravel()] for a in np.broadcast_arrays(counter.values, seed.values, limit.values)]
    shape = np.broadcast_shapes(counter.shape, seed.shape, limit.shape)
    want = np.array([below(*row) for row in zip(*columns)], NUMPY[counter.dtype]).reshape(shape)
    oracle.case("y0 = random_below(x0, x1, x2)", [counter, seed, limit], [Typed(counter.dtype, want)], **more)


def cases(oracle):
    for dtype in UNSIGNED:
        x = [random(oracle.rng, dtype, (3, 35)) for _ in range(3)]
        draw(oracle, *x)
        draw(oracle, special(dtype), Typed(dtype, [7]), Typed(dtype, [255]))
    u64 = lambda *v: Typed("u64", np.array(v, "u8"))
    draw(oracle, u64(0), u64(0), u64(1 << 32))  # the first known answer itself
    draw(oracle, u64(*range(100)), u64(1234567890123456789), u64(2**64 - 1))
    draw(oracle, u64(0, 1, 1 << 32, (1 << 32) + 1), u64(1 << 32), u64(1000))
    draw(oracle, Typed("u64", np.zeros((0, 3), "u8")), Typed("u64", np.uint64(1)), Typed("u64", np.zeros(3, "u8")))
    for dtype in SIGNED:
        lowest = int(np.iinfo(NUMPY[dtype]).min)
        values = [v for v in (*range(0, -128, -1), -65536, -65537, -32768, -100000, -31 * 65536, -31 * 65536 - 1,
                              -28 * 65536, lowest, lowest + 1, 1, 127) if v >= lowest]
        q = np.array(values, NUMPY[dtype])
        exact = np.array([2.0**28 * 2.0 ** (float(max(min(v, 0), -31 * 65536)) / 65536) for v in values])
        # Each of the polynomial's five steps is cut to 2^-16 of values of at most 1; the shift drops less than 1.
        oracle.case(["e = fixed_exp2(x0)", "y0 = cast(e, dtype=f64)"], [Typed(dtype, q)], [Typed("f64", exact)],
                    f"sum:{2**40}", scale=[exact + 2.0**13])
