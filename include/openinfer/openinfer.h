// SPDX-License-Identifier: Apache-2.0
// Everything that graphs and sessions need. Text (text.h: tokenizers, chat templates, sampling), evaluator.h (emitting,
// which links OpenInfer::codegen), models/*.h and op_def.h (operators of your own) are included by those who use them.
#pragma once

#include "openinfer/device.h"
#include "openinfer/dtype.h"
#include "openinfer/error.h"
#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "openinfer/ops.h"
#include "openinfer/sim.h"
#include "openinfer/tensor.h"
