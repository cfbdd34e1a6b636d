// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/vulkan_executor.h"

#include "lib/base/fail.h"

#ifdef OPENINFER_VULKAN
#include <cstring>

#include "codegen/emit/host_vulkan.h"
#include "codegen/run/kernel_cache.h"
#include "codegen/run/placed_weights.h"
#include "codegen/run/vulkan_host.h"
#endif

namespace openinfer::run {

#ifdef OPENINFER_VULKAN
using plan::Buffer;
using plan::Operand;
using plan::Role;

struct VulkanExecutor::State {
  State(const plan::Plan& all, const std::optional<Model>& model, const Device& for_device, const GpuOptions& options);

  void reserve(std::size_t number);
  void make_entries(bool timings);
  void record(std::size_t entry, host::Recording& r);
  host::Place place(const Operand& o) const;
  void steps(const std::vector<plan::Step>& list, host::Recording& r);
  void add(const plan::Dispatch& d, host::Recording& r);
  void add(const plan::Copy& c, host::Recording& r);
  void add(const plan::Swap& s, host::Recording& r);
  void add(const plan::Loop& l, host::Recording& r);
  void add(const plan::Branch& b, host::Recording& r);

  struct Entry {
    std::unique_ptr<host::Recording> commands;
    Sizes sizes;  // that its numbers are of
  };
  const plan::Plan& plan;
  PlanBinding binding;
  std::vector<emit::VulkanShader> code;
  std::vector<host::Shader> shaders;  // by kernel of the plan
  std::unique_ptr<host::VulkanDevice> device;
  std::unique_ptr<host::Pipelines> pipelines;
  host::Place arena;
  std::vector<host::Place> first_places, places;   // by buffer; swapped within a step
  std::vector<std::vector<host::Place>> families;  // by buffer: members
  std::optional<PlacedWeights> weights;            // until they are uploaded
  std::vector<std::pair<host::Place, std::span<const std::byte>>> uploads;
  std::vector<host::Place> states;
  std::vector<Entry> entries;
  std::int64_t turn = 0;  // of all loops around, from 0, as Dispatch::variant counts
};

VulkanExecutor::State::State(const plan::Plan& all, const std::optional<Model>& model, const Device& for_device,
                             const GpuOptions& options)
    : plan(all), binding(all, options.dims), code(emit::vulkan_shaders(all)) {
  emit::check_fits(all, for_device);
  binding.check_indices(options.index_bounds);
  binding.check_rows(options.row_bounds);
  const std::vector<std::string> features = emit::vulkan_features(plan, code);
  emit::check_features(features, for_device);
  // Every graph is called alike here, and the cache is kept to a size.
  const std::uint64_t checksum = emit::vulkan_checksum(code);
  const std::string program = fmt::format("{}-{:016x}", plan.name, checksum);
  host::DeviceNeeds needs = {.program = program, .shaders = checksum, .title = for_device.title, .vendor = 0};
  needs.lanes = static_cast<std::uint32_t>(for_device.lanes);
  needs.shared_memory_bytes = static_cast<std::uint32_t>(emit::shared_memory_bytes(plan));
  needs.bindings = static_cast<std::uint32_t>(emit::bindings(plan) + 1);
  needs.features = {features.begin(), features.end()};
  for (std::size_t k = 0; k < plan.kernels.size(); ++k) {
    const kir::Target& target = plan.kernels[k].code.target;
    const auto lanes = static_cast<std::uint32_t>(target.lanes),
               subgroups = static_cast<std::uint32_t>(target.subgroups);
    needs.workgroup = std::max(needs.workgroup, lanes * subgroups);
    shaders.push_back({plan.kernels[k].code.name, code[k].spirv, lanes, subgroups, code[k].access});
  }
  device = std::make_unique<host::VulkanDevice>(
      needs, host::DeviceOptions{options.device, options.validate, options.memory_limit_bytes});
  pipelines = std::make_unique<host::Pipelines>(*device);
  std::int64_t arena_bytes = 0;
  for (const plan::EntryPoint& e : plan.entries) arena_bytes = std::max(arena_bytes, e.arena_bytes);
  arena = device->reserve(host::Where::device, arena_bytes);
  first_places.resize(plan.buffers.size());
  families.resize(plan.buffers.size());
  ThreadPool pool(options.threads);
  weights.emplace(plan, model, pool);
  for (std::size_t b = 0; b < plan.buffers.size(); ++b) reserve(b);
  make_entries(options.timings);
}

void VulkanExecutor::State::reserve(std::size_t number) {
  const Buffer& b = plan.buffers[number];
  const auto element = static_cast<int>(info(b.dtype).block_bytes);
  host::Place& place = first_places[number];
  switch (b.role) {
    case Role::weight:
      for (const std::span<const std::byte> bytes : weights->members(number)) {
        const auto known = std::find_if(uploads.begin(), uploads.end(), [&](const auto& u) {
          return u.second.data() == bytes.data() && u.second.size() == bytes.size() && u.first.element_bytes == element;
        });
        if (known != uploads.end()) {  // one tensor by two names
          families[number].push_back(known->first);
          continue;
        }
        families[number].push_back(device->reserve(host::Where::device, std::ssize(bytes), element));
        uploads.emplace_back(families[number].back(), bytes);
      }
      break;
    case Role::constant: {
      const auto bytes = plan.constants[static_cast<std::size_t>(b.constant)].second.bytes();
      place = device->reserve(host::Where::device, std::ssize(bytes), element);
      uploads.emplace_back(place, bytes);
      break;
    }
    case Role::input:
    case Role::output: place = device->reserve(host::Where::host, binding.bytes(b), element); break;
    case Role::state:
      place = device->reserve(host::Where::device, binding.bytes(b), element);
      states.push_back(place);
      break;
    case Role::scratch: place = {arena.buffer, arena.offset_bytes + b.offset, b.max_bytes, 0, element}; break;
  }
}

void VulkanExecutor::State::make_entries(bool timings) {
  for (std::size_t e = 0; e < plan.entries.size(); ++e) {
    binding.prepare(e);
    entries.push_back(
        {std::make_unique<host::Recording>(*device, *pipelines, binding.varies(e), timings), binding.symbols()});
    entries[e].commands->measure([&](host::Recording& r) { record(e, r); });
  }
  pipelines->keep();
  shrink_cache(cache_size_limit());
  device->allocate();
  device->upload(uploads);
  uploads.clear();
  weights.reset();
  device->clear(states);
  for (std::size_t e = 0; e < plan.entries.size(); ++e) {
    binding.prepare(e);
    entries[e].commands->record([&](host::Recording& r) { record(e, r); });
  }
}

void VulkanExecutor::State::record(std::size_t entry, host::Recording& r) {
  places = first_places;
  steps(plan.entries[entry].steps, r);
}

host::Place VulkanExecutor::State::place(const Operand& o) const {
  const auto b = static_cast<std::size_t>(o.buffer);
  const host::Place& base = plan.buffers[b].role == Role::weight ? families[b][binding.member(o)] : places[b];
  return base + binding.value(o.offset);
}

void VulkanExecutor::State::steps(const std::vector<plan::Step>& list, host::Recording& r) {
  for (const plan::Step& s : list) std::visit([&](const auto& one) { add(one, r); }, s);
}

void VulkanExecutor::State::add(const plan::Dispatch& d, host::Recording& r) {
  const std::size_t variant = d.variant.empty() ? 0 : d.variant[static_cast<std::size_t>(turn)];
  std::vector<host::Place> buffers;
  for (const Operand& o : d.operands) buffers.push_back(place(o));
  std::vector<std::int64_t> numbers;
  for (const plan::Size& p : d.params) numbers.push_back(binding.value(p));
  r.dispatch(shaders[static_cast<std::size_t>(d.kernels[variant])], binding.groups(d), buffers, numbers);
}

void VulkanExecutor::State::add(const plan::Copy& c, host::Recording& r) {
  r.copy(place(c.from), place(c.to), binding.value(c.elements));
}

void VulkanExecutor::State::add(const plan::Swap& s, host::Recording&) {
  std::swap(places[static_cast<std::size_t>(s.a)], places[static_cast<std::size_t>(s.b)]);
}

void VulkanExecutor::State::add(const plan::Loop& l, host::Recording& r) {
  const std::int64_t outer = turn;
  for (std::int64_t i = l.from; i < l.to; ++i) {
    binding.set(l.index, i);
    turn = outer * (l.to - l.from) + i - l.from;
    steps(l.body, r);
  }
  turn = outer;
}

void VulkanExecutor::State::add(const plan::Branch& b, host::Recording& r) {
  r.branch(
      place(b.predicate), [&] { steps(b.then, r); }, [&] { steps(b.otherwise, r); });
}

VulkanExecutor::VulkanExecutor(const plan::Plan& plan, const std::optional<Model>& model, const Device& device,
                               GpuOptions options)
    : state_(translated([&] { return std::make_unique<State>(plan, model, device, options); })) {}

VulkanExecutor::~VulkanExecutor() = default;

void VulkanExecutor::prefer(std::string_view entry) { state_->binding.prefer(entry); }

Tensors VulkanExecutor::step(const Tensors& inputs) {
  State& s = *state_;
  const std::size_t e = s.binding.bind(inputs);
  State::Entry& entry = s.entries[e];
  return translated([&] {
    const Sizes sizes = s.binding.symbols();
    if (entry.sizes != sizes) {
      entry.sizes.clear();  // should the next line fail
      entry.commands->update([&](host::Recording& r) { s.record(e, r); });
      entry.sizes = sizes;
    }
    for (std::size_t b = 0; b < s.plan.buffers.size(); ++b)
      if (s.plan.buffers[b].role == Role::input) {
        const auto bytes = inputs.find(s.plan.buffers[b].key)->second.bytes();
        if (!bytes.empty()) std::memcpy(s.device->host(s.first_places[b]), bytes.data(), bytes.size());
      }
    entry.commands->run();
    Tensors outputs;
    for (std::size_t b = 0; b < s.plan.buffers.size(); ++b) {
      if (s.plan.buffers[b].role != Role::output) continue;
      Tensor t(s.plan.buffers[b].dtype, s.binding.shape(s.plan.buffers[b]), Location{});
      const auto to = t.mutable_bytes();
      if (!to.empty()) std::memcpy(to.data(), s.device->host(s.first_places[b]), to.size());
      outputs.emplace(s.plan.buffers[b].key, std::move(t));
    }
    return outputs;
  });
}

void VulkanExecutor::reset() {
  translated([&] { state_->device->clear(state_->states); });
}

std::vector<Tensor> VulkanExecutor::save() {
  return translated([&] {
    std::vector<Tensor> all;
    for (const Buffer& b : state_->plan.buffers)
      if (b.role == Role::state) {
        const host::Place& from = state_->states[all.size()];
        state_->device->read_back(from,
                                  all.emplace_back(b.dtype, state_->binding.shape(b), Location{}).mutable_bytes());
      }
    return all;
  });
}

void VulkanExecutor::restore(const std::vector<Tensor>& states) {
  translated([&] {
    std::vector<std::pair<host::Place, std::span<const std::byte>>> what;
    for (std::size_t i = 0; i < states.size(); ++i) what.emplace_back(state_->states[i], states[i].bytes());
    state_->device->upload(what);
  });
}

int VulkanExecutor::times_recorded() const {
  int times = 0;
  for (const State::Entry& e : state_->entries) times += e.commands->times_recorded();
  return times;
}

std::map<std::string, KernelTime> VulkanExecutor::timings() const {
  std::map<std::string, KernelTime> all;
  for (const State::Entry& e : state_->entries)
    for (const auto& [kernel, timing] : e.commands->timings()) {
      KernelTime& sum = all[std::string(kernel)];
      sum.dispatches += timing.dispatches;
      sum.seconds += timing.seconds;
    }
  return all;
}

#else

struct VulkanExecutor::State {};

namespace {
[[noreturn]] void fail_without() {
  fail(ErrorCode::unsupported, "[vulkan] this build has no Vulkan; install libvulkan-dev and configure again");
}
}  // namespace

VulkanExecutor::VulkanExecutor(const plan::Plan&, const std::optional<Model>&, const Device&, GpuOptions) {
  fail_without();
}
VulkanExecutor::~VulkanExecutor() = default;
Tensors VulkanExecutor::step(const Tensors&) { fail_without(); }
void VulkanExecutor::reset() {}
std::vector<Tensor> VulkanExecutor::save() { fail_without(); }
void VulkanExecutor::restore(const std::vector<Tensor>&) {}
int VulkanExecutor::times_recorded() const { return 0; }
std::map<std::string, KernelTime> VulkanExecutor::timings() const { return {}; }

#endif

}  // namespace openinfer::run
