// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/reduce.h"

namespace openinfer {
namespace {

template <class C>
struct MeanFold : SumFold<C> {
  C result(std::int64_t count) { return SumFold<C>::result(count) / static_cast<C>(count); }
};

}  // namespace

const OpDef& mean_op() {
  static const OpDef op = reduction("mean", infer_reduction<kFloats>, reduce<kFloats, MeanFold>);
  return op;
}

Value mean(const In& x, Over over) { return call(mean_op(), {x}, attributes_of(over)); }
Pipe mean(Over over) { return pipe(mean_op(), {}, attributes_of(over)); }

}  // namespace openinfer
