// SPDX-License-Identifier: Apache-2.0
// Specs and texts that a tokenizer must survive.
#include <catch2/catch.hpp>
#include <chrono>
#include <set>

#include "lib/text/pretokenizer.h"
#include "lib/text/utf8.h"
#include "tests/sanitizers.h"
#include "tests/text/oracle.h"

using namespace openinfer;
using namespace openinfer::test;
using Ids = std::vector<TokenId>;

namespace {

std::string build_error(const TokenizerSpec& spec) {
  return message_of([&] { Tokenizer{spec}; });
}

/// a, b, ab, abb … with the merges that make them.
TokenizerSpec tiny() {
  TokenizerSpec spec;
  spec.pre = "gpt2";
  spec.tokens = {"a", "b", "ab", "Ġ", "Ġa", "<|end|>"};
  spec.token_types = {1, 1, 1, 1, 1, 3};
  spec.merges = {"a b", "Ġ a"};
  spec.unk = 5;
  return spec;
}

std::vector<std::string> words(const text::PreTokenizer& pre, std::string_view text) {
  std::vector<std::string> out;
  text::Call call(text.size());
  pre.split(text, true, call, [&](std::string_view word) { out.emplace_back(word); });
  return out;
}

std::string code_point(std::uint32_t c) {
  std::string out;
  text::append_utf8(out, c);
  return out;
}

std::set<std::uint32_t> points(const nlohmann::ordered_json& ranges) {
  std::set<std::uint32_t> out;
  for (const auto& range : ranges)
    for (std::uint32_t c = range[0]; c <= range[1].get<std::uint32_t>(); ++c) out.insert(c);
  return out;
}

}  // namespace

TEST_CASE("hostile specs are errors that name what is wrong", "[tokenizer]") {
  const auto with = [](auto&& change) {
    auto spec = tiny();
    change(spec);
    return build_error(spec);
  };
  CHECK(with([](auto&) {}).empty());
  CHECK(with([](auto& s) { s.tokens.clear(), s.token_types.clear(); }) == "[tokenizer] the vocabulary is empty");
  CHECK(with([](auto& s) { s.tokens[1] = "a"; }) == "[tokenizer] tokens 0 and 1 are both \"a\"");
  CHECK(with([](auto& s) { s.token_types.pop_back(); }) == "[tokenizer] 5 token types for 6 tokens");
  CHECK(with([](auto& s) { s.token_types[2] = 9; }) == "[tokenizer] token 2 has type 9; types are 1 to 6");
  CHECK(with([](auto& s) { s.token_types[2] = -1; }) == "[tokenizer] token 2 has type -1; types are 1 to 6");
  CHECK(with([](auto& s) { s.scores = {1, 2}; }) == "[tokenizer] 2 scores for 6 tokens");
  CHECK(with([](auto& s) { s.merges[1] = "a z"; }) ==
        "[tokenizer] merge 1 (\"a z\") needs \"z\", which is not in the vocabulary");
  CHECK(with([](auto& s) { s.merges[1] = "b a"; }) ==
        "[tokenizer] merge 1 (\"b a\") needs \"ba\", which is not in the vocabulary");
  for (const std::string merge : {"", " ", "a", "a ", " a", "ab"}) {
    INFO(merge);
    CHECK(with([&](auto& s) {
            s.merges[0] = merge;
          }).starts_with("[tokenizer] merge 0 (\"" + merge + "\") is not two pieces"));
  }
  CHECK(with([](auto& s) { s.bos = 6; }) == "[tokenizer] bos is id 6, but the vocabulary has 6 tokens");
  CHECK(with([](auto& s) { s.eos = -1; }) == "[tokenizer] eos is id -1, but the vocabulary has 6 tokens");
  CHECK(with([](auto& s) { s.eos_ids = {0, 77}; }) == "[tokenizer] eos is id 77, but the vocabulary has 6 tokens");
  CHECK(with([](auto& s) { s.added = {{.id = 99}}; }) ==
        "[tokenizer] an added token is id 99, but the vocabulary has 6 tokens");
  CHECK(with([](auto& s) { s.add_bos = true; }) == "[tokenizer] add_bos is set, but there is no bos id");
  CHECK(with([](auto& s) { s.add_eos = true; }) == "[tokenizer] add_eos is set, but there is no eos id");
  CHECK(with([](auto& s) { s.tokens[5] = std::string(513, 'x'); }) ==
        "[tokenizer] added token 5 has 513 bytes; at most 512 are supported");
  CHECK(with([](auto& s) { s.model = "llama"; }) ==
        "[tokenizer] unknown model \"llama\"; known: bpe, spm, unigram, wordpiece, wordlevel");
  CHECK(with([](auto& s) {
          s.normalizer = "nfx";
        }).starts_with("[tokenizer] unknown normalizer \"nfx\"; known: none, nfc, nfd,"));
  const std::string unknown = with([](auto& s) { s.pre = "made-up"; });
  CHECK(unknown.starts_with("[tokenizer] unknown pre-tokenizer \"made-up\"; known: "));
  for (const std::string name : {"smollm", "gpt2", "llama-bpe", "qwen2"})
    CHECK(unknown.find(name) != std::string::npos);
  // Tokens that are not UTF-8, or empty, are kept as they are and never come out of a text.
  CHECK(with([](auto& s) { s.tokens[3] = "\xFF\xFE", s.tokens[4] = "", s.merges.pop_back(); }).empty());
}

