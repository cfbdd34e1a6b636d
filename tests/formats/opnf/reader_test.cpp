// SPDX-License-Identifier: Apache-2.0
#include "formats/opnf/reader.h"

#include <xxhash.h>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "formats/opnf/xxh64_stream.h"
#include "openinfer/dtype.h"
#include "tests/formats/opnf/describe.h"
#include "tests/source_path.h"

using namespace opnf;
using namespace opnf::testing;
using Catch::Contains;

TEST_CASE("XXH64 is libxxhash's") {
  const std::vector<std::byte> bytes = pattern("u8", 3, 1000);
  for (std::size_t size = 0; size <= bytes.size(); size += size < 130 ? 1 : 37)
    for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{42}, ~std::uint64_t{0}})
      REQUIRE(xxh64(bytes.data(), size, seed) == XXH64(bytes.data(), size, seed));
}

TEST_CASE("streamed XXH64 is the same in any pieces") {
  const std::vector<std::byte> bytes = pattern("u8", 3, 1000);
  for (const std::size_t piece : {1, 7, 31, 32, 33, 64, 100, 999, 1000}) {
    Xxh64Stream stream;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      stream.update(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    REQUIRE(stream.digest() == XXH64(bytes.data(), bytes.size(), 0));
  }
  REQUIRE(Xxh64Stream().digest() == XXH64(nullptr, 0, 0));
}

TEST_CASE("the reader's dtype table is the library's") {
  std::size_t rows = 0;
  for (int code = 0; code < 256; ++code) {
    const DTypeInfo* ours = find_dtype(static_cast<std::uint8_t>(code));
    const auto theirs = ours ? openinfer::dtype_from_name(ours->name) : std::nullopt;
    INFO(code);
    if (!ours) {
      REQUIRE_THROWS(openinfer::info(static_cast<openinfer::DType>(code)));
      continue;
    }
    REQUIRE(theirs);
    const openinfer::DTypeInfo& info = openinfer::info(*theirs);
    REQUIRE(static_cast<int>(info.dtype) == code);
    REQUIRE(info.bits == ours->bits);
    REQUIRE(info.block_size == ours->block_size);
    REQUIRE(info.block_bytes == ours->block_bytes);
    REQUIRE(find_dtype_named(ours->name) == ours);
    ++rows;
  }
  REQUIRE(rows == dtypes().size());
  REQUIRE(!find_dtype_named("f31"));
}

TEST_CASE("sections behind the index are read when they are first asked for, by whoever asks") {
  const std::string path = golden("small.oinf");
  const Reader all = Reader::open(path);
  REQUIRE(all.tokenizer().size() > 0);
  REQUIRE(all.graphs().size() > 0);
  for (const Reader::Mode mode : {Reader::Mode::map, Reader::Mode::pread}) {
    const Reader lazy = Reader::open(path, mode, Reader::Sections::on_use);
    CHECK(lazy.metadata().size() == all.metadata().size());
    REQUIRE(lazy.tensor_count() == all.tensor_count());
    std::size_t tokens[2] = {};
    std::thread other([&] { tokens[0] = lazy.tokenizer().size(); });
    tokens[1] = lazy.tokenizer().size();
    other.join();
    for (const std::size_t found : tokens) CHECK(found == all.tokenizer().size());
    CHECK(lazy.graphs().size() == all.graphs().size());
    for (const SectionEntry& s : lazy.sections()) CHECK_NOTHROW(lazy.check_section(s.kind));
  }
}

TEST_CASE("a section that nobody asks for may be damaged") {
  const std::string path = std::filesystem::current_path() / "damaged_graph.oinf";
  std::filesystem::copy_file(golden("small.oinf"), path, std::filesystem::copy_options::overwrite_existing);
  const Reader lazy = Reader::open(path, Reader::Mode::pread, Reader::Sections::on_use);
  for (const SectionEntry& s : lazy.sections())
    if (s.kind == static_cast<std::uint32_t>(Section::graph))
      std::fstream(path, std::ios::in | std::ios::out | std::ios::binary)
              .seekp(static_cast<std::streamoff>(s.offset + s.length - 1))
          << '~';
  CHECK(lazy.tokenizer().size() > 0);
  CHECK_THROWS_WITH(lazy.graphs(),
                    Catch::Contains("damaged_graph.oinf") && Catch::Contains("GRAPH (kind 5) is damaged"));
  std::filesystem::remove(path);
}

TEST_CASE("what is asked for behind the index and cannot be read is an error that names the package") {
  const std::string path = std::filesystem::current_path() / "lazy_sections.oinf";
  std::filesystem::copy_file(golden("small.oinf"), path, std::filesystem::copy_options::overwrite_existing);
  const Reader cut = Reader::open(path, Reader::Mode::pread, Reader::Sections::on_use);
  const Reader damaged = Reader::open(path, Reader::Mode::pread, Reader::Sections::on_use);
  const Reader flipped = Reader::open(path, Reader::Mode::pread, Reader::Sections::on_use);
  for (const SectionEntry& s : cut.sections())
    if (s.kind == static_cast<std::uint32_t>(Section::tokenizer)) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(s.offset + s.length - 1)) << '~' << std::flush;
      CHECK_THROWS_WITH(flipped.tokenizer(), Catch::Contains("TOKENIZER (kind 4) is damaged: the checksum differs"));
      file.seekp(static_cast<std::streamoff>(s.offset)) << std::string(s.length, '\xff');
    }
  CHECK_THROWS_WITH(damaged.tokenizer(), Catch::Contains("lazy_sections.oinf") && Catch::Contains("TOKENIZER"));
  CHECK_THROWS_WITH(damaged.tokenizer(), Catch::Contains("TOKENIZER"));  // and again
  std::filesystem::resize_file(path, 100);
  CHECK_THROWS_WITH(cut.tokenizer(), Catch::StartsWith(path + ": was cut while open: no bytes at "));
  std::filesystem::remove(path);
}

