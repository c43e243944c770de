// Products of few rows with a weight stored neuron by neuron, [in, out]: it is read once, from its first float to its
// last, and no sum runs across the lanes of a vector.
#include <algorithm>

#include "gemm.h"
#include "vec.h"

namespace scimind {
namespace {

// Rows of A whose elements stay in registers, and elements of each: the sums, which stay in the nearest cache, are
// read and written once for all of them.
constexpr int kRows = 4, kElements = 4;
// The processor's own prefetching starts anew in every run: short ones gain from help, long ones lose by it.
constexpr int64_t kShortRun = 256;

// c[t] += a[t, p] b[p] for `kElements` p and columns [0, n).
template <int kTokens, int kDeep, bool kFetches>
SCIMIND_INLINE void add_products(int64_t n, const float* const* a, int64_t p, const float* b, int64_t b_stride,
                                 float* c, int64_t c_stride) {
  Vec left[kTokens][kDeep];
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 4
    for (int i = 0; i < kDeep; ++i) left[t][i] = fill(a[t][p + i]);
  }
  int64_t column = 0;
  for (; column + kLanes <= n; column += kLanes) {
    Vec right[kDeep];
#pragma GCC unroll 4
    for (int i = 0; i < kDeep; ++i) {
      right[i] = load(b + i * b_stride + column);
      if (kFetches) __builtin_prefetch(b + (i + kDeep) * b_stride + column, 0, 2);
    }
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) {
      float* to = c + t * c_stride + column;
      Vec sum = load(to);
#pragma GCC unroll 4
      for (int i = 0; i < kDeep; ++i) sum += left[t][i] * right[i];
      store(to, sum);
    }
  }
  if (column == n) return;
  for (int t = 0; t < kTokens; ++t) {
    float* to = c + t * c_stride + column;
    Vec sum = load_part(to, n - column);
    for (int i = 0; i < kDeep; ++i) sum += left[t][i] * load_part(b + i * b_stride + column, n - column);
    store_part(to, sum, n - column);
  }
}

template <int kDeep, bool kFetches>
void all_rows(int64_t m, int64_t n, const float* const* a, int64_t p, const float* b, int64_t b_stride,
              float* c, int64_t c_stride) {
  for (; m > 0; m -= kRows, a += kRows, c += kRows * c_stride) {
    if (m >= 4) add_products<4, kDeep, kFetches>(n, a, p, b, b_stride, c, c_stride);
    if (m == 3) add_products<3, kDeep, kFetches>(n, a, p, b, b_stride, c, c_stride);
    if (m == 2) add_products<2, kDeep, kFetches>(n, a, p, b, b_stride, c, c_stride);
    if (m == 1) add_products<1, kDeep, kFetches>(n, a, p, b, b_stride, c, c_stride);
  }
}

}  // namespace

void multiply_few_columns(int64_t m, int64_t n, int64_t k, const float* const* a, const float* b, int64_t b_stride,
                          bool accumulate, float* c, int64_t c_stride) {
  for (int64_t t = 0; t < m && !accumulate; ++t) std::fill_n(c + t * c_stride, n, 0.0f);
  int64_t p = 0;
  for (; p + kElements <= k; p += kElements, b += kElements * b_stride) {
    if (n < kShortRun) {
      all_rows<kElements, true>(m, n, a, p, b, b_stride, c, c_stride);
    } else {
      all_rows<kElements, false>(m, n, a, p, b, b_stride, c, c_stride);
    }
  }
  for (; p < k; ++p, b += b_stride) all_rows<1, false>(m, n, a, p, b, b_stride, c, c_stride);
}

}  // namespace scimind
