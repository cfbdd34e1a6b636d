// SPDX-License-Identifier: Apache-2.0
// A published pattern on PCRE2, with the character classes of the `tokenizers` library's engine (Oniguruma, Unicode
// 16).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace openinfer::text {

class Regex {
 public:
  /// Errors: unsupported with PCRE2's reason; for what Oniguruma alone has (nested negated classes, &&) or reads in
  /// another way that has no form here.
  /// `trusted`: one of our own patterns, which may take as long as the text asks for.
  explicit Regex(std::string_view published, bool trusted);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) = delete;

  /// Where the next match at or behind `at` begins and ends; {size, size} if there is none. Valid UTF-8 only.
  /// An untrusted pattern pays from `steps`: one or more for each item that it tries (a long pattern, large counts and
  /// back-references cost more) and one for each byte that it passes. Errors: unsupported where they do not suffice.
  class Search {
   public:
    Search(const Regex& regex, std::uint64_t& steps);
    ~Search();
    Search(const Search&) = delete;
    Search& operator=(const Search&) = delete;
    std::pair<std::size_t, std::size_t> next(std::string_view text, std::size_t at);

    /// Takes what one item costs, `passed` being where the match stands; false if too little is left.
    bool pay(std::size_t passed);

   private:
    const Regex& regex_;
    std::uint64_t& steps_;
    std::uint64_t price_ = 1;  // of one item
    std::size_t passed_ = 0;
    void* match_;
    void* context_;
  };

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

/// The pattern as PCRE2 gets it.
std::string expand_classes(std::string_view published);

}  // namespace openinfer::text
