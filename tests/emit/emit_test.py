# SPDX-License-Identifier: Apache-2.0
"""emit: projects are built by CMake alone, run on .npy files and held to the simulator."""

import filecmp
import itertools
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import tempfile
import unittest

import numpy as np

from emitted import D, GOLDEN, GRAPH, LAYERS, NAME, SWITCHED, Emitted, build, package_arrays, write_package  # first: it knows where the others are
from harness import COMMAND
import tiny_llama

# Two models in one program. Three steps of the second: more, less, and more after a reset.
USER = r"""
#include <cstdio>
#include "small.h"
#include "switched.h"

int main(int, char** argv) {
  const auto small = small::Model::open(argv[1]);
  std::printf("%s\n", small.type(small.inputs()[1]).c_str());
  auto model = switched::Model::open(argv[1], {.threads = 2, .sizes = {{"S", 1}}});
  const int ids[] = {1, 9, 1};
  float add[64], y[192], kept[64];
  for (int i = 0; i < 64; ++i) add[i] = static_cast<float>(i);
  const std::int64_t rows[] = {3}, state[] = {1, 64};
  for (const bool more : {true, false, true}) {
    const switched::Input inputs[] = {{"add", "f32", state, add}, {"ids", "i32", rows, ids}, {"more", "bool", {}, &more}};
    const switched::Output outputs[] = {{"kept", kept, sizeof kept}, {"y", y, sizeof y}};
    model.run_step("step", inputs, outputs);
    for (const float x : {y[0], y[64 + 5], y[128 + 63], kept[0], kept[63]}) std::printf("%.9g ", x);
    std::printf("\n");
    if (!more) model.reset();
  }
}
"""

# Says which of its arguments this machine has.
FEATURES = r"""
#include "cpu_features.h"

#include <cstdio>

int main(int count, char** names) try {
  for (int i = 1; i < count; ++i)
    if (small::machine_has(names[i])) std::puts(names[i]);
} catch (const small::Error& error) {
  std::fputs(error.what(), stderr);
  return 1;
}
"""


