// SPDX-License-Identifier: Apache-2.0
// Normalizers, decoders and patterns of strangers: what they may cost, and bytes that are no text.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "lib/text/call.h"
#include "lib/text/charsmap.h"
#include "lib/text/normalizer.h"
#include "lib/text/pretokenizer.h"
#include "lib/text/regex.h"
#include "lib/text/utf8.h"
#include "tests/text/oracle.h"

using namespace openinfer;
using namespace openinfer::test;

namespace {

TokenizerSpec words() {
  TokenizerSpec spec;
  spec.model = "wordlevel";
  spec.tokens = {"?", "a", "aa"};
  spec.token_types = {3, 1, 1};
  spec.unk = 0;
  return spec;
}

std::string sequence(std::string_view key, std::string_view part, std::size_t count) {
  std::string out = fmt::format(R"({{"type":"Sequence","{}":[)", key);
  for (std::size_t i = 0; i < count; ++i) out += fmt::format("{}{}", i > 0 ? "," : "", part);
  return out + "]}";
}

TokenizerSpec split_by(std::string_view json_pattern) {
  auto spec = words();
  spec.pre = "custom";
  spec.pre_json = fmt::format(R"({{"type":"Split","pattern":{{"Regex":"{}"}},"behavior":"Isolated","invert":false}})",
                              json_pattern);
  return spec;
}

std::vector<std::string> cut(std::string_view json_pattern, std::string_view text) {
  const text::PreTokenizer pre(split_by(json_pattern));
  std::vector<std::string> out;
  text::Call call(text.size());
  pre.split(text, true, call, [&](std::string_view word) { out.emplace_back(word); });
  return out;
}

std::string normalized(const std::string& json, std::string_view text) {
  auto spec = words();
  spec.normalizer = json;
  const text::Normalizer normalizer(spec, nullptr);
  text::Call call(text.size());
  bool whole = true;
  return normalizer(text, whole, call).value_or(std::string(text));
}

/// A charsmap with the one rule "a" → `replacement`.
std::vector<std::uint8_t> one_rule(std::string_view replacement) {
  std::vector<std::uint32_t> units(256);
  units[0] = 1u << 10;
  units[1 ^ 'a'] = 'a' | 1u << 8 | 2u << 10;
  units[1 ^ 'a' ^ 2] = 1u << 31;
  std::vector<std::uint8_t> out = {0, 4, 0, 0};
  for (const std::uint32_t unit : units)
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(unit >> 8 * i));
  out.insert(out.end(), replacement.begin(), replacement.end());
  return out;
}

constexpr std::string_view kDouble = R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";

}  // namespace

TEST_CASE("normalizers see runs of UTF-8 only, and other bytes stay", "[tokenizer]") {
  const std::string spaces = R"({"type":"Replace","pattern":{"Regex":"\\s+"},"content":"_"})";
  CHECK(normalized(spaces, "a  b") == "a_b");
  // A cut character before white space: PCRE2 may not look at it.
  CHECK(normalized(spaces, "\xE2  \xFF \xF0\x9F c") == "\xE2_\xFF_\xF0\x9F_c");
  CHECK(normalized(R"({"type":"Lowercase"})", "A\xFF\xC3 \xC3\x89") == "a\xFF\xC3 \xC3\xA9");
  CHECK(normalized(R"({"type":"Nmt"})", "a\xFF\tb\x80") == "a\xFF b\x80");
  CHECK(normalized(R"({"type":"Prepend","prepend":"_"})", "a\xFF b") == "_a\xFF b");
  CHECK(normalized(R"({"type":"Strip"})", " \xFF a \xFE ") == "\xFF a \xFE");
  CHECK(normalized(R"({"type":"Strip"})", " a ") == "a");
}

