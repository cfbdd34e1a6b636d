#include "program.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace MODEL_NAME {
namespace {

constexpr std::int64_t kUnknown = -1;

template <class T>
std::string list(std::span<const T> sizes) {
  std::string text = "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(sizes[i]);
  return text + (sizes.size() == 1 ? ",)" : ")");
}

/// The place of {} number `n` filled in, for the member-th key of a family.
std::string member_key(const Family& family, std::size_t member) {
  std::string key(family.key);
  std::size_t end = key.size();
  for (std::size_t i = family.ranges.size(); i-- > 0;) {
    const auto count = static_cast<std::size_t>(family.ranges[i].to - family.ranges[i].from);
    const std::size_t at = key.rfind("{}", end);
    const std::string number = std::to_string(family.ranges[i].from + static_cast<std::int64_t>(member % count));
    key.replace(at, 2, number);
    end = at;
    member /= count;
  }
  return key;
}

std::size_t member_count(const Family& family) {
  std::size_t count = 1;
  for (const Family::Range& r : family.ranges) count *= static_cast<std::size_t>(r.to - r.from);
  return count;
}

std::string described(std::string_view dtype, std::span<const std::uint64_t> shape, bool transposed) {
  return std::string(dtype) + " " + list(shape) + (transposed ? " stored transposed" : "");
}

std::string hex(std::uint64_t number) {
  char text[19];
  std::snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(number));
  return text;
}

/// Of the stored bytes, out of the index; a block that is repeated stands for itself.
std::uint64_t checksum(const opnf::Tensor& tensor) {
  return tensor.pattern.empty() ? tensor.checksum : opnf::xxh64(tensor.pattern.data(), tensor.pattern.size());
}

[[noreturn]] void another_package(const std::string& path, const std::string& difference) {
  fail(path, " is not the package that this program was emitted for: ", difference, "; emit again for it");
}

/// Without the tokenizer, which Vocabulary asks for where there is one.
opnf::Reader open_package(const std::string& path, bool map) try {
  return opnf::Reader::open(path, map ? opnf::Reader::Mode::map : opnf::Reader::Mode::pread,
                            opnf::Reader::Sections::on_use);
} catch (const opnf::Error& error) {
  throw Error(error.what());
}

}  // namespace

std::int64_t value(const Dim& dim, std::span<const std::int64_t> sizes) {
  std::int64_t sum = dim.constant;
  for (const Dim::Term& t : dim.terms) sum += t.factor * sizes[static_cast<std::size_t>(t.symbol)];
  return sum;
}

std::string text(const Tensor& tensor, const Description& description) {
  std::string all(tensor.dtype);
  all += '[';
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    const Dim& dim = tensor.shape[i];
    std::string one;
    for (const Dim::Term& t : dim.terms) {
      if (!one.empty()) one += " + ";
      if (t.factor != 1) one += std::to_string(t.factor) + "*";
      one += description.symbols[static_cast<std::size_t>(t.symbol)];
    }
    if (one.empty() || dim.constant != 0) one += (one.empty() ? "" : " + ") + std::to_string(dim.constant);
    all += (i > 0 ? ", " : "") + one;
  }
  return all + ']';
}

std::size_t element_bytes(std::string_view dtype) {
  for (const auto& [name, size] : {std::pair<std::string_view, std::size_t>{"f64", 8},
                                   {"f32", 4},
                                   {"f16", 2},
                                   {"bf16", 2},
                                   {"i8", 1},
                                   {"i16", 2},
                                   {"i32", 4},
                                   {"i64", 8},
                                   {"u8", 1},
                                   {"u16", 2},
                                   {"u32", 4},
                                   {"u64", 8},
                                   {"bool", 1}})
    if (name == dtype) return size;
  return 0;
}

// --- open ---

Program::Program(const Description& description, const std::string& package, const Options& options)
    : description_(description),
      package_(open_package(package, description.maps)),
      in_(description.inputs.size()),
      out_(description.outputs.size()) {
  open_sizes(options);
  check_package(package);
}
Program::~Program() = default;

