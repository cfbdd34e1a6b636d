// SPDX-License-Identifier: Apache-2.0
// What a Model shares: the open reader, and the copies of tensors that have no bytes in place.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "formats/opnf/reader.h"
#include "lib/base/fail.h"
#include "openinfer/model.h"

namespace openinfer {

struct Model::Package {
  Package(const std::string& path, ReadMode mode);

  std::size_t row(Key key) const;  // errors: not_found with suggestions
  const opnf::Map& checked_tokenizer() const;
  const opnf::Map& checked_graphs() const;
  std::span<const std::byte> copied_bytes(std::size_t row) const;
  std::shared_ptr<const void> shared(const std::string& name,
                                     const std::function<std::shared_ptr<const void>()>& make) const;

  std::string path;
  opnf::Reader reader;

 private:
  // Sections outside the index have a checksum of their own, compared once at first use.
  // Not by std::call_once: what throws out of that leaves it locked where pthread_once knows of no exceptions, as
  // ThreadSanitizer's does.
  void check_once(opnf::Section section, bool& checked) const;
  mutable std::mutex sections_mutex_;
  mutable bool tokenizer_checked_ = false, graphs_checked_ = false;
  mutable std::mutex copies_mutex_;
  mutable std::map<std::size_t, std::unique_ptr<std::byte[]>> copies_;
  mutable std::mutex shared_mutex_;
  mutable std::map<std::string, std::weak_ptr<const void>> shared_;
};

ErrorCode translate(opnf::Code code);

/// Calls f; an opnf::Error becomes an Error.
template <class F>
decltype(auto) translated(F&& f, Location at = {}) {
  try {
    return f();
  } catch (const opnf::Error& e) {
    fail_at(at, translate(e.code()), "[model] {}", e.what());
  }
}

}  // namespace openinfer
