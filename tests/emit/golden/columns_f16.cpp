extern "C" void columns_f16(
    const float* x,  // (N, K)
    const f16* w,    // (M, K)
    float* __restrict y,
    int N,
    int group) {
  alignas(64) float sums[192];
  const int first_row = group / 8 * 8;
  const int rows_here = min(N - first_row, 8);
  const int part_of_columns = group % 8;
  const int first_column = part_of_columns * 24;
  for (int c = 0; c < 24; c += 3) {
    for (int row = 0; row < rows_here; row += 4) {
      f32x8 sum[12]{};
      int x_row[4]{};
      const int row_of_x = first_row + row;
      UNROLL(4)
      for (int m = 0; m < 4; ++m) {
        x_row[m] = min(row_of_x + m, N - 1) * 576;
      }
      const int column = first_column + c;
      for (int k = 0; k + 8 <= 576; k += 8) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[column * 576 + k * 3]) + 3456);
        f32x8 w_k[3]{};
        UNROLL(3)
        for (int j = 0; j < 3; ++j) {
          const int w_at = (column + j) * 576 + k;
          w_k[j] = load<f32x8>(&w[w_at]);
        }
        UNROLL(4)
        for (int m = 0; m < 4; ++m) {
          const f32x8 x_k = load<f32x8>(&x[k + x_row[m]]);
          UNROLL(3)
          for (int j = 0; j < 3; ++j) {
            const int at = m * 3 + j;
            sum[at] = fma(w_k[j], x_k, sum[at]);
          }
        }
      }
      UNROLL(3)
      for (int four = 0; four < 3; ++four) {
        const int at = four * 4;
        const f32x8 totals = lane_sums(sum[at], sum[at + 1], sum[at + 2], sum[at + 3]);
        UNROLL(4)
        for (int j = 0; j < 4; ++j) {
          const float all = totals[j * 2];
          const int at_2 = at + j;
          sums[(row + at_2 / 3) * 24 + c + at_2 % 3] = all;
        }
      }
    }
  }
  for (int m = 0; m < rows_here; ++m) {
    for (int c = 0; c + 8 <= 24; c += 8) {
      const f32x8 total = load<f32x8>(&sums[m * 24 + c]);
      store(&y[(first_row + m) * 192 + (first_column + c)], total);
    }
  }
}
