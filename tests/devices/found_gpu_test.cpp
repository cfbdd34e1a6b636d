// SPDX-License-Identifier: Apache-2.0
// A GPU that is here: which row it is by its driver's words, and what of the row is left.
#include "codegen/devices/found_gpu.h"

#include <catch2/catch.hpp>

using namespace openinfer;

namespace {

/// A driver that has all that the row has.
Device driver_of(const char* row, const char* title) {
  Device here = resolve(DeviceSpec::named(row).api("vulkan"));
  here.name = "this-gpu";
  here.title = title;
  here.tuned.clear();
  here.mma.clear();
  return here;
}

std::string row_of(const char* vendor, const char* title) {
  Device here = driver_of("lavapipe", title);
  here.vendor = vendor;
  return found_gpu(here, true).device.name;
}

}  // namespace

TEST_CASE("words of a driver's name") {
  CHECK(is_called("llvmpipe (LLVM 15.0.6, 256 bits)", "llvmpipe"));
  CHECK(is_called("NVIDIA GeForce RTX 4090", "geforce_rtx_40*"));
  CHECK(is_called("NVIDIA L4", "l4"));
  CHECK_FALSE(is_called("NVIDIA L40", "l4"));
  CHECK_FALSE(is_called("NVIDIA GeForce RTX 3090", "geforce_rtx_40*"));
  CHECK_FALSE(is_called("NVIDIA GeForce RTX 4090", "rtx_40"));
}

TEST_CASE("rows are found by vendor and name") {
  CHECK(row_of("Mesa", "llvmpipe (LLVM 15.0.6, 256 bits)") == "lavapipe");
  CHECK(row_of("NVIDIA", "Tesla T4") == "turing");
  CHECK(row_of("NVIDIA", "NVIDIA GeForce RTX 2080 Ti") == "turing");
  CHECK(row_of("NVIDIA", "NVIDIA A100-SXM4-80GB") == "ampere-ga100");
  CHECK(row_of("NVIDIA", "NVIDIA GeForce RTX 3060 Laptop GPU") == "ampere-ga10x");
  CHECK(row_of("NVIDIA", "NVIDIA RTX A6000") == "ampere-ga10x");
  CHECK(row_of("NVIDIA", "NVIDIA RTX 6000 Ada Generation") == "ada-lovelace");
  CHECK(row_of("NVIDIA", "NVIDIA H100 80GB HBM3") == "hopper");
  CHECK(row_of("NVIDIA", "NVIDIA B200") == "blackwell-sm100");
  CHECK(row_of("NVIDIA", "NVIDIA RTX PRO 6000 Blackwell Workstation Edition") == "blackwell-sm120");
  CHECK(row_of("AMD", "AMD Radeon RX 6900 XT (RADV NAVI21)") == "rdna2");
  CHECK(row_of("AMD", "AMD Radeon RX 7900 XTX") == "rdna3");
  CHECK(row_of("AMD", "AMD Radeon RX 9070 XT (RADV GFX1201)") == "rdna4");
  CHECK(row_of("Intel", "Intel(R) Arc(tm) A770 Graphics (DG2)") == "xe-hpg");
  CHECK(row_of("Intel", "Intel(R) Arc(tm) B580 Graphics (BMG G21)") == "xe2");
  CHECK(row_of("Apple", "Apple M2 Pro") == "apple-moltenvk");
  // Nobody's, and another vendor's.
  CHECK(row_of("NVIDIA", "NVIDIA GeForce GTX 1080") == "this-gpu");
  CHECK(row_of("AMD", "NVIDIA GeForce RTX 4090") == "this-gpu");
}

TEST_CASE("a row that is found brings its tuned numbers, and loses what the driver lacks") {
  const Device row = resolve(DeviceSpec::named("ada-lovelace").api("vulkan"));
  Device here = driver_of("ada-lovelace", "NVIDIA GeForce RTX 4090");
  FoundGpu found = found_gpu(here, true);
  CHECK(diff(row, found.device).size() == 1);  // the title
  CHECK(found.notes ==
        std::vector<std::string>{"planned for NVIDIA GeForce RTX 4090 by the row ada-lovelace of the device database"});
  here.storage_8bit = false;
  here.dot4 = Dot4::none;
  here.shared_memory_bytes = 32768;
  here.max_storage_buffer_range_bytes = kUnlimited;
  here.subgroup_ops = {SubgroupOp::basic, SubgroupOp::vote};
  found = found_gpu(here, false);
  CHECK(found.device.tuned == row.tuned);
  CHECK(found.device.mma.empty());
  CHECK_FALSE(found.device.storage_8bit);
  CHECK(found.device.storage_16bit);
  CHECK(found.device.max_storage_buffer_range_bytes == row.max_storage_buffer_range_bytes);
  CHECK(found.device.subgroup_ops == here.subgroup_ops);
  CHECK_THAT(found.notes, Catch::VectorContains(std::string("its driver has shared_memory_bytes 32768, not 49152")) &&
                              Catch::VectorContains(std::string("its driver has storage_8bit no, not yes")));
}

TEST_CASE("subgroups are those that the driver can have") {
  Device here = driver_of("lavapipe", "llvmpipe (LLVM 15.0.6, 128 bits)");
  here.lanes = here.subgroup_size_min = here.subgroup_size_max = 4;
  CHECK(found_gpu(here, false).device.lanes == 4);
  here = driver_of("rdna2", "AMD Radeon RX 6600");
  here.lanes = 64;  // usual, where nobody asks
  CHECK(found_gpu(here, false).device.lanes == 32);
  here.subgroup_size_control = false;
  CHECK(found_gpu(here, false).device.lanes == 64);
}

TEST_CASE("the driver alone where no row fits, and the plan says so") {
  const Device here = driver_of("turing", "NVIDIA GeForce GTX 1080");
  const FoundGpu found = found_gpu(here, true);
  CHECK(found.device.name == "this-gpu");
  CHECK(diff(found.device, here).empty());
  REQUIRE(found.notes.size() == 1);
  CHECK_THAT(found.notes[0], Catch::Contains("by what its driver says") && Catch::Contains("no row"));
}
