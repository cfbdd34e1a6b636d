// SPDX-License-Identifier: Apache-2.0
// --save-state and --load-state: a session's states, and beside them what a later run needs to go on as if there had
// been no end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codegen/cli/row_model.h"
#include "openinfer/text.h"

namespace openinfer::cli {

struct SavedRun {
  std::vector<TokenId> source = {};        // of an encoder-decoder
  std::vector<TokenId> ids = {};           // prompts and answers so far
  std::size_t held = 0;                    // how many of them, from the first on, the caches hold
  std::vector<ChatMessage> messages = {};  // of a chat, the last answer included
  std::uint64_t sampler = 0;               // Sampler::position
};

/// As the note of a state file, and back. Errors: corrupt_package for a note that `run` did not write for a prompt.
std::string to_note(const SavedRun& saved);
SavedRun from_note(const std::string& note, const std::string& path);

/// What --load-state names; nothing without it. Before a session, which the compiler may have to be waited for.
/// Errors: those of SimSession::state_note and from_note.
std::optional<SavedRun> saved_run(const std::string& path, const Model& model, const Graph& graph);

/// For --chat. Errors: invalid_argument if what was saved is no conversation.
void check_conversation(const std::optional<SavedRun>& saved, const std::string& path);

/// Takes the states up, before the first step; and writes them. Nothing happens without a path.
/// Errors: those of SimSession::load_state and save_state.
void take_up(RowModel& rows, const std::optional<SavedRun>& saved, const std::string& path);
void save(RowModel& rows, SavedRun now, const std::string& path);

}  // namespace openinfer::cli
