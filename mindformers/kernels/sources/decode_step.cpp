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

void step_together(const Model& model, const Row* rows, int64_t count, float* logits, int32_t* likeliest) {
  const int threads = omp_get_max_threads();
  Shared shared(model, rows, count, logits, threads);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int thread = 0; thread < threads; ++thread) workers.push_back(std::make_unique<Worker>(shared));
#pragma omp parallel num_threads(threads)
  workers[omp_get_thread_num()]->run();
  if (likeliest == nullptr) return;
  for (size_t k = 0; k < shared.ends.size(); ++k) {
    Likeliest best;
    for (const auto& worker : workers) best.see(worker->likeliest()[k].logit, worker->likeliest()[k].token);
    likeliest[rows[shared.ends[k]].output] = static_cast<int32_t>(best.token);
  }
}

void step_in_parts(const Model& model, const Row* rows, int64_t count, float* logits, int32_t* likeliest) {
  for (int64_t first = 0; first < count; first += kMostRows) {
    step_together(model, rows + first, std::min(kMostRows, count - first), logits, likeliest);
  }
}

}  // namespace

void step(const Model& model, const Row* rows, int64_t count, float* logits) {
  step_in_parts(model, rows, count, logits, nullptr);
}

void likeliest_after(const Model& model, const Row* rows, int64_t count, int32_t* likeliest) {
  step_in_parts(model, rows, count, nullptr, likeliest);
}

}  // namespace decode
}  // namespace scimind
