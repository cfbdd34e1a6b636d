// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/package_contents.h"

#include <string>
#include <vector>

#include "codegen/plan/members.h"
#include "formats/opnf/reader.h"
#include "lib/base/fail.h"
#include "lib/package/package.h"

namespace openinfer::emit {
namespace {

/// A splat has no bytes, and so no checksum in the index: its block stands for it.
std::uint64_t checksum(const opnf::Tensor& tensor) {
  return tensor.pattern.empty() ? tensor.checksum : opnf::xxh64(tensor.pattern.data(), tensor.pattern.size());
}

}  // namespace

PackageContents package_contents(const plan::Plan& plan, const Model& model) {
  const opnf::Reader& package = model.package().reader;
  PackageContents contents;
  for (const opnf::SectionEntry& section : package.sections())
    if (section.kind == static_cast<std::uint32_t>(opnf::Section::metadata)) contents.metadata = section.checksum;
  std::vector<std::uint64_t> checksums;
  for (const plan::Buffer& weight : plan.buffers) {
    if (weight.role != plan::Role::weight) continue;
    for (const std::string& key : plan::member_keys(weight)) {
      const auto row = package.find(key);
      if (!row) fail(ErrorCode::not_found, "[emit] {} has no tensor {}", model.path(), key);
      checksums.push_back(checksum(package.tensor(*row)));
    }
  }
  contents.weights = opnf::xxh64(checksums.data(), checksums.size() * sizeof checksums[0]);
  return contents;
}

}  // namespace openinfer::emit
