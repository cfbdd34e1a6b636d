namespace silu_mul_functions {
// e^x within 1 ULP
static inline f32x16 exp(f32x16 x) {
  const f32x16 c_2 = select(89.0f < x, splat<f32x16>(89.0f),
      select(x < -104.0f, splat<f32x16>(-104.0f), x));
  const f32x16 shifted = c_2 * 1.442695f + 12582912.0f;
  const f32x16 n = shifted - 12582912.0f;
  const f32x16 r = c_2 - n * 0.69314575f - n * 1.4286068e-06f;
  const f32x16 p = 1.0f + (r + r * r * (0.49999994f + r *
      (0.16666521f + r * (0.041668262f + r * (0.008368674f + r * 0.0013821041f)))));
  const i32x16 k = bitcast<i32x16>(shifted) - 1262485504;
  const i32x16 half_k = k >> 1;
  return p * bitcast<f32x16>((half_k + 127) << 23) * bitcast<f32x16>((k - half_k + 127) << 23);
}

// 1 / (1 + e^-x) within 2.5 ULP
static inline f32x16 sigmoid(f32x16 x) {
  const f32x16 exp_value = exp(-abs(x));
  return select(x < 0.0f, exp_value, splat<f32x16>(1.0f)) / (1.0f + exp_value);
}
}  // namespace silu_mul_functions

extern "C" void silu_mul(const float* a, const bf16* b, const float* c, float* __restrict gated_out,
    f16* __restrict ratio_out, int rows, int group) {
  using namespace silu_mul_functions;
  const int row = group * 91;
  const int r_end = min(row + 91, rows);
  for (int r = row; r < r_end; ++r) {
    for (int i = 0; i + 16 <= 45; i += 16) {
      const int at = r * 45 + i;
      const f32x16 a_value = load<f32x16>(&a[at]);
      const f32x16 c_value = load<f32x16>(&c[i]);
      const f32x16 silu = a_value * sigmoid(a_value);
      const f32x16 gated = silu * load<f32x16>(&b[at]);
      store(&gated_out[at], gated);
      store(&ratio_out[at], gated / (c_value + 2.0f));
    }
    if (const int i = 32; i < 45) {
      const int count = 45 - i;
      const int at = r * 45 + i;
      const f32x16 a_value = load_first<f32x16>(&a[at], count);
      const f32x16 c_value = load_first<f32x16>(&c[i], count);
      const f32x16 silu = a_value * sigmoid(a_value);
      const f32x16 gated = silu * load_first<f32x16>(&b[at], count);
      store_first(&gated_out[at], gated, count);
      store_first(&ratio_out[at], gated / (c_value + 2.0f), count);
    }
  }
}
