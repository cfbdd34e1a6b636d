// SPDX-License-Identifier: Apache-2.0
// A package in memory that a test damages: finds sections, rows and entries, changes their bytes, renews the checksums
// so that only the damage is left to be found, and opens the result.
#pragma once

#include <cstring>
#include <string>

#include "formats/opnf/reader.h"
#include "formats/opnf/verify.h"
#include "tests/formats/opnf/describe.h"

namespace opnf::testing {

class Image {
 public:
  explicit Image(const std::string& name) : name_(name), bytes(read_file(golden(name))) {}

  template <class T>
  T get(std::size_t at) const {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  }
  template <class T>
  Image& set(std::size_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return *this;
  }
  std::size_t entry(Section kind) const {  // in the section table
    for (std::size_t at = 64;; at += 40)
      if (get<std::uint32_t>(at) == static_cast<std::uint32_t>(kind)) return at;
  }
  std::size_t section(Section kind) const { return get<std::uint64_t>(entry(kind) + 8); }
  std::size_t row(const std::string& key) const {
    const std::size_t base = section(Section::tensors), count = get<std::uint32_t>(base);
    const std::size_t keys = base + get<std::uint64_t>(entry(Section::tensors) + 16) - get<std::uint32_t>(base + 20);
    for (std::size_t i = 0; i < count; ++i)
      if (bytes.substr(keys + get<std::uint32_t>(base + 32 + 48 * i), get<std::uint8_t>(base + 36 + 48 * i)) == key)
        return base + 32 + 48 * i;
    throw std::logic_error("no row " + key);
  }
  std::size_t dims(const std::string& key) const {
    const std::size_t base = section(Section::tensors);
    return base + 32 + 48 * get<std::uint32_t>(base) + 8 * get<std::uint32_t>(row(key) + 8);
  }
  std::size_t quant(const std::string& key) const {
    const std::size_t base = section(Section::tensors);
    return base + 32 + 48 * get<std::uint32_t>(base) + 8 * get<std::uint32_t>(base + 8) +
           24 * (get<std::uint32_t>(row(key) + 44) - 1);
  }
  std::size_t map_entry(Section kind, const std::string& key) const {
    const std::size_t base = section(kind);
    for (std::size_t i = 0; i < get<std::uint32_t>(base); ++i) {
      const std::size_t at = base + 8 + 32 * i;
      if (bytes.substr(base + get<std::uint32_t>(at), get<std::uint8_t>(at + 4)) == key) return at;
    }
    throw std::logic_error("no entry " + key);
  }
  std::size_t value(Section kind, const std::string& key) const {
    return section(kind) + get<std::uint64_t>(map_entry(kind, key) + 8);
  }

  Image& reseal() {
    const std::size_t index_end = get<std::uint64_t>(48);
    if (index_end >= 64 && index_end <= bytes.size())
      set(56, xxh64(bytes.data() + 64, index_end - 64, xxh64(bytes.data(), 56)));
    return *this;
  }
  /// What opening says, the same in both modes, and where sections are read on use and asked for; "" if it opens.
  std::string open_error() const {
    TemporaryFolder folder;
    for (const std::string& shard : kGoldenShards) write_file(folder.file(shard), read_file(golden(shard)));
    const std::string path = folder.file(name_);
    write_file(path, bytes);
    const std::string mapped = message([&] { Reader::open(path, Reader::Mode::map); }, path);
    const std::string read = message([&] { Reader::open(path, Reader::Mode::pread); }, path);
    const auto on_use = [&] {
      const Reader lazy = Reader::open(path, Reader::Mode::pread, Reader::Sections::on_use);
      lazy.tokenizer(), lazy.graphs();
    };
    const std::string asked = message(on_use, path);
    if (mapped != read || mapped != asked)
      throw std::logic_error("not the same everywhere: " + mapped + " / " + read + " / " + asked);
    return mapped;
  }
  std::string sealed_error() { return reseal().open_error(); }
  std::string verify_error() {
    reseal();
    TemporaryFolder folder;
    const std::string path = folder.file(name_);
    write_file(path, bytes);
    const Reader reader = Reader::open(path);
    return message([&] { verify(reader); }, path);
  }

 private:
  template <class F>
  static std::string message(F&& f, const std::string& path) {
    try {
      f();
    } catch (const Error& e) {
      const std::string text = e.what();
      return text.starts_with(path + ": ") ? text.substr(path.size() + 2) : "(no path) " + text;
    }
    return "";
  }
  std::string name_;

 public:
  std::string bytes;
};

}  // namespace opnf::testing
