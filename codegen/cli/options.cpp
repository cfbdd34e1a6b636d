// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/options.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

std::string read_all(std::FILE* file, const std::string& name) {
  std::string text;
  std::array<char, 65536> buffer;
  while (const auto n = std::fread(buffer.data(), 1, buffer.size(), file)) text.append(buffer.data(), n);
  if (std::ferror(file)) fail(ErrorCode::io_error, "[read] {}: {}", name, std::strerror(errno));
  return text;
}

/// What a file that is no package is, by its first bytes; empty if unknown.
std::string_view foreign_kind(const std::string& path) {
  const File file(std::fopen(path.c_str(), "rb"));
  std::array<char, 10> start{};
  if (!file || std::fread(start.data(), 1, start.size(), file.get()) != start.size()) return {};
  const std::string_view head(start.data(), start.size());
  if (head.starts_with("GGUF")) return "GGUF";
  if (head.starts_with("PK\x03\x04")) return "zip (.npz or .pt)";
  if (head.substr(8) == "{\"") return "safetensors";
  return {};
}

std::optional<TokenId> parse_id(std::string_view text) {
  TokenId id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

std::vector<TokenId> parse_json_ids(std::string_view text) {
  auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_object() && json.contains("ids")) json = nlohmann::json(json["ids"]);
  std::vector<TokenId> ids;
  if (!json.is_array()) fail(ErrorCode::invalid_argument, "[ids] expected [1, 2, 3] or {{\"ids\": [1, 2, 3]}}");
  for (const auto& item : json) {
    const auto id = item.is_number_integer() ? parse_id(item.dump()) : std::nullopt;
    if (!id) fail(ErrorCode::invalid_argument, "[ids] {} is not a token id", item.dump());
    ids.push_back(*id);
  }
  return ids;
}

bool separates(char c) { return c == ',' || std::isspace(static_cast<unsigned char>(c)); }

}  // namespace

Model open_model(const std::string& path) try { return ModelLoader::open(path); } catch (const Error& error) {
  const auto kind = foreign_kind(path);
  if (kind.empty()) throw;
  fail(error.code(), "[package] {} is a {} file, not a package: run scripts/convert.py {} -o MODEL.oinf", path, kind,
       path);
}

Tokenizer open_tokenizer(const Model& model, std::string_view command) {
  if (!model.has_tokenizer())
    fail(ErrorCode::not_found, "[{}] {} has no tokenizer: use token ids (run --prompt-ids … --ids)", command,
         model.path());
  return Tokenizer(tokenizer_spec(model));
}

std::string read_text(const std::string& path) {
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) fail(ErrorCode::io_error, "[read] {}: {}", path, std::strerror(errno));
  return read_all(file.get(), path);
}

std::string read_stdin() { return read_all(stdin, "standard input"); }

std::vector<TokenId> parse_ids(std::string_view text) {
  while (!text.empty() && separates(text.back())) text.remove_suffix(1);
  while (!text.empty() && separates(text.front())) text.remove_prefix(1);
  if (text.starts_with('{') || text.starts_with('[')) return parse_json_ids(text);
  std::vector<TokenId> ids;
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && !separates(text[end])) ++end;
    const auto id = parse_id(text.substr(0, end));
    if (!id) fail(ErrorCode::invalid_argument, "[ids] '{}' is not a token id", text.substr(0, end));
    ids.push_back(*id);
    while (end < text.size() && separates(text[end])) ++end;
    text.remove_prefix(end);
  }
  return ids;
}

std::string join_ids(const std::vector<TokenId>& ids) { return fmt::format("{}", fmt::join(ids, ",")); }

std::pair<std::string, std::string> parse_assignment(std::string_view text, std::string_view flag) {
  const auto equals = text.find('=');
  if (equals == text.npos || equals == 0 || equals + 1 == text.size())
    fail(ErrorCode::invalid_argument, "[{}] expected NAME=VALUE, not '{}'", flag, text);
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

CLI::Validator whole_number(std::int64_t least) {
  return {[least](std::string& text) {
            std::int64_t value = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (error == std::errc() && end == text.data() + text.size() && value >= least) {
              text = std::to_string(value);  // a leading zero is no octal number
              return std::string();
            }
            return fmt::format("'{}' is no whole number from {} to 2^63 - 1", text, least);
          },
          ""};
}

std::string size_text(std::uint64_t size_bytes) {
  if (size_bytes < 1024) return fmt::format("{} B", size_bytes);
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(size_bytes) / 1024;
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  return fmt::format("{:.1f} {}", size, kUnits[unit]);
}

}  // namespace openinfer::cli
