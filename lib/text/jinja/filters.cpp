// SPDX-License-Identifier: Apache-2.0
// `value | name(arguments)`. Where jinja2 gives a generator, these give a list.
#include <algorithm>
#include <cmath>

#include "lib/text/jinja/interpreter.h"
#include "lib/text/jinja/numbers.h"

namespace openinfer::jinja {

namespace {

using Filter = Value (*)(Interpreter&, const Value&, const Args&);
struct FilterRow {
  std::string_view name;
  Filter run;
};

void no_arguments(const Interpreter& run, const Args& args) { args.bind(run, {}); }

Value trim(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"chars"});
  const std::string text = to_text(value, run.budget());
  if (bound[0] && bound[0]->is(Kind::string)) run.budget().spend(bound[0]->string().size() * 8);
  return run.string(std::string(strip(text, bound[0])));
}

Value to_json_filter(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = bound[0] && truthy(*bound[0]);
  style.sort_keys = bound[3] && truthy(*bound[3]);
  if (bound[1] && !bound[1]->is(Kind::none)) {
    if (!bound[1]->is(Kind::string) && (!bound[1]->is(Kind::integer) || bound[1]->integer() > 64))
      run.error("tojson: indent is an integer up to 64 or a string");
    style.pretty = true;
    style.item_separator = ",";
    style.indent = bound[1]->is(Kind::string)
                       ? bound[1]->string()
                       : std::string(static_cast<std::size_t>(std::max<std::int64_t>(0, bound[1]->integer())), ' ');
  }
  if (bound[2] && !bound[2]->is(Kind::none)) {
    const auto parts = run.iterate(*bound[2]);
    if (parts->items.size() != 2 || !parts->items[0].is(Kind::string) || !parts->items[1].is(Kind::string))
      run.error("tojson: separators are two strings");
    style.item_separator = parts->items[0].string();
    style.key_separator = parts->items[1].string();
  }
  return run.string(to_json(value, style, run.budget()));
}

Value length(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  switch (value.kind()) {
    case Kind::undefined: return 0;
    case Kind::string:
      run.budget().spend(value.string().size() / 8);
      return static_cast<std::int64_t>(character_count(value.string()));
    case Kind::list: return static_cast<std::int64_t>(value.list().items.size());
    case Kind::dict: return static_cast<std::int64_t>(value.dict().items.size());
    case Kind::loop: return static_cast<std::int64_t>(value.loop().items->items.size());
    case Kind::none:
    case Kind::boolean:
    case Kind::integer:
    case Kind::floating:
    case Kind::name_space:
    case Kind::callable: break;
  }
  run.error("a value of type {} has no length", type_name(value));
}

template <bool upper>
Value change_case_filter(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  const std::string text = to_text(value, run.budget());
  return run.string(upper ? upper_case(text) : lower_case(text));
}

Value capitalize(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  return run.string(capitalized(to_text(value, run.budget())));
}

/// A capital after white space, - and an opening bracket, as jinja2's title: it is not Python's.
Value title(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  std::string out;
  std::string_view first, rest;  // of the word
  const std::string text = to_text(value, run.budget());
  const auto end_word = [&] {
    out += upper_case(first) + lower_case(rest);
    first = rest = {};
  };
  for (const auto character : characters(text)) {
    if (strip(character, nullptr).empty() || std::string_view("-({[<").find(character) != std::string_view::npos) {
      end_word();
      out += character;
    } else if (first.empty()) {
      first = character;
    } else {
      rest = {first.data() + first.size(), rest.size() + character.size()};
    }
  }
  end_word();
  return run.string(std::move(out));
}

/// The value at a dotted path: "function.name", "0".
Value path(const Interpreter& run, const Value& from, const Value& attribute) {
  if (!attribute.is(Kind::string)) return run.item(from, attribute);
  Value value = from;
  std::string_view rest = attribute.string();
  while (true) {
    const auto part = rest.substr(0, rest.find('.'));
    const bool digits = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == part.npos;
    value = digits ? run.item(value, Value(static_cast<std::int64_t>(std::atoll(std::string(part).c_str()))))
                   : run.item(value, Value(part));
    if (part.size() == rest.size()) return value;
    rest.remove_prefix(part.size() + 1);
  }
}