void Program::open_sizes(const Options& options) {
  const std::size_t count = description_.symbols.size();
  opened_.assign(count, 0);
  fixed_.assign(count, false);
  sizes.assign(count, 0);
  for (std::size_t s = 0; s < count; ++s)
    for (const Entry& entry : description_.entries) opened_[s] = std::max(opened_[s], entry.symbols[s].max);
  for (const std::size_t s : description_.state_symbols) fixed_[s] = true;
  for (const auto& [name, wanted] : options.sizes) {
    const auto symbol = std::find(description_.symbols.begin(), description_.symbols.end(), name);
    if (symbol == description_.symbols.end()) fail("there is no size '", name, "'");
    const auto s = static_cast<std::size_t>(symbol - description_.symbols.begin());
    if (wanted < 1 || wanted > opened_[s])
      fail(name, " = ", wanted, " is not in [1, ", opened_[s], "], which this program was emitted for");
    opened_[s] = wanted;
    fixed_[s] = true;
  }
  sizes = opened_;
}

void Program::check_package(const std::string& path) {
  std::vector<std::uint64_t> checksums;
  for (const Family& family : description_.families) {
    tensors.emplace_back();
    rows.emplace_back();
    for (std::size_t m = 0; m < member_count(family); ++m) {
      const std::string key = member_key(family, m);
      const auto row = package_.find(key);
      if (!row) another_package(path, "it has no tensor " + key);
      const opnf::Tensor there = package_.tensor(*row);
      const std::string_view dtype = family.dtypes[family.dtype_of.empty() ? 0 : family.dtype_of[m] - 'a'];
      const bool same = there.dtype->name == dtype && there.transposed == family.transposed &&
                        std::equal(there.shape.begin(), there.shape.end(), family.shape.begin(), family.shape.end());
      if (!same)
        another_package(path, key + " is " + described(there.dtype->name, there.shape, there.transposed) + ", not " +
                                  described(dtype, family.shape, family.transposed));
      checksums.push_back(checksum(there));
      rows.back().push_back(*row);
      const bool mapped = family.fetch == Fetch::mapped || family.fetch == Fetch::on_use;
      tensors.back().push_back(mapped ? bytes_of(*row) : std::span<const std::byte>());
      if (const auto other = other_layout(tensors.size() - 1, m, there); mapped && other) relaid.push_back(*other);
      if (!family.looked_up) counts.weight_bytes += static_cast<std::int64_t>(there.nbytes);
    }
  }
  check_contents(path, checksums);
}

/// Of everything that the program relies on, without reading a weight.
void Program::check_contents(const std::string& path, std::span<const std::uint64_t> checksums) const {
  std::uint64_t metadata = 0;
  for (const opnf::SectionEntry& section : package_.sections())
    if (section.kind == static_cast<std::uint32_t>(opnf::Section::metadata)) metadata = section.checksum;
  if (metadata != description_.metadata_checksum)
    another_package(path,
                    "its tensors have the same shapes, but its metadata, of which numbers are compiled in, have the "
                    "checksum " +
                        hex(metadata) + ", not " + hex(description_.metadata_checksum));
  const std::uint64_t weights = opnf::xxh64(checksums.data(), checksums.size_bytes());
  if (weights != description_.weights_checksum)
    another_package(path,
                    "its tensors have the same shapes, but other contents, or the same in another layout: the checksum "
                    "over all is " +
                        hex(weights) + ", not " + hex(description_.weights_checksum));
}

std::optional<Program::Relaid> Program::other_layout(std::size_t family, std::size_t member,
                                                     const opnf::Tensor& there) const {
  const bool panels = there.layout == opnf::Layout::panel16 && there.pattern.empty();  // a splat is made in rows
  if (panels == description_.families[family].panels) return std::nullopt;
  const std::size_t last = there.shape.size() - 1;
  const std::uint64_t blocks = there.shape[there.transposed ? last - 1 : last] / there.dtype->block_size;
  const auto panel_bytes = static_cast<std::int64_t>(opnf::kPanelRows * blocks * there.dtype->block_bytes);
  return Relaid{family, member, there.target,
                panel_bytes == 0 ? 0 : static_cast<std::int64_t>(there.nbytes) / panel_bytes, panel_bytes};
}

