// SPDX-License-Identifier: Apache-2.0
// How a long text is cut into what a model sees at once, and which of its tokens are scored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace openinfer::cli {

/// Tokens [begin, begin + length) of the text, in a cache of their own. Row r predicts token begin + r + 1; scored are
/// the rows from `first` to length - 2.
struct EvalWindow {
  std::size_t begin = 0, length = 0, first = 0;
  std::size_t scored() const { return length > first + 1 ? length - 1 - first : 0; }
};

/// Side by side, from the text's begin on: of each window the second half is scored, so that each scored token has half
/// a window before it; what is left at the end is not scored. A text shorter than one window is a window itself.
/// Source: the perplexity tool of llama.cpp, whose figures these can be held against.
std::vector<EvalWindow> windows_side_by_side(std::size_t tokens, std::size_t length);

/// Each begins in the middle of the one before: every token but the first is scored, once; all but those of the first
/// window have half a window before them.
std::vector<EvalWindow> windows_overlapping(std::size_t tokens, std::size_t length);

}  // namespace openinfer::cli
