// SPDX-License-Identifier: Apache-2.0
// JSON in (RFC 8259; numbers without a point are integers) and out (as Python's json.dumps writes it).
#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "lib/base/fail.h"
#include "lib/text/jinja/value.h"
#include "lib/text/utf8.h"

namespace openinfer::jinja {

namespace {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  Value document() {
    Value value = read(0);
    space();
    if (at_ != text_.size()) wrong("something follows the value");
    return value;
  }

 private:
  [[noreturn]] void wrong(std::string_view what) const {
    fail(ErrorCode::invalid_argument, "[chat template] JSON: {} at byte {} of {}", what, at_, text_.size());
  }
  void space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  bool next(char c) {
    space();
    return take(std::string_view(&c, 1));
  }

  Value read(int depth) {
    if (depth >= kMaxNesting) wrong("values nest too deep");
    space();
    if (take("null")) return None{};
    if (take("true")) return true;
    if (take("false")) return false;
    if (take("\"")) return string();
    if (take("[")) return array(depth);
    if (take("{")) return object(depth);
    return number();
  }

  Value array(int depth) {
    Values items;
    if (next(']')) return make_list({});
    do items.push_back(read(depth + 1));
    while (next(','));
    if (!next(']')) wrong("expected , or ]");
    return make_list(std::move(items));
  }

  Value object(int depth) {
    std::vector<std::pair<Value, Value>> items;
    std::unordered_map<std::string, std::size_t> place;
    if (next('}')) return make_dict({});
    do {
      if (!next('"')) wrong("expected a name");
      std::string name = string();
      if (!next(':')) wrong("expected :");
      Value value = read(depth + 1);
      // As Python: the last of equal names wins, at the first one's place.
      if (const auto [same, fresh] = place.emplace(name, items.size()); fresh) {
        items.emplace_back(std::move(name), std::move(value));
      } else {
        items[same->second].second = std::move(value);
      }
    } while (next(','));
    if (!next('}')) wrong("expected , or }");
    return make_dict(std::move(items));
  }

  std::string string() {
    std::string out;
    while (true) {
      if (at_ >= text_.size()) wrong("unterminated string");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) wrong("control character in a string");
      if (c == '\\') {
        escape(out);
      } else {
        out += c;
      }
    }
  }

