// SPDX-License-Identifier: Apache-2.0
// The plan as a person reads it: plan.txt of an emitted project, and what --dump-pass shows of plan passes. read.h
// takes the dispatches out of it again.
#pragma once

#include <string>

#include "codegen/plan/plan.h"

namespace openinfer::plan {

std::string to_text(const Plan& plan);
/// "Wq[l]", "kv_keys + l * 196608": an operand as plan.txt writes it.
std::string to_text(const Plan& plan, const Operand& operand);

/// "abba": of each turn the kernel's letter; variants are 26 at most.
std::string variant_letters(const std::vector<std::uint8_t>& variant);

/// "345.8 KiB, 1.11 MFLOP": what a dispatch moves and computes.
std::string work_text(const Origin& origin);

}  // namespace openinfer::plan
