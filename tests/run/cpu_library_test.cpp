// SPDX-License-Identifier: Apache-2.0
// The cache of compiled kernels under threads and under libraries that are not what they should be.
#include "codegen/run/cpu_library.h"

#include <fmt/format.h>
#include <openinfer/openinfer.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "codegen/run/kernel_cache.h"
#include "tests/sim/small_llama.h"

using namespace openinfer;
namespace fs = std::filesystem;

namespace {

class Setting {
 public:
  Setting(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) had_ = true, old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~Setting() { had_ ? ::setenv(name_, old_.c_str(), 1) : ::unsetenv(name_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
  bool had_ = false;
  std::string old_;
};

struct Folder {
  explicit Folder(const std::string& name) : path(fs::temp_directory_path() / name) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

std::string script(const fs::path& file, const std::string& lines) {
  std::ofstream(file) << "#!/bin/sh\n" << lines;
  fs::permissions(file, fs::perms::owner_all);
  return file.string();
}

Graph doubled() {
  return graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {b.dim("N", 1, 40)});
    b.output("y", x * 2.f + 1.f);
  });
}

struct AnyModel {
  explicit AnyModel(const std::string& name) : package(name) { sim_test::fill_small_llama(package); }
  sim_test::TestPackage package;
  Model model = package.open();
};

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("threads that compile the same kernels at the same time do not harm each other") {
  const Folder folder(fmt::format("openinfer_cpu_library_threads.{}", ::getpid()));
  // Slow enough that all of them compile before the first is done.
  const Setting compiler("CXX", script(folder.path / "slow", run::find_compiler() + " \"$@\" && sleep 0.5\n"));
  const Setting cache("XDG_CACHE_HOME", folder.path.string());
  AnyModel any("run_library_threads");
  const Graph g = doubled();
  std::vector<std::string> said(3);
  std::vector<std::thread> threads;
  for (std::string& message : said)
    threads.emplace_back([&] {
      try {
        SimSession session(any.model, g, Backend::cpu);
        message =
            session.run_step({{"x", Tensor(std::vector<float>{3}, {1})}})["y"].data<float>()[0] == 7 ? "" : "wrong";
      } catch (const std::exception& error) {
        message = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(said == std::vector<std::string>(3));
  CHECK(entries(folder.path / "openinfer") == 1);
}

TEST_CASE("a compiler is announced once, and a library that is not as it was written is compiled again") {
  const Folder folder(fmt::format("openinfer_cpu_library_damaged.{}", ::getpid()));
  // A command of two words, the second as the first's argument: as ccache g++.
  const std::string wrapper = script(folder.path / "wrapper", "exec \"$@\"\n");
  const Setting compiler("CXX", wrapper + "  " + run::find_compiler());
  const Setting cache("XDG_CACHE_HOME", folder.path.string());
  AnyModel any("run_library_damaged");
  std::vector<std::string> said;
  const auto seven = [&] {
    SimSession session(any.model, doubled(), Backend::cpu,
                       {.on_compile = [&](const std::string& what) { said.push_back(what); }});
    return session.run_step({{"x", Tensor(std::vector<float>{3}, {1})}})["y"].data<float>()[0];
  };
  CHECK(seven() == 7);
  CHECK(seven() == 7);
  REQUIRE(said.size() == 1);
  CHECK_THAT(said[0], Catch::Contains("once") && Catch::Contains((folder.path / "openinfer").string()));
  const fs::path library = fs::directory_iterator(folder.path / "openinfer")->path();
  const auto whole = fs::file_size(library);
  for (const std::uintmax_t size : {whole / 2, whole - 1, std::uintmax_t{3}, std::uintmax_t{0}}) {
    fs::resize_file(library, size);
    CHECK(seven() == 7);
  }
  std::fstream(library, std::ios::in | std::ios::out | std::ios::binary).seekp(whole / 2) << "another byte";
  CHECK(seven() == 7);
  REQUIRE(said.size() == 6);
  CHECK_THAT(said.back(), Catch::Contains("again") && Catch::Contains(library.string() + " is damaged"));
  CHECK(fs::file_size(library) == whole);
}

TEST_CASE("what a process that was killed left in the cache goes a day later") {
  const Folder folder(fmt::format("openinfer_cpu_library_left.{}", ::getpid()));
  const Setting cache("XDG_CACHE_HOME", folder.path.string());
  const fs::path kept = folder.path / "openinfer";
  for (const char* name : {"0123.so.aBcDeF", "4567.so.aBcDeF", "another.folder"}) {
    fs::create_directories(kept / name);
    std::ofstream(kept / name / "kernels.cpp") << "int";
    if (name[0] != '4') fs::last_write_time(kept / name, fs::file_time_type::clock::now() - std::chrono::hours(25));
  }
  fs::permissions(kept, fs::perms::owner_all);
  AnyModel any("run_library_left");
  SimSession(any.model, doubled(), Backend::cpu);
  CHECK(!fs::exists(kept / "0123.so.aBcDeF"));
  CHECK(fs::exists(kept / "4567.so.aBcDeF"));
  CHECK(fs::exists(kept / "another.folder"));
}

TEST_CASE("the cache keeps to a size: what was used longest ago goes, what is in use stays") {
  const Folder folder(fmt::format("openinfer_cpu_library_size.{}", ::getpid()));
  const Setting cache("XDG_CACHE_HOME", folder.path.string());
  const fs::path kept = folder.path / "openinfer";
  fs::create_directory(kept);
  std::ofstream(kept / "old.vkcache") << "pipelines";
  fs::permissions(kept, fs::perms::owner_all);
  AnyModel any("run_library_size");
  int compiled = 0;
  const auto session = [&](float added) {
    const Graph g =
        graph([&](GraphBuilder& b) { b.output("y", b.input("x", f32, {b.dim("N", 1, 40)}) * 2.f + added); });
    return SimSession(any.model, g, Backend::cpu, {.on_compile = [&](const std::string&) { ++compiled; }});
  };
  const auto seven = [](SimSession& s) {
    return s.run_step({{"x", Tensor(std::vector<float>{3}, {1})}})["y"].data<float>()[0];
  };
  std::optional<SimSession> first = session(1);
  std::uintmax_t size = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(kept))
    if (entry.path().extension() == ".so") size = entry.file_size();
  const Setting limit("OPENINFER_CACHE_SIZE", std::to_string(size * 5 / 2));
  session(2);
  CHECK(entries(kept) == 3);
  session(3);  // the pipelines and the second go
  CHECK(entries(kept) == 2);
  CHECK(!fs::exists(kept / "old.vkcache"));
  CHECK(seven(*first) == 7);
  CHECK(compiled == 3);
  session(1), session(3);
  CHECK(compiled == 3);
  first.reset();
  session(2);  // the first goes
  session(3);
  CHECK(compiled == 4);
  session(1);
  CHECK(compiled == 5);
  const Setting none("OPENINFER_CACHE_SIZE", "much");
  CHECK_THROWS_WITH(session(1), Catch::Contains("$OPENINFER_CACHE_SIZE is 'much'"));
}

TEST_CASE("in a folder that others may write to nothing is removed") {
  const Folder folder(fmt::format("openinfer_cpu_library_theirs.{}", ::getpid()));
  const Setting cache("XDG_CACHE_HOME", folder.path.string());
  const fs::path kept = folder.path / "openinfer";
  run::shrink_cache(0);
  CHECK(!fs::exists(kept));
  fs::create_directory(kept);
  std::ofstream(kept / "old.vkcache") << "pipelines";
  fs::permissions(kept, fs::perms::all);
  run::shrink_cache(0);
  CHECK(fs::exists(kept / "old.vkcache"));
  fs::permissions(kept, fs::perms::owner_all);
  run::shrink_cache(0);
  CHECK(!fs::exists(kept / "old.vkcache"));
}

TEST_CASE("a folder that is called as a compiler is none") {
  const Folder folder(fmt::format("openinfer_cpu_library_folder.{}", ::getpid()));
  const Setting not_given("CXX", "");
  const std::string compiler = run::find_compiler();
  for (const char* name : {"c++", "g++", "clang++"}) fs::create_directory(folder.path / name);
  const Setting path("PATH", folder.path.string() + ":" + std::getenv("PATH"));
  CHECK(run::find_compiler() == compiler);
  const Setting given("CXX", (folder.path / "g++").string());
  CHECK_THROWS_WITH(run::find_compiler(), Catch::Contains("which cannot be run"));
}

TEST_CASE("a compiler that says nothing is told of by its exit code") {
  const Folder folder(fmt::format("openinfer_cpu_library_false.{}", ::getpid()));
  const Setting compiler("CXX", "/bin/false");
  const Setting cache("XDG_CACHE_HOME", folder.path.string());
  AnyModel any("run_library_false");
  CHECK_THROWS_WITH(SimSession(any.model, doubled(), Backend::cpu),
                    Catch::Contains("could not compile the kernels: it ended with code 1 and said nothing"));
}

TEST_CASE("a library that cannot be loaded is the compiler's failure, and is not kept") {
  const Folder folder(fmt::format("openinfer_cpu_library_bad.{}", ::getpid()));
  const Setting cache("XDG_CACHE_HOME", folder.path.string());
  AnyModel any("run_library_bad");
  for (const std::string text : {"", "no library"}) {
    const std::string write = "for a; do [ \"$p\" = -o ] && printf '%s' '" + text + "' > \"$a\"; p=$a; done; exit 0\n";
    const Setting compiler("CXX", script(folder.path / "bad", write));
    for (int n = 0; n < 2; ++n)  // nor does the second run find it
      CHECK_THROWS_WITH(SimSession(any.model, doubled(), Backend::cpu),
                        Catch::Contains("/bad could not compile the kernels: what it made cannot be loaded: "));
    for (const fs::directory_entry& entry : fs::directory_iterator(folder.path / "openinfer"))
      CHECK(entry.is_directory());  // with sources and log
  }
}

TEST_CASE("a folder for kernels that cannot be made is named with what moves it") {
  const Folder folder(fmt::format("openinfer_cpu_library_file.{}", ::getpid()));
  std::ofstream(folder.path / "file") << "\n";
  const Setting cache("XDG_CACHE_HOME", (folder.path / "file").string());
  AnyModel any("run_library_file");
  CHECK_THROWS_WITH(SimSession(any.model, doubled(), Backend::cpu),
                    Catch::Contains("file/openinfer, where compiled kernels are kept: Not a directory; "
                                    "$XDG_CACHE_HOME names another place"));
}

TEST_CASE("where a process ignores its children's ends a compiler is judged by what it made") {
  const Folder folder(fmt::format("openinfer_cpu_library_ignored.{}", ::getpid()));
  const Setting cache("XDG_CACHE_HOME", folder.path.string());
  AnyModel any("run_library_ignored");
  struct Ignored {
    void (*before)(int) = ::signal(SIGCHLD, SIG_IGN);
    ~Ignored() { ::signal(SIGCHLD, before); }
  } ignored;
  {
    const Setting compiler("CXX", "/bin/false");
    CHECK_THROWS_WITH(SimSession(any.model, doubled(), Backend::cpu),
                      Catch::Contains("could not compile the kernels: it made no library and said nothing"));
  }
  {
    const Setting compiler("CXX", script(folder.path / "says", "echo error: no room >&2; exit 1\n"));
    CHECK_THROWS_WITH(SimSession(any.model, doubled(), Backend::cpu), Catch::Contains("kernels: error: no room"));
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.path / "openinfer"))
    CHECK(entry.is_directory());  // with sources and log, no library
  SimSession session(any.model, doubled(), Backend::cpu);
  CHECK(session.run_step({{"x", Tensor(std::vector<float>{3}, {1})}})["y"].data<float>()[0] == 7);
}

TEST_CASE("a library without the kernels is refused and does not stay loaded") {
  const Folder folder(fmt::format("openinfer_cpu_library_empty.{}", ::getpid()));
  std::ofstream(folder.path / "empty.cpp") << "\n";
  const std::string empty = (folder.path / "empty.cpp").string();
  // Its own flags but the last word, which is the source.
  const Setting compiler("CXX", script(folder.path / "other", "while [ $# -gt 1 ]; do a=\"$a $1\"; shift; done\nexec " +
                                                                  run::find_compiler() + " $a " + empty + "\n"));
  const Setting cache("XDG_CACHE_HOME", folder.path.string());
  AnyModel any("run_library_empty");
  CHECK_THROWS_WITH(SimSession(any.model, doubled(), Backend::cpu), Catch::Contains("lacks kernel 0"));
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) CHECK(line.find(folder.path.string()) == line.npos);
}
