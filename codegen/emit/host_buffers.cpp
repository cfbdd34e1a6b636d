// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/host_buffers.h"

#include <algorithm>
#include <array>
#include <utility>

#include "codegen/plan/tail.h"
#include "codegen/plan/walk.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

// C++'s keywords and what model.cpp itself calls things.
constexpr auto kHostReserved = std::to_array<std::string_view>(
    {"alignas",     "alignof",    "and",      "asm",        "auto",    "bitand",   "bitor",     "bool",     "break",
     "case",        "catch",      "char",     "class",      "compl",   "concept",  "const",     "continue", "default",
     "delete",      "do",         "double",   "else",       "enum",    "explicit", "export",    "extern",   "false",
     "float",       "for",        "friend",   "goto",       "if",      "inline",   "int",       "long",     "mutable",
     "namespace",   "new",        "not",      "operator",   "or",      "private",  "protected", "public",   "register",
     "requires",    "return",     "short",    "signed",     "sizeof",  "static",   "struct",    "switch",   "template",
     "this",        "throw",      "true",     "try",        "typedef", "typename", "union",     "unsigned", "using",
     "virtual",     "void",       "volatile", "while",      "xor",     "pool",     "sizes",     "weights",  "state",
     "constants",   "check",      "kernel",   "group",      "scratch", "in",       "out",       "std",      "ceil_div",
     "entry",       "run",        "place",    "value",      "text",    "reset",    "stats",     "main",     "opnf",
     "description", "r",          "input",    "output",     "kernels", "constant", "stream",    "look_up",  "forget",
     "tile",        "begin_step", "panels",   "with_panels"});

std::string kind_type(kir::Kind kind) {
  switch (kind) {
    case kir::Kind::f32: return "float";
    case kir::Kind::f64: return "double";
    case kir::Kind::f16: return "f16";
    case kir::Kind::bf16: return "bf16";
    case kir::Kind::b1: return "b1";
    case kir::Kind::i8: return "std::int8_t";
    case kir::Kind::u8: return "std::uint8_t";
    case kir::Kind::i16: return "std::int16_t";
    case kir::Kind::u16: return "std::uint16_t";
    case kir::Kind::i32:
    case kir::Kind::i8x4: return "int";
    case kir::Kind::u32: return "unsigned";
    case kir::Kind::i64: return "std::int64_t";
    case kir::Kind::u64: return "std::uint64_t";
    case kir::Kind::mma_a:
    case kir::Kind::mma_b:
    case kir::Kind::mma_c:
    case kir::Kind::none: break;
  }
  fail(ErrorCode::internal, "[emit] a buffer without elements");
}

}  // namespace

std::string HostNames::take(std::string_view wanted) {
  const std::string name = plan::identifier(wanted);
  std::string candidate = name;
  const auto known = [&] {
    return taken_.contains(candidate) ||
           std::find(kHostReserved.begin(), kHostReserved.end(), candidate) != kHostReserved.end();
  };
  for (int n = 2; known(); ++n) candidate = fmt::format("{}_{}", name, n);
  taken_.insert(candidate);
  return candidate;
}

std::string element_type(const kir::Kernel& kernel, const kir::Buffer& buffer) {
  return buffer.record >= 0 ? kernel.records[static_cast<std::size_t>(buffer.record)].name : kind_type(buffer.kind);
}

