// SPDX-License-Identifier: Apache-2.0
// What stands right of `=`: calls, infix, operands and attributes.
#include <algorithm>

#include "lib/base/nearest.h"
#include "lib/graph/names.h"
#include "lib/graph/parser.h"
#include "lib/graph/verify.h"

namespace openinfer {
namespace {

bool is_keyword_operand(const OperandSpec& spec) { return spec.keyword; }
bool is_variadic(const OperandSpec& spec) { return spec.presence == OperandSpec::Presence::variadic; }

/// "Wq.7" and "Wq" of the family "Wq.{}".
bool is_member(std::string_view name, std::string_view family) {
  const auto brace = family.find("{}");
  if (brace == family.npos) return false;
  const auto before = family.substr(0, brace), behind = family.substr(brace + 2);
  if (before == std::string(name) + "." && behind.empty()) return true;
  if (name.size() <= before.size() + behind.size() || !name.starts_with(before) || !name.ends_with(behind))
    return false;
  const auto index = name.substr(before.size(), name.size() - before.size() - behind.size());
  return std::all_of(index.begin(), index.end(), is_digit);
}

/// "Wq.{l}" for "Wq.{}" and "l".
std::string with_index(std::string_view family, std::string_view index) {
  std::string name(family);
  return name.insert(name.find("{}") + 1, index);
}

}  // namespace

const OpDef& Parser::find_op(std::string_view name) const {
  if (const OpDef* op = ops_.find(name)) return *op;
  std::vector<std::string_view> names;
  for (const OpDef* op : ops_.all()) names.push_back(op->name);
  fail_at(here(), ErrorCode::not_found, "[oig] no operator is called '{}'{}", name, did_you_mean(name, names));
}

/// atom ("+" | "-" | "*" | "/") atom | NAME "(" args ")"
Parser::Call Parser::expression() {
  const Token ahead = peek();
  const bool called = token_.kind == Kind::name && ahead.kind == Kind::symbol && ahead.text == "(";
  if (called && !dtype_from_name(token_.text) && !at_number()) return call();
  Call infix;
  const Atom left = atom();
  const std::string symbol(token_.text);
  infix.op = token_.kind == Kind::symbol ? ops_.find_symbol(symbol) : nullptr;
  if (!infix.op || infix.op->operands.size() != 2) refuse("expected an operator such as +, or a call, but {}", found());
  advance();
  infix.operands = {left, atom()};
  refuse_chained();
  return infix;
}

/// a + b + c and f(x) + c: what was read so far wants a line of its own.
void Parser::refuse_chained() const {
  const OpDef* infix = token_.kind == Kind::symbol ? ops_.find_symbol(token_.text) : nullptr;
  if (infix)
    refuse("a second operator '{}' in one line; write one operator a line: give what stands before it a name",
           token_.text);
}

/// f(x + 1): behind an argument, where a comma or the bracket is due.
void Parser::refuse_infix() const {
  if (token_.kind == Kind::symbol && ops_.find_symbol(token_.text))
    refuse(
        "'{}' behind an argument: operands are names or numbers; write one operator a line: give what '{}' makes a "
        "line and a name of its own",
        token_.text, token_.text);
}

Parser::Call Parser::call() {
  Call call;
  call.op = &find_op(token_.text);
  call.operands.resize(call.op->operands.size());
  advance();
  expect("(");
  std::size_t position = 0;
  for (bool first = true; !is_symbol(")"); first = false) {
    if (!first) refuse_infix(), expect(",");
    argument(call, position);
    check_size();
  }
  expect(")");
  refuse_chained();
  return call;
}

/// [NAME "="] (atom | DTYPE | affine | shape), or the state
void Parser::argument(Call& call, std::size_t& position) {
  const OpDef& op = *call.op;
  if (token_.kind == Kind::state) {
    const auto state = states_.find(token_.text);
    if (state == states_.end()) refuse("no state is declared as ${}", token_.text);
    if (call.state >= 0) refuse("{} takes one state", op.name);
    call.state = state->second;
    return advance();
  }
  const Token ahead = peek();
  if (token_.kind == Kind::name && ahead.kind == Kind::symbol && ahead.text == "=") {
    const std::string_view name = token_.text;
    advance();
    advance();
    return named_argument(call, name);
  }
  const bool more = !op.operands.empty() && is_variadic(op.operands.back()) && position + 1 >= op.operands.size();
  if (position >= op.operands.size() ? !more : is_keyword_operand(op.operands[position]))
    refuse("{} has no operand at place {}; write name=value", op.name, position + 1);
  if (position == kMaxOperands) refuse("{} is given more than {} operands", op.name, kMaxOperands);
  if (position == call.operands.size()) call.operands.emplace_back();
  call.operands[position++] = atom();
}

void Parser::named_argument(Call& call, std::string_view name) {
  const auto& operands = call.op->operands;
  const auto operand = std::find_if(operands.begin(), operands.end(), [&](const auto& s) { return s.name == name; });
  if (operand != operands.end()) {
    auto& slot = call.operands[static_cast<std::size_t>(operand - operands.begin())];
    if (slot) refuse("{} is given '{}' twice", call.op->name, name);
    slot = atom();
    return;
  }
  const auto& specs = call.op->attributes;
  const auto spec = std::find_if(specs.begin(), specs.end(), [&](const auto& s) { return s.name == name; });
  if (spec == specs.end()) {
    std::vector<std::string_view> names;
    for (const auto& s : operands) names.push_back(s.name);
    for (const auto& s : specs) names.push_back(s.name);
    refuse("{} has no operand or attribute '{}'{}", call.op->name, name, nearest_hint(name, names));
  }
  if (call.attributes.find(name)) refuse("{} is given '{}' twice", call.op->name, name);
  call.attributes.set(name, attribute(spec->kind));
}

Attribute Parser::attribute(AttributeKind kind) {
  const Location line = here();
  switch (kind) {
    case AttributeKind::boolean: {
      if (!is_word("true") && !is_word("false")) refuse("expected true or false but {}", found());
      const bool value = is_word("true");
      advance();
      return value;
    }
    case AttributeKind::integer: return integer();
    case AttributeKind::number: return parse_double(number(), line);
    case AttributeKind::string: {
      if (token_.kind != Kind::text) refuse("expected a \"string\" but {}", found());
      std::string value = unquote(token_.text, line);
      advance();
      return value;
    }
    case AttributeKind::dtype: return dtype();
    case AttributeKind::dim: return affine();
    case AttributeKind::dims: return shape();
  }
  refuse("an attribute has an unknown kind");
}

/// An operand is no expression: a line computes one thing and names it.
void Parser::refuse_nested() const {
  if (is_symbol("("))
    refuse("an operand has no parentheses; write one operator a line: give the inner one a line and a name of its own");
  const Token ahead = peek();
  if (token_.kind == Kind::name && ops_.find(token_.text) && ahead.kind == Kind::symbol && ahead.text == "(")
    refuse("'{}(…)' stands where an operand is wanted; write one operator a line: {}.1 = {}(…), and {}.1 here",
           token_.text, token_.text, token_.text, token_.text);
}

/// NAME | "@" KEY | "#" NAME ["[" affine "]"] | NUMBER | DTYPE "(" NUMBER ")"
Parser::Atom Parser::atom() {
  if (token_.kind == Kind::weight) return {weight_use()};
  if (token_.kind == Kind::constant) return {constant_use()};
  if (token_.kind == Kind::state) refuse("${} is a state; only state operators, carry and if take one", token_.text);
  const Location line = here();
  Atom atom;
  const auto dtype = token_.kind == Kind::name ? dtype_from_name(token_.text) : std::nullopt;
  const Token ahead = peek();
  if (dtype && ahead.kind == Kind::symbol && ahead.text == "(") {
    advance();
    advance();
    atom.number = parse_literal(number(), line);
    atom.dtype = dtype;
    atom.is_number = true;
    expect(")");
  } else if (at_number()) {
    atom.number = parse_literal(number(), line);
    atom.is_number = true;
  } else {
    refuse_nested();
    if (token_.kind != Kind::name) refuse("expected an operand but {}", found());
    atom.value = lookup(token_.text);
    advance();
  }
  return atom;
}

ValueId Parser::lookup(std::string_view name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto found = scope->find(name); found != scope->end()) return found->second;
  const auto ended = names_.find(name);
  if (ended != names_.end()) draft_.check_usable(ended->second, "oig", here());
  std::vector<std::string_view> names;
  if (names_.size() < 4096)
    for (const auto& entry : names_) names.push_back(entry.first);
  fail_at(here(), ErrorCode::not_found, "[oig] '{}' is not defined{}", name, did_you_mean(name, names));
}

