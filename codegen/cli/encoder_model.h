// SPDX-License-Identifier: Apache-2.0
// Drives any graph of an encoder: inputs tok and types i32[N] (types may be absent), output hidden f32[N, D]; other
// outputs are left alone. One text at a time, whole.
#pragma once

#include <cstdint>
#include <optional>

#include "openinfer/sim.h"
#include "openinfer/text.h"

namespace openinfer::cli {

/// What the graph says of its rows.
struct EncoderContract {
  std::int64_t max_tokens = 0;  // bound of N
  std::int64_t width = 0;       // D
  bool has_types = false;
};

/// Nothing if the graph is no encoder's.
std::optional<EncoderContract> encoder_contract(const Graph& graph);

/// "(tok: i32[N]) -> (logits: f32[N, 32])": what a graph has instead.
std::string signature(const Graph& graph);

/// The last hidden state, (T, D). Errors: those of SimSession::run_step.
Tensor hidden_state(SimSession& session, const EncoderContract& contract, const Encoding& text);

}  // namespace openinfer::cli
