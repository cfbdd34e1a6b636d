// SPDX-License-Identifier: Apache-2.0
// Reads OPNF packages (spec.md) in place: bytes -> tables. This header and reader.cpp are the whole reader; they need
// the C++20 standard library and POSIX, nothing else, because emitted programs carry a copy of both. Opening checks
// every structural rule of the format; nothing that it accepted can make an accessor leave the file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace opnf {

enum class Code { corrupt, io, not_found, unsupported, wrong_type, invalid_argument };

class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Code code() const { return code_; }

 private:
  Code code_;
};

/// XXH64, the format's checksum. Source: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
std::uint64_t xxh64(const void* data, std::size_t size, std::uint64_t seed = 0);
inline std::uint64_t xxh64(std::string_view text) { return xxh64(text.data(), text.size()); }

/// One row of the dtype table: `block_size` elements take `block_bytes` bytes; `bits` is an element's width, 0 if
/// mixed.
struct DTypeInfo {
  std::uint8_t code;
  std::string_view name;
  std::uint8_t bits;
  std::uint16_t block_size;
  std::uint16_t block_bytes;
};
std::span<const DTypeInfo> dtypes();
const DTypeInfo* find_dtype(std::uint8_t code);            // null if unknown
const DTypeInfo* find_dtype_named(std::string_view name);  // null if unknown

/// Stored bytes of a tensor, or nothing with the broken rule in `why`: a whole number of blocks, no overflow, layout
/// fits.
std::optional<std::uint64_t> stored_bytes(const DTypeInfo& dtype, std::span<const std::uint64_t> shape, bool transposed,
                                          std::uint8_t layout, const char*& why);

enum class Section : std::uint32_t { metadata = 1, dims, states, tokenizer, graph, tensors, keyhash, shards, data };
struct SectionEntry {
  std::uint32_t kind;
  std::uint32_t flags;  // bit 0: required
  std::uint64_t offset;
  std::uint64_t length;
  std::uint64_t checksum;
  std::uint32_t alignment;
  std::uint32_t zero;
};
/// "METADATA"; empty for an unknown kind.
std::string_view section_name(std::uint32_t kind);

inline constexpr std::uint8_t kString = 128;  // value type; the others are dtype codes
enum class Form : std::uint8_t { scalar, array, tensor };

/// Strings of an array value. Elements are checked when they are read.
class Strings {
 public:
  Strings() = default;
  Strings(std::span<const std::uint32_t> ends, std::string_view text) : ends_(ends), text_(text) {}
  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t i) const;

 private:
  std::span<const std::uint32_t> ends_;
  std::string_view text_;
};

/// A typed value: a view of the package.
struct Value {
  std::string_view key;
  std::uint8_t type = 0;  // a dtype code, or kString
  Form form = Form::scalar;
  std::uint64_t count = 0;
  std::span<const std::uint64_t> shape;  // of a tensor
  std::span<const std::byte> bytes;      // the elements; for strings the encoded form

  std::string type_name() const;  // "i64", "string[]", "f32 tensor"
  /// Errors of all: wrong_type, with the key and both types; corrupt for what only reading shows.
  std::string_view string() const;
  Strings strings() const;
  bool boolean() const;
  std::int64_t integer() const;  // any integer type that fits
  double number() const;         // any floating type
  /// The elements as they lie in the file; T must have the width of the type `code`.
  template <class T>
  std::span<const T> array(std::uint8_t code) const {
    expect(code, sizeof(T));
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

 private:
  void expect(std::uint8_t code, std::size_t width) const;
  [[noreturn]] void wrong(std::string_view wanted) const;
};

/// A section of sorted keys and typed values.
class Map {
 public:
  Map() = default;
  Map(std::string_view name, std::span<const std::byte> section);  // checks the structure; Error(corrupt)
  std::size_t size() const { return size_; }
  Value operator[](std::size_t i) const;
  std::optional<Value> find(std::string_view key) const;
  /// Errors: not_found.
  Value at(std::string_view key) const;

