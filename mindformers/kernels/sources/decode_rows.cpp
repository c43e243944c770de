#include "decode_rows.h"

#include <algorithm>

namespace scimind {
namespace decode {
namespace {

// Rows and weights of a tile: its sums stay in registers, of which there are 32 with AVX-512, few elsewhere.
#ifdef __AVX512F__
constexpr int kTileRows = 3, kTileWeights = 8;
#else
constexpr int kTileRows = 2, kTileWeights = 2;
#endif
// Elements of a row that all rows are multiplied with before the next ones are read: with kTileWeights weights they
// stay in the nearest cache.
constexpr int64_t kDepth = 704;
// Rows whose sums are kept from one stretch of elements to the next.
constexpr int64_t kMostRows = 32 * kTileRows;

struct Weights {
  const float* data;
  int64_t stride;
};

struct Results {
  float* data;
  int64_t stride;
  bool accumulate;
};

// The elements that a tile takes in, and the weights whose same elements are fetched meanwhile, kFetched of them.
struct Stretch {
  const Run* runs;
  int64_t num_runs;
  bool is_first, is_last;  // else sums come from, or go to, `kept`
  const float* fetch;      // the first of them
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

// sums [16 or 24] to results.
template <int kCount>
SCIMIND_INLINE void add_up(const Vec* sums, float* results) {
  store(results, totals(sums));
  if (kCount > 16) store(results + 16, totals_of_eight(sums + 16));
}

// kRows x kWeights products side by side.
template <int kRows, int kWeights, int kFetched>
__attribute__((noinline)) void tile(const float* const* a, Weights b, const Stretch& stretch, Vec* kept, Results c) {
  constexpr int kCount = kRows * kWeights;
  Vec sums[24] = {};
  if (!stretch.is_first) {
#pragma GCC unroll 24
    for (int i = 0; i < kCount; ++i) sums[i] = kept[i];
  }
  const float* rows[kRows];
#pragma GCC unroll 4
  for (int t = 0; t < kRows; ++t) rows[t] = a[t];
  for (int64_t i = 0; i < stretch.num_runs; ++i) {
    const int64_t whole = stretch.runs[i].end & ~(kLanes - 1);
    for (int64_t p = stretch.runs[i].begin; p < whole; p += kLanes) {
      Vec left[kRows];
#pragma GCC unroll 4
      for (int t = 0; t < kRows; ++t) {
        left[t] = load(rows[t] + p);
        if (kWeights > 1) hold(left[t]);
      }
#pragma GCC unroll 8
      for (int f = 0; f < kFetched; ++f) __builtin_prefetch(stretch.fetch + f * b.stride + p, 0, 2);
#pragma GCC unroll 8
      for (int r = 0; r < kWeights; ++r) {
        Vec right = load(b.data + r * b.stride + p);
        if (kRows > 1) hold(right);
#pragma GCC unroll 4
        for (int t = 0; t < kRows; ++t) sums[t * kWeights + r] += left[t] * right;
      }
    }
  }
  if (!stretch.is_last) {
#pragma GCC unroll 24
    for (int i = 0; i < kCount; ++i) kept[i] = sums[i];
    return;
  }
  if (stretch.num_runs > 0 && stretch.runs[stretch.num_runs - 1].end % kLanes != 0) {
    Vec products[24];
    const int64_t end = stretch.runs[stretch.num_runs - 1].end, count = end % kLanes;
    last_products<kRows, kWeights>(a, b, end - count, count, products);
#pragma GCC unroll 24
    for (int i = 0; i < kCount; ++i) sums[i] += products[i];
  }
  float results[2 * kLanes];
  add_up<kCount>(sums, results);
#pragma GCC unroll 4
  for (int t = 0; t < kRows; ++t) {
#pragma GCC unroll 8
    for (int r = 0; r < kWeights; ++r) {
      float& to = c.data[t * c.stride + r];
      to = c.accumulate ? to + results[t * kWeights + r] : results[t * kWeights + r];
    }
  }
}

template <int kRows, int kWeights, int kFetched>
SCIMIND_INLINE void tile_that_fetches(bool fetches, const float* const* a, Weights b, const Stretch& stretch, Vec* kept,
                                      Results c) {
  if (kFetched > 0 && fetches) return tile<kRows, kWeights, kFetched>(a, b, stretch, kept, c);
  tile<kRows, kWeights, 0>(a, b, stretch, kept, c);
}

// All rows with kWeights weights over a stretch, kTileRows or one less at a time; each time fetches some of the next
// weights.
template <int kWeights, int kFetched>
void pass(int64_t m, const float* const* a, Weights b, Stretch stretch, Vec* kept, Results c) {
  const int64_t passes = (m + kTileRows - 1) / kTileRows;
  for (int64_t i = 0; i < passes; ++i) {
    const int64_t rows = m / passes + (i < m % passes);
    const bool fetches = i * kFetched < kWeights;
#ifdef __AVX512F__
    if (rows == 3) tile_that_fetches<3, kWeights, kFetched>(fetches, a, b, stretch, kept, c);
#endif
    if (rows == 2) tile_that_fetches<2, kWeights, kFetched>(fetches, a, b, stretch, kept, c);
    if (rows == 1) tile_that_fetches<1, kWeights, kFetched>(fetches, a, b, stretch, kept, c);
    a += rows, kept += rows * kWeights, c.data += rows * c.stride, stretch.fetch += kFetched * b.stride;
  }
}

// All rows with kWeights weights, stretch by stretch.
template <int kWeights, int kFetched>
void all_elements(int64_t m, const float* const* a, Weights b, const Run* runs, int64_t num_runs, Results c) {
  Vec kept[kMostRows * kWeights];
  const float* fetch = b.data + kWeights * b.stride;
  const int64_t size = num_runs == 1 ? runs[0].end - runs[0].begin : 0;
  if (m <= kTileRows || size <= kDepth) {
    return pass<kWeights, kFetched>(m, a, b, {runs, num_runs, true, true, fetch}, kept, c);
  }
  const int64_t stretches = (size + kDepth - 1) / kDepth;
  const int64_t depth = ((size + stretches - 1) / stretches + kLanes - 1) & ~(kLanes - 1);
  for (int64_t p = 0; p < size; p += depth) {
    const Run run{runs[0].begin + p, runs[0].begin + std::min(p + depth, size)};
    const Stretch stretch{&run, 1, p == 0, p + depth >= size, fetch};
    pass<kWeights, kFetched>(m, a, b, stretch, kept, c);
  }
}

template <int kFetched>
void multiply_some(int64_t m, int64_t n, const float* const* a, Weights b, const Run* runs, int64_t num_runs,
                   Results c) {
  const auto advance = [&](int weights) {
    n -= weights;
    b.data += weights * b.stride;
    c.data += weights;
  };
  for (; n >= 2 * kTileWeights; advance(kTileWeights)) {
    all_elements<kTileWeights, kFetched>(m, a, b, runs, num_runs, c);
  }
  for (; n >= kTileWeights; advance(kTileWeights)) all_elements<kTileWeights, 0>(m, a, b, runs, num_runs, c);
#ifdef __AVX512F__
  for (; n >= 4; advance(4)) all_elements<4, 0>(m, a, b, runs, num_runs, c);
#endif
  for (; n > 0; advance(1)) all_elements<1, 0>(m, a, b, runs, num_runs, c);
}

// Several rows are multiplied too slowly for the processor to run ahead by itself, so they fetch the next weights
// meanwhile, evenly: in each pass as many as it takes.
void multiply_together(int64_t m, int64_t n, const float* const* a, Weights b, const Run* runs, int64_t num_runs,
                       Results c) {
  const int64_t passes = (m + kTileRows - 1) / kTileRows;
  const bool is_whole = num_runs == 1 && runs[0].begin == 0 && runs[0].end == b.stride;
  if (m == 1 || !is_whole) return multiply_some<0>(m, n, a, b, runs, num_runs, c);
  if (passes >= kTileWeights) return multiply_some<1>(m, n, a, b, runs, num_runs, c);
  if (2 * passes >= kTileWeights) return multiply_some<2>(m, n, a, b, runs, num_runs, c);
#ifdef __AVX512F__
  if (3 * passes >= kTileWeights) return multiply_some<3>(m, n, a, b, runs, num_runs, c);
  if (4 * passes >= kTileWeights) return multiply_some<4>(m, n, a, b, runs, num_runs, c);
  multiply_some<8>(m, n, a, b, runs, num_runs, c);
#endif
}

}  // namespace

void multiply_rows(int64_t m, int64_t n, const float* const* a, const float* b, int64_t b_stride, const Run* runs,
                   int64_t num_runs, bool accumulate, float* c, int64_t c_stride) {
  for (int64_t t = 0; t < m; t += kMostRows) {
    const Results to{c + t * c_stride, c_stride, accumulate};
    multiply_together(std::min(kMostRows, m - t), n, a + t, {b, b_stride}, runs, num_runs, to);
  }
}

}  // namespace decode
}  // namespace scimind
