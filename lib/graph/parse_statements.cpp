// SPDX-License-Identifier: Apache-2.0
// Lines of a body: assignments, loops and branches.
#include <algorithm>
#include <limits>

#include "lib/graph/parser.h"
#include "lib/graph/verify.h"

namespace openinfer {
namespace {

std::string type_list(const std::vector<TensorType>& types) {
  std::string text;
  for (const TensorType& type : types) text += (text.empty() ? "" : ", ") + type.to_string();
  return text.empty() ? "no result" : text;
}

}  // namespace

void Parser::check_size() const {
  const auto limit = [&](std::size_t count, std::size_t most, std::string_view what) {
    if (count > most) refuse("the graph has more than {} {}", most, what);
  };
  limit(draft_.g.nodes.size(), kMaxNodes, "nodes");
  limit(draft_.g.regions.size(), kMaxRegions, "loops and branches");
  limit(draft_.g.inputs.size() + draft_.g.dims.size(), kMaxDeclarations, "inputs and dimensions");
  limit(draft_.g.weights.size() + draft_.g.constants.size(), kMaxNodes / 16, "weights and constants");
  limit(draft_.g.states.size(), kMaxDeclarations, "states");
  limit(outputs_.size(), kMaxDeclarations, "outputs");
}

void Parser::check_new(std::string_view name) const {
  if (names_.contains(name)) refuse("'{}' is defined twice; a name stands for one value", name);
}

void Parser::define(std::string_view name, ValueId value) {
  names_[name] = value;
  scopes_.back()[name] = value;
}

void Parser::statements(int depth) {
  if (depth > kMaxNesting) refuse("loops and branches are nested more than {} deep", kMaxNesting);
  while (!is_symbol("}") && !is_word("next") && !is_word("return")) {
    statement(depth);
    check_size();
  }
}

/// [names "="] expr [":" types] ["%" "{" args "}"] ["at" FILE ":" INT], or a loop or branch
void Parser::statement(int depth) {
  if (is_word("for")) return loop(depth);
  if (is_word("if")) return cond({}, depth);
  const Location line = here();
  std::vector<Reference> results;
  const Token ahead = peek();
  if (token_.kind == Kind::state || (ahead.kind == Kind::symbol && (ahead.text == "=" || ahead.text == ","))) {
    results = references(false);
    expect("=");
    if (is_word("if")) return cond(std::move(results), depth);
  }
  std::vector<std::string> names;
  for (const Reference& r : results) {
    if (r.state >= 0) refuse("only an if lists states before its =");
    names.emplace_back(r.name);
  }
  Call call = expression();
  Suffix rest = suffix();
  const auto operands = values_of(call);
  const auto values =
      draft_.add_node(*call.op, operands, std::move(call.attributes), call.state, std::move(rest.hint), line, names);
  if (rest.at) draft_.g.nodes.back().at = rest.at;
  draft_.g.nodes.back().fused = rest.fused;
  if (values.size() != names.size())
    fail_at(line, kInvalid, "[{}] gives {} results and the text names {}", call.op->name, values.size(), names.size());
  std::vector<TensorType> types;
  for (std::size_t i = 0; i < values.size(); ++i) {
    define(results[i].name, values[i]);
    types.push_back(draft_.g.values[values[i]].type);
  }
  if (rest.claims.size() == 1 && types.size() > 1) rest.claims.resize(types.size(), rest.claims.front());
  if (!rest.claims.empty() && rest.claims != types)
    fail_at(line, ErrorCode::shape_mismatch, "[{}] the text says {} and inference gives {}", call.op->name,
            type_list(rest.claims), type_list(types));
}

/// In front of `=`: NAME | "$" NAME. Behind `carry`: also NAME "=" atom.
std::vector<Parser::Reference> Parser::references(bool in_carry) {
  std::vector<Reference> list;
  const auto repeated = [&](std::string_view name) {
    return std::any_of(list.begin(), list.end(), [&](const Reference& r) { return r.state < 0 && r.name == name; });
  };
  do {
    Reference r;
    if (token_.kind == Kind::state) {
      const auto state = states_.find(token_.text);
      if (state == states_.end()) refuse("no state is declared as ${}", token_.text);
      r.state = state->second;
      advance();
    } else {
      const std::string_view name = token_.text;
      if (token_.kind == Kind::name && repeated(name))
        refuse("'{}' stands here twice; write {}.1 = {}", name, name, name);
      r.name = expect_name("a name");
      const bool given = in_carry && accept("=");
      if (!in_carry || given) check_new(name);
      if (given) r.init = atom();
    }
    list.push_back(std::move(r));
    check_size();
  } while (accept(","));
  return list;
}

Parser::Suffix Parser::suffix() {
  Suffix suffix;
  if (accept(":")) {
    do suffix.claims.push_back(type());
    while (accept(","));
  }
  if (is_symbol("%")) hint(suffix);
  suffix.at = location();
  return suffix;
}

/// "%" "{" "fuse" ["=" BOOL] | "variant" "=" STRING | "tile" "=" "[" INT … "]" | "group" "=" INT "}"
void Parser::hint(Suffix& suffix) {
  hints& hint = suffix.hint;
  advance();
  expect("{");
  for (bool first = true; !is_symbol("}"); first = false) {
    if (!first) expect(",");
    const Location line = here();
    const std::string_view name = expect_name("a hint");
    if (name == "fuse") {
      hint.fuse = accept("=") ? std::get<bool>(attribute(AttributeKind::boolean)) : true;
    } else if (name == "variant") {
      expect("=");
      hint.variant = std::get<std::string>(attribute(AttributeKind::string));
    } else if (name == "tile") {
      expect("=");
      for (const Dim& d : shape()) {
        if (!d.is_constant()) fail_at(line, kInvalid, "[oig] a tile has numbers only, not {}", d.to_string());
        hint.tile.push_back(d.constant());
      }
    } else if (name == "group") {
      expect("=");
      const std::int64_t group = integer();
      if (group < 0 || group >= std::int64_t{kMaxNodes})
        fail_at(line, kInvalid, "[oig] a group's number is within 0..{}, not {}", kMaxNodes, group);
      suffix.fused = static_cast<int>(group);
    } else {
      fail_at(line, kInvalid, "[oig] no hint is called '{}'; there are fuse, variant, tile and group", name);
    }
  }
  expect("}");
}

/// ["at" FILE ":" INT]
Location Parser::location() {
  if (!is_word("at")) return {};
  Lexer::Place place = lexer_.place();
  advance();
  auto known = std::find(files_->begin() + 1, files_->end(), place.file);
  if (known == files_->end()) {
    if (files_->size() == files_->capacity()) refuse("the locations name more than {} files", files_->size() - 1);
    known = files_->insert(files_->end(), std::move(place.file));
  }
  return {known->c_str(), place.line};
}

/// The states that stand in a list must be the ones that the body uses.
void Parser::check_tokens(const std::vector<Reference>& listed, std::vector<int> used, std::string_view what,
                          Location line) {
  for (const Reference& r : listed) {
    if (r.state < 0) continue;
    const auto found = std::find(used.begin(), used.end(), r.state);
    if (found == used.end())
      fail_at(line, kInvalid, "[{}] lists ${}, which its body does not use, or lists it twice", what,
              draft_.g.states[r.state].name);
    used.erase(found);
  }
  if (!used.empty())
    fail_at(line, kInvalid, "[{}] the body uses ${}, which is not listed", what, draft_.g.states[used[0]].name);
}

/// "for" NAME "in" INT ".." INT ["carry" refs] ["at" FILE ":" INT] "{" {stmt} ["next" atoms] "}"
void Parser::loop(int depth) {
  const Location line = here();
  advance();
  check_new(token_.text);
  const std::string_view index = expect_name("the loop's index");
  expect_word("in");
  const std::int64_t from = integer();
  expect("..");
  const std::int64_t to = integer();
  std::vector<Reference> carried;
  if (is_word("carry")) {
    advance();
    carried = references(true);
  }
  const Location at = location();
  std::vector<std::string> names;
  std::vector<std::string_view> shown;
  std::vector<ValueId> init;
  for (const Reference& r : carried) {
    if (r.state >= 0) continue;
    names.emplace_back(r.name);
    shown.push_back(r.name);
    init.push_back(r.init ? value_of(*r.init) : lookup(r.name));
  }
  auto open = draft_.begin_loop(index, from, to, std::move(init), names, line);
  scopes_.emplace_back();
  define(index, open.arguments[0]);
  for (std::size_t i = 0; i < shown.size(); ++i) define(shown[i], open.arguments[i + 1]);
  expect("{");
  statements(depth + 1);
  const auto out = next();
  check_tokens(carried, draft_.scopes.back().token_states, "loop", line);
  const auto results = draft_.end_loop(std::move(open), out);
  if (at) draft_.g.nodes.back().at = at;
  scopes_.pop_back();
  for (std::size_t i = 0; i < shown.size(); ++i) define(shown[i], results[i]);
}

/// ["next" atoms] "}"
std::vector<ValueId> Parser::next() {
  std::vector<ValueId> values;
  if (is_word("next")) {
    advance();
    do {
      values.push_back(value_of(atom()));
      check_size();
    } while (accept(","));
  }
  expect("}");
  return values;
}

std::vector<ValueId> Parser::branch(Draft::OpenCond& cond, int depth) {
  expect("{");
  scopes_.emplace_back();
  draft_.begin_branch(cond);
  statements(depth + 1);
  auto values = next();
  draft_.end_branch(cond, values);
  scopes_.pop_back();
  return values;
}

/// [refs "="] "if" atom ["at" FILE ":" INT] body "else" body
void Parser::cond(std::vector<Reference> results, int depth) {
  const Location line = here();
  advance();
  const ValueId predicate = value_of(atom());
  const Location at = location();
  auto open = draft_.begin_cond(predicate, line);
  const auto values = branch(open, depth);
  expect_word("else");
  branch(open, depth);
  std::vector<std::string> names;
  std::vector<std::string_view> shown;
  for (const Reference& r : results) {
    if (r.state >= 0) continue;
    check_new(r.name);
    names.emplace_back(r.name);
    shown.push_back(r.name);
  }
  if (names.size() != values.size())
    fail_at(line, kInvalid, "[cond] the branches return {} values and the text names {}", values.size(), names.size());
  std::vector<int> used;
  for (const auto& scope : open.closed)
    for (int state : scope.token_states)
      if (std::find(used.begin(), used.end(), state) == used.end()) used.push_back(state);
  const auto ids = draft_.end_cond(std::move(open), names);
  if (at) draft_.g.nodes.back().at = at;
  check_tokens(results, std::move(used), "cond", line);
  for (std::size_t i = 0; i < ids.size(); ++i) define(shown[i], ids[i]);
}

}  // namespace openinfer
