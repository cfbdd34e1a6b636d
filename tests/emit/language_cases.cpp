// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <bit>
#include <cmath>

#include "openinfer/half.h"
#include "tests/emit/cases.h"
#include "tests/emit/sample_kernels.h"

namespace openinfer::emit {
namespace {

using namespace openinfer::kir;

constexpr int kN = 37;  // two whole vectors of 16 and a tail

template <class T>
std::vector<std::byte> as(const std::vector<double>& values) {
  std::vector<T> typed;
  for (const double v : values) typed.push_back(static_cast<T>(v));
  return bytes_of(typed);
}

std::vector<double> numbers(Kind kind, std::uint32_t seed) {
  std::vector<double> values;
  for (const float x : noise(kN, seed)) {
    const bool is_signed = kind != Kind::u8 && kind != Kind::u16 && kind != Kind::u32 && kind != Kind::u64;
    const double v = is_signed ? x : std::abs(x);
    values.push_back(kind == Kind::b1                                            ? x > 0
                     : is_float(kind) || kind == Kind::f16 || kind == Kind::bf16 ? v * 9
                                                                                 : std::floor(v * 100));
  }
  return values;
}

std::vector<std::byte> nothing(Kind kind) {
  return std::vector<std::byte>(static_cast<std::size_t>(kN * info(kind).bytes));
}

/// y[i] = x[i] by way of a register, neighbours and backwards, and x[3] for all: each memory kind.
Case memory_kind(const Target& target, Kind kind) {
  Build k("memory_" + std::string(info(kind).name), target);
  const Mem x = k.in("x", kind), y = k.out("y", kind), z = k.out("z", kind), w = k.out("w", kind),
            one = k.out("one", kind);
  k.for_lanes("i", 0, k.param("n"), [&](Val i) {
    y[i] = x[i];
    z[kN - 1 - i] = x[kN - 1 - i];
    w[i] = x[3];
  });
  one[0] = x[5];
  std::vector<Run> runs;
  for (const int n : {0, 1, 16, kN})
    runs.push_back(
        {.memory = {in_memory(kind, numbers(kind, 21)), nothing(kind), nothing(kind), nothing(kind), nothing(kind)},
         .params = {n}});
  return {.kernel = k.done(), .runs = std::move(runs)};
}

/// Halves of every bit pattern, and what rounds to them.
Case all_halves(const Target& target, Kind kind) {
  Build k("all_" + std::string(info(kind).name), target);
  const Mem x = k.in("x", kind), wide = k.out("wide", Kind::f32), v = k.in("v", Kind::f32), y = k.out("y", kind);
  k.for_lanes("i", 0, 65536, [&](Val i) {
    wide[i] = x[i];
    y[i] = v[i];
  });
  std::vector<std::uint16_t> bits(65536);
  std::vector<float> values(65536), zero(65536);
  for (std::uint32_t i = 0; i < 65536; ++i) {
    bits[i] = static_cast<std::uint16_t>(i);
    // Around the middle between two neighbours, where rounding decides.
    const float near = kind == Kind::f16 ? half_to_float(bits[i]) : bfloat_to_float(bits[i]);
    const std::uint32_t half_step = kind == Kind::f16 ? 0x1000 : 0x8000;
    values[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(near) + half_step + i % 3 - 1);
  }
  return {.kernel = k.done(), .runs = {{.memory = {bytes_of(bits), bytes_of(zero), bytes_of(values), bytes_of(bits)}}}};
}

std::vector<Val> arithmetic(Build& k, Val a, Val b, Val c, Kind kind) {
  std::vector<Val> all = {a + b * c - a, (a - (b - c)) * -a, min(a, b), max(max(a, c), b)};
  all.push_back(abs(a - b));
  all.push_back(select(a < b, a, c));
  all.push_back(select(a <= b && !(b == c), b, select(a != c || c < a, c, a)));
  if (is_float(kind)) {
    for (const Val v :
         {fma(a, b, c), sqrt(abs(a)), floor(a), round(a * 0.5), a / (b * b + 1), convert(convert(a, Kind::i32), kind)})
      all.push_back(v);
    return all;
  }
  const Val positive = k.let("positive", select(b < 1, k.constant(7, kind), b));
  for (const Val v : {a & b, a | b, a ^ ~c, (a & 15) << 2, (a & 4095) >> 3, (a & 1023) / positive,
                      (a & 1023) % positive, convert(convert(a, Kind::f64), kind)})
    all.push_back(v);
  return all;
}

/// Each operation on one kind: a differs between lanes, b too, c is the same for all; then all three are.
Case operations(const Target& target, Kind kind) {
  Build k("operations_" + std::string(info(kind).name), target);
  const Mem a = k.in("a", kind), b = k.in("b", kind), y = k.out("y", kind), z = k.out("z", kind);
  const Val n = k.param("n"), same = k.let("same", b[2]);
  const std::vector<Val> uniform = arithmetic(k, a[1], same, b[4], kind);
  for (std::size_t i = 0; i < uniform.size(); ++i) z[static_cast<int>(i)] = uniform[i];
  k.for_lanes("i", 0, n, [&](Val i) {
    const std::vector<Val> each = arithmetic(k, a[i], b[i], same, kind), mixed = arithmetic(k, same, b[i], a[i], kind);
    for (std::size_t r = 0; r < each.size(); ++r) {
      y[i + kN * static_cast<int>(2 * r)] = each[r];
      y[i + kN * static_cast<int>(2 * r + 1)] = mixed[r];
    }
  });
  std::vector<Run> runs;
  for (const int count : {5, kN}) {
    Run run = {.memory = {in_memory(kind, numbers(kind, 31)), in_memory(kind, numbers(kind, 32)), {}, nothing(kind)},
               .params = {count}};
    run.memory[2].resize(nothing(kind).size() * 2 * uniform.size());
    runs.push_back(std::move(run));
  }
  return {.kernel = k.done(), .runs = std::move(runs)};
}

/// Conversions between kinds, bits, truth values, what lanes are, and lane operations.
Case conversions(const Target& target) {
  Build k("conversions", target);
  const Mem x = k.in("x", Kind::f32), q = k.in("q", Kind::i32), y = k.out("y", Kind::f32), f = k.out("f", Kind::f64),
            b = k.out("b", Kind::b1);
  const Mem i64 = k.out("i64", Kind::i64), u = k.out("u", Kind::u32), s = k.out("s", Kind::i32);
  const Val n = k.param("n");
  const Val flag = k.let("flag", n < 20);
  const Reg seen = k.var("seen", Kind::b1, Rate::lane, k.constant(0, Kind::b1)), count = k.var("count", Kind::i32),
            top = k.var("top", Kind::i64);
  k.for_lanes("i", 0, n, [&](Val i) {
    const Val positive = k.let("positive", Val(x[i]) > 0);
    f[i] = convert(x[i], Kind::f64) + convert(i, Kind::f64);
    b[i] = positive != flag;
    i64[i] = convert(q[i], Kind::i64) * 1234567890123 + convert(positive, Kind::i64);
    u[i] = bitcast(x[i], Kind::u32) ^ (convert(i * 3, Kind::u32) << 4);
    s[i] = select(flag, i * i, i - 5) + convert(positive, Kind::i32) + bitcast(bitcast(q[i], Kind::u32) | 1, Kind::i32);
    y[i] = convert(convert(x[i], Kind::u32) * 0 + 3u, Kind::f32) * convert(i * 2, Kind::f32) +
           select(positive && flag, x[i].load(), k.constant(-0.0));
    seen = Val(seen) || positive;
    count = Val(count) + convert(positive, Kind::i32) + 10;  // not where no lane is
    top = max(Val(top), convert(q[i], Kind::i64));
  });
  s[n] = k.let("total", k.lane_sum(count));
  i64[n] = k.let("most", k.lane_max(top));
  s[n + 1] = k.let("picked", k.lane_get(count, k.constant(target.lanes - 1)));
  s[n + 2] = k.let("least", k.lane_min(count)) + convert(flag, Kind::i32);
  i64[n + 1] = convert(k.let("any", k.lane_max(select(seen, k.constant(1), k.constant(0)))), Kind::i64);
  i64[n + 2] = k.let("thrice", k.lane_sum(k.constant(3))) / target.lanes;
  std::vector<Run> runs;
  for (const int count_of : {5, 32, kN}) {
    std::vector<double> small = numbers(Kind::f32, 41);
    for (double& v : small) v = std::abs(v);  // what a u32 holds
    small[3] = 0, small[7] = 0;
    runs.push_back(
        {.memory = {in_memory(Kind::f32, small), in_memory(Kind::i32, numbers(Kind::i32, 42)), nothing(Kind::f32),
                    nothing(Kind::f64), nothing(Kind::b1), std::vector<std::byte>(8 * (kN + 3)), nothing(Kind::u32),
                    std::vector<std::byte>(4 * (kN + 3))},
         .params = {count_of}});
  }
  return {.kernel = k.done(), .runs = std::move(runs)};
}

/// Records read at any place; strides, broadcast rows, division of indices.
Case places(const Target& target) {
  const Record pair = {"pair", {{"scale", Kind::f16, 1}, {"sum", Kind::f32, 1}, {"q", Kind::i16, 3}}};
  Build k("places", target);
  const Mem in = k.in("in", pair), out = k.out("out", Kind::f32), q = k.out("q", Kind::i16);
  const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32), z = k.out("z", Kind::f32);
  const Val n = k.param("n");
  k.for_lanes("i", 0, n, [&](Val i) {
    const Slot from = in.block(i);
    out[n - 1 - i] = Val(from["scale"]) * 2 + Val(from["sum"]) + x[i * 2];
    k.each("j", 3, [&](Val j) { q[(n - 1 - i) * 3 + j] = from["q"](2 - j) + i; });
    y[i] = x[i / 3] + x[i % 5] + x[k.let("twice", 2 * i + 1)];
  });
  k.for_lanes("j", 0, 3, [&](Val j) {
    z[j] =
        convert(in.block(1)["q"](j), Kind::f32) + Val(in.block(2)["sum"]) + convert(in.block(0)["q"](j % 2), Kind::f32);
  });
  k.if_(
      n < 30, [&] { z[3] = in.block(0)["sum"]; }, [&] { z[3] = x[0]; });
  k.prefetch(x[n], 256);
  std::vector<Run> runs;
  for (const int count : {3, 35}) {
    const auto blocks = static_cast<std::size_t>(std::max(count, 3));
    runs.push_back({.memory = {random_bytes(blocks * 12, 51), nothing(Kind::f32), std::vector<std::byte>(blocks * 6),
                               bytes_of(noise(80, 52)), nothing(Kind::f32), nothing(Kind::f32)},
                    .params = {count}});
  }
  return {.kernel = k.done(), .runs = std::move(runs)};
}

/// Bounds that the loop's own body changes count as they were before it.
Case bounds(const Target& target) {
  Build k("bounds", target);
  const Mem y = k.inout("y", Kind::i32);
  const Reg end = k.var("end", Kind::i32, Rate::group, 3);
  k.for_("turn", 0, end, [&](Val turn) {
    end = Val(end) + 2;
    y[turn + 30] = Val(end) * 100 + turn;
  });
  k.for_lanes("i", y[0], Val(y[1]) + 1, [&](Val i) { y[i] = i + 100; });
  std::vector<std::int32_t> start(40);
  start[0] = 5, start[1] = 25;
  return {.kernel = k.done(), .runs = {{.memory = {bytes_of(start)}}}};
}

/// A whole number has no sign of zero: -0.25 becomes 0 and not -0, on its own and in a vector.
Case whole_numbers(const Target& target) {
  Build k("whole_numbers", target);
  const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32), z = k.out("z", Kind::f64),
            one = k.out("one", Kind::f32);
  const auto whole = [](Val v, Kind kind) { return convert(convert(v, Kind::i32), kind); };
  one[0] = k.constant(1.0) / whole(x[0], Kind::f32);
  k.for_lanes("i", 0, kN, [&](Val i) {
    y[i] = whole(x[i], Kind::f32);
    z[i] = whole(x[i], Kind::f64);
  });
  std::vector<double> values = numbers(Kind::f32, 71);
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] = -0.25;
  return {.kernel = k.done(),
          .runs = {{.memory = {in_memory(Kind::f32, values), nothing(Kind::f32), nothing(Kind::f64),
                               bytes_of(std::vector<float>(1))}}}};
}

