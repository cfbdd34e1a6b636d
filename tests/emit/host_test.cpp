// SPDX-License-Identifier: Apache-2.0
// Parts of emitted programs that need no kernels.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "lib/base/temporary_folder.h"

#define MODEL_NAME host_test
#include "codegen/emit/prelude/host/npy.h"
#undef MODEL_NAME

namespace host_test {

std::size_t element_bytes(std::string_view dtype) { return dtype == "f32" ? 4 : dtype == "bf16" ? 2 : 0; }

}  // namespace host_test

namespace {

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

}  // namespace

TEST_CASE("an emitted program's .npy file appears whole, beside what others have there, or leaves nothing") {
  const openinfer::TemporaryFolder folder;
  const std::string path = (folder.path() / "F.npy").string();
  CHECK_THROWS_WITH(host_test::NpyFile(path, "bf16", {2}), Catch::Contains("NumPy has no bf16"));
  CHECK(files_in(folder.path()) == 0);
  const std::string others = (folder.path() / "others").string();
  std::ofstream(others) << "theirs";
  for (const std::string& name : {path + ".part", path + "." + std::to_string(::getpid()) + "-0.part"})
    std::filesystem::create_symlink("others", name);
  { host_test::NpyFile unfinished(path, "f32", {1}); }
  CHECK(files_in(folder.path()) == 3);
  const float numbers[] = {1, 2};
  host_test::NpyFile file(path, "f32", {2});
  file.write(numbers, sizeof numbers);
  CHECK(!std::filesystem::exists(path));
  file.commit();
  CHECK(files_in(folder.path()) == 4);
  CHECK(std::filesystem::file_size(others) == 6);
  CHECK(host_test::read_npy(path).shape == std::vector<std::int64_t>{2});
}
