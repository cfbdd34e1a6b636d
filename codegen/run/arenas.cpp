// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/arenas.h"

#include <algorithm>

namespace openinfer::run {
namespace {

bool holds_less(const ZeroPages& pages, std::size_t size) { return pages.bytes().size() < size; }

}  // namespace

std::shared_ptr<const Arenas> Arenas::of(const std::optional<Model>& model) {
  const auto make = [] { return std::make_shared<const Arenas>(); };
  return model ? std::static_pointer_cast<const Arenas>(model->shared("arenas of CPUs", make)) : make();
}

Arenas::Lease Arenas::lend(std::size_t size) const {
  const std::lock_guard lock(mutex_);
  auto found = std::lower_bound(free_.begin(), free_.end(), size, holds_less);
  if (found == free_.end()) {
    if (!free_.empty()) free_.pop_back();
    return Lease(*this, ZeroPages(size));
  }
  ZeroPages pages = std::move(*found);
  free_.erase(found);
  return Lease(*this, std::move(pages));
}

void Arenas::give_back(ZeroPages pages) const {
  const std::lock_guard lock(mutex_);
  const auto place = std::lower_bound(free_.begin(), free_.end(), pages.bytes().size(), holds_less);
  free_.insert(place, std::move(pages));
}

}  // namespace openinfer::run
