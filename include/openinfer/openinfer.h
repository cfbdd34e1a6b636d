// SPDX-License-Identifier: Apache-2.0
// Everything a user writes against.
#pragma once

#include "openinfer/dtype.h"
#include "openinfer/error.h"
#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "openinfer/ops.h"
#include "openinfer/sim.h"
#include "openinfer/tensor.h"
