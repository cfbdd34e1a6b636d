// SPDX-License-Identifier: Apache-2.0
// The golden files hold both writers to the same bytes: this test the C++ one, opnf_test.py the Python one.
#include <catch2/catch.hpp>

#include "formats/opnf/verify.h"
#include "tests/formats/opnf/describe.h"

using namespace opnf;
using namespace opnf::testing;

namespace {

void same_as_golden(const TemporaryFolder& folder, const std::vector<std::string>& names) {
  REQUIRE(folder.names() == names);
  for (const std::string& name : names) {
    INFO(name);
    REQUIRE(!read_file(golden(name)).empty());
    REQUIRE((read_file(folder.file(name)) == read_file(golden(name))));
  }
}

}  // namespace

TEST_CASE("the C++ writer makes the golden bytes") {
  TemporaryFolder folder;
  SECTION("everything") {
    Writer w(folder.file("small.oinf"));
    describe_small(w);
    w.write();
    same_as_golden(folder, {"small.oinf"});
  }
  SECTION("shards") {
    Writer w(folder.file("sharded.oinf"), {.shard_size = 5000});
    describe_sharded(w);
    w.write();
    std::vector<std::string> names = kGoldenShards;
    names.push_back("sharded.oinf");
    same_as_golden(folder, names);
  }
  SECTION("nothing") {
    Writer(folder.file("empty.oinf")).write();
    same_as_golden(folder, {"empty.oinf"});
  }
}

TEST_CASE("pack, parse and pack again gives the same bytes") {
  TemporaryFolder folder;
  for (const auto mode : {Reader::Mode::map, Reader::Mode::pread}) {
    for (const std::string name : {"small.oinf", "sharded.oinf", "empty.oinf"}) {
      const Reader reader = Reader::open(golden(name), mode);
      Writer w(folder.file(name), {.alignment = reader.alignment(), .shard_size = name == "sharded.oinf" ? 5000u : 0u});
      w.copy(reader);
      w.write();
      REQUIRE((read_file(folder.file(name)) == read_file(golden(name))));
    }
  }
  REQUIRE(folder.names().size() == 7);
  REQUIRE((read_file(folder.file(kGoldenShards[1])) == read_file(golden(kGoldenShards[1]))));
}

TEST_CASE("golden files verify") {
  for (const char* name : {"small.oinf", "sharded.oinf", "empty.oinf"}) {
    std::uint64_t seen = 0, expected = 0;
    const Reader reader = Reader::open(golden(name));
    REQUIRE_NOTHROW(verify(reader, [&](std::uint64_t done, std::uint64_t total) { seen = done, expected = total; }));
    REQUIRE(seen == expected);
  }
}

TEST_CASE("a sharded package becomes a single file and back") {
  TemporaryFolder folder;
  Writer single(folder.file("sharded.oinf"));
  const Reader sharded = Reader::open(golden("sharded.oinf"));
  single.copy(sharded);
  single.write();
  const Reader reader = Reader::open(folder.file("sharded.oinf"));
  REQUIRE(reader.file_count() == 1);
  for (std::size_t i = 0; i < reader.tensor_count(); ++i) {
    const auto a = reader.bytes(i), b = sharded.bytes(i);
    REQUIRE((std::equal(a.begin(), a.end(), b.begin(), b.end())));
  }
}
