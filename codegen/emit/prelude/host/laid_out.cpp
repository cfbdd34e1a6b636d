#include "laid_out.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace MODEL_NAME {
namespace {

constexpr std::uint64_t kLargePage = 2 << 20;  // bytes

/// Of all pages that hold some of these bytes, or of those that hold nothing else.
enum class Pages { all, whole };
void advise(const std::byte* from, std::uint64_t size_bytes, int advice, Pages pages) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t start = reinterpret_cast<std::uintptr_t>(from), end = start + size_bytes;
  const auto down = [page](std::uintptr_t at) { return at / page * page; };
  const auto up = [page](std::uintptr_t at) { return (at + page - 1) / page * page; };
  const std::uintptr_t first = pages == Pages::all ? down(start) : up(start),
                       last = pages == Pages::all ? up(end) : down(end);
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, advice);  // it is advice: nothing to check
}

/// False where the file gives less, or an error.
bool read(int file, std::uint64_t offset, std::span<std::byte> to) {
  while (!to.empty()) {
    const ssize_t got = ::pread(file, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to = to.subspan(static_cast<std::size_t>(got)), offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

std::int64_t all_bytes(const std::vector<LaidOut::Tensor>& tensors) {
  std::uint64_t bytes = 0;
  for (const LaidOut::Tensor& t : tensors) bytes += t.from.size();
  return static_cast<std::int64_t>(bytes);
}

/// Of a thread: for what passes at once, or a panel.
std::int64_t buffer_bytes(const std::vector<LaidOut::Tensor>& tensors, std::int64_t passing_bytes) {
  if (tensors.empty()) return 0;
  std::uint64_t most = static_cast<std::uint64_t>(passing_bytes);
  for (const LaidOut::Tensor& t : tensors) most = std::max(most, t.panel_bytes);
  return static_cast<std::int64_t>(in_lines(most));
}

}  // namespace

LaidOut::LaidOut(std::vector<Tensor> tensors, std::int64_t passing_bytes, const ReadAhead& file, ThreadPool& pool)
    : file_(file),
      pool_(pool),
      tensors_(std::move(tensors)),
      places_(all_bytes(tensors_),
              "weights are laid out there; emit for a package that `openinfer pack --device` made, or with "
              "--memory-budget"),
      passing_(pool.threads() * buffer_bytes(tensors_, passing_bytes)),
      waiting_(tensors_.size()) {
  // A step streams through all of it: fewer, larger pages where the machine has them.
  advise(places_.data(), static_cast<std::uint64_t>(places_.size_bytes()), MADV_HUGEPAGE, Pages::whole);
  std::byte* place = places_.data();
  for (Tensor& t : tensors_) {
    t.place = place;
    place += t.from.size();
    // But one of those for each row that is looked up would be many times what is wanted.
    if (t.looked_up && t.on_use) advise(t.place, t.from.size(), MADV_NOHUGEPAGE, Pages::whole);
  }
  for (Tensor& t : tensors_)
    if (!t.on_use) lay_out(t);
}

std::byte* LaidOut::buffer_of(int thread) const {
  return passing_.data() + passing_.size_bytes() / pool_.threads() * thread;
}

LaidOut::Tensor* LaidOut::waiting(const void* place) {
  if (waiting_ == 0) return nullptr;
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), place,
                                   [](const Tensor& t, const void* wanted) { return t.place < wanted; });
  return at == tensors_.end() || at->place != place || at->there ? nullptr : &*at;
}

void LaidOut::give_back() const {
  for (const Tensor& t : tensors_)
    if (t.file >= 0) give_back(t.from);
}
void LaidOut::give_back(std::span<const std::byte> mapped) {
  advise(mapped.data(), mapped.size(), MADV_DONTNEED, Pages::all);
}

/// It comes to its place now, or is there.
void LaidOut::settle(const Tensor& t) {
  if (t.looked_up && t.on_use) advise(t.place, t.from.size(), MADV_HUGEPAGE, Pages::whole);
}
void LaidOut::arrive(Tensor& t) {
  if (t.file >= 0) give_back(t.from);
  if (!std::exchange(t.there, true)) --waiting_;
}

void LaidOut::lay_out(Tensor& t) {
  settle(t);
  const std::uint64_t panels = t.panel_bytes == 0 ? 0 : t.from.size() / t.panel_bytes;
  const auto threads = static_cast<std::uint64_t>(pool_.threads());
  pool_.run(pool_.threads(), [&](int thread) {
    const auto number = static_cast<std::uint64_t>(thread);
    for (std::uint64_t panel = panels * number / threads; panel < panels * (number + 1) / threads; ++panel)
      stay(t, panel * t.panel_bytes, (panel + 1) * t.panel_bytes, buffer_of(thread));
  });
  arrive(t);
}

