// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/watches.h"

#include <algorithm>

#include "lib/base/fail.h"
#include "lib/base/nearest.h"

namespace openinfer {
namespace {

/// "x.*" means x and all x.N; anything else means itself.
bool matches_name(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with(".*")) return pattern == name;
  const std::string_view stem = pattern.substr(0, pattern.size() - 2);
  return name.starts_with(stem) && (name.size() == stem.size() || name[stem.size()] == '.');
}

}  // namespace

std::vector<ValueId> Watches::matches(std::string_view name) const {
  std::vector<ValueId> found;
  for (ValueId v = 0; v < g_.values.size(); ++v)
    if (g_.values[v].state < 0 && !g_.values[v].name.empty() && matches_name(name, g_.values[v].name))
      found.push_back(v);
  if (!found.empty()) return found;
  for (const OutputDecl& output : g_.outputs)
    if (output.name == name) found.push_back(output.value);
  return found;
}

void Watches::add(std::string_view name, Watcher watcher) {
  if (matches(name).empty()) {
    std::vector<std::string_view> names;
    for (const ValueInfo& v : g_.values)
      if (v.state < 0 && !v.name.empty()) names.push_back(v.name);
    fail(ErrorCode::not_found, "[watch] the graph has no value '{}'{}", name, nearest_hint(name, names));
  }
  watchers_.emplace_back(name, std::move(watcher));
  make_table();
}

void Watches::remove(std::string_view name) {
  const auto count = std::erase_if(watchers_, [&](const auto& w) { return w.first == name; });
  if (count == 0) fail(ErrorCode::not_found, "[unwatch] nobody watches '{}'", name);
  make_table();
}

void Watches::make_table() {
  Table table;
  for (const auto& [name, watcher] : watchers_)
    for (ValueId v : matches(name)) table.emplace_back(v, watcher);
  std::stable_sort(table.begin(), table.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  table_ = std::make_shared<const Table>(std::move(table));
}

}  // namespace openinfer
