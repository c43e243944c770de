// What `mindformers/kernels/decode.py` calls. Sizes are checked there; slots, ids and positions of the rows are checked
// here.
#include <cstdio>
#include <exception>

#include "decode_greedy.h"
#include "decode_step.h"

namespace {

using scimind::decode::LayerWeights;
using scimind::decode::Limits;
using scimind::decode::Model;
using scimind::decode::Routing;
using scimind::decode::Row;
using scimind::decode::Weight;

constexpr int kSuccess = 0, kOutside = 1, kFailure = 2;

// As `_Sizes` in `decode.py`.
struct Sizes {
  int64_t width, heads, kv_heads, neurons, vocab, positions, slots, cache_length, layers, routing, experts,
      is_by_expert;
  double eps;
};

// The order of the tensors, as in `decode.py`.
enum Tensor { kExpertsPerToken, kModalities, kCos, kSin, kEmbedding, kNorm, kHead };
constexpr int kFirstLayer = kHead + 1, kPerLayer = 9, kPerLearnedLayer = 11;

const float* floats(void* const* tensors, int64_t i) { return static_cast<const float*>(tensors[i]); }

LayerWeights layer_from(void* const* t, bool is_learned, float* keys, float* values) {
  return {floats(t, 0), floats(t, 1), floats(t, 2), floats(t, 3), floats(t, 4), floats(t, 5), floats(t, 6),
          floats(t, 7), floats(t, 8), keys, values, is_learned ? floats(t, 9) : nullptr,
          is_learned ? floats(t, 10) : nullptr};
}

// `caches` [layers, 2, slots * G, L, d].
Model model_from(const Sizes& sizes, void* const* tensors, float* caches) {
  Model model{};
  model.width = sizes.width;
  model.heads = sizes.heads;
  model.kv_heads = sizes.kv_heads;
  model.head_dim = sizes.width / sizes.heads;
  model.neurons = sizes.neurons;
  model.vocab = sizes.vocab;
  model.slots = sizes.slots;
  model.cache_length = sizes.cache_length;
  model.eps = static_cast<float>(sizes.eps);
  model.routing = static_cast<Routing>(sizes.routing);
  model.experts = sizes.experts;
  model.is_by_expert = sizes.is_by_expert != 0;
  model.experts_per_token = static_cast<const int32_t*>(tensors[kExpertsPerToken]);
  model.modality_of_id = static_cast<const int32_t*>(tensors[kModalities]);
  model.cos = floats(tensors, kCos);
  model.sin = floats(tensors, kSin);
  model.embedding = floats(tensors, kEmbedding);
  model.norm = floats(tensors, kNorm);
  model.head = floats(tensors, kHead);
  const bool is_learned = model.routing == Routing::kLearned;
  const int64_t cached = model.slots * model.kv_heads * model.cache_length * model.head_dim;
  for (int64_t i = 0; i < sizes.layers; ++i) {
    void* const* of_layer = tensors + kFirstLayer + i * (is_learned ? kPerLearnedLayer : kPerLayer);
    float* const keys = caches + 2 * i * cached;
    model.layers.push_back(layer_from(of_layer, is_learned, keys, keys + cached));
  }
  return model;
}

// `rounded` is bytes and scales of the head, then of every layer's products in the order of their tensors.
void use_rounded(void* const* rounded, Model& model) {
  const auto take = [&](Weight& weight) {
    weight.bytes = static_cast<const int8_t*>(*rounded++);
    weight.scales = static_cast<const float*>(*rounded++);
  };
  take(model.head);
  for (LayerWeights& layer : model.layers) {
    for (Weight* weight : {&layer.wq, &layer.wk, &layer.wv, &layer.wo, &layer.w1, &layer.w3, &layer.w2}) take(*weight);
  }
}

bool is_within(int64_t value, int64_t limit) { return value >= 0 && value < limit; }

// Whether rows are the model's that go on for `more` positions.
bool are_within(const Sizes& sizes, const Row* rows, int64_t count, const int32_t* more) {
  const int64_t positions = sizes.cache_length < sizes.positions ? sizes.cache_length : sizes.positions;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t last = rows[i].position + (more ? more[i] - int64_t{1} : 0);
    if (!is_within(rows[i].slot, sizes.slots) || !is_within(rows[i].id, sizes.vocab)) return false;
    if (rows[i].position < 0 || last < rows[i].position || last >= positions) return false;
  }
  return true;
}

// No exception may leave for Python's own code.
template <typename Work>
int guarded(Work work) {
  try {
    work();
    return kSuccess;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "decode: %s\n", error.what());
  }
  return kFailure;
}

}  // namespace

// rows [count] -> logits [outputs, K] of the tokens `columns` [K]; K is 0 for all V. With `rounded` weights, else with
// those of the network.
extern "C" int scimind_decode_step(const Sizes* sizes, void* const* tensors, float* caches, const Row* rows,
                                   int64_t count, const int32_t* columns, int64_t num_columns, void* const* rounded,
                                   float* logits) {
  if (!are_within(*sizes, rows, count, nullptr)) return kOutside;
  for (int64_t k = 0; k < num_columns; ++k) {
    if (!is_within(columns[k], sizes->vocab)) return kOutside;
  }
  return guarded([&] {
    Model model = model_from(*sizes, tensors, caches);
    model.columns.assign(columns, columns + num_columns);
    if (rounded != nullptr) use_rounded(rounded, model);
    scimind::decode::step(model, rows, count, logits);
  });
}

// floats [outputs, width] -> bytes [outputs, byte_stride(width)] and scales [outputs].
extern "C" void scimind_decode_round(const float* floats, int64_t outputs, int64_t width, int8_t* bytes,
                                     float* scales) {
  scimind::decode::round_weights(floats, outputs, width, bytes, scales);
}

// rows and counts [count] -> chosen [count, steps].
extern "C" int scimind_decode_greedy(const Sizes* sizes, void* const* tensors, float* caches, const Row* rows,
                                     int64_t count, const int32_t* counts, int64_t steps, int32_t end_id,
                                     int stops_at_end, int32_t* chosen) {
  if (!are_within(*sizes, rows, count, counts)) return kOutside;
  const Limits limits{steps, end_id, stops_at_end != 0};
  return guarded([&] {
    scimind::decode::decode_greedily(model_from(*sizes, tensors, caches), rows, count, counts, limits, chosen);
  });
}
