// SPDX-License-Identifier: Apache-2.0
// Random graphs whose numbers are small integers, over inputs x f32[N, 4] and flag bool[]: every sum is exact in any
// order, so that a device owes the bits. For structure: fusion, views, states, loops, branches, memory, integers.
#pragma once

#include <openinfer/openinfer.h>

#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace openinfer::matrix {

class ExactGraph {
 public:
  explicit ExactGraph(unsigned seed) : random_(seed) {}

  /// Names end in `suffix`: several fit one graph.
  void add_to(GraphBuilder& b, const std::string& suffix) {
    b_ = &b;
    const Dim n = b.dim("N", 1, 8);
    Value x = b.input("x" + suffix, f32, {n, 4});
    flag_.emplace(b.input("flag" + suffix, boolean, {}));
    state_.emplace(b.state("s" + suffix, tensor_state(f32, {4})));
    table_.emplace(b.table("rate" + suffix, {2.0f, -3.0f, 1.0f, 5.0f}));
    for (int i = 0; i < 7; ++i) x = step(x, 0);
    b.output("y" + suffix, x);
    b.output("total" + suffix, sum(x));
  }

 private:
  static constexpr int kDeepest = 3;

  int pick(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }

  /// Integers in [-8, 8] again.
  static Value settled(const Value& x) { return cast(cast(min(max(x, -8), 8), i32), f32); }

  Value step(const Value& x, int depth) { return settled(some(x, depth)); }

  /// Some computation on x (N, 4), of x's type, exact for integers up to 8.
  Value some(const Value& x, int depth) {
    switch (pick(depth < kDeepest ? 21 : 18)) {
      case 0: return x + 1;
      case 1: return x * x - 2;
      case 2: return (max(x, 0) - min(x, 3)) % hints{.name = "folded", .fuse = pick(2) == 0};
      case 3: return x | cast(f16) | neg() | cast(f32);
      case 4: return transpose(x) | reshape({4, -1}) | transpose() | abs();
      case 5: return concat({slice(x, {.axis = 1, .begin = 2, .end = 4}), slice(x, {.axis = 1, .end = 2})}, 1);
      case 6: return select(lt(x, 0), x, x * b_->constant({1.0f, -2.0f, 3.0f, 0.5f}));
      case 7: return x - max(x, {.axes = {1}, .keepdims = true});
      case 8: {
        const Value seen = state_read(*state_);
        state_write(*state_, settled(seen - sum(x, {.axes = {0}})));
        return x + seen;
      }
      case 9: {  // what is computed twice, in another order
        const Value a = relu(x) * 0.5, c = mul(b_->value(0.5), relu(x));
        return a + c + x;
      }
      case 10: {  // integers that wrap
        const Value i = cast(x, i32) * 2000000011 + 7, j = cast(x, i64) * std::int64_t{4611686018427387905};
        return cast(and_(i, 7), f32) - cast(and_(j, 3), f32);
      }
      case 11: return gated(x);
      case 12: return mean(x, {.axes = {1}, .keepdims = true}) + x;
      case 13: return linear(x, matrix(5), b_->constant({0.5f, -0.25f, 0.0f, 1.0f}));
      case 14: return gather(matrix(4), argmax(x, 1)) + x;
      case 15: return cast(and_(lt(x, 2), not_(eq(x, 1))), f32) - x;
      case 16: return cast(cast(x, u8) + 250, f32) * 0.125 - cast(cast(x, i8) * 100, f32) * 0.125;
      case 17: {
        const int row = pick(9);
        return x + cast(slice(iota(*b_, {9, 4}, 0), {.axis = 0, .begin = row, .end = row + 1}), f32);
      }
      case 18: return loop(x, depth);
      case 19: return two_carried(x, depth);
      default:
        return b_->cond(
            *flag_, [&] { return step(x, depth + 1); }, [&] { return step(x, depth + 1); });
    }
  }

  Value matrix(int seed) {
    std::vector<float> values;
    for (int i = 0; i < 16; ++i) values.push_back(static_cast<float>((seed * 7 + i * 5) % 11 - 5));
    return b_->constant(Tensor(values, {4, 4}));
  }

  /// Products over one x whose columns meet, and one whose do not.
  Value gated(const Value& x) {
    const Value gate = relu(matmul(x, matrix(1))), up = matmul(x, matrix(2));
    return pick(2) == 0 ? gate * up : gate * up + matmul(x, matrix(3));
  }

  Value loop(const Value& x, int depth) {
    return b_->loop("l", 0, 1 + pick(3), x,
                    [&](Index l, Value x) { return settled(step(x + (*table_)[l], depth + 1) * x); });
  }

  Value two_carried(const Value& x, int depth) {
    Value a, c;
    std::tie(a, c) = b_->loop("i", 1, 3, carry(x, x), [&](Index i, Value a, Value c) {
      return carry(step(c, depth + 1), settled(a + cast(b_->value(2 * i - 1), f32)));
    });
    return a + c;
  }

  std::mt19937 random_;
  GraphBuilder* b_ = nullptr;
  std::optional<Value> flag_;
  std::optional<State> state_;
  std::optional<Table> table_;
};

}  // namespace openinfer::matrix
