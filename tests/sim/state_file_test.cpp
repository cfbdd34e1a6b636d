// SPDX-License-Identifier: Apache-2.0
// States as a file: what comes back, what is refused, what a cut or damaged file does.
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <iterator>

#include "formats/opnf/reader.h"
#include "small_llama.h"

using namespace sim_test;
using Catch::Contains;

namespace {

/// A file that vanishes with its test.
struct File {
  explicit File(const std::string& name)
      : path((std::filesystem::temp_directory_path() / (name + "." + std::to_string(::getpid()))).string()) {}
  ~File() { std::filesystem::remove(path); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::string read() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& bytes) const { std::ofstream(path, std::ios::binary) << bytes; }

  std::string path;
};

struct Llama {
  explicit Llama(const std::string& name) : package(name) {}
  TestPackage package;
  Model model = (fill_small_llama(package), package.open());
  Graph graph = models::llama(model);

  SimSession session(std::int64_t ctx) const { return {model, graph, {.dims = {{"slots", 2}, {"ctx", ctx}}}}; }
};

/// Five tokens of slot 0, two of slot 1.
void begin(SimSession& session) {
  Batch batch;
  for (int i = 0; i < 5; ++i) batch.add(3 + 7 * i, i, 0);
  batch.add(9, 0, 1), batch.add(11, 1, 1);
  batch.want();
  batch.run(session);
}

Tensor go_on(SimSession& session) {
  Batch batch;
  batch.add(11, 5, 0), batch.want();
  batch.add(4, 2, 1), batch.want();
  return batch.run(session);
}

/// The file with one change, and a header that fits it.
std::string resealed(std::string file) {
  const auto put = [&](std::size_t at, std::uint64_t value) { std::memcpy(&file[at], &value, sizeof value); };
  put(32, file.size() - 64);
  put(40, opnf::xxh64(&file[64], file.size() - 64));
  put(48, opnf::xxh64(file.data(), 48));
  return file;
}

}  // namespace

TEST_CASE("a loaded state goes on as the saved one, with its note, into a cache of another capacity") {
  const Llama llama("state_file");
  const File file("state_file.state");
  SimSession session = llama.session(24);
  begin(session);
  const std::string note("a note\0of bytes", 15);
  session.save_state(file.path, note);
  const Tensor expected = go_on(session);
  for (const std::int64_t ctx : {24, 48, 6}) {
    SimSession other = llama.session(ctx);
    begin(other), go_on(other);  // what it held is gone
    CHECK(other.load_state(file.path) == note);
    CHECK(go_on(other) == expected);
  }
  CHECK(SimSession::state_note(file.path) == note);
  CHECK(SimSession::state_note(file.path, llama.model, llama.graph) == note);
  // Two layers, slots and heads of five positions; keys and values of sixteen floats. The rest is names and shapes.
  CHECK(file.read().size() < 2 * 2 * 2 * 5 * 2 * 16 * 4 + 300);
  SimSession small = llama.session(4);
  CHECK_THROWS_WITH(small.load_state(file.path),
                    Contains("holds 5 positions of $kv") && Contains("room for 4") && Contains("state_file_test.cpp"));
}

TEST_CASE("a session that holds nothing, and states that are no caches, come back as well") {
  const Llama llama("state_file_empty");
  const File file("state_file_empty.state");
  SimSession(llama.session(8)).save_state(file.path);
  SimSession session = llama.session(8), fresh = llama.session(8);
  begin(session);
  CHECK(session.load_state(file.path).empty());
  CHECK(go_on(session) == go_on(fresh));

  const Graph counter = graph([](GraphBuilder& b) {
    auto n = b.dim("n", 1, 4);
    auto h = b.state("h", tensor_state(f32, {n})), unused = b.state("unused", tensor_state(i32, {2}));
    auto sum = state_read(h) + b.input("x", f32, {n});
    state_write(h, sum);
    b.output("sum", sum);
  });
  SimSession first(counter), second(counter);
  first.run_step({{"x", Tensor({1.f, 2.f})}});
  first.save_state(file.path);
  CHECK_THROWS_WITH(second.load_state(file.path), Contains("$h") && Contains("no size before the first step"));
  second.run_step({{"x", Tensor({5.f, 5.f})}});
  second.load_state(file.path);
  CHECK(second.run_step({{"x", Tensor({1.f, 1.f})}})["sum"] == Tensor({2.f, 3.f}));
  CHECK_THROWS_WITH(session.load_state(file.path), Contains("another package"));
}

