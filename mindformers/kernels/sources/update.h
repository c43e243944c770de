// The update behind a training step's gradients, over all weights at once.
#pragma once

#include <cstdint>
#include <vector>

namespace scimind {

// One weight with its running means and its gradient, `size` floats each.
struct Updated {
  int64_t size;
  float decay;
  float *weight, *first, *second;
  const float* gradient;
};

// Settings of AdamW at step t: `power1` is beta1^t, `power2` beta2^t; gradients are multiplied by `factor`.
struct AdamW {
  float lr, power1, power2, factor, beta1, beta2, eps;
};

// Every weight, read and written once; none at all where the factor is not finite.
void adamw(const AdamW& settings, const std::vector<Updated>& weights);

// Half of the sum of all squares of all arrays, whose sizes are given. The bits depend on no number of threads.
float half_square(const std::vector<const float*>& arrays, const std::vector<int64_t>& sizes);

}  // namespace scimind
