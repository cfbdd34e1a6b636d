// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/build.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "codegen/kernel_ir/fold.h"
#include "codegen/kernel_ir/order.h"
#include "codegen/kernel_ir/verify.h"
#include "lib/base/fail.h"

namespace openinfer::kir {
namespace {

/// What a pure node computes, as a key; two nodes with one key give the same value.
std::string key_of(const Node& n) {
  std::string key = fmt::format("{} {} {} {} {}", info(n.op).name, static_cast<int>(n.type.kind), n.integer,
                                std::bit_cast<std::uint64_t>(n.number), n.ref);
  for (const Id id : n.args) key += fmt::format(" {}", id);
  return n.op == Op::index ? key + fmt::format(" of {}", n.owner) : key;
}

bool is_pure(const Node& n) { return info(n.op).value && !info(n.op).pinned; }

}  // namespace

Build::Build(std::string name, Target target, std::vector<std::string> provenance) {
  kernel_.name = std::move(name);
  kernel_.target = target;
  kernel_.provenance = std::move(provenance);
  open_.emplace_back();
  if (!std::has_single_bit(static_cast<unsigned>(target.lanes)) ||
      !std::has_single_bit(static_cast<unsigned>(target.subgroups)))
    fail(fmt::format("lanes {} and subgroups {} must be powers of two", target.lanes, target.subgroups));
}

void Build::fail(const std::string& what) const {
  openinfer::fail(ErrorCode::internal, "[kernel {}] {}", kernel_.name, what);
}

Rate Build::effective(Rate rate) const {
  if (rate == Rate::lane && lanes() == 1) rate = Rate::subgroup;
  if (rate == Rate::subgroup && target().subgroups == 1) rate = Rate::group;
  return rate;
}

Id Build::append(Node node) {
  node.type.rate = effective(node.type.rate);
  if (is_pure(node)) {
    const Folded folded = fold(kernel_, node);
    if (folded.same != kNoId) return folded.same;
    if (folded.constant) node = *folded.constant;
    const std::string key = key_of(node);
    for (const Open& region : open_)
      if (const auto known = region.known.find(key); known != region.known.end()) return known->second;
    // Numbers and places are the same everywhere: they belong to the outermost region (of a function: to its own).
    Open& region = node.args.empty() && node.op != Op::index ? open_.front() : open_.back();
    region.known.emplace(key, static_cast<Id>(kernel_.nodes.size()));
    region.nodes.push_back(static_cast<Id>(kernel_.nodes.size()));
    kernel_.nodes.push_back(std::move(node));
    return static_cast<Id>(kernel_.nodes.size() - 1);
  }
  open_.back().nodes.push_back(static_cast<Id>(kernel_.nodes.size()));
  kernel_.nodes.push_back(std::move(node));
  return static_cast<Id>(kernel_.nodes.size() - 1);
}

Id Build::resolve(const Val& value, Kind kind) {
  if (value.literal() == Val::Literal::none) {
    if (value.build() != this) fail("a value of another kernel, or none at all");
    return value.id();
  }
  const bool integral = value.literal() == Val::Literal::integer;
  if (is_float(kind)) return constant(integral ? static_cast<double>(value.integer()) : value.number(), kind).id();
  if (!integral) fail(fmt::format("{} is no {}", value.number(), info(kind).name));
  return constant(value.integer(), kind).id();
}

// --- what the kernel is given ---

int Build::add_record(const Record& record) {
  for (std::size_t i = 0; i < kernel_.records.size(); ++i) {
    if (kernel_.records[i].name != record.name) continue;
    if (kernel_.records[i] != record) fail(fmt::format("two different records are called '{}'", record.name));
    return static_cast<int>(i);
  }
  kernel_.records.push_back(record);
  return static_cast<int>(kernel_.records.size() - 1);
}

int Build::add_buffer(Buffer buffer) {
  for (const Buffer& other : kernel_.buffers)
    if (other.name == buffer.name) fail(fmt::format("two buffers are called '{}'", buffer.name));
  kernel_.buffers.push_back(std::move(buffer));
  return static_cast<int>(kernel_.buffers.size() - 1);
}

Mem Build::in(std::string_view name, Kind kind, std::string_view comment) {
  return {this, add_buffer({.name = std::string(name), .kind = kind, .comment = std::string(comment)})};
}
Mem Build::in(std::string_view name, const Record& record, std::string_view comment) {
  return {this, add_buffer({.name = std::string(name), .record = add_record(record), .comment = std::string(comment)})};
}
Mem Build::out(std::string_view name, Kind kind, std::string_view comment) {
  return {
      this,
      add_buffer({.name = std::string(name), .kind = kind, .access = Access::write, .comment = std::string(comment)})};
}
Mem Build::out(std::string_view name, const Record& record, std::string_view comment) {
  return {this, add_buffer({.name = std::string(name),
                            .record = add_record(record),
                            .access = Access::write,
                            .comment = std::string(comment)})};
}
Mem Build::inout(std::string_view name, Kind kind, std::string_view comment) {
  return {
      this,
      add_buffer(
          {.name = std::string(name), .kind = kind, .access = Access::read_write, .comment = std::string(comment)})};
}
Mem Build::shared(std::string_view name, Kind kind, int count) {
  return {this, add_buffer({.name = std::string(name),
                            .kind = kind,
                            .access = Access::read_write,
                            .space = Space::shared,
                            .count = count})};
}
Val Build::param(std::string_view name) {
  auto at = std::find(kernel_.params.begin(), kernel_.params.end(), name);
  if (at == kernel_.params.end()) at = kernel_.params.insert(at, std::string(name));
  const int place = static_cast<int>(at - kernel_.params.begin());
  return {this, append({.op = Op::param, .type = {Kind::i32, Rate::group}, .ref = place})};
}

// --- places ---

Val Build::place(Op op, Rate rate) { return {this, append({.op = op, .type = {Kind::i32, rate}})}; }
Val Build::group() { return place(Op::group, Rate::group); }
Val Build::subgroup() { return target().subgroups == 1 ? constant(0) : place(Op::subgroup, Rate::subgroup); }
Val Build::subgroup_global() { return group() * target().subgroups + subgroup(); }
Val Build::lane() { return lanes() == 1 ? constant(0) : place(Op::lane, Rate::lane); }
Val Build::lane_in(int n) { return n >= lanes() ? lane() : lane() % n; }
Val Build::lane_of(int n) { return n >= lanes() ? constant(0) : lane() / n; }

// --- values and registers ---

Val Build::integer_constant(std::int64_t number, Kind kind) {
  if (is_float(kind)) return constant(static_cast<double>(number), kind);
  return {this, append({.op = Op::constant, .type = {kind, Rate::group}, .integer = number})};
}
Val Build::constant(double number, Kind kind) {
  if (!is_float(kind)) fail(fmt::format("{} is no {}", number, info(kind).name));
  return {this, append({.op = Op::constant, .type = {kind, Rate::group}, .number = number})};
}

Val Build::let(std::string_view name, Val value) {
  Node& node = kernel_.nodes[resolve(value, Kind::i32)];
  if (!node.args.empty() || info(node.op).pinned) {
    if (node.name.empty()) node.name = name;
  }
  return value;
}

int Build::add_variable(Variable variable, const Val& init) {
  const int place = static_cast<int>(kernel_.variables.size());
  const Id start = resolve(init, variable.type.kind);
  variable.type.rate = effective(variable.type.rate);
  kernel_.variables.push_back(std::move(variable));
  append({.op = Op::declare, .args = {start}, .ref = place});
  return place;
}
Reg Build::var(std::string_view name, Kind kind, Rate rate, Val init) {
  return {this, add_variable({.name = std::string(name), .type = {kind, rate}}, init)};
}
Tile Build::tile(std::string_view name, int count, Kind kind, Rate rate, Val init) {
  return {this, add_variable({.name = std::string(name), .type = {kind, rate}, .count = count, .tile = true}, init)};
}

// --- control flow ---

std::vector<Id> Build::region(const Body& body) {
  open_.emplace_back();
  body();
  std::vector<Id> nodes = std::move(open_.back().nodes);
  open_.pop_back();
  return nodes;
}

void Build::loop(Node node, const LoopBody& body) {
  // The index is a node of the loop's own, in front of its body; it is known by the loop that owns it.
  const Rate bounds = std::max(kernel_.nodes[node.args[0]].type.rate, kernel_.nodes[node.args[1]].type.rate);
  Rate rate = bounds;
  if (node.deal == Deal::subgroups) rate = std::max(rate, Rate::subgroup);
  if (node.deal == Deal::lanes || node.deal == Deal::group) rate = Rate::lane;
  node.index = static_cast<Id>(kernel_.nodes.size());
  kernel_.nodes.push_back({.op = Op::index, .type = {Kind::i32, effective(rate)}, .name = node.name});
  const Id index = node.index;
  const Id place = static_cast<Id>(kernel_.nodes.size());
  kernel_.nodes.push_back({});
  kernel_.nodes[index].owner = place;
  node.body = region([&] { body(Val(this, index)); });
  kernel_.nodes[place] = std::move(node);
  open_.back().nodes.push_back(place);
}

void Build::for_(std::string_view name, Val from, Val to, const LoopBody& body, int unroll, int step) {
  const Id first = resolve(from, Kind::i32), last = resolve(to, Kind::i32);
  const Node &a = kernel_.nodes[first], &b = kernel_.nodes[last];
  if (a.op == Op::constant && b.op == Op::constant) {
    if (a.integer >= b.integer) return;
    if (a.integer + step >= b.integer) return body(Val(this, first));
  }
  loop({.op = Op::loop, .args = {first, last}, .integer = step, .name = std::string(name), .unroll = unroll}, body);
}

void Build::each(std::string_view name, int count, const LoopBody& body) { for_(name, 0, count, body, 0); }

void Build::deal(Deal deal, std::string_view name, const Val& from, const Val& to, const LoopBody& body, int share) {
  const Id first = resolve(from, Kind::i32), last = resolve(to, Kind::i32);
  loop({.op = Op::loop, .args = {first, last}, .integer = 1, .name = std::string(name), .deal = deal, .share = share},
       body);
}
void Build::for_lanes(std::string_view name, Val from, Val to, const LoopBody& body, int share) {
  if (share < 1 || !std::has_single_bit(static_cast<unsigned>(share)))
    fail(fmt::format("loop {}: share {} is no power of two", name, share));
  if (share >= lanes()) return for_(name, from, to, body);
  deal(Deal::lanes, name, from, to, body, share);
}
void Build::for_subgroups(std::string_view name, Val from, Val to, const LoopBody& body) {
  if (target().subgroups == 1) return for_(name, from, to, body);
  deal(Deal::subgroups, name, from, to, body, 1);
}
void Build::for_group(std::string_view name, Val from, Val to, const LoopBody& body) {
  if (target().subgroups == 1) return for_lanes(name, from, to, body);
  deal(Deal::group, name, from, to, body, 1);
}

void Build::if_(Val condition, const Body& body, const Body& other) {
  const Id test = resolve(condition, Kind::b1);
  if (kernel_.nodes[test].op == Op::constant) {
    if (kernel_.nodes[test].integer != 0) return body();
    if (other) other();
    return;
  }
  std::vector<Id> then = region(body), otherwise;
  if (other) otherwise = region(other);
  append({.op = Op::if_, .args = {test}, .body = std::move(then), .other = std::move(otherwise)});
}

void Build::barrier() {
  if (target().subgroups * target().lanes > 1) append({.op = Op::barrier});
}
void Build::prefetch(const Elem& place, int bytes_ahead) {
  append(
      {.op = Op::prefetch, .args = place.index_, .integer = bytes_ahead, .ref = place.buffer_, .field = place.field_});
}
void Build::comment(std::string_view text) { append({.op = Op::comment, .name = std::string(text)}); }

// --- functions and lane operations ---

int Build::define(std::string_view name, const std::vector<Kind>& parameters, const FunctionBody& body,
                  std::string_view comment, const std::vector<std::string>& parameter_names) {
  for (std::size_t i = 0; i < kernel_.functions.size(); ++i) {
    if (kernel_.functions[i].name != name) continue;
    if (kernel_.functions[i].parameters != parameters)
      fail(fmt::format("function '{}' is called with other kinds than it was defined with", name));
    return static_cast<int>(i);
  }
  Function f = {.name = std::string(name), .parameters = parameters, .comment = std::string(comment)};
  std::vector<Open> outside = std::exchange(open_, std::vector<Open>(1));
  std::vector<Val> arguments;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    f.parameter_names.push_back(i < parameter_names.size() ? parameter_names[i]
                                : parameters.size() == 1   ? std::string("x")
                                                           : fmt::format("x{}", i));
    arguments.emplace_back(
        this, append({.op = Op::argument, .type = {parameters[i], Rate::lane}, .ref = static_cast<int>(i)}));
  }
  f.result = body(arguments).id();
  f.result_kind = kernel_.nodes[f.result].type.kind;
  f.body = std::move(open_.back().nodes);
  open_ = std::move(outside);
  kernel_.functions.push_back(std::move(f));  // behind those that it called
  return static_cast<int>(kernel_.functions.size() - 1);
}

