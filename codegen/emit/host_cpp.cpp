// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/host_cpp.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "codegen/emit/host_steps.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using plan::Role;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

std::string joined(const std::vector<std::string>& items) { return fmt::format("{{{}}}", fmt::join(items, ", ")); }

/// Keys of a family's members, last {} fastest.
std::vector<std::string> keys(const plan::Buffer& b) {
  std::vector<std::string> all = {b.key};
  for (const auto& [from, to] : b.ranges) {
    std::vector<std::string> next;
    for (const std::string& key : all)
      for (std::int64_t i = from; i < to; ++i) {
        std::string one = key;
        next.push_back(one.replace(one.find("{}"), 2, fmt::format("{}", i)));
      }
    all = std::move(next);
  }
  return all;
}

class ModelCpp {
 public:
  ModelCpp(const plan::Plan& plan, const Model& model, const Device& device, const GraphFacts& facts,
           std::uint64_t metadata)
      : plan_(plan), buffers_(plan), model_(model), device_(device), facts_(facts), metadata_(metadata) {
    for (std::size_t b = 0; b < plan.buffers.size(); ++b)
      if (plan.buffers[b].role == Role::weight) weights_.push_back(static_cast<int>(b));
    for (const plan::Symbol& s : plan.entries.front().symbols) symbols_.push_back(s.name);
  }

  std::string run() {
    line("// {} for {}: the steps of ../plan.txt, and what they work on. Made by OpenInfer; yours to change.",
         plan_.name, device_.title.empty() ? device_.name : device_.title);
    line("#include \"model.h\"\n\n#include <algorithm>\n#include <utility>\n");
    line("#include \"../device/kernels.h\"\n#include \"program.h\"\n\nnamespace {} {{\nnamespace {{\n", plan_.name);
    constants();
    weights();
    states();
    if (uses_ceil_div()) line("std::int64_t ceil_div(std::int64_t a, std::int64_t b) {{ return (a + b - 1) / b; }}\n");
    steps();
    line("}}  // namespace\n");
    description();
    line("std::unique_ptr<Program> make_program(const std::string& package, const Options& options) {{");
    line("  return std::make_unique<Steps>(package, options);\n}}\n\n}}  // namespace {}", plan_.name);
    return std::move(text_);
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }

  // --- what lives longer than a step ---

