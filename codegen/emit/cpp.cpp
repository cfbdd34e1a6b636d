// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/cpp.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "codegen/emit/cpp_text.h"
#include "codegen/emit/cpp_tiles.h"
#include "codegen/emit/lane_renderer.h"
#include "codegen/kernel_ir/ramp.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using kir::Access;
using kir::Id;
using kir::Kind;
using kir::Node;
using kir::Op;
using kir::Rate;
using kir::Type;

class CppRenderer final : public Renderer {
 public:
  std::string records_only() {
    records();
    return std::move(out_);
  }

  CppRenderer(const kir::Kernel& k, CppLinkage linkage)
      : Renderer(k, kCppReserved), ramps_(kir::find_ramps(k)), linkage_(linkage) {
    if (k.target.subgroups != 1)
      openinfer::fail(ErrorCode::internal, "[emit] kernel {}: C++ has one subgroup, not {}", k.name,
                      k.target.subgroups);
    check_tiles(k);
    called_.resize(k.functions.size());
    find_calls(k.body, false);
    for (std::size_t i = k.functions.size(); i-- > 0;) {  // callers stand behind those that they call
      if (called_[i].vector) find_calls(k.functions[i].body, false);
      if (called_[i].scalar) find_calls(k.functions[i].body, true);
    }
  }

 private:
  /// In which forms a function is called.
  struct Called {
    bool scalar = false, vector = false;
  };
  void find_calls(const std::vector<Id>& region, bool scalar) {
    for (const Id id : region) {
      const Node& n = node(id);
      if (n.op == Op::call) {
        Called& called = called_[static_cast<std::size_t>(n.ref)];
        (is_vector(n.type) && !scalar ? called.vector : called.scalar) = true;
      }
      find_calls(n.body, scalar);
      find_calls(n.other, scalar);
    }
  }
  int lanes() const { return k_.target.lanes; }
  /// Within the scalar form of a function everything is one number.
  bool is_vector(Type t) const { return t.rate == Rate::lane && lanes() > 1 && !scalar_form_; }
  /// An even integer that is kept as its base.
  bool is_ramp(Id id) const {
    const auto& stride = ramps_[id];
    return is_vector(node(id).type) && stride && *stride != 0;
  }

  std::string type_name(Type t) const override {
    if (!is_vector(t)) return cpp_value_type(t.kind);
    const Kind kind = t.kind == Kind::i8x4 ? Kind::i32 : t.kind;
    return fmt::format("{}x{}", kir::info(kind).name, lanes());
  }
  std::string memory_type(Kind kind) const override { return cpp_stored_type(kind); }
  std::string literal(const Node& n) const override { return cpp_literal(n); }

  // --- values ---

  Text group() const override { return {"group"}; }
  Text subgroup() const override { return {"0"}; }
  Text lane() const override { return {"0"}; }  // the base of the ramp 0, 1, 2, …

  /// As a vector where it differs between lanes.
  Text value(Id id) override {
    if (!is_ramp(id) || base_depth_ > 0) return Renderer::value(id);
    const std::string base = base_of(id);
    const std::string type = type_name(node(id).type);
    if (*ramps_[id] == 1) return {fmt::format("ramp<{}>({})", type, base)};
    return {fmt::format("ramp<{}>({}, {})", type, base, *ramps_[id])};
  }
  std::string base_of(Id id) {
    ++base_depth_;
    const std::string text = Renderer::value(id).text;
    --base_depth_;
    return text;
  }
  /// As an operand that must have the type of the result, not just mix with it.
  Text widened(Id id, Type to) {
    if (!is_vector(to) || is_vector(node(id).type)) return value(id);
    return {fmt::format("splat<{}>({})", type_name({node(id).type.kind, Rate::lane}), value(id).text)};
  }

