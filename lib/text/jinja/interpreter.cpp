// SPDX-License-Identifier: Apache-2.0
// Statements, scopes and calls; expressions are in expressions.cpp.
#include "lib/text/jinja/interpreter.h"

#include <algorithm>
#include <ctime>

namespace openinfer::jinja {

std::vector<const Value*> Args::bind(const Interpreter& at, std::initializer_list<std::string_view> parameters) const {
  if (positional.size() > parameters.size())
    at.error("{} arguments where at most {} are taken", positional.size(), parameters.size());
  std::vector<const Value*> bound(parameters.size(), nullptr);
  for (std::size_t i = 0; i < positional.size(); ++i) bound[i] = &positional[i];
  for (const auto& [name, value] : named) {
    const auto i = static_cast<std::size_t>(std::ranges::find(parameters, name) - parameters.begin());
    if (i == parameters.size()) at.error("unknown argument '{}'", name);
    if (bound[i]) at.error("argument '{}' is given twice", name);
    bound[i] = &value;
  }
  return bound;
}

std::string Interpreter::run(const Node& program) {
  try {
    execute(program, globals_);
  } catch (const Error& wrong) {
    if (wrong.message().starts_with("[")) throw;
    fail_template(wrong.code(), position_, "{}", wrong.message());  // thrown where no position was known
  }
  return std::move(out_);
}

void Interpreter::write(std::string_view text) {
  budget_.spend(text.size());
  budget_.check_output(out_.size() + text.size());
  out_ += text;
}

Interpreter::Flow Interpreter::execute_all(const Node& node, Scope& scope) {
  for (const auto& child : node.children)
    if (const Flow flow = execute(*child, scope); flow != Flow::normal) return flow;
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const Node& node, Scope& scope) {
  const Deeper deeper(*this);
  position_ = node.at;
  switch (node.kind) {
    case NodeKind::text: write(node.text); return Flow::normal;
    case NodeKind::output: {
      const Value value = evaluate(*node.children[0], scope);
      write(value.is(Kind::string) ? value.string() : to_text(value, budget_));
      return Flow::normal;
    }
    case NodeKind::block: return execute_all(node, scope);
    case NodeKind::scoped: {
      Scope inner{&scope, {}};
      return execute_all(node, inner);
    }
    case NodeKind::branch: return branch(node, scope);
    case NodeKind::loop: return loop(node, scope);
    case NodeKind::assign: assign(node, scope); return Flow::normal;
    case NodeKind::capture:
    case NodeKind::capture_filter: captured(node, scope); return Flow::normal;
    case NodeKind::macro: {
      auto callable = std::make_shared<const Callable>(Callable{node.text, &node, {}});
      set(scope, node.text, std::move(callable));
      return Flow::normal;
    }
    case NodeKind::loop_break: return Flow::break_loop;
    case NodeKind::loop_continue: return Flow::continue_loop;
    case NodeKind::constant:
    case NodeKind::variable:
    case NodeKind::list:
    case NodeKind::tuple:
    case NodeKind::dict:
    case NodeKind::attribute:
    case NodeKind::item:
    case NodeKind::slice:
    case NodeKind::call:
    case NodeKind::filter:
    case NodeKind::test:
    case NodeKind::negate:
    case NodeKind::plus:
    case NodeKind::logical_not:
    case NodeKind::binary:
    case NodeKind::concat:
    case NodeKind::logical_and:
    case NodeKind::logical_or:
    case NodeKind::compare:
    case NodeKind::conditional: break;
  }
  fail(ErrorCode::internal, "[chat template] an expression stands for a statement");
}

Interpreter::Flow Interpreter::branch(const Node& node, Scope& scope) {
  std::size_t i = 0;
  for (; i + 1 < node.children.size(); i += 2)
    if (truthy(evaluate(*node.children[i], scope))) return execute(*node.children[i + 1], scope);
  return i < node.children.size() ? execute(*node.children[i], scope) : Flow::normal;
}

/// What the loop runs over: the elements that its condition lets through.
std::shared_ptr<const List> Interpreter::loop_items(const Node& node, Scope& scope) {
  auto items = iterate(evaluate(*node.children[0], scope));
  if (!node.children[1]) return items;
  Values kept;
  for (const Value& item : items->items) {
    Scope inner{&scope, {}};
    bind_targets(node, inner, item);
    if (truthy(evaluate(*node.children[1], inner))) kept.push_back(item);
  }
  return std::make_shared<const List>(List{std::move(kept), Sequence::list, items->nesting, 0, 0, 1});
}

Interpreter::Flow Interpreter::loop(const Node& node, Scope& scope) {
  const auto items = loop_items(node, scope);
  for (std::size_t i = 0; i < items->items.size(); ++i) {
    Scope inner{&scope, {}};
    inner.names.emplace_back("loop", std::make_shared<const Loop>(Loop{items, i}));
    position_ = node.at;
    bind_targets(node, inner, items->items[i]);
    if (execute(*node.children[2], inner) == Flow::break_loop) break;
  }
  if (items->items.empty() && node.children[3]) {
    Scope inner{&scope, {}};
    return execute(*node.children[3], inner);
  }
  return Flow::normal;
}

void Interpreter::bind_targets(const Node& node, Scope& scope, const Value& value) {
  if (node.names.size() == 1) return set(scope, node.names[0], value);
  const auto parts = iterate(value);
  if (parts->items.size() != node.names.size()) error("{} values for {} names", parts->items.size(), node.names.size());
  for (std::size_t i = 0; i < node.names.size(); ++i) set(scope, node.names[i], parts->items[i]);
}

void Interpreter::assign(const Node& node, Scope& scope) {
  const Value value = evaluate(*node.children[0], scope);
  position_ = node.at;
  bind_targets(node, scope, value);
}

void Interpreter::set(Scope& scope, const std::string& target, Value value) {
  const auto dot = target.find('.');
  if (dot == target.npos) {
    const auto found = std::ranges::find(scope.names, target, [](const auto& entry) { return entry.first; });
    if (found != scope.names.end()) {
      found->second = std::move(value);
    } else {
      scope.names.emplace_back(target, std::move(value));
    }
    return;
  }
  const Node holder{NodeKind::variable, position_, target.substr(0, dot), {}, {}, {}, 1};
  const Value object = variable(holder, scope);
  if (!object.is(Kind::name_space)) error("'{}' is no namespace: its attributes cannot be set", holder.text);
  auto& items = object.name_space().items;
  const std::string name = target.substr(dot + 1);
  const auto found = std::ranges::find(items, name, [](const auto& entry) { return entry.first; });
  if (found != items.end()) {
    found->second = std::move(value);
  } else {
    items.emplace_back(name, std::move(value));
  }
}

void Interpreter::captured(const Node& node, Scope& scope) {
  Value text = string(capture(*node.children[0], scope));
  if (node.children.size() > 1) text = filter_node(*node.children[1], scope, &text);
  if (node.kind == NodeKind::capture) return set(scope, node.names[0], std::move(text));
  write(to_text(text, budget_));
}

std::string Interpreter::capture(const Node& body, Scope& scope) {
  std::string outside = std::exchange(out_, {});
  execute(body, scope);
  return std::exchange(out_, std::move(outside));
}

Value Interpreter::variable(const Node& node, const Scope& scope) const {
  for (const Scope* at = &scope; at; at = at->parent)
    for (const auto& [name, value] : at->names)
      if (name == node.text) return value;
  if (const Value* value = variables_.find(node.text, budget_)) return *value;
  for (const std::string_view name :
       {"namespace", "range", "dict", "raise_exception", "strftime_now", "cycler", "joiner", "lipsum"})
    if (name == node.text) return std::make_shared<const Callable>(Callable{node.text, nullptr, {}});
  if (node.text == "self" || (macros_ && (node.text == "varargs" || node.text == "kwargs"))) {
    fail_template(ErrorCode::unsupported, node.at, "jinja2's name '{}' is not known", node.text);
  }
  return Undefined{fmt::format("'{}' is undefined", node.text)};
}

// ---- calls ----

Value Interpreter::call(const Value& callee, const Args& args) {
  const Deeper deeper(*this);
  if (callee.is(Kind::undefined)) error("{}, but it is called", callee.undefined().what);
  if (!callee.is(Kind::callable)) error("a value of type {} is called", type_name(callee));
  const Callable& function = callee.callable();
  if (function.macro) return call_macro(*function.macro, args);
  if (function.self.is(Kind::undefined)) return call_global(function.name, args);
  return call_method(*this, function.self, function.name, args);
}

Value Interpreter::call_macro(const Node& macro, const Args& args) {
  const auto& names = macro.names;
  const Position caller = position_;
  if (args.positional.size() > names.size())
    error("macro '{}' takes {} arguments, not {}", macro.text, names.size(), args.positional.size());
  Scope scope{&globals_, {}};
  for (std::size_t i = 0; i < args.positional.size(); ++i) scope.names.emplace_back(names[i], args.positional[i]);
  for (const auto& [name, value] : args.named) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) error("macro '{}' has no parameter '{}'", macro.text, name);
    if (found - names.begin() < static_cast<std::ptrdiff_t>(args.positional.size()))
      error("parameter '{}' of macro '{}' is given twice", name, macro.text);
    set(scope, *found, value);
  }
  const std::size_t first_default = names.size() - (macro.children.size() - 1);
  for (std::size_t i = args.positional.size(); i < names.size(); ++i) {
    if (std::ranges::any_of(scope.names, [&](const auto& entry) { return entry.first == names[i]; })) continue;
    Value value = Undefined{fmt::format("parameter '{}' was not provided", names[i])};
    if (i >= first_default) value = evaluate(*macro.children[1 + i - first_default], scope);
    scope.names.emplace_back(names[i], std::move(value));
  }
  ++macros_;
  std::string text = capture(*macro.children[0], scope);
  --macros_;
  position_ = caller;
  return string(std::move(text));
}

