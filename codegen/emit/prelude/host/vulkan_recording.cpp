#include "vulkan_recording.h"

#include <algorithm>
#include <cstring>

namespace MODEL_NAME {
namespace {

std::vector<std::byte> pushed(const VulkanDevice& device, const Shader& shader, std::span<const Place> buffers) {
  std::vector<std::byte> all(pushed_bytes(shader));
  std::byte* to = all.data();
  const auto push = [&](auto number) {
    std::memcpy(to, &number, sizeof number);
    to += sizeof number;
  };
  for (std::size_t i = 0; i < buffers.size(); ++i)
    if (is_addressed(shader.access[i])) push(device.address(buffers[i]));
  for (std::size_t i = 0; i < buffers.size(); ++i)
    if (!is_addressed(shader.access[i])) push(static_cast<std::int32_t>(buffers[i].start));
  return all;
}

}  // namespace

std::uint32_t pushed_bytes(const Shader& shader) {
  std::uint32_t bytes = 0;
  for (const char access : shader.access) bytes += is_addressed(access) ? 8 : 4;
  return bytes;
}

Recording::Recording(VulkanDevice& device, Pipelines& pipelines, bool varying, bool timed, Look look)
    : device_(device),
      pipelines_(pipelines),
      varying_(varying),
      timed_(timed && device.timestamp_ns() > 0),
      look_(std::move(look)) {}

Recording::~Recording() {
  reset();
  if (sets_) vkDestroyDescriptorPool(device_.handle(), sets_, nullptr);
  if (queries_) vkDestroyQueryPool(device_.handle(), queries_, nullptr);
}

void Recording::reset() {
  for (const Segment& s : segments_) vkFreeCommandBuffers(device_.handle(), device_.commands(), 1, &s.commands);
  segments_.clear();
  fixed_.clear();
  names_.clear();
  if (sets_) vkResetDescriptorPool(device_.handle(), sets_, 0);
  dispatches_ = branches_ = 0;
}

void Recording::measure(const Steps& steps) {
  doing_ = Doing::measuring;
  steps(*this);
  // A slot holds the grid, then at the next place that can be bound: the number of groups and the kernel's numbers.
  const auto& limits = device_.properties().limits;
  numbers_at_ =
      rounded_up(sizeof(VkDispatchIndirectCommand), static_cast<std::int64_t>(limits.minStorageBufferOffsetAlignment));
  slot_bytes_ =
      rounded_up(numbers_at_ + 4 * static_cast<std::int64_t>(1 + most_numbers_),
                 std::max<std::int64_t>(4, static_cast<std::int64_t>(limits.minStorageBufferOffsetAlignment)));
  all_dispatches_ = dispatches_;
  numbers_ = device_.reserve(Where::host, slot_bytes_ * static_cast<std::int64_t>(all_dispatches_));
  flags_ = device_.reserve(Where::host, 4 * static_cast<std::int64_t>(branches_));
}

void Recording::record(const Steps& steps) {
  if (!sets_ && all_dispatches_ > 0) {
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, static_cast<std::uint32_t>(bindings_)};
    const VkDescriptorPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = static_cast<std::uint32_t>(all_dispatches_),
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &size};
    check(vkCreateDescriptorPool(device_.handle(), &pool, nullptr, &sets_), "vkCreateDescriptorPool");
  }
  if (timed_ && !queries_ && all_dispatches_ > 0) {
    const VkQueryPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                        .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                        .queryCount = 2 * static_cast<std::uint32_t>(all_dispatches_)};
    check(vkCreateQueryPool(device_.handle(), &pool, nullptr, &queries_), "vkCreateQueryPool");
  }
  reset();
  stale_ = false;
  recorded_ = false;
  doing_ = Doing::recording;
  begin();
  if (queries_)  // all of them: those in a branch that is not taken then are not available
    vkCmdResetQueryPool(segments_[0].commands, queries_, 0, 2 * static_cast<std::uint32_t>(all_dispatches_));
  steps(*this);
  end();
  recorded_ = true;
  ++times_recorded_;
  device_.throw_on_messages();
}