  Text masks(const Node& n, std::string_view op, int precedence) {
    const Type mask = {Kind::b1, Rate::lane};
    return binary(op, precedence, widened(n.args[0], mask), widened(n.args[1], mask));
  }
  /// What vectors need beyond C's operators: masks of 32 bits, and divisors where no lane is.
  Text expression(Id id) override {
    const Node& n = node(id);
    if (!is_vector(n.type) || n.args.empty()) return Renderer::expression(id);
    const Kind kind = node(n.args[0]).type.kind;
    const bool compares = n.op == Op::eq || n.op == Op::ne || n.op == Op::lt || n.op == Op::le;
    if (n.op == Op::logical_and) return masks(n, "&", 7);
    if (n.op == Op::logical_or) return masks(n, "|", 9);
    if (n.op == Op::logical_not) return {"~" + wrapped(value(n.args[0]), 0), 1};
    if (compares && kind == Kind::b1) return masks(n, n.op == Op::eq ? "==" : "!=", 6);
    if (compares && kir::info(kind).bytes == 8) return emit::Renderer::call("mask_of", {Renderer::expression(id)});
    if (n.op == Op::shift_left || n.op == Op::shift_right)
      return binary(n.op == Op::shift_left ? "<<" : ">>", 4, widened(n.args[0], n.type), value(n.args[1]));
    const bool divides = (n.op == Op::div || n.op == Op::mod) && kir::is_integer(kind);
    if (!divides || !in_tail_ || !is_vector(node(n.args[1]).type)) return Renderer::expression(id);
    const std::string one = fmt::format("splat<{}>(1)", type_name({kind, Rate::lane}));
    const Text divisor = emit::Renderer::call("select", {{use_tail()}, value(n.args[1]), {one}});
    return binary(n.op == Op::div ? "/" : "%", 2, value(n.args[0]), divisor);
  }

  Text convert(Id id) override {
    const Node& n = node(id);
    const Id from = n.args[0];
    if (node(from).type.kind == Kind::b1 && is_vector(n.type)) {
      const Text number = binary("&", 7, value(from), {"1"});
      return n.type.kind == Kind::i32 ? number : Text{fmt::format("convert<{}>({})", type_name(n.type), number.text)};
    }
    if (is_vector(n.type)) return {fmt::format("convert<{}>({})", type_name(n.type), text(from))};
    return {fmt::format("static_cast<{}>({})", cpp_value_type(n.type.kind), text(from))};
  }
  Text bitcast(Id id) override {
    const Node& n = node(id);
    return {fmt::format("bitcast<{}>({})", type_name(n.type), text(n.args[0]))};
  }
  Text select(Id id) override {
    const Node& n = node(id);
    if (!is_vector(n.type))
      return {fmt::format("{} ? {} : {}", wrapped(value(n.args[0]), 11), wrapped(value(n.args[1]), 11),
                          wrapped(value(n.args[2]), 11)),
              12};
    return emit::Renderer::call("select",
                                {widened(n.args[0], n.type), widened(n.args[1], n.type), widened(n.args[2], n.type)});
  }
  Text builtin(Id id) override {
    const Node& n = node(id);
    const std::string name =
        n.op == Op::call ? k_.functions[static_cast<std::size_t>(n.ref)].name : std::string(kir::info(n.op).name);
    std::vector<Text> args;
    for (const Id arg : n.args) args.push_back(widened(arg, n.type));
    return emit::Renderer::call(name, args);
  }
  Text dot4(Id id) override {
    const Node& n = node(id);
    return emit::Renderer::call(n.op == Op::dot4 ? "dot4" : "dot4_us",
                                {widened(n.args[0], n.type), widened(n.args[1], n.type), widened(n.args[2], n.type)});
  }
  Text pair_sums(Id id) override { return builtin(id); }
  Text bf16(Id id) override {
    const Node& n = node(id);
    const auto inline_here = [&](Id arg) { return names_.values[arg].empty(); };
    if (n.op == Op::bf16_pair && is_vector(n.type) && !in_tail_ && inline_here(n.args[0]) && inline_here(n.args[1]) &&
        kir::load_neighbours(k_, ramps_, n.args[0], n.args[1]))
      return {fmt::format("load_pairs<{}>(&{})", type_name(n.type), first_place(node(n.args[0]), 1))};
    std::vector<Text> args;
    for (const Id arg : n.args) args.push_back(widened(arg, {node(arg).type.kind, n.type.rate}));
    return emit::Renderer::call(kir::info(n.op).name, args);
  }
  Text mma(Id id) override {
    const Node& n = node(id);
    if (n.op == Op::mma) return emit::Renderer::call("mma", {value(n.args[0]), value(n.args[1]), value(n.args[2])});
    const std::string_view load = n.type.kind == Kind::mma_a ? "load_a" : "load_b";
    return emit::Renderer::call(load, {{"&" + element(buffer(n), value(n.args[0]))}, value(n.args[1])});
  }
  void mma_store(Id id) override {
    const Node& n = node(id);
    line(fmt::format("store_c(&{}, {}, {});", element(buffer(n), value(n.args[0])), text(n.args[1]), text(n.args[2])));
  }
  void turn(Id id) override { line(fmt::format("turn({});", variable(node(id)))); }
  Text lane_operation(Id id) override {
    const Node& n = node(id);
    if (n.op == Op::lane_get) return {fmt::format("{}[{}]", wrapped(value(n.args[0]), 0), text(n.args[1]))};
    std::vector<Text> args;
    for (const Id arg : n.args) args.push_back(widened(arg, {n.type.kind, Rate::lane}));
    return emit::Renderer::call(kir::info(n.op).name, args);
  }

