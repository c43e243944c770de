// Runs the decode step on buffers of exactly the right size, under the sanitizers. Exit status 0 means that all was
// well; a token in company, be it of its own prompt, must have the bits that it has alone.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <list>
#include <memory>
#include <vector>

#include "decode_greedy.h"
#include "decode_step.h"

namespace {

using scimind::decode::LayerWeights;
using scimind::decode::Model;
using scimind::decode::Routing;
using scimind::decode::Row;

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
  int8_t* bytes(int64_t count) {
    bytes_.emplace_back(new int8_t[count]());
    return bytes_.back().get();
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
  std::list<std::unique_ptr<int8_t[]>> bytes_;
  std::list<std::unique_ptr<int32_t[]>> integers_;
};

Model make_model(const Sizes& s, Routing routing, Arrays& arrays) {
  const int64_t d = s.width / s.heads, kv = s.kv_heads * d, square = s.width * s.width;
  Model model{};
  model.width = s.width, model.heads = s.heads, model.kv_heads = s.kv_heads, model.head_dim = d;
  model.neurons = s.neurons, model.vocab = s.vocab, model.slots = kBatch, model.cache_length = kLength, model.eps = 1e-5f;
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

// The weights of all products, rounded.
void round_all(const Sizes& s, Model& model, Arrays& arrays) {
  const auto round = [&](scimind::decode::Weight& weight, int64_t outputs, int64_t width) {
    int8_t* bytes = arrays.bytes(outputs * scimind::decode::byte_stride(width));
    float* scales = arrays.floats(outputs);
    scimind::decode::round_weights(weight.floats, outputs, width, bytes, scales);
    weight.bytes = bytes, weight.scales = scales, weight.floats = nullptr;
  };
  const int64_t kv = s.kv_heads * model.head_dim;
  round(model.head, s.vocab, s.width);
  for (LayerWeights& layer : model.layers) {
    round(layer.wq, s.width, s.width), round(layer.wo, s.width, s.width);
    round(layer.wk, kv, s.width), round(layer.wv, kv, s.width);
    round(layer.w1, s.neurons, s.width), round(layer.w3, s.neurons, s.width), round(layer.w2, s.width, s.neurons);
  }
}

// Whether logits of some tokens only are those among all logits, for a token of every slot but the fifth.
bool are_columns_right(Model model, const std::vector<Row>& rows, const float* every, Arrays& arrays) {
  model.columns = {static_cast<int32_t>(model.vocab) - 1, 3, 4, 5, 6, 7, 8, 0};
  const int64_t count = model.outputs();
  float* some = arrays.floats(kBatch * count);
  scimind::decode::step(model, rows.data(), kBatch - 1, some);
  bool all = true;
  for (int64_t i = 0; i < kBatch - 1; ++i) {
    const int64_t output = rows[i].output;
    for (int64_t k = 0; k < count; ++k) {
      all &= some[output * count + k] == every[output * model.vocab + model.columns[k]];
    }
  }
  return all;
}

bool has_same_bits(const float* left, const float* right, int64_t count) {
  return std::memcmp(left, right, count * sizeof(float)) == 0;
}

// A token of every slot but the fifth, then a prompt in the fifth, of which two logits are asked for.
std::vector<Row> make_rows(const Sizes& sizes) {
  std::vector<Row> rows;
  for (int32_t slot = 0; slot < kBatch; ++slot) {
    const int32_t id = static_cast<int32_t>(sizes.vocab - 1 - slot);
    if (slot != 4) rows.push_back({slot, id, static_cast<int32_t>(kLength - 1 - 4 * slot), slot});
  }
  for (int32_t place = 0; place < kLength; ++place) {
    const int32_t output = place + 1 == kLength ? 4 : place == 20 ? kBatch : -1;
    rows.push_back({4, static_cast<int32_t>(place % sizes.vocab), place, output});
  }
  return rows;
}

bool is_right(const Sizes& sizes, Routing routing, bool is_by_expert) {
  Arrays arrays;
  Model model = make_model(sizes, routing, arrays);
  model.is_by_expert = is_by_expert;
  const std::vector<Row> rows = make_rows(sizes);
  float *together = arrays.floats((kBatch + 1) * sizes.vocab), *single = arrays.floats(sizes.vocab);
  scimind::decode::step(model, rows.data(), static_cast<int64_t>(rows.size()), together);
  bool all = are_columns_right(model, rows, together, arrays);
  for (Row row : rows) {
    const float* expected = together + row.output * sizes.vocab;
    const bool is_asked = row.output >= 0;
    row.output = 0;
    scimind::decode::step(model, &row, 1, single);
    if (is_asked) all &= has_same_bits(single, expected, sizes.vocab);
    for (int64_t i = 0; i < sizes.vocab; ++i) all &= std::isfinite(single[i]);
    int32_t likeliest = -1;
    scimind::decode::likeliest_after(model, &row, 1, &likeliest);
    all &= likeliest == std::max_element(single, single + sizes.vocab) - single;
  }
  Model rounded = model;
  round_all(sizes, rounded, arrays);
  scimind::decode::step(rounded, rows.data(), static_cast<int64_t>(rows.size()), together);
  for (int64_t i = 0; i < (kBatch + 1) * sizes.vocab; ++i) all &= std::isfinite(together[i]);
  std::unique_ptr<int32_t[]> counts(new int32_t[kBatch]), chosen(new int32_t[kBatch * 3]);
  for (int64_t i = 0; i < kBatch; ++i) counts[i] = i == 0 ? 1 : 3;
  for (const bool stops : {false, true}) {
    scimind::decode::decode_greedily(model, rows.data(), kBatch - 1, counts.get(), {3, -1, stops}, chosen.get());
    for (int64_t i = 0; i < 3 * (kBatch - 1); ++i) all &= chosen[i] >= -1 && chosen[i] < sizes.vocab;
    all &= chosen[0] >= 0 && chosen[1] == -1 && (chosen[4] == -1) == stops;
  }
  return all;
}

}  // namespace

int main() {
  int failures = 0;
  const Sizes all[] = {{64, 4, 2, 96, 4, 50}, {36, 6, 3, 44, 4, 23}, {176, 2, 1, 60, 5, 131}, {2, 1, 1, 1, 1, 10}};
  for (const Sizes& sizes : all) {
    for (const Routing routing : {Routing::kNone, Routing::kActivation, Routing::kLearned}) {
      for (const bool is_by_expert : {false, routing != Routing::kNone}) {
        if (is_right(sizes, routing, is_by_expert)) continue;
        std::printf("wrong: width %ld, routing %d, w2 by expert %d\n", static_cast<long>(sizes.width),
                    static_cast<int>(routing), is_by_expert);
        ++failures;
      }
    }
  }
  return failures;
}
