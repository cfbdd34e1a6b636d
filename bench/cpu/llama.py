# SPDX-License-Identifier: Apache-2.0
"""llama.cpp for compare_cpu.py: built from the source inside a Python source package, run by its own llama-bench."""
import json
import os
import pathlib
import statistics
import sys
import tarfile

from process import DISK_RUNS, Problem, drop_pages, need_program, need_space, run, say

PACKAGE = "llama-cpp-python"
# Of that package, the folder that is llama.cpp.
INSIDE = "vendor/llama.cpp/"


def download(folder):
    python = pathlib.Path("build/venv/bin/python")
    python = str(python if python.exists() else sys.executable)
    command = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary",
               PACKAGE, "--dest", folder, PACKAGE]  # of that package alone: what builds it may come as wheels
    try:
        run(command, f"the download of the source package {PACKAGE}")
    except Problem as problem:
        raise Problem(f"{problem}; it needs a network, or its .tar.gz in {folder}, or --llama PATH") from None


def source(work):
    """The folder of llama.cpp's source, and the package's version."""
    downloads = work / "download"
    if not list(downloads.glob("llama_cpp_python-*.tar.gz")):
        say(f"downloading the source of {PACKAGE}")
        download(downloads)
    archive = sorted(downloads.glob("llama_cpp_python-*.tar.gz"))[-1]
    version = archive.name[len("llama_cpp_python-") : -len(".tar.gz")]
    folder = work / f"llama.cpp-{version}"
    if not (folder / "CMakeLists.txt").exists():
        with tarfile.open(archive) as tar:
            members = []
            for member in tar.getmembers():
                _, inside, rest = member.name.partition(INSIDE)
                if inside and rest and ".." not in pathlib.PurePath(rest).parts and (member.isfile() or member.isdir()):
                    member.name = rest
                    members.append(member)
            if not members:
                raise Problem(f"{archive} holds no {INSIDE}: give --llama PATH")
            tar.extractall(folder, members)
    return folder, version


def build(work):
    """Path of llama-bench and what it is, built with this machine's instructions; about 7 minutes on 2 cores."""
    need_program("cmake", "which builds llama.cpp")
    need_program("c++", "which builds llama.cpp")
    need_space(work, 2.0, "a build of llama.cpp")
    folder, version = source(work)
    made = folder / "build" / "bin" / "llama-bench"
    if not made.exists():
        say(f"building llama-bench of {PACKAGE} {version} (about 7 minutes on 2 cores)")
        off = ["LLAMA_CURL", "LLAMA_OPENSSL", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_SERVER",
               "LLAMA_BUILD_APP", "BUILD_SHARED_LIBS"]
        flags = [f"-D{name}=OFF" for name in off]
        run(["cmake", "-S", folder, "-B", folder / "build", "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON",
             "-DLLAMA_BUILD_TOOLS=ON", *flags], "configuring llama.cpp")
        run(["cmake", "--build", folder / "build", "--target", "llama-bench", "-j", str(os.cpu_count())], "building llama.cpp")
    return Llama(made, f"llama.cpp of {PACKAGE} {version}")


def given(path, name):
    """A llama-bench, or a folder that has one."""
    path = pathlib.Path(path)
    for place in (path, path / "llama-bench", path / "bin/llama-bench", path / "build/bin/llama-bench"):
        if place.is_file() and os.access(place, os.X_OK):
            return Llama(place, f"{name} at {path}")
    raise Problem(f"{path} is no llama-bench and no folder with one (bin/llama-bench, build/bin/llama-bench)")


class Llama:
    def __init__(self, program, title):
        self.program, self.title = program, title
        self.has = run([program, "--help"], f"{program} --help")
        self.flags = []

    def timed(self, machine, model, *flags):
        """As Machine.timed. Built by g++ 12, its code for AMX tiles crashes (the compiler drops most of their shapes):
        then it goes on without layouts of its own, and says so."""
        command = [self.program, "-m", model, "-t", machine.threads, "-r", 1, "-ngl", 0, *self.flags, *flags]
        try:
            return machine.timed(command, f"{self.title} on {model.name}")
        except Problem as problem:
            if "exit -11" not in str(problem) or self.flags or "--repack" not in self.has:
                raise
            self.flags = ["--repack", 0]
            self.title += ", --repack 0"
            say(f"{problem}: again with --repack 0")
            return self.timed(machine, model, *flags)

    def bench(self, machine, model, *flags):
        """Tokens a second of each test, by (prompt, generated), and the most memory."""
        out, _, peak = self.timed(machine, model, "-o", "json", *flags)
        return {(t["n_prompt"], t["n_gen"]): t["avg_ts"] for t in json.loads(out)}, peak

    def measure(self, machine, model, plan):
        """The figures of `plan` (see compare_cpu.py) by their names."""
        rates, peak = self.bench(machine, model, "-p", plan.prompt, "-n", plan.generate)
        figures = {"prefill": rates[plan.prompt, 0], "decode": rates[0, plan.generate], "peak_bytes": peak}
        if "--n-depth" in self.has:
            rates, _ = self.bench(machine, model, "-p", 0, "-n", plan.at_depth, "-d", plan.depth)
            figures["deep"] = rates[0, plan.at_depth]
        # It has no decoding of several sequences: a prompt of as many tokens multiplies the same rows.
        rates, _ = self.bench(machine, model, "-p", plan.rows, "-n", 0)
        figures["rows"] = rates[plan.rows, 0]
        if "--no-warmup" in self.has:
            one_token = ("-p", 1, "-n", 0, "--no-warmup")
            cold = []
            for _ in range(DISK_RUNS):
                drop_pages(model)
                cold.append(self.timed(machine, model, *one_token)[1])
            figures["disk_process_s"] = statistics.median(cold)
            figures["process_s"] = self.timed(machine, model, *one_token)[1]
        return figures