  void constants() {
    std::string all;
    for (std::size_t b = 0; b < plan_.buffers.size(); ++b) {
      const plan::Buffer& buffer = plan_.buffers[b];
      if (buffer.role != Role::constant || !buffers_.used(static_cast<int>(b))) continue;
      const Tensor& tensor = plan_.constants[static_cast<std::size_t>(buffer.constant)].second;
      const std::string start =
          fmt::format("const {} {}[] = {{", buffers_.type(static_cast<int>(b)), buffers_.name(static_cast<int>(b)));
      all += wrapped_list(start, elements(tensor), fmt::format("}};  // {}\n", comment_of(buffer)), 4);
    }
    if (!all.empty()) line("namespace constants {{\n{}}}  // namespace constants\n", all);
  }
  static std::vector<std::string> elements(const Tensor& tensor) {
    std::vector<std::string> all;
    const auto size = static_cast<std::size_t>(info(tensor.dtype()).block_bytes);
    const auto bytes = tensor.bytes();
    for (std::size_t at = 0; at < bytes.size(); at += size) all.push_back(element(tensor.dtype(), bytes.data() + at));
    if (all.empty()) all.push_back("{}");
    return all;
  }
  template <class T>
  static T load(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  template <class T>
  static std::string real(T x, std::string_view suffix) {
    if (std::isnan(x)) return fmt::format("__builtin_nan{}(\"\")", suffix);
    if (std::isinf(x)) return fmt::format("{}__builtin_inf{}()", x < 0 ? "-" : "", suffix);
    std::string text = fmt::format("{}", x);
    if (text.find_first_of(".e") == text.npos) text += ".0";
    return text + std::string(suffix);
  }
  static std::string element(DType dtype, const std::byte* from) {
    if (dtype == DType::f32) return real(load<float>(from), "f");
    if (dtype == DType::f64) return real(load<double>(from), "");
    if (dtype == DType::i64) {
      const auto n = load<std::int64_t>(from);
      return n == INT64_MIN ? "INT64_MIN" : fmt::format("{}", n);
    }
    if (dtype == DType::u64) return fmt::format("{}u", load<std::uint64_t>(from));
    if (dtype == DType::i32) {
      const auto n = load<std::int32_t>(from);
      return n == INT32_MIN ? "INT32_MIN" : fmt::format("{}", n);
    }
    if (dtype == DType::u32) return fmt::format("{}u", load<std::uint32_t>(from));
    if (dtype == DType::i16) return fmt::format("{}", load<std::int16_t>(from));
    if (dtype == DType::u16) return fmt::format("{}", load<std::uint16_t>(from));
    if (dtype == DType::f16 || dtype == DType::bf16) return fmt::format("{{{:#06x}}}", load<std::uint16_t>(from));
    if (dtype == DType::boolean) return fmt::format("{{{}}}", load<std::uint8_t>(from));
    if (dtype == DType::i8) return fmt::format("{}", load<std::int8_t>(from));
    return fmt::format("{}", load<std::uint8_t>(from));
  }

  void weights() {
    if (weights_.empty()) return;
    line("/// Where the package's tensors lie; shapes as stored.\nstruct Weights {{");
    for (const int b : weights_) {
      const std::size_t count = keys(buffers_[b]).size();
      line("  const {}* {}{};  // {}", buffers_.type(b), buffers_.name(b),
           buffers_[b].ranges.empty() ? "" : fmt::format("[{}]", count), comment_of(buffers_[b]));
    }
    line("}};\n");
  }

  template <class F>
  void each_state(const F& f) const {
    for (std::size_t b = 0; b < plan_.buffers.size(); ++b)
      if (plan_.buffers[b].role == Role::state) f(static_cast<int>(b));
  }
  void states() {
    std::string members;
    each_state([&](int b) {
      members += fmt::format("  {}* {};  // {}\n", buffers_.type(b), buffers_.name(b), comment_of(buffers_[b]));
    });
    if (!members.empty()) line("/// What goes on from step to step.\nstruct State {{\n{}}};\n", members);
  }

  bool uses_ceil_div() const {
    const auto in = [&](const auto& self, const std::vector<plan::Step>& list) -> bool {
      return std::any_of(list.begin(), list.end(), [&](const plan::Step& step) {
        if (const auto* d = std::get_if<plan::Dispatch>(&step))
          return std::any_of(d->grid.begin(), d->grid.end(),
                             [](const plan::GridFactor& f) { return !f.size.is_constant() && f.divide != 1; });
        if (const auto* l = std::get_if<plan::Loop>(&step)) return self(self, l->body);
        if (const auto* b = std::get_if<plan::Branch>(&step)) return self(self, b->then) || self(self, b->otherwise);
        return false;
      });
    };
    return std::any_of(plan_.entries.begin(), plan_.entries.end(),
                       [&](const plan::EntryPoint& e) { return in(in, e.steps); });
  }

  // --- the class ---

  void steps() {
    line("class Steps final : public Program {{\n public:");
    line("  Steps(const std::string& package, const Options& options) : Program({}::description(), package, options) {{",
         plan_.name);
    for (std::size_t w = 0; w < weights_.size(); ++w) line("    place({}, weights.{});", w, buffers_.name(weights_[w]));
    each_state([&](int b) {
      line("    state.{} = new_state<{}>({});", buffers_.name(b), buffers_.type(b),
           plan::Size::count(buffers_[b].shape).text([&](std::string_view s) {
             return fmt::format("sizes[{}]", symbol(s));
           }));
    });
    line("  }}\n\n private:");
    run_function();
    for (std::size_t e = 0; e < plan_.entries.size(); ++e) text_ += "\n" + entry_cpp(buffers_, static_cast<int>(e));
    bool has_state = false;
    each_state([&](int) { has_state = true; });
    if (has_state || !weights_.empty()) text_ += "\n";
    if (!weights_.empty()) line("  Weights weights = {{}};");
    if (has_state) line("  State state = {{}};");
    line("}};\n");
  }
  std::size_t symbol(std::string_view name) const {
    const auto found = std::find(symbols_.begin(), symbols_.end(), name);
    if (found == symbols_.end()) fail(ErrorCode::internal, "[emit] no symbol '{}' in the plan", name);
    return static_cast<std::size_t>(found - symbols_.begin());
  }
  int buffer_of(Role role, const std::string& key) const {
    for (std::size_t b = 0; b < plan_.buffers.size(); ++b)
      if (plan_.buffers[b].role == role && plan_.buffers[b].key == key) return static_cast<int>(b);
    fail(ErrorCode::internal, "[emit] the plan has no buffer for '{}'", key);
  }
  void run_function() {
    std::vector<std::string> arguments;
    for (std::size_t i = 0; i < plan_.inputs.size(); ++i)
      arguments.push_back(fmt::format("static_cast<const {}*>(in[{}]->data)",
                                      buffers_.type(buffer_of(Role::input, plan_.inputs[i])), i));
    for (std::size_t o = 0; o < plan_.outputs.size(); ++o)
      arguments.push_back(
          fmt::format("static_cast<{}*>(out[{}])", buffers_.type(buffer_of(Role::output, plan_.outputs[o])), o));
    line("  void run(std::size_t entry, [[maybe_unused]] const Input* const* in, void* const* out) override {{");
    line("    switch (entry) {{");
    for (std::size_t e = 0; e < plan_.entries.size(); ++e) {
      const std::string start = fmt::format("      case {}: return {}(", e, entry_function(plan_.entries[e]));
      line("{}", wrapped_list(start, arguments, ");", 10));
    }
    line("    }}\n  }}");
  }

  // --- the description ---

  std::string dim(const Dim& d) const {
    std::vector<std::string> terms;
    for (const Dim::Term& t : d.terms()) terms.push_back(fmt::format("{{{}, {}}}", symbol(t.symbol), t.factor));
    return terms.empty() ? fmt::format("{{{}}}", d.constant()) : fmt::format("{{{}, {}}}", d.constant(), joined(terms));
  }
  std::string tensor(Role role, const std::string& key) const {
    const plan::Buffer& b = buffers_[buffer_of(role, key)];
    std::vector<std::string> extents;
    for (const Dim& d : b.shape) extents.push_back(dim(d));
    return fmt::format("{{{}, {}, {}}}", quoted(key), quoted(name(b.dtype)), joined(extents));
  }
  std::string entry(const plan::EntryPoint& e) const {
    std::vector<std::string> ranges;
    for (const plan::Symbol& s : e.symbols) ranges.push_back(fmt::format("{{{}, {}}}", s.min, s.max));
    return fmt::format("{{{}, {}}}", quoted(e.name), joined(ranges));
  }
  /// Errors: unsupported for members that are not stored alike.
  std::string family(int number) const {
    const plan::Buffer& b = buffers_[number];
    std::vector<std::string> ranges, extents, dtypes;
    std::string dtype_of;
    const std::vector<std::string> all = keys(b);
    const TensorInfo first = model_.tensor(all.front());
    for (const std::string& key : all) {
      const TensorInfo t = model_.tensor(key);
      if (t.layout != "rows")
        fail(ErrorCode::unsupported,
             "[emit] {} is laid out as {}, which no kernel reads yet: `openinfer pack --layout rows`", key, t.layout);
      if (t.transposed != first.transposed || t.shape != first.shape)
        fail(ErrorCode::unsupported, "[emit] {} and {} are not stored alike: {}{} and {}{}", all.front(), key,
             to_string(first.shape), first.transposed ? " transposed" : "", to_string(t.shape),
             t.transposed ? " transposed" : "");
      const std::string dtype = quoted(name(t.dtype));
      const auto known = std::find(dtypes.begin(), dtypes.end(), dtype);
      dtype_of += static_cast<char>('a' + (known - dtypes.begin()));
      if (known == dtypes.end()) dtypes.push_back(dtype);
    }
    for (const auto& [from, to] : b.ranges) ranges.push_back(fmt::format("{{{}, {}}}", from, to));
    for (const std::int64_t extent : first.shape) extents.push_back(fmt::format("{}", extent));
    const auto& looked_up = facts_.looked_up;
    const bool looked = std::find(looked_up.begin(), looked_up.end(), b.key) != looked_up.end();
    return fmt::format("{{{}, {}, {}, {}, {}, {}{}}}", quoted(b.key), joined(ranges), joined(extents), first.transposed,
                       joined(dtypes), dtypes.size() > 1 ? quoted(dtype_of) : "{}", looked ? ", true" : "");
  }

  void field(std::string_view field, const std::vector<std::string>& items) {
    text_ += wrapped_list(fmt::format("      .{} = {{", field), items, "},\n", 10);
  }
  void rows(std::string_view field, const std::vector<std::string>& items) {
    if (items.empty()) return line("      .{} = {{}},", field);
    line("      .{} =\n          {{", field);
    for (const std::string& item : items) line("              {},", item);
    line("          }},");
  }
  void description() {
    std::vector<std::string> features, symbols, state_symbols, entries, inputs, outputs, indices, families;
    for (const std::string& isa : device_.isa) features.push_back(quoted(isa));
    for (const std::string& s : symbols_) symbols.push_back(quoted(s));
    for (std::size_t s = 0; s < symbols_.size(); ++s)
      if (sizes_a_state(symbols_[s])) state_symbols.push_back(fmt::format("{}", s));
    for (const plan::EntryPoint& e : plan_.entries) entries.push_back(entry(e));
    for (const std::string& i : plan_.inputs) inputs.push_back(tensor(Role::input, i));
    for (const std::string& o : plan_.outputs) outputs.push_back(tensor(Role::output, o));
    for (const IndexBound& bound : facts_.index_bounds) {
      const auto at = std::find(plan_.inputs.begin(), plan_.inputs.end(), bound.input);
      if (at == plan_.inputs.end()) continue;
      indices.push_back(fmt::format("{{{}, {}, {}}}", at - plan_.inputs.begin(), dim(bound.below), quoted(bound.what)));
    }
    for (const int w : weights_) families.push_back(family(w));
    std::int64_t arena = 0;
    for (const plan::EntryPoint& e : plan_.entries) arena = std::max(arena, e.arena_bytes);
    line("const Description& description() {{\n  static const Description all = {{");
    line("      .device = {},", quoted(device_.name));
    field("features", features);
    line("      .metadata_checksum = {:#018x},", metadata_);
    field("symbols", symbols);
    field("state_symbols", state_symbols);
    rows("entries", entries);
    rows("inputs", inputs);
    rows("outputs", outputs);
    rows("index_inputs", indices);
    line("      // Key, range of each {{}}, logical shape, stored transposed?, dtypes, dtype of each member.");
    rows("families", families);
    line("      .arena_bytes = {},", arena);
    line("      .cache = {{{}, {}, {}}},", quoted(facts_.context_symbol), quoted(facts_.slots_symbol), max_context());
    line("  }};\n  return all;\n}}\n");
  }
  bool sizes_a_state(const std::string& symbol) const {
    bool used = false;
    each_state([&](int b) {
      for (const Dim& d : buffers_[b].shape)
        for (const Dim::Term& t : d.terms()) used = used || t.symbol == symbol;
    });
    return used;
  }
  std::int64_t max_context() const {
    return *facts_.context.value([&](std::string_view name) -> std::optional<std::int64_t> {
      std::int64_t most = 0;
      for (const plan::EntryPoint& e : plan_.entries)
        for (const plan::Symbol& s : e.symbols)
          if (s.name == name) most = std::max(most, s.max);
      return most;
    });
  }

  const plan::Plan& plan_;
  HostBuffers buffers_;
  const Model& model_;
  const Device& device_;
  const GraphFacts& facts_;
  std::uint64_t metadata_;
  std::vector<int> weights_;
  std::vector<std::string> symbols_;
  std::string text_;
};

}  // namespace

