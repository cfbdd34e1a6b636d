// SPDX-License-Identifier: Apache-2.0
// Tables -> bytes, for the writer: map sections, the tensor index, the key hash, and the whole index with its
// checksums.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "formats/opnf/writer.h"

namespace opnf {

inline std::uint64_t aligned(std::uint64_t x, std::uint64_t a) { return (x + a - 1) / a * a; }
inline constexpr std::uint64_t kPage = 4096;  // alignment of DATA, and where a shard's tensors begin

std::string encode_map(const Writer::Values& values);

/// Every section but DATA, by kind; sections without content are absent.
using Sections = std::map<Section, std::string>;
void encode_tensors(const Writer::Rows& rows, std::uint32_t alignment, Sections& sections);

struct Places {
  std::vector<std::pair<Section, std::uint64_t>> offsets;  // in file order, DATA last
  std::uint64_t end = 0;                                   // of what precedes DATA
  std::uint64_t data = kPage;                              // where DATA begins
};
Places place(const Sections& sections, bool has_data);

/// Everything before DATA: header, table and sections. `file_size` is the finished file's.
std::string encode_index(const Sections& sections, const Places& places, std::uint64_t file_size);

}  // namespace opnf
