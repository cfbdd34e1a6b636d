# SPDX-License-Identifier: Apache-2.0
"""Our side for compare_cpu.py: package, emitted program, its own --bench."""
import dataclasses
import json
import re
import statistics
from collections.abc import Callable

from ceilings import better
from process import DEPTH_TURNS, DISK_RUNS, ROOT, Problem, drop_pages, need_program, run, say


def package(gguf, to):
    """The package of that GGUF file."""
    if not to.exists() or to.stat().st_mtime < gguf.stat().st_mtime:
        say(f"converting {gguf.name}")
        python = ROOT / "build/venv/bin/python"
        run([python if python.exists() else "python3", ROOT / "scripts/convert.py", gguf, "-o", to], f"converting {gguf.name}")
    return to


class Facts:
    """What a package's numbers say must be moved and computed."""

    def __init__(self, command, oinf):
        tensors = json.loads(run([command, "inspect", oinf, "--json"], f"inspecting {oinf.name}"))["tensors"]
        self.file_bytes = oinf.stat().st_size
        matrices = {t["key"]: t for t in tensors if len(t["shape"]) == 2}
        elements = {key: t["shape"][0] * t["shape"][1] for key, t in matrices.items()}
        self.in_layers = sum(n for key, n in elements.items() if re.fullmatch(r"\w+\.\d+", key))
        keys = [t for key, t in matrices.items() if re.fullmatch(r"Wk\.\d+", key)]
        if not keys:
            raise Problem(f"{oinf} has no Wk.0: only models of the Llama shape can be compared")
        width = next(t for key, t in matrices.items() if key == "Wq.0")["shape"][0]
        # A position of the cache: keys and values of every layer.
        self.cache_elements = sum(2 * t["shape"][0] * t["shape"][1] // width for t in keys)


@dataclasses.dataclass
class Probes:
    """What the machine can do at this moment."""

    read: Callable[[], float]  # bytes a second over memory of the file's size
    peaks: Callable[[], dict]  # Gop/s by name


class Emitted:
    """An emitted program of one package."""

    def __init__(self, command, oinf, work, numerics, plan):
        self.oinf, self.numerics, self.plan = oinf, numerics, plan
        self.one = self._make(command, work / f"{oinf.stem}.{numerics}", 1)
        self.several = self._make(command, work / f"{oinf.stem}.{numerics}.rows{plan.rows}", plan.rows)

    def _make(self, command, folder, batch):
        need_program("cmake", "which builds the emitted program")
        say(f"emitting and building {folder.name}")
        # Emission leaves what is unchanged; so does make.
        run([command, "emit", self.oinf, "--device", "this-cpu", "--numerics", self.numerics, "--max-context",
             self.plan.depth + 128, "--batch", batch, "-o", folder], f"emitting {folder.name}")
        run(["cmake", "-S", folder, "-B", folder / "b", "-DCMAKE_BUILD_TYPE=Release"], f"configuring {folder.name}")
        run(["cmake", "--build", folder / "b", "-j", "2"], f"building {folder.name}")
        return folder / "b" / "model"

    def bench(self, machine, program, *flags):
        out, _, peak = machine.timed([program, self.oinf, "--bench", "--json", "--threads", machine.threads, *flags],
                                     f"{program.parent.parent.name} --bench")
        return json.loads(out), peak

    def measure(self, machine, probes):
        """Figures by name. What is bound by the read bandwidth has it probed on both sides, a prompt the peaks, and what is
        told as a multiple of one row has one row on both sides."""
        p, read = self.plan, probes.read
        peaks, reads = probes.peaks(), [read()]
        first, peak = self.bench(machine, self.one, "--prompt", p.prompt, "--generate", p.generate)
        reads.append(read())
        peaks = better(peaks, probes.peaks())
        ones = [self.one_row(machine)]
        rows, _ = self.bench(machine, self.several, "--prompt", 1, "--generate", p.generate // 4, "--batch", p.rows)
        ones.append(self.one_row(machine))
        reads.append(read())
        deep, more_s = [], []
        for _ in range(DEPTH_TURNS):
            now, _ = self.bench(machine, self.one, "--prompt", 1, "--generate", p.at_depth, "--depth", p.depth)
            ones.append(self.one_row(machine))
            reads.append(read())
            deep.append(now["decode_tokens_per_s"])
            more_s.append(1 / deep[-1] - statistics.mean(1 / one for one in ones[-2:]))
        one_token = [self.one, self.oinf, "--prompt-ids", "1", "--generate", "1", "--threads", machine.threads]
        cold = [self.from_disk(machine, one_token) for _ in range(DISK_RUNS)]
        until_it = machine.until_output(one_token, "the first token")
        _, seconds, _ = machine.timed(one_token, "the first token")
        mean = statistics.mean
        return {"prefill": first["prefill_tokens_per_s"], "decode": first["decode_tokens_per_s"], "peak_bytes": peak,
                "bytes_per_token": first["bytes_per_token"], "deep": statistics.median(deep),
                "rows": rows["decode_tokens_per_s"], "first_s": until_it, "process_s": seconds,
                "disk_first_s": statistics.median(first for first, _ in cold),
                "disk_process_s": statistics.median(whole for _, whole in cold),
                "peaks": peaks, "ones": ones, "rows_times": rows["decode_tokens_per_s"] / mean(ones[:2]),
                "deep_s": statistics.median(more_s),
                "read": {"decode": mean(reads[:2]), "rows": mean(reads[1:3]), "deep": mean(reads[2:])}}

    def one_row(self, machine):
        """Tokens a second from an empty cache."""
        return self.bench(machine, self.one, "--prompt", 1, "--generate", self.plan.generate)[0]["decode_tokens_per_s"]

    def from_disk(self, machine, command):
        """Seconds until the first token, and of a process."""
        drop_pages(self.oinf)
        until_it = machine.until_output(command, "the first token")
        drop_pages(self.oinf)
        return until_it, machine.timed(command, "the first token")[1]
