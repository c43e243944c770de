#include "layer.h"

#include <algorithm>

#include "buffer.h"
#include "gemm.h"
#include "vec.h"

namespace scimind {

std::vector<Piece> pieces_of(const Plan& plan, int64_t per, int64_t few) {
  std::vector<Piece> pieces;
  for (int64_t group = 0; group < plan.groups(); ++group) {
    const int64_t end = plan.begin(group) + plan.count(group);
    for (int64_t first = plan.begin(group); first < end; first += kChunkRows) {
      const int64_t count = std::min(kChunkRows, end - first), part = count <= few ? 16 : per;
      for (int64_t neuron = 0; neuron < per; neuron += part) {
        pieces.push_back({group, first, count, neuron, std::min(part, per - neuron)});
      }
    }
  }
  return pieces;
}

const float* gathered(const float* from, int64_t stride, const int32_t* tokens, int64_t count, int64_t column,
                      int64_t width, float* scratch, int64_t* gathered_stride) {
  if (tokens[count - 1] - tokens[0] == count - 1) {
    *gathered_stride = stride;
    return from + tokens[0] * stride + column;
  }
  for (int64_t i = 0; i < count; ++i) std::copy_n(from + tokens[i] * stride + column, width, scratch + i * width);
  *gathered_stride = width;
  return scratch;
}

void scatter_add(const float* rows, int64_t count, int64_t width, const int32_t* tokens, float* to, int64_t stride,
                 int64_t column) {
  for (int64_t i = 0; i < count; ++i) {
    const float* row = rows + i * width;
    float* sum = to + tokens[i] * stride + column;
    for (int64_t j = 0; j < width; ++j) sum[j] += row[j];
  }
}

void sum_block(const Layer& layer, const Plan& plan, const Term* terms, int num_terms, int64_t block, int64_t column,
               int64_t columns, float* product, float* to) {
  const int64_t per = layer.per(), end = std::min(layer.tokens, (block + 1) * kBlockTokens);
  for (int64_t t = block * kBlockTokens; t < end; ++t) std::fill_n(to + t * layer.width + column, columns, 0.0f);
  for (int64_t expert = 0; expert < plan.experts; ++expert) {
    const int64_t group = block * plan.experts + expert, count = plan.count(group);
    for (int64_t first = 0; first < count; first += kChunkRows) {
      const int64_t rows = std::min(kChunkRows, count - first);
      for (int i = 0; i < num_terms; ++i) {
        const Term& term = terms[i];
        const int64_t column_offset = column * (term.transposed ? term.stride : 1);
        const float* weights = term.weights + expert * term.expert_offset + column_offset;
        const float* values = term.values + (plan.begin(group) + first) * per;
        multiply(rows, columns, per, {values, per}, {weights, term.stride, term.transposed}, i > 0, product, columns);
      }
      scatter_add(product, rows, columns, plan.tokens(group) + first, to, layer.width, column);
    }
  }
}

void sum_over_experts(const Layer& layer, const Plan& plan, const Term* terms, int num_terms, float* to) {
  const int64_t width = layer.tokens <= kFewRows ? kFewColumns : column_block(layer.width);
  const int64_t parts = (layer.width + width - 1) / width, tasks = num_blocks(layer.tokens) * parts;
  int64_t experts_used = 0;
  for (int64_t group = 0; group < plan.groups(); ++group) experts_used += plan.count(group) > 0;
  const int64_t weights = num_terms * layer.per() * layer.width;
#pragma omp parallel if (is_worth_threads(experts_used * weights, plan.pairs() * weights))
  {
    Buffer product(std::min(layer.tokens, kChunkRows) * width);
#pragma omp for schedule(dynamic) nowait
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t column = task % parts * width;
      sum_block(layer, plan, terms, num_terms, task / parts, column, std::min(width, layer.width - column), product,
                to);
    }
  }
}

}  // namespace scimind
