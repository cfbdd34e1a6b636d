#ifndef RECORD_q8_0
#define RECORD_q8_0
struct __attribute__((packed)) q8_0 {  // 34 bytes
  f16 d;
  std::int8_t qs[32];
};
#endif

#ifndef RECORD_q8_0
#define RECORD_q8_0
struct __attribute__((packed)) q8_0 {  // 34 bytes
  f16 d;
  std::int8_t qs[32];
};
#endif

extern "C" void matvec_q8_0(
    const float* x,  // (N, K)
    const q8_0* w,   // (M, K)
    const float* residual,
    float* __restrict y,
    int N,
    int group) {
  const int part_of_columns = group % 24;
  const int first_column = part_of_columns * 8;
  const int first_row = group / 24 * 8;
  for (int c = 0; c < 8; ++c) {
    f32x16 sum[8]{};
    const int column = first_column + c;
    for (int b = 0; b < 18; ++b) {
      f32x16 part[8]{};
      const int at = column * 18 + b;
      UNROLL(2)
      for (int s = 0; s < 2; ++s) {
        const int r = s * 16;
        const f32x16 q = convert<f32x16>(load<i32x16>(&w[at].qs[r]));
        const int k = b * 32 + r;
        UNROLL(8)
        for (int m = 0; m < 8; ++m) {
          const int x_at = min(first_row + m, N - 1) * 576 + k;
          const f32x16 x_k = load<f32x16>(&x[x_at]);
          part[m] += q * x_k;
        }
      }
      const float scale = widen(w[at].d);
      UNROLL(8)
      for (int m = 0; m < 8; ++m) {
        sum[m] += scale * part[m];
      }
    }
    float total[8]{};
    UNROLL(8)
    for (int m = 0; m < 8; ++m) {
      const float sum_all = lane_sum(sum[m]);
      total[m] = sum_all;
    }
    UNROLL(8)
    for (int m = 0; m < 8; ++m) {
      const int at = first_row + m;
      if (at < N) {
        const int at_2 = min(at, N - 1) * 192 + column;
        y[at_2] = total[m] + residual[at_2];
      }
    }
  }
}
