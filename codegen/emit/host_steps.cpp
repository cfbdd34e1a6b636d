// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/host_steps.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "codegen/plan/print.h"
#include "codegen/plan/tail.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using plan::Role;
using plan::Size;

/// A C++ expression for the place that a member of a family has in its array: "l", "(l - 2) * 8 + 3".
std::string member_index(const plan::Buffer& family, const std::vector<Dim>& member,
                         const std::function<std::string(std::string_view)>& name) {
  std::string index;
  for (std::size_t i = 0; i < member.size(); ++i) {
    const auto [from, to] = family.ranges[i];
    const Dim place = member[i].plus(Dim(-from));
    std::string now = plan::text(place, name);
    if (index.empty()) {
      index = now;
      continue;
    }
    if (index.find(' ') != index.npos) index = "(" + index + ")";
    index = fmt::format("{} * {} + {}", index, to - from, now);
  }
  return index;
}

}  // namespace

HostSteps::HostSteps(const HostBuffers& buffers, int entry)
    : buffers_(buffers), entry_(buffers.plan().entries[static_cast<std::size_t>(entry)]), number_(entry) {
  for (const plan::Symbol& s : entry_.symbols) symbols_[s.name] = names_.take(s.name);
  for (std::size_t b = 0; b < buffers.plan().buffers.size(); ++b) {
    const plan::Buffer& buffer = buffers.plan().buffers[b];
    const bool local = buffer.role == Role::input || buffer.role == Role::output ||
                       (buffer.role == Role::scratch && buffer.entry == entry && buffer.offset >= 0);
    if (local) locals_[static_cast<int>(b)] = names_.take(buffer.name);
  }
}

std::string HostSteps::run() {
  depth_ = 2;
  steps(entry_.steps);
  const std::string body = std::exchange(text_, {});
  depth_ = 1;
  line("// " + bounds());
  signature();
  depth_ = 2;
  sizes();
  for (const auto& [b, name] : locals_)
    if (used_.contains(b)) declare(b, name);
  return text_ + "\n" + body + "  }\n";
}

void HostSteps::list(const std::string& start, const std::vector<std::string>& items, const std::string& end,
                     std::size_t behind) {
  const std::string indent(static_cast<std::size_t>(depth_) * 2, ' ');
  text_ += wrapped_list(indent + start, items, end, indent.size() + behind) + "\n";
}

std::string HostSteps::bounds() const {
  std::vector<std::string> all;
  for (const plan::Symbol& s : entry_.symbols)
    all.push_back(s.min == s.max ? fmt::format("{} = {}", s.name, s.min)
                                 : fmt::format("{} in [{}, {}]", s.name, s.min, s.max));
  return all.empty() ? entry_.name : fmt::format("{}: {}", entry_.name, fmt::join(all, ", "));
}

/// Symbols that the body names.
void HostSteps::sizes() {
  std::vector<std::string> all;
  for (std::size_t s = 0; s < entry_.symbols.size(); ++s)
    if (const auto& name = symbols_.at(entry_.symbols[s].name); used_symbols_.contains(name))
      all.push_back(fmt::format("{} = sizes[{}]", name, s));
  if (!all.empty()) line(wrapped_list("const std::int64_t ", all, ";", 8));
}

std::string HostSteps::symbol(std::string_view wanted) {
  const auto known = symbols_.find(wanted);
  if (known == symbols_.end()) fail(ErrorCode::internal, "[emit] no symbol '{}' here", wanted);
  used_symbols_.insert(known->second);
  return known->second;
}

std::string HostSteps::expression(const Size& size) {
  return size.text([&](std::string_view s) { return symbol(s); });
}

std::string HostSteps::member(const plan::Operand& o) {
  if (o.member.empty()) return "0";
  return member_index(buffers_[o.buffer], o.member, [&](std::string_view s) { return symbol(s); });
}

std::string HostSteps::place(const plan::Operand& o) {
  const plan::Buffer& b = buffers_[o.buffer];
  used_.insert(o.buffer);
  std::string base = buffers_.name(o.buffer);
  switch (b.role) {
    case Role::weight:
      base = "weights." + base;
      if (!o.member.empty()) base += fmt::format("[{}]", member(o));
      break;
    case Role::constant: base = constant(base); break;
    case Role::state: base = "state." + base; break;
    case Role::input:
    case Role::output:
    case Role::scratch: base = locals_.at(o.buffer); break;
  }
  if (o.offset == Size(0)) return base;
  if (buffers_.type(o.buffer) == "void")
    fail(ErrorCode::internal, "[emit] an offset into {}, whose members differ in dtype", b.name);
  return fmt::format("{} + {}", base, expression(o.offset));
}

std::string HostSteps::groups(const plan::Dispatch& d) {
  std::int64_t known = 1;
  std::string product;
  for (const plan::GridFactor& f : d.grid) {
    if (f.size.is_constant()) {
      known *= (f.size.constant() + f.divide - 1) / f.divide;
      continue;
    }
    std::string factor = expression(f.size);
    if (f.divide != 1)
      factor = fmt::format("ceil_div({}, {})", factor, f.divide);
    else if (factor.find(' ') != factor.npos && d.grid.size() > 1)
      factor = "(" + factor + ")";
    product += (product.empty() ? "" : " * ") + factor;
  }
  if (product.empty()) return fmt::format("{}", known);
  return known == 1 ? product : fmt::format("{} * {}", product, known);
}

