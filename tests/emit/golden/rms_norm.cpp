namespace rms_norm_functions {
// 1 / √x within 1 ULP
static inline float rsqrt(float x) {
  const bool small = x < 5.421011e-20f;
  const bool large = 1.8446744e+19f < x;
  const float s = x * (small ? 1.8446744e+19f : (large ? 5.421011e-20f : 1.0f));
  const float y_2 = bitcast<float>(1597463174 - (bitcast<int>(s) >> 1));
  const float half_x = 0.5f * s;
  const float y_3 = y_2 + y_2 * (0.5f - half_x * y_2 * y_2);
  const float y_4 = y_3 + y_3 * (0.5f - half_x * y_3 * y_3);
  const float y1 = bitcast<float>(bitcast<unsigned>(y_4) & 4294963200u);
  const float e = 1.0f - s * (y1 * y1);
  return 0.0f < x ? (x == __builtin_inff() ? 0.0f : (y1 + y1 * e * (0.5f + 0.375f * e)) *
      (small ? 4294967300.0f : (large ? 2.3283064e-10f : 1.0f))) :
      (x == 0.0f ? bitcast<float>(bitcast<unsigned>(__builtin_inff()) |
      (bitcast<unsigned>(x) & 2147483648u)) : __builtin_nanf(""));
}
}  // namespace rms_norm_functions

extern "C" void rms_norm(const float* x, const bf16* w, float* __restrict y, int rows, int group) {
  using namespace rms_norm_functions;
  const int first = group * 3;
  const int last = min(first + 3, rows);
  for (int row = first; row < last; ++row) {
    f32x16 squares{};
    for (int i = 0; i + 16 <= 300; i += 16) {
      const f32x16 x_value = load<f32x16>(&x[row * 300 + i]);
      squares += x_value * x_value;
    }
    if (const int i = 288; i < 300) {
      const int count = 300 - i;
      const b1x16 tail = first_lanes<b1x16>(count);
      const f32x16 x_value = load_first<f32x16>(&x[row * 300 + i], count);
      squares = select(tail, squares + x_value * x_value, squares);
    }
    const float squares_of_row = lane_sum(squares);
    const float scale = rsqrt(squares_of_row * 0.0033333334f + 1e-05f);
    for (int i = 0; i + 16 <= 300; i += 16) {
      const int at = row * 300 + i;
      store(&y[at], load<f32x16>(&x[at]) * scale * load<f32x16>(&w[i]));
    }
    if (const int i = 288; i < 300) {
      const int count = 300 - i;
      const int at = row * 300 + i;
      store_first(&y[at], load_first<f32x16>(&x[at], count) * scale *
          load_first<f32x16>(&w[i], count), count);
    }
  }
}
