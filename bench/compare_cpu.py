#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Emitted C++ beside llama.cpp and beside what this machine can do at most: one command, one run, one table.

    build/venv/bin/python bench/compare_cpu.py --quick
    build/venv/bin/python bench/compare_cpu.py --json build/bench/cpu.json --svg bench/cpu.svg

Needs: a release build of `openinfer`, cmake, a C++ compiler, build/models/smollm2 (scripts/fetch_models.sh); for llama.cpp
a network (its source comes inside the Python source package llama-cpp-python) and once 7 minutes of 2 cores, or --llama
PATH. Disk in --work (build/bench): 3 GiB with --quick, 8 GiB else. Time after the builds: about 5 minutes with --quick
and --rounds 3, about 40 else.

Every round runs each engine on the same weights, processors and prompt, right after one another and in turn first. Ours
has a probe of the read bandwidth on both sides of what is bound by it, of the peaks on both sides of a prompt, and one
row on both sides of what is told as a multiple of one row; the table has medians over rounds, and ratios are medians of the ratios within a round. Speeds of a shared or virtual machine change by the minute: compare ratios, not runs.
"""
import argparse
import dataclasses
import functools
import json
import os
import pathlib
import platform
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench/cpu"))
import ceilings  # noqa: E402
import emitted  # noqa: E402
import llama  # noqa: E402
import report  # noqa: E402
from process import Machine, Problem, need_space, run, say  # noqa: E402

SMOLLM2 = "smollm2"
TYPES = {"f16": "float", "q8_0": "int8", "q4_0": "int4", "q4_k": "int4"}  # whose peak bounds their products


@dataclasses.dataclass
class Plan:
    """Tokens of each measurement."""

    prompt: int = 512
    generate: int = 64
    depth: int = 1900
    at_depth: int = 64
    rows: int = 8


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="SmolLM2 alone, without the 1.1B shape")
    parser.add_argument("--types", default=",".join(TYPES), help="of the 1.1B shape with random weights (%(default)s)")
    parser.add_argument("--numerics", default="fast,strict", help="%(default)s")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="of both engines (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="%(default)s")
    parser.add_argument("--nice", type=int, default=0, help="of all that runs; below 0 needs the right to it")
    parser.add_argument("--llama", metavar="PATH", help="a llama-bench, or a build folder, instead of building one")
    parser.add_argument("--ik-llama", metavar="PATH", help="the same of the fork ik_llama.cpp: a further column")
    parser.add_argument("--no-llama", action="store_true", help="ours and its ceilings alone")
    parser.add_argument("--openinfer", default=str(ROOT / "build/release/bin/openinfer"), metavar="PATH")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench", metavar="DIR", help="%(default)s")
    parser.add_argument("--json", type=pathlib.Path, metavar="F", help="every figure of every round")
    parser.add_argument("--svg", type=pathlib.Path, metavar="F", help="a plot")
    o = parser.parse_args()
    o.types = [] if o.quick else [t for t in o.types.split(",") if t]
    o.numerics = o.numerics.split(",")
    if unknown := set(o.types) - set(TYPES) or set(o.numerics) - {"fast", "bf16", "strict"}:
        parser.error(f"unknown: {', '.join(unknown)}")
    for file in (o.json, o.svg):
        if file and not file.parent.is_dir():
            parser.error(f"{file}: there is no folder {file.parent}")
    # main() goes to another folder.
    for name in ("json", "svg", "work", "llama", "ik_llama", "openinfer"):
        if (given := getattr(o, name)) is not None:
            setattr(o, name, pathlib.Path(given).absolute())
    if o.rounds < 1 or o.threads < 1:
        parser.error("--rounds and --threads are 1 or more")
    return o


def models(o):
    """Name, what its weights are (see TYPES), and a function that gives the GGUF file."""
    smollm2 = sorted((ROOT / "build/models/smollm2").glob("*.gguf"))
    if not smollm2:
        raise Problem("build/models/smollm2 has no GGUF file: scripts/fetch_models.sh smollm2 fetches it")
    yield "SmolLM2-135M q4_1", "int4", lambda: smollm2[0]
    for dtype in o.types:
        yield f"1.1B {dtype}", TYPES[dtype], lambda dtype=dtype: random_llama(o, dtype)


def random_llama(o, dtype):
    path = o.work / f"llama-1.1b.{dtype}.gguf"
    if not path.exists():
        say(f"making {path.name}")
        part = path.with_suffix(".part")
        run([sys.executable, ROOT / "bench/cpu/make_llama_gguf.py", "--type", dtype, "-o", part], f"making {path.name}")
        part.rename(path)
    return path


def one_round(number, engines, limits, oinf, bounds):
    """Figures by engine, and `ceiling`: what the machine allowed ours meanwhile."""
    order = list(engines)
    order = order[number % len(order) :] + order[: number % len(order)]
    found = {name: engines[name]() for name in order}
    ours = found["ours"]
    files = {f"{place}_s": limits.read_file(oinf, place) for place in ("disk", "file")}
    return {**found, "ceiling": bounds(ours["bytes_per_token"], {**ours["peaks"], "read": ours["read"], **files})}


def compare(o, machine, limits, peers, plan):
    """Of each model and numerics the rounds, and what all of them found."""
    for name, weights, gguf in models(o):
        path = gguf()
        oinf = emitted.package(path, o.work / f"{path.stem}.oinf")
        facts = emitted.Facts(o.openinfer, oinf)
        for numerics in o.numerics:
            program = emitted.Emitted(o.openinfer, oinf, o.work, numerics, plan)
            probes = emitted.Probes(read=lambda: limits.read(facts.file_bytes), peaks=limits.probe_peaks)
            engines = {"ours": lambda: program.measure(machine, probes)}
            for key, peer in peers.items():
                engines[key] = lambda peer=peer: peer.measure(machine, path, plan)
            bounds = functools.partial(ceilings.bounds, facts, plan, numerics, weights)
            rounds = []
            for number in range(o.rounds):
                say(f"{name}, {numerics}: round {number + 1} of {o.rounds}")
                rounds.append(one_round(number, engines, limits, oinf, bounds))
            yield {"model": name, "numerics": numerics, "rounds": rounds, "found": report.summary(rounds, ["ours", *peers])}


def processor():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main():
    o = arguments()
    os.chdir(ROOT)
    if not pathlib.Path(o.openinfer).exists():
        raise Problem(f"there is no {o.openinfer}: cmake --preset release && cmake --build --preset release --target openinfer_command")
    need_space(o.work, 3 if o.quick else 8, "this comparison")
    machine, plan = Machine(o.threads, o.nice), Plan()
    peers = {}
    if not o.no_llama:
        peers["llama"] = llama.given(o.llama, "llama.cpp") if o.llama else llama.build(o.work)
    if o.ik_llama:
        peers["ik_llama"] = llama.given(o.ik_llama, "ik_llama.cpp")
    limits = ceilings.Ceilings(ceilings.build(o.work), machine)
    load = f"load average {os.getloadavg()[0]:.1f} at the start"
    results = list(compare(o, machine, limits, peers, plan))
    found = {
        "machine": f"{processor()}, {o.threads} threads, medians of {o.rounds} rounds, {load}",
        "threads": o.threads,
        "plan": dataclasses.asdict(plan),
        "peaks": limits.peaks,
        "read": [(t, limits.read(1 << 30, t) / 1e9) for t in sorted({1, o.threads})],
        "results": results,
    }
    found["peers"] = {key: peer.title for key, peer in peers.items()}  # they may have learned something
    print(report.markdown(found), end="")
    if o.json:
        o.json.write_text(json.dumps(found, indent=1) + "\n")
    if o.svg:
        o.svg.write_text(report.svg(found))


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit(f"compare_cpu.py: error: {problem}")
    except OSError as error:
        sys.exit(f"compare_cpu.py: error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
