// SPDX-License-Identifier: Apache-2.0
#define MODEL_NAME openinfer::run::host
#include "codegen/emit/prelude/host/weight_stream.cpp"
#undef MODEL_NAME
