// SPDX-License-Identifier: Apache-2.0
// Who wants to see which values.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/graph/ir.h"
#include "openinfer/sim.h"

namespace openinfer {

class Watches {
 public:
  /// Pairs of value and watcher, sorted by value. Shared and never changed: a watcher may watch and unwatch.
  using Table = std::vector<std::pair<ValueId, Watcher>>;

  explicit Watches(const GraphData& g) : g_(g) {}
  /// Errors: not_found, with the nearest names.
  void add(std::string_view name, Watcher watcher);
  /// Errors: not_found if nobody watches that name.
  void remove(std::string_view name);
  std::shared_ptr<const Table> table() const { return table_; }

 private:
  std::vector<ValueId> matches(std::string_view name) const;
  void make_table();

  const GraphData& g_;
  std::vector<std::pair<std::string, Watcher>> watchers_;
  std::shared_ptr<const Table> table_ = std::make_shared<Table>();
};

}  // namespace openinfer
