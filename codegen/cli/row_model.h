// SPDX-License-Identifier: Apache-2.0
// Drives any graph that takes rows: inputs tok, pos, slot i32[N] and rows i32[R], output logits f32[R, vocab]
// (pos and slot may be absent, as in a graph without a cache). One sequence in slot 0, prompts in chunks of N's bound.
// An encoder-decoder also has source i32[S], source_slot i32[], source_end i32[N] and a cache named cross_kv
// (openinfer/models/t5.h): the source text is given with the first rows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codegen/plan/row_contract.h"
#include "openinfer/sim.h"
#include "openinfer/text.h"

namespace openinfer::cli {

using plan::RowContract;

/// Errors: unsupported, with the graph's inputs and outputs and the way to run it all the same.
RowContract row_contract(const Graph& graph);
/// Errors: unsupported for an encoder-decoder, which goes on from no text; `what` cannot do with it.
void refuse_source(const RowContract& contract, std::string_view what);

/// Errors: invalid_argument for no ids, an id beyond the vocabulary, or more ids than the context holds.
void check_ids(std::span<const TokenId> ids, const RowContract& contract, std::int64_t context);

/// The same of the source of an encoder-decoder.
void check_source(std::span<const TokenId> ids, const RowContract& contract);

class RowModel {
 public:
  /// `context`: positions to hold. `open` makes the session; it is given `dims` and the sizes of the graph's caches.
  /// Under a memory budget prompts go in chunks that fit it. `source`: the text of an encoder-decoder, at least one id.
  /// Errors: invalid_argument if the context is beyond the graph's bound; those of `open`.
  using Dims = std::map<std::string, std::int64_t>;
  RowModel(const Graph& graph, std::int64_t context, Dims dims, const std::function<SimSession(Dims)>& open,
           std::vector<TokenId> source = {});

  const RowContract& contract() const { return contract_; }
  std::int64_t context() const { return context_; }
  /// What to do when it is full: --max-context, if that can give more.
  std::string context_remedy() const;
  SimSession& session() { return session_; }

  void check(std::span<const TokenId> ids) const { check_ids(ids, contract_, context_); }
  /// Makes the cache hold exactly `ids` and returns the logits behind the last one, (1, vocab). The longest prefix
  /// that it holds already is not computed again. Errors: those of check.
  Tensor feed(std::span<const TokenId> ids);
  /// The same from the first id on, and every row's logits in order, a chunk (rows, vocab) at a time.
  using Chunk = std::function<void(const Tensor& logits)>;
  Tensor feed_all(std::span<const TokenId> ids, const Chunk& chunk);
  /// Feeds `ids` behind what the cache holds; logits (max(1, n − first), vocab) of those from `first` on, or of the
  /// last. At most the rows of one step, and within the context.
  Tensor append(std::span<const TokenId> ids, std::size_t first);
  void forget() { keep(0); }

  /// Ids whose rows the cache holds.
  const std::vector<TokenId>& held() const { return held_; }
  /// What the session's states hold, when they were loaded from a file: `ids`, and of an encoder-decoder the source.
  void holds(std::vector<TokenId> ids) {
    held_ = std::move(ids);
    source_held_ = true;
  }
  /// Ids computed so far, those of the source too.
  std::int64_t rows_run() const { return rows_run_; }

 private:
  void keep(std::size_t count);
  void take_in(std::size_t rows);
  Tensor step(std::span<const TokenId> ids, std::size_t first);
  void add_source(Inputs& inputs, std::size_t n) const;

  RowContract contract_;
  std::int64_t context_;
  SimSession session_;
  std::vector<TokenId> held_, source_;
  bool source_held_ = false;  // its keys and values are in cross_kv
  std::int64_t rows_run_ = 0;
};

}  // namespace openinfer::cli
