// The entry points of a decode step for MindSpore's `Custom` operator. Sizes are checked as the network is built, in
// `mindformers/kernels/decode.py`; what only is known at run time, ids and positions, is checked here.
#include <algorithm>
#include <cstdio>
#include <exception>

#include "decode_greedy.h"
#include "decode_step.h"

namespace {

using scimind::decode::LayerWeights;
using scimind::decode::Model;
using scimind::decode::Routing;

constexpr int kSuccess = 0, kFailure = 1;
// The order of the inputs, as in `decode.py`.
enum Input { kIds, kPositions, kSettings, kEps, kCos, kSin, kExpertsPerToken, kModalities, kEmbedding, kNorm, kHead };
constexpr int kFirstLayer = kHead + 1, kPerLayer = 11, kPerLearnedLayer = 13;
// The entries of the settings.
enum Setting { kHeads, kRouting, kExperts, kEndId };

struct Arguments {
  int count;
  void** data;
  int64_t** shapes;

  float* floats(int i) const { return static_cast<float*>(data[i]); }
  const int32_t* integers(int i) const { return static_cast<const int32_t*>(data[i]); }
};

LayerWeights layer_from(const Arguments& a, int first, bool is_learned) {
  LayerWeights layer{a.floats(first),     a.floats(first + 1), a.floats(first + 2), a.floats(first + 3),
                     a.floats(first + 4), a.floats(first + 5), a.floats(first + 6), a.floats(first + 7),
                     a.floats(first + 8), a.floats(first + 9), a.floats(first + 10), nullptr, nullptr};
  if (is_learned) {
    layer.router_weight = a.floats(first + 11);
    layer.router_bias = a.floats(first + 12);
  }
  return layer;
}

Model model_from(const Arguments& a, int num_outputs) {
  const int32_t* settings = a.integers(kSettings);
  Model model{};
  model.routing = static_cast<Routing>(settings[kRouting]);
  model.experts = settings[kExperts];
  model.width = a.shapes[kEmbedding][1];
  model.vocab = a.shapes[kEmbedding][0];
  model.heads = settings[kHeads];
  model.head_dim = model.width / model.heads;
  model.kv_heads = a.shapes[kFirstLayer + 2][0] / model.head_dim;
  model.neurons = a.shapes[kFirstLayer + 6][0];
  model.cache_length = a.shapes[kFirstLayer + 9][1];
  model.eps = a.floats(kEps)[0];
  model.experts_per_token = a.integers(kExpertsPerToken);
  model.modality_of_id = a.integers(kModalities);
  model.cos = a.floats(kCos);
  model.sin = a.floats(kSin);
  model.embedding = a.floats(kEmbedding);
  model.norm = a.floats(kNorm);
  model.head = a.floats(kHead);
  const bool is_learned = model.routing == Routing::kLearned;
  for (int i = kFirstLayer; i < a.count - num_outputs; i += is_learned ? kPerLearnedLayer : kPerLayer) {
    model.layers.push_back(layer_from(a, i, is_learned));
  }
  return model;
}

// Positions that both the caches and the rotary tables have.
int64_t num_positions(const Arguments& a, const Model& model) {
  return std::min(model.cache_length, a.shapes[kCos][0]);
}

bool is_inside(const char* what, int64_t value, int64_t limit, int64_t row) {
  if (value >= 0 && value < limit) return true;
  std::fprintf(stderr, "decode, row %ld: %s %ld, expected 0 to %ld\n", static_cast<long>(row), what,
               static_cast<long>(value), static_cast<long>(limit - 1));
  return false;
}

bool are_inside(const Arguments& a, const Model& model) {
  const int64_t rows = a.shapes[kIds][0];
  for (int64_t row = 0; row < rows; ++row) {
    if (a.integers(kPositions)[row] < 0) continue;
    if (!is_inside("position", a.integers(kPositions)[row], num_positions(a, model), row)) return false;
    if (!is_inside("id", a.integers(kIds)[row], model.vocab, row)) return false;
  }
  return true;
}

// No exception may leave for MindSpore's own code.
template <typename Work>
int guarded(Work work) {
  try {
    return work() ? kSuccess : kFailure;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "decode: %s\n", error.what());
  }
  return kFailure;
}

}  // namespace

// Inputs as above, then the layers' -> logits [B, V].
extern "C" int scimind_decode_step(int count, void** data, int*, int64_t** shapes, const char**, void*, void*) {
  const Arguments a{count, data, shapes};
  return guarded([&] {
    const Model model = model_from(a, 1);
    if (!are_inside(a, model)) return false;
    scimind::decode::step(model, shapes[kIds][0], a.integers(kIds), a.integers(kPositions), a.floats(count - 1));
    return true;
  });
}

// The same without a graph around it, and logits [B, K] of the tokens `columns` [K] only; all V where that is null.
extern "C" int scimind_decode_columns(int count, void** data, int64_t** shapes, const int32_t* columns) {
  const Arguments a{count, data, shapes};
  return guarded([&] {
    Model model = model_from(a, 1);
    if (!are_inside(a, model)) return false;
    if (columns != nullptr) model.columns.assign(columns, columns + shapes[count - 1][1]);
    for (int64_t k = 0; k < static_cast<int64_t>(model.columns.size()); ++k) {
      if (!is_inside("column", model.columns[k], model.vocab, k)) return false;
    }
    scimind::decode::step(model, shapes[kIds][0], a.integers(kIds), a.integers(kPositions), a.floats(count - 1));
    return true;
  });
}

// The same inputs -> ids int32 [B, steps].
extern "C" int scimind_decode_greedy(int count, void** data, int*, int64_t** shapes, const char**, void*, void*) {
  const Arguments a{count, data, shapes};
  return guarded([&] {
    const Model model = model_from(a, 1);
    if (!are_inside(a, model)) return false;
    const int64_t rows = shapes[kIds][0], steps = shapes[count - 1][1];
    scimind::decode::decode_greedily(model, rows, a.integers(kIds), a.integers(kPositions), steps,
                                     a.integers(kSettings)[kEndId], num_positions(a, model),
                                     static_cast<int32_t*>(data[count - 1]));
    return true;
  });
}
