// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/members.h"

#include <utility>

#include "lib/base/fail.h"

namespace openinfer::plan {

std::vector<std::string> member_keys(const Buffer& weight) {
  std::vector<std::string> all = {weight.key};
  for (const auto& [from, to] : weight.ranges) {
    std::vector<std::string> next;
    for (const std::string& key : all)
      for (std::int64_t i = from; i < to; ++i) {
        std::string one = key;
        next.push_back(one.replace(one.find("{}"), 2, std::to_string(i)));
      }
    all = std::move(next);
  }
  return all;
}

void check_members(const Buffer& weight, const Model& model) {
  const std::vector<std::string> keys = member_keys(weight);
  const TensorInfo first = model.tensor(keys.front());
  for (const std::string& key : keys) {
    const TensorInfo t = model.tensor(key);
    if (t.transposed != first.transposed || t.shape != first.shape)
      fail(ErrorCode::unsupported, "[weights] {} and {} are not stored alike: {}{} and {}{}", keys.front(), key,
           to_string(first.shape), first.transposed ? " transposed" : "", to_string(t.shape),
           t.transposed ? " transposed" : "");
  }
}

}  // namespace openinfer::plan
