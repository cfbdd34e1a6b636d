// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/cpp.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "codegen/kernel_ir/build.h"
#include "codegen/kernel_ir/interpret.h"
#include "openinfer/error.h"
#include "openinfer/half.h"
#include "tests/emit/cases.h"
#include "tests/emit/cpp_harness.h"
#include "tests/emit/sample_kernels.h"

using namespace openinfer;
using namespace openinfer::emit;

namespace {

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

/// Of C++ alone: pairs of bf16 and their dot products. No number and no product is below 2^-126, which devices may
/// take for 0; sums meet ties, infinities and NaN.
Case bf16_case(const kir::Target& target) {
  constexpr int kCount = 533;
  kir::Build k("bf16_pairs", target);
  const kir::Mem a = k.in("a", kir::Kind::f32), b = k.in("b", kir::Kind::u32), c = k.in("c", kir::Kind::f32),
                 y = k.out("y", kir::Kind::f32);
  k.for_group("i", 0, k.param("n"), [&](const kir::Val& i) {
    const kir::Val at = k.let("at", i * 2);
    y[i] = bf16_dot(bf16_pair(a[at], a[at + 1]), b[i], c[i]);
  });
  std::vector<float> pairs = noise(2 * kCount, 1), sums = noise(kCount, 3);
  std::vector<std::uint32_t> others;
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::uint32_t low = float_to_bfloat(static_cast<float>(i % 17) - 8.0f), high = float_to_bfloat(sums[i]);
    others.push_back(low | high << 16);
    if (i % 5 == 0) sums[i] *= 0x1p-12f;
    if (i % 31 == 0) pairs[2 * i] = INFINITY;
    if (i % 37 == 0) pairs[2 * i + 1] = NAN;
    if (i % 41 == 0) pairs[2 * i + 1] = 3.4e38f;
  }
  const Run run = {.memory = {bytes_of(pairs), bytes_of(others), bytes_of(sums), bytes_of(noise(kCount, 4))},
                   .params = {kCount}};
  return {.kernel = k.done(), .runs = {run}};
}

/// Of C++ alone: a matrix whose sides are no multiples of the lanes is turned, behind its last row and column those
/// again.
template <class T>
Case turn_case(const kir::Target& target, std::string_view name, kir::Kind stored) {
  constexpr int kRows = 37, kColumns = 21;
  const kir::Kind kind = kir::info(stored).in_register;
  const int lanes = target.lanes, stride = (kRows + lanes - 1) / lanes * lanes;
  kir::Build k(fmt::format("turn_{}", name), target);
  const kir::Mem x = k.in("x", stored), y = k.out("y", kind);
  const auto block = [&](const kir::Val& row, const kir::Val& column) {
    const kir::Tile tile = k.tile("tile", lanes, kind);
    k.each("j", lanes, [&](const kir::Val& j) {
      tile[j] = x[min(row + j, kRows - 1) * kColumns + min(column + k.lane(), kColumns - 1)];
    });
    tile.turn();
    k.each("i", lanes, [&](const kir::Val& i) { y[(column + i) * stride + row + k.lane()] = tile[i]; });
  };
  k.for_(
      "row", 0, kRows,
      [&](const kir::Val& row) {
        k.for_(
            "column", 0, kColumns, [&](const kir::Val& column) { block(row, column); }, 1, lanes);
      },
      1, lanes);
  std::vector<T> matrix(kRows * kColumns);
  for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<T>(i * 79 % 251);
  const auto turned = static_cast<std::size_t>((kColumns + lanes - 1) / lanes * lanes * stride);
  const std::vector<std::byte> out(turned * static_cast<std::size_t>(kir::info(kind).bytes));
  return {.kernel = k.done(), .runs = {Run{.memory = {bytes_of(matrix), out}}}};
}
std::vector<Case> turn_cases(const kir::Target& target) {
  using kir::Kind;
  return {turn_case<float>(target, "f32", Kind::f32),         turn_case<double>(target, "f64", Kind::f64),
          turn_case<std::int32_t>(target, "i32", Kind::i32),  turn_case<std::uint32_t>(target, "u32", Kind::u32),
          turn_case<std::int64_t>(target, "i64", Kind::i64),  turn_case<std::uint64_t>(target, "u64", Kind::u64),
          turn_case<std::uint16_t>(target, "f16", Kind::f16), turn_case<std::uint16_t>(target, "bf16", Kind::bf16),
          turn_case<std::int8_t>(target, "i8", Kind::i8),     turn_case<std::uint16_t>(target, "u16", Kind::u16)};
}

std::vector<Case> all_cases(const kir::Target& target) {
  std::vector<Case> cases = algorithm_cases(target);
  for (Case& c : language_cases(target)) cases.push_back(std::move(c));
  cases.push_back(bf16_case(target));
  if (target.lanes == 1) return cases;  // templates take time to compile, and have nothing of their own there
  for (Case& c : template_cases(target)) cases.push_back(std::move(c));
  return cases;
}

constexpr std::size_t kGuard = 64;  // bytes behind each buffer that nobody may write

