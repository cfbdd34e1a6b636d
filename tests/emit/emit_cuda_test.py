# SPDX-License-Identifier: Apache-2.0
"""emit --api cuda: the kernels of small graphs, and of SmolLM2 where it was fetched, compile for every NVIDIA row without
spills. Nothing runs: that needs a GPU."""

import json
import os
import re
import shutil
import subprocess
import unittest

import emitted
import tiny_llama  # emitted knows where it is
from harness import Case

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ROWS = ("turing", "ampere-ga100", "ampere-ga10x", "ada-lovelace", "hopper", "blackwell-sm100", "blackwell-sm120")
USE = re.compile(r"^  (\w+) +(sm_\w+) +(\d+) +(\d+) B +(\d+) B +(\d+) B +(\d+) B$", re.M)

# What NVRTC must answer, and nothing behind it.
FAKE_NVRTC = """
int nvrtcVersion(int* major, int* minor) { *major = MAJOR; *minor = 8; return 0; }
int nvrtcGetNumSupportedArchs(int* n) { *n = 1; return 0; }
int nvrtcGetSupportedArchs(int* archs) { *archs = 75; return 0; }
int nvrtcCreateProgram() { return 1; }
int nvrtcDestroyProgram() { return 1; }
int nvrtcCompileProgram() { return 1; }
int nvrtcGetProgramLogSize() { return 1; }
int nvrtcGetProgramLog() { return 1; }
int nvrtcGetCUBINSize() { return 1; }
int nvrtcGetCUBIN() { return 1; }
"""


class Cuda(Case):
    def emits(self, *arguments, device, folder="p"):
        """The plan's table: (kernel, architecture) -> registers, spilled by stores, by loads, local, shared. None: there is no NVRTC."""
        code, _, err = self.run_cli("emit", *arguments, "--device", device, "--api", "cuda", "-o", folder)
        if "libnvrtc is not there" in err:
            self.skipTest("skipped: " + err.strip())
        self.assertEqual(code, 0, err)
        plan = self.read(f"{folder}/plan.txt").decode()
        kernels = re.findall(r"^  (\w+): 32 lanes", plan, re.M)
        archs = json.loads(self.text("devices", device, "--api", "cuda", "--json"))["cuda_archs"]
        table = {row[:2]: tuple(map(int, row[2:])) for row in USE.findall(plan)}
        self.assertEqual(set(table), {(kernel, arch) for kernel in kernels for arch in archs})
        wanted = {f"{kernel}.cu" for kernel in kernels} | {f"{kernel}.{arch}.cubin" for kernel in kernels for arch in archs}
        self.assertEqual(set(os.listdir(self.path(f"{folder}/device"))), wanted)
        return table

    def kernels(self, folder, suffix):
        """Every source of the folder, one behind the other."""
        files = sorted(name for name in os.listdir(self.path(f"{folder}/device")) if name.endswith(suffix))
        return "".join(self.read(f"{folder}/device/{name}").decode() for name in files)

    def compiles_without_spills(self, *arguments, device):
        for kernel, (registers, stores, loads, local, shared) in self.emits(*arguments, device=device).items():
            with self.subTest(device=device, kernel=kernel):
                # Half of what a thread has: two blocks of 128 threads and more share a multiprocessor's 65536.
                self.assertLessEqual(registers, 128)
                self.assertEqual((stores, loads, local), (0, 0, 0))
                self.assertLessEqual(shared, 48 << 10)


class Models(Cuda):
    def setUp(self):
        super().setUp()
        emitted.write_package(self.path("small.oinf"))
        tiny_llama.write(self.path("tiny.oinf"))
        self.write("small.oig", emitted.GRAPH)
        self.write("switched.oig", emitted.SWITCHED)

    MODELS = (("small.oinf", "--graph", "small.oig", "--name", "small"), ("small.oinf", "--graph", "switched.oig", "--name", "switched"),
              ("tiny.oinf", "--name", "tiny"))


