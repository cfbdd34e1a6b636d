// SPDX-License-Identifier: Apache-2.0
// The checks [Cn] of cast, gather, matmul, linear, rope, sdpa and the state operators, by message and the user's line,
// and what only a run can see.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "tests/ops/error_of.h"

using namespace openinfer;
using openinfer::testing::error_of;
using openinfer::testing::run_error_of;

namespace {

struct OperandFixture {
  GraphBuilder b;
  Dim N = b.dim("N", 1, 8);
  Value x = b.input("x", f32, {N, 6});
  Value i = b.input("i", i32, {N});
  Value d = b.input("d", f64, {6, 4});
  Value w = b.input("w", f32, {6, 4});
  Value q = b.input("q", f32, {2, 4, N, 8});
  Value k = b.input("k", f32, {2, 2, 5, 8});
  Value row = b.input("row", f32, {N, 32});
  Value cache = b.input("cache", f32, {3, 2, 5, 8});
  State kv = b.state("kv", kv_cache({.layers = 2, .slots = 3, .capacity = 5, .heads = 2, .head_dim = 3}));
  State s = b.state("s", tensor_state(f32, {2, 3}));
};

/// The error of running a graph of one output.
std::string run_error(GraphBuilder& b, const Value& y, const Inputs& inputs) {
  b.output("y", y);
  SimSession session(b.build());
  return run_error_of([&] { session.run_step(inputs); });
}

}  // namespace

TEST_CASE("cast_c2") {
  GraphBuilder b;
  const Value x = b.input("x", f32, {2}), i = b.input("i", i32, {2});
  CHECK(error_of([&] { (void)cast(x, i8, {.rounding = "up"}); }) ==
        "invalid_argument: [cast] rounding 'up' of f32 to i8: floats become integers by trunc, floor, ceil, round or "
        "away");
  CHECK(error_of([&] { (void)cast(x, f16, {.rounding = "floor"}); }).find("'floor' of f32 to f16") !=
        std::string::npos);
  CHECK(error_of([&] { (void)cast(i, i8, {.rounding = "round"}); }).find("'round' of i32 to i8") != std::string::npos);
  CHECK_NOTHROW((void)(i | cast(i8, {.saturate = true})));
}

TEST_CASE_METHOD(OperandFixture, "cast_c1") {
  CHECK(error_of([&] { (void)cast(x, DType::q4_0); }) ==
        "dtype_mismatch: [cast] makes f16|bf16|f32|f64|i8|i16|i32|i64|u8|u16|u32|u64|bool|f8e4m3|f8e5m2, not q4_0");
  CHECK(error_of([&] { (void)cast(x, DType::i4); }).ends_with("not i4"));
}

TEST_CASE_METHOD(OperandFixture, "gather_c1") {
  CHECK(error_of([&] { (void)gather(w, x); }) == "dtype_mismatch: [gather] ids are i32 or i64, not 'x' f32[N, 6]");
  CHECK(error_of([&] { (void)gather(i, w); }) ==
        "dtype_mismatch: [gather] ids are i32 or i64, not 'w' f32[6, 4]; expected is gather(table, ids), and the table "
        "here is 'i' i32[N]: exchange the two?");
}
TEST_CASE("a table in blocks that stands where the ids are expected is named with its place") {
  const std::string text =
      "oig 1\nweight @t : q8_0[4, 32]\ngraph (i: i32[3]) -> (y: f32[3, 32]) {\n  y = gather(i, @t)\n  return y\n}\n";
  CHECK(run_error_of([&] { parse_graph(text); }) ==
        "dtype_mismatch: [gather] @t is stored as q8_0, which can be the 'table' and not the 'ids': exchange the two, "
        "or cast it");
}
TEST_CASE_METHOD(OperandFixture, "gather_c2") {
  CHECK(error_of([&] { (void)gather(w, i, 2); }) ==
        "invalid_argument: [gather] axis 2 is outside 'w' (6, 4), which has 2 dimensions");
}
TEST_CASE("gather_c3") {
  const std::string text =
      "oig 1\nweight @t : q4_0[2, 64]\ngraph (i: i32[3]) -> (y: f32[2, 3]) {\n  y = gather(@t, i, axis=1)\n  return "
      "y\n}\n";
  CHECK(run_error_of([&] { parse_graph(text); }) ==
        "shape_mismatch: [gather] a q4_0 table has two dimensions and is gathered along axis 0, not @t (2, 64) along "
        "axis 1; cast it");
}
TEST_CASE("gather names an id that the table lacks") {
  for (const auto& [id, dtype] : std::vector<std::pair<std::int64_t, DType>>{{3, i32}, {-1, i64}}) {
    GraphBuilder b;
    const Value table = b.constant(Tensor(f32, {3, 2})), ids = b.input("ids", dtype, {2});
    CHECK(run_error(b, gather(table, ids), {{"ids", std::vector<std::int64_t>{2, id}}}) ==
          fmt::format("invalid_argument: [gather] id {} at place 1 is outside the table, which has 3 entries", id));
  }
}

