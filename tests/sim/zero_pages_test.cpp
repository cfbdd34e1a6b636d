// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/zero_pages.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>

#include "pages.h"

using namespace openinfer;
using sim_test::present_pages;

namespace {

constexpr std::size_t kSize = (std::size_t{64} << 20) + 12345;

/// Bytes at the edges of the memory, of pages and of the pieces that the map of pages is read in, and in between.
const std::size_t kWritten[] = {0,        4095,     4096,     81919,         1 << 20,  (16 << 20) - 1,
                                16 << 20, 33554431, 40000001, kSize - 12346, kSize - 1};

std::span<std::byte> odd_part(ZeroPages& pages) { return pages.bytes().subspan(5, kSize - 1000); }

}  // namespace

TEST_CASE("what was written is copied, and what nobody touched stays untouched") {
  ZeroPages from(kSize), to(kSize);
  for (const std::size_t at : kWritten) from.bytes()[at] = static_cast<std::byte>(at % 251 + 1);
  const std::size_t before = present_pages(from.bytes());
  copy_nonzero_pages(from.bytes(), to.bytes());
  CHECK(present_pages(from.bytes()) == before);
  CHECK(present_pages(to.bytes()) <= std::size(kWritten));
  CHECK(std::ranges::equal(from.bytes(), to.bytes()));
}

TEST_CASE("memory that begins and ends within pages is copied to the byte") {
  ZeroPages from(kSize), to(kSize);
  std::ranges::fill(from.bytes().first(9000), std::byte{1});
  std::ranges::fill(from.bytes().last(9000), std::byte{2});
  copy_nonzero_pages(odd_part(from), odd_part(to));
  CHECK(std::ranges::equal(odd_part(from), odd_part(to)));
  CHECK(std::ranges::count(to.bytes().first(5), std::byte{0}) == 5);
  CHECK(std::ranges::count(to.bytes().last(995), std::byte{0}) == 995);
  copy_nonzero_pages({}, {});
}