void Recording::update(const Steps& steps) {
  doing_ = Doing::updating;
  dispatches_ = branches_ = fixed_seen_ = 0;
  stale_ = !recorded_;
  steps(*this);
  if (stale_) record(steps);
}

/// Numbers that commands hold themselves: where the next sizes change one of them, there is no way but to record again.
void Recording::fixed(std::initializer_list<std::int64_t> numbers) {
  for (const std::int64_t n : numbers) {
    if (doing_ == Doing::recording) fixed_.push_back(n);
    if (doing_ == Doing::updating) stale_ = stale_ || fixed_seen_ == fixed_.size() || fixed_[fixed_seen_++] != n;
  }
}

// --- segments ---

void Recording::begin() {
  current_ = static_cast<int>(segments_.size());
  Segment& s = segments_.emplace_back();
  const VkCommandBufferAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                .commandPool = device_.commands(),
                                                .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                .commandBufferCount = 1};
  check(vkAllocateCommandBuffers(device_.handle(), &allocate, &s.commands), "vkAllocateCommandBuffers");
  const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  check(vkBeginCommandBuffer(s.commands, &info), "vkBeginCommandBuffer");
  barrier();  // behind the step before
}

int Recording::end() {
  const VkMemoryBarrier to_host = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                   .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                                   .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
  VkCommandBuffer commands = segments_[static_cast<std::size_t>(current_)].commands;
  vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                       VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, nullptr, 0, nullptr);
  check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");
  return current_;
}

void Recording::barrier() {
  const VkMemoryBarrier all = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                               .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                               .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                                VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT};
  constexpr VkPipelineStageFlags kStages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  vkCmdPipelineBarrier(segments_[static_cast<std::size_t>(current_)].commands, kStages, kStages, 0, 1, &all, 0, nullptr,
                       0, nullptr);
  uses_.clear();
}

/// A barrier if what comes now meets what was written, or writes what was read, since the last one.
void Recording::use(std::span<const Use> uses) {
  const auto meets = [](const Use& a, const Use& b) {
    return a.buffer == b.buffer && a.from < b.to && b.from < a.to && (a.write || b.write);
  };
  const bool conflict = std::any_of(uses.begin(), uses.end(), [&](const Use& now) {
    return std::any_of(uses_.begin(), uses_.end(), [&](const Use& before) { return meets(now, before); });
  });
  if (conflict) barrier();
  uses_.insert(uses_.end(), uses.begin(), uses.end());
}

// --- steps ---

std::byte* Recording::slot(std::size_t dispatch) const {
  return device_.host(numbers_) + slot_bytes_ * static_cast<std::int64_t>(dispatch);
}

void Recording::write_numbers(const Shader& shader, std::int64_t groups, std::span<const std::int64_t> numbers) {
  const auto& most = device_.properties().limits.maxComputeWorkGroupCount;
  const std::int64_t x = std::min<std::int64_t>(groups, most[0]);
  const std::int64_t y = x == 0 ? 1 : (groups + x - 1) / x;
  if (y > most[1])
    fail(Reason::unsupported, shader.name, ": ", groups, " workgroups are more than ", device_.name(), " can count");
  const VkDispatchIndirectCommand grid = {static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y), 1};
  std::byte* const at = slot(dispatches_);
  std::memcpy(at, &grid, sizeof grid);
  auto* const to = reinterpret_cast<std::int32_t*>(at + numbers_at_);
  to[0] = static_cast<std::int32_t>(groups);
  for (std::size_t i = 0; i < numbers.size(); ++i) to[i + 1] = static_cast<std::int32_t>(numbers[i]);
}