TEST_CASE_METHOD(OperandFixture, "matmul_c1") {
  CHECK(error_of([&] { (void)matmul(row, w); }) == "shape_mismatch: [matmul] K differs: lhs (N, 32) vs rhs (6, 4) 'w'");
  CHECK(error_of([&] { (void)matmul(x, w, {.transpose_w = true}); }) ==
        "shape_mismatch: [matmul] K differs: lhs (N, 6) vs rhs (6, 4) transposed 'w'");
}
TEST_CASE_METHOD(OperandFixture, "matmul_c2") {
  CHECK(error_of([&] { (void)matmul(x, d); }) ==
        "dtype_mismatch: [matmul] 'd' f64[6, 4] cannot be multiplied with 'x' f32[N, 6]; cast it");
  const Value ints = b.input("ints", i32, {6, 4});
  CHECK(error_of([&] { (void)matmul(x, ints); }).starts_with("dtype_mismatch: [matmul] 'ints' i32[6, 4] cannot"));
  CHECK(error_of([&] {
          (void)matmul(b.input("n", i32, {2, 6}), w);
        }) == "dtype_mismatch: [matmul] takes f16|bf16|f32|f64, not 'n' i32[2, 6]");
}
TEST_CASE_METHOD(OperandFixture, "matmul_c3") {
  CHECK(error_of([&] { (void)matmul(x, b.input("v", f32, {6})); }) ==
        "shape_mismatch: [matmul] takes x (…, K) and w (…, K, N), not 'x' (N, 6) and 'v' (6)");
  const Value left = b.input("left", f32, {2, 3, 6}), right = b.input("right", f32, {3, 6, 4});
  CHECK(error_of([&] { (void)matmul(left, right); }) ==
        "shape_mismatch: [matmul] leading dimensions do not broadcast: 'left' (2, 3, 6) and 'right' (3, 6, 4)");
}
TEST_CASE_METHOD(OperandFixture, "linear_c1") {
  CHECK(error_of([&] { (void)linear(row, w, b.input("c", f32, {4})); }) ==
        "shape_mismatch: [linear] K differs: lhs (N, 32) vs rhs (6, 4) 'w'");
}
TEST_CASE_METHOD(OperandFixture, "linear_c2") {
  CHECK(error_of([&] { (void)linear(x, d, b.input("c", f32, {4})); }) ==
        "dtype_mismatch: [linear] 'd' f64[6, 4] cannot be multiplied with 'x' f32[N, 6]; cast it");
  CHECK(error_of([&] { (void)linear(x, w, b.input("e", i32, {4})); }) ==
        "dtype_mismatch: [linear] takes f16|bf16|f32|f64, not 'e' i32[4]");
  CHECK(error_of([&] {
          (void)linear(b.input("n", i32, {2, 6}), w, b.input("f", f32, {4}));
        }) == "dtype_mismatch: [linear] takes f16|bf16|f32|f64, not 'n' i32[2, 6]");
}
TEST_CASE_METHOD(OperandFixture, "linear_c3") {
  const Value many = b.input("many", f32, {2, 6, 4});
  CHECK(error_of([&] { (void)linear(x, many, b.input("c", f32, {4})); }) ==
        "shape_mismatch: [linear] takes w (K, N), not 'many' (2, 6, 4)");
}
TEST_CASE_METHOD(OperandFixture, "linear_c4") {
  CHECK(error_of([&] { (void)linear(x, w, b.input("c", f32, {6})); }) ==
        "shape_mismatch: [linear] the bias 'c' (6) is not (4), the columns of 'w' (6, 4)");
}

