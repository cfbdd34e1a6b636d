// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/host_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "codegen/emit/cpp_text.h"
#include "codegen/emit/host_steps.h"
#include "codegen/plan/members.h"
#include "codegen/plan/walk.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using plan::Role;
using plan::Size;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

std::string joined(const std::vector<std::string>& items) { return fmt::format("{{{}}}", fmt::join(items, ", ")); }

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
std::string element(DType dtype, const std::byte* from) {
  if (dtype == DType::f32) return cpp_real(load<float>(from), "f");
  if (dtype == DType::f64) return cpp_real(load<double>(from), "");
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

std::vector<std::string> elements(const Tensor& tensor) {
  std::vector<std::string> all;
  const auto size = static_cast<std::size_t>(info(tensor.dtype()).block_bytes);
  const auto bytes = tensor.bytes();
  for (std::size_t at = 0; at < bytes.size(); at += size) all.push_back(element(tensor.dtype(), bytes.data() + at));
  if (all.empty()) all.push_back("{}");
  return all;
}

/// Programs look at inputs only: what those do not say must be certain.
void check_rows(const plan::RowBound& bound, const plan::EntryPoint& entry) {
  const auto bound_of = [&](const Dim& dim, bool upper) {
    return Size(dim).value([&](std::string_view name) {
      const auto& all = entry.symbols;
      const auto symbol = std::find_if(all.begin(), all.end(), [&](const plan::Symbol& s) { return s.name == name; });
      return symbol == all.end() ? 0 : upper ? symbol->max : symbol->min;
    });
  };
  if (bound.rows == bound.slots) return;
  if (const std::int64_t rows = bound_of(bound.rows, true), slots = bound_of(bound.slots, false); rows > slots)
    fail_at(
        bound.at, ErrorCode::unsupported,
        "[emit] entry point {}: sdpa takes up to {} rows over {} slots or more, and a row needs one of its own; give "
        "pos and slot, or bound the rows",
        entry.name, rows, slots);
}

}  // namespace

HostModel::HostModel(const HostSource& source)
    : source_(source), plan_(source.plan), buffers_(source.plan, laid_out(source.plan, source.model)) {
  for (const plan::Symbol& s : plan_.entries.front().symbols) symbols_.push_back(s.name);
}

std::string HostModel::run() {
  for (const plan::RowBound& bound : source_.facts.row_bounds)
    for (const plan::EntryPoint& entry : plan_.entries) check_rows(bound, entry);
  const Device& device = source_.device;
  line("// {} for {}: the steps of ../plan.txt, and what they work on. Made by OpenInfer; yours to change.", plan_.name,
       device.title.empty() ? device.name : device.title);
  line("#include \"model.h\"\n\n#include <algorithm>\n#include <utility>\n");
  line("#include \"../device/kernels.h\"\n{}#include \"{}\"\n\nnamespace {} {{\nnamespace {{\n",
       plan_.taps.empty() ? "" : "#include \"check.h\"\n", base_header(), plan_.name);
  declarations();
  steps();
  line("}}  // namespace\n");
  description();
  line("std::unique_ptr<Program> make_program(const std::string& package, const Options& options) {{");
  line("  return std::make_unique<Steps>(package, options);\n}}\n\n}}  // namespace {}", plan_.name);
  return std::move(text_);
}

std::int64_t HostModel::members(const plan::Buffer& family) {
  return static_cast<std::int64_t>(plan::member_keys(family).size());
}

std::vector<int> HostModel::of_role(Role role) const {
  std::vector<int> all;
  for (std::size_t b = 0; b < plan_.buffers.size(); ++b) {
    const auto number = static_cast<int>(b);
    if (plan_.buffers[b].role == role && (role != Role::constant || buffers_.used(number))) all.push_back(number);
  }
  return all;
}

std::string HostModel::constant_arrays() const {
  std::string all;
  for (const int b : of_role(Role::constant)) {
    const plan::Buffer& buffer = buffers_[b];
    const Tensor& tensor = plan_.constants[static_cast<std::size_t>(buffer.constant)].second;
    const std::string start = fmt::format("const {} {}[] = {{", buffers_.type(b), buffers_.name(b));
    all += wrapped_list(start, elements(tensor), fmt::format("}};  // {}\n", comment_of(buffer)), 4);
  }
  return all;
}

