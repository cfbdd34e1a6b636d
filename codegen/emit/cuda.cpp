// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/cuda.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "codegen/emit/lane_renderer.h"
#include "codegen/kernel_ir/wrap.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using kir::Id;
using kir::Kind;
using kir::Node;
using kir::Op;
using kir::Type;

constexpr int kWarp = 32;

// clang-format off
constexpr auto kCudaReserved = std::to_array<std::string_view>(
    {"abs",      "max",      "min",      "fma",      "fmaf",     "sqrtf",     "sqrt",     "floorf",   "floor",
     "rintf",    "rint",     "fabsf",    "fabs",     "widen",    "narrow",    "lane_sum", "lane_max", "lane_min",
     "lane_get", "dot4",     "bool",     "fmaxf",    "fminf",    "fmax",      "fmin",     "each",     "group",
     "subgroup", "lane",     "thread",   "kernel",   "asm",      "auto",      "bool",     "break",    "case",
     "catch",    "char",     "class",    "const",    "continue", "default",   "delete",   "do",       "double",
     "else",     "enum",     "explicit", "export",   "extern",   "false",     "float",    "for",      "friend",
     "goto",     "if",       "inline",   "int",      "long",     "namespace", "new",      "operator", "private",
     "public",   "register", "return",   "short",    "signed",   "sizeof",    "static",   "struct",   "switch",
     "template", "this",     "throw",    "true",     "try",      "typedef",   "typename", "union",    "unsigned",
     "using",    "virtual",  "void",     "volatile", "while",    "constexpr", "fragment_a", "fragment_b", "fragment_c",
     "load_a", "load_b", "load_c", "store_c", "mma", "wrapping_add",
     "wrapping_sub", "wrapping_mul", "wrapping_abs", "wrapping_lane_sum", "lane_sums", "lane_maxs"});
// clang-format on

class CudaRenderer final : public LaneRenderer {
 public:
  explicit CudaRenderer(const kir::Kernel& k) : LaneRenderer(k, kCudaReserved), wraps_(kir::find_wrapping(k)) {
    if (k.target.lanes != kWarp)
      openinfer::fail(ErrorCode::unsupported, "[emit] kernel {}: a warp has {} lanes, not {}", k.name, kWarp,
                      k.target.lanes);
  }

  /// `provenance` goes on top, not with the kernel.
  std::string file(const std::vector<std::string>& provenance) {
    std::string text;
    for (const std::string& from : provenance) text += "// " + from + "\n";
    const std::string kernel = run();
    text += text.empty() ? "" : "\n";
    return text + "namespace kernel {\n\n" + prelude() + kernel + "\n}  // namespace kernel\n";
  }

 private:
  /// The parts of the prelude that were used, in its order.
  std::string prelude() const {
    static constexpr std::string_view text =
#include "prelude_cuda.inc"
        ;
    constexpr std::string_view kMark = "// == ";
    std::string used;
    for (std::size_t at = text.find(kMark); at != text.npos;) {
      const std::size_t line = text.find('\n', at), next = text.find(kMark, line);
      const std::string_view part = text.substr(at + kMark.size(), line - at - kMark.size());
      const std::string_view code = text.substr(line + 1, next == text.npos ? text.npos : next - line - 1);
      if (parts_.contains(part)) used.append(code).append(code.ends_with("\n\n") ? "" : "\n");
      at = next;
    }
    return used;
  }
  std::string_view use(std::string_view part) const {
    parts_.emplace(part);
    return part;
  }
  void use(std::string_view function, Kind of) const {
    parts_.insert(fmt::format("{} {}", function, kir::info(of).name));
  }

  /// The part of the prelude for this shape. Errors: unsupported for one that there is none for.
  void use_mma() const {
    const MmaShape& shape = *k_.target.mma;
    if (shape.m != 16 || shape.n != 8 || (shape.k != 8 && shape.k != 16))
      openinfer::fail(ErrorCode::unsupported,
                      "[emit] kernel {}: CUDA has fragments of 16x8x16 and 16x8x8, not {}x{}x{}", k_.name, shape.m,
                      shape.n, shape.k);
    use("half");
    use(shape.k == 8 ? "mma 16x8x8" : "mma 16x8x16");
  }

