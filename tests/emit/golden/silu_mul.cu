namespace kernel {

/// A number in memory.
struct f16 {
  unsigned short bits;
};
__device__ inline float widen(f16 x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
/// To nearest, ties to even.
__device__ inline f16 narrow_f16(float x) {
  f16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}

/// A number in memory: the upper half of a float.
struct bf16 {
  unsigned short bits;
};
__device__ inline float widen(bf16 x) { return __uint_as_float(static_cast<unsigned>(x.bits) << 16); }
/// To nearest, ties to even; NaN stays NaN.
__device__ inline bf16 narrow_bf16(float x) {
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<unsigned short>((bits >> 16) | 64u)};
  return {static_cast<unsigned short>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

__device__ inline int bits_i32(float x) { return __float_as_int(x); }

__device__ inline float bits_f32(int x) { return __int_as_float(x); }

/// Wraps where a + b would leave its result undefined.
__device__ inline int wrapping_add(int a, int b) {
  return static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b));
}

/// Wraps where a - b would leave its result undefined.
__device__ inline int wrapping_sub(int a, int b) {
  return static_cast<int>(static_cast<unsigned>(a) - static_cast<unsigned>(b));
}

// e^x within 1 ULP
static __device__ inline float exp(float x) {
  const float c_2 = 89.0f < x ? 89.0f : (x < -104.0f ? -104.0f : x);
  const float shifted = c_2 * 1.442695f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = c_2 - n * 0.69314575f - n * 1.4286068e-06f;
  const float p = 1.0f + (r + r * r * (0.49999994f + r *
      (0.16666521f + r * (0.041668262f + r * (0.008368674f + r * 0.0013821041f)))));
  const int k = wrapping_sub(bits_i32(shifted), 1262485504);
  const int half_k = k >> 1;
  return p * bits_f32((half_k + 127) << 23) * bits_f32(wrapping_add(wrapping_sub(k, half_k), 127) <<
      23);
}

// 1 / (1 + e^-x) within 2.5 ULP
static __device__ inline float sigmoid(float x) {
  const float exp_value = exp(-::fabsf(x));
  return (x < 0.0f ? exp_value : 1.0f) / (1.0f + exp_value);
}

extern "C" __global__ void __launch_bounds__(128)  // 4 warps
silu_mul_kernel(
    const float* __restrict__ a,
    const bf16* __restrict__ b,
    const float* __restrict__ c,
    float* __restrict__ gated_out,
    f16* __restrict__ ratio_out,
    int rows) {
  const int group = blockIdx.x;
  const int subgroup = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int row = group * 11;
  const int r_end = ::min(row + 11, rows);
  for (int r = row + subgroup; r < r_end; r += 4) {
    for (int i = lane; i < 45; i += 32) {
      const int at = r * 45 + i;
      const float a_value = a[at];
      const float c_value = c[i];
      const float silu = a_value * sigmoid(a_value);
      const float gated = silu * widen(b[at]);
      gated_out[at] = gated;
      ratio_out[at] = narrow_f16(gated / (c_value + 2.0f));
    }
  }
}

}  // namespace kernel
