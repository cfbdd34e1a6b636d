// The command line of the model as a command.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model.h"

namespace MODEL_NAME {

constexpr const char* kUsage =
    "usage: model PACKAGE --prompt-ids 1,2,3 ... [--generate N] [--ignore-eos] [--ids | --text] [--logits F.npy]\n"
    "             [--max-context N] [--stats F.json]        several prompts run side by side, an answer a line\n"
    "       model PACKAGE --input NAME=F.npy ... --output NAME=F.npy ... [--dim NAME=N]\n"
    "       model PACKAGE --bench [--prompt N] [--generate N] [--depth N] [--batch N] [--json]\n" MODEL_CHECK_USAGE
    "with each: MODEL_RUN_FLAGS\n"
    "Examples:\n"
    "  model smollm2.oinf --prompt-ids 504,3575,282 --generate 32 --text\n"
    "  model filter.oinf --input x=x.npy --output y=y.npy\n";

#if __has_include("check.h")  // of programs emitted with --check-data
constexpr bool kChecks = true;
#else
constexpr bool kChecks = false;
#endif
constexpr bool kOnCpu = std::string_view("MODEL_API") == "cpu";

struct WrongUsage : Error {
  using Error::Error;
};

struct Flags {
  std::string package, logits, stats;
  std::vector<std::vector<std::int32_t>> prompts;
  std::string gpu;
  std::int64_t memory_limit_bytes = INT64_MAX;
  bool ignore_eos = false, ids = false, text = false, bench = false, json = false;
  bool validate = false, timings = false, check = false;
  std::string check_data;  // empty: the project's own
  std::optional<std::int64_t> generate, max_context;
  std::int64_t bench_prompt = 128, depth = 0, batch = 1;
  int threads = 0;
  std::vector<std::pair<std::string, std::string>> inputs, outputs;
  std::map<std::string, std::int64_t> dims;
};

inline std::int64_t whole_number(std::string_view flag, std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    throw WrongUsage(std::string(flag) + ": '" + std::string(text) + "' is no whole number from " +
                     std::to_string(least) + " to " + std::to_string(most));
  return value;
}

/// "64MiB", "1.5GiB", "4096".
inline std::int64_t size_bytes(std::string_view flag, std::string_view text) {
  const std::string number(text);
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  const std::string_view unit(end);
  double scale = unit.empty() && value == std::floor(value) ? 1 : 0;
  for (const auto& [name, bytes] :
       {std::pair<std::string_view, double>{"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}})
    if (unit == name) scale = bytes;
  const bool is_number = !text.empty() && text[0] >= '0' && text[0] <= '9';
  if (!is_number || !(value * scale >= 1 && value * scale < 0x1p62))
    throw WrongUsage(std::string(flag) + ": '" + number + "' is no size such as 64MiB, 1.5GiB or 4096");
  return static_cast<std::int64_t>(value * scale);
}

inline std::vector<std::int32_t> parse_ids(std::string_view text) {
  std::vector<std::int32_t> ids;
  if (text.empty()) return ids;
  while (true) {
    const std::size_t comma = text.find(',');
    ids.push_back(static_cast<std::int32_t>(whole_number("--prompt-ids", text.substr(0, comma), 0, INT32_MAX)));
    if (comma == text.npos) return ids;
    text.remove_prefix(comma + 1);
  }
}

inline std::pair<std::string, std::string> assignment(std::string_view flag, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos || equals == 0 || equals + 1 == text.size())
    throw WrongUsage(std::string(flag) + ": '" + std::string(text) +
                     "' is not NAME=" + (flag == "--dim" ? "N" : "F.npy"));
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

/// A flag that takes a value.
inline void set(Flags& flags, std::string_view flag, std::string_view value) {
  constexpr std::int64_t kMost = INT32_MAX;
  if (flag == "--prompt-ids") flags.prompts.push_back(parse_ids(value));
  if (flag == "--generate") flags.generate = whole_number(flag, value, 0, kMost);
  if (flag == "--max-context") flags.max_context = whole_number(flag, value, 1, kMost);
  if (flag == "--prompt") flags.bench_prompt = whole_number(flag, value, 1, kMost);
  if (flag == "--batch") flags.batch = whole_number(flag, value, 1, kMost);
  if (flag == "--depth") flags.depth = whole_number(flag, value, 0, kMost);
  if (flag == "--threads") flags.threads = static_cast<int>(whole_number(flag, value, 0, 1024));
  if (flag == "--gpu") flags.gpu = value;
  if (flag == "--memory-limit") flags.memory_limit_bytes = size_bytes(flag, value);
  if (flag == "--check-data") flags.check_data = value;
  if (flag == "--logits") flags.logits = value;
  if (flag == "--stats") flags.stats = value;
  if (flag == "--input") flags.inputs.push_back(assignment(flag, value));
  if (flag == "--output") flags.outputs.push_back(assignment(flag, value));
  if (flag != "--dim") return;
  const auto [name, size] = assignment(flag, value);
  flags.dims[name] = whole_number(flag, size, 1, kMost);
}

constexpr std::string_view kWithValue[] = {
    "--prompt-ids", "--generate", "--max-context", "--prompt", "--depth", "--threads",    "--logits",      "--stats",
    "--input",      "--output",   "--dim",         "--gpu",    "--batch", "--check-data", "--memory-limit"};
constexpr std::string_view kFiles[] = {"--logits", "--stats"};
constexpr std::string_view kRepeats[] = {"--prompt-ids", "--input", "--output", "--dim"};

inline bool is_in(std::span<const std::string_view> words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// The words of the command line, "--flag=value" as two.
inline std::vector<std::string_view> split_words(int argc, char** argv) {
  std::vector<std::string_view> words;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::size_t equals = std::min(word.find('='), word.size());
    words.push_back(word);
    if (is_in(kWithValue, word) && i + 1 < argc) words.emplace_back(argv[++i]);  // a value, whatever it looks like
    if (equals == word.size() || !is_in(kWithValue, word.substr(0, equals))) continue;
    words.back() = word.substr(0, equals);
    words.push_back(word.substr(equals + 1));
  }
  return words;
}

inline void check_kind(std::string_view word) {
  if (word == "--threads" && !kOnCpu) throw WrongUsage("--threads: this program runs on a GPU");
  if ((word == "--gpu" || word == "--validate" || word == "--timings" || word == "--memory-limit") && kOnCpu)
    throw WrongUsage(std::string(word) + ": this program runs on a CPU");
  if (word.starts_with("--check") && !kChecks)
    throw WrongUsage(std::string(word) + ": this program was emitted without check data; emit it with --check-data");
}

/// What the program shall do; there is one such flag.
inline std::string_view way_of(const Flags& flags) {
  const bool tensors = !flags.inputs.empty() || !flags.outputs.empty();
  const int given_ways = int(tensors) + int(!flags.prompts.empty()) + int(flags.bench) + int(flags.check);
  if (given_ways != 1)
    throw WrongUsage(std::string(given_ways == 0 ? "" : "these exclude each other: ") +
                     "give one of --prompt-ids, --input and --output, " +
                     (kChecks ? "--bench, or --check" : "or --bench"));
  if (tensors) return "--output";
  if (flags.bench) return "--bench";
  return flags.check ? "--check" : "--prompt-ids";
}

/// A flag, and the ways in which it changes something.
constexpr std::pair<std::string_view, std::string_view> kNeeds[] = {
    {"--ids", "--prompt-ids"},
    {"--text", "--prompt-ids"},
    {"--ignore-eos", "--prompt-ids"},
    {"--generate", "--prompt-ids or --bench"},
    {"--prompt", "--bench"},
    {"--depth", "--bench"},
    {"--batch", "--bench"},
    {"--json", "--bench"},
    {"--max-context", "--prompt-ids, --output or --bench"},
    {"--dim", "--prompt-ids, --output or --bench"},
    {"--timings", "--prompt-ids, --output or --bench"},
    {"--check-data", "--check"}};

inline void check_together(const Flags& flags, std::span<const std::string_view> given) {
  if (flags.package.empty()) throw WrongUsage("give a package; --help shows how");
  const std::string_view way = way_of(flags);
  for (const auto* named : {&flags.inputs, &flags.outputs})
    for (auto one = named->begin(); one != named->end(); ++one)
      if (std::any_of(named->begin(), one, [&](const auto& other) { return other.first == one->first; }))
        throw WrongUsage("'" + one->first + "' is given twice");
  if (way == "--output" && flags.outputs.empty()) throw WrongUsage("--input needs --output NAME=F.npy");
  for (const auto& prompt : flags.prompts)
    if (prompt.empty()) throw WrongUsage("--prompt-ids: the prompt has no tokens");
  if (flags.prompts.size() != 1 && !flags.logits.empty()) throw WrongUsage("--logits is of one prompt");
  for (const auto& [flag, ways] : kNeeds)
    if (is_in(given, flag) && ways.find(way) == ways.npos)
      throw WrongUsage(std::string(flag) + " needs " + std::string(ways));
  if (flags.ids && flags.text) throw WrongUsage("--ids and --text exclude each other");
  if (flags.bench && flags.generate == 0)
    throw WrongUsage("--generate: --bench measures decoding too: at least 1 token");
}

/// Flags that take no value.
constexpr std::pair<std::string_view, bool Flags::*> kSwitches[] = {
    {"--ignore-eos", &Flags::ignore_eos}, {"--ids", &Flags::ids},        {"--text", &Flags::text},
    {"--bench", &Flags::bench},           {"--json", &Flags::json},      {"--check", &Flags::check},
    {"--validate", &Flags::validate},     {"--timings", &Flags::timings}};

inline Flags parse(int argc, char** argv) {
  const auto words = split_words(argc, argv);
  Flags flags;
  std::vector<std::string_view> given;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    check_kind(word);
    const auto* const known = std::find_if(std::begin(kSwitches), std::end(kSwitches),
                                           [&](const auto& named) { return named.first == word; });
    if (is_in(kWithValue, word)) {
      const bool has_value =
          i + 1 < words.size() && (!words[i + 1].empty() || word == "--prompt-ids");  // which says more
      if (!has_value) throw WrongUsage(std::string(word) + " needs a value");
      if (!is_in(kRepeats, word) && is_in(given, word)) throw WrongUsage(std::string(word) + " may be given once");
      if (words[i + 1] == "-" && is_in(kFiles, word))
        throw WrongUsage(std::string(word) + " -: standard output is called /dev/stdout, and a file of that name ./-");
      set(flags, word, words[++i]);
    } else if (known != std::end(kSwitches)) {
      flags.*known->second = true;
    } else if (word.starts_with("-")) {
      throw WrongUsage("there is no flag " + std::string(word));
    } else if (flags.package.empty()) {
      flags.package = word;
    } else {
      throw WrongUsage("'" + std::string(word) + "' is one argument too many");
    }
    given.push_back(word);
  }
  check_together(flags, given);
  return flags;
}

}  // namespace MODEL_NAME
