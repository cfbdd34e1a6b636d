// SPDX-License-Identifier: Apache-2.0
// Functions that are made of other operators, against loops over their definitions.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "openinfer/openinfer.h"

using namespace openinfer;

namespace {

Tensor noise(Extents shape, std::uint32_t seed = 1) {
  Tensor t(f32, std::move(shape));
  std::uint32_t state = seed * 2654435761u;
  for (float& x : t.mutable_data<float>()) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' generator
    x = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
  }
  return t;
}

std::vector<float> floats(const Value& v) {
  const Tensor t = eval(v);
  return {t.data<float>().begin(), t.data<float>().end()};
}

Tensor counted(Extents shape) {
  Tensor t(f32, std::move(shape));
  float next = 0;
  for (float& x : t.mutable_data<float>()) x = next++;
  return t;
}

/// Sums of at most 100 products of numbers below 1, in another order.
constexpr double kSumError = 100 * 0x1p-24 * 4;

void check_close(const std::vector<float>& found, const std::vector<double>& wanted) {
  REQUIRE(found.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    INFO(i);
    CHECK(std::abs(found[i] - wanted[i]) <= kSumError * (1 + std::abs(wanted[i])));
  }
}

}  // namespace

TEST_CASE("permute_squeeze_stack_and_their_like_rearrange") {
  GraphBuilder b;
  const Value x = b.constant(counted({2, 3}));
  CHECK(eval(permute(x, {-1, 0})) == eval(transpose(x)));
  CHECK(unsqueeze(x, {0, -1}).shape() == Shape{1, 2, 3, 1});
  CHECK(squeeze(unsqueeze(x, {1}), {-2}).shape() == Shape{2, 3});
  CHECK(eval(stack({x, x * 2}, 1)) == Tensor(std::vector<float>{0, 1, 2, 0, 2, 4, 3, 4, 5, 6, 8, 10}, {2, 2, 3}));
  CHECK(stack({x, x}, -1).shape() == Shape{2, 3, 2});
  CHECK(eval(tile(x, {2, 2})) ==
        Tensor(std::vector<float>{0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5, 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5}, {4, 6}));
  CHECK(tile(x, {0, 1}).shape() == Shape{0, 3});
  CHECK(eval(pad(x, {{.axis = 1, .before = 1}, {.axis = 0, .after = 1}}, -1)) ==
        Tensor(std::vector<float>{-1, 0, 1, 2, -1, 3, 4, 5, -1, -1, -1, -1}, {3, 4}));
  CHECK(eval(pad(x, {})) == eval(x));
  CHECK(eval(flip(x, {0, 1})) == Tensor(std::vector<float>{5, 4, 3, 2, 1, 0}, {2, 3}));
}

TEST_CASE("split_and_chunk_cut") {
  GraphBuilder b;
  const Dim N = b.dim("N");
  const Value x = b.constant(counted({5})), y = b.input("y", f32, {2 * N + 4, 3});
  const std::vector<Value> parts = split(x, {2, 0, 3});
  REQUIRE(parts.size() == 3);
  CHECK(eval(parts[0]) == Tensor{0.0f, 1.0f});
  CHECK(parts[1].shape() == Shape{0});
  CHECK(eval(parts[2]) == Tensor{2.0f, 3.0f, 4.0f});
  CHECK(split(y, {N, N + 4})[1].shape() == Shape{N + 4, 3});
  CHECK(chunk(y, 2)[1].shape() == Shape{N + 2, 3});
  CHECK(chunk(y, 3, -1)[2].shape() == Shape{2 * N + 4, 1});
}

TEST_CASE("one_hot_marks_ids") {
  GraphBuilder b;
  const Value ids = b.constant(Tensor{std::int32_t{2}, std::int32_t{0}, std::int32_t{-1}, std::int32_t{3}});
  CHECK(eval(one_hot(ids, 3)) == Tensor(std::vector<float>{0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}, {4, 3}));
  CHECK(one_hot(ids, 3, boolean).dtype() == boolean);
}

TEST_CASE("order_has_values_and_places") {
  GraphBuilder b;
  const Value x = b.constant(Tensor{3.0f, NAN, 1.0f, 3.0f, -0.0f, 0.0f});
  const auto [values, places] = top_k(x, 4);
  CHECK(eval(places) == Tensor{1, 0, 3, 2});
  CHECK(eval(argsort(x)) == Tensor{4, 5, 2, 0, 3, 1});
  CHECK(eval(argsort(x, {.descending = true})) == Tensor{1, 0, 3, 2, 4, 5});
  CHECK(eval(values).data<float>()[1] == 3.0f);
}

