// SPDX-License-Identifier: Apache-2.0
// The kernel that README.md quotes in three languages is what is emitted for a llama of SmolLM2's sizes in q8_0.
// OPENINFER_UPDATE_GOLDEN=1 writes it there.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "codegen/emit/cpp.h"
#include "codegen/emit/cuda.h"
#include "codegen/emit/glsl.h"
#include "codegen/plan/lower.h"
#include "codegen/run/compiled_graph.h"
#include "formats/opnf/writer.h"
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
  const std::array<std::byte, 34> zeros{};
  const auto matrix = [&](const std::string& key, std::uint64_t in, std::uint64_t out) {
    w.splat(spec(key, "q8_0", {in, out}), zeros);
  };
  const auto vector = [&](const std::string& key) { w.splat(spec(key, "f32", {kWidth}), std::span(zeros).first(4)); };
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

/// From where it says where it came from; records and the prelude stand above.
std::string quoted(const kir::Kernel& kernel, const std::string& source) {
  const auto at = source.find("// " + kernel.provenance.at(0));
  REQUIRE(at != source.npos);
  return source.substr(at);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the README quotes a kernel as it is emitted") {
  const std::string package =
      (std::filesystem::temp_directory_path() / ("readme_test." + std::to_string(::getpid()) + ".oinf")).string();
  write_package(package);
  const Model model = ModelLoader::open(package);
  const Graph graph = plan::over(models::llama(model), model);
  struct Quote {
    std::string language;
    kir::Target target;
    std::string (*render)(const kir::Kernel&);
  };
  const std::vector<Quote> quotes = {
      {"cpp", {.lanes = 8}, [](const kir::Kernel& k) { return emit::render_cpp(k, emit::CppLinkage::cpp); }},
      {"glsl", {.lanes = 32, .subgroups = 4, .exact_division = false}, emit::render_glsl},
      {"cuda", {.lanes = 32, .subgroups = 4}, emit::render_cuda}};
  const std::string path = testing::source_path("README.md");
  for (const Quote& q : quotes) {
    INFO(q.language);
    const plan::Plan plan = run::make_plan(graph, q.target);
    const auto kernel = std::find_if(plan.kernels.begin(), plan.kernels.end(),
                                     [](const plan::Kernel& k) { return k.code.name == "matmul_Wo"; });
    REQUIRE(kernel != plan.kernels.end());
    const std::string now = quoted(kernel->code, q.render(kernel->code));
    std::string readme = read_file(path);
    const auto mark = readme.find("<!-- kernel: " + q.language);
    REQUIRE(mark != readme.npos);
    const auto from = readme.find('\n', readme.find("\n```", mark) + 1) + 1, to = readme.find("```\n", from);
    REQUIRE(to != readme.npos);
    if (std::getenv("OPENINFER_UPDATE_GOLDEN") != nullptr) {
      readme.replace(from, to - from, now);
      std::ofstream(path) << readme;
    }
    const std::string after = read_file(path);
    CHECK(after.substr(from, now.size() + 3) == now + "```");
  }
  std::filesystem::remove(package);
}