  std::string type_name(Type t) const override {
    switch (t.kind) {
      case Kind::b1: return "bool";
      case Kind::i32:
      case Kind::i8x4: return "int";
      case Kind::u32: return "unsigned";
      case Kind::i64: return "long long";
      case Kind::u64: return "unsigned long long";
      case Kind::f32: return "float";
      case Kind::f64: return "double";
      case Kind::mma_a: return use_mma(), "fragment_a";
      case Kind::mma_b: return use_mma(), "fragment_b";
      case Kind::mma_c: return use_mma(), "fragment_c";
      case Kind::none:
      case Kind::f16:
      case Kind::bf16:
      case Kind::i8:
      case Kind::u8:
      case Kind::i16:
      case Kind::u16: break;
    }
    openinfer::fail(ErrorCode::internal, "[emit] {} is no value's kind", kir::info(t.kind).name);
  }
  std::string memory_type(Kind kind) const override {
    if (kind == Kind::f16) return use("half"), "f16";
    if (kind == Kind::bf16) return use("bfloat16"), "bf16";
    if (kind == Kind::i8) return "signed char";
    if (kind == Kind::u8 || kind == Kind::b1) return "unsigned char";
    if (kind == Kind::i16) return "short";
    if (kind == Kind::u16) return "unsigned short";
    return type_name({kind, {}});
  }
  std::string literal(const Node& n) const override {
    if (kir::is_fragment(n.type.kind)) return type_name(n.type) + "{}";
    if (n.type.kind == Kind::i64) {
      const std::string number = i64_text(n.integer, "ll");
      return n.integer == INT64_MIN ? "(" + number + ")" : number;
    }
    if (n.type.kind == Kind::u64) return fmt::format("{}ull", static_cast<std::uint64_t>(n.integer));
    return LaneRenderer::literal(n);
  }
  std::string real(double x, Kind kind) const override {
    const bool wide = kind == Kind::f64;
    if (!std::isfinite(x)) {
      const std::string bits = std::isnan(x) ? "0x7fc00000" : x < 0 ? "0xff800000" : "0x7f800000";
      use("bits_f32", Kind::u32);
      return fmt::format("{}bits_f32({}u){}", wide ? "double(" : "", bits, wide ? ")" : "");
    }
    std::string number = wide ? fmt::format("{}", x) : fmt::format("{}", static_cast<float>(x));
    if (number.find_first_of(".e") == std::string::npos) number += ".0";
    return number + (wide ? "" : "f");
  }

  // --- values ---

