// Runs the decode step on buffers of exactly the right size, under the sanitizers. Exit status 0 means that all was
// well; a row in company must have the bits that it has alone.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <list>
#include <memory>

#include "decode_greedy.h"
#include "decode_step.h"

namespace {

using scimind::decode::LayerWeights;
using scimind::decode::Model;
using scimind::decode::Routing;

struct Sizes {
  int64_t width, heads, kv_heads, neurons, experts, vocab;
};
constexpr int64_t kLayers = 2, kLength = 37, kModalities = 3, kBatch = 9;

// Holds what a model points to.
class Arrays {
 public:
  float* floats(int64_t count) {
    floats_.emplace_back(new float[count]);
    for (int64_t i = 0; i < count; ++i) floats_.back()[i] = next_value();
    return floats_.back().get();
  }
  int32_t* integers(int64_t count, int32_t first, int32_t number) {
    integers_.emplace_back(new int32_t[count]);
    for (int64_t i = 0; i < count; ++i) integers_.back()[i] = first + static_cast<int32_t>(i) % number;
    return integers_.back().get();
  }

 private:
  float next_value() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(state_ >> 8) / (1 << 24) - 0.5f;
  }
  uint32_t state_ = 1;
  std::list<std::unique_ptr<float[]>> floats_;
  std::list<std::unique_ptr<int32_t[]>> integers_;
};

Model make_model(const Sizes& s, Routing routing, Arrays& arrays) {
  const int64_t d = s.width / s.heads, kv = s.kv_heads * d, square = s.width * s.width;
  Model model{};
  model.width = s.width, model.heads = s.heads, model.kv_heads = s.kv_heads, model.head_dim = d;
  model.neurons = s.neurons, model.vocab = s.vocab, model.cache_length = kLength, model.eps = 1e-5f;
  model.routing = routing, model.experts = routing == Routing::kNone ? 1 : s.experts;
  model.experts_per_token = arrays.integers(s.vocab, 1, static_cast<int32_t>(s.experts));
  model.modality_of_id = arrays.integers(s.vocab, 0, kModalities);
  model.cos = arrays.floats(kLength * d), model.sin = arrays.floats(kLength * d);
  model.embedding = arrays.floats(s.vocab * s.width), model.norm = arrays.floats(s.width);
  model.head = arrays.floats(s.vocab * s.width);
  for (int64_t i = 0; i < kLayers; ++i) {
    const int64_t cached = kBatch * s.kv_heads * kLength * d, product = s.neurons * s.width;
    model.layers.push_back({arrays.floats(s.width), arrays.floats(square), arrays.floats(kv * s.width),
                            arrays.floats(kv * s.width), arrays.floats(square), arrays.floats(s.width),
                            arrays.floats(product), arrays.floats(product), arrays.floats(product),
                            arrays.floats(cached), arrays.floats(cached),
                            arrays.floats(kModalities * s.experts * s.width),
                            arrays.floats(kModalities * s.experts)});
  }
  return model;
}

// Whether logits of some tokens only are those among all logits.
bool are_columns_right(Model model, const int32_t* ids, const int32_t* positions, const float* all, Arrays& arrays) {
  const int32_t last = static_cast<int32_t>(model.vocab) - 1;
  model.columns = {last, 3, 4, 5, 6, 7, 8, 0};
  const int64_t count = model.outputs();
  float* some = arrays.floats(kBatch * count);
  scimind::decode::step(model, kBatch, ids, positions, some);
  bool is_same = true;
  for (int64_t i = 0; i < kBatch * count; ++i) {
    is_same &= some[i] == all[i / count * model.vocab + model.columns[i % count]];
  }
  return is_same;
}

bool is_right(const Sizes& sizes, Routing routing) {
  Arrays arrays;
  const Model model = make_model(sizes, routing, arrays);
  int32_t ids[kBatch], positions[kBatch], alone[kBatch];
  for (int64_t row = 0; row < kBatch; ++row) {
    ids[row] = static_cast<int32_t>(sizes.vocab - 1 - row);
    positions[row] = row == 4 ? -1 : static_cast<int32_t>(kLength - 1 - 4 * row);
  }
  float *together = arrays.floats(kBatch * sizes.vocab), *single = arrays.floats(kBatch * sizes.vocab);
  scimind::decode::step(model, kBatch, ids, positions, together);
  bool all = are_columns_right(model, ids, positions, together, arrays);
  for (int64_t row = 0; row < kBatch; ++row) {
    for (int64_t other = 0; other < kBatch; ++other) alone[other] = other == row ? positions[row] : -1;
    scimind::decode::step(model, kBatch, ids, alone, single);
    const int64_t place = row * sizes.vocab;
    all &= std::memcmp(single + place, together + place, sizes.vocab * sizeof(float)) == 0;
    for (int64_t i = 0; i < sizes.vocab; ++i) all &= std::isfinite(single[place + i]);
  }
  std::unique_ptr<int32_t[]> chosen(new int32_t[kBatch * 3]);
  scimind::decode::decode_greedily(model, kBatch, ids, positions, 3, -1, kLength, chosen.get());
  for (int64_t i = 0; i < kBatch * 3; ++i) all &= chosen[i] >= -1 && chosen[i] < sizes.vocab;
  return all;
}

}  // namespace

int main() {
  int failures = 0;
  const Sizes all[] = {{64, 4, 2, 96, 4, 50}, {36, 6, 3, 44, 4, 23}, {176, 2, 1, 60, 5, 131}, {2, 1, 1, 1, 1, 10}};
  for (const Sizes& sizes : all) {
    for (const Routing routing : {Routing::kNone, Routing::kActivation, Routing::kLearned}) {
      if (is_right(sizes, routing)) continue;
      std::printf("wrong: width %ld, routing %d\n", static_cast<long>(sizes.width), static_cast<int>(routing));
      ++failures;
    }
  }
  return failures;
}
