// SPDX-License-Identifier: Apache-2.0
// Small operators from outside the library: enough to test what a session does around a node, whatever the library's
// own operators are.
#pragma once

#include <atomic>

#include "openinfer/op_def.h"
#include "openinfer/openinfer.h"

namespace sim_test {

using namespace openinfer;

/// a + b, f32 or i32, equal shapes or b a scalar. Runs its rows through parallel_for.
const OpDef& plus_op();
/// a · x (N, K) by rows of a stored w (M, K): y[n, m] = Σ_k x[n, k] · w[m, k], f32. w may be transposed in the package.
const OpDef& dot_op();
/// The operand itself, as a view of its bytes.
const OpDef& same_op();
/// a < b on i32 scalars, as bool.
const OpDef& less_op();
/// Throws for negative elements; counts its runs in `count_runs`.
const OpDef& checked_op();
/// A tensor state's contents without a copy, and their replacement.
const OpDef& peek_op();
const OpDef& poke_op();

std::atomic<int>& checked_runs();  // of checked_op since the test set it to 0

Value plus(const In& a, const In& b, At at = {});
Value dot(const In& x, const In& w, At at = {});
Value same(const In& a, At at = {});
Value less(const In& a, const In& b, At at = {});
Value checked(const In& a, At at = {});
Value peek(const State& state, At at = {});
void poke(const State& state, const In& value, At at = {});

/// The f32 values of a tensor.
std::vector<float> floats(const Tensor& tensor);
template <class T>
Tensor of(std::initializer_list<T> values, Extents shape) {
  return Tensor(std::vector<T>(values), std::move(shape));
}
Tensor row(std::vector<float> values);  // (1, n)

/// The message of the Error that `f` throws; empty if it throws none.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

/// The message without its line, which must be there: that of the session's caller (error_place_test.cpp).
template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.where().empty() ? "no line: " + e.message() : e.message();
  }
  return {};
}

}  // namespace sim_test
