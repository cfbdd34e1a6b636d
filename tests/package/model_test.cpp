// SPDX-License-Identifier: Apache-2.0
// A package as a user sees it, over the golden files of the format.
#include "openinfer/model.h"

#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <thread>

#include "formats/opnf/writer.h"
#include "tests/source_path.h"

using namespace openinfer;
using Catch::Contains;

namespace {

const std::string kSmall = testing::source_path("tests/formats/opnf/golden/small.oinf");

template <class F>
Error error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  FAIL("no error");
  throw std::logic_error("unreachable");
}

struct TemporaryFile {
  explicit TemporaryFile(const std::string& name)
      : path((std::filesystem::temp_directory_path() / (name + std::to_string(::getpid()))).string()) {}
  ~TemporaryFile() { std::filesystem::remove(path); }
  std::string path;
};

/// A llama's names, without bytes.
Model families(const TemporaryFile& file) {
  opnf::Writer w(file.path);
  const std::byte zero[4] = {};
  for (int l = 0; l < 30; ++l)
    for (const char* name : {"Wq.", "Wk."})
      w.splat({.key = name + std::to_string(l), .shape = {576, 576}, .quantisation = {}}, zero);
  for (const char* name : {"tok_embeddings", "final_norm", "lm_head", "blk.2.ffn.w1", "blk.5.ffn.w1"})
    w.splat({.key = name, .shape = {2}, .quantisation = {}}, zero);
  w.meta("n_layers", 30);
  w.write();
  return ModelLoader::open(file.path);
}

}  // namespace

TEST_CASE("metadata by type: what widens, and what does not") {
  const Model model = ModelLoader::open(kSmall);
  CHECK(model.meta<std::int64_t>("n_layers") == 2);
  CHECK(model.meta<double>("n_layers") == 2.0);
  CHECK(model.meta<double>("rope_theta") == 10000.0);
  CHECK(model.meta<bool>("tied"));
  CHECK(model.meta<std::string>("general.name") == "small");
  CHECK(model.meta<std::vector<std::string>>("texts") == std::vector<std::string>{"a", "", "ßb"});
  CHECK(model.meta<std::vector<std::int64_t>>("array/i8") == std::vector<std::int64_t>{62, 69, 76});
  CHECK(model.meta<std::vector<bool>>("array/bool") == std::vector<bool>{false, true, false});
  CHECK(model.meta<std::vector<double>>("none/f32").empty());
  CHECK(model.meta<std::vector<double>>("array/u8") == std::vector<double>{62, 69, 76});
  CHECK(!model.find_meta<double>("absent"));
  for (const auto& [f, text] : std::vector<std::pair<std::function<void()>, std::string>>{
           {[&] { model.meta<std::int64_t>("rope_theta"); }, "[model] \"rope_theta\" is f64, not an integer"},
           {[&] { model.meta<std::string>("n_layers"); }, "[model] \"n_layers\" is i64, not string"},
           {[&] { model.meta<bool>("n_layers"); }, "[model] \"n_layers\" is i64, not bool"},
           {[&] { model.meta<std::vector<double>>("n_layers"); }, "[model] \"n_layers\" is i64, not an array"},
           {[&] { model.meta<std::int64_t>("array/i8"); }, "is i8[], not an integer"},
           {[&] { model.meta<double>("scalar/u64"); }, "not a real number that holds it exactly"}}) {
    const Error e = error_of(f);
    CHECK(e.code() == ErrorCode::dtype_mismatch);
    CHECK_THAT(e.what(), Contains(text) && Contains("at model_test.cpp:"));
  }
}

