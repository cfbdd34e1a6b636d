# SPDX-License-Identifier: Apache-2.0
"""emit: projects are built by CMake alone, run on .npy files and token ids, and held to the simulator."""

import filecmp
import itertools
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
import tiny_llama  # noqa: E402
from harness import COMMAND, Case  # noqa: E402
import opnf  # noqa: E402  (tiny_llama knows where it is)

# A loop of matrix products over a family in q8_0, with elementwise work around them.
LAYERS, D = 3, 64
GRAPH = """oig 1
dim 1 <= N <= 40
weight @W.{0..3} : q8_0[64, 64]
weight @table    : f32[10, 64]
graph (ids: i32[N], y: f32[N, 64]) -> (z: f32[N, 64], x: f32[N, 64]) {
  x = gather(@table, ids)
  for l in 0..3 carry x {
    m = matmul(x, @W.{l})
    t = tanh(m)
    n = x + t
    next n
  }
  s = x * y
  z = s + 0.5
  return z, x
}
"""


# A branch, constants, a state; its kernels have names that the other model's have too.
SWITCHED = """oig 1
dim 1 <= N <= 8
dim 1 <= S <= 6
weight @table : f32[10, 64]
const #scales : f32[2] = {0.5, -2}
const #shift : f32[3, 1] = {1, 20, 300}
state $sum : tensor(f32, shape=[S, 64])
graph (ids: i32[3], more: bool[], add: f32[S, 64]) -> (y: f32[3, 64], kept: f32[S, 64]) {
  x = gather(@table, ids)
  for l in 0..2 carry x {
    n = x * #scales[l]
    next n
  }
  r = if more {
    a = x + #shift
    next a
  } else {
    b = x - #shift
    next b
  }
  y = r * 2
  old = state_read($sum)
  kept = old + add
  state_write($sum, kept)
  return y, kept
}
"""

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
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")


def package_arrays(layers=LAYERS, width=D, scale=1.0):
    random = np.random.default_rng(5)
    table = random.normal(size=(10, D)).astype("<f4")
    return {f"W.{layer}": scale * random.normal(size=(width, D)).astype(np.float32) / 8 for layer in range(layers)} | {"table": table}


def write_package(path, name="small", arrays=None, **changes):
    w = opnf.Writer(path)
    w.meta("general.name", name)
    for key, value in (arrays or package_arrays(**changes)).items():
        if key == "table":
            w.tensor(key, "f32", value.shape, value)
        else:
            w.tensor(key, "q8_0", value.shape[::-1], tiny_llama.q8_0(value), transposed=True)
    w.write()


