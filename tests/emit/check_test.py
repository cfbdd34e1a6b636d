# SPDX-License-Identifier: Apache-2.0
"""--check: single faults planted in emitted kernels are each found at their node and in their file; the programs as emitted pass."""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
import tiny_llama  # noqa: E402
from harness import COMMAND  # noqa: E402
import opnf  # noqa: E402  (tiny_llama knows where it is)
import opnf_reader  # noqa: E402

# Kinds of operators that a llama does not have.
GRAPH = """oig 1
dim 1 <= N <= 16
weight @table  : q8_0[10, 64]
weight @A      : q4_0[64, 48]
weight @B      : q4_k[256, 16]
weight @weight : f32[64]
weight @bias   : f32[64]
graph (ids: i32[N], x: f32[N, 64], wide: f32[N, 256], whole: i32[N, 6], flag: bool[]) -> (joined: f32[N, 96],
    turned: f32[48, N], last: f32[N, 16], mean: f32[N], most: f32[48], place: i32[N], half: f16[N, 64], chosen: f32[N, 48],
    counted: i32[N, 6], part: f32[N, 24], total: f32[N]) {
  row = gather(@table, ids)
  normed = layer_norm(row, @weight, @bias)
  scaled = normed * x
  low = matmul(scaled, @A)
  soft = softmax(low)
  joined = concat(low, soft, axis=1)
  turned = transpose(soft)
  k = matmul(wide, @B)
  wave = sin(k)
  last = if flag {
    up = wave * 2
    next up
  } else {
    down = wave - k
    next down
  }
  mean = mean(wide, axes=[1])
  most = reduce_max(low, axes=[0])
  place = argmax(low)
  half = cast(x, dtype=f16)
  size = abs(low)
  root = sqrt(size)
  above = ge(low, soft)
  chosen = select(above, root, low)
  two = whole + whole
  counted = two * whole
  part = slice(low, axis=1, begin=1, end=48, step=2)
  total = sum(x, axes=[1])
  return joined, turned, last, mean, most, place, half, chosen, counted, part, total
}
"""

# Drops the low 13 bits of the significand: what a store to f16 then finds is rounded towards zero.
CUT = r"bitcast<f32x\2>(bitcast<u32x\2>(\1) & 4294959104u)"

