# SPDX-License-Identifier: Apache-2.0
"""openinfer devices: the list, one row with its sources, two rows compared."""

import json
import os
import re
import unittest

import tiny_llama
from harness import Case

# A contract with whoever reads the JSON: keys may be added at the end of a group, none may change its name.
KEYS = """name title vendor architecture class apis api driver reference_product lanes subgroup_size_min subgroup_size_max
subgroup_size_control subgroups registers_per_lane max_workgroup_size subgroup_ops
shared_memory_bytes max_storage_buffer_range_bytes push_constant_bytes buffer_device_address
storage_8bit storage_16bit int8_arithmetic f16_arithmetic dot4 dot4_accelerated mma denormals_preserved bf16_dot
isa compiler_flags cuda_archs cache_line_bytes read_gb_per_s f32_gflop_per_s
int8_gop_per_s bf16_gflop_per_s tuned""".split()


class Devices(Case):
    def test_list(self):
        text = self.text("devices")
        lines = text.splitlines()
        self.assertTrue(lines[0].startswith("name "), lines[0])
        self.assertTrue(lines[-1].startswith("this-cpu "), lines[-1])
        rows = json.loads(self.works("devices", "--json"))["devices"]
        self.assertEqual([line.split()[0] for line in lines[1:]], [row["name"] for row in rows])
        for row in rows:
            self.assertEqual(list(row), KEYS, row["name"])

    def test_one_device_gives_a_source_for_each_number(self):
        text = self.text("devices", "ada lovelace")
        self.assertRegex(text, r"(?m)^lanes +32 +# a warp: CUDA C\+\+ Programming Guide")
        self.assertRegex(text, r"(?m)^read_gb_per_s +1008 GB/s +# NVIDIA Ada")
        self.assertRegex(text, r"(?m)^tune.matvec_run +4 +# ")
        self.assertNotIn("compiler_flags", text)
        row = json.loads(self.works("devices", "ada-lovelace", "--json"))
        self.assertEqual(list(row), KEYS + ["sources"])
        self.assertEqual((row["lanes"], row["cuda_archs"], row["storage_8bit"]), (32, ["sm_89"], True))
        self.assertIn("4090", row["reference_product"])
        self.assertIsNone(json.loads(self.works("devices", "this-cpu", "--json"))["read_gb_per_s"])
        self.assertRegex(self.text("devices", "this-cpu"), r"(?m)^read_gb_per_s +unknown +# unknown until this machine is tuned")

    def test_numerics_that_change_nothing_are_said_once(self):
        tiny_llama.write(self.path("m.oinf"))
        for device, numerics, times in (("zen3", "bf16", 1), ("zen3", "strict", 0), ("zen4", "bf16", 0)):
            code, _, err = self.run_cli("emit", "m.oinf", "--device", device, "--numerics", numerics, "-o", f"{device}_{numerics}")
            self.assertEqual((code, err.count(f"openinfer: numerics {numerics} compute as strict: ")), (0, times), err)
            self.assertEqual(self.read(f"{device}_{numerics}/plan.txt").count(b"note: numerics bf16 compute as strict: "), times)

    def test_api_and_driver(self):
        get = lambda *flags: json.loads(self.works("devices", "hopper", "--json", *flags))
        self.assertEqual(get()["shared_memory_bytes"], 49152)
        self.assertEqual(get("--api", "cuda")["shared_memory_bytes"], 232448)
        self.assertEqual(get("--api", "cuda")["max_storage_buffer_range_bytes"], "unlimited")
        self.assertEqual(get("--driver", "535.xx")["mma"], [])
        self.assertNotEqual(get("--driver", "555.xx")["mma"], [])

    def test_diff(self):
        text = self.text("devices", "--diff", "zen3", "zen4")
        self.assertRegex(text, r"(?m)^lanes +8 +16$")
        self.assertNotIn("subgroups", text)
        found = json.loads(self.works("devices", "--diff", "zen3", "zen4", "--json"))
        self.assertEqual((found["a"], found["b"]), ("zen3", "zen4"))
        self.assertIn({"field": "lanes", "a": 8, "b": 16}, found["differences"])
        self.assertEqual(self.text("devices", "--diff", "zen4", "znver4"), "zen4 and znver4 are the same device\n")

    def test_diff_of_what_is_emitted(self):
        text = self.text("devices", "--diff", "zen3", "zen4")
        self.assertRegex(text, r"(?m)^emitted for a llama of 2 layers with weights in q8_0: (\d+) files for zen3, \1 for zen4, \d+ of them the same$")
        self.assertRegex(text, r"(?m)^  CMakeLists.txt +-3 \+3 of \d+ lines$")  # its name, twice, and its flags
        self.assertEqual(text, self.text("devices", "--diff", "zen3", "zen4"))
        found = json.loads(self.works("devices", "--diff", "zen3", "zen4", "--json"))["emitted"]
        files = {file["path"]: file for file in found["files"]}
        self.assertTrue(all(file["removed"] > 0 and file["added"] > 0 for file in files.values()), files)
        self.assertIn("device/matmul_Wo.cpp", files)  # 8 lanes or 16
        self.assertNotIn("host/main.cpp", files)
        self.assertEqual(list(files["plan.txt"]), ["path", "lines_a", "lines_b", "removed", "added"])

    def test_diff_between_apis(self):
        found = json.loads(self.works("devices", "--diff", "zen4", "lavapipe", "--json"))["emitted"]
        files = {file["path"]: file for file in found["files"]}
        self.assertIsNone(files["device/matmul_Wo.cpp"]["lines_b"])
        self.assertIsNone(files["device/matmul_Wo.comp"]["lines_a"])
        self.assertIsNone(files["device/matmul_Wo.comp"]["added"])
        self.assertRegex(self.text("devices", "--diff", "zen4", "lavapipe"), r"(?m)^  device/rope.comp +\d+ lines, lavapipe only$")
        self.assertRegex(self.text("devices", "--diff", "turing", "lavapipe", "--package", self.tiny()), r"(?m)^  device/matmul_Wo.comp +-\d+ \+\d+ of \d+ lines$")
        cuda = self.text("devices", "--diff", "turing", "hopper", "--api", "cuda")
        self.assertRegex(cuda, r"(?m)^emitted for .* files for turing, ")

    def tiny(self):
        tiny_llama.write(self.path("m.oinf"))
        return "m.oinf"

    def test_unified_diff(self):
        """Applied to what is emitted for the one device it gives what is emitted for the other."""
        text = self.text("devices", "--diff", "zen3", "zen4", "--package", self.tiny(), "--text")
        for device in ("zen3", "zen4"):
            self.works("emit", "m.oinf", "--device", device, "--name", "sample", "-o", device)
        changed = set()
        for part in re.split(r"(?m)^(?=--- zen3/)", text[text.index("--- zen3/"):])[1:]:
            lines = part.splitlines()
            path = lines[0].removeprefix("--- zen3/")
            self.assertEqual(lines[1], f"+++ zen4/{path}")
            self.assertEqual(self.patched(self.read(f"zen3/{path}").decode(), lines[2:]), self.read(f"zen4/{path}").decode())
            changed.add(path)
        for root, _, names in os.walk(self.path("zen3")):
            for path in (os.path.relpath(os.path.join(root, name), self.path("zen3")) for name in names if name != ".emitted"):  # checksums of the others
                if os.path.exists(self.path(f"zen4/{path}")):
                    self.assertEqual(self.read(f"zen3/{path}") != self.read(f"zen4/{path}"), path in changed, path)
                else:
                    self.assertRegex(text, re.escape(path) + r" +\d+ lines, zen3 only")

    def patched(self, text, hunks):
        old, new, at = text.splitlines(), [], 0
        for line in hunks:
            if header := re.fullmatch(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@", line):
                start = int(header[1]) - (header[2] != "0")
                new += old[at:start]
                at = start
                self.assertEqual(len(new), int(header[3]) - (header[4] != "0"))
                continue
            if line[:1] in (" ", "-"):
                self.assertEqual(old[at], line[1:])
                at += 1
            if line[:1] in (" ", "+"):
                new.append(line[1:])
        return "\n".join(new + old[at:]) + "\n"

    def test_bad_input(self):
        self.fails("devices", "adalovelace", says=["no device has the name 'adalovelace'", "did you mean 'ada-lovelace'"])
        self.fails("devices", "ampere", says=["fits 2 devices: ampere-ga100, ampere-ga10x"])
        self.fails("devices", "rdna3", "--api", "cuda", says=["rdna3 has no api 'cuda'; it has vulkan"])
        self.fails("devices", "hopper", "--driver", "new", says=["driver 'new' has no version number"])
        self.fails("devices", "hopper", "--driver", "-5", says=["driver '-5' has no version number"])
        self.fails("devices", "zen4", "--driver", "555.42", says=["zen4 is a CPU, which has no driver"])
        self.fails("devices", "zen4", "--diff", "zen3", "zen4", says=["devices: --diff compares two devices: 'zen4' beside zen3 and zen4"], code=2)
        self.fails("devices", "--diff", "zen3", "zen4", "zen5", says=["devices: --diff takes 2 values, not more"], code=2)
        self.fails("devices", "--api", "bogus", says=["devices: --api: bogus", "vulkan"], code=2)
        self.fails("devices", "--diff", "zen3", says=["--diff"], code=2)
        self.fails("devices", "--api", "cuda", says=["need a NAME or --diff A B"], code=2)
        self.fails("devices", "zen4", "--text", says=["need --diff A B"], code=2)
        self.fails("devices", "--diff", "zen3", "zen4", "--graph", "g.oig", says=["--graph needs the --package"], code=2)
        self.fails("devices", "--diff", "zen3", "zen4", "--text", "--json", says=["exclude each other"], code=2)
        self.fails("devices", "--diff", "zen3", "zen4", "--package", "absent.oinf", says=["absent.oinf", "No such file"])


if __name__ == "__main__":
    unittest.main()
