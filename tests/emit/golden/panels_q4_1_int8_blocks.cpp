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

#ifndef RECORD_q4_1_x16
#define RECORD_q4_1_x16
struct q4_1_x16 {  // 320 bytes
  std::int8_t qs[256];
  f16 d[16];
  f16 m[16];
};
#endif

#ifndef RECORD_int8_block
#define RECORD_int8_block
struct __attribute__((packed)) int8_block {  // 48 bytes
  float d;
  float d_sum;
  int sum;
  int first_sum;
  std::int8_t qs[32];
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

#ifndef RECORD_q4_1_x16
#define RECORD_q4_1_x16
struct q4_1_x16 {  // 320 bytes
  std::int8_t qs[256];
  f16 d[16];
  f16 m[16];
};
#endif

#ifndef RECORD_int8_block
#define RECORD_int8_block
struct __attribute__((packed)) int8_block {  // 48 bytes
  float d;
  float d_sum;
  int sum;
  int first_sum;
  std::int8_t qs[32];
};
#endif

extern "C" void panels_q4_1_int8_blocks(
    const int8_words* x_int8,       // (N, K / 32)
    const q4_1_x16* w,              // (M, K)
    int8_block* __restrict y_int8,  // (rows, blocks)
    int group) {
  f32x16 y[16]{};
  f32x16 sum[16]{};
  const int first_column = group * 32;
  const int at = first_column / 16;
  const int first_block = at * 18;
  const int first_block_2 = (at + 1) * 18;
  for (int b = 0; b < 18; ++b) {
    const int at_2 = first_block + b;
    UNROLL(4)
    for (int line = 0; line < 4; ++line) {
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at_2].qs[line * 64]) + 11520);
    }
    __builtin_prefetch(reinterpret_cast<const char*>(&w[at_2].d[0]) + 11520);
    const int at_3 = first_block_2 + b;
    UNROLL(4)
    for (int line = 0; line < 4; ++line) {
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at_3].qs[line * 64]) + 11520);
    }
    __builtin_prefetch(reinterpret_cast<const char*>(&w[at_3].d[0]) + 11520);
    i32x16 dot[16]{};
    UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      const int at_4 = i * 64;
      const i32x16 quants = load_i8x4<i32x16>(&w[at_2].qs[at_4]);
      const i32x16 quants_2 = load_i8x4<i32x16>(&w[at_3].qs[at_4]);
      UNROLL(2)
      for (int half_2 = 0; half_2 < 2; ++half_2) {
        const int at_5 = half_2 * 4;
        const i32x16 q = (quants >> at_5) & 0x0f0f0f0f;
        const int at_6 = i + at_5;
        const i32x16 q_2 = (quants_2 >> at_5) & 0x0f0f0f0f;
        UNROLL(8)
        for (int m = 0; m < 8; ++m) {
          const int qs = (x_int8 + b)[m * 18].qs[at_6];
          const int at_7 = m * 2;
          dot[at_7] = dot4_us(q, splat<i32x16>(qs), dot[at_7]);
          const int at_8 = at_7 + 1;
          dot[at_8] = dot4_us(q_2, splat<i32x16>(qs), dot[at_8]);
        }
      }
    }
    const f32x16 scale = load<f32x16>(&w[at_2].d[0]);
    const f32x16 scale_2 = load<f32x16>(&w[at_3].d[0]);
    UNROLL(8)
    for (int m = 0; m < 8; ++m) {
      const int at_4 = m * 2;
      const float d = (x_int8 + b)[m * 18].d;
      sum[at_4] = fma(convert<f32x16>(dot[at_4]), scale * d, sum[at_4]);
      const int at_5 = at_4 + 1;
      sum[at_5] = fma(convert<f32x16>(dot[at_5]), scale_2 * d, sum[at_5]);
    }
    const f32x16 low = load<f32x16>(&w[at_2].m[0]);
    const f32x16 low_2 = load<f32x16>(&w[at_3].m[0]);
    UNROLL(8)
    for (int m = 0; m < 8; ++m) {
      const float d_sum = (x_int8 + b)[m * 18].d_sum;
      const int at_4 = m * 2;
      sum[at_4] = fma(low, splat<f32x16>(d_sum), sum[at_4]);
      const int at_5 = at_4 + 1;
      sum[at_5] = fma(low_2, splat<f32x16>(d_sum), sum[at_5]);
    }
  }
  UNROLL(8)
  for (int m = 0; m < 8; ++m) {
    UNROLL(2)
    for (int panel = 0; panel < 2; ++panel) {
      const int at_2 = m * 2 + panel;
      y[at_2] = sum[at_2];
    }
  }
  UNROLL(2)
  for (int rows = 0; rows < 2; ++rows) {
    i32x16 peak[4]{};
    UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      UNROLL(2)
      for (int v = 0; v < 2; ++v) {
        peak[i] = max(peak[i], bitcast<i32x16>(abs(y[(rows * 4 + i) * 2 + v])));
      }
    }
    f32x16 sum_2[4]{};
    f32x16 first[4]{};
    const i32x16 top = lane_maxs(peak[0], peak[1], peak[2], peak[3]);
    const b1x16 finite = top < 2139095040;
    const b1x16 small = top < 226492416;
    const f32x16 largest = bitcast<f32x16>(top);
    const f32x16 inverse = select(small, splat<f32x16>(0.0f), 127.0f / largest);
    const f32x16 inverse_2 = select(finite, inverse, splat<f32x16>(0.0f));
    UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      const int at_2 = rows * 4 + i;
      const int at_3 = at_2 * 2;
      const f32x16 y_before = y[at_3];
      const float by = inverse_2[i * 4];
      const int to = at_2 * 6 + first_column / 32;
      const f32x16 q = round(select(bitcast<i32x16>(abs(y_before)) < 2139095040, y_before * by,
          splat<f32x16>(0.0f)));
      store(&y_int8[to].qs[0], convert<i32x16>(q));
      sum_2[i] += q;
      first[i] += q;
      const f32x16 y_before_2 = y[at_3 + 1];
      const f32x16 q_2 = round(select(bitcast<i32x16>(abs(y_before_2)) < 2139095040, y_before_2 *
          by, splat<f32x16>(0.0f)));
      store(&y_int8[to].qs[16], convert<i32x16>(q_2));
      sum_2[i] += q_2;
    }
    const f32x16 all = lane_sums(sum_2[0], sum_2[1], sum_2[2], sum_2[3]);
    const f32x16 of_first = lane_sums(first[0], first[1], first[2], first[3]);
    const f32x16 d = select(finite, select(small, splat<f32x16>(0.0f), largest * 0.007874016f),
        splat<f32x16>(bitcast<float>(2143289344)));
    const f32x16 d_sum = d * all;
    UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      const int at_2 = i * 4;
      const float all_2 = d[at_2];
      const int to = (rows * 4 + i) * 6 + first_column / 32;
      y_int8[to].d = all_2;
      const float all_3 = d_sum[at_2];
      y_int8[to].d_sum = all_3;
      const float all_4 = all[at_2];
      y_int8[to].sum = static_cast<int>(all_4);
      const float all_5 = of_first[at_2];
      y_int8[to].first_sum = static_cast<int>(all_5);
    }
  }
}
