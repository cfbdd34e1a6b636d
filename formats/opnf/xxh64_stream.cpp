// SPDX-License-Identifier: Apache-2.0
// Source: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
#include "formats/opnf/xxh64_stream.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace opnf {
namespace {

constexpr std::uint64_t kP1 = 0x9E3779B185EBCA87, kP2 = 0xC2B2AE3D27D4EB4F, kP3 = 0x165667B19E3779F9,
                        kP4 = 0x85EBCA77C2B2AE63, kP5 = 0x27D4EB2F165667C5;

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

std::uint64_t mix(std::uint64_t acc, std::uint64_t lane) { return std::rotl(acc + lane * kP2, 31) * kP1; }

}  // namespace

void Xxh64Stream::consume(const std::byte* stripe) {
  for (int i = 0; i < 4; ++i) lanes_[i] = mix(lanes_[i], load<std::uint64_t>(stripe + 8 * i));
}

void Xxh64Stream::update(std::span<const std::byte> bytes) {
  total_ += bytes.size();
  if (tail_size_) {
    const std::size_t taken = std::min(bytes.size(), 32 - tail_size_);
    std::copy_n(bytes.data(), taken, tail_ + tail_size_);
    tail_size_ += taken;
    bytes = bytes.subspan(taken);
    if (tail_size_ < 32) return;
    consume(tail_);
  }
  for (; bytes.size() >= 32; bytes = bytes.subspan(32)) consume(bytes.data());
  tail_size_ = bytes.size();
  std::copy(bytes.begin(), bytes.end(), tail_);
}

std::uint64_t Xxh64Stream::digest() const {
  std::uint64_t h = kP5;
  if (total_ >= 32) {
    h = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
    for (const std::uint64_t lane : lanes_) h = (h ^ mix(0, lane)) * kP1 + kP4;
  }
  h += total_;
  const std::byte *p = tail_, *end = tail_ + tail_size_;
  for (; end - p >= 8; p += 8) h = std::rotl(h ^ mix(0, load<std::uint64_t>(p)), 27) * kP1 + kP4;
  for (; end - p >= 4; p += 4) h = std::rotl(h ^ load<std::uint32_t>(p) * kP1, 23) * kP2 + kP3;
  for (; p < end; ++p) h = std::rotl(h ^ load<std::uint8_t>(p) * kP5, 11) * kP1;
  h = (h ^ h >> 33) * kP2;
  h = (h ^ h >> 29) * kP3;
  return h ^ h >> 32;
}

}  // namespace opnf
