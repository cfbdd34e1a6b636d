// SPDX-License-Identifier: Apache-2.0
// Emitted sources as files, so that a change shows as a diff. OPENINFER_UPDATE_GOLDEN=1 writes them.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "codegen/emit/cpp.h"
#include "codegen/emit/cuda.h"
#include "codegen/emit/glsl.h"
#include "examples.h"
#include "tests/source_path.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

void check_golden(const std::string& file, const std::string& source) {
  const std::string path = testing::source_path("tests/emit/golden/" + file);
  if (std::getenv("OPENINFER_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << source;
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  INFO(path);
  CHECK(source == text.str());
}

std::vector<Example> examples(const kir::Target& target) {
  return {chain(target), rms_norm(target), matvec(target, DType::q8_0, 1, 576, 192),
          matvec(target, DType::q4_k, 3, 512, 192)};
}

}  // namespace

TEST_CASE("GLSL is what was reviewed") {
  for (const Example& e : examples({.lanes = 8, .subgroups = 4, .exact_division = false}))
    check_golden(e.made.kernel.name + ".comp", emit::render_glsl(e.made.kernel));
}

TEST_CASE("CUDA is what was reviewed") {
  for (const Example& e : examples({.lanes = 32, .subgroups = 4}))
    check_golden(e.made.kernel.name + ".cu", emit::cuda_source(e.made.kernel));
}

TEST_CASE("C++ is what was reviewed") {
  for (const Example& e : examples({.lanes = 16}))
    check_golden(e.made.kernel.name + ".cpp", emit::cpp_records(e.made.kernel) + emit::render_cpp(e.made.kernel));
}
