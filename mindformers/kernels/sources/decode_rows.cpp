#include "decode_rows.h"

namespace scimind {
namespace decode {
namespace {

// kRows x kWeights <= 16 products side by side.
template <int kRows, int kWeights>
void tile(const float* const* a, const float* b, int64_t b_stride, const Run* runs, int64_t num_runs, bool accumulate,
          float* c, int64_t c_stride) {
  Vec sums[16] = {};
  for (int64_t i = 0; i < num_runs; ++i) {
    const int64_t whole = runs[i].end / kLanes * kLanes, rest = runs[i].end - whole;
    for (int64_t p = runs[i].begin; p < whole; p += kLanes) {
      Vec left[kRows];
#pragma GCC unroll 4
      for (int t = 0; t < kRows; ++t) left[t] = load(a[t] + p);
#pragma GCC unroll 16
      for (int r = 0; r < kWeights; ++r) {
        Vec right = load(b + r * b_stride + p);
        if (kRows > 1) hold(right);
#pragma GCC unroll 4
        for (int t = 0; t < kRows; ++t) sums[t * kWeights + r] += left[t] * right;
      }
    }
    if (rest == 0) continue;
    for (int t = 0; t < kRows; ++t) {
      const Vec left = load_part(a[t] + whole, rest);
      for (int r = 0; r < kWeights; ++r) sums[t * kWeights + r] += left * load_part(b + r * b_stride + whole, rest);
    }
  }
  float results[16];
  store(results, totals(sums));
#pragma GCC unroll 4
  for (int t = 0; t < kRows; ++t) {
#pragma GCC unroll 16
    for (int r = 0; r < kWeights; ++r) {
      float& to = c[t * c_stride + r];
      to = accumulate ? to + results[t * kWeights + r] : results[t * kWeights + r];
    }
  }
}

template <int kRows, int kWeights>
void all_weights(int64_t n, const float* const* a, const float* b, int64_t b_stride, const Run* runs,
                 int64_t num_runs, bool accumulate, float* c, int64_t c_stride) {
  int64_t r = 0;
  for (; r + kWeights <= n; r += kWeights) {
    tile<kRows, kWeights>(a, b + r * b_stride, b_stride, runs, num_runs, accumulate, c + r, c_stride);
  }
  for (; r < n; ++r) tile<kRows, 1>(a, b + r * b_stride, b_stride, runs, num_runs, accumulate, c + r, c_stride);
}

}  // namespace

#ifndef K1
#define K1 8
#endif
void multiply_rows(int64_t m, int64_t n, const float* const* a, const float* b, int64_t b_stride, const Run* runs,
                   int64_t num_runs, bool accumulate, float* c, int64_t c_stride) {
  int64_t t = 0;
  for (; t + 4 <= m; t += 4) {
    all_weights<4, 4>(n, a + t, b, b_stride, runs, num_runs, accumulate, c + t * c_stride, c_stride);
  }
  a += t;
  c += t * c_stride;
  if (m - t == 3) all_weights<3, 4>(n, a, b, b_stride, runs, num_runs, accumulate, c, c_stride);
  if (m - t == 2) all_weights<2, 8>(n, a, b, b_stride, runs, num_runs, accumulate, c, c_stride);
  if (m - t == 1) all_weights<1, K1>(n, a, b, b_stride, runs, num_runs, accumulate, c, c_stride);
}

}  // namespace decode
}  // namespace scimind
