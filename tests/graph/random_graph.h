// SPDX-License-Identifier: Apache-2.0
// Random graphs over inputs x f32[N, 4] and flag bool[]: every structure of the language, with the library's operators.
#pragma once

#include <openinfer/openinfer.h>

#include <random>
#include <tuple>
#include <vector>

namespace openinfer {

class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : random_(seed) {}

  Graph make() {
    return graph([&](GraphBuilder& b) {
      b_ = &b;
      const Dim n = b.dim("N", 1, 8);
      Value x = b.input("x", f32, {n, 4});
      flag_.emplace(b.input("flag", boolean, {}));
      state_.emplace(b.state("s", tensor_state(f32, {4})));
      table_.emplace(b.table("rate", {0.5f, 1.25f, -3.0f, 0.1f}));
      for (int i = 0; i < 6; ++i) x = step(x, 0);
      b.output("y", x);
      b.output("total", sum(x));
    });
  }

 private:
  static constexpr int kDeepest = 3;

  int pick(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }

  /// Some computation on x, of x's type.
  Value step(const Value& x, int depth) {
    switch (pick(depth < kDeepest ? 12 : 9)) {
      case 0: return x + 0.1;
      case 1: return x * x - 2;
      case 2: return (tanh(x) / 3.0) % hints{.name = "squashed", .fuse = pick(2) == 0};
      case 3: return x | cast(f16) | neg() | cast(f32);
      case 4: return transpose(x) | reshape({4, -1}) | transpose() | silu();
      case 5:
        return concat({slice(x, {.axis = 1, .begin = 2, .end = 4}), slice(x, {.axis = 1, .begin = 0, .end = 2})}, 1);
      case 6: return select(lt(x, 0), x, rms_norm(x, b_->constant({1.0f, 0.5f, -2.0f, 3.0f})));
      case 7: return x - mean(x, {.axes = {1}, .keepdims = true});
      case 8: {
        const Value seen = state_read(*state_);
        state_write(*state_, seen * 0.5 + mean(x, {.axes = {0}}));
        return x + seen;
      }
      case 9: return loop(x, depth);
      case 10: return two_carried(x, depth);
      default:
        return b_->cond(
            *flag_, [&] { return step(x, depth + 1); }, [&] { return step(x, depth + 1); });
    }
  }

  Value loop(const Value& x, int depth) {
    return b_->loop("l", 0, 1 + pick(3), x,
                    [&](Index l, Value x) { return step(x + (*table_)[l], depth + 1) * tanh(x); });
  }

  Value two_carried(const Value& x, int depth) {
    Value a, c;
    std::tie(a, c) = b_->loop("i", 1, 3, carry(x, x), [&](Index i, Value a, Value c) {
      return carry(tanh(step(c, depth + 1)), a + cast(b_->value(2 * i - 1), f32));
    });
    return a + c;
  }

  std::mt19937 random_;
  GraphBuilder* b_ = nullptr;
  std::optional<Value> flag_;
  std::optional<State> state_;
  std::optional<Table> table_;
};

}  // namespace openinfer