void LaidOut::run(std::int64_t parts, std::span<const PanelParts> weights, std::int64_t groups, const void* function,
                  Call call) {
  Panels panels = {};
  Coming coming[Panels::kMost] = {};
  bool all_there = true;
  for (std::size_t w = 0; w < weights.size(); ++w) {
    panels.of[w] = static_cast<const std::byte*>(weights[w].place);
    Tensor* const t = waiting(weights[w].place);
    if (!t) continue;
    if (parts != groups) {  // several read the same
      lay_out(*t);
      continue;
    }
    if (t->passed) settle(*t);
    coming[w] = {t, t->passed, weights[w]};
    all_there = false;
  }
  if (all_there) return pool_.run(groups, [&](int group) { call(function, panels, group); });
  pool_.run(pool_.threads(), [&](int thread) {
    run_share(thread, {coming, weights.size()}, panels, groups, function, call);
  });
  for (const Coming& c : coming) {
    if (c.stays) arrive(*c.tensor);
    if (c.tensor) c.tensor->passed = true;
  }
}

void LaidOut::run_share(int thread, std::span<const Coming> coming, Panels panels, std::int64_t groups,
                        const void* function, Call call) const {
  const std::int64_t threads = pool_.threads();
  std::byte* const buffer = buffer_of(thread);
  for (std::int64_t group = groups * thread / threads; group < groups * (thread + 1) / threads; ++group) {
    std::byte* free = buffer;
    for (std::size_t w = 0; w < coming.size(); ++w) {
      const auto [tensor, stays, parts] = coming[w];
      const std::int64_t part = group - parts.first;
      if (!tensor || part < 0 || part >= parts.count) continue;
      const std::uint64_t part_bytes = tensor->panel_bytes * static_cast<std::uint64_t>(parts.rows) / opnf::kPanelRows;
      const std::uint64_t from = static_cast<std::uint64_t>(part) * part_bytes,
                          to = std::min(from + part_bytes, tensor->from.size());
      if (stays) {
        stay(*tensor, from, to, free);
        continue;
      }
      turn(*tensor, tensor->from.data() + from, to - from, free);
      // Where the whole would start: kernels count from there, and touch what is here alone.
      panels.of[w] = reinterpret_cast<const std::byte*>(reinterpret_cast<std::uintptr_t>(free) - from);
      free += in_lines(to - from);
    }
    call(function, panels, static_cast<int>(group));
  }
}

void LaidOut::turn(const Tensor& t, const std::byte* from, std::uint64_t size_bytes, std::byte* place) const {
  const std::uint64_t blocks = t.panel_bytes / (opnf::kPanelRows * t.dtype->block_bytes);
  for (const std::byte* const end = from + size_bytes; from < end; from += t.panel_bytes, place += t.panel_bytes)
    if (t.to_panels)
      opnf::to_panel16(*t.dtype, blocks, from, place);
    else
      opnf::from_panel16(*t.dtype, blocks, from, 0, opnf::kPanelRows, place);
}

/// By way of `copy`, which has room for all of it: each thread would have a large page of the file mapped beside what
/// it makes. What may come from the disk is mapped, for it is read in such pages, and given back with each that is
/// done.
void LaidOut::stay(const Tensor& t, std::uint64_t from, std::uint64_t to, std::byte* copy) const {
  const std::byte* const mapped = t.from.data() + from;
  const std::uint64_t size = to - from;
  if (t.file >= 0 && file_.done() && read(t.file, t.offset + from, {copy, size}))
    return turn(t, copy, size, t.place + from);
  turn(t, mapped, size, t.place + from);
  const auto large = [](const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at) / kLargePage * kLargePage; };
  // What lies before the file in the same large page is somebody else's.
  const std::uintptr_t first = std::max(large(mapped), reinterpret_cast<std::uintptr_t>(t.from.data())),
                       last = large(mapped + size);
  if (t.file >= 0 && first < last) give_back({reinterpret_cast<const std::byte*>(first), last - first});
}

void LaidOut::look_up(const void* place, std::int64_t id) {
  const Tensor* const t = waiting(place);
  if (!t) return;
  const auto panels = static_cast<std::int64_t>(t->from.size() / t->panel_bytes);
  const auto panel = static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(id / static_cast<std::int64_t>(opnf::kPanelRows), 0, panels - 1));
  stay(*t, panel * t->panel_bytes, (panel + 1) * t->panel_bytes, buffer_of(0));
}

void LaidOut::forget(const void* place) {
  if (const Tensor* const t = waiting(place)) advise(t->place, t->from.size(), MADV_DONTNEED, Pages::whole);
}

}  // namespace MODEL_NAME