Val Build::call(std::string_view name, const std::vector<Val>& args, const FunctionBody& body, std::string_view comment,
                const std::vector<std::string>& parameter_names) {
  std::vector<Kind> kinds;
  std::vector<Id> ids;
  Rate rate = Rate::group;
  for (const Val& v : args) {
    ids.push_back(resolve(v, Kind::f32));
    kinds.push_back(kernel_.nodes[ids.back()].type.kind);
    rate = std::max(rate, kernel_.nodes[ids.back()].type.rate);
  }
  const int place = define(name, kinds, body, comment, parameter_names);
  const Kind kind = kernel_.functions[static_cast<std::size_t>(place)].result_kind;
  return {this, append({.op = Op::call, .type = {kind, rate}, .args = std::move(ids), .ref = place})};
}

Val Build::lane_wide(Op op, const Val& value) {
  const Type type = {value.kind(), Rate::subgroup};
  return {this, append({.op = op, .type = type, .args = {value.id()}})};
}
Val Build::lane_sum(Val value) { return lanes() == 1 ? value : lane_wide(Op::lane_sum, value); }
Val Build::lane_max(Val value) { return lanes() == 1 ? value : lane_wide(Op::lane_max, value); }
Val Build::lane_min(Val value) { return lanes() == 1 ? value : lane_wide(Op::lane_min, value); }
Val Build::lane_get(Val value, Val lane) {
  if (lanes() == 1) return value;
  const Type type = {value.kind(), Rate::subgroup};
  return {this, append({.op = Op::lane_get, .type = type, .args = {value.id(), resolve(lane, Kind::i32)}})};
}

