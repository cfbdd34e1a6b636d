// SPDX-License-Identifier: Apache-2.0
#include "formats/opnf/unfinished.h"

#include <filesystem>
#include <set>
#include <system_error>

namespace opnf::unfinished {
namespace {

struct List {
  std::recursive_mutex mutex;
  std::set<std::string> paths;
};

/// Of the process, as signals are; never destroyed, for one may come while the process ends.
List& list() {
  static List& the_list = *new List;
  return the_list;
}

}  // namespace

Hold::Hold() : lock_(list().mutex) {}

void add(const std::string& path) {
  const Hold hold;
  list().paths.insert(path);
}

void drop(const std::string& path) {
  const Hold hold;
  list().paths.erase(path);
}

void remove_for_the_end() {
  list().mutex.lock();
  std::error_code ignored;  // there is nothing to be done about what cannot be removed
  for (const std::string& path : list().paths) std::filesystem::remove_all(path, ignored);
}

}  // namespace opnf::unfinished
