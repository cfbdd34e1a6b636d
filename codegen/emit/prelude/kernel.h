// Types and functions of the kernels below: vectors of LANES elements, memory kinds, lane operations.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Vectors wider than the machine's are passed between inlined functions only; g++ 12 warns about its own intrinsics.
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Waddress-of-packed-member"  // loads take any address
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

// UNROLL_AROUND: around a loop that stays one. clang warns where all copies are too long for it, and it may have unrolled
// the inner loop already: it decides by itself.
#if defined(__clang__)
#define UNROLL(n) _Pragma("clang loop unroll(full)")
#define UNROLL_AROUND(n)
#else
#define UNROLL_TEXT(text) _Pragma(#text)
#define UNROLL(n) UNROLL_TEXT(GCC unroll n)
#define UNROLL_AROUND(n) UNROLL(n)
#endif

namespace kernel {

// --- what lies in memory only; callers know these types too ---

struct f16 {
  std::uint16_t bits;
};
struct bf16 {
  std::uint16_t bits;
};
struct b1 {
  std::uint8_t byte;
};

namespace {

inline float widen(float x) { return x; }
inline double widen(double x) { return x; }
inline int widen(int x) { return x; }
inline unsigned widen(unsigned x) { return x; }
inline std::int64_t widen(std::int64_t x) { return x; }
inline std::uint64_t widen(std::uint64_t x) { return x; }
inline int widen(std::int8_t x) { return x; }
inline int widen(std::int16_t x) { return x; }
inline unsigned widen(std::uint8_t x) { return x; }
inline unsigned widen(std::uint16_t x) { return x; }
inline int widen(b1 x) { return x.byte != 0 ? -1 : 0; }
inline float widen(bf16 x) { return std::bit_cast<float>(static_cast<unsigned>(x.bits) << 16); }
inline float widen(f16 x) {
#if defined(__F16C__)
  return _cvtsh_ss(x.bits);
#elif defined(__aarch64__)
  return static_cast<float>(std::bit_cast<__fp16>(x.bits));
#else
  const unsigned sign = (x.bits & 0x8000u) << 16, rest = x.bits & 0x7fffu;
  if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  if (rest < 0x400u) {  // rest · 2^-24
    const float size = static_cast<float>(rest) * 5.9604645e-8f;
    return sign != 0 ? -size : size;
  }
  return std::bit_cast<float>(sign | ((rest << 13) + 0x38000000u));
#endif
}

/// Floats to nearest, ties to even; integers keep their low bits.
template <class T, class S>
inline T narrow(S x) {
  return static_cast<T>(x);
}
template <>
inline b1 narrow<b1, bool>(bool x) {
  return {static_cast<std::uint8_t>(x)};
}
template <>
inline b1 narrow<b1, int>(int x) {  // an element of a mask
  return {static_cast<std::uint8_t>(x != 0)};
}
template <>
inline bf16 narrow<bf16, float>(float x) {
  const unsigned bits = std::bit_cast<unsigned>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}
template <>
inline f16 narrow<f16, float>(float x) {
#if defined(__F16C__)
  return {static_cast<std::uint16_t>(_cvtss_sh(x, 0))};
#elif defined(__aarch64__)
  return {std::bit_cast<std::uint16_t>(static_cast<__fp16>(x))};
#else
  const unsigned bits = std::bit_cast<unsigned>(x), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return {static_cast<std::uint16_t>(sign | 0x7e00u | (size >> 13 & 0x1ffu))};
  if (size >= 0x477ff000u) return {static_cast<std::uint16_t>(sign | 0x7c00u)};
  if (size >= 0x38800000u)
    return {static_cast<std::uint16_t>(sign | (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13)};
  if (size < 0x33000000u) return {static_cast<std::uint16_t>(sign)};
  // Below the smallest normal: a multiple of 2^-24; adding 0.5 rounds at that place.
  const float shifted = std::bit_cast<float>(size) + 0.5f;
  return {static_cast<std::uint16_t>(sign | (std::bit_cast<unsigned>(shifted) & 0x3ffu) | (std::bit_cast<unsigned>(shifted) & 0x400u))};
#endif
}

// --- numbers ---

template <class T>
inline T min(T a, T b) {
  return a < b ? a : b;
}
template <class T>
inline T max(T a, T b) {
  return a > b ? a : b;
}
inline float abs(float x) { return __builtin_fabsf(x); }
inline double abs(double x) { return __builtin_fabs(x); }
inline int abs(int x) { return x < 0 ? static_cast<int>(0u - static_cast<unsigned>(x)) : x; }
inline std::int64_t abs(std::int64_t x) {
  return x < 0 ? static_cast<std::int64_t>(std::uint64_t{0} - static_cast<std::uint64_t>(x)) : x;
}
inline unsigned abs(unsigned x) { return x; }
inline std::uint64_t abs(std::uint64_t x) { return x; }
template <class T>
requires std::is_floating_point_v<T>  // a kernel's own sqrt of f32 goes before it
inline T sqrt(T x) {
  if constexpr (std::is_same_v<T, float>) return __builtin_sqrtf(x);
  return __builtin_sqrt(x);
}
inline float floor(float x) { return __builtin_floorf(x); }
inline double floor(double x) { return __builtin_floor(x); }
inline float round(float x) { return __builtin_rintf(x); }
inline double round(double x) { return __builtin_rint(x); }
inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
template <class T, class S>
inline T bitcast(S x) {
  return std::bit_cast<T>(x);
}
/// Whatever the address.
template <class T>
inline T bytes_at(const void* from) {
  T all;
  std::memcpy(&all, from, sizeof all);
  return all;
}
inline int load_i8x4(const void* from) { return bytes_at<int>(from); }

#if LANES > 1
// --- vectors ---

template <class T, int N>
struct Vector {
  typedef T type __attribute__((vector_size(sizeof(T) * N)));
};
template <class V>
using element = std::remove_cvref_t<decltype(std::declval<V&>()[0])>;
template <class V>
inline constexpr int lanes_of = static_cast<int>(sizeof(V) / sizeof(element<V>));
/// Has elements of its own: not a plain number.
template <class V>
concept IsVector = requires(V v) { v[0]; } && !std::is_pointer_v<V>;

VECTORS

template <class V>
inline V splat(element<V> x) {
  return x - V{};
}
template <class V>
inline V splat(bool x) requires std::is_same_v<element<V>, int> {
  return V{} - static_cast<int>(x);
}

template <class V>
inline V ramp(element<V> base, element<V> stride = 1) {
  V v;  // numbers that compilers know
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = static_cast<element<V>>(i);
  return base + v * stride;
}
/// Lanes below `count` are true.
template <class V>
inline V first_lanes(int count) {
  return ramp<V>(0) < count;
}

template <IsVector V>
inline V select(typename Vector<int, lanes_of<V>>::type mask, V a, V b) {
  if constexpr (sizeof(element<V>) == 4) {
    return mask ? a : b;
  } else {
    using Bits = typename Vector<std::int64_t, lanes_of<V>>::type;
    const Bits wide = __builtin_convertvector(mask, Bits);
    return (V)((wide & (Bits)a) | (~wide & (Bits)b));
  }
}
/// A comparison of 64-bit elements as a mask of 32-bit ones.
template <IsVector V>
inline auto mask_of(V comparison) {
  return __builtin_convertvector(comparison, typename Vector<int, lanes_of<V>>::type);
}

template <class V, IsVector S>
inline V convert(S x) {
  return __builtin_convertvector(x, V);
}
template <class V, IsVector S>
inline V bitcast(S x) {
  return (V)x;
}
template <IsVector V>
inline V min(V a, V b) {
  return a < b ? a : b;
}
template <IsVector V>
inline V max(V a, V b) {
  return a > b ? a : b;
}
template <IsVector V>
inline V abs(V x) {
  if constexpr (std::is_same_v<element<V>, float>)
    return (V)((typename Vector<int, lanes_of<V>>::type)x & 0x7fffffff);
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = abs(x[i]);
  return v;
}
template <IsVector V>
inline V sqrt(V x) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = sqrt(x[i]);
  return v;
}
template <IsVector V>
inline V floor(V x) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = floor(x[i]);
  return v;
}
template <IsVector V>
inline V round(V x) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = round(x[i]);
  return v;
}
template <IsVector V>
inline V fma(V a, V b, V c) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = fma(a[i], b[i], c[i]);
  return v;
}

