// SPDX-License-Identifier: Apache-2.0
#include "lib/base/temporary_folder.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

using namespace openinfer;
namespace fs = std::filesystem;

TEST_CASE("temporary folders of one start are different, ours alone, and gone with what is in them") {
  fs::path first, second;
  {
    const TemporaryFolder a, b;
    first = a.path(), second = b.path();
    CHECK(first != second);
    for (const fs::path& path : {first, second}) {
      CHECK(path.parent_path() == fs::temp_directory_path());
      CHECK((fs::status(path).permissions() & fs::perms::all) == fs::perms::owner_all);
    }
    fs::create_directories(first / "inner");
    std::ofstream(first / "inner/file") << "text";
  }
  CHECK(!fs::exists(first));
  CHECK(!fs::exists(second));
}

TEST_CASE("a temporary folder lies beside its target, goes when the work throws, and stays when it is kept") {
  const TemporaryFolder outer;
  const fs::path target = outer.path() / "target";
  fs::path kept;
  try {
    const TemporaryFolder folder(target);
    CHECK(folder.path().parent_path() == outer.path());
    CHECK(folder.path().filename().string().starts_with("target."));
    throw 1;
  } catch (int) {
  }
  CHECK(fs::is_empty(outer.path()));
  {
    TemporaryFolder folder(target);
    folder.keep();
    kept = folder.path();
  }
  CHECK(fs::is_directory(kept));
}

TEST_CASE("a temporary folder that cannot be made names its target and the reason") {
  const TemporaryFolder outer;
  try {
    const TemporaryFolder folder(outer.path() / "absent" / "target");
    FAIL("it was made");
  } catch (const fs::filesystem_error& error) {
    CHECK(error.path1() == outer.path() / "absent" / "target");
    CHECK(error.code() == std::errc::no_such_file_or_directory);
  }
}