# What is wrong, in which kernel, the text as emitted (a regular expression), the text that takes its place wherever that stands, and
# the node that must be named. Lanes are those of this machine.
MIXED = [
    ("an index off by one", "gather_row", r"min\(ids\[r\], 9\)", "min(ids[r] + 1, 9)", "row = gather"),
    ("the scale of block 0 for all", "gather_row", r"table\[block\]\.d", "table[block / 2 * 2].d", "row = gather"),
    ("a term is missing", "layer_norm_normed", r" \+\s+load<f32x\d+>\(&b\[i\]\)", "", "scaled = mul"),
    ("eps is 100 times too large", "layer_norm_normed", r"1e-05f", "1e-03f", "scaled = mul"),
    ("a wrong zero point of a block format", "matmul_A", r"-\s+(\(?)8( <<|\))", r"- \g<1>7\2", "low = matmul"),
    ("the scale of the wrong block", "matmul_A", r"load<f32x(\d+)>\(&A\[at\]\.d", r"load<f32x\1>(&A[first_block].d", "low = matmul"),
    ("NaN in an epilogue", "matmul_A", r"abs\((sum\w*|total)\)", r"\1", "root = sqrt"),
    ("minima are left out", "matmul_B", r"(load<f32x\d+>\(&B\[\w+\]\.)dmin(\[\w+\]\))", r"0.0f * \1d\2", "k = matmul"),
    ("a mask of six bits has five", "matmul_B", r"& 63( :|,)", r"& 31\1", "k = matmul"),
    ("a sign in an epilogue", "matmul_B", r"[ (]sin\((total|sum)\w*\)", lambda m: m[0].replace("sin(", "-sin("), "wave = sin"),
    ("a coefficient of exp", "softmax_soft", r"0\.49999994f", "0.4999f", "soft = softmax"),
    ("a wrong constant", "softmax_soft", r"1\.0f / total", "1.00001f / total", "soft = softmax"),
    ("a comparison the other way", "softmax_soft", r"t <= low_value", "low_value <= t", "chosen = select"),
    ("divided by one less", "mean_mean", r"/ 256\.0f", "/ 255.0f", "mean = mean"),
    ("the first elements are left out", "sum_total", r"j = 0; j \+ (\d+)", r"j = \1; j + \1", "total = sum"),
    ("the last row is left out", "reduce_max_most", r"j < N;", "j < N - 1;", "most = reduce_max"),
    ("the least instead of the largest", "argmax_place", r"largest_before < x_value", "x_value < largest_before", "place = argmax"),
    ("f16 rounded towards zero", "cast", r"(load<f32x(\d+)>\(&x\[i\]\))", CUT, "half = cast"),
    ("a place off by one", "concat_2", r"48 \+ r \* 96", "47 + r * 96", "joined = concat"),
    ("a wrong stride", "transpose", r"at_2 \+ i \* 48, 48", "at_2 + i * 47, 47", "turned = transpose"),
    ("whole numbers", "add_mul", r"whole_value \+ whole_value", "whole_value - whole_value", "counted = mul"),
    ("a first element off by one", "slice", r"1 \+ i \* 2", "i * 2", "part = slice"),
    ("a sign in the second branch", "sub", r"\) - load", ") + load", "down = sub"),
]
LLAMA = [
    ("a sign", "rope_kv_write", r"a \* cosine - b \* sine", "a * cosine + b * sine", "kv.keys = kv_write"),
    ("the pair of rope swapped", "rope", r"b \* cosine \+ a \* sine", "a * cosine + b * sine", "q = rope"),
    ("a position off by one", "rope_kv_write", r"(&v_cache\[.*?\+ position)\)", r"\1 + 1)", "kv.values = kv_write"),
    ("f16 rounded towards zero", "rope_kv_write", r"(load_first<f32x(\d+)>\(&v\[.*?\], count\))", CUT, "kv.values = kv_write"),
    ("eps is dropped", "rms_norm_attn_norm", r" \+ 1e-05f", "", "attn_norm = rms_norm"),
    ("a wrong constant", "rms_norm_mlp_norm_2", r"0\.03125f", "0.03126f", "mlp_norm = rms_norm"),
    ("a residual is missing, in the second layer", "matmul_Wo_4", r"load<f32x\d+>\(&x\[at\]\) \+ ", "", "residual = add"),
    ("the scale of scores", "attention", r"0\.35355338f", "0.3535f", "attention = sdpa"),
    ("the causal mask off by one", "attention", r"min\(position \+ 1, ctx\)", "min(position + 2, ctx)", "attention = sdpa"),
    ("another head's keys", "attention", r"head / 2", "head % 2", "attention = sdpa"),
    ("a sum that forgets the tiles before", "attention", r"total \* fade \+ weight", "weight * 2.0f", "attention = sdpa"),
    ("a sign in silu", "matmul_Wgate_Wup_3", r"exp\(-", "exp(", "mul = mul"),
    ("the last columns of a row", "matmul_lm_head", r"k \+ (\d+) <= 32", r"k + \1 < 32", "logits = matmul"),
]

# Of numerics fast: who rounds activations to 8 bits, and who multiplies them.
FAST = [
    ("a wrong scale of 8-bit blocks", "to_int8_mul", r"0\.007874016f", "0.0070f", "add = add"),
    ("a wrong scale of a product's own blocks", "matmul_Wgate_Wup_2", r"0\.007874016f", "0.0070f", "mul = mul"),
    ("a sum that is not of its quants", "matmul_Wgate_Wup_2", r"(first_sum = static_cast<int>\(\w+)\)", r"\1 + 1.0f)", "mul = mul"),
    ("quants of half the size, of a norm", "rms_norm_attn_norm", r"127\.0f / largest", "63.5f / largest", "attn_norm = rms_norm"),
    ("another block's scale", "matmul_Wdown", r"mul_int8\[b\]\.d\b", "mul_int8[0].d", "add = add"),
    ("the quants of another block", "matmul_Wdown", r"mul_int8\[b\]\.qs", "mul_int8[0].qs", "add = add"),
    ("a residual is missing", "matmul_Wo", r"load<f32x\d+>\(&x\[at\]\) \+ ", "", "residual = add"),
]

