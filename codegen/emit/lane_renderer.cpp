// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/lane_renderer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lib/base/fail.h"

namespace openinfer::emit {

using kir::Id;
using kir::Kind;
using kir::Node;
using kir::Op;
using kir::Rate;

namespace {

/// Large ones are masks and bits of floats.
std::string bits_or_number(std::uint32_t x) { return x > 0xffff ? fmt::format("{:#x}u", x) : fmt::format("{}u", x); }

}  // namespace

std::string LaneRenderer::literal(const Node& n) const {
  switch (n.type.kind) {
    case Kind::b1: return n.integer != 0 ? "true" : "false";
    case Kind::u32: return bits_or_number(static_cast<std::uint32_t>(n.integer));
    case Kind::i64: return fmt::format("{}({})", type_name(n.type), i64_text(n.integer, "l"));
    case Kind::u64: return fmt::format("{}({}ul)", type_name(n.type), static_cast<std::uint64_t>(n.integer));
    case Kind::f32:
    case Kind::f64: return real(n.number, n.type.kind);
    case Kind::mma_a:
    case Kind::mma_b:
    case Kind::mma_c:
    case Kind::none:
    case Kind::i32:
    case Kind::i8x4:
    case Kind::f16:
    case Kind::bf16:
    case Kind::i8:
    case Kind::u8:
    case Kind::i16:
    case Kind::u16: break;
  }
  return i32_text(n.integer);
}

Text LaneRenderer::select(Id id) {
  const Node& n = node(id);
  return {fmt::format("{} ? {} : {}", wrapped(value(n.args[0]), 11), wrapped(value(n.args[1]), 11),
                      wrapped(value(n.args[2]), 11)),
          12};
}

Text LaneRenderer::builtin(Id id) {
  const Node& n = node(id);
  const bool is_unsigned = n.type.kind == Kind::u32 || n.type.kind == Kind::u64;
  if (n.op == Op::abs && is_unsigned) return value(n.args[0]);
  const std::string name =
      n.op == Op::call ? k_.functions[static_cast<std::size_t>(n.ref)].name : std::string(kir::info(n.op).name);
  std::vector<Text> args;
  for (const Id arg : n.args) args.push_back(value(arg));
  return call(name, args);
}

Text LaneRenderer::load(Id id) {
  const Node& n = node(id);
  const Kind stored = stored_kind(n);
  if (n.type.kind == Kind::i8x4 && stored != Kind::i8x4) return {packed(n)};
  return {widened(place(n), stored)};
}

std::string LaneRenderer::narrow_load(Id conversion) {
  const Id from = node(conversion).args[0];
  const Node& n = node(from);
  if (n.op != Op::load || n.type.kind == Kind::i8x4 || node(conversion).type.kind != Kind::i32 ||
      !names_.values[from].empty())
    return "";
  const Kind stored = stored_kind(n);
  return stored == Kind::u8 || stored == Kind::u16 ? place(n) : "";
}

void LaneRenderer::declare_value(Id id) {
  const Node& n = node(id);
  line(fmt::format("const {} {} = {};", qualified(n.type), names_.values[id], expression(id).text));
}

void LaneRenderer::declare_variable(Id id) {
  const Node& n = node(id);
  const kir::Variable& v = k_.variables[static_cast<std::size_t>(n.ref)];
  const std::string start = text(n.args[0]);
  if (v.count == 1) return line(fmt::format("{} {} = {};", qualified(v.type), variable(n), start));
  line(fmt::format("{} {}[{}];", qualified(v.type), variable(n), v.count));
  unroll(v.count, false);
  line(fmt::format("for (int each = 0; each < {}; ++each) {}[each] = {};", v.count, variable(n), start));
}

std::string LaneRenderer::assignment(const Node& n) {
  const std::string now = narrowed(value(n.args.back()), node(n.args.back()).type.kind, stored_kind(n));
  return fmt::format("{} = {};", place(n), now);
}

void LaneRenderer::store(Id id) {
  const Node& n = node(id);
  Rate rate = Rate::group;
  for (std::size_t i = 0; i + 1 < n.args.size(); ++i) rate = std::max(rate, node(n.args[i]).type.rate);
  const std::string text = assignment(n);
  if (rate == Rate::lane || k_.target.lanes * k_.target.subgroups == 1) return line(text);
  const bool once = rate == Rate::group && flow_ == Rate::group;
  line(fmt::format("if ({} == 0) {}", (once ? thread() : lane()).text, text));
}

void LaneRenderer::dealt_loop(Id id) {
  const Node& n = node(id);
  const kir::Target& t = k_.target;
  Text first = lane();
  int step = t.lanes;
  if (n.deal == kir::Deal::subgroups) {
    first = subgroup();
    step = t.subgroups;
  } else if (n.deal == kir::Deal::group) {
    first = thread();
    step = t.lanes * t.subgroups;
  } else if (n.share > 1) {
    first = binary("/", 2, first, {std::to_string(n.share)});
    step = t.lanes / n.share;
  }
  const std::string& i = names_.values[n.index];
  const std::string start = binary("+", 3, value(n.args[0]), first).text;
  open(fmt::format("for (int {} = {}; {} < {}; {} += {}) {{", i, start, i, wrapped(value(n.args[1]), 4), i, step));
  region(n.body);
  close();
}

void LaneRenderer::statement(Id id) {
  const Node& n = node(id);
  const Rate before = flow_;
  if (n.op == Op::if_ || n.op == Op::loop) {
    for (const Id arg : n.args) flow_ = std::max(flow_, node(arg).type.rate);
    if (n.deal == kir::Deal::subgroups) flow_ = std::max(flow_, Rate::subgroup);
    if (n.deal == kir::Deal::lanes || n.deal == kir::Deal::group) flow_ = Rate::lane;
  }
  Renderer::statement(id);
  flow_ = before;
}

std::string LaneRenderer::parameters(const kir::Function& f) const {
  std::string list;
  for (std::size_t i = 0; i < f.parameters.size(); ++i)
    list += fmt::format("{}{} {}", i > 0 ? ", " : "", type_name({f.parameters[i], Rate::lane}), f.parameter_names[i]);
  return list;
}

void LaneRenderer::check_packed(const kir::Record& r) const {
  int at = 0, alignment = 1;
  for (const kir::Record::Field& f : r.fields) {
    const int bytes = kir::info(f.kind).bytes;
    if (at % bytes != 0)
      openinfer::fail(ErrorCode::unsupported, "[emit] kernel {}: {}.{} at byte {} is no multiple of {}", k_.name,
                      r.name, f.name, at, bytes);
    at += bytes * f.count;
    alignment = std::max(alignment, bytes);
  }
  if (at % alignment != 0)
    openinfer::fail(ErrorCode::unsupported, "[emit] kernel {}: {} has {} bytes, no multiple of {}", k_.name, r.name, at,
                    alignment);
}

}  // namespace openinfer::emit
