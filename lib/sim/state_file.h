// SPDX-License-Identifier: Apache-2.0
// A session's states as a file. Little endian; the header's 64 bytes, then what they count:
//
//    0  "OISTATE\n"                        32  u64  bytes behind the header
//    8  u32  version, 1;  u32  0           40  u64  XXH64 of those
//   16  u64  the package's fingerprint     48  u64  XXH64 of the header's first 48 bytes
//   24  u64  the graph's                   56  u64  0
//
// Behind it: u32 count of states; for each a name (u32 length, bytes), u32 count of tensors, for each of those u32
// dtype (the package format's code), u32 rank, i64 extents, the elements. Of a cache's capacity only the positions are
// there up to the last that holds anything. Last the caller's note (u64 length, bytes).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/sim/program.h"
#include "openinfer/sim.h"

namespace openinfer {

/// Whose states they are. Where the graph's lines stand makes no difference.
struct StateOwner {
  std::uint64_t package = 0;  // 0: none
  std::uint64_t graph = 0;
};
StateOwner state_owner(const std::optional<Model>& model, const GraphData& g);

/// Errors: io_error.
void write_state_file(const std::string& path, const StateOwner& owner, const GraphData& g,
                      const StateSnapshot& snapshot, std::string_view note);

struct StateFile {
  StateOwner owner;
  StateSnapshot states;  // caches cut to what they hold
  std::string note;
};
/// Errors: io_error; corrupt_package; unsupported for another version.
StateFile read_state_file(const std::string& path);

/// Errors: invalid_argument if `its` are another package's or graph's states than `ours`.
void check_owner(const std::string& path, const StateOwner& its, const StateOwner& ours);

/// The states as `own`, of the session that takes them, sizes its caches. Errors: invalid_argument if they hold more
/// positions than there is room for.
StateSnapshot fit_states(const std::string& path, const StateFile& file, const GraphData& g, const StateSnapshot& own);

}  // namespace openinfer
