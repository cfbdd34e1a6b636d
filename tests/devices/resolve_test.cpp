// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "codegen/devices/devices.h"
#include "codegen/devices/driver.h"
#include "openinfer/error.h"

using namespace openinfer;

namespace {

Error error_of(const DeviceSpec& spec) {
  try {
    resolve(spec);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::internal, spec.to_string() + " resolves");
}

}  // namespace

TEST_CASE("a spec in the words of the design finds its row") {
  const Device device =
      resolve(DeviceSpec::gpu().api("vulkan").vendor("NVIDIA").architecture("ada_lovelace").driver("555.xx"));
  CHECK(device.name == "ada-lovelace");
  CHECK(device.api == Api::vulkan);
  CHECK(device.driver == "555.xx");
  CHECK(device.lanes == 32);
  CHECK(device.has(SubgroupOp::shuffle));
}

TEST_CASE("names and aliases are found in any spelling") {
  for (const char* name : {"ada-lovelace", "Ada Lovelace", "ADA_LOVELACE", "sm_89", "ada"})
    CHECK(resolve(DeviceSpec::named(name)).name == "ada-lovelace");
  CHECK(resolve(DeviceSpec::named("znver4")).name == "zen4");
  CHECK(resolve(DeviceSpec::named("x86_64_v3")).name == "x86-64-v3");
  CHECK(resolve(DeviceSpec::cpu().vendor("amd").architecture("zen3")).name == "zen3");
  CHECK(resolve(DeviceSpec::gpu().vendor("apple")).name == "apple-moltenvk");
}

TEST_CASE("an unknown name is an error with the nearest matches") {
  const Error name = error_of(DeviceSpec::named("zen6"));
  CHECK(name.code() == ErrorCode::not_found);
  CHECK(
      name.message() ==
      "[device] no device has the name 'zen6'; did you mean 'zen5' or 'zen4' or 'zen3'? `openinfer devices` lists them "
      "all");
  CHECK_THAT(error_of(DeviceSpec::named("this-cpuu")).message(), Catch::Contains("'this-cpu'"));
  CHECK(error_of(DeviceSpec::gpu().vendor("NVIDA")).message() ==
        "[device] no device has the vendor 'NVIDA'; did you mean 'NVIDIA'? `openinfer devices` lists them all");
  CHECK_THAT(error_of(DeviceSpec::gpu().architecture("Hoper")).message(), Catch::Contains("did you mean 'hopper'?"));
  for (const auto& [asked, meant] : {std::pair{"rtx4090", "'ada-lovelace'"},
                                     {"m3", "'apple-m3'"},
                                     {"lava", "'lavapipe'"},
                                     {"native", "'this-cpu'"},
                                     {"Graviton", "'neoverse-n1' or 'neoverse-v2'"}})
    CHECK_THAT(error_of(DeviceSpec::named(asked)).message(),
               Catch::Contains(std::string("did you mean ") + meant + "?"));
  CHECK(error_of(DeviceSpec::named("quantum annealer")).message() ==
        "[device] no device has the name 'quantum annealer'; `openinfer devices` lists them all");
}

TEST_CASE("words that exist but not together are quoted together") {
  const Error error = error_of(DeviceSpec::gpu().vendor("AMD").architecture("hopper"));
  CHECK(error.code() == ErrorCode::not_found);
  CHECK(error.message() ==
        "[device] no device is all of: gpu, vendor 'AMD', architecture 'hopper'; `openinfer devices` lists them all");
}

TEST_CASE("a spec that fits several rows lists them") {
  const Error error = error_of(DeviceSpec::gpu().architecture("ampere"));
  CHECK(error.code() == ErrorCode::invalid_argument);
  CHECK(error.message() ==
        "[device] gpu, architecture 'ampere' fits 2 devices: ampere-ga100, ampere-ga10x; name one of them");
  CHECK_THAT(error_of(DeviceSpec::named("blackwell")).message(), Catch::Contains("blackwell-sm100, blackwell-sm120"));
  CHECK_THAT(error_of(DeviceSpec::gpu().api("cuda")).message(), Catch::Contains("turing") && !Catch::Contains("rdna"));
  CHECK_THAT(error_of(DeviceSpec::cpu()).message(), Catch::Contains("this-cpu"));
}

