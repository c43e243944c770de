// Attention of the one new token of a row over what its cache holds.
#pragma once

#include <cstdint>

namespace scimind {
namespace decode {

// One head of keys and values of one row, [L, d] each, and the number of positions in use.
struct Cached {
  float *keys, *values;
  int64_t positions, head_dim;
};

// Turns the pairs (j, j + d/2) of x [d] by the angles of cos and sin [d], times `scale`; `to` may be x.
void rotate(const float* x, const float* cos, const float* sin, int64_t head_dim, float scale, float* to);

// to [heads, d] = softmax(q k^T) v for the heads q [heads, d] that share these keys; q is scaled already. `scratch`
// holds `scores_size(positions)` floats. Positions are taken in their order, whatever else is computed.
void attend(const float* q, int64_t heads, const Cached& cached, float* scratch, float* to);

inline int64_t scores_size(int64_t positions) { return (positions + 15) / 16 * 16; }

}  // namespace decode
}  // namespace scimind