TEST_CASE("einsum_is_the_sum_over_absent_labels") {
  GraphBuilder b;
  const std::map<char, std::int64_t> extents = {{'a', 2}, {'b', 3}, {'i', 4}, {'j', 5}, {'k', 1}, {'z', 0}};
  const std::vector<std::pair<std::vector<std::string>, std::string>> formulas = {
      {{"ij", "ja"}, "ia"},   {{"ij"}, "ji"},
      {{"ij"}, ""},           {{"bij", "bja"}, "bia"},
      {{"bij", "aj"}, "iab"}, {{"i", "j"}, "ij"},
      {{"ij", "ij"}, "ij"},   {{"ij", "ij"}, ""},
      {{"aib", "bja"}, "ji"}, {{"ijk", "kj"}, "i"},
      {{"abij", "jb"}, "ia"}, {{"ij", "j", "ja"}, "ai"},
      {{"iz", "zj"}, "ij"},   {{"ab", "bi", "ij"}, "aj"}};
  for (const auto& [operands, result] : formulas) {
    std::string text, all;
    std::vector<In> in;
    std::vector<Tensor> tensors;
    for (const std::string& labels : operands) {
      Extents shape;
      for (const char c : labels) {
        shape.push_back(extents.at(c));
        if (all.find(c) == std::string::npos) all += c;
      }
      tensors.push_back(noise(shape, static_cast<std::uint32_t>(tensors.size() + 1)));
      in.emplace_back(b.constant(tensors.back()));
      text += (text.empty() ? "" : ", ") + labels;
    }
    std::int64_t places = 1, size = 1;
    for (const char c : all) places *= extents.at(c);
    for (const char c : result) size *= extents.at(c);
    std::vector<double> wanted(static_cast<std::size_t>(size));
    for (std::int64_t p = 0; p < places; ++p) {
      std::map<char, std::int64_t> at;
      std::int64_t rest = p;
      for (const char c : all) at[c] = rest % extents.at(c), rest /= extents.at(c);
      const auto flat = [&](const std::string& labels) {
        std::int64_t place = 0;
        for (const char c : labels) place = place * extents.at(c) + at.at(c);
        return static_cast<std::size_t>(place);
      };
      double product = 1;
      for (std::size_t o = 0; o < operands.size(); ++o) product *= tensors[o].data<float>()[flat(operands[o])];
      wanted[flat(result)] += product;
    }
    INFO(text << " -> " << result);
    check_close(floats(einsum(text + " -> " + result, in)), wanted);
  }
  const Value whole = b.constant(Tensor(std::vector<std::int32_t>{1, 2, 3, 4}, {2, 2}));
  CHECK(eval(einsum("ij,jk->ik", {whole, whole})) == Tensor(std::vector<std::int32_t>{7, 10, 15, 22}, {2, 2}));
}

namespace {

struct Axis2 {
  std::int64_t size, kernel, stride, padding, dilation;
  std::int64_t count() const { return (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1; }
  /// Where tap k of window o lies; -1: in the padding.
  std::int64_t place(std::int64_t o, std::int64_t k) const {
    const std::int64_t at = o * stride + k * dilation - padding;
    return at < 0 || at >= size ? -1 : at;
  }
};

/// f(n, c, oh, ow, kh, kw, element of x, -1 in the padding)
template <class F>
void each_tap(std::int64_t N, std::int64_t C, const Axis2& h, const Axis2& w, F f) {
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t c = 0; c < C; ++c)
      for (std::int64_t oh = 0; oh < h.count(); ++oh)
        for (std::int64_t ow = 0; ow < w.count(); ++ow)
          for (std::int64_t kh = 0; kh < h.kernel; ++kh)
            for (std::int64_t kw = 0; kw < w.kernel; ++kw) {
              const std::int64_t y = h.place(oh, kh), x = w.place(ow, kw);
              f(n, c, oh, ow, kh, kw, y < 0 || x < 0 ? -1 : ((n * C + c) * h.size + y) * w.size + x);
            }
}

struct Case {
  std::int64_t N, C, O, groups;
  Axis2 h, w;
};
const Case kCases[] = {{1, 1, 1, 1, {5, 3, 1, 0, 1}, {7, 3, 1, 0, 1}}, {2, 3, 4, 1, {9, 3, 2, 1, 1}, {7, 2, 1, 0, 3}},
                       {2, 4, 6, 2, {6, 1, 1, 0, 1}, {5, 5, 1, 2, 1}}, {1, 4, 4, 4, {8, 3, 1, 2, 2}, {6, 2, 2, 0, 1}},
                       {1, 2, 3, 1, {4, 4, 4, 0, 1}, {8, 4, 4, 0, 1}}, {0, 2, 2, 1, {4, 2, 1, 0, 1}, {4, 2, 1, 0, 1}}};

}  // namespace

