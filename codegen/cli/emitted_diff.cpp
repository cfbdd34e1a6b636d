// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/emitted_diff.h"

#include <array>
#include <memory>
#include <set>

#include "codegen/cli/architectures.h"
#include "codegen/cli/options.h"
#include "codegen/plan/graph_facts.h"
#include "codegen/plan/lower.h"
#include "codegen/run/compiled_graph.h"
#include "formats/opnf/writer.h"
#include "lib/base/fail.h"
#include "lib/base/temporary_folder.h"
#include "lib/passes/pipeline.h"

namespace openinfer::cli {
namespace {

constexpr int kLayers = 2, kWidth = 256, kHeads = 4, kKvHeads = 2, kHeadDim = 64, kHidden = 512, kVocab = 1024;

/// A package that is gone with it: a llama whose tensors are all zero and take no bytes.
class SmallLlama {
 public:
  SmallLlama() : path_((folder_.path() / "sample.oinf").string()) {
    opnf::Writer w(path_);
    w.meta("general.architecture", "llama");
    for (const auto& [key, value] : {std::pair{"n_layers", kLayers},
                                     {"n_heads", kHeads},
                                     {"n_kv_heads", kKvHeads},
                                     {"head_dim", kHeadDim},
                                     {"d_model", kWidth},
                                     {"d_ff", kHidden},
                                     {"vocab_size", kVocab},
                                     {"ctx_len", 2048},
                                     {"rope_dim", kHeadDim}})
      w.meta(key, value);
    w.meta("rope_theta", 1e4);
    w.meta("rms_norm_eps", 1e-5);
    const std::array<std::byte, 34> zeros{};
    const auto matrix = [&](const std::string& key, std::uint64_t in, std::uint64_t out, bool transposed = true) {
      splat(w, key, "q8_0", {in, out}, transposed, zeros);
    };
    const auto vector = [&](const std::string& key) {
      splat(w, key, "f32", {kWidth}, false, std::span(zeros).first(4));
    };
    matrix("tok_embeddings", kVocab, kWidth, false);
    for (int l = 0; l < kLayers; ++l) {
      const auto key = [&](const char* name) { return fmt::format("{}.{}", name, l); };
      vector(key("attn_norm"));
      matrix(key("Wq"), kWidth, kHeads * kHeadDim);
      matrix(key("Wk"), kWidth, kKvHeads * kHeadDim);
      matrix(key("Wv"), kWidth, kKvHeads * kHeadDim);
      matrix(key("Wo"), kHeads * kHeadDim, kWidth);
      vector(key("mlp_norm"));
      matrix(key("Wgate"), kWidth, kHidden);
      matrix(key("Wup"), kWidth, kHidden);
      matrix(key("Wdown"), kHidden, kWidth);
    }
    vector("final_norm");
    matrix("lm_head", kWidth, kVocab);
    w.write();
  }
  const std::string& path() const { return path_; }

 private:
  static void splat(opnf::Writer& w, const std::string& key, const char* dtype, std::vector<std::uint64_t> shape,
                    bool transposed, std::span<const std::byte> block) {
    opnf::TensorSpec spec;
    spec.key = key;
    spec.dtype = dtype;
    spec.shape = std::move(shape);
    spec.transposed = transposed;
    w.splat(std::move(spec), block);
  }

  TemporaryFolder folder_;
  std::string path_;
};

std::unique_ptr<const SmallLlama> small_llama() try {
  return std::make_unique<SmallLlama>();
} catch (const std::exception& error) {  // opnf::Error or filesystem_error
  fail(ErrorCode::io_error,
       "[devices] the built-in model goes through a folder for temporary files: {}; name another in $TMPDIR",
       error.what());
}

emit::Files files_for(const Model& model, const Graph& graph, const Device& device) {
  const Graph over = plan::over(graph, model);
  const plan::Plan plan = run::make_plan(over, emit::target_of(device), "sample");
  emit::Files files = emit::project_files(plan, model, device, plan::graph_facts(over));
  std::erase_if(files, [](const auto& file) { return file.first.find(".spv") != std::string::npos; });
  return files;
}

std::size_t line_count(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

EmittedDiff emitted_diff(const std::string& package, const std::string& graph, const Device& first,
                         const Device& second) {
  std::unique_ptr<const SmallLlama> small;
  if (package.empty()) small = small_llama();
  const Model model = open_model(small ? small->path() : package);
  const ChosenGraph chosen = choose_graph(model, {.file = graph});
  EmittedDiff result = {.of = small ? fmt::format("a llama of {} layers with weights in q8_0", kLayers)
                                    : fmt::format("{} with the {}", package, chosen.origin)};
  const emit::Files a = files_for(model, chosen.graph, first), b = files_for(model, chosen.graph, second);
  result.first_files = a.size();
  result.second_files = b.size();
  std::set<std::string> paths;
  for (const auto* files : {&a, &b})
    for (const auto& [path, text] : *files) paths.insert(path);
  for (const std::string& path : paths) {
    const auto in_a = a.find(path), in_b = b.find(path);
    FileDifference file = {.path = path, .in_first = in_a != a.end(), .in_second = in_b != b.end()};
    if (file.in_first) file.first_lines = line_count(in_a->second);
    if (file.in_second) file.second_lines = line_count(in_b->second);
    if (file.in_first && file.in_second) {
      if (in_a->second == in_b->second) {
        ++result.same;
        continue;
      }
      const std::vector<DiffLine> lines = diff_lines(in_a->second, in_b->second);
      file.removed = count(lines, DiffLine::Kind::first);
      file.added = count(lines, DiffLine::Kind::second);
      result.unified += unified_diff(lines, first.name + "/" + path, second.name + "/" + path);
    }
    result.files.push_back(std::move(file));
  }
  return result;
}

}  // namespace openinfer::cli
