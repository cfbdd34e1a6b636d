# SPDX-License-Identifier: Apache-2.0
"""What users do wrong: one clear line, exit code 1, nothing left behind."""

import os
import struct
import unittest

import numpy as np
import tiny_llama
from harness import Case

IDS = ["--prompt-ids", "1,2", "--ids", "-n", "1"]


class Errors(Case):
    def package(self, name="m.oinf", **changes):
        tiny_llama.write(self.path(name), **changes)
        return name

    def test_file_cut_in_half(self):
        raw = self.read(self.package())
        for size in (len(raw) // 2, 100, 3, 0):
            self.write("cut.oinf", raw[:size])
            self.fails("run", "cut.oinf", *IDS, says=["cut.oinf"])

    def test_other_formats_under_our_name(self):
        safetensors = struct.pack("<Q", 2) + b'{"a":1}'
        for raw, kind in ((b"GGUF" + bytes(64), "GGUF"), (b"PK\x03\x04" + bytes(64), "zip"), (safetensors, "safetensors")):
            self.write("m.oinf", raw)
            self.fails("run", "m.oinf", *IDS, says=["m.oinf", kind, "scripts/convert.py"])

    def test_missing_tensor(self):
        self.package(leave_out=["Wup.1"])
        self.fails("run", "m.oinf", *IDS, says=["Wup"])

    def test_wrong_dtype(self):
        self.package(dtypes={"Wq.0": "i32", "Wq.1": "i32"})
        self.fails("run", "m.oinf", *IDS, says=["i32", "Wq"])

    def test_tensor_that_the_graph_declares_otherwise(self):
        self.package()
        self.works("graph", "m.oinf", "-o", "g.oig")
        self.package(dtypes={"final_norm": "f16"})
        self.fails("run", "m.oinf", "--graph", "g.oig", *IDS, says=["final_norm", "f16", "f32"])

    def test_unknown_op(self):
        self.package()
        text = self.text("graph", "m.oinf").replace("= sdpa(", "= flash(")
        self.write("g.oig", text)
        line = text[: text.index("flash(")].count("\n") + 1
        self.fails("run", "m.oinf", "--graph", "g.oig", *IDS, says=["flash", f"g.oig:{line}"])

    def test_graph_that_is_no_graph(self):
        self.package()
        self.write("g.oig", "\x00\xff nonsense")
        self.fails("run", "m.oinf", "--graph", "g.oig", *IDS, says=["g.oig"])
        self.fails("run", "m.oinf", "--graph", "absent.oig", *IDS, says=["absent.oig", "No such file"])

    def test_prompt_longer_than_the_context(self):
        self.package()
        many = ",".join(["1"] * (tiny_llama.CTX + 1))
        self.fails("run", "m.oinf", "--prompt-ids", many, "--ids", says=[str(tiny_llama.CTX + 1), str(tiny_llama.CTX)])
        self.fails("run", "m.oinf", *IDS, "--max-context", 1, says=["2 tokens", "context of 1"])
        self.fails("run", "m.oinf", *IDS, "--max-context", 5000, says=["5000", str(tiny_llama.CTX)])

    def test_ids(self):
        self.package()
        for ids, says in ((str(tiny_llama.VOCAB), [str(tiny_llama.VOCAB), "vocabulary"]), ("-1", ["-1", "vocabulary"]),
                          ("1,two", ["two"]), ("99999999999", ["99999999999"]), (",", ["no tokens"])):
            self.fails("run", "m.oinf", f"--prompt-ids={ids}", "--ids", says=says)

    def test_places_that_are_no_packages(self):
        os.mkdir(self.path("folder"))
        self.fails("run", "folder", *IDS, says=["folder", "directory"])
        self.fails("run", "absent.oinf", *IDS, says=["absent.oinf", "No such file"])

    def test_no_tokenizer(self):
        self.package(tokenizer=False)
        self.works("run", "m.oinf", *IDS)
        for arguments in (["tokenize", "m.oinf", "x"], ["detokenize", "m.oinf", "1"], ["run", "m.oinf", "x"],
                          ["run", "m.oinf", "--chat", "x"], ["run", "m.oinf", "--prompt-ids", "1"]):
            self.fails(*arguments, says=["tokenizer", "ids"])

    def test_unknown_architecture(self):
        self.package(architecture="mamba")
        self.fails("run", "m.oinf", *IDS, says=["mamba", "llama", "--graph", "pack"])

    def test_what_this_version_lacks(self):
        self.package()
        for flags in (["--backend", "cpu"], ["--backend", "vulkan"], ["--backend", "cuda"], ["--numerics", "fast"]):
            self.fails("run", "m.oinf", *IDS, *flags, says=[flags[1], "sim"])

    def test_outputs_that_cannot_be_written(self):
        self.package()
        os.mkdir(self.path("folder"))
        for flag in ("--logits", "--stats", "--trace"):
            for target in ("absent/out", "folder"):
                self.fails("run", "m.oinf", *IDS, flag, target, says=[target])
        for command in (["graph", "m.oinf"], ["pack", "m.oinf"]):
            self.fails(*command, "-o", "absent/out", says=["absent/out"])
        self.works("run", "m.oinf", *IDS, "--logits", "/dev/null")

    def test_failure_leaves_an_existing_output_alone(self):
        self.package()
        self.write("out.npy", "precious")
        self.fails("run", "m.oinf", "--prompt-ids", "70000", "--ids", "--logits", "out.npy", says=["70000"])
        self.assertEqual(self.read("out.npy").decode(), "precious")

    def test_npy_inputs(self):
        self.package()
        self.write("g.oig", "oig 1\ngraph (x: f32[2]) -> (y: f32[2]) {\n  y = x + x\n  return y\n}\n")
        run = ["run", "m.oinf", "--graph", "g.oig", "--output", "y=y.npy", "--input"]
        good = self.npy(np.zeros(2, np.float32))
        bad = {
            "not an .npy": b"not an npy file at all",
            "big-endian": self.npy(np.zeros(2, ">f4")),
            "Fortran": self.npy(np.asfortranarray(np.zeros((2, 3), np.float32))),
            "no dtype": self.npy(np.zeros(2, np.complex64)),
            "8 bytes, the file has 7": good[:-1],
            "8 bytes, the file has 9": good + b"\0",
            "header of": good[:8] + b"\xff\xff" + good[10:],
            "malformed": good.replace(b"'shape': (2,)", b"'shape': (-2)"),
            "repeated": good.replace(b"'fortran_order'", b"'descr':'<f4', '"),
            "version 9": good[:6] + b"\x09" + good[7:],
        }
        for says, raw in bad.items():
            self.write("x.npy", raw)
            self.fails(*run, "x=x.npy", says=[says, "x.npy"])
        self.write("x.npy", good.replace(b"(2,), ", b"(1152921504606846977, 16), ".ljust(6)))
        self.fails(*run, "x=x.npy", says=[])
        self.write("x.npy", self.npy(np.zeros(3, np.float32)))
        self.fails(*run, "x=x.npy", says=["x"])
        self.write("x.npy", self.npy(np.zeros(2, np.float64)))
        self.fails(*run, "x=x.npy", says=["f64", "f32"])
        self.fails(*run, "x", says=["NAME=VALUE"])

    def npy(self, array):
        np.save(self.path("made.npy"), array)
        raw = self.read("made.npy")
        os.unlink(self.path("made.npy"))
        return raw

    def test_wrong_usage(self):
        self.package()
        for flags in (["x", "--prompt-ids", "1"], ["--input", "x=x.npy"], ["x", "--output", "y=y.npy"], ["x", "--system", "s"],
                      ["x", "--memory-budget", "64MiB"], ["x", "-n", "-1"], ["x", "--backend", "tpu"], ["x", "--max-context", "0"]):
            self.fails("run", "m.oinf", *flags, says=[], code=2)


if __name__ == "__main__":
    unittest.main()
