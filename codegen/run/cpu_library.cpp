// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/cpu_library.h"

#include <dlfcn.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include "codegen/devices/this_cpu.h"
#include "codegen/emit/cpp.h"
#include "codegen/emit/cpp_tiles.h"
#include "codegen/run/child_processes.h"
#include "codegen/run/kernel_cache.h"
#include "lib/base/fail.h"
#include "lib/base/temporary_folder.h"

namespace openinfer::run {
namespace {

namespace fs = std::filesystem;

/// A folder may be searched, which access() takes for execution.
bool is_program(const std::string& path) {
  struct stat facts {};
  return ::access(path.c_str(), X_OK) == 0 && ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode);
}

std::string on_path(const std::string& program) {
  if (program.find('/') != std::string::npos) return is_program(program) ? program : "";
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + program;
    if (is_program(candidate)) return candidate;
  }
  return "";
}

/// The words of a command, as make and CMake take $CXX apart.
std::vector<std::string> words(const std::string& command) {
  std::istringstream in(command);
  return {std::istream_iterator<std::string>(in), {}};
}

/// $CXX; its program alone where that has blanks in its path. Empty: not given.
std::vector<std::string> given_compiler() {
  const char* given = std::getenv("CXX");
  if (!given || words(given).empty()) return {};
  std::vector<std::string> command = on_path(given).empty() ? words(given) : std::vector<std::string>{given};
  const std::string found = on_path(command[0]);
  if (found.empty()) fail(ErrorCode::not_found, "[cpu] $CXX is '{}', which cannot be run", given);
  command[0] = found;
  return command;
}

std::vector<std::string> compiler_command() {
  if (const std::vector<std::string> given = given_compiler(); !given.empty()) return given;
  for (const char* name : {"c++", "g++", "clang++"})
    if (const std::string found = on_path(name); !found.empty()) return {found};
  fail(ErrorCode::not_found,
       "[cpu] no C++ compiler: install g++ or clang++, or name one in $CXX; --backend sim needs none");
}

/// What an update of the compiler changes; asking the compiler itself would cost a process in every run. Behind a
/// wrapper that is named alone (ccache as g++) an update goes unseen: kernels that were compiled stay right.
std::string compiler_identity(const std::vector<std::string>& command) {
  std::string identity;
  for (const std::string& word : command) {
    identity += word + "\n";
    const std::string program = on_path(word);
    if (program.empty()) continue;  // an argument
    std::error_code error;
    const fs::path file = fs::canonical(program, error);
    struct stat facts {};
    if (error || ::stat(file.c_str(), &facts) != 0) fail_io("read", program, error ? error : last_error());
    identity += fmt::format("{}\n{} bytes of {}.{:09}\n", file.string(), facts.st_size, facts.st_mtim.tv_sec,
                            facts.st_mtim.tv_nsec);
  }
  return identity;
}

/// FNV-1a in two halves with different starts: 128 bits tell sources apart.
std::string content_key(const std::string& text) {
  std::uint64_t a = 0xcbf29ce484222325u, b = 0x84222325cbf29ce4u;
  for (const char c : text) {
    a = (a ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    b = (b ^ static_cast<unsigned char>(c)) * 0x100000001b3u + 1;
  }
  return fmt::format("{:016x}{:016x}", a, b);
}

std::string read_file(const fs::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) fail_io("read", path, last_error());
  std::string bytes;
  std::string part(std::size_t{1} << 16, '\0');
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), file)) bytes.append(part, 0, count);
  const std::error_code why = last_error();
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) fail_io("read", path, why);
  return bytes;
}

/// What is appended to a library: behind the end of an ELF file nothing is read.
std::string seal_of(const std::string& library) { return "openinfer " + content_key(library); }

/// Is the library as it was written? What a full disk or a machine without power leaves of one would end the process
/// where it is loaded or run.
bool is_whole(const fs::path& path) {
  const std::string bytes = read_file(path);
  const std::size_t size = bytes.size() - std::min(bytes.size(), seal_of("").size());
  return bytes.compare(size, std::string::npos, seal_of(bytes.substr(0, size))) == 0;
}

