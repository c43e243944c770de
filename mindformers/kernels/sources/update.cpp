#pragma GCC optimize("no-math-errno")  // else no vector of roots

#include "update.h"

#include <algorithm>
#include <cmath>

#include "buffer.h"
#include "vec.h"

namespace scimind {

namespace {

constexpr int64_t kPiece = 16'384;     // floats of a weight that a thread takes at a time
constexpr int64_t kSquares = 4096;     // squares that are added up before those of others
constexpr int64_t kWorthThreads = 20'000;  // floats

struct Piece {
  size_t array;
  int64_t begin, count;
};

// The arrays in pieces of at most `most` floats.
template <typename SizeOf>
std::vector<Piece> pieces_of(size_t arrays, SizeOf size_of, int64_t most) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < arrays; ++i) {
    for (int64_t begin = 0; begin < size_of(i); begin += most) {
      pieces.push_back({i, begin, std::min(most, size_of(i) - begin)});
    }
  }
  return pieces;
}

void update(const AdamW& s, const Updated& u, int64_t begin, int64_t count) {
  const float rate = s.lr * std::sqrt(1.0f - s.power2) / (1.0f - s.power1);
  const float eps = s.eps * std::sqrt(1.0f - s.power2), keep = 1.0f - s.lr * u.decay;
  const float new1 = 1.0f - s.beta1, new2 = 1.0f - s.beta2, beta1 = s.beta1, beta2 = s.beta2, factor = s.factor;
  float* __restrict weight = u.weight + begin;
  float* __restrict first = u.first + begin;
  float* __restrict second = u.second + begin;
  const float* __restrict gradient = u.gradient + begin;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * factor;
    const float m = beta1 * first[i] + new1 * g, v = beta2 * second[i] + new2 * (g * g);
    first[i] = m;
    second[i] = v;
    weight[i] = weight[i] * keep - rate * m / (std::sqrt(v) + eps);
  }
}

float squares(const float* values, int64_t count) {
  Vec sum = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec v = load(values + i);
    sum += v * v;
  }
  const Vec rest = load_part(values + i, count - i);
  return total(sum + rest * rest);
}

}  // namespace

void adamw(const AdamW& settings, const std::vector<Updated>& weights) {
  if (!std::isfinite(settings.factor)) return;
  const auto pieces = pieces_of(weights.size(), [&](size_t i) { return weights[i].size; }, kPiece);
  const int64_t count = static_cast<int64_t>(pieces.size());
#pragma omp parallel for schedule(dynamic, 4) if (count > 1)
  for (int64_t i = 0; i < count; ++i) update(settings, weights[pieces[i].array], pieces[i].begin, pieces[i].count);
}

float half_square(const std::vector<const float*>& arrays, const std::vector<int64_t>& sizes) {
  const auto pieces = pieces_of(sizes.size(), [&](size_t i) { return sizes[i]; }, kSquares);
  const int64_t count = static_cast<int64_t>(pieces.size());
  Buffer sums(count);
#pragma omp parallel for schedule(static) if (count * kSquares > kWorthThreads)
  for (int64_t i = 0; i < count; ++i) {
    sums.data()[i] = squares(arrays[pieces[i].array] + pieces[i].begin, pieces[i].count);
  }
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) sum += sums.data()[i];
  return static_cast<float>(0.5 * sum);
}

}  // namespace scimind
