// SPDX-License-Identifier: Apache-2.0
// Standard output, where a full disk or a closed pipe is an error like any other: every command prints through here;
// and what is said beside it.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace openinfer::cli {

/// Opens what the caller left closed of the three standard descriptors, so that no file of ours becomes standard
/// output.
void open_standard_files();

/// Bytes to standard output, and everything written so far to where it goes. Errors: io_error, with the reason.
void print_out(std::string_view text);
void flush_out();

/// Text to standard error. What cannot be written there is lost: nobody is left to be told, and the work goes on.
void print_err(std::string_view text);

/// A line to standard error. Where standard output is on the same terminal and stands within a line, that line ends
/// first; a file or a pipe receives what it would without.
void print_beside(std::string_view line);

template <class... Arguments>
void print_out(fmt::format_string<Arguments...> format, Arguments&&... arguments) requires(sizeof...(Arguments) > 0) {
  print_out(std::string_view(fmt::format(format, std::forward<Arguments>(arguments)...)));
}

template <class... Arguments>
void print_err(fmt::format_string<Arguments...> format, Arguments&&... arguments) requires(sizeof...(Arguments) > 0) {
  print_err(std::string_view(fmt::format(format, std::forward<Arguments>(arguments)...)));
}

}  // namespace openinfer::cli