TEST_CASE("a byte-level model with a normalizer keeps binary input", "[tokenizer]") {
  auto spec = small_spec("gpt2");
  spec.normalizer =
      sequence("normalizers", R"({"type":"NFC"},{"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "},
                             {"type":"Lowercase"})",
               1);
  const Tokenizer tokenizer(spec);
  CHECK(tokenizer.decode_bytes(tokenizer.encode("A \xFF\xE2\x82  \xFE ab\xF0")) == "a \xFF\xE2\x82 \xFE ab\xF0");
}

TEST_CASE("what a charsmap or a part of a tokenizer.json writes is UTF-8", "[tokenizer]") {
  auto spec = words();
  spec.normalizer = sequence("normalizers",
                             R"({"type":"Precompiled"},{"type":"Replace","pattern":{"Regex":"\\s+"},"content":""})", 1);
  spec.charsmap = one_rule(std::string_view("\xE2\x82\0", 3));
  CHECK(message_of([&] { Tokenizer(spec).encode("ba"); }) ==
        "[tokenizer] the charsmap's replacement at 0 is not UTF-8");
  spec.charsmap = one_rule(std::string_view("\xE2\x82\xAC\0", 4));
  CHECK_NOTHROW(Tokenizer(spec).encode("ba"));
  CHECK(message_of([] { normalized("{\"type\":\"Prepend\",\"prepend\":\"\xC3\"}", "a"); }) ==
        "[tokenizer] the JSON of the normalizer is not UTF-8");
}

TEST_CASE("stages that double a text are stopped", "[tokenizer]") {
  auto spec = words();
  spec.normalizer = sequence("normalizers", kDouble, 40);
  const std::string message = message_of([&] { Tokenizer(spec).encode("aaaa"); });
  INFO(message);
  CHECK(message.starts_with("[tokenizer] a step of the tokenizer makes a text of "));
  CHECK(message.ends_with("all steps together may make 64 bytes for each byte of the text and 65536 more"));
  spec.normalizer = sequence("normalizers", R"({"type":"Replace","pattern":{"Regex":"a"},"content":"aa"})", 40);
  CHECK(message_of([&] { Tokenizer(spec).encode("aaaa"); }).starts_with("[tokenizer] a step of the tokenizer makes"));
  spec.normalizer = "";
  spec.pre = "custom";
  spec.pre_json = sequence("pretokenizers", R"({"type":"Metaspace","replacement":"  ","split":false})", 40);
  CHECK(message_of([&] { Tokenizer(spec).encode("a a"); }).starts_with("[tokenizer] a step of the tokenizer makes"));
  spec.pre = "none";
  spec.decoder = sequence("decoders", kDouble, 40);
  CHECK(message_of([&] { Tokenizer{spec}; }) ==
        "[tokenizer] the decoder's Replace of \"a\" makes a token's text 128 bytes long; 80 are allowed for it");
  spec.decoder = sequence("decoders", kDouble, 2);
  CHECK(Tokenizer(spec).piece(1) == "aaaa");
  spec.decoder = sequence("decoders", kDouble, 129);
  CHECK(message_of([&] { Tokenizer{spec}; }) == "[tokenizer] the decoder has more than 128 parts");
}

TEST_CASE("all searches of a stranger's pattern in one text share its steps", "[tokenizer]") {
  const std::string text(1 << 20, 'a');
  // Each match looks over the whole rest of the text: by backtracking, without it, in a look-ahead, from each place,
  // by a count, by a back-reference.
  for (const char* pattern : {".*x|.", "[^x]*+x|.", "(?=[^x]*+x).|.", "[ab].*x", "a{60000}b|.", "(a*)\\\\1b|."}) {
    INFO(pattern);
    const std::string message = message_of([&] { Tokenizer(split_by(pattern)).encode(text); });
    CHECK(message.starts_with("[tokenizer] a pattern takes too long at byte "));
  }
  // A long run of white space backtracks over its length, once.
  CHECK(cut("\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+|\\\\S+", std::string(1 << 20, ' ') + "b").size() == 3);
  auto spec = words();
  spec.normalizer = R"({"type":"Replace","pattern":{"Regex":".*x|."},"content":"b"})";
  CHECK(message_of([&] { Tokenizer(spec).encode(text); }).starts_with("[tokenizer] a pattern takes too long at byte "));
}

