#include "check.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "memory.h"
#include "printable.h"

namespace MODEL_NAME {

const char* const kCheckData = CHECK_DATA;  // by CMakeLists.txt

namespace {

constexpr std::string_view kEmission = "MODEL_EMISSION";  // which plan the data must have been recorded for
constexpr std::uint8_t kI64 = 22;                         // the format's code
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The key of what was recorded of a step: "1.17.3" for the 17th node in its third turn.
std::string key(std::size_t step, int tap, std::size_t turn) {
  return std::to_string(step) + "." + std::to_string(tap) + "." + std::to_string(turn);
}

opnf::Reader open(const std::string& path) try { return opnf::Reader::open(path); } catch (const opnf::Error& error) {
  throw Error(std::string("the check data cannot be used: ") + error.what() + "; --check-data says where they are");
}

/// The checksums are right, so somebody made the data like this.
template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail("the check data cannot be used: ", parts...);
}

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

double of_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

double of_f16(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double value = std::ldexp(exponent == 0 ? fraction : fraction + 1024, std::max(exponent, 1) - 25);
  if (exponent == 31) value = fraction == 0 ? kInfinity : std::nan("");
  return bits >> 15 ? -value : value;
}

double number(std::string_view dtype, const std::byte* at) {
  if (dtype == "f32") return load<float>(at);
  if (dtype == "f64") return load<double>(at);
  if (dtype == "f16") return of_f16(load<std::uint16_t>(at));
  if (dtype == "bf16") return of_bf16(load<std::uint16_t>(at));
  if (dtype == "i8") return load<std::int8_t>(at);
  if (dtype == "i16") return load<std::int16_t>(at);
  if (dtype == "i32") return load<std::int32_t>(at);
  if (dtype == "i64") return static_cast<double>(load<std::int64_t>(at));
  if (dtype == "u16") return load<std::uint16_t>(at);
  if (dtype == "u32") return load<std::uint32_t>(at);
  if (dtype == "u64") return static_cast<double>(load<std::uint64_t>(at));
  return load<std::uint8_t>(at);
}

/// What 8-bit blocks {d, d · Σq, Σq, Σq of the first half, q[32]} are as f32: NaN where the sums are not those of the
/// q.
std::vector<std::byte> elements_of(std::span<const std::byte> blocks) {
  constexpr std::size_t kElements = 32, kBytes = 16 + kElements;
  std::vector<std::byte> elements(blocks.size() / kBytes * kElements * sizeof(float));
  for (std::size_t b = 0; b < blocks.size() / kBytes; ++b) {
    const std::byte* block = blocks.data() + b * kBytes;
    const auto d = load<float>(block), d_sum = load<float>(block + 4);
    std::int32_t sum = 0, first = 0;
    for (std::size_t j = 0; j < kElements; ++j) {
      const std::int32_t q = load<std::int8_t>(block + 16 + j);
      sum += q;
      first += j < kElements / 2 ? q : 0;
    }
    const bool whole = sum == load<std::int32_t>(block + 8) && first == load<std::int32_t>(block + 12) &&
                       d_sum == d * static_cast<float>(sum);
    for (std::size_t j = 0; j < kElements; ++j) {
      const float x = whole ? d * static_cast<float>(load<std::int8_t>(block + 16 + j)) : std::nanf("");
      std::memcpy(elements.data() + (b * kElements + j) * sizeof x, &x, sizeof x);
    }
  }
  return elements;
}

/// How far the found number is from the wanted one. A NaN must be a NaN and an infinity that infinity.
double distance(double found, double wanted) {
  if (found == wanted || (std::isnan(found) && std::isnan(wanted))) return 0;
  const double difference = std::abs(found - wanted);
  return std::isnan(difference) ? kInfinity : difference;
}

}  // namespace

Check::Check(const std::string& data) : data_(open(data)) {
  try {
    check_data(data);
    read_nodes();
  } catch (const opnf::Error& error) {
    throw Error(std::string("the check data cannot be used: ") + error.what());
  }
}

void Check::check_data(const std::string& path) const {
  const auto emission = data_.metadata().find("emission");
  if (!emission) throw Error(path + " holds no check data");
  if (emission->string() != kEmission)
    throw Error(path + " belongs to another emission than this program: emit again with --check-data");
  for (std::size_t row = 0; row < data_.tensor_count(); ++row) {
    const opnf::Tensor tensor = data_.tensor(row);
    const auto bytes = data_.bytes(row);
    if (opnf::xxh64(bytes.data(), bytes.size()) != tensor.checksum)
      throw Error(path + " is hurt: the bytes of " + std::string(tensor.key) + " are not those that were recorded");
  }
}

void Check::read_nodes() {
  for (std::size_t n = 0;; ++n) {
    const auto row = data_.metadata().find("node." + std::to_string(n));
    if (!row) break;
    const opnf::Strings words = row->strings();
    if (words.size() < 4) refuse("node ", n, " has ", words.size(), " words, not name, place, entry and kernels");
    Node node = {.name = words[0], .place = words[1], .entry = words[2], .kernels = {}};
    for (std::size_t i = 3; i < words.size(); ++i) node.kernels.push_back(words[i]);
    nodes_.push_back(std::move(node));
  }
}

