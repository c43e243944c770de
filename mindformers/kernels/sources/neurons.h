// What is done with the neurons of one expert of one token.
#pragma once

#include <algorithm>
#include <cstdint>

#include "vec.h"

namespace scimind {

// hidden = silu(gate) * up.
inline void activate(const float* gate, const float* up, int64_t count, float* hidden) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec g = load(gate + i);
    store(hidden + i, g * sigmoid(g) * load(up + i));
  }
  if (i < count) {
    const Vec g = load_part(gate + i, count - i);
    store_part(hidden + i, g * sigmoid(g) * load_part(up + i, count - i), count - i);
  }
}

// From d hidden to d gate and d up:
//   hidden = gate s up,  s = sigmoid(gate),  d(gate s)/d gate = s (1 + gate (1 - s))
inline void differentiate(const float* gate, const float* up, const float* dhidden, int64_t count, float* dgate,
                          float* dup) {
  const auto slope = [](Vec g, Vec s, Vec u, Vec d) { return d * u * s * (1.0f + g * (1.0f - s)); };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec g = load(gate + i), d = load(dhidden + i), s = sigmoid(g);
    store(dgate + i, slope(g, s, load(up + i), d));
    store(dup + i, d * g * s);
  }
  if (i < count) {
    const int64_t left = count - i;
    const Vec g = load_part(gate + i, left), d = load_part(dhidden + i, left), s = sigmoid(g);
    store_part(dgate + i, slope(g, s, load_part(up + i, left), d), left);
    store_part(dup + i, d * g * s, left);
  }
}

// Always in the same order.
inline float sum_of(const float* values, int64_t count) {
  Vec sums = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) sums += load(values + i);
  if (i < count) sums += load_part(values + i, count - i);
  return total(sums);
}

}  // namespace scimind
