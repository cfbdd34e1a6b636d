#version 460
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_spirv_intrinsics : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_basic : require

/// sum + Σ a[j]·b[j] of four signed bytes: OpSDotKHR on PackedVectorFormat4x8Bit.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4450)
int sdot(int a, int b, spirv_literal int format);
int dot4(int a, int b, int sum) { return sum + sdot(a, b, 0); }
int pack_i8x4(int a, int b, int c, int d) { return (a & 255) | ((b & 255) << 8) | ((c & 255) << 16) | (d << 24); }

struct int8_words {  // 48 bytes
  float d;
  float d_sum;
  int sum;
  int first_sum;
  int qs[8];
};

struct q4_1 {  // 20 bytes
  float16_t d;
  float16_t m;
  uint8_t qs[16];
};

layout(local_size_x = 32) in;  // 4 subgroups of 8 lanes
layout(std430, binding = 0) readonly buffer x_int8_buffer { int8_words x_int8[]; };  // (N, K / 32)
layout(std430, binding = 1) readonly buffer w_buffer { q4_1 w[]; };  // (M, K)
layout(std430, binding = 2) restrict writeonly buffer y_buffer { float y[]; };
layout(std430, binding = 3) readonly buffer Params { int n_groups; };
layout(push_constant) uniform Starts { int x_int8_start, w_start, y_start; };

void main() {
  const int group = int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x);
  if (group >= n_groups) return;
  const int subgroup = int(gl_SubgroupID);
  const int lane = int(gl_SubgroupInvocationID);
  float sum = 0.0;
  const int first_column = group * 4;
  const int column = first_column + subgroup;
  for (int b = lane / 4; b < 18; b += 2) {
    int dot = 0;
    const int at = column * 18 + b;
    [[unroll]]
    for (int h = 0; h < 2; ++h) {
      const int w_2 = lane % 4;
      const int at_2 = h * 4;
      const int word = at_2 + w_2;
      const int q = (pack_i8x4(int(w[at + w_start].qs[w_2 * 4]),
          int(w[at + w_start].qs[w_2 * 4 + 1]), int(w[at + w_start].qs[w_2 * 4 + 2]),
          int(w[at + w_start].qs[w_2 * 4 + 3])) >> at_2) & 0x0f0f0f0f;
      dot = dot4(q, x_int8[b + x_int8_start].qs[word], dot);
    }
    const float scale = float(w[at + w_start].d);
    const float d = x_int8[b + x_int8_start].d;
    const float low = float(w[at + w_start].m);
    sum += scale * d * float(dot) + (lane % 4 == 0 ? low * x_int8[b + x_int8_start].d_sum : 0.0);
  }
  const float total = subgroupAdd(sum);
  if (lane == 0) y[column + y_start] = total;
}