  /// Where the lanes of an access are: all at one place, one behind the other, or anywhere.
  enum class Lanes { one, row, any };
  /// Four neighbouring bytes as one value.
  bool is_packed(const Node& n) const { return n.type.kind == Kind::i8x4 && stored_kind(n) != Kind::i8x4; }
  Lanes lanes_of(const Node& n, std::size_t index) const {
    Lanes lanes = Lanes::one;
    for (std::size_t i = 0; i < index; ++i) {
      if (!is_vector(node(n.args[i]).type)) continue;
      const auto& stride = ramps_[n.args[i]];
      const bool last = i + 1 == index;
      if (stride && *stride == 0) continue;
      const bool row = last && stride && *stride == (is_packed(n) ? 4 : 1);
      lanes = row && lanes == Lanes::one ? Lanes::row : Lanes::any;
    }
    return lanes;
  }
  /// A place whose last index is the first lane's.
  std::string first_place(const Node& n, std::size_t index) {
    const std::string base = base_of(n.args[index - 1]);
    return place(n, &base);
  }

  /// Made of constants and indices of unrolled loops, with at least one of these.
  bool is_unrolled(Id id) const {
    const Node& n = node(id);
    if (n.op == Op::index) return node(n.owner).unroll == 0;
    if (n.op != Op::add && n.op != Op::mul) return false;
    const auto constant = [&](Id part) { return node(part).op == Op::constant; };
    return (is_unrolled(n.args[0]) || constant(n.args[0])) && (is_unrolled(n.args[1]) || constant(n.args[1])) &&
           !(constant(n.args[0]) && constant(n.args[1]));
  }
  /// `(x + x_at)[m * 64 + j]` instead of `x[x_at + m * 64 + j]`: sums of int wrap, so that each of them would be
  /// widened to 64 bits anew, while this is one address and numbers known when the loops are unrolled.
  std::string element_place(const Node& n) {
    const Node& sum = node(n.args[0]);
    const bool apart = sum.op == Op::add && names_.values[n.args[0]].empty() && !names_.values[sum.args[0]].empty() &&
                       is_unrolled(sum.args[1]);
    if (!apart) return place(n);
    const kir::Buffer& b = buffer(n);
    const std::string element = fmt::format("({} + {})[{}]", b.name, names_.values[sum.args[0]], text(sum.args[1]));
    if (n.field < 0) return element;
    const auto& field = k_.records[static_cast<std::size_t>(b.record)].fields[static_cast<std::size_t>(n.field)];
    const std::string of_record = element + "." + field.name;
    return field.count == 1 ? of_record : fmt::format("{}[{}]", of_record, text(n.args[1]));
  }

