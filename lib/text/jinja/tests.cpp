// SPDX-License-Identifier: Apache-2.0
// `value is name(argument)`.
#include <algorithm>

#include "lib/text/jinja/interpreter.h"

namespace openinfer::jinja {

namespace {

using Test = bool (*)(Interpreter&, const Value&, const Value* argument);
struct TestRow {
  std::string_view name;
  bool takes_argument;
  Test run;
};

bool is_even(Interpreter& run, const Value& value, std::int64_t divisor) {
  if (!value.is(Kind::integer) && !value.is(Kind::boolean))
    run.error("divisibility of a value of type {}", type_name(value));
  if (divisor == 0) run.error("division by zero");
  return divisor == -1 || value.integer() % divisor == 0;
}

bool in_case(Interpreter& run, const Value& value, bool upper) {
  const std::string text = to_text(value, run.budget());
  return upper ? is_upper(text) : is_lower(text);
}

constexpr TestRow kTests[] = {
    {"defined", false, [](Interpreter&, const Value& v, const Value*) { return !v.is(Kind::undefined); }},
    {"undefined", false, [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::undefined); }},
    {"none", false, [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::none); }},
    {"string", false, [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::string); }},
    {"mapping", false, [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::dict); }},
    {"boolean", false, [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::boolean); }},
    {"integer", false, [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::integer); }},
    {"float", false, [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::floating); }},
    {"number", false, [](Interpreter&, const Value& v, const Value*) { return v.is_number(); }},
    // jinja2's Undefined has a __call__, which raises.
    {"callable", false,
     [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::callable) || v.is(Kind::undefined); }},
    {"true", false, [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::boolean) && v.boolean(); }},
    {"false", false, [](Interpreter&, const Value& v, const Value*) { return v.is(Kind::boolean) && !v.boolean(); }},
    // jinja2 asks for len() and iter(): its Undefined has both.
    {"iterable", false,
     [](Interpreter&, const Value& v, const Value*) {
       return v.is(Kind::list) || v.is(Kind::dict) || v.is(Kind::string) || v.is(Kind::undefined) || v.is(Kind::loop);
     }},
    {"sequence", false,
     [](Interpreter&, const Value& v, const Value*) {
       if (v.is(Kind::list)) return !v.list().is_view();
       return v.is(Kind::dict) || v.is(Kind::string) || v.is(Kind::undefined);
     }},
    {"odd", false, [](Interpreter& run, const Value& v, const Value*) { return !is_even(run, v, 2); }},
    {"even", false, [](Interpreter& run, const Value& v, const Value*) { return is_even(run, v, 2); }},
    {"lower", false, [](Interpreter& run, const Value& v, const Value*) { return in_case(run, v, false); }},
    {"upper", false, [](Interpreter& run, const Value& v, const Value*) { return in_case(run, v, true); }},
    {"divisibleby", true,
     [](Interpreter& run, const Value& v, const Value* by) {
       if (!by->is(Kind::integer)) run.error("divisibleby needs an integer");
       return is_even(run, v, by->integer());
     }},
    {"eq", true, [](Interpreter& run, const Value& v, const Value* x) { return equal(v, *x, run.budget()); }},
    {"ne", true, [](Interpreter& run, const Value& v, const Value* x) { return !equal(v, *x, run.budget()); }},
    {"lt", true, [](Interpreter& run, const Value& v, const Value* x) { return order(v, *x, run.budget()) < 0; }},
    {"le", true, [](Interpreter& run, const Value& v, const Value* x) { return order(v, *x, run.budget()) <= 0; }},
    {"gt", true, [](Interpreter& run, const Value& v, const Value* x) { return order(v, *x, run.budget()) > 0; }},
    {"ge", true, [](Interpreter& run, const Value& v, const Value* x) { return order(v, *x, run.budget()) >= 0; }},
    {"in", true, [](Interpreter& run, const Value& v, const Value* x) { return run.contains(*x, v); }},
    {"sameas", true,
     [](Interpreter& run, const Value& v, const Value* x) {
       return v.kind() == x->kind() && equal(v, *x, run.budget());
     }},
};

struct Alias {
  std::string_view name, means;
};
constexpr Alias kAliases[] = {{"equalto", "eq"}, {"==", "eq"}, {"!=", "ne"},          {"<", "lt"}, {"lessthan", "lt"},
                              {"<=", "le"},      {">", "gt"},  {"greaterthan", "gt"}, {">=", "ge"}};

const TestRow* find_row(std::string_view name) {
  for (const Alias& alias : kAliases)
    if (alias.name == name) name = alias.means;
  const auto row = std::ranges::find(kTests, name, &TestRow::name);
  return row == std::end(kTests) ? nullptr : row;
}

}  // namespace

bool is_known_test(std::string_view name) { return find_row(name) != nullptr; }

bool apply_test(Interpreter& run, std::string_view name, const Value& value, const Args& args) {
  const TestRow* row = find_row(name);
  if (!row) run.unsupported("unknown test '{}'", name);
  if (args.positional.size() != row->takes_argument || !args.named.empty())
    run.error("test '{}' takes {} argument", name, row->takes_argument ? "one" : "no");
  return row->run(run, value, row->takes_argument ? &args.positional[0] : nullptr);
}

}  // namespace openinfer::jinja
