// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/verify.h"

#include <algorithm>

#include "lib/base/fail.h"

namespace openinfer::kir {
namespace {

class Verifier {
 public:
  explicit Verifier(const Kernel& k) : k_(k), usable_(k.nodes.size()), declared_(k.variables.size()) {}

  void run() {
    for (std::size_t f = 0; f < k_.functions.size(); ++f) function(k_.functions[f], f);
    region(k_.body, Rate::group);
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    openinfer::fail(ErrorCode::internal, "[kernel {}] {}", k_.name, fmt::format(format, std::forward<Args>(args)...));
  }
  void check(bool holds, Id id, std::string_view rule) const {
    if (!holds)
      fail("node {} ({}{}{}): {}", id, info(k_[id].op).name, k_[id].name.empty() ? "" : " ", k_[id].name, rule);
  }

  void exists(Id id, std::string_view what) const {
    if (id >= k_.nodes.size()) fail("{} is node {} of {}", what, id, k_.nodes.size());
  }
  static bool is_one_of(int ref, std::size_t count) { return ref >= 0 && static_cast<std::size_t>(ref) < count; }

  Rate rate(Rate r) const {  // as it is on this target
    if (r == Rate::lane && k_.target.lanes == 1) r = Rate::subgroup;
    if (r == Rate::subgroup && k_.target.subgroups == 1) r = Rate::group;
    return r;
  }
  Rate args_rate(const Node& n) const {
    Rate r = Rate::group;
    for (const Id arg : n.args) r = std::max(r, k_[arg].type.rate);
    return rate(r);
  }
  Kind kind(const Node& n, std::size_t arg) const { return k_[n.args[arg]].type.kind; }

  void region(const std::vector<Id>& nodes, Rate flow) {
    std::vector<Id> here;
    std::vector<int> variables;
    for (const Id id : nodes) {
      exists(id, "a statement or value");
      const Node& n = k_[id];
      for (const Id arg : n.args) check(arg < k_.nodes.size() && usable_[arg], id, "uses a value that is not in scope");
      const OpInfo& about = info(n.op);
      if (about.operands >= 0) check(static_cast<int>(n.args.size()) == about.operands, id, "wrong number of operands");
      if (n.op == Op::declare) {
        check(is_one_of(n.ref, k_.variables.size()), id, "no such variable");
        declared_[static_cast<std::size_t>(n.ref)] = true;
        variables.push_back(n.ref);
      }
      if (about.value) value(id, flow);
      if (!about.value) statement(id, flow);
      usable_[id] = about.value;
      here.push_back(id);
    }
    for (const Id id : here) usable_[id] = false;
    for (const int v : variables) declared_[static_cast<std::size_t>(v)] = false;
  }

  /// Of a value in the function `in` (null: in the kernel's body), behind which `callees` functions stand.
  void names(Id id, const Function* in, std::size_t callees) const {
    const Node& n = k_[id];
    if (n.op == Op::param) check(!in && is_one_of(n.ref, k_.params.size()), id, "no such parameter");
    if (n.op == Op::argument) check(in && is_one_of(n.ref, in->parameters.size()), id, "no such argument");
    if (n.op != Op::call) return;
    check(is_one_of(n.ref, callees), id, "no such function");
    const Function& f = k_.functions[static_cast<std::size_t>(n.ref)];
    check(n.args.size() == f.parameters.size(), id, "wrong number of arguments");
    for (std::size_t i = 0; i < n.args.size(); ++i)
      check(kind(n, i) == f.parameters[i], id, "an argument of another kind than the function's");
    check(n.type.kind == f.result_kind, id, "of another kind than the function's result");
  }

