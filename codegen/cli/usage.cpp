// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/usage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "codegen/cli/options.h"
#include "lib/base/byte_size.h"
#include "lib/base/nearest.h"

namespace openinfer::cli {
namespace {

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::vector<std::string_view> command_names(const CLI::App& app) {
  std::vector<std::string_view> names;
  for (const auto* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

/// What was given beyond what `app` knows: the first flag among it, or else all of it in order.
std::string unexpected(const CLI::App& app, std::vector<std::string> extra) {
  const auto end = std::find(extra.begin(), extra.end(), "--");  // behind it nothing is a flag
  const auto flag =
      std::find_if(extra.begin(), end, [](const auto& text) { return text.size() > 1 && text[0] == '-'; });
  if (flag == end) {
    if (end != extra.end()) extra.erase(end);
    return fmt::format("'{}' {} too many; a text with spaces needs quotes", fmt::join(extra, "' '"),
                       extra.size() == 1 ? "is one argument" : "are arguments");
  }
  const auto options = app.get_options();
  std::vector<std::string> flags;
  for (const auto* option : options)
    for (const auto& name : option->get_lnames()) flags.push_back("--" + name);
  const std::vector<std::string_view> known(flags.begin(), flags.end());
  std::string near = did_you_mean(*flag, known);
  if (near.empty() && !flag->starts_with("--")) near = fmt::format("; a file of that name is ./{}", *flag);
  return fmt::format("there is no flag {}{}", *flag, near);
}

/// `what` is "--flag: 1 required FLOAT missing" or "--flag: At Most 1 required but received 2".
std::string mismatch(std::string_view what) {
  const auto flag = what.substr(0, what.find(':'));
  constexpr std::string_view kMost = "At Most ";
  if (what.find("At Most 1 ") != what.npos) return fmt::format("{} may be given once", flag);
  if (const auto most = what.find(kMost); most != what.npos)
    return fmt::format("{} takes {} values, not more", flag, what.substr(most + kMost.size(), 1));
  const auto number = what.substr(std::min(what.find(": ") + 2, what.size()));
  return fmt::format("{} needs {}", flag, number.starts_with("1 ") ? "a value" : "all of its values");
}

/// Flags that an empty value may be given to, or that say themselves why not.
constexpr std::array<const char*, 4> kJudged = {"name", "prompt-ids", "stop", "system"};

/// Flags that name a file, or folder, to write.
constexpr std::array<const char*, 6> kFiles = {"html", "logits", "output", "save-state", "stats", "trace"};

/// A flag that the command does not have, before its value is taken for something else; and a value that is empty,
/// before CLI11 takes the word behind "--flag=" for it: no file or number is.
void check_flags(const CLI::App& command, int argc, const char* const* argv) {
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") return;
    if (word.size() < 2 || word[0] != '-' || (word[1] >= '0' && word[1] <= '9')) continue;  // "-" and numbers are none
    const bool is_long = word[1] == '-';
    const std::string flag(is_long ? word.substr(0, word.find('=')) : word.substr(0, 2));
    const CLI::Option* option = command.get_option_no_throw(flag);
    if (!option)
      throw UsageError(fmt::format("{}: {}", command.get_name(),
                                   unexpected(command, {is_long && flag != "--" ? flag : std::string(word)})));
    const bool in_one_word = flag != word;
    if (option->get_expected_max() == 0 && in_one_word && is_long)
      throw UsageError(
          fmt::format("{}: {} takes no value: leave out {}", command.get_name(), flag, word.substr(flag.size())));
    if (option->get_expected_min() == 0) continue;
    const auto is_this = [&](const char* name) { return option->check_lname(name); };
    if (!in_one_word && ++i == argc) return;
    const bool is_glued = in_one_word && !is_long;  // -n5
    const std::string_view value = in_one_word ? word.substr(flag.size() + (is_long ? 1 : 0)) : argv[i];
    if (std::any_of(kFiles.begin(), kFiles.end(), is_this))
      for (const std::string& path : {std::string(value), split_assignment(value).second})
        if (is_shard(path))
          throw UsageError(fmt::format("{}: {} {} would replace a shard of a package", command.get_name(), flag, path));
    if (is_glued) continue;
    if (value.empty() && (in_one_word || !std::any_of(kJudged.begin(), kJudged.end(), is_this)))
      throw UsageError(fmt::format("{}: {} needs a value, and the one given is empty", command.get_name(), flag));
    if (value == "-" && std::any_of(kFiles.begin(), kFiles.end(), is_this))
      throw UsageError(fmt::format("{}: {} -: standard output is called /dev/stdout, and a file of that name ./-",
                                   command.get_name(), flag));
  }
}

}  // namespace

void check_command(const CLI::App& app, int argc, const char* const* argv) {
  const auto names = command_names(app);
  if (argc < 2) throw UsageError(fmt::format("give a command: {}", fmt::join(names, ", ")));
  const std::string_view word = argv[1];
  if (std::find(names.begin(), names.end(), word) != names.end())
    return check_flags(*app.get_subcommand(std::string(word)), argc, argv);
  for (const auto* option : app.get_options())
    if (option->check_name(std::string(word))) return;
  if (word.starts_with('-')) throw UsageError(fmt::format("there is no flag {} before a command", word));
  const auto near = did_you_mean(word, names);
  throw UsageError(fmt::format("'{}' is no command{}; --help says what each does", word,
                               near.empty() ? fmt::format("; there are {}", fmt::join(names, ", ")) : near));
}

void check_arguments(const CLI::App& app) {
  constexpr std::array<std::string_view, 3> kTexts = {"PROMPT", "TEXT", "IDS"};  // ids say themselves why not
  for (const auto* command : app.get_subcommands())
    for (const auto* option : command->get_options()) {
      const std::string name = option->get_positional() ? option->get_name(true) : "";
      if (name.empty() || std::find(kTexts.begin(), kTexts.end(), name) != kTexts.end()) continue;
      for (const auto& value : option->results())
        if (value.empty())
          throw UsageError(fmt::format("{}: {} needs a value, and the one given is empty", command->get_name(), name));
    }
}

std::string usage_line(const CLI::App& app, const CLI::ParseError& error) {
  const auto commands = app.get_subcommands();
  const CLI::App& command = commands.empty() ? app : *commands.front();
  std::string what = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error))
    what = unexpected(command, command.remaining().empty() ? app.remaining() : command.remaining());
  else if (dynamic_cast<const CLI::ArgumentMismatch*>(&error))
    what = mismatch(what);
  return commands.empty() ? what : fmt::format("{}: {}", command.get_name(), what);
}

