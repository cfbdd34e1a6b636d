// SPDX-License-Identifier: Apache-2.0
// Characters as the `tokenizers` library sees them: classes, lower case, normalisation forms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace openinfer::text {

bool is_numeric(std::uint32_t code_point);      // Rust's char::is_numeric
bool is_punctuation(std::uint32_t code_point);  // Unicode's and ASCII's
bool is_accent(std::uint32_t code_point);       // what StripAccents drops
bool is_bert_accent(std::uint32_t code_point);  // what BERT's normalizer drops after decomposition
bool is_bert_removed(std::uint32_t code_point);
bool is_cjk(std::uint32_t code_point);  // BERT's "Chinese characters"

void append_lower(std::string& out, std::uint32_t code_point);

enum class NormalForm { nfc, nfd, nfkc, nfkd };
/// The form of the valid runs of `text`; other bytes stay.
std::string normal_form(std::string_view text, NormalForm form);
/// May the form differ from the text? Never for ASCII, nor for much else.
bool may_change(std::string_view text, NormalForm form);

/// The end of the user-perceived character that starts at `at` (Unicode's extended grapheme clusters). Valid UTF-8
/// only.
std::size_t grapheme_end(std::string_view text, std::size_t at);

}  // namespace openinfer::text
