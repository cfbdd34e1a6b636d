// SPDX-License-Identifier: Apache-2.0
#include "formats/opnf/writer.h"

#include <sys/resource.h>
#include <catch2/catch.hpp>
#include <csignal>

#include "formats/opnf/verify.h"
#include "tests/formats/opnf/describe.h"

using namespace opnf;
using namespace opnf::testing;
using Catch::Contains;

namespace {

TensorSpec f32(const std::string& key, std::vector<std::uint64_t> shape, bool transposed = false) {
  return {.key = key, .dtype = "f32", .shape = std::move(shape), .transposed = transposed, .quantisation = {}};
}
std::vector<std::byte> floats(std::size_t n) { return pattern("f32", 1, 4 * n); }

/// Files cannot grow beyond `bytes`: the failure that a full disk gives, for this process only.
struct FileSizeLimit {
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }
  rlimit before{};
  void (*handler)(int) = nullptr;
};

}  // namespace

TEST_CASE("the order of the calls does not matter") {
  TemporaryFolder folder;
  for (const bool forward : {true, false}) {
    Writer w(folder.file(forward ? "a.oinf" : "b.oinf"));
    const auto one = [&] { w.meta("x", 1), w.tensor(f32("t", {2}), floats(2)), w.dim("n", 1, 2); };
    const auto two = [&] { w.meta("y", "z"), w.tensor(f32("s", {3}), floats(3)), w.dim("m", 1, 2); };
    forward ? (one(), two()) : (two(), one());
    w.write();
  }
  REQUIRE((read_file(folder.file("a.oinf")) == read_file(folder.file("b.oinf"))));
}

TEST_CASE("a source may give its bytes in any pieces, and exactly its bytes") {
  TemporaryFolder folder;
  const auto bytes = floats(1 << 19);  // 2 MiB: more than the writer's buffer
  const auto write = [&](const std::string& name, std::size_t piece, std::size_t size) {
    Writer w(folder.file(name));
    w.tensor(f32("t", {1 << 19}), [&](const Writer::Sink& sink) {
      for (std::size_t at = 0; at < size; at += piece) sink(std::span(bytes).subspan(at, std::min(piece, size - at)));
    });
    w.tensor(f32("u", {1}), floats(1));
    w.write();
  };
  write("whole.oinf", bytes.size(), bytes.size());
  for (const std::size_t piece : {1000, 65536, 1048576, 1048577}) {
    write("pieces.oinf", piece, bytes.size());
    REQUIRE((read_file(folder.file("pieces.oinf")) == read_file(folder.file("whole.oinf"))));
  }
  CHECK_THROWS_WITH(write("few.oinf", 4096, bytes.size() - 1),
                    Contains("tensor \"t\": its source gave fewer than 2097152 bytes"));
  Writer w(folder.file("many.oinf"));
  w.tensor(f32("t", {1}), floats(2));
  CHECK_THROWS_WITH(w.write(), Contains("its source gave more than 4 bytes"));
  REQUIRE(folder.names() == std::vector<std::string>{"pieces.oinf", "whole.oinf"});
}

TEST_CASE("a failed write leaves the folder as it was") {
  TemporaryFolder folder;
  write_file(folder.file("m.oinf"), "before");
  const auto fails = [&](std::uint64_t shard_size) {
    Writer w(folder.file("m.oinf"), {.shard_size = shard_size});
    w.tensor(f32("a", {4}), floats(4));
    w.tensor(f32("b", {4}), [](const Writer::Sink&) { throw std::runtime_error("source failed"); });
    CHECK_THROWS_WITH(w.write(), "source failed");
    CHECK(folder.names() == std::vector<std::string>{"m.oinf"});
    CHECK(read_file(folder.file("m.oinf")) == "before");
  };
  SECTION("a source throws") { fails(0); }
  SECTION("a source throws among shards") { fails(1); }
  SECTION("no space") {
    Writer w(folder.file("m.oinf"));
    w.tensor(f32("a", {1 << 20}), floats(1 << 20));
    {
      const FileSizeLimit limit(1 << 20);
      CHECK_THROWS_WITH(w.write(), Contains("m.oinf: cannot write: File too large"));
    }
    CHECK(folder.names() == std::vector<std::string>{"m.oinf"});
    CHECK(read_file(folder.file("m.oinf")) == "before");
    w.write();
    CHECK_NOTHROW(verify(Reader::open(folder.file("m.oinf"))));
  }
  SECTION("a rename fails after shards were renamed") {
    std::filesystem::remove(folder.file("m.oinf"));
    Writer w(folder.file("m.oinf"), {.shard_size = 1});
    w.tensor(f32("a", {4}), [&](const Writer::Sink& sink) {
      std::filesystem::create_directories(folder.file("m.oinf") + "/in_the_way");
      sink(floats(4));
    });
    CHECK_THROWS_WITH(w.write(), Contains("cannot rename"));
    CHECK(folder.names() == std::vector<std::string>{"m.oinf"});
  }
  SECTION("no folder") {
    CHECK_THROWS_WITH(Writer(folder.file("none/m.oinf")).write(), Contains("cannot create: No such file"));
  }
  SECTION("a directory") { CHECK_THROWS_WITH(Writer(folder.path.string()).write(), Contains("is a directory")); }
}