def build(source, folder, *options):
    """Configures and builds with nothing but CMake and a compiler; the tests' own settings do not reach it. What several
    projects have alike is compiled once, where ccache is there."""
    environment = dict(os.environ, CCACHE_BASEDIR=os.path.dirname(os.path.abspath(source)), CCACHE_NOHASHDIR="1")
    if shutil.which("ccache"):
        options = (*options, "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    for arguments in (["cmake", "-S", source, "-B", folder, *options], ["cmake", "--build", folder, "-j2"]):
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        if "warning:" in done.stdout + done.stderr:
            raise AssertionError(done.stdout + done.stderr)


class Emitted(Case):
    """One project for all tests of a class: built once."""
    DEVICE, FLAGS = "this-cpu", ["--threads", 2]

    @classmethod
    def make(cls, *arguments):
        cls.home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.home.cleanup)
        cls.project, cls.package = os.path.join(cls.home.name, "p"), os.path.join(cls.home.name, "m.oinf")
        return lambda: subprocess.run([COMMAND, "emit", cls.package, "--device", cls.DEVICE, "-o", cls.project, *arguments],
                                      check=True, capture_output=True)

    def model(self, *arguments, package=None):
        done = subprocess.run([os.path.join(self.project, "b", "model"), package or self.package, *map(str, arguments)],
                              capture_output=True, cwd=self.folder, timeout=300, check=False)
        return done.returncode, done.stdout.decode(errors="surrogateescape"), done.stderr.decode()

    def model_works(self, *arguments):
        code, out, err = self.model(*arguments)
        self.assertEqual(code, 0, err)
        return out

    def model_fails(self, *arguments, says, code=1, package=None):
        found, out, err = self.model(*arguments, package=package)
        self.assertEqual((found, out, err.count("\n")), (code, "", 1), err)
        self.assertTrue(err.startswith("model: error: "), err)
        for part in says:
            self.assertIn(part, err)


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
        y, z = inputs[2:], ["--output", "z=z.npy"]
        self.model_fails("--input", "ids=far.npy", *y, *z, says=["ids[3] is 10", "[0, 10)", "entries of table"])
        self.model_fails("--input", "ids=many.npy", *y, *z, says=["N = 41", "[1, 40]"])
        self.model_fails(*inputs[:2], "--input", "y=wide.npy", *z, says=["input y", "is 65, not 64"])
        self.model_fails(*inputs[:2], "--input", "y=whole.npy", *z, says=["input y is f32[N, 64], not i64 (7, 64)"])
        self.model_fails(*inputs[:2], *z, says=["input y: f32[N, 64] is missing"])
        self.model_fails(*inputs, "--input", "q=y.npy", *z, says=["no input 'q'"])
        self.model_fails(*inputs, "--output", "q=z.npy", says=["no output 'q'"])
        self.model_fails("--prompt-ids", "1,2", says=["tok, pos, slot, rows", "ids: i32[N]", "--input"])
        self.model_fails(*inputs, says=["--input needs --output"], code=2)
        self.model_fails("--frobnicate", says=["no flag --frobnicate"], code=2)
        self.model_fails("--check", says=["without check data"], code=2)
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
                   "add_subdirectory(elsewhere)\nadd_subdirectory(second)\n"
                   "add_executable(user user.cpp)\ntarget_link_libraries(user small switched)\n")
        self.write("user.cpp", USER)
        build(self.folder, self.path("build"))
        out = subprocess.run([self.path("build/user"), self.package], check=True, capture_output=True, text=True).stdout.splitlines()
        self.assertEqual(out[0], "f32[N, 64]")
        x = -package_arrays()["table"][[1, 9, 1]]
        shift = np.array([[1], [20], [300]], np.float32)
        for line, sign, steps in zip(out[1:], (1, -1, 1), (1, 2, 1)):
            y = 2 * (x + sign * shift)
            np.testing.assert_allclose(np.array(line.split(), float), [y[0, 0], y[1, 5], y[2, 63], 0, 63 * steps], rtol=1e-6)
        self.assertTrue(os.path.exists(self.path("build/elsewhere/model")))

    def test_deterministic_and_replaced_as_a_whole(self):
        again = [COMMAND, "emit", self.package, "--device", self.DEVICE, "--graph", self.graph, "--name", "small", "-o", self.path("p")]
        for _ in range(2):  # the second replaces the first
            subprocess.run(again, check=True, capture_output=True)
            os.makedirs(self.path("p/b"), exist_ok=True)
            self.write("p/b/mine", "kept")
        self.assertEqual(sorted(os.listdir(self.folder)), ["p"])
        self.assertEqual(self.read("p/b/mine"), b"kept")
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
        self.works("emit", self.package, "--graph", self.graph, "--device", self.DEVICE, "--no-fuse", "--lang", "cpp", "-o", "plain")
        fused, plain = (len(os.listdir(os.path.join(folder, "device"))) for folder in (self.project, self.path("plain")))
        self.assertGreater(plain, fused)
        self.assertIn("namespace m {", self.read("plain/host/model.cpp").decode())  # --name is the package's
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
        for taken in ("flags", "sequences", "vulkan_pipelines", "class", "std", "all"):
            self.fails("emit", self.package, *graph, "--device", "this-cpu", "--name", taken, "-o", "q", says=[f"'{taken}'", "--name"])
        self.fails("emit", self.package, *graph, "--device", "this-cpu", "--max-context", 5, "-o", "q", says=["--max-context 5"])
        self.fails("emit", self.package, *graph, "--device", "this-cpu", "--batch", 2, "-o", "q", says=["--batch 2", "no cache"])
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


