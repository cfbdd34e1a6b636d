// SPDX-License-Identifier: Apache-2.0
// What tokenizers beyond byte-level BPE must survive: hostile tables, endless words, bytes that are no text.
#include <catch2/catch.hpp>
#include <chrono>
#include <limits>

#include <fmt/format.h>

#include "lib/text/charsmap.h"
#include "lib/text/regex.h"
#include "tests/sanitizers.h"
#include "tests/text/oracle.h"

using namespace openinfer;
using namespace openinfer::test;
using Ids = std::vector<TokenId>;

namespace {

/// <unk>, all bytes, ▁, a, b, ab, ▁a, and "bab" that is unused.
TokenizerSpec spm() {
  TokenizerSpec spec;
  spec.model = "spm";
  spec.normalizer = "sentencepiece";
  spec.tokens = {"<unk>"};
  spec.token_types = {2};
  for (int byte = 0; byte < 256; ++byte) {
    spec.tokens.push_back(fmt::format("<0x{:02X}>", byte));
    spec.token_types.push_back(6);
  }
  for (const char* piece : {"▁", "a", "b", "ab", "▁a"}) {
    spec.tokens.push_back(piece);
    spec.token_types.push_back(1);
  }
  spec.scores.assign(spec.tokens.size(), -1);
  spec.unk = 0;
  spec.byte_fallback = spec.add_space_prefix = true;
  return spec;
}

TokenizerSpec bert() {
  TokenizerSpec spec;
  spec.model = "wordpiece";
  spec.normalizer = "bert";
  spec.continuing_prefix = "##";
  spec.tokens = {"[UNK]", "[CLS]", "[SEP]", "a", "##a", "e", "!"};
  spec.token_types = {3, 3, 3, 1, 1, 1, 1};
  spec.unk = 0, spec.cls = 1, spec.sep = 2;
  return spec;
}

TokenizerSpec with(TokenizerSpec spec, auto&& change) {
  change(spec);
  return spec;
}

std::string error_of(const TokenizerSpec& spec) {
  return message_of([&] { Tokenizer{spec}; });
}

std::string repeated(std::string_view unit, std::size_t size) {
  std::string out;
  while (out.size() < size) out += unit;
  return out;
}

/// A trie of one rule, "a" → `replacement`: units as Darts-clone packs them.
std::vector<std::uint8_t> one_rule(std::string_view replacement, std::uint32_t value = 0) {
  std::vector<std::uint32_t> units(256);
  units[0] = 1u << 10;                        // children at 1
  units[1 ^ 'a'] = 'a' | 1u << 8 | 2u << 10;  // "a", a leaf: its value at 2 beyond
  units[1 ^ 'a' ^ 2] = value | 1u << 31;
  std::vector<std::uint8_t> out;
  const auto put = [&](std::uint32_t unit) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(unit >> 8 * i));
  };
  put(static_cast<std::uint32_t>(4 * units.size()));
  for (const std::uint32_t unit : units) put(unit);
  out.insert(out.end(), replacement.begin(), replacement.end());
  return out;
}

}  // namespace