TEST_CASE_METHOD(OperandFixture, "rope_c1") {
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 4}); }) ==
        "shape_mismatch: [rope] 'x' (N, 6) does not end in heads of head_dim = 4");
  CHECK(error_of([&] {
          (void)rope(b.input("h", f32, {N, 2, 4}), i, {.head_dim = 2});
        }).ends_with("'h' (N, 2, 4) does not end in heads of head_dim = 2"));
  CHECK(error_of([&] { (void)rope(q, i, {.head_dim = 8}); }) ==
        "shape_mismatch: [rope] takes (N, H*head_dim) or (N, H, head_dim), not 'q' (2, 4, N, 8)");
}
TEST_CASE_METHOD(OperandFixture, "rope_c2") {
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 3}); }) ==
        "invalid_argument: [rope] rotary_dim = 0 must be even and at most head_dim = 3");
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 6, .rotary_dim = 8}); }).find("rotary_dim = 8") !=
        std::string::npos);
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 6, .rotary_dim = 5}); }).find("rotary_dim = 5") !=
        std::string::npos);
}
TEST_CASE_METHOD(OperandFixture, "rope_c3") {
  CHECK(error_of([&] { (void)rope(x, b.input("p", i64, {N}), {.head_dim = 6}); }) ==
        "shape_mismatch: [rope] pos must be i32[N], not 'p' i64[N]");
}
TEST_CASE_METHOD(OperandFixture, "rope_c4") {
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 6, .scaling = "ntk"}); }) ==
        "invalid_argument: [rope] scaling is none, linear, llama3 or yarn, not 'ntk'");
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 6, .scaling = "linear", .factor = 0}); }) ==
        "invalid_argument: [rope] factor = 0 must be positive");
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 6, .theta = 1, .scaling = "yarn", .factor = 2}); }) ==
        "invalid_argument: [rope] yarn needs a theta above 1, not 1");
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 6, .attention_factor = -1}); }) ==
        "invalid_argument: [rope] attention_factor = -1 must be positive");
}
TEST_CASE_METHOD(OperandFixture, "rope_c5") {
  const Value f = b.input("f", f32, {3}), two = b.input("two", f32, {2, 3});
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 6, .rotary_dim = 4, .frequencies = f}); }) ==
        "shape_mismatch: [rope] frequencies must be f32[2] or f32[2, 2], not 'f' f32[3]");
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 6, .scaling = "linear", .factor = 2, .frequencies = f}); }) ==
        "invalid_argument: [rope] frequencies are given, and scaling = linear would change them");
  CHECK(error_of([&] { (void)rope(x, i, {.head_dim = 6, .frequencies = two}); }) ==
        "invalid_argument: [rope] two rows of frequencies need the context that chooses between them");
  CHECK(rope(x, i, {.head_dim = 6, .frequencies = two, .context = N}).shape() == x.shape());
}

