// == half
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

// == bfloat16
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

// == load_i8x4
/// Four bytes at any address.
template <class Byte>
__device__ inline int load_i8x4(const Byte* from) {
  return (from[0] & 255) | ((from[1] & 255) << 8) | ((from[2] & 255) << 16) | (from[3] << 24);
}

// == load_i8x4_2
/// Four bytes at an even address.
template <class Byte>
__device__ inline int load_i8x4_2(const Byte* from) {
  const unsigned short* halves = reinterpret_cast<const unsigned short*>(from);
  return halves[0] | (halves[1] << 16);
}

// == load_i8x4_4
/// Four bytes at an address that is a multiple of four.
template <class Byte>
__device__ inline int load_i8x4_4(const Byte* from) {
  return *reinterpret_cast<const int*>(from);
}

// == dot4
/// sum + Σ a[j]·b[j] of four signed bytes.
__device__ inline int dot4(int a, int b, int sum) { return __dp4a(a, b, sum); }

// == bits_i32 f32
__device__ inline int bits_i32(float x) { return __float_as_int(x); }

// == bits_u32 f32
__device__ inline unsigned bits_u32(float x) { return __float_as_uint(x); }

// == bits_f32 i32
__device__ inline float bits_f32(int x) { return __int_as_float(x); }

// == bits_f32 u32
__device__ inline float bits_f32(unsigned x) { return __uint_as_float(x); }

// == bits_i64 f64
__device__ inline long long bits_i64(double x) { return __double_as_longlong(x); }

// == bits_u64 f64
__device__ inline unsigned long long bits_u64(double x) {
  return static_cast<unsigned long long>(__double_as_longlong(x));
}

// == bits_f64 i64
__device__ inline double bits_f64(long long x) { return __longlong_as_double(x); }

// == bits_f64 u64
__device__ inline double bits_f64(unsigned long long x) { return __longlong_as_double(static_cast<long long>(x)); }

// == wrapping_add i32
/// Wraps where a + b would leave its result undefined.
__device__ inline int wrapping_add(int a, int b) {
  return static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b));
}

// == wrapping_sub i32
/// Wraps where a - b would leave its result undefined.
__device__ inline int wrapping_sub(int a, int b) {
  return static_cast<int>(static_cast<unsigned>(a) - static_cast<unsigned>(b));
}

// == wrapping_mul i32
/// Wraps where a * b would leave its result undefined.
__device__ inline int wrapping_mul(int a, int b) {
  return static_cast<int>(static_cast<unsigned>(a) * static_cast<unsigned>(b));
}

// == wrapping_abs i32
/// Of the least number itself, as it has no opposite.
__device__ inline int wrapping_abs(int x) {
  return x < 0 ? static_cast<int>(0u - static_cast<unsigned>(x)) : x;
}

// == wrapping_add i64
/// Wraps where a + b would leave its result undefined.
__device__ inline long long wrapping_add(long long a, long long b) {
  return static_cast<long long>(static_cast<unsigned long long>(a) + static_cast<unsigned long long>(b));
}

// == wrapping_sub i64
/// Wraps where a - b would leave its result undefined.
__device__ inline long long wrapping_sub(long long a, long long b) {
  return static_cast<long long>(static_cast<unsigned long long>(a) - static_cast<unsigned long long>(b));
}

// == wrapping_mul i64
/// Wraps where a * b would leave its result undefined.
__device__ inline long long wrapping_mul(long long a, long long b) {
  return static_cast<long long>(static_cast<unsigned long long>(a) * static_cast<unsigned long long>(b));
}

// == wrapping_abs i64
/// Of the least number itself, as it has no opposite.
__device__ inline long long wrapping_abs(long long x) {
  return x < 0 ? static_cast<long long>(0ull - static_cast<unsigned long long>(x)) : x;
}

// == lane_sum
/// Over the lanes of the warp, for each of them.
template <class T>
__device__ inline T lane_sum(T x) {
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
  return x;
}

// == lane_sums
/// Each quarter of the warp: the sum of one of the four over all lanes.
template <class T>
__device__ inline T lane_sums(T a, T b, T c, T d) {
  a = lane_sum(a), b = lane_sum(b), c = lane_sum(c), d = lane_sum(d);
  const unsigned quarter = threadIdx.x % 32 / 8;
  return quarter < 2 ? (quarter == 0 ? a : b) : (quarter == 2 ? c : d);
}

// == wrapping_lane_sum
/// Over the lanes of the warp, for each of them.
template <class T>
__device__ inline T wrapping_lane_sum(T x) {
  for (int distance = 16; distance > 0; distance /= 2)
    x = wrapping_add(x, __shfl_xor_sync(0xffffffffu, x, distance));
  return x;
}

// == lane_max
/// Over the lanes of the warp, for each of them.
template <class T>
__device__ inline T lane_max(T x) {
  for (int distance = 16; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, x, distance);
    x = x < other ? other : x;
  }
  return x;
}

