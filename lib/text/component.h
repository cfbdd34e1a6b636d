// SPDX-License-Identifier: Apache-2.0
// A part of a tokenizer.json (normalizer, pre-tokenizer, decoder) as its JSON, read with types checked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/text/jinja/value.h"

namespace openinfer::text {

class Component {
 public:
  /// `what` names the part in errors. Errors: invalid_argument for JSON that is no object with a "type", or
  /// that is not UTF-8: what its texts make of valid UTF-8 stays valid.
  Component(std::string_view what, std::string_view json);

  const std::string& type() const { return type_; }
  bool is(std::string_view type) const { return type_ == type; }
  /// A member of that type, or the fallback where it is absent or null. Errors: invalid_argument for another type.
  std::string text(std::string_view key, std::string_view fallback = "") const;
  bool flag(std::string_view key, bool fallback) const;
  std::int64_t number(std::string_view key, std::int64_t fallback) const;
  /// {"String": s} or {"Regex": r} under "pattern".
  struct Pattern {
    std::string text;
    bool regex = false;
  };
  Pattern pattern() const;
  /// The parts of a Sequence, themselves unrolled; else this one alone. Errors: unsupported for more than kMostParts.
  std::vector<Component> parts(std::string_view key) const;
  static constexpr std::size_t kMostParts = 128;
  [[noreturn]] void unsupported(std::string_view known) const;

 private:
  struct Parsed {
    jinja::Value value;
  };
  Component(std::string_view what, Parsed parsed);
  const jinja::Value* find(std::string_view key) const;
  [[noreturn]] void wrong(std::string_view key, std::string_view wanted) const;

  std::string what_, type_;
  jinja::Value value_;
};

}  // namespace openinfer::text