Value join(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"d", "attribute"});
  const std::string separator = bound[0] ? to_text(*bound[0], run.budget()) : "";
  std::string out;
  bool first = true;
  const auto elements = run.iterate(value);
  for (const Value& item : elements->items) {
    if (!std::exchange(first, false)) out += separator;
    out += to_text(bound[1] ? path(run, item, *bound[1]) : item, run.budget());
    run.budget().spend(separator.size());
  }
  return out;
}

Value default_filter(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"default_value", "boolean"});
  const bool missing = value.is(Kind::undefined) || (bound[1] && truthy(*bound[1]) && !truthy(value));
  if (!missing) return value;
  return bound[0] ? *bound[0] : Value("");
}

template <bool last>
Value end_item(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  const auto items = run.iterate(value);
  if (items->items.empty()) return Undefined{"the sequence is empty"};
  return last ? items->items.back() : items->items.front();
}

Value replace_filter(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"old", "new", "count"});
  if (!bound[0] || !bound[1]) run.error("replace needs two strings");
  const std::int64_t most = bound[2] && bound[2]->is(Kind::integer) ? bound[2]->integer() : -1;
  Budget& budget = run.budget();
  return run.string(
      replace(to_text(value, budget), to_text(*bound[0], budget), to_text(*bound[1], budget), most, budget));
}

Value items(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  if (value.is(Kind::undefined)) return make_list({});
  if (!value.is(Kind::dict)) run.error("items of a value of type {}", type_name(value));
  Values pairs;
  run.budget().spend(value.dict().items.size() * 16);
  for (const auto& [key, item] : value.dict().items) pairs.push_back(make_list({key, item}, Sequence::tuple));
  return make_list(std::move(pairs));
}

Value list(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  return make_list(run.iterate(value)->items);
}

Args rest_of(Interpreter& run, const Args& args, std::size_t from) {
  Args rest;
  run.budget().spend((args.positional.size() + args.named.size()) * sizeof(Value));
  rest.positional.assign(args.positional.begin() + static_cast<std::ptrdiff_t>(std::min(from, args.positional.size())),
                         args.positional.end());
  rest.named = args.named;
  return rest;
}

/// None and 0 have no elements: jinja2's map and select ask for truth first.
std::shared_ptr<const List> elements_if_any(Interpreter& run, const Value& value) {
  return truthy(value) ? run.iterate(value) : std::make_shared<const List>();
}

/// map("filter", …) or map(attribute="a.b", default=x)
Value map(Interpreter& run, const Value& value, const Args& args) {
  Values out;
  if (args.positional.empty()) {
    const auto bound = args.bind(run, {"attribute", "default"});
    if (!bound[0]) run.error("map needs a filter or an attribute");
    const auto elements = elements_if_any(run, value);
    for (const Value& item : elements->items) {
      Value found = path(run, item, *bound[0]);
      out.push_back(found.is(Kind::undefined) && bound[1] ? *bound[1] : std::move(found));
    }
    return make_list(std::move(out));
  }
  if (!args.positional[0].is(Kind::string)) run.error("map needs the name of a filter");
  const Args rest = rest_of(run, args, 1);
  const auto elements = elements_if_any(run, value);
  for (const Value& item : elements->items) out.push_back(apply_filter(run, args.positional[0].string(), item, rest));
  return make_list(std::move(out));
}

