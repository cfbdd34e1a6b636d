// SPDX-License-Identifier: Apache-2.0
#include "codegen/check/record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "codegen/check/bounds.h"
#include "codegen/check/int8_blocks.h"
#include "codegen/check/recorded_inputs.h"
#include "formats/opnf/writer.h"
#include "lib/base/fail.h"
#include "lib/base/temporary_folder.h"

namespace openinfer::check {
namespace {

using plan::Tap;

/// Beside what a step writes into a cache, all of the layer is looked at where it is small: a stray row is seen.
constexpr std::int64_t kAllRuns = 1024;

/// The smallest bf16 that is no smaller.
std::uint16_t bf16_from(double bound) {
  const std::uint16_t near = float_to_bfloat(static_cast<float>(bound));
  return bfloat_to_float(near) < bound ? static_cast<std::uint16_t>(near + 1) : near;
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& elements) {
  return std::as_bytes(std::span(elements));
}

class Recorder {
 public:
  Recorder(const Graph& graph, const plan::Plan& plan, RecordedInputs inputs, std::string_view kernel_files)
      : g_(graph.data()),
        own_names_(with_own_names(graph)),
        plan_(plan),
        inputs_(std::move(inputs)),
        kernel_files_(kernel_files),
        session_(g_.model ? SimSession(*g_.model, own_names_, {.dims = inputs_.sizes})
                          : SimSession(own_names_, {.dims = inputs_.sizes})),
        values_(own_names_.data()),
        pool_(0),
        bounds_(values_, pool_),
        path_((folder_.path() / "data.oinf").string()),
        writer_(path_, {.alignment = 64}),
        fused_(plan.taps.size()) {
    values_.follow(session_);
  }

