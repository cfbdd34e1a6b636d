// SPDX-License-Identifier: Apache-2.0
// Any bytes as the package of an emitted program for CPUs: it is refused with an Error, or every tensor that a kernel
// is handed has all the bytes that the kernel reads. The program is the emitted one (its reader, host files, token
// loop, vocabulary) but for its steps, which here read every byte; a stranger can forge each checksum that the real
// description holds, so this one takes them from the package.
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "cpu_program.h"
#include "sequences.h"
#include "tests/fuzz/package_input.h"
#include "vocabulary.h"

namespace MODEL_NAME {
namespace {

/// Logits of 40 words from every weight; what host/model.cpp says, in its form.
Description& own_description() {
  static Description all = {
      .device = "fuzz",
      .features = {},
      .metadata_checksum = 0,
      .weights_checksum = 0,
      .symbols = {"N", "R"},
      .state_symbols = {},
      .entries = {{"decode", {{1, 1}, {1, 1}}}, {"prefill", {{1, 4}, {1, 4}}}},
      .inputs = {{"tok", "i32", {{0, {{0, 1}}}}}, {"rows", "i32", {{0, {{1, 1}}}}}},
      .outputs = {{"logits", "f32", {{0, {{1, 1}}}, {40}}}},
      .index_inputs = {{0, {40}, "the 40 rows of table"}, {1, {0, {{0, 1}}}, "rows of this step"}},
      .families =
          {
              {"table", {}, {40, 16}, false, {"f32"}, {}, true},
              {"W.{}", {{0, 2}}, {32, 16}, true, {"q8_0"}, {}, false, true, Fetch::on_use},
              {"V.{}", {{1, 3}}, {32, 16}, true, {"q4_1", "f16"}, "ab", false, false},
              {"norm", {}, {16}, false, {"bf16"}, {}, false},
              {"scale", {}, {}, false, {"f64"}, {}, false},
              {"empty", {}, {0, 16}, false, {"f32"}, {}, false},
          },
      .arena_bytes = 4096,
      .passing_bytes = 16 * 34,
      .cache = {"", "", 0, 0},
  };
  return all;
}

std::string key_of(const Family& family, std::int64_t number) {
  std::string key(family.key);
  if (!family.ranges.empty()) key.replace(key.find("{}"), 2, std::to_string(number));
  return key;
}

/// Bytes that kernels read of a member.
std::size_t wanted_bytes(const Family& family, std::size_t member) {
  const char* why = nullptr;
  const std::size_t dtype = family.dtype_of.empty() ? 0 : static_cast<std::size_t>(family.dtype_of[member] - 'a');
  const auto bytes = opnf::stored_bytes(*opnf::find_dtype_named(family.dtypes[dtype]), family.shape, family.transposed,
                                        family.panels ? 1 : 0, why);
  if (!bytes) std::abort();
  return *bytes;
}

class Steps final : public CpuProgram {
 public:
  Steps(const std::string& package, const Options& options) : CpuProgram(own_description(), package, options) {}

 private:
  void run(std::size_t, const Input* const* in, void* const* out) override {
    std::uint64_t sum = 0;
    for (std::size_t f = 0; f < tensors.size(); ++f)
      for (std::size_t m = 0; m < tensors[f].size(); ++m) {
        const std::size_t bytes = wanted_bytes(own_description().families[f], m);
        if (tensors[f][m].size() != bytes) std::abort();
        const auto read = [&](const std::byte* from) { sum = opnf::xxh64(from, bytes, sum); };
        if (own_description().families[f].fetch != Fetch::on_use)
          read(tensors[f][m].data());
        else
          with_panels(1, {{tensors[f][m].data(), 0, 1, 16}}, 1, [&](const Panels& panels, int) { read(panels[0]); });
      }
    for (std::int64_t i = 0; i < sizes[1] * 40; ++i) {
      const auto row = static_cast<const std::int32_t*>(in[1]->data)[i / 40];
      const auto token = static_cast<const std::int32_t*>(in[0]->data)[row];
      static_cast<float*>(out[0])[i] =
          static_cast<float>((sum >> ((i + token) % 32)) & 255);  // any word may be the next
    }
  }
};

/// What a stranger who knows the program puts into the package.
void forge_checksums(const std::string& package) {
  Description& all = own_description();
  all.metadata_checksum = all.weights_checksum = 0;
  try {
    const auto reader = opnf::Reader::open(package);
    for (const opnf::SectionEntry& section : reader.sections())
      if (section.kind == static_cast<std::uint32_t>(opnf::Section::metadata)) all.metadata_checksum = section.checksum;
    std::vector<std::uint64_t> sums;
    for (const Family& family : all.families)
      for (std::int64_t m = 0; m < (family.ranges.empty() ? 1 : family.ranges[0].to - family.ranges[0].from); ++m) {
        const auto row = reader.find(key_of(family, family.ranges.empty() ? 0 : family.ranges[0].from + m));
        if (!row) return;
        const opnf::Tensor t = reader.tensor(*row);
        sums.push_back(t.pattern.empty() ? t.checksum : opnf::xxh64(t.pattern.data(), t.pattern.size()));
      }
    all.weights_checksum = opnf::xxh64(sums.data(), sums.size() * sizeof(sums[0]));
  } catch (const opnf::Error&) {
  }
}

/// As host/main.cpp generates.
void generate(const std::string& package) {
  Model model = Model::open(package, {.threads = 1});
  Rows rows(model);
  const Vocabulary vocabulary(model.program().reader());
  const std::vector<std::int32_t> prompt = {1, 39, 0, 7, 7};
  std::int32_t id = greedy(rows.feed(prompt));
  std::string text;
  for (int n = 0; n < 4 && !vocabulary.is_end(id); ++n) {
    text += vocabulary.bytes(id);
    id = greedy(rows.feed({&id, 1}));
  }
  for (const std::int32_t word : {-1, 40, INT32_MAX, INT32_MIN}) text += vocabulary.bytes(word);
  if (model.stats().steps < 2 || text.size() > (std::size_t{1} << 30)) std::abort();
}

void open(std::span<const std::uint8_t> bytes) {
  const openinfer::fuzz::MemoryFile file(bytes);
  forge_checksums(file.path());
  try {
    generate(file.path());
  } catch (const Error&) {
  } catch (const opnf::Error&) {  // of the vocabulary: main prints either
  }
}

}  // namespace

const Description& description() { return own_description(); }
std::unique_ptr<Program> make_program(const std::string& package, const Options& options) {
  return std::make_unique<Steps>(package, options);
}

}  // namespace MODEL_NAME

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  MODEL_NAME::open({data, size});
  if (const auto bytes = openinfer::fuzz::repaired({data, size})) MODEL_NAME::open(*bytes);
  return 0;
}