TEST_CASE("a device is driven only by its apis") {
  const Error error = error_of(DeviceSpec::named("rdna3").api("cuda"));
  CHECK(error.code() == ErrorCode::unsupported);
  CHECK(error.message() == "[device] rdna3 has no api 'cuda'; it has vulkan");
  CHECK(error_of(DeviceSpec::named("this-cpu").api("vulkan")).message() ==
        "[device] this-cpu has no api 'vulkan'; it has cpu");
  CHECK(error_of(DeviceSpec::gpu().api("metal")).code() == ErrorCode::not_found);
  CHECK_THAT(error_of(DeviceSpec::gpu().api("vulcan")).message(), Catch::Contains("did you mean 'vulkan'?"));
}

TEST_CASE("the api chooses the numbers that differ between drivers of one device") {
  const Device vulkan = resolve(DeviceSpec::named("ampere-ga100"));
  const Device cuda = resolve(DeviceSpec::named("ampere-ga100").api("CUDA"));
  CHECK(vulkan.api == Api::vulkan);
  CHECK(vulkan.shared_memory_bytes == 49152);
  CHECK(cuda.shared_memory_bytes == 166912);
  CHECK(cuda.max_storage_buffer_range_bytes == kUnlimited);
  CHECK(cuda.cuda_archs == std::vector<std::string>{"sm_80"});
}

TEST_CASE("a driver range overrides fields, for its api only") {
  const auto ada = [] { return DeviceSpec::named("ada-lovelace"); };
  CHECK_FALSE(resolve(ada()).mma.empty());
  CHECK_FALSE(resolve(ada().driver("545.23")).mma.empty());
  const Device old = resolve(ada().driver("535.xx"));
  CHECK(old.mma.empty());
  CHECK(old.dot4 == Dot4::ss);
  CHECK(resolve(ada().driver("470.82")).dot4 == Dot4::none);
  CHECK_FALSE(resolve(ada().driver("535.xx").api("cuda")).mma.empty());
  CHECK(resolve(DeviceSpec::named("rdna3").driver("Mesa 23.2.1")).mma.empty());
  CHECK_FALSE(resolve(DeviceSpec::named("rdna3").driver("Mesa 23.3.0-devel")).mma.empty());
  CHECK_THAT(resolve_with_sources(ada().driver("535.98")).sources.at("mma"), Catch::Contains("545"));
}

TEST_CASE("driver versions compare part by part, what is not said is the oldest") {
  CHECK(driver_version("555.42.02") == std::vector{555, 42, 2});
  CHECK(driver_version("555.xx") == std::vector{555});
  CHECK(driver_version("Mesa 24.1.0-devel") == std::vector{24, 1, 0});
  CHECK(older({555}, {555, 42}));
  CHECK(older({535, 98}, {545}));
  CHECK_FALSE(older({545}, {545}));
  CHECK_FALSE(older({545, 1}, {545}));
  for (const char* name : {"hopper", "zen4", "this-cpu"}) {
    const Error error = error_of(DeviceSpec::named(name).driver("latest"));
    CHECK(error.code() == ErrorCode::invalid_argument);
    CHECK(error.message() == "[device] driver 'latest' has no version number; write it like 555.42 or 555.xx");
  }
}

TEST_CASE("diff names each field that differs, and nothing else") {
  const Device v3 = resolve(DeviceSpec::named("x86-64-v3")), v4 = resolve(DeviceSpec::named("x86-64-v4"));
  CHECK(diff(v3, v3).empty());
  std::vector<std::string> fields;
  for (const auto& one : diff(v3, v4)) fields.push_back(one.field);
  CHECK(fields == std::vector<std::string>{"name", "title", "architecture", "lanes", "subgroup_size_min",
                                           "subgroup_size_max", "registers_per_lane", "max_workgroup_size", "isa",
                                           "compiler_flags", "tuned"});
  const auto lanes = diff(v3, v4).at(3);
  CHECK(lanes.a == "8");
  CHECK(lanes.b == "16");
}
