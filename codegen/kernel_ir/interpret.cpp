// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/interpret.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "codegen/kernel_ir/races.h"
#include "codegen/kernel_ir/scalar_ops.h"
#include "lib/base/fail.h"

namespace openinfer::kir {
namespace {

/// Which invocations of the workgroup run, and whom a value of each rate is computed for: the first of them all, the
/// first of each subgroup, every one.
class Active {
 public:
  const std::vector<int>& at(Rate rate) const { return at_[static_cast<std::size_t>(rate)]; }
  bool none() const { return at(Rate::lane).empty(); }
  /// Invocations come in order.
  void add(int invocation, int lanes) {
    auto& [group, subgroups, all] = at_;
    if (group.empty()) group.push_back(invocation);
    if (subgroups.empty() || subgroups.back() / lanes != invocation / lanes) subgroups.push_back(invocation);
    all.push_back(invocation);
  }

 private:
  std::array<std::vector<int>, 3> at_;  // by rate
};

class Interpreter {
 public:
  Interpreter(const Kernel& k, const InterpretOptions& options)
      : k_(k),
        options_(options),
        invocations_(k.target.lanes * k.target.subgroups),
        registers_(k.variables.size()),
        memory_(k.buffers.size()),
        shared_(k.buffers.size()) {
    for (const Buffer& b : k.buffers) races_.emplace_back(b.space == Space::shared);
    for (int i = 0; i < invocations_; ++i) everyone_.add(i, k.target.lanes);
    std::size_t first = 0;
    for (const Node& n : k.nodes) {
      slot_storage_.push_back({first, shift_of(n.type.rate), n.type.rate, info(n.op).value, scalar_of(n)});
      first += static_cast<std::size_t>(invocations_ >> slot_storage_.back().shift);
    }
    bits_storage_.resize(first);
    nodes_ = k.nodes.data();
    slots_ = slot_storage_.data();
    bits_ = bits_storage_.data();
  }

  void bind(const std::vector<std::span<std::byte>>& buffers, const std::vector<std::int32_t>& params) {
    std::size_t next = 0;
    const auto is_global = [](const Buffer& b) { return b.space == Space::global; };
    const auto n_global = static_cast<std::size_t>(std::count_if(k_.buffers.begin(), k_.buffers.end(), is_global));
    if (buffers.size() != n_global || params.size() != k_.params.size())
      fail(ErrorCode::invalid_argument, "[kernel {}] takes {} buffers and {} parameters, was given {} and {}", k_.name,
           n_global, k_.params.size(), buffers.size(), params.size());
    for (std::size_t i = 0; i < k_.buffers.size(); ++i) {
      if (is_global(k_.buffers[i])) {
        memory_[i] = buffers[next++];
        continue;
      }
      shared_[i].resize(static_cast<std::size_t>(k_.buffers[i].count) * static_cast<std::size_t>(element_bytes(i)));
      memory_[i] = shared_[i];
    }
    params_ = params;
  }

  void run(std::int64_t group) {
    group_ = group;
    for (auto& s : shared_) std::fill(s.begin(), s.end(), std::byte{0xff});
    for (Races& r : races_) r.next_group();
    fragments_.clear();
    region(k_.body, everyone_);
  }

 private:
  // --- where values of a rate lie: one each 2^shift invocations ---