std::string HostModel::count(int state) const {
  return plan::Size::count(buffers_[state].shape).text([&](std::string_view s) {
    return fmt::format("sizes[{}]", symbol(s));
  });
}

void HostModel::ceil_div() {
  bool used = false;
  for (const plan::EntryPoint& e : plan_.entries)
    plan::each_dispatch(e.steps, [&](const plan::Dispatch& d) {
      for (const plan::GridFactor& f : d.grid) used = used || (!f.size.is_constant() && f.divide != 1);
    });
  if (used) line("std::int64_t ceil_div(std::int64_t a, std::int64_t b) {{ return (a + b - 1) / b; }}\n");
}

std::size_t HostModel::symbol(std::string_view name) const {
  const auto found = std::find(symbols_.begin(), symbols_.end(), name);
  if (found == symbols_.end()) fail(ErrorCode::internal, "[emit] no symbol '{}' in the plan", name);
  return static_cast<std::size_t>(found - symbols_.begin());
}

// --- the description ---

std::string HostModel::dim(const Dim& d) const {
  std::vector<std::string> terms;
  for (const Dim::Term& t : d.terms()) terms.push_back(fmt::format("{{{}, {}}}", symbol(t.symbol), t.factor));
  return terms.empty() ? fmt::format("{{{}}}", d.constant()) : fmt::format("{{{}, {}}}", d.constant(), joined(terms));
}

std::string HostModel::tensor(Role role, const std::string& key) const {
  const plan::Buffer& b = buffers_[buffers_.number(role, key)];
  std::vector<std::string> extents;
  for (const Dim& d : b.shape) extents.push_back(dim(d));
  return fmt::format("{{{}, {}, {}}}", quoted(key), quoted(name(b.dtype)), joined(extents));
}

std::string HostModel::entry(const plan::EntryPoint& e) const {
  std::vector<std::string> ranges;
  for (const plan::Symbol& s : e.symbols) ranges.push_back(fmt::format("{{{}, {}}}", s.min, s.max));
  return fmt::format("{{{}, {}}}", quoted(e.name), joined(ranges));
}

std::string HostModel::family(int number) const {
  const plan::Buffer& b = buffers_[number];
  std::vector<std::string> ranges, extents, dtypes;
  std::string dtype_of;
  plan::check_members(b, source_.model);
  const std::vector<std::string> all = plan::member_keys(b);
  const TensorInfo first = source_.model.tensor(all.front());
  for (const std::string& key : all) {
    const std::string dtype = quoted(name(source_.model.tensor(key).dtype));
    const auto known = std::find(dtypes.begin(), dtypes.end(), dtype);
    dtype_of += static_cast<char>('a' + (known - dtypes.begin()));
    if (known == dtypes.end()) dtypes.push_back(dtype);
  }
  for (const auto& [from, to] : b.ranges) ranges.push_back(fmt::format("{{{}, {}}}", from, to));
  for (const std::int64_t extent : first.shape) extents.push_back(fmt::format("{}", extent));
  const auto& looked_up = source_.facts.looked_up;
  const bool looked = std::find(looked_up.begin(), looked_up.end(), b.key) != looked_up.end();
  const bool panels = b.layout == kernels::Layout::panel16;
  return fmt::format("{{{}, {}, {}, {}, {}, {}{}}}", quoted(b.key), joined(ranges), joined(extents), first.transposed,
                     joined(dtypes), dtypes.size() > 1 ? quoted(dtype_of) : "{}",
                     plan_.budget.bytes != 0   ? fmt::format(", {}, {}, Fetch::{}", looked, panels, fetch(number))
                     : buffers_.on_use(number) ? fmt::format(", {}, true, Fetch::on_use", looked)
                     : panels                  ? fmt::format(", {}, true", looked)
                     : looked                  ? ", true"
                                               : "");
}

std::string_view HostModel::fetch(int weight) const {
  if (buffers_[weight].resident) return "resident";
  bool looked_up = false;
  for (const plan::EntryPoint& e : plan_.entries)
    plan::each_dispatch(e.steps, [&](const plan::Dispatch& d) {
      const int table = d.streaming.lookup.table;
      looked_up = looked_up || (table >= 0 && d.operands[static_cast<std::size_t>(table)].buffer == weight);
    });
  return looked_up ? "looked_up" : "streamed";
}

