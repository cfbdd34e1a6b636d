# SPDX-License-Identifier: Apache-2.0
"""kv_write, kv_read, state_read, state_write: exact, by NumPy's indexing."""

import numpy as np
from values import FLOATS, PLAIN, Typed, random, special

LAYERS, SLOTS, HEADS, CAPACITY, DIM = 2, 3, 2, 5, 4


def cache_case(oracle, dtype, writes, layer=1, split=False):
    """writes: (k, v, {"pos": …, "slot": …} or {"step": …}); reads `layer` after all of them."""
    kept = [np.zeros((SLOTS, HEADS, CAPACITY, DIM)) for _ in range(2)]
    inputs, lines = [], []
    for k, v, where in writes:
        text = ""
        names = [f"x{len(inputs) + i}" for i in range(2)]
        N = k.shape[0]
        inputs += [Typed(t.dtype, t.values.reshape(N, HEADS, DIM)) if split else t for t in (k, v)]
        for name, value in where.items():
            text += f", {name}=x{len(inputs)}"
            inputs.append(np.array(value, "i4"))
        lines.append(f"kv_write($kv, {', '.join(names)}, layer={layer}{text})")
        for n in range(N):
            slot = n if "step" in where else where.get("slot", [0] * N)[n]
            at = where["step"] if "step" in where else where["pos"][n]
            for to, t in zip(kept, (k, v)):
                to[slot, :, at] = t.values.astype("f8").reshape(N, HEADS, DIM)[n]
    lines += [f"y0, y1 = kv_read($kv, layer={layer})", f"y2, y3 = kv_read($kv, layer={1 - layer})"]
    other = Typed(dtype, np.zeros_like(kept[0]))
    spec = f"layers={LAYERS}, slots={SLOTS}, heads={HEADS}, capacity={CAPACITY}, head_dim={DIM}"
    oracle.case(lines, inputs, [Typed(dtype, t) for t in kept] + [other, other],
                declare=[f"state $kv : kv_cache({dtype}, {spec})"])


def cases(oracle):
    rng = oracle.rng

    def kv(n, dtype="f32"):
        return random(rng, dtype, (n, HEADS * DIM)), random(rng, dtype, (n, HEADS * DIM))

    for cache in FLOATS:
        for dtype in FLOATS:
            cache_case(oracle, cache, [(*kv(3, dtype), {"pos": [4, 0, 2], "slot": [2, 0, 2]})])
    cache_case(oracle, "f32", [(*kv(3), {"step": 3})])
    cache_case(oracle, "f16", [(*kv(2), {"step": 0}), (*kv(2), {"step": 1})], layer=0)
    cache_case(oracle, "f32", [(*kv(4), {"pos": [0, 1, 2, 3]}), (*kv(1), {"pos": [1]})], split=True)
    cache_case(oracle, "f32", [(*kv(3), {"pos": [2, 2, 2], "slot": [1, 1, 1]})])  # the last row stays
    cache_case(oracle, "bf16", [(*kv(0), {"pos": np.zeros(0, "i4")})])
    odd = Typed("f32", [[np.nan, np.inf, -np.inf, -0.0, 1e-40, 65519, 65520, 3e38]])
    cache_case(oracle, "f16", [(odd, odd, {"pos": [0]})])
    for dtype in PLAIN:
        first = special(dtype)
        shape = ", ".join(str(d) for d in first.shape)
        # What was read before the write stays what it was.
        oracle.case(["y0 = state_read($s)", "state_write($s, x0)", "y1 = state_read($s)"], [first],
                    [Typed(dtype, np.zeros(first.shape)), first], declare=[f"state $s : tensor({dtype}, shape=[{shape}])"])
    for shape in ((), (1,), (0, 3)):
        x = random(rng, "f32", shape)
        oracle.case(["state_write($s, x0)", "y0 = state_read($s)"], [x], [x],
                    declare=[f"state $s : tensor(f32, shape=[{', '.join(map(str, shape))}])"])
