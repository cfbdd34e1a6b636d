// SPDX-License-Identifier: Apache-2.0
#include "lib/text/jinja/value.h"

#include <utf8proc.h>

#include <algorithm>
#include <cmath>

#include "lib/base/fail.h"
#include "lib/text/utf8.h"

namespace openinfer::jinja {

void Budget::exhausted() const {
  fail(ErrorCode::out_of_memory, "[chat template] the template needs more than its limit of {} steps", limit_);
}
void Budget::too_long() const {
  fail(ErrorCode::out_of_memory, "[chat template] the output is longer than its limit of {} bytes", output_bytes_);
}

namespace {

int nesting_of(const Value& value) {
  if (value.is(Kind::list)) return value.list().nesting;
  if (value.is(Kind::dict)) return value.dict().nesting;
  if (value.is(Kind::loop)) return value.loop().items->nesting;
  if (value.is(Kind::callable)) return 1 + nesting_of(value.callable().self);
  return 0;
}

int checked_nesting(int inner) {
  if (inner >= kMaxNesting)
    fail(ErrorCode::invalid_argument, "[chat template] values nest more than {} deep", kMaxNesting);
  return inner + 1;
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", value);  // shortest that reads back, as Python's
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

/// Python's str.isprintable for one character.
bool prints(std::uint32_t c) {
  if (c == ' ') return true;
  const auto kind = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return kind != UTF8PROC_CATEGORY_CN && kind < UTF8PROC_CATEGORY_ZS;
}

std::string repr_string(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t at = 0; at < text.size();) {
    const auto step = text::utf8_step(text, at);
    const std::uint32_t c = step.code_point;
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      (out += '\\') += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (!step.valid || prints(c)) {
      out += text.substr(at, step.length);
    } else {
      out += c < 0x100     ? fmt::format("\\x{:02x}", c)
             : c < 0x10000 ? fmt::format("\\u{:04x}", c)
                           : fmt::format("\\U{:08x}", c);
    }
    at += step.length;
  }
  return out += quote;
}

std::string_view sequence_name(Sequence type) {
  switch (type) {
    case Sequence::list: return "list";
    case Sequence::tuple: return "tuple";
    case Sequence::range: return "range";
    case Sequence::dict_keys: return "dict_keys";
    case Sequence::dict_values: return "dict_values";
    case Sequence::dict_items: return "dict_items";
  }
  return "list";
}

std::string repr_items(const List& list, Budget& budget) {
  if (list.type == Sequence::range)
    return list.step == 1 ? fmt::format("range({}, {})", list.start, list.stop)
                          : fmt::format("range({}, {}, {})", list.start, list.stop, list.step);
  const bool is_tuple = list.type == Sequence::tuple;
  std::string out = is_tuple ? "(" : "[";
  for (std::size_t i = 0; i < list.items.size(); ++i) (out += i ? ", " : "") += repr(list.items[i], budget);
  if (is_tuple && list.items.size() == 1) out += ',';
  out += is_tuple ? ')' : ']';
  return list.is_view() ? fmt::format("{}({})", sequence_name(list.type), out) : out;
}

std::string repr_dict(const Dict& dict, Budget& budget) {
  std::string out = "{";
  for (std::size_t i = 0; i < dict.items.size(); ++i)
    ((out += i ? ", " : "") += repr(dict.items[i].first, budget)).append(": ") += repr(dict.items[i].second, budget);
  return out += '}';
}

/// Python's sets: views of keys and items. Views of values equal themselves alone.
bool equal_lists(const List& a, const List& b, Budget& budget) {
  const auto same = [&](const Value& x, const Value& y) { return equal(x, y, budget); };
  const auto is_set = [](const List& list) { return list.is_view() && list.type != Sequence::dict_values; };
  if (is_set(a) && is_set(b))
    return a.items.size() == b.items.size() && std::ranges::all_of(a.items, [&](const Value& x) {
             return std::ranges::any_of(b.items, [&](const Value& y) { return same(x, y); });
           });
  if (a.type != b.type || a.type == Sequence::dict_values) return &a == &b;
  return std::ranges::equal(a.items, b.items, same);
}

bool equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.items.size() != b.items.size()) return false;
  return std::ranges::all_of(a.items, [&](const auto& x) {
    return std::ranges::any_of(
        b.items, [&](const auto& y) { return equal(x.first, y.first, budget) && equal(x.second, y.second, budget); });
  });
}

}  // namespace

const Value* Dict::find(std::string_view key, Budget& budget) const {
  for (const auto& [name, value] : items) {
    budget.spend(1);
    if (!name.is(Kind::string) || name.string().size() != key.size()) continue;
    budget.spend(key.size() / 16);
    if (name.string() == key) return &value;
  }
  return nullptr;
}

