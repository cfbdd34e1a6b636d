// SPDX-License-Identifier: Apache-2.0
#ifdef OPENINFER_VULKAN
#define MODEL_NAME openinfer::run::host
#include "codegen/emit/prelude/host/vulkan_device.cpp"
#include "codegen/emit/prelude/host/vulkan_pipelines.cpp"
#include "codegen/emit/prelude/host/vulkan_recording.cpp"
#undef MODEL_NAME
#endif
