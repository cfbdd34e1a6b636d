// SPDX-License-Identifier: Apache-2.0
// The methods of Python's str, dict and list that templates call. Those that would change a value are refused, as the
// sandbox does that templates are written for.
#include <algorithm>

#include "lib/text/jinja/interpreter.h"
#include "lib/text/utf8.h"

namespace openinfer::jinja {

namespace {

using Method = Value (*)(Interpreter&, const Value& self, const Args&);
struct MethodRow {
  Kind kind;
  std::string_view name;
  Method run;  // null: Python has it, we do not
};

const std::string& text_of(const Interpreter& run, const Value* value, std::string_view what) {
  if (!value || !value->is(Kind::string)) run.error("{} needs a string", what);
  return value->string();
}

std::int64_t integer_of(const Interpreter& run, const Value* value, std::int64_t absent, std::string_view what) {
  if (!value) return absent;
  if (!value->is(Kind::integer) && !value->is(Kind::boolean)) run.error("{} needs an integer", what);
  return value->integer();
}

template <Side side>
Value strip_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"chars"});
  run.budget().spend(self.string().size());
  if (bound[0] && bound[0]->is(Kind::string)) run.budget().spend(bound[0]->string().size() * 8);
  return run.string(std::string(strip(self.string(), bound[0], side)));
}

/// At white space; behind the last of `most` splits the rest stays as it is.
Values split_space(std::string_view text, std::int64_t most) {
  Values parts;
  for (text = strip(text, nullptr, Side::left); !text.empty(); text = strip(text, nullptr, Side::left)) {
    std::size_t end = 0;
    if (most >= 0 && static_cast<std::int64_t>(parts.size()) == most) {
      parts.emplace_back(text);
      break;
    }
    while (end < text.size()) {
      const auto step = text::utf8_step(text, end).length;
      if (strip(text.substr(end, step), nullptr).empty()) break;
      end += step;
    }
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

Value split_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"sep", "maxsplit"});
  const std::int64_t most = integer_of(run, bound[1], -1, "split");
  std::string_view text = self.string();
  run.budget().spend(text.size() * 8);
  if (!bound[0] || bound[0]->is(Kind::none)) return make_list(split_space(text, most));
  const std::string& separator = text_of(run, bound[0], "split");
  if (separator.empty()) run.error("split by an empty string");
  Values parts;
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    const auto found = find(text, separator, 0, run.budget());
    if (found == text.npos) break;
    parts.emplace_back(text.substr(0, found));
    text.remove_prefix(found + separator.size());
  }
  parts.emplace_back(text);
  return make_list(std::move(parts));
}

Value rsplit_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"sep", "maxsplit"});
  const std::int64_t most = integer_of(run, bound[1], -1, "rsplit");
  const std::string& separator = text_of(run, bound[0], "rsplit");
  if (separator.empty()) run.error("rsplit by an empty string");
  std::string_view text = self.string();
  run.budget().spend(text.size() * 8);
  Values parts;
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    const auto found = rfind(text, separator, run.budget());
    if (found == text.npos) break;
    parts.emplace_back(text.substr(found + separator.size()));
    text = text.substr(0, found);
  }
  parts.emplace_back(text);
  std::ranges::reverse(parts);
  return make_list(std::move(parts));
}

Value splitlines_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"keepends"});
  const bool keep = bound[0] && truthy(*bound[0]);
  const std::string_view text = self.string();
  run.budget().spend(text.size() * 8);
  Values lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto step = text::utf8_step(text, at);
    const std::uint32_t c = step.code_point;
    const std::size_t end = at;
    at += step.length;
    if (!((c >= 0xA && c <= 0xD) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029)) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.emplace_back(text.substr(start, (keep ? at : end) - start));
    start = at;
  }
  if (start < text.size()) lines.emplace_back(text.substr(start));
  return make_list(std::move(lines));
}

/// startswith and endswith take a string or a tuple of them, and no list.
template <bool start>
Value affix_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"affix"});
  const auto fits = [&](const Value& affix) {
    const std::string& text = text_of(run, &affix, start ? "startswith" : "endswith");
    run.budget().spend(1 + text.size() / 16);
    return start ? self.string().starts_with(text) : self.string().ends_with(text);
  };
  if (!bound[0]) run.error("{} needs a string", start ? "startswith" : "endswith");
  if (!bound[0]->is(Kind::list) || bound[0]->list().type != Sequence::tuple) return fits(*bound[0]);
  return std::ranges::any_of(bound[0]->list().items, fits);
}

template <bool start>
Value remove_affix_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"affix"});
  const std::string& affix = text_of(run, bound[0], start ? "removeprefix" : "removesuffix");
  const std::string& text = self.string();
  run.budget().spend(affix.size() / 16);
  if (!(start ? text.starts_with(affix) : text.ends_with(affix))) return self;
  return run.string(start ? text.substr(affix.size()) : text.substr(0, text.size() - affix.size()));
}

