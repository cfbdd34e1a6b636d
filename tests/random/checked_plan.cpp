// SPDX-License-Identifier: Apache-2.0
#include "tests/random/checked_plan.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "codegen/check/bounded.h"
#include "codegen/plan/walk.h"
#include "openinfer/half.h"

namespace openinfer::random_graphs {
namespace {

std::span<const std::byte> bytes_at(const opnf::Reader& data, const std::string& key) {
  const auto row = data.find(key);
  return row ? data.bytes(*row) : std::span<const std::byte>();
}
template <class T>
std::vector<T> elements(const opnf::Reader& data, const std::string& key) {
  const auto bytes = bytes_at(data, key);
  std::vector<T> all(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(all.data(), bytes.data(), bytes.size());
  return all;
}

double distance(double found, double wanted) {
  if (found == wanted || (std::isnan(found) && std::isnan(wanted))) return 0;
  const double d = std::abs(found - wanted);
  return std::isnan(d) ? HUGE_VAL : d;
}

}  // namespace

std::string difference(const Tensor& found, const Tensor& wanted) {
  if (found.dtype() != wanted.dtype() || found.shape() != wanted.shape())
    return fmt::format("{}{} instead of {}{}", name(found.dtype()), to_string(found.shape()), name(wanted.dtype()),
                       to_string(wanted.shape()));
  const auto size = static_cast<std::size_t>(info(found.dtype()).block_bytes);
  const std::byte *a = found.bytes().data(), *b = wanted.bytes().data();
  for (std::int64_t i = 0; i < found.count(); ++i, a += size, b += size) {
    if (std::memcmp(a, b, size) == 0) continue;
    const double x = check::numbers_of(found.dtype(), a, 1)[0], y = check::numbers_of(found.dtype(), b, 1)[0];
    if (std::isnan(x) && std::isnan(y)) continue;
    return fmt::format("element {} of {}{} is {:.9g}, not {:.9g}", i, name(found.dtype()), to_string(found.shape()), x,
                       y);
  }
  return {};
}

CheckedPlan::CheckedPlan(const plan::Plan& plan, const Model& model, const opnf::Reader& data)
    : InterpretedPlan(plan, &model, sizes(data)), plan_(plan), data_(data), turns_(plan.taps.size()) {
  for (std::size_t e = 0; e < plan.entries.size(); ++e)
    for (const plan::PlacedDispatch& placed : plan::dispatches(plan.entries[e]))
      for (std::size_t t = 0; t < plan.taps.size(); ++t)
        if (plan.taps[t].entry == static_cast<int>(e) && plan.taps[t].dispatch == placed.number)
          taps_[placed.dispatch].push_back(t);
}

std::map<std::string, std::int64_t> CheckedPlan::sizes(const opnf::Reader& data) {
  std::map<std::string, std::int64_t> all;
  const opnf::Strings names = data.metadata().at("sizes.names").strings();
  const auto values = data.metadata().at("sizes.values").array<std::int64_t>(opnf::find_dtype_named("i64")->code);
  for (std::size_t i = 0; i < names.size(); ++i) all[std::string(names[i])] = values[i];
  return all;
}

std::size_t CheckedPlan::steps() const { return data_.metadata().at("steps").strings().size(); }
std::string CheckedPlan::entry(std::size_t step) const {
  return std::string(data_.metadata().at("steps").strings()[step]);
}

std::map<std::string, Tensor> CheckedPlan::inputs(std::size_t step) const {
  std::map<std::string, Tensor> all;
  for (const std::string& name : plan_.inputs) {
    const std::string key = fmt::format("{}.in.{}", step, name);
    const opnf::Tensor there = data_.tensor(data_.find(key).value());
    Tensor t(static_cast<DType>(there.dtype->code), Extents(there.shape.begin(), there.shape.end()));
    const auto bytes = bytes_at(data_, key);
    std::copy(bytes.begin(), bytes.end(), t.mutable_bytes().begin());
    all.emplace(name, std::move(t));
  }
  return all;
}

std::map<std::string, Tensor> CheckedPlan::replay(std::size_t step) {
  step_ = step;
  turns_.assign(plan_.taps.size(), 0);
  return run(entry(step), inputs(step));
}

void CheckedPlan::after(const plan::Dispatch& dispatch) {
  const auto taps = taps_.find(&dispatch);
  if (taps == taps_.end()) return;
  for (const std::size_t t : taps->second) compare(t);
}

std::string CheckedPlan::op_of(std::size_t tap) const {
  const std::string name(data_.metadata().at(fmt::format("node.{}", tap)).strings()[0]);  // "x = op (fused away: …)"
  const auto first = name.find(" = ") + 3;
  return name.substr(first, name.find(' ', first) - first);
}

void CheckedPlan::compare(std::size_t tap) {
  const plan::Result& result = plan_.taps[tap].result;
  const DType dtype = plan_.buffers[static_cast<std::size_t>(result.place.buffer)].dtype;
  const std::string key = fmt::format("{}.{}.{}", step_, tap, turns_[tap]++);
  const auto wanted = bytes_at(data_, key);
  if (wanted.empty() && value(result.elements) == 0) return;
  if (wanted.empty()) throw std::logic_error("the simulator did not compute " + result.value + ", " + key);
  const auto bounds = elements<std::uint16_t>(data_, key + ".bound");
  auto starts = elements<std::int32_t>(data_, key + ".starts");
  if (starts.empty()) starts = {0};
  const auto size = static_cast<std::size_t>(info(dtype).block_bytes);
  const std::size_t run = wanted.size() / starts.size();
  const auto values = memory(result.place);
  for (std::size_t r = 0; r < starts.size(); ++r) {
    std::byte* const found = values.subspan(static_cast<std::size_t>(starts[r]) * size, run).data();
    const std::byte* const want = wanted.data() + r * run;
    const auto have = check::numbers_of(dtype, found, static_cast<std::int64_t>(run / size)),
               right = check::numbers_of(dtype, want, static_cast<std::int64_t>(run / size));
    for (std::size_t i = 0; i < have.size(); ++i, ++compared_) {
      const double bound = bounds.empty() ? 0 : bfloat_to_float(bounds[r * have.size() + i]);
      if (std::isinf(bound)) ++unbounded_[op_of(tap)];
      double error = distance(have[i], right[i]);
      if (!is_float(dtype) && error == 0 && std::memcmp(found + i * size, want + i * size, size) != 0) error = 1;
      if (error > bound)
        failures_.push_back(fmt::format("step {} ({}), {} element {}: {:.9g} instead of {:.9g}, bound {:.3g}", step_,
                                        entry(step_), result.value, r * have.size() + i, have[i], right[i], bound));
    }
    std::memcpy(found, want, run);
  }
}

}  // namespace openinfer::random_graphs
