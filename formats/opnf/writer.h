// SPDX-License-Identifier: Apache-2.0
// Writes OPNF packages (spec.md): describe everything, then write() streams the tensors. The same contents give the
// same bytes, whatever the order of the calls, and the same as scripts/opnf.py. Errors: opnf::Error.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/opnf/reader.h"

namespace opnf {

/// A typed value in its stored form. Build one with the functions below.
struct EncodedValue {
  std::uint8_t type = 0;
  Form form = Form::scalar;
  std::uint8_t rank = 0;
  std::uint64_t count = 0;
  std::string bytes;
};
EncodedValue encode(std::string_view text);
EncodedValue encode(std::span<const std::string> texts);
/// `elements` hold count elements of the dtype; its code says which.
EncodedValue encode_array(std::string_view dtype, std::uint64_t count, std::span<const std::byte> elements);
EncodedValue encode_tensor(std::string_view dtype, std::span<const std::uint64_t> shape,
                           std::span<const std::byte> elements);
EncodedValue encode_scalar(std::string_view dtype, std::span<const std::byte> element);
EncodedValue encode(const Value& value);  // as another package holds it
inline EncodedValue encode(const char* text) { return encode(std::string_view(text)); }
inline EncodedValue encode(const std::string& text) { return encode(std::string_view(text)); }
template <class T>
requires(std::integral<T> || std::same_as<T, double>) EncodedValue
    encode(T value) {  // bool, i64 or f64: the defaults of the conventions
  if constexpr (std::same_as<T, bool> || std::same_as<T, double>) {
    return encode_scalar(std::same_as<T, bool> ? "bool" : "f64", std::as_bytes(std::span(&value, 1)));
  } else {
    const std::int64_t wide = value;
    return encode_scalar("i64", std::as_bytes(std::span(&wide, 1)));
  }
}

/// Affine quantisation by the names of other tensors. `axis` counts stored dimensions.
struct QuantisationSpec {
  std::string scale;
  std::string zero_point;  // empty: none
  Granularity granularity = Granularity::tensor;
  std::uint8_t axis = 0;
  std::uint64_t group_size = 0;
};

struct TensorSpec {
  std::string key;
  std::string dtype = "f32";
  std::vector<std::uint64_t> shape;  // logical
  bool transposed = false;
  Layout layout = Layout::rows;
  std::optional<QuantisationSpec> quantisation;
};

class OutputFile;

class Writer {
 public:
  struct Options {
    std::uint32_t alignment = 256;  // of tensors: a power of two, 64 … 2^20
    std::uint64_t shard_size = 0;   // bytes of a shard file; 0: everything in one file
  };
  using Sink = std::function<void(std::span<const std::byte>)>;
  using Source = std::function<void(const Sink&)>;       // gives the stored bytes, in any pieces
  using Size = std::variant<std::int64_t, std::string>;  // a number or the name of a dimension
  using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

  explicit Writer(std::string path) : Writer(std::move(path), Options{}) {}
  Writer(std::string path, Options options);

  /// section: metadata, tokenizer or graph (then value is the text). Errors: invalid_argument for keys that occur or
  /// are malformed.
  void put(Section section, const std::string& key, EncodedValue value);
  template <class T>
  void meta(const std::string& key, const T& value) {
    put(Section::metadata, key, encode(value));
  }
  void graph(const std::string& name, std::string_view text) { put(Section::graph, name, encode(text)); }
  void dim(const std::string& name, std::int64_t min, std::int64_t max);
  /// sizes: layers, slots, heads, capacity, head_dim.
  void kv_cache(const std::string& name, std::string_view dtype, const std::array<Size, 5>& sizes);
  void tensor_state(const std::string& name, std::string_view dtype, std::span<const Size> sizes);

  void tensor(TensorSpec spec, Source source);
  /// The whole tensor at once: copied.
  void tensor(TensorSpec spec, std::span<const std::byte> bytes);
  /// block: the bytes of one block (one element of a plain dtype), repeated.
  void splat(TensorSpec spec, std::span<const std::byte> block);
  /// The bytes of `target` under another name; shape and transposed default to the target's.
  void alias(const std::string& key, const std::string& target, std::optional<std::vector<std::uint64_t>> shape = {},
             std::optional<bool> transposed = {});

  /// Takes over everything that `package` holds; it must stay open until write() is done. With erase() and put() before
  /// write(), this is how a package is changed. `layout`: what tensors get that can have it; others keep rows. Errors,
  /// of sections here and of tensors in write(): corrupt where a checksum differs, for the new ones would hide it.
  void copy(const Reader& package, std::optional<Layout> layout = {});
  void erase(Section section, const std::string& key);

  /// Streams every tensor in key order. The old package is there
  /// until the new one is whole. Errors: io, invalid_argument, what a
  /// Source throws.
  void write(const Progress& progress = {});

  struct Row {
    TensorSpec spec;
    Kind kind = Kind::data;
    Source source;
    std::vector<std::byte> block;  // of a splat
    std::string target;            // of an alias
    bool own_shape = true;         // false: the alias takes its target's
    std::optional<bool> own_transposed;
    std::uint64_t nbytes = 0, offset = 0, checksum = 0;
    std::uint16_t shard = 0;
  };
  using Rows = std::map<std::string, Row>;
  using Values = std::map<std::string, EncodedValue>;

 private:
  void state(const std::string& name, std::string_view dtype, std::string_view layout, std::span<const Size> sizes);
  void add(Row row);
  void resolve_alias(Row& row);
  void check_quantisation(const Row& row) const;
  void check_scale(const Row& row, const std::string& name, bool floating, std::span<const std::uint64_t> wanted) const;
  std::vector<std::uint64_t> lay_out(std::uint64_t start);
  std::string manifest(std::span<const std::uint64_t> sizes, std::span<const std::uint64_t> hashes) const;
  std::string stem() const;
  std::string shard_name(std::size_t number, std::uint64_t hash) const;
  std::vector<std::string> old_shards() const;
  void resolve();
  void stream_tensors(std::span<OutputFile* const> files, const Progress& progress);
  void commit(std::span<OutputFile* const> files, std::span<const std::uint64_t> hashes);

  std::string path_;
  Options options_;
  std::map<Section, Values> maps_;
  Rows rows_;
  std::vector<std::pair<std::string, std::string>> dims_of_states_;  // (state, dimension) to be declared by the end
};

}  // namespace opnf
