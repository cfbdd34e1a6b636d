# SPDX-License-Identifier: Apache-2.0
"""emit for Vulkan: the projects of emit_test.py and emit_rows_test.py once more, as shaders on lavapipe."""

import os
import re
import shutil
import struct
import subprocess
import sys
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
sys.path.insert(0, os.path.dirname(__file__))
import tiny_llama  # noqa: E402
from emit_order_test import Order  # noqa: E402
from emit_rows_test import Batch, Rows  # noqa: E402
from emit_test import Tensors  # noqa: E402
from emitted import GRAPH, NAME, build  # noqa: E402
import opnf  # noqa: E402  (tiny_llama knows where it is)


class VulkanOrder(Order):
    DEVICE, FLAGS = "lavapipe", ["--validate"]


class VulkanEveryTensors(Tensors):
    """The same project for lavapipe, every step under the validation layers; what is the host's alone is tested once."""
    DEVICE, FLAGS = "lavapipe", ["--validate"]
    test_threads_that_cannot_be_started = test_instruction_sets = None
    test_same_bits_for_any_number_of_threads = test_golden_sources = test_what_emit_refuses = test_other_devices = None

    def test_flags_of_the_other_kind(self):
        tail = [*self.arrays(1), "--output", "z=z.npy"]
        self.model_fails("--threads", 2, *tail, says=["--threads", "GPU"], code=2)
        self.model_fails("--gpu", "Voodoo", *tail, says=["Voodoo", "llvmpipe"])

    def test_a_shader_that_was_changed(self):
        """Built where glslangValidator is; else the build says that what runs is older; an error in it is the build's."""
        project, folder, shader = self.path("copy"), self.path("copy/b"), self.path("copy/device/matmul_W")
        shutil.copytree(self.project, project, ignore=shutil.ignore_patterns("b"))
        build(project, folder, "-DGLSLANG_VALIDATOR=OFF")
        kept, text = self.read(shader + ".spv.inc"), self.read(shader + ".comp")

        def changed(line):
            self.write(shader + ".comp", text.replace(b"void main() {", b"void main() {\n  " + line))
            done = subprocess.run(["cmake", "--build", folder], check=False, capture_output=True, text=True)
            return done.returncode, " ".join((done.stdout + done.stderr).split())

        code, said = changed(b"return;")
        self.assertEqual((code, self.read(shader + ".spv.inc")), (0, kept), said)
        self.assertRegex(said, r"matmul_W\.comp is newer than \S*matmul_W\.spv\.inc, which is what will run")
        subprocess.run(["cmake", "-S", project, "-B", folder, "-UGLSLANG_VALIDATOR"], check=True, capture_output=True)
        self.assertNotEqual(self.read(shader + ".spv.inc"), kept)
        code, said = changed(b"nonsense;")
        self.assertNotEqual(code, 0)
        self.assertIn("'nonsense' : undeclared identifier", said)
        code, said = changed(b"return;")
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r"Compiling \S*matmul_W\.comp")
        self.assertRegex(said, r"Building CXX object \S*kernels.cpp")

    def test_a_line_that_moved(self):
        """Shaders name lines of the graph; where only these are others, builds leave the SPIR-V alone."""
        project, folder, graph = self.path("copy"), self.path("copy/b"), self.path(os.path.basename(self.graph))
        def emit_with(text):
            self.write(graph, text)
            self.works("emit", self.package, "--graph", graph, "--device", self.DEVICE, "--name", "small", "-o", project)
        def sources(kind):
            return {name: self.read(os.path.join(project, "device", name)) for name in os.listdir(os.path.join(project, "device")) if name.endswith(kind)}
        emit_with(GRAPH)
        build(project, folder)
        shaders, spirv = sources(".comp"), sources(".spv.inc")
        emit_with(GRAPH.replace("graph (", "\n\ngraph ("))
        self.assertNotEqual(sources(".comp"), shaders)
        self.assertEqual(sources(".spv.inc"), spirv)
        done = subprocess.run(["cmake", "--build", folder], check=True, capture_output=True, text=True)
        self.assertNotRegex(done.stdout + done.stderr, r"[.]comp")
        self.assertEqual(sources(".spv.inc"), spirv)

    def test_kernel_timings(self):
        code, out, err = self.model(*self.arrays(7), "--output", "z=z.npy", "--timings")
        self.assertEqual((code, out), (0, ""), err)
        self.assertRegex(err, r"ms .* % +3 x .* us  matmul_W")

    def test_device_memory(self):
        """What is needed is said before any of it is taken; with just so much allowed it runs."""
        tail = [*self.arrays(7), "--output", "z=z.npy"]
        code, out, err = self.model(*tail, "--memory-limit", "64KiB")
        self.assertEqual((code, out, err.count("\n")), (1, "", 1), err)
        self.assertFalse(os.path.exists(self.path("z.npy")))
        wanted = re.search(r"this needs (\d+) bytes of llvmpipe.*'s memory, of which it may take 65536 \(--memory-limit\): allow more, or open "
                           r"with smaller sizes \(--max-context, --dim NAME=N\)", err)
        self.assertTrue(wanted, err)
        self.model_fails(*tail, "--memory-limit", int(wanted.group(1)) - 1, says=[wanted.group(1)])
        self.model_works(*tail, "--memory-limit", wanted.group(1), "--validate")
        self.model_works(*tail, "--memory-limit", "1.5GiB")
        for bad in ("0", "-1", "many", "1.5", "64MB", "1e30GiB"):
            self.model_fails(*tail, "--memory-limit", bad, says=["--memory-limit", bad, "64MiB"], code=2)

    def test_a_table_of_more_bytes_than_a_binding(self):
        """160 MiB of one value, where a binding has 128: looked up by the table's address."""
        w = opnf.Writer(self.path("large.oinf"))
        w.meta("general.name", "large")
        w.splat("table", "f32", (40960, 1024), struct.pack("<f", 2.5))
        w.write()
        self.write("large.oig", "oig 1\nweight @table : f32[40960, 1024]\ngraph (ids: i32[3]) -> (y: f32[3, 1024]) {\n"
                   "  y = gather(@table, ids)\n  return y\n}\n")
        self.works("emit", "large.oinf", "--graph", "large.oig", "--device", self.DEVICE, "--name", NAME, "-o", "large")
        self.assertIn("table by its address: its 167772160 bytes are more than the 134217728 that the device binds", self.read("large/plan.txt").decode())
        self.assertIn('"bufferDeviceAddress"', self.read("large/host/model.cpp").decode())
        build(self.path("large"), self.path("large/b"))
        np.save(self.path("ids.npy"), np.array([40959, 0, 40000], "<i4"))
        done = subprocess.run([self.path("large/b/model"), "large.oinf", "--input", "ids=ids.npy", "--output", "y=y.npy", "--validate"],
                              capture_output=True, text=True, cwd=self.folder, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        np.testing.assert_array_equal(np.load(self.path("y.npy")), np.full((3, 1024), 2.5, "<f4"))

    def test_a_device_that_lacks_a_feature(self):
        self.works("emit", self.package, "--graph", self.graph, "--device", "ada-lovelace", "--api", "vulkan", "--name", "small", "-o", "ada")
        build(self.path("ada"), self.path("ada/b"))
        done = subprocess.run([self.path("ada/b/model"), self.package, *self.arrays(1), "--output", "z=z.npy"], capture_output=True,
                              text=True, cwd=self.folder, check=False)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn("Ada", done.stderr)
        self.assertIn("subgroups of 32 lanes (it has 8)", done.stderr)

    def test_no_driver(self):
        environment = dict(os.environ, VK_ICD_FILENAMES="/nowhere.json", VK_DRIVER_FILES="/nowhere.json")
        done = subprocess.run([os.path.join(self.project, "b", "model"), self.package, *self.arrays(1), "--output", "z=z.npy"],
                              capture_output=True, text=True, cwd=self.folder, env=environment, check=False)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn("no Vulkan driver", done.stderr)


class VulkanTensors(VulkanEveryTensors):
    """Without what only builds once more, or has its like in tests/run or in Tensors."""
    test_moved_and_built_again_with_another_model = test_a_table_of_more_bytes_than_a_binding = test_no_fuse = None
    test_a_package_in_the_other_layout = test_a_line_that_moved = None


class VulkanBatch(Batch):
    DEVICE, FLAGS = "lavapipe", ["--validate"]


class VulkanRows(Rows):
    DEVICE, FLAGS = "lavapipe", ["--validate"]
    test_a_small_stack = None  # no kernel has one

    def test_pipeline_cache(self):
        """The driver's code is kept for the next time; a file that is hurt is not given to it."""
        environment, hurt = dict(os.environ, XDG_CACHE_HOME=self.path("cache")), None
        for _ in range(3):
            done = subprocess.run([os.path.join(self.project, "b", "model"), self.package, "--prompt-ids", "1,2,3", "--generate", "3", "--ignore-eos"],
                                  capture_output=True, text=True, env=environment, check=True)
            self.assertEqual(done.stdout, ",".join(map(str, tiny_llama.greedy([1, 2, 3], 3))) + "\n")
            [file] = os.listdir(self.path("cache/openinfer"))
            self.assertRegex(file, f"^{NAME}-[0-9a-f]{{4,}}-[0-9a-f]{{4,}}[.]vkcache$")
            whole = self.read(f"cache/openinfer/{file}")
            self.assertGreaterEqual(len(whole), 56)  # our head and the least that Vulkan's cache data has
            self.assertNotEqual(whole, hurt)  # written again
            hurt = whole[:len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1:]
            self.write(f"cache/openinfer/{file}", hurt)

    def test_pipelines_of_other_shaders_are_replaced(self):
        """A project has one file, however often it is emitted anew: what its former shaders left there goes."""
        environment, kernels = dict(os.environ, XDG_CACHE_HOME=self.path("anew")), os.path.join(self.project, "device", "kernels.cpp")
        with open(kernels, encoding="utf-8") as file:
            source = file.read()
        contents = []
        try:
            for number in ("0x1", "0x2"):
                with open(kernels, "w", encoding="utf-8") as file:
                    file.write(re.sub(r"(shaders_checksum = )0x[0-9a-f]{16};", rf"\g<1>{number};", source))
                subprocess.run(["cmake", "--build", os.path.join(self.project, "b")], capture_output=True, check=True)
                for _ in range(2):
                    subprocess.run([os.path.join(self.project, "b", "model"), self.package, "--prompt-ids", "1,2,3", "--generate", "3", "--ignore-eos"],
                                   capture_output=True, env=environment, check=True)
                    [name] = os.listdir(self.path("anew/openinfer"))
                    contents.append(self.read(f"anew/openinfer/{name}"))
        finally:
            with open(kernels, "w", encoding="utf-8") as file:
                file.write(source)
            subprocess.run(["cmake", "--build", os.path.join(self.project, "b")], capture_output=True, check=True)
        self.assertEqual([contents[i][24] for i in range(4)], [1, 1, 2, 2])  # whose pipelines these are
        self.assertEqual(contents[0], contents[1])

    def test_pipelines_of_programs_of_one_name(self):
        """Each has a file of its own, which is there the next time."""
        np.save(self.path("x.npy"), np.arange(3, dtype="<f4"))
        for graph, count in (("x * x", 1), ("x + x", 2), ("x * x", 2)):
            self.write("g.oig", f"oig 1\ngraph (x: f32[3]) -> (y: f32[3]) {{\n  y = {graph}\n  return y\n}}\n")
            done = self.run_cli("run", self.package, "--backend", "vulkan", "--graph", "g.oig", "--input", "x=x.npy", "--output", "y=y.npy",
                                env=dict(os.environ, XDG_CACHE_HOME=self.path("cache")))
            self.assertEqual(done[0], 0, done[2])
            self.assertEqual(len([name for name in os.listdir(self.path("cache/openinfer")) if name.endswith(".vkcache")]), count)


if __name__ == "__main__":
    unittest.main()
