// SPDX-License-Identifier: Apache-2.0
// The stream of weights that emitted programs have, compiled into this library.
#pragma once

#define MODEL_NAME openinfer::run::host
#include "codegen/emit/prelude/host/weight_stream.h"
#undef MODEL_NAME