VkDescriptorSet Recording::bind(const Shader& shader, std::span<const Place> buffers) {
  const VkDescriptorSetAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                                .descriptorPool = sets_,
                                                .descriptorSetCount = 1,
                                                .pSetLayouts = &pipelines_.get(shader).set};
  VkDescriptorSet set = VK_NULL_HANDLE;
  check(vkAllocateDescriptorSets(device_.handle(), &allocate, &set), "vkAllocateDescriptorSets");
  std::vector<VkDescriptorBufferInfo> infos;
  for (std::size_t i = 0; i < buffers.size(); ++i)
    if (const Place& p = buffers[i]; !is_addressed(shader.access[i]))
      infos.push_back({device_.buffer(p.buffer), static_cast<VkDeviceSize>(p.offset_bytes),
                       static_cast<VkDeviceSize>(p.size_bytes)});
  const auto numbers = static_cast<VkDeviceSize>(numbers_.offset_bytes) +
                       static_cast<VkDeviceSize>(slot_bytes_) * dispatches_ + static_cast<VkDeviceSize>(numbers_at_);
  infos.push_back({device_.buffer(numbers_.buffer), numbers, static_cast<VkDeviceSize>(slot_bytes_ - numbers_at_)});
  const VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                      .dstSet = set,
                                      .descriptorCount = static_cast<std::uint32_t>(infos.size()),
                                      .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                      .pBufferInfo = infos.data()};
  vkUpdateDescriptorSets(device_.handle(), 1, &write, 0, nullptr);
  return set;
}

void Recording::dispatch(const Shader& shader, std::int64_t groups, std::span<const Place> buffers,
                         std::span<const std::int64_t> numbers) {
  if (doing_ == Doing::measuring) {
    ++dispatches_;
    bindings_ += buffers.size() + 1;
    most_numbers_ = std::max(most_numbers_, numbers.size());
    pipelines_.get(shader);
    const auto most = device_.properties().limits.maxStorageBufferRange;
    for (std::size_t i = 0; i < buffers.size(); ++i)
      if (const std::int64_t size = buffers[i].size_bytes; size > std::int64_t{most} && !is_addressed(shader.access[i]))
        fail(Reason::unsupported, shader.name, " is bound to ", size, " bytes as one buffer, and ", device_.name(),
             " binds at most ", most, ": open with smaller sizes (--max-context, --dim NAME=N)");
    return;
  }
  for (const Place& p : buffers) fixed({p.buffer, p.offset_bytes, p.start});
  if (!stale_) write_numbers(shader, groups, numbers);
  if (doing_ == Doing::recording) {
    std::vector<Use> uses;
    for (std::size_t i = 0; i < buffers.size(); ++i)
      uses.push_back({buffers[i].buffer, buffers[i].offset_bytes, buffers[i].offset_bytes + buffers[i].size_bytes,
                      is_written(shader.access[i])});
    use(uses);
    const Pipelines::Pipeline& pipeline = pipelines_.get(shader);
    const VkDescriptorSet set = bind(shader, buffers);
    VkCommandBuffer commands = segments_[static_cast<std::size_t>(current_)].commands;
    // Written when all compute work before it is done.
    const auto stamp = [&](std::size_t behind) {
      if (queries_)
        vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, queries_,
                            static_cast<std::uint32_t>(2 * dispatches_ + behind));
    };
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.pipeline);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout, 0, 1, &set, 0, nullptr);
    if (const std::vector<std::byte> bytes = pushed(device_, shader, buffers); !bytes.empty())
      vkCmdPushConstants(commands, pipeline.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                         static_cast<std::uint32_t>(bytes.size()), bytes.data());
    stamp(0);
    const std::byte* const at = slot(dispatches_);
    VkDispatchIndirectCommand grid = {};
    std::memcpy(&grid, at, sizeof grid);
    if (varying_)
      vkCmdDispatchIndirect(
          commands, device_.buffer(numbers_.buffer),
          static_cast<VkDeviceSize>(numbers_.offset_bytes) + static_cast<VkDeviceSize>(slot_bytes_) * dispatches_);
    else
      vkCmdDispatch(commands, grid.x, grid.y, grid.z);
    stamp(1);
    names_.push_back(shader.name);
  }
  ++dispatches_;
}