/// select("test", …) and selectattr("a.b", "test", …); without a test: truth.
template <bool by_attribute, bool keep>
Value select(Interpreter& run, const Value& value, const Args& args) {
  if (by_attribute && args.positional.empty()) run.error("selectattr and rejectattr need an attribute");
  const Args rest = rest_of(run, args, by_attribute ? 2 : 1);
  const bool has_test = args.positional.size() > (by_attribute ? 1 : 0);
  if (has_test && !args.positional[by_attribute].is(Kind::string)) run.error("a test is given by its name");
  Values out;
  const auto elements = elements_if_any(run, value);
  for (const Value& item : elements->items) {
    const Value subject = by_attribute ? path(run, item, args.positional[0]) : item;
    const bool holds =
        has_test ? apply_test(run, args.positional[by_attribute].string(), subject, rest) : truthy(subject);
    if (holds == keep) out.push_back(item);
  }
  return make_list(std::move(out));
}

Value string_filter(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  return to_text(value, run.budget());
}

/// int() or float() of a number or a text; what it cannot be is the argument, or 0. As jinja2, "1.5" | int is 1.
Value to_integer(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"default"});
  if (value.is(Kind::undefined)) run.error("{}", value.undefined().what);
  const Value absent = bound[0] ? *bound[0] : Value(0);
  if (value.is(Kind::string)) {
    run.budget().spend(value.string().size());
    if (const auto integer = parse_integer(value.string())) return *integer;
    const auto number = parse_float(value.string());
    return number && std::isfinite(*number) ? Value(truncated(*number)) : absent;
  }
  if (!value.is_number() || (value.is(Kind::floating) && std::isnan(value.number()))) return absent;
  return value.is(Kind::floating) ? truncated(value.number()) : value.integer();
}

Value to_float(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"default"});
  if (value.is(Kind::undefined)) run.error("{}", value.undefined().what);
  if (value.is_number()) return value.number();
  if (value.is(Kind::string)) {
    run.budget().spend(value.string().size());
    if (const auto number = parse_float(value.string())) return *number;
  }
  return bound[0] ? *bound[0] : Value(0.0);
}

Value absolute(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  if (value.is(Kind::floating)) return std::abs(value.number());
  if (!value.is_number() || value.integer() == INT64_MIN) run.error("abs of a value of type {}", type_name(value));
  return std::abs(value.integer());
}

Value round_filter(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"precision"});
  if (!value.is_number()) run.error("round of a value of type {}", type_name(value));
  if (bound[0] && !bound[0]->is(Kind::integer) && !bound[0]->is(Kind::boolean)) run.error("round needs an integer");
  const std::int64_t digits = bound[0] ? bound[0]->integer() : 0;
  if (digits < 0 || digits > 15) run.error("round to {} digits", digits);
  if (!value.is(Kind::floating)) return value.integer();
  return *parse_float(fmt::format("{:.{}f}", value.number(), digits));  // ties to even, as Python
}

Value reverse(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  Values items = run.iterate(value)->items;
  std::ranges::reverse(items);
  if (!value.is(Kind::string)) return make_list(std::move(items));
  std::string out;
  for (const Value& character : items) out += character.string();
  return out;
}

/// Strings without regard to case unless asked for.
Value sort_key(Interpreter& run, const Value& item, const Value* attribute, bool case_sensitive) {
  Value key = attribute ? path(run, item, *attribute) : item;
  return key.is(Kind::string) && !case_sensitive ? run.string(lower_case(key.string())) : key;
}

Value sort_by(Interpreter& run, Values items, const Value* attribute, bool case_sensitive, bool reversed) {
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : items) {
    Value key = sort_key(run, item, attribute, case_sensitive);
    keyed.emplace_back(std::move(key), std::move(item));
  }
  std::ranges::stable_sort(keyed, [&](const auto& a, const auto& b) {
    const int sign = order(a.first, b.first, run.budget());
    return reversed ? sign > 0 : sign < 0;
  });
  items.clear();
  for (auto& entry : keyed) items.push_back(std::move(entry.second));
  return make_list(std::move(items));
}

Value sort(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"reverse", "case_sensitive", "attribute"});
  return sort_by(run, run.iterate(value)->items, bound[2], bound[1] && truthy(*bound[1]),
                 bound[0] && truthy(*bound[0]));
}

