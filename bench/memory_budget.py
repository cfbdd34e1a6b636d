#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Decoding under a memory budget: tokens/s, peak resident memory, and the share of the disk's bandwidth.

    bench/memory_budget.py [PACKAGE.oinf] [--budgets 32MiB,64MiB] [--context 256] [--tokens 32] [--threads N]

PACKAGE (default: SmolLM2's) is packed into panel16 beside it first, so that nothing is laid out anew while it is read. The
disk is measured on that very file, past the page cache, before and after each row: two threads, pieces of 4 MiB. One row for
each of `openinfer run` with sim and cpu and the emitted program, without a budget and with each. To reach: at most budget +
48 MiB resident; with weights three times the budget, an emitted program at 85 % of the disk or more.
"""
import argparse
import json
import mmap
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ROOT / "build/release/bin/openinfer"
PIECE, READERS = 4 << 20, 2


def size_of(text):
    for unit, scale in (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)):
        if text.endswith(unit):
            return int(float(text[:-3]) * scale)
    return int(text)


def disk_bandwidth(path):
    """Bytes a second out of the file, by direct reads of threads that take its pieces in turn; 0 where there are none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError:
        return 0.0
    pieces, lock = iter(range(0, os.path.getsize(path) // PIECE * PIECE, PIECE)), threading.Lock()
    done = []

    def read():
        buffer = mmap.mmap(-1, PIECE)
        while True:
            with lock:
                offset = next(pieces, None)
            if offset is None:
                return
            done.append(os.preadv(descriptor, [buffer], offset))

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    os.close(descriptor)
    return sum(done) / seconds


def run(*arguments):
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
    return done.stdout


def measure_run(package, backend, budget, options, folder):
    stats = folder / "stats.json"
    ids = ",".join(str(100 + i % 900) for i in range(64))
    flags = ["--memory-budget", budget] if budget else []
    run(COMMAND, "run", package, "--backend", backend, "--prompt-ids", ids, "-n", options.tokens, "--ignore-eos", "--ids", "--max-context",
        options.context, "--threads", options.threads, "--stats", stats, *flags)
    found = json.loads(stats.read_text(encoding="utf-8"))
    return found["generate_tokens_per_s"], found["peak_resident_bytes"]


def build_emitted(package, budget, options, folder):
    project = folder / f"emitted_{budget or 'free'}"
    flags = ["--memory-budget", budget] if budget else []
    run(COMMAND, "emit", package, "--device", "this-cpu", "-o", project, "--max-context", options.context, *flags)
    run("cmake", "-S", project, "-B", project / "b")
    run("cmake", "--build", project / "b", "-j2")
    return project / "b/model"


def measure_emitted(program, package, options):
    found = json.loads(run(program, package, "--bench", "--prompt", 64, "--generate", options.tokens, "--threads", options.threads, "--json"))
    return found["decode_tokens_per_s"], found["peak_resident_bytes"], found["bytes_per_token"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", nargs="?", type=Path, default=ROOT / "build/models/smollm2.oinf")
    parser.add_argument("--budgets", default="32MiB,64MiB")
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    budgets = [None, *options.budgets.split(",")]
    with tempfile.TemporaryDirectory(dir=options.package.resolve().parent) as home:
        folder = Path(home)
        package = folder / "panels.oinf"
        run(COMMAND, "pack", options.package, "--layout", "panel16", "-o", package)
        os.sync()
        programs = {budget: build_emitted(package, budget, options, folder) for budget in budgets}
        bytes_per_token = 0
        print("| program | budget | peak resident | beyond the budget | tokens/s | weights read | of the disk |")
        print("|---|---|---|---|---|---|---|")
        for kind in ("emitted", "cpu", "sim"):
            for budget in budgets:
                before = disk_bandwidth(package)
                if kind == "emitted":
                    rate, peak, bytes_per_token = measure_emitted(programs[budget], package, options)
                else:
                    rate, peak = measure_run(package, kind, budget, options, folder)
                disk = max(before, disk_bandwidth(package))
                read = rate * bytes_per_token
                beyond = f"{(peak - size_of(budget)) / (1 << 20):.1f} MiB" if budget else ""
                share = f"{100 * read / disk:.0f} % of {disk / 1e9:.2f} GB/s" if budget and disk else ""
                print(f"| {kind} | {budget or 'none'} | {peak / (1 << 20):.1f} MiB | {beyond} | {rate:.2f} | {read / 1e9:.2f} GB/s | {share} |", flush=True)


if __name__ == "__main__":
    main()
