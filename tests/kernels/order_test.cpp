// SPDX-License-Identifier: Apache-2.0
// top_k, sort, cumsum and scatter against loops over their definitions.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "codegen/kernels/cumsum.h"
#include "codegen/kernels/scatter.h"
#include "codegen/kernels/sort.h"
#include "codegen/kernels/top_k.h"
#include "template_run.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

Extent extent(std::int64_t n, const char* name, bool known) { return known ? Extent{n} : Extent{2000, name}; }
std::map<std::string, std::int64_t> params(const Shape3& s) { return {{"O", s.O}, {"J", s.J}, {"I", s.I}}; }

/// Few different numbers, so that there are ties; floats with NaN, infinities and zeros of both signs.
std::vector<double> mixed(DType dtype, std::int64_t count) {
  std::vector<double> values = noise(count, 5);
  const bool is_unsigned = is_int(dtype) && !is_signed_int(dtype);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::floor(values[i] * 12) + (is_unsigned ? 12 : 0);
    if (!is_float(dtype)) continue;
    if (i % 11 == 3) values[i] = NAN;
    if (i % 13 == 5) values[i] = i % 2 == 0 ? INFINITY : -INFINITY;
    if (i % 7 == 1) values[i] = i % 2 == 0 ? 0.0 : -0.0;
  }
  return values;
}

bool is_smaller(double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); }

/// Places along the axis in order, laid out as x.
std::vector<std::int64_t> ordered(const Data& x, const Shape3& s, bool descending) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(s.count()));
  for (std::int64_t o = 0; o < s.O; ++o)
    for (std::int64_t i = 0; i < s.I; ++i) {
      const auto place = [&](std::int64_t j) { return (o * s.J + j) * s.I + i; };
      std::vector<std::int64_t> row(static_cast<std::size_t>(s.J));
      std::iota(row.begin(), row.end(), 0);
      std::stable_sort(row.begin(), row.end(), [&](std::int64_t a, std::int64_t b) {
        return descending ? is_smaller(x[place(b)], x[place(a)]) : is_smaller(x[place(a)], x[place(b)]);
      });
      for (std::int64_t j = 0; j < s.J; ++j) all[static_cast<std::size_t>(place(j))] = row[static_cast<std::size_t>(j)];
    }
  return all;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

constexpr DType kDtypes[] = {DType::f32, DType::f16, DType::bf16, DType::f64, DType::i8,
                             DType::u16, DType::i32, DType::u32,  DType::i64, DType::u64};

void check_top_k(const kir::Target& target, const Shape3& s, std::int64_t k, DType dtype, bool known) {
  const TopK what = {extent(s.O, "O", known), extent(s.J, "J", known), s.I == 1 ? Extent{1} : extent(s.I, "I", known),
                     k, dtype};
  Buffers b = {{"x", Data(dtype, mixed(dtype, s.count()))},
               {"values", Data(dtype, s.O * k * s.I)},
               {"indices", Data(DType::i32, s.O * k * s.I)}};
  run(top_k(target, "top_k", what), b, params(s));
  const std::vector<std::int64_t> wanted = ordered(b["x"], s, true);
  for (std::int64_t o = 0; o < s.O; ++o)
    for (std::int64_t r = 0; r < k; ++r)
      for (std::int64_t i = 0; i < s.I; ++i) {
        const std::int64_t at = wanted[static_cast<std::size_t>((o * s.J + r) * s.I + i)];
        const std::int64_t to = (o * k + r) * s.I + i;
        INFO(name(dtype) << " " << s.O << " x " << s.J << " x " << s.I << " row " << o << " number " << r);
        REQUIRE(b["indices"][to] == static_cast<double>(at));
        REQUIRE(same(b["values"][to], b["x"][(o * s.J + at) * s.I + i]));
      }
}

