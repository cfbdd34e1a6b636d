// A program whose kernels run on this CPU: tensors in place in the mapped package, or laid out anew where kernels read
// them otherwise, states and values in plain memory, a pool of threads. model.cpp derives from it and adds the steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "program.h"
#include "thread_pool.h"

namespace MODEL_NAME {

class CpuProgram : public Program {
 public:
  CpuProgram(const Description& description, const std::string& package, const Options& options);

 protected:
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
  void clear_states() override;

  ThreadPool pool;

 private:
  template <class T>
  static const T* as(const std::byte* bytes) {
    return static_cast<const T*>(static_cast<const void*>(bytes));
  }
  std::byte* take_state(std::int64_t size_bytes);  // zero
  std::size_t first_of(std::size_t number) const;
  std::int64_t relaid_bytes() const;
  void lay_out_all();
  void lay_out_one(const Relaid& what, std::byte* to);

  std::vector<Memory> states_;
  Memory arena_;
  Memory relaid_;  // tensors one behind the other
};

}  // namespace MODEL_NAME
