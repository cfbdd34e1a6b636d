// SPDX-License-Identifier: Apache-2.0
// One row of one head at a time, the same whether alone or among others. In the type of the sums (f32, or f64 for f64
// queries), over the keys j that the row may attend to:
//   s_j = scale · dot16(q, k_j), capped: softcap · tanh(s_j / softcap), + slope · (j − own), + mask_j
//         −∞: may not attend
//   e_j = exp(s_j − top);  Z = Σ16_j e_j + exp(sink − top);  y[d] = (Σ16_j e_j · v_j[d]) / Z,  top = max(s, sink)
// Σ16 is the sum of lib/base/dot.h by the key's index j among all keys, so a key left out changes no other's place.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "lib/base/dot.h"
#include "lib/ops/builtin.h"
#include "lib/ops/cache.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/rows.h"
#include "lib/ops/shapes.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

enum Operand : std::size_t { kQuery, kKeys, kValues, kMask, kPos, kSlot, kSinks, kSlopes };
constexpr std::int64_t kChunk = 64;  // keys at once; a multiple of sixteen

[[noreturn]] void refuse_forms(const InferContext& c) {
  c.fail(
      ErrorCode::shape_mismatch,
      fmt::format("takes q (B, H, T, D) and k, v (B, Hk, Tk, D), or q (N, H*D) and k, v (S, Hk, C, D), not {} {}, {} "
                  "{}, {} {}",
                  c.describe(kQuery), to_string(c.type(kQuery).shape), c.describe(kKeys),
                  to_string(c.type(kKeys).shape), c.describe(kValues), to_string(c.type(kValues).shape)));
}

/// What a mask must broadcast to. Also checks [C1], [C2] and [C3].
Shape scores_shape(const InferContext& c) {
  const Shape &q = c.type(kQuery).shape, &k = c.type(kKeys).shape;
  const bool dense = q.size() == 4;
  if ((!dense && q.size() != 2) || k.size() != 4 || k != c.type(kValues).shape || (dense && q[0] != k[0]))  // [C1]
    refuse_forms(c);
  const Dim& D = k[3];
  if (!D.is_constant() || !q.back().is_constant() || D.constant() < 1 ||
      (dense ? q[3] != D : q[1].constant() % D.constant() != 0))  // [C2]
    c.fail(ErrorCode::shape_mismatch, fmt::format("head_dim differs: {} {} and {} {}", c.describe(kQuery), to_string(q),
                                                  c.describe(kKeys), to_string(k)));
  const Dim H = dense ? q[1] : Dim(q[1].constant() / D.constant());
  if (!H.is_constant() || !k[1].is_constant() || k[1].constant() < 1 || H.constant() % k[1].constant() != 0)  // [C3]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("{} query heads of {} are no multiple of the {} heads of {}", H.to_string(), c.describe(kQuery),
                       k[1].to_string(), c.describe(kKeys)));
  return dense ? Shape{q[0], H, q[2], k[2]} : Shape{q[0], H, Dim(1), k[2]};
}

void check_dtypes(const InferContext& c, bool dense) {
  for (std::size_t i : {kQuery, kKeys, kValues}) check_dtype(c, i, kFloats);
  check_equal_dtypes(c, kKeys, kValues);
  if (dense) check_equal_dtypes(c, kQuery, kKeys);
}

void check_mask(const InferContext& c, const Shape& scores) {
  const TensorType& mask = c.type(kMask);
  if (!broadcasts_to(mask.shape, scores))  // [C4]
    c.fail(ErrorCode::shape_mismatch, fmt::format("mask {} {} does not broadcast to {}", c.describe(kMask),
                                                  to_string(mask.shape), to_string(scores)));
  if (mask.dtype != boolean && mask.dtype != u8 && !contains(kFloats, mask.dtype))  // [C4]
    c.fail(ErrorCode::dtype_mismatch, fmt::format("a mask is bool, u8 or {}, not {} {}", dtype_names(kFloats),
                                                  c.describe(kMask), mask.to_string()));
}

