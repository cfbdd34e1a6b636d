// SPDX-License-Identifier: Apache-2.0
// The packages that golden files and attacks are made from; describe.py says the same in Python.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/opnf/writer.h"
#include "tests/source_path.h"

namespace opnf::testing {

/// n bytes that depend on `seed` and are legal elements of the dtype.
std::vector<std::byte> pattern(const std::string& dtype, std::size_t seed, std::size_t n);

/// Every section, form of value, dtype, layout, alias, splat and quantisation.
void describe_small(Writer& writer);
/// Four tensors for a shard size of 5000 bytes.
void describe_sharded(Writer& writer);

/// A folder of its own that is removed at the end.
struct TemporaryFolder {
  TemporaryFolder();
  ~TemporaryFolder();
  std::string file(const std::string& name) const { return (path / name).string(); }
  std::vector<std::string> names() const;
  std::filesystem::path path;
};

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& bytes);
inline std::string golden(const std::string& name) {
  return openinfer::testing::source_path("tests/formats/opnf/golden/" + name);
}

/// The shards of golden("sharded.oinf"), in order.
inline const std::vector<std::string> kGoldenShards = {
    "sharded.00001.a22faf6823368217.oins", "sharded.00002.7a022fac3af0d1f3.oins", "sharded.00003.7b183d0eb758c2bf.oins",
    "sharded.00004.b8dfe85860e44095.oins"};

}  // namespace opnf::testing
