// SPDX-License-Identifier: Apache-2.0
// Recursive descent in the order of precedence of jinja2's own parser.
#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "lib/text/jinja/ast.h"

namespace openinfer::jinja {

namespace {

/// Deeper trees are refused, so that everything that walks a tree may recurse.
constexpr int kMaxDepth = 200;

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(lex(source)) {}

  NodePtr run() {
    NodePtr all = statements({});
    if (!peek(TokenKind::end)) unexpected();
    return all;
  }

 private:
  using Nodes = std::vector<NodePtr>;

  // ---- tokens ----
  const Token& token(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool peek(TokenKind kind, std::string_view text = {}, std::size_t ahead = 0) const {
    return token(ahead).kind == kind && (text.empty() || token(ahead).text == text);
  }
  bool peek_op(std::string_view op) const { return peek(TokenKind::op, op); }
  bool take(TokenKind kind, std::string_view text = {}) {
    if (!peek(kind, text)) return false;
    ++at_;
    return true;
  }
  bool take_op(std::string_view op) { return take(TokenKind::op, op); }
  bool take_name(std::string_view name) { return take(TokenKind::name, name); }
  void expect(TokenKind kind, std::string_view text) {
    if (!take(kind, text))
      fail_template(ErrorCode::invalid_argument, token().at, "expected '{}', found {}", text, found());
  }
  void expect_op(std::string_view op) { expect(TokenKind::op, op); }
  void end_tag() { expect(TokenKind::block_end, "%}"); }
  std::string name() {
    if (!peek(TokenKind::name))
      fail_template(ErrorCode::invalid_argument, token().at, "expected a name, found {}", found());
    return tokens_[at_++].text;
  }
  std::string found() const {
    return token().kind == TokenKind::end ? "the end of the template" : fmt::format("'{}'", token().text);
  }
  [[noreturn]] void unexpected() const {
    fail_template(ErrorCode::invalid_argument, token().at, "unexpected {}", found());
  }

  // ---- nodes ----
  NodePtr make(NodeKind kind, Position at, std::string text, Nodes children,
               std::vector<std::string> names = {}) const {
    auto node = std::make_unique<Node>(Node{kind, at, std::move(text), std::move(names), std::move(children), {}, 1});
    for (const auto& child : node->children)
      if (child) node->depth = std::max(node->depth, child->depth + 1);
    if (node->depth > kMaxDepth)
      fail_template(ErrorCode::unsupported, at, "expressions and blocks nest more than {} deep", kMaxDepth);
    return node;
  }
  template <class... Children>
  NodePtr node(NodeKind kind, Position at, std::string text, Children... children) const {
    Nodes list;
    (list.push_back(std::move(children)), ...);
    return make(kind, at, std::move(text), std::move(list));
  }
  NodePtr constant(Position at, Value value) const {
    return std::make_unique<Node>(Node{NodeKind::constant, at, {}, {}, {}, std::move(value), 1});
  }

  /// Counts the parser's own recursion, which runs ahead of the depth of finished nodes.
  struct Nest {
    Nest(Parser& parser) : depth(parser.nesting_) {
      if (++depth > kMaxDepth)
        fail_template(ErrorCode::unsupported, parser.token().at, "expressions and blocks nest more than {} deep",
                      kMaxDepth);
    }
    ~Nest() { --depth; }
    int& depth;
  };

  // ---- statements ----

  /// Up to a tag whose name is among `ends` (left as the next token) or the end of the template.
  NodePtr statements(std::initializer_list<std::string_view> ends, NodeKind kind = NodeKind::block) {
    const Nest nest(*this);
    const Position at = token().at;
    Nodes all;
    while (!peek(TokenKind::end)) {
      const Token& next = token();
      if (take(TokenKind::text)) {
        all.push_back(node(NodeKind::text, next.at, next.text));
      } else if (take(TokenKind::variable_begin)) {
        NodePtr value = tuple_expression();
        expect(TokenKind::variable_end, "}}");
        all.push_back(node(NodeKind::output, next.at, "", std::move(value)));
      } else if (take(TokenKind::block_begin)) {
        if (peek(TokenKind::name) && std::ranges::count(ends, std::string_view(token().text))) break;
        all.push_back(statement());
      } else {
        unexpected();
      }
    }
    if (peek(TokenKind::end) && ends.size() > 0)
      fail_template(ErrorCode::invalid_argument, token().at, "the template ends without '{}'", *(ends.end() - 1));
    return make(kind, at, "", std::move(all));
  }

  NodePtr statement() {
    const Position at = token().at;
    const std::string tag = name();
    if (tag == "if") return branch(at);
    if (tag == "for") return loop(at);
    if (tag == "set") return assign(at);
    if (tag == "macro") return macro(at);
    if (tag == "filter") return filter_block(at);
    if (tag == "generation") return generation();
    if (tag == "break" || tag == "continue") return loop_control(at, tag);
    fail_template(ErrorCode::unsupported, at,
                  "unknown statement '{}'; known: if, for, set, macro, filter, generation, break, continue, raw", tag);
  }

  NodePtr branch(Position at) {
    Nodes parts;
    while (true) {
      parts.push_back(tuple_expression(false));
      end_tag();
      parts.push_back(statements({"elif", "else", "endif"}));
      if (!take_name("elif")) break;
    }
    if (take_name("else")) {
      end_tag();
      parts.push_back(statements({"endif"}));
    }
    expect(TokenKind::name, "endif");
    end_tag();
    return make(NodeKind::branch, at, "", std::move(parts));
  }

  NodePtr loop(Position at) {
    std::vector<std::string> targets = target_names(false);
    expect(TokenKind::name, "in");
    Nodes parts;
    parts.push_back(tuple_expression(false));
    parts.push_back(take_name("if") ? expression() : nullptr);
    if (peek(TokenKind::name, "recursive"))
      fail_template(ErrorCode::unsupported, token().at, "recursive loops are not known");
    end_tag();
    const bool outside = std::exchange(in_loop_, true);
    const bool macros = std::exchange(top_level_, false);
    parts.push_back(statements({"else", "endfor"}));
    in_loop_ = outside;
    if (take_name("else")) {
      end_tag();
      parts.push_back(statements({"endfor"}));
    } else {
      parts.push_back(nullptr);
    }
    top_level_ = macros;
    expect(TokenKind::name, "endfor");
    end_tag();
    return make(NodeKind::loop, at, "", std::move(parts), std::move(targets));
  }

  NodePtr loop_control(Position at, const std::string& tag) {
    if (!in_loop_) fail_template(ErrorCode::invalid_argument, at, "'{}' outside of a loop", tag);
    end_tag();
    return node(tag == "break" ? NodeKind::loop_break : NodeKind::loop_continue, at, "");
  }

  /// a, b or (a, b); with attributes also ns.a.
  std::vector<std::string> target_names(bool attributes) {
    std::vector<std::string> names;
    const bool parenthesis = take_op("(");
    do {
      if (!names.empty() && !peek(TokenKind::name)) break;
      names.push_back(name());
      if (attributes && take_op(".")) names.back() += "." + name();
    } while (take_op(","));
    if (parenthesis) expect_op(")");
    return names;
  }

  NodePtr assign(Position at) {
    std::vector<std::string> targets = target_names(true);
    if (take_op("=")) {
      NodePtr value = tuple_expression();
      end_tag();
      Nodes parts;
      parts.push_back(std::move(value));
      return make(NodeKind::assign, at, "", std::move(parts), std::move(targets));
    }
    Nodes parts(1);
    if (peek_op("|")) parts.push_back(filters(nullptr));
    end_tag();
    parts.front() = inner_scope({"endset"});
    end_named("endset");
    if (targets.size() != 1) fail_template(ErrorCode::invalid_argument, at, "a block is assigned to one name");
    return make(NodeKind::capture, at, "", std::move(parts), std::move(targets));
  }

  NodePtr inner_scope(std::initializer_list<std::string_view> ends) {
    const bool macros = std::exchange(top_level_, false);
    const bool outside = std::exchange(in_loop_, false);
    NodePtr body = statements(ends, NodeKind::scoped);
    top_level_ = macros;
    in_loop_ = outside;
    return body;
  }

  void end_named(std::string_view tag) {
    expect(TokenKind::name, tag);
    end_tag();
  }

  NodePtr filter_block(Position at) {
    Nodes parts(2);
    parts[1] = filters(nullptr, true);
    end_tag();
    parts[0] = inner_scope({"endfilter"});
    end_named("endfilter");
    return make(NodeKind::capture_filter, at, "", std::move(parts));
  }

  NodePtr generation() {
    end_tag();
    NodePtr body = inner_scope({"endgeneration"});
    end_named("endgeneration");
    return body;
  }

  NodePtr macro(Position at) {
    if (!top_level_) fail_template(ErrorCode::unsupported, at, "a macro is defined inside of a loop, block or macro");
    std::string macro_name = name();
    std::vector<std::string> parameters;
    Nodes parts(1);
    expect_op("(");
    while (!take_op(")")) {
      if (!parameters.empty()) expect_op(",");
      parameters.push_back(name());
      if (take_op("=")) {
        parts.push_back(expression());
      } else if (parts.size() > 1) {
        fail_template(ErrorCode::invalid_argument, token().at, "a parameter without default follows one with");
      }
    }
    end_tag();
    parts.front() = inner_scope({"endmacro"});
    expect(TokenKind::name, "endmacro");
    take(TokenKind::name, macro_name);
    end_tag();
    return make(NodeKind::macro, at, std::move(macro_name), std::move(parts), std::move(parameters));
  }

  // ---- expressions ----

  /// One expression, or several with commas between: a tuple.
  NodePtr tuple_expression(bool conditional = true) {
    const Position at = token().at;
    NodePtr first = conditional ? expression() : logical_or();
    if (!peek_op(",")) return first;
    Nodes items;
    items.push_back(std::move(first));
    while (take_op(",") && !expression_ends()) items.push_back(conditional ? expression() : logical_or());
    return make(NodeKind::tuple, at, "", std::move(items));
  }
  bool expression_ends() const {
    return peek(TokenKind::variable_end) || peek(TokenKind::block_end) || peek_op(")") || peek(TokenKind::name, "if") ||
           peek(TokenKind::name, "recursive");
  }

  NodePtr expression() {
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

  NodePtr logical_or() {
    return chain(NodeKind::logical_or, "or", [&] { return logical_and(); });
  }
  NodePtr logical_and() {
    return chain(NodeKind::logical_and, "and", [&] { return logical_not(); });
  }
  template <class Operand>
  NodePtr chain(NodeKind kind, std::string_view word, Operand&& operand) {
    const Position at = token().at;
    NodePtr first = operand();
    if (!peek(TokenKind::name, word)) return first;
    Nodes operands;
    operands.push_back(std::move(first));
    while (take_name(word)) operands.push_back(operand());
    return make(kind, at, "", std::move(operands));
  }

  NodePtr logical_not() {
    const Position at = token().at;
    if (!take_name("not")) return compare();
    const Nest nest(*this);
    return node(NodeKind::logical_not, at, "", logical_not());
  }

  NodePtr compare() {
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

  template <class Operand>
  NodePtr binary(std::initializer_list<std::string_view> ops, Operand&& operand) {
    NodePtr left = operand();
    while (peek(TokenKind::op) && std::ranges::count(ops, std::string_view(token().text))) {
      const Token& op = tokens_[at_++];
      NodePtr right = operand();
      left = node(NodeKind::binary, op.at, op.text, std::move(left), std::move(right));
    }
    return left;
  }
  NodePtr sum() {
    return binary({"+", "-"}, [&] { return concat(); });
  }
  NodePtr concat() {
    const Position at = token().at;
    NodePtr first = product();
    if (!peek_op("~")) return first;
    Nodes parts;
    parts.push_back(std::move(first));
    while (take_op("~")) parts.push_back(product());
    return make(NodeKind::concat, at, "", std::move(parts));
  }
  NodePtr product() {
    return binary({"*", "/", "//", "%"}, [&] { return power(); });
  }
  NodePtr power() {
    return binary({"**"}, [&] { return unary(true); });
  }

  NodePtr unary(bool with_filters) {
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

  NodePtr primary() {
    const Token& first = token();
    switch (first.kind) {
      case TokenKind::name: ++at_; return named(first);
      case TokenKind::integer: ++at_; return constant(first.at, integer(first));
      case TokenKind::floating: ++at_; return constant(first.at, std::strtod(first.text.c_str(), nullptr));
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

  NodePtr named(const Token& first) const {
    if (first.text == "true" || first.text == "True") return constant(first.at, true);
    if (first.text == "false" || first.text == "False") return constant(first.at, false);
    if (first.text == "none" || first.text == "None") return constant(first.at, None{});
    return node(NodeKind::variable, first.at, first.text);
  }

  static Value integer(const Token& digits) {
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

  NodePtr parenthesis(Position at) {
    if (take_op(")")) return make(NodeKind::tuple, at, "", {});
    NodePtr inner = tuple_expression();
    expect_op(")");
    return inner;
  }

  NodePtr list(Position at) {
    Nodes items;
    while (!take_op("]")) {
      if (!items.empty()) expect_op(",");
      if (take_op("]")) break;
      items.push_back(expression());
    }
    return make(NodeKind::list, at, "", std::move(items));
  }

  NodePtr dict(Position at) {
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

  NodePtr postfix(NodePtr value) {
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

  NodePtr subscript(Position at, NodePtr value) {
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
    return node(NodeKind::slice, at, "", std::move(value), std::move(parts[0]), std::move(parts[1]),
                std::move(parts[2]));
  }

  /// ( a, b, name = c ) behind a callee, filter or test.
  NodePtr call(NodeKind kind, Position at, std::string text, NodePtr callee) {
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

  NodePtr filters_and_tests(NodePtr value) {
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

  /// value | a | b(1); with `bare` the first filter has no bar before it.
  NodePtr filters(NodePtr value, bool bare = false) {
    while (bare || take_op("|")) {
      bare = false;
      const Position at = token().at;
      std::string filter = name();
      if (!is_known_filter(filter)) fail_template(ErrorCode::unsupported, at, "unknown filter '{}'", filter);
      value = call(NodeKind::filter, at, std::move(filter), std::move(value));
    }
    return value;
  }

  NodePtr test(NodePtr value) {
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
  bool test_argument_follows() const {
    if (peek(TokenKind::name))
      return !peek(TokenKind::name, "else") && !peek(TokenKind::name, "or") && !peek(TokenKind::name, "and") &&
             !peek(TokenKind::name, "if") && !peek(TokenKind::name, "is");
    return peek(TokenKind::string) || peek(TokenKind::integer) || peek(TokenKind::floating) || peek_op("[") ||
           peek_op("{");
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  bool in_loop_ = false;
  bool top_level_ = true;  // here a macro may be defined
};

}  // namespace

NodePtr parse(std::string_view source) { return Parser(source).run(); }

}  // namespace openinfer::jinja
