// SPDX-License-Identifier: Apache-2.0
// An open package behind Model handles: the format's reader, and buffers for tensors that have no bytes in the mapping.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "formats/opnf/reader.h"
#include "openinfer/model.h"

namespace openinfer {

struct Model::Package {
  explicit Package(opnf::Reader opened) : reader(std::move(opened)) {}

  opnf::Reader reader;
  std::string path;
  /// Rows read whole: in pread mode all that were asked for, in map mode splats. Never shrinks while the package is
  /// open.
  mutable std::mutex mutex;
  mutable std::map<std::size_t, std::vector<std::byte>> buffers;
};

/// Runs f and turns the reader's errors into the library's, naming the file.
template <class F>
auto translated(const std::string& path, const F& f) -> decltype(f());
[[noreturn]] void rethrow(const opnf::Error& error, const std::string& path);

template <class F>
auto translated(const std::string& path, const F& f) -> decltype(f()) {
  try {
    return f();
  } catch (const opnf::Error& error) {
    rethrow(error, path);
  }
}

/// What to say behind `no tensor "Wq.30"`: "the family has 0..29" if it is one number off, else the nearest keys.
std::string hint_for_missing(const opnf::Reader& reader, std::string_view key);

}  // namespace openinfer
