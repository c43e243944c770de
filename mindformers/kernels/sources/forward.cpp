#include <omp.h>

#include <algorithm>
#include <numeric>

#include "buffer.h"
#include "decode_team.h"
#include "gemm.h"
#include "layer.h"
#include "neurons.h"

namespace scimind {
namespace {

// Gate, up and hidden values of one piece; `tokens` are its own.
void compute_piece(const Layer& layer, const Piece& piece, int64_t expert, const int32_t* tokens, const Neurons& out,
                   float* scratch) {
  const int64_t per = layer.per(), d = layer.width, start = piece.first * per + piece.neuron;
  const float* gate = layer.gate(expert) + piece.neuron * d;
  const float* up = layer.up(expert) + piece.neuron * d;
  if (piece.count <= kFewRows) {
    const float* rows[kFewRows];
    for (int64_t i = 0; i < piece.count; ++i) rows[i] = layer.x + tokens[i] * d;
    multiply_few(piece.count, piece.neurons, d, rows, gate, d, false, out.gate + start, per);
    multiply_few(piece.count, piece.neurons, d, rows, up, d, false, out.up + start, per);
  } else {
    int64_t stride;
    const float* rows = gathered(layer.x, d, tokens, piece.count, 0, d, scratch, &stride);
    multiply(piece.count, piece.neurons, d, {rows, stride}, {gate, d, true}, false, out.gate + start, per);
    multiply(piece.count, piece.neurons, d, {rows, stride}, {up, d, true}, false, out.up + start, per);
  }
  for (int64_t i = 0; i < piece.count; ++i) {
    const int64_t row = start + i * per;
    activate(out.gate + row, out.up + row, piece.neurons, out.hidden + row);
  }
}

void compute_pieces(const Layer& layer, const Plan& plan, const std::vector<Piece>& pieces, const Neurons& out) {
  int64_t most = 0, neurons = 0, products = 0;
  for (const Piece& piece : pieces) {
    most = std::max(most, piece.count);
    neurons += piece.neurons;
    products += piece.neurons * piece.count;
  }
  const int64_t num_pieces = static_cast<int64_t>(pieces.size());
#pragma omp parallel if (is_worth_threads(2 * neurons * layer.width, 2 * products * layer.width))
  {
    Buffer scratch(most > kFewRows ? most * layer.width : 0);
#pragma omp for schedule(dynamic) nowait
    for (int64_t i = 0; i < num_pieces; ++i) {
      const int32_t* tokens = plan.token_of.data() + pieces[i].first;
      compute_piece(layer, pieces[i], pieces[i].group % plan.experts, tokens, out, scratch);
    }
  }
}

// All of the layer for few tokens, in one go of the threads: waking them takes as long as reading an expert's weights.
void compute_few(const Layer& layer, const Plan& plan, const Neurons& out, float* y) {
  const std::vector<Piece> pieces = pieces_of(plan, layer.per(), kFewRows);
  const int64_t num_pieces = static_cast<int64_t>(pieces.size()), per = layer.per(), d = layer.width;
  const int64_t share = d / omp_get_max_threads() / kLanes * kLanes;
  const int64_t columns = layer.is_by_expert ? std::clamp(share, kFewColumns, kMostFewColumns) : kFewColumns;
  const int64_t num_parts = num_blocks(layer.tokens) * ((d + columns - 1) / columns);
  int64_t neurons = 0;
  for (const Piece& piece : pieces) neurons += piece.neurons;
  const Term term{out.hidden, layer.w2, layer.down_offset(), !layer.is_by_expert, layer.down_stride()};
  decode::Phases phases(2);
#pragma omp parallel if (is_worth_threads(3 * neurons * d, 3 * plan.pairs() * per * d))
  {
    float product[kFewRows * kMostFewColumns];
    phases.share(0, num_pieces, [] {}, [&](int64_t i) {
      const int32_t* tokens = plan.token_of.data() + pieces[i].first;
      compute_piece(layer, pieces[i], pieces[i].group % plan.experts, tokens, out, nullptr);
    });
    phases.share(1, num_parts, [] {}, [&](int64_t part) {
      const int64_t column = part * columns;
      sum_block(layer, plan, &term, 1, 0, column, std::min(columns, d - column), product, y);
    });
  }
}

void down(const Layer& layer, const Plan& plan, const float* hidden, float* y) {
  const Term term{hidden, layer.w2, layer.down_offset(), !layer.is_by_expert, layer.down_stride()};
  sum_over_experts(layer, plan, &term, 1, y);
}

// All experts of all tokens [first, first + count): pairs stand at expert * count + (token - first).
Plan plan_of_all(int64_t first, int64_t count, int64_t experts) {
  Plan plan{experts, std::vector<int32_t>(count * experts), std::vector<int64_t>(experts + 1)};
  for (int64_t e = 0; e < experts; ++e) {
    std::iota(plan.token_of.begin() + e * count, plan.token_of.begin() + (e + 1) * count, static_cast<int32_t>(first));
    plan.begin_of[e + 1] = (e + 1) * count;
  }
  return plan;
}

// mask[t] for the tokens of one block from the sums of their hidden values.
void choose_for(const Plan& all, const float* hidden, int64_t per, const int32_t* k, float* mask) {
  const int64_t experts = all.experts, count = all.count(0), first = all.token_of[0];
#pragma omp parallel if (is_worth_threads(all.pairs() * per, 0))
  {
    std::vector<float> scores(experts);
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t e = 0; e < experts; ++e) scores[e] = sum_of(hidden + (e * count + i) * per, per);
      choose(scores.data(), experts, k[first + i], mask + (first + i) * experts);
    }
  }
}

