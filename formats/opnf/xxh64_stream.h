// SPDX-License-Identifier: Apache-2.0
// XXH64 over bytes that arrive in pieces: what writers and verification need and the reader does not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace opnf {

class Xxh64Stream {
 public:
  void update(std::span<const std::byte> bytes);
  std::uint64_t digest() const;

 private:
  void consume(const std::byte* stripe);

  static constexpr std::uint64_t kP1 = 0x9E3779B185EBCA87, kP2 = 0xC2B2AE3D27D4EB4F;
  std::uint64_t lanes_[4] = {kP1 + kP2, kP2, 0, 0 - kP1};  // seed 0
  std::byte tail_[32] = {};
  std::size_t tail_size_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace opnf
