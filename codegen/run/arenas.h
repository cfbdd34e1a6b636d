// SPDX-License-Identifier: Apache-2.0
// Scratch memory of steps, which nothing outlives: sessions of an open package lend it to each other, so that there is
// as much as steps run at the same time.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "lib/sim/zero_pages.h"
#include "openinfer/model.h"

namespace openinfer::run {

class Arenas {
 public:
  /// Those of the package; without one, of a session alone.
  static std::shared_ptr<const Arenas> of(const std::optional<Model>& model);

  /// Whoever holds it may write; it goes back with it. What is in it is anything.
  class Lease {
   public:
    Lease(const Arenas& from, ZeroPages pages) : from_(from), pages_(std::move(pages)) {}
    ~Lease() { from_.give_back(std::move(pages_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    std::byte* data() { return pages_.bytes().data(); }

   private:
    const Arenas& from_;
    ZeroPages pages_;
  };
  /// The smallest free one of at least `size` bytes; if there is none, a new one, and a free one that is too small
  /// ends.
  Lease lend(std::size_t size) const;

 private:
  void give_back(ZeroPages pages) const;

  mutable std::mutex mutex_;
  mutable std::vector<ZeroPages> free_;  // the smallest first
};

}  // namespace openinfer::run
