// SPDX-License-Identifier: Apache-2.0
// CUDA is compiled for every architecture, not run: that needs a GPU.
#include "codegen/emit/cuda.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "codegen/compile/cubin.h"
#include "codegen/compile/nvrtc.h"
#include "codegen/devices/devices.h"
#include "codegen/kernels/pointwise.h"
#include "codegen/kernels/scalar_functions.h"
#include "examples.h"
#include "openinfer/error.h"

using namespace openinfer;
using namespace openinfer::kernels;
using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Val;

namespace {

const kir::Target kFourWarps = {.lanes = 32, .subgroups = 4, .dot4 = kir::Dot4::ss};

const compile::Nvrtc& nvrtc() {
  static const compile::Nvrtc one;
  if (!one.missing().empty()) WARN("skipped: " << one.missing());
  return one;
}

}  // namespace

TEST_CASE("kernels compile for every architecture, without spills") {
  if (!nvrtc().missing().empty()) return;
  const std::vector<std::string> architectures = nvrtc().supported(compile::cuda_architectures());
  REQUIRE(!architectures.empty());
  for (const std::string& missing : compile::cuda_architectures())
    if (std::find(architectures.begin(), architectures.end(), missing) == architectures.end())
      WARN("NVRTC " << nvrtc().version() << " does not know " << missing);
  for (const std::string& architecture : architectures)
    for (const Example& e :
         {chain(kFourWarps), rms_norm(kFourWarps), matvec(kFourWarps, DType::q8_0), matvec(kFourWarps, DType::q4_k)}) {
      INFO(e.made.kernel.name << " for " << architecture);
      const compile::CudaKernel made =
          nvrtc().compile(e.made.kernel.name, emit::cuda_source(e.made.kernel), architecture);
      CHECK(made.cubin.substr(1, 3) == "ELF");
      CHECK(made.use.registers >= 8);
      CHECK(made.use.registers <= 128);
      CHECK(made.use.spill_store_bytes == 0);
      // One f32 of each of four warps.
      CHECK(made.use.shared_bytes == (e.made.kernel.name == "rms_norm" ? 16 : 0));
    }
}

TEST_CASE("every block format and scalar function compiles as CUDA") {
  if (!nvrtc().missing().empty()) return;
  for (const DType dtype : block_dtypes()) {
    const kir::Kernel k = matvec(kFourWarps, dtype).made.kernel;
    CHECK_NOTHROW(nvrtc().compile(k.name, emit::cuda_source(k), "sm_90"));
  }
  for (const ScalarFunction& f : scalar_functions()) {
    Build k("values_of_" + std::string(f.name), kFourWarps);
    const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
    k.for_group("i", 0, k.param("n"),
                [&](Val i) { y[i] = scalar_call(k, f.name, std::vector<Val>(f.parameters.size(), Val(x[i]))); });
    const kir::Kernel kernel = k.done();
    CHECK_NOTHROW(nvrtc().compile(kernel.name, emit::cuda_source(kernel), "sm_90"));
  }
}

TEST_CASE("every kind, lane operation and builtin compiles as CUDA") {
  if (!nvrtc().missing().empty()) return;
  Build k("all_there_is", kFourWarps);
  const Val at = k.let("at", k.subgroup() * k.lanes() + k.lane());
  for (const Kind kind : {Kind::b1, Kind::i32, Kind::u32, Kind::i64, Kind::u64, Kind::f32, Kind::f64, Kind::f16,
                          Kind::bf16, Kind::i8, Kind::u8, Kind::i16, Kind::u16}) {
    const Mem m = k.inout("m_" + std::string(info(kind).name), kind);
    const Val v = k.let("v", m[at]);
    if (kind == Kind::b1) {
      m[at] = select(v && at < 7, !v, v != (at == 3));
      continue;
    }
    Val w = abs(min(v, k.constant(3, v.kind()))) + max(v, k.lane_sum(v)) + k.lane_max(v) * k.lane_min(v);
    if (kir::is_float(v.kind())) w = fma(w, sqrt(v), floor(w) + round(v)) / k.constant(1e30, v.kind());
    if (kir::is_integer(v.kind()))
      w = ((w << k.constant(2, v.kind())) ^ ~v) % k.constant(7, v.kind()) + (v >> k.constant(1, v.kind()));
    if (info(v.kind()).bytes == 8)
      w = w + bitcast(bitcast(w, kir::is_float(v.kind()) ? Kind::u64 : Kind::f64), v.kind());
    if (v.kind() == Kind::f32)
      w = k.lane_sums(w, v, -v, w * 2) + bitcast(bitcast(w, Kind::i32) + 1, Kind::f32) +
          bitcast(convert(w, Kind::u32), Kind::f32);
    m[at] = k.lane_get(w, k.subgroup()) + convert(convert(w, Kind::f64), v.kind());
  }
  const Mem q = k.in("class", Kind::i8);  // a word of the language
  const Mem sums = k.out("sums", Kind::i32);
  k.prefetch(q[at * 4], 256);
  sums[at] = dot4(Val(q[at * 4].packed()), Val(q[at * 4 + 8].packed()), k.group_max("most", at));
  const kir::Kernel kernel = k.done();
  for (const std::string& architecture : nvrtc().supported(compile::cuda_architectures()))
    CHECK_NOTHROW(nvrtc().compile(kernel.name, emit::cuda_source(kernel), architecture));
}

