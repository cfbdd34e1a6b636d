// SPDX-License-Identifier: Apache-2.0
// The weights of a plan with a memory budget (plan/budget.h): the small ones resident, tiles of the large ones out of
// the file as a step goes through them, of tables the rows that are looked up. No page of the package's mapping is
// touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "codegen/plan/plan.h"
#include "codegen/run/stream_host.h"
#include "lib/sim/zero_pages.h"
#include "openinfer/model.h"

namespace openinfer::run {

class StreamedWeights {
 public:
  /// `plan` must outlive it. What kernels read otherwise than the package has it is laid out as it is read.
  /// Errors: not_found, with the key; those of plan::check_members; io_error; out_of_memory.
  StreamedWeights(const plan::Plan& plan, const Model& model);

  /// A member of a weight buffer, last {} fastest.
  struct Member {
    std::size_t buffer = 0, member = 0;
  };
  /// Of a resident one its bytes; of a table a window in which the rows are that were looked up; else null.
  std::byte* place(const Member& m) const { return places_[tensor(m)]; }
  std::uint64_t size_bytes(const Member& m) const { return tensors_[tensor(m)].size; }

  void begin_step() { stream_->begin_step(); }
  /// f(from, to, places) for each tile of the dispatch's parts [from, to): places[i] is where the first byte of the
  /// i-th of `members` would lie if all of it were there. Errors: io_error.
  using EachTile = std::function<void(std::int64_t from, std::int64_t to, std::span<std::byte* const> places)>;
  void each_tile(const plan::Streaming& streaming, std::span<const Member> members, const EachTile& f);
  /// Reads the entries that these ids name, nearest ones of ids beyond the table.
  void look_up(const plan::RowLookup& lookup, const Member& table, const std::byte* ids, DType dtype,
               std::int64_t count);
  /// Gives back what look_up read.
  void forget(const Member& table);

 private:
  std::size_t tensor(const Member& m) const { return members_[m.buffer][m.member]; }
  void read(std::size_t tensor, std::uint64_t first, std::span<std::byte> to) const;
  std::size_t add(const TensorInfo& tensor, kernels::Layout layout);
  void make_resident();
  host::WeightStream::Tile tile(const plan::Streaming& s, std::span<const Member> members, std::int64_t from,
                                std::int64_t to) const;

  const plan::Plan& plan_;
  Model model_;
  std::vector<TensorInfo> infos_;  // by tensor, as all that follows
  std::vector<kernels::Layout> layouts_;
  std::map<std::pair<std::string, kernels::Layout>, std::size_t> numbers_;  // of tensors
  std::vector<host::StreamedTensor> tensors_;
  std::vector<std::int64_t> row_bytes_;
  std::vector<std::byte*> places_;
  std::vector<std::vector<std::size_t>> members_;  // by buffer: tensors
  ZeroPages resident_{0};
  std::map<std::size_t, ZeroPages> windows_;
  std::unique_ptr<host::WeightStream> stream_;
};

}  // namespace openinfer::run
