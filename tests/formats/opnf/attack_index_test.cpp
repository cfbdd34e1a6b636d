// SPDX-License-Identifier: Apache-2.0
// Hostile headers, section tables and tensor rows. Each attack is found at open, in both modes, with its own message.
#include <catch2/catch.hpp>

#include "tests/formats/opnf/image.h"

using namespace opnf;
using namespace opnf::testing;
using Catch::Contains;

namespace {
Image small() { return Image("small.oinf"); }
constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;
}  // namespace

TEST_CASE("the undamaged image opens") { REQUIRE(small().sealed_error().empty()); }

TEST_CASE("header") {
  Image image = small();
  SECTION("a shard") {
    CHECK_THAT(image.set(3, 'S').sealed_error(), Contains("is a shard of a package: open the .oinf file beside it"));
  }
  SECTION("magic") { CHECK_THAT(image.set(0, 'X').sealed_error(), Contains("first bytes are not OINF")); }
  SECTION("GGUF") {
    CHECK_THAT(image.set(0, 0x46554747u).open_error(), Contains("is a GGUF file") && Contains("scripts/convert.py"));
  }
  SECTION("endian") { CHECK_THAT(image.set(8, 0x04030201u).sealed_error(), Contains("endian tag")); }
  SECTION("version") { CHECK_THAT(image.set<std::uint16_t>(12, 2).sealed_error(), Contains("format version 2.0")); }
  SECTION("newer minor") { CHECK(image.set<std::uint16_t>(14, 7).sealed_error().empty()); }
  SECTION("size") { CHECK_THAT(image.set(16, 128u).sealed_error(), Contains("header has 128 bytes")); }
  SECTION("file size") {
    CHECK_THAT(image.set<std::uint64_t>(24, 1 << 20).sealed_error(), Contains("its header says 1048576"));
  }
  SECTION("required feature") {
    CHECK_THAT(image.set<std::uint64_t>(32, 32).sealed_error(), Contains("needs feature 5"));
  }
  SECTION("optional feature") { CHECK(image.set<std::uint64_t>(40, 32).sealed_error().empty()); }
  SECTION("no sections") { CHECK_THAT(image.set(20, 0u).sealed_error(), Contains("says it has 0 sections")); }
  SECTION("sections beyond the file") {
    CHECK_THAT(image.set(20, 0xFFFFFFFFu).sealed_error(), Contains("4294967295 sections"));
  }
  SECTION("sections beyond the index") {
    CHECK_THAT(image.set(20, 1024u).sealed_error(), Contains("says its index ends at"));
  }
  SECTION("index end") { CHECK_THAT(image.set(48, kHuge).sealed_error(), Contains("says its index ends at")); }
  SECTION("checksum") { CHECK_THAT(image.set<std::uint64_t>(56, 0).open_error(), Contains("checksum differs")); }
  SECTION("cut in half") {
    image.bytes.resize(image.bytes.size() / 2);
    CHECK_THAT(image.open_error(), Contains("cut short"));
  }
  SECTION("shorter than a header") {
    image.bytes.resize(20);
    CHECK_THAT(image.open_error(), Contains("has 20 bytes"));
  }
  SECTION("empty file") {
    image.bytes.clear();
    CHECK_THAT(image.open_error(), Contains("has 0 bytes"));
  }
  SECTION("longer than it says") {
    image.bytes += '\0';
    CHECK_THAT(image.open_error(), Contains("something stands behind its end"));
  }
}

TEST_CASE("every bit of the index is under the checksum") {
  Image image = small();
  for (std::size_t at = 0; at < image.get<std::uint64_t>(48); at += 97) {
    Image damaged = image;
    damaged.bytes[at] = static_cast<char>(damaged.bytes[at] ^ 1 << at % 8);
    INFO(at);
    CHECK(!damaged.open_error().empty());
  }
}