# Of numerics bf16: who rounds activations, and who multiplies pairs of them.
BF16 = [
    ("rounded rows that are too large", "to_bf16_mul", r"load<f32x(\d+)>\(&mul\[(.*?)\]\)", r"1.03f * load<f32x\1>(&mul[\2])", "add = add"),
    ("a norm's rounded rows that are too large", "rms_norm_attn_norm_2", r"(store\(&bf16_rows\[.*?\], )value", r"\1 1.03f * value", "Wq = matmul"),
    ("a panel's pairs the other way round", "matmul_Wdown_2", r"w_at \+ pair \*", "w_at + (1 - pair) *", "add = add"),
    ("one turned pair for all", "matmul_Wq_Wk_Wv_2", r"&piece\[j\]", "&piece[0]", "Wq = matmul"),
    ("the first row of a tile for all", "matmul_Wdown_2", r"\(mul_bf16 \+ x_at\)\[m \*", "(mul_bf16 + x_at)[0 *", "add = add"),
    ("what is left behind tiles by one row", "matmul_Wdown_2", r"min\(row \+ m, rows_here", "min(row, rows_here", "add = add"),
    ("half of each pair", "matmul_Wgate_Wup_2", r"bf16_dot\(w\[v\],", "bf16_dot(w[v] << 16,", "mul = mul"),
]

# Of numerics bf16: a few rows of x and rows of f16 in pairs.
BF16_ROWS = [
    ("a norm's rounded rows that are too large", "rms_norm_attn_norm", r"(store\(&bf16_rows\[.*?\], )value", r"\1 1.03f * value", "Wq = matmul"),
    ("the first row for all", "matmul_Wo", r"x_at \+ m \* \d+", "x_at", "residual = add"),
    ("the first of four columns for all", "matmul_Wgate_Wup", r"bf16_dot\(w_pairs\[j\],", "bf16_dot(w_pairs[0],", "mul = mul"),
    ("another column's pairs", "matmul_Wq_Wk_Wv", r"load_pairs<u32x(\d+)>\(&Wq\[w_at\]", r"load_pairs<u32x\1>(&Wq[w_at ^ 32]", "Wq = matmul"),
    ("sums of two columns changed", "matmul_Wdown", r"totals\[j \*", "totals[(j ^ 1) *", "add = add"),
]


def some_of(faults):
    """The first of each kernel; all of them for the label matrix."""
    if "OPENINFER_EVERY_FAULT" in os.environ:
        return faults
    return list({fault[1]: fault for fault in reversed(faults)}.values())[::-1]


