// SPDX-License-Identifier: Apache-2.0
// Any text either gives an Error that is not internal, or a graph that prints, parses and prints the same.
#include <openinfer/graph.h>
#include <openinfer/op_def.h>

#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace openinfer;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string once;
  try {
    once = to_text(parse_graph(text, "fuzz.oig"));
  } catch (const Error& e) {
    if (e.code() == ErrorCode::internal) std::abort();
    return 0;
  }
  if (to_text(parse_graph(once, "again.oig")) != once) std::abort();
  return 0;
}