void check_of_heads(const InferContext& c, std::size_t operand, const char* name, const Dim& heads) {
  if (!c.has(operand)) return;
  const TensorType& given = c.type(operand);
  if (!contains(kFloats, given.dtype) || given.shape != Shape{heads})  // [C7]
    c.fail(ErrorCode::shape_mismatch, fmt::format("{} must be floats ({}), one for each query head, not {} {}", name,
                                                  heads.to_string(), c.describe(operand), given.to_string()));
}

std::vector<TensorType> infer_sdpa(const InferContext& c) {
  const Shape scores = scores_shape(c);  // [C1] [C2] [C3]
  const bool dense = c.type(kQuery).shape.size() == 4;
  check_dtypes(c, dense);
  if (c.has(kMask)) check_mask(c, scores);     // [C4]
  if (dense && (c.has(kPos) || c.has(kSlot)))  // [C5]
    c.fail(ErrorCode::invalid_argument, "pos and slot belong to the rows form, q (N, H*D)");
  check_index(c, kPos, {c.type(kQuery).shape[0]});   // [C5]
  check_index(c, kSlot, {c.type(kQuery).shape[0]});  // [C5]
  if (c.integer("window") < 0)                       // [C6]
    c.fail(ErrorCode::invalid_argument, fmt::format("window = {} is negative", c.integer("window")));
  for (const char* name : {"softcap", "scale"})  // [C6]
    if (!(c.number(name) >= 0) || std::isinf(c.number(name)))
      c.fail(ErrorCode::invalid_argument, fmt::format("{} = {} is negative or not finite", name, c.number(name)));
  check_of_heads(c, kSinks, "sinks", scores[1]);    // [C7]
  check_of_heads(c, kSlopes, "slopes", scores[1]);  // [C7]
  return {c.type(kQuery)};
}

/// Both forms as one: `rows` rows of H heads each; what row r sees lies in block `block` of the keys.
struct Problem {
  bool dense = false;
  std::int64_t H = 0, Hk = 0, T = 1, keys = 0, D = 0, rows = 0;
  bool causal = false;
  std::int64_t window = 0;
  double scale = 1, softcap = 0;
};

Problem problem_of(const OpRun& run) {
  const Extents &q = run.in(kQuery).shape, &k = run.in(kKeys).shape;
  Problem p;
  p.dense = q.size() == 4;
  p.Hk = k[1], p.keys = k[2], p.D = k[3];
  p.H = p.dense ? q[1] : q[1] / p.D;
  p.T = p.dense ? q[2] : 1;
  p.rows = p.dense ? q[0] * q[2] : q[0];
  p.causal = run.flag("causal");
  p.window = run.integer("window");
  p.softcap = run.number("softcap");
  p.scale = run.number("scale") > 0 ? run.number("scale") : 1 / std::sqrt(static_cast<double>(p.D));
  return p;
}

/// What one row may look at: keys [begin, end) of block `block`.
struct Reach {
  std::int64_t block, begin, end;
  std::int64_t own;  // the row's own key
};

Reach reach_of(const OpRun& run, const Problem& p, std::int64_t row) {
  Reach reach{row / p.T, 0, p.keys, p.keys - 1};
  std::int64_t& own = reach.own;
  if (p.dense) {
    own = row % p.T + p.keys - p.T;
    if (p.causal || p.window > 0) reach.end = std::clamp<std::int64_t>(own + 1, 0, p.keys);
  } else {
    const std::int64_t slots = run.in(kKeys).shape[0];
    if (run.has(kPos)) own = index_at(run, kPos, row, p.keys, "position");
    reach.end = own + 1;
    reach.block = run.has(kSlot) ? index_at(run, kSlot, row, slots, "slot") : run.has(kPos) ? 0 : row;
    if (reach.block >= slots)
      run.fail(ErrorCode::invalid_argument,
               fmt::format("row {} has no slot of its own: the cache has {}; give pos and slot", row, slots));
  }
  if (p.window > 0) reach.begin = std::max<std::int64_t>(0, own + 1 - p.window);
  return reach;
}

