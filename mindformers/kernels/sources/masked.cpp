// The routed activations where everything has been computed: one way through memory for the values, the choice and the
// mask, in place of one for each.
#include <algorithm>
#include <vector>

#include "arguments.h"
#include "neurons.h"
#include "plan.h"

namespace scimind {
namespace {

constexpr int64_t kWorthThreads = 20'000;  // floats

// Rows of `experts` groups of `per` neurons.
struct Rows {
  int64_t tokens, experts, per;

  int64_t width() const { return experts * per; }
  bool is_worth_threads() const { return tokens * width() > kWorthThreads; }
};

// mask [T, E] gets 1 for the k[t] experts of the highest sum of silu(gate) * up, h [T, F] those values and 0 elsewhere.
void forward(const Rows& rows, const float* gate, const float* up, const int32_t* k, float* h, float* mask) {
#pragma omp parallel if (rows.is_worth_threads())
  {
    std::vector<float> scores(rows.experts);
#pragma omp for
    for (int64_t t = 0; t < rows.tokens; ++t) {
      const int64_t at = t * rows.width();
      float* chosen = mask + t * rows.experts;
      activate(gate + at, up + at, rows.width(), h + at);
      for (int64_t e = 0; e < rows.experts; ++e) scores[e] = sum_of(h + at + e * rows.per, rows.per);
      choose(scores.data(), rows.experts, k[t], chosen);
      for (int64_t e = 0; e < rows.experts; ++e) {
        if (chosen[e] == 0.0f) std::fill_n(h + at + e * rows.per, rows.per, 0.0f);
      }
    }
  }
}

void backward(const Rows& rows, const float* gate, const float* up, const float* mask, const float* dh, float* dgate,
              float* dup) {
#pragma omp parallel for if (rows.is_worth_threads())
  for (int64_t t = 0; t < rows.tokens; ++t) {
    for (int64_t e = 0; e < rows.experts; ++e) {
      const int64_t at = t * rows.width() + e * rows.per;
      if (mask[t * rows.experts + e] != 0.0f) {
        differentiate(gate + at, up + at, dh + at, rows.per, dgate + at, dup + at);
      } else {
        std::fill_n(dgate + at, rows.per, 0.0f);
        std::fill_n(dup + at, rows.per, 0.0f);
      }
    }
  }
}

// Inputs 0: gate [T, F]; E is the last size of argument `experts`.
bool read_rows(const Arguments& a, int experts, Rows* rows) {
  if (a.ranks[0] != 2 || a.ranks[experts] < 1) return false;
  const int64_t e = a.shapes[experts][a.ranks[experts] - 1], width = a.shapes[0][1];
  if (e < 1 || width < 1 || width % e != 0) return false;
  *rows = {a.shapes[0][0], e, width / e};
  return true;
}

// (gate [T, F], up, k [T], marker [E]) -> h [T, F], mask [T, E].
bool masked_swiglu(const Arguments& a) {
  Rows rows;
  if (a.count != 6 || !read_rows(a, 3, &rows)) return false;
  const int64_t t = rows.tokens, f = rows.width();
  const bool is_right = a.is(0, kFloat, {t, f}) && a.is(1, kFloat, {t, f}) && a.is(2, kInt, {t}) &&
                        a.is(4, kFloat, {t, f}) && a.is(5, kFloat, {t, rows.experts});
  if (!is_right) return false;
  forward(rows, a.at<float>(0), a.at<float>(1), a.at<int32_t>(2), a.at<float>(4), a.at<float>(5));
  return true;
}

// (gate [T, F], up, mask [T, E], dh [T, F]) -> dgate, dup [T, F].
bool masked_swiglu_gradients(const Arguments& a) {
  Rows rows;
  if (a.count != 6 || !read_rows(a, 2, &rows)) return false;
  const int64_t t = rows.tokens, f = rows.width();
  const bool is_right = a.is(0, kFloat, {t, f}) && a.is(1, kFloat, {t, f}) && a.is(2, kFloat, {t, rows.experts}) &&
                        a.is(3, kFloat, {t, f}) && a.is(4, kFloat, {t, f}) && a.is(5, kFloat, {t, f});
  if (!is_right) return false;
  backward(rows, a.at<float>(0), a.at<float>(1), a.at<float>(2), a.at<float>(3), a.at<float>(4), a.at<float>(5));
  return true;
}

}  // namespace
}  // namespace scimind

SCIMIND_OPERATOR(scimind_masked_swiglu, scimind::masked_swiglu(arguments))
SCIMIND_OPERATOR(scimind_masked_swiglu_gradients, scimind::masked_swiglu_gradients(arguments))