TEST_CASE("the writer refuses what the format does not allow") {
  TemporaryFolder folder;
  Writer w(folder.file("m.oinf"));
  CHECK_THROWS_WITH(Writer("m", {.alignment = 32}), Contains("alignment 32"));
  CHECK_THROWS_WITH(w.meta("", 1), Contains("key \"\""));
  CHECK_THROWS_WITH(w.meta("a b", 1), Contains("key \"a b\""));
  CHECK_THROWS_WITH(w.meta(std::string(256, 'a'), 1), Contains("1 to 255 characters"));
  w.meta("a", 1);
  CHECK_THROWS_WITH(w.meta("a", 2), "METADATA has \"a\" already");
  w.tensor(f32("t", {2}), floats(2));
  CHECK_THROWS_WITH(w.tensor(f32("t", {2}), floats(2)), "there is a tensor \"t\" already");
  CHECK_THROWS_WITH(w.tensor(f32("x", {std::uint64_t{1} << 61, 8}), floats(0)),
                    Contains("its element count overflows"));
  CHECK_THROWS_WITH(w.tensor({.key = "x", .dtype = "q4_0", .shape = {33}, .quantisation = {}}, floats(0)),
                    Contains("not a multiple of the dtype's block"));
  CHECK_THROWS_WITH(w.tensor({.key = "x", .dtype = "f12", .shape = {1}, .quantisation = {}}, floats(0)),
                    Contains("unknown dtype \"f12\""));
  CHECK_THROWS_WITH(
      w.tensor({.key = "x", .dtype = "q4_0", .shape = {15, 32}, .layout = Layout::panel16, .quantisation = {}},
               floats(0)),
      Contains("multiple of 16 rows"));
  CHECK_THROWS_WITH(w.tensor(f32("x", {2}, true), floats(2)), Contains("fewer than two dimensions"));
  CHECK_THROWS_WITH(w.splat(f32("x", {2}), floats(2)), Contains("exactly one block"));
  CHECK_THROWS_WITH(w.dim("9", 1, 2), Contains("dimension \"9\""));
  CHECK_THROWS_WITH(w.dim("n", 3, 2), Contains("dimension \"n\""));
  CHECK_THROWS_WITH(w.kv_cache("a/b", "f32", {}), Contains("state \"a/b\""));
  CHECK_THROWS_WITH(encode_array("f8e4m3", 1, floats(1)), Contains("cannot have the dtype f8e4m3"));
  CHECK_THROWS_WITH(encode_array("f64", 1, floats(1)), Contains("4 bytes are not 1 elements of f64"));
}

TEST_CASE("aliases are resolved, cycles and misfits refused") {
  TemporaryFolder folder;
  Writer w(folder.file("m.oinf"));
  w.tensor(f32("t", {2, 3}), floats(6));
  SECTION("cycle") {
    w.alias("a", "b"), w.alias("b", "c"), w.alias("c", "a");
    CHECK_THROWS_WITH(w.write(), Contains("alias \"a\" leads into a cycle"));
  }
  SECTION("itself") {
    w.alias("a", "a");
    CHECK_THROWS_WITH(w.write(), Contains("leads into a cycle"));
  }
  SECTION("absent") {
    w.alias("a", "b");
    CHECK_THROWS_WITH(w.write(), "alias \"a\" points to \"b\", which does not exist");
  }
  SECTION("shape") {
    w.alias("a", "t", std::vector<std::uint64_t>{3, 2});
    CHECK_THROWS_WITH(w.write(), Contains("does not fit the stored shape of \"t\""));
  }
  SECTION("chain") {
    w.alias("a", "b"), w.alias("b", "c"), w.alias("c", "t", std::vector<std::uint64_t>{3, 2}, true);
    w.write();
    const Reader reader = Reader::open(folder.file("m.oinf"));
    for (const char* key : {"a", "b", "c"}) CHECK(reader.tensor(reader.tensor(*reader.find(key)).target).key == "t");
  }
}

TEST_CASE("quantisation and states must name what exists") {
  TemporaryFolder folder;
  Writer w(folder.file("m.oinf"));
  const auto quantised = [&](const char* dtype, QuantisationSpec q) {
    w.tensor({"q", dtype, {4, 8}, false, Layout::rows, std::move(q)}, pattern("i8", 1, 32));
  };
  w.tensor(f32("scale", {4}), floats(4));
  SECTION("absent scale") {
    quantised("i8", {"none", "", Granularity::channel, 0, 0});
    CHECK_THROWS_WITH(w.write(), Contains("\"none\" does not exist"));
  }
  SECTION("axis") {
    quantised("i8", {"scale", "", Granularity::channel, 1, 0});
    CHECK_THROWS_WITH(w.write(), Contains("\"scale\" does not fit as its scale"));
  }
  SECTION("group") {
    quantised("i8", {"scale", "", Granularity::group, 1, 3});
    CHECK_THROWS_WITH(w.write(), Contains("group size 3"));
  }
  SECTION("dtype") {
    quantised("f8e4m3", {"scale", "", Granularity::channel, 0, 0});
    CHECK_THROWS_WITH(w.write(), Contains("f8e4m3 is no integer dtype"));
  }
  SECTION("dimension of a state") {
    w.kv_cache("kv", "f32", {std::int64_t{1}, std::int64_t{1}, std::int64_t{1}, "ctx", std::int64_t{1}});
    CHECK_THROWS_WITH(w.write(), "state \"kv\" names the dimension \"ctx\", which is not declared");
  }
  SECTION("fits") {
    quantised("i8", {"scale", "", Granularity::channel, 0, 0});
    CHECK_NOTHROW(w.write());
  }
}