TEST_CASE("conv2d_is_its_definition") {
  for (const Case& c : kCases) {
    GraphBuilder b;
    const Tensor x = noise({c.N, c.C, c.h.size, c.w.size}), bias = noise({c.O}, 3);
    const Tensor w = noise({c.O, c.C / c.groups, c.h.kernel, c.w.kernel}, 2);
    const std::int64_t per = c.C / c.groups, H = c.h.count(), W = c.w.count();
    std::vector<double> wanted(static_cast<std::size_t>(c.N * c.O * H * W));
    for (std::size_t i = 0; i < wanted.size(); ++i)
      wanted[i] = bias.data<float>()[i / static_cast<std::size_t>(H * W) % static_cast<std::size_t>(c.O)];
    each_tap(
        c.N, c.C, c.h, c.w, [&](auto n, std::int64_t channel, auto oh, auto ow, auto kh, auto kw, std::int64_t at) {
          const std::int64_t group = channel / per, filters = c.O / c.groups;
          for (std::int64_t o = group * filters; at >= 0 && o < (group + 1) * filters; ++o)
            wanted[static_cast<std::size_t>(((n * c.O + o) * H + oh) * W + ow)] +=
                static_cast<double>(x.data<float>()[static_cast<std::size_t>(at)]) *
                w.data<float>()[static_cast<std::size_t>(((o * per + channel % per) * c.h.kernel + kh) * c.w.kernel +
                                                         kw)];
        });
    const Value y = conv2d(b.constant(x), b.constant(w),
                           {.stride = {c.h.stride, c.w.stride},
                            .padding = {c.h.padding, c.w.padding},
                            .dilation = {c.h.dilation, c.w.dilation},
                            .groups = c.groups,
                            .bias = b.constant(bias)});
    CHECK(y.shape() == Shape{c.N, c.O, H, W});
    check_close(floats(y), wanted);
  }
}

TEST_CASE("conv1d_is_conv2d_of_one_row") {
  GraphBuilder b;
  const Value x = b.constant(noise({2, 4, 11})), w = b.constant(noise({6, 2, 3}, 2)), v = b.constant(noise({6}, 3));
  const Value one = conv1d(x, w, {.stride = 2, .padding = 1, .dilation = 2, .groups = 2, .bias = v});
  const Value two = conv2d(unsqueeze(x, {2}), unsqueeze(w, {2}),
                           {.stride = {1, 2}, .padding = {0, 1}, .dilation = {1, 2}, .groups = 2, .bias = v});
  CHECK(eval(one) == eval(squeeze(two, {2})));
  const Dim N = b.dim("N");
  const Value open = b.input("open", f32, {N, 4, 2 * N + 8});
  CHECK(conv1d(open, w, {.stride = 2, .groups = 2}).shape() == Shape{N, 6, N + 3});
}

