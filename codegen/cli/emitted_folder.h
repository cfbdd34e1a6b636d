// SPDX-License-Identifier: Apache-2.0
// What `openinfer explain` knows: an emitted project's folder and nothing else; the user's sources only to quote them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/plan/read.h"

namespace openinfer::cli {

class EmittedFolder {
 public:
  /// Errors: io_error if there is no such folder; not_found if it holds no emitted project; those of plan::read_steps.
  explicit EmittedFolder(std::string path);

  const std::string& path() const { return path_; }
  const std::vector<plan::PlanStep>& steps() const { return steps_; }
  /// The names of all kernels, as plan.txt first calls them.
  std::vector<std::string_view> kernels() const;
  bool has_kernel(std::string_view name) const;
  /// "device/rope.cpp", in whatever language; "" if the file is gone.
  std::string kernel_file(std::string_view kernel) const;
  /// The line of host/model.cpp where the step calls that kernel; 0: not found.
  int call_line(const plan::PlanStep& step, std::string_view kernel) const;
  /// The kernel that host/model.cpp calls at that line or in the first lines behind it; "": none.
  std::string called_at(int line) const;
  /// Turns in which the step takes that kernel.
  static std::int64_t turns_of(const plan::PlanStep& step, std::string_view kernel);

 private:
  struct Call {
    std::string entry, kernel;
    int line;
  };
  void read_calls();

  std::string path_;
  std::vector<plan::PlanStep> steps_;
  std::vector<std::string> files_;  // in device/, sorted
  std::vector<Call> calls_;         // of host/model.cpp
};

/// Quotes lines of the user's sources: of a file that is there under the name given, in the working directory, or in a
/// folder that `--source` names (searched whole).
class Sources {
 public:
  explicit Sources(std::vector<std::string> folders) : folders_(std::move(folders)) {}
  /// "llama.h:54" -> the line without the blanks around it; "" if it cannot be read.
  std::string line(const std::string& location);
  /// The path of the file that is read for it; "".
  std::string path(const std::string& location);
  /// Reads that file for locations of its name.
  void use(const std::string& path);

 private:
  struct Source {
    std::string path;
    std::vector<std::string> lines;
  };
  const Source& source(const std::string& file);

  std::vector<std::string> folders_;
  std::map<std::string, Source> known_;  // by the file's name
};

/// "llama.h:54" -> {"llama.h", 54}; 0: there is no number.
std::pair<std::string, int> split_location(std::string_view text);

}  // namespace openinfer::cli