Val Build::by_quarters(Op op, const Val& a, const Val& b, const Val& c, const Val& d) {
  const std::vector<Id> args = {a.id(), b.id(), c.id(), d.id()};
  return {this, append({.op = op, .type = {a.kind(), Rate::lane}, .args = args})};
}
Val Build::lane_sums(Val a, Val b, Val c, Val d) { return by_quarters(Op::lane_sums, a, b, c, d); }
Val Build::lane_turn(Val value) {
  return {this, append({.op = Op::lane_turn, .type = {value.kind(), Rate::lane}, .args = {value.id()}})};
}
Val Build::lane_maxs(Val a, Val b, Val c, Val d) { return by_quarters(Op::lane_maxs, a, b, c, d); }

Val Build::mma_load(Kind fragment, const Mem& from, Val at, Val stride) {
  const std::vector<Id> args = {resolve(at, Kind::i32), resolve(stride, Kind::i32)};
  return {this, append({.op = Op::mma_load, .type = {fragment, Rate::subgroup}, .args = args, .ref = from.buffer()})};
}
Val Build::mma(Val a, Val b, Val c) {
  return {this, append({.op = Op::mma, .type = {Kind::mma_c, Rate::subgroup}, .args = {a.id(), b.id(), c.id()}})};
}
void Build::mma_store(const Mem& to, Val at, Val stride, Val c) {
  append(
      {.op = Op::mma_store, .args = {resolve(at, Kind::i32), resolve(stride, Kind::i32), c.id()}, .ref = to.buffer()});
}

