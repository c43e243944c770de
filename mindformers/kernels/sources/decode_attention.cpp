#include "decode_attention.h"

#include <algorithm>
#include <limits>

#include "decode_rows.h"
#include "vec.h"

namespace scimind {
namespace decode {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// q . k for sixteen keys, the first `count` of which exist.
template <bool kAll>
SCIMIND_INLINE Vec sixteen_scores(const float* q, const float* keys, int64_t head_dim, int64_t count) {
  Vec sums[16] = {};
  const int64_t whole = head_dim & ~(kLanes - 1), rest = head_dim - whole;
  for (int64_t p = 0; p < whole; p += kLanes) {
    const Vec left = load(q + p);
#pragma GCC unroll 16
    for (int64_t j = 0; j < 16; ++j) {
      sums[j] += left * load(keys + (kAll ? j : std::min(j, count - 1)) * head_dim + p);
    }
  }
  if (rest > 0) {
    const Vec left = load_part(q + whole, rest);
#pragma GCC unroll 16
    for (int64_t j = 0; j < 16; ++j) {
      sums[j] += left * load_part(keys + (kAll ? j : std::min(j, count - 1)) * head_dim + whole, rest);
    }
  }
  return totals(sums);
}

// Scores of all positions, and behind them -infinity up to a multiple of sixteen; returns the highest.
float score(const float* q, const Cached& cached, float* scores) {
  const int64_t d = cached.head_dim;
  for (int64_t t = 0; t < cached.positions; t += 16) {
    const int64_t count = std::min<int64_t>(16, cached.positions - t);
    const float* keys = cached.keys + t * d;
    if (count == 16) {
      store(scores + t, sixteen_scores<true>(q, keys, d, count));
    } else {
      store(scores + t, sixteen_scores<false>(q, keys, d, count));
      std::fill(scores + t + count, scores + t + 16, -kInfinity);
    }
  }
  return largest(scores, (cached.positions + kLanes - 1) / kLanes * kLanes);
}

// Scores to shares, which are not yet divided by their sum; returns it.
float take_shares(float* scores, int64_t positions, float highest) {
  Vec sum = {};
  for (int64_t t = 0; t < positions; t += 16) {
    const Vec share = exponential(load(scores + t) - highest);
    store(scores + t, share);
    sum += share;
  }
  return total(sum);
}

// to[0 ... width) = the values' mean by shares. Even and odd positions have sums of their own: one chain of additions
// would wait for itself.
template <int kVecs>
SCIMIND_INLINE void mix(const float* shares, const float* values, int64_t stride, int64_t positions, float factor,
                        float* to) {
  Vec even[kVecs] = {}, odd[kVecs] = {};
  int64_t t = 0;
  for (; t + 2 <= positions; t += 2) {
    const float* rows = values + t * stride;
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) {
      even[v] += shares[t] * load(rows + v * kLanes);
      odd[v] += shares[t + 1] * load(rows + stride + v * kLanes);
    }
  }
  if (t < positions) {
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) even[v] += shares[t] * load(values + t * stride + v * kLanes);
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) store(to + v * kLanes, (even[v] + odd[v]) * factor);
}

void mix_rest(const float* shares, const float* values, int64_t stride, int64_t positions, float factor, float* to,
              int64_t width) {
  Vec sum = {};
  for (int64_t t = 0; t < positions; ++t) sum += shares[t] * load_part(values + t * stride, width);
  store_part(to, sum * factor, width);
}

}  // namespace

void rotate(const float* x, const float* cos, const float* sin, int64_t head_dim, float scale, float* to) {
  const int64_t half = head_dim / 2;
  for (int64_t j = 0; j < half; j += kLanes) {
    const int64_t count = std::min(kLanes, half - j), k = j + half;
    const auto part = [&](const float* from) { return count == kLanes ? load(from) : load_part(from, count); };
    const Vec first = part(x + j), second = part(x + k);
    const Vec lower = (first * part(cos + j) - second * part(sin + j)) * scale;
    const Vec upper = (second * part(cos + k) + first * part(sin + k)) * scale;
    if (count == kLanes) {
      store(to + j, lower), store(to + k, upper);
    } else {
      store_part(to + j, lower, count), store_part(to + k, upper, count);
    }
  }
}

void attend(const float* q, int64_t heads, const Cached& cached, float* scratch, float* to) {
  const int64_t d = cached.head_dim, count = cached.positions;
  for (int64_t head = 0; head < heads; ++head, q += d, to += d) {
    const float highest = score(q, cached, scratch);
    const float factor = 1.0f / take_shares(scratch, count, highest);
    int64_t p = 0;
    for (; p + 4 * kLanes <= d; p += 4 * kLanes) mix<4>(scratch, cached.values + p, d, count, factor, to + p);
    for (; p + kLanes <= d; p += kLanes) mix<1>(scratch, cached.values + p, d, count, factor, to + p);
    if (p < d) mix_rest(scratch, cached.values + p, d, count, factor, to + p, d - p);
  }
}

}  // namespace decode
}  // namespace scimind
