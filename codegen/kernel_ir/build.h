// SPDX-License-Identifier: Apache-2.0
// How templates write kernels. Values are SSA and pure; mutable are only what var and tile declare. Errors in the use
// of this interface are mistakes in a template: Error(internal) that names the kernel and what is wrong.
//
//   Build k("scale", {.lanes = 16});
//   Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
//   Val n = k.param("n");
//   k.for_group("i", 0, n, [&](Val i) { y[i] = x[i] * 2; });
//   Kernel kernel = k.done();
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

class Build;

/// A value, or a number that takes the kind of what it meets: i + 1, x * 0.5.
class Val {
 public:
  Val() = default;
  Val(Build* build, Id id) : build_(build), id_(id) {}
  template <std::integral T>
  Val(T number) : integer_(static_cast<std::int64_t>(number)), literal_(Literal::integer) {}
  Val(double number) : number_(number), literal_(Literal::real) {}

  enum class Literal : std::uint8_t { none, integer, real };
  Literal literal() const { return literal_; }
  std::int64_t integer() const { return integer_; }
  double number() const { return number_; }
  Build* build() const { return build_; }
  Id id() const { return id_; }
  Type type() const;
  Kind kind() const { return type().kind; }

 private:
  Build* build_ = nullptr;
  Id id_ = kNoId;
  std::int64_t integer_ = 0;
  double number_ = 0;
  Literal literal_ = Literal::none;
};

// Operands have one kind; a plain number takes the other's. Two plain numbers are not a value: constant() makes one.
Val operator+(Val a, Val b);
Val operator-(Val a, Val b);
Val operator*(Val a, Val b);
Val operator/(Val a, Val b);
Val operator%(Val a, Val b);
Val operator-(Val a);
Val operator&(Val a, Val b);
Val operator|(Val a, Val b);
Val operator^(Val a, Val b);
Val operator~(Val a);
Val operator<<(Val a, Val b);
Val operator>>(Val a, Val b);
Val operator==(Val a, Val b);
Val operator!=(Val a, Val b);
Val operator<(Val a, Val b);
Val operator<=(Val a, Val b);
Val operator>(Val a, Val b);
Val operator>=(Val a, Val b);
Val operator&&(Val a, Val b);
Val operator||(Val a, Val b);
Val operator!(Val a);
/// Of a NaN and a number, and of two zeros, the result is either (README.md).
Val min(Val a, Val b);
Val max(Val a, Val b);
Val abs(Val a);
Val fma(Val a, Val b, Val c);
Val sqrt(Val a);
Val floor(Val a);
Val round(Val a);
Val select(Val condition, Val a, Val b);
Val convert(Val a, Kind kind);
Val bitcast(Val a, Kind kind);
Val dot4(Val a, Val b, Val sum);
Val dot4_us(Val a, Val b, Val sum);
/// The same in two sums of 16 bits, which each must fit: of the first two bytes, low, and of the last two. Both for
/// targets whose lanes are vectors.
Val pair_dots_us(Val a, Val b, Val sums);
/// Both of those added up.
Val pair_sum(Val sums);
/// Two numbers as bf16 in 32 bits, the first in the low half.
Val bf16_pair(Val a, Val b);
/// sum + the two products of such pairs.
Val bf16_dot(Val a, Val b, Val sum);

/// One element of a buffer: reads when it is used as a value, writes when it is assigned to.
class Elem {
 public:
  Elem(Build* build, int buffer, int field, Kind as, std::vector<Id> index)
      : build_(build), buffer_(buffer), field_(field), as_(as), index_(std::move(index)) {}
  Elem(const Elem&) = default;
  operator Val() const;
  Val load() const { return *this; }
  void operator=(Val value) const;
  void operator=(const Elem& other) const { *this = Val(other); }
  /// The four bytes (i8 or u8) from here on as one i8x4; the place must be a multiple of four.
  Elem packed() const { return {build_, buffer_, field_, Kind::i8x4, index_}; }

 private:
  friend class Build;
  Build* build_;
  int buffer_;
  int field_;
  Kind as_;  // none: as stored
  std::vector<Id> index_;
};