  struct Slot {
    std::size_t first;
    int shift;
    Rate rate;
    bool value;
    Scalar scalar;  // of an operation on each invocation alone, else null
  };
  Scalar scalar_of(const Node& n) const {
    const bool placed = n.args.empty() || n.op == Op::call || n.op == Op::load || n.op == Op::read || n.op == Op::mma;
    if (placed || !info(n.op).value || n.op == Op::mma_load || info(n.op).lane_wide) return nullptr;
    return kir::scalar_of(n, k_[n.args[n.op == Op::select ? 1 : 0]].type.kind, k_.target.dot4);
  }
  /// Numbers of lanes and subgroups are powers of two.
  int shift_of(Rate rate) const {
    const int span = rate == Rate::group ? invocations_ : rate == Rate::subgroup ? k_.target.lanes : 1;
    return std::countr_zero(static_cast<unsigned>(span));
  }
  Bits& at(const Slot& slot, int invocation) const {
    return bits_[slot.first + static_cast<std::size_t>(invocation >> slot.shift)];
  }
  Bits get(Id id, int invocation) const { return at(slots_[id], invocation); }
  std::int32_t get_i32(Id id, int invocation) const {
    return std::bit_cast<std::int32_t>(static_cast<std::uint32_t>(get(id, invocation)));
  }
  Rate rate_of(std::span<const Id> args) const {
    Rate rate = Rate::group;
    for (const Id id : args) rate = std::max(rate, k_[id].type.rate);
    return rate;
  }
  template <class F>
  void set(Id id, const Active& active, F&& f) {
    const Slot slot = slots_[id];
    Bits* const to = bits_ + slot.first;
    for (const int i : active.at(slot.rate)) to[i >> slot.shift] = f(i);
  }

  [[noreturn]] void stop(Id id, int invocation, std::string_view what) const {
    const Node& n = nodes_[id];
    fail(ErrorCode::internal, "[kernel {}] node {} ({}{}{}): {} in group {}, subgroup {}, lane {}", k_.name, id,
         info(n.op).name, n.name.empty() ? "" : " ", n.name, what, group_, invocation / k_.target.lanes,
         invocation % k_.target.lanes);
  }

  // --- statements ---

  void region(const std::vector<Id>& nodes, const Active& active) {
    for (const Id id : nodes) {
      if (slots_[id].scalar != nullptr)
        compute(id, active);
      else if (slots_[id].value)
        value(id, active);
      else
        statement(id, active);
    }
  }

  void statement(Id id, const Active& active) {
    const Node& n = nodes_[id];
    if (n.op == Op::declare || n.op == Op::write) return write(id, active);
    if (n.op == Op::turn) return turn(n);
    if (n.op == Op::store) return store(id, active);
    if (n.op == Op::mma_store) return mma_store(id, active);
    if (n.op == Op::loop) return loop(n, active);
    if (n.op == Op::if_) return branch(n, active);
    if (n.op == Op::barrier)
      for (Races& r : races_) r.barrier();
  }

  void branch(const Node& n, const Active& active) {
    if (k_[n.args[0]].type.rate == Rate::group)
      return region(get(n.args[0], active.at(Rate::group)[0]) != 0 ? n.body : n.other, active);
    Active then, otherwise;
    for (const int i : active.at(Rate::lane)) (get(n.args[0], i) != 0 ? then : otherwise).add(i, k_.target.lanes);
    if (!then.none()) region(n.body, then);
    if (!otherwise.none()) region(n.other, otherwise);
  }

  /// Where an invocation is in the order of those that share out the turns, and how many turns one round has.
  std::pair<int, int> share_of(const Node& loop, int invocation) const {
    const int lanes = k_.target.lanes;
    if (loop.deal == Deal::lanes) return {invocation % lanes / loop.share, lanes / loop.share};
    if (loop.deal == Deal::subgroups) return {invocation / lanes, k_.target.subgroups};
    if (loop.deal == Deal::group) return {invocation, invocations_};
    return {0, static_cast<int>(loop.integer)};
  }

  void loop(const Node& n, const Active& active) {
    if (n.deal == Deal::none && rate_of(n.args) == Rate::group) return loop_together(n, active);
    const auto at = [](int i) { return static_cast<std::size_t>(i); };
    const int step = share_of(n, 0).second;
    std::vector<std::int64_t> index(at(invocations_));
    for (const int i : active.at(Rate::lane)) index[at(i)] = std::int64_t{get_i32(n.args[0], i)} + share_of(n, i).first;
    for (Active there = active;;) {
      const std::vector<int>& before = there.at(Rate::lane);
      const auto goes_on = [&](int i) { return index[at(i)] < get_i32(n.args[1], i); };
      if (!std::all_of(before.begin(), before.end(), goes_on)) {
        Active left;
        for (const int i : before)
          if (goes_on(i)) left.add(i, k_.target.lanes);
        if (left.none()) return;
        there = std::move(left);
      }
      set(n.index, there, [&](int i) { return static_cast<std::uint32_t>(index[at(i)]); });
      region(n.body, there);
      for (const int i : there.at(Rate::lane)) index[at(i)] += step;
    }
  }
  void loop_together(const Node& n, const Active& active) {
    const int first = active.at(Rate::group)[0];
    const std::int64_t to = get_i32(n.args[1], first);
    for (std::int64_t index = get_i32(n.args[0], first); index < to; index += n.integer) {
      set(n.index, active, [&](int) { return static_cast<std::uint32_t>(index); });
      region(n.body, active);
    }
  }

