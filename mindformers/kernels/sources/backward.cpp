#include <algorithm>

#include "buffer.h"
#include "gemm.h"
#include "layer.h"
#include "vec.h"

namespace scimind {
namespace {

// From d hidden (in `hidden`) to d gate, d up, and the hidden values themselves; returns the sum of d hidden * hidden.
//   hidden = gate s up,  s = sigmoid(gate),  d(gate s)/d gate = s (1 + gate (1 - s))
float derive(const float* gate, const float* up, int64_t count, float* dgate, float* dup, float* hidden) {
  Vec product = {};
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t lanes = std::min(kLanes, count - i);
    const Vec g = load_part(gate + i, lanes), u = load_part(up + i, lanes), dh = load_part(hidden + i, lanes);
    const Vec s = sigmoid(g), silu = g * s, h = silu * u;
    store_part(dgate + i, dh * u * s * (1.0f + g * (1.0f - s)), lanes);
    store_part(dup + i, dh * silu, lanes);
    store_part(hidden + i, h, lanes);
    product += dh * h;
  }
  return total(product);
}

// dh = dy w2 for every pair, then on to the derivatives of gate, up and mask.
void derive_pairs(const Layer& layer, const Plan& plan, const float* keep, const float* dy, const Neurons& out,
                  float* dmask) {
  const int64_t per = layer.per(), d = layer.width;
  const float *gate = keep, *up = keep + layer.tokens * layer.neurons;
  // Whole experts, so that one task has all of a pair's sum.
  const std::vector<Piece> pieces = pieces_of(plan, per, 0);
  const int64_t num_pieces = static_cast<int64_t>(pieces.size());
  std::fill_n(dmask, layer.tokens * plan.experts, 0.0f);
#pragma omp parallel
  {
    Buffer scratch(std::min(kChunkRows, layer.tokens) * d);
#pragma omp for schedule(dynamic) nowait
    for (int64_t i = 0; i < num_pieces; ++i) {
      const Piece& piece = pieces[i];
      const int64_t expert = piece.group % plan.experts;
      const int32_t* tokens = plan.token_of.data() + piece.first;
      int64_t stride;
      const float* rows = gathered(dy, d, tokens, piece.count, 0, d, scratch, &stride);
      multiply(piece.count, per, d, {rows, stride}, {layer.down(expert), layer.neurons}, false,
               out.hidden + piece.first * per, per);
      for (int64_t row = 0; row < piece.count; ++row) {
        const int64_t at = (piece.first + row) * per;
        dmask[tokens[row] * plan.experts + expert] =
            derive(gate + at, up + at, per, out.gate + at, out.up + at, out.hidden + at);
      }
    }
  }
}

void clear(float* to, int64_t rows, int64_t columns, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i) std::fill_n(to + i * stride, columns, 0.0f);
}

// Columns [column, column + columns) of one expert's dw1, dw3 and rows of its dw2, summed over blocks in their order.
void weight_gradients(const Layer& layer, const Plan& plan, const Neurons& values, const float* dy, int64_t expert,
                      int64_t column, int64_t columns, float* scratch, const Gradients& to) {
  const int64_t per = layer.per(), d = layer.width, f = layer.neurons;
  float* to1 = to.w1 + expert * per * d + column;
  float* to3 = to.w3 + expert * per * d + column;
  float* to2 = to.w2 + column * f + expert * per;
  bool has_pairs = false;
  for (int64_t group = expert; group < plan.groups(); group += plan.experts) {
    const int64_t count = plan.count(group), start = plan.begin(group) * per;
    if (count == 0) continue;
    int64_t stride;
    const float* rows = gathered(layer.x, d, plan.tokens(group), count, column, columns, scratch, &stride);
    multiply(per, columns, count, {values.gate + start, per, true}, {rows, stride}, has_pairs, to1, d);
    multiply(per, columns, count, {values.up + start, per, true}, {rows, stride}, has_pairs, to3, d);
    rows = gathered(dy, d, plan.tokens(group), count, column, columns, scratch, &stride);
    multiply(columns, per, count, {rows, stride, true}, {values.hidden + start, per}, has_pairs, to2, f);
    has_pairs = true;
  }
  if (has_pairs) return;
  clear(to1, per, columns, d);
  clear(to3, per, columns, d);
  clear(to2, columns, per, f);
}

}  // namespace

void backward(const Layer& layer, const Plan& plan, const float* keep, const float* dy, const Gradients& to) {
  const int64_t values = plan.pairs() * layer.per(), d = layer.width;
  Buffer dgate(values), dup(values), hidden(values);
  const Neurons out{dgate, dup, hidden};
  derive_pairs(layer, plan, keep, dy, out, to.mask);

  const int64_t expert_offset = layer.per() * d;
  const Term terms[] = {{dgate, layer.w1, expert_offset, false, d}, {dup, layer.w3, expert_offset, false, d}};
  sum_over_experts(layer, plan, terms, 2, to.x);
  if (to.w1 == nullptr) return;

  const int64_t width = column_block(d), parts = (d + width - 1) / width;
#pragma omp parallel
  {
    Buffer scratch(std::min(kBlockTokens, layer.tokens) * width);
#pragma omp for schedule(dynamic) nowait
    for (int64_t task = 0; task < plan.experts * parts; ++task) {
      const int64_t column = task % parts * width;
      weight_gradients(layer, plan, out, dy, task / parts, column, std::min(width, d - column), scratch, to);
    }
  }
}

}  // namespace scimind
