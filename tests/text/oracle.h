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

inline std::vector<std::uint8_t> from_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::uint8_t> out;
  std::uint32_t bits = 0, count = 0;
  for (const char c : text.substr(0, text.find('='))) {
    bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
    if ((count += 6) >= 8) out.push_back(static_cast<std::uint8_t>(bits >> (count -= 8)));
  }
  return out;
}

/// A tokenizer section as the converter makes it, written as JSON.
inline TokenizerSpec spec_of(const nlohmann::ordered_json& section) {
  static const auto maps = oracle("charsmaps.json");
  TokenizerSpec spec;
  const auto read = [&](const char* key, auto& to) {
    if (section.contains(key)) section[key].get_to(to);
  };
  const auto id = [&](const char* key, std::optional<TokenId>& to) {
    if (section.contains(key)) to = section[key].get<TokenId>();
  };
  read("model", spec.model), read("pre", spec.pre), read("pre_json", spec.pre_json), read("tokens", spec.tokens);
  read("token_types", spec.token_types), read("scores", spec.scores), read("merges", spec.merges);
  read("normalizer", spec.normalizer), read("decoder", spec.decoder), read("eos_ids", spec.eos_ids);
  read("add_bos", spec.add_bos), read("add_eos", spec.add_eos), read("add_space_prefix", spec.add_space_prefix);
  read("byte_fallback", spec.byte_fallback), read("fuse_unk", spec.fuse_unk);
  if (section.contains("ignore_merges")) spec.ignore_merges = section["ignore_merges"].get<bool>();
  if (spec.model == "wordpiece") spec.continuing_prefix = "##";
  read("continuing_prefix", spec.continuing_prefix), read("word_suffix", spec.word_suffix);
  read("max_word_chars", spec.max_word_chars), read("remove_extra_whitespaces", spec.remove_extra_whitespaces);
  read("escape_whitespaces", spec.escape_whitespaces), read("whitespace_suffix", spec.whitespace_suffix);
  id("bos_id", spec.bos), id("eos_id", spec.eos), id("unk_id", spec.unk), id("pad_id", spec.pad);
  id("sep_id", spec.sep), id("cls_id", spec.cls);
  if (section.contains("charsmap"))
    spec.charsmap = from_base64(maps[section["charsmap"].get<std::string>()].get<std::string>());
  for (const auto& [key, to] : {std::pair("template_single", &spec.single), std::pair("template_pair", &spec.pair)})
    for (std::size_t i = 0; section.contains(key) && i < section[key].size(); ++i)
      to->push_back({section[key][i].get<TokenId>(), section[std::string(key) + "_types"][i].get<std::int32_t>()});
  for (std::size_t i = 0; section.contains("added_ids") && i < section["added_ids"].size(); ++i)
    spec.added.push_back({.id = section["added_ids"][i].get<TokenId>(),
                          .lstrip = section["added_lstrip"][i].get<bool>(),
                          .rstrip = section["added_rstrip"][i].get<bool>(),
                          .single_word = section["added_single_word"][i].get<bool>(),
                          .normalized = section["added_normalized"][i].get<bool>()});
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
