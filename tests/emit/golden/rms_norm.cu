// 1 / √x within 1 ULP
static __device__ inline float rsqrt(float x) {
  const bool small = x < 5.421011e-20f;
  const bool large = 1.8446744e+19f < x;
  const float s = x * (small ? 1.8446744e+19f : (large ? 5.421011e-20f : 1.0f));
  const float y_2 = bits_f32(1597463174 - (bits_i32(s) >> 1));
  const float half_x = 0.5f * s;
  const float y_3 = y_2 + y_2 * (0.5f - half_x * y_2 * y_2);
  const float y_4 = y_3 + y_3 * (0.5f - half_x * y_3 * y_3);
  const float y1 = bits_f32(bits_u32(y_4) & 0xfffff000u);
  const float e = 1.0f - s * (y1 * y1);
  return 0.0f < x ? (x == bits_f32(0x7f800000u) ? 0.0f : (y1 + y1 * e * (0.5f + 0.375f * e)) *
      (small ? 4294967300.0f : (large ? 2.3283064e-10f : 1.0f))) :
      (x == 0.0f ? bits_f32(bits_u32(bits_f32(0x7f800000u)) | (bits_u32(x) & 0x80000000u)) :
      bits_f32(0x7fc00000u));
}

extern "C" __global__ void __launch_bounds__(128)  // 4 warps
rms_norm_kernel(
    const float* __restrict__ x,
    const bf16* __restrict__ w,
    float* __restrict__ y) {
  __shared__ float squares_of_row_parts[4];
  const int group = blockIdx.x;
  const int subgroup = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int thread = threadIdx.x;
  float squares = 0.0f;
  for (int i = thread; i < 300; i += 128) {
    const float x_value = x[group * 300 + i];
    squares += x_value * x_value;
  }
  const float squares_of_row = lane_sum(squares);
  if (lane == 0) squares_of_row_parts[subgroup] = squares_of_row;
  __syncthreads();
  float squares_of_row_all = squares_of_row_parts[0];
  for (int part = 1; part < 4; ++part) {
    squares_of_row_all += squares_of_row_parts[part];
  }
  __syncthreads();
  const float scale = rsqrt(squares_of_row_all * 0.0033333334f + 1e-05f);
  for (int i = thread; i < 300; i += 128) {
    const int at = group * 300 + i;
    y[at] = x[at] * scale * widen(w[i]);
  }
}
