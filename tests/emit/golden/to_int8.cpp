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

extern "C" void to_int8(
    const float* x,                 // (rows, width)
    int8_block* __restrict x_int8,  // (rows, blocks)
    int group) {
  const int first_block = group % 2 * 16;
  const int end = min(first_block + 16, 18);
  const int row = group / 2;
  const int at = row * 18;
  for (int b = first_block; b < end; b += 4) {
    f32x16 y[8]{};
    UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      const int at_2 = min(b + i, end - 1);
      UNROLL(2)
      for (int v = 0; v < 2; ++v) {
        y[i * 2 + v] = load<f32x16>(&x[row * 576 + at_2 * 32 + v * 16]);
      }
    }
    i32x16 peak[4]{};
    UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      UNROLL(2)
      for (int v = 0; v < 2; ++v) {
        peak[i] = max(peak[i], bitcast<i32x16>(abs(y[i * 2 + v])));
      }
    }
    f32x16 sum[4]{};
    f32x16 first[4]{};
    const i32x16 top = lane_maxs(peak[0], peak[1], peak[2], peak[3]);
    const b1x16 finite = top < 2139095040;
    const b1x16 small = top < 226492416;
    const f32x16 largest = bitcast<f32x16>(top);
    const f32x16 inverse = select(small, splat<f32x16>(0.0f), 127.0f / largest);
    const f32x16 inverse_2 = select(finite, inverse, splat<f32x16>(0.0f));
    UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      const int at_2 = i * 2;
      const f32x16 y_before = y[at_2];
      const float by = inverse_2[i * 4];
      const int to = at + min(b + i, end - 1);
      const f32x16 q = round(select(bitcast<i32x16>(abs(y_before)) < 2139095040, y_before * by,
          splat<f32x16>(0.0f)));
      store(&x_int8[to].qs[0], convert<i32x16>(q));
      sum[i] += q;
      first[i] += q;
      const f32x16 y_before_2 = y[at_2 + 1];
      const f32x16 q_2 = round(select(bitcast<i32x16>(abs(y_before_2)) < 2139095040, y_before_2 *
          by, splat<f32x16>(0.0f)));
      store(&x_int8[to].qs[16], convert<i32x16>(q_2));
      sum[i] += q_2;
    }
    const f32x16 all = lane_sums(sum[0], sum[1], sum[2], sum[3]);
    const f32x16 of_first = lane_sums(first[0], first[1], first[2], first[3]);
    const f32x16 d = select(finite, select(small, splat<f32x16>(0.0f), largest * 0.007874016f),
        splat<f32x16>(bitcast<float>(2143289344)));
    const f32x16 d_sum = d * all;
    UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      const int at_2 = i * 4;
      const float all_2 = d[at_2];
      const int to = at + min(b + i, end - 1);
      x_int8[to].d = all_2;
      const float all_3 = d_sum[at_2];
      x_int8[to].d_sum = all_3;
      const float all_4 = all[at_2];
      x_int8[to].sum = static_cast<int>(all_4);
      const float all_5 = of_first[at_2];
      x_int8[to].first_sum = static_cast<int>(all_5);
    }
  }
}
