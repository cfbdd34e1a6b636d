// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/wrap.h"

#include <algorithm>
#include <climits>
#include <optional>

namespace openinfer::kir {
namespace {

/// The product of two numbers this small, and a place with one added to it, still fits 32 bits.
constexpr std::int64_t kSmall = 1 << 15;

/// What an i32 or u32 may be; on which sides a place bounds it.
struct Range {
  std::int64_t low = INT_MIN, high = INT_MAX;
  bool low_place = false, high_place = false;
  bool low_bounded() const { return low_place || low >= -kSmall; }
  bool high_bounded() const { return high_place || high <= kSmall; }
  bool is_bounded() const { return low_bounded() && high_bounded(); }
  bool is_place() const { return is_bounded() && (low_place || high_place); }
  bool is_number() const { return is_bounded() || low == high; }  // small, or known
};

Range place(std::int64_t low, std::int64_t high) { return {low, high, true, true}; }

/// Of a value that is one of them: a side is a place's if both sides are bounded.
bool low_place_of(const Range& a, const Range& b) {
  return (a.low_place || b.low_place) && a.low_bounded() && b.low_bounded();
}
bool high_place_of(const Range& a, const Range& b) {
  return (a.high_place || b.high_place) && a.high_bounded() && b.high_bounded();
}

/// Does arithmetic on these give a place?
bool are_places(const Range& a, const Range& b) {
  return (a.is_place() || b.is_place()) && a.is_number() && b.is_number();
}

class Wrapping {
 public:
  explicit Wrapping(const Kernel& k)
      : k_(k), is_data_(k.nodes.size()), ranges_(k.nodes.size()), wraps_(k.nodes.size()) {}

  std::vector<bool> run() {
    for (const Function& f : k_.functions) {
      is_data_[f.result] = true;
      uses(f.body);
      region(f.body);
    }
    uses(k_.body);
    region(k_.body);
    return std::move(wraps_);
  }

 private:
  /// Users stand behind what they use: going backwards, it is known of each whether it is but an index.
  void uses(const std::vector<Id>& nodes) {
    for (auto at = nodes.rbegin(); at != nodes.rend(); ++at) {
      const Node& n = k_[*at];
      uses(n.other);
      uses(n.body);
      const std::size_t indices = n.op == Op::load || n.op == Op::prefetch        ? n.args.size()
                                  : n.op == Op::store                             ? n.args.size() - 1
                                  : n.op == Op::mma_load || n.op == Op::mma_store ? 2
                                                                                  : 0;
      if ((n.op == Op::add || n.op == Op::sub || n.op == Op::mul) && !is_data_[*at]) continue;
      for (std::size_t i = indices; i < n.args.size(); ++i) is_data_[n.args[i]] = true;
    }
  }

  void region(const std::vector<Id>& nodes) {
    for (const Id id : nodes) {
      const Node& n = k_[id];
      if (n.op == Op::loop) {
        const Range &from = ranges_[n.args[0]], &to = ranges_[n.args[1]];
        ranges_[n.index] = {from.low, to.high, from.low_place, to.high_place};
      }
      if (n.type.kind == Kind::i64) wraps_[id] = is_arithmetic(n.op) && is_data_[id];
      if (n.type.kind == Kind::i32 || n.type.kind == Kind::u32) ranges_[id] = fitted(id, range_of(n));
      region(n.body);
      region(n.other);
    }
  }
  static bool is_arithmetic(Op op) {
    return op == Op::add || op == Op::sub || op == Op::mul || op == Op::neg || op == Op::abs;
  }

  Range fitted(Id id, Range r) {
    const Node& n = k_[id];
    const bool is_signed = n.type.kind == Kind::i32;
    const std::int64_t least = is_signed ? INT_MIN : 0, most = is_signed ? INT_MAX : UINT_MAX;
    if (r.low >= least && r.high <= most) return r;
    const bool of_places = !n.args.empty() && are_places(ranges_[n.args.front()], ranges_[n.args.back()]);
    wraps_[id] = is_signed && is_arithmetic(n.op) && !of_places && is_data_[id];
    if (is_signed && is_arithmetic(n.op) && of_places)
      return place(std::clamp(r.low, least, most), std::clamp(r.high, least, most));
    return {least, most};
  }

