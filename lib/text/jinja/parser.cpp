// SPDX-License-Identifier: Apache-2.0
// Statements: text, {{ output }} and {% blocks %}.
#include "lib/text/jinja/expression_parser.h"

namespace openinfer::jinja {

namespace {

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::string_view source) : ExpressionParser(source) {}

  NodePtr run() {
    NodePtr all = statements({});
    if (!peek(TokenKind::end)) unexpected();
    return all;
  }

 private:
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

  bool in_loop_ = false;
  bool top_level_ = true;  // here a macro may be defined
};

}  // namespace

NodePtr parse(std::string_view source) { return Parser(source).run(); }

}  // namespace openinfer::jinja
