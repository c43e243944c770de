// Products by the matrix tiles (AMX) of recent processors, as exact as float32. Tiles multiply bfloat16 numbers only, so a
// float is split into three of them, high + middle + low = x to the last of its 24 bits, and a product of two floats is
// taken as the six of its nine partial products that matter:
//
//     hh + hm + mh + hl + mm + lh,    the three left out being below 2^-25 of the whole
//
// each exact in float32, in which all are added up. Six products of tiles are still far faster than one of vectors. What
// is not finite gives NaN; numbers below 1e-30 lose bits, as parts of them are too small for a normal number.
#pragma once

#include <cstdint>

#include "gemm.h"

namespace scimind {

// Whether this processor has tiles and the system lets the process use them; SCIMIND_TILES=0 says no.
bool has_tiles();

// Whether a product of this size is worth the packing, and tiles there are.
inline bool suits_tiles(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kLeast = 16, kWorth = 50;
  return m >= kLeast && n >= kLeast && k >= kLeast && m * n >= kWorth * (m + n) && has_tiles();
}

// C [m, n] = A [m, k] B [k, n], or C += where `accumulate`, k > 0; by the calling thread, or by all threads `together`.
// The bits of the result depend on no number of them.
void multiply_by_tiles(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, bool accumulate, float* c, int64_t c_stride,
                       bool together);

}  // namespace scimind

extern "C" int scimind_has_tiles();