std::string kernels_h(const plan::Plan& plan) {
  std::set<std::string> records;
  std::string declarations;
  for (const plan::Kernel& k : plan.kernels) {
    std::vector<std::string> parameters;
    for (const kir::Buffer& b : k.code.buffers) {
      if (b.space == kir::Space::shared) continue;
      const std::string type = element_type(k.code, b);
      if (b.record >= 0) records.insert(type);
      parameters.push_back(fmt::format("{}{}* {}", b.access == kir::Access::read ? "const " : "", type, b.name));
    }
    for (const std::string& p : k.code.params) parameters.push_back("int " + p);
    parameters.push_back("int group");
    const std::string start = fmt::format("void {}(", k.code.name);
    declarations += wrapped_list(start, parameters, ");\n", start.size() > 60 ? 4 : start.size());
  }
  std::string text = fmt::format(
      "// The kernels of this model: each computes one workgroup, a share of its dispatch that no other one touches.\n"
      "#pragma once\n\n#include <cstdint>\n\nnamespace {}::kernel {{\n\n"
      "// What lies in memory only; kernel.h says how it is read.\n"
      "struct f16 {{\n  std::uint16_t bits;\n}};\nstruct bf16 {{\n  std::uint16_t bits;\n}};\n"
      "struct b1 {{\n  std::uint8_t byte;\n}};\n",
      plan.name);
  for (const std::string& record : records) text += fmt::format("struct {};\n", record);
  return text + "\n" + declarations + fmt::format("\n}}  // namespace {}::kernel\n", plan.name);
}

std::string model_cpp(const plan::Plan& plan, const Model& model, const Device& device, const GraphFacts& facts,
                      std::uint64_t metadata_checksum) {
  return ModelCpp(plan, model, device, facts, metadata_checksum).run();
}

}  // namespace openinfer::emit
