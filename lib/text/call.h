// SPDX-License-Identifier: Apache-2.0
// What the steps of one call of encode share: the texts made on the way, and what the call may still spend on what a
// package asks for. Both bounds are linear in the text, so no pattern and no replacement of a stranger's makes more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

namespace openinfer::text {

class Call {
 public:
  explicit Call(std::size_t text_size)
      : steps(kSteps + kStepsPerByte * text_size), room_(kRoom + kRoomPerByte * text_size) {}

  /// The text, alive as long as the call, paid from the room.
  std::string_view keep(std::string text) {
    check_room(text.size());
    room_ -= text.size();
    return kept_.emplace_back(std::move(text));
  }
  /// Errors: unsupported if a step's text of that size does not fit.
  void check_room(std::size_t size) const {
    if (size > room_) refuse(size);
  }

  std::uint64_t steps;  // of strangers' patterns, all searches together

 private:
  /// Published patterns take 5 to 40 steps for each byte; the fixed part is some tenths of a second.
  static constexpr std::uint64_t kSteps = 50'000'000, kStepsPerByte = 128;
  /// Published normalizers make at most 11 bytes of one (NFKD of U+FDFA), several stages a copy each.
  static constexpr std::size_t kRoom = std::size_t{1} << 16, kRoomPerByte = 64;

  [[noreturn]] void refuse(std::size_t size) const;

  std::size_t room_;  // bytes that steps may still make
  std::deque<std::string> kept_;
};

}  // namespace openinfer::text
