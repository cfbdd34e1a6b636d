// SPDX-License-Identifier: Apache-2.0
// The syntax tree of a template.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/text/jinja/lexer.h"
#include "lib/text/jinja/value.h"

namespace openinfer::jinja {

enum class NodeKind {
  // expressions
  constant,     // value
  variable,     // text
  list,         // children
  tuple,        // children
  dict,         // children: key, value, key, value …
  attribute,    // child . text
  item,         // child [ child ]
  slice,        // child [ first : last : step ]; absent ones are null
  call,         // child ( children after it, the last names.size() of them by name )
  filter,       // child | text ( … ), arguments as in call
  test,         // child is text ( … )
  negate,       // - child
  plus,         // + child
  logical_not,  // not child
  binary,       // child text child: + - * / // % **
  concat,       // children joined by ~
  logical_and,  // children
  logical_or,   // children
  compare,      // children, names[i] between child i and i + 1: == != < <= > >= in notin
  conditional,  // condition, then, else or null
  // statements
  text,            // text
  output,          // child
  block,           // children, in the scope around them
  scoped,          // children, in a scope of their own
  branch,          // condition, body, condition, body, …, [else]
  loop,            // iterable, condition or null, body, else or null; names are the targets
  assign,          // value; names are the targets ("x" or "ns.x")
  capture,         // body, then perhaps filters around a null child; names[0] is the target
  capture_filter,  // body, filters around a null child
  macro,           // body, defaults of the last parameters; text is its name, names the parameters
  loop_break,
  loop_continue,
};

struct Node {
  NodeKind kind;
  Position at;
  std::string text;
  std::vector<std::string> names;
  std::vector<std::unique_ptr<const Node>> children;
  Value value;
  int depth = 1;
};
using NodePtr = std::unique_ptr<const Node>;

/// The whole template as one block. Errors: as lex; unsupported for statements, filters and tests that are not known;
/// all with line:column.
NodePtr parse(std::string_view source);

/// Filters and tests by name (filters.cpp, tests.cpp).
bool is_known_filter(std::string_view name);
bool is_known_test(std::string_view name);

}  // namespace openinfer::jinja
