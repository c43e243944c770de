// Attention of a training step. Scores are never stored: the backward pass computes a block of them once more from the
// queries, the keys and the log of every query's sum, which is less work than reading them back.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "buffer.h"
#include "gemm.h"
#include "train.h"
#include "vec.h"

namespace scimind {

namespace {

constexpr int64_t kBlock = 64;  // queries whose scores are held at a time
constexpr float kHidden = -1e30f;

// One position's head: (first, second) -> (first cos - second sin, second cos + first sin), or the way back.
void turn(const float* __restrict from, const float* __restrict cos, const float* __restrict sin, int64_t size,
          float scale, bool is_back, float* __restrict to) {
  const int64_t half = size / 2;
  const float sign = is_back ? -1.0f : 1.0f;
  // The way back reads the sine of the other half, as its transpose does.
  const float *to_first = sin + (is_back ? half : 0), *to_second = sin + (is_back ? 0 : half);
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float first = from[i], second = from[half + i];
    to[i] = scale * (first * cos[i] - second * (sign * to_first[i]));
    to[half + i] = scale * (second * cos[half + i] + first * (sign * to_second[i]));
  }
}

// What the work on the heads of one group of one row shares, and the memory of the thread that does it.
class Group {
 public:
  explicit Group(const Attention& a)
      : a_(a),
        scale_(1.0f / std::sqrt(static_cast<float>(a.size))),
        padded_((a.length + kLanes - 1) / kLanes * kLanes),
        keys_(a.length * a.size),
        queries_(kBlock * a.size),
        shares_(kBlock * padded_),
        slopes_(kBlock * padded_),
        turned_(std::max(kBlock, a.length) * a.size) {}

  void begin(int64_t row, int64_t group) {
    row_ = row, group_ = group;
    for (int64_t s = 0; s < a_.length; ++s) {
      turn(a_.k + key_place(s), a_.cos + s * a_.size, a_.sin + s * a_.size, a_.size, 1.0f, false, keys_ + s * a_.size);
    }
  }

  void forward(int64_t head, float* out, float* logs) {
    for (int64_t first = 0; first < a_.length; first += kBlock) {
      const int64_t count = std::min(kBlock, a_.length - first), seen = scores(head, first, count);
      for (int64_t i = 0; i < count; ++i) {
        logs[log_place(head, first + i)] = normalise(shares_ + i * padded_, seen);
      }
      multiply(count, a_.size, seen, {shares_, padded_}, values(), false, out + query_place(head, first), heads_width());
    }
  }

  // dk of turned keys and dv are added to; dq is written.
  void backward(int64_t head, const float* out, const float* logs, const float* dout, float* dq, float* dkeys,
                float* dv) {
    const int64_t size = a_.size, stride = heads_width();
    for (int64_t first = 0; first < a_.length; first += kBlock) {
      const int64_t count = std::min(kBlock, a_.length - first), seen = scores(head, first, count);
      const float* given = dout + query_place(head, first);
      multiply(count, seen, size, {given, stride}, {a_.v + key_place(0), keys_width(), true}, false, slopes_, padded_);
      for (int64_t i = 0; i < count; ++i) {
        float* shares = shares_ + i * padded_;
        recall(shares, seen, logs[log_place(head, first + i)]);
        const float along = inner(given + i * stride, out + query_place(head, first + i));
        float* slopes = slopes_ + i * padded_;
        for (int64_t j = 0; j < seen; ++j) slopes[j] = shares[j] * (slopes[j] - along);
      }
      multiply(seen, size, count, {shares_, padded_, true}, {given, stride}, true, dv + key_place(0), keys_width());
      multiply(seen, size, count, {slopes_, padded_, true}, {queries_, size}, true, dkeys, size);
      multiply(count, size, seen, {slopes_, padded_}, {keys_, size}, false, turned_, size);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t s = first + i;
        turn(turned_ + i * size, a_.cos + s * size, a_.sin + s * size, size, scale_, true, dq + query_place(head, s));
      }
    }
  }

  void end(const float* dkeys, float* dk) {
    for (int64_t s = 0; s < a_.length; ++s) {
      turn(dkeys + s * a_.size, a_.cos + s * a_.size, a_.sin + s * a_.size, a_.size, 1.0f, true, dk + key_place(s));
    }
  }

 private:
  int64_t heads_width() const { return a_.heads * a_.size; }
  int64_t keys_width() const { return a_.groups * a_.size; }
  int64_t query_place(int64_t head, int64_t s) const {
    return (row_ * a_.length + s) * heads_width() + head * a_.size;
  }
  int64_t key_place(int64_t s) const { return (row_ * a_.length + s) * keys_width() + group_ * a_.size; }
  int64_t log_place(int64_t head, int64_t s) const { return (row_ * a_.heads + head) * a_.length + s; }
  Matrix values() const { return {a_.v + key_place(0), keys_width()}; }

