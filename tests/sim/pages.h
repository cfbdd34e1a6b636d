// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sim_test {

/// Pages of these bytes that this process has mapped in, by /proc/self/pagemap (bit 63: present). Unlike mincore it
/// does not count what the file's cache holds because somebody else, or the test itself, wrote it.
inline std::size_t present_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<std::uintptr_t>(bytes.data()) / page;
  const auto last = (reinterpret_cast<std::uintptr_t>(bytes.data()) + bytes.size() - 1) / page;
  std::vector<std::uint64_t> entries(last - first + 1);
  const int file = ::open("/proc/self/pagemap", O_RDONLY);
  REQUIRE(file >= 0);
  const auto size = static_cast<ssize_t>(entries.size() * sizeof(std::uint64_t));
  REQUIRE(::pread(file, entries.data(), static_cast<std::size_t>(size),
                  static_cast<off_t>(first * sizeof(std::uint64_t))) == size);
  ::close(file);
  std::size_t present = 0;
  for (std::uint64_t e : entries) present += e >> 63;
  return present;
}

}  // namespace sim_test
