// SPDX-License-Identifier: Apache-2.0
// Parts of emitted programs that need no kernels.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "lib/base/temporary_folder.h"

#define MODEL_NAME host_test
#include "codegen/emit/prelude/host/npy.h"
#include "codegen/emit/prelude/host/sequences.h"
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

TEST_CASE("an emitted program takes the first of the largest logits, and none of what is no number") {
  using host_test::greedy;
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const auto of = [](const std::vector<float>& logits) { return greedy(logits); };
  CHECK(of({-2, 3, 3, 1}) == 1);
  CHECK(of({-inf, -inf, -3e38f}) == 2);
  CHECK(of({5}) == 0);
  CHECK_THROWS_WITH(of({1, nan, 2}), Catch::StartsWith("logit 1 of 3 is nan; `openinfer run --find-nonfinite`"));
  CHECK_THROWS_WITH(of({nan}), Catch::StartsWith("logit 0 of 1 is nan"));
  CHECK_THROWS_WITH(of({1, 2, inf}), Catch::StartsWith("logit 2 of 3 is inf"));
  CHECK_THROWS_WITH(of({-inf, -inf}), Catch::StartsWith("all 2 logits are -inf"));
}
