// The routed SwiGLU layer: h = silu(x w1^T) * (x w3^T), y = h w2^T, for selected pairs of token and expert only.
//
// Results have the same bits in every run: each output element is computed by one task, in an order that follows from
// the sizes alone, never from the number of threads.
#pragma once

#include "plan.h"

namespace scimind {

// Intermediate values of pairs, [pairs, per] each.
struct Neurons {
  float *gate, *up, *hidden;
};

// Selection known: y [T, D] from the pairs of `plan`. `keep` [2, T, F] receives gate and up of every pair for the
// backward pass, each packed at the front of its half; null when there will be none.
void forward_selected(const Layer& layer, const Plan& plan, float* keep, float* y);

// Selection by activation: every neuron is computed, mask [T, E] receives the k[t] experts of the highest sum.
void forward_by_activation(const Layer& layer, const int32_t* k, float* keep, float* mask, float* y);

// Gradients, [T, D], [T, E] and as the weights; `keep` as filled by the forward pass of the same plan. That of the
// mask is a selected expert's contribution to the result times dy, as if the mask were a factor; it is zero for the
// others. Without places for the weights' gradients, which are null together, those are left out.
struct Gradients {
  float *x, *mask, *w1, *w3, *w2;
};
void backward(const Layer& layer, const Plan& plan, const float* keep, const float* dy, const Gradients& to);

// --- shared by both passes ---

// Rows that are multiplied at once: enough that packing their weights for it costs little.
constexpr int64_t kChunkRows = 512;

// Columns of x, y or of a weight that one task owns.
inline int64_t column_block(int64_t width) { return width >= 2048 ? 512 : 128; }

// The same for few tokens, where reading a weight is all the work: some microseconds of it. Of w2 by expert as many as
// give every thread a task, at the most: the longer the runs, the faster they are read.
constexpr int64_t kFewColumns = 64, kMostFewColumns = 1024;

// Whether reading `floats` and `products` multiply-adds take longer than waking the other threads does, some 30
// microseconds. All threads or none: OpenMP ends and starts threads where their number changes.
inline bool is_worth_threads(int64_t floats, int64_t products) { return floats + products / 10 > 300'000; }

// One piece of a group: `count` pairs from `first` on, neurons [neuron, neuron + neurons) of its expert.
struct Piece {
  int64_t group, first, count, neuron, neurons;
};

// All groups of a plan, cut into pieces of at most kChunkRows pairs; those of at most `few` pairs are cut into parts
// of their neurons as well, since reading the weights is all their work.
std::vector<Piece> pieces_of(const Plan& plan, int64_t per, int64_t few);

// `count` rows of from [., stride] at the given tokens, columns [column, column + width): their place if they stand
// in a row already, else `scratch`, filled with them.
const float* gathered(const float* from, int64_t stride, const int32_t* tokens, int64_t count, int64_t column,
                      int64_t width, float* scratch, int64_t* gathered_stride);

// to[tokens[i], column ...] += rows[i].
void scatter_add(const float* rows, int64_t count, int64_t width, const int32_t* tokens, float* to, int64_t stride,
                 int64_t column);

// Products of a pair's values [pairs, per] with the weights of its expert, summed per token into to [T, D].
struct Term {
  const float* values;   // [pairs, per]
  const float* weights;  // of expert 0
  int64_t expert_offset; // floats from one expert's weights to the next
  bool transposed;       // weights are [D, ...] instead of [per, D]
  int64_t stride;
};
void sum_over_experts(const Layer& layer, const Plan& plan, const Term* terms, int num_terms, float* to);

// Columns [column, column + columns) of these sums for the tokens of one block; `product` has room for kChunkRows, or
// all tokens where they are fewer, times `columns`.
void sum_block(const Layer& layer, const Plan& plan, const Term* terms, int num_terms, int64_t block, int64_t column,
               int64_t columns, float* product, float* to);

}  // namespace scimind
