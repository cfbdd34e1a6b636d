// SPDX-License-Identifier: Apache-2.0
// A few operators for the tests of graphs and their text, from public headers alone: their `infer` knows just enough to
// give types and to be wrong about them. The library's own operators have tests of their own.
#pragma once

#include <openinfer/op_def.h>

namespace test_ops {

/// add sub mul div silu gt cast concat matmul gather rms_norm rope sdpa kv_read kv_write state_read state_write noise
const openinfer::OpSet& all();

}  // namespace test_ops
