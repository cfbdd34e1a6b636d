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
constexpr std::array kTable = {Row{"pointwise", lower_pointwise},
                               Row{"product", lower_product},
                               Row{"rms_norm", lower_norm},
                               Row{"layer_norm", lower_norm},
                               Row{"softmax", lower_softmax},
                               Row{"sum", lower_reduce},
                               Row{"mean", lower_reduce},
                               Row{"prod", lower_reduce},
                               Row{"reduce_max", lower_reduce},
                               Row{"reduce_min", lower_reduce},
                               Row{"argmax", lower_argmax},
                               Row{"argmin", lower_argmax},
                               Row{"gather", lower_gather},
                               Row{"expert_matmul", lower_expert_matmul},
                               Row{"cast", lower_cast},
                               Row{"affine", lower_affine},
                               Row{"transpose", lower_transpose},
                               Row{"slice", lower_slice},
                               Row{"broadcast", lower_broadcast},
                               Row{"flip", lower_flip},
                               Row{"concat", lower_concat},
                               Row{"top_k", lower_top_k},
                               Row{"sort", lower_sort},
                               Row{"cumsum", lower_cumsum},
                               Row{"scatter", lower_scatter},
                               Row{"reshape", lower_reshape},
                               Row{"iota", lower_iota},
                               Row{"attention", lower_attention},
                               Row{"sdpa", lower_attention},
                               Row{"rope", lower_rope},
                               Row{"kv_write", lower_kv_write},
                               Row{"rope_write", lower_kv_write},
                               Row{"kv_read", lower_kv_read},
                               Row{"state_read", lower_state_read},
                               Row{"state_write", lower_state_write}};

}  // namespace

LowerFunction lower_function(std::string_view kernel) {
  const auto row = std::find_if(kTable.begin(), kTable.end(), [&](const Row& r) { return r.kernel == kernel; });
  return row == kTable.end() ? nullptr : row->function;
}

}  // namespace openinfer::plan