std::map<std::string, std::int64_t> Check::sizes() const {
  std::map<std::string, std::int64_t> sizes;
  const opnf::Strings names = data_.metadata().at("sizes.names").strings();
  const auto values = data_.metadata().at("sizes.values").array<std::int64_t>(kI64);
  if (names.size() != values.size()) refuse(names.size(), " names of sizes, and ", values.size(), " values");
  for (std::size_t i = 0; i < names.size(); ++i) sizes[std::string(names[i])] = values[i];
  return sizes;
}

void Check::replay(Model& model) {
  const opnf::Strings entries = data_.metadata().at("steps").strings();
  for (step_ = 0; step_ < entries.size(); ++step_) {
    turns_.assign(nodes_.size(), 0);
    run_step(model, entries[step_]);
  }
}

void Check::run_step(Model& model, std::string_view entry) {
  std::vector<std::vector<std::int64_t>> shapes;
  std::vector<Input> inputs;
  for (const Tensor& input : model.inputs()) {
    const auto row = data_.find(std::to_string(step_) + ".in." + std::string(input.name));
    if (!row) throw Error("the check data have no input " + std::string(input.name));
    const opnf::Tensor tensor = data_.tensor(*row);
    if (tensor.dtype->name != input.dtype)
      refuse("input ", input.name, " is ", input.dtype, ", not ", tensor.dtype->name);
    shapes.emplace_back(tensor.shape.begin(), tensor.shape.end());
    inputs.push_back({input.name, input.dtype, {}, data_.bytes(*row).data()});
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].shape = shapes[i];
  std::vector<std::vector<std::byte>> results;
  std::vector<Output> outputs;
  for (const Tensor& output : model.outputs()) {
    std::size_t bytes = element_bytes(output.dtype);
    for (const std::int64_t extent : model.output_shape(entry, inputs, output.name))
      bytes *= static_cast<std::size_t>(extent);
    results.emplace_back(bytes);
    outputs.push_back({output.name, nullptr, bytes});
  }
  for (std::size_t o = 0; o < outputs.size(); ++o) outputs[o].data = results[o].data();
  model.run_step(entry, inputs, outputs);
}

Check::Recorded Check::recorded(int tap, std::size_t turn) const {
  const std::string name = key(step_, tap, turn);
  const auto row = data_.find(name);
  if (!row)
    throw Error("the simulator did not compute " + std::string(nodes_[static_cast<std::size_t>(tap)].name) +
                " where this program does: step " + std::to_string(step_) + ", turn " + std::to_string(turn));
  Recorded recorded = {
      .dtype = data_.tensor(*row).dtype->name, .values = data_.bytes(*row), .bounds = {}, .starts = {}, .blocks = {}};
  const std::size_t element = element_bytes(recorded.dtype);
  if (element == 0) refuse(name, " is ", recorded.dtype, ", which no kernel writes");
  const auto numbers = [&]<class T>(const char* part, std::string_view dtype, std::span<const T>& to) {
    const auto at = data_.find(name + part);
    if (!at) return;
    if (data_.tensor(*at).dtype->name != dtype) refuse(name, part, " is ", data_.tensor(*at).dtype->name);
    to = {reinterpret_cast<const T*>(data_.bytes(*at).data()), data_.bytes(*at).size() / sizeof(T)};
  };
  numbers(".bound", "bf16", recorded.bounds);
  numbers(".starts", "i32", recorded.starts);
  numbers(".blocks", "i32", recorded.blocks);
  const std::size_t count = recorded.values.size() / element;
  if (!recorded.bounds.empty() && recorded.bounds.size() != count)
    refuse(name, " has ", count, " elements, and ", recorded.bounds.size(), " bounds");
  if (!recorded.blocks.empty() && (recorded.dtype != "f32" || recorded.blocks.size() * 8 != count * 3))
    refuse(name, " has ", count, " elements, and ", recorded.blocks.size(), " words of their blocks");
  if (!recorded.starts.empty() && count % recorded.starts.size() != 0)
    refuse(name, " has ", count, " elements, which are not ", recorded.starts.size(), " runs");
  for (const std::int32_t start : recorded.starts)
    if (start < 0) refuse(name, " has a run that starts at ", start);
  return recorded;
}

/// Which of the node's kernels computed it in that turn.
std::size_t Check::kernel(const Place& place) const {
  const std::string name = "kernels." + std::to_string(step_) + "." + std::to_string(place.tap);
  const auto letters = data_.metadata().find(name);
  if (!letters) return 0;
  const std::string_view text = letters->string();
  const std::size_t count = nodes_[static_cast<std::size_t>(place.tap)].kernels.size();
  const std::size_t number = place.turn < text.size() ? static_cast<unsigned char>(text[place.turn] - 'a') : count;
  if (number >= count) refuse(name, " does not say which of ", count, " kernels ran in turn ", place.turn);
  return number;
}