// The rows of the selected pairs of one block, out of those of all its pairs.
void select_rows(const Plan& plan, int64_t block, const Plan& all, const float* from, int64_t per, float* to) {
  const int64_t count = all.count(0), first = all.token_of[0];
#pragma omp parallel for schedule(static) if (is_worth_threads(all.pairs() * per, 0))
  for (int64_t e = 0; e < plan.experts; ++e) {
    const int64_t group = block * plan.experts + e;
    const int32_t* tokens = plan.tokens(group);
    for (int64_t i = 0; i < plan.count(group); ++i) {
      std::copy_n(from + (e * count + tokens[i] - first) * per, per, to + (plan.begin(group) + i) * per);
    }
  }
}

}  // namespace

void forward_selected(const Layer& layer, const Plan& plan, float* keep, float* y) {
  const int64_t values = plan.pairs() * layer.per();
  Buffer hidden(values), scratch_up(keep ? 0 : values);
  const Neurons out = keep ? Neurons{keep, keep + layer.tokens * layer.neurons, hidden}
                           : Neurons{hidden, scratch_up, hidden};
  if (layer.tokens <= kFewRows) return compute_few(layer, plan, out, y);
  compute_pieces(layer, plan, pieces_of(plan, layer.per(), kFewRows), out);
  down(layer, plan, hidden, y);
}

void forward_by_activation(const Layer& layer, const int32_t* k, float* keep, float* mask, float* y) {
  const int64_t experts = layer.experts, per = layer.per();
  int64_t pairs = 0;
  for (int64_t t = 0; t < layer.tokens; ++t) pairs += std::clamp<int64_t>(k[t], 0, experts);
  const int64_t all_values = std::min(layer.tokens, kBlockTokens) * layer.neurons;
  KeptBuffer all_neurons((keep ? 3 : 2) * all_values);
  Buffer hidden(pairs * per);
  float *const all_hidden = all_neurons.data(), *const all_up = all_hidden + all_values;
  float* const all_gate = keep ? all_up + all_values : all_hidden;
  const Neurons all_out{all_gate, all_up, all_hidden};
  Plan plan{experts, {}, {0}};
  for (int64_t block = 0; block < num_blocks(layer.tokens); ++block) {
    const int64_t first = block * kBlockTokens, count = std::min(kBlockTokens, layer.tokens - first);
    const Plan all = plan_of_all(first, count, experts);
    compute_pieces(layer, all, pieces_of(all, per, kFewRows), all_out);
    choose_for(all, all_hidden, per, k, mask);
    plan.add_block(mask, first, first + count);
    select_rows(plan, block, all, all_hidden, per, hidden);
    if (keep) {
      select_rows(plan, block, all, all_gate, per, keep);
      select_rows(plan, block, all, all_up, per, keep + layer.tokens * layer.neurons);
    }
  }
  down(layer, plan, hidden, y);
}

}  // namespace scimind
