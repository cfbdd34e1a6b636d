// SPDX-License-Identifier: Apache-2.0
// What a device may make of a value: the numbers without any rounding, and how far from them it may be.
#pragma once

#include <vector>

#include "openinfer/dtype.h"
#include "openinfer/tensor.h"

namespace openinfer::check {

/// Element by element, in the order of the value's own shape. A NaN or an infinity with an error of 0 must be there. An
/// infinity with a finite error is open-ended: it, or a number of its sign that is no smaller than the error.
struct Bounded {
  std::vector<double> value;  // without any rounding; NaN and infinities as arithmetic has them
  std::vector<double> error;  // how far a kernel within the rules may be from it, its store aside; infinity: anywhere
};
bool is_open_ended(double value, double error);

/// |fl(x) - x| ≤ unit · |x|: 2^-24 for f32. 0 for what holds whole numbers only.
double unit(DType dtype);
/// The nearest number that the dtype holds; f16 and bf16 by way of f32, as kernels store them.
double rounded(DType dtype, double x);
/// Most that an element may differ from the simulator's `stored`: every number within `error` of `value`, rounded by
/// the store. 0 where they all round to the same: f16 stores of exact numbers are held to the last bit.
double bound_of(DType dtype, double value, double error, double stored);

/// Elements as doubles; those of block formats decoded.
std::vector<double> numbers_of(DType dtype, const std::byte* elements, std::int64_t count);
std::vector<double> numbers_of(const Tensor& tensor);

/// Roundings that add up in a sum of n terms, in units of Σ|terms|, for any order of adding. n of them bound it surely
/// (Higham, Accuracy and Stability of Numerical Algorithms, 4.2); 8·√n do with a probability above 1 - 10^-13 for each
/// element, as roundings are independent of each other (Higham and Mary 2019, doi:10.1137/18M1226312: λ·√n·u holds with
/// probability 1 - 2·exp(-λ²/2)).
double roundings_of_sum(std::int64_t n);

}  // namespace openinfer::check
