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

#ifndef RECORD_q4_0_x16
#define RECORD_q4_0_x16
struct q4_0_x16 {  // 288 bytes
  std::int8_t qs[256];
  f16 d[16];
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

#ifndef RECORD_q4_0_x16
#define RECORD_q4_0_x16
struct q4_0_x16 {  // 288 bytes
  std::int8_t qs[256];
  f16 d[16];
};
#endif

extern "C" void panels_q4_0_int8_pairs(
    const int8_words* x_int8,  // (N, K / 32)
    const q4_0_x16* w,         // (M, K)
    float* __restrict y,
    int N,
    int group) {
  const int first_row = group / 12 * 8;
  const int end_row = min(first_row + 8, N);
  const int rest = first_row + (end_row - first_row) / 4 * 4;
  const int part_of_columns = group % 12;
  const int first_column = part_of_columns * 16;
  for (int row = first_row; row < rest; row += 4) {
    f32x8 sum[8]{};
    const int first_block = first_column / 16 * 16;
    for (int b = 0; b < 16; ++b) {
      const int at = first_block + b;
      UNROLL(4)
      for (int line = 0; line < 4; ++line) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
      }
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
      i32x8 dot[8]{};
      const int x_at = row * 16 + b;
      UNROLL(4)
      for (int i = 0; i < 4; ++i) {
        const int at_2 = i * 64;
        const i32x8 quants = load_i8x4<i32x8>(&w[at].qs[at_2]);
        const i32x8 quants_2 = load_i8x4<i32x8>(&w[at].qs[at_2 + 8 * 4]);
        UNROLL(2)
        for (int half_2 = 0; half_2 < 2; ++half_2) {
          const int at_3 = half_2 * 4;
          const i32x8 q = (quants >> at_3) & 0x0f0f0f0f;
          const int at_4 = i + at_3;
          const i32x8 q_2 = (quants_2 >> at_3) & 0x0f0f0f0f;
          UNROLL(4)
          for (int m = 0; m < 4; ++m) {
            const int qs = (x_int8 + x_at)[m * 16].qs[at_4];
            const int at_5 = m * 2;
            dot[at_5] = pair_dots_us(q, splat<i32x8>(qs), dot[at_5]);
            const int at_6 = at_5 + 1;
            dot[at_6] = pair_dots_us(q_2, splat<i32x8>(qs), dot[at_6]);
          }
        }
      }
      const f32x8 scale = load<f32x8>(&w[at].d[0]);
      const f32x8 scale_2 = load<f32x8>(&w[at].d[8]);
      UNROLL(4)
      for (int m = 0; m < 4; ++m) {
        const int at_2 = m * 2;
        const int at_3 = x_at + m * 16;
        const float d = x_int8[at_3].d;
        const int below = x_int8[at_3].sum * 8;
        sum[at_2] = fma(convert<f32x8>(pair_sum(dot[at_2]) - below), scale * d, sum[at_2]);
        const int at_4 = at_2 + 1;
        sum[at_4] = fma(convert<f32x8>(pair_sum(dot[at_4]) - below), scale_2 * d, sum[at_4]);
      }
    }
    UNROLL(4)
    for (int m = 0; m < 4; ++m) {
      UNROLL(2)
      for (int v = 0; v < 2; ++v) {
        store(&y[(row + m) * 192 + (first_column + v * 8)], sum[m * 2 + v]);
      }
    }
  }
  const int rest_2 = min(rest + (end_row - rest) / 2 * 2, end_row);
  for (int row = rest; row < rest_2; row += 2) {
    int x_row[2]{};
    UNROLL(2)
    for (int m = 0; m < 2; ++m) {
      x_row[m] = min(row + m, end_row - 1) * 16;
    }
    f32x8 sum[4]{};
    const int first_block = first_column / 16 * 16;
    for (int b = 0; b < 16; ++b) {
      const int at = first_block + b;
      UNROLL(4)
      for (int line = 0; line < 4; ++line) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
      }
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
      i32x8 dot[8]{};
      UNROLL(2)
      for (int i = 0; i < 2; ++i) {
        UNROLL(2)
        for (int c = 0; c < 2; ++c) {
          const int at_2 = i * 2 + c;
          const int at_3 = at_2 * 64;
          const i32x8 quants = load_i8x4<i32x8>(&w[at].qs[at_3]);
          const i32x8 quants_2 = load_i8x4<i32x8>(&w[at].qs[at_3 + 8 * 4]);
          UNROLL(2)
          for (int half_2 = 0; half_2 < 2; ++half_2) {
            const int at_4 = half_2 * 4;
            const i32x8 q = (quants >> at_4) & 0x0f0f0f0f;
            const int at_5 = at_2 + at_4;
            const i32x8 q_2 = (quants_2 >> at_4) & 0x0f0f0f0f;
            UNROLL(2)
            for (int m = 0; m < 2; ++m) {
              const int qs = x_int8[b + x_row[m]].qs[at_5];
              const int at_6 = m * 2;
              const int at_7 = at_6 * 2 + c;
              dot[at_7] = pair_dots_us(q, splat<i32x8>(qs), dot[at_7]);
              const int at_8 = (at_6 + 1) * 2 + c;
              dot[at_8] = pair_dots_us(q_2, splat<i32x8>(qs), dot[at_8]);
            }
          }
        }
      }
      const f32x8 scale = load<f32x8>(&w[at].d[0]);
      const f32x8 scale_2 = load<f32x8>(&w[at].d[8]);
      UNROLL(2)
      for (int m = 0; m < 2; ++m) {
        const int at_2 = m * 2;
        const int at_3 = at_2 * 2;
        const float d = x_int8[b + x_row[m]].d;
        const int below = x_int8[b + x_row[m]].sum * 8;
        sum[at_2] = fma(convert<f32x8>(pair_sum(dot[at_3]) + pair_sum(dot[at_3 + 1]) - below),
            scale * d, sum[at_2]);
        const int at_4 = at_2 + 1;
        const int at_5 = at_4 * 2;
        sum[at_4] = fma(convert<f32x8>(pair_sum(dot[at_5]) + pair_sum(dot[at_5 + 1]) - below),
            scale_2 * d, sum[at_4]);
      }
    }
    UNROLL(2)
    for (int m = 0; m < 2; ++m) {
      const int at = row + m;
      if (at < end_row) {
        UNROLL(2)
        for (int v = 0; v < 2; ++v) {
          store(&y[at * 192 + (first_column + v * 8)], sum[m * 2 + v]);
        }
      }
    }
  }
  for (int row = rest_2; row < end_row; ++row) {
    f32x8 sum[2]{};
    const int first_block = first_column / 16 * 16;
    for (int b = 0; b < 16; ++b) {
      const int at = first_block + b;
      UNROLL(4)
      for (int line = 0; line < 4; ++line) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
      }
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
      i32x8 dot[4]{};
      const int x_at = row * 16 + b;
      UNROLL(2)
      for (int i = 0; i < 2; ++i) {
        UNROLL(2)
        for (int c = 0; c < 2; ++c) {
          const int at_2 = i * 2 + c;
          const int at_3 = at_2 * 64;
          const i32x8 quants = load_i8x4<i32x8>(&w[at].qs[at_3]);
          const i32x8 quants_2 = load_i8x4<i32x8>(&w[at].qs[at_3 + 8 * 4]);
          UNROLL(2)
          for (int half_2 = 0; half_2 < 2; ++half_2) {
            const int at_4 = half_2 * 4;
            const int qs = x_int8[x_at].qs[at_2 + at_4];
            const i32x8 q = (quants >> at_4) & 0x0f0f0f0f;
            dot[c] = pair_dots_us(q, splat<i32x8>(qs), dot[c]);
            const int at_5 = 2 + c;
            const i32x8 q_2 = (quants_2 >> at_4) & 0x0f0f0f0f;
            dot[at_5] = pair_dots_us(q_2, splat<i32x8>(qs), dot[at_5]);
          }
        }
      }
      const f32x8 scale = load<f32x8>(&w[at].d[0]);
      const float d = x_int8[x_at].d;
      const f32x8 scale_2 = load<f32x8>(&w[at].d[8]);
      const int below = x_int8[x_at].sum * 8;
      sum[0] = fma(convert<f32x8>(pair_sum(dot[0]) + pair_sum(dot[1]) - below), scale * d, sum[0]);
      sum[1] = fma(convert<f32x8>(pair_sum(dot[2]) + pair_sum(dot[3]) - below), scale_2 * d,
          sum[1]);
    }
    UNROLL(2)
    for (int v = 0; v < 2; ++v) {
      store(&y[row * 192 + (first_column + v * 8)], sum[v]);
    }
  }
}
