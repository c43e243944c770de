#include "decode_step.h"

#include <omp.h>

#include <algorithm>
#include <memory>

#include "decode_worker.h"

namespace scimind {
namespace decode {
namespace {

// Rows that are computed together: enough for the products to run at full speed, few enough for what they need in
// memory to stay small.
constexpr int64_t kMostRows = 128;

void step_together(const Model& model, const Row* rows, int64_t count, float* logits) {
  const int threads = omp_get_max_threads();
  Shared shared(model, rows, count, logits, threads);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int thread = 0; thread < threads; ++thread) workers.push_back(std::make_unique<Worker>(shared));
#pragma omp parallel num_threads(threads)
  workers[omp_get_thread_num()]->run();
}

}  // namespace

void step(const Model& model, const Row* rows, int64_t count, float* logits) {
  for (int64_t first = 0; first < count; first += kMostRows) {
    step_together(model, rows + first, std::min(kMostRows, count - first), logits);
  }
}

}  // namespace decode
}  // namespace scimind