/// Appends. Errors: io_error, with the system's reason.
void write_file(const fs::path& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "ab");
  bool written = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  std::error_code why = last_error();
  if (file && std::fclose(file) != 0 && written)
    written = false, why = last_error();  // what was buffered goes out here
  if (!written) fail_io("write", path, why);
}

void seal(const fs::path& path) { write_file(path, seal_of(read_file(path))); }

std::string first_error(const fs::path& log) {
  std::ifstream in(log);
  std::string first;
  for (std::string line; std::getline(in, line);) {
    if (first.empty()) first = line;
    if (line.find("error") != std::string::npos) return line;
  }
  return first;
}

/// Only entry functions are visible: a kernel called exp must not be libm's.
std::vector<std::string> compiler_flags(const Device& device) {
  std::vector<std::string> flags = {"-std=c++20", "-shared", "-fPIC", "-fvisibility=hidden", "-w"};
  flags.insert(flags.end(), emit::kCppFlags.begin(), emit::kCppFlags.end());
  flags.insert(flags.end(), device.compiler_flags.begin(), device.compiler_flags.end());
  return flags;
}

/// Where sources and log of a compiler that failed stay: one folder, however often it fails at them.
fs::path kept_failure(const fs::path& library) { return library.string() + ".failed"; }

/// The folder's last name. Where another process has put its own there at this moment, it keeps the one that it has.
fs::path keep_failure(TemporaryFolder& made, const fs::path& library) {
  made.keep();
  const fs::path kept = kept_failure(library);
  std::error_code error;
  fs::remove_all(kept, error);
  fs::rename(made.path(), kept, error);
  return error ? made.path() : kept;
}

/// Why the system cannot load this library; empty if it can.
std::string why_not_loaded(const fs::path& library) {
  if (void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) return ::dlclose(handle), "";
  return fmt::format("what it made cannot be loaded: {}", ::dlerror());
}

/// Compiles into a folder of its own and moves the result into place, so that a reader never sees half a file. Returns
/// the library, in use.
InputFile compile(std::vector<std::string> command, const std::vector<std::string>& flags, const std::string& source,
                  const fs::path& library) try {
  remove_left_behind(library.parent_path());
  TemporaryFolder own(library);
  const fs::path& folder = own.path();
  write_file(folder / "kernels.cpp", source);
  const std::string compiler = fmt::format("{}", fmt::join(command, " "));
  command.insert(command.end(), flags.begin(), flags.end());
  command.emplace_back("-o");
  command.push_back((folder / "kernels.so").string());
  command.push_back((folder / "kernels.cpp").string());
  std::string ended = run_program(command, (folder / "log").string());
  if (ended.empty())
    ended = fs::exists(folder / "kernels.so") ? why_not_loaded(folder / "kernels.so")
                                              : "it made no library and said nothing";
  if (!ended.empty()) {
    const std::string why = first_error(folder / "log");
    fail(ErrorCode::device_error, "[cpu] {} could not compile the kernels: {} (sources and log are in {})", compiler,
         why.empty() ? ended : why, keep_failure(own, library).string());
  }
  seal(folder / "kernels.so");
  InputFile made = use_kept(folder / "kernels.so");
  std::error_code error;
  fs::rename(folder / "kernels.so", library, error);
  if (error) fail_io("move the compiled kernels to", library, error);
  fs::remove_all(kept_failure(library), error);  // nothing to look into any more
  return made;
} catch (const fs::filesystem_error& error) {
  fail_io("make a folder beside", library, error.code());
}

/// For a model of a few hundred megabytes a compiler takes some ten seconds, for a graph of a few nodes one.
std::string announcement(bool damaged, const fs::path& library) {
  const std::string folder = library.parent_path().string();
  if (damaged)
    return fmt::format("compiling the kernels again: {} is damaged, as a full disk can leave it", library.string());
  return fmt::format("compiling the kernels for this CPU, which takes seconds to a minute, once: they are kept in {}",
                     folder);
}

