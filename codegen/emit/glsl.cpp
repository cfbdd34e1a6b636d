// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/glsl.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "codegen/emit/glsl_reserved.h"
#include "codegen/emit/lane_renderer.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using kir::Id;
using kir::Kind;
using kir::Node;
using kir::Op;
using kir::Type;

/// Functions of the language that a kernel may have its own of: glslang does not let them be hidden.
constexpr std::array<std::string_view, 17> kBuiltins = {"abs",   "ceil", "cos",  "exp",  "exp2", "floor",
                                                        "fma",   "log",  "log2", "max",  "min",  "pow",
                                                        "round", "sign", "sin",  "sqrt", "tanh"};

/// What no temporary may be called: also the push constants.
class Reserved {
 public:
  explicit Reserved(const kir::Kernel& k) : words_(kGlslReserved.begin(), kGlslReserved.end()) {
    for (const kir::Buffer& b : k.buffers) words_.push_back(b.name + (b.by_address ? "_memory" : "_start"));
    views_.assign(words_.begin(), words_.end());
  }
  std::span<const std::string_view> words() const { return views_; }

 private:
  std::vector<std::string> words_;
  std::vector<std::string_view> views_;
};

class GlslRenderer final : public LaneRenderer {
 public:
  explicit GlslRenderer(const kir::Kernel& k) : LaneRenderer(k, Reserved(k).words()) {}

  std::string shader() {
    const std::string body = run();
    std::string head = fmt::format("#version {}\n", version());
    for (const std::string& extension : extensions_) head += fmt::format("#extension {} : require\n", extension);
    head += "\n";
    for (const std::string& part : prelude_) head += prelude(part);
    for (const auto& [type, operations] : shared_lanes_) head += shared_lanes(type, operations);
    for (const std::string& part : quarters_in_shared_) head += prelude(part);
    return head + (prelude_.empty() ? "" : "\n") + body;
  }

 private:
  /// One part of the prelude, by the mark in front of it.
  static std::string prelude(const std::string& part) {
    static constexpr std::string_view text =
#include "prelude_glsl.inc"
        ;
    const std::string mark = "// == " + part + "\n";
    const std::size_t begin = text.find(mark) + mark.size();
    return std::string(text.substr(begin, text.find("// == ", begin) - begin));
  }
  /// 430 has compute shaders, and glslang builds its tables in 0.03 s instead of 0.07 s; some extensions want 450.
  int version() const {
    static const std::set<std::string> kOfAnyVersion = {
        "GL_EXT_buffer_reference",     "GL_EXT_control_flow_attributes",    "GL_EXT_shader_16bit_storage",
        "GL_EXT_shader_8bit_storage",  "GL_KHR_shader_subgroup_arithmetic", "GL_KHR_shader_subgroup_ballot",
        "GL_KHR_shader_subgroup_basic"};
    const bool all = std::includes(kOfAnyVersion.begin(), kOfAnyVersion.end(), extensions_.begin(), extensions_.end());
    return all ? 430 : 460;
  }
  void extension(std::string_view name) const { extensions_.insert("GL_" + std::string(name)); }
  std::string_view use(std::string_view part) {
    prelude_.emplace(part);
    return part;
  }

  // --- kinds ---