  void write(Id id, const Active& active) {
    const Node& n = nodes_[id];
    const Variable& v = k_.variables[static_cast<std::size_t>(n.ref)];
    const int shift = shift_of(v.type.rate), copies = invocations_ >> shift;
    auto& places = registers_[static_cast<std::size_t>(n.ref)];
    places.resize(static_cast<std::size_t>(v.count * copies));
    for (const int i : active.at(v.type.rate)) {
      const bool one = n.op == Op::write;
      const int first = one && v.tile ? place_of(id, i) : 0, last = one ? first + 1 : v.count;
      for (int place = first; place < last; ++place)
        places[static_cast<std::size_t>(place * copies + (i >> shift))] = get(n.args.back(), i);
    }
  }
  /// Lanes are vectors: there is one subgroup.
  void turn(const Node& n) {
    auto& places = registers_[static_cast<std::size_t>(n.ref)];
    const auto lanes = static_cast<std::size_t>(k_.target.lanes);
    for (std::size_t i = 0; i < lanes; ++i)
      for (std::size_t j = 0; j < i; ++j) std::swap(places[i * lanes + j], places[j * lanes + i]);
  }
  int place_of(Id id, int i) const {
    const Node& n = nodes_[id];
    const Variable& v = k_.variables[static_cast<std::size_t>(n.ref)];
    const int place = get_i32(n.args[0], i);
    if (place < 0 || place >= v.count) stop(id, i, fmt::format("{}[{}] of {}", v.name, place, v.count));
    return place;
  }

  // --- values ---

  void value(Id id, const Active& active) {
    const Node& n = nodes_[id];
    if (n.op == Op::constant && is_fragment(n.type.kind))
      return set(id, active, [&](int) { return keep(Fragment(elements_of(n.type.kind))); });
    if (n.op == Op::constant) return set(id, active, [&](int) { return constant_bits(n); });
    if (n.op == Op::mma_load) return set(id, active, [&](int i) { return mma_load(id, i); });
    if (n.op == Op::mma) return set(id, active, [&](int i) { return mma(n, i); });
    if (n.op == Op::argument || n.op == Op::index) return;  // set by the call or the loop
    if (n.op == Op::call) return call(id, active);
    if (n.op == Op::load) return set(id, active, [&](int i) { return load(id, i); });
    if (n.op == Op::read) return set(id, active, [&](int i) { return read(id, i); });
    if (info(n.op).lane_wide) return set(id, active, [&](int i) { return lane_wide(id, i); });
    set(id, active, [&](int i) { return place(n, i); });
  }

  void compute(Id id, const Active& active) {
    const Node& n = nodes_[id];
    const Slot slot = slots_[id];
    const std::size_t count = n.args.size();
    Slot a = slots_[n.args[0]], b = slots_[n.args[count > 1 ? 1 : 0]], c = slots_[n.args[count > 2 ? 2 : 0]];
    if (options_.swap_extremes && (n.op == Op::min || n.op == Op::max)) std::swap(a, b);
    for (const int i : active.at(slot.rate)) {
      const Bits x = at(a, i), y = at(b, i);
      const auto result = slot.scalar(x, y, at(c, i));
      if (!result) stop(id, i, fmt::format("undefined for operands of bits {:#x} and {:#x}", x, count > 1 ? y : 0));
      at(slot, i) = *result;
    }
  }

  Bits place(const Node& n, int i) const {
    if (n.op == Op::param) return static_cast<std::uint32_t>(params_[static_cast<std::size_t>(n.ref)]);
    if (n.op == Op::group) return static_cast<std::uint32_t>(group_);
    return static_cast<std::uint32_t>(n.op == Op::lane ? i % k_.target.lanes : i / k_.target.lanes);
  }

