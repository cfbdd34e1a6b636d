// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/state_file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "formats/opnf/atomic_file.h"
#include "formats/opnf/reader.h"
#include "formats/opnf/xxh64_stream.h"
#include "lib/base/fail.h"
#include "lib/base/input_file.h"
#include "lib/graph/print.h"

namespace openinfer {
namespace {

constexpr std::string_view kMagic = "OISTATE\n";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 64, kHashedBytes = 48;
constexpr std::size_t kCapacity = 3;  // which extent of (layers, slots, heads, capacity, head_dim)

template <class T>
std::span<const std::byte, sizeof(T)> bytes_of(const T& number) {
  return std::as_bytes(std::span<const T, 1>(&number, 1));
}

/// A cache's tensor as rows, one for each layer, slot and head.
struct Rows {
  explicit Rows(const Tensor& cache)
      : position_bytes(static_cast<std::size_t>(size_bytes(cache.dtype(), cache.shape()[4]))),
        capacity(static_cast<std::size_t>(cache.shape()[kCapacity])),
        count(row_bytes() == 0 ? 0 : cache.bytes().size() / row_bytes()) {}
  std::size_t row_bytes() const { return capacity * position_bytes; }

  std::size_t position_bytes, capacity, count;
};

bool all_zero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

/// Positions up to the last one that holds anything.
std::size_t used_positions(const Tensor& cache) {
  const Rows rows(cache);
  std::size_t used = 0;
  for (std::size_t r = 0; r < rows.count; ++r) {
    const auto row = cache.bytes().subspan(r * rows.row_bytes(), rows.row_bytes());
    std::size_t end = rows.capacity;
    while (end > used && all_zero(row.subspan((end - 1) * rows.position_bytes, rows.position_bytes))) --end;
    used = std::max(used, end);
  }
  return used;
}

bool is_cache(const GraphData& g, std::size_t state) { return g.states[state].spec.kind == StateSpec::Kind::kv_cache; }

/// Writes and counts what stands behind the header.
class Sink {
 public:
  explicit Sink(const std::string& path) : file_(path) { file_.write(std::array<std::byte, kHeaderBytes>{}); }

  void put(std::span<const std::byte> bytes) {
    file_.write(bytes);
    hash_.update(bytes);
    size_ += bytes.size();
  }
  template <class T>
  void number(T value) {
    put(bytes_of(value));
  }
  void text(std::string_view text) { put(std::as_bytes(std::span(text))); }

  void finish(const StateOwner& owner) {
    std::array<std::byte, kHeaderBytes> header{};
    std::size_t at = 0;
    const auto add = [&](std::span<const std::byte> bytes) {
      std::memcpy(&header[at], bytes.data(), bytes.size());
      at += bytes.size();
    };
    add(std::as_bytes(std::span(kMagic)));
    add(bytes_of(std::uint64_t{kVersion}));
    for (const std::uint64_t number : {owner.package, owner.graph, size_, hash_.digest()}) add(bytes_of(number));
    add(bytes_of(opnf::xxh64(header.data(), kHashedBytes)));
    file_.write_at(0, header);
    file_.finish();
    file_.commit();
  }

