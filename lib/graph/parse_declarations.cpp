// SPDX-License-Identifier: Apache-2.0
// The first line, dims, weights, states, constants, and the graph's signature.
#include <algorithm>

#include "lib/graph/parser.h"
#include "lib/graph/verifier.h"

namespace openinfer {

void Parser::header() {
  advance();
  if (!is_word("oig")) refuse("a graph text starts with 'oig 1' but {}", found());
  advance();
  const std::int64_t version = integer();
  if (version != 1)
    fail_at(here(), ErrorCode::unsupported, "[oig] the text has version {}; this library reads version 1", version);
}

void Parser::declarations() {
  for (;; check_size()) {
    if (is_word("dim"))
      dim();
    else if (is_word("weight"))
      weight();
    else if (is_word("state"))
      state();
    else if (is_word("const"))
      constant();
    else if (is_word("graph"))
      return;
    else
      refuse("expected dim, weight, state, const or graph but {}", found());
  }
}

/// "dim" INT "<=" NAME "<=" INT
void Parser::dim() {
  const Location line = here();
  advance();
  const std::int64_t min = integer();
  expect("<=");
  const std::string_view name = expect_name("the dimension's name");
  expect("<=");
  const auto& dims = draft_.g.dims;
  if (std::any_of(dims.begin(), dims.end(), [&](const DimDecl& d) { return d.name == name; }))
    fail_at(line, kInvalid, "[dim] '{}' is declared twice", name);
  draft_.declare_dim(name, min, integer(), line);
}

/// "weight" "@" KEY ":" DTYPE {"|" DTYPE} shape, each {} of a family's key holding its half-open range.
void Parser::weight() {
  const Location line = here();
  advance();
  if (token_.kind != Kind::weight) refuse("expected a weight's @key but {}", found());
  WeightDecl decl;
  for (std::string_view rest = token_.text; !rest.empty();) {
    const std::size_t brace = std::min(rest.find('{'), rest.size());
    decl.pattern += rest.substr(0, brace);
    rest.remove_prefix(brace);
    if (rest.empty()) break;
    inside(rest.substr(1, rest.find('}') - 1), [&] {
      const std::int64_t from = integer();
      expect("..");
      decl.ranges.emplace_back(from, integer());
    });
    decl.pattern += "{}";
    rest.remove_prefix(rest.find('}') + 1);
  }
  advance();
  expect(":");
  do decl.dtypes.push_back(dtype());
  while (accept("|"));
  std::sort(decl.dtypes.begin(), decl.dtypes.end());
  if (std::adjacent_find(decl.dtypes.begin(), decl.dtypes.end()) != decl.dtypes.end())
    fail_at(line, kInvalid, "[weight] @{} names a dtype twice", decl.pattern);
  decl.shape = shape();
  if (weights_.contains(decl.pattern)) fail_at(line, kInvalid, "[weight] @{} is declared twice", decl.pattern);
  verify_weight_decl(decl, line);
  const std::string pattern = decl.pattern;
  weights_[pattern] = draft_.declare_weight(std::move(decl), line);
}

/// "state" "$" NAME ":" ("kv_cache" | "tensor") "(" args ")"
void Parser::state() {
  const Location line = here();
  advance();
  if (token_.kind != Kind::state) refuse("expected a state's $name but {}", found());
  const std::string name(token_.text);
  advance();
  expect(":");
  StateSpec spec = state_spec();
  for (const Dim& d : spec.shape) verify_size(draft_.g, d, "state $" + name, line);
  states_[name] = draft_.declare_state(name, std::move(spec), line);
}

StateSpec Parser::state_spec() {
  const std::string_view kind = expect_name("kv_cache or tensor");
  if (kind != "kv_cache" && kind != "tensor") refuse("a state is a kv_cache or a tensor, not '{}'", kind);
  expect("(");
  const DType element = dtype();
  std::map<std::string_view, Shape> sizes;
  while (accept(",")) {
    const std::string_view name = expect_name("a size");
    expect("=");
    Shape value = kind == "tensor" ? shape() : Shape{affine()};
    if (!sizes.emplace(name, std::move(value)).second) refuse("'{}' is given twice", name);
  }
  expect(")");
  const auto take = [&](std::string_view name) {
    const auto found = sizes.find(name);
    if (found == sizes.end()) refuse("the {} lacks {}=…", kind, name);
    Shape value = std::move(found->second);
    sizes.erase(found);
    return value;
  };
  StateSpec spec{StateSpec::Kind::tensor, element, {}};
  if (kind == "tensor") {
    spec.shape = take("shape");
  } else {
    spec.kind = StateSpec::Kind::kv_cache;
    for (std::string_view name : {"layers", "slots", "heads", "capacity", "head_dim"})
      spec.shape.push_back(take(name)[0]);
  }
  if (!sizes.empty()) refuse("a {} has no size '{}'", kind, sizes.begin()->first);
  return spec;
}

/// "const" "#" NAME ":" type "=" "{" [NUMBER {"," NUMBER}] "}"
void Parser::constant() {
  const Location line = here();
  advance();
  if (token_.kind != Kind::constant) refuse("expected a constant's #name but {}", found());
  const std::string name(token_.text);
  advance();
  expect(":");
  const DType element = dtype();
  Extents extents;
  for (const Dim& d : shape()) {
    if (!d.is_constant()) refuse("a constant's shape has numbers only, not {}", d.to_string());
    extents.push_back(d.constant());
  }
  if (info(element).block_size != 1)
    fail_at(line, ErrorCode::dtype_mismatch, "[constant] '{}' cannot be {}: constants have plain dtypes", name,
            openinfer::name(element));
  if (element_count(extents) > static_cast<std::int64_t>(text_bytes_))
    refuse("#{} wants {} elements, more than the text has room for", name, element_count(extents));
  Tensor tensor(element, std::move(extents), line);
  expect("=");
  elements(tensor);
  constants_[name] = draft_.declare_constant(name, std::move(tensor), line);
}

void Parser::elements(Tensor& tensor) {
  const auto count = static_cast<std::size_t>(tensor.count());
  const auto bytes = tensor.mutable_bytes();
  expect("{");
  for (std::size_t i = 0; i < count; ++i) {
    if (i) expect(",");
    const Location line = here();
    parse_element(number(), tensor.dtype(), bytes, i, line);
  }
  if (!is_symbol("}")) refuse("expected '}}' behind {} elements but {}", count, found());
  advance();
}

/// "graph" "(" params ")" "->" "(" params ")" "{"
void Parser::parameters() {
  expect_word("graph");
  expect("(");
  while (!is_symbol(")")) {
    if (!draft_.g.inputs.empty()) expect(",");
    const Location line = here();
    const std::string_view name = expect_name("an input's name");
    expect(":");
    TensorType input = type();
    for (const Dim& d : input.shape) verify_size(draft_.g, d, fmt::format("input '{}'", name), line);
    define(name, draft_.add_input(name, std::move(input), line));
    check_size();
  }
  expect(")");
  expect("->");
  expect("(");
  while (!is_symbol(")")) {
    if (!outputs_.empty()) expect(",");
    const std::string_view name = expect_name("an output's name");
    expect(":");
    outputs_.emplace_back(name, type());
    check_size();
  }
  expect(")");
  expect("{");
}

/// "return" atoms "}"
void Parser::outputs() {
  expect_word("return");
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (i) expect(",");
    const Location line = here();
    const auto& [name, claim] = outputs_[i];
    const ValueId value = value_of(atom());
    const TensorType& type = draft_.g.values[value].type;
    if (type != claim)
      fail_at(line, type.dtype != claim.dtype ? ErrorCode::dtype_mismatch : ErrorCode::shape_mismatch,
              "[output] '{}' is declared as {} and returned as {}", name, claim.to_string(), type.to_string());
    draft_.add_output(name, value, line);
  }
  expect("}");
  if (token_.kind != Kind::end) refuse("the graph is over but {}", found());
}

}  // namespace openinfer