/// Of a NaN and a number, and of two zeros, min and max take b: the interpreter and C++ alike, lane by lane and over
/// lanes.
Case extremes(const Target& target, Kind kind) {
  Build k("extremes_" + std::string(info(kind).name), target);
  const Mem a = k.in("a", kind), b = k.in("b", kind), least = k.out("least", kind), most = k.out("most", kind),
            z = k.out("z", kind);
  const Val n = k.param("n");
  const Reg low = k.var("low", kind), high = k.var("high", kind);
  k.for_lanes("i", 0, n, [&](Val i) {
    least[i] = min(a[i], b[i]);
    most[i] = max(a[i], b[i]);
    low = min(Val(low), a[i]);
    high = max(Val(high), b[i]);
  });
  z[0] = min(a[0], b[0]);
  z[1] = max(a[0], b[0]);
  z[2] = k.let("lowest", k.lane_min(low));
  z[3] = k.let("highest", k.lane_max(high));
  const std::array<double, 5> odd = {NAN, 0.0, -0.0, 3, -3};  // every pair of them
  std::vector<Run> runs;
  for (const int count : {1, 16, kN})
    for (std::size_t first = 0; first < 25; first += 6) {
      std::vector<double> left(kN), right(kN);
      for (std::size_t i = 0; i < left.size(); ++i) left[i] = odd[(first + i) % 5], right[i] = odd[(first + i) / 5 % 5];
      runs.push_back(
          {.memory = {in_memory(kind, left), in_memory(kind, right), nothing(kind), nothing(kind), nothing(kind)},
           .params = {count}});
    }
  return {.kernel = k.done(), .runs = std::move(runs)};
}

