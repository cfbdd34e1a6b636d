#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Encoding a text with SmolLM2's tokenizer: OpenInfer beside the tokenizers library, one thread each, in one run.

    bench/tokenize.py PACKAGE.oinf SOURCE.gguf TEXTFILE

Needs build/release/bin/bench_tokenize and, in Python, tokenizers and gguf. To reach: a ratio below 2.
"""
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import make_text_oracle  # noqa: E402  (also keeps the library to one thread)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    package, source, path = sys.argv[1:]
    vocab, types, merges = make_text_oracle.gguf_vocab(source)
    library = make_text_oracle.build(vocab, merges, "smollm", types)
    text = Path(path).read_text(encoding="utf-8")
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        ids = library.encode(text, add_special_tokens=False).ids
        best = min(best, time.perf_counter() - start)
    ours = subprocess.run([ROOT / "build/release/bin/bench_tokenize", package, path], check=True, capture_output=True, text=True)
    count, seconds = ours.stdout.split()
    if int(count) != len(ids):
        sys.exit(f"{count} ids, but the library has {len(ids)}")
    megabytes = Path(path).stat().st_size / 1e6
    print(f"{'':12}{'s':>10}{'MB/s':>10}{'ratio':>10}")
    print(f"{'tokenizers':12}{best:10.3f}{megabytes / best:10.1f}{1.0:10.2f}")
    print(f"{'OpenInfer':12}{float(seconds):10.3f}{megabytes / float(seconds):10.1f}{float(seconds) / best:10.2f}")


if __name__ == "__main__":
    main()
