// SPDX-License-Identifier: Apache-2.0
// Shaders on the CPU's Vulkan driver (lavapipe: subgroups of eight), under the validation layers.
#include "codegen/emit/glsl.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "codegen/compile/spirv.h"
#include "codegen/kernel_ir/interpret.h"
#include "codegen/kernels/pointwise.h"
#include "codegen/kernels/scalar_functions.h"
#include "device.h"
#include "examples.h"
#include "fma_cases.h"
#include "openinfer/error.h"

using namespace openinfer;
using namespace openinfer::kernels;
using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Target;
using kir::Val;

namespace {

const Target kOne = {.lanes = 8, .exact_division = false};
const Target kFour = {.lanes = 8, .subgroups = 4, .exact_division = false};

/// The same buffers through the shader and the interpreter: the same bytes.
void check_bytes(run::VulkanDevice& on, const kir::Kernel& k, std::vector<Data> buffers, std::int64_t groups = 1) {
  std::vector<Data> expected = buffers;
  const auto spans = [](std::vector<Data>& all) {
    std::vector<std::span<std::byte>> memory;
    for (Data& d : all) memory.emplace_back(d.bytes());
    return memory;
  };
  kir::interpret(k, spans(expected), {}, groups);
  on.run(dispatch(k, spans(buffers), groups));
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    INFO(k.name << ": " << k.buffers[i].name);
    std::size_t wrong = 0;
    for (std::size_t at = 0; at < buffers[i].bytes().size(); ++at)
      if (buffers[i].bytes()[at] != expected[i].bytes()[at]) ++wrong;
    CHECK(wrong == 0);
  }
}

float float_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }

/// Numbers of all sizes that no device flushes to zero, with both signs.
std::vector<double> spread(std::int64_t count, double least, double most) {
  std::vector<double> values;
  const std::vector<double> at = noise(count, 9);
  for (std::size_t i = 0; i < at.size(); ++i)
    values.push_back((i % 2 ? -1 : 1) * least * std::pow(most / least, (at[i] + 1) / 2));
  return values;
}

}  // namespace

/// Runs what has been made, and looks at the results.
void check_on(run::VulkanDevice& on, Example& e) {
  run::VulkanDispatch d = dispatch(e.made.kernel, e.memory(), e.groups());
  d.params = e.parameters();
  on.run(d);
  check_results(e);
}

/// The same with every other buffer by its address, beside those that are bound.
void check_by_address(run::VulkanDevice& on, Example& e) {
  bool odd = false;
  for (kir::Buffer& b : e.made.kernel.buffers) b.by_address = b.space == kir::Space::global && (odd = !odd);
  CHECK(emit::render_glsl(e.made.kernel).find("buffer_reference") != std::string::npos);
  check_on(on, e);
}

/// Without the formats whose codes have nothing of their own for buffers, subgroups and addresses.
std::vector<Example> some_examples(const Target& target) {
  std::vector<Example> some = {chain(target), rms_norm(target)};
  for (const DType dtype : {DType::q8_0, DType::q5_1, DType::q6_k, DType::iq2_xxs})
    some.push_back(matvec(target, dtype));
  return some;
}

TEST_CASE("shaders compute what loops of doubles do, for one and four subgroups") {
  run::VulkanDevice* on = device();
  if (!on) return;
  for (Example& e : all_examples(kFour)) check_on(*on, e);
  for (Example& e : some_examples(kOne)) check_on(*on, e);
}

TEST_CASE("every shader for one subgroup and by addresses", "[.every_build]") {
  run::VulkanDevice* on = device();
  if (!on) return;
  for (Example& e : all_examples(kOne)) check_on(*on, e);
  for (Example& e : all_examples(kFour)) check_by_address(*on, e);
}

