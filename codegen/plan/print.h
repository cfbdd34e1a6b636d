// SPDX-License-Identifier: Apache-2.0
// The plan as a person reads it: plan.txt of an emitted project, and what --dump-pass shows of plan passes.
#pragma once

#include <string>

#include "codegen/plan/plan.h"

namespace openinfer::plan {

std::string to_text(const Plan& plan);
/// "Wq[l]", "kv_keys + l * 196608": an operand as plan.txt writes it.
std::string to_text(const Plan& plan, const Operand& operand);

}  // namespace openinfer::plan