// == lane_maxs
/// Each quarter of the warp: the largest of one of the four over all lanes.
template <class T>
__device__ inline T lane_maxs(T a, T b, T c, T d) {
  a = lane_max(a), b = lane_max(b), c = lane_max(c), d = lane_max(d);
  const unsigned quarter = threadIdx.x % 32 / 8;
  return quarter < 2 ? (quarter == 0 ? a : b) : (quarter == 2 ? c : d);
}

// == lane_min
/// Over the lanes of the warp, for each of them.
template <class T>
__device__ inline T lane_min(T x) {
  for (int distance = 16; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, x, distance);
    x = other < x ? other : x;
  }
  return x;
}

// == mma 16x8x16
/// Fragments that the lanes of a warp hold together, dealt to them as the PTX ISA says of mma.m16n8k16: lane l has
/// rows (columns of b) l / 4 and l / 4 + 8, of these pairs of elements from 2 · (l % 4) on.
struct fragment_a {  // (16, 16)
  unsigned halves[4];
};
struct fragment_b {  // (16, 8)
  unsigned halves[2];
};
struct fragment_c {  // (16, 8)
  float sums[4];
};
__device__ inline unsigned two_halves(const f16* from) { return *reinterpret_cast<const unsigned*>(from); }
/// Rows that lie `stride` elements apart.
__device__ inline fragment_a load_a(const f16* from, int stride) {
  const int lane = threadIdx.x % 32;
  const f16* at = from + lane / 4 * stride + lane % 4 * 2;
  return {{two_halves(at), two_halves(at + 8 * stride), two_halves(at + 8), two_halves(at + 8 * stride + 8)}};
}
/// Columns that lie `stride` elements apart.
__device__ inline fragment_b load_b(const f16* from, int stride) {
  const int lane = threadIdx.x % 32;
  const f16* at = from + lane / 4 * stride + lane % 4 * 2;
  return {{two_halves(at), two_halves(at + 8)}};
}
/// Rows that lie `stride` elements apart.
__device__ inline fragment_c load_c(const float* from, int stride) {
  const int lane = threadIdx.x % 32;
  const float* at = from + lane / 4 * stride + lane % 4 * 2;
  return {{at[0], at[1], at[8 * stride], at[8 * stride + 1]}};
}
__device__ inline void store_c(float* to, int stride, fragment_c c) {
  const int lane = threadIdx.x % 32;
  float* at = to + lane / 4 * stride + lane % 4 * 2;
  at[0] = c.sums[0];
  at[1] = c.sums[1];
  at[8 * stride] = c.sums[2];
  at[8 * stride + 1] = c.sums[3];
}
/// a · b + c
__device__ inline fragment_c mma(fragment_a a, fragment_b b, fragment_c c) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c.sums[0]), "+f"(c.sums[1]), "+f"(c.sums[2]), "+f"(c.sums[3])
      : "r"(a.halves[0]), "r"(a.halves[1]), "r"(a.halves[2]), "r"(a.halves[3]), "r"(b.halves[0]), "r"(b.halves[1]));
  return c;
}

// == mma 16x8x8
/// Fragments that the lanes of a warp hold together, dealt to them as the PTX ISA says of mma.m16n8k8: lane l has
/// rows (columns of b) l / 4 and l / 4 + 8, of these pairs of elements from 2 · (l % 4) on.
struct fragment_a {  // (16, 8)
  unsigned halves[2];
};
struct fragment_b {  // (8, 8)
  unsigned halves[1];
};
struct fragment_c {  // (16, 8)
  float sums[4];
};
__device__ inline unsigned two_halves(const f16* from) { return *reinterpret_cast<const unsigned*>(from); }
/// Rows that lie `stride` elements apart.
__device__ inline fragment_a load_a(const f16* from, int stride) {
  const int lane = threadIdx.x % 32;
  const f16* at = from + lane / 4 * stride + lane % 4 * 2;
  return {{two_halves(at), two_halves(at + 8 * stride)}};
}
/// Columns that lie `stride` elements apart.
__device__ inline fragment_b load_b(const f16* from, int stride) {
  const int lane = threadIdx.x % 32;
  const f16* at = from + lane / 4 * stride + lane % 4 * 2;
  return {{two_halves(at)}};
}
/// Rows that lie `stride` elements apart.
__device__ inline fragment_c load_c(const float* from, int stride) {
  const int lane = threadIdx.x % 32;
  const float* at = from + lane / 4 * stride + lane % 4 * 2;
  return {{at[0], at[1], at[8 * stride], at[8 * stride + 1]}};
}
__device__ inline void store_c(float* to, int stride, fragment_c c) {
  const int lane = threadIdx.x % 32;
  float* at = to + lane / 4 * stride + lane % 4 * 2;
  at[0] = c.sums[0];
  at[1] = c.sums[1];
  at[8 * stride] = c.sums[2];
  at[8 * stride + 1] = c.sums[3];
}
/// a · b + c
__device__ inline fragment_c mma(fragment_a a, fragment_b b, fragment_c c) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(c.sums[0]), "+f"(c.sums[1]), "+f"(c.sums[2]), "+f"(c.sums[3])
      : "r"(a.halves[0]), "r"(a.halves[1]), "r"(b.halves[0]));
  return c;
}
