// SPDX-License-Identifier: Apache-2.0
#include "openinfer/tensor.h"

#include <catch2/catch.hpp>

namespace openinfer {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 40;

std::int64_t count(const Extents& extents) { return element_count(extents); }

}  // namespace

TEST_CASE("a tensor with an extent of 0 has no elements, whatever the others are") {
  CHECK(count({kHuge, kHuge, 0}) == 0);
  CHECK(count({0, kHuge, kHuge}) == 0);
  CHECK(Tensor(DType::f32, {kHuge, 0, kHuge}).bytes().empty());
  CHECK(count({}) == 1);
  CHECK(count({2, 3, 5}) == 30);
  CHECK_THROWS_AS(count({kHuge, kHuge}), Error);
  CHECK_THROWS_AS(count({0, -1}), Error);
}

}  // namespace openinfer
