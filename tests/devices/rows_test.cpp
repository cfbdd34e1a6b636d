// SPDX-License-Identifier: Apache-2.0
// Every row of the database: complete, with sources, and plausible for each api that it names.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <set>

#include "codegen/devices/devices.h"
#include "codegen/devices/fields.h"
#include "codegen/devices/table.h"

using namespace openinfer;

namespace {

/// Each row with each of its apis, and this machine.
std::vector<SourcedDevice> all_devices() {
  std::vector<SourcedDevice> all;
  for (const auto& name : device_names())
    for (const Api api : resolve(DeviceSpec::named(name)).apis)
      all.push_back(resolve_with_sources(DeviceSpec::named(name).api(std::string(openinfer::name(api)))));
  return all;
}

bool power_of_two(std::int64_t n) { return n > 0 && std::has_single_bit(static_cast<std::uint64_t>(n)); }

}  // namespace

TEST_CASE("the rows that users were promised are there") {
  const auto names = device_names();
  const std::set<std::string> have(names.begin(), names.end());
  CHECK(have.size() == names.size());
  for (const char* wanted :
       {"haswell",  "skylake-x",    "ice-lake",       "sapphire-rapids", "zen2",           "zen3",     "zen4",
        "zen5",     "neoverse-n1",  "neoverse-v2",    "apple-m1",        "apple-m2",       "apple-m3", "apple-m4",
        "armv8",    "x86-64-v2",    "x86-64-v3",      "x86-64-v4",       "this-cpu",       "turing",   "hopper",
        "rdna2",    "ampere-ga100", "ampere-ga10x",   "ada-lovelace",    "rdna3",          "rdna4",    "xe-hpg",
        "lavapipe", "xe2",          "apple-moltenvk", "blackwell-sm100", "blackwell-sm120"}) {
    INFO(wanted);
    CHECK(have.contains(wanted));
  }
}

TEST_CASE("every row gives every field that says something of its class, with a source") {
  for (const auto& [device, sources] : all_devices()) {
    INFO(device.name << " by " << name(device.api));
    CHECK_FALSE(device.title.empty());
    CHECK_FALSE(device.vendor.empty());
    CHECK_FALSE(device.architecture.empty());
    for (const Field& field : device_fields()) {
      if (!applies(field, device.device_class)) continue;
      INFO(field.name);
      const auto source = sources.find(field.name);
      REQUIRE(source != sources.end());
      CHECK(source->second.size() >= 5);
    }
    for (const auto& [parameter, value] : device.tuned) {
      INFO(parameter << " " << value);
      CHECK(sources.contains("tune." + parameter));
    }
  }
}

TEST_CASE("lanes, groups and memory of every row are plausible") {
  for (const auto& [device, sources] : all_devices()) {
    INFO(device.name << " by " << name(device.api));
    CHECK(power_of_two(device.lanes));
    CHECK(power_of_two(device.subgroups));
    CHECK(device.subgroup_size_min <= device.lanes);
    CHECK(device.lanes <= device.subgroup_size_max);
    CHECK(device.lanes * device.subgroups <= device.max_workgroup_size);
    CHECK(device.registers_per_lane >= 16);
    const bool cpu = device.device_class == DeviceClass::cpu;
    CHECK((!cpu || power_of_two(device.cache_line_bytes)));
    CHECK((cpu || device.has(SubgroupOp::shuffle)));
    CHECK((cpu || device.has(SubgroupOp::arithmetic)));
    // A weight beyond one binding needs pointers.
    CHECK((device.max_storage_buffer_range_bytes == kUnlimited || device.buffer_device_address));
    CHECK((device.dot4 != Dot4::none || !device.dot4_accelerated));
    for (const MmaShape& shape : device.mma) CHECK((shape.m > 0 && shape.n > 0 && shape.k > 0));
    if (!device.mma.empty() && device.int8_gop_per_s && device.f32_gflop_per_s)
      CHECK(*device.int8_gop_per_s > *device.f32_gflop_per_s);
  }
}

TEST_CASE("what Vulkan guarantees holds for every row that it drives") {
  for (const auto& [device, sources] : all_devices()) {
    if (device.api != Api::vulkan) continue;
    INFO(device.name);
    // Vulkan 1.2 specification, "Required Limits".
    CHECK(device.shared_memory_bytes >= 16384);
    CHECK(device.push_constant_bytes >= 128);
    CHECK(device.max_storage_buffer_range_bytes >= 134217728);
  }
}

TEST_CASE("CPUs name what they are compiled with, CUDA devices what NVRTC compiles for") {
  for (const auto& [device, sources] : all_devices()) {
    INFO(device.name << " by " << name(device.api));
    if (device.device_class == DeviceClass::cpu) {
      CHECK(device.api == Api::cpu);
      REQUIRE_FALSE(device.compiler_flags.empty());
      CHECK(device.compiler_flags[0].starts_with("-march="));
      CHECK((device.lanes < 16 || device.has_isa("avx512vl")));
      CHECK((device.lanes != 8 || device.has_isa("avx2")));
      CHECK((device.dot4 != Dot4::ss || device.has_isa("dotprod")));
      CHECK((device.dot4 != Dot4::us || device.has_isa("avx512vnni") || device.has_isa("avxvnni")));
      CHECK((!device.bf16_dot || device.has_isa("avx512bf16")));
      if (device.bf16_dot && device.f32_gflop_per_s)
        CHECK(device.bf16_gflop_per_s.value_or(0) > *device.f32_gflop_per_s);
      CHECK(device.max_workgroup_size == device.lanes);
    } else {
      CHECK(device.isa.empty());
      CHECK(device.cuda_archs.empty() == (device.vendor != "NVIDIA"));
      for (const auto& arch : device.cuda_archs) CHECK(arch.starts_with("sm_"));
    }
  }
}

TEST_CASE("no two rows answer to one name") {
  std::set<std::string> seen;
  for (const DeviceRow& row : device_rows()) {
    if (row.abstract) continue;
    std::set<std::string> own{plain_name(row.name)};
    for (const auto& alias : row.aliases) own.insert(plain_name(alias));
    for (const auto& name : own) {
      INFO(name);
      CHECK(seen.insert(name).second);
    }
  }
}

TEST_CASE("a field read from its own text is the same field") {
  for (const auto& [device, sources] : all_devices())
    for (const Field& field : device_fields()) {
      if (field.name == "tuned") continue;
      INFO(device.name << " " << field.name);
      Device copy;
      field.set(copy, to_text(field.get(device)));
      CHECK(field.get(copy) == field.get(device));
    }
}
