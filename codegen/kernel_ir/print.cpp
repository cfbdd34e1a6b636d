// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace openinfer::kir {
namespace {

constexpr std::array<std::string_view, 3> kRates = {"group", "subgroup", "lane"};
constexpr std::array<std::string_view, 3> kAccess = {"read", "write", "read_write"};
constexpr std::array<std::string_view, 4> kDeals = {"", " lanes", " subgroups", " group"};
constexpr std::array<std::string_view, 4> kDots = {"none", "ss", "us", "us_sat16"};

template <class E>
std::size_t place(E e) {
  return static_cast<std::size_t>(e);
}

class Printer {
 public:
  explicit Printer(const Kernel& k) : k_(k) {}

  std::string run() {
    line("kernel {} lanes {} subgroups {} dot4 {}{}", k_.name, k_.target.lanes, k_.target.subgroups,
         kDots[place(k_.target.dot4)], shape());
    for (const std::string& from : k_.provenance) line("from {}", from);
    for (const Record& r : k_.records) record(r);
    for (const Buffer& b : k_.buffers) buffer(b);
    for (const std::string& p : k_.params) line("param {}", p);
    for (std::size_t i = 0; i < k_.variables.size(); ++i) {
      const Variable& v = k_.variables[i];
      line("var ${} {} {} {}{}", i, v.name, info(v.type.kind).name, kRates[place(v.type.rate)],
           v.tile ? fmt::format(" [{}]", v.count) : "");
    }
    for (const Function& f : k_.functions) function(f);
    region(k_.body);
    return std::move(text_);
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    text_.append(static_cast<std::size_t>(depth_) * 2, ' ');
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }

  /// Of the fragments, if the kernel has any.
  std::string shape() const {
    const bool used = std::any_of(k_.nodes.begin(), k_.nodes.end(), [](const Node& n) { return n.op == Op::mma; });
    if (!used || !k_.target.mma) return {};
    return fmt::format(" mma {}x{}x{}", k_.target.mma->m, k_.target.mma->n, k_.target.mma->k);
  }
  void record(const Record& r) {
    std::string fields;
    for (const Record::Field& f : r.fields) fields += fmt::format(" {} {}[{}]", f.name, info(f.kind).name, f.count);
    line("record {}{}", r.name, fields);
  }
  void buffer(const Buffer& b) {
    const std::string_view element =
        b.record >= 0 ? std::string_view(k_.records[static_cast<std::size_t>(b.record)].name) : info(b.kind).name;
    if (b.space == Space::shared) return line("shared {} {}[{}]", b.name, element, b.count);
    line("buffer {} {} {}{}{}", b.name, element, kAccess[place(b.access)], b.comment.empty() ? "" : " ", b.comment);
  }
  void function(const Function& f) {
    std::string parameters;
    for (std::size_t i = 0; i < f.parameters.size(); ++i)
      parameters += fmt::format(" {} {}", f.parameter_names[i], info(f.parameters[i]).name);
    line("function {}{} -> {}", f.name, parameters, info(f.result_kind).name);
    ++depth_;
    for (const Id id : f.body) node(id);
    line("result %{}", f.result);
    --depth_;
  }
  void region(const std::vector<Id>& nodes) {
    ++depth_;
    for (const Id id : nodes) node(id);
    --depth_;
  }

  std::string operand_list(const Node& n) const {
    std::string list;
    for (const Id id : n.args) list += fmt::format(" %{}", id);
    return list;
  }
  /// What the operation is about besides its operands.
  std::string subject(const Node& n) const {
    const auto ref = static_cast<std::size_t>(n.ref);
    if (n.op == Op::constant)
      return is_float(n.type.kind) ? fmt::format(" {}", n.number) : fmt::format(" {}", n.integer);
    if (n.op == Op::param) return " " + k_.params[ref];
    if (n.op == Op::argument) return fmt::format(" {}", n.ref);
    if (n.op == Op::call) return " " + k_.functions[ref].name;
    if (n.op == Op::read || n.op == Op::write || n.op == Op::turn || n.op == Op::declare)
      return fmt::format(" ${}", n.ref);
    const bool fragment = n.op == Op::mma_load || n.op == Op::mma_store;
    if (n.op != Op::load && n.op != Op::store && n.op != Op::prefetch && !fragment) return {};
    const Buffer& b = k_.buffers[ref];
    std::string text = " " + b.name;
    if (n.field >= 0)
      text += "." + k_.records[static_cast<std::size_t>(b.record)].fields[static_cast<std::size_t>(n.field)].name;
    return n.op == Op::prefetch ? text + fmt::format(" ahead {}", n.integer) : text;
  }

  void node(Id id) {
    const Node& n = k_[id];
    if (n.op == Op::comment) return line("# {}", n.name);
    if (n.op == Op::if_) return branch(n);
    if (n.op == Op::loop) return loop(n);
    const std::string what = fmt::format("{}{}{}", info(n.op).name, subject(n), operand_list(n));
    if (!info(n.op).value) return line("{}", what);
    line("%{}{}{} = {}  : {} {}", id, n.name.empty() ? "" : " ", n.name, what, info(n.type.kind).name,
         kRates[place(n.type.rate)]);
  }
  void loop(const Node& n) {
    line("loop{} %{} {} from %{} to %{} step {} share {} unroll {}", kDeals[place(n.deal)], n.index, n.name, n.args[0],
         n.args[1], n.integer, n.share, n.unroll);
    region(n.body);
  }
  void branch(const Node& n) {
    line("if %{}", n.args[0]);
    region(n.body);
    if (n.other.empty()) return;
    line("else");
    region(n.other);
  }

  const Kernel& k_;
  std::string text_;
  int depth_ = 0;
};

}  // namespace

std::string to_text(const Kernel& kernel) { return Printer(kernel).run(); }

}  // namespace openinfer::kir
