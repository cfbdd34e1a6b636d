// SPDX-License-Identifier: Apache-2.0
// Our own fma, for devices whose own may round twice, bit for bit against std::fma.
#include <array>
#include <bit>
#include <catch2/catch.hpp>

#include "codegen/kernels/scalar_functions.h"
#include "fma_cases.h"
#include "lib/ops/scalar_eval.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

template <class Real>
void check_fma(std::string_view name, ScalarKind kind, int random_cases) {
  using Bits = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
  const ScalarFunction& f = *definition(name, kind);
  const ScalarProgram program(f.body, f.parameters);
  const std::vector<FmaCase<Real>> cases = fma_cases<Real>(random_cases);
  std::vector<std::uint64_t> in[3], out(cases.size());
  for (const FmaCase<Real>& x : cases)
    for (std::size_t i = 0; i < 3; ++i) in[i].push_back(std::bit_cast<Bits>(x[i]));
  program.run(std::array<const std::uint64_t*, 3>{in[0].data(), in[1].data(), in[2].data()}, out.data(), cases.size());
  std::size_t wrong = 0, twice = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const FmaCase<Real>& x = cases[i];
    const Real found = std::bit_cast<Real>(static_cast<Bits>(out[i]));
    twice += is_fma<Real>(x, x[0] * x[1] + x[2]) ? 0 : 1;
    if (is_fma<Real>(x, found)) continue;
    CAPTURE(x[0], x[1], x[2], found, std::fma(x[0], x[1], x[2]));
    if (wrong++ < 5) CHECK(is_fma<Real>(x, found));
  }
  CHECK(wrong == 0);
  CHECK(twice > cases.size() / 10);  // cases that tell one rounding from two
}
void check_both(int random_cases) {
  check_fma<float>("exact_fma", ScalarKind::f32, random_cases);
  check_fma<double>("exact_fma_f64", ScalarKind::f64, random_cases);
}

}  // namespace

TEST_CASE("fma is rounded once") { check_both(30'000); }
TEST_CASE("fma is rounded once, densely", "[.][dense]") { check_both(3'000'000); }

TEST_CASE("fma becomes our own where the target's may round twice") {
  const ScalarExpr x = ScalarExpr::parameter("x", ScalarKind::f32), d = ScalarExpr::parameter("d", ScalarKind::f64);
  CHECK(to_string(fuse_by_call(fma(x, x, x) * x)) == "exact_fma(x, x, x) * x");
  CHECK(to_string(fuse_by_call(fma(d, d, d))) == "exact_fma_f64(d, d, d)");
}
