// What one thread does in a step; the phases of `Worker::run` are those that all threads share.
#pragma once

#include <cstdint>
#include <vector>

#include "buffer.h"
#include "decode_rows.h"
#include "decode_step.h"
#include "decode_team.h"

namespace scimind {
namespace decode {

// A row that is not idle: its place in the batch, its token and where that stands.
struct ActiveRow {
  int64_t place;
  int32_t id, position;
};

// What the threads compute together; n active rows.
struct Shared {
  Shared(const Model& model, std::vector<ActiveRow> rows, float* logits);
  int64_t count() const { return static_cast<int64_t>(rows.size()); }

  const Model& model;
  const std::vector<ActiveRow> rows;
  const int64_t projected;  // (H + 2 G) d: queries, keys and values of a token
  Buffer memory;
  float* const x;       // [n, D], the stream
  float* const qkv;     // [n, (H + 2 G) d]
  float* const mixed;   // [n, D], of all heads
  float* const hidden;  // [n, F], zero where an expert is not used
  float* const mask;    // [n, E], which experts a row uses
  float* const logits;  // [rows of the batch, K]
  Phases phases;
};

class Worker {
 public:
  explicit Worker(Shared& shared);
  void run();

 private:
  template <typename Prepare, typename Work>
  void share(int64_t tasks, Prepare prepare, Work work) {
    shared_.phases.share(phase_++, tasks, prepare, work);
  }
  void embed();
  void project(const LayerWeights& layer);
  void attend_all(const LayerWeights& layer);
  void attend_head(const LayerWeights& layer, int64_t i, int64_t group);
  void add_product(const float* weights, int64_t width, const float* values, bool is_routed);
  void choose_by_input(const LayerWeights& layer);
  void choose_by_activation();
  void compute_hidden(const LayerWeights& layer);
  void compute_neurons(const LayerWeights& layer, int64_t expert, int64_t first, int64_t end);
  void compute_logits();
  int64_t neighbours(int64_t k, int64_t end) const;
  void multiply_head(int64_t first, int64_t count, float* to, int64_t stride);
  void normalise(const float* weight);
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
  std::vector<std::vector<Run>> runs_;  // of every four rows: the elements of `hidden` that one of them uses
};

}  // namespace decode
}  // namespace scimind
