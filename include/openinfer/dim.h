// SPDX-License-Identifier: Apache-2.0
// Symbolic dimensions: an affine expression c + Σ k·symbol over the graph's named dimensions, and what is made of
// them: the shape and the type of a value. A session binds every symbol to a number.
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openinfer/dtype.h"
#include "openinfer/location.h"

namespace openinfer {

struct DimIn;
struct FactorIn;

/// One dimension. Plain integers convert to it; symbols come from GraphBuilder::dim.
/// Arithmetic that leaves the range of 62-bit integers is an Error(invalid_argument) with the user's line.
class Dim {
 public:
  struct Term {
    std::string symbol;
    std::int64_t factor;
    bool operator==(const Term&) const = default;
  };

  Dim(std::int64_t value = 0) : constant_(value) {}
  Dim(int value) : constant_(value) {}
  static Dim symbol(std::string_view name);

  bool is_constant() const { return terms_.empty(); }
  /// The constant part: the whole value when is_constant().
  std::int64_t constant() const { return constant_; }
  const std::vector<Term>& terms() const { return terms_; }  // sorted by symbol, no zero factors

  /// The value under a binding of symbols; nothing if a symbol is unbound. Throws on overflow.
  std::optional<std::int64_t> value(const std::function<std::optional<std::int64_t>(std::string_view)>& bound) const;

  friend Dim operator+(const Dim& a, const DimIn& b);
  friend Dim operator-(const Dim& a, const DimIn& b);
  friend Dim operator*(const Dim& a, const FactorIn& k);
  friend Dim operator*(std::int64_t k, const DimIn& a);
  /// The same with errors that name no line: for code that knows a better one than its own.
  Dim plus(const Dim& b) const;
  Dim times(std::int64_t k) const;
  bool operator==(const Dim&) const = default;

  /// As the graph text writes it: "576", "N", "2*N + 1".
  std::string to_string() const;

 private:
  std::int64_t constant_ = 0;
  std::vector<Term> terms_;
};

/// The right operand of arithmetic on dimensions, and the line it was written on.
struct DimIn {
  template <std::convertible_to<Dim> D>
  DimIn(const D& dim, At at = {}) : dim(dim), at(at) {}
  Dim dim;
  Location at;
};
struct FactorIn {
  template <std::integral T>
  FactorIn(T factor, At at = {}) : factor(static_cast<std::int64_t>(factor)), at(at) {}
  std::int64_t factor;
  Location at;
};

using Shape = std::vector<Dim>;
/// "(N, 576)": as errors write a shape.
std::string to_string(const Shape& shape);

/// dtype and shape of a value: printed as in the graph text, "f32[N, 576]".
struct TensorType {
  DType dtype = DType::f32;
  Shape shape;

  bool operator==(const TensorType&) const = default;
  std::string to_string() const;
};

/// True if both shapes have the same number of elements for every binding of the symbols, as far as dividing out
/// equal factors can show: (N, 576) and (N, 9, 64) do.
bool same_size(const Shape& a, const Shape& b);

}  // namespace openinfer