  void value(Id id, Rate flow) const {
    const Node& n = k_[id];
    names(id, nullptr, k_.functions.size());
    check(n.type.kind != Kind::none && !is_memory_only(n.type.kind), id, "a value of a kind that lies in memory only");
    if (info(n.op).lane_wide) {
      check(flow < Rate::lane, id, "a lane operation where some lanes may not be");
      if (n.op == Op::lane_sums || n.op == Op::lane_maxs || n.op == Op::lane_turn) return by_quarters(id);
      check(rate(n.type.rate) <= Rate::subgroup, id, "its result is the same for the subgroup");
      return n.op == Op::mma_load ? fragment(id, n.type.kind) : void();
    }
    if (n.op == Op::mma) {
      check(flow < Rate::lane, id, "a product of fragments where some lanes may not be");
      check(kind(n, 0) == Kind::mma_a && kind(n, 1) == Kind::mma_b && kind(n, 2) == Kind::mma_c, id,
            "takes a, b and c");
      return;
    }
    if (n.op == Op::load) return memory(id, n.args.size(), flow);
    if (n.op == Op::read) return variable(id, n.args.size());
    if (n.op == Op::index || n.args.empty()) return;
    check(rate(n.type.rate) == args_rate(n), id, "its rate is not that of its operands");
    kinds(id);
  }

  void by_quarters(Id id) const {
    const Node& n = k_[id];
    check(k_.target.lanes >= 4, id, "a quarter of the lanes is less than one");
    check(n.type.rate == Rate::lane, id, "quarters of the lanes have different results");
    const bool sums = n.op == Op::lane_sums;
    check(sums || k_.target.lanes_are_vectors(), id, "lanes are no vectors");
    if (n.op == Op::lane_turn) return check(kind(n, 0) == n.type.kind, id, "of another kind than its operand");
    for (std::size_t i = 0; i < n.args.size(); ++i)
      check(kind(n, i) == (sums ? Kind::f32 : Kind::i32), id, sums ? "takes four f32" : "takes four i32");
  }

  void kinds(Id id) const {
    const Node& n = k_[id];
    if (n.op == Op::convert || n.op == Op::bitcast || n.op == Op::call) {
      if (n.op == Op::bitcast) check(info(kind(n, 0)).bytes == info(n.type.kind).bytes, id, "kinds differ in width");
      return;
    }
    if (n.op == Op::pair_dots_us || n.op == Op::pair_sum)
      check(k_.target.lanes_are_vectors(), id, "lanes are no vectors");
    if (n.op == Op::pair_sum) return check(kind(n, 0) == Kind::i32 && n.type.kind == Kind::i32, id, "takes i32");
    if (n.op == Op::dot4 || n.op == Op::dot4_us || n.op == Op::pair_dots_us)
      return check(kind(n, 0) == Kind::i8x4 && kind(n, 1) == Kind::i8x4 && kind(n, 2) == Kind::i32, id,
                   "takes i8x4, i8x4, i32");
    if (n.op == Op::bf16_pair)
      return check(kind(n, 0) == Kind::f32 && kind(n, 1) == Kind::f32 && n.type.kind == Kind::u32, id,
                   "makes a u32 of two f32");
    if (n.op == Op::bf16_dot)
      return check(
          kind(n, 0) == Kind::u32 && kind(n, 1) == Kind::u32 && kind(n, 2) == Kind::f32 && n.type.kind == Kind::f32, id,
          "takes u32, u32, f32, and makes an f32");
    for (std::size_t i = 0; i < n.args.size(); ++i)
      check(!is_fragment(kind(n, i)), id, "fragments are loaded, multiplied and stored, nothing else");
    const std::size_t first = n.op == Op::select ? 1 : 0;
    if (first == 1) check(kind(n, 0) == Kind::b1, id, "the condition is no b1");
    for (std::size_t i = first + 1; i < n.args.size(); ++i)
      check(kind(n, i) == kind(n, first), id, "operands differ in kind");
    const bool compares = n.op == Op::eq || n.op == Op::ne || n.op == Op::lt || n.op == Op::le;
    check(n.type.kind == (compares ? Kind::b1 : kind(n, first)), id, "a result of another kind than its operands");
    const bool bits = n.op == Op::mod || n.op == Op::shift_left || n.op == Op::shift_right || n.op == Op::bit_and ||
                      n.op == Op::bit_or || n.op == Op::bit_xor || n.op == Op::bit_not;
    if (bits) check(is_integer(n.type.kind), id, "takes integers");
  }

  std::size_t fields(const Buffer& b) const {
    return is_one_of(b.record, k_.records.size()) ? k_.records[static_cast<std::size_t>(b.record)].fields.size() : 0;
  }

