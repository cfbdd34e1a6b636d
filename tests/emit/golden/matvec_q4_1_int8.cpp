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

#ifndef RECORD_q4_1
#define RECORD_q4_1
struct __attribute__((packed)) q4_1 {  // 20 bytes
  f16 d;
  f16 m;
  std::uint8_t qs[16];
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

#ifndef RECORD_q4_1
#define RECORD_q4_1
struct __attribute__((packed)) q4_1 {  // 20 bytes
  f16 d;
  f16 m;
  std::uint8_t qs[16];
};
#endif

extern "C" void matvec_q4_1_int8(
    const int8_words* x_int8,  // (N, K / 32)
    const q4_1* w,             // (M, K)
    float* __restrict y,
    int group) {
  const int first_column = group * 8;
  for (int c = 0; c < 8; ++c) {
    f32x16 sum{};
    const int column = first_column + c;
    for (int b = 0; b < 18; ++b) {
      i32x16 dot{};
      const int at = column * 18 + b;
      UNROLL(2)
      for (int h = 0; h < 2; ++h) {
        if (const int w_2 = 0; w_2 < 4) {
          const int count = 4 - w_2;
          const b1x16 tail = first_lanes<b1x16>(count);
          const int at_2 = h * 4;
          const int word = at_2 + w_2;
          const i32x16 q = (load_i8x4_first<i32x16>(&w[at].qs[w_2 * 4], count) >> at_2) &
              0x0f0f0f0f;
          dot = select(tail, dot4_us(q, load_first<i32x16>(&x_int8[b].qs[word], count), dot), dot);
        }
      }
      const float scale = widen(w[at].d);
      const float d = x_int8[b].d;
      const float low = widen(w[at].m);
      sum += scale * d * convert<f32x16>(dot) + select(ramp<i32x16>(0) == 0,
          splat<f32x16>(low * x_int8[b].d_sum), splat<f32x16>(0.0f));
    }
    const float total = lane_sum(sum);
    y[column] = total;
  }
}