void Check::compare(int tap, std::span<std::byte> values) {
  if (static_cast<std::size_t>(tap) >= nodes_.size()) refuse("they have no node ", tap);
  Node& node = nodes_[static_cast<std::size_t>(tap)];
  Place place = {.tap = tap, .step = step_, .turn = turns_[static_cast<std::size_t>(tap)]++};
  const Recorded wanted = recorded(tap, place.turn);
  place.kernel = kernel(place);
  if (!wanted.blocks.empty()) {
    const auto blocks = std::as_bytes(wanted.blocks);
    if (blocks.size() != values.size()) other_size(node, values.size());
    const std::vector<std::byte> found = elements_of(values);
    std::memcpy(values.data(), blocks.data(), blocks.size());
    return hold(node, wanted, found, place);
  }
  const std::size_t runs = std::max<std::size_t>(1, wanted.starts.size()), run = wanted.values.size() / runs;
  const std::size_t element = element_bytes(wanted.dtype);
  std::vector<std::byte> found(wanted.values.size());
  for (std::size_t r = 0; r < runs && run > 0; ++r) {
    const std::size_t at = wanted.starts.empty() ? 0 : static_cast<std::size_t>(wanted.starts[r]) * element;
    if (at > values.size() || run > values.size() - at || (wanted.starts.empty() && run != values.size()))
      other_size(node, values.size());
    std::memcpy(found.data() + r * run, values.data() + at, run);
    std::memcpy(values.data() + at, wanted.values.data() + r * run, run);
  }
  hold(node, wanted, found, place);
}

void Check::other_size(const Node& node, std::size_t bytes) const {
  throw Error(std::string(node.name) + " has " + std::to_string(bytes) + " bytes here, which are not those of step " +
              std::to_string(step_) + " in the simulator");
}

void Check::hold(Node& node, const Recorded& wanted, std::span<const std::byte> found, const Place& place) {
  const std::size_t size = element_bytes(wanted.dtype), count = found.size() / size;
  node.compared += static_cast<std::int64_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte *have = found.data() + i * size, *want = wanted.values.data() + i * size;
    const double bound = wanted.bounds.empty() ? 0 : of_bf16(wanted.bounds[i]);
    node.unbounded += bound == kInfinity;
    if (bound == kInfinity) continue;
    double error = distance(number(wanted.dtype, have), number(wanted.dtype, want));
    const bool integer = wanted.dtype[0] == 'i' || wanted.dtype[0] == 'u';
    if (integer && error == 0 && std::memcmp(have, want, size) != 0) error = 1;  // beyond what a double tells apart
    const double ratio = error == 0 ? 0 : bound == 0 ? kInfinity : error / bound;
    if (ratio > node.ratio || (ratio == node.ratio && error > node.largest)) {
      node.ratio = ratio;
      node.largest = error;
      node.bound = bound;
    }
    if (ratio <= 1 || first_.tap >= 0) continue;
    first_ = place;
    first_.element = static_cast<std::int64_t>(i);
    first_error_ = error;
    first_bound_ = bound;
  }
}

void Check::report() const {
  std::size_t wide = 4, place = 4;
  for (const Node& node : nodes_) {
    wide = std::max(wide, std::min<std::size_t>(node.name.size(), 60));
    place = std::max(place, std::min<std::size_t>(node.place.size(), 40));
  }
  const int name_width = static_cast<int>(wide), place_width = static_cast<int>(place);
  std::printf("%10s %10s %8s  %-*s  %-*s  %s\n", "error", "bound", "ratio", name_width, "node", place_width, "at",
              "kernel");
  std::int64_t values = 0, unbounded = 0, nodes = 0;
  std::string_view entry;
  for (const Node& node : nodes_) {
    if (node.compared == 0) continue;
    if (node.entry != entry) std::printf("%s\n", std::string(entry = node.entry).c_str());
    ++nodes;
    values += node.compared;
    unbounded += node.unbounded;
    std::string kernels;
    for (const std::string_view kernel : node.kernels) kernels += (kernels.empty() ? "" : ", ") + std::string(kernel);
    std::printf("%10.3g %10.3g %8.3g  %-*s  %-*s  %s\n", node.largest, node.bound, std::max(0.0, node.ratio),
                name_width, printable(node.name).c_str(), place_width, printable(node.place).c_str(), kernels.c_str());
  }
  if (first_.tap >= 0) {
    const Node& node = nodes_[static_cast<std::size_t>(first_.tap)];
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, "off by %.3g, bound %.3g", first_error_, first_bound_);
    throw Error("check: first out of bounds: " + std::string(node.name) + " at " + std::string(node.place) + ", " +
                std::string(node.kernels[first_.kernel]) + ": " + numbers + ", element " +
                std::to_string(first_.element) + " in step " + std::to_string(first_.step) + ", turn " +
                std::to_string(first_.turn));
  }
  std::printf("check: %lld nodes, %lld values within bounds", static_cast<long long>(nodes),
              static_cast<long long>(values));
  std::printf(unbounded > 0 ? ", %lld of them without a bound\n" : "\n", static_cast<long long>(unbounded));
}

}  // namespace MODEL_NAME
