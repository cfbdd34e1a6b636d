// SPDX-License-Identifier: Apache-2.0
// What several commands share: opening packages, reading text, parsing small arguments, printing sizes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "openinfer/text.h"

namespace openinfer::cli {

/// Opens a package; a file of another known kind is named and the remedy given. Errors: those of ModelLoader::open.
Model open_model(const std::string& path);

/// The package's tokenizer. Errors: not_found, if it has none, naming the command that wanted it.
Tokenizer open_tokenizer(const Model& model, std::string_view command);

/// Says on stderr which bytes of the text the vocabulary cannot spell: no token stands for them.
void warn_of_missing_bytes(const Tokenizer& tokenizer, std::string_view text);

/// Everything in the file, or in standard input. Errors: io_error, also beyond 256 MiB.
std::string read_text(const std::string& path);
std::string read_stdin();
/// Everything in the file if it begins with `magic`, else nothing. Errors: io_error.
std::string read_if(const std::string& path, std::string_view magic);

/// The text without the byte order mark that editors put in front of it; it is no part of a prompt.
std::string_view without_mark(std::string_view text);

/// The graph text in that file or pipe, which is read no further than a graph can be long. Errors: io_error; those of
/// parse_graph.
Graph read_graph(const std::string& path);

/// "1,2,3", "1 2 3" or JSON: [1, 2, 3] or {"ids": [1, 2, 3]}. Errors: invalid_argument with the part that is no id and
/// the form that is expected.
std::vector<TokenId> parse_ids(std::string_view text);
std::string join_ids(const std::vector<TokenId>& ids);

/// The two sides of "NAME=VALUE", which usage.h's `assignment` has checked.
std::pair<std::string, std::string> split_assignment(std::string_view text);

/// Do both paths name one regular file, there or to be? Device files may be named twice.
bool same_file(const std::string& a, const std::string& b);
/// Holds the file tensors of a package, beside its main file?
bool is_shard(const std::string& path);

/// "94.2 MiB"
std::string size_text(std::uint64_t size_bytes);

}  // namespace openinfer::cli
