// What every compiled model does alike, whatever its steps and its device: the package is checked, and a step's inputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "memory.h"
#include "model.h"
#include "panel16.h"
#include "reader.h"

namespace MODEL_NAME {

/// How a program comes by a weight: in the mapped package, in place or laid out anew when it is opened, or as steps
/// read it; or, with a memory budget, read when it is opened; the rows of a table that are looked up; or tile by tile
/// through buffers.
enum class Fetch { mapped, on_use, resident, looked_up, streamed };

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
  bool panels = false;        // kernels read it in the layout panel16, else in rows
  Fetch fetch = Fetch::mapped;
};

/// Of a program with a memory budget: the buffers that weights pass through.
struct StreamBuffers {
  std::int64_t buffer_bytes = 0;
  int buffers = 0;
};

/// An input whose elements say where something lies.
struct IndexInput {
  std::size_t input;
  Dim below;              // each is in [0, below)
  std::string_view what;  // "the 49152 rows of tok_embeddings"
};

struct Description {
  std::string_view device;
  std::vector<std::string_view> features;  // instruction sets or device features that the kernels use
  std::uint64_t metadata_checksum;         // of the package: numbers of it are compiled in
  std::uint64_t weights_checksum;          // over those that its index has of the tensors below, in their order
  std::vector<std::string_view> symbols;
  std::vector<std::size_t> state_symbols;  // have one value from open() on
  std::vector<Entry> entries;
  std::vector<Tensor> inputs, outputs;
  std::vector<IndexInput> index_inputs;
  std::vector<Family> families;
  std::int64_t arena_bytes;
  std::int64_t stack_bytes = 0;    // of the arrays that a kernel keeps on a thread's stack, at most
  std::int64_t passing_bytes = 0;  // of what a workgroup reads of weights that are laid out on use
  Cache cache;
  StreamBuffers stream = {};
  bool maps = true;  // does it map the package? With a memory budget it only reads
};

class Program {
 public:
  Program(const Description& description, const std::string& package, const Options& options);
  virtual ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  const Description& description() const { return description_; }
  const opnf::Reader& reader() const { return package_; }
  std::size_t entry_number(std::string_view name) const;
  /// Puts a step's inputs into the model's order, tells from their shapes what each symbol is, and checks all of it.
  void bind(std::size_t entry, std::span<const Input> inputs, std::span<const Input*> in,
            std::span<std::int64_t> now) const;
  void run_step(std::size_t entry, std::span<const Input> inputs, std::span<const Output> outputs);
  void reset() { clear_states(); }
  const Stats& stats() const { return counts; }
  virtual std::map<std::string, Timing> timings() const { return {}; }
  std::int64_t opened(std::size_t symbol) const { return opened_[symbol]; }
  /// Has it one value from open() on?
  bool is_fixed(std::size_t symbol) const { return fixed_[symbol]; }

 protected:
  /// The steps of an entry; inputs and outputs in the model's order.
  virtual void run(std::size_t entry, const Input* const* in, void* const* out) = 0;
  /// Zeroes the states.
  virtual void clear_states() = 0;

  /// A tensor that the package has in another layout than kernels read: `tensors` has it as it is there.
  struct Relaid {
    std::size_t family, member;
    std::size_t tensor;   // of the package, an alias's target
    std::int64_t panels;  // of sixteen rows
    std::int64_t panel_bytes;
  };
  /// Of a member that kernels read in another layout than the package has it in.
  std::optional<Relaid> other_layout(std::size_t family, std::size_t member, const opnf::Tensor& there) const;
  /// Errors: Error if the package was cut since it was opened.
  void check_not_cut() const;
  /// Panels [first, last) as kernels read them. They are read from the file, so that its mapped pages stay untouched.
  void lay_out(const Relaid& what, std::int64_t first, std::int64_t last, std::byte* to) const;

  std::vector<std::int64_t> sizes;  // of the symbols, in this step
  std::vector<std::vector<std::span<const std::byte>>>
      tensors;                                 // of the package, by family and member, last {} fastest
  std::vector<std::vector<std::size_t>> rows;  // of the package's index, the same
  std::vector<Relaid> relaid;
  Stats counts;
  bool in_place = false;  // do steps read the mapped package?

 private:
  void open_sizes(const Options& options);
  void check_package(const std::string& path);
  void check_contents(const std::string& path, std::span<const std::uint64_t> checksums) const;
  std::span<const std::byte> bytes_of(std::size_t row);
  void order(std::span<const Input> inputs, std::span<const Input*> in) const;
  void check_shape(const Input& input, const Tensor& wanted, std::span<const std::int64_t> now) const;
  void check_index(const IndexInput& index, const Input& input, std::span<const std::int64_t> now) const;
  void place_outputs(std::span<const Output> outputs);

  const Description& description_;
  opnf::Reader package_;
  std::vector<Memory> filled_;        // tensors that the package does not hold byte by byte
  std::vector<std::int64_t> opened_;  // sizes of the symbols that states have
  std::vector<bool> fixed_;           // do steps have to agree?
  std::vector<const Input*> in_;
  std::vector<void*> out_;
};

// In model.cpp.
const Description& description();
std::unique_ptr<Program> make_program(const std::string& package, const Options& options);

std::int64_t value(const Dim& dim, std::span<const std::int64_t> sizes);
std::string text(const Tensor& tensor, const Description& description);

}  // namespace MODEL_NAME