  float inner(const float* one, const float* other) const {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < a_.size; ++i) sum += one[i] * other[i];
    return sum;
  }

  // Scores of a block of queries into `shares_`, hidden keys far below all others; returns how many keys any of them
  // sees from the first on. A query that sees none has equal scores, as it has where a large number hides all.
  int64_t scores(int64_t head, int64_t first, int64_t count) {
    const int64_t size = a_.size, length = a_.length;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t s = first + i;
      turn(a_.q + query_place(head, s), a_.cos + s * size, a_.sin + s * size, size, scale_, false, queries_ + i * size);
    }
    int64_t seen = 0;
    std::vector<bool> sees_none(count);
    for (int64_t i = 0; i < count; ++i) {
      const bool* visible = row_of_mask(first + i);
      const void* last = memrchr(visible, true, length);
      sees_none[i] = last == nullptr;
      seen = std::max(seen, sees_none[i] ? length : static_cast<const bool*>(last) + 1 - visible);
    }
    multiply(count, seen, size, {queries_, size}, {keys_, size, true}, false, shares_, padded_);
    for (int64_t i = 0; i < count; ++i) {
      float* scores = shares_ + i * padded_;
      const bool* visible = row_of_mask(first + i);
      if (sees_none[i]) {
        std::fill(scores, scores + seen, 0.0f);
      } else {
        for (int64_t j = 0; j < seen; ++j) scores[j] = visible[j] ? scores[j] : kHidden;
      }
    }
    return seen;
  }

  const bool* row_of_mask(int64_t s) const { return a_.visible + (row_ * a_.length + s) * a_.length; }

  // Scores to shares; returns the log of the sum of exponentials.
  float normalise(float* scores, int64_t count) const {
    const float most = largest(scores, count);
    const float sum = exponentials(scores, count, most);
    const float factor = 1.0f / sum;
    for (int64_t j = 0; j < count; ++j) scores[j] *= factor;
    return most + std::log(sum);
  }

  // Scores to the shares they had.
  void recall(float* scores, int64_t count, float log) const { exponentials(scores, count, log); }

  // scores <- e^(scores - base), 0 for hidden ones; returns their sum. The rows are padded to whole vectors.
  float exponentials(float* scores, int64_t count, float base) const {
    Vec sum = {};
    for (int64_t j = count; j < (count + kLanes - 1) / kLanes * kLanes; ++j) scores[j] = kHidden;
    for (int64_t j = 0; j < count; j += kLanes) {
      const Vec score = load(scores + j);
      const Vec e = score == fill(kHidden) ? Vec{} : exponential(score - base);
      store(scores + j, e);
      sum += e;
    }
    return total(sum);
  }

  const Attention& a_;
  const float scale_;
  const int64_t padded_;
  int64_t row_ = 0, group_ = 0;
  Buffer keys_, queries_, shares_, slopes_, turned_;
};

bool is_worth_threads(const Attention& a) { return a.batch * a.heads * a.length * a.length * a.size > 300'000; }

}  // namespace

void attention_forward(const Attention& a, float* out, float* logs) {
  const int64_t per = a.heads / a.groups, tasks = a.batch * a.groups;
#pragma omp parallel if (is_worth_threads(a))
  {
    Group group(a);
#pragma omp for schedule(dynamic, 1)
    for (int64_t task = 0; task < tasks; ++task) {
      group.begin(task / a.groups, task % a.groups);
      const int64_t first = task % a.groups * per;
      for (int64_t head = first; head < first + per; ++head) group.forward(head, out, logs);
    }
  }
}

void attention_backward(const Attention& a, const float* out, const float* logs, const float* dout, float* dq,
                        float* dk, float* dv) {
  const int64_t per = a.heads / a.groups, tasks = a.batch * a.groups;
#pragma omp parallel if (is_worth_threads(a))
  {
    Group group(a);
    Buffer dkeys(a.length * a.size);
#pragma omp for schedule(dynamic, 1)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t row = task / a.groups, which = task % a.groups;
      group.begin(row, which);
      std::fill_n(dkeys.data(), a.length * a.size, 0.0f);
      for (int64_t s = 0; s < a.length; ++s) {
        std::fill_n(dv + ((row * a.length + s) * a.groups + which) * a.size, a.size, 0.0f);
      }
      for (int64_t head = which * per; head < (which + 1) * per; ++head) {
        group.backward(head, out, logs, dout, dq, dkeys, dv);
      }
      group.end(dkeys, dk);
    }
  }
}

}  // namespace scimind
