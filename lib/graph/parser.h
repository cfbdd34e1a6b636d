// SPDX-License-Identifier: Apache-2.0
// The graph text's parser: recursive descent, one function for each rule of the grammar in README.md. It only reads;
// every rule about graphs is Draft's, infer's and verify's. Each method throws Error with the text's file and line.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lib/base/fail.h"
#include "lib/graph/draft.h"
#include "lib/graph/invalid.h"
#include "lib/graph/lexer.h"
#include "lib/graph/number_text.h"

namespace openinfer {

class Parser {
 public:
  Parser(std::string_view text, std::string_view file, const OpSet& ops);
  std::shared_ptr<const GraphData> graph();

 private:
  using Kind = Token::Kind;

  /// An operand as written. A number's dtype may depend on the operands beside it.
  struct Atom {
    ValueId value = kNoValue;
    Number number = {};
    std::optional<DType> dtype = {};  // of f16(0.5)
    bool is_number = false;
  };
  struct Call {
    const OpDef* op = nullptr;
    std::vector<std::optional<Atom>> operands = {};
    Attributes attributes = {};
    int state = -1;
  };
  /// What stands left of `=` or behind `carry`.
  struct Reference {
    std::string_view name;
    int state = -1;            // ≥ 0: $name
    std::optional<Atom> init;  // carry x.1 = x
  };
  struct Suffix {
    std::vector<TensorType> claims;
    hints hint;
    int fused = -1;
    Location at;
  };
  using Names = std::map<std::string_view, ValueId>;

  // --- words (parse.cpp) ---
  Location here() const { return {files_->front().c_str(), token_.line}; }
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail_at(here(), kInvalid, "[oig] {}", fmt::format(format, std::forward<Args>(args)...));
  }
  void advance() { token_ = lexer_.next(); }
  Token peek() const;
  bool is_symbol(std::string_view symbol) const { return token_.kind == Kind::symbol && token_.text == symbol; }
  bool is_word(std::string_view word) const { return token_.kind == Kind::name && token_.text == word; }
  bool accept(std::string_view symbol);
  void expect(std::string_view symbol);
  void expect_word(std::string_view word);
  std::string_view expect_name(std::string_view what);
  std::string found() const;
  std::int64_t integer();
  NumberText number();
  bool at_number() const;
  Dim affine();
  Shape shape();
  DType dtype();
  TensorType type();

  /// Reads `text`, a part of the current token, with `read`, which must use all of it.
  template <class Read>
  void inside(std::string_view text, Read read) {
    const Lexer lexer = std::exchange(lexer_, Lexer(text, files_->front().c_str(), token_.line));
    const Token token = token_;
    advance();
    read();
    if (token_.kind != Kind::end) refuse("expected '}}' but {}", found());
    lexer_ = lexer;
    token_ = token;
  }

  // --- declarations (parse_declarations.cpp) ---
  void header();
  void declarations();
  void dim();
  void weight();
  void state();
  StateSpec state_spec();
  void constant();
  void elements(Tensor& tensor);
  void parameters();
  void outputs();

  // --- statements (parse_statements.cpp) ---
  void statements(int depth);
  void statement(int depth);
  void loop(int depth);
  void cond(std::vector<Reference> results, int depth);
  std::vector<ValueId> branch(Draft::OpenCond& cond, int depth);
  std::vector<ValueId> next();
  std::vector<Reference> references(bool in_carry);
  Suffix suffix();
  void hint(Suffix& suffix);
  Location location();
  void check_tokens(const std::vector<Reference>& listed, std::vector<int> used, std::string_view what, Location line);
  void define(std::string_view name, ValueId value);
  void check_new(std::string_view name) const;
  void check_size() const;

  // --- expressions (parse_expressions.cpp) ---
  Call expression();
  Call call();
  void argument(Call& call, std::size_t& position);
  void named_argument(Call& call, std::string_view name);
  Attribute attribute(AttributeKind kind);
  void refuse_nested() const;
  void refuse_chained() const;
  void refuse_infix() const;
  Atom atom();
  ValueId weight_use();
  ValueId constant_use();
  std::pair<ValueId, Affine> loop_index(const Dim& index);
  ValueId lookup(std::string_view name) const;
  ValueId value_of(const Atom& atom);
  std::vector<ValueId> values_of(const Call& call);
  const OpDef& find_op(std::string_view name) const;

  std::shared_ptr<std::vector<std::string>> files_;  // the text itself first; its buffer never moves
  Lexer lexer_;
  Token token_;
  const OpSet& ops_;
  std::size_t text_bytes_;
  Draft draft_;
  std::vector<Names> scopes_;  // what a name means, innermost last
  Names names_;                // every name of a value that was ever defined
  std::map<std::string, int, std::less<>> weights_, states_, constants_;
  std::vector<std::pair<std::string_view, TensorType>> outputs_;
};

}  // namespace openinfer
