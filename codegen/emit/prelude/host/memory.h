// Host memory by the page, and how errors are put together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "model.h"

namespace MODEL_NAME {

/// Throws an Error of these texts and numbers.
template <class... Parts>
[[noreturn]] void fail(Reason reason, const Parts&... parts) {
  std::string message;
  const auto add = [&](const auto& part) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(part)>>)
      message += std::to_string(part);
    else
      message += part;
  };
  (add(parts), ...);
  throw Error(message, reason);
}
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  fail(Reason::request, parts...);
}

/// Pages that are zero until they are written.
class Memory {
 public:
  explicit Memory(std::int64_t size_bytes);
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&&) = delete;
  ~Memory();
  std::byte* data() const { return data_; }
  std::int64_t size_bytes() const { return size_bytes_; }
  void clear();

 private:
  std::byte* data_ = nullptr;
  std::int64_t size_bytes_ = 0;
};

}  // namespace MODEL_NAME
