// SPDX-License-Identifier: Apache-2.0
// From Kernel IR to source text: what C-like languages have in common. A language is a class derived from Renderer that
// answers how types, numbers, memory and loops over lanes are written; the walk, the names, the parentheses are here.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernel_ir/ir.h"
#include "codegen/kernel_ir/names.h"

namespace openinfer::emit {

/// An expression and how tightly it binds: what surrounds it adds parentheses where they are needed.
struct Text {
  std::string text;
  int precedence = 0;  // 0: a name, number or call; else as C's operators, see kPrecedence
};

class Renderer {
 public:
  virtual ~Renderer() = default;
  /// The kernel as one function with what it needs in front: records, scalar functions, provenance.
  std::string run();

 protected:
  Renderer(const kir::Kernel& kernel, std::span<const std::string_view> reserved)
      : k_(kernel), names_(kir::choose_names(kernel, reserved)) {}

  // --- the language ---
  virtual std::string type_name(kir::Type type) const = 0;
  virtual std::string memory_type(kir::Kind kind) const = 0;
  virtual std::string literal(const kir::Node& constant) const = 0;
  virtual void records() = 0;
  virtual void function(const kir::Function& f) = 0;
  virtual void open_kernel() = 0;  // up to the body's {
  virtual void close_kernel() = 0;
  virtual Text group() const = 0;
  virtual Text subgroup() const = 0;
  virtual Text lane() const = 0;
  virtual Text convert(kir::Id id) = 0;
  virtual Text bitcast(kir::Id id) = 0;
  virtual Text select(kir::Id id) = 0;
  virtual Text load(kir::Id id) = 0;
  virtual Text lane_operation(kir::Id id) = 0;
  /// min, max, fma, sqrt … of these operands.
  virtual Text builtin(kir::Id id) = 0;
  virtual Text dot4(kir::Id id) = 0;
  /// pair_dots_us or pair_sum. Errors: unsupported where lanes are no vectors.
  virtual Text pair_sums(kir::Id id);
  /// bf16_pair or bf16_dot. Errors: unsupported where the language has none.
  virtual Text bf16(kir::Id id);
  /// A load or product of fragments, and a store. Errors: unsupported where the language has none.
  virtual Text mma(kir::Id id);
  virtual void mma_store(kir::Id id) { mma(id); }
  /// Errors: unsupported where lanes are no vectors.
  virtual void turn(kir::Id id);
  [[noreturn]] void needs_vectors() const;
  virtual void declare_value(kir::Id id) = 0;
  virtual void declare_variable(kir::Id id) = 0;
  virtual void write(kir::Id id);
  virtual void store(kir::Id id) = 0;
  virtual void dealt_loop(kir::Id id) = 0;
  /// In front of a loop of so many turns, 0 never comes; `around`: around another that is
  /// dealt to nobody and not unrolled.
  virtual void unroll(int turns, bool around) = 0;
  virtual void barrier() = 0;
  virtual void prefetch(kir::Id id) = 0;
  /// Any value where it is used: its name, or its expression.
  virtual Text value(kir::Id id);

  // --- shared ---
  virtual Text expression(kir::Id id);  // of a value that is printed in place or declared
  Text binary(std::string_view op, int precedence, const Text& a, const Text& b) const;
  Text call(std::string_view function, const std::vector<Text>& args) const;
  std::string text(kir::Id id) { return value(id).text; }
  std::string wrapped(const Text& t, int precedence) const;  // in parentheses if it binds less tightly
  /// "w[at].qs[j]", "x[i]": without widening. `index` overrides the last index.
  std::string place(const kir::Node& access, const std::string* index = nullptr);
  /// "x[i]": an element of a buffer.
  virtual std::string element(const kir::Buffer& b, const Text& index) const;
  const std::string& variable(const kir::Node& n) const { return names_.variables[static_cast<std::size_t>(n.ref)]; }
  /// "sum" or "acc[m]".
  std::string variable_place(const kir::Node& n);
  /// The node that is added or multiplied to the variable that `write` writes, and the operator ("+="); or nothing.
  std::pair<kir::Id, std::string_view> accumulation(const kir::Node& write) const;
  void region(const std::vector<kir::Id>& nodes);
  virtual void statement(kir::Id id);
  bool holds_loop(const std::vector<kir::Id>& nodes) const;  // dealt to nobody, and not unrolled
  void plain_loop(kir::Id id);
  void line(std::string_view text);  // indented; broken behind column 100, unless it has a comment or a #
  /// A parameter on each line with what stands behind it, as a comment, in one column; the last line ends in ") {".
  void parameter_lines(const std::vector<std::pair<std::string, std::string>>& list);
  void open(std::string_view text) {
    line(text);
    ++depth_;
  }
  void close(std::string_view text = "}") {
    --depth_;
    line(text);
  }
  const kir::Node& node(kir::Id id) const { return k_[id]; }
  const kir::Buffer& buffer(const kir::Node& n) const { return k_.buffers[static_cast<std::size_t>(n.ref)]; }
  kir::Kind stored_kind(const kir::Node& access) const;

  const kir::Kernel& k_;
  kir::Names names_;
  std::string out_;
  int depth_ = 0;
  const kir::Function* function_ = nullptr;  // being printed
};

/// An i32 as a decimal number; masks that are the same in each byte, as 0x0f0f0f0f.
std::string i32_text(std::int64_t number);
/// A number of 64 bits with its suffix, for between parentheses: the least one is no literal of any language.
std::string i64_text(std::int64_t number, std::string_view suffix);

/// The kernel with "_" behind names of buffers, parameters and fields that the language keeps for itself, and of those
/// that would hide a function which the kernel calls.
kir::Kernel with_legal_names(const kir::Kernel& kernel, std::span<const std::string_view> reserved);

}  // namespace openinfer::emit