TEST_CASE("scores that no float holds are refused", "[tokenizer]") {
  for (const char* model : {"spm", "unigram"})
    for (const double score : {1e300, -1e300, 3.5e38}) {
      auto spec = words();
      spec.model = model;
      spec.scores = {0, score, -1};
      CHECK(message_of([&] { Tokenizer{spec}; }).starts_with("[tokenizer] token 1 has the score "));
      spec.scores[1] = -3.4e38;
      CHECK_NOTHROW(Tokenizer(spec));
    }
}

TEST_CASE("Oniguruma's hexadecimal digits, vertical tab and dots over lines", "[tokenizer]") {
  using Words = std::vector<std::string>;
  CHECK(cut("\\\\h+", "xfFg 9") == Words{"x", "fF", "g ", "9"});
  CHECK(cut("\\\\H+", "xfF 9") == Words{"x", "fF", " ", "9"});
  CHECK(cut("[\\\\h_]+", "x_a y") == Words{"x", "_a", " y"});
  CHECK(cut("\\\\v", "a\n\v") == Words{"a\n", "\v"});
  CHECK(cut("(?m)a.", "a\nb") == Words{"a\n", "b"});
  CHECK(cut("(?m:a.)", "a\nb") == Words{"a\n", "b"});
  CHECK(cut("(?im-x:A.)", "a\nb") == Words{"a\n", "b"});
  CHECK(cut("(?m:a)(?-m:.)", "a\nb") == Words{"a\nb"});
  CHECK(cut("a.", "a\nb") == Words{"a\nb"});
  CHECK(message_of([] { cut("[\\\\H]", "a"); }).find("has \\H within a class at byte 1") != std::string::npos);
  CHECK(message_of([] { cut("a\\\\C", "é"); }).find("has \\C at byte 1") != std::string::npos);
}

TEST_CASE("boundaries and what is none are those of one word class", "[tokenizer]") {
  using Words = std::vector<std::string>;
  // As tokenizers 0.23 splits: pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(text). U+0301, U+0300,
  // U+20DD and U+0903 are marks, U+203F is a connector, U+00B2 a number, U+24B6 a letter in a circle.
  CHECK(cut("\\\\Bb+", "abb bb") == Words{"a", "bb", " b", "b"});
  CHECK(cut("\\\\Bb+", "e\u0301bb \u0301bb") == Words{"e\u0301", "bb", " \u0301", "bb"});
  CHECK(cut("\\\\bb+", "e\u0301bb \u0301bb") == Words{"e\u0301bb \u0301bb"});
  CHECK(cut("a\\\\B.", "ab a! a_ a\u0301 a\u200d") == Words{"ab", " a! ", "a_", " ", "a\u0301", " a\u200d"});
  CHECK(cut("\\\\B!", "a! !! é!") == Words{"a! ", "!", "!", " é!"});
  CHECK(cut("x\\\\B", "x x. xx") == Words{"x x. ", "x", "x"});
  CHECK(cut("\\\\B.", "a\u0300b c") == Words{"a", "\u0300", "b", " c"});
  CHECK(cut("\\\\b.", "a\u0300b c") == Words{"a", "\u0300b", " ", "c"});
  CHECK(cut("\\\\B.", "a\u20ddb") == Words{"a", "\u20dd", "b"});
  CHECK(cut("\\\\B.", "a\u0903b \u0903") == Words{"a", "\u0903", "b", " \u0903"});
  CHECK(cut("\\\\B[^a]", "\u0661\u0662 \u203f\u203f") == Words{"\u0661", "\u0662", " \u203f", "\u203f"});
  CHECK(cut("\\\\B.", "\u00b2\u00b2a") == Words{"\u00b2", "\u00b2", "a"});
  CHECK(cut("\\\\B.", "\u24b6\u24b7 a") == Words{"\u24b6", "\u24b7", " a"});
}
