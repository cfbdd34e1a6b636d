// SPDX-License-Identifier: Apache-2.0
// Files of emitted projects that are written by hand (prelude/host) and contained in this library word for word.
#pragma once
#include <string_view>
#include <vector>

namespace openinfer::emit {

/// `path`: within the project. `text`: with marks (MODEL_…) that become values, but for the reader's.
struct Fixed {
  std::string_view path, text;
};

/// The package reader, in every project as it is: a definition of its CMakeLists.txt renames it.
std::vector<Fixed> reader_files();
/// What every project with a host program has besides.
std::vector<Fixed> common_files();
/// What projects with check data have besides.
std::vector<Fixed> check_files();
/// What projects with a memory budget have besides.
std::vector<Fixed> stream_files();
/// What projects for CPUs have besides.
std::vector<Fixed> cpu_files();
/// What projects for Vulkan have besides.
std::vector<Fixed> vulkan_files();
/// All that folders for CUDA have besides kernels and plan.
std::vector<Fixed> cuda_files();

}  // namespace openinfer::emit
