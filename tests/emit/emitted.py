# SPDX-License-Identifier: Apache-2.0
"""What tests of emitted projects share: two small models, and a project built once for the tests of a class."""

import os
import shutil
import subprocess
import sys
import tempfile

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
# Projects have one of two names wherever nothing hangs on it: host files of one name are alike, and compiled once.
NAME, OTHER_NAME = "small", "switched"
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


def build(source, folder, *options, at_once=False, target="all"):
    """Configures and builds with nothing but CMake and a compiler; the tests' own settings do not reach it. Where ccache is
    there, host files that several projects have alike are compiled once: file by file (unless `at_once`), below one base
    directory, each project built in a folder of its own, from where all call them ../host."""
    environment = dict(os.environ, CCACHE_BASEDIR=os.path.realpath(tempfile.gettempdir()), CCACHE_NOHASHDIR="1")
    if shutil.which("ccache"):
        options = ("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache", *([] if at_once else ["-DHOST_AT_ONCE=OFF"]), *options)
    for arguments in (["cmake", "-S", source, "-B", folder, *options], ["cmake", "--build", folder, "-j2", "--target", target]):
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

    def standard_output_fails(self, *arguments, package=None):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([os.path.join(self.project, "b", "model"), package or self.package, *map(str, arguments)], stdout=full,
                                  stderr=subprocess.PIPE, cwd=self.folder, timeout=300, check=False)
        self.assertEqual((done.returncode, done.stderr.decode()),
                         (1, "model: error: standard output cannot be written: No space left on device\n"), arguments)
