// SPDX-License-Identifier: Apache-2.0
// A published pattern on PCRE2, with the character classes of the `tokenizers` library's engine (Oniguruma, Unicode
// 16).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace openinfer::text {

class Regex {
 public:
  /// Errors: unsupported with PCRE2's reason; for what Oniguruma alone has (nested negated classes, &&).
  /// `trusted`: one of our own patterns, which may take as long as the text asks for.
  explicit Regex(std::string_view published, bool trusted);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) = delete;

  /// Where the next match at or behind `at` begins and ends; {size, size} if there is none. Valid UTF-8 only.
  /// Errors: unsupported if an untrusted pattern backtracks without end.
  class Search {
   public:
    explicit Search(const Regex& regex);
    ~Search();
    Search(const Search&) = delete;
    Search& operator=(const Search&) = delete;
    std::pair<std::size_t, std::size_t> next(std::string_view text, std::size_t at);

   private:
    const Regex& regex_;
    void* match_;
  };

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

/// The pattern as PCRE2 gets it.
std::string expand_classes(std::string_view published);

}  // namespace openinfer::text
