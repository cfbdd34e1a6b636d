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

/// Four bytes at an address that is a multiple of four.
template <class Byte>
__device__ inline int load_i8x4_4(const Byte* from) {
  return *reinterpret_cast<const int*>(from);
}

/// sum + Σ a[j]·b[j] of four signed bytes.
__device__ inline int dot4(int a, int b, int sum) { return __dp4a(a, b, sum); }

/// Over the lanes of the warp, for each of them.
template <class T>
__device__ inline T lane_sum(T x) {
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
  return x;
}

struct int8_words {  // 48 bytes
  float d;
  float d_sum;
  int sum;
  int first_sum;
  int qs[8];
};

struct q4_1 {  // 20 bytes
  f16 d;
  f16 m;
  unsigned char qs[16];
};

extern "C" __global__ void __launch_bounds__(128)  // 4 warps
matvec_q4_1_int8_kernel(
    const int8_words* __restrict__ x_int8,  // (N, K / 32)
    const q4_1* __restrict__ w,             // (M, K)
    float* __restrict__ y) {
  const int group = blockIdx.x;
  const int subgroup = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  float sum = 0.0f;
  const int first_column = group * 4;
  const int column = first_column + subgroup;
  for (int b = lane / 4; b < 18; b += 8) {
    int dot = 0;
    const int at = column * 18 + b;
    #pragma unroll 2
    for (int h = 0; h < 2; ++h) {
      const int w_2 = lane % 4;
      const int at_2 = h * 4;
      const int word = at_2 + w_2;
      const int q = (load_i8x4_4(&w[at].qs[w_2 * 4]) >> at_2) & 0x0f0f0f0f;
      dot = dot4(q, x_int8[b].qs[word], dot);
    }
    const float scale = widen(w[at].d);
    const float d = x_int8[b].d;
    const float low = widen(w[at].m);
    sum += scale * d * float(dot) + (lane % 4 == 0 ? low * x_int8[b].d_sum : 0.0f);
  }
  const float total = lane_sum(sum);
  if (lane == 0) y[column] = total;
}

}  // namespace kernel
