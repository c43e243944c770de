#include "decode_bytes.h"

#include <algorithm>
#include <cmath>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace scimind {
namespace decode {
namespace {

// Rows and weights of a tile, whose sums stay in registers; a single row takes more weights.
#ifdef __AVX512F__
constexpr int kByteRows = 4, kByteWeights = 4, kWeightsOfOne = 8;
#else
constexpr int kByteRows = 2, kByteWeights = 2, kWeightsOfOne = 4;
#endif
constexpr float kLargestByte = 127.0f;
constexpr int64_t kRoundedTogether = 256;

// GCC's own conversion of vectors takes bytes one by one.
SCIMIND_INLINE Vec widen(const int8_t* from) {
#if defined(__AVX512F__)
  return (Vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  __m256 halves[2];
  for (int i = 0; i < 2; ++i) {
    const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + 8 * i));
    halves[i] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight));
  }
  Vec v;
  std::memcpy(&v, halves, sizeof(v));
  return v;
#else
  float values[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) values[i] = from[i];
  return load(values);
#endif
}

struct Rounded {
  const int8_t* bytes;
  int64_t stride;
  const float* scales;
};

struct Into {
  float* data;
  int64_t stride;
  bool accumulate;
};

template <int kRows, int kWeights>
SCIMIND_INLINE void add_sixteen(const Vec* left, const int8_t* bytes, int64_t stride, Vec* sums) {
#pragma GCC unroll 8
  for (int r = 0; r < kWeights; ++r) {
    Vec right = widen(bytes + r * stride);
    if (kRows > 1) hold(right);
#pragma GCC unroll 4
    for (int t = 0; t < kRows; ++t) sums[t * kWeights + r] += left[t] * right;
  }
}

// kRows x kWeights products side by side, while the weights behind these are fetched.
template <int kRows, int kWeights>
__attribute__((noinline)) void byte_tile(const float* const* a, Rounded b, const Run* runs, int64_t num_runs, Into c) {
  Vec sums[16] = {}, left[kRows];
  const int64_t next = kWeights * b.stride;
  for (int64_t i = 0; i < num_runs; ++i) {
    const int64_t end = runs[i].end, whole = end & ~(kLanes - 1);
    for (int64_t p = runs[i].begin; p < whole; p += kLanes) {
#pragma GCC unroll 4
      for (int t = 0; t < kRows; ++t) left[t] = load(a[t] + p);
      if (p % 64 == 0) {
#pragma GCC unroll 8
        for (int r = 0; r < kWeights; ++r) __builtin_prefetch(b.bytes + next + r * b.stride + p, 0, 2);
      }
      add_sixteen<kRows, kWeights>(left, b.bytes + p, b.stride, sums);
    }
    if (whole == end) continue;
    for (int t = 0; t < kRows; ++t) left[t] = load_part(a[t] + whole, end - whole);
    add_sixteen<kRows, kWeights>(left, b.bytes + whole, b.stride, sums);
  }
  float results[kLanes];
  store(results, totals(sums));
  for (int t = 0; t < kRows; ++t) {
    for (int r = 0; r < kWeights; ++r) {
      float& to = c.data[t * c.stride + r];
      to = (c.accumulate ? to : 0.0f) + b.scales[r] * results[t * kWeights + r];
    }
  }
}

template <int kRows, int kWeights>
void byte_tiles(int64_t n, const float* const* a, Rounded b, const Run* runs, int64_t num_runs, Into c) {
  const auto advance = [&](int weights) {
    n -= weights;
    b.bytes += weights * b.stride, b.scales += weights, c.data += weights;
  };
  for (; n >= kWeights; advance(kWeights)) byte_tile<kRows, kWeights>(a, b, runs, num_runs, c);
  for (; n > 0; advance(1)) byte_tile<kRows, 1>(a, b, runs, num_runs, c);
}

void multiply_bytes(int64_t m, int64_t n, const float* const* a, Rounded b, const Run* runs, int64_t num_runs, Into c) {
  for (; m > 0;) {
    const int64_t rows = std::min<int64_t>(m, kByteRows);
    if (rows == 1) byte_tiles<1, kWeightsOfOne>(n, a, b, runs, num_runs, c);
    if (rows == 2) byte_tiles<2, kByteWeights>(n, a, b, runs, num_runs, c);
#ifdef __AVX512F__
    if (rows == 3) byte_tiles<3, kByteWeights>(n, a, b, runs, num_runs, c);
    if (rows == 4) byte_tiles<4, kByteWeights>(n, a, b, runs, num_runs, c);
#endif
    m -= rows, a += rows, c.data += rows * c.stride;
  }
}

float largest_size(const float* values, int64_t count) {
  Vec lanes = {};
  int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    const Vec v = load(values + j), size = v < Vec{} ? -v : v;
    lanes = size > lanes ? size : lanes;
  }
  float largest = 0.0f;
  for (int64_t lane = 0; lane < kLanes; ++lane) largest = std::max(largest, lanes[lane]);
  for (; j < count; ++j) largest = std::max(largest, std::fabs(values[j]));
  return largest;
}

// At most kRoundedTogether values, in steps of one kind each: else GCC takes them one by one.
void round_some(const float* values, int64_t count, float factor, int8_t* to) {
  int32_t whole[kRoundedTogether];
  for (int64_t j = 0; j < count; ++j) {
    const float value = values[j] * factor;
    // In this order NaN becomes a number.
    const float above = value > -kLargestByte ? value : -kLargestByte;
    whole[j] = static_cast<int32_t>(__builtin_rintf(above < kLargestByte ? above : kLargestByte));
  }
  for (int64_t j = 0; j < count; ++j) to[j] = static_cast<int8_t>(whole[j]);
}

}  // namespace

void round_weights(const float* floats, int64_t outputs, int64_t width, int8_t* bytes, float* scales) {
  const int64_t stride = byte_stride(width);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < outputs; ++i) {
    const float* from = floats + i * width;
    int8_t* to = bytes + i * stride;
    const float largest = largest_size(from, width), factor = largest > 0.0f ? kLargestByte / largest : 0.0f;
    scales[i] = largest / kLargestByte;
    for (int64_t j = 0; j < width; j += kRoundedTogether) {
      round_some(from + j, std::min(kRoundedTogether, width - j), factor, to + j);
    }
  }
}

void multiply(int64_t m, int64_t n, const float* const* a, const Weight& weight, int64_t first, int64_t width,
              const Run* runs, int64_t num_runs, bool accumulate, float* c, int64_t c_stride) {
  if (weight.bytes == nullptr) {
    const float* floats = weight.floats + first * width;
    return multiply_rows(m, n, a, floats, width, runs, num_runs, accumulate, c, c_stride);
  }
  const int64_t stride = byte_stride(width);
  const Rounded rounded{weight.bytes + first * stride, stride, weight.scales + first};
  multiply_bytes(m, n, a, rounded, runs, num_runs, {c, c_stride, accumulate});
}

}  // namespace decode
}  // namespace scimind