TEST_CASE("section table: places") {
  Image image = small();
  const std::size_t dims = image.entry(Section::dims), data = image.entry(Section::data),
                    keyhash = image.entry(Section::keyhash);
  SECTION("into the header") {
    CHECK_THAT(image.set<std::uint64_t>(dims + 8, 0).sealed_error(), Contains("DIMS: begins at 0 and overlaps"));
  }
  SECTION("overlap") {
    CHECK_THAT(image.set(dims + 8, image.section(Section::dims) - 8).sealed_error(),
               Contains("DIMS") && Contains("overlaps"));
  }
  SECTION("gap") {
    CHECK_THAT(image.set(keyhash + 8, image.section(Section::keyhash) + 8).sealed_error(),
               Contains("KEYHASH: begins at") && Contains("expected at"));
  }
  SECTION("beyond the end") {
    CHECK_THAT(image.set<std::uint64_t>(data + 16, 1 << 20).sealed_error(),
               Contains("DATA") && Contains("beyond the end of the file"));
  }
  SECTION("offset + length wraps") {
    CHECK_THAT(image.set(data + 16, ~std::uint64_t{0} - 8).sealed_error(),
               Contains("DATA") && Contains("beyond the end of the file"));
  }
  SECTION("offset wraps") {
    CHECK_THAT(image.set(data + 8, ~std::uint64_t{0} - 4095).sealed_error(), Contains("DATA: begins at"));
  }
}

TEST_CASE("section table: kinds and flags") {
  Image image = small();
  const std::size_t dims = image.entry(Section::dims), data = image.entry(Section::data);
  SECTION("alignment") { CHECK_THAT(image.set(dims + 32, 3u).sealed_error(), Contains("DIMS: alignment 3")); }
  SECTION("no alignment") { CHECK_THAT(image.set(dims + 32, 0u).sealed_error(), Contains("DIMS: alignment 0")); }
  SECTION("huge alignment") {
    CHECK_THAT(image.set(dims + 32, 0x80000000u).sealed_error(), Contains("DIMS: alignment 2147483648"));
  }
  SECTION("data alignment") { CHECK_THAT(image.set(data + 32, 8u).sealed_error(), Contains("DATA: ")); }
  SECTION("twice") { CHECK_THAT(image.set(dims, 1u).sealed_error(), Contains("METADATA occurs twice")); }
  SECTION("twice behind the index") {
    const std::size_t graph = image.entry(Section::graph);
    CHECK_THAT(image.set(graph, 4u).sealed_error(), Contains("TOKENIZER occurs twice"));
  }
  SECTION("flags") { CHECK_THAT(image.set(dims + 4, 2u).sealed_error(), Contains("DIMS: flags 2")); }
  SECTION("reserved") { CHECK_THAT(image.set(dims + 36, 2u).sealed_error(), Contains("DIMS: flags")); }
  SECTION("unknown required") {
    CHECK_THAT(
        image.set(image.entry(Section::graph), 77u).set(image.entry(static_cast<Section>(77)) + 4, 1u).sealed_error(),
        Contains("section kind 77 is required"));
  }
  SECTION("unknown optional") { CHECK(image.set(image.entry(Section::graph), 77u).sealed_error().empty()); }
  SECTION("no tensors") {
    CHECK_THAT(
        image.set(image.entry(Section::tensors), 77u).set(image.entry(static_cast<Section>(77)) + 4, 0u).sealed_error(),
        Contains("no TENSORS section"));
  }
  SECTION("metadata after the tensors") {
    CHECK_THAT(image.set(image.entry(Section::metadata), 99u)
                   .set(image.entry(static_cast<Section>(99)) + 4, 0u)
                   .set(image.entry(Section::tokenizer), 1u)
                   .sealed_error(),
               Contains("METADATA: must lie before TENSORS"));
  }
}

TEST_CASE("section table: between the sections") {
  Image image = small();
  const std::size_t data = image.entry(Section::data);
  SECTION("bytes behind the last section") {
    CHECK_THAT(image.set(data + 16, image.get<std::uint64_t>(data + 16) - 8).sealed_error(),
               Contains("its sections end at"));
  }
  SECTION("index end inside the tensors") {
    CHECK_THAT(image.set(48, image.get<std::uint64_t>(48) - 8).sealed_error(), Contains("TENSORS: ends at"));
  }
  SECTION("padding inside the index") {
    const std::size_t end = image.get<std::uint64_t>(image.entry(Section::metadata) + 8) +
                            image.get<std::uint64_t>(image.entry(Section::metadata) + 16);
    REQUIRE(end < image.section(Section::dims));
    CHECK_THAT(image.set(end, '\1').sealed_error(), Contains("the bytes before it are not zero"));
  }
}

