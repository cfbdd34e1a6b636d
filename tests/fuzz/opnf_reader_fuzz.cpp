// SPDX-License-Identifier: Apache-2.0
// Any bytes as a package: it opens or is an opnf::Error, and then no accessor fails in any other way. The input is
// tried as it is and with its file size and checksum put right, so that the fuzzer gets past them.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "formats/opnf/reader.h"
#include "formats/opnf/verify.h"

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

void open(const std::vector<std::uint8_t>& bytes) {
  const int fd = ::memfd_create("package", 0);
  if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  for (const auto mode : {Reader::Mode::map, Reader::Mode::pread}) {
    try {
      use(Reader::open("/proc/self/fd/" + std::to_string(fd), mode));
    } catch (const opnf::Error&) {
    }
  }
  ::close(fd);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  open(bytes);
  if (size < 64) return 0;
  const std::uint64_t file_size = size;
  std::uint64_t index_end = 0;
  std::memcpy(&index_end, bytes.data() + 48, 8);
  if (index_end < 64 || index_end > size) return 0;
  std::memcpy(bytes.data() + 24, &file_size, 8);
  const std::uint64_t sum = opnf::xxh64(bytes.data() + 64, index_end - 64, opnf::xxh64(bytes.data(), 56));
  std::memcpy(bytes.data() + 56, &sum, 8);
  open(bytes);
  return 0;
}
