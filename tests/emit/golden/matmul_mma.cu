namespace kernel {

/// A number in memory.
struct f16 {
  unsigned short bits;
};
__device__ inline float widen(f16 x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
/// To nearest, ties to even.
__device__ inline f16 narrow_f16(float x) {
  f16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}

/// Fragments that the lanes of a warp hold together, dealt to them as the PTX ISA says of mma.m16n8k16: lane l has
/// rows (columns of b) l / 4 and l / 4 + 8, of these pairs of elements from 2 · (l % 4) on.
struct fragment_a {  // (16, 16)
  unsigned halves[4];
};
struct fragment_b {  // (16, 8)
  unsigned halves[2];
};
struct fragment_c {  // (16, 8)
  float sums[4];
};
__device__ inline unsigned two_halves(const f16* from) { return *reinterpret_cast<const unsigned*>(from); }
/// Rows that lie `stride` elements apart.
__device__ inline fragment_a load_a(const f16* from, int stride) {
  const int lane = threadIdx.x % 32;
  const f16* at = from + lane / 4 * stride + lane % 4 * 2;
  return {{two_halves(at), two_halves(at + 8 * stride), two_halves(at + 8), two_halves(at + 8 * stride + 8)}};
}
/// Columns that lie `stride` elements apart.
__device__ inline fragment_b load_b(const f16* from, int stride) {
  const int lane = threadIdx.x % 32;
  const f16* at = from + lane / 4 * stride + lane % 4 * 2;
  return {{two_halves(at), two_halves(at + 8)}};
}
/// Rows that lie `stride` elements apart.
__device__ inline fragment_c load_c(const float* from, int stride) {
  const int lane = threadIdx.x % 32;
  const float* at = from + lane / 4 * stride + lane % 4 * 2;
  return {{at[0], at[1], at[8 * stride], at[8 * stride + 1]}};
}
__device__ inline void store_c(float* to, int stride, fragment_c c) {
  const int lane = threadIdx.x % 32;
  float* at = to + lane / 4 * stride + lane % 4 * 2;
  at[0] = c.sums[0];
  at[1] = c.sums[1];
  at[8 * stride] = c.sums[2];
  at[8 * stride + 1] = c.sums[3];
}
/// a · b + c
__device__ inline fragment_c mma(fragment_a a, fragment_b b, fragment_c c) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c.sums[0]), "+f"(c.sums[1]), "+f"(c.sums[2]), "+f"(c.sums[3])
      : "r"(a.halves[0]), "r"(a.halves[1]), "r"(a.halves[2]), "r"(a.halves[3]), "r"(b.halves[0]), "r"(b.halves[1]));
  return c;
}

struct q8_0 {  // 34 bytes
  f16 d;
  signed char qs[32];
};

extern "C" __global__ void __launch_bounds__(128)  // 4 warps
matmul_q8_0_kernel(
    const float* __restrict__ x,  // (N, K)
    const q8_0* __restrict__ w,   // (M, K)
    float* __restrict__ y,
    int N) {
  __shared__ __align__(16) f16 x_tile[2560];
  __shared__ __align__(16) f16 w_tile[2560];
  __shared__ float sum_tile[4608];
  const int group = blockIdx.x;
  const int subgroup = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int thread = threadIdx.x;
  fragment_c sums[8];
  #pragma unroll 8
  for (int each = 0; each < 8; ++each) sums[each] = fragment_c{};
  const int first_row = group / 4 * 64;
  const int part_of_columns = group % 4;
  const int first_column = part_of_columns * 64;
  const int first_down = subgroup / 2 * 32;
  const int first_across = subgroup % 2 * 32;
  for (int slice = 0; slice < 768; slice += 32) {
    __syncthreads();
    for (int i = thread; i < 2048; i += 128) {
      const int at = i / 32;
      const int row = ::min(first_row + at, N - 1);
      const int at_2 = i % 32;
      x_tile[at * 40 + at_2] = narrow_f16(x[row * 768 + (slice + at_2)]);
    }
    for (int i = thread; i < 128; i += 128) {
      const int at = i / 2;
      const int column = ::min(first_column + at, 199);
      const int at_2 = i % 2 * 16;
      const int k = slice + at_2;
      const int block = column * 24 + k / 32;
      const float scale = widen(w[block].d);
      const int to = at * 40 + at_2;
      const int j = k % 32;
      const int g = j / 32;
      const int first = (j % 32) % 32;
      #pragma unroll 16
      for (int r = 0; r < 16; ++r) {
        w_tile[to + r] = narrow_f16(scale * float(w[block].qs[g * 32 + (first + r)]));
      }
    }
    __syncthreads();
    #pragma unroll 2
    for (int step = 0; step < 2; ++step) {
      fragment_a rows[2];
      #pragma unroll 2
      for (int each = 0; each < 2; ++each) rows[each] = fragment_a{};
      #pragma unroll 2
      for (int i = 0; i < 2; ++i) {
        const fragment_a x_part = load_a(&x_tile[(first_down + i * 16) * 40 + step * 16], 40);
        rows[i] = x_part;
      }
      #pragma unroll 4
      for (int j = 0; j < 4; ++j) {
        const fragment_b w_part = load_b(&w_tile[(first_across + j * 8) * 40 + step * 16], 40);
        #pragma unroll 2
        for (int i = 0; i < 2; ++i) {
          const int at = i * 4 + j;
          sums[at] = mma(rows[i], w_part, sums[at]);
        }
      }
    }
  }
  #pragma unroll 2
  for (int i = 0; i < 2; ++i) {
    #pragma unroll 4
    for (int j = 0; j < 4; ++j) {
      store_c(&sum_tile[(first_down + i * 16) * 72 + first_across + j * 8], 72, sums[i * 4 + j]);
    }
  }
  __syncthreads();
  const int rows_here = ::min(N - first_row, 64);
  const int columns_here = ::min(200 - first_column, 64);
  for (int r = subgroup; r < rows_here; r += 4) {
    for (int c = lane; c < columns_here; c += 32) {
      const float sum = sum_tile[r * 72 + c];
      const int column = first_column + c;
      y[(first_row + r) * 200 + column] = sum;
    }
  }
}

}  // namespace kernel
