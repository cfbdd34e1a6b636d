// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/saved_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kKind = "openinfer run";

SavedRun parsed(const Json& json) {
  SavedRun saved;
  saved.ids = json.at("ids").get<std::vector<TokenId>>();
  saved.held = json.at("held").get<std::size_t>();
  saved.sampler = json.at("sampler").get<std::uint64_t>();
  if (json.contains("source")) saved.source = json.at("source").get<std::vector<TokenId>>();
  for (const auto& message : json.at("messages"))
    saved.messages.push_back({message.at("role").get<std::string>(), message.at("content").get<std::string>(), {}});
  return saved;
}

}  // namespace

std::string to_note(const SavedRun& saved) {
  Json json = {{"kind", kKind}, {"ids", saved.ids}, {"held", saved.held}, {"sampler", saved.sampler}};
  if (!saved.source.empty()) json["source"] = saved.source;
  json["messages"] = Json::array();
  for (const auto& message : saved.messages)
    json["messages"].push_back({{"role", message.role}, {"content", message.content}});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

SavedRun from_note(const std::string& note, const std::string& path) try {
  const Json json = Json::parse(note);
  if (json.at("kind") != kKind) throw std::runtime_error("another kind");
  SavedRun saved = parsed(json);
  if (saved.ids.empty() || saved.held > saved.ids.size()) throw std::runtime_error("more is held than there is");
  return saved;
} catch (const std::exception&) {
  fail(ErrorCode::corrupt_package, "[run] {} holds states, but was not saved by a run with a prompt", path);
}

std::optional<SavedRun> saved_run(const std::string& path, const Model& model, const Graph& graph) {
  if (path.empty()) return std::nullopt;
  return from_note(SimSession::state_note(path, model, graph, Location{}), path);
}

void check_conversation(const std::optional<SavedRun>& saved, const std::string& path) {
  if (saved && saved->messages.empty())
    fail(ErrorCode::invalid_argument, "[run] {} was saved by a run without --chat: go on without it", path);
}

void take_up(RowModel& rows, const std::optional<SavedRun>& saved, const std::string& path) {
  if (!saved) return;
  rows.session().load_state(path, Location{});
  rows.holds({saved->ids.begin(), saved->ids.begin() + static_cast<std::ptrdiff_t>(saved->held)});
}

void save(RowModel& rows, SavedRun now, const std::string& path) {
  if (path.empty()) return;
  const auto& held = rows.held();
  const auto same = std::mismatch(held.begin(), held.end(), now.ids.begin(), now.ids.end()).first;
  now.held = static_cast<std::size_t>(same - held.begin());
  rows.session().save_state(path, to_note(now), Location{});
}

}  // namespace openinfer::cli