#endif

DOTS
#if LANES > 1
// --- memory ---

template <class V, class T>
inline V load(const T* from) {
  V v;
  if constexpr (std::is_same_v<element<V>, T>) {
    std::memcpy(&v, from, sizeof(V));
    return v;
  }
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = widen(from[i]);
  return v;
}
/// The first `count` lanes, 0 in the others.
template <class V, class T>
inline V load_first(const T* from, int count) {
  V v{};
  if constexpr (std::is_same_v<element<V>, T>) {
    std::memcpy(&v, from, sizeof(T) * static_cast<std::size_t>(count));
    return v;
  }
  for (int i = 0; i < count; ++i) v[i] = widen(from[i]);
  return v;
}
/// Lane i from from[i · stride].
template <class V, class T>
inline V load_strided(const T* from, int stride) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = widen(from[i * stride]);
  return v;
}
/// Lane i: bf16_pair of from[2 i] and from[2 i + 1].
template <class V, class T>
inline V load_pairs(const T* from) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = bf16_pair(widen(from[i * 2]), widen(from[i * 2 + 1]));
  return v;
}
template <class V, class T, class I>
inline V gather(const T* from, I at) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = widen(from[at[i]]);
  return v;
}
template <class V, class T, class I>
inline V gather_first(const T* from, I at, int count) {
  V v{};
  for (int i = 0; i < count; ++i) v[i] = widen(from[at[i]]);
  return v;
}
/// Four bytes from there on as one value: neighbours, and each lane its own.
template <class V>
inline V load_i8x4(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class V>
inline V load_i8x4_first(const void* from, int count) {
  V v{};
  std::memcpy(&v, from, 4 * static_cast<std::size_t>(count));
  return v;
}
template <class V, class T, class I>
inline V gather_i8x4(const T* from, I at, int count = lanes_of<V>) {
  V v{};
  for (int i = 0; i < count; ++i) v[i] = load_i8x4(from + at[i]);
  return v;
}
/// read(block, at) in each lane.
template <class V, class I, class F>
inline V gather_by(I block, I at, F read, int count = lanes_of<V>) {
  V v{};
  for (int i = 0; i < count; ++i) v[i] = read(block[i], at[i]);
  return v;
}
template <class T, class V>
inline void store(T* to, V v) {
  if constexpr (std::is_same_v<element<V>, T>) {
    std::memcpy(to, &v, sizeof(V));
    return;
  }
  for (int i = 0; i < lanes_of<V>; ++i) to[i] = narrow<T>(static_cast<element<V>>(v[i]));
}
template <class T, class V>
inline void store_first(T* to, V v, int count) {
  for (int i = 0; i < count; ++i) to[i] = narrow<T>(static_cast<element<V>>(v[i]));
}
template <class T, class I, class V>
inline void scatter(T* to, I at, V v) {
  for (int i = 0; i < lanes_of<V>; ++i) to[at[i]] = narrow<T>(static_cast<element<V>>(v[i]));
}
template <class T, class I, class V>
inline void scatter_first(T* to, I at, V v, int count) {
  for (int i = 0; i < count; ++i) to[at[i]] = narrow<T>(static_cast<element<V>>(v[i]));
}

// --- over lanes: halves meet, then quarters, … ---

template <class V>
struct Halves {
  typename Vector<element<V>, lanes_of<V> / 2>::type low, high;
};
/// By shuffles, which stay in registers: g++ 12 puts a struct's bits through memory.
template <class V, int... I>
inline Halves<V> halves_of(V v, std::integer_sequence<int, I...>) {
  return {__builtin_shufflevector(v, v, I...), __builtin_shufflevector(v, v, (I + lanes_of<V> / 2)...)};
}
template <class V>
inline Halves<V> halves_of(V v) {
  return halves_of(v, std::make_integer_sequence<int, lanes_of<V> / 2>());
}
template <IsVector V>
inline element<V> lane_sum(V v) {
  if constexpr (lanes_of<V> == 2) {
    return v[0] + v[1];
  } else {
    const auto h = halves_of(v);
    return lane_sum(h.low + h.high);
  }
}
/// Each quarter of the lanes: the sum of one of the four.
template <IsVector V>
inline V lane_sums(V a, V b, V c, V d) {
  const element<V> sums[] = {lane_sum(a), lane_sum(b), lane_sum(c), lane_sum(d)};
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = sums[4 * i / lanes_of<V>];
  return v;
}
template <IsVector V>
inline element<V> lane_max(V v) {
  if constexpr (lanes_of<V> == 2) {
    return max(v[0], v[1]);
  } else {
    const auto h = halves_of(v);
    return lane_max(max(h.low, h.high));
  }
}
/// Quarters of the lanes as rows of a matrix, transposed.
template <class V, int... I>
inline V lane_turn(V v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, (I % 4 * (lanes_of<V> / 4) + I / 4)...);
}
template <IsVector V>
inline V lane_turn(V v) {
  return lane_turn(v, std::make_integer_sequence<int, lanes_of<V>>());
}
/// Each quarter of the lanes: the largest of one of the four.
template <IsVector V>
inline V lane_maxs(V a, V b, V c, V d) {
  const element<V> largest[] = {lane_max(a), lane_max(b), lane_max(c), lane_max(d)};
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = largest[4 * i / lanes_of<V>];
  return v;
}
template <IsVector V>
inline element<V> lane_min(V v) {
  if constexpr (lanes_of<V> == 2) {
    return min(v[0], v[1]);
  } else {
    const auto h = halves_of(v);
    return lane_min(min(h.low, h.high));
  }
}

/// Elements of a and of b by turns: from `first` on in each.
template <int first, class V, int... I>
inline V interleaved(V a, V b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (first + I / 2 + I % 2 * lanes_of<V>)...);
}
/// Lane j of rows[i] becomes lane i of rows[j].
template <IsVector V, int n>
inline void turn(V (&rows)[n]) {
  static_assert(n == lanes_of<V>);
  constexpr auto lanes = std::make_integer_sequence<int, n>();
  UNROLL(8)
  for (int done = 1; done < n; done *= 2) {
    V now[n];
    UNROLL(32)
    for (int i = 0; i < n / 2; ++i) {
      now[i * 2] = interleaved<0>(rows[i], rows[i + n / 2], lanes);
      now[i * 2 + 1] = interleaved<n / 2>(rows[i], rows[i + n / 2], lanes);
    }
    UNROLL(64)
    for (int i = 0; i < n; ++i) rows[i] = now[i];
  }
}

INSTRUCTIONS
#endif

}  // namespace
}  // namespace kernel
