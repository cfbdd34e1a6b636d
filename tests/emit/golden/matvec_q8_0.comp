#version 430
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_basic : require

struct q8_0 {  // 34 bytes
  float16_t d;
  int8_t qs[32];
};

layout(local_size_x = 32) in;  // 4 subgroups of 8 lanes
layout(std430, binding = 0) readonly buffer x_buffer { float x[]; };  // (N, K)
layout(std430, binding = 1) readonly buffer w_buffer { q8_0 w[]; };  // (M, K)
layout(std430, binding = 2) readonly buffer residual_buffer { float residual[]; };
layout(std430, binding = 3) restrict writeonly buffer y_buffer { float y[]; };
layout(std430, binding = 4) readonly buffer Params { int n_groups; int N; };
layout(push_constant) uniform Starts { int x_start, w_start, residual_start, y_start; };

void main() {
  const int group = int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x);
  if (group >= n_groups) return;
  const int subgroup = int(gl_SubgroupID);
  const int lane = int(gl_SubgroupInvocationID);
  float sum[8];
  [[unroll]]
  for (int each = 0; each < 8; ++each) sum[each] = 0.0;
  const int part_of_columns = group % 48;
  const int first_column = part_of_columns * 4;
  const int column = first_column + subgroup;
  const int first_row = group / 48 * 8;
  for (int b = 0; b < 18; ++b) {
    float part[8];
    [[unroll]]
    for (int each = 0; each < 8; ++each) part[each] = 0.0;
    const int at = column * 18 + b;
    [[unroll]]
    for (int s = 0; s < 4; ++s) {
      const int r = s * 8 + lane;
      const float q = float(int(w[at + w_start].qs[r]));
      const int k = b * 32 + r;
      [[unroll]]
      for (int m = 0; m < 8; ++m) {
        const int x_at = min(first_row + m, N - 1) * 576 + k;
        const float x_k = x[x_at + x_start];
        part[m] += q * x_k;
      }
    }
    const float scale = float(w[at + w_start].d);
    [[unroll]]
    for (int m = 0; m < 8; ++m) {
      sum[m] += scale * part[m];
    }
  }
  float total[8];
  [[unroll]]
  for (int each = 0; each < 8; ++each) total[each] = 0.0;
  [[unroll]]
  for (int m = 0; m < 8; ++m) {
    const float sum_all = subgroupAdd(sum[m]);
    total[m] = sum_all;
  }
  [[unroll]]
  for (int m = 0; m < 8; ++m) {
    const int at = first_row + m;
    if (at < N) {
      const int at_2 = min(at, N - 1) * 192 + column;
      if (lane == 0) y[at_2 + y_start] = total[m] + residual[at_2 + residual_start];
    }
  }
}
