// The words of a package: text of token ids, without the tokenizer that makes ids of text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model.h"
#include "reader.h"

namespace MODEL_NAME {

/// The package's vocabulary: what ids stand for, and which end an answer.
class Vocabulary {
 public:
  /// `package` stays open as long as this is used. Errors: Error where its tokenizer cannot be read, or is damaged.
  explicit Vocabulary(const opnf::Reader& package) try {
    const opnf::Map& words = package.tokenizer();
    if (const auto tokens = words.find("tokens")) tokens_ = tokens->strings();
    if (const auto types = words.find("token_types")) types_ = types->array<std::int32_t>(kI32);
    if (const auto end = words.find("eos_id")) ends_.push_back(end->integer());
    if (const auto ends = words.find("eos_ids"))
      for (const std::int32_t id : ends->array<std::int32_t>(kI32)) ends_.push_back(id);
  } catch (const opnf::Error& error) {
    throw Error(error.what());
  }
  bool empty() const { return tokens_.size() == 0; }
  bool is_end(std::int32_t id) const { return std::find(ends_.begin(), ends_.end(), id) != ends_.end(); }
  /// The bytes of a token; nothing of control tokens.
  std::string bytes(std::int32_t id) const {
    const auto i = static_cast<std::size_t>(id);
    if (i >= tokens_.size()) return "";
    const std::int32_t type = i < types_.size() ? types_[i] : 1;
    if (type == 3) return "";
    return type == 4 ? std::string(tokens_[i]) : spelt(tokens_[i]);
  }

 private:
  static constexpr std::uint8_t kI32 = 21;  // the format's code

  /// GPT-2's alphabet, in which every byte is a printable character: bytes that print stand for themselves, the others
  /// for U+0100 and what follows. Text that is not written in it stays as it is.
  static std::string spelt(std::string_view token) {
    std::string out;
    for (std::size_t at = 0; at < token.size(); ++at) {
      unsigned point = static_cast<unsigned char>(token[at]);
      if ((point & 0xe0) == 0xc0 && at + 1 < token.size())
        point = (point & 0x1f) << 6 | (static_cast<unsigned char>(token[++at]) & 0x3f);
      else if (point >= 0x80)
        return std::string(token);
      const int byte = byte_of(point);
      if (byte < 0) return std::string(token);
      out += static_cast<char>(byte);
    }
    return out;
  }
  static int byte_of(unsigned point) {
    unsigned next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
      if (point == (prints ? byte : next++)) return static_cast<int>(byte);
    }
    return -1;
  }

  opnf::Strings tokens_;
  std::span<const std::int32_t> types_;
  std::vector<std::int64_t> ends_;
};

}  // namespace MODEL_NAME
