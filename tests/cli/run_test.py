# SPDX-License-Identifier: Apache-2.0
"""run: answers, logits and everything it writes, against NumPy in float64 on a tiny llama."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

import numpy as np
import run_case
import tiny_llama
from harness import COMMAND
from run_case import PROMPT, joined

# float32 against float64: 6e-5 is the largest difference seen in 600 · 265 logits of at most 5.5; other platforms'
# exp and sin may add to it.
TOLERANCE = 2e-4


class Run(run_case.RunCase):
    def test_greedy_ids(self):
        for prompt in (PROMPT, [259, 262, 108, 100], [200]):
            expected = joined(tiny_llama.greedy(prompt, 12)) + "\n"
            self.assertEqual(self.run_ids("-n", 12, "--ignore-eos", "--backend", "sim", prompt=prompt), expected)

    def test_default_is_compiled(self):
        expected = self.run_ids("-n", 8, "--ignore-eos", "--backend", "sim")
        self.assertIn("backend sim (the reference interpreter)", self.stderr)
        self.assertEqual(self.run_ids("-n", 8, "--ignore-eos"), expected)
        self.assertIn("backend cpu (compiled for this machine)", self.stderr)
        self.assertNotIn("simulator", self.stderr)

    def test_default_where_nothing_can_be_compiled(self):
        """stderr says that the simulator runs, and why."""
        expected = joined(tiny_llama.greedy(PROMPT, 3)) + "\n"
        with tempfile.TemporaryDirectory() as cache:
            for compiler, why in (("/no/such/compiler", "$CXX is '/no/such/compiler', which cannot be run"),
                                  ("/bin/false", "/bin/false could not compile the kernels")):
                with mock.patch.dict(os.environ, XDG_CACHE_HOME=cache, CXX=compiler):
                    self.assertEqual(self.run_ids("-n", 3, "--ignore-eos"), expected)
                self.assertRegex(self.stderr, f"openinfer: runs in the simulator: .*{re.escape(why)}")
                self.assertIn("backend sim", self.stderr)

    def test_default_where_the_simulator_alone_serves(self):
        for flags in (["--watch", "logits"], ["--trace", "t.json"]):
            self.run_ids("-n", 1, *flags)
            self.assertIn(f"openinfer: runs in the simulator: {flags[0]} looks into it\n", self.stderr)
        self.write("g.oig", "oig 1\ndim 0 <= N <= 64\ngraph (x: f64[N], a: f64[N]) -> (y: f64[N], b: f64[N]) {\n  y = exp(x)\n  b = a + a\n  return y, b\n}\n")
        np.save(self.path("x.npy"), np.arange(3.0))
        flags = ["run", "m.oinf", "--graph", "g.oig", "--input", "x=x.npy", "--output", "y=y.npy"]
        self.works(*flags)
        self.assertIn("runs in the simulator: input a is not given", self.stderr)
        self.fails(*flags, "--backend", "cpu", says=["--backend cpu: input a is not given", "use --backend sim"])
        flags += ["--input", "a=x.npy"]
        self.works(*flags)
        self.assertRegex(self.stderr, r"runs in the simulator: \[exp\] .*f64")
        np.testing.assert_allclose(np.load(self.path("y.npy")), np.exp(np.arange(3.0)), rtol=1e-15)
        self.fails(*flags, "--backend", "cpu", says=["exp", "f64"])

    def test_ids_are_looked_at_whatever_runs(self):
        self.write("g.oig", "oig 1\ndim 0 <= N <= 64\nweight @tok_embeddings : f32[265, 32]\n"
                            "graph (ids: i32[N]) -> (y: f32[N, 32]) {\n  y = gather(@tok_embeddings, ids)\n  return y\n}\n")
        np.save(self.path("ids.npy"), np.array([0, 264, 265], "<i4"))
        for backend in ([], ["--backend", "sim"]):
            self.fails("run", "m.oinf", "--graph", "g.oig", "--input", "ids=ids.npy", "--output", "y=y.npy", *backend, says=["265"])

    def test_compiled_for_this_machine(self):
        prompt = np.random.default_rng(2).integers(0, tiny_llama.VOCAB, 600).tolist()  # a step takes 512 rows
        compiled = ["--backend", "cpu", "--ignore-eos"]
        with mock.patch.dict(os.environ, XDG_CACHE_HOME=self.path("cache")):
            out = self.run_ids("-n", 12, "--logits", "l.npy", *compiled, prompt=prompt)
            self.assertIn("backend cpu (compiled for this machine)", self.stderr)
            self.assertEqual(out, joined(tiny_llama.greedy(prompt, 12)) + "\n")
            self.assertLess(np.abs(np.load(self.path("l.npy")) - tiny_llama.logits(prompt)).max(), TOLERANCE)
            kept = os.listdir(self.path("cache/openinfer"))
            self.assertEqual(len(kept), 1, kept)
            for threads in (1, 3):
                self.assertEqual(out, self.run_ids("-n", 12, "--threads", threads, *compiled, prompt=prompt))
            self.assertEqual(os.listdir(self.path("cache/openinfer")), kept)  # compiled once

    def compiled(self, *arguments, **changes):
        """One step on the CPU's backend, or why not; `changes` to the environment, None: not set. Of one kernel: a cache and a compiler
        are the same for a llama's, which take ten times as long."""
        self.write("one.oig", "oig 1\nweight @final_norm : f32[32]\ngraph (x: f32[32]) -> (y: f32[32]) {\n  y = x * @final_norm\n  return y\n}\n")
        np.save(self.path("x.npy"), np.ones(32, "f4"))
        environment = {k: v for k, v in (os.environ | changes).items() if v is not None}
        with mock.patch.dict(os.environ, environment, clear=True):
            return self.run_cli("run", "m.oinf", "--graph", "one.oig", "--input", "x=x.npy", "--output", "y=y.npy", *arguments)[::2]

    def test_a_cache_that_cannot_be_used(self):
        """The simulator serves, and says why; with --backend cpu it is an error of its own, with the path."""
        self.write("file", "x")
        os.mkdir(self.path("home"))
        self.write("home/openinfer", "x")
        os.mkdir(self.path("kernel"))
        os.symlink("/proc", self.path("kernel/openinfer"))  # not even root can write there
        os.symlink("loop", self.path("loop"))
        places = [(dict(XDG_CACHE_HOME=cache), path) for cache, path in (
            ("/proc/none", "/proc/none"), (self.path("file"), "/file"), (self.path("home"), "/home/openinfer"),
            (self.path("kernel"), "/kernel/openinfer"), (self.path("loop"), "/loop"), ("/" + "n" * 300, "/nnn"))]
        for name in ("file", "absent"):
            places.append((dict(XDG_CACHE_HOME=None, HOME=None, TMPDIR=self.path(name)), f"/{name}"))
        for setting, path in places:
            code, err = self.compiled(**setting)
            self.assertEqual(code, 0, err)
            self.assertRegex(err, r"openinfer: runs in the simulator: \[cpu\] .*" + path)
            code, err = self.compiled("--backend", "cpu", **setting)
            self.assertEqual((code, err.count("\n")), (1, 1), err)
            self.assertRegex(err, r"openinfer: error: \[cpu\] .*" + path)
        self.assertFalse(os.path.exists(self.path("absent")))

    def test_the_cache_is_ours_alone(self):
        """What lies there is run: nobody else may have put it there."""
        os.mkdir(self.path("t"))
        cache = self.path(f"t/openinfer-cache-{os.geteuid()}")
        homeless = {"XDG_CACHE_HOME": None, "HOME": self.path("absent"), "TMPDIR": self.path("t")}  # no home is made
        self.assertIn("backend cpu", self.compiled(**homeless)[1])
        self.assertEqual((os.listdir(self.path("t")), os.path.exists(self.path("absent"))), ([os.path.basename(cache)], False))
        self.assertEqual(os.stat(cache).st_mode & 0o7777, 0o700)
        os.makedirs(self.path("x/openinfer"))
        for folder, setting in ((cache, homeless), (self.path("x/openinfer"), {"XDG_CACHE_HOME": self.path("x")})):
            for mode in (0o777, 0o720, 0o702):
                os.chmod(folder, mode)
                code, err = self.compiled(**setting)
                self.assertEqual(code, 0, err)
                self.assertIn(f"runs in the simulator: [cpu] {folder} can be written by others (mode {mode:o})", err)
                self.assertEqual(self.compiled("--backend", "cpu", **setting)[0], 1)
            os.chmod(folder, 0o755)
            self.assertIn("backend cpu", self.compiled(**setting)[1])
        if os.geteuid() != 0:
            return  # none but root gives files away
        os.chown(cache, 12345, 0)
        self.assertIn(f"{cache} is of user 12345 and we are user 0", self.compiled(**homeless)[1])
        os.rename(cache, self.path("theirs"))
        os.chown(self.path("theirs"), 0, 0)
        os.symlink(self.path("theirs"), cache)
        self.assertIn("backend cpu", self.compiled(**homeless)[1])
        os.chown(cache, 12345, 0, follow_symlinks=False)  # who has the link can turn it elsewhere
        self.assertIn(f"{cache} is of user 12345", self.compiled(**homeless)[1])

    def test_another_compiler_of_the_same_name_compiles_again(self):
        real = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))))
        setting = {"XDG_CACHE_HOME": self.path("cache"), "CXX": self.path("cxx")}
        for version, libraries in (("1", 1), ("1", 1), ("1.1", 2), ("1.2", 3)):  # of the last two only the times differ
            content = f"#!/bin/sh\n# {version}\nexec {real} \"$@\"\n"
            if not os.path.exists(self.path("cxx")) or self.read("cxx").decode() != content:
                self.write("cxx", content)
                os.chmod(self.path("cxx"), 0o755)
            self.assertIn("backend cpu", self.compiled(**setting)[1])
            self.assertEqual(len(os.listdir(self.path("cache/openinfer"))), libraries, version)

    def test_compiled_without_a_compiler(self):
        run = ["run", "m.oinf", "--prompt-ids", "1", "--backend", "cpu"]
        with tempfile.TemporaryDirectory() as cache:
            with mock.patch.dict(os.environ, XDG_CACHE_HOME=cache, CXX="/no/such/compiler"):
                self.fails(*run, says=["$CXX is '/no/such/compiler'"])
            with mock.patch.dict(os.environ, XDG_CACHE_HOME=cache, CXX="/bin/false"):
                kept = set()
                for _ in range(2):  # one folder for one failure, which the error names
                    code, _, err = self.run_cli(*run)
                    self.assertEqual(code, 1, err)
                    self.assertIn("could not compile the kernels", err)
                    kept.add(re.search(r"are in (.*)\)", err)[1])
                self.assertEqual(kept, {os.path.join(cache, "openinfer", name) for name in os.listdir(cache + "/openinfer")})
                self.assertEqual(len(kept), 1)
                self.assertEqual(sorted(os.listdir(kept.pop())), ["kernels.cpp", "log"])

    def test_a_compiler_that_failed_and_does_not_any_more(self):
        real = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))))
        self.write("cxx", f"#!/bin/sh\n[ -e {self.write('fail', '')} ] && exit 1\nexec {real} \"$@\"\n")
        os.chmod(self.path("cxx"), 0o755)
        setting = {"XDG_CACHE_HOME": self.path("cache"), "CXX": self.path("cxx")}
        self.assertIn("could not compile the kernels", self.compiled(**setting)[1])
        os.unlink(self.path("fail"))
        self.assertIn("backend cpu", self.compiled(**setting)[1])
        self.assertEqual([name for name in os.listdir(self.path("cache/openinfer")) if not name.endswith(".so")], [])

    def test_only_the_simulator_can_be_looked_into(self):
        for flags in (["--watch", "x"], ["--trace", "t.json"]):
            self.fails("run", "m.oinf", "--prompt-ids", "1", "--backend", "cpu", *flags, says=["use --backend sim"], code=2)

    def test_logits_of_every_position_across_chunks(self):
        prompt = np.random.default_rng(1).integers(0, tiny_llama.VOCAB, 600).tolist()  # a step takes 512 rows
        out = self.run_ids("-n", 3, "--ignore-eos", "--logits", "l.npy", prompt=prompt)
        found = np.load(self.path("l.npy"))
        self.assertEqual((found.dtype, found.shape), (np.float32, (600, tiny_llama.VOCAB)))
        self.assertLess(np.abs(found - tiny_llama.logits(prompt)).max(), TOLERANCE)
        self.assertEqual(out, joined(tiny_llama.greedy(prompt, 3)) + "\n")
        self.assertEqual(out, self.run_ids("-n", 3, "--ignore-eos", prompt=prompt))

    def test_logits_alone(self):
        self.assertEqual(self.run_ids("-n", 0, "--logits", "l.npy"), "")
        self.assertEqual(np.load(self.path("l.npy")).shape, (3, tiny_llama.VOCAB))

    def test_text_equals_ids(self):
        ids = self.text("tokenize", "m.oinf", "hello").strip()
        answer = self.text("run", "m.oinf", "--prompt-ids", ids, "--ids", "-n", 20, "--ignore-eos").strip()
        words = self.works("run", "m.oinf", "hello", "-n", 20, "--ignore-eos")
        raw = self.works("detokenize", "m.oinf", answer)
        self.assertEqual(words.decode(), raw.decode(errors="replace") + "\n")
        self.assertEqual(self.works("run", "m.oinf", "-n", 20, "--ignore-eos", stdin=b"hello"), words)

    def test_stop_text_and_end_token(self):
        answer = tiny_llama.greedy(PROMPT, 12)
        ids = [i for i in answer if 33 <= i < 94]  # printable ASCII: a byte token b is the character b
        stop = tiny_llama.TOKENS[ids[1]].translate({})
        text = self.text("run", "m.oinf", "--prompt-ids", joined(PROMPT), "-n", 12, "--ignore-eos")
        cut = self.text("run", "m.oinf", "--prompt-ids", joined(PROMPT), "-n", 12, "--ignore-eos", "--stop", stop)
        self.assertEqual(cut, text[: text.index(stop)] + "\n")
        self.assertEqual(self.run_ids("-n", 12, "--ignore-eos", "--stop", stop), joined(answer[: answer.index(ids[1]) + 1]) + "\n")

    def test_sampling_is_reproducible(self):
        flags = ["-n", 24, "--ignore-eos", "--temperature", 2, "--top-k", 50, "--top-p", 0.95, "--min-p", 0.01]
        first = self.run_ids(*flags, "--seed", 5)
        self.assertEqual(first, self.run_ids(*flags, "--seed", 5, "--threads", 1))
        self.assertNotEqual(first, self.run_ids(*flags, "--seed", 6))
        self.assertNotEqual(first, self.run_ids("-n", 24, "--ignore-eos"))
        self.assertNotIn("warning", self.stderr)
        self.run_ids("-n", 1, "--top-k", 50)
        self.assertIn("warning: --top-k, --top-p and --min-p change nothing without --temperature", self.stderr)
        self.run_ids("-n", 1, "--seed", 5)
        self.assertIn("warning: --seed changes nothing without --temperature", self.stderr)

    def test_context_fills_up(self):
        answer = tiny_llama.greedy(PROMPT, 3)
        self.assertEqual(self.run_ids("-n", 50, "--ignore-eos", "--max-context", 5), joined(answer) + "\n")
        self.assertIn(f"context of 5 is full; --max-context gives up to {tiny_llama.CTX}", self.stderr)
        self.run_ids("-n", 2, "--ignore-eos", "--max-context", tiny_llama.CTX, prompt=[1] * tiny_llama.CTX)
        self.assertIn("is full; that is the most that this graph holds", self.stderr)

    def test_graph_from_a_file_and_from_the_package(self):
        expected = self.run_ids("-n", 8)
        self.works("graph", "m.oinf", "-o", "g.oig")
        self.assertEqual(self.run_ids("-n", 8, "--graph", "g.oig"), expected)
        tiny_llama.write(self.path("m.oinf"), architecture="unheard-of", graph=self.read("g.oig").decode())
        self.assertEqual(self.run_ids("-n", 8), expected)
        self.fails("run", "m.oinf", "--prompt-ids", "1", "--ids", "--kv-dtype", "f16", says=["--kv-dtype f16", "$kv", "f32"])

    def test_stats(self):
        self.run_ids("-n", 4, "--ignore-eos", "--stats", "s.json")
        found = json.loads(self.read("s.json"))
        keys = ["prompt_tokens_per_s", "generate_tokens_per_s", "load_s", "bytes_read", "peak_resident_bytes"]
        self.assertEqual((list(found), found["device"]), ([*keys, "prompts", "device"], "this-cpu"))
        self.assertTrue(all(found[key] > 0 for key in keys), found)
        self.run_ids("-n", 4, "--ignore-eos", "--stats", "sim.json", "--backend", "sim")
        # Every layer's weights once a step. Of a table compiled code counts what a prompt of 512 ids would look up.
        table = 4 * tiny_llama.VOCAB * tiny_llama.D
        self.assertAlmostEqual(found["bytes_read"], json.loads(self.read("sim.json"))["bytes_read"], delta=1.1 * table)

    def test_watch(self):
        self.run_ids("-n", 1, "--watch", "attention", "--watch", "logits")
        lines = [line for line in self.stderr.splitlines() if line.startswith("watch ")]
        self.assertEqual([line.split(" f32")[0] for line in lines], ["watch attention[0]", "watch attention[1]", "watch logits"])
        self.assertIn("(3, 32)", lines[0])
        first = float(re.search(r": (\S+) ", lines[2])[1])
        self.assertAlmostEqual(first, tiny_llama.logits(PROMPT)[-1, 0], delta=TOLERANCE)

    def test_trace(self):
        self.run_ids("-n", 2, "--ignore-eos", "--trace", "t.json")
        events = json.loads(self.read("t.json"))
        events = events["traceEvents"] if isinstance(events, dict) else events
        self.assertIn("sdpa", {e.get("args", {}).get("op", e["name"]) for e in events} | {e["name"] for e in events})
        self.assertEqual(self.files(), [self.path("m.oinf"), self.path("t.json")])

    def test_any_graph(self):
        self.write("g.oig", "oig 1\ndim 0 <= N <= 64\nweight @final_norm : f32[32]\n"
                            "graph (x: f32[N, 32]) -> (y: f32[N, 32]) {\n  y = x * @final_norm\n  return y\n}\n")
        x = np.random.default_rng(2).normal(size=(5, 32)).astype(np.float32)
        np.save(self.path("x.npy"), x)
        self.assertEqual(self.text("run", "m.oinf", "--graph", "g.oig", "--input", "x=x.npy", "--output", "y=y.npy"), "")
        np.testing.assert_array_equal(np.load(self.path("y.npy")), x * tiny_llama.weights()["final_norm"])
        self.fails("run", "m.oinf", "--graph", "g.oig", "--prompt-ids", "1", "--ids", says=["tok, pos, slot", "x: f32[N, 32]", "--input"])
        self.fails("run", "m.oinf", "--graph", "g.oig", "--input", "x=x.npy", "--output", "z=y.npy", says=["z"])

    def test_chat_once(self):
        rendered = "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
        flags = ["--ids", "-n", 6, "--ignore-eos"]
        expected = self.text("run", "m.oinf", rendered, *flags)
        self.assertEqual(self.text("run", "m.oinf", "--chat", "hello", "--system", "Be brief", *flags), expected)
        self.assertEqual(self.text("run", "m.oinf", "--chat", "--system", "Be brief", *flags, stdin=b"hello\n"), expected)

    def test_chat_without_a_message(self):
        for nothing in (b"", b"\n"):
            self.assertEqual(self.works("run", "m.oinf", "--chat", "-n", 3, stdin=nothing), b"")
            self.assertEqual(self.stderr, "openinfer: the input ended without a message: nothing to answer\n")
        self.fails("run", "absent.oinf", "--chat", says=["absent.oinf"])

    def test_conversation_on_a_terminal(self):
        """The second answer sees the first turn, and equals one run over the whole conversation."""
        out = self.converse(["hello\n", "world\n", "/quit\n"], "-n", 5, "--ignore-eos", "--ids")
        answers = [line for line in out.splitlines() if re.fullmatch(r"\d+(,\d+)+", line)]
        self.assertEqual(len(answers), 2, out)
        first = self.works("run", "m.oinf", "--chat", "hello", "-n", 5, "--ignore-eos").removesuffix(b"\n")
        conversation = b"<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n" + first
        conversation += b"<|im_end|>\n<|im_start|>user\nworld<|im_end|>\n<|im_start|>assistant\n"
        self.assertEqual(answers[1] + "\n", self.text("run", "m.oinf", "--ids", "-n", 5, "--ignore-eos", stdin=conversation))

    def converse(self, lines, *flags):
        leader, follower = pty.openpty()
        command = [COMMAND, "run", self.path("m.oinf"), "--chat", *map(str, flags)]
        with subprocess.Popen(command, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            os.close(follower)
            for line in lines:
                self.assertTrue(self.prompted(process.stderr), "no prompt")
                os.write(leader, line.encode())
            out, _ = process.communicate(timeout=60)
        os.close(leader)
        self.assertEqual(process.returncode, 0)
        return out.decode()

    def on_a_terminal(self, *arguments):
        """What a terminal shows that both outputs go to, and what pipes would have had."""
        code, out, err = self.run_cli(*arguments)
        leader, follower = pty.openpty()
        process = subprocess.Popen([COMMAND, *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower)
        os.close(follower)
        shown = b""
        try:
            while part := os.read(leader, 4096):
                shown += part
        except OSError:  # Linux's end of a terminal
            pass
        os.close(leader)
        self.assertEqual(process.wait(timeout=60), code)
        return shown.decode().replace("\r\n", "\n"), out.decode(), err

    def test_lines_of_both_outputs_on_one_terminal(self):
        """What is said while an answer stands within a line begins a line of its own; the answer through a pipe has no byte more."""
        flags = ["run", "m.oinf", "--prompt-ids", "1,2", "--ids", "-n", 3, "--ignore-eos", "--watch", "logits"]
        shown, out, err = self.on_a_terminal(*flags)
        ids = out.rstrip("\n").split(",")
        self.assertEqual(len(ids), 3)
        watched = [line for line in err.splitlines(True) if line.startswith("watch ")]
        self.assertEqual(len(watched), 3)
        self.assertIn(f"{watched[0]}{ids[0]}\n{watched[1]},{ids[1]}\n{watched[2]},{ids[2]}\n", shown)

    @staticmethod
    def prompted(stream):
        seen = b""
        while select.select([stream], [], [], 60)[0]:
            seen += (part := os.read(stream.fileno(), 4096))
            if not part or seen.endswith(b"> "):
                return bool(part)
        return False


if __name__ == "__main__":
    unittest.main()
