// SPDX-License-Identifier: Apache-2.0
#include "lib/text/jinja/expression_parser.h"

#include <charconv>

#include "lib/text/jinja/numbers.h"

namespace openinfer::jinja {
namespace {

Value integer(const Token& digits) {
  std::string_view text = digits.text;
  int base = 10;
  if (text.size() > 2 && text[0] == '0') {
    const char kind = static_cast<char>(text[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    if (base != 10) text.remove_prefix(2);
  }
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size())
    fail_template(ErrorCode::invalid_argument, digits.at, "{} is not a 64-bit integer", digits.text);
  return value;
}

}  // namespace

void ExpressionParser::expect(TokenKind kind, std::string_view text) {
  if (!take(kind, text))
    fail_template(ErrorCode::invalid_argument, token().at, "expected '{}', found {}", text, found());
}

std::string ExpressionParser::name() {
  if (!peek(TokenKind::name))
    fail_template(ErrorCode::invalid_argument, token().at, "expected a name, found {}", found());
  return tokens_[at_++].text;
}

std::string ExpressionParser::found() const {
  return token().kind == TokenKind::end ? "the end of the template" : fmt::format("'{}'", token().text);
}

void ExpressionParser::unexpected() const {
  fail_template(ErrorCode::invalid_argument, token().at, "unexpected {}", found());
}

NodePtr ExpressionParser::make(NodeKind kind, Position at, std::string text, Nodes children,
                               std::vector<std::string> names) const {
  auto node = std::make_unique<Node>(Node{kind, at, std::move(text), std::move(names), std::move(children), {}, 1});
  for (const auto& child : node->children)
    if (child) node->depth = std::max(node->depth, child->depth + 1);
  if (node->depth > kMaxDepth)
    fail_template(ErrorCode::unsupported, at, "expressions and blocks nest more than {} deep", kMaxDepth);
  return node;
}

NodePtr ExpressionParser::constant(Position at, Value value) const {
  return std::make_unique<Node>(Node{NodeKind::constant, at, {}, {}, {}, std::move(value), 1});
}

template <class Operand>
NodePtr ExpressionParser::chain(NodeKind kind, std::string_view word, const Operand& operand) {
  const Position at = token().at;
  NodePtr first = operand();
  if (!peek(TokenKind::name, word)) return first;
  Nodes operands;
  operands.push_back(std::move(first));
  while (take_name(word)) operands.push_back(operand());
  return make(kind, at, "", std::move(operands));
}

template <class Operand>
NodePtr ExpressionParser::binary(std::initializer_list<std::string_view> ops, const Operand& operand) {
  NodePtr left = operand();
  while (peek(TokenKind::op) && std::ranges::count(ops, std::string_view(token().text))) {
    const Token& op = tokens_[at_++];
    NodePtr right = operand();
    left = node(NodeKind::binary, op.at, op.text, std::move(left), std::move(right));
  }
  return left;
}

NodePtr ExpressionParser::tuple_expression(bool conditional) {
  const Position at = token().at;
  NodePtr first = conditional ? expression() : logical_or();
  if (!peek_op(",")) return first;
  Nodes items;
  items.push_back(std::move(first));
  while (take_op(",") && !expression_ends()) items.push_back(conditional ? expression() : logical_or());
  return make(NodeKind::tuple, at, "", std::move(items));
}

bool ExpressionParser::expression_ends() const {
  return peek(TokenKind::variable_end) || peek(TokenKind::block_end) || peek_op(")") || peek(TokenKind::name, "if") ||
         peek(TokenKind::name, "recursive");
}

NodePtr ExpressionParser::expression() {
  const Nest nest(*this);
  NodePtr value = logical_or();
  while (peek(TokenKind::name, "if")) {
    const Position at = token().at;
    ++at_;
    NodePtr condition = logical_or();
    NodePtr otherwise = take_name("else") ? expression() : nullptr;
    value = node(NodeKind::conditional, at, "", std::move(condition), std::move(value), std::move(otherwise));
  }
  return value;
}

NodePtr ExpressionParser::logical_or() {
  return chain(NodeKind::logical_or, "or", [&] { return logical_and(); });
}

NodePtr ExpressionParser::logical_and() {
  return chain(NodeKind::logical_and, "and", [&] { return logical_not(); });
}

NodePtr ExpressionParser::logical_not() {
  const Position at = token().at;
  if (!take_name("not")) return compare();
  const Nest nest(*this);
  return node(NodeKind::logical_not, at, "", logical_not());
}

NodePtr ExpressionParser::compare() {
  const Position at = token().at;
  Nodes operands;
  std::vector<std::string> ops;
  operands.push_back(sum());
  while (true) {
    std::string op;
    if (peek(TokenKind::op) &&
        std::ranges::count(std::initializer_list<std::string_view>{"==", "!=", "<", "<=", ">", ">="},
                           std::string_view(token().text))) {
      op = tokens_[at_++].text;
    } else if (take_name("in")) {
      op = "in";
    } else if (peek(TokenKind::name, "not") && peek(TokenKind::name, "in", 1)) {
      at_ += 2;
      op = "notin";
    } else {
      break;
    }
    ops.push_back(std::move(op));
    operands.push_back(sum());
  }
  if (ops.empty()) return std::move(operands.front());
  return make(NodeKind::compare, at, "", std::move(operands), std::move(ops));
}

NodePtr ExpressionParser::sum() {
  return binary({"+", "-"}, [&] { return concat(); });
}

NodePtr ExpressionParser::concat() {
  const Position at = token().at;
  NodePtr first = product();
  if (!peek_op("~")) return first;
  Nodes parts;
  parts.push_back(std::move(first));
  while (take_op("~")) parts.push_back(product());
  return make(NodeKind::concat, at, "", std::move(parts));
}

NodePtr ExpressionParser::product() {
  return binary({"*", "/", "//", "%"}, [&] { return power(); });
}

NodePtr ExpressionParser::power() {
  return binary({"**"}, [&] { return unary(true); });
}

NodePtr ExpressionParser::unary(bool with_filters) {
  const Nest nest(*this);
  const Position at = token().at;
  NodePtr value;
  if (take_op("-")) {
    value = node(NodeKind::negate, at, "", unary(false));
  } else if (take_op("+")) {
    value = node(NodeKind::plus, at, "", unary(false));
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filters ? filters_and_tests(std::move(value)) : std::move(value);
}

NodePtr ExpressionParser::primary() {
  const Token& first = token();
  switch (first.kind) {
    case TokenKind::name: ++at_; return named(first);
    case TokenKind::integer: ++at_; return constant(first.at, integer(first));
    case TokenKind::floating: ++at_; return constant(first.at, parse_float(first.text).value());
    case TokenKind::string: {
      std::string text;
      while (peek(TokenKind::string)) text += tokens_[at_++].text;
      return constant(first.at, std::move(text));
    }
    case TokenKind::op:
      if (take_op("(")) return parenthesis(first.at);
      if (take_op("[")) return list(first.at);
      if (take_op("{")) return dict(first.at);
      unexpected();
    case TokenKind::text:
    case TokenKind::variable_begin:
    case TokenKind::variable_end:
    case TokenKind::block_begin:
    case TokenKind::block_end:
    case TokenKind::end: unexpected();
  }
  unexpected();
}

NodePtr ExpressionParser::named(const Token& first) const {
  if (first.text == "true" || first.text == "True") return constant(first.at, true);
  if (first.text == "false" || first.text == "False") return constant(first.at, false);
  if (first.text == "none" || first.text == "None") return constant(first.at, None{});
  return node(NodeKind::variable, first.at, first.text);
}

NodePtr ExpressionParser::parenthesis(Position at) {
  if (take_op(")")) return make(NodeKind::tuple, at, "", {});
  NodePtr inner = tuple_expression();
  expect_op(")");
  return inner;
}

NodePtr ExpressionParser::list(Position at) {
  Nodes items;
  while (!take_op("]")) {
    if (!items.empty()) expect_op(",");
    if (take_op("]")) break;
    items.push_back(expression());
  }
  return make(NodeKind::list, at, "", std::move(items));
}

NodePtr ExpressionParser::dict(Position at) {
  Nodes items;
  while (!take_op("}")) {
    if (!items.empty()) expect_op(",");
    if (take_op("}")) break;
    items.push_back(expression());
    expect_op(":");
    items.push_back(expression());
  }
  return make(NodeKind::dict, at, "", std::move(items));
}

NodePtr ExpressionParser::postfix(NodePtr value) {
  while (true) {
    const Position at = token().at;
    if (take_op(".")) {
      if (peek(TokenKind::integer)) {
        value = node(NodeKind::item, at, "", std::move(value), constant(token().at, integer(token())));
        ++at_;
      } else {
        value = node(NodeKind::attribute, at, name(), std::move(value));
      }
    } else if (take_op("[")) {
      value = subscript(at, std::move(value));
    } else if (peek_op("(")) {
      value = call(NodeKind::call, at, "", std::move(value));
    } else {
      return value;
    }
  }
}

NodePtr ExpressionParser::subscript(Position at, NodePtr value) {
  Nodes parts(1);
  bool is_slice = false;
  if (!peek_op(":")) parts[0] = expression();
  while (take_op(":")) {
    is_slice = true;
    parts.push_back(peek_op(":") || peek_op("]") ? nullptr : expression());
  }
  expect_op("]");
  if (!is_slice) return node(NodeKind::item, at, "", std::move(value), std::move(parts[0]));
  if (parts.size() > 3) fail_template(ErrorCode::invalid_argument, at, "a slice has at most three parts");
  parts.resize(3);
  return node(NodeKind::slice, at, "", std::move(value), std::move(parts[0]), std::move(parts[1]), std::move(parts[2]));
}

NodePtr ExpressionParser::call(NodeKind kind, Position at, std::string text, NodePtr callee) {
  Nodes parts;
  parts.push_back(std::move(callee));
  std::vector<std::string> names;
  if (take_op("(")) {
    for (bool first = true; !take_op(")"); first = false) {
      if (!first) expect_op(",");
      if (take_op(")")) break;
      if (peek_op("*") || peek_op("**"))
        fail_template(ErrorCode::unsupported, token().at, "arguments with {} are not known", token().text);
      if (peek(TokenKind::name) && peek(TokenKind::op, "=", 1)) {
        names.push_back(name());
        ++at_;
      } else if (!names.empty()) {
        fail_template(ErrorCode::invalid_argument, token().at, "an argument without a name follows one with");
      }
      parts.push_back(expression());
    }
  }
  return make(kind, at, std::move(text), std::move(parts), std::move(names));
}

NodePtr ExpressionParser::filters_and_tests(NodePtr value) {
  while (true) {
    if (peek_op("|")) {
      value = filters(std::move(value));
    } else if (peek(TokenKind::name, "is")) {
      value = test(std::move(value));
    } else if (peek_op("(")) {
      value = call(NodeKind::call, token().at, "", std::move(value));
    } else {
      return value;
    }
  }
}

NodePtr ExpressionParser::filters(NodePtr value, bool bare) {
  while (bare || take_op("|")) {
    bare = false;
    const Position at = token().at;
    std::string filter = name();
    if (!is_known_filter(filter)) fail_template(ErrorCode::unsupported, at, "unknown filter '{}'", filter);
    value = call(NodeKind::filter, at, std::move(filter), std::move(value));
  }
  return value;
}

NodePtr ExpressionParser::test(NodePtr value) {
  ++at_;
  const Position at = token().at;
  const bool negated = take_name("not");
  std::string test_name = name();
  if (!is_known_test(test_name)) fail_template(ErrorCode::unsupported, at, "unknown test '{}'", test_name);
  NodePtr result;
  if (peek_op("(")) {
    result = call(NodeKind::test, at, std::move(test_name), std::move(value));
  } else if (test_argument_follows()) {
    const Nest nest(*this);
    NodePtr argument = postfix(primary());
    result = node(NodeKind::test, at, std::move(test_name), std::move(value), std::move(argument));
  } else {
    result = node(NodeKind::test, at, std::move(test_name), std::move(value));
  }
  return negated ? node(NodeKind::logical_not, at, "", std::move(result)) : std::move(result);
}

bool ExpressionParser::test_argument_follows() const {
  if (peek(TokenKind::name))
    return !peek(TokenKind::name, "else") && !peek(TokenKind::name, "or") && !peek(TokenKind::name, "and") &&
           !peek(TokenKind::name, "if") && !peek(TokenKind::name, "is");
  return peek(TokenKind::string) || peek(TokenKind::integer) || peek(TokenKind::floating) || peek_op("[") ||
         peek_op("{");
}

}  // namespace openinfer::jinja