  Text load(Id id) override {
    const Node& n = node(id);
    const std::size_t index = n.field < 0 ? 1 : 2;
    const Lanes lanes = lanes_of(n, index);
    if (lanes == Lanes::one) {
      const Kind kind = stored_kind(n);
      if (is_packed(n)) return {fmt::format("load_i8x4(&{})", place(n))};
      if (kind == Kind::f16 || kind == Kind::bf16) return {fmt::format("widen({})", element_place(n))};
      if (kind == Kind::b1) return {fmt::format("{}.byte != 0", element_place(n)), 6};
      if (kind == n.type.kind || kind == Kind::i8 || kind == Kind::i16) return {element_place(n)};
      return {fmt::format("unsigned{{{}}}", element_place(n))};  // u8, u16
    }
    const std::string type = type_name(n.type);
    const std::string_view first = in_tail_ ? "_first" : "";
    const std::string limit = in_tail_ ? ", " + use_count() : "";
    const std::string_view packed = is_packed(n) ? "_i8x4" : "";
    if (lanes == Lanes::row)
      return {fmt::format("load{}{}<{}>(&{}{})", packed, first, type, first_place(n, index), limit)};
    if (const auto& stride = ramps_[n.args[0]]; n.field < 0 && stride && !is_packed(n) && !in_tail_)
      return {fmt::format("load_strided<{}>(&{}, {})", type, first_place(n, index), *stride)};
    if (n.field < 0 && is_packed(n))
      return {fmt::format("gather_i8x4<{}>({}, {}{})", type, buffer(n).name, text(n.args[0]), limit)};
    if (n.field < 0)
      return {fmt::format("gather{}<{}>({}, {}{})", first, type, buffer(n).name, text(n.args[0]), limit)};
    return gather_field(n, type);
  }
  /// Blocks or places within them that differ from lane to lane.
  Text gather_field(const Node& n, const std::string& type) {
    const auto& record = k_.records[static_cast<std::size_t>(buffer(n).record)];
    const auto& field = record.fields[static_cast<std::size_t>(n.field)];
    const std::string array = field.count == 1 ? "" : "[at]";
    const std::string from =
        fmt::format("[&]([[maybe_unused]] int block, [[maybe_unused]] int at) {{ return {}{}[block].{}{}); }}",
                    is_packed(n) ? "load_i8x4(&" : "widen(", buffer(n).name, field.name, array);
    const Type index = {Kind::i32, Rate::lane};
    return {fmt::format("gather_by<{}>({}, {}, {}{})", type, widened(n.args[0], index).text,
                        widened(n.args[1], index).text, from, in_tail_ ? ", " + use_count() : "")};
  }

  // --- statements ---

  void declare_value(Id id) override {
    const Node& n = node(id);
    const std::string& name = names_.values[id];
    if (is_ramp(id)) {
      ++base_depth_;
      const std::string base = expression(id).text;
      --base_depth_;
      return line(fmt::format("const int {} = {};", name, base));
    }
    const Text now = expression(id);
    // A value of lane rate made of uniform parts only cannot be; but a load may be a scalar.
    line(fmt::format("const {} {} = {};", type_name(n.type), name, now.text));
  }
  void declare_variable(Id id) override {
    const Node& n = node(id);
    const kir::Variable& v = k_.variables[static_cast<std::size_t>(n.ref)];
    const Node& init = node(n.args[0]);
    const bool zero = init.op == Op::constant && init.integer == 0 && init.number == 0 && !std::signbit(init.number);
    const bool array = v.count > 1;  // a tile of one is a variable
    const std::string size = array ? fmt::format("[{}]", v.count) : "";
    const std::string start = array ? (zero ? "{}" : "") : zero ? "{}" : " = " + widened(n.args[0], v.type).text;
    line(fmt::format("{} {}{}{};", type_name(v.type), variable(n), size, start));
    if (array && !zero)
      line(fmt::format("for (auto& one : {}) one = {};", variable(n), widened(n.args[0], v.type).text));
  }
  void write(Id id) override {
    const Node& n = node(id);
    const kir::Variable& v = k_.variables[static_cast<std::size_t>(n.ref)];
    if (!is_vector(v.type)) return Renderer::write(id);
    const std::string at = variable_place(n);
    if (!in_tail_) {
      if (const auto [added, op] = accumulation(n); added != kir::kNoId)
        return line(fmt::format("{} {} {};", at, op, text(added)));
      return line(fmt::format("{} = {};", at, widened(n.args.back(), v.type).text));
    }
    line(fmt::format("{} = select({}, {}, {});", at, use_tail(), widened(n.args.back(), v.type).text, at));
  }
  void store(Id id) override {
    const Node& n = node(id);
    const std::size_t index = n.args.size() - 1;
    const Id what = n.args.back();
    const Lanes lanes = lanes_of(n, index);
    const Kind kind = stored_kind(n);
    if (lanes == Lanes::one) {
      const std::string to = place(n);
      const bool same = kind == node(what).type.kind && kind != Kind::b1;
      return line(same ? fmt::format("{} = {};", to, text(what))
                       : fmt::format("{} = narrow<{}>({});", to, memory_type(kind), text(what)));
    }
    const std::string_view first = in_tail_ ? "_first" : "";
    const std::string limit = in_tail_ ? ", " + use_count() : "";
    const std::string now = widened(what, {node(what).type.kind, Rate::lane}).text;
    if (lanes == Lanes::row) return line(fmt::format("store{}(&{}, {}{});", first, first_place(n, index), now, limit));
    if (n.field >= 0) openinfer::fail(ErrorCode::internal, "[emit] kernel {}: lanes write fields anywhere", k_.name);
    line(fmt::format("scatter{}({}, {}, {}{});", first, buffer(n).name, text(n.args[0]), now, limit));
  }

