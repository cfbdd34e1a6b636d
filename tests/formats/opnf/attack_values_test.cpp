// SPDX-License-Identifier: Apache-2.0
// Hostile maps, dimensions, states and shards, files that change, and what only verify sees.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>

#include "tests/formats/opnf/image.h"

using namespace opnf;
using namespace opnf::testing;
using Catch::Contains;

namespace {

Image small() { return Image("small.oinf"); }
constexpr auto kMeta = Section::metadata;

std::string open_message(const std::string& path) {
  try {
    Reader::open(path);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("maps: keys and places") {
  Image image = small();
  const std::size_t base = image.section(kMeta);
  const auto entry = [&](const char* key) { return image.map_entry(kMeta, key); };
  SECTION("count beyond the section") {
    CHECK_THAT(image.set(base, 0xFFFFFFFFu).sealed_error(), Contains("METADATA: 4294967295 entries cannot fit"));
  }
  SECTION("reserved") { CHECK_THAT(image.set(base + 4, 1u).sealed_error(), Contains("METADATA: ends at")); }
  SECTION("too short for a map") { CHECK_THAT(image.set(base, 0u).sealed_error(), Contains("METADATA: ends at 8")); }
  SECTION("keys beyond the section") {
    for (std::size_t i = 0; i < image.get<std::uint32_t>(base); ++i) image.set<std::uint8_t>(base + 12 + 32 * i, 255);
    CHECK_THAT(image.sealed_error(), Contains("METADATA"));
  }
  SECTION("empty key") {
    CHECK_THAT(image.set<std::uint8_t>(entry("n_layers") + 4, 0).sealed_error(), Contains("has an empty key"));
  }
  SECTION("key out of line") {
    CHECK_THAT(image.set(entry("n_layers"), 0u).sealed_error(), Contains("has its key at 0"));
  }
  SECTION("forbidden byte in a key") {
    CHECK_THAT(image.set(base + image.get<std::uint32_t>(entry("n_layers")), ' ').sealed_error(),
               Contains("byte 32 in a key"));
  }
  SECTION("order") {
    CHECK_THAT(image.set(base + image.get<std::uint32_t>(entry("n_layers")), 'a').sealed_error(),
               Contains("out of order"));
  }
  SECTION("value offset") {
    CHECK_THAT(image.set(entry("n_layers") + 8, ~std::uint64_t{0} - 7).sealed_error(),
               Contains("METADATA \"n_layers\": 8 bytes at 18446744073709551608"));
  }
  SECTION("value length") {
    CHECK_THAT(image.set(entry("n_layers") + 24, ~std::uint64_t{0}).sealed_error(),
               Contains("METADATA \"n_layers\": 18446744073709551615 bytes"));
  }
  SECTION("padding") {
    CHECK_THAT(image.set(image.value(kMeta, "tied") + 1, '\1').sealed_error(),
               Contains("the padding before it is not zero"));
  }
}

TEST_CASE("maps: values") {
  Image image = small();
  const auto entry = [&](const char* key) { return image.map_entry(kMeta, key); };
  SECTION("type") {
    CHECK_THAT(image.set<std::uint8_t>(entry("n_layers") + 5, 64).sealed_error(),
               Contains("\"n_layers\": unknown value type 64"));
  }
  SECTION("form: nothing nests") {
    CHECK_THAT(image.set<std::uint8_t>(entry("n_layers") + 6, 3).sealed_error(),
               Contains("\"n_layers\": unknown form 3"));
  }
  SECTION("tensor of strings") {
    CHECK_THAT(image.set<std::uint8_t>(entry("texts") + 6, 2).sealed_error(), Contains("\"texts\": unknown form 2"));
  }
  SECTION("rank of a scalar") {
    CHECK_THAT(image.set<std::uint8_t>(entry("n_layers") + 7, 1).sealed_error(), Contains("\"n_layers\": rank 1"));
  }
  SECTION("rank of a tensor") {
    CHECK_THAT(image.set<std::uint8_t>(entry("table") + 7, 9).sealed_error(), Contains("\"table\": rank 9"));
  }
  SECTION("scalars are one") {
    CHECK_THAT(image.set<std::uint64_t>(entry("n_layers") + 16, 2).sealed_error(),
               Contains("a scalar with 2 elements"));
  }
  SECTION("count × width wraps") {
    CHECK_THAT(image.set<std::uint64_t>(entry("array/i64") + 16, (std::uint64_t{1} << 61) + 3).sealed_error(),
               Contains("\"array/i64\": 2305843009213693955 elements"));
  }
  SECTION("strings beyond their bytes") {
    CHECK_THAT(image.set(entry("texts") + 16, std::uint64_t{1} << 62).sealed_error(),
               Contains("\"texts\": 4611686018427387904 strings cannot fit"));
  }
  SECTION("last string") {
    CHECK_THAT(image.set(image.value(kMeta, "texts") + 8, 100u).sealed_error(),
               Contains("\"texts\": its strings end at 100"));
  }
  SECTION("dimensions of a tensor") {
    CHECK_THAT(image.set<std::uint64_t>(image.value(kMeta, "table"), 4).sealed_error(),
               Contains("\"table\": its dimensions do not give 6 elements"));
  }
  SECTION("dimensions that wrap") {
    const std::size_t at = image.value(kMeta, "table");
    CHECK_THAT(image.set(at, std::uint64_t{1} << 33).set(at + 8, (std::uint64_t{1} << 31) + 3).sealed_error(),
               Contains("its dimensions do not give 6"));
  }
  SECTION("bool") {
    CHECK_THAT(image.set<std::uint8_t>(image.value(kMeta, "tied"), 2).sealed_error(),
               Contains("\"tied\": a bool that is 2"));
  }
}

TEST_CASE("a string longer than the limit is refused") {
  TemporaryFolder folder;
  Writer w(folder.file("m.oinf"));
  CHECK_NOTHROW(w.meta("fits", std::string(1 << 24, 'x')));
  CHECK_THROWS_WITH(w.meta("s", std::string((1 << 24) + 1, 'x')), Contains("16777217 bytes"));
  EncodedValue value = encode("x");
  value.bytes.assign((1 << 24) + 1, 'x');  // past the writer's own check
  w.put(kMeta, "s", value);
  w.write();
  CHECK_THAT(open_message(folder.file("m.oinf")), Contains("METADATA \"s\": a string of 16777217 bytes"));
}

TEST_CASE("string array elements are checked when they are read") {
  Image image = small();
  image.set(image.value(kMeta, "texts"), 0xFFFFFFFFu).reseal();
  TemporaryFolder folder;
  write_file(folder.file("m.oinf"), image.bytes);
  const Reader reader = Reader::open(folder.file("m.oinf"));
  const Strings strings = reader.metadata().at("texts").strings();
  CHECK_THROWS_WITH(strings[0], Contains("string 0 of an array ends at 4294967295"));
  CHECK_THROWS_WITH(strings[1], Contains("string 1 of an array ends at"));
  CHECK_THROWS_WITH(verify(reader), Contains("damaged") || Contains("string 0"));
}

TEST_CASE("dimensions") {
  Image image = small();
  const std::size_t bounds = image.value(Section::dims, "ctx");
  SECTION("negative") {
    CHECK_THAT(image.set<std::int64_t>(bounds, -1).sealed_error(), Contains("DIMS \"ctx\": bounds [-1, 128]"));
  }
  SECTION("empty range") {
    CHECK_THAT(image.set<std::int64_t>(bounds, 129).sealed_error(), Contains("bounds [129, 128]"));
  }
  SECTION("huge") {
    CHECK_THAT(image.set(bounds + 8, std::int64_t{1} << 62).sealed_error(), Contains("DIMS \"ctx\": bounds"));
  }
  SECTION("type") {
    CHECK_THAT(image.set<std::uint8_t>(image.map_entry(Section::dims, "ctx") + 5, 38).sealed_error(),
               Contains("DIMS \"ctx\": is u64[], expected i64[2]"));
  }
  SECTION("name") {
    CHECK_THAT(
        image.set(image.section(Section::dims) + image.get<std::uint32_t>(image.map_entry(Section::dims, "_rows")), '9')
            .sealed_error(),
        Contains("a name begins with a letter"));
  }
}

TEST_CASE("states") {
  Image image = small();
  const auto text = [&](const char* key) { return image.value(Section::states, key); };
  SECTION("dtype") {
    CHECK_THAT(image.set(text("kv/dtype"), 'x').sealed_error(), Contains("STATES \"kv\": unknown dtype \"x32\""));
  }
  SECTION("layout") {
    CHECK_THAT(image.set(text("kv/layout"), 'x').sealed_error(),
               Contains("STATES \"kv\": unknown layout \"xv_cache\""));
  }
  SECTION("empty size") {
    CHECK_THAT(image.set(text("kv/shape"), 0u).sealed_error(),
               Contains("STATES \"kv\": size \"\" is no number and not in DIMS"));
  }
  SECTION("size") {
    CHECK_THAT(image.set(text("kv/shape") + 4 * 5, 'x').sealed_error(),
               Contains("STATES \"kv\": size \"x\" is no number and not in DIMS"));
  }
  SECTION("leading zero") {
    CHECK_THAT(image.set(text("kv/shape") + 4 * 5 + 6, '0').sealed_error(), Contains("size \"04\""));
  }
  SECTION("order of strings") {
    CHECK_THAT(image.set(text("kv/shape"), 77u).sealed_error(), Contains("string 0 of an array ends at 77"));
  }
  SECTION("type") {
    CHECK_THAT(image.set<std::uint8_t>(image.map_entry(Section::states, "kv/dtype") + 5, 19).sealed_error(),
               Contains("STATES"));
  }
  SECTION("entries") {
    CHECK_THAT(image
                   .set(image.section(Section::states) +
                            image.get<std::uint32_t>(image.map_entry(Section::states, "kv/dtype")) + 3,
                        'e')
                   .sealed_error(),
               Contains("a state has dtype, layout and shape"));
  }
}

TEST_CASE("states: number of sizes") {
  TemporaryFolder folder;
  const auto message = [&](const char* layout, std::size_t sizes) {
    Writer w(folder.file("m.oinf"));
    w.put(Section::states, "s/dtype", encode("f32"));
    w.put(Section::states, "s/layout", encode(layout));
    w.put(Section::states, "s/shape", encode(std::span<const std::string>(std::vector<std::string>(sizes, "2"))));
    w.write();
    return open_message(folder.file("m.oinf"));
  };
  CHECK(message("kv_cache", 5) == "");
  CHECK_THAT(message("kv_cache", 4), Contains("STATES \"s\": 4 sizes for kv_cache"));
  CHECK_THAT(message("kv_cache", 6), Contains("STATES \"s\": 6 sizes for kv_cache"));
  CHECK(message("tensor", 8) == "");
  CHECK_THAT(message("tensor", 9), Contains("STATES \"s\": 9 sizes for tensor"));
}

TEST_CASE("shards") {
  Image image("sharded.oinf");
  const std::size_t names = image.value(Section::shards, "names") + 16, sizes = image.value(Section::shards, "sizes");
  const std::size_t length = kGoldenShards[0].size();
  SECTION("undamaged") { CHECK(image.sealed_error().empty()); }
  SECTION("missing") {
    CHECK_THAT(image.set(names, 'x').sealed_error(),
               Contains("shard \"x" + kGoldenShards[0].substr(1) + "\": cannot open: No such file"));
  }
  SECTION("absolute") { CHECK_THAT(image.set(names, '/').sealed_error(), Contains("is not a plain file name")); }
  SECTION("another folder") {
    CHECK_THAT(image.set(names + 7, '/').sealed_error(), Contains("is not a plain file name"));
  }
  SECTION("upwards") {
    CHECK_THAT(image.set(names, '.').set(names + 1, '.').set(names + 2, '/').sealed_error(),
               Contains("is not a plain file name"));
  }
  SECTION("hidden") { CHECK_THAT(image.set(names, '.').sealed_error(), Contains("is not a plain file name")); }
  SECTION("with a zero byte") {
    CHECK_THAT(image.set(names + 3, '\0').sealed_error(), Contains("is not a plain file name"));
  }
  SECTION("twice") {
    std::memcpy(image.bytes.data() + names + length, image.bytes.data() + names, length);
    CHECK_THAT(image.sealed_error(), Contains(kGoldenShards[0] + "\" occurs twice"));
  }
  SECTION("swapped") {
    std::swap_ranges(&image.bytes[names], &image.bytes[names + length], &image.bytes[names + length]);
    CHECK_THAT(image.sealed_error(), Contains("the package says") || Contains("is not shard 1"));
  }
  SECTION("size") {
    CHECK_THAT(image.set<std::uint64_t>(sizes, 4121).sealed_error(),
               Contains("is 4120 bytes long, the package says 4121"));
  }
  SECTION("tensor in the main file") {
    CHECK_THAT(image.set<std::uint16_t>(image.row("a") + 14, 0).sealed_error(), Contains("\"a\": is in shard 0 of 4"));
  }
  SECTION("shard left out") {
    CHECK_THAT(image.set<std::uint16_t>(image.row("b") + 14, 3).sealed_error(),
               Contains("\"b\": is in shard 3 of 4, after shard 1"));
  }
  SECTION("shard that does not exist") {
    CHECK_THAT(image.set<std::uint16_t>(image.row("d") + 14, 5).sealed_error(), Contains("\"d\": is in shard 5 of 4"));
  }
  SECTION("empty shard") {
    CHECK_THAT(image.set<std::uint8_t>(image.row("d") + 7, 1).sealed_error(), Contains("\"d\""));
  }
}

TEST_CASE("a shard that is a link, or leads out, is refused") {
  TemporaryFolder folder;
  for (const std::string& name : {std::string("sharded.oinf"), kGoldenShards[1], kGoldenShards[2], kGoldenShards[3]})
    write_file(folder.file(name), read_file(golden(name)));
  const std::string shard = folder.file(kGoldenShards[0]);
  std::filesystem::create_symlink(golden(kGoldenShards[0]), shard);
  CHECK_THAT(open_message(folder.file("sharded.oinf")), Contains("is a symbolic link"));
  std::filesystem::remove(shard);
  std::filesystem::create_directory(shard);
  CHECK_THAT(open_message(folder.file("sharded.oinf")), Contains("is a directory"));
}

TEST_CASE("what is no package file") {
  TemporaryFolder folder;
  CHECK_THAT(open_message(folder.file("none.oinf")), Contains("none.oinf: cannot open: No such file or directory"));
  CHECK_THAT(open_message(folder.path.string()), Contains("is a directory, not a package"));
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK_THAT(open_message(folder.file("pipe")), Contains("is not a regular file"));
  CHECK_THAT(open_message("/dev/null"), Contains("is not a regular file"));
}

TEST_CASE("a file that is cut while it is open is an error, not a crash") {
  TemporaryFolder folder;
  const std::string path = folder.file("small.oinf");
  write_file(path, read_file(golden("small.oinf")));
  const Reader mapped = Reader::open(path), read = Reader::open(path, Reader::Mode::pread);
  const std::size_t row = *mapped.find("panel");
  std::vector<std::byte> bytes(mapped.tensor(row).nbytes);
  REQUIRE(::truncate(path.c_str(), 8192) == 0);
  CHECK_THROWS_WITH(mapped.bytes(row), Contains("was cut from 61185 to 8192 bytes while open"));
  CHECK_THROWS_WITH(mapped.read_tensor(row, 0, bytes), Contains("was cut while open"));
  CHECK_THROWS_WITH(read.read_tensor(row, 0, bytes), Contains("was cut while open"));
  REQUIRE(::truncate(path.c_str(), 0) == 0);
  CHECK(read.find("panel") == row);  // pread mode keeps the index
  CHECK(read.metadata().at("general.name").string() == "small");
  CHECK_THROWS_WITH(verify(read), Contains("was cut while open"));
}

TEST_CASE("look-ups in a large index do not touch a file that was cut") {
  constexpr std::size_t kTensors = 60000;  // an index of 6 MB
  TemporaryFolder folder;
  const std::string path = folder.file("large.oinf"), value(4, '\0');
  Writer w(path);
  for (std::size_t i = 0; i < kTensors; ++i) {
    const std::string key = fmt::format("blk.{:05}.weight", i);
    w.splat({.key = key, .dtype = "f32", .shape = {2, 2}, .transposed = false, .quantisation = {}},
            std::as_bytes(std::span(value)));
  }
  w.meta("long", std::string(2 << 20, 'x'));
  w.write();
  const Reader mapped = Reader::open(path);
  REQUIRE(::truncate(path.c_str(), 0) == 0);
  for (std::size_t i = 0; i < kTensors; i += 997) CHECK(mapped.find(fmt::format("blk.{:05}.weight", i)) == i);
  CHECK(!mapped.find("absent"));
  CHECK(mapped.tensor(kTensors - 1).key == "blk.59999.weight");
  CHECK(mapped.metadata().at("long").string().size() == 2 << 20);
  std::vector<std::byte> bytes(16, std::byte{1});
  mapped.read_tensor(7, 0, bytes);
  CHECK(bytes == std::vector<std::byte>(16));
}

TEST_CASE("key hash") {
  Image image = small();
  const std::size_t at = image.section(Section::keyhash),
                    slots = image.get<std::uint64_t>(image.entry(Section::keyhash) + 16) / 8;
  SECTION("size") {
    image.set(image.entry(Section::keyhash), 0x80000001u);  // optional and unknown: left out
    CHECK(image.sealed_error().empty());
  }
  SECTION("lies are not believed") {
    for (std::size_t i = 0; i < slots; ++i) image.set(at + 8 * i, ~std::uint64_t{0} - i);
    image.set(at, image.get<std::uint64_t>(at) | 0xFFFFFFFF);
    TemporaryFolder folder;
    write_file(folder.file("m.oinf"), image.reseal().bytes);
    const Reader reader = Reader::open(folder.file("m.oinf"));
    for (std::size_t i = 0; i < reader.tensor_count(); ++i) CHECK(reader.find(reader.tensor(i).key) == i);
    CHECK(!reader.find("no_such_key"));
    image.set(image.entry(Section::keyhash) + 24, xxh64(image.bytes.data() + at, 8 * slots));
    CHECK_THAT(image.verify_error(), Contains("KEYHASH does not agree with the keys"));
  }
}

namespace {

std::uint64_t offset_of(const Image& image, const char* key) { return image.get<std::uint64_t>(image.row(key) + 16); }

/// The checksum that a section's, or a tensor's, changed bytes need.
void renew(Image& image, Section kind) {
  const std::size_t entry = image.entry(kind);
  image.set(entry + 24, xxh64(image.bytes.data() + image.section(kind), image.get<std::uint64_t>(entry + 16)));
}
void renew_tensor(Image& image, const char* key) {
  const std::size_t row = image.row(key);
  image.set(row + 32, xxh64(image.bytes.data() + offset_of(image, key), image.get<std::uint64_t>(row + 24)));
}

}  // namespace

TEST_CASE("verify finds bytes that opening does not read") {
  Image image = small();
  REQUIRE(image.verify_error().empty());
  SECTION("a bit of a tensor") {
    image.bytes[offset_of(image, "panel") + 100] ^= 1;
    CHECK_THAT(image.verify_error(), Contains("tensor \"panel\" is damaged"));
  }
  SECTION("padding between tensors") {
    image.bytes[offset_of(image, "embedding") + 60] = 1;
    CHECK_THAT(image.verify_error(), Contains("the padding from"));
  }
  SECTION("padding before the data") {
    image.bytes[image.section(Section::data) - 1] = 1;
    CHECK_THAT(image.verify_error(), Contains("the padding from"));
  }
  SECTION("tokenizer") {
    image.bytes[image.value(Section::tokenizer, "model")] = 'x';
    CHECK_THAT(image.verify_error(), Contains("TOKENIZER") && Contains("damaged"));
  }
}

TEST_CASE("verify finds values that opening does not read") {
  Image image = small();
  REQUIRE(image.verify_error().empty());
  SECTION("UTF-8") {
    image.bytes[image.value(kMeta, "umlauts")] = '\xFF';
    renew(image, kMeta);
    CHECK_THAT(image.verify_error(), Contains("METADATA \"umlauts\" is not UTF-8"));
  }
  SECTION("UTF-8 in an array") {
    image.bytes[image.value(kMeta, "texts") + 12] = '\x80';
    renew(image, kMeta);
    CHECK_THAT(image.verify_error(), Contains("METADATA \"texts\": element 0 is not UTF-8"));
  }
  SECTION("array of bools") {
    image.bytes[image.value(kMeta, "array/bool") + 1] = 2;
    renew(image, kMeta);
    CHECK_THAT(image.verify_error(), Contains("\"array/bool\" holds a bool"));
  }
  SECTION("elements") {
    for (const auto& [key, byte] : {std::pair{"all/bool", 2}, {"all/t1", 243}, {"all/t2", 3}, {"all/t2.t", 0xC0}}) {
      Image before = image;
      image.bytes[offset_of(image, key)] = static_cast<char>(byte);
      renew_tensor(image, key);
      renew(image, Section::tensors);
      CHECK_THAT(image.verify_error(), Contains(std::string("\"") + key + "\" holds a byte that is no"));
      image = before;
    }
  }
  SECTION("a graph that is no text") {
    image.set<std::uint8_t>(image.map_entry(Section::graph, "aux") + 5, 35)
        .set<std::uint8_t>(image.map_entry(Section::graph, "aux") + 6, 1)
        .set<std::uint64_t>(image.map_entry(Section::graph, "aux") + 16, 6);
    renew(image, Section::graph);
    CHECK_THAT(image.verify_error(), Contains("\"aux\" is u8[], not string"));
  }
}

TEST_CASE("verify compares shards with the manifest") {
  TemporaryFolder folder;
  write_file(folder.file("sharded.oinf"), read_file(golden("sharded.oinf")));
  for (const std::string& name : kGoldenShards) write_file(folder.file(name), read_file(golden(name)));
  std::string shard = read_file(folder.file(kGoldenShards[2]));
  shard[40] = 1;
  write_file(folder.file(kGoldenShards[2]), shard);
  CHECK_THROWS_WITH(verify(Reader::open(folder.file("sharded.oinf"))), Contains(kGoldenShards[2] + ": the padding"));
}

TEST_CASE("UTF-8 is checked to the letter") {
  for (const char* good : {"", "a", "é", "€", "😀", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"})
    CHECK(is_utf8(good));
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xE2\x82", "\xED\xA0\x80",
                          "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xE2\x82z"})
    CHECK(!is_utf8(bad));
}
