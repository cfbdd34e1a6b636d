#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Encoding a text with tokenizers of every kind: OpenInfer beside tokenizers and sentencepiece, one thread each, in one
run, with the small vocabularies of scripts/text_oracle/models.py.

    bench/tokenize_kinds.py TEXTFILE [KIND…]

Needs build/release/bin/bench_tokenize and, in Python, tokenizers, sentencepiece and xxhash. To reach: ratios below 2.
"""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/text")]
import make_text_oracle  # noqa: E402,F401  (keeps the library to one thread)
import opnf  # noqa: E402
from openinfer_convert import hf_tokenizer, package  # noqa: E402
from text_corpus import corpus  # noqa: E402
from text_oracle import models  # noqa: E402


class Found:
    """What package._write_tokenizer asks of a source."""

    def __init__(self, folder):
        self.folder = folder

    def tokenizer(self):
        return hf_tokenizer.read_tokenizer(self.folder, {}, {}, [])


def best(run, times):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        count = len(run())
        seconds.append(time.perf_counter() - start)
    return count, min(seconds)


def ours(folder, path):
    writer = opnf.Writer(f"{folder}/m.oinf")
    package._write_tokenizer(Found(folder), writer, package.Report())
    writer.write()
    run = subprocess.run([ROOT / "build/release/bin/bench_tokenize", f"{folder}/m.oinf", path], check=True, capture_output=True, text=True)
    count, seconds = run.stdout.split()
    return int(count), float(seconds)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    path, wanted = sys.argv[1], sys.argv[2:]
    text, learn = Path(path).read_text("utf-8"), models.train_set(corpus())
    import sentencepiece
    print(f"{'kind':24}{'library, s':>12}{'OpenInfer, s':>14}{'ratio':>8}")
    rows = [(name, tok, None) for name, tok in models.hf_tokenizers(learn).items()]
    rows += [(f"sentencepiece {name}", None, blob) for name, blob in models.spm_models(learn).items()]
    for name, tok, blob in rows:
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            if tok:
                tok.save(f"{folder}/tokenizer.json")
                count, seconds = best(lambda: tok.encode(text).ids, 2)
            else:
                (Path(folder) / "tokenizer.model").write_bytes(blob)
                library = sentencepiece.SentencePieceProcessor(model_proto=blob)
                count, seconds = best(lambda: library.encode(text), 2)
            found, own = ours(folder, path)
        print(f"{name:24}{seconds:12.3f}{own:14.3f}{own / seconds:8.2f}" + ("" if count == found else f"   {found} ids, the library has {count}"))


if __name__ == "__main__":
    main()
