// Products of few rows with weights as they are stored, [out, in]: every weight is read once, in long runs.
#pragma once

#include <cstdint>

#include "vec.h"

namespace scimind {
namespace decode {

// Elements [begin, end) of a row; begin is a multiple of sixteen, and so is end unless it is the row's.
struct Run {
  int64_t begin, end;
};

// c[i * c_stride + r] = a[i] . b[r] over the runs, for rows a[0 ... m) and b[0 ... n) of the given stride; += where
// `accumulate`.
//
// Every pair (i, r) has one accumulator of sixteen lanes, which takes the elements in their order, lane = element mod
// 16, and one tree that sums it. A result therefore has the same bits whatever m is and wherever i stands, and leaving
// out a run in which a[i] is zero does not change it.
void multiply_rows(int64_t m, int64_t n, const float* const* a, const float* b, int64_t b_stride, const Run* runs,
                   int64_t num_runs, bool accumulate, float* c, int64_t c_stride);

// Eight vectors to two sums each: lanes 2 j and 2 j + 1 are those of v[j]'s even and odd halves of quarters.
SCIMIND_INLINE Vec halves_of_halves(const Vec* v) {
  const IntVec lower = {0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23};
  const IntVec even_quarters = {0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27};
  const IntVec evens = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
  Vec of_two[4], of_four[2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    of_two[i] = __builtin_shuffle(v[2 * i], v[2 * i + 1], lower) + __builtin_shuffle(v[2 * i], v[2 * i + 1], lower + 8);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    of_four[i] = __builtin_shuffle(of_two[2 * i], of_two[2 * i + 1], even_quarters) +
                 __builtin_shuffle(of_two[2 * i], of_two[2 * i + 1], even_quarters + 4);
  }
  return __builtin_shuffle(of_four[0], of_four[1], evens) + __builtin_shuffle(of_four[0], of_four[1], evens + 1);
}

// Lane j is the sum of v[j]'s lanes, by the tree of `total`.
SCIMIND_INLINE Vec totals(const Vec* v) {
  const IntVec evens = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
  const Vec low = halves_of_halves(v), high = halves_of_halves(v + 8);
  return __builtin_shuffle(low, high, evens) + __builtin_shuffle(low, high, evens + 1);
}

// The same for eight; the other lanes repeat them.
SCIMIND_INLINE Vec totals_of_eight(const Vec* v) {
  const IntVec evens = {0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14};
  const Vec sums = halves_of_halves(v);
  return __builtin_shuffle(sums, evens) + __builtin_shuffle(sums, evens + 1);
}

}  // namespace decode
}  // namespace scimind