  std::string fragment_type(Kind kind) const {
    const MmaShape& shape = *k_.target.mma;
    extension("NV_cooperative_matrix");
    extension("KHR_memory_scope_semantics");
    extension("EXT_shader_explicit_arithmetic_types_float16");
    return fmt::format("fcoopmatNV<{}, gl_ScopeSubgroup, {}, {}>", kind == Kind::mma_c ? 32 : 16,
                       kind == Kind::mma_b ? shape.k : shape.m, kind == Kind::mma_a ? shape.k : shape.n);
  }
  std::string literal(const Node& n) const override {
    return kir::is_fragment(n.type.kind) ? type_name(n.type) + "(0.0)" : LaneRenderer::literal(n);
  }
  std::string type_name(Type t) const override {
    if (t.kind == Kind::i64 || t.kind == Kind::u64) extension("EXT_shader_explicit_arithmetic_types_int64");
    switch (t.kind) {
      case Kind::b1: return "bool";
      case Kind::i32:
      case Kind::i8x4: return "int";
      case Kind::u32: return "uint";
      case Kind::i64: return "int64_t";
      case Kind::u64: return "uint64_t";
      case Kind::f32: return "float";
      case Kind::f64: return "double";
      case Kind::mma_a:
      case Kind::mma_b:
      case Kind::mma_c: return fragment_type(t.kind);
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
    const int bytes = kir::info(kind).bytes;
    if (bytes == 1) extension("EXT_shader_8bit_storage");
    if (bytes == 2) extension("EXT_shader_16bit_storage");
    if (kind == Kind::f16) return "float16_t";
    if (kind == Kind::bf16 || kind == Kind::u16) return "uint16_t";
    if (kind == Kind::i16) return "int16_t";
    if (kind == Kind::i8) return "int8_t";
    if (kind == Kind::u8 || kind == Kind::b1) return "uint8_t";
    return type_name({kind, {}});
  }
  std::string real(double x, Kind kind) const override {
    const bool wide = kind == Kind::f64;
    if (!std::isfinite(x)) {
      const std::string bits = std::isnan(x) ? "0x7fc00000u" : x < 0 ? "0xff800000u" : "0x7f800000u";
      return fmt::format("{}uintBitsToFloat({}){}", wide ? "double(" : "", bits, wide ? ")" : "");
    }
    std::string number = wide ? fmt::format("{}", x) : fmt::format("{}", static_cast<float>(x));
    if (number.find_first_of(".e") == std::string::npos) number += ".0";
    return number + (wide ? "lf" : "");
  }
  /// Within scalar functions + - * are rounded one by one.
  std::string qualified(Type t) const override {
    return (function_ && kir::is_float(t.kind) ? "precise " : "") + type_name(t);
  }

  // --- values ---

  Text convert(Id id) override {
    const Node& from = node(node(id).args[0]);
    const bool words = from.op == Op::load && glsl_in_words(k_, buffer(from));
    const std::string narrow = words ? "" : narrow_load(id);
    return {fmt::format("{}({})", type_name(node(id).type), narrow.empty() ? text(node(id).args[0]) : narrow)};
  }
  Text bitcast(Id id) override {
    const Node& n = node(id);
    const Kind from = node(n.args[0]).type.kind, to = n.type.kind;
    const auto floats = [](Kind k) { return k == Kind::f32 ? "float" : "double"; };
    const auto integers = [](Kind k) -> std::string_view {
      if (k == Kind::u32) return "Uint";
      if (k == Kind::u64) return "Uint64";
      return k == Kind::i64 ? "Int64" : "Int";
    };
    if (kir::is_float(from) == kir::is_float(to)) return from == to ? value(n.args[0]) : convert(id);
    if (kir::is_float(from)) return {fmt::format("{}BitsTo{}({})", floats(from), integers(to), text(n.args[0]))};
    std::string name(integers(from));
    name[0] = static_cast<char>(name[0] + ('a' - 'A'));
    return {fmt::format("{}BitsTo{}({})", name, to == Kind::f32 ? "Float" : "Double", text(n.args[0]))};
  }
  Text builtin(Id id) override {
    const Node& n = node(id);
    return n.op == Op::round ? call("roundEven", {value(n.args[0])}) : LaneRenderer::builtin(id);
  }
  Text dot4(Id id) override {
    const Node& n = node(id);
    if (n.op == Op::dot4_us)
      openinfer::fail(ErrorCode::unsupported, "[emit] kernel {}: GLSL has signed products of bytes only", k_.name);
    const bool khr = k_.target.dot4 == kir::Dot4::ss;
    if (khr) extension("EXT_spirv_intrinsics");
    use(khr ? "dot4_khr" : "dot4");
    if (!khr) extension("EXT_control_flow_attributes");
    return call("dot4", {value(n.args[0]), value(n.args[1]), value(n.args[2])});
  }
  Text lane_operation(Id id) override {
    const Node& n = node(id);
    if (n.op == Op::lane_turn) needs_vectors();
    if (!(n.op == Op::lane_get ? k_.target.lane_broadcast : k_.target.lane_arithmetic)) return by_shared_memory(n);
    if (n.type.kind == Kind::i64 || n.type.kind == Kind::u64) extension("EXT_shader_subgroup_extended_types_int64");
    extension(n.op == Op::lane_get ? "KHR_shader_subgroup_ballot" : "KHR_shader_subgroup_arithmetic");
    if (n.op == Op::lane_get)
      return call("subgroupBroadcast", {value(n.args[0]), {fmt::format("uint({})", text(n.args[1]))}});
    if (n.op == Op::lane_sums || n.op == Op::lane_maxs)
      return call(use(kir::info(n.op).name), {value(n.args[0]), value(n.args[1]), value(n.args[2]), value(n.args[3])});
    const std::string_view name = n.op == Op::lane_sum   ? "subgroupAdd"
                                  : n.op == Op::lane_max ? "subgroupMax"
                                                         : "subgroupMin";
    return call(name, {value(n.args[0])});
  }

  /// Of devices whose subgroups cannot: every lane writes, then reads what it wants of the others.
  Text by_shared_memory(const Node& n) {
    extension("KHR_shader_subgroup_basic");
    std::set<std::string>& operations = shared_lanes_[type_name(n.type)];
    if (n.op == Op::lane_sums || n.op == Op::lane_maxs) {
      const std::string name(kir::info(n.op).name);
      quarters_in_shared_.insert(name + "_shared");
      operations.insert(n.op == Op::lane_sums ? "sum" : "max");
      return call(name, {value(n.args[0]), value(n.args[1]), value(n.args[2]), value(n.args[3])});
    }
    const std::string operation(kir::info(n.op).name.substr(std::string_view("lane_").size()));
    operations.insert(operation);
    if (n.op == Op::lane_get) return call("lanes_get", {value(n.args[0]), {text(n.args[1])}});
    return call("lanes_" + operation, {value(n.args[0])});
  }
  std::string shared_lanes(const std::string& type, const std::set<std::string>& operations) const {
    const kir::Target& t = k_.target;
    const std::string memory = "lanes_" + type;
    const std::string own = fmt::format("int(gl_SubgroupID) * {}", t.lanes);
    std::string text = fmt::format("shared {} {}[{}];  // one for each lane\n", type, memory, t.lanes * t.subgroups);
    for (const std::string& operation : operations) {
      const bool get = operation == "get";
      text += fmt::format("{0} lanes_{1}({0} x{2}) {{\n  const int first = {3};\n  subgroupBarrier();\n", type,
                          operation, get ? ", int from" : "", own);
      text += fmt::format("  {}[first + int(gl_SubgroupInvocationID)] = x;\n  subgroupBarrier();\n", memory);
      const std::string next = fmt::format("{}[first + i]", memory);
      const std::string with = operation == "sum" ? "x + " + next : fmt::format("{}(x, {})", operation, next);
      text += get ? fmt::format("  return {}[first + from];\n}}\n", memory)
                  : fmt::format("  x = {}[first];\n  for (int i = 1; i < {}; ++i) x = {};\n  return x;\n}}\n", memory,
                                t.lanes, with);
    }
    return text;
  }

  // --- memory in words of 32 bits: of devices whose buffers have no narrower elements ---

  /// Number of the accessed element or field among those of its size, from the buffer's first byte; `further` places
  /// on.
  std::string place_in_words(const Node& n, int further) {
    const kir::Buffer& b = buffer(n);
    Text at = value(n.args[0]);
    if (!b.by_address) at = binary("+", 3, at, {b.name + "_start"});
    if (n.field < 0) return further == 0 ? at.text : binary("+", 3, at, {std::to_string(further)}).text;
    const kir::Record& record = k_.records[static_cast<std::size_t>(b.record)];
    const int bytes = kir::info(stored_kind(n)).bytes;
    int offset = further * bytes;
    for (int f = 0; f < n.field; ++f) {
      const kir::Record::Field& before = record.fields[static_cast<std::size_t>(f)];
      offset += kir::info(before.kind).bytes * before.count;
    }
    std::string text = fmt::format("uint({}) * {}u + {}u", at.text, record.size_bytes() / bytes, offset / bytes);
    if (record.fields[static_cast<std::size_t>(n.field)].count > 1)
      text += fmt::format(" + uint({})", this->text(n.args[1]));
    return text;
  }
  std::string bits(const Node& n, int further = 0) {
    const std::string words = buffer(n).name + (buffer(n).by_address ? ".at" : ""), at = place_in_words(n, further);
    const int bytes = kir::info(stored_kind(n)).bytes;
    if (bytes == 4) return fmt::format("{}[{}]", words, at);
    if (bytes > 4) openinfer::fail(ErrorCode::unsupported, "[emit] kernel {}: 64 bits beside narrow elements", k_.name);
    return fmt::format("{}({}, {})", use(bytes == 1 ? "byte_at" : "half_at"), words, at);
  }
  Text load_from_words(const Node& n) {
    const Kind stored = stored_kind(n);
    if (n.type.kind == Kind::i8x4 && stored != Kind::i8x4) {
      std::vector<Text> bytes;
      for (int j = 0; j < 4; ++j) bytes.push_back({fmt::format("int({})", bits(n, j))});
      return call(use("pack_i8x4"), bytes);
    }
    const std::string word = bits(n);
    if (stored == Kind::f16) return {fmt::format("unpackHalf2x16({}).x", word)};
    if (stored == Kind::bf16) return {fmt::format("{}({})", use("widen_bf16"), word)};
    if (stored == Kind::b1) return {fmt::format("{} != 0u", word), 6};
    if (stored == Kind::f32) return {fmt::format("uintBitsToFloat({})", word)};
    if (stored == Kind::i8 || stored == Kind::i16)
      return {fmt::format("bitfieldExtract(int({}), 0, {})", word, 8 * kir::info(stored).bytes)};
    return {stored == Kind::i32 || stored == Kind::i8x4 ? fmt::format("int({})", word) : word};
  }
  std::string assignment(const Node& n) override {
    if (!glsl_in_words(k_, buffer(n))) return LaneRenderer::assignment(n);
    const Kind stored = stored_kind(n);
    const std::string now = text(n.args.back());
    const int bytes = kir::info(stored).bytes;
    if (bytes == 4) return fmt::format("{} = {}({});", bits(n), stored == Kind::f32 ? "floatBitsToUint" : "uint", now);
    std::string narrow = fmt::format("uint({})", now);
    if (stored == Kind::f16) narrow = fmt::format("packHalf2x16(vec2({}({}), 0.0))", use("narrow_f16"), now);
    if (stored == Kind::bf16) narrow = fmt::format("{}({})", use("narrow_bf16"), now);
    return fmt::format("{}({}, {}, {});", use(bytes == 1 ? "store_byte" : "store_half"), buffer(n).name,
                       place_in_words(n, 0), narrow);
  }

  // --- memory ---

  std::string element(const kir::Buffer& b, const Text& index) const override {
    if (b.space == kir::Space::shared) return Renderer::element(b, index);
    if (b.by_address) return fmt::format("{}.at[{}]", b.name, index.text);
    return fmt::format("{}[{}]", b.name, binary("+", 3, index, {b.name + "_start"}).text);
  }
  std::string widened(const std::string& place, Kind stored) override {
    if (stored == Kind::bf16) return fmt::format("{}(uint({}))", use("widen_bf16"), place);
    if (stored == Kind::b1) return fmt::format("uint({}) != 0u", place);
    const Kind kind = kir::info(stored).in_register;
    return kind == stored ? place : fmt::format("{}({})", type_name({kind, {}}), place);
  }
  Text load(Id id) override {
    if (glsl_in_words(k_, buffer(node(id)))) return load_from_words(node(id));
    Text t = LaneRenderer::load(id);
    if (stored_kind(node(id)) == Kind::b1) t.precedence = 6;
    return t;
  }
  std::string narrowed(const Text& value, Kind from, Kind stored) override {
    if (stored == Kind::f16) return fmt::format("float16_t({}({}))", use("narrow_f16"), value.text);
    if (stored == Kind::bf16) return fmt::format("uint16_t({}({}))", use("narrow_bf16"), value.text);
    if (stored == Kind::b1) return fmt::format("uint8_t(uint({}))", value.text);
    return from == stored ? value.text : fmt::format("{}({})", memory_type(stored), value.text);
  }
  std::string packed(const Node& n) override {
    std::vector<Text> bytes;
    for (int j = 0; j < 4; ++j) {
      const std::string at = binary("+", 3, value(n.args.back()), {std::to_string(j)}).text;
      const std::string whole = n.field < 0 ? element(buffer(n), {at, 3}) : place(n, &at);
      bytes.push_back({fmt::format("int({})", whole)});
    }
    return call(use("pack_i8x4"), bytes).text;
  }

  Text mma(Id id) override {
    const Node& n = node(id);
    return call("coopMatMulAddNV", {value(n.args[0]), value(n.args[1]), value(n.args[2])});
  }
  /// Whole arrays are given, then the place in them.
  std::string fragment_place(const Node& n) {
    const kir::Buffer& b = buffer(n);
    Text at = value(n.args[0]);
    if (b.space != kir::Space::shared) at = binary("+", 3, at, {b.name + "_start"});
    return fmt::format("{}, {}, {}", b.name, at.text, text(n.args[1]));
  }
  void declare_value(Id id) override {
    const Node& n = node(id);
    if (n.op != Op::mma_load) return LaneRenderer::declare_value(id);
    const std::string& name = names_.values[id];
    line(fmt::format("{} {};", type_name(n.type), name));
    line(fmt::format("coopMatLoadNV({}, {}, {});", name, fragment_place(n), n.type.kind == Kind::mma_b));
  }
  void mma_store(Id id) override {
    const Node& n = node(id);
    line(fmt::format("coopMatStoreNV({}, {}, false);", text(n.args[2]), fragment_place(n)));
  }

  // --- statements ---

  void unroll(int, bool) override {
    extension("EXT_control_flow_attributes");
    line("[[unroll]]");
  }
  void barrier() override {
    if (has_coherent_) line("memoryBarrierBuffer();");
    line("memoryBarrierShared();");
    line("barrier();");
  }
  void prefetch(Id) override {}  // GLSL has none

  // --- around the body ---

  void records() override {
    for (const kir::Record& r : k_.records) {
      check_packed(r);
      const auto number = &r - k_.records.data();
      if (std::none_of(k_.buffers.begin(), k_.buffers.end(),
                       [&](const kir::Buffer& b) { return b.record == number && !glsl_in_words(k_, b); }))
        continue;
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
    const Type type = {f.result_kind, kir::Rate::lane};
    open(fmt::format("{} {}({}) {{", type_name(type), f.name, parameters(f)));
    region(f.body);
    line(fmt::format("const {} result = {};", qualified(type), text(f.result)));
    line("return result;");
    close();
    line("");
  }
  void open_kernel() override {
    const kir::Target& t = k_.target;
    line(fmt::format("layout(local_size_x = {}) in;  // {} subgroups of {} lanes", t.lanes * t.subgroups, t.subgroups,
                     t.lanes));
    std::string addresses, starts, params = "int n_groups;";
    int binding = 0;
    std::size_t pushed = 0;
    for (const kir::Buffer& b : k_.buffers) {
      const bool words = glsl_in_words(k_, b);
      const std::string type = words           ? "uint"
                               : b.record >= 0 ? k_.records[static_cast<std::size_t>(b.record)].name
                                               : memory_type(b.kind);
      const std::string comment = b.comment.empty() ? "" : "  // " + b.comment;
      if (b.space == kir::Space::shared) {
        if (b.kind == Kind::f16) extension("EXT_shader_explicit_arithmetic_types_float16");
        line(fmt::format("shared {} {}[{}];{}", type, b.name, b.count, comment));
        continue;
      }
      const std::string_view access = b.access == kir::Access::read    ? "readonly"
                                      : b.access == kir::Access::write ? (words ? "restrict" : "restrict writeonly")
                                                                       : "restrict coherent";
      has_coherent_ = has_coherent_ || b.access == kir::Access::read_write;
      if (b.by_address && words)
        openinfer::fail(ErrorCode::unsupported,
                        "[emit] kernel {}: {} is reached by its address, which need not be that of a word, and the "
                        "device has no storage of its elements' size",
                        k_.name, b.name);
      if (b.by_address) {
        extension("EXT_buffer_reference");
        line(fmt::format(
            "layout(buffer_reference, std430, buffer_reference_align = {}) {} buffer {}_memory {{ {} at[]; }};{}",
            alignment(b), access, b.name, type, comment));
        addresses += fmt::format(" {0}_memory {0};", b.name);
        pushed += 2;
        continue;
      }
      line(fmt::format("layout(std430, binding = {}) {} buffer {}{} {{ {} {}[]; }};{}", binding++, access, b.name,
                       b.name.ends_with('_') ? "buffer" : "_buffer", type, b.name, comment));
      starts += fmt::format("{}{}_start", starts.empty() ? " int " : ", ", b.name);
      ++pushed;
    }
    if (!starts.empty()) starts += ";";
    const auto most = static_cast<std::size_t>(k_.target.push_constant_bytes) / sizeof(std::int32_t);
    if (pushed > most)
      openinfer::fail(ErrorCode::unsupported,
                      "[emit] kernel {}: {} buffers by number and {} by address, which take {} numbers, at most {}",
                      k_.name, binding, (pushed - static_cast<std::size_t>(binding)) / 2, pushed, most);
    for (const std::string& p : k_.params) params += fmt::format(" int {};", p);
    line(fmt::format("layout(std430, binding = {}) readonly buffer Params {{ {} }};", binding, params));
    if (pushed > 0) line(fmt::format("layout(push_constant) uniform Starts {{{}{} }};", addresses, starts));
    line("");
    open("void main() {");
    line("const int group = int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x);");
    line("if (group >= n_groups) return;");
    body_at_ = out_.size();
  }
  /// Of an element: that of its largest field.
  int alignment(const kir::Buffer& b) const {
    int most = 1;
    if (b.record < 0) return kir::info(b.kind).bytes;
    for (const kir::Record::Field& f : k_.records[static_cast<std::size_t>(b.record)].fields)
      most = std::max(most, kir::info(f.kind).bytes);
    return most;
  }
  void close_kernel() override {
    std::string places;
    if (uses_subgroup_ || uses_thread_) places += "  const int subgroup = int(gl_SubgroupID);\n";
    if (uses_lane_ || uses_thread_) places += "  const int lane = int(gl_SubgroupInvocationID);\n";
    if (uses_thread_) places += fmt::format("  const int thread = subgroup * {} + lane;\n", k_.target.lanes);
    if (!places.empty()) extension("KHR_shader_subgroup_basic");
    out_.insert(body_at_, places);
    close();
  }

  mutable std::set<std::string> extensions_;
  std::map<std::string, std::set<std::string>> shared_lanes_;  // type -> operations between lanes
  std::set<std::string> quarters_in_shared_;                   // parts of the prelude
  std::set<std::string> prelude_;
  std::size_t body_at_ = 0;
  bool has_coherent_ = false;
};

}  // namespace

bool glsl_in_words(const kir::Kernel& kernel, const kir::Buffer& b) {
  const auto narrow = [&](Kind kind) {
    const int bytes = kir::info(kind).bytes;
    return (bytes == 1 && !kernel.target.storage_8bit) || (bytes == 2 && !kernel.target.storage_16bit);
  };
  if (b.space == kir::Space::shared) return false;
  if (b.record < 0) return narrow(b.kind);
  const auto& fields = kernel.records[static_cast<std::size_t>(b.record)].fields;
  return std::any_of(fields.begin(), fields.end(), [&](const kir::Record::Field& f) { return narrow(f.kind); });
}

std::string render_glsl(const kir::Kernel& kernel) {
  kir::Kernel given = kernel;
  const auto own = [](std::string& name) {  // what starts with gl_ is all the language's
    if (name.starts_with("gl_")) name.insert(0, "own_");
  };
  for (kir::Buffer& b : given.buffers) own(b.name);
  for (kir::Variable& v : given.variables) own(v.name);
  for (Node& n : given.nodes) own(n.name);
  kir::Kernel legal = with_legal_names(given, kGlslReserved);
  for (kir::Function& f : legal.functions)
    if (std::find(kBuiltins.begin(), kBuiltins.end(), f.name) != kBuiltins.end()) f.name += "_f32";
  return GlslRenderer(legal).shader();
}

}  // namespace openinfer::emit
