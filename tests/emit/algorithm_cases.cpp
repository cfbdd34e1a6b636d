// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "openinfer/half.h"
#include "tests/emit/cases.h"
#include "tests/emit/sample_kernels.h"

namespace openinfer::emit {
namespace {

using namespace openinfer::kir;

constexpr double kEps = 0x1p-24;  // half a unit in the last place of 1

double worst(std::size_t n, const std::function<double(std::size_t)>& error) {
  double most = 0;
  for (std::size_t i = 0; i < n; ++i) most = std::max(most, std::isnan(error(i)) ? INFINITY : error(i));
  return most;
}

Case chain(const Target& target) {
  Case c = {.kernel = elementwise_chain(target), .runs = {}};
  for (const int n : {0, 1, 15, 16, 17, 1000}) {
    const auto size = static_cast<std::size_t>(n);
    Run run = {.memory = {bytes_of(noise(size, 1)), bytes_of(noise(size, 2)), bytes_of(noise(size, 3)),
                          bytes_of(std::vector<float>(size, 7.0f))},
               .params = {n},
               .groups = n / 256 + 1};
    run.error = [size](const Memory& before, const Memory& after) {
      const auto a = values_of<float>(before[0]), b = values_of<float>(before[1]), c = values_of<float>(before[2]),
                 y = values_of<float>(after[3]);
      return worst(size, [&](std::size_t i) {
        const double x = double{a[i]} * b[i];
        // The kernel's exponential is good to 1e-4; |x / (1 + e^-x)| changes by at most |x| / 4 of that.
        return std::abs(x / (1 + std::exp(-x)) + c[i] - y[i]) / (0.25e-4 + 4 * kEps);
      });
    };
    c.runs.push_back(std::move(run));
  }
  return c;
}

Case norm(const Target& target, int D) {
  const auto size = static_cast<std::size_t>(D);
  Case c = {.kernel = rms_norm(target, D, "rms_norm_" + std::to_string(D)), .runs = {}};
  Run run = {.memory = {bytes_of(noise(3 * size, 4)), bytes_of(noise(size, 5)), bytes_of(std::vector<float>(3 * size))},
             .groups = 3};
  run.error = [size](const Memory& before, const Memory& after) {
    const auto x = values_of<float>(before[0]), w = values_of<float>(before[1]), y = values_of<float>(after[2]);
    return worst(3 * size, [&](std::size_t i) {
      const std::size_t row = i / size * size;
      double sum = 0;
      for (std::size_t j = 0; j < size; ++j) sum += double{x[row + j]} * x[row + j];
      const double exact = x[i] / std::sqrt(sum / static_cast<double>(size) + 1e-5) * w[i % size];
      // D roundings of positive sums, halved by the root, and five more.
      return std::abs(exact - y[i]) / (std::abs(exact) * (static_cast<double>(size) / 2 + 5) * kEps + 1e-30);
    });
  };
  c.runs.push_back(std::move(run));
  return c;
}

std::vector<std::byte> q8_0_blocks(std::size_t count) {
  std::vector<std::byte> blocks = random_bytes(count * 34, 6);
  for (std::size_t i = 0; i < blocks.size(); ++i)
    if (i % 34 >= 2) blocks[i] = static_cast<std::byte>(std::to_integer<int>(blocks[i]) * 5);  // signs
  return blocks;
}

Case matvec(const Target& target, int K, int run_length, int rows) {
  const auto k = static_cast<std::size_t>(K), n = static_cast<std::size_t>(rows);
  const std::string name = "matvec_" + std::to_string(K) + "_" + std::to_string(run_length);
  Case c = {.kernel = matvec_q8_0(target, K, run_length, name), .runs = {}};
  Run run = {.memory = {q8_0_blocks(n * k / 32), bytes_of(noise(k, 7)), bytes_of(std::vector<float>(n)),
                        bytes_of(noise(n, 8))},
             .params = {rows},
             .groups = rows + 1};  // one beyond the end
  run.error = [k, n](const Memory& before, const Memory& after) {
    const auto x = values_of<float>(before[1]), y = values_of<float>(after[2]), residual = values_of<float>(before[3]);
    return worst(n, [&](std::size_t row) {
      double sum = residual[row], size = std::abs(sum);
      for (std::size_t j = 0; j < k; ++j) {
        const std::byte* block = before[0].data() + (row * k + j) / 32 * 34;
        const auto bits =
            static_cast<std::uint16_t>(std::to_integer<int>(block[0]) | std::to_integer<int>(block[1]) << 8);
        const auto q = static_cast<signed char>(block[2 + j % 32]);
        sum += double{half_to_float(bits)} * q * x[j];
        size += std::abs(double{half_to_float(bits)} * q * x[j]);
      }
      return std::abs(sum - y[row]) / (size * static_cast<double>(k + 3) * kEps);
    });
  };
  c.runs.push_back(std::move(run));
  return c;
}

/// y[m, column] = Σ_k x[m, k] · w[k, column]: lanes are columns, MR rows in a tile.
Case tiles(const Target& target) {
  constexpr int M = 4, K = 7, N = 37;
  Build k("tiles", target);
  const Mem x = k.in("x", Kind::f32), w = k.in("w", Kind::f32), y = k.out("y", Kind::f32);
  k.for_lanes("column", 0, N, [&](Val column) {
    const Tile acc = k.tile("acc", M, Kind::f32, Rate::lane, 0.5);
    const Tile twice = k.tile("twice", 2 * M, Kind::f32);
    k.for_(
        "k", 0, K,
        [&](Val i) {
          const Val weight = k.let("weight", w[i * N + column]);
          k.each("m", M, [&](Val m) {
            acc[m] += x[m * K + i] * weight;
            twice[m * 2 + 1] += x[m * K + i] * weight;
          });
        },
        2);
    k.each("m", M, [&](Val m) { y[m * N + column] = Val(acc[m]) + Val(twice[m * 2 + 1]) + Val(twice[m * 2]); });
  });
  Run run = {.memory = {bytes_of(noise(M * K, 9)), bytes_of(noise(K * N, 10)), bytes_of(std::vector<float>(M * N))}};
  run.error = [](const Memory& before, const Memory& after) {
    const auto x = values_of<float>(before[0]), w = values_of<float>(before[1]), y = values_of<float>(after[2]);
    return worst(M * N, [&](std::size_t i) {
      double sum = 0.5, size = 0.5;
      for (std::size_t j = 0; j < K; ++j) {
        const double product = double{x[i / N * K + j]} * w[j * N + i % N];
        sum += 2 * product;
        size += 2 * std::abs(product);
      }
      return std::abs(sum - y[i]) / (size * (K + 3) * kEps);
    });
  };
  return {.kernel = k.done(), .runs = {std::move(run)}};
}

/// y = softmax(x) of a row that is kept in shared memory, reversed on the way.
Case shared(const Target& target) {
  constexpr int D = 45;
  Build k("shared_row", target);
  const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
  const Mem row = k.shared("kept", Kind::f32, D), half = k.shared("halves", Kind::f16, D);
  const Reg largest = k.var("largest", Kind::f32, Rate::lane, -1e30);
  k.for_group("i", 0, D, [&](Val i) {
    const Val v = k.let("v", x[k.group() * D + i]);
    row[i] = v;
    half[D - 1 - i] = v;
    largest = max(Val(largest), v);
  });
  k.barrier();
  const Val top = k.group_max("top", largest);
  k.for_group("i", 0, D, [&](Val i) { y[k.group() * D + i] = top - row[D - 1 - i] + half[i] * 0.0; });
  Run run = {.memory = {bytes_of(noise(2 * D, 11)), bytes_of(std::vector<float>(2 * D))}, .groups = 2};
  run.error = [](const Memory& before, const Memory& after) {
    const auto x = values_of<float>(before[0]), y = values_of<float>(after[1]);
    return worst(2 * D, [&](std::size_t i) {
      const auto row = x.begin() + static_cast<long>(i / D * D);
      const double top = *std::max_element(row, row + D);
      return std::abs(top - row[static_cast<long>(D - 1 - i % D)] - y[i]) / (4 * kEps);
    });
  };
  return {.kernel = k.done(), .runs = {std::move(run)}};
}

/// y[i] = Σ over 64 bytes of a[i] · b, four at a time. Bytes of b are -127 … 127; with `small` bits those of a below
/// it, so that a device may keep sums of two products in 16 bits.
Case dots(Target target, Dot4 flavour, bool is_signed, int small, const std::string& name) {
  target.dot4 = flavour;
  const auto dot = [&](const Val& a, const Val& b, const Val& sum) {
    return is_signed ? dot4(a, b, sum) : dot4_us(a, b, sum);
  };
  Build k(name, target);
  const Mem a = k.in("a", Kind::i8), b = k.in("b", Kind::i8), y = k.out("y", Kind::i32), packed = k.in("c", Kind::i8x4);
  const Reg sum = k.var("sum", Kind::i32);
  const Val column = k.let("first", k.group() * 4);
  k.for_lanes("i", 0, 19, [&](Val i) { sum = dot(a[i * 4].packed(), b[i * 4].packed(), sum); });
  const Val all = k.let("all", k.lane_sum(sum));
  k.for_lanes("i", 0, 19, [&](Val i) {
    y[i] = dot(packed[i], b[column].packed(), dot(a[i % 3 * 4].packed(), b[0].packed(), all));
  });
  Run run = {
      .memory = {random_bytes(76, 12), random_bytes(76, 13), bytes_of(std::vector<int>(19)), random_bytes(76, 14)}};
  for (std::size_t i = 0; i < 76; ++i)
    for (const std::size_t m : {0u, 1u, 3u})
      run.memory[m][i] = static_cast<std::byte>(std::to_integer<int>(run.memory[m][i]) * 37 + 100);
  for (std::size_t i = 0; i < 76; ++i) {
    if (run.memory[1][i] == std::byte{0x80}) run.memory[1][i] = std::byte{0x81};
    for (const std::size_t m : {0u, 3u}) run.memory[m][i] &= static_cast<std::byte>(small);
  }
  return {.kernel = k.done(), .runs = {std::move(run)}};
}

/// y[i] = both of two sums over 32 bytes of a[i] (0 … 15) times b (-128 … 127), as they lie; z[i] = those added up.
Case pair_dots(const Target& target) {
  constexpr std::size_t kCount = 19, kWords = 8;
  Build k("pair_dots", target);
  const Mem a = k.in("a", Kind::i8), b = k.in("b", Kind::i8), y = k.out("y", Kind::i32), z = k.out("z", Kind::i32);
  k.for_lanes("i", 0, kCount, [&](Val i) {
    Val sums = k.constant(0);
    for (std::size_t w = 0; w < kWords; ++w) {
      const auto word = static_cast<std::int64_t>(w * 4);
      sums = pair_dots_us(a[i * 4 + word].packed(), b[word].packed(), sums);
    }
    const Val all = k.let("all", sums);
    y[i] = all;
    z[i] = pair_sum(all);
  });
  Run run = {.memory = {random_bytes(4 * (kCount + kWords), 21), random_bytes(4 * kWords, 22),
                        bytes_of(std::vector<int>(kCount)), bytes_of(std::vector<int>(kCount))}};
  for (std::byte& byte : run.memory[0]) byte &= std::byte{15};
  for (std::size_t i = 0; i < 4 * kWords; ++i)
    run.memory[1][i] = static_cast<std::byte>(std::to_integer<int>(run.memory[1][i]) * 37 + 100);
  return {.kernel = k.done(), .runs = {std::move(run)}};
}

}  // namespace

std::vector<Case> algorithm_cases(const Target& target) {
  std::vector<Case> cases = {chain(target),     norm(target, 576), norm(target, 5),
                             norm(target, 100), tiles(target),     shared(target)};
  for (const int K : {576, 32, 96, 160}) cases.push_back(matvec(target, K, 1, 5));
  cases.push_back(matvec(target, 160, 4, 3));
  cases.push_back(matvec(target, 64, 8, 3));
  cases.push_back(dots(target, Dot4::none, true, 255, "dot4_none"));
  cases.push_back(dots(target, Dot4::ss, true, 255, "dot4_signed"));
  cases.push_back(dots(target, Dot4::us, true, 255, "dot4_signed_by_unsigned"));
  cases.push_back(dots(target, Dot4::us_sat16, true, 255, "dot4_signed_in_pairs"));
  cases.push_back(dots(target, Dot4::us_sat16, false, 127, "dot4_unsigned_in_pairs"));
  cases.push_back(dots(target, Dot4::us, false, target.dot4 == Dot4::us ? 255 : 127, "dot4_unsigned"));
  if (target.lanes_are_vectors()) cases.push_back(pair_dots(target));
  return cases;
}

}  // namespace openinfer::emit