TEST_CASE("shaders that have addresses of their buffers compute the same, from any element on") {
  run::VulkanDevice* on = device();
  if (!on) return;
  for (Example& e : some_examples(kFour)) check_by_address(*on, e);
  Build k("copy", kOne);
  const Mem x = k.in("x", Kind::f16), y = k.inout("y", Kind::f32), z = k.out("z", Kind::f32);
  k.for_lanes("i", 0, 5, [&](Val i) {
    y[i] = y[i] + x[i];
    z[i] = x[i];
  });
  kir::Kernel kernel = k.done();
  for (kir::Buffer& b : kernel.buffers) b.by_address = true;
  Data from(DType::f16, std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8}), to(DType::f32, 9), also(DType::f32, 5);
  run::VulkanDispatch d = dispatch(kernel, {from.bytes(), to.bytes(), also.bytes()}, 1);
  d.starts = {3, 1};
  d.element_bytes = {2, 4, 4};
  on->run(d);
  CHECK(to.values() == std::vector<double>{0, 3, 4, 5, 6, 7, 0, 0, 0});
  CHECK(also.values() == std::vector<double>{3, 4, 5, 6, 7});
}

TEST_CASE("a grid of several rows runs each workgroup once and none beyond the last") {
  run::VulkanDevice* on = device();
  if (!on) return;
  Build k("count", kOne);
  const Mem y = k.inout("y", Kind::i32);
  y[k.group()] = y[k.group()] + 1;
  const kir::Kernel kernel = k.done();
  constexpr std::int64_t row = 65535, groups = row + 13;  // lavapipe's maxComputeWorkGroupCount[0], the least there is
  Data counts(DType::i32, 2 * row);
  on->run(dispatch(kernel, {counts.bytes()}, groups));
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < 2 * row; ++i) wrong += counts[i] == (i < groups ? 1 : 0) ? 0 : 1;
  CHECK(wrong == 0);
}

TEST_CASE("buffers begin at their start") {
  run::VulkanDevice* on = device();
  if (!on) return;
  Build k("copy", kOne);
  const Mem x = k.in("x", Kind::f16), y = k.out("y", Kind::f32);
  k.for_lanes("i", 0, 5, [&](Val i) { y[i] = x[i]; });
  Data from(DType::f16, std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8}), to(DType::f32, 9);
  run::VulkanDispatch d = dispatch(k.done(), {from.bytes(), to.bytes()}, 1);
  d.starts = {3, 1};
  on->run(d);
  CHECK(to.values() == std::vector<double>{0, 3, 4, 5, 6, 7, 0, 0, 0});
}

TEST_CASE("what is stored in any kind has the interpreter's bits") {
  run::VulkanDevice* on = device();
  if (!on) return;
  std::vector<double> floats = spread(500, 1e-9, 1e6);
  // Ties of f16 and of its denormals, of bf16; ends of both ranges; beyond them.
  for (const std::uint32_t bits :
       {0x3f801000u, 0x3f803000u, 0x33000000u, 0x33800000u, 0x33c00000u, 0x387fe000u, 0x387ff000u, 0x477fefffu,
        0x477ff000u, 0x7f7fffffu, 0x7f800000u, 0xff800000u, 0x80000000u, 0x3f808000u, 0x3f818000u, 0u})
    floats.push_back(float_of(bits));
  const auto n = static_cast<std::int64_t>(floats.size());
  for (const auto& stored : {std::pair{Kind::f16, DType::f16}, std::pair{Kind::bf16, DType::bf16}}) {
    const Kind kind = stored.first;  // clang 14: lambdas catch no structured bindings
    const DType dtype = stored.second;
    Build k("store_" + std::string(info(kind).name), kOne);
    const Mem x = k.in("x", Kind::f32), narrow = k.out("narrow", kind), y = k.in("y", kind),
              wide = k.out("wide", Kind::f32);
    k.for_lanes("i", 0, n, [&](Val i) {
      narrow[i] = x[i];
      wide[i] = y[i];
    });
    check_bytes(*on, k.done(),
                {Data(DType::f32, floats), Data(dtype, n), Data(dtype, spread(n, 1e-4, 1e4)), Data(DType::f32, n)});
  }
  const std::vector<double> integers = spread(200, 1, 2e9);
  for (const auto& stored : {std::pair{Kind::i8, DType::i8}, std::pair{Kind::u8, DType::u8},
                             std::pair{Kind::i16, DType::i16}, std::pair{Kind::u16, DType::u16}}) {
    const Kind kind = stored.first;
    const DType dtype = stored.second;
    Build k("store_" + std::string(info(kind).name), kOne);
    const Mem x = k.in("x", Kind::i32), narrow = k.out("narrow", kind), y = k.in("y", kind),
              wide = k.out("wide", Kind::i64);
    k.for_lanes("i", 0, 200, [&](Val i) {
      const Kind as = info(kind).in_register;
      narrow[i] = as == Kind::i32 ? Val(x[i]) : convert(x[i], as);
      wide[i] = convert(y[i], Kind::i64);
    });
    check_bytes(
        *on, k.done(),
        {Data(DType::i32, integers), Data(dtype, 200), Data(dtype, spread(200, 1, 200)), Data(DType::i64, 200)});
  }
}

