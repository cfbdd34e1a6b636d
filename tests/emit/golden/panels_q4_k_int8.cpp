#ifndef RECORD_int8_words
#define RECORD_int8_words
struct int8_words {  // 48 bytes
  float d;
  float d_sum;
  int sum;
  int first_sum;
  int qs[8];
};
#endif

#ifndef RECORD_q4_k_x16
#define RECORD_q4_k_x16
struct q4_k_x16 {  // 2304 bytes
  std::int8_t qs[2048];
  std::int8_t scales[192];
  f16 d[16];
  f16 dmin[16];
};
#endif

#ifndef RECORD_int8_words
#define RECORD_int8_words
struct int8_words {  // 48 bytes
  float d;
  float d_sum;
  int sum;
  int first_sum;
  int qs[8];
};
#endif

#ifndef RECORD_q4_k_x16
#define RECORD_q4_k_x16
struct q4_k_x16 {  // 2304 bytes
  std::int8_t qs[2048];
  std::int8_t scales[192];
  f16 d[16];
  f16 dmin[16];
};
#endif

extern "C" void panels_q4_k_int8(
    const int8_words* x_int8,  // (N, K / 32)
    const q4_k_x16* w,         // (M, K)
    float* __restrict y,
    int group) {
  f32x16 sum{};
  const int first_column = group * 16;
  const int first_block = first_column / 16 * 2;
  for (int b = 0; b < 2; ++b) {
    const int at = first_block + b;
    UNROLL(3)
    for (int line = 0; line < 3; ++line) {
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at].scales[line * 64]) + 4096);
    }
    __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
    UNROLL(2)
    for (int g = 0; g < 8; ++g) {
      const int at_2 = g * 4;
      UNROLL(4)
      for (int line = 0; line < 4; ++line) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[(at_2 + line) * 64]) + 4096);
      }
      i32x16 dot[2]{};
      const int x_at = b * 8 + g;
      UNROLL(4)
      for (int i = 0; i < 4; ++i) {
        UNROLL(2)
        for (int c = 0; c < 2; ++c) {
          const int at_3 = i * 2 + c;
          const i32x16 quants = (load_i8x4<i32x16>(&w[at].qs[(g / 2 * 8 + at_3) * 16 * 4]) >>
              (g % 2 * 4)) & 0x0f0f0f0f;
          const i32x16 q = quants;
          dot[c] = dot4_us(q, splat<i32x16>(x_int8[x_at].qs[at_3]), dot[c]);
        }
      }
      const int at_3 = min(g, 11);
      const int at_4 = min(g + 4, 11);
      const int at_5 = at_4 / 4 * 16 * 4;
      const int at_6 = max(g - 4, 0);
      const bool is = g < 4;
      const int at_7 = at_4 % 4 * 8;
      const f32x16 scale = load<f32x16>(&w[at].d[0]) *
          convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at].scales[at_3 / 4 * 16 *
          4]) >> (at_3 % 4 * 8)) & 63, ((load_i8x4<i32x16>(&w[at].scales[at_5]) >> at_7) & 15) |
          (((load_i8x4<i32x16>(&w[at].scales[at_6 / 4 * 16 * 4]) >> (at_6 % 4 * 8 + 6)) & 3) <<
          4)));
      sum = fma(convert<f32x16>(dot[0] + dot[1]), scale * x_int8[x_at].d, sum);
      const f32x16 low = -(load<f32x16>(&w[at].dmin[0]) *
          convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at].scales[at_5]) >>
          at_7) & 63, ((load_i8x4<i32x16>(&w[at].scales[at_5]) >> (at_7 + 4)) & 15) |
          (((load_i8x4<i32x16>(&w[at].scales[g / 4 * 16 * 4]) >> (g % 4 * 8 + 6)) & 3) << 4))));
      sum = fma(low, splat<f32x16>(x_int8[x_at].d_sum), sum);
    }
  }
  store(&y[first_column], sum);
}
