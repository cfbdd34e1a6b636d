// SPDX-License-Identifier: Apache-2.0
// Bits of attention: a row alone, in a batch, in any cut of the work, and in a larger cache.
#include <catch2/catch.hpp>
#include <random>

#include "lib/ops/builtin.h"
#include "tests/ops/single_op.h"

namespace openinfer {
namespace {

using testing::Operand;
using testing::SingleOp;

Tensor random_tensor(std::mt19937& random, Extents shape) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  for (float& v : values) v = normal(random);
  return Tensor(values, std::move(shape));
}

Tensor ints(const std::vector<std::int32_t>& values) {
  return Tensor(values, {static_cast<std::int64_t>(values.size())});
}

Tensor row_of(const Tensor& t, std::int64_t n) {
  const auto row =
      t.data<float>().subspan(static_cast<std::size_t>(n * t.shape()[1]), static_cast<std::size_t>(t.shape()[1]));
  return Tensor(std::vector<float>(row.begin(), row.end()), {1, t.shape()[1]});
}

}  // namespace

TEST_CASE("a row of attention has the same bits alone, in a batch and in any cut") {
  std::mt19937 random(21);
  for (std::int64_t D : {16, 5}) {
    const Tensor k = random_tensor(random, {3, 2, 150, D}), v = random_tensor(random, {3, 2, 150, D});
    const Tensor q = random_tensor(random, {4, 4 * D});
    const std::vector<std::int32_t> pos = {149, 0, 64, 17}, slot = {0, 2, 1, 2};
    const auto attend = [&](const Tensor& query, std::vector<std::int32_t> p, std::vector<std::int32_t> s,
                            std::int64_t chunk) {
      return SingleOp{sdpa_op(), {query, k, v, Operand(), ints(p), ints(s)}, {}, nullptr, chunk}.run_one();
    };
    const Tensor all = attend(q, pos, slot, 0);
    CHECK(attend(q, pos, slot, 1) == all);
    CHECK(attend(q, pos, slot, 3) == all);
    for (std::int64_t n = 0; n < 4; ++n) {
      const auto at = static_cast<std::size_t>(n);
      CHECK(attend(row_of(q, n), {pos[at]}, {slot[at]}, 0) == row_of(all, n));
    }
  }
}

TEST_CASE("what lies beyond a row's position changes no bit") {
  std::mt19937 random(22);
  const Tensor k = random_tensor(random, {1, 1, 40, 16}), v = random_tensor(random, {1, 1, 40, 16});
  Tensor k_long(f32, {1, 1, 97, 16}), v_long = k_long;
  for (const auto& [from, to] : {std::pair{&k, &k_long}, std::pair{&v, &v_long}}) {
    const auto data = to->mutable_data<float>();
    std::fill(data.begin(), data.end(), NAN);
    std::copy(from->data<float>().begin(), from->data<float>().end(), data.begin());
  }
  const Tensor q = random_tensor(random, {1, 32});
  CHECK(SingleOp{sdpa_op(), {q, k_long, v_long, Operand(), ints({39}), Operand()}}.run_one() ==
        SingleOp{sdpa_op(), {q, k, v, Operand(), Operand(), Operand()}}.run_one());
}

TEST_CASE("a mask that hides the window's outside equals the window") {
  std::mt19937 random(23);
  const Tensor k = random_tensor(random, {1, 1, 50, 16}), v = random_tensor(random, {1, 1, 50, 16});
  const Tensor q = random_tensor(random, {1, 16});
  std::vector<std::uint8_t> last(50, 0);
  for (std::size_t j = 30; j < 43; ++j) last[j] = 1;
  const Attributes window = {{"window", std::int64_t{13}}};
  CHECK(SingleOp{sdpa_op(), {q, k, v, Tensor(last, {50}), ints({49}), Operand()}}.run_one() ==
        SingleOp{sdpa_op(), {q, k, v, Operand(), ints({42}), Operand()}, window}.run_one());
}

}  // namespace openinfer