 private:
  opnf::AtomicFile file_;
  opnf::Xxh64Stream hash_;
  std::uint64_t size_ = 0;
};

void put_type(Sink& sink, DType dtype, const Extents& shape) {
  sink.number(static_cast<std::uint32_t>(dtype));
  sink.number(static_cast<std::uint32_t>(shape.size()));
  for (const std::int64_t extent : shape) sink.number(extent);
}

void put_tensor(Sink& sink, const Tensor& tensor) {
  put_type(sink, tensor.dtype(), tensor.shape());
  sink.put(tensor.bytes());
}

void put_cache(Sink& sink, const Tensor& cache) {
  const std::size_t used = used_positions(cache);
  Extents shape = cache.shape();
  shape[kCapacity] = static_cast<std::int64_t>(used);
  put_type(sink, cache.dtype(), shape);
  const Rows rows(cache);
  for (std::size_t r = 0; r < rows.count; ++r)
    sink.put(cache.bytes().subspan(r * rows.row_bytes(), used * rows.position_bytes));
}

/// Behind a symbolic link the file is replaced, not the link.
std::string resolved(const std::string& path) {
  std::error_code ignored;
  const auto real = std::filesystem::canonical(path, ignored);
  return ignored ? path : real.string();
}

[[noreturn]] void cannot_read(const std::string& path, std::string_view why) {
  fail(ErrorCode::io_error, "[state] {}: {}", path, why);
}

std::vector<std::byte> read_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) fail(ErrorCode::io_error, "[state] {}: is a directory", path);
  std::string why;
  const InputFile file = open_input(path, why);
  if (!file) cannot_read(path, why);
  std::vector<std::byte> bytes;
  std::vector<std::byte> part(std::size_t{1} << 20);
  while (const auto count = std::fread(part.data(), 1, part.size(), file.get())) {
    // Of something that is no such file, and may have no end, the header is enough.
    if (bytes.empty() && std::memcmp(part.data(), kMagic.data(), std::min(count, kMagic.size())) != 0)
      fail(ErrorCode::corrupt_package, "[state] {} is no saved state of a session", path);
    bytes.insert(bytes.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(count));
  }
  if (std::ferror(file.get())) cannot_read(path, std::strerror(errno));
  return bytes;
}

[[noreturn]] void damaged(const std::string& path, std::string_view what) {
  fail(ErrorCode::corrupt_package, "[state] {} is damaged: {}", path, what);
}

/// Takes what stands behind the header apart. Checksums do not keep out what was made to harm.
class Source {
 public:
  Source(std::span<const std::byte> left, const std::string& path) : left_(left), path_(path) {}