TEST_CASE("tensor index header") {
  Image image = small();
  const std::size_t base = image.section(Section::tensors);
  SECTION("count × row size beyond the section") {
    CHECK_THAT(image.set(base, 0xFFFFFFFFu).sealed_error(), Contains("TENSORS: 4294967295 rows"));
  }
  SECTION("row size") { CHECK_THAT(image.set(base + 4, 0u).sealed_error(), Contains("rows of 0 bytes")); }
  SECTION("dims") { CHECK_THAT(image.set(base + 8, 0x20000000u).sealed_error(), Contains("TENSORS:")); }
  SECTION("patterns") { CHECK_THAT(image.set(base + 16, 0xFFFFFFFFu).sealed_error(), Contains("TENSORS:")); }
  SECTION("alignment") { CHECK_THAT(image.set(base + 24, 48u).sealed_error(), Contains("TENSORS: alignment 48")); }
  SECTION("no alignment") { CHECK_THAT(image.set(base + 24, 0u).sealed_error(), Contains("TENSORS: alignment 0")); }
  SECTION("fewer rows than keys") {
    CHECK_THAT(image.set(base, image.get<std::uint32_t>(base) - 1)
                   .set(base + 8, image.get<std::uint32_t>(base + 8) + 6)
                   .sealed_error(),
               Contains("tensor") || Contains("TENSORS"));
  }
}

TEST_CASE("tensor rows: fields") {
  Image image = small();
  const std::size_t row = image.row("embedding"), after = row + 48;
  SECTION("unknown dtype") {
    CHECK_THAT(image.set<std::uint8_t>(row + 5, 200).sealed_error(), Contains("\"embedding\": unknown dtype code 200"));
  }
  SECTION("rank") { CHECK_THAT(image.set<std::uint8_t>(row + 6, 9).sealed_error(), Contains("\"embedding\": rank 9")); }
  SECTION("dims out of line") {
    CHECK_THAT(image.set(row + 8, 0xFFFFFFF0u).sealed_error(), Contains("its dimensions are at"));
  }
  SECTION("kind") { CHECK_THAT(image.set<std::uint8_t>(row + 7, 3).sealed_error(), Contains("unknown kind 3")); }
  SECTION("layout") { CHECK_THAT(image.set<std::uint8_t>(row + 12, 2).sealed_error(), Contains("unknown layout")); }
  SECTION("panels of f16") {
    CHECK_THAT(image.set<std::uint8_t>(row + 12, 1).sealed_error(), Contains("layout panel16"));
  }
  SECTION("flags") { CHECK_THAT(image.set<std::uint8_t>(row + 13, 2).sealed_error(), Contains("unknown flags 2")); }
  SECTION("transposed scalar") {
    CHECK_THAT(image.set<std::uint8_t>(image.row("q/scale.tensor") + 13, 1).sealed_error(),
               Contains("fewer than two dimensions"));
  }
  SECTION("shard") { CHECK_THAT(image.set<std::uint16_t>(row + 14, 1).sealed_error(), Contains("is in shard 1 of 0")); }
  SECTION("empty key") { CHECK_THAT(image.set<std::uint8_t>(after + 4, 0).sealed_error(), Contains("has its key at")); }
  SECTION("key beyond the keys") {
    CHECK_THAT(image.set(row, 0xFFFFFF00u).sealed_error(), Contains("has its key at 4294967040"));
  }
  SECTION("target of no alias") { CHECK_THAT(image.set(row + 40, 1u).sealed_error(), Contains("is no alias")); }
}

