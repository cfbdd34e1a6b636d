#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/base/dequant_oracle.bin and .json: what the `gguf` library makes of blocks of every format.

For each format: a few blocks in full (random bits, with ordinary, denormal, zero, huge, infinite and NaN scales), and
the XXH64 of the f32 bits of 2,000 blocks of splitmix64 bytes, with every NaN as 0x7fc00000. q8_1 and q8_k, which the
library does not read, are computed from ggml's struct definitions here.
"""
import json
import pathlib

import numpy as np
import xxhash
from gguf import GGMLQuantizationType as Q
from gguf import quants

# name: (bytes of a block, offsets of its f16 scales)
FORMATS = {
    "q4_0": (18, [0]), "q4_1": (20, [0, 2]), "q5_0": (22, [0]), "q5_1": (24, [0, 2]), "q8_0": (34, [0]),
    "q2_k": (84, [80, 82]), "q3_k": (110, [108]), "q4_k": (144, [0, 2]), "q5_k": (176, [0, 2]), "q6_k": (210, [208]),
    "mxfp4": (17, []), "iq4_nl": (18, [0]), "iq4_xs": (136, [0]), "iq2_xxs": (66, [0]), "iq2_xs": (74, [0]),
    "iq2_s": (82, [0]), "iq3_xxs": (98, [0]), "iq3_s": (110, [0]), "iq1_s": (50, [0]), "iq1_m": (56, []),
    "tq1_0": (54, [52]), "tq2_0": (66, [64]), "q8_1": (36, [0]), "q8_k": (292, []), "f16": (2, []), "bf16": (2, []),
}
SCALES = [0.0123, -1.5, 6e-8, 65504.0, np.inf, np.nan]  # 6e-8: the smallest f16 denormal
HASHED_BLOCKS = 2000


def splitmix64(seed: int, count: int) -> np.ndarray:
    state = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ state >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ state >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return state ^ state >> np.uint64(31)


def random_blocks(seed: int, count: int, size: int) -> np.ndarray:
    return splitmix64(seed, (count * size + 7) // 8).view(np.uint8)[:count * size].reshape(count, size).copy()


def dequantize(name: str, blocks: np.ndarray) -> np.ndarray:
    if name == "q8_1":  # half d, s; int8 qs[32]
        return blocks[:, :2].copy().view(np.float16).astype(np.float32) * blocks[:, 4:].view(np.int8).astype(np.float32)
    if name == "q8_k":  # float d; int8 qs[256]; int16 bsums[16]
        return blocks[:, :4].copy().view(np.float32) * blocks[:, 4:260].view(np.int8).astype(np.float32)
    return quants.dequantize(blocks, Q[name.upper()])


def special_blocks(name: str, seed: int) -> np.ndarray:
    size, scales = FORMATS[name]
    blocks = random_blocks(seed, len(SCALES), size)
    for block, scale in zip(blocks, SCALES):
        for i, offset in enumerate(scales):
            value = np.float16(scale if i == 0 or np.isfinite(scale) else 0.5)
            block[offset:offset + 2] = np.frombuffer(value.tobytes(), np.uint8)
    if name == "mxfp4":
        blocks[:, 0] = [127, 0, 1, 2, 254, 255]
    return blocks


def canonical(values: np.ndarray) -> bytes:
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).copy()
    bits[np.isnan(values).reshape(bits.shape)] = 0x7FC00000
    return bits.tobytes()


def main() -> None:
    folder = pathlib.Path(__file__).parent.parent / "tests/base"
    data, formats = b"", []
    for seed, name in enumerate(FORMATS):
        blocks = special_blocks(name, seed)
        with np.errstate(all="ignore"):
            wanted = canonical(dequantize(name, blocks))
            many = random_blocks(1000 + seed, HASHED_BLOCKS, FORMATS[name][0])
            digest = xxhash.xxh64(canonical(dequantize(name, many))).intdigest()
        formats.append({"dtype": name, "blocks": len(blocks), "input": len(data), "output": len(data) + blocks.nbytes,
                        "seed": 1000 + seed, "hashed_blocks": HASHED_BLOCKS, "xxh64": f"{digest:016x}"})
        data += blocks.tobytes() + wanted
    (folder / "dequant_oracle.bin").write_bytes(data)
    rows = ",\n".join("  " + json.dumps(f) for f in formats)
    (folder / "dequant_oracle.json").write_text(f"[\n{rows}\n]\n")


if __name__ == "__main__":
    main()
