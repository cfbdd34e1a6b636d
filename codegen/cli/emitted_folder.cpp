// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/emitted_folder.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>

#include "codegen/cli/options.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

namespace fs = std::filesystem;

bool is_name(char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string_view name_at(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && is_name(text[end])) ++end;
  return text.substr(0, end);
}

/// How host/model.cpp calls the entry point's function.
std::string function_of(std::string_view entry) {
  std::string name = "entry_";
  for (const char c : entry) name += is_name(c) ? c : '_';
  return name;
}

std::vector<std::string> file_lines(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
  return lines;
}

std::string without_margins(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r"), last = text.find_last_not_of(" \t\r");
  return first == text.npos ? "" : text.substr(first, last - first + 1);
}

/// The first file of that name below the folder, in the order of paths; hidden folders are left out.
std::optional<fs::path> search(const fs::path& folder, const std::string& name) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error), end;
  while (!error && at != end) {
    const fs::path& now = at->path();
    if (at->is_directory(error) && now.filename().string().starts_with('.')) at.disable_recursion_pending();
    if (now.filename() == name && at->is_regular_file(error)) found.push_back(now);
    at.increment(error);
  }
  if (found.empty()) return std::nullopt;
  return *std::min_element(found.begin(), found.end());
}

}  // namespace

std::pair<std::string, int> split_location(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == text.npos) return {std::string(text), 0};
  int line = 0;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), line);
  if (error != std::errc() || end != digits.data() + digits.size() || line <= 0) return {std::string(text), 0};
  return {std::string(text.substr(0, colon)), line};
}

EmittedFolder::EmittedFolder(std::string path) : path_(std::move(path)) {
  std::error_code error;
  if (!fs::is_directory(path_, error))
    fail(ErrorCode::io_error, "[explain] {}: {}", path_, fs::exists(path_, error) ? "no folder" : "no such folder");
  const fs::path plan = fs::path(path_) / "plan.txt";
  if (!fs::is_regular_file(plan, error) || !fs::is_directory(fs::path(path_) / "device", error))
    fail(ErrorCode::not_found, "[explain] {} holds no emitted project, which has a plan.txt and a folder device",
         path_);
  try {
    steps_ = plan::read_steps(read_text(plan.string()));
  } catch (const Error& e) {
    fail(e.code(), "[explain] {}: {}; emit the project again", plan.string(), e.what());
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(path_) / "device"))
    files_.push_back(entry.path().filename().string());
  std::sort(files_.begin(), files_.end());
  read_calls();
}

void EmittedFolder::read_calls() {
  const std::vector<std::string> lines = file_lines(fs::path(path_) / "host" / "model.cpp");
  std::string entry;
  for (std::size_t n = 0; n < lines.size(); ++n) {
    const std::string& line = lines[n];
    if (const auto at = line.find("void entry_"); at != line.npos)
      entry = name_at(std::string_view(line).substr(at + 5));
    for (std::size_t at = 0; (at = line.find("kernel", at)) != line.npos;) {  // kernel::rope(…), kernels::rope
      at += 6;
      if (line.compare(at, 1, "s") == 0) ++at;
      if (line.compare(at, 2, "::") != 0) continue;
      at += 2;
      const std::string_view name = name_at(std::string_view(line).substr(at));
      if (has_kernel(name)) calls_.push_back({entry, std::string(name), static_cast<int>(n) + 1});
    }
  }
}

std::vector<std::string_view> EmittedFolder::kernels() const {
  std::vector<std::string_view> names;
  for (const plan::PlanStep& step : steps_)
    for (const std::string& kernel : step.kernels)
      if (std::find(names.begin(), names.end(), kernel) == names.end()) names.push_back(kernel);
  return names;
}

bool EmittedFolder::has_kernel(std::string_view name) const {
  return std::any_of(steps_.begin(), steps_.end(), [&](const plan::PlanStep& s) {
    return std::find(s.kernels.begin(), s.kernels.end(), name) != s.kernels.end();
  });
}

std::string EmittedFolder::kernel_file(std::string_view kernel) const {
  for (const std::string& file : files_)
    if (fs::path(file).stem() == kernel && !file.ends_with(".spv") && !file.ends_with(".h")) return "device/" + file;
  return "";
}

int EmittedFolder::call_line(const plan::PlanStep& wanted, std::string_view kernel) const {
  const auto calls = [&](const plan::PlanStep& s) {
    return s.entry == wanted.entry && std::find(s.kernels.begin(), s.kernels.end(), kernel) != s.kernels.end();
  };
  std::size_t before = 0;  // calls of the kernel in the entry ahead of this step's
  for (const plan::PlanStep& step : steps_) {
    if (&step == &wanted) break;
    if (calls(step)) ++before;
  }
  const std::string function = function_of(wanted.entry);
  for (const Call& call : calls_)
    if (call.entry == function && call.kernel == kernel && before-- == 0) return call.line;
  return 0;
}

std::string EmittedFolder::called_at(int line) const {
  constexpr int kStatement = 8;  // lines from a step's comment to its call
  for (const Call& call : calls_)
    if (call.line >= line && call.line < line + kStatement) return call.kernel;
  return "";
}

std::int64_t EmittedFolder::turns_of(const plan::PlanStep& step, std::string_view kernel) {
  if (step.variant.empty()) return step.turns;
  std::int64_t taken = 0;
  for (const std::uint8_t v : step.variant) taken += v < step.kernels.size() && step.kernels[v] == kernel ? 1 : 0;
  return step.turns / std::max<std::int64_t>(1, std::ssize(step.variant)) * taken;
}

void Sources::use(const std::string& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) known_[fs::path(path).filename().string()] = {path, file_lines(path)};
}

const Sources::Source& Sources::source(const std::string& file) {
  const std::string name = fs::path(file).filename().string();
  if (!known_.contains(name)) {
    known_[name];  // looked for once
    std::optional<fs::path> found;
    std::error_code error;
    if (fs::is_regular_file(name, error)) found = name;
    for (const std::string& folder : folders_)
      if (!found) found = search(folder, name);
    if (found) use(found->string());
  }
  return known_[name];
}

std::string Sources::line(const std::string& location) {
  const auto [file, number] = split_location(location);
  const Source& from = source(file);
  const auto at = static_cast<std::size_t>(number);
  return at == 0 || at > from.lines.size() ? "" : without_margins(from.lines[at - 1]);
}

std::string Sources::path(const std::string& location) { return source(split_location(location).first).path; }

}  // namespace openinfer::cli
