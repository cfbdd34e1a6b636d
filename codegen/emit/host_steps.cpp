// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/host_steps.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "codegen/plan/tail.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using plan::Role;
using plan::Size;

class EntryCpp {
 public:
  EntryCpp(const HostBuffers& buffers, int entry)
      : buffers_(buffers), entry_(buffers.plan().entries[static_cast<std::size_t>(entry)]) {
    for (const plan::Symbol& s : entry_.symbols) symbols_[s.name] = names_.take(s.name);
    for (std::size_t b = 0; b < buffers.plan().buffers.size(); ++b) {
      const plan::Buffer& buffer = buffers.plan().buffers[b];
      const bool local = buffer.role == Role::input || buffer.role == Role::output ||
                         (buffer.role == Role::scratch && buffer.entry == entry && buffer.offset >= 0);
      if (local) locals_[static_cast<int>(b)] = names_.take(buffer.name);
    }
  }

  std::string run() {
    depth_ = 2;
    steps(entry_.steps);
    const std::string body = std::exchange(text_, {});
    depth_ = 1;
    line("// " + bounds());
    line(signature());
    depth_ = 2;
    sizes();
    arena();
    return text_ + body + "  }\n";
  }

 private:
  void line(const std::string& text) { text_ += std::string(static_cast<std::size_t>(depth_) * 2, ' ') + text + "\n"; }

  std::string bounds() const {
    std::vector<std::string> all;
    for (const plan::Symbol& s : entry_.symbols)
      all.push_back(s.min == s.max ? fmt::format("{} = {}", s.name, s.min)
                                   : fmt::format("{} in [{}, {}]", s.name, s.min, s.max));
    return all.empty() ? entry_.name : fmt::format("{}: {}", entry_.name, fmt::join(all, ", "));
  }

  std::string signature() const {
    std::vector<std::string> parameters;
    const auto add = [&](Role role, const std::vector<std::string>& names) {
      for (const std::string& name : names)
        for (const auto& [b, local] : locals_)
          if (buffers_[b].role == role && buffers_[b].key == name)
            parameters.push_back(fmt::format("{}{}* {}", role == Role::input ? "const " : "", buffers_.type(b),
                                             used_.contains(b) ? local : fmt::format("/*{}*/", local)));
    };
    add(Role::input, buffers_.plan().inputs);
    add(Role::output, buffers_.plan().outputs);
    const std::string start = fmt::format("void {}(", entry_function(entry_));
    return wrapped_list(start, parameters, ") {", start.size() + 2);
  }

  /// Symbols and the places of scratch buffers that the body names.
  void sizes() {
    std::vector<std::string> all;
    for (std::size_t s = 0; s < entry_.symbols.size(); ++s)
      if (const auto& name = symbols_.at(entry_.symbols[s].name); used_symbols_.contains(name))
        all.push_back(fmt::format("{} = sizes[{}]", name, s));
    if (!all.empty()) line(wrapped_list("const std::int64_t ", all, ";", 8));
  }
  void arena() {
    for (const auto& [b, name] : locals_) {
      if (buffers_[b].role != Role::scratch || !used_.contains(b)) continue;
      line(fmt::format("{0}* {1} = scratch<{0}>({2});  // {3}", buffers_.type(b), name, buffers_[b].offset,
                       comment_of(buffers_[b])));
    }
    if (!text_.empty() && text_.back() == '\n') text_ += "\n";
  }

  std::string symbol(std::string_view wanted) {
    const auto known = symbols_.find(wanted);
    if (known == symbols_.end()) fail(ErrorCode::internal, "[emit] no symbol '{}' here", wanted);
    used_symbols_.insert(known->second);
    return known->second;
  }
  std::string expression(const Size& size) {
    return size.text([&](std::string_view s) { return symbol(s); });
  }

