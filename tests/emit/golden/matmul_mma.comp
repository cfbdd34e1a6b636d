#version 460
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_NV_cooperative_matrix : require

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

struct q8_0 {  // 34 bytes
  float16_t d;
  int8_t qs[32];
};

layout(local_size_x = 128) in;  // 4 subgroups of 32 lanes
layout(std430, binding = 0) readonly buffer x_buffer { float x[]; };  // (N, K)
layout(std430, binding = 1) readonly buffer w_buffer { q8_0 w[]; };  // (M, K)
layout(std430, binding = 2) restrict writeonly buffer y_buffer { float y[]; };
shared float16_t x_tile[2560];
shared float16_t w_tile[2560];
shared float sum_tile[4608];
layout(std430, binding = 3) readonly buffer Params { int n_groups; int N; };
layout(push_constant) uniform Starts { int x_start, w_start, y_start; };

void main() {
  const int group = int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x);
  if (group >= n_groups) return;
  const int subgroup = int(gl_SubgroupID);
  const int lane = int(gl_SubgroupInvocationID);
  const int thread = subgroup * 32 + lane;
  fcoopmatNV<32, gl_ScopeSubgroup, 16, 16> sums[4];
  [[unroll]]
  for (int each = 0; each < 4; ++each) sums[each] = fcoopmatNV<32, gl_ScopeSubgroup, 16, 16>(0.0);
  const int first_row = group / 4 * 64;
  const int part_of_columns = group % 4;
  const int first_column = part_of_columns * 64;
  const int first_down = subgroup / 2 * 32;
  const int first_across = subgroup % 2 * 32;
  for (int slice = 0; slice < 768; slice += 32) {
    memoryBarrierShared();
    barrier();
    for (int i = thread; i < 2048; i += 128) {
      const int at = i / 32;
      const int row = min(first_row + at, N - 1);
      const int at_2 = i % 32;
      x_tile[at * 40 + at_2] = float16_t(narrow_f16(x[row * 768 + (slice + at_2) + x_start]));
    }
    for (int i = thread; i < 128; i += 128) {
      const int at = i / 2;
      const int column = min(first_column + at, 199);
      const int at_2 = i % 2 * 16;
      const int k = slice + at_2;
      const int block = column * 24 + k / 32;
      const float scale = float(w[block + w_start].d);
      const int to = at * 40 + at_2;
      const int j = k % 32;
      const int g = j / 32;
      const int first = (j % 32) % 32;
      [[unroll]]
      for (int r = 0; r < 16; ++r) {
        w_tile[to + r] = float16_t(narrow_f16(scale * float(int(w[block + w_start].qs[g * 32 +
            (first + r)]))));
      }
    }
    memoryBarrierShared();
    barrier();
    [[unroll]]
    for (int step = 0; step < 2; ++step) {
      fcoopmatNV<16, gl_ScopeSubgroup, 16, 16> rows[2];
      [[unroll]]
      for (int each = 0; each < 2; ++each) rows[each] = fcoopmatNV<16, gl_ScopeSubgroup, 16,
          16>(0.0);
      [[unroll]]
      for (int i = 0; i < 2; ++i) {
        fcoopmatNV<16, gl_ScopeSubgroup, 16, 16> x_part;
        coopMatLoadNV(x_part, x_tile, (first_down + i * 16) * 40 + step * 16, 40, false);
        rows[i] = x_part;
      }
      [[unroll]]
      for (int j = 0; j < 2; ++j) {
        fcoopmatNV<16, gl_ScopeSubgroup, 16, 16> w_part;
        coopMatLoadNV(w_part, w_tile, (first_across + j * 16) * 40 + step * 16, 40, true);
        [[unroll]]
        for (int i = 0; i < 2; ++i) {
          const int at = i * 2 + j;
          sums[at] = coopMatMulAddNV(rows[i], w_part, sums[at]);
        }
      }
    }
  }
  [[unroll]]
  for (int i = 0; i < 2; ++i) {
    [[unroll]]
    for (int j = 0; j < 2; ++j) {
      coopMatStoreNV(sums[i * 2 + j], sum_tile, (first_down + i * 16) * 72 + first_across + j * 16,
          72, false);
    }
  }
  memoryBarrierShared();
  barrier();
  const int rows_here = min(N - first_row, 64);
  const int columns_here = min(200 - first_column, 64);
  for (int r = subgroup; r < rows_here; r += 4) {
    for (int c = lane; c < columns_here; c += 32) {
      const float sum = sum_tile[r * 72 + c];
      const int column = first_column + c;
      y[(first_row + r) * 200 + column + y_start] = sum;
    }
  }
}
