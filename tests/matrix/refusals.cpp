// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/refusals.h"

#include <array>
#include <vector>

namespace openinfer::matrix {
namespace {

constexpr std::string_view kNoF64 = "devices compute it in f32 only, not in f64";
constexpr auto kFunctions = std::to_array<std::string_view>(
    {"exp", "log", "sin", "cos", "tanh", "erf", "sigmoid", "silu", "gelu", "gelu_tanh"});
/// Of codebooks, and of digits to the base of 3.
constexpr auto kUnreadBlocks =
    std::to_array<std::string_view>({"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "tq1_0"});
constexpr auto kPacked = std::to_array<std::string_view>({"i1", "i2", "i4", "u1", "u2", "u4", "t1", "t2"});
constexpr auto kSmallFloats = std::to_array<std::string_view>({"f8e4m3", "f8e5m2"});

std::vector<Refusal> all() {
  std::vector<Refusal> rows = {
      {"softmax", "f64", "", "devices have no exp of f64"},
      {"sdpa", "f64", "", kNoF64},
      {"rope", "f64", "", "devices have no sin and cos of f64"},
      {"kv_write", "f64", "behind rope", "devices have no sin and cos of f64"},
      {"matmul", "", "(7, N) with (N, 5)", "a product over a dimension that is not known has no kernel yet"},
      {"expert_matmul", "", "(N, 2, N)", "experts of a size or number that is not known have no kernel"},
      {"matmul", "", "a batch of blocks", "a batch of matrices stored in blocks has no kernel yet"},
      {"gather", "", "stored transposed, at (N), in blocks", "a transposed table in blocks"},
  };
  for (const std::string_view f : kFunctions) rows.push_back({f, "f64", "", kNoF64});
  for (const std::string_view op : {"matmul", "linear", "expert_matmul"}) {
    for (const std::string_view w : kUnreadBlocks) rows.push_back({op, w, "", "no kernel reads blocks of"});
    for (const std::string_view w : kSmallFloats) rows.push_back({op, w, "", "have no address and no arithmetic"});
  }
  for (const auto& formats :
       {std::span<const std::string_view>(kUnreadBlocks), std::span<const std::string_view>(kPacked)})
    for (const std::string_view w : formats)
      for (const std::string_view op : {"gather", "cast"}) rows.push_back({op, w, "", "no kernel reads elements of"});
  for (const std::string_view w : kSmallFloats) rows.push_back({"cast", w, "", "no kernel reads elements of"});
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