class Tensors(Emitted):
    @classmethod
    def setUpClass(cls):
        emit = cls.make("--graph", os.path.join(tempfile.gettempdir(), f"emit_test.{os.getpid()}.oig"), "--name", "small")
        graph = os.path.join(tempfile.gettempdir(), f"emit_test.{os.getpid()}.oig")
        with open(graph, "w", encoding="utf-8") as file:
            file.write(GRAPH)
        cls.addClassCleanup(os.remove, graph)
        cls.graph = graph
        write_package(cls.package)
        emit()
        build(cls.project, os.path.join(cls.project, "b"))

    def arrays(self, rows):
        random = np.random.default_rng(rows)
        np.save(self.path("ids.npy"), random.integers(0, 10, rows).astype("<i4"))
        np.save(self.path("y.npy"), random.normal(size=(rows, D)).astype("<f4"))
        return ["--input", "ids=ids.npy", "--input", "y=y.npy"]

    def test_equals_the_simulator(self):
        for rows in (1, 7, 40):
            inputs = self.arrays(rows)
            self.model_works(*inputs, "--output", "z=z.npy", "--output", "x=x.npy", *self.FLAGS)
            self.works("run", self.package, "--backend", "sim", "--graph", self.graph, *inputs, "--output", "z=z_sim.npy", "--output", "x=x_sim.npy")
            for name in "zx":
                found, expected = np.load(self.path(f"{name}.npy")), np.load(self.path(f"{name}_sim.npy"))
                self.assertEqual((found.dtype, found.shape), (np.float32, (rows, D)))
                # Sums of 64 products of size ~1 in another order, three times: 64 · 2^-24 · 3 · a few.
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
                self.assertGreater(np.abs(expected).max(), 0.5)

    def test_same_bits_for_any_number_of_threads(self):
        inputs = self.arrays(40)
        for threads in (1, 2, 3):
            self.model_works(*inputs, "--output", f"z=z{threads}.npy", "--threads", threads)
        self.assertEqual(self.read("z1.npy"), self.read("z2.npy"))
        self.assertEqual(self.read("z1.npy"), self.read("z3.npy"))

    def test_bad_inputs(self):
        inputs = self.arrays(7)
        np.save(self.path("far.npy"), np.array([0, 1, 2, 10, 4, 5, 6], "<i4"))
        np.save(self.path("many.npy"), np.zeros(41, "<i4"))
        np.save(self.path("wide.npy"), np.zeros((7, 65), "<f4"))
        np.save(self.path("whole.npy"), np.zeros((7, D), "<i8"))
        np.save(self.path("bools.npy"), np.ones((7, 64), "?"))
        np.save(self.path("objects.npy"), np.array([None] * 7))
        self.model_fails("--input", "ids=objects.npy", *inputs[2:], "--output", "z=z.npy", says=["objects.npy: elements of type '|O' are not read"])
        self.write("twos.npy", self.read("bools.npy")[:-1] + b"\x02")
        y, z = inputs[2:], ["--output", "z=z.npy"]
        self.model_fails(*inputs[:2], "--input", "y=bools.npy", *z, says=["input y is f32[N, 64], not bool (7, 64)"])
        self.model_fails(*inputs[:2], "--input", "y=twos.npy", *z, says=["twos.npy: a bool is neither 0 nor 1"])
        self.model_fails("--input", "ids=far.npy", *y, *z, says=["ids[3] is 10", "[0, 10)", "entries of table"])
        self.model_fails("--input", "ids=many.npy", *y, *z, says=["N = 41", "[1, 40]"])
        self.model_fails("--input", "ids=far.npy", "--input", "ids=many.npy", *y, *z, says=["'ids' is given twice"], code=2)
        self.model_fails(*y, *z, "--bench", says=["exclude each other", "--bench"], code=2)
        self.assertIn("--prompt-ids", self.model_works("--bench", "--help"))
        self.model_fails(*inputs[:2], "--input", "y=wide.npy", *z, says=["input y", "is 65, not 64"])
        self.model_fails(*inputs[:2], "--input", "y=whole.npy", *z, says=["input y is f32[N, 64], not i64 (7, 64)"])
        os.mkfifo(self.path("pipe.npy"))
        self.model_fails(*inputs[:2], "--input", "y=pipe.npy", *z, says=["pipe.npy: is not a regular file"])
        self.model_fails(*inputs[:2], "--input", "y=/dev/zero", *z, says=["/dev/zero: is not a regular file"])
        self.model_fails(*inputs[:2], *z, says=["input y: f32[N, 64] is missing"])
        self.model_fails(*inputs, "--input", "q=y.npy", *z, says=["no input 'q'"])
        self.model_fails(*inputs, "--output", "q=z.npy", says=["no output 'q'"])
        self.model_fails(*inputs, "--output", "\x1b[1mq=z.npy", says=[r"no output '\x1b[1mq'"])
        self.model_fails("--prompt-ids", "1,2", says=["tok, pos, slot, rows", "ids: i32[N]", "--input"])
        self.model_fails(*inputs, *z, "--max-context", 4, says=["--max-context 4", "no cache whose size is open"])
        self.model_fails(*inputs, says=["--input needs --output"], code=2)
        self.model_fails("--frobnicate", says=["no flag --frobnicate"], code=2)
        self.model_fails("--check", says=["without check data; emit it with --check-data"], code=2)
        self.model_fails("--prompt-ids", "1", "--generate", "3", "--generate", "4", says=["--generate may be given once"], code=2)
        self.assertFalse(os.path.exists(self.path("z.npy")))

    def test_refuses_another_package(self):
        inputs = [*self.arrays(1), "--output", "z=z.npy"]
        other = self.path("other.oinf")
        write_package(other, layers=2)
        self.model_fails(*inputs, package=other, says=["not the package", "no tensor W.2"])
        write_package(other, width=32)
        self.model_fails(*inputs, package=other, says=["W.0 is q8_0 (64, 32) stored transposed, not q8_0 (64, 64)"])
        write_package(other, name="another")
        self.model_fails(*inputs, package=other, says=["metadata"])
        self.write("other.oinf", "x" * 5000)
        self.model_fails(*inputs, package=other, says=["other.oinf"])
        write_package(other, scale=2)  # the same model with other weights
        with open(os.path.join(self.project, "plan.txt"), encoding="utf-8") as file:
            weights = re.search("^package m.oinf: weights (0x[0-9a-f]{16}), metadata 0x[0-9a-f]{16}$", file.read(), re.M)[1]
        self.model_fails(*inputs, package=other, says=["other.oinf is not the package", "other contents", f"not {weights}; emit again for it"])
        table = package_arrays()["table"].copy()
        table[9, 63] += 1  # one number of a table of which a step reads single rows
        write_package(other, arrays=package_arrays() | {"table": table})
        self.model_fails(*inputs, package=other, says=["other contents", f"not {weights}"])

    def test_takes_its_package_with_something_added(self):
        self.works("pack", self.package, "--graph", self.graph, "-o", "packed.oinf")
        self.assertNotEqual(self.read("packed.oinf"), self.read(self.package))
        self.assertEqual(self.model(*self.arrays(1), "--output", "z=z.npy", package=self.path("packed.oinf"))[0], 0)

    def test_a_package_in_the_other_layout(self):
        """Kernels for CPUs read W in panels, shaders in rows; what a package has otherwise is laid out anew when it is opened."""
        self.works("pack", self.package, "--graph", self.graph, "--layout", "panel16", "-o", "panels.oinf")
        self.works("emit", "panels.oinf", "--device", self.DEVICE, "--name", "small", "-o", "panels")
        build(self.path("panels"), self.path("panels/b"))
        weights = LAYERS * D * D // 32 * 34
        for rows in (1, 40):
            inputs, found = self.arrays(rows), {}
            self.model_works(*inputs, "--output", "z=rows.npy", "--stats", "rows.json", *self.FLAGS)
            done = subprocess.run([self.path("panels/b/model"), "panels.oinf", *map(str, inputs), "--output", "z=panels.npy", "--stats", "panels.json",
                                   *map(str, self.FLAGS)], capture_output=True, cwd=self.folder, timeout=300, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            for layout in ("rows", "panels"):
                found[layout] = json.loads(self.read(f"{layout}.json"))["repacked_bytes"]
            other = "rows" if self.DEVICE == "this-cpu" else "panels"
            self.assertEqual(found, {"rows": 0, "panels": 0} | {other: weights})
            self.assertEqual(self.read("rows.npy"), self.read("panels.npy"))

    def test_moved_and_built_again_with_another_model(self):
        shutil.copytree(self.project, self.path("elsewhere"), ignore=shutil.ignore_patterns("b"))
        self.write("switched.oig", SWITCHED)
        self.works("emit", self.package, "--graph", "switched.oig", "--name", "switched", "--device", self.DEVICE, "-o", "second")
        self.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES CXX)\n"
                   "add_subdirectory(elsewhere elsewhere/b)\nadd_subdirectory(second second/b)\n"
                   "add_executable(user user.cpp)\ntarget_link_libraries(user small switched)\n")
        self.write("user.cpp", USER)
        build(self.folder, self.folder)
        out = subprocess.run([self.path("user"), self.package], check=True, capture_output=True, text=True).stdout.splitlines()
        self.assertEqual(out[0], "f32[N, 64]")
        x = -package_arrays()["table"][[1, 9, 1]]
        shift = np.array([[1], [20], [300]], np.float32)
        for line, sign, steps in zip(out[1:], (1, -1, 1), (1, 2, 1)):
            y = 2 * (x + sign * shift)
            np.testing.assert_allclose(np.array(line.split(), float), [y[0, 0], y[1, 5], y[2, 63], 0, 63 * steps], rtol=1e-6)
        self.assertTrue(os.path.exists(self.path("elsewhere/b/model")))

    def times(self):
        return {os.path.join("p", name): os.stat(self.path(os.path.join("p", name))).st_mtime_ns
                for root, _, names in os.walk(self.path("p")) for name in (os.path.relpath(os.path.join(root, n), self.path("p")) for n in names)}

    def test_deterministic_and_replaced_as_a_whole(self):
        again = [COMMAND, "emit", self.package, "--device", self.DEVICE, "--graph", self.graph, "--name", "small", "-o", self.path("p")]
        for _ in range(2):  # the second replaces the first
            subprocess.run(again, check=True, capture_output=True)
            os.makedirs(self.path("p/b"), exist_ok=True)
            self.write("p/b/mine", "kept")
        self.assertEqual(sorted(os.listdir(self.folder)), ["p"])
        self.assertEqual(self.read("p/b/mine"), b"kept")
        [kernel, *_] = sorted(name for name in os.listdir(self.path("p/device")) if name != "kernel.h")
        kernel = f"p/device/{kernel}"
        self.write(kernel, self.read(kernel) + b"// by hand\n")
        refused = subprocess.run(again, check=False, capture_output=True, text=True)
        self.assertEqual((refused.returncode, self.read(kernel)[-11:]), (1, b"// by hand\n"))
        self.assertRegex(refused.stderr, rf"^openinfer: error: \[emit\] .*/{kernel} changed since it was emitted: name another folder, or remove .*\n$")
        os.remove(self.path(kernel))
        self.write("p/host/extra.cpp", "mine")
        os.makedirs(self.path("p/device/notes"))
        self.write("p/device/notes/mine", "mine")
        theirs = [self.path("p/host/extra.cpp"), self.path("p/device/notes/mine")]
        times = self.times()
        subprocess.run(again, check=True, capture_output=True)
        changed = [path for path, time in self.times().items() if time != times.get(path)]
        self.assertEqual(changed, [kernel])  # a build takes up nothing else
        for path in theirs:
            self.assertEqual(self.read(path), b"mine")
            os.remove(path)
        os.rmdir(self.path("p/device/notes"))
        for place in ("p", "p/host"):
            stood = subprocess.run([*again[:-1], os.path.relpath(self.path("p"), self.path(place))], check=False, capture_output=True, text=True,
                                   cwd=self.path(place))
            self.assertEqual((stood.returncode, "emit from outside" in stood.stderr), (1, True), stood.stderr)
        manifest = self.read("p/.emitted")
        for text in (b"garbage\n", b"", None):
            os.remove(self.path("p/.emitted"))
            if text is not None:
                self.write("p/.emitted", text)
            refused = subprocess.run(again, check=False, capture_output=True, text=True)
            self.assertEqual((refused.returncode, "no list of what was emitted" in refused.stderr), (1, True), refused.stderr)
            self.write("p/.emitted", b"")
        self.write("p/.emitted", b"".join(line for line in manifest.splitlines(True) if b"plan.txt" not in line))
        refused = subprocess.run(again, check=False, capture_output=True, text=True)
        self.assertIn("p/plan.txt was not emitted, and would be replaced", refused.stderr)
        self.write("p/.emitted", manifest)
        for root, _, names in os.walk(self.path("p")):
            if not root.startswith(self.path("p/b")):
                theirs = os.path.join(self.project, os.path.relpath(root, self.path("p")))
                self.assertEqual(filecmp.cmpfiles(root, theirs, names, shallow=False)[0], names)
        with open(os.path.join(self.project, "README.md"), encoding="utf-8") as file:
            self.assertNotRegex(file.read(), "MODEL_")

    def test_reads_as_written_by_hand(self):
        with open(os.path.join(self.project, "host/model.cpp"), encoding="utf-8") as file:
            source = file.read()
        self.assertIn("for (std::int64_t l = 0; l < 3; ++l) {", source)
        self.assertIn("weights.W[l]", source)
        self.assertRegex(source, r"std::swap\(\w+, \w+\);")
        self.assertRegex(source, r"// m = matmul.* at .*:\d+")
        self.assertLessEqual(max(map(len, source.splitlines())), 140)

    def test_emission_takes_no_memory_for_states(self):
        self.write("cache.oig", """oig 1
dim 1 <= N <= 4
state $kv : kv_cache(f32, layers=64, slots=16, heads=8, capacity=65536, head_dim=128)
graph (x: f32[N, 1024], pos: i32[N], slot: i32[N]) -> (y: f32[N, 1024]) {
  kv_write($kv, x, x, layer=3, pos=pos, slot=slot)
  return x
}
""")
        flags = ["--graph", self.path("cache.oig"), "--device", "x86-64-v3", "-o", self.path("cache")]
        done = subprocess.run([COMMAND, "emit", self.package, *flags], capture_output=True, text=True, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_threads_that_cannot_be_started(self):
        def little():  # of addresses: a thread takes 8 MiB of them for its stack
            resource.setrlimit(resource.RLIMIT_AS, (3_000_000 << 10, 3_000_000 << 10))
            resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, 8 << 20))
        tail = [*self.arrays(7), "--output", "z=z.npy", "--threads", "1024"]
        done = subprocess.run([os.path.join(self.project, "b", "model"), self.package, *tail], capture_output=True, text=True,
                              cwd=self.folder, check=False, preexec_fn=little)
        self.assertEqual((done.returncode, done.stderr),
                         (1, "model: error: cannot start 1024 threads; give fewer with --threads\n"))

    def features(self, *emulator):
        """What the emitted project finds, of all the names that devices of this architecture have."""
        done = subprocess.run([*emulator, self.path("features"), *self.names], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return set(done.stdout.split())

    def test_instruction_sets(self):
        devices = {device["name"]: set(device.get("isa", [])) for device in json.loads(self.text("devices", "--json"))["devices"]}
        here = json.loads(self.text("devices", "this-cpu", "--json"))["isa"]
        x86 = platform.machine() == "x86_64"
        self.names = sorted(set().union(*(isa for isa in devices.values() if ("sse3" if x86 else "asimd") in isa)))
        self.assertGreater(len(self.names), 4)
        self.write("features.cpp", FEATURES)
        emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
        for compiler in filter(shutil.which, ("g++", "clang++")):
            subprocess.run([compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-I", os.path.join(self.project, "host"), "-o",
                            self.path("features"), self.path("features.cpp")], check=True)
            self.assertEqual(self.features(), set(here))
            done = subprocess.run([self.path("features"), "avx9"], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, "cannot tell whether a machine has avx9" in done.stderr), (1, True), done.stderr)
            for cpu, row in (("Haswell", "x86-64-v3"), ("Nehalem", "x86-64-v2")) if x86 and emulator else ():
                self.assertEqual(self.features(emulator, "-cpu", cpu), devices[row])
        beyond = [name for name in here if name not in devices["x86-64-v3"]]
        if x86 and emulator and beyond:
            done = subprocess.run([emulator, "-cpu", "Haswell", os.path.join(self.project, "b", "model"), self.package, *self.arrays(1),
                                   "--output", "z=z.npy"], capture_output=True, text=True, cwd=self.folder, check=False)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(f"this machine has no {beyond[0]}: emit again", done.stderr)

    def test_golden_sources(self):
        """Reviewed as diffs; OPENINFER_UPDATE_GOLDEN=1 writes them."""
        tiny_llama.write(self.path("tiny.oinf"))
        self.write("small.oig", GRAPH)
        self.write("switched.oig", SWITCHED)
        models = (("small", self.package, "--graph", "small.oig"), ("switched", self.package, "--graph", "switched.oig"), ("tiny", "tiny.oinf"))
        for (name, *arguments), (device, mark) in itertools.product(models, (("x86-64-v3", ""), ("lavapipe", "vulkan_"))):
            self.works("emit", *arguments, "--name", name, "--device", device, "-o", name)
            for file in ("host/model.cpp", "plan.txt"):
                golden = os.path.join(GOLDEN, f"{name}_{mark}{os.path.basename(file)}")
                # Checksums of random weights are NumPy's, whose streams another version may change.
                source = re.sub("(weights(?:_checksum =)?) 0x[0-9a-f]{16}", r"\1 0x…", self.read(f"{name}/{file}").decode())
                if "OPENINFER_UPDATE_GOLDEN" in os.environ:
                    with open(golden, "w", encoding="utf-8") as out:
                        out.write(source)
                with open(golden, encoding="utf-8") as expected:
                    self.assertEqual(source, expected.read(), golden)

    def test_no_fuse(self):
        """A kernel for each node, and the same numbers."""
        flags = [self.package, "--graph", self.graph, "--device", self.DEVICE, "--no-fuse", "--lang", "cpp"]
        self.works("emit", *flags, "-o", "plain", "--name", NAME)
        fused, plain = (len(os.listdir(os.path.join(folder, "device"))) for folder in (self.project, self.path("plain")))
        self.assertGreater(plain, fused)
        self.works("emit", *flags, "-o", "unnamed")
        self.assertIn("namespace m {", self.read("unnamed/host/model.cpp").decode())  # --name is the package's
        build(self.path("plain"), self.path("plain/b"))
        inputs, plain = self.arrays(7), os.path.join(self.path("plain/b"), "model")
        self.model_works(*inputs, "--output", "z=fused.npy")
        subprocess.run([plain, self.package, *inputs, "--output", "z=plain.npy"], check=True, cwd=self.folder, capture_output=True)
        # Sums of 64 products in another order, three times, as in test_equals_the_simulator.
        np.testing.assert_allclose(np.load(self.path("plain.npy")), np.load(self.path("fused.npy")), rtol=1e-5, atol=1e-4)

    def test_dump_pass(self):
        emit = ["emit", self.package, "--graph", self.graph, "--device", self.DEVICE, "-o", "q", "--dump-pass"]
        self.works(*emit, "fuse")
        before, after = self.stderr.split("--- after fuse\n")
        self.assertIn("--- before fuse\noig 1\n", before)
        self.assertNotEqual(before.split("--- before fuse\n")[1], after)
        self.works(*emit, "memory")
        self.assertRegex(self.stderr, r"--- before memory\nplan m\n")
        self.works(*emit, "all")
        self.assertGreater(self.stderr.count("--- before "), 5)

    def test_what_emit_refuses(self):
        graph = ["--graph", self.graph]
        self.fails("emit", self.package, *graph, "--device", "zen9", "-o", "q", says=["zen9", "zen"])
        self.fails("emit", self.package, *graph, "--device", "zen4", "--api", "vulkan", "-o", "q", says=["vulkan", "zen4"])
        self.fails("emit", self.package, *graph, "--device", "this-cpu", "--name", "two words", "-o", "q", says=["'two words'", "--name"])
        for taken in ("flags", "sequences", "vulkan_pipelines", "class", "std", "all", "errno", "string", "index", "write", "assert", "threads", "time", "stdin",
                      "NULL"):
            self.fails("emit", self.package, *graph, "--device", "this-cpu", "--name", taken, "-o", "q", says=[f"'{taken}'", "--name"])
        self.fails("emit", self.package, *graph, "--device", "this-cpu", "--max-context", 5, "-o", "q", says=["max_context 5"])
        self.fails("emit", self.package, *graph, "--device", "this-cpu", "--batch", 2, "-o", "q", says=["batch 2", "no cache"])
        self.fails("emit", self.package, *graph, "--device", "this-cpu", "--dump-pass", "fusee", "-o", "q", says=["fusee", "fuse"], code=2)
        os.makedirs(self.path("full"))
        self.write("full/notes.txt", "mine")
        os.makedirs(self.path("alike/device"))
        self.write("alike/plan.txt", "1. buy bread")
        self.write("alike/host", "mine")
        self.fails("emit", self.package, *graph, "--device", "this-cpu", "-o", "alike", says=["alike", "another folder"])
        self.assertEqual(self.read("alike/host"), b"mine")
        self.fails("emit", self.package, *graph, "--device", "this-cpu", "-o", "full", says=["full", "another folder"])
        self.assertEqual(self.read("full/notes.txt"), b"mine")

    def test_other_devices(self):
        for device, flag in (("neoverse-n1", "armv8.2-a"), ("x86-64-v4", "x86-64-v4"), ("x86-64-v2", "x86-64-v2")):
            self.works("emit", self.package, "--graph", self.graph, "--device", device, "-o", device)
            self.assertIn(flag, self.read(f"{device}/CMakeLists.txt").decode())
            self.assertIn(device, self.read(f"{device}/README.md").decode())


if __name__ == "__main__":
    unittest.main()
