#include "weight_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace MODEL_NAME {
namespace {

constexpr std::uint64_t kPage = 4096;  // what direct reads are multiples of, in the file and in memory

std::uint64_t page_of(std::uint64_t offset) { return offset / kPage * kPage; }
std::uint64_t pages(std::uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

}  // namespace

WeightStream::WeightStream(const std::vector<StreamedFile>& files, std::vector<StreamedTensor> tensors, Read read,
                           std::int64_t buffer_bytes, int buffers)
    : tensors_(std::move(tensors)),
      read_(std::move(read)),
      buffer_bytes_(buffer_bytes),
      slots_(static_cast<std::size_t>(buffers)) {
  try {
    for (const StreamedFile& file : files) open(file);
    for (Slot& slot : slots_) {
      slot.memory.reset(
          static_cast<std::byte*>(std::aligned_alloc(kPage, pages(static_cast<std::uint64_t>(buffer_bytes)))));
      if (!slot.memory) fail(Reason::memory, "no memory for ", buffers, " buffers of ", buffer_bytes, " bytes");
    }
    start(buffers - 1);
  } catch (...) {
    stop();
    throw;
  }
}

WeightStream::~WeightStream() { stop(); }

void WeightStream::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  for (const File& file : files_)
    for (const int descriptor : {file.plain, file.direct})
      if (descriptor >= 0) ::close(descriptor);
}

/// By the descriptor alone: by now the path may name another file, whose bytes are no tensors of this index.
void WeightStream::open(const StreamedFile& from) {
  File& file = files_.emplace_back();
  file.path = from.path;
  file.plain = ::fcntl(from.descriptor, F_DUPFD_CLOEXEC, 0);
  if (file.plain < 0) fail(from.path, ": cannot keep open: ", std::strerror(errno));
#ifdef O_DIRECT
  const std::string itself = "/proc/self/fd/" + std::to_string(from.descriptor);
  file.direct = ::open(itself.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
#endif
}

void WeightStream::start(int threads) try {
  for (int t = 0; t < threads; ++t) threads_.emplace_back([this] { work(); });
} catch (const std::system_error& error) {
  fail(Reason::memory, "cannot start a thread that reads weights ahead: ", error.what());
}

bool WeightStream::direct() const {
  return std::any_of(files_.begin(), files_.end(), [](const File& file) { return file.direct >= 0; });
}

void WeightStream::begin_step() {
  const std::lock_guard lock(mutex_);
  if (position_ == 0) return;
  if (position_ < order_.size()) {  // the last step ended early: what was read for its rest is of no use
    drop_all();
    order_.resize(position_);
    ahead_ = 0;
  }
  complete_ = true;
  position_ = 0;
  if (ahead_ >= order_.size()) ahead_ = 0;
  wake_.notify_all();
}

void WeightStream::announce(std::span<const Tile> tiles) {
  const std::lock_guard lock(mutex_);
  const std::size_t known = std::min(order_.size() - position_, tiles.size());
  const bool same = std::equal(tiles.begin(), tiles.begin() + static_cast<std::ptrdiff_t>(known),
                               order_.begin() + static_cast<std::ptrdiff_t>(position_));
  if (same && known == tiles.size()) return;
  drop_all();
  order_.resize(position_);
  order_.insert(order_.end(), tiles.begin(), tiles.end());
  complete_ = false;
  ahead_ = position_;
  wake_.notify_all();
}

/// Nothing of what was read ahead will be asked for.
void WeightStream::drop_all() {
  for (Slot* slot : queue_) {
    if (slot->ready)
      slot->busy = false;
    else
      slot->dropped = true;  // whoever reads into it gives it back
  }
  queue_.clear();
}

const WeightStream::Places& WeightStream::next() {
  std::unique_lock lock(mutex_);
  if (used_) used_->busy = false;
  used_ = nullptr;
  wake_.notify_all();
  filled_.wait(lock, [&] { return !queue_.empty() && queue_.front()->ready; });
  Slot& slot = *queue_.front();
  queue_.pop_front();
  ++position_;
  used_ = &slot;
  if (slot.error) std::rethrow_exception(std::exchange(slot.error, {}));
  for (std::size_t r = 0; r < slot.tile.count; ++r) bytes_read_ += slot.tile.ranges[r].count;
  return slot.places;
}

bool WeightStream::more_to_read() const { return ahead_ < order_.size(); }

WeightStream::Slot* WeightStream::free_slot() {
  const auto slot = std::find_if(slots_.begin(), slots_.end(), [](const Slot& s) { return !s.busy; });
  return slot == slots_.end() ? nullptr : &*slot;
}

void WeightStream::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Slot* slot = nullptr;
    wake_.wait(lock, [&] { return stop_ || (more_to_read() && (slot = free_slot())); });
    if (stop_) return;
    slot->tile = order_[ahead_++];
    if (ahead_ == order_.size() && complete_) ahead_ = 0;
    slot->busy = true, slot->ready = slot->dropped = false, slot->error = {};
    queue_.push_back(slot);
    lock.unlock();
    try {
      fill(*slot);
    } catch (...) {
      slot->error = std::current_exception();
    }
    lock.lock();
    slot->ready = true;
    if (slot->dropped) slot->busy = false, wake_.notify_all();
    filled_.notify_all();
  }
}

void WeightStream::fill(Slot& slot) const {
  std::byte* at = slot.memory.get();
  for (std::size_t r = 0; r < slot.tile.count; ++r) {
    const Range& range = slot.tile.ranges[r];
    slot.places[r] = at;
    if (range.count == 0) continue;
    const StreamedTensor& tensor = tensors_[range.tensor];
    const bool from_file = tensor.file >= 0;
    const std::uint64_t first = tensor.offset + range.first, from = from_file ? page_of(first) : first;
    const std::uint64_t size = pages(first + range.count - from);
    if (at + size > slot.memory.get() + pages(static_cast<std::uint64_t>(buffer_bytes_)))
      fail("a tile is larger than the buffer of ", buffer_bytes_, " bytes that it was planned for");
    if (from_file)
      read_pages(files_[static_cast<std::size_t>(tensor.file)], from, {at, size}, first + range.count - from);
    else
      read_(range.tensor, range.first, {at, range.count});
    slot.places[r] = at + (first - from);
    at += size;
  }
}

/// Whole pages, of which `needed` bytes must be there; behind them the file may end.
void WeightStream::read_pages(const File& file, std::uint64_t first, std::span<std::byte> to,
                              std::uint64_t needed) const {
  std::uint64_t done = 0;
  bool direct = file.direct >= 0;
  while (done < needed) {
    const ssize_t got = ::pread(direct ? file.direct : file.plain, to.data() + done, to.size() - done,
                                static_cast<off_t>(first + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && direct && errno == EINVAL) {  // a file system that wants larger pieces
      direct = false;
      continue;
    }
    if (got < 0) fail(file.path, ": cannot read: ", std::strerror(errno));
    if (got == 0) fail(file.path, ": was cut while open: no bytes at ", first + done);
    done += static_cast<std::uint64_t>(got);
    direct = direct && done % kPage == 0;
  }
}

}  // namespace MODEL_NAME
