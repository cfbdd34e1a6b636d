// SPDX-License-Identifier: Apache-2.0
// A template, a zero byte, and its variables as JSON (left out: a short conversation): text within the limits, or an
// Error that is not internal.
#include <openinfer/text.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace openinfer;
  constexpr ChatLimits kLimits = {.output_bytes = 1 << 16, .work = 1 << 18};
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto end = std::min(input.find('\0'), size);
  const auto variables = input.substr(std::min(end + 1, size));
  try {
    const ChatTemplate chat(input.substr(0, end), kLimits);
    const std::vector<ChatMessage> messages = {
        {.role = "system", .content = "Be brief"}, {.role = "user", .content = " Why?\n"}, {.role = "assistant"}};
    const auto now = std::chrono::system_clock::from_time_t(0);
    const auto text =
        variables.empty() ? chat.apply(messages, {.bos_token = "<s>", .now = now}) : chat.render(variables, now);
    if (text.size() > kLimits.output_bytes) std::abort();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) std::abort();
  }
  return 0;
}
