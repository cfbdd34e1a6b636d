// Host memory by the page, and how errors are put together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "model.h"

namespace MODEL_NAME {

/// A piece of a message: text, or a whole number.
class Part {
 public:
  Part(std::string_view text) : text_(text) {}
  Part(const std::string& text) : text_(text) {}
  Part(const char* text) : text_(text) {}
  template <class T>
  requires std::is_integral_v<T> Part(T number) : number_(static_cast<std::int64_t>(number)), is_number_(true) {}
  std::string text() const { return is_number_ ? std::to_string(number_) : std::string(text_); }

 private:
  std::string_view text_;
  std::int64_t number_ = 0;
  bool is_number_ = false;
};
[[noreturn]] inline void fail_with(Reason reason, std::initializer_list<Part> parts) {
  std::string message;
  for (const Part& part : parts) message += part.text();
  throw Error(message, reason);
}
/// Throws an Error of these texts and numbers.
template <class... Parts>
[[noreturn]] void fail(Reason reason, const Parts&... parts) {
  fail_with(reason, {Part(parts)...});
}
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  fail_with(Reason::request, {Part(parts)...});
}

/// Pages that are zero until they are written.
class Memory {
 public:
  /// Errors: Error that ends in `remedy`.
  explicit Memory(std::int64_t size_bytes, std::string_view remedy = "open with smaller sizes (--max-context)");
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