TEST_CASE_METHOD(OperandFixture, "sdpa_c1") {
  CHECK(
      error_of([&] { (void)sdpa(x, w, w); }) ==
      "shape_mismatch: [sdpa] takes q (B, H, T, D) and k, v (B, Hk, Tk, D), or q (N, H*D) and k, v (S, Hk, C, D), not "
      "'x' (N, 6), 'w' (6, 4), 'w' (6, 4)");
  CHECK(error_of([&] { (void)sdpa(q, k, cache); }).starts_with("shape_mismatch: [sdpa] takes q"));
  CHECK(error_of([&] { (void)sdpa(q, cache, cache); }).starts_with("shape_mismatch: [sdpa] takes q"));
}
TEST_CASE_METHOD(OperandFixture, "sdpa_c2") {
  CHECK(error_of([&] { (void)sdpa(x, cache, cache); }) ==
        "shape_mismatch: [sdpa] head_dim differs: 'x' (N, 6) and 'cache' (3, 2, 5, 8)");
}
TEST_CASE_METHOD(OperandFixture, "sdpa_c3") {
  const Value three = b.input("three", f32, {N, 24});
  CHECK(error_of([&] { (void)sdpa(three, cache, cache); }) ==
        "shape_mismatch: [sdpa] 3 query heads of 'three' are no multiple of the 2 heads of 'cache'");
}
TEST_CASE_METHOD(OperandFixture, "sdpa_c4") {
  CHECK(error_of([&] {
          (void)sdpa(q, k, k, b.input("m", boolean, {N, 4}));
        }) == "shape_mismatch: [sdpa] mask 'm' (N, 4) does not broadcast to (2, 4, N, 5)");
  CHECK(error_of([&] { (void)sdpa(q, k, k, b.input("n", i32, {5})); }) ==
        "dtype_mismatch: [sdpa] a mask is bool, u8 or f16|bf16|f32|f64, not 'n' i32[5]");
}
TEST_CASE_METHOD(OperandFixture, "sdpa_c5") {
  CHECK(error_of([&] { (void)sdpa(q, k, k, {.pos = i}); }) ==
        "invalid_argument: [sdpa] pos and slot belong to the rows form, q (N, H*D)");
  const Value wide = b.input("wide", i64, {N}), four = b.input("four", i32, {4});
  CHECK(error_of([&] { (void)sdpa(row, cache, cache, {.pos = wide}); }) ==
        "dtype_mismatch: [sdpa] pos must be i32[N], not 'wide' i64[N]");
  CHECK(error_of([&] { (void)sdpa(row, cache, cache, {.pos = i, .slot = four}); }) ==
        "shape_mismatch: [sdpa] slot must be i32[N], not 'four' i32[4]");
}
TEST_CASE_METHOD(OperandFixture, "sdpa_c6") {
  CHECK(error_of([&] { (void)sdpa(q, k, k, {.window = -1}); }) == "invalid_argument: [sdpa] window = -1 is negative");
  CHECK(error_of([&] { (void)sdpa(q, k, k, {.softcap = -2}); }) ==
        "invalid_argument: [sdpa] softcap = -2 is negative or not finite");
  CHECK(error_of([&] { (void)sdpa(q, k, k, {.scale = NAN}); }) ==
        "invalid_argument: [sdpa] scale = nan is negative or not finite");
}
TEST_CASE_METHOD(OperandFixture, "sdpa_c7") {
  const Value three = b.input("three", f32, {3}), whole = b.input("whole", i32, {4}), four = b.input("four", f16, {4});
  CHECK(error_of([&] { (void)sdpa(q, k, k, {.sinks = three}); }) ==
        "shape_mismatch: [sdpa] sinks must be floats (4), one for each query head, not 'three' f32[3]");
  CHECK(error_of([&] { (void)sdpa(row, cache, cache, {.pos = i, .slopes = whole}); }) ==
        "shape_mismatch: [sdpa] slopes must be floats (4), one for each query head, not 'whole' i32[4]");
  CHECK(sdpa(q, k, k, {.sinks = four, .slopes = four}).shape() == q.shape());
}
TEST_CASE_METHOD(OperandFixture, "sdpa takes one dtype, or a cache of its own") {
  const Value half = b.input("half", f16, {2, 2, 5, 8});
  CHECK(error_of([&] { (void)sdpa(q, half, half); }).find("dtypes differ: 'q'") != std::string::npos);
  CHECK(error_of([&] {
          (void)sdpa(row, cache, b.input("v16", f16, {3, 2, 5, 8}));
        }).find("dtypes differ: 'cache'") != std::string::npos);
}
TEST_CASE("sdpa names a position or slot that the cache lacks") {
  const auto error = [](int pos, int slot, bool own) {
    GraphBuilder b;
    const Value q = b.input("q", f32, {2, 4}), c = b.constant(Tensor(f32, {1, 1, 3, 4}));
    const Value p = b.input("p", i32, {2}), s = b.input("s", i32, {2});
    Attention options;
    if (!own) options = {.pos = p, .slot = s};
    return run_error(b, sdpa(q, c, c, options), {{"q", Tensor(f32, {2, 4})}, {"p", {0, pos}}, {"s", {0, slot}}});
  };
  CHECK(error(3, 0, false) ==
        "invalid_argument: [sdpa] position 3 of row 1 is outside the cache, which has 3 positions");
  CHECK(error(-1, 0, false).find("position -1 of row 1") != std::string::npos);
  CHECK(error(2, 1, false) == "invalid_argument: [sdpa] slot 1 of row 1 is outside the cache, which has 1 slots");
  CHECK(error(0, 0, true) ==
        "invalid_argument: [sdpa] row 1 has no slot of its own: the cache has 1; give pos and slot");
}

