// SPDX-License-Identifier: Apache-2.0
// Random graphs in the simulator and on every runner, several in one compilation.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/graph/random_graph.h"
#include "tests/matrix/exact_graph.h"
#include "tests/matrix/runner.h"
#include "tests/sim/test_package.h"

using namespace openinfer;
using namespace openinfer::matrix;

namespace {

/// Numbers are small integers, or any: what a device owes follows.
enum class Numbers { exact, any };

std::string suffix(unsigned seed) { return fmt::format("_{}", seed); }

void add(GraphBuilder& b, Numbers numbers, unsigned seed) {
  if (numbers == Numbers::exact)
    ExactGraph(seed).add_to(b, suffix(seed));
  else
    RandomGraph(seed, false).add_to(b, suffix(seed));
}

Graph graph_of(Numbers numbers, const Model& model, unsigned first, unsigned count) {
  return graph(model, [&](GraphBuilder& b) {
    for (unsigned seed = first; seed < first + count; ++seed) add(b, numbers, seed);
  });
}

/// `shift`: each number moves by up to that part of itself.
Inputs inputs_of(Numbers numbers, unsigned first, unsigned count, std::int64_t rows, double shift, unsigned turn) {
  Inputs inputs;
  for (unsigned seed = first; seed < first + count; ++seed) {
    std::mt19937 random(seed * 7 + static_cast<unsigned>(rows)), shifts(seed + turn);
    Tensor x(f32, {rows, 4});
    for (float& v : x.mutable_data<float>()) {
      const int whole = static_cast<int>(random() % 17) - 8;
      const double by = 1 + shift * (static_cast<double>(shifts() % 2001) / 1000 - 1);
      v = numbers == Numbers::exact ? static_cast<float>(whole) : static_cast<float>(whole * 0.3125 * by);
    }
    inputs.emplace_back("x" + suffix(seed), std::move(x));
    inputs.emplace_back("flag" + suffix(seed), Tensor::scalar(random() % 2 == 0));
  }
  return inputs;
}

constexpr std::int64_t kSteps[] = {3, 8, 1, 3};  // rows; states live on

/// Error that roundings may cause: what shifts of x by 64 eps do, four times, and 64 eps of the largest result for what
/// no longer depends on x; of `total`, which adds all of y, 64 eps of what is added: centred, it is nothing but
/// roundings, and the simulator's may be 0. No proof, but a graph's roundings are some 30, of half an eps each.
constexpr int kShifted = 3;
constexpr double kShift = 0x1p-18;

double largest(const Tensor& t) {
  double most = 0;
  for (const float v : t.data<float>())
    if (std::isfinite(v)) most = std::max(most, std::abs(static_cast<double>(v)));
  return most;
}
double sum_of_sizes(const Tensor& t) {
  double sum = 0;
  for (const float v : t.data<float>())
    if (std::isfinite(v)) sum += std::abs(static_cast<double>(v));
  return sum;
}
double distance(float a, float b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double d = std::abs(static_cast<double>(a) - static_cast<double>(b));
  return std::isnan(d) ? HUGE_VAL : d;
}
double distance(const Tensor& a, const Tensor& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.data<float>().size(); ++i)
    most = std::max(most, distance(a.data<float>()[i], b.data<float>()[i]));
  return most;
}

/// One line for each graph that differs.
void compare(const Model& model, Numbers numbers, unsigned first, unsigned count, const Runner& runner,
             std::vector<std::string>& failures) {
  const Graph g = graph_of(numbers, model, first, count);
  const std::unique_ptr<Program> program = runner.make(model, g);
  SimSession session(g, {.threads = 1});
  std::vector<SimSession> shifted;
  for (int i = 0; i < kShifted && numbers == Numbers::any; ++i) shifted.emplace_back(g, SimOptions{.threads = 1});
  std::vector<bool> failed(count);
  for (const std::int64_t rows : kSteps) {
    const Inputs inputs = inputs_of(numbers, first, count, rows, 0, 0);
    const Outputs want = session.run_step(inputs), got = program->step(inputs);
    std::vector<Outputs> near;
    for (std::size_t i = 0; i < shifted.size(); ++i)
      near.push_back(
          shifted[i].run_step(inputs_of(numbers, first, count, rows, kShift, static_cast<unsigned>(i) * 1000 + 1)));
    for (unsigned seed = first; seed < first + count; ++seed)
      for (const char* output : {"y", "total"}) {
        const std::string name = output + suffix(seed);
        const double size =
            output == std::string_view("total") ? sum_of_sizes(want["y" + suffix(seed)]) : largest(want[name]);
        double bound = numbers == Numbers::exact ? 0 : 64 * 0x1p-24 * size;
        for (const Outputs& n : near) bound = std::max(bound, 4 * distance(n[name], want[name]) + bound / 2);
        const double error = distance(got[name], want[name]);
        if (error <= bound || failed[seed - first]) continue;
        failed[seed - first] = true;
        failures.push_back(fmt::format("seed {} on {}, {} rows: {} is off by {}, not {}", seed, runner.name, rows,
                                       output, error, bound));
      }
  }
}

void run(Numbers numbers, unsigned first, unsigned count, const Runner& runner) {
  std::vector<std::string> failures;
  try {
    sim_test::TestPackage empty("random_graphs");
    empty.writer().meta("graphs", true);
    compare(empty.open(), numbers, first, count, runner, failures);
  } catch (const Error& e) {
    if (count > 1) {
      run(numbers, first, count / 2, runner);
      return run(numbers, first + count / 2, count - count / 2, runner);
    }
    failures.push_back(fmt::format("seed {} on {}: {}", first, runner.name, e.what()));
  }
  for (const std::string& failure : failures) {
    const auto seed = static_cast<unsigned>(std::stoul(failure.substr(5)));
    const Graph alone = graph([&](GraphBuilder& b) { add(b, numbers, seed); });
    FAIL_CHECK(failure << "\n" << to_text(alone));
  }
}

/// A compilation takes several graphs: each has dozens of kernels, many of them another's.
constexpr unsigned kTogether = 10;

void run_all(Numbers numbers, unsigned first, unsigned count, Backend backend = Backend::cpu) {
  const std::optional<Runner> found = runner_of(backend);
  if (!found) {
    WARN("skipped: no Vulkan device");
    return;
  }
  const Runner& runner = *found;
  for (unsigned seed = first; seed < first + count; seed += kTogether) run(numbers, seed, kTogether, runner);
}

}  // namespace

TEST_CASE("random graphs of small integers keep their bits on a CPU") { run_all(Numbers::exact, 0, 10); }
TEST_CASE("random graphs keep their numbers on a CPU") { run_all(Numbers::any, 0, 10); }
TEST_CASE("random graphs of small integers keep their bits on a Vulkan device") {
  run_all(Numbers::exact, 0, 10, Backend::vulkan);
}
TEST_CASE("random graphs keep their numbers on a Vulkan device") { run_all(Numbers::any, 0, 10, Backend::vulkan); }

TEST_CASE("200 random graphs of small integers", "[.all][random]") { run_all(Numbers::exact, 1000, 200); }
TEST_CASE("200 random graphs", "[.all][random]") { run_all(Numbers::any, 1000, 200); }