template <bool upper>
Value case_method(Interpreter& run, const Value& self, const Args& args) {
  args.bind(run, {});
  return run.string(upper ? upper_case(self.string()) : lower_case(self.string()));
}

Value replace_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"old", "new", "count"});
  return run.string(replace(self.string(), text_of(run, bound[0], "replace"), text_of(run, bound[1], "replace"),
                            integer_of(run, bound[2], -1, "replace"), run.budget()));
}

template <bool last, bool must>
Value find_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"sub"});
  const std::string& part = text_of(run, bound[0], "find");
  run.budget().spend(self.string().size());
  const auto found = last ? rfind(self.string(), part, run.budget()) : find(self.string(), part, 0, run.budget());
  if (found == std::string::npos) {
    if (must) run.error("index: the substring is not there");
    return -1;
  }
  return static_cast<std::int64_t>(character_count(std::string_view(self.string()).substr(0, found)));
}

Value count_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"sub"});
  if (self.is(Kind::list)) {
    if (!bound[0]) run.error("count needs a value");
    return static_cast<std::int64_t>(
        std::ranges::count_if(self.list().items, [&](const Value& x) { return equal(x, *bound[0], run.budget()); }));
  }
  const std::string& part = text_of(run, bound[0], "count");
  run.budget().spend(self.string().size());
  if (part.empty()) return static_cast<std::int64_t>(character_count(self.string())) + 1;
  std::int64_t count = 0;
  for (std::size_t at = 0; (at = find(self.string(), part, at, run.budget())) != std::string::npos; at += part.size())
    ++count;
  return count;
}

Value join_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"iterable"});
  if (!bound[0]) run.error("join needs a list");
  std::string out;
  bool first = true;
  const auto elements = run.iterate(*bound[0]);
  for (const Value& item : elements->items) {
    if (!std::exchange(first, false)) out += self.string();
    out += text_of(run, &item, "join");
    run.budget().spend(self.string().size() + item.string().size());
  }
  return out;
}

/// The whole string of one kind, and not empty.
template <class Is>
Value all_of(Interpreter& run, const Value& self, const Args& args, Is is) {
  args.bind(run, {});
  run.budget().spend(self.string().size());
  return !self.string().empty() && std::ranges::all_of(characters(self.string()), is);
}
Value isspace_method(Interpreter& run, const Value& self, const Args& args) {
  return all_of(run, self, args, [](std::string_view c) { return strip(c, nullptr).empty(); });
}
Value isdigit_method(Interpreter& run, const Value& self, const Args& args) {
  return all_of(run, self, args,
                [](std::string_view c) { return is_digit_character(text::utf8_step(c, 0).code_point); });
}

template <bool title>
Value capital_method(Interpreter& run, const Value& self, const Args& args) {
  args.bind(run, {});
  return run.string(title ? title_case(self.string()) : capitalized(self.string()));
}

Value keys_method(Interpreter& run, const Value& self, const Args& args) {
  args.bind(run, {});
  return make_list(run.iterate(self)->items, Sequence::dict_keys);
}
Value values_method(Interpreter& run, const Value& self, const Args& args) {
  args.bind(run, {});
  Values values;
  for (const auto& item : self.dict().items) values.push_back(item.second);
  run.budget().spend(values.size() * 4);
  return make_list(std::move(values), Sequence::dict_values);
}
Value items_method(Interpreter& run, const Value& self, const Args& args) {
  args.bind(run, {});
  return make_list(apply_filter(run, "items", self, args).list().items, Sequence::dict_items);
}
Value get_method(Interpreter& run, const Value& self, const Args& args) {
  const auto bound = args.bind(run, {"key", "default"});
  if (!bound[0]) run.error("get needs a key");
  run.check_hashable(*bound[0]);
  for (const auto& [key, value] : self.dict().items)
    if (equal(key, *bound[0], run.budget())) return value;
  return bound[1] ? *bound[1] : Value(None{});
}

Value cycle_method(Interpreter& run, const Value& self, const Args& args) {
  if (args.positional.empty() || !args.named.empty()) run.error("loop.cycle needs values");
  return args.positional[self.loop().index % args.positional.size()];
}

