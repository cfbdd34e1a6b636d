#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opening a file and looking up every tensor: OPNF beside the gguf and safetensors libraries, in one table.

    build/venv/bin/python bench/package_open/compare.py
    build/venv/bin/python bench/package_open/compare.py --counts 200,1000 --llama-loader build/llama_loader

--llama-loader: the program made from llama_loader.cpp beside this file (README.md says how). Its column is what opening
costs and, behind the plus, what finding every tensor by name costs.
Files are made first and read once, so that all of them are warm.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from opnf import Writer  # noqa: E402

TARGETS_MS = {200: 0.02, 1000: 0.05, 10000: 0.3, 100000: 3.0}


def keys(count):
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "attn_norm")
    return [f"blk.{i // len(parts)}.{parts[i % len(parts)]}.weight" for i in range(count)]


def make_opnf(path, count):
    w = Writer(path)
    for key in keys(count):
        w.tensor(key, "f32", (2, 2), np.zeros((2, 2), "f4"))
    w.write()


def make_gguf(path, count):
    import gguf

    w = gguf.GGUFWriter(str(path), "llama")
    for key in keys(count):
        w.add_tensor(key, np.zeros((2, 2), "f4"))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def make_safetensors(path, count):
    from safetensors.numpy import save_file

    save_file({key: np.zeros((2, 2), "f4") for key in keys(count)}, str(path))


def best(rounds, work):
    least = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - start)
    return least * 1e3


def time_gguf(path):
    import gguf

    return best(1 if path.stat().st_size > 1 << 21 else 3, lambda: {t.name: t for t in gguf.GGUFReader(str(path)).tensors})


def time_safetensors(path):
    from safetensors import safe_open

    def work():
        with safe_open(str(path), framework="numpy") as f:
            for key in f.keys():
                f.get_slice(key).get_shape()

    return best(3, work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="200,1000,10000,100000")
    parser.add_argument("--bench", default=str(ROOT / "build/release/bin/bench_package_open"))
    parser.add_argument("--llama-loader", help="program made from llama_loader.cpp")
    parser.add_argument("--gguf-limit", type=int, default=10000, help="largest count for the gguf library (it is slow)")
    args = parser.parse_args()
    print(f"{'tensors':>8} {'OPNF open':>10} {'target':>8} {'look-up':>9} {'shuffled':>9} {'gguf':>12} {'safetensors':>12}" + (f" {'llama.cpp + look-ups':>24}" if args.llama_loader else ""))
    with tempfile.TemporaryDirectory() as folder:
        for count in map(int, args.counts.split(",")):
            opnf, gguf, safe = (pathlib.Path(folder) / f"m{count}.{end}" for end in ("oinf", "gguf", "safetensors"))
            make_opnf(opnf, count)
            make_safetensors(safe, count)
            ours = json.loads(subprocess.run([args.bench, str(opnf)], check=True, capture_output=True, text=True).stdout)
            row = [f"{count:>8} {ours['open_ms']:>7.3f} ms {TARGETS_MS.get(count, float('nan')):>5} ms {ours['lookup_ns']:>6.1f} ns {ours['shuffled_lookup_ns']:>6.1f} ns"]
            if count <= args.gguf_limit or args.llama_loader:
                make_gguf(gguf, count)
            row.append(f"{time_gguf(gguf):>9.1f} ms" if count <= args.gguf_limit else f"{'-':>12}")
            row.append(f"{time_safetensors(safe):>9.2f} ms")
            if args.llama_loader:
                theirs = json.loads(subprocess.run([args.llama_loader, str(gguf)], check=True, capture_output=True, text=True).stdout)
                assert theirs["tensors"] == ours["tensors"] == count, (theirs, ours, count)
                row.append(f"{theirs['open_ms']:>8.2f} + {theirs['lookup_ns'] * count / 1e6:>8.2f} ms")
            print(" ".join(row), flush=True)


if __name__ == "__main__":
    main()