/// The loop and the affine expression of its index, from one of the family's or table's brackets.
std::pair<ValueId, Affine> Parser::loop_index(const Dim& index) {
  if (index.terms().size() != 1) refuse("'{}' is no expression of one loop's index", index.to_string());
  const Dim::Term& term = index.terms()[0];
  const ValueId loop = lookup(term.symbol);
  if (!draft_.loop_range(loop)) refuse("'{}' is no loop's index", term.symbol);
  return {loop, {term.factor, index.constant()}};
}

ValueId Parser::weight_use() {
  const Location line = here();
  std::string pattern;
  std::vector<ValueId> loops;
  std::vector<Affine> index;
  for (std::string_view rest = token_.text; !rest.empty();) {
    const std::size_t brace = std::min(rest.find('{'), rest.size());
    pattern += rest.substr(0, brace);
    rest.remove_prefix(brace);
    if (rest.empty()) break;
    Dim at;
    inside(rest.substr(1, rest.find('}') - 1), [&] { at = affine(); });
    rest.remove_prefix(rest.find('}') + 1);
    if (at.is_constant()) {
      pattern += at.to_string();
      continue;
    }
    const auto [loop, step] = loop_index(at);
    pattern += "{}";
    loops.push_back(loop);
    index.push_back(step);
  }
  const auto found = weights_.find(pattern);
  if (found == weights_.end()) {
    std::vector<std::string_view> names;
    if (weights_.size() < 4096)
      for (const auto& entry : weights_) names.push_back(entry.first);
    const auto family = std::find_if(names.begin(), names.end(), [&](auto name) { return is_member(pattern, name); });
    fail_at(line, ErrorCode::not_found, "[oig] no weight is declared as @{}{}", pattern,
            family == names.end()
                ? did_you_mean(pattern, names)
                : fmt::format("; of the family @{} a loop over l takes @{}, and a single one is declared by itself",
                              *family, with_index(*family, "l")));
  }
  advance();
  return draft_.add_weight(found->second, std::move(loops), std::move(index), line);
}

