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

extern "C" void panels_q4_k_int8_decoded_once(
    const int8_words* x_int8,  // (N, K / 32)
    const q4_k_x16* w,         // (M, K)
    float* __restrict y,
    int N,
    int group) {
  alignas(64) int w_tile[4096];
  alignas(64) float scales[512];
  alignas(64) float minima[512];
  alignas(64) float sums[4096];
  const int first_row = group / 6 * 128;
  const int end_row = min(first_row + 128, N);
  const int whole = first_row + (end_row - first_row) / 8 * 8;
  const int part_of_columns = group % 6;
  const int first_column = part_of_columns * 32;
  if (first_row < whole) {
    const int m_end = whole - first_row;
    const int i_end = m_end * 2;
    for (int i = 0; i < i_end; ++i) {
      store(&sums[i * 16], splat<f32x16>(0.0f));
    }
    for (int first_group = 0; first_group < 24; first_group += 16) {
      const int groups_here = min(24 - first_group, 16);
      for (int g = 0; g < groups_here; ++g) {
        const int at = first_column / 16;
        const int group_of_row = first_group + g;
        const int at_2 = group_of_row / 8;
        const int at_3 = at * 3 + at_2;
        const int in_block = group_of_row % 8;
        const int at_4 = in_block * 4;
        UNROLL(4)
        for (int line = 0; line < 4; ++line) {
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at_3].qs[(at_4 + line) * 64]) + 4608);
        }
        const int at_5 = (at + 1) * 3 + at_2;
        UNROLL(4)
        for (int line = 0; line < 4; ++line) {
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at_5].qs[(at_4 + line) * 64]) + 4608);
        }
        UNROLL(8)
        for (int word = 0; word < 8; ++word) {
          const i32x16 quants = (load_i8x4<i32x16>(&w[at_3].qs[(in_block / 2 * 8 + word) * 16 *
              4]) >> (in_block % 2 * 4)) & 0x0f0f0f0f;
          store(&w_tile[(g * 8 + word) * 2 * 16], quants);
        }
        const int at_6 = min(in_block, 11);
        const int at_7 = at_6 / 4 * 16 * 4;
        const int at_8 = min(in_block + 4, 11);
        const int at_9 = at_8 / 4 * 16 * 4;
        const int at_10 = max(in_block - 4, 0);
        const int at_11 = at_10 / 4 * 16 * 4;
        const int at_12 = g * 2;
        const int at_13 = at_12 * 16;
        const bool is = in_block < 4;
        const int at_14 = at_6 % 4 * 8;
        const int at_15 = at_8 % 4 * 8;
        const int at_16 = at_10 % 4 * 8 + 6;
        store(&scales[at_13], load<f32x16>(&w[at_3].d[0]) *
            convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at_3].scales[at_7]) >>
            at_14) & 63, ((load_i8x4<i32x16>(&w[at_3].scales[at_9]) >> at_15) & 15) |
            (((load_i8x4<i32x16>(&w[at_3].scales[at_11]) >> at_16) & 3) << 4))));
        const int at_17 = in_block / 4 * 16 * 4;
        const int at_18 = at_15 + 4;
        const int at_19 = in_block % 4 * 8 + 6;
        store(&minima[at_13], -(load<f32x16>(&w[at_3].dmin[0]) *
            convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at_3].scales[at_9]) >>
            at_15) & 63, ((load_i8x4<i32x16>(&w[at_3].scales[at_9]) >> at_18) & 15) |
            (((load_i8x4<i32x16>(&w[at_3].scales[at_17]) >> at_19) & 3) << 4)))));
        UNROLL(8)
        for (int word = 0; word < 8; ++word) {
          const i32x16 quants = (load_i8x4<i32x16>(&w[at_5].qs[(in_block / 2 * 8 + word) * 16 *
              4]) >> (in_block % 2 * 4)) & 0x0f0f0f0f;
          store(&w_tile[((g * 8 + word) * 2 + 1) * 16], quants);
        }
        const int at_20 = (at_12 + 1) * 16;
        store(&scales[at_20], load<f32x16>(&w[at_5].d[0]) *
            convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at_5].scales[at_7]) >>
            at_14) & 63, ((load_i8x4<i32x16>(&w[at_5].scales[at_9]) >> at_15) & 15) |
            (((load_i8x4<i32x16>(&w[at_5].scales[at_11]) >> at_16) & 3) << 4))));
        store(&minima[at_20], -(load<f32x16>(&w[at_5].dmin[0]) *
            convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at_5].scales[at_9]) >>
            at_15) & 63, ((load_i8x4<i32x16>(&w[at_5].scales[at_9]) >> at_18) & 15) |
            (((load_i8x4<i32x16>(&w[at_5].scales[at_17]) >> at_19) & 3) << 4)))));
      }
      for (int row = first_row; row < whole; row += 8) {
        f32x16 sum[16]{};
        const int at = row - first_row;
        UNROLL(16)
        for (int i = 0; i < 16; ++i) {
          sum[i] = load<f32x16>(&sums[(at * 2 + i) * 16]);
        }
        for (int g = 0; g < groups_here; ++g) {
          i32x16 dot[16]{};
          const int x_at = row * 24 + (first_group + g);
          UNROLL(8)
          for (int i = 0; i < 8; ++i) {
            const int at_2 = (g * 8 + i) * 2;
            const i32x16 q = load<i32x16>(&w_tile[at_2 * 16]);
            const i32x16 q_2 = load<i32x16>(&w_tile[(at_2 + 1) * 16]);
            UNROLL(8)
            for (int m = 0; m < 8; ++m) {
              const int qs = (x_int8 + x_at)[m * 24].qs[i];
              const int at_3 = m * 2;
              dot[at_3] = dot4_us(q, splat<i32x16>(qs), dot[at_3]);
              const int at_4 = at_3 + 1;
              dot[at_4] = dot4_us(q_2, splat<i32x16>(qs), dot[at_4]);
            }
          }
          const int at_2 = g * 2;
          const int at_3 = at_2 * 16;
          const f32x16 scale = load<f32x16>(&scales[at_3]);
          const int at_4 = (at_2 + 1) * 16;
          const f32x16 scale_2 = load<f32x16>(&scales[at_4]);
          UNROLL(8)
          for (int m = 0; m < 8; ++m) {
            const int at_5 = m * 2;
            const float d = (x_int8 + x_at)[m * 24].d;
            sum[at_5] = fma(convert<f32x16>(dot[at_5]), scale * d, sum[at_5]);
            const int at_6 = at_5 + 1;
            sum[at_6] = fma(convert<f32x16>(dot[at_6]), scale_2 * d, sum[at_6]);
          }
          const f32x16 low = load<f32x16>(&minima[at_3]);
          const f32x16 low_2 = load<f32x16>(&minima[at_4]);
          UNROLL(8)
          for (int m = 0; m < 8; ++m) {
            const float d_sum = (x_int8 + x_at)[m * 24].d_sum;
            const int at_5 = m * 2;
            sum[at_5] = fma(low, splat<f32x16>(d_sum), sum[at_5]);
            const int at_6 = at_5 + 1;
            sum[at_6] = fma(low_2, splat<f32x16>(d_sum), sum[at_6]);
          }
        }
        UNROLL(16)
        for (int i = 0; i < 16; ++i) {
          store(&sums[(at * 2 + i) * 16], sum[i]);
        }
      }
    }
    for (int m = 0; m < m_end; ++m) {
      UNROLL(2)
      for (int v = 0; v < 2; ++v) {
        store(&y[(first_row + m) * 192 + (first_column + v % 2 * 16 + v / 2 * 16)],
            load<f32x16>(&sums[(m * 2 + v) * 16]));
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
        x_row[m] = min(row + m, end_row - 1) * 24;
      }
      f32x16 sum[8]{};
      const int first_block = column / 16 * 3;
      for (int b = 0; b < 3; ++b) {
        const int at = first_block + b;
        UNROLL(3)
        for (int line = 0; line < 3; ++line) {
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at].scales[line * 64]) + 4096);
        }
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
        for (int g = 0; g < 8; ++g) {
          const int at_2 = g * 4;
          UNROLL(4)
          for (int line = 0; line < 4; ++line) {
            __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[(at_2 + line) * 64]) + 4096);
          }
          i32x16 dot[8]{};
          const int x_at = b * 8 + g;
          UNROLL(8)
          for (int i = 0; i < 8; ++i) {
            const i32x16 quants = (load_i8x4<i32x16>(&w[at].qs[(g / 2 * 8 + i) * 16 * 4]) >>
                (g % 2 * 4)) & 0x0f0f0f0f;
            const i32x16 q = quants;
            UNROLL(8)
            for (int m = 0; m < 8; ++m) {
              dot[m] = dot4_us(q, splat<i32x16>(x_int8[x_at + x_row[m]].qs[i]), dot[m]);
            }
          }
          const int at_3 = min(g, 11);
          const int at_4 = min(g + 4, 11);
          const int at_5 = at_4 / 4 * 16 * 4;
          const int at_6 = max(g - 4, 0);
          const bool is = g < 4;
          const int at_7 = at_4 % 4 * 8;
          const f32x16 scale = load<f32x16>(&w[at].d[0]) *
              convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at].scales[at_3 / 4 *
              16 * 4]) >> (at_3 % 4 * 8)) & 63, ((load_i8x4<i32x16>(&w[at].scales[at_5]) >> at_7) &
              15) | (((load_i8x4<i32x16>(&w[at].scales[at_6 / 4 * 16 * 4]) >> (at_6 % 4 * 8 + 6)) &
              3) << 4)));
          UNROLL(8)
          for (int m = 0; m < 8; ++m) {
            sum[m] = fma(convert<f32x16>(dot[m]), scale * x_int8[x_at + x_row[m]].d, sum[m]);
          }
          const f32x16 low = -(load<f32x16>(&w[at].dmin[0]) *
              convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at].scales[at_5]) >>
              at_7) & 63, ((load_i8x4<i32x16>(&w[at].scales[at_5]) >> (at_7 + 4)) & 15) |
              (((load_i8x4<i32x16>(&w[at].scales[g / 4 * 16 * 4]) >> (g % 4 * 8 + 6)) & 3) << 4))));
          UNROLL(8)
          for (int m = 0; m < 8; ++m) {
            sum[m] = fma(low, splat<f32x16>(x_int8[x_at + x_row[m]].d_sum), sum[m]);
          }
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
        x_row[m] = min(row + m, end_row - 1) * 24;
      }
      f32x16 sum[4]{};
      const int first_block = column / 16 * 3;
      for (int b = 0; b < 3; ++b) {
        const int at = first_block + b;
        UNROLL(3)
        for (int line = 0; line < 3; ++line) {
          __builtin_prefetch(reinterpret_cast<const char*>(&w[at].scales[line * 64]) + 4096);
        }
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
        for (int g = 0; g < 8; ++g) {
          const int at_2 = g * 4;
          UNROLL(4)
          for (int line = 0; line < 4; ++line) {
            __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[(at_2 + line) * 64]) + 4096);
          }
          i32x16 dot[8]{};
          const int x_at = b * 8 + g;
          UNROLL(4)
          for (int i = 0; i < 4; ++i) {
            UNROLL(2)
            for (int c = 0; c < 2; ++c) {
              const int at_3 = i * 2 + c;
              const i32x16 quants = (load_i8x4<i32x16>(&w[at].qs[(g / 2 * 8 + at_3) * 16 * 4]) >>
                  (g % 2 * 4)) & 0x0f0f0f0f;
              const i32x16 q = quants;
              UNROLL(4)
              for (int m = 0; m < 4; ++m) {
                const int at_4 = m * 2 + c;
                dot[at_4] = dot4_us(q, splat<i32x16>(x_int8[x_at + x_row[m]].qs[at_3]), dot[at_4]);
              }
            }
          }
          const int at_3 = min(g, 11);
          const int at_4 = min(g + 4, 11);
          const int at_5 = at_4 / 4 * 16 * 4;
          const int at_6 = max(g - 4, 0);
          const bool is = g < 4;
          const int at_7 = at_4 % 4 * 8;
          const f32x16 scale = load<f32x16>(&w[at].d[0]) *
              convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at].scales[at_3 / 4 *
              16 * 4]) >> (at_3 % 4 * 8)) & 63, ((load_i8x4<i32x16>(&w[at].scales[at_5]) >> at_7) &
              15) | (((load_i8x4<i32x16>(&w[at].scales[at_6 / 4 * 16 * 4]) >> (at_6 % 4 * 8 + 6)) &
              3) << 4)));
          UNROLL(4)
          for (int m = 0; m < 4; ++m) {
            const int at_8 = m * 2;
            sum[m] = fma(convert<f32x16>(dot[at_8] + dot[at_8 + 1]), scale * x_int8[x_at +
                x_row[m]].d, sum[m]);
          }
          const f32x16 low = -(load<f32x16>(&w[at].dmin[0]) *
              convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at].scales[at_5]) >>
              at_7) & 63, ((load_i8x4<i32x16>(&w[at].scales[at_5]) >> (at_7 + 4)) & 15) |
              (((load_i8x4<i32x16>(&w[at].scales[g / 4 * 16 * 4]) >> (g % 4 * 8 + 6)) & 3) << 4))));
          UNROLL(4)
          for (int m = 0; m < 4; ++m) {
            sum[m] = fma(low, splat<f32x16>(x_int8[x_at + x_row[m]].d_sum), sum[m]);
          }
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
      const int first_block = column / 16 * 3;
      for (int b = 0; b < 3; ++b) {
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
          const int x_at = row * 24 + (b * 8 + g);
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
              convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at].scales[at_3 / 4 *
              16 * 4]) >> (at_3 % 4 * 8)) & 63, ((load_i8x4<i32x16>(&w[at].scales[at_5]) >> at_7) &
              15) | (((load_i8x4<i32x16>(&w[at].scales[at_6 / 4 * 16 * 4]) >> (at_6 % 4 * 8 + 6)) &
              3) << 4)));
          sum = fma(convert<f32x16>(dot[0] + dot[1]), scale * x_int8[x_at].d, sum);
          const f32x16 low = -(load<f32x16>(&w[at].dmin[0]) *
              convert<f32x16>(select(splat<b1x16>(is), (load_i8x4<i32x16>(&w[at].scales[at_5]) >>
              at_7) & 63, ((load_i8x4<i32x16>(&w[at].scales[at_5]) >> (at_7 + 4)) & 15) |
              (((load_i8x4<i32x16>(&w[at].scales[g / 4 * 16 * 4]) >> (g % 4 * 8 + 6)) & 3) << 4))));
          sum = fma(low, splat<f32x16>(x_int8[x_at].d_sum), sum);
        }
      }
      store(&y[row * 192 + column], sum);
    }
  }
}