  Bits read(Id id, int i) const {
    const Node& n = nodes_[id];
    const int shift = shift_of(k_.variables[static_cast<std::size_t>(n.ref)].type.rate);
    const int place = n.args.empty() ? 0 : place_of(id, i);
    return registers_[static_cast<std::size_t>(n.ref)]
                     [static_cast<std::size_t>(place * (invocations_ >> shift) + (i >> shift))];
  }

  void call(Id id, const Active& active) {
    const Node& n = nodes_[id];
    const Function& f = k_.functions[static_cast<std::size_t>(n.ref)];
    if (n.type.rate == Rate::lane) return call(id, f, active);
    Active first;  // one for all that share the result
    for (const int i : active.at(n.type.rate)) first.add(i, k_.target.lanes);
    call(id, f, first);
  }
  void call(Id id, const Function& f, const Active& active) {
    const Node& n = nodes_[id];
    for (const Id inner : f.body)
      if (k_[inner].op == Op::argument)
        set(inner, active, [&](int i) { return get(n.args[static_cast<std::size_t>(k_[inner].ref)], i); });
    region(f.body, active);
    set(id, active, [&](int i) { return get(f.result, i); });
  }

  Bits lane_wide(Id id, int i) {
    const Node& n = nodes_[id];
    const int lanes = k_.target.lanes, begin = i / lanes * lanes;
    if (n.op == Op::lane_get) {
      const int from = get_i32(n.args[1], i);
      if (from < 0 || from >= lanes) stop(id, i, fmt::format("there is no lane {}", from));
      return get(n.args[0], begin + from);
    }
    if (n.op == Op::lane_turn) return get(n.args[0], begin + (i - begin) % 4 * (lanes / 4) + (i - begin) / 4);
    const bool sums = n.op == Op::lane_sum || n.op == Op::lane_sums;
    const Op op = sums ? Op::add : n.op == Op::lane_min ? Op::min : Op::max;
    const Id of = n.args[n.args.size() == 4 ? static_cast<std::size_t>((i - begin) / (lanes / 4)) : 0];
    const Scalar combine = kir::scalar_of({.op = op, .type = n.type}, n.type.kind, Dot4::none);
    std::vector<Bits>& parts = lane_storage_;
    parts.clear();
    for (int lane = 0; lane < lanes; ++lane) parts.push_back(get(of, begin + lane));
    if (options_.swap_extremes && op != Op::add) std::reverse(parts.begin(), parts.end());
    for (std::size_t half = parts.size() / 2; half > 0; half /= 2)
      for (std::size_t lane = 0; lane < half; ++lane) parts[lane] = *combine(parts[lane], parts[lane + half], 0);
    return parts[0];
  }

  // --- fragments: a value is the number of one that is kept until the workgroup is done ---

