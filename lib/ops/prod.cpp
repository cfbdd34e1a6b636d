// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/reduce.h"

namespace openinfer {
namespace {

/// One element after the other.
template <class C>
class ProductFold {
 public:
  void add(std::span<const C> x) {
    for (const C value : x) product_ = product_ * value;
  }
  C result(std::int64_t) const { return product_; }

 private:
  C product_{1};
};

}  // namespace

const OpDef& prod_op() {
  static const OpDef op = reduction("prod", infer_reduction<kNumbers>, reduce<kNumbers, ProductFold>);
  return op;
}

Value prod(const In& x, Over over) { return call(prod_op(), {x}, attributes_of(over)); }
Pipe prod(Over over) { return pipe(prod_op(), {}, attributes_of(over)); }

}  // namespace openinfer
