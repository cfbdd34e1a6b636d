// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "codegen/kernels/scalar_rewrite.h"
#include "lib/ops/scalar_eval.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

/// Bit patterns of `kind`, with many near the edges of f16 and of the integers.
std::vector<std::uint64_t> patterns(ScalarKind kind) {
  std::vector<std::uint64_t> values;
  std::uint64_t state = 7;
  for (int i = 0; i < 200'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth, MMIX
    values.push_back(openinfer::bits_of(kind) == 64 ? state ^ state >> 31 : state >> 32);
  }
  for (float at : {0.0f, 0x1p-24f, 0x1p-25f, 0x1p-14f, 1.0f, 65504.0f, 65520.0f, 2147483648.0f, 4294967296.0f, 0x1p63f,
                   0x1p64f, INFINITY})
    for (std::uint32_t near = std::bit_cast<std::uint32_t>(at), k = 0; k < 64; ++k)
      for (std::uint32_t sign : {0u, 0x80000000u}) {
        const std::uint32_t bits = (near + k - 32) ^ sign;
        const double wide = static_cast<double>(std::bit_cast<float>(bits));
        values.push_back(kind == ScalarKind::f64 ? std::bit_cast<std::uint64_t>(wide) : std::uint64_t{bits});
      }
  return values;
}

/// `e` of one parameter and its expansion agree everywhere; nothing is left to expand.
void check_expansion(const ScalarExpr& e, const ScalarExpr& x) {
  const ScalarExpr expanded = expand_conversions(e);
  CAPTURE(to_string(e), to_string(expanded));
  REQUIRE(expanded.id() != e.id());
  const std::vector<std::uint64_t> in = patterns(x.kind());
  std::vector<std::uint64_t> want(in.size()), got(in.size());
  const std::array columns = {in.data()};
  ScalarProgram(e, std::array{x}).run(columns, want.data(), in.size());
  ScalarProgram(expanded, std::array{x}).run(columns, got.data(), in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto is_nan = [&](std::uint64_t bits) {
      return e.kind() == ScalarKind::f32 && (bits & 0x7fffffff) > 0x7f800000;
    };
    if (want[i] == got[i] || (is_nan(want[i]) && is_nan(got[i]))) continue;
    FAIL_CHECK(fmt::format("{:#x}: {:#x}, expanded {:#x}", in[i], want[i], got[i]));
    return;
  }
}

}  // namespace

TEST_CASE("scalar_conversions_expand_to_what_every_language_has") {
  for (ScalarKind from : {ScalarKind::f32, ScalarKind::f64})
    for (ScalarKind to : {ScalarKind::i32, ScalarKind::u32, ScalarKind::i64, ScalarKind::u64}) {
      const ScalarExpr x = ScalarExpr::parameter("x", from);
      check_expansion(convert(x, to), x);
    }
}

TEST_CASE("scalar_stores_expand_to_what_every_language_has") {
  for (DType dtype : {f16, bf16, i8, i16, u8, u16}) {
    const ScalarExpr x = ScalarExpr::parameter("x", compute_kind(dtype));
    check_expansion(narrow(x, dtype), x);
  }
}

TEST_CASE("scalar_rewrites_keep_what_they_do_not_change") {
  const ScalarExpr x = ScalarExpr::parameter("x", ScalarKind::f32), e = x * x + ScalarExpr(1);
  CHECK(expand_conversions(e).id() == e.id());
}