TEST_CASE("hostile tables of every model are errors that name what is wrong", "[tokenizer]") {
  CHECK(error_of(spm()).empty());
  CHECK(error_of(bert()).empty());
  CHECK(error_of(with(spm(), [](auto& s) { s.scores.clear(); })) == "[tokenizer] a spm model needs scores");
  for (const double score : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK(
        error_of(with(spm(), [&](auto& s) { s.scores[3] = score; })).starts_with("[tokenizer] token 3 has the score "));
  CHECK(error_of(with(spm(), [](auto& s) { s.tokens.back() = std::string(1025, 'x'); })) ==
        "[tokenizer] token 261 has 1025 bytes; at most 1024 are supported");
  CHECK(error_of(with(bert(), [](auto& s) { s.tokens.clear(), s.token_types.clear(); })) ==
        "[tokenizer] the vocabulary is empty");
  CHECK(error_of(with(bert(), [](auto& s) {
          s.single = {{9, 0}};
        })) == "[tokenizer] a template is id 9, but the vocabulary has 7 tokens");
  CHECK(error_of(with(bert(), [](auto& s) {
          s.single = {{-2, 0}};
        })) == "[tokenizer] a template has the id -2; texts are -1 and, of pairs, -2");
  for (const char* json : {"{\"type\":\"Odd\"}", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Odd\"}]}"})
    CHECK(error_of(with(bert(), [&](auto& s) {
            s.normalizer = json;
          })).starts_with("[tokenizer] unknown normalizer \"Odd\"; known: BertNormalizer, "));
  CHECK(error_of(with(bert(), [](auto& s) { s.normalizer = "{\"type\":\"Lower"; })) != "");
  CHECK(error_of(with(bert(), [](auto& s) { s.normalizer = "{\"type\":\"Strip\",\"strip_left\":1}"; })) ==
        "[tokenizer] the normalizer Strip has a \"strip_left\" that is not true or false");
  CHECK(error_of(with(bert(), [](auto& s) {
          s.pre = "custom", s.pre_json = "{\"type\":\"Odd\"}";
        })).starts_with("[tokenizer] unknown pre-tokenizer \"Odd\"; known: "));
  CHECK(error_of(with(bert(), [](auto& s) {
          s.decoder = "{\"type\":\"CTC\"}";
        })).starts_with("[tokenizer] unknown decoder \"CTC\"; known: "));
  CHECK(error_of(with(bert(), [](auto& s) {
          s.pre = "custom", s.pre_json = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"}";
        })).starts_with("[tokenizer] PCRE2 refuses the pattern \"(\": "));
}

TEST_CASE("charsmaps are checked and bounded", "[tokenizer]") {
  using text::CharsMap;
  const auto error = [](std::vector<std::uint8_t> blob) { return message_of([&] { CharsMap{blob}; }); };
  CHECK(error({1, 2, 3}) == "[tokenizer] the charsmap of 3 bytes says that its trie has 0");
  CHECK(error({8, 0, 0, 0, 1, 2, 3, 4}) == "[tokenizer] the charsmap of 8 bytes says that its trie has 8");
  CHECK(CharsMap(std::vector<std::uint8_t>()).empty());
  const auto ended = std::string_view("xy\0", 3);
  CHECK(CharsMap(one_rule(ended)).longest("ab")->replacement == "xy");
  CHECK(CharsMap(one_rule(ended)).longest("ab")->length == 1);
  CHECK_FALSE(CharsMap(one_rule(ended)).longest("b"));
  CHECK_FALSE(CharsMap(one_rule(ended)).longest(""));
  CHECK(message_of([&] { CharsMap(one_rule(ended, 77)).longest("a"); }) ==
        "[tokenizer] the charsmap's replacement at 77 has 0 bytes; it has 3 in all, a replacement at most 512");
  const std::string huge(4000, 'x');
  CHECK(message_of([&] { CharsMap(one_rule(huge)).longest("a"); }).find("has 4000 bytes") != std::string::npos);
  // Every unit leads to every other: a walk is as long as the text, and no longer than a rule may be.
  std::vector<std::uint8_t> loop = {0, 4, 0, 0};
  for (int i = 0; i < 256; ++i) loop.insert(loop.end(), {static_cast<std::uint8_t>(i), 1, 0, 0});
  loop.push_back(0);
  const CharsMap looping(loop);
  CHECK(message_of([&] {
          looping.longest(repeated("a", 100'000));
        }).starts_with("[tokenizer] the charsmap's replacement"));
}

TEST_CASE("user-defined and unused pieces, bytes and unknowns of SentencePiece", "[tokenizer]") {
  const Tokenizer tokenizer(spm());
  CHECK(tokenizer.encode("ab") == Ids{261, 259});  // ▁a and b: equal scores, the leftmost first
  CHECK(tokenizer.encode("é") == Ids{257, 1 + 0xC3, 1 + 0xA9});
  CHECK(tokenizer.encode("\xFF") == Ids{257, 1 + 0xEF, 1 + 0xBF, 1 + 0xBD});
  CHECK(tokenizer.encode("").empty());
  CHECK(tokenizer.decode(tokenizer.encode("a é  b")) == "a é  b");
  const Tokenizer without(with(spm(), [](auto& s) { s.byte_fallback = false; }));
  CHECK(without.encode("éé漢a") == Ids{257, 0, 258});
  const Tokenizer mute(with(spm(), [](auto& s) { s.byte_fallback = false, s.unk.reset(); }));
  CHECK(mute.encode("éa") == Ids{257, 258});
}

TEST_CASE("a stream of byte tokens gives whole characters, and one U+FFFD for each wrong byte", "[tokenizer]") {
  const Tokenizer tokenizer(spm());
  StreamDecoder stream(tokenizer);
  CHECK(stream.push(1 + 0xF0).empty());
  CHECK(stream.push(1 + 0x9F).empty());
  CHECK(stream.push(1 + 0x98).empty());
  CHECK(stream.push(1 + 0x80) == "😀");
  CHECK(stream.push(1 + 0xE2).empty());
  CHECK(stream.push(1 + 0x82).empty());
  CHECK(stream.push(258) == "\uFFFD\uFFFDa");
  CHECK(stream.push(261) == " a");
  CHECK(stream.push(1 + 0xC3).empty());
  CHECK(stream.finish() == "\uFFFD");
  CHECK(stream.push(261) == "a");  // a new text
}

TEST_CASE("max_tokens counts what is around the texts", "[tokenizer]") {
  const Tokenizer tokenizer(bert());
  const auto options = [](std::size_t max, EncodeOptions::Truncate truncate = EncodeOptions::Truncate::longest_first) {
    return EncodeOptions{.max_tokens = max, .truncate = truncate};
  };
  CHECK(tokenizer.encode_texts("a!a", "!!", options(6)).ids == Ids{1, 3, 6, 2, 6, 2});
  CHECK(tokenizer.encode_texts("a!a", "!!", options(6)).types == std::vector<std::int32_t>{0, 0, 0, 0, 1, 1});
  CHECK(tokenizer.encode_texts("a!a", "!!", options(100)).ids == Ids{1, 3, 6, 3, 2, 6, 6, 2});
  CHECK(tokenizer.encode_texts("a!a", "!!", options(3)).ids == Ids{1, 2, 2});
  CHECK(message_of([&] { tokenizer.encode_texts("a", "a", options(2)); }) ==
        "[tokenizer] max_tokens is 2, but 3 tokens go around the texts");
  CHECK(message_of([&] { tokenizer.encode_texts("aaa", "! ! ! !", options(6, EncodeOptions::Truncate::first)); }) ==
        "[tokenizer] the text that may not be cut has 4 tokens, max_tokens leaves room for 3");
  CHECK(tokenizer.encode_texts("! ! !", "a", options(6, EncodeOptions::Truncate::first)).ids == Ids{1, 6, 6, 2, 3, 2});
}

TEST_CASE("words without end take no quadratic time, whatever the model", "[tokenizer]") {
  const auto corpus = oracle("hf.json"), native = oracle("spm.json");
  const auto start = std::chrono::steady_clock::now();
  const auto check = [&](const std::string& name, const nlohmann::ordered_json& row, bool bytes) {
    INFO(name);
    const Tokenizer tokenizer(spec_of(row["section"]));
    for (const std::string_view unit : {"a", "\u0301", "é", "漢", "\u2581", " ", "ab cd", "\xFF", "0", "\n"}) {
      const auto ids = tokenizer.encode(repeated(unit, 100'000 / (kFewer * kFewer)), {.add_special = false});
      if (bytes && unit == "é") CHECK(tokenizer.decode(ids, true).find("é") != std::string::npos);
    }
  };
  for (const auto& [name, row] : corpus.items()) check(name, row, false);
  for (const auto& [name, row] : native.items()) check(name, row, row["section"].value("byte_fallback", false));
  // One long word where nothing cuts it, of a megabyte in a release build.
  constexpr std::size_t length = (1 << 20) / kFewer;
  const Tokenizer spm(spec_of(native["llama"]["section"]));
  CHECK(spm.decode(spm.encode(repeated("the", length))).size() >= length);
  // About 4 s of processor time in a release build; quadratic time would be hours. Room for sanitizers.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(240));
}

TEST_CASE("patterns of strangers are refused where they take too long", "[tokenizer]") {
  auto spec = bert();
  spec.pre = "custom";
  spec.pre_json = R"({"type":"Split","pattern":{"Regex":"(a|aa)+c"},"behavior":"Isolated","invert":false})";
  const Tokenizer tokenizer(spec);
  const std::string message = message_of([&] { tokenizer.encode(std::string(4998, 'a') + "bc"); });
  CHECK(message.starts_with("[tokenizer] a pattern takes too long at byte 0 of 5000"));
}

TEST_CASE("a pattern that calls itself where it stands is not said to take too long", "[tokenizer]") {
  auto spec = bert();
  spec.pre = "custom";
  spec.pre_json = R"j({"type":"Split","pattern":{"Regex":"(?<n>\\g<n>b|a)"},"behavior":"Isolated","invert":false})j";
  const Tokenizer tokenizer(spec);
  const std::string message = message_of([&] { tokenizer.encode("xyz"); });
  CHECK(message.starts_with("[tokenizer] a pattern cannot be searched for at byte 0 of 3: PCRE2 says "));
}

TEST_CASE("classes of patterns are those of the library, in brackets and out of them", "[tokenizer]") {
  using text::expand_classes;
  CHECK(expand_classes("a[^b\\]]c\\n") == "a[^b\\]]c\\n");
  CHECK(expand_classes("[a[.,]b]") == "[a.,b]");
  CHECK(expand_classes("[]a]") == "[]a]");
  CHECK(expand_classes("\\p{L}").starts_with("[A-Za-z\\p{L}\\x{1c89}"));
  CHECK(expand_classes("\\P{L}").starts_with("[^A-Za-z"));
  CHECK(expand_classes("[\\p{N}_]").starts_with("[0-9\\p{N}"));
  CHECK(expand_classes("\\p{Greek}\\") == "\\p{Greek}\\");
  CHECK(message_of([] { expand_classes("[a&&b]"); }).find("&& within a class") != std::string::npos);
  CHECK(message_of([] { expand_classes("[a[^b]]"); }).find("a negated class within a class") != std::string::npos);
}
