// SPDX-License-Identifier: Apache-2.0
#include "lib/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "lib/base/fail.h"
#include "lib/text/unicode_tables.h"

namespace openinfer::text {

namespace {

/// What an item costs grows by one for so many bytes of the pattern (a class tests its ranges) and repeats of a count.
constexpr std::size_t kCheapPattern = 512, kCheapCount = 16;
/// What PCRE2 may use itself where its JIT does not serve, in KiB.
constexpr std::uint32_t kUntrustedHeap = 1 << 16;

/// The largest n of {n}, {n,} and {m,n}: PCRE2 tests so many characters without telling.
std::size_t largest_count(std::string_view pattern) {
  std::size_t largest = 0, count = 0;
  bool counts = false;
  for (const char c : pattern) {
    const bool digit = c >= '0' && c <= '9';
    if (c == '{' || c == ',') count = 0;
    counts = c == '{' || (counts && (digit || c == ','));
    if (counts && digit) count = std::min<std::size_t>(count * 10 + static_cast<std::size_t>(c - '0'), UINT16_MAX);
    largest = std::max(largest, count);
  }
  return largest;
}

[[noreturn]] void fail_memory() {
  fail(ErrorCode::out_of_memory, "[tokenizer] the machine has no memory left for a pattern");
}

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 120> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

/// A search ended with this code, which is no match and no failure to find one.
[[noreturn]] void fail_search(int code, std::size_t at, std::size_t size, std::uint64_t steps) {
  if (code == PCRE2_ERROR_NOMEMORY) fail_memory();
  if (code == PCRE2_ERROR_CALLOUT || code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT)
    fail(ErrorCode::unsupported,
         "[tokenizer] a pattern takes too long at byte {} of {}: all searches in one text together have {} steps left; "
         "PCRE2 says {}",
         at, size, steps, code);
  fail(ErrorCode::unsupported, "[tokenizer] a pattern cannot be searched for at byte {} of {}: PCRE2 says {}, {}", at,
       size, code, pcre2_message(code));
}

int pay_for_item(pcre2_callout_block* block, void* search) {
  return static_cast<Regex::Search*>(search)->pay(block->current_position) ? 0 : PCRE2_ERROR_CALLOUT;
}

void append_ranges(std::string& out, std::span<const CodePointRange> table) {
  for (const auto [first, last] : table) out += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", first, last);
}

/// The inside of a bracket expression for a class as the library's engine knows it; nothing for unknown names.
std::string members(std::string_view name) {
  const auto known = std::ranges::find(kRegexClasses, name, &RegexClass::name);
  if (known == std::end(kRegexClasses)) return {};
  // ASCII first: PCRE2 tests these by one table look-up.
  std::string out = name == "L" ? "A-Za-z" : name == "N" ? "0-9" : "";
  if (!known->base.empty()) out += fmt::format("\\p{{{}}}", known->base);
  append_ranges(out, known->ranges);
  return out;
}

class Expander {
 public:
  explicit Expander(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        escape();
      } else if (depth_ == 0) {
        out_ += c;
        ++at_;
        if (c == '[') open();
        if (c == '(') options();
      } else {
        inside(c);
      }
    }
    return std::move(out_);
  }

 private:
  void open() {
    depth_ = 1;
    while (at_ < pattern_.size() && (pattern_[at_] == '^' || pattern_[at_] == ']')) {
      out_ += pattern_[at_];
      if (pattern_[at_++] == ']') break;
    }
  }

  /// Oniguruma's (?m) lets a dot match line ends: PCRE2's (?s). Its ^ and $ are always those of lines.
  void options() {
    const std::string_view rest = pattern_.substr(at_);
    const std::size_t end = rest.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-", 1);
    if (!rest.starts_with('?') || end == rest.npos || (rest[end] != ')' && rest[end] != ':')) return;
    for (const char c : rest.substr(0, end)) out_ += c == 'm' ? 's' : c;
    at_ += end;
  }

  /// Oniguruma's nested classes are unions: their brackets are left out.
  void inside(char c) {
    if (c == '[' && pattern_.substr(at_, 2) == "[^") unsupported("a negated class within a class");
    if (pattern_.substr(at_, 2) == "&&") unsupported("&& within a class");
    ++at_;
    if (c == '[' && !pattern_.substr(at_).starts_with(':')) {
      ++depth_;
    } else if (c == ']' && --depth_ > 0) {
    } else {
      out_ += c;
    }
  }

  void escape() {
    const std::string_view rest = pattern_.substr(at_);
    if (rest.starts_with("\\p{") || rest.starts_with("\\P{")) {
      std::size_t end = 3;
      while (end < rest.size() && rest[end] != '}') ++end;
      std::string_view name = rest.substr(3, end - 3);
      bool negated = rest[1] == 'P';
      if (name.starts_with('^')) negated = !negated, name.remove_prefix(1);
      return add(name, negated, std::min(end + 1, rest.size()));
    }
    if ((rest.starts_with("\\b") || rest.starts_with("\\B")) && depth_ == 0) return add_boundary(rest[1] == 'B');
    constexpr std::string_view kShort = "sSdDwW";
    constexpr std::array<std::string_view, 3> kNames = {"space", "digit", "word"};
    const auto kind = rest.size() > 1 ? kShort.find(rest[1]) : kShort.npos;
    if (kind != kShort.npos) return add(kNames[kind / 2], kind % 2 != 0, 2);
    if (add_own(rest.substr(0, 2))) return;
    out_ += rest.substr(0, 2);
    at_ += std::min<std::size_t>(2, rest.size());
  }

