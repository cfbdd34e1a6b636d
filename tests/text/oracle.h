// SPDX-License-Identifier: Apache-2.0
// The oracle data of scripts/make_text_oracle.py and the tokenizer it was made with.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "openinfer/text.h"
#include "tests/source_path.h"

namespace openinfer::test {

inline nlohmann::ordered_json oracle(const std::string& name) {
  std::ifstream file(openinfer::testing::source_path("tests/text/oracle/" + name));
  INFO(name);
  REQUIRE(file);
  return nlohmann::ordered_json::parse(file);
}

/// About 1,500 tokens trained on the corpus; lacks bytes 04 06 13 C0 F5 F6.
inline TokenizerSpec small_spec(std::string pre) {
  static const auto data = oracle("small_vocab.json");
  TokenizerSpec spec;
  spec.pre = std::move(pre);
  data["tokens"].get_to(spec.tokens);
  data["types"].get_to(spec.token_types);
  data["merges"].get_to(spec.merges);
  spec.bos = 1;
  spec.eos = 2;
  return spec;
}

/// The message of the Error that `run` throws; empty if it throws none.
template <class Run>
std::string message_of(Run&& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.message();
  }
  return {};
}

}  // namespace openinfer::test