TEST_CASE("64-bit kinds, b1 and bit casts have the interpreter's bits") {
  run::VulkanDevice* on = device();
  if (!on) return;
  Build k("wide", kOne);
  const Mem x = k.in("x", Kind::f64), n = k.in("n", Kind::i64), y = k.out("y", Kind::f64), m = k.out("m", Kind::i64),
            less = k.out("less", Kind::b1), was = k.inout("was", Kind::b1);
  k.for_lanes("i", 0, 100, [&](Val i) {
    y[i] = floor(x[i]) * k.constant(0.1, Kind::f64) - abs(Val(x[i]));
    const Val bits = bitcast(x[i], Kind::i64) ^ Val(n[i]);
    m[i] = (bits >> k.constant(3, Kind::i64)) + convert(convert(bitcast(bits, Kind::u64), Kind::u32), Kind::i64);
    less[i] = x[i] < k.constant(1.0, Kind::f64) && !Val(was[i]);
    was[i] = Val(was[i]) || n[i] < 0;
  });
  std::vector<double> flags(100);
  for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = i % 3 == 0;
  check_bytes(*on, k.done(),
              {Data(DType::f64, spread(100, 1e-3, 1e3)), Data(DType::i64, spread(100, 1, 1e15)), Data(DType::f64, 100),
               Data(DType::i64, 100), Data(DType::boolean, 100), Data(DType::boolean, flags)});
}

TEST_CASE("what needs lanes that are vectors is refused") {
  const auto source = [](int what) {
    Build k("turned", kOne);
    const Mem y = k.out("y", Kind::f32);
    const kir::Tile rows = k.tile("rows", kOne.lanes, Kind::f32);
    if (what == 0) rows.turn();
    const Val pairs = convert(pair_sum(k.lane()), Kind::f32);
    y[k.lane()] = what == 0 ? Val(rows[0]) : what == 1 ? k.lane_turn(convert(k.lane(), Kind::f32)) : pairs;
    return emit::render_glsl(k.done());
  };
  for (const int what : {0, 1, 2}) {
    CAPTURE(what);
    CHECK_THROWS_WITH(source(what), Catch::Contains("kernel turned: this language's lanes are no vectors"));
  }
}

TEST_CASE("scalar functions have the interpreter's bits") {
  run::VulkanDevice* on = device();
  if (!on) return;
  for (const ScalarFunction& f : scalar_functions()) {
    if (f.name == "exp_fma") continue;  // of targets whose fma rounds once
    const auto count = static_cast<std::int64_t>(2000);
    Build k("values_of_" + std::string(f.name), kOne);
    const Mem a = k.in("a", Kind::f32), b = k.in("b", Kind::f32), y = k.out("y", Kind::f32);
    k.for_lanes("i", 0, count, [&](Val i) {
      std::vector<Val> arguments = {a[i]};
      while (arguments.size() < f.parameters.size()) arguments.push_back(b[i]);
      y[i] = scalar_call(k, f.name, arguments);
    });
    // Results stay above 2^-126: this device may flush what is below.
    const bool is_exp = f.name == "exp" || f.name == "sigmoid";
    std::vector<double> values = spread(count, 1e-6, is_exp ? 80 : 1e9);
    if (f.name == "sqrt" || f.name == "rsqrt" || f.name == "log")
      for (double& v : values) v = std::abs(v);
    for (const double special : {0.0, HUGE_VAL}) values[static_cast<std::size_t>(special > 0)] = special;
    check_bytes(*on, k.done(),
                {Data(DType::f32, values), Data(DType::f32, spread(count, 1e-3, 1e3)), Data(DType::f32, count)});
  }
}

