// SPDX-License-Identifier: Apache-2.0
#include "tests/emit/cpp_harness.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "codegen/devices/this_cpu.h"
#include "codegen/emit/cpp.h"

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

constexpr std::string_view kFlags = "-std=c++20 -Wall -Wextra -Wno-psabi";

/// A pointer to anything, so that the harness need not know the types of a kernel's parameters.
constexpr std::string_view kAny = R"(
struct any {
  void* p;
  template <class T>
  operator T*() const { return static_cast<T*>(p); }
};
)";

/// Runs one kernel on what a file holds: its number, how many workgroups, parameters and buffers there are, then the
/// parameters, the buffers' sizes (all of 64 bits), and the buffers. Writes the buffers as they are afterwards.
constexpr std::string_view kProgram = R"(
#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int, char** argv) {
  std::FILE* in = std::fopen(argv[1], "rb");
  std::FILE* out = std::fopen(argv[2], "wb");
  const auto stop = [](const char* why) { std::fprintf(stderr, "%s\n", why); std::exit(1); };
  if (in == nullptr || out == nullptr) stop("no file");
  const auto number = [&] {
    std::int64_t n = 0;
    if (std::fread(&n, 8, 1, in) != 1) stop("a number is missing");
    return n;
  };
  const auto kernel = kernels[number()];
  const int groups = static_cast<int>(number());
  std::vector<int> params(static_cast<std::size_t>(number()));
  std::vector<std::vector<unsigned char>> memory(static_cast<std::size_t>(number()));
  for (int& p : params) p = static_cast<int>(number());
  constexpr std::size_t guard = 64;
  for (auto& m : memory) m.assign(static_cast<std::size_t>(number()) + guard, 0xff);
  std::vector<void*> buffers;
  for (auto& m : memory) {
    if (std::fread(m.data(), 1, m.size() - guard, in) != m.size() - guard) stop("a buffer is cut off");
    buffers.push_back(m.data());
  }
  for (int group = 0; group < groups; ++group) kernel(buffers.data(), params.data(), group);
  for (const auto& m : memory) {
    for (std::size_t i = m.size() - guard; i < m.size(); ++i)
      if (m[i] != 0xff) stop("written behind a buffer");
    if (std::fwrite(m.data(), 1, m.size() - guard, out) != m.size() - guard) stop("cannot write");
  }
  return std::fclose(out);
}
)";

}  // namespace

std::string describe(const CppBuild& b) {
  return fmt::format("{}, {} lanes, {}", b.compiler, b.lanes, fmt::join(b.flags, " "));
}

namespace {

/// What the harness compiles for a row of the device database, and which CPU of QEMU's is that row.
struct Row {
  std::string_view name, emulated;
  bool quick;
};
constexpr Row kInstructionSets[] = {{"x86-64-v2", "", false},      {"x86-64-v3", "", false},
                                    {"x86-64-v4", "", false},      {"this-cpu", "", true},
                                    {"armv8", "cortex-a53", true}, {"neoverse-n1", "neoverse-n1", false},
                                    {"neoverse-v2", "max", false}};

void say_left_out(const std::string& what, std::string_view why) { std::cout << what << ": left out, " << why << "\n"; }

void add_row(const Row& row, bool all, std::vector<CppBuild>& builds) {
  static const std::string arm_gcc = "aarch64-linux-gnu-g++", emulator = "qemu-aarch64-static";
  const Device device = resolve(DeviceSpec::named(std::string(row.name))), here = this_cpu().device;
  const auto missing = missing_features(device, here);
  const bool foreign = !row.emulated.empty() && device.isa.front() != here.isa.front();
  if (!foreign && !missing.empty())
    return say_left_out(std::string(row.name), fmt::format("this CPU has no {}", missing.front()));
  if (foreign && !has(emulator)) return say_left_out(std::string(row.name), "no " + emulator);
  // This CPU's row by clang++, which takes less time than g++ (that has the row of one lane); by both in Builds::all.
  const bool by_clang = row.name == "this-cpu" && has("clang++");
  std::vector<CppBuild> wanted;
  if (all || !by_clang) wanted.push_back({foreign ? arm_gcc : "g++", device.lanes, device.compiler_flags});
  if (all || by_clang) wanted.push_back({"clang++", device.lanes, device.compiler_flags});
  for (CppBuild& b : wanted) {
    // What it computes is asked, by a compiler that takes half a minute to optimise it; optimised in Builds::all, and a
    // whole project in emit_rows_test.py.
    if (foreign && !all) b.flags.emplace_back("-O0");
    if (foreign) b.emulator = fmt::format("{} -cpu {}", emulator, row.emulated);
    if (foreign && b.compiler != arm_gcc) b.flags.emplace_back("--target=aarch64-linux-gnu");
    if (!has(b.compiler) || (foreign && !has(arm_gcc)))
      say_left_out(describe(b), "no such compiler");
    else
      builds.push_back(std::move(b));
  }
}

}  // namespace