TEST_CASE("tensor rows: sizes") {
  Image image = small();
  const std::size_t row = image.row("embedding");
  SECTION("bytes") {
    CHECK_THAT(image.set<std::uint64_t>(row + 24, 47).sealed_error(),
               Contains("says 47 bytes, dtype and shape give 48"));
  }
  SECTION("elements wrap to 0") {
    const std::size_t dims = image.dims("embedding");
    CHECK_THAT(image.set(dims, std::uint64_t{1} << 32)
                   .set(dims + 8, std::uint64_t{1} << 32)
                   .set<std::uint64_t>(row + 24, 0)
                   .sealed_error(),
               Contains("element count overflows"));
  }
  SECTION("bytes wrap to 0") {
    const std::size_t dims = image.dims("all/f64");
    CHECK_THAT(image.set(dims, std::uint64_t{1} << 61)
                   .set<std::uint64_t>(dims + 8, 1)
                   .set<std::uint64_t>(image.row("all/f64") + 24, 0)
                   .sealed_error(),
               Contains("byte count overflows"));
  }
  SECTION("a huge dimension") {
    CHECK_THAT(image.set(image.dims("embedding"), kHuge).sealed_error(), Contains("element count overflows"));
  }
  SECTION("a zero dimension beside huge ones") {
    const std::size_t dims = image.dims("embedding");
    CHECK_THAT(image.set(dims, kHuge).set<std::uint64_t>(dims + 8, 0).sealed_error(),
               Contains("says 48 bytes, dtype and shape give 0"));
  }
  SECTION("part of a block") {
    CHECK_THAT(image.set<std::uint64_t>(image.dims("all/q4_0") + 8, 63).sealed_error(),
               Contains("not a multiple of the dtype's block"));
  }
  SECTION("part of a block, with the bytes of whole ones") {
    CHECK_THAT(image.set<std::uint64_t>(image.dims("all/q4_0") + 8, 40)
                   .set<std::uint64_t>(image.row("all/q4_0") + 24, 54)
                   .sealed_error(),
               Contains("\"all/q4_0\": its last stored dimension is not a multiple of the dtype's block"));
  }
  SECTION("transposed vector") {
    CHECK_THAT(image.set<std::uint8_t>(image.row("q/scale.channel") + 13, 1).sealed_error(),
               Contains("\"q/scale.channel\": transposed, but has fewer than two dimensions"));
  }
  SECTION("a rank beyond the dimensions") {
    CHECK_THAT(image.set<std::uint8_t>(image.row("zeros.t") + 6, 3).sealed_error(),
               Contains("\"zeros.t\": its dimensions are at"));
  }
}

TEST_CASE("tensor rows: places") {
  Image image = small();
  const std::size_t row = image.row("embedding");
  SECTION("beyond the end") {
    CHECK_THAT(image.set(image.dims("zeros"), std::uint64_t{2})
                   .set<std::uint64_t>(image.dims("zeros") + 8, 1 << 20)
                   .set<std::uint64_t>(image.row("zeros") + 24, 8 << 20)
                   .set<std::uint8_t>(image.row("zeros") + 7, 0)
                   .sealed_error(),
               Contains("\"zeros\"") && (Contains("overlap") || Contains("beyond")));
  }
  SECTION("data beyond the end") {
    CHECK_THAT(image.set(image.dims("q/zero.group"), std::uint64_t{1} << 40)
                   .set(image.row("q/zero.group") + 24, std::uint64_t{1} << 41)
                   .sealed_error(),
               Contains("\"q/zero.group\"") && Contains("reach beyond the end of the data"));
  }
  SECTION("offset + length wraps") {
    CHECK_THAT(image.set(row + 16, ~std::uint64_t{0} - 255).sealed_error(),
               Contains("its bytes are at 18446744073709551360, expected at"));
  }
  SECTION("overlap") {
    CHECK_THAT(image.set(row + 16, image.get<std::uint64_t>(row + 16) - 256).sealed_error(),
               Contains("overlap what ends at"));
  }
  SECTION("same place as another") {
    CHECK_THAT(image.set(image.row("panel") + 16, image.get<std::uint64_t>(row + 16)).sealed_error(),
               Contains("\"panel\"") && Contains("overlap"));
  }
  SECTION("into the header") {
    CHECK_THAT(image.set<std::uint64_t>(row + 16, 0).sealed_error(), Contains("\"embedding\"") && Contains("overlap"));
  }
  SECTION("alignment") {
    CHECK_THAT(image.set(row + 16, image.get<std::uint64_t>(row + 16) + 8).sealed_error(),
               Contains("\"embedding\"") && Contains("expected at"));
  }
}

TEST_CASE("keys") {
  Image image = small();
  const std::size_t base = image.section(Section::tensors);
  const std::size_t keys = image.get<std::uint64_t>(48) - image.get<std::uint32_t>(base + 20);
  const auto key_at = [&](const char* key) { return keys + image.get<std::uint32_t>(image.row(key)); };
  SECTION("out of order") {
    CHECK_THAT(image.set(key_at("embedding"), 'z').sealed_error(), Contains("its key is out of order"));
  }
  SECTION("twice") {
    const std::size_t at = key_at("all/i2");
    CHECK_THAT(image.set(at + 5, '1').sealed_error(), Contains("\"all/i16\"") || Contains("out of order"));
    Image other = small();
    const std::size_t u2 = keys + other.get<std::uint32_t>(other.row("all/u4"));
    CHECK_THAT(other.set(u2 + 5, '2').sealed_error(), Contains("its key is out of order"));
  }
  SECTION("forbidden bytes") {
    for (const char c : {'\0', ' ', '\n', '"', '\\', '\x80', '\xFF', ',', ':', '@', '[', '`', '{'}) {
      Image copy = image;
      CHECK_THAT(copy.set(key_at("embedding") + 3, c).sealed_error(),
                 Contains("TENSORS: byte") && Contains("in a key"));
    }
  }
}

