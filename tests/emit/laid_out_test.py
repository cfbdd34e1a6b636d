# SPDX-License-Identifier: Apache-2.0
"""Weights that the package has in rows and kernels read in panels: laid out as steps read them, to the bits of a package in panels."""

import json
import os
import subprocess
import unittest

from emitted import COMMAND, NAME, OTHER_NAME, Emitted, build, tiny_llama

# Feeds pieces of a sequence to both models, opened anew for each list of them. The first step that reads a weight lets its panels pass by,
# the second leaves them in their places, from the third on they lie there; a piece of several chunks of rows lays all out at once.
USER = r"""
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include "small.h"
#include "switched.h"

namespace in_rows = small;
namespace in_panels = switched;

template <class Input, class Output, class Model>
std::vector<float> feed(Model& model, int first, int count) {
  std::vector<int> tok, pos, slot(static_cast<std::size_t>(count)), rows = {count - 1};
  for (int i = first; i < first + count; ++i) tok.push_back(i * 37 % 250), pos.push_back(i);
  const std::int64_t n[] = {count}, one[] = {1};
  const Input inputs[] = {{"tok", "i32", n, tok.data()}, {"pos", "i32", n, pos.data()}, {"slot", "i32", n, slot.data()}, {"rows", "i32", one, rows.data()}};
  std::vector<float> logits(static_cast<std::size_t>(model.outputs()[0].shape[1].constant));
  const Output outputs[] = {{"logits", logits.data(), logits.size() * sizeof(float)}};
  model.run_step(count == 1 ? "decode" : "prefill", inputs, outputs);
  return logits;
}

// KiB of a file that are mapped and resident.
long resident(const std::string& path) {
  std::ifstream maps("/proc/self/smaps");
  long all = 0;
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) ours = line.ends_with(path);
    if (ours && line.starts_with("Rss:")) all += std::stol(line.substr(4));
  }
  return all;
}

long tasks() { return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}); }

int main(int, char** argv) {
  {
    auto model = in_rows::Model::open(argv[1], {.threads = 2});
    while (tasks() > 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // until it is read ahead
    feed<in_rows::Input, in_rows::Output>(model, 0, 1);
    if (resident(argv[1]) == 0) std::printf("nothing mapped\n");
    for (int at = 1; at < 4; ++at) feed<in_rows::Input, in_rows::Output>(model, at, 1);
    if (const long left = resident(argv[1]), before = std::stol(argv[3]); left * 1024 > before)
      std::printf("%ld KiB are mapped, and %ld bytes stand before the weights\n", left, before);
  }
  for (const int threads : {1, 2, 5})
    for (const std::vector<int>& pieces : {std::vector<int>{1, 1, 1, 1}, {3, 1, 200, 1}, {200, 1, 3, 1}, {1, 300, 1, 7}}) {
      auto model = in_rows::Model::open(argv[1], {.threads = threads});
      auto other = in_panels::Model::open(argv[2], {.threads = 2});
      int at = 0;
      for (const int piece : pieces) {
        const std::vector<float> a = feed<in_rows::Input, in_rows::Output>(model, at, piece);
        const std::vector<float> b = feed<in_panels::Input, in_panels::Output>(other, at, piece);
        at += piece;
        if (std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) != 0)
          std::printf("%d threads, %d tokens behind %d: other logits\n", threads, piece, at - piece);
        else if (a[0] == a[1])
          std::printf("%d tokens: no logits\n", piece);
      }
    }
}
"""
# A panel of each, of one tensor with two names, of siblings, and of a family of which half is f16 and stays in rows.
DTYPES = {key: "q8_0" for key in ["tok_embeddings", *tiny_llama.matrices()] if not key.startswith(("Wv", "Wo"))}


class LaidOut(Emitted):
    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"), dtypes=DTYPES)
        for layout in ("rows", "panel16"):  # both with the same graph
            self.works("pack", "m.oinf", "--layout", layout, "-o", f"{layout}.oinf")

    def emit(self, package, name, *flags):
        self.works("emit", package, "--device", "this-cpu", "--name", NAME if name == "in_rows" else OTHER_NAME, "--max-context", "600", "-o", name, *flags)
        return self.read(os.path.join(name, "host/model.cpp")).decode()

    def both(self, *flags):
        """Source of the program for rows; what the user's program says."""
        source = self.emit("rows.oinf", "in_rows", *flags)
        self.assertNotIn("with_panels", self.emit("panel16.oinf", "in_panels", *flags))
        self.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES CXX)\nadd_subdirectory(in_rows in_rows/b)\n"
                   "add_subdirectory(in_panels in_panels/b)\nadd_executable(user user.cpp)\ntarget_link_libraries(user small switched)\n")
        self.write("user.cpp", USER)
        build(self.folder, self.folder)
        before = min(t["offset"] for t in json.loads(self.text("inspect", "rows.oinf", "--json"))["tensors"] if t["alias_of"] is None)
        page = os.sysconf("SC_PAGESIZE")
        done = subprocess.run([self.path("user"), "rows.oinf", "panel16.oinf", str(-(-before // page) * page)], cwd=self.folder, capture_output=True, text=True, check=True)
        return source, done.stdout

    def test_same_bits_whatever_comes_first(self):
        source, said = self.both()
        self.assertIn("with_panels(", source)
        self.assertRegex(source, r"\{weights\.Wq\[l\], 0, \d+, 16\}, \{weights\.Wk\[l\],")
        self.assertEqual(said, "")

    def test_same_bits_in_numerics_fast(self):
        self.assertEqual(self.both("--numerics", "fast")[1], "")

    def test_says_how_much(self):
        """One step lays out what it reads of a table, and no more of it is resident; all of it is reckoned."""
        self.emit("rows.oinf", "in_rows")
        build(self.path("in_rows"), self.path("in_rows/b"))
        command = [self.path("in_rows/b/model"), "rows.oinf", "--prompt-ids", "1,2,3", "--generate", "4", "--stats", "s.json"]
        subprocess.run(command, cwd=self.folder, capture_output=True, check=True)
        listed = json.loads(self.text("inspect", "panel16.oinf", "--json"))["tensors"]
        panels = sum(t["size_bytes"] for t in listed if t["layout"] == "panel16" and t["alias_of"] is None)
        self.assertGreater(panels, 0)
        self.assertEqual(json.loads(self.read("s.json"))["repacked_bytes"], panels)


if __name__ == "__main__":
    assert COMMAND
    unittest.main()
