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
inline void store<f16, f32x16>(f16* to, f32x16 v) {
  const __m256i halves = _mm512_cvtps_ph((__m512)v, 0);
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
  return sum + (i32x16)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
}
inline i32x16 dot4(i32x16 a, i32x16 b, i32x16 sum) {  // |a| · (b with a's sign); b has no -128
  const __m512i with_sign =
      _mm512_mask_sub_epi8((__m512i)b, _mm512_movepi8_mask((__m512i)a), __m512i{}, (__m512i)b);
  return dot4_us((i32x16)_mm512_abs_epi8((__m512i)a), (i32x16)with_sign, sum);
}
#endif
#endif

#if defined(__AVX2__) && defined(__F16C__) && LANES == 8
template <>  // a kernel's own sqrt goes before it
inline f32x8 sqrt<f32x8>(f32x8 x) { return (f32x8)_mm256_sqrt_ps((__m256)x); }
inline f32x8 floor(f32x8 x) { return (f32x8)_mm256_floor_ps((__m256)x); }
inline f32x8 round(f32x8 x) {
  return (f32x8)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

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
  return sum + (i32x8)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
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