TEST_CASE_METHOD(OperandFixture, "kv_write_c1") {
  CHECK(error_of([&] { kv_write(s, {.layer = 0, .pos = i}, x, x); }) ==
        "invalid_argument: [kv_write] takes a kv_cache, not tensor(f32, shape=[2, 3])");
}
TEST_CASE_METHOD(OperandFixture, "kv_write_c2") {
  CHECK(error_of([&] { kv_write(kv, {.layer = 0, .pos = i}, row, x); }) ==
        "shape_mismatch: [kv_write] 'row' (N, 32) is no (N, 2*3) or (N, 2, 3) of kv_cache(f32, layers=2, slots=3, "
        "heads=2, capacity=5, head_dim=3)");
  const Value four = b.input("four", f32, {4, 6});
  CHECK(error_of([&] { kv_write(kv, {.layer = 0, .pos = i}, x, four); }) ==
        "shape_mismatch: [kv_write] 'x' (N, 6) and 'four' (4, 6) differ in rows");
}
TEST_CASE_METHOD(OperandFixture, "kv_write_c3") {
  const std::string either = "invalid_argument: [kv_write] takes either step, or pos and perhaps slot";
  CHECK(error_of([&] { kv_write(kv, {.layer = 0}, x, x); }) == either);
  CHECK(error_of([&] { kv_write(kv, {.layer = 0, .step = 1, .pos = i}, x, x); }) == either);
  CHECK(error_of([&] { kv_write(kv, {.layer = 0, .step = 1, .slot = i}, x, x); }) == either);
}
TEST_CASE_METHOD(OperandFixture, "kv_write_c4") {
  CHECK(error_of([&] { kv_write(kv, {.layer = i, .pos = i}, x, x); }) ==
        "shape_mismatch: [kv_write] layer must be i32[], not 'i' i32[N]");
  CHECK(error_of([&] { kv_write(kv, {.layer = 0, .pos = 3}, x, x); }) ==
        "shape_mismatch: [kv_write] pos must be i32[N], not 3 i32[]");
}
TEST_CASE("kv_write names what is outside the cache, and writes nothing then") {
  const auto error = [](int layer, int pos, int slot) {
    GraphBuilder b;
    const Value x = b.input("x", f32, {2, 3}), l = b.input("l", i32, {}), p = b.input("p", i32, {2});
    const Value s = b.input("s", i32, {2});
    const State kv = b.state("kv", kv_cache({.layers = 2, .slots = 2, .capacity = 5, .heads = 1, .head_dim = 3}));
    kv_write(kv, {.layer = l, .pos = p, .slot = s}, x, x);
    b.output("y", std::get<0>(kv_read(kv, {.layer = 0})));
    SimSession session(b.build());
    const Inputs inputs = {
        {"x", Tensor(std::vector<float>(6, 1.f), {2, 3})}, {"l", layer}, {"p", {0, pos}}, {"s", {0, slot}}};
    const std::string text = run_error_of([&] { session.run_step(inputs); });
    CHECK(session.save().states.at(0).tensors.at(0) == Tensor(f32, {2, 2, 1, 5, 3}));
    return text;
  };
  CHECK(error(2, 0, 0) == "invalid_argument: [kv_write] layer 2 is outside the cache, which has 2 layers");
  CHECK(error(0, 5, 0) ==
        "invalid_argument: [kv_write] position 5 of row 1 is outside the cache, which has 5 positions");
  CHECK(error(0, 0, -1) == "invalid_argument: [kv_write] slot -1 of row 1 is outside the cache, which has 2 slots");
}
TEST_CASE("kv_write at one step needs a slot for each row") {
  GraphBuilder b;
  const Value x = b.input("x", f32, {3, 2});
  const State kv = b.state("kv", kv_cache({.slots = 2, .capacity = 5, .head_dim = 2}));
  kv_write(kv, {.layer = 0, .step = 4}, x, x);
  CHECK(run_error(b, std::get<0>(kv_read(kv, {.layer = 0})), {{"x", Tensor(f32, {3, 2})}}) ==
        "invalid_argument: [kv_write] 3 rows at one step need as many slots; the cache has 2");
}
TEST_CASE_METHOD(OperandFixture, "kv_read_c1") {
  CHECK(error_of([&] { (void)kv_read(s, {.layer = 0}); }) ==
        "invalid_argument: [kv_read] takes a kv_cache, not tensor(f32, shape=[2, 3])");
}
TEST_CASE_METHOD(OperandFixture, "kv_read_c2") {
  CHECK(error_of([&] { (void)kv_read(kv, {.layer = i}); }) ==
        "shape_mismatch: [kv_read] layer must be i32[], not 'i' i32[N]");
}
TEST_CASE("kv_read names a layer that the cache lacks") {
  GraphBuilder b;
  const State kv = b.state("kv", kv_cache({.layers = 2}));
  CHECK(run_error(b, std::get<1>(kv_read(kv, {.layer = b.input("l", i32, {})})), {{"l", -3}}) ==
        "invalid_argument: [kv_read] layer -3 is outside the cache, which has 2 layers");
}
TEST_CASE_METHOD(OperandFixture, "state_read_c1") {
  CHECK(error_of([&] {
          (void)state_read(kv);
        }).starts_with("invalid_argument: [state_read] takes a tensor state, not kv"));
}
TEST_CASE_METHOD(OperandFixture, "state_write_c1") {
  CHECK(error_of([&] { state_write(kv, w); }).starts_with("invalid_argument: [state_write] takes a tensor state"));
}
TEST_CASE_METHOD(OperandFixture, "state_write_c2") {
  CHECK(error_of([&] { state_write(s, d); }) ==
        "dtype_mismatch: [state_write] 'd' f64[6, 4] does not fit the state tensor(f32, shape=[2, 3]); cast it");
}
TEST_CASE_METHOD(OperandFixture, "state_write_c3") {
  CHECK(error_of([&] { state_write(s, w); }) ==
        "shape_mismatch: [state_write] 'w' f32[6, 4] does not fit the state tensor(f32, shape=[2, 3])");
}
