// SPDX-License-Identifier: Apache-2.0
#include "openinfer/op_def.h"

#include "lib/base/fail.h"
#include "lib/graph/ir.h"

namespace openinfer {

const Attribute& attribute_or_fallback(const OpDef& op, const Attributes& attributes, std::string_view name) {
  if (const Attribute* given = attributes.find(name)) return *given;
  for (const AttributeSpec& spec : op.attributes)
    if (spec.name == name && spec.fallback) return *spec.fallback;
  fail(ErrorCode::internal, "[{}] infer or reference asks for the attribute '{}', which it does not declare", op.name,
       name);
}

void InferContext::fail(ErrorCode code, const std::string& message) const {
  fail_at(at(), code, "[{}] {}", op().name, message);
}
const Attribute& InferContext::attribute(std::string_view name) const {
  return attribute_or_fallback(op(), attributes(), name);
}

void OpRun::fail(ErrorCode code, const std::string& message) const {
  fail_at(at(), code, "[{}] {}", op().name, message);
}
const Attribute& OpRun::attribute(std::string_view name) const {
  return attribute_or_fallback(op(), attributes(), name);
}

}  // namespace openinfer
