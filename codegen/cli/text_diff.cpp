// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/text_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace openinfer::cli {
namespace {

using Lines = std::vector<std::string_view>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// [i][j]: the length of the longest common subsequence of a from i on and b from j on.
class Common {
 public:
  Common(const Lines& a, const Lines& b, std::size_t from, std::size_t a_end, std::size_t b_end)
      : from_(from), width_(b_end - from + 1), length_((a_end - from + 1) * width_) {
    for (std::size_t i = a_end; i-- > from;)
      for (std::size_t j = b_end; j-- > from;)
        at(i, j) = a[i] == b[j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
  }
  std::uint32_t& at(std::size_t i, std::size_t j) { return length_[(i - from_) * width_ + j - from_]; }

 private:
  std::size_t from_, width_;
  std::vector<std::uint32_t> length_;
};

}  // namespace

std::vector<DiffLine> diff_lines(std::string_view first, std::string_view second) {
  const Lines a = lines_of(first), b = lines_of(second);
  std::size_t start = 0, a_end = a.size(), b_end = b.size();
  while (start < a_end && start < b_end && a[start] == b[start]) ++start;
  while (a_end > start && b_end > start && a[a_end - 1] == b[b_end - 1]) --a_end, --b_end;
  std::vector<DiffLine> lines;
  for (std::size_t i = 0; i < start; ++i) lines.push_back({DiffLine::Kind::both, a[i]});
  Common common(a, b, start, a_end, b_end);
  std::size_t i = start, j = start;
  while (i < a_end || j < b_end) {
    if (i < a_end && j < b_end && a[i] == b[j]) {
      lines.push_back({DiffLine::Kind::both, a[i]});
      ++i, ++j;
    } else if (j == b_end || (i < a_end && common.at(i + 1, j) >= common.at(i, j + 1))) {
      lines.push_back({DiffLine::Kind::first, a[i++]});
    } else {
      lines.push_back({DiffLine::Kind::second, b[j++]});
    }
  }
  for (std::size_t k = a_end; k < a.size(); ++k) lines.push_back({DiffLine::Kind::both, a[k]});
  return lines;
}

std::size_t count(const std::vector<DiffLine>& lines, DiffLine::Kind kind) {
  return static_cast<std::size_t>(
      std::count_if(lines.begin(), lines.end(), [&](const DiffLine& l) { return l.kind == kind; }));
}

std::string unified_diff(const std::vector<DiffLine>& lines, std::string_view first_name,
                         std::string_view second_name) {
  constexpr std::size_t kAround = 3;
  std::string text;
  std::size_t a = 1, b = 1;  // the next line's numbers
  for (std::size_t at = 0; at < lines.size();) {
    std::size_t change = at;
    while (change < lines.size() && lines[change].kind == DiffLine::Kind::both) ++change;
    if (change == lines.size()) break;
    const std::size_t from = std::max(at, change - std::min(change, kAround));
    a += from - at, b += from - at;
    std::size_t end = change, equal = 0;  // behind the last change that is near the one before
    for (std::size_t i = change; i < lines.size() && equal <= 2 * kAround; ++i) {
      equal = lines[i].kind == DiffLine::Kind::both ? equal + 1 : 0;
      if (equal == 0) end = i + 1;
    }
    end = std::min(end + kAround, lines.size());
    std::string body;
    std::size_t a_lines = 0, b_lines = 0;
    for (std::size_t i = from; i < end; ++i) {
      body += fmt::format("{}{}\n", static_cast<char>(lines[i].kind), lines[i].text);
      a_lines += lines[i].kind == DiffLine::Kind::second ? 0 : 1;
      b_lines += lines[i].kind == DiffLine::Kind::first ? 0 : 1;
    }
    if (text.empty()) text = fmt::format("--- {}\n+++ {}\n", first_name, second_name);
    text += fmt::format("@@ -{},{} +{},{} @@\n{}", a_lines == 0 ? a - 1 : a, a_lines, b_lines == 0 ? b - 1 : b, b_lines,
                        body);
    a += a_lines, b += b_lines;
    at = end;
  }
  return text;
}

}  // namespace openinfer::cli
