// SPDX-License-Identifier: Apache-2.0
// What a template computes with: Python's values as far as chat templates see them. Strings, lists and dicts are
// immutable and shared (the sandbox that templates are written for forbids changing them); namespaces alone change,
// belong to the rendering, and are referred to by plain pointers, so no value can own itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace openinfer::jinja {

class Value;

/// The bounds of one rendering. Everything that takes time or memory spends from it; the Error is out_of_memory.
class Budget {
 public:
  Budget(std::size_t work, std::size_t output_bytes) : work_(work), limit_(work), output_bytes_(output_bytes) {}
  void spend(std::size_t work) {
    if (work > work_) exhausted();
    work_ -= work;
  }
  void check_output(std::size_t size_bytes) const {
    if (size_bytes > output_bytes_) too_long();
  }

 private:
  [[noreturn]] void exhausted() const;
  [[noreturn]] void too_long() const;
  std::size_t work_, limit_, output_bytes_;
};

struct Undefined {
  std::string what;  // "'name' is undefined", for the error if somebody uses it
};
struct None {};
struct List;
struct Dict;
struct Namespace;
struct Loop;
struct Callable;

enum class Kind { undefined, none, boolean, integer, floating, string, list, dict, name_space, loop, callable };

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(Undefined undefined) : data_(std::move(undefined)) {}
  Value(None none) : data_(none) {}
  Value(bool value) : data_(value) {}
  Value(std::int64_t value) : data_(value) {}
  Value(int value) : data_(std::int64_t{value}) {}
  Value(double value) : data_(value) {}
  Value(std::string text) : data_(std::make_shared<const std::string>(std::move(text))) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(std::shared_ptr<const List> list) : data_(std::move(list)) {}
  Value(std::shared_ptr<const Dict> dict) : data_(std::move(dict)) {}
  Value(Namespace* name_space) : data_(name_space) {}
  Value(std::shared_ptr<const Loop> loop) : data_(std::move(loop)) {}
  Value(std::shared_ptr<const Callable> callable) : data_(std::move(callable)) {}

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }
  bool is_number() const { return is(Kind::boolean) || is(Kind::integer) || is(Kind::floating); }

  const Undefined& undefined() const { return std::get<Undefined>(data_); }
  bool boolean() const { return std::get<bool>(data_); }
  std::int64_t integer() const { return is(Kind::boolean) ? boolean() : std::get<std::int64_t>(data_); }
  double number() const { return is(Kind::floating) ? std::get<double>(data_) : static_cast<double>(integer()); }
  const std::string& string() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
  std::shared_ptr<const List> shared_list() const { return std::get<std::shared_ptr<const List>>(data_); }
  const List& list() const { return *std::get<std::shared_ptr<const List>>(data_); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  Namespace& name_space() const { return *std::get<Namespace*>(data_); }
  const Loop& loop() const { return *std::get<std::shared_ptr<const Loop>>(data_); }
  const Callable& callable() const { return *std::get<std::shared_ptr<const Callable>>(data_); }

 private:
  // In the order of Kind.
  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, Namespace*, std::shared_ptr<const Loop>,
               std::shared_ptr<const Callable>>
      data_;
};

using Values = std::vector<Value>;

/// Lists within lists go this deep and no deeper, so that printing, comparing and freeing them may recurse.
inline constexpr int kMaxNesting = 100;

/// Python's types of what a list stands for: what they print as, and what they can do, differs.
enum class Sequence { list, tuple, range, dict_keys, dict_values, dict_items };
struct List {
  Values items;
  Sequence type = Sequence::list;
  int nesting = 1;
  std::int64_t start = 0, stop = 0, step = 1;  // of a range

  bool is_view() const { return type >= Sequence::dict_keys; }
};
struct Dict {
  std::vector<std::pair<Value, Value>> items;  // in order of insertion; keys differ
  int nesting = 1;
  const Value* find(std::string_view key, Budget& budget) const;
};
struct Namespace {
  std::vector<std::pair<std::string, Value>> items;
};
struct Node;
/// A macro, a function of the environment, or a method with the value it belongs to.
struct Callable {
  std::string name;
  const Node* macro = nullptr;
  Value self;  // undefined: no method
};
struct Loop {
  std::shared_ptr<const List> items;
  std::size_t index = 0;
};

Value make_list(Values items, Sequence type = Sequence::list);
Value make_dict(std::vector<std::pair<Value, Value>> items);

std::string_view type_name(const Value& value);  // Python's: "str", "NoneType"
/// What keeps a value from being a key, as in Python: a dict or list, be it within a tuple. Null for hashable values.
const Value* unhashable(const Value& value, Budget& budget);
bool truthy(const Value& value);
bool equal(const Value& a, const Value& b, Budget& budget);
/// Negative, 0, positive. Errors: invalid_argument for types without an order.
int order(const Value& a, const Value& b, Budget& budget);

std::string to_text(const Value& value, Budget& budget);  // Python's str()
std::string repr(const Value& value, Budget& budget);     // Python's repr()

struct JsonStyle {
  std::string item_separator = ", ", key_separator = ": ", indent;
  bool pretty = false, ascii = false, sort_keys = false;
};
/// json.dumps. Errors: invalid_argument for values that JSON lacks.
std::string to_json(const Value& value, const JsonStyle& style, Budget& budget);
/// Errors: invalid_argument with what is wrong at which byte.
Value parse_json(std::string_view text);

}  // namespace openinfer::jinja
