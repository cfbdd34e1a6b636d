// SPDX-License-Identifier: Apache-2.0
// The index of a loop: names a layer's tensors, picks a table's entry, and converts to a scalar i32 operand.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>

namespace openinfer {

struct Draft;  // a graph under construction: lib/graph/draft.h
/// How many loops and branches whose bodies threw it has taken back: what was made in one is gone, its place another's.
std::uint32_t times_undone(const Draft* draft);

/// Number of a value within its graph.
using ValueId = std::uint32_t;
inline constexpr ValueId kNoValue = ~ValueId{0};

/// scale·l + offset, where l is the index of an enclosing loop; a plain integer is an Index without a loop.
class Index {
 public:
  Index(std::int64_t value) : offset_(value) {}
  Index(int value) : offset_(value) {}
  Index(std::shared_ptr<Draft> draft, ValueId loop_index)
      : draft_(std::move(draft)), loop_index_(loop_index), scale_(1), undone_(times_undone(draft_.get())) {}

  /// i + k, i · k. An index that ever went beyond 2^40 is an invalid_argument where it is used.
  Index plus(std::int64_t k) const;
  Index times(std::int64_t k) const;
  template <std::integral T>
  friend Index operator+(const Index& i, T k) {
    return i.plus(static_cast<std::int64_t>(k));
  }
  template <std::integral T>
  friend Index operator-(const Index& i, T k) {
    return i.times(-1).plus(static_cast<std::int64_t>(k)).times(-1);
  }
  template <std::integral T>
  friend Index operator*(const Index& i, T k) {
    return i.times(static_cast<std::int64_t>(k));
  }
  template <std::integral T>
  friend Index operator+(T k, const Index& i) {
    return i + k;
  }
  template <std::integral T>
  friend Index operator*(T k, const Index& i) {
    return i * k;
  }

  const std::shared_ptr<Draft>& draft() const { return draft_; }  // null for a plain integer
  ValueId loop_index() const { return loop_index_; }
  std::int64_t scale() const { return scale_; }
  std::int64_t offset() const { return offset_; }
  std::uint32_t undone() const { return undone_; }  // times, when it was made
  bool is_beyond() const { return is_beyond_; }     // 2^40, now or on the way here

 private:
  std::shared_ptr<Draft> draft_;
  ValueId loop_index_ = kNoValue;
  std::int64_t scale_ = 0;
  std::int64_t offset_ = 0;
  bool is_beyond_ = false;
  std::uint32_t undone_ = 0;
};

}  // namespace openinfer
