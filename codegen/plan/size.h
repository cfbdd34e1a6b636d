// SPDX-License-Identifier: Apache-2.0
// Sizes of a plan: products of affine expressions over the graph's symbols and the indices of the loops around:
// "N * 576", "l * slots * ctx * 192". Host code computes them once a step.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "openinfer/dim.h"

namespace openinfer::plan {

class Size {
 public:
  Size(std::int64_t constant = 1) : constant_(constant) {}
  Size(const Dim& dim);
  /// The number of elements of a shape.
  static Size count(const Shape& shape);

  bool is_constant() const { return factors_.empty(); }
  std::int64_t constant() const { return constant_; }           // the constant factor
  const std::vector<Dim>& factors() const { return factors_; }  // the others, none of them constant, sorted as text
  /// Under a binding of every symbol. Errors: invalid_argument beyond 62 bits or for an unbound symbol.
  std::int64_t value(const std::function<std::int64_t(std::string_view)>& bound) const;
  friend Size operator*(Size a, const Size& b);
  bool operator==(const Size&) const = default;
  /// A C++ (and GLSL) expression: "576", "N * 576", "(2 * N + 1) * ctx"; symbols as `name` spells them.
  std::string text(const std::function<std::string(std::string_view)>& name) const;
  std::string text() const;

 private:
  std::int64_t constant_ = 1;
  std::vector<Dim> factors_;
};

/// "2 * N + 1" with symbols as `name` spells them.
std::string text(const Dim& dim, const std::function<std::string(std::string_view)>& name);
/// The symbol, if the dimension is one symbol alone; else "".
std::string lone_symbol(const Dim& dim);

}  // namespace openinfer::plan
