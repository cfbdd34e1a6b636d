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

extern "C" void panels_q4_1_int8_side_by_side(
    const int8_words* x_int8,  // (N, K / 32)
    const q4_1_x16* w,         // (M, K)
    float* __restrict y,
    int N,
    int group) {
  const int first_row = group / 6 * 128;
  const int end_row = min(first_row + 128, N);
  const int whole = first_row + (end_row - first_row) / 8 * 8;
  const int part_of_columns = group % 6;
  const int first_column = part_of_columns * 32;
  for (int row = first_row; row < whole; row += 8) {
    f32x16 sum[16]{};
    const bool few = N - first_row < 32;
    const int at = first_column / 16;
    const int first_block = at * 18;
    const int first_block_2 = (at + 1) * 18;
    const int first_line = (row - first_row) / 8 * 18;
    for (int b = 0; b < 18; ++b) {
      const int at_2 = first_block + b;
      const int at_3 = first_block_2 + b;
      if (few) {
        UNROLL(4)
        for (int line = 0; line < 4; ++line) {
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at_2].qs[line * 64]) + 11520);
        }
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at_2].d[0]) + 11520);
        UNROLL(4)
        for (int line = 0; line < 4; ++line) {
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at_3].qs[line * 64]) + 11520);
        }
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at_3].d[0]) + 11520);
      } else {
        const int number = first_line + b;
        const int ahead = number / 4;
        if (ahead < 18) {
          const int at_4 = first_block + ahead;
          const int line = number % 4;
          const int at_5 = line * 64;
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at_4].qs[at_5]) + 11520);
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at_4].d[0]) + 11520);
          const int at_6 = first_block_2 + ahead;
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at_6].qs[at_5]) + 11520);
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at_6].d[0]) + 11520);
        }
      }
      i32x16 dot[16]{};
      const int x_at = row * 18 + b;
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
            const int qs = (x_int8 + x_at)[m * 18].qs[at_6];
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
        const float d = (x_int8 + x_at)[m * 18].d;
        sum[at_4] = fma(convert<f32x16>(dot[at_4]), scale * d, sum[at_4]);
        const int at_5 = at_4 + 1;
        sum[at_5] = fma(convert<f32x16>(dot[at_5]), scale_2 * d, sum[at_5]);
      }
      const f32x16 low = load<f32x16>(&w[at_2].m[0]);
      const f32x16 low_2 = load<f32x16>(&w[at_3].m[0]);
      UNROLL(8)
      for (int m = 0; m < 8; ++m) {
        const float d_sum = (x_int8 + x_at)[m * 18].d_sum;
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
        store(&y[(row + m) * 192 + (first_column + panel * 16)], sum[m * 2 + panel]);
      }
    }
  }
  for (int panel = 0; panel < 2; ++panel) {
    const int rest = min(whole + (end_row - whole + 3) / 8 * 8, end_row);
    const int column = first_column + panel * 16;
    for (int row = whole; row < rest; row += 8) {
      int x_row[8]{};
      UNROLL(8)
      for (int m = 0; m < 8; ++m) {
        x_row[m] = min(row + m, end_row - 1) * 18;
      }
      f32x16 sum[8]{};
      const int first_block = column / 16 * 18;
      for (int b = 0; b < 18; ++b) {
        const int at = first_block + b;
        UNROLL(4)
        for (int line = 0; line < 4; ++line) {
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
        }
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
        i32x16 dot[8]{};
        UNROLL(4)
        for (int i = 0; i < 4; ++i) {
          const i32x16 quants = load_i8x4<i32x16>(&w[at].qs[i * 64]);
          UNROLL(2)
          for (int half_2 = 0; half_2 < 2; ++half_2) {
            const int at_2 = half_2 * 4;
            const i32x16 q = (quants >> at_2) & 0x0f0f0f0f;
            const int at_3 = i + at_2;
            UNROLL(8)
            for (int m = 0; m < 8; ++m) {
              dot[m] = dot4_us(q, splat<i32x16>(x_int8[b + x_row[m]].qs[at_3]), dot[m]);
            }
          }
        }
        const f32x16 scale = load<f32x16>(&w[at].d[0]);
        UNROLL(8)
        for (int m = 0; m < 8; ++m) {
          sum[m] = fma(convert<f32x16>(dot[m]), scale * x_int8[b + x_row[m]].d, sum[m]);
        }
        const f32x16 low = load<f32x16>(&w[at].m[0]);
        UNROLL(8)
        for (int m = 0; m < 8; ++m) {
          sum[m] = fma(low, splat<f32x16>(x_int8[b + x_row[m]].d_sum), sum[m]);
        }
      }
      UNROLL(8)
      for (int m = 0; m < 8; ++m) {
        const int at = row + m;
        if (at < end_row) {
          store(&y[at * 192 + column], sum[m]);
        }
      }
    }
    const int rest_2 = min(rest + (end_row - rest + 2) / 4 * 4, end_row);
    for (int row = rest; row < rest_2; row += 4) {
      int x_row[4]{};
      UNROLL(4)
      for (int m = 0; m < 4; ++m) {
        x_row[m] = min(row + m, end_row - 1) * 18;
      }
      f32x16 sum[4]{};
      const int first_block = column / 16 * 18;
      for (int b = 0; b < 18; ++b) {
        const int at = first_block + b;
        UNROLL(4)
        for (int line = 0; line < 4; ++line) {
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
        }
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
        i32x16 dot[8]{};
        UNROLL(2)
        for (int i = 0; i < 2; ++i) {
          UNROLL(2)
          for (int c = 0; c < 2; ++c) {
            const int at_2 = i * 2 + c;
            const i32x16 quants = load_i8x4<i32x16>(&w[at].qs[at_2 * 64]);
            UNROLL(2)
            for (int half_2 = 0; half_2 < 2; ++half_2) {
              const int at_3 = half_2 * 4;
              const i32x16 q = (quants >> at_3) & 0x0f0f0f0f;
              const int at_4 = at_2 + at_3;
              UNROLL(4)
              for (int m = 0; m < 4; ++m) {
                const int at_5 = m * 2 + c;
                dot[at_5] = dot4_us(q, splat<i32x16>(x_int8[b + x_row[m]].qs[at_4]), dot[at_5]);
              }
            }
          }
        }
        const f32x16 scale = load<f32x16>(&w[at].d[0]);
        UNROLL(4)
        for (int m = 0; m < 4; ++m) {
          const int at_2 = m * 2;
          sum[m] = fma(convert<f32x16>(dot[at_2] + dot[at_2 + 1]), scale * x_int8[b + x_row[m]].d,
              sum[m]);
        }
        const f32x16 low = load<f32x16>(&w[at].m[0]);
        UNROLL(4)
        for (int m = 0; m < 4; ++m) {
          sum[m] = fma(low, splat<f32x16>(x_int8[b + x_row[m]].d_sum), sum[m]);
        }
      }
      UNROLL(4)
      for (int m = 0; m < 4; ++m) {
        const int at = row + m;
        if (at < end_row) {
          store(&y[at * 192 + column], sum[m]);
        }
      }
    }
    for (int row = rest_2; row < end_row; ++row) {
      f32x16 sum{};
      const int first_block = column / 16 * 18;
      for (int b = 0; b < 18; ++b) {
        const int at = first_block + b;
        UNROLL(4)
        for (int line = 0; line < 4; ++line) {
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
        }
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
        i32x16 dot[2]{};
        const int x_at = row * 18 + b;
        UNROLL(2)
        for (int i = 0; i < 2; ++i) {
          UNROLL(2)
          for (int c = 0; c < 2; ++c) {
            const int at_2 = i * 2 + c;
            const i32x16 quants = load_i8x4<i32x16>(&w[at].qs[at_2 * 64]);
            UNROLL(2)
            for (int half_2 = 0; half_2 < 2; ++half_2) {
              const int at_3 = half_2 * 4;
              const i32x16 q = (quants >> at_3) & 0x0f0f0f0f;
              dot[c] = dot4_us(q, splat<i32x16>(x_int8[x_at].qs[at_2 + at_3]), dot[c]);
            }
          }
        }
        const f32x16 scale = load<f32x16>(&w[at].d[0]);
        sum = fma(convert<f32x16>(dot[0] + dot[1]), scale * x_int8[x_at].d, sum);
        const f32x16 low = load<f32x16>(&w[at].m[0]);
        sum = fma(low, splat<f32x16>(x_int8[x_at].d_sum), sum);
      }
      store(&y[row * 192 + column], sum);
    }
  }
}
