// SPDX-License-Identifier: Apache-2.0
// The model package as a user sees it: tensors by key, typed metadata, named dimensions, state specs, tokenizer data.
// Opening maps the file and reads its index; no tensor byte is read until somebody asks for it.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openinfer/dim.h"
#include "openinfer/error.h"
#include "openinfer/index.h"
#include "openinfer/location.h"
#include "openinfer/state.h"
#include "openinfer/tensor.h"

namespace openinfer {

class Model;

/// A tensor of the package named in a graph: `model["Wq.0"]` or `model("Wq.{}", l)`. Names only; reads nothing.
/// Operators take it as an operand; GraphBuilder::value turns it into a Value.
struct Weight {
  std::shared_ptr<const Model> model;
  std::string pattern;  // "Wq.{}": one {} for each index
  std::vector<Index> indices;
  Location at;
};

/// Affine quantisation of an integer tensor: value = (q − zero) · scale.
struct Quantisation {
  std::string_view scale, zero;  // keys; zero may be empty
  std::int64_t axis = 0;         // of the stored dimensions
  std::int64_t group = 0;        // neighbours along the axis that share a scale; 0: per index along it, or for all
};

/// What the index of the package says of one tensor.
struct TensorInfo {
  std::string_view key;
  DType dtype = DType::f32;
  Extents shape;              // logical
  bool transposed = false;    // the last two dimensions are stored swapped
  std::string_view layout;    // "rows" or "panel16"
  std::string_view alias_of;  // empty, or the key whose bytes these are
  bool splat = false;         // one value repeated; has no bytes of its own
  std::uint64_t size_bytes = 0;
  std::uint64_t offset = 0;  // within its file
  std::uint32_t shard = 0;   // 0 is the main file
  std::optional<Quantisation> quantisation = {};
};

struct MetaEntry {
  std::string_view key;
  std::string type;   // "i64", "string", "f32[]"
  std::string value;  // printed; long arrays and strings are cut with their length
};

struct SectionInfo {
  std::string_view kind;
  std::string_view name;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
};

/// A cheap handle; copies share one open package, which is immutable and may be used from any thread. Views that
/// accessors return (keys, names, bytes) live as long as some handle of the package.
/// Errors of the accessors: not_found with the nearest key; dtype_mismatch for metadata of another type.
class Model {
 public:
  /// map: tensors are used in place. A file that somebody makes shorter meanwhile is an Error (io_error) of the next
  /// step or look-up; at the very moment when a page of it is read it is the signal SIGBUS, as of every mapped file
  /// (the command, and emitted ones, then say so and end with 1). pread: tensor bytes are read into memory and never
  /// mapped, so that it is an Error at any moment: for programs that must outlive what others do to their files.
  enum class ReadMode { map, pread };

  struct Key {
    template <class S>
    requires std::convertible_to<S, std::string_view> Key(const S& text, At at = {}) : text(text), at(at) {}
    std::string_view text;
    Location at;
  };
  /// The tensor of that key. Errors: not_found, with the nearest keys and the user's line.
  Weight operator[](Key key) const;
  /// The family of tensors whose keys `pattern` makes; each {} takes one index.
  /// A loop's index is resolved, and every member checked, when an operator takes the weight.
  template <class... Indices>
  Weight operator()(Key pattern, const Indices&... indices) const {
    return family(pattern, {Index(indices)...});
  }

  /// Metadata: T is bool, std::int64_t, double, std::string or a vector of one of them. Integers and floats widen;
  /// nothing narrows. Errors: not_found, dtype_mismatch.
  template <class T>
  T meta(Key key) const {
    if (auto found = find_meta<T>(key)) return *std::move(found);
    no_meta(key);
  }
  template <class T>
  std::optional<T> find_meta(Key key) const;
  /// The same for the tokenizer's section.
  template <class T>
  std::optional<T> find_tokenizer(Key key) const;
  bool has_tokenizer() const;

  bool contains(std::string_view key) const;
  TensorInfo tensor(Key key) const;
  std::size_t tensor_count() const;
  std::vector<TensorInfo> tensors() const;  // sorted by key
  std::vector<MetaEntry> metadata() const;
  std::vector<MetaEntry> tokenizer_metadata() const;
  std::vector<SectionInfo> sections() const;

  struct NamedDim {
    std::string_view name;
    std::int64_t min = 0;
    std::int64_t max = 0;  // min == max: a fixed value
  };
  std::vector<NamedDim> dims() const;
  std::optional<NamedDim> find_dim(std::string_view name) const;

  std::vector<std::string_view> state_names() const;
  /// The spec that the package gives for that state; sizes named after a dimension are Dim symbols (numbers if it is
  /// fixed).
  StateSpec state_spec(Key name) const;

  /// Graph texts that the package carries: (name, .oig text).
  std::vector<std::pair<std::string_view, std::string_view>> graphs() const;

  /// The tensor's stored bytes. In map mode a view of the mapping; in pread mode, or for a splat, of a buffer that is
  /// filled at the first call and kept. Errors: io_error if the file was cut after it was opened.
  std::span<const std::byte> bytes(std::string_view key) const;
  /// Copies stored bytes [offset, offset + to.size()) of the tensor with pread, touching no mapped page.
  void read(std::string_view key, std::uint64_t offset, std::span<std::byte> to) const;
  /// Errors: io_error if the file was cut since it was opened. Costs an fstat; in pread mode nothing can be cut away.
  void check_not_cut() const;
  /// Compares every checksum; the first difference is an Error(corrupt_package).
  void verify() const;
  const std::string& path() const;
  /// Is that file, by whatever name, the package or one of its shards?
  bool is_file_of(const std::string& path) const;
  /// XXH64 of header and index: what an emitted program is bound to.
  std::uint64_t fingerprint() const;
  /// What is made of this package once for all who hold it at the same time, by name: weights in another layout, for
  /// example. `make` runs if nobody holds it; who asks meanwhile, for whatever name, waits: so `make` may not ask for
  /// something shared of the same package, which would wait for itself. What it throws comes out.
  std::shared_ptr<const void> shared(const std::string& name,
                                     const std::function<std::shared_ptr<const void>()>& make) const;
  /// Two handles of the same open package.
  bool operator==(const Model& other) const { return package_ == other.package_; }

  struct Package;  // lib/package
  explicit Model(std::shared_ptr<const Package> package) : package_(std::move(package)) {}
  /// What copies share, for the library's other parts.
  const Package& package() const { return *package_; }

 private:
  Weight family(Key pattern, std::vector<Index> indices) const;
  [[noreturn]] void no_meta(Key key) const;

  std::shared_ptr<const Package> package_;
};

struct ModelLoader {
  /// Opens a package. Errors: io_error (no such file, a directory, no permission), corrupt_package (with what is
  /// wrong and at which byte), unsupported (a newer version or a required feature).
  static Model open(const std::string& path, Model::ReadMode mode = Model::ReadMode::map);
};

}  // namespace openinfer