TEST_CASE("ids outside of the vocabulary are refused by name", "[tokenizer]") {
  const Tokenizer tokenizer(tiny());
  CHECK(message_of([&] { tokenizer.decode(Ids{0, 6}); }) == "[tokenizer] id 6 is not in the vocabulary of 6 tokens");
  CHECK(message_of([&] { tokenizer.piece(-1); }) == "[tokenizer] id -1 is not in the vocabulary of 6 tokens");
  CHECK(message_of([&] { StreamDecoder(tokenizer).push(1000); }) ==
        "[tokenizer] id 1000 is not in the vocabulary of 6 tokens");
  CHECK(tokenizer.find("Ġa") == 4);
  CHECK_FALSE(tokenizer.find("zzz"));
  CHECK(tokenizer.is_control(5));
  CHECK_FALSE(tokenizer.is_control(77));
}

TEST_CASE("bos and eos are added when the spec asks and the caller does not forbid", "[tokenizer]") {
  auto spec = tiny();
  spec.bos = spec.eos = 5;
  spec.add_bos = spec.add_eos = true;
  spec.eos_ids = {2};
  const Tokenizer tokenizer(spec);
  CHECK(tokenizer.encode("ab") == Ids{5, 2, 5});
  CHECK(tokenizer.encode("") == Ids{5, 5});
  CHECK(tokenizer.encode("ab", {.add_special = false}) == Ids{2});
  CHECK(tokenizer.is_end(5));
  CHECK(tokenizer.is_end(2));
  CHECK_FALSE(tokenizer.is_end(0));
}

TEST_CASE("bytes that the vocabulary lacks are dropped, replaced or refused, as asked", "[tokenizer]") {
  using Missing = EncodeOptions::MissingByte;
  Tokenizer tokenizer(tiny());
  CHECK(tokenizer.missing_bytes().size() == 253);
  // As in the tokenizers library, what is left moves together: a and b around the dropped x merge.
  CHECK(tokenizer.encode("axb") == Ids{2});
  CHECK(tokenizer.encode("axb", {.missing_byte = Missing::unk}) == Ids{0, 5, 1});
  CHECK(message_of([&] { tokenizer.encode("axb", {.missing_byte = Missing::refuse}); }) ==
        "[tokenizer] the vocabulary has no token for byte 0x78");
  auto spec = tiny();
  spec.unk.reset();
  CHECK(message_of([&] { Tokenizer(spec).encode("x", {.missing_byte = Missing::unk}); }) ==
        "[tokenizer] missing bytes shall become unk, but the vocabulary names none");
}

TEST_CASE("bytes that are not UTF-8 come back unchanged", "[tokenizer]") {
  for (const std::string pre : {"smollm", "gpt2", "llama-bpe", "qwen2"}) {
    auto spec = small_spec(pre);
    spec.normalizer = "nfc";
    const Tokenizer tokenizer(spec);
    REQUIRE(tokenizer.missing_bytes() == "\x04\x06\x13\xC0\xF5\xF6");
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
      if (tokenizer.missing_bytes().find(static_cast<char>(byte)) == std::string::npos) all += static_cast<char>(byte);
    // Truncated, overlong, surrogate, beyond U+10FFFF, lone continuation; alone and between words.
    for (const std::string& text : {all, std::string("\xE2\x82"),
                                    std::string("a\xFF"
                                                "b \xFE\xFE 1\x80 2"),
                                    std::string("\xED\xA0\x80x"), std::string("\xF4\x90\x80\x80"),
                                    std::string("é\xC3 é"), std::string("\0\xFF\0", 3)})
      CHECK(tokenizer.decode_bytes(tokenizer.encode(text)) == text);
    CHECK(tokenizer.decode(tokenizer.encode("a\xE2\x82"
                                            "b\xFF")) == "a\uFFFDb\uFFFD");
  }
}

