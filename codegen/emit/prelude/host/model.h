// A compiled model: opens the package that it was emitted for and runs steps. README.md beside this folder says what it
// was made from and for which device, plan.txt what a step does.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace MODEL_NAME {

/// Where the remedy lies.
enum class Reason {
  request,      // in what was given: package, sizes, inputs, flags
  unsupported,  // in another machine or driver: this one lacks what the program needs
  memory,       // in more of it, of the host or of the device, or in smaller sizes
  device,       // in the device or its driver, which failed; or the validation layer spoke
};

/// What went wrong, in one line.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what, Reason reason = Reason::request)
      : std::runtime_error(what), reason_(reason) {}
  Reason reason() const { return reason_; }

 private:
  Reason reason_;
};

/// A size: constant + sum of factor * symbol. Symbols are named by their place in Description::symbols.
struct Dim {
  struct Term {
    int symbol;
    std::int64_t factor;
  };
  std::int64_t constant = 0;
  std::vector<Term> terms = {};
};

/// An input or an output.
struct Tensor {
  std::string_view name, dtype;  // "tok", "i32"
  std::vector<Dim> shape;
};

/// A way in: which values each symbol may have, in the order of Description::symbols.
struct Entry {
  struct Range {
    std::int64_t min, max;
  };
  std::string_view name;
  std::vector<Range> symbols;
};

/// What graphs say whose states are caches by position.
struct Cache {
  std::string_view context_symbol, slots_symbol;  // empty: fixed, or no cache
  std::int64_t max_context, max_slots;            // positions that a slot can have, and slots; 0: no cache
};

class Check;

struct Options {
  int threads = 0;                                 // of programs for CPUs; 0: one for each processor
  std::map<std::string, std::int64_t> sizes = {};  // of states: {"ctx", 512}; what is not named has its largest
  Check* check = nullptr;                          // replays recorded steps: check.h, in programs that have it
  // Programs for GPUs.
  std::string device = "";  // a part of the name that the driver gives it; empty: the first that fits
  bool validate = false;    // with Vulkan's validation layer: what it says is an Error
  bool timings = false;     // measure kernels, see Model::timings()
  std::int64_t memory_limit_bytes = std::numeric_limits<std::int64_t>::max();  // of the device's that may be taken
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};    // of weights uploaded, in bytes
};

/// One input of a step: elements in C order, which stay the caller's.
struct Input {
  std::string_view name, dtype;
  std::span<const std::int64_t> shape;
  const void* data;
};
/// Where an output of a step shall go: room for output_shape() in C order, in no input's memory.
struct Output {
  std::string_view name;
  void* data;
  std::size_t size_bytes;
};

struct Stats {
  std::int64_t steps = 0;
  std::int64_t weight_bytes = 0;    // of the tensors that steps read whole
  std::int64_t repacked_bytes = 0;  // of tensors that are laid out anew; all others are used in place
  std::int64_t state_bytes = 0;
  std::int64_t arena_bytes = 0;  // for values within a step
  int threads = 0;               // of a CPU
};

/// How long a kernel took on the device, all its dispatches together.
struct Timing {
  std::int64_t dispatches = 0;
  double seconds = 0;
};

class Program;

/// One thread at a time may use a Model. After open() a step allocates nothing.
class Model {
 public:
  /// Errors, as of everything here: Error, for a package other than the one that this was emitted for, a machine that
  /// lacks what the device has, sizes out of bounds, no memory.
  static Model open(const std::string& package, const Options& options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  static const Cache& cache();
  const std::vector<Tensor>& inputs() const;
  const std::vector<Tensor>& outputs() const;
  const std::vector<Entry>& entries() const;
  /// "f32[N, 576]"
  std::string type(const Tensor& tensor) const;
  /// The value that a symbol was opened with, else the most that any entry takes; 0 for a symbol that is not there.
  std::int64_t size(std::string_view symbol) const;
  std::int64_t size(const Dim& dim) const;

  /// The shape that an output will have in a step with these inputs.
  std::vector<std::int64_t> output_shape(std::string_view entry, std::span<const Input> inputs,
                                         std::string_view output) const;
  /// One step: every input, every output, in any order. States go on from the step before.
  void run_step(std::string_view entry, std::span<const Input> inputs, std::span<const Output> outputs);
  /// States as after open().
  void reset();
  Stats stats() const;
  /// By kernel, of all steps so far: with Options::timings, on devices that have timestamps.
  std::map<std::string, Timing> timings() const;
  /// What it is made of: program.h.
  const Program& program() const { return *program_; }

 private:
  explicit Model(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

/// Bytes of one element; 0 for a dtype that no input or output has.
std::size_t element_bytes(std::string_view dtype);

}  // namespace MODEL_NAME
