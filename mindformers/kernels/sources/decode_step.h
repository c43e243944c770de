// One step of a LLaMA: tokens in, the logits behind them out. All of it in float32, over the weights as the network
// holds them ([out, in]) and caches, which are written in place.
//
// A token goes in as a row of its own, be it the last one of an answer or one of many of a prompt. Its results have the
// same bits whatever the other rows are, how many there are and how many threads compute: every number is computed in
// an order that follows from the sizes and the row alone. So a prompt may be taken in at once or in any pieces.
#pragma once

#include <cstdint>
#include <vector>

#include "decode_bytes.h"

namespace scimind {
namespace decode {

enum class Routing { kNone = 0, kActivation = 1, kLearned = 2 };

struct LayerWeights {
  const float* attention_norm;
  Weight wq, wk, wv, wo;
  const float* ffn_norm;
  Weight w1, w3, w2;                        // w2 [E, F / E, D] where the model says so
  float *keys, *values;                     // [slots * G, L, d]
  const float *router_weight, *router_bias; // [M * E, D] and [M * E], of a learned router only
};

struct Model {
  int64_t width, heads, kv_heads, head_dim, neurons, vocab;
  int64_t slots, cache_length;
  float eps;
  Routing routing;
  int64_t experts;                                   // 1 without routing
  bool is_by_expert;                                 // w2 of every layer, unless it is rounded
  const int32_t *experts_per_token, *modality_of_id; // [V], where there is routing
  const float *cos, *sin;                            // [positions, d]
  const float *embedding, *norm;                     // [V, D], [D]
  Weight head;                                       // [V, D]
  std::vector<LayerWeights> layers;
  std::vector<int32_t> columns;                      // the tokens whose logits are wanted; empty for all

  int64_t per() const { return neurons / experts; }
  int64_t outputs() const { return columns.empty() ? vocab : static_cast<int64_t>(columns.size()); }
};

// A token: the slot whose text it continues, its id, where it stands, and the row of the results that gets the logits
// behind it, negative where nobody asks for them.
struct Row {
  int32_t slot, id, position, output;
};

// Takes rows in and writes logits [outputs, K] of the K wanted tokens. Rows of one slot stand in the order of their
// positions. Slots, ids, positions and columns are within the model's.
void step(const Model& model, const Row* rows, int64_t count, float* logits);

// The same, but of the logits only which token has the highest one, of equal ones the first: likeliest [outputs]. All
// tokens are wanted.
void likeliest_after(const Model& model, const Row* rows, int64_t count, int32_t* likeliest);

}  // namespace decode
}  // namespace scimind
