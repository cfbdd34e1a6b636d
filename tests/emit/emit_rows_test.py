# SPDX-License-Identifier: Apache-2.0
"""emit: projects that run on token ids, alone and side by side, on this CPU and on Arm in QEMU, are held to NumPy."""

import itertools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import numpy as np

from emitted import NAME, Emitted, build  # first: it knows where the others are
from harness import COMMAND, Case
import tiny_llama

# Sequences that start and end at different steps, through the Model API of a program for three: prompt and first step
# of each. Prints the best id behind each row, a line a sequence, and whether each logit has the bits that it has when the
# sequence runs alone through the same entry points: prompts have kernels of their own, which sum in another order.
SIDE_BY_SIDE = r"""
#include <algorithm>
#include <cstdio>
#include <cstring>
#include "small.h"

namespace batch = small;

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
  std::vector<const char*> entries[kCount];
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
    const char* const entry = prompts ? "prefill" : "decode";
    const std::vector<float> out = run(model, entry, rows);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      if (owner[r] < 0) continue;
      const float* row = out.data() + r * kVocab;
      logits[owner[r]].emplace_back(row, row + kVocab);
      entries[owner[r]].push_back(entry);
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
      const std::vector<float> out = run(model, entries[s][step], rows);
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
        emit = cls.make("--name", NAME, "--batch", "3", "--max-context", "64")
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
        for more in ([], ["--text"], ["--stats", "full.json"]):
            self.standard_output_fails(*flags, "--generate", 7, "--ignore-eos", *more)
        self.assertFalse(os.path.exists(self.path("full.json")))

    def side_by_side(self):
        """Of each sequence its ids, and how far its logits are from those that it has alone."""
        shutil.copytree(self.project, self.path("batch"), ignore=shutil.ignore_patterns("b"))
        self.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES CXX)\nadd_subdirectory(batch batch/b)\n"
                   f"add_executable(user user.cpp)\ntarget_link_libraries(user {NAME})\n")
        self.write("user.cpp", SIDE_BY_SIDE)
        build(self.folder, self.folder)
        *lines, alone = subprocess.run([self.path("user"), self.package], check=True, capture_output=True, text=True).stdout.splitlines()
        return [list(map(int, line.split())) for line in lines], list(map(float, alone.split()))

    def test_sequences_that_start_and_end_at_different_steps(self):
        ids, alone = self.side_by_side()
        self.assertEqual(ids, [tiny_llama.greedy(prompt, count) for prompt, count in zip(self.PROMPTS, (5, 8, 2, 4, 3))])
        self.assertEqual(alone, [0] * 5)

    def test_bench(self):
        bench = json.loads(self.model_works("--bench", "--prompt", 5, "--generate", 4, "--batch", 3, "--json"))
        self.assertEqual(bench["batch"], 3)
        self.assertGreater(bench["decode_tokens_per_s"], 0)
        self.model_fails("--bench", "--prompt", 5, "--generate", 4, "--batch", 4, says=["--batch 4", "holds 3 sequences", "emit again with --batch 4, if the graph has as many slots"])

    def test_bad_input(self):
        self.model_fails("--prompt-ids", "1", "--prompt-ids", "2", "--logits", "l.npy", says=["--logits is of one prompt"], code=2)
        self.model_fails("--prompt-ids", "1", "--prompt-ids", "", says=["no tokens"], code=2)
        for ids in ("1,2,", ",", ",1", "1,,2"):
            self.model_fails("--prompt-ids", ids, says=["--prompt-ids: '' is no whole number"], code=2)
        self.model_fails("--prompt-ids", "1", "--prompt-ids", ",".join(["1"] * 65), says=["65 tokens", "context of 64"])
        self.fails("emit", self.package, "--device", "this-cpu", "--batch", 17, "-o", "q", says=["batch 17 is beyond the graph's 16 (slots)"])
        self.fails("emit", self.package, "--device", "this-cpu", "--batch", 0, "-o", "q", says=["--batch"], code=2)


class RoundedBatch(Batch):
    """The same in numerics fast, of weights in f16: where the CPU multiplies pairs of bf16, they do, one row or three."""

    @classmethod
    def setUpClass(cls):
        emit = cls.make("--name", NAME, "--batch", "3", "--max-context", "64", "--numerics", "fast")
        tiny_llama.write(cls.package, dtypes={key: "f16" for key in tiny_llama.matrices()})
        emit()

    def test_sequences_that_start_and_end_at_different_steps(self):
        ids, alone = self.side_by_side()
        self.assertEqual([len(of_one) for of_one in ids], [5, 8, 2, 4, 3])
        self.assertEqual(alone, [0] * 5)

    # Of Batch alone.
    test_prompts_side_by_side = test_bench = test_bad_input = None


class Rows(Emitted):
    # float32 in another order against NumPy in float64, as tests/cli/run_test.py holds the simulator to.
    TOLERANCE = 2e-4

    @classmethod
    def setUpClass(cls):
        emit = cls.make("--name", NAME, "--max-context", "700", "--check-data")
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

    def test_text_with_a_byte_0(self):
        flags = ["--prompt-ids", "143,157", "--generate", 3, "--ignore-eos"]
        self.assertEqual(self.model_works(*flags), "209,0,39\n")
        for text in (self.model(*flags, "--text")[1], self.model(*flags[:2], *flags, "--text")[1].split("[2] ")[1]):
            self.assertEqual(text.encode(errors="surrogateescape"), bytes([209, 0, 39]) + b"\n")  # the first 256 tokens are the bytes

    def test_context(self):
        self.model_fails("--prompt-ids", ",".join(["1"] * 701), says=["701 tokens", "context of 700", "give fewer"])
        self.model_fails("--bench", "--prompt", 701, says=["--prompt 701", "context of 700", "give fewer"])
        self.model_fails("--prompt-ids", "1", "--max-context", 701, says=["--max-context 701", "700"])
        code, out, err = self.model("--prompt-ids", "1,2,3", "--max-context", 5, "--generate", 9, "--ignore-eos")
        self.assertEqual((code, out), (0, ",".join(map(str, tiny_llama.greedy([1, 2, 3], 3))) + "\n"))
        self.assertIn("the context of 5 is full", err)
        together = subprocess.run([os.path.join(self.project, "b", "model"), self.package, "--prompt-ids", "1,2,3", "--max-context", "5", "--generate", "9", "--ignore-eos"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
        self.assertTrue(together.stdout.startswith(out + "model: the context of 5 is full\n"), together.stdout)  # as on a terminal
        self.model_fails("--prompt-ids", str(tiny_llama.VOCAB), says=[f"tok[0] is {tiny_llama.VOCAB}", "entries of tok_embeddings"])

    def test_a_signal_leaves_no_part_of_a_file(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            for _ in range(100):  # stopped while it writes, unless that was too late
                process = subprocess.Popen([os.path.join(self.project, "b", "model"), self.package, "--prompt-ids", ",".join(["1"] * 600), "--generate", "1", "--logits", "cut.npy"],
                                           cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                while process.poll() is None and not any(name.endswith(".part") for name in os.listdir(self.folder)):
                    pass
                process.send_signal(signal.SIGSTOP)
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)
                process.wait()
                self.assertIn(process.returncode, (0, -number))
                self.assertEqual([name for name in os.listdir(self.folder) if name.endswith(".part")], [])
                if not os.path.exists(self.path("cut.npy")):
                    break
                self.assertEqual(np.load(self.path("cut.npy")).shape, (600, tiny_llama.VOCAB))
                os.remove(self.path("cut.npy"))
            self.assertEqual(process.returncode, -number)

    def test_a_small_stack(self):
        def limited(kib):
            return subprocess.run([os.path.join(self.project, "b", "model"), self.package, "--prompt-ids", ",".join(["1"] * 600), "--generate", "2", "--ignore-eos"],
                                  cwd=self.folder, capture_output=True, text=True, check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (kib << 10, kib << 10)))
        done = limited(64)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        [needed] = re.findall("^model: error: a thread's stack is limited to 64 KiB, and the kernels take ([0-9]+) KiB: raise it [(]ulimit -s 8192[)]\n$", done.stderr)
        self.assertEqual((limited(int(needed) - 1).returncode, limited(int(needed)).returncode), (1, 0))

    def test_a_file_size_limit(self):
        command = [os.path.join(self.project, "b", "model"), self.package, "--prompt-ids", ",".join(["1"] * 600), "--generate", "1"]
        limited = lambda *more: subprocess.run([*command, *more], cwd=self.folder, capture_output=True, text=True, check=False,
                                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
        done = limited("--logits", "l.npy")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", "model: error: l.npy: File too large\n"))
        self.write("s.json", b"older" * 2000)
        done = subprocess.run([*command, "--stats", "s.json"], cwd=self.folder, capture_output=True, text=True, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16)))
        self.assertEqual((done.returncode, done.stderr.splitlines()[1:]), (1, ["model: error: s.json: File too large"]))
        self.assertEqual((self.files(), self.read("s.json")), ([self.path("s.json")], b"older" * 2000))
        self.assertEqual(limited().returncode, 0)

    def test_a_shard_is_not_replaced(self):
        shard = b"OINS\r\n\x1a\n" + bytes(100)
        self.write("w.00001.oins", shard)
        for flag in ("--logits", "--stats"):
            self.model_fails("--prompt-ids", "1", flag, "w.00001.oins", says=["w.00001.oins would replace a shard of a package"], code=2)
        self.assertEqual(self.read("w.00001.oins"), shard)

    def test_memory_is_the_programs_own(self):
        large = bytearray(400 << 20)  # what starts it has more
        self.model_works("--prompt-ids", "1,2,3", "--generate", 3, "--ignore-eos", "--stats", "s.json")
        del large
        self.assertLess(json.loads(self.read("s.json"))["peak_resident_bytes"], 300 << 20)

    def test_bench_and_stats(self):
        bench = json.loads(self.model_works("--bench", "--prompt", 20, "--generate", 4, "--depth", 30, "--json"))
        for key in ("prefill_tokens_per_s", "decode_tokens_per_s", "bytes_per_token", "open_s", "peak_resident_bytes"):
            self.assertGreater(bench[key], 0)
        self.model_works("--prompt-ids", "1,2,3", "--generate", 3, "--ignore-eos", "--stats", "s.json")
        stats = json.loads(self.read("s.json"))
        keys = ("prompt_tokens_per_s", "generate_tokens_per_s", "load_s", "bytes_read", "peak_resident_bytes")
        for key in keys:
            self.assertGreater(stats[key], 0)
        bench = json.loads(self.model_works("--bench", "--prompt", 20, "--generate", 4, "--json", "--stats", "b.json"))
        stats = json.loads(self.read("b.json"))
        for key in keys:
            self.assertGreater(stats[key], 0)
        for key, same in (("prompt_tokens_per_s", "prefill_tokens_per_s"), ("generate_tokens_per_s", "decode_tokens_per_s"), ("load_s", "open_s")):
            self.assertEqual(stats[key], bench[same])

    def test_values_behind_an_equals_sign(self):
        apart = self.model_works("--prompt-ids", "1,2,3", "--generate", 3, "--ignore-eos", "--ids", "--logits", "l.npy")
        logits = self.read("l.npy")
        self.assertEqual(self.model_works("--prompt-ids=1,2,3", "--generate=3", "--ignore-eos", "--ids", "--logits=l.npy"), apart)
        self.assertEqual(self.read("l.npy"), logits)
        self.model_fails("--prompt-ids=1", "--generate=three", says=["--generate: 'three' is no whole number"], code=2)
        self.model_fails("--prompt-ids=1", "--stats=", "--ids", says=["--stats needs a value"], code=2)
        self.model_fails("--prompt-ids=", "--ids", says=["--prompt-ids: the prompt has no tokens"], code=2)
        self.model_fails("--prompt-ids=1", "--stats", "-", says=["--stats -: standard output is called /dev/stdout"], code=2)
        self.model_fails("--prompt-ids=1", "--ids=yes", says=["there is no flag --ids=yes"], code=2)

    def test_flags_that_would_do_nothing(self):
        for arguments, flag in itertools.product((["--prompt-ids", "1", "--generate", "1"], ["--bench", "--prompt", "1", "--generate", "1"]), ("--logits", "--stats")):
            self.model_fails(*arguments, flag, "", says=[f"{flag} needs a value"], code=2)
        prompt, tensors, bench, check = ["--prompt-ids", "1"], ["--output", "y=y.npy"], ["--bench"], ["--check"]
        for arguments in (bench, check):
            self.model_fails(*arguments, "--logits", "l.npy", says=["--logits is of one prompt"], code=2)
        for flag, ways, needs in ((["--ids"], (tensors, bench, check), "--prompt-ids"), (["--text"], (tensors, bench, check), "--prompt-ids"),
                                  (["--ignore-eos"], (tensors, bench, check), "--prompt-ids"), (["--generate", "3"], (tensors, check), "--prompt-ids or --bench"),
                                  (["--prompt", "3"], (prompt, tensors, check), "--bench"), (["--depth", "3"], (prompt, tensors, check), "--bench"),
                                  (["--batch", "1"], (prompt, tensors, check), "--bench"), (["--json"], (prompt, tensors, check), "--bench"),
                                  (["--max-context", "9"], (check,), "--prompt-ids, --output or --bench"),
                                  (["--dim", "ctx=9"], (check,), "--prompt-ids, --output or --bench"), (["--check-data", "d"], (prompt, tensors, bench), "--check")):
            for way in ways:
                with self.subTest(flag=flag, way=way):
                    self.model_fails(*way, *flag, says=[f"{flag[0]} needs {needs}\n"], code=2)
        for flags in (["--ids", "--text"], ["--text", "--ids"]):
            self.model_fails(*prompt, *flags, says=["--ids and --text exclude each other"], code=2)
        self.model_fails(*bench, "--prompt", "4", "--generate", "0", says=["--generate: --bench measures decoding too: at least 1 token"], code=2)
        self.assertEqual(self.model_works(*prompt, "--generate", "0"), "")

    def test_outputs_that_would_replace_something(self):
        shutil.copyfile(self.package, self.path("p.oinf"))
        os.symlink("p.oinf", self.path("link"))
        for path in ("p.oinf", "link"):
            self.model_fails("--prompt-ids", "1", "--generate", 1, "--logits", path, package=self.path("p.oinf"), says=[f"{path} would replace the package"], code=2)
        self.model_fails("--prompt-ids", "1", "--generate", 1, "--logits", "l", "--stats", "l", says=["two outputs go to l"], code=2)
        self.model_fails("--prompt-ids", "1", "--generate", 1, "--stats", "p.oinf", package=self.path("p.oinf"), says=["p.oinf would replace the package"], code=2)
        for flag in ("--input", "--output"):  # that they name nothing of this model is found later
            self.model_fails("--input", "x=x.npy", "--output", "y=y.npy", "--stats", "x.npy" if flag == "--input" else "y.npy",
                             says=["x.npy would replace an input" if flag == "--input" else "two outputs go to"], code=2)
        self.assertEqual(self.read("p.oinf"), self.read(self.package))

    def test_an_output_that_is_standard_output(self):
        command = [os.path.join(self.project, "b", "model"), self.package, "--prompt-ids", "1", "--generate", "2", "--ignore-eos", "--ids"]
        alone = subprocess.run(command, capture_output=True, check=True).stdout
        os.chmod(self.home.name, 0o755)
        for who in ({}, {"user": 65534} if os.geteuid() == 0 else {}):  # who may write no file beside it
            piped = subprocess.run(["sh", "-c", '"$@" | cat', "sh", *command, "--stats", "/dev/stdout"], capture_output=True, check=True, **who).stdout
            self.assertTrue(piped.startswith(alone))
            self.assertGreater(json.loads(piped[len(alone):])["load_s"], 0)
        for flag in ("--stats", "--logits"):
            with open(self.path("out.txt"), "wb") as out:
                done = subprocess.run([*command, flag, "/dev/stdout"], stdout=out, stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, self.read("out.txt"), done.stderr), (1, b"", b"model: error: /dev/stdout: standard output goes to this file; name another\n"))

    def test_standard_output_that_cannot_be_written(self):
        for arguments in (["--prompt-ids", "1", "--ids"], ["--prompt-ids", "1", "--generate", 3, "--text", "--ignore-eos"], ["--check"],
                          ["--prompt-ids", "1", "--generate", 1], ["--bench", "--prompt", 1, "--generate", 1]):
            self.standard_output_fails(*arguments)
        self.standard_output_fails(package="--help")

    def test_check(self):
        out = self.model_works("--check", "--stats", "s.json", *self.FLAGS)
        stats = json.loads(self.read("s.json"))
        for key in ("load_s", "bytes_read", "peak_resident_bytes"):
            self.assertGreater(stats[key], 0)
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
        self.works("emit", self.package, "--device", "this-cpu", "--name", NAME, "--max-context", 600, "--check-data", "-o", other)
        with_data(self.read("other/check/data.oinf"), "another emission")
        tiny_llama.write(self.path("f32.oinf"), dtypes={"final_norm": "f16"})
        self.model_fails("--check", package=self.path("f32.oinf"), says=["f32.oinf is not the package", "final_norm is f16"])

    def test_check_data_are_deterministic(self):
        for _ in range(2):
            self.works("emit", self.package, "--device", self.DEVICE, "--name", NAME, "--max-context", 700, "--check-data", "-o", "again")
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


@unittest.skipUnless(shutil.which(ARM_COMPILER) and shutil.which(EMULATOR), f"needs {ARM_COMPILER} and {EMULATOR}")
class Arm(Case):
    """A project for Arm, cross-compiled and emulated, beside one for x86-64-v2, which has four lanes too."""
    N1 = [EMULATOR, "-cpu", "neoverse-n1"]

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
            subprocess.run([COMMAND, "emit", cls.package, "--device", device, "-o", project, "--name", NAME, "--check-data"], check=True, capture_output=True)
            build(project, os.path.join(project, "b"), *options)
        # The one for Arm once more, with the kernels of the other and the steps that call them: its sums have two roundings a term, as SSE's.
        cls.same = os.path.join(cls.home, "same")
        shutil.copytree(os.path.join(cls.home, "neoverse-n1"), cls.same, ignore=shutil.ignore_patterns("b"))
        cls.kernels = [name for name in os.listdir(os.path.join(cls.same, "device")) if name.endswith(".cpp")]
        for name in cls.kernels:
            shutil.copy(os.path.join(cls.home, "x86-64-v2", "device", name), os.path.join(cls.same, "device", name))
        steps = {}
        for device in ("x86-64-v2", "neoverse-n1"):
            with open(os.path.join(cls.home, device, "host/model.cpp"), encoding="utf-8") as file:
                steps[device] = file.read()
        device_named = re.compile(r'\.device = "[^"]*",\s*\.features = \{[^}]*\}')
        (arm,) = device_named.findall(steps["neoverse-n1"])
        with open(os.path.join(cls.same, "host/model.cpp"), "w", encoding="utf-8") as file:
            file.write(device_named.sub(arm, steps["x86-64-v2"]))
        build(cls.same, os.path.join(cls.same, "b"), *cross)

    def model(self, emulator, device, *arguments):
        return subprocess.run([*emulator, os.path.join(self.home, device, "b/model"), self.package, *map(str, arguments)],
                              cwd=self.folder, capture_output=True, text=True, timeout=300, check=False)

    def test_numbers_of_x86(self):
        prompt = np.random.default_rng(2).integers(0, tiny_llama.VOCAB, 37).tolist()
        flags = ["--prompt-ids", ",".join(map(str, prompt)), "--generate", 12, "--ignore-eos", "--ids", "--threads", 2, "--logits"]
        expected = ",".join(map(str, tiny_llama.greedy(prompt, 12))) + "\n"
        logits = {}
        for emulator, project in (([], "x86-64-v2"), (self.N1, "neoverse-n1"), (self.N1, "same")):
            done = self.model(emulator, project, *flags, f"{project}.npy")
            self.assertEqual((done.returncode, done.stdout), (0, expected), done.stderr)
            logits[project] = np.load(self.path(f"{project}.npy"))
            self.assertLess(np.abs(logits[project] - tiny_llama.logits(prompt)).max(), Rows.TOLERANCE)
        np.testing.assert_array_equal(logits["same"], logits["x86-64-v2"])

    def test_kernels_differ_by_what_they_fuse(self):
        for name in self.kernels:
            x86, arm = (self.read(os.path.join(self.home, project, "device", name)).decode() for project in ("x86-64-v2", "neoverse-n1"))
            self.assertNotIn("fma(", x86)
            self.assertEqual(x86 == arm, "fma(" not in arm, name)

    def test_values_within_the_bounds_of_their_operators(self):
        done = self.model(self.N1, "neoverse-n1", "--check")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"check: \d+ nodes, \d+ values within bounds\n$")

    def test_refuses_a_cpu_without_the_instructions(self):
        done = self.model([EMULATOR, "-cpu", "cortex-a53"], "neoverse-n1", "--prompt-ids", "1")
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1), done.stderr)
        self.assertIn("no fp16", done.stderr)


if __name__ == "__main__":
    ran = unittest.main(exit=False).result
    sys.exit(1 if not ran.wasSuccessful() else 77 if ran.skipped else 0)  # 77: skipped, as CTest is told
