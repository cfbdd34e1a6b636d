// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/interpret.h"

#include <array>
#include <catch2/catch.hpp>
#include <functional>
#include <numeric>

#include "codegen/kernel_ir/build.h"
#include "openinfer/half.h"
#include "run.h"

using namespace openinfer;
using namespace openinfer::kir;

namespace {

const std::vector<Target> kTargets = {{.lanes = 1},
                                      {.lanes = 16},
                                      {.lanes = 8},
                                      {.lanes = 8, .subgroups = 4},
                                      {.lanes = 32, .subgroups = 4},
                                      {.lanes = 64, .subgroups = 2}};

/// y[0 … 8) = f(a, b) for operands of one kind, on one lane.
template <class Y, class T>
std::vector<Y> binary(Kind kind, Kind result, std::vector<T> a, std::vector<T> b, Val f(Val, Val)) {
  Build k("binary", {});
  const Mem x = k.in("a", kind), z = k.in("b", kind), y = k.out("y", result);
  k.for_("i", 0, k.param("n"), [&](Val i) { y[i] = f(x[i], z[i]); });
  const Kernel kernel = k.done();
  std::vector<Y> out(a.size());
  interpret(kernel, {bytes(a), bytes(b), bytes(out)}, {static_cast<int>(a.size())}, 1);
  return out;
}

}  // namespace

TEST_CASE("every way to deal a loop meets each index once") {
  for (const Target& target : kTargets) {
    for (const int n : {0, 1, 7, 64, 131}) {
      Build k("deal", target);
      const Mem lanes = k.inout("lanes", Kind::i32), subgroups = k.inout("subgroups", Kind::i32),
                group = k.inout("group", Kind::i32);
      const Val count = k.param("n");
      k.if_(k.subgroup() == 0, [&] { k.for_lanes("i", 0, count, [&](Val i) { lanes[i] = lanes[i] + 1; }); });
      k.for_subgroups("i", 0, count, [&](Val i) {
        k.for_lanes("once", 0, 1, [&](Val once) { subgroups[i + once] = subgroups[i + once] + 1; });
      });
      k.for_group("i", 0, count, [&](Val i) { group[i] = group[i] + 1; });
      const Kernel kernel = k.done();
      std::vector<int> a(static_cast<std::size_t>(n)), b = a, c = a;
      interpret(kernel, {bytes(a), bytes(b), bytes(c)}, {n}, 1);
      const std::vector<int> ones(static_cast<std::size_t>(n), 1);
      CHECK(a == ones);
      CHECK(b == ones);
      CHECK(c == ones);
    }
  }
}

TEST_CASE("neighbouring lanes share an index and split the block behind it") {
  for (const Target& target : kTargets) {
    Build k("share", target);
    const Mem y = k.inout("y", Kind::i32);
    k.if_(k.subgroup() == 0, [&] {
      k.for_lanes(
          "b", 0, 5,
          [&](Val b) {
            const int together = std::min(4, target.lanes);
            k.each("s", 4 / together, [&](Val s) {
              const Val at = b * 4 + s * together + k.lane_in(4);
              y[at] = Val(y[at]) + 1;
            });
          },
          4);
    });
    const Kernel kernel = k.done();
    std::vector<int> y_values(20);
    interpret(kernel, {bytes(y_values)}, {}, 1);
    CHECK(y_values == std::vector<int>(20, 1));
  }
}

TEST_CASE("quarters of the lanes have the largest of four values, where lanes are vectors") {
  for (const Target& target : kTargets) {
    if (target.lanes < 4) continue;
    Build k("quarters", target);
    const Mem y = k.out("y", Kind::i32);
    const Val lane = k.lane();
    const auto code = [&] {
      y[k.subgroup() * k.lanes() + lane] = k.lane_maxs(lane, lane * 2 - 100, -lane, lane ^ 1);
      return k.done();
    };
    if (!target.lanes_are_vectors()) {
      CHECK_THROWS_WITH(code(), Catch::Contains("lanes are no vectors"));
      continue;
    }
    std::vector<int> values(static_cast<std::size_t>(target.lanes));
    interpret(code(), {bytes(values)}, {}, 1);
    const int n = target.lanes, largest[] = {n - 1, 2 * n - 102, 0, n - 1};
    for (int i = 0; i < n; ++i) CHECK(values[static_cast<std::size_t>(i)] == largest[i / (n / 4)]);
  }
}

