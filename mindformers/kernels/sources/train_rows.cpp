#include <algorithm>
#include <cmath>

#include "buffer.h"
#include "train.h"
#include "vec.h"

namespace scimind {

namespace {

constexpr int64_t kWorthThreads = 20'000;  // floats
constexpr int64_t kBlockRows = 64;         // whose gradients of a norm's weight are added up before those of others

SCIMIND_INLINE Vec load_up_to(const float* from, int64_t count) {
  return count >= kLanes ? load(from) : load_part(from, count);
}

SCIMIND_INLINE void store_up_to(float* to, Vec v, int64_t count) {
  if (count >= kLanes) {
    store(to, v);
  } else {
    store_part(to, v, count);
  }
}

template <typename Term>
SCIMIND_INLINE float sum_over(int64_t width, Term term) {
  Vec sum = {};
  for (int64_t i = 0; i < width; i += kLanes) sum += term(i, width - i);
  return total(sum);
}

}  // namespace

void norm_forward(int64_t rows, int64_t width, const float* x, const float* weight, float eps, float* y,
                  float* scales) {
#pragma omp parallel for if (rows * width > kWorthThreads)
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = x + row * width;
    float* to = y + row * width;
    const float squares = sum_over(width, [&](int64_t i, int64_t left) {
      const Vec v = load_up_to(from + i, left);
      return v * v;
    });
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(width) + eps);
    scales[row] = scale;
    for (int64_t i = 0; i < width; i += kLanes) {
      store_up_to(to + i, load_up_to(from + i, width - i) * scale * load_up_to(weight + i, width - i), width - i);
    }
  }
}

void norm_backward(int64_t rows, int64_t width, const float* x, const float* weight, const float* scales,
                   const float* dy, float* dx, float* dweight) {
  const int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  Buffer sums(blocks * width);
#pragma omp parallel for if (rows * width > kWorthThreads)
  for (int64_t block = 0; block < blocks; ++block) {
    float* sum = sums.data() + block * width;
    std::fill(sum, sum + width, 0.0f);
    for (int64_t row = block * kBlockRows; row < std::min(rows, (block + 1) * kBlockRows); ++row) {
      const float *from = x + row * width, *given = dy + row * width, scale = scales[row];
      const float along = sum_over(width, [&](int64_t i, int64_t left) {
        return load_up_to(from + i, left) * load_up_to(given + i, left) * load_up_to(weight + i, left);
      });
      const float pull = along * scale * scale * scale / static_cast<float>(width);
      for (int64_t i = 0; i < width; i += kLanes) {
        const int64_t left = width - i;
        const Vec value = load_up_to(from + i, left), gradient = load_up_to(given + i, left);
        store_up_to(dx + row * width + i, gradient * load_up_to(weight + i, left) * scale - value * pull, left);
        store_up_to(sum + i, load_up_to(sum + i, left) + gradient * value * scale, left);
      }
    }
  }
  std::fill(dweight, dweight + width, 0.0f);
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t i = 0; i < width; ++i) dweight[i] += sums.data()[block * width + i];
  }
}

void swiglu_forward(int64_t count, const float* gate, const float* up, float* h) {
#pragma omp parallel for if (count > kWorthThreads)
  for (int64_t i = 0; i < count; i += kLanes) {
    const Vec g = load_up_to(gate + i, count - i);
    store_up_to(h + i, g * sigmoid(g) * load_up_to(up + i, count - i), count - i);
  }
}

void swiglu_backward(int64_t count, const float* gate, const float* up, const float* dh, float* dgate, float* dup) {
#pragma omp parallel for if (count > kWorthThreads)
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t left = count - i;
    const Vec g = load_up_to(gate + i, left), d = load_up_to(dh + i, left), open = sigmoid(g);
    store_up_to(dgate + i, d * load_up_to(up + i, left) * open * (1.0f + g * (1.0f - open)), left);
    store_up_to(dup + i, d * g * open, left);
  }
}

void loss_forward(int64_t rows, int64_t classes, const float* logits, const int32_t* labels, int32_t ignored,
                  float* losses, float* logs) {
#pragma omp parallel for schedule(dynamic, 8) if (rows * classes > kWorthThreads)
  for (int64_t row = 0; row < rows; ++row) {
    losses[row] = logs[row] = 0.0f;
    if (labels[row] == ignored) continue;
    const float* from = logits + row * classes;
    const float most = largest(from, classes);
    const int64_t whole = classes / kLanes * kLanes;
    float sum = sum_over(whole, [&](int64_t i, int64_t) { return exponential(load(from + i) - most); });
    for (int64_t i = whole; i < classes; ++i) sum += std::exp(from[i] - most);
    logs[row] = most + std::log(sum);
    losses[row] = logs[row] - from[labels[row]];
  }
}

void loss_backward(int64_t rows, int64_t classes, const float* logits, const int32_t* labels, int32_t ignored,
                   const float* logs, const float* dlosses, float* dlogits) {
#pragma omp parallel for schedule(dynamic, 8) if (rows * classes > kWorthThreads)
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = logits + row * classes;
    float* to = dlogits + row * classes;
    if (labels[row] == ignored) {
      std::fill(to, to + classes, 0.0f);
      continue;
    }
    for (int64_t i = 0; i < classes; i += kLanes) {
      const int64_t left = classes - i;
      store_up_to(to + i, exponential(load_up_to(from + i, left) - logs[row]) * dlosses[row], left);
    }
    to[labels[row]] -= dlosses[row];
  }
}

}  // namespace scimind
