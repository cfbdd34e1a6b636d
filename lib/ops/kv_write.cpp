// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "lib/ops/builtin.h"
#include "lib/ops/cache.h"
#include "lib/ops/convert.h"
#include "lib/ops/lower.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

enum WrittenRows : std::size_t { kKeys, kValues, kLayer, kStep, kPos, kSlot };

void check_rows(const InferContext& c, std::size_t i) {
  const Shape& x = c.type(i).shape;
  const Dim &heads = c.state().shape[2], &head_dim = c.state().shape[4];
  const bool flat = x.size() == 2 && same_size({x[1]}, {heads, head_dim});
  const bool split = x.size() == 3 && x[1] == heads && x[2] == head_dim;
  if (!flat && !split)
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("{} {} is no (N, {h}*{d}) or (N, {h}, {d}) of {}", c.describe(i), to_string(x),
                       c.state().to_string(), fmt::arg("h", heads.to_string()), fmt::arg("d", head_dim.to_string())));
  check_dtype(c, i, kFloats);
}

std::vector<TensorType> infer_kv_write(const InferContext& c) {
  check_is_cache(c);       // [C1]
  check_rows(c, kKeys);    // [C2]
  check_rows(c, kValues);  // [C2]
  const Dim& N = c.type(kKeys).shape[0];
  if (c.type(kValues).shape[0] != N)  // [C2]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("{} {} and {} {} differ in rows", c.describe(kKeys), to_string(c.type(kKeys).shape),
                       c.describe(kValues), to_string(c.type(kValues).shape)));
  if (c.has(kStep) == c.has(kPos) || (c.has(kStep) && c.has(kSlot)))  // [C3]
    c.fail(ErrorCode::invalid_argument, "takes either step, or pos and perhaps slot");
  check_index(c, kLayer, {});  // [C4]
  check_index(c, kStep, {});   // [C4]
  check_index(c, kPos, {N});   // [C4]
  check_index(c, kSlot, {N});  // [C4]
  return {};
}

/// Where one row goes.
struct Place {
  std::int64_t slot, position;
};

/// All places, checked before anything is written.
std::vector<Place> places(const OpRun& run, const CacheShape& cache, std::int64_t N) {
  std::vector<Place> result(static_cast<std::size_t>(N));
  if (run.has(kStep) && N > cache.slots)
    run.fail(ErrorCode::invalid_argument,
             fmt::format("{} rows at one step need as many slots; the cache has {}", N, cache.slots));
  for (std::int64_t n = 0; n < N; ++n) {
    Place& to = result[static_cast<std::size_t>(n)];
    if (run.has(kStep))
      to = {n, index_at(run, kStep, 0, cache.capacity, "position")};
    else
      to = {run.has(kSlot) ? index_at(run, kSlot, n, cache.slots, "slot") : 0,
            index_at(run, kPos, n, cache.capacity, "position")};
  }
  return result;
}

void reference_kv_write(OpRun& run) {
  const std::span<TensorSpan> state = run.state();
  const CacheShape cache(state[0].shape);
  const std::int64_t N = run.in(kKeys).shape[0], D = cache.head_dim;
  const std::int64_t layer = index_at(run, kLayer, 0, cache.layers, "layer");
  const std::vector<Place> to = places(run, cache, N);
  const TensorView rows[] = {run.in(kKeys), run.in(kValues)};
  const std::int64_t from_bytes[] = {size_bytes(rows[0].dtype, D), size_bytes(rows[1].dtype, D)};
  const std::int64_t to_bytes = size_bytes(state[0].dtype, 1);
  // Rows of one head in order: of two rows for the same place the later one stays.
  run.parallel_for(cache.heads, 1 + 4096 / (N * D + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t head = begin; head < end; ++head)
      for (std::int64_t n = 0; n < N; ++n) {
        const Place& place = to[static_cast<std::size_t>(n)];
        const std::int64_t first = cache.first(layer, place.slot, head) + place.position * D;
        for (std::size_t i : {0u, 1u})
          convert_elements(rows[i].dtype, rows[i].data + (n * cache.heads + head) * from_bytes[i], state[i].dtype,
                           state[i].data + first * to_bytes, D);
      }
  });
}

}  // namespace

const OpDef& kv_write_op() {
  constexpr auto kOptional = OperandSpec::Presence::optional;
  static const OpDef op = {
      .name = "kv_write",
      .operands = {{.name = "k"},
                   {.name = "v"},
                   {.name = "layer", .keyword = true, .shares_dtype = false},
                   {.name = "step", .presence = kOptional, .keyword = true, .shares_dtype = false},
                   {.name = "pos", .presence = kOptional, .keyword = true, .shares_dtype = false},
                   {.name = "slot", .presence = kOptional, .keyword = true, .shares_dtype = false}},
      .traits = {.state = StateUse::write},
      .infer = infer_kv_write,
      .reference = reference_kv_write,
      .lower = lower_to_kernel,
      .workspace = [](const OpRun& run) {
        return Workspace{.shared_bytes = run.in(kKeys).shape[0] * static_cast<std::int64_t>(sizeof(Place))};
      }};
  return op;
}

void kv_write(const State& kv, const KvAt& where, const In& k, const In& v) {
  apply(kv_write_op(), {k, v, where.layer, where.step, where.pos, where.slot}, {}, {.state = kv}, k.at());
}

}  // namespace openinfer