template <class Real>
void check_fma_on(run::VulkanDevice& on, ScalarKind scalar, Kind kind) {
  const std::vector<FmaCase<Real>> cases = fma_cases<Real>(2000);
  const auto count = std::ssize(cases);
  const auto operand = [&](const char* name) { return ScalarExpr::parameter(name, scalar); };
  Build k("fused", {.lanes = 8, .exact_division = false, .exact_fma = false});
  const Mem a = k.in("a", kind), b = k.in("b", kind), c = k.in("c", kind), y = k.out("y", kind);
  k.for_lanes("i", 0, count, [&](Val i) {
    y[i] = code_of(k, fma(operand("a"), operand("b"), operand("c")),
                   {{"a", Val(a[i])}, {"b", Val(b[i])}, {"c", Val(c[i])}});
  });
  const kir::Kernel kernel = k.done();
  CHECK(emit::render_glsl(kernel).find(" fma(") == std::string::npos);
  std::vector<Real> in[3], found(cases.size());
  for (const FmaCase<Real>& x : cases)
    for (std::size_t i = 0; i < 3; ++i) in[i].push_back(x[i]);
  const auto bytes = [](std::vector<Real>& v) { return std::as_writable_bytes(std::span(v)); };
  on.run(dispatch(kernel, {bytes(in[0]), bytes(in[1]), bytes(in[2]), bytes(found)}, 1));
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) wrong += is_fma<Real>(cases[i], found[i]) ? 0 : 1;
  CHECK(wrong == 0);
}

TEST_CASE("a graph's fma is rounded once on devices whose own may round twice") {
  run::VulkanDevice* on = device();
  if (!on) return;
  check_fma_on<float>(*on, ScalarKind::f32, Kind::f32);
  check_fma_on<double>(*on, ScalarKind::f64, Kind::f64);
}

TEST_CASE("scalar functions round each step in unrolled loops too") {
  run::VulkanDevice* on = device();
  if (!on) return;
  Build k("unrolled", kOne);
  const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
  k.for_lanes("i", 0, 100,
              [&](Val i) { k.each("t", 4, [&](Val t) { y[i * 4 + t] = scalar_call(k, "exp", {x[i * 4 + t]}); }); });
  check_bytes(*on, k.done(), {Data(DType::f32, spread(400, 1e-3, 80)), Data(DType::f32, 400)});
}

TEST_CASE("lane operations, tiles, dealt loops and products of bytes have the interpreter's bits") {
  run::VulkanDevice* on = device();
  if (!on) return;
  for (const kir::Dot4 dot : {kir::Dot4::none, kir::Dot4::ss}) {
    Target target = kFour;
    target.dot4 = dot;
    Build k("lane_operations", target);
    const Mem x = k.in("x", Kind::i32), q = k.in("q", Kind::i8), y = k.out("y", Kind::i32), z = k.out("z", Kind::i32);
    const Mem sums = k.out("sums", Kind::f32);
    const Val mine = k.let("mine", x[k.subgroup() * k.lanes() + k.lane()]);
    const Val first = k.subgroup() * 4;
    y[first] = k.lane_sum(mine);
    y[first + 1] = k.lane_max(mine);
    y[first + 2] = k.lane_min(mine);
    y[first + 3] = k.lane_get(mine, k.subgroup() + 1);
    z[0] = k.group_sum("sum", mine);
    z[1] = k.group_max("most", mine);
    const kir::Tile tile = k.tile("acc", 3, Kind::i32, kir::Rate::lane, 7);
    k.each("t", 3, [&](Val t) {
      k.for_("turn", 0, 4, [&](Val turn) {
        const Val at = (k.lane() + turn) * 4;
        tile[t] = dot4(Val(q[at].packed()), Val(q[t * 4].packed()), Val(tile[t]));
      });
    });
    k.each("t", 3, [&](Val t) { z[2 + (k.subgroup() * 3 + t) * 8 + k.lane()] = tile[t]; });
    k.for_subgroups("s", 0, 6, [&](Val s) { z[98 + s] = s * 3; });
    k.for_lanes(
        "p", 0, 5, [&](Val p) { z[104 + k.subgroup() * 5 + p] = p * 2; }, 2);
    const Val whole = convert(mine & 1023, Kind::f32);  // sums are exact
    sums[k.subgroup() * 8 + k.lane()] = k.lane_sums(whole, whole * 2, whole + 1, -whole);
    check_bytes(*on, k.done(),
                {Data(DType::i32, spread(32, 1, 1e6)), Data(DType::i8, spread(64, 1, 127)), Data(DType::i32, 16),
                 Data(DType::i32, 128), Data(DType::f32, 32)});
  }
}

