// A program whose kernels run on a Vulkan device: tensors and states in its memory, each entry point recorded once.
// model.cpp derives from it and adds the steps.
#pragma once

#include <memory>

#include "program.h"
#include "vulkan_recording.h"

namespace MODEL_NAME {

class VulkanProgram : public Program {
 public:
  VulkanProgram(const Description& description, const DeviceNeeds& needs, const std::string& package,
                const Options& options, Recording::Look look = {});

 protected:
  /// The steps of an entry point for the sizes of now, given to a recording.
  virtual void steps(std::size_t entry, Recording& r) = 0;

  // What the constructor of the class derived from this one calls, ready() last.

  /// Places of the members of a family, last {} fastest, which ready() will upload.
  template <std::size_t count>
  void place(std::size_t family, int element_bytes, Place (&members)[count]) {
    for (std::size_t i = 0; i < count; ++i) members[i] = tensor(tensors[family][i], element_bytes);
  }
  void place(std::size_t family, int element_bytes, Place& member) {
    member = tensor(tensors[family][0], element_bytes);
  }
  template <class T, std::size_t count>
  Place constant(const T (&elements)[count]) {
    return tensor(std::as_bytes(std::span(elements)), sizeof(T));
  }
  Place new_state(std::int64_t count, int element_bytes);
  void ready();

  // What steps call.

  Place input(std::size_t number) const { return inputs_[number]; }
  Place output(std::size_t number) const { return outputs_[number]; }
  Place scratch(std::int64_t offset_bytes, std::int64_t size_bytes, int element_bytes) const {
    return {arena_.buffer, arena_.offset_bytes + offset_bytes, size_bytes, 0, element_bytes};
  }

  void run(std::size_t entry, const Input* const* in, void* const* out) final;
  void clear_states() final { device_.clear(states_); }
  std::map<std::string, Timing> timings() const final;

 private:
  struct EntryCommands {
    std::unique_ptr<Recording> recording;
    std::vector<std::int64_t> sizes;  // that its numbers are of
  };
  using Upload = std::pair<Place, std::span<const std::byte>>;
  Place tensor(std::span<const std::byte> bytes, int element_bytes);
  void upload_all();
  std::vector<Place> reserve_all(const std::vector<Tensor>& tensors);

  const Options options_;
  const Recording::Look look_;
  VulkanDevice device_;
  Pipelines pipelines_;
  std::vector<EntryCommands> entries_;
  std::vector<Upload> uploads_;
  std::vector<Place> states_, inputs_, outputs_;
  Place arena_;
};

}  // namespace MODEL_NAME
