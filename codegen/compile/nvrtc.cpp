// SPDX-License-Identifier: Apache-2.0
#include "codegen/compile/nvrtc.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "codegen/compile/cubin.h"
#include "lib/base/fail.h"

namespace openinfer::compile {

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

std::vector<std::string> library_places() {
  if (const char* named = std::getenv("OPENINFER_NVRTC")) return {named};
  std::vector<std::string> all = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
  std::vector<std::string> roots = {"/usr/local/cuda"};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* root = std::getenv(variable)) roots.insert(roots.begin(), root);
  for (const std::string& root : roots)
    for (const char* folder : {"lib64", "lib"}) all.push_back(fmt::format("{}/{}/libnvrtc.so", root, folder));
  return all;
}

/// The number that ends in front of `what`: "Used 24 registers".
std::optional<int> number_before(std::string_view log, std::string_view what) {
  const std::size_t end = log.find(what);
  if (end == std::string_view::npos) return std::nullopt;
  std::size_t begin = end;
  while (begin > 0 && log[begin - 1] >= '0' && log[begin - 1] <= '9') --begin;
  int number = 0;
  const auto [read, error] = std::from_chars(log.data() + begin, log.data() + end, number);
  return error == std::errc() && read == log.data() + end ? std::optional(number) : std::nullopt;
}

/// What ptxas -v says of the one kernel that it compiled. Spills stand nowhere else; the rest is held to the cubin.
CudaUse use_of(std::string_view kernel, std::string_view log, std::string_view cubin) {
  constexpr std::string_view kMark = "Compiling entry function '";
  const std::size_t mark = log.find(kMark);
  if (mark == log.npos) fail(ErrorCode::internal, "[nvrtc] {}: its log names no kernel: {}", kernel, log);
  log.remove_prefix(mark + kMark.size());
  const std::string name(log.substr(0, log.find('\'')));
  if (const std::size_t own = log.find("Function properties for " + name); own != log.npos) log.remove_prefix(own);
  const auto registers = number_before(log, " registers"), frame = number_before(log, " bytes stack frame"),
             stores = number_before(log, " bytes spill stores"), loads = number_before(log, " bytes spill loads");
  if (!registers || !frame || !stores || !loads)
    fail(ErrorCode::internal, "[nvrtc] {}: its log does not say what the kernel takes: {}", kernel, log);
  const CubinUse made = cubin_use(cubin, name);
  if (made.registers != *registers || made.frame_bytes != *frame)
    fail(ErrorCode::internal, "[nvrtc] {}: {} registers and {} B of local memory in the log, {} and {} in the cubin",
         kernel, *registers, *frame, made.registers, made.frame_bytes);
  return {.registers = *registers,
          .spill_store_bytes = *stores,
          .spill_load_bytes = *loads,
          .local_bytes = *frame,
          .shared_bytes = number_before(log, " bytes smem").value_or(0)};
}

}  // namespace

Nvrtc::Nvrtc() : library_(std::make_unique<Library>()) {
  for (const std::string& place : library_places()) {
    library_->handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_->handle) break;
  }
  if (const char* named = std::getenv("OPENINFER_NVRTC"); named && !library_->handle)
    missing_ = fmt::format("$OPENINFER_NVRTC, {}, cannot be loaded: {}", named, dlerror());
  else if (named && !library_->find_all())
    missing_ = fmt::format(
        "$OPENINFER_NVRTC, {}, is no NVRTC that makes cubins: name the libnvrtc.so of CUDA 12 or newer", named);
  else if (!library_->handle)
    missing_ = "libnvrtc is not there: install CUDA 12 or newer, or set CUDA_HOME";
  else if (!library_->find_all())
    missing_ = "libnvrtc is too old: it cannot make cubins; install CUDA 12 or newer";
  else if (int major = 0, minor = 0; library_->version(&major, &minor) == 0 && major < 12)
    missing_ = fmt::format("libnvrtc {}.{} is too old: it has no C++20; install CUDA 12 or newer", major, minor);
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
    for (const int number : numbers)  // 'a': what is in that architecture only
      if (name == fmt::format("sm_{}", number) || name == fmt::format("sm_{}a", number)) found.push_back(name);
  return found;
}

CudaKernel Nvrtc::compile(std::string_view kernel, const std::string& source, std::string_view architecture) const {
  if (!missing_.empty()) fail(ErrorCode::unsupported, "[nvrtc] {}: {}", kernel, missing_);
  const std::string arch = fmt::format("--gpu-architecture={}", architecture), name = fmt::format("{}.cu", kernel);
  const std::string_view flags = kCudaFlags;
  const std::string standard(flags.substr(0, flags.find(' '))), rounding(flags.substr(flags.find(' ') + 1));
  // -v: ptxas writes what it used into the log.
  const std::vector<const char*> options = {arch.c_str(), standard.c_str(), rounding.c_str(), "--ptxas-options=-v"};
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
  made.use = use_of(kernel, log, made.cubin);
  return made;
}

void check_limits(std::string_view kernel, const CudaUse& use, const Device& device) {
  if (use.registers > device.registers_per_lane)
    fail(ErrorCode::unsupported, "[emit] kernel {} takes {} registers; a thread of {} has {}", kernel, use.registers,
         device.name, device.registers_per_lane);
  const std::int64_t shared = std::min(device.shared_memory_bytes, kCudaSharedBytes);
  if (use.shared_bytes > shared)
    fail(ErrorCode::unsupported, "[emit] kernel {} takes {} B of shared memory; a block of {} may declare {}", kernel,
         use.shared_bytes, device.name, shared);
}

const std::vector<std::string>& cuda_architectures() {
  static const std::vector<std::string> all = {"sm_75",  "sm_80",  "sm_86",   "sm_89",  "sm_90",
                                               "sm_90a", "sm_100", "sm_100a", "sm_120", "sm_120a"};
  return all;
}

}  // namespace openinfer::compile