  using Fragment = std::vector<float>;  // by rows
  std::pair<int, int> extent_of(Kind kind) const {
    const MmaShape& shape = *k_.target.mma;
    if (kind == Kind::mma_a) return {shape.m, shape.k};
    return kind == Kind::mma_b ? std::pair{shape.k, shape.n} : std::pair{shape.m, shape.n};
  }
  std::size_t elements_of(Kind kind) const {
    const auto [rows, columns] = extent_of(kind);
    return static_cast<std::size_t>(rows * columns);
  }
  Bits keep(Fragment f) {
    fragments_.push_back(std::move(f));
    return fragments_.size() - 1;
  }
  /// Are two neighbours along k one element of the buffer?
  bool in_pairs(const Node& n, Kind kind) const {
    return kind != Kind::mma_c && k_.buffers[static_cast<std::size_t>(n.ref)].kind == Kind::u32;
  }
  /// f(element, its byte in memory) for each element of the fragment that the first two operands place.
  template <class F>
  void each_element(Id id, Kind kind, int i, F&& f) const {
    const Node& n = nodes_[id];
    const auto buffer = static_cast<std::size_t>(n.ref);
    const auto [rows, columns] = extent_of(kind);
    const std::int64_t at = get_i32(n.args[0], i), stride = get_i32(n.args[1], i), bytes = element_bytes(buffer);
    const auto count = static_cast<std::int64_t>(memory_[buffer].size()) / bytes;
    if (at % 8 != 0 || stride % 8 != 0)
      stop(id, i, fmt::format("a fragment at {} with stride {}, no multiples of 8", at, stride));
    const bool pairs = in_pairs(n, kind);
    for (int row = 0; row < rows; ++row)
      for (int column = 0; column < columns; ++column) {
        const bool b = kind == Kind::mma_b;
        const int along = b ? row : column, across = b ? column : row;  // k, and the other
        const std::int64_t place = at + (!pairs ? across * stride + along
                                         : b    ? along / 2 * stride + across
                                                : across * stride + along / 2);
        if (place < 0 || place >= count)
          stop(id, i, fmt::format("{}[{}] is outside of its {} elements", k_.buffers[buffer].name, place, count));
        f(static_cast<std::size_t>(row * columns + column), place * bytes + (pairs ? along % 2 * 2 : 0));
      }
  }
  Bits mma_load(Id id, int i) {
    const Node& n = nodes_[id];
    const auto buffer = static_cast<std::size_t>(n.ref);
    Fragment loaded(elements_of(n.type.kind));
    const bool pairs = in_pairs(n, n.type.kind);
    each_element(id, n.type.kind, i, [&](std::size_t element, std::int64_t byte) {
      look_at(id, buffer, pairs ? byte / 4 * 4 : byte, i, Races::kSeveral);
      const Bits bits = load_bits(pairs ? Kind::bf16 : k_.buffers[buffer].kind, memory_[buffer].data() + byte);
      loaded[element] = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    });
    return keep(std::move(loaded));
  }
  Bits mma(const Node& n, int i) {
    const MmaShape& shape = *k_.target.mma;
    const Fragment &a = fragments_[get(n.args[0], i)], &b = fragments_[get(n.args[1], i)];
    Fragment c = fragments_[get(n.args[2], i)];
    for (int row = 0; row < shape.m; ++row)
      for (int column = 0; column < shape.n; ++column)
        for (int k = 0; k < shape.k; ++k)
          c[static_cast<std::size_t>(row * shape.n + column)] +=
              a[static_cast<std::size_t>(row * shape.k + k)] * b[static_cast<std::size_t>(k * shape.n + column)];
    return keep(std::move(c));
  }
  void mma_store(Id id, const Active& active) {
    const Node& n = nodes_[id];
    const auto buffer = static_cast<std::size_t>(n.ref);
    for (const int i : active.at(Rate::subgroup)) {
      const Fragment& c = fragments_[get(n.args[2], i)];
      each_element(id, Kind::mma_c, i, [&](std::size_t element, std::int64_t byte) {
        const Bits bits = std::bit_cast<std::uint32_t>(c[element]);
        store_bits(Kind::f32, memory_[buffer].data() + byte, bits);
        wrote(id, buffer, byte, i, bits);
      });
    }
  }

  // --- memory ---

  int element_bytes(std::size_t buffer) const {
    const Buffer& b = k_.buffers[buffer];
    return b.record >= 0 ? k_.records[static_cast<std::size_t>(b.record)].size_bytes() : info(b.kind).bytes;
  }

