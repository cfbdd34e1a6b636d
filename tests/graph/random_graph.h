// SPDX-License-Identifier: Apache-2.0
// Random graphs over inputs x f32[N, 4] and flag bool[]: every structure of the language, with the library's operators.
#pragma once

#include <openinfer/openinfer.h>

#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace openinfer {

class RandomGraph {
 public:
  /// Without `halves` nothing is rounded to f16: small differences stay small.
  explicit RandomGraph(unsigned seed, bool halves = true) : random_(seed), halves_(halves) {}

  Graph make() {
    return graph([&](GraphBuilder& b) { add_to(b); });
  }

  /// Names end in `suffix`: several fit one graph.
  void add_to(GraphBuilder& b, const std::string& suffix = {}) {
    b_ = &b;
    const Dim n = b.dim("N", 1, 8);
    Value x = b.input("x" + suffix, f32, {n, 4});
    flag_.emplace(b.input("flag" + suffix, boolean, {}));
    state_.emplace(b.state("s" + suffix, tensor_state(f32, {4})));
    table_.emplace(b.table("rate" + suffix, {0.5f, 1.25f, -3.0f, 0.1f}));
    for (int i = 0; i < 6; ++i) x = step(x, 0);
    b.output("y" + suffix, x);
    b.output("total" + suffix, sum(x));
  }

 private:
  static constexpr int kDeepest = 3;

  int pick(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }

  /// Some computation on x, of x's type.
  Value step(const Value& x, int depth) {
    switch (pick(depth < kDeepest ? 19 : 16)) {
      case 0: return x + 0.1;
      case 1: return x * x - 2;
      case 2: return (tanh(x) / 3.0) % hints{.name = "squashed", .fuse = pick(2) == 0};
      case 3: return halves_ ? x | cast(f16) | neg() | cast(f32) : -x;
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
      case 9: {  // what is computed twice, in another order
        const Value a = tanh(x) * 0.5, c = mul(b_->value(0.5), tanh(x));
        return a + c + x;
      }
      case 10: {  // numbers and identities
        const Value w = exp(b_->constant({0.1f, 0.2f, -0.3f, 0.4f}) * 0.5) - 1.0;
        return neg(neg((x * 1.0 + w) - 0.0)) + -0.0 + 0.0;
      }
      case 11: return gated(rms_norm(x, b_->constant({1.0f, 0.5f, -2.0f, 3.0f}))) + x;
      case 12: return (softmax(x) * 2.0 | cast(f64) | cast(f32)) % hints{.name = "soft"};
      case 13: return linear(x, matrix(5), b_->constant({0.5f, -0.25f, 0.0f, 1.0f})) | tanh();
      case 14:
        return b_->loop("never", 2, 2, x, [&](Index, Value x) { return silu(x); }) +
               gather(x, b_->constant(Tensor::scalar(0))) * 0.25;
      case 15:
        return b_->cond(
            lt(b_->value(pick(3)), 1), [&] { return x * 3.0; }, [&] { return cast(cast(x, f32), f32); });
      case 16: return loop(x, depth);
      case 17: return two_carried(x, depth);
      default:
        return b_->cond(
            *flag_, [&] { return step(x, depth + 1); }, [&] { return step(x, depth + 1); });
    }
  }

  Value matrix(int seed) {
    std::vector<float> values;
    for (int i = 0; i < 16; ++i) values.push_back(static_cast<float>((seed * 7 + i * 5) % 11 - 5) * 0.125f);
    return b_->constant(Tensor(values, {4, 4}));
  }

  /// Products over one x whose columns meet, and one whose do not.
  Value gated(const Value& h) {
    const Value gate = silu(matmul(h, matrix(1))), up = matmul(h, matrix(2));
    return pick(2) == 0 ? gate * up : gate * up + matmul(h, matrix(3));
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
  bool halves_;
  GraphBuilder* b_ = nullptr;
  std::optional<Value> flag_;
  std::optional<State> state_;
  std::optional<Table> table_;
};

}  // namespace openinfer
