// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/placed_weights.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>

#include "codegen/plan/members.h"
#include "formats/opnf/panel16.h"
#include "lib/base/fail.h"

namespace openinfer::run {
namespace {

using kernels::Layout;

std::string tensor_key(const TensorInfo& tensor) {
  return std::string(tensor.alias_of.empty() ? tensor.key : tensor.alias_of);
}

std::uint64_t panel_bytes(const TensorInfo& tensor, std::uint64_t width) {
  const opnf::DTypeInfo& dtype = *opnf::find_dtype(static_cast<std::uint8_t>(tensor.dtype));
  return opnf::kPanelRows * (width / dtype.block_size) * dtype.block_bytes;
}

void lay_out(const Model& model, const TensorInfo& tensor, Layout layout, std::byte* to, ThreadPool& pool) {
  constexpr std::int64_t kAtOnce = 8;  // panels of sixteen rows
  const auto width = static_cast<std::uint64_t>(tensor.shape[tensor.shape.size() - (tensor.transposed ? 2 : 1)]);
  const std::uint64_t size = panel_bytes(tensor, width);
  const std::int64_t panels = size == 0 ? 0 : static_cast<std::int64_t>(tensor.size_bytes / size);
  pool.parallel_for(panels, kAtOnce, [&](std::int64_t first, std::int64_t last) {
    const std::uint64_t from = static_cast<std::uint64_t>(first) * size;
    read_laid_out(model, tensor, layout, from, {to + from, static_cast<std::uint64_t>(last - first) * size});
  });
}

}  // namespace

bool is_laid_out_anew(const TensorInfo& tensor, Layout layout) {
  const bool panels = tensor.layout == "panel16" && !tensor.splat;  // a splat is made in rows
  return panels != (layout == Layout::panel16);
}

void read_laid_out(const Model& model, const TensorInfo& tensor, Layout layout, std::uint64_t first,
                   std::span<std::byte> to) {
  if (!is_laid_out_anew(tensor, layout)) return model.read(tensor.key, first, to);
  constexpr std::uint64_t kReadBytes = 128 << 10;
  const opnf::DTypeInfo& dtype = *opnf::find_dtype(static_cast<std::uint8_t>(tensor.dtype));
  const auto width = static_cast<std::uint64_t>(tensor.shape[tensor.shape.size() - (tensor.transposed ? 2 : 1)]);
  const std::uint64_t blocks = width / dtype.block_size, size = panel_bytes(tensor, width);
  if (size == 0) return;
  const std::uint64_t panels = to.size() / size, at_once = std::max<std::uint64_t>(1, kReadBytes / size);
  std::vector<std::byte> from(std::min(panels, at_once) * size);
  for (std::uint64_t panel = 0; panel < panels; ++panel) {
    const std::uint64_t in_piece = panel % at_once;
    if (in_piece == 0)
      model.read(tensor.key, first + panel * size, std::span(from).first(std::min(at_once, panels - panel) * size));
    if (layout == Layout::panel16)
      opnf::to_panel16(dtype, blocks, from.data() + in_piece * size, to.data() + panel * size);
    else
      opnf::from_panel16(dtype, blocks, from.data() + in_piece * size, 0, opnf::kPanelRows, to.data() + panel * size);
  }
}

PlacedWeights::PlacedWeights(const plan::Plan& plan, const std::optional<Model>& model, ThreadPool& pool) {
  const auto each = [&](const auto& f) {
    for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
      const plan::Buffer& b = plan.buffers[i];
      if (b.role != plan::Role::weight) continue;
      if (!model) fail(ErrorCode::not_found, "[run] the graph needs \"{}\" and there is no package", b.key);
      for (const std::string& key : plan::member_keys(b)) f(i, b.layout, model->tensor(key));
    }
  };
  for (const plan::Buffer& b : plan.buffers)
    if (b.role == plan::Role::weight && model) plan::check_members(b, *model);
  Places places;
  each([&](std::size_t, Layout layout, const TensorInfo& tensor) {
    if (is_laid_out_anew(tensor, layout)) places.emplace(std::pair(tensor_key(tensor), layout), 0);
  });
  if (!places.empty()) own_ = laid_out(*model, places, pool);
  members_.resize(plan.buffers.size());
  each([&](std::size_t buffer, Layout layout, const TensorInfo& tensor) {
    if (!is_laid_out_anew(tensor, layout)) {
      used_ = model;
      return members_[buffer].push_back(model->bytes(tensor.key));
    }
    const std::size_t at = places.at({tensor_key(tensor), layout});
    members_[buffer].push_back(std::as_const(*own_).bytes().subspan(at, tensor.size_bytes));
  });
}

void PlacedWeights::check_not_cut() const {
  if (used_) used_->check_not_cut();
}

/// The same tensors in the same layouts lie in the same order: sessions that need them at the same time share them.
std::shared_ptr<const ZeroPages> PlacedWeights::laid_out(const Model& model, Places& places, ThreadPool& pool) {
  std::size_t size = 0;
  std::string name = "laid out:";
  for (auto& [what, at] : places) {
    at = std::exchange(size, size + model.tensor(what.first).size_bytes);
    name += fmt::format(" {}/{}", what.first, what.second == Layout::panel16 ? "panel16" : "rows");
  }
  return std::static_pointer_cast<const ZeroPages>(model.shared(name, [&] {
    auto pages = std::make_shared<ZeroPages>(size);
    // A step streams through all of it: fewer, larger pages where the machine has them. Without, it is as right.
    if (size > 0) ::madvise(pages->bytes().data(), size, MADV_HUGEPAGE);
    for (const auto& [what, at] : places)
      lay_out(model, model.tensor(what.first), what.second, pages->bytes().data() + at, pool);
    return pages;
  }));
}

}  // namespace openinfer::run
