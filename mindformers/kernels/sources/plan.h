// Which token is computed by which expert, as an order of work.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace scimind {

// T, D, F, E of a layer and its tensors; expert e is rows [e * per, (e + 1) * per) of w1 and w3 [F, D], and those
// columns of w2 [D, F], or w2[e] of [E, per, D].
struct Layer {
  int64_t tokens, width, neurons, experts;
  const float *x, *w1, *w3, *w2;
  bool is_by_expert = false;  // w2

  int64_t per() const { return neurons / experts; }
  const float* gate(int64_t expert) const { return w1 + expert * per() * width; }
  const float* up(int64_t expert) const { return w3 + expert * per() * width; }
  int64_t down_offset() const { return is_by_expert ? width * per() : per(); }
  int64_t down_stride() const { return is_by_expert ? width : neurons; }
  const float* down(int64_t expert) const { return w2 + expert * down_offset(); }
};

// Tokens are taken in blocks, which bounds the memory of scores that need every neuron.
constexpr int64_t kBlockTokens = 1024;

inline int64_t num_blocks(int64_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

// A pair is one token at one selected expert. Pairs stand block by block, in a block expert by expert, and at an
// expert in the order of tokens:
//
//     block 0: expert 0: t3 t7 | expert 1: t0 t3 | ...    block 1: expert 0: t1030 | ...
struct Plan {
  int64_t experts;
  std::vector<int32_t> token_of;  // of every pair
  std::vector<int64_t> begin_of;  // first pair of group block * E + expert, and the number of pairs at the end

  // The next block, tokens [first, end): mask [T, E], anything but zero selects.
  void add_block(const float* mask, int64_t first, int64_t end) {
    for (int64_t e = 0; e < experts; ++e) {
      for (int64_t t = first; t < end; ++t) {
        if (mask[t * experts + e] != 0.0f) token_of.push_back(static_cast<int32_t>(t));
      }
      begin_of.push_back(static_cast<int64_t>(token_of.size()));
    }
  }

  int64_t pairs() const { return begin_of.back(); }
  int64_t groups() const { return static_cast<int64_t>(begin_of.size()) - 1; }
  int64_t begin(int64_t group) const { return begin_of[group]; }
  int64_t count(int64_t group) const { return begin_of[group + 1] - begin_of[group]; }
  const int32_t* tokens(int64_t group) const { return token_of.data() + begin_of[group]; }
};

inline Plan plan_of(const float* mask, int64_t tokens, int64_t experts) {
  Plan plan{experts, {}, {0}};
  for (int64_t first = 0; first < tokens; first += kBlockTokens) {
    plan.add_block(mask, first, std::min(tokens, first + kBlockTokens));
  }
  return plan;
}

// 1 for exactly the k highest scores, else 0; of equal scores the lower number wins. NaN counts as the highest, so that
// a step that has overflowed shows it.
inline void choose(const float* scores, int64_t experts, int64_t k, float* mask) {
  for (int64_t e = 0; e < experts; ++e) mask[e] = 0.0f;
  for (int64_t chosen = 0; chosen < k && chosen < experts; ++chosen) {
    int64_t best = -1;
    float highest = 0.0f;
    for (int64_t e = 0; e < experts; ++e) {
      if (mask[e] != 0.0f) continue;
      const float score = std::isnan(scores[e]) ? std::numeric_limits<float>::infinity() : scores[e];
      if (best < 0 || score > highest) {
        best = e;
        highest = score;
      }
    }
    mask[best] = 1.0f;
  }
}

}  // namespace scimind
