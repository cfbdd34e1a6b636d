// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/fixed_files.h"

namespace openinfer::emit {

std::vector<Fixed> reader_files() {
  return {{
              "host/panel16.cpp",
#include "host_panel16_cpp.inc"
          },
          {
              "host/panel16.h",
#include "host_panel16_h.inc"
          },
          {
              "host/reader.cpp",
#include "host_reader_cpp.inc"
          },
          {
              "host/reader.h",
#include "host_reader_h.inc"
          }};
}

std::vector<Fixed> common_files() {
  return {{
              "README.md",
#include "host_README_md.inc"
          },
          {
              "host/flags.h",
#include "host_flags_h.inc"
          },
          {
              "host/main.cpp",
#include "host_main_cpp.inc"
          },
          {
              "host/memory.cpp",
#include "host_memory_cpp.inc"
          },
          {
              "host/memory.h",
#include "host_memory_h.inc"
          },
          {
              "host/model.h",
#include "host_model_h.inc"
          },
          {
              "host/npy.h",
#include "host_npy_h.inc"
          },
          {
              "host/output_file.h",
#include "host_output_file_h.inc"
          },
          {
              "host/printable.h",
#include "host_printable_h.inc"
          },
          {
              "host/program.cpp",
#include "host_program_cpp.inc"
          },
          {
              "host/program.h",
#include "host_program_h.inc"
          },
          {
              "host/rows.h",
#include "host_rows_h.inc"
          },
          {
              "host/sequences.h",
#include "host_sequences_h.inc"
          },
          {
              "host/vocabulary.h",
#include "host_vocabulary_h.inc"
          }};
}

std::vector<Fixed> check_files() {
  return {{
              "host/check.cpp",
#include "host_check_cpp.inc"
          },
          {
              "host/check.h",
#include "host_check_h.inc"
          }};
}

std::vector<Fixed> stream_files() {
  return {{
              "host/streamed_program.cpp",
#include "host_streamed_program_cpp.inc"
          },
          {
              "host/streamed_program.h",
#include "host_streamed_program_h.inc"
          },
          {
              "host/weight_stream.cpp",
#include "host_weight_stream_cpp.inc"
          },
          {
              "host/weight_stream.h",
#include "host_weight_stream_h.inc"
          }};
}

std::vector<Fixed> cpu_files() {
  return {{
              "CMakeLists.txt",
#include "host_CMakeLists_txt.inc"
          },
          {
              "host/cpu_features.h",
#include "host_cpu_features_h.inc"
          },
          {
              "host/cpu_program.cpp",
#include "host_cpu_program_cpp.inc"
          },
          {
              "host/cpu_program.h",
#include "host_cpu_program_h.inc"
          },
          {
              "host/laid_out.cpp",
#include "host_laid_out_cpp.inc"
          },
          {
              "host/laid_out.h",
#include "host_laid_out_h.inc"
          },
          {
              "host/read_ahead.cpp",
#include "host_read_ahead_cpp.inc"
          },
          {
              "host/read_ahead.h",
#include "host_read_ahead_h.inc"
          },
          {
              "host/thread_pool.h",
#include "host_thread_pool_h.inc"
          }};
}

std::vector<Fixed> vulkan_files() {
  return {{
              "CMakeLists.txt",
#include "host_CMakeLists_vulkan_txt.inc"
          },
          {
              "host/vulkan_device.cpp",
#include "host_vulkan_device_cpp.inc"
          },
          {
              "host/vulkan_device.h",
#include "host_vulkan_device_h.inc"
          },
          {
              "host/vulkan_features.h",
#include "host_vulkan_features_h.inc"
          },
          {
              "host/vulkan_pipelines.cpp",
#include "host_vulkan_pipelines_cpp.inc"
          },
          {
              "host/vulkan_program.cpp",
#include "host_vulkan_program_cpp.inc"
          },
          {
              "host/vulkan_program.h",
#include "host_vulkan_program_h.inc"
          },
          {
              "host/vulkan_recording.cpp",
#include "host_vulkan_recording_cpp.inc"
          },
          {
              "host/vulkan_recording.h",
#include "host_vulkan_recording_h.inc"
          }};
}

std::vector<Fixed> cuda_files() {
  return {{
      "README.md",
#include "host_README_cuda_md.inc"
  }};
}

}  // namespace openinfer::emit