# Sequences that start and end at different steps, through the Model API of a program for three: prompt and first step
# of each. Prints the best id behind each row, a line a sequence, and whether each logit has the bits that it has when the
# sequence runs alone.
SIDE_BY_SIDE = r"""
#include <algorithm>
#include <cstdio>
#include <cstring>
#include "batch.h"

constexpr int kVocab = %d, kSteps = 9;
struct Sequence {
  std::vector<int> prompt;
  int slot, start, end;  // runs in the steps [start, end)
};

struct Row {
  int token, position, slot;
};
std::vector<float> run(batch::Model& model, const char* entry, const std::vector<Row>& step) {
  std::vector<int> tok, pos, slot, rows;
  for (const Row& row : step) {
    rows.push_back(static_cast<int>(tok.size()));
    tok.push_back(row.token), pos.push_back(row.position), slot.push_back(row.slot);
  }
  const std::int64_t n[] = {static_cast<std::int64_t>(step.size())};
  std::vector<float> logits(step.size() * kVocab);
  const batch::Input inputs[] = {
      {"rows", "i32", n, rows.data()}, {"slot", "i32", n, slot.data()}, {"pos", "i32", n, pos.data()}, {"tok", "i32", n, tok.data()}};
  const batch::Output outputs[] = {{"logits", logits.data(), logits.size() * 4}};
  model.run_step(entry, inputs, outputs);
  return logits;
}

int main(int, char** argv) {
  const Sequence all[] = {{{1, 2, 3}, 0, 0, 5}, {{259, 262, 108, 100}, 1, 1, 9}, {{200}, 2, 2, 4}, {{7, 8}, 2, 5, 9}, {{9, 9, 30, 31, 32}, 0, 5, 8}};
  constexpr int kCount = sizeof all / sizeof all[0];
  std::vector<int> ids[kCount];
  std::vector<std::vector<float>> logits[kCount];
  auto model = batch::Model::open(argv[1], {.sizes = {{"ctx", 32}}});
  for (int step = 0; step < kSteps; ++step) {
    std::vector<Row> rows;
    std::vector<int> owner;  // of each row whose logits count: the last of a prompt, or one of decoding
    bool prompts = false;
    for (int s = 0; s < kCount; ++s) {
      if (step < all[s].start || step >= all[s].end) continue;
      const int length = static_cast<int>(all[s].prompt.size()), done = static_cast<int>(ids[s].size());
      prompts = prompts || done == 0;
      for (int i = 0; done == 0 && i < length; ++i) rows.push_back({all[s].prompt[i], i, all[s].slot}), owner.push_back(i + 1 == length ? s : -1);
      if (done > 0) rows.push_back({ids[s].back(), length + done - 1, all[s].slot}), owner.push_back(s);
    }
    const std::vector<float> out = run(model, prompts ? "prefill" : "decode", rows);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      if (owner[r] < 0) continue;
      const float* row = out.data() + r * kVocab;
      logits[owner[r]].emplace_back(row, row + kVocab);
      ids[owner[r]].push_back(static_cast<int>(std::max_element(row, row + kVocab) - row));
    }
  }
  for (int s = 0; s < kCount; ++s) {
    for (const int id : ids[s]) std::printf("%%d ", id);
    std::printf("\n");
  }
  for (int s = 0; s < kCount; ++s) {  // the same alone, in another slot
    float worst = 0;
    for (std::size_t step = 0; step < ids[s].size(); ++step) {
      std::vector<Row> rows;
      const int length = static_cast<int>(all[s].prompt.size()), at = static_cast<int>(step);
      for (int i = 0; step == 0 && i < length; ++i) rows.push_back({all[s].prompt[i], i, 1});
      if (step > 0) rows.push_back({ids[s][step - 1], length + at - 1, 1});
      const std::vector<float> out = run(model, step == 0 ? "prefill" : "decode", rows);
      for (int i = 0; i < kVocab; ++i)
        worst = std::max(worst, std::abs(out[(rows.size() - 1) * kVocab + i] - logits[s][step][i]));
    }
    std::printf("%%g ", worst);
  }
  std::printf("\n");
}
""" % tiny_llama.VOCAB