/// Functions of scalars and of vectors, one calling the other; names that the language has taken; reads overtaken by
/// writes.
Case functions_and_names(const Target& target) {
  Build k("functions_and_names", target);
  const Mem x = k.in("x", Kind::f32), y = k.inout("y", Kind::f32);
  const Val n = k.param("n");
  const auto square = [](const std::vector<Val>& a) { return a[0] * a[0]; };
  const auto sum = [&](const std::vector<Val>& a) {
    const Val s = k.let("s", a[0] + a[1]);
    return k.call("square", {s}, square) + s * k.call("square", {a[1]}, square);
  };
  const Val uniform = k.call("mix", {x[0], k.constant(0.5)}, sum, "both", {"a", "b"});
  const Reg before = k.var("tail", Kind::f32, Rate::lane, 1.5);
  k.for_lanes("i", 0, n, [&](Val i) {
    const Val old = y[i];
    y[i] = k.call("mix", {x[i], uniform}, sum);
    y[i] = Val(y[i]) - old * 2;
    const Val was = before;
    before = was + x[i];
    y[i] = Val(y[i]) + was * was + Val(before);
    before = Val(before) - 1;
  });
  k.for_lanes("i", 0, 1, [&](Val i) { y[n + i] = k.constant(-3.0) - (-uniform) * -1; });
  std::vector<Run> runs;
  for (const int count : {4, kN - 1})
    runs.push_back({.memory = {bytes_of(noise(kN, 61)), bytes_of(noise(kN, 62))}, .params = {count}});
  return {.kernel = k.done(), .runs = std::move(runs)};
}

