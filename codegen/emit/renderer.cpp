// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/renderer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>

#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using kir::Id;
using kir::Kind;
using kir::Node;
using kir::Op;

struct Operator {
  Op op;
  std::string_view text;
  int precedence;
};
constexpr std::array kOperators = {
    Operator{Op::mul, "*", 2},          Operator{Op::div, "/", 2},    Operator{Op::mod, "%", 2},
    Operator{Op::add, "+", 3},          Operator{Op::sub, "-", 3},    Operator{Op::shift_left, "<<", 4},
    Operator{Op::shift_right, ">>", 4}, Operator{Op::lt, "<", 5},     Operator{Op::le, "<=", 5},
    Operator{Op::eq, "==", 6},          Operator{Op::ne, "!=", 6},    Operator{Op::bit_and, "&", 7},
    Operator{Op::bit_xor, "^", 8},      Operator{Op::bit_or, "|", 9}, Operator{Op::logical_and, "&&", 10},
    Operator{Op::logical_or, "||", 11}};

const Operator* operator_of(Op op) {
  const auto found = std::find_if(kOperators.begin(), kOperators.end(), [&](const Operator& o) { return o.op == op; });
  return found == kOperators.end() ? nullptr : found;
}

/// Shifts, % and operations on bits: operands that are expressions always have parentheses, as readers expect.
bool is_careful(int precedence, std::string_view op) {
  return op == "%" || precedence == 4 || (precedence >= 7 && precedence <= 9);
}

constexpr std::size_t kColumns = 100;

bool is_sign(char c) { return std::string_view("+-*/%&|^<>=!?:").find(c) != std::string_view::npos; }

/// Where to break a line that is too long: behind a comma or an operator, outside of as many parentheses as can be.
std::size_t break_of(std::string_view text, std::size_t limit) {
  std::size_t best = std::string_view::npos;
  int depth = 0, least = 0;
  for (std::size_t i = 1; i < text.size() && i <= limit; ++i) {
    const char before = text[i - 1];
    depth += before == '(' ? 1 : before == ')' ? -1 : 0;
    const std::size_t word = text.rfind(' ', i - 1) + 1;
    if (text[i] != ' ' || (before != ',' && !is_sign(text[word]))) continue;
    if (best != std::string_view::npos && depth > least && best * 2 > limit) continue;
    best = i;
    least = depth;
  }
  return best == std::string_view::npos ? text.size() : best;
}

}  // namespace

void Renderer::line(std::string_view text) {
  std::size_t indent = static_cast<std::size_t>(depth_) * 2;
  const bool whole = text.starts_with('#') || text.find("//") != std::string_view::npos;
  while (!whole && indent + text.size() > kColumns) {
    const std::size_t end = break_of(text, kColumns - indent);
    if (end == text.size()) break;
    out_.append(indent, ' ').append(text.substr(0, end)).append("\n");
    text.remove_prefix(end + 1);
    indent = static_cast<std::size_t>(depth_) * 2 + 4;
  }
  if (!text.empty()) out_.append(indent, ' ');
  out_ += text;
  out_ += '\n';
}

void Renderer::parameter_lines(const std::vector<std::pair<std::string, std::string>>& list) {
  std::size_t widest = 0;
  for (const auto& [text, comment] : list)
    if (!comment.empty()) widest = std::max(widest, text.size() + 1);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string now = list[i].first + (i + 1 < list.size() ? "," : ") {");
    line(list[i].second.empty() ? "    " + now : fmt::format("    {:{}}  // {}", now, widest, list[i].second));
  }
}

std::string Renderer::wrapped(const Text& t, int precedence) const {
  return t.precedence > precedence ? "(" + t.text + ")" : t.text;
}

Text Renderer::binary(std::string_view op, int precedence, const Text& a, const Text& b) const {
  if (op == "+" && b.text == "0") return a;  // the first lane's share of an index
  if (op == "+" && a.text == "0") return b;
  if (op == "*" && (a.text == "0" || b.text == "0")) return {"0"};
  const bool careful = is_careful(precedence, op);
  // a - (b - c) and, since sums of floats are not associative, a + (b + c) keep theirs.
  const auto side = [&](const Text& t, int most) {
    const bool bits = t.precedence == 4 || (t.precedence >= 7 && t.precedence <= 9);
    return wrapped(t, careful || bits ? 1 : most);
  };
  return {fmt::format("{} {} {}", side(a, precedence), op, side(b, precedence - 1)), precedence};
}

