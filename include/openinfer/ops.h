// SPDX-License-Identifier: Apache-2.0
// The operators, as free functions on values. Each also has a form without its first operand that makes a Pipe:
// x | rms_norm(w). Shapes are in (…), dtypes behind; [Cn] are the checks that infer makes, in its errors' order.
//
// Numbers: f16 and bf16 are computed in f32 and rounded once at the end; sums of f32 are sixteen partial sums by
// index mod 16, added as a fixed tree; f64 stays f64. Integers wrap. Shapes broadcast as NumPy's where said.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "openinfer/graph.h"
#include "openinfer/ops_elementwise.h"

namespace openinfer {

// --- making and converting ------------------------------------------------------------------------------------------

/// x in another dtype. Floats round to nearest, ties to even; float to integer truncates, saturates and takes NaN to
/// 0; integer to integer wraps; to bool is x != 0. What is beyond the largest 8-bit float (57344, 448) once rounded,
/// and infinities, are infinite in f8e5m2 and NaN in f8e4m3, which has no infinity: ml_dtypes' bits. PyTorch (2.15) has
/// the same in f8e5m2; in f8e4m3 it makes ±448 of them, as `saturate` does. Weights of any stored format dequantise,
/// exactly, to f32 and then round. Dtypes: from anything to plain dtypes (f64 f32 f16 bf16, i8…u64, bool), f8e4m3 and
/// f8e5m2 [C1]. Same dtype: x itself.
Value cast(const In& x, DType dtype);
Pipe cast(DType dtype);
struct CastOptions {
  std::string rounding = {};  // of floats to integers: trunc (as without), floor, ceil, round (halves to even), away
  bool saturate = false;      // the largest, the least instead of wrapping, the largest finite instead of beyond
};
/// The same in another way. saturate to f8e4m3: PyTorch's bits; to f8e5m2 ±57344, infinities too; a NaN stays one.
/// Errors: invalid_argument [C2] for an unknown rounding, or one of no float to an integer.
Value cast(const In& x, DType dtype, const CastOptions& options);
Pipe cast(DType dtype, const CastOptions& options);
/// y[…] = (q[…] − zero) · scale, what an affine quantised tensor stands for; both operations round to f32.
/// Shapes: q any → q's. scale and zero are () for all of q, or (d) for the d indices along `axis`, or, for groups of
/// `group` neighbours along it, q's with d / group in place of d. `axis` and these shapes are those of q as it lies in
/// its package, where the last two dimensions may be swapped.
/// Dtypes: q integers, packed ones too; scale any float; zero integers or floats [C1]. Result: f32.
/// Errors: invalid_argument [C2] axis or group negative; shape_mismatch [C3] scale or zero does not fit q.
/// A package tensor with a quantisation becomes this where an operator takes it; products and gathers read through it.
struct AffineOptions {
  std::int64_t axis = 0;
  std::int64_t group = 0;  // 0: per channel
};
Value affine(const In& q, const In& scale, const OptionalIn& zero = {}, AffineOptions options = {});

/// A tensor of one value.  Dtypes: plain [C1].  Errors: invalid_argument [C1] if the value does not fit the dtype (a
/// fraction or out of range for integers, finite but infinite once rounded for floats), [C2] if an extent may be
/// negative.
Value fill(GraphBuilder& b, Shape shape, double value, DType dtype = DType::f32, At at = {});
/// 0, 1, 2, … along `axis` (integers wrap).  Dtypes: plain, not bool [C1].  Errors: invalid_argument [C2] if the axis
/// is outside the shape, [C3] if an extent may be negative.
Value iota(GraphBuilder& b, Shape shape, std::int64_t axis = 0, DType dtype = DType::i32, At at = {});

// --- moving --------------------------------------------------------------------------------------------------------

/// result[i…, j…] = table[i…, ids[j…], …] along `axis`.
/// Shapes: table (A…, V, D…), ids (J…) → (A…, J…, D…).  Dtypes: any table; a stored block or packed format gives f32
/// (axis 0, two dimensions); ids i32|i64.  Errors: dtype_mismatch [C1] of ids; invalid_argument [C2] axis outside;
/// shape_mismatch [C3] a block-format table of another form; at run time invalid_argument for an id outside [0, V),
/// with the id, its place and V (of computed ids kernels take the nearest entry).
Value gather(const In& table, const In& ids, std::int64_t axis = 0);
/// The same elements in another shape; one dimension may be -1.
/// Errors: shape_mismatch [C1] if the sizes differ or cannot be shown equal, or more than one dimension is -1.
Value reshape(const In& x, Shape shape);
Pipe reshape(Shape shape);
/// Dimensions in another order: result extent i is x's extent order[i]; without one, the last two swapped.
/// Errors: shape_mismatch [C1] if `order` is not a permutation of the dimensions.
Value transpose(const In& x, std::vector<std::int64_t> order = {});
Pipe transpose(std::vector<std::int64_t> order = {});
struct Range {
  std::int64_t axis = 0;
  Dim begin = 0;
  Dim end = -1;  // required
  std::int64_t step = 1;
};
/// x[…, begin:end:step, …] along one axis.  Errors: invalid_argument [C1] axis outside; shape_mismatch [C2] not
/// 0 ≤ begin ≤ end ≤ extent for every binding of the symbols, step < 1, or a step that does not divide the symbols'
/// factors (N elements in steps of 2 have no affine size).
Value slice(const In& x, Range range);
Pipe slice(Range range);
/// One behind the other along `axis`.  Errors: invalid_argument [C1] axis outside; shape_mismatch [C2] other extents or
/// ranks differ; dtype_mismatch [C3] dtypes differ; invalid_argument for no parts.
Value concat(const std::vector<In>& parts, std::int64_t axis = 0, At at = {});
/// Repeats extents of 1 (and adds leading ones) to reach `shape`.  Errors: shape_mismatch [C1] if x does not broadcast
/// to it; invalid_argument [C2] if an extent may be negative.
Value broadcast(const In& x, Shape shape);

/// x with dimensions in that order; negative ones count from the end.
/// Errors: invalid_argument [C1] an axis outside, or not all dimensions; those of transpose.
Value permute(const In& x, std::vector<std::int64_t> order);
/// x cut along `axis` into parts of those sizes, one behind the other.
/// Errors: invalid_argument [C1] axis outside; shape_mismatch [C2] if the sizes do not add up to its extent.
std::vector<Value> split(const In& x, const Shape& sizes, std::int64_t axis = 0);
/// The same into `parts` equal ones.  Errors: as split's [C1]; shape_mismatch [C2] if the extent does not divide.
std::vector<Value> chunk(const In& x, std::int64_t parts, std::int64_t axis = 0);
/// Parts of one shape along a new dimension: result[…, i, …] = parts[i][…], i at `axis` of the result.
/// Errors: invalid_argument [C1] axis outside the result; those of concat; invalid_argument for no parts.
Value stack(const std::vector<In>& parts, std::int64_t axis = 0, At at = {});
/// Without the named dimensions, which have one element.
/// Errors: invalid_argument [C1] axis outside or named twice; shape_mismatch [C2] another extent than 1.
Value squeeze(const In& x, const std::vector<std::int64_t>& axes);
/// With dimensions of one element at these places of the result.  Errors: as squeeze's [C1].
Value unsqueeze(const In& x, const std::vector<std::int64_t>& axes);
/// x repeated along each dimension as a whole: result[i] = x[i mod extent].
/// Errors: invalid_argument [C1] for another number of repeats than dimensions, or a negative one.
Value tile(const In& x, const std::vector<std::int64_t>& repeats);
struct Padding {
  std::int64_t axis = 0;
  Dim before = 0, after = 0;
};
/// x with elements of `value` around it.
/// Errors: invalid_argument [C1] axis outside; those of fill (a negative extent, a value that does not fit).
Value pad(const In& x, const std::vector<Padding>& sides, double value = 0);
/// result[…, d] = ids[…] == d, as 1 and 0, for 0 ≤ d < depth; an id beyond gives zeros.
/// Dtypes: ids i32|i64 [C1] → plain.
Value one_hot(const In& ids, const Dim& depth, DType dtype = f32);
/// The elements in the opposite order along the axes.  Dtypes: any that has addresses.
/// Errors: invalid_argument [C1] axis outside or named twice.
Value flip(const In& x, std::vector<std::int64_t> axes);
Pipe flip(std::vector<std::int64_t> axes);
/// x, but result[i…, ids[j…], …] = updates[i…, j…, …] along `axis`; of updates with one id the last one. scatter_add
/// adds all of them to x, in their order (f16 and bf16 in f32, rounded once).
/// Shapes: x (A…, V, D…), ids (J…), updates (A…, J…, D…) → x's.  Dtypes: x plain, of scatter_add numbers; ids i32|i64.
/// Errors: dtype_mismatch [C1] of ids; invalid_argument [C2] axis outside; dtype_mismatch [C3] x's, or updates differ
/// from x; shape_mismatch [C4] updates; at run time invalid_argument for an id outside [0, V) (computed ones kernels
/// skip).
Value scatter(const In& x, const In& ids, const In& updates, std::int64_t axis = 0);
Value scatter_add(const In& x, const In& ids, const In& updates, std::int64_t axis = 0);

// --- order -----------------------------------------------------------------------------------------------------------
// A NaN counts as largest, −0 and +0 as equal; elements that are equal keep the order that they stand in.

/// The k largest along `axis`, largest first, and their places (i32): (values, indices).
/// Errors: invalid_argument [C1] axis outside; dtype_mismatch [C2]; shape_mismatch [C3] unless 1 ≤ k ≤ extent for every
/// binding of the symbols.
std::tuple<Value, Value> top_k(const In& x, std::int64_t k, std::int64_t axis = -1);
struct Sort {
  std::int64_t axis = -1;
  bool descending = false;
};
/// All elements along an axis in order, smallest first or largest first, and their places (i32): (values, indices).
/// Dtypes: floats, integers.  Errors: as top_k's [C1] [C2].
std::tuple<Value, Value> sort(const In& x, Sort options = {});
/// The places alone.  Errors: those of sort.
Value argsort(const In& x, Sort options = {});
/// y[j] = Σ_{m ≤ j} x[m] along `axis`.  Dtypes: floats (sums in f32, or f64), integers, which wrap.
/// Errors: invalid_argument [C1] axis outside; dtype_mismatch [C2].
Value cumsum(const In& x, std::int64_t axis = -1);
Pipe cumsum(std::int64_t axis = -1);

// --- reduction -----------------------------------------------------------------------------------------------------

struct Over {
  std::vector<std::int64_t> axes = {};  // negative: from the end; none: all
  bool keepdims = false;
};
/// Sum and mean over `axes`.  Dtypes: floats (sums in f32, or f64); sum also integers.
/// An empty sum is 0; an empty mean NaN. NaN in, NaN out. Terms of a sum are taken row-major over the reduced axes.
/// Errors: invalid_argument [C1] for an axis outside or named twice; dtype_mismatch [C2].
Value sum(const In& x, Over over = {});
Value mean(const In& x, Over over = {});
Pipe sum(Over over = {});
Pipe mean(Over over = {});
/// The largest over `axes`, a NaN if there is one; in the text reduce_max.  Dtypes: floats, integers.
/// Errors: as sum's [C1] [C2]; invalid_argument [C3] of no elements, at run time.
Value max(const In& x, Over over);
/// The smallest over `axes`, a NaN if there is one; in the text reduce_min.  Dtypes, errors: as max's [C1] [C2] [C3].
Value min(const In& x, Over over);
/// Index (i32) of the first largest, smallest element along `axis`, of the last one without `select_first`; a NaN
/// counts as largest, as smallest.  Errors: as max's [C1] [C2] [C3].
Value argmax(const In& x, std::int64_t axis = -1, bool keepdims = false, bool select_first = true);
Value argmin(const In& x, std::int64_t axis = -1, bool keepdims = false, bool select_first = true);
/// The product over `axes`, one factor after the other, row-major; of nothing 1.  Dtypes: floats (products in f32, or
/// f64), integers.  Errors: as sum's [C1] [C2].
Value prod(const In& x, Over over = {});
Pipe prod(Over over = {});
/// Is one true, are all true over `axes`; of nothing: no, yes.  Dtypes: bool.  Errors: as sum's [C1] [C2].
Value any(const In& x, Over over = {});
Value all(const In& x, Over over = {});
Pipe any(Over over = {});
Pipe all(Over over = {});
/// ln Σ e^x over `axes`, as ln Σ e^(x − m) + m with the largest m; of nothing −∞.  Dtypes: floats, sums in f32 (f64).
/// Errors: as sum's [C1] [C2].
Value logsumexp(const In& x, Over over = {});
Pipe logsumexp(Over over = {});

// --- linear algebra ------------------------------------------------------------------------------------------------

/// y[…,n] = Σ_k x[…,k] · w[…,k,n], sums in f32 (f64 for f64).
/// Shapes: x (…, M, K) or (K), w (…, K, N) → (…, M, N); leading dimensions broadcast; a two-dimensional w serves every
/// leading dimension of x. `transpose_w`: w is (…, N, K).
/// Dtypes: x f16|bf16|f32|f64; w any float, block format, ternary digits or integers of at most 8 bits, f64 only with x
/// f64 [C2]. Result: x's dtype.
/// Errors: shape_mismatch [C1] if the K differ, [C3] if leading dimensions do not broadcast or w has less than two.
struct MatmulOptions {
  bool transpose_w = false;
};
Value matmul(const In& x, const In& w, MatmulOptions options = {});
Pipe matmul(const In& w);
/// matmul(x, w) + b, rounded once.  Shapes: x (…, K), w (K, N), b (N).  Dtypes: as matmul's; b any float.
/// Errors: as matmul's [C1] [C2] [C3], also if w has more than two dimensions; shape_mismatch [C4] if b is not (N).
Value linear(const In& x, const In& w, const In& b);
Pipe linear(const In& w, const In& b);
/// y[n,j,m] = Σ_k x[n,k] · w[ids[n,j],k,m], or of x[n,j,k]: each row by the experts that it chose. Experts that no row
/// chose are not read. Sums as matmul's.
/// Shapes: x (N, K) or (N, J, K), w (E, K, M), ids (N, J) i32 → (N, J, M).  Dtypes: as matmul's.
/// Errors: shape_mismatch [C1] for other forms, [C2] if the K differ; dtype_mismatch [C3], [C4] ids; at run time
/// invalid_argument for an id outside [0, E), with its place (of computed ids kernels take the nearest expert).
/// Source: Shazeer et al. 2017, arXiv:1701.06538.
Value expert_matmul(const In& x, const In& w, const In& ids);
Pipe expert_matmul(const In& w, const In& ids);

/// Products and sums by labels, "bik,bkj->bij": result[i…] = Σ over all labels that it lacks of Π operands. Two
/// operands at a time from the left; floats that share summed labels are a matmul, all else products and sums of
/// elements. Dtypes: as matmul's; integers, which wrap. Errors: invalid_argument [C1] for what is no such formula:
/// another number of operands, no ->, a label that is no letter, stands twice in one operand (no diagonals) or is in
/// the result alone; shape_mismatch [C2] for extents that differ under one label, or another rank.
Value einsum(std::string_view formula, const std::vector<In>& operands, At at = {});

// --- convolution and pooling -----------------------------------------------------------------------------------------
// Made of pad, gather and matmul, with what every window sees in memory: x's size times a window's.

struct Conv1d {
  std::int64_t stride = 1, padding = 0, dilation = 1, groups = 1;  // padding: zeros on either side
  OptionalIn bias = {};
};
struct Conv2d {
  std::array<std::int64_t, 2> stride = {1, 1}, padding = {0, 0}, dilation = {1, 1};  // along H, along W
  std::int64_t groups = 1;
  OptionalIn bias = {};
};
/// y[n, o, l] = Σ_{c,k} x[n, C/groups · g + c, l·stride + k·dilation − padding] · w[o, c, k] + bias[o], where g is the
/// group of filter o; sums in f32. conv2d the same over two axes.
/// Shapes: x (N, C, L), w (O, C/groups, K), bias (O) → (N, O, (L + 2·padding − dilation·(K − 1) − 1) / stride + 1);
/// x (N, C, H, W), w (O, C/groups, KH, KW).  Dtypes: x and w one float dtype.
/// Errors: dtype_mismatch [C1]; shape_mismatch [C2] ranks, or a filter of unknown extents, [C3] channels and groups;
/// invalid_argument [C4] a negative padding, a stride or dilation below 1; shape_mismatch [C5] bias, or a filter that
/// does not fit x; unsupported if both H and W are symbols.
Value conv1d(const In& x, const In& w, const Conv1d& options = {});
Value conv2d(const In& x, const In& w, const Conv2d& options = {});
struct Pool1d {
  std::int64_t size = 1;
  std::int64_t stride = 0;  // 0: the window's size
  std::int64_t padding = 0, dilation = 1;
  bool count_padding = false;  // avg: zeros of the padding count as elements
};
struct Pool2d {
  std::array<std::int64_t, 2> size = {1, 1}, stride = {0, 0}, padding = {0, 0}, dilation = {1, 1};
  bool count_padding = false;
};
/// The largest, or the mean, of each window: x (N, C, L) or (N, C, H, W), sizes as conv1d's. A NaN is the largest.
/// Dtypes: max numbers, avg floats.  Errors: dtype_mismatch [C1]; shape_mismatch [C2] the rank, or a window that does
/// not fit; invalid_argument [C3] a padding that is negative or above half of the window, a size, stride or dilation
/// below 1.
Value max_pool1d(const In& x, const Pool1d& options);
Value max_pool2d(const In& x, const Pool2d& options);
Value avg_pool1d(const In& x, const Pool1d& options);
Value avg_pool2d(const In& x, const Pool2d& options);

// --- normalisation ---------------------------------------------------------------------------------------------------

/// y[i] = exp(x[i] − max x) / Σ_j exp(x[j] − max x) along `axis`. A row of −∞ gives NaN.
/// Dtypes: floats, sums in f32.  Errors: invalid_argument [C1] axis outside; dtype_mismatch [C2].
Value softmax(const In& x, std::int64_t axis = -1);
Pipe softmax(std::int64_t axis = -1);
/// y[i] = x[i] − m − ln Σ_j exp(x[j] − m) along `axis`, m the largest x. A row of −∞ gives NaN.
/// Dtypes: floats, sums in f32 (f64).  Errors: as softmax's [C1] [C2].
Value log_softmax(const In& x, std::int64_t axis = -1);
Pipe log_softmax(std::int64_t axis = -1);
/// y[i] = x[i] / max(sqrt(Σ_j x[j]²), eps) along `axis`.  Dtypes: floats, sums in f32 (f64).  Errors: as softmax's [C1]
/// [C2].
Value l2_norm(const In& x, std::int64_t axis = -1, double eps = 1e-12);
Pipe l2_norm(std::int64_t axis = -1, double eps = 1e-12);
/// y[…,i] = x[…,i] / sqrt(mean_i(x²) + eps) · w[i]
/// Shapes: x (…, D), w (D) → (…, D).  Dtypes: x f16|bf16|f32|f64, w any float; sums in f32.
/// Errors: shape_mismatch [C1] if w is not (D) or x is a scalar; dtype_mismatch [C2].
/// Source: Zhang & Sennrich 2019, arXiv:1910.07467.
Value rms_norm(const In& x, const In& w, double eps = 1e-5);
Pipe rms_norm(const In& w, double eps = 1e-5);
/// y[…,i] = (x[…,i] − mean) / sqrt(mean((x − mean)²) + eps) · w[i] + b[i]; without a bias: b is std::nullopt.
/// Shapes, dtypes, errors: as rms_norm's [C1] [C2].
/// Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450.
Value layer_norm(const In& x, const In& w, const OptionalIn& b, double eps = 1e-5);
Pipe layer_norm(const In& w, const OptionalIn& b, double eps = 1e-5);
/// Channels in `groups` of neighbours, each with mean and variance over its channels and all positions behind them:
/// y[n,c,…] = (x[n,c,…] − mean) / sqrt(variance + eps) · w[c] + b[c].
/// Shapes: x (N, C, …), w and b (C) → (N, C, …).  Dtypes: x f16|bf16|f32|f64, w and b any float; sums in f32 (f64).
/// Errors: shape_mismatch [C1] if x has no channels or C is no multiple of groups; [C2] w or b not (C); dtype_mismatch
/// [C3].
/// Source: Wu & He 2018, arXiv:1803.08494.
Value group_norm(const In& x, std::int64_t groups, const In& w, const In& b, double eps = 1e-5);
Pipe group_norm(std::int64_t groups, const In& w, const In& b, double eps = 1e-5);

// --- attention -------------------------------------------------------------------------------------------------------

struct Rope {
  std::int64_t head_dim = 0;  // required
  double theta = 10000.0;
  std::int64_t rotary_dim = 0;           // the first of each head are rotated; 0: all of head_dim
  std::string scaling = "none";          // none | linear | llama3 | yarn
  double factor = 1.0;                   // linear, llama3, yarn
  double low_freq_factor = 1.0;          // llama3
  double high_freq_factor = 4.0;         // llama3
  std::int64_t original_context = 8192;  // llama3, yarn; two rows of frequencies
  double attention_factor = 1.0;         // of cosines and sines
  double beta_fast = 32.0;               // yarn
  double beta_slow = 1.0;                // yarn
  bool truncate = true;                  // yarn: the ramp's ends are whole numbers
  /// Given: f_i, f32 (r/2), and theta is not looked at; or (2, r/2), of which the second row holds where a sequence may
  /// be longer than original_context: where `context` is.
  OptionalIn frequencies = {};
  Dim context = 0;
};
/// Rotates pairs (x[i], x[i + r/2]), i < r/2, of each head's first r = rotary_dim elements by pos · f_i, where
/// f_i = theta^(−2i/r), computed in f64 and rounded to f32, then scaled; the angle is one f32 product; its cosine and
/// sine are multiplied by attention_factor.
/// Shapes: x (N, H·head_dim) or (N, H, head_dim), pos (N) i32 → x's.  Dtypes: floats.
/// Errors: shape_mismatch [C1] last extent no multiple of head_dim; invalid_argument [C2] rotary_dim odd or above
/// head_dim; shape_mismatch [C3] pos not i32 (N); invalid_argument [C4] unknown scaling, factor ≤ 0, yarn with
/// theta ≤ 1; shape_mismatch [C5] frequencies not f32 (r/2) or (2, r/2), invalid_argument beside a scaling, or two rows
/// and no context.
/// Source: Su et al. 2021, arXiv:2104.09864; Llama-3.1's frequency bands; Peng et al. 2023, arXiv:2309.00071 (yarn).
Value rope(const In& x, const In& pos, Rope options);
Pipe rope(const In& pos, Rope options);

struct Attention {
  OptionalIn mask = {};     // bool or u8: nonzero = may attend; float: added to the scores
  OptionalIn pos = {};      // rows form: i32 (N)
  OptionalIn slot = {};     // rows form: i32 (N)
  bool causal = false;      // dense form: key j ≤ i + (Tk − T)
  std::int64_t window = 0;  // > 0: only the last `window` keys up to the row's own position
  double softcap = 0;       // > 0: scores s become softcap · tanh(s / softcap), before the mask
  double scale = 0;         // 0: 1 / sqrt(head_dim)
  OptionalIn sinks = {};    // floats (H): exp(sinks[h]) joins the softmax's denominator
  OptionalIn slopes = {};   // floats (H): scores get slopes[h] · (j − own) behind softcap, own the row's position
};
/// softmax(scale · q·kᵀ, masked) · v with H query heads on Hk key heads, H a multiple of Hk (grouped-query attention).
/// Dense form: q (B, H, T, D), k and v (B, Hk, Tk, D) → (B, H, T, D); mask broadcasts to (B, H, T, Tk).
/// Rows form, over a cache: q (N, H·D), k and v (S, Hk, C, D) as kv_read gives them → (N, H·D). With pos, row n sees
/// positions 0 … pos[n] of slot[n] (without slot: slot 0); without pos, all C positions of slot n (n < S). The mask
/// broadcasts to (N, H, 1, C). A row that may attend to nothing gives zeros.
/// A row's own position is pos[n], C − 1 without pos, i + (Tk − T) in the dense form.
/// Dtypes: q, k, v equal floats, or k and v another float dtype than q in rows form; sums in f32. Result: q's dtype.
/// Errors: shape_mismatch [C1] ranks or forms, [C2] head_dim differs, [C3] H no multiple of Hk, [C4] mask's shape
/// (dtype_mismatch its dtype), [C5] pos, slot not (N) (dtype_mismatch not i32; invalid_argument given in the dense
/// form); invalid_argument [C6] window, softcap or scale negative; shape_mismatch [C7] sinks, slopes not floats (H); at
/// run time invalid_argument for pos ≥ C or slot ≥ S.
/// Source: Vaswani et al. 2017, arXiv:1706.03762; slopes: Press et al. 2022, arXiv:2108.12409; sinks: Agarwal et al.
/// 2025, arXiv:2508.10925.
Value sdpa(const In& q, const In& k, const In& v, Attention options = {});
Value sdpa(const In& q, const In& k, const In& v, const In& mask);

// --- drawing tokens --------------------------------------------------------------------------------------------------

/// result[i] = ⌊w · below[i] / 2^32⌋, a whole number in [0, below[i]) (0 for 0), where w is the first word of
/// Philox4x32-10 under the counter (counter[i] mod 2^32, counter[i] / 2^32, 0, 0) and the key (seed[i] mod 2^32,
/// seed[i] / 2^32): the same numbers everywhere.  Shapes: broadcast.  Dtypes: equal, unsigned; narrower than 64 bits
/// are extended by zeros.  Errors: as arithmetic's [C1] [C2]. Source: Salmon, Moraes, Dror & Shaw 2011,
/// doi:10.1145/2063384.2063405 (Random123).
Value random_below(const In& counter, const In& seed, const In& below);
/// 2^28 · 2^(x / 65536) as i32, within 2^-13 of itself and 1, the same integers everywhere; 2^28 for x > 0.
/// Dtypes: signed integers [C1].
Value fixed_exp2(const In& x);
struct Sampling {
  double temperature = 1;  // 0: argmax
  std::int64_t top_k = 0;  // > 0: only the k largest logits
  double top_p = 1;        // < 1: only the largest logits whose probabilities before their own add up to less
};
/// A token for each row of logits, drawn with the probabilities softmax(logits / temperature), first cut by top_k, then
/// by top_p. In whole numbers behind logit − largest: given the same bits of logits, every backend draws the same
/// tokens. Probabilities are within 2^-12 of softmax's, and 0 below 2^-28 of the largest; top_p counts in steps of
/// 2^-16. Row n draws random_below with the counter 2^32 · step + n and `seed`. Shapes: logits (N, V), step and seed
/// scalars → (N) i32.  Dtypes: logits floats; step and seed integers. Errors: dtype_mismatch [C1]; shape_mismatch [C2]
/// logits that are not (N, V) with 1 ≤ V < 2^20 known; invalid_argument [C3] unless temperature ≥ 0, 0 < top_p ≤ 1,
/// top_k ≥ 0.
Value sample(const In& logits, const In& step, const In& seed, const Sampling& options = {});

// --- bytes with scales -----------------------------------------------------------------------------------------------

/// Rows in blocks as q8_0 has them, as two tensors: (q, d) with d = max |x| of the block / 127 and q the nearest to
/// x / d, halves away from zero. (A quotient within a few ULP of a half may go to either on devices whose division is
/// not exact.) d is infinite where max |x| / 127 rounds beyond 65504, as in ggml's blocks: clamp x before, if it may be
/// so large.  Shapes: x (…, K) → q (…, K) i8, d (…, K / block) f16.
/// Errors: dtype_mismatch [C1] x is no float; shape_mismatch [C2] K is not known or no multiple of `block`.
std::tuple<Value, Value> quantize(const In& x, std::int64_t block = 32);
/// q · d in `dtype`, each d for as many neighbours as there are (K / blocks).  Weights in blocks: cast.
/// Shapes: q (…, K), d (…, K / block) → (…, K).
/// Errors: dtype_mismatch [C1] unless q is i8 and d a float; shape_mismatch [C2].
Value dequantize(const In& q, const In& d, DType dtype = f32);

// --- state -----------------------------------------------------------------------------------------------------------

/// Where kv_write puts its rows: `step` (scalar i32): row n goes to slot n, all at that position; else pos (N) and,
/// if given, slot (N), without which all rows go to slot 0.
struct KvAt {
  In layer;
  OptionalIn step = {};
  OptionalIn pos = {};
  OptionalIn slot = {};
};
/// Stores k and v, (N, Hk·D) or (N, Hk, D), converted to the cache's dtype.
/// Errors: invalid_argument [C1] not a kv_cache; shape_mismatch [C2] k or v against the spec (dtype_mismatch no
/// floats); invalid_argument [C3] neither step nor pos, or both; dtype_mismatch [C4] an index that is not i32
/// (shape_mismatch of another shape); at run time invalid_argument for a layer, slot or position outside the cache,
/// with its capacity.
void kv_write(const State& kv, const KvAt& where, const In& k, const In& v);
struct KvLayer {
  In layer;
};
/// The layer's keys and values, (slots, heads, capacity, head_dim) each: views without a copy, valid until the next
/// write to that state; a later use, also of a reshape of one, is an error.
/// Errors: invalid_argument [C1] not a kv_cache; dtype_mismatch [C2] layer not i32 (shape_mismatch no scalar); at run
/// time invalid_argument for a layer outside the cache.
std::tuple<Value, Value> kv_read(const State& kv, const KvLayer& where);
/// The contents of a tensor state; what was read stays what it was.  Errors: invalid_argument [C1] for a kv_cache.
Value state_read(const State& state, At at = {});
/// Their replacement.  Shapes, dtypes: the state's.  Errors: invalid_argument [C1] for a kv_cache; dtype_mismatch [C2];
/// shape_mismatch [C3].
void state_write(const State& state, const In& value);

}  // namespace openinfer