void Program::lay_out(const Relaid& what, std::int64_t first, std::int64_t last, std::byte* to) const try {
  const opnf::DTypeInfo& dtype = *package_.tensor(what.tensor).dtype;
  const auto size = static_cast<std::size_t>(what.panel_bytes);
  const std::uint64_t blocks = size / (opnf::kPanelRows * dtype.block_bytes);
  std::vector<std::byte> from(size);
  for (std::int64_t panel = first; panel < last; ++panel, to += size) {
    package_.read_tensor(what.tensor, static_cast<std::uint64_t>(panel) * size, from);
    if (description_.families[what.family].panels)
      opnf::to_panel16(dtype, blocks, from.data(), to);
    else
      opnf::from_panel16(dtype, blocks, from.data(), 0, opnf::kPanelRows, to);
  }
} catch (const opnf::Error& error) {
  throw Error(error.what());
}

std::span<const std::byte> Program::bytes_of(std::size_t row) try {
  const opnf::Tensor tensor = package_.tensor(row);
  if (tensor.pattern.empty()) return package_.bytes(row);
  filled_.emplace_back(
      static_cast<std::int64_t>(tensor.nbytes));  // one value repeated, which kernels read as any other
  package_.read_tensor(row, 0, {filled_.back().data(), tensor.nbytes});
  return {filled_.back().data(), tensor.nbytes};
} catch (const opnf::Error& error) {
  throw Error(error.what());
}

void Program::check_not_cut() const try { package_.check_not_cut(); } catch (const opnf::Error& error) {
  throw Error(error.what());
}

// --- a step ---

std::size_t Program::entry_number(std::string_view name) const {
  std::string names;
  for (std::size_t e = 0; e < description_.entries.size(); ++e) {
    if (description_.entries[e].name == name) return e;
    names += (e > 0 ? ", " : "") + std::string(description_.entries[e].name);
  }
  fail("there is no entry point '", name, "'; there is ", names);
}

void Program::order(std::span<const Input> inputs, std::span<const Input*> in) const {
  std::fill(in.begin(), in.end(), nullptr);
  for (const Input& input : inputs) {
    std::size_t i = 0;
    while (i < in.size() && description_.inputs[i].name != input.name) ++i;
    if (i == in.size()) fail("the model has no input '", input.name, "'");
    in[i] = &input;
  }
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Tensor& wanted = description_.inputs[i];
    if (!in[i]) fail("input ", wanted.name, ": ", text(wanted, description_), " is missing");
    if (in[i]->dtype != wanted.dtype || in[i]->shape.size() != wanted.shape.size())
      fail("input ", wanted.name, " is ", text(wanted, description_), ", not ", in[i]->dtype, " ", list(in[i]->shape));
  }
}

void Program::check_shape(const Input& input, const Tensor& wanted, std::span<const std::int64_t> now) const {
  for (std::size_t d = 0; d < input.shape.size(); ++d)
    if (input.shape[d] != value(wanted.shape[d], now))
      fail("input ", input.name, ": dimension ", d, " of ", text(wanted, description_), " is ", input.shape[d],
           ", not ", value(wanted.shape[d], now));
}

void Program::check_index(const IndexInput& index, const Input& input, std::span<const std::int64_t> now) const {
  const std::int64_t below = value(index.below, now);
  std::int64_t count = 1;
  for (const std::int64_t extent : input.shape) count *= extent;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t one = input.dtype == "i64" ? static_cast<const std::int64_t*>(input.data)[i]
                                                  : static_cast<const std::int32_t*>(input.data)[i];
    if (one < 0 || one >= below)
      fail("input ", input.name, "[", i, "] is ", one, ", which is not in [0, ", below, "): ", index.what);
  }
}

