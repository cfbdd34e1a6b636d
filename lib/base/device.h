// SPDX-License-Identifier: Apache-2.0
// All that emission knows of a device: numbers and features, no behaviour. The device database (codegen/devices) fills
// one in from its rows, for one api and one driver; templates, plans and emitters read it and never ask a driver.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openinfer/device.h"
#include "openinfer/dtype.h"

namespace openinfer {

/// The interface that a host program drives the device with.
enum class Api { cpu, vulkan, cuda };

/// Four int8 products summed into an int32. `ss`: signed × signed, exact. `us`: unsigned × signed, exact. `us_sat16`:
/// unsigned × signed, pairs saturate in int16 (AVX2's vpmaddubsw). `none`: the prelude spells it out.
enum class Dot4 { none, ss, us, us_sat16 };

/// VkSubgroupFeatureFlagBits by name; CUDA's warp intrinsics give all of them.
enum class SubgroupOp { basic, vote, arithmetic, ballot, shuffle, shuffle_relative, clustered, quad };

std::string_view name(Api api);
std::string_view name(Dot4 dot4);
std::string_view name(SubgroupOp op);

/// One fragment product c (m, n) += a (m, k) · b (k, n); a and b have the dtype `operand`, c and the result `sum`.
struct MmaShape {
  int m = 0, n = 0, k = 0;
  DType operand = DType::f16, sum = DType::f32;
  friend bool operator==(const MmaShape&, const MmaShape&) = default;
};

/// A limit that the api does not have.
inline constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

struct Device {
  // What it is.
  std::string name;          // "ada-lovelace": what --device takes
  std::string title;         // for people
  std::string vendor;        // "NVIDIA"
  std::string architecture;  // "ada_lovelace"; several rows may share one
  DeviceClass device_class = DeviceClass::cpu;
  std::vector<Api> apis;          // all it can be driven by, best first
  Api api = Api::cpu;             // the one that the numbers below hold for
  std::string driver;             // as asked for; empty: a current one
  std::string reference_product;  // what the peaks are those of; empty: no one product

  // Lanes and groups. CPU: lanes are the f32 in a vector register and a workgroup is one subgroup.
  int lanes = 0;  // per subgroup, as kernels are built
  int subgroup_size_min = 0, subgroup_size_max = 0;
  bool subgroup_size_control = false;    // GPU: the host may require `lanes` and full subgroups
  int subgroups = 0;                     // per workgroup, unless a template chooses
  int registers_per_lane = 0;            // 32-bit values one lane can hold; CPU: vector registers
  int max_workgroup_size = 0;            // lanes in a workgroup
  std::vector<SubgroupOp> subgroup_ops;  // GPU

  // Memory.
  std::int64_t shared_memory_bytes = 0;             // per workgroup
  std::int64_t max_storage_buffer_range_bytes = 0;  // of one binding; beyond it, buffer addresses or several bindings
  std::int64_t push_constant_bytes = 0;             // GPU: parameters that need no buffer
  bool buffer_device_address = false;               // GPU: pointers into buffers inside kernels

  // Arithmetic.
  bool storage_8bit = false, storage_16bit = false;      // GPU: i8 and f16 in buffers
  bool int8_arithmetic = false, f16_arithmetic = false;  // GPU: as the type of a variable
  Dot4 dot4 = Dot4::none;
  bool dot4_accelerated = false;     // one instruction, or the driver spells it out
  std::vector<MmaShape> mma;         // empty: no matrix units that the api reaches
  bool denormals_preserved = false;  // GPU, f32; otherwise they may be flushed to zero
  bool bf16_dot = false;             // CPU: sums of two products of bf16 in one instruction, above the rate of f32

  // How it is compiled for.
  std::vector<std::string> isa;  // CPU: "avx2", "f16c", … by the names of GCC's -m flags, or Arm's extensions
  std::vector<std::string> compiler_flags;  // CPU: what gives a C++ compiler that isa
  std::vector<std::string> cuda_archs;      // "sm_89": first the one to compile for

  int cache_line_bytes = 0;  // CPU: what one miss fetches

  // Peaks of the reference product, for rooflines. Unknown until measured where no document has them.
  std::optional<double> read_gb_per_s;     // memory, 10^9 bytes
  std::optional<double> f32_gflop_per_s;   // outside matrix units; a multiply-add is two
  std::optional<double> int8_gop_per_s;    // dense, with matrix units where `mma` has an i8 shape
  std::optional<double> bf16_gflop_per_s;  // CPU: dense, sums in f32, with matrix units where `mma` has a bf16 shape

  std::map<std::string, int, std::less<>> tuned;  // template parameters: "matvec_run", …

  /// The tuned parameter of that name, or `otherwise`.
  int tuned_or(std::string_view parameter, int otherwise) const;
  bool has_isa(std::string_view feature) const;
  bool has(SubgroupOp op) const;
};

}  // namespace openinfer
