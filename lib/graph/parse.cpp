// SPDX-License-Identifier: Apache-2.0
// Entry, words, dimensions and types.
#include <algorithm>
#include <charconv>

#include "lib/graph/parser.h"
#include "lib/graph/verify.h"

namespace openinfer {
namespace {

// What a text may make us allocate is bounded by its length, and that by these.
constexpr std::size_t kMaxFiles = 4096;

}  // namespace

Graph parse_graph(std::string_view text, std::string_view file) { return parse_graph(text, file, OpSet::builtin()); }

Graph parse_graph(std::string_view text, std::string_view file, const OpSet& ops) {
  auto data = Parser(text, file, ops).graph();
  verify(*data);
  return Graph(std::move(data));
}

Parser::Parser(std::string_view text, std::string_view file, const OpSet& ops)
    : files_(std::make_shared<std::vector<std::string>>()), lexer_(text, nullptr), ops_(ops), text_bytes_(text.size()) {
  files_->reserve(kMaxFiles);
  files_->emplace_back(file.substr(0, file.find('\0')));
  lexer_ = Lexer(text, files_->front().c_str());
  scopes_.emplace_back();
  if (text.size() > kMaxGraphText)
    refuse("the text has more than the {} MiB that a graph has at most", kMaxGraphText >> 20);
}

std::shared_ptr<const GraphData> Parser::graph() {
  try {
    header();
    declarations();
    parameters();
    statements(0);
    outputs();
    draft_.g.files = files_;
    return draft_.finish(here());
  } catch (const Error& e) {
    if (!e.where().empty()) throw;
    throw Error(e.code(), e.message(), here());
  }
}

Token Parser::peek() const {
  Lexer ahead = lexer_;
  return ahead.next();
}

bool Parser::accept(std::string_view symbol) {
  if (!is_symbol(symbol)) return false;
  advance();
  return true;
}

std::string Parser::found() const {
  constexpr std::size_t kShown = 40;
  switch (token_.kind) {
    case Kind::end: return "the text ends";
    case Kind::name:
    case Kind::number:
    case Kind::symbol: return fmt::format("found '{}'", token_.text.substr(0, kShown));
    case Kind::text: return fmt::format("found \"{}\"", token_.text.substr(0, kShown));
    case Kind::weight: return fmt::format("found '@{}'", token_.text.substr(0, kShown));
    case Kind::constant: return fmt::format("found '#{}'", token_.text.substr(0, kShown));
    case Kind::state: return fmt::format("found '${}'", token_.text.substr(0, kShown));
  }
  return "";
}

void Parser::expect(std::string_view symbol) {
  if (!accept(symbol)) refuse("expected '{}' but {}", symbol, found());
}

void Parser::expect_word(std::string_view word) {
  if (!is_word(word)) refuse("expected '{}' but {}", word, found());
  advance();
}

std::string_view Parser::expect_name(std::string_view what) {
  if (token_.kind != Kind::name) refuse("expected {} but {}", what, found());
  const std::string_view name = token_.text;
  advance();
  return name;
}

std::int64_t Parser::integer() {
  const std::string sign = accept("-") ? "-" : "";
  const std::string digits = sign + std::string(token_.text);
  std::int64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (token_.kind != Kind::number || read.ptr != digits.data() + digits.size() ||
      read.ec == std::errc::invalid_argument)
    refuse("expected an integer but {}", found());
  if (read.ec != std::errc()) refuse("{} does not fit 64 bits", digits);
  advance();
  return value;
}

bool Parser::at_number() const {
  return token_.kind == Kind::number || is_symbol("-") || is_word("inf") || is_word("nan") || is_word("true") ||
         is_word("false");
}

NumberText Parser::number() {
  NumberText number{accept("-"), token_.text};
  if (!at_number() || is_symbol("-")) refuse("expected a number but {}", found());
  advance();
  if (number.digits == "nan" && accept("(")) {
    number.nan_bits = token_.text;
    advance();
    expect(")");
  }
  return number;
}

/// term {("+" | "-") term}, term = [INT "*"] NAME | INT
Dim Parser::affine() {
  constexpr int kMaxTerms = 64;
  Dim sum;
  std::int64_t sign = accept("-") ? -1 : 1;
  for (int terms = 0;; ++terms) {
    if (terms == kMaxTerms) refuse("an expression has at most {} terms", kMaxTerms);
    const bool counted = token_.kind == Kind::number;
    const std::int64_t factor = sign * (counted ? integer() : 1);
    const bool constant = counted && !accept("*");
    sum = sum.plus((constant ? Dim(1) : Dim::symbol(expect_name("a dimension"))).times(factor));
    if (!is_symbol("+") && !is_symbol("-")) return sum;
    sign = is_symbol("+") ? 1 : -1;
    advance();
  }
}

Shape Parser::shape() {
  constexpr std::size_t kMaxDims = 64;
  Shape shape;
  expect("[");
  while (!is_symbol("]")) {
    if (!shape.empty()) expect(",");
    shape.push_back(affine());
    if (shape.size() > kMaxDims) refuse("a list has at most {} entries", kMaxDims);
  }
  expect("]");
  return shape;
}

DType Parser::dtype() {
  const auto dtype = token_.kind == Kind::name ? dtype_from_name(token_.text) : std::nullopt;
  if (!dtype) refuse("expected a dtype but {}", found());
  advance();
  return *dtype;
}

TensorType Parser::type() {
  const DType element = dtype();
  return {element, shape()};
}

}  // namespace openinfer