Text Renderer::call(std::string_view function, const std::vector<Text>& args) const {
  std::string text = std::string(function) + "(";
  for (std::size_t i = 0; i < args.size(); ++i) text += (i > 0 ? ", " : "") + args[i].text;
  return {text + ")"};
}

kir::Kind Renderer::stored_kind(const Node& access) const {
  const kir::Buffer& b = buffer(access);
  if (access.field < 0) return b.kind;
  return k_.records[static_cast<std::size_t>(b.record)].fields[static_cast<std::size_t>(access.field)].kind;
}

std::string Renderer::place(const Node& n, const std::string* index) {
  const kir::Buffer& b = buffer(n);
  const auto at = [&](std::size_t i, bool last) { return last && index ? Text{*index} : value(n.args[i]); };
  if (n.field < 0) return element(b, at(0, true));
  const auto& field = k_.records[static_cast<std::size_t>(b.record)].fields[static_cast<std::size_t>(n.field)];
  const std::string record = fmt::format("{}.{}", element(b, at(0, false)), field.name);
  return field.count == 1 ? record : fmt::format("{}[{}]", record, at(1, true).text);
}

std::string Renderer::element(const kir::Buffer& b, const Text& index) const {
  return fmt::format("{}[{}]", b.name, index.text);
}

std::string Renderer::variable_place(const Node& n) {
  const kir::Variable& v = k_.variables[static_cast<std::size_t>(n.ref)];
  return v.count > 1 ? fmt::format("{}[{}]", variable(n), text(n.args[0])) : variable(n);
}

Text Renderer::value(Id id) {
  const std::string& name = names_.values[id];
  return name.empty() ? expression(id) : Text{name};
}

Text Renderer::expression(Id id) {
  const Node& n = k_[id];
  if (const Operator* o = operator_of(n.op)) return binary(o->text, o->precedence, value(n.args[0]), value(n.args[1]));
  const auto unary = [&](std::string_view op) {
    const Text operand = value(n.args[0]);
    return Text{std::string(op) + wrapped(operand, operand.text[0] == '-' ? -1 : 0), 1};
  };
  if (n.op == Op::constant) {
    const std::string number = literal(n);
    return {number, number[0] == '-' ? 1 : 0};
  }
  if (n.op == Op::param) return {k_.params[static_cast<std::size_t>(n.ref)]};
  if (n.op == Op::argument) return {function_->parameter_names[static_cast<std::size_t>(n.ref)]};
  if (n.op == Op::group) return group();
  if (n.op == Op::subgroup) return subgroup();
  if (n.op == Op::lane) return lane();
  if (n.op == Op::neg) return unary("-");
  if (n.op == Op::bit_not) return unary("~");
  if (n.op == Op::logical_not) return unary("!");
  if (n.op == Op::select) return select(id);
  if (n.op == Op::convert) return convert(id);
  if (n.op == Op::bitcast)  // an i8x4 is an int everywhere
    return type_name(n.type) == type_name(k_[n.args[0]].type) ? value(n.args[0]) : bitcast(id);
  if (n.op == Op::dot4 || n.op == Op::dot4_us) return dot4(id);
  if (n.op == Op::pair_dots_us || n.op == Op::pair_sum) return pair_sums(id);
  if (n.op == Op::bf16_pair || n.op == Op::bf16_dot) return bf16(id);
  if (n.op == Op::mma_load || n.op == Op::mma) return mma(id);
  if (n.op == Op::load) return load(id);
  if (n.op == Op::read) return {variable_place(n)};
  if (info(n.op).lane_wide) return lane_operation(id);
  return builtin(id);
}

Text Renderer::pair_sums(Id) { needs_vectors(); }
Text Renderer::bf16(Id) {
  openinfer::fail(ErrorCode::unsupported, "[emit] kernel {}: this language has no pairs of bf16", k_.name);
}

Text Renderer::mma(Id) {
  openinfer::fail(ErrorCode::unsupported, "[emit] kernel {}: this language has no fragments of matrices", k_.name);
}

void Renderer::turn(Id) { needs_vectors(); }
void Renderer::needs_vectors() const {
  openinfer::fail(ErrorCode::unsupported, "[emit] kernel {}: this language's lanes are no vectors", k_.name);
}

std::pair<Id, std::string_view> Renderer::accumulation(const Node& write) const {
  const Node& sum = k_[write.args.back()];
  if ((sum.op != Op::add && sum.op != Op::mul) || !names_.values[write.args.back()].empty()) return {kir::kNoId, ""};
  const Node& before = k_[sum.args[0]];
  const bool same = before.op == Op::read && before.ref == write.ref && names_.values[sum.args[0]].empty() &&
                    (before.args.empty() || before.args[0] == write.args[0]);
  if (!same) return {kir::kNoId, ""};
  return {sum.args[1], sum.op == Op::add ? "+=" : "*="};
}