/// Values of a graph may be called as functions that their kernel calls, and as words of a language.
Case names_that_are_taken(const Target& target) {
  Build k("names_that_are_taken", target);
  const Mem operand = k.in("square", Kind::f32), other = k.in("class", Kind::f32), result = k.out("max", Kind::f32);
  const Val n = k.param("and");
  const auto square = [](const std::vector<Val>& a) { return a[0] * a[0]; };
  k.for_lanes("i", 0, n, [&](Val i) {
    const Val both = k.call("square", {operand[i]}, square) + Val(other[i]);
    result[i] = max(abs(both), Val(other[i]));
  });
  const std::vector<std::byte> x = bytes_of(noise(kN, 63)), y = bytes_of(noise(kN, 64));
  return {.kernel = k.done(), .runs = {{.memory = {x, y, x}, .params = {kN}}}};
}

}  // namespace

std::vector<std::byte> in_memory(Kind kind, const std::vector<double>& values) {
  switch (kind) {
    case Kind::b1:
    case Kind::u8: return as<std::uint8_t>(values);
    case Kind::i8: return as<std::int8_t>(values);
    case Kind::i16: return as<std::int16_t>(values);
    case Kind::u16: return as<std::uint16_t>(values);
    case Kind::i8x4:
    case Kind::i32: return as<std::int32_t>(values);
    case Kind::u32: return as<std::uint32_t>(values);
    case Kind::i64: return as<std::int64_t>(values);
    case Kind::u64: return as<std::uint64_t>(values);
    case Kind::f64: return as<double>(values);
    case Kind::f16:
    case Kind::bf16: break;
    case Kind::f32:
    case Kind::mma_a:  // never in memory
    case Kind::mma_b:
    case Kind::mma_c:
    case Kind::none: return as<float>(values);
  }
  std::vector<std::uint16_t> bits;
  for (const double v : values)
    bits.push_back(kind == Kind::f16 ? float_to_half(static_cast<float>(v)) : float_to_bfloat(static_cast<float>(v)));
  return bytes_of(bits);
}