/// The mask's values along the keys for one row and head.
struct MaskRow {
  TensorView view;
  std::int64_t first = 0, step = 0;  // in elements

  MaskRow(const TensorView& mask, const Problem& p, std::int64_t row, std::int64_t head) : view(mask) {
    // The scores' coordinates (B, H, T, keys), or (N, H, 1, keys).
    const std::int64_t at[4] = {row / p.T, head, row % p.T, 0};
    std::int64_t stride = 1;
    for (std::size_t d = view.shape.size(); d-- > 0;) {
      const std::size_t axis = 4 - view.shape.size() + d;
      if (view.shape[d] != 1) {
        first += at[axis] * stride;
        if (axis == 3) step = stride;
      }
      stride *= view.shape[d];
    }
  }
};

template <class C>
constexpr C kMasked = -std::numeric_limits<C>::infinity();

/// s[j − begin] of keys [begin, begin + s.size()) with the mask.
template <class C>
void apply_mask(const MaskRow& mask, std::int64_t begin, std::span<C> s) {
  const std::int64_t first = mask.first + begin * mask.step;
  if (mask.view.dtype == boolean || mask.view.dtype == u8) {
    for (std::size_t j = 0; j < s.size(); ++j)
      if (mask.view.as<std::uint8_t>()[first + static_cast<std::int64_t>(j) * mask.step] == 0) s[j] = kMasked<C>;
    return;
  }
  std::vector<C> added(s.size());
  load_row<C>(mask.view, first, mask.step, added);
  for (std::size_t j = 0; j < s.size(); ++j) s[j] += added[j];
}

/// One thread's workspace and the rows that it computes.
template <class C>
class Attend {
 public:
  Attend(OpRun& run, const Problem& p)
      : run_(run),
        p_(p),
        q_(run.in(kQuery)),
        k_(run.in(kKeys)),
        v_(run.in(kValues)),
        y_(run.out(0)),
        stride_(padded16(p.D)),
        in_place_(k_.dtype == dtype_of<C>() && stride_ == p.D),
        query_(static_cast<std::size_t>(stride_)),
        rows_(static_cast<std::size_t>(in_place_ ? 0 : kChunk * stride_)),
        scores_(static_cast<std::size_t>(p.keys)),
        skip_(new bool[static_cast<std::size_t>(p.keys)]),
        partial_(static_cast<std::size_t>(kPartialSums * p.D)) {}

  void row(std::int64_t row, std::int64_t head) {
    const Reach reach = reach_of(run_, p_, row);
    const std::int64_t block = (reach.block * p_.Hk + head / (p_.H / p_.Hk)) * p_.keys;  // its first row of keys
    const std::int64_t at =
        p_.dense ? ((row / p_.T * p_.H + head) * p_.T + row % p_.T) * p_.D : (row * p_.H + head) * p_.D;
    load_row<C>(q_, at, 1, {query_.data(), static_cast<std::size_t>(p_.D)});
    score(reach, block, row, head);
    const C total = weigh(reach, head);
    std::vector<C> y = weighted_values(reach, block);
    for (C& value : y) value = total == 0 ? C(0) : value / total;
    store_row<C>(y_, at, 1, y);
  }

 private:
  Rows<C> load(const TensorView& x, std::int64_t first, std::int64_t count) {
    if (in_place_) return {x.as<C>() + first * p_.D, count, p_.D};
    for (std::int64_t r = 0; r < count; ++r)
      load_row<C>(x, (first + r) * p_.D, 1, {rows_.data() + r * stride_, static_cast<std::size_t>(p_.D)});
    return {rows_.data(), count, stride_};
  }