TEST_CASE("rows of a tile become its columns, where lanes are vectors") {
  for (const Target& target : kTargets) {
    Build k("turn", target);
    const Mem x = k.in("x", Kind::i32), y = k.out("y", Kind::i32);
    const int lanes = target.lanes;
    const auto code = [&] {
      const Tile tile = k.tile("tile", lanes, Kind::i32);
      k.each("j", lanes, [&](Val j) { tile[j] = x[j * lanes + k.lane()]; });
      tile.turn();
      k.each("j", lanes, [&](Val j) { y[j * lanes + k.lane()] = tile[j]; });
      return k.done();
    };
    if (!target.lanes_are_vectors()) {
      CHECK_THROWS_WITH(code(), Catch::Contains("lanes are no vectors"));
      continue;
    }
    const auto n = static_cast<std::size_t>(lanes);
    std::vector<int> rows(n * n), columns(n * n);
    std::iota(rows.begin(), rows.end(), 7);
    interpret(code(), {bytes(rows), bytes(columns)}, {}, 1);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) CHECK(columns[i * n + j] == rows[j * n + i]);
  }
}

TEST_CASE("quarters of the lanes are transposed, where lanes are vectors") {
  for (const Target& target : kTargets) {
    if (target.lanes < 4) continue;
    Build k("transposed", target);
    const Mem y = k.out("y", Kind::i32);
    const auto code = [&] {
      y[k.subgroup() * k.lanes() + k.lane()] = k.lane_turn(k.lane());
      return k.done();
    };
    if (!target.lanes_are_vectors()) {
      CHECK_THROWS_WITH(code(), Catch::Contains("lanes are no vectors"));
      continue;
    }
    std::vector<int> values(static_cast<std::size_t>(target.lanes));
    interpret(code(), {bytes(values)}, {}, 1);
    const int n = target.lanes;
    for (int j = 0; j < 4; ++j)
      for (int i = 0; i < n / 4; ++i) CHECK(values[static_cast<std::size_t>(4 * i + j)] == j * (n / 4) + i);
  }
}

TEST_CASE("quarters of the lanes have the sums of four values") {
  for (const Target& target : kTargets) {
    if (target.lanes < 4) continue;
    Build k("quarters", target);
    const Mem y = k.out("y", Kind::f32);
    const Val lane = convert(k.lane(), Kind::f32);
    y[k.subgroup() * k.lanes() + k.lane()] = k.lane_sums(lane, lane * 2, lane + 1, -lane);
    const Kernel kernel = k.done();
    std::vector<float> values(static_cast<std::size_t>(target.lanes * target.subgroups));
    interpret(kernel, {bytes(values)}, {}, 1);
    const int n = target.lanes, all = n * (n - 1) / 2;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const int quarter = static_cast<int>(i) % n / (n / 4);
      const std::array wanted = {all, 2 * all, all + n, -all};
      CHECK(values[i] == static_cast<float>(wanted[static_cast<std::size_t>(quarter)]));
    }
  }
}