 private:
  std::string_view name_;
  std::span<const std::byte> bytes_;
  std::size_t size_ = 0;
};

enum class Kind : std::uint8_t { data, splat, alias };
enum class Layout : std::uint8_t { rows, panel16 };
enum class Granularity : std::uint8_t { tensor = 1, channel, group };

struct Quantisation {
  std::uint32_t scale;  // a row
  std::optional<std::uint32_t> zero_point;
  Granularity granularity;
  std::uint8_t axis;  // counts stored dimensions
  std::uint64_t group_size;
};

/// One row of the tensor index: views of the package.
struct Tensor {
  std::string_view key;
  const DTypeInfo* dtype;
  std::span<const std::uint64_t> shape;  // logical
  Kind kind;
  Layout layout;
  bool transposed;
  std::uint16_t shard;
  std::uint64_t offset;                // in its file
  std::uint64_t nbytes;                // stored; as if stored for a splat
  std::uint64_t checksum;              // of data rows
  std::uint32_t target;                // the row whose bytes these are: an alias's target, else the row itself
  std::span<const std::byte> pattern;  // of a splat: the block that repeats
};

class Reader {
 public:
  /// Both copy every section but the tensors' bytes, so that look-ups never touch the file again. map: tensors are used
  /// in place; bytes() and check_not_cut() notice a file that was cut, but one that shrinks while a view is being read
  /// is a SIGBUS, as of every mapped file. pread: tensors are read on request and nothing is mapped, so that a file
  /// that shrinks under us is always an Error.
  enum class Mode { map, pread };
  /// on_use: TOKENIZER and GRAPH behind the index are copied, and their checksums compared, when they are first asked
  /// for.
  enum class Sections { all, on_use };

  /// Errors: io (absent, a directory, unreadable), corrupt (what is wrong and where), unsupported (version, feature).
  static Reader open(const std::string& path, Mode mode = Mode::map, Sections sections = Sections::all);
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  std::size_t tensor_count() const;
  Tensor tensor(std::size_t row) const;
  std::optional<Quantisation> quantisation(std::size_t row) const;  // of an alias: its target's
  std::optional<std::size_t> find(std::string_view key) const;
  /// Stored bytes in place. Errors: unsupported in pread mode and for a splat; io if their file was cut meanwhile.
  std::span<const std::byte> bytes(std::size_t row) const;
  /// Errors: io if a mapped file became shorter since it was opened: before views that were taken earlier are used. One
  /// fstat for each file; in pread mode nothing, for nothing is mapped.
  void check_not_cut() const;
  /// Copies stored bytes [offset, offset + to.size()) without touching the mapping; works for every kind of row.
  void read_tensor(std::size_t row, std::uint64_t offset, std::span<std::byte> to) const;

  const Map& metadata() const;
  const Map& dims() const;
  const Map& states() const;
  /// With Sections::on_use, both: Errors as of open(). Several threads may ask.
  const Map& tokenizer() const;
  const Map& graphs() const;
  const Map& shards() const;

  std::span<const SectionEntry> sections() const;
  /// Compares the checksum of one section (not DATA). Errors: corrupt.
  void check_section(std::uint32_t kind) const;
  std::uint64_t fingerprint() const;
  std::uint32_t alignment() const;  // of tensors
  Mode mode() const;
  std::size_t file_count() const;  // 1 + shards
  std::uint64_t file_size(std::size_t file) const;
  const std::string& file_path(std::size_t file) const;
  /// Of that file, open as long as the reader: what its path names by then may be another one.
  int file_descriptor(std::size_t file) const;
  /// Raw bytes of the main file (0) or a shard. Errors: io.
  void read_file(std::size_t file, std::uint64_t offset, std::span<std::byte> to) const;

 private:
  struct Package;
  explicit Reader(std::unique_ptr<Package> package);
  const Map& asked_for(Section kind, Map& map) const;
  std::unique_ptr<Package> package_;
};

}  // namespace opnf
