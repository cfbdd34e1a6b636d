// SPDX-License-Identifier: Apache-2.0
// The host side of emitted Vulkan programs, compiled into this library under a namespace of its own: what runs plans
// here is what emitted programs are made of.
#pragma once

#define MODEL_NAME openinfer::run::host
#include "codegen/emit/prelude/host/vulkan_recording.h"
#undef MODEL_NAME