class Batch(Emitted):
    """A program for three sequences at once: each row of a step is computed as if it were alone."""
    PROMPTS = [[1, 2, 3], [259, 262, 108, 100], [200], [7, 8], [9, 9, 30, 31, 32]]

    @classmethod
    def setUpClass(cls):
        emit = cls.make("--name", "batch", "--batch", "3", "--max-context", "64")
        tiny_llama.write(cls.package)
        emit()
        build(cls.project, os.path.join(cls.project, "b"))

    def test_sizes(self):
        with open(os.path.join(self.project, "plan.txt"), encoding="utf-8") as file:
            plan = file.read()
        self.assertIn("entry decode: N in [1, 3], R in [1, 3], slots in [1, 3], ctx in [1, 64]", plan)
        self.assertIn("entry prefill: N in [1, 512], R in [1, 512], slots in [1, 3]", plan)

    def test_prompts_side_by_side(self):
        flags = list(itertools.chain(*(("--prompt-ids", ",".join(map(str, prompt))) for prompt in self.PROMPTS)))
        out = self.model_works(*flags, "--generate", 7, "--ignore-eos", "--stats", "s.json", *self.FLAGS)  # more prompts than slots
        self.assertEqual(out.splitlines(), [",".join(map(str, tiny_llama.greedy(prompt, 7))) for prompt in self.PROMPTS])
        self.assertGreater(json.loads(self.read("s.json"))["generate_tokens_per_s"], 0)
        text = self.model_works(*flags[:4], "--generate", 3, "--ignore-eos", "--text").splitlines()
        self.assertEqual([line[:4] for line in text], ["[1] ", "[2] "])
        alone = self.model_works(*flags[2:4], "--generate", 3, "--ignore-eos", "--text")
        self.assertEqual(text[1][4:] + "\n", alone)

    def test_sequences_that_start_and_end_at_different_steps(self):
        self.write("CMakeLists.txt", f"cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES CXX)\nadd_subdirectory({self.project} batch)\n"
                   "add_executable(user user.cpp)\ntarget_link_libraries(user batch)\n")
        self.write("user.cpp", SIDE_BY_SIDE)
        build(self.folder, self.path("build"))
        *lines, alone = subprocess.run([self.path("build/user"), self.package], check=True, capture_output=True, text=True).stdout.splitlines()
        expected = [tiny_llama.greedy(prompt, count) for prompt, count in zip(self.PROMPTS, (5, 8, 2, 4, 3))]
        self.assertEqual([list(map(int, line.split())) for line in lines], expected)
        self.assertEqual(list(map(float, alone.split())), [0] * 5)

    def test_bench(self):
        bench = json.loads(self.model_works("--bench", "--prompt", 5, "--generate", 4, "--batch", 3, "--json"))
        self.assertEqual(bench["batch"], 3)
        self.assertGreater(bench["decode_tokens_per_s"], 0)
        self.model_fails("--bench", "--prompt", 5, "--generate", 4, "--batch", 4, says=["--batch 4", "holds 3 sequences", "emit again with --batch 4"])

    def test_bad_input(self):
        self.model_fails("--prompt-ids", "1", "--prompt-ids", "2", "--logits", "l.npy", says=["--logits is of one prompt"], code=2)
        self.model_fails("--prompt-ids", "1", "--prompt-ids", "", says=["no tokens"], code=2)
        self.model_fails("--prompt-ids", "1", "--prompt-ids", ",".join(["1"] * 65), says=["65 tokens", "context of 64"])
        self.fails("emit", self.package, "--device", "this-cpu", "--batch", 17, "-o", "q", says=["--batch 17 is beyond the graph's 16 (slots)"])
        self.fails("emit", self.package, "--device", "this-cpu", "--batch", 0, "-o", "q", says=["--batch"], code=2)


