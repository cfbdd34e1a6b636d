// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/binding.h"

#include <algorithm>

#include "lib/base/checked.h"
#include "lib/base/nearest.h"

namespace openinfer {
namespace {

bool mentions(const Dim& dim, std::string_view symbol) {
  return std::any_of(dim.terms().begin(), dim.terms().end(), [&](const auto& t) { return t.symbol == symbol; });
}

/// Names of the inputs in whose shapes the symbol stands.
std::vector<std::string_view> inputs_with(const GraphData& g, std::string_view symbol) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) {
    const Shape& shape = g.values[g.top().arguments[i]].type.shape;
    if (std::any_of(shape.begin(), shape.end(), [&](const Dim& d) { return mentions(d, symbol); }))
      names.push_back(g.inputs[i]);
  }
  return names;
}

}  // namespace

Binding::Binding(const GraphData& g, const std::map<std::string, std::int64_t>& dims)
    : g_(g), fixed_(g.dims.size()), fixed_source_(g.dims.size()) {
  for (const auto& entry : dims) {
    const auto& name = entry.first;
    const std::int64_t value = entry.second;
    const auto decl = std::find_if(g.dims.begin(), g.dims.end(), [&](const DimDecl& d) { return d.name == name; });
    if (decl == g.dims.end()) {
      std::vector<std::string_view> names;
      for (const DimDecl& d : g.dims) names.push_back(d.name);
      fail(ErrorCode::invalid_argument, "[dim] the graph has no dimension '{}'{}", name, nearest_hint(name, names));
    }
    const auto i = static_cast<std::size_t>(decl - g.dims.begin());
    fixed_source_[i] = "the session's options";
    check_bounds(i, value, fixed_source_[i]);
    fixed_[i] = value;
  }
  for (std::size_t i = 0; i < g.dims.size(); ++i)
    if (!fixed_[i] && inputs_with(g, g.dims[i].name).empty()) {
      fixed_[i] = g.dims[i].max;
      fixed_source_[i] = "its upper bound";
    }
  begin_step();
}

void Binding::begin_step() {
  values_ = fixed_;
  source_ = fixed_source_;
}

std::size_t Binding::index(std::string_view symbol) const {
  for (std::size_t i = 0; i < g_.dims.size(); ++i)
    if (g_.dims[i].name == symbol) return i;
  fail(ErrorCode::invalid_argument, "[dim] '{}' is not declared", symbol);
}

std::optional<std::int64_t> Binding::symbol_value(std::string_view symbol) const { return values_[index(symbol)]; }

void Binding::check_bounds(std::size_t symbol, std::int64_t value, const std::string& source) const {
  const DimDecl& decl = g_.dims[symbol];
  if (value < decl.min || value > decl.max)
    fail(ErrorCode::invalid_argument, "[dim] {} = {} is outside [{}, {}]; it comes from {}", decl.name, value, decl.min,
         decl.max, source);
}

bool Binding::unify(const Dim& dim, std::int64_t extent, std::string_view input, std::size_t axis) {
  const Dim::Term* unknown = nullptr;
  std::int64_t rest = extent;
  rest = checked_add(rest, -dim.constant());
  for (const Dim::Term& term : dim.terms()) {
    const std::size_t i = index(term.symbol);
    if (!values_[i]) {
      if (unknown) return false;
      unknown = &term;
      continue;
    }
    rest = checked_add(rest, -checked_multiply(term.factor, *values_[i]));
  }
  if (unknown ? rest % unknown->factor == 0 : rest == 0) {
    if (!unknown) return true;
    const std::size_t i = index(unknown->symbol);
    std::string source = fmt::format("dimension {} of input '{}'", axis, input);
    check_bounds(i, rest / unknown->factor, source);
    values_[i] = rest / unknown->factor;
    source_[i] = std::move(source);
    return true;
  }
  fail(ErrorCode::shape_mismatch, "[input] dimension {} of '{}' is {}, not {}{}", axis, input, extent, dim.to_string(),
       sources(dim));
}

std::string Binding::sources(const Dim& dim) const {
  std::string text;
  for (const Dim::Term& term : dim.terms()) {
    const std::size_t i = index(term.symbol);
    if (values_[i]) text += fmt::format(" ({} = {} from {})", term.symbol, *values_[i], source_[i]);
  }
  return text;
}

std::optional<std::int64_t> Binding::find(const Dim& dim) const {
  if (dim.is_constant()) return dim.constant();
  return dim.value([this](std::string_view symbol) { return symbol_value(symbol); });
}

std::int64_t Binding::value(const Dim& dim) const {
  if (dim.is_constant()) return dim.constant();
  const auto value = find(dim);
  return value ? *value : (unbound(dim), 0);
}

void Binding::unbound(const Dim& dim) const {
  for (const Dim::Term& term : dim.terms())
    if (!values_[index(term.symbol)])
      fail(ErrorCode::invalid_argument, "[dim] nothing binds {}: give input '{}', or set it in the session's options",
           term.symbol, fmt::join(inputs_with(g_, term.symbol), "' or '"));
  fail(ErrorCode::internal, "[dim] {} is bound and has no value", dim.to_string());
}

Extents Binding::extents(const Shape& shape) const {
  Extents extents;
  extents.reserve(shape.size());
  for (const Dim& dim : shape) extents.push_back(value(dim));
  return extents;
}

void Binding::fix(const Shape& shape, std::string_view why) {
  for (const Dim& dim : shape)
    for (const Dim::Term& term : dim.terms()) {
      const std::size_t i = index(term.symbol);
      if (fixed_[i]) continue;
      fixed_[i] = values_[i];
      fixed_source_[i] = why;
    }
}

}  // namespace openinfer