TEST_CASE("pooling_is_its_definition") {
  for (const Case& c : kCases) {
    if (2 * c.h.padding > c.h.kernel || 2 * c.w.padding > c.w.kernel) continue;
    const Tensor x = noise({c.N, c.C, c.h.size, c.w.size});
    const std::int64_t H = c.h.count(), W = c.w.count();
    const auto size = static_cast<std::size_t>(c.N * c.C * H * W);
    std::vector<double> most(size, -INFINITY), total(size), count(size);
    each_tap(c.N, c.C, c.h, c.w, [&](auto n, auto channel, auto oh, auto ow, auto, auto, std::int64_t at) {
      if (at < 0) return;
      const auto to = static_cast<std::size_t>(((n * c.C + channel) * H + oh) * W + ow);
      const double value = x.data<float>()[static_cast<std::size_t>(at)];
      most[to] = std::max(most[to], value), total[to] += value, count[to] += 1;
    });
    Pool2d o = {.size = {c.h.kernel, c.w.kernel},
                .stride = {c.h.stride, c.w.stride},
                .padding = {c.h.padding, c.w.padding},
                .dilation = {c.h.dilation, c.w.dilation}};
    GraphBuilder b;
    const Value v = b.constant(x);
    std::vector<double> mean = total, all = total;
    for (std::size_t i = 0; i < size; ++i) mean[i] /= count[i], all[i] /= static_cast<double>(c.h.kernel * c.w.kernel);
    check_close(floats(max_pool2d(v, o)), most);
    check_close(floats(avg_pool2d(v, o)), mean);
    o.count_padding = true;
    check_close(floats(avg_pool2d(v, o)), all);
  }
  GraphBuilder b;
  const Value x = b.constant(Tensor(std::vector<std::int8_t>{-5, -7, -128, 3, 1, 2}, {1, 1, 6}));
  CHECK(eval(max_pool1d(x, {.size = 2})) == Tensor(std::vector<std::int8_t>{-5, 3, 2}, {1, 1, 3}));
  CHECK(eval(max_pool1d(x, {.size = 3, .stride = 3, .padding = 1})) ==
        Tensor(std::vector<std::int8_t>{-5, 3}, {1, 1, 2}));
  CHECK(eval(avg_pool1d(cast(x, f32), {.size = 3})) == Tensor(std::vector<float>{-140.0f / 3, 2}, {1, 1, 2}));
}

TEST_CASE("quantize_is_q8_0_in_two_tensors") {
  GraphBuilder b;
  const Tensor x = noise({3, 64});
  const auto [q, d] = quantize(b.constant(x));
  CHECK(q.type().to_string() == "i8[3, 64]");
  CHECK(d.type().to_string() == "f16[3, 2]");
  const Tensor bytes = eval(q), scales = eval(d), back = eval(dequantize(q, d));
  for (std::size_t block = 0; block < 6; ++block) {
    float most = 0;
    for (std::size_t i = 0; i < 32; ++i) most = std::max(most, std::abs(x.data<float>()[32 * block + i]));
    const auto scale = static_cast<float>(scales.data<Half>()[block]);
    CHECK(std::abs(scale - most / 127) <= 0x1p-11f * most / 127 * 1.01f);
    int largest = 0;
    for (std::size_t i = 32 * block; i < 32 * block + 32; ++i) {
      largest = std::max(largest, std::abs(int{bytes.data<std::int8_t>()[i]}));
      CHECK(std::abs(bytes.data<std::int8_t>()[i] - x.data<float>()[i] * 127 / most) <= 0.5001f);
      CHECK(back.data<float>()[i] == bytes.data<std::int8_t>()[i] * scale);
    }
    CHECK(largest == 127);
  }
  const auto [zeros, none] = quantize(b.constant(Tensor(f32, {1, 8})), 8);
  CHECK(eval(dequantize(zeros, none)) == Tensor(f32, {1, 8}));
}

TEST_CASE("sums_of_pooling_may_be_beyond_f16") {
  for (const DType dtype : {f16, bf16}) {
    GraphBuilder b;
    const Value x = cast(b.constant(Tensor(std::vector<float>{60000, 60000, 60000, 60000}, {1, 1, 4})), dtype);
    const float kept = dtype == f16 ? 60000 : 59904;
    const Tensor inside(std::vector<float>(4, kept), {1, 1, 4});
    CHECK(eval(cast(avg_pool1d(x, {.size = 3, .stride = 1, .padding = 1}), f32)) == inside);
    const Value image = reshape(x, {1, 1, 2, 2});
    const Pool2d o = {.size = {2, 2}, .stride = {1, 1}, .padding = {1, 1}};
    CHECK(eval(cast(avg_pool2d(image, o), f32)) == Tensor(std::vector<float>(9, kept), {1, 1, 3, 3}));
  }
}

TEST_CASE("a_scale_beyond_f16_is_infinite") {
  GraphBuilder b;
  std::vector<float> x(64, 1);
  x[0] = 8.33e6f, x[32] = 8.31e6f;  // 65504 · 127 = 8319008
  const auto [q, d] = quantize(b.constant(Tensor(x, {1, 64})));
  const Tensor scales = eval(d);
  CHECK(std::isinf(static_cast<float>(scales.data<Half>()[0])));
  CHECK(static_cast<float>(scales.data<Half>()[1]) == 65440);
  CHECK(eval(q).data<std::int8_t>()[0] == 127);
}
