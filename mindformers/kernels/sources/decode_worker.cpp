#include "decode_worker.h"

#include <algorithm>
#include <cmath>

#include "decode_attention.h"
#include "vec.h"

namespace scimind {
namespace decode {
namespace {

constexpr int64_t kTaskFloats = 32768;  // at least, of one row: a few microseconds of work

float sum_of_squares(const float* x, int64_t count) {
  Vec sums = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) sums += load(x + i) * load(x + i);
  if (i < count) sums += load_part(x + i, count - i) * load_part(x + i, count - i);
  return total(sums);
}

int64_t scratch_size(const Shared& shared) {
  int64_t positions = 0;
  for (int64_t i = 0; i < shared.count; ++i) positions = std::max<int64_t>(positions, shared.rows[i].position + 1);
  return std::max({scores_size(positions), shared.count * kMostSums, kGroup * shared.model.experts, shared.model.width});
}

}  // namespace

void normalise_row(const float* x, const float* weight, int64_t width, float eps, float* to) {
  const float factor = 1.0f / std::sqrt(sum_of_squares(x, width) / static_cast<float>(width) + eps);
  for (int64_t j = 0; j < width; ++j) to[j] = x[j] * factor * weight[j];
}

Shared::Shared(const Model& model, const Row* rows, int64_t count, float* logits, int threads)
    : model(model),
      rows(rows),
      count(count),
      threads(threads),
      projected((model.heads + 2 * model.kv_heads) * model.head_dim),
      memory(count * (2 * model.width + projected + model.neurons + model.experts)),
      x(memory),
      qkv(x + count * model.width),
      mixed(qkv + count * projected),
      hidden(mixed + count * model.width),
      mask(hidden + count * model.neurons),
      logits(logits),
      phases(2 + 8 * static_cast<int64_t>(model.layers.size())) {
  for (int64_t i = 0; i < count; ++i) {
    if (rows[i].output >= 0) ends.push_back(i);
    if (model.experts_per_token != nullptr) most_used += std::max(model.experts_per_token[rows[i].id], 0);
  }
  most_used = std::min(most_used, model.experts);
}

Worker::Worker(Shared& shared)
    : shared_(shared),
      model_(shared.model),
      count_(shared.count),
      memory_(count_ * model_.width + scratch_size(shared)),
      normed_(memory_),
      scratch_(normed_ + count_ * model_.width),
      rows_(count_),
      chosen_rows_(count_),
      chosen_(count_),
      likeliest_(shared.ends.size()),
      runs_(pieces(count_, kGroup)) {
  for (int64_t i = 0; i < count_; ++i) normed_rows_.push_back(normed_ + i * model_.width);
  for (std::vector<Run>& runs : runs_) runs.reserve(model_.experts);
}

void Worker::run() {
  embed();
  for (const LayerWeights& layer : model_.layers) {
    project(layer);
    remember_all(layer);
    attend_all(layer);
    add_product(layer.wo, model_.width, shared_.mixed, false);
    if (model_.routing == Routing::kLearned) choose_by_input(layer);
    compute_hidden(layer);
    if (model_.routing == Routing::kActivation) choose_by_activation();
    if (is_by_expert(layer)) {
      add_experts(layer.w2.floats);
    } else {
      add_product(layer.w2, model_.neurons, shared_.hidden, model_.routing != Routing::kNone);
    }
  }
  compute_logits();
}

// Several rows take longer for each weight, and fetch what follows in the same task.
int64_t Worker::outputs_per_task(int64_t outputs, int64_t width, int64_t most) const {
  const int64_t lasting = count_ > 1 ? most : kTaskFloats / width;
  const int64_t wanted = std::min(lasting, outputs / (kTasksPerThread * shared_.threads));
  return std::clamp<int64_t>(wanted / 8 * 8, 8, most);
}

void Worker::embed() {
  const int64_t width = model_.width;
  share(count_, [] {}, [&](int64_t i) {
    std::copy_n(model_.embedding + shared_.rows[i].id * width, width, shared_.x + i * width);
  });
}

void Worker::normalise(const float* weight) {
  const int64_t width = model_.width;
  for (int64_t i = 0; i < count_; ++i) {
    normalise_row(shared_.x + i * width, weight, width, model_.eps, normed_ + i * width);
  }
}

// Queries, keys and values of all rows.
void Worker::project(const LayerWeights& layer) {
  const int64_t width = model_.width, of_queries = model_.heads * model_.head_dim;
  const int64_t of_keys = model_.kv_heads * model_.head_dim, piece = outputs_per_task(shared_.projected, width);
  const int64_t query_tasks = pieces(of_queries, piece), key_tasks = pieces(of_keys, piece);
  const Run all{0, width};
  share(query_tasks + 2 * key_tasks, [&] { normalise(layer.attention_norm); }, [&](int64_t task) {
    const bool is_query = task < query_tasks, is_key = task < query_tasks + key_tasks;
    const Weight& weight = is_query ? layer.wq : is_key ? layer.wk : layer.wv;
    const int64_t first = (is_query ? task : (task - query_tasks) % key_tasks) * piece;
    const int64_t outputs = std::min(piece, (is_query ? of_queries : of_keys) - first);
    float* to = shared_.qkv + (is_query ? 0 : is_key ? of_queries : of_queries + of_keys) + first;
    multiply(count_, outputs, normed_rows_.data(), weight, first, width, &all, 1, false, to, shared_.projected);
  });
}

// Before anybody attends: rows of a prompt see each other.
void Worker::remember_all(const LayerWeights& layer) {
  share(count_, [] {}, [&](int64_t i) { remember(layer, i); });
}

// Turn queries and keys, and write keys and values into the cache.
void Worker::remember(const LayerWeights& layer, int64_t i) {
  const Row& row = shared_.rows[i];
  const int64_t d = model_.head_dim;
  const float *cos = model_.cos + row.position * d, *sin = model_.sin + row.position * d;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  float* head = shared_.qkv + i * shared_.projected;
  for (int64_t query = 0; query < model_.heads; ++query, head += d) rotate(head, cos, sin, d, scale, head);
  for (int64_t group = 0; group < model_.kv_heads; ++group, head += d) {
    const int64_t place = cached_at(row, group) + row.position * d;
    rotate(head, cos, sin, d, 1.0f, layer.keys + place);
    std::copy_n(head + model_.kv_heads * d, d, layer.values + place);
  }
}

void Worker::attend_all(const LayerWeights& layer) {
  // A row is a task where there are rows enough for all threads to end together.
  const int64_t groups = count_ >= kTasksPerThread * shared_.threads ? model_.kv_heads : 1;
  share(count_ * model_.kv_heads / groups, [] {}, [&](int64_t task) {
    for (int64_t k = task * groups; k < (task + 1) * groups; ++k) {
      attend_group(layer, k / model_.kv_heads, k % model_.kv_heads);
    }
  });
}

void Worker::attend_group(const LayerWeights& layer, int64_t i, int64_t group) {
  const Row& row = shared_.rows[i];
  const int64_t d = model_.head_dim, sharing = model_.heads / model_.kv_heads, place = cached_at(row, group);
  const Cached cached{layer.keys + place, layer.values + place, row.position + int64_t{1}, d};
  const float* queries = shared_.qkv + i * shared_.projected + group * sharing * d;
  attend(queries, sharing, cached, scratch_, shared_.mixed + i * model_.width + group * sharing * d);
}

int64_t Worker::cached_at(const Row& row, int64_t group) const {
  return (row.slot * model_.kv_heads + group) * model_.cache_length * model_.head_dim;
}

// x += values weight^T, values [n, width].
void Worker::add_product(const Weight& weight, int64_t width, const float* values, bool is_routed) {
  const int64_t outputs = model_.width, piece = outputs_per_task(outputs, width);
  const auto prepare = [&] {
    for (int64_t i = 0; i < count_; ++i) rows_[i] = values + i * width;
    if (is_routed) find_runs();
  };
  const Run all{0, width};
  share(pieces(outputs, piece), prepare, [&](int64_t task) {
    const int64_t first = task * piece, here = std::min(piece, outputs - first);
    float* to = shared_.x + first;
    if (!is_routed) return multiply(count_, here, rows_.data(), weight, first, width, &all, 1, true, to, outputs);
    for (int64_t i = 0; i < count_; i += kGroup) {
      const std::vector<Run>& runs = runs_[i / kGroup];
      multiply(std::min(kGroup, count_ - i), here, rows_.data() + i, weight, first, width, runs.data(),
               static_cast<int64_t>(runs.size()), true, to + i * outputs, outputs);
    }
  });
}

void Worker::compute_logits() {
  const int64_t width = model_.width, columns = model_.outputs();
  const int64_t piece = outputs_per_task(columns, width, kMostColumns);
  const auto prepare = [&] {
    for (size_t k = 0; k < shared_.ends.size(); ++k) {
      normalise_row(shared_.x + shared_.ends[k] * width, model_.norm, width, model_.eps, normed_ + k * width);
    }
  };
  share(shared_.ends.empty() ? 0 : pieces(columns, piece), prepare, [&](int64_t task) {
    compute_columns(task * piece, std::min(piece, columns - task * piece));
  });
}

// Wanted tokens [first, first + count) of all rows whose logits are asked for.
void Worker::compute_columns(int64_t first, int64_t count) {
  const int64_t width = model_.width, rows = static_cast<int64_t>(shared_.ends.size());
  const Run all{0, width};
  for (int64_t k = 0, next; k < count; k = next) {
    next = k + neighbours(first + k, count - k);
    const int64_t token = model_.columns.empty() ? first + k : model_.columns[first + k];
    multiply(rows, next - k, normed_rows_.data(), model_.head, token, width, &all, 1, false, scratch_ + k, count);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const float* logits = scratch_ + i * count;
    if (shared_.logits == nullptr) {
      likeliest_[i].see_all(logits, count, first);
    } else {
      const int64_t output = shared_.rows[shared_.ends[i]].output;
      std::copy_n(logits, count, shared_.logits + output * model_.outputs() + first);
    }
  }
}

// How many of the wanted tokens from `first` on, `count` at the most, stand side by side in the head.
int64_t Worker::neighbours(int64_t first, int64_t count) const {
  if (model_.columns.empty()) return count;
  int64_t found = 1;
  while (found < count && model_.columns[first + found] == model_.columns[first] + found) ++found;
  return found;
}

}  // namespace decode
}  // namespace scimind