std::vector<float> noise(std::size_t count, std::uint32_t seed) {
  std::vector<float> values;
  std::uint32_t state = seed * 2654435761u + 12345u;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' linear congruence
    values.push_back(static_cast<float>(state >> 8) / (1 << 23) - 1);
  }
  return values;
}

std::vector<std::byte> random_bytes(std::size_t count, std::uint32_t seed) {
  std::vector<std::byte> bytes;
  for (const float x : noise(count, seed)) bytes.push_back(static_cast<std::byte>((x + 1) * 32));
  return bytes;
}

std::vector<Case> language_cases(const Target& target) {
  std::vector<Case> cases;
  for (const Kind kind : {Kind::b1, Kind::i32, Kind::u32, Kind::i64, Kind::u64, Kind::f32, Kind::f64, Kind::i8x4,
                          Kind::f16, Kind::bf16, Kind::i8, Kind::u8, Kind::i16, Kind::u16})
    cases.push_back(memory_kind(target, kind));
  for (const Kind kind : {Kind::i32, Kind::u32, Kind::i64, Kind::u64, Kind::f32, Kind::f64})
    cases.push_back(operations(target, kind));
  cases.push_back(all_halves(target, Kind::f16));
  cases.push_back(all_halves(target, Kind::bf16));
  cases.push_back(conversions(target));
  cases.push_back(places(target));
  cases.push_back(bounds(target));
  cases.push_back(whole_numbers(target));
  for (const Kind kind : {Kind::f32, Kind::f64}) cases.push_back(extremes(target, kind));
  cases.push_back(functions_and_names(target));
  cases.push_back(names_that_are_taken(target));
  return cases;
}

}  // namespace openinfer::emit
