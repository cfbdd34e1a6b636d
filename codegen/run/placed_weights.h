// SPDX-License-Identifier: Apache-2.0
// The weights of a plan in the layout that its kernels read: in place in the mapped package where that has it, else
// laid out anew in memory of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "codegen/plan/plan.h"
#include "lib/sim/thread_pool.h"
#include "lib/sim/zero_pages.h"
#include "openinfer/model.h"

namespace openinfer::run {

/// "panel16 in the package, rows wanted" and its like: are the bytes other than kernels read them?
bool is_laid_out_anew(const TensorInfo& tensor, kernels::Layout layout);
/// Bytes [first, first + to.size()) of the tensor in that layout, out of the file; where it is laid out anew whole
/// panels. Any thread may call it. Errors: io_error.
void read_laid_out(const Model& model, const TensorInfo& tensor, kernels::Layout layout, std::uint64_t first,
                   std::span<std::byte> to);

class PlacedWeights {
 public:
  /// What is laid out anew is read from the file: mapped pages of it stay untouched.
  /// Errors: not_found, with the key; those of plan::check_members; io_error; out_of_memory.
  PlacedWeights(const plan::Plan& plan, const std::optional<Model>& model, ThreadPool& pool);
  PlacedWeights(const PlacedWeights&) = delete;
  PlacedWeights& operator=(const PlacedWeights&) = delete;

  /// The bytes of a weight buffer's members, last {} fastest. One tensor by two names is in one place.
  const std::vector<std::span<const std::byte>>& members(std::size_t buffer) const { return members_[buffer]; }
  /// Of tensors laid out anew: one copy for all who need the same ones of one open package at the same time.
  std::int64_t repacked_bytes() const { return own_ ? static_cast<std::int64_t>(own_->bytes().size()) : 0; }
  /// Before kernels read what is in place. Errors: io_error if the package was cut since it was opened.
  void check_not_cut() const;

 private:
  /// Where a tensor (of aliases their target) of that layout lies in `own_`.
  using Places = std::map<std::pair<std::string, kernels::Layout>, std::size_t>;
  static std::shared_ptr<const ZeroPages> laid_out(const Model& model, Places& places, ThreadPool& pool);

  std::vector<std::vector<std::span<const std::byte>>> members_;  // by buffer
  std::shared_ptr<const ZeroPages> own_;                          // null: all is in place
  std::optional<Model> used_;                                     // whose bytes are used in place, if any are
};

}  // namespace openinfer::run