TEST_CASE("the reader includes only the standard library and POSIX") {
  for (const char* file : {"reader.h", "reader.cpp"}) {
    std::ifstream in(openinfer::testing::source_path("formats/opnf/") + file);
    std::string line;
    std::size_t includes = 0;
    while (std::getline(in, line)) {
      if (!line.starts_with("#include")) continue;
      INFO(line);
      REQUIRE((line == "#include \"reader.h\"" || line.find('<') != line.npos));
      for (const char* foreign : {"fmt", "xxhash", "openinfer", "catch"}) REQUIRE(line.find(foreign) == line.npos);
      ++includes;
    }
    REQUIRE(includes > 3);
  }
}

TEST_CASE("tensors come back with dtype, shape and bytes, in both modes") {
  for (const auto mode : {Reader::Mode::map, Reader::Mode::pread}) {
    const Reader reader = Reader::open(golden("small.oinf"), mode);
    for (const DTypeInfo& d : dtypes()) {
      const std::string name(d.name);
      for (const bool transposed : {false, true}) {
        const auto row = reader.find("all/" + name + (transposed ? ".t" : ""));
        REQUIRE(row);
        const Tensor t = reader.tensor(*row);
        REQUIRE(t.dtype->code == d.code);
        REQUIRE(t.transposed == transposed);
        REQUIRE((std::vector(t.shape.begin(), t.shape.end()) ==
                 (transposed ? std::vector<std::uint64_t>{2u * d.block_size, 2}
                             : std::vector<std::uint64_t>{3, 2u * d.block_size})));
        const auto expected =
            transposed ? pattern(name, d.code + 100, 4 * d.block_bytes) : pattern(name, d.code, 6 * d.block_bytes);
        std::vector<std::byte> copy(t.nbytes);
        reader.read_tensor(*row, 0, copy);
        REQUIRE((copy == expected));
        if (mode == Reader::Mode::map) REQUIRE((std::ranges::equal(reader.bytes(*row), expected)));
        REQUIRE(xxh64(copy.data(), copy.size()) == t.checksum);
        REQUIRE(t.offset % reader.alignment() == 0);
      }
    }
  }
}

TEST_CASE("aliases, splats and quantisation") {
  const Reader reader = Reader::open(golden("small.oinf"));
  const Tensor head = reader.tensor(*reader.find("head")), embedding = reader.tensor(*reader.find("embedding"));
  REQUIRE(head.kind == Kind::alias);
  REQUIRE(reader.tensor(head.target).key == "embedding");  // through "tied"
  REQUIRE((std::vector(head.shape.begin(), head.shape.end()) == std::vector<std::uint64_t>{4, 6}));
  REQUIRE(head.transposed);
  REQUIRE(head.offset == embedding.offset);
  REQUIRE(reader.bytes(*reader.find("head")).data() == reader.bytes(*reader.find("embedding")).data());

  const std::size_t zeros = *reader.find("zeros.t"), blocks = *reader.find("blocks");
  REQUIRE(reader.tensor(zeros).nbytes == std::uint64_t{4} << 40);
  REQUIRE_THROWS_WITH(reader.bytes(zeros), Contains("is a splat"));
  std::vector<std::byte> part(40);
  reader.read_tensor(blocks, 18 * 1000 + 5, part);
  const auto block = pattern("q4_0", 5, 18);
  for (std::size_t i = 0; i < part.size(); ++i) REQUIRE(part[i] == block[(5 + i) % 18]);
  REQUIRE_THROWS_WITH(reader.read_tensor(blocks, reader.tensor(blocks).nbytes - 39, part), Contains("lie beyond its"));

  const auto group = reader.quantisation(*reader.find("q/group"));
  REQUIRE(group);
  REQUIRE(reader.tensor(group->scale).key == "q/scale.group");
  REQUIRE(reader.tensor(group->zero_point.value()).key == "q/zero.group");
  REQUIRE((group->granularity == Granularity::group && group->axis == 1 && group->group_size == 4));
  REQUIRE(!reader.quantisation(*reader.find("q/channel"))->zero_point);
  REQUIRE(!reader.quantisation(*reader.find("embedding")));
}