class Kernels(Models):
    def test_kernels_for_every_row(self):
        """A model for each row; all of them: EveryKernel."""
        for i, device in enumerate(ROWS):
            self.compiles_without_spills(*self.MODELS[i % 3], device=device)

    def test_fast_gives_prompts_to_matrix_units(self):
        tiny = (*self.MODELS[2], "--numerics", "fast")
        for device, shape in (("turing", "16x8x8"), ("blackwell-sm120", "16x8x16")):
            self.compiles_without_spills(*tiny, device=device)
            prefill = self.read("p/plan.txt").decode().split("entry prefill")[1]
            self.assertIn(f"why: matrix units, {shape} f16 with sums in f32", prefill)
            self.assertIn("mma.sync.aligned.m16n8", self.kernels("p", ".cu"))
        self.works("emit", *tiny, "--device", "rdna3", "-o", "q")
        self.assertIn("note: no matrix units: rdna3 reaches them by VK_KHR_cooperative_matrix only", self.read("q/plan.txt").decode())
        self.works("emit", *tiny, "--device", "hopper", "-o", "q")
        self.assertIn("why: matrix units, 16x16x16 f16", self.read("q/plan.txt").decode())
        self.assertIn('"cooperativeMatrix"', self.read("q/host/model.cpp").decode())
        self.assertIn("coopMatMulAddNV", self.kernels("q", ".comp"))
        self.works("emit", *tiny, "--device", "hopper", "--check-data", "-o", "q")
        self.assertIn("note: no matrix units: the bounds of check data", self.read("q/plan.txt").decode())

    def test_rows_are_all_that_there_are(self):
        devices = json.loads(self.text("devices", "--json"))["devices"]
        self.assertEqual({d["name"] for d in devices if "cuda" in d["apis"]}, set(ROWS))

    def test_the_same_bytes_and_a_folder_that_says_what_it_is(self):
        tiny = self.MODELS[2]
        first = self.emits(*tiny, device="hopper", folder="a")
        self.assertEqual(self.emits(*tiny, device="hopper", folder="b"), first)
        for root, _, names in os.walk(self.path("a")):
            for name in names:
                file = os.path.relpath(os.path.join(root, name), self.path("a"))
                self.assertEqual(self.read(f"a/{file}"), self.read(f"b/{file}"), file)
        readme = self.read("a/README.md").decode()
        self.assertIn("There is no\nhost program for CUDA yet", readme)
        self.assertIn("for sm_90a, sm_90", readme)
        self.assertNotRegex(readme, "MODEL_")
        self.assertEqual(sorted(os.listdir(self.path("a"))), [".emitted", "README.md", "device", "plan.txt"])
        source = self.read("a/device/matmul_Wo.cu").decode()
        self.assertRegex(source, r"\A// Wo = matmul  at llama.h:\d+\n")
        self.assertNotIn("#include", source)
        self.assertIn("device/matmul_Wo.cu", self.text("explain", "a", "matmul_Wo"))

    def test_golden(self):
        """Reviewed as diffs; OPENINFER_UPDATE_GOLDEN=1 writes it. Without what NVRTC says, which depends on its version."""
        self.works("emit", *self.MODELS[2], "--device", "ada-lovelace", "--api", "cuda", "--no-cubins", "-o", "p")
        golden = os.path.join(emitted.GOLDEN, "tiny_cuda_plan.txt")
        plan = self.read("p/plan.txt").decode()
        self.assertIn("not compiled", plan)
        if "OPENINFER_UPDATE_GOLDEN" in os.environ:
            with open(golden, "w", encoding="utf-8") as out:
                out.write(plan)
        with open(golden, encoding="utf-8") as expected:
            self.assertEqual(plan, expected.read(), golden)
        self.assertEqual({name.split(".")[-1] for name in os.listdir(self.path("p/device"))}, {"cu"})

    def test_over_another_project(self):
        tiny = self.MODELS[2]
        self.works("emit", *tiny, "--device", "x86-64-v3", "-o", "p")
        self.write("p/mine", "kept")
        self.works("emit", *tiny, "--device", "turing", "--api", "cuda", "--no-cubins", "-o", "p")
        self.assertEqual(sorted(os.listdir(self.path("p"))), [".emitted", "README.md", "device", "mine", "plan.txt"])
        self.works("emit", *tiny, "--device", "x86-64-v3", "-o", "p")
        self.assertEqual(sorted(os.listdir(self.path("p"))), [".emitted", "CMakeLists.txt", "README.md", "device", "host", "mine", "plan.txt"])

    def test_refused(self):
        tiny = self.MODELS[2]
        for device, apis in (("rdna3", "vulkan"), ("zen4", "cpu"), ("lavapipe", "vulkan")):
            self.fails("emit", *tiny, "--device", device, "--api", "cuda", "-o", "q", says=[f"{device} has no api 'cuda'; it has {apis}"])
        self.fails("emit", *tiny, "--device", "turing", "--api", "cuda", "--check-data", "-o", "q", says=["turing", "--check-data", "--api vulkan"])
        self.fails("emit", *tiny, "--device", "turing", "--no-cubins", "-o", "q", says=["--no-cubins is for --api cuda, not vulkan"], code=2)
        self.assertFalse(os.path.exists(self.path("q")))

    def test_nvrtc_that_is_not_there_or_too_old(self):
        def fails(device, library, says):
            os.environ["OPENINFER_NVRTC"] = library
            try:
                self.fails("emit", *self.MODELS[2], "--device", device, "--api", "cuda", "-o", "q", says=[*says, "--no-cubins"])
            finally:
                del os.environ["OPENINFER_NVRTC"]
        fails("turing", self.path("nowhere.so"), ["turing: $OPENINFER_NVRTC", "nowhere.so, cannot be loaded"])
        self.write("text.so", "no library\n")
        fails("turing", self.path("text.so"), ["turing: $OPENINFER_NVRTC", "text.so, cannot be loaded"])
        compiler = shutil.which("gcc") or shutil.which("cc")
        if not compiler:
            self.skipTest("skipped: no C compiler")
        self.write("other.c", "int nothing;\n")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", self.path("other.so"), self.path("other.c")], check=True)
        fails("turing", self.path("other.so"), ["turing: $OPENINFER_NVRTC", "other.so, is no NVRTC that makes cubins", "CUDA 12"])
        self.write("fake.c", FAKE_NVRTC)
        for major in (11, 12):
            subprocess.run([compiler, "-shared", "-fPIC", f"-DMAJOR={major}", "-o", self.path(f"{major}.so"), self.path("fake.c")], check=True)
        fails("turing", self.path("11.so"), ["libnvrtc 11.8 is too old"])
        fails("blackwell-sm120", self.path("12.so"), ["blackwell-sm120: NVRTC 12.8 does not compile for sm_120a"])


class EveryKernel(Models):
    def test_every_kernel_for_every_row(self):
        for device in ROWS:
            for model in self.MODELS:
                self.compiles_without_spills(*model, device=device)
            self.compiles_without_spills(*self.MODELS[2], "--numerics", "fast", device=device)


class SmolLM2(Cuda):
    def test_every_kernel_for_every_row(self):
        package = os.path.join(ROOT, "build/models/smollm2.oinf")
        if not os.path.exists(package):
            self.skipTest("skipped: scripts/quickstart.sh makes build/models/smollm2.oinf")
        for device in ROWS:
            for numerics in ("strict", "fast"):
                self.compiles_without_spills(package, "--numerics", numerics, device=device)


if __name__ == "__main__":
    unittest.main()