TEST_CASE("a kernel that takes more than the device has is refused") {
  const Device turing = resolve(DeviceSpec::named("turing").api("cuda"));
  CHECK_NOTHROW(compile::check_limits("k", {.registers = 255, .shared_bytes = 48 << 10}, turing));
  CHECK_THROWS_WITH(compile::check_limits("k", {.registers = 256}, turing),
                    "[emit] kernel k takes 256 registers; a thread of turing has 255");
  CHECK_THROWS_WITH(compile::check_limits("k", {.registers = 8, .shared_bytes = 49153}, turing),
                    "[emit] kernel k takes 49153 B of shared memory; a block of turing may declare 49152");
}

TEST_CASE("spills and local memory are counted") {
  if (!nvrtc().missing().empty()) return;
  // A thousand and twenty-four threads have 64 registers each: 96 values that all live at once do not fit.
  std::string source = "extern \"C\" __global__ void __launch_bounds__(1024) k_kernel(const float* x, float* y) {\n";
  for (int i = 0; i < 96; ++i) source += fmt::format("  const float v{0} = x[threadIdx.x + {0} * 1024];\n", i);
  source += "  __syncthreads();\n";
  for (int i = 0; i < 96; ++i) source += fmt::format("  y[threadIdx.x + {0} * 1024] = v{0};\n", i);
  source += "}\n";
  const compile::CudaUse use = nvrtc().compile("k", source, "sm_80").use;
  CHECK(use.registers <= 64);
  CHECK(use.spills());
  CHECK(use.local_bytes >= 4);
}

TEST_CASE("what cannot be CUDA says why") {
  CHECK_THROWS_WITH(emit::render_cuda(chain({.lanes = 8}).made.kernel), Catch::Contains("a warp has 32 lanes, not 8"));
  if (!nvrtc().missing().empty()) return;
  CHECK_THROWS_WITH(nvrtc().compile("broken", "__global__ void broken() { x = 1; }", "sm_90"),
                    Catch::Contains("broken for sm_90") && Catch::Contains("identifier \"x\" is undefined"));
  // A cubin that is none, is cut short, or has another kernel.
  const std::string cubin =
      nvrtc().compile("k", "extern \"C\" __global__ void k_kernel(int* y) { *y = 1; }", "sm_90").cubin;
  CHECK(compile::cubin_use(cubin, "k_kernel").registers >= 4);
  CHECK_THROWS_WITH(compile::cubin_use(cubin, "j_kernel"), "[cubin] j_kernel: it has no such kernel");
  CHECK_THROWS_WITH(compile::cubin_use("no cubin, but long enough for the header of one, so that it is looked at", "k"),
                    "[cubin] k: no ELF file");
  for (std::size_t bytes = 0; bytes < cubin.size(); bytes += 97) {  // what is behind the sections is not looked at
    try {
      const int registers = compile::cubin_use(cubin.substr(0, bytes), "k_kernel").registers;
      CHECK((registers >= 4 && bytes > cubin.size() / 2));
    } catch (const Error& error) {
      CHECK_THAT(error.what(), Catch::StartsWith("[cubin] k_kernel: "));
    }
  }
}
