// SPDX-License-Identifier: Apache-2.0
// Values of expressions, with Python's meaning of operators, indices and slices.
#include <algorithm>
#include <cmath>

#include "lib/text/jinja/interpreter.h"

namespace openinfer::jinja {

namespace {

Value missing_attribute(const Value& object, std::string_view name) {
  return Undefined{fmt::format("'{}' object has no attribute '{}'", type_name(object), name)};
}

}  // namespace

Value Interpreter::evaluate(const Node& node, const Scope& scope) {
  const Deeper deeper(*this);
  const auto child = [&](std::size_t i) { return evaluate(*node.children[i], scope); };
  switch (node.kind) {
    case NodeKind::constant: return node.value;
    case NodeKind::variable: return variable(node, scope);
    case NodeKind::list: return make_list(evaluate_all(node, scope));
    case NodeKind::tuple: return make_list(evaluate_all(node, scope), Sequence::tuple);
    case NodeKind::dict: return dict(node, scope);
    case NodeKind::attribute: {
      const Value object = child(0);
      position_ = node.at;
      return attribute(object, node.text);
    }
    case NodeKind::item: {
      const Value object = child(0), key = child(1);
      position_ = node.at;
      return item(object, key);
    }
    case NodeKind::slice: return slice(node, scope);
    case NodeKind::call: return call_node(node, scope);
    case NodeKind::filter: return filter_node(node, scope, nullptr);
    case NodeKind::test: return test_node(node, scope);
    case NodeKind::negate:
    case NodeKind::plus:
    case NodeKind::logical_not:
    case NodeKind::binary:
    case NodeKind::concat:
    case NodeKind::logical_and:
    case NodeKind::logical_or:
    case NodeKind::compare:
    case NodeKind::conditional: return operation(node, scope);
    case NodeKind::text:
    case NodeKind::output:
    case NodeKind::block:
    case NodeKind::scoped:
    case NodeKind::branch:
    case NodeKind::loop:
    case NodeKind::assign:
    case NodeKind::capture:
    case NodeKind::capture_filter:
    case NodeKind::macro:
    case NodeKind::loop_break:
    case NodeKind::loop_continue: break;
  }
  fail(ErrorCode::internal, "[chat template] a statement stands for an expression");
}

Value Interpreter::operation(const Node& node, const Scope& scope) {
  const auto child = [&](std::size_t i) { return evaluate(*node.children[i], scope); };
  if (node.kind == NodeKind::compare) return compare(node, scope);
  if (node.kind == NodeKind::logical_not) return !truthy(child(0));
  if (node.kind == NodeKind::conditional) {
    if (truthy(child(0))) return child(1);
    return node.children[2] ? child(2) : Value(Undefined{"the inline if has no else"});
  }
  if (node.kind == NodeKind::logical_and || node.kind == NodeKind::logical_or) {
    Value value;
    for (const auto& part : node.children)
      if (value = evaluate(*part, scope); truthy(value) == (node.kind == NodeKind::logical_or)) break;
    return value;
  }
  if (node.kind == NodeKind::concat) {
    std::string text;
    for (const auto& part : node.children) text += to_text(evaluate(*part, scope), budget_);
    return string(std::move(text));
  }
  const Value a = child(0), b = node.kind == NodeKind::binary ? child(1) : Value();
  position_ = node.at;
  return node.kind == NodeKind::binary ? binary(node.text, a, b) : negated(a, node.kind == NodeKind::negate);
}

Value Interpreter::test_node(const Node& node, const Scope& scope) {
  const Value value = evaluate(*node.children[0], scope);
  const Args args = arguments(node, scope);
  position_ = node.at;
  return apply_test(*this, node.text, value, args);
}

Values Interpreter::evaluate_all(const Node& node, const Scope& scope) {
  Values values;
  for (const auto& part : node.children) values.push_back(evaluate(*part, scope));
  budget_.spend(values.size() * 4);
  return values;
}

Value Interpreter::dict(const Node& node, const Scope& scope) {
  Values parts = evaluate_all(node, scope);
  std::vector<std::pair<Value, Value>> items;
  for (std::size_t i = 0; i < parts.size(); i += 2) {
    position_ = node.at;
    check_hashable(parts[i]);
    const auto same =
        std::ranges::find_if(items, [&](const auto& entry) { return equal(entry.first, parts[i], budget_); });
    if (same != items.end()) {
      same->second = parts[i + 1];
    } else {
      items.emplace_back(parts[i], parts[i + 1]);
    }
  }
  return make_dict(std::move(items));
}

Args Interpreter::arguments(const Node& node, const Scope& scope) {
  Args args;
  const std::size_t named = node.children.size() - node.names.size();
  for (std::size_t i = 1; i < named; ++i) args.positional.push_back(evaluate(*node.children[i], scope));
  for (std::size_t i = 0; i < node.names.size(); ++i)
    args.named.emplace_back(node.names[i], evaluate(*node.children[named + i], scope));
  return args;
}

Value Interpreter::call_node(const Node& node, const Scope& scope) {
  const Value callee = evaluate(*node.children[0], scope);
  const Args args = arguments(node, scope);
  position_ = node.at;
  return call(callee, args);
}

/// `input` stands for the absent first child of a block's filters.
Value Interpreter::filter_node(const Node& node, const Scope& scope, const Value* input) {
  const Node* first = node.children[0].get();
  const Value value = first   ? (input ? filter_node(*first, scope, input) : evaluate(*first, scope))
                      : input ? *input
                              : Value();
  const Args args = arguments(node, scope);
  position_ = node.at;
  return apply_filter(*this, node.text, value, args);
}

Value Interpreter::compare(const Node& node, const Scope& scope) {
  Value left = evaluate(*node.children[0], scope);
  for (std::size_t i = 0; i < node.names.size(); ++i) {
    Value right = evaluate(*node.children[i + 1], scope);
    position_ = node.at;
    const std::string& op = node.names[i];
    bool holds = false;
    if (op == "==" || op == "!=") {
      holds = equal(left, right, budget_) == (op == "==");
    } else if (op == "in" || op == "notin") {
      holds = contains(right, left) == (op == "in");
    } else {
      if (left.is(Kind::undefined)) error("{}", left.undefined().what);
      const bool nan = (left.is(Kind::floating) && std::isnan(left.number())) ||
                       (right.is(Kind::floating) && std::isnan(right.number()));
      const int sign = order(left, right, budget_);
      holds = !nan && (op == "<" ? sign < 0 : op == "<=" ? sign <= 0 : op == ">" ? sign > 0 : sign >= 0);
    }
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::binary(const std::string& op, const Value& a, const Value& b) {
  if (a.is(Kind::undefined) || b.is(Kind::undefined)) error("{}", (a.is(Kind::undefined) ? a : b).undefined().what);
  if (a.is_number() && b.is_number())
    return op == "/" || a.is(Kind::floating) || b.is(Kind::floating) ? floats(op, a.number(), b.number())
                                                                     : integers(op, a.integer(), b.integer());
  if (op == "+" && a.is(Kind::string) && b.is(Kind::string)) {
    budget_.spend(a.string().size() + b.string().size());
    return a.string() + b.string();
  }
  if (op == "+" && a.is(Kind::list) && b.is(Kind::list) && a.list().type == b.list().type &&
      a.list().type <= Sequence::tuple) {
    budget_.spend((a.list().items.size() + b.list().items.size()) * sizeof(Value));
    Values items = a.list().items;
    items.insert(items.end(), b.list().items.begin(), b.list().items.end());
    return make_list(std::move(items), a.list().type);
  }
  if (op == "*" && b.is_number() && !b.is(Kind::floating)) return repeat(a, b.integer());
  if (op == "*" && a.is_number() && !a.is(Kind::floating)) return repeat(b, a.integer());
  if (op == "%" && a.is(Kind::string)) unsupported("formatting with % is not known; use ~");
  error("{} of '{}' and '{}'", op, type_name(a), type_name(b));
}

Value Interpreter::repeat(const Value& sequence, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  const auto pay = [&](std::size_t size) {
    std::size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total)) total = SIZE_MAX;
    budget_.spend(total);
  };
  if (sequence.is(Kind::string)) {
    pay(sequence.string().size());
    std::string text;
    for (std::size_t i = 0; i < count && !sequence.string().empty(); ++i) text += sequence.string();
    return text;
  }
  if (!sequence.is(Kind::list) || sequence.list().type > Sequence::tuple)
    error("* of '{}' and 'int'", type_name(sequence));
  pay(sequence.list().items.size() * sizeof(Value));
  Values items;
  for (std::size_t i = 0; i < count && !sequence.list().items.empty(); ++i)
    items.insert(items.end(), sequence.list().items.begin(), sequence.list().items.end());
  return make_list(std::move(items), sequence.list().type);
}

Value Interpreter::attribute(const Value& object, std::string_view name) const {
  if (object.is(Kind::undefined)) error("{}, but its attribute '{}' is used", object.undefined().what, name);
  if (object.is(Kind::loop)) return loop_attribute(object.loop(), name);
  if (object.is(Kind::callable) && object.callable().macro) return macro_attribute(object.callable(), name);
  if (object.is(Kind::name_space))
    for (const auto& [key, value] : object.name_space().items)
      if (key == name) return value;
  if (has_method(*this, object, name))
    return std::make_shared<const Callable>(Callable{std::string(name), nullptr, object});
  if (object.is(Kind::dict))
    if (const Value* found = object.dict().find(name, budget_)) return *found;
  return object.is(Kind::list) ? sequence_attribute(object, name) : missing_attribute(object, name);
}

Value Interpreter::item(const Value& object, const Value& key) const {
  if (object.is(Kind::undefined)) error("{}, but an element of it is used", object.undefined().what);
  if (object.is(Kind::dict)) {
    if (key.is(Kind::string)) {
      if (const Value* found = object.dict().find(key.string(), budget_)) return *found;
    } else {
      for (const auto& [name, value] : object.dict().items)
        if (equal(name, key, budget_)) return value;
    }
  }
  const bool has_places = object.is(Kind::string) || (object.is(Kind::list) && !object.list().is_view());
  if (has_places && (key.is(Kind::integer) || key.is(Kind::boolean))) {
    const auto parts = object.is(Kind::string) ? characters(object.string()) : std::vector<std::string_view>();
    budget_.spend(parts.size());
    const auto size = static_cast<std::int64_t>(object.is(Kind::string) ? parts.size() : object.list().items.size());
    const std::int64_t i = key.integer() < 0 ? key.integer() + size : key.integer();
    if (i >= 0 && i < size) {
      const auto at = static_cast<std::size_t>(i);
      return object.is(Kind::string) ? Value(parts[at]) : object.list().items[at];
    }
    return Undefined{fmt::format("{} has no element {}", type_name(object), key.integer())};
  }
  if (key.is(Kind::string)) return attribute(object, key.string());
  return Undefined{fmt::format("'{}' object has no such element", type_name(object))};
}

Value Interpreter::macro_attribute(const Callable& macro, std::string_view name) const {
  if (name == "name") return macro.name;
  if (name == "arguments") return make_list({macro.macro->names.begin(), macro.macro->names.end()}, Sequence::tuple);
  for (const std::string_view other : {"caller", "explicit_caller", "catch_kwargs", "catch_varargs"})
    if (name == other) unsupported("the attribute '{}' of a macro is not known", name);
  return Undefined{fmt::format("'Macro' object has no attribute '{}'", name)};
}

Value Interpreter::sequence_attribute(const Value& sequence, std::string_view name) const {
  const List& list = sequence.list();
  if (list.type == Sequence::range) {
    if (name == "start") return list.start;
    if (name == "stop") return list.stop;
    if (name == "step") return list.step;
  }
  if (list.is_view() && (name == "mapping" || name == "isdisjoint"))
    unsupported("{}.{} is not known", type_name(sequence), name);
  return missing_attribute(sequence, name);
}

Value Interpreter::loop_attribute(const Loop& loop, std::string_view name) const {
  const auto& items = loop.items->items;
  const auto index = static_cast<std::int64_t>(loop.index), length = static_cast<std::int64_t>(items.size());
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return length - index;
  if (name == "revindex0") return length - index - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index + 1 == length;
  if (name == "length") return length;
  if (name == "depth" || name == "depth0") return name == "depth" ? 1 : 0;  // deeper only in recursive loops
  if (name == "previtem") return index > 0 ? items[loop.index - 1] : Value(Undefined{"there is no previous item"});
  if (name == "nextitem") return index + 1 < length ? items[loop.index + 1] : Value(Undefined{"there is no next item"});
  if (name == "cycle")
    return std::make_shared<const Callable>(Callable{"cycle", nullptr, std::make_shared<const Loop>(loop)});
  unsupported("loop.{} is not known", name);
}

std::shared_ptr<const List> Interpreter::iterate(const Value& value) {
  if (value.is(Kind::list)) {
    budget_.spend(value.list().items.size());
    return value.shared_list();
  }
  auto out = std::make_shared<List>();
  if (value.is(Kind::dict)) {
    for (const auto& entry : value.dict().items) out->items.push_back(entry.first);
  } else if (value.is(Kind::string)) {
    budget_.spend(value.string().size() * sizeof(Value));
    for (const auto character : characters(value.string())) out->items.emplace_back(character);
  } else if (!value.is(Kind::undefined)) {
    error("a value of type {} has no elements", type_name(value));
  }
  budget_.spend(out->items.size() * 4);
  return out;
}

void Interpreter::check_hashable(const Value& key) const {
  if (const Value* bad = unhashable(key, budget_))
    error("a key of type {}, which Python cannot hash; use a string", type_name(*bad));
}

bool Interpreter::contains(const Value& container, const Value& value) {
  if (container.is(Kind::string)) {
    if (!value.is(Kind::string)) error("'in <string>' needs a string, not {}", type_name(value));
    budget_.spend(container.string().size() / 8);
    return find(container.string(), value.string(), 0, budget_) != std::string::npos;
  }
  if (container.is(Kind::dict) || (container.is(Kind::list) && container.list().type == Sequence::dict_keys))
    check_hashable(value);
  const auto items = iterate(container);
  return std::ranges::any_of(items->items, [&](const Value& x) { return equal(x, value, budget_); });
}

Value Interpreter::slice(const Node& node, const Scope& scope) {
  const Value object = evaluate(*node.children[0], scope);
  Value bounds[3];
  for (std::size_t i = 0; i < 3; ++i)
    bounds[i] = node.children[i + 1] ? evaluate(*node.children[i + 1], scope) : Value(None{});
  position_ = node.at;
  if (object.is(Kind::undefined)) error("{}, but a slice of it is used", object.undefined().what);
  if (!object.is(Kind::string) && (!object.is(Kind::list) || object.list().is_view()))
    error("a slice of a value of type {}", type_name(object));
  for (const Value& bound : bounds)
    if (!bound.is(Kind::none) && !bound.is(Kind::integer) && !bound.is(Kind::boolean))
      error("a slice by {}", type_name(bound));
  const auto parts = object.is(Kind::string) ? characters(object.string()) : std::vector<std::string_view>();
  const auto size = static_cast<std::int64_t>(object.is(Kind::string) ? parts.size() : object.list().items.size());
  budget_.spend(static_cast<std::size_t>(size));
  const std::int64_t step =
      bounds[2].is(Kind::none) ? 1 : std::clamp<std::int64_t>(bounds[2].integer(), -size - 1, size + 1);
  if (step == 0) error("a slice with step 0");
  // As Python's slice.indices: bounds count from the end if negative, and are cut to what a walk can reach.
  const std::int64_t least = step < 0 ? -1 : 0, most = step < 0 ? size - 1 : size;
  const auto index = [&](const Value& bound, std::int64_t absent) {
    if (bound.is(Kind::none)) return absent;
    const std::int64_t i = bound.integer();
    return std::clamp(i < 0 ? i + size : i, least, most);
  };
  const std::int64_t first = index(bounds[0], step < 0 ? most : least),
                     last = index(bounds[1], step < 0 ? least : most);
  std::string text;
  Values items;
  for (std::int64_t i = first; step > 0 ? i < last : i > last; i += step) {
    const auto at = static_cast<std::size_t>(i);
    if (object.is(Kind::string)) {
      text += parts[at];
    } else {
      items.push_back(object.list().items[at]);
    }
  }
  if (object.is(Kind::string)) return text;
  if (object.list().type != Sequence::range) return make_list(std::move(items), object.list().type);
  return range_slice(object.list(), std::move(items), first, last, bounds[2].is(Kind::none) ? 1 : bounds[2].integer());
}

/// A range that has these items of another's, which are `first`, first + step, … before `last`.
Value Interpreter::range_slice(const List& range, Values items, std::int64_t first, std::int64_t last,
                               std::int64_t step) const {
  List part{std::move(items), Sequence::range, range.nesting, 0, 0, 1};
  const auto place = [&](std::int64_t index, std::int64_t& value) {
    return __builtin_mul_overflow(index, range.step, &value) || __builtin_add_overflow(range.start, value, &value);
  };
  if (place(first, part.start) || place(last, part.stop) || __builtin_mul_overflow(range.step, step, &part.step))
    error("a slice of a range beyond 64 bits");
  return std::make_shared<const List>(std::move(part));
}

}  // namespace openinfer::jinja
