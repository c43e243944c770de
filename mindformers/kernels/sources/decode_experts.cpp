// A step's feed-forward: which experts a row uses, their neurons, and what these add to the stream.
#include <algorithm>

#include "decode_worker.h"
#include "gemm.h"
#include "neurons.h"
#include "plan.h"

namespace scimind {
namespace decode {

void Worker::choose_by_input(const LayerWeights& layer) {
  share(pieces(count_, kGroup), [] {}, [&](int64_t task) {
    const int64_t end = std::min(count_, (task + 1) * kGroup);
    for (int64_t i = task * kGroup, next; i < end; i = next) {
      next = i + 1;
      while (next < end && modality_of(next) == modality_of(i)) ++next;
      choose_for(layer, i, next - i);
    }
  });
}

// For `count` rows of one modality from `first` on.
void Worker::choose_for(const LayerWeights& layer, int64_t first, int64_t count) {
  const int64_t width = model_.width, experts = model_.experts, own = modality_of(first) * experts;
  const Run all{0, width};
  for (int64_t k = 0; k < count; ++k) {
    normalise_row(shared_.x + (first + k) * width, layer.ffn_norm, width, model_.eps, normed_ + k * width);
  }
  multiply_rows(count, experts, normed_rows_.data(), layer.router_weight + own * width, width, &all, 1, false, scratch_,
                experts);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t i = first + k;
    float* scores = scratch_ + k * experts;
    for (int64_t e = 0; e < experts; ++e) scores[e] += layer.router_bias[own + e];
    choose(scores, experts, model_.experts_per_token[shared_.rows[i].id], shared_.mask + i * experts);
    if (!is_by_expert(layer)) std::fill_n(shared_.hidden + i * model_.neurons, model_.neurons, 0.0f);
  }
}

int64_t Worker::modality_of(int64_t row) const { return model_.modality_of_id[shared_.rows[row].id]; }

void Worker::choose_by_activation() {
  const int64_t experts = model_.experts, per = model_.per();
  share(count_, [] {}, [&](int64_t i) {
    float *hidden = shared_.hidden + i * model_.neurons, *mask = shared_.mask + i * experts;
    for (int64_t e = 0; e < experts; ++e) scratch_[e] = sum_of(hidden + e * per, per);
    choose(scratch_, experts, model_.experts_per_token[shared_.rows[i].id], mask);
    for (int64_t e = 0; e < experts; ++e) {
      if (mask[e] == 0.0f) std::fill_n(hidden + e * per, per, 0.0f);
    }
  });
}

// hidden = silu(x w1^T) * (x w3^T), of the experts that are used where that is known.
void Worker::compute_hidden(const LayerWeights& layer) {
  if (model_.routing == Routing::kLearned) return compute_used(layer);
  const int64_t neurons = model_.neurons, piece = outputs_per_task(neurons, 2 * model_.width);
  const auto prepare = [&] {
    normalise(layer.ffn_norm);
    for (int64_t i = 0; i < count_; ++i) chosen_[i] = i;
  };
  share(pieces(neurons, piece), prepare, [&](int64_t task) {
    compute_neurons(layer, count_, task * piece, std::min(piece, neurons - task * piece));
  });
}

// The same of the used experts only. How many they are is known in the phase alone; the number of tasks is that of the
// most that it can be.
void Worker::compute_used(const LayerWeights& layer) {
  const int64_t per = model_.per(), piece = neurons_per_task(), parts = pieces(per, piece);
  const auto prepare = [&] {
    normalise(layer.ffn_norm);
    used_.clear();
    for (int64_t e = 0; e < model_.experts; ++e) {
      if (find_users(e) > 0) used_.push_back(e);
    }
  };
  share(shared_.most_used * parts, prepare, [&](int64_t task) {
    const int64_t number = task / parts, first = task % parts * piece;
    if (number >= static_cast<int64_t>(used_.size())) return;
    const int64_t count = find_users(used_[number]);
    compute_neurons(layer, count, used_[number] * per + first, std::min(piece, per - first));
  });
}

// Whole cache lines, so that no two threads write into one, and as long a run of an expert's weights as leaves every
// thread some tasks.
int64_t Worker::neurons_per_task() const {
  const int64_t wanted = shared_.most_used * model_.per() / (kTasksPerThread * shared_.threads);
  return std::clamp<int64_t>(wanted / kLanes * kLanes, kLanes, kMostOutputs);
}

// `neurons` of them from `first` on, for `count` chosen rows.
void Worker::compute_neurons(const LayerWeights& layer, int64_t count, int64_t first, int64_t neurons) {
  const int64_t width = model_.width;
  for (int64_t c = 0; c < count; ++c) chosen_rows_[c] = normed_rows_[chosen_[c]];
  const Run all{0, width};
  float *gate = scratch_, *up = scratch_ + count * neurons;
  multiply(count, neurons, chosen_rows_.data(), layer.w1, first, width, &all, 1, false, gate, neurons);
  multiply(count, neurons, chosen_rows_.data(), layer.w3, first, width, &all, 1, false, up, neurons);
  for (int64_t c = 0; c < count; ++c) {
    activate(gate + c * neurons, up + c * neurons, neurons, shared_.hidden + chosen_[c] * model_.neurons + first);
  }
}

bool Worker::is_by_expert(const LayerWeights& layer) const {
  return model_.is_by_expert && layer.w2.bytes == nullptr;
}

// x += hidden w2^T, w2 [E, per, D]: of an expert that is not used nothing is read, of another all in one run.
void Worker::add_experts(const float* weights) {
  const int64_t outputs = model_.width, per = model_.per();
  // Few rows take as long as their weights take to be read: each thread reads as long runs as can be.
  const int64_t tasks = shared_.threads * (count_ > kGroup ? 2 : 1);
  const int64_t piece = std::clamp<int64_t>(outputs / tasks / kLanes * kLanes, kLanes, kMostSums);
  share(pieces(outputs, piece), [] {}, [&](int64_t task) {
    const int64_t first = task * piece, here = std::min(piece, outputs - first);
    for (int64_t e = 0; e < model_.experts; ++e) {
      const int64_t count = find_users(e);
      for (int64_t c = 0; c < count; ++c) chosen_rows_[c] = shared_.hidden + chosen_[c] * model_.neurons + e * per;
      const float* of_expert = weights + e * per * outputs + first;
      multiply_few_columns(count, here, per, chosen_rows_.data(), of_expert, outputs, false, scratch_, here);
      for (int64_t c = 0; c < count; ++c) {
        float* to = shared_.x + chosen_[c] * outputs + first;
        for (int64_t j = 0; j < here; ++j) to[j] += scratch_[c * here + j];
      }
    }
  });
}

// The rows that use an expert go to `chosen_`. Returns how many they are.
int64_t Worker::find_users(int64_t expert) {
  int64_t count = 0;
  for (int64_t i = 0; i < count_; ++i) {
    if (shared_.mask[i * model_.experts + expert] != 0.0f) chosen_[count++] = i;
  }
  return count;
}

// Runs start and end at multiples of sixteen: what they hold of a neighbouring expert is zero.
void Worker::find_runs() {
  const int64_t per = model_.per(), experts = model_.experts, neurons = model_.neurons;
  for (int64_t i = 0; i < count_; i += kGroup) {
    std::vector<Run>& runs = runs_[i / kGroup];
    runs.clear();
    for (int64_t e = 0; e < experts; ++e) {
      bool is_used = false;
      for (int64_t t = i; t < std::min(i + kGroup, count_); ++t) is_used |= shared_.mask[t * experts + e] != 0.0f;
      if (!is_used) continue;
      const int64_t begin = e * per / kLanes * kLanes;
      const int64_t end = std::min(neurons, ((e + 1) * per + kLanes - 1) / kLanes * kLanes);
      if (!runs.empty() && runs.back().end >= begin) {
        runs.back().end = end;
      } else {
        runs.push_back({begin, end});
      }
    }
  }
}

}  // namespace decode
}  // namespace scimind