  /// A loop over whole vectors, and one body for what is left.
  void dealt_loop(Id id) override {
    const Node& n = node(id);
    if (n.share != 1) return shared_loop(id);
    const Node &from = node(n.args[0]), &to = node(n.args[1]);
    const bool known = from.op == Op::constant && to.op == Op::constant;
    const std::int64_t turns = known ? to.integer - from.integer : 0;
    const std::string i = names_.values[n.index];
    const std::string first = text(n.args[0]), last = wrapped(value(n.args[1]), 4);
    if (!known || turns >= lanes()) {
      open(fmt::format("for (int {0} = {1}; {0} + {2} <= {3}; {0} += {2}) {{", i, first, lanes(), last));
      region(n.body);
      close();
    }
    if (known && turns % lanes() == 0) return;
    const std::string start =
        known ? fmt::format("{}", from.integer + turns / lanes() * lanes())
        : first == "0"
            ? fmt::format("{} / {} * {}", wrapped(value(n.args[1]), 2), lanes(), lanes())
            : fmt::format("{} + ({} - {}) / {} * {}", first, last, wrapped(value(n.args[0]), 2), lanes(), lanes());
    open(fmt::format("if (const int {0} = {1}; {0} < {2}) {{", i, start, last));
    tail_body(n, fmt::format("{} - {}", last, i));
    close();
  }
  /// Several lanes share an index: the index is a vector.
  void shared_loop(Id id) {
    const Node& n = node(id);
    const std::string i = names_.values[n.index], last = wrapped(value(n.args[1]), 4);
    const int at_once = lanes() / n.share;
    open(fmt::format("for (int {0}_0 = {1}; {0}_0 < {2}; {0}_0 += {3}) {{", i, text(n.args[0]), last, at_once));
    line(fmt::format("const i32x{0} {1} = {1}_0 + ramp<i32x{0}>(0) / {2};", lanes(), i, n.share));
    tail_body(n, fmt::format("min(({} - {}_0) * {}, {})", last, i, n.share, lanes()));
    close();
  }
  void tail_body(const Node& n, const std::string& count) {
    const std::string before = std::exchange(out_, {});
    in_tail_ = true;
    uses_count_ = uses_tail_ = false;
    region(n.body);
    in_tail_ = false;
    const std::string body = std::exchange(out_, before);
    if (uses_count_ || uses_tail_) line(fmt::format("const int count = {};", count));
    if (uses_tail_) line(fmt::format("const b1x{0} tail = first_lanes<b1x{0}>(count);", lanes()));
    out_ += body;
  }
  std::string use_count() {
    uses_count_ = true;
    return "count";
  }
  std::string use_tail() {
    uses_tail_ = true;
    return "tail";
  }

  void unroll(int turns, bool around) override { line(fmt::format("UNROLL{}({})", around ? "_AROUND" : "", turns)); }
  void barrier() override {}
  void prefetch(Id id) override {
    const Node& n = node(id);
    const std::string at = lanes_of(n, n.args.size()) == Lanes::one ? element_place(n) : first_place(n, n.args.size());
    if (n.integer == 0) return line(fmt::format("__builtin_prefetch(&{});", at));
    line(fmt::format("__builtin_prefetch(reinterpret_cast<const char*>(&{}) + {});", at, n.integer));
  }

  // --- around the body ---