ValueId Parser::constant_use() {
  const Location line = here();
  const auto found = constants_.find(token_.text);
  if (found == constants_.end())
    fail_at(line, ErrorCode::not_found, "[oig] no constant is declared as #{}", token_.text);
  advance();
  if (!accept("[")) return draft_.add_constant(found->second, {}, {}, line);
  const Dim at = affine();
  expect("]");
  if (at.is_constant()) return draft_.add_constant(found->second, {}, {{0, at.constant()}}, line);
  const auto [loop, step] = loop_index(at);
  return draft_.add_constant(found->second, {loop}, {step}, line);
}

/// An operand that no operator gives a dtype to: a number is i32, or f32 with a point.
ValueId Parser::value_of(const Atom& atom) {
  if (!atom.is_number) return atom.value;
  const DType plain = std::holds_alternative<double>(atom.number) ? DType::f32 : DType::i32;
  return draft_.add_literal(atom.number, atom.dtype.value_or(plain), here());
}

std::vector<ValueId> Parser::values_of(const Call& call) {
  std::vector<ValueId> values(call.operands.size(), kNoValue);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (call.operands[i]) values[i] = call.operands[i]->value;
  // Values that are literals by way of a name cannot occur: text has literals in place only.
  const std::vector<ValueId> others = values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!call.operands[i] || !call.operands[i]->is_number) continue;
    const Atom& number = *call.operands[i];
    const DType dtype =
        number.dtype ? *number.dtype : Draft::literal_dtype(*call.op, draft_.g, others, i, number.number);
    values[i] = draft_.add_literal(number.number, dtype, here());
  }
  return values;
}

}  // namespace openinfer
