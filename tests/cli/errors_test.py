# SPDX-License-Identifier: Apache-2.0
"""What users do wrong: one clear line, exit code 1, nothing left behind."""

import json
import os
import resource
import struct
import subprocess
import unittest

import numpy as np
import tiny_llama  # its import of opnf finds scripts/
import opnf
from harness import COMMAND, Case

IDS = ["--prompt-ids", "1,2", "--ids", "-n", "1"]
MARK = b"\xef\xbb\xbf"
EMIT = ["emit", "m.oinf", "--device", "x86-64-v3", "-o"]
GRAPH = "oig 1\ngraph (x: f32[2]) -> (y: f32[2]) {\n  y = x * x : f32[2]\n  return y\n}\n"


class Errors(Case):
    def package(self, name="m.oinf", **changes):
        tiny_llama.write(self.path(name), **changes)
        return name

    def test_file_cut_in_half(self):
        raw = self.read(self.package())
        for size in (len(raw) // 2, 100, 3, 0):
            self.write("cut.oinf", raw[:size])
            self.fails("run", "cut.oinf", *IDS, says=["cut.oinf"])

    def test_file_with_something_behind_it(self):
        self.write("long.oinf", self.read(self.package()) + b"\n")
        _, _, err = self.run_cli("inspect", "long.oinf")
        self.assertNotIn("cut", err)
        self.fails("inspect", "long.oinf", says=["long.oinf", "something stands behind its end"])

    def test_a_pipe_that_nobody_writes_to(self):
        """One error instead of waiting, for a package at once, for what a shell may write to (<(…)) within seconds."""
        self.package()
        os.mkfifo(self.path("pipe"))
        pack, project = ["-o", "o.oinf"], ["--device", "this-cpu", "-o", "project"]
        for command in (["inspect", "pipe"], ["verify", "pipe"], ["verify", "pipe", "--deep"], ["tokenize", "pipe", "x"], ["detokenize", "pipe", "1"], ["graph", "pipe"],
                        ["run", "pipe", *IDS], ["embed", "pipe", "x"], ["pack", "pipe", *pack], ["emit", "pipe", *project], ["cost", "pipe", "--device", "this-cpu"],
                        ["eval", "pipe", "--text", "m.oinf"]):
            self.fails(*command, says=["pipe", "is not a regular file"])
        self.fails("convert", "pipe", *pack, says=["pipe: is neither a file nor a folder"])
        calls = (["run", "m.oinf", *IDS, "--graph", "pipe"], ["eval", "m.oinf", "--text", "pipe"], ["run", "m.oinf", *IDS, "--load-state", "pipe"],
                 ["run", "m.oinf", "--input", "tok=pipe", "--output", "logits=l.npy"])
        started = [subprocess.Popen([COMMAND, *call], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for call in calls]
        for call, process in zip(calls, started):
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out, err.count(b"\n")), (1, b"", 1), (call, err))
            self.assertRegex(err.decode(), r"openinfer: error: .*pipe: is a pipe that nobody writes to")

    def test_a_graph_that_a_shell_writes(self):
        self.package()
        script = f'"$0" run m.oinf --graph <("$0" graph m.oinf) {" ".join(IDS)}'
        done = subprocess.run(["bash", "-c", script, COMMAND], cwd=self.folder, capture_output=True, text=True, timeout=300, check=True)
        self.assertEqual(done.stdout.encode(), self.works("run", "m.oinf", *IDS))

    def test_other_formats_under_our_name(self):
        safetensors = struct.pack("<Q", 2) + b'{"a":1}'
        for raw, kind in ((b"GGUF" + bytes(64), "GGUF"), (b"PK\x03\x04" + bytes(64), "zip"), (safetensors, "safetensors")):
            self.write("m.oinf", raw)
            self.fails("run", "m.oinf", *IDS, says=["m.oinf", kind, "openinfer convert m.oinf"])

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

    def test_family_with_more_members_than_the_package(self):
        self.package()
        self.write("g.oig", self.text("graph", "m.oinf").replace("@Wq.{0..2}", "@Wq.{0..9}"))
        for command in (["run", "m.oinf", *IDS, "--backend", "sim"], ["run", "m.oinf", *IDS, "--backend", "cpu"], ["pack", "m.oinf", "-o", "p.oinf"],
                        [*EMIT, "q"], ["cost", "m.oinf", "--device", "zen4"]):
            self.fails(*command, "--graph", "g.oig", says=['[model] no tensor "Wq.2" (the family has 0..1) at g.oig:'])

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
        self.fails("run", "m.oinf", "--prompt-ids", many, "--ids", says=["the most that this graph holds"])
        self.fails("run", "m.oinf", *IDS, "--max-context", 1, says=["2 tokens", "context of 1", f"--max-context gives up to {tiny_llama.CTX}"])
        self.fails("run", "m.oinf", *IDS, "--max-context", 5000, says=["5000", str(tiny_llama.CTX)])

    def test_ids(self):
        self.package()
        for ids in (str(tiny_llama.VOCAB), "-1"):
            self.fails("run", "m.oinf", f"--prompt-ids={ids}", "--ids", says=[ids, "vocabulary"])

    def test_ids_that_are_none(self):
        """Wrong usage, before the package, which is not there: the argument, the item, the form."""
        form = "expected is 1,2,3"
        for ids, item in (("a", "number 1, 'a',"), ("1,two", "number 2, 'two',"), ("1,,2", "number 2, '',"), (",", "number 1, '',"), ("1,", "number 2, '',"),
                          ("99999999999", "'99999999999'"), ("1.5", "'1.5'"), ("[1, 2.5]", "number 2, 2.5,"), ('{"ids": [1], "ids": [2]}', '"ids" is given 2 times'), ("{\"a\": 1}", "no list of token ids")):
            for command, name in ((["run", "absent.oinf", "--prompt-ids"], "run: --prompt-ids: "), (["detokenize", "absent.oinf"], "detokenize: IDS: ")):
                self.fails(*command, ids, says=[name, item, form], code=2)
        for nothing in ("", " ", "[]"):
            self.fails("run", "absent.oinf", "--prompt-ids", nothing, says=["run: --prompt-ids: ", f"'{nothing}' holds no token id", form], code=2)
        self.package()
        self.assertEqual(self.works("detokenize", "m.oinf", ""), b"")
        self.fails("detokenize", "m.oinf", stdin=b"1,x", says=["number 2, 'x'", form])  # what a pipe brings is no usage

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
        self.fails("run", "m.oinf", *IDS, says=["mamba", "no graph for that", "has llama, mistral", "--graph F.oig", "pack"])

    def test_architecture_that_is_not_named(self):
        """As `convert --arch none` leaves it."""
        w = opnf.Writer(self.path("m.oinf"))
        w.tensor("blk.0.attn_q.weight", "f32", (2, 2), np.zeros((2, 2), np.float32))
        w.write()
        for command in (["run", "m.oinf", *IDS], ["graph", "m.oinf"]):
            self.fails(*command, says=["m.oinf carries no graph and names no architecture", "knows llama", "--arch llama", "--graph F.oig"])
        w.meta("general.architecture", "llama")
        w.write()
        self.fails("run", "m.oinf", *IDS, says=["n_layers", "m.oinf says that it is a llama", "--arch llama", "--graph F.oig"])

    def test_what_this_version_lacks(self):
        self.package()
        self.fails("run", "m.oinf", *IDS, "--backend", "cuda", says=["cuda", "sim, cpu or vulkan"])
        self.fails("run", "m.oinf", *IDS, "--gpu", "x", says=["--gpu", "--backend vulkan"], code=2)
        self.fails("run", "m.oinf", *IDS, "--numerics", "fast", "--backend", "sim", says=["--numerics fast", "--backend cpu and vulkan"], code=2)
        self.fails("run", "m.oinf", *IDS, "--memory-budget", "1MiB", "--backend", "vulkan", says=["run: --memory-budget is for --backend sim and cpu"], code=2)
        self.fails("run", "m.oinf", *IDS, "--numerics", "bf16", "--backend", "sim", says=["--numerics bf16", "--backend cpu and vulkan"], code=2)
        self.fails("run", "m.oinf", *IDS, "--numerics", "fast", "--trace", "t.json", says=["--trace", "--backend sim"], code=2)

    def test_outputs_that_cannot_be_written(self):
        self.package()
        os.mkdir(self.path("folder"))
        for flag in ("--logits", "--stats", "--trace"):
            for target in ("absent/out", "folder"):
                self.fails("run", "m.oinf", *IDS, flag, target, says=[target])
        for command in (["graph", "m.oinf"], ["pack", "m.oinf"]):
            self.fails(*command, "-o", "absent/out", says=["absent/out"])
        self.fails(*EMIT, "absent/sub/out", says=["[emit] absent/sub/out: there is no folder ", "absent/sub to make it in"])
        self.assertFalse(os.path.exists(self.path("absent")))
        self.works("run", "m.oinf", *IDS, "--logits", "/dev/null")

    def test_outputs_that_are_links(self):
        """The file that a link leads to is replaced, never the link; one that leads nowhere is refused."""
        self.package()
        os.symlink("loop", self.path("loop"))
        os.symlink("nothing", self.path("dangling"))
        self.write("real.oinf", "before")
        os.symlink("real.oinf", self.path("link.oinf"))
        os.mkdir(self.path("real"))
        os.symlink("real", self.path("link"))
        for command in (["graph", "m.oinf", "-o"], ["pack", "m.oinf", "-o"], EMIT, ["run", "m.oinf", *IDS, "--logits"]):
            for name in ("loop", "dangling"):
                self.fails(*command, name, says=[f"{name}", "is a link that leads nowhere"])
        self.works("pack", "m.oinf", "-o", "link.oinf")
        self.works(*EMIT, "link")
        self.assertEqual((os.readlink(self.path("link.oinf")), os.readlink(self.path("link"))), ("real.oinf", "real"))
        self.works("verify", "real.oinf")
        self.assertIn("plan.txt", os.listdir(self.path("real")))

    def test_outputs_that_find_no_room(self):
        """Files that may not grow fail where a full disk does: the name that was given, the system's reason, nothing left."""
        self.package()
        limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))}
        for command, says in ((["pack", "m.oinf", "-o", "p.oinf"], "[pack] p.oinf: cannot write: File too large"),
                              (["graph", "m.oinf", "-o", "g.oig"], "[write] g.oig: cannot write: File too large"),
                              (["emit", "m.oinf", "--device", "x86-64-v3", "-o", "q"], "[emit] q: cannot be written: File too large")):
            before = self.files()
            self.assertEqual(self.run_cli(*command, **limit), (1, b"", f"openinfer: error: {says}\n"))
            self.assertEqual((self.files(), os.listdir(self.folder)), (before, ["m.oinf"]))
        code, _, err = self.run_cli("run", "m.oinf", *IDS, "--trace", "t.json", **limit)  # which the simulator writes
        self.assertEqual((code, err.splitlines()[-1]), (1, "openinfer: error: [trace] t.json: cannot write: File too large"))
        self.assertEqual(os.listdir(self.folder), ["m.oinf"])

    def test_folder_for_temporary_files(self):
        """Nothing stays in it; where it is not there, the message says what it is wanted for."""
        self.package()
        commands = (["devices", "--diff", "zen4", "zen5"], ["emit", "m.oinf", "--device", "x86-64-v3", "--check-data", "-o", "q"])
        os.mkdir(self.path("t"))
        for command in commands:
            code, _, err = self.run_cli(*command, env=os.environ | {"TMPDIR": self.path("t")})
            self.assertEqual((code, os.listdir(self.path("t"))), (0, []), err)
            code, _, err = self.run_cli(*command, env=os.environ | {"TMPDIR": self.path("absent")})
            self.assertEqual((code, err.count("\n")), (1, 1), err)
            for part in ("a folder for temporary files: ", self.path("absent"), "name another in $TMPDIR"):
                self.assertIn(part, err)

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

    def npy(self, array):
        np.save(self.path("made.npy"), array)
        raw = self.read("made.npy")
        os.unlink(self.path("made.npy"))
        return raw

    def test_graph_that_does_not_end(self):
        """A graph is read no further than one can be long, from a device, a pipe or a file; a shorter one is read from a pipe."""
        self.package()
        text = self.text("graph", "m.oinf")
        self.fails("graph", "--graph", "/dev/zero", says=["64 MiB", "zero:1"])
        self.assertEqual(self.works("graph", "m.oinf", "--graph", "/dev/stdin", stdin=text.encode()).decode(), text)

    def test_texts_that_do_not_end(self):
        self.package()
        self.fails("eval", "m.oinf", "--text", "/dev/zero", "--backend", "sim", says=["/dev/zero: more than the 256 MiB"])
        self.fails("run", "m.oinf", "--input", "tok=/dev/zero", "--output", "logits=l.npy", says=["/dev/zero is not an .npy file"])

    def test_dtype_that_one_layer_has(self):
        self.package(dtypes={"attn_norm.1": "i32"})
        self.fails("run", "m.oinf", *IDS, says=["[rms_norm]", '"attn_norm.0" is f32, "attn_norm.1" is i32'])

    def test_weight_that_is_no_number(self):
        self.package(broken="final_norm")
        run = ["run", "m.oinf", *IDS, "--backend", "sim"]
        self.fails(*run, says=["[sample] logit 0", "nan", "--find-nonfinite"])
        self.fails(*run, "--find-nonfinite", says=["'final_norm' is NaN"])
        self.fails(*run[:-1], "cpu", "--find-nonfinite", says=["--find-nonfinite looks into the simulator"], code=2)

    def test_vocabulary_without_merges(self):
        self.package(merges=None)
        self.fails("tokenize", "m.oinf", "hello", says=['the vocabulary has "he"', "no merges", "give token ids"])
        self.fails("run", "m.oinf", "hello", says=["no merges"])
        self.assertEqual(self.text("detokenize", "m.oinf", "256"), "he")
        self.works("run", "m.oinf", *IDS)
        tiny_llama.write(self.path("bytes.oinf"), merges=None, tokens=tiny_llama.byte_alphabet() + tiny_llama.SPECIAL)  # no longer token needs one
        self.assertEqual(self.text("tokenize", "bytes.oinf", "he"), "104,101\n")

    def test_input_that_is_missing(self):
        """One line, before a backend is chosen."""
        self.package()
        self.write("g.oig", "oig 1\ngraph (x: f32[2], q: f32[2]) -> (y: f32[2]) {\n  y = x * q\n  return y\n}\n")
        self.write("x.npy", self.npy(np.zeros(2, np.float32)))
        for flags in ([], ["--backend", "sim"], ["--backend", "cpu"]):
            self.fails("run", "m.oinf", "--graph", "g.oig", "--input", "q=x.npy", "--output", "y=y.npy", *flags, says=["input x, f32[2], is not given", "--input x=F.npy"])

    def test_value_that_nobody_can_watch(self):
        self.package()
        self.fails("run", "m.oinf", *IDS, "--watch", "logit", says=["no value 'logit'", "did you mean 'logits'"])
        code, _, err = self.run_cli("run", "m.oinf", *IDS, "--watch", "*")
        self.assertEqual((code, "did you mean" in err), (1, False), err)  # every name of one letter is one letter away
        self.fails("run", "m.oinf", *IDS, "--watch", "nosuch", says=["no value 'nosuch'", "`openinfer graph M`"])

    def test_name_that_is_empty(self):
        self.package()
        self.fails("emit", "m.oinf", "--device", "x86-64-v3", "--name", "", "-o", "e", says=["'' cannot name", "--name"])
        for flag in ("--graph", "-o"):
            self.fails("emit", "m.oinf", "--device", "x86-64-v3", flag, "", says=[f"emit: {flag} needs a value", "empty"], code=2)
        for flag in ("--watch", "--logits", "--trace", "--stats", "--graph", "--save-state", "--load-state", "--gpu", "--input"):
            self.fails("run", "m.oinf", flag, "", "-n", 1, says=[f"run: {flag} needs a value", "empty"], code=2)
        for flag in ("--watch", "--stats", "--prompt-ids", "--seed"):
            self.fails("run", "m.oinf", f"{flag}=", "-n", 1, says=[f"run: {flag} needs a value", "empty"], code=2)  # not the flag behind it
        self.fails("run", "m.oinf", "--chat", "--system=", "hello", says=["run: --system needs a value"], code=2)
        self.works("run", "m.oinf", "--chat", "--system", "", "hello", "-n", 1)  # no words are a message too

    def test_argument_that_is_empty(self):
        """A script's variable that is not set: wrong usage, not a file of no name. Texts may be empty."""
        self.package()
        for command in ("inspect", "verify", "tokenize", "detokenize", "graph", "pack", "run", "embed", "eval", "cost", "emit"):
            needed = {"pack": ("-o", "x"), "emit": ("-o", "x", "--device", "zen4"), "cost": ("--device", "zen4"), "eval": ("--text", "x")}.get(command, ())
            self.fails(command, "", *needed, says=[f"{command}: M needs a value, and the one given is empty"], code=2)
        self.fails("explain", "", "x", says=["explain: DIR needs a value"], code=2)
        self.fails("explain", self.folder, "", says=["explain: KERNEL_OR_LINE needs a value"], code=2)
        self.fails("devices", "", says=["devices: NAME needs a value"], code=2)
        self.assertEqual(self.text("detokenize", "m.oinf", ""), "")
        self.assertEqual(self.text("tokenize", "m.oinf", ""), "\n")
        self.works("run", "m.oinf", "--chat", "", "-n", 1)
        for arguments, name in ((("", "-o", "x"), "SRC"), (("m.gguf", "-o", ""), "-o"), (("m.gguf", "--output="), "-o"), (("m.gguf", "-o", "x", "--arch", ""), "--arch"),
                                (("m.gguf", "-o", "x", "--name="), "--name"), (("m.gguf", "-o", "x", "--quantize", "", "--quantize", "f16"), "--quantize")):
            self.fails("convert", *arguments, says=[f"convert: {name} needs a value, and the one given is empty"], code=2)
        for flag in ("--name", "--arch"):
            self.fails("convert", "m.gguf", "-o", "x", flag, "a\udcff", says=[f"convert: {flag} is not UTF-8: 'a\\udcff'"], code=2)
        self.fails("convert", "m.gguf", "-o", "x", "--shard-size=", says=["--shard-size", "'' is not a size"], code=2)

    def test_byte_order_marks(self):
        """Editors put them in front of a text; none is part of a prompt, of what is scored, or of a graph."""
        self.package()
        for name, text in (("ids", b"104,101"), ("json", b'{"ids": [104, 101]}')):
            self.assertEqual(self.works("detokenize", "m.oinf", stdin=MARK + text), b"he", name)
        flags = ["run", "m.oinf", "--ids", "--ignore-eos", "-n", 4, "--backend", "sim"]
        self.assertEqual(self.works(*flags, stdin=MARK + b"hello"), self.works(*flags, stdin=b"hello"))
        self.assertNotEqual(self.works("tokenize", "m.oinf", stdin=MARK + b"hello"), self.works("tokenize", "m.oinf", stdin=b"hello"))  # byte for byte
        text = b"the quick brown fox jumps over the lazy dog"
        self.write("marked.txt", MARK + text)
        self.write("plain.txt", text)
        scores = [json.loads(self.text("eval", "m.oinf", "--text", f"{name}.txt", "--json", "--backend", "sim")) for name in ("marked", "plain")]
        self.assertEqual(scores[0]["perplexity"], scores[1]["perplexity"])
        self.write("g.oig", MARK + GRAPH.encode())
        self.assertEqual(self.text("graph", "--graph", "g.oig"), GRAPH)

    def test_wrong_usage(self):
        self.package()
        for flags in (["x", "--prompt-ids", "1"], ["--input", "x=x.npy"], ["x", "--output", "y=y.npy"], ["x", "--system", "s"]):
            self.fails("run", "m.oinf", *flags, says=["run: "], code=2)

    def test_flags_of_a_prompt_beside_tensors(self):
        """What would change nothing is refused, each before the package is opened."""
        for flags in (["-n", 5], ["--stop", "x"], ["--temperature", 1], ["--ids"], ["--seed", 2], ["--ignore-eos"], ["--logits", "l.npy"], ["hi"], ["--chat"]):
            self.fails("run", "absent.oinf", "--input", "x=x.npy", "--output", "y=y.npy", *flags, says=["run: --input and --output replace the prompt", "changes nothing"], code=2)
        self.package()
        self.write("g.oig", GRAPH)
        np.save(self.path("x.npy"), np.ones(2, "f4"))
        self.fails("run", "m.oinf", "--graph", "g.oig", "--input", "x=x.npy", "--output", "y=y.npy", "--max-context", 4, says=["--max-context 4", "no cache"])

    def test_an_array_beyond_the_range_of_sizes(self):
        self.package()
        self.write("g.oig", GRAPH)
        head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }"
        self.write("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)
        self.fails("run", "m.oinf", "--graph", "g.oig", "--input", "x=x.npy", "--output", "y=y.npy", says=["[npy] x.npy: the shape (4611686018427387904, 4)", "range of sizes"])

    def test_outputs_that_would_replace_an_input(self):
        self.package()
        self.write("g.oig", GRAPH)
        np.save(self.path("x.npy"), np.ones(2, "f4"))
        tensors = ["run", "m.oinf", "--graph", "g.oig", "--input", "x=x.npy", "--output"]
        before = self.read("x.npy")
        self.fails(*tensors, "y=./x.npy", says=["would replace an input"], code=2)
        self.fails(*tensors, "y=g.oig", says=["g.oig would replace an input"], code=2)
        self.fails(*tensors, "y=y.npy", "--stats", "x.npy", says=["would replace an input"], code=2)
        self.assertEqual(self.read("x.npy"), before)

    def test_standard_output_as_a_file_to_write(self):
        """Behind `> FILE`, /dev/stdout is FILE, and a new one in its place would take with it what is there."""
        self.package()
        for arguments in (["run", "m.oinf", *IDS, "--stats", "/dev/stdout"], ["graph", "m.oinf", "-o", "/dev/stdout"]):
            self.write("out.txt", "before\n")
            with open(self.path("out.txt"), "ab") as out:
                code, _, err = self.run_cli(*arguments, stdout=out)
            self.assertEqual((code, err), (1, "openinfer: error: [write] /dev/stdout: standard output goes to this file; name another\n"))
            self.assertEqual(self.read("out.txt"), b"before\n")
        self.assertIn(b"prompts", self.works("run", "m.oinf", *IDS, "--stats", "/dev/stdout"))  # a pipe takes both

    def test_values_that_no_flag_takes(self):
        """Flag, value and what is allowed; before the package, which is not there."""
        for flag, values, allowed in (("--temperature", ["-1", "nan", "inf", "1e39", "warm"], "finite number from 0"),
                                      ("--top-p", ["2", "-0.1", "nan"], "number from 0 to 1"), ("--min-p", ["9"], "number from 0 to 1"),
                                      ("--top-k", ["-3", "2.5", "2147483648"], "whole number from 0 to 2147483647"),
                                      ("--seed", ["-1", "0x1"], "whole number from 0"), ("--max-tokens", ["-1", "1e3"], "whole number from 0"),
                                      ("--max-context", ["0", "1KiB"], "whole number from 1"), ("--threads", ["-1", "99999999999999"], "whole number from 0 to 1024"),
                                      ("--input", ["x", "=x.npy", "x="], "NAME=F.npy"), ("--output", ["y"], "NAME=F.npy"), ("--dim", ["N", "N=two"], "NAME=N"),
                                      ("--backend", ["tpu"], "sim"), ("--numerics", ["exact", "bf"], "{strict,bf16,fast}"), ("--kv-dtype", ["q8_0"], "f16")):
            for value in values:
                self.fails("run", "absent.oinf", "x", f"{flag}={value}", says=[f"run: {flag}: ", value, allowed], code=2)

    def test_flags_that_are_not_there(self):
        self.fails("run", "m.oinf", "x", "--max-token", "5", says=["run: there is no flag --max-token; did you mean '--max-tokens'"], code=2)
        self.fails("run", "m.oinf", "x", "--temperature", says=["run: --temperature needs a value"], code=2)
        self.fails("run", "m.oinf", "x", "--temp", "1", says=["there is no flag --temp; did you mean '--temperature'?"], code=2)
        self.fails("verify", "-dash.oinf", says=["verify: there is no flag -dash.oinf; a file of that name is ./-dash.oinf"], code=2)
        self.fails("verify", "m.oinf", "--=3", says=["verify: there is no flag --=3"], code=2)
        self.fails("verify", "--deep", "-x", says=["verify: there is no flag -x"], code=2)
        self.fails("run", "m.oinf", "x", "--seed", "1", "--seed", "2", says=["run: --seed may be given once"], code=2)
        self.fails("run", "m.oinf", "Why", "is", "it?", says=["'is' 'it?'", "quotes"], code=2)
        self.fails("run", "m.oinf", "--", "-a", "-b", says=["'-b' is one argument too many"], code=2)
        self.fails("run", says=["run: M is required"], code=2)
        for flags in (["inspect", "m.oinf", "--json=1"], ["inspect", "m.oinf", "--tensors=no"], ["run", "m.oinf", "x", "--chat=2"]):
            self.fails(*flags, says=[f"{flags[0]}: {flags[-1].split('=')[0]} takes no value: leave out =" + flags[-1].split("=")[1]], code=2)
        for flags in (["graph", "m.oinf", "-o"], ["pack", "m.oinf", "--output"], EMIT, ["run", "m.oinf", "x", "--logits"], ["convert", "m.gguf", "-o"]):
            self.fails(*flags, "-", says=[f"{flags[-1]} -: ", "standard output", "./-"], code=2)
        self.fails("graph", "m.oinf", "--output=-", says=["--output -: "], code=2)

    def test_a_shard_is_not_replaced(self):
        shard = b"OINS\r\n\x1a\n" + bytes(100)
        self.write("w.00001.oins", shard)
        os.symlink("w.00001.oins", self.path("link"))
        for name in ("w.00001.oins", "link"):
            for arguments in (["run", "m.oinf", "--prompt-ids", "1", "--logits", name], ["run", "m.oinf", "x", f"--stats={name}"], ["run", "m.oinf", "x", "--trace", name],
                              ["run", "m.oinf", "x", "--save-state", name], ["run", "m.oinf", "--input", "x=x.npy", "--output", f"y={name}"],
                              ["graph", "m.oinf", "--text", "-o", name], ["graph", "m.oinf", "--text", f"-o{name}"], ["cost", "m.oinf", "--device", "zen4", "--html", name],
                              ["pack", "m.oinf", "-o", name]):
                self.fails(*arguments, says=[f"{arguments[0]}: -", f"{name} would replace a shard of a package"], code=2)
        self.assertEqual(self.read("w.00001.oins"), shard)

    def test_outputs_that_are_in_the_way(self):
        """No output replaces the package or another output."""
        before = self.read(self.package())
        os.symlink("m.oinf", self.path("link.oinf"))
        for name in ("m.oinf", "./m.oinf", "link.oinf"):
            for flag in ("--logits", "--stats", "--trace"):
                self.fails("run", "m.oinf", *IDS, flag, name, says=[name, "would replace the package"], code=2)
            self.fails("run", "m.oinf", "--output", f"y={name}", says=[name, "would replace the package"], code=2)
            self.fails("graph", "m.oinf", "-o", name, says=[name, "would replace the package"], code=2)
        self.assertEqual(self.read("m.oinf"), before)
        self.fails("run", "m.oinf", *IDS, "--stats", "s.json", "--trace", "./s.json", says=["two outputs go to"], code=2)
        self.works("run", "m.oinf", *IDS, "--stats", "/dev/null", "--trace", "/dev/null")

    def test_words_that_are_no_command(self):
        for word, near in (("bogus", "inspect, verify, tokenize, detokenize, graph, pack, run, embed, eval, convert"), ("inspct", "did you mean 'inspect'"),
                           ("tokenise", "did you mean 'tokenize'")):
            self.fails(word, "m.oinf", says=[f"'{word}' is no command", near], code=2)
        self.fails("--nope", says=["no flag --nope before a command"], code=2)
        self.fails(says=["give a command: inspect"], code=2)

    def test_standard_output_that_cannot_be_written(self):
        self.package()
        commands = [["inspect", "m.oinf"], ["inspect", "m.oinf", "--tensors"], ["inspect", "m.oinf", "--json"], ["verify", "m.oinf"], ["verify", "m.oinf", "--deep"],
                    ["tokenize", "m.oinf", "hi"], ["tokenize", "m.oinf", "hi", "--json"], ["detokenize", "m.oinf", "1"], ["graph", "m.oinf"],
                    ["graph", "m.oinf", "--dot"], ["graph", "m.oinf", "--svg"], ["graph", "m.oinf", "--html"], ["run", "m.oinf", "hi", "-n", "1"],
                    ["run", "m.oinf", *IDS], ["--help"], ["run", "--help"], ["--version"]]
        for arguments in commands:
            with open("/dev/full", "wb") as full:
                code, _, err = self.run_cli(*arguments, stdout=full)
            expected = "openinfer: error: [output] standard output cannot be written: No space left on device\n"
            self.assertEqual((code, err), (1, expected), arguments)

    def test_standard_error_that_cannot_be_written_stops_nothing(self):
        self.package()
        commands = [(0, ["run", "m.oinf", "hi", "-n", "1"]), (0, ["run", "m.oinf", *IDS, "--watch", "logits"]), (0, ["run", "m.oinf", *IDS, "--backend", "cpu"]),
                    (0, ["verify", "m.oinf"]), (0, ["pack", "m.oinf", "-o", "p.oinf"]), (1, ["verify", "none.oinf"]), (2, ["bogus"])]
        for code, arguments in commands:
            expected = self.run_cli(*arguments)[:2]
            self.assertEqual(expected[0], code, arguments)
            # A new folder for kernels, so that there is a line to be said about compiling them.
            fresh = {**os.environ, "XDG_CACHE_HOME": self.path("fresh")}
            with open("/dev/full", "wb") as disk:
                full = subprocess.run([COMMAND, *arguments], stdout=subprocess.PIPE, stderr=disk, cwd=self.folder, env=fresh, check=False)
            self.assertEqual((full.returncode, full.stdout), expected, arguments)
            closed = subprocess.run([COMMAND, *arguments], stdout=subprocess.PIPE, preexec_fn=lambda: os.close(2), cwd=self.folder, check=False)
            self.assertEqual((closed.returncode, closed.stdout), expected, arguments)

    def test_closed_standard_input_is_no_empty_text(self):
        self.package()
        for command in (["tokenize", "m.oinf"], ["detokenize", "m.oinf"], ["run", "m.oinf"]):
            code, out, err = self.run_cli(*command, preexec_fn=lambda: os.close(0))
            self.assertEqual((code, out, err), (1, b"", "openinfer: error: [read] standard input: Bad file descriptor\n"))
        self.works("tokenize", "m.oinf", stdin=b"")

    def test_closed_standard_output_is_not_the_next_file(self):
        self.package()
        code, _, err = self.run_cli("run", "m.oinf", *IDS, "--logits", "l.npy", stdout=None, preexec_fn=lambda: os.close(1))
        self.assertEqual((code, err.count("\n")), (1, 1), err)
        self.assertEqual(np.load(self.path("l.npy")).shape, (2, tiny_llama.VOCAB))


if __name__ == "__main__":
    unittest.main()
