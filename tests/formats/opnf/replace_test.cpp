// SPDX-License-Identifier: Apache-2.0
// A package written over another one: at every moment one of them is there, whole. The moments are those before and
// after each call that changes the folder; this program's own rename(), linkat() and unlink() stop at them.
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cerrno>
#include <functional>

#include "formats/opnf/atomic_file.h"
#include "formats/opnf/verify.h"
#include "formats/opnf/writer.h"
#include "tests/formats/opnf/describe.h"

namespace {

struct Moments {
  std::function<void()> look;
  int failing = -1;  // the call that fails, counted from 0
  int calls = 0;
};
Moments* watched = nullptr;

int at_a_moment(const std::function<long()>& call) {
  if (!watched) return static_cast<int>(call());
  Moments& moments = *watched;
  watched = nullptr;  // looking changes nothing
  moments.look();
  const bool fails = moments.calls++ == moments.failing;
  const int result = fails ? -1 : static_cast<int>(call());
  const int error = fails ? EIO : errno;
  moments.look();
  watched = &moments;
  errno = error;
  return result;
}

}  // namespace

extern "C" int rename(const char* from, const char* to) noexcept {
  return at_a_moment([&] { return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); });
}
extern "C" int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  return at_a_moment([&] { return syscall(SYS_linkat, from_folder, from, to_folder, to, flags); });
}

using namespace opnf;
using namespace opnf::testing;
using Catch::Contains;

namespace {

/// Four tensors of eight numbers; value 0: no package.
void write_package(const std::string& path, float value, std::uint64_t shard_size) {
  if (value == 0) return;
  Writer w(path, {.shard_size = shard_size});
  for (const char* key : {"a", "b", "c", "d"}) {
    const std::vector<float> numbers(8, key[0] == 'a' ? 1 : value);  // a is the same in all
    TensorSpec spec;
    spec.key = key, spec.shape = {8};
    w.tensor(std::move(spec), std::as_bytes(std::span(numbers)));
  }
  w.write();
}

/// The value of the package, all checksums looked at; 0 if there is none. Throws if it is damaged.
float value_of(const std::string& path) {
  if (!std::filesystem::exists(path)) return 0;
  const Reader package = Reader::open(path);
  verify(package);
  float value = 0;
  std::memcpy(&value, package.bytes(*package.find("d")).data(), sizeof value);
  return value;
}

struct Case {
  std::uint64_t before, after;  // shard sizes: 1 is a shard for each tensor, 4300 two tensors in each
  bool is_there = true;
};

}  // namespace

TEST_CASE("at every moment the old package or the new one is whole") {
  const Case c =
      GENERATE(Case{1, 1}, Case{1, 4500}, Case{4500, 1}, Case{1, 0}, Case{0, 1}, Case{0, 0}, Case{0, 1, false});
  const float old = c.is_there ? 2 : 0;
  for (int failing = -1, calls = 0; failing < calls; ++failing) {
    TemporaryFolder folder;
    const std::string path = folder.file("m.oinf");
    write_package(path, old, c.before);
    const std::vector<std::string> names_before = folder.names();
    Moments moments{.look =
                        [&] {
                          const float value = value_of(path);
                          if (value != old && value != 3) FAIL("found " << value);
                        },
                    .failing = failing};
    watched = &moments;
    const auto written = [&] { write_package(path, 3, c.after); };
    INFO("shard sizes " << c.before << " and " << c.after << ", call " << failing << " fails");
    if (failing < 0)
      CHECK_NOTHROW(written());
    else
      CHECK_THROWS_AS(written(), Error);
    watched = nullptr;
    if (failing < 0) {
      calls = moments.calls;
      CHECK(value_of(path) == 3);
      TemporaryFolder fresh;
      write_package(fresh.file("m.oinf"), 3, c.after);
      CHECK(folder.names() == fresh.names());  // no shard of the old one
    } else {
      CHECK(value_of(path) == old);
      CHECK(folder.names() == names_before);
    }
  }
}

TEST_CASE("only shards of the package that is replaced are removed") {
  TemporaryFolder folder;
  write_package(folder.file("other.oinf"), 5, 1);
  std::filesystem::copy(folder.file("other.oinf"), folder.file("m.oinf"));  // names other's shards
  write_package(folder.file("m.oinf"), 3, 0);
  CHECK(value_of(folder.file("other.oinf")) == 5);
}

TEST_CASE("a process that is killed leaves nothing behind") {
  TemporaryFolder folder;
  const auto until_killed = [&](bool committed) {
    const pid_t child = ::fork();
    if (child == 0) {
      AtomicFile file(folder.file("out"));
      file.write(std::as_bytes(std::span("half")));
      file.finish();
      if (committed) file.commit();
      ::raise(SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
    return folder.names();
  };
  CHECK(until_killed(false).empty());
  CHECK(until_killed(true) == std::vector<std::string>{"out"});
  CHECK(until_killed(false) == std::vector<std::string>{"out"});
}