std::vector<std::span<std::byte>> spans_of(Memory& memory) {
  std::vector<std::span<std::byte>> spans;
  for (auto& m : memory) spans.emplace_back(m.data(), m.size() - kGuard);
  return spans;
}

template <class T, class Number>
bool same_numbers(const std::vector<std::byte>& a, const std::vector<std::byte>& b, Number number) {
  const auto x = values_of<T>(a), y = values_of<T>(b);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i] != y[i] && !(std::isnan(number(x[i])) && std::isnan(number(y[i])))) return false;
  return true;
}

/// The same bits; of floats also any two NaN.
bool same(kir::Kind kind, const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
  if (a == b) return true;
  if (kind == kir::Kind::f32)
    return same_numbers<std::uint32_t>(a, b, [](std::uint32_t v) { return std::bit_cast<float>(v); });
  if (kind == kir::Kind::f64)
    return same_numbers<std::uint64_t>(a, b, [](std::uint64_t v) { return std::bit_cast<double>(v); });
  if (kind == kir::Kind::f16) return same_numbers<std::uint16_t>(a, b, half_to_float);
  return kind == kir::Kind::bf16 && same_numbers<std::uint16_t>(a, b, bfloat_to_float);
}

void check_run(const CppKernels& library, const Case& c, const Run& run) {
  Memory mine = run.memory;
  for (auto& m : mine) m.insert(m.end(), kGuard, std::byte{0xff});
  Memory reference = mine;
  library.run(c.kernel.name, spans_of(mine), run.params, run.groups);
  kir::interpret(c.kernel, spans_of(reference), run.params, run.groups);
  std::size_t at = 0;
  for (const kir::Buffer& b : c.kernel.buffers) {
    if (b.space == kir::Space::shared) continue;
    INFO("buffer " << b.name);
    CHECK(same(b.kind, mine[at], reference[at]));
    ++at;
  }
  for (auto& m : mine) m.resize(m.size() - kGuard);
  if (run.error) CHECK(run.error(run.memory, mine) <= 1);
}

void check_build(const CppBuild& build, const std::function<std::vector<Case>(const kir::Target&)>& cases_of) {
  CppKernels library(build);
  const std::vector<Case> cases = cases_of({.lanes = build.lanes});
  for (const Case& c : cases) library.add(c.kernel);
  library.compile();
  for (const Case& c : cases)
    for (const Run& run : c.runs) {
      INFO(describe(build) << ": " << c.kernel.name << " with " << (run.params.empty() ? 0 : run.params[0]));
      check_run(library, c, run);
    }
}

}  // namespace

TEST_CASE("C++ gives the bits of the interpreter, and what f64 loops give") {
  const std::vector<CppBuild> builds = cpp_builds(Builds::quick);
  REQUIRE(!builds.empty());
  for (const CppBuild& build : builds) check_build(build, all_cases);
}

TEST_CASE("every build of C++ gives the bits of the interpreter", "[.every_build]") {
  const std::vector<CppBuild> builds = cpp_builds(Builds::all);
  REQUIRE(!builds.empty());
  for (const CppBuild& build : builds) check_build(build, all_cases);
}

TEST_CASE("g++ has no warning for attention of prompts either, over all keys or a window") {
  check_build({"g++", 16, {"-O0"}}, prompt_attention_cases);  // clang++ 14 does not look at arrays that nobody reads
}

TEST_CASE("tiles of every kind are turned on targets with AVX-512 and without") {
  const std::vector<CppBuild> builds = cpp_builds(Builds::all);
  REQUIRE(!builds.empty());
  for (const CppBuild& build : builds) check_build(build, turn_cases);
}

/// clang refuses copies that are too long, and says so; every_build compiles such kernels.
TEST_CASE("only loops without others inside are asked for to the end") {
  kir::Build k("twice", {.lanes = 4});
  const kir::Mem x = k.in("x", kir::Kind::f32), y = k.out("y", kir::Kind::f32);
  const kir::Tile sum = k.tile("sum", 2, kir::Kind::f32);
  k.each("pass", 2,
         [&](const kir::Val& pass) { k.for_("b", 0, 3, [&](const kir::Val& b) { sum[pass] += x[b * 2 + pass]; }); });
  k.each("i", 2, [&](const kir::Val& i) { y[i * k.lanes() + k.lane()] = sum[i]; });
  k.each("h", 2, [&](const kir::Val& h) {
    const auto part = [&](const kir::Val& s) { y[(h * 4 + s) * k.lanes() + k.lane()] = 0.0; };
    k.for_("s", 0, 4, part, 4);
  });
  const std::string source = render_cpp(k.done());
  CHECK(source.find("  UNROLL_AROUND(2)\n  for (int pass = 0;") != std::string::npos);
  CHECK(source.find("  UNROLL(2)\n  for (int i = 0;") != std::string::npos);
  CHECK(source.find("  UNROLL(2)\n  for (int h = 0;") != std::string::npos);
}

TEST_CASE("C++ is one subgroup") {
  CHECK(message_of([] { render_cpp(kir::rms_norm({.lanes = 16, .subgroups = 4}, 64)); }) ==
        "[emit] kernel rms_norm: C++ has one subgroup, not 4");
}
