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

#ifndef RECORD_q8_0_x16
#define RECORD_q8_0_x16
struct q8_0_x16 {  // 544 bytes
  std::int8_t qs[512];
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

#ifndef RECORD_q8_0_x16
#define RECORD_q8_0_x16
struct q8_0_x16 {  // 544 bytes
  std::int8_t qs[512];
  f16 d[16];
};
#endif

namespace panels_q8_0_int8_functions {
// four signed bytes, each raised by 128
static inline i32x16 plus_128(i32x16 bytes) {
  return bytes ^ -2139062144;
}
}  // namespace panels_q8_0_int8_functions

extern "C" void panels_q8_0_int8(
    const int8_words* x_int8,  // (N, K / 32)
    const q8_0_x16* w,         // (M, K)
    float* __restrict y,
    int N,
    int group) {
  using namespace panels_q8_0_int8_functions;
  const int first_row = group / 12 * 128;
  const int end_row = min(first_row + 128, N);
  const int rest = first_row + (end_row - first_row) / 16 * 16;
  const int part_of_columns = group % 12;
  const int first_column = part_of_columns * 16;
  for (int row = first_row; row < rest; row += 16) {
    f32x16 sum[16]{};
    const int first_block = first_column / 16 * 18;
    for (int b = 0; b < 18; ++b) {
      i32x16 dot[16]{};
      const int x_at = row * 18 + b;
      UNROLL(16)
      for (int m = 0; m < 16; ++m) {
        dot[m] = splat<i32x16>((x_int8 + x_at)[m * 18].sum * -128);
      }
      const int at = first_block + b;
      UNROLL(8)
      for (int i = 0; i < 8; ++i) {
        const i32x16 quants = load_i8x4<i32x16>(&w[at].qs[i * 64]);
        const i32x16 q = plus_128(quants);
        UNROLL(16)
        for (int m = 0; m < 16; ++m) {
          dot[m] = dot4_us(q, splat<i32x16>((x_int8 + x_at)[m * 18].qs[i]), dot[m]);
        }
      }
      const f32x16 scale = load<f32x16>(&w[at].d[0]);
      UNROLL(16)
      for (int m = 0; m < 16; ++m) {
        sum[m] = fma(convert<f32x16>(dot[m]), scale * (x_int8 + x_at)[m * 18].d, sum[m]);
      }
    }
    UNROLL(16)
    for (int m = 0; m < 16; ++m) {
      store(&y[(row + m) * 192 + first_column], sum[m]);
    }
  }
  const int rest_2 = min(rest + (end_row - rest + 3) / 8 * 8, end_row);
  for (int row = rest; row < rest_2; row += 8) {
    int x_row[8]{};
    UNROLL(8)
    for (int m = 0; m < 8; ++m) {
      x_row[m] = min(row + m, end_row - 1) * 18;
    }
    f32x16 sum[8]{};
    const int first_block = first_column / 16 * 18;
    for (int b = 0; b < 18; ++b) {
      const int at = first_block + b;
      UNROLL(8)
      for (int line = 0; line < 8; ++line) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
      }
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
      i32x16 dot[8]{};
      UNROLL(8)
      for (int m = 0; m < 8; ++m) {
        dot[m] = splat<i32x16>(x_int8[b + x_row[m]].sum * -128);
      }
      UNROLL(8)
      for (int i = 0; i < 8; ++i) {
        const i32x16 quants = load_i8x4<i32x16>(&w[at].qs[i * 64]);
        const i32x16 q = plus_128(quants);
        UNROLL(8)
        for (int m = 0; m < 8; ++m) {
          dot[m] = dot4_us(q, splat<i32x16>(x_int8[b + x_row[m]].qs[i]), dot[m]);
        }
      }
      const f32x16 scale = load<f32x16>(&w[at].d[0]);
      UNROLL(8)
      for (int m = 0; m < 8; ++m) {
        sum[m] = fma(convert<f32x16>(dot[m]), scale * x_int8[b + x_row[m]].d, sum[m]);
      }
    }
    UNROLL(8)
    for (int m = 0; m < 8; ++m) {
      const int at = row + m;
      if (at < end_row) {
        store(&y[at * 192 + first_column], sum[m]);
      }
    }
  }
  const int rest_3 = min(rest_2 + (end_row - rest_2 + 2) / 4 * 4, end_row);
  for (int row = rest_2; row < rest_3; row += 4) {
    int x_row[4]{};
    UNROLL(4)
    for (int m = 0; m < 4; ++m) {
      x_row[m] = min(row + m, end_row - 1) * 18;
    }
    f32x16 sum[4]{};
    const int first_block = first_column / 16 * 18;
    for (int b = 0; b < 18; ++b) {
      const int at = first_block + b;
      UNROLL(8)
      for (int line = 0; line < 8; ++line) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
      }
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
      i32x16 dot[8]{};
      UNROLL(4)
      for (int m = 0; m < 4; ++m) {
        dot[m * 2] = splat<i32x16>(x_int8[b + x_row[m]].sum * -128);
      }
      UNROLL(4)
      for (int i = 0; i < 4; ++i) {
        UNROLL(2)
        for (int c = 0; c < 2; ++c) {
          const int at_2 = i * 2 + c;
          const i32x16 quants = load_i8x4<i32x16>(&w[at].qs[at_2 * 64]);
          const i32x16 q = plus_128(quants);
          UNROLL(4)
          for (int m = 0; m < 4; ++m) {
            const int at_3 = m * 2 + c;
            dot[at_3] = dot4_us(q, splat<i32x16>(x_int8[b + x_row[m]].qs[at_2]), dot[at_3]);
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
    }
    UNROLL(4)
    for (int m = 0; m < 4; ++m) {
      const int at = row + m;
      if (at < end_row) {
        store(&y[at * 192 + first_column], sum[m]);
      }
    }
  }
  for (int row = rest_3; row < end_row; ++row) {
    f32x16 sum{};
    const int first_block = first_column / 16 * 18;
    for (int b = 0; b < 18; ++b) {
      const int at = first_block + b;
      UNROLL(8)
      for (int line = 0; line < 8; ++line) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
      }
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
      i32x16 dot[2]{};
      const int x_at = row * 18 + b;
      dot[0] = splat<i32x16>(x_int8[x_at].sum * -128);
      UNROLL(4)
      for (int i = 0; i < 4; ++i) {
        UNROLL(2)
        for (int c = 0; c < 2; ++c) {
          const int at_2 = i * 2 + c;
          const i32x16 quants = load_i8x4<i32x16>(&w[at].qs[at_2 * 64]);
          const i32x16 q = plus_128(quants);
          dot[c] = dot4_us(q, splat<i32x16>(x_int8[x_at].qs[at_2]), dot[c]);
        }
      }
      const f32x16 scale = load<f32x16>(&w[at].d[0]);
      sum = fma(convert<f32x16>(dot[0] + dot[1]), scale * x_int8[x_at].d, sum);
    }
    store(&y[row * 192 + first_column], sum);
  }
}