  Range range_of(const Node& n) const {
    if (n.op == Op::constant) return {n.integer, n.integer};
    if (n.op == Op::param || n.op == Op::group) return place(0, INT_MAX);
    if (n.op == Op::lane) return place(0, k_.target.lanes - 1);
    if (n.op == Op::subgroup) return place(0, k_.target.subgroups - 1);
    if (n.op == Op::load) return loaded(n);
    if (n.op == Op::select) return either(ranges_[n.args[1]], ranges_[n.args[2]]);
    if (n.op == Op::lane_max || n.op == Op::lane_min || n.op == Op::lane_get || n.op == Op::lane_turn)
      return ranges_[n.args[0]];
    if (n.op == Op::lane_maxs)
      return either(either(ranges_[n.args[0]], ranges_[n.args[1]]), either(ranges_[n.args[2]], ranges_[n.args[3]]));
    if (n.op == Op::convert) return converted(n);
    if (n.op == Op::neg || n.op == Op::abs) return alone(n);
    if (n.args.size() == 2 && !info(n.op).pinned && n.op != Op::call)
      if (const auto r = of_two(n.op, ranges_[n.args[0]], ranges_[n.args[1]])) return *r;
    return unknown(n.type.kind);
  }
  static Range unknown(Kind kind) { return kind == Kind::u32 ? Range{0, UINT_MAX} : Range{}; }

  Range loaded(const Node& n) const {
    const Buffer& b = k_.buffers[static_cast<std::size_t>(n.ref)];
    const Kind stored =
        n.field < 0 ? b.kind
                    : k_.records[static_cast<std::size_t>(b.record)].fields[static_cast<std::size_t>(n.field)].kind;
    if (stored == Kind::i8) return Range{-128, 127};
    if (stored == Kind::u8) return Range{0, 255};
    if (stored == Kind::i16) return Range{-32768, 32767};
    if (stored == Kind::u16) return Range{0, 65535};
    return unknown(n.type.kind);
  }
  Range converted(const Node& n) const {
    const Kind from = k_[n.args[0]].type.kind;
    if (from == Kind::b1) return Range{0, 1};
    if (from != Kind::i32 && from != Kind::u32) return unknown(n.type.kind);
    const Range r = ranges_[n.args[0]];
    const bool same = n.type.kind == Kind::u32 ? r.low >= 0 : r.high <= INT_MAX;
    return same ? r : unknown(n.type.kind);
  }
  Range alone(const Node& n) const {
    const Range r = ranges_[n.args[0]];
    if (n.type.kind == Kind::u32) return unknown(Kind::u32);
    const Range minus = {-r.high, -r.low, r.high_place, r.low_place};
    if (n.op == Op::neg) return minus;
    return {0, std::max(r.high, minus.high), false, r.low_place && r.high_place};
  }
  static Range either(const Range& a, const Range& b) {
    return {std::min(a.low, b.low), std::max(a.high, b.high), low_place_of(a, b), high_place_of(a, b)};
  }

  static std::optional<Range> of_two(Op op, const Range& a, const Range& b) {
    const bool places = are_places(a, b);
    const auto result = [&](std::int64_t low, std::int64_t high) { return Range{low, high, places, places}; };
    if (op == Op::add) return result(a.low + b.low, a.high + b.high);
    if (op == Op::sub) return result(a.low - b.high, a.high - b.low);
    if (op == Op::min)
      return Range{std::min(a.low, b.low), std::min(a.high, b.high), low_place_of(a, b), a.high_place || b.high_place};
    if (op == Op::max)
      return Range{std::max(a.low, b.low), std::max(a.high, b.high), a.low_place || b.low_place, high_place_of(a, b)};
    if (a.high > INT_MAX || b.high > INT_MAX) return std::nullopt;  // u32: the products below would not fit
    if (op == Op::mul) {
      const auto ends = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
      return result(std::min(ends), std::max(ends));
    }
    if (op == Op::div && b.low > 0)
      return result(std::min(a.low / b.low, a.low / b.high), std::max(a.high / b.low, a.high / b.high));
    if (op == Op::mod) return result(0, b.high - 1);
    if (op == Op::shift_right && b.low >= 0)
      return result(std::min<std::int64_t>(a.low >> b.low, 0), std::max<std::int64_t>(a.high >> b.low, 0));
    if (op == Op::shift_left && a.low >= 0 && b.low >= 0 && b.high < 31)
      return result(a.low << b.low, a.high << b.high);
    if (op == Op::bit_and && (a.low >= 0 || b.low >= 0))
      return result(0, a.low < 0 ? b.high : b.low < 0 ? a.high : std::min(a.high, b.high));
    if ((op == Op::bit_or || op == Op::bit_xor) && a.low >= 0 && b.low >= 0) {
      std::int64_t most = 1;
      while (most <= std::max(a.high, b.high)) most *= 2;
      return result(0, most - 1);
    }
    return std::nullopt;
  }

  const Kernel& k_;
  std::vector<bool> is_data_;  // by node: used as more than a part of an index
  std::vector<Range> ranges_;
  std::vector<bool> wraps_;
};

}  // namespace

std::vector<bool> find_wrapping(const Kernel& kernel) { return Wrapping(kernel).run(); }

}  // namespace openinfer::kir
