// SPDX-License-Identifier: Apache-2.0
// The kernel that README.md quotes in three languages is what the commands that stand there emit for a llama of
// SmolLM2's sizes in f16.
// OPENINFER_UPDATE_GOLDEN=1 writes it there.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "codegen/compile/spirv.h"
#include "formats/opnf/writer.h"
#include "openinfer/evaluator.h"
#include "openinfer/models/llama.h"
#include "tests/source_path.h"

using namespace openinfer;

namespace {

constexpr int kLayers = 30, kWidth = 576, kHidden = 1536, kVocab = 49152;

opnf::TensorSpec spec(const std::string& key, const char* dtype, std::vector<std::uint64_t> shape) {
  opnf::TensorSpec made;
  made.key = key;
  made.dtype = dtype;
  made.shape = std::move(shape);
  made.transposed = made.shape.size() == 2 && key != "tok_embeddings";
  return made;
}

/// Weights of zero, which take no bytes.
void write_package(const std::string& path) {
  opnf::Writer w(path);
  for (const auto& [key, value] : {std::pair{"n_layers", kLayers},
                                   {"n_heads", 9},
                                   {"n_kv_heads", 3},
                                   {"head_dim", 64},
                                   {"rope_dim", 64},
                                   {"ctx_len", 8192}})
    w.meta(key, value);
  w.meta("rope_theta", 1e5);
  w.meta("rms_norm_eps", 1e-5);
  const std::array<std::byte, 4> zeros{};
  const auto matrix = [&](const std::string& key, std::uint64_t in, std::uint64_t out) {
    w.splat(spec(key, "f16", {in, out}), std::span(zeros).first(2));
  };
  const auto vector = [&](const std::string& key) { w.splat(spec(key, "f32", {kWidth}), zeros); };
  matrix("tok_embeddings", kVocab, kWidth);
  matrix("lm_head", kWidth, kVocab);
  vector("final_norm");
  for (int l = 0; l < kLayers; ++l) {
    const std::string n = "." + std::to_string(l);
    vector("attn_norm" + n);
    vector("mlp_norm" + n);
    for (const char* name : {"Wq", "Wo"}) matrix(name + n, kWidth, kWidth);
    for (const char* name : {"Wk", "Wv"}) matrix(name + n, kWidth, 192);
    for (const char* name : {"Wgate", "Wup"}) matrix(name + n, kWidth, kHidden);
    matrix("Wdown" + n, kHidden, kWidth);
  }
  w.write();
}

/// Where it says what it came from, and the kernel: between them a file has what kernels include.
std::string quotation(const std::string& emitted) {
  const auto at = emitted.find("// Wo = matmul"), behind = emitted.find("\n\n", at);
  REQUIRE(at != emitted.npos);
  const std::string origin = emitted.substr(at, std::min(behind, emitted.size()) - at);
  const auto kernel = emitted.find(emitted.find("extern \"C\"") == emitted.npos ? "void matmul_Wo(" : "extern \"C\"");
  if (kernel == emitted.npos) return emitted.substr(at);  // a shader, which has it in one piece
  const std::string comment = origin.substr(0, std::min(origin.find("\n#"), origin.size()));
  return comment + "\n" + emitted.substr(kernel, emitted.find("\n}\n", kernel) + 3 - kernel);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the README quotes a kernel as the commands that it states emit it") {
  const std::string package =
      (std::filesystem::temp_directory_path() / ("readme_test." + std::to_string(::getpid()) + ".oinf")).string();
  write_package(package);
  const Model model = ModelLoader::open(package);
  const Graph graph = models::llama(model);
  const std::string path = testing::source_path("README.md");
  const std::string stated = read_file(path);
  const std::regex command(R"(emit \S+ --device (\S+) --api (\S+) -o \S+ +# (device/matmul_Wo\.\S+))");
  int quotes = 0;
  for (std::sregex_iterator at(stated.begin(), stated.end(), command); at != std::sregex_iterator(); ++at, ++quotes) {
    const std::string device = (*at)[1], api = (*at)[2], file = (*at)[3];
    INFO(device << " " << api);
    if (api == "vulkan" && !compile::has_spirv()) {
      WARN("skipped: this build has no GLSL compiler");
      continue;
    }
    const auto program = Evaluator(DeviceSpec::named(device).api(api)).from_graph(model, graph, {.cubins = false});
    const std::string now = quotation(program.files().at(file));
    std::string readme = read_file(path);
    const auto mark = readme.find("<!-- kernel: " + file + " -->");
    REQUIRE(mark != readme.npos);
    const auto from = readme.find('\n', readme.find("\n```", mark) + 1) + 1, to = readme.find("```\n", from);
    REQUIRE(to != readme.npos);
    if (std::getenv("OPENINFER_UPDATE_GOLDEN") != nullptr) {
      readme.replace(from, to - from, now);
      std::ofstream(path) << readme;
    }
    CHECK(read_file(path).substr(from, now.size() + 3) == now + "```");
  }
  CHECK(quotes == 3);
  std::filesystem::remove(package);
}