  /// Where a sum, difference or product may leave its kind: C++ leaves that undefined.
  Text expression(Id id) override {
    const Node& n = node(id);
    if (!wraps_[id]) return LaneRenderer::expression(id);
    std::vector<Text> args;
    if (n.op == Op::neg) args.push_back({n.type.kind == Kind::i64 ? "0ll" : "0"});
    for (const Id arg : n.args) args.push_back(value(arg));
    const std::string name = fmt::format("wrapping_{}", kir::info(n.op == Op::neg ? Op::sub : n.op).name);
    use(name, n.type.kind);
    return call(name, args);
  }
  void write(Id id) override {
    const Node& n = node(id);
    if (!wraps_[n.args.back()]) return LaneRenderer::write(id);
    line(fmt::format("{} = {};", variable_place(n), text(n.args.back())));
  }
  Text convert(Id id) override {
    const std::string narrow = narrow_load(id), type = type_name(node(id).type);
    const bool one_word = type.find(' ') == std::string::npos;
    return {fmt::format("{}({})", one_word ? type : "static_cast<" + type + ">",
                        narrow.empty() ? text(node(id).args[0]) : narrow)};
  }
  Text bitcast(Id id) override {
    const Node& n = node(id);
    const Kind from = node(n.args[0]).type.kind;
    if (from == n.type.kind) return value(n.args[0]);
    if (kir::is_float(from) == kir::is_float(n.type.kind)) return convert(id);
    const std::string name = fmt::format("bits_{}", kir::info(n.type.kind).name);
    use(name, from);
    return call(name, {value(n.args[0])});
  }
  /// CUDA's name of it; the scalar functions have ours, in a namespace that hides CUDA's.
  static std::string_view builtin_name(Op op, bool is_float) {
    if (op == Op::min) return is_float ? "::fmin" : "::min";
    if (op == Op::max) return is_float ? "::fmax" : "::max";
    if (op == Op::abs) return is_float ? "::fabs" : "::abs";
    if (op == Op::fma) return "::fma";
    if (op == Op::sqrt) return "::sqrt";
    return op == Op::floor ? "::floor" : "::rint";
  }
  Text builtin(Id id) override {
    const Node& n = node(id);
    const bool is_unsigned = n.type.kind == Kind::u32 || n.type.kind == Kind::u64;
    if (n.op == Op::call || (n.op == Op::abs && is_unsigned)) return LaneRenderer::builtin(id);
    std::string name(builtin_name(n.op, kir::is_float(n.type.kind)));
    if (n.type.kind == Kind::f32) name += "f";
    if (n.op == Op::abs && n.type.kind == Kind::i64) name = "::llabs";
    std::vector<Text> args;
    for (const Id arg : n.args) args.push_back(value(arg));
    return call(name, args);
  }
  Text dot4(Id id) override {
    const Node& n = node(id);
    if (n.op == Op::dot4_us)
      openinfer::fail(ErrorCode::unsupported, "[emit] kernel {}: CUDA has signed products of bytes only", k_.name);
    return call(use("dot4"), {value(n.args[0]), value(n.args[1]), value(n.args[2])});
  }
  Text lane_operation(Id id) override {
    const Node& n = node(id);
    if (n.op == Op::lane_turn) needs_vectors();
    if (n.op == Op::lane_get) return call("__shfl_sync", {{"0xffffffffu"}, value(n.args[0]), value(n.args[1])});
    if (n.op == Op::lane_sum && (n.type.kind == Kind::i32 || n.type.kind == Kind::i64)) {
      use("wrapping_add", n.type.kind);
      return call(use("wrapping_lane_sum"), {value(n.args[0])});
    }
    std::vector<Text> args;
    for (const Id arg : n.args) args.push_back(value(arg));
    if (n.op == Op::lane_sums) use("lane_sum");
    if (n.op == Op::lane_maxs) use("lane_max");
    return call(use(kir::info(n.op).name), args);
  }

  // --- memory ---

  std::string widened(const std::string& place, Kind stored) override {
    if (stored == Kind::f16 || stored == Kind::bf16) return fmt::format("widen({})", place);
    if (stored == Kind::b1) return fmt::format("({} != 0)", place);
    if (stored == Kind::u8 || stored == Kind::u16) return fmt::format("unsigned({})", place);
    return place;  // i8, i16: promoted
  }
  std::string narrowed(const Text& value, Kind from, Kind stored) override {
    if (stored == Kind::f16) return fmt::format("narrow_f16({})", value.text);
    if (stored == Kind::bf16) return fmt::format("narrow_bf16({})", value.text);
    return from == stored && stored != Kind::b1 ? value.text
                                                : fmt::format("static_cast<{}>({})", memory_type(stored), value.text);
  }
  /// What divides the address of every fourth byte of a record's field, at most 4. Buffers of bytes start anywhere.
  int alignment(const Node& n) const {
    if (n.field < 0) return 1;
    const kir::Record& r = k_.records[static_cast<std::size_t>(buffer(n).record)];
    int offset = 0;
    for (int f = 0; f < n.field; ++f) {
      const kir::Record::Field& before = r.fields[static_cast<std::size_t>(f)];
      offset += kir::info(before.kind).bytes * before.count;
    }
    const int both = offset | r.size_bytes();
    return both % 4 == 0 ? 4 : both % 2 == 0 ? 2 : 1;
  }
  std::string packed(const Node& n) override {
    constexpr auto kLoads = std::to_array<std::string_view>({"", "load_i8x4", "load_i8x4_2", "", "load_i8x4_4"});
    return fmt::format("{}(&{})", use(kLoads[static_cast<std::size_t>(alignment(n))]), place(n));
  }

