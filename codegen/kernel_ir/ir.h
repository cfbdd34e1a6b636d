// SPDX-License-Identifier: Apache-2.0
// Kernel IR: a small SPMD language in which a kernel is written once and rendered as C++, GLSL and CUDA.
// Made by templates through Build (build.h), checked by verify.h, run by interpret.h, printed by print.h and by the
// renderers of codegen/emit. Everything here is plain data.
//
// A dispatch runs `groups` workgroups; a workgroup has Target::subgroups subgroups of Target::lanes lanes. On a GPU a
// lane is an invocation; in C++ a workgroup is one call, has one subgroup, and a lane value is a SIMD vector.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/device.h"

namespace openinfer::kir {

using Id = std::uint32_t;
inline constexpr Id kNoId = ~Id{0};

/// What a value is. Memory kinds exist in buffers only: a load widens (f16, bf16 -> f32; i8, i16 -> i32; u8, u16 ->
/// u32), a store narrows (floats to nearest even, integers by their low bits). b1 lies in memory as a byte 0 or 1.
enum class Kind : std::uint8_t {
  none,
  b1,
  i32,
  u32,
  i64,
  u64,
  f32,
  f64,
  i8x4,  // four signed bytes in 32 bits, the first lowest
  // Fragments of matrices that a subgroup holds together, in the shape of Target::mma. How their elements lie over
  // lanes is the device's: they are loaded, multiplied and stored as wholes.
  mma_a,  // (m, k)
  mma_b,  // (k, n)
  mma_c,  // (m, n), of the sums' dtype
  f16,    // from here on: memory only
  bf16,
  i8,
  u8,
  i16,
  u16,
};
struct KindInfo {
  std::string_view name;
  int bytes;         // in memory; b1: 1
  Kind in_register;  // what a load gives
};
const KindInfo& info(Kind kind);
inline bool is_memory_only(Kind k) { return k >= Kind::f16; }
inline bool is_fragment(Kind k) { return k == Kind::mma_a || k == Kind::mma_b || k == Kind::mma_c; }
inline bool is_float(Kind k) { return k == Kind::f32 || k == Kind::f64; }
inline bool is_integer(Kind k) { return k == Kind::i32 || k == Kind::u32 || k == Kind::i64 || k == Kind::u64; }

/// How finely a value may differ: not within a workgroup, not within a subgroup, at each lane.
/// Also of control flow: code under an `if` of subgroup rate runs for some subgroups only, the body of a loop that is
/// dealt to lanes for some lanes only.
enum class Rate : std::uint8_t { group, subgroup, lane };

struct Type {
  Kind kind = Kind::none;
  Rate rate = Rate::group;
  bool operator==(const Type&) const = default;
};

using openinfer::Dot4;

/// All that a template may ask of a device: numbers.
struct Target {
  int lanes = 1;      // a power of two
  int subgroups = 1;  // of a workgroup; a power of two
  Dot4 dot4 = Dot4::none;
  bool bf16_dot = false;                               // products of pairs of bf16 are faster than those of f32
  bool exact_division = true;                          // f32 `/` rounds correctly; false: Vulkan's, within 2.5 ULP
  bool exact_fma = true;                               // `fma` rounds once; false: Vulkan's may round the product
  bool fast_fma = false;                               // a fused multiply-add of f32 is one instruction
  bool exp_by_fma = false;                             // exp may have other bits than everywhere, within its bound
  bool panels = false;                                 // weights may be laid out as panel16
  bool core_cache = false;                             // shared memory lies in a core's cache, where prefetch leads
  std::int64_t most_bound_bytes = kUnlimited;          // of a buffer as a kernel is bound to it
  bool addresses = false;                              // larger ones can be reached by their address
  std::int64_t most_shared_bytes = kUnlimited;         // of a workgroup
  int cache_line_bytes = 64;                           // what one prefetch fetches
  int push_constant_bytes = 128;                       // of places and addresses of buffers that need no binding
  bool lane_arithmetic = true, lane_broadcast = true;  // between the lanes of a subgroup; else by shared memory
  bool storage_8bit = true, storage_16bit = true;      // in buffers; else words of 32 bits are taken apart
  std::map<std::string, int, std::less<>> tuned = {};  // template parameters of the device's row
  int tuned_or(std::string_view parameter, int otherwise) const;
  std::optional<MmaShape> mma = {};  // fragments that kernels may use: of f16 or bf16 with sums in f32
  /// Of kernels for CPUs: a workgroup is one call, worth a thousand elements, and lanes are elements of vectors.
  bool lanes_are_vectors() const { return subgroups == 1; }
  bool operator==(const Target&) const = default;
};

/// A block format, or any struct in memory, tightly packed: {"q8_0", {{"d", f16, 1}, {"qs", i8, 32}}}.
struct Record {
  struct Field {
    std::string name;
    Kind kind = Kind::none;
    int count = 1;  // 1: a scalar, else an array
    bool operator==(const Field&) const = default;
  };
  std::string name;
  std::vector<Field> fields;
  int size_bytes() const;
  /// The field's place; -1: none of that name.
  int find(std::string_view field) const;
  bool operator==(const Record&) const = default;
};

enum class Access : std::uint8_t { read, write, read_write };
enum class Space : std::uint8_t { global, shared };

struct Buffer {
  std::string name;
  Kind kind = Kind::none;  // none: elements are records
  int record = -1;         // into Kernel::records
  Access access = Access::read;
  Space space = Space::global;
  int count = 0;             // shared only: elements
  bool by_address = false;   // global only: larger than what is bound (Target::most_bound_bytes)
  std::string comment = {};  // its shape: "(N, 576)"
};

/// A mutable register, or `count` of them (a tile) that unrolled loops index.
struct Variable {
  std::string name;
  Type type;
  int count = 1;
  bool tile = false;
};

/// A pure function of scalars, rendered once under its name: nodes of the kernel that only refer to each other and to
/// its `argument`s.
struct Function {
  std::string name;
  std::vector<Kind> parameters = {};
  std::vector<std::string> parameter_names = {};
  Kind result_kind = Kind::none;
  std::vector<Id> body = {};  // in order
  Id result = kNoId;
  std::string comment = {};  // what it computes and how exactly: "exp(x), at most 1 ULP"
};

enum class Op : std::uint8_t {
  // places and numbers
  constant,  // .integer or .number by kind
  param,     // .ref: Kernel::params; i32 of group rate
  group,     // number of the workgroup, i32
  subgroup,  // number of the subgroup in its workgroup, i32; 0 where there is one
  lane,      // number of the lane in its subgroup, i32
  index,     // of the loop .owner; i32
  argument,  // .ref: parameter of the Function it stands in
  // arithmetic on operands of one kind
  add,
  sub,
  mul,
  div,  // integers: towards zero; by zero undefined
  mod,  // of integers that are not negative
  min,
  max,
  neg,
  abs,
  fma,  // one rounding
  sqrt,
  floor,
  round,  // to nearest even
  shift_left,
  shift_right,  // i32, i64: arithmetic
  bit_and,
  bit_or,
  bit_xor,
  bit_not,
  eq,
  ne,
  lt,
  le,
  logical_and,
  logical_or,
  logical_not,
  select,   // args: b1, a, b
  convert,  // between register kinds, as static_cast; float to integer: towards zero, beyond its range undefined
  bitcast,  // between kinds of equal width
  dot4,     // args: a i8x4, b i8x4, sum i32: sum + Σ a[j]·b[j], the same bits on every device. With Dot4::us_sat16 no
            // byte of b may be -128.
  dot4_us,  // the same with a's bytes taken as 0 … 255. With Dot4::us_sat16 sums of two products must fit 16 bits.
  pair_dots_us,  // args as dot4_us, but sum is two of 16 bits in an i32, of bytes 0 and 1 and of bytes 2 and 3. Each
                 // must fit. Of targets whose lanes are vectors.
  pair_sum,      // args: i32: its halves, signed, added up. Of such targets, too.
  bf16_pair,     // args: f32 a, b. u32: both rounded to bf16, to nearest even, a in the low half.
                 // What is below 2^-126 in size may be 0 instead:
                 // matrix units that multiply bf16 take it so.
  bf16_dot,  // args: u32 a, u32 b, f32 sum: sum + a0·b0 + a1·b1 of such pairs. Each product and sum is rounded at most
             // once, to nearest even, in any order; what is below 2^-126 in size, operands too, may be 0 instead.
  call,      // .ref: Kernel::functions
  // memory and registers
  load,      // .ref buffer; args: element index, for records with .field: block index, place in the field
  read,      // .ref variable; args: place in a tile
  lane_sum,  // over the lanes of the subgroup; result of subgroup rate. Not where lanes may have left (lane-rate flow).
  lane_max,
  lane_min,
  lane_get,   // args: value, number of the lane (subgroup rate)
  lane_sums,  // args: four values. Lane l: what lane_sum gives of value l / (lanes / 4); of lane rate. Four lanes or
              // more.
  lane_maxs,  // the same of lane_max and four i32: of targets whose lanes are vectors
  lane_turn,  // args: a value. Lane l: that of lane l % 4 * (lanes / 4) + l / 4; of lane rate. Of such targets, too
  mma_load,   // a fragment from .ref buffer; args: first element, stride. Of a: its rows lie `stride` apart, of b its
              // columns. Both are multiples of 8 elements. Of bf16 in pairs of neighbouring k, a u32 each, the
              // stride is of those: a's rows as before; b, always in pairs, has rows of pairs `stride` apart.
  mma,        // args: a, b, c: a · b + c. Where all lanes are.
  // statements
  declare,    // .ref variable, starts its life here; args: initial value (of all its places)
  write,      // .ref variable; args: [place in a tile,] value
  turn,       // .ref a tile of as many places as lanes: place i of lane j becomes place j of lane i. Of targets whose
              // lanes are vectors, where all lanes are.
  store,      // .ref buffer; args as load, then the value
  mma_store,  // .ref buffer; args: first element, stride between rows (multiples of 8), a fragment of sums
  loop,       // args: from, to; .integer: step; .deal, .share, .unroll; .index, .body
  if_,        // args: condition, at most of subgroup rate; .body, .other
  barrier,    // all of the workgroup; orders shared and global memory within it. Only in group-rate flow.
  prefetch,   // .ref buffer; args as load; .integer: bytes ahead
  comment,    // .name: the text
};
struct OpInfo {
  std::string_view name;
  int operands;    // -1: it depends
  bool value;      // gives a value
  bool pinned;     // sees memory or registers: stays between the effects that it was written between
  bool effect;     // keeps its place in the order of effects
  bool lane_wide;  // all lanes of the subgroup must be there
};
const OpInfo& info(Op op);

/// How a loop's turns are spread.
enum class Deal : std::uint8_t {
  none,       // everyone runs all of them
  lanes,      // each index once in a subgroup: `share` neighbouring lanes get the same one
  subgroups,  // each index once in the workgroup, whole subgroups
  group,      // each index once in the workgroup, lane by lane
};

struct Node {
  Op op = Op::constant;
  Type type = {};
  std::vector<Id> args = {};
  std::int64_t integer = 0;
  double number = 0;
  int ref = -1;
  int field = -1;
  std::string name = {};  // of a value: what Build::let called it; of a loop: its index; comment: the text
  // loops and branches
  Deal deal = Deal::none;
  int share = 1;
  int unroll = 1;  // 0: entirely, so that its index may index tiles
  Id index = kNoId;
  Id owner = kNoId;
  std::vector<Id> body = {};
  std::vector<Id> other = {};
};

struct Kernel {
  std::string name;
  std::vector<std::string> provenance;  // lines: where it came from
  Target target;
  std::vector<Record> records;
  std::vector<Buffer> buffers;
  std::vector<std::string> params;  // i32 each, in order
  std::vector<Variable> variables;
  std::vector<Function> functions;  // callees first
  std::vector<Node> nodes;
  std::vector<Id> body;  // statements and the values between them, in order

  const Node& operator[](Id id) const { return nodes[id]; }
};

/// Of a workgroup's arrays. On a CPU they lie on the stack of the thread that runs it.
std::int64_t shared_bytes(const Kernel& kernel);

}  // namespace openinfer::kir