void HostModel::field(std::string_view field, const std::vector<std::string>& items) {
  text_ += wrapped_list(fmt::format("      .{} = {{", field), items, "},\n", 10);
}

void HostModel::rows(std::string_view field, const std::vector<std::string>& items) {
  if (items.empty()) return line("      .{} = {{}},", field);
  line("      .{} =\n          {{", field);
  for (const std::string& item : items) line("              {},", item);
  line("          }},");
}

void HostModel::description() {
  std::vector<std::string> features, symbols, state_symbols, entries, inputs, outputs, indices, families;
  for (const std::string& f : source_.features) features.push_back(quoted(f));
  for (const std::string& s : symbols_) symbols.push_back(quoted(s));
  for (std::size_t s = 0; s < symbols_.size(); ++s)
    if (sizes_a_state(symbols_[s])) state_symbols.push_back(fmt::format("{}", s));
  for (const plan::EntryPoint& e : plan_.entries) entries.push_back(entry(e));
  for (const std::string& i : plan_.inputs) inputs.push_back(tensor(Role::input, i));
  for (const std::string& o : plan_.outputs) outputs.push_back(tensor(Role::output, o));
  for (const plan::IndexBound& bound : source_.facts.index_bounds) {
    const auto at = std::find(plan_.inputs.begin(), plan_.inputs.end(), bound.input);
    if (at == plan_.inputs.end()) continue;
    indices.push_back(fmt::format("{{{}, {}, {}}}", at - plan_.inputs.begin(), dim(bound.below), quoted(bound.what)));
  }
  for (const int w : of_role(Role::weight)) families.push_back(family(w));
  std::int64_t arena = 0;
  for (const plan::EntryPoint& e : plan_.entries) arena = std::max(arena, e.arena_bytes);
  line("const Description& description() {{\n  static const Description all = {{");
  line("      .device = {},", quoted(source_.device.name));
  field("features", features);
  line("      .metadata_checksum = {:#018x},", source_.contents.metadata);
  line("      .weights_checksum = {:#018x},", source_.contents.weights);
  field("symbols", symbols);
  field("state_symbols", state_symbols);
  rows("entries", entries);
  rows("inputs", inputs);
  rows("outputs", outputs);
  rows("index_inputs", indices);
  line(
      "      // Key, range of each {{}}, logical shape, stored transposed?, dtypes, dtype of each member, looked up?, "
      "in panels?{}",
      plan_.budget.bytes != 0 || buffers_.passing_bytes() != 0 ? ", how it is read" : "");
  rows("families", families);
  line("      .arena_bytes = {},", arena);
  std::int64_t stack = 0;
  if (source_.device.api == Api::cpu)
    for (const plan::Kernel& k : plan_.kernels) stack = std::max(stack, kir::shared_bytes(k.code));
  if (stack != 0) line("      .stack_bytes = {},", stack);
  if (buffers_.passing_bytes() != 0) line("      .passing_bytes = {},", buffers_.passing_bytes());
  const plan::Caches& caches = source_.facts.caches;
  const auto least = [&](const std::vector<Dim>& dims) {
    std::int64_t least = dims.empty() ? 0 : INT64_MAX;
    for (const Dim& d : dims) least = std::min(least, most(d));
    return least;
  };
  line("      .cache = {{{}, {}, {}, {}}},", quoted(caches.context_symbol), quoted(caches.slots_symbol),
       least(caches.contexts), least(caches.slots));
  if (plan_.budget.bytes != 0) {
    line("      .stream = {{{}, {}}},", plan_.budget.buffer_bytes, plan_.budget.buffers);
    line("      .maps = false,");
  }
  line("  }};\n  return all;\n}}\n");
}

bool HostModel::sizes_a_state(const std::string& symbol) const {
  for (const int b : of_role(Role::state))
    for (const Dim& d : buffers_[b].shape)
      for (const Dim::Term& t : d.terms())
        if (t.symbol == symbol) return true;
  return false;
}

std::int64_t HostModel::most(const Dim& dim) const {
  return *dim.value([&](std::string_view name) -> std::optional<std::int64_t> {
    std::int64_t most = 0;
    for (const plan::EntryPoint& e : plan_.entries)
      for (const plan::Symbol& s : e.symbols)
        if (s.name == name) most = std::max(most, s.max);
    return most;
  });
}

}  // namespace openinfer::emit
