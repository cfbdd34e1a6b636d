// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/glsl.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "codegen/emit/lane_renderer.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using kir::Id;
using kir::Kind;
using kir::Node;
using kir::Op;
using kir::Type;

constexpr auto kGlslReserved = std::to_array<std::string_view>(
    {// what shaders call their own
     "each", "group", "subgroup", "lane", "thread", "n_groups", "main", "Params", "Starts",
     // keywords of GLSL 4.60 and what it reserves for later
     "active", "asm", "atomic_uint", "attribute", "bool", "break", "buffer", "case", "cast", "centroid", "class",
     "coherent", "common", "const", "continue", "default", "discard", "do", "double", "else", "enum", "extern",
     "external", "false", "filter", "fixed", "flat", "float", "for", "goto", "half", "highp", "if", "in", "inline",
     "inout", "input", "int", "interface", "invariant", "isubpassInput", "isubpassInputMS", "layout", "long", "lowp",
     "mediump", "namespace", "noinline", "noperspective", "out", "output", "packed", "partition", "patch", "precise",
     "precision", "public", "readonly", "resource", "restrict", "return", "sample", "sampler", "samplerShadow",
     "shared", "short", "sizeof", "smooth", "static", "struct", "subpassInput", "subpassInputMS", "subroutine",
     "superp", "switch", "template", "texture", "this", "true", "typedef", "uint", "uniform", "union", "unsigned",
     "using", "usubpassInput", "usubpassInputMS", "varying", "void", "volatile", "while", "writeonly", "barrier",
     "vec2", "vec3", "vec4", "bvec2", "bvec3", "bvec4", "dvec2", "dvec3", "dvec4", "fvec2", "fvec3", "fvec4", "hvec2",
     "hvec3", "hvec4", "ivec2", "ivec3", "ivec4", "uvec2", "uvec3", "uvec4", "mat2", "mat3", "mat4", "mat2x2", "mat2x3",
     "mat2x4", "mat3x2", "mat3x3", "mat3x4", "mat4x2", "mat4x3", "mat4x4", "dmat2", "dmat3", "dmat4", "dmat2x2",
     "dmat2x3", "dmat2x4", "dmat3x2", "dmat3x3", "dmat3x4", "dmat4x2", "dmat4x3", "dmat4x4", "sampler1D", "sampler2D",
     "sampler3D", "sampler2DRect", "samplerCube", "samplerBuffer", "sampler1DArray", "sampler2DArray",
     "samplerCubeArray", "sampler2DMS", "sampler2DMSArray", "isampler1D", "isampler2D", "isampler3D", "isampler2DRect",
     "isamplerCube", "isamplerBuffer", "isampler1DArray", "isampler2DArray", "isamplerCubeArray", "isampler2DMS",
     "isampler2DMSArray", "usampler1D", "usampler2D", "usampler3D", "usampler2DRect", "usamplerCube", "usamplerBuffer",
     "usampler1DArray", "usampler2DArray", "usamplerCubeArray", "usampler2DMS", "usampler2DMSArray", "texture1D",
     "texture2D", "texture3D", "texture2DRect", "textureCube", "textureBuffer", "texture1DArray", "texture2DArray",
     "textureCubeArray", "texture2DMS", "texture2DMSArray", "itexture1D", "itexture2D", "itexture3D", "itexture2DRect",
     "itextureCube", "itextureBuffer", "itexture1DArray", "itexture2DArray", "itextureCubeArray", "itexture2DMS",
     "itexture2DMSArray", "utexture1D", "utexture2D", "utexture3D", "utexture2DRect", "utextureCube", "utextureBuffer",
     "utexture1DArray", "utexture2DArray", "utextureCubeArray", "utexture2DMS", "utexture2DMSArray", "image1D",
     "image2D", "image3D", "image2DRect", "imageCube", "imageBuffer", "image1DArray", "image2DArray", "imageCubeArray",
     "image2DMS", "image2DMSArray", "iimage1D", "iimage2D", "iimage3D", "iimage2DRect", "iimageCube", "iimageBuffer",
     "iimage1DArray", "iimage2DArray", "iimageCubeArray", "iimage2DMS", "iimage2DMSArray", "uimage1D", "uimage2D",
     "uimage3D", "uimage2DRect", "uimageCube", "uimageBuffer", "uimage1DArray", "uimage2DArray", "uimageCubeArray",
     "uimage2DMS", "uimage2DMSArray", "sampler1DShadow", "sampler2DShadow", "sampler2DRectShadow", "samplerCubeShadow",
     "sampler1DArrayShadow", "sampler2DArrayShadow", "samplerCubeArrayShadow", "sampler3DRect",
     // what renderers call
     "abs", "max", "min", "floor", "fma", "sqrt", "round", "roundEven", "mix", "bitfieldExtract", "intBitsToFloat",
     "uintBitsToFloat", "floatBitsToInt", "floatBitsToUint", "packFloat2x16", "narrow_f16", "narrow_bf16",
     "widen_bf16"});

/// Functions of the language that a kernel may have its own of: glslang does not let them be hidden.
constexpr std::array<std::string_view, 17> kBuiltins = {"abs",   "ceil", "cos",  "exp",  "exp2", "floor",
                                                        "fma",   "log",  "log2", "max",  "min",  "pow",
                                                        "round", "sign", "sin",  "sqrt", "tanh"};

/// Numbers in the push constants that every Vulkan device has.
constexpr std::size_t kPushConstants = 128 / sizeof(std::int32_t);

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
    const std::string narrow = narrow_load(id);
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
    if (n.type.kind == Kind::i64 || n.type.kind == Kind::u64) extension("EXT_shader_subgroup_extended_types_int64");
    extension(n.op == Op::lane_get ? "KHR_shader_subgroup_ballot" : "KHR_shader_subgroup_arithmetic");
    if (n.op == Op::lane_get)
      return call("subgroupBroadcast", {value(n.args[0]), {fmt::format("uint({})", text(n.args[1]))}});
    if (n.op == Op::lane_sums)
      return call(use("lane_sums"), {value(n.args[0]), value(n.args[1]), value(n.args[2]), value(n.args[3])});
    const std::string_view name = n.op == Op::lane_sum   ? "subgroupAdd"
                                  : n.op == Op::lane_max ? "subgroupMax"
                                                         : "subgroupMin";
    return call(name, {value(n.args[0])});
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

  void unroll(int) override {
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
      const std::string type =
          b.record >= 0 ? k_.records[static_cast<std::size_t>(b.record)].name : memory_type(b.kind);
      const std::string comment = b.comment.empty() ? "" : "  // " + b.comment;
      if (b.space == kir::Space::shared) {
        if (b.kind == Kind::f16) extension("EXT_shader_explicit_arithmetic_types_float16");
        line(fmt::format("shared {} {}[{}];{}", type, b.name, b.count, comment));
        continue;
      }
      const std::string_view access = b.access == kir::Access::read    ? "readonly"
                                      : b.access == kir::Access::write ? "restrict writeonly"
                                                                       : "restrict coherent";
      has_coherent_ = has_coherent_ || b.access == kir::Access::read_write;
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
    if (pushed > kPushConstants)
      openinfer::fail(ErrorCode::unsupported,
                      "[emit] kernel {}: {} buffers by number and {} by address, which take {} numbers, at most {}",
                      k_.name, binding, (pushed - static_cast<std::size_t>(binding)) / 2, pushed, kPushConstants);
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
  std::set<std::string> prelude_;
  std::size_t body_at_ = 0;
  bool has_coherent_ = false;
};

}  // namespace

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
