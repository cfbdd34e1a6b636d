// --- products of bytes and of pairs of bf16, added up ---

// sum + the products of four bytes: signed · signed, unsigned · signed.
inline int dot4(int a, int b, int sum) {
  for (int i = 0; i < 32; i += 8) sum += static_cast<std::int8_t>(a >> i) * static_cast<std::int8_t>(b >> i);
  return sum;
}
inline int dot4_us(int a, int b, int sum) {
  for (int i = 0; i < 32; i += 8) sum += static_cast<std::uint8_t>(a >> i) * static_cast<std::int8_t>(b >> i);
  return sum;
}
// As dot4_us in two sums of 16 bits, of the first two bytes, low, and of the last two. For sums that fit them: others
// wrap here, and saturate where an instruction makes them.
inline int pair_dots_us(int a, int b, int sums) {
  const auto half = [&](int at) {
    return static_cast<std::int16_t>(sums >> at) +
           static_cast<std::uint8_t>(a >> at) * static_cast<std::int8_t>(b >> at) +
           static_cast<std::uint8_t>(a >> (at + 8)) * static_cast<std::int8_t>(b >> (at + 8));
  };
  return (half(0) & 0xffff) | half(16) << 16;
}
// Both sums of pair_dots_us added up.
inline int pair_sum(int sums) { return static_cast<std::int16_t>(sums) + (sums >> 16); }
/// Both as bf16, the first in the low half.
inline unsigned bf16_pair(float a, float b) {
  return narrow<bf16>(a).bits | static_cast<unsigned>(narrow<bf16>(b).bits) << 16;
}
/// sum + the products of two pairs of bf16.
inline float bf16_dot(unsigned a, unsigned b, float sum) {
  sum += bitcast<float>(a & 0xffff0000u) * bitcast<float>(b & 0xffff0000u);
  return sum + bitcast<float>(a << 16) * bitcast<float>(b << 16);
}

#if LANES > 1
template <IsVector V>
inline V dot4_us(V a, V b, V sum) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = dot4_us(a[i], b[i], sum[i]);
  return v;
}
template <IsVector V>
inline V dot4(V a, V b, V sum) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = dot4(a[i], b[i], sum[i]);
  return v;
}
template <IsVector V>
inline V pair_dots_us(V a, V b, V sums) {
  V v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = pair_dots_us(a[i], b[i], sums[i]);
  return v;
}
template <IsVector V>
inline V pair_sum(V sums) {
  return (sums << 16 >> 16) + (sums >> 16);
}
template <IsVector V>
inline auto bf16_pair(V a, V b) {
  typename Vector<unsigned, lanes_of<V>>::type v;
  for (int i = 0; i < lanes_of<V>; ++i) v[i] = bf16_pair(a[i], b[i]);
  return v;
}
template <IsVector V, IsVector F>
inline F bf16_dot(V a, V b, F sum) {
  sum += (F)(a & 0xffff0000u) * (F)(b & 0xffff0000u);
  return sum + (F)(a << 16) * (F)(b << 16);
}
#endif
