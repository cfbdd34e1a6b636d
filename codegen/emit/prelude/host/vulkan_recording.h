// The steps of an entry point as Vulkan commands: recorded once and replayed, one submission a step. Where sizes differ
// from step to step, grids are read from memory, and so is every number that kernels get: only those are rewritten.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>

#include "model.h"
#include "vulkan_device.h"

namespace MODEL_NAME {

/// A kernel: its shader, and how a host binds it.
struct Shader {
  std::string_view name;
  std::span<const std::uint32_t> spirv;
  std::uint32_t lanes, subgroups;  // of a subgroup, of a workgroup
  std::string_view access;         // of each buffer: 'r' read, 'w' written, 'b' both; capital: reached by its address
};
inline bool is_addressed(char access) { return access >= 'A' && access <= 'Z'; }
inline bool is_written(char access) { return access != 'r' && access != 'R'; }
/// What is pushed: addresses, 8 bytes each, then the starts of the other buffers, 4 bytes each.
std::uint32_t pushed_bytes(const Shader& shader);

/// Shaders compiled by the driver, and kept on disk for the next time.
class Pipelines {
 public:
  explicit Pipelines(VulkanDevice& device);
  ~Pipelines();
  Pipelines(const Pipelines&) = delete;
  Pipelines& operator=(const Pipelines&) = delete;

  struct Pipeline {
    VkDescriptorSetLayout set = VK_NULL_HANDLE;
    VkPipelineLayout layout = VK_NULL_HANDLE;
    VkPipeline pipeline = VK_NULL_HANDLE;
  };
  const Pipeline& get(const Shader& shader);
  /// Writes the driver's code to the user's cache; what fails is left for the next time.
  void keep() const;

 private:
  void make(const Shader& shader, Pipeline& p);

  VulkanDevice& device_;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  std::size_t loaded_bytes_ = 0;
  std::map<const Shader*, Pipeline> all_;
};

class Recording {
 public:
  using Steps = std::function<void(Recording&)>;

  /// Looks at a value behind the kernel that made it, and may change it.
  using Look = std::function<void(int tap, std::span<std::byte> values)>;

  /// `varying`: sizes differ from step to step. `timed`: with timestamps, where the device has them. With `look`, each
  /// tap() of the steps ends a submission.
  Recording(VulkanDevice& device, Pipelines& pipelines, bool varying, bool timed, Look look = {});
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// Learns how much there is to record, and reserves memory for its numbers; VulkanDevice::allocate() comes next.
  void measure(const Steps& steps);
  void record(const Steps& steps);
  /// Rewrites the numbers, for sizes that are not those of the last time.
  void update(const Steps& steps);
  void run();
  const std::map<std::string_view, Timing>& timings() const { return timings_; }
  /// Once, and again for each step that changed an offset or a copy.
  int times_recorded() const { return times_recorded_; }

  // What steps call.

  /// Workgroups of a kernel, its buffers and numbers in its own order.
  void dispatch(const Shader& shader, std::int64_t groups, std::span<const Place> buffers,
                std::span<const std::int64_t> numbers);
  void dispatch(const Shader& shader, std::int64_t groups, std::initializer_list<Place> buffers,
                std::initializer_list<std::int64_t> numbers) {
    dispatch(shader, groups, std::span(buffers.begin(), buffers.size()), std::span(numbers.begin(), numbers.size()));
  }
  void copy(const Place& from, const Place& to, std::int64_t elements);
  /// A value that was just made, if the steps are looked at.
  void tap(int number, const Place& values, std::int64_t elements);
  /// Runs one of the two, by a bool on the device: the host looks at it between two submissions.
  void branch(const Place& predicate, const std::function<void()>& then, const std::function<void()>& otherwise);

 private:
  enum class Doing { measuring, recording, updating };
  /// Commands up to a branch, a look, or the end.
  struct Segment {
    VkCommandBuffer commands = VK_NULL_HANDLE;
    int tap = -1;  // of the look behind it
    Place values = {};
    std::int64_t elements = 0;
    int flag = -1;  // of the branch behind it
    int then = -1, otherwise = -1, next = -1;
  };
  struct Use {
    int buffer;
    std::int64_t from, to;
    bool write;
  };

  void begin();
  int end();
  void barrier();
  void use(std::initializer_list<Use> uses) { use(std::span(uses.begin(), uses.size())); }
  void use(std::span<const Use> uses);
  void fixed(std::initializer_list<std::int64_t> numbers);
  void write_numbers(const Shader& shader, std::int64_t groups, std::span<const std::int64_t> numbers);
  VkDescriptorSet bind(const Shader& shader, std::span<const Place> buffers);
  void run_from(int segment);
  void look_at(const Segment& segment);
  void read_timestamps();
  std::byte* slot(std::size_t dispatch) const;
  void reset();

  VulkanDevice& device_;
  Pipelines& pipelines_;
  bool varying_, timed_;
  Look look_;
  Doing doing_ = Doing::measuring;
  // Counts: of everything when measured, of what is behind us otherwise.
  std::size_t dispatches_ = 0, branches_ = 0;
  std::size_t bindings_ = 0, most_numbers_ = 0, all_dispatches_ = 0;
  std::int64_t slot_bytes_ = 0, numbers_at_ = 0;
  Place numbers_, flags_;
  std::vector<std::int64_t> fixed_;  // what an update cannot change, in order
  std::size_t fixed_seen_ = 0;
  bool stale_ = false, recorded_ = false;
  int times_recorded_ = 0;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
  VkQueryPool queries_ = VK_NULL_HANDLE;
  std::vector<Segment> segments_;
  int current_ = -1;
  std::vector<Use> uses_;  // since the last barrier
  std::vector<std::string_view> names_;
  std::map<std::string_view, Timing> timings_;
};

}  // namespace MODEL_NAME
