// SPDX-License-Identifier: Apache-2.0
// Wrong usage as one line: which command and flag, what was given, what is allowed. Everything here is known before a
// package is opened.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace openinfer::cli {

/// Wrong usage that CLI11 cannot see; the message names the command.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Errors: UsageError if the first argument is neither a command nor a flag of `app`, with the commands that are near.
void check_command(const CLI::App& app, int argc, const char* const* argv);

/// Behind the parser. Errors: UsageError for an argument that is empty where it names a file, a folder or a thing: a
/// script's variable that is not set. A text may be empty.
void check_arguments(const CLI::App& app);

/// CLI11's error in our words.
std::string usage_line(const CLI::App& app, const CLI::ParseError& error);

/// Flags' texts: decimal digits of a number from `least` to `most`; a real number in [least, most], which may be
/// infinity (then itself excluded); NAME=VALUE, where VALUE is an integer if `integer`.
CLI::Validator whole_number(std::int64_t least, std::int64_t most = INT64_MAX);
CLI::Validator real_number(double least, double most);
CLI::Validator assignment(bool integer = false);

/// --numerics: strict, bf16 or fast.
void add_numerics(CLI::App& command, std::string& numerics);

/// "64MiB", "1.5GiB" or a number of bytes, at least 1: the option's value is the number of bytes.
CLI::Validator size_in_bytes();

/// What parse_ids (options.h) takes; none at all only if `may_be_none`.
CLI::Validator token_ids(bool may_be_none = false);

}  // namespace openinfer::cli
