#ifndef RECORD_q4_1_x16
#define RECORD_q4_1_x16
struct q4_1_x16 {  // 320 bytes
  std::int8_t qs[256];
  f16 d[16];
  f16 m[16];
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

extern "C" void panels_q4_1_mma(
    const bf16* x,      // (N, K)
    const q4_1_x16* w,  // (M, K)
    float* __restrict y,
    int N,
    int group) {
  alignas(64) unsigned w_tile[9216];
  alignas(64) float sum_tile[1024];
  const TileRegisters tile_registers;
  const int part_of_columns = group % 6;
  const int first_column = part_of_columns * 32;
  for (int side = 0; side < 2; ++side) {
    const int first_block = (first_column / 16 + side) * 18;
    for (int b = 0; b < 18; ++b) {
      const int at = first_block + b;
      UNROLL(4)
      for (int line = 0; line < 4; ++line) {
        __builtin_prefetch(reinterpret_cast<const char*>(&w[at].qs[line * 64]) + 4096);
      }
      __builtin_prefetch(reinterpret_cast<const char*>(&w[at].d[0]) + 4096);
      const f32x16 scale = load<f32x16>(&w[at].d[0]);
      const f32x16 low = load<f32x16>(&w[at].m[0]);
      const int to = b * 512 + side * 16;
      UNROLL(4)
      for (int word = 0; word < 4; ++word) {
        const i32x16 quants = load_i8x4<i32x16>(&w[at].qs[word * 64]);
        UNROLL(2)
        for (int half_2 = 0; half_2 < 2; ++half_2) {
          UNROLL(2)
          for (int pair = 0; pair < 2; ++pair) {
            const int at_2 = pair * 2;
            const int at_3 = half_2 * 4;
            store(&w_tile[to + (word * 2 + half_2 * 8 + pair) * 32],
                bf16_pair(fma(scale, convert<f32x16>((quants >> (at_2 * 8 + at_3)) & 15), low),
                fma(scale, convert<f32x16>((quants >> ((at_2 + 1) * 8 + at_3)) & 15), low)));
          }
        }
      }
    }
  }
  const int first_row = group / 6 * 512;
  const int end_row = min(first_row + 512, N);
  for (int row = first_row; row < end_row; row += 32) {
    mma_c sum{};
    const int x_at = row * 608;
    for (int step = 0; step < 18; ++step) {
      const mma_a x_part = load_a(&x[x_at + step * 32], 608);
      const mma_b w_part = load_b(&w_tile[step * 512], 32);
      sum = mma(x_part, w_part, sum);
    }
    store_c(&sum_tile[0], 32, sum);
    const int rows_here = min(end_row - row, 32);
    for (int r = 0; r < rows_here; ++r) {
      for (int c = 0; c + 16 <= 32; c += 16) {
        const f32x16 total = load<f32x16>(&sum_tile[r * 32 + c]);
        store(&y[(row + r) * 192 + (first_column + c)], total);
      }
    }
  }
}
