#include "decode_step.h"

#include <omp.h>

#include <algorithm>
#include <memory>

#include "decode_worker.h"

namespace scimind {
namespace decode {

void step(const Model& model, int64_t rows, const int32_t* ids, const int32_t* positions, float* logits) {
  std::vector<ActiveRow> active;
  for (int64_t row = 0; row < rows; ++row) {
    if (positions[row] >= 0) {
      active.push_back({row, ids[row], positions[row]});
    } else {
      std::fill_n(logits + row * model.outputs(), model.outputs(), 0.0f);
    }
  }
  if (active.empty()) return;
  Shared shared(model, std::move(active), logits);
  const int threads = omp_get_max_threads();
  std::vector<std::unique_ptr<Worker>> workers;
  for (int thread = 0; thread < threads; ++thread) workers.push_back(std::make_unique<Worker>(shared));
#pragma omp parallel num_threads(threads)
  workers[omp_get_thread_num()]->run();
}

}  // namespace decode
}  // namespace scimind
