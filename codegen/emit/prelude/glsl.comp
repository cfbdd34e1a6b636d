// == narrow_f16
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
// == widen_bf16
float widen_bf16(uint bits) { return uintBitsToFloat(bits << 16); }
// == narrow_bf16
/// To nearest, ties to even; NaN stays NaN.
uint narrow_bf16(float x) {
  const uint bits = floatBitsToUint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 64u;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
// == pack_i8x4
int pack_i8x4(int a, int b, int c, int d) { return (a & 255) | ((b & 255) << 8) | ((c & 255) << 16) | (d << 24); }
// == lane_sums
/// Each quarter of the subgroup: the sum of one of the four over all lanes.
float lane_sums(float a, float b, float c, float d) {
  a = subgroupAdd(a), b = subgroupAdd(b), c = subgroupAdd(c), d = subgroupAdd(d);
  const uint quarter = gl_SubgroupInvocationID / (gl_SubgroupSize / 4u);
  return quarter < 2u ? (quarter == 0u ? a : b) : (quarter == 2u ? c : d);
}
// == lane_maxs
/// Each quarter of the subgroup: the largest of one of the four over all lanes.
int lane_maxs(int a, int b, int c, int d) {
  a = subgroupMax(a), b = subgroupMax(b), c = subgroupMax(c), d = subgroupMax(d);
  const uint quarter = gl_SubgroupInvocationID / (gl_SubgroupSize / 4u);
  return quarter < 2u ? (quarter == 0u ? a : b) : (quarter == 2u ? c : d);
}
// == dot4
/// sum + Σ a[j]·b[j] of four signed bytes.
int dot4(int a, int b, int sum) {
  [[unroll]] for (int at = 0; at < 32; at += 8) sum += bitfieldExtract(a, at, 8) * bitfieldExtract(b, at, 8);
  return sum;
}
// == dot4_khr
/// sum + Σ a[j]·b[j] of four signed bytes: OpSDotKHR on PackedVectorFormat4x8Bit.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4450)
int sdot(int a, int b, spirv_literal int format);
int dot4(int a, int b, int sum) { return sum + sdot(a, b, 0); }
// == byte_at
/// Element i of an array of bytes that lies in words of 32 bits, the first lowest.
#define byte_at(words, i) ((words[uint(i) >> 2] >> ((uint(i) & 3u) << 3)) & 0xffu)
// == half_at
/// The same of elements of 16 bits.
#define half_at(words, i) ((words[uint(i) >> 1] >> ((uint(i) & 1u) << 4)) & 0xffffu)
// == store_byte
/// The other bytes of the word may be written at the same time.
#define store_byte(words, i, bits) do { \
  atomicAnd(words[uint(i) >> 2], ~(0xffu << ((uint(i) & 3u) << 3))); \
  atomicOr(words[uint(i) >> 2], ((bits) & 0xffu) << ((uint(i) & 3u) << 3)); \
} while (false)
// == store_half
/// The other half of the word may be written at the same time.
#define store_half(words, i, bits) do { \
  atomicAnd(words[uint(i) >> 1], ~(0xffffu << ((uint(i) & 1u) << 4))); \
  atomicOr(words[uint(i) >> 1], ((bits) & 0xffffu) << ((uint(i) & 1u) << 4)); \
} while (false)
// == lane_sums_shared
/// Each quarter of the subgroup: the sum of one of the four over all lanes.
float lane_sums(float a, float b, float c, float d) {
  a = lanes_sum(a), b = lanes_sum(b), c = lanes_sum(c), d = lanes_sum(d);
  const uint quarter = gl_SubgroupInvocationID / (gl_SubgroupSize / 4u);
  return quarter < 2u ? (quarter == 0u ? a : b) : (quarter == 2u ? c : d);
}
// == lane_maxs_shared
/// Each quarter of the subgroup: the largest of one of the four over all lanes.
int lane_maxs(int a, int b, int c, int d) {
  a = lanes_max(a), b = lanes_max(b), c = lanes_max(c), d = lanes_max(d);
  const uint quarter = gl_SubgroupInvocationID / (gl_SubgroupSize / 4u);
  return quarter < 2u ? (quarter == 0u ? a : b) : (quarter == 2u ? c : d);
}