/// A block of a buffer of records: block["d"], block["qs"](j).
class Slot {
 public:
  Slot(Build* build, int buffer, Id block) : build_(build), buffer_(buffer), block_(block) {}
  /// One field of the block: a value where it is a scalar.
  class Field {
   public:
    Field(Build* build, int buffer, int field, Id block)
        : build_(build), buffer_(buffer), field_(field), block_(block) {}
    Field(const Field&) = default;
    Elem operator()(Val place) const;
    operator Val() const;
    void operator=(Val v) const;
    void operator=(const Field& other) const { *this = Val(other); }

   private:
    Build* build_;
    int buffer_;
    int field_;
    Id block_;
  };
  Field operator[](std::string_view field) const;

 private:
  Build* build_;
  int buffer_;
  Id block_;
};

/// A buffer.
class Mem {
 public:
  Mem() = default;
  Mem(Build* build, int buffer) : build_(build), buffer_(buffer) {}
  Elem operator[](Val index) const;
  Slot block(Val index) const;  // buffers of records
  int buffer() const { return buffer_; }

 private:
  Build* build_ = nullptr;
  int buffer_ = -1;
};

/// A mutable register.
class Reg {
 public:
  Reg(Build* build, int variable) : build_(build), variable_(variable) {}
  Reg(const Reg&) = default;
  operator Val() const;
  Val value() const { return *this; }
  void operator=(Val v) const;
  void operator=(const Reg& other) const { *this = Val(other); }
  void operator+=(Val v) const { *this = Val(*this) + v; }
  void operator*=(Val v) const { *this = Val(*this) * v; }

 private:
  Build* build_;
  int variable_;
};

/// `count` registers; places are constants or indices of entirely unrolled loops (each), and sums of them.
class Tile {
 public:
  Tile(Build* build, int variable) : build_(build), variable_(variable) {}
  class Place {
   public:
    Place(Build* build, int variable, Id place) : build_(build), variable_(variable), place_(place) {}
    Place(const Place&) = default;
    operator Val() const;
    void operator=(Val v) const;
    void operator=(const Place& other) const { *this = Val(other); }
    void operator+=(Val v) const { *this = Val(*this) + v; }
    void operator*=(Val v) const { *this = Val(*this) * v; }

   private:
    Build* build_;
    int variable_;
    Id place_;
  };
  Place operator[](Val place) const;
  /// Rows become columns: place i of lane j is place j of lane i. Of as many places as lanes, which are vectors.
  void turn() const;

 private:
  Build* build_;
  int variable_;
};

class Build {
 public:
  using Body = std::function<void()>;
  using LoopBody = std::function<void(Val index)>;
  using FunctionBody = std::function<Val(const std::vector<Val>& arguments)>;

  Build(std::string name, Target target, std::vector<std::string> provenance = {});
  Build(const Build&) = delete;
  Build& operator=(const Build&) = delete;
  const Target& target() const { return kernel_.target; }
  int lanes() const { return kernel_.target.lanes; }

  // --- what the kernel is given; comments are shapes: "(N, 576)" ---
  Mem in(std::string_view name, Kind kind, std::string_view comment = {});
  Mem in(std::string_view name, const Record& record, std::string_view comment = {});
  Mem out(std::string_view name, Kind kind, std::string_view comment = {});
  Mem out(std::string_view name, const Record& record, std::string_view comment = {});
  Mem inout(std::string_view name, Kind kind, std::string_view comment = {});
  Mem shared(std::string_view name, Kind kind, int count);
  Val param(std::string_view name);

  // --- places ---
  Val group();
  Val subgroup();
  Val subgroup_global();  // group · subgroups + subgroup: the subgroup's number in the dispatch
  Val lane();
  Val lane_in(int n);  // lane % n; lane where n ≥ lanes
  Val lane_of(int n);  // lane / n; 0 where n ≥ lanes

  // --- values and registers ---
  template <std::integral T>
  Val constant(T number, Kind kind = Kind::i32) {
    return integer_constant(static_cast<std::int64_t>(number), kind);
  }
  Val constant(double number, Kind kind = Kind::f32);
  Val let(std::string_view name, Val value);  // names a temporary
  Reg var(std::string_view name, Kind kind, Rate rate = Rate::lane, Val init = 0);
  Tile tile(std::string_view name, int count, Kind kind, Rate rate = Rate::lane, Val init = 0);

