// SPDX-License-Identifier: Apache-2.0
// Names of files as a project's README shows them: any byte may be in one, and what a reader copies has to work.
#pragma once

#include <string>
#include <string_view>

namespace openinfer::emit {

/// A word of bash and zsh: m.oinf, 'my model.oinf', $'two\nlines.oinf'.
std::string shell_word(std::string_view name);

/// What stands between the quotes of a C++ string.
std::string cpp_string(std::string_view name);

/// In a sentence of Markdown: m.oinf; what would not show as itself, as code.
std::string markdown_name(std::string_view name);

}  // namespace openinfer::emit
