#include "vulkan_program.h"

#include <algorithm>
#include <cstring>

namespace MODEL_NAME {
namespace {

std::int64_t size_of(const Tensor& tensor, std::span<const std::int64_t> sizes) {
  std::int64_t bytes = static_cast<std::int64_t>(element_bytes(tensor.dtype));
  for (const Dim& dim : tensor.shape) bytes *= value(dim, sizes);
  return bytes;
}

}  // namespace

VulkanProgram::VulkanProgram(const Description& description, const DeviceNeeds& needs, const std::string& package,
                             const Options& options, Recording::Look look)
    : Program(description, package, options),
      options_(options),
      look_(std::move(look)),
      device_(needs, {options.device, options.validate, options.memory_limit_bytes}),
      pipelines_(device_) {
  inputs_ = reserve_all(description.inputs);
  outputs_ = reserve_all(description.outputs);
  arena_ = device_.reserve(Where::device, description.arena_bytes);
  counts.arena_bytes = description.arena_bytes;
}

/// With every symbol as large as it can be from now on.
std::vector<Place> VulkanProgram::reserve_all(const std::vector<Tensor>& tensors) {
  std::vector<Place> places;
  for (const Tensor& t : tensors)
    places.push_back(device_.reserve(Where::host, size_of(t, sizes), static_cast<int>(element_bytes(t.dtype))));
  return places;
}

Place VulkanProgram::tensor(std::span<const std::byte> bytes, int element_bytes) {
  for (const auto& [known, uploaded] : uploads_)  // one tensor by two names
    if (uploaded.data() == bytes.data() && uploaded.size() == bytes.size() && known.element_bytes == element_bytes)
      return known;
  const Place place = device_.reserve(Where::device, static_cast<std::int64_t>(bytes.size()), element_bytes);
  uploads_.emplace_back(place, bytes);
  return place;
}

Place VulkanProgram::new_state(std::int64_t count, int element_bytes) {
  states_.push_back(device_.reserve(Where::device, count * element_bytes, element_bytes));
  counts.state_bytes += count * element_bytes;
  return states_.back();
}

void VulkanProgram::ready() {
  const std::vector<Entry>& points = description().entries;
  const std::vector<std::int64_t> largest = sizes;
  // Sizes within an entry's range, as large as they can be.
  const auto enter = [&](std::size_t e) {
    for (std::size_t s = 0; s < sizes.size(); ++s) sizes[s] = std::min(largest[s], points[e].symbols[s].max);
  };
  for (std::size_t e = 0; e < points.size(); ++e) {
    enter(e);
    bool varying = false;
    for (std::size_t s = 0; s < sizes.size(); ++s)
      varying = varying || (!is_fixed(s) && points[e].symbols[s].min != points[e].symbols[s].max);
    entries_.push_back({std::make_unique<Recording>(device_, pipelines_, varying, options_.timings, look_), sizes});
    entries_.back().recording->measure([&](Recording& r) { steps(e, r); });
  }
  pipelines_.keep();
  device_.allocate();
  upload_all();
  clear_states();
  for (std::size_t e = 0; e < points.size(); ++e) {
    enter(e);
    entries_[e].recording->record([&](Recording& r) { steps(e, r); });
  }
  sizes = largest;
}

/// What the package has in panels becomes rows, a tensor at a time.
void VulkanProgram::upload_all() {
  std::int64_t total = 0, before = 0;
  for (const auto& [place, bytes] : uploads_) total += static_cast<std::int64_t>(bytes.size());
  const auto progress = [&](std::int64_t done) {
    if (options_.progress) options_.progress(before + done, total);
  };
  const auto in_panels = [&](const Upload& upload) {
    return std::find_if(relaid.begin(), relaid.end(), [&](const Relaid& r) {
      return tensors[r.family][r.member].data() == upload.second.data();
    });
  };
  const auto others = std::stable_partition(uploads_.begin(), uploads_.end(),
                                            [&](const Upload& u) { return in_panels(u) == relaid.end(); });
  device_.upload(std::span(uploads_.begin(), others), progress);
  for (auto it = uploads_.begin(); it != others; ++it) before += static_cast<std::int64_t>(it->second.size());
  for (auto it = others; it != uploads_.end(); ++it) {
    const Relaid& what = *in_panels(*it);
    const Memory rows(what.panels * what.panel_bytes);
    lay_out(what, 0, what.panels, rows.data());
    const Upload now = {it->first, {rows.data(), it->second.size()}};
    device_.upload({&now, 1}, progress);
    before += rows.size_bytes();
    counts.repacked_bytes += rows.size_bytes();
  }
  uploads_.clear();
}

void VulkanProgram::run(std::size_t entry, const Input* const* in, void* const* out) {
  EntryCommands& now = entries_[entry];
  const auto all = [&](Recording& r) { steps(entry, r); };
  if (now.sizes != sizes) {
    now.sizes.clear();  // should the next line fail
    now.recording->update(all);
    now.sizes = sizes;
  }
  const Description& d = description();
  for (std::size_t i = 0; i < inputs_.size(); ++i)
    if (const auto bytes = static_cast<std::size_t>(size_of(d.inputs[i], sizes)); bytes > 0)
      std::memcpy(device_.host(inputs_[i]), in[i]->data, bytes);
  now.recording->run();
  for (std::size_t o = 0; o < outputs_.size(); ++o)
    if (const auto bytes = static_cast<std::size_t>(size_of(d.outputs[o], sizes)); bytes > 0)
      std::memcpy(out[o], device_.host(outputs_[o]), bytes);
}

std::map<std::string, Timing> VulkanProgram::timings() const {
  std::map<std::string, Timing> all;
  for (const EntryCommands& e : entries_)
    for (const auto& [kernel, timing] : e.recording->timings()) {
      Timing& sum = all[std::string(kernel)];
      sum.dispatches += timing.dispatches;
      sum.seconds += timing.seconds;
    }
  return all;
}

}  // namespace MODEL_NAME
