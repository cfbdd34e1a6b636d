// SPDX-License-Identifier: Apache-2.0
// The folder that compiled kernels are kept in from run to run: where it is, who may write to it, and how large it
// grows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <system_error>

#include "lib/base/input_file.h"

namespace openinfer::run {

/// $XDG_CACHE_HOME/openinfer, ~/.cache/openinfer or, without a HOME that is there, openinfer-cache-UID in the folder for temporary
/// files; made if it is not there. What lies in it is run: one that is another user's, or that others may write to, is
/// refused. Errors, of everything here: io_error, with the path and the system's reason.
std::filesystem::path cache_folder();

/// $OPENINFER_CACHE_SIZE ("256MiB"), else 1 GiB. Errors: invalid_argument for what is no size.
std::int64_t cache_size_limit();

/// A file of the cache, the latest used from now on, which no process removes while it is open; nothing where there is
/// none.
InputFile use_kept(const std::filesystem::path& path);

/// Removes libraries, and pipelines of Vulkan programs, until they have no more than so many bytes: what was used
/// longest ago first, and nothing that is in use. In a folder that cache_folder() would refuse nothing is removed:
/// Vulkan programs run without one.
void shrink_cache(std::int64_t most_bytes);

/// Folders that processes which could not clean up left there: of the form that compiling makes, and a day old, which
/// is longer than a compiler takes. What stays of a compiler that has failed goes with them.
void remove_left_behind(const std::filesystem::path& folder);

[[noreturn]] void fail_io(const char* what, const std::filesystem::path& path, const std::error_code& why);
std::error_code last_error();

}  // namespace openinfer::run