void Program::bind(std::size_t entry, std::span<const Input> inputs, std::span<const Input*> in,
                   std::span<std::int64_t> now) const {
  order(inputs, in);
  for (std::size_t s = 0; s < now.size(); ++s) now[s] = fixed_[s] ? opened_[s] : kUnknown;
  for (std::size_t i = 0; i < in.size(); ++i)
    for (std::size_t d = 0; d < in[i]->shape.size(); ++d) {
      const Dim& dim = description_.inputs[i].shape[d];
      if (dim.terms.size() != 1) continue;
      std::int64_t& symbol = now[static_cast<std::size_t>(dim.terms[0].symbol)];
      if (symbol == kUnknown) symbol = (in[i]->shape[d] - dim.constant) / dim.terms[0].factor;
    }
  const Entry& point = description_.entries[entry];
  for (std::size_t s = 0; s < now.size(); ++s) {
    if (now[s] == kUnknown) now[s] = opened_[s];
    if (now[s] < point.symbols[s].min || now[s] > point.symbols[s].max)
      fail(description_.symbols[s], " = ", now[s], " is not in [", point.symbols[s].min, ", ", point.symbols[s].max,
           "], what ", point.name, " takes");
  }
  for (std::size_t i = 0; i < in.size(); ++i) check_shape(*in[i], description_.inputs[i], now);
  for (const IndexInput& index : description_.index_inputs) check_index(index, *in[index.input], now);
}

void Program::place_outputs(std::span<const Output> outputs) {
  for (std::size_t o = 0; o < out_.size(); ++o) {
    const Tensor& tensor = description_.outputs[o];
    const auto given =
        std::find_if(outputs.begin(), outputs.end(), [&](const Output& x) { return x.name == tensor.name; });
    if (given == outputs.end()) fail("output ", tensor.name, ": ", text(tensor, description_), " has no place");
    std::size_t bytes = element_bytes(tensor.dtype);
    for (const Dim& dim : tensor.shape) bytes *= static_cast<std::size_t>(value(dim, sizes));
    if (given->size_bytes < bytes)
      fail("output ", tensor.name, " takes ", bytes, " bytes; there is room for ", given->size_bytes);
    out_[o] = given->data;
  }
}

void Program::run_step(std::size_t entry, std::span<const Input> inputs, std::span<const Output> outputs) {
  bind(entry, inputs, in_, sizes);
  place_outputs(outputs);
  if (in_place) check_not_cut();
  run(entry, in_.data(), out_.data());
  ++counts.steps;
}

// --- Model ---

Model::Model(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::open(const std::string& package, const Options& options) { return Model(make_program(package, options)); }

const Cache& Model::cache() { return MODEL_NAME::description().cache; }
const std::vector<Tensor>& Model::inputs() const { return program_->description().inputs; }
const std::vector<Tensor>& Model::outputs() const { return program_->description().outputs; }
const std::vector<Entry>& Model::entries() const { return program_->description().entries; }
std::string Model::type(const Tensor& tensor) const { return text(tensor, program_->description()); }
std::int64_t Model::size(std::string_view symbol) const {
  const auto& symbols = program_->description().symbols;
  const auto found = std::find(symbols.begin(), symbols.end(), symbol);
  return found == symbols.end() ? 0 : program_->opened(static_cast<std::size_t>(found - symbols.begin()));
}
std::int64_t Model::size(const Dim& dim) const {
  std::int64_t sum = dim.constant;
  for (const Dim::Term& t : dim.terms) sum += t.factor * program_->opened(static_cast<std::size_t>(t.symbol));
  return sum;
}

std::vector<std::int64_t> Model::output_shape(std::string_view entry, std::span<const Input> inputs,
                                              std::string_view output) const {
  const Description& d = program_->description();
  std::vector<const Input*> in(d.inputs.size());
  std::vector<std::int64_t> sizes(d.symbols.size());
  program_->bind(program_->entry_number(entry), inputs, in, sizes);
  for (const Tensor& tensor : d.outputs) {
    if (tensor.name != output) continue;
    std::vector<std::int64_t> shape;
    for (const Dim& dim : tensor.shape) shape.push_back(value(dim, sizes));
    return shape;
  }
  fail("the model has no output '", output, "'");
}

void Model::run_step(std::string_view entry, std::span<const Input> inputs, std::span<const Output> outputs) {
  program_->run_step(program_->entry_number(entry), inputs, outputs);
}
void Model::reset() { program_->reset(); }
Stats Model::stats() const { return program_->stats(); }
std::map<std::string, Timing> Model::timings() const { return program_->timings(); }

}  // namespace MODEL_NAME