  void score(const Reach& reach, std::int64_t block, std::int64_t row, std::int64_t head) {
    const C scale = static_cast<C>(p_.scale), softcap = static_cast<C>(p_.softcap);
    for (std::int64_t j = reach.begin; j < reach.end; j += kChunk) {
      const std::int64_t count = std::min(kChunk, reach.end - j);
      dot_tile({query_.data(), 1, stride_}, load(k_, block + j, count), stride_, scores_.data() + j, kChunk);
    }
    const std::span<C> s = seen(reach);
    for (C& x : s) {
      x *= scale;
      if (softcap > 0) x = softcap * std::tanh(x / softcap);
    }
    if (run_.has(kSlopes)) {
      const C slope = of_head(kSlopes, head);
      for (std::size_t j = 0; j < s.size(); ++j)
        s[j] += slope * static_cast<C>(reach.begin + static_cast<std::int64_t>(j) - reach.own);
    }
    if (run_.has(kMask)) apply_mask<C>(MaskRow(run_.in(kMask), p_, row, head), reach.begin, s);
  }

  C of_head(Operand operand, std::int64_t head) const {
    C value = 0;
    load_row<C>(run_.in(operand), head, 1, {&value, 1});
    return value;
  }

  /// Scores become weights e_j; returns their sum with the sink, 0 if the row may attend to nothing.
  C weigh(const Reach& reach, std::int64_t head) {
    const C sink = run_.has(kSinks) ? of_head(kSinks, head) : kMasked<C>;
    C largest = sink;
    for (C s : seen(reach)) largest = s > largest ? s : largest;
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      C& s = scores_[static_cast<std::size_t>(j)];
      skip_[static_cast<std::size_t>(j)] = s == kMasked<C>;
      s = s == kMasked<C> ? C(0) : std::exp(s - largest);
    }
    C partial[kPartialSums] = {};
    for (std::int64_t j = reach.begin; j < reach.end; ++j)
      partial[j % kPartialSums] += scores_[static_cast<std::size_t>(j)];
    const C sum = add_partial_sums(partial);
    return sink == kMasked<C> ? sum : sum + std::exp(sink - largest);
  }

  std::vector<C> weighted_values(const Reach& reach, std::int64_t block) {
    std::fill(partial_.begin(), partial_.end(), C(0));
    for (std::int64_t j = reach.begin; j < reach.end; j += kChunk) {
      const std::int64_t count = std::min(kChunk, reach.end - j);
      add_weighted_rows(scores_.data() + j, skip_.get() + j, j, load(v_, block + j, count), p_.D, partial_.data());
    }
    std::vector<C> y(static_cast<std::size_t>(p_.D));
    for (std::int64_t d = 0; d < p_.D; ++d) {
      C lane[kPartialSums];
      for (int i = 0; i < kPartialSums; ++i) lane[i] = partial_[static_cast<std::size_t>(i * p_.D + d)];
      y[static_cast<std::size_t>(d)] = add_partial_sums(lane);
    }
    return y;
  }

  std::span<C> seen(const Reach& reach) {
    return std::span<C>(scores_).subspan(static_cast<std::size_t>(reach.begin),
                                         static_cast<std::size_t>(std::max<std::int64_t>(0, reach.end - reach.begin)));
  }

  OpRun& run_;
  const Problem& p_;
  const TensorView q_, k_, v_;
  const TensorSpan y_;
  std::int64_t stride_;
  bool in_place_;
  std::vector<C> query_, rows_, scores_;  // query and rows: padded with zeros
  std::unique_ptr<bool[]> skip_;
  std::vector<C> partial_;  // (sixteen, D)
};

