// SPDX-License-Identifier: Apache-2.0
// Runs a parsed template: walks the tree, one scope for each loop body, macro and captured block, as jinja2 scopes
// names.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/text/jinja/ast.h"

namespace openinfer::jinja {

class Interpreter;

/// The arguments of a call, a filter or a test.
struct Args {
  Values positional;
  std::vector<std::pair<std::string_view, Value>> named;

  /// By parameter, null where none was given. Errors: invalid_argument for too many and for unknown names.
  std::vector<const Value*> bind(const Interpreter& at, std::initializer_list<std::string_view> parameters) const;
};

class Interpreter {
 public:
  using Clock = std::optional<std::chrono::system_clock::time_point>;
  Interpreter(Budget& budget, const Dict& variables, Clock now) : budget_(budget), variables_(variables), now_(now) {}

  std::string run(const Node& program);

  // What filters, tests and methods need.
  Budget& budget() const { return budget_; }
  template <class... Message>
  [[noreturn]] void error(fmt::format_string<Message...> format, Message&&... message) const {
    fail_template(ErrorCode::invalid_argument, position_, format, std::forward<Message>(message)...);
  }
  template <class... Message>
  [[noreturn]] void unsupported(fmt::format_string<Message...> format, Message&&... message) const {
    fail_template(ErrorCode::unsupported, position_, format, std::forward<Message>(message)...);
  }
  Value attribute(const Value& object, std::string_view name) const;
  Value item(const Value& object, const Value& key) const;
  Value call(const Value& callee, const Args& args);
  /// Elements of a list, keys of a dict, characters of a string; nothing of an undefined value.
  std::shared_ptr<const List> iterate(const Value& value);
  bool contains(const Value& container, const Value& value);
  void check_hashable(const Value& key) const;
  Value string(std::string text) {  // a new string, paid for
    budget_.spend(text.size() + 8);
    return Value(std::move(text));
  }

  /// One more step within the others: pays for it, and bounds what a recursive macro does to the stack.
  class Deeper {
   public:
    explicit Deeper(Interpreter& run) : run_(run) {
      run.budget_.spend(1);
      if (run.depth_ >= kMaxCalls) run.error("calls nest more than {} deep", kMaxCalls);
      ++run.depth_;
    }
    ~Deeper() { --run_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    static constexpr int kMaxCalls = 800;
    Interpreter& run_;
  };

 private:
  enum class Flow { normal, break_loop, continue_loop };
  struct Scope {
    const Scope* parent = nullptr;
    std::vector<std::pair<std::string_view, Value>> names;
  };
  Flow execute(const Node& node, Scope& scope);
  Flow execute_all(const Node& node, Scope& scope);
  Flow branch(const Node& node, Scope& scope);
  Flow loop(const Node& node, Scope& scope);
  std::shared_ptr<const List> loop_items(const Node& node, Scope& scope);
  void assign(const Node& node, Scope& scope);
  void set(Scope& scope, const std::string& target, Value value);
  void bind_targets(const Node& node, Scope& scope, const Value& value);
  void captured(const Node& node, Scope& scope);
  std::string capture(const Node& body, Scope& scope);
  void write(std::string_view text);

  Value evaluate(const Node& node, const Scope& scope);
  Value variable(const Node& node, const Scope& scope) const;
  Value operation(const Node& node, const Scope& scope);
  Value test_node(const Node& node, const Scope& scope);
  Value call_node(const Node& node, const Scope& scope);
  Value filter_node(const Node& node, const Scope& scope, const Value* input);
  Value compare(const Node& node, const Scope& scope);
  Value binary(const std::string& op, const Value& a, const Value& b);
  Value integers(const std::string& op, std::int64_t a, std::int64_t b) const;
  Value floats(const std::string& op, double a, double b) const;
  double power(double a, double b) const;
  Value negated(const Value& value, bool minus) const;
  Value repeat(const Value& sequence, std::int64_t times);
  Value slice(const Node& node, const Scope& scope);
  Value dict(const Node& node, const Scope& scope);
  Values evaluate_all(const Node& node, const Scope& scope);
  Args arguments(const Node& node, const Scope& scope);

  Value call_macro(const Node& macro, const Args& args);
  Value call_global(std::string_view name, const Args& args);
  Value range(const Args& args);
  Value strftime_now(const Args& args) const;
  Value loop_attribute(const Loop& loop, std::string_view name) const;
  Value macro_attribute(const Callable& macro, std::string_view name) const;
  Value sequence_attribute(const Value& sequence, std::string_view name) const;
  Value range_slice(const List& range, Values items, std::int64_t first, std::int64_t last, std::int64_t step) const;

  Budget& budget_;
  const Dict& variables_;
  Clock now_;
  Position position_;
  Scope globals_;
  std::string out_;
  int depth_ = 0, macros_ = 0;        // macros that are being called
  std::deque<Namespace> namespaces_;  // as long as any value may point to them
};

// filters.cpp, tests.cpp, methods.cpp. The names were checked by the parser.
Value apply_filter(Interpreter& run, std::string_view name, const Value& value, const Args& args);
bool apply_test(Interpreter& run, std::string_view name, const Value& value, const Args& args);
/// Does Python's str (or dict) have this method? An Error unsupported if it does and we lack it.
bool has_method(const Interpreter& run, const Value& object, std::string_view name);
Value call_method(Interpreter& run, const Value& object, std::string_view name, const Args& args);

// strings.cpp: text by characters, as Python counts.
std::size_t character_count(std::string_view text);
std::vector<std::string_view> characters(std::string_view text);
enum class Side { both, left, right };
/// Python's strip: white space, or the characters of `set`. The caller pays for `text` and, 8 a byte, for `set`.
std::string_view strip(std::string_view text, const Value* set, Side side = Side::both);
/// Where `part` begins, at `from` or after it (find) or as late as it can (rfind); npos if nowhere. Comparisons are
/// paid here, the walk over `text` by the caller.
std::size_t find(std::string_view text, std::string_view part, std::size_t from, Budget& budget);
std::size_t rfind(std::string_view text, std::string_view part, Budget& budget);
std::string replace(std::string_view text, std::string_view from, std::string_view to, std::int64_t most,
                    Budget& budget);

// cases.cpp: letters and digits as Python's str knows them.
std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);
std::string capitalized(std::string_view text);
std::string title_case(std::string_view text);
bool is_lower(std::string_view text);
bool is_upper(std::string_view text);
bool is_digit_character(std::uint32_t code_point);
std::optional<int> decimal_digit(std::uint32_t code_point);

}  // namespace openinfer::jinja