  void records() override {
    for (const kir::Record& r : k_.records) {
      line(fmt::format("#ifndef RECORD_{}", r.name));
      line(fmt::format("#define RECORD_{}", r.name));
      const std::string_view packed = lies_naturally(r) ? "" : " __attribute__((packed))";
      open(fmt::format("struct{} {} {{  // {} bytes", packed, r.name, r.size_bytes()));
      for (const kir::Record::Field& f : r.fields)
        line(f.count == 1 ? fmt::format("{} {};", memory_type(f.kind), f.name)
                          : fmt::format("{} {}[{}];", memory_type(f.kind), f.name, f.count));
      close("};");
      line("#endif");
      line("");
    }
  }
  /// In a namespace of the kernel's own, so that kernels may be compiled as one source.
  void function(const kir::Function& f) override {
    const auto i = &f - k_.functions.data();
    if (!is_called(called_[static_cast<std::size_t>(i)])) return;  // nothing that is left calls it
    if (std::none_of(called_.begin(), called_.begin() + i, is_called))
      line(fmt::format("namespace {} {{", functions_name()));
    if (!f.comment.empty()) line("// " + f.comment);
    if (called_[static_cast<std::size_t>(i)].scalar) one_function(f, true);
    if (called_[static_cast<std::size_t>(i)].vector) one_function(f, false);
    if (std::none_of(called_.begin() + i + 1, called_.end(), is_called)) line("}  // namespace " + functions_name());
    line("");
  }
  static bool is_called(const Called& c) { return c.scalar || c.vector; }
  std::string functions_name() const { return k_.name + "_functions"; }
  void one_function(const kir::Function& f, bool scalar) {
    scalar_form_ = scalar;
    std::string parameters;
    for (std::size_t i = 0; i < f.parameters.size(); ++i)
      parameters +=
          fmt::format("{}{} {}", i > 0 ? ", " : "", type_name({f.parameters[i], Rate::lane}), f.parameter_names[i]);
    open(fmt::format("static inline {} {}({}) {{", type_name({f.result_kind, Rate::lane}), f.name, parameters));
    region(f.body);
    line(fmt::format("return {};", widened(f.result, {f.result_kind, Rate::lane}).text));
    close();
    scalar_form_ = false;
  }
  /// Parameters in a row, or, where shapes stand behind them, one on each line.
  void open_kernel() override {
    std::vector<std::pair<std::string, std::string>> list;  // with what stands behind it
    bool commented = false;
    for (const kir::Buffer& b : k_.buffers) {
      if (b.space == kir::Space::shared) continue;
      const std::string type =
          b.record >= 0 ? k_.records[static_cast<std::size_t>(b.record)].name : memory_type(b.kind);
      const bool read = b.access == Access::read;
      list.emplace_back(fmt::format("{}{}* {}{}", read ? "const " : "", type, read ? "" : "__restrict ", b.name),
                        b.comment);
      commented = commented || !b.comment.empty();
    }
    for (const std::string& p : k_.params) list.emplace_back("int " + p, "");
    const bool used = std::any_of(k_.nodes.begin(), k_.nodes.end(), [](const Node& n) { return n.op == Op::group; });
    list.emplace_back(used ? "int group" : "[[maybe_unused]] int group", "");
    std::string start = fmt::format("{}void {}(", linkage_ == CppLinkage::c ? "extern \"C\" " : "", k_.name);
    if (commented) {
      line(start);
      parameter_lines(list);
    } else {
      for (std::size_t i = 0; i < list.size(); ++i) start += list[i].first + (i + 1 < list.size() ? ", " : ") {");
      line(start);
    }
    ++depth_;
    if (std::any_of(called_.begin(), called_.end(), is_called)) line("using namespace " + functions_name() + ";");
    for (const kir::Buffer& b : k_.buffers)
      if (b.space == kir::Space::shared)
        line(fmt::format("alignas(64) {} {}[{}];", memory_type(b.kind), b.name, b.count));
    if (has_tiles(k_)) line("const TileRegisters tile_registers;");
  }
  void close_kernel() override { close(); }

  std::vector<std::optional<std::int64_t>> ramps_;
  CppLinkage linkage_;
  std::vector<Called> called_;  // by function
  int base_depth_ = 0;          // printing a base: ramps are their first lane
  bool scalar_form_ = false;
  bool in_tail_ = false, uses_count_ = false, uses_tail_ = false;
};

}  // namespace

kir::Kernel with_cpp_names(const kir::Kernel& kernel) { return with_legal_names(kernel, kCppReserved); }

std::string render_cpp(const kir::Kernel& kernel, CppLinkage linkage) {
  const kir::Kernel legal = with_cpp_names(kernel);
  return CppRenderer(legal, linkage).run();
}

std::string cpp_records(const kir::Kernel& kernel) {
  const kir::Kernel legal = with_cpp_names(kernel);
  return CppRenderer(legal, CppLinkage::c).records_only();
}

}  // namespace openinfer::emit
