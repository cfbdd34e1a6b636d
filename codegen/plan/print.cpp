// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "codegen/plan/budget.h"
#include "codegen/plan/layout.h"

namespace openinfer::plan {
namespace {

constexpr std::array<std::string_view, 6> kRoles = {"weight", "constant", "input", "output", "state", "scratch"};

std::string bytes_text(double bytes) {
  if (bytes >= 1 << 30) return fmt::format("{:.2f} GiB", bytes / (1 << 30));
  if (bytes >= 1 << 20) return fmt::format("{:.2f} MiB", bytes / (1 << 20));
  if (bytes >= 1 << 10) return fmt::format("{:.1f} KiB", bytes / (1 << 10));
  return fmt::format("{:.0f} B", bytes);
}

std::string flops_text(double flops) {
  if (flops >= 1e9) return fmt::format("{:.3g} GFLOP", flops / 1e9);
  if (flops >= 1e6) return fmt::format("{:.3g} MFLOP", flops / 1e6);
  if (flops >= 1e3) return fmt::format("{:.3g} kFLOP", flops / 1e3);
  return fmt::format("{:.0f} FLOP", flops);
}

class Printer {
 public:
  explicit Printer(const Plan& plan) : plan_(plan) {}

  std::string run() {
    line("plan {}", plan_.name);
    for (const auto& notes : {plan_.notes, plan_.remarks})
      for (const std::string& note : notes) line("note: {}", note);
    budget();
    line("");
    buffers(-1);
    for (std::size_t e = 0; e < plan_.entries.size(); ++e) entry(e);
    taps();
    line("");
    line("kernels");
    for (const Kernel& k : plan_.kernels)
      line("  {}: {} lanes, {} subgroups{}", k.code.name, k.code.target.lanes, k.code.target.subgroups,
           addresses(k.code));
    return std::move(text_);
  }

 private:
  static std::string addresses(const kir::Kernel& code) {
    std::string text;
    for (const kir::Buffer& b : code.buffers)
      if (b.by_address) text += fmt::format(", {} by its address", b.name);
    return text;
  }
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    std::string now(static_cast<std::size_t>(depth_) * 2, ' ');
    fmt::format_to(std::back_inserter(now), format, std::forward<Args>(args)...);
    while (!now.empty() && now.back() == ' ') now.pop_back();
    text_ += now + '\n';
  }

  void budget() {
    const MemoryBudget& b = plan_.budget;
    if (b.bytes == 0) return;
    line(
        "memory budget {} B, of which {} B are taken: states {}, values {}, resident weights {}, rows looked up {}, {} "
        "buffers of {} for weights that are streamed",
        b.bytes, b.total(), b.states, b.values, b.resident, b.looked_up, b.buffers, b.buffer_bytes);
  }
  void buffers(int entry) {
    for (const Buffer& b : plan_.buffers) {
      if ((b.role == Role::scratch) != (entry >= 0) || (entry >= 0 && b.entry != entry)) continue;
      const std::string type = fmt::format("{}{}", name(b.dtype), openinfer::to_string(b.shape));
      if (b.role == Role::scratch)
        line("{:<20} {:<28} {:>11}  at {:>9}  alive {}-{}", b.name, type, bytes_text(static_cast<double>(b.max_bytes)),
             b.offset, b.first, b.last);
      else
        line("{:<9} {:<20} {:<28} {}{}", kRoles[static_cast<std::size_t>(b.role)], b.name, type, b.key,
             layout(b) + (b.resident ? "  resident" : ""));
    }
  }
  /// "  panel16: lanes are its rows"; nothing where there was no choice.
  static std::string layout(const Buffer& b) {
    return b.why_layout.empty() ? "" : fmt::format("  {}: {}", name(b.layout), b.why_layout);
  }
  void entry(std::size_t e) {
    const EntryPoint& point = plan_.entries[e];
    line("");
    std::vector<std::string> symbols;
    for (const Symbol& s : point.symbols)
      symbols.push_back(s.min == s.max ? fmt::format("{} = {}", s.name, s.min)
                                       : fmt::format("{} in [{}, {}]", s.name, s.min, s.max));
    line("entry {}: {}", point.name, fmt::join(symbols, ", "));
    line("arena {} for:", bytes_text(static_cast<double>(point.arena_bytes)));
    ++depth_;
    buffers(static_cast<int>(e));
    --depth_;
    line("steps:");
    number_ = 0;
    steps(point.steps);
  }
  void taps() {
    if (plan_.taps.empty()) return;
    line("");
    line("taps");
    for (std::size_t t = 0; t < plan_.taps.size(); ++t) {
      const Tap& tap = plan_.taps[t];
      line("{:>4} {} behind {:>3}: {} in {}, {} elements", t, plan_.entries[static_cast<std::size_t>(tap.entry)].name,
           tap.dispatch, tap.result.value, to_text(plan_, tap.result.place), tap.result.elements.text());
    }
  }
  void steps(const std::vector<Step>& list) {
    ++depth_;
    for (const Step& s : list) std::visit([&](const auto& step) { print(step); }, s);
    --depth_;
  }

