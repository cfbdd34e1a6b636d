// SPDX-License-Identifier: Apache-2.0
// Evaluator: which files it gives for which options, and what it refuses.
#include <openinfer/evaluator.h>
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "lib/base/temporary_folder.h"
#include "tests/sim/small_llama.h"

using namespace openinfer;
using Catch::Contains;

namespace {

struct Llama {
  explicit Llama(const std::string& name) : package(name) {}
  sim_test::TestPackage package;
  Model model = (sim_test::fill_small_llama(package), package.open());
  Graph graph = models::llama(model);
};

Graph doubled() {
  return graph([](GraphBuilder& b) { b.output("y", b.input("x", f32, {b.dim("N", 1, 16)}) * 2.0 + 1); });
}

/// What f throws; the place is in this file.
template <class F>
std::string refusal(const F& f, ErrorCode code) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.code() == code);
    CHECK_THAT(e.where(), Catch::StartsWith("evaluator_test.cpp:"));
    return e.message();
  }
  return "";
}

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("an evaluator writes the project that it describes") {
  Llama llama("evaluator_writes");
  const TemporaryFolder folder;
  const Evaluator eval =
      Evaluator(DeviceSpec::named("zen4")).from_graph(llama.model, llama.graph, {.name = "small", .max_context = 32});
  CHECK(eval.name() == "small");
  CHECK(eval.device() == "zen4");
  CHECK(eval.api() == "cpu");
  const auto files = eval.files();
  for (const char* file : {"CMakeLists.txt", "README.md", "plan.txt", "host/model.h", "host/main.cpp", "host/small.h"})
    CHECK(files.contains(file));
  CHECK_FALSE(files.contains("check/data.oinf"));
  CHECK(std::count_if(files.begin(), files.end(), [](const auto& file) {
          return file.first.starts_with("device/") && file.first.ends_with(".cpp");
        }) == static_cast<std::ptrdiff_t>(eval.kernel_count()));
  for (const char* says : {"entry decode", "entry prefill"}) CHECK_THAT(eval.plan(), Contains(says));

  const auto out = folder.path() / "out";
  eval.emit(out);
  for (const auto& [path, text] : files) {
    INFO(path);
    CHECK(read(out / path) == text);
  }
  CHECK(Evaluator(DeviceSpec::named("zen4"))
            .from_graph(llama.model, llama.graph, {.name = "small", .max_context = 32})
            .files() == files);
}

TEST_CASE("options of an evaluator are in its plan") {
  Llama llama("evaluator_options");
  const Evaluator zen4(DeviceSpec::named("zen4"));
  const auto with = [&](EmitOptions options) { return zen4.from_graph(llama.model, llama.graph, std::move(options)); };
  const Evaluator plain = with({});
  CHECK_THAT(plain.name(), Catch::StartsWith("evaluator_options"));  // the package's file name
  CHECK(with({.fuse = false}).kernel_count() > plain.kernel_count());
  CHECK_THAT(with({.memory_budget = 1 << 24}).plan(), Contains("memory budget 16777216 B"));
  const Evaluator one = with({.entries = {{.name = "only", .dims = {{"N", {1, 4}}}}}, .max_context = 17});
  CHECK_THAT(one.plan(), Contains("entry only") && Contains("17") && !Contains("entry prefill"));
  CHECK(with({.check_data = true}).files().contains("check/data.oinf"));
  std::vector<std::string> seen;
  with({.dump = {"fuse", "memory"},
        .on_dump = [&](std::string_view pass, const std::string&, const std::string&) { seen.emplace_back(pass); }});
  CHECK(seen == std::vector<std::string>{"fuse", "memory"});
}