TEST_CASE("sums over lanes and over the workgroup, rows by group and subgroup") {
  for (const Target& target : kTargets) {
    Build k("sums", target);
    const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32), z = k.out("z", Kind::f32);
    const Val columns = k.param("columns"), rows = k.param("rows");
    const Val row = k.let("row", k.subgroup_global());
    k.if_(row < rows, [&] {
      const Reg sum = k.var("sum", Kind::f32);
      k.for_lanes("i", 0, columns, [&](Val i) { sum += x[row * columns + i]; });
      y[row] = k.lane_sum(sum);
    });
    const Reg largest = k.var("largest", Kind::f32, Rate::lane, -1.0);
    k.for_group("i", 0, columns, [&](Val i) { largest = max(largest.value(), x[k.group() * columns + i]); });
    z[k.group()] = k.group_max("most", largest);
    const Kernel kernel = k.done();
    const int n_rows = 2 * target.subgroups, n_columns = 37;
    std::vector<float> x_values(static_cast<std::size_t>(n_rows * n_columns));
    std::iota(x_values.begin(), x_values.end(), 0.0f);
    std::vector<float> y_values(static_cast<std::size_t>(n_rows)), z_values(2);
    interpret(kernel, {bytes(x_values), bytes(y_values), bytes(z_values)}, {n_columns, n_rows}, 2);
    for (int r = 0; r < n_rows; ++r)
      CHECK(y_values[static_cast<std::size_t>(r)] == static_cast<float>(n_columns * (r * n_columns) + 36 * 37 / 2));
    CHECK(z_values == std::vector<float>{36, 73});
  }
}

TEST_CASE("a store narrows and a load widens") {
  const std::vector<float> x = {1.0f, 1.0009765625f, 65519.0f, 65520.0f, -1e-8f, 3.1415927f};
  const auto through = [&]<class T>(Kind kind, T) {
    Build k("narrow", {.lanes = 4});
    const Mem a = k.in("x", Kind::f32), b = k.inout("b", kind), y = k.out("y", Kind::f32);
    k.for_lanes("i", 0, 6, [&](Val i) {
      b[i] = a[i];
      y[i] = b[i];
    });
    std::vector<float> in = x, out(6);
    std::vector<T> middle(6);
    interpret(k.done(), {bytes(in), bytes(middle), bytes(out)}, {}, 1);
    return out;
  };
  const auto half = through(Kind::f16, Half{}), brain = through(Kind::bf16, BFloat16{});
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(half[i] == static_cast<float>(Half(x[i])));
    CHECK(brain[i] == static_cast<float>(BFloat16(x[i])));
  }
  CHECK(binary<std::int8_t, std::int32_t>(Kind::i32, Kind::i8, {127, 255}, {1, 0},
                                          [](Val a, Val b) { return a + b; }) == std::vector<std::int8_t>{-128, -1});
}

TEST_CASE("integers wrap, floats round as float does") {
  const auto add = [](Val a, Val b) { return a + b; };
  const auto mul = [](Val a, Val b) { return a * b; };
  CHECK(binary<std::int32_t, std::int32_t>(Kind::i32, Kind::i32, {2147483647}, {1}, add)[0] == -2147483647 - 1);
  CHECK(binary<std::uint64_t, std::uint64_t>(Kind::u64, Kind::u64, {~0ull}, {2}, mul)[0] == ~0ull - 1);
  CHECK(binary<float, float>(Kind::f32, Kind::f32, {16777216.0f}, {1.0f}, add)[0] == 16777216.0f);
  CHECK(binary<double, double>(Kind::f64, Kind::f64, {16777216.0}, {1.0}, add)[0] == 16777217.0);
  CHECK(binary<std::int32_t, std::int32_t>(Kind::i32, Kind::i32, {-8}, {1}, [](Val a, Val b) { return a >> b; })[0] ==
        -4);
  CHECK(binary<float, float>(Kind::f32, Kind::f32, {2.5f}, {0.0f}, [](Val a, Val) { return round(a); })[0] == 2.0f);
}

