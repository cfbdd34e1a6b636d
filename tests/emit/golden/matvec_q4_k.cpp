#ifndef RECORD_q4_k
#define RECORD_q4_k
struct __attribute__((packed)) q4_k {  // 144 bytes
  f16 d;
  f16 dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};
#endif

#ifndef RECORD_q4_k
#define RECORD_q4_k
struct __attribute__((packed)) q4_k {  // 144 bytes
  f16 d;
  f16 dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};
#endif

extern "C" void matvec_q4_k(
    const float* x,  // (N, K)
    const q4_k* w,   // (M, K)
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
    for (int b = 0; b < 16; ++b) {
      f32x16 part[8]{};
      f32x16 x_sum[8]{};
      const int at = column * 2 + b / 8;
      const int g = b % 8;
      UNROLL(2)
      for (int s = 0; s < 2; ++s) {
        const int r = s * 16;
        const f32x16 q = convert<f32x16>((convert<i32x16>(load<u32x16>(&w[at].qs[g / 2 * 32 +
            r])) >> (g % 2 * 4)) & 15);
        const int k = b * 32 + r;
        UNROLL(8)
        for (int m = 0; m < 8; ++m) {
          const int x_at = min(first_row + m, N - 1) * 512 + k;
          const f32x16 x_k = load<f32x16>(&x[x_at]);
          part[m] += q * x_k;
          x_sum[m] += x_k;
        }
      }
      const int at_2 = min(g + 4, 11);
      const int at_3 = g - 4;
      const bool is = g < 4;
      const float scale = widen(w[at].d) * static_cast<float>(is ?
          static_cast<int>(unsigned{w[at].scales[min(g, 11)]}) & 63 :
          (static_cast<int>(unsigned{w[at].scales[at_2]}) & 15) |
          ((static_cast<int>(unsigned{w[at].scales[max(at_3, 0)]}) >> 6) << 4));
      const float low = -(widen(w[at].dmin) * static_cast<float>(is ?
          static_cast<int>(unsigned{w[at].scales[at_2]}) & 63 :
          (static_cast<int>(unsigned{w[at].scales[at_2]}) >> 4) |
          ((static_cast<int>(unsigned{w[at].scales[max(at_3 + 4, 0)]}) >> 6) << 4)));
      UNROLL(8)
      for (int m = 0; m < 8; ++m) {
        sum[m] += scale * part[m] + low * x_sum[m];
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