  void escape(std::string& out) {
    constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    if (const auto i = from.find(c); i != from.npos) {
      out += to[i];
      return;
    }
    if (c != 'u') wrong("unknown escape");
    std::uint32_t code = hex4();
    if (code >= 0xD800 && code < 0xDC00 && take("\\u")) {
      const std::uint32_t low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) wrong("unpaired surrogate");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xD800 && code <= 0xDFFF) {
      wrong("unpaired surrogate");
    }
    text::append_utf8(out, code);
  }

  std::uint32_t hex4() {
    std::uint32_t code = 0;
    const auto [end, error] =
        std::from_chars(text_.data() + at_, text_.data() + std::min(at_ + 4, text_.size()), code, 16);
    if (error != std::errc() || end != text_.data() + at_ + 4) wrong("\\u needs four hexadecimal digits");
    at_ += 4;
    return code;
  }

  Value number() {
    const std::size_t start = at_;
    while (at_ < text_.size() && std::string_view("+-0123456789.eE").find(text_[at_]) != std::string_view::npos) ++at_;
    const auto word = text_.substr(start, at_ - start);
    const char *first = word.data(), *last = word.data() + word.size();
    std::int64_t integer = 0;
    if (const auto read = std::from_chars(first, last, integer);
        !word.empty() && read.ec == std::errc() && read.ptr == last)
      return integer;
    if (!word.empty() && word.find_first_of(".eE+") == word.npos && word.find_last_not_of("0123456789") + 1 <= 1 &&
        word != "-")
      wrong("an integer beyond 64 bits");
    double value = 0;
    const auto read = std::from_chars(first, last, value);
    if (word.empty() || read.ec != std::errc() || read.ptr != last) wrong("expected a value");
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}
  std::string take() { return std::move(out_); }

  void write(const Value& value, int depth) {
    budget_.spend(8 + (style_.pretty ? style_.indent.size() * static_cast<std::size_t>(depth) : 0));
    switch (value.kind()) {
      case Kind::none: out_ += "null"; return;
      case Kind::boolean: out_ += value.boolean() ? "true" : "false"; return;
      case Kind::integer: out_ += std::to_string(value.integer()); return;
      case Kind::floating: number(value.number()); return;
      case Kind::string: string(value.string()); return;
      case Kind::list:
        if (value.list().type > Sequence::tuple) break;
        list(value.list(), depth);
        return;
      case Kind::dict: dict(value.dict(), depth); return;
      case Kind::undefined:
      case Kind::name_space:
      case Kind::loop:
      case Kind::callable: break;
    }
    fail(ErrorCode::invalid_argument, "a value of type {} has no JSON form", type_name(value));
  }

 private:
  void number(double value) {
    if (std::isfinite(value)) {
      out_ += repr(value, budget_);
    } else {
      out_ += std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    }
  }

  void string(std::string_view text) {
    budget_.spend(text.size());
    constexpr std::string_view plain = "\"\\\b\f\n\r\t", letter = "\"\\bfnrt";
    out_ += '"';
    for (std::size_t at = 0; at < text.size();) {
      const auto step = text::utf8_step(text, at);
      if (const auto i = plain.find(text[at]); i != plain.npos) {
        (out_ += '\\') += letter[i];
      } else if (step.code_point < 0x20 || (style_.ascii && step.code_point > 0x7E)) {
        escape(step.code_point);
      } else {
        out_ += text.substr(at, step.length);
      }
      at += step.length;
    }
    out_ += '"';
  }

  void escape(std::uint32_t c) {
    out_ += c < 0x10000 ? fmt::format("\\u{:04x}", c)
                        : fmt::format("\\u{:04x}\\u{:04x}", 0xD7C0 + (c >> 10), 0xDC00 + (c & 0x3FF));
  }

  void line(int depth) {
    if (!style_.pretty) return;
    out_ += '\n';
    for (int i = 0; i < depth; ++i) out_ += style_.indent;
  }

  void separate(std::string_view separator) {
    budget_.spend(separator.size());
    out_ += separator;
  }

  void list(const List& list, int depth) {
    if (list.items.empty()) return void(out_ += "[]");
    out_ += '[';
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i) separate(style_.item_separator);
      line(depth + 1);
      write(list.items[i], depth + 1);
    }
    line(depth);
    out_ += ']';
  }

  void dict(const Dict& dict, int depth) {
    if (dict.items.empty()) return void(out_ += "{}");
    std::vector<const std::pair<Value, Value>*> items;
    for (const auto& item : dict.items) items.push_back(&item);
    if (style_.sort_keys)
      std::ranges::stable_sort(items, [&](auto* a, auto* b) { return order(a->first, b->first, budget_) < 0; });
    out_ += '{';
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i) separate(style_.item_separator);
      line(depth + 1);
      key(items[i]->first);
      separate(style_.key_separator);
      write(items[i]->second, depth + 1);
    }
    line(depth);
    out_ += '}';
  }

  void key(const Value& key) {
    if (key.is(Kind::string)) return string(key.string());
    if (key.is(Kind::list)) fail(ErrorCode::invalid_argument, "a key of type {} has no JSON form", type_name(key));
    out_ += '"';
    write(key, 0);
    out_ += '"';
  }

  const JsonStyle& style_;
  Budget& budget_;
  std::string out_;
};

}  // namespace

Value parse_json(std::string_view text) { return JsonReader(text).document(); }

std::string to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonWriter writer(style, budget);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace openinfer::jinja
