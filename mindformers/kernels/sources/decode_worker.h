// What one thread does in a step; the phases of `Worker::run` are those that all threads share.
#pragma once

#include <cstdint>
#include <vector>

#include "buffer.h"
#include "decode_likeliest.h"
#include "decode_rows.h"
#include "decode_step.h"
#include "decode_team.h"

namespace scimind {
namespace decode {

// Rows of a weight per task, at the most, and tasks enough for all threads to end together. The head has so many rows
// that a task may have more of them: its first ones, which nobody has fetched, are the slow ones.
constexpr int64_t kMostOutputs = 64, kMostColumns = 128, kTasksPerThread = 4;
// Sums of a row that a task of any kind leaves in the scratch memory, at the most.
constexpr int64_t kMostSums = 256;
// Rows that share a list of runs.
constexpr int64_t kGroup = 4;

inline int64_t pieces(int64_t total, int64_t piece) { return (total + piece - 1) / piece; }

// RMSNorm of one row.
void normalise_row(const float* x, const float* weight, int64_t width, float eps, float* to);

// What the threads compute together; n rows.
struct Shared {
  Shared(const Model& model, const Row* rows, int64_t count, float* logits, int threads);

  const Model& model;
  const Row* const rows;
  const int64_t count;
  const int threads;
  std::vector<int64_t> ends;    // rows whose logits are asked for
  int64_t most_used = 0;        // experts, at the most
  const int64_t projected;  // (H + 2 G) d: queries, keys and values of a token
  Buffer memory;
  float* const x;       // [n, D], the stream
  float* const qkv;     // [n, (H + 2 G) d]
  float* const mixed;   // [n, D], of all heads
  float* const hidden;  // [n, F], zero where an expert is not used
  float* const mask;    // [n, E], which experts a row uses
  float* const logits;  // [outputs, K], or null where the likeliest tokens are all that is wanted
  Phases phases;
};

class Worker {
 public:
  explicit Worker(Shared& shared);
  void run();

  // Among the tokens whose logits this thread computed, for each of `ends`; where there is no place for the logits.
  const std::vector<Likeliest>& likeliest() const { return likeliest_; }

 private:
  template <typename Prepare, typename Work>
  void share(int64_t tasks, Prepare prepare, Work work) {
    shared_.phases.share(phase_++, tasks, prepare, work);
  }
  int64_t outputs_per_task(int64_t outputs, int64_t width, int64_t most = kMostOutputs) const;
  void normalise(const float* weight);
  void embed();
  void project(const LayerWeights& layer);
  void remember_all(const LayerWeights& layer);
  void remember(const LayerWeights& layer, int64_t i);
  void attend_all(const LayerWeights& layer);
  void attend_group(const LayerWeights& layer, int64_t i, int64_t group);
  int64_t cached_at(const Row& row, int64_t group) const;
  void add_product(const Weight& weight, int64_t width, const float* values, bool is_routed);
  void compute_logits();
  void compute_columns(int64_t first, int64_t count);
  int64_t neighbours(int64_t first, int64_t count) const;

  // In `decode_experts.cpp`.
  void choose_by_input(const LayerWeights& layer);
  void choose_for(const LayerWeights& layer, int64_t first, int64_t count);
  int64_t modality_of(int64_t row) const;
  void choose_by_activation();
  void compute_hidden(const LayerWeights& layer);
  void compute_used(const LayerWeights& layer);
  void compute_neurons(const LayerWeights& layer, int64_t count, int64_t first, int64_t neurons);
  int64_t neurons_per_task() const;
  bool is_by_expert(const LayerWeights& layer) const;
  void add_experts(const float* weights);
  int64_t find_users(int64_t expert);
  void find_runs();

  Shared& shared_;
  const Model& model_;
  const int64_t count_;
  int64_t phase_ = 0;
  Buffer memory_;
  float* const normed_;   // [n, D]
  float* const scratch_;  // as much as any task needs
  std::vector<const float*> normed_rows_, rows_, chosen_rows_;
  std::vector<int64_t> chosen_;
  std::vector<int64_t> used_;           // experts
  std::vector<Likeliest> likeliest_;
  std::vector<std::vector<Run>> runs_;  // of every four rows: the elements of `hidden` that one of them uses
};

}  // namespace decode
}  // namespace scimind
