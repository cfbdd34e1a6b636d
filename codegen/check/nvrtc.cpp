// SPDX-License-Identifier: Apache-2.0
#include "codegen/check/nvrtc.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "lib/base/fail.h"

namespace openinfer::check {

/// The part of NVRTC's interface that is used here, as its documentation declares it.
struct Nvrtc::Library {
  using Program = struct NvrtcProgram*;
  void* handle = nullptr;
  int (*version)(int*, int*) = nullptr;
  int (*count_archs)(int*) = nullptr;
  int (*archs)(int*) = nullptr;
  int (*create)(Program*, const char* source, const char* name, int, const char* const*, const char* const*) = nullptr;
  int (*destroy)(Program*) = nullptr;
  int (*compile)(Program, int count, const char* const* options) = nullptr;
  int (*log_size)(Program, std::size_t*) = nullptr;
  int (*log)(Program, char*) = nullptr;
  int (*cubin_size)(Program, std::size_t*) = nullptr;
  int (*cubin)(Program, char*) = nullptr;

  ~Library() {
    if (handle) dlclose(handle);
  }
  template <class F>
  bool find(F& function, const char* name) {
    function = reinterpret_cast<F>(dlsym(handle, name));
    return function != nullptr;
  }
  bool find_all() {
    return find(version, "nvrtcVersion") && find(count_archs, "nvrtcGetNumSupportedArchs") &&
           find(archs, "nvrtcGetSupportedArchs") && find(create, "nvrtcCreateProgram") &&
           find(destroy, "nvrtcDestroyProgram") && find(compile, "nvrtcCompileProgram") &&
           find(log_size, "nvrtcGetProgramLogSize") && find(log, "nvrtcGetProgramLog") &&
           find(cubin_size, "nvrtcGetCUBINSize") && find(cubin, "nvrtcGetCUBIN");
  }
};

namespace {

std::vector<std::string> places() {
  std::vector<std::string> all = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
  std::vector<std::string> roots = {"/usr/local/cuda"};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* root = std::getenv(variable)) roots.insert(roots.begin(), root);
  for (const std::string& root : roots)
    for (const char* folder : {"lib64", "lib"}) all.push_back(fmt::format("{}/{}/libnvrtc.so", root, folder));
  return all;
}

/// The number that ends in front of `what`: "Used 24 registers". 0: it is not said.
int number_before(std::string_view log, std::string_view what) {
  const std::size_t end = log.find(what);
  if (end == std::string_view::npos) return 0;
  std::size_t begin = end;
  while (begin > 0 && log[begin - 1] >= '0' && log[begin - 1] <= '9') --begin;
  int number = 0;
  std::from_chars(log.data() + begin, log.data() + end, number);
  return number;
}

}  // namespace

Nvrtc::Nvrtc() : library_(std::make_unique<Library>()) {
  for (const std::string& place : places()) {
    library_->handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_->handle) break;
  }
  if (!library_->handle)
    missing_ = "libnvrtc is not available: install CUDA 12 or newer, or set CUDA_HOME";
  else if (!library_->find_all())
    missing_ = "libnvrtc is too old: it cannot make cubins (CUDA 11.1)";
}

Nvrtc::~Nvrtc() = default;

std::string Nvrtc::version() const {
  if (!missing_.empty()) return missing_;
  int major = 0, minor = 0;
  library_->version(&major, &minor);
  return fmt::format("{}.{}", major, minor);
}

std::vector<std::string> Nvrtc::supported(const std::vector<std::string>& wanted) const {
  if (!missing_.empty()) return {};
  int count = 0;
  library_->count_archs(&count);
  std::vector<int> numbers(static_cast<std::size_t>(count));
  library_->archs(numbers.data());
  std::vector<std::string> found;
  for (const std::string& name : wanted)
    for (const int number : numbers)
      if (name == fmt::format("sm_{}", number)) found.push_back(name);
  return found;
}

CudaKernel Nvrtc::compile(std::string_view kernel, const std::string& source, std::string_view architecture) const {
  if (!missing_.empty()) fail(ErrorCode::unsupported, "[nvrtc] {}: {}", kernel, missing_);
  const std::string arch = fmt::format("--gpu-architecture={}", architecture), name = fmt::format("{}.cu", kernel);
  // Each operation rounds by itself: scalar functions rely on it. -v: ptxas writes what it used into the log.
  const std::vector<const char*> options = {arch.c_str(), "--std=c++17", "--fmad=false", "--ptxas-options=-v"};
  Library::Program program = nullptr;
  if (library_->create(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr) != 0)
    fail(ErrorCode::internal, "[nvrtc] {}: no program can be made", kernel);
  const int status = library_->compile(program, static_cast<int>(options.size()), options.data());
  std::size_t size = 0;
  library_->log_size(program, &size);
  std::string log(size, '\0');
  library_->log(program, log.data());
  CudaKernel made;
  if (status == 0) {
    library_->cubin_size(program, &size);
    made.cubin.resize(size);
    library_->cubin(program, made.cubin.data());
  }
  library_->destroy(&program);
  if (status != 0) fail(ErrorCode::internal, "[nvrtc] {} for {}: {}", kernel, architecture, log);
  made.use = {.registers = number_before(log, " registers"),
              .spill_store_bytes = number_before(log, " bytes spill stores"),
              .spill_load_bytes = number_before(log, " bytes spill loads"),
              .shared_bytes = number_before(log, " bytes smem")};
  if (made.use.registers == 0)
    fail(ErrorCode::internal, "[nvrtc] {} for {}: no register count in: {}", kernel, architecture, log);
  return made;
}

const std::vector<std::string>& cuda_architectures() {
  static const std::vector<std::string> all = {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"};
  return all;
}

}  // namespace openinfer::check
