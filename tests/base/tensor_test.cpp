// SPDX-License-Identifier: Apache-2.0
#include "openinfer/tensor.h"

#include <catch2/catch.hpp>
#include <thread>

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

TEST_CASE("copies in threads of their own are read, written and dropped independently") {
  for (int round = 0; round < 20; ++round) {
    const Tensor original(std::vector<float>(256, 1.f), {256});
    std::vector<float> sums(4);
    std::vector<std::thread> users;
    for (std::size_t u = 0; u < sums.size(); ++u)
      users.emplace_back([u, &sums, own = original]() mutable {
        const Tensor kept = own;
        own.mutable_data<float>()[u] = 2;
        for (const float x : kept.data<float>()) sums[u] += x;
        for (const float x : own.data<float>()) sums[u] += x;
      });
    for (std::thread& user : users) user.join();
    CHECK(sums == std::vector<float>(4, 513.f));
  }
}

TEST_CASE("the last holder writes in place what another thread has read and dropped") {
  for (int round = 0; round < 200; ++round) {
    Tensor mine(std::vector<float>(64, 1.f), {64});
    float sum = 0;
    std::thread reader([&sum, copy = mine] {
      for (const float x : copy.data<float>()) sum += x;
    });
    mine.mutable_data<float>()[0] = 5;  // perhaps a copy is made, perhaps none is needed any more
    reader.join();
    CHECK(sum == 64);
    CHECK(mine.data<float>()[0] == 5);
  }
}

}  // namespace openinfer
