// SPDX-License-Identifier: Apache-2.0
// What an elementwise operator does to one element, as a value that a code generator can walk: the generic lambda that
// computes the reference also runs on ScalarExpr, and prints itself in every language.
//
//   const auto x = ScalarExpr::parameter("x", ScalarKind::f32);
//   const ScalarExpr y = x / (ScalarExpr(1) + exp(-x));      // to_string(y) == "x / (1 + exp(-x))"
//
// Functions of an expression are friends, found by its type alone: lambdas write `using std::exp;` and call exp(x).
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "openinfer/dtype.h"

namespace openinfer {

/// What arithmetic happens in. `literal`: a number that takes the kind of what it meets.
enum class ScalarKind : std::uint8_t { literal, boolean, i32, u32, i64, u64, f32, f64 };

/// The kind that elements of a plain dtype are computed in: f16 and bf16 in f32; i8 and i16 in i32, u8 and u16 in u32,
/// of which a store keeps the low bits; 8-bit floats are their bits, in u32. Errors: unsupported for other dtypes that
/// are not plain.
ScalarKind compute_kind(DType dtype);
std::string_view name(ScalarKind kind);  // "f32"
bool is_float(ScalarKind kind);
bool is_signed_int(ScalarKind kind);
bool is_int(ScalarKind kind);
/// Bits of a value, 1 for boolean, 0 for a literal.
int bits_of(ScalarKind kind);

// clang-format off
enum class ScalarOp : std::uint8_t {
  parameter, constant,
  neg, abs,                        // numbers; integers wrap
  add, sub, mul,                   // two numbers of one kind; integers wrap
  div,                             // floats; integers: towards zero, never by 0 nor the least by -1
  eq, ne, lt, le, gt, ge,          // -> boolean, as C++ has them: with a NaN only ne is true. lt … ge: not of booleans
  logical_not, logical_and, logical_or,     // booleans; both operands may be computed
  bit_not, bit_and, bit_or, bit_xor,        // integers
  shift_left, shift_right,         // integers by an amount in [0, bits) of the same kind; right keeps the sign of signed
  select,                          // condition ? a : b; both may be computed
  convert,                         // between kinds: see convert()
  bit_cast,                        // f32, i32, u32 among each other; f64, i64, u64 likewise
  floor, round_even,               // floats: to an integral value, downwards / to nearest with ties to even
  fma,                             // floats: a * b + c with one rounding
  narrow,                          // as if stored in an element of dtype() and loaded again
  call,                            // name() of the operands; the result has the operands' kind
};
// clang-format on

class ScalarExpr {
 public:
  /// The literal 0.
  ScalarExpr();
  /// A literal. Wider integers have constant() and from_bits().
  template <class N>
  requires(std::floating_point<N> || (std::integral<N> && sizeof(N) <= 4)) explicit ScalarExpr(N number)
      : ScalarExpr(Literal{static_cast<double>(number)}) {}

  static ScalarExpr parameter(std::string name, ScalarKind kind);
  /// `value` in `kind`: floats to nearest. Errors: invalid_argument if an integer or boolean kind does not hold it.
  static ScalarExpr constant(ScalarKind kind, double value);
  /// The constant whose bit pattern is the low bits of `bits`.
  static ScalarExpr from_bits(ScalarKind kind, std::uint64_t bits);
  /// The function `name`, which a renderer knows or finds in codegen/kernels. At least one operand that has a kind.
  static ScalarExpr call(std::string name, std::vector<ScalarExpr> operands);

  ScalarOp op() const;
  ScalarKind kind() const;
  std::span<const ScalarExpr> operands() const;
  /// Of a parameter or call; of any other a hint for the name of a temporary, mostly empty.
  const std::string& name() const;
  /// Of a constant: its bit pattern, zero-extended (a literal's is that of a double), and its value as a double, which
  /// 64-bit integers beyond 2^53 do not fit.
  std::uint64_t bits() const;
  double value() const;
  DType dtype() const;  // of narrow
  /// Equal for expressions that are one and the same node: what is shared is computed once.
  const void* id() const { return node_.get(); }

