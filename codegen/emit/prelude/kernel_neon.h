// --- what NEON has instructions for: the same bits as the functions above ---

#if defined(__aarch64__) && LANES == 4
template <>  // a kernel's own sqrt goes before it
inline f32x4 sqrt<f32x4>(f32x4 x) { return (f32x4)vsqrtq_f32((float32x4_t)x); }
inline f32x4 floor(f32x4 x) { return (f32x4)vrndmq_f32((float32x4_t)x); }
inline f32x4 round(f32x4 x) { return (f32x4)vrndnq_f32((float32x4_t)x); }
inline f32x4 fma(f32x4 a, f32x4 b, f32x4 c) {
  return (f32x4)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

template <>
inline f32x4 load<f32x4, f16>(const f16* from) {
  return (f32x4)vcvt_f32_f16(bytes_at<float16x4_t>(from));
}
template <>
inline f32x4 load<f32x4, bf16>(const bf16* from) {
  return (f32x4)vshlq_n_u32(vmovl_u16(bytes_at<uint16x4_t>(from)), 16);
}
template <>
inline i32x4 load<i32x4, std::int8_t>(const std::int8_t* from) {
  return (i32x4)vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(load_i8x4(from))))));
}
template <>
inline u32x4 load<u32x4, std::uint8_t>(const std::uint8_t* from) {
  return (u32x4)vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_s32(vdup_n_s32(load_i8x4(from))))));
}
template <>
inline i32x4 load<i32x4, std::int16_t>(const std::int16_t* from) {
  return (i32x4)vmovl_s16(bytes_at<int16x4_t>(from));
}
template <>
inline u32x4 load<u32x4, std::uint16_t>(const std::uint16_t* from) {
  return (u32x4)vmovl_u16(bytes_at<uint16x4_t>(from));
}
template <>
inline void store<f16, f32x4>(f16* to, f32x4 v) {
  const float16x4_t halves = vcvt_f16_f32((float32x4_t)v);
  std::memcpy(to, &halves, sizeof halves);
}
#if defined(__ARM_FEATURE_DOTPROD)
inline i32x4 dot4(i32x4 a, i32x4 b, i32x4 sum) {
  return (i32x4)vdotq_s32((int32x4_t)sum, (int8x16_t)a, (int8x16_t)b);
}
#endif
#endif