void check_sort(const kir::Target& target, const Shape3& s, DType dtype, bool descending, bool known) {
  Sorting what = {extent(s.O, "O", known),
                  extent(s.J, "J", known),
                  s.I == 1 ? Extent{1} : extent(s.I, "I", known),
                  dtype,
                  descending,
                  false};
  Buffers b = {{"x", Data(dtype, mixed(dtype, s.count()))}, {"values", Data(dtype, s.count())}};
  std::int64_t length = kSortRun;
  b["to"] = Data(DType::i32, s.count());
  what.values = length >= what.axis.value;
  run(sort_runs(target, "runs", what), b, params(s));
  for (; length < what.axis.value; length *= 2) {
    b["from"] = b["to"];
    b["to"] = Data(DType::i32, s.count());
    what.values = 2 * length >= what.axis.value;
    run(merge_runs(target, "merge", what, length), b, params(s));
  }
  const std::vector<std::int64_t> wanted = ordered(b["x"], s, descending);
  for (std::int64_t e = 0; e < s.count(); ++e) {
    INFO(name(dtype) << " " << s.O << " x " << s.J << " x " << s.I << " element " << e);
    const std::int64_t at = wanted[static_cast<std::size_t>(e)], row = e / (s.J * s.I);
    REQUIRE(b["to"][e] == static_cast<double>(at));
    REQUIRE(same(b["values"][e], b["x"][(row * s.J + at) * s.I + e % s.I]));
  }
}

}  // namespace

TEST_CASE("the k largest in order, the first places of ties") {
  for (const kir::Target& target : targets())
    for (const bool known : {true, false}) {
      for (const DType dtype : kDtypes) {
        if (few_shaders() && !known && dtype != DType::f32) continue;
        check_top_k(target, {3, 37, 1}, 5, dtype, known);
        check_top_k(target, {2, 9, 5}, 9, dtype, known);
      }
      check_top_k(target, {1, 1, 1}, 1, DType::f32, known);
      check_top_k(target, {0, 5, 1}, 2, DType::f32, known);
      check_top_k(target, {1, 700, 1}, 40, DType::f32, known);
      check_top_k(target, {2, 3, 0}, 1, DType::f32, known);
    }
}

TEST_CASE("the lowest integers have places too") {
  for (const kir::Target& target : targets())
    for (const DType dtype : {DType::i8, DType::i32, DType::u32}) {
      const double lowest = dtype == DType::i8 ? -128 : dtype == DType::i32 ? -2147483648.0 : 0;
      const TopK what = {{1}, {3}, {1}, 3, dtype};
      Buffers b = {{"x", Data(dtype, std::vector<double>{lowest, lowest, lowest})},
                   {"values", Data(dtype, 3)},
                   {"indices", Data(DType::i32, 3)}};
      run(top_k(target, "top_k", what), b);
      CHECK(b["indices"].values() == std::vector<double>{0, 1, 2});
      CHECK(b["values"].values() == std::vector<double>{lowest, lowest, lowest});
    }
}

TEST_CASE("sorting by runs and merges is stable") {
  for (const kir::Target& target : targets())
    for (const bool known : {true, false}) {
      for (const DType dtype : kDtypes) {
        if (on_a_device() && !known && dtype != DType::f16)
          continue;  // a shader each, which takes half a second to compile
        check_sort(target, {2, 37, 1}, dtype, false, known);
        check_sort(target, {2, 9, 5}, dtype, true, known);
      }
      for (const std::int64_t J : {64, 65, 128, 129, 300}) {
        if (few_shaders() && known && J != 129) continue;
        check_sort(target, {1, J, 1}, DType::f32, false, known);
        check_sort(target, {1, J, 2}, DType::i8, true, known);
      }
      check_sort(target, {1, 1, 1}, DType::f32, false, known);
      check_sort(target, {0, 5, 1}, DType::f32, false, known);
      check_sort(target, {2, 0, 3}, DType::f32, true, known);
    }
}

