// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "codegen/plan/lower_functions.h"

namespace openinfer::plan {
namespace {

struct Row {
  std::string_view kernel;
  LowerFunction function;
};
constexpr std::array kTable = {Row{"pointwise", lower_pointwise}, Row{"product", lower_product},
                               Row{"attention", lower_attention}, Row{"sdpa", lower_attention},
                               Row{"kv_read", lower_kv_read}};

}  // namespace

LowerFunction lower_function(std::string_view kernel) {
  const auto row = std::find_if(kTable.begin(), kTable.end(), [&](const Row& r) { return r.kernel == kernel; });
  return row == kTable.end() ? nullptr : row->function;
}

}  // namespace openinfer::plan