Val Build::group_wide(Op op, std::string_view name, const Val& value) {
  const bool sums = op == Op::lane_sum, least = op == Op::lane_min;
  const Val own = let(name, sums ? lane_sum(value) : least ? lane_min(value) : lane_max(value));
  if (target().subgroups == 1) return own;
  const Mem parts = shared(std::string(name) + "_parts", value.kind(), target().subgroups);
  parts[subgroup()] = own;
  barrier();
  const Reg all = var(std::string(name) + "_all", value.kind(), Rate::group, parts[0]);
  for_("part", 1, target().subgroups, [&](Val part) {
    if (sums)
      all += parts[part];
    else
      all = least ? min(Val(all), parts[part]) : max(Val(all), parts[part]);
  });
  barrier();  // before the next use of the same shared memory
  return all;
}
Val Build::group_sum(std::string_view name, Val value) { return group_wide(Op::lane_sum, name, value); }
Val Build::group_max(std::string_view name, Val value) { return group_wide(Op::lane_max, name, value); }
Val Build::group_min(std::string_view name, Val value) { return group_wide(Op::lane_min, name, value); }

Kernel Build::done() {
  if (done_ || open_.size() != 1) fail(done_ ? "done() was called before" : "done() inside a region");
  done_ = true;
  kernel_.body = std::move(open_.back().nodes);
  Kernel kernel = in_canonical_order(kernel_);
  verify(kernel);
  return kernel;
}

}  // namespace openinfer::kir
