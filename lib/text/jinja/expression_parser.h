// SPDX-License-Identifier: Apache-2.0
// Tokens and expressions: the half of the parser that statements (parser.cpp) stand on. Recursive descent in the order
// of precedence of jinja2's own parser.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/text/jinja/ast.h"

namespace openinfer::jinja {

class ExpressionParser {
 protected:
  explicit ExpressionParser(std::string_view source) : tokens_(lex(source)) {}

  /// Deeper trees are refused, so that everything that walks a tree may recurse.
  static constexpr int kMaxDepth = 200;

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
  void expect(TokenKind kind, std::string_view text);
  void expect_op(std::string_view op) { expect(TokenKind::op, op); }
  void end_tag() { expect(TokenKind::block_end, "%}"); }
  std::string name();
  std::string found() const;
  [[noreturn]] void unexpected() const;

  // ---- nodes ----
  NodePtr make(NodeKind kind, Position at, std::string text, Nodes children, std::vector<std::string> names = {}) const;
  template <class... Children>
  NodePtr node(NodeKind kind, Position at, std::string text, Children... children) const {
    Nodes list;
    (list.push_back(std::move(children)), ...);
    return make(kind, at, std::move(text), std::move(list));
  }
  NodePtr constant(Position at, Value value) const;

  /// Counts the parser's own recursion, which runs ahead of the depth of finished nodes.
  class Nest {
   public:
    explicit Nest(ExpressionParser& parser) : depth(parser.nesting_) {
      if (++depth > kMaxDepth)
        fail_template(ErrorCode::unsupported, parser.token().at, "expressions and blocks nest more than {} deep",
                      kMaxDepth);
    }
    ~Nest() { --depth; }
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    int& depth;
  };

  // ---- expressions, loosest first ----

  /// One expression, or several with commas between: a tuple.
  NodePtr tuple_expression(bool conditional = true);
  NodePtr expression();  // a if condition else b
  /// value | a | b(1); with `bare` the first filter has no bar before it.
  NodePtr filters(NodePtr value, bool bare = false);

 private:
  bool expression_ends() const;
  NodePtr logical_or();
  NodePtr logical_and();
  NodePtr logical_not();
  NodePtr compare();
  NodePtr sum();
  NodePtr concat();
  NodePtr product();
  NodePtr power();
  NodePtr unary(bool with_filters);
  NodePtr postfix(NodePtr value);  // .name [item] [slice] (call)
  NodePtr subscript(Position at, NodePtr value);
  NodePtr filters_and_tests(NodePtr value);
  NodePtr test(NodePtr value);
  bool test_argument_follows() const;
  /// ( a, b, name = c ) behind a callee, filter or test.
  NodePtr call(NodeKind kind, Position at, std::string text, NodePtr callee);
  NodePtr primary();
  NodePtr named(const Token& first) const;
  NodePtr parenthesis(Position at);
  NodePtr list(Position at);
  NodePtr dict(Position at);
  /// operand word operand word …: one node.
  template <class Operand>
  NodePtr chain(NodeKind kind, std::string_view word, const Operand& operand);
  /// operand op operand op …: a tree that leans to the left.
  template <class Operand>
  NodePtr binary(std::initializer_list<std::string_view> ops, const Operand& operand);

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace openinfer::jinja
