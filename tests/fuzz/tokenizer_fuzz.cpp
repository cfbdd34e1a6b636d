// SPDX-License-Identifier: Apache-2.0
// A package whose tokenizer section may hold anything, then up to 128 bytes of text and the text's length: the
// tokenizer opens or is an Error that is not internal, and an open one encodes any bytes to ids that it decodes.
#include <openinfer/model.h>
#include <openinfer/text.h>

#include <algorithm>
#include <cstdlib>

#include "tests/fuzz/package_input.h"

namespace {

using namespace openinfer;

void use(const Tokenizer& tokenizer, std::string_view text) {
  for (const bool parse_special : {true, false}) {
    const auto ids = tokenizer.encode(text, {.parse_special = parse_special});
    if (std::any_of(ids.begin(), ids.end(),
                    [&](TokenId id) { return id < 0 || static_cast<std::size_t>(id) >= tokenizer.vocab_size(); }))
      std::abort();
    std::string streamed;
    StreamDecoder decoder(tokenizer, false);
    for (const TokenId id : ids) streamed += decoder.push(id);
    if (streamed + decoder.finish() != tokenizer.decode(ids)) std::abort();
    tokenizer.decode_bytes(ids, true);
  }
  for (std::size_t id = 0; id < tokenizer.vocab_size(); ++id) tokenizer.piece(static_cast<TokenId>(id));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t length = std::min<std::size_t>(data[size - 1] & 127, size - 1);
  const std::string_view text(reinterpret_cast<const char*>(data) + size - 1 - length, length);
  const auto package = fuzz::repaired({data, size - 1 - length});
  if (!package) return 0;
  const fuzz::MemoryFile file(*package);
  try {
    use(Tokenizer(tokenizer_spec(ModelLoader::open(file.path()))), text);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) std::abort();
  }
  return 0;
}
