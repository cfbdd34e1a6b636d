// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <optional>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/reduce.h"

namespace openinfer {
namespace {

template <class C>
class MaxFold {
 public:
  void add(std::span<const C> x) {
    for (const C value : x)
      if (!largest_ || *largest_ < value || value != value) largest_ = value;  // a NaN stays: nothing is larger
  }
  C result(std::int64_t) const { return *largest_; }

 private:
  std::optional<C> largest_;
};

void reference_reduce_max(OpRun& run) {
  if (run.in(0).count() == 0 && run.out(0).count() != 0)  // [C3]
    run.fail(ErrorCode::invalid_argument,
             fmt::format("no elements to take the largest of: x is {}", to_string(run.in(0).shape)));
  reduce<kNumbers, MaxFold>(run);
}

}  // namespace

const OpDef& reduce_max_op() {
  static const OpDef op = reduction("reduce_max", infer_reduction<kNumbers>, reference_reduce_max);
  return op;
}

Value max(const In& x, Over over) { return call(reduce_max_op(), {x}, attributes_of(over)); }

}  // namespace openinfer
