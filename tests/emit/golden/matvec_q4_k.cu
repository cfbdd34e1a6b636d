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

/// Over the lanes of the warp, for each of them.
template <class T>
__device__ inline T lane_sum(T x) {
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
  return x;
}

struct q4_k {  // 144 bytes
  f16 d;
  f16 dmin;
  unsigned char scales[12];
  unsigned char qs[128];
};

extern "C" __global__ void __launch_bounds__(128)  // 4 warps
matvec_q4_k_kernel(
    const float* __restrict__ x,  // (N, K)
    const q4_k* __restrict__ w,   // (M, K)
    const float* __restrict__ residual,
    float* __restrict__ y,
    int N) {
  const int group = blockIdx.x;
  const int subgroup = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  float sum[8];
  #pragma unroll 8
  for (int each = 0; each < 8; ++each) sum[each] = 0.0f;
  const int part_of_columns = group % 48;
  const int first_column = part_of_columns * 4;
  const int column = first_column + subgroup;
  const int first_row = group / 48 * 8;
  for (int b = 0; b < 16; ++b) {
    float part[8];
    #pragma unroll 8
    for (int each = 0; each < 8; ++each) part[each] = 0.0f;
    float x_sum[8];
    #pragma unroll 8
    for (int each = 0; each < 8; ++each) x_sum[each] = 0.0f;
    const int at = column * 2 + b / 8;
    const int g = b % 8;
    const float q = float((int(w[at].qs[g / 2 * 32 + lane]) >> (g % 2 * 4)) & 15);
    const int k = b * 32 + lane;
    #pragma unroll 8
    for (int m = 0; m < 8; ++m) {
      const int x_at = ::min(first_row + m, N - 1) * 512 + k;
      const float x_k = x[x_at];
      part[m] += q * x_k;
      x_sum[m] += x_k;
    }
    const int at_2 = ::min(g + 4, 11);
    const int at_3 = g - 4;
    const bool is = g < 4;
    const float scale = widen(w[at].d) * float(is ? int(w[at].scales[::min(g, 11)]) & 63 :
        (int(w[at].scales[at_2]) & 15) | ((int(w[at].scales[::max(at_3, 0)]) >> 6) << 4));
    const float low = -(widen(w[at].dmin) * float(is ? int(w[at].scales[at_2]) & 63 :
        (int(w[at].scales[at_2]) >> 4) | ((int(w[at].scales[::max(at_3 + 4, 0)]) >> 6) << 4)));
    #pragma unroll 8
    for (int m = 0; m < 8; ++m) {
      sum[m] += scale * part[m] + low * x_sum[m];
    }
  }
  float total[8];
  #pragma unroll 8
  for (int each = 0; each < 8; ++each) total[each] = 0.0f;
  #pragma unroll 8
  for (int m = 0; m < 8; ++m) {
    const float sum_all = lane_sum(sum[m]);
    total[m] = sum_all;
  }
  #pragma unroll 8
  for (int m = 0; m < 8; ++m) {
    const int at = first_row + m;
    if (at < N) {
      const int at_2 = ::min(at, N - 1) * 192 + column;
      if (lane == 0) y[at_2] = total[m] + residual[at_2];
    }
  }
}

}  // namespace kernel
