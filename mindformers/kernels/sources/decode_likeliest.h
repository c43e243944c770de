// The likeliest token of a row, found piece by piece of its logits.
#pragma once

#include <cstdint>
#include <limits>

#include "vec.h"

namespace scimind {
namespace decode {

// The first of the highest logits seen; token 0 where all are NaN.
struct Likeliest {
  float logit = -std::numeric_limits<float>::infinity();
  int64_t token = 0;

  void see(float other, int64_t its_token) {
    if (other > logit || (other == logit && its_token < token)) logit = other, token = its_token;
  }

  // Those of tokens [first, first + count).
  void see_all(const float* logits, int64_t count, int64_t first) {
    Vec highest = fill(-std::numeric_limits<float>::infinity());
    IntVec found_at = {}, at = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes, at += static_cast<int32_t>(kLanes)) {
      const Vec v = load(logits + i);
      const IntVec is_higher = v > highest;
      highest = is_higher ? v : highest;
      found_at = is_higher ? at : found_at;
    }
    if (i > 0 && largest_lane(highest) >= logit) {
      for (int64_t lane = 0; lane < kLanes; ++lane) see(highest[lane], first + found_at[lane]);
    }
    for (; i < count; ++i) see(logits[i], first + i);
  }
};

}  // namespace decode
}  // namespace scimind