TEST_CASE("a stream gives whole characters only", "[tokenizer]") {
  const Tokenizer tokenizer(small_spec("gpt2"));
  const std::string text = "é😀漢 <|im_end|>";
  StreamDecoder stream(tokenizer, false);
  std::string all;
  std::size_t waits = 0;
  for (const char byte : text.substr(0, 10)) {
    const Ids ids = tokenizer.encode(std::string(1, byte));  // one byte: one token
    REQUIRE(ids.size() == 1);
    const std::string part = stream.push(ids[0]);
    std::string valid;
    text::append_lossy(valid, part);
    CHECK(valid == part);
    waits += part.empty();
    all += part;
  }
  CHECK(waits == 1 + 3 + 2 + 0);  // é, 😀, 漢 and the space
  CHECK(all == "é😀漢 ");
  CHECK(stream.push(*tokenizer.find("<|im_end|>")) == "<|im_end|>");
  CHECK(StreamDecoder(tokenizer).push(*tokenizer.find("<|im_end|>")).empty());
  StreamDecoder cut(tokenizer);
  CHECK(cut.push(tokenizer.encode("\xF0")[0]).empty());
  CHECK(cut.push(tokenizer.encode("\x9F")[0]).empty());
  CHECK(cut.push(tokenizer.encode("a")[0]) == "\uFFFDa");
  CHECK(cut.push(tokenizer.encode("\xE6")[0]).empty());
  CHECK(cut.finish() == "\uFFFD");
  CHECK(cut.finish().empty());
}

TEST_CASE("the patterns' classes are those of the tokenizers library, for every code point", "[tokenizer]") {
  const auto data = oracle("unicode_classes.json");
  const auto letters = points(data["letters"]), numbers = points(data["numbers"]), spaces = points(data["spaces"]);
  const auto digits = points(data["digits"]);
  TokenizerSpec spec = tiny();
  const text::PreTokenizer gpt2(spec);
  spec.pre = "smollm";
  const text::PreTokenizer smollm(spec);
  std::size_t wrong = 0;
  for (std::uint32_t c = 1; c < 0x110000; c += kFewer) {
    if (c >= 0xD800 && c < 0xE000) continue;
    if ((c >= 0x40000 && c < 0xE0000) || c >= 0xF0000) continue;  // planes of no characters, and private ones
    const std::string text = code_point(c);
    const bool is_letter = words(gpt2, "a" + text).size() == 1, is_number = words(gpt2, "1" + text).size() == 1;
    const bool is_space = words(gpt2, text + "  ").size() == 1, is_digit = words(smollm, text + text).size() == 2;
    const bool same = is_letter == letters.contains(c) && is_number == numbers.contains(c) &&
                      is_space == spaces.contains(c) && is_digit == digits.contains(c);
    wrong += !same;
    if (!same && wrong < 10) FAIL_CHECK("U+" << std::hex << c << ' ' << is_letter << is_number << is_space << is_digit);
  }
  CHECK(wrong == 0);
}

TEST_CASE("a long text without a break takes no quadratic time", "[tokenizer]") {
  const Tokenizer smollm(small_spec("smollm")), llama(small_spec("llama-bpe"));
  const auto start = std::chrono::steady_clock::now();
  const auto check = [&](const Tokenizer& tokenizer, std::string_view unit) {
    std::string text;
    while (text.size() < 300'000u / kFewer) text += unit;
    text += "x";
    CHECK(tokenizer.decode_bytes(tokenizer.encode(text)) == text);
  };
  for (const std::string_view unit : {"a", " ", "\n", "7", "<|im", "\xFF", "é"}) check(smollm, unit);
  for (const std::string_view unit : {" ", "\n", "'", "漢"}) check(llama, unit);
  // Together 1 s of processor time in a release build; quadratic time would be an hour. The bound leaves room for
  // sanitizers and a busy machine.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}
