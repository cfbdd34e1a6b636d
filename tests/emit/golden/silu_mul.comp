#version 430
#extension GL_EXT_shader_16bit_storage : require
#extension GL_KHR_shader_subgroup_basic : require

/// Rounded to what f16 holds, ties to even: what float16_t() then keeps exactly, however the device would round.
float narrow_f16(float x) {
  const uint magnitude = floatBitsToUint(x) & 0x7fffffffu, sign = floatBitsToUint(x) & 0x80000000u;
  precise float rounded = uintBitsToFloat((magnitude + 0xfffu + ((magnitude >> 13) & 1u)) & 0xffffe000u);
  if (magnitude < 0x38800000u) {  // below 2^-14 the unit of the last place is that of sums with 0.5
    precise float sum = uintBitsToFloat(magnitude) + 0.5;
    rounded = sum - 0.5;
  }
  if (magnitude >= 0x477ff000u) rounded = uintBitsToFloat(0x7f800000u);
  return magnitude > 0x7f800000u ? x : uintBitsToFloat(floatBitsToUint(rounded) | sign);
}
float widen_bf16(uint bits) { return uintBitsToFloat(bits << 16); }

// e^x within 1 ULP
float exp_f32(float x) {
  const precise float c_2 = 89.0 < x ? 89.0 : (x < -104.0 ? -104.0 : x);
  const precise float shifted = c_2 * 1.442695 + 12582912.0;
  const precise float n = shifted - 12582912.0;
  const precise float r = c_2 - n * 0.69314575 - n * 1.4286068e-06;
  const precise float p = 1.0 + (r + r * r * (0.49999994 + r *
      (0.16666521 + r * (0.041668262 + r * (0.008368674 + r * 0.0013821041)))));
  const int k = floatBitsToInt(shifted) - 1262485504;
  const int half_k = k >> 1;
  const precise float result = p * intBitsToFloat((half_k + 127) << 23) *
      intBitsToFloat((k - half_k + 127) << 23);
  return result;
}

// a / b within 0.8 ULP (0.51 above 2^-126)
float div(float a, float b) {
  const precise float t = abs(a);
  const bool is = t == 0.0;
  const precise float t_2 = abs(b);
  const bool is_2 = t_2 == 0.0;
  const bool is_3 = t == uintBitsToFloat(0x7f800000u);
  const bool is_4 = t_2 == uintBitsToFloat(0x7f800000u);
  const bool is_5 = t < 1.1754944e-38;
  const int a_bits = floatBitsToInt(is_5 ? t * 16777216.0 : t);
  const precise float a_m = intBitsToFloat((a_bits & 8388607) | 1065353216);
  const bool is_6 = t_2 < 1.1754944e-38;
  const int b_bits = floatBitsToInt(is_6 ? t_2 * 16777216.0 : t_2);
  const precise float b_m = intBitsToFloat((b_bits & 8388607) | 1065353216);
  const precise float r = 1.4117647 - 0.47058824 * b_m;
  const precise float r_2 = r + r * (1.0 - b_m * r);
  const precise float r_3 = r_2 + r_2 * (1.0 - b_m * r_2);
  const precise float r_4 = r_3 + r_3 * (1.0 - b_m * r_3);
  const precise float guess = a_m * r_4;
  const precise float g1 = uintBitsToFloat(floatBitsToUint(guess) & 0xfffff000u);
  const precise float d1 = uintBitsToFloat(floatBitsToUint(b_m) & 0xfffff000u);
  const precise float d2 = b_m - d1;
  const precise float g2 = guess - g1;
  const int at = (a_bits >> 23) - (is_5 ? 151 : 127) - ((b_bits >> 23) - (is_6 ? 151 : 127));
  const int at_2 = 130 < at ? 130 : at;
  const int k = at_2 < -160 ? -160 : at_2;
  const int half_k = k >> 1;
  const precise float result = a != a || b != b || is && is_2 || is_3 && is_4 ?
      uintBitsToFloat(0x7fc00000u) : uintBitsToFloat(floatBitsToUint(is || is_4 ? 0.0 :
      (is_2 || is_3 ? uintBitsToFloat(0x7f800000u) : (guess +
      (a_m - g1 * d1 - g1 * d2 - g2 * d1 - g2 * d2) * r_4) * intBitsToFloat((half_k + 127) << 23) *
      intBitsToFloat((k - half_k + 127) << 23))) |
      (floatBitsToUint(uintBitsToFloat(floatBitsToUint(a) ^ floatBitsToUint(b))) & 0x80000000u));
  return result;
}

// 1 / (1 + e^-x) within 2.5 ULP
float sigmoid(float x) {
  const precise float exp_f32_value = exp_f32(-abs(x));
  const precise float result = div(x < 0.0 ? exp_f32_value : 1.0, 1.0 + exp_f32_value);
  return result;
}

layout(local_size_x = 32) in;  // 4 subgroups of 8 lanes
layout(std430, binding = 0) readonly buffer a_buffer { float a[]; };
layout(std430, binding = 1) readonly buffer b_buffer { uint16_t b[]; };
layout(std430, binding = 2) readonly buffer c_buffer { float c[]; };
layout(std430, binding = 3) restrict writeonly buffer gated_out_buffer { float gated_out[]; };
layout(std430, binding = 4) restrict writeonly buffer ratio_out_buffer { float16_t ratio_out[]; };
layout(std430, binding = 5) readonly buffer Params { int n_groups; int rows; };
layout(push_constant) uniform Starts { int a_start, b_start, c_start, gated_out_start,
    ratio_out_start; };

void main() {
  const int group = int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x);
  if (group >= n_groups) return;
  const int subgroup = int(gl_SubgroupID);
  const int lane = int(gl_SubgroupInvocationID);
  const int row = group * 2;
  const int r_end = min(row + 2, rows);
  for (int r = row + subgroup; r < r_end; r += 4) {
    for (int i = lane; i < 45; i += 8) {
      const int at = r * 45 + i;
      const float a_value = a[at + a_start];
      const float c_value = c[i + c_start];
      const float silu = a_value * sigmoid(a_value);
      const float gated = silu * widen_bf16(uint(b[at + b_start]));
      gated_out[at + gated_out_start] = gated;
      ratio_out[at + ratio_out_start] = float16_t(narrow_f16(div(gated, c_value + 2.0)));
    }
  }
}
