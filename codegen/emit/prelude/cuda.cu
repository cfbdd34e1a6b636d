// Types and functions of the kernels below. Includes nothing.
namespace kernel {

// --- what lies in memory only ---

struct f16 {
  unsigned short bits;
};
struct bf16 {
  unsigned short bits;
};

__device__ inline float widen(f16 x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
__device__ inline float widen(bf16 x) { return __uint_as_float(static_cast<unsigned>(x.bits) << 16); }

/// Floats to nearest, ties to even.
__device__ inline f16 narrow_f16(float x) {
  f16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}
__device__ inline bf16 narrow_bf16(float x) {
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<unsigned short>((bits >> 16) | 64u)};
  return {static_cast<unsigned short>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

/// Four bytes at any address.
__device__ inline int load_i8x4(const signed char* from) {
  return (from[0] & 255) | ((from[1] & 255) << 8) | ((from[2] & 255) << 16) | (from[3] << 24);
}
/// sum + Σ a[j]·b[j] of four signed bytes.
__device__ inline int dot4(int a, int b, int sum) { return __dp4a(a, b, sum); }

// --- bits ---

__device__ inline int bits_i32(float x) { return __float_as_int(x); }
__device__ inline unsigned bits_u32(float x) { return __float_as_uint(x); }
__device__ inline float bits_f32(int x) { return __int_as_float(x); }
__device__ inline float bits_f32(unsigned x) { return __uint_as_float(x); }
__device__ inline long long bits_i64(double x) { return __double_as_longlong(x); }
__device__ inline unsigned long long bits_u64(double x) {
  return static_cast<unsigned long long>(__double_as_longlong(x));
}
__device__ inline double bits_f64(long long x) { return __longlong_as_double(x); }
__device__ inline double bits_f64(unsigned long long x) { return __longlong_as_double(static_cast<long long>(x)); }

// --- lanes ---

template <class T>
__device__ inline T lane_sum(T x) {
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
  return x;
}
template <class T>
__device__ inline T lane_max(T x) {
  for (int distance = 16; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, x, distance);
    x = x < other ? other : x;
  }
  return x;
}
template <class T>
__device__ inline T lane_min(T x) {
  for (int distance = 16; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, x, distance);
    x = other < x ? other : x;
  }
  return x;
}

}  // namespace kernel