std::string buffer_type(const kir::Kernel& k, const kir::Buffer& b) {
  if (b.record >= 0) return "kernel::" + k.records[static_cast<std::size_t>(b.record)].name;
  return emit::cpp_memory_type(b.kind);
}

/// Takes the kernel's arguments from arrays.
std::string entry_function(const kir::Kernel& k, std::size_t number) {
  std::string call;
  std::size_t place = 0;
  for (const kir::Buffer& b : k.buffers) {
    if (b.space == kir::Space::shared) continue;
    const char* constant = b.access == kir::Access::read ? "const " : "";
    call += fmt::format("static_cast<{}{}*>(buffers[{}]), ", constant, buffer_type(k, b), place++);
  }
  for (std::size_t p = 0; p < k.params.size(); ++p) call += fmt::format("params[{}], ", p);
  return fmt::format(
      "extern \"C\" __attribute__((visibility(\"default\"))) void openinfer_kernel_{}([[maybe_unused]] void* const* "
      "buffers,\n"
      "    [[maybe_unused]] const std::int32_t* params, int first, int last) {{\n"
      "  for (int group = first; group < last; ++group) kernel::{}({}group);\n}}\n\n",
      number, k.name, call);
}

}  // namespace

std::string find_compiler() { return fmt::format("{}", fmt::join(compiler_command(), " ")); }

std::string library_source(const plan::Plan& plan, int lanes) {
  std::string source = emit::cpp_prelude(lanes) + "\nnamespace kernel {\n\n";
  for (const plan::Kernel& k : plan.kernels)
    if (!k.code.records.empty()) source += emit::cpp_records(k.code);
  for (const plan::Kernel& k : plan.kernels) {
    kir::Kernel code = k.code;
    code.provenance.clear();  // comments tell figures that change with a session's sizes; the code does not
    for (kir::Buffer& b : code.buffers) b.comment.clear();
    source += emit::render_cpp(code, emit::CppLinkage::cpp) + "\n";
  }
  source += "}  // namespace kernel\n\n";
  for (std::size_t i = 0; i < plan.kernels.size(); ++i) source += entry_function(plan.kernels[i].code, i);
  return source;
}

CpuLibrary::CpuLibrary(const plan::Plan& plan, const Device& device, const CompileNotice& notice) {
  const auto tiles = [](const plan::Kernel& k) { return emit::has_tiles(k.code); };
  if (std::any_of(plan.kernels.begin(), plan.kernels.end(), tiles)) ask_for_tiles();
  const std::vector<std::string> compiler = compiler_command();
  const std::string source = library_source(plan, device.lanes);
  const std::vector<std::string> flags = compiler_flags(device);
  std::string identity = compiler_identity(compiler);
  for (const std::string& flag : flags) identity += flag + "\n";
  identity += "sealed\n";  // a library of a version that did not seal it is another one
  const fs::path library = cache_folder() / (content_key(identity + source) + ".so");
  const std::int64_t most_bytes = cache_size_limit();
  in_use_ = use_kept(library);
  if (!in_use_ || !is_whole(library)) {
    if (notice) notice(announcement(in_use_ != nullptr, library));
    const auto start = std::chrono::steady_clock::now();
    in_use_ = compile(compiler, flags, source, library);
    shrink_cache(most_bytes);
    compile_s_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  handle_.reset(::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!handle_) {
    const std::string why = ::dlerror();
    fail(ErrorCode::device_error, "[cpu] cannot load the compiled kernels: {}; delete {} to compile them again", why,
         library.string());
  }
  for (std::size_t i = 0; i < plan.kernels.size(); ++i) {
    void* symbol = ::dlsym(handle_.get(), fmt::format("openinfer_kernel_{}", i).c_str());
    if (!symbol) fail(ErrorCode::device_error, "[cpu] {} lacks kernel {}; delete it", library.string(), i);
    functions_.push_back(reinterpret_cast<KernelFunction>(symbol));
  }
}

void CpuLibrary::Unload::operator()(void* handle) const { ::dlclose(handle); }

}  // namespace openinfer::run
