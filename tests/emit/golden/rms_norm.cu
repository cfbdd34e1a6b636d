namespace kernel {

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

__device__ inline unsigned bits_u32(float x) { return __float_as_uint(x); }

__device__ inline float bits_f32(int x) { return __int_as_float(x); }

__device__ inline float bits_f32(unsigned x) { return __uint_as_float(x); }

/// Wraps where a - b would leave its result undefined.
__device__ inline int wrapping_sub(int a, int b) {
  return static_cast<int>(static_cast<unsigned>(a) - static_cast<unsigned>(b));
}

/// Over the lanes of the warp, for each of them.
template <class T>
__device__ inline T lane_sum(T x) {
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
  return x;
}

// 1 / √x within 1 ULP
static __device__ inline float rsqrt(float x) {
  const bool small = x < 5.421011e-20f;
  const bool large = 1.8446744e+19f < x;
  const float s = x * (small ? 1.8446744e+19f : (large ? 5.421011e-20f : 1.0f));
  const float y_2 = bits_f32(wrapping_sub(1597463174, bits_i32(s) >> 1));
  const float half_x = 0.5f * s;
  const float y_3 = y_2 + y_2 * (0.5f - half_x * y_2 * y_2);
  const float y_4 = y_3 + y_3 * (0.5f - half_x * y_3 * y_3);
  const float y1 = bits_f32(bits_u32(y_4) & 0xfffff000u);
  const float e = 1.0f - s * (y1 * y1);
  return 0.0f < x ? (x == bits_f32(0x7f800000u) ? 0.0f : (y1 + y1 * e * (0.5f + 0.375f * e)) *
      (small ? 4294967300.0f : (large ? 2.3283064e-10f : 1.0f))) :
      (x == 0.0f ? bits_f32(bits_u32(bits_f32(0x7f800000u)) | (bits_u32(x) & 0x80000000u)) :
      bits_f32(0x7fc00000u));
}

extern "C" __global__ void __launch_bounds__(128)  // 4 warps
rms_norm_kernel(
    const float* __restrict__ x,
    const bf16* __restrict__ w,
    float* __restrict__ y) {
  __shared__ float squares_of_row_parts[4];
  const int group = blockIdx.x;
  const int subgroup = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int thread = threadIdx.x;
  float squares = 0.0f;
  for (int i = thread; i < 300; i += 128) {
    const float x_value = x[group * 300 + i];
    squares += x_value * x_value;
  }
  const float squares_of_row = lane_sum(squares);
  if (lane == 0) squares_of_row_parts[subgroup] = squares_of_row;
  __syncthreads();
  float squares_of_row_all = squares_of_row_parts[0];
  for (int part = 1; part < 4; ++part) {
    squares_of_row_all += squares_of_row_parts[part];
  }
  __syncthreads();
  const float scale = rsqrt(squares_of_row_all * 0.0033333334f + 1e-05f);
  for (int i = thread; i < 300; i += 128) {
    const int at = group * 300 + i;
    y[at] = x[at] * scale * widen(w[i]);
  }
}

}  // namespace kernel