  /// The same with a hint: code generators that give it a temporary call it so.
  ScalarExpr named(std::string hint) const;
  /// A literal (or arithmetic on literals) in `kind`; anything else must be of that kind already (dtype_mismatch).
  ScalarExpr as(ScalarKind kind) const;
  /// The same operation on other operands: how an expression is rewritten.
  ScalarExpr with_operands(std::vector<ScalarExpr> operands) const;

  friend ScalarExpr operator-(const ScalarExpr& a);
  friend ScalarExpr operator+(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator-(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator*(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator/(const ScalarExpr& a, const ScalarExpr& b);
  // Comparisons of booleans come out as logic: false < true.
  friend ScalarExpr operator==(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator!=(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator<(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator<=(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator>(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator>=(const ScalarExpr& a, const ScalarExpr& b);
  // On booleans the bit operators are logic.
  friend ScalarExpr operator!(const ScalarExpr& a);
  friend ScalarExpr operator&&(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator||(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator~(const ScalarExpr& a);
  friend ScalarExpr operator&(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator|(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator^(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr operator<<(const ScalarExpr& a, int amount);
  friend ScalarExpr operator>>(const ScalarExpr& a, int amount);
  friend ScalarExpr operator<<(const ScalarExpr& a, const ScalarExpr& amount);
  friend ScalarExpr operator>>(const ScalarExpr& a, const ScalarExpr& amount);

  friend ScalarExpr select(const ScalarExpr& condition, const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr abs(const ScalarExpr& a);
  /// As the operators min and max: the smaller or larger, a if they are equal, NaN if either is one.
  friend ScalarExpr min(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr max(const ScalarExpr& a, const ScalarExpr& b);
  friend ScalarExpr floor(const ScalarExpr& a);
  friend ScalarExpr round_even(const ScalarExpr& a);
  friend ScalarExpr fma(const ScalarExpr& a, const ScalarExpr& b, const ScalarExpr& c);
  /// Floats to nearest, ties to even; float to integer towards zero, saturating, NaN to 0; integers keep the low bits;
  /// to boolean: not 0; from boolean: 0 or 1.
  friend ScalarExpr convert(const ScalarExpr& a, ScalarKind kind);
  friend ScalarExpr bit_cast(const ScalarExpr& a, ScalarKind kind);
  /// What a store to `dtype` and a load leave of `a`, whose kind is compute_kind(dtype).
  friend ScalarExpr narrow(const ScalarExpr& a, DType dtype);

  friend ScalarExpr exp(const ScalarExpr& a);
  friend ScalarExpr log(const ScalarExpr& a);
  friend ScalarExpr sqrt(const ScalarExpr& a);
  friend ScalarExpr rsqrt(const ScalarExpr& a);
  friend ScalarExpr sin(const ScalarExpr& a);
  friend ScalarExpr cos(const ScalarExpr& a);
  friend ScalarExpr tanh(const ScalarExpr& a);
  friend ScalarExpr erf(const ScalarExpr& a);
  friend ScalarExpr log1p(const ScalarExpr& a);
  friend ScalarExpr expm1(const ScalarExpr& a);
  friend ScalarExpr pow(const ScalarExpr& a, const ScalarExpr& b);

 private:
  struct Node;
  struct Literal {
    double value;
  };
  explicit ScalarExpr(Literal literal);
  explicit ScalarExpr(Node node);
  static ScalarExpr unary(ScalarOp op, const ScalarExpr& a);
  static ScalarExpr binary(ScalarOp op, const ScalarExpr& a, const ScalarExpr& b);
  static ScalarExpr comparison(ScalarOp op, const ScalarExpr& a, const ScalarExpr& b);
  static ScalarExpr function(const char* name, const ScalarExpr& a);

  std::shared_ptr<const Node> node_;
};

std::string_view name(ScalarOp op);  // "shift_left"

/// Reads as C++: "x / (1 + exp(-x))". What is shared comes first: "t0 = x * x; t0 * t0", by its hint if it has one.
std::string to_string(const ScalarExpr& e);

}  // namespace openinfer
