// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/ir.h"

#include <array>

namespace openinfer::kir {
namespace {

constexpr std::array<KindInfo, 18> kKinds = {{{"none", 0, Kind::none},
                                              {"b1", 1, Kind::b1},
                                              {"i32", 4, Kind::i32},
                                              {"u32", 4, Kind::u32},
                                              {"i64", 8, Kind::i64},
                                              {"u64", 8, Kind::u64},
                                              {"f32", 4, Kind::f32},
                                              {"f64", 8, Kind::f64},
                                              {"i8x4", 4, Kind::i8x4},
                                              {"mma_a", 0, Kind::mma_a},
                                              {"mma_b", 0, Kind::mma_b},
                                              {"mma_c", 0, Kind::mma_c},
                                              {"f16", 2, Kind::f32},
                                              {"bf16", 2, Kind::f32},
                                              {"i8", 1, Kind::i32},
                                              {"u8", 1, Kind::u32},
                                              {"i16", 2, Kind::i32},
                                              {"u16", 2, Kind::u32}}};
static_assert(kKinds.size() == static_cast<std::size_t>(Kind::u16) + 1);

constexpr OpInfo pure(std::string_view name, int operands) { return {name, operands, true, false, false, false}; }
constexpr OpInfo look(std::string_view name) { return {name, -1, true, true, false, false}; }
constexpr OpInfo wide(std::string_view name, int operands) { return {name, operands, true, true, false, true}; }
constexpr OpInfo effect(std::string_view name) { return {name, -1, false, true, true, false}; }

// In the order of Op.
constexpr std::array kOps = {
    pure("constant", 0),    pure("param", 0),       pure("group", 0),        pure("subgroup", 0),
    pure("lane", 0),        pure("index", 0),       pure("argument", 0),     pure("add", 2),
    pure("sub", 2),         pure("mul", 2),         pure("div", 2),          pure("mod", 2),
    pure("min", 2),         pure("max", 2),         pure("neg", 1),          pure("abs", 1),
    pure("fma", 3),         pure("sqrt", 1),        pure("floor", 1),        pure("round", 1),
    pure("shift_left", 2),  pure("shift_right", 2), pure("bit_and", 2),      pure("bit_or", 2),
    pure("bit_xor", 2),     pure("bit_not", 1),     pure("eq", 2),           pure("ne", 2),
    pure("lt", 2),          pure("le", 2),          pure("logical_and", 2),  pure("logical_or", 2),
    pure("logical_not", 1), pure("select", 3),      pure("convert", 1),      pure("bitcast", 1),
    pure("dot4", 3),        pure("dot4_us", 3),     pure("pair_dots_us", 3), pure("pair_sum", 1),
    pure("bf16_pair", 2),   pure("bf16_dot", 3),    pure("call", -1),        look("load"),
    look("read"),           wide("lane_sum", 1),    wide("lane_max", 1),     wide("lane_min", 1),
    wide("lane_get", 2),    wide("lane_sums", 4),   wide("lane_maxs", 4),    wide("lane_turn", 1),
    wide("mma_load", 2),    pure("mma", 3),         effect("declare"),       effect("write"),
    effect("turn"),         effect("store"),        effect("mma_store"),     effect("loop"),
    effect("if"),           effect("barrier"),      effect("prefetch"),      effect("comment")};
static_assert(kOps.size() == static_cast<std::size_t>(Op::comment) + 1);

}  // namespace

const KindInfo& info(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
const OpInfo& info(Op op) { return kOps[static_cast<std::size_t>(op)]; }

int Target::tuned_or(std::string_view parameter, int otherwise) const {
  const auto found = tuned.find(parameter);
  return found == tuned.end() ? otherwise : found->second;
}

int Record::size_bytes() const {
  int bytes = 0;
  for (const Field& f : fields) bytes += info(f.kind).bytes * f.count;
  return bytes;
}

std::int64_t shared_bytes(const Kernel& kernel) {
  std::int64_t bytes = 0;
  for (const Buffer& b : kernel.buffers)
    if (b.space == Space::shared) bytes += std::int64_t{b.count} * info(b.kind).bytes;
  return bytes;
}

int Record::find(std::string_view field) const {
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (fields[i].name == field) return static_cast<int>(i);
  return -1;
}

}  // namespace openinfer::kir