std::string element_type(DType dtype, std::string_view what) {
  if (dtype == DType::boolean) return "b1";
  if (info(dtype).block_size != 1)
    fail(ErrorCode::unsupported, "[emit] {} is {}, which has no elements of its own; cast it in the graph", what,
         name(dtype));
  for (const auto& [d, k] : {std::pair{DType::f32, kir::Kind::f32},
                             {DType::f64, kir::Kind::f64},
                             {DType::f16, kir::Kind::f16},
                             {DType::bf16, kir::Kind::bf16},
                             {DType::i8, kir::Kind::i8},
                             {DType::u8, kir::Kind::u8},
                             {DType::f8e4m3, kir::Kind::u8},
                             {DType::f8e5m2, kir::Kind::u8},
                             {DType::i16, kir::Kind::i16},
                             {DType::u16, kir::Kind::u16},
                             {DType::i32, kir::Kind::i32},
                             {DType::u32, kir::Kind::u32},
                             {DType::i64, kir::Kind::i64},
                             {DType::u64, kir::Kind::u64}})
    if (d == dtype) return kind_type(k);
  fail(ErrorCode::unsupported, "[emit] {} is {}, which host programs do not hold", what, name(dtype));
}

std::string host_type(const std::string& element) {
  constexpr std::array<std::string_view, 4> kPlain = {"float", "double", "int", "unsigned"};
  const bool plain = element.starts_with("std::") || std::find(kPlain.begin(), kPlain.end(), element) != kPlain.end();
  return plain || element == "void" ? element : "kernel::" + element;
}

HostBuffers::HostBuffers(const plan::Plan& plan, LaidOut laid_out)
    : plan_(plan), laid_out_(std::move(laid_out)), seen_(plan.buffers.size()) {
  for (const plan::EntryPoint& entry : plan.entries) look(entry.steps);
  std::map<plan::Role, HostNames> scopes;
  for (std::size_t b = 0; b < plan.buffers.size(); ++b) {
    const plan::Buffer& buffer = plan.buffers[b];
    std::set<std::string> types = seen_[b];
    types.erase("copy");
    const bool stored = buffer.role == plan::Role::weight || buffer.role == plan::Role::constant;
    if (stored && types.size() == 1)
      types_.push_back(host_type(*types.begin()));
    else if (buffer.role == plan::Role::weight)
      types_.push_back("void");
    else
      types_.push_back(host_type(element_type(buffer.dtype, buffer.name)));
    names_.push_back(buffer.role == plan::Role::scratch ? buffer.name : scopes[buffer.role].take(buffer.name));
  }
}

int HostBuffers::number(plan::Role role, std::string_view key) const {
  for (std::size_t b = 0; b < plan_.buffers.size(); ++b)
    if (plan_.buffers[b].role == role && plan_.buffers[b].key == key) return static_cast<int>(b);
  return -1;
}

void HostBuffers::look(const std::vector<plan::Step>& steps) {
  const auto see = [&](int buffer, std::string type) {
    seen_[static_cast<std::size_t>(buffer)].insert(std::move(type));
  };
  plan::each_step(steps, [&](const plan::Step& step) {
    if (const auto* d = std::get_if<plan::Dispatch>(&step)) {
      for (const int number : d->kernels) {
        const kir::Kernel& code = plan_.kernels[static_cast<std::size_t>(number)].code;
        std::size_t i = 0;
        for (const kir::Buffer& b : code.buffers)
          if (b.space == kir::Space::global) see(d->operands[i++].buffer, element_type(code, b));
      }
    } else if (const auto* c = std::get_if<plan::Copy>(&step)) {
      see(c->from.buffer, "copy");
      see(c->to.buffer, "copy");
    } else if (const auto* b = std::get_if<plan::Branch>(&step)) {
      see(b->predicate.buffer, "copy");
    }
  });
}

std::string wrapped_list(const std::string& start, const std::vector<std::string>& items, const std::string& end,
                         std::size_t indent) {
  constexpr std::size_t kColumns = 120;
  std::string text = start;
  std::size_t column = start.size() - (start.rfind('\n') == start.npos ? 0 : start.rfind('\n') + 1);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::size_t width = items[i].size() + (i + 1 < items.size() ? 1 : end.size());
    if (i > 0 && column + 1 + width > kColumns) {
      text += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (i > 0) {
      text += ' ';
      ++column;
    }
    text += items[i] + (i + 1 < items.size() ? "," : "");
    column += items[i].size() + 1;
  }
  return text + end;
}

}  // namespace openinfer::emit