class Rows(Emitted):
    # float32 in another order against NumPy in float64, as tests/cli/run_test.py holds the simulator to.
    TOLERANCE = 2e-4

    @classmethod
    def setUpClass(cls):
        emit = cls.make("--name", "tiny", "--max-context", "700", "--check-data")
        tiny_llama.write(cls.package)
        emit()
        build(cls.project, os.path.join(cls.project, "b"))

    def test_greedy_ids(self):
        for prompt in ([1, 2, 3], [259, 262, 108, 100], [200]):
            out = self.model_works("--prompt-ids", ",".join(map(str, prompt)), "--generate", 12, "--ignore-eos", "--ids")
            self.assertEqual(out, ",".join(map(str, tiny_llama.greedy(prompt, 12))) + "\n")

    def test_logits_of_every_position_across_chunks(self):
        prompt = np.random.default_rng(1).integers(0, tiny_llama.VOCAB, 600).tolist()  # a step takes 512 rows
        out = self.model_works("--prompt-ids", ",".join(map(str, prompt)), "--generate", 2, "--ignore-eos", "--logits", "l.npy", *self.FLAGS)
        found = np.load(self.path("l.npy"))
        self.assertEqual((found.dtype, found.shape), (np.float32, (600, tiny_llama.VOCAB)))
        self.assertLess(np.abs(found - tiny_llama.logits(prompt)).max(), self.TOLERANCE)
        self.assertEqual(out, ",".join(map(str, tiny_llama.greedy(prompt, 2))) + "\n")

    def test_text_is_the_detokenized_ids(self):
        flags = ["--prompt-ids", "1,2,3", "--generate", 8, "--ignore-eos"]
        ids, text = self.model_works(*flags).strip(), self.model(*flags, "--text")[1]
        self.assertEqual(text.encode(errors="surrogateescape").removesuffix(b"\n"), self.works("detokenize", self.package, ids).removesuffix(b"\n"))

    def test_context(self):
        self.model_fails("--prompt-ids", ",".join(["1"] * 701), says=["701 tokens", "context of 700"])
        self.model_fails("--prompt-ids", "1", "--max-context", 701, says=["--max-context 701", "700"])
        code, out, err = self.model("--prompt-ids", "1,2,3", "--max-context", 5, "--generate", 9, "--ignore-eos")
        self.assertEqual((code, out), (0, ",".join(map(str, tiny_llama.greedy([1, 2, 3], 3))) + "\n"))
        self.assertIn("the context of 5 is full", err)
        self.model_fails("--prompt-ids", str(tiny_llama.VOCAB), says=[f"tok[0] is {tiny_llama.VOCAB}", "entries of tok_embeddings"])

    def test_bench_and_stats(self):
        bench = json.loads(self.model_works("--bench", "--prompt", 20, "--generate", 4, "--depth", 30, "--json"))
        for key in ("prefill_tokens_per_s", "decode_tokens_per_s", "bytes_per_token", "open_s", "peak_resident_bytes"):
            self.assertGreater(bench[key], 0)
        self.model_works("--prompt-ids", "1,2,3", "--generate", 3, "--ignore-eos", "--stats", "s.json")
        stats = json.loads(self.read("s.json"))
        for key in ("prompt_tokens_per_s", "generate_tokens_per_s", "load_s", "bytes_read", "peak_resident_bytes"):
            self.assertGreater(stats[key], 0)

    def test_check(self):
        out = self.model_works("--check", *self.FLAGS)
        self.assertRegex(out, r"check: \d+ nodes, \d+ values within bounds\n$")
        self.assertRegex(out, r"\n +[0-9.e-]+ +[0-9.e-]+ +[0-9.e-]+  q = rope +llama.h:\d+ +device/rope\.(cpp|comp)\n")
        self.assertIn("add (fused away: Wdown = matmul)", out)

    def test_check_refuses_data_that_are_not_its_own(self):
        def with_data(content, *says, package=None):
            self.write("d.oinf", content)
            self.model_fails("--check", "--check-data", "d.oinf", package=package, says=["d.oinf", *says])
        data = self.read(os.path.join(self.project, "check/data.oinf"))
        self.model_fails("--check", "--check-data", "none.oinf", says=["check data", "none.oinf", "No such file"])
        with_data(b"x" * 5000)
        with_data(data[:-4096])
        half = len(data) // 2  # more than lies between two tensors
        with_data(data[:half] + bytes(byte ^ 1 for byte in data[half:half + 128]) + data[half + 128:], "hurt")
        with open(self.package, "rb") as package:
            with_data(package.read(), "holds no check data")
        other = self.path("other")
        self.works("emit", self.package, "--device", "this-cpu", "--name", "tiny", "--max-context", 600, "--check-data", "-o", other)
        with_data(self.read("other/check/data.oinf"), "another emission")
        tiny_llama.write(self.path("f32.oinf"), dtypes={"final_norm": "f16"})
        self.model_fails("--check", package=self.path("f32.oinf"), says=["f32.oinf is not the package", "final_norm is f16"])

    def test_check_data_are_deterministic(self):
        for _ in range(2):
            self.works("emit", self.package, "--device", self.DEVICE, "--name", "tiny", "--max-context", 700, "--check-data", "-o", "again")
            self.assertEqual(self.read("again/check/data.oinf"), self.read(os.path.join(self.project, "check/data.oinf")))

    def test_cache_in_f16(self):
        for flags, dtype in (([], "f32"), (["--kv-dtype", "f16"], "f16")):
            self.works("emit", self.package, "--device", self.DEVICE, *flags, "-o", "q")
            self.assertRegex(self.read("q/plan.txt").decode(), rf"\nstate +kv_keys +{dtype}\(2, slots, 2, ctx, 8\)")

    def test_mixed_dtypes_take_a_kernel_each(self):
        with open(os.path.join(self.project, "host/model.cpp"), encoding="utf-8") as file:
            self.assertRegex(file.read(), re.compile(r'switch \("ab"\[l\]\)'))


