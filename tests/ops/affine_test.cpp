// SPDX-License-Identifier: Apache-2.0
// affine by itself, and what operators make of package tensors that are quantised.
#include <catch2/catch.hpp>

#include "error_of.h"
#include "openinfer/op_def.h"
#include "openinfer/openinfer.h"
#include "tests/sim/test_package.h"

using namespace openinfer;
using namespace openinfer::testing;

namespace {

struct AffineFixture {
  GraphBuilder b;
  Dim N = b.dim("N");
  Value q = b.input("q", i8, {6, 4}), s = b.input("s", f32, {});
};

opnf::TensorSpec quantised(const std::string& key, const std::string& scale, const std::string& zero,
                           opnf::Granularity granularity, int axis, std::uint64_t group) {
  opnf::TensorSpec spec;
  spec.key = key;
  spec.dtype = "u4";
  spec.shape = {4, 2};  // stored (2, 4)
  spec.transposed = true;
  spec.quantisation = {scale, zero, granularity, static_cast<std::uint8_t>(axis), group};
  return spec;
}

/// Stored rows 1 2 3 4 and 5 6 7 8.
const std::vector<std::byte> kNibbles = {std::byte{0x21}, std::byte{0x43}, std::byte{0x65}, std::byte{0x87}};

/// y of the graph that `build` makes of x (1, 4) = 1 10 100 1000.
std::vector<float> result_of(const Model& model, const std::function<Value(GraphBuilder&, const Value& x)>& build) {
  GraphBuilder b(model);
  b.output("y", build(b, b.input("x", f32, {1, 4})));
  SimSession session(model, b.build());
  const Outputs outputs = session.run_step({{"x", Tensor(std::vector<float>{1, 10, 100, 1000}, {1, 4})}});
  const auto y = outputs["y"].data<float>();
  return {y.begin(), y.end()};
}

}  // namespace

TEST_CASE_METHOD(AffineFixture, "affine_c1") {
  CHECK(error_of([&] { (void)affine(b.input("f", f32, {6}), s); }) ==
        "dtype_mismatch: [affine] takes integers, packed ones too, not 'f' f32[6]");
  CHECK(error_of([&] { (void)affine(q, b.input("i", i32, {})); }) ==
        "dtype_mismatch: [affine] a scale is a float, not 'i' i32[]");
  CHECK(error_of([&] { (void)affine(q, s, b.input("t", boolean, {})); }) ==
        "dtype_mismatch: [affine] a zero point is an integer or a float, not 't' bool[]");
}
TEST_CASE_METHOD(AffineFixture, "affine_c2") {
  CHECK(error_of([&] { (void)affine(q, s, {}, {.axis = -1}); }) ==
        "invalid_argument: [affine] axis -1 and group 0 are not negative");
}
TEST_CASE_METHOD(AffineFixture, "affine_c3") {
  CHECK(error_of([&] { (void)affine(q, b.input("a", f32, {5})); }) ==
        "shape_mismatch: [affine] 'a' f32[5] does not fit 'q' i8[6, 4]: (6) is wanted for axis 0 and group 0");
  CHECK(error_of([&] {
          (void)affine(q, b.input("c", f32, {6, 2}), {}, {.axis = 2, .group = 2});
        }).ends_with("it has no axis 2"));
  CHECK(error_of([&] { (void)affine(q, s, b.input("z", i8, {6})); }) ==
        "shape_mismatch: [affine] scale () and zero point (6) differ in shape");
  // As q lies, perhaps, but not as this one does.
  const Value swapped = affine(q, b.input("d", f32, {4, 3}), {}, {.axis = 1, .group = 2});
  b.output("y", swapped);
  SimSession session(b.build());
  CHECK(run_error_of([&] {
          session.run_step({{"q", Tensor(i8, {6, 4})}, {"d", Tensor(f32, {4, 3})}});
        }).find("does not fit the tensor as it is stored: (6, 2) is wanted") != std::string::npos);
}

