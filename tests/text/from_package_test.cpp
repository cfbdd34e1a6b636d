// SPDX-License-Identifier: Apache-2.0
// tokenizer_spec: every key of the package's tokenizer section arrives in its field.
#include <catch2/catch.hpp>
#include <filesystem>

#include "formats/opnf/writer.h"
#include "openinfer/model.h"
#include "openinfer/text.h"

using namespace openinfer;

namespace {

template <class T>
void put_array(opnf::Writer& w, const char* key, std::string_view dtype, const std::vector<T>& values) {
  w.put(opnf::Section::tokenizer, key, opnf::encode_array(dtype, values.size(), std::as_bytes(std::span(values))));
}

/// A package with one more array of 64-bit integers.
Model with_array(const char* key, const std::vector<std::int64_t>& values) {
  const auto path = std::filesystem::temp_directory_path() / "openinfer_from_package_range_test.oinf";
  opnf::Writer w(path.string());
  const std::vector<std::string> tokens = {"a", "b", "<s>"};
  w.put(opnf::Section::tokenizer, "tokens", opnf::encode(std::span(tokens)));
  put_array<std::int64_t>(w, key, "i64", values);
  w.write();
  Model model = ModelLoader::open(path.string());
  std::filesystem::remove(path);
  return model;
}

/// A package with that many flags for two added tokens.
Model packaged(std::size_t flags) {
  const auto path = std::filesystem::temp_directory_path() / "openinfer_from_package_test.oinf";
  opnf::Writer w(path.string());
  const auto put = [&](const char* key, const auto& value) {
    w.put(opnf::Section::tokenizer, key, opnf::encode(value));
  };
  const std::vector<std::string> tokens = {"a", "b", "<s>"}, merges = {"a b"};
  put("model", "bpe"), put("pre", "gpt2"), put("normalizer", "nfc"), put("chat_template", "{{ 1 }}");
  put("tokens", std::span(tokens)), put("merges", std::span(merges));
  put("bos_id", 2), put("eos_id", 1), put("unk_id", 0), put("add_bos", true), put("add_eos", false);
  put_array<std::int32_t>(w, "token_types", "i32", {1, 1, 3});
  put_array<std::int32_t>(w, "eos_ids", "i32", {0, 1});
  put_array<std::int32_t>(w, "added_ids", "i32", {1, 2});
  put_array<std::uint8_t>(w, "added_lstrip", "bool", std::vector<std::uint8_t>(flags, 1));
  put_array<std::uint8_t>(w, "added_rstrip", "bool", {0, 1});
  put_array<std::uint8_t>(w, "added_normalized", "bool", {1, 0});
  w.write();
  Model model = ModelLoader::open(path.string());
  std::filesystem::remove(path);
  return model;
}

}  // namespace

TEST_CASE("a package's tokenizer section becomes a TokenizerSpec", "[tokenizer]") {
  const TokenizerSpec spec = tokenizer_spec(packaged(2));
  CHECK(spec.model == "bpe");
  CHECK(spec.pre == "gpt2");
  CHECK(spec.normalizer == "nfc");
  CHECK(spec.chat_template == "{{ 1 }}");
  CHECK(spec.tokens == std::vector<std::string>{"a", "b", "<s>"});
  CHECK(spec.token_types == std::vector<std::int32_t>{1, 1, 3});
  CHECK(spec.merges == std::vector<std::string>{"a b"});
  CHECK(spec.bos == 2);
  CHECK(spec.eos == 1);
  CHECK(spec.unk == 0);
  CHECK(!spec.pad);
  CHECK(spec.eos_ids == std::vector<TokenId>{0, 1});
  CHECK(spec.add_bos);
  CHECK_FALSE(spec.add_eos);
  REQUIRE(spec.added.size() == 2);
  const AddedToken &first = spec.added[0], &second = spec.added[1];
  CHECK((first.id == 1 && first.lstrip && !first.rstrip && !first.single_word && first.normalized));
  CHECK((second.id == 2 && second.lstrip && second.rstrip && !second.single_word && !second.normalized));
}

TEST_CASE("settings of every model arrive in their fields", "[tokenizer]") {
  const auto path = std::filesystem::temp_directory_path() / "openinfer_from_package_settings_test.oinf";
  opnf::Writer w(path.string());
  const auto put = [&](const char* key, const auto& value) {
    w.put(opnf::Section::tokenizer, key, opnf::encode(value));
  };
  const std::vector<std::string> tokens = {"a", "b"};
  put("model", "unigram"), put("pre", "custom"), put("pre_json", "{1}"), put("decoder", "{2}");
  put("tokens", std::span(tokens)), put("byte_fallback", true), put("fuse_unk", true), put("ignore_merges", false);
  put("continuing_prefix", "@@"), put("word_suffix", "</w>"), put("max_word_chars", 7);
  put("remove_extra_whitespaces", true), put("escape_whitespaces", false), put("whitespace_suffix", true);
  put_array<double>(w, "scores", "f64", {-0.1, -2});
  put_array<std::uint8_t>(w, "charsmap", "u8", {4, 255});
  put_array<std::int32_t>(w, "template_single", "i32", {-1, 1});
  put_array<std::int32_t>(w, "template_pair", "i32", {-1, -2});
  put_array<std::int32_t>(w, "template_pair_types", "i32", {0, 1});
  w.write();
  const TokenizerSpec spec = tokenizer_spec(ModelLoader::open(path.string()));
  std::filesystem::remove(path);
  CHECK(spec.pre_json == "{1}");
  CHECK(spec.decoder == "{2}");
  CHECK(spec.scores == std::vector<double>{-0.1, -2});
  CHECK((spec.byte_fallback && spec.fuse_unk && spec.ignore_merges == false));
  CHECK((spec.continuing_prefix == "@@" && spec.word_suffix == "</w>" && spec.max_word_chars == 7));
  CHECK((spec.remove_extra_whitespaces && !spec.escape_whitespaces && spec.whitespace_suffix));
  CHECK(spec.charsmap == std::vector<std::uint8_t>{4, 255});
  CHECK(spec.single == std::vector<TemplateItem>{{-1, 0}, {1, 0}});
  CHECK(spec.pair == std::vector<TemplateItem>{{-1, 0}, {-2, 1}});
}

TEST_CASE("flags of another length than added_ids are a corrupt package", "[tokenizer]") {
  CHECK_THROWS_WITH(tokenizer_spec(packaged(3)), Catch::Contains("added_lstrip has 3 elements, added_ids has 2"));
}

TEST_CASE("integers beyond 32 bits are a corrupt package, not other integers", "[tokenizer]") {
  for (const char* key : {"eos_ids", "added_ids", "token_types"}) {
    CHECK_THROWS_WITH(tokenizer_spec(with_array(key, {1, (std::int64_t{1} << 32) + 5})),
                      Catch::Contains(std::string("tokenizer's ") + key + " has 4294967301 at 1"));
    CHECK_THROWS_WITH(tokenizer_spec(with_array(key, {-(std::int64_t{1} << 31) - 1})),
                      Catch::Contains(std::string(key) + " has -2147483649 at 0"));
  }
  CHECK(tokenizer_spec(with_array("eos_ids", {0x7FFFFFFF})).eos_ids == std::vector<TokenId>{0x7FFFFFFF});
}