TEST_CASE("what does not exist is answered with what is near") {
  const TemporaryFile file("families");
  const Model model = families(file);
  const auto of = [&](const char* key) { return error_of([&] { model[key]; }); };
  const int line = __LINE__ - 1;
  CHECK(of("Wq.30").code() == ErrorCode::not_found);
  CHECK(std::string(of("Wq.30").what()) ==
        "[model] no tensor \"Wq.30\" (the family has 0..29) at model_test.cpp:" + std::to_string(line));
  CHECK_THAT(of("blk.3.ffn.w1").what(), Contains("(the family has 2, 5)"));
  CHECK_THAT(of("Wq").what(), Contains("no tensor \"Wq\" (there is a family: Wq.0..29)"));
  CHECK_THAT(of("tok_embedding").what(), Contains("no tensor \"tok_embedding\"; did you mean 'tok_embeddings'?"));
  CHECK_THAT(of("lm_heda").what(), Contains("did you mean 'lm_head'?"));
  CHECK(of("nothing_like_it").message() == "[model] no tensor \"nothing_like_it\"");
  CHECK_THAT(error_of([&] { model.meta<std::int64_t>("n_layer"); }).what(),
             Contains("[model] no metadata \"n_layer\"; did you mean 'n_layers'?"));
  CHECK_THAT(error_of([&] { model.state_spec("kv"); }).what(), Contains("[model] no state \"kv\""));
  CHECK_NOTHROW(model["Wq.29"]);
  CHECK(model.contains("Wq.29"));
  CHECK(!model.contains("Wq.30"));
}

TEST_CASE("tensors are described as the index has them") {
  const Model model = ModelLoader::open(kSmall);
  const TensorInfo head = model.tensor("head");
  CHECK(head.dtype == DType::f16);
  CHECK(head.shape == Extents{4, 6});
  CHECK(head.transposed);
  CHECK(head.alias_of == "embedding");
  CHECK(head.size_bytes == 48);
  CHECK(model.tensor("panel").layout == "panel16");
  CHECK(model.tensor("zeros").splat);
  CHECK(model.tensor("zeros.t").splat);
  CHECK(model.tensors().size() == model.tensor_count());
  CHECK(model.tensors()[0].key == "all/bf16");
  CHECK(model("all/{}", 3).pattern == "all/{}");
}

TEST_CASE("bytes: in place, copied, through an alias, of a splat; the same in both modes") {
  const Model mapped = ModelLoader::open(kSmall), copied = ModelLoader::open(kSmall, Model::ReadMode::pread);
  for (const TensorInfo& t : mapped.tensors()) {
    if (t.size_bytes > 1 << 20) continue;
    INFO(t.key);
    const auto a = mapped.bytes(t.key), b = copied.bytes(t.key);
    REQUIRE(a.size() == t.size_bytes);
    REQUIRE((std::equal(a.begin(), a.end(), b.begin(), b.end())));
    std::vector<std::byte> half(a.size() / 2);
    mapped.read(t.key, a.size() - half.size(), half);
    REQUIRE((std::equal(half.begin(), half.end(), a.end() - static_cast<std::ptrdiff_t>(half.size()))));
  }
  CHECK(mapped.bytes("head").data() == mapped.bytes("embedding").data());
  CHECK(copied.bytes("head").data() == copied.bytes("embedding").data());
  CHECK(error_of([&] { mapped.bytes("zeros"); }).code() == ErrorCode::out_of_memory);  // 4 TiB of zeros
  CHECK(error_of([&] {
          std::vector<std::byte> two(2);
          mapped.read("embedding", 47, two);
        }).code() == ErrorCode::io_error);
}

TEST_CASE("a splat's bytes repeat its block") {
  const TemporaryFile file("splat");
  opnf::Writer w(file.path);
  const float value = 1.5f;
  w.splat({.key = "s", .shape = {3, 5}, .quantisation = {}}, std::as_bytes(std::span(&value, 1)));
  w.write();
  const Model model = ModelLoader::open(file.path);
  const auto bytes = model.bytes("s");
  REQUIRE(bytes.size() == 60);
  for (std::size_t i = 0; i < 60; i += 4) CHECK(std::memcmp(bytes.data() + i, &value, 4) == 0);
}

TEST_CASE("dimensions, states, graphs, tokenizer") {
  const Model model = ModelLoader::open(kSmall);
  REQUIRE(model.dims().size() == 3);
  CHECK(model.find_dim("ctx")->max == 128);
  CHECK(!model.find_dim("B"));
  CHECK(model.state_names() == std::vector<std::string_view>{"conv", "kv"});
  CHECK(
      model.state_spec("kv") ==
      kv_cache(
          {.layers = 2, .slots = 1, .capacity = Dim::symbol("ctx"), .heads = 3, .head_dim = 64, .dtype = DType::f32}));
  CHECK(model.state_spec("conv") == tensor_state(DType::f16, {Dim::symbol("ctx"), 4}));
  REQUIRE(model.graphs().size() == 2);
  CHECK(model.graphs()[1].first == "main");
  CHECK(model.graphs()[1].second.starts_with("oig 1\n"));
  CHECK(model.has_tokenizer());
  CHECK(model.find_tokenizer<std::vector<std::string>>("tokens")->size() == 5);
  CHECK(model.find_tokenizer<std::int64_t>("bos_id") == 0);
  CHECK(!ModelLoader::open(testing::source_path("tests/formats/opnf/golden/empty.oinf")).has_tokenizer());
}

