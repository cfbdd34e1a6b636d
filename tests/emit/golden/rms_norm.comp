#version 430
#extension GL_EXT_shader_16bit_storage : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_basic : require

float widen_bf16(uint bits) { return uintBitsToFloat(bits << 16); }

// 1 / √x within 1 ULP
float rsqrt(float x) {
  const bool small = x < 5.421011e-20;
  const bool large = 1.8446744e+19 < x;
  const precise float s = x * (small ? 1.8446744e+19 : (large ? 5.421011e-20 : 1.0));
  const precise float y_2 = intBitsToFloat(1597463174 - (floatBitsToInt(s) >> 1));
  const precise float half_x = 0.5 * s;
  const precise float y_3 = y_2 + y_2 * (0.5 - half_x * y_2 * y_2);
  const precise float y_4 = y_3 + y_3 * (0.5 - half_x * y_3 * y_3);
  const precise float y1 = uintBitsToFloat(floatBitsToUint(y_4) & 0xfffff000u);
  const precise float e = 1.0 - s * (y1 * y1);
  const precise float result = 0.0 < x ? (x == uintBitsToFloat(0x7f800000u) ? 0.0 :
      (y1 + y1 * e * (0.5 + 0.375 * e)) * (small ? 4294967300.0 : (large ? 2.3283064e-10 : 1.0))) :
      (x == 0.0 ? uintBitsToFloat(floatBitsToUint(uintBitsToFloat(0x7f800000u)) |
      (floatBitsToUint(x) & 0x80000000u)) : uintBitsToFloat(0x7fc00000u));
  return result;
}

layout(local_size_x = 32) in;  // 4 subgroups of 8 lanes
layout(std430, binding = 0) readonly buffer x_buffer { float x[]; };
layout(std430, binding = 1) readonly buffer w_buffer { uint16_t w[]; };
layout(std430, binding = 2) restrict writeonly buffer y_buffer { float y[]; };
shared float squares_of_row_parts[4];
layout(std430, binding = 3) readonly buffer Params { int n_groups; };
layout(push_constant) uniform Starts { int x_start, w_start, y_start; };

void main() {
  const int group = int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x);
  if (group >= n_groups) return;
  const int subgroup = int(gl_SubgroupID);
  const int lane = int(gl_SubgroupInvocationID);
  const int thread = subgroup * 8 + lane;
  float squares = 0.0;
  for (int i = thread; i < 300; i += 32) {
    const float x_value = x[group * 300 + i + x_start];
    squares += x_value * x_value;
  }
  const float squares_of_row = subgroupAdd(squares);
  if (lane == 0) squares_of_row_parts[subgroup] = squares_of_row;
  memoryBarrierShared();
  barrier();
  float squares_of_row_all = squares_of_row_parts[0];
  for (int part = 1; part < 4; ++part) {
    squares_of_row_all += squares_of_row_parts[part];
  }
  memoryBarrierShared();
  barrier();
  const float scale = rsqrt(squares_of_row_all * 0.0033333334 + 1e-05);
  for (int i = thread; i < 300; i += 32) {
    const int at = group * 300 + i;
    y[at + y_start] = x[at + x_start] * scale * widen_bf16(uint(w[i + w_start]));
  }
}
