// SPDX-License-Identifier: Apache-2.0
// Any bytes as a package: it opens or is an opnf::Error, and then no accessor fails in any other way. The input is
// tried as it is and with its file size and checksum put right, so that the fuzzer gets past them.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "formats/opnf/reader.h"
#include "formats/opnf/verify.h"
#include "tests/fuzz/package_input.h"

namespace {

using opnf::Reader;

void use_value(const opnf::Value& v) {
  const auto tried = [&](auto f) {
    try {
      f();
    } catch (const opnf::Error&) {
    }
  };
  tried([&] { v.string(); });
  tried([&] { v.boolean(); });
  tried([&] { v.integer(); });
  tried([&] { v.number(); });
  tried([&] {
    const opnf::Strings strings = v.strings();
    for (std::size_t i = 0; i < strings.size(); ++i) opnf::is_utf8(strings[i]);
  });
  opnf::xxh64(v.bytes.data(), v.bytes.size());
  if (v.type_name().empty()) std::abort();
}

void use(const Reader& reader) {
  for (const opnf::Map* map :
       {&reader.metadata(), &reader.dims(), &reader.states(), &reader.tokenizer(), &reader.graphs(), &reader.shards()})
    for (std::size_t i = 0; i < map->size(); ++i) {
      use_value((*map)[i]);
      if (!map->find((*map)[i].key)) std::abort();
    }
  std::vector<std::byte> piece;
  for (std::size_t i = 0; i < reader.tensor_count(); ++i) {
    const opnf::Tensor t = reader.tensor(i);
    if (reader.find(t.key) != i) std::abort();
    if (const auto q = reader.quantisation(i)) reader.tensor(q->scale);
    piece.resize(std::min<std::uint64_t>(t.nbytes, 4096));
    reader.read_tensor(i, t.nbytes - piece.size(), piece);
    if (reader.mode() == Reader::Mode::map && t.pattern.empty()) {
      const auto bytes = reader.bytes(i);
      opnf::xxh64(bytes.data(), bytes.size());
    }
  }
  try {
    opnf::verify(reader);
  } catch (const opnf::Error&) {
  }
}

void open(std::span<const std::uint8_t> bytes) {
  const openinfer::fuzz::MemoryFile file(bytes);
  for (const auto mode : {Reader::Mode::map, Reader::Mode::pread})
    for (const auto sections : {Reader::Sections::all, Reader::Sections::on_use}) {
      try {
        use(Reader::open(file.path(), mode, sections));
      } catch (const opnf::Error&) {
      }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  open({data, size});
  if (const auto bytes = openinfer::fuzz::repaired({data, size})) open(*bytes);
  return 0;
}
