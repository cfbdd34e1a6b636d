// SPDX-License-Identifier: Apache-2.0
#include "tests/emit/cpp_harness.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "codegen/devices/this_cpu.h"

namespace openinfer::emit {
namespace {

namespace fs = std::filesystem;

/// Runs a command; what it writes, or why it failed.
std::pair<bool, std::string> shell(const std::string& command) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return {false, "cannot start a shell"};
  char part[4096];
  while (const std::size_t n = fread(part, 1, sizeof part, pipe)) output.append(part, n);
  return {pclose(pipe) == 0, output};
}

void write_file(const std::string& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

bool has(const std::string& compiler) { return shell(compiler + " --version").first; }

/// A pointer to anything, so that the harness need not know the types of a kernel's parameters.
constexpr std::string_view kFlags =
    "-std=c++20 -O3 -ffp-contract=off -fno-math-errno -fPIC -Wall -Wextra -Wno-psabi";

constexpr std::string_view kAny = R"(
struct any {
  void* p;
  template <class T>
  operator T*() const { return static_cast<T*>(p); }
};
)";

}  // namespace

std::string describe(const CppBuild& b) {
  return fmt::format("{}, {} lanes, {}", b.compiler, b.lanes, fmt::join(b.flags, " "));
}

std::vector<CppBuild> cpp_builds() {
  const std::vector<std::string> isa = detect_cpu().isa;
  const auto can = [&](std::string_view feature) { return std::find(isa.begin(), isa.end(), feature) != isa.end(); };
  std::vector<CppBuild> builds = {{"g++", 1, {}}, {"g++", 4, {}}};
  for (const std::string compiler : {"g++", "clang++"}) {
    if (can("avx2")) builds.push_back({compiler, 8, {"-march=haswell"}});
    if (can("avx512f")) builds.push_back({compiler, 16, {"-march=native"}});
  }
  if (!can("avx2")) std::cout << "8 lanes with AVX2: left out, this CPU has none\n";
  if (!can("avx512f")) std::cout << "16 lanes with AVX-512: left out, this CPU has none\n";
  std::erase_if(builds, [](const CppBuild& b) {
    static const bool gcc = has("g++"), clang = has("clang++");
    const bool there = b.compiler == "g++" ? gcc : clang;
    if (!there) std::cout << describe(b) << ": left out, no such compiler\n";
    return !there;
  });
  return builds;
}

ScratchFolder::ScratchFolder() {
  path_ = (fs::temp_directory_path() / "openinfer_kernels_XXXXXX").string();
  if (!mkdtemp(path_.data())) throw std::runtime_error("cannot make a folder like " + path_);
}
ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string complaints(const CppBuild& build, const std::string& source) {
  const ScratchFolder folder;
  write_file(folder.path() + "/kernel.h", cpp_prelude(build.lanes));
  write_file(folder.path() + "/kernels.cpp", source);
  const auto [ok, output] = shell(fmt::format("{} {} {} -fsyntax-only {}/kernels.cpp", build.compiler, kFlags,
                                              fmt::join(build.flags, " "), folder.path()));
  return ok ? output : "failed: " + output;
}

CppKernels::CppKernels(CppBuild build) : build_(std::move(build)) {}
CppKernels::~CppKernels() {
  if (library_) dlclose(library_);
}

void CppKernels::add(const kir::Kernel& kernel) {
  std::string arguments;
  int buffers = 0, params = 0;
  for (const kir::Buffer& b : kernel.buffers)
    if (b.space == kir::Space::global) arguments += fmt::format("any{{buffers[{}]}}, ", buffers++);
  for (; params < static_cast<int>(kernel.params.size()); ++params) arguments += fmt::format("params[{}], ", params);
  // A namespace each: kernels have functions of the same names.
  source_ += fmt::format("{1}namespace of_{0} {{\n{2}\n", kernel.name, cpp_records(kernel), render_cpp(kernel));
  source_ += fmt::format(
      "extern \"C\" void run_{0}([[maybe_unused]] void** buffers, [[maybe_unused]] const int* params, int group) {{\n"
      "  {0}({1}group);\n}}\n}}\n\n",
      kernel.name, arguments);
}

std::string CppKernels::source() const {
  return fmt::format("#include \"kernel.h\"\n{}\nnamespace kernel {{\n{}}}\n", kAny, source_);
}

void CppKernels::compile() {
  write_file(folder_.path() + "/kernel.h", cpp_prelude(build_.lanes));
  write_file(folder_.path() + "/kernels.cpp", source());
  const std::string command = fmt::format("{1} {2} {3} -Werror -shared {0}/kernels.cpp -o {0}/kernels.so",
                                          folder_.path(), build_.compiler, kFlags, fmt::join(build_.flags, " "));
  if (const auto [ok, output] = shell(command); !ok || !output.empty())
    throw std::runtime_error(command + "\n" + output);
  library_ = dlopen((folder_.path() + "/kernels.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library_) throw std::runtime_error(dlerror());
}

void CppKernels::run(const std::string& kernel, const std::vector<std::span<std::byte>>& buffers,
                     const std::vector<std::int32_t>& params, int groups) const {
  using Run = void (*)(void**, const int*, int);
  const Run run = reinterpret_cast<Run>(dlsym(library_, ("run_" + kernel).c_str()));
  if (!run) throw std::runtime_error("no kernel " + kernel);
  std::vector<void*> pointers;
  for (const auto& b : buffers) pointers.push_back(b.data());
  for (int group = 0; group < groups; ++group) run(pointers.data(), params.data(), group);
}

}  // namespace openinfer::emit
