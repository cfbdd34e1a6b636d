// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/options.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "codegen/cli/cut_line.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/stdio_file.h"
#include "lib/base/fail.h"
#include "lib/base/input_file.h"
#include "lib/graph/lexer.h"
#include "lib/text/utf8.h"

namespace openinfer::cli {
namespace {

/// All of it, or its beginning with at least `most` bytes.
std::string read_all(std::FILE* file, const std::string& name, std::size_t most = std::string::npos) {
  std::string text;
  std::array<char, 65536> buffer;
  while (const auto n = text.size() < most ? std::fread(buffer.data(), 1, buffer.size(), file) : 0)
    text.append(buffer.data(), n);
  if (std::ferror(file)) fail(ErrorCode::io_error, "[read] {}: {}", name, std::strerror(errno));
  return text;
}

/// A device may have no end. Errors: io_error.
std::string read_bounded(std::FILE* file, const std::string& name) {
  constexpr std::size_t kMost = std::size_t{256} << 20;
  std::string text = read_all(file, name, kMost + 1);
  if (text.size() > kMost) fail(ErrorCode::io_error, "[read] {}: more than the 256 MiB that a text has at most", name);
  return text;
}

InputFile open_text(const std::string& path) {
  std::string why;
  InputFile file = open_input(path, why);
  if (!file) fail(ErrorCode::io_error, "[read] {}: {}", path, why);
  return file;
}

/// What a file that is no package is, by its first bytes; empty if unknown.
std::string_view foreign_kind(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return {};  // opening a pipe waits for its writer
  const StdioFile file(std::fopen(path.c_str(), "rb"));
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

constexpr std::string_view kIdsForm = R"(expected is 1,2,3 or {"ids": [1, 2, 3]})";

/// As messages quote it.
std::string_view shortened(std::string_view text) {
  constexpr std::size_t kMost = 60;
  if (text.size() <= kMost) return text;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // whole characters
  return text.substr(0, end);
}

std::vector<TokenId> parse_json_ids(std::string_view text) {
  int lists = 0;
  const auto count = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    lists += depth == 1 && event == nlohmann::json::parse_event_t::key && parsed == "ids";
    return true;
  };
  auto json = nlohmann::json::parse(text, count, false);
  if (lists > 1) fail(ErrorCode::invalid_argument, "[ids] \"ids\" is given {} times; {}", lists, kIdsForm);
  if (json.is_object() && json.contains("ids")) json = nlohmann::json(json["ids"]);
  std::vector<TokenId> ids;
  if (!json.is_array())
    fail(ErrorCode::invalid_argument, "[ids] '{}' is no list of token ids; {}", shortened(text), kIdsForm);
  for (const auto& item : json) {
    const auto id = item.is_number_integer() ? parse_id(item.dump()) : std::nullopt;
    if (!id)
      fail(ErrorCode::invalid_argument, "[ids] number {}, {}, is not a token id; {}", ids.size() + 1,
           shortened(item.dump()), kIdsForm);
    ids.push_back(*id);
  }
  return ids;
}

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)); }

/// What stands between commas, spaces around it cut off, or between spaces alone. Next to a comma without a neighbour
/// stands an empty word.
std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  const auto skip_spaces = [&] {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  };
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && text[end] != ',' && !is_space(text[end])) ++end;
    found.push_back(text.substr(0, end));
    text.remove_prefix(end);
    skip_spaces();
    if (!text.starts_with(',')) continue;
    text.remove_prefix(1);
    skip_spaces();
    if (text.empty()) found.push_back(text);
  }
  return found;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

/// A byte inside a special token's text is not lost.
bool drops_a_byte(const Tokenizer& tokenizer, std::string_view text) try {
  tokenizer.encode(text, {.missing_byte = EncodeOptions::MissingByte::refuse});
  return false;
} catch (const Error&) {
  return true;
}

}  // namespace

Model open_model(const std::string& path) try {
  name_open_package(path);
  return ModelLoader::open(path);
} catch (const Error& error) {
  const auto kind = foreign_kind(path);
  if (kind.empty()) throw;
  fail(error.code(), "[package] {} is a {} file, not a package: run `openinfer convert {} -o MODEL.oinf`", path, kind,
       path);
}

Tokenizer open_tokenizer(const Model& model, std::string_view command) {
  if (!model.has_tokenizer())
    fail(ErrorCode::not_found, "[{}] {} has no tokenizer: use token ids (run --prompt-ids … --ids)", command,
         model.path());
  return Tokenizer(tokenizer_spec(model));
}

void warn_of_missing_bytes(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> lost;
  for (const char byte : tokenizer.missing_bytes())
    if (text.find(byte) != text.npos) lost.push_back(fmt::format("0x{:02X}", static_cast<unsigned char>(byte)));
  if (!lost.empty() && drops_a_byte(tokenizer, text))
    return print_err("openinfer: warning: this vocabulary has no token for {} {}, which the text holds: left out\n",
                     lost.size() == 1 ? "the byte" : "the bytes", fmt::join(lost, " "));
  if (!text::is_utf8(text) && text::is_utf8(tokenizer.decode_bytes(tokenizer.encode(text))))
    print_err("openinfer: warning: the text is not UTF-8, which this tokenizer takes: other bytes are left out\n");
}

std::string read_text(const std::string& path) { return read_bounded(open_text(path).get(), path); }

std::string read_if(const std::string& path, std::string_view magic) {
  const InputFile file = open_text(path);
  std::string bytes = read_all(file.get(), path, magic.size());
  return bytes.starts_with(magic) ? bytes + read_all(file.get(), path) : std::string();
}

Graph read_graph(const std::string& path) {
  return parse_graph(without_mark(read_all(open_text(path).get(), path, kMaxGraphText + 1)), path);
}

std::string_view without_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

std::string read_stdin() { return read_bounded(stdin, "standard input"); }

std::vector<TokenId> parse_ids(std::string_view text) {
  text = trimmed(without_mark(text));
  if (text.starts_with('{') || text.starts_with('[')) return parse_json_ids(text);
  std::vector<TokenId> ids;
  for (const auto word : words(text)) {
    const auto id = parse_id(word);
    if (!id)
      fail(ErrorCode::invalid_argument, "[ids] number {}, '{}', is not a token id; {}", ids.size() + 1, shortened(word),
           kIdsForm);
    ids.push_back(*id);
  }
  return ids;
}

std::string join_ids(const std::vector<TokenId>& ids) { return fmt::format("{}", fmt::join(ids, ",")); }

std::pair<std::string, std::string> split_assignment(std::string_view text) {
  const auto equals = text.find('=');
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

bool same_file(const std::string& a, const std::string& b) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (a.empty() || b.empty()) return false;
  if (fs::exists(a, ignored) && !fs::is_regular_file(a, ignored)) return false;
  if (fs::equivalent(a, b, ignored)) return true;
  return fs::weakly_canonical(fs::absolute(a), ignored) == fs::weakly_canonical(fs::absolute(b), ignored);
}

bool is_shard(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  std::array<char, 8> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == std::string_view("OINS\r\n\x1a\n", 8);
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
