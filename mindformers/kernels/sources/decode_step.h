// One step of a LLaMA: a token of every row in, the logits behind it out. All of it in float32, over the weights as the
// network holds them ([out, in]) and its caches, which are written in place.
//
// A row's logits have the same bits whatever the other rows are, how many there are and how many threads compute:
// every number is computed in an order that follows from the sizes and the row alone.
#pragma once

#include <cstdint>
#include <vector>

namespace scimind {
namespace decode {

enum class Routing { kNone = 0, kActivation = 1, kLearned = 2 };

struct LayerWeights {
  const float *attention_norm, *wq, *wk, *wv, *wo, *ffn_norm, *w1, *w3, *w2;
  float *keys, *values;                     // [B * G, L, d]
  const float *router_weight, *router_bias; // [M * E, D] and [M * E], of a learned router only
};

struct Model {
  int64_t width, heads, kv_heads, head_dim, neurons, vocab;
  int64_t cache_length;
  float eps;
  Routing routing;
  int64_t experts;                                   // 1 without routing
  const int32_t *experts_per_token, *modality_of_id; // [V], where there is routing
  const float *cos, *sin;                            // [positions, d]
  const float *embedding, *norm, *head;              // [V, D], [D], [V, D]
  std::vector<LayerWeights> layers;
  std::vector<int32_t> columns; // the tokens whose logits are wanted; empty for all

  int64_t per() const { return neurons / experts; }
  int64_t outputs() const { return columns.empty() ? vocab : static_cast<int64_t>(columns.size()); }
};

// ids, positions [rows] -> logits [rows, K] of the K wanted tokens. A row whose position is negative is idle: nothing of it is read or
// written, its logits are zero. Ids and positions are within the model's.
void step(const Model& model, int64_t rows, const int32_t* ids, const int32_t* positions, float* logits);

}  // namespace decode
}  // namespace scimind
