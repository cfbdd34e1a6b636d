// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/refusals.h"

#include <array>
#include <vector>

namespace openinfer::matrix {
namespace {

constexpr std::string_view kNoF64 = "devices compute it in f32 only, not in f64";
constexpr auto kNotInF64 =
    std::to_array<std::string_view>({"exp", "log", "sin", "cos", "tanh", "erf", "sigmoid", "silu", "gelu", "gelu_tanh",
                                     "log1p", "expm1", "softplus", "pow"});

std::vector<Refusal> all() {
  std::vector<Refusal> rows = {
      {"softmax", "f64", "", "devices have no exp of f64"},
      {"log_softmax", "f64", "", kNoF64},
      {"logsumexp", "f64", "", kNoF64},
      {"sdpa", "f64", "", kNoF64},
      {"rope", "f64", "", "devices have no sin and cos of f64"},
      {"kv_write", "f64", "behind rope", "devices have no sin and cos of f64"},
      {"matmul", "", "(7, N) with (N, 5)", "a product over a dimension that is not known has no kernel yet"},
      {"expert_matmul", "", "(N, 2, N)", "experts of a size or number that is not known have no kernel"},
  };
  for (const std::string_view f : kNotInF64) rows.push_back({f, "f64", "", kNoF64});
  return rows;
}

/// Is `word` among the words of the text?
bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || text[at - 1] == ' ') && (end == text.size() || text[end] == ' ' || text[end] == ',')) return true;
  }
  return word.empty();
}

}  // namespace

std::span<const Refusal> refusals() {
  static const std::vector<Refusal> rows = all();
  return rows;
}

const Refusal* refusal_of(const Cell& cell) {
  for (const Refusal& r : refusals())
    if (cell.op == r.op && has_word(cell.dtype, r.dtype) && cell.form.find(r.form) != cell.form.npos) return &r;
  return nullptr;
}

}  // namespace openinfer::matrix