constexpr MethodRow kMethods[] = {
    {Kind::string, "strip", strip_method<Side::both>},
    {Kind::string, "lstrip", strip_method<Side::left>},
    {Kind::string, "rstrip", strip_method<Side::right>},
    {Kind::string, "split", split_method},
    {Kind::string, "rsplit", rsplit_method},
    {Kind::string, "splitlines", splitlines_method},
    {Kind::string, "startswith", affix_method<true>},
    {Kind::string, "endswith", affix_method<false>},
    {Kind::string, "removeprefix", remove_affix_method<true>},
    {Kind::string, "removesuffix", remove_affix_method<false>},
    {Kind::string, "upper", case_method<true>},
    {Kind::string, "lower", case_method<false>},
    {Kind::string, "title", capital_method<true>},
    {Kind::string, "capitalize", capital_method<false>},
    {Kind::string, "replace", replace_method},
    {Kind::string, "find", find_method<false, false>},
    {Kind::string, "rfind", find_method<true, false>},
    {Kind::string, "index", find_method<false, true>},
    {Kind::string, "rindex", find_method<true, true>},
    {Kind::string, "count", count_method},
    {Kind::string, "join", join_method},
    {Kind::string, "isspace", isspace_method},
    {Kind::string, "isdigit", isdigit_method},
    {Kind::dict, "keys", keys_method},
    {Kind::dict, "values", values_method},
    {Kind::dict, "items", items_method},
    {Kind::dict, "get", get_method},
    {Kind::list, "count", count_method},
    {Kind::loop, "cycle", cycle_method},
    {Kind::string, "format", nullptr},
    {Kind::string, "format_map", nullptr},
    {Kind::string, "encode", nullptr},
    {Kind::string, "center", nullptr},
    {Kind::string, "ljust", nullptr},
    {Kind::string, "rjust", nullptr},
    {Kind::string, "zfill", nullptr},
    {Kind::string, "partition", nullptr},
    {Kind::string, "rpartition", nullptr},
    {Kind::string, "swapcase", nullptr},
    {Kind::string, "casefold", nullptr},
    {Kind::string, "translate", nullptr},
    {Kind::string, "expandtabs", nullptr},
    {Kind::string, "isalpha", nullptr},
    {Kind::string, "isalnum", nullptr},
    {Kind::string, "isupper", nullptr},
    {Kind::string, "islower", nullptr},
    {Kind::string, "isnumeric", nullptr},
    {Kind::string, "isdecimal", nullptr},
    {Kind::string, "isascii", nullptr},
    {Kind::string, "isidentifier", nullptr},
    {Kind::string, "isprintable", nullptr},
    {Kind::string, "istitle", nullptr},
    {Kind::string, "maketrans", nullptr},
    {Kind::dict, "pop", nullptr},
    {Kind::dict, "popitem", nullptr},
    {Kind::dict, "update", nullptr},
    {Kind::dict, "setdefault", nullptr},
    {Kind::dict, "clear", nullptr},
    {Kind::dict, "copy", nullptr},
    {Kind::dict, "fromkeys", nullptr},
    {Kind::list, "append", nullptr},
    {Kind::list, "extend", nullptr},
    {Kind::list, "insert", nullptr},
    {Kind::list, "pop", nullptr},
    {Kind::list, "remove", nullptr},
    {Kind::list, "clear", nullptr},
    {Kind::list, "reverse", nullptr},
    {Kind::list, "sort", nullptr},
    {Kind::list, "index", nullptr},
    {Kind::list, "copy", nullptr},
    {Kind::integer, "real", nullptr},
    {Kind::integer, "imag", nullptr},
    {Kind::integer, "numerator", nullptr},
    {Kind::integer, "denominator", nullptr},
    {Kind::integer, "conjugate", nullptr},
    {Kind::integer, "bit_length", nullptr},
    {Kind::integer, "bit_count", nullptr},
    {Kind::integer, "as_integer_ratio", nullptr},
    {Kind::integer, "to_bytes", nullptr},
    {Kind::integer, "from_bytes", nullptr},
    {Kind::floating, "real", nullptr},
    {Kind::floating, "imag", nullptr},
    {Kind::floating, "conjugate", nullptr},
    {Kind::floating, "is_integer", nullptr},
    {Kind::floating, "as_integer_ratio", nullptr},
    {Kind::floating, "hex", nullptr},
    {Kind::floating, "fromhex", nullptr},
};

const MethodRow* find_row(const Value& object, std::string_view name) {
  // Tuples and ranges have two methods of lists, views of dicts have none; bool is an int.
  if (object.is(Kind::list) && object.list().type != Sequence::list &&
      (object.list().is_view() || (name != "count" && name != "index")))
    return nullptr;
  const Kind kind = object.is(Kind::boolean) ? Kind::integer : object.kind();
  const auto row = std::ranges::find_if(kMethods, [&](const MethodRow& r) { return r.kind == kind && r.name == name; });
  return row == std::end(kMethods) ? nullptr : row;
}

}  // namespace

bool has_method(const Interpreter& run, const Value& object, std::string_view name) {
  const MethodRow* row = find_row(object, name);
  // A key hides a method that we lack: Python would give the method, but no template can have meant it.
  if (row && !row->run && !(object.is(Kind::dict) && object.dict().find(name, run.budget())))
    run.unsupported("the method {}.{} is not known", type_name(object), name);
  return row && row->run;
}

Value call_method(Interpreter& run, const Value& object, std::string_view name, const Args& args) {
  return find_row(object, name)->run(run, object, args);
}

}  // namespace openinfer::jinja
