// SPDX-License-Identifier: Apache-2.0
#include "lib/base/byte_size.h"

#include <catch2/catch.hpp>

using openinfer::byte_size;

TEST_CASE("sizes in bytes as users write them") {
  CHECK(byte_size("4096") == 4096);
  CHECK(byte_size("64MiB") == std::int64_t{64} << 20);
  CHECK(byte_size("1.5GiB") == std::int64_t{3} << 29);
  CHECK(byte_size("0.5KiB") == 512);
  for (const char* none : {"", "0", "-1", "1.5", "64MB", "MiB", "1e3", "1..5GiB", "99999999999GiB", "4 KiB"})
    CHECK(!byte_size(none));
}