CLI::Validator whole_number(std::int64_t least, std::int64_t most) {
  return {[least, most](std::string& text) {
            const auto value = number<std::int64_t>(text);
            if (value && *value >= least && *value <= most) {
              text = std::to_string(*value);  // a leading zero is no octal number
              return std::string();
            }
            return fmt::format("'{}' is no whole number from {} to {}", text, least,
                               most == INT64_MAX ? "2^63 - 1" : std::to_string(most));
          },
          ""};
}

CLI::Validator real_number(double least, double most) {
  return {[least, most](std::string& text) {
            const auto value = number<double>(text);
            if (value && *value >= least && *value <= std::min<double>(most, FLT_MAX)) return std::string();
            return std::isfinite(most) ? fmt::format("'{}' is no number from {} to {}", text, least, most)
                                       : fmt::format("'{}' is no finite number from {} on", text, least);
          },
          ""};
}

CLI::Validator size_in_bytes() {
  return {[](std::string& text) {
            const auto bytes = byte_size(text);
            if (!bytes) return fmt::format("'{}' is no size such as 64MiB, 1.5GiB or 4096", text);
            text = std::to_string(*bytes);
            return std::string();
          },
          ""};
}

void add_numerics(CLI::App& command, std::string& numerics) {
  command
      .add_option(
          "--numerics", numerics,
          "strict: f32; bf16: products of prompts, or of a few rows with weights in floats, multiply bf16; fast: "
          "products multiply 8-bit integers, or of those bf16, and the cache is f16; each where that is faster "
          "on the device")
      ->capture_default_str()
      ->check(CLI::IsMember({"strict", "bf16", "fast"}));
}

CLI::Validator assignment(bool integer) {
  return {[integer](std::string& text) {
            const auto equals = std::min(text.find('='), text.size());
            const bool named = equals > 0 && equals + 1 < text.size();
            if (named && (!integer || number<std::int64_t>(std::string_view(text).substr(equals + 1))))
              return std::string();
            return fmt::format("'{}' is not NAME={}", text, integer ? "N with a whole number N" : "F.npy");
          },
          ""};
}

CLI::Validator token_ids(bool may_be_none) {
  return {[may_be_none](std::string& text) -> std::string {
            constexpr std::string_view kOp = "[ids] ";  // the flag's name stands in front instead
            try {
              if (!parse_ids(text).empty() || may_be_none) return "";
              return fmt::format("'{}' holds no token id; expected is 1,2,3", text);
            } catch (const Error& error) {
              return error.message().substr(error.message().starts_with(kOp) ? kOp.size() : 0);
            }
          },
          ""};
}

}  // namespace openinfer::cli