TEST_CASE("four bytes at once: the exact sum, or an error where a device would saturate") {
  const auto dot = [](Dot4 device, bool is_signed, std::vector<std::int8_t> x, std::vector<std::int8_t> z) {
    Build k("dot", {.lanes = 1, .subgroups = 1, .dot4 = device});
    const Mem a = k.in("a", Kind::i8), b = k.in("b", Kind::i8), y = k.out("y", Kind::i32);
    y[0] = is_signed ? dot4(a[4].packed(), b[4].packed(), 1) : dot4_us(a[4].packed(), b[4].packed(), 1);
    x.insert(x.begin(), 4, 0);
    z.insert(z.begin(), 4, 0);
    std::vector<std::int32_t> out(1);
    interpret(k.done(), {bytes(x), bytes(z), bytes(out)}, {}, 1);
    return out[0];
  };
  for (const Dot4 device : {Dot4::none, Dot4::ss, Dot4::us, Dot4::us_sat16}) {
    CHECK(dot(device, true, {-1, 2, 3, 4}, {100, 100, 127, 127}) == 1 - 100 + 200 + 7 * 127);
    CHECK(dot(device, true, {-128, -128, 3, 4}, {127, 127, -127, 127}) == 1 - 2 * 128 * 127 + 127);
    CHECK(dot(device, false, {-1, 2, 3, 4}, {100, 100, 127, 127}) == 1 + 25500 + 200 + 7 * 127);
  }
  CHECK(dot(Dot4::us, false, {-1, -1, 0, 0}, {127, 127, 0, 0}) == 1 + 2 * 255 * 127);
  CHECK_THROWS_WITH(dot(Dot4::us_sat16, false, {-1, -1, 0, 0}, {127, 127, 0, 0}), Catch::Contains("undefined"));
  CHECK(dot(Dot4::ss, true, {-128, 0, 0, 0}, {-128, 0, 0, 0}) == 1 + 128 * 128);
  CHECK_THROWS_WITH(dot(Dot4::us_sat16, true, {1, 0, 0, 0}, {-128, 0, 0, 0}), Catch::Contains("undefined"));
}

TEST_CASE("two sums of pairs of products, in 16 bits each: exact, or an error where one does not fit") {
  const auto dots = [](std::vector<std::int8_t> x, std::vector<std::int8_t> z, std::int32_t sums) {
    Build k("dots", {.lanes = 8, .dot4 = Dot4::us_sat16});
    const Mem a = k.in("a", Kind::i8), b = k.in("b", Kind::i8), y = k.out("y", Kind::i32), s = k.in("s", Kind::i32);
    const Val all = k.let("all", pair_dots_us(a[0].packed(), b[0].packed(), s[0]));
    y[0] = all;
    y[1] = pair_sum(all);
    std::vector<std::int32_t> out(2), in = {sums};
    interpret(k.done(), {bytes(x), bytes(z), bytes(out), bytes(in)}, {}, 1);
    return out;
  };
  const auto pair = [](int low, int high) {
    return static_cast<std::int32_t>((static_cast<std::uint32_t>(high) << 16) |
                                     (static_cast<std::uint32_t>(low) & 0xffff));
  };
  CHECK(dots({1, 2, 3, 4}, {10, 100, -7, -8}, 0) == std::vector<std::int32_t>{pair(210, -53), 157});
  CHECK(dots({1, 2, 3, 4}, {10, 100, -7, -8}, pair(-300, 60)) == std::vector<std::int32_t>{pair(-90, 7), -83});
  CHECK(dots({-1, 1, 0, 0}, {127, 127, 0, 0}, pair(255, -32768)) == std::vector<std::int32_t>{pair(32767, -32768), -1});
  CHECK_THROWS_WITH(dots({-1, 1, 0, 0}, {127, 127, 0, 0}, pair(256, 0)), Catch::Contains("undefined"));
  CHECK_THROWS_WITH(dots({0, 0, 0, 1}, {0, 0, 0, -1}, pair(0, -32768)), Catch::Contains("undefined"));
}

