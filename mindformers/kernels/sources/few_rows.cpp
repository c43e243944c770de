// Products with few rows are as fast as memory delivers the weights: each weight is read once, in long runs.
#include <algorithm>

#include "gemm.h"
#include "vec.h"

namespace scimind {
namespace {

constexpr int64_t kShortRow = 1024;  // floats

// c[t, r] = a[t] . b[r] for kTokens x kWeights pairs; every pair has one accumulator, so that a token's result does
// not depend on how many others are computed beside it.
template <int kTokens, int kWeights>
void dots(int64_t k, const float* const* a, const float* b, int64_t b_stride, bool accumulate, float* c,
          int64_t c_stride) {
  Vec sums[kTokens][kWeights] = {};
  const int64_t whole = k / kLanes * kLanes;
  // The processor's own prefetching starts anew in every row and page: short rows gain half their time from help. Of
  // long ones, what is fetched ahead would leave the first cache before it is used.
  const bool is_short = k < kShortRow;
  for (int64_t p = 0; p < whole; p += kLanes) {
    Vec left[kTokens];
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) left[t] = load(a[t] + p);
#pragma GCC unroll 4
    for (int r = 0; r < kWeights; ++r) {
      if (is_short) __builtin_prefetch(b + (r + kWeights) * b_stride + p);
      Vec right = load(b + r * b_stride + p);
      if (kTokens > 1) hold(right);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; ++t) sums[t][r] += left[t] * right;
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 4
    for (int r = 0; r < kWeights; ++r) {
      float& to = c[t * c_stride + r];
      float sum = total(sums[t][r]);
      for (int64_t p = whole; p < k; ++p) sum += a[t][p] * b[r * b_stride + p];
      to = accumulate ? to + sum : sum;
    }
  }
}

template <int kWeights>
void all_tokens(int64_t m, int64_t k, const float* const* a, const float* b, int64_t b_stride, bool accumulate,
                float* c, int64_t c_stride) {
  int64_t t = 0;
  for (; t + 4 <= m; t += 4) dots<4, kWeights>(k, a + t, b, b_stride, accumulate, c + t * c_stride, c_stride);
  c += t * c_stride;
  if (m - t == 3) dots<3, kWeights>(k, a + t, b, b_stride, accumulate, c, c_stride);
  if (m - t == 2) dots<2, kWeights>(k, a + t, b, b_stride, accumulate, c, c_stride);
  if (m - t == 1) dots<1, kWeights>(k, a + t, b, b_stride, accumulate, c, c_stride);
}

}  // namespace

void multiply_few(int64_t m, int64_t n, int64_t k, const float* const* a, const float* b, int64_t b_stride,
                  bool accumulate, float* c, int64_t c_stride) {
  int64_t r = 0;
  for (; r + 4 <= n; r += 4) all_tokens<4>(m, k, a, b + r * b_stride, b_stride, accumulate, c + r, c_stride);
  for (; r < n; ++r) all_tokens<1>(m, k, a, b + r * b_stride, b_stride, accumulate, c + r, c_stride);
}

}  // namespace scimind
