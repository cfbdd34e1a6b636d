# SPDX-License-Identifier: Apache-2.0
"""What the machine can do at most, measured by ceilings.cpp, and what that allows a model."""
import json
import pathlib

from process import need_program, run

HERE = pathlib.Path(__file__).resolve().parent


def build(work):
    compiler = need_program("c++", "which builds bench/cpu/ceilings.cpp")
    work.mkdir(parents=True, exist_ok=True)
    made, source = work / "ceilings", HERE / "ceilings.cpp"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        run([compiler, "-std=c++20", "-O2", "-march=native", "-ffp-contract=fast", "-pthread", source, "-o", made], "building ceilings.cpp")
    return made


def better(some, others):
    """Of each peak the greater."""
    return {name: max(value, some.get(name, value)) for name, value in others.items()}


class Ceilings:
    """`peaks`: Gop/s, the most that was seen so far, since what disturbs a probe only makes it smaller; barrier_ns the least."""

    def __init__(self, program, machine):
        self.program, self.machine = program, machine
        self.peaks = {}
        self.probe_peaks()

    def _ask(self, *what):
        return json.loads(self.machine.timed([self.program, *what], "ceilings")[0])

    def probe_peaks(self):
        """What they are now."""
        now = self._ask("peaks", self.machine.threads)
        barrier = self._ask("barrier", self.machine.threads)["barrier_ns"]
        self.peaks = {**better(self.peaks, now), "barrier_ns": min(barrier, self.peaks.get("barrier_ns", barrier))}
        return now

    def read(self, size_bytes, threads=None):
        """Bytes a second over memory of that size."""
        return self._ask("read", int(size_bytes), threads or self.machine.threads)["read_gb_per_s"] * 1e9

    def read_file(self, path, place):
        """Seconds; place: "file", from the page cache, or "disk"."""
        return self._ask(place, path, self.machine.threads)["seconds"]


def bounds(facts, plan, numerics, weights, bytes_per_token, probes):
    """What no program of this kind can exceed, by figure. `weights`: "float", "int8" or "int4", the widest that blocks have;
    `probes`: read (bytes/s, by figure), file_s, disk_s, f32, bf16, bf16_tiles, int8, int4 (Gop/s)."""
    of_cache = 2 if numerics == "fast" else 4  # f16 or f32
    cache = facts.cache_elements * plan.depth * of_cache
    if numerics == "strict":
        peak = probes["f32"]
    else:
        floats = max(probes["f32"], probes["bf16"], probes["bf16_tiles"])
        peak = floats if weights == "float" or numerics == "bf16" else probes[weights]
    read = probes["read"]
    return {
        "decode": read["decode"] / bytes_per_token,
        "deep": read["deep"] / (bytes_per_token + cache),
        "prefill": peak * 1e9 / (2 * facts.in_layers),
        "rows": min(plan.rows * read["rows"] / bytes_per_token, peak * 1e9 / (2 * facts.in_layers)),
        "first_s": probes["file_s"],
        "disk_first_s": probes["disk_s"],
        "peak_bytes": facts.file_bytes + facts.cache_elements * plan.prompt * of_cache,
        "cache_s": cache / read["deep"],
    }
