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
constexpr int64_t kLineBytes = 64;

int64_t passes_of(int64_t m) { return (m + kTileRows - 1) / kTileRows; }

struct Weights {
  const float* data;
  int64_t stride;
};

struct Results {
  float* data;
  int64_t stride;
  bool accumulate;
};

// The elements that a tile takes in, and what is fetched meanwhile: for each sixteen of them `fetched` bytes.
struct Stretch {
  const Run* runs;
  int64_t num_runs;
  bool is_first, is_last;  // else sums come from, or go to, `kept`
  const char* fetch;
  int64_t fetched;
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
  const char* fetch = stretch.fetch;
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
      for (int f = 0; f < kFetched; ++f) __builtin_prefetch(fetch + f * kLineBytes, 0, 2);
      if (kFetched > 0) fetch += stretch.fetched;
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

// All rows with kWeights weights over a stretch of `steps` times sixteen elements, kTileRows or one less at a time.
// Returns where fetching goes on.
template <int kWeights, int kFetched>
const char* pass(int64_t m, const float* const* a, Weights b, Stretch stretch, int64_t steps, Vec* kept, Results c) {
  const int64_t passes = passes_of(m);
  for (int64_t i = 0; i < passes; ++i) {
    const int64_t rows = m / passes + (i < m % passes);
#ifdef __AVX512F__
    if (rows == 3) tile<3, kWeights, kFetched>(a, b, stretch, kept, c);
#endif
    if (rows == 2) tile<2, kWeights, kFetched>(a, b, stretch, kept, c);
    if (rows == 1) tile<1, kWeights, kFetched>(a, b, stretch, kept, c);
    a += rows, kept += rows * kWeights, c.data += rows * c.stride, stretch.fetch += steps * stretch.fetched;
  }
  return stretch.fetch;
}

// All rows with kWeights weights, stretch by stretch; `fetched` of what stands behind these weights at each step.
template <int kWeights, int kFetched>
void all_elements(int64_t m, const float* const* a, Weights b, const Run* runs, int64_t num_runs, int64_t fetched,
                  Results c) {
  Vec kept[kMostRows * kWeights];
  const char* fetch = reinterpret_cast<const char*>(b.data + kWeights * b.stride);
  const int64_t size = num_runs == 1 ? runs[0].end - runs[0].begin : 0;
  if (m <= kTileRows || size <= kDepth) {
    pass<kWeights, kFetched>(m, a, b, {runs, num_runs, true, true, fetch, fetched}, size / kLanes, kept, c);
    return;
  }
  const int64_t stretches = (size + kDepth - 1) / kDepth;
  const int64_t depth = ((size + stretches - 1) / stretches + kLanes - 1) & ~(kLanes - 1);
  for (int64_t p = 0; p < size; p += depth) {
    const Run run{runs[0].begin + p, runs[0].begin + std::min(p + depth, size)};
    const Stretch stretch{&run, 1, p == 0, p + depth >= size, fetch, fetched};
    fetch = pass<kWeights, kFetched>(m, a, b, stretch, (run.end - run.begin) / kLanes, kept, c);
  }
}

template <int kFetched>
void multiply_some(int64_t m, int64_t n, const float* const* a, Weights b, const Run* runs, int64_t num_runs,
                   int64_t fetched, Results c) {
  const auto advance = [&](int weights) {
    n -= weights;
    b.data += weights * b.stride;
    c.data += weights;
  };
  for (; n >= 2 * kTileWeights; advance(kTileWeights)) {
    all_elements<kTileWeights, kFetched>(m, a, b, runs, num_runs, fetched, c);
  }
  for (; n >= kTileWeights; advance(kTileWeights)) all_elements<kTileWeights, 0>(m, a, b, runs, num_runs, 0, c);
#ifdef __AVX512F__
  for (; n >= 4; advance(4)) all_elements<4, 0>(m, a, b, runs, num_runs, 0, c);
#endif
  for (; n > 0; advance(1)) all_elements<1, 0>(m, a, b, runs, num_runs, 0, c);
}

// Several rows are multiplied too slowly for the processor to run ahead by itself, so they fetch the next weights
// meanwhile, evenly: more at once than memory delivers would hold the products up.
void multiply_together(int64_t m, int64_t n, const float* const* a, Weights b, const Run* runs, int64_t num_runs,
                       Results c) {
  const bool is_whole = num_runs == 1 && runs[0].begin == 0 && runs[0].end == b.stride;
  const int64_t steps = passes_of(m) * (b.stride / kLanes);
  if (m == 1 || !is_whole || steps == 0) return multiply_some<0>(m, n, a, b, runs, num_runs, 0, c);
  const int64_t bytes = kTileWeights * b.stride * static_cast<int64_t>(sizeof(float));
  const int64_t fetched = (bytes + steps - 1) / steps, lines = (fetched + kLineBytes - 1) / kLineBytes;
  if (lines <= 1) return multiply_some<1>(m, n, a, b, runs, num_runs, fetched, c);
  if (lines <= 2) return multiply_some<2>(m, n, a, b, runs, num_runs, fetched, c);
#ifdef __AVX512F__
  if (lines <= 3) return multiply_some<3>(m, n, a, b, runs, num_runs, fetched, c);
  if (lines <= 4) return multiply_some<4>(m, n, a, b, runs, num_runs, fetched, c);
  multiply_some<8>(m, n, a, b, runs, num_runs, fetched, c);
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
