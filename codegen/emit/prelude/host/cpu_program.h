// A program whose kernels run on this CPU: tensors in place in the mapped package, or laid out anew where kernels read
// them otherwise (laid_out.h), states and values in plain memory, a pool of threads. model.cpp derives from it and adds
// the steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "laid_out.h"
#include "program.h"
#include "read_ahead.h"
#include "thread_pool.h"

namespace MODEL_NAME {

class CpuProgram : public Program {
 public:
  CpuProgram(const Description& description, const std::string& package, const Options& options);

 protected:
  /// Before a step: to places of their own, once. True where they have just moved, and are to be placed again.
  bool move_small_weights();
  /// Pointers to the members of a family, last {} fastest.
  template <class T, std::size_t count>
  void place(std::size_t family, const T* (&members)[count]) {
    for (std::size_t i = 0; i < count; ++i) members[i] = as<T>(tensors[family][i].data());
  }
  template <class T>
  void place(std::size_t family, const T*& tensor) {
    tensor = as<T>(tensors[family][0].data());
  }
  template <class T>
  T* new_state(std::int64_t count) {
    return reinterpret_cast<T*>(take_state(count * static_cast<std::int64_t>(sizeof(T))));
  }
  /// A place in the arena.
  template <class T>
  T* scratch(std::int64_t offset_bytes) const {
    return reinterpret_cast<T*>(arena_.data() + offset_bytes);
  }
  /// As pool.run, for a dispatch whose workgroups read parts of weights that may not be laid out yet:
  /// f(panels, group).
  template <class F, std::size_t count>
  void with_panels(std::int64_t parts, const PanelParts (&weights)[count], std::int64_t groups, const F& f) {
    laid_out_.run(parts, weights, groups, &f, [](const void* function, const Panels& panels, int group) {
      (*static_cast<const F*>(function))(panels, group);
    });
  }
  /// Lays out the rows of a table that these ids name, if it is not laid out yet; until forget().
  template <class T, class Id>
  void look_up(const T* table, const Id* ids, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) laid_out_.look_up(table, ids[i]);
  }
  template <class T>
  void forget(const T* table) {
    laid_out_.forget(table);
  }
  void clear_states() override;

  ThreadPool pool;

 private:
  template <class T>
  static const T* as(const std::byte* bytes) {
    return static_cast<const T*>(static_cast<const void*>(bytes));
  }
  std::byte* take_state(std::int64_t size_bytes);  // zero
  std::vector<ReadAhead::Place> mapped_weights() const;
  std::vector<LaidOut::Tensor> other_layouts();
  std::vector<std::span<const std::byte>*> small_weights();

  std::vector<Memory> states_;
  Memory arena_;
  std::vector<std::size_t> laid_out_as_;  // number of each of `relaid`, of which several may be one tensor
  std::vector<std::span<const std::byte>*> small_weights_;  // of `tensors`
  std::optional<Memory> small_;                             // where they go
  bool moved_ = false;
  ReadAhead read_ahead_;  // of the package, which outlives it
  LaidOut laid_out_;
};

}  // namespace MODEL_NAME