  /// A load, store or prefetch whose first `index` operands say where.
  void memory(Id id, std::size_t index, Rate flow) const {
    const Node& n = k_[id];
    check(is_one_of(n.ref, k_.buffers.size()), id, "no such buffer");
    const Buffer& b = k_.buffers[static_cast<std::size_t>(n.ref)];
    check((b.kind == Kind::none) == (n.field >= 0), id, "a field of what is no record, or a record as a value");
    check(n.field < 0 || is_one_of(n.field, fields(b)), id, "no such field");
    check(index == (n.field >= 0 ? 2u : 1u), id, "wrong number of indices");
    for (std::size_t i = 0; i < index; ++i) check(kind(n, i) == Kind::i32, id, "an index is no i32");
    if (n.op == Op::store) {
      check(b.access != Access::read, id, "writes to a buffer that is only read");
      check(!is_fragment(k_[n.args[index]].type.kind), id, "a fragment is stored as a whole: mma_store");
      Rate place = Rate::group;
      for (std::size_t i = 0; i < index; ++i) place = std::max(place, rate(k_[n.args[i]].type.rate));
      const Rate of_value = rate(k_[n.args[index]].type.rate);
      check(place == Rate::lane || of_value < Rate::lane, id, "lanes write different values to one place");
      check(flow < Rate::lane || place == Rate::lane, id, "a uniform place written where some lanes may not be");
    } else if (n.op == Op::load) {
      check(b.access != Access::write, id, "reads a buffer that is only written");
    }
  }

  /// A load of a fragment of that kind, or a store.
  void fragment(Id id, Kind of) const {
    const Node& n = k_[id];
    const std::optional<MmaShape>& mma = k_.target.mma;
    const bool bf16 = mma && mma->operand == DType::bf16;
    check(mma && (bf16 || mma->operand == DType::f16) && mma->sum == DType::f32, id,
          "the target has no fragments of f16 or bf16 with sums in f32");
    check(is_fragment(of), id, "it is no fragment");
    check(is_one_of(n.ref, k_.buffers.size()), id, "no such buffer");
    const Buffer& b = k_.buffers[static_cast<std::size_t>(n.ref)];
    const bool pairs = bf16 && of != Kind::mma_c && b.kind == Kind::u32;
    const Kind operand = !bf16 ? Kind::f16 : of == Kind::mma_b ? Kind::u32 : Kind::bf16;
    check(pairs || b.kind == (of == Kind::mma_c ? Kind::f32 : operand), id,
          "the buffer's elements are not the fragment's");
    const bool stores = n.op == Op::mma_store;
    check(b.access != (stores ? Access::read : Access::write), id, "the buffer is not for that");
    for (std::size_t i = 0; i < 2; ++i) {
      check(kind(n, i) == Kind::i32, id, "an index is no i32");
      check(rate(k_[n.args[i]].type.rate) <= Rate::subgroup, id, "an index that differs between lanes");
    }
  }

  void variable(Id id, std::size_t index) const {
    const Node& n = k_[id];
    check(is_one_of(n.ref, k_.variables.size()), id, "no such variable");
    const Variable& v = k_.variables[static_cast<std::size_t>(n.ref)];
    check(declared_[static_cast<std::size_t>(n.ref)], id, "the variable is not in scope");
    check(index == (v.tile ? 1u : 0u), id, "a tile without a place, or a place in what is no tile");
    if (v.tile) check(is_place(n.args[0]), id, "a tile's place is made of constants and unrolled indices only");
  }

  bool is_place(Id id) const {
    const Node& n = k_[id];
    if (n.op == Op::constant) return true;
    if (n.op == Op::index) return n.owner < k_.nodes.size() && k_[n.owner].unroll == 0;
    if (n.op != Op::add && n.op != Op::mul && n.op != Op::sub) return false;
    return is_place(n.args[0]) && is_place(n.args[1]);
  }