TEST_CASE("running sums along any axis") {
  for (const kir::Target& target : targets())
    for (const bool known : {true, false})
      for (const Shape3& s : {Shape3{3, 37, 1}, {2, 7, 19}, {1, 1, 1}, {0, 5, 1}, {1, 700, 1}, {2, 3, 0}, {2, 0, 1}})
        for (const DType dtype : {DType::f32, DType::f16, DType::f64, DType::i8, DType::u32, DType::i64}) {
          if (few_shaders() && known && dtype != DType::f32) continue;
          std::vector<double> values = noise(s.count());
          for (double& v : values) v = std::floor(v * 4) / (is_float(dtype) ? 4 : 1) + (dtype == DType::u32 ? 4 : 0);
          if (dtype == DType::i8)
            for (double& v : values) v = v > 0 ? 1 : 0;  // 700 of them may wrap
          Buffers b = {{"x", Data(dtype, values)}, {"y", Data(dtype, s.count())}};
          const Extent inner = s.I == 1 ? Extent{1} : extent(s.I, "I", known);
          run(cumsum(target, "cumsum", {extent(s.O, "O", known), extent(s.J, "J", known), inner, dtype}), b, params(s));
          for (std::int64_t o = 0; o < s.O; ++o)
            for (std::int64_t i = 0; i < s.I; ++i) {
              double sum = 0;
              for (std::int64_t j = 0; j < s.J; ++j) {
                const std::int64_t at = (o * s.J + j) * s.I + i;
                sum += b["x"][at];
                INFO(name(dtype) << " " << s.O << " x " << s.J << " x " << s.I << " at " << at);
                // Quarters up to 700: f32 holds their sums, f16 rounds them once.
                const double wanted =
                    dtype == DType::i8 ? static_cast<double>(static_cast<std::int8_t>(static_cast<std::int32_t>(sum)))
                                       : sum;
                REQUIRE(std::abs(b["y"][at] - wanted) <= (dtype == DType::f16 ? 0x1p-11 * std::abs(sum) : 0));
              }
            }
        }
}

TEST_CASE("scatter puts rows where ids say, the last one of several, and leaves others") {
  for (const kir::Target& target : targets())
    for (const DType dtype : {DType::boolean, DType::i8, DType::f16, DType::f32, DType::i64})
      for (const DType ids : {DType::i32, DType::i64})
        for (const bool add : {false, true}) {
          if (add && dtype == DType::boolean) continue;
          const Scatter what = {{2}, {5}, {64, "J"}, {3}, dtype, ids, add};
          const std::vector<double> places = {4, 0, -1, 7, 4};
          std::vector<double> x, updates;
          for (int e = 0; e < 30; ++e) x.push_back(dtype == DType::boolean ? e % 2 : e);
          for (int e = 0; e < 30; ++e) updates.push_back(dtype == DType::boolean ? (e + 1) / 2 % 2 : 40 + e);
          Buffers b = {{"x", Data(dtype, x)},
                       {"ids", Data(ids, places)},
                       {"updates", Data(dtype, updates)},
                       {"y", Data(dtype, 30)}};
          run(scatter(target, "scatter", what), b, {{"J", 5}});
          std::vector<double> wanted = x;
          for (int o = 0; o < 2; ++o)
            for (int j = 0; j < 5; ++j)
              for (int i = 0; i < 3; ++i) {
                const int id = static_cast<int>(places[static_cast<std::size_t>(j)]);
                if (id < 0 || id >= 5) continue;
                double& to = wanted[static_cast<std::size_t>((o * 5 + id) * 3 + i)];
                const double update = updates[static_cast<std::size_t>((o * 5 + j) * 3 + i)];
                to = add ? to + update : update;
              }
          if (add && dtype == DType::i8)
            for (double& w : wanted) w = static_cast<double>(static_cast<std::int8_t>(static_cast<int>(w)));
          CHECK(b["y"].values() == wanted);
          b["ids"] = Data(ids, 0), b["updates"] = Data(dtype, 0);
          run(scatter(target, "scatter", what), b, {{"J", 0}});
          CHECK(b["y"].values() == x);
        }
}