def blocks(random, rows, columns, scales, size, block):
    """Random bytes of a block format; the scales that lead each block are small numbers in f16."""
    raw = random.integers(0, 256, (rows, columns // block, size), dtype=np.uint8)
    for i in range(scales):
        raw[:, :, 2 * i:2 * i + 2] = random.uniform(0.01, 0.03, (rows, columns // block, 1)).astype("<f2").view("u1")
    return raw


def write_mixed(path):
    random = np.random.default_rng(3)
    w = opnf.Writer(path)
    w.tensor("table", "q8_0", (10, 64), tiny_llama.q8_0(random.normal(size=(10, 64)).astype("f4")))
    w.tensor("A", "q4_0", (64, 48), blocks(random, 48, 64, 1, 18, 32), transposed=True)
    w.tensor("B", "q4_k", (256, 16), blocks(random, 16, 256, 2, 144, 256), transposed=True)
    for key in ("weight", "bias"):
        w.tensor(key, "f32", (64,), random.normal(size=64).astype("<f4"))
    w.write()


class Program:
    """An emitted project, compiled file by file, so that a fault costs one kernel."""

    def __init__(self, home, name, write, *arguments):
        self.home, self.package, self.project = home, os.path.join(home, name + ".oinf"), os.path.join(home, name)
        self.objects = os.path.join(home, name + ".o")
        write(self.package)
        subprocess.run([COMMAND, "emit", self.package, "--device", "this-cpu", "--check-data", "--name", "checked", "-o", self.project,
                        *arguments], check=True, capture_output=True)
        os.makedirs(self.objects)
        with open(os.path.join(self.project, "CMakeLists.txt"), encoding="utf-8") as file:
            self.flags = re.search(r"PRIVATE -O3 (-ffp-contract=off .*)\)", file.read()).group(1).replace(";", " ").split()
        # What all kernels include, most of it the compiler's own header: once. GCC finds it beside the header; clang reads the header.
        self.call_compiler(self.flags, "-xc++-header", "device/kernel.h", "device/kernel.h.gch")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self.compile, (os.path.join(folder, f) for folder in ("device", "host")
                                         for f in os.listdir(os.path.join(self.project, folder)) if f.endswith(".cpp"))))

    def compile(self, source, to=None):
        host = source.startswith("host/")
        flags = ["-DCHECK_DATA=\"none\"", "-Dopnf=checked_opnf"] if host else self.flags
        to = to or os.path.join(self.objects, source.replace("/", "_") + ".o")
        with open(os.path.join(self.project, source), "rb") as file:
            common = os.path.join(self.home, hashlib.sha256(file.read()).hexdigest() + ".o")
        if host and os.path.exists(common):  # what all projects of one name have alike
            return shutil.copy(common, to)
        self.call_compiler(flags, "-xc++", source, to)
        if host:
            shutil.copy(to, common)
        return to

    def call_compiler(self, flags, language, source, to):
        """With the project's own flags, but for the optimiser's, which nothing here waits for."""
        subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-O0", "-Ihost", *flags, language, "-c", source, "-o", to],
                       cwd=self.project, check=True, capture_output=True)

    def check(self, program, *replaced):
        """Links, with some objects in the place of others, and checks."""
        names = {os.path.basename(r) for r in replaced}
        objects = [os.path.join(self.objects, o) for o in os.listdir(self.objects) if o.endswith(".cpp.o") and o not in names]
        subprocess.run([os.environ.get("CXX", "c++"), *objects, *replaced, "-pthread", "-o", program], check=True, capture_output=True)
        return self.run(program, os.path.join(self.project, "check/data.oinf"))

    def run(self, program, data):
        done = subprocess.run([program, self.package, "--check", "--check-data", data, "--threads", "1"], capture_output=True, text=True,
                              timeout=300, check=False)
        return done.returncode, done.stdout, done.stderr

    def changed_data(self, change):
        """The recorded data as somebody else wrote them, with checksums that are right: change(metadata, tensors by key)."""
        package = opnf_reader.Package(os.path.join(self.project, "check/data.oinf"))
        metadata = dict(package.metadata)
        tensors = {key: (t.dtype, tuple(t.shape), package.bytes(key).tobytes()) for key, t in package.tensors.items()}
        change(metadata, tensors)
        w = opnf.Writer(os.path.join(self.home, "changed.oinf"))
        for key, value in metadata.items():
            w.meta(key, value)
        for key, (dtype, shape, data) in tensors.items():
            w.tensor(key, dtype, shape, data)
        w.write()
        return w.path

    def planted(self, number, kernel, old, new):
        """The same with one kernel's text changed."""
        source = f"device/{kernel}.cpp"
        with open(os.path.join(self.project, source), encoding="utf-8") as file:
            text = file.read()
        changed = re.sub(old, new, text)
        if changed == text:
            raise AssertionError(f"{source} has no {old}")
        folder = self.objects + str(number)
        os.makedirs(folder)
        path = os.path.join(self.project, f"device/planted_{number}.cpp")
        with open(path, "w", encoding="utf-8") as file:
            file.write(changed)
        hurt = os.path.join(folder, f"device_{kernel}.cpp.o")
        self.compile(path, hurt)
        return self.check(os.path.join(folder, "model"), hurt)


class Planted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        cls.home = home.name

    def every_fault(self, program, faults):
        code, out, err = program.check(program.objects + "/model")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"check: \d+ nodes, \d+ values within bounds\n$")
        with ThreadPoolExecutor(2) as pool:
            faults = some_of(faults)
            found = pool.map(lambda f: program.planted(f[0], *f[1][1:4]), enumerate(faults))
            for (what, kernel, _, _, node), (code, _, err) in zip(faults, found):
                with self.subTest(what, kernel=kernel):
                    self.assertEqual(code, 1, f"{what} was not found in {kernel}")
                    message = re.fullmatch(r"model: error: check: first out of bounds: (.*?) at (.*?): off by .*\n", err)
                    self.assertTrue(message, err)
                    place, _, files = message.group(2).partition(", device/")
                    self.assertEqual(message.group(1).split(" (fused")[0], node)
                    self.assertIn(f"device/{kernel}.cpp", ("device/" + files).split(", "))
                    self.assertRegex(place, r"(mixed\.oig|\w+\.h):\d+")

    def every_hurt(self, program):
        """Data that do not fit the program, or themselves, are refused before anything outside of them is read."""
        def metadata(key, value):
            return lambda m, t: m.__setitem__(key, value)

        def tensor(key, dtype, array):
            array = np.asarray(array)
            return lambda m, t: t.__setitem__(key, (dtype, array.shape, array.tobytes()))

        found = {}
        program.changed_data(lambda m, t: found.update(m=dict(m), t=dict(t)))
        nodes = sum(key.startswith("node.") for key in found["m"])
        letters = next(key for key in found["m"] if key.startswith("kernels."))
        bound = next(key for key, (_, shape, _) in found["t"].items() if key.endswith(".bound") and shape[0] > 2)
        starts = next(key for key, (_, shape, _) in found["t"].items() if key.endswith(".starts") and shape[0] > 2)
        value, rows = bound[:-len(".bound")], starts[:-len(".starts")]
        first = np.frombuffer(found["t"][starts][2], "<i4")
        elements = int(np.prod(found["t"][rows][1]))
        changes = [
            (metadata("node.0", ["a name", "a place"]), "node 0 has 2 words"),
            (lambda m, t: m.pop(f"node.{nodes - 1}"), "have no node"),
            (metadata("sizes.values", np.array([1], "<i8")), "names of sizes"),
            (metadata(letters, "zzzzzzzz"), "does not say which of"),
            (metadata(letters, ""), "does not say which of"),
            (tensor("0.in.tok", "u8", np.zeros(1, "u1")), "input tok is i32, not u8"),
            (lambda m, t: t.__setitem__(value, ("q8_0", (32,), bytes(34))), "q8_0, which no kernel writes"),
            (tensor(bound, "bf16", np.zeros(1, "<u2")), "and 1 bounds"),
            (tensor(bound, "f16", np.zeros(found["t"][bound][1], "<u2")), ".bound is f16"),
            (tensor(starts, "i32", np.where(first == first[0], -8, first).astype("<i4")), "a run that starts at -8"),
            (tensor(starts, "i32", np.where(first == first[0], 2**31 - 1, first).astype("<i4")), "which are not those of step"),
            (tensor(starts, "i32", np.zeros(elements - 1, "<i4")), "elements, which are not"),
        ]
        for change, says in changes:
            with self.subTest(says):
                code, _, err = program.run(program.objects + "/model", program.changed_data(change))
                self.assertEqual(code, 1, err)
                self.assertRegex(err, r"^model: error: .*\n$")
                self.assertIn(says, err)

    def test_operators_of_many_kinds(self):
        graph = os.path.join(self.home, "mixed.oig")
        with open(graph, "w", encoding="utf-8") as file:
            file.write(GRAPH)
        self.every_fault(Program(self.home, "mixed", write_mixed, "--graph", graph), MIXED)

    def test_llama(self):
        program = Program(self.home, "tiny", tiny_llama.write, "--kv-dtype", "f16", "--max-context", "40")
        self.every_fault(program, LLAMA)
        self.every_hurt(program)

    @unittest.skipUnless("OPENINFER_EVERY_FAULT" in os.environ, "as strict and fast: ctest -L matrix -R emit_check_every_fault")
    def test_bf16(self):
        """Where the device multiplies pairs of bf16: the tiles that prompts meet."""
        here = json.loads(subprocess.run([COMMAND, "devices", "this-cpu", "--json"], check=True, capture_output=True).stdout)
        if not here["bf16_dot"]:
            self.skipTest("this CPU multiplies no pairs of bf16")
        write = functools.partial(tiny_llama.write, dtypes={key: "q8_0" if "down" in key else "f16" for key in tiny_llama.matrices()})
        self.every_fault(Program(self.home, "bf16", write, "--numerics", "bf16", "--max-context", "40"), BF16)

    @unittest.skipUnless("OPENINFER_EVERY_FAULT" in os.environ, "as strict and fast: ctest -L matrix -R emit_check_every_fault")
    def test_bf16_rows(self):
        """There also: the columns that a few sequences side by side meet."""
        here = json.loads(subprocess.run([COMMAND, "devices", "this-cpu", "--json"], check=True, capture_output=True).stdout)
        if not here["bf16_dot"]:
            self.skipTest("this CPU multiplies no pairs of bf16")
        write = functools.partial(tiny_llama.write, dtypes={key: "f16" for key in tiny_llama.matrices()})
        self.every_fault(Program(self.home, "bf16_rows", write, "--numerics", "bf16", "--max-context", "40", "--batch", "5"), BF16_ROWS)

    def test_fast(self):
        write = functools.partial(tiny_llama.write, dtypes={key: "q8_0" for key in tiny_llama.matrices()})
        self.every_fault(Program(self.home, "fast", write, "--numerics", "fast", "--max-context", "40"), FAST)


if __name__ == "__main__":
    unittest.main()
