// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/row_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "codegen/cli/encoder_model.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

[[noreturn]] void refuse(const Graph& graph) {
  fail(ErrorCode::unsupported,
       "[run] text and token ids need a graph (tok, pos, slot: i32[N], rows: i32[R]) -> (logits: f32[R, vocab]); this "
       "one is {}: run it with --input NAME=F.npy --output NAME=F.npy",
       signature(graph));
}

std::map<std::string, std::int64_t> session_dims(const RowContract& contract, std::int64_t context, std::int64_t source,
                                                 std::map<std::string, std::int64_t> dims) {
  if (!contract.context_symbol.empty()) dims.emplace(contract.context_symbol, context);
  if (!contract.slots_symbol.empty()) dims.emplace(contract.slots_symbol, 1);
  if (!contract.source_capacity_symbol.empty()) dims.emplace(contract.source_capacity_symbol, source);
  return dims;
}

/// What to do where the context is too small.
std::string remedy_of(const RowContract& contract, std::int64_t context) {
  return context < contract.max_context ? fmt::format("--max-context gives up to {}", contract.max_context)
                                        : "that is the most that this graph holds";
}

void check_vocabulary(std::span<const TokenId> ids, const RowContract& contract) {
  if (ids.empty()) fail(ErrorCode::invalid_argument, "[run] the prompt has no tokens");
  for (const auto id : ids)
    if (id < 0 || id >= contract.vocab_size)
      fail(ErrorCode::invalid_argument, "[run] token id {} is outside the vocabulary of {}", id, contract.vocab_size);
}

}  // namespace

RowContract row_contract(const Graph& graph) {
  const auto contract = plan::row_contract(graph);
  if (!contract) refuse(graph);
  return *contract;
}

void refuse_source(const RowContract& contract, std::string_view what) {
  if (contract.has_source)
    fail(ErrorCode::unsupported,
         "[{}] this model is an encoder-decoder, which answers a text and does not go on from it: use `openinfer run` "
         "with a "
         "PROMPT or --prompt-ids",
         what);
}

void check_source(std::span<const TokenId> ids, const RowContract& contract) {
  check_vocabulary(ids, contract);
  if (static_cast<std::int64_t>(ids.size()) > contract.max_source)
    fail(ErrorCode::invalid_argument, "[run] {} tokens do not fit: the encoder of this graph takes at most {}",
         ids.size(), contract.max_source);
}

void check_ids(std::span<const TokenId> ids, const RowContract& contract, std::int64_t context) {
  check_vocabulary(ids, contract);
  if (static_cast<std::int64_t>(ids.size()) > context)
    fail(ErrorCode::invalid_argument, "[run] {} tokens do not fit into a context of {}; {}", ids.size(), context,
         remedy_of(contract, context));
}

RowModel::RowModel(const Graph& graph, std::int64_t context, Dims dims, const std::function<SimSession(Dims)>& open,
                   std::vector<TokenId> source)
    : contract_(row_contract(graph)),
      context_(context),
      session_(open(session_dims(contract_, context, static_cast<std::int64_t>(source.size()), std::move(dims)))),
      source_(std::move(source)) {
  const auto limits = session_.limits();
  const auto at_most = [&](std::int64_t& rows, const std::string& symbol) {
    if (const auto limit = limits.find(symbol); limit != limits.end()) rows = std::min(rows, limit->second);
  };
  at_most(contract_.max_rows, contract_.rows_symbol);
  at_most(contract_.max_logit_rows, contract_.logit_rows_symbol);
}

Tensor RowModel::feed(std::span<const TokenId> ids) {
  check(ids);
  const auto same = std::mismatch(held_.begin(), held_.end(), ids.begin(), ids.end()).first - held_.begin();
  keep(std::min(static_cast<std::size_t>(same), ids.size() - 1));
  Tensor logits;
  take_in(ids.size() - held_.size());
  while (held_.size() < ids.size()) {
    const auto left = ids.subspan(held_.size());
    logits = step(left.first(std::min(left.size(), static_cast<std::size_t>(contract_.max_rows))), left.size());
  }
  return logits;
}

Tensor RowModel::feed_all(std::span<const TokenId> ids, const Chunk& chunk) {
  check(ids);
  keep(0);
  const auto most = static_cast<std::size_t>(std::min(contract_.max_rows, contract_.max_logit_rows));
  take_in(ids.size());
  Tensor logits;
  while (held_.size() < ids.size()) {
    const auto left = ids.subspan(held_.size());
    logits = step(left.first(std::min(left.size(), most)), 0);
    chunk(logits);
  }
  const auto all = logits.data<float>();
  const auto last = all.last(static_cast<std::size_t>(contract_.vocab_size));
  return Tensor(std::vector<float>(last.begin(), last.end()), {1, contract_.vocab_size});
}

std::string RowModel::context_remedy() const { return remedy_of(contract_, context_); }

void RowModel::keep(std::size_t count) {
  if (count < held_.size() && !contract_.caches_only) {
    session_.reset();
    count = 0;
  }
  held_.resize(std::min(held_.size(), count));  // later positions are hidden by the causal mask and written again
}

/// The source of slot 0 in its first step, and nothing from then on, for `n` rows.
void RowModel::add_source(Inputs& inputs, std::size_t n) const {
  const auto given = source_held_ ? std::vector<TokenId>() : source_;
  inputs.emplace_back("source", Tensor(given, {static_cast<std::int64_t>(given.size())}));
  inputs.emplace_back("source_slot", Tensor::scalar(std::int32_t{0}));
  inputs.emplace_back("source_end", std::vector<std::int32_t>(n, static_cast<std::int32_t>(source_.size()) - 1));
}

Tensor RowModel::append(std::span<const TokenId> ids, std::size_t first) {
  take_in(ids.size());
  return step(ids, first);
}

/// How few rows a piece of a prompt has shall not show in its bits.
void RowModel::take_in(std::size_t rows) { session_.prefer(rows > 1 ? "prefill" : ""); }

/// Logits of the rows from `first` on, at least of the last one.
Tensor RowModel::step(std::span<const TokenId> ids, std::size_t first) {
  const auto n = ids.size();
  first = std::min(first, n - 1);
  std::vector<std::int32_t> pos(n), rows(n - first);
  std::iota(pos.begin(), pos.end(), static_cast<std::int32_t>(held_.size()));
  std::iota(rows.begin(), rows.end(), static_cast<std::int32_t>(first));
  Inputs inputs = {{"tok", std::vector<std::int32_t>(ids.begin(), ids.end())}, {"rows", rows}};
  if (contract_.has_pos) inputs.emplace_back("pos", pos);
  if (contract_.has_slot) inputs.emplace_back("slot", std::vector<std::int32_t>(n, 0));
  if (contract_.has_source) add_source(inputs, n);
  Tensor logits = session_.run_step(inputs, {"logits"}, Location{})["logits"];
  held_.insert(held_.end(), ids.begin(), ids.end());
  rows_run_ += static_cast<std::int64_t>(n + (source_held_ ? 0 : source_.size()));
  source_held_ = true;
  return logits;
}

}  // namespace openinfer::cli
