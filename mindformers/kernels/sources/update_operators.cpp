// The entry points of `update.h`, which take any number of arrays of any shapes.
#include "arguments.h"
#include "update.h"

namespace {

using scimind::Arguments;
using scimind::kFloat;

bool is_float(const Arguments& a, int i) { return std::strcmp(a.types[i], kFloat) == 0; }

int64_t size_of(const Arguments& a, int i) {
  int64_t size = 1;
  for (int axis = 0; axis < a.ranks[i]; ++axis) size *= a.shapes[i][axis];
  return size;
}

// (gradients...) -> half the sum of all squares [1].
bool half_squares(const Arguments& a) {
  if (a.count < 2 || !a.is(a.count - 1, kFloat, {1})) return false;
  std::vector<const float*> arrays;
  std::vector<int64_t> sizes;
  for (int i = 0; i + 1 < a.count; ++i) {
    if (!is_float(a, i)) return false;
    arrays.push_back(a.at<float>(i)), sizes.push_back(size_of(a, i));
  }
  *a.at<float>(a.count - 1) = scimind::half_square(arrays, sizes);
  return true;
}

// (lr, beta1^t, beta2^t and factor [4], beta1, beta2 and eps [3], decays [N], weights, first means, second means and
// gradients, N each) -> the factor [1]. Weights and means are written in place.
bool adamw(const Arguments& a) {
  if (a.count < 8 || a.ranks[2] != 1 || !a.is(0, kFloat, {4}) || !a.is(1, kFloat, {3})) return false;
  const int64_t n = a.shapes[2][0];
  if (a.count != 4 + 4 * n || !a.is(2, kFloat, {n}) || !a.is(a.count - 1, kFloat, {1})) return false;
  std::vector<scimind::Updated> weights;
  for (int i = 3; i < 3 + n; ++i) {
    const int first = i + static_cast<int>(n), second = first + static_cast<int>(n);
    const int gradient = second + static_cast<int>(n);
    for (int other : {i, first, second, gradient}) {
      if (!is_float(a, other) || size_of(a, other) != size_of(a, i)) return false;
    }
    weights.push_back({size_of(a, i), a.at<float>(2)[i - 3], a.at<float>(i), a.at<float>(first), a.at<float>(second),
                       a.at<float>(gradient)});
  }
  const float *told = a.at<float>(0), *fixed = a.at<float>(1);
  scimind::adamw({told[0], told[1], told[2], told[3], fixed[0], fixed[1], fixed[2]}, weights);
  *a.at<float>(a.count - 1) = told[3];
  return true;
}

}  // namespace

SCIMIND_OPERATOR(scimind_half_squares, half_squares(arguments))
SCIMIND_OPERATOR(scimind_adamw, adamw(arguments))