Value make_list(Values items, Sequence type) {
  int inner = 0;
  for (const Value& item : items) inner = std::max(inner, nesting_of(item));
  return std::make_shared<const List>(List{std::move(items), type, checked_nesting(inner)});
}

Value make_dict(std::vector<std::pair<Value, Value>> items) {
  int inner = 0;
  for (const auto& item : items) inner = std::max({inner, nesting_of(item.first), nesting_of(item.second)});
  return std::make_shared<const Dict>(Dict{std::move(items), checked_nesting(inner)});
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return "Undefined";
    case Kind::none: return "NoneType";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::floating: return "float";
    case Kind::string: return "str";
    case Kind::list: return sequence_name(value.list().type);
    case Kind::dict: return "dict";
    case Kind::name_space: return "Namespace";
    case Kind::loop: return "LoopContext";
    case Kind::callable: return value.callable().macro ? "Macro" : "function";
  }
  return "object";
}

const Value* unhashable(const Value& value, Budget& budget) {
  budget.spend(1);
  if (value.is(Kind::dict)) return &value;
  if (!value.is(Kind::list)) return nullptr;
  const Sequence type = value.list().type;
  if (type == Sequence::list || type == Sequence::dict_keys || type == Sequence::dict_items) return &value;
  if (type == Sequence::tuple)
    for (const Value& item : value.list().items)
      if (const Value* found = unhashable(item, budget)) return found;
  return nullptr;
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean:
    case Kind::integer:
    case Kind::floating: return value.number() != 0;
    case Kind::string: return !value.string().empty();
    case Kind::list: return !value.list().items.empty();
    case Kind::dict: return !value.dict().items.empty();
    case Kind::name_space:
    case Kind::loop:
    case Kind::callable: return true;
  }
  return true;
}

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.spend(1);
  if (a.is_number() && b.is_number())
    return a.is(Kind::floating) || b.is(Kind::floating) ? a.number() == b.number() : a.integer() == b.integer();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::none: return true;
    case Kind::string:
      budget.spend(std::min(a.string().size(), b.string().size()) / 16);
      return a.string() == b.string();
    case Kind::list: return equal_lists(a.list(), b.list(), budget);
    case Kind::dict: return equal_dicts(a.dict(), b.dict(), budget);
    case Kind::name_space: return &a.name_space() == &b.name_space();
    case Kind::loop: return &a.loop() == &b.loop();
    case Kind::callable: return a.callable().name == b.callable().name && a.callable().macro == b.callable().macro;
    case Kind::boolean:
    case Kind::integer:
    case Kind::floating: break;  // above
  }
  return false;
}

int order(const Value& a, const Value& b, Budget& budget) {
  budget.spend(1);
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::floating) || b.is(Kind::floating)) return (a.number() > b.number()) - (a.number() < b.number());
    return (a.integer() > b.integer()) - (a.integer() < b.integer());
  }
  if (a.is(Kind::string) && b.is(Kind::string)) {
    budget.spend(std::min(a.string().size(), b.string().size()) / 16);
    return a.string().compare(b.string());  // UTF-8 keeps the order of code points
  }
  if (a.is(Kind::list) && b.is(Kind::list) && a.list().type == b.list().type && a.list().type <= Sequence::tuple) {
    const auto &x = a.list().items, &y = b.list().items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (!equal(x[i], y[i], budget)) return order(x[i], y[i], budget);
    return (x.size() > y.size()) - (x.size() < y.size());
  }
  fail(ErrorCode::invalid_argument, "'{}' and '{}' have no order", type_name(a), type_name(b));
}

std::string to_text(const Value& value, Budget& budget) {
  if (value.is(Kind::undefined)) return "";
  if (!value.is(Kind::string)) return repr(value, budget);
  budget.spend(value.string().size());
  return value.string();
}

std::string repr(const Value& value, Budget& budget) {
  budget.spend(8);
  switch (value.kind()) {
    case Kind::undefined: return "Undefined";
    case Kind::none: return "None";
    case Kind::boolean: return value.boolean() ? "True" : "False";
    case Kind::integer: return std::to_string(value.integer());
    case Kind::floating: return float_text(value.number());
    case Kind::string: budget.spend(value.string().size()); return repr_string(value.string());
    case Kind::list: return repr_items(value.list(), budget);
    case Kind::dict: return repr_dict(value.dict(), budget);
    case Kind::name_space: fail(ErrorCode::unsupported, "the text of a namespace is not known");
    case Kind::loop:
      return fmt::format("<LoopContext {}/{}>", value.loop().index + 1, value.loop().items->items.size());
    case Kind::callable:
      if (value.callable().macro) return fmt::format("<Macro {}>", repr_string(value.callable().name));
      fail(ErrorCode::unsupported, "the text of function '{}' is not known; call it", value.callable().name);
  }
  return "";
}

}  // namespace openinfer::jinja