void reference_sdpa(OpRun& run) {
  const Problem p = problem_of(run);
  if (run.out(0).count() == 0) return;
  for (std::int64_t row = 0; row < p.rows; ++row) reach_of(run, p, row);  // errors before work, lowest row first
  with_sum_type(run.in(kQuery).dtype, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    run.parallel_for(p.rows * p.H, 1 + 8192 / (p.keys * p.D + 1), [&](std::int64_t begin, std::int64_t end) {
      Attend<C> attend(run, p);
      for (std::int64_t unit = begin; unit < end; ++unit) attend.row(unit / p.H, unit % p.H);
    });
  });
}

/// A thread's Attend: query, keys or values of a chunk, scores, which to skip, the mask's values, partial sums, y.
Workspace workspace_sdpa(const OpRun& run) {
  const Problem p = problem_of(run);
  const std::int64_t stride = padded16(p.D),
                     elements = stride + kChunk * stride + 2 * p.keys + (kPartialSums + 1) * p.D;
  return {.per_thread_bytes = elements * (run.in(kQuery).dtype == f64 ? 8 : 4) + p.keys};
}

/// Two products over the keys that may be seen, if all of them are; the softmax between them is not counted. A row of
/// the rows form reads its own slot of the cache.
Cost cost_sdpa(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value) {
  const auto elements = [&](const Shape& shape) {
    double n = 1;
    for (const Dim& d : shape) n *= static_cast<double>(value(d));
    return n;
  };
  const Shape &q = c.type(kQuery).shape, &k = c.type(kKeys).shape;
  const double slots = static_cast<double>(value(k[0]));
  const double read = q.size() == 4 ? slots : std::min(slots, static_cast<double>(value(q[0])));
  double bytes = 2 * elements(q) * info(c.type(kQuery).dtype).block_bytes +
                 2 * read / std::max(1.0, slots) * elements(k) * info(c.type(kKeys).dtype).block_bytes;
  for (const Operand i : {kMask, kPos, kSlot, kSinks, kSlopes})
    if (c.has(i)) bytes += elements(c.type(i).shape) * info(c.type(i).dtype).block_bytes;
  return {bytes, 4 * elements(q) * static_cast<double>(value(k[2]))};
}

}  // namespace

const OpDef& sdpa_op() {
  constexpr auto kOptional = OperandSpec::Presence::optional;
  static const OpDef op = {
      .name = "sdpa",
      .operands = {{.name = "q"},
                   {.name = "k"},
                   {.name = "v"},
                   {.name = "mask", .presence = kOptional, .keyword = true, .shares_dtype = false},
                   {.name = "pos", .presence = kOptional, .keyword = true, .shares_dtype = false},
                   {.name = "slot", .presence = kOptional, .keyword = true, .shares_dtype = false},
                   {.name = "sinks", .presence = kOptional, .keyword = true, .shares_dtype = false},
                   {.name = "slopes", .presence = kOptional, .keyword = true, .shares_dtype = false}},
      .attributes = {{"causal", AttributeKind::boolean, false},
                     {"window", AttributeKind::integer, std::int64_t{0}},
                     {"softcap", AttributeKind::number, 0.0},
                     {"scale", AttributeKind::number, 0.0}},
      .infer = infer_sdpa,
      .reference = reference_sdpa,
      .lower = lower_to_kernel,
      .cost = cost_sdpa,
      .workspace = workspace_sdpa};
  return op;
}

Value sdpa(const In& q, const In& k, const In& v, Attention options) {
  Attributes attributes;
  if (options.causal) attributes.set("causal", true);
  if (options.window != 0) attributes.set("window", options.window);
  if (options.softcap != 0) attributes.set("softcap", options.softcap);
  if (options.scale != 0) attributes.set("scale", options.scale);
  return call(sdpa_op(), {q, k, v, options.mask, options.pos, options.slot, options.sinks, options.slopes},
              std::move(attributes));
}
Value sdpa(const In& q, const In& k, const In& v, const In& mask) { return sdpa(q, k, v, Attention{.mask = mask}); }

}  // namespace openinfer
