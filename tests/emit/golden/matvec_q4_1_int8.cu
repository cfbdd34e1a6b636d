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
struct q4_1 {  // 20 bytes
  f16 d;
  f16 m;
  unsigned char qs[16];
};
#endif

extern "C" __global__ void __launch_bounds__(128)  // 4 warps
matvec_q4_1_int8_kernel(
    const int8_words* __restrict__ x_int8,  // (N, K / 32)
    const q4_1* __restrict__ w,             // (M, K)
    float* __restrict__ y) {
  const int group = blockIdx.x;
  const int subgroup = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  float sum = 0.0f;
  const int first_column = group * 4;
  const int column = first_column + subgroup;
  for (int b = lane / 4; b < 18; b += 8) {
    int dot = 0;
    const int at = column * 18 + b;
    #pragma unroll 2
    for (int h = 0; h < 2; ++h) {
      const int w_2 = lane % 4;
      const int at_2 = h * 4;
      const int word = at_2 + w_2;
      const int q = (load_i8x4(&w[at].qs[w_2 * 4]) >> at_2) & 0x0f0f0f0f;
      dot = dot4(q, x_int8[b].qs[word], dot);
    }
    const float scale = widen(w[at].d);
    const float d = x_int8[b].d;
    const float low = widen(w[at].m);
    sum += scale * d * float(dot) + (lane % 4 == 0 ? low * x_int8[b].d_sum : 0.0f);
  }
  const float total = lane_sum(sum);
  if (lane == 0) y[column] = total;
}
