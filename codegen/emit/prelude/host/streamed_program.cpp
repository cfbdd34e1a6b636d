#include "streamed_program.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

namespace MODEL_NAME {
namespace {

constexpr std::int64_t kPlannedPage = 4096;  // plan.txt reckons with rows that are looked up in pages of this size

std::int64_t stored_row_bytes(const opnf::Tensor& tensor) {
  if (tensor.shape.empty()) return static_cast<std::int64_t>(tensor.nbytes);
  const std::uint64_t width =
      tensor.shape[tensor.shape.size() - (tensor.transposed && tensor.shape.size() > 1 ? 2 : 1)];
  const bool whole = width % tensor.dtype->block_size == 0;
  return static_cast<std::int64_t>(whole ? width / tensor.dtype->block_size * tensor.dtype->block_bytes
                                         : tensor.nbytes);
}

/// Where a part's rows start.
std::int64_t start_of_part(std::int64_t part, std::int64_t first, std::int64_t count, std::int64_t part_bytes,
                           std::int64_t size_bytes) {
  const std::int64_t own = std::clamp<std::int64_t>(part - first, 0, count);
  return own == count ? size_bytes : std::min(own * part_bytes, size_bytes);
}

}  // namespace

StreamedProgram::StreamedProgram(const Description& description, const std::string& package, const Options& options)
    : CpuProgram(description, package, options) {
  if (::sysconf(_SC_PAGESIZE) > kPlannedPage)
    fail(Reason::unsupported, "this machine's pages of ", static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE)),
         " bytes are larger than the ", kPlannedPage, " that the memory budget was planned with");
  std::map<std::size_t, std::size_t> resident, windows;  // of sources, in memory_
  for (std::size_t f = 0; f < description.families.size(); ++f) {
    sources_of_.emplace_back();
    windows_of_.emplace_back();
    for (std::size_t m = 0; m < tensors[f].size(); ++m) {
      const std::size_t s = add(f, m);
      sources_of_[f].push_back(s);
      windows_of_[f].push_back(0);
      const Fetch fetch = description.families[f].fetch;
      if (fetch == Fetch::streamed) continue;
      const auto [place, added] = (fetch == Fetch::resident ? resident : windows).emplace(s, memory_.size());
      if (added) {
        memory_.emplace_back(sources_[s].size_bytes);
        const auto size = static_cast<std::size_t>(sources_[s].size_bytes);
        if (fetch == Fetch::resident)
          read(s, 0, {memory_.back().data(), size});
        else if (size > 0)  // a huge page for each row would be many times what is looked up
          ::madvise(memory_.back().data(), size, MADV_NOHUGEPAGE);
      }
      windows_of_[f][m] = place->second;
      tensors[f][m] = {memory_[place->second].data(), static_cast<std::size_t>(sources_[s].size_bytes)};
    }
  }
  std::vector<StreamedFile> files;
  for (std::size_t file = 0; file < reader().file_count(); ++file)
    files.push_back({reader().file_descriptor(file), reader().file_path(file)});
  std::vector<StreamedTensor> streamed;
  for (const Source& s : sources_) {
    const opnf::Tensor tensor = reader().tensor(s.row);
    const bool in_file = s.relaid.panels == 0 && tensor.pattern.empty();
    streamed.push_back({in_file ? static_cast<int>(tensor.shard) : -1, in_file ? tensor.offset : 0, tensor.nbytes});
  }
  stream_ = std::make_unique<WeightStream>(
      files, std::move(streamed),
      [this](std::uint32_t s, std::uint64_t first, std::span<std::byte> to) { read(s, first, to); },
      description.stream.buffer_bytes, description.stream.buffers);
}

/// One tensor by two names is one; in two layouts it is two.
std::size_t StreamedProgram::add(std::size_t family, std::size_t member) {
  const opnf::Tensor tensor = reader().tensor(rows[family][member]);
  const bool panels = description().families[family].panels;
  const auto [known, added] = numbers_.try_emplace({tensor.target, panels}, sources_.size());
  if (!added) return known->second;
  Source source = {.relaid = {},
                   .row = tensor.target,
                   .size_bytes = static_cast<std::int64_t>(tensor.nbytes),
                   .row_bytes = stored_row_bytes(tensor),
                   .panels = panels};
  if (const auto other = other_layout(family, member, tensor)) source.relaid = *other;
  sources_.push_back(source);
  return sources_.size() - 1;
}

void StreamedProgram::read(std::size_t source, std::uint64_t first, std::span<std::byte> to) const try {
  const Source& s = sources_[source];
  if (s.relaid.panels == 0) return reader().read_tensor(s.row, first, to);
  const auto panel = static_cast<std::uint64_t>(s.relaid.panel_bytes);
  lay_out(s.relaid, static_cast<std::int64_t>(first / panel), static_cast<std::int64_t>((first + to.size()) / panel),
          to.data());
} catch (const opnf::Error& error) {
  throw Error(error.what());
}

void StreamedProgram::read_entry(std::size_t family, std::int64_t member, std::int64_t entries, std::int64_t id) {
  const std::size_t s = source(family, member);
  const std::int64_t rows_together = sources_[s].panels ? static_cast<std::int64_t>(opnf::kPanelRows) : 1;
  const std::int64_t size = sources_[s].size_bytes / entries * rows_together;
  const std::int64_t first = std::clamp<std::int64_t>(id, 0, entries - 1) / rows_together * size;
  std::byte* const table = memory_[windows_of_[family][static_cast<std::size_t>(member)]].data();
  read(s, static_cast<std::uint64_t>(first), {table + first, static_cast<std::size_t>(size)});
}

void StreamedProgram::forget(std::size_t family, std::int64_t member) {
  const Memory& table = memory_[windows_of_[family][static_cast<std::size_t>(member)]];
  if (table.data()) ::madvise(table.data(), static_cast<std::size_t>(table.size_bytes()), MADV_DONTNEED);
}

void StreamedProgram::announce(const Parts& parts) {
  tiles_.clear();
  for (std::int64_t from = 0; from < parts.all; from += parts.at_once) {
    const std::int64_t to = std::min(from + parts.at_once, parts.all);
    WeightStream::Tile& tile = tiles_.emplace_back();
    for (const Share& w : parts.weights) {
      const std::size_t s = source(w.family, w.member);
      const auto place = [&](std::int64_t part) {
        return static_cast<std::uint64_t>(
            start_of_part(part, w.first, w.count, w.rows * sources_[s].row_bytes, sources_[s].size_bytes));
      };
      tile.ranges[tile.count++] = {static_cast<std::uint32_t>(s), place(from), place(to) - place(from)};
    }
  }
  stream_->announce(tiles_);
}

StreamedProgram::Tile StreamedProgram::next(std::int64_t number) {
  Tile tile = {stream_->next()};
  const WeightStream::Tile& what = tiles_[static_cast<std::size_t>(number)];
  for (std::size_t r = 0; r < what.count; ++r) tile.places[r] = start_of(tile.places[r], what.ranges[r].first);
  return tile;
}

}  // namespace MODEL_NAME