  Text mma(Id id) override {
    const Node& n = node(id);
    if (n.op == Op::mma) return call("mma", {value(n.args[0]), value(n.args[1]), value(n.args[2])});
    const std::string_view load = n.type.kind == Kind::mma_a   ? "load_a"
                                  : n.type.kind == Kind::mma_b ? "load_b"
                                                               : "load_c";
    return call(load, {{"&" + element(buffer(n), value(n.args[0]))}, value(n.args[1])});
  }
  void mma_store(Id id) override {
    const Node& n = node(id);
    line(fmt::format("store_c(&{}, {}, {});", element(buffer(n), value(n.args[0])), text(n.args[1]), text(n.args[2])));
  }

  // --- statements ---

  void unroll(int turns, bool) override { line(fmt::format("#pragma unroll {}", turns)); }
  void barrier() override { line("__syncthreads();"); }
  void prefetch(Id id) override {
    const Node& n = node(id);
    line(fmt::format("asm volatile(\"prefetch.global.L2 [%0];\" ::\"l\"(reinterpret_cast<const char*>(&{}) + {}));",
                     place(n), n.integer));
  }

  // --- around the body ---

  void records() override {
    for (const kir::Record& r : k_.records) {
      check_packed(r);
      open(fmt::format("struct {} {{  // {} bytes", r.name, r.size_bytes()));
      for (const kir::Record::Field& f : r.fields)
        line(f.count == 1 ? fmt::format("{} {};", memory_type(f.kind), f.name)
                          : fmt::format("{} {}[{}];", memory_type(f.kind), f.name, f.count));
      close("};");
      line("");
    }
  }
  void function(const kir::Function& f) override {
    if (!f.comment.empty()) line("// " + f.comment);
    open(fmt::format("static __device__ inline {} {}({}) {{", type_name({f.result_kind, {}}), f.name, parameters(f)));
    region(f.body);
    line(fmt::format("return {};", text(f.result)));
    close();
    line("");
  }
  /// A parameter on each line, so that its shape stands behind it.
  void open_kernel() override {
    const int threads = k_.target.lanes * k_.target.subgroups;
    std::vector<std::pair<std::string, std::string>> list;  // with what stands behind it
    for (const kir::Buffer& b : k_.buffers) {
      if (b.space == kir::Space::shared) continue;
      const std::string type =
          b.record >= 0 ? k_.records[static_cast<std::size_t>(b.record)].name : memory_type(b.kind);
      list.emplace_back(
          fmt::format("{}{}* __restrict__ {}", b.access == kir::Access::read ? "const " : "", type, b.name), b.comment);
    }
    for (const std::string& p : k_.params) list.emplace_back("int " + p, "");
    line(fmt::format("extern \"C\" __global__ void __launch_bounds__({})  // {} warps", threads, k_.target.subgroups));
    line(fmt::format("{}_kernel(", k_.name));
    parameter_lines(list);
    ++depth_;
    for (const kir::Buffer& b : k_.buffers)
      if (b.space == kir::Space::shared)
        line(fmt::format("__shared__ {}{} {}[{}];", b.kind == Kind::f16 ? "__align__(16) " : "", memory_type(b.kind),
                         b.name, b.count));
    body_at_ = out_.size();
  }
  void close_kernel() override {
    std::string places;
    if (uses_group_) places += "  const int group = blockIdx.x;\n";
    if (uses_subgroup_) places += fmt::format("  const int subgroup = threadIdx.x / {};\n", kWarp);
    if (uses_lane_) places += fmt::format("  const int lane = threadIdx.x % {};\n", kWarp);
    if (uses_thread_) places += "  const int thread = threadIdx.x;\n";
    out_.insert(body_at_, places);
    close();
  }

  std::vector<bool> wraps_;  // by node
  mutable std::set<std::string, std::less<>> parts_;
  std::size_t body_at_ = 0;
};

}  // namespace

std::string render_cuda(const kir::Kernel& kernel) {
  const kir::Kernel legal = with_legal_names(kernel, kCudaReserved);
  return CudaRenderer(legal).run();
}

std::string cuda_source(const kir::Kernel& kernel) {
  kir::Kernel legal = with_legal_names(kernel, kCudaReserved);
  const std::vector<std::string> provenance = std::exchange(legal.provenance, {});
  return CudaRenderer(legal).file(provenance);
}

}  // namespace openinfer::emit