void Recording::copy(const Place& from, const Place& to, std::int64_t elements) {
  if (doing_ == Doing::measuring) return;
  const auto at = [](const Place& p) { return p.offset_bytes + p.start * p.element_bytes; };
  // Between whole places all that fits is copied, so that steps of other sizes need no other command: what lies behind
  // the elements belongs to nobody.
  const bool whole = varying_ && from.start == 0 && to.start == 0;
  const std::int64_t size = whole ? std::min(from.size_bytes, to.size_bytes) : elements * to.element_bytes;
  fixed({from.buffer, at(from), to.buffer, at(to), size});
  if (doing_ == Doing::updating || size == 0) return;
  use({{from.buffer, at(from), at(from) + size, false}, {to.buffer, at(to), at(to) + size, true}});
  const VkBufferCopy region = {static_cast<VkDeviceSize>(at(from)), static_cast<VkDeviceSize>(at(to)),
                               static_cast<VkDeviceSize>(size)};
  vkCmdCopyBuffer(segments_[static_cast<std::size_t>(current_)].commands, device_.buffer(from.buffer),
                  device_.buffer(to.buffer), 1, &region);
}

void Recording::tap(int number, const Place& values, std::int64_t elements) {
  if (!look_ || doing_ == Doing::measuring) return;
  fixed({values.buffer, values.offset_bytes, values.start, elements});
  if (doing_ == Doing::updating) return;
  Segment& before = segments_[static_cast<std::size_t>(end())];
  before.tap = number;
  before.values = values;
  before.elements = elements;
  before.next = static_cast<int>(segments_.size());
  begin();
}

void Recording::branch(const Place& predicate, const std::function<void()>& then,
                       const std::function<void()>& otherwise) {
  const auto number = static_cast<int>(branches_++);
  Place flag = flags_;
  flag.start = 4 * number;
  copy(predicate, flag, 1);
  if (doing_ != Doing::recording) {
    then();
    otherwise();
    return;
  }
  const int before = end();
  const auto body = [&](const std::function<void()>& steps) {
    begin();
    const int first = current_;
    steps();
    end();
    return first;
  };
  const int first = body(then), second = body(otherwise);
  begin();
  Segment& s = segments_[static_cast<std::size_t>(before)];
  s.flag = number;
  s.then = first;
  s.otherwise = second;
  s.next = current_;
}

// --- a step ---

void Recording::run_from(int segment) {
  while (segment >= 0) {
    const Segment& s = segments_[static_cast<std::size_t>(segment)];
    device_.submit(s.commands);
    if (s.tap >= 0) look_at(s);
    if (s.flag >= 0) {
      Place flag = flags_;
      flag.start = 4 * s.flag;
      run_from(*device_.host(flag) != std::byte{0} ? s.then : s.otherwise);
    }
    segment = s.next;
  }
}

void Recording::look_at(const Segment& segment) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(segment.elements * segment.values.element_bytes));
  device_.read_back(segment.values, bytes);
  look_(segment.tap, bytes);
  const std::pair<Place, std::span<const std::byte>> changed = {segment.values, bytes};
  device_.upload({&changed, 1});
}

void Recording::run() {
  run_from(0);
  if (queries_) read_timestamps();
}

void Recording::read_timestamps() {
  struct Result {
    std::uint64_t ticks, available;
  };
  std::vector<Result> results(2 * all_dispatches_);
  const VkResult read = vkGetQueryPoolResults(device_.handle(), queries_, 0, static_cast<std::uint32_t>(results.size()),
                                              results.size() * sizeof(Result), results.data(), sizeof(Result),
                                              VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
  if (read != VK_NOT_READY) check(read, "vkGetQueryPoolResults");
  for (std::size_t d = 0; d < names_.size(); ++d) {
    const Result &from = results[2 * d], &to = results[2 * d + 1];
    if (from.available == 0 || to.available == 0) continue;  // in a branch that was not taken
    Timing& timing = timings_[names_[d]];
    ++timing.dispatches;
    timing.seconds += static_cast<double>((to.ticks - from.ticks) & device_.timestamp_mask()) * device_.timestamp_ns() * 1e-9;
  }
}

}  // namespace MODEL_NAME