TEST_CASE("metadata prints on one line, long values cut") {
  const TemporaryFile file("print");
  opnf::Writer w(file.path);
  w.meta("text", "a\nb\x01");
  w.meta("long", fmt::format("{:x>95}€€", ""));
  const std::vector<std::string> words = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
  w.put(opnf::Section::metadata, "words", opnf::encode(std::span<const std::string>(words)));
  w.meta("eps", 1e-5);
  w.meta("yes", true);
  w.write();
  std::map<std::string, std::pair<std::string, std::string>> printed;
  const Model model = ModelLoader::open(file.path);
  for (const MetaEntry& e : model.metadata()) printed[std::string(e.key)] = {e.type, e.value};
  CHECK(printed["text"].second == "a\\nb\\x01");
  CHECK(printed["long"].second == fmt::format("{:x>95}… (101 bytes)", ""));
  CHECK(printed["words"] ==
        std::pair<std::string, std::string>{
            "string[]", "[\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", … (9 elements)]"});
  CHECK(printed["eps"] == std::pair<std::string, std::string>{"f64", "1e-05"});
  CHECK(printed["yes"] == std::pair<std::string, std::string>{"bool", "true"});
}

TEST_CASE("errors of opening carry the path and the right code") {
  CHECK(error_of([] { ModelLoader::open("/none/m.oinf"); }).code() == ErrorCode::io_error);
  CHECK_THAT(error_of([] { ModelLoader::open("/none/m.oinf"); }).what(),
             Contains("/none/m.oinf: cannot open: No such file"));
  CHECK_THAT(error_of([] { ModelLoader::open("/tmp"); }).what(), Contains("is a directory"));
  CHECK(error_of([] { ModelLoader::open(testing::source_path("LICENSE")); }).code() == ErrorCode::corrupt_package);
}

TEST_CASE("damage is found when a section is first used, and by verify") {
  std::ifstream in(kSmall, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const auto at = bytes.find("</s>");  // a token
  REQUIRE(at != bytes.npos);
  bytes[at] = '{';
  const TemporaryFile file("damaged");
  std::ofstream(file.path, std::ios::binary) << bytes;
  const Model model = ModelLoader::open(file.path);
  for (int twice = 0; twice < 2; ++twice) {
    const Error e = error_of([&] { model.find_tokenizer<std::string>("model"); });
    CHECK(e.code() == ErrorCode::corrupt_package);
    CHECK_THAT(e.what(), Contains("TOKENIZER") && Contains("is damaged"));
  }
  CHECK(error_of([&] { model.verify(); }).code() == ErrorCode::corrupt_package);
  CHECK_NOTHROW(ModelLoader::open(kSmall).verify());
}

TEST_CASE("one open package serves many threads") {
  const Model model = ModelLoader::open(kSmall, Model::ReadMode::pread);
  std::vector<const std::byte*> seen(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < seen.size(); ++i)
    threads.emplace_back([&, i] {
      for (const TensorInfo& t : model.tensors())
        if (t.size_bytes < 1 << 20) model.bytes(t.key);
      seen[i] = model.bytes("panel").data();
      model.find_tokenizer<std::string>("model");
    });
  for (std::thread& t : threads) t.join();
  for (const std::byte* p : seen) CHECK(p == seen[0]);
}

TEST_CASE("handles of one package are equal, the fingerprint is the content's") {
  const Model a = ModelLoader::open(kSmall), b = a, c = ModelLoader::open(kSmall);
  CHECK(a == b);
  CHECK(!(a == c));
  CHECK(a.fingerprint() == c.fingerprint());
  CHECK(a.path() == kSmall);
  CHECK(a.sections().front().kind == "METADATA");
}