TEST_CASE("numerics that change nothing on a device are said, in its plan too") {
  Llama llama("evaluator_remarks");
  const auto on = [&](const char* device, Numerics numerics) {
    return Evaluator(DeviceSpec::named(device)).from_graph(llama.model, llama.graph, {.numerics = numerics});
  };
  using Remarks = std::vector<std::string>;
  const std::string no_bf16 =
      "numerics bf16 compute as strict: kernels for this device multiply no bf16 faster than f32";
  for (const char* device : {"zen3", "lavapipe"}) {
    const Evaluator program = on(device, Numerics::bf16);
    CHECK(program.remarks() == Remarks{no_bf16});
    CHECK_THAT(program.plan(), Contains("note: " + no_bf16));
    CHECK(on(device, Numerics::strict).remarks().empty());
  }
  CHECK(on("zen4", Numerics::bf16).remarks().empty());
  CHECK(on("zen3", Numerics::fast).remarks().empty());
  const Evaluator elsewhere(DeviceSpec::named("zen3"));
  CHECK(elsewhere.from_graph(llama.model, doubled(), {.numerics = Numerics::fast}).remarks() ==
        Remarks{"numerics fast compute as strict: no product here is one that they round"});
}

TEST_CASE("what an evaluator refuses names the caller's line") {
  Llama llama("evaluator_refuses");
  const Evaluator zen4(DeviceSpec::named("zen4")), gpu(DeviceSpec::named("ada-lovelace").api("vulkan")),
      cuda(DeviceSpec::named("ada-lovelace").api("cuda"));
  CHECK_THAT(refusal([] { Evaluator(DeviceSpec::named("zen44")); }, ErrorCode::not_found), Contains("zen4"));
  CHECK_THAT(refusal([&] { zen4.emit("never_made"); }, ErrorCode::invalid_argument), Contains("call from_graph"));
  CHECK_FALSE(std::filesystem::exists("never_made"));
  const auto refused = [&](const Evaluator& on, const Graph& g, EmitOptions options, ErrorCode code) {
    return refusal([&] { on.from_graph(llama.model, g, options).files(); }, code);
  };
  CHECK_THAT(refused(gpu, llama.graph, {.memory_budget = 1 << 24}, ErrorCode::unsupported), Contains("budget"));
  CHECK_THAT(refused(cuda, llama.graph, {.check_data = true}, ErrorCode::unsupported), Contains("check data"));
  CHECK_THAT(refused(zen4, llama.graph, {.batch = 1 << 20}, ErrorCode::invalid_argument), Contains("batch 1048576"));
  CHECK_THAT(refused(zen4, llama.graph, {.max_context = 0}, ErrorCode::invalid_argument), Contains("max_context 0"));
  CHECK_THAT(refused(zen4, doubled(), {.max_context = 5}, ErrorCode::invalid_argument), Contains("no cache"));
  CHECK_THAT(refused(zen4, doubled(), {.name = "class"}, ErrorCode::invalid_argument), Contains("'class'"));
  CHECK_THAT(refused(zen4, doubled(), {.memory_budget = 1}, ErrorCode::out_of_memory), Contains("smallest"));
  CHECK_THAT(refused(zen4, doubled(), {.dump = {"no_pass"}}, ErrorCode::not_found), Contains("no_pass"));
}

TEST_CASE("a project that was given no name has its file's, where that can name one") {
  Llama llama("evaluator_names");
  const TemporaryFolder folder;
  const auto name_of = [&](const std::string& file) {
    const auto path = folder.path() / file;
    std::filesystem::copy_file(llama.package.path(), path);
    const Model model = ModelLoader::open(path.string());
    const Evaluator eval = Evaluator(DeviceSpec::named("zen4")).from_graph(model, doubled());
    CHECK(eval.files().contains("host/" + std::string(eval.name()) + ".h"));
    return std::string(eval.name());
  };
  CHECK(name_of("small-1.5.oinf") == "small_1_5");
  CHECK(name_of("7b.oinf") == "_7b");
  for (const std::string taken : {"model", "kernel", "std", "opnf", "test", "int", "main", "rows", "time", "index"})
    CHECK(name_of(taken + ".oinf") == "emitted_" + taken);
}