  void print(const Dispatch& d) {
    std::vector<std::string> names, grid;
    for (const int k : d.kernels) names.push_back(plan_.kernels[static_cast<std::size_t>(k)].code.name);
    for (const GridFactor& f : d.grid)
      grid.push_back(f.divide == 1 ? f.size.text() : fmt::format("ceil({} / {})", f.size.text(), f.divide));
    line("{:>3} {} x [{}]", number_++, fmt::join(names, "|"), fmt::join(grid, " x "));
    const kir::Kernel& code = plan_.kernels[static_cast<std::size_t>(d.kernels.front())].code;
    std::vector<std::string> bound;
    std::size_t i = 0;
    for (const kir::Buffer& b : code.buffers)
      if (b.space == kir::Space::global)
        bound.push_back(fmt::format("{} = {}", b.name, to_text(plan_, d.operands[i++])));
    for (std::size_t p = 0; p < code.params.size(); ++p)
      bound.push_back(fmt::format("{} = {}", code.params[p], d.params[p].text()));
    line("      {}", fmt::join(bound, ", "));
    if (const std::string text = streaming_text(plan_, d); !text.empty()) line("      {}", text);
    if (!d.variant.empty()) line("      kernel by turn: {}", variant_letters(d.variant));
    origin(d.origin);
  }
  void origin(const Origin& o) {
    for (std::size_t i = 0; i < o.nodes.size(); ++i)
      line("      - {}{}{}", o.nodes[i], o.at[i] ? "  at " : "", o.at[i].to_string());
    line("      work: {} ({:.0f} B, {:.0f} FLOP)", work_text(o), o.bytes, o.flops);
    if (!o.reason.empty()) line("      why: {}", o.reason);
  }
  void print(const Copy& c) {
    line("{:>3} copy {} to {}, {} elements", number_++, to_text(plan_, c.from), to_text(plan_, c.to),
         c.elements.text());
    origin(c.origin);
  }
  void print(const Swap& s) {
    line("    swap {} and {}", plan_.buffers[static_cast<std::size_t>(s.a)].name,
         plan_.buffers[static_cast<std::size_t>(s.b)].name);
  }
  void print(const Loop& l) {
    line("for {} in {}..{}", l.index, l.from, l.to);
    steps(l.body);
  }
  void print(const Branch& b) {
    line("{:>3} if {}", number_++, to_text(plan_, b.predicate));
    steps(b.then);
    line("    else");
    steps(b.otherwise);
  }

  const Plan& plan_;
  std::string text_;
  int depth_ = 0;
  int number_ = 0;
};

}  // namespace

std::string variant_letters(const std::vector<std::uint8_t>& variant) {
  std::string text;
  for (const std::uint8_t v : variant) text += static_cast<char>('a' + v);
  return text;
}

std::string work_text(const Origin& origin) {
  return fmt::format("{}, {}", bytes_text(origin.bytes), flops_text(origin.flops));
}

std::string to_text(const Plan& plan, const Operand& operand) {
  std::string text = plan.buffers[static_cast<std::size_t>(operand.buffer)].name;
  for (const Dim& m : operand.member) text += "[" + m.to_string() + "]";
  if (!(operand.offset == Size(0))) text += " + " + operand.offset.text();
  return text;
}

std::string to_text(const Plan& plan) { return Printer(plan).run(); }

}  // namespace openinfer::plan