std::vector<CppBuild> cpp_builds(Builds which) {
  const bool all = which == Builds::all;
  std::vector<CppBuild> builds;
  if (has("g++")) builds.push_back({"g++", 1, {}});
  for (const Row& row : kInstructionSets)
    if (all || row.quick) add_row(row, all, builds);
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

CppKernels::CppKernels(CppBuild build) : build_(std::move(build)) {}
CppKernels::~CppKernels() {
  if (library_) dlclose(library_);
}

void CppKernels::add(const kir::Kernel& kernel) {
  names_.push_back(kernel.name);
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
  std::string all = fmt::format("#include \"kernel.h\"\n{}\nnamespace kernel {{\n{}}}\n", kAny, source_);
  if (build_.emulator.empty()) return all;
  all += "\nconstexpr void (*kernels[])(void**, const int*, int) = {\n";
  for (const std::string& name : names_) all += fmt::format("    kernel::of_{0}::run_{0},\n", name);
  return all + "};\n" + std::string(kProgram);
}

void CppKernels::compile() {
  write_file(folder_.path() + "/kernel.h", cpp_prelude(build_.lanes));
  write_file(folder_.path() + "/kernels.cpp", source());
  const bool here = build_.emulator.empty();
  const std::string command =
      fmt::format("{1} {2} {5} {3} -Werror {4} {0}/kernels.cpp -o {0}/kernels", folder_.path(), build_.compiler, kFlags,
                  fmt::join(build_.flags, " "), here ? "-shared -fPIC" : "-static", fmt::join(kCppFlags, " "));
  if (const auto [ok, output] = shell(command); !ok || !output.empty())
    throw std::runtime_error(command + "\n" + output);
  if (!here) return;
  library_ = dlopen((folder_.path() + "/kernels").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library_) throw std::runtime_error(dlerror());
}

void CppKernels::run(const std::string& kernel, const std::vector<std::span<std::byte>>& buffers,
                     const std::vector<std::int32_t>& params, int groups) const {
  const auto place = std::find(names_.begin(), names_.end(), kernel);
  if (place == names_.end()) throw std::runtime_error("no kernel " + kernel);
  if (!build_.emulator.empty())
    return run_in_emulator(static_cast<std::size_t>(place - names_.begin()), buffers, params, groups);
  using Run = void (*)(void**, const int*, int);
  const Run run = reinterpret_cast<Run>(dlsym(library_, ("run_" + kernel).c_str()));
  if (!run) throw std::runtime_error("no function of kernel " + kernel);
  std::vector<void*> pointers;
  for (const auto& b : buffers) pointers.push_back(b.data());
  for (int group = 0; group < groups; ++group) run(pointers.data(), params.data(), group);
}

void CppKernels::run_in_emulator(std::size_t kernel, const std::vector<std::span<std::byte>>& buffers,
                                 const std::vector<std::int32_t>& params, int groups) const {
  const std::string call = folder_.path() + "/call", result = folder_.path() + "/result";
  std::vector<std::int64_t> numbers = {static_cast<std::int64_t>(kernel), groups,
                                       static_cast<std::int64_t>(params.size()),
                                       static_cast<std::int64_t>(buffers.size())};
  numbers.insert(numbers.end(), params.begin(), params.end());
  for (const auto& b : buffers) numbers.push_back(static_cast<std::int64_t>(b.size()));
  const auto bytes = [](auto& of) { return std::as_bytes(std::span(of)); };
  std::ofstream out(call, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes(numbers).data()), static_cast<std::streamsize>(8 * numbers.size()));
  for (const auto& b : buffers)
    out.write(reinterpret_cast<const char*>(b.data()), static_cast<std::streamsize>(b.size()));
  out.close();
  const std::string command = fmt::format("{} {}/kernels {} {}", build_.emulator, folder_.path(), call, result);
  if (const auto [ok, output] = shell(command); !ok || !output.empty())
    throw std::runtime_error(fmt::format("{}: kernel {}: {}", command, names_[kernel], output));
  std::ifstream in(result, std::ios::binary);
  for (const auto& b : buffers) in.read(reinterpret_cast<char*>(b.data()), static_cast<std::streamsize>(b.size()));
  if (!in) throw std::runtime_error(command + ": its result is cut off");
}

}  // namespace openinfer::emit