TEST_CASE("pairs of bf16: both products and the sum, in f32") {
  const auto dot = [](float a0, float a1, float b0, float b1, float sum) {
    Build k("dot", {.lanes = 1});
    const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
    y[0] = bf16_dot(bf16_pair(x[0], x[1]), bf16_pair(x[2], x[3]), x[4]);
    std::vector<float> in = {a0, a1, b0, b1, sum}, out(1);
    interpret(k.done(), {bytes(in), bytes(out)}, {}, 1);
    return out[0];
  };
  CHECK(dot(2, 3, 5, 7, 1) == 32);
  CHECK(dot(1.00390625f, 0, 1, 0, 0) == 1.0f);  // a tie, to even
  CHECK(dot(1.01171875f, 0, 1, 0, 0) == 1.015625f);
  CHECK(dot(1.0078125f, 0, 1.0078125f, 0, 0) == 1.01568603515625f);  // 16 bits, exact
  CHECK(dot(0x1p-12f, 0x1p-12f, 0x1p-12f, 0x1p-12f, 1) == 1);        // each half a unit of the sum
  CHECK(std::isnan(dot(0, NAN, 0, 0, 0)));
  CHECK(std::isnan(dot(INFINITY, 1, 0, 1, 0)));
  CHECK(dot(INFINITY, 1, 1, 1, 0) == INFINITY);
  CHECK(std::isnan(dot(1, 1, INFINITY, -INFINITY, 0)));
  const auto message = [](Kind pair, Kind sum) {
    try {
      Build k("dot", {.lanes = 1});
      const Mem x = k.in("x", pair), s = k.in("s", sum), y = k.out("y", Kind::f32);
      y[0] = bf16_dot(x[0], x[1], s[0]);
      k.done();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(message(Kind::u32, Kind::f32).empty());
  CHECK_THAT(message(Kind::i32, Kind::f32), Catch::Contains("takes u32, u32, f32"));
  CHECK_THAT(message(Kind::u32, Kind::f64), Catch::Contains("takes u32, u32, f32"));
}

TEST_CASE("blocks, tiles and functions") {
  const Record q8 = {"q8", {{"d", Kind::f16, 1}, {"qs", Kind::i8, 4}}};
  struct Q8 {
    Half d;
    std::int8_t qs[4];
  };
  for (const Target& target : kTargets) {
    Build k("blocks", target);
    const Mem w = k.in("w", q8), y = k.out("y", Kind::f32);
    k.for_group("b", 0, 3, [&](Val b) {
      const Tile acc = k.tile("acc", 2, Kind::f32, Rate::lane, 1);
      const Slot block = w.block(b);
      k.each("m", 2, [&](Val m) {
        k.each("j", 4, [&](Val j) { acc[m] += Val(block["d"]) * convert(block["qs"](j), Kind::f32); });
      });
      y[b] = k.call("twice", {Val(acc[0])}, [](const std::vector<Val>& v) { return v[0] * 2; }) + acc[1];
    });
    std::vector<Q8> blocks = {{Half(0.5f), {1, 2, 3, 4}}, {Half(2.0f), {-1, -1, 0, 0}}, {Half(1.0f), {127, 0, 0, 0}}};
    std::vector<float> out(3);
    interpret(k.done(), {bytes(blocks), bytes(out)}, {}, 1);
    CHECK(out == std::vector<float>{18, -9, 384});
  }
}

TEST_CASE("an access outside names buffer, index, group and lane") {
  Build k("beyond", {.lanes = 8});
  const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
  const Val n = k.param("n");
  k.for_lanes("i", 0, n, [&](Val i) { y[k.group() * n + i] = x[k.group() * n + i]; });
  const Kernel kernel = k.done();
  std::vector<float> a(10), b(10);
  CHECK_NOTHROW(interpret(kernel, {bytes(a), bytes(b)}, {5}, 2));
  a.resize(9);
  const std::string message = message_of([&] { interpret(kernel, {bytes(a), bytes(b)}, {5}, 2); });
  CHECK(message.find("x[9] is outside of its 9 elements in group 1, subgroup 0, lane 4") != std::string::npos);
  CHECK(message_of([&] { interpret(kernel, {bytes(a)}, {5}, 1); }) ==
        "[kernel beyond] takes 2 buffers and 1 parameters, was given 1 and 1");
}

TEST_CASE("races are found") {
  const Target target = {.lanes = 8, .subgroups = 2};
  const auto run = [&](const std::function<void(Build&, Mem shared, Mem y)>& body, int groups = 1) {
    Build k("race", target);
    const Mem s = k.shared("s", Kind::i32, 16), y = k.inout("y", Kind::i32);
    body(k, s, y);
    const Kernel kernel = k.done();
    std::vector<int> out(32);
    return message_of([&] { interpret(kernel, {bytes(out)}, {}, groups); });
  };
  const auto exchange = [](bool with_barrier) {
    return [=](Build& k, Mem s, Mem y) {
      s[k.subgroup() * 8 + k.lane()] = k.lane();
      if (with_barrier) k.barrier();
      y[k.subgroup() * 8 + k.lane()] = s[(1 - k.subgroup()) * 8 + k.lane()];
    };
  };
  CHECK(run(exchange(false)).find("reads what another wrote with no barrier between") != std::string::npos);
  CHECK(run(exchange(true)) == "");
  CHECK(run([](Build& k, Mem, Mem y) { y[k.lane() % 4] = k.lane(); }).find("another value than another lane") !=
        std::string::npos);
  CHECK(run([](Build& k, Mem, Mem y) { y[0] = k.subgroup(); }).find("another value than another lane") !=
        std::string::npos);
  CHECK(run([](Build& k, Mem, Mem y) { y[k.lane()] = k.group(); }, 2).find("another value") != std::string::npos);
  CHECK(run([](Build& k, Mem s, Mem y) {
          y[k.subgroup() * 8 + k.lane()] = s[0];
          k.if_(k.subgroup() == 0, [&] { s[0] = 1; });
        }).find("writes what another reads") != std::string::npos);
  using Body = std::function<void(Build&, Mem y, Val at)>;
  const auto two_groups = [&](const Body& first, const Body& second) {
    const auto which = [&](Build& k, Mem, Mem y) {
      const Val at = k.subgroup() * 8 + k.lane(), is_first = k.group() == 0;
      k.if_(
          is_first, [&] { first(k, y, at); }, [&] { second(k, y, at); });
    };
    return run(which, 2);
  };
  const Body copies = [](Build&, Mem y, Val at) { y[at + 16] = y[at].load(); };
  const Body in_place = [](Build&, Mem y, Val at) { y[at] = y[at] + 1; };
  const Body puts = [](Build&, Mem y, Val at) { y[at] = 1; };
  const Body puts_twice = [](Build& k, Mem y, Val at) {
    y[at] = 1;
    k.barrier();
    y[at] = 2;
  };
  CHECK(two_groups(copies, in_place).find("writes what another reads") != std::string::npos);
  CHECK(two_groups(in_place, copies).find("reads what another wrote") != std::string::npos);
  CHECK(two_groups(puts, puts_twice).find("another value") != std::string::npos);
  CHECK(two_groups(puts, puts) == "");
  CHECK(two_groups(in_place, [](Build&, Mem y, Val at) { y[at + 16] = y[at + 16] + 1; }) == "");
}

TEST_CASE("what the language leaves undefined is an error") {
  const auto message = [](Kind kind, std::int32_t a, std::int32_t b, Val f(Val, Val)) {
    return message_of([&] { binary<std::int32_t, std::int32_t>(kind, Kind::i32, {a}, {b}, f); });
  };
  const auto divide = [](Val a, Val b) { return a / b; };
  CHECK(message(Kind::i32, 7, 0, divide).find("(div): undefined for operands") != std::string::npos);
  CHECK(message(Kind::i32, 7, 2, divide) == "");
  CHECK(message(Kind::i32, -7, 2, [](Val a, Val b) { return a % b; }).find("(mod)") != std::string::npos);
  CHECK(message(Kind::i32, 7, 32, [](Val a, Val b) { return a << b; }).find("(shift_left)") != std::string::npos);
  const auto to_int = [](Val a, Val) { return convert(a, Kind::i32); };
  CHECK(message(Kind::f32, 0x7f800000, 0, to_int).find("(convert)") != std::string::npos);
  CHECK(message(Kind::f32, 0x3f800000, 0, to_int) == "");
}
