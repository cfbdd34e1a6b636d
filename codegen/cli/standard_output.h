// SPDX-License-Identifier: Apache-2.0
// Standard output, where a full disk or a closed pipe is an error like any other: every command prints through here;
// and what is said beside it. Names and messages come from files: no control character of theirs reaches a terminal.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>

#define MODEL_NAME openinfer::cli
#include "codegen/emit/prelude/host/printable.h"
#undef MODEL_NAME

namespace openinfer::cli {

/// Opens what the caller left closed of the three standard descriptors, so that no file of ours becomes standard
/// output.
void open_standard_files();

/// Bytes to standard output as they are (JSON), text in lines with its control characters as \x1b,
/// and everything written so far to where it goes. Errors: io_error, with the reason.
void print_bytes(std::string_view bytes);
/// What a model says, byte for byte; on a terminal as print_out.
void print_text(std::string_view text);
void print_out(std::string_view text);
void flush_out();

/// Text in lines to standard error. What cannot be written there is lost: nobody is left to be told, and the work goes
/// on.
void print_err(std::string_view text);

/// A line to standard error. Where standard output is on the same terminal and stands within a line, that line ends
/// first; a file or a pipe receives what it would without.
void print_beside(std::string_view line);

/// Bytes to standard error as they are.
void print_err_bytes(std::string_view bytes);

/// A text among the arguments is one line: its line ends are escaped too.
template <class T>
decltype(auto) shown(const T& argument) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>)
    return printable(argument);
  else
    return (argument);
}

template <class... Arguments>
std::string shown_text(fmt::string_view format, const Arguments&... arguments) {
  const auto text = [&](const auto&... all) { return fmt::vformat(format, fmt::make_format_args(all...)); };
  return text(shown(arguments)...);
}

template <class... Arguments>
void print_out(fmt::format_string<Arguments...> format, Arguments&&... arguments) requires(sizeof...(Arguments) > 0) {
  print_bytes(shown_text(format, arguments...));
}

template <class... Arguments>
void print_err(fmt::format_string<Arguments...> format, Arguments&&... arguments) requires(sizeof...(Arguments) > 0) {
  print_err_bytes(shown_text(format, arguments...));
}

}  // namespace openinfer::cli