Value Interpreter::call_global(std::string_view name, const Args& args) {
  if (name == "range") return range(args);
  if (name == "strftime_now") return strftime_now(args);
  if (name == "raise_exception") {
    const auto bound = args.bind(*this, {"message"});
    error("the template refuses: {}", bound[0] ? to_text(*bound[0], budget_) : "");
  }
  if (name != "namespace" && name != "dict") unsupported("the function {} is not known", name);
  // namespace(a=1) and dict(a=1), or of a dict
  if (args.positional.size() > 1) error("{} takes one dict and names", name);
  std::vector<std::pair<Value, Value>> items;
  if (!args.positional.empty()) {
    if (!args.positional[0].is(Kind::dict)) error("{} of a value of type {}", name, type_name(args.positional[0]));
    items = args.positional[0].dict().items;
  }
  for (const auto& [key, value] : args.named) items.emplace_back(Value(key), value);
  budget_.spend(items.size() + 16);
  if (name == "dict") return make_dict(std::move(items));
  Namespace& fresh = namespaces_.emplace_back();
  for (auto& [key, value] : items) fresh.items.emplace_back(to_text(key, budget_), std::move(value));
  return &fresh;
}

Value Interpreter::range(const Args& args) {
  const auto bound = args.bind(*this, {"start", "stop", "step"});
  if (!bound[0]) error("range needs a bound");
  for (const Value* value : bound)
    if (value && !value->is(Kind::integer) && !value->is(Kind::boolean))
      error("range of a value of type {}", type_name(*value));
  const std::int64_t start = bound[1] ? bound[0]->integer() : 0,
                     stop = bound[1] ? bound[1]->integer() : bound[0]->integer();
  const std::int64_t step = bound[2] ? bound[2]->integer() : 1;
  // The limit of jinja2's sandbox, which also keeps the arithmetic below far from overflow.
  constexpr std::int64_t kMost = 100000, kFar = std::int64_t{1} << 60;
  if (step == 0 || std::max({std::abs(start / 2), std::abs(stop / 2), std::abs(step / 2)}) > kFar / 2)
    error("range with such bounds");
  const std::int64_t count =
      std::max<std::int64_t>(0, step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step);
  if (count > kMost) error("range of {} values; at most {} are allowed", count, kMost);
  budget_.spend(static_cast<std::size_t>(count) * sizeof(Value));
  Values items;
  for (std::int64_t i = 0; i < count; ++i) items.emplace_back(start + i * step);
  return std::make_shared<const List>(List{std::move(items), Sequence::range, 1, start, stop, step});
}

Value Interpreter::strftime_now(const Args& args) const {
  const auto bound = args.bind(*this, {"format"});
  if (!bound[0] || !bound[0]->is(Kind::string)) error("strftime_now needs a format");
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now_.value_or(std::chrono::system_clock::now()));
  std::tm parts{};
  if (!(now_ ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)))
    error("the time cannot be split into a date");
  char text[512];
  const std::string& format = bound[0]->string();
  const std::size_t size = std::strftime(text, sizeof text, format.c_str(), &parts);
  if (size == 0 && !format.empty()) error("strftime_now gives more than {} bytes, or nothing", sizeof text);
  return std::string(text, size);
}

}  // namespace openinfer::jinja
