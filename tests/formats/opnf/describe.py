# SPDX-License-Identifier: Apache-2.0
"""The golden packages, as describe.cpp has them. `describe.py FOLDER` writes them there."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "scripts"))
from opnf import DTYPES, Quantisation, Writer  # noqa: E402
from opnf_format import NUMPY  # noqa: E402


def pattern(dtype, seed, n):
    j = np.arange(n)
    x = seed * 31 + j * 7 + j // 256
    return (x % 2 if dtype == "bool" else x % 243 if dtype == "t1" else x & 0x55 if dtype == "t2" else x % 256).astype("u1").tobytes()


def values(w):
    w.meta("general.name", "small")
    w.meta("general.architecture", "llama")
    w.meta("n_layers", 2)
    w.meta("rope_theta", 10000.0)
    w.meta("tied", True)
    w.meta("untied", False)
    w.meta("negative", -3)
    w.meta("empty_text", "")
    w.meta("umlauts", "äöü €")
    for dtype, numpy_name in NUMPY.items():
        width = DTYPES[dtype][2]
        w.meta(f"scalar/{dtype}", np.frombuffer(pattern(dtype, 1, width), numpy_name)[0], dtype)
        w.meta(f"array/{dtype}", np.frombuffer(pattern(dtype, 2, 3 * width), numpy_name), dtype)
        w.meta(f"none/{dtype}", [], dtype)
    w.meta("texts", ["a", "", "ßb"])
    w.meta("no_texts", [], "string")
    w.meta("table", np.arange(6, dtype="f4").reshape(2, 3))


def tokenizer(w):
    w.tokenizer("model", "bpe")
    w.tokenizer("pre", "gpt2")
    w.tokenizer("tokens", ["<s>", "</s>", "a", "b", "ab"])
    w.tokenizer("merges", ["a b"])
    w.tokenizer("token_types", [3, 3, 1, 1, 1], "i32")
    w.tokenizer("bos_id", 0, "i32")
    w.tokenizer("add_bos", True)


def quantised(w):
    for key, dtype, shape, size in (("q/scale.tensor", "f32", (), 4), ("q/zero.tensor", "i8", (), 1), ("q/scale.channel", "f16", (4,), 8),
                                    ("q/scale.group", "bf16", (4, 2), 16), ("q/zero.group", "u8", (4, 2), 8)):
        w.tensor(key, dtype, shape, pattern(dtype, len(key), size))
    w.tensor("q/tensor", "i8", (4, 8), pattern("i8", 3, 32), quant=Quantisation("q/scale.tensor", "q/zero.tensor"))
    w.tensor("q/channel", "i4", (8, 4), pattern("i4", 4, 16), transposed=True, quant=Quantisation("q/scale.channel", None, "channel", 0))
    w.tensor("q/group", "u4", (4, 8), pattern("u4", 5, 16), quant=Quantisation("q/scale.group", "q/zero.group", "group", 1, 4))


def small(w):
    values(w)
    tokenizer(w)
    quantised(w)
    w.dim("n_layers", 2)
    w.dim("ctx", 1, 128)
    w.dim("_rows", 0, 7)
    w.kv_cache("kv", layers=2, slots=1, heads=3, capacity="ctx", head_dim=64)
    w.tensor_state("conv", "f16", ("ctx", 4))
    w.graph("main", "oig 1\ngraph () -> () {\n  return\n}\n")
    w.graph("aux", "oig 1\n")
    for dtype, (code, block, size) in DTYPES.items():
        w.tensor(f"all/{dtype}", dtype, (3, 2 * block), pattern(dtype, code, 6 * size))
        chunks = pattern(dtype, code + 100, 4 * size)
        w.tensor(f"all/{dtype}.t", dtype, (2 * block, 2), lambda chunks=chunks: (chunks[:3], chunks[3:]), transposed=True)
    w.tensor("panel", "q8_0", (2, 32, 64), pattern("q8_0", 7, 2 * 32 * 2 * 34), layout="panel16")
    w.tensor("empty", "f32", (0, 5), b"")
    w.tensor("deep", "u8", (1, 2) * 4, np.frombuffer(pattern("u8", 9, 16), "u1"))
    w.tensor("embedding", "f16", (6, 4), np.frombuffer(pattern("f16", 8, 48), "f2").reshape(6, 4))
    w.alias("head", "tied", shape=(4, 6), transposed=True)
    w.alias("tied", "embedding")
    w.splat("zeros", "f32", (1 << 20, 1 << 20), pattern("f32", 0, 4))
    w.splat("blocks", "q4_0", (1 << 15, 1 << 15), pattern("q4_0", 5, 18))
    w.alias("zeros.t", "zeros", transposed=True)


def sharded(w):
    w.meta("general.name", "sharded")
    for key, rows in (("d", 9), ("a", 3), ("c", 400), ("b", 90)):
        w.tensor(key, "f32", (rows, 2), pattern("f32", ord(key), rows * 8))
    w.alias("e", "a")


def write_all(folder):
    for name, describe, shard_size in (("small", small, None), ("sharded", sharded, 5000), ("empty", lambda w: None, None)):
        writer = Writer(pathlib.Path(folder) / f"{name}.oinf", shard_size=shard_size)
        describe(writer)
        writer.write()


if __name__ == "__main__":
    write_all(sys.argv[1])