TEST_CASE("what the validation layers say is an error") {
  run::VulkanDevice* on = device();
  if (!on) return;
  // A feature that the runner does not enable, so that the layers must speak.
  const std::string source = R"(#version 460
#extension GL_EXT_shader_atomic_int64 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
layout(local_size_x = 8) in;
layout(std430, binding = 0) buffer x_buffer { int64_t x[]; };
void main() { atomicAdd(x[0], 1l); }
)";
  Data x(DType::i64, 1);
  const run::VulkanDispatch d = {.name = "atomic",
                                 .spirv = compile::compile_glsl("atomic", source),
                                 .lanes = 8,
                                 .buffers = {x.bytes()},
                                 .groups = 1};
  CHECK_THROWS_WITH(on->run(d), Catch::Contains("[vulkan] atomic: the validation layer says"));
  try {
    on->run(d);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::device_error);
  }
}

TEST_CASE("a value may have any name of the language") {
  if (!compile::has_spirv()) WARN("skipped: this build has no GLSL compiler");
  if (!compile::has_spirv()) return;
  for (const char* name :
       {"class",     "goto",          "public",       "static",      "sizeof",  "subroutine", "sampler2D",
        "texture2D", "vec4",          "mat4",         "gl_x",        "Params",  "Starts",     "int",
        "main",      "isampler3D",    "dmat2x3",      "atomic_uint", "image2D", "half",       "noinline",
        "attribute", "samplerShadow", "gl_FragCoord", "packed",      "hvec2",   "abs",        "n_groups"}) {
    INFO(name);
    Build k("copy", kOne);
    const Mem x = k.in(name, Kind::f32), y = k.out("y", Kind::f32);
    const Val value = k.let(name, x[k.lane()]);
    y[k.lane()] = value + 1.0;
    CHECK_NOTHROW(compile::compile_glsl("copy", emit::render_glsl(k.done())));
  }
}

TEST_CASE("shaders that are wrong say where") {
  if (!compile::has_spirv()) WARN("skipped: this build has no GLSL compiler");
  if (!compile::has_spirv()) return;
  CHECK_THROWS_WITH(
      compile::compile_glsl("broken", "#version 460\nvoid main() {\n  int x = y;\n}\n"),
      Catch::Contains("broken") && Catch::Contains("undeclared identifier") && Catch::Contains("line 3:   int x = y;"));
  if (run::VulkanDevice* on = device()) {
    Build k("wide_lanes", {.lanes = 64});
    k.out("y", Kind::i32)[k.lane()] = k.lane();
    Data y(DType::i32, 64);
    CHECK_THROWS_WITH(on->run(dispatch(k.done(), {y.bytes()}, 1)), Catch::Contains("built for subgroups of 64 lanes"));
    CHECK_THROWS_WITH(run::VulkanDevice({.device = "no such device"}),
                      Catch::Contains("'no such device': there is llvmpipe"));
  }
}