  void statement(Id id, Rate flow) {
    const Node& n = k_[id];
    if (n.op == Op::store) return memory(id, n.args.size() - 1, flow);
    if (n.op == Op::prefetch) return memory(id, n.args.size(), flow);
    if (n.op == Op::mma_store) {
      check(n.args.size() == 3 && kind(n, 2) == Kind::mma_c, id, "takes a place, a stride and a fragment of sums");
      check(flow < Rate::lane, id, "a fragment stored where some lanes may not be");
      return fragment(id, Kind::mma_c);
    }
    if (n.op == Op::declare || n.op == Op::write) return write(id, flow);
    if (n.op == Op::turn) return turn(id, flow);
    if (n.op == Op::loop) return loop(id, flow);
    if (n.op == Op::barrier) return check(flow == Rate::group, id, "a barrier where some of the workgroup may not be");
    if (n.op != Op::if_) return;
    check(n.args.size() == 1 && kind(n, 0) == Kind::b1, id, "the condition is no b1");
    check(args_rate(n) < Rate::lane, id, "the condition differs between lanes: use select");
    region(n.body, std::max(flow, args_rate(n)));
    region(n.other, std::max(flow, args_rate(n)));
  }

  void write(Id id, Rate flow) const {
    const Node& n = k_[id];
    check(is_one_of(n.ref, k_.variables.size()), id, "no such variable");
    check(n.op == Op::declare ? n.args.size() == 1 : !n.args.empty(), id, "wrong number of operands");
    const Variable& v = k_.variables[static_cast<std::size_t>(n.ref)];
    check(k_[n.args.back()].type.kind == v.type.kind, id, "a value of another kind than the variable");
    check(rate(k_[n.args.back()].type.rate) <= rate(v.type.rate), id, "a value of finer rate than the variable");
    if (n.op == Op::declare) return;
    check(flow <= rate(v.type.rate), id, "a variable of coarser rate than the flow it is written in");
    variable(id, n.args.size() - 1);
  }

  void turn(Id id, Rate flow) const {
    const Node& n = k_[id];
    check(n.args.empty(), id, "wrong number of operands");
    check(k_.target.lanes_are_vectors(), id, "lanes are no vectors");
    check(flow < Rate::lane, id, "a lane operation where some lanes may not be");
    check(is_one_of(n.ref, k_.variables.size()) && declared_[static_cast<std::size_t>(n.ref)], id,
          "the variable is not in scope");
    const Variable& v = k_.variables[static_cast<std::size_t>(n.ref)];
    check(v.tile && v.count == k_.target.lanes && rate(v.type.rate) == rate(Rate::lane), id,
          "no tile of as many places as lanes");
    check(!is_fragment(v.type.kind), id, "fragments are loaded, multiplied and stored, nothing else");
  }

  void loop(Id id, Rate flow) {
    const Node& n = k_[id];
    check(n.args.size() == 2 && kind(n, 0) == Kind::i32 && kind(n, 1) == Kind::i32, id, "bounds are two i32");
    check(args_rate(n) < Rate::lane, id, "bounds differ between lanes");
    check(n.deal == Deal::none || n.integer == 1, id, "a dealt loop has no step");
    check(flow < Rate::lane || n.deal == Deal::none, id, "dealt to lanes that may not all be there");
    if (n.unroll == 0)
      check(k_[n.args[0]].op == Op::constant && k_[n.args[1]].op == Op::constant, id, "unrolled without known bounds");
    exists(n.index, "a loop's index");
    Rate inside = std::max(flow, args_rate(n));
    if (n.deal == Deal::subgroups) inside = std::max(inside, rate(Rate::subgroup));
    if (n.deal == Deal::lanes || n.deal == Deal::group) inside = rate(Rate::lane);
    usable_[n.index] = true;
    region(n.body, inside);
    usable_[n.index] = false;
  }

  void function(const Function& f, std::size_t callees) {
    for (const Id id : f.body) {
      exists(id, "a function's value");
      const Node& n = k_[id];
      for (const Id arg : n.args)
        check(arg < k_.nodes.size() && usable_[arg], id, "a function uses a value that is not its own");
      const OpInfo& about = info(n.op);
      check(about.value && !about.pinned, id, "a function is pure");
      if (about.operands >= 0) check(static_cast<int>(n.args.size()) == about.operands, id, "wrong number of operands");
      names(id, &f, callees);
      usable_[id] = true;
    }
    exists(f.result, "a function's result");
    check(usable_[f.result], f.result, "a function's result is not its own");
    for (const Id id : f.body) usable_[id] = false;
  }

  const Kernel& k_;
  std::vector<bool> usable_;    // by node: in scope here
  std::vector<bool> declared_;  // by variable
};

}  // namespace

void verify(const Kernel& kernel) { Verifier(kernel).run(); }

}  // namespace openinfer::kir