# Debian's names of a cross compiler and of an emulator of single programs.
ARM_COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64-static"


@unittest.skipUnless(platform.machine() == "x86_64", "compares with a project for x86-64-v2")
@unittest.skipUnless(shutil.which(ARM_COMPILER) and shutil.which(EMULATOR), f"needs {ARM_COMPILER} and {EMULATOR}")
class Arm(Case):
    """A project for Arm, cross-compiled and emulated, gives the bits of one for x86-64-v2, which has four lanes too."""

    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        cls.home, cls.package = home.name, os.path.join(home.name, "m.oinf")
        tiny_llama.write(cls.package)
        cross = ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", f"-DCMAKE_CXX_COMPILER={ARM_COMPILER}",
                 "-DCMAKE_EXE_LINKER_FLAGS=-static"]
        for device, options in (("x86-64-v2", []), ("neoverse-n1", cross)):
            project = os.path.join(cls.home, device)
            subprocess.run([COMMAND, "emit", cls.package, "--device", device, "-o", project, "--name", "tiny"], check=True, capture_output=True)
            build(project, os.path.join(project, "b"), *options)

    def model(self, emulator, device, *arguments):
        return subprocess.run([*emulator, os.path.join(self.home, device, "b/model"), self.package, *map(str, arguments)],
                              cwd=self.folder, capture_output=True, text=True, timeout=300, check=False)

    def test_bits_of_x86(self):
        prompt = np.random.default_rng(2).integers(0, tiny_llama.VOCAB, 37).tolist()
        flags = ["--prompt-ids", ",".join(map(str, prompt)), "--generate", 12, "--ignore-eos", "--ids", "--threads", 2, "--logits"]
        expected = ",".join(map(str, tiny_llama.greedy(prompt, 12))) + "\n"
        for emulator, device in (([], "x86-64-v2"), ([EMULATOR, "-cpu", "neoverse-n1"], "neoverse-n1")):
            done = self.model(emulator, device, *flags, f"{device}.npy")
            self.assertEqual((done.returncode, done.stdout), (0, expected), done.stderr)
        self.assertEqual(self.read("neoverse-n1.npy"), self.read("x86-64-v2.npy"))
        self.assertLess(np.abs(np.load(self.path("neoverse-n1.npy")) - tiny_llama.logits(prompt)).max(), Rows.TOLERANCE)

    def test_refuses_a_cpu_without_the_instructions(self):
        done = self.model([EMULATOR, "-cpu", "cortex-a53"], "neoverse-n1", "--prompt-ids", "1")
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1), done.stderr)
        self.assertIn("no fp16", done.stderr)


if __name__ == "__main__":
    unittest.main()