  std::span<const std::byte> take(std::uint64_t size) {
    if (size > left_.size()) damaged(path_, "a part is longer than the file");
    const auto taken = left_.first(static_cast<std::size_t>(size));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  template <class T>
  T number() {
    T value{};
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text(std::uint64_t size) {
    const auto bytes = take(size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void end() const {
    if (!left_.empty()) damaged(path_, "something stands behind its end");
  }
  const std::string& path() const { return path_; }

 private:
  std::span<const std::byte> left_;
  const std::string& path_;
};

Tensor read_tensor(Source& source) {
  const auto code = source.number<std::uint32_t>(), rank = source.number<std::uint32_t>();
  const auto* dtype = code <= 255 ? opnf::find_dtype(static_cast<std::uint8_t>(code)) : nullptr;
  if (!dtype || dtype->block_size != 1) damaged(source.path(), "a state has an unknown dtype");
  Extents shape;
  for (std::uint32_t i = 0; i < rank; ++i) shape.push_back(source.number<std::int64_t>());
  const auto size = openinfer::size_bytes(static_cast<DType>(code), element_count(shape));
  const auto from = source.take(static_cast<std::uint64_t>(size));  // first: a wrong shape takes no memory
  Tensor tensor(static_cast<DType>(code), std::move(shape), Location{});
  if (!from.empty()) std::memcpy(tensor.mutable_bytes().data(), from.data(), from.size());
  return tensor;
}

void read_states(Source source, StateFile& file) try {
  const auto states = source.number<std::uint32_t>();
  for (std::uint32_t s = 0; s < states; ++s) {
    StateSnapshot::Entry entry{source.text(source.number<std::uint32_t>()), {}};
    const auto tensors = source.number<std::uint32_t>();
    for (std::uint32_t t = 0; t < tensors; ++t) entry.tensors.push_back(read_tensor(source));
    file.states.states.push_back(std::move(entry));
  }
  file.note = source.text(source.number<std::uint64_t>());
  source.end();
} catch (const Error& error) {  // a shape that no tensor has
  if (error.code() == ErrorCode::corrupt_package) throw;
  damaged(source.path(), error.message());
}

std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint64_t value = 0;
  std::memcpy(&value, &bytes[at], sizeof value);
  return value;
}

void check_header(const std::string& path, std::span<const std::byte> file) {
  if (file.size() < kHeaderBytes)
    fail(ErrorCode::corrupt_package, "[state] {} is cut: it has {} bytes", path, file.size());
  if (const auto version = number_at(file, 8); version != kVersion)
    fail(ErrorCode::unsupported, "[state] {} is of version {}, and this program reads version {}: save it again", path,
         version, kVersion);
  if (number_at(file, kHashedBytes) != opnf::xxh64(file.data(), kHashedBytes))
    damaged(path, "its header's checksum differs");
  const auto wanted = number_at(file, 32), there = std::uint64_t{file.size() - kHeaderBytes};
  if (there < wanted)
    fail(ErrorCode::corrupt_package, "[state] {} is cut: {} bytes of {} are there", path, file.size(),
         wanted + kHeaderBytes);
  if (there > wanted) damaged(path, "something stands behind its end");
  if (number_at(file, 40) != opnf::xxh64(file.data() + kHeaderBytes, wanted)) damaged(path, "its checksum differs");
}

/// The cache with room for `capacity` positions.
Tensor resized(const Tensor& cache, Extents shape) {
  Tensor result(cache.dtype(), std::move(shape), Location{});
  const Rows from(cache), to(result);
  const auto bytes = result.mutable_bytes();
  for (std::size_t r = 0; r < from.count; ++r)
    std::memcpy(&bytes[r * to.row_bytes()], &cache.bytes()[r * from.row_bytes()], from.row_bytes());
  return result;
}

/// Caches of this shape but for their capacity, which `own` decides; others are what restoring refuses.
Tensor fitted(const std::string& path, std::string_view state, const Tensor& cache, const Extents& own) {
  Extents cut = own;
  if (cache.shape().size() == own.size()) cut[kCapacity] = cache.shape()[kCapacity];
  if (cache.shape() != cut) return cache;
  if (cut[kCapacity] > own[kCapacity])
    fail(ErrorCode::invalid_argument, "[state] {} holds {} positions of ${}, and this session has room for {}", path,
         cut[kCapacity], state, own[kCapacity]);
  return resized(cache, own);
}

}  // namespace

StateOwner state_owner(const std::optional<Model>& model, const GraphData& g) {
  GraphData placeless = g;
  for (Node& node : placeless.nodes) node.at = {};
  return {model ? model->fingerprint() : 0, opnf::xxh64(to_text(placeless))};
}

void check_owner(const std::string& path, const StateOwner& its, const StateOwner& ours) {
  if (its.package != ours.package)
    fail(ErrorCode::invalid_argument,
         "[state] {} was saved with another package: fingerprint {:016x}, and this one's is {:016x}", path, its.package,
         ours.package);
  if (its.graph != ours.graph)
    fail(ErrorCode::invalid_argument,
         "[state] {} was saved by another graph, or one with caches of another dtype: fingerprint {:016x}, and this "
         "one's is {:016x}",
         path, its.graph, ours.graph);
}

void write_state_file(const std::string& path, const StateOwner& owner, const GraphData& g,
                      const StateSnapshot& snapshot, std::string_view note) try {
  Sink sink(resolved(path));
  sink.number(static_cast<std::uint32_t>(snapshot.states.size()));
  for (std::size_t s = 0; s < snapshot.states.size(); ++s) {
    const auto& [name, tensors] = snapshot.states[s];
    sink.number(static_cast<std::uint32_t>(name.size()));
    sink.text(name);
    sink.number(static_cast<std::uint32_t>(tensors.size()));
    for (const Tensor& tensor : tensors) is_cache(g, s) ? put_cache(sink, tensor) : put_tensor(sink, tensor);
  }
  sink.number(std::uint64_t{note.size()});
  sink.text(note);
  sink.finish(owner);
} catch (const opnf::Error& error) {
  fail(ErrorCode::io_error, "[state] {}", error.what());
}

StateFile read_state_file(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  check_header(path, bytes);
  StateFile file{{number_at(bytes, 16), number_at(bytes, 24)}, {}, {}};
  read_states(Source(std::span(bytes).subspan(kHeaderBytes), path), file);
  return file;
}

StateSnapshot fit_states(const std::string& path, const StateFile& file, const GraphData& g, const StateSnapshot& own) {
  StateSnapshot states = file.states;
  for (std::size_t s = 0; s < std::min(states.states.size(), own.states.size()); ++s) {
    const auto& sized = own.states[s].tensors;
    auto& tensors = states.states[s].tensors;
    for (std::size_t i = 0; is_cache(g, s) && i < std::min(sized.size(), tensors.size()); ++i)
      tensors[i] = fitted(path, own.states[s].name, tensors[i], sized[i].shape());
  }
  return states;
}

}  // namespace openinfer