  std::string run(std::string_view emission) {
    writer_.meta("emission", emission);
    put_sizes();
    std::vector<std::string> entries;
    for (step_ = 0; step_ < inputs_.steps.size(); ++step_) {
      entries.push_back(entry().name);
      run_step();
    }
    put_strings("steps", entries);
    for (std::size_t t = 0; t < plan_.taps.size(); ++t) put_node(t);
    writer_.write();
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  const RecordedStep& now() const { return inputs_.steps[step_]; }
  const plan::EntryPoint& entry() const { return plan_.entries[static_cast<std::size_t>(now().entry)]; }

  void put_strings(const std::string& key, const std::vector<std::string>& words) {
    writer_.put(opnf::Section::metadata, key, opnf::encode(std::span(words)));
  }
  void put_sizes() {
    std::vector<std::string> names;
    std::vector<std::int64_t> values;
    for (const auto& [name, value] : inputs_.sizes) names.push_back(name), values.push_back(value);
    put_strings("sizes.names", names);
    writer_.put(opnf::Section::metadata, "sizes.values", opnf::encode_array("i64", values.size(), bytes_of(values)));
  }
  void put_tensor(const std::string& key, std::string_view dtype, const Extents& shape,
                  std::span<const std::byte> bytes) {
    opnf::TensorSpec spec = {.key = key, .dtype = std::string(dtype), .shape = {}, .quantisation = {}};
    for (const std::int64_t extent : shape) spec.shape.push_back(static_cast<std::uint64_t>(extent));
    writer_.tensor(std::move(spec), bytes);
  }

  // --- a step ---

  void run_step() {
    turns_.assign(plan_.taps.size(), 0);
    letters_.clear();
    std::map<ValueId, int> seen;
    taps_.clear();
    for (std::size_t t = 0; t < plan_.taps.size(); ++t) {
      const Tap& tap = plan_.taps[t];
      if (tap.entry != now().entry) continue;
      seen[tap.result.id] = tap.dispatch;
      taps_[tap.result.id].push_back(t);
    }
    bounds_.set_entry(std::move(seen), entry());
    Inputs inputs;
    for (const auto& [name, tensor] : now().inputs) {
      put_tensor(fmt::format("{}.in.{}", step_, name), openinfer::name(tensor.dtype()), tensor.shape(), tensor.bytes());
      inputs.emplace_back(name, tensor);
    }
    session_.begin(inputs, {}, Location{});
    while (const std::optional<SimSession::NodeRun> run = session_.next(Location{})) look(*run);
    session_.finish(Location{});
    for (const auto& [tap, letters] : letters_) writer_.meta(fmt::format("kernels.{}.{}", step_, tap), letters);
  }

  void look(const SimSession::NodeRun& run) {
    const Node& node = g_.nodes[run.node];
    for (const ValueId v : node.results)
      if (const auto taps = taps_.find(v); taps != taps_.end())
        for (const std::size_t t : taps->second) {
          if (g_.values[v].state < 0)
            record_value(t, node);
          else
            record_rows(t, node);
          note_kernel(t, node, run.indices);
          ++turns_[t];
          fused_[t].merge(bounds_.take_fused());
        }
  }
  std::string key(std::size_t tap) const { return fmt::format("{}.{}.{}", step_, tap, turns_[tap]); }

  /// Bounds as the program reads them; nothing where every bit is asked for.
  void put_bounds(const std::string& key, const std::vector<std::uint16_t>& bounds) {
    if (std::all_of(bounds.begin(), bounds.end(), [](std::uint16_t b) { return b == 0; })) return;
    put_tensor(key + ".bound", "bf16", {std::ssize(bounds)}, bytes_of(bounds));
  }
  std::uint16_t bound(const Node& node, DType dtype, double value, double error, double stored) const {
    const double most = bound_of(dtype, value, error, stored);
    // The simulator is a device too: it keeps to the rules, or the rules are wrong.
    const double low = rounded(dtype, value - error), high = rounded(dtype, value + error), tiny = 0x1p-126;
    if (std::isfinite(stored) && std::isfinite(most) && !(low - tiny <= stored && stored <= high + tiny))
      fail_at(node.at, ErrorCode::internal,
              "[check] {}: the simulator has {:.9g}, which is not within {:.3g} of {:.9g}", node.op->name, stored,
              error, value);
    return bf16_from(most);
  }

  void record_value(std::size_t t, const Node& node) {
    const ValueId v = plan_.taps[t].result.id;
    const Tensor stored = values_.tensor(v);
    const std::vector<double> numbers = numbers_of(stored);
    const Bounded exact = bounds_.result(v, plan_.taps[t].dispatch);
    std::vector<std::uint16_t> bounds;
    for (std::size_t i = 0; i < numbers.size(); ++i)
      bounds.push_back(bound(node, stored.dtype(), exact.value[i], exact.error[i], numbers[i]));
    if (numbers.empty()) return;
    if (plan_.taps[t].result.int8) return put_blocks(key(t), numbers, bounds);
    put_tensor(key(t), openinfer::name(stored.dtype()), {stored.count()}, stored.bytes());
    put_bounds(key(t), bounds);
  }

  /// Of a value of f32 that is there in 8-bit blocks alone: its elements, and the blocks to go on with.
  void put_blocks(const std::string& key, std::vector<double> numbers, const std::vector<std::uint16_t>& bounds) {
    const std::vector<std::int32_t> blocks = int8_blocks(numbers);
    std::vector<double> wide;
    for (const std::uint16_t bound : bounds) wide.push_back(bfloat_to_float(bound));
    widen_to_int8(numbers, wide);
    const std::vector<float> elements(numbers.begin(), numbers.end());
    std::vector<std::uint16_t> rounded_up;
    for (const double bound : wide) rounded_up.push_back(bf16_from(bound));
    put_tensor(key, "f32", {std::ssize(elements)}, bytes_of(elements));
    put_bounds(key, rounded_up);
    put_tensor(key + ".blocks", "i32", {std::ssize(blocks)}, bytes_of(blocks));
  }

  // --- rows of a cache ---

  enum KvOperand : std::size_t { kKeys, kValues, kLayer, kStep, kPos, kSlot };

  void record_rows(std::size_t t, const Node& write) {
    const Tap& tap = plan_.taps[t];
    const std::string& name = plan_.buffers[static_cast<std::size_t>(tap.result.place.buffer)].key;
    const KvOperand part = name.ends_with(".values") ? kValues : kKeys;
    const Tensor cache = cache_of(write, part);
    const Extents& shape = cache.shape();  // (layers, slots, heads, capacity, head_dim)
    const std::int64_t runs = shape[1] * shape[2] * shape[3], D = shape[4];
    const std::int64_t first = values_.integer(write.operands[kLayer]) * runs;
    const Bounded rows = bounds_.operand(write.operands[part], tap.dispatch);
    const std::map<std::int64_t, std::int64_t> written = runs_written(write, shape);
    std::vector<std::int32_t> starts;
    std::vector<std::uint16_t> bounds;
    std::vector<std::byte> stored;
    const std::int64_t run_bytes = D * info(cache.dtype()).block_bytes;
    for (std::int64_t run = 0; run < runs; ++run) {
      const auto row = written.find(run);
      if (row == written.end() && runs > kAllRuns) continue;
      const std::byte* at = cache.bytes().data() + (first + run) * run_bytes;
      const std::vector<double> numbers = numbers_of(cache.dtype(), at, D);
      starts.push_back(static_cast<std::int32_t>(run * D));
      stored.insert(stored.end(), at, at + run_bytes);
      for (std::int64_t d = 0; d < D; ++d) {
        const auto from = static_cast<std::size_t>(row == written.end() ? 0 : row->second + d);
        bounds.push_back(row == written.end() ? std::uint16_t{0}
                                              : bound(write, cache.dtype(), rows.value[from], rows.error[from],
                                                      numbers[static_cast<std::size_t>(d)]));
      }
    }
    if (starts.empty()) return;
    put_tensor(key(t), openinfer::name(cache.dtype()), {std::ssize(starts), D}, stored);
    put_tensor(key(t) + ".starts", "i32", {std::ssize(starts)}, bytes_of(starts));
    put_bounds(key(t), bounds);
  }
  Tensor cache_of(const Node& write, KvOperand part) {
    const int state = g_.values[write.results.back()].state;
    const std::string& name = g_.states[static_cast<std::size_t>(state)].name;
    const StateSnapshot all = session_.save();
    const auto found =
        std::find_if(all.states.begin(), all.states.end(), [&](const auto& s) { return s.name == name; });
    return found->tensors.at(part);
  }
  /// Runs of head_dim elements within a layer that the node writes, and where they begin in its operand (N, H·D).
  std::map<std::int64_t, std::int64_t> runs_written(const Node& write, const Extents& cache) const {
    const auto has = [&](KvOperand i) { return i < write.operands.size() - 1 && write.operands[i] != kNoValue; };
    const auto integers = [&](KvOperand i) { return numbers_of(values_.tensor(write.operands[i])); };
    const std::int64_t rows = values_.tensor(write.operands[kKeys]).shape()[0], heads = cache[2], D = cache[4];
    const std::vector<double> pos = integers(has(kStep) ? kStep : kPos);
    const std::vector<double> slot = has(kSlot) ? integers(kSlot) : std::vector<double>();
    std::map<std::int64_t, std::int64_t> written;
    for (std::int64_t n = 0; n < rows; ++n) {
      const auto at = static_cast<std::size_t>(n);
      const auto position = static_cast<std::int64_t>(has(kStep) ? pos[0] : pos[at]);
      const std::int64_t in = has(kStep) ? n : has(kSlot) ? static_cast<std::int64_t>(slot[at]) : 0;
      for (std::int64_t h = 0; h < heads; ++h) written[(in * heads + h) * cache[3] + position] = (n * heads + h) * D;
    }
    return written;
  }

  // --- nodes ---

  /// Files of the kernels that a tap may be wrong by, by variant; equal ones once.
  std::vector<std::string> kernels(const Tap& tap) const {
    std::vector<std::string> files;
    for (const int k : tap.kernels) {
      std::vector<std::string> all;
      for (const int e : tap.earlier) all.push_back(file(e));
      all.push_back(file(k));
      const std::string one = fmt::format("{}", fmt::join(all, ", "));
      if (std::find(files.begin(), files.end(), one) == files.end()) files.push_back(one);
    }
    return files;
  }
  std::string file(int kernel) const {
    return fmt::format("device/{}{}", plan_.kernels[static_cast<std::size_t>(kernel)].code.name, kernel_files_);
  }
  /// Which of them computed it in this turn, a letter from 'a' on.
  void note_kernel(std::size_t t, const Node& node, const std::vector<std::int64_t>& indices) {
    const Tap& tap = plan_.taps[t];
    const std::vector<std::string> files = kernels(tap);
    if (files.size() < 2) return;
    Tap alone = tap;
    alone.kernels = {tap.kernels[tap.variant[turn_of(node, indices)]]};
    const auto found = std::find(files.begin(), files.end(), kernels(alone).front());
    letters_[t] += static_cast<char>('a' + (found - files.begin()));
  }
  /// How many turns of the loops around the node are over, as Dispatch::variant counts. `indices`: outermost first.
  std::size_t turn_of(const Node& node, const std::vector<std::int64_t>& indices) const {
    std::int64_t turn = 0, turns = 1;
    auto index = indices.rbegin();
    for (RegionId r = g_.values[node.results.back()].region; r != kTopRegion; r = g_.regions[r].parent) {
      const Node& owner = g_.nodes[g_.regions[r].owner];
      if (owner.op != &loop_op()) continue;
      const auto from = std::get<std::int64_t>(*owner.attributes.find("from"));
      turn += (*index++ - from) * turns;
      turns *= std::get<std::int64_t>(*owner.attributes.find("to")) - from;
    }
    return static_cast<std::size_t>(turn);
  }

  void put_node(std::size_t t) {
    const Tap& tap = plan_.taps[t];
    const Node& node = g_.nodes[g_.values[tap.result.id].node];
    std::vector<std::string> places = {node.at.to_string()}, fused;
    for (const ValueId v : fused_[t]) {
      const Node& inner = g_.nodes[g_.values[v].node];
      fused.push_back(fmt::format("{} = {}", g_.values[v].name, inner.op->name));
      if (std::find(places.begin(), places.end(), inner.at.to_string()) == places.end())
        places.push_back(inner.at.to_string());
    }
    std::string name = fmt::format("{} = {}", tap.result.value, node.op->name);
    if (!fused.empty()) name += fmt::format(" (fused away: {})", fmt::join(fused, "; "));
    std::vector<std::string> words = {name, fmt::format("{}", fmt::join(places, ", ")),
                                      plan_.entries[static_cast<std::size_t>(tap.entry)].name};
    for (const std::string& files : kernels(tap)) words.push_back(files);
    put_strings(fmt::format("node.{}", t), words);
  }

  const GraphData& g_;
  const Graph own_names_;
  const plan::Plan& plan_;
  RecordedInputs inputs_;
  std::string kernel_files_;
  SimSession session_;
  Values values_;
  ThreadPool pool_;
  Bounds bounds_;
  TemporaryFolder folder_;
  std::string path_;
  opnf::Writer writer_;
  std::size_t step_ = 0;
  std::map<ValueId, std::vector<std::size_t>> taps_;  // of this step's entry point
  std::vector<std::size_t> turns_;                    // by tap
  std::map<std::size_t, std::string> letters_;        // by tap: of its kernels, for each turn of this step
  std::vector<std::set<ValueId>> fused_;              // by tap
};

[[noreturn]] void cannot_record(std::string_view why) {
  fail(ErrorCode::io_error,
       "[check] what is recorded goes through a folder for temporary files: {}; name another in $TMPDIR", why);
}

}  // namespace

std::string record(const Graph& graph, const plan::Plan& plan, const plan::GraphFacts& facts, std::string_view emission,
                   std::string_view kernel_files) try {
  return Recorder(graph, plan, recorded_inputs(graph, plan, facts), kernel_files).run(emission);
} catch (const opnf::Error& error) {
  cannot_record(error.what());
} catch (const std::filesystem::filesystem_error& error) {
  cannot_record(fmt::format("{}: {}", error.path1().string(), error.code().message()));
}

}  // namespace openinfer::check
