// What every compiled model does alike, whatever its steps: the package is checked, memory is taken, a step's inputs
// are checked. model.cpp derives from Program and adds the steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model.h"
#include "reader.h"
#include "thread_pool.h"

namespace MODEL_NAME {

/// A tensor of the package, or one for each number that takes the place of {}: "Wq.{}".
struct Family {
  struct Range {
    std::int64_t from, to;
  };
  std::string_view key;
  std::vector<Range> ranges;         // of each {}
  std::vector<std::uint64_t> shape;  // logical
  bool transposed;                   // its last two dimensions are stored swapped
  std::vector<std::string_view> dtypes;
  std::string_view dtype_of;  // which of them each member has, a letter from 'a' on; empty: all the first
  bool looked_up = false;     // a step reads a few rows of it
};

/// An input whose elements say where something lies.
struct IndexInput {
  std::size_t input;
  Dim below;              // each is in [0, below)
  std::string_view what;  // "the 49152 rows of tok_embeddings"
};

struct Description {
  std::string_view device;
  std::vector<std::string_view> features;  // instruction sets that the kernels use
  std::uint64_t metadata_checksum;         // of the package: numbers of it are compiled in
  std::vector<std::string_view> symbols;
  std::vector<std::size_t> state_symbols;  // have one value from open() on
  std::vector<Entry> entries;
  std::vector<Tensor> inputs, outputs;
  std::vector<IndexInput> index_inputs;
  std::vector<Family> families;
  std::int64_t arena_bytes;
  Cache cache;
};

/// Pages that are zero until they are written.
class Memory {
 public:
  explicit Memory(std::int64_t size_bytes);
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&&) = delete;
  ~Memory();
  std::byte* data() const { return data_; }
  std::int64_t size_bytes() const { return size_bytes_; }
  void clear();

 private:
  std::byte* data_ = nullptr;
  std::int64_t size_bytes_ = 0;
};

class Program {
 public:
  Program(const Description& description, const std::string& package, const Options& options);
  virtual ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  const Description& description() const { return description_; }
  std::size_t entry_number(std::string_view name) const;
  /// Puts a step's inputs into the model's order, tells from their shapes what each symbol is, and checks all of it.
  void bind(std::size_t entry, std::span<const Input> inputs, std::span<const Input*> in,
            std::span<std::int64_t> now) const;
  void run_step(std::size_t entry, std::span<const Input> inputs, std::span<const Output> outputs);
  void reset();
  Stats stats() const;
  std::int64_t opened(std::size_t symbol) const { return opened_[symbol]; }

 protected:
  /// The steps of an entry; inputs and outputs in the model's order.
  virtual void run(std::size_t entry, const Input* const* in, void* const* out) = 0;

  /// Pointers to the members of a family, last {} fastest, where they lie in the package.
  template <class T, std::size_t count>
  void place(std::size_t family, const T* (&members)[count]) {
    for (std::size_t i = 0; i < count; ++i) members[i] = static_cast<const T*>(tensors_[family][i]);
  }
  template <class T>
  void place(std::size_t family, const T*& tensor) {
    tensor = static_cast<const T*>(tensors_[family][0]);
  }
  template <class T>
  T* new_state(std::int64_t count) {
    return reinterpret_cast<T*>(take_state(count * static_cast<std::int64_t>(sizeof(T))));
  }
  /// A place in the arena.
  template <class T>
  T* scratch(std::int64_t offset_bytes) const {
    return reinterpret_cast<T*>(arena_.data() + offset_bytes);
  }

  std::vector<std::int64_t> sizes;  // of the symbols, in this step
  ThreadPool pool;

 private:
  void check_machine() const;
  void open_sizes(const Options& options);
  void check_package(const std::string& path);
  void check_member(const Family& family, std::size_t member, const std::string& key, const opnf::Tensor& there) const;
  const void* bytes_of(std::size_t row);
  void order(std::span<const Input> inputs, std::span<const Input*> in) const;
  void check_shape(const Input& input, const Tensor& wanted, std::span<const std::int64_t> now) const;
  void check_index(const IndexInput& index, const Input& input, std::span<const std::int64_t> now) const;
  void place_outputs(std::span<const Output> outputs);
  std::byte* take_state(std::int64_t size_bytes);  // zero

  const Description& description_;
  opnf::Reader package_;
  std::vector<std::vector<const void*>> tensors_;  // by family and member
  std::vector<Memory> filled_;                     // tensors that the package does not hold byte by byte
  std::vector<Memory> states_;
  std::vector<std::int64_t> opened_;  // sizes of the symbols that states have
  std::vector<bool> fixed_;           // do steps have to agree?
  Memory arena_;
  std::vector<const Input*> in_;
  std::vector<void*> out_;
  Stats stats_;
};

// In model.cpp.
const Description& description();
std::unique_ptr<Program> make_program(const std::string& package, const Options& options);

std::int64_t value(const Dim& dim, std::span<const std::int64_t> sizes);
std::string text(const Tensor& tensor, const Description& description);

}  // namespace MODEL_NAME