TEST_CASE("typed values") {
  const Reader reader = Reader::open(golden("small.oinf"));
  const Map& meta = reader.metadata();
  REQUIRE(meta.at("n_layers").integer() == 2);
  REQUIRE(meta.at("negative").integer() == -3);
  REQUIRE(meta.at("rope_theta").number() == 10000.0);
  REQUIRE(meta.at("tied").boolean());
  REQUIRE(!meta.at("untied").boolean());
  REQUIRE(meta.at("umlauts").string() == "äöü €");
  REQUIRE(meta.at("empty_text").string().empty());
  const Strings texts = meta.at("texts").strings();
  REQUIRE((texts.size() == 3 && texts[0] == "a" && texts[1].empty() && texts[2] == "ßb"));
  REQUIRE(meta.at("no_texts").strings().size() == 0);
  REQUIRE(meta.at("table").array<float>(2)[5] == 5);
  REQUIRE(meta.at("table").shape[1] == 3);
  REQUIRE(meta.at("scalar/i8").integer() == 31);
  REQUIRE(meta.at("scalar/u16").integer() == 31 + 38 * 256);
  REQUIRE(meta.at("array/f64").type_name() == "f64[]");
  REQUIRE_THROWS_WITH(meta.at("n_layers").string(), "\"n_layers\" is i64, not string");
  REQUIRE_THROWS_WITH(meta.at("texts").string(), "\"texts\" is string[], not string");
  REQUIRE_THROWS_WITH(meta.at("rope_theta").integer(), "\"rope_theta\" is f64, not an integer");
  REQUIRE_THROWS_WITH(meta.at("n_layers").number(), "\"n_layers\" is i64, not a real number");
  REQUIRE_THROWS_WITH(meta.at("n_layers").boolean(), "\"n_layers\" is i64, not bool");
  REQUIRE_THROWS_WITH(meta.at("table").array<double>(1), "\"table\" is f32 tensor, not f64");
  REQUIRE_THROWS_WITH(meta.at("nothing"), "METADATA has no \"nothing\"");
  REQUIRE(!meta.find("nothing"));
}

TEST_CASE("half precision metadata widens exactly") {
  TemporaryFolder folder;
  Writer w(folder.file("m.oinf"));
  const auto put = [&](const char* key, const char* dtype, std::uint16_t bits) {
    w.put(Section::metadata, key, encode_scalar(dtype, std::as_bytes(std::span(&bits, 1))));
  };
  put("one", "f16", 0x3C00), put("max", "f16", 0x7BFF), put("tiny", "f16", 0x0001), put("minus", "f16", 0xC000),
      put("inf", "f16", 0xFC00), put("bf", "bf16", 0x3FC0);
  w.write();
  const Reader reader = Reader::open(folder.file("m.oinf"));
  const auto number = [&](const char* key) { return reader.metadata().at(key).number(); };
  REQUIRE((number("one") == 1.0 && number("max") == 65504.0 && number("tiny") == 0x1p-24 && number("minus") == -2.0 &&
           number("bf") == 1.5));
  REQUIRE(number("inf") == -std::numeric_limits<double>::infinity());
}

TEST_CASE("look-up finds every key and no other") {
  const Reader reader = Reader::open(golden("small.oinf"));
  for (std::size_t i = 0; i < reader.tensor_count(); ++i) REQUIRE(reader.find(reader.tensor(i).key) == i);
  for (const char* absent : {"", "a", "all/", "all/f32.", "zzz", "embeddin", "embedding0"})
    REQUIRE(!reader.find(absent));
}

TEST_CASE("in map mode tensors are used in place, as the file places them") {
  const Reader reader = Reader::open(golden("small.oinf"));
  const std::size_t panel = *reader.find("panel"), embedding = *reader.find("embedding");
  const auto* tensor = reader.bytes(panel).data();
  REQUIRE(reader.bytes(panel).data() == tensor);
  REQUIRE(reinterpret_cast<std::uintptr_t>(tensor) % 256 == 0);
  REQUIRE(static_cast<std::uint64_t>(tensor - reader.bytes(embedding).data()) ==
          reader.tensor(panel).offset - reader.tensor(embedding).offset);
}
