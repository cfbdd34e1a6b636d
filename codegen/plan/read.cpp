// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/read.h"

#include <charconv>

#include "lib/base/fail.h"

namespace openinfer::plan {
namespace {

std::int64_t number_at(std::string_view text) {
  std::int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Removes `start`, if the text starts so.
bool take(std::string_view& text, std::string_view start) {
  if (!text.starts_with(start)) return false;
  text.remove_prefix(start.size());
  return true;
}

/// Of "for l in 0..30".
std::int64_t turns_of(std::string_view loop) {
  const auto in = loop.find(" in "), dots = loop.find("..");
  if (in == loop.npos || dots == loop.npos) return 1;
  return number_at(loop.substr(dots + 2)) - number_at(loop.substr(in + 4));
}

class Reader {
 public:
  void line(std::string_view text) {
    std::string_view rest = text.substr(std::min(text.find_first_not_of(' '), text.size()));
    const std::size_t indent = text.size() - rest.size();
    if (indent == 0) return heading(rest);
    if (entry_.empty() || !in_steps_ || rest.empty()) return;
    if (is_digit(rest[0])) return numbered(indent, rest);
    if (rest.starts_with("for ")) return around(indent / 2, std::string(rest));
    if (rest == "else") return otherwise(indent / 2 - 2);
    if (!steps.empty()) detail(rest);
  }

  std::vector<PlanStep> steps;
  bool found = false;

 private:
  struct Around {
    std::size_t depth;
    std::string text;
  };

  /// "entry decode: N = 1"; what else stands at the margin ends the steps.
  void heading(std::string_view rest) {
    in_steps_ = rest == "steps:";
    if (in_steps_ || rest.starts_with("arena ")) return;
    around_.clear();
    entry_ = take(rest, "entry ") ? std::string(rest.substr(0, rest.find(':'))) : "";
    found = found || !entry_.empty();
  }
  /// What a step at that depth is not within.
  void leave(std::size_t depth) {
    while (!around_.empty() && around_.back().depth >= depth) around_.pop_back();
  }
  void around(std::size_t depth, std::string text) {
    leave(depth);
    around_.push_back({depth, std::move(text)});
  }
  void otherwise(std::size_t depth) {
    while (!around_.empty() && around_.back().depth > depth) around_.pop_back();
    if (!around_.empty()) around_.back().text = "else of " + around_.back().text;
  }
  /// "  2 rope x [1]", "  3 copy x to y, N elements", "  4 if p": the number ends in the third column of its depth.
  void numbered(std::size_t indent, std::string_view rest) {
    std::size_t digits = 0;
    while (digits < rest.size() && is_digit(rest[digits])) ++digits;
    const std::size_t depth = indent + digits < 3 ? 0 : (indent + digits - 3) / 2;
    const auto number = static_cast<int>(number_at(rest));
    rest.remove_prefix(std::min(digits + 1, rest.size()));
    if (rest.starts_with("if ")) return around(depth, std::string(rest));
    leave(depth);
    PlanStep step = {.entry = entry_, .number = number};
    for (const Around& a : around_) {
      step.around.push_back(a.text);
      if (a.text.starts_with("for ")) step.turns *= turns_of(a.text);
    }
    const auto grid = rest.find(" x [");
    if (!rest.starts_with("copy ") && grid != rest.npos && rest.ends_with(']')) {
      step.what = rest.substr(grid + 4, rest.size() - grid - 5);
      kernels(rest.substr(0, grid), step.kernels);
    } else {
      step.what = rest;
    }
    steps.push_back(std::move(step));
  }
  static void kernels(std::string_view names, std::vector<std::string>& to) {
    for (;;) {
      const auto bar = names.find('|');
      to.emplace_back(names.substr(0, bar));
      if (bar == names.npos) return;
      names.remove_prefix(bar + 1);
    }
  }
  /// A line below its step.
  void detail(std::string_view rest) {
    PlanStep& step = steps.back();
    if (take(rest, "- ")) {
      const auto at = rest.rfind("  at ");
      step.nodes.push_back({std::string(rest.substr(0, at)), at == rest.npos ? "" : std::string(rest.substr(at + 5))});
    } else if (take(rest, "work: ")) {
      const auto exact = std::min(rest.find(" ("), rest.size());
      step.work = rest.substr(0, exact);
      rest.remove_prefix(std::min(exact + 2, rest.size()));
      step.bytes = number_at(rest);
      if (const auto comma = rest.find(", "); comma != rest.npos) step.flops = number_at(rest.substr(comma + 2));
    } else if (take(rest, "why: ")) {
      step.reason = rest;
    } else if (take(rest, "kernel by turn: ")) {
      for (const char letter : rest) step.variant.push_back(static_cast<std::uint8_t>(letter - 'a'));
    } else if (step.operands.empty() && !rest.starts_with("swap ") && rest.find(" = ") != rest.npos) {
      step.operands = rest;
    }
  }

  std::string entry_;
  bool in_steps_ = false;
  std::vector<Around> around_;
};

}  // namespace

std::vector<PlanStep> read_steps(std::string_view text) {
  Reader reader;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    reader.line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!reader.found) fail(ErrorCode::invalid_argument, "[plan] the text has no entry point: it is no plan.txt");
  return std::move(reader.steps);
}

}  // namespace openinfer::plan
