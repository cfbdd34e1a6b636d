// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/norm.h"

#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/int8_rows.h"
#include "codegen/kernels/rows.h"

namespace openinfer::kernels {

using kir::Mem;
using kir::Val;

TemplateKernel norm(const kir::Target& target, std::string name, const Norm& what) {
  kir::Build k(std::move(name), target);
  const kir::Kind kind = sum_kind(what.x);
  const Mem x = k.in("x", memory_kind(what.x)), w = k.in("w", memory_kind(what.w));
  const Mem b = what.b ? k.in("b", memory_kind(*what.b)) : Mem();
  std::optional<Results> results;
  if (!what.only_int8) results.emplace(k, what.tail, what.x, what.width);
  std::optional<Int8Rows> blocks;
  if (!what.int8.empty()) blocks.emplace(k, what.int8);
  const Mem halves = what.bf16.empty() ? Mem() : k.out(what.bf16, kir::Kind::bf16, "(rows, stride)");
  const Rows rows(k, what.rows, what.width);
  const Val width = value_of(k, what.width);
  const Val of_width = what.width.known() ? k.constant(1.0 / static_cast<double>(what.width.value), kind)
                                          : k.let("of_width", k.constant(1.0, kind) / convert(width, kind));
  rows.each([&](Val row) {
    const auto at = [&](Val i) { return row * width + i; };
    const auto mean_of = [&](const char* sum_name, const auto& term) {
      const kir::Reg sum = k.var(sum_name, kind);
      rows.across("i", 0, width, [&](Val i) { sum += term(x[at(i)]); });
      return rows.sum(std::string(sum_name) + "_of_row", sum) * of_width;
    };
    const Val mean = what.centred ? k.let("mean", mean_of("sum", [](Val v) { return v; })) : Val();
    const auto centred = [&](Val v) { return what.centred ? v - mean : v; };
    const Val variance = mean_of("squares", [&](Val v) {
      const Val c = centred(v);
      return c * c;
    });
    const Val scale = k.let("scale", scalar_call(k, "rsqrt", {variance + k.constant(what.eps, kind)}));
    const auto result = [&](Val i) {
      const Val scaled = centred(x[at(i)]) * scale * convert(w[i], kind);
      return what.b ? scaled + convert(b[i], kind) : scaled;
    };
    const auto store_plain = [&](Val i) {
      const Val value = what.bf16.empty() ? result(i) : k.let("value", result(i));
      results->store(row, i, value);
      if (!what.bf16.empty()) halves[row * bf16_stride(what.width.value) + i] = f32_of(value);
    };
    if (results) rows.across("i", 0, width, store_plain);
    if (!blocks) return;
    const std::int64_t count = what.width.value / kInt8Block;
    const auto element = [&](const Val& block, const Val& j) { return result(block * kInt8Block + j); };
    if (target.lanes_are_vectors()) return blocks->store_run(row * count, k.constant(0), k.constant(count), element);
    rows.by_subgroups("block", count, [&](Val block) {
      blocks->store(row * count + block, [&](const Val& j) { return element(block, j); });
    });
  });
  return {.kernel = k.done(), .grid = rows.grid(), .reason = std::string(rows.reason())};
}

}  // namespace openinfer::kernels
