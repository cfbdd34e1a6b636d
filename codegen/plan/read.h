// SPDX-License-Identifier: Apache-2.0
// The steps of a plan.txt as data again: what an emitted folder says of itself to who has nothing else of the plan.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace openinfer::plan {

struct PlanStep {
  struct Node {
    std::string text;  // "q = rope"
    std::string at;    // "llama.h:54", or "": not known
  };
  std::string entry;                       // "decode"
  int number = 0;                          // within the entry
  std::vector<std::string> around = {};    // "for l in 0..30", "if more", "else of if more": outermost first
  std::int64_t turns = 1;                  // of all loops around
  std::vector<std::string> kernels = {};   // by variant; none: a copy
  std::vector<std::uint8_t> variant = {};  // with several: as Dispatch::variant
  std::string what = {};                   // of a kernel its workgroups: "120 x 1"; "copy x to y, N * 64 elements"
  std::string operands = {};               // "x = attn_norm_2, Wq = Wq[l]"
  std::vector<Node> nodes = {};
  std::int64_t bytes = 0, flops = 0;
  std::string work = {};    // the same for people
  std::string reason = {};  // why this kernel
};

/// Every dispatch and copy, in order. What is none of them is passed over.
/// Errors: invalid_argument for a text without any entry point.
std::vector<PlanStep> read_steps(std::string_view plan_txt);

}  // namespace openinfer::plan
