// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <optional>

#include "formats/opnf/atomic_file.h"
#include "formats/opnf/reader.h"
#include "tests/formats/opnf/image.h"

using namespace opnf;
using namespace opnf::testing;
using Catch::Contains;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::size_t files_in(const TemporaryFolder& folder) {
  const std::filesystem::directory_iterator all(std::filesystem::path(folder.file("x")).parent_path());
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_CASE("atomic_file_keeps_what_was_there_until_commit") {
  TemporaryFolder folder;
  const std::string path = folder.file("out");
  write_file(path, "old");
  ::chmod(path.c_str(), 0640);
  {
    AtomicFile given_up(path);
    given_up.write(bytes_of("half"));
  }
  CHECK(read_file(path) == "old");
  AtomicFile file(path);
  file.write(bytes_of("new_"));
  file.write_at(3, bytes_of("!"));
  file.finish();
  CHECK(read_file(path) == "old");
  file.commit();
  CHECK(read_file(path) == "new!");
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
  CHECK(files_in(folder) == 1);
}

TEST_CASE("atomic_file_two_writers_of_one_path") {
  TemporaryFolder folder;
  const std::string path = folder.file("out");
  AtomicFile first(path), second(path);
  CHECK(first.write_path() != second.write_path());
  first.write(bytes_of("first"));
  second.write(bytes_of("second"));
  AtomicFile moved(std::move(second));
  for (AtomicFile* file : {&moved, &first}) file->finish(), file->commit();
  CHECK(read_file(path) == "first");
  moved.revoke();
  CHECK(files_in(folder) == 0);
}

TEST_CASE("atomic_file_special_files") {
  TemporaryFolder folder;
  using enum AtomicFile::Special;
  CHECK_THROWS_WITH(AtomicFile("/dev/null"), Contains("is no regular file"));
  CHECK_THROWS_WITH(AtomicFile(std::filesystem::path(folder.file("x")).parent_path(), in_place),
                    Contains("is a directory"));
  CHECK_THROWS_WITH(AtomicFile(folder.file("no/such"), in_place), Contains("cannot create: No such file"));
  AtomicFile null("/dev/null", in_place);
  CHECK(null.write_path() == "/dev/null");
  null.write(bytes_of("x"));
  null.finish();
  null.commit();
  null.revoke();
  CHECK(std::filesystem::exists("/dev/null"));
  AtomicFile full("/dev/full", in_place);
  CHECK_THROWS_WITH(full.write(bytes_of("x")), Contains("/dev/full: cannot write: No space left"));
}
