// SPDX-License-Identifier: Apache-2.0
// openinfer eval: what its parts hand on. eval.cpp has the flags and the work, eval_report.cpp the answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codegen/cli/eval_windows.h"
#include "openinfer/text.h"

namespace openinfer::cli {

/// The text as it is scored.
struct EvalText {
  std::string name = {};
  std::vector<TokenId> ids = {};
  std::vector<EvalWindow> windows = {};
  std::size_t window = 0;  // length of all but the last
  bool overlap = false;
  std::size_t bytes = 0, words = 0;  // that the scored tokens spell; of words the begins
};

/// One value for each scored token, in order.
struct EvalScores {
  std::vector<double> nll = {};
  std::vector<double> reference_nll = {}, kl = {};  // of --against; else empty
  std::size_t same_top = 0;
  double logit_error = 0, logit_scale = 0;  // the largest
};

/// Which computes: "cpu", "strict".
struct EvalSide {
  std::string backend, numerics;
};

struct EvalResult {
  std::string model = {};
  EvalText text = {};
  EvalScores scores = {};
  EvalSide side = {};
  std::optional<EvalSide> against = {};
  double seconds = 0;
};

std::string eval_json(const EvalResult& result);
std::string eval_report(const EvalResult& result);

}  // namespace openinfer::cli