  /// A pointer: "weights.Wq[l]", "state.kv_keys + l * 196608".
  std::string pointer(const plan::Operand& o) {
    const plan::Buffer& b = buffers_[o.buffer];
    used_.insert(o.buffer);
    std::string base = buffers_.name(o.buffer);
    switch (b.role) {
      case Role::weight:
        base = "weights." + base;
        if (!o.member.empty())
          base += fmt::format("[{}]", member_index(b, o.member, [&](std::string_view s) { return symbol(s); }));
        break;
      case Role::constant: base = "constants::" + base; break;
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
  std::string argument(const plan::Operand& o, const std::string& type) {
    const std::string text = pointer(o), have = buffers_.type(o.buffer);
    if (have == type) return text;
    const bool read_only = buffers_[o.buffer].role != Role::scratch && buffers_[o.buffer].role != Role::state &&
                           buffers_[o.buffer].role != Role::output;
    return fmt::format("{}<{}{}*>({})", have == "void" ? "static_cast" : "reinterpret_cast", read_only ? "const " : "",
                       type, text);
  }

  std::string groups(const plan::Dispatch& d) {
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

  void origin(const plan::Origin& o) {
    std::vector<std::string> lines;
    for (const Location& at : o.lines) lines.push_back(at.to_string());
    std::string text = fmt::format("// {}", fmt::join(o.nodes, "; "));
    if (!lines.empty()) text += fmt::format("  at {}", fmt::join(lines, ", "));
    line(text);
  }

  void call(const plan::Dispatch& d, int kernel) {
    const kir::Kernel& code = buffers_.plan().kernels[static_cast<std::size_t>(kernel)].code;
    std::vector<std::string> arguments;
    std::size_t i = 0;
    for (const kir::Buffer& b : code.buffers)
      if (b.space == kir::Space::global)
        arguments.push_back(argument(d.operands[i++], host_type(element_type(code, b))));
    for (const Size& p : d.params) arguments.push_back(expression(p));
    arguments.push_back("group");
    const std::string head = fmt::format("pool.run({}, [&](int group) {{", groups(d));
    const std::string inside = fmt::format("kernel::{}({});", code.name, fmt::join(arguments, ", "));
    if (static_cast<std::size_t>(depth_) * 2 + head.size() + inside.size() + 6 <= 120)
      return line(fmt::format("{} {} }});", head, inside));
    line(head);
    ++depth_;
    const std::string start = fmt::format("kernel::{}(", code.name);
    const auto indent = static_cast<std::size_t>(depth_) * 2;
    const std::size_t behind = start.size() > 60 ? indent + 4 : indent + start.size();
    text_ += wrapped_list(std::string(indent, ' ') + start, arguments, ");", behind) + "\n";
    --depth_;
    line("});");
  }

  void steps(const std::vector<plan::Step>& list) {
    for (const plan::Step& s : list) std::visit([&](const auto& step) { print(step); }, s);
  }
  void print(const plan::Dispatch& d) {
    origin(d.origin);
    const bool one = std::all_of(d.kernels.begin(), d.kernels.end(), [&](int k) { return k == d.kernels.front(); });
    if (one) return call(d, d.kernels.front());
    if (d.variant.empty()) fail(ErrorCode::internal, "[emit] several kernels and nothing that chooses");
    line(fmt::format("switch (\"{}\"[{}]) {{  // by the dtypes of this turn's weights", letters(d.variant), turn()));
    ++depth_;
    for (std::size_t v = 0; v < d.kernels.size(); ++v) {
      line(fmt::format("case '{}':", static_cast<char>('a' + v)));
      ++depth_;
      call(d, d.kernels[v]);
      line("break;");
      --depth_;
    }
    --depth_;
    line("}");
  }
  static std::string letters(const std::vector<std::uint8_t>& variant) {
    std::string text;
    for (const std::uint8_t v : variant) text += static_cast<char>('a' + v);
    return text;
  }
  /// How many turns of the innermost loop are over.
  std::string turn() const {
    const auto& [index, from] = loops_.back();
    return from == 0 ? index : fmt::format("{} - {}", index, from);
  }
  void print(const plan::Copy& c) {
    line(fmt::format("// {}", c.origin.reason));
    const std::string from = pointer(c.from), to = pointer(c.to);
    line(fmt::format("std::copy_n({}, {}, {});", from, expression(c.elements), to));
  }
  void print(const plan::Swap& s) {
    used_.insert(s.a);
    used_.insert(s.b);
    line(fmt::format("std::swap({}, {});", locals_.at(s.a), locals_.at(s.b)));
  }
  void print(const plan::Loop& l) {
    const std::string index = symbols_[l.index] = names_.take(l.index);
    line(fmt::format("for (std::int64_t {0} = {1}; {0} < {2}; ++{0}) {{", index, l.from, l.to));
    loops_.emplace_back(index, l.from);
    ++depth_;
    steps(l.body);
    --depth_;
    loops_.pop_back();
    line("}");
  }
  void print(const plan::Branch& b) {
    const std::string predicate = pointer(b.predicate);
    const bool plain = b.predicate.offset == Size(0);
    line(fmt::format("if ({}->byte != 0) {{", plain ? predicate : "(" + predicate + ")"));
    ++depth_;
    steps(b.then);
    --depth_;
    line("} else {");
    ++depth_;
    steps(b.otherwise);
    --depth_;
    line("}");
  }

  const HostBuffers& buffers_;
  const plan::EntryPoint& entry_;
  HostNames names_;
  std::map<std::string, std::string, std::less<>> symbols_;  // sizes and loop indices
  std::map<int, std::string> locals_;
  std::set<int> used_;
  std::set<std::string> used_symbols_;
  std::vector<std::pair<std::string, std::int64_t>> loops_;
  std::string text_;
  int depth_ = 0;
};

}  // namespace

std::string entry_function(const plan::EntryPoint& entry) { return "entry_" + plan::identifier(entry.name); }

std::string entry_cpp(const HostBuffers& buffers, int entry) { return EntryCpp(buffers, entry).run(); }

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

std::string comment_of(const plan::Buffer& buffer) {
  std::vector<std::string> extents;
  for (const Dim& d : buffer.shape) extents.push_back(d.to_string());
  const std::string shape = fmt::format("({}{})", fmt::join(extents, ", "), extents.size() == 1 ? "," : "");
  if (buffer.role == plan::Role::weight) return shape + (is_block(buffer.dtype) ? " in blocks" : "");
  return shape;
}

}  // namespace openinfer::emit