Value dictsort(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"case_sensitive", "by", "reverse"});
  const bool by_value = bound[1] && bound[1]->is(Kind::string) && bound[1]->string() == "value";
  const Value place(by_value ? 1 : 0);
  if (value.is(Kind::undefined)) run.error("{}", value.undefined().what);
  return sort_by(run, items(run, value, {}).list().items, &place, bound[0] && truthy(*bound[0]),
                 bound[2] && truthy(*bound[2]));
}

Value unique(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"case_sensitive", "attribute"});
  Values keys, out;
  const auto elements = run.iterate(value);
  for (const Value& item : elements->items) {
    Value key = sort_key(run, item, bound[1], bound[0] && truthy(*bound[0]));
    run.check_hashable(key);
    if (std::ranges::any_of(keys, [&](const Value& x) { return equal(x, key, run.budget()); })) continue;
    keys.push_back(std::move(key));
    out.push_back(item);
  }
  return make_list(std::move(out));
}

template <bool largest>
Value extreme(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"case_sensitive", "attribute"});
  const Value sorted = sort_by(run, run.iterate(value)->items, bound[1], bound[0] && truthy(*bound[0]), largest);
  return end_item<false>(run, sorted, {});
}

Value indent(Interpreter& run, const Value& value, const Args& args) {
  const auto bound = args.bind(run, {"width", "first", "blank"});
  const std::int64_t width = bound[0] && bound[0]->is(Kind::integer) ? bound[0]->integer() : 4;
  if (width < 0 || width > 1000) run.error("indent by {}", width);
  if (!value.is(Kind::string)) run.error("indent of a value of type {}", type_name(value));
  const std::string space =
      bound[0] && bound[0]->is(Kind::string) ? bound[0]->string() : std::string(static_cast<std::size_t>(width), ' ');
  const bool blank = bound[2] && truthy(*bound[2]);
  const Value text(value.string() + "\n");
  const Value lines = call_method(run, text, "splitlines", {});
  std::string out;
  for (std::size_t i = 0; i < lines.list().items.size(); ++i) {
    const std::string& line = lines.list().items[i].string();
    if (i) out += '\n';
    if (i ? blank || !line.empty() : bound[1] && truthy(*bound[1])) out += space;
    out += line;
    run.budget().spend(space.size() + line.size());
  }
  return out;
}

Value same(Interpreter& run, const Value& value, const Args& args) {
  no_arguments(run, args);
  return value;
}

constexpr FilterRow kFilters[] = {
    {"trim", trim},
    {"tojson", to_json_filter},
    {"length", length},
    {"count", length},
    {"upper", change_case_filter<true>},
    {"lower", change_case_filter<false>},
    {"capitalize", capitalize},
    {"title", title},
    {"join", join},
    {"default", default_filter},
    {"d", default_filter},
    {"first", end_item<false>},
    {"last", end_item<true>},
    {"replace", replace_filter},
    {"items", items},
    {"list", list},
    {"map", map},
    {"select", select<false, true>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<true, false>},
    {"string", string_filter},
    {"int", to_integer},
    {"float", to_float},
    {"abs", absolute},
    {"round", round_filter},
    {"reverse", reverse},
    {"sort", sort},
    {"dictsort", dictsort},
    {"unique", unique},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"indent", indent},
    {"safe", same},
};

}  // namespace

bool is_known_filter(std::string_view name) { return std::ranges::count(kFilters, name, &FilterRow::name) > 0; }

Value apply_filter(Interpreter& run, std::string_view name, const Value& value, const Args& args) {
  const auto row = std::ranges::find(kFilters, name, &FilterRow::name);
  if (row == std::end(kFilters)) run.unsupported("unknown filter '{}'", name);  // a name that map() was given
  const Interpreter::Deeper deeper(run);
  return row->run(run, value, args);
}

}  // namespace openinfer::jinja
