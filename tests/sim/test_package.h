// SPDX-License-Identifier: Apache-2.0
// Packages that a test writes and that vanish with it.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "formats/opnf/writer.h"
#include "openinfer/model.h"

namespace sim_test {

class TestPackage {
 public:
  explicit TestPackage(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / (name + "." + std::to_string(::getpid()) + ".oinf")),
        writer_(path_.string()) {}
  ~TestPackage() { std::filesystem::remove(path_); }
  TestPackage(const TestPackage&) = delete;
  TestPackage& operator=(const TestPackage&) = delete;

  opnf::Writer& writer() { return writer_; }
  /// Stored order: of a transposed tensor the last two dimensions of `shape`, which is logical, are swapped.
  template <class T>
  void add(const std::string& key, std::vector<std::uint64_t> shape, const std::vector<T>& values,
           bool transposed = false) {
    opnf::TensorSpec spec;
    spec.key = key;
    spec.dtype = std::string(openinfer::name(openinfer::dtype_of<T>()));
    spec.shape = std::move(shape);
    spec.transposed = transposed;
    writer_.tensor(std::move(spec), std::as_bytes(std::span(values)));
  }
  openinfer::Model open(openinfer::Model::ReadMode mode = openinfer::Model::ReadMode::map) {
    if (!std::exchange(written_, true)) writer_.write();
    return openinfer::ModelLoader::open(path_.string(), mode);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  opnf::Writer writer_;
  bool written_ = false;
};

}  // namespace sim_test
