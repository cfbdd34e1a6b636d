// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/row_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "codegen/cli/encoder_model.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"

namespace openinfer::cli {
namespace {

const TensorType* find(const std::vector<std::pair<std::string, TensorType>>& types, std::string_view name) {
  for (const auto& [key, type] : types)
    if (key == name) return &type;
  return nullptr;
}

/// The symbol, if the dimension is one symbol alone.
std::string symbol(const Dim& dim) {
  const auto& terms = dim.terms();
  return terms.size() == 1 && terms[0].factor == 1 && dim.constant() == 0 ? terms[0].symbol : "";
}

std::int64_t bound(const GraphData& graph, const Dim& dim) {
  if (dim.is_constant()) return dim.constant();
  for (const auto& decl : graph.dims)
    if (decl.name == symbol(dim)) return decl.max;
  return 0;
}

[[noreturn]] void refuse(const Graph& graph) {
  fail(ErrorCode::unsupported,
       "[run] text and token ids need a graph (tok, pos, slot: i32[N], rows: i32[R]) -> (logits: f32[R, vocab]); this "
       "one is {}: run it with --input NAME=F.npy --output NAME=F.npy",
       signature(graph));
}

std::map<std::string, std::int64_t> session_dims(const RowContract& contract, std::int64_t context,
                                                 std::map<std::string, std::int64_t> dims) {
  if (!contract.context_symbol.empty()) dims.emplace(contract.context_symbol, context);
  if (!contract.slots_symbol.empty()) dims.emplace(contract.slots_symbol, 1);
  return dims;
}

/// What to do where the context is too small.
std::string remedy_of(const RowContract& contract, std::int64_t context) {
  return context < contract.max_context ? fmt::format("--max-context gives up to {}", contract.max_context)
                                        : "that is the most that this graph holds";
}

}  // namespace

void read_states(const Graph& graph, RowContract& contract) {
  const auto& data = graph.data();
  contract.max_context = std::numeric_limits<std::int32_t>::max();
  for (const auto& state : data.states) {
    const auto& spec = state.spec;
    if (spec.kind != StateSpec::Kind::kv_cache) {
      contract.caches_only = false;
      continue;
    }
    contract.max_context = std::min(contract.max_context, bound(data, spec.shape[3]));
    if (contract.context_symbol.empty()) contract.context_symbol = symbol(spec.shape[3]);
    if (contract.slots_symbol.empty()) contract.slots_symbol = symbol(spec.shape[1]);
  }
}

RowContract row_contract(const Graph& graph) {
  const auto inputs = graph.inputs(), outputs = graph.outputs();
  const auto *tok = find(inputs, "tok"), *rows = find(inputs, "rows"), *logits = find(outputs, "logits");
  if (!tok || !rows || !logits || logits->dtype != f32 || logits->shape.size() != 2) refuse(graph);
  for (const auto& [name, type] : inputs) {
    const bool known = name == "tok" || name == "pos" || name == "slot" || name == "rows";
    if (!known || type.dtype != i32 || type.shape.size() != 1) refuse(graph);
    if (name != "rows" && type.shape != tok->shape) refuse(graph);
  }
  const auto& vocab = logits->shape[1];
  if (!vocab.is_constant() || symbol(tok->shape[0]).empty() || symbol(rows->shape[0]).empty()) refuse(graph);
  const auto& data = graph.data();
  RowContract contract;
  contract.max_rows = bound(data, tok->shape[0]);
  contract.max_logit_rows = bound(data, rows->shape[0]);
  contract.rows_symbol = symbol(tok->shape[0]);
  contract.logit_rows_symbol = symbol(rows->shape[0]);
  contract.vocab_size = vocab.constant();
  contract.has_pos = find(inputs, "pos") != nullptr;
  contract.has_slot = find(inputs, "slot") != nullptr;
  read_states(graph, contract);
  return contract;
}

void check_ids(std::span<const TokenId> ids, const RowContract& contract, std::int64_t context) {
  if (ids.empty()) fail(ErrorCode::invalid_argument, "[run] the prompt has no tokens");
  for (const auto id : ids)
    if (id < 0 || id >= contract.vocab_size)
      fail(ErrorCode::invalid_argument, "[run] token id {} is beyond the vocabulary of {}", id, contract.vocab_size);
  if (static_cast<std::int64_t>(ids.size()) > context)
    fail(ErrorCode::invalid_argument, "[run] {} tokens do not fit into a context of {}; {}", ids.size(), context,
         remedy_of(contract, context));
}

RowModel::RowModel(const Graph& graph, std::int64_t context, Dims dims, const std::function<SimSession(Dims)>& open)
    : contract_(row_contract(graph)),
      context_(context),
      session_(open(session_dims(contract_, context, std::move(dims)))) {
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
  Tensor logits = session_.run_step(inputs, {"logits"}, Location{})["logits"];
  held_.insert(held_.end(), ids.begin(), ids.end());
  rows_run_ += static_cast<std::int64_t>(n);
  return logits;
}

}  // namespace openinfer::cli
