// --- what AVX2 and AVX-512 have instructions for: the same bits as the functions above ---

#if defined(__AVX512F__) && LANES == 16
template <>  // a kernel's own sqrt goes before it
inline f32x16 sqrt<f32x16>(f32x16 x) { return (f32x16)_mm512_sqrt_ps((__m512)x); }
inline f32x16 floor(f32x16 x) {
  return (f32x16)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
inline f32x16 round(f32x16 x) {
  return (f32x16)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline f32x16 min(f32x16 a, f32x16 b) { return (f32x16)_mm512_min_ps((__m512)a, (__m512)b); }
inline f32x16 max(f32x16 a, f32x16 b) { return (f32x16)_mm512_max_ps((__m512)a, (__m512)b); }
inline f32x16 fma(f32x16 a, f32x16 b, f32x16 c) { return (f32x16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }

template <>
inline f32x16 load<f32x16, f16>(const f16* from) {
  return (f32x16)_mm512_cvtph_ps(bytes_at<__m256i>(from));
}
template <>
inline f32x16 load<f32x16, bf16>(const bf16* from) {
  return (f32x16)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bytes_at<__m256i>(from)), 16);
}
template <>
inline i32x16 load<i32x16, std::int8_t>(const std::int8_t* from) {
  return (i32x16)_mm512_cvtepi8_epi32(bytes_at<__m128i>(from));
}
template <>
inline u32x16 load<u32x16, std::uint8_t>(const std::uint8_t* from) {
  return (u32x16)_mm512_cvtepu8_epi32(bytes_at<__m128i>(from));
}
template <>
inline i32x16 load<i32x16, std::int16_t>(const std::int16_t* from) {
  return (i32x16)_mm512_cvtepi16_epi32(bytes_at<__m256i>(from));
}
template <>
inline u32x16 load<u32x16, std::uint16_t>(const std::uint16_t* from) {
  return (u32x16)_mm512_cvtepu16_epi32(bytes_at<__m256i>(from));
}
template <>
inline f32x16 load_strided<f32x16, float>(const float* from, int stride) {
  return (f32x16)_mm512_i32gather_ps((__m512i)ramp<i32x16>(0, stride), from, 4);
}
template <>
inline u32x16 load_strided<u32x16, unsigned>(const unsigned* from, int stride) {
  return (u32x16)_mm512_i32gather_epi32((__m512i)ramp<i32x16>(0, stride), from, 4);
}
inline i32x16 max(i32x16 a, i32x16 b) { return (i32x16)_mm512_max_epi32((__m512i)a, (__m512i)b); }
template <>
inline void store<f16, f32x16>(f16* to, f32x16 v) {
  const __m256i halves = _mm512_cvtps_ph((__m512)v, 0);
  std::memcpy(to, &halves, sizeof halves);
}
template <>
inline void store<bf16, f32x16>(bf16* to, f32x16 v) {
  const __m512i bits = (__m512i)v, odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7fff));
  const __mmask16 nan = _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  const __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
  std::memcpy(to, &halves, sizeof halves);
}
template <>
inline void store<std::int8_t, i32x16>(std::int8_t* to, i32x16 v) {
  const __m128i bytes = _mm512_cvtepi32_epi8((__m512i)v);
  std::memcpy(to, &bytes, sizeof bytes);
}
template <>
inline i32x16 load_i8x4_first<i32x16>(const void* from, int count) {
  return (i32x16)_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << count) - 1), from);
}
template <>
inline i32x16 load_first<i32x16, int>(const int* from, int count) {
  return load_i8x4_first<i32x16>(from, count);
}
inline float lane_sum(f32x16 v) { return _mm512_reduce_add_ps((__m512)v); }  // halves meet, as above
inline float lane_max(f32x16 v) {
  const auto eights = halves_of(v);
  const __m256 eight = _mm256_max_ps((__m256)eights.low, (__m256)eights.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline f32x16 lane_sums(f32x16 a, f32x16 b, f32x16 c, f32x16 d) {
  constexpr int kLow = 0x44, kHigh = 0xee, kEven = 0x88, kOdd = 0xdd;  // quarters of one, then of the other
  const auto meet = [](f32x16 x, f32x16 y) {
    return (f32x16)_mm512_shuffle_f32x4((__m512)x, (__m512)y, kLow) +
           (f32x16)_mm512_shuffle_f32x4((__m512)x, (__m512)y, kHigh);
  };
  const f32x16 ab = meet(a, b), cd = meet(c, d);
  const f32x16 fours = (f32x16)_mm512_shuffle_f32x4((__m512)ab, (__m512)cd, kEven) +
                       (f32x16)_mm512_shuffle_f32x4((__m512)ab, (__m512)cd, kOdd);
  const f32x16 pairs = fours + (f32x16)_mm512_permute_ps((__m512)fours, 0x4e);
  return pairs + (f32x16)_mm512_permute_ps((__m512)pairs, 0xb1);
}
inline i32x16 lane_maxs(i32x16 a, i32x16 b, i32x16 c, i32x16 d) {
  constexpr int kLow = 0x44, kHigh = 0xee, kEven = 0x88, kOdd = 0xdd;  // as above
  const auto meet = [](i32x16 x, i32x16 y) {
    return max((i32x16)_mm512_shuffle_i32x4((__m512i)x, (__m512i)y, kLow),
               (i32x16)_mm512_shuffle_i32x4((__m512i)x, (__m512i)y, kHigh));
  };
  const i32x16 ab = meet(a, b), cd = meet(c, d);
  const i32x16 fours = max((i32x16)_mm512_shuffle_i32x4((__m512i)ab, (__m512i)cd, kEven),
                           (i32x16)_mm512_shuffle_i32x4((__m512i)ab, (__m512i)cd, kOdd));
  const i32x16 pairs = max(fours, (i32x16)_mm512_permute_ps((__m512)fours, 0x4e));
  return max(pairs, (i32x16)_mm512_permute_ps((__m512)pairs, 0xb1));
}
#if defined(__AVX512BW__)
inline i32x16 pair_dots_us(i32x16 a, i32x16 b, i32x16 sums) {
  sums = (i32x16)_mm512_add_epi16((__m512i)sums, _mm512_maddubs_epi16((__m512i)a, (__m512i)b));
  asm("" : "+v"(sums));  // in order: g++ would add up products as a tree, with all of them in memory
  return sums;
}
inline i32x16 pair_sum(i32x16 sums) { return (i32x16)_mm512_madd_epi16((__m512i)sums, _mm512_set1_epi16(1)); }
#endif
#if defined(__AVX512VNNI__)
inline i32x16 dot4_us(i32x16 a, i32x16 b, i32x16 sum) {
  return (i32x16)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
}
inline i32x16 dot4(i32x16 a, i32x16 b, i32x16 sum) {  // (a + 128) · b - 128 · b
  const i32x16 top = splat<i32x16>(static_cast<int>(0x80808080u));
  return dot4_us(a ^ top, b, sum) - dot4_us(top, b, i32x16{});
}
#elif defined(__AVX512BW__)
// Sums of two products are kept in 16 bits: exact where they fit.
inline i32x16 dot4_us(i32x16 a, i32x16 b, i32x16 sum) {
  const __m512i pairs = _mm512_maddubs_epi16((__m512i)a, (__m512i)b);
  sum += (i32x16)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
  asm("" : "+v"(sum));  // as above
  return sum;
}
inline i32x16 dot4(i32x16 a, i32x16 b, i32x16 sum) {  // |a| · (b with a's sign); b has no -128
  const __m512i with_sign =
      _mm512_mask_sub_epi8((__m512i)b, _mm512_movepi8_mask((__m512i)a), __m512i{}, (__m512i)b);
  return dot4_us((i32x16)_mm512_abs_epi8((__m512i)a), (i32x16)with_sign, sum);
}
#endif
#endif

#if defined(__AVX512BF16__) && defined(__AVX512BW__) && LANES == 16
/// What is below 2^-126 becomes 0.
inline u32x16 bf16_pair(f32x16 a, f32x16 b) {
  const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);  // of a, then of b
  const i32x16 pairs = ramp<i32x16>(0x00100000, 0x00010001);                  // places 0, 16, 1, 17, …
  return (u32x16)_mm512_permutexvar_epi16((__m512i)pairs, halves);
}
template <>
inline u32x16 load_pairs<u32x16, f16>(const f16* from) {  // pairs lie as they shall
  return (u32x16)_mm512_cvtne2ps_pbh((__m512)load<f32x16>(from + 16), (__m512)load<f32x16>(from));
}
template <>
inline u32x16 load_pairs<u32x16, float>(const float* from) {
  return (u32x16)_mm512_cvtne2ps_pbh((__m512)load<f32x16>(from + 16), (__m512)load<f32x16>(from));
}
template <>
inline u32x16 load_pairs<u32x16, bf16>(const bf16* from) {
  return bytes_at<u32x16>(from);
}
/// What is below 2^-126, before or after, becomes 0.
inline f32x16 bf16_dot(u32x16 a, u32x16 b, f32x16 sum) {
  return (f32x16)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
#endif

#if (defined(__AMX_BF16__) || defined(__AMXBF16__)) && LANES == 16
// --- fragments of matrices, 32 x 32: tiles of 16 rows of 64 bytes. Registers 0 to 3 are the one of sums, 4 and 5 the one
// --- of x, 6 and 7 that of W: its types hold nothing ---

/// The registers are set up as long as this lives. The host has asked the system for them.
struct TileRegisters {
  TileRegisters() {
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } const eight;
    __asm__ volatile("ldtilecfg %0" : : "m"(eight));
  }
  ~TileRegisters() { __asm__ volatile("tilerelease"); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

// The intrinsics of g++ 12 do not say that they touch memory.
#define TILE_LOAD(number, from, bytes) \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #number : : "r"(from), "r"(bytes) : "memory")
#define TILE_STORE(number, to, bytes) \
  __asm__ volatile("tilestored %%tmm" #number ", (%0,%1,1)" : : "r"(to), "r"(bytes) : "memory")
#define TILE_MULTIPLY(a, b, c) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)

struct mma_a {};
struct mma_b {};
struct mma_c {
  mma_c() { __asm__ volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3" : :); }
};
/// 32 rows of 32 k, `stride` elements apart.
inline mma_a load_a(const bf16* from, int stride) {
  const long bytes = long{stride} * 2;
  TILE_LOAD(4, from, bytes);
  TILE_LOAD(5, from + 16 * long{stride}, bytes);
  return {};
}
inline mma_a load_a(const unsigned* pairs, int stride) {
  return load_a(reinterpret_cast<const bf16*>(pairs), 2 * stride);
}
/// 16 pairs of k of 32 columns, `stride` pairs apart.
inline mma_b load_b(const unsigned* from, int stride) {
  const long bytes = long{stride} * 4;
  TILE_LOAD(6, from, bytes);
  TILE_LOAD(7, from + 16, bytes);
  return {};
}
/// The sums plus a · b.
inline const mma_c& mma(mma_a, mma_b, const mma_c& sums) {
  TILE_MULTIPLY(4, 6, 0);
  TILE_MULTIPLY(4, 7, 1);
  TILE_MULTIPLY(5, 6, 2);
  TILE_MULTIPLY(5, 7, 3);
  return sums;
}
/// 32 rows of 32 columns, `stride` elements apart.
inline void store_c(float* to, int stride, const mma_c&) {
  const long bytes = long{stride} * 4;
  TILE_STORE(0, to, bytes);
  TILE_STORE(1, to + 16, bytes);
  TILE_STORE(2, to + 16 * long{stride}, bytes);
  TILE_STORE(3, to + 16 * long{stride} + 16, bytes);
}
#endif

#if defined(__AVX2__) && defined(__F16C__) && LANES == 8
template <>  // a kernel's own sqrt goes before it
inline f32x8 sqrt<f32x8>(f32x8 x) { return (f32x8)_mm256_sqrt_ps((__m256)x); }
inline f32x8 floor(f32x8 x) { return (f32x8)_mm256_floor_ps((__m256)x); }
inline f32x8 round(f32x8 x) {
  return (f32x8)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline f32x8 min(f32x8 a, f32x8 b) { return (f32x8)_mm256_min_ps((__m256)a, (__m256)b); }
inline f32x8 max(f32x8 a, f32x8 b) { return (f32x8)_mm256_max_ps((__m256)a, (__m256)b); }
#if defined(__FMA__)
inline f32x8 fma(f32x8 a, f32x8 b, f32x8 c) { return (f32x8)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#endif

template <>
inline f32x8 load<f32x8, f16>(const f16* from) {
  return (f32x8)_mm256_cvtph_ps(bytes_at<__m128i>(from));
}
template <>
inline f32x8 load<f32x8, bf16>(const bf16* from) {
  return (f32x8)_mm256_slli_epi32(_mm256_cvtepu16_epi32(bytes_at<__m128i>(from)), 16);
}
template <>
inline i32x8 load<i32x8, std::int8_t>(const std::int8_t* from) {
  return (i32x8)_mm256_cvtepi8_epi32(_mm_cvtsi64_si128(bytes_at<long long>(from)));
}
template <>
inline u32x8 load<u32x8, std::uint8_t>(const std::uint8_t* from) {
  return (u32x8)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(bytes_at<long long>(from)));
}
template <>
inline i32x8 load<i32x8, std::int16_t>(const std::int16_t* from) {
  return (i32x8)_mm256_cvtepi16_epi32(bytes_at<__m128i>(from));
}
template <>
inline u32x8 load<u32x8, std::uint16_t>(const std::uint16_t* from) {
  return (u32x8)_mm256_cvtepu16_epi32(bytes_at<__m128i>(from));
}
template <>
inline f32x8 load_strided<f32x8, float>(const float* from, int stride) {
  return (f32x8)_mm256_i32gather_ps(from, (__m256i)ramp<i32x8>(0, stride), 4);
}
template <>
inline void store<f16, f32x8>(f16* to, f32x8 v) {
  const __m128i halves = _mm256_cvtps_ph((__m256)v, 0);
  std::memcpy(to, &halves, sizeof halves);
}
inline float lane_sum(f32x8 v) {
  const __m128 fours = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  const __m128 pairs = _mm_add_ps(fours, _mm_movehl_ps(fours, fours));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps(pairs, pairs, 1)));
}
inline f32x8 lane_sums(f32x8 a, f32x8 b, f32x8 c, f32x8 d) {
  const auto meet = [](f32x8 x, f32x8 y) {
    return (f32x8)_mm256_permute2f128_ps((__m256)x, (__m256)y, 0x20) +
           (f32x8)_mm256_permute2f128_ps((__m256)x, (__m256)y, 0x31);
  };
  const f32x8 ac = meet(a, c), bd = meet(b, d);
  const f32x8 pairs = (f32x8)_mm256_shuffle_ps((__m256)ac, (__m256)bd, 0x44) +
                      (f32x8)_mm256_shuffle_ps((__m256)ac, (__m256)bd, 0xee);
  return pairs + (f32x8)_mm256_permute_ps((__m256)pairs, 0xb1);
}
inline i32x8 lane_maxs(i32x8 a, i32x8 b, i32x8 c, i32x8 d) {
  const auto larger = [](__m256i x, __m256i y) { return _mm256_max_epi32(x, y); };
  const auto meet = [&](i32x8 x, i32x8 y) {
    return (__m256)larger(_mm256_permute2x128_si256((__m256i)x, (__m256i)y, 0x20),
                          _mm256_permute2x128_si256((__m256i)x, (__m256i)y, 0x31));
  };
  const __m256 ac = meet(a, c), bd = meet(b, d);
  const __m256i pairs = larger((__m256i)_mm256_shuffle_ps(ac, bd, 0x44), (__m256i)_mm256_shuffle_ps(ac, bd, 0xee));
  return (i32x8)larger(pairs, _mm256_shuffle_epi32(pairs, 0xb1));
}
inline i32x8 pair_dots_us(i32x8 a, i32x8 b, i32x8 sums) {
  sums = (i32x8)_mm256_add_epi16((__m256i)sums, _mm256_maddubs_epi16((__m256i)a, (__m256i)b));
  asm("" : "+x"(sums));  // in order: g++ would add up products as a tree, with all of them in memory
  return sums;
}
inline i32x8 pair_sum(i32x8 sums) { return (i32x8)_mm256_madd_epi16((__m256i)sums, _mm256_set1_epi16(1)); }
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
inline i32x8 dot4_us(i32x8 a, i32x8 b, i32x8 sum) {
  return (i32x8)_mm256_dpbusd_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
}
#elif defined(__AVXVNNI__)
inline i32x8 dot4_us(i32x8 a, i32x8 b, i32x8 sum) {
  return (i32x8)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
}
#else
// Sums of two products are kept in 16 bits: exact where they fit.
inline i32x8 dot4_us(i32x8 a, i32x8 b, i32x8 sum) {
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)a, (__m256i)b);
  sum += (i32x8)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  asm("" : "+x"(sum));  // as above
  return sum;
}
#endif
#if (defined(__AVX512VNNI__) && defined(__AVX512VL__)) || defined(__AVXVNNI__)
inline i32x8 dot4(i32x8 a, i32x8 b, i32x8 sum) {  // (a + 128) · b - 128 · b
  const i32x8 top = splat<i32x8>(static_cast<int>(0x80808080u));
  return dot4_us(a ^ top, b, sum) - dot4_us(top, b, i32x8{});
}
#else
inline i32x8 dot4(i32x8 a, i32x8 b, i32x8 sum) {  // |a| · (b with a's sign); b has no -128
  const __m256i size = _mm256_abs_epi8((__m256i)a);
  return dot4_us((i32x8)size, (i32x8)_mm256_sign_epi8((__m256i)b, (__m256i)a), sum);
}
#endif
#endif