  struct Place {
    Kind kind;
    std::int64_t byte;
  };
  /// Where the first operands of a load or store point to.
  Place locate(Id id, int i) const {
    const Node& n = nodes_[id];
    const auto buffer = static_cast<std::size_t>(n.ref);
    const Buffer& b = k_.buffers[buffer];
    const std::int64_t index = get_i32(n.args[0], i), bytes = element_bytes(buffer);
    const auto count = static_cast<std::int64_t>(memory_[buffer].size()) / bytes;
    Place place = {b.kind, index * bytes};
    if (b.record >= 0) {
      const Record& r = k_.records[static_cast<std::size_t>(b.record)];
      for (int f = 0; f < n.field; ++f) {
        const Record::Field& before = r.fields[static_cast<std::size_t>(f)];
        place.byte += std::int64_t{before.count} * info(before.kind).bytes;
      }
      const Record::Field& field = r.fields[static_cast<std::size_t>(n.field)];
      const std::int64_t within = get_i32(n.args[1], i);
      const std::int64_t wide = is_packed(n, field.kind) ? 4 : 1;
      if (within < 0 || within + wide > field.count)
        stop(id, i,
             fmt::format("{}[{}].{}[{}] is outside of its {} values", b.name, index, field.name, within, field.count));
      place = {field.kind, place.byte + within * info(field.kind).bytes};
    }
    const std::int64_t wide = is_packed(n, place.kind) ? 4 : 1;
    if (index < 0 || index >= count || (b.record < 0 && index + wide > count))
      stop(id, i, fmt::format("{}[{}] is outside of its {} elements", b.name, index, count));
    if (wide == 4 && (b.record < 0 ? index : get_i32(n.args[1], i)) % 4 != 0)
      stop(id, i, fmt::format("four bytes of {} at a place that is no multiple of four", b.name));
    if (wide == 4) place.kind = Kind::i8x4;
    return place;
  }
  static bool is_packed(const Node& n, Kind stored) { return n.type.kind == Kind::i8x4 && stored != Kind::i8x4; }

  /// Several invocations that do the same thing count as one of them if they write, as many if they read.
  Bits load(Id id, int i) {
    const Node& n = nodes_[id];
    const auto buffer = static_cast<std::size_t>(n.ref);
    const Place at = locate(id, i);
    look_at(id, buffer, at.byte, i, shift_of(n.type.rate) == 0 ? i : Races::kSeveral);
    return load_bits(at.kind, memory_[buffer].data() + at.byte);
  }

  void store(Id id, const Active& active) {
    const Node& n = nodes_[id];
    const auto buffer = static_cast<std::size_t>(n.ref);
    for (const int i : active.at(rate_of(n.args))) {
      const Place at = locate(id, i);
      const Bits v = get(n.args.back(), i);
      store_bits(at.kind, memory_[buffer].data() + at.byte, v);
      wrote(id, buffer, at.byte, i, v);
    }
  }
  void look_at(Id id, std::size_t buffer, std::int64_t byte, int i, int who) {
    if (!options_.check_races || k_.buffers[buffer].access != Access::read_write) return;
    if (const auto race = races_[buffer].read(byte, who); !race.empty())
      stop(id, i, fmt::format("{}, byte {}: {}", k_.buffers[buffer].name, byte, race));
  }
  void wrote(Id id, std::size_t buffer, std::int64_t byte, int i, Bits value) {
    if (!options_.check_races) return;
    if (const auto race = races_[buffer].write(byte, i, value); !race.empty())
      stop(id, i, fmt::format("{}, byte {}: {}", k_.buffers[buffer].name, byte, race));
  }

  const Kernel& k_;
  InterpretOptions options_;
  int invocations_;
  std::int64_t group_ = 0;
  std::vector<Slot> slot_storage_;  // by node
  std::vector<Bits> bits_storage_;  // values, by slot
  const Node* nodes_ = nullptr;     // all as pointers: the time of every kernel test goes into reading them
  const Slot* slots_ = nullptr;
  Bits* bits_ = nullptr;
  Active everyone_;
  std::vector<Bits> lane_storage_;            // of a subgroup, as they are added
  std::vector<Fragment> fragments_;           // of this workgroup
  std::vector<std::vector<Bits>> registers_;  // by variable: its places, each as a value
  std::vector<std::span<std::byte>> memory_;  // by buffer
  std::vector<std::vector<std::byte>> shared_;
  std::vector<Races> races_;
  std::vector<std::int32_t> params_;
};

}  // namespace

void interpret(const Kernel& kernel, const std::vector<std::span<std::byte>>& buffers,
               const std::vector<std::int32_t>& params, std::int64_t groups, const InterpretOptions& options) {
  Interpreter interpreter(kernel, options);
  interpreter.bind(buffers, params);
  for (std::int64_t group = 0; group < groups; ++group) interpreter.run(group);
}

}  // namespace openinfer::kir
