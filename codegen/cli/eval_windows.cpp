// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/eval_windows.h"

#include <algorithm>

namespace openinfer::cli {

std::vector<EvalWindow> windows_side_by_side(std::size_t tokens, std::size_t length) {
  length = std::min(length, tokens);
  std::vector<EvalWindow> windows;
  for (std::size_t begin = 0; length > 0 && begin + length <= tokens; begin += length)
    windows.push_back({begin, length, length / 2});
  return windows;
}

std::vector<EvalWindow> windows_overlapping(std::size_t tokens, std::size_t length) {
  const std::size_t stride = std::max<std::size_t>(1, length / 2);
  std::vector<EvalWindow> windows;
  std::size_t scored_to = 1;  // tokens before are scored, or the first
  for (std::size_t begin = 0; scored_to < tokens; begin += stride) {
    const std::size_t end = std::min(begin + length, tokens);
    windows.push_back({begin, end - begin, scored_to - begin - 1});
    scored_to = end;
  }
  return windows;
}

}  // namespace openinfer::cli