TEST_CASE("where a graph was written makes no difference to its states; what it computes does") {
  const auto scaled = [](float by, At at) {
    return graph([&](GraphBuilder& b) {
      auto h = b.state("h", tensor_state(f32, {2}));
      auto sum = state_read(h, at) + mul(In(b.input("x", f32, {2}), at), by);
      state_write(h, sum);
      b.output("sum", sum);
    });
  };
  const File file("state_file_graph.state");
  SimSession here(scaled(2, Location{"a.cpp", 1})), there(scaled(2, Location{"b.cpp", 2})),
      other(scaled(3, Location{"a.cpp", 1}));
  here.run_step({{"x", Tensor({1.f, 2.f})}});
  here.save_state(file.path);
  CHECK_NOTHROW(there.load_state(file.path));
  CHECK(there.save().states[0].tensors[0] == Tensor({2.f, 4.f}));
  CHECK_THROWS_WITH(other.load_state(file.path), Contains("another graph"));
}

TEST_CASE("whose states a file holds is known before there is a session") {
  const Llama llama("state_file_owner"), other("state_file_other");
  const File file("state_file_owner.state");
  llama.session(8).save_state(file.path, "note");
  const Graph another = graph(llama.model, [](GraphBuilder& b) {
    auto h = b.state("h", tensor_state(f32, {2}));
    b.output("h", state_read(h));
  });
  CHECK_THROWS_WITH(SimSession::state_note(file.path, llama.model, another),
                    Contains("another graph") && Contains("state_file_test.cpp"));
  TestPackage package("state_file_stranger");
  package.add("w", {2}, std::vector<float>{1, 2});
  CHECK_THROWS_WITH(SimSession::state_note(file.path, package.open(), another), Contains("another package"));
}

TEST_CASE(
    "a state file that is cut, damaged or something else is refused in one line, and the session stays as it is") {
  const Llama llama("state_file_damaged");
  const File file("state_file_damaged.state");
  SimSession session = llama.session(24);
  begin(session);
  session.save_state(file.path, "note");
  const std::string good = file.read();
  const Tensor expected = go_on(session);
  begin(session);
  const auto refused = [&](const std::string& bytes, const std::string& why) {
    file.write(bytes);
    CHECK_THROWS_WITH(session.load_state(file.path), Contains(file.path) && Contains(why));
  };
  for (const std::size_t size : {good.size() - 1, good.size() / 2, std::size_t{64}, std::size_t{10}})
    refused(good.substr(0, size), "is cut");
  refused("", "is cut");
  refused("OINF, or whatever it may be", "is no saved state");
  refused(good + "x", "something stands behind its end");
  for (const std::size_t at : {16, 30, 45, 50, 64, 70, 200, static_cast<int>(good.size()) - 1}) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    refused(flipped, "is damaged");
  }
  std::string newer = good;
  newer[8] = 2;
  refused(newer, "is of version 2, and this program reads version 1");
  // Made to harm: checksums fit, sizes do not.
  for (std::size_t at = 64; at < 64 + 62; ++at) {  // up to the first element
    std::string wrong = good;
    wrong[at] = static_cast<char>(wrong[at] ^ 0x5a);
    file.write(resealed(wrong));
    CAPTURE(at);
    CHECK_THROWS_AS(session.load_state(file.path), Error);
  }
  CHECK(go_on(session) == expected);
  CHECK_THROWS_WITH(session.load_state("/no/such/file"), Contains("/no/such/file: No such file"));
  CHECK_THROWS_WITH(session.load_state("/"), Contains("directory"));
  CHECK_THROWS_WITH(session.save_state("/no/such/folder/f"), Contains("/no/such/folder/f: cannot create"));
}
