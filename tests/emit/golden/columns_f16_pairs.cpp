extern "C" void columns_f16_pairs(
    const unsigned* x_bf16,  // (N, stride / 2)
    const f16* w,            // (M, K)
    float* __restrict y,
    int N,
    int group) {
  alignas(64) float sums[128];
  const int part_of_columns = group % 12;
  const int first_column = part_of_columns * 16;
  const int first_row = group / 12 * 8;
  for (int c = 0; c < 16; c += 4) {
    f32x16 sum[32]{};
    const int column = first_column + c;
    const int x_row = first_row * 304;
    for (int pair = 0; pair + 16 <= 288; pair += 16) {
      const int at = pair * 2;
      const int at_2 = column * 576 + at * 4;
      UNROLL(4)
      for (int line = 0; line < 4; ++line) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at_2 + line * 32]) + 4608);
      }
      u32x16 w_pairs[4]{};
      UNROLL(4)
      for (int j = 0; j < 4; ++j) {
        const int w_at = (column + j) * 576 + at;
        w_pairs[j] = load_pairs<u32x16>(&w[w_at]);
      }
      const int x_at = x_row + pair;
      UNROLL(8)
      for (int m = 0; m < 8; ++m) {
        const u32x16 x_k = load<u32x16>(&x_bf16[x_at + m * 304]);
        UNROLL(4)
        for (int j = 0; j < 4; ++j) {
          const int at_3 = m * 4 + j;
          sum[at_3] = bf16_dot(w_pairs[j], x_k, sum[at_3]);
        }
      }
    }
    UNROLL(8)
    for (int four = 0; four < 8; ++four) {
      const int at = four * 4;
      const f32x16 totals = lane_sums(sum[at], sum[at + 1], sum[at + 2], sum[at + 3]);
      UNROLL(4)
      for (int j = 0; j < 4; ++j) {
        const float all = totals[j * 4];
        const int at_2 = at + j;
        sums[at_2 / 4 * 16 + c + at_2 % 4] = all;
      }
    }
  }
  const int rows_here = min(N - first_row, 8);
  for (int m = 0; m < rows_here; ++m) {
    for (int c = 0; c + 16 <= 16; c += 16) {
      const f32x16 total = load<f32x16>(&sums[m * 16 + c]);
      store(&y[(first_row + m) * 192 + (first_column + c)], total);
    }
  }
}
