// SPDX-License-Identifier: Apache-2.0
// Values and memory as templates write them: each operator is one node.
#include <algorithm>
#include <initializer_list>

#include "codegen/kernel_ir/build.h"
#include "lib/base/fail.h"

namespace openinfer::kir {
namespace {

Build& builder_of(std::initializer_list<Val> values) {
  for (const Val& v : values)
    if (v.build()) return *v.build();
  openinfer::fail(ErrorCode::internal, "[kernel] an operation on plain numbers only; make one of them constant()");
}

/// The kind that plain numbers among the operands take.
Kind kind_of(Build& k, std::initializer_list<Val> values) {
  Kind kind = Kind::none;
  for (const Val& v : values) {
    if (v.literal() != Val::Literal::none) continue;
    if (kind != Kind::none && kind != v.kind())
      k.fail(fmt::format("operands differ in kind: {} and {}", info(kind).name, info(v.kind()).name));
    kind = v.kind();
  }
  return kind;
}

Rate rate_of(const Build& k, const std::vector<Id>& ids) {
  Rate rate = Rate::group;
  for (const Id id : ids) rate = std::max(rate, k.node(id).type.rate);
  return rate;
}

Val value(Build& k, Op op, Kind kind, std::vector<Id> args) {
  const Rate rate = rate_of(k, args);
  return {&k, k.append({.op = op, .type = {kind, rate}, .args = std::move(args)})};
}

/// An operation whose operands share a kind; `result` none: so does its result.
Val same_kind(Op op, std::initializer_list<Val> values, Kind result = Kind::none) {
  Build& k = builder_of(values);
  const Kind kind = kind_of(k, values);
  std::vector<Id> args;
  for (const Val& v : values) args.push_back(k.resolve(v, kind));
  return value(k, op, result == Kind::none ? kind : result, std::move(args));
}

}  // namespace

Type Val::type() const {
  if (!build_) openinfer::fail(ErrorCode::internal, "[kernel] a plain number has no type yet");
  return build_->node(id_).type;
}

Val operator+(Val a, Val b) { return same_kind(Op::add, {a, b}); }
Val operator-(Val a, Val b) { return same_kind(Op::sub, {a, b}); }
Val operator*(Val a, Val b) { return same_kind(Op::mul, {a, b}); }
Val operator/(Val a, Val b) { return same_kind(Op::div, {a, b}); }
Val operator%(Val a, Val b) { return same_kind(Op::mod, {a, b}); }
Val operator-(Val a) { return same_kind(Op::neg, {a}); }
Val operator&(Val a, Val b) { return same_kind(Op::bit_and, {a, b}); }
Val operator|(Val a, Val b) { return same_kind(Op::bit_or, {a, b}); }
Val operator^(Val a, Val b) { return same_kind(Op::bit_xor, {a, b}); }
Val operator~(Val a) { return same_kind(Op::bit_not, {a}); }
Val operator<<(Val a, Val b) { return same_kind(Op::shift_left, {a, b}); }
Val operator>>(Val a, Val b) { return same_kind(Op::shift_right, {a, b}); }
Val operator==(Val a, Val b) { return same_kind(Op::eq, {a, b}, Kind::b1); }
Val operator!=(Val a, Val b) { return same_kind(Op::ne, {a, b}, Kind::b1); }
Val operator<(Val a, Val b) { return same_kind(Op::lt, {a, b}, Kind::b1); }
Val operator<=(Val a, Val b) { return same_kind(Op::le, {a, b}, Kind::b1); }
Val operator>(Val a, Val b) { return same_kind(Op::lt, {b, a}, Kind::b1); }
Val operator>=(Val a, Val b) { return same_kind(Op::le, {b, a}, Kind::b1); }
Val operator&&(Val a, Val b) { return same_kind(Op::logical_and, {a, b}); }
Val operator||(Val a, Val b) { return same_kind(Op::logical_or, {a, b}); }
Val operator!(Val a) { return same_kind(Op::logical_not, {a}); }
Val min(Val a, Val b) { return same_kind(Op::min, {a, b}); }
Val max(Val a, Val b) { return same_kind(Op::max, {a, b}); }
Val abs(Val a) { return same_kind(Op::abs, {a}); }
Val fma(Val a, Val b, Val c) { return same_kind(Op::fma, {a, b, c}); }
Val sqrt(Val a) { return same_kind(Op::sqrt, {a}); }
Val floor(Val a) { return same_kind(Op::floor, {a}); }
Val round(Val a) { return same_kind(Op::round, {a}); }

Val select(Val condition, Val a, Val b) {
  Build& k = builder_of({condition, a, b});
  if (a.literal() != Val::Literal::none && b.literal() != Val::Literal::none)
    k.fail("select between two plain numbers; make one of them constant()");
  const Kind kind = kind_of(k, {a, b});
  return value(k, Op::select, kind, {k.resolve(condition, Kind::b1), k.resolve(a, kind), k.resolve(b, kind)});
}

Val convert(Val a, Kind kind) {
  Build& k = builder_of({a});
  return value(k, Op::convert, kind, {a.id()});
}
Val bitcast(Val a, Kind kind) {
  Build& k = builder_of({a});
  return value(k, Op::bitcast, kind, {a.id()});
}
namespace {
Val dot(Op op, const Val& a, const Val& b, const Val& sum) {
  Build& k = builder_of({a, b, sum});
  return value(k, op, Kind::i32, {a.id(), b.id(), k.resolve(sum, Kind::i32)});
}
}  // namespace
Val dot4(Val a, Val b, Val sum) { return dot(Op::dot4, a, b, sum); }
Val dot4_us(Val a, Val b, Val sum) { return dot(Op::dot4_us, a, b, sum); }
Val pair_dots_us(Val a, Val b, Val sums) { return dot(Op::pair_dots_us, a, b, sums); }
Val pair_sum(Val sums) { return value(builder_of({sums}), Op::pair_sum, Kind::i32, {sums.id()}); }
Val bf16_pair(Val a, Val b) { return same_kind(Op::bf16_pair, {a, b}, Kind::u32); }
Val bf16_dot(Val a, Val b, Val sum) {
  Build& k = builder_of({a, b, sum});
  return value(k, Op::bf16_dot, Kind::f32, {a.id(), b.id(), k.resolve(sum, Kind::f32)});
}

// --- memory ---

namespace {

Kind stored_kind(const Kernel& k, int buffer, int field) {
  const Buffer& b = k.buffers[static_cast<std::size_t>(buffer)];
  if (field < 0) return b.kind;
  return k.records[static_cast<std::size_t>(b.record)].fields[static_cast<std::size_t>(field)].kind;
}

}  // namespace

Elem::operator Val() const {
  const Kind stored = as_ != Kind::none ? as_ : stored_kind(build_->kernel(), buffer_, field_);
  const Type type = {info(stored).in_register, rate_of(*build_, index_)};
  return {build_, build_->append({.op = Op::load, .type = type, .args = index_, .ref = buffer_, .field = field_})};
}

void Elem::operator=(Val v) const {
  std::vector<Id> args = index_;
  args.push_back(build_->resolve(v, info(stored_kind(build_->kernel(), buffer_, field_)).in_register));
  build_->append({.op = Op::store, .args = std::move(args), .ref = buffer_, .field = field_});
}

Elem Slot::Field::operator()(Val place) const {
  return {build_, buffer_, field_, Kind::none, {block_, build_->resolve(place, Kind::i32)}};
}
Slot::Field::operator Val() const { return (*this)(0); }
void Slot::Field::operator=(Val v) const { (*this)(0) = v; }

Slot::Field Slot::operator[](std::string_view field) const {
  const Kernel& k = build_->kernel();
  const Record& record = k.records[static_cast<std::size_t>(k.buffers[static_cast<std::size_t>(buffer_)].record)];
  const int place = record.find(field);
  if (place < 0) build_->fail(fmt::format("record {} has no field '{}'", record.name, field));
  return {build_, buffer_, place, block_};
}

Elem Mem::operator[](Val index) const { return {build_, buffer_, -1, Kind::none, {build_->resolve(index, Kind::i32)}}; }
Slot Mem::block(Val index) const { return {build_, buffer_, build_->resolve(index, Kind::i32)}; }

// --- registers ---

Reg::operator Val() const {
  const Type type = build_->kernel().variables[static_cast<std::size_t>(variable_)].type;
  return {build_, build_->append({.op = Op::read, .type = type, .ref = variable_})};
}
void Reg::operator=(Val v) const {
  const Kind kind = build_->kernel().variables[static_cast<std::size_t>(variable_)].type.kind;
  build_->append({.op = Op::write, .args = {build_->resolve(v, kind)}, .ref = variable_});
}

void Tile::turn() const {
  if (build_->lanes() > 1) build_->append({.op = Op::turn, .ref = variable_});
}
Tile::Place Tile::operator[](Val place) const { return {build_, variable_, build_->resolve(place, Kind::i32)}; }
Tile::Place::operator Val() const {
  const Type type = build_->kernel().variables[static_cast<std::size_t>(variable_)].type;
  return {build_, build_->append({.op = Op::read, .type = type, .args = {place_}, .ref = variable_})};
}
void Tile::Place::operator=(Val v) const {
  const Kind kind = build_->kernel().variables[static_cast<std::size_t>(variable_)].type.kind;
  build_->append({.op = Op::write, .args = {place_, build_->resolve(v, kind)}, .ref = variable_});
}

}  // namespace openinfer::kir