TEST_CASE("a key that occurs twice") {
  // The keys of this file are the letters a to e.
  Image image("sharded.oinf");
  const std::size_t base = image.section(Section::tensors);
  const std::size_t keys = image.get<std::uint64_t>(48) - image.get<std::uint32_t>(base + 20);
  CHECK_THAT(image.set(keys + 1, 'a').sealed_error(), Contains("tensor \"a\": its key occurs twice"));
}

TEST_CASE("aliases and splats") {
  Image image = small();
  const std::size_t head = image.row("head"), tied = image.row("tied"), zeros = image.row("zeros");
  const auto number = [&](const char* key) {
    return static_cast<std::uint32_t>((image.row(key) - image.section(Section::tensors) - 32) / 48);
  };
  SECTION("no such row") {
    CHECK_THAT(image.set(head + 40, 0xFFFFFFFFu).sealed_error(), Contains("\"head\": is an alias of row 4294967295"));
  }
  SECTION("of itself") {
    CHECK_THAT(image.set(head + 40, number("head")).sealed_error(), Contains("is an alias of the alias \"head\""));
  }
  SECTION("cycle") {
    CHECK_THAT(image.set(head + 40, number("tied")).set(tied + 40, number("head")).sealed_error(),
               Contains("is an alias of the alias \"tied\""));
  }
  SECTION("another shape") {
    CHECK_THAT(image.set(head + 40, number("deep")).sealed_error(),
               Contains("has another dtype, layout or stored shape than \"deep\""));
  }
  SECTION("with bytes") {
    CHECK_THAT(image.set<std::uint64_t>(head + 16, 64).sealed_error(), Contains("is an alias, but has an offset"));
  }
  SECTION("with a checksum") {
    CHECK_THAT(image.set<std::uint64_t>(head + 32, 64).sealed_error(), Contains("no bytes of its own"));
  }
  SECTION("in a shard") {
    CHECK_THAT(image.set<std::uint16_t>(zeros + 14, 1).sealed_error(), Contains("no bytes of its own"));
  }
  SECTION("pattern out of line") {
    CHECK_THAT(image.set<std::uint64_t>(zeros + 16, kHuge).sealed_error(), Contains("its pattern is at"));
  }
}

TEST_CASE("quantisation records") {
  Image image = small();
  const std::size_t record = image.quant("q/group");
  SECTION("scale row") {
    CHECK_THAT(image.set(record, 10000u).sealed_error(), Contains("\"q/group\": its scale is row 10000"));
  }
  SECTION("zero point row") {
    CHECK_THAT(image.set(record + 4, 10000u).sealed_error(), Contains("its zero point is row 10000"));
  }
  SECTION("granularity") {
    CHECK_THAT(image.set<std::uint8_t>(record + 8, 4).sealed_error(), Contains("unknown quantisation 4"));
  }
  SECTION("axis") { CHECK_THAT(image.set<std::uint8_t>(record + 9, 2).sealed_error(), Contains("axis 2 of 2")); }
  SECTION("group size 0") {
    CHECK_THAT(image.set<std::uint64_t>(record + 16, 0).sealed_error(), Contains("group size 0"));
  }
  SECTION("group size") {
    CHECK_THAT(image.set<std::uint64_t>(record + 16, 3).sealed_error(), Contains("group size 3 does not divide 8"));
  }
  SECTION("shape of the scale") {
    CHECK_THAT(image.set<std::uint64_t>(record + 16, 2).sealed_error(), Contains("has the wrong shape"));
  }
  SECTION("dtype of the scale") {
    CHECK_THAT(image.set(record, image.get<std::uint32_t>(record + 4)).sealed_error(),
               Contains("must be a plain tensor of floats"));
  }
  SECTION("record number") {
    CHECK_THAT(image.set(image.row("q/group") + 44, 9u).sealed_error(), Contains("has quantisation 9"));
  }
  SECTION("of floats") {
    CHECK_THAT(image.set<std::uint8_t>(image.row("q/tensor") + 5, 5).sealed_error(),
               Contains("f8e4m3 is no integer dtype"));
  }
}