  // --- control flow; a loop runs for from ≤ index < to ---
  void for_(std::string_view name, Val from, Val to, const LoopBody& body, int unroll = 1, int step = 1);
  void each(std::string_view name, int count, const LoopBody& body);  // entirely unrolled; vanishes for count 1
  /// Each index once in the subgroup, `share` neighbouring lanes together; lanes beyond the end sit out. The body has
  /// no lane operations, unless share ≥ lanes.
  void for_lanes(std::string_view name, Val from, Val to, const LoopBody& body, int share = 1);
  void for_subgroups(std::string_view name, Val from, Val to, const LoopBody& body);
  void for_group(std::string_view name, Val from, Val to, const LoopBody& body);
  void if_(Val condition, const Body& body, const Body& other = {});
  void barrier();
  void prefetch(const Elem& place, int bytes_ahead);
  void comment(std::string_view text);

  // --- functions and lane operations ---
  /// Calls the function of that name; `body` defines it the first time. Arguments are scalars of any rate.
  Val call(std::string_view name, const std::vector<Val>& args, const std::function<Val(const std::vector<Val>&)>& body,
           std::string_view comment = {}, const std::vector<std::string>& parameter_names = {});
  Val lane_sum(Val value);
  Val lane_max(Val value);
  Val lane_min(Val value);
  Val lane_get(Val value, Val lane);
  /// Each quarter of the lanes has the sum of one of the four: cheaper than four of lane_sum. Of four lanes or more.
  Val lane_sums(Val a, Val b, Val c, Val d);
  /// The same of the largest, of targets whose lanes are vectors.
  Val lane_maxs(Val a, Val b, Val c, Val d);
  /// Quarters of the lanes as rows of a matrix, transposed: lane 4 i + j has what lane i of quarter j had. Such
  /// targets.
  Val lane_turn(Val value);
  /// Fragments of matrices in the shape of Target::mma: see Op::mma_load and Op::mma_store.
  Val mma_load(Kind fragment, const Mem& from, Val at, Val stride);
  Val mma(Val a, Val b, Val c);
  void mma_store(const Mem& to, Val at, Val stride, Val c);
  /// Over all lanes of the workgroup, for each of them; shared memory and barriers only if there are several subgroups.
  /// Only in group-rate flow.
  Val group_sum(std::string_view name, Val value);
  Val group_max(std::string_view name, Val value);
  Val group_min(std::string_view name, Val value);

  /// The finished kernel: simplified, without dead code, in canonical order (the same whatever order the compiler of a
  /// template evaluated operands in), verified. Once.
  Kernel done();

  // --- what the above is made of ---
  /// Adds a node to the open region and gives its number; one that folds or that is there already gives that one.
  Id append(Node node);
  /// The node's number; a plain number becomes a constant of that kind.
  Id resolve(const Val& value, Kind kind);
  const Node& node(Id id) const { return kernel_.nodes[id]; }
  const Kernel& kernel() const { return kernel_; }
  [[noreturn]] void fail(const std::string& what) const;

 private:
  using Known = std::map<std::string, Id>;  // pure nodes of an open region by what they compute
  struct Open {
    std::vector<Id> nodes;
    Known known;
  };

  /// The rate as it is on this target: with one subgroup nothing differs between subgroups.
  Rate effective(Rate rate) const;
  Val integer_constant(std::int64_t number, Kind kind);
  Val place(Op op, Rate rate);
  int add_buffer(Buffer buffer);
  int add_record(const Record& record);
  int add_variable(Variable variable, const Val& init);
  void deal(Deal deal, std::string_view name, const Val& from, const Val& to, const LoopBody& body, int share);
  std::vector<Id> region(const Body& body);
  void loop(Node node, const LoopBody& body);
  Val lane_wide(Op op, const Val& value);
  Val by_quarters(Op op, const Val& a, const Val& b, const Val& c, const Val& d);
  Val group_wide(Op op, std::string_view name, const Val& value);
  int define(std::string_view name, const std::vector<Kind>& parameters, const FunctionBody& body,
             std::string_view comment, const std::vector<std::string>& parameter_names);

  Kernel kernel_;
  std::vector<Open> open_;  // innermost last
  bool done_ = false;
};

}  // namespace openinfer::kir
