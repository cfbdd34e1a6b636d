// SPDX-License-Identifier: Apache-2.0
#include "tests/formats/opnf/describe.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace opnf::testing {
namespace {

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

void describe_values(Writer& w) {
  w.meta("general.name", "small");
  w.meta("general.architecture", "llama");
  w.meta("n_layers", 2);
  w.meta("rope_theta", 10000.0);
  w.meta("tied", true);
  w.meta("untied", false);
  w.meta("negative", -3);
  w.meta("empty_text", "");
  w.meta("umlauts", "äöü €");
  for (const char* dtype :
       {"i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f16", "bf16", "f32", "f64", "bool"}) {
    const std::size_t width = find_dtype_named(dtype)->block_bytes;
    w.put(Section::metadata, std::string("scalar/") + dtype, encode_scalar(dtype, pattern(dtype, 1, width)));
    w.put(Section::metadata, std::string("array/") + dtype, encode_array(dtype, 3, pattern(dtype, 2, 3 * width)));
    w.put(Section::metadata, std::string("none/") + dtype, encode_array(dtype, 0, {}));
  }
  const std::vector<std::string> texts = {"a", "", "ßb"}, none;
  w.put(Section::metadata, "texts", encode(std::span<const std::string>(texts)));
  w.put(Section::metadata, "no_texts", encode(std::span<const std::string>(none)));
  const std::vector<std::uint64_t> shape = {2, 3};
  const std::vector<float> table = {0, 1, 2, 3, 4, 5};
  w.put(Section::metadata, "table", encode_tensor("f32", shape, bytes_of(table)));
}

void describe_tokenizer(Writer& w) {
  const std::vector<std::string> tokens = {"<s>", "</s>", "a", "b", "ab"}, merges = {"a b"};
  const std::vector<std::int32_t> types = {3, 3, 1, 1, 1};
  w.put(Section::tokenizer, "model", encode("bpe"));
  w.put(Section::tokenizer, "pre", encode("gpt2"));
  w.put(Section::tokenizer, "tokens", encode(std::span<const std::string>(tokens)));
  w.put(Section::tokenizer, "merges", encode(std::span<const std::string>(merges)));
  w.put(Section::tokenizer, "token_types", encode_array("i32", 5, bytes_of(types)));
  const std::int32_t bos = 0;
  w.put(Section::tokenizer, "bos_id", encode_scalar("i32", std::as_bytes(std::span(&bos, 1))));
  w.put(Section::tokenizer, "add_bos", encode(true));
}

void describe_quantised(Writer& w) {
  const auto plain = [&](const std::string& key, const std::string& dtype, std::vector<std::uint64_t> shape,
                         std::size_t bytes) {
    w.tensor({.key = key, .dtype = dtype, .shape = std::move(shape), .quantisation = {}},
             pattern(dtype, key.size(), bytes));
  };
  plain("q/scale.tensor", "f32", {}, 4);
  plain("q/zero.tensor", "i8", {}, 1);
  plain("q/scale.channel", "f16", {4}, 8);
  plain("q/scale.group", "bf16", {4, 2}, 16);
  plain("q/zero.group", "u8", {4, 2}, 8);
  w.tensor({"q/tensor",
            "i8",
            {4, 8},
            false,
            Layout::rows,
            QuantisationSpec{"q/scale.tensor", "q/zero.tensor", Granularity::tensor, 0, 0}},
           pattern("i8", 3, 32));
  w.tensor({"q/channel",
            "i4",
            {8, 4},
            true,
            Layout::rows,
            QuantisationSpec{"q/scale.channel", "", Granularity::channel, 0, 0}},
           pattern("i4", 4, 16));
  w.tensor({"q/group",
            "u4",
            {4, 8},
            false,
            Layout::rows,
            QuantisationSpec{"q/scale.group", "q/zero.group", Granularity::group, 1, 4}},
           pattern("u4", 5, 16));
}

}  // namespace

std::vector<std::byte> pattern(const std::string& dtype, std::size_t seed, std::size_t n) {
  std::vector<std::byte> out(n);
  for (std::size_t j = 0; j < n; ++j) {
    const std::size_t x = seed * 31 + j * 7 + j / 256;
    out[j] = static_cast<std::byte>(dtype == "bool" ? x % 2
                                    : dtype == "t1" ? x % 243
                                    : dtype == "t2" ? x & 0x55
                                                    : x % 256);
  }
  return out;
}

void describe_small(Writer& w) {
  describe_values(w);
  describe_tokenizer(w);
  describe_quantised(w);
  w.dim("n_layers", 2, 2);
  w.dim("ctx", 1, 128);
  w.dim("_rows", 0, 7);
  w.kv_cache("kv", "f32", {std::int64_t{2}, std::int64_t{1}, std::int64_t{3}, "ctx", std::int64_t{64}});
  const std::vector<Writer::Size> sizes = {"ctx", std::int64_t{4}};
  w.tensor_state("conv", "f16", sizes);
  w.graph("main", "oig 1\ngraph () -> () {\n  return\n}\n");
  w.graph("aux", "oig 1\n");
  for (const DTypeInfo& d : dtypes()) {  // two tensors of each dtype: their order in index and data must agree
    const std::uint64_t columns = 2 * d.block_size;
    const std::string name(d.name);
    w.tensor({.key = "all/" + name, .dtype = name, .shape = {3, columns}, .quantisation = {}},
             pattern(name, d.code, 6 * d.block_bytes));
    w.tensor(
        {.key = "all/" + name + ".t", .dtype = name, .shape = {columns, 2}, .transposed = true, .quantisation = {}},
        pattern(name, d.code + 100, 4 * d.block_bytes));
  }
  w.tensor({.key = "panel", .dtype = "q8_0", .shape = {2, 32, 64}, .layout = Layout::panel16, .quantisation = {}},
           pattern("q8_0", 7, 2 * 32 * 2 * 34));
  w.tensor({.key = "empty", .dtype = "f32", .shape = {0, 5}, .quantisation = {}}, std::span<const std::byte>());
  w.tensor({.key = "deep", .dtype = "u8", .shape = {1, 2, 1, 2, 1, 2, 1, 2}, .quantisation = {}}, pattern("u8", 9, 16));
  w.tensor({.key = "embedding", .dtype = "f16", .shape = {6, 4}, .quantisation = {}}, pattern("f16", 8, 48));
  w.alias("head", "tied", std::vector<std::uint64_t>{4, 6}, true);
  w.alias("tied", "embedding");
  w.splat({.key = "zeros", .dtype = "f32", .shape = {1 << 20, 1 << 20}, .quantisation = {}}, pattern("f32", 0, 4));
  w.splat({.key = "blocks", .dtype = "q4_0", .shape = {1 << 15, 1 << 15}, .quantisation = {}}, pattern("q4_0", 5, 18));
  w.alias("zeros.t", "zeros", std::nullopt, true);
}

void describe_sharded(Writer& w) {
  w.meta("general.name", "sharded");
  for (const auto& [key, rows] : {std::pair{"d", 9}, {"a", 3}, {"c", 400}, {"b", 90}})  // c is larger than a shard
    w.tensor({.key = key, .dtype = "f32", .shape = {static_cast<std::uint64_t>(rows), 2}, .quantisation = {}},
             pattern("f32", static_cast<unsigned char>(key[0]), static_cast<std::size_t>(rows) * 8));
  w.alias("e", "a");
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "opnf-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
  path = name;
}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}
std::vector<std::string> TemporaryFolder::names() const {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(path)) out.push_back(entry.path().filename());
  std::sort(out.begin(), out.end());
  return out;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_file(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

}  // namespace opnf::testing
