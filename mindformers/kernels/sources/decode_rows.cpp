#include "decode_rows.h"

#include <algorithm>

namespace scimind {
namespace decode {
namespace {

// Rows and weights of a tile: its sums stay in registers, of which there are 32 with AVX-512, few elsewhere.
#ifdef __AVX512F__
constexpr int kTile = 4;
#else
constexpr int kTile = 2;
#endif

struct Weights {
  const float* data;
  int64_t stride;
};

struct Results {
  float* data;
  int64_t stride;
  bool accumulate;
};

// The products of the last `count` < 16 elements, which stand at `begin`; out of line, so that what is hot keeps its
// sums in registers.
template <int kRows, int kWeights>
__attribute__((noinline)) void last_products(const float* const* a, Weights b, int64_t begin, int64_t count,
                                             Vec* products) {
  for (int t = 0; t < kRows; ++t) {
    const Vec left = load_part(a[t] + begin, count);
    for (int r = 0; r < kWeights; ++r) {
      products[t * kWeights + r] = left * load_part(b.data + r * b.stride + begin, count);
    }
  }
}

// kRows x kWeights <= 16 products side by side. With `kFetch` the same elements of the next kWeights weights are
// fetched meanwhile: several rows are multiplied too slowly for the processor to run ahead by itself.
template <int kRows, int kWeights, bool kFetch>
SCIMIND_INLINE void tile(const float* const* a, Weights b, const Run* runs, int64_t num_runs, Results c) {
  Vec sums[16] = {};
  const float* rows[kRows];
#pragma GCC unroll 4
  for (int t = 0; t < kRows; ++t) rows[t] = a[t];
  for (int64_t i = 0; i < num_runs; ++i) {
    const int64_t whole = runs[i].end & ~(kLanes - 1);
    for (int64_t p = runs[i].begin; p < whole; p += kLanes) {
      Vec left[kRows];
#pragma GCC unroll 4
      for (int t = 0; t < kRows; ++t) {
        left[t] = load(rows[t] + p);
        if (kWeights > 1) hold(left[t]);
      }
#pragma GCC unroll 8
      for (int r = 0; r < kWeights; ++r) {
        Vec right = load(b.data + r * b.stride + p);
        if (kRows > 1) hold(right);
        if (kFetch) __builtin_prefetch(b.data + (r + kWeights) * b.stride + p, 0, 2);
#pragma GCC unroll 4
        for (int t = 0; t < kRows; ++t) sums[t * kWeights + r] += left[t] * right;
      }
    }
  }
  if (num_runs > 0 && runs[num_runs - 1].end % kLanes != 0) {
    Vec products[16];
    const int64_t end = runs[num_runs - 1].end, count = end % kLanes;
    last_products<kRows, kWeights>(a, b, end - count, count, products);
#pragma GCC unroll 16
    for (int i = 0; i < kRows * kWeights; ++i) sums[i] += products[i];
  }
  float results[16];
  store(results, totals(sums));
#pragma GCC unroll 4
  for (int t = 0; t < kRows; ++t) {
#pragma GCC unroll 8
    for (int r = 0; r < kWeights; ++r) {
      float& to = c.data[t * c.stride + r];
      to = c.accumulate ? to + results[t * kWeights + r] : results[t * kWeights + r];
    }
  }
}

template <int kRows, int kWeights, bool kFetch>
__attribute__((noinline)) void tiles(int64_t n, const float* const* a, Weights b, const Run* runs, int64_t num_runs,
                                     Results c) {
  int64_t r = 0;
  for (; r + kWeights <= n; r += kWeights, b.data += kWeights * b.stride, c.data += kWeights) {
    tile<kRows, kWeights, kFetch>(a, b, runs, num_runs, c);
  }
  for (; r < n; ++r, b.data += b.stride, ++c.data) tile<kRows, 1, kFetch>(a, b, runs, num_runs, c);
}

void multiply_block(int64_t m, int64_t n, const float* const* a, Weights b, const Run* runs, int64_t num_runs,
                    Results c) {
  int64_t t = 0;
  for (; t + kTile <= m; t += kTile) {
    const Results to{c.data + t * c.stride, c.stride, c.accumulate};
    if (t == 0) {
      tiles<kTile, kTile, true>(n, a + t, b, runs, num_runs, to);
    } else {
      tiles<kTile, kTile, false>(n, a + t, b, runs, num_runs, to);
    }
  }
  const Results to{c.data + t * c.stride, c.stride, c.accumulate};
#ifdef __AVX512F__
  if (m - t == 3) tiles<3, 4, true>(n, a + t, b, runs, num_runs, to);
  if (m - t == 2) tiles<2, 8, false>(n, a + t, b, runs, num_runs, to);
#endif
  if (m - t == 1) tiles<1, 4, false>(n, a + t, b, runs, num_runs, to);
}

}  // namespace

void multiply_rows(int64_t m, int64_t n, const float* const* a, const float* b, int64_t b_stride, const Run* runs,
                   int64_t num_runs, bool accumulate, float* c, int64_t c_stride) {
  // Long weights are used by all rows before the next ones are read: kTile of them are what the nearest cache holds.
  const int64_t block = b_stride > 2048 ? kTile : n;
  for (int64_t r = 0; r < n; r += block) {
    const Weights weights{b + r * b_stride, b_stride};
    const Results to{c + r, c_stride, accumulate};
    multiply_block(m, std::min(block, n - r), a, weights, runs, num_runs, to);
  }
}

}  // namespace decode
}  // namespace scimind