void Renderer::write(Id id) {
  const Node& n = k_[id];
  if (const auto [added, op] = accumulation(n); added != kir::kNoId)
    return line(fmt::format("{} {} {};", variable_place(n), op, text(added)));
  line(fmt::format("{} = {};", variable_place(n), text(n.args.back())));
}

bool Renderer::holds_loop(const std::vector<Id>& nodes) const {
  return std::any_of(nodes.begin(), nodes.end(), [&](Id id) {
    const Node& n = k_[id];
    const bool stays = n.op == Op::loop && n.deal == kir::Deal::none && n.unroll == 1;
    return stays || holds_loop(n.body) || holds_loop(n.other);
  });
}

void Renderer::plain_loop(Id id) {
  const Node& n = k_[id];
  const auto turns = [&] { return static_cast<int>(k_[n.args[1]].integer - k_[n.args[0]].integer); };
  if (n.unroll != 1) unroll(n.unroll == 0 ? turns() : n.unroll, holds_loop(n.body));
  const std::string& i = names_.values[n.index];
  const std::string step = n.integer == 1 ? "++" + i : fmt::format("{} += {}", i, n.integer);
  open(fmt::format("for (int {} = {}; {} < {}; {}) {{", i, text(n.args[0]), i, wrapped(value(n.args[1]), 4), step));
  region(n.body);
  close();
}

void Renderer::statement(Id id) {
  const Node& n = k_[id];
  if (kir::info(n.op).value) {
    if (!names_.values[id].empty()) declare_value(id);
    return;
  }
  if (n.op == Op::declare) return declare_variable(id);
  if (n.op == Op::write) return write(id);
  if (n.op == Op::store) return store(id);
  if (n.op == Op::mma_store) return mma_store(id);
  if (n.op == Op::turn) return turn(id);
  if (n.op == Op::barrier) return barrier();
  if (n.op == Op::prefetch) return prefetch(id);
  if (n.op == Op::comment) return line("// " + n.name);
  if (n.op == Op::loop) return n.deal == kir::Deal::none ? plain_loop(id) : dealt_loop(id);
  open(fmt::format("if ({}) {{", text(n.args[0])));
  region(n.body);
  if (!n.other.empty()) {
    close("} else {");
    ++depth_;
    region(n.other);
  }
  close();
}

void Renderer::region(const std::vector<Id>& nodes) {
  for (const Id id : nodes) statement(id);
}

std::string Renderer::run() {
  records();
  for (const kir::Function& f : k_.functions) {
    function_ = &f;
    function(f);
    function_ = nullptr;
  }
  for (const std::string& from : k_.provenance) line("// " + from);
  open_kernel();
  region(k_.body);
  close_kernel();
  return std::move(out_);
}

std::string i32_text(std::int64_t number) {
  if (number == INT32_MIN) return "(-2147483647 - 1)";
  const bool mask = number > 0xffff && number % 0x01010101 == 0;
  return mask ? fmt::format("{:#010x}", number) : fmt::format("{}", number);
}

std::string i64_text(std::int64_t number, std::string_view suffix) {
  if (number == INT64_MIN) return fmt::format("-9223372036854775807{} - 1{}", suffix, suffix);
  return fmt::format("{}{}", number, suffix);
}

kir::Kernel with_legal_names(const kir::Kernel& kernel, std::span<const std::string_view> reserved) {
  constexpr std::array<std::string_view, 7> kCalled = {"abs", "floor", "fma", "max", "min", "round", "sqrt"};
  kir::Kernel legal = kernel;
  std::set<std::string, std::less<>> taken(reserved.begin(), reserved.end());
  const auto mend = [&](std::string& name) {
    while (taken.contains(name)) name += "_";
  };
  for (kir::Record& r : legal.records)
    for (kir::Record::Field& f : r.fields) mend(f.name);
  for (kir::Function& f : legal.functions)
    for (std::string& p : f.parameter_names) mend(p);
  taken.insert(kCalled.begin(), kCalled.end());
  for (const kir::Function& f : legal.functions) taken.insert(f.name);
  const auto mend_own = [&](std::string& name) {
    mend(name);
    taken.insert(name);
  };
  for (kir::Buffer& b : legal.buffers) mend_own(b.name);
  for (std::string& p : legal.params) mend_own(p);
  return legal;
}

}  // namespace openinfer::emit