TEST_CASE("operators take quantised tensors of a package for the numbers that they stand for") {
  sim_test::TestPackage package("affine");
  package.add<float>("s.all", {}, {2});
  package.add<float>("s.out", {2}, {1, 100});
  package.add<float>("s.groups", {2, 2}, {1, 2, 10, 20});
  package.add<std::uint8_t>("z.out", {2}, {1, 4});
  auto& w = package.writer();
  w.tensor(quantised("all", "s.all", "", opnf::Granularity::tensor, 0, 0), kNibbles);
  w.tensor(quantised("out", "s.out", "z.out", opnf::Granularity::channel, 0, 0), kNibbles);
  w.tensor(quantised("groups", "s.groups", "", opnf::Granularity::group, 1, 2), kNibbles);
  const Model model = package.open();
  const auto product = [&](const char* key) {
    return result_of(model, [&](GraphBuilder&, const Value& x) { return matmul(x, model[key]); });
  };
  CHECK(product("all") == std::vector<float>{2 * 4321, 2 * 8765});
  CHECK(product("out") == std::vector<float>{3210, 100 * 4321});
  CHECK(product("groups") == std::vector<float>{21 + 2 * 4300, 10 * 65 + 20 * 8700});
  CHECK(result_of(model, [&](GraphBuilder& b, const Value&) { return cast(b.value(model["out"]), f32); }) ==
        std::vector<float>{0, 100, 1, 200, 2, 300, 3, 400});
  CHECK(result_of(model, [&](GraphBuilder& b, const Value&) {
          return gather(model["groups"], b.constant(Tensor{std::int32_t{3}, std::int32_t{0}}));
        }) == std::vector<float>{8, 160, 1, 50});
  CHECK(result_of(model, [&](GraphBuilder&, const Value& x) { return linear(x, model["all"], model["s.out"]); }) ==
        std::vector<float>{2 * 4321 + 1, 2 * 8765 + 100});
}

TEST_CASE("families of quantised tensors name their scales after themselves, all in one way") {
  sim_test::TestPackage package("affine_family");
  package.add<float>("w.0.scale", {2}, {1, 2});
  package.add<float>("w.1.scale", {2}, {10, 20});
  package.add<float>("other", {2}, {1, 1});
  package.add<float>("u.1.scale", {2}, {1, 1});
  auto& w = package.writer();
  for (const char* key : {"w.0", "w.1"})
    w.tensor(quantised(key, std::string(key) + ".scale", "", opnf::Granularity::channel, 0, 0), kNibbles);
  w.tensor(quantised("v.0", "other", "", opnf::Granularity::channel, 0, 0), kNibbles);
  w.tensor(quantised("v.1", "other", "", opnf::Granularity::channel, 0, 0), kNibbles);
  opnf::TensorSpec plain = quantised("u.0", "", "", opnf::Granularity::channel, 0, 0);
  plain.quantisation.reset();
  w.tensor(std::move(plain), kNibbles);
  w.tensor(quantised("u.1", "u.1.scale", "", opnf::Granularity::channel, 0, 0), kNibbles);
  const Model model = package.open();
  const auto over = [&](const char* pattern) {
    return result_of(model, [&](GraphBuilder& b, const Value& x) {
      const Value none = b.constant(Tensor(f32, {1, 2}));
      return b.loop("l", 0, 2, none, [&](Index l, Value sum) { return sum + matmul(x, model(pattern, l)); });
    });
  };
  CHECK(over("w.{}") == std::vector<float>{11 * 4321, 22 * 8765});
  CHECK(
      run_error_of([&] { over("v.{}"); }) ==
      "unsupported: [weight] \"v.0\" is quantised by \"other\": in a family the name of a scale has that of its tensor "
      "in it");
  CHECK(run_error_of([&] { over("u.{}"); }) ==
        "unsupported: [weight] a family is quantised in one way: \"u.0\" and \"u.1\" differ");
}