/// Words between the margin and column 120.
void HostSteps::comment(std::string_view text) {
  const std::size_t most = 120 - static_cast<std::size_t>(depth_) * 2 - 3;
  std::string start = "// ";
  while (text.size() > most) {
    const std::size_t space = text.rfind(' ', most);
    if (space == text.npos || space == 0) break;
    line(start + std::string(text.substr(0, space)));
    text.remove_prefix(space + 1);
    start = "//   ";
  }
  line(start + std::string(text));
}

void HostSteps::origin(const plan::Origin& o) {
  std::vector<std::string> lines;
  for (const Location& at : o.lines) lines.push_back(at.to_string());
  std::string text = fmt::format("{}", fmt::join(o.nodes, "; "));
  if (!lines.empty()) text += fmt::format("  at {}", fmt::join(lines, ", "));
  if (!text.empty()) comment(text);
  comment(fmt::format("{}: {}", plan::work_text(o), o.reason));
}

void HostSteps::steps(const std::vector<plan::Step>& list) {
  for (const plan::Step& s : list) {
    if (std::holds_alternative<plan::Branch>(s)) ++dispatch_;  // its predicate is looked at before what is inside
    std::visit([&](const auto& step) { print(step); }, s);
    if (std::holds_alternative<plan::Dispatch>(s)) taps();
    if (std::holds_alternative<plan::Dispatch>(s) || std::holds_alternative<plan::Copy>(s)) ++dispatch_;
  }
}

void HostSteps::taps() {
  const std::vector<plan::Tap>& all = buffers_.plan().taps;
  for (std::size_t t = 0; t < all.size(); ++t)
    if (all[t].entry == number_ && all[t].dispatch == dispatch_) tap(t, all[t].result);
}

void HostSteps::indented(const std::vector<plan::Step>& list) {
  ++depth_;
  steps(list);
  --depth_;
}

void HostSteps::print(const plan::Dispatch& d) {
  origin(d.origin);
  const auto kernel = [&](int k) -> const kir::Kernel& {
    return buffers_.plan().kernels[static_cast<std::size_t>(k)].code;
  };
  const bool one = std::all_of(d.kernels.begin(), d.kernels.end(), [&](int k) { return k == d.kernels.front(); });
  if (one) return call(d, kernel(d.kernels.front()));
  if (d.variant.empty()) fail(ErrorCode::internal, "[emit] several kernels and nothing that chooses");
  line(fmt::format("switch (\"{}\"[{}]) {{  // by the dtypes of this turn's weights", plan::variant_letters(d.variant),
                   turn()));
  ++depth_;
  for (std::size_t v = 0; v < d.kernels.size(); ++v) {
    line(fmt::format("case '{}':", static_cast<char>('a' + v)));
    ++depth_;
    call(d, kernel(d.kernels[v]));
    line("break;");
    --depth_;
  }
  --depth_;
  line("}");
}

/// How many turns of the loops around are over, as Dispatch::variant counts: "l", "(l - 2) * 8 + m".
std::string HostSteps::turn() const {
  std::string turn;
  for (const LoopAround& loop : loops_) {
    const std::string now = loop.from == 0 ? loop.index : fmt::format("{} - {}", loop.index, loop.from);
    if (turn.find(' ') != turn.npos) turn = "(" + turn + ")";
    turn = turn.empty() ? now : fmt::format("{} * {} + {}", turn, loop.to - loop.from, now);
  }
  return turn;
}

void HostSteps::print(const plan::Swap& s) {
  used_.insert(s.a);
  used_.insert(s.b);
  line(fmt::format("std::swap({}, {});", locals_.at(s.a), locals_.at(s.b)));
}

void HostSteps::print(const plan::Loop& l) {
  const std::string index = symbols_[l.index] = names_.take(l.index);
  line(fmt::format("for (std::int64_t {0} = {1}; {0} < {2}; ++{0}) {{", index, l.from, l.to));
  loops_.push_back({index, l.from, l.to});
  indented(l.body);
  loops_.pop_back();
  line("}");
}

std::string entry_function(const plan::EntryPoint& entry) { return "entry_" + plan::identifier(entry.name); }

std::string comment_of(const plan::Buffer& buffer) {
  std::vector<std::string> extents;
  for (const Dim& d : buffer.shape) extents.push_back(d.to_string());
  const std::string shape = fmt::format("({}{})", fmt::join(extents, ", "), extents.size() == 1 ? "," : "");
  if (buffer.layout == kernels::Layout::panel16) return shape + " in panels";
  if (buffer.role == plan::Role::weight)
    return shape + (is_block(buffer.dtype) ? " in blocks" : info(buffer.dtype).block_size != 1 ? " packed" : "");
  return shape;
}

}  // namespace openinfer::emit
