// SPDX-License-Identifier: Apache-2.0
// Scalar expressions as text, for errors and tests.
#include <map>

#include <fmt/format.h>

#include "openinfer/scalar_expr.h"

namespace openinfer {

std::string_view name(ScalarOp op) {
  switch (op) {
    case ScalarOp::parameter: return "parameter";
    case ScalarOp::constant: return "constant";
    case ScalarOp::neg: return "neg";
    case ScalarOp::abs: return "abs";
    case ScalarOp::add: return "add";
    case ScalarOp::sub: return "sub";
    case ScalarOp::mul: return "mul";
    case ScalarOp::div: return "div";
    case ScalarOp::eq: return "eq";
    case ScalarOp::ne: return "ne";
    case ScalarOp::lt: return "lt";
    case ScalarOp::le: return "le";
    case ScalarOp::gt: return "gt";
    case ScalarOp::ge: return "ge";
    case ScalarOp::logical_not: return "logical_not";
    case ScalarOp::logical_and: return "logical_and";
    case ScalarOp::logical_or: return "logical_or";
    case ScalarOp::bit_not: return "bit_not";
    case ScalarOp::bit_and: return "bit_and";
    case ScalarOp::bit_or: return "bit_or";
    case ScalarOp::bit_xor: return "bit_xor";
    case ScalarOp::shift_left: return "shift_left";
    case ScalarOp::shift_right: return "shift_right";
    case ScalarOp::select: return "select";
    case ScalarOp::convert: return "convert";
    case ScalarOp::bit_cast: return "bit_cast";
    case ScalarOp::floor: return "floor";
    case ScalarOp::round_even: return "round_even";
    case ScalarOp::fma: return "fma";
    case ScalarOp::narrow: return "narrow";
    case ScalarOp::call: return "call";
  }
  return "?";
}

namespace {

struct Spelled {
  std::string_view symbol;  // empty: a function of its operands
  int level;                // binds tighter than every lower one, as in C++
};

Spelled spelling(ScalarOp op) {
  switch (op) {
    case ScalarOp::neg: return {"-", 12};
    case ScalarOp::logical_not: return {"!", 12};
    case ScalarOp::bit_not: return {"~", 12};
    case ScalarOp::mul: return {"*", 11};
    case ScalarOp::div: return {"/", 11};
    case ScalarOp::add: return {"+", 10};
    case ScalarOp::sub: return {"-", 10};
    case ScalarOp::shift_left: return {"<<", 9};
    case ScalarOp::shift_right: return {">>", 9};
    case ScalarOp::lt: return {"<", 8};
    case ScalarOp::le: return {"<=", 8};
    case ScalarOp::gt: return {">", 8};
    case ScalarOp::ge: return {">=", 8};
    case ScalarOp::eq: return {"==", 7};
    case ScalarOp::ne: return {"!=", 7};
    case ScalarOp::bit_and: return {"&", 6};
    case ScalarOp::bit_xor: return {"^", 5};
    case ScalarOp::bit_or: return {"|", 4};
    case ScalarOp::logical_and: return {"&&", 3};
    case ScalarOp::logical_or: return {"||", 2};
    case ScalarOp::parameter:
    case ScalarOp::constant:
    case ScalarOp::abs:
    case ScalarOp::select:
    case ScalarOp::convert:
    case ScalarOp::bit_cast:
    case ScalarOp::floor:
    case ScalarOp::round_even:
    case ScalarOp::fma:
    case ScalarOp::narrow:
    case ScalarOp::call: return {{}, 13};
  }
  return {{}, 13};
}

std::string constant_text(const ScalarExpr& e) {
  if (e.kind() == ScalarKind::boolean) return e.bits() ? "true" : "false";
  if (e.kind() == ScalarKind::f32) return fmt::format("{}", static_cast<float>(e.value()));
  if (e.kind() == ScalarKind::i64) return fmt::format("{}", static_cast<std::int64_t>(e.bits()));
  if (e.kind() == ScalarKind::u64) return fmt::format("{}", e.bits());
  return fmt::format("{}", e.value());
}

class Text {
 public:
  std::string of(const ScalarExpr& e) {
    count(e);
    const std::string result = text(e, 0);
    return statements_ + result;
  }

 private:
  void count(const ScalarExpr& e) {
    if (++uses_[e.id()] > 1) return;
    for (const ScalarExpr& o : e.operands()) count(o);
  }

  /// `e` where the surroundings bind at `level`.
  std::string text(const ScalarExpr& e, int level) {
    if (const auto found = names_.find(e.id()); found != names_.end()) return found->second;
    const bool leaf = e.op() == ScalarOp::parameter || e.op() == ScalarOp::constant;
    if (leaf || uses_[e.id()] == 1) {
      const std::string plain = expression(e);
      return spelling(e.op()).level < level ? "(" + plain + ")" : plain;
    }
    const std::string value = expression(e);
    const bool hinted = e.op() != ScalarOp::call && !e.name().empty();
    const std::string own = hinted ? e.name() : fmt::format("t{}", temporaries_++);
    statements_ += fmt::format("{} = {}; ", own, value);
    return names_[e.id()] = own;
  }

  std::string function(std::string_view called, const ScalarExpr& e) {
    std::string list;
    for (const ScalarExpr& o : e.operands()) list += (list.empty() ? "" : ", ") + text(o, 0);
    return fmt::format("{}({})", called, list);
  }

  std::string expression(const ScalarExpr& e) {
    if (e.op() == ScalarOp::parameter) return e.name();
    if (e.op() == ScalarOp::constant) return constant_text(e);
    if (e.op() == ScalarOp::call) return function(e.name(), e);
    if (e.op() == ScalarOp::convert) return function(name(e.kind()), e);
    if (e.op() == ScalarOp::bit_cast) return function(fmt::format("bits_as_{}", name(e.kind())), e);
    if (e.op() == ScalarOp::narrow) return function(fmt::format("narrow_{}", name(e.dtype())), e);
    const auto [symbol, level] = spelling(e.op());
    if (symbol.empty()) return function(name(e.op()), e);
    if (e.operands().size() == 1) return fmt::format("{}{}", symbol, text(e.operands()[0], level));
    const std::string left = text(e.operands()[0], level);  // before the right one: order of temporaries
    return fmt::format("{} {} {}", left, symbol, text(e.operands()[1], level + 1));
  }

  std::map<const void*, int> uses_;
  std::map<const void*, std::string> names_;
  std::string statements_;
  int temporaries_ = 0;
};

}  // namespace

std::string to_string(const ScalarExpr& e) { return Text().of(e); }

}  // namespace openinfer