  void add(std::string_view name, bool negated, std::size_t length) {
    const std::string inner = members(name);
    const std::string_view spelt = pattern_.substr(at_, length);
    at_ += length;
    // A negated class within brackets has no other form than PCRE2's own.
    if (inner.empty() || (depth_ > 0 && negated)) {
      out_ += spelt;
    } else if (depth_ > 0) {
      out_ += inner;
    } else {
      out_ += (negated ? "[^" : "[") + inner + "]";
    }
  }

  /// Escapes that PCRE2 reads in another way: hexadecimal digits, the vertical tab, letters that mean themselves.
  bool add_own(std::string_view escape) {
    constexpr std::string_view kHex = "0-9A-Fa-f";
    if (escape == "\\h" || escape == "\\H") {
      const bool negated = escape[1] == 'H';
      if (negated && depth_ > 0) unsupported("\\H within a class");
      out_ += depth_ > 0 ? std::string(kHex) : (negated ? "[^" : "[") + std::string(kHex) + "]";
    } else if (escape == "\\v") {
      out_ += "\\x0b";
    } else if (escape == "\\V" || escape == "\\Q" || escape == "\\E" || escape == "\\C") {
      unsupported(escape);
    } else {
      return false;
    }
    at_ += 2;
    return true;
  }

  /// \b, between a character that is of the word class and one that is not, or the text's end; \B, everywhere else.
  void add_boundary(bool negated) {
    const std::string word = "[" + members("word") + "]";
    const std::string_view behind_word = negated ? "(?=" : "(?!", behind_other = negated ? "(?!" : "(?=";
    out_ += fmt::format("(?:(?<={}){}{})|(?<!{}){}{}))", word, behind_word, word, word, behind_other, word);
    at_ += 2;
  }

  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorCode::unsupported, "[tokenizer] the pattern \"{}\" has {} at byte {}, which is not supported", pattern_,
         what, at_);
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  int depth_ = 0;  // of brackets
  std::string out_;
};

}  // namespace

std::string expand_classes(std::string_view published) { return Expander(published).run(); }

/// A compiled pattern. PCRE2 promises that it may be used from several threads.
struct Regex::Compiled {
  Compiled(std::string_view published, bool trusted) {
    const std::string text = expand_classes(published);
    int error = 0;
    PCRE2_SIZE at = 0;
    // In Oniguruma's default syntax ^ and $ are those of lines.
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE |
                             (trusted ? PCRE2_NO_UTF_CHECK : PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C),
                         &error, &at, nullptr);
    if (!code)
      fail(trusted ? ErrorCode::internal : ErrorCode::unsupported, "[tokenizer] PCRE2 refuses the pattern \"{}\": {}",
           published, pcre2_message(error));
    // Without a JIT (a build of PCRE2 or a kernel that forbids it) pcre2_match interprets: same words, slower.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    context = pcre2_match_context_create(nullptr);
    if (!context) {
      pcre2_code_free(code);
      fail_memory();
    }
    // A long run of white space backtracks once over its length: PCRE2's own limit, a fixed number for each place where
    // a match may begin, suits neither our patterns nor strangers', who pay for each item instead.
    pcre2_set_match_limit(context, UINT32_MAX);
    pcre2_set_heap_limit(context, trusted ? UINT32_MAX : kUntrustedHeap);
    if (trusted) return;
    price = 1 + published.size() / kCheapPattern + largest_count(published) / kCheapCount;
    std::uint32_t references = 0;
    pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &references);
    refers_back = references > 0;
  }
  ~Compiled() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  std::uint64_t price = 0;  // of an item; 0: trusted
  bool refers_back = false;
};

Regex::Regex(std::string_view published, bool trusted)
    : compiled_(std::make_unique<const Compiled>(published, trusted)) {}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;

Regex::Search::Search(const Regex& regex, std::uint64_t& steps)
    : regex_(regex),
      steps_(steps),
      match_(pcre2_match_data_create(1, nullptr)),
      context_(pcre2_match_context_copy(regex.compiled_->context)) {
  if (!match_ || !context_) {
    pcre2_match_context_free(static_cast<pcre2_match_context*>(context_));
    pcre2_match_data_free(static_cast<pcre2_match_data*>(match_));
    fail_memory();
  }
  if (regex.compiled_->price > 0) pcre2_set_callout(static_cast<pcre2_match_context*>(context_), pay_for_item, this);
}
Regex::Search::~Search() {
  pcre2_match_context_free(static_cast<pcre2_match_context*>(context_));
  pcre2_match_data_free(static_cast<pcre2_match_data*>(match_));
}

bool Regex::Search::pay(std::size_t passed) {
  const std::uint64_t cost = price_ + (passed > passed_ ? passed - passed_ : 0);
  passed_ = passed;
  if (cost > steps_) return false;
  steps_ -= cost;
  return true;
}

std::pair<std::size_t, std::size_t> Regex::Search::next(std::string_view text, std::size_t at) {
  const Compiled& compiled = *regex_.compiled_;
  auto* match = static_cast<pcre2_match_data*>(match_);
  // A back-reference compares up to the whole text without telling.
  price_ = compiled.price + (compiled.refers_back ? text.size() / 16 : 0);
  passed_ = at;
  for (;; ++at) {
    const auto find = [&](std::uint32_t options) {
      return pcre2_match(compiled.code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                         PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | options, match,
                         static_cast<pcre2_match_context*>(context_));
    };
    int found = find(0);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = find(PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
    if (found < 0) fail_search(found, at, text.size(), steps_);
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match);
    if (bounds[1] > bounds[0] && bounds[0] >= at) return {bounds[0], bounds[1]};
    // \K may move a match's start behind its end; such a match is none.
    if (at >= text.size()) return {text.size(), text.size()};
    while (at + 1 < text.size() && (static_cast<unsigned char>(text[at + 1]) & 0xC0) == 0x80) ++at;
  }
}

}  // namespace openinfer::text
